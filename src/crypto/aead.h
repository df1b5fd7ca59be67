// ChaCha20-Poly1305 (RFC 8439) with a 12-byte nonce, and XChaCha20-Poly1305 for data at rest.
#ifndef SOTTO_CRYPTO_AEAD_H
#define SOTTO_CRYPTO_AEAD_H

#include "crypto/keys.h"

#define AEAD_TAG_BYTES 16

// out has plain.n + 16 bytes and may be where plain is.
void aead_seal(uint8_t *out, const uint8_t key[static 32], const uint8_t nonce[static 12], struct span ad,
               struct span plain);
// out has sealed.n - 16 bytes. ERR_AUTH: wrong key or changed bytes; out is then zeroed.
enum err aead_open(uint8_t *out, const uint8_t key[static 32], const uint8_t nonce[static 12], struct span ad,
                   struct span sealed);
void xaead_seal(uint8_t *out, const uint8_t key[static 32], const uint8_t nonce[static 24], struct span ad,
                struct span plain);
enum err xaead_open(uint8_t *out, const uint8_t key[static 32], const uint8_t nonce[static 24], struct span ad,
                    struct span sealed);
// Argon2id, version 1.3, moderate cost by default: a key out of a passphrase. Slow on purpose.
enum err passphrase_key(uint8_t key[static 32], struct span passphrase, const uint8_t salt[static 16], uint32_t passes,
                        uint32_t memory_kib);

#endif
