// A machine and the node on it: what host/ is on a real one. Effects that are not immediate wait until all synced
// writes of their step and of the steps before are durable.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/world.h"

// A machine whose effects all wait for a very slow disk may hold this many: the links' windows and what leaves without
// a link.
#define HELD_MAX 20000
#define JOBS_MAX 64
#define LOG_LENGTH_MAX (8 * 1024 * 1024) // twice the length at which a validator begins it anew
#define FREE_BYTES (UINT64_C(100) << 30)
#define FREE_BYTES_FULL (UINT64_C(1) << 20)

bool machine_runs(const struct machine *machine) {
    return machine->node != NULL;
}

static struct now now_of(const struct world *world, const struct machine *machine) {
    return (struct now){.mono_ms = world->now_ms + machine->mono_base_ms,
                        .wall_ms = (uint64_t)((int64_t)world_wall_ms(world) + machine->wall_error_ms)};
}

// ---- the end of a process ----

static void drop_held(struct machine *machine) {
    while (machine->held_first != NULL) {
        struct held_effect *held = machine->held_first;
        machine->held_first = held->next;
        effect_release(&held->effect);
        free(held);
    }
    machine->held_last = NULL;
    machine->held_count = 0;
}

static void end_process(struct world *world, struct machine *machine, bool power) {
    ASSERT(machine->node != NULL);
    node_free(machine->node);
    machine->node = NULL;
    metrics_free(machine->env.metrics);
    machine->env.metrics = NULL;
    drop_held(machine);
    if (!power)
        disk_killed(&machine->disk, &world->rng_host);
    machine->incarnation++;
    machine->jobs = 0;
    machine->paused_until_ms = 0;
    machine->effects_left = 0;
    network_machine_down(world, machine, power);
    if (machine->user != NULL)
        user_ended(machine);
}

static void restart(struct world *world, struct sim_event *event) {
    machine_start(world, world->machines[event->a]);
}

// Somebody starts it again: a supervisor soon, a person later.
static void restart_later(struct world *world, struct machine *machine) {
    uint64_t in_ms = 50 + rng_below(&world->rng_host, 2000);
    if (world->chaos && rng_below(&world->rng_host, 6) == 0)
        in_ms += rng_below(&world->rng_host, 20000);
    world_at(world, world->now_ms + in_ms, "restart", restart)->a = machine->index;
}

void machine_kill(struct world *world, struct machine *machine) {
    if (!machine_runs(machine))
        return;
    world_note(world, "killed", machine->index, machine->incarnation, 0);
    world->crashes++;
    end_process(world, machine, false);
    restart_later(world, machine);
}

void machine_power_off(struct world *world, struct machine *machine) {
    world->crashes++;
    if (machine_runs(machine))
        end_process(world, machine, true);
    size_t lost = disk_power_lost(&machine->disk, &world->rng_host);
    rng_bytes(&world->rng_host, machine->boot_id, sizeof machine->boot_id);
    world_note(world, "power lost, and batches", machine->index, lost, 0);
    restart_later(world, machine);
}

void machine_free(struct machine *machine) {
    drop_held(machine);
    node_free(machine->node);
    metrics_free(machine->env.metrics);
    effects_free(&machine->effects);
    disk_free(&machine->disk);
    free(machine->links);
    free(machine);
}

// ---- effects ----

static void timer_due(struct world *world, struct sim_event *event) {
    struct machine *machine = world->machines[event->machine];
    if (event->a != machine->timer_sequence)
        return; // replaced since
    struct event timer = {.kind = EVENT_TIMER};
    machine_event(world, machine, &timer);
}

static void set_timer(struct world *world, struct machine *machine, uint64_t at_ms) {
    machine->timer_sequence++;
    if (at_ms == TIME_NEVER)
        return;
    uint64_t world_ms = at_ms > machine->mono_base_ms ? at_ms - machine->mono_base_ms : 0;
    world_ms = world_ms > world->now_ms ? world_ms : world->now_ms;
    world_for(world, world_ms, "timer", machine, timer_due)->a = machine->timer_sequence;
}

