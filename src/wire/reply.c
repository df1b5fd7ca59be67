// Replies to mailbox operations as bytes, and the receipts in them.
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "wire/op.h"

_Static_assert(14 + 8 + 8 + 4 + 1 + 1 + ITEM_BYTES <= OP_BYTES_MAX, "an item fits a reply");

// ---- receipts ----

static void write_members(struct writer *w, const struct replica_set *set) {
    ASSERT(set->count >= 1 && set->count <= REPLICAS_MAX);
    write_u8(w, (uint8_t)set->count);
    for (size_t i = 0; i < set->count; i++)
        write_bytes(w, set->relays[i].bytes, sizeof set->relays[i].bytes);
}

void replica_set_write(struct writer *w, const struct replica_set *set) {
    write_u32(w, set->epoch);
    write_members(w, set);
}

void replica_set_read(struct reader *r, struct replica_set *set) {
    set->epoch = read_u32(r);
    set->count = read_u8(r);
    if (set->count < 1 || set->count > REPLICAS_MAX) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < set->count; i++)
        read_bytes(r, set->relays[i].bytes, sizeof set->relays[i].bytes);
}

void receipt_write(struct writer *w, const struct receipt *receipt) {
    write_u8(w, receipt->index);
    write_u8(w, receipt->rank);
    write_bytes(w, receipt->signature.bytes, sizeof receipt->signature.bytes);
}

void receipt_read(struct reader *r, struct receipt *receipt) {
    receipt->index = read_u8(r);
    receipt->rank = read_u8(r);
    read_bytes(r, receipt->signature.bytes, sizeof receipt->signature.bytes);
    if (receipt->index >= REPLICAS_MAX)
        reader_fail(r);
}

#define RECEIPT_DOMAIN "sotto receipt 1"
#define RECEIPT_BYTES_MAX (32 + 4 + ITEM_COMMITMENT_BYTES + 1 + REPLICAS_MAX * 32 + 32)

void receipt_inner_of(struct hash *out, uint8_t rank, const struct mailbox_id *mailbox, const struct item_hash *item,
                      uint64_t expiry_ms) {
    uint8_t tail[9];
    store_u64(tail, expiry_ms);
    tail[8] = rank;
    const struct span parts[] = {SPAN_OF(mailbox->bytes), SPAN_OF(item->bytes), SPAN_OF(tail)};
    hash_parts(out, "sotto receipt inner 1", parts, 3);
}

// What a receipt's signature covers, besides the domain.
static struct span receipt_bytes(uint8_t out[static RECEIPT_BYTES_MAX], const struct network_id *network,
                                 const struct replica_set *set, const uint8_t *commitment, const struct hash *inner) {
    struct writer w = writer_of(out, RECEIPT_BYTES_MAX);
    write_bytes(&w, network->bytes, sizeof network->bytes);
    write_u32(&w, set->epoch);
    write_bytes(&w, commitment, ITEM_COMMITMENT_BYTES);
    write_members(&w, set);
    write_bytes(&w, inner->bytes, sizeof inner->bytes);
    return writer_span(&w);
}

void receipt_sign(struct receipt *receipt, const struct sign_secret *relay, const struct network_id *network,
                  const struct replica_set *set, const uint8_t commitment[static ITEM_COMMITMENT_BYTES],
                  const struct mailbox_id *mailbox, const struct item_hash *item, uint64_t expiry_ms) {
    ASSERT(receipt->index < set->count);
    struct hash inner;
    receipt_inner_of(&inner, receipt->rank, mailbox, item, expiry_ms);
    uint8_t bytes[RECEIPT_BYTES_MAX];
    struct span covered = receipt_bytes(bytes, network, set, commitment, &inner);
    sign_parts(&receipt->signature, relay, RECEIPT_DOMAIN, &covered, 1);
}

