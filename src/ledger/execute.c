// A block from its first transaction to its state root.
#include "ledger/execute.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/execution.h"
#include "ledger/tree.h"

const char *tx_outcome_text(enum tx_outcome outcome) {
    static const char *const texts[] = {
#define TX_OUTCOME_TEXT(name, text) [name] = (text),
        TX_OUTCOME_LIST(TX_OUTCOME_TEXT)
#undef TX_OUTCOME_TEXT
    };
    return texts[outcome];
}

static bool is_refused(enum tx_outcome outcome) {
    return outcome >= TX_REFUSED_NONCE;
}

void execution_event(struct execution *x, enum ledger_event_kind kind, const uint8_t *id, uint32_t epoch,
                     uint64_t amount) {
    struct executed *out = x->out;
    if (out->event_count == x->event_capacity) {
        x->event_capacity = x->event_capacity > 0 ? 2 * x->event_capacity : 8;
        out->events = realloc(out->events, x->event_capacity * sizeof *out->events);
        ASSERT(out->events != NULL);
    }
    struct ledger_event *event = &out->events[out->event_count++];
    *event = (struct ledger_event){.kind = kind, .epoch = epoch, .amount = amount};
    if (id != NULL)
        memcpy(event->id, id, sizeof event->id);
}

// ---- amounts ----

void account_credit(struct execution *x, const struct account_id *id, uint64_t amount) {
    struct account account;
    if (amount == 0)
        return;
    state_account(x->overlay, &account, id);
    account.balance += amount; // both at most GRAINS_MAX
    state_set_account(x->overlay, id, &account);
}

bool account_debit(struct execution *x, const struct account_id *id, uint64_t amount) {
    struct account account;
    state_account(x->overlay, &account, id);
    if (account.balance < amount)
        return false;
    account.balance -= amount;
    state_set_account(x->overlay, id, &account);
    return true;
}

__extension__ typedef unsigned __int128 wide;

uint64_t grains_share(uint64_t amount, uint64_t part, uint64_t whole) {
    ASSERT(whole > 0 && part <= 2 * whole && amount <= GRAINS_MAX);
    return (uint64_t)((wide)amount * part / whole);
}

// ---- transactions ----

static enum tx_outcome transfer_execute(struct execution *x, const struct tx *tx) {
    if (!account_debit(x, &tx->sender, tx->transfer.amount))
        return TX_FAILED_FUNDS;
    account_credit(x, &tx->transfer.to, tx->transfer.amount);
    return TX_DONE;
}

static enum tx_outcome (*const kinds[])(struct execution *x, const struct tx *tx) = {
    [TX_TRANSFER] = transfer_execute,       [TX_STAKE] = stake_execute,          [TX_UNSTAKE] = unstake_execute,
    [TX_REGISTER_RELAY] = register_execute, [TX_UPDATE_RELAY] = update_execute,  [TX_RETIRE_RELAY] = retire_execute,
    [TX_VALIDATOR_VOTE] = vote_execute,     [TX_DELIVERY_BATCH] = batch_execute, [TX_OPENING] = opening_execute,
    [TX_EVIDENCE] = evidence_execute,
};

bool execute_is_free(struct overlay *overlay, const struct tx *tx) {
    struct epoch_record epoch;
    if (tx->kind != TX_UPDATE_RELAY && tx->kind != TX_DELIVERY_BATCH && tx->kind != TX_OPENING)
        return false;
    state_epoch(overlay, &epoch);
    if (tx->kind == TX_UPDATE_RELAY)
        return update_is_free(overlay, &tx->sender, epoch.epoch);
    return delivery_is_free(overlay, tx, epoch.epoch);
}

// Everybody but evidence has a sender, a nonce and a fee.
static enum tx_outcome tx_execute(struct execution *x, const struct tx *tx) {
    if (tx->kind == TX_EVIDENCE)
        return evidence_execute(x, tx);
    struct account before;
    state_account(x->overlay, &before, &tx->sender);
    if (tx->nonce != before.nonce)
        return TX_REFUSED_NONCE;
    if (before.balance < tx->fee || (tx->fee < x->genesis->ledger.fee_min && !execute_is_free(x->overlay, tx)))
        return TX_REFUSED_FEE;
    const struct account admitted = {before.nonce + 1, before.balance - tx->fee};
    state_set_account(x->overlay, &tx->sender, &admitted);
    enum tx_outcome outcome = kinds[tx->kind](x, tx);
    if (outcome != TX_DONE && tx->fee == 0) {
        state_set_account(x->overlay, &tx->sender, &before);
        return TX_REFUSED_FAILS;
    }
    x->supply.pool += tx->fee;
    return outcome;
}

