// The ledger's own state. ledger.c begins and ends it, peers.c knows the others, gossip.c takes transactions,
// candidates.c checks and builds blocks, driver.c runs consensus, evidence.c finds who signs twice, apply.c makes a
// decided block the head, sync.c catches up, rejoin.c keeps a signer without memory silent, queries.c answers. For
// files of src/ledger/ only.
#ifndef SOTTO_LEDGER_LEDGER_INTERNAL_H
#define SOTTO_LEDGER_LEDGER_INTERNAL_H

#include "base/map.h"
#include "ledger/chain.h"
#include "ledger/consensus/bft.h"
#include "ledger/consensus/signer.h"
#include "ledger/consensus/witness.h"
#include "ledger/ledger.h"
#include "ledger/verify.h"

#define PEERS_LINKED_MAX 256     // links; a node has few, validators at most a hundred
#define STRANGERS_LINKED_MAX 128 // of those, inbound and no members
#define PEERS_KNOWN_MAX 128      // addresses to dial
#define CANDIDATES_MAX 32        // blocks of this height and the next
#define CANDIDATE_BYTES_MAX (16 * 1024 * 1024)
#define MISSING_MAX 8   // consensus asks for one block a round
#define SYNC_ASKS_MAX 4 // ranges under way
#define WATCHES_MAX 64
#define WAITS_MAX 1024     // requests that wait for a transaction to be final
#define VERIFY_JOBS_MAX 96 // a full block of transactions that nobody knew is 64
#define VERIFY_GOSSIP_JOBS_MAX 8
#define VERIFY_QUEUE_MAX 8192 // transactions that wait for a job
#define SEEN_MAX 4096         // records of the state that pooling keeps at hand: about 1 MB
#define VERIFYING_FROM_MAX 8  // one that more have brought may go back to some of them
#define WAITS_PRUNED                                                                                           \
    "blocks that no linked node holds any more: link to one that keeps all (keep_blocks: 0), or start with a " \
    "copy of a follower's data"
#define CLOCK_AHEAD_MS 5000 // by which a proposer's clock may be ahead of ours

// A rate with a burst (GCRA): the time at which all that was taken will have been earned.
struct allowance {
    uint64_t earned_us;
};

struct peer {
    uint64_t link;
    uint64_t up_ms; // mono, since when
    bool inbound;
    bool has_id;
    struct relay_id id;
    bool has_member; // has shown a key
    struct sign_public member;
    bool is_member; // and that is a validator's, of the next height or the one after
    bool has_status;
    struct peer_status status;
    struct allowance txs_allowed, signatures_allowed, answers_allowed;
    struct allowance heard_allowed, statements_allowed;
    bool asked_peers;       // whom it knows: no answer yet
    bool asked_block;       // for a block; an answer to nothing is not looked at
    unsigned sync_failures; // ranges that it did not give
    struct buf txs;         // for its next TXS frame
};

// A transaction of a peer whose signature is not verified yet: it waits for a job, or is in one.
struct verifying {
    struct tx_id id;
    struct verifying *before, *after; // by arrival
    struct verification *job;         // NULL: it waits
    uint64_t height;                  // of a block that has it, too, and is verified with it; 0: none is known
    size_t from_count;
    uint64_t from[VERIFYING_FROM_MAX]; // the links that brought it
    struct span bytes;                 // behind this
};

// A node that can be dialled: a seed, or one that a peer has named.
struct known_peer {
    struct relay_id id;
    struct address address;
    bool is_seed;
    bool dialling, linked;
    unsigned failures;
    uint64_t retry_ms;
};

enum candidate_state {
    CANDIDATE_HELD,      // not looked at
    CANDIDATE_VERIFYING, // signatures of transactions that we did not know are being verified
    CANDIDATE_VERIFIED,
    CANDIDATE_VALID, // and executed on trial
    CANDIDATE_INVALID,
};

