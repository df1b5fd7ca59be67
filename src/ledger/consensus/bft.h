// The consensus core: Tendermint as a pure state machine. "The latest gossip on BFT consensus" (Buchman, Kwon,
// Milosevic, arXiv 1807.04938), algorithm 1; its line numbers stand above the rules (rules.c).
//
//             votes, proposals, certificates          timers        blocks checked and built
//                         |                              |                   |
//                         v                              v                   v
//   driver --------> bft_step(core, input, now, outputs) -----------> outputs, carried out in order
//      ^                                                                     |
//      +----- own votes and proposals, signed, as inputs of the same step ---+
//
// A driver owns one core. It verifies signatures before they come in (the core checks who is a validator and counts),
// keeps the blocks (the core knows their ids alone), signs, and writes the log. What it must hold to:
//
// - Outputs take effect in order. What is broadcast leaves only when all that was logged before the last LOG_SYNC is on
//   disk. All outputs of one step of the node may share one sync, those of its own votes fed back included.
// - SIGN: the signer signs (or refuses: then nothing more happens), and the result comes back as an input at once.
// - A block that was found valid or was built is kept, durably no later than the next LOG_SYNC, until its height is
//   decided: others may be locked on it, and all validators may crash. A power loss may keep the record that a block is
//   valid and lose the block: one that is missing when it is decided is fetched.
// - DECIDE: block and certificate durable, block executed; then START of the next height. The core rests until then.
// - After a restart: a new core, bft_replay of each record in the log, bft_resume. An empty log: START.
#ifndef SOTTO_LEDGER_CONSENSUS_BFT_H
#define SOTTO_LEDGER_CONSENSUS_BFT_H

#include "ledger/vote.h"

#define BFT_ROUND_NONE VALID_ROUND_NONE

struct bft_params {
    uint32_t propose_ms; // how long round 0 waits for a proposal
    uint32_t propose_growth_ms;
    uint32_t vote_ms; // how long round 0 waits for more votes after a quorum that does not agree
    uint32_t vote_growth_ms;
    uint32_t rebroadcast_ms; // own last messages, again
};

#define BFT_PARAMS_DEFAULT \
    ((struct bft_params){  \
        .propose_ms = 1000, .propose_growth_ms = 500, .vote_ms = 500, .vote_growth_ms = 250, .rebroadcast_ms = 1000})

// One timer of each kind runs at most: a later SET_TIMER of the kind replaces it.
enum bft_timer_kind { BFT_TIMER_PROPOSE = 1, BFT_TIMER_PREVOTE, BFT_TIMER_PRECOMMIT, BFT_TIMER_REBROADCAST };
#define BFT_TIMER_KINDS 4

struct bft_timer {
    enum bft_timer_kind kind;
    uint64_t height;
    uint32_t round;
};

// ---- inputs ----

enum bft_input_kind {
    BFT_INPUT_START = 1,      // begins a height, whose predecessor has been executed
    BFT_INPUT_PROPOSAL,       // verified, its certificate, too; or the own one, signed
    BFT_INPUT_VOTE,           // verified; or the own one, signed
    BFT_INPUT_CERTIFICATE,    // verified: a decision of the current height, from one who is ahead
    BFT_INPUT_BLOCK_VALIDITY, // the answer to VALIDATE; a block that cannot be had gets none
    BFT_INPUT_BUILT_VALUE,    // the answer to BUILD_VALUE
    BFT_INPUT_TIMEOUT,
    BFT_INPUT_SYNCED_BLOCK, // the height was decided, as sync has found: nothing is signed at it any more
    BFT_INPUT_BLOCK_DUE,    // there is reason for a block at this height; until then round 0 may last for ever
    BFT_INPUT_BEHIND,       // this height was decided long ago: signs nothing until the next START. The core finds out
                            // by itself, too, and logs it as this input.
};

struct bft_input {
    enum bft_input_kind kind;
    uint64_t from; // PROPOSAL, VOTE, CERTIFICATE: whom they came from, in the driver's terms; for SEND_DECISION
    union {
        struct {
            uint64_t height;
            const struct validator_set *set;      // of this height
            const struct validator_set *next_set; // of the next (a change at h takes effect at h + 2)
        } start;
        struct {
            struct proposal proposal;
            const struct certificate *prevotes; // with a valid round: the quorum of prevotes of it; else NULL
        } proposal;
        struct vote vote;
        const struct certificate *certificate; // of precommits
        struct {
            struct block_id value;
            bool ok;
        } validity;
        struct {
            uint64_t height;
            uint32_t round;
            struct block_id value;
        } built;
        struct bft_timer timeout;
        uint64_t height; // SYNCED_BLOCK, BLOCK_DUE, BEHIND
    };
};

