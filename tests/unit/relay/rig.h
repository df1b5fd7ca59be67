// A relay under test: its environment, what came out of it, and a network of three others to make packets for.
#ifndef SOTTO_TESTS_RELAY_RIG_H
#define SOTTO_TESTS_RELAY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/kv_memory.h"
#include "no_randombytes.h"
#include "relay/cover.h"
#include "relay/relay.h"

#define RIG_EPOCH_MS 12000
#define RIG_GENESIS_MS 1000000
#define RIG_OTHERS 3
#define RIG_OUT_MAX 256

struct rig {
    struct env env;
    struct genesis genesis;
    struct relay_config config;
    struct relay *relay;
    struct now now;
    struct kv_batch batch;
    struct job_list jobs;
    struct job *pending[RIG_OUT_MAX];
    size_t pending_count;
    struct relay_id others[RIG_OTHERS];
    struct sphinx_relay_key other_keys[RIG_OTHERS]; // of every epoch, the same
    struct directory directory;
    struct directory_relay listed[RIG_OTHERS + 1];
    // what came out
    size_t forwarded;
    struct relay_id forwarded_to[RIG_OUT_MAX];
    uint8_t packets[RIG_OUT_MAX][SPHINX_PACKET_BYTES];
    size_t delivered;
    uint8_t body[SPHINX_BODY_BYTES];
    size_t body_n;
    size_t to_client;
    struct handle handle;
    struct surb_id surb;
};

static inline void rig_forward(void *ctx, struct step *step, const struct relay_id *next,
                               const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    struct rig *rig = ctx;
    (void)step;
    assert_true(rig->forwarded < RIG_OUT_MAX);
    rig->forwarded_to[rig->forwarded] = *next;
    memcpy(rig->packets[rig->forwarded++], packet, SPHINX_PACKET_BYTES);
}

static inline void rig_to_client(void *ctx, struct step *step, const struct handle *handle, const struct surb_id *surb,
                                 const uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    struct rig *rig = ctx;
    (void)step;
    (void)payload;
    rig->to_client++;
    rig->handle = *handle;
    rig->surb = *surb;
}

static inline void rig_deliver(void *ctx, struct step *step, struct span body) {
    struct rig *rig = ctx;
    (void)step;
    rig->delivered++;
    rig->body_n = body.n;
    memcpy(rig->body, body.p, body.n);
}

static inline struct step rig_step(struct rig *rig) {
    return (struct step){.env = &rig->env, .now = rig->now, .batch = &rig->batch, .jobs = &rig->jobs};
}

// What the host does after a step.
static inline void rig_apply(struct rig *rig) {
    assert_int_equal(kv_write(rig->env.kv, &rig->batch), OK);
    kv_batch_clear(&rig->batch);
    for (size_t i = 0; i < rig->jobs.count; i++) {
        assert_true(rig->pending_count < RIG_OUT_MAX);
        rig->pending[rig->pending_count++] = rig->jobs.jobs[i];
    }
    rig->jobs.count = 0;
}

static inline void rig_run_job(struct rig *rig, size_t i) {
    struct job *job = rig->pending[i];
    memmove(&rig->pending[i], &rig->pending[i + 1], (rig->pending_count - i - 1) * sizeof rig->pending[0]);
    rig->pending_count--;
    struct kv_snapshot *snapshot = kv_snapshot(rig->env.kv);
    job->run(job, snapshot);
    kv_snapshot_release(snapshot);
    struct step step = rig_step(rig);
    relay_job_done(rig->relay, &step, job);
    rig_apply(rig);
}

static inline void rig_run_jobs(struct rig *rig) {
    while (rig->pending_count > 0)
        rig_run_job(rig, 0);
}

static inline void rig_tick(struct rig *rig) {
    struct step step = rig_step(rig);
    relay_tick(rig->relay, &step);
    rig_apply(rig);
}

// Lets time pass, one deadline after the other, and runs the jobs.
static inline void rig_wait(struct rig *rig, uint64_t ms) {
    uint64_t until_ms = rig->now.mono_ms + ms;
    while (relay_next_ms(rig->relay) <= until_ms) {
        uint64_t next_ms = relay_next_ms(rig->relay);
        uint64_t passed_ms = next_ms > rig->now.mono_ms ? next_ms - rig->now.mono_ms : 1;
        rig->now.mono_ms += passed_ms;
        rig->now.wall_ms += passed_ms;
        rig_tick(rig);
        rig_run_jobs(rig);
    }
    rig->now.wall_ms += until_ms - rig->now.mono_ms;
    rig->now.mono_ms = until_ms;
}

static inline void rig_arrive(struct rig *rig, const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    struct step step = rig_step(rig);
    relay_packet(rig->relay, &step, packet);
    rig_apply(rig);
}

static inline int64_t rig_metric(const struct rig *rig, enum metric metric) {
    return metric_value(rig->env.metrics, metric);
}

static inline void rig_announce(struct rig *rig, struct onion_keys *keys) {
    struct step step = rig_step(rig);
    relay_onion_keys(rig->relay, &step, keys);
    rig_apply(rig);
}

