// What libwebsockets calls: one function for both doors, HTTP and WebSocket; a non-zero return closes the connection.
#include <stdlib.h>
#include <string.h>

#include "host/http_client.h"

// Copies a header as text; "" when absent. False: longer than `size`.
static bool copy_header(char *out, size_t size, struct lws *wsi, enum lws_token_indexes token) {
    out[0] = '\0';
    return lws_hdr_total_length(wsi, token) == 0 || lws_hdr_copy(wsi, out, (int)size, token) >= 0;
}

// libwebsockets has cut the query at each '&' and decoded it; we put it together again, encoded where it must be.
static bool copy_query(char *out, size_t size, struct lws *wsi) {
    static const char digits[] = "0123456789ABCDEF";
    char part[HTTP_QUERY_BYTES_MAX];
    size_t n = 0;
    for (int i = 0;; i++) {
        // Asked first: some versions say of one that does not fit that there is none.
        if (lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i) >= (int)sizeof(part)) {
            return false;
        }
        int got = lws_hdr_copy_fragment(wsi, part, sizeof(part), WSI_TOKEN_HTTP_URI_ARGS, i);
        if (got < 0) {
            out[n] = '\0';
            return true;
        }
        if (n + 3 * (size_t)got + 2 > size) {
            return false;
        }
        if (i > 0) {
            out[n++] = '&';
        }
        for (int at = 0; at < got; at++) {
            uint8_t byte = (uint8_t)part[at];
            if (byte <= 0x20 || byte >= 0x7f || strchr("&%+#", byte) != NULL) {
                out[n++] = '%';
                out[n++] = digits[byte >> 4];
                out[n++] = digits[byte & 15];
            } else {
                out[n++] = (char)byte;
            }
        }
    }
}

static enum http_method method_of(struct lws *wsi) {
    char *uri;
    int n;
    switch (lws_http_get_uri_and_method(wsi, &uri, &n)) {
    case LWSHUMETH_GET:
        return HTTP_GET;
    case LWSHUMETH_HEAD:
        return HTTP_HEAD;
    case LWSHUMETH_POST:
        return HTTP_POST;
    case LWSHUMETH_PUT:
        return HTTP_PUT;
    case LWSHUMETH_DELETE:
        return HTTP_DELETE;
    }
    return HTTP_OTHER;
}

// Reads what a request's head says. NULL, or why it is refused, with *status.
static const char *read_head(unsigned *status, struct http_client *client, const char *path, size_t path_n) {
    struct lws *wsi = client->wsi;
    *status = 414;
    if (path_n > HTTP_PATH_BYTES_MAX) {
        return "the path is too long";
    }
    memcpy(client->path, path, path_n);
    client->path[path_n] = '\0';
    if (!copy_query(client->query, sizeof(client->query), wsi)) {
        return "the query is too long";
    }
    client->method = method_of(wsi);
    *status = 431;
    if (!copy_header(client->accept, sizeof(client->accept), wsi, WSI_TOKEN_HTTP_ACCEPT) ||
        !copy_header(client->content_type, sizeof(client->content_type), wsi, WSI_TOKEN_HTTP_CONTENT_TYPE)) {
        return "a header is too long";
    }
    return NULL;
}

// NULL, or why this one may not use the API.
static const char *check_guard(unsigned *status, const struct http_client *client) {
    const struct http *http = client->http;
    char host[256];
    char origin[256];
    char authorization[HTTP_HEADER_BYTES_MAX];
    if (client->door->kind == HTTP_HEALTH) {
        return NULL;
    }
    *status = 403;
    if (!copy_header(host, sizeof(host), client->wsi, WSI_TOKEN_HOST) || !http_guard_host(&http->guard, host) ||
        !copy_header(origin, sizeof(origin), client->wsi, WSI_TOKEN_ORIGIN) ||
        !http_guard_origin(&http->guard, origin)) {
        metric_add(http->config.metrics, METRIC_HTTP_REFUSED_ORIGIN, 1);
        return "the API is for programs of this machine: wrong Host or Origin";
    }
    *status = 401;
    bool known = copy_header(authorization, sizeof(authorization), client->wsi, WSI_TOKEN_HTTP_AUTHORIZATION) &&
                 http_guard_token(&http->guard, authorization);
    wipe(authorization, sizeof(authorization));
    if (!known) {
        metric_add(http->config.metrics, METRIC_HTTP_REFUSED_TOKEN, 1);
        return "the header Authorization: Bearer <the API's token> is wanted";
    }
    return NULL;
}

