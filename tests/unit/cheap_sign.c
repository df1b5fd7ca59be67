// In front of libsodium's Ed25519, for worlds that spend most of their time on it: a signature is a hash of the public
// key and the message, so that anybody could make one. It still fits one key and one message only, a changed bit still
// spoils it, and nobody in those worlds forges. Only the cost is gone, and the security with it.
#include <sodium.h>
#include <string.h>

static void hash(unsigned char *out, size_t n, char domain, const unsigned char *key, const unsigned char *m,
                 unsigned long long m_n) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, n);
    crypto_generichash_update(&state, (const unsigned char *)&domain, 1);
    crypto_generichash_update(&state, key, crypto_sign_PUBLICKEYBYTES);
    crypto_generichash_update(&state, m, m_n);
    crypto_generichash_final(&state, out, n);
}

int crypto_sign_seed_keypair(unsigned char *pk, unsigned char *sk, const unsigned char *seed) {
    memmove(sk, seed, crypto_sign_SEEDBYTES);
    hash(pk, crypto_sign_PUBLICKEYBYTES, 'k', sk, NULL, 0);
    memcpy(sk + crypto_sign_SEEDBYTES, pk, crypto_sign_PUBLICKEYBYTES);
    return 0;
}

int crypto_sign_detached(unsigned char *sig, unsigned long long *n, const unsigned char *m, unsigned long long m_n,
                         const unsigned char *sk) {
    hash(sig, crypto_sign_BYTES, 's', sk + crypto_sign_SEEDBYTES, m, m_n);
    if (n != NULL)
        *n = crypto_sign_BYTES;
    return 0;
}

int crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m, unsigned long long m_n,
                                const unsigned char *pk) {
    unsigned char right[crypto_sign_BYTES];
    hash(right, sizeof right, 's', pk, m, m_n);
    return memcmp(sig, right, sizeof right) == 0 ? 0 : -1;
}
