// Subjects and baselines in turn, slice by slice.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "bench.h"

// Long against the clock's own cost, short against the machine's changes of mind.
#define SLICE_NS 1500000.0
#define COUNT_MAX (UINT64_C(1) << 24)

static double run_slice(const struct subject *subject, uint64_t count) {
    uint64_t began_ns = clock_thread_ns();
    subject->run(subject->ctx, count);
    return (double)(clock_thread_ns() - began_ns) / (double)count;
}

// How many make a slice. The doubling warms caches, too.
static uint64_t calibrate(const struct subject *subject) {
    uint64_t count = 1;
    double each_ns = run_slice(subject, count);
    while (each_ns * (double)count < SLICE_NS / 4 && count < COUNT_MAX) {
        count *= 2;
        each_ns = run_slice(subject, count);
    }
    double wanted = SLICE_NS / each_ns;
    return wanted < 1 ? 1 : (uint64_t)wanted;
}

static size_t find(const struct subject *subjects, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(subjects[i].name, name) == 0)
            return i;
    }
    bench_die("no baseline is called %s", name);
}

static void report(struct bench *bench, const char *group, const struct subject *subjects, const struct series *series,
                   size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct subject *subject = &subjects[i];
        struct row row = {.group = group,
                          .name = subject->name,
                          .unit = UNIT_NS,
                          .limit = subject->limit_ns,
                          .baseline = subject->baseline,
                          .ratio_limit = subject->ratio_limit};
        if (subject->baseline == NULL) {
            bench_report(bench, &row, &series[i], NULL);
            continue;
        }
        struct series ratios;
        const struct series *baseline = &series[find(subjects, count, subject->baseline)];
        series_ratio(&ratios, &series[i], baseline, subject->times != 0 ? subject->times : 1);
        bench_report(bench, &row, &series[i], &ratios);
    }
}

void bench_subjects(struct bench *bench, const char *group, const struct subject *subjects, size_t count) {
    ASSERT(count <= SUBJECTS_MAX);
    struct series *series = NEW_ARRAY(struct series, count);
    uint64_t counts[SUBJECTS_MAX];
    for (size_t i = 0; i < count; i++)
        counts[i] = calibrate(&subjects[i]);
    for (unsigned round = 0; round < bench->rounds; round++) {
        for (size_t i = 0; i < count; i++)
            series_add(&series[i], run_slice(&subjects[i], counts[i]));
    }
    report(bench, group, subjects, series, count);
    free(series);
}
