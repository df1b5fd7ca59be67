// Messages of other heights. The next height's wait in a queue a validator; later ones tell that this core is behind;
// earlier ones tell that their sender is.
#include <stdlib.h>
#include <string.h>

#include "ledger/consensus/bft_internal.h"

static uint64_t height_of(const struct bft_input *input) {
    return input->kind == BFT_INPUT_VOTE ? input->vote.height : input->proposal.proposal.height;
}

static const struct sign_public *signer_of(const struct bft_input *input) {
    return input->kind == BFT_INPUT_VOTE ? &input->vote.validator : &input->proposal.proposal.proposer;
}

// ---- the queue for the next height ----

static void keep_vote(struct ahead *ahead, const struct vote *vote) {
    for (size_t i = 0; i < ahead->vote_count; i++) {
        const struct vote *kept = &ahead->votes[i];
        if (kept->type == vote->type && kept->round == vote->round && block_id_equal(&kept->value, &vote->value))
            return;
    }
    if (ahead->vote_count < AHEAD_VOTES_MAX)
        ahead->votes[ahead->vote_count++] = *vote;
}

static void keep_proposal(struct ahead *ahead, const struct bft_input *input) {
    if (ahead->has_proposal)
        return;
    ahead->has_proposal = true;
    ahead->proposal = input->proposal.proposal;
    ahead->prevotes = certificate_copy(input->proposal.prevotes);
}

static void keep(struct bft *core, const struct bft_input *input) {
    int validator = validator_set_find(&core->next_set, signer_of(input));
    if (validator < 0)
        return;
    if (core->ahead[validator] == NULL)
        core->ahead[validator] = NEW(struct ahead);
    if (input->kind == BFT_INPUT_VOTE)
        keep_vote(core->ahead[validator], &input->vote);
    else
        keep_proposal(core->ahead[validator], input);
}

void ahead_free(struct ahead *queues[static VALIDATORS_MAX]) {
    for (size_t i = 0; i < VALIDATORS_MAX; i++) {
        if (queues[i] != NULL)
            free(queues[i]->prevotes);
        free(queues[i]);
        queues[i] = NULL;
    }
}

// ---- being behind ----

static uint64_t power_at_height(const struct bft *core, uint64_t height) {
    uint64_t power = 0;
    for (size_t i = 0; i < core->set.count; i++)
        power += core->seen[i].height >= height ? core->set.validators[i].power : 0;
    return power;
}

bool ahead_is_reached(const struct bft *core, uint64_t height) {
    return power_is_skip(power_at_height(core, height), core->set.total);
}

// At least the height two above: a restarted core remembers that it is behind, not how far.
void ahead_request_sync(const struct bft *core, struct bft_outputs *outputs) {
    uint64_t highest = core->behind ? core->height + 2 : core->height + 1;
    for (size_t i = 0; i < core->set.count; i++) {
        if (core->seen[i].height > highest && ahead_is_reached(core, core->seen[i].height))
            highest = core->seen[i].height;
    }
    output_add(outputs, BFT_OUTPUT_REQUEST_SYNC)->sync.height = highest;
}

void become_behind(struct bft *core, struct bft_outputs *outputs) {
    output_log(core, outputs, &(struct bft_input){.kind = BFT_INPUT_BEHIND, .height = core->height});
    core->behind = true;
    ahead_request_sync(core, outputs);
}

static void see(struct bft *core, const struct bft_input *input, struct bft_outputs *outputs) {
    int validator = validator_set_find(&core->set, signer_of(input));
    if (validator < 0 || core->seen[validator].height >= height_of(input))
        return;
    core->seen[validator].height = height_of(input);
    if (!core->behind && core->step != BFT_STEP_DECIDED && ahead_is_reached(core, core->height + 2))
        become_behind(core, outputs);
}

void ahead_take(struct bft *core, const struct bft_input *input, struct bft_outputs *outputs) {
    see(core, input, outputs);
    if (height_of(input) == core->height + 1)
        keep(core, input);
}

void ahead_follow_set(struct bft *core, const struct validator_set *old) {
    struct seen seen[VALIDATORS_MAX] = {0};
    for (size_t i = 0; i < core->set.count; i++) {
        int before = validator_set_find(old, &core->set.validators[i].key);
        if (before >= 0)
            seen[i] = core->seen[before];
    }
    memcpy(core->seen, seen, sizeof seen);
}

// ---- others who are behind ----

// The last votes of the previous height come when it has been decided: no sign of anything until they are repeated.
static bool may_be_late_only(const struct bft *core, uint64_t height, uint64_t now_ms) {
    return height + 1 == core->height && now_ms - core->started_ms < core->params.rebroadcast_ms;
}

void ahead_help(struct bft *core, const struct bft_input *input, uint64_t now_ms, struct bft_outputs *outputs) {
    int validator = validator_set_find(&core->set, signer_of(input));
    if (validator < 0 || validator == core->self || may_be_late_only(core, height_of(input), now_ms))
        return;
    struct seen *seen = &core->seen[validator];
    if (seen->was_helped && now_ms - seen->helped_ms < core->params.rebroadcast_ms)
        return;
    seen->was_helped = true;
    seen->helped_ms = now_ms;
    struct bft_output *output = output_add(outputs, BFT_OUTPUT_SEND_DECISION);
    output->send.to = input->from;
    output->send.height = height_of(input);
}
