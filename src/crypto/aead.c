// The authenticated ciphers and the passphrase hash, by libsodium.
#include "crypto/aead.h"

#include <sodium.h>

_Static_assert(AEAD_TAG_BYTES == crypto_aead_chacha20poly1305_IETF_ABYTES, "tag size");
_Static_assert(AEAD_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag size");

void aead_seal(uint8_t *out, const uint8_t key[static 32], const uint8_t nonce[static 12], struct span ad,
               struct span plain) {
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain.p, plain.n, ad.p, ad.n, NULL, nonce, key);
}

// libsodium zeroes the output itself when the tag is wrong, but not when the input is shorter than a tag.
enum err aead_open(uint8_t *out, const uint8_t key[static 32], const uint8_t nonce[static 12], struct span ad,
                   struct span sealed) {
    int bad = crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.p, sealed.n, ad.p, ad.n, nonce, key);
    return bad ? ERR_AUTH : OK;
}

void xaead_seal(uint8_t *out, const uint8_t key[static 32], const uint8_t nonce[static 24], struct span ad,
                struct span plain) {
    crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain.p, plain.n, ad.p, ad.n, NULL, nonce, key);
}

enum err xaead_open(uint8_t *out, const uint8_t key[static 32], const uint8_t nonce[static 24], struct span ad,
                    struct span sealed) {
    int bad = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.p, sealed.n, ad.p, ad.n, nonce, key);
    return bad ? ERR_AUTH : OK;
}

enum err passphrase_key(uint8_t key[static 32], struct span passphrase, const uint8_t salt[static 16], uint32_t passes,
                        uint32_t memory_kib) {
    _Static_assert(crypto_pwhash_argon2id_SALTBYTES == 16, "salt size");
    if (passes < crypto_pwhash_argon2id_OPSLIMIT_MIN || memory_kib < crypto_pwhash_argon2id_MEMLIMIT_MIN / 1024)
        return ERR_INVALID;
    int bad = crypto_pwhash_argon2id(key, 32, (const char *)passphrase.p, passphrase.n, salt, passes,
                                     (size_t)memory_kib * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13);
    return bad ? ERR_NO_MEMORY : OK;
}
