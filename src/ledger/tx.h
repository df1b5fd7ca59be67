// Transactions. docs/spec/ledger.md, "Transactions", is the specification.
//
//   version 1 | network 32 | kind 1 | sender 32 | nonce 8 | fee 8 | body length 2 | body | signature 64
//
//   1 transfer        to 32 | amount 8
//   2 stake           consensus key 32 | amount 8 | proof of possession 64
//   3 unstake         amount 8
//   4 register_relay  relay 32 | address | onion keys | stake 8 | deposit 8 | co-signature of the relay 64
//   5 update_relay    address | onion keys                                             sender: the relay
//   6 retire_relay    nothing                                                          sender: the relay
//   7 validator_vote  consensus key 32 | power 8 | expiry height 8                     sender: an operator
//   8 delivery_batch  epoch 4 | root 32 | count 4                                      sender: the relay
//   9 opening         epoch 4 | index 4 | leaf | neighbours 1 | neighbour | neighbour  sender: the relay
//                     | secret 32 | replica set | inner 32 | signer 1 | signature 64
//  10 evidence        two conflicting votes or proposals                               anybody's, all else zero
//
//   address     host length 1 | host | port 2           onion keys   first epoch 4 | 4 x 32, none of them zero
//   leaf        leaf 32 | path count 1 | count x 32     replica set  epoch 4 | count 1 | count x relay 32
//   neighbours  bit 0: the one before follows, bit 1: the one after follows
#ifndef SOTTO_LEDGER_TX_H
#define SOTTO_LEDGER_TX_H

#include "crypto/merkle.h"
#include "ledger/ids.h"
#include "ledger/vote.h"
#include "wire/directory.h"
#include "wire/op.h"

#define TX_BYTES_MAX 8192
#define TX_HEAD_BYTES (1 + 32 + 1 + 32 + 8 + 8 + 2)
#define TX_BYTES_MIN (TX_HEAD_BYTES + 64)

#define GRAINS_PER_SOT UINT64_C(1000000)

enum tx_kind {
    TX_TRANSFER = 1,
    TX_STAKE = 2,
    TX_UNSTAKE = 3,
    TX_REGISTER_RELAY = 4,
    TX_UPDATE_RELAY = 5,
    TX_RETIRE_RELAY = 6,
    TX_VALIDATOR_VOTE = 7,
    TX_DELIVERY_BATCH = 8,
    TX_OPENING = 9,
    TX_EVIDENCE = 10,
};

struct tx_transfer {
    struct account_id to;
    uint64_t amount;
};

struct tx_stake {
    struct sign_public key; // under which the sender validates
    uint64_t amount;
    struct signature proof; // the key's: "sotto stake 1", network, sender, key
};

struct tx_unstake {
    uint64_t amount;
};

struct tx_register_relay {
    struct relay_id relay;
    struct address address;
    struct onion_keys onion;
    uint64_t stake;
    uint64_t deposit;             // moved to the relay's account, which pays for its transactions
    struct signature cosignature; // the relay's: "sotto register 1", network, sender, nonce, the body before it
};

struct tx_update_relay {
    struct address address;
    struct onion_keys onion;
};

struct tx_validator_vote {
    struct sign_public key;
    uint64_t power; // 0: remove it
    uint64_t expiry_height;
};

struct tx_delivery_batch {
    uint32_t epoch;
    struct hash root; // static Merkle tree of strictly increasing leaves
    uint32_t count;   // at least 1
};

struct tx_leaf {
    struct hash leaf;
    struct merkle_path path; // into the transaction's bytes
};

struct tx_opening {
    uint32_t epoch;
    uint32_t index;
    struct tx_leaf leaf;
    bool has_before, has_after;
    struct tx_leaf before, after;
    uint8_t secret[DELIVERY_SECRET_BYTES];
    struct replica_set set; // of the receipt; the sender is in it
    struct hash inner;      // H("sotto receipt inner 1", ...): hides mailbox, item, expiry and rank
    uint8_t signer;         // of the receipt: index into the set, not the sender's
    struct signature receipt;
};

struct tx {
    struct network_id network;
    enum tx_kind kind;
    struct account_id sender;
    uint64_t nonce;
    uint64_t fee;
    union {
        struct tx_transfer transfer;
        struct tx_stake stake;
        struct tx_unstake unstake;
        struct tx_register_relay register_relay;
        struct tx_update_relay update_relay;
        struct tx_validator_vote validator_vote;
        struct tx_delivery_batch delivery_batch;
        struct tx_opening opening;
        struct evidence evidence;
    };
    struct signature signature; // domain "sotto tx 1"
};

const char *tx_kind_text(enum tx_kind kind); // "transfer", "register_relay" ...

// ERR_MALFORMED for anything but exactly one canonical transaction. The paths of an opening point into `bytes`.
enum err tx_decode(struct tx *out, struct span bytes);
size_t tx_encode(uint8_t out[static TX_BYTES_MAX], const struct tx *tx); // with the signatures that are there
void tx_id_of(struct tx_id *out, struct span bytes);                     // of a transaction's whole encoding

// Fills the relay's co-signature of a registration, whose sender and nonce are final. Comes before tx_sign.
void tx_cosign(struct tx *tx, const struct sign_secret *relay);
// Fills the proof of a stake, whose network, sender and key are final, with the consensus key's secret. Before tx_sign.
void tx_prove_key(struct tx *tx, const struct sign_secret *key);
void tx_sign(struct tx *tx, const struct sign_secret *sender); // fills the signature

// What a network asks of every transaction.
struct tx_rules {
    struct network_id network;
    uint64_t fee_min;
};

// The checks that need neither state nor signatures. ERR_NETWORK; ERR_INVALID: an amount of 0 or over GRAINS_MAX, a fee
// below the least (relays' updates, batches and openings may have none: the state says which are free), an opening
// whose receipt is not of another relay of a set with the sender in it, evidence that is not all zero beside its body.
enum err tx_check(const struct tx *tx, const struct tx_rules *rules);
// ERR_AUTH unless all its signatures are right: the sender's, and by kind the consensus key's, the relay's, the
// receipt's, the accused's.
enum err tx_verify(const struct tx *tx);

#endif
