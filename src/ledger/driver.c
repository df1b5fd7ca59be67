// Runs consensus: its outputs become log records, signatures, frames, timers; what comes back becomes its inputs.
//
// Outputs are carried out in the order in which they were given, across inputs: so the log has the inputs in the order
// in which they were taken. All effects of a step wait for what it logs and asks to sync.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "directory/directory.h"
#include "ledger/ledger_internal.h"

// Beyond this the log is begun anew with the next height: what it holds of earlier ones is needed no more.
#define LOG_RESET_BYTES ((size_t)4 * 1024 * 1024)
// Of one peer, those of certificates counted: blocks every 10 ms are 300 of its own, and it may pass on others'. More
// would keep us verifying.
#define SIGNATURES_PER_S 2000

void driver_input(struct ledger *ledger, struct step *step, const struct bft_input *input) {
    struct bft_view view;
    witness_take(ledger->witness, input);
    bft_step(ledger->bft, input, step->now.mono_ms, &ledger->outputs);
    bft_look(ledger->bft, &view);
    witness_enter(ledger->witness, view.round);
}

void driver_start_height(struct ledger *ledger, struct step *step) {
    struct bft_input input = {.kind = BFT_INPUT_START};
    input.start.height = ledger->chain.height + 1;
    input.start.set = &ledger->set;
    input.start.next_set = &ledger->next_set;
    driver_input(ledger, step, &input);
    evidence_tell_height(ledger, step, ledger->chain.height - 1); // by now what was late has come, too
}

// ---- outputs

// The first record of a height is its START: the log may begin with it, and with nothing else.
static void carry_log(struct ledger *ledger, struct step *step, struct bft_output *output) {
    struct wal_record record = {.type = WAL_INPUT, .height = output->log.height, .body = output->log.record};
    if (record.height > ledger->log_height && ledger->log_bytes > LOG_RESET_BYTES) {
        signer_reset_log(ledger->signer, step);
        ledger->log_bytes = 0;
    }
    ledger->log_height = record.height;
    wal_append(step, &record);
    ledger->log_bytes += WAL_HEAD_BYTES + WAL_CRC_BYTES + record.body.n;
}

// A mutation check: worlds must find a validator that contradicts what a power loss has made it forget.
static void carry_log_sync(struct ledger *ledger, struct step *step, struct bft_output *output) {
    (void)ledger, (void)output;
#ifndef SOTTO_MUTATE_NO_LOG_SYNC
    step_log_sync(step);
#else
    (void)step;
#endif
}

static bool sign(struct ledger *ledger, struct step *step, struct signature *out, const struct sign_slot *slot,
                 struct span message) {
    if (signer_sign(ledger->signer, step, out, slot, message) == OK)
        return true;
    if (signer_is_silent(ledger->signer, slot->height))
        return false;
    log_number(&step->env->log, LOG_WARN, "ledger", "the signer refuses to sign for a slot again", "height",
               (int64_t)slot->height);
    return false;
}

static void carry_sign_vote(struct ledger *ledger, struct step *step, struct bft_output *output) {
    struct bft_input input = {.kind = BFT_INPUT_VOTE, .vote = output->vote};
    uint8_t bytes[VOTE_BYTES];
    struct sign_slot slot = {output->vote.height, output->vote.round,
                             output->vote.type == VOTE_PREVOTE ? SIGN_PREVOTE : SIGN_PRECOMMIT};
    vote_encode(bytes, &output->vote);
    if (sign(ledger, step, &input.vote.signature, &slot, span_of(bytes, VOTE_SIGNED_BYTES)))
        driver_input(ledger, step, &input);
}

static void carry_sign_proposal(struct ledger *ledger, struct step *step, struct bft_output *output) {
    struct bft_input input = {.kind = BFT_INPUT_PROPOSAL};
    input.proposal.proposal = output->proposal.proposal;
    input.proposal.prevotes = output->proposal.prevotes;
    uint8_t bytes[PROPOSAL_BYTES];
    struct sign_slot slot = {input.proposal.proposal.height, input.proposal.proposal.round, SIGN_PROPOSAL};
    proposal_encode(bytes, &input.proposal.proposal);
    if (sign(ledger, step, &input.proposal.proposal.signature, &slot, span_of(bytes, PROPOSAL_SIGNED_BYTES)))
        driver_input(ledger, step, &input);
}