// ---- blocks ----

static void execution_begin(struct execution *x, struct executed *out, struct overlay *overlay,
                            const struct genesis *genesis, const struct block_header *header) {
    *x = (struct execution){.overlay = overlay, .genesis = genesis, .header = header, .out = out};
    bool is_there = state_supply(overlay, &x->supply) && state_epoch(overlay, &x->epoch) &&
                    state_validators(overlay, &x->now) && state_validators_next(overlay, &x->next);
    if (!is_there)
        overlay_fail(overlay, ERR_CORRUPT);
    x->future = x->next;
    if (overlay_failed(overlay) == OK)
        release_due(x);
}

static void execution_end(struct execution *x) {
    samples_draw(x);
    epoch_end_if_due(x);
    if (x->batches.n > 0)
        state_note(x->overlay, x->header->height, buf_span(&x->batches));
    sets_move_on(x);
    state_set_supply(x->overlay, &x->supply);
}

void execute_fill_header(struct block_header *header, struct overlay *overlay, const struct genesis *genesis) {
    struct validator_set set;
    struct epoch_record epoch;
    state_epoch(overlay, &epoch);
    header->network = genesis->network;
    header->epoch = epoch.epoch;
    tree_root(&header->state_root, overlay);
    state_validators(overlay, &set);
    validator_set_hash(&header->validators, &set);
    state_validators_next(overlay, &set);
    validator_set_hash(&header->next_validators, &set);
}

