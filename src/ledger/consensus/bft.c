// The consensus core: inputs are judged (does this change anything?), logged, taken; then the rules run.
#include "ledger/consensus/bft.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/consensus/bft_internal.h"
#include "ledger/consensus/record.h"

// What an input is taken with.
struct taking {
    const struct bft_input *input;
    uint64_t now_ms;
    struct bft_outputs *outputs;
};

static void log_input(struct bft *core, const struct taking *taking) {
    output_log(core, taking->outputs, taking->input);
}

static void run(struct bft *core, const struct taking *taking) {
    run_rules(core, taking->now_ms, taking->outputs);
}

// Takes part in the decision of its height.
static bool is_active(const struct bft *core) {
    return core->step != BFT_STEP_DECIDED && !core->behind;
}

// ---- START ----

static void forget_height(struct bft *core) {
    rounds_clear(core);
    free(core->valid_prevotes);
    free(core->own_proposal.prevotes);
    free(core->decision.certificate);
    core->locked_round = BFT_ROUND_NONE; // the lock ends with its height
    core->locked_value = (struct block_id){0};
    core->valid_round = BFT_ROUND_NONE;
    core->valid_value = (struct block_id){0};
    core->valid_prevotes = NULL;
    core->due = false;
    core->behind = false;
    core->own_prevote = (struct own_vote){0};
    core->own_precommit = (struct own_vote){0};
    core->own_proposal = (struct own_proposal){0};
    core->decision = (struct decision){0};
}

static void enter_height(struct bft *core, const struct taking *taking) {
    const struct bft_input *input = taking->input;
    struct validator_set old = core->set;
    forget_height(core);
    core->height = input->start.height;
    core->set = *input->start.set;
    core->next_set = *input->start.next_set;
    core->self = core->has_key ? validator_set_find(&core->set, &core->key) : -1;
    core->started_ms = taking->now_ms;
    ahead_follow_set(core, &old);
}

static void take_waiting(struct bft *core, struct ahead *ahead, const struct taking *taking) {
    struct bft_input input = {.kind = BFT_INPUT_PROPOSAL};
    input.proposal.proposal = ahead->proposal;
    input.proposal.prevotes = ahead->prevotes;
    if (ahead->has_proposal)
        bft_step(core, &input, taking->now_ms, taking->outputs);
    for (size_t i = 0; i < ahead->vote_count; i++) {
        input = (struct bft_input){.kind = BFT_INPUT_VOTE, .vote = ahead->votes[i]};
        bft_step(core, &input, taking->now_ms, taking->outputs);
    }
}

static void take_all_waiting(struct bft *core, struct ahead *waiting[static VALIDATORS_MAX],
                             const struct taking *taking) {
    for (size_t i = 0; i < VALIDATORS_MAX; i++) {
        if (waiting[i] != NULL)
            take_waiting(core, waiting[i], taking);
    }
}

static void on_start(struct bft *core, const struct taking *taking) {
    ASSERT(taking->input->start.height > core->height);
    log_input(core, taking);
    struct ahead *waiting[VALIDATORS_MAX];
    bool is_next = taking->input->start.height == core->height + 1;
    memcpy(waiting, core->ahead, sizeof waiting);
    memset(core->ahead, 0, sizeof core->ahead);
    enter_height(core, taking);
    start_round(core, 0, taking->now_ms, taking->outputs);
    output_timer(core, taking->outputs, BFT_TIMER_REBROADCAST, taking->now_ms);
    if (ahead_is_reached(core, core->height + 2))
        become_behind(core, taking->outputs);
    else if (is_next)
        take_all_waiting(core, waiting, taking);
    ahead_free(waiting);
}

// ---- PROPOSAL ----

static bool has_its_prevotes(const struct bft *core, const struct bft_input *input) {
    const struct proposal *proposal = &input->proposal.proposal;
    const struct certificate *prevotes = input->proposal.prevotes;
    if (proposal->valid_round == BFT_ROUND_NONE)
        return true;
    return prevotes != NULL && prevotes->type == VOTE_PREVOTE && prevotes->height == proposal->height &&
           prevotes->round == proposal->valid_round && block_id_equal(&prevotes->value, &proposal->value) &&
           certificate_has_quorum(&core->set, prevotes);
}

