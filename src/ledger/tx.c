// Transactions as bytes, and the checks that need no state. A table says for each kind how its body is read and
// written and what is asked of it.
#include "ledger/tx.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"

#define TX_VERSION 1
#define TX_DOMAIN "sotto tx 1"
#define REGISTER_DOMAIN "sotto register 1"
#define STAKE_DOMAIN "sotto stake 1"
#define SIGNATURE_BYTES 64
#define OPENING_BEFORE 1
#define OPENING_AFTER 2

// ---- bodies ----

static void write_transfer(struct writer *w, const struct tx *tx) {
    write_bytes(w, tx->transfer.to.bytes, sizeof tx->transfer.to.bytes);
    write_u64(w, tx->transfer.amount);
}

static void read_transfer(struct reader *r, struct tx *tx) {
    read_bytes(r, tx->transfer.to.bytes, sizeof tx->transfer.to.bytes);
    tx->transfer.amount = read_u64(r);
}

static void write_stake(struct writer *w, const struct tx *tx) {
    write_bytes(w, tx->stake.key.bytes, sizeof tx->stake.key.bytes);
    write_u64(w, tx->stake.amount);
    write_bytes(w, tx->stake.proof.bytes, sizeof tx->stake.proof.bytes);
}

static void read_stake(struct reader *r, struct tx *tx) {
    read_bytes(r, tx->stake.key.bytes, sizeof tx->stake.key.bytes);
    tx->stake.amount = read_u64(r);
    read_bytes(r, tx->stake.proof.bytes, sizeof tx->stake.proof.bytes);
}

static void write_unstake(struct writer *w, const struct tx *tx) {
    write_u64(w, tx->unstake.amount);
}

static void read_unstake(struct reader *r, struct tx *tx) {
    tx->unstake.amount = read_u64(r);
}

static void write_registration(struct writer *w, const struct tx_register_relay *body) {
    write_bytes(w, body->relay.bytes, sizeof body->relay.bytes);
    address_write(w, &body->address);
    onion_keys_write(w, &body->onion);
    write_u64(w, body->stake);
    write_u64(w, body->deposit);
}

static void write_register(struct writer *w, const struct tx *tx) {
    write_registration(w, &tx->register_relay);
    write_bytes(w, tx->register_relay.cosignature.bytes, sizeof tx->register_relay.cosignature.bytes);
}

static void read_register(struct reader *r, struct tx *tx) {
    struct tx_register_relay *body = &tx->register_relay;
    read_bytes(r, body->relay.bytes, sizeof body->relay.bytes);
    address_read(r, &body->address);
    onion_keys_read(r, &body->onion);
    body->stake = read_u64(r);
    body->deposit = read_u64(r);
    read_bytes(r, body->cosignature.bytes, sizeof body->cosignature.bytes);
}

static void write_update(struct writer *w, const struct tx *tx) {
    address_write(w, &tx->update_relay.address);
    onion_keys_write(w, &tx->update_relay.onion);
}

static void read_update(struct reader *r, struct tx *tx) {
    address_read(r, &tx->update_relay.address);
    onion_keys_read(r, &tx->update_relay.onion);
}

static void write_retire(struct writer *w, const struct tx *tx) {
    (void)w;
    (void)tx;
}

static void read_retire(struct reader *r, struct tx *tx) {
    (void)r;
    (void)tx;
}

static void write_validator_vote(struct writer *w, const struct tx *tx) {
    write_bytes(w, tx->validator_vote.key.bytes, sizeof tx->validator_vote.key.bytes);
    write_u64(w, tx->validator_vote.power);
    write_u64(w, tx->validator_vote.expiry_height);
}

static void read_validator_vote(struct reader *r, struct tx *tx) {
    read_bytes(r, tx->validator_vote.key.bytes, sizeof tx->validator_vote.key.bytes);
    tx->validator_vote.power = read_u64(r);
    tx->validator_vote.expiry_height = read_u64(r);
}

static void write_batch(struct writer *w, const struct tx *tx) {
    write_u32(w, tx->delivery_batch.epoch);
    write_bytes(w, tx->delivery_batch.root.bytes, sizeof tx->delivery_batch.root.bytes);
    write_u32(w, tx->delivery_batch.count);
}

static void read_batch(struct reader *r, struct tx *tx) {
    tx->delivery_batch.epoch = read_u32(r);
    read_bytes(r, tx->delivery_batch.root.bytes, sizeof tx->delivery_batch.root.bytes);
    tx->delivery_batch.count = read_u32(r);
    if (tx->delivery_batch.count == 0)
        reader_fail(r);
}

