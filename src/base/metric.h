// Metrics: one table of all of them, one array of values a node. No label ever holds a peer, a user or a mailbox.
// Rendered as Prometheus text by api/.
#ifndef SOTTO_BASE_METRIC_H
#define SOTTO_BASE_METRIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

// X(symbol, type, name without "sotto_", labels as rendered or "", help).
// Rows of one name stand together, with the same type and help.
// Histograms are recorded in microseconds and rendered in seconds.
#include "base/metric_list.h"

enum metric {
#define METRIC_ENUM(symbol, type, name, labels, help) symbol,
    METRIC_LIST(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
};

struct metric_info {
    enum metric_type type;
    const char *name;
    const char *labels;
    const char *help;
};

extern const struct metric_info metric_infos[METRIC_COUNT];

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
void metric_add(struct metrics *metrics, enum metric metric, uint64_t n);              // counters
void metric_set(struct metrics *metrics, enum metric metric, int64_t value);           // gauges
void metric_record_us(struct metrics *metrics, enum metric metric, uint64_t value_us); // histograms
int64_t metric_value(const struct metrics *metrics, enum metric metric);               // counters and gauges
// NULL while nothing has been recorded, which histogram's readers take as empty.
const struct histogram *metric_histogram(const struct metrics *metrics, enum metric metric);

#endif
