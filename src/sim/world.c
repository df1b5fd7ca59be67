// The world's clock, its queue of events, and how it begins.
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define WORLD_WALL_MS UINT64_C(1790000000000) // when the worlds begin
#define BEFORE_GENESIS_MS 300                 // their networks begin a little later
#define SEED_PORT 7000

static void stream_init(struct rng *rng, uint64_t seed, uint8_t stream) {
    uint8_t bytes[RNG_SEED_BYTES] = {0};
    store_u64(bytes, seed);
    bytes[8] = stream;
    rng_init(rng, bytes);
}

uint64_t world_wall_ms(const struct world *world) {
    return WORLD_WALL_MS + world->now_ms;
}

void world_note(struct world *world, const char *what, uint32_t machine, uint64_t a, uint64_t b) {
    trace_note(&world->trace, world->now_ms, what, machine, a, b);
}

void world_fail(struct world *world, const char *what, uint32_t machine, uint64_t a, uint64_t b) {
    check_fail(&world->checker, world->now_ms, what, machine, a, b);
}

struct sim_event *world_at(struct world *world, uint64_t at_ms, const char *name,
                           void (*fire)(struct world *, struct sim_event *)) {
    struct sim_event *event = NEW(struct sim_event);
    event->name = name;
    event->fire = fire;
    event->machine = NOBODY;
    heap_push(&world->queue, at_ms, event);
    return event;
}

struct sim_event *world_for(struct world *world, uint64_t at_ms, const char *name, struct machine *machine,
                            void (*fire)(struct world *, struct sim_event *)) {
    struct sim_event *event = world_at(world, at_ms, name, fire);
    event->machine = machine->index;
    event->incarnation = machine->incarnation;
    return event;
}

static void event_free(struct sim_event *event) {
    if (event->job != NULL)
        event->job->free(event->job);
    free(event);
}

static void handle(struct world *world, struct sim_event *event) {
    if (event->machine != NOBODY) {
        const struct machine *machine = world->machines[event->machine];
        if (machine->incarnation != event->incarnation) {
            event_free(event);
            return;
        }
        if (machine->paused_until_ms > world->now_ms) {
            heap_push(&world->queue, machine->paused_until_ms, event);
            return;
        }
    }
    if (event->name != NULL)
        world_note(world, event->name, event->machine, event->a, event->b);
    event->fire(world, event);
    event_free(event);
}

void world_run_until(struct world *world, uint64_t until_ms) {
    while (heap_next_ms(&world->queue) <= until_ms && world->checker.failure.what == NULL) {
        uint64_t at_ms = heap_next_ms(&world->queue);
        world->now_ms = at_ms > world->now_ms ? at_ms : world->now_ms;
        handle(world, heap_pop(&world->queue));
    }
    if (world->checker.failure.what == NULL)
        world->now_ms = until_ms;
}

// "m" and the machine's number.
static void machine_host(char host[static HOST_BYTES_MAX + 1], uint32_t index) {
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + index % 10);
        index /= 10;
    } while (index > 0);
    *host++ = 'm';
    while (count > 0)
        *host++ = digits[--count];
    *host = '\0';
}

struct machine *world_add_machine(struct world *world, unsigned roles) {
    ASSERT(world->machine_count < CHECK_MACHINES_MAX);
    struct machine *machine = NEW(struct machine);
    machine->world = world;
    machine->index = (uint32_t)world->machine_count;
    struct machine **machines = realloc(world->machines, (world->machine_count + 1) * sizeof(struct machine *));
    ASSERT(machines != NULL);
    world->machines = machines;
    world->machines[world->machine_count++] = machine;
    struct node_config *config = &machine->config;
    node_config_defaults(config);
    config->roles = roles;
    rng_bytes(&world->rng_world, config->identity_seed, sizeof config->identity_seed);
    rng_bytes(&world->rng_world, config->validator_seed, sizeof config->validator_seed);
    config->has_validator_key = (roles & ROLE_VALIDATOR) != 0;
    rng_bytes(&world->rng_world, config->account_seed, sizeof config->account_seed);
    rng_bytes(&world->rng_world, machine->boot_id, sizeof machine->boot_id);
    machine_host(config->address.host, machine->index);
    config->address.port = SEED_PORT;
    config->profile = world->config.profile;
    config->packets_per_s = 200;
    config->workers = 2;
    config->limits.packets_per_s_per_address = 2000;
    config->limits.packets_per_s_per_link = 2000;
    struct sign_secret secret;
    struct sign_public public;
    sign_key_from_seed(&secret, &public, config->identity_seed);
    memcpy(machine->id.bytes, public.bytes, sizeof machine->id.bytes);
    disk_init(&machine->disk);
    return machine;
}

uint32_t world_machine_of(const struct world *world, const struct relay_id *id) {
    for (size_t i = 0; i < world->machine_count; i++) {
        if (relay_id_equal(&world->machines[i]->id, id))
            return (uint32_t)i;
    }
    return NOBODY;
}

struct machine *world_add_relay(struct world *world) {
    struct machine *machine = world_add_machine(world, ROLE_RELAY);
    machine->config.has_operator_key = true;
    memcpy(machine->config.operator_seed, world->operator_seeds[machine->index % OPERATORS],
           sizeof machine->config.operator_seed);
    return machine;
}

bool world_is_validator(const struct machine *machine) {
    return machine->index < machine->world->config.validators;
}

uint32_t world_first_user(const struct world *world) {
    return world->config.validators + world->config.relays;
}

// ---- what the network begins with

static int compare_validators(const void *a, const void *b) {
    const struct genesis_validator *left = a, *right = b;
    return memcmp(left->key.bytes, right->key.bytes, sizeof left->key.bytes);
}

