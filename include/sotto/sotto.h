/* libsotto: Sotto's user role as a library. A client of its own, with its own thread, behind a handle.
 *
 *   sotto_open -> sotto_contact_add, sotto_send, ...   sotto_next: what happened   -> sotto_close
 *
 * Every function may be called from any thread. Strings are UTF-8 and end with a zero; pointers that go in are not
 * kept; what comes out is the caller's to free where it says so. A function returns SOTTO_OK or a negative error, whose
 * text sotto_error_text gives. One process at a time may have an account open.
 *
 * While an account is open its keys and texts are in the process's memory. The library leaves the settings of its
 * process alone: a program that wants no core dumps sets RLIMIT_CORE and PR_SET_DUMPABLE, as sottod does.
 */
#ifndef SOTTO_SOTTO_H
#define SOTTO_SOTTO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOTTO_API __attribute__((visibility("default")))

#define SOTTO_NAME_MAX 64   /* bytes of a contact's name */
#define SOTTO_LINK_MAX 256  /* bytes of a link */
#define SOTTO_TEXT_MAX 1024 /* bytes of one text */
#define SOTTO_MESSAGE_ID_SIZE 16

enum sotto_error {
    SOTTO_OK = 0,
    SOTTO_E_INVALID = -1,     /* an argument is not as it should be */
    SOTTO_E_NOT_FOUND = -2,   /* no such contact, message or account */
    SOTTO_E_EXISTS = -3,      /* there is one already */
    SOTTO_E_PASSPHRASE = -4,  /* it does not open the account */
    SOTTO_E_LOCKED = -5,      /* another process has the account open */
    SOTTO_E_FULL = -6,        /* a bound is reached (outbox, contacts) */
    SOTTO_E_UNAVAILABLE = -7, /* not now: no directory yet, or the client has ended */
    SOTTO_E_NETWORK = -8,     /* a link of another network */
    SOTTO_E_IO = -9           /* the system refused; sotto_why tells what */
};

enum sotto_state {
    SOTTO_QUEUED,       /* durable here */
    SOTTO_STORED,       /* the replicas' signed receipts are verified */
    SOTTO_ACKNOWLEDGED, /* the recipient has it */
    SOTTO_EXPIRED,      /* given up */
    SOTTO_RECEIVED,     /* an incoming message */
    SOTTO_FAILED        /* refused for good */
};

struct sotto;

struct sotto_options {
    size_t size;            /* sizeof(struct sotto_options) */
    const char *dir;        /* the account's folder, as `sotto account create` makes it */
    const char *passphrase; /* opens the account */
    const char *proxy;      /* socks5://[user:password@]host:port, or NULL */
};

struct sotto_message {
    uint8_t id[SOTTO_MESSAGE_ID_SIZE];
    uint64_t cursor; /* its place among all messages */
    char contact[SOTTO_NAME_MAX + 1];
    int incoming;
    enum sotto_state state;
    uint64_t wall_ms; /* sent or received, since 1970-01-01 UTC */
    char *text;       /* text_size bytes and a zero */
    size_t text_size;
};

enum sotto_event_kind {
    SOTTO_EVENT_MESSAGE, /* a message came, or changed its state: event->message */
    SOTTO_EVENT_REQUEST, /* a stranger has written: event->request_number, and text in event->message.text */
    SOTTO_EVENT_LOST,    /* so many events waited that some were dropped: look at the messages again */
    SOTTO_EVENT_ENDED    /* the client cannot go on; sotto_why tells why. Nothing more will come */
};

struct sotto_event {
    enum sotto_event_kind kind;
    uint64_t request_number;
    struct sotto_message message;
};

SOTTO_API const char *sotto_version(void);
SOTTO_API const char *sotto_error_text(int error);

/* Opens an account and starts its client. On failure `why` (of why_size bytes, may be NULL) gets a sentence. */
SOTTO_API int sotto_open(struct sotto **out, const struct sotto_options *options, char *why, size_t why_size);
/* Stops the client cleanly; what was acknowledged to the caller is durable. NULL is fine. */
SOTTO_API void sotto_close(struct sotto *sotto);
/* Why the client has ended, or "". */
SOTTO_API void sotto_why(struct sotto *sotto, char *why, size_t why_size);

/* 1 when messages can be sent and received, 0 when not yet, or an error. */
SOTTO_API int sotto_ready(struct sotto *sotto);
/* The account's own link. */
SOTTO_API int sotto_link(struct sotto *sotto, char link[SOTTO_LINK_MAX + 1]);

SOTTO_API int sotto_contact_add(struct sotto *sotto, const char *name, const char *link);
SOTTO_API int sotto_contact_remove(struct sotto *sotto, const char *name);
SOTTO_API int sotto_contact_block(struct sotto *sotto, const char *name);
SOTTO_API int sotto_request_accept(struct sotto *sotto, uint64_t number, const char *name);
SOTTO_API int sotto_request_refuse(struct sotto *sotto, uint64_t number);

/* Queues a text of text_size bytes (1 to SOTTO_TEXT_MAX). Durable when this returns; events tell how it goes on. */
SOTTO_API int sotto_send(struct sotto *sotto, const char *name, const char *text, size_t text_size,
                         uint8_t id[SOTTO_MESSAGE_ID_SIZE]);
/* One message; free it with sotto_message_clear. */
SOTTO_API int sotto_message(struct sotto *sotto, const uint8_t id[SOTTO_MESSAGE_ID_SIZE], struct sotto_message *out);
/* Up to *count messages after a cursor, oldest first; *count becomes how many there are. Clear each. */
SOTTO_API int sotto_messages(struct sotto *sotto, uint64_t after, struct sotto_message *out, size_t *count);
SOTTO_API void sotto_message_clear(struct sotto_message *message);

/* A descriptor that is readable while an event waits: for poll and the like. Do not read from it. */
SOTTO_API int sotto_fd(struct sotto *sotto);
/* The next event, or NULL after timeout_ms (0: at once, -1: waits). Free it with sotto_event_free. */
SOTTO_API struct sotto_event *sotto_next(struct sotto *sotto, int timeout_ms);
SOTTO_API void sotto_event_free(struct sotto_event *event);

#ifdef __cplusplus
}
#endif

#endif