static void stopped(struct world *world, struct sim_event *event) {
    struct machine *machine = world->machines[event->machine];
    end_process(world, machine, false);
}

static void answered(struct world *world, struct machine *machine, const struct node_answer *answer) {
    if (answer->op == NODE_STATUS && answer->status.waiting_for != NULL)
        world_note(world, answer->status.waiting_for, machine->index, 0, 0);
    else if (machine->user != NULL)
        user_answer(world, machine, answer);
}

// The effect is taken over: what it owns is freed here.
static void leave(struct world *world, struct machine *machine, struct effect *effect) {
    switch (effect->kind) {
    case EFFECT_DIAL:
        network_dial(world, machine, effect);
        break;
    case EFFECT_SEND:
        network_send(world, machine, effect->send.link, buf_span(&effect->send.bytes));
        break;
    case EFFECT_CLOSE:
        network_close(world, machine, effect->close.link, effect->close.reason);
        break;
    case EFFECT_TIMER:
        set_timer(world, machine, effect->timer.at_ms);
        break;
    case EFFECT_ANSWER:
        answered(world, machine, effect->answer);
        break;
    case EFFECT_STREAM:
        if (machine->user != NULL)
            user_stream(world, machine, effect->stream);
        break;
    case EFFECT_STOPPED:
        if (effect->stopped_why != NULL)
            world_fail(world, "a node gave up", machine->index, 0, 0);
        machine->gone = machine->gone || effect->stopped_why != NULL;
        world_for(world, world->now_ms, "stopped", machine, stopped);
        break;
    }
    effect_release(effect);
    if (machine->effects_left > 0 && --machine->effects_left == 0)
        machine_kill(world, machine);
}

static void hold(struct machine *machine, const struct effect *effect) {
    struct held_effect *held = NEW(struct held_effect);
    held->effect = *effect;
    held->needs = machine->needs;
    if (machine->held_last != NULL)
        machine->held_last->next = held;
    else
        machine->held_first = held;
    machine->held_last = held;
    machine->held_count++;
}

void machine_wake(struct world *world, struct machine *machine) {
    uint32_t incarnation = machine->incarnation;
    while (incarnation == machine->incarnation && machine->held_first != NULL &&
           machine->held_first->needs <= machine->disk.synced) {
        struct held_effect *held = machine->held_first;
        machine->held_first = held->next;
        if (machine->held_first == NULL)
            machine->held_last = NULL;
        machine->held_count--;
        leave(world, machine, &held->effect);
        free(held);
    }
}

// ---- the disk ----

static void synced(struct world *world, struct sim_event *event);

static uint64_t sync_takes_ms(struct world *world) {
    uint64_t roll = rng_below(&world->rng_host, 100);
    if (roll == 0 && world->chaos)
        return 50 + rng_below(&world->rng_host, 500); // a disk that hangs
    return roll < 60 ? rng_below(&world->rng_host, 3) : rng_below(&world->rng_host, 15);
}

static void sync_if_needed(struct world *world, struct machine *machine) {
    if (disk_is_syncing(&machine->disk) || machine->needs <= machine->disk.synced)
        return;
    disk_sync_begin(&machine->disk);
    world_for(world, world->now_ms + sync_takes_ms(world), "synced", machine, synced);
}

static void synced(struct world *world, struct sim_event *event) {
    struct machine *machine = world->machines[event->machine];
    disk_sync_end(&machine->disk);
    sync_if_needed(world, machine);
    machine_wake(world, machine);
}

