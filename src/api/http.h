// The seam between the HTTP server in host/ and the pure api/: plain requests in, plain answers out.
//
// host/ owns sockets, framing, the bearer token, the Host and Origin checks, deadlines and the bounds on sizes and on
// parked requests; it calls the functions below on the loop thread only. api/ owns paths, JSON, the OpenAPI document
// and the texts of health and metrics. An id names a request on both sides and, when the node is asked, in the node.
#ifndef SOTTO_API_HTTP_H
#define SOTTO_API_HTTP_H

#include "base/time.h"
#include "node/effect.h"

#define HTTP_BODY_BYTES_MAX (64 * 1024)
#define HTTP_PATH_BYTES_MAX 512
#define HTTP_QUERY_BYTES_MAX 1024

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

// Which of the node's two doors the request came through.
enum http_door {
    HTTP_HEALTH, // /livez /readyz /health /metrics; no token
    HTTP_API,    // /v1/...; the token has been checked
};

// Readings of the process, for /metrics.
struct process_reading {
    uint64_t cpu_us;
    uint64_t resident_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
    uint64_t start_wall_ms;
};

// Valid during the call.
struct http_request {
    uint64_t id; // numbered by the host, never used again
    enum http_door door;
    enum http_method method;
    bool stream;        // a WebSocket wants to open (GET)
    struct span path;   // percent-decoded, begins with '/', no zero bytes
    struct span query;  // as sent, after the '?'; empty: none
    struct span accept; // these headers as sent; empty: absent
    struct span content_type;
    struct span body;                      // at most HTTP_BODY_BYTES_MAX
    const struct process_reading *process; // for /metrics at the health door; else NULL
};

struct http_answer {
    uint64_t id;
    unsigned status;
    const char *content_type; // static
    const char *allow;        // static text of the Allow header (405), or NULL
    struct buf body;
};

void http_answer_clear(struct http_answer *answer); // frees the body

// A problem (RFC 9457), the one form of every refusal: {"status":<status>,"title":"<its name>","detail":"<reason>"}, as
// application/problem+json. Without a `type`, so that no event of a stream is taken for one. `reason` is free of
// quotes, backslashes and control characters.
void http_refuse(struct http_answer *answer, uint64_t id, unsigned status, const char *reason);
// The same with a further member, a text.
void http_refuse_with(struct http_answer *answer, uint64_t id, unsigned status, const char *reason, const char *member,
                      const char *value);

// What becomes of a request.
enum api_verdict {
    API_ANSWERED, // `answer` is set
    API_ASKED,    // `ask` goes to the node; its answer comes back through api_answer
    API_STREAM,   // `ask` goes to the node; its stream items come back through api_stream, a first answer is dropped
                  // unless it holds an error
};

struct api_ask {
    struct node_request request; // request.id is the http_request's id; spans stay valid until the next call into api/
    uint32_t wait_ms;            // the host answers 504 and tells the node after so long; 0: the host's default (30 s)
};

struct api;

enum api_verdict api_request(struct api *api, struct http_answer *answer, struct api_ask *ask,
                             const struct http_request *request, struct now now);
// The request that api_request made has been taken: what it pointed to is wiped.
void api_forget(struct api *api);
// The answer of the node to what API_ASKED asked.
void api_answer(struct api *api, struct http_answer *answer, const struct node_answer *from_node);
// One text frame for the WebSocket of item->id. Returns false when the item is not for the stream.
bool api_stream(struct api *api, struct buf *frame, const struct stream_item *item);
// The client has gone, or the deadline has passed: nothing more will come for this id.
void api_gone(struct api *api, uint64_t id);

#endif
