// One consensus core among four validators of equal power, whose keys are 32 times their index + 1. Its signer signs
// whatever it is asked for. The proposer of round r at BFT_HEIGHT is validator r % 4.
#ifndef SOTTO_TESTS_LEDGER_BFT_RIG_H
#define SOTTO_TESTS_LEDGER_BFT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/consensus/bft.h"

#define BFT_HEIGHT 4
#define RIG_RECORDS_MAX 4096

struct rig {
    struct validator_set set;
    struct bft *core;
    size_t self;
    bool signer_refuses;
    uint64_t now_ms;
    struct bft_outputs outputs; // of the last act
    struct buf records[RIG_RECORDS_MAX];
    size_t record_count;
};

static const struct block_id no_value;

static inline struct block_id value_of(uint8_t n) {
    struct block_id value;
    memset(value.bytes, n, sizeof value.bytes);
    return value;
}

static inline struct sign_public key_of(size_t validator) {
    struct sign_public key;
    memset(key.bytes, (int)validator + 1, sizeof key.bytes);
    return key;
}

static inline void set_of(struct validator_set *set, size_t count) {
    *set = (struct validator_set){0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(validator_set_change(set, &(struct validator){.key = key_of(i), .power = 1}), OK);
}

static inline struct vote vote_of(size_t validator, enum vote_type type, uint32_t round, struct block_id value) {
    struct vote vote = {
        .type = type, .height = BFT_HEIGHT, .round = round, .value = value, .validator = key_of(validator)};
    memset(vote.signature.bytes, (int)validator + 1, sizeof vote.signature.bytes);
    return vote;
}

static inline struct proposal proposal_of(uint32_t round, struct block_id value) {
    return (struct proposal){.height = BFT_HEIGHT,
                             .round = round,
                             .valid_round = BFT_ROUND_NONE,
                             .value = value,
                             .proposer = key_of(round % 4)};
}

static inline struct certificate certificate_of(enum vote_type type, uint32_t round, struct block_id value,
                                                size_t count) {
    struct certificate certificate = {
        .type = type, .height = BFT_HEIGHT, .round = round, .value = value, .count = count};
    for (size_t i = 0; i < count; i++)
        certificate.votes[i] = (struct certificate_vote){(uint16_t)i, vote_of(i, type, round, value).signature};
    return certificate;
}

static inline void rig_log(struct rig *rig, struct span record) {
    assert_true(rig->record_count < RIG_RECORDS_MAX);
    buf_append(&rig->records[rig->record_count++], record);
}

// What the driver does at once: logs, signs.
static inline void rig_carry_out(struct rig *rig) {
    for (size_t i = 0; i < rig->outputs.count; i++) {
        struct bft_output output = rig->outputs.items[i];
        struct bft_input input = {0};
        if (output.kind == BFT_OUTPUT_LOG)
            rig_log(rig, output.log.record);
        if (output.kind == BFT_OUTPUT_SIGN_VOTE) {
            input = (struct bft_input){.kind = BFT_INPUT_VOTE, .vote = output.vote};
            memset(input.vote.signature.bytes, (int)rig->self + 1, 64);
        }
        if (output.kind == BFT_OUTPUT_SIGN_PROPOSAL) {
            input = (struct bft_input){.kind = BFT_INPUT_PROPOSAL,
                                       .proposal = {output.proposal.proposal, output.proposal.prevotes}};
        }
        if (input.kind != 0 && !rig->signer_refuses)
            bft_step(rig->core, &input, rig->now_ms, &rig->outputs);
    }
}

static inline void rig_give(struct rig *rig, const struct bft_input *input) {
    bft_outputs_clear(&rig->outputs);
    bft_step(rig->core, input, rig->now_ms, &rig->outputs);
    rig_carry_out(rig);
}

static inline void rig_start_height(struct rig *rig, uint64_t height) {
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_START, .start = {height, &rig->set, &rig->set}});
}

static inline struct rig *rig_new_unstarted(size_t self, size_t validators) {
    struct rig *rig = NEW(struct rig);
    struct sign_public key = key_of(self);
    set_of(&rig->set, validators);
    rig->self = self;
    rig->core = bft_new(&key, &BFT_PARAMS_DEFAULT);
    rig->now_ms = 1000000;
    return rig;
}

