// Blocks of a hostile proposer, on a network of three relays in epoch 2 of which relay 0 has a batch with a drawn
// sample. The input is a list of transactions: kind 1 | sender 1 | fee 1 (0: none) | body length 2 | body. Senders
// below 8 are accounts and operators, the others relays. What the filter takes is a valid block, and no grain comes or
// goes (execute_block asserts that).
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/kv_memory.h"
#include "fuzz.h"
#include "ledger/execute.h"

#define TXS_MAX 16
#define RELAYS 3
#define FEE 10
#define EPOCH_MS 1000

struct bed {
    struct kv *kv;
    struct genesis genesis;
    struct block_header header;
};

static void id_of(uint8_t out[static 32], uint8_t number) {
    memset(out, 0, 32);
    out[0] = number;
    out[31] = 1;
}

static struct relay_id relay_of(uint8_t number) {
    struct relay_id id;
    id_of(id.bytes, (uint8_t)(8 + number));
    return id;
}

static struct tx tx_of(const struct bed *bed, enum tx_kind kind, uint8_t sender, uint64_t nonce) {
    struct tx tx = {.network = bed->genesis.network, .kind = kind, .nonce = nonce, .fee = FEE};
    id_of(tx.sender.bytes, sender);
    return tx;
}

// Executes a block of these transactions and keeps it.
static void keep_block(struct bed *bed, uint64_t after_ms, const struct span *txs, uint32_t count) {
    struct overlay *overlay = overlay_over_kv(bed->kv);
    struct buf bytes = {0};
    struct block block;
    struct executed executed;
    struct kv_batch batch = {0};
    execute_fill_header(&bed->header, overlay, &bed->genesis);
    bed->header.height++;
    bed->header.time_ms += after_ms;
    block_encode(&bytes, &bed->header, txs, count);
    ASSERT(block_decode(&block, buf_span(&bytes)) == OK);
    ASSERT(execute_block(&executed, overlay, &bed->genesis, &block, NULL) == OK);
    for (size_t i = 0; i < executed.tx_count; i++)
        ASSERT(executed.outcomes[i] == TX_DONE);
    overlay_writes(overlay, &batch, KV_LAZY);
    ASSERT(kv_write(bed->kv, &batch) == OK);
    kv_batch_free(&batch);
    executed_free(&executed);
    block_free(&block);
    buf_free(&bytes);
    overlay_free(overlay);
}

static void register_relays(struct bed *bed) {
    uint8_t bytes[RELAYS][TX_BYTES_MAX];
    struct span txs[RELAYS];
    for (uint8_t i = 0; i < RELAYS; i++) {
        struct tx tx = tx_of(bed, TX_REGISTER_RELAY, i, 0);
        tx.register_relay.relay = relay_of(i);
        tx.register_relay.stake = 1000;
        tx.register_relay.deposit = 100;
        tx.register_relay.address = (struct address){"r.example", 9};
        tx.register_relay.onion.first_epoch = 1;
        memset(tx.register_relay.onion.keys, 7, sizeof tx.register_relay.onion.keys);
        txs[i] = span_of(bytes[i], tx_encode(bytes[i], &tx));
    }
    keep_block(bed, 1, txs, RELAYS);
}

static void submit_batch(struct bed *bed) {
    uint8_t bytes[TX_BYTES_MAX];
    struct tx tx = tx_of(bed, TX_DELIVERY_BATCH, 8, 0);
    const struct relay_id relay = relay_of(0);
    const uint8_t secret[DELIVERY_SECRET_BYTES] = {0};
    struct hash leaf;
    delivery_leaf_of(&leaf, secret, &relay);
    tx.delivery_batch.epoch = 1;
    tx.delivery_batch.count = 1;
    merkle_root(&tx.delivery_batch.root, &leaf, 1);
    const struct span span = span_of(bytes, tx_encode(bytes, &tx));
    keep_block(bed, 1, &span, 1);
}