static void carry_broadcast_vote(struct ledger *ledger, struct step *step, struct bft_output *output) {
    uint8_t body[VOTE_BYTES];
    vote_encode(body, &output->vote);
    peers_broadcast(ledger, step, FRAME_VOTE, SPAN_OF(body));
}

static void carry_broadcast_proposal(struct ledger *ledger, struct step *step, struct bft_output *output) {
    const struct candidate *candidate = candidate_get(ledger, step, &output->proposal.proposal.value);
    if (candidate == NULL)
        return; // somebody else has the block; the round goes on without us
    struct proposal_message *message = NEW(struct proposal_message);
    struct buf body = {0};
    message->proposal = output->proposal.proposal;
    if (output->proposal.prevotes != NULL)
        message->prevotes = *output->proposal.prevotes;
    message->block = buf_span(&candidate->bytes);
    proposal_message_encode(&body, message);
    peers_broadcast(ledger, step, FRAME_PROPOSAL, buf_span(&body));
    buf_free(&body);
    free(message);
}

static void carry_timer(struct ledger *ledger, struct step *step, struct bft_output *output) {
    (void)step;
    size_t i = output->timer.timer.kind - 1u;
    ledger->timers[i] = output->timer.timer;
    ledger->timers_ms[i] = output->timer.at_ms;
}

// The head's state shows in the next step only, so the block is made by candidates_tick.
static void carry_build(struct ledger *ledger, struct step *step, struct bft_output *output) {
    (void)step;
    ledger->build_wanted = !signer_is_silent(ledger->signer, output->build.height);
    ledger->build_height = output->build.height;
    ledger->build_round = output->build.round;
}

static void carry_validate(struct ledger *ledger, struct step *step, struct bft_output *output) {
    candidate_want(ledger, step, &output->validate.value, output->validate.decided);
}

// After a restart the core knows from the log that the block is valid; its trial has to be made again.
static void carry_decide(struct ledger *ledger, struct step *step, struct bft_output *output) {
    const char *why = NULL;
    struct candidate *candidate = candidate_get(ledger, step, &output->decision->value);
    if (candidate == NULL) {
        log_note(&step->env->log, LOG_WARN, "ledger", "the block that was decided is missing here: it is fetched");
        return; // those who have it say that they are a height ahead
    }
    if (candidate_try(ledger, step, candidate, true, &why) != OK) {
        log_reason(&step->env->log, LOG_ERROR, "ledger", "a decided block is not valid here", why);
        ledger_break(ledger, step, "over two thirds decided a block that is wrong by this node's rules");
        return;
    }
    apply_block(ledger, step, candidate, output->decision);
}

// The witness has been given all that the core has, and offers what it finds (evidence.c).
static void carry_evidence(struct ledger *ledger, struct step *step, struct bft_output *output) {
    (void)ledger, (void)step, (void)output;
}

static void carry_request_sync(struct ledger *ledger, struct step *step, struct bft_output *output) {
    sync_wanted(ledger, step, output->sync.height);
}

static void carry_send_decision(struct ledger *ledger, struct step *step, struct bft_output *output) {
    struct peer *peer = peer_find(ledger, output->send.to);
    if (peer != NULL)
        sync_send_block(ledger, step, peer, output->send.height);
}

typedef void carrier(struct ledger *ledger, struct step *step, struct bft_output *output);

