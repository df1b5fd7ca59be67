// See log_json.h.
#include "host/log_json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/system.h"

struct log_json {
    int fd;
    char *path; // empty: standard error
    char *service;
    struct metrics *metrics;
    struct buf line;
};

static void append_text(struct buf *out, const char *text) {
    buf_append(out, span_of_text(text));
}

// Control characters, quotes and backslashes escaped; all else as it is (texts are UTF-8).
static void append_quoted(struct buf *out, const char *text) {
    append_text(out, "\"");
    for (const char *at = text; *at != '\0'; at++) {
        uint8_t byte = (uint8_t)*at;
        if (byte == '"' || byte == '\\') {
            append_text(out, "\\");
            buf_append(out, span_of(&byte, 1));
        } else if (byte < 0x20 || byte == 0x7f) {
            char escape[8];
            snprintf(escape, sizeof(escape), "\\u%04x", byte);
            append_text(out, escape);
        } else {
            buf_append(out, span_of(&byte, 1));
        }
    }
    append_text(out, "\"");
}

static void append_member(struct buf *out, const char *before, const char *name, const char *value) {
    append_text(out, before);
    append_quoted(out, name);
    append_text(out, ":");
    append_quoted(out, value);
}

static void append_timestamp(struct buf *out, uint64_t wall_ms) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char text[64];
    gmtime_r(&seconds, &utc);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(wall_ms % 1000));
    append_member(out, "{", "timestamp", text);
}

void log_json_format(struct buf *out, const struct log_line *line, const char *service, uint64_t wall_ms) {
    static const char *const severities[LOG_LEVELS] = {
        [LOG_DEBUG] = "DEBUG", [LOG_INFO] = "INFO", [LOG_WARN] = "WARN", [LOG_ERROR] = "ERROR"};
    append_timestamp(out, wall_ms);
    append_member(out, ",", "severity", severities[line->level]);
    append_member(out, ",", "body", line->message);
    append_member(out, ",", "service", service);
    append_text(out, ",\"attributes\":{");
    append_member(out, "", "part", line->part);
    if (line->reason != NULL) {
        append_member(out, ",", "reason", line->reason);
    }
    if (line->relay != NULL) {
        char hex[65];
        hex_encode(hex, span_of(line->relay, 32));
        append_member(out, ",", "relay", hex);
    }
    if (line->has_number) {
        char number[24];
        snprintf(number, sizeof(number), "%lld", (long long)line->number);
        append_text(out, ",");
        append_quoted(out, line->number_name);
        append_text(out, ":");
        append_text(out, number);
    }
    append_text(out, "}}\n");
}

// A line is one write, so that lines of several processes in one file stay whole. A full disk loses lines, nothing
// else.
static void write_line(void *ctx, const struct log_line *line) {
    struct log_json *log = ctx;
    buf_clear(&log->line);
    log_json_format(&log->line, line, log->service, system_now().wall_ms);
    metric_add(log->metrics, (enum metric)((int)METRIC_LOG_DEBUG + (int)line->level), 1);
    if (write(log->fd, log->line.p, log->line.n) < 0) {
        return;
    }
}

static int open_log(const char *path) {
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

enum err log_json_open(struct log_json **ret, const char *path, const char *service, struct metrics *metrics,
                       struct buf *why) {
    int fd = path[0] == '\0' ? STDERR_FILENO : open_log(path);
    if (fd < 0) {
        buf_append(why, SPAN_LITERAL("cannot open the log "));
        buf_append(why, span_of_text(path));
        buf_append(why, SPAN_LITERAL(": "));
        buf_append(why, span_of_text(strerror(errno)));
        return ERR_IO;
    }
    struct log_json *log = NEW(struct log_json);
    log->fd = fd;
    log->path = mem_text(span_of_text(path));
    log->service = mem_text(span_of_text(service));
    log->metrics = metrics;
    *ret = log;
    return OK;
}

struct log_sink log_json_sink(struct log_json *log, enum log_level level) {
    return (struct log_sink){.ctx = log, .level = level, .write = write_line};
}

enum err log_json_reopen(struct log_json *log) {
    if (log->fd == STDERR_FILENO) {
        return OK;
    }
    int fd = open_log(log->path);
    if (fd < 0) {
        return ERR_IO;
    }
    close(log->fd);
    log->fd = fd;
    return OK;
}

void log_json_close(struct log_json *log) {
    if (log != NULL) {
        if (log->fd != STDERR_FILENO) {
            close(log->fd);
        }
        buf_free(&log->line);
        free(log->path);
        free(log->service);
        free(log);
    }
}
