// What runs beside the loop: the scan at start, lists of messages, stamps, forgetting.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"

#define PURGE_MAX 1000 // keys forgotten in one go
#define PURGE_EVERY_MS HOUR_MS

void *client_job_new(size_t size, enum client_job_kind kind, bool wants_snapshot,
                     void (*run)(struct job *, const struct kv_snapshot *), void (*free_job)(struct job *)) {
    struct client_job *job = mem_new(1, size);
    job->kind = kind;
    job->job = (struct job){JOB_OWNER_CLIENT, wants_snapshot, run, free_job};
    return job;
}

// ---- load

struct load_job {
    struct client_job base;
    enum err err;
    struct loaded loaded;
};

static void load_run(struct job *job, const struct kv_snapshot *snapshot) {
    struct load_job *load = (struct load_job *)job;
    load->err = loaded_read(&load->loaded, snapshot);
}

static void load_free(struct job *job) {
    loaded_free(&((struct load_job *)job)->loaded);
    free(job);
}

void job_load_start(struct step *step) {
    step_start(step, client_job_new(sizeof(struct load_job), CLIENT_JOB_LOAD, true, load_run, load_free));
}

static void load_done(struct client *client, struct step *step, struct load_job *load) {
    if (load->err != OK)
        client_break(client, step, load->err, "the database is damaged or cannot be read");
    else
        account_load(client, step, &load->loaded);
    client_loaded(client, step);
}

// ---- messages

struct list_job {
    struct client_job base;
    uint64_t request;
    uint64_t cursor;
    uint32_t limit;
    enum err err;
    size_t count;
    struct message_record *records;
};

static void list_run(struct job *job, const struct kv_snapshot *snapshot) {
    struct list_job *list = (struct list_job *)job;
    struct store_key first;
    list->records = NEW_ARRAY(struct message_record, list->limit);
    if (list->cursor == UINT64_MAX)
        return;
    store_key_message(&first, list->cursor + 1);
    struct kv_cursor *cursor = kv_scan(snapshot, span_of(first.bytes, first.n));
    struct span key, value;
    for (; list->count < list->limit && kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
        enum record_kind kind;
        if (store_key_kind(&kind, key) != OK || kind != RECORD_MESSAGE)
            break;
        list->err = message_decode(&list->records[list->count], value);
        if (list->err != OK)
            break;
        list->count++;
    }
    kv_cursor_free(cursor);
}

static void records_free(struct message_record *records, size_t count) {
    for (size_t i = 0; i < count; i++)
        buf_wipe(&records[i].text);
    free(records);
}

static void list_free(struct job *job) {
    struct list_job *list = (struct list_job *)job;
    records_free(list->records, list->count);
    free(list);
}

void job_list_start(struct step *step, uint64_t request, uint64_t cursor, uint32_t limit) {
    struct list_job *list = client_job_new(sizeof(*list), CLIENT_JOB_LIST, true, list_run, list_free);
    list->request = request;
    list->cursor = cursor;
    list->limit = limit > 0 && limit < LIST_MAX ? limit : LIST_MAX;
    step_start(step, &list->base.job);
}

static void list_done(struct client *client, struct step *step, struct list_job *list) {
    if (list->err != OK) {
        answer_error(client, step, list->request, list->err, "the database is damaged or cannot be read");
        return;
    }
    struct client_answer answer = {.id = list->request, .message_count = list->count, .messages = list->records};
    list->count = 0;
    list->records = NULL;
    client->ports.answer(client->ports.ctx, step, &answer);
}

// ---- stamps

struct stamp_job {
    struct client_job base;
    uint64_t outbox;
    struct network_id network;
    struct mailbox_id mailbox;
    struct item_hash item;
    unsigned bits;
    uint64_t stamp;
};

static void stamp_run(struct job *job, const struct kv_snapshot *snapshot) {
    struct stamp_job *stamp = (struct stamp_job *)job;
    (void)snapshot;
    // Ends: one in 2^bits fits, and bits is at most STAMP_WORK_MAX.
    while (!stamp_fits(stamp->stamp, stamp->bits, &stamp->network, &stamp->mailbox, &stamp->item))
        stamp->stamp++;
}

struct mailbox_stamp_job {
    struct client_job base;
    uint64_t number;
    struct network_id network;
    struct mailbox_id mailbox;
    unsigned bits;
    uint64_t stamp;
};