// NULL, or why the announced body is refused; *length is what it announces.
static const char *check_length(unsigned *status, size_t *length, const struct http_client *client) {
    char text[24];
    char *end;
    *length = 0;
    *status = 411;
    if (lws_hdr_total_length(client->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
        return "a body needs a Content-Length";
    }
    *status = 400;
    if (!copy_header(text, sizeof(text), client->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH)) {
        return "the Content-Length makes no sense";
    }
    unsigned long long announced = strtoull(text, &end, 10);
    if (text[0] != '\0' && (text[0] < '0' || text[0] > '9' || *end != '\0')) {
        return "the Content-Length makes no sense";
    }
    *status = 413;
    if (announced > HTTP_BODY_BYTES_MAX) {
        metric_add(client->http->config.metrics, METRIC_HTTP_REFUSED_SIZE, 1);
        return "the body is longer than 64 KiB";
    }
    *length = (size_t)announced;
    return NULL;
}

static void begin(struct http_client *client) {
    client->id = ++client->http->next_id;
    client->closes_after = false;
    buf_clear(&client->body);
    http_answer_clear(&client->answer);
}

static int on_request(struct http_client *client, const char *path, size_t path_n) {
    unsigned status;
    size_t length = 0;
    begin(client);
    const char *refusal = read_head(&status, client, path, path_n);
    if (refusal == NULL) {
        refusal = check_guard(&status, client);
    }
    if (refusal == NULL) {
        refusal = check_length(&status, &length, client);
    }
    if (refusal != NULL) {
        client->closes_after = true; // a body may follow that nobody will read
        http_client_refuse(client, status, refusal);
    } else if (length > 0) {
        http_client_expect_body(client);
    } else {
        http_client_dispatch(client);
    }
    return 0;
}

static int on_body(struct http_client *client, const void *bytes, size_t n) {
    if (client->state != CLIENT_BODY) {
        return 0; // refused already
    }
    if (client->body.n + n > HTTP_BODY_BYTES_MAX) {
        return -1;
    }
    buf_append(&client->body, span_of(bytes, n));
    return 0;
}

// --- answers ---

static int write_headers(struct http_client *client) {
    struct http *http = client->http;
    struct lws *wsi = client->wsi;
    struct http_answer *answer = &client->answer;
    uint8_t *start = http->scratch + LWS_PRE;
    uint8_t *at = start;
    uint8_t *end = http->scratch + sizeof(http->scratch);
    static const uint8_t no_store[] = "no-store";
    if (lws_add_http_common_headers(wsi, answer->status, answer->content_type, answer->body.n, &at, end) != 0 ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CACHE_CONTROL, no_store, sizeof(no_store) - 1, &at, end) !=
            0) {
        return -1;
    }
    if (answer->allow != NULL && lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_ALLOW, (const uint8_t *)answer->allow,
                                                              (int)strlen(answer->allow), &at, end) != 0) {
        return -1;
    }
    if (answer->status == 401 && lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_WWW_AUTHENTICATE,
                                                              (const uint8_t *)"Bearer", 6, &at, end) != 0) {
        return -1;
    }
    return lws_finalize_write_http_header(wsi, start, &at, end);
}

// One chunk of the body.
static int write_body(struct http_client *client) {
    struct http *http = client->http;
    const struct buf *body = &client->answer.body;
    size_t left = body->n - client->sent;
    size_t n = left < HTTP_CHUNK_BYTES ? left : HTTP_CHUNK_BYTES;
    memcpy(http->scratch + LWS_PRE, body->p + client->sent, n);
    client->sent += n;
    enum lws_write_protocol kind = client->sent == body->n ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
    return lws_write(client->wsi, http->scratch + LWS_PRE, n, kind) < 0 ? -1 : 0;
}

