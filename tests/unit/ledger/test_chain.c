// The chain's records: histories of accounts, and old blocks that go.
#include "ledger/chain.h"

#include "base/kv_memory.h"
#include "wire/codec.h"

struct rig {
    struct env env;
    struct kv_batch batch;
    struct step step;
    struct chain chain;
};

static struct rig *rig_new(uint64_t keep_blocks) {
    struct rig *rig = NEW(struct rig);
    rig->env.kv = kv_memory_new();
    rig->step = (struct step){.env = &rig->env, .batch = &rig->batch};
    assert_int_equal(chain_load(&rig->chain, &rig->step, keep_blocks), OK);
    return rig;
}

static void rig_free(struct rig *rig) {
    kv_close(rig->env.kv);
    kv_batch_free(&rig->batch);
    free(rig);
}

// In a step of its own.
static void append(struct rig *rig, const struct chain_tx *txs, uint32_t tx_count) {
    static struct certificate certificate; // empty
    struct block_header header = {.height = rig->chain.height + 1, .parent = rig->chain.id, .tx_count = tx_count};
    uint8_t bytes[BLOCK_HEADER_BYTES];
    block_header_encode(bytes, &header);
    certificate.type = VOTE_PRECOMMIT;
    certificate.height = header.height;
    chain_append(&rig->chain, &rig->step, &header, SPAN_OF(bytes), &certificate, txs);
    assert_int_equal(kv_write(rig->env.kv, &rig->batch), OK);
    kv_batch_clear(&rig->batch);
}

#define ACCOUNTS 5
#define BLOCKS 30
#define TXS_MAX 40

static void a_history_has_what_an_account_sent_and_got_in_the_order_of_the_chain(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    struct rng rng = rng_of_seed(1);
    static struct tx_id expected[ACCOUNTS][BLOCKS * TXS_MAX];
    uint64_t counts[ACCOUNTS] = {0};
    for (size_t block = 0; block < BLOCKS; block++) {
        struct chain_tx txs[TXS_MAX] = {{{{0}}, {{{0}}}, 0, 0}};
        uint32_t tx_count = (uint32_t)rng_below(&rng, TXS_MAX);
        for (size_t i = 0; i < tx_count; i++) {
            rng_bytes(&rng, txs[i].id.bytes, sizeof txs[i].id.bytes);
            txs[i].account_count = (size_t)rng_below(&rng, 3);
            size_t first = (size_t)rng_below(&rng, ACCOUNTS);
            for (size_t j = 0; j < txs[i].account_count; j++) {
                size_t account = (first + j) % ACCOUNTS;
                txs[i].accounts[j].bytes[0] = (uint8_t)account;
                expected[account][counts[account]++] = txs[i].id;
            }
        }
        append(rig, txs, tx_count);
    }
    for (size_t i = 0; i < ACCOUNTS; i++) {
        const struct account_id account = {{(uint8_t)i}};
        struct tx_id id;
        assert_true(counts[i] > BLOCKS);
        assert_int_equal(chain_tx_count(&rig->step, &account), counts[i]);
        for (uint64_t number = 0; number < counts[i]; number++) {
            assert_int_equal(chain_tx_of(&rig->step, &account, number, &id), OK);
            assert_memory_equal(id.bytes, expected[i][number].bytes, sizeof id.bytes);
        }
        assert_int_equal(chain_tx_of(&rig->step, &account, counts[i], &id), ERR_NOT_FOUND);
    }
    rig_free(rig);
}

static void a_long_chain_that_is_to_be_short_gets_so_bit_by_bit(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    struct buf block = {0};
    size_t most = 0;
    for (size_t i = 0; i < 500; i++)
        append(rig, NULL, 0);
    assert_int_equal(rig->chain.first, 1);
    assert_int_equal(chain_load(&rig->chain, &rig->step, 10), OK);
    for (uint64_t before = 1; rig->chain.height - rig->chain.first >= 10; before = rig->chain.first) {
        append(rig, NULL, 0);
        assert_true(rig->chain.first > before + 1); // it gets shorter, though it grows
        most = rig->chain.first - before > most ? (size_t)(rig->chain.first - before) : most;
        assert_int_equal(chain_block(&rig->step, rig->chain.first - 1, &block), ERR_NOT_FOUND);
        assert_int_equal(chain_block(&rig->step, rig->chain.first, &block), OK);
    }
    assert_in_range(most, 2, 100);
    append(rig, NULL, 0);
    assert_int_equal(rig->chain.height - rig->chain.first, 9);
    buf_free(&block);
    rig_free(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_history_has_what_an_account_sent_and_got_in_the_order_of_the_chain),
        cmocka_unit_test(a_long_chain_that_is_to_be_short_gets_so_bit_by_bit),
    };
    return cmocka_run_group_tests_name("chain", tests, codec_setup, NULL);
}
