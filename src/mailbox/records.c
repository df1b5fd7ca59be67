// Keys and records of the mailbox store as bytes.
#include "mailbox/records.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"

// ---- keys ----

static struct writer key_begin(struct key *key, char table) {
    struct writer w = writer_of(key->bytes, sizeof key->bytes);
    write_u8(&w, KV_SPACE_MAILBOX);
    write_u8(&w, (uint8_t)table);
    return w;
}

struct span key_span(const struct key *key) {
    return (struct span){key->bytes, key->n};
}

static void key_of_item(struct key *out, char table, const struct mailbox_id *mailbox, const struct item_hash *hash) {
    struct writer w = key_begin(out, table);
    write_bytes(&w, mailbox->bytes, sizeof mailbox->bytes);
    write_bytes(&w, hash->bytes, sizeof hash->bytes);
    out->n = w.n;
}

void key_entry(struct key *out, const struct mailbox_id *mailbox, const struct item_hash *hash) {
    key_of_item(out, 'e', mailbox, hash);
}

void key_receipts(struct key *out, const struct mailbox_id *mailbox, const struct item_hash *hash) {
    key_of_item(out, 'r', mailbox, hash);
}

void key_proof(struct key *out, const struct mailbox_id *mailbox, const uint8_t tag[static PROOF_TAG_BYTES]) {
    struct writer w = key_begin(out, 'p');
    write_bytes(&w, mailbox->bytes, sizeof mailbox->bytes);
    write_bytes(&w, tag, PROOF_TAG_BYTES);
    out->n = w.n;
}

void key_body(struct key *out, const struct mailbox_id *mailbox, uint64_t arrival) {
    struct writer w = key_begin(out, 'b');
    write_bytes(&w, mailbox->bytes, sizeof mailbox->bytes);
    write_u64(&w, arrival);
    out->n = w.n;
}

void key_expiry(struct key *out, uint64_t expiry_ms, const struct mailbox_id *mailbox, const struct item_hash *hash) {
    struct writer w = key_begin(out, 'x');
    write_u64(&w, expiry_ms);
    write_bytes(&w, mailbox->bytes, sizeof mailbox->bytes);
    write_bytes(&w, hash->bytes, sizeof hash->bytes);
    out->n = w.n;
}

void key_state(struct key *out, const struct mailbox_id *mailbox) {
    struct writer w = key_begin(out, 'm');
    write_bytes(&w, mailbox->bytes, sizeof mailbox->bytes);
    out->n = w.n;
}

void key_seen(struct key *out, uint64_t time_ms, const uint8_t tag[static SEEN_TAG_BYTES]) {
    struct writer w = key_begin(out, 's');
    write_u64(&w, time_ms);
    write_bytes(&w, tag, SEEN_TAG_BYTES);
    out->n = w.n;
}

void key_delivery_epoch(struct key *out, uint32_t epoch) {
    struct writer w = key_begin(out, 'd');
    write_u32(&w, epoch);
    out->n = w.n;
}

void key_delivery(struct key *out, uint32_t epoch, const struct hash *leaf) {
    struct writer w = key_begin(out, 'd');
    write_u32(&w, epoch);
    write_bytes(&w, leaf->bytes, sizeof leaf->bytes);
    out->n = w.n;
}

void key_totals(struct key *out) {
    key_table(out, 't');
}

void key_table(struct key *out, char table) {
    out->n = key_begin(out, table).n;
}

bool key_in_table(struct span key, char table) {
    return key.n >= 2 && key.p[0] == KV_SPACE_MAILBOX && key.p[1] == (uint8_t)table;
}

static struct reader key_reader(struct span key, char table) {
    struct reader r = reader_of(key);
    if (read_u8(&r) != KV_SPACE_MAILBOX || read_u8(&r) != (uint8_t)table)
        reader_fail(&r);
    return r;
}

bool key_entry_read(struct mailbox_id *mailbox, struct item_hash *hash, struct span key) {
    struct reader r = key_reader(key, 'e');
    read_bytes(&r, mailbox->bytes, sizeof mailbox->bytes);
    read_bytes(&r, hash->bytes, sizeof hash->bytes);
    return reader_done(&r);
}

bool key_expiry_read(uint64_t *expiry_ms, struct mailbox_id *mailbox, struct item_hash *hash, struct span key) {
    struct reader r = key_reader(key, 'x');
    *expiry_ms = read_u64(&r);
    read_bytes(&r, mailbox->bytes, sizeof mailbox->bytes);
    read_bytes(&r, hash->bytes, sizeof hash->bytes);
    return reader_done(&r);
}

bool key_body_read(struct mailbox_id *mailbox, uint64_t *arrival, struct span key) {
    struct reader r = key_reader(key, 'b');
    read_bytes(&r, mailbox->bytes, sizeof mailbox->bytes);
    *arrival = read_u64(&r);
    return reader_done(&r);
}

