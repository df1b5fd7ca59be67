// Keys, single reads and writes of the client's database.
#include "client/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/record.h"

static struct writer key_begin(struct store_key *key, enum record_kind kind) {
    struct writer w = writer_of(key->bytes, sizeof(key->bytes));
    write_u8(&w, KV_SPACE_CLIENT);
    write_u8(&w, (uint8_t)kind);
    return w;
}

static struct span key_span(const struct store_key *key) {
    return span_of(key->bytes, key->n);
}

static struct store_key key_alone(enum record_kind kind) {
    struct store_key key;
    struct writer w = key_begin(&key, kind);
    key.n = w.n;
    return key;
}

static struct store_key key_number(enum record_kind kind, uint64_t number) {
    struct store_key key;
    struct writer w = key_begin(&key, kind);
    write_u64(&w, number);
    key.n = w.n;
    return key;
}

static struct store_key key_pair(enum record_kind kind, uint64_t number, const void *p, size_t n) {
    struct store_key key;
    struct writer w = key_begin(&key, kind);
    write_u64(&w, number);
    write_bytes(&w, p, n);
    key.n = w.n;
    return key;
}

static struct store_key key_lookup(bool incoming, const struct message_id *id) {
    struct store_key key;
    struct writer w = key_begin(&key, RECORD_LOOKUP);
    write_u8(&w, incoming ? 1 : 0);
    write_bytes(&w, id->bytes, sizeof(id->bytes));
    key.n = w.n;
    return key;
}

static struct store_key key_held(uint64_t contact, uint64_t sequence) {
    uint8_t bytes[8];
    store_u64(bytes, sequence);
    return key_pair(RECORD_HELD, contact, bytes, sizeof(bytes));
}

// Items under contact number 0, message ids under their sender's.
static struct store_key key_seen_item(const struct item_hash *item) {
    return key_pair(RECORD_SEEN, 0, item->bytes, sizeof(item->bytes));
}

static struct store_key key_seen_message(uint64_t contact, const struct message_id *id) {
    return key_pair(RECORD_SEEN, contact, id->bytes, sizeof(id->bytes));
}

void store_key_first(struct store_key *out, enum record_kind kind) {
    *out = key_alone(kind);
}

void store_key_message(struct store_key *out, uint64_t cursor) {
    *out = key_number(RECORD_MESSAGE, cursor);
}

enum err store_key_kind(enum record_kind *kind, struct span key) {
    if (key.n < 2 || key.p[0] != KV_SPACE_CLIENT || key.p[1] < RECORD_ACCOUNT || key.p[1] > RECORD_DELETE)
        return ERR_CORRUPT;
    *kind = (enum record_kind)key.p[1];
    return OK;
}

enum err cursor_decode(struct cursor_state *out, struct span key, struct span value) {
    struct reader k = reader_of(key);
    read_u16(&k);
    out->mailbox = read_u64(&k);
    read_bytes(&k, out->replica.bytes, 32);
    struct reader r = reader_of(value);
    uint8_t version = read_u8(&r);
    out->cursor = read_u64(&r);
    return reader_done(&k) && reader_done(&r) && version == RECORD_VERSION ? OK : ERR_CORRUPT;
}

enum err seen_decode(uint64_t *forget_ms, struct span value) {
    struct reader r = reader_of(value);
    uint8_t version = read_u8(&r);
    *forget_ms = read_u64(&r);
    return reader_done(&r) && version == RECORD_VERSION ? OK : ERR_CORRUPT;
}

static void put(struct step *step, struct store_key key, const struct writer *w) {
    step_put(step, key_span(&key), writer_span(w), KV_SYNCED);
}

static void put_u64(struct step *step, struct store_key key, uint64_t v, enum kv_durability durability) {
    uint8_t value[9];
    struct writer w = writer_of(value, sizeof(value));
    write_u8(&w, RECORD_VERSION);
    write_u64(&w, v);
    step_put(step, key_span(&key), writer_span(&w), durability);
}

static void drop(struct step *step, struct store_key key) {
    step_delete(step, key_span(&key), KV_SYNCED);
}

void store_account(struct step *step, const struct account_state *state) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    account_encode(&w, state);
    put(step, key_alone(RECORD_ACCOUNT), &w);
}

void store_contact(struct step *step, const struct contact_state *state) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    contact_encode(&w, state);
    put(step, key_number(RECORD_CONTACT, state->number), &w);
}

void store_mailbox(struct step *step, const struct mailbox_state *state) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    mailbox_encode(&w, state);
    put(step, key_number(RECORD_MAILBOX, state->number), &w);
}

void store_outbox(struct step *step, const struct outbox_state *state) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    outbox_encode(&w, state);
    put(step, key_number(RECORD_OUTBOX, state->number), &w);
}

void store_item(struct step *step, uint64_t outbox, const uint8_t item[static ITEM_BYTES]) {
    uint8_t value[1 + ITEM_BYTES];
    struct writer w = writer_of(value, sizeof(value));
    write_u8(&w, RECORD_VERSION);
    write_bytes(&w, item, ITEM_BYTES);
    put(step, key_number(RECORD_ITEM, outbox), &w);
}

