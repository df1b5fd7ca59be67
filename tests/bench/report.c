// Judging rows; the table and the JSON.
#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "bench.h"
#include "machine.h"

// A miss of what waits proves nothing when others use more of the machine than this.
#define OTHERS_BUSY 0.1

static bool is_rate(enum unit unit) {
    return unit == UNIT_PER_S;
}

static bool is_crowded(const struct bench *bench) {
    return bench->watched > 0 && bench->others_busy / bench->watched > OTHERS_BUSY;
}

static const char *verdict_text(enum verdict verdict) {
    switch (verdict) {
    case VERDICT_NONE:
        return "";
    case VERDICT_REACHED:
        return "reached";
    case VERDICT_MISSED:
        return "missed";
    case VERDICT_NOISY:
        return "too noisy";
    }
    return "";
}

static const char *unit_text(enum unit unit) {
    switch (unit) {
    case UNIT_NS:
        return "ns";
    case UNIT_MS:
        return "ms";
    case UNIT_PER_S:
        return "/s";
    case UNIT_MB:
        return "MB";
    }
    return "";
}

#define TEXT_MAX 48

static void value_text(char out[static TEXT_MAX], double value, enum unit unit) {
    if (unit == UNIT_NS && value >= 1e6)
        snprintf(out, TEXT_MAX, "%.2f ms", value / 1e6);
    else if (unit == UNIT_NS && value >= 1000)
        snprintf(out, TEXT_MAX, "%.2f us", value / 1e3);
    else if (unit == UNIT_NS)
        snprintf(out, TEXT_MAX, "%.0f ns", value);
    else if (unit == UNIT_PER_S)
        snprintf(out, TEXT_MAX, "%.0f/s", value);
    else
        snprintf(out, TEXT_MAX, "%.2f %s", value, unit_text(unit));
}

static void target_text(char out[static 2 * TEXT_MAX], const struct row *row) {
    char value[TEXT_MAX] = "", ratio[TEXT_MAX] = "";
    if (row->limit != 0)
        value_text(value, row->limit, row->unit);
    if (row->ratio_limit != 0)
        snprintf(ratio, sizeof ratio, "%.2f x", row->ratio_limit);
    const char *sign = is_rate(row->unit) ? ">= " : "<= ";
    snprintf(out, 2 * TEXT_MAX, "%s%s%s%s", *value || *ratio ? sign : "", value, *value && *ratio ? ", " : "", ratio);
}

// `ratio` and `of` stand together: how many times the baseline.
static void print_line(const char *group, const char *name, const char *median, const char *best, const char *spread,
                       const char *ratio, const char *baseline, const char *target, const char *verdict) {
    printf("%-8s %-40s %11s %11s %7s %7s  %-28s %-20s %s\n", group, name, median, best, spread, ratio, baseline, target,
           verdict);
    fflush(stdout);
}

void bench_print_head(const struct bench *bench) {
    struct machine machine;
    machine_read(&machine);
    printf("%s, %u processors, load %.1f, files in %s\n", machine.processor, machine.processors, machine.load,
           bench->dir);
    print_line("group", "what", "median", "best", "spread", "times", "baseline", "target", "");
}

static void print_row(const struct row *row) {
    if (row->skipped != NULL) {
        printf("%-8s %-40s skipped: %s\n", row->group, row->name, row->skipped);
        return;
    }
    char median[TEXT_MAX], best[TEXT_MAX], spread[TEXT_MAX], ratio[TEXT_MAX] = "", target[2 * TEXT_MAX];
    value_text(median, row->figure.median, row->unit);
    value_text(best, row->figure.best, row->unit);
    snprintf(spread, sizeof spread, "%.0f %%", 100 * row->figure.spread);
    if (row->has_ratio)
        snprintf(ratio, sizeof ratio, "%.3f", row->ratio.median);
    target_text(target, row);
    print_line(row->group, row->name, median, best, spread, ratio, row->has_ratio ? row->baseline : "", target,
               verdict_text(row->verdict));
}

static void add_row(struct bench *bench, const struct row *row) {
    ASSERT(bench->row_count < ROWS_MAX);
    bench->rows[bench->row_count++] = *row;
    if (!bench->json)
        print_row(row);
}

void bench_report(struct bench *bench, const struct row *wanted, const struct series *values,
                  const struct series *ratios) {
    struct row row = *wanted;
    row.has_figure = true;
    row.figure = series_figure(values, is_rate(row.unit));
    row.verdict = figure_judge(&row.figure, row.limit, is_rate(row.unit));
    if (ratios != NULL) {
        row.has_ratio = true;
        row.ratio = series_figure(ratios, false);
        row.verdict = verdict_join(row.verdict, figure_judge(&row.ratio, row.ratio_limit, false));
    }
    if (row.verdict == VERDICT_MISSED && row.waits && is_crowded(bench))
        row.verdict = VERDICT_NOISY;
    add_row(bench, &row);
}

void bench_skip(struct bench *bench, const struct row *wanted, const char *why) {
    struct row row = *wanted;
    row.skipped = why;
    add_row(bench, &row);
}

static json_t *figure_json(const struct figure *figure) {
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "median", figure->median, "best", figure->best, "low", figure->low,
                     "high", figure->high, "spread", figure->spread);
}

static void set_limit(json_t *json, const char *name, double limit) {
    if (limit != 0)
        json_object_set_new(json, name, json_real(limit));
}

static json_t *row_json(const struct row *row) {
    json_t *json = json_pack("{s:s, s:s, s:s}", "group", row->group, "name", row->name, "unit", unit_text(row->unit));
    set_limit(json, is_rate(row->unit) ? "at_least" : "at_most", row->limit);
    set_limit(json, "ratio_at_most", row->ratio_limit);
    if (row->skipped != NULL) {
        json_object_set_new(json, "skipped", json_string(row->skipped));
        return json;
    }
    json_object_set_new(json, "value", figure_json(&row->figure));
    if (row->has_ratio) {
        json_object_set_new(json, "baseline", json_string(row->baseline));
        json_object_set_new(json, "ratio", figure_json(&row->ratio));
    }
    if (row->verdict != VERDICT_NONE)
        json_object_set_new(json, "verdict", json_string(verdict_text(row->verdict)));
    return json;
}

void bench_print_json(const struct bench *bench) {
    struct machine machine;
    machine_read(&machine);
    json_t *rows = json_array();
    for (size_t i = 0; i < bench->row_count; i++)
        json_array_append_new(rows, row_json(&bench->rows[i]));
    json_t *json = json_pack("{s:{s:s, s:i, s:f}, s:i, s:o}", "machine", "processor", machine.processor, "processors",
                             (int)machine.processors, "load", machine.load, "rounds", (int)bench->rounds, "rows", rows);
    ASSERT(json != NULL);
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}
