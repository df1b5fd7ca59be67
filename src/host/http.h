// The HTTP server of a node on libwebsockets: two doors (health and metrics; the API), requests to api/, its answers
// back, now or when the node has answered, and event streams as WebSockets. Bounds: connections, parked requests,
// bodies, frames that wait for a slow reader, and time. Loop thread only.
#ifndef SOTTO_HOST_HTTP_H
#define SOTTO_HOST_HTTP_H

#include <uv.h>

#include "api/http.h"
#include "base/metric.h"

struct http_config {
    struct address health; // port 0: none
    struct address api;    // port 0: none; must be a loopback address
    const char *token_path;
    uint32_t clients_max; // connections
    uint32_t parked_max;  // requests that wait for the node
    uint32_t patience_ms; // with a request's body, with the node, and with an answer to be taken; 0: 30 s
    uint64_t start_wall_ms;
    struct metrics *metrics;
    struct api *answers; // outlives the server
    void *ctx;
    void (*ask)(void *ctx, const struct node_request *request); // its answer may come before it returns
    void (*gone)(void *ctx, uint64_t id);
};

struct http;

// ERR_INVALID, ERR_EXISTS (a port in use), ERR_IO, ERR_UNSUPPORTED with a text in `why`. The loop must run once after
// an error.
enum err http_new(struct http **http, uv_loop_t *loop, const struct http_config *config, struct buf *why);
void http_take_answer(struct http *http, const struct node_answer *answer);
void http_take_item(struct http *http, const struct stream_item *item);
// Closes every connection; the loop must run until it has nothing left to do, then http_free.
void http_stop(struct http *http);
void http_free(struct http *http);

#endif
