// The seeded generator: its exact output, its distributions, what it leaves in memory.
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"

static struct rng rng_of(uint8_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {seed};
    struct rng rng;
    rng_init(&rng, bytes);
    return rng;
}

// Computed from RFC 8439's block function in Python: the seed's keystream from byte 32 on, 512 bytes of it, then that
// of the key which the first 32 bytes are.
static void the_output_is_the_chacha20_keystream_with_fast_key_erasure(void **state) {
    (void)state;
    struct rng rng = rng_of(0);
    uint8_t out[540], expected[32];
    rng_bytes(&rng, out, sizeof out);
    assert_int_equal(hex_decode(expected, 32, "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"), OK);
    assert_memory_equal(out, expected, 32);
    assert_int_equal(hex_decode(expected, 32, "8057edb8afbdad2845b93cdbb2fe6463d2fe162adae0f6e676f0494218f5ce05"), OK);
    assert_memory_equal(out + 508, expected, 32);
}

static void the_same_seed_gives_the_same_bytes_however_they_are_drawn(void **state) {
    (void)state;
    struct rng whole = rng_of(3), parts = rng_of(3), other = rng_of(4);
    uint8_t a[3000], b[3000];
    rng_bytes(&whole, a, sizeof a);
    for (size_t at = 0, n = 1; at < sizeof b; at += n) {
        n = (n * 7) % 601;
        n = n < sizeof b - at ? n : sizeof b - at;
        rng_bytes(&parts, b + at, n);
    }
    assert_memory_equal(a, b, sizeof a);
    rng_bytes(&other, b, sizeof b);
    assert_memory_not_equal(a, b, 32);
}

static void what_was_handed_out_is_not_kept(void **state) {
    (void)state;
    struct rng rng = rng_of(5);
    uint8_t out[40];
    rng_bytes(&rng, out, sizeof out);
    const uint8_t *memory = (const uint8_t *)&rng;
    for (size_t i = 0; i + 8 <= sizeof rng; i++) {
        for (size_t j = 0; j + 8 <= sizeof out; j++)
            assert_true(memcmp(memory + i, out + j, 8) != 0);
    }
    rng_wipe(&rng);
    for (size_t i = 0; i < sizeof rng; i++)
        assert_int_equal(memory[i], 0);
}

static void numbers_below_a_bound_are_even(void **state) {
    (void)state;
    struct rng rng = rng_of(6);
    enum { BOUND = 10, DRAWS = 100000 };
    int counts[BOUND] = {0};
    for (int i = 0; i < DRAWS; i++)
        counts[rng_below(&rng, BOUND)]++;
    for (int i = 0; i < BOUND; i++)
        assert_in_range(counts[i], DRAWS / BOUND * 95 / 100, DRAWS / BOUND * 105 / 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&rng, 1), 0);
    // Two thirds of 2^64: a plain remainder would be below a third of the bound half of the time.
    const uint64_t bound = UINT64_MAX / 3 * 2;
    int low = 0;
    for (int i = 0; i < DRAWS; i++)
        low += rng_below(&rng, bound) < bound / 2;
    assert_in_range(low, DRAWS * 49 / 100, DRAWS * 51 / 100);
}

// The exponential distribution: its mean, and the part of it below 1, 2 and 3 means (1 - e^-x).
static void exponential_delays_have_their_mean_and_shape(void **state) {
    (void)state;
    enum { DRAWS = 200000 };
    const uint64_t means_ms[] = {1000, 50000, UINT32_MAX};
    const int below_per_mille[] = {632, 865, 950};
    for (size_t m = 0; m < 3; m++) {
        struct rng rng = rng_of((uint8_t)(7 + m));
        uint64_t sum_ms = 0;
        int below[3] = {0};
        for (int i = 0; i < DRAWS; i++) {
            uint64_t delay_ms = rng_exponential_ms(&rng, means_ms[m]);
            assert_true(delay_ms <= 16 * means_ms[m]);
            sum_ms += delay_ms;
            for (uint64_t k = 0; k < 3; k++)
                below[k] += delay_ms < (k + 1) * means_ms[m];
        }
        uint64_t mean_ms = sum_ms / DRAWS;
        assert_in_range(mean_ms, means_ms[m] / 100 * 99, means_ms[m] / 100 * 101);
        for (int k = 0; k < 3; k++)
            assert_in_range(below[k], DRAWS / 1000 * (below_per_mille[k] - 4), DRAWS / 1000 * (below_per_mille[k] + 4));
    }
}

static void a_mean_of_nothing_is_no_delay(void **state) {
    (void)state;
    struct rng rng = rng_of(8);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_exponential_ms(&rng, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_output_is_the_chacha20_keystream_with_fast_key_erasure),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_however_they_are_drawn),
        cmocka_unit_test(what_was_handed_out_is_not_kept),
        cmocka_unit_test(numbers_below_a_bound_are_even),
        cmocka_unit_test(exponential_delays_have_their_mean_and_shape),
        cmocka_unit_test(a_mean_of_nothing_is_no_delay),
    };
    return cmocka_run_group_tests_name("base/rng", tests, NULL, NULL);
}