// A proposed block of a height that is not decided.
struct candidate {
    struct block_id id;
    uint64_t number;             // from 1: jobs for one that is gone are not taken for its successor's
    struct sign_public proposer; // who signed the first proposal of it
    struct buf bytes;
    struct block block; // points into bytes
    enum candidate_state state;
    bool was_early;          // invalid, because its time was too far ahead of this clock
    bool is_kept;            // in the store: it outlives the process
    bool wanted;             // consensus has asked whether it is valid
    bool decided;            // and over two thirds say so
    size_t jobs;             // under way for it
    struct overlay *overlay; // of its trial; NULL: not executed
    struct executed executed;
};

// Consensus has asked for a block that was not here.
struct missing_block {
    struct block_id id;
    bool decided;
};

// A range of heights to be fetched, in the order of their heights.
struct sync_ask {
    uint64_t from;
    uint16_t count; // 0: the slot is free
    uint64_t peer;  // whom it was asked from, 0: nobody yet
    uint64_t deadline_ms;
    bool has_answer;
    struct buf answer; // pairs of block and certificate
    size_t used;       // bytes of it
};

// A job under way, and the block that waits for it: its transactions are the block's, or some that peers brought.
struct verification {
    const struct job *job; // NULL: free
    bool is_gossip;
    uint64_t candidate; // its number; 0: none
};

struct wait {
    uint64_t request;
    struct tx_id tx;
    uint64_t deadline_ms;
};

struct ledger {
    struct ledger_config config;
    struct ledger_ports ports;
    const char *broken;
    bool started;
    uint64_t started_wall_ms;
    uint64_t next_ms; // mono_ms of the next tick

    struct tx_rules rules;
    struct chain chain;
    struct hash root;                   // of the state after the head
    struct pages *pages;                // of the head's tree; read for trials alone
    struct validator_set set, next_set; // of the next height to decide, and of the one after
    uint64_t head_mono_ms;              // when the head became it
    uint64_t due_ms;                    // wall clock: the state wants a block
    bool sample_due;                    // the next block draws samples
    bool applied;                       // ask apply_is_hidden
    struct mempool *mempool;
    struct overlay *seen; // what pooling has read of the state since it changed; NULL: nothing

    struct bft *bft;
    struct bft_outputs outputs;
    struct signer *signer; // NULL: a follower
    struct witness *witness;
    uint64_t evidence_height; // of the head when evidence was offered last
    uint64_t evidence_count;  // found by then
    uint64_t timers_ms[BFT_TIMER_KINDS];
    struct bft_timer timers[BFT_TIMER_KINDS];
    size_t log_bytes;    // since the log was reset
    uint64_t log_height; // of its last record
    bool build_wanted;   // consensus waits for a block of ours
    uint64_t build_height;
    uint32_t build_round;
    struct candidate *candidates[CANDIDATES_MAX];
    size_t candidate_count;
    size_t candidate_bytes;
    uint64_t candidates_taken; // ever
    struct missing_block missing[MISSING_MAX];
    size_t missing_count; // since the height began: the next one stands at its remainder
    struct buf kept;      // ids of the candidates in the store

    struct peer *peers[PEERS_LINKED_MAX];
    size_t peer_count;
    struct known_peer known[PEERS_KNOWN_MAX];
    size_t known_count;
    uint64_t status_ms; // when all are told again where we stand

    bool syncing;
    uint64_t sync_target; // a hint
    uint64_t sync_voted;  // the height before one that over a third of the power has voted at
    uint64_t sync_next;   // first height not yet asked for
    struct sync_ask asks[SYNC_ASKS_MAX];
    uint64_t sync_look_ms;
    uint64_t pruned_since_ms; // mono; nobody linked has the next block any more; 0: somebody may

