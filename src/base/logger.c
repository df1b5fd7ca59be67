// Making of log lines, and the names of levels.
#include "base/logger.h"

#include <string.h>

#include "base/assert.h"

static const char *const level_texts[LOG_LEVELS] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

static void emit(const struct log_sink *sink, const struct log_line *line) {
    ASSERT(line->part != NULL && line->message != NULL);
    if (sink->write != NULL && line->level >= sink->level)
        sink->write(sink->ctx, line);
}

void log_note(const struct log_sink *sink, enum log_level level, const char *part, const char *message) {
    emit(sink, &(struct log_line){.level = level, .part = part, .message = message});
}

void log_reason(const struct log_sink *sink, enum log_level level, const char *part, const char *message,
                const char *reason) {
    emit(sink, &(struct log_line){.level = level, .part = part, .message = message, .reason = reason});
}

void log_relay(const struct log_sink *sink, enum log_level level, const char *part, const char *message,
               const uint8_t relay[static 32], const char *reason) {
    emit(sink, &(struct log_line){.level = level, .part = part, .message = message, .relay = relay, .reason = reason});
}

void log_number(const struct log_sink *sink, enum log_level level, const char *part, const char *message,
                const char *name, int64_t number) {
    emit(sink, &(struct log_line){.level = level,
                                  .part = part,
                                  .message = message,
                                  .has_number = true,
                                  .number_name = name,
                                  .number = number});
}

const char *log_level_text(enum log_level level) {
    ASSERT((unsigned)level < LOG_LEVELS);
    return level_texts[level];
}

enum err log_level_parse(enum log_level *level, const char *text) {
    for (unsigned i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(text, level_texts[i]) == 0) {
            *level = (enum log_level)i;
            return OK;
        }
    }
    return ERR_INVALID;
}
