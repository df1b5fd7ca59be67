// The OpenAPI 3.1 document: paths from the table of routes, schemas from schemas.c.
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"

static json_t *content_of(const char *media_type, const char *schema) {
    return json_pack("{s{so}}", media_type, "schema", schema_reference(schema));
}

// The path's parameter and the query's.
static json_t *parameters_of(const struct route *route) {
    json_t *array = json_array();
    const char *open = strchr(route->path, '{');
    if (open != NULL) {
        size_t n = (size_t)(strchr(open, '}') - open) - 1;
        json_array_append_new(array, json_pack("{ss# ss sb s{ss}}", "name", open + 1, (int)n, "in", "path", "required",
                                               1, "schema", "type", "string"));
    }
    const char *next = route->parameters;
    struct schema_member member;
    while (next != NULL && schema_next_member(&next, &member)) {
        json_array_append_new(array,
                              json_pack("{ss ss so}", "name", member.name, "in", "query", "schema", member.type));
    }
    return array;
}

static void add_success(json_t *responses, const struct route *route, unsigned status) {
    char text[8];
    snprintf(text, sizeof(text), "%u", status);
    json_t *success = json_pack("{ss}", "description", route->answer_schema == NULL ? "done" : route->answer_schema);
    if (route->answer_schema != NULL && !route->stream) {
        json_object_set_new(success, "content", content_of("application/json", route->answer_schema));
    }
    json_object_set_new(responses, text, success);
}

static json_t *operation_of(const struct route *route) {
    json_t *operation = json_pack("{ss so}", "summary", route->summary, "parameters", parameters_of(route));
    if (route->body_schema != NULL) {
        json_object_set_new(
            operation, "requestBody",
            json_pack("{sb so}", "required", 1, "content", content_of("application/json", route->body_schema)));
    }
    json_t *responses = json_object();
    add_success(responses, route, route->status);
    if (route->other_status != 0) {
        add_success(responses, route, route->other_status);
    }
    json_t *failure = json_pack("{ss so}", "description", "refused, with the reason", "content",
                                content_of("application/problem+json", "Problem"));
    json_object_set_new(responses, "default", failure);
    json_object_set_new(operation, "responses", responses);
    return operation;
}

static const char *verb_of(enum http_method method) {
    switch (method) {
    case HTTP_GET:
    case HTTP_HEAD:
    case HTTP_OTHER:
        return "get";
    case HTTP_POST:
        return "post";
    case HTTP_PUT:
        return "put";
    case HTTP_DELETE:
        return "delete";
    }
    return "get";
}

json_t *openapi_document(const char *version, unsigned parts) {
    json_t *paths = json_object();
    for (size_t i = 0; i < route_count; i++) {
        if (!route_exists(&routes[i], parts)) {
            continue;
        }
        json_t *path = json_object_get(paths, routes[i].path);
        if (path == NULL) {
            path = json_object();
            json_object_set_new(paths, routes[i].path, path);
        }
        json_object_set_new(path, verb_of(routes[i].method), operation_of(&routes[i]));
    }
    return json_pack("{ss s{ss ss ss} s[{s[]}] so s{so s{s{ss ss}}}}", "openapi", "3.1.0", "info", "title",
                     "Sotto node", "version", version, "summary", "The local API of a Sotto node", "security", "token",
                     "paths", paths, "components", "schemas", schemas_document(), "securitySchemes", "token", "type",
                     "http", "scheme", "bearer");
}
