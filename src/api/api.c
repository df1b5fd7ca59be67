// Requests find their route, become a question to the node, and its answer becomes JSON with the right status.
#include "api/api.h"

#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/assert.h"

#define ASKED_MAX 4096 // the host parks fewer

// A question that the node has not answered yet.
struct asked {
    uint64_t id;
    const struct route *route; // NULL: health
};

struct api {
    struct api_config config;
    struct asked asked[ASKED_MAX];
    size_t asked_count;
    unsigned parts;   // bits of enum part that this node has
    json_t *body;     // of the last request: api_ask's spans point into it,
    struct buf bytes; // or here
    char *openapi;
};

struct api *api_new(const struct api_config *config, struct rng *rng) {
    json_object_seed((size_t)rng_u64(rng));
    struct api *api = NEW(struct api);
    api->config = *config;
    api->parts = (config->user ? OF_USER : 0) | (config->relay ? OF_RELAY : 0) | (config->ledger ? OF_LEDGER : 0);
    json_t *document = openapi_document(config->version, api->parts);
    api->openapi = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
    ASSERT(api->openapi != NULL);
    json_decref(document);
    return api;
}

// Texts and passphrases do not stay in memory that is given back.
static void wipe_strings(json_t *json) {
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_string(json)) {
        wipe((void *)(uintptr_t)json_string_value(json), json_string_length(json));
    } else if (json_is_object(json)) {
        json_object_foreach(json, key, value) {
            wipe_strings(value);
        }
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, value) {
            wipe_strings(value);
        }
    }
}

void api_forget(struct api *api) {
    wipe_strings(api->body);
    json_decref(api->body);
    api->body = NULL;
}

void api_free(struct api *api) {
    if (api != NULL) {
        api_forget(api);
        buf_free(&api->bytes);
        free(api->openapi);
        free(api);
    }
}

static enum api_verdict text_answer(struct http_answer *answer, const struct http_request *http, const char *type,
                                    struct span text) {
    http_answer_clear(answer);
    answer->id = http->id;
    answer->status = 200;
    answer->content_type = type;
    buf_append(&answer->body, text);
    return API_ANSWERED;
}

static enum api_verdict refuse(struct http_answer *answer, const struct http_request *http, unsigned status,
                               const char *reason) {
    http_refuse(answer, http->id, status, reason);
    return API_ANSWERED;
}

static enum api_verdict remember(struct api *api, struct http_answer *answer, const struct http_request *http,
                                 const struct route *route) {
    if (api->asked_count == ASKED_MAX) {
        return refuse(answer, http, 503, "too many requests are waiting for the node");
    }
    api->asked[api->asked_count++] = (struct asked){.id = http->id, .route = route};
    return route != NULL && route->stream ? API_STREAM : API_ASKED;
}

static bool path_is(struct span path, const char *text) {
    return span_equal(path, span_of_text(text));
}

static enum api_verdict health(struct api *api, struct http_answer *answer, struct api_ask *ask,
                               const struct http_request *http) {
    if (http->method != HTTP_GET && http->method != HTTP_HEAD) {
        return refuse(answer, http, 405, "only GET is answered here");
    }
    if (path_is(http->path, "/livez")) {
        return text_answer(answer, http, "text/plain; charset=utf-8", SPAN_LITERAL("ok\n"));
    }
    if (path_is(http->path, "/metrics")) {
        struct buf text = {0};
        render_metrics(&text, &api->config, http->process);
        text_answer(answer, http, "text/plain; version=0.0.4; charset=utf-8", buf_span(&text));
        buf_free(&text);
        return API_ANSWERED;
    }
    if (path_is(http->path, "/readyz") || path_is(http->path, "/health")) {
        ask->request.op = NODE_STATUS;
        return remember(api, answer, http, NULL);
    }
    return refuse(answer, http, 404, "there are /livez, /readyz, /health and /metrics");
}