    struct verification verifications[VERIFY_JOBS_MAX];
    size_t gossip_jobs;
    // Of peers, the oldest first: every validator forwards a transaction, and one copy is verified.
    struct verifying *verifying, *verifying_newest;
    struct verifying *verifying_next; // the first that waits for a job
    size_t verify_queued;             // that wait
    struct map verifying_by_id;

    uint64_t watches[WATCHES_MAX];
    size_t watch_count;
    struct wait waits[WAITS_MAX];
    size_t wait_count;
};

// ledger.c
void ledger_break(struct ledger *ledger, struct step *step, const char *why); // stops for good
void ledger_run(struct ledger *ledger, struct step *step); // carries out what consensus asks for, until nothing is left

// peers.c
bool allowance_take(struct allowance *allowance, uint64_t now_ms, uint64_t amount, uint64_t per_s, uint64_t burst);
struct peer *peer_find(const struct ledger *ledger, uint64_t link); // NULL: gone
void peer_send(struct ledger *ledger, struct step *step, const struct peer *peer, enum ledger_frame kind,
               struct span body);
void peer_broke_a_rule(struct ledger *ledger, struct step *step, struct peer *peer, const char *rule);
bool peer_may_ask(const struct peer *peer, const struct step *step);
void peer_has_had(struct peer *peer, const struct step *step, size_t bytes); // an answer of that size
void peers_follow_set(struct ledger *ledger, struct step *step);             // members are who validates now
void peers_begin(struct ledger *ledger);
void peers_tick(struct ledger *ledger, struct step *step);
uint64_t peers_next_ms(const struct ledger *ledger);
void peers_tell_status(struct ledger *ledger, struct step *step, const struct peer *only); // NULL: to all
// Both ends may have dialled; what goes to all goes by one link of each, the one that will be kept.
bool peer_has_better_link(const struct ledger *ledger, const struct peer *peer);
void peers_broadcast(struct ledger *ledger, struct step *step, enum ledger_frame kind, struct span body); // members

