// What goes wrong in a world, each kind at its own Poisson times, and how it is put right in the end.
#include <string.h>

#include "base/assert.h"
#include "sim/world.h"

#define PAUSE_MS_MAX 8000
#define PAUSE_LONG_MS_MAX 25000 // beyond the links' idle timeout
#define PARTITION_MS_MAX 15000
#define STALL_MS_MAX 10000
#define SLOW_MS_MAX 15000
#define SLOW_BY_MS_MAX 1500
#define CLOCK_MS_MAX 15000
#define FULL_MS_MAX 15000
#define RELAYS_MAX 14
#define RETIRED_OFF_EPOCHS 4 // after so many a retired relay that holds nothing is switched off

static uint64_t draw_ms(struct world *world, uint64_t max_ms) {
    return 1 + rng_below(&world->rng_faults, max_ms);
}

#define ANYBODY (ROLE_USER | SERVERS)
#define SERVERS (ROLE_RELAY | ROLE_VALIDATOR)

static bool is_relay(const struct machine *machine) {
    return (machine->config.roles & ROLE_RELAY) != 0;
}

// A running machine with one of these roles; NULL: none.
static struct machine *draw_machine(struct world *world, unsigned roles) {
    size_t candidates = 0;
    struct machine *chosen = NULL;
    for (size_t i = 0; i < world->machine_count; i++) {
        struct machine *machine = world->machines[i];
        if (machine_runs(machine) && (machine->config.roles & roles) != 0 &&
            rng_below(&world->rng_faults, ++candidates) == 0)
            chosen = machine;
    }
    return chosen;
}

static void kill_one(struct world *world) {
    struct machine *machine = draw_machine(world, ANYBODY);
    if (machine != NULL)
        machine_kill(world, machine);
}

static void kill_between_effects(struct world *world) {
    struct machine *machine = draw_machine(world, ANYBODY);
    if (machine != NULL)
        machine->effects_left = (uint32_t)draw_ms(world, 40);
}

// A relay comes back at another address.
static void move_one(struct world *world) {
    struct machine *machine = draw_machine(world, ROLE_RELAY);
    if (machine == NULL)
        return;
    machine_kill(world, machine);
    machine->config.address.port++;
    world_note(world, "moves to port", machine->index, machine->config.address.port, 0);
}

static void power_off_one(struct world *world) {
    struct machine *machine = draw_machine(world, ANYBODY);
    if (machine != NULL)
        machine_power_off(world, machine);
}

static void black_out(struct world *world) {
    unsigned who = ROLE_RELAY;
    who |= rng_below(&world->rng_faults, 2) == 0 ? ROLE_USER : 0u;
    who |= rng_below(&world->rng_faults, 2) == 0 ? ROLE_VALIDATOR : 0u;
    for (size_t i = 0; i < world->machine_count; i++) {
        struct machine *machine = world->machines[i];
        if (machine_runs(machine) && (machine->config.roles & who) != 0)
            machine_power_off(world, machine);
    }
}

#define AMBUSH_MS_MAX 40

static void ambush(struct world *world, struct sim_event *event) {
    (void)event;
    if (world->chaos)
        black_out(world);
}

void faults_stored(struct world *world) {
    if (world->chaos && rng_below(&world->rng_faults, 1000000) < world->config.faults.ambushed)
        world_at(world, world->now_ms + draw_ms(world, AMBUSH_MS_MAX), "ambush", ambush);
}

static void pause_one(struct world *world) {
    struct machine *machine = draw_machine(world, ANYBODY);
    if (machine == NULL)
        return;
    uint64_t max_ms = rng_below(&world->rng_faults, 5) == 0 ? PAUSE_LONG_MS_MAX : PAUSE_MS_MAX;
    machine->paused_until_ms = world->now_ms + draw_ms(world, max_ms);
    world_note(world, "paused until", machine->index, machine->paused_until_ms, 0);
}

static void partition_ends(struct world *world, struct sim_event *event) {
    (void)event;
    world->partitioned = false;
}

static void partition(struct world *world) {
    if (world->partitioned)
        return;
    for (size_t i = 0; i < world->machine_count; i++)
        world->machines[i]->side = (uint32_t)rng_below(&world->rng_faults, 2);
    world->partitioned = true;
    world_at(world, world->now_ms + draw_ms(world, PARTITION_MS_MAX), "partition ends", partition_ends);
}

static void break_one(struct world *world) {
    network_break_one(world);
}

static void stall_one(struct world *world) {
    network_stall_one(world, draw_ms(world, STALL_MS_MAX));
}

