// A run: a quiet beginning, chaos, healing, and the look at what is left.
#include "sim/sim.h"

#include "base/assert.h"
#include "sim/world.h"

#define READY_MS (60 * SECOND_MS)
// After healing, or after the last item has expired. A relay that retired is in routes until its announced keys run
// out, and clients wait ever longer between attempts.
#define SETTLE_MS (240 * SECOND_MS)
#define RECOVER_MS (180 * SECOND_MS) // until every node is ready
#define DECIDE_MS (60 * SECOND_MS)   // until every validator has decided something new
#define CALM_MS (15 * SECOND_MS)     // after that nothing may come back

void sim_config_quiet(struct sim_config *config, uint64_t seed) {
    *config = (struct sim_config){.seed = seed,
                                  .validators = 1,
                                  .block_ms = 2 * SECOND_MS,
                                  .relays = 7,
                                  .users = 3,
                                  .replicas = 3,
                                  .quorum = 2,
                                  .profile = PROFILE_FAST,
                                  .epoch_ms = 10 * SECOND_MS,
                                  .lifetime_ms = 10 * MINUTE_MS,
                                  .messages = 4,
                                  .chaos_ms = 20 * SECOND_MS};
}

// A mean time between faults of a kind, or never.
static uint64_t draw_mean(struct rng *rng, unsigned one_in, uint64_t mean_ms) {
    return rng_below(rng, one_in) == 0 ? mean_ms / 2 + rng_below(rng, mean_ms) : 0;
}

static uint32_t draw_share(struct rng *rng, unsigned one_in, uint32_t per_million) {
    return rng_below(rng, one_in) == 0 ? per_million : 0;
}

// In a calm world few kinds of faults strike, in a storm most.
static void draw_faults(struct sim_faults *faults, struct rng *rng) {
    unsigned rare = rng_below(rng, 4) == 0 ? 1 : 3;
    *faults = (struct sim_faults){
        .kill_ms = draw_mean(rng, 2, 5000),
        .effect_ms = draw_mean(rng, 2, 4000),
        .power_ms = draw_mean(rng, 2, 6000),
        .blackout_ms = draw_mean(rng, 1 + rare, 12000),
        .pause_ms = draw_mean(rng, 2, 5000),
        .partition_ms = draw_mean(rng, rare, 10000),
        .break_ms = draw_mean(rng, 2, 1000),
        .stall_ms = draw_mean(rng, rare, 2000),
        .slow_ms = draw_mean(rng, rare, 4000),
        .clock_ms = draw_mean(rng, 1 + rare, 6000),
        .disk_full_ms = draw_mean(rng, rare, 6000),
        .disk_fail_ms = draw_mean(rng, rare, 6000),
        .disk_lost_ms = draw_mean(rng, rare, 10000),
        .join_ms = draw_mean(rng, rare, 10000),
        .retire_ms = draw_mean(rng, rare, 10000),
        .intruder_ms = draw_mean(rng, rare, 1000),
        .lost_disks_max = 1 + (uint32_t)(rng_below(rng, 4) == 0),
        .clock_error_ms = 1 + (uint32_t)rng_below(rng, 20000),
        .ambushed = draw_share(rng, 3, 250000),
        .duplicated = draw_share(rng, 3, 50000),
        .replayed = draw_share(rng, 3, 20000),
        .dropped = draw_share(rng, 3, 30000),
        .corrupted = draw_share(rng, 3, 10000),
    };
    faults->move_ms = draw_mean(rng, rare, 6000);
}

void sim_config_draw(struct sim_config *config, uint64_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {0};
    struct rng rng;
    store_u64(bytes, seed);
    rng_init(&rng, bytes);
    sim_config_quiet(config, seed);
    config->relays = 5 + (uint32_t)rng_below(&rng, 5);
    config->users = 2 + (uint32_t)rng_below(&rng, 2);
    config->replicas = rng_below(&rng, 4) == 0 ? 2 : 3;
    config->profile = rng_below(&rng, 3) == 0 ? PROFILE_BALANCED : PROFILE_FAST;
    config->tick_ms = config->profile == PROFILE_BALANCED ? 100 : 0;
    config->messages = 2 + (uint32_t)rng_below(&rng, 6);
    config->chaos_ms = 10 * SECOND_MS + rng_below(&rng, 20 * SECOND_MS);
    if (rng_below(&rng, 5) == 0)
        config->lifetime_ms = 20 * SECOND_MS + rng_below(&rng, 20 * SECOND_MS);
    config->chaos_at_once = rng_below(&rng, 6) == 0;
    config->strangers = rng_below(&rng, 4) == 0;
    draw_faults(&config->faults, &rng);
    config->validators = rng_below(&rng, 4) == 0 ? 4 : 1;
    config->block_ms = rng_below(&rng, 4) == 0 ? 0 : 500 + (uint32_t)rng_below(&rng, 2000);
}