static void write_leaf(struct writer *w, const struct tx_leaf *leaf) {
    write_bytes(w, leaf->leaf.bytes, sizeof leaf->leaf.bytes);
    merkle_path_write(w, leaf->path);
}

static void read_leaf(struct reader *r, struct tx_leaf *leaf) {
    read_bytes(r, leaf->leaf.bytes, sizeof leaf->leaf.bytes);
    leaf->path = merkle_path_read(r);
}

static void write_opening(struct writer *w, const struct tx *tx) {
    const struct tx_opening *body = &tx->opening;
    write_u32(w, body->epoch);
    write_u32(w, body->index);
    write_leaf(w, &body->leaf);
    write_u8(w, (uint8_t)((body->has_before ? OPENING_BEFORE : 0) | (body->has_after ? OPENING_AFTER : 0)));
    if (body->has_before)
        write_leaf(w, &body->before);
    if (body->has_after)
        write_leaf(w, &body->after);
    write_bytes(w, body->secret, sizeof body->secret);
    replica_set_write(w, &body->set);
    write_bytes(w, body->inner.bytes, sizeof body->inner.bytes);
    write_u8(w, body->signer);
    write_bytes(w, body->receipt.bytes, sizeof body->receipt.bytes);
}

static void read_opening(struct reader *r, struct tx *tx) {
    struct tx_opening *body = &tx->opening;
    body->epoch = read_u32(r);
    body->index = read_u32(r);
    read_leaf(r, &body->leaf);
    uint8_t neighbours = read_u8(r);
    body->has_before = (neighbours & OPENING_BEFORE) != 0;
    body->has_after = (neighbours & OPENING_AFTER) != 0;
    if (neighbours > (OPENING_BEFORE | OPENING_AFTER) || body->has_before != (body->index > 0))
        reader_fail(r);
    if (body->has_before)
        read_leaf(r, &body->before);
    if (body->has_after)
        read_leaf(r, &body->after);
    read_bytes(r, body->secret, sizeof body->secret);
    replica_set_read(r, &body->set);
    read_bytes(r, body->inner.bytes, sizeof body->inner.bytes);
    body->signer = read_u8(r);
    read_bytes(r, body->receipt.bytes, sizeof body->receipt.bytes);
    if (body->signer >= body->set.count)
        reader_fail(r);
}

static void write_evidence(struct writer *w, const struct tx *tx) {
    uint8_t bytes[EVIDENCE_BYTES_MAX];
    size_t n = evidence_encode(bytes, &tx->evidence);
    write_bytes(w, bytes, n);
}

static void read_evidence(struct reader *r, struct tx *tx) {
    if (evidence_decode(&tx->evidence, read_rest(r)) != OK)
        reader_fail(r);
}

// ---- checks of bodies ----

static bool amount_valid(uint64_t amount) {
    return amount >= 1 && amount <= GRAINS_MAX;
}

static bool transfer_valid(const struct tx *tx) {
    return amount_valid(tx->transfer.amount);
}

static bool stake_valid(const struct tx *tx) {
    return amount_valid(tx->stake.amount);
}

static bool unstake_valid(const struct tx *tx) {
    return amount_valid(tx->unstake.amount);
}

static bool register_valid(const struct tx *tx) {
    const struct tx_register_relay *body = &tx->register_relay;
    return body->stake <= GRAINS_MAX && body->deposit <= GRAINS_MAX - body->stake;
}

static bool validator_vote_valid(const struct tx *tx) {
    return tx->validator_vote.power <= VALIDATOR_POWER_MAX;
}

static bool is_sender(const struct tx *tx, const struct relay_id *relay) {
    return memcmp(relay->bytes, tx->sender.bytes, sizeof relay->bytes) == 0;
}

// The receipt is another relay's, about a set of distinct relays with the sender in it.
static bool opening_valid(const struct tx *tx) {
    const struct replica_set *set = &tx->opening.set;
    bool sender_in_set = false;
    for (size_t i = 0; i < set->count; i++) {
        sender_in_set = sender_in_set || is_sender(tx, &set->relays[i]);
        for (size_t j = 0; j < i; j++) {
            if (relay_id_equal(&set->relays[i], &set->relays[j]))
                return false;
        }
    }
    return sender_in_set && !is_sender(tx, &set->relays[tx->opening.signer]);
}

static bool bytes_are_zero(struct span bytes) {
    uint8_t any = 0;
    for (size_t i = 0; i < bytes.n; i++)
        any |= bytes.p[i];
    return any == 0;
}

// Only in this form, so that evidence has one transaction.
static bool evidence_valid(const struct tx *tx) {
    return tx->nonce == 0 && bytes_are_zero(SPAN_OF(tx->sender.bytes)) && bytes_are_zero(SPAN_OF(tx->signature.bytes));
}

