// Log lines: a level, a short fixed message, and typed attributes. Never a secret, a mailbox, a handle, a client's
// address or anything else that tells who talks to whom: attributes are from the closed list below.
#ifndef SOTTO_BASE_LOGGER_H
#define SOTTO_BASE_LOGGER_H

#include "base/bytes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

#define LOG_LEVELS 4

// What a line may carry. `relay` is a relay's public identity (from the directory, never a client's).
struct log_line {
    enum log_level level;
    const char *part;     // "relay", "mailbox", ...; static
    const char *message;  // static text
    const char *reason;   // NULL or text
    const uint8_t *relay; // NULL or 32 bytes
    bool has_number;
    const char *number_name; // static
    int64_t number;
};

// Where lines go. The sink copies what it keeps.
struct log_sink {
    void *ctx;
    enum log_level level; // lines below it are not made
    void (*write)(void *ctx, const struct log_line *line);
};

void log_note(const struct log_sink *sink, enum log_level level, const char *part, const char *message);
void log_reason(const struct log_sink *sink, enum log_level level, const char *part, const char *message,
                const char *reason);
void log_relay(const struct log_sink *sink, enum log_level level, const char *part, const char *message,
               const uint8_t relay[static 32], const char *reason);
void log_number(const struct log_sink *sink, enum log_level level, const char *part, const char *message,
                const char *name, int64_t number);

const char *log_level_text(enum log_level level);
enum err log_level_parse(enum log_level *level, const char *text);

#endif
