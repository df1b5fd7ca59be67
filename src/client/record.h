// Codecs of the client's durable records: what stands in the values of its database and in a backup.
// Each starts with a version byte; anything that was not written by its encoder is ERR_CORRUPT.
#ifndef SOTTO_CLIENT_RECORD_H
#define SOTTO_CLIENT_RECORD_H

#include "base/cursor.h"
#include "client/store.h"

#define RECORD_VERSION 1
#define RECORD_BYTES_MAX 2560 // the longest: a message with its text, route and replicas

void card_encode(struct writer *w, const struct card *card);
void account_encode(struct writer *w, const struct account_state *state);
void contact_encode(struct writer *w, const struct contact_state *state);
void mailbox_encode(struct writer *w, const struct mailbox_state *state);
void outbox_encode(struct writer *w, const struct outbox_state *state);
void message_encode(struct writer *w, const struct message_record *record);
void held_encode(struct writer *w, const struct held_state *state);
void request_encode(struct writer *w, const struct request_state *state);
void entry_encode(struct writer *w, const struct entry_state *state);
void delete_encode(struct writer *w, const struct delete_state *state);

enum err account_decode(struct account_state *out, struct span value);
enum err contact_decode(struct contact_state *out, struct span value);
enum err mailbox_decode(struct mailbox_state *out, struct span value);
enum err outbox_decode(struct outbox_state *out, struct span value);
enum err message_decode(struct message_record *out, struct span value); // `out` owns its text
enum err held_decode(struct held_state *out, struct span value);
enum err request_decode(struct request_state *out, struct span value);
enum err entry_decode(struct entry_state *out, struct span value);
enum err delete_decode(struct delete_state *out, struct span value);

// Why a message is where it is, in words for a person. Records keep the code.
#define REASON_LIST(X)                                                                  \
    X(REASON_NONE, 0, NULL)                                                             \
    X(REASON_MAILBOX_FULL, 1, "the recipient's mailbox is full; trying again")          \
    X(REASON_RELAY_FULL, 2, "the recipient's relays have no space; trying again")       \
    X(REASON_REFUSED, 3, "the recipient's mailbox refuses it; trying again")            \
    X(REASON_NO_QUORUM, 4, "too few of the recipient's relays answer; trying again")    \
    X(REASON_CLOCK, 5, "this clock and the relays' clocks differ; trying again")        \
    X(REASON_STAMP, 6, "the network asks for more proof of work than this client does") \
    X(REASON_UNACCEPTED, 7, "waiting until the contact accepts the first messages")     \
    X(REASON_NO_ROUTE, 8, "no way into the network; trying again")                      \
    X(REASON_NO_RECEIPT, 9, "no receipts yet; trying again")                            \
    X(REASON_UNSENT, 10, "expired before the network had stored it")                    \
    X(REASON_UNACKNOWLEDGED, 11, "expired before the recipient acknowledged it")        \
    X(REASON_REMOVED, 12, "the contact was removed")

enum reason {
#define REASON_ENUM(name, value, text) name = (value),
    REASON_LIST(REASON_ENUM)
#undef REASON_ENUM
};

const char *reason_text(enum reason reason);

#endif
