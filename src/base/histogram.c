// Log-linear buckets. Values below 2,048 have a bucket each (band 0); band b > 0 covers [2^(10+b), 2^(11+b)) in 1,024
// buckets of 2^b values each, so that a bucket is never wider than 1/1,024 of the values in it:
//
//     band    0            1                2                      21
//     values  0 .. 2047 |  2048 .. 4095  |  4096 .. 8191  |  ...   2^31 .. 2^32-1
//     width   1            2                4                      2^21
//
// Durations of one kind lie close together, so a band's counters are allocated when the first value falls into it.
#include "base/histogram.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"

#define BANDS 22
#define HALF_BUCKETS 1024u // buckets of every band but the first, which has twice as many
#define VALUE_US_MAX UINT64_C(3600000000)

_Static_assert(VALUE_US_MAX < UINT64_C(1) << (10 + BANDS), "the last band holds one hour");

struct histogram {
    uint64_t count;
    uint64_t sum_us;
    uint64_t min_us;
    uint64_t max_us;
    uint64_t *bands[BANDS];
};

struct place {
    unsigned band;
    unsigned bucket;
};

static unsigned band_buckets(unsigned band) {
    return band == 0 ? 2 * HALF_BUCKETS : HALF_BUCKETS;
}

static struct place place_of(uint64_t value_us) {
    if (value_us > VALUE_US_MAX)
        value_us = VALUE_US_MAX;
    unsigned band = 0;
    while (value_us >> (11 + band) != 0)
        band++;
    if (band == 0)
        return (struct place){0, (unsigned)value_us};
    return (struct place){band, (unsigned)(value_us >> band) - HALF_BUCKETS};
}

// The largest value that falls into the bucket.
static uint64_t bucket_end_us(struct place place) {
    uint64_t first = place.band == 0 ? 0 : HALF_BUCKETS;
    return ((first + place.bucket + 1) << place.band) - 1;
}

struct histogram *histogram_new(void) {
    struct histogram *histogram = NEW(struct histogram);
    histogram->min_us = UINT64_MAX;
    return histogram;
}

void histogram_free(struct histogram *histogram) {
    if (histogram == NULL)
        return;
    for (unsigned band = 0; band < BANDS; band++)
        free(histogram->bands[band]);
    free(histogram);
}

static uint64_t *band_of(struct histogram *histogram, unsigned band) {
    ASSERT(band < BANDS);
    if (histogram->bands[band] == NULL)
        histogram->bands[band] = NEW_ARRAY(uint64_t, band_buckets(band));
    return histogram->bands[band];
}

void histogram_record(struct histogram *histogram, uint64_t value_us) {
    struct place place = place_of(value_us);
    band_of(histogram, place.band)[place.bucket]++;
    histogram->count++;
    histogram->sum_us += value_us;
    if (value_us < histogram->min_us)
        histogram->min_us = value_us;
    if (value_us > histogram->max_us)
        histogram->max_us = value_us;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    if (from == NULL)
        return;
    for (unsigned band = 0; band < BANDS; band++) {
        if (from->bands[band] == NULL)
            continue;
        uint64_t *counts = band_of(into, band);
        for (unsigned i = 0; i < band_buckets(band); i++)
            counts[i] += from->bands[band][i];
    }
    into->count += from->count;
    into->sum_us += from->sum_us;
    if (from->min_us < into->min_us)
        into->min_us = from->min_us;
    if (from->max_us > into->max_us)
        into->max_us = from->max_us;
}

uint64_t histogram_count(const struct histogram *histogram) {
    return histogram != NULL ? histogram->count : 0;
}

uint64_t histogram_sum_us(const struct histogram *histogram) {
    return histogram != NULL ? histogram->sum_us : 0;
}

uint64_t histogram_max_us(const struct histogram *histogram) {
    return histogram != NULL ? histogram->max_us : 0;
}

uint64_t histogram_min_us(const struct histogram *histogram) {
    return histogram_count(histogram) > 0 ? histogram->min_us : 0;
}

// The bucket in which the sample of this rank (1 is the smallest) lies.
static struct place place_of_rank(const struct histogram *histogram, uint64_t rank) {
    uint64_t seen = 0;
    for (unsigned band = 0; band < BANDS; band++) {
        const uint64_t *counts = histogram->bands[band];
        for (unsigned i = 0; counts != NULL && i < band_buckets(band); i++) {
            seen += counts[i];
            if (seen >= rank)
                return (struct place){band, i};
        }
    }
    ASSERT(rank <= seen);
    return (struct place){0, 0};
}

uint64_t histogram_quantile_us(const struct histogram *histogram, uint32_t per_million) {
    ASSERT(per_million <= 1000000);
    if (histogram_count(histogram) == 0)
        return 0;
    // ceil(count * per_million / 1,000,000) without overflow, at least 1.
    uint64_t millions = histogram->count / 1000000;
    uint64_t rest = histogram->count % 1000000;
    uint64_t rank = millions * per_million + (rest * per_million + 999999) / 1000000;
    struct place place = place_of_rank(histogram, rank > 0 ? rank : 1);
    uint64_t end_us = bucket_end_us(place);
    struct place last = place_of(histogram->max_us);
    bool in_last = place.band == last.band && place.bucket == last.bucket;
    return in_last || end_us > histogram->max_us ? histogram->max_us : end_us;
}

uint64_t histogram_count_below(const struct histogram *histogram, uint64_t bound_us) {
    if (histogram_count(histogram) == 0 || bound_us >= histogram_max_us(histogram))
        return histogram_count(histogram);
    struct place last = place_of(bound_us);
    uint64_t count = 0;
    for (unsigned band = 0; band <= last.band; band++) {
        const uint64_t *counts = histogram->bands[band];
        unsigned end = band < last.band ? band_buckets(band) : last.bucket + 1;
        for (unsigned i = 0; counts != NULL && i < end; i++)
            count += counts[i];
    }
    return count;
}
