// A run: time passes from event to event; things go wrong, then they heal, and everybody must get on.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "world.h"

#define HEALING_LIMIT_MS 600000
#define STEPS_MAX 2000000
#define FINDING_HEIGHTS 20 // more than anybody keeps

bool percent(struct world *world, uint32_t chance) {
    return rng_below(&world->rng, 100) < chance;
}

void say(const struct world *world, size_t machine, const char *what, uint64_t a, uint64_t b) {
    if (world->config.verbose)
        printf("%8llu ms  m%zu  %s %llu %llu\n", (unsigned long long)world->now_ms, machine, what,
               (unsigned long long)a, (unsigned long long)b);
}

struct sign_public key_of(size_t validator) {
    struct sign_public key;
    memset(key.bytes, (int)validator + 1, sizeof key.bytes);
    return key;
}

void schedule(struct world *world, uint64_t delay_ms, const struct event *event) {
    heap_push(&world->events, world->now_ms + delay_ms, mem_copy(span_of(event, sizeof *event)));
}

// ---- sets of validators ----

const struct validator_set *set_at(const struct world *world, uint64_t height) {
    const uint64_t *changes = world->config.change_heights;
    size_t i = 0;
    while (i < 2 && changes[i] > 0 && height >= changes[i])
        i++;
    return &world->sets[i];
}

static void change(struct validator_set *set, size_t validator, uint64_t power) {
    enum err err = validator_set_change(set, &(struct validator){.key = key_of(validator), .power = power});
    ASSERT(err == OK);
}

// The first change brings the spares in, the second removes one of the first and gives another more power.
static void make_sets(struct validator_set sets[static 3], const struct sim_config *config) {
    sets[0] = (struct validator_set){0};
    for (size_t i = 0; i < config->validators; i++)
        change(&sets[0], i, config->powers[i]);
    sets[1] = sets[0];
    for (size_t i = 0; i < config->spares; i++)
        change(&sets[1], config->validators + i, 1);
    sets[2] = sets[1];
    change(&sets[2], 0, config->powers[0] + 1);
    if (config->validators > 4)
        change(&sets[2], 1, 0);
}

static bool is_below_a_third(const struct validator_set *set, size_t validator) {
    struct sign_public key = key_of(validator);
    int i = validator_set_find(set, &key);
    return i < 0 || 3 * set->validators[i].power < set->total;
}

// ---- what a seed means ----

static struct rng rng_of(uint64_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {0};
    memcpy(bytes, &seed, sizeof seed);
    struct rng rng;
    rng_init(&rng, bytes);
    return rng;
}

static void draw_validators(struct sim_config *config, struct rng *rng) {
    config->validators = 4 + (size_t)rng_below(rng, 4);
    config->spares = (size_t)rng_below(rng, 2);
    bool is_equal = rng_below(rng, 2) == 0;
    for (size_t i = 0; i < config->validators; i++)
        config->powers[i] = is_equal ? 1 : 1 + rng_below(rng, 4);
    config->change_heights[0] = rng_below(rng, 2) * (2 + rng_below(rng, 8));
    if (config->change_heights[0] > 0)
        config->change_heights[1] = config->change_heights[0] + 1 + rng_below(rng, 8);
}

static void draw_liar(struct sim_config *config, struct rng *rng) {
    struct validator_set sets[3];
    size_t liar = (size_t)rng_below(rng, config->validators);
    make_sets(sets, config);
    bool is_tolerable =
        is_below_a_third(&sets[0], liar) && is_below_a_third(&sets[1], liar) && is_below_a_third(&sets[2], liar);
    config->liar = is_tolerable && rng_below(rng, 2) == 0 ? liar : NOBODY;
    config->liar_repents = rng_below(rng, 2) == 0;
}

void sim_config_draw(struct sim_config *config, uint64_t seed) {
    struct rng rng = rng_of(seed ^ UINT64_C(0x5eed));
    *config = (struct sim_config){.seed = seed, .twin_of = NOBODY, .first_height = 1, .heights_after = 4};
    draw_validators(config, &rng);
    draw_liar(config, &rng);
    config->fault_ms = 1000 + rng_below(&rng, 4000);
    config->loss_percent = (uint32_t)rng_below(&rng, 31);
    for (size_t i = 0; i < 2; i++)
        config->vote_loss_percent[i] = (uint32_t)(rng_below(&rng, 2) * rng_below(&rng, 81));
    config->silence_percent = (uint32_t)(rng_below(&rng, 2) * rng_below(&rng, 101));
    config->repeat_percent = (uint32_t)rng_below(&rng, 31);
    config->delay_mean_ms = 1 + (uint32_t)rng_below(&rng, 60);
    config->crash_per_10000 = (uint32_t)rng_below(&rng, 60);
    config->fault_mean_ms = rng_below(&rng, 4) == 0 ? 0 : 50 + (uint32_t)rng_below(&rng, 400);
    config->skew_percent = (uint32_t)rng_below(&rng, 30);
    config->disputed_percent = (uint32_t)rng_below(&rng, 20);
}

void sim_config_quiet(struct sim_config *config, uint64_t seed) {
    *config = (struct sim_config){.seed = seed,
                                  .validators = 4,
                                  .powers = {1, 1, 1, 1},
                                  .liar = NOBODY,
                                  .twin_of = NOBODY,
                                  .first_height = 1,
                                  .fault_ms = 1,
                                  .heights_after = 2,
                                  .delay_mean_ms = 5};
}

// ---- the world ----

