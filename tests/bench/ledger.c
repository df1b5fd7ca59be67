// The ledger's execution in this process: blocks of 1,000 transfers between 100,000 accounts, with the tree's update
// and the batch written, on either engine. Beside it the verification of as many signatures, which a validator does,
// too.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/kv_memory.h"
#include "bench.h"
#include "ledger/execute.h"
#include "ledger/tree.h"
#include "place.h"

#define ACCOUNTS 100000
#define TRANSFERS 1000
#define BALANCE 1000000
#define FEE 10
#define ROUNDS_MAX 41 // a round takes a tenth of a second

struct chain_bed {
    struct kv *kv;
    struct pages *pages;
    struct rng rng;
    struct genesis genesis;
    struct block_header header;
    uint64_t nonces[ACCOUNTS];
    struct span txs[TRANSFERS];
    uint8_t bytes[TRANSFERS][256];
};

static struct account_id account_of(uint32_t number) {
    struct account_id id = {{0}};
    store_u32(id.bytes, number);
    id.bytes[31] = 1;
    return id;
}

static void keep(struct chain_bed *bed, struct overlay *overlay) {
    struct kv_batch batch = {0};
    ASSERT(overlay_failed(overlay) == OK);
    overlay_writes(overlay, &batch, KV_SYNCED);
    pages_follow(bed->pages, &batch);
    ASSERT(kv_write(bed->kv, &batch) == OK);
    kv_batch_free(&batch);
}

// Accounts beyond those that a genesis has room for, a thousand at a time.
static void add_accounts(struct chain_bed *bed, uint32_t first) {
    struct overlay *overlay = overlay_over_pages(bed->pages);
    struct supply supply;
    struct hash root;
    const struct account account = {0, BALANCE};
    for (uint32_t i = first; i < first + 1000; i++) {
        const struct account_id id = account_of(i);
        state_set_account(overlay, &id, &account);
    }
    state_supply(overlay, &supply);
    supply.total += UINT64_C(1000) * BALANCE;
    state_set_supply(overlay, &supply);
    state_commit(&root, overlay);
    keep(bed, overlay);
    overlay_free(overlay);
}

static struct chain_bed *bed_new(struct kv *kv) {
    struct chain_bed *bed = NEW(struct chain_bed);
    static const uint8_t seed[RNG_SEED_BYTES] = "ledger";
    struct hash root;
    rng_init(&bed->rng, seed);
    bed->kv = kv;
    bed->pages = pages_new(kv, PAGES_BYTES_MAX, &bed->rng);
    bed->genesis = (struct genesis){.epoch_ms = 3600000, .min_relays = 1, .ledger = {.fee_min = FEE}};
    bed->genesis.ledger.validator_count = 1;
    bed->genesis.ledger.validators[0] = (struct genesis_validator){{{1}}, {{1}}, 1};
    struct overlay *overlay = overlay_over_kv(kv);
    ASSERT(execute_genesis(&root, overlay, &bed->genesis) == OK);
    keep(bed, overlay);
    overlay_free(overlay);
    for (uint32_t i = 0; i < ACCOUNTS; i += 1000)
        add_accounts(bed, i);
    return bed;
}

static void bed_free(struct chain_bed *bed) {
    pages_free(bed->pages);
    kv_close(bed->kv);
    free(bed);
}

static void draw_transfers(struct chain_bed *bed) {
    uint8_t bytes[TX_BYTES_MAX];
    for (size_t i = 0; i < TRANSFERS; i++) {
        uint32_t sender = (uint32_t)rng_below(&bed->rng, ACCOUNTS);
        struct tx tx = {.kind = TX_TRANSFER, .sender = account_of(sender), .fee = FEE, .nonce = bed->nonces[sender]++};
        tx.transfer.to = account_of((uint32_t)rng_below(&bed->rng, ACCOUNTS));
        tx.transfer.amount = 1 + rng_below(&bed->rng, 100);
        size_t n = tx_encode(bytes, &tx);
        ASSERT(n <= sizeof bed->bytes[i]);
        memcpy(bed->bytes[i], bytes, n);
        bed->txs[i] = span_of(bed->bytes[i], n);
    }
}