static int compare_accounts(const void *a, const void *b) {
    const struct genesis_account *left = a, *right = b;
    return memcmp(left->id.bytes, right->id.bytes, sizeof left->id.bytes);
}

static struct account_id account_of_seed(const uint8_t seed[static 32]) {
    struct sign_secret secret;
    struct sign_public public;
    struct account_id account;
    sign_key_from_seed(&secret, &public, seed);
    memcpy(account.bytes, public.bytes, sizeof account.bytes);
    return account;
}

#define SOT UINT64_C(1000000) // grains
#define OPERATOR_GRAINS (1000000 * SOT)

// All validators are equal, and the first machines.
static void make_ledger(struct world *world, struct ledger_genesis *ledger) {
    *ledger = (struct ledger_genesis){.consensus = CONSENSUS_POA,
                                      .block_ms = world->config.block_ms,
                                      .fee_min = SOT / 1000,
                                      .relay_stake_min = 100 * SOT,
                                      .validator_stake_min = 1000 * SOT,
                                      .unbonding_ms = 7 * DAY_MS,
                                      .slash_percent = 5,
                                      .reward_pool = 1000000 * SOT,
                                      .reward_per_epoch = 100 * SOT,
                                      .samples = 4,
                                      .validator_count = world->config.validators,
                                      .account_count = OPERATORS};
    for (size_t i = 0; i < OPERATORS; i++)
        ledger->accounts[i] = (struct genesis_account){account_of_seed(world->operator_seeds[i]), OPERATOR_GRAINS};
    for (size_t i = 0; i < ledger->validator_count; i++) {
        struct genesis_validator *validator = &ledger->validators[i];
        struct sign_secret secret;
        sign_key_from_seed(&secret, &validator->key, world->machines[i]->config.validator_seed);
        validator->operator= account_of_seed(world->operator_seeds[i % OPERATORS]);
        validator->power = 1;
    }
    qsort(ledger->validators, ledger->validator_count, sizeof ledger->validators[0], compare_validators);
    qsort(ledger->accounts, ledger->account_count, sizeof ledger->accounts[0], compare_accounts);
}

// So that strangers' items and mailboxes need stamps here, too, and cost next to nothing.
#define STAMP_BITS 4

// The validators are the seeds.
static void make_genesis(struct world *world) {
    struct genesis *genesis = NEW(struct genesis);
    *genesis = (struct genesis){.name = "simulated",
                                .testnet = true,
                                .genesis_ms = WORLD_WALL_MS + BEFORE_GENESIS_MS,
                                .epoch_ms = world->config.epoch_ms,
                                .replicas = world->config.replicas,
                                .quorum = world->config.quorum,
                                .min_relays = world->config.relays,
                                .item_lifetime_ms = world->config.lifetime_ms,
                                .stamp_bits = STAMP_BITS,
                                .tick_ms = world->config.tick_ms,
                                .profile = world->config.profile,
                                .seed_count = world->config.validators};
    for (size_t i = 0; i < genesis->seed_count; i++)
        genesis->seeds[i] = (struct genesis_seed){world->machines[i]->id, world->machines[i]->config.address};
    make_ledger(world, &genesis->ledger);
    struct buf text = {0};
    genesis_format(&text, genesis);
    enum err err = genesis_parse(&world->genesis, buf_span(&text), NULL);
    ASSERT(err == OK);
    buf_free(&text);
    free(genesis);
}

static void watch_chains(struct world *world) {
    world->chains = chains_new(&world->genesis, &world->checker);
    for (uint32_t i = 0; i < world->config.validators; i++) {
        struct sign_secret secret;
        struct sign_public key;
        sign_key_from_seed(&secret, &key, world->machines[i]->config.validator_seed);
        chains_key(world->chains, i, &key);
    }
}

static void first_start(struct world *world, struct sim_event *event) {
    machine_start(world, world->machines[event->a]);
}

struct world *world_new(const struct sim_config *config) {
    struct world *world = NEW(struct world);
    world->config = *config;
    world->trace.sink = config->sink;
    world->record.on = config->record;
    stream_init(&world->rng_world, config->seed, 1);
    stream_init(&world->rng_net, config->seed, 2);
    stream_init(&world->rng_host, config->seed, 3);
    stream_init(&world->rng_faults, config->seed, 4);
    stream_init(&world->rng_users, config->seed, 5);
    checker_init(&world->checker, config->quorum);
    for (size_t i = 0; i < OPERATORS; i++)
        rng_bytes(&world->rng_world, world->operator_seeds[i], sizeof world->operator_seeds[i]);
    for (uint32_t i = 0; i < config->validators; i++)
        world_add_machine(world, ROLE_VALIDATOR);
    for (uint32_t i = 0; i < config->relays; i++)
        world_add_relay(world);
    for (uint32_t i = 0; i < config->users; i++)
        users_add(world, world_add_machine(world, ROLE_USER));
    make_genesis(world);
    watch_chains(world);
    for (size_t i = 0; i < world->machine_count; i++) {
        world->machines[i]->config.genesis = world->genesis;
        world_at(world, rng_below(&world->rng_world, 500), "first start", first_start)->a = i;
    }
    return world;
}

void world_free(struct world *world) {
    users_free(world);
    for (size_t i = 0; i < world->machine_count; i++)
        machine_free(world->machines[i]);
    free(world->machines);
    for (struct sim_event *event = heap_pop(&world->queue); event != NULL; event = heap_pop(&world->queue))
        event_free(event);
    heap_free(&world->queue);
    network_free(world);
    record_free(&world->record);
    chains_free(world->chains);
    checker_free(&world->checker);
    free(world);
}