static carrier *const carriers[] = {
    [BFT_OUTPUT_LOG] = carry_log,
    [BFT_OUTPUT_LOG_SYNC] = carry_log_sync,
    [BFT_OUTPUT_SIGN_VOTE] = carry_sign_vote,
    [BFT_OUTPUT_SIGN_PROPOSAL] = carry_sign_proposal,
    [BFT_OUTPUT_BROADCAST_VOTE] = carry_broadcast_vote,
    [BFT_OUTPUT_BROADCAST_PROPOSAL] = carry_broadcast_proposal,
    [BFT_OUTPUT_SET_TIMER] = carry_timer,
    [BFT_OUTPUT_BUILD_VALUE] = carry_build,
    [BFT_OUTPUT_VALIDATE] = carry_validate,
    [BFT_OUTPUT_DECIDE] = carry_decide,
    [BFT_OUTPUT_EVIDENCE] = carry_evidence,
    [BFT_OUTPUT_REQUEST_SYNC] = carry_request_sync,
    [BFT_OUTPUT_SEND_DECISION] = carry_send_decision,
};

void driver_carry_out(struct ledger *ledger, struct step *step) {
    for (size_t i = 0; i < ledger->outputs.count && ledger->broken == NULL; i++) {
        struct bft_output output = ledger->outputs.items[i]; // the list may move; what the output owns stays
        carriers[output.kind](ledger, step, &output);
    }
    bft_outputs_clear(&ledger->outputs);
}

// ---- what others say

// False: dropped. It is said again later, if it matters.
static bool may_be_verified(struct step *step, struct peer *peer, size_t signatures) {
    if (allowance_take(&peer->signatures_allowed, step->now.mono_ms, signatures, SIGNATURES_PER_S, SIGNATURES_PER_S))
        return true;
    metric_add(step->env->metrics, METRIC_LEDGER_FRAMES_FOREIGN, 1);
    return false;
}

enum err driver_vote(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    struct bft_input input = {.kind = BFT_INPUT_VOTE, .from = peer->link};
    if (vote_decode(&input.vote, body) != OK)
        return ERR_MALFORMED;
    if (!may_be_verified(step, peer, 1))
        return OK;
    if (vote_verify(&input.vote, &ledger->config.genesis->network) != OK)
        return ERR_AUTH;
    driver_input(ledger, step, &input);
    return OK;
}

// The certificate of an earlier round's prevotes belongs to the proposal's height and value by its codec.
static enum err prevotes_hold(const struct ledger *ledger, const struct proposal_message *message,
                              const struct validator_set *set) {
    if (message->proposal.valid_round == VALID_ROUND_NONE)
        return OK;
    return certificate_verify(&message->prevotes, set, &ledger->config.genesis->network);
}

// A block of another height could neither be judged now nor be dropped with this height.
static bool is_of_height(struct span block, uint64_t height) {
    struct block_header header;
    return block.n >= BLOCK_HEADER_BYTES && block_header_decode(&header, span_of(block.p, BLOCK_HEADER_BYTES)) == OK &&
           header.height == height;
}

static enum err proposal_take(struct ledger *ledger, struct step *step, struct peer *peer,
                              const struct proposal_message *message) {
    const struct proposal *proposal = &message->proposal;
    uint64_t next = ledger->chain.height + 1;
    if (proposal->height < next) {
        sync_send_block(ledger, step, peer, proposal->height);
        return OK;
    }
    if (proposal->height > next + 1)
        return OK; // too far ahead to be of use: its sender's status makes us catch up
    const struct validator_set *set = proposal->height == next ? &ledger->set : &ledger->next_set;
    const struct validator *proposer = &set->validators[validators_proposer(set, proposal->height, proposal->round)];
    if (memcmp(proposer->key.bytes, proposal->proposer.bytes, 32) != 0)
        return ERR_INVALID;
    if (!may_be_verified(step, peer, 1 + message->prevotes.count))
        return OK;
    if (proposal_verify(proposal, &ledger->config.genesis->network) != OK || prevotes_hold(ledger, message, set) != OK)
        return ERR_AUTH;
    struct bft_input input = {.kind = BFT_INPUT_PROPOSAL, .from = peer->link};
    input.proposal.proposal = *proposal;
    input.proposal.prevotes = proposal->valid_round == VALID_ROUND_NONE ? NULL : &message->prevotes;
    witness_take(ledger->witness, &input); // it is signed, whatever its block is
    if (!is_of_height(message->block, proposal->height) ||
        candidate_add(ledger, message->block, &proposal->value, &proposal->proposer) == NULL)
        return ERR_INVALID;
    driver_input(ledger, step, &input);
    return OK; // a candidate that consensus waits for is looked at with the rest of the step
}

