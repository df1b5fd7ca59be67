// The workers: threads that run jobs (base/job.h) beside the loop.
#ifndef SOTTO_HOST_WORKERS_H
#define SOTTO_HOST_WORKERS_H

#include <uv.h>

#include "base/job.h"

struct workers;

// On the loop: a job has run; the callee owns it.
typedef void workers_done(void *ctx, struct job *job);

struct workers *workers_new(uv_loop_t *loop, unsigned count, workers_done *done, void *ctx);
// Takes the job, and the snapshot (NULL: none), which is released when the job has run. Loop thread.
void workers_submit(struct workers *workers, struct job *job, struct kv_snapshot *snapshot);
// Queued, running, or done and not yet handed over.
size_t workers_load(const struct workers *workers);
// Ends the threads after the jobs they are at; drops the others. The loop must still run until the handle is closed.
void workers_stop(struct workers *workers);
// After the loop has ended.
void workers_free(struct workers *workers);

#endif
