// A simulated world: thousands of steps a second of the very nodes that run in production, in virtual time, over links
// that break, on disks that forget, between users who only ask. Everything follows from one seed.
#ifndef SOTTO_SIM_SIM_H
#define SOTTO_SIM_SIM_H

#include "sim/checker.h"
#include "sim/record.h"
#include "sim/trace.h"
#include "wire/genesis.h"

// How often bad things happen: the mean time between two of a kind in the whole world, 0: never.
struct sim_faults {
    uint64_t kill_ms;        // a process ends at once; its machine goes on
    uint64_t effect_ms;      // a process ends between two effects
    uint64_t power_ms;       // a machine loses power, and what it had not synced
    uint64_t blackout_ms;    // all relays lose power together
    uint64_t pause_ms;       // a process stands still for a while
    uint64_t partition_ms;   // the world falls into two parts
    uint64_t break_ms;       // a link breaks
    uint64_t stall_ms;       // one direction of a link stands still
    uint64_t slow_ms;        // a machine's links become slow
    uint64_t clock_ms;       // a machine's wall clock jumps, and later back
    uint64_t disk_full_ms;   // a disk has no space left for a while
    uint64_t disk_fail_ms;   // a write fails
    uint64_t disk_lost_ms;   // a disk is replaced by an empty one
    uint64_t join_ms;        // a new relay
    uint64_t retire_ms;      // a relay leaves for good
    uint64_t move_ms;        // a process ends at once, and begins anew at another address
    uint64_t intruder_ms;    // a stranger talks nonsense to a relay
    uint32_t lost_disks_max; // relays that may lose their disks
    uint32_t clock_error_ms; // how far a clock jumps at most
    // Of each million messages just stored: all relays lose power, when it would hurt most.
    uint32_t ambushed;
    // Of each million onion packets between machines, as a malicious relay would.
    uint32_t duplicated;
    uint32_t replayed; // once more, later
    uint32_t dropped;
    uint32_t corrupted;
};

struct sim_config {
    uint64_t seed;
    uint32_t validators;
    uint32_t block_ms; // longest time between blocks, 0: no empty ones
    uint32_t relays;   // at the beginning
    uint32_t users;
    uint8_t replicas;
    uint8_t quorum;
    enum profile profile;
    uint32_t tick_ms;
    uint64_t epoch_ms;
    uint64_t lifetime_ms; // of items
    uint32_t messages;    // that each user sends
    size_t text_bytes;    // of each, 0: drawn for each
    uint64_t chaos_ms;    // while messages are sent and faults strike
    bool chaos_at_once;   // before the network is ready for the first time
    bool strangers;       // of two users one adds the other, who accepts the first message as a request
    struct sim_faults faults;
    bool record; // keep every frame, for the check of unlinkability
    struct trace_sink sink;
};

// A world as the seed wants it: its size, its parameters, its faults.
void sim_config_draw(struct sim_config *config, uint64_t seed);
// A quiet world without faults.
void sim_config_quiet(struct sim_config *config, uint64_t seed);

// Takes one kind of fault out, to find out which one it takes: kill effect power blackout pause partition break stall
// slow clock full failing-write lost-disk join retire move intruder ambush tampering. False: no such kind.
bool sim_without(struct sim_config *config, const char *name);

struct sim_result {
    struct failure failure;
    uint64_t virtual_ms;
    uint64_t steps;
    uint64_t trace_hash;
    uint64_t wire_hash; // of (time, link, size) of every frame
    uint64_t frames;
    uint32_t messages; // taken by the senders' clients
    uint32_t shown;    // to their recipients
    uint32_t expired;
    uint32_t crashes;
    uint64_t heights;     // decided
    struct linked linked; // what was recorded, of all relays
    struct trace trace;   // for its tail
};

void sim_run(struct sim_result *result, const struct sim_config *config);

#endif