bool key_seen_read(uint64_t *time_ms, struct span key) {
    struct reader r = key_reader(key, 's');
    *time_ms = read_u64(&r);
    read_span(&r, SEEN_TAG_BYTES);
    return reader_done(&r);
}

bool key_delivery_read(uint32_t *epoch, struct hash *leaf, struct span key) {
    struct reader r = key_reader(key, 'd');
    *epoch = read_u32(&r);
    read_bytes(&r, leaf->bytes, sizeof leaf->bytes);
    return reader_done(&r);
}

bool key_delivery_epoch_read(uint32_t *epoch, struct span key) {
    struct reader r = key_reader(key, 'd');
    *epoch = read_u32(&r);
    return reader_ok(&r);
}

// ---- entries and bodies ----

void mailbox_entry_encode(struct buf *out, const struct entry *entry) {
    uint8_t head[1 + 8 + 8 + 32];
    struct writer w = writer_of(head, sizeof head);
    write_u8(&w, (uint8_t)entry->kind);
    write_u64(&w, entry->expiry_ms);
    write_u64(&w, entry->number);
    switch (entry->kind) {
    case ENTRY_ITEM:
        write_u64(&w, entry->stored_ms);
        write_bytes(&w, entry->token.bytes, sizeof entry->token.bytes);
        write_u64(&w, entry->stamp);
        break;
    case ENTRY_TOMBSTONE:
        write_bytes(&w, entry->tag, sizeof entry->tag);
        break;
    case ENTRY_POLICY:
        write_bytes(&w, entry->proof.replica.bytes, sizeof entry->proof.replica.bytes);
        break;
    }
    buf_clear(out);
    buf_append(out, writer_span(&w));
    if (entry->kind == ENTRY_POLICY)
        buf_append(out, entry->proof.operation);
}

static void read_proof(struct reader *r, struct proof *proof) {
    read_bytes(r, proof->replica.bytes, sizeof proof->replica.bytes);
    proof->operation = read_rest(r);
}

enum err mailbox_entry_decode(struct entry *out, struct span record) {
    struct reader r = reader_of(record);
    uint8_t kind = read_u8(&r);
    if (kind < ENTRY_ITEM || kind > ENTRY_POLICY)
        return ERR_CORRUPT;
    struct entry entry = {.kind = (enum entry_kind)kind};
    entry.expiry_ms = read_u64(&r);
    entry.number = read_u64(&r);
    switch (entry.kind) {
    case ENTRY_ITEM:
        entry.stored_ms = read_u64(&r);
        read_bytes(&r, entry.token.bytes, sizeof entry.token.bytes);
        entry.stamp = read_u64(&r);
        break;
    case ENTRY_TOMBSTONE:
        read_bytes(&r, entry.tag, sizeof entry.tag);
        break;
    case ENTRY_POLICY:
        read_proof(&r, &entry.proof);
        break;
    }
    if (!reader_done(&r))
        return ERR_CORRUPT;
    *out = entry;
    return OK;
}

uint64_t entry_offer_number(const struct entry *entry) {
    return entry->kind == ENTRY_POLICY ? entry->number : entry->expiry_ms;
}

void proof_encode(struct buf *out, const struct proof_record *record) {
    uint8_t head[1 + 32];
    struct writer w = writer_of(head, sizeof head);
    write_u8(&w, record->uses);
    write_bytes(&w, record->proof.replica.bytes, sizeof record->proof.replica.bytes);
    buf_clear(out);
    buf_append(out, writer_span(&w));
    buf_append(out, record->proof.operation);
}

enum err proof_decode(struct proof_record *out, struct span record) {
    struct reader r = reader_of(record);
    struct proof_record proof = {.uses = read_u8(&r)};
    read_proof(&r, &proof.proof);
    if (!reader_done(&r) || proof.uses == 0)
        return ERR_CORRUPT;
    *out = proof;
    return OK;
}

void body_encode(uint8_t out[static BODY_RECORD_BYTES], const struct body *body) {
    struct writer w = writer_of(out, BODY_RECORD_BYTES);
    write_u64(&w, body->expiry_ms);
    write_bytes(&w, body->hash.bytes, sizeof body->hash.bytes);
    write_bytes(&w, body->item, ITEM_BYTES);
}

enum err body_decode(struct body *out, struct span record) {
    struct reader r = reader_of(record);
    struct body body = {.expiry_ms = read_u64(&r)};
    read_bytes(&r, body.hash.bytes, sizeof body.hash.bytes);
    body.item = read_span(&r, ITEM_BYTES).p;
    if (!reader_done(&r))
        return ERR_CORRUPT;
    *out = body;
    return OK;
}

// ---- a mailbox's state ----