static bool hash_equal(const struct hash *a, const struct hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static const char *header_trouble(const struct block_header *header, struct overlay *overlay,
                                  const struct genesis *genesis) {
    struct block_header wanted;
    execute_fill_header(&wanted, overlay, genesis);
    if (memcmp(header->network.bytes, wanted.network.bytes, sizeof wanted.network.bytes) != 0)
        return "a block of another network";
    if (!hash_equal(&header->state_root, &wanted.state_root))
        return "another state root than the parent's execution gave";
    if (!hash_equal(&header->validators, &wanted.validators) ||
        !hash_equal(&header->next_validators, &wanted.next_validators))
        return "another set of validators";
    return header->epoch != wanted.epoch ? "another epoch" : NULL;
}

// The transactions in order; what is wrong with the block, or NULL.
static const char *execute_txs(struct execution *x, const struct block *block) {
    const struct tx_rules rules = {x->genesis->network, x->genesis->ledger.fee_min};
    for (size_t i = 0; i < block->header.tx_count && overlay_failed(x->overlay) == OK; i++) {
        struct tx tx;
        if (tx_decode(&tx, block->txs[i]) != OK)
            return "a malformed transaction";
        if (tx_check(&tx, &rules) != OK)
            return "a transaction against the rules of this network";
        enum tx_outcome outcome = tx_execute(x, &tx);
        if (is_refused(outcome))
            return tx_outcome_text(outcome);
        x->out->outcomes[x->out->tx_count++] = outcome;
    }
    return NULL;
}

static enum err execution_finish(struct execution *x, const char *trouble, const char **why) {
    enum err err = overlay_failed(x->overlay);
    if (err == OK && trouble != NULL) {
        err = ERR_INVALID;
        if (why != NULL)
            *why = trouble;
    }
    if (err == OK) {
        execution_end(x);
        err = overlay_failed(x->overlay);
    }
    if (err == OK) {
        ASSERT(state_is_conserved(x->overlay));
        state_commit(&x->out->state_root, x->overlay);
        err = overlay_failed(x->overlay);
    }
    buf_free(&x->batches);
    return err;
}

enum err execute_block(struct executed *out, struct overlay *overlay, const struct genesis *genesis,
                       const struct block *block, const char **why) {
    struct executed executed = {.outcomes = NEW_ARRAY(enum tx_outcome, block->header.tx_count + 1)};
    struct execution *x = NEW(struct execution);
    const char *trouble = header_trouble(&block->header, overlay, genesis);
    execution_begin(x, &executed, overlay, genesis, &block->header);
    block_id_of(&x->id, &block->header);
    if (trouble == NULL)
        trouble = execute_txs(x, block);
    enum err err = execution_finish(x, trouble, why);
    free(x);
    if (err == OK)
        *out = executed;
    else
        executed_free(&executed);
    return err;
}

void executed_free(struct executed *executed) {
    free(executed->outcomes);
    free(executed->events);
    *executed = (struct executed){0};
}

size_t execute_filter(bool *taken, struct overlay *overlay, const struct genesis *genesis,
                      const struct block_header *header, const struct span *candidates, size_t count) {
    struct executed events = {0};
    struct execution *x = NEW(struct execution);
    size_t taken_count = 0, bytes = BLOCK_HEADER_BYTES;
    execution_begin(x, &events, overlay, genesis, header);
    for (size_t i = 0; i < count; i++) {
        struct tx tx;
        taken[i] = overlay_failed(overlay) == OK && taken_count < BLOCK_TXS_MAX &&
                   bytes + 4 + candidates[i].n <= BLOCK_BYTES_MAX && tx_decode(&tx, candidates[i]) == OK &&
                   !is_refused(tx_execute(x, &tx));
        taken_count += taken[i] ? 1 : 0;
        bytes += taken[i] ? 4 + candidates[i].n : 0;
    }
    buf_free(&x->batches);
    free(x);
    executed_free(&events);
    return taken_count;
}

// ---- genesis ----

static void genesis_stake(struct overlay *overlay, const struct validator_set *set) {
    struct stakers stakers = {.count = 0};
    for (size_t i = 0; i < set->count; i++) {
        const struct validator *validator = &set->validators[i];
        stakers_add(&stakers, &validator->operator, & validator->key, validator->power);
    }
    state_set_stakers(overlay, &stakers);
}

static void genesis_validators(struct overlay *overlay, const struct validator_set *set) {
    for (size_t i = 0; i < set->count; i++) {
        const struct validator_record record = {set->validators[i].operator, 1, UINT64_MAX, false};
        state_set_validator(overlay, &set->validators[i].key, &record);
    }
    state_set_validators(overlay, set);
    state_set_validators_next(overlay, set);
}

enum err execute_genesis(struct hash *state_root, struct overlay *overlay, const struct genesis *genesis) {
    const struct ledger_genesis *ledger = &genesis->ledger;
    const struct supply supply = {ledger_genesis_supply(ledger), ledger->reward_pool};
    const struct epoch_record epoch = {0};
    struct validator_set set;
    validator_set_of_genesis(&set, ledger);
    genesis_validators(overlay, &set);
    if (ledger->consensus == CONSENSUS_POS)
        genesis_stake(overlay, &set);
    for (size_t i = 0; i < ledger->account_count; i++) {
        const struct account account = {0, ledger->accounts[i].grains};
        state_set_account(overlay, &ledger->accounts[i].id, &account);
    }
    state_set_supply(overlay, &supply);
    state_set_epoch(overlay, &epoch);
    ASSERT(overlay_failed(overlay) != OK || state_is_conserved(overlay));
    state_commit(state_root, overlay);
    return overlay_failed(overlay);
}

// ---- when a block is due ----

uint64_t execute_due_ms(struct overlay *overlay, const struct genesis *genesis) {
    struct epoch_record epoch;
    struct unbonding_queue queue;
    struct unbonding unbonding;
    uint64_t due_ms = UINT64_MAX;
    if (state_epoch(overlay, &epoch) && epoch.epoch > 0)
        due_ms = epoch_start_ms(genesis, epoch.epoch + 1);
    if (state_queue(overlay, &queue) && queue.first < queue.end && state_unbonding(overlay, &unbonding, queue.first) &&
        unbonding.release_ms < due_ms)
        due_ms = unbonding.release_ms;
    return due_ms;
}

bool execute_is_sample_due(struct overlay *overlay, uint64_t height) {
    struct span refs;
    return height > SAMPLE_DELAY && state_noted(overlay, &refs, height - SAMPLE_DELAY);
}
