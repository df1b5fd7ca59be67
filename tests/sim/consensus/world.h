// A world of consensus cores alone: machines with a log that can be torn, links that lose, delay, repeat and reorder,
// partitions of one direction, a validator that lies or one that runs twice, sets that change; everything from a seed.
//
//   run.c      time, events, faults; healing, and what must have happened some time after
//   machine.c  one validator's driver: log, signer, blocks, crashes
//   links.c    messages and what becomes of them
//   liar.c     a validator that signs anything
//   checker.c  what must always hold (the numbers of the invariants are those of docs/spec and of the checker)
//
// Signatures are numbers that the checker can tell: the core is given verified messages only.
#ifndef SOTTO_TESTS_CONSENSUS_WORLD_H
#define SOTTO_TESTS_CONSENSUS_WORLD_H

#include "base/heap.h"
#include "base/rng.h"
#include "ledger/consensus/bft.h"
#include "ledger/consensus/witness.h"

#define MACHINES_MAX 9
#define HEIGHTS_MAX 600
#define BLOCKS_MAX 512
#define NOBODY SIZE_MAX

struct sim_config {
    uint64_t seed;
    size_t validators;
    size_t spares;                 // machines that are in the set of some heights only
    uint64_t powers[MACHINES_MAX]; // of the first set
    uint64_t change_heights[2];    // where the set changes, 0: never
    size_t liar;                   // a machine, or NOBODY
    size_t twin_of;                // the last machine has the key of this one, or NOBODY
    uint64_t first_height;
    uint64_t fault_ms;      // how long things go wrong
    uint64_t heights_after; // that all must decide after that
    uint32_t loss_percent;
    uint32_t vote_loss_percent[2]; // more, of prevotes and of precommits
    uint32_t silence_percent;      // of machines that decide, for a while, before others have heard of it
    uint32_t repeat_percent;
    uint32_t delay_mean_ms;
    uint32_t crash_per_10000;    // at each write and sync of a log
    uint64_t crash_at_point;     // the one write or sync after which a machine dies, 0: none
    uint32_t fault_mean_ms;      // between partitions, isolations, kills; 0: none
    uint32_t skew_percent;       // clocks run faster or slower by up to this
    uint32_t disputed_percent;   // blocks that some machines find valid later only (their clocks are slow)
    bool liar_repents;           // when things heal
    uint32_t partitioned_rounds; // of each height: a message of round r crosses only within a part
    uint32_t parts[16];          // of these rounds: the machines on one side, as bits
    bool verbose;
};

enum message_kind {
    MESSAGE_PROPOSAL, // with its block, if has_block
    MESSAGE_VOTE,
    MESSAGE_ASK_DECISION,
    MESSAGE_DECISION,
    MESSAGE_ASK_BLOCK,
    MESSAGE_BLOCK,
    MESSAGE_HEARD,
    MESSAGE_STATEMENT,
};

struct message {
    enum message_kind kind;
    size_t from;
    struct vote vote;
    struct proposal proposal;
    struct certificate *certificate; // owned; NULL: none
    struct heard *heard;             // owned; of HEARD
    struct statement statement;
    struct block_id value; // of ASK_BLOCK, BLOCK
    uint64_t height;       // of ASK_DECISION
    bool has_block;
};

enum record_kind { RECORD_INPUT, RECORD_SIGNED };

// What the signer remembers of its last signature.
struct signed_slot {
    uint64_t height;
    uint32_t round;
    uint32_t step; // 1 proposal, 2 prevote, 3 precommit
    struct block_id value;
};

struct record {
    enum record_kind kind;
    struct buf bytes;
    struct signed_slot slot;
};

struct block {
    struct block_id id;
    bool durable;
};

struct machine {
    size_t index;
    size_t validator; // whose key it has
    bool is_correct;
    bool up;
    uint64_t life; // events of an earlier one are void
    struct bft *core;
    struct witness *witness;
    uint64_t evidence_count; // of the witness, that the checker knows
    struct bft_outputs outputs;
    uint64_t timer_sequences[BFT_TIMER_KINDS + 1];
    uint32_t clock_permille; // of the world's
    // On disk, or on its way there.
    struct record *records;
    size_t record_count;
    size_t record_capacity;
    size_t synced_count;
    struct block blocks[BLOCKS_MAX];
    size_t block_count;
    struct certificate *chain[HEIGHTS_MAX]; // by height; durable
    uint64_t chain_height;
    // Of the step under way.
    bool sync_wanted;
    struct message **held;
    size_t held_count;
    size_t held_capacity;
    struct signed_slot last_signed;
    uint32_t deaths;
};

enum event_kind {
    EVENT_MESSAGE,
    EVENT_TIMER,
    EVENT_START,
    EVENT_DUE,
    EVENT_BUILT,
    EVENT_VALIDATE,
    EVENT_DECIDE,
    EVENT_RESTART,
    EVENT_FAULT,
    EVENT_LIE,
    EVENT_HEAL,
};