static inline struct rig *rig_new(size_t self) {
    struct rig *rig = rig_new_unstarted(self, 4);
    rig_start_height(rig, BFT_HEIGHT);
    return rig;
}

static inline void rig_free(struct rig *rig) {
    for (size_t i = 0; i < rig->record_count; i++)
        buf_free(&rig->records[i]);
    bft_outputs_free(&rig->outputs);
    bft_free(rig->core);
    free(rig);
}

// A restart from the first `count` records of the log.
static inline void rig_restart(struct rig *rig, size_t count) {
    struct sign_public key = key_of(rig->self);
    bft_free(rig->core);
    rig->core = bft_new(&key, &BFT_PARAMS_DEFAULT);
    bft_outputs_clear(&rig->outputs);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(bft_replay(rig->core, buf_span(&rig->records[i]), &rig->outputs), OK);
}

// ---- what comes in ----

static inline void give_vote(struct rig *rig, size_t validator, enum vote_type type, uint32_t round,
                             struct block_id value) {
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_VOTE, .vote = vote_of(validator, type, round, value)});
}

static inline void give_proposal(struct rig *rig, uint32_t round, struct block_id value) {
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_PROPOSAL, .proposal = {proposal_of(round, value), NULL}});
}

static inline void give_proposal_again(struct rig *rig, uint32_t round, uint32_t valid_round, struct block_id value) {
    struct certificate prevotes = certificate_of(VOTE_PREVOTE, valid_round, value, 3);
    struct proposal proposal = proposal_of(round, value);
    proposal.valid_round = valid_round;
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_PROPOSAL, .proposal = {proposal, &prevotes}});
}

static inline void give_validity(struct rig *rig, struct block_id value, bool ok) {
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BLOCK_VALIDITY, .validity = {value, ok}});
}

static inline void give_timeout(struct rig *rig, enum bft_timer_kind kind, uint32_t round) {
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_TIMEOUT, .timeout = {kind, BFT_HEIGHT, round}});
}

static inline void give_due(struct rig *rig) {
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BLOCK_DUE, .height = BFT_HEIGHT});
}

// A proposal whose block is valid.
static inline void give_valid_proposal(struct rig *rig, uint32_t round, struct block_id value) {
    give_proposal(rig, round, value);
    give_validity(rig, value, true);
}

// By the first `count` others.
static inline void give_votes(struct rig *rig, size_t count, enum vote_type type, uint32_t round,
                              struct block_id value) {
    for (size_t i = 0, given = 0; given < count; i++) {
        if (i == rig->self)
            continue;
        give_vote(rig, i, type, round, value);
        given++;
    }
}

// ---- what came out of the last act ----

static inline const struct bft_output *output_of(const struct rig *rig, enum bft_output_kind kind) {
    for (size_t i = 0; i < rig->outputs.count; i++) {
        if (rig->outputs.items[i].kind == kind)
            return &rig->outputs.items[i];
    }
    return NULL;
}

static inline size_t output_count(const struct rig *rig, enum bft_output_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < rig->outputs.count; i++)
        count += rig->outputs.items[i].kind == kind ? 1 : 0;
    return count;
}

static inline bool voted(const struct rig *rig, enum vote_type type, uint32_t round, struct block_id value) {
    for (size_t i = 0; i < rig->outputs.count; i++) {
        const struct bft_output *output = &rig->outputs.items[i];
        if (output->kind == BFT_OUTPUT_BROADCAST_VOTE && output->vote.type == type && output->vote.round == round &&
            block_id_equal(&output->vote.value, &value))
            return true;
    }
    return false;
}

static inline const struct bft_output *timer_of(const struct rig *rig, enum bft_timer_kind kind) {
    for (size_t i = 0; i < rig->outputs.count; i++) {
        const struct bft_output *output = &rig->outputs.items[i];
        if (output->kind == BFT_OUTPUT_SET_TIMER && output->timer.timer.kind == kind)
            return output;
    }
    return NULL;
}

static inline struct bft_view look(const struct rig *rig) {
    struct bft_view view;
    bft_look(rig->core, &view);
    return view;
}

#endif
