// Execution of blocks: a pure function of the state below an overlay and the block. The same block over the same state
// gives the same writes on every node, or the same refusal.
//
//   begin     unbonding stake that is due is released
//   each tx   admitted (nonce, fee), then by its kind: done, or failed with the fee charged
//   end       samples are drawn; at an epoch's last block deliveries are paid, the set of validators (pos) and the next
//             directory are fixed; the validator sets move on by a height; the tree follows
//
// Signatures are not looked at here, nor is what a transaction needs no state for: tx_check and tx_verify come before,
// the latter as jobs. Nor are certificates. State rules know header time and height only, never a clock.
#ifndef SOTTO_LEDGER_EXECUTE_H
#define SOTTO_LEDGER_EXECUTE_H

#include "ledger/state.h"

// What became of a transaction. X(name, text). TX_DONE and TX_FAILED_...: the fee was charged, the nonce is used.
// TX_REFUSED_...: it cannot stand in a block here.
#define TX_OUTCOME_LIST(X)                                                       \
    X(TX_DONE, "done")                                                           \
    X(TX_FAILED_FUNDS, "the balance is too small")                               \
    X(TX_FAILED_CONSENSUS, "not in a network of this kind of consensus")         \
    X(TX_FAILED_KEY, "this validator key cannot be used")                        \
    X(TX_FAILED_STAKE, "less than the least stake")                              \
    X(TX_FAILED_FULL, "no place is left")                                        \
    X(TX_FAILED_EXISTS, "registered already")                                    \
    X(TX_FAILED_RELAY, "the sender is not a registered relay")                   \
    X(TX_FAILED_RETIRED, "the relay has retired")                                \
    X(TX_FAILED_KEYS, "onion keys of the wrong epochs")                          \
    X(TX_FAILED_VALIDATOR, "the sender operates no validator")                   \
    X(TX_FAILED_EXPIRED, "expired")                                              \
    X(TX_FAILED_SET, "the set of validators cannot change so")                   \
    X(TX_FAILED_CHANGED, "this block has changed the set of validators already") \
    X(TX_FAILED_EPOCH, "not in this epoch")                                      \
    X(TX_FAILED_LISTED, "not in the directory of that epoch")                    \
    X(TX_FAILED_SAMPLE, "not a leaf that is to be opened")                       \
    X(TX_FAILED_PROOF, "the leaf is not in the batch, or not of this secret")    \
    X(TX_FAILED_RECEIPT, "no receipt of another relay of that epoch")            \
    X(TX_REFUSED_NONCE, "not the next nonce of its sender")                      \
    X(TX_REFUSED_FEE, "the sender cannot pay the fee, or this one is not free")  \
    X(TX_REFUSED_FAILS, "it would fail, and pays nothing for that")              \
    X(TX_REFUSED_EVIDENCE, "not against a validator of that height, or committed before")

enum tx_outcome {
#define TX_OUTCOME_ENUM(name, text) name,
    TX_OUTCOME_LIST(TX_OUTCOME_ENUM)
#undef TX_OUTCOME_ENUM
};

const char *tx_outcome_text(enum tx_outcome outcome);

// What a block brought about besides its transactions, in order.
enum ledger_event_kind {
    LEDGER_SET_CHANGED,       // the validator set of height + 2 differs from that of height + 1
    LEDGER_EPOCH_BEGINS,      // `epoch`, with the next block; its directory is fixed
    LEDGER_VALIDATOR_SLASHED, // `id`: its consensus key; `amount`: lost at once
    LEDGER_RELAY_SLASHED,     // `id`, `epoch` of the batch, `amount` lost
    LEDGER_RELAY_PAID,        // `id`, `epoch` of the batch, `amount`
    LEDGER_RELAY_GONE,        // `id`: retired and paid, its stake (`amount`) unbonds
};

struct ledger_event {
    enum ledger_event_kind kind;
    uint8_t id[32];
    uint32_t epoch;
    uint64_t amount;
};

struct executed {
    struct hash state_root;    // what the next block's header must carry
    enum tx_outcome *outcomes; // one a transaction
    size_t tx_count;
    struct ledger_event *events;
    size_t event_count;
};

// Makes the state before block 1. The genesis has a ledger, and its supply is in bounds: it was parsed.
enum err execute_genesis(struct hash *state_root, struct overlay *overlay, const struct genesis *genesis);

// Fills what a header takes from the state: network, epoch, state root, both validator hashes, from the state as it is
// after the parent.
void execute_fill_header(struct block_header *header, struct overlay *overlay, const struct genesis *genesis);

// Executes `block` on the state after its parent, as the fresh `overlay` shows it; the overlay then has all writes and
// their inverse. ERR_INVALID: the header does not fit this state, a transaction is malformed, fails its check without
// state, or is refused; `why` (may be NULL) says it. Any other error is of the store. After an error nothing of the
// overlay may be used. That the header follows its parent's (height, id, time) is for the caller to check.
enum err execute_block(struct executed *out, struct overlay *overlay, const struct genesis *genesis,
                       const struct block *block, const char **why);
void executed_free(struct executed *executed);

// Of the candidates, in the order in which they would stand, sets taken[i] for those that a block with this header (of
// which the height and the time are read) may hold, up to the bounds of a block. They passed tx_check and tx_verify.
// Returns their number. The overlay is used up.
size_t execute_filter(bool *taken, struct overlay *overlay, const struct genesis *genesis,
                      const struct block_header *header, const struct span *candidates, size_t count);

// Whether the state grants this relay's transaction without a fee: one update an epoch, its batch, the openings of its
// sample, so that an empty account silences nobody. For a mempool; one that would fail is refused all the same.
bool execute_is_free(struct overlay *overlay, const struct tx *tx);
// Whether evidence can count in a block of that height or a later one.
bool execute_accuses(struct overlay *overlay, const struct evidence *evidence, uint64_t height);

// The header time at which a block is due even if no transaction waits: the end of the epoch or a release of stake.
// UINT64_MAX: none. And whether the block at `height` has samples to draw.
uint64_t execute_due_ms(struct overlay *overlay, const struct genesis *genesis);
bool execute_is_sample_due(struct overlay *overlay, uint64_t height);

#endif
