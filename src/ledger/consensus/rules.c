// The rules of the algorithm, each with its lines in the paper (arXiv 1807.04938, algorithm 1), and what was added:
//
// - A re-proposal carries the prevotes that made its value valid, so that line 28 does not wait for votes of a past
//   round that nobody repeats.
// - Round 0 waits for a reason for a block; only then does its timeout run.
// - Lines 34 and 47 also count who has left the round for a higher one: it will not vote in it any more, and what it
// left
//   for may be votes that a liar sent to it alone (the paper assumes that all votes reach everybody in the end; here
//   each repeats its own last ones only).
// - Line 55 counts who has reached the round or a later one, so that validators spread over rounds find together.
// - Line 49 needs the block, not the proposal: a certificate of another decides as well.
#include <stdlib.h>

#include "base/assert.h"
#include "ledger/consensus/bft_internal.h"

// ---- own messages ----

bool is_proposer(const struct bft *core) {
    return core->self >= 0 && validators_proposer(&core->set, core->height, core->round) == (size_t)core->self;
}

static void want_vote(struct bft *core, enum vote_type type, const struct block_id *value,
                      struct bft_outputs *outputs) {
    core->step = type == VOTE_PREVOTE ? BFT_STEP_PREVOTE : BFT_STEP_PRECOMMIT;
    if (core->self < 0)
        return;
    struct own_vote *own = type == VOTE_PREVOTE ? &core->own_prevote : &core->own_precommit;
    *own = (struct own_vote){
        .wanted = true,
        .vote = {.type = type, .height = core->height, .round = core->round, .value = *value, .validator = core->key}};
    output_add(outputs, BFT_OUTPUT_SIGN_VOTE)->vote = own->vote;
}

static void prevote(struct bft *core, const struct block_id *value, struct bft_outputs *outputs) {
    want_vote(core, VOTE_PREVOTE, value, outputs);
}

static void precommit(struct bft *core, const struct block_id *value, struct bft_outputs *outputs) {
    want_vote(core, VOTE_PRECOMMIT, value, outputs);
}

static const struct block_id nil;

void want_proposal(struct bft *core, const struct block_id *value, uint32_t valid_round, struct bft_outputs *outputs) {
    free(core->own_proposal.prevotes);
    core->own_proposal = (struct own_proposal){
        .wanted = true,
        .proposal = {.height = core->height,
                     .round = core->round,
                     .valid_round = valid_round,
                     .value = *value,
                     .proposer = core->key},
        .prevotes = valid_round != BFT_ROUND_NONE ? certificate_copy(core->valid_prevotes) : NULL};
    output_sign_proposal(core, outputs);
}

// ---- rounds ----

// Lines 14 to 21. The proposer's own timeout runs, too: its block may be long in coming.
static void propose(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    output_timer(core, outputs, BFT_TIMER_PROPOSE, now_ms);
    if (!is_proposer(core))
        return;
    if (core->valid_round != BFT_ROUND_NONE)
        want_proposal(core, &core->valid_value, core->valid_round, outputs);
    else
        output_build_value(core, outputs);
}

// Lines 11 to 13.
void start_round(struct bft *core, uint32_t round, uint64_t now_ms, struct bft_outputs *outputs) {
    core->round = round;
    core->step = BFT_STEP_PROPOSE;
    round_recount_ahead(core);
    core->due = core->due || round > 0;
    if (core->due)
        propose(core, now_ms, outputs);
}

void become_due(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    ASSERT(!core->due && core->round == 0);
    core->due = true;
    if (core->step == BFT_STEP_PROPOSE)
        propose(core, now_ms, outputs);
}

// ---- timeouts ----

// Line 57.
void on_timeout_propose(struct bft *core, struct bft_outputs *outputs) {
    prevote(core, &nil, outputs);
}

// Line 61.
void on_timeout_prevote(struct bft *core, struct bft_outputs *outputs) {
    precommit(core, &nil, outputs);
}

// Line 65.
void on_timeout_precommit(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    start_round(core, core->round + 1, now_ms, outputs);
}

// ---- what has become true ----
// Each rule acts at most once on what is there, and says whether it did.

static struct round *current(struct bft *core) {
    return round_get(core, core->round);
}

// Line 49: a quorum of precommits of any round, and the block.
static bool rule_decide(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    (void)now_ms;
    struct decision *decision = &core->decision;
    if (decision->certificate == NULL ||
        (decision->verdict != VERDICT_VALID && !value_is_valid(core, &decision->certificate->value)))
        return false;
    decision->verdict = VERDICT_VALID;
    core->step = BFT_STEP_DECIDED;
    output_decide(core, outputs);
    return true;
}

static bool rule_validate_decision(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    (void)now_ms;
    struct decision *decision = &core->decision;
    if (decision->certificate == NULL || decision->verdict != VERDICT_NOT_ASKED)
        return false;
    decision->verdict = VERDICT_ASKED;
    output_validate(core, outputs, &decision->certificate->value, true);
    return true;
}

// Line 55.
static bool rule_skip_round(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    if (!power_is_skip(core->ahead_power, core->set.total))
        return false;
    uint32_t round = round_to_skip_to(core);
    ASSERT(round > core->round);
    start_round(core, round, now_ms, outputs);
    return true;
}

// An honest validator is at work on this height, or the proposer has proposed: so there is reason for a block.
static bool rule_due(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    if (core->due || (!power_is_skip(core->heard_power, core->set.total) && !current(core)->has_proposal))
        return false;
    become_due(core, now_ms, outputs);
    return true;
}

