// What the maker of a packet and the hop that peels it compute alike.
#include "crypto/sphinx_format.h"

#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"

#define LIONESS_KEY_BYTES 192

static const uint8_t zero_nonce[crypto_stream_chacha20_ietf_NONCEBYTES];

// Bound to alpha, so that another encoding or a point that differs by one of low order leads to other keys, and to the
// node's key, so that no other node ever derives them.
void sphinx_keys_derive(struct sphinx_hop_keys *out, const uint8_t shared[static 32], const uint8_t alpha[static 32],
                        const struct dh_public *onion) {
    uint8_t bound[64];
    memcpy(bound, alpha, 32);
    memcpy(bound + 32, onion->bytes, 32);
    uint8_t pair[64];
    hash_keyed(pair, 64, shared, "sotto sphinx 1 header", SPAN_OF(bound));
    memcpy(out->mac, pair, 32);
    memcpy(out->stream, pair + 32, 32);
    hash_keyed(pair, 64, shared, "sotto sphinx 1 payload", SPAN_OF(bound));
    memcpy(out->payload, pair, 32);
    memcpy(out->blind, pair + 32, 32);
    hash_keyed(out->replay_tag, sizeof out->replay_tag, shared, "sotto sphinx 1 replay", SPAN_OF(bound));
    wipe(pair, sizeof pair);
}

enum err sphinx_point_times(uint8_t point[static 32], const uint8_t scalar[static 32]) {
    struct dh_secret secret;
    struct dh_public public;
    memcpy(secret.bytes, scalar, sizeof secret.bytes);
    memcpy(public.bytes, point, sizeof public.bytes);
    enum err err = dh_shared(point, &secret, &public);
    wipe(&secret, sizeof secret);
    return err;
}

void sphinx_header_mac(uint8_t gamma[static GAMMA_BYTES], const uint8_t key[static 32],
                       const uint8_t header[static SPHINX_HEADER_BYTES]) {
    hash_keyed(gamma, GAMMA_BYTES, key, "sotto sphinx 1 mac", span_of(header, AT_GAMMA));
}

// The first n bytes of a keystream. libsodium makes 256 at once in half the time that it needs for one byte less.
static void keystream(uint8_t *out, size_t n, const uint8_t key[static 32]) {
    uint8_t whole[512];
    ASSERT(n <= sizeof whole);
    crypto_stream_chacha20_ietf(whole, (n + 255) / 256 * 256, zero_nonce, key);
    memcpy(out, whole, n);
    wipe(whole, sizeof whole);
}

void sphinx_header_stream(uint8_t out[static STREAM_BYTES], const uint8_t key[static 32]) {
    keystream(out, STREAM_BYTES, key);
}

#ifdef SOTTO_TEST_NO_PAYLOAD_LAYER // tests only: what the tests of unlinkability must notice

void sphinx_payload_encrypt(uint8_t payload[static SPHINX_PAYLOAD_BYTES], const uint8_t seed[static 32]) {
    (void)payload;
    (void)seed;
}

void sphinx_payload_decrypt(uint8_t payload[static SPHINX_PAYLOAD_BYTES], const uint8_t seed[static 32]) {
    (void)payload;
    (void)seed;
}

#else

static void payload_key(uint8_t key[static LIONESS_KEY_BYTES], const uint8_t seed[static 32]) {
    keystream(key, LIONESS_KEY_BYTES, seed);
}

void sphinx_payload_encrypt(uint8_t payload[static SPHINX_PAYLOAD_BYTES], const uint8_t seed[static 32]) {
    uint8_t key[LIONESS_KEY_BYTES];
    payload_key(key, seed);
    lioness_encrypt(payload, SPHINX_PAYLOAD_BYTES, key);
    wipe(key, sizeof key);
}

void sphinx_payload_decrypt(uint8_t payload[static SPHINX_PAYLOAD_BYTES], const uint8_t seed[static 32]) {
    uint8_t key[LIONESS_KEY_BYTES];
    payload_key(key, seed);
    lioness_decrypt(payload, SPHINX_PAYLOAD_BYTES, key);
    wipe(key, sizeof key);
}

#endif