// gossip.c
enum err gossip_txs(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err gossip_submit(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
void gossip_greet(struct ledger *ledger, struct step *step, struct peer *peer); // what waits here
// A transaction of our own user, or one that a peer submits: verified here and now. Fills its id. *err is
// ERR_MALFORMED, ERR_NETWORK or ERR_AUTH for what no honest node sends.
enum mempool_verdict gossip_take(struct ledger *ledger, struct step *step, struct span bytes, struct tx_id *id,
                                 enum err *err);
void gossip_free(struct ledger *ledger);
void gossip_flush(struct ledger *ledger, struct step *step); // what the step has gathered leaves
// Whether jobs are free for all transactions of a block.
bool gossip_may_verify(const struct ledger *ledger, const struct candidate *candidate);
// Sees to it that the transactions of a candidate that the mempool does not know are verified. Their number.
size_t gossip_verify_block(struct ledger *ledger, struct step *step, struct candidate *candidate);
// The block has become the head: what of it still waits here need not be verified any more.
void gossip_settle(struct ledger *ledger, struct step *step, const struct block *block);

// candidates.c
// From the memory, else from the store, where a process before this one has kept it.
struct candidate *candidate_get(struct ledger *ledger, struct step *step, const struct block_id *id);
// Takes a copy. NULL: malformed, not the block of that id, or no room.
struct candidate *candidate_add(struct ledger *ledger, struct span bytes, const struct block_id *id,
                                const struct sign_public *proposer);
enum err candidates_load(struct ledger *ledger, struct step *step); // what is in the store; ERR_CORRUPT
void candidate_want(struct ledger *ledger, struct step *step, const struct block_id *id, bool decided);
struct candidate *candidate_numbered(const struct ledger *ledger, uint64_t number); // NULL: gone
void candidate_verified(struct ledger *ledger, struct step *step, struct candidate *candidate, bool all_right);
// Executes it on the head's state. ERR_INVALID with the rule that it breaks.
enum err candidate_try(struct ledger *ledger, struct step *step, struct candidate *candidate, bool decided,
                       const char **why);
void candidates_tick(struct ledger *ledger, struct step *step); // what waited for the head's state to show
void candidates_drop(struct ledger *ledger, struct step *step); // those of heights that are decided
void candidates_free(struct ledger *ledger);

// driver.c
void driver_input(struct ledger *ledger, struct step *step, const struct bft_input *input);
void driver_carry_out(struct ledger *ledger, struct step *step); // all outputs that there are
void driver_start_height(struct ledger *ledger, struct step *step);
void driver_tick(struct ledger *ledger, struct step *step); // timers, and whether a block is due
uint64_t driver_next_ms(const struct ledger *ledger, const struct now *now);
void driver_greet(struct ledger *ledger, struct step *step, struct peer *peer);
enum err driver_proposal(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err driver_vote(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);

// evidence.c
void evidence_tick(struct ledger *ledger, struct step *step); // what is found goes to the proposers
void evidence_tell_height(struct ledger *ledger, struct step *step, uint64_t height);
void evidence_tell_all(struct ledger *ledger, struct step *step); // what was heard since it was told last
void evidence_greet(struct ledger *ledger, struct step *step, struct peer *peer); // what is kept of the last heights
// A certificate of a height that may be decided here, not verified: ERR_AUTH: a signature that matters is wrong.
enum err evidence_look(struct ledger *ledger, const struct certificate *certificate, const struct validator_set *set);
enum err evidence_heard(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err evidence_statement(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);

// apply.c
// Whether the head's state was made in this step: the store does not show it before the next, so nothing can be tried.
bool apply_is_hidden(struct ledger *ledger, struct step *step);
// A block that was tried becomes the head. Takes what the candidate's trial holds.
void apply_block(struct ledger *ledger, struct step *step, struct candidate *candidate,
                 const struct certificate *certificate);
enum err apply_load(struct ledger *ledger, struct step *step); // what follows from the head's state

// rejoin.c
void rejoin_tick(struct ledger *ledger, struct step *step); // whether a signer without memory may begin
bool rejoin_is_silent(const struct ledger *ledger);         // a validator that does not vote yet

// sync.c
// By index into the set: the highest height that a validator claims, by any of its links.
struct claim {
    bool made;
    uint64_t height;
};
void sync_claims(const struct ledger *ledger, struct claim claims[static VALIDATORS_MAX]);
// The highest height that validators with over a third of the power claim, `more_power` counted to each claim: one of
// them at least is honest. False: too few of them are linked to tell.
bool sync_vouched_height(const struct ledger *ledger, uint64_t more_power, uint64_t *height);
void sync_status(struct ledger *ledger, struct step *step, struct peer *peer); // it has said where it stands
void sync_wanted(struct ledger *ledger, struct step *step, uint64_t height);   // over a third are there
void sync_peer_gone(struct ledger *ledger, struct step *step, uint64_t link);
void sync_look(struct ledger *ledger, struct step *step); // whether what others claim is ahead of us
bool sync_is_pruned_away(const struct ledger *ledger);    // nobody linked has the next block any more
bool sync_is_behind(const struct ledger *ledger);         // as validators with over a third of the power say
void sync_tick(struct ledger *ledger, struct step *step);
uint64_t sync_next_ms(const struct ledger *ledger);
void sync_send_block(struct ledger *ledger, struct step *step, struct peer *peer, uint64_t height);
enum err sync_block(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err sync_range(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err serve_block(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err serve_range(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err serve_headers(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err serve_light(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);

// queries.c
void queries_final(struct ledger *ledger, struct step *step, const struct tx_id *id); // a block has it
void queries_note(struct ledger *ledger, struct step *step, const struct ledger_note *note);
enum err serve_standing(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
enum err serve_delivery(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);
void queries_tick(struct ledger *ledger, struct step *step); // those that have waited long enough
uint64_t queries_next_ms(const struct ledger *ledger);

#endif
