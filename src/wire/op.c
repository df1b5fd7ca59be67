// Mailbox operations as bytes, and what is hashed and signed in them. Replies and receipts are in reply.c.
#include "wire/op.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"

#define OP_HEAD_BYTES (1 + 4 + 32)
#define OP_SURB_BYTES_ALL (1 + OP_SURBS_MAX * SPHINX_SURB_BYTES)
#define SIGNATURE_BYTES 64

// docs/spec/mailbox.md has the same sums.
_Static_assert(OP_HEAD_BYTES + 8 + 32 + 8 + ITEM_BYTES + SPHINX_SURB_BYTES == 2023, "STORE");
_Static_assert(2023 <= OP_BYTES_MAX, "a store fits a packet");
_Static_assert(OP_HEAD_BYTES + 8 + 8 + 4 + OP_SURB_BYTES_ALL + SIGNATURE_BYTES <= OP_BYTES_MAX,
               "so does a subscription");
_Static_assert(OP_HEAD_BYTES + 8 + 8 + 1 + DELETE_ITEMS_MAX * 64 + 1 + SPHINX_SURB_BYTES + SIGNATURE_BYTES ==
                   OP_DELETE_BYTES_MAX,
               "DELETE");
_Static_assert(OP_DELETE_BYTES_MAX <= OP_BYTES_MAX, "so does a deletion");
_Static_assert(OP_HEAD_BYTES + 8 + 8 + 8 + 1 + POLICY_TOKENS_MAX * 18 + 1 + SPHINX_SURB_BYTES + SIGNATURE_BYTES <=
                   OP_BYTES_MAX,
               "so does a policy");

// ---- decoding ----

static void read_store(struct reader *r, struct op *op) {
    op->expiry_ms = read_u64(r);
    read_bytes(r, op->token.bytes, sizeof op->token.bytes);
    op->stamp = read_u64(r);
    op->item = read_span(r, ITEM_BYTES).p;
    op->surb_count = 1;
    op->surbs[0] = read_span(r, SPHINX_SURB_BYTES).p;
}

static void read_deletes(struct reader *r, struct op *op) {
    op->stamp = read_u64(r);
    op->count = read_u8(r);
    if (op->count < 1 || op->count > DELETE_ITEMS_MAX) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < op->count; i++) {
        read_bytes(r, op->deletes[i].item.bytes, sizeof op->deletes[i].item.bytes);
        read_bytes(r, op->deletes[i].secret, sizeof op->deletes[i].secret);
    }
}

static void read_policy(struct reader *r, struct op *op) {
    op->stamp = read_u64(r);
    op->version = read_u64(r);
    op->count = read_u8(r);
    if (op->count > POLICY_TOKENS_MAX) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < op->count; i++) {
        read_bytes(r, op->policy[i].token.bytes, sizeof op->policy[i].token.bytes);
        op->policy[i].quota = read_u16(r);
    }
}

static void read_surbs(struct reader *r, struct op *op, size_t surbs_max) {
    op->surb_count = read_u8(r);
    if (op->surb_count < 1 || op->surb_count > surbs_max) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < op->surb_count; i++)
        op->surbs[i] = read_span(r, SPHINX_SURB_BYTES).p;
}

static void read_arguments(struct reader *r, struct op *op) {
    switch (op->kind) {
    case OP_STORE:
        ASSERT(false);
        break;
    case OP_FETCH:
        op->cursor = read_u64(r);
        break;
    case OP_SUBSCRIBE:
        op->cursor = read_u64(r);
        op->wait_ms = read_u32(r);
        if (op->wait_ms > WAIT_MS_MAX)
            reader_fail(r);
        break;
    case OP_DELETE:
        read_deletes(r, op);
        break;
    case OP_POLICY:
        read_policy(r, op);
        break;
    }
}

// How many SURBs an operation may bring: one per item that may come back, or one for the answer.
static size_t surbs_max(enum op_kind kind) {
    return kind == OP_FETCH || kind == OP_SUBSCRIBE ? OP_SURBS_MAX : 1;
}

static void read_owners(struct reader *r, struct op *op, struct span body) {
    op->time_ms = read_u64(r);
    read_arguments(r, op);
    read_surbs(r, op, surbs_max(op->kind));
    op->signed_part = (struct span){body.p, body.n - r->n};
    read_bytes(r, op->signature.bytes, sizeof op->signature.bytes);
}

enum err op_decode(struct op *out, struct span body) {
    struct reader r = reader_of(body);
    struct op op = {0};
    uint8_t kind = read_u8(&r);
    if (kind < OP_STORE || kind > OP_POLICY)
        return ERR_MALFORMED;
    op.kind = (enum op_kind)kind;
    op.epoch = read_u32(&r);
    read_bytes(&r, op.mailbox.bytes, sizeof op.mailbox.bytes);
    if (op.kind == OP_STORE)
        read_store(&r, &op);
    else
        read_owners(&r, &op, body);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = op;
    return OK;
}

// ---- encoding ----

