// The prevotes or the precommits of one round: each validator's one vote, and the power behind each value.
#ifndef SOTTO_LEDGER_CONSENSUS_VOTES_H
#define SOTTO_LEDGER_CONSENSUS_VOTES_H

#include "ledger/vote.h"

struct vote_slot {
    bool present;
    struct block_id value;
    struct signature signature;
};

struct vote_tally {
    struct block_id value;
    uint64_t power;
};

// Zero-initialised is empty and valid; takes memory with the first vote.
struct vote_table {
    struct vote_slot *slots;    // by the validator's index
    struct vote_tally *tallies; // one a value; honest validators make at most two or three
    size_t tally_count;
    size_t count;
    uint64_t power;      // of all votes, whatever for
    bool has_quorum;     // of one value
    size_t quorum_tally; // whose
};

void vote_table_free(struct vote_table *table); // zero-initialised again
// What a validator's vote is beside the one it may have given: each is counted once.
enum vote_novelty { VOTE_NEW, VOTE_REPEATED, VOTE_CONFLICTING };
enum vote_novelty vote_table_compare(const struct vote_table *table, size_t validator, const struct vote *vote);
// The vote that conflicts: `like`, with the value and signature that were taken.
struct vote vote_table_get(const struct vote_table *table, size_t validator, const struct vote *like);
// Takes a new vote. Constant work for honest votes.
void vote_table_add(struct vote_table *table, const struct validator_set *set, size_t validator,
                    const struct vote *vote);
bool vote_table_has(const struct vote_table *table, size_t validator);
// Over two thirds of the power voted for this value.
bool vote_table_has_quorum_for(const struct vote_table *table, const struct block_id *value);
// What over two thirds voted for (nil, too), or NULL.
const struct block_id *vote_table_quorum(const struct vote_table *table);
// The votes for the value that has a quorum (it has one, and is not nil) as a certificate.
void vote_table_certificate(const struct vote_table *table, const struct validator_set *set, struct certificate *out,
                            enum vote_type type, uint64_t height, uint32_t round);

#endif
