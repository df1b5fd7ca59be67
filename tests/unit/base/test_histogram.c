// Histograms and metrics: the error bound against exact quantiles, merging, lazy memory.
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/metric.h"
#include "base/rng.h"

enum { SAMPLES = 20000 };

static struct rng rng_of(uint8_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {seed};
    struct rng rng;
    rng_init(&rng, bytes);
    return rng;
}

static int order(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Durations of any magnitude up to an hour: a random number of random bits.
static uint64_t any_duration_us(struct rng *rng) {
    uint64_t v = rng_u64(rng) >> (32 + rng_below(rng, 32));
    return v < UINT64_C(3600000000) ? v : UINT64_C(3600000000);
}

static void quantiles_are_within_a_thousandth_of_the_exact_ones(void **state) {
    (void)state;
    static uint64_t exact[SAMPLES];
    for (uint8_t seed = 0; seed < 5; seed++) {
        struct rng rng = rng_of(seed);
        struct histogram *histogram = histogram_new();
        for (size_t i = 0; i < SAMPLES; i++) {
            exact[i] = seed % 2 == 0 ? any_duration_us(&rng) : rng_exponential_ms(&rng, 80000);
            histogram_record(histogram, exact[i]);
        }
        qsort(exact, SAMPLES, sizeof exact[0], order);
        for (uint32_t per_million = 0; per_million <= 1000000; per_million += 1250) {
            size_t rank = (size_t)((UINT64_C(1) * SAMPLES * per_million + 999999) / 1000000);
            uint64_t want = exact[rank > 0 ? rank - 1 : 0];
            uint64_t got = histogram_quantile_us(histogram, per_million);
            assert_true(got >= want);
            assert_true(got - want <= want / 1024 + 1);
        }
        assert_true(histogram_quantile_us(histogram, 1000000) == exact[SAMPLES - 1]);
        assert_true(histogram_min_us(histogram) == exact[0]);
        assert_true(histogram_max_us(histogram) == exact[SAMPLES - 1]);
        histogram_free(histogram);
    }
}

static void small_values_are_exact(void **state) {
    (void)state;
    struct histogram *histogram = histogram_new();
    for (uint64_t v = 0; v < 2048; v++)
        histogram_record(histogram, v);
    for (uint64_t v = 0; v < 2048; v++)
        assert_int_equal(histogram_count_below(histogram, v), v + 1);
    assert_int_equal(histogram_quantile_us(histogram, 500000), 1023);
    assert_int_equal(histogram_sum_us(histogram), 2047 * 1024);
    histogram_free(histogram);
}

static void counts_below_a_bound_never_fall_and_end_at_all(void **state) {
    (void)state;
    static uint64_t exact[SAMPLES];
    struct rng rng = rng_of(9);
    struct histogram *histogram = histogram_new();
    for (size_t i = 0; i < SAMPLES; i++)
        histogram_record(histogram, exact[i] = any_duration_us(&rng));
    qsort(exact, SAMPLES, sizeof exact[0], order);
    uint64_t last = 0;
    size_t below = 0, below_rounded = 0;
    for (uint64_t bound = 1; bound < UINT64_C(1) << 33; bound += 1 + bound / 7) {
        uint64_t count = histogram_count_below(histogram, bound);
        while (below < SAMPLES && exact[below] <= bound)
            below++;
        while (below_rounded < SAMPLES && exact[below_rounded] <= bound + bound / 1024 + 1)
            below_rounded++;
        assert_true(count >= last && count >= below && count <= below_rounded);
        last = count;
    }
    assert_int_equal(last, SAMPLES);
    histogram_free(histogram);
}

static void merging_is_exact(void **state) {
    (void)state;
    struct rng rng = rng_of(10);
    struct histogram *one = histogram_new(), *two = histogram_new(), *both = histogram_new();
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t v = any_duration_us(&rng);
        histogram_record(i % 3 == 0 ? one : two, v);
        histogram_record(both, v);
    }
    histogram_merge(one, two);
    histogram_merge(one, NULL);
    assert_int_equal(histogram_count(one), SAMPLES);
    assert_true(histogram_sum_us(one) == histogram_sum_us(both));
    assert_true(histogram_min_us(one) == histogram_min_us(both));
    for (uint32_t per_million = 0; per_million <= 1000000; per_million += 10000)
        assert_true(histogram_quantile_us(one, per_million) == histogram_quantile_us(both, per_million));
    histogram_free(one);
    histogram_free(two);
    histogram_free(both);
}

static void values_beyond_an_hour_count_as_one_hour(void **state) {
    (void)state;
    struct histogram *histogram = histogram_new();
    histogram_record(histogram, 1);
    histogram_record(histogram, UINT64_C(1) << 40);
    assert_int_equal(histogram_count(histogram), 2);
    assert_true(histogram_max_us(histogram) == UINT64_C(1) << 40);
    assert_true(histogram_quantile_us(histogram, 1000000) == UINT64_C(1) << 40);
    assert_int_equal(histogram_quantile_us(histogram, 500000), 1);
    assert_int_equal(histogram_count_below(histogram, UINT64_C(1) << 31), 1);
    histogram_free(histogram);
}

static void an_empty_histogram_tells_zeros(void **state) {
    (void)state;
    struct histogram *empty = histogram_new();
    const struct histogram *both[] = {empty, NULL};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(histogram_count(both[i]), 0);
        assert_int_equal(histogram_sum_us(both[i]), 0);
        assert_int_equal(histogram_min_us(both[i]), 0);
        assert_int_equal(histogram_max_us(both[i]), 0);
        assert_int_equal(histogram_quantile_us(both[i], 990000), 0);
        assert_int_equal(histogram_count_below(both[i], UINT64_MAX), 0);
    }
    histogram_free(empty);
    histogram_free(NULL);
}

static void metrics_count_and_rows_of_one_name_agree(void **state) {
    (void)state;
    struct metrics *metrics = metrics_new();
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct metric_info *info = &metric_infos[i];
        assert_true(info->name[0] != '\0' && info->help[0] != '\0');
        switch (info->type) {
        case METRIC_COUNTER:
            metric_add(metrics, (enum metric)i, i);
            metric_add(metrics, (enum metric)i, 1);
            assert_int_equal(metric_value(metrics, (enum metric)i), i + 1);
            break;
        case METRIC_GAUGE:
            metric_set(metrics, (enum metric)i, 9);
            metric_set(metrics, (enum metric)i, -(int)i);
            assert_int_equal(metric_value(metrics, (enum metric)i), -(int)i);
            break;
        case METRIC_HISTOGRAM:
            assert_null(metric_histogram(metrics, (enum metric)i));
            metric_record_us(metrics, (enum metric)i, i);
            assert_int_equal(histogram_count(metric_histogram(metrics, (enum metric)i)), 1);
            break;
        }
    }
    metrics_free(metrics);
    metrics_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_a_thousandth_of_the_exact_ones),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(counts_below_a_bound_never_fall_and_end_at_all),
        cmocka_unit_test(merging_is_exact),
        cmocka_unit_test(values_beyond_an_hour_count_as_one_hour),
        cmocka_unit_test(an_empty_histogram_tells_zeros),
        cmocka_unit_test(metrics_count_and_rows_of_one_name_agree),
    };
    return cmocka_run_group_tests_name("base/histogram", tests, NULL, NULL);
}