// The relay's own line in the directory, as an update of its registration would make it.
static inline void rig_publish(struct rig *rig) {
    struct onion_keys keys;
    rig_announce(rig, &keys);
    for (size_t i = 0; i < rig->directory.relay_count; i++) {
        if (relay_id_equal(&rig->listed[i].id, &rig->config.self))
            rig->listed[i].onion = keys;
    }
}

static inline void rig_start(struct rig *rig, bool unclean) {
    struct relay_ports ports = {rig, rig_forward, rig_to_client, rig_deliver};
    assert_int_equal(relay_new(&rig->relay, &rig->config, &ports), OK);
    struct step step = rig_step(rig);
    relay_start(rig->relay, &step, unclean);
    relay_set_directory(rig->relay, &step, &rig->directory);
    rig_apply(rig);
    assert_false(relay_ready(rig->relay));
    rig_run_jobs(rig);
    assert_true(relay_ready(rig->relay));
    rig_publish(rig);
}

static inline void rig_stop(struct rig *rig) {
    relay_free(rig->relay);
    rig->relay = NULL;
    for (size_t i = 0; i < rig->pending_count; i++)
        rig->pending[i]->free(rig->pending[i]);
    rig->pending_count = 0;
}

static inline void rig_init(struct rig *rig) {
    forbid_randombytes();
    *rig = (struct rig){0};
    uint8_t seed[RNG_SEED_BYTES] = {7};
    rng_init(&rig->env.rng, seed);
    rig->env.kv = kv_memory_new();
    rig->env.metrics = metrics_new();
    rig->env.log.level = LOG_ERROR + 1;
    rig->genesis = (struct genesis){.genesis_ms = RIG_GENESIS_MS, .epoch_ms = RIG_EPOCH_MS, .profile = PROFILE_FAST};
    rig->now = (struct now){500, RIG_GENESIS_MS + RIG_EPOCH_MS / 2};
    rig->config = (struct relay_config){.genesis = &rig->genesis,
                                        .packets_per_s = 100,
                                        .delay_ms_max = 1000,
                                        .delayed_packets_max = 4,
                                        .peel_queue_max = 64,
                                        .jobs_max = 2};
    memset(rig->config.self.bytes, 0x50, 32);
    rig->directory = (struct directory){.epoch = 1, .relay_count = RIG_OTHERS + 1, .relays = rig->listed};
    rig->directory.references = 1000000; // it is not from the heap
    for (uint8_t i = 0; i < RIG_OTHERS; i++) {
        memset(rig->others[i].bytes, 0x10 + 0x30 * i, 32); // one below self, two above
        dh_key_new(&rig->other_keys[i].secret, &rig->other_keys[i].public, &rig->env.rng);
    }
    const struct relay_id *sorted[] = {&rig->others[0], &rig->others[1], &rig->config.self, &rig->others[2]};
    for (size_t i = 0; i < RIG_OTHERS + 1; i++) {
        rig->listed[i].id = *sorted[i];
        rig->listed[i].onion.first_epoch = 1;
    }
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++) {
        rig->listed[0].onion.keys[i] = rig->other_keys[0].public;
        rig->listed[1].onion.keys[i] = rig->other_keys[1].public;
        rig->listed[3].onion.keys[i] = rig->other_keys[2].public;
    }
}

static inline void rig_free(struct rig *rig) {
    rig_stop(rig);
    kv_batch_free(&rig->batch);
    job_list_free(&rig->jobs);
    kv_close(rig->env.kv);
    metrics_free(rig->env.metrics);
}

static inline struct sphinx_hop rig_own_hop(struct rig *rig, uint32_t epoch, uint32_t delay_ms) {
    struct onion_keys keys;
    rig_announce(rig, &keys);
    assert_true(epoch >= keys.first_epoch && epoch < keys.first_epoch + ONION_KEYS_AHEAD);
    struct sphinx_hop hop = {
        .onion = keys.keys[epoch - keys.first_epoch], .key_epoch = (uint8_t)epoch, .delay_ms = delay_ms};
    memcpy(hop.id, rig->config.self.bytes, 32);
    return hop;
}

// A packet that this relay is to forward to `next`.
static inline void rig_make_forward(struct rig *rig, uint8_t packet[static SPHINX_PACKET_BYTES], uint32_t epoch,
                                    uint32_t delay_ms, const struct relay_id *next) {
    struct sphinx_hop hops[2] = {rig_own_hop(rig, epoch, delay_ms)};
    hops[1] = (struct sphinx_hop){.onion = rig->other_keys[0].public, .key_epoch = (uint8_t)epoch};
    memcpy(hops[1].id, next->bytes, 32);
    struct sphinx_end end = {.type = SPHINX_DELIVER};
    assert_int_equal(sphinx_make(packet, hops, 2, &end, SPAN_LITERAL("body"), &rig->env.rng), OK);
}

// A packet whose way ends here.
static inline void rig_make_deliver(struct rig *rig, uint8_t packet[static SPHINX_PACKET_BYTES], uint32_t epoch) {
    struct sphinx_hop hop = rig_own_hop(rig, epoch, 0);
    struct sphinx_end end = {.type = SPHINX_DELIVER};
    assert_int_equal(sphinx_make(packet, &hop, 1, &end, SPAN_LITERAL("for the mailbox"), &rig->env.rng), OK);
}

#endif
