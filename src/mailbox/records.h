// What the mailbox store keeps in the node's key-value store: keys and records. All under KV_SPACE_MAILBOX; the second
// byte tells the table, integers are big-endian so that keys sort by number.
//
//   entry     'e' mailbox 32 | item hash 32        -> kind 1 | expiry 8 | number 8 | by kind:
//               item       stored_ms 8 | token hash 16 | stamp 8             number: arrival
//               tombstone  tag 16 of its proof                               number: who has it (repair.h)
//               policy     replica 32 | the POLICY operation as signed       number: version; the hash is zeros
//   proof     'p' mailbox 32 | tag 16              -> uses 1 | replica 32 | the DELETE operation as signed
//   body      'b' mailbox 32 | arrival 8           -> expiry 8 | item hash 32 | item 1,504
//   expiry    'x' expiry 8 | mailbox 32 | hash 32  -> nothing: one for every entry, under its expiry
//   state     'm' mailbox 32                       -> next arrival 8 | policy version 8 | bytes 8 | items 4 |
//                                                     strangers 4 | count 1 | count x (token hash 16 | quota 2 | used
//                                                     4)
//   receipts  'r' mailbox 32 | item hash 32        -> has secret 1 | secret 32 | has set 1 | set and receipts
//   seen      's' time 8 | tag 16                  -> nothing: an owner's request that was executed
//   delivery  'd' epoch 4 | leaf 32                -> secret 32 | set | inner 32 | signer 1 | signature 64
//   epoch     'd' epoch 4                          -> deliveries proven in it 4 | closed 1
//   totals    't'                                  -> items 8 | entries 8 | bytes 8
//
// A (mailbox, item hash) has one entry: absent, held, or deleted; so an item and its tombstone can never stand
// together.
#ifndef SOTTO_MAILBOX_RECORDS_H
#define SOTTO_MAILBOX_RECORDS_H

#include "base/kv.h"
#include "wire/replica.h"

#define KEY_ENTRY_BYTES (2 + 32 + 32)
#define KEY_BYTES_MAX (2 + 8 + 32 + 32)
#define BODY_RECORD_BYTES (8 + 32 + ITEM_BYTES)
#define SEEN_TAG_BYTES 16
#define PROOF_TAG_BYTES 16
// What a token's holder may have waiting, and what older policies left behind.
#define STATE_TOKENS_MAX (2 * POLICY_TOKENS_MAX)

struct key {
    uint8_t bytes[KEY_BYTES_MAX];
    size_t n;
};

struct span key_span(const struct key *key);
void key_entry(struct key *out, const struct mailbox_id *mailbox, const struct item_hash *hash);
void key_proof(struct key *out, const struct mailbox_id *mailbox, const uint8_t tag[static PROOF_TAG_BYTES]);
void key_body(struct key *out, const struct mailbox_id *mailbox, uint64_t arrival);
void key_expiry(struct key *out, uint64_t expiry_ms, const struct mailbox_id *mailbox, const struct item_hash *hash);
void key_state(struct key *out, const struct mailbox_id *mailbox);
void key_receipts(struct key *out, const struct mailbox_id *mailbox, const struct item_hash *hash);
void key_seen(struct key *out, uint64_t time_ms, const uint8_t tag[static SEEN_TAG_BYTES]);
void key_totals(struct key *out);
// Deliveries sort by epoch, then by leaf; what is known of an epoch as a whole stands before its leaves.
void key_delivery(struct key *out, uint32_t epoch, const struct hash *leaf);
void key_delivery_epoch(struct key *out, uint32_t epoch);
// Where scans begin, and whether a key is still of the table.
void key_table(struct key *out, char table);
bool key_in_table(struct span key, char table);
// Reading keys back; false when it is not a key of that table.
bool key_entry_read(struct mailbox_id *mailbox, struct item_hash *hash, struct span key);
bool key_expiry_read(uint64_t *expiry_ms, struct mailbox_id *mailbox, struct item_hash *hash, struct span key);
bool key_body_read(struct mailbox_id *mailbox, uint64_t *arrival, struct span key);
bool key_seen_read(uint64_t *time_ms, struct span key);
bool key_delivery_read(uint32_t *epoch, struct hash *leaf, struct span key);
bool key_delivery_epoch_read(uint32_t *epoch, struct span key); // of either