static bool is_of_its_proposer(const struct bft *core, const struct proposal *proposal, int validator) {
    return validator >= 0 && validators_proposer(&core->set, proposal->height, proposal->round) == (size_t)validator;
}

static void on_second_proposal(struct bft *core, const struct taking *taking, const struct proposal *first,
                               size_t validator) {
    struct evidence evidence;
    if (core->accused[validator] || evidence_of_proposals(&evidence, first, &taking->input->proposal.proposal) != OK)
        return;
    log_input(core, taking);
    accuse(core, validator, &evidence, taking->outputs);
}

static bool is_wanted_proposal(const struct bft *core, const struct proposal *proposal) {
    const struct own_proposal *own = &core->own_proposal;
    return own->wanted && own->proposal.round == proposal->round &&
           own->proposal.valid_round == proposal->valid_round &&
           block_id_equal(&own->proposal.value, &proposal->value) &&
           memcmp(proposal->proposer.bytes, core->key.bytes, sizeof core->key.bytes) == 0;
}

static void release_own_proposal(struct bft *core, const struct taking *taking) {
    core->own_proposal.is_signed = true;
    core->own_proposal.proposal.signature = taking->input->proposal.proposal.signature;
    output_log_sync(taking->outputs);
    output_broadcast_proposal(core, taking->outputs);
}

static void keep_proposal(const struct taking *taking, struct round *round) {
    round->has_proposal = true;
    round->proposal = taking->input->proposal.proposal;
    round->prevotes_of_valid_round = certificate_copy(taking->input->proposal.prevotes);
}

static void take_proposal(struct bft *core, const struct taking *taking, size_t validator) {
    const struct proposal *proposal = &taking->input->proposal.proposal;
    log_input(core, taking);
    round_hear(core, validator, proposal->round);
    struct round *round = round_get(core, proposal->round);
    if (round != NULL)
        keep_proposal(taking, round);
    if (is_wanted_proposal(core, proposal)) {
        release_own_proposal(core, taking);
        if (round != NULL)
            round->verdict = VERDICT_VALID; // built here, or found valid before
    }
    if (proposal->valid_round != BFT_ROUND_NONE)
        certificate_take_votes(core, taking->input->proposal.prevotes, taking->outputs);
    run(core, taking);
}

static void on_proposal(struct bft *core, const struct taking *taking) {
    const struct proposal *proposal = &taking->input->proposal.proposal;
    if (proposal->height > core->height)
        ahead_take(core, taking->input, taking->outputs);
    if (proposal->height < core->height)
        ahead_help(core, taking->input, taking->now_ms, taking->outputs);
    if (proposal->height != core->height || !is_active(core))
        return;
    int validator = validator_set_find(&core->set, &proposal->proposer);
    if (!is_of_its_proposer(core, proposal, validator) || !has_its_prevotes(core, taking->input))
        return;
    const struct round *round = round_peek(core, proposal->round);
    if (round != NULL && round->has_proposal)
        on_second_proposal(core, taking, &round->proposal, (size_t)validator);
    else if (proposal->round >= core->round &&
             (round_is_kept(core, proposal->round) || round_is_news(core, (size_t)validator, proposal->round)))
        take_proposal(core, taking, (size_t)validator);
}

// ---- VOTE ----

// The own vote that comes back signed.
static struct own_vote *wanted_vote(struct bft *core, const struct vote *vote) {
    struct own_vote *own = vote->type == VOTE_PREVOTE ? &core->own_prevote : &core->own_precommit;
    bool is_it = own->wanted && !own->is_signed && own->vote.round == vote->round &&
                 block_id_equal(&own->vote.value, &vote->value) &&
                 memcmp(vote->validator.bytes, core->key.bytes, sizeof core->key.bytes) == 0;
    return is_it ? own : NULL;
}

static void release_own_vote(struct own_vote *own, const struct taking *taking) {
    own->is_signed = true;
    own->vote = taking->input->vote;
    output_log_sync(taking->outputs);
    output_add(taking->outputs, BFT_OUTPUT_BROADCAST_VOTE)->vote = own->vote;
}

