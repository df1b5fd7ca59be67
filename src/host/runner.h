// Runs one node on a libuv loop: events in, effects out (node/event.h, node/effect.h).
//
//   timer, links, jobs, requests -> step -> store and log written -> immediate effects leave
//                                           \-> the others wait for the commit thread, then leave in order
//
// A failed write or sync ends the runner: what waited for it never leaves. Loop thread only.
#ifndef SOTTO_HOST_RUNNER_H
#define SOTTO_HOST_RUNNER_H

#include <uv.h>

#include "net/net.h"
#include "node/node.h"

struct runner_config {
    // The node. `step` is node_step, but for tests.
    void *node;
    void (*step)(void *node, const struct event *event, struct now now, struct effects *effects);
    struct kv *kv;
    const char *store_name; // for messages: its path; outlives the runner
    struct log *wal;        // the node's log; NULL: it has none
    const char *wal_name;   // as store_name
    struct span wal_bytes;  // what the log holds; until runner_start
    const char *data_dir;   // whose free space is watched; empty: none
    uint8_t boot_id[32];
    unsigned workers;
    struct net_config net; // its metrics and tag_key are filled in here
    struct metrics *metrics;
    struct log_sink log;
    // Where answers go. All are called from the loop or from runner_request.
    void *ctx;
    void (*answer)(void *ctx, struct node_answer *answer); // may take what it holds
    void (*stream)(void *ctx, const struct stream_item *item);
    // The node has stopped (OK), or cannot go on, with what, where and what to do: ERR_IO, ERR_FULL or ERR_CORRUPT of
    // the store or the log, ERR_REFUSED for a reason of the node's own. Called once; the loop ends when its other users
    // have closed their handles.
    void (*ended)(void *ctx, enum err err, const char *why);
};

struct runner;

// Errors as net_new; the loop must run once after one.
enum err runner_new(struct runner **runner, uv_loop_t *loop, const struct runner_config *config, struct buf *why);
// After the loop has ended.
void runner_free(struct runner *runner);

struct net *runner_net(struct runner *runner); // to listen
void runner_start(struct runner *runner);      // the first event
// The answer may come before this returns.
void runner_request(struct runner *runner, const struct node_request *request);
void runner_request_gone(struct runner *runner, uint64_t id);
// Asks the node to stop; it ends when its effects have left, or after ten seconds.
void runner_stop(struct runner *runner);
// Ends at once, for when nothing has been started.
void runner_abandon(struct runner *runner);

#endif
