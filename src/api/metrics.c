// Metrics as Prometheus text (exposition format 0.0.4): https://prometheus.io/docs/instrumenting/exposition_formats/
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"

// Upper bounds of the rendered buckets, from 100 us to a minute.
static const uint64_t bucket_bounds_us[] = {100,    250,    500,    1000,    2500,    5000,    10000,    25000,   50000,
                                            100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 60000000};

#define LINE_MAX 512

static void append_text(struct buf *out, const char *text) {
    buf_append(out, span_of_text(text));
}

// Microseconds as decimal seconds, without floating point.
static void append_seconds(struct buf *out, uint64_t us) {
    char text[40];
    snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
    append_text(out, text);
}

static void append_head(struct buf *out, const char *prefix, const char *name, const char *type, const char *help) {
    char line[LINE_MAX];
    snprintf(line, sizeof(line), "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name, type);
    append_text(out, line);
}

static void append_value(struct buf *out, const char *prefix, const char *name, const char *labels, int64_t value) {
    char line[LINE_MAX];
    const char *open = labels[0] == 0 ? "" : "{";
    const char *close = labels[0] == 0 ? "" : "}";
    snprintf(line, sizeof(line), "%s%s%s%s%s %" PRId64 "\n", prefix, name, open, labels, close, value);
    append_text(out, line);
}

static void append_histogram(struct buf *out, const struct metric_info *info, const struct histogram *histogram) {
    char line[LINE_MAX];
    const char *comma = info->labels[0] == 0 ? "" : ",";
    uint64_t count = histogram == NULL ? 0 : histogram_count(histogram);
    for (size_t i = 0; i < sizeof(bucket_bounds_us) / sizeof(bucket_bounds_us[0]); i++) {
        uint64_t us = bucket_bounds_us[i];
        uint64_t below = histogram == NULL ? 0 : histogram_count_below(histogram, us);
        snprintf(line, sizeof(line), "sotto_%s_bucket{%s%sle=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n", info->name,
                 info->labels, comma, us / 1000000, us % 1000000, below);
        append_text(out, line);
    }
    snprintf(line, sizeof(line), "sotto_%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\nsotto_%s_sum%s%s%s ", info->name,
             info->labels, comma, count, info->name, info->labels[0] == 0 ? "" : "{", info->labels,
             info->labels[0] == 0 ? "" : "}");
    append_text(out, line);
    append_seconds(out, histogram == NULL ? 0 : histogram_sum_us(histogram));
    append_text(out, "\n");
    char name[128];
    snprintf(name, sizeof(name), "%s_count", info->name);
    append_value(out, "sotto_", name, info->labels, (int64_t)count);
}

static const char *type_text(enum metric_type type) {
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

static void append_process(struct buf *out, const struct process_reading *process) {
    append_head(out, "process_", "cpu_seconds_total", "counter", "User and system time spent");
    append_text(out, "process_cpu_seconds_total ");
    append_seconds(out, process->cpu_us);
    append_text(out, "\n");
    append_head(out, "process_", "resident_memory_bytes", "gauge", "Resident memory");
    append_value(out, "process_", "resident_memory_bytes", "", (int64_t)process->resident_bytes);
    append_head(out, "process_", "open_fds", "gauge", "Open file descriptors");
    append_value(out, "process_", "open_fds", "", (int64_t)process->open_fds);
    append_head(out, "process_", "max_fds", "gauge", "File descriptors allowed");
    append_value(out, "process_", "max_fds", "", (int64_t)process->max_fds);
    append_head(out, "process_", "start_time_seconds", "gauge", "Start of the process since 1970-01-01 UTC");
    append_text(out, "process_start_time_seconds ");
    append_seconds(out, process->start_wall_ms * 1000);
    append_text(out, "\n");
}

void render_metrics(struct buf *out, const struct api_config *config, const struct process_reading *process) {
    char labels[LINE_MAX / 2];
    append_head(out, "sotto_", "build_info", "gauge", "Version and roles of this node");
    snprintf(labels, sizeof(labels), "version=\"%s\",roles=\"%s\"", config->version, config->roles);
    append_value(out, "sotto_", "build_info", labels, 1);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_info *info = &metric_infos[i];
        if (i == 0 || strcmp(metric_infos[i - 1].name, info->name) != 0) {
            append_head(out, "sotto_", info->name, type_text(info->type), info->help);
        }
        if (info->type == METRIC_HISTOGRAM) {
            append_histogram(out, info, metric_histogram(config->metrics, (enum metric)i));
        } else {
            append_value(out, "sotto_", info->name, info->labels, metric_value(config->metrics, (enum metric)i));
        }
    }
    if (process != NULL) {
        append_process(out, process);
    }
}
