// Where log lines go: one JSON object a line, on standard error or appended to a file.
//   {"timestamp":"2026-01-31T12:00:00.123Z","severity":"INFO","body":"...","service":"relay1","attributes":{...}}
#ifndef SOTTO_HOST_LOG_JSON_H
#define SOTTO_HOST_LOG_JSON_H

#include "base/logger.h"
#include "base/metric.h"

struct log_json;

// An empty path: standard error. ERR_IO with a text in `why`. `metrics` counts the lines.
enum err log_json_open(struct log_json **log, const char *path, const char *service, struct metrics *metrics,
                       struct buf *why);
struct log_sink log_json_sink(struct log_json *log, enum log_level level);
// Opens the file anew, after it was renamed. ERR_IO: what was open stays in use. Nothing for standard error.
enum err log_json_reopen(struct log_json *log);
void log_json_close(struct log_json *log);

// One line, with its line end. Pure, for tests.
void log_json_format(struct buf *out, const struct log_line *line, const char *service, uint64_t wall_ms);

#endif
