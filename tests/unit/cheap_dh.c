// In front of libsodium's X25519, for tests of what is built on it: powers modulo a safe prime of 63 bits instead of
// points on a curve. Two sides still come to one secret, a blinded point still peels, a changed bit still spoils both,
// a point of small order is still refused. Only the cost is gone, and the secrecy with it.
#include <sodium.h>
#include <string.h>

#include "base/cursor.h"

#define PRIME 9223372036854771239U // so is (PRIME - 1) / 2
#define GENERATOR 4                // a square: its powers have that prime order

static uint64_t times(uint64_t a, uint64_t b) {
    return (uint64_t)((unsigned __int128)a * b % PRIME);
}

static uint64_t power(uint64_t base, uint64_t exponent) {
    uint64_t result = 1;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result = times(result, base);
        base = times(base, base);
    }
    return result;
}

// One number of all 32 bytes. That of a point is its first 8 bytes, as the others are zero where it was made.
static uint64_t number_of(const uint8_t bytes[static 32]) {
    uint64_t number = 0;
    for (size_t i = 32; i > 0; i -= 8)
        number = (times(number, 3) + load_u64(bytes + i - 8) % PRIME) % PRIME;
    return number;
}

static int multiply(uint8_t out[static 32], const uint8_t scalar[static 32], uint64_t point) {
    uint64_t product = power(point, number_of(scalar) | 1);
    memset(out, 0, 32);
    store_u64(out, product);
    return product <= 1 || product == PRIME - 1 ? -1 : 0;
}

int crypto_scalarmult_curve25519(unsigned char *out, const unsigned char *scalar, const unsigned char *point) {
    return multiply(out, scalar, number_of(point));
}

int crypto_scalarmult_curve25519_base(unsigned char *out, const unsigned char *scalar) {
    return multiply(out, scalar, GENERATOR);
}
