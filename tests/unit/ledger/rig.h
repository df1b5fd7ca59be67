// A ledger without consensus: blocks made of queued transactions, executed one after another on a store in memory.
// Nothing is signed: execution looks at no signature.
#ifndef SOTTO_TESTS_LEDGER_RIG_H
#define SOTTO_TESTS_LEDGER_RIG_H

#include <stdio.h>

#include "base/kv_memory.h"
#include "ledger/execute.h"
#include "ledger/tree.h"
#include "wire/codec.h"

#define RIG_ACCOUNTS 8
#define RIG_VALIDATORS 4
#define RIG_BALANCE 1000000
#define RIG_POOL 100000
#define RIG_FEE 10
#define RIG_STAKE 1000
#define RIG_EPOCH_MS 10000
#define RIG_UNBONDING_MS 25000
#define RIG_TXS_MAX 256
#define RIG_EVENTS_MAX 64

struct rig {
    struct kv *kv;
    struct genesis genesis;
    uint64_t height; // of the last block
    uint64_t time_ms;
    struct block_id parent;
    struct hash root;
    struct account_id accounts[RIG_ACCOUNTS];
    // the next block
    size_t tx_count;
    uint8_t bytes[RIG_TXS_MAX][2048];
    struct span txs[RIG_TXS_MAX];
    // of the last block
    const char *why;
    enum tx_outcome outcomes[RIG_TXS_MAX];
    size_t event_count;
    struct ledger_event events[RIG_EVENTS_MAX];
};

static inline struct account_id rig_account(unsigned number) {
    struct account_id id = {{0}};
    store_u32(id.bytes, number);
    id.bytes[31] = 'a';
    return id;
}

static inline struct relay_id rig_relay(unsigned number) {
    struct relay_id id = {{0}};
    store_u32(id.bytes + 4, number);
    id.bytes[31] = 'r';
    return id;
}

static inline struct account_id rig_relay_account(unsigned number) {
    const struct relay_id relay = rig_relay(number);
    struct account_id id;
    memcpy(id.bytes, relay.bytes, sizeof id.bytes);
    return id;
}

static inline struct sign_public rig_key(unsigned number) {
    struct sign_public key = {{0}};
    store_u32(key.bytes + 8, number);
    key.bytes[31] = 'v';
    return key;
}

static inline void rig_apply(struct kv *kv, const struct kv_batch *batch) {
    if (kv_batch_count(batch) > 0)
        assert_int_equal(kv_write(kv, batch), OK);
}

static inline void rig_genesis(struct rig *rig) {
    struct ledger_genesis *ledger = &rig->genesis.ledger;
    for (unsigned i = 0; i < RIG_ACCOUNTS; i++)
        ledger->accounts[i] = (struct genesis_account){rig->accounts[i] = rig_account(i), RIG_BALANCE};
    ledger->account_count = RIG_ACCOUNTS;
    for (unsigned i = 0; i < RIG_VALIDATORS; i++)
        ledger->validators[i] = (struct genesis_validator){rig_key(i), rig->accounts[i], RIG_STAKE};
    ledger->validator_count = RIG_VALIDATORS;
    struct overlay *overlay = overlay_over_kv(rig->kv);
    struct kv_batch batch = {0};
    assert_int_equal(execute_genesis(&rig->root, overlay, &rig->genesis), OK);
    overlay_writes(overlay, &batch, KV_LAZY);
    rig_apply(rig->kv, &batch);
    kv_batch_free(&batch);
    overlay_free(overlay);
}

// Takes over the empty store.
static inline struct rig *rig_on(struct kv *kv, enum consensus consensus) {
    struct rig *rig = NEW(struct rig);
    rig->kv = kv;
    rig->time_ms = 1000;
    rig->genesis = (struct genesis){
        .network = {{'n'}},
        .epoch_ms = RIG_EPOCH_MS,
        .min_relays = 3,
        .ledger = {.consensus = consensus,
                   .fee_min = RIG_FEE,
                   .relay_stake_min = RIG_STAKE,
                   .validator_stake_min = RIG_STAKE,
                   .slash_percent = 5,
                   .unbonding_ms = RIG_UNBONDING_MS,
                   .reward_pool = RIG_POOL,
                   .reward_per_epoch = 900,
                   .samples = 4},
    };
    rig_genesis(rig);
    return rig;
}

static inline struct rig *rig_new(enum consensus consensus) {
    return rig_on(kv_memory_new(), consensus);
}

static inline void rig_free(struct rig *rig) {
    kv_close(rig->kv);
    free(rig);
}

// ---- what the state says ----

static inline struct account rig_account_state(struct rig *rig, const struct account_id *id) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    struct account account;
    state_account(overlay, &account, id);
    overlay_free(overlay);
    return account;
}

static inline uint64_t rig_balance(struct rig *rig, const struct account_id *id) {
    return rig_account_state(rig, id).balance;
}

static inline struct supply rig_supply(struct rig *rig) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    struct supply supply;
    assert_true(state_supply(overlay, &supply));
    overlay_free(overlay);
    return supply;
}

