// Hashes and key derivation. BLAKE2b-256 (RFC 7693) for everything of Sotto's own; SHA-256, HMAC and HKDF (OpenSSL,
// fetched once) where a standard asks for them (Noise, proof of work).
#ifndef SOTTO_CRYPTO_HASH_H
#define SOTTO_CRYPTO_HASH_H

#include "crypto/keys.h"

// BLAKE2b-256 over domain (with its final zero), then every part preceded by nothing: callers use fixed-size parts or
// put a length in front themselves. At most one variable-length part, the last.
void hash_parts(struct hash *out, const char *domain, const struct span *parts, size_t count);
void hash_bytes(struct hash *out, const char *domain, struct span bytes);
// Keyed BLAKE2b with 1 to 64 bytes of output: the PRF of Sphinx and of all derivations.
void hash_keyed(uint8_t *out, size_t out_n, const uint8_t key[static 32], const char *domain, struct span bytes);

void sha256(uint8_t out[static 32], struct span bytes);
void sha256_parts(uint8_t out[static 32], const struct span *parts, size_t count);
void hmac_sha256(uint8_t out[static 32], struct span key, struct span bytes);
// RFC 5869 with SHA-256. out_n <= 255 * 32.
void hkdf_sha256(uint8_t *out, size_t out_n, struct span salt, struct span ikm, struct span info);

// Proof-of-work stamps: the number of leading zero bits of a hash.
unsigned hash_leading_zeros(const struct hash *hash);

#endif