static bool failed(const struct world *world) {
    return world->checker.failure.what != NULL;
}

static void get_ready(struct world *world) {
    if (world->config.chaos_at_once)
        return;
    while (!users_ready(world) && !failed(world)) {
        if (world->now_ms > READY_MS)
            world_fail(world, "the users were not ready in time", NOBODY, world->now_ms, 0);
        world_run_until(world, world->now_ms + 100);
    }
}

static void settle(struct world *world) {
    uint64_t until_ms =
        world->now_ms + SETTLE_MS + (world->config.lifetime_ms < MINUTE_MS ? world->config.lifetime_ms : 0);
    while (!failed(world) && world->now_ms < until_ms &&
           !(users_done(world) && check_settled(&world->checker, world->now_ms)))
        world_run_until(world, world->now_ms + 500);
    world_run_until(world, world->now_ms + CALM_MS);
}

static void recover(struct world *world) {
    uint64_t until_ms = world->now_ms + RECOVER_MS;
    while (!failed(world) && faults_not_recovered(world) != NOBODY) {
        uint32_t last = faults_not_recovered(world);
        if (world->now_ms > until_ms) {
            machine_ask_status(world, world->machines[last]);
            world_run_until(world, world->now_ms + 100);
            world_fail(world, "a node has not recovered", last, 0, 0);
        }
        world_run_until(world, world->now_ms + 500);
    }
}

// Together with the end of a recovery all that stands is durable.
static void look_at_chains(struct world *world) {
    uint32_t last;
    while (!failed(world) && (last = faults_not_deciding(world)) != NOBODY) {
        if (world->now_ms > world->healed_ms + DECIDE_MS)
            world_fail(world, "a validator has decided nothing since the world was healed", last, world->healed_height,
                       chains_height(world->chains, last));
        world_run_until(world, world->now_ms + 500);
    }
    for (uint32_t i = 0; i < world->config.validators; i++)
        chains_end(world->chains, i, world->machines[i]->disk.kv, world->now_ms);
}

static void look_for_links(struct linked *sum, const struct world *world) {
    for (size_t i = 0; i < world->machine_count && world->record.on; i++) {
        if ((world->machines[i]->config.roles & ROLE_RELAY) == 0)
            continue;
        struct linked linked;
        record_link(&world->record, (uint32_t)i, &linked);
        sum->cells_in += linked.cells_in;
        sum->cells_out += linked.cells_out;
        sum->wrong_sizes += linked.wrong_sizes;
        sum->common_runs += linked.common_runs;
    }
}

static void tell(struct sim_result *result, const struct world *world) {
    *result = (struct sim_result){.failure = world->checker.failure,
                                  .virtual_ms = world->now_ms,
                                  .steps = world->steps,
                                  .trace_hash = world->trace.hash,
                                  .wire_hash = world->wire_hash,
                                  .frames = world->frames,
                                  .crashes = world->crashes,
                                  .heights = chains_highest(world->chains),
                                  .trace = world->trace};
    look_for_links(&result->linked, world);
    for (size_t i = 0; i < world->checker.count; i++) {
        const struct check_message *message = &world->checker.messages[i];
        result->messages += message->accepted ? 1 : 0;
        result->shown += message->shown ? 1 : 0;
        result->expired += message->state == MESSAGE_EXPIRED ? 1 : 0;
    }
}

void sim_run(struct sim_result *result, const struct sim_config *config) {
    struct world *world = world_new(config);
    get_ready(world);
    users_send(world);
    faults_begin(world);
    world_run_until(world, world->now_ms + config->chaos_ms);
    faults_heal(world);
    settle(world);
    recover(world);
    look_at_chains(world);
    if (world->checker.failure.what == NULL)
        check_end(&world->checker, world->now_ms);
    tell(result, world);
    world_free(world);
}
