// What is asked of the ledger, and what comes back: the semantic form behind the REST API.
//
// An error is ERR_NOT_FOUND, ERR_UNAVAILABLE (not started yet, or stopped for good), ERR_FULL (too many watch), or of
// LEDGER_SUBMIT: ERR_MALFORMED, ERR_NETWORK, ERR_AUTH, or ERR_REFUSED with the mempool's verdict.
#ifndef SOTTO_LEDGER_REQUEST_H
#define SOTTO_LEDGER_REQUEST_H

#include "ledger/execute.h"
#include "ledger/mempool.h"

#define LEDGER_LIST_MAX 200

enum ledger_op {
    LEDGER_CHAIN,      // head, consensus state, peers
    LEDGER_BLOCK,      // by height or id
    LEDGER_TX,         // by id: where it stands, with its proof
    LEDGER_SUBMIT,     // tx; answered when it waits, or with wait_final when a block has it (or it cannot get there)
    LEDGER_ACCOUNT,    // by key
    LEDGER_TXS,        // of an account, newest first: cursor (0: from the newest), limit
    LEDGER_VALIDATORS, // of the next height
    LEDGER_RELAYS,     // registered: cursor (0: from the first), limit
    LEDGER_RELAY,      // by key
    LEDGER_MEMPOOL,    // limit
    LEDGER_WATCH,      // a stream of struct ledger_note; answered only when it is refused
};

struct ledger_request {
    uint64_t id; // the caller's; unique among those unanswered
    enum ledger_op op;
    bool by_height;
    bool wait_final;
    uint64_t height;
    struct block_id block;
    struct tx_id tx_id;
    uint8_t key[32]; // an account's or relay's
    struct span tx;  // valid during the step
    uint64_t cursor;
    uint32_t limit;
    uint64_t deadline_ms; // mono_ms until which wait_final waits
};

enum tx_status {
    TX_UNKNOWN, // neither waiting here nor in a block
    TX_PENDING, // in the mempool: a promise of nothing
    TX_FINAL,   // in a block that stands; what it did is its outcome
};

struct ledger_tx_record {
    enum tx_status status;
    struct tx_id id;
    uint64_t height; // of its block, when final
    uint32_t index;
    enum tx_outcome outcome;
    struct buf bytes;
    size_t path_count; // of the proof that its id is under the block's tx_root
    struct hash path[MERKLE_PATH_MAX];
    uint32_t tx_count; // leaves of that tree
};

struct ledger_account_record {
    bool exists;
    struct account account;
    uint64_t next_nonce; // after those that wait
};

struct ledger_chain_record {
    struct network_id network;
    enum consensus consensus;
    uint64_t fee_min;
    uint64_t relay_stake_min;
    uint64_t validator_stake_min; // pos
    uint64_t height;              // of the head, which is final; 0: genesis
    struct block_id id;
    struct hash state_root; // after the head
    uint64_t time_ms;
    uint32_t epoch;
    uint64_t consensus_height;
    uint32_t round;
    const char *step; // "propose", "prevote", "precommit"; "following" or "syncing" without a vote
    bool validator;   // has a key in the current set
    bool syncing;
    uint64_t peer_height; // the highest that a peer claims: a hint only
    uint32_t peers;
    size_t mempool_count, mempool_bytes;
};

struct ledger_relay_record {
    uint8_t id[32];
    struct relay_record relay;
    struct account account;
    uint64_t deliveries; // in batches that were paid, since this node began to follow the chain
    uint64_t rewards;    // paid for them
    bool has_batch;      // one that is being proven, or the last that was
    uint32_t batch_epoch;
    struct delivery_record batch;
};

struct ledger_answer {
    uint64_t id;
    enum ledger_op op;
    enum err err;
    const char *reason; // text for a person when err is set, or why it came before wait_final's end; static
    struct ledger_chain_record chain;
    struct buf block, certificate; // encoded
    struct block_id block_id;
    struct ledger_tx_record tx;
    enum mempool_verdict verdict; // of LEDGER_SUBMIT, when err is OK or ERR_REFUSED
    struct ledger_account_record account;
    struct validator_set validators;
    size_t relay_count;
    struct ledger_relay_record *relays; // owned
    size_t tx_count;
    struct ledger_tx_record *txs; // owned
    bool more;                    // there are further ones: ask with `cursor`
    uint64_t cursor;
};

void ledger_answer_clear(struct ledger_answer *answer); // frees what it holds

// What subscribers are told: a block, each of its transactions, and what else it brought about.
enum ledger_note_kind {
    LEDGER_NOTE_BLOCK,
    LEDGER_NOTE_TX,
    LEDGER_NOTE_BATCH, // after its transaction, when that was done
    LEDGER_NOTE_EVENT,
};

struct ledger_note {
    enum ledger_note_kind kind;
    uint64_t height;
    uint64_t time_ms; // the block's
    struct block_id block;
    uint32_t tx_count;
    struct tx_id tx;
    enum tx_kind tx_kind;
    struct account_id sender; // of the transaction; of a batch: the relay
    enum tx_outcome outcome;
    uint32_t batch_epoch;
    uint32_t batch_count; // of deliveries
    struct ledger_event event;
};

#endif
