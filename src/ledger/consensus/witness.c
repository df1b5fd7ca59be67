// See witness.h.
#include "ledger/consensus/witness.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/consensus/votes.h"

struct witnessed_round {
    bool in_use;
    uint32_t number;
    bool is_news; // something was heard since it was told
    bool has_proposal;
    struct proposal proposal;
    struct vote_table prevotes;
    struct vote_table precommits;
};

struct witnessed_height {
    uint64_t height; // 0: free
    struct validator_set set;
    uint32_t round;                                // that the core has reached
    struct witnessed_round rounds[WITNESS_ROUNDS]; // round r at r % WITNESS_ROUNDS
    struct evidence *evidence[VALIDATORS_MAX];     // by index into the set; NULL: none
};

struct witness {
    uint64_t height;                                  // that was started last
    struct witnessed_height heights[WITNESS_HEIGHTS]; // height h at h % WITNESS_HEIGHTS
    uint64_t evidence_count;
};

// ---- heights and rounds

static void height_clear(struct witnessed_height *height) {
    for (size_t i = 0; i < WITNESS_ROUNDS; i++) {
        vote_table_free(&height->rounds[i].prevotes);
        vote_table_free(&height->rounds[i].precommits);
    }
    for (size_t i = 0; i < VALIDATORS_MAX; i++)
        free(height->evidence[i]);
    *height = (struct witnessed_height){0};
}

struct witness *witness_new(void) {
    return NEW(struct witness);
}

void witness_free(struct witness *witness) {
    if (witness == NULL)
        return;
    for (size_t i = 0; i < WITNESS_HEIGHTS; i++)
        height_clear(&witness->heights[i]);
    free(witness);
}

static void height_begin(struct witness *witness, uint64_t number, const struct validator_set *set) {
    struct witnessed_height *height = &witness->heights[number % WITNESS_HEIGHTS];
    if (height->height == number)
        return; // it was the next one before
    height_clear(height);
    height->height = number;
    height->set = *set;
}

// Those that the new height's window leaves behind are cleared when their place is needed, at the latest by the next.
static const struct witnessed_height *height_peek(const struct witness *witness, uint64_t number) {
    const struct witnessed_height *height = &witness->heights[number % WITNESS_HEIGHTS];
    bool is_kept = number > 0 && height->height == number && number + WITNESS_HEIGHTS > witness->height + 1;
    return is_kept ? height : NULL;
}

static struct witnessed_height *height_get(struct witness *witness, uint64_t number) {
    return height_peek(witness, number) != NULL ? &witness->heights[number % WITNESS_HEIGHTS] : NULL;
}

static bool round_is_kept(const struct witnessed_height *height, uint32_t number) {
    uint64_t first = height->round > WITNESS_ROUNDS_BEHIND ? height->round - WITNESS_ROUNDS_BEHIND : 0;
    return number >= first && number < first + WITNESS_ROUNDS;
}

static const struct witnessed_round *round_peek(const struct witnessed_height *height, uint32_t number) {
    const struct witnessed_round *round = &height->rounds[number % WITNESS_ROUNDS];
    return round->in_use && round->number == number && round_is_kept(height, number) ? round : NULL;
}

static struct witnessed_round *round_get(struct witnessed_height *height, uint32_t number) {
    struct witnessed_round *round = &height->rounds[number % WITNESS_ROUNDS];
    if (!round_is_kept(height, number))
        return NULL;
    if (!round->in_use || round->number != number) {
        vote_table_free(&round->prevotes);
        vote_table_free(&round->precommits);
        *round = (struct witnessed_round){.in_use = true, .number = number};
    }
    return round;
}

void witness_enter(struct witness *witness, uint32_t round) {
    struct witnessed_height *height = height_get(witness, witness->height);
    if (height != NULL && round > height->round)
        height->round = round;
}

static const struct vote_table *table_of(const struct witnessed_round *round, enum vote_type type) {
    return type == VOTE_PREVOTE ? &round->prevotes : &round->precommits;
}

// ---- evidence

static void accuse(struct witness *witness, struct witnessed_height *height, size_t validator,
                   const struct evidence *evidence) {
    if (height->evidence[validator] != NULL)
        return;
    height->evidence[validator] = mem_copy(span_of(evidence, sizeof *evidence));
    witness->evidence_count++;
}