static bool always_valid(const struct tx *tx) {
    (void)tx;
    return true;
}

// ---- signatures inside bodies ----

static struct sign_public account_key(const struct account_id *account) {
    struct sign_public key;
    memcpy(key.bytes, account->bytes, sizeof key.bytes);
    return key;
}

// What a relay co-signs: network, sender, nonce, the body before the co-signature.
struct cosigned {
    uint8_t bytes[TX_BYTES_MAX];
    struct span span;
};

static void cosigned_make(struct cosigned *cosigned, const struct tx *tx) {
    struct writer w = writer_of(cosigned->bytes, sizeof cosigned->bytes);
    write_bytes(&w, tx->network.bytes, sizeof tx->network.bytes);
    write_bytes(&w, tx->sender.bytes, sizeof tx->sender.bytes);
    write_u64(&w, tx->nonce);
    write_registration(&w, &tx->register_relay);
    cosigned->span = writer_span(&w);
}

static enum err register_verify(const struct tx *tx) {
    struct cosigned cosigned;
    struct sign_public relay;
    cosigned_make(&cosigned, tx);
    memcpy(relay.bytes, tx->register_relay.relay.bytes, sizeof relay.bytes);
    return verify_parts(&tx->register_relay.cosignature, &relay, REGISTER_DOMAIN, &cosigned.span, 1);
}

// What a consensus key signs for the account that stakes with it: network, sender, key.
#define STAKE_PARTS 3
static void stake_parts(struct span parts[static STAKE_PARTS], const struct tx *tx) {
    parts[0] = SPAN_OF(tx->network.bytes);
    parts[1] = SPAN_OF(tx->sender.bytes);
    parts[2] = SPAN_OF(tx->stake.key.bytes);
}

static enum err stake_verify(const struct tx *tx) {
    struct span parts[STAKE_PARTS];
    stake_parts(parts, tx);
    return verify_parts(&tx->stake.proof, &tx->stake.key, STAKE_DOMAIN, parts, STAKE_PARTS);
}

static enum err opening_verify(const struct tx *tx) {
    const struct tx_opening *body = &tx->opening;
    uint8_t commitment[ITEM_COMMITMENT_BYTES];
    commitment_of(commitment, body->secret);
    return receipt_verify_inner(&body->receipt, body->signer, &tx->network, &body->set, commitment, &body->inner);
}

static enum err no_signature_inside(const struct tx *tx) {
    (void)tx;
    return OK;
}

static enum err evidence_tx_verify(const struct tx *tx) {
    return evidence_verify(&tx->evidence, &tx->network);
}

// ---- kinds ----

enum fee_rule {
    FEE_ASKED,   // at least the least
    FEE_OR_NONE, // or zero: the state says whether this one is free
    FEE_NONE,
};

static const struct kind {
    const char *name;
    void (*write)(struct writer *w, const struct tx *tx);
    void (*read)(struct reader *r, struct tx *tx);
    bool (*valid)(const struct tx *tx);
    enum err (*verify)(const struct tx *tx); // signatures in the body
    enum fee_rule fee;
} kinds[] = {
    [TX_TRANSFER] = {"transfer", write_transfer, read_transfer, transfer_valid, no_signature_inside, FEE_ASKED},
    [TX_STAKE] = {"stake", write_stake, read_stake, stake_valid, stake_verify, FEE_ASKED},
    [TX_UNSTAKE] = {"unstake", write_unstake, read_unstake, unstake_valid, no_signature_inside, FEE_ASKED},
    [TX_REGISTER_RELAY] = {"register_relay", write_register, read_register, register_valid, register_verify, FEE_ASKED},
    [TX_UPDATE_RELAY] = {"update_relay", write_update, read_update, always_valid, no_signature_inside, FEE_OR_NONE},
    [TX_RETIRE_RELAY] = {"retire_relay", write_retire, read_retire, always_valid, no_signature_inside, FEE_ASKED},
    [TX_VALIDATOR_VOTE] = {"validator_vote", write_validator_vote, read_validator_vote, validator_vote_valid,
                           no_signature_inside, FEE_ASKED},
    [TX_DELIVERY_BATCH] = {"delivery_batch", write_batch, read_batch, always_valid, no_signature_inside, FEE_OR_NONE},
    [TX_OPENING] = {"opening", write_opening, read_opening, opening_valid, opening_verify, FEE_OR_NONE},
    [TX_EVIDENCE] = {"evidence", write_evidence, read_evidence, evidence_valid, evidence_tx_verify, FEE_NONE},
};

static const struct kind *kind_of(const struct tx *tx) {
    ASSERT(tx->kind >= TX_TRANSFER && tx->kind <= TX_EVIDENCE);
    return &kinds[tx->kind];
}

