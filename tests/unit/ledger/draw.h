// Transactions of every kind, drawn from a seed.
#ifndef SOTTO_TESTS_LEDGER_DRAW_H
#define SOTTO_TESTS_LEDGER_DRAW_H

#include <stdio.h>

#include "ledger/tx.h"
#include "wire/codec.h"

#define DRAWN_LEAVES 20

// A transaction that is right in itself, and what its paths point to.
struct drawn {
    struct tx_rules rules;
    struct tx tx;
    struct sign_secret sender;
    struct sign_secret other; // the relay of a registration, or the signer of an opening's receipt
    struct hash leaves[DRAWN_LEAVES];
    struct hash paths[3][MERKLE_PATH_MAX];
};

static inline void relay_draw(struct address *address, struct onion_keys *onion, struct rng *rng) {
    snprintf(address->host, sizeof address->host, "r%08x.example", rng_u32(rng));
    address->port = (uint16_t)(1 + rng_below(rng, 65535));
    onion->first_epoch = rng_u32(rng);
    rng_bytes(rng, onion->keys, sizeof onion->keys);
}

static inline uint64_t amount_draw(struct rng *rng) {
    return 1 + rng_below(rng, UINT64_C(1) << 50);
}

static inline void register_draw(struct drawn *drawn, struct rng *rng) {
    struct tx_register_relay *body = &drawn->tx.register_relay;
    struct sign_public relay;
    sign_key_new(&drawn->other, &relay, rng);
    memcpy(body->relay.bytes, relay.bytes, sizeof relay.bytes);
    relay_draw(&body->address, &body->onion, rng);
    body->stake = amount_draw(rng);
    body->deposit = amount_draw(rng);
    tx_cosign(&drawn->tx, &drawn->other);
}

static inline struct tx_leaf leaf_draw(struct drawn *drawn, size_t path, uint32_t index) {
    size_t count = merkle_prove(drawn->paths[path], drawn->leaves, DRAWN_LEAVES, index);
    return (struct tx_leaf){drawn->leaves[index], {drawn->paths[path], count}};
}

static inline void opening_draw(struct drawn *drawn, struct rng *rng) {
    struct tx_opening *body = &drawn->tx.opening;
    struct sign_public other;
    rng_bytes(rng, drawn->leaves, sizeof drawn->leaves);
    body->epoch = rng_u32(rng);
    body->index = (uint32_t)rng_below(rng, DRAWN_LEAVES);
    body->leaf = leaf_draw(drawn, 0, body->index);
    body->has_before = body->index > 0;
    body->has_after = body->index < DRAWN_LEAVES - 1;
    if (body->has_before)
        body->before = leaf_draw(drawn, 1, body->index - 1);
    if (body->has_after)
        body->after = leaf_draw(drawn, 2, body->index + 1);
    rng_bytes(rng, body->secret, sizeof body->secret);
    body->set.epoch = body->epoch;
    body->set.count = 2;
    sign_key_new(&drawn->other, &other, rng);
    memcpy(body->set.relays[0].bytes, drawn->tx.sender.bytes, sizeof drawn->tx.sender.bytes);
    memcpy(body->set.relays[1].bytes, other.bytes, sizeof other.bytes);
    body->signer = 1;
    struct mailbox_id mailbox;
    struct item_hash item;
    uint8_t commitment[ITEM_COMMITMENT_BYTES];
    struct receipt receipt = {.index = 1, .rank = 2};
    rng_bytes(rng, mailbox.bytes, sizeof mailbox.bytes);
    rng_bytes(rng, item.bytes, sizeof item.bytes);
    commitment_of(commitment, body->secret);
    receipt_inner_of(&body->inner, receipt.rank, &mailbox, &item, 77);
    receipt_sign(&receipt, &drawn->other, &drawn->tx.network, &body->set, commitment, &mailbox, &item, 77);
    body->receipt = receipt.signature;
}

static inline void evidence_draw(struct drawn *drawn, struct rng *rng) {
    struct vote votes[2] = {{.type = VOTE_PRECOMMIT, .height = 1 + rng_u32(rng), .round = rng_u32(rng)}};
    sign_key_new(&drawn->other, &votes[0].validator, rng);
    votes[1] = votes[0];
    for (size_t i = 0; i < 2; i++) {
        rng_bytes(rng, votes[i].value.bytes, sizeof votes[i].value.bytes);
        vote_sign(&votes[i], &drawn->tx.network, &drawn->other);
    }
    assert_int_equal(evidence_of_votes(&drawn->tx.evidence, &votes[0], &votes[1]), OK);
}

static inline void body_draw(struct drawn *drawn, struct rng *rng) {
    struct tx *tx = &drawn->tx;
    switch (tx->kind) {
    case TX_TRANSFER:
        rng_bytes(rng, tx->transfer.to.bytes, sizeof tx->transfer.to.bytes);
        tx->transfer.amount = amount_draw(rng);
        break;
    case TX_STAKE:
        sign_key_new(&drawn->other, &tx->stake.key, rng);
        tx->stake.amount = amount_draw(rng);
        tx_prove_key(tx, &drawn->other);
        break;
    case TX_UNSTAKE:
        tx->unstake.amount = amount_draw(rng);
        break;
    case TX_REGISTER_RELAY:
        register_draw(drawn, rng);
        break;
    case TX_UPDATE_RELAY:
        relay_draw(&tx->update_relay.address, &tx->update_relay.onion, rng);
        break;
    case TX_RETIRE_RELAY:
        break;
    case TX_VALIDATOR_VOTE:
        rng_bytes(rng, tx->validator_vote.key.bytes, sizeof tx->validator_vote.key.bytes);
        tx->validator_vote.power = rng_below(rng, 100);
        tx->validator_vote.expiry_height = rng_u32(rng);
        break;
    case TX_DELIVERY_BATCH:
        tx->delivery_batch.epoch = rng_u32(rng);
        tx->delivery_batch.count = 1 + (uint32_t)rng_below(rng, 100000);
        rng_bytes(rng, tx->delivery_batch.root.bytes, sizeof tx->delivery_batch.root.bytes);
        break;
    case TX_OPENING:
        opening_draw(drawn, rng);
        break;
    case TX_EVIDENCE:
        evidence_draw(drawn, rng);
        break;
    }
}

static inline void tx_draw(struct drawn *drawn, enum tx_kind kind, struct rng *rng) {
    *drawn = (struct drawn){.rules = {.fee_min = 10}, .tx = {.kind = kind}};
    struct tx *tx = &drawn->tx;
    rng_bytes(rng, tx->network.bytes, sizeof tx->network.bytes);
    drawn->rules.network = tx->network;
    if (kind != TX_EVIDENCE) {
        struct sign_public sender;
        sign_key_new(&drawn->sender, &sender, rng);
        memcpy(tx->sender.bytes, sender.bytes, sizeof sender.bytes);
        tx->nonce = rng_u64(rng);
        tx->fee = 10 + rng_below(rng, 1000);
    }
    body_draw(drawn, rng);
    if (kind != TX_EVIDENCE)
        tx_sign(tx, &drawn->sender);
}

#endif