bool witness_evidence(const struct witness *witness, struct evidence *out, size_t *cursor, uint64_t height) {
    while (*cursor < (size_t)WITNESS_HEIGHTS * VALIDATORS_MAX) {
        const struct witnessed_height *at = &witness->heights[*cursor / VALIDATORS_MAX];
        const struct evidence *evidence = at->evidence[*cursor % VALIDATORS_MAX];
        ++*cursor;
        if (evidence == NULL || at->height > height || height_peek(witness, at->height) == NULL)
            continue;
        *out = *evidence;
        return true;
    }
    return false;
}

uint64_t witness_evidence_count(const struct witness *witness) {
    return witness->evidence_count;
}

// ---- what is heard

static void take_vote(struct witness *witness, const struct vote *vote, bool is_news) {
    struct witnessed_height *height = height_get(witness, vote->height);
    int validator = height != NULL ? validator_set_find(&height->set, &vote->validator) : -1;
    struct witnessed_round *round = validator >= 0 ? round_get(height, vote->round) : NULL;
    if (round == NULL)
        return;
    struct vote_table *table = vote->type == VOTE_PREVOTE ? &round->prevotes : &round->precommits;
    struct vote kept;
    struct evidence evidence;
    switch (vote_table_compare(table, (size_t)validator, vote)) {
    case VOTE_NEW:
        vote_table_add(table, &height->set, (size_t)validator, vote);
        round->is_news = round->is_news || is_news;
        break;
    case VOTE_CONFLICTING:
        kept = vote_table_get(table, (size_t)validator, vote);
        if (evidence_of_votes(&evidence, &kept, vote) == OK)
            accuse(witness, height, (size_t)validator, &evidence);
        break;
    case VOTE_REPEATED:
        break;
    }
}

// The index of the proposer, if it is that of its height and round; else -1.
static int proposer_of(const struct witnessed_height *height, const struct proposal *proposal) {
    int validator = validator_set_find(&height->set, &proposal->proposer);
    bool has_turn =
        validator >= 0 && validators_proposer(&height->set, proposal->height, proposal->round) == (size_t)validator;
    return has_turn ? validator : -1;
}

static void take_proposal(struct witness *witness, const struct proposal *proposal) {
    struct witnessed_height *height = height_get(witness, proposal->height);
    int validator = height != NULL ? proposer_of(height, proposal) : -1;
    struct witnessed_round *round = validator >= 0 ? round_get(height, proposal->round) : NULL;
    struct evidence evidence;
    if (round == NULL)
        return;
    if (!round->has_proposal) {
        round->has_proposal = round->is_news = true;
        round->proposal = *proposal;
    } else if (evidence_of_proposals(&evidence, &round->proposal, proposal) == OK) {
        accuse(witness, height, (size_t)validator, &evidence);
    }
}

static void take_certificate(struct witness *witness, const struct certificate *certificate) {
    const struct witnessed_height *height = height_peek(witness, certificate->height);
    for (size_t i = 0; height != NULL && i < certificate->count; i++) {
        if (certificate->votes[i].validator >= height->set.count)
            return;
        struct vote vote = certificate_vote_of(certificate, i, &height->set);
        take_vote(witness, &vote, false);
    }
}

void witness_take_statement(struct witness *witness, const struct statement *statement) {
    if (statement->kind == EVIDENCE_VOTES)
        take_vote(witness, &statement->vote, true);
    else
        take_proposal(witness, &statement->proposal);
}

static void start(struct witness *witness, const struct bft_input *input) {
    ASSERT(input->start.height > witness->height);
    witness->height = input->start.height;
    height_begin(witness, witness->height, input->start.set);
    height_begin(witness, witness->height + 1, input->start.next_set);
}

void witness_take(struct witness *witness, const struct bft_input *input) {
    switch (input->kind) {
    case BFT_INPUT_START:
        start(witness, input);
        return;
    case BFT_INPUT_PROPOSAL:
        take_proposal(witness, &input->proposal.proposal);
        if (input->proposal.prevotes != NULL)
            take_certificate(witness, input->proposal.prevotes);
        return;
    case BFT_INPUT_VOTE:
        take_vote(witness, &input->vote, true);
        return;
    case BFT_INPUT_CERTIFICATE:
        take_certificate(witness, input->certificate);
        return;
    case BFT_INPUT_BLOCK_VALIDITY:
    case BFT_INPUT_BUILT_VALUE:
    case BFT_INPUT_TIMEOUT:
    case BFT_INPUT_SYNCED_BLOCK:
    case BFT_INPUT_BLOCK_DUE:
    case BFT_INPUT_BEHIND:
        return;
    }
    ASSERT(false);
}

