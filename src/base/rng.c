// The seeded generator: ChaCha20 with fast key erasure (D. J. Bernstein, "Fast-key-erasure random-number
// generators", 2017). Each refill spends one keystream: its first 32 bytes become the next key, the rest is output,
// and output is erased as it is handed out, so a later look at the memory tells nothing about earlier values.
#include "base/rng.h"

#include <sodium.h>
#include <string.h>

#include "base/assert.h"

_Static_assert(sizeof(((struct rng *)0)->key) == crypto_stream_chacha20_KEYBYTES, "the key is a ChaCha20 key");

static void refill(struct rng *rng) {
    // Every key is used for one keystream only, so the nonce never changes.
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = {0};
    uint8_t stream[sizeof rng->key + RNG_BUFFER_BYTES];
    crypto_stream_chacha20(stream, sizeof stream, nonce, rng->key);
    memcpy(rng->key, stream, sizeof rng->key);
    memcpy(rng->buffer, stream + sizeof rng->key, RNG_BUFFER_BYTES);
    rng->left = RNG_BUFFER_BYTES;
    sodium_memzero(stream, sizeof stream);
}

void rng_init(struct rng *rng, const uint8_t seed[static RNG_SEED_BYTES]) {
    memcpy(rng->key, seed, sizeof rng->key);
    memset(rng->buffer, 0, sizeof rng->buffer);
    rng->left = 0;
}

void rng_bytes(struct rng *rng, void *out, size_t n) {
    uint8_t *p = out;
    while (n > 0) {
        if (rng->left == 0)
            refill(rng);
        size_t part = n < rng->left ? n : rng->left;
        uint8_t *from = rng->buffer + RNG_BUFFER_BYTES - rng->left;
        memcpy(p, from, part);
        memset(from, 0, part);
        rng->left -= part;
        p += part;
        n -= part;
    }
}

uint64_t rng_u64(struct rng *rng) {
    // Assembled byte by byte: the same on machines of either byte order.
    uint8_t bytes[8];
    rng_bytes(rng, bytes, sizeof bytes);
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        v = v << 8 | bytes[i];
    return v;
}

uint64_t rng_below(struct rng *rng, uint64_t bound) {
    ASSERT(bound > 0);
    // 2^64 mod bound: values below it would make the low results more likely.
    uint64_t reject_below = (0 - bound) % bound;
    for (;;) {
        uint64_t v = rng_u64(rng);
        if (v >= reject_below)
            return v % bound;
    }
}

// log2(x / 2^31) for x in [2^31, 2^32), with 24 fractional bits: squaring doubles the logarithm, and each time the
// square leaves [1, 2) the next bit of it is a one.
static uint32_t log2_fraction(uint32_t x) {
    uint32_t log = 0;
    for (int bit = 23; bit >= 0; bit--) {
        uint64_t square = ((uint64_t)x * x) >> 31;
        if (square >= UINT64_C(1) << 32) {
            square >>= 1;
            log |= UINT32_C(1) << bit;
        }
        x = (uint32_t)square;
    }
    return log;
}

uint64_t rng_exponential_ms(struct rng *rng, uint64_t mean_ms) {
    ASSERT(mean_ms <= UINT32_MAX);
    // -ln(u) for a uniform u = v / 2^64 in (0, 1), from its binary logarithm: v = 2^(63 - zeros) * m, m in [1, 2).
    const uint64_t ln2 = 11629080; // ln 2 with 24 fractional bits
    uint64_t v = rng_u64(rng) | 1;
    unsigned zeros = 0;
    while (v >> 63 == 0) {
        v <<= 1;
        zeros++;
    }
    uint64_t minus_log2 = ((uint64_t)(zeros + 1) << 24) - log2_fraction((uint32_t)(v >> 32));
    uint64_t means = (minus_log2 * ln2) >> 24;
    if (means > UINT64_C(16) << 24)
        means = UINT64_C(16) << 24;
    return (mean_ms * means + (UINT64_C(1) << 23)) >> 24;
}

void rng_wipe(struct rng *rng) {
    sodium_memzero(rng, sizeof *rng);
}
