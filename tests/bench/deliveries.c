// Deliveries on the ledger: what a relay spends on a leaf (another's receipt checked, the leaf, its place in the tree),
// and what a validator spends on batches and openings, signatures and execution, for each leaf that they stand for.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/kv_memory.h"
#include "bench.h"
#include "crypto/hash.h"
#include "ledger/claims.h"
#include "ledger/execute.h"

#define LEAVES 1000 // of a batch
#define SAMPLES 8
#define EPOCH_MS 3600000
#define STAKE 1000
#define ROUNDS_MAX 41

struct made {
    struct hash leaf;
    struct delivery delivery;
};

struct deliveries_bed {
    struct genesis genesis;
    struct rng rng;
    struct sign_secret relay, other;
    struct relay_id relay_id, other_id;
    struct made made[LEAVES];
    struct hash leaves[LEAVES];
};

static const struct mailbox_id mailbox = {{5}};
static const struct item_hash item = {{6}};

static int by_leaf(const void *a, const void *b) {
    return memcmp(((const struct made *)a)->leaf.bytes, ((const struct made *)b)->leaf.bytes, 32);
}

static void relay_new(struct sign_secret *secret, struct relay_id *id, struct rng *rng) {
    struct sign_public public;
    sign_key_new(secret, &public, rng);
    memcpy(id->bytes, public.bytes, sizeof id->bytes);
}

static struct deliveries_bed *bed_new(void) {
    struct deliveries_bed *bed = NEW(struct deliveries_bed);
    static const uint8_t seed[RNG_SEED_BYTES] = "deliveries";
    rng_init(&bed->rng, seed);
    relay_new(&bed->relay, &bed->relay_id, &bed->rng);
    relay_new(&bed->other, &bed->other_id, &bed->rng);
    bed->genesis = (struct genesis){.epoch_ms = EPOCH_MS, .min_relays = 2};
    bed->genesis.ledger = (struct ledger_genesis){.samples = SAMPLES, .validator_count = 1};
    bed->genesis.ledger.validators[0] = (struct genesis_validator){{{1}}, {{1}}, 1};
    bed->genesis.ledger.account_count = 1;
    bed->genesis.ledger.accounts[0] = (struct genesis_account){{{2}}, 2 * STAKE};
    for (size_t i = 0; i < LEAVES; i++) {
        struct delivery *delivery = &bed->made[i].delivery;
        uint8_t commitment[ITEM_COMMITMENT_BYTES];
        struct receipt receipt = {.index = 1, .rank = 1};
        rng_bytes(&bed->rng, delivery->secret, sizeof delivery->secret);
        delivery->set = (struct replica_set){1, 2, {bed->relay_id, bed->other_id}};
        commitment_of(commitment, delivery->secret);
        receipt_sign(&receipt, &bed->other, &bed->genesis.network, &delivery->set, commitment, &mailbox, &item, 9);
        receipt_inner_of(&delivery->inner, 1, &mailbox, &item, 9);
        delivery->signer = 1;
        delivery->receipt = receipt.signature;
        delivery_leaf_of(&bed->made[i].leaf, delivery->secret, &bed->relay_id);
    }
    qsort(bed->made, LEAVES, sizeof bed->made[0], by_leaf);
    for (size_t i = 0; i < LEAVES; i++)
        bed->leaves[i] = bed->made[i].leaf;
    return bed;
}

// ---- the relay ----

static double run_receipts(struct deliveries_bed *bed) {
    uint64_t began_ns = clock_thread_ns();
    for (size_t i = 0; i < LEAVES; i++) {
        const struct delivery *delivery = &bed->made[i].delivery;
        uint8_t commitment[ITEM_COMMITMENT_BYTES];
        commitment_of(commitment, delivery->secret);
        ASSERT(receipt_verify_inner(&delivery->receipt, 1, &bed->genesis.network, &delivery->set, commitment,
                                    &delivery->inner) == OK);
    }
    return (double)(clock_thread_ns() - began_ns);
}

static double run_leaves(struct deliveries_bed *bed) {
    uint64_t began_ns = clock_thread_ns();
    struct tx batch;
    for (size_t i = 0; i < LEAVES; i++) {
        struct hash leaf;
        delivery_leaf_of(&leaf, bed->made[i].delivery.secret, &bed->relay_id);
    }
    struct claims *claims = claims_new(1, bed->leaves, LEAVES);
    claims_batch(&batch, claims);
    claims_free(claims);
    return (double)(clock_thread_ns() - began_ns);
}

// ---- the validator ----

struct chain {
    struct deliveries_bed *bed;
    struct kv *kv;
    struct block_header header;
    uint64_t nonce;
    double ns; // spent on what came in
};

static void write_all(struct chain *chain, struct overlay *overlay) {
    struct kv_batch batch = {0};
    ASSERT(overlay_failed(overlay) == OK);
    overlay_writes(overlay, &batch, KV_SYNCED);
    if (kv_batch_count(&batch) > 0)
        ASSERT(kv_write(chain->kv, &batch) == OK);
    kv_batch_free(&batch);
    overlay_free(overlay);
}