static void take_vote(struct bft *core, const struct taking *taking, size_t validator) {
    const struct vote *vote = &taking->input->vote;
    struct own_vote *own = wanted_vote(core, vote);
    if (own == NULL && !vote_is_news(core, validator, vote))
        return;
    log_input(core, taking);
    if (own != NULL)
        release_own_vote(own, taking);
    vote_take(core, validator, vote, taking->outputs);
    run(core, taking);
}

static void on_vote(struct bft *core, const struct taking *taking) {
    const struct vote *vote = &taking->input->vote;
    if (vote->height > core->height)
        ahead_take(core, taking->input, taking->outputs);
    if (vote->height < core->height)
        ahead_help(core, taking->input, taking->now_ms, taking->outputs);
    if (vote->height != core->height || !is_active(core))
        return;
    int validator = validator_set_find(&core->set, &vote->validator);
    if (validator >= 0)
        take_vote(core, taking, (size_t)validator);
}

// ---- CERTIFICATE ----

static void on_certificate(struct bft *core, const struct taking *taking) {
    const struct certificate *certificate = taking->input->certificate;
    if (certificate->height != core->height || certificate->type != VOTE_PRECOMMIT || core->step == BFT_STEP_DECIDED ||
        core->decision.certificate != NULL || !certificate_has_quorum(&core->set, certificate))
        return;
    log_input(core, taking);
    core->decision.certificate = certificate_copy(certificate);
    certificate_take_votes(core, certificate, taking->outputs);
    run(core, taking);
}

// ---- blocks ----

static bool is_asked_for(const struct round *round, const struct block_id *value) {
    return round->in_use && round->verdict == VERDICT_ASKED && block_id_equal(&round->proposal.value, value);
}

static bool is_decision(const struct bft *core, const struct block_id *value) {
    const struct certificate *certificate = core->decision.certificate;
    return certificate != NULL && block_id_equal(&certificate->value, value);
}

static bool validity_is_wanted(const struct bft *core, const struct block_id *value) {
    bool is_wanted = is_decision(core, value);
    for (size_t i = 0; i < ROUNDS_KEPT; i++)
        is_wanted = is_wanted || is_asked_for(&core->rounds[i], value);
    return is_wanted;
}

static void on_validity(struct bft *core, const struct taking *taking) {
    const struct block_id *value = &taking->input->validity.value;
    enum verdict verdict = taking->input->validity.ok ? VERDICT_VALID : VERDICT_INVALID;
    if (core->step == BFT_STEP_DECIDED || !validity_is_wanted(core, value))
        return;
    log_input(core, taking);
    if (verdict == VERDICT_VALID)
        value_set_valid(core, value);
    for (size_t i = 0; i < ROUNDS_KEPT; i++) {
        if (is_asked_for(&core->rounds[i], value))
            core->rounds[i].verdict = verdict;
    }
    if (is_decision(core, value))
        core->decision.verdict = verdict;
    run(core, taking);
}

static bool is_building(const struct bft *core) {
    return core->step == BFT_STEP_PROPOSE && core->due && is_proposer(core) &&
           (!core->own_proposal.wanted || core->own_proposal.proposal.round != core->round);
}

static void on_built(struct bft *core, const struct taking *taking) {
    const struct bft_input *input = taking->input;
    if (input->built.height != core->height || input->built.round != core->round || !is_active(core) ||
        !is_building(core))
        return;
    log_input(core, taking);
    value_set_valid(core, &input->built.value);
    want_proposal(core, &input->built.value, BFT_ROUND_NONE, taking->outputs);
    run(core, taking);
}

static void on_due(struct bft *core, const struct taking *taking) {
    if (taking->input->height != core->height || core->due || !is_active(core))
        return;
    log_input(core, taking);
    become_due(core, taking->now_ms, taking->outputs);
    run(core, taking);
}

// ---- other heights ----

static void on_synced(struct bft *core, const struct taking *taking) {
    if (taking->input->height < core->height || core->step == BFT_STEP_DECIDED)
        return;
    log_input(core, taking);
    core->step = BFT_STEP_DECIDED;
}