// Whether a path fits a route's, and its one parameter.
static bool path_fits(char parameter[static ROUTE_PARAMETER_MAX + 1], const char *pattern, struct span path) {
    const char *open = strchr(pattern, '{');
    parameter[0] = 0;
    if (open == NULL) {
        return path_is(path, pattern);
    }
    size_t head = (size_t)(open - pattern);
    const char *tail = strchr(open, '}') + 1;
    size_t tail_n = strlen(tail);
    if (path.n < head + 1 + tail_n || memcmp(path.p, pattern, head) != 0 ||
        memcmp(path.p + path.n - tail_n, tail, tail_n) != 0) {
        return false;
    }
    size_t n = path.n - head - tail_n;
    if (n > ROUTE_PARAMETER_MAX || memchr(path.p + head, '/', n) != NULL) {
        return false;
    }
    memcpy(parameter, path.p + head, n);
    parameter[n] = 0;
    return true;
}

// The Allow header (RFC 9110, section 10.2.1) for the methods of one path, a bit each.
static const char *allow_text(unsigned methods) {
    static const struct {
        unsigned methods;
        const char *text;
    } texts[] = {
        {1U << HTTP_GET, "GET, HEAD"},
        {1U << HTTP_POST, "POST"},
        {1U << HTTP_DELETE, "DELETE"},
        {1U << HTTP_GET | 1U << HTTP_POST, "GET, HEAD, POST"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].methods == methods) {
            return texts[i].text;
        }
    }
    ASSERT(methods == 0); // a route with other methods wants its row here
    return NULL;
}

// The route for a request; NULL with the path's methods in *allow when only the method is wrong.
static const struct route *find_route(const struct api *api, char *parameter, const char **allow,
                                      const struct http_request *http) {
    unsigned methods = 0;
    for (size_t i = 0; i < route_count; i++) {
        if (!route_exists(&routes[i], api->parts) || !path_fits(parameter, routes[i].path, http->path)) {
            continue;
        }
        if (routes[i].method == http->method || (routes[i].method == HTTP_GET && http->method == HTTP_HEAD)) {
            return &routes[i];
        }
        methods |= 1U << routes[i].method;
    }
    *allow = allow_text(methods);
    return NULL;
}

// Parses the body where the route takes one. NULL, or the refusal's text.
static const char *parse_body(struct api *api, const struct route *route, const struct http_request *http) {
    api_forget(api);
    if (route->body_schema == NULL) {
        return NULL;
    }
    json_error_t error;
    api->body = json_loadb((const char *)http->body.p, http->body.n, JSON_REJECT_DUPLICATES, &error);
    return json_is_object(api->body) ? NULL : "the body must be one JSON object";
}

static enum api_verdict call_route(struct api *api, struct http_answer *answer, struct api_ask *ask,
                                   const struct route *route, struct route_call *call) {
    if (route->stream != call->http->stream) {
        return refuse(answer, call->http, route->stream ? 426 : 400,
                      route->stream ? "this is a WebSocket" : "this is no WebSocket");
    }
    const char *wrong = parse_body(api, route, call->http);
    if (wrong == NULL) {
        call->body = api->body;
        ask->request.op = route->op;
        ask->request.client.id = call->http->id;
        ask->request.ledger.id = call->http->id;
        call->bytes = &api->bytes;
        wrong = route->ask(ask, call);
    }
    return wrong != NULL ? refuse(answer, call->http, 400, wrong) : remember(api, answer, call->http, route);
}

