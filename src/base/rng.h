// A seeded random generator: the ChaCha20 keystream under a 32-byte seed (fast key erasure: every refill of the
// buffer replaces the key). The host seeds it from the operating system, the simulator from the seed of the run.
#ifndef SOTTO_BASE_RNG_H
#define SOTTO_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#define RNG_SEED_BYTES 32
#define RNG_BUFFER_BYTES 512

struct rng {
    uint8_t key[32];
    uint8_t buffer[RNG_BUFFER_BYTES];
    size_t left; // unused bytes at the end of buffer
};

void rng_init(struct rng *rng, const uint8_t seed[static RNG_SEED_BYTES]);
void rng_bytes(struct rng *rng, void *out, size_t n);
uint64_t rng_u64(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound); // uniform in [0, bound), without bias; bound > 0
// An exponentially distributed delay with the given mean, in integer arithmetic only (the same on every machine),
// at most 16 means.
uint64_t rng_exponential_ms(struct rng *rng, uint64_t mean_ms);
void rng_wipe(struct rng *rng);

#endif