// ---- comparing

static bool vote_is_contradicted(const struct witness *witness, const struct vote *vote) {
    const struct witnessed_height *height = height_peek(witness, vote->height);
    int validator = height != NULL ? validator_set_find(&height->set, &vote->validator) : -1;
    const struct witnessed_round *round = validator >= 0 ? round_peek(height, vote->round) : NULL;
    return round != NULL && height->evidence[validator] == NULL &&
           vote_table_compare(table_of(round, vote->type), (size_t)validator, vote) == VOTE_CONFLICTING;
}

static bool proposal_is_contradicted(const struct witness *witness, const struct proposal *proposal) {
    const struct witnessed_height *height = height_peek(witness, proposal->height);
    int validator = height != NULL ? proposer_of(height, proposal) : -1;
    const struct witnessed_round *round = validator >= 0 ? round_peek(height, proposal->round) : NULL;
    struct evidence evidence;
    return round != NULL && height->evidence[validator] == NULL && round->has_proposal &&
           evidence_of_proposals(&evidence, &round->proposal, proposal) == OK;
}

bool witness_is_contradicted(const struct witness *witness, const struct statement *statement) {
    return statement->kind == EVIDENCE_VOTES ? vote_is_contradicted(witness, &statement->vote)
                                             : proposal_is_contradicted(witness, &statement->proposal);
}

static bool contradict_proposal(struct statement *out, const struct witnessed_round *round, const struct heard *heard) {
    bool differs = heard->has_proposal && round->has_proposal &&
                   (heard->valid_round != round->proposal.valid_round ||
                    !block_id_equal(&heard->proposed, &round->proposal.value));
    if (differs)
        *out = (struct statement){.kind = EVIDENCE_PROPOSALS, .proposal = round->proposal};
    return differs;
}

// Of the validator's vote of that type.
static bool contradict_vote(struct statement *out, const struct witnessed_height *height,
                            const struct witnessed_round *round, const struct heard_value *heard, enum vote_type type,
                            size_t validator) {
    const struct vote_table *table = table_of(round, type);
    struct vote vote = {.type = type, .height = height->height, .round = round->number, .value = heard->value};
    if (!heard_bit(type == VOTE_PREVOTE ? heard->prevotes : heard->precommits, validator) ||
        height->evidence[validator] != NULL || vote_table_compare(table, validator, &vote) != VOTE_CONFLICTING)
        return false;
    vote.validator = height->set.validators[validator].key;
    *out = (struct statement){.kind = EVIDENCE_VOTES, .vote = vote_table_get(table, validator, &vote)};
    return true;
}

// The cursor counts the proposal, then for each value the prevotes and the precommits of all validators.
bool witness_contradict(const struct witness *witness, struct statement *out, size_t *cursor,
                        const struct heard *heard) {
    const struct witnessed_height *height = height_peek(witness, heard->height);
    const struct witnessed_round *round = height != NULL ? round_peek(height, heard->round) : NULL;
    if (round == NULL || height->set.count != heard->validators)
        return false;
// A mutation check: the simulator must find the two signatures that nobody compares.
#ifdef SOTTO_MUTATE_NO_COMPARISON
    return false;
#endif
    size_t end = 1 + heard->value_count * 2 * heard->validators;
    while (*cursor < end) {
        size_t at = (*cursor)++;
        if (at == 0 && contradict_proposal(out, round, heard))
            return true;
        if (at == 0)
            continue;
        size_t value = (at - 1) / (2 * heard->validators), vote = (at - 1) % (2 * heard->validators);
        if (contradict_vote(out, height, round, &heard->values[value],
                            vote < heard->validators ? VOTE_PREVOTE : VOTE_PRECOMMIT, vote % heard->validators))
            return true;
    }
    return false;
}

// ---- telling