size_t state_encode(uint8_t out[static STATE_RECORD_BYTES_MAX], const struct mailbox_state *state) {
    ASSERT(state->count <= STATE_TOKENS_MAX);
    struct writer w = writer_of(out, STATE_RECORD_BYTES_MAX);
    write_u64(&w, state->next_arrival);
    write_u64(&w, state->policy_version);
    write_u64(&w, state->bytes);
    write_u32(&w, state->items);
    write_u32(&w, state->strangers);
    write_u8(&w, (uint8_t)state->count);
    for (size_t i = 0; i < state->count; i++) {
        write_bytes(&w, state->tokens[i].token.bytes, sizeof state->tokens[i].token.bytes);
        write_u16(&w, state->tokens[i].quota);
        write_u32(&w, state->tokens[i].used);
    }
    return w.n;
}

enum err state_decode(struct mailbox_state *out, struct span record) {
    struct reader r = reader_of(record);
    out->next_arrival = read_u64(&r);
    out->policy_version = read_u64(&r);
    out->bytes = read_u64(&r);
    out->items = read_u32(&r);
    out->strangers = read_u32(&r);
    out->count = read_u8(&r);
    if (out->count > STATE_TOKENS_MAX)
        return ERR_CORRUPT;
    for (size_t i = 0; i < out->count; i++) {
        read_bytes(&r, out->tokens[i].token.bytes, sizeof out->tokens[i].token.bytes);
        out->tokens[i].quota = read_u16(&r);
        out->tokens[i].used = read_u32(&r);
    }
    return reader_done(&r) ? OK : ERR_CORRUPT;
}

// ---- receipts ----

size_t receipts_encode(uint8_t out[static RECEIPTS_RECORD_BYTES_MAX], const struct receipts_record *record) {
    ASSERT(record->receipt_count <= record->set.count);
    struct writer w = writer_of(out, RECEIPTS_RECORD_BYTES_MAX);
    write_u8(&w, record->has_secret);
    write_bytes(&w, record->secret, sizeof record->secret);
    write_u8(&w, record->has_set);
    if (!record->has_set)
        return w.n;
    replica_set_write(&w, &record->set);
    write_u8(&w, (uint8_t)record->receipt_count);
    for (size_t i = 0; i < record->receipt_count; i++)
        receipt_write(&w, &record->receipts[i]);
    return w.n;
}

static void read_receipts(struct reader *r, struct receipts_record *record) {
    replica_set_read(r, &record->set);
    record->receipt_count = read_u8(r);
    if (record->receipt_count > record->set.count) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < record->receipt_count; i++)
        receipt_read(r, &record->receipts[i]);
}

enum err receipts_decode(struct receipts_record *out, struct span record) {
    struct reader r = reader_of(record);
    *out = (struct receipts_record){.has_secret = read_bool(&r)};
    read_bytes(&r, out->secret, sizeof out->secret);
    out->has_set = read_bool(&r);
    if (out->has_set)
        read_receipts(&r, out);
    return reader_done(&r) ? OK : ERR_CORRUPT;
}

// ---- deliveries ----

size_t delivery_encode(uint8_t out[static DELIVERY_RECORD_BYTES_MAX], const struct delivery *delivery) {
    struct writer w = writer_of(out, DELIVERY_RECORD_BYTES_MAX);
    write_bytes(&w, delivery->secret, sizeof delivery->secret);
    replica_set_write(&w, &delivery->set);
    write_bytes(&w, delivery->inner.bytes, sizeof delivery->inner.bytes);
    write_u8(&w, delivery->signer);
    write_bytes(&w, delivery->receipt.bytes, sizeof delivery->receipt.bytes);
    return w.n;
}

enum err delivery_decode(struct delivery *out, struct span record) {
    struct reader r = reader_of(record);
    read_bytes(&r, out->secret, sizeof out->secret);
    replica_set_read(&r, &out->set);
    read_bytes(&r, out->inner.bytes, sizeof out->inner.bytes);
    out->signer = read_u8(&r);
    read_bytes(&r, out->receipt.bytes, sizeof out->receipt.bytes);
    return reader_done(&r) && out->signer < out->set.count ? OK : ERR_CORRUPT;
}

void delivery_epoch_encode(uint8_t out[static DELIVERY_EPOCH_RECORD_BYTES], const struct delivery_epoch *epoch) {
    store_u32(out, epoch->count);
    out[4] = epoch->closed;
}

enum err delivery_epoch_decode(struct delivery_epoch *out, struct span record) {
    if (record.n != DELIVERY_EPOCH_RECORD_BYTES || record.p[4] > 1)
        return ERR_CORRUPT;
    *out = (struct delivery_epoch){load_u32(record.p), record.p[4] == 1};
    return OK;
}

// ---- totals ----

void totals_encode(uint8_t out[static TOTALS_RECORD_BYTES], const struct totals *totals) {
    store_u64(out, totals->items);
    store_u64(out + 8, totals->entries);
    store_u64(out + 16, totals->bytes);
}

enum err totals_decode(struct totals *out, struct span record) {
    if (record.n != TOTALS_RECORD_BYTES)
        return ERR_CORRUPT;
    *out = (struct totals){load_u64(record.p), load_u64(record.p + 8), load_u64(record.p + 16)};
    return OK;
}
