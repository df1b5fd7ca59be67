// BLAKE2b by libsodium, SHA-256 by OpenSSL (four times faster than libsodium's), HMAC and HKDF on top of it.
#include "crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash_init.h"

#define SHA256_BYTES 32
#define SHA256_BLOCK_BYTES 64

// Fetching an algorithm costs more than hashing a kilobyte. Set once by crypto_init, never changed after.
static EVP_MD *sha256_algorithm;
static CRYPTO_ONCE sha256_once = CRYPTO_ONCE_STATIC_INIT;

static void sha256_fetch(void) {
    sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void hash_init(void) {
    ASSERT(CRYPTO_THREAD_run_once(&sha256_once, sha256_fetch) == 1);
    ASSERT(sha256_algorithm != NULL);
}

static void blake2b_domain(crypto_generichash_blake2b_state *state, const char *domain) {
    crypto_generichash_blake2b_update(state, (const uint8_t *)domain, strlen(domain) + 1);
}

void hash_parts(struct hash *out, const char *domain, const struct span *parts, size_t count) {
    crypto_generichash_blake2b_state state;
    crypto_generichash_blake2b_init(&state, NULL, 0, sizeof out->bytes);
    blake2b_domain(&state, domain);
    for (size_t i = 0; i < count; i++)
        crypto_generichash_blake2b_update(&state, parts[i].p, parts[i].n);
    crypto_generichash_blake2b_final(&state, out->bytes, sizeof out->bytes);
}

void hash_bytes(struct hash *out, const char *domain, struct span bytes) {
    hash_parts(out, domain, &bytes, 1);
}

void hash_keyed(uint8_t *out, size_t out_n, const uint8_t key[static 32], const char *domain, struct span bytes) {
    ASSERT(out_n >= 1 && out_n <= 64);
    crypto_generichash_blake2b_state state;
    crypto_generichash_blake2b_init(&state, key, 32, out_n);
    blake2b_domain(&state, domain);
    crypto_generichash_blake2b_update(&state, bytes.p, bytes.n);
    crypto_generichash_blake2b_final(&state, out, out_n);
    wipe(&state, sizeof state);
}

static EVP_MD_CTX *sha256_context(void) {
    ASSERT(sha256_algorithm != NULL); // crypto_init comes first
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context != NULL);
    return context;
}

static void sha256_run(EVP_MD_CTX *context, uint8_t out[static SHA256_BYTES], const struct span *parts, size_t count) {
    bool ok = EVP_DigestInit_ex2(context, sha256_algorithm, NULL) == 1;
    for (size_t i = 0; i < count; i++)
        ok = ok && EVP_DigestUpdate(context, parts[i].p, parts[i].n) == 1;
    ok = ok && EVP_DigestFinal_ex(context, out, NULL) == 1;
    ASSERT(ok); // fails only without memory
}

void sha256_parts(uint8_t out[static SHA256_BYTES], const struct span *parts, size_t count) {
    EVP_MD_CTX *context = sha256_context();
    sha256_run(context, out, parts, count);
    EVP_MD_CTX_free(context);
}

void sha256(uint8_t out[static SHA256_BYTES], struct span bytes) {
    sha256_parts(out, &bytes, 1);
}

// RFC 2104 over the parts, in one context.
static void hmac_parts(uint8_t out[static SHA256_BYTES], struct span key, const struct span *parts, size_t count) {
    ASSERT(count <= 3);
    EVP_MD_CTX *context = sha256_context();
    uint8_t pad[SHA256_BLOCK_BYTES] = {0};
    if (key.n > sizeof pad)
        sha256_run(context, pad, &key, 1);
    else if (key.n > 0)
        memcpy(pad, key.p, key.n);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    struct span pieces[4] = {SPAN_OF(pad)};
    for (size_t i = 0; i < count; i++)
        pieces[i + 1] = parts[i];
    uint8_t inner[SHA256_BYTES];
    sha256_run(context, inner, pieces, count + 1);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    pieces[1] = SPAN_OF(inner);
    sha256_run(context, out, pieces, 2);
    EVP_MD_CTX_free(context);
    wipe(pad, sizeof pad);
    wipe(inner, sizeof inner);
}

void hmac_sha256(uint8_t out[static SHA256_BYTES], struct span key, struct span bytes) {
    hmac_parts(out, key, &bytes, 1);
}

void hkdf_sha256(uint8_t *out, size_t out_n, struct span salt, struct span ikm, struct span info) {
    ASSERT(out_n <= 255 * SHA256_BYTES);
    uint8_t prk[SHA256_BYTES];
    uint8_t block[SHA256_BYTES];
    hmac_sha256(prk, salt, ikm);
    struct span previous = {0};
    uint8_t counter = 0;
    for (size_t done = 0; done < out_n;) {
        counter++;
        const struct span parts[] = {previous, info, {&counter, 1}};
        hmac_parts(block, SPAN_OF(prk), parts, 3);
        previous = SPAN_OF(block);
        size_t n = out_n - done < sizeof block ? out_n - done : sizeof block;
        memcpy(out + done, block, n);
        done += n;
    }
    wipe(prk, sizeof prk);
    wipe(block, sizeof block);
}

unsigned hash_leading_zeros(const struct hash *hash) {
    unsigned zeros = 0;
    for (size_t i = 0; i < sizeof hash->bytes; i++) {
        for (uint8_t bit = 0x80; bit != 0; bit >>= 1, zeros++) {
            if (hash->bytes[i] & bit)
                return zeros;
        }
    }
    return zeros;
}