// A full disk takes part of what is appended to the log, or all.
static bool log_fits(struct world *world, const struct machine *machine, struct log_batch *log) {
    if (machine->full_until_ms <= world->now_ms || log->bytes.n == 0 || rng_below(&world->rng_host, 4) != 0)
        return true;
    log->bytes.n = log->reset ? 0 : (size_t)rng_below(&world->rng_host, log->bytes.n);
    log->reset = false;
    world_note(world, "log full", machine->index, 0, 0);
    return false;
}

// False: a write failed, and with it the process.
static bool write_step(struct world *world, struct machine *machine, struct effects *effects) {
    if (kv_batch_count(&effects->batch) == 0 && log_batch_is_empty(&effects->log))
        return true;
    if (machine->disk_fails) {
        machine->disk_fails = false;
        world_note(world, "write failed", machine->index, 0, 0);
        return false;
    }
    bool fits = log_fits(world, machine, &effects->log);
    disk_write(&machine->disk, &effects->batch, &effects->log);
    if (effects->batch.synced || effects->log.synced)
        machine->needs = machine->disk.written;
    return fits;
}

// ---- jobs ----

static void job_back(struct world *world, struct sim_event *event) {
    struct machine *machine = world->machines[event->machine];
    struct event done = {.kind = EVENT_JOB_DONE, .job_done = {.job = event->job}};
    event->job = NULL;
    machine->jobs--;
    machine_event(world, machine, &done);
}

static void start_jobs(struct world *world, struct machine *machine, struct job_list *jobs) {
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = jobs->jobs[i];
        struct kv_snapshot *snapshot = job->wants_snapshot ? kv_snapshot(machine->disk.kv) : NULL;
        job->run(job, snapshot);
        kv_snapshot_release(snapshot);
        machine->jobs++;
        uint64_t late_ms = rng_below(&world->rng_host, 4);
        if (world->chaos && rng_below(&world->rng_host, 200) == 0)
            late_ms = rng_below(&world->rng_host, 1000);
        world_for(world, world->now_ms + late_ms, "job", machine, job_back)->job = job;
    }
    jobs->count = 0;
    check_bound(&world->checker, "jobs under way", machine->index, machine->jobs, JOBS_MAX, world->now_ms);
}

// ---- a step ----

// What the node did to its links is known to the host at once, whenever it leaves.
static void note_links(struct world *world, struct machine *machine, const struct effects *effects) {
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->list[i];
        if (effect->kind == EFFECT_SEND)
            network_taken(world, machine, effect->send.link, effect->send.bytes.n);
        else if (effect->kind == EFFECT_CLOSE)
            network_shut(world, machine, effect->close.link);
    }
}

static void let_leave(struct world *world, struct machine *machine, struct effects *effects) {
    uint32_t incarnation = machine->incarnation;
    size_t count = effects->count;
    effects->count = 0; // all are taken over
    for (size_t i = 0; i < count; i++) {
        struct effect *effect = &effects->list[i];
        if (machine->incarnation != incarnation)
            effect_release(effect);
        else if (effect->immediate || effect->kind == EFFECT_TIMER)
            leave(world, machine, effect);
        else
            hold(machine, effect);
    }
    if (machine->incarnation == incarnation)
        machine_wake(world, machine);
}

// What a node says about its own buffers.
static const struct {
    enum metric metric;
    uint64_t bound;
    const char *what;
} gauges[] = {
    {METRIC_RELAY_QUEUE, 4096 + 2 * 32, "packets waiting to be peeled"},
    {METRIC_RELAY_REPLAY_TAGS, 2 * 200 * 15, "replay tags"},
    {METRIC_CONNECTIONS, 10000, "links"},
    {METRIC_CLIENT_OUTBOX, 1000, "letters in an outbox"},
    {METRIC_MAILBOX_DEPOSITS, 1000, "deposited reply blocks"},
    {METRIC_MAILBOX_ENTRIES, 10000, "items and tombstones"},
    {METRIC_LEDGER_PEERS, 256, "ledger links"},
    {METRIC_LEDGER_MEMPOOL_TXS, 20000, "transactions that wait"},
    {METRIC_LEDGER_MEMPOOL_BYTES, 32 * 1024 * 1024, "bytes of transactions that wait"},
    {METRIC_LEDGER_EVIDENCE, 0, "accusations of honest validators"},
};

