// Validator sets: one encoding, quorums to the unit, and fair turns.
#include "ledger/validators.h"

#include <stdio.h>

#include "wire/codec.h"

// `count` validators with random keys and powers of 1 to `power_max`.
static void set_draw(struct validator_set *set, size_t count, uint64_t power_max, struct rng *rng) {
    *set = (struct validator_set){0};
    while (set->count < count) {
        struct validator v = {.power = 1 + rng_below(rng, power_max)};
        rng_bytes(rng, v.key.bytes, sizeof v.key.bytes);
        rng_bytes(rng, v.operator.bytes, sizeof v.operator.bytes);
        assert_int_equal(validator_set_change(set, &v), OK);
    }
}

static void a_set_comes_back_as_it_was(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct validator_set set;
        struct validator_set back;
        uint8_t bytes[VALIDATOR_SET_BYTES_MAX];
        uint8_t again[VALIDATOR_SET_BYTES_MAX];
        set_draw(&set, 1 + (size_t)rng_below(&rng, VALIDATORS_MAX), UINT64_C(1) << 50, &rng);
        size_t n = validator_set_encode(bytes, &set);
        assert_int_equal(validator_set_decode(&back, span_of(bytes, n)), OK);
        assert_int_equal(back.total, set.total);
        assert_int_equal(validator_set_encode(again, &back), n);
        assert_memory_equal(again, bytes, n);
    }
}

static bool takes_set(void *ctx, struct span bytes) {
    struct validator_set set;
    (void)ctx;
    return validator_set_decode(&set, bytes) == OK;
}

static void only_a_whole_set_in_order_is_taken(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    struct validator_set set;
    uint8_t bytes[VALIDATOR_SET_BYTES_MAX];
    set_draw(&set, 3, 10, &rng);
    struct span encoded = span_of(bytes, validator_set_encode(bytes, &set));
    takes_exactly(&(struct parser){takes_set, NULL}, encoded);
    uint8_t first[VALIDATOR_BYTES];
    memcpy(first, bytes + 2, sizeof first);
    memcpy(bytes + 2, bytes + 2 + VALIDATOR_BYTES, sizeof first); // the second one twice
    assert_false(takes_set(NULL, encoded));
    memcpy(bytes + 2 + VALIDATOR_BYTES, first, sizeof first); // in the wrong order
    assert_false(takes_set(NULL, encoded));
}

static void no_power_and_too_much_of_it_are_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(2);
    struct validator_set set;
    uint8_t bytes[VALIDATOR_SET_BYTES_MAX];
    set_draw(&set, 2, 10, &rng);
    struct span encoded = span_of(bytes, validator_set_encode(bytes, &set));
    uint8_t *powers[] = {bytes + 2 + 64, bytes + 2 + VALIDATOR_BYTES + 64};
    store_u64(powers[0], 0);
    assert_false(takes_set(NULL, encoded));
    store_u64(powers[0], VALIDATOR_POWER_MAX - 1);
    store_u64(powers[1], 1);
    assert_true(takes_set(NULL, encoded));
    store_u64(powers[1], 2);
    assert_false(takes_set(NULL, encoded));
    store_u64(powers[1], UINT64_MAX);
    assert_false(takes_set(NULL, encoded));
}

static void a_set_is_changed_by_one_validator_at_a_time(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(3);
    struct validator_set set;
    set_draw(&set, VALIDATORS_MAX, 10, &rng);
    uint64_t total = set.total;
    struct validator v = {.power = 5};
    assert_int_equal(validator_set_change(&set, &v), ERR_FULL);
    v = set.validators[7];
    uint64_t before = v.power;
    v.power = 100;
    assert_int_equal(validator_set_change(&set, &v), OK);
    assert_int_equal(set.total, total - before + 100);
    v.power = VALIDATOR_POWER_MAX;
    assert_int_equal(validator_set_change(&set, &v), ERR_INVALID);
    v.power = 0;
    assert_int_equal(validator_set_change(&set, &v), OK);
    assert_int_equal(set.count, VALIDATORS_MAX - 1);
    assert_int_equal(set.total, total - before);
    assert_int_equal(validator_set_find(&set, &v.key), -1);
    assert_int_equal(validator_set_change(&set, &v), OK); // it was not there, either
    while (set.count > 1) {
        v = set.validators[rng_below(&rng, set.count)];
        v.power = 0;
        assert_int_equal(validator_set_change(&set, &v), OK);
    }
    v = set.validators[0];
    v.power = 0;
    assert_int_equal(validator_set_change(&set, &v), ERR_INVALID);
    assert_int_equal(set.count, 1);
}

static void a_quorum_is_more_than_two_thirds_and_a_skip_more_than_one(void **state) {
    (void)state;
    assert_false(power_is_quorum(2, 3));
    assert_true(power_is_quorum(3, 3));
    assert_false(power_is_quorum(2, 4));
    assert_true(power_is_quorum(3, 4));
    assert_false(power_is_quorum(66, 99));
    assert_true(power_is_quorum(67, 99));
    assert_false(power_is_skip(1, 3));
    assert_true(power_is_skip(2, 3));
    assert_false(power_is_skip(33, 99));
    assert_true(power_is_skip(34, 99));
    assert_true(power_is_quorum(VALIDATOR_POWER_MAX, VALIDATOR_POWER_MAX));
    assert_false(power_is_quorum(VALIDATOR_POWER_MAX / 3 * 2, VALIDATOR_POWER_MAX));
    assert_false(power_is_skip(VALIDATOR_POWER_MAX / 3, VALIDATOR_POWER_MAX));
}

static void equal_powers_take_turns_in_order(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(4);
    const uint64_t powers[] = {1, 7, UINT64_C(1) << 52};
    for (size_t p = 0; p < 3; p++) {
        struct validator_set set;
        set_draw(&set, 7, 1, &rng);
        for (size_t i = 0; i < set.count; i++) {
            struct validator v = set.validators[i];
            v.power = powers[p];
            assert_int_equal(validator_set_change(&set, &v), OK);
        }
        for (uint64_t height = 1; height < 1000; height++) {
            for (uint32_t round = 0; round < 8; round++)
                assert_int_equal(validators_proposer(&set, height, round), (height + round) % 7);
        }
    }
}

static void turns_are_in_proportion_to_power(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct validator_set set;
        set_draw(&set, 1 + (size_t)rng_below(&rng, 12), 1000, &rng);
        uint64_t turns[12] = {0};
        const uint64_t heights = set.count * 1000;
        for (uint64_t height = 0; height < heights; height++)
            turns[validators_proposer(&set, height, 0)]++;
        for (size_t i = 0; i < set.count; i++) {
            uint64_t share = heights * set.validators[i].power / set.total;
            if (turns[i] > share + 30 || turns[i] + 30 < share)
                fail_msg("seed %u: %u turns for a share of %u", (unsigned)seed, (unsigned)turns[i], (unsigned)share);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_comes_back_as_it_was),
        cmocka_unit_test(only_a_whole_set_in_order_is_taken),
        cmocka_unit_test(no_power_and_too_much_of_it_are_refused),
        cmocka_unit_test(a_set_is_changed_by_one_validator_at_a_time),
        cmocka_unit_test(a_quorum_is_more_than_two_thirds_and_a_skip_more_than_one),
        cmocka_unit_test(equal_powers_take_turns_in_order),
        cmocka_unit_test(turns_are_in_proportion_to_power),
    };
    return cmocka_run_group_tests_name("validators", tests, codec_setup, NULL);
}
