// The one error type of Sotto. Zero is success, errors are negative.
//
// Three kinds of trouble exist (docs/ARCHITECTURE.md): a peer's mistake is dropped and counted where it is met,
// an operating failure is returned as one of these, and a bug of our own is an assert.
#ifndef SOTTO_BASE_ERR_H
#define SOTTO_BASE_ERR_H

// X(name, value, text). The values cross no wire; they may be renumbered.
#define ERR_LIST(X)                                 \
    X(OK, 0, "success")                             \
    X(ERR_MALFORMED, -1, "malformed")               \
    X(ERR_TOO_LONG, -2, "too long")                 \
    X(ERR_FULL, -3, "full")                         \
    X(ERR_NOT_FOUND, -4, "not found")               \
    X(ERR_EXISTS, -5, "exists already")             \
    X(ERR_AUTH, -6, "authentication failed")        \
    X(ERR_EXPIRED, -7, "expired")                   \
    X(ERR_REPLAY, -8, "seen before")                \
    X(ERR_EPOCH, -9, "wrong epoch")                 \
    X(ERR_TIME, -10, "bad time")                    \
    X(ERR_NETWORK, -11, "another network")          \
    X(ERR_IO, -12, "input/output failed")           \
    X(ERR_CORRUPT, -13, "stored data is damaged")   \
    X(ERR_LOCKED, -14, "in use by another process") \
    X(ERR_UNAVAILABLE, -15, "not available now")    \
    X(ERR_UNSUPPORTED, -16, "not supported")        \
    X(ERR_INVALID, -17, "invalid argument")         \
    X(ERR_NO_MEMORY, -18, "out of memory")          \
    X(ERR_TIMEOUT, -19, "timed out")                \
    X(ERR_REFUSED, -20, "refused")

enum err {
#define ERR_ENUM(name, value, text) name = (value),
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
};

// The text of an error: lower case, no full stop, never NULL.
const char *err_text(enum err err);

#endif
