// Protocol code draws randomness from its seeded generator only. A unit test calls forbid_randombytes first, and any
// use of libsodium's own source of randomness ends the program.
#ifndef SOTTO_TESTS_NO_RANDOMBYTES_H
#define SOTTO_TESTS_NO_RANDOMBYTES_H

#include <sodium.h>
#include <stdlib.h>

#include "crypto/keys.h"

static const char *forbidden_name(void) {
    return "forbidden";
}

static uint32_t forbidden_random(void) {
    abort();
}

static void forbidden_buf(void *const out, const size_t n) {
    (void)out;
    (void)n;
    abort();
}

// Starts the crypto layer (which lets libsodium seed itself) and forbids its random source from then on.
static inline void forbid_randombytes(void) {
    static struct randombytes_implementation forbidden = {
        .implementation_name = forbidden_name, .random = forbidden_random, .buf = forbidden_buf};
    crypto_init();
    randombytes_set_implementation(&forbidden);
}

#endif