// Nanoseconds of a block, from its bytes to the written batch.
static double run_block(struct chain_bed *bed) {
    struct buf bytes = {0};
    struct block block;
    struct executed executed;
    draw_transfers(bed);
    struct overlay *overlay = overlay_over_kv(bed->kv);
    execute_fill_header(&bed->header, overlay, &bed->genesis);
    overlay_free(overlay);
    bed->header.height++;
    bed->header.time_ms += 1000;
    block_encode(&bytes, &bed->header, bed->txs, TRANSFERS);
    uint64_t began_ns = clock_thread_ns();
    overlay = overlay_over_pages(bed->pages);
    ASSERT(block_decode(&block, buf_span(&bytes)) == OK);
    ASSERT(execute_block(&executed, overlay, &bed->genesis, &block, NULL) == OK);
    keep(bed, overlay);
    overlay_free(overlay);
    double ns = (double)(clock_thread_ns() - began_ns);
    executed_free(&executed);
    block_free(&block);
    buf_free(&bytes);
    return ns;
}

// Milliseconds of the tree alone for as many entries of those there are.
static double run_tree(struct chain_bed *bed) {
    struct tree_update updates[TRANSFERS];
    struct hash root;
    for (uint32_t i = 0; i < TRANSFERS; i++) {
        const struct account_id id = account_of(i * (ACCOUNTS / TRANSFERS) + (uint32_t)rng_below(&bed->rng, 100));
        struct state_key key;
        state_account_key(&key, &id);
        tree_key(&updates[i].key, state_key_span(&key));
        rng_bytes(&bed->rng, updates[i].value.bytes, sizeof updates[i].value.bytes);
        updates[i].is_delete = false;
    }
    struct overlay *overlay = overlay_over_pages(bed->pages);
    uint64_t began_ns = clock_thread_ns();
    tree_apply(&root, overlay, updates, TRANSFERS);
    double ms = (double)(clock_thread_ns() - began_ns) / 1e6;
    ASSERT(overlay_failed(overlay) == OK);
    overlay_free(overlay);
    return ms;
}

static double run_verifications(struct chain_bed *bed) {
    struct sign_secret secret;
    struct sign_public public;
    struct signature signature;
    const struct span part = bed->txs[0];
    sign_key_new(&secret, &public, &bed->rng);
    sign_parts(&signature, &secret, "sotto bench", &part, 1);
    uint64_t began_ns = clock_thread_ns();
    for (size_t i = 0; i < TRANSFERS; i++)
        ASSERT(verify_parts(&signature, &public, "sotto bench", &part, 1) == OK);
    return (double)(clock_thread_ns() - began_ns);
}

struct results {
    struct series rates;  // transfers a second
    struct series ratios; // a block over its signatures' verification
    struct series tree;   // milliseconds
};

static void measure(struct results *results, struct chain_bed *bed) {
    double block_ns = run_block(bed), verify_ns = run_verifications(bed);
    series_add(&results->rates, TRANSFERS * 1e9 / block_ns);
    series_add(&results->ratios, block_ns / verify_ns);
    series_add(&results->tree, run_tree(bed));
}

static void report(struct bench *bench, const struct results *results, const char *name, const char *tree_name,
                   double tree_limit_ms) {
    const struct row row = {
        .group = "ledger", .name = name, .unit = UNIT_PER_S, .baseline = "verifying their signatures"};
    const struct row tree_row = {.group = "ledger", .name = tree_name, .unit = UNIT_MS, .limit = tree_limit_ms};
    bench_report(bench, &row, &results->rates, &results->ratios);
    bench_report(bench, &tree_row, &results->tree, NULL);
}

void bench_ledger(struct bench *bench) {
    char *place = place_new(bench);
    struct chain_bed *memory = bed_new(kv_memory_new());
    struct chain_bed *rocksdb = bed_new(place_open_rocksdb(place));
    struct results *results = NEW_ARRAY(struct results, 2);
    for (unsigned round = 0; round < bench->rounds && round < ROUNDS_MAX; round++) {
        measure(&results[0], memory);
        measure(&results[1], rocksdb);
    }
    report(bench, &results[0], "memory: transfers executed", "memory: 1,000 entries of 100,000 in the tree", 10);
    report(bench, &results[1], "RocksDB: transfers executed", "RocksDB: 1,000 entries of 100,000 in the tree", 10);
    free(results);
    bed_free(memory);
    bed_free(rocksdb);
    place_remove(place);
    bench_light(bench);
    bench_deliveries(bench);
    bench_validators(bench);
}
