// The state of the ledger as typed entries. docs/spec/state.md is the specification.
//
// An entry is a key of at most STATE_KEY_BYTES_MAX bytes and a value. It stands in the store under
// KV_SPACE_LEDGER | 's' | key, and in the tree (ledger/tree.h) by the hashes of both. The key begins with its kind:
//
//   a account 32          nonce 8 | balance 8
//   g                     supply 8 | pool 8
//   v                     the validator set of the next height
//   w                     the validator set of the height after that
//   k consensus key 32    operator 32 | from height 8 | until height 8 | slashed 1
//   p operator 32         consensus key 32 | power 8 | expiry height 8
//   s                     count 2 | count x (operator 32 | consensus key 32 | stake 8), operators strictly increasing
//   q                     first 8 | end 8: numbers of the unbonding entries
//   u number 8            account 32 | amount 8 | release_ms 8 | consensus key 32
//   l                     ids of the relays, 32 each, strictly increasing
//   r relay 32            operator 32 | placement 32 | address | first epoch 4 | onion keys 4 x 32 | stake 8
//                         | since epoch 4 | retired epoch 4 | free epoch 4
//   e                     epoch 4 | begin_ms 8 | changed epoch 4 | placed 32
//   d epoch 4             hash of the directory
//   b epoch 4, relay 32   root 32 | count 4 | sampled height 8 | sampled_ms 8 | opened 8
//                         | sample count 1 | sample count x index 4
//   n height 8            batches of that height whose sample is to be drawn: (epoch 4 | relay 32) each
//
// Beside the entries, under KV_SPACE_LEDGER: 'D' epoch 4, the bytes that a directory's hash stands for, and 'M' epoch
// 4, the ids of its relays, strictly increasing.
#ifndef SOTTO_LEDGER_STATE_H
#define SOTTO_LEDGER_STATE_H

#include "ledger/block.h"
#include "ledger/overlay.h"
#include "ledger/validators.h"

#define STATE_KEY_BYTES_MAX 80

struct state_key {
    uint8_t bytes[STATE_KEY_BYTES_MAX];
    size_t n;
};

struct account {
    uint64_t nonce; // of its next transaction; the first has 0
    uint64_t balance;
};

struct supply {
    uint64_t total;
    uint64_t pool; // fees and lost stakes go in, rewards come out
};

// A key that is or was in the validator set. Kept for good: evidence may come late, and a key that was slashed never
// returns.
struct validator_record {
    struct account_id operator;
    uint64_t from_height;  // the first at which it votes
    uint64_t until_height; // the last; UINT64_MAX: it still does
    bool slashed;
};

struct standing_vote {
    struct sign_public key;
    uint64_t power;         // 0: remove it
    uint64_t expiry_height; // the last at which the vote counts
};

#define STAKERS_MAX 200 // twice the set: room for those who wait for a place

struct staker {
    struct account_id operator;
    struct sign_public key;
    uint64_t stake;
};

struct stakers {
    size_t count;
    struct staker stakers[STAKERS_MAX]; // by operator
};

// Entries first .. end - 1 are there, in the order of their release.
struct unbonding_queue {
    uint64_t first;
    uint64_t end;
};

struct unbonding {
    struct account_id account;
    uint64_t amount;
    uint64_t release_ms;    // header time
    struct sign_public key; // of the validator that it stood for, which may yet be slashed; zeros: none
};

#define EPOCH_NONE UINT32_MAX

struct relay_record {
    struct account_id operator;
    struct placement_id placement;
    struct address address;
    struct onion_keys onion;
    uint64_t stake;
    uint32_t since_epoch;   // the first directory it is in; 0: none yet
    uint32_t retired_epoch; // in which it retired; EPOCH_NONE: it has not
    uint32_t free_epoch;    // in which it last had an update for nothing; EPOCH_NONE: never
};

struct epoch_record {
    uint32_t epoch;         // of the next block; 0: the first has not begun
    uint64_t begin_ms;      // header time of the last block of the epoch before
    uint32_t changed_epoch; // the last whose placed relays differ from those of the one before
    struct hash placed;     // of the ids of the placed relays
};

#define SAMPLE_DELAY 2 // heights between a batch and the block whose id draws its sample
#define SAMPLE_MAX 64  // the most that a genesis asks for

// A relay's claim to deliveries of an epoch.
struct delivery_record {
    struct hash root;
    uint32_t count;
    uint64_t sampled_height; // of the block that drew the sample; 0: not drawn yet
    uint64_t sampled_ms;     // and its header time
    uint64_t opened;         // bit i: sample[i] was opened
    uint8_t sample_count;
    uint32_t sample[SAMPLE_MAX];
    struct hash leaf[SAMPLE_MAX]; // of those that were opened: what is opened later must be in order with it
};

#define DELIVERY_VALUE_BYTES_MAX (32 + 4 + 8 + 8 + 8 + 1 + SAMPLE_MAX * (4 + 32))

// Drawn, and every leaf of it opened.
bool delivery_is_open(const struct delivery_record *record);

