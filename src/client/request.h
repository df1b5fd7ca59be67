// What a user asks of the client, and what comes back: the semantic form behind the REST API and libsotto.
#ifndef SOTTO_CLIENT_REQUEST_H
#define SOTTO_CLIENT_REQUEST_H

#include "wire/ids.h"

#define CONTACT_NAME_MAX 64 // bytes of UTF-8
#define LINK_TEXT_MAX 256
#define TEXT_BYTES_MAX 1024 // of one message, until longer ones are split; refused with this limit named
#define LIST_MAX 200        // records in one answer; ask again from the last cursor

struct message_id {
    uint8_t bytes[16];
};

enum client_op {
    CLIENT_STATUS,         // ready or why not
    CLIENT_ID,             // own link
    CLIENT_CONTACTS,       // list
    CLIENT_CONTACT_ADD,    // name, link
    CLIENT_CONTACT_REMOVE, // name
    CLIENT_CONTACT_BLOCK,  // name; blocked: their messages are dropped unseen
    CLIENT_SEND,           // name, text -> message record (durable when answered)
    CLIENT_MESSAGE,        // message id -> message record
    CLIENT_MESSAGES,       // cursor, limit -> records, all conversations, in order of arrival here
    CLIENT_REQUESTS,       // strangers' first messages
    CLIENT_REQUEST_ACCEPT, // request's number as cursor, name
    CLIENT_REQUEST_REFUSE, // request's number as cursor
    CLIENT_WATCH,          // a stream: every change of a message record, every arrival, every request; answered only
                           // when it is refused
    CLIENT_BACKUP,         // passphrase as text -> bytes
};

struct client_request {
    uint64_t id; // the caller's; unique among those unanswered
    enum client_op op;
    char name[CONTACT_NAME_MAX + 1];
    char link[LINK_TEXT_MAX + 1];
    struct span text; // valid during the step
    struct message_id message;
    uint64_t cursor;
    uint32_t limit;
};

enum message_state {
    MESSAGE_QUEUED,       // durable here, not yet acknowledged by the replicas
    MESSAGE_STORED,       // q receipts verified
    MESSAGE_ACKNOWLEDGED, // the recipient's acknowledgement verified
    MESSAGE_EXPIRED,      // given up: shown, never dropped in silence
    MESSAGE_RECEIVED,     // an incoming message
    MESSAGE_FAILED,       // refused for good (text in `reason`)
};

#define ROUTE_HOPS 3

struct message_record {
    struct message_id id;
    uint64_t cursor; // place in the list of all messages
    char contact[CONTACT_NAME_MAX + 1];
    bool incoming;
    enum message_state state;
    uint64_t sequence; // in its conversation and direction
    uint64_t wall_ms;  // sent (outgoing) or received
    uint64_t mono_ms; // monotonic clock when the send began or the text was committed; of this boot of the machine only
    int64_t stored_ms; // since the send began, monotonic; -1: not yet or unknown after a restart
    int64_t acknowledged_ms;
    // Outgoing: the route of the store whose receipts hold. An acknowledgement may come before them: then that of the
    // latest attempt, without replicas, until they come, too.
    size_t route_count;
    struct relay_id route[ROUTE_HOPS];
    size_t replica_count; // outgoing: the relays whose receipts hold
    struct relay_id replicas[3];
    const char *reason; // NULL or text
    struct buf text;
};

struct contact_record {
    char name[CONTACT_NAME_MAX + 1];
    char link[LINK_TEXT_MAX + 1];
    bool blocked;
    bool established; // they have told us a mailbox of our own
    uint32_t outbox;  // messages not yet acknowledged
};

struct request_record {
    uint64_t number;
    char link[LINK_TEXT_MAX + 1];
    uint64_t wall_ms;
    struct buf text;
};

struct client_answer {
    uint64_t id;
    enum err err;
    const char *reason; // text for a person when err is set; static
    char link[LINK_TEXT_MAX + 1];
    bool ready;
    size_t contact_count;
    struct contact_record *contacts;
    size_t message_count;
    struct message_record *messages;
    size_t request_count;
    struct request_record *requests;
    struct buf bytes;
};

void client_answer_clear(struct client_answer *answer); // frees what it holds

#endif
