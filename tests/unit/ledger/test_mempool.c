// Transactions that wait: order, replacement, limits.
#include "ledger/mempool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/hash.h"

static const struct mempool_limits wide = {.count_max = 10000, .bytes_max = 1 << 20, .fee_min = 10};

static struct mempool *make(const struct mempool_limits *limits) {
    struct rng rng;
    rng_init(&rng, (uint8_t[RNG_SEED_BYTES]){1});
    return mempool_new(limits, &rng);
}

static struct mempool_tx tx_of(uint8_t sender, uint64_t nonce, uint64_t fee) {
    static uint8_t bytes[64][17];
    static size_t next;
    uint8_t *body = bytes[next++ % 64];
    struct mempool_tx tx = {.sender = {{sender}}, .nonce = nonce, .fee = fee};
    body[0] = sender;
    store_u64(body + 1, nonce);
    store_u64(body + 9, fee);
    tx.bytes = span_of(body, 17);
    struct hash hash;
    hash_bytes(&hash, "test", tx.bytes);
    memcpy(tx.id.bytes, hash.bytes, sizeof(tx.id.bytes));
    return tx;
}

static enum mempool_verdict add(struct mempool *mempool, uint8_t sender, uint64_t nonce, uint64_t fee) {
    struct mempool_tx tx = tx_of(sender, nonce, fee);
    return mempool_add(mempool, &tx, 0);
}

// The candidates as "sender nonce" pairs, in order.
static void assert_candidates(const struct mempool *mempool, size_t count, const uint8_t (*expected)[2]) {
    struct span out[64];
    assert_int_equal(mempool_candidates(mempool, out, 64, 1 << 20), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(out[i].p[0], expected[i][0]);
        assert_int_equal(load_u64(out[i].p + 1), expected[i][1]);
    }
}

static void candidates_come_best_fee_first_and_each_sender_in_order(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    add(mempool, 1, 1, 90);
    add(mempool, 1, 0, 20);
    add(mempool, 2, 0, 50);
    add(mempool, 3, 0, 50);
    assert_candidates(mempool, 4, (const uint8_t[][2]){{2, 0}, {3, 0}, {1, 0}, {1, 1}});
    mempool_free(mempool);
}

static void what_stands_behind_a_gap_waits_until_it_is_filled(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    assert_int_equal(add(mempool, 1, 2, 20), MEMPOOL_TAKEN);
    assert_int_equal(add(mempool, 1, 0, 20), MEMPOOL_TAKEN);
    assert_candidates(mempool, 1, (const uint8_t[][2]){{1, 0}});
    assert_int_equal(mempool_next_nonce(mempool, &(struct account_id){{1}}, 0), 1);
    assert_int_equal(add(mempool, 1, 1, 20), MEMPOOL_TAKEN);
    assert_candidates(mempool, 3, (const uint8_t[][2]){{1, 0}, {1, 1}, {1, 2}});
    assert_int_equal(mempool_next_nonce(mempool, &(struct account_id){{1}}, 0), 3);
    assert_int_equal(mempool_ready(mempool), 3);
    mempool_free(mempool);
}

static void a_gap_has_a_bound(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    assert_int_equal(add(mempool, 1, MEMPOOL_GAP_MAX + 1, 20), MEMPOOL_NONCE_FAR);
    assert_int_equal(add(mempool, 1, MEMPOOL_GAP_MAX, 20), MEMPOOL_TAKEN);
    assert_int_equal(add(mempool, 1, UINT64_MAX, 20), MEMPOOL_NONCE_FAR);
    mempool_free(mempool);
}

static void duplicates_and_used_nonces_are_refused(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    struct mempool_tx tx = tx_of(1, 4, 20);
    assert_int_equal(mempool_add(mempool, &tx, 5), MEMPOOL_NONCE_USED);
    assert_int_equal(mempool_add(mempool, &tx, 4), MEMPOOL_TAKEN);
    assert_int_equal(mempool_add(mempool, &tx, 4), MEMPOOL_KNOWN);
    assert_int_equal(mempool_count(mempool), 1);
    mempool_free(mempool);
}

