// The mailbox store's life cycle, the dispatch of operations, messages and jobs, and its deadlines.
#include <stdlib.h>

#include "base/assert.h"
#include "mailbox/repair.h"

struct mailbox *mailbox_new(const struct mailbox_config *config, const struct mailbox_ports *ports) {
    ASSERT(config->genesis->replicas >= 1 && config->genesis->replicas <= REPLICAS_MAX);
    ASSERT(config->genesis->quorum >= 1 && config->genesis->quorum <= config->genesis->replicas);
    ASSERT(config->deliveries_max >= 1 && config->deliveries_max <= MAILBOX_DELIVERIES_MAX);
    ASSERT(config->receipt_timeout_ms >= 3 && config->repair_interval_ms > 0); // deadlines that pass
    struct mailbox *mailbox = NEW(struct mailbox);
    mailbox->config = *config;
    mailbox->ports = *ports;
    mailbox->subscriptions = subscriptions_new();
    mailbox->repair = repair_new();
    mailbox->offers = offers_new();
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox) {
    if (mailbox == NULL)
        return;
    placement_cache_free(mailbox->current);
    placement_cache_free(mailbox->previous);
    pendings_free(mailbox);
    subscriptions_free(mailbox->subscriptions);
    repair_free(mailbox->repair);
    offers_free(mailbox->offers);
    buf_free(&mailbox->entry_record);
    buf_free(&mailbox->body_record);
    buf_free(&mailbox->proof_record);
    buf_free(&mailbox->record);
    buf_free(&mailbox->message);
    free(mailbox);
}

void mailbox_start(struct mailbox *mailbox, struct step *step) {
    totals_load(mailbox, step);
    mailbox->ready = true;
}

bool mailbox_ready(const struct mailbox *mailbox) {
    return mailbox->ready && mailbox->current != NULL;
}

static void set_cache(struct placement_cache **cache, struct directory *directory) {
    if (placement_cache_directory(*cache) == directory)
        return;
    placement_cache_free(*cache);
    *cache = directory != NULL ? placement_cache_new(directory) : NULL;
}

static struct directory *directory_ref_or_null(struct directory *directory) {
    return directory != NULL ? directory_ref(directory) : NULL;
}

void mailbox_set_directory(struct mailbox *mailbox, struct step *step, struct directory *current,
                           struct directory *previous) {
    struct placement_cache *old = mailbox->current;
    struct directory *old_directory = directory_ref_or_null(placement_cache_directory(old));
    // What was current becomes previous without losing what was looked up.
    if (placement_cache_directory(old) != NULL && placement_cache_directory(old) == previous) {
        placement_cache_free(mailbox->previous);
        mailbox->previous = old;
        mailbox->current = NULL;
    }
    set_cache(&mailbox->previous, previous);
    set_cache(&mailbox->current, current);
    if (mailbox_epoch(mailbox) > mailbox->newest_epoch)
        mailbox->newest_epoch = mailbox_epoch(mailbox);
    if (current != NULL && current != old_directory)
        repair_directory(mailbox, step, old_directory);
    directory_unref(old_directory);
}

uint8_t mailbox_stamp_bits(const struct mailbox *mailbox) {
    const struct directory *directory = placement_cache_directory(mailbox->current);
    return directory != NULL ? directory->stamp_bits : mailbox->config.genesis->stamp_bits;
}

// ---- answers ----

void mailbox_answer(struct mailbox *mailbox, struct step *step, const uint8_t surb[static SPHINX_SURB_BYTES],
                    struct reply *reply) {
    reply->epoch = mailbox_epoch(mailbox);
    reply->clock_ms = step->now.wall_ms;
    uint8_t bytes[OP_BYTES_MAX];
    size_t n = reply_encode(bytes, reply);
    mailbox->ports.reply(mailbox->ports.ctx, step, surb, span_of(bytes, n));
}

void mailbox_answer_status(struct mailbox *mailbox, struct step *step, const struct op *op, enum op_status status) {
    struct reply reply = {.kind = op->kind, .status = status};
    if (status == OP_STAMP)
        reply.stamp_bits = mailbox_stamp_bits(mailbox);
    mailbox_answer(mailbox, step, op->surbs[0], &reply);
}

void mailbox_send(struct mailbox *mailbox, struct step *step, const struct relay_id *to,
                  const struct replica_message *message) {
    replica_encode(&mailbox->message, message);
    mailbox->ports.to_replica(mailbox->ports.ctx, step, to, buf_span(&mailbox->message));
}

void mailbox_dropped(struct step *step, enum metric reason) {
    metric_add(step->env->metrics, reason, 1);
}

// ---- what comes in ----

