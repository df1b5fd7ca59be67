// The queue and the job. The job owns copies of all it needs: packets, and the keys that fit now.
#include "relay/peel.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum err peel_queue_add(struct peel_queue *queue, const uint8_t bytes[static SPHINX_PACKET_BYTES], uint64_t now_ms) {
    if (queue->count >= queue->count_max)
        return ERR_FULL;
    struct onion_packet *packet = NEW(struct onion_packet);
    packet->arrived_ms = now_ms;
    memcpy(packet->bytes, bytes, sizeof packet->bytes);
    if (queue->last != NULL)
        queue->last->next = packet;
    else
        queue->first = packet;
    queue->last = packet;
    queue->count++;
    return OK;
}

static struct onion_packet *queue_take(struct peel_queue *queue) {
    struct onion_packet *packet = queue->first;
    if (packet == NULL)
        return NULL;
    queue->first = packet->next;
    if (queue->first == NULL)
        queue->last = NULL;
    packet->next = NULL;
    queue->count--;
    return packet;
}

void peel_queue_free(struct peel_queue *queue) {
    for (struct onion_packet *packet = queue_take(queue); packet != NULL; packet = queue_take(queue))
        free(packet);
}

static void peel_run(struct job *job, const struct kv_snapshot *snapshot) {
    (void)snapshot;
    struct peel_job *peel = (struct peel_job *)job;
    for (size_t i = 0; i < peel->count; i++)
        peel->errs[i] =
            sphinx_peel(&peel->peeled[i], peel->keys, peel->key_count, peel->packets[i]->bytes, peel->allow_trace);
}

static void peel_free(struct job *job) {
    struct peel_job *peel = (struct peel_job *)job;
    for (size_t i = 0; i < peel->count; i++)
        free(peel->packets[i]);
    free(peel->peeled);
    wipe(peel->keys, sizeof peel->keys);
    free(peel);
}

struct peel_job *peel_job_new(struct peel_queue *queue, const struct relay_keys *keys, uint64_t wall_ms,
                              bool allow_trace) {
    if (queue->count == 0)
        return NULL;
    struct peel_job *peel = NEW(struct peel_job);
    peel->job = (struct job){JOB_OWNER_RELAY, false, peel_run, peel_free};
    peel->key_count = relay_keys_accepted(keys, peel->keys, wall_ms);
    peel->allow_trace = allow_trace;
    while (peel->count < PEEL_BATCH_MAX && queue->count > 0)
        peel->packets[peel->count++] = queue_take(queue);
    peel->peeled = NEW_ARRAY(struct sphinx_peeled, peel->count);
    return peel;
}

bool peel_job_is(const struct job *job) {
    return job->run == peel_run;
}