struct event {
    enum event_kind kind;
    size_t machine;
    uint64_t life;
    uint64_t sequence;
    struct bft_timer timer;
    struct message *message;
    struct block_id value;
    uint64_t height;
    uint32_t round;
    bool is_decided; // of VALIDATE
};

struct checker;

struct world {
    struct sim_config config;
    struct rng rng;
    uint64_t now_ms;
    struct heap events;
    size_t machine_count;
    struct machine machines[MACHINES_MAX];
    struct validator_set sets[3];                          // before, between and after the changes
    uint64_t blocked_until_ms[MACHINES_MAX][MACHINES_MAX]; // from, to
    bool healed;
    uint64_t heal_height; // highest decided by anybody then
    uint64_t points;      // writes and syncs of logs so far
    uint64_t steps;
    struct checker *checker;
    const char *failure; // NULL: none
    size_t failed_machine;
    uint64_t failed_height;
};

struct sim_result {
    const char *failure;
    size_t machine;
    uint64_t height;
    uint64_t at_ms;
    uint64_t steps;
    uint64_t points;
    uint64_t heights;
    uint32_t deaths;
    uint32_t accused; // validators, once for each height
};

// ---- run.c ----
void sim_config_draw(struct sim_config *config, uint64_t seed);
// Four validators, nothing goes wrong.
void sim_config_quiet(struct sim_config *config, uint64_t seed);
void sim_run(struct sim_result *result, const struct sim_config *config);
bool percent(struct world *world, uint32_t chance);
const struct validator_set *set_at(const struct world *world, uint64_t height);
void schedule(struct world *world, uint64_t delay_ms, const struct event *event);
void say(const struct world *world, size_t machine, const char *what, uint64_t a, uint64_t b);
struct sign_public key_of(size_t validator);

// ---- machine.c ----
void machine_boot(struct world *world, struct machine *machine);
void machine_kill(struct world *world, struct machine *machine, bool power_loss, uint64_t down_ms);
void machine_free(struct machine *machine);
void machine_event(struct world *world, struct machine *machine, const struct event *event);
void machine_recall(struct world *world, struct machine *machine); // tells all what it has heard
uint64_t machine_height(const struct machine *machine);            // of its core
bool machine_has_block(const struct machine *machine, const struct block_id *id);
enum block_kind { BLOCK_VALID, BLOCK_INVALID, BLOCK_DISPUTED };
struct block_id block_make(struct world *world, uint64_t height, enum block_kind kind);
struct signature signature_of(const struct vote *vote);

// ---- links.c ----
struct message *message_new(enum message_kind kind, size_t from);
struct message *message_copy(const struct message *message);
void message_free(struct message *message);
void send_to(struct world *world, const struct message *message, size_t to);
void send_to_all(struct world *world, const struct message *message);
size_t other_machine(struct world *world, size_t self);
void fault(struct world *world);
// For a while nobody hears the machine.
void silence(struct world *world, size_t machine, uint64_t ms);

// ---- liar.c ----
void lie(struct world *world, struct machine *liar);
void lie_about_decision(struct world *world, struct machine *liar, const struct message *question);

// ---- checker.c ----
struct checker *checker_new(void);
void checker_free(struct checker *checker);
void violated(struct world *world, size_t machine, uint64_t height, const char *what);
void check_sent(struct world *world, struct machine *machine, const struct message *message);
// Before it has left: what certificates may be made of.
void check_signed(struct world *world, const struct machine *machine, const struct vote *vote);
// A value that somebody voted for at this height, or nil.
struct block_id some_value(struct world *world, uint64_t height);
void check_decision(struct world *world, struct machine *machine, const struct certificate *certificate);
// The own precommit has left with the stored certificate, if not otherwise.
void check_stored(struct world *world, struct machine *machine, const struct certificate *certificate);
// Over two thirds of precommits, all really given to others, or signed by this machine.
bool certificate_is_genuine(const struct world *world, const struct machine *machine,
                            const struct certificate *certificate);
// What a machine was sent as another's signature is one.
bool statement_is_genuine(const struct world *world, const struct statement *statement);
void check_proposed(struct world *world, const struct machine *machine, const struct proposal *proposal);
// What is held now by correct machines together must be found out.
void check_what_is_held(struct world *world);
bool check_is_found_out(const struct world *world); // all of that
uint32_t check_count_accused(const struct world *world);
void check_evidence(struct world *world, struct machine *machine, const struct evidence *evidence);
void check_given(struct world *world, struct machine *machine, const struct vote *vote);
void check_step(struct world *world, struct machine *machine);
void check_replay(struct world *world, struct machine *machine);
void check_forget(struct world *world, struct machine *machine); // it died, or began a height
// Whether over two thirds voted for the value of `out`, so that others have it, or machine `own` does; and their votes.
bool certificate_fill(const struct world *world, struct certificate *out, size_t own);

#endif
