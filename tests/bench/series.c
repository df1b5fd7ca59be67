// Numbers: what many slices say together.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "bench.h"

// A middle half wider than this on both sides of a target proves nothing; one of the second width never proves a miss.
#define SPREAD_NOISY 0.05
#define SPREAD_WILD 0.25

void series_add(struct series *series, double value) {
    ASSERT(series->count < SERIES_MAX);
    series->values[series->count++] = value;
}

void series_ratio(struct series *out, const struct series *a, const struct series *b, double times) {
    out->count = 0;
    for (size_t i = 0; i < a->count && i < b->count; i++)
        series_add(out, a->values[i] / (times * b->values[i]));
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// Between two neighbours, linearly.
static double at_percent(const double *sorted, size_t n, double percent) {
    double at = percent / 100 * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

double series_percentile(const struct series *series, double percent) {
    ASSERT(series->count > 0);
    struct series sorted = *series;
    qsort(sorted.values, sorted.count, sizeof sorted.values[0], compare);
    return at_percent(sorted.values, sorted.count, percent);
}

struct figure series_figure(const struct series *series, bool rising_is_better) {
    ASSERT(series->count > 0);
    struct series sorted = *series;
    qsort(sorted.values, sorted.count, sizeof sorted.values[0], compare);
    struct figure figure = {
        .median = at_percent(sorted.values, sorted.count, 50),
        .best = sorted.values[rising_is_better ? sorted.count - 1 : 0],
        .low = at_percent(sorted.values, sorted.count, 25),
        .high = at_percent(sorted.values, sorted.count, 75),
    };
    figure.spread = figure.median != 0 ? (figure.high - figure.low) / figure.median : 0;
    return figure;
}

enum verdict figure_judge(const struct figure *figure, double limit, bool rising_is_better) {
    if (limit == 0)
        return VERDICT_NONE;
    bool straddles = figure->low <= limit && limit <= figure->high;
    if (straddles && figure->spread > SPREAD_NOISY)
        return VERDICT_NOISY;
    bool reached = rising_is_better ? figure->median >= limit : figure->median <= limit;
    if (!reached && figure->spread > SPREAD_WILD)
        return VERDICT_NOISY;
    return reached ? VERDICT_REACHED : VERDICT_MISSED;
}

enum verdict verdict_join(enum verdict a, enum verdict b) {
    if (a == VERDICT_MISSED || b == VERDICT_MISSED)
        return VERDICT_MISSED;
    if (a == VERDICT_NOISY || b == VERDICT_NOISY)
        return VERDICT_NOISY;
    return a != VERDICT_NONE ? a : b;
}
