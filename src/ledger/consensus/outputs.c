// The list of outputs, and how each is made.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/consensus/bft_internal.h"
#include "ledger/consensus/record.h"

static void free_owned(struct bft_output *output) {
    if (output->kind == BFT_OUTPUT_LOG)
        free((void *)output->log.record.p);
    else if (output->kind == BFT_OUTPUT_SIGN_PROPOSAL || output->kind == BFT_OUTPUT_BROADCAST_PROPOSAL)
        free(output->proposal.prevotes);
    else if (output->kind == BFT_OUTPUT_DECIDE)
        free(output->decision);
}

void bft_outputs_clear(struct bft_outputs *outputs) {
    for (size_t i = 0; i < outputs->count; i++)
        free_owned(&outputs->items[i]);
    outputs->count = 0;
}

void bft_outputs_free(struct bft_outputs *outputs) {
    bft_outputs_clear(outputs);
    free(outputs->items);
    *outputs = (struct bft_outputs){0};
}

static void grow(struct bft_outputs *outputs) {
    size_t capacity = outputs->capacity > 0 ? 2 * outputs->capacity : 16;
    struct bft_output *items = NEW_ARRAY(struct bft_output, capacity);
    if (outputs->count > 0)
        memcpy(items, outputs->items, outputs->count * sizeof *items);
    free(outputs->items);
    outputs->items = items;
    outputs->capacity = capacity;
}

struct bft_output *output_add(struct bft_outputs *outputs, enum bft_output_kind kind) {
    if (outputs->count == outputs->capacity)
        grow(outputs);
    struct bft_output *output = &outputs->items[outputs->count++];
    *output = (struct bft_output){.kind = kind};
    return output;
}

struct certificate *certificate_copy(const struct certificate *certificate) {
    return certificate != NULL ? mem_copy(span_of(certificate, sizeof *certificate)) : NULL;
}

void output_log(struct bft *core, struct bft_outputs *outputs, const struct bft_input *input) {
    struct buf record = {0};
    bft_record_encode(&record, input);
    struct bft_output *output = output_add(outputs, BFT_OUTPUT_LOG);
    output->log.height = input->kind == BFT_INPUT_START ? input->start.height : core->height;
    output->log.record = buf_span(&record); // its memory goes to the output
}

void output_log_sync(struct bft_outputs *outputs) {
// A mutation check: the simulator must find the second signature of a validator that forgot its first.
#ifndef SOTTO_MUTATE_NO_LOG_SYNC
    output_add(outputs, BFT_OUTPUT_LOG_SYNC);
#else
    (void)outputs;
#endif
}

static uint64_t timer_ms(const struct bft *core, enum bft_timer_kind kind) {
    const struct bft_params *params = &core->params;
    switch (kind) {
    case BFT_TIMER_PROPOSE:
        return params->propose_ms + (uint64_t)core->round * params->propose_growth_ms;
    case BFT_TIMER_PREVOTE:
    case BFT_TIMER_PRECOMMIT:
        return params->vote_ms + (uint64_t)core->round * params->vote_growth_ms;
    case BFT_TIMER_REBROADCAST:
        return params->rebroadcast_ms;
    }
    ASSERT(false);
    return 0;
}

void output_timer(struct bft *core, struct bft_outputs *outputs, enum bft_timer_kind kind, uint64_t now_ms) {
    struct bft_output *output = output_add(outputs, BFT_OUTPUT_SET_TIMER);
    output->timer.timer = (struct bft_timer){.kind = kind, .height = core->height, .round = core->round};
    output->timer.at_ms = now_ms + timer_ms(core, kind);
}

static void put_proposal(struct bft *core, struct bft_output *output) {
    output->proposal.proposal = core->own_proposal.proposal;
    output->proposal.prevotes = certificate_copy(core->own_proposal.prevotes);
}

void output_sign_proposal(struct bft *core, struct bft_outputs *outputs) {
    put_proposal(core, output_add(outputs, BFT_OUTPUT_SIGN_PROPOSAL));
}

void output_broadcast_proposal(struct bft *core, struct bft_outputs *outputs) {
    put_proposal(core, output_add(outputs, BFT_OUTPUT_BROADCAST_PROPOSAL));
}

void output_decide(struct bft *core, struct bft_outputs *outputs) {
    output_add(outputs, BFT_OUTPUT_DECIDE)->decision = certificate_copy(core->decision.certificate);
}

void output_validate(struct bft *core, struct bft_outputs *outputs, const struct block_id *value, bool decided) {
    struct bft_output *output = output_add(outputs, BFT_OUTPUT_VALIDATE);
    output->validate.height = core->height;
    output->validate.value = *value;
    output->validate.decided = decided;
}

void output_build_value(struct bft *core, struct bft_outputs *outputs) {
    struct bft_output *output = output_add(outputs, BFT_OUTPUT_BUILD_VALUE);
    output->build.height = core->height;
    output->build.round = core->round;
}
