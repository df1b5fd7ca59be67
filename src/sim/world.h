// The insides of a simulated world. For files of src/sim/ only.
//
//   events -> machines (a node each) -> effects -> network, disks, users -> events
#ifndef SOTTO_SIM_WORLD_H
#define SOTTO_SIM_WORLD_H

#include "base/heap.h"
#include "node/node.h"
#include "sim/chains.h"
#include "sim/disk.h"
#include "sim/record.h"
#include "sim/sim.h"

#define NOBODY UINT32_MAX // no machine
#define OPERATORS 8       // who share the relays

struct world;

// Something that will happen. `fire` may do anything; events of a machine that crashed since are dropped, those of one
// that stands still wait.
struct sim_event {
    const char *name; // static, for the trace; NULL: not worth a line
    void (*fire)(struct world *world, struct sim_event *event);
    uint32_t machine;     // whose process it concerns, or NOBODY
    uint32_t incarnation; // of that machine
    uint64_t a;
    uint64_t b;
    struct job *job; // owned
};

// An effect that waits for the disk.
struct held_effect {
    struct held_effect *next;
    struct effect effect;
    uint64_t needs; // writes that must be durable
};

struct machine {
    struct world *world;
    uint32_t index;
    struct node_config config;
    struct relay_id id;
    struct disk disk;
    uint8_t boot_id[32];
    struct node *node; // NULL: the process does not run
    struct env env;
    uint32_t incarnation; // counts starts and ends of the process
    bool gone;            // for good
    bool retiring;
    struct effects effects;
    struct held_effect *held_first;
    struct held_effect *held_last;
    uint32_t held_count;
    uint64_t needs; // writes that must be durable for what comes next
    uint64_t mono_base_ms;
    int64_t wall_error_ms;
    uint64_t timer_sequence; // of the last timer set
    size_t *links;           // by the machine's own number less one: index of the link
    size_t link_count;
    size_t link_capacity;
    uint32_t jobs; // under way
    uint64_t paused_until_ms;
    uint64_t slow_until_ms; // its links take longer until then
    uint64_t slow_by_ms;
    uint64_t full_until_ms; // its disk has no space
    bool disk_fails;        // at the next write
    uint32_t effects_left;  // until it crashes, 0: it does not
    uint32_t side;          // of a partition
    struct user *user;      // of a user's machine
};

struct world {
    struct sim_config config;
    struct genesis genesis;
    uint8_t operator_seeds[OPERATORS][32]; // of the accounts that stake for relays
    uint64_t now_ms;
    struct heap queue;
    struct rng rng_world;  // the shape of the world
    struct rng rng_net;    // latencies
    struct rng rng_host;   // disks, jobs, seeds of nodes
    struct rng rng_faults; // what goes wrong
    struct rng rng_users;
    struct machine **machines;
    size_t machine_count;
    struct sim_link **links;
    size_t link_count;
    size_t link_capacity;
    bool chaos;       // faults strike
    bool partitioned; // sides do not hear each other
    uint32_t lost_disks;
    uint64_t healed_ms;     // 0: not yet
    uint64_t healed_height; // the highest then
    struct checker checker;
    struct chains *chains;
    struct trace trace;
    struct record record;
    uint64_t wire_hash;
    uint64_t frames;
    uint64_t steps;
    uint32_t crashes;
};

// world.c
struct world *world_new(const struct sim_config *config);
void world_free(struct world *world);
struct sim_event *world_at(struct world *world, uint64_t at_ms, const char *name,
                           void (*fire)(struct world *, struct sim_event *));
// For a machine's process as it is now.
struct sim_event *world_for(struct world *world, uint64_t at_ms, const char *name, struct machine *machine,
                            void (*fire)(struct world *, struct sim_event *));
void world_run_until(struct world *world, uint64_t until_ms);
uint64_t world_wall_ms(const struct world *world);
struct machine *world_add_machine(struct world *world, unsigned roles);
struct machine *world_add_relay(struct world *world);
bool world_is_validator(const struct machine *machine); // of genesis
uint32_t world_first_user(const struct world *world);   // its machine
void world_note(struct world *world, const char *what, uint32_t machine, uint64_t a, uint64_t b);
void world_fail(struct world *world, const char *what, uint32_t machine, uint64_t a, uint64_t b);
uint32_t world_machine_of(const struct world *world, const struct relay_id *id); // NOBODY

// machine.c
void machine_free(struct machine *machine);
bool machine_runs(const struct machine *machine);
void machine_start(struct world *world, struct machine *machine);
// Hands the process an event, and does what it answers.
void machine_event(struct world *world, struct machine *machine, const struct event *event);
// The process ends without a word.
void machine_kill(struct world *world, struct machine *machine);
// So does the machine, and what was not synced is lost.
void machine_power_off(struct world *world, struct machine *machine);
void machine_stop(struct world *world, struct machine *machine);       // a clean stop
void machine_ask_status(struct world *world, struct machine *machine); // what it waits for is noted
void machine_disk_space(struct world *world, struct machine *machine);
void machine_wake(struct world *world, struct machine *machine); // what became durable lets effects go

// network.c
void network_dial(struct world *world, struct machine *from, const struct effect *effect);
void network_send(struct world *world, struct machine *from, uint64_t link, struct span bytes);
// Bytes were handed to the host, which holds them until they leave.
void network_taken(struct world *world, struct machine *from, uint64_t link, size_t n);
// The node is done with the link: no event of it follows.
void network_shut(struct world *world, struct machine *from, uint64_t link);
void network_close(struct world *world, struct machine *from, uint64_t link, enum close_reason reason);
void network_machine_down(struct world *world, struct machine *machine, bool power);
void network_break_one(struct world *world);
void network_stall_one(struct world *world, uint64_t ms);
// Somebody without a key and without a machine dials, says that, and hangs up after a while.
void network_visit(struct world *world, struct machine *to, struct span bytes, uint64_t stays_ms);
void network_free(struct world *world);

// intruder.c
void intruder_visits(struct world *world, struct machine *machine);

// faults.c
void faults_begin(struct world *world);                   // they strike from now on
void faults_heal(struct world *world);                    // everything is repaired and running
void faults_stored(struct world *world);                  // a sender has just been told that its message is stored
uint32_t faults_not_recovered(const struct world *world); // the first that has not, or NOBODY
uint32_t faults_not_deciding(const struct world *world);  // the first validator that has decided nothing since healing

// users.c
void users_add(struct world *world, struct machine *machine);
void user_started(struct world *world, struct machine *machine);
void user_ended(struct machine *machine);
void user_answer(struct world *world, struct machine *machine, const struct node_answer *answer);
void user_stream(struct world *world, struct machine *machine, const struct stream_item *item);
void users_send(struct world *world); // they begin to send
bool users_ready(const struct world *world);
bool users_done(const struct world *world); // all that they wanted to send was sent
void users_free(struct world *world);

#endif
