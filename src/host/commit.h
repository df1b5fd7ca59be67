// The commit thread: makes written batches durable. One sync serves everything written before it began, so that under
// load many steps share one.
#ifndef SOTTO_HOST_COMMIT_H
#define SOTTO_HOST_COMMIT_H

#include <uv.h>

#include "base/kv.h"

struct commit;

// On the loop: everything up to and including `number` is durable. `err`: a sync failed, nothing after `number` is.
typedef void commit_done(void *ctx, uint64_t number, enum err err, uint64_t sync_us);

struct commit *commit_new(uv_loop_t *loop, struct kv *kv, commit_done *done, void *ctx);
// Asks for a sync that covers all writes so far; `number` rises from call to call. Loop thread.
void commit_request(struct commit *commit, uint64_t number);
// Waits for what has been requested; then closes. The loop must still run until its handle is closed.
void commit_stop(struct commit *commit);
// After the loop has ended.
void commit_free(struct commit *commit);

#endif