static void check_gauges(struct world *world, const struct machine *machine) {
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++)
        check_bound(&world->checker, gauges[i].what, machine->index,
                    (uint64_t)metric_value(machine->env.metrics, gauges[i].metric), gauges[i].bound, world->now_ms);
}

void machine_event(struct world *world, struct machine *machine, const struct event *event) {
    ASSERT(machine_runs(machine));
    struct effects *effects = &machine->effects;
    world->steps++;
    node_step(machine->node, event, now_of(world, machine), effects);
    if (!write_step(world, machine, effects)) {
        effects_clear(effects);
        machine_kill(world, machine);
        return;
    }
    check_gauges(world, machine);
    if (world_is_validator(machine))
        chains_stepped(world->chains, machine->index, machine->disk.kv, world->now_ms);
    note_links(world, machine, effects);
    start_jobs(world, machine, &effects->jobs);
    sync_if_needed(world, machine);
    let_leave(world, machine, effects);
    effects_clear(effects);
    check_bound(&world->checker, "effects held", machine->index, machine->held_count, HELD_MAX, world->now_ms);
    check_bound(&world->checker, "bytes of the log", machine->index, machine->disk.log.n, LOG_LENGTH_MAX,
                world->now_ms);
}

// ---- the beginning of a process ----

void machine_disk_space(struct world *world, struct machine *machine) {
    bool full = machine->full_until_ms > world->now_ms;
    struct event event = {.kind = EVENT_DISK_SPACE, .disk_space = {.free_bytes = full ? FREE_BYTES_FULL : FREE_BYTES}};
    if (machine_runs(machine))
        machine_event(world, machine, &event);
}

static void note_line(void *ctx, const struct log_line *line) {
    struct machine *machine = ctx;
    world_note(machine->world, line->message, machine->index, line->level, (uint64_t)line->number);
}

void machine_start(struct world *world, struct machine *machine) {
    if (machine_runs(machine) || machine->gone)
        return;
    machine->incarnation++;
    world_note(world, "started", machine->index, machine->incarnation, 0);
    uint8_t seed[RNG_SEED_BYTES];
    rng_bytes(&world->rng_host, seed, sizeof seed);
    rng_init(&machine->env.rng, seed);
    machine->env.kv = machine->disk.kv;
    machine->env.metrics = metrics_new();
    machine->env.log = (struct log_sink){.ctx = machine, .level = LOG_INFO, .write = note_line};
    machine->mono_base_ms = 1 + rng_below(&world->rng_host, HOUR_MS);
    machine->needs = machine->disk.synced; // what was written before is not waited for
    machine->config.retiring = machine->retiring;
    if (world_is_validator(machine))
        chains_started(world->chains, machine->index, machine->disk.kv, world->now_ms);
    enum err err = node_new(&machine->node, &machine->config, &machine->env, NULL);
    ASSERT(err == OK);
    struct event start = {.kind = EVENT_START};
    memcpy(start.start.boot_id, machine->boot_id, sizeof start.start.boot_id);
    start.start.log = buf_span(&machine->disk.log);
    machine_event(world, machine, &start);
    machine_disk_space(world, machine);
    if (machine->user != NULL && machine_runs(machine))
        user_started(world, machine);
}

void machine_stop(struct world *world, struct machine *machine) {
    struct event stop = {.kind = EVENT_STOP};
    if (machine_runs(machine))
        machine_event(world, machine, &stop);
}

void machine_ask_status(struct world *world, struct machine *machine) {
    struct node_request request = {.op = NODE_STATUS};
    struct event event = {.kind = EVENT_REQUEST, .request = {.request = &request}};
    if (machine_runs(machine))
        machine_event(world, machine, &event);
}
