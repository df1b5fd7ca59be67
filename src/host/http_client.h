// One connection to the HTTP server: the request it is at, and what goes back. Shared by http.c and http_callback.c.
//
//   IDLE -> (BODY) -> PARKED -> ANSWERING -> IDLE      a request
//   IDLE -> WATCHING                                   a WebSocket
#ifndef SOTTO_HOST_HTTP_CLIENT_H
#define SOTTO_HOST_HTTP_CLIENT_H

#include <libwebsockets.h>

#include "base/time.h"
#include "host/http.h"
#include "host/http_guard.h"

#define HTTP_HEADER_BYTES_MAX 1024 // of one header that we look at
#define HTTP_PATIENCE_MS 30000
#define HTTP_CHUNK_BYTES 16384
#define HTTP_FRAMES_BYTES_MAX (1024 * 1024) // waiting for a slow reader of a stream; then it is cut

enum client_state { CLIENT_IDLE, CLIENT_BODY, CLIENT_PARKED, CLIENT_ANSWERING, CLIENT_WATCHING };

struct door {
    struct http *http;
    enum http_door kind;
    struct lws_vhost *vhost; // NULL: closed
};

struct frame {
    struct buf bytes;
    struct frame *next;
};

struct http_client {
    struct http *http;
    const struct door *door;
    struct lws *wsi;
    struct http_client *next;
    enum client_state state;
    uint64_t id;
    uint64_t deadline_ms;
    enum http_method method;
    char path[HTTP_PATH_BYTES_MAX + 1];
    char query[HTTP_QUERY_BYTES_MAX + 1];
    char accept[HTTP_HEADER_BYTES_MAX];
    char content_type[HTTP_HEADER_BYTES_MAX];
    struct buf body;
    struct http_answer answer;
    size_t sent;
    bool headers_sent;
    bool closes_after; // the answer
    bool is_cut;       // too slow: closes on the next turn
    struct frame *frames;
    struct frame **frames_last;
    size_t frames_bytes;
};

struct http {
    struct http_config config;
    uv_loop_t *loop;
    struct lws_context *context;
    struct lws_protocols protocols[2];
    struct http_guard guard;
    struct door doors[2]; // by enum http_door
    struct http_client *clients;
    size_t client_count;
    size_t parked_count;
    uint64_t next_id;
    uv_timer_t watch; // deadlines
    bool is_stopping;
    uint8_t scratch[LWS_PRE + HTTP_CHUNK_BYTES];
};

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n);

struct http_client *http_client_new(const struct door *door, struct lws *wsi);
void http_client_free(struct http_client *client);
void http_client_expect_body(struct http_client *client);
// The request in client->path and so on, its body complete.
void http_client_dispatch(struct http_client *client);
// Opens the stream. False: refused, client->answer says why.
bool http_client_may_watch(struct http_client *client);
void http_client_watch(struct http_client *client);
void http_client_refuse(struct http_client *client, unsigned status, const char *reason);
// What it waited for is not wanted any more.
void http_client_leave(struct http_client *client);
struct frame *http_client_pop(struct http_client *client);

#endif