// Keys and values, for whoever checks a proof (tree_key, tree_value).
void state_account_key(struct state_key *out, const struct account_id *account);
void state_relay_key(struct state_key *out, const struct relay_id *relay);
void state_directory_key(struct state_key *out, uint32_t epoch);
void state_delivery_key(struct state_key *out, uint32_t epoch, const struct relay_id *relay);
enum err state_account_decode(struct account *out, struct span value); // ERR_MALFORMED, as those below
enum err state_relay_decode(struct relay_record *out, struct span value);
enum err state_delivery_decode(struct delivery_record *out, struct span value);
size_t state_delivery_encode(uint8_t out[static DELIVERY_VALUE_BYTES_MAX], const struct delivery_record *record);
struct span state_key_span(const struct state_key *key);

// Reading. False: there is no such entry, and `out` is zeroed. Damage shows in overlay_failed.
bool state_account(struct overlay *overlay, struct account *out, const struct account_id *id);
bool state_supply(struct overlay *overlay, struct supply *out);
bool state_validators(struct overlay *overlay, struct validator_set *out);      // of the next height
bool state_validators_next(struct overlay *overlay, struct validator_set *out); // of the one after it
bool state_validator(struct overlay *overlay, struct validator_record *out, const struct sign_public *key);
bool state_vote(struct overlay *overlay, struct standing_vote *out, const struct account_id *operator);
bool state_stakers(struct overlay *overlay, struct stakers *out);
bool state_queue(struct overlay *overlay, struct unbonding_queue *out);
bool state_unbonding(struct overlay *overlay, struct unbonding *out, uint64_t number);
bool state_relay(struct overlay *overlay, struct relay_record *out, const struct relay_id *id);
bool state_epoch(struct overlay *overlay, struct epoch_record *out);
bool state_directory_hash(struct overlay *overlay, struct hash *out, uint32_t epoch);
bool state_directory_bytes(struct overlay *overlay, struct span *out, uint32_t epoch); // holds until written
bool state_delivery(struct overlay *overlay, struct delivery_record *out, uint32_t epoch, const struct relay_id *relay);
size_t state_relay_count(struct overlay *overlay);
// A copy of the list, to be freed; `count` is set.
struct relay_id *state_relays(struct overlay *overlay, size_t *count);
// Whether the directory of an epoch lists the relay. Known of the last DIRECTORIES_KEPT epochs.
bool state_is_listed(struct overlay *overlay, uint32_t epoch, const struct relay_id *relay);
// Batches noted at a height, each BATCH_REF_BYTES: epoch 4 | relay 32.
bool state_noted(struct overlay *overlay, struct span *out, uint64_t height);

#define DIRECTORIES_KEPT 4 // this epoch's, the next one's while it begins, and two that are being paid
#define BATCH_REF_BYTES (4 + 32)

// Writing.
void state_set_account(struct overlay *overlay, const struct account_id *id, const struct account *account);
void state_set_supply(struct overlay *overlay, const struct supply *supply);
void state_set_validators(struct overlay *overlay, const struct validator_set *set);
void state_set_validators_next(struct overlay *overlay, const struct validator_set *set);
void state_set_validator(struct overlay *overlay, const struct sign_public *key, const struct validator_record *record);
void state_set_vote(struct overlay *overlay, const struct account_id *operator, const struct standing_vote * vote);
void state_delete_vote(struct overlay *overlay, const struct account_id *operator);
void state_set_stakers(struct overlay *overlay, const struct stakers *stakers);
void state_set_queue(struct overlay *overlay, const struct unbonding_queue *queue);
void state_set_unbonding(struct overlay *overlay, uint64_t number, const struct unbonding *unbonding);
void state_delete_unbonding(struct overlay *overlay, uint64_t number);
void state_add_relay(struct overlay *overlay, const struct relay_id *id, const struct relay_record *record);
void state_set_relay(struct overlay *overlay, const struct relay_id *id, const struct relay_record *record);
void state_delete_relay(struct overlay *overlay, const struct relay_id *id);
void state_set_epoch(struct overlay *overlay, const struct epoch_record *record);
// The directory of an epoch: its hash as an entry, its bytes and its relays' ids beside the entries. `previous` is the
// epoch of the last one before, 0: none. Those that are DIRECTORIES_KEPT epochs old go.
void state_set_directory(struct overlay *overlay, uint32_t previous, uint32_t epoch, struct span bytes,
                         struct span relay_ids);
void state_set_delivery(struct overlay *overlay, uint32_t epoch, const struct relay_id *relay,
                        const struct delivery_record *record);
void state_delete_delivery(struct overlay *overlay, uint32_t epoch, const struct relay_id *relay);
void state_note(struct overlay *overlay, uint64_t height, struct span refs); // empty: none

// Whether the grains in what changed are as many as before, and each sum in its bounds.
bool state_is_conserved(const struct overlay *overlay);
// Brings the tree up to date with the entries that changed. Once per overlay, after the last write.
void state_commit(struct hash *root, struct overlay *overlay);

// H("sotto directory hash 1", bytes): what a directory's entry holds.
void state_directory_hash_of(struct hash *out, struct span bytes);

#endif
