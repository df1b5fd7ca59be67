// Forgetting what has expired: a job looks a slice ahead in the expiry index, the step that gets its result deletes.
// The same job finds the owners' requests that need not be remembered any longer, and deliveries that are settled.
#include <stdlib.h>

#include "base/assert.h"
#include "mailbox/mailbox_internal.h"

#define EXPIRE_SLICE 256
#define EXPIRE_INTERVAL_MS (5 * SECOND_MS)
// Requests are refused by their time long before this.
#define SEEN_MS (3 * CLOCK_SLACK_MS)

struct expired {
    uint64_t expiry_ms;
    struct mailbox_id mailbox;
    struct item_hash hash;
};

struct key_list {
    struct key keys[EXPIRE_SLICE];
    size_t count;
};

struct expire_job {
    struct mailbox_job base;
    uint64_t wall_ms;       // entries up to here
    uint64_t seen_wall_ms;  // requests up to here
    uint32_t settled_epoch; // deliveries up to here
    struct expired expired[EXPIRE_SLICE];
    size_t expired_count;
    struct key_list seen;
    struct key_list settled;
};

static bool take_expired(struct expire_job *job, struct span key) {
    struct expired *next = &job->expired[job->expired_count];
    if (!key_expiry_read(&next->expiry_ms, &next->mailbox, &next->hash, key) || next->expiry_ms > job->wall_ms)
        return false;
    return ++job->expired_count < EXPIRE_SLICE;
}

// False: the list is full.
static bool add_key(struct key_list *list, struct span key) {
    struct key *next = &list->keys[list->count++];
    struct writer w = writer_of(next->bytes, sizeof next->bytes);
    write_bytes(&w, key.p, key.n);
    next->n = w.n;
    return list->count < EXPIRE_SLICE;
}

static bool take_seen(struct expire_job *job, struct span key) {
    uint64_t time_ms = 0;
    return key_seen_read(&time_ms, key) && time_ms <= job->seen_wall_ms && add_key(&job->seen, key);
}

static bool take_settled(struct expire_job *job, struct span key) {
    uint32_t epoch = 0;
    return key_delivery_epoch_read(&epoch, key) && epoch <= job->settled_epoch && add_key(&job->settled, key);
}

static void scan_table(struct expire_job *job, const struct kv_snapshot *snapshot, char table,
                       bool (*take)(struct expire_job *job, struct span key)) {
    struct key from;
    key_table(&from, table);
    struct kv_cursor *cursor = kv_scan(snapshot, key_span(&from));
    struct span key;
    struct span value;
    while (kv_cursor_at(cursor, &key, &value) && take(job, key))
        kv_cursor_next(cursor);
    kv_cursor_free(cursor);
}

static void expire_run(struct job *base, const struct kv_snapshot *snapshot) {
    struct expire_job *job = (struct expire_job *)base;
    scan_table(job, snapshot, 'x', take_expired);
    scan_table(job, snapshot, 's', take_seen);
    scan_table(job, snapshot, 'd', take_settled);
}

static void expire_free(struct job *base) {
    free(base);
}

void expire_tick(struct mailbox *mailbox, struct step *step) {
    // Without a directory there is nothing to tell a jump of the clock from the passing of time.
    if (mailbox->expiring || mailbox->current == NULL || step->now.mono_ms < mailbox->expire_at_ms)
        return;
    mailbox->expiring = true;
    mailbox->expire_at_ms = step->now.mono_ms + EXPIRE_INTERVAL_MS;
    struct expire_job *job = NEW(struct expire_job);
    job->base.kind = MAILBOX_JOB_EXPIRE;
    job->base.job = (struct job){JOB_OWNER_MAILBOX, true, expire_run, expire_free};
    job->wall_ms = mailbox_wall_ms(mailbox, step);
    job->seen_wall_ms = step->now.wall_ms > SEEN_MS ? step->now.wall_ms - SEEN_MS : 0;
    job->settled_epoch = deliveries_settled_epoch(mailbox);
    step_start(step, &job->base.job);
}

static void forget_one(struct mailbox *mailbox, struct step *step, const struct expired *expired) {
    struct entry entry;
    if (entry_get(mailbox, step, &entry, &expired->mailbox, &expired->hash) == OK &&
        entry.expiry_ms == expired->expiry_ms) {
        if (entry.kind == ENTRY_ITEM)
            metric_add(step->env->metrics, METRIC_MAILBOX_EXPIRED, 1);
        entry_forget(mailbox, step, &expired->mailbox, &expired->hash, &entry);
        return;
    }
    struct key key;
    key_expiry(&key, expired->expiry_ms, &expired->mailbox, &expired->hash);
    step_delete(step, key_span(&key), KV_LAZY);
}

static void delete_all(struct step *step, const struct key_list *list) {
    for (size_t i = 0; i < list->count; i++)
        step_delete(step, key_span(&list->keys[i]), KV_LAZY);
}

void expire_done(struct mailbox *mailbox, struct step *step, struct mailbox_job *base) {
    const struct expire_job *job = (const struct expire_job *)base;
    mailbox->expiring = false;
    for (size_t i = 0; i < job->expired_count; i++)
        forget_one(mailbox, step, &job->expired[i]);
    delete_all(step, &job->seen);
    delete_all(step, &job->settled);
    if (job->expired_count == EXPIRE_SLICE || job->seen.count == EXPIRE_SLICE || job->settled.count == EXPIRE_SLICE)
        mailbox->expire_at_ms = step->now.mono_ms;
}