enum err receipt_verify_inner(const struct signature *signature, size_t signer, const struct network_id *network,
                              const struct replica_set *set, const uint8_t commitment[static ITEM_COMMITMENT_BYTES],
                              const struct hash *inner) {
    if (signer >= set->count)
        return ERR_AUTH;
    struct sign_public key;
    memcpy(key.bytes, set->relays[signer].bytes, sizeof key.bytes);
    uint8_t bytes[RECEIPT_BYTES_MAX];
    struct span covered = receipt_bytes(bytes, network, set, commitment, inner);
    return verify_parts(signature, &key, RECEIPT_DOMAIN, &covered, 1);
}

enum err receipt_verify(const struct receipt *receipt, const struct network_id *network, const struct replica_set *set,
                        const uint8_t commitment[static ITEM_COMMITMENT_BYTES], const struct mailbox_id *mailbox,
                        const struct item_hash *item, uint64_t expiry_ms) {
    struct hash inner;
    receipt_inner_of(&inner, receipt->rank, mailbox, item, expiry_ms);
    return receipt_verify_inner(&receipt->signature, receipt->index, network, set, commitment, &inner);
}

// ---- replies ----

static void read_receipts(struct reader *r, struct reply *reply) {
    replica_set_read(r, &reply->set);
    reply->receipt_count = read_u8(r);
    if (reply->receipt_count > reply->set.count) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < reply->receipt_count; i++) {
        receipt_read(r, &reply->receipts[i]);
        if (reply->receipts[i].index >= reply->set.count)
            reader_fail(r);
    }
}

static void read_pushed(struct reader *r, struct reply *reply) {
    reply->cursor = read_u64(r);
    reply->expiry_ms = read_u64(r);
    reply->waiting = read_u32(r);
    reply->surbs_left = read_u8(r);
    if (read_bool(r))
        reply->item = read_span(r, ITEM_BYTES).p;
}

enum err reply_decode(struct reply *out, struct span body) {
    struct reader r = reader_of(body);
    struct reply reply = {0};
    uint8_t kind = read_u8(&r);
    uint8_t status = read_u8(&r);
    if (kind < OP_STORE || kind > OP_POLICY || status > OP_LIMIT)
        return ERR_MALFORMED;
    reply.kind = (enum op_kind)kind;
    reply.status = (enum op_status)status;
    reply.epoch = read_u32(&r);
    reply.clock_ms = read_u64(&r);
    if (reply.status == OP_STAMP)
        reply.stamp_bits = read_u8(&r);
    if (reply.status == OP_OK && reply.kind == OP_STORE)
        read_receipts(&r, &reply);
    if (reply.status == OP_OK && (reply.kind == OP_FETCH || reply.kind == OP_SUBSCRIBE))
        read_pushed(&r, &reply);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = reply;
    return OK;
}

static void write_receipts(struct writer *w, const struct reply *reply) {
    const struct replica_set *set = &reply->set;
    ASSERT(reply->receipt_count <= set->count);
    replica_set_write(w, set);
    write_u8(w, (uint8_t)reply->receipt_count);
    for (size_t i = 0; i < reply->receipt_count; i++) {
        ASSERT(reply->receipts[i].index < set->count);
        receipt_write(w, &reply->receipts[i]);
    }
}

static void write_pushed(struct writer *w, const struct reply *reply) {
    write_u64(w, reply->cursor);
    write_u64(w, reply->expiry_ms);
    write_u32(w, reply->waiting);
    write_u8(w, reply->surbs_left);
    write_u8(w, reply->item != NULL);
    if (reply->item != NULL)
        write_bytes(w, reply->item, ITEM_BYTES);
}

size_t reply_encode(uint8_t out[static OP_BYTES_MAX], const struct reply *reply) {
    struct writer w = writer_of(out, OP_BYTES_MAX);
    write_u8(&w, (uint8_t)reply->kind);
    write_u8(&w, (uint8_t)reply->status);
    write_u32(&w, reply->epoch);
    write_u64(&w, reply->clock_ms);
    if (reply->status == OP_STAMP)
        write_u8(&w, reply->stamp_bits);
    if (reply->status == OP_OK && reply->kind == OP_STORE)
        write_receipts(&w, reply);
    if (reply->status == OP_OK && (reply->kind == OP_FETCH || reply->kind == OP_SUBSCRIBE))
        write_pushed(&w, reply);
    return w.n;
}
