// The client's only view of its database: typed records with explicit codecs, one key space, one atomic batch a step.
//
//   key    KV_SPACE_CLIENT 1 | record kind 1 | by kind (numbers big-endian, so that a scan is in their order)
//   value  version 1 | by kind
//
// Secrets stand here in clear: in production the engine below is an encrypted database.
#ifndef SOTTO_CLIENT_STORE_H
#define SOTTO_CLIENT_STORE_H

#include "base/step.h"
#include "client/request.h"
#include "directory/directory.h"

enum record_kind {
    RECORD_ACCOUNT = 1,  // one
    RECORD_CONTACT = 2,  // number
    RECORD_MAILBOX = 3,  // number: a mailbox of our own
    RECORD_OUTBOX = 4,   // number: something that must reach somebody
    RECORD_ITEM = 5,     // outbox number: its final bytes
    RECORD_MESSAGE = 6,  // cursor: a message as the user sees it
    RECORD_LOOKUP = 7,   // direction, message id -> cursor, outbox number
    RECORD_SEEN = 8,     // item hash or message id -> when to forget it
    RECORD_CURSOR = 9,   // mailbox number, replica -> cursor
    RECORD_HELD = 10,    // contact number, sequence: a message that waits for those before it
    RECORD_REQUEST = 11, // number: a stranger's message
    RECORD_ENTRY = 12,   // slot
    RECORD_DELETE = 13,  // mailbox number, item hash: to be deleted at the replicas
};

// The X25519, Ed25519 and request mailbox keys that make up a person, as a link gives them.
struct card {
    struct sign_public identity;
    struct dh_public dh;
    struct mailbox_id mailbox;
};

struct account_state {
    struct network_id network;
    struct sign_public identity; // the seed that this database belongs to
    uint64_t next_number;        // of contacts, mailboxes, outbox and requests
    uint64_t next_cursor;        // of messages
    bool restored;               // from a backup: every conversation starts a new stream
    uint64_t last_stream;        // that was begun with anybody
};

struct contact_state {
    uint64_t number;
    char name[CONTACT_NAME_MAX + 1];
    struct card card;
    bool blocked;
    bool established; // `peer_mailbox` holds
    struct mailbox_id peer_mailbox;
    struct write_token peer_token;
    uint64_t peer_version;
    uint64_t mailbox; // number of our mailbox for them, 0: none yet
    uint64_t stream_out;
    uint64_t next_out;
    uint64_t stream_in;
    uint64_t next_in;
    uint64_t floor_in;
    uint64_t active_ms; // wall: when a text last went or came
};

struct mailbox_state {
    uint64_t number;
    uint64_t contact; // number; 0: the mailbox for requests
    uint8_t nonce[16];
    uint64_t created_ms; // once retired: when that was
    bool ready;          // a quorum of replicas knows its policy
    bool retired;        // its contact is gone: only its empty policy is still to be set
    uint64_t stamp;      // the mailbox's, once it was looked for
};

enum letter_kind { LETTER_TEXT = 1, LETTER_ACK = 2 };

#define ACK_IDS_MAX (TEXT_BYTES_MAX / 16)

enum outbox_phase {
    OUTBOX_WAITING, // not sealed yet
    OUTBOX_SEALED,  // final bytes stored; sent until receipts arrive
    OUTBOX_STORED,  // waits for the acknowledgement
};

struct outbox_state {
    uint64_t number;
    uint64_t contact;
    enum letter_kind kind;
    enum outbox_phase phase;
    uint64_t created_ms;
    uint64_t expiry_ms;
    // a text
    struct message_id id;
    uint64_t cursor;
    uint64_t sequence;
    // an acknowledgement
    size_t ack_count;
    struct message_id acks[ACK_IDS_MAX];
    // once sealed
    struct mailbox_id mailbox;
    struct write_token token;
    bool stamped;
    uint8_t stamp_bits;
    uint64_t stamp;
};

struct held_state {
    uint64_t contact;
    uint64_t sequence;
    uint64_t expiry_ms; // of what it waits for
    struct message_id id;
    struct span text; // decoded: points into the value
};