static void on_behind(struct bft *core, const struct taking *taking) {
    if (taking->input->height == core->height && is_active(core))
        become_behind(core, taking->outputs);
}

// ---- TIMEOUT ----

// What is said may be lost, what was missed may not be said again: all repeat the last that they said.
static void repeat_own(struct bft *core, struct bft_outputs *outputs) {
    const struct own_vote *votes[] = {&core->own_prevote, &core->own_precommit};
    if (core->own_proposal.is_signed && core->own_proposal.proposal.round == core->round)
        output_broadcast_proposal(core, outputs);
    for (size_t i = 0; i < 2; i++) {
        if (votes[i]->is_signed)
            output_add(outputs, BFT_OUTPUT_BROADCAST_VOTE)->vote = votes[i]->vote;
    }
}

static void on_rebroadcast(struct bft *core, const struct taking *taking) {
    output_timer(core, taking->outputs, BFT_TIMER_REBROADCAST, taking->now_ms);
    if (core->step == BFT_STEP_DECIDED)
        return;
    if (core->behind || ahead_is_reached(core, core->height + 1)) // the decision of this height has passed by
        ahead_request_sync(core, taking->outputs);
    if (!core->behind)
        repeat_own(core, taking->outputs);
}

static bool timeout_is_of_now(const struct bft *core, const struct bft_timer *timer) {
    if (timer->height != core->height || timer->round != core->round || !is_active(core))
        return false;
    switch (timer->kind) {
    case BFT_TIMER_PROPOSE:
        return core->step == BFT_STEP_PROPOSE && core->due;
    case BFT_TIMER_PREVOTE:
        return core->step == BFT_STEP_PREVOTE;
    case BFT_TIMER_PRECOMMIT:
        return core->round < BFT_ROUND_NONE - 1;
    case BFT_TIMER_REBROADCAST:
        return false;
    }
    return false;
}

static void on_timeout(struct bft *core, const struct taking *taking) {
    const struct bft_timer *timer = &taking->input->timeout;
    if (timer->kind == BFT_TIMER_REBROADCAST && timer->height == core->height)
        on_rebroadcast(core, taking);
    if (!timeout_is_of_now(core, timer))
        return;
    log_input(core, taking);
    if (timer->kind == BFT_TIMER_PROPOSE)
        on_timeout_propose(core, taking->outputs);
    else if (timer->kind == BFT_TIMER_PREVOTE)
        on_timeout_prevote(core, taking->outputs);
    else
        on_timeout_precommit(core, taking->now_ms, taking->outputs);
    run(core, taking);
}

// ---- the core ----

struct bft *bft_new(const struct sign_public *self, const struct bft_params *params) {
    struct bft *core = NEW(struct bft);
    core->has_key = self != NULL;
    if (self != NULL)
        core->key = *self;
    core->params = *params;
    core->self = -1;
    core->locked_round = BFT_ROUND_NONE;
    core->valid_round = BFT_ROUND_NONE;
    return core;
}

void bft_free(struct bft *core) {
    if (core == NULL)
        return;
    forget_height(core);
    ahead_free(core->ahead);
    free(core);
}

typedef void (*handler)(struct bft *core, const struct taking *taking);

static const handler handlers[] = {
    [BFT_INPUT_START] = on_start,
    [BFT_INPUT_PROPOSAL] = on_proposal,
    [BFT_INPUT_VOTE] = on_vote,
    [BFT_INPUT_CERTIFICATE] = on_certificate,
    [BFT_INPUT_BLOCK_VALIDITY] = on_validity,
    [BFT_INPUT_BUILT_VALUE] = on_built,
    [BFT_INPUT_TIMEOUT] = on_timeout,
    [BFT_INPUT_SYNCED_BLOCK] = on_synced,
    [BFT_INPUT_BLOCK_DUE] = on_due,
    [BFT_INPUT_BEHIND] = on_behind,
};

void bft_step(struct bft *core, const struct bft_input *input, uint64_t now_ms, struct bft_outputs *outputs) {
    ASSERT(core->height > 0 || input->kind == BFT_INPUT_START);
    handlers[input->kind](core, &(struct taking){input, now_ms, outputs});
}

// ---- after a restart ----