// valid(v) of lines 23, 29 and 36 is asked of the driver, for the proposal of this round.
static bool rule_validate_proposal(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    (void)now_ms;
    struct round *round = current(core);
    if (!round->has_proposal || round->verdict != VERDICT_NOT_ASKED)
        return false;
    bool is_known = value_is_valid(core, &round->proposal.value);
    round->verdict = is_known ? VERDICT_VALID : VERDICT_ASKED;
    if (!is_known)
        output_validate(core, outputs, &round->proposal.value, false);
    return true;
}

// A proposal of this round that is still to be voted on, its block checked.
static const struct proposal *proposal_to_judge(struct bft *core) {
    const struct round *round = current(core);
    bool is_checked = round->verdict == VERDICT_VALID || round->verdict == VERDICT_INVALID;
    return core->step == BFT_STEP_PROPOSE && round->has_proposal && is_checked ? &round->proposal : NULL;
}

static void judge(struct bft *core, const struct proposal *proposal, bool lock_allows, struct bft_outputs *outputs) {
// A mutation check: the simulator must find the fork that comes of votes against the lock.
#ifdef SOTTO_MUTATE_NO_LOCK
    lock_allows = true;
#endif
    bool accept = current(core)->verdict == VERDICT_VALID && lock_allows;
    prevote(core, accept ? &proposal->value : &nil, outputs);
}

static bool is_locked_on(const struct bft *core, const struct block_id *value) {
    return core->locked_round != BFT_ROUND_NONE && block_id_equal(&core->locked_value, value);
}

// Line 22: a fresh proposal.
static bool rule_prevote_fresh(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    (void)now_ms;
    const struct proposal *proposal = proposal_to_judge(core);
    if (proposal == NULL || proposal->valid_round != BFT_ROUND_NONE)
        return false;
    judge(core, proposal, core->locked_round == BFT_ROUND_NONE || is_locked_on(core, &proposal->value), outputs);
    return true;
}

// Line 28: a proposal again, with the quorum of prevotes of its valid round, which came with it.
static bool rule_prevote_again(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    (void)now_ms;
    const struct proposal *proposal = proposal_to_judge(core);
    if (proposal == NULL || proposal->valid_round == BFT_ROUND_NONE)
        return false;
    bool is_unlocked = core->locked_round == BFT_ROUND_NONE || core->locked_round <= proposal->valid_round;
    judge(core, proposal, is_unlocked || is_locked_on(core, &proposal->value), outputs);
    return true;
}

static void lock(struct bft *core, const struct block_id *value) {
    core->locked_value = *value;
    core->locked_round = core->round;
}

static void set_valid(struct bft *core, const struct round *round) {
    core->valid_value = round->proposal.value;
    core->valid_round = core->round;
    free(core->valid_prevotes);
    core->valid_prevotes = NEW(struct certificate);
    vote_table_certificate(&round->prevotes, &core->set, core->valid_prevotes, VOTE_PREVOTE, core->height, core->round);
}

// Line 36.
static bool rule_quorum_of_prevotes(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    (void)now_ms;
    struct round *round = current(core);
    if (core->step == BFT_STEP_PROPOSE || round->quorum_seen || !round->has_proposal ||
        round->verdict != VERDICT_VALID || !vote_table_has_quorum_for(&round->prevotes, &round->proposal.value))
        return false;
    round->quorum_seen = true;
    set_valid(core, round);
    if (core->step == BFT_STEP_PREVOTE) {
        lock(core, &round->proposal.value);
        precommit(core, &round->proposal.value, outputs);
    }
    return true;
}

// Line 44.
static bool rule_quorum_of_nil(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    (void)now_ms;
    if (core->step != BFT_STEP_PREVOTE || !vote_table_has_quorum_for(&current(core)->prevotes, &nil))
        return false;
    precommit(core, &nil, outputs);
    return true;
}

// Linear only while somebody is ahead.
static bool enough_have_voted(const struct bft *core, const struct vote_table *table) {
    uint64_t power = table->power;
    for (size_t i = 0; core->ahead_power > 0 && i < core->set.count; i++) {
        if (core->highest_round[i] > core->round && !vote_table_has(table, i))
            power += core->set.validators[i].power;
    }
    return power_is_quorum(power, core->set.total);
}

// Line 34.
static bool rule_prevote_timeout(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    struct round *round = current(core);
    if (core->step != BFT_STEP_PREVOTE || round->prevote_timer || !enough_have_voted(core, &round->prevotes))
        return false;
    round->prevote_timer = true;
    output_timer(core, outputs, BFT_TIMER_PREVOTE, now_ms);
    return true;
}

// Line 47.
static bool rule_precommit_timeout(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    struct round *round = current(core);
    if (round->precommit_timer || !enough_have_voted(core, &round->precommits))
        return false;
    round->precommit_timer = true;
    output_timer(core, outputs, BFT_TIMER_PRECOMMIT, now_ms);
    return true;
}

typedef bool (*rule)(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs);

static const rule rules[] = {
    rule_decide,
    rule_validate_decision,
    rule_skip_round,
    rule_due,
    rule_validate_proposal,
    rule_prevote_fresh,
    rule_prevote_again,
    rule_quorum_of_prevotes,
    rule_quorum_of_nil,
    rule_prevote_timeout,
    rule_precommit_timeout,
};
#define RULE_COUNT (sizeof rules / sizeof rules[0])
#define RULE_COUNT_BEHIND 2 // the first: who is behind learns decisions, and does nothing else

// Until none has anything to do. Ends: within a round each acts a bounded number of times, and rounds go up only, to
// what has been heard of.
void run_rules(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    size_t count = core->behind ? RULE_COUNT_BEHIND : RULE_COUNT;
    size_t i = 0;
    while (i < count && core->step != BFT_STEP_DECIDED)
        i = rules[i](core, now_ms, outputs) ? 0 : i + 1;
}
