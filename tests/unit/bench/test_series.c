// What the benchmark makes of its slices.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench.h"

static struct series series_of(const double *values, size_t count) {
    struct series series = {0};
    for (size_t i = 0; i < count; i++)
        series_add(&series, values[i]);
    return series;
}

static void a_figure_is_the_median_and_the_middle_half(void **state) {
    (void)state;
    const double values[] = {5, 1, 4, 2, 3};
    struct series series = series_of(values, 5);
    struct figure figure = series_figure(&series, false);
    assert_true(figure.median == 3 && figure.low == 2 && figure.high == 4 && figure.best == 1);
    assert_true(figure.spread > 0.66 && figure.spread < 0.67);
    assert_true(series_figure(&series, true).best == 5);
}

static void a_percentile_lies_between_its_neighbours(void **state) {
    (void)state;
    const double values[] = {10, 20};
    struct series series = series_of(values, 2);
    assert_true(series_percentile(&series, 50) == 15);
    assert_true(series_percentile(&series, 0) == 10);
    assert_true(series_percentile(&series, 100) == 20);
}

static void one_value_is_every_percentile(void **state) {
    (void)state;
    const double value = 7;
    struct series series = series_of(&value, 1);
    assert_true(series_percentile(&series, 1) == 7 && series_percentile(&series, 99) == 7);
}

static void a_ratio_is_of_neighbouring_slices(void **state) {
    (void)state;
    const double slow[] = {4, 40}, fast[] = {1, 10, 100};
    struct series a = series_of(slow, 2), b = series_of(fast, 3), ratios;
    series_ratio(&ratios, &a, &b, 2);
    assert_int_equal(ratios.count, 2);
    assert_true(ratios.values[0] == 2 && ratios.values[1] == 2);
}

static enum verdict judge(double low, double median, double high, double limit, bool rising_is_better) {
    const struct figure figure = {.low = low, .median = median, .high = high, .spread = (high - low) / median};
    return figure_judge(&figure, limit, rising_is_better);
}

static void the_median_decides_when_the_slices_agree(void **state) {
    (void)state;
    assert_int_equal(judge(98, 100, 102, 101, false), VERDICT_REACHED);
    assert_int_equal(judge(98, 100, 102, 99, false), VERDICT_MISSED);
    assert_int_equal(judge(98, 100, 102, 101, true), VERDICT_MISSED);
    assert_int_equal(judge(98, 100, 102, 0, false), VERDICT_NONE);
}

static void slices_on_both_sides_of_a_target_decide_nothing(void **state) {
    (void)state;
    assert_int_equal(judge(90, 100, 110, 105, false), VERDICT_NOISY);
    assert_int_equal(judge(90, 100, 110, 111, false), VERDICT_REACHED);
}

static void a_wild_spread_proves_no_miss(void **state) {
    (void)state;
    assert_int_equal(judge(80, 100, 120, 50, false), VERDICT_NOISY);
    assert_int_equal(judge(80, 100, 120, 150, false), VERDICT_REACHED);
}

static void one_miss_is_a_miss(void **state) {
    (void)state;
    assert_int_equal(verdict_join(VERDICT_REACHED, VERDICT_MISSED), VERDICT_MISSED);
    assert_int_equal(verdict_join(VERDICT_NOISY, VERDICT_REACHED), VERDICT_NOISY);
    assert_int_equal(verdict_join(VERDICT_NONE, VERDICT_REACHED), VERDICT_REACHED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_figure_is_the_median_and_the_middle_half),
        cmocka_unit_test(a_percentile_lies_between_its_neighbours),
        cmocka_unit_test(one_value_is_every_percentile),
        cmocka_unit_test(a_ratio_is_of_neighbouring_slices),
        cmocka_unit_test(the_median_decides_when_the_slices_agree),
        cmocka_unit_test(slices_on_both_sides_of_a_target_decide_nothing),
        cmocka_unit_test(a_wild_spread_proves_no_miss),
        cmocka_unit_test(one_miss_is_a_miss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
