// What the files that execute a block share. Private to them.
//
//   execute.c      the block, its transactions in order, transfers
//   staking.c      stake, unbonding, the validator set by stake or by vote, evidence
//   relays.c       registration, update, retirement
//   deliveries.c   batches, samples, openings, what is paid and lost for them
//   epoch.c        the end of an epoch, the directory
#ifndef SOTTO_LEDGER_EXECUTION_H
#define SOTTO_LEDGER_EXECUTION_H

#include "ledger/execute.h"

// A block under execution.
struct execution {
    struct overlay *overlay;
    const struct genesis *genesis;
    const struct block_header *header;
    struct block_id id; // zeros while candidates are tried: nothing that decides on them depends on it
    struct supply supply;
    struct epoch_record epoch;
    struct validator_set now;    // of this height
    struct validator_set next;   // of the next
    struct validator_set future; // of the one after, as far as this block has come
    bool vote_passed;            // a vote has changed `future`
    struct buf batches;          // noted for their sample: epoch 4 | relay 32 each
    struct executed *out;        // events go there
    size_t event_capacity;
};

// ---- execute.c ----

void execution_event(struct execution *x, enum ledger_event_kind kind, const uint8_t *id, uint32_t epoch,
                     uint64_t amount);
void account_credit(struct execution *x, const struct account_id *id, uint64_t amount);
bool account_debit(struct execution *x, const struct account_id *id, uint64_t amount); // false: too little there
// floor(amount * part / whole); all below 2^63, whole not 0, part at most twice the whole.
uint64_t grains_share(uint64_t amount, uint64_t part, uint64_t whole);

// ---- staking.c ----

enum tx_outcome stake_execute(struct execution *x, const struct tx *tx);
enum tx_outcome unstake_execute(struct execution *x, const struct tx *tx);
enum tx_outcome vote_execute(struct execution *x, const struct tx *tx);
enum tx_outcome evidence_execute(struct execution *x, const struct tx *tx); // TX_DONE or TX_REFUSED_EVIDENCE
// The amount returns to the account after the unbonding time. `key`: NULL, or of the validator that it stood for.
void unbond(struct execution *x, const struct account_id *account, uint64_t amount, const struct sign_public *key);
void release_due(struct execution *x);
// More stake of an operator that is in the list, or a place in it, which there must be.
void stakers_add(struct stakers *stakers, const struct account_id *operator, const struct sign_public * key,
                 uint64_t amount);
void set_by_stake(struct execution *x); // the future set, at the end of an epoch (pos)
void sets_move_on(struct execution *x); // at the end of the block

// ---- relays.c ----

enum tx_outcome register_execute(struct execution *x, const struct tx *tx);
enum tx_outcome update_execute(struct execution *x, const struct tx *tx);
enum tx_outcome retire_execute(struct execution *x, const struct tx *tx);
// Whether the relay still has its free update of the epoch.
bool update_is_free(struct overlay *overlay, const struct account_id *sender, uint32_t epoch);
struct relay_id relay_of_account(const struct account_id *account);
struct account_id account_of_relay(const struct relay_id *relay);
// Takes the relay out, its unpaid batches too; its stake goes to the pool.
void relay_slash(struct execution *x, const struct relay_id *id, uint32_t epoch);
// Those that retired in `epoch` or before go, their stake unbonds.
void relays_leave(struct execution *x, uint32_t epoch);

// ---- deliveries.c ----

enum tx_outcome batch_execute(struct execution *x, const struct tx *tx);
enum tx_outcome opening_execute(struct execution *x, const struct tx *tx);
// Whether the batch or the opening is one that is waited for.
bool delivery_is_free(struct overlay *overlay, const struct tx *tx, uint32_t epoch);
void samples_draw(struct execution *x);
void deliveries_settle(struct execution *x, uint32_t epoch);
// What a relay that goes has claimed goes with it: batches, and the samples that would be drawn for them.
void deliveries_drop(struct execution *x, const struct relay_id *relay);

// ---- epoch.c ----

void epoch_end_if_due(struct execution *x);

#endif
