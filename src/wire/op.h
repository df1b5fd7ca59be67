// Mailbox operations: what an onion packet's payload asks a replica to do, and what comes back through a SURB.
// docs/spec/mailbox.md is the specification.
//
//   operation   op 1 | directory epoch 4 | mailbox 32 | by kind:
//     STORE     expiry_ms 8 | token 32 | stamp 8 | item 1,504 | SURB 434                        = 2,023
//     owner's   time_ms 8 | arguments | SURB count 1 | SURBs n x 434 | signature 64
//       FETCH      arguments: cursor 8                                   1 to 4 SURBs: one item per reply
//       SUBSCRIBE  arguments: cursor 8 | wait_ms 4                       1 to 4 SURBs: pushes
//       DELETE     arguments: stamp 8 | count 1 | count x (item hash 32 | delivery secret 32)   1 SURB
//       POLICY     arguments: stamp 8 | version 8 | count 1 | count x (token hash 16 | quota 2) 1 SURB
//
//   reply   op 1 | status 1 | directory epoch 4 | clock_ms 8 | by op when status is OK:
//     STORE     receipt epoch 4 | set count 1 | set n x 32 | receipt count 1 | receipts n x (index 1 | rank 1 | sig 64)
//     FETCH, SUBSCRIBE   cursor 8 | expiry_ms 8 | waiting 4 | SURBs left 1 | has item 1 | item 1,504 if so
//     DELETE, POLICY     nothing
//   with status WRONG_EPOCH: current epoch is in the head. BAD_TIME: so is the clock. STAMP: bits wanted 1.
#ifndef SOTTO_WIRE_OP_H
#define SOTTO_WIRE_OP_H

#include "base/cursor.h"
#include "crypto/sphinx.h"
#include "wire/ids.h"

#define ITEM_BYTES 1504
#define ITEM_COMMITMENT_BYTES 32
#define ITEM_SEALED_BYTES (ITEM_BYTES - ITEM_COMMITMENT_BYTES)
#define DELIVERY_SECRET_BYTES 32
#define OP_SURBS_MAX 4
#define DELETE_ITEMS_MAX 8
#define POLICY_TOKENS_MAX 64
#define REPLICAS_MAX 3
#define WAIT_MS_MAX 60000
#define STAMP_BITS_MAX 40 // days of one core: more would only keep strangers out

enum op_kind { OP_STORE = 1, OP_FETCH = 2, OP_SUBSCRIBE = 3, OP_DELETE = 4, OP_POLICY = 5 };

enum op_status {
    OP_OK = 0,
    OP_WRONG_EPOCH = 1,  // neither the replica's current directory nor the one before
    OP_NOT_REPLICA = 2,  // this relay does not hold that mailbox
    OP_BAD_TIME = 3,     // the signed time is over 5 min off the replica's clock
    OP_SEEN = 4,         // this signed request was executed already
    OP_REFUSED = 5,      // bad signature, or a token the policy does not list
    OP_STAMP = 6,        // a stranger's store, or an owner's change, without a sufficient stamp
    OP_MAILBOX_FULL = 7, // this token's quota is used up, or the mailbox takes all the space that one may
    OP_RELAY_FULL = 8,   // the relay has no space
    OP_EXPIRY = 9,       // expired, or beyond the longest lifetime
    OP_NO_QUORUM = 10,   // stored here, but too few other replicas answered in time: send it again
    OP_LIMIT = 11,       // too many subscriptions
};

struct policy_entry {
    struct token_hash token;
    uint16_t quota; // items that this token's holder may have waiting
};

struct delete_entry {
    struct item_hash item;
    uint8_t secret[DELIVERY_SECRET_BYTES]; // opens the item's commitment; zeros when the item could not be opened
};

// A decoded operation; spans and SURBs point into the input.
struct op {
    enum op_kind kind;
    uint32_t epoch;
    struct mailbox_id mailbox;
    // STORE
    uint64_t expiry_ms;
    struct write_token token;
    const uint8_t *item; // ITEM_BYTES
    // STORE: a stranger's, of the item; DELETE, POLICY: of the mailbox
    uint64_t stamp;
    // the owner's requests
    uint64_t time_ms;
    uint64_t cursor;
    uint32_t wait_ms;
    uint64_t version;
    size_t count;
    struct delete_entry deletes[DELETE_ITEMS_MAX];
    struct policy_entry policy[POLICY_TOKENS_MAX];
    struct signature signature;
    struct span signed_part; // op to the last SURB: what the signature covers besides the domain, network and replica
    // all
    size_t surb_count;
    const uint8_t *surbs[OP_SURBS_MAX]; // SPHINX_SURB_BYTES each
};

#define OP_BYTES_MAX SPHINX_BODY_BYTES
#define OP_DELETE_BYTES_MAX 1065

// ERR_MALFORMED for anything but exactly one well-formed operation with nothing behind it.
enum err op_decode(struct op *out, struct span body);
// Encodes `op`; the owner's requests are signed with `owner` for `replica` (NULL for STORE). Returns the length.
size_t op_encode(uint8_t out[static OP_BYTES_MAX], const struct op *op, const struct network_id *network,
                 const struct relay_id *replica, const struct sign_secret *owner);