static void slow_one(struct world *world) {
    struct machine *machine = draw_machine(world, ANYBODY);
    if (machine == NULL)
        return;
    machine->slow_until_ms = world->now_ms + draw_ms(world, SLOW_MS_MAX);
    machine->slow_by_ms = draw_ms(world, SLOW_BY_MS_MAX);
}

static void clock_back(struct world *world, struct sim_event *event) {
    world->machines[event->a]->wall_error_ms = 0;
}

// Fewer than a third of the validators may be wrong: in their time, which would move that of blocks for good, or in
// what they remember of what they have signed.
static bool validator_may_be_wrong(const struct world *world) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < world->config.validators; i++)
        wrong += world->machines[i]->wall_error_ms != 0 || !chains_remembers(world->chains, i) ? 1 : 0;
    return 3 * (wrong + 1) < world->config.validators;
}

static void clock_jumps(struct world *world) {
    struct machine *machine = draw_machine(world, ANYBODY);
    if (machine == NULL || world->config.faults.clock_error_ms == 0 ||
        (world_is_validator(machine) && !validator_may_be_wrong(world)))
        return;
    int64_t error_ms = (int64_t)draw_ms(world, world->config.faults.clock_error_ms);
    machine->wall_error_ms = rng_below(&world->rng_faults, 2) == 0 ? error_ms : -error_ms;
    world_note(world, "clock wrong by", machine->index, (uint64_t)machine->wall_error_ms, 0);
    world_at(world, world->now_ms + draw_ms(world, CLOCK_MS_MAX), "clock right", clock_back)->a = machine->index;
}

static void disk_has_space(struct world *world, struct sim_event *event) {
    machine_disk_space(world, world->machines[event->a]);
}

static void disk_full(struct world *world) {
    struct machine *machine = draw_machine(world, SERVERS);
    if (machine == NULL)
        return;
    machine->full_until_ms = world->now_ms + draw_ms(world, FULL_MS_MAX);
    world_note(world, "disk full until", machine->index, machine->full_until_ms, 0);
    world_at(world, machine->full_until_ms, "disk has space", disk_has_space)->a = machine->index;
    machine_disk_space(world, machine);
}

static void disk_fails(struct world *world) {
    struct machine *machine = draw_machine(world, ANYBODY);
    if (machine != NULL)
        machine->disk_fails = true;
}

static void lose_disk(struct world *world, struct machine *machine) {
    machine_power_off(world, machine);
    disk_destroyed(&machine->disk);
    world_note(world, "disk lost", machine->index, 0, 0);
}

#define BEGUN 2 // blocks from which on a validator without memory can tell that the network has begun

// OPERATOR.md, "A validator": its folder is emptied, and it is started again. One at a time.
static void validator_loses_disk(struct world *world, struct machine *machine) {
    bool begun = true;
    for (uint32_t i = 0; i < world->config.validators; i++)
        begun = begun && chains_told_height(world->chains, i) >= BEGUN;
    if (!begun || !validator_may_be_wrong(world))
        return;
    chains_disk_lost(world->chains, machine->index);
    lose_disk(world, machine);
}

static void disk_lost(struct world *world) {
    struct machine *machine = draw_machine(world, SERVERS);
    if (machine != NULL && world_is_validator(machine)) {
        validator_loses_disk(world, machine);
    } else if (machine != NULL && world->lost_disks < world->config.faults.lost_disks_max) {
        world->lost_disks++;
        check_disk_lost(&world->checker, machine->index, world->now_ms);
        lose_disk(world, machine);
    }
}

static uint32_t count_relays(const struct world *world) {
    uint32_t count = 0;
    for (size_t i = 0; i < world->machine_count; i++) {
        const struct machine *machine = world->machines[i];
        count += is_relay(machine) && !machine->gone && !machine->retiring ? 1 : 0;
    }
    return count;
}

static void join(struct world *world) {
    if (count_relays(world) >= RELAYS_MAX)
        return;
    struct machine *machine = world_add_relay(world);
    machine->config.genesis = world->genesis;
    machine_start(world, machine);
}

// A retired relay is switched off when it holds nothing any more.
static void switch_off(struct world *world, struct sim_event *event) {
    struct machine *machine = world->machines[event->a];
    if (!machine_runs(machine) || metric_value(machine->env.metrics, METRIC_MAILBOX_MESSAGES) > 0) {
        world_at(world, world->now_ms + world->config.epoch_ms, "switch off", switch_off)->a = machine->index;
        return;
    }
    machine->gone = true;
    machine_stop(world, machine);
}

static void retire_starts_again(struct world *world, struct sim_event *event) {
    machine_start(world, world->machines[event->a]);
}