static void bed_make(struct bed *bed, enum consensus consensus) {
    struct hash root;
    struct kv_batch batch = {0};
    *bed = (struct bed){.kv = kv_memory_new()};
    bed->genesis.epoch_ms = EPOCH_MS;
    bed->genesis.min_relays = RELAYS;
    struct ledger_genesis *ledger = &bed->genesis.ledger;
    *ledger = (struct ledger_genesis){.consensus = consensus, .fee_min = FEE, .relay_stake_min = 1000};
    ledger->validator_stake_min = 1000;
    ledger->unbonding_ms = 5000;
    ledger->reward_pool = 5000;
    ledger->reward_per_epoch = 900;
    ledger->slash_percent = 5;
    ledger->samples = 4;
    for (uint8_t i = 0; i < 8; i++) {
        id_of(ledger->accounts[i].id.bytes, i);
        ledger->accounts[i].grains = 100000;
    }
    ledger->account_count = 8;
    for (uint8_t i = 0; i < 4; i++) {
        id_of(ledger->validators[i].key.bytes, (uint8_t)(20 + i));
        id_of(ledger->validators[i].operator.bytes, i);
        ledger->validators[i].power = 1000;
    }
    ledger->validator_count = 4;
    struct overlay *overlay = overlay_over_kv(bed->kv);
    ASSERT(execute_genesis(&root, overlay, &bed->genesis) == OK);
    overlay_writes(overlay, &batch, KV_LAZY);
    ASSERT(kv_write(bed->kv, &batch) == OK);
    kv_batch_free(&batch);
    overlay_free(overlay);
    register_relays(bed);
    keep_block(bed, EPOCH_MS, NULL, 0);
    submit_batch(bed);
    keep_block(bed, 1, NULL, 0);
    keep_block(bed, 1, NULL, 0);
}

// The next transaction of the input, with the nonce that its sender has if all before it are taken.
static size_t read_tx(uint8_t out[static TX_BYTES_MAX], struct reader *r, const struct bed *bed, uint64_t *nonces) {
    struct writer w = writer_of(out, TX_BYTES_MAX);
    uint8_t sender[32];
    uint8_t kind = read_u8(r), number = read_u8(r) % 16, fee = read_u8(r);
    uint16_t length = read_u16(r) % 2048;
    const struct span body = read_span(r, length < r->n ? length : r->n);
    id_of(sender, number);
    write_u8(&w, 1);
    write_bytes(&w, bed->genesis.network.bytes, 32);
    write_u8(&w, kind);
    if (kind == TX_EVIDENCE)
        write_zeros(&w, 32 + 8 + 8);
    else {
        write_bytes(&w, sender, 32);
        write_u64(&w, nonces[number]++);
        write_u64(&w, fee);
    }
    write_u16(&w, (uint16_t)body.n);
    write_bytes(&w, body.p, body.n);
    write_zeros(&w, 64);
    return w.n;
}

static void first_nonces(uint64_t nonces[static 16], const struct bed *bed) {
    struct overlay *overlay = overlay_over_kv(bed->kv);
    for (uint8_t i = 0; i < 16; i++) {
        struct account_id id;
        struct account account;
        id_of(id.bytes, i);
        state_account(overlay, &account, &id);
        nonces[i] = account.nonce;
    }
    overlay_free(overlay);
}

static bool passes(const struct bed *bed, struct span bytes) {
    const struct tx_rules rules = {bed->genesis.network, FEE};
    struct tx tx;
    return tx_decode(&tx, bytes) == OK && tx_check(&tx, &rules) == OK;
}

static void run(struct bed *bed, struct reader r) {
    static uint8_t bytes[TXS_MAX][TX_BYTES_MAX];
    struct span txs[TXS_MAX], kept[TXS_MAX];
    bool taken[TXS_MAX];
    uint64_t nonces[16];
    size_t count = 0;
    uint32_t kept_count = 0;
    first_nonces(nonces, bed);
    while (count < TXS_MAX && r.n > 0) {
        txs[count] = span_of(bytes[count], read_tx(bytes[count], &r, bed, nonces));
        count += passes(bed, txs[count]) ? 1 : 0;
    }
    struct block_header header = bed->header;
    header.height++;
    header.time_ms += EPOCH_MS; // the last block of the epoch: everything that happens there, happens
    struct overlay *overlay = overlay_over_kv(bed->kv);
    execute_filter(taken, overlay, &bed->genesis, &header, txs, count);
    overlay_free(overlay);
    for (size_t i = 0; i < count; i++) {
        if (taken[i])
            kept[kept_count++] = txs[i];
    }
    struct buf encoded = {0};
    struct block block;
    struct executed executed;
    overlay = overlay_over_kv(bed->kv);
    execute_fill_header(&header, overlay, &bed->genesis);
    block_encode(&encoded, &header, kept, kept_count);
    ASSERT(block_decode(&block, buf_span(&encoded)) == OK);
    ASSERT(execute_block(&executed, overlay, &bed->genesis, &block, NULL) == OK);
    executed_free(&executed);
    block_free(&block);
    buf_free(&encoded);
    overlay_free(overlay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    if (size == 0)
        return 0;
    struct bed bed;
    bed_make(&bed, data[0] % 2 == 0 ? CONSENSUS_POA : CONSENSUS_POS);
    run(&bed, reader_of(span_of(data + 1, size - 1)));
    kv_close(bed.kv);
    return 0;
}