static void add_machines(struct world *world) {
    const struct sim_config *config = &world->config;
    bool has_twin = config->twin_of != NOBODY;
    world->machine_count = config->validators + config->spares + (has_twin ? 1 : 0);
    ASSERT(world->machine_count <= MACHINES_MAX);
    for (size_t i = 0; i < world->machine_count; i++) {
        struct machine *machine = &world->machines[i];
        bool is_twin = has_twin && i + 1 == world->machine_count;
        machine->index = i;
        machine->validator = is_twin ? config->twin_of : i;
        machine->is_correct = i != config->liar && (!has_twin || machine->validator != config->twin_of);
        machine->chain_height = config->first_height - 1;
        machine->clock_permille = 1000;
        if (config->skew_percent > 0)
            machine->clock_permille +=
                (uint32_t)rng_below(&world->rng, 20 * config->skew_percent) - 10 * config->skew_percent;
    }
}

static void start(struct world *world) {
    for (size_t i = 0; i < world->machine_count; i++) {
        if (i != world->config.liar)
            machine_boot(world, &world->machines[i]);
    }
    if (world->config.liar != NOBODY)
        schedule(world, 10, &(struct event){.kind = EVENT_LIE, .machine = world->config.liar});
    if (world->config.fault_mean_ms > 0)
        schedule(world, world->config.fault_mean_ms, &(struct event){.kind = EVENT_FAULT});
    schedule(world, world->config.fault_ms, &(struct event){.kind = EVENT_HEAL});
}

static uint64_t highest_decided(const struct world *world) {
    uint64_t highest = world->config.first_height - 1;
    for (size_t i = 0; i < world->machine_count; i++) {
        if (world->machines[i].is_correct && world->machines[i].chain_height > highest)
            highest = world->machines[i].chain_height;
    }
    return highest;
}

static uint64_t lowest_decided(const struct world *world) {
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < world->machine_count; i++) {
        if (world->machines[i].is_correct && world->machines[i].chain_height < lowest)
            lowest = world->machines[i].chain_height;
    }
    return lowest;
}

static void heal(struct world *world) {
    world->healed = true;
    world->heal_height = highest_decided(world);
    for (size_t i = 0; i < world->machine_count; i++) {
        if (!world->machines[i].up && i != world->config.liar)
            machine_boot(world, &world->machines[i]);
    }
    say(world, 0, "healed at height", world->heal_height, 0);
    check_what_is_held(world);
    for (size_t i = 0; i < world->machine_count; i++) {
        if (i != world->config.liar)
            machine_recall(world, &world->machines[i]); // links are new
    }
}

static void on_lie(struct world *world, const struct event *event) {
    if (world->healed && world->config.liar_repents)
        return;
    lie(world, &world->machines[event->machine]);
    schedule(world, 1 + rng_below(&world->rng, 40), event);
}

static void on_fault(struct world *world, const struct event *event) {
    if (world->healed)
        return;
    fault(world);
    schedule(world, 1 + rng_exponential_ms(&world->rng, world->config.fault_mean_ms), event);
}

static void handle(struct world *world, const struct event *event) {
    struct machine *machine = &world->machines[event->machine];
    if (event->kind == EVENT_HEAL)
        heal(world);
    else if (event->kind == EVENT_FAULT)
        on_fault(world, event);
    else if (event->kind == EVENT_LIE)
        on_lie(world, event);
    else if (event->machine != world->config.liar)
        machine_event(world, machine, event);
    else if (event->kind == EVENT_MESSAGE && event->message->kind == MESSAGE_ASK_DECISION)
        lie_about_decision(world, machine, event->message);
}

static void event_free(struct event *event) {
    message_free(event->message);
    free(event);
}

static bool has_decided_since(const struct world *world, uint64_t heights) {
    return world->healed && lowest_decided(world) >= world->heal_height + heights;
}

static bool is_over(const struct world *world) {
    return world->failure != NULL ||
           (has_decided_since(world, world->config.heights_after) && check_is_found_out(world));
}

static void live(struct world *world) {
    while (!is_over(world)) {
        world->now_ms = heap_next_ms(&world->events);
        struct event *event = heap_pop(&world->events);
        handle(world, event);
        event_free(event);
        if (world->now_ms > world->config.fault_ms + HEALING_LIMIT_MS || world->steps > STEPS_MAX)
            violated(world, 0, world->heal_height, "does not get on after healing (11)");
        if (has_decided_since(world, world->config.heights_after + FINDING_HEIGHTS) && !check_is_found_out(world))
            violated(world, 0, world->heal_height, "two that correct machines hold of one slot made no evidence (10)");
    }
}

static void end(struct world *world) {
    struct event *event;
    while ((event = heap_pop(&world->events)) != NULL)
        event_free(event);
    heap_free(&world->events);
    for (size_t i = 0; i < world->machine_count; i++)
        machine_free(&world->machines[i]);
    checker_free(world->checker);
}

static void report(struct sim_result *result, const struct world *world) {
    *result = (struct sim_result){.failure = world->failure,
                                  .machine = world->failed_machine,
                                  .height = world->failed_height,
                                  .at_ms = world->now_ms,
                                  .steps = world->steps,
                                  .points = world->points,
                                  .heights = highest_decided(world)};
    result->accused = check_count_accused(world);
    for (size_t i = 0; i < world->machine_count; i++)
        result->deaths += world->machines[i].deaths;
}

void sim_run(struct sim_result *result, const struct sim_config *config) {
    struct world *world = NEW(struct world);
    world->config = *config;
    world->rng = rng_of(config->seed);
    world->checker = checker_new();
    make_sets(world->sets, config);
    add_machines(world);
    start(world);
    live(world);
    report(result, world);
    end(world);
    free(world);
}
