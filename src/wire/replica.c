// Messages between the replicas of a mailbox as bytes.
#include "wire/replica.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"

#define SIGNATURE_BYTES 64
#define RECEIPT_ENTRY_BYTES (2 + SIGNATURE_BYTES)
#define SET_BYTES_MAX (4 + 1 + REPLICAS_MAX * 32)
// The longest fixed part of any message but DIGESTS, OFFER and OWNED, which are appended behind it.
#define FIXED_BYTES_MAX (1 + 8 + SET_BYTES_MAX + 32 + 8 + 32 + 8 + ITEM_BYTES)

_Static_assert(1 + 32 + 32 + SET_BYTES_MAX + 1 + REPLICAS_MAX * RECEIPT_ENTRY_BYTES <= FIXED_BYTES_MAX,
               "RECEIPTS fits");
_Static_assert(1 + 8 + 2 + OFFER_ENTRIES_MAX <= FIXED_BYTES_MAX, "ANSWER fits");
_Static_assert(1 + 8 + 32 + 8 + 16 + 8 + ITEM_BYTES <= FIXED_BYTES_MAX, "ITEM fits");

// ---- decoding ----

static enum op_status read_status(struct reader *r) {
    uint8_t status = read_u8(r);
    if (status > OP_LIMIT) {
        reader_fail(r);
        return OP_REFUSED;
    }
    return (enum op_status)status;
}

static void read_replicate(struct reader *r, struct replica_message *m) {
    m->id = read_u64(r);
    replica_set_read(r, &m->set);
    read_bytes(r, m->mailbox.bytes, sizeof m->mailbox.bytes);
    m->expiry_ms = read_u64(r);
    read_bytes(r, m->token.bytes, sizeof m->token.bytes);
    m->stamp = read_u64(r);
    m->item = read_span(r, ITEM_BYTES).p;
}

static void read_receipt_message(struct reader *r, struct replica_message *m) {
    m->id = read_u64(r);
    m->status = read_status(r);
    m->epoch = read_u32(r);
    receipt_read(r, &m->receipts[0]);
    m->receipt_count = m->status == OP_OK ? 1 : 0;
}

static void read_receipts(struct reader *r, struct replica_message *m) {
    read_bytes(r, m->mailbox.bytes, sizeof m->mailbox.bytes);
    read_bytes(r, m->hash.bytes, sizeof m->hash.bytes);
    replica_set_read(r, &m->set);
    m->receipt_count = read_u8(r);
    if (m->receipt_count < 1 || m->receipt_count > m->set.count) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < m->receipt_count; i++) {
        receipt_read(r, &m->receipts[i]);
        if (m->receipts[i].index >= m->set.count)
            reader_fail(r);
    }
}

static void read_owned(struct reader *r, struct replica_message *m) {
    m->id = read_u64(r);
    read_bytes(r, m->replica.bytes, sizeof m->replica.bytes);
    m->operation = read_rest(r);
    if (m->operation.n > OP_BYTES_MAX)
        reader_fail(r);
}

static void read_item(struct reader *r, struct replica_message *m) {
    m->id = read_u64(r);
    read_bytes(r, m->mailbox.bytes, sizeof m->mailbox.bytes);
    m->expiry_ms = read_u64(r);
    read_bytes(r, m->token_hash.bytes, sizeof m->token_hash.bytes);
    m->stamp = read_u64(r);
    m->item = read_span(r, ITEM_BYTES).p;
}

static void read_entry(struct reader *r, struct offer_entry *entry) {
    uint8_t kind = read_u8(r);
    if (kind < ENTRY_ITEM || kind > ENTRY_POLICY)
        reader_fail(r);
    entry->kind = (enum entry_kind)kind;
    read_bytes(r, entry->mailbox.bytes, sizeof entry->mailbox.bytes);
    read_bytes(r, entry->item.bytes, sizeof entry->item.bytes);
    entry->number = read_u64(r);
}

static bool read_count(struct reader *r, struct replica_message *m) {
    m->id = read_u64(r);
    m->count = read_u16(r);
    if (m->count < 1 || m->count > OFFER_ENTRIES_MAX)
        reader_fail(r);
    return reader_ok(r);
}

static void read_offer(struct reader *r, struct replica_message *m) {
    if (!read_count(r, m))
        return;
    for (size_t i = 0; i < m->count; i++)
        read_entry(r, &m->entries[i]);
}

static void read_answer(struct reader *r, struct replica_message *m) {
    if (!read_count(r, m))
        return;
    for (size_t i = 0; i < m->count; i++) {
        m->answers[i] = read_u8(r);
        if (m->answers[i] > OFFER_REFUSE)
            reader_fail(r);
    }
}

static void read_body(struct reader *r, struct replica_message *m) {
    switch (m->kind) {
    case REPLICA_REPLICATE:
        read_replicate(r, m);
        break;
    case REPLICA_RECEIPT:
        read_receipt_message(r, m);
        break;
    case REPLICA_RECEIPTS:
        read_receipts(r, m);
        break;
    case REPLICA_OWNED:
        read_owned(r, m);
        break;
    case REPLICA_ITEM:
        read_item(r, m);
        break;
    case REPLICA_DONE:
        m->id = read_u64(r);
        m->status = read_status(r);
        break;
    case REPLICA_ROOT:
        m->epoch = read_u32(r);
        m->digests = read_span(r, REPAIR_DIGEST_BYTES).p;
        break;
    case REPLICA_DIGESTS:
        m->epoch = read_u32(r);
        m->digests = read_span(r, REPAIR_BUCKETS * REPAIR_DIGEST_BYTES).p;
        break;
    case REPLICA_DIFFER:
        m->epoch = read_u32(r);
        m->buckets = read_span(r, REPAIR_BUCKETS / 8).p;
        break;
    case REPLICA_OFFER:
        read_offer(r, m);
        break;
    case REPLICA_ANSWER:
        read_answer(r, m);
        break;
    }
}