// A block of these transactions: signatures, execution, the written batch. What only sets the scene is not signed.
static void run_block(struct chain *chain, const struct span *txs, uint32_t count, uint64_t after_ms, bool counts) {
    struct buf bytes = {0};
    struct block block;
    struct executed executed;
    struct overlay *overlay = overlay_over_kv(chain->kv);
    execute_fill_header(&chain->header, overlay, &chain->bed->genesis);
    overlay_free(overlay);
    chain->header.height++;
    chain->header.time_ms += after_ms;
    block_encode(&bytes, &chain->header, txs, count);
    uint64_t began_ns = clock_thread_ns();
    for (size_t i = 0; i < count && counts; i++) {
        struct tx tx;
        ASSERT(tx_decode(&tx, txs[i]) == OK && tx_verify(&tx) == OK);
    }
    overlay = overlay_over_kv(chain->kv);
    ASSERT(block_decode(&block, buf_span(&bytes)) == OK);
    ASSERT(execute_block(&executed, overlay, &chain->bed->genesis, &block, NULL) == OK);
    for (size_t i = 0; i < count; i++)
        ASSERT(executed.outcomes[i] == TX_DONE);
    write_all(chain, overlay);
    chain->ns += counts ? (double)(clock_thread_ns() - began_ns) : 0;
    executed_free(&executed);
    block_free(&block);
    buf_free(&bytes);
}

static struct span sign_own(struct chain *chain, uint8_t out[static TX_BYTES_MAX], struct tx *tx) {
    tx->network = chain->bed->genesis.network;
    memcpy(tx->sender.bytes, chain->bed->relay_id.bytes, sizeof tx->sender.bytes);
    tx->nonce = chain->nonce++;
    tx_sign(tx, &chain->bed->relay);
    return span_of(out, tx_encode(out, tx));
}

// Two relays are registered, and the epoch of their deliveries is over.
static void register_both(struct chain *chain) {
    const struct relay_id *ids[] = {&chain->bed->relay_id, &chain->bed->other_id};
    uint8_t bytes[2][TX_BYTES_MAX];
    struct span txs[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct tx tx = {.kind = TX_REGISTER_RELAY, .sender = {{2}}, .nonce = i};
        tx.register_relay.relay = *ids[i];
        tx.register_relay.stake = STAKE;
        snprintf(tx.register_relay.address.host, sizeof tx.register_relay.address.host, "r%u.example", i);
        tx.register_relay.address.port = 9;
        tx.register_relay.onion.first_epoch = 1;
        for (uint32_t k = 0; k < ONION_KEYS_AHEAD; k++)
            store_u32(tx.register_relay.onion.keys[k].bytes, k + 1);
        txs[i] = span_of(bytes[i], tx_encode(bytes[i], &tx));
    }
    run_block(chain, txs, 2, 1000, false);
    run_block(chain, NULL, 0, EPOCH_MS, false);
}

static void open_sample(struct chain *chain, const struct claims *claims) {
    struct delivery_record record;
    uint32_t wanted[SAMPLE_MAX];
    uint8_t bytes[SAMPLES][TX_BYTES_MAX];
    struct span txs[SAMPLES];
    struct overlay *overlay = overlay_over_kv(chain->kv);
    ASSERT(state_delivery(overlay, &record, 1, &chain->bed->relay_id));
    overlay_free(overlay);
    uint32_t count = (uint32_t)claims_unopened(wanted, &record);
    ASSERT(count > 0 && count <= SAMPLES);
    for (size_t i = 0; i < count; i++) {
        struct claims_paths paths;
        struct tx tx;
        claims_opening(&tx, &paths, claims, wanted[i], &chain->bed->made[wanted[i]].delivery);
        txs[i] = sign_own(chain, bytes[i], &tx);
    }
    run_block(chain, txs, count, 1000, true);
}

// Nanoseconds that a validator spends on a batch and its openings.
static double run_batch(struct deliveries_bed *bed) {
    struct chain chain = {.bed = bed, .kv = kv_memory_new()};
    struct hash root;
    uint8_t bytes[TX_BYTES_MAX];
    struct tx tx;
    struct overlay *overlay = overlay_over_kv(chain.kv);
    ASSERT(execute_genesis(&root, overlay, &bed->genesis) == OK);
    write_all(&chain, overlay);
    register_both(&chain);
    struct claims *claims = claims_new(1, bed->leaves, LEAVES);
    claims_batch(&tx, claims);
    struct span batch = sign_own(&chain, bytes, &tx);
    run_block(&chain, &batch, 1, 1000, true);
    run_block(&chain, NULL, 0, 1000, false);
    run_block(&chain, NULL, 0, 1000, false);
    open_sample(&chain, claims);
    claims_free(claims);
    kv_close(chain.kv);
    return chain.ns;
}

void bench_deliveries(struct bench *bench) {
    struct deliveries_bed *bed = bed_new();
    struct series *series = NEW_ARRAY(struct series, 3);
    for (unsigned round = 0; round < bench->rounds && round < ROUNDS_MAX; round++) {
        double receipts_ns = run_receipts(bed), leaves_ns = run_leaves(bed), validator_ns = run_batch(bed);
        series_add(&series[0], LEAVES * 1e9 / (receipts_ns + leaves_ns));
        series_add(&series[1], (receipts_ns + leaves_ns) / receipts_ns);
        series_add(&series[2], LEAVES * 1e9 / validator_ns);
    }
    const struct row relay = {.group = "ledger",
                              .name = "relay: leaves from checked receipts",
                              .unit = UNIT_PER_S,
                              .limit = 10000,
                              .baseline = "checking their receipts"};
    const struct row validator = {
        .group = "ledger", .name = "validator: leaves, batches of 1,000, 8 opened", .unit = UNIT_PER_S, .limit = 10000};
    bench_report(bench, &relay, &series[0], &series[1]);
    bench_report(bench, &validator, &series[2], NULL);
    free(series);
    free(bed);
}
