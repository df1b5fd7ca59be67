// Packets waiting to be peeled, and the jobs that peel them in batches.
#ifndef SOTTO_RELAY_PEEL_H
#define SOTTO_RELAY_PEEL_H

#include "relay/keys.h"
#include "wire/ids.h"

#define PEEL_BATCH_MAX 32 // about 3 ms of work

// A packet on its way through this relay.
struct onion_packet {
    struct onion_packet *next; // in the queue
    uint64_t arrived_ms;       // mono
    struct relay_id to;        // once it is known
    uint8_t bytes[SPHINX_PACKET_BYTES];
};

struct peel_queue {
    struct onion_packet *first;
    struct onion_packet *last;
    uint32_t count;
    uint32_t count_max;
};

// Takes a copy. ERR_FULL.
enum err peel_queue_add(struct peel_queue *queue, const uint8_t bytes[static SPHINX_PACKET_BYTES], uint64_t now_ms);
void peel_queue_free(struct peel_queue *queue);

struct peel_job {
    struct job job;
    struct sphinx_relay_key keys[RELAY_KEYS_ACCEPTED_MAX];
    size_t key_count;
    bool allow_trace;
    size_t count;
    struct onion_packet *packets[PEEL_BATCH_MAX]; // the job's; whoever takes one leaves NULL
    enum err errs[PEEL_BATCH_MAX];                // of each, when it has run
    struct sphinx_peeled *peeled;                 // of each, when it has run
};

// A job of the first packets waiting; NULL when there are none.
struct peel_job *peel_job_new(struct peel_queue *queue, const struct relay_keys *keys, uint64_t wall_ms,
                              bool allow_trace);
bool peel_job_is(const struct job *job);

#endif