enum err replica_decode(struct replica_message *out, struct span message) {
    struct reader r = reader_of(message);
    uint8_t kind = read_u8(&r);
    if (kind < REPLICA_REPLICATE || kind > REPLICA_ANSWER)
        return ERR_MALFORMED;
    // Not zeroed as a whole: the lists at its end are long, and only the first `count` of them are ever looked at.
    memset(out, 0, offsetof(struct replica_message, entries));
    out->kind = (enum replica_kind)kind;
    read_body(&r, out);
    return reader_done(&r) ? OK : ERR_MALFORMED;
}

// ---- encoding ----

static void write_replicate(struct writer *w, const struct replica_message *m) {
    write_u64(w, m->id);
    replica_set_write(w, &m->set);
    write_bytes(w, m->mailbox.bytes, sizeof m->mailbox.bytes);
    write_u64(w, m->expiry_ms);
    write_bytes(w, m->token.bytes, sizeof m->token.bytes);
    write_u64(w, m->stamp);
    write_bytes(w, m->item, ITEM_BYTES);
}

static void write_receipts(struct writer *w, const struct replica_message *m) {
    ASSERT(m->receipt_count >= 1 && m->receipt_count <= m->set.count);
    write_bytes(w, m->mailbox.bytes, sizeof m->mailbox.bytes);
    write_bytes(w, m->hash.bytes, sizeof m->hash.bytes);
    replica_set_write(w, &m->set);
    write_u8(w, (uint8_t)m->receipt_count);
    for (size_t i = 0; i < m->receipt_count; i++)
        receipt_write(w, &m->receipts[i]);
}

static void write_item(struct writer *w, const struct replica_message *m) {
    write_u64(w, m->id);
    write_bytes(w, m->mailbox.bytes, sizeof m->mailbox.bytes);
    write_u64(w, m->expiry_ms);
    write_bytes(w, m->token_hash.bytes, sizeof m->token_hash.bytes);
    write_u64(w, m->stamp);
    write_bytes(w, m->item, ITEM_BYTES);
}

static void append_offer(struct buf *out, const struct replica_message *m) {
    struct writer w = writer_of(buf_extend(out, m->count * OFFER_ENTRY_BYTES), m->count * OFFER_ENTRY_BYTES);
    for (size_t i = 0; i < m->count; i++) {
        write_u8(&w, (uint8_t)m->entries[i].kind);
        write_bytes(&w, m->entries[i].mailbox.bytes, sizeof m->entries[i].mailbox.bytes);
        write_bytes(&w, m->entries[i].item.bytes, sizeof m->entries[i].item.bytes);
        write_u64(&w, m->entries[i].number);
    }
}

static void write_count(struct writer *w, const struct replica_message *m) {
    ASSERT(m->count >= 1 && m->count <= OFFER_ENTRIES_MAX);
    write_u64(w, m->id);
    write_u16(w, (uint16_t)m->count);
}

static void write_body(struct writer *w, const struct replica_message *m) {
    switch (m->kind) {
    case REPLICA_REPLICATE:
        write_replicate(w, m);
        break;
    case REPLICA_RECEIPT:
        write_u64(w, m->id);
        write_u8(w, (uint8_t)m->status);
        write_u32(w, m->epoch);
        receipt_write(w, &m->receipts[0]);
        break;
    case REPLICA_RECEIPTS:
        write_receipts(w, m);
        break;
    case REPLICA_OWNED:
        write_u64(w, m->id);
        write_bytes(w, m->replica.bytes, sizeof m->replica.bytes);
        break;
    case REPLICA_ITEM:
        write_item(w, m);
        break;
    case REPLICA_DONE:
        write_u64(w, m->id);
        write_u8(w, (uint8_t)m->status);
        break;
    case REPLICA_ROOT:
        write_u32(w, m->epoch);
        write_bytes(w, m->digests, REPAIR_DIGEST_BYTES);
        break;
    case REPLICA_DIGESTS:
        write_u32(w, m->epoch);
        break;
    case REPLICA_DIFFER:
        write_u32(w, m->epoch);
        write_bytes(w, m->buckets, REPAIR_BUCKETS / 8);
        break;
    case REPLICA_OFFER:
        write_count(w, m);
        break;
    case REPLICA_ANSWER:
        write_count(w, m);
        write_bytes(w, m->answers, m->count);
        break;
    }
}

void replica_encode(struct buf *out, const struct replica_message *message) {
    uint8_t fixed[FIXED_BYTES_MAX];
    struct writer w = writer_of(fixed, sizeof fixed);
    write_u8(&w, (uint8_t)message->kind);
    write_body(&w, message);
    buf_clear(out);
    buf_append(out, writer_span(&w));
    if (message->kind == REPLICA_OWNED)
        buf_append(out, message->operation);
    if (message->kind == REPLICA_DIGESTS)
        buf_append(out, span_of(message->digests, REPAIR_BUCKETS * REPAIR_DIGEST_BYTES));
    if (message->kind == REPLICA_OFFER)
        append_offer(out, message);
}
