// The ledger as a part of a node: a validator with a key, or a follower without one.
//
//   transaction -> checks -> signatures (a job) -> mempool -> gossip -> a proposer's block
//   proposal    -> checks -> its unknown transactions' signatures (a job) -> executed on trial -> prevote ...
//   decision    -> block, certificate and state in one batch, the log's end of height -> subscribers
//   behind      -> ranges of blocks with certificates from several peers -> the same batch
//
// Consensus itself is consensus/bft.h, a state machine of its own; driver.c joins it to blocks, log, signer and links.
#ifndef SOTTO_LEDGER_LEDGER_H
#define SOTTO_LEDGER_LEDGER_H

#include "ledger/message.h"
#include "ledger/request.h"

struct ledger_config {
    const struct genesis *genesis; // outlives the ledger
    const uint8_t *validator_seed; // 32 bytes, of the consensus key; read by ledger_new only; NULL: a follower
    struct relay_id self;          // identity of the own links
    struct address address;        // where others reach this node; port 0: nowhere
    uint64_t keep_blocks;          // 0: all
    size_t mempool_count_max, mempool_bytes_max;
    uint32_t txs_per_s_per_peer; // of peers that are no validators
};

struct ledger_ports {
    void *ctx;
    // A frame to a peer; lost when its queue is full. Consensus goes first, then transactions, then answers.
    void (*send)(void *ctx, struct step *step, uint64_t peer, enum ledger_frame kind, struct span body);
    // It has broken a rule, or its place is needed. ledger_peer_down follows, perhaps before this returns.
    void (*close)(void *ctx, struct step *step, uint64_t peer);
    void (*trust)(void *ctx, uint64_t peer, bool trusted); // it has proved to be a validator, or is none any more
    // Wants a link to that node: ledger_peer_up or ledger_dial_failed follows.
    void (*dial)(void *ctx, struct step *step, const struct relay_id *id, const struct address *address);
    void (*note)(void *ctx, struct step *step, uint64_t watch, const struct ledger_note *note);
    void (*answer)(void *ctx, struct step *step, struct ledger_answer *answer); // takes what it holds
    // The directory of an epoch is final: what light clients verify (light.h).
    void (*directory)(void *ctx, struct step *step, uint32_t epoch, struct span bundle);
};

struct ledger;

struct ledger *ledger_new(const struct ledger_config *config, const struct ledger_ports *ports, struct rng *rng);
void ledger_free(struct ledger *ledger);
// `log`: all that the node's log holds. ERR_CORRUPT (store or log damaged) and ERR_INVALID (the signer's state is
// missing) with a reason in `why`: the node must not start.
enum err ledger_start(struct ledger *ledger, struct step *step, struct span log, struct buf *why);
// A ledger link stands; `id` is the peer's identity, NULL: it showed none. Numbers of links are never used again.
void ledger_peer_up(struct ledger *ledger, struct step *step, uint64_t peer, const struct relay_id *id, bool inbound);
void ledger_peer_down(struct ledger *ledger, struct step *step, uint64_t peer);
void ledger_dial_failed(struct ledger *ledger, struct step *step, const struct relay_id *id);
void ledger_frame(struct ledger *ledger, struct step *step, uint64_t peer, uint8_t kind, struct span body);
void ledger_ask(struct ledger *ledger, struct step *step, const struct ledger_request *request);
void ledger_ask_gone(struct ledger *ledger, uint64_t request);
void ledger_job_done(struct ledger *ledger, struct step *step, struct job *job); // takes the job
void ledger_tick(struct ledger *ledger, struct step *step);
uint64_t ledger_next_ms(const struct ledger *ledger);
uint64_t ledger_height(const struct ledger *ledger); // of the head
// NULL: it can do its work. Else what it waits for, for a person.
const char *ledger_waits_for(const struct ledger *ledger);
// Not NULL: it has stopped for good, and why (a fork, a damaged store).
const char *ledger_broken(const struct ledger *ledger);

#endif
