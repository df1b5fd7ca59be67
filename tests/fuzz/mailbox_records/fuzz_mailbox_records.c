// Records of the mailbox store, as a damaged disk may give them back. The first byte chooses the record; what decodes
// encodes to the same bytes, and what does not is an error and nothing worse.
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "mailbox/records.h"

static void must_be(struct span record, const uint8_t *again, size_t n) {
    ASSERT(span_equal(span_of(again, n), record));
}

static void entry(struct span record) {
    struct entry in;
    struct buf again = {0};
    if (mailbox_entry_decode(&in, record) != OK)
        return;
    mailbox_entry_encode(&again, &in);
    must_be(record, again.p, again.n);
    buf_free(&again);
}

static void proof(struct span record) {
    struct proof_record in;
    struct buf again = {0};
    if (proof_decode(&in, record) != OK)
        return;
    proof_encode(&again, &in);
    must_be(record, again.p, again.n);
    buf_free(&again);
}

static void body(struct span record) {
    struct body in;
    uint8_t again[BODY_RECORD_BYTES];
    if (body_decode(&in, record) != OK)
        return;
    body_encode(again, &in);
    must_be(record, again, sizeof again);
}

static void state(struct span record) {
    struct mailbox_state in;
    uint8_t again[STATE_RECORD_BYTES_MAX];
    if (state_decode(&in, record) == OK)
        must_be(record, again, state_encode(again, &in));
}

static void receipts(struct span record) {
    struct receipts_record in;
    uint8_t again[RECEIPTS_RECORD_BYTES_MAX];
    if (receipts_decode(&in, record) == OK)
        must_be(record, again, receipts_encode(again, &in));
}

static void delivery(struct span record) {
    struct delivery in;
    uint8_t again[DELIVERY_RECORD_BYTES_MAX];
    if (delivery_decode(&in, record) != OK)
        return;
    ASSERT(in.signer < in.set.count && in.set.count <= REPLICAS_MAX);
    must_be(record, again, delivery_encode(again, &in));
}

static void delivery_epoch(struct span record) {
    struct delivery_epoch in;
    uint8_t again[DELIVERY_EPOCH_RECORD_BYTES];
    if (delivery_epoch_decode(&in, record) != OK)
        return;
    delivery_epoch_encode(again, &in);
    must_be(record, again, sizeof again);
}

static void totals(struct span record) {
    struct totals in;
    uint8_t again[TOTALS_RECORD_BYTES];
    if (totals_decode(&in, record) != OK)
        return;
    totals_encode(again, &in);
    must_be(record, again, sizeof again);
}

// A key is of one table at most, and is what its parts make.
static void key(struct span bytes) {
    struct mailbox_id mailbox;
    struct item_hash hash;
    struct hash leaf;
    uint64_t number;
    uint32_t epoch;
    struct key again;
    size_t tables = 0;
    if (key_entry_read(&mailbox, &hash, bytes)) {
        tables++;
        key_entry(&again, &mailbox, &hash);
    }
    if (key_expiry_read(&number, &mailbox, &hash, bytes)) {
        tables++;
        key_expiry(&again, number, &mailbox, &hash);
    }
    if (key_body_read(&mailbox, &number, bytes)) {
        tables++;
        key_body(&again, &mailbox, number);
    }
    if (key_delivery_read(&epoch, &leaf, bytes)) {
        tables++;
        key_delivery(&again, epoch, &leaf);
        ASSERT(key_delivery_epoch_read(&epoch, bytes));
    }
    ASSERT(tables <= 1 && !(tables == 1 && key_seen_read(&number, bytes)));
    if (tables == 1)
        must_be(bytes, again.bytes, again.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const records[])(struct span bytes) = {entry,    proof,          body,   state, receipts,
                                                         delivery, delivery_epoch, totals, key};
    if (size > 0)
        records[data[0] % (sizeof(records) / sizeof(records[0]))](span_of(data + 1, size - 1));
    return 0;
}
