// Key types and the operations on them. One type per meaning. Secrets are wiped by whoever holds them.
#ifndef SOTTO_CRYPTO_KEYS_H
#define SOTTO_CRYPTO_KEYS_H

#include "base/bytes.h"
#include "base/rng.h"

struct sign_public {
    uint8_t bytes[32]; // Ed25519 (RFC 8032)
};

struct sign_secret {
    uint8_t bytes[64]; // Ed25519 as libsodium keeps it: seed, then public key
};

struct signature {
    uint8_t bytes[64];
};

struct dh_public {
    uint8_t bytes[32]; // X25519 (RFC 7748), u-coordinate
};

struct dh_secret {
    uint8_t bytes[32]; // X25519 scalar, unclamped as drawn; clamped by the function
};

struct hash {
    uint8_t bytes[32];
};

// Must be called once before anything else in this folder. Idempotent, any thread. Asserts if libsodium cannot start.
void crypto_init(void);

// Deterministic: everything follows from the seed.
void sign_key_from_seed(struct sign_secret *secret, struct sign_public *public, const uint8_t seed[static 32]);
void sign_key_new(struct sign_secret *secret, struct sign_public *public, struct rng *rng);
// Signs `domain` (a static string, with its final zero) followed by the parts. At most 8 parts.
void sign_parts(struct signature *out, const struct sign_secret *secret, const char *domain, const struct span *parts,
                size_t count);
// ERR_AUTH unless the signature is right by libsodium's rule (strict: canonical S, no small-order keys).
enum err verify_parts(const struct signature *signature, const struct sign_public *public, const char *domain,
                      const struct span *parts, size_t count);

void dh_key_from_seed(struct dh_secret *secret, struct dh_public *public, const uint8_t seed[static 32]);
void dh_key_new(struct dh_secret *secret, struct dh_public *public, struct rng *rng);
// X25519. ERR_AUTH for a non-canonical or low-order public value; `shared` is then zeroed. Constant time in secret.
enum err dh_shared(uint8_t shared[static 32], const struct dh_secret *secret, const struct dh_public *public);

bool keys_equal(const uint8_t a[static 32], const uint8_t b[static 32]); // constant time
void wipe(void *p, size_t n);

#endif
