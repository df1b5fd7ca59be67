// Onion packets: made, peeled, answered; in units of bare X25519.
#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "bench.h"
#include "crypto/sphinx.h"

#define HOPS 3
#define KEY_EPOCH 7
#define BATCH 64 // packets peeled in turn, so that none is in the nearest cache by habit

struct packets {
    struct rng rng;
    struct sphinx_relay_key keys[HOPS];
    struct sphinx_hop hops[HOPS];
    struct sphinx_end end;
    uint8_t body[SPHINX_BODY_BYTES];
    uint8_t packets[BATCH][SPHINX_PACKET_BYTES];
    uint8_t broken[SPHINX_PACKET_BYTES];
    uint8_t surb[SPHINX_SURB_BYTES];
    struct sphinx_surb_keys surb_keys;
    uint8_t reply[SPHINX_PAYLOAD_BYTES]; // as it arrives
    struct sphinx_peeled peeled;
    uint8_t out[32];
};

static void run_dh(void *ctx, uint64_t count) {
    struct packets *p = ctx;
    for (uint64_t i = 0; i < count; i++)
        ASSERT(crypto_scalarmult_curve25519(p->out, p->keys[0].secret.bytes, p->keys[1].public.bytes) == 0);
}

static void run_make(void *ctx, uint64_t count) {
    struct packets *p = ctx;
    uint8_t packet[SPHINX_PACKET_BYTES];
    for (uint64_t i = 0; i < count; i++)
        ASSERT(sphinx_make(packet, p->hops, HOPS, &p->end, SPAN_OF(p->body), &p->rng) == OK);
}

static void run_peel(void *ctx, uint64_t count) {
    struct packets *p = ctx;
    for (uint64_t i = 0; i < count; i++)
        ASSERT(sphinx_peel(&p->peeled, p->keys, 1, p->packets[i % BATCH], false) == OK);
}

static void run_refuse(void *ctx, uint64_t count) {
    struct packets *p = ctx;
    for (uint64_t i = 0; i < count; i++)
        ASSERT(sphinx_peel(&p->peeled, p->keys, 1, p->broken, false) == ERR_AUTH);
}

static void run_surb_make(void *ctx, uint64_t count) {
    struct packets *p = ctx;
    uint8_t surb[SPHINX_SURB_BYTES];
    struct sphinx_surb_keys keys;
    static const uint8_t handle[16];
    for (uint64_t i = 0; i < count; i++)
        ASSERT(sphinx_surb_make(surb, &keys, p->hops, HOPS, handle, &p->rng) == OK);
}

static void run_surb_use(void *ctx, uint64_t count) {
    struct packets *p = ctx;
    uint8_t packet[SPHINX_PACKET_BYTES];
    for (uint64_t i = 0; i < count; i++)
        ASSERT(sphinx_surb_use(packet, p->out, p->surb, SPAN_OF(p->body)) == OK);
}

static void run_surb_open(void *ctx, uint64_t count) {
    struct packets *p = ctx;
    uint8_t payload[SPHINX_PAYLOAD_BYTES];
    struct span body;
    for (uint64_t i = 0; i < count; i++) {
        memcpy(payload, p->reply, sizeof payload);
        ASSERT(sphinx_surb_open(payload, &body, &p->surb_keys) == OK);
    }
}

static void prepare_reply(struct packets *p) {
    static const uint8_t handle[16];
    uint8_t packet[SPHINX_PACKET_BYTES];
    ASSERT(sphinx_surb_make(p->surb, &p->surb_keys, p->hops, HOPS, handle, &p->rng) == OK);
    ASSERT(sphinx_surb_use(packet, p->out, p->surb, SPAN_OF(p->body)) == OK);
    for (size_t i = 0; i < HOPS; i++) {
        ASSERT(sphinx_peel(&p->peeled, &p->keys[i], 1, packet, false) == OK);
        memcpy(packet, p->peeled.packet, sizeof packet);
    }
    memcpy(p->reply, packet + SPHINX_HEADER_BYTES, sizeof p->reply);
}

static void packets_prepare(struct packets *p) {
    *p = (struct packets){.end = {.type = SPHINX_DELIVER}};
    static const uint8_t seed[RNG_SEED_BYTES] = "packet";
    rng_init(&p->rng, seed);
    rng_bytes(&p->rng, p->body, sizeof p->body);
    for (size_t i = 0; i < HOPS; i++) {
        p->keys[i].epoch = KEY_EPOCH;
        dh_key_new(&p->keys[i].secret, &p->keys[i].public, &p->rng);
        p->hops[i] = (struct sphinx_hop){.onion = p->keys[i].public, .key_epoch = KEY_EPOCH};
        rng_bytes(&p->rng, p->hops[i].id, sizeof p->hops[i].id);
    }
    for (size_t i = 0; i < BATCH; i++)
        ASSERT(sphinx_make(p->packets[i], p->hops, HOPS, &p->end, SPAN_OF(p->body), &p->rng) == OK);
    memcpy(p->broken, p->packets[0], sizeof p->broken);
    p->broken[100] ^= 1;
    prepare_reply(p);
}

void bench_packet(struct bench *bench) {
    static struct packets p;
    packets_prepare(&p);
    const struct subject subjects[] = {
        {"X25519, bare", run_dh, &p, 0, NULL, 0, 0},
        {"packet peel", run_peel, &p, 0, "X25519, bare", 2, 1.25},
        {"packet with a wrong MAC", run_refuse, &p, 0, "X25519, bare", 1, 0},
        {"packet make, 3 hops", run_make, &p, 0, "X25519, bare", 1, 0},
        {"SURB make, 3 hops", run_surb_make, &p, 0, "X25519, bare", 1, 0},
        {"SURB use", run_surb_use, &p, 0, "X25519, bare", 1, 0},
        {"SURB open, 3 hops", run_surb_open, &p, 0, "X25519, bare", 1, 0},
    };
    bench_subjects(bench, "packet", subjects, sizeof subjects / sizeof subjects[0]);
}