const char *tx_kind_text(enum tx_kind kind) {
    ASSERT(kind >= TX_TRANSFER && kind <= TX_EVIDENCE);
    return kinds[kind].name;
}

// ---- whole transactions ----

static void write_signed(struct writer *w, const struct tx *tx) {
    write_u8(w, TX_VERSION);
    write_bytes(w, tx->network.bytes, sizeof tx->network.bytes);
    write_u8(w, (uint8_t)tx->kind);
    write_bytes(w, tx->sender.bytes, sizeof tx->sender.bytes);
    write_u64(w, tx->nonce);
    write_u64(w, tx->fee);
    size_t length_at = w->n;
    write_u16(w, 0);
    kind_of(tx)->write(w, tx);
    store_u16(w->p + length_at, (uint16_t)(w->n - length_at - 2));
}

static void read_body(struct reader *r, struct tx *tx) {
    struct reader body = reader_of(read_span(r, read_u16(r)));
    if (!reader_ok(r) || tx->kind < TX_TRANSFER || tx->kind > TX_EVIDENCE) {
        reader_fail(r);
        return;
    }
    kind_of(tx)->read(&body, tx);
    if (!reader_done(&body))
        reader_fail(r);
}

enum err tx_decode(struct tx *out, struct span bytes) {
    if (bytes.n > TX_BYTES_MAX)
        return ERR_MALFORMED;
    struct reader r = reader_of(bytes);
    struct tx tx = {0};
    if (read_u8(&r) != TX_VERSION)
        return ERR_MALFORMED;
    read_bytes(&r, tx.network.bytes, sizeof tx.network.bytes);
    tx.kind = (enum tx_kind)read_u8(&r);
    read_bytes(&r, tx.sender.bytes, sizeof tx.sender.bytes);
    tx.nonce = read_u64(&r);
    tx.fee = read_u64(&r);
    read_body(&r, &tx);
    read_bytes(&r, tx.signature.bytes, sizeof tx.signature.bytes);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = tx;
    return OK;
}

size_t tx_encode(uint8_t out[static TX_BYTES_MAX], const struct tx *tx) {
    struct writer w = writer_of(out, TX_BYTES_MAX);
    write_signed(&w, tx);
    write_bytes(&w, tx->signature.bytes, sizeof tx->signature.bytes);
    return w.n;
}

void tx_id_of(struct tx_id *out, struct span bytes) {
    struct hash hash;
    hash_bytes(&hash, "sotto tx id 1", bytes);
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
}

void tx_cosign(struct tx *tx, const struct sign_secret *relay) {
    ASSERT(tx->kind == TX_REGISTER_RELAY);
    struct cosigned cosigned;
    cosigned_make(&cosigned, tx);
    sign_parts(&tx->register_relay.cosignature, relay, REGISTER_DOMAIN, &cosigned.span, 1);
}

void tx_prove_key(struct tx *tx, const struct sign_secret *key) {
    ASSERT(tx->kind == TX_STAKE);
    struct span parts[STAKE_PARTS];
    stake_parts(parts, tx);
    sign_parts(&tx->stake.proof, key, STAKE_DOMAIN, parts, STAKE_PARTS);
}

void tx_sign(struct tx *tx, const struct sign_secret *sender) {
    uint8_t bytes[TX_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes - SIGNATURE_BYTES);
    write_signed(&w, tx);
    struct span signed_part = writer_span(&w);
    sign_parts(&tx->signature, sender, TX_DOMAIN, &signed_part, 1);
}

static bool fee_valid(const struct tx *tx, uint64_t fee_min) {
    enum fee_rule rule = kind_of(tx)->fee;
    if (tx->fee == 0 && rule != FEE_ASKED)
        return true;
    return rule != FEE_NONE && tx->fee >= fee_min && tx->fee <= GRAINS_MAX;
}

enum err tx_check(const struct tx *tx, const struct tx_rules *rules) {
    if (memcmp(tx->network.bytes, rules->network.bytes, sizeof rules->network.bytes) != 0)
        return ERR_NETWORK;
    return kind_of(tx)->valid(tx) && fee_valid(tx, rules->fee_min) ? OK : ERR_INVALID;
}

enum err tx_verify(const struct tx *tx) {
    enum err err = kind_of(tx)->verify(tx);
    if (err != OK || tx->kind == TX_EVIDENCE)
        return err;
    uint8_t bytes[TX_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_signed(&w, tx);
    struct span signed_part = writer_span(&w);
    struct sign_public sender = account_key(&tx->sender);
    return verify_parts(&tx->signature, &sender, TX_DOMAIN, &signed_part, 1);
}