// ---- outputs ----

enum bft_output_kind {
    BFT_OUTPUT_LOG = 1,       // append the record to the log
    BFT_OUTPUT_LOG_SYNC,      // what follows leaves when the log is on disk
    BFT_OUTPUT_SIGN_VOTE,     // sign, and feed it back
    BFT_OUTPUT_SIGN_PROPOSAL, // sign, and feed it back with its prevotes
    BFT_OUTPUT_BROADCAST_VOTE,
    BFT_OUTPUT_BROADCAST_PROPOSAL,
    BFT_OUTPUT_SET_TIMER,
    BFT_OUTPUT_BUILD_VALUE, // make a block for this height and round
    BFT_OUTPUT_VALIDATE,    // fetch the block if need be, and check it
    BFT_OUTPUT_DECIDE,
    BFT_OUTPUT_EVIDENCE,     // somebody signed two messages for one slot; once a validator and height
    BFT_OUTPUT_REQUEST_SYNC, // others are ahead: fetch decided blocks from this core's height on
    BFT_OUTPUT_SEND_DECISION // the peer is at a decided height: send it that height's certificate
};

struct bft_output {
    enum bft_output_kind kind;
    union {
        struct {
            uint64_t height;
            struct span record; // owned by the outputs
        } log;
        struct vote vote; // SIGN_VOTE (signature zero), BROADCAST_VOTE
        struct {
            struct proposal proposal;
            struct certificate *prevotes; // owned by the outputs; NULL without a valid round
        } proposal;                       // SIGN_PROPOSAL, BROADCAST_PROPOSAL
        struct {
            struct bft_timer timer;
            uint64_t at_ms;
        } timer;
        struct {
            uint64_t height;
            uint32_t round;
        } build;
        struct {
            uint64_t height;
            struct block_id value;
            bool decided; // over two thirds precommitted it: the proposer's clock is no reason to refuse it any more
        } validate;
        struct certificate *decision; // DECIDE: height, round, value; owned by the outputs
        struct evidence evidence;
        struct {
            uint64_t height; // the highest that over a third of the power has reached
        } sync;
        struct {
            uint64_t to; // as bft_input.from
            uint64_t height;
        } send;
    };
};

// Zero-initialised is empty and valid.
struct bft_outputs {
    struct bft_output *items;
    size_t count;
    size_t capacity;
};

void bft_outputs_clear(struct bft_outputs *outputs); // frees what they own; keeps the memory of the list
void bft_outputs_free(struct bft_outputs *outputs);

// ---- the core ----

struct bft;

// `self` is the own consensus key; NULL: a follower, which signs nothing and decides what the others decide. So does a
// core whose key is not in the set of a height.
struct bft *bft_new(const struct sign_public *self, const struct bft_params *params);
void bft_free(struct bft *core);

// Takes one input; `now_ms` is monotonic. Outputs are appended. An input that has no meaning at this point (late,
// early, repeated, from a stranger) changes nothing. The first input, replayed or not, is START; a START must go up.
void bft_step(struct bft *core, const struct bft_input *input, uint64_t now_ms, struct bft_outputs *outputs);

// Takes a record of the log: the same change of state as the input that it records. Of the outputs only EVIDENCE is
// appended (it may have been lost with the process). ERR_CORRUPT: not a record, or not one of this place.
enum err bft_replay(struct bft *core, struct span record, struct bft_outputs *outputs);
// What the signer has refused is asked for again: by now it may.
void bft_sign_again(struct bft *core, struct bft_outputs *outputs);
// After the last record: what is under way is asked for again, the own last messages leave again.
void bft_resume(struct bft *core, uint64_t now_ms, struct bft_outputs *outputs);

enum bft_step_name { BFT_STEP_PROPOSE = 1, BFT_STEP_PREVOTE, BFT_STEP_PRECOMMIT, BFT_STEP_DECIDED };

struct bft_view {
    uint64_t height;
    uint32_t round;
    enum bft_step_name step;
    uint32_t locked_round; // BFT_ROUND_NONE
    struct block_id locked_value;
    uint32_t valid_round; // BFT_ROUND_NONE
    struct block_id valid_value;
    bool behind;      // others are two heights ahead: waits for sync, signs nothing
    bool due;         // a block is due, or has been proposed
    size_t votes;     // held, of all rounds
    size_t set_aside; // messages of the next height that wait for it
};

void bft_look(const struct bft *core, struct bft_view *out);
// A hash of all state that the log carries: equal after replay to what it was (what is left out is timers, what waits
// for the next height, and what was seen of others' heights).
void bft_digest(const struct bft *core, struct hash *out);

#endif