// An operation of the owner's as evidence: what any replica can verify.
struct proof {
    struct relay_id replica; // whom the owner addressed
    struct span operation;   // what the owner signed
};

struct entry {
    enum entry_kind kind;
    uint64_t expiry_ms;
    uint64_t number;              // arrival, mark or version
    uint64_t stored_ms;           // items
    struct token_hash token;      // items; zeros: a stranger's
    uint64_t stamp;               // items: a stranger's
    uint8_t tag[PROOF_TAG_BYTES]; // tombstones: of the proof, which the deletions of one request share
    struct proof proof;           // policies; points into the record
};

void mailbox_entry_encode(struct buf *out, const struct entry *entry);
enum err mailbox_entry_decode(struct entry *out, struct span record); // ERR_CORRUPT
// What an offer tells of an entry: the expiry, or a policy's version.
uint64_t entry_offer_number(const struct entry *entry);

struct proof_record {
    uint8_t uses; // tombstones that it proves
    struct proof proof;
};

void proof_encode(struct buf *out, const struct proof_record *record);
enum err proof_decode(struct proof_record *out, struct span record); // ERR_CORRUPT; points into the record

struct body {
    uint64_t expiry_ms;
    struct item_hash hash;
    const uint8_t *item; // points into the record
};

void body_encode(uint8_t out[static BODY_RECORD_BYTES], const struct body *body);
enum err body_decode(struct body *out, struct span record);

struct token_use {
    struct token_hash token;
    uint16_t quota; // 0: no longer listed, but items of it are left
    uint32_t used;
};

struct mailbox_state {
    uint64_t next_arrival;
    uint64_t policy_version; // 0: no policy
    uint64_t bytes;          // of all its entries; 0: it has none
    uint32_t items;
    uint32_t strangers;
    size_t count;
    struct token_use tokens[STATE_TOKENS_MAX];
};

#define STATE_RECORD_BYTES_MAX (8 + 8 + 8 + 4 + 4 + 1 + STATE_TOKENS_MAX * 22)

size_t state_encode(uint8_t out[static STATE_RECORD_BYTES_MAX], const struct mailbox_state *state);
enum err state_decode(struct mailbox_state *out, struct span record);

struct receipts_record {
    bool has_secret;
    uint8_t secret[DELIVERY_SECRET_BYTES];
    bool has_set;
    struct replica_set set;
    size_t receipt_count;
    struct receipt receipts[REPLICAS_MAX];
};

#define RECEIPTS_RECORD_BYTES_MAX (1 + 32 + 1 + 4 + 1 + 32 * REPLICAS_MAX + 1 + 66 * REPLICAS_MAX)

size_t receipts_encode(uint8_t out[static RECEIPTS_RECORD_BYTES_MAX], const struct receipts_record *record);
enum err receipts_decode(struct receipts_record *out, struct span record);

#define DELIVERY_RECORD_BYTES_MAX (DELIVERY_SECRET_BYTES + 4 + 1 + 32 * REPLICAS_MAX + 32 + 1 + 64)

size_t delivery_encode(uint8_t out[static DELIVERY_RECORD_BYTES_MAX], const struct delivery *delivery);
enum err delivery_decode(struct delivery *out, struct span record);

// The deliveries of an epoch as a whole.
struct delivery_epoch {
    uint32_t count;
    bool closed; // its batch is being made, or was: no more are taken
};

#define DELIVERY_EPOCH_RECORD_BYTES 5

void delivery_epoch_encode(uint8_t out[static DELIVERY_EPOCH_RECORD_BYTES], const struct delivery_epoch *epoch);
enum err delivery_epoch_decode(struct delivery_epoch *out, struct span record);

struct totals {
    uint64_t items;
    uint64_t entries;
    uint64_t bytes;
};

#define TOTALS_RECORD_BYTES 24

void totals_encode(uint8_t out[static TOTALS_RECORD_BYTES], const struct totals *totals);
enum err totals_decode(struct totals *out, struct span record);

#endif
