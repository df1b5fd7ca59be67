// The commit thread: makes durable what steps have written, to the store and to the log if the node has one. One sync
// serves everything written before it began, so that under load many steps share one.
//
// The store comes before the log: what a log is reset for is durable before its old bytes go.
#ifndef SOTTO_HOST_COMMIT_H
#define SOTTO_HOST_COMMIT_H

#include <uv.h>

#include "base/kv.h"
#include "base/log.h"

struct commit;

enum commit_part { COMMIT_STORE, COMMIT_LOG };

// How far the commit thread has come.
struct commit_state {
    uint64_t number; // everything up to and including it is durable
    enum err err;    // a sync failed: nothing after `number` is durable
    enum commit_part failed;
    uint64_t sync_us; // the last sync took
};

// On the loop, after syncs.
typedef void commit_done(void *ctx, const struct commit_state *state);

// `log`: NULL in a node that has none.
struct commit *commit_new(uv_loop_t *loop, struct kv *kv, struct log *log, commit_done *done, void *ctx);
// Asks for a sync that covers all writes so far; `number` rises from call to call. Loop thread.
void commit_request(struct commit *commit, uint64_t number);
// Waits for what has been requested; then closes. The loop must still run until its handle is closed.
void commit_stop(struct commit *commit);
// After the loop has ended.
void commit_free(struct commit *commit);

#endif
