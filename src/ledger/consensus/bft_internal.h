// The state of the consensus core. bft.c takes inputs, rules.c acts on what they have made true, rounds.c keeps votes,
// ahead.c what belongs to later heights.
#ifndef SOTTO_LEDGER_CONSENSUS_BFT_INTERNAL_H
#define SOTTO_LEDGER_CONSENSUS_BFT_INTERNAL_H

#include "ledger/consensus/bft.h"
#include "ledger/consensus/votes.h"

// Votes are kept for rounds [current - ROUNDS_BEHIND, current - ROUNDS_BEHIND + ROUNDS_KEPT). Older ones are of no use
// but for a decision that nobody has made yet (then later rounds make it); who is farther ahead tells its round by the
// skip rule and repeats its votes. With 100 validators a round holds 30 KB, so all are half a megabyte.
#define ROUNDS_KEPT 16
#define ROUNDS_BEHIND 8
#define VALID_VALUES_MAX 16 // values known to be valid; a forgotten one is validated again
#define AHEAD_VOTES_MAX 6   // of one validator for the next height: three rounds; it repeats its last ones anyway

enum verdict { VERDICT_NOT_ASKED, VERDICT_ASKED, VERDICT_VALID, VERDICT_INVALID };

struct round {
    bool in_use;
    uint32_t number;
    bool has_proposal;
    struct proposal proposal; // the proposer's first
    struct certificate *prevotes_of_valid_round;
    enum verdict verdict;
    struct vote_table prevotes;
    struct vote_table precommits;
    bool quorum_seen;     // "for the first time" of line 36
    bool prevote_timer;   // "for the first time" of line 34
    bool precommit_timer; // "for the first time" of line 47
};

// A message of one's own: wanted since the rule that made it, signed once it has come back.
struct own_vote {
    bool wanted;
    bool is_signed;
    struct vote vote;
};

struct own_proposal {
    bool wanted;
    bool is_signed;
    struct proposal proposal;
    struct certificate *prevotes; // NULL without a valid round
};

// A value that over two thirds precommitted, waiting for its block to be had and checked.
struct decision {
    struct certificate *certificate; // NULL: none
    enum verdict verdict;
};

// What one validator has sent for the next height.
struct ahead {
    bool has_proposal;
    struct proposal proposal;
    struct certificate *prevotes;
    struct vote votes[AHEAD_VOTES_MAX];
    size_t vote_count;
};

// What is known of a validator beside its votes of this height.
struct seen {
    uint64_t height;    // highest that it signed anything for
    uint64_t helped_ms; // when it was last sent a decision
    bool was_helped;
};

struct bft {
    bool has_key;
    struct sign_public key;
    struct bft_params params;

    // From here on what the log carries.
    uint64_t height; // 0: not started
    struct validator_set set;
    struct validator_set next_set;
    int self; // index into set, -1: not in it

    uint32_t round;
    enum bft_step_name step;
    uint32_t locked_round;
    struct block_id locked_value;
    uint32_t valid_round;
    struct block_id valid_value;
    struct certificate *valid_prevotes; // the quorum that made it valid

    struct round rounds[ROUNDS_KEPT]; // round r at r % ROUNDS_KEPT
    bool heard[VALIDATORS_MAX];       // has sent anything of this height
    uint32_t highest_round[VALIDATORS_MAX];
    uint64_t heard_power;
    uint64_t ahead_power;         // of those whose highest round is above this one
    bool accused[VALIDATORS_MAX]; // evidence has been given
    struct block_id valid_values[VALID_VALUES_MAX];
    size_t valid_value_count; // ever; the array is a ring
    bool due;
    bool behind;
    struct own_vote own_prevote;
    struct own_vote own_precommit;
    struct own_proposal own_proposal;
    struct decision decision;

    // What it does not.
    uint64_t started_ms;                 // this height
    struct seen seen[VALIDATORS_MAX];    // by index into set
    struct ahead *ahead[VALIDATORS_MAX]; // by index into next_set
};

// ---- outputs.c ----

// The new last output, zero but for its kind.
struct bft_output *output_add(struct bft_outputs *outputs, enum bft_output_kind kind);
struct certificate *certificate_copy(const struct certificate *certificate); // NULL of NULL
void output_log(struct bft *core, struct bft_outputs *outputs, const struct bft_input *input);
void output_log_sync(struct bft_outputs *outputs);
void output_timer(struct bft *core, struct bft_outputs *outputs, enum bft_timer_kind kind, uint64_t now_ms);
void output_sign_proposal(struct bft *core, struct bft_outputs *outputs);
void output_broadcast_proposal(struct bft *core, struct bft_outputs *outputs);
void output_decide(struct bft *core, struct bft_outputs *outputs);
void output_validate(struct bft *core, struct bft_outputs *outputs, const struct block_id *value, bool decided);
void output_build_value(struct bft *core, struct bft_outputs *outputs);

// ---- rounds.c ----

bool round_is_kept(const struct bft *core, uint32_t number);
// The round, if it is one whose votes are kept; NULL otherwise. The same without making it.
struct round *round_get(struct bft *core, uint32_t number);
const struct round *round_peek(const struct bft *core, uint32_t number);
void rounds_clear(struct bft *core);
bool value_is_valid(const struct bft *core, const struct block_id *value);
void value_set_valid(struct bft *core, const struct block_id *value);
// The validator is known to have reached the round.
bool round_is_news(const struct bft *core, size_t validator, uint32_t round);
void round_hear(struct bft *core, size_t validator, uint32_t round);
void round_recount_ahead(struct bft *core);
// The highest round that over a third of the power has reached; asked when there is one above the current.
uint32_t round_to_skip_to(const struct bft *core);
// True: the vote would change something.
bool vote_is_news(const struct bft *core, size_t validator, const struct vote *vote);
// Counts the vote, or accuses who signed two.
void vote_take(struct bft *core, size_t validator, const struct vote *vote, struct bft_outputs *outputs);
bool certificate_has_quorum(const struct validator_set *set, const struct certificate *certificate);
void certificate_take_votes(struct bft *core, const struct certificate *certificate, struct bft_outputs *outputs);
void accuse(struct bft *core, size_t validator, const struct evidence *evidence, struct bft_outputs *outputs);

// ---- rules.c ----

void start_round(struct bft *core, uint32_t round, uint64_t now_ms, struct bft_outputs *outputs);
void become_due(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs);
bool is_proposer(const struct bft *core);
void want_proposal(struct bft *core, const struct block_id *value, uint32_t valid_round, struct bft_outputs *outputs);
void on_timeout_propose(struct bft *core, struct bft_outputs *outputs);
void on_timeout_prevote(struct bft *core, struct bft_outputs *outputs);
void on_timeout_precommit(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs);
void run_rules(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs);

// ---- ahead.c ----

// A verified message of a later height: what it tells, and its place in the queue for the next.
void ahead_take(struct bft *core, const struct bft_input *input, struct bft_outputs *outputs);
// A verified message of an earlier height: who sent it may need that height's decision.
void ahead_help(struct bft *core, const struct bft_input *input, uint64_t now_ms, struct bft_outputs *outputs);
// Over a third of the power has signed something for this height or a later one.
bool ahead_is_reached(const struct bft *core, uint64_t height);
void ahead_request_sync(const struct bft *core, struct bft_outputs *outputs);
void become_behind(struct bft *core, struct bft_outputs *outputs);
// What was seen of validators follows them from `old` into the set of the new height.
void ahead_follow_set(struct bft *core, const struct validator_set *old);
void ahead_free(struct ahead *queues[static VALIDATORS_MAX]);

#endif
