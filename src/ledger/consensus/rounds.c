// What is kept of each round: the proposal, the votes, and who has reached which round.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/consensus/bft_internal.h"

// ---- rounds ----

static void round_clear(struct round *round) {
    free(round->prevotes_of_valid_round);
    vote_table_free(&round->prevotes);
    vote_table_free(&round->precommits);
    *round = (struct round){0};
}

bool round_is_kept(const struct bft *core, uint32_t number) {
    uint64_t first = core->round > ROUNDS_BEHIND ? core->round - ROUNDS_BEHIND : 0;
    return number >= first && number < first + ROUNDS_KEPT;
}

const struct round *round_peek(const struct bft *core, uint32_t number) {
    const struct round *round = &core->rounds[number % ROUNDS_KEPT];
    return round_is_kept(core, number) && round->in_use && round->number == number ? round : NULL;
}

struct round *round_get(struct bft *core, uint32_t number) {
    if (!round_is_kept(core, number))
        return NULL;
    struct round *round = &core->rounds[number % ROUNDS_KEPT];
    if (!round->in_use || round->number != number) {
        round_clear(round);
        *round = (struct round){.in_use = true, .number = number};
    }
    return round;
}

void rounds_clear(struct bft *core) {
    for (size_t i = 0; i < ROUNDS_KEPT; i++)
        round_clear(&core->rounds[i]);
    memset(core->heard, 0, sizeof core->heard);
    memset(core->highest_round, 0, sizeof core->highest_round);
    memset(core->accused, 0, sizeof core->accused);
    memset(core->valid_values, 0, sizeof core->valid_values);
    core->heard_power = 0;
    core->ahead_power = 0;
    core->valid_value_count = 0;
}

// ---- valid values ----

bool value_is_valid(const struct bft *core, const struct block_id *value) {
    size_t count = core->valid_value_count < VALID_VALUES_MAX ? core->valid_value_count : VALID_VALUES_MAX;
    for (size_t i = 0; i < count; i++) {
        if (block_id_equal(&core->valid_values[i], value))
            return true;
    }
    return false;
}

void value_set_valid(struct bft *core, const struct block_id *value) {
    if (!value_is_valid(core, value))
        core->valid_values[core->valid_value_count++ % VALID_VALUES_MAX] = *value;
}

// ---- who has reached which round ----

bool round_is_news(const struct bft *core, size_t validator, uint32_t round) {
    return !core->heard[validator] || round > core->highest_round[validator];
}

void round_hear(struct bft *core, size_t validator, uint32_t round) {
    if (!round_is_news(core, validator, round))
        return;
    uint64_t power = core->set.validators[validator].power;
    if (round > core->round && core->highest_round[validator] <= core->round)
        core->ahead_power += power;
    if (!core->heard[validator])
        core->heard_power += power;
    core->heard[validator] = true;
    core->highest_round[validator] = round;
}

void round_recount_ahead(struct bft *core) {
    core->ahead_power = 0;
    for (size_t i = 0; i < core->set.count; i++) {
        if (core->highest_round[i] > core->round)
            core->ahead_power += core->set.validators[i].power;
    }
}

static uint64_t power_at_round(const struct bft *core, uint32_t round) {
    uint64_t power = 0;
    for (size_t i = 0; i < core->set.count; i++) {
        if (core->heard[i] && core->highest_round[i] >= round)
            power += core->set.validators[i].power;
    }
    return power;
}

// Quadratic in the number of validators, but asked once a change of round.
uint32_t round_to_skip_to(const struct bft *core) {
    uint32_t best = core->round;
    for (size_t i = 0; i < core->set.count; i++) {
        uint32_t round = core->highest_round[i];
        if (round > best && power_is_skip(power_at_round(core, round), core->set.total))
            best = round;
    }
    return best;
}

// ---- votes ----

static struct vote_table *table_of(struct round *round, enum vote_type type) {
    return type == VOTE_PREVOTE ? &round->prevotes : &round->precommits;
}

bool vote_is_news(const struct bft *core, size_t validator, const struct vote *vote) {
    if (round_is_news(core, validator, vote->round))
        return true;
    if (!round_is_kept(core, vote->round))
        return false;
    const struct round *round = round_peek(core, vote->round);
    if (round == NULL)
        return true;
    const struct vote_table *table = vote->type == VOTE_PREVOTE ? &round->prevotes : &round->precommits;
    enum vote_novelty novelty = vote_table_compare(table, validator, vote);
    return novelty == VOTE_NEW || (novelty == VOTE_CONFLICTING && !core->accused[validator]);
}

void accuse(struct bft *core, size_t validator, const struct evidence *evidence, struct bft_outputs *outputs) {
    if (core->accused[validator])
        return;
    core->accused[validator] = true;
    output_add(outputs, BFT_OUTPUT_EVIDENCE)->evidence = *evidence;
}

static void accuse_of_votes(struct bft *core, const struct vote_table *table, size_t validator, const struct vote *vote,
                            struct bft_outputs *outputs) {
    struct vote taken = vote_table_get(table, validator, vote);
    struct evidence evidence;
    if (evidence_of_votes(&evidence, &taken, vote) == OK)
        accuse(core, validator, &evidence, outputs);
}

// The first quorum of precommits for a value, of whatever round, is the decision (line 49).
static void note_decision(struct bft *core, const struct round *round) {
    const struct block_id *value = vote_table_quorum(&round->precommits);
    if (core->decision.certificate != NULL || value == NULL || block_id_is_nil(value))
        return;
    core->decision.certificate = NEW(struct certificate);
    vote_table_certificate(&round->precommits, &core->set, core->decision.certificate, VOTE_PRECOMMIT, core->height,
                           round->number);
}

void vote_take(struct bft *core, size_t validator, const struct vote *vote, struct bft_outputs *outputs) {
    round_hear(core, validator, vote->round);
    struct round *round = round_get(core, vote->round);
    if (round == NULL)
        return;
    struct vote_table *table = table_of(round, vote->type);
    switch (vote_table_compare(table, validator, vote)) {
    case VOTE_NEW:
        vote_table_add(table, &core->set, validator, vote);
        note_decision(core, round);
        break;
    case VOTE_CONFLICTING:
        accuse_of_votes(core, table, validator, vote, outputs);
        break;
    case VOTE_REPEATED:
        break;
    }
}

// ---- certificates ----

bool certificate_has_quorum(const struct validator_set *set, const struct certificate *certificate) {
    uint64_t power = 0;
    for (size_t i = 0; i < certificate->count; i++) {
        size_t validator = certificate->votes[i].validator;
        if (validator >= set->count || (i > 0 && validator <= certificate->votes[i - 1].validator))
            return false;
        power += set->validators[validator].power;
    }
    return power_is_quorum(power, set->total);
}

void certificate_take_votes(struct bft *core, const struct certificate *certificate, struct bft_outputs *outputs) {
    for (size_t i = 0; i < certificate->count; i++) {
        struct vote vote = certificate_vote_of(certificate, i, &core->set);
        vote_take(core, certificate->votes[i].validator, &vote, outputs);
    }
}