static bool has_body(const struct http_client *client) {
    return client->method != HTTP_HEAD && client->answer.body.n > 0;
}

static int on_writable(struct http_client *client) {
    if (client->state != CLIENT_ANSWERING) {
        return 0;
    }
    if (!client->headers_sent) {
        client->headers_sent = true;
        if (write_headers(client) != 0) {
            return -1;
        }
    } else if (write_body(client) != 0) {
        return -1;
    }
    if (has_body(client) && client->sent < client->answer.body.n) {
        lws_callback_on_writable(client->wsi);
        return 0;
    }
    http_answer_clear(&client->answer);
    http_client_leave(client);
    return client->closes_after || lws_http_transaction_completed(client->wsi) != 0 ? -1 : 0;
}

// --- WebSockets ---

// 0: go on; 1: refused, the answer has been written.
static int on_upgrade(struct http_client *client, const char *to) {
    unsigned status;
    char *path;
    int path_n;
    begin(client);
    if (lws_http_get_uri_and_method(client->wsi, &path, &path_n) < 0) {
        return -1;
    }
    const char *refusal = read_head(&status, client, path, (size_t)path_n);
    if (refusal == NULL) {
        refusal = check_guard(&status, client);
    }
    if (refusal != NULL) {
        http_refuse(&client->answer, client->id, status, refusal);
    } else if (strcmp(to, "websocket") == 0 && http_client_may_watch(client)) {
        return 0;
    } else if (client->answer.status == 0) {
        http_refuse(&client->answer, client->id, 400, "only WebSockets are opened here");
    }
    client->sent = 0;
    if (write_headers(client) != 0 || write_body(client) != 0) {
        return -1;
    }
    return 1;
}

static int on_stream_writable(struct http_client *client) {
    struct frame *frame = http_client_pop(client);
    if (frame == NULL) {
        return client->closes_after ? -1 : 0;
    }
    struct buf whole = {0};
    memcpy(buf_extend(&whole, LWS_PRE + frame->bytes.n) + LWS_PRE, frame->bytes.p, frame->bytes.n);
    int written = lws_write(client->wsi, whole.p + LWS_PRE, frame->bytes.n, LWS_WRITE_TEXT);
    buf_free(&whole);
    buf_free(&frame->bytes);
    free(frame);
    lws_callback_on_writable(client->wsi);
    return written < 0 ? -1 : 0;
}

static const struct door *door_of(struct lws *wsi) {
    return lws_vhost_user(lws_get_vhost(wsi));
}

static int on_client(struct http_client *client, enum lws_callback_reasons reason, void *in, size_t n) {
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return on_request(client, in, n);
    case LWS_CALLBACK_HTTP_BODY:
        return on_body(client, in, n);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        if (client->state == CLIENT_BODY) {
            http_client_dispatch(client);
        }
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_writable(client);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_upgrade(client, in);
    case LWS_CALLBACK_ESTABLISHED:
        client->id = ++client->http->next_id;
        http_client_watch(client);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_stream_writable(client);
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
        http_client_leave(client);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        lws_set_opaque_user_data(client->wsi, NULL);
        http_client_free(client);
        return 0;
    }
    return 0; // what a stream's client sends is not looked at
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n) {
    (void)user;
    if (reason == LWS_CALLBACK_FILTER_NETWORK_CONNECTION) {
        struct http *http = door_of(wsi)->http;
        bool full = http->client_count >= http->config.clients_max;
        metric_add(http->config.metrics, METRIC_HTTP_REFUSED_LIMIT, full);
        return full;
    }
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED) {
        lws_set_opaque_user_data(wsi, http_client_new(door_of(wsi), wsi));
        return 0;
    }
    struct http_client *client = lws_get_opaque_user_data(wsi);
    if (client != NULL) {
        return on_client(client, reason, in, n);
    }
    // Callbacks without a connection of ours. A request on one (a stream of HTTP/2) is not served.
    return reason == LWS_CALLBACK_HTTP ? -1 : 0;
}