// The values of a round, with the power of all votes for each.
struct tallies {
    size_t count;
    struct vote_tally values[2 * VALIDATORS_MAX];
};

static void tally_add(struct tallies *tallies, const struct vote_table *table) {
    for (size_t i = 0; i < table->tally_count; i++) {
        size_t at = 0;
        while (at < tallies->count && !block_id_equal(&tallies->values[at].value, &table->tallies[i].value))
            at++;
        if (at == tallies->count)
            tallies->values[tallies->count++] = (struct vote_tally){.value = table->tallies[i].value};
        tallies->values[at].power += table->tallies[i].power;
    }
}

// Takes out the value with most power. Among equals another comes first in each round, so that none is always left out.
static struct block_id tally_take(struct tallies *tallies, uint64_t turn) {
    size_t best = (size_t)(turn % tallies->count);
    for (size_t i = 0; i < tallies->count; i++) {
        size_t at = (size_t)((turn + i) % tallies->count);
        if (tallies->values[at].power > tallies->values[best].power)
            best = at;
    }
    struct block_id value = tallies->values[best].value;
    tallies->values[best] = tallies->values[--tallies->count];
    return value;
}

static int by_value(const void *a, const void *b) {
    return memcmp(((const struct heard_value *)a)->value.bytes, ((const struct heard_value *)b)->value.bytes, 32);
}

static void tell_values(struct heard *out, const struct witnessed_height *height, const struct witnessed_round *round) {
    struct tallies *tallies = NEW(struct tallies);
    tally_add(tallies, &round->prevotes);
    tally_add(tallies, &round->precommits);
    while (tallies->count > 0 && out->value_count < HEARD_VALUES_MAX)
        out->values[out->value_count++].value = tally_take(tallies, height->height + round->number);
    qsort(out->values, out->value_count, sizeof out->values[0], by_value);
    free(tallies);
}

static void tell_votes(struct heard *out, const struct vote_table *table, enum vote_type type) {
    for (size_t v = 0; table->slots != NULL && v < out->validators; v++)
        for (size_t i = 0; table->slots[v].present && i < out->value_count; i++)
            if (block_id_equal(&out->values[i].value, &table->slots[v].value))
                heard_set_bit(type == VOTE_PREVOTE ? out->values[i].prevotes : out->values[i].precommits, v);
}

static void tell(struct heard *out, const struct witnessed_height *height, const struct witnessed_round *round) {
    *out = (struct heard){.height = height->height,
                          .round = round->number,
                          .validators = height->set.count,
                          .has_proposal = round->has_proposal};
    if (round->has_proposal) {
        out->valid_round = round->proposal.valid_round;
        out->proposed = round->proposal.value;
    }
    tell_values(out, height, round);
    tell_votes(out, &round->prevotes, VOTE_PREVOTE);
    tell_votes(out, &round->precommits, VOTE_PRECOMMIT);
}

bool witness_tell(struct witness *witness, struct heard *out, uint64_t first, uint64_t last) {
    for (size_t h = 0; h < WITNESS_HEIGHTS; h++) {
        struct witnessed_height *height = &witness->heights[h];
        if (height->height < first || height->height > last || height_peek(witness, height->height) == NULL)
            continue;
        for (size_t r = 0; r < WITNESS_ROUNDS; r++) {
            struct witnessed_round *round = &height->rounds[r];
            if (!round->is_news || round_peek(height, round->number) == NULL)
                continue;
            round->is_news = false;
            tell(out, height, round);
            return true;
        }
    }
    return false;
}

static bool round_is_empty(const struct witnessed_round *round) {
    return !round->has_proposal && round->prevotes.count == 0 && round->precommits.count == 0;
}

bool witness_recall(const struct witness *witness, struct heard *out, size_t *cursor) {
    while (*cursor < (size_t)WITNESS_HEIGHTS * WITNESS_ROUNDS) {
        const struct witnessed_height *height = &witness->heights[*cursor / WITNESS_ROUNDS];
        const struct witnessed_round *round = &height->rounds[*cursor % WITNESS_ROUNDS];
        ++*cursor;
        if (height_peek(witness, height->height) == NULL || round_peek(height, round->number) == NULL ||
            round_is_empty(round))
            continue;
        tell(out, height, round);
        return true;
    }
    return false;
}
