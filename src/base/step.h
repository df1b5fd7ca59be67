// What a part of the node may use while it handles one event: readings of the clock, the environment, the batches its
// writes to the store and to the log go to, and the list of jobs it starts. Valid for the duration of the step only.
#ifndef SOTTO_BASE_STEP_H
#define SOTTO_BASE_STEP_H

#include "base/env.h"
#include "base/job.h"
#include "base/log.h"
#include "base/time.h"

struct job_list {
    struct job **jobs;
    size_t count;
    size_t capacity;
};

struct step {
    struct env *env;
    struct now now;
    struct kv_batch *batch;
    struct log_batch *log;
    struct job_list *jobs;
};

// Reads one key as it will be after this step: the step's own writes first, then the store. ERR_NOT_FOUND leaves
// `value` empty. A failing store ends the process in the host; here it reads as ERR_IO.
enum err step_get(struct step *step, struct span key, struct buf *value);
bool step_has(struct step *step, struct span key);
void step_put(struct step *step, struct span key, struct span value, enum kv_durability durability);
void step_delete(struct step *step, struct span key, enum kv_durability durability);
// The node's log (base/log.h), of a role that has one.
void step_log_append(struct step *step, struct span bytes);
void step_log_sync(struct step *step);
void step_log_reset(struct step *step, struct span bytes);
// The host owns the job from here; it comes back in a job_done event.
void step_start(struct step *step, struct job *job);
void job_list_free(struct job_list *list); // frees the jobs that were not taken, too

#endif
