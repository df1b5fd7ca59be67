// A world for tests of the ledger: nodes with real ledgers, disks that forget, links that deliver in order after a
// delay, and nothing else. Virtual time; everything follows from one seed.
#ifndef TEST_LEDGER_WORLD_H
#define TEST_LEDGER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/heap.h"
#include "ledger/ledger.h"
#include "ledger/said.h"
#include "sim/disk.h"

#define NODES_MAX 8
#define NOTES_MAX 4096
#define STRANGERS_MAX 200
#define FEE 10
#define GENESIS_STAKE 10000 // of each validator (pos)
#define OUTBOX_MAX 4096     // frames that wait for the disk

struct world;
struct event;

// What goes wrong, drawn for every frame, job and step. All zero: nothing. Frames of one link keep their order.
struct faults {
    unsigned loss_percent, twice_percent; // of frames
    uint64_t delay_ms_max, job_ms_max;
    uint64_t sync_ms_max;
    unsigned crash_permille; // of steps that write: the process dies before, between or after the writes
    unsigned power_percent;  // of those deaths: with it goes what no sync has covered
};

struct machine {
    struct world *world;
    size_t index;
    struct ledger *ledger;
    struct env env;
    struct disk disk;
    uint64_t needs;  // entries of the disk that are to be durable before anything leaves
    int64_t skew_ms; // of its wall clock
    bool disk_hangs; // no sync of it ends
    bool dying;      // the step at hand was its last
    struct held_frame {
        struct event *event;
        uint64_t needs;
    } outbox[OUTBOX_MAX]; // in order
    size_t outbox_count;
    size_t outbox_new; // of them of the step at hand, the last
    uint64_t arrival_ms[NODES_MAX];
    struct said said;
    struct sign_secret operator; // of the validator, with an account of its own
    struct account_id operator_id;
    uint8_t validator_seed[32];
    bool is_validator;    // else a follower
    uint64_t keep_blocks; // 0: all
    struct relay_id id;
    bool up;
    uint64_t life;             // a restart makes what is on its way void
    uint64_t links[NODES_MAX]; // 0: none
    size_t note_count;
    struct ledger_note notes[NOTES_MAX];
    size_t answer_count;
    struct ledger_answer last_answer; // its buffers are kept
    char why[256];
    size_t bundles;
    size_t dials_in_vain; // of those who are no machine here
    struct buf bundle;
};

// A link from outside: whoever holds it says what the test wants.
struct stranger {
    struct machine *at;
    uint64_t link;
    struct relay_id id;
    bool closed;
    bool trusted;
    size_t frames[256]; // that it was sent, by kind
    size_t bytes;
    struct buf last[256]; // of each kind
};

struct world {
    struct genesis genesis;
    struct rng rng;
    struct now now;
    struct heap events;
    size_t count;
    struct machine machines[NODES_MAX];
    struct sign_secret operator; // of the first validator, with most of the grains
    uint64_t hop_ms;
    uint64_t job_ms; // how long a job takes
    struct faults faults;
    uint64_t next_link;
    struct address addresses[NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX]; // from, to: frames are lost
    struct stranger strangers[STRANGERS_MAX];
    size_t stranger_count;
    // What a node does to a frame of its own; false: it does not leave. NULL: nothing.
    bool (*lies)(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body);
};

// `validators` with a key, then followers up to `nodes`.
struct world *world_make(uint64_t seed, size_t validators, size_t nodes);
struct world *world_make_of(enum consensus consensus, uint64_t seed, size_t validators, size_t nodes);
void world_free(struct world *world);
void world_start(struct world *world); // all nodes
void machine_start(struct machine *machine);
void machine_stop(struct machine *machine);             // the process dies; what it wrote stays
void machine_lose_power(struct machine *machine);       // what it wrote since the last sync may be gone
void machine_wipe(struct machine *machine);             // a new disk; the keys were elsewhere
bool machine_is_durable(const struct machine *machine); // all that it may speak of is on its disk
void run_for(struct world *world, uint64_t ms);
uint64_t height_of(const struct machine *machine);
// True when all that run have decided at least that height, within so much time.
bool run_until_height(struct world *world, uint64_t height, uint64_t ms);
const struct ledger_answer *ask(struct machine *machine, struct ledger_request *request);
// Signs for the network with the fee and submits. Filled: kind, sender, nonce, body.
enum mempool_verdict submit(struct machine *machine, struct tx *tx, const struct sign_secret *sender, struct tx_id *id);
uint64_t nonce_of(struct machine *machine, const struct account_id *account); // of its next transaction
// Whether it is in the set of the height that `at` decides next.
bool validates(const struct machine *at, const struct machine *machine);
// A transfer of the operator, signed; nonce counted here.
struct tx_id submit_transfer(struct machine *machine, uint64_t nonce, uint64_t amount);
enum tx_status status_of(struct machine *machine, const struct tx_id *id);
struct stranger *stranger_join(struct machine *machine); // inbound, of an identity of its own
struct stranger *stranger_join_as(struct machine *machine, const struct relay_id *id, bool inbound);
void stranger_say(struct stranger *stranger, uint8_t kind, struct span body);
// Shows the key of a validator, whose machine had better not run.
void stranger_prove(struct stranger *stranger, const struct machine *as);
void assert_chains_agree(struct world *world); // up to the lowest head

#endif
