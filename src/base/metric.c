// The values behind the table of metrics.
#include "base/metric.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"

const struct metric_info metric_infos[METRIC_COUNT] = {
#define METRIC_INFO(symbol, type, name, labels, help) [symbol] = {type, name, labels, help},
    METRIC_LIST(METRIC_INFO)
#undef METRIC_INFO
};

// Histograms are made when first recorded into: a node uses few of them.
struct metrics {
    union {
        int64_t number;
        struct histogram *histogram;
    } values[METRIC_COUNT];
};

struct metrics *metrics_new(void) {
    return NEW(struct metrics);
}

void metrics_free(struct metrics *metrics) {
    if (metrics == NULL)
        return;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (metric_infos[i].type == METRIC_HISTOGRAM)
            histogram_free(metrics->values[i].histogram);
    }
    free(metrics);
}

void metric_add(struct metrics *metrics, enum metric metric, uint64_t n) {
    ASSERT(metric < METRIC_COUNT && metric_infos[metric].type == METRIC_COUNTER);
    metrics->values[metric].number += (int64_t)n;
}

void metric_set(struct metrics *metrics, enum metric metric, int64_t value) {
    ASSERT(metric < METRIC_COUNT && metric_infos[metric].type == METRIC_GAUGE);
    metrics->values[metric].number = value;
}

void metric_record_us(struct metrics *metrics, enum metric metric, uint64_t value_us) {
    ASSERT(metric < METRIC_COUNT && metric_infos[metric].type == METRIC_HISTOGRAM);
    struct histogram **histogram = &metrics->values[metric].histogram;
    if (*histogram == NULL)
        *histogram = histogram_new();
    histogram_record(*histogram, value_us);
}

int64_t metric_value(const struct metrics *metrics, enum metric metric) {
    ASSERT(metric < METRIC_COUNT && metric_infos[metric].type != METRIC_HISTOGRAM);
    return metrics->values[metric].number;
}

const struct histogram *metric_histogram(const struct metrics *metrics, enum metric metric) {
    ASSERT(metric < METRIC_COUNT && metric_infos[metric].type == METRIC_HISTOGRAM);
    return metrics->values[metric].histogram;
}
