// The OpenAPI 3.1 document: paths from the table of routes, schemas from the text below.
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/assert.h"

const char api_schemas[] =
    "{"
    "\"Status\":{\"type\":\"object\",\"required\":[\"ready\",\"epoch\",\"directory_epoch\",\"relays\",\"relay_links\","
    "\"client_links\"],\"properties\":{\"ready\":{\"type\":\"boolean\"},\"waiting_for\":{\"type\":\"string\"},"
    "\"epoch\":{\"type\":\"integer\"},\"directory_epoch\":{\"type\":\"integer\"},\"relays\":{\"type\":\"integer\"},"
    "\"relay_links\":{\"type\":\"integer\"},\"client_links\":{\"type\":\"integer\"}}},"
    "\"Link\":{\"type\":\"object\",\"required\":[\"link\"],\"properties\":{\"link\":{\"type\":\"string\"}}},"
    "\"Contact\":{\"type\":\"object\",\"required\":[\"name\",\"link\",\"blocked\",\"established\",\"outbox\"],"
    "\"properties\":{\"name\":{\"type\":\"string\"},\"link\":{\"type\":\"string\"},\"blocked\":{\"type\":\"boolean\"},"
    "\"established\":{\"type\":\"boolean\"},\"outbox\":{\"type\":\"integer\"}}},"
    "\"Contacts\":{\"type\":\"object\",\"required\":[\"contacts\"],\"properties\":{\"contacts\":{\"type\":\"array\","
    "\"items\":{\"$ref\":\"#/components/schemas/Contact\"}}}},"
    "\"NewContact\":{\"type\":\"object\",\"required\":[\"name\",\"link\"],\"properties\":{\"name\":{\"type\":"
    "\"string\",\"minLength\":1,\"maxLength\":64},\"link\":{\"type\":\"string\"}}},"
    "\"NewMessage\":{\"type\":\"object\",\"required\":[\"to\",\"text\"],\"properties\":{\"to\":{\"type\":\"string\"},"
    "\"text\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1024}}},"
    "\"Message\":{\"type\":\"object\",\"required\":[\"id\",\"cursor\",\"contact\",\"incoming\",\"state\",\"sequence\","
    "\"wall_ms\",\"text\"],\"properties\":{\"id\":{\"type\":\"string\"},\"cursor\":{\"type\":\"integer\"},"
    "\"contact\":{\"type\":\"string\"},\"incoming\":{\"type\":\"boolean\"},\"state\":{\"enum\":[\"queued\",\"stored\","
    "\"acknowledged\",\"expired\",\"received\",\"failed\"]},\"sequence\":{\"type\":\"integer\"},"
    "\"wall_ms\":{\"type\":\"integer\"},\"mono_ms\":{\"type\":\"integer\"},\"text\":{\"type\":\"string\"},\"stored_"
    "ms\":{\"type\":[\"integer\",\"null\"]},"
    "\"acknowledged_ms\":{\"type\":[\"integer\",\"null\"]},\"hops\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"string\"}},\"replicas\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"reason\":{\"type\":\"string\"}}},"
    "\"Messages\":{\"type\":\"object\",\"required\":[\"messages\"],\"properties\":{\"messages\":{\"type\":\"array\","
    "\"items\":{\"$ref\":\"#/components/schemas/Message\"}}}},"
    "\"Request\":{\"type\":\"object\",\"required\":[\"number\",\"link\",\"wall_ms\",\"text\"],\"properties\":{"
    "\"number\":{\"type\":\"integer\"},\"link\":{\"type\":\"string\"},\"wall_ms\":{\"type\":\"integer\"},"
    "\"text\":{\"type\":\"string\"}}},"
    "\"Requests\":{\"type\":\"object\",\"required\":[\"requests\"],\"properties\":{\"requests\":{\"type\":\"array\","
    "\"items\":{\"$ref\":\"#/components/schemas/Request\"}}}},"
    "\"Acceptance\":{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"}}},"
    "\"Passphrase\":{\"type\":\"object\",\"required\":[\"passphrase\"],\"properties\":{\"passphrase\":{\"type\":"
    "\"string\",\"minLength\":8}}},"
    "\"Backup\":{\"type\":\"object\",\"required\":[\"backup\"],\"properties\":{\"backup\":{\"type\":\"string\"}}},"
    "\"Event\":{\"type\":\"object\",\"required\":[\"type\"],\"properties\":{\"type\":{\"enum\":[\"message\","
    "\"request\"]},\"message\":{\"$ref\":\"#/components/schemas/Message\"},\"request\":{\"$ref\":"
    "\"#/components/schemas/Request\"}}},"
    "\"Error\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\","
    "\"required\":[\"status\",\"reason\"],\"properties\":{\"status\":{\"type\":\"integer\"},\"reason\":{\"type\":"
    "\"string\"}}}}}"
    "}";

static json_t *content_of(const char *schema) {
    char reference[128];
    snprintf(reference, sizeof(reference), "#/components/schemas/%s", schema);
    return json_pack("{s{s{ss}}}", "application/json", "schema", "$ref", reference);
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
    while (next != NULL) {
        size_t n = strcspn(next, ",");
        json_array_append_new(
            array, json_pack("{ss# ss s{ss}}", "name", next, (int)n, "in", "query", "schema", "type", "integer"));
        next = next[n] == 0 ? NULL : next + n + 1;
    }
    return array;
}

static json_t *operation_of(const struct route *route) {
    json_t *operation = json_pack("{ss so}", "summary", route->summary, "parameters", parameters_of(route));
    if (route->body_schema != NULL) {
        json_object_set_new(operation, "requestBody",
                            json_pack("{sb so}", "required", 1, "content", content_of(route->body_schema)));
    }
    char status[8];
    snprintf(status, sizeof(status), "%u", route->status);
    json_t *success = json_pack("{ss}", "description", route->answer_schema == NULL ? "done" : route->answer_schema);
    if (route->answer_schema != NULL && !route->stream) {
        json_object_set_new(success, "content", content_of(route->answer_schema));
    }
    json_t *failure = json_pack("{ss so}", "description", "refused, with the reason", "content", content_of("Error"));
    json_object_set_new(operation, "responses", json_pack("{so so}", status, success, "default", failure));
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

json_t *openapi_document(const char *version, bool user) {
    json_t *paths = json_object();
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].user && !user) {
            continue;
        }
        json_t *path = json_object_get(paths, routes[i].path);
        if (path == NULL) {
            path = json_object();
            json_object_set_new(paths, routes[i].path, path);
        }
        json_object_set_new(path, verb_of(routes[i].method), operation_of(&routes[i]));
    }
    json_t *schemas = json_loads(api_schemas, 0, NULL);
    ASSERT(schemas != NULL);
    return json_pack("{ss s{ss ss ss} s[{s[]}] so s{so s{s{ss ss}}}}", "openapi", "3.1.0", "info", "title",
                     "Sotto node", "version", version, "summary", "The local API of a Sotto node", "security", "token",
                     "paths", paths, "components", "schemas", schemas, "securitySchemes", "token", "type", "http",
                     "scheme", "bearer");
}
