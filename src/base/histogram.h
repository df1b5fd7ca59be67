// A histogram of durations in microseconds, in the manner of HdrHistogram: the relative error of what it tells is at
// most 1/1,024 (three significant digits) from 1 us to one hour. Longer values count as one hour; sum and maximum
// keep their true length. Merging two is exact; percentiles are never averaged.
//
// An empty one is small; counters (8 KiB for each power of two between 2 ms and an hour, 16 KiB for all below) are
// allocated where values fall. Readers take NULL as an empty histogram.
#ifndef SOTTO_BASE_HISTOGRAM_H
#define SOTTO_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

struct histogram;

struct histogram *histogram_new(void);
void histogram_free(struct histogram *histogram);
void histogram_record(struct histogram *histogram, uint64_t value_us);
void histogram_merge(struct histogram *into, const struct histogram *from);
uint64_t histogram_count(const struct histogram *histogram);
uint64_t histogram_sum_us(const struct histogram *histogram);
uint64_t histogram_max_us(const struct histogram *histogram); // exact; 0 when empty
uint64_t histogram_min_us(const struct histogram *histogram); // exact; 0 when empty
// The value at or below which `per_million` of all samples lie, rounded up by at most 1/1,024; 0 when empty.
uint64_t histogram_quantile_us(const struct histogram *histogram, uint32_t per_million);
// Samples <= bound_us, the bound rounded up by at most 1/1,024. Never falls as the bound grows.
uint64_t histogram_count_below(const struct histogram *histogram, uint64_t bound_us);

#endif
