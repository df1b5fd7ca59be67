// Who validates: stake and its unbonding (pos), votes of the validators (poa), evidence against one (both).
//
//   stake --> stakers --unstake--> unbonding queue --release_due--> the account
//                |                      |
//             evidence: part of it   part of it, if the key was slashed meanwhile
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/execution.h"

// Releases of one block: those beyond wait for the next.
#define RELEASES_MAX 1000

static bool key_equal(const struct sign_public *a, const struct sign_public *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool account_equal(const struct account_id *a, const struct account_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

// ---- unbonding ----

// What equivocation costs of a stake.
static uint64_t slashed_part(const struct execution *x, uint64_t stake) {
    return grains_share(stake, x->genesis->ledger.slash_percent, 100);
}

void unbond(struct execution *x, const struct account_id *account, uint64_t amount, const struct sign_public *key) {
    if (amount == 0)
        return;
    struct unbonding_queue queue;
    state_queue(x->overlay, &queue);
    struct unbonding unbonding = {.account = *account, .amount = amount};
    unbonding.release_ms = x->header->time_ms + x->genesis->ledger.unbonding_ms;
    if (unbonding.release_ms < x->header->time_ms)
        unbonding.release_ms = UINT64_MAX;
    if (key != NULL)
        unbonding.key = *key;
    state_set_unbonding(x->overlay, queue.end++, &unbonding);
    state_set_queue(x->overlay, &queue);
}

static void release(struct execution *x, const struct unbonding *unbonding) {
    struct validator_record record;
    bool is_slashed = state_validator(x->overlay, &record, &unbonding->key) && record.slashed;
    uint64_t lost = is_slashed ? slashed_part(x, unbonding->amount) : 0;
    account_credit(x, &unbonding->account, unbonding->amount - lost);
    x->supply.pool += lost;
}

void release_due(struct execution *x) {
    struct unbonding_queue queue;
    struct unbonding unbonding;
    state_queue(x->overlay, &queue);
    uint64_t first = queue.first;
    for (unsigned n = 0; n < RELEASES_MAX && queue.first < queue.end; n++) {
        state_unbonding(x->overlay, &unbonding, queue.first);
        if (unbonding.release_ms > x->header->time_ms)
            break;
        release(x, &unbonding);
        state_delete_unbonding(x->overlay, queue.first++);
    }
    if (queue.first != first)
        state_set_queue(x->overlay, &queue);
}

// ---- stake ----

// Where the operator is in the list, or would be.
static size_t stakers_at(const struct stakers *stakers, const struct account_id *operator, bool * is_there) {
    size_t at = 0;
    while (at < stakers->count && memcmp(stakers->stakers[at].operator.bytes, operator->bytes, 32) < 0)
        at++;
    *is_there = at < stakers->count && account_equal(&stakers->stakers[at].operator, operator);
    return at;
}

static void stakers_remove(struct stakers *stakers, size_t at) {
    stakers->count--;
    memmove(&stakers->stakers[at], &stakers->stakers[at + 1], (stakers->count - at) * sizeof stakers->stakers[0]);
}

static size_t stakers_least(const struct stakers *stakers) {
    size_t least = 0;
    for (size_t i = 1; i < stakers->count; i++) {
        if (stakers->stakers[i].stake < stakers->stakers[least].stake)
            least = i;
    }
    return least;
}

void stakers_add(struct stakers *stakers, const struct account_id *operator, const struct sign_public * key,
                 uint64_t amount) {
    bool is_there;
    size_t at = stakers_at(stakers, operator, & is_there);
    if (is_there) {
        stakers->stakers[at].stake += amount;
        return;
    }
    ASSERT(stakers->count < STAKERS_MAX);
    memmove(&stakers->stakers[at + 1], &stakers->stakers[at], (stakers->count - at) * sizeof stakers->stakers[0]);
    stakers->stakers[at] = (struct staker){*operator, * key, amount};
    stakers->count++;
}

// A key belongs to the first operator that used it, for good, and stands for one stake.
static bool key_is_usable(struct execution *x, const struct stakers *stakers, const struct account_id *operator,
                          const struct sign_public * key) {
    struct validator_record record;
    if (state_validator(x->overlay, &record, key) && (record.slashed || !account_equal(&record.operator, operator)))
        return false;
    for (size_t i = 0; i < stakers->count; i++) {
        const struct staker *staker = &stakers->stakers[i];
        if (account_equal(&staker->operator, operator) != key_equal(&staker->key, key))
            return false;
    }
    return true;
}

enum tx_outcome stake_execute(struct execution *x, const struct tx *tx) {
    struct stakers stakers;
    bool is_there;
    if (x->genesis->ledger.consensus != CONSENSUS_POS)
        return TX_FAILED_CONSENSUS;
    state_stakers(x->overlay, &stakers);
    if (!key_is_usable(x, &stakers, &tx->sender, &tx->stake.key))
        return TX_FAILED_KEY;
    size_t at = stakers_at(&stakers, &tx->sender, &is_there);
    if ((is_there ? stakers.stakers[at].stake : 0) + tx->stake.amount < x->genesis->ledger.validator_stake_min)
        return TX_FAILED_STAKE;
    bool is_full = !is_there && stakers.count == STAKERS_MAX;
    size_t least = stakers_least(&stakers);
    if (is_full && stakers.stakers[least].stake >= tx->stake.amount)
        return TX_FAILED_FULL;
    if (!account_debit(x, &tx->sender, tx->stake.amount))
        return TX_FAILED_FUNDS;
    if (is_full) {
        const struct staker *staker = &stakers.stakers[least];
        unbond(x, &staker->operator, staker->stake, &staker->key);
        stakers_remove(&stakers, least);
    }
    stakers_add(&stakers, &tx->sender, &tx->stake.key, tx->stake.amount);
    state_set_stakers(x->overlay, &stakers);
    return TX_DONE;
}

enum tx_outcome unstake_execute(struct execution *x, const struct tx *tx) {
    struct stakers stakers;
    bool is_there;
    if (x->genesis->ledger.consensus != CONSENSUS_POS)
        return TX_FAILED_CONSENSUS;
    state_stakers(x->overlay, &stakers);
    size_t at = stakers_at(&stakers, &tx->sender, &is_there);
    struct staker *staker = &stakers.stakers[at];
    if (!is_there || staker->stake < tx->unstake.amount)
        return TX_FAILED_FUNDS;
    uint64_t left = staker->stake - tx->unstake.amount;
    if (left > 0 && left < x->genesis->ledger.validator_stake_min)
        return TX_FAILED_STAKE;
    unbond(x, &tx->sender, tx->unstake.amount, &staker->key);
    staker->stake = left;
    if (left == 0)
        stakers_remove(&stakers, at);
    state_set_stakers(x->overlay, &stakers);
    return TX_DONE;
}

static int compare_stakers(const void *a, const void *b) {
    const struct staker *one = a, *other = b;
    if (one->stake != other->stake)
        return one->stake > other->stake ? -1 : 1;
    return memcmp(one->operator.bytes, other->operator.bytes, 32);
}

// Those of most stake, up to the size of a set. Without any the set stays.
void set_by_stake(struct execution *x) {
    struct stakers stakers;
    struct validator_set set = {.count = 0};
    state_stakers(x->overlay, &stakers);
    qsort(stakers.stakers, stakers.count, sizeof stakers.stakers[0], compare_stakers);
    for (size_t i = 0; i < stakers.count && set.count < VALIDATORS_MAX; i++) {
        const struct staker *staker = &stakers.stakers[i];
        const struct validator validator = {staker->key, staker->operator, staker->stake };
        ASSERT(staker->stake > 0 && validator_set_change(&set, &validator) == OK);
    }
    if (set.count > 0)
        x->future = set;
}

// ---- votes ----

static bool operates(const struct validator_set *set, const struct account_id *operator) {
    for (size_t i = 0; i < set->count; i++) {
        if (account_equal(&set->validators[i].operator, operator))
            return true;
    }
    return false;
}

static bool votes_for(struct execution *x, const struct account_id *operator, const struct tx * tx) {
    const struct tx_validator_vote *wanted = &tx->validator_vote;
    struct standing_vote vote;
    if (account_equal(operator, & tx->sender))
        return true;
    return state_vote(x->overlay, &vote, operator) && vote.expiry_height == wanted->expiry_height &&
           vote.power == wanted->power && key_equal(&vote.key, &wanted->key);
}

// The power of this height's set that stands by the change.
static uint64_t power_for(struct execution *x, const struct tx *tx) {
    uint64_t power = 0;
    for (size_t i = 0; i < x->now.count; i++) {
        const struct validator *validator = &x->now.validators[i];
        power += votes_for(x, &validator->operator, tx) ? validator->power : 0;
    }
    return power;
}

// One that comes back keeps its operator; a new one's operator is the account of its own key.
static struct account_id operator_of(struct execution *x, const struct sign_public *key) {
    struct validator_record record;
    if (!state_validator(x->overlay, &record, key))
        memcpy(record.operator.bytes, key->bytes, sizeof record.operator.bytes);
    return record.operator;
}

static enum tx_outcome vote_passes(struct execution *x, const struct tx *tx) {
    const struct tx_validator_vote *vote = &tx->validator_vote;
    const struct validator validator = {vote->key, operator_of(x, &vote->key), vote->power};
    if (x->vote_passed)
        return TX_FAILED_CHANGED;
    if (vote->power == 0 && validator_set_find(&x->future, &vote->key) < 0)
        return TX_FAILED_SET;
    if (validator_set_change(&x->future, &validator) != OK)
        return TX_FAILED_SET;
    x->vote_passed = true;
    for (size_t i = 0; i < x->now.count; i++) {
        if (votes_for(x, &x->now.validators[i].operator, tx))
            state_delete_vote(x->overlay, &x->now.validators[i].operator);
    }
    return TX_DONE;
}

enum tx_outcome vote_execute(struct execution *x, const struct tx *tx) {
    const struct tx_validator_vote *wanted = &tx->validator_vote;
    struct validator_record record;
    if (x->genesis->ledger.consensus != CONSENSUS_POA)
        return TX_FAILED_CONSENSUS;
    if (!operates(&x->now, &tx->sender))
        return TX_FAILED_VALIDATOR;
    if (wanted->expiry_height < x->header->height)
        return TX_FAILED_EXPIRED;
    if (wanted->power > 0 && state_validator(x->overlay, &record, &wanted->key) && record.slashed)
        return TX_FAILED_KEY;
    if (power_is_quorum(power_for(x, tx), x->now.total))
        return vote_passes(x, tx);
    const struct standing_vote vote = {wanted->key, wanted->power, wanted->expiry_height};
    state_set_vote(x->overlay, &tx->sender, &vote);
    return TX_DONE;
}

// ---- evidence ----

// Takes part of the stake behind a key; the rest returns to its operator after the unbonding time.
static uint64_t slash_stake(struct execution *x, const struct sign_public *key) {
    struct stakers stakers;
    state_stakers(x->overlay, &stakers);
    for (size_t i = 0; i < stakers.count; i++) {
        const struct staker staker = stakers.stakers[i];
        if (!key_equal(&staker.key, key))
            continue;
        uint64_t lost = slashed_part(x, staker.stake);
        x->supply.pool += lost;
        unbond(x, &staker.operator, staker.stake - lost, NULL);
        stakers_remove(&stakers, i);
        state_set_stakers(x->overlay, &stakers);
        return lost;
    }
    return 0;
}

// Of a key that validated at that time, and that has not been slashed.
static bool counts(struct overlay *overlay, struct validator_record *record, const struct evidence *evidence,
                   uint64_t now_height) {
    uint64_t height = evidence_height(evidence);
    return state_validator(overlay, record, evidence_accused(evidence)) && !record->slashed && height <= now_height &&
           height >= record->from_height && height <= record->until_height;
}

bool execute_accuses(struct overlay *overlay, const struct evidence *evidence, uint64_t height) {
    struct validator_record record;
    return counts(overlay, &record, evidence, height);
}

enum tx_outcome evidence_execute(struct execution *x, const struct tx *tx) {
    const struct sign_public *accused = evidence_accused(&tx->evidence);
    struct validator_record record;
    if (!counts(x->overlay, &record, &tx->evidence, x->header->height))
        return TX_REFUSED_EVIDENCE;
    record.slashed = true;
    state_set_validator(x->overlay, accused, &record);
    const struct validator gone = {*accused, record.operator, 0 };
    if (validator_set_find(&x->future, accused) >= 0 && validator_set_change(&x->future, &gone) != OK)
        ASSERT(x->future.count == 1); // the last one stays: a network needs somebody
    uint64_t lost = x->genesis->ledger.consensus == CONSENSUS_POS ? slash_stake(x, accused) : 0;
    execution_event(x, LEDGER_VALIDATOR_SLASHED, accused->bytes, 0, lost);
    return TX_DONE;
}

// ---- from height to height ----

static bool sets_equal(const struct validator_set *a, const struct validator_set *b) {
    struct hash one, other;
    validator_set_hash(&one, a);
    validator_set_hash(&other, b);
    return memcmp(one.bytes, other.bytes, sizeof one.bytes) == 0;
}

// Notes from and until when keys vote that come with, or go before, height + 2.
static void note_comings_and_goings(struct execution *x) {
    uint64_t from_height = x->header->height + 2;
    struct validator_record record;
    for (size_t i = 0; i < x->next.count; i++) {
        const struct validator *validator = &x->next.validators[i];
        if (validator_set_find(&x->future, &validator->key) >= 0)
            continue;
        state_validator(x->overlay, &record, &validator->key);
        record.until_height = from_height - 1;
        state_set_validator(x->overlay, &validator->key, &record);
    }
    for (size_t i = 0; i < x->future.count; i++) {
        const struct validator *validator = &x->future.validators[i];
        if (validator_set_find(&x->next, &validator->key) >= 0)
            continue;
        if (!state_validator(x->overlay, &record, &validator->key))
            record = (struct validator_record){.operator= validator->operator, .from_height = from_height };
        record.until_height = UINT64_MAX;
        state_set_validator(x->overlay, &validator->key, &record);
    }
}

void sets_move_on(struct execution *x) {
    if (!sets_equal(&x->now, &x->next))
        state_set_validators(x->overlay, &x->next);
    if (sets_equal(&x->next, &x->future))
        return;
    note_comings_and_goings(x);
    state_set_validators_next(x->overlay, &x->future);
    execution_event(x, LEDGER_SET_CHANGED, NULL, 0, 0);
}