static void a_replacement_must_offer_a_tenth_more(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    add(mempool, 1, 0, 1000);
    assert_int_equal(add(mempool, 1, 0, 1100), MEMPOOL_UNDERPRICED);
    assert_int_equal(add(mempool, 1, 0, 900), MEMPOOL_UNDERPRICED);
    assert_int_equal(add(mempool, 1, 0, 1101), MEMPOOL_TAKEN);
    assert_int_equal(mempool_count(mempool), 1);
    assert_int_equal(mempool_bytes(mempool), 17);
    mempool_free(mempool);
}

static void a_low_fee_is_refused_but_what_is_free_is_not(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    assert_int_equal(add(mempool, 1, 0, 9), MEMPOOL_FEE_LOW);
    struct mempool_tx tx = tx_of(1, 0, 0);
    tx.free_of_fee = true;
    assert_int_equal(mempool_add(mempool, &tx, 0), MEMPOOL_TAKEN);
    mempool_free(mempool);
}

static void one_sender_does_not_fill_it(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    for (uint64_t nonce = 0; nonce < MEMPOOL_PER_SENDER_MAX; nonce++)
        assert_int_equal(add(mempool, 1, nonce, 20), MEMPOOL_TAKEN);
    assert_int_equal(add(mempool, 1, MEMPOOL_PER_SENDER_MAX, 20), MEMPOOL_SENDER_FULL);
    assert_int_equal(add(mempool, 2, 0, 20), MEMPOOL_TAKEN);
    mempool_free(mempool);
}

static void when_it_is_full_the_lowest_fee_gives_way_to_a_higher_one(void **state) {
    (void)state;
    struct mempool *mempool = make(&(struct mempool_limits){.count_max = 3, .bytes_max = 1 << 20, .fee_min = 1});
    add(mempool, 1, 0, 30);
    add(mempool, 2, 0, 20);
    add(mempool, 2, 1, 90); // behind a cheap one: that one's place is not taken, this one's last is
    assert_int_equal(add(mempool, 3, 0, 30), MEMPOOL_FULL);
    assert_int_equal(add(mempool, 3, 0, 31), MEMPOOL_TAKEN);
    assert_candidates(mempool, 3, (const uint8_t[][2]){{3, 0}, {2, 0}, {2, 1}});
    mempool_free(mempool);
}

static void its_bytes_are_bounded(void **state) {
    (void)state;
    struct mempool *mempool = make(&(struct mempool_limits){.count_max = 100, .bytes_max = 40, .fee_min = 1});
    assert_int_equal(add(mempool, 1, 0, 5), MEMPOOL_TAKEN);
    assert_int_equal(add(mempool, 2, 0, 5), MEMPOOL_TAKEN);
    assert_int_equal(add(mempool, 3, 0, 5), MEMPOOL_FULL);
    mempool_free(mempool);
}

static void a_proposal_stays_within_its_bytes_and_its_count(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    struct span out[64];
    for (uint8_t sender = 1; sender <= 10; sender++)
        add(mempool, sender, 0, 20);
    assert_int_equal(mempool_candidates(mempool, out, 64, 3 * 17 + 16), 3);
    assert_int_equal(mempool_candidates(mempool, out, 4, 1 << 20), 4);
    mempool_free(mempool);
}

static void a_block_settles_what_it_has_used_and_leaves_the_rest(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    for (uint64_t nonce = 0; nonce < 4; nonce++)
        add(mempool, 1, nonce, 20);
    add(mempool, 2, 0, 20);
    mempool_settle(mempool, &(struct account_id){{1}}, 2);
    assert_int_equal(mempool_count(mempool), 3);
    assert_candidates(mempool, 3, (const uint8_t[][2]){{1, 2}, {1, 3}, {2, 0}});
    mempool_settle(mempool, &(struct account_id){{1}}, 4);
    assert_candidates(mempool, 1, (const uint8_t[][2]){{2, 0}});
    mempool_free(mempool);
}

