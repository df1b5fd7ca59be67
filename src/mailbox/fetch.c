// Reading items out of a mailbox: a job scans from a cursor on, and the step that gets its result answers with what is
// still held and has not expired by then. Serves FETCH, and subscriptions that have fallen behind.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "mailbox/mailbox_internal.h"

// Jobs under way at once, 8 KB each. Beyond it the owner asks again.
#define FETCHES_MAX 256
// Items behind those returned that are counted: reading a body is what costs.
#define WAITING_MAX 64

struct fetch_job {
    struct mailbox_job base;
    struct mailbox_id mailbox;
    uint64_t cursor;
    uint64_t wall_ms;
    bool for_subscription;
    size_t surb_count;
    uint8_t surbs[OP_SURBS_MAX][SPHINX_SURB_BYTES];
    // result
    struct found found[OP_SURBS_MAX];
    size_t found_count;
    uint32_t waiting;
    uint64_t end; // all arrivals up to here were looked at
};

// False when the scan is over.
static bool look_at(struct fetch_job *job, struct span key, struct span value) {
    struct mailbox_id id;
    uint64_t arrival = 0;
    struct body body;
    if (!key_body_read(&id, &arrival, key) || !mailbox_id_equal(&id, &job->mailbox) || body_decode(&body, value) != OK)
        return false;
    bool expired = body.expiry_ms <= job->wall_ms;
    if (job->found_count == job->surb_count) {
        job->waiting += expired ? 0 : 1;
        return job->waiting < WAITING_MAX;
    }
    job->end = arrival;
    if (expired)
        return true;
    struct found *found = &job->found[job->found_count++];
    *found = (struct found){.arrival = arrival, .expiry_ms = body.expiry_ms, .hash = body.hash};
    memcpy(found->item, body.item, ITEM_BYTES);
    return true;
}

static void fetch_run(struct job *base, const struct kv_snapshot *snapshot) {
    struct fetch_job *job = (struct fetch_job *)base;
    job->end = job->cursor;
    if (job->cursor == UINT64_MAX)
        return;
    struct key from;
    key_body(&from, &job->mailbox, job->cursor + 1);
    struct kv_cursor *cursor = kv_scan(snapshot, key_span(&from));
    struct span key;
    struct span value;
    while (kv_cursor_at(cursor, &key, &value) && look_at(job, key, value))
        kv_cursor_next(cursor);
    kv_cursor_free(cursor);
}

static void fetch_free(struct job *base) {
    free(base);
}

static struct fetch_job *job_new(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                                 uint64_t cursor) {
    if (mailbox->fetches >= FETCHES_MAX)
        return NULL;
    mailbox->fetches++;
    struct fetch_job *job = NEW(struct fetch_job);
    job->base.kind = MAILBOX_JOB_FETCH;
    job->base.job = (struct job){JOB_OWNER_MAILBOX, true, fetch_run, fetch_free};
    job->mailbox = *id;
    job->cursor = cursor;
    job->wall_ms = mailbox_wall_ms(mailbox, step);
    return job;
}

void fetch_execute(struct mailbox *mailbox, struct step *step, const struct op *op) {
    struct fetch_job *job = job_new(mailbox, step, &op->mailbox, op->cursor);
    if (job == NULL) {
        mailbox_answer_status(mailbox, step, op, OP_LIMIT);
        return;
    }
    job->surb_count = op->surb_count;
    for (size_t i = 0; i < op->surb_count; i++)
        memcpy(job->surbs[i], op->surbs[i], SPHINX_SURB_BYTES);
    step_start(step, &job->base.job);
}

bool fetch_for_subscription(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id, uint64_t cursor) {
    struct fetch_job *job = job_new(mailbox, step, id, cursor);
    if (job == NULL)
        return false;
    job->for_subscription = true;
    job->surb_count = OP_SURBS_MAX;
    step_start(step, &job->base.job);
    return true;
}

// The store has moved on since the snapshot: what was deleted or has expired meanwhile is not delivered.
static void keep_current(struct mailbox *mailbox, struct step *step, struct fetch_job *job) {
    size_t kept = 0;
    for (size_t i = 0; i < job->found_count; i++) {
        const struct found *found = &job->found[i];
        struct entry entry;
        if (entry_get(mailbox, step, &entry, &job->mailbox, &found->hash) != OK || entry.kind != ENTRY_ITEM ||
            entry.number != found->arrival || entry.expiry_ms <= mailbox_wall_ms(mailbox, step))
            continue;
        if (kept != i)
            job->found[kept] = *found;
        kept++;
    }
    job->found_count = kept;
}

static void answer_all(struct mailbox *mailbox, struct step *step, const struct fetch_job *job) {
    for (size_t i = 0; i < job->found_count; i++) {
        const struct found *found = &job->found[i];
        struct reply reply = {.kind = OP_FETCH,
                              .status = OP_OK,
                              .cursor = found->arrival,
                              .expiry_ms = found->expiry_ms,
                              .waiting = job->waiting + (uint32_t)(job->found_count - 1 - i),
                              .surbs_left = (uint8_t)(job->surb_count - 1 - i),
                              .item = found->item};
        mailbox_answer(mailbox, step, job->surbs[i], &reply);
        metric_add(step->env->metrics, METRIC_MAILBOX_DELIVERED, 1);
    }
    if (job->found_count > 0)
        return;
    struct reply nothing = {.kind = OP_FETCH,
                            .status = OP_OK,
                            .cursor = job->end,
                            .waiting = job->waiting,
                            .surbs_left = (uint8_t)(job->surb_count - 1)};
    mailbox_answer(mailbox, step, job->surbs[0], &nothing);
}

void fetch_done(struct mailbox *mailbox, struct step *step, struct mailbox_job *base) {
    struct fetch_job *job = (struct fetch_job *)base;
    ASSERT(mailbox->fetches > 0);
    mailbox->fetches--;
    keep_current(mailbox, step, job);
    if (job->for_subscription)
        subscribe_found(mailbox, step, &job->mailbox, job->found, job->found_count, job->waiting, job->end);
    else
        answer_all(mailbox, step, job);
}