static inline uint32_t rig_epoch(struct rig *rig) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    struct epoch_record epoch;
    assert_true(state_epoch(overlay, &epoch));
    overlay_free(overlay);
    return epoch.epoch;
}

static inline bool rig_relay_state(struct rig *rig, struct relay_record *out, unsigned relay) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    const struct relay_id id = rig_relay(relay);
    bool is_there = state_relay(overlay, out, &id);
    overlay_free(overlay);
    return is_there;
}

// Power of a key at the next height, and at the one after it.
static inline void rig_power(struct rig *rig, unsigned key, uint64_t *next, uint64_t *after) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    const struct sign_public public = rig_key(key);
    struct validator_set set;
    assert_true(state_validators(overlay, &set));
    int at = validator_set_find(&set, &public);
    *next = at >= 0 ? set.validators[at].power : 0;
    assert_true(state_validators_next(overlay, &set));
    at = validator_set_find(&set, &public);
    *after = at >= 0 ? set.validators[at].power : 0;
    overlay_free(overlay);
}

// All grains that there are, counted one by one.
static inline uint64_t rig_count_grains(struct rig *rig) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    struct kv_snapshot *snapshot = kv_snapshot(rig->kv);
    struct unbonding_queue queue;
    struct unbonding unbonding;
    struct stakers stakers;
    uint64_t sum = rig_supply(rig).pool;
    struct span key, value;
    struct kv_cursor *cursor = kv_scan(snapshot, (struct span){0});
    for (; kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
        struct account account;
        struct relay_record relay;
        if (key.p[1] == 's' && key.p[2] == 'a') {
            assert_int_equal(state_account_decode(&account, value), OK);
            sum += account.balance;
        }
        if (key.p[1] == 's' && key.p[2] == 'r') {
            assert_int_equal(state_relay_decode(&relay, value), OK);
            sum += relay.stake;
        }
    }
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
    state_stakers(overlay, &stakers);
    for (size_t i = 0; i < stakers.count; i++)
        sum += stakers.stakers[i].stake;
    state_queue(overlay, &queue);
    for (uint64_t i = queue.first; i < queue.end; i++) {
        assert_true(state_unbonding(overlay, &unbonding, i));
        sum += unbonding.amount;
    }
    overlay_free(overlay);
    return sum;
}

// ---- transactions ----

// One of this sender with the next nonce, those queued counted.
static inline struct tx rig_tx(struct rig *rig, enum tx_kind kind, const struct account_id *sender) {
    struct tx tx = {.network = rig->genesis.network, .kind = kind, .sender = *sender, .fee = RIG_FEE};
    tx.nonce = rig_account_state(rig, sender).nonce;
    for (size_t i = 0; i < rig->tx_count; i++)
        tx.nonce += memcmp(rig->bytes[i] + 34, sender->bytes, 32) == 0 ? 1 : 0;
    return tx;
}

static inline void rig_queue(struct rig *rig, const struct tx *tx) {
    uint8_t bytes[TX_BYTES_MAX];
    size_t n = tx_encode(bytes, tx);
    assert_true(rig->tx_count < RIG_TXS_MAX && n <= sizeof rig->bytes[0]);
    memcpy(rig->bytes[rig->tx_count], bytes, n);
    rig->txs[rig->tx_count] = span_of(rig->bytes[rig->tx_count], n);
    rig->tx_count++;
}

static inline struct tx rig_transfer(struct rig *rig, unsigned from, unsigned to, uint64_t amount) {
    struct tx tx = rig_tx(rig, TX_TRANSFER, &rig->accounts[from]);
    tx.transfer.to = rig->accounts[to];
    tx.transfer.amount = amount;
    return tx;
}

static inline void rig_onion(struct address *address, struct onion_keys *onion, unsigned relay, uint32_t first_epoch) {
    snprintf(address->host, sizeof address->host, "r%u.example", relay);
    address->port = 9;
    onion->first_epoch = first_epoch;
    for (unsigned i = 0; i < ONION_KEYS_AHEAD; i++)
        store_u32(onion->keys[i].bytes, first_epoch + i + 1);
}

static inline struct tx rig_register(struct rig *rig, unsigned operator, unsigned relay, uint64_t stake,
                                     uint64_t deposit, uint32_t first_epoch) {
    struct tx tx = rig_tx(rig, TX_REGISTER_RELAY, &rig->accounts[operator]);
    tx.register_relay.relay = rig_relay(relay);
    tx.register_relay.stake = stake;
    tx.register_relay.deposit = deposit;
    rig_onion(&tx.register_relay.address, &tx.register_relay.onion, relay, first_epoch);
    return tx;
}

// A relay's own, without a fee.
static inline struct tx rig_of_relay(struct rig *rig, enum tx_kind kind, unsigned relay) {
    const struct account_id account = rig_relay_account(relay);
    struct tx tx = rig_tx(rig, kind, &account);
    tx.fee = 0;
    return tx;
}

static inline struct tx rig_update(struct rig *rig, unsigned relay, uint32_t first_epoch) {
    struct tx tx = rig_of_relay(rig, TX_UPDATE_RELAY, relay);
    rig_onion(&tx.update_relay.address, &tx.update_relay.onion, relay, first_epoch);
    return tx;
}

