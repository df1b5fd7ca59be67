// LIONESS (Anderson and Biham, "Two practical and provably secure block ciphers", 1996): a cipher whose block is as
// long as the payload, so that one changed bit leaves nothing of it. Left half L 32 bytes, the rest R;
// key K1 32 | K2 64 | K3 32 | K4 64; S the ChaCha20 keystream (zero nonce), H keyed BLAKE2b-256:
//   R ^= S(L ^ K1);  L ^= H(K2, R);  R ^= S(L ^ K3);  L ^= H(K4, R)
#include "crypto/sphinx.h"

#include <sodium.h>
#include <string.h>

#include "base/assert.h"

#define LEFT_BYTES 32
#define K1_AT 0
#define K2_AT 32
#define K3_AT 96
#define K4_AT 128
#define K_HASH_BYTES 64

// libsodium makes this much keystream at once in a third of the time that it needs for one byte less.
#define STREAM_STEP_BYTES 512

static void xor_left(uint8_t out[static LEFT_BYTES], const uint8_t a[static LEFT_BYTES],
                     const uint8_t b[static LEFT_BYTES]) {
    for (size_t i = 0; i < LEFT_BYTES; i++)
        out[i] = a[i] ^ b[i];
}

// R ^= S(L ^ K)
static void stream_round(uint8_t *block, size_t n, const uint8_t k[static LEFT_BYTES]) {
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];
    uint8_t key[LEFT_BYTES];
    uint8_t last[STREAM_STEP_BYTES] = {0};
    uint8_t *right = block + LEFT_BYTES;
    size_t last_n = (n - LEFT_BYTES) % sizeof last;
    size_t whole_n = n - LEFT_BYTES - last_n;
    xor_left(key, block, k);
    crypto_stream_chacha20_ietf_xor(right, right, whole_n, nonce, key);
    memcpy(last, right + whole_n, last_n);
    crypto_stream_chacha20_ietf_xor_ic(last, last, sizeof last, nonce, (uint32_t)(whole_n / 64), key);
    memcpy(right + whole_n, last, last_n);
    wipe(last, sizeof last);
    wipe(key, sizeof key);
}

// L ^= H(K, R)
static void hash_round(uint8_t *block, size_t n, const uint8_t k[static K_HASH_BYTES]) {
    uint8_t digest[LEFT_BYTES];
    crypto_generichash_blake2b(digest, sizeof digest, block + LEFT_BYTES, n - LEFT_BYTES, k, K_HASH_BYTES);
    xor_left(block, block, digest);
    wipe(digest, sizeof digest);
}

void lioness_encrypt(uint8_t *block, size_t n, const uint8_t key[static 192]) {
    ASSERT(n > LEFT_BYTES);
    stream_round(block, n, key + K1_AT);
    hash_round(block, n, key + K2_AT);
    stream_round(block, n, key + K3_AT);
    hash_round(block, n, key + K4_AT);
}

void lioness_decrypt(uint8_t *block, size_t n, const uint8_t key[static 192]) {
    ASSERT(n > LEFT_BYTES);
    hash_round(block, n, key + K4_AT);
    stream_round(block, n, key + K3_AT);
    hash_round(block, n, key + K2_AT);
    stream_round(block, n, key + K1_AT);
}
