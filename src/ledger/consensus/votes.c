// Counting votes.
#include "ledger/consensus/votes.h"

#include <stdlib.h>

#include "base/assert.h"

void vote_table_free(struct vote_table *table) {
    free(table->slots);
    free(table->tallies);
    *table = (struct vote_table){0};
}

enum vote_novelty vote_table_compare(const struct vote_table *table, size_t validator, const struct vote *vote) {
    if (table->slots == NULL || !table->slots[validator].present)
        return VOTE_NEW;
    if (!block_id_equal(&table->slots[validator].value, &vote->value))
        return VOTE_CONFLICTING;
// A mutation check: the simulator must find the quorum that one validator makes by repeating itself.
#ifdef SOTTO_MUTATE_NO_DEDUP
    return VOTE_NEW;
#else
    return VOTE_REPEATED;
#endif
}

struct vote vote_table_get(const struct vote_table *table, size_t validator, const struct vote *like) {
    ASSERT(table->slots != NULL && table->slots[validator].present);
    struct vote vote = *like;
    vote.value = table->slots[validator].value;
    vote.signature = table->slots[validator].signature;
    return vote;
}

static struct vote_tally *tally_of(struct vote_table *table, const struct block_id *value) {
    for (size_t i = 0; i < table->tally_count; i++) {
        if (block_id_equal(&table->tallies[i].value, value))
            return &table->tallies[i];
    }
    struct vote_tally *tally = &table->tallies[table->tally_count++];
    tally->value = *value;
    return tally;
}

static void add_power(uint64_t *power, const struct validator_set *set, size_t validator) {
    *power += set->validators[validator].power;
#ifdef SOTTO_MUTATE_NO_DEDUP
    *power = *power < set->total ? *power : set->total;
#endif
}

void vote_table_add(struct vote_table *table, const struct validator_set *set, size_t validator,
                    const struct vote *vote) {
    if (table->slots == NULL) {
        table->slots = NEW_ARRAY(struct vote_slot, set->count);
        table->tallies = NEW_ARRAY(struct vote_tally, set->count); // each validator makes at most one
    }
    struct vote_slot *slot = &table->slots[validator];
    ASSERT(validator < set->count && vote_table_compare(table, validator, vote) == VOTE_NEW);
    table->count++;
    *slot = (struct vote_slot){.present = true, .value = vote->value, .signature = vote->signature};
    struct vote_tally *tally = tally_of(table, &vote->value);
    add_power(&tally->power, set, validator);
    add_power(&table->power, set, validator);
    if (!table->has_quorum && power_is_quorum(tally->power, set->total)) {
        table->has_quorum = true;
        table->quorum_tally = (size_t)(tally - table->tallies);
    }
}

bool vote_table_has(const struct vote_table *table, size_t validator) {
    return table->slots != NULL && table->slots[validator].present;
}

const struct block_id *vote_table_quorum(const struct vote_table *table) {
    return table->has_quorum ? &table->tallies[table->quorum_tally].value : NULL;
}

bool vote_table_has_quorum_for(const struct vote_table *table, const struct block_id *value) {
    return table->has_quorum && block_id_equal(vote_table_quorum(table), value);
}

void vote_table_certificate(const struct vote_table *table, const struct validator_set *set, struct certificate *out,
                            enum vote_type type, uint64_t height, uint32_t round) {
    const struct block_id *value = vote_table_quorum(table);
    ASSERT(value != NULL && !block_id_is_nil(value));
    *out = (struct certificate){.type = type, .height = height, .round = round, .value = *value};
    for (size_t i = 0; i < set->count; i++) {
        const struct vote_slot *slot = &table->slots[i];
        if (slot->present && block_id_equal(&slot->value, value))
            out->votes[out->count++] = (struct certificate_vote){(uint16_t)i, slot->signature};
    }
}