static inline struct tx rig_vote(struct rig *rig, unsigned operator, unsigned key, uint64_t power, uint64_t expiry) {
    struct tx tx = rig_tx(rig, TX_VALIDATOR_VOTE, &rig->accounts[operator]);
    tx.validator_vote = (struct tx_validator_vote){rig_key(key), power, expiry};
    return tx;
}

static inline struct tx rig_evidence(struct rig *rig, unsigned key, uint64_t height) {
    struct vote votes[2] = {{.type = VOTE_PREVOTE, .height = height, .validator = rig_key(key)}};
    struct tx tx = {.network = rig->genesis.network, .kind = TX_EVIDENCE};
    votes[1] = votes[0];
    votes[1].value.bytes[0] = 1;
    assert_int_equal(evidence_of_votes(&tx.evidence, &votes[0], &votes[1]), OK);
    return tx;
}

// ---- blocks ----

static inline void rig_header(struct rig *rig, struct block_header *header, uint64_t after_ms) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    *header =
        (struct block_header){.height = rig->height + 1, .time_ms = rig->time_ms + after_ms, .parent = rig->parent};
    execute_fill_header(header, overlay, &rig->genesis);
    overlay_free(overlay);
}

// Executes a block of what is queued under this header and, if it is valid, applies it. The queue is then empty. If
// `inverse` is not NULL it gets the writes that take the block back.
static inline enum err rig_execute(struct rig *rig, struct block_header *header, struct kv_batch *inverse) {
    struct buf bytes = {0};
    struct block block;
    struct executed executed;
    struct kv_batch batch = {0};
    block_encode(&bytes, header, rig->txs, (uint32_t)rig->tx_count);
    assert_int_equal(block_decode(&block, buf_span(&bytes)), OK);
    struct overlay *overlay = overlay_over_kv(rig->kv);
    rig->why = NULL;
    rig->event_count = 0;
    rig->tx_count = 0;
    enum err err = execute_block(&executed, overlay, &rig->genesis, &block, &rig->why);
    if (err == OK) {
        overlay_writes(overlay, &batch, KV_LAZY);
        if (inverse != NULL)
            overlay_inverse(overlay, inverse, KV_LAZY);
        rig_apply(rig->kv, &batch);
        rig->height = header->height;
        rig->time_ms = header->time_ms;
        rig->root = executed.state_root;
        block_id_of(&rig->parent, header);
        memcpy(rig->outcomes, executed.outcomes, executed.tx_count * sizeof rig->outcomes[0]);
        assert_true(executed.event_count <= RIG_EVENTS_MAX);
        rig->event_count = executed.event_count;
        if (executed.event_count > 0)
            memcpy(rig->events, executed.events, executed.event_count * sizeof rig->events[0]);
        executed_free(&executed);
    }
    kv_batch_free(&batch);
    overlay_free(overlay);
    block_free(&block);
    buf_free(&bytes);
    return err;
}

static inline enum err rig_try_block(struct rig *rig, uint64_t after_ms) {
    struct block_header header;
    rig_header(rig, &header, after_ms);
    return rig_execute(rig, &header, NULL);
}

static inline void rig_block(struct rig *rig, uint64_t after_ms) {
    enum err err = rig_try_block(rig, after_ms);
    if (err != OK)
        fail_msg("a block was refused: %s", rig->why != NULL ? rig->why : err_text(err));
    assert_int_equal(rig_count_grains(rig), rig_supply(rig).total);
}

// One transaction in a block of its own; what became of it.
static inline enum tx_outcome rig_one(struct rig *rig, const struct tx *tx) {
    rig_queue(rig, tx);
    rig_block(rig, 1);
    return rig->outcomes[0];
}

// Why a block with this transaction is refused.
static inline void rig_refuses(struct rig *rig, const struct tx *tx, enum tx_outcome outcome) {
    rig_queue(rig, tx);
    assert_int_equal(rig_try_block(rig, 1), ERR_INVALID);
    assert_string_equal(rig->why, tx_outcome_text(outcome));
}

static inline const struct ledger_event *rig_event(const struct rig *rig, enum ledger_event_kind kind) {
    for (size_t i = 0; i < rig->event_count; i++) {
        if (rig->events[i].kind == kind)
            return &rig->events[i];
    }
    return NULL;
}

// Blocks until the last one of the current epoch, that one included.
static inline void rig_end_epoch(struct rig *rig) {
    rig_block(rig, RIG_EPOCH_MS - rig->time_ms % RIG_EPOCH_MS);
    assert_non_null(rig_event(rig, LEDGER_EPOCH_BEGINS));
}

// Three relays, 0 to 2, of operators 4 to 6, and with them epoch 1.
static inline void rig_relays(struct rig *rig) {
    for (unsigned i = 0; i < 3; i++) {
        struct tx tx = rig_register(rig, 4 + i, i, RIG_STAKE, 0, 1);
        rig_queue(rig, &tx);
    }
    rig_block(rig, 1);
    assert_int_equal(rig_epoch(rig), 1);
}

#endif