static bool may_come_here(const struct bft *core, const struct bft_input *input) {
    return input->kind == BFT_INPUT_START ? input->start.height > core->height : core->height > 0;
}

// Every record changed the state once, and so it does again, or it stands in another's place.
static bool logged_again(const struct bft_outputs *outputs, struct span record) {
    return outputs->count > 0 && outputs->items[0].kind == BFT_OUTPUT_LOG &&
           span_equal(outputs->items[0].log.record, record);
}

static void keep_evidence(struct bft_outputs *out, const struct bft_outputs *replayed) {
    for (size_t i = 0; i < replayed->count; i++) {
        if (replayed->items[i].kind == BFT_OUTPUT_EVIDENCE)
            output_add(out, BFT_OUTPUT_EVIDENCE)->evidence = replayed->items[i].evidence;
    }
}

enum err bft_replay(struct bft *core, struct span record, struct bft_outputs *outputs) {
    struct bft_record *decoded = NEW(struct bft_record);
    struct bft_outputs replayed = {0};
    enum err err = ERR_CORRUPT;
    if (bft_record_decode(decoded, record) == OK && may_come_here(core, &decoded->input)) {
        bft_step(core, &decoded->input, 0, &replayed);
        err = logged_again(&replayed, record) ? OK : ERR_CORRUPT;
        keep_evidence(outputs, &replayed);
    }
    bft_outputs_free(&replayed);
    free(decoded);
    return err;
}

static void resume_timers(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    const struct round *round = round_peek(core, core->round);
    output_timer(core, outputs, BFT_TIMER_REBROADCAST, now_ms);
    if (core->step == BFT_STEP_PROPOSE && core->due)
        output_timer(core, outputs, BFT_TIMER_PROPOSE, now_ms);
    if (core->step == BFT_STEP_PREVOTE && round != NULL && round->prevote_timer)
        output_timer(core, outputs, BFT_TIMER_PREVOTE, now_ms);
    if (round != NULL && round->precommit_timer)
        output_timer(core, outputs, BFT_TIMER_PRECOMMIT, now_ms);
}

static void resume_blocks(struct bft *core, struct bft_outputs *outputs) {
    const struct round *round = round_peek(core, core->round);
    if (is_building(core))
        output_build_value(core, outputs);
    if (round != NULL && round->verdict == VERDICT_ASKED)
        output_validate(core, outputs, &round->proposal.value, false);
}

static void resume_decision(struct bft *core, struct bft_outputs *outputs) {
    if (core->decision.certificate != NULL && core->decision.verdict != VERDICT_VALID)
        output_validate(core, outputs, &core->decision.certificate->value, true);
}

static void resume_signing(struct bft *core, struct bft_outputs *outputs) {
    const struct own_vote *votes[] = {&core->own_prevote, &core->own_precommit};
    if (core->own_proposal.wanted && !core->own_proposal.is_signed && core->own_proposal.proposal.round == core->round)
        output_sign_proposal(core, outputs);
    for (size_t i = 0; i < 2; i++) {
        if (votes[i]->wanted && !votes[i]->is_signed && votes[i]->vote.round == core->round)
            output_add(outputs, BFT_OUTPUT_SIGN_VOTE)->vote = votes[i]->vote;
    }
}

void bft_sign_again(struct bft *core, struct bft_outputs *outputs) {
    if (!is_active(core))
        return;
    if (is_building(core))
        output_build_value(core, outputs);
    resume_signing(core, outputs);
}

void bft_resume(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs) {
    ASSERT(core->height > 0);
    core->started_ms = now_ms;
    output_log_sync(outputs); // what was read may have been in memory only: a killed process, then a power loss
    if (core->step == BFT_STEP_DECIDED) {
        if (core->decision.verdict == VERDICT_VALID)
            output_decide(core, outputs);
        return;
    }
    resume_decision(core, outputs);
    if (core->behind) {
        output_timer(core, outputs, BFT_TIMER_REBROADCAST, now_ms);
        ahead_request_sync(core, outputs);
        return;
    }
    resume_timers(core, now_ms, outputs);
    repeat_own(core, outputs);
    resume_blocks(core, outputs);
    resume_signing(core, outputs);
}