enum err driver_proposal(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    struct proposal_message *message = NEW(struct proposal_message);
    enum err err = proposal_message_decode(message, body);
    if (err == OK)
        err = proposal_take(ledger, step, peer, message);
    free(message);
    return err;
}

// A member that has just come: what it may have missed leaves again with the next repetition, which is made now.
void driver_greet(struct ledger *ledger, struct step *step, struct peer *peer) {
    (void)peer;
    uint64_t *at_ms = &ledger->timers_ms[BFT_TIMER_REBROADCAST - 1];
    if (*at_ms != TIME_NEVER && *at_ms > step->now.mono_ms)
        *at_ms = step->now.mono_ms;
}

// ---- time

static void fire_timers(struct ledger *ledger, struct step *step) {
    for (size_t i = 0; i < BFT_TIMER_KINDS; i++)
        if (step->now.mono_ms >= ledger->timers_ms[i]) {
            struct bft_input input = {.kind = BFT_INPUT_TIMEOUT, .timeout = ledger->timers[i]};
            ledger->timers_ms[i] = TIME_NEVER;
            driver_input(ledger, step, &input);
            if (input.timeout.kind == BFT_TIMER_REBROADCAST)
                evidence_tell_all(ledger, step);
        }
}

// The head changed the state, and no header says so yet.
static bool root_is_uncertified(const struct ledger *ledger) {
    return ledger->chain.height > 0 && memcmp(ledger->root.bytes, ledger->chain.header.state_root.bytes, 32) != 0;
}

static bool block_is_due(const struct ledger *ledger, const struct step *step) {
    const struct ledger_config *config = &ledger->config;
    return mempool_ready(ledger->mempool) > 0 || root_is_uncertified(ledger) || ledger->sample_due ||
           step->now.wall_ms >= ledger->due_ms ||
           (config->genesis->ledger.block_ms > 0 &&
            step->now.mono_ms >= ledger->head_mono_ms + config->genesis->ledger.block_ms);
}

// A height that is decided, here or elsewhere, takes no block any more.
static bool may_become_due(const struct ledger *ledger, const struct bft_view *view) {
    return !view->due && !view->behind && view->step != BFT_STEP_DECIDED && !sync_is_behind(ledger);
}

void driver_tick(struct ledger *ledger, struct step *step) {
    struct bft_view view;
    fire_timers(ledger, step);
    bft_look(ledger->bft, &view);
    if (may_become_due(ledger, &view) && block_is_due(ledger, step)) {
        struct bft_input input = {.kind = BFT_INPUT_BLOCK_DUE};
        input.height = ledger->chain.height + 1;
        driver_input(ledger, step, &input);
    }
}

uint64_t driver_next_ms(const struct ledger *ledger, const struct now *now) {
    struct bft_view view;
    uint64_t next_ms = TIME_NEVER;
    for (size_t i = 0; i < BFT_TIMER_KINDS; i++)
        next_ms = ledger->timers_ms[i] < next_ms ? ledger->timers_ms[i] : next_ms;
    bft_look(ledger->bft, &view);
    if (!may_become_due(ledger, &view))
        return next_ms;
    if (ledger->config.genesis->ledger.block_ms > 0 &&
        ledger->head_mono_ms + ledger->config.genesis->ledger.block_ms < next_ms)
        next_ms = ledger->head_mono_ms + ledger->config.genesis->ledger.block_ms;
    if (ledger->due_ms != UINT64_MAX && directory_look_ms(now, ledger->due_ms) < next_ms)
        next_ms = directory_look_ms(now, ledger->due_ms);
    return next_ms;
}
