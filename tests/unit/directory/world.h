// A network for tests of the directory: genesis, relays with their keys, and a node's step that is written to its
// store.
#ifndef SOTTO_TESTS_DIRECTORY_WORLD_H
#define SOTTO_TESTS_DIRECTORY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/kv_memory.h"
#include "base/step.h"
#include "directory/directory.h"
#include "no_randombytes.h"

#define EPOCH_MS 60000
#define GENESIS_MS UINT64_C(1790000000000)

struct relay {
    struct relay_id id;
    struct sign_secret secret;
    struct dh_public onion; // serves for all epochs
};

struct world {
    struct genesis genesis;
    struct relay *relays;
    size_t relay_count;
    struct env env;
    struct kv_batch batch;
    struct job_list jobs;
    struct step step;
};

static inline void world_init(struct world *world, size_t relays, uint64_t seed) {
    uint8_t seed_bytes[RNG_SEED_BYTES] = {0};
    memcpy(seed_bytes, &seed, sizeof seed);
    *world = (struct world){
        .genesis = {.name = "test",
                    .testnet = true,
                    .genesis_ms = GENESIS_MS,
                    .epoch_ms = EPOCH_MS,
                    .replicas = 3,
                    .quorum = 2,
                    .min_relays = 3,
                    .item_lifetime_ms = DAY_MS,
                    .seed_count = 1,
                    .seeds = {{.address = {.host = "127.0.0.1", .port = 1}}}},
        .relays = NEW_ARRAY(struct relay, relays),
        .relay_count = relays,
    };
    rng_init(&world->env.rng, seed_bytes);
    world->env.kv = kv_memory_new();
    world->step = (struct step){.env = &world->env, .batch = &world->batch, .jobs = &world->jobs};
    genesis_seal(&world->genesis);
    for (size_t i = 0; i < relays; i++) {
        struct sign_public public;
        struct dh_secret secret;
        sign_key_new(&world->relays[i].secret, &public, &world->env.rng);
        memcpy(world->relays[i].id.bytes, public.bytes, 32);
        dh_key_new(&secret, &world->relays[i].onion, &world->env.rng);
    }
}

static inline void world_free(struct world *world) {
    kv_close(world->env.kv);
    kv_batch_free(&world->batch);
    job_list_free(&world->jobs);
    free(world->relays);
}

// Ends the step: its writes are in the store.
static inline void world_commit(struct world *world) {
    assert_int_equal(kv_write(world->env.kv, &world->batch), OK);
    kv_batch_clear(&world->batch);
}

// The time `into_ms` after the begin of an epoch, by both clocks.
static inline void world_at(struct world *world, uint32_t epoch, uint64_t into_ms) {
    uint64_t wall_ms = epoch_start_ms(&world->genesis, epoch) + into_ms;
    world->step.now = (struct now){.mono_ms = wall_ms - GENESIS_MS + DAY_MS, .wall_ms = wall_ms};
}

static int relay_order(const void *a, const void *b) {
    return relay_id_compare(&((const struct directory_relay *)a)->id, &((const struct directory_relay *)b)->id);
}

// A directory of all relays, without its proof. The caller frees `bytes`.
static inline void world_directory(struct world *world, struct buf *bytes, uint32_t epoch) {
    struct directory d = {
        .network = world->genesis.network,
        .epoch = epoch,
        .issued_ms = world->step.now.wall_ms,
        .changed_epoch = epoch,
        .relay_count = world->relay_count,
        .relays = NEW_ARRAY(struct directory_relay, world->relay_count),
    };
    for (size_t i = 0; i < world->relay_count; i++) {
        struct directory_relay *relay = &d.relays[i];
        *relay = (struct directory_relay){.id = world->relays[i].id, .placed = true, .since_epoch = epoch};
        rng_bytes(&world->env.rng, relay->placement.bytes, sizeof relay->placement.bytes);
        snprintf(relay->address.host, sizeof relay->address.host, "relay%zu", i);
        relay->address.port = 7070;
        relay->onion.first_epoch = epoch;
        for (size_t j = 0; j < ONION_KEYS_AHEAD; j++)
            relay->onion.keys[j] = world->relays[i].onion;
    }
    qsort(d.relays, d.relay_count, sizeof *d.relays, relay_order);
    buf_clear(bytes);
    directory_encode(bytes, &d);
    free(d.relays);
}

static inline int world_setup(void **state) {
    (void)state;
    forbid_randombytes();
    return 0;
}

#endif