void store_message(struct step *step, const struct message_record *record) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    message_encode(&w, record);
    put(step, key_number(RECORD_MESSAGE, record->cursor), &w);
}

void store_lookup(struct step *step, bool incoming, const struct message_id *id, const struct lookup_state *state) {
    uint8_t value[17];
    struct writer w = writer_of(value, sizeof(value));
    write_u8(&w, RECORD_VERSION);
    write_u64(&w, state->cursor);
    write_u64(&w, state->outbox);
    put(step, key_lookup(incoming, id), &w);
}

void store_seen_item(struct step *step, const struct item_hash *item, uint64_t forget_ms) {
    put_u64(step, key_seen_item(item), forget_ms, KV_SYNCED);
}

void store_seen_message(struct step *step, uint64_t contact, const struct message_id *id, uint64_t forget_ms) {
    ASSERT(contact != 0);
    put_u64(step, key_seen_message(contact, id), forget_ms, KV_SYNCED);
}

void store_held(struct step *step, const struct held_state *state) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    held_encode(&w, state);
    put(step, key_held(state->contact, state->sequence), &w);
}

void store_request(struct step *step, const struct request_state *state) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    request_encode(&w, state);
    put(step, key_number(RECORD_REQUEST, state->number), &w);
}

void store_entry(struct step *step, const struct entry_state *state) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    entry_encode(&w, state);
    put(step, key_number(RECORD_ENTRY, state->slot), &w);
}

void store_delete(struct step *step, const struct delete_state *state) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    delete_encode(&w, state);
    put(step, key_pair(RECORD_DELETE, state->mailbox, state->item.bytes, 32), &w);
}

void store_cursor(struct step *step, const struct cursor_state *state) {
    put_u64(step, key_pair(RECORD_CURSOR, state->mailbox, state->replica.bytes, 32), state->cursor, KV_LAZY);
}

void forget_contact(struct step *step, uint64_t number) {
    drop(step, key_number(RECORD_CONTACT, number));
}

void forget_mailbox(struct step *step, uint64_t number) {
    drop(step, key_number(RECORD_MAILBOX, number));
}

void forget_outbox(struct step *step, uint64_t number) {
    drop(step, key_number(RECORD_OUTBOX, number));
    drop(step, key_number(RECORD_ITEM, number));
}

void forget_held(struct step *step, uint64_t contact, uint64_t sequence) {
    drop(step, key_held(contact, sequence));
}

void forget_request(struct step *step, uint64_t number) {
    drop(step, key_number(RECORD_REQUEST, number));
}

void forget_entry(struct step *step, uint8_t slot) {
    drop(step, key_number(RECORD_ENTRY, slot));
}

void forget_delete(struct step *step, uint64_t mailbox, const struct item_hash *item) {
    drop(step, key_pair(RECORD_DELETE, mailbox, item->bytes, 32));
}

void forget_cursor(struct step *step, uint64_t mailbox, const struct relay_id *replica) {
    drop(step, key_pair(RECORD_CURSOR, mailbox, replica->bytes, 32));
}

enum err find_item(struct step *step, uint64_t outbox, uint8_t item[static ITEM_BYTES]) {
    struct store_key key = key_number(RECORD_ITEM, outbox);
    struct buf value = {0};
    enum err err = step_get(step, key_span(&key), &value);
    if (err == OK && (value.n != 1 + ITEM_BYTES || value.p[0] != RECORD_VERSION))
        err = ERR_CORRUPT;
    if (err == OK)
        memcpy(item, value.p + 1, ITEM_BYTES);
    buf_free(&value);
    return err;
}

enum err find_message(struct step *step, uint64_t cursor, struct message_record *out) {
    struct store_key key = key_number(RECORD_MESSAGE, cursor);
    struct buf value = {0};
    enum err err = step_get(step, key_span(&key), &value);
    if (err == OK)
        err = message_decode(out, buf_span(&value));
    buf_wipe(&value);
    return err;
}

enum err find_lookup(struct step *step, bool incoming, const struct message_id *id, struct lookup_state *out) {
    struct store_key key = key_lookup(incoming, id);
    struct buf value = {0};
    enum err err = step_get(step, key_span(&key), &value);
    if (err == OK) {
        struct reader r = reader_of(buf_span(&value));
        uint8_t version = read_u8(&r);
        out->cursor = read_u64(&r);
        out->outbox = read_u64(&r);
        err = reader_done(&r) && version == RECORD_VERSION ? OK : ERR_CORRUPT;
    }
    buf_free(&value);
    return err;
}

enum err find_held(struct step *step, uint64_t contact, uint64_t sequence, struct held_state *out, struct buf *value) {
    struct store_key key = key_held(contact, sequence);
    enum err err = step_get(step, key_span(&key), value);
    return err == OK ? held_decode(out, buf_span(value)) : err;
}

bool seen_item(struct step *step, const struct item_hash *item) {
    struct store_key key = key_seen_item(item);
    return step_has(step, key_span(&key));
}

bool seen_message(struct step *step, uint64_t contact, const struct message_id *id) {
    struct store_key key = key_seen_message(contact, id);
    return step_has(step, key_span(&key));
}
