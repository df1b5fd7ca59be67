// Five relays with their keys, and a route over the first of them.
#ifndef SOTTO_TESTS_CRYPTO_ROUTE_H
#define SOTTO_TESTS_CRYPTO_ROUTE_H

#include "crypto/sphinx.h"

#include "crypto/vectors.h"

struct route {
    struct rng rng;
    struct sphinx_relay_key keys[SPHINX_HOPS_MAX];
    struct sphinx_hop hops[SPHINX_HOPS_MAX];
    struct sphinx_end end;
};

static inline void route_init(struct route *route, uint8_t seed_byte) {
    uint8_t seed[RNG_SEED_BYTES] = {seed_byte};
    rng_init(&route->rng, seed);
    for (size_t i = 0; i < SPHINX_HOPS_MAX; i++) {
        struct sphinx_relay_key *key = &route->keys[i];
        key->epoch = 0x12345; // beyond one byte: the packet carries 0x45
        dh_key_new(&key->secret, &key->public, &route->rng);
        route->hops[i] = (struct sphinx_hop){.onion = key->public, .key_epoch = 0x45, .delay_ms = 1000 + (uint32_t)i};
        rng_bytes(&route->rng, route->hops[i].id, 32);
    }
    route->end = (struct sphinx_end){.type = SPHINX_DELIVER};
}

static inline void route_make(uint8_t packet[static SPHINX_PACKET_BYTES], struct route *route, size_t count,
                              struct span body) {
    assert_int_equal(sphinx_make(packet, route->hops, count, &route->end, body, &route->rng), OK);
}

// Peels the packet in place at every hop of the route; what the last of them saw.
static inline struct sphinx_peeled route_walk(uint8_t packet[static SPHINX_PACKET_BYTES], const struct route *route,
                                              size_t count) {
    struct sphinx_peeled peeled;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sphinx_peel(&peeled, &route->keys[i], 1, packet, false), OK);
        memcpy(packet, peeled.packet, SPHINX_PACKET_BYTES);
    }
    return peeled;
}

// Whether any run of 8 bytes stands in both.
static inline bool shares_8_bytes(const uint8_t *a, const uint8_t *b, size_t n) {
    for (size_t i = 0; i + 8 <= n; i++) {
        for (size_t j = 0; j + 8 <= n; j++) {
            if (memcmp(a + i, b + j, 8) == 0)
                return true;
        }
    }
    return false;
}

#endif
