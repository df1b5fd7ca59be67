// The scan at start: everything that the client keeps in memory, read once in a job.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/record.h"

// Room for one more element of an array that doubles.
static void *grown(void *array, size_t count, size_t size) {
    if (count > 0 && (count & (count - 1)) != 0)
        return array;
    void *p = realloc(array, (count > 0 ? count * 2 : 1) * size);
    ASSERT(p != NULL);
    return p;
}

static enum err take_request(struct loaded *out, struct span value) {
    out->requests = grown(out->requests, out->request_count, sizeof(*out->requests));
    struct request_state *state = &out->requests[out->request_count];
    enum err err = request_decode(state, value);
    if (err != OK)
        return err;
    state->text.p = mem_copy(state->text);
    out->request_count++;
    return OK;
}

static enum err take_held(struct loaded *out, struct span value) {
    out->held = grown(out->held, out->held_count, sizeof(*out->held));
    enum err err = held_decode(&out->held[out->held_count], value);
    out->held[out->held_count].text = (struct span){0}; // it points into the snapshot
    out->held_count += err == OK;
    return err;
}

#define TAKE(array, counter, decode)                                       \
    do {                                                                   \
        out->array = grown(out->array, out->counter, sizeof(*out->array)); \
        enum err take_err = decode(&out->array[out->counter], value);      \
        out->counter += take_err == OK;                                    \
        return take_err;                                                   \
    } while (0)

static enum err take(struct loaded *out, enum record_kind kind, struct span key, struct span value) {
    switch (kind) {
    case RECORD_ACCOUNT:
        out->has_account = true;
        return account_decode(&out->account, value);
    case RECORD_CONTACT:
        TAKE(contacts, contact_count, contact_decode);
    case RECORD_MAILBOX:
        TAKE(mailboxes, mailbox_count, mailbox_decode);
    case RECORD_OUTBOX:
        TAKE(outbox, outbox_count, outbox_decode);
    case RECORD_HELD:
        return take_held(out, value);
    case RECORD_REQUEST:
        return take_request(out, value);
    case RECORD_ENTRY:
        TAKE(entries, entry_count, entry_decode);
    case RECORD_DELETE:
        TAKE(deletes, delete_count, delete_decode);
    case RECORD_CURSOR: {
        out->cursors = grown(out->cursors, out->cursor_count, sizeof(*out->cursors));
        enum err err = cursor_decode(&out->cursors[out->cursor_count], key, value);
        out->cursor_count += err == OK;
        return err;
    }
    case RECORD_ITEM:
    case RECORD_MESSAGE:
    case RECORD_LOOKUP:
    case RECORD_SEEN:
        break;
    }
    return OK;
}

static enum err read_kind(struct loaded *out, const struct kv_snapshot *snapshot, enum record_kind kind) {
    struct store_key first;
    store_key_first(&first, kind);
    struct kv_cursor *cursor = kv_scan(snapshot, span_of(first.bytes, first.n));
    enum err err = OK;
    struct span key, value;
    for (; err == OK && kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
        enum record_kind met;
        if (store_key_kind(&met, key) != OK || met != kind)
            break;
        err = take(out, kind, key, value);
    }
    kv_cursor_free(cursor);
    return err;
}

enum err loaded_read(struct loaded *out, const struct kv_snapshot *snapshot) {
    // What may be large and is read one by one later is left out: items, messages, look-ups, what was seen.
    static const enum record_kind kinds[] = {RECORD_ACCOUNT, RECORD_CONTACT, RECORD_MAILBOX,
                                             RECORD_OUTBOX,  RECORD_CURSOR,  RECORD_HELD,
                                             RECORD_REQUEST, RECORD_ENTRY,   RECORD_DELETE};
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        enum err err = read_kind(out, snapshot, kinds[i]);
        if (err != OK)
            return err;
    }
    return OK;
}

void loaded_free(struct loaded *loaded) {
    for (size_t i = 0; i < loaded->request_count; i++)
        free((void *)(uintptr_t)loaded->requests[i].text.p);
    free(loaded->contacts);
    free(loaded->mailboxes);
    free(loaded->outbox);
    free(loaded->held);
    free(loaded->requests);
    free(loaded->entries);
    free(loaded->deletes);
    free(loaded->cursors);
    memset(loaded, 0, sizeof(*loaded));
}