enum api_verdict api_request(struct api *api, struct http_answer *answer, struct api_ask *ask,
                             const struct http_request *http, struct now now) {
    *ask = (struct api_ask){.request = {.id = http->id}};
    if (http->door == HTTP_HEALTH) {
        return health(api, answer, ask, http);
    }
    if (path_is(http->path, "/v1/openapi.json") && http->method == HTTP_GET) {
        return text_answer(answer, http, "application/json", span_of_text(api->openapi));
    }
    struct route_call call = {.http = http, .now = now};
    const char *allow;
    const struct route *route = find_route(api, call.parameter, &allow, http);
    if (route == NULL) {
        refuse(answer, http, allow == NULL ? 404 : 405,
               allow == NULL ? "no such path; /v1/openapi.json lists them all" : "another method is wanted");
        answer->allow = allow;
        return API_ANSWERED;
    }
    return call_route(api, answer, ask, route, &call);
}

static bool take_asked(struct api *api, const struct route **route, uint64_t id) {
    for (size_t i = 0; i < api->asked_count; i++) {
        if (api->asked[i].id == id) {
            *route = api->asked[i].route;
            api->asked[i] = api->asked[--api->asked_count];
            return true;
        }
    }
    return false;
}

static unsigned status_of_error(enum err err) {
    switch (err) {
    case ERR_NOT_FOUND:
        return 404;
    case ERR_EXISTS:
        return 409;
    case ERR_MALFORMED:
    case ERR_INVALID:
    case ERR_TOO_LONG:
    case ERR_NETWORK:
    case ERR_AUTH:
        return 400;
    case ERR_FULL:
        return 507;
    case ERR_UNAVAILABLE:
    case ERR_EXPIRED:
    case ERR_EPOCH:
        return 503;
    case ERR_TIMEOUT:
        return 504;
    case ERR_UNSUPPORTED:
        return 501;
    case ERR_REFUSED:
        return 403;
    case OK:
    case ERR_REPLAY:
    case ERR_TIME:
    case ERR_IO:
    case ERR_CORRUPT:
    case ERR_LOCKED:
    case ERR_NO_MEMORY:
        break;
    }
    return 500;
}

static void answer_json(struct http_answer *answer, uint64_t id, unsigned status, json_t *json) {
    http_answer_clear(answer);
    answer->id = id;
    answer->status = json == NULL && status == 200 ? 204 : status;
    answer->content_type = "application/json";
    if (json != NULL) {
        char *text = json_dumps(json, JSON_COMPACT);
        ASSERT(text != NULL);
        buf_append(&answer->body, span_of_text(text));
        buf_append(&answer->body, SPAN_LITERAL("\n"));
        free(text);
        json_decref(json);
    }
}

void api_answer(struct api *api, struct http_answer *answer, const struct node_answer *from_node) {
    const struct route *route = NULL;
    const char *reason;
    enum err err = node_answer_error(from_node, &reason);
    bool found = take_asked(api, &route, from_node->id);
    ASSERT(found);
    if (route == NULL) {
        answer_json(answer, from_node->id, from_node->status.ready ? 200 : 503, format_status(&from_node->status));
    } else if (err != OK) {
        if (!refuse_by_mempool(answer, from_node)) {
            http_refuse(answer, from_node->id, status_of_error(err), reason);
        }
    } else {
        unsigned status = route->status_of == NULL ? route->status : route->status_of(from_node);
        answer_json(answer, from_node->id, status, route->format(from_node));
    }
}

static json_t *event_of(const struct stream_item *item) {
    switch (item->kind) {
    case STREAM_MESSAGE:
        return json_pack("{ss so}", "type", "message", "message", format_message(&item->message));
    case STREAM_REQUEST:
        return json_pack("{ss so}", "type", "request", "request", format_request(&item->request));
    case STREAM_LEDGER:
        return format_note(&item->note);
    }
    return json_object();
}

bool api_stream(struct api *api, struct buf *frame, const struct stream_item *item) {
    json_t *json = event_of(item);
    (void)api;
    char *text = json_dumps(json, JSON_COMPACT);
    ASSERT(text != NULL);
    buf_append(frame, span_of_text(text));
    free(text);
    json_decref(json);
    return true;
}

void api_gone(struct api *api, uint64_t id) {
    const struct route *route;
    take_asked(api, &route, id);
}