static void write_arguments(struct writer *w, const struct op *op) {
    switch (op->kind) {
    case OP_STORE:
        ASSERT(false);
        break;
    case OP_FETCH:
        write_u64(w, op->cursor);
        break;
    case OP_SUBSCRIBE:
        ASSERT(op->wait_ms <= WAIT_MS_MAX);
        write_u64(w, op->cursor);
        write_u32(w, op->wait_ms);
        break;
    case OP_DELETE:
        ASSERT(op->count >= 1 && op->count <= DELETE_ITEMS_MAX);
        write_u64(w, op->stamp);
        write_u8(w, (uint8_t)op->count);
        for (size_t i = 0; i < op->count; i++) {
            write_bytes(w, op->deletes[i].item.bytes, sizeof op->deletes[i].item.bytes);
            write_bytes(w, op->deletes[i].secret, sizeof op->deletes[i].secret);
        }
        break;
    case OP_POLICY:
        ASSERT(op->count <= POLICY_TOKENS_MAX);
        write_u64(w, op->stamp);
        write_u64(w, op->version);
        write_u8(w, (uint8_t)op->count);
        for (size_t i = 0; i < op->count; i++) {
            write_bytes(w, op->policy[i].token.bytes, sizeof op->policy[i].token.bytes);
            write_u16(w, op->policy[i].quota);
        }
        break;
    }
}

static void write_owners(struct writer *w, const struct op *op) {
    ASSERT(op->surb_count >= 1 && op->surb_count <= surbs_max(op->kind));
    write_u64(w, op->time_ms);
    write_arguments(w, op);
    write_u8(w, (uint8_t)op->surb_count);
    for (size_t i = 0; i < op->surb_count; i++)
        write_bytes(w, op->surbs[i], SPHINX_SURB_BYTES);
}

static void write_store(struct writer *w, const struct op *op) {
    ASSERT(op->surb_count == 1);
    write_u64(w, op->expiry_ms);
    write_bytes(w, op->token.bytes, sizeof op->token.bytes);
    write_u64(w, op->stamp);
    write_bytes(w, op->item, ITEM_BYTES);
    write_bytes(w, op->surbs[0], SPHINX_SURB_BYTES);
}

#define OWNER_DOMAIN "sotto owner 1"

size_t op_encode(uint8_t out[static OP_BYTES_MAX], const struct op *op, const struct network_id *network,
                 const struct relay_id *replica, const struct sign_secret *owner) {
    struct writer w = writer_of(out, OP_BYTES_MAX);
    write_u8(&w, (uint8_t)op->kind);
    write_u32(&w, op->epoch);
    write_bytes(&w, op->mailbox.bytes, sizeof op->mailbox.bytes);
    if (op->kind == OP_STORE) {
        write_store(&w, op);
        return w.n;
    }
    ASSERT(replica != NULL && owner != NULL);
    write_owners(&w, op);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(replica->bytes), writer_span(&w)};
    struct signature signature;
    sign_parts(&signature, owner, OWNER_DOMAIN, parts, 3);
    write_bytes(&w, signature.bytes, sizeof signature.bytes);
    return w.n;
}

enum err op_verify(const struct op *op, const struct network_id *network, const struct relay_id *replica) {
    ASSERT(op->kind != OP_STORE);
    struct sign_public owner;
    memcpy(owner.bytes, op->mailbox.bytes, sizeof owner.bytes);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(replica->bytes), op->signed_part};
    return verify_parts(&op->signature, &owner, OWNER_DOMAIN, parts, 3);
}

// ---- items, commitments, stamps ----

void item_hash_of(struct item_hash *out, const struct network_id *network, const struct mailbox_id *mailbox,
                  uint64_t expiry_ms, const uint8_t item[static ITEM_BYTES]) {
    uint8_t expiry[8];
    store_u64(expiry, expiry_ms);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(mailbox->bytes), SPAN_OF(expiry),
                                 span_of(item, ITEM_BYTES)};
    struct hash hash;
    hash_parts(&hash, "sotto item 1", parts, 4);
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
}

void commitment_of(uint8_t out[static ITEM_COMMITMENT_BYTES], const uint8_t secret[static DELIVERY_SECRET_BYTES]) {
    struct hash hash;
    hash_bytes(&hash, "sotto delivery", span_of(secret, DELIVERY_SECRET_BYTES));
    memcpy(out, hash.bytes, ITEM_COMMITMENT_BYTES);
}

void delivery_leaf_of(struct hash *out, const uint8_t secret[static DELIVERY_SECRET_BYTES],
                      const struct relay_id *relay) {
    const struct span parts[] = {{secret, DELIVERY_SECRET_BYTES}, SPAN_OF(relay->bytes)};
    hash_parts(out, "sotto delivery leaf 1", parts, 2);
}

bool stamp_fits(uint64_t stamp, unsigned bits, const struct network_id *network, const struct mailbox_id *mailbox,
                const struct item_hash *item) {
    uint8_t nonce[8];
    store_u64(nonce, stamp);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(mailbox->bytes), SPAN_OF(item->bytes),
                                 SPAN_OF(nonce)};
    struct hash hash;
    hash_parts(&hash, "sotto stamp 1", parts, 4);
    return hash_leading_zeros(&hash) >= bits;
}

bool mailbox_stamp_fits(uint64_t stamp, unsigned bits, const struct network_id *network,
                        const struct mailbox_id *mailbox) {
    uint8_t nonce[8];
    store_u64(nonce, stamp);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(mailbox->bytes), SPAN_OF(nonce)};
    struct hash hash;
    hash_parts(&hash, "sotto mailbox stamp 1", parts, 3);
    return hash_leading_zeros(&hash) >= bits;
}