// ERR_AUTH unless the mailbox's owner signed this operation for this network and replica.
// Covers: "sotto owner 1", network, replica, signed part (which holds epoch, mailbox, operation, time, arguments,
// SURBs).
enum err op_verify(const struct op *op, const struct network_id *network, const struct relay_id *replica);

// H("sotto item 1", network, mailbox, expiry, item).
void item_hash_of(struct item_hash *out, const struct network_id *network, const struct mailbox_id *mailbox,
                  uint64_t expiry_ms, const uint8_t item[static ITEM_BYTES]);
// C = H("sotto delivery", s).
void commitment_of(uint8_t out[static ITEM_COMMITMENT_BYTES], const uint8_t secret[static DELIVERY_SECRET_BYTES]);
// A stamp is a u64 such that H("sotto stamp 1", network, mailbox, item hash, stamp) starts with `bits` zero bits.
bool stamp_fits(uint64_t stamp, unsigned bits, const struct network_id *network, const struct mailbox_id *mailbox,
                const struct item_hash *item);
// A mailbox's stamp is the same with H("sotto mailbox stamp 1", network, mailbox, stamp): found once for each mailbox.
bool mailbox_stamp_fits(uint64_t stamp, unsigned bits, const struct network_id *network,
                        const struct mailbox_id *mailbox);

struct receipt {
    uint8_t index; // of the signer in the set
    uint8_t rank;  // its placement rank for the mailbox
    struct signature signature;
};

// A set of replicas as chosen by the one that executes a store.
struct replica_set {
    uint32_t epoch; // of the directory the ranks are from
    size_t count;
    struct relay_id relays[REPLICAS_MAX];
};

struct reply {
    enum op_kind kind;
    enum op_status status;
    uint32_t epoch;
    uint64_t clock_ms;
    // STORE
    struct replica_set set;
    size_t receipt_count;
    struct receipt receipts[REPLICAS_MAX];
    // FETCH, SUBSCRIBE
    uint64_t cursor; // of this item, or where the scan ended
    uint64_t expiry_ms;
    uint32_t waiting; // items behind this one
    uint8_t surbs_left;
    const uint8_t *item; // NULL: none
    // STAMP
    uint8_t stamp_bits;
};

// Parts that replies, messages between replicas and stored records share. Readers fail on a count or an index out of
// bounds.
void replica_set_write(struct writer *w, const struct replica_set *set); // epoch 4 | count 1 | n x relay 32
void replica_set_read(struct reader *r, struct replica_set *set);
void receipt_write(struct writer *w, const struct receipt *receipt); // index 1 | rank 1 | signature 64
void receipt_read(struct reader *r, struct receipt *receipt);

enum err reply_decode(struct reply *out, struct span body);
size_t reply_encode(uint8_t out[static OP_BYTES_MAX], const struct reply *reply);

// H("sotto receipt inner 1", mailbox, item hash, expiry, rank): hides them from whoever is shown the receipt to prove a
// delivery.
void receipt_inner_of(struct hash *out, uint8_t rank, const struct mailbox_id *mailbox, const struct item_hash *item,
                      uint64_t expiry_ms);
// What a receipt signs: "sotto receipt 1", network, set epoch, commitment, set, H("sotto receipt inner 1", mailbox,
// item hash, expiry, rank).
void receipt_sign(struct receipt *receipt, const struct sign_secret *relay, const struct network_id *network,
                  const struct replica_set *set, const uint8_t commitment[static ITEM_COMMITMENT_BYTES],
                  const struct mailbox_id *mailbox, const struct item_hash *item, uint64_t expiry_ms);
// Checks one receipt's signature against set->relays[receipt->index]. ERR_AUTH. The rank is for the caller to check.
enum err receipt_verify(const struct receipt *receipt, const struct network_id *network, const struct replica_set *set,
                        const uint8_t commitment[static ITEM_COMMITMENT_BYTES], const struct mailbox_id *mailbox,
                        const struct item_hash *item, uint64_t expiry_ms);

// The same of a receipt that was opened on the ledger, where only the inner hash is known; `signer` is the index in the
// set. ERR_AUTH.
enum err receipt_verify_inner(const struct signature *signature, size_t signer, const struct network_id *network,
                              const struct replica_set *set, const uint8_t commitment[static ITEM_COMMITMENT_BYTES],
                              const struct hash *inner);
// What proves a delivery to the ledger: the secret that an item's recipient revealed, and another replica's receipt,
// with its inner hash in place of mailbox and item. The relay that was paid for it is in the set, and not the signer.
struct delivery {
    uint8_t secret[DELIVERY_SECRET_BYTES];
    struct replica_set set;
    struct hash inner;
    uint8_t signer; // index into the set
    struct signature receipt;
};

// A leaf of relay Q's delivery batch for the secret s of an item: H("sotto delivery leaf 1", s, Q).
void delivery_leaf_of(struct hash *out, const uint8_t secret[static DELIVERY_SECRET_BYTES],
                      const struct relay_id *relay);

#endif
