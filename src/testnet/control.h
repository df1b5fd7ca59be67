// Talking to the supervisor of a local network, and to the API of its nodes.
#ifndef SOTTO_TESTNET_CONTROL_H
#define SOTTO_TESTNET_CONTROL_H

#include <jansson.h>

#include "testnet/plan.h"

#define CONTROL_SOCKET "supervisor.sock"
#define CONTROL_LINE_MAX (1024 * 1024)

// One order to the supervisor (`node` may be NULL); *answer is the caller's. ERR_UNAVAILABLE: none is running;
// ERR_REFUSED with its text.
enum err control_order(json_t **answer, const struct testnet *net, const char *op, const char *node, struct buf *why);
bool control_running(const struct testnet *net);

struct http_client;

// Connections to nodes, kept open. Not thread-safe.
struct http_client *http_client_new(void);
void http_client_free(struct http_client *client);
// A call of a node's API with the token of `token_path` (NULL: none). *json is NULL for an empty or non-JSON body. OK
// for any HTTP status; ERR_UNAVAILABLE when nobody answers.
enum err http_call(struct http_client *client, long *status, json_t **json, const char *method, const char *url,
                   const char *token_path, const json_t *body, struct buf *why);
// The same for a node of the network: path at its API door.
enum err testnet_call(struct http_client *client, long *status, json_t **json, const struct testnet *net,
                      const struct testnet_node *node, const char *method, const char *path, const json_t *body,
                      struct buf *why);
// A metric of a node, without its prefix; one without labels. ERR_UNAVAILABLE, ERR_NOT_FOUND.
enum err testnet_metric(struct http_client *client, int64_t *value, const struct testnet_node *node, const char *name,
                        struct buf *why);
// What a refusal says, or "" (points into json).
const char *http_reason(const json_t *json);

#endif