static void mailbox_stamp_run(struct job *job, const struct kv_snapshot *snapshot) {
    struct mailbox_stamp_job *stamp = (struct mailbox_stamp_job *)job;
    (void)snapshot;
    while (!mailbox_stamp_fits(stamp->stamp, stamp->bits, &stamp->network, &stamp->mailbox))
        stamp->stamp++;
}

static void plain_free(struct job *job) {
    free(job);
}

void job_stamp_start(struct client *client, struct step *step, const struct outbox_entry *entry,
                     const uint8_t item[static ITEM_BYTES], unsigned bits) {
    struct stamp_job *stamp = client_job_new(sizeof(*stamp), CLIENT_JOB_STAMP, false, stamp_run, plain_free);
    stamp->outbox = entry->state.number;
    stamp->network = client->config.genesis->network;
    stamp->mailbox = entry->state.mailbox;
    stamp->bits = bits;
    item_hash_of(&stamp->item, &stamp->network, &stamp->mailbox, entry->state.expiry_ms, item);
    step_start(step, &stamp->base.job);
}

void job_mailbox_stamp_start(struct client *client, struct step *step, const struct own_mailbox *own, unsigned bits) {
    ASSERT(bits <= STAMP_WORK_MAX);
    struct mailbox_stamp_job *stamp =
        client_job_new(sizeof(*stamp), CLIENT_JOB_MAILBOX_STAMP, false, mailbox_stamp_run, plain_free);
    stamp->number = own->state.number;
    stamp->network = client->config.genesis->network;
    stamp->mailbox = own->id;
    stamp->bits = bits;
    step_start(step, &stamp->base.job);
}

// ---- forgetting what was seen

struct purge_job {
    struct client_job base;
    uint64_t wall_ms;
    size_t count;
    struct store_key keys[PURGE_MAX];
};

static void purge_run(struct job *job, const struct kv_snapshot *snapshot) {
    struct purge_job *purge = (struct purge_job *)job;
    struct store_key first;
    store_key_first(&first, RECORD_SEEN);
    struct kv_cursor *cursor = kv_scan(snapshot, span_of(first.bytes, first.n));
    struct span key, value;
    for (; purge->count < PURGE_MAX && kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
        enum record_kind kind;
        uint64_t forget_ms;
        if (store_key_kind(&kind, key) != OK || kind != RECORD_SEEN)
            break;
        if (seen_decode(&forget_ms, value) != OK || forget_ms >= purge->wall_ms || key.n > STORE_KEY_BYTES_MAX)
            continue;
        struct store_key *out = &purge->keys[purge->count++];
        memcpy(out->bytes, key.p, key.n);
        out->n = key.n;
    }
    kv_cursor_free(cursor);
}

void job_purge_start(struct step *step) {
    struct purge_job *purge = client_job_new(sizeof(*purge), CLIENT_JOB_PURGE, true, purge_run, plain_free);
    purge->wall_ms = step->now.wall_ms;
    step_start(step, &purge->base.job);
}

static void purge_done(struct client *client, struct step *step, const struct purge_job *purge) {
    for (size_t i = 0; i < purge->count; i++)
        step_delete(step, span_of(purge->keys[i].bytes, purge->keys[i].n), KV_LAZY);
    uint64_t again_ms = purge->count == PURGE_MAX ? SECOND_MS : PURGE_EVERY_MS;
    client_wake(client, &client->purge_wake_ms, step->now.mono_ms + again_ms, WAKE_PURGE, 0);
}

void jobs_done(struct client *client, struct step *step, struct job *job) {
    struct client_job *done = (struct client_job *)job;
    switch (done->kind) {
    case CLIENT_JOB_LOAD:
        load_done(client, step, (struct load_job *)job);
        break;
    case CLIENT_JOB_LIST:
        list_done(client, step, (struct list_job *)job);
        break;
    case CLIENT_JOB_STAMP: {
        const struct stamp_job *stamp = (const struct stamp_job *)job;
        outbox_stamped(client, step, stamp->outbox, stamp->bits, stamp->stamp);
        break;
    }
    case CLIENT_JOB_MAILBOX_STAMP: {
        const struct mailbox_stamp_job *stamp = (const struct mailbox_stamp_job *)job;
        own_stamped(client, step, stamp->number, stamp->stamp);
        break;
    }
    case CLIENT_JOB_BACKUP:
        backup_done(client, step, job);
        break;
    case CLIENT_JOB_PURGE:
        purge_done(client, step, (const struct purge_job *)job);
        break;
    }
    job->free(job);
}