// Enough must stay for three hops, two entries and a set of replicas; and the first directory waits for all.
static void retire(struct world *world) {
    struct machine *machine = draw_machine(world, ROLE_RELAY);
    if (machine == NULL || machine->retiring || metric_value(machine->env.metrics, METRIC_DIRECTORY_EPOCH) == 0 ||
        count_relays(world) <= world->config.replicas + 3u)
        return;
    machine->retiring = true;
    world_note(world, "retires", machine->index, 0, 0);
    machine_stop(world, machine);
    world_at(world, world->now_ms + 500, "start again", retire_starts_again)->a = machine->index;
    world_at(world, world->now_ms + RETIRED_OFF_EPOCHS * world->config.epoch_ms, "switch off", switch_off)->a =
        machine->index;
}

static void intruder(struct world *world) {
    struct machine *machine = draw_machine(world, SERVERS);
    if (machine != NULL)
        intruder_visits(world, machine);
}

struct fault_kind {
    const char *name;
    size_t mean_at; // in struct sim_faults
    void (*strike)(struct world *world);
};

#define MEAN(field) offsetof(struct sim_faults, field)

static const struct fault_kind kinds[] = {
    {"kill", MEAN(kill_ms), kill_one},
    {"effect", MEAN(effect_ms), kill_between_effects},
    {"power", MEAN(power_ms), power_off_one},
    {"blackout", MEAN(blackout_ms), black_out},
    {"pause", MEAN(pause_ms), pause_one},
    {"partition", MEAN(partition_ms), partition},
    {"break", MEAN(break_ms), break_one},
    {"stall", MEAN(stall_ms), stall_one},
    {"slow", MEAN(slow_ms), slow_one},
    {"clock", MEAN(clock_ms), clock_jumps},
    {"full", MEAN(disk_full_ms), disk_full},
    {"failing-write", MEAN(disk_fail_ms), disk_fails},
    {"lost-disk", MEAN(disk_lost_ms), disk_lost},
    {"join", MEAN(join_ms), join},
    {"retire", MEAN(retire_ms), retire},
    {"move", MEAN(move_ms), move_one},
    {"intruder", MEAN(intruder_ms), intruder},
};

bool sim_without(struct sim_config *config, const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            memset((uint8_t *)&config->faults + kinds[i].mean_at, 0, sizeof(uint64_t));
            return true;
        }
    }
    if (strcmp(name, "ambush") == 0) {
        config->faults.ambushed = 0;
        return true;
    }
    if (strcmp(name, "tampering") != 0)
        return false;
    config->faults.duplicated = config->faults.replayed = config->faults.dropped = config->faults.corrupted = 0;
    return true;
}

static uint64_t mean_ms(const struct world *world, const struct fault_kind *kind) {
    uint64_t mean;
    memcpy(&mean, (const uint8_t *)&world->config.faults + kind->mean_at, sizeof mean);
    return mean;
}

static void strike(struct world *world, struct sim_event *event);

static void schedule(struct world *world, size_t kind) {
    uint64_t in_ms = 1 + rng_exponential_ms(&world->rng_faults, mean_ms(world, &kinds[kind]));
    world_at(world, world->now_ms + in_ms, kinds[kind].name, strike)->a = kind;
}

static void strike(struct world *world, struct sim_event *event) {
    if (!world->chaos)
        return;
    kinds[event->a].strike(world);
    schedule(world, event->a);
}

void faults_begin(struct world *world) {
    world->chaos = true;
    world->checker.clock_error_ms = world->config.faults.clock_error_ms;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (mean_ms(world, &kinds[i]) > 0)
            schedule(world, i);
    }
}

void faults_heal(struct world *world) {
    world->healed_ms = world->now_ms;
    world->healed_height = chains_highest(world->chains);
    world->chaos = false;
    world->partitioned = false;
    for (size_t i = 0; i < world->machine_count; i++) {
        struct machine *machine = world->machines[i];
        machine->slow_until_ms = 0;
        machine->wall_error_ms = 0;
        machine->disk_fails = false;
        machine->effects_left = 0;
        machine_start(world, machine);
        if (machine->full_until_ms > world->now_ms) {
            machine->full_until_ms = 0;
            machine_disk_space(world, machine);
        }
    }
}

uint32_t faults_not_recovered(const struct world *world) {
    for (size_t i = 0; i < world->machine_count; i++) {
        const struct machine *machine = world->machines[i];
        if (!machine->gone && !machine->retiring &&
            (!machine_runs(machine) || metric_value(machine->env.metrics, METRIC_READY) == 0))
            return machine->index;
    }
    return NOBODY;
}

#define DECIDED_SINCE 2

uint32_t faults_not_deciding(const struct world *world) {
    for (uint32_t i = 0; i < world->config.validators; i++) {
        if (chains_height(world->chains, i) < world->healed_height + DECIDED_SINCE)
            return i;
    }
    return NOBODY;
}
