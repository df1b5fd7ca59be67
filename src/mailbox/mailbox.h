// The mailbox store of a relay: items on several replicas, receipts, subscriptions, tombstones, repair.
//
//   operation (from the onion) -> checks (epoch, placement, quota, signature) -> puts -> other replicas -> reply by
//   SURB replica message (from a relay link) -> the same checks -> puts -> receipt back
#ifndef SOTTO_MAILBOX_MAILBOX_H
#define SOTTO_MAILBOX_MAILBOX_H

#include "base/step.h"
#include "directory/directory.h"

struct mailbox_config {
    struct relay_id self;
    const struct sign_secret *identity; // outlives the mailbox; signs receipts
    const struct genesis *genesis;      // outlives the mailbox
    uint64_t bytes_max;                 // stored items' bytes; beyond it: OP_RELAY_FULL
    uint64_t free_bytes_min;            // low-water mark of the disk
    uint64_t mailbox_bytes_max;         // that one mailbox may take; beyond it: OP_MAILBOX_FULL
    uint32_t stranger_quota;            // 64
    uint32_t subscriptions_max;         // 100,000 a relay
    uint32_t pending_max;               // stores waiting for other replicas' receipts
    uint32_t receipt_timeout_ms;        // then OP_NO_QUORUM
    uint64_t repair_interval_ms;
    uint32_t deliveries_max; // proven ones that are kept of an epoch, at most MAILBOX_DELIVERIES_MAX
};

// Paths of 20 hashes keep an opening far below the largest transaction, and the leaves take 32 MiB while they are made.
#define MAILBOX_DELIVERIES_MAX (UINT32_C(1) << 20)

struct mailbox_ports {
    void *ctx;
    // Answers through a SURB: body of at most SPHINX_BODY_BYTES.
    void (*reply)(void *ctx, struct step *step, const uint8_t surb[static SPHINX_SURB_BYTES], struct span body);
    // To another replica over its relay link (queued, dialled if need be; may be lost when the link breaks).
    void (*to_replica)(void *ctx, struct step *step, const struct relay_id *replica, struct span message);
    bool (*reachable)(void *ctx, const struct relay_id *replica); // an open link, or down for too short to matter
};

struct mailbox;

struct mailbox *mailbox_new(const struct mailbox_config *config, const struct mailbox_ports *ports);
void mailbox_free(struct mailbox *mailbox);
void mailbox_start(struct mailbox *mailbox, struct step *step); // counts what is stored (a job); repairs
bool mailbox_ready(const struct mailbox *mailbox);
// current may be NULL; previous is the directory of the epoch before (or NULL). Takes its own references.
void mailbox_set_directory(struct mailbox *mailbox, struct step *step, struct directory *current,
                           struct directory *previous);
void mailbox_operation(struct mailbox *mailbox, struct step *step, struct span body);
// A message of kinds MESSAGE_REPLICA_FIRST .. LAST from a relay that the directory lists.
void mailbox_replica_message(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                             struct span message);
void mailbox_replica_up(struct mailbox *mailbox, struct step *step, const struct relay_id *replica);
void mailbox_replica_down(struct mailbox *mailbox, struct step *step, const struct relay_id *replica);
void mailbox_disk_space(struct mailbox *mailbox, struct step *step, uint64_t free_bytes);
void mailbox_job_done(struct mailbox *mailbox, struct step *step, struct job *job); // takes the job
void mailbox_tick(struct mailbox *mailbox, struct step *step);
uint64_t mailbox_next_ms(const struct mailbox *mailbox);

// Proofs of delivery, for the ledger. From here on no delivery of that epoch is taken any more, so that the batch made
// of them stays what it is; durable with this step. Returns how many there are.
uint32_t mailbox_deliveries_close(struct mailbox *mailbox, struct step *step, uint32_t epoch);
// For jobs, over a snapshot: the leaves of an epoch in increasing order, at most `max`; `*leaves` is the caller's to
// free. Returns how many.
uint32_t mailbox_deliveries_leaves(struct hash **leaves, const struct kv_snapshot *snapshot, uint32_t epoch,
                                   uint32_t max);
// One of them. ERR_NOT_FOUND, ERR_CORRUPT.
enum err mailbox_delivery(struct delivery *out, const struct kv_snapshot *snapshot, uint32_t epoch,
                          const struct hash *leaf);

#endif
