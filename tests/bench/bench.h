// The benchmark: what is measured, how it is compared, what is told.
//
// Machines are shared and noisy, so nothing is measured alone. A subject and the baselines it is compared with take
// turns in short slices; a figure is the median of many slices, and a ratio the median of the ratios of neighbouring
// slices. Where the middle half of the slices lies on both sides of a target and is wide, the verdict is "too noisy";
// and where what waits for other processes misses its target on a machine that others keep busy.
#ifndef SOTTO_TESTS_BENCH_BENCH_H
#define SOTTO_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define ROWS_MAX 128
#define SERIES_MAX 1024 // slices of one subject

enum unit { UNIT_NS, UNIT_MS, UNIT_PER_S, UNIT_MB };

// One value per slice.
struct series {
    size_t count;
    double values[SERIES_MAX];
};

// What a series says.
struct figure {
    double median;
    double best;   // the least; of a rate, the greatest
    double low;    // a quarter of the slices is below it
    double high;   // a quarter is above it
    double spread; // (high - low) / median
};

enum verdict { VERDICT_NONE, VERDICT_REACHED, VERDICT_MISSED, VERDICT_NOISY };

// A line of the table. Texts are static. Limits are 0 where there is none.
struct row {
    const char *group;
    const char *name;
    enum unit unit;
    double limit; // the median is to be at most this; at least, if the unit is a rate
    const char *baseline;
    double ratio_limit; // the ratio to the baseline is to be at most this
    bool waits;         // measured in wall time: whatever else runs counts, see bench_watch
    bool has_figure;
    bool has_ratio;
    struct figure figure;
    struct figure ratio;
    enum verdict verdict;
    const char *skipped; // why there is no figure
};

struct bench {
    unsigned rounds;   // slices of each subject
    const char *dir;   // existing folder for files of the measured stores
    const char *sotto; // the program `sotto` of this build
    bool json;         // one document at the end, instead of rows as they come
    unsigned watched;  // of this group: samples, and the sum of what others used of the machine in them
    double others_busy;
    size_t row_count;
    struct row rows[ROWS_MAX];
};

void series_add(struct series *series, double value);
// a[i] / (times * b[i]) for each slice that both have.
void series_ratio(struct series *out, const struct series *a, const struct series *b, double times);
struct figure series_figure(const struct series *series, bool rising_is_better);
double series_percentile(const struct series *series, double percent); // 50: the median
// limit 0: there is none.
enum verdict figure_judge(const struct figure *figure, double limit, bool rising_is_better);
enum verdict verdict_join(enum verdict a, enum verdict b); // missed if one is, noisy if one is and none is missed

// Adds a line, judged. `ratios` may be NULL. The row of `wanted` gives names and limits.
void bench_report(struct bench *bench, const struct row *wanted, const struct series *values,
                  const struct series *ratios);
void bench_skip(struct bench *bench, const struct row *wanted, const char *why);
// Does nothing for 50 ms and notes what part of the machine others use. To be called now and then, while nothing that
// is measured runs, by groups with rows that wait.
void bench_watch(struct bench *bench);
void bench_print_head(const struct bench *bench);
void bench_print_json(const struct bench *bench);

// Something that can be done again and again.
struct subject {
    const char *name;
    void (*run)(void *ctx, uint64_t count);
    void *ctx;
    double limit_ns;      // 0: none
    const char *baseline; // the name of another subject of the same call, or NULL
    double times;         // how many of it the subject is compared with
    double ratio_limit;   // 0: none
};

#define SUBJECTS_MAX 32

// Measures the subjects against one another, in CPU time of this thread, and reports a row for each.
void bench_subjects(struct bench *bench, const char *group, const struct subject *subjects, size_t count);

uint64_t clock_wall_ns(void);
uint64_t clock_thread_ns(void); // CPU time of this thread
noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The groups.
void bench_crypto(struct bench *bench);
void bench_packet(struct bench *bench);
void bench_store(struct bench *bench);
void bench_durable(struct bench *bench);
void bench_mailbox(struct bench *bench);
void bench_relay(struct bench *bench);
void bench_network(struct bench *bench);
void bench_ledger(struct bench *bench);
void bench_light(struct bench *bench);      // of the group ledger
void bench_deliveries(struct bench *bench); // likewise
void bench_validators(struct bench *bench); // the processes of group `ledger`

#endif