void mailbox_operation(struct mailbox *mailbox, struct step *step, struct span body) {
    struct op op;
    if (!mailbox->ready || op_decode(&op, body) != OK) {
        mailbox_dropped(step, METRIC_MAILBOX_DROPPED_MALFORMED);
        return;
    }
    if (op.kind == OP_STORE)
        store_execute(mailbox, step, &op);
    else
        owner_execute(mailbox, step, &op);
}

static bool is_listed(const struct mailbox *mailbox, const struct relay_id *relay) {
    return (mailbox->current != NULL && directory_find(placement_cache_directory(mailbox->current), relay) != NULL) ||
           (mailbox->previous != NULL && directory_find(placement_cache_directory(mailbox->previous), relay) != NULL);
}

void mailbox_replica_message(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                             struct span bytes) {
    struct replica_message message;
    if (!mailbox->ready || !is_listed(mailbox, from)) {
        mailbox_dropped(step, METRIC_MAILBOX_DROPPED_UNLISTED);
        return;
    }
    if (replica_decode(&message, bytes) != OK) {
        mailbox_dropped(step, METRIC_MAILBOX_DROPPED_MALFORMED);
        return;
    }
    switch (message.kind) {
    case REPLICA_REPLICATE:
        store_replicate(mailbox, step, from, &message);
        break;
    case REPLICA_RECEIPT:
        store_receipt(mailbox, step, from, &message);
        break;
    case REPLICA_RECEIPTS:
        store_receipts(mailbox, step, from, &message);
        break;
    case REPLICA_OWNED:
        owner_owned(mailbox, step, from, &message);
        break;
    case REPLICA_DONE:
        if (transfer_owns(message.id))
            transfer_done(mailbox, step, from, message.id, message.status);
        else
            owner_done(mailbox, step, from, message.id);
        break;
    case REPLICA_ITEM:
        transfer_item(mailbox, step, from, &message);
        break;
    case REPLICA_ROOT:
        repair_root(mailbox, step, from, &message);
        break;
    case REPLICA_DIGESTS:
        repair_digests(mailbox, step, from, &message);
        break;
    case REPLICA_DIFFER:
        repair_differ(mailbox, step, from, &message);
        break;
    case REPLICA_OFFER:
        offer_take(mailbox, step, from, &message);
        break;
    case REPLICA_ANSWER:
        transfer_answer(mailbox, step, from, &message);
        break;
    }
}

void mailbox_replica_up(struct mailbox *mailbox, struct step *step, const struct relay_id *replica) {
    repair_up(mailbox, step, replica);
}

void mailbox_replica_down(struct mailbox *mailbox, struct step *step, const struct relay_id *replica) {
    repair_down(mailbox, step, replica);
}

void mailbox_disk_space(struct mailbox *mailbox, struct step *step, uint64_t free_bytes) {
    bool low = free_bytes < mailbox->config.free_bytes_min;
    if (low && !mailbox->disk_low)
        log_number(&step->env->log, LOG_WARN, PART, "disk is nearly full: new items are refused", "free_bytes",
                   (int64_t)free_bytes);
    mailbox->disk_low = low;
}

void mailbox_job_done(struct mailbox *mailbox, struct step *step, struct job *job) {
    struct mailbox_job *own = (struct mailbox_job *)job;
    switch (own->kind) {
    case MAILBOX_JOB_FETCH:
        fetch_done(mailbox, step, own);
        job->free(job);
        break;
    case MAILBOX_JOB_EXPIRE:
        expire_done(mailbox, step, own);
        job->free(job);
        break;
    case MAILBOX_JOB_OFFER:
        offer_done(mailbox, step, own);
        job->free(job);
        break;
    case MAILBOX_JOB_SCAN:
        repair_scan_done(mailbox, step, own); // which keeps it as long as it is worked on
        break;
    }
}

// ---- time ----

void mailbox_tick(struct mailbox *mailbox, struct step *step) {
    if (!mailbox->ready)
        return;
    for (struct pending *due; (due = pending_due(mailbox, step->now.mono_ms)) != NULL;) {
        if (due->kind == PENDING_STORE)
            store_timeout(mailbox, step, due);
        else
            owner_timeout(mailbox, step, due);
    }
    subscribe_tick(mailbox, step);
    expire_tick(mailbox, step);
    repair_tick(mailbox, step);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t mailbox_next_ms(const struct mailbox *mailbox) {
    if (!mailbox->ready)
        return TIME_NEVER;
    uint64_t next = earlier(pending_next_ms(mailbox), subscribe_next_ms(mailbox));
    if (mailbox->current != NULL && !mailbox->expiring)
        next = earlier(next, mailbox->expire_at_ms);
    return earlier(next, repair_next_ms(mailbox));
}
