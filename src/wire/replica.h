// Messages between the replicas of a mailbox, on the links between relays. The bodies of the message kinds 64 to 95.
// docs/spec/replication.md is the specification.
//
// clang-format off
//   REPLICATE  id 8 | set | mailbox 32 | expiry_ms 8 | token 32 | stamp 8 | item 1,504     store this and sign a receipt
//   RECEIPT    id 8 | status 1 | epoch 4 | index 1 | rank 1 | signature 64                 the answer
//   RECEIPTS   mailbox 32 | item hash 32 | set | count 1 | n x (index 1 | rank 1 | signature 64)   for the other's keeping
//   OWNED      id 8 | replica 32 | a DELETE or POLICY operation as its owner signed it for that replica
//   ITEM       id 8 | mailbox 32 | expiry_ms 8 | token hash 16 | stamp 8 | item 1,504      repair: keep this
//   DONE       id 8 | status 1                                                             OWNED or ITEM is durable, or not
//   ROOT       membership 4 | root 32                                                      all digests in one
//   DIGESTS    membership 4 | 512 x digest 32                                              of what two homes share
//   DIFFER     membership 4 | bits 64                                                      the buckets that differ
//   OFFER      id 8 | count 2 | n x (kind 1 | mailbox 32 | item hash 32 | number 8)        what I hold
//   ANSWER     id 8 | count 2 | n x answer 1                                               which of it I want
//   set        epoch 4 | count 1 | n x relay 32
// clang-format on
#ifndef SOTTO_WIRE_REPLICA_H
#define SOTTO_WIRE_REPLICA_H

#include "wire/message.h"
#include "wire/op.h"

enum replica_kind {
    REPLICA_REPLICATE = MESSAGE_REPLICA_FIRST,
    REPLICA_RECEIPT,
    REPLICA_RECEIPTS,
    REPLICA_OWNED,
    REPLICA_ITEM,
    REPLICA_DONE,
    REPLICA_ROOT,
    REPLICA_DIGESTS,
    REPLICA_DIFFER,
    REPLICA_OFFER,
    REPLICA_ANSWER,
};

// What a replica can hold under (mailbox, item hash).
enum entry_kind {
    ENTRY_ITEM = 1,      // number: its expiry
    ENTRY_TOMBSTONE = 2, // number: its expiry
    ENTRY_POLICY = 3,    // the item hash is zeros; number: its version
};

enum offer_answer {
    OFFER_HAVE = 0,   // held, or deleted
    OFFER_WANT = 1,   // send it
    OFFER_REFUSE = 2, // not a replica of this mailbox, expired, or no space
};

#define REPAIR_BUCKETS 512 // by the first 9 bits of the mailbox
#define REPAIR_DIGEST_BYTES 32
#define OFFER_ENTRIES_MAX 128
#define OFFER_ENTRY_BYTES (1 + 32 + 32 + 8)

struct offer_entry {
    enum entry_kind kind;
    struct mailbox_id mailbox;
    struct item_hash item;
    uint64_t number;
};

// A decoded message; spans point into the input. Which fields count is told by the kind, see above.
struct replica_message {
    enum replica_kind kind;
    uint64_t id;
    enum op_status status;
    uint32_t epoch; // RECEIPT: of the signer's current directory; ROOT, DIGESTS, DIFFER: the membership's changed_epoch
    struct replica_set set;
    struct mailbox_id mailbox;
    struct item_hash hash; // RECEIPTS
    uint64_t expiry_ms;
    struct write_token token;     // REPLICATE
    struct token_hash token_hash; // ITEM; zeros: a stranger's
    uint64_t stamp;               // REPLICATE, ITEM
    const uint8_t *item;          // ITEM_BYTES
    size_t receipt_count;         // RECEIPT: 1 with status OK, else 0
    struct receipt receipts[REPLICAS_MAX];
    struct relay_id replica; // OWNED: whom the owner addressed
    struct span operation;   // OWNED
    const uint8_t *digests;  // ROOT: REPAIR_DIGEST_BYTES; DIGESTS: REPAIR_BUCKETS x as many
    const uint8_t *buckets;  // DIFFER: REPAIR_BUCKETS bits, the highest of a byte first
    size_t count;            // OFFER, ANSWER
    struct offer_entry entries[OFFER_ENTRIES_MAX];
    uint8_t answers[OFFER_ENTRIES_MAX];
};

// ERR_MALFORMED for anything but exactly one well-formed message (with its kind byte) and nothing behind it.
enum err replica_decode(struct replica_message *out, struct span message);
// Replaces the contents of `out`.
void replica_encode(struct buf *out, const struct replica_message *message);

#endif