struct request_state {
    uint64_t number;
    struct card card;
    struct mailbox_id reply_mailbox;
    struct write_token reply_token;
    uint64_t reply_version;
    struct message_id id;
    uint64_t stream;
    uint64_t sequence;
    uint64_t floor;
    uint64_t wall_ms;
    uint64_t expiry_ms;
    uint64_t gap_expiry_ms;
    struct span text; // decoded: points into the value
};

struct entry_state {
    uint8_t slot;
    struct relay_id relay;
    uint64_t drawn_ms;
    uint64_t reached_ms; // last known to be reachable
};

struct delete_state {
    uint64_t mailbox;
    struct item_hash item;
    uint8_t secret[DELIVERY_SECRET_BYTES];
    uint64_t expiry_ms;
};

struct lookup_state {
    uint64_t cursor;
    uint64_t outbox; // 0 for incoming ones
};

struct cursor_state {
    uint64_t mailbox;
    struct relay_id replica;
    uint64_t cursor;
};

#define STORE_KEY_BYTES_MAX 80

struct store_key {
    uint8_t bytes[STORE_KEY_BYTES_MAX];
    size_t n;
};

// What a scan meets: the kind of a key, ERR_CORRUPT for a foreign one.
enum err store_key_kind(enum record_kind *kind, struct span key);
void store_key_first(struct store_key *out, enum record_kind kind);
void store_key_message(struct store_key *out, uint64_t cursor);
enum err cursor_decode(struct cursor_state *out, struct span key, struct span value);
enum err seen_decode(uint64_t *forget_ms, struct span value);

// Durable before the effects of the step leave.
void store_account(struct step *step, const struct account_state *state);
void store_contact(struct step *step, const struct contact_state *state);
void store_mailbox(struct step *step, const struct mailbox_state *state);
void store_outbox(struct step *step, const struct outbox_state *state);
void store_item(struct step *step, uint64_t outbox, const uint8_t item[static ITEM_BYTES]);
void store_message(struct step *step, const struct message_record *record);
void store_lookup(struct step *step, bool incoming, const struct message_id *id, const struct lookup_state *state);
void store_seen_item(struct step *step, const struct item_hash *item, uint64_t forget_ms);
void store_seen_message(struct step *step, uint64_t contact, const struct message_id *id, uint64_t forget_ms);
void store_held(struct step *step, const struct held_state *state);
void store_request(struct step *step, const struct request_state *state);
void store_entry(struct step *step, const struct entry_state *state);
void store_delete(struct step *step, const struct delete_state *state);
// Lazy: losing it only means reading some items twice.
void store_cursor(struct step *step, const struct cursor_state *state);

void forget_contact(struct step *step, uint64_t number);
void forget_mailbox(struct step *step, uint64_t number);
void forget_outbox(struct step *step, uint64_t number); // with its item
void forget_held(struct step *step, uint64_t contact, uint64_t sequence);
void forget_request(struct step *step, uint64_t number);
void forget_entry(struct step *step, uint8_t slot);
void forget_delete(struct step *step, uint64_t mailbox, const struct item_hash *item);
void forget_cursor(struct step *step, uint64_t mailbox, const struct relay_id *replica);

// Single reads. ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO.
enum err find_item(struct step *step, uint64_t outbox, uint8_t item[static ITEM_BYTES]);
enum err find_message(struct step *step, uint64_t cursor, struct message_record *out); // owns its text
enum err find_lookup(struct step *step, bool incoming, const struct message_id *id, struct lookup_state *out);
enum err find_held(struct step *step, uint64_t contact, uint64_t sequence, struct held_state *out, struct buf *value);
bool seen_item(struct step *step, const struct item_hash *item);
bool seen_message(struct step *step, uint64_t contact, const struct message_id *id);

// Everything that the client keeps in memory, read in one scan.
struct loaded {
    bool has_account;
    struct account_state account;
    struct contact_state *contacts;
    size_t contact_count;
    struct mailbox_state *mailboxes;
    size_t mailbox_count;
    struct outbox_state *outbox;
    size_t outbox_count;
    struct held_state *held; // without texts
    size_t held_count;
    struct request_state *requests; // each owns its text
    size_t request_count;
    struct entry_state *entries;
    size_t entry_count;
    struct delete_state *deletes;
    size_t delete_count;
    struct cursor_state *cursors;
    size_t cursor_count;
};

enum err loaded_read(struct loaded *out, const struct kv_snapshot *snapshot);
void loaded_free(struct loaded *loaded);

#endif