static void one_evidence_against_each_key_waits(void **state) {
    (void)state;
    struct mempool *mempool = make(&wide);
    struct account_id accused[2];
    for (uint8_t i = 0; i < 4; i++) {
        struct mempool_tx tx = tx_of(0, 0, i);
        tx.free_of_fee = true;
        tx.sender = accused[i % 2] = mempool_accused(&(struct sign_public){{i % 2}});
        assert_int_equal(mempool_add(mempool, &tx, 0), i < 2 ? MEMPOOL_TAKEN : MEMPOOL_UNDERPRICED);
    }
    struct span out[4];
    assert_int_equal(mempool_candidates(mempool, out, 4, 1 << 20), 2);
    mempool_settle(mempool, &accused[1], 1);
    assert_int_equal(mempool_count(mempool), 1);
    mempool_free(mempool);
}

// Whatever happens: counts are right, bounds hold, candidates of a sender follow each other from its next nonce.
static void invariants_hold_over_random_histories(void **state) {
    (void)state;
    for (uint8_t seed = 1; seed <= 20; seed++) {
        struct rng rng;
        rng_init(&rng, (uint8_t[RNG_SEED_BYTES]){seed});
        struct mempool_limits limits = {.count_max = 40, .bytes_max = 600, .fee_min = 5};
        struct mempool *mempool = mempool_new(&limits, &rng);
        uint64_t next[8] = {0};
        for (size_t n = 0; n < 3000; n++) {
            uint8_t sender = (uint8_t)rng_below(&rng, 8);
            if (rng_below(&rng, 10) == 0) {
                next[sender] += rng_below(&rng, 3);
                mempool_settle(mempool, &(struct account_id){{(uint8_t)(sender + 1)}}, next[sender]);
            } else {
                struct mempool_tx tx =
                    tx_of((uint8_t)(sender + 1), next[sender] + rng_below(&rng, 6), rng_below(&rng, 100));
                mempool_add(mempool, &tx, next[sender]);
            }
            assert_true(mempool_count(mempool) <= limits.count_max && mempool_bytes(mempool) <= limits.bytes_max);
            struct span out[64];
            uint64_t expected[8];
            memcpy(expected, next, sizeof(expected));
            size_t count = mempool_candidates(mempool, out, 64, 1 << 20);
            assert_int_equal(count, mempool_ready(mempool));
            for (size_t i = 0; i < count; i++)
                assert_int_equal(load_u64(out[i].p + 1), expected[out[i].p[0] - 1]++);
            size_t walked = 0;
            struct mempool_walk walk = {NULL};
            for (struct mempool_tx tx; mempool_walk_next(mempool, &walk, &tx); walked++)
                assert_true(mempool_has(mempool, &tx.id));
            assert_int_equal(walked, mempool_count(mempool));
        }
        mempool_free(mempool);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_come_best_fee_first_and_each_sender_in_order),
        cmocka_unit_test(what_stands_behind_a_gap_waits_until_it_is_filled),
        cmocka_unit_test(a_gap_has_a_bound),
        cmocka_unit_test(duplicates_and_used_nonces_are_refused),
        cmocka_unit_test(a_replacement_must_offer_a_tenth_more),
        cmocka_unit_test(a_low_fee_is_refused_but_what_is_free_is_not),
        cmocka_unit_test(one_sender_does_not_fill_it),
        cmocka_unit_test(when_it_is_full_the_lowest_fee_gives_way_to_a_higher_one),
        cmocka_unit_test(its_bytes_are_bounded),
        cmocka_unit_test(a_proposal_stays_within_its_bytes_and_its_count),
        cmocka_unit_test(a_block_settles_what_it_has_used_and_leaves_the_rest),
        cmocka_unit_test(one_evidence_against_each_key_waits),
        cmocka_unit_test(invariants_hold_over_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
