// Properties that every codec must have, whatever it codes.
#ifndef SOTTO_TESTS_WIRE_CODEC_H
#define SOTTO_TESTS_WIRE_CODEC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "no_randombytes.h"

#define SEEDS 200

static inline struct rng rng_of_seed(uint64_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {0};
    memcpy(bytes, &seed, sizeof seed);
    struct rng rng;
    rng_init(&rng, bytes);
    return rng;
}

static inline uint32_t rng_u32(struct rng *rng) {
    return (uint32_t)rng_u64(rng);
}

// Whether a parser takes some bytes.
struct parser {
    bool (*takes)(void *ctx, struct span bytes);
    void *ctx;
};

// Asks with a copy of exactly that size, so that a read beyond its end shows under AddressSanitizer.
static inline bool parser_takes(const struct parser *parser, struct span bytes) {
    uint8_t *copy = malloc(bytes.n > 0 ? bytes.n : 1);
    assert_non_null(copy);
    if (bytes.n > 0)
        memcpy(copy, bytes.p, bytes.n);
    bool taken = parser->takes(parser->ctx, span_of(copy, bytes.n));
    free(copy);
    return taken;
}

// The parser takes these bytes, but neither less of them nor more.
static inline void takes_exactly(const struct parser *parser, struct span bytes) {
    assert_true(parser_takes(parser, bytes));
    for (size_t n = 0; n < bytes.n; n++) {
        if (parser_takes(parser, span_of(bytes.p, n)))
            fail_msg("the first %zu of %zu bytes were taken", n, bytes.n);
    }
    struct buf longer = {0};
    buf_append(&longer, bytes);
    for (unsigned byte = 0; byte < 256; byte += 51) {
        *buf_extend(&longer, 1) = (uint8_t)byte;
        if (parser_takes(parser, buf_span(&longer)))
            fail_msg("trailing bytes were taken");
    }
    buf_free(&longer);
}

static inline int codec_setup(void **state) {
    (void)state;
    forbid_randombytes();
    return 0;
}

#endif
