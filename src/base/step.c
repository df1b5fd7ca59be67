// What a part does during a step: reads that see the step's own writes, writes into the step's batches, jobs.
#include "base/step.h"

#include <stdlib.h>

#include "base/assert.h"

enum err step_get(struct step *step, struct span key, struct buf *value) {
    struct kv_write write;
    if (!kv_batch_find(step->batch, key, &write))
        return kv_get(step->env->kv, key, value);
    buf_clear(value);
    if (write.is_delete)
        return ERR_NOT_FOUND;
    buf_append(value, write.value);
    return OK;
}

bool step_has(struct step *step, struct span key) {
    struct kv_write write;
    if (kv_batch_find(step->batch, key, &write))
        return !write.is_delete;
    return kv_has(step->env->kv, key);
}

void step_put(struct step *step, struct span key, struct span value, enum kv_durability durability) {
    kv_batch_put(step->batch, key, value, durability);
}

void step_delete(struct step *step, struct span key, enum kv_durability durability) {
    kv_batch_delete(step->batch, key, durability);
}

void step_log_append(struct step *step, struct span bytes) {
    log_batch_append(step->log, bytes);
}

void step_log_sync(struct step *step) {
    log_batch_sync(step->log);
}

void step_log_reset(struct step *step, struct span bytes) {
    log_batch_reset(step->log, bytes);
}

void step_start(struct step *step, struct job *job) {
    struct job_list *list = step->jobs;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity > 0 ? 2 * list->capacity : 4;
        struct job **jobs = realloc(list->jobs, capacity * sizeof(struct job *));
        ASSERT(jobs != NULL);
        list->jobs = jobs;
        list->capacity = capacity;
    }
    list->jobs[list->count++] = job;
}

void job_list_free(struct job_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->jobs[i] != NULL)
            list->jobs[i]->free(list->jobs[i]);
    }
    free(list->jobs);
    *list = (struct job_list){0};
}
