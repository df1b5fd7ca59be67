// Primitives against the libraries beneath them, called directly.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "bench.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/sphinx.h"

#define MESSAGE_BYTES 64
#define KIB 1024

// Inputs and outputs of everything below.
struct crypto {
    struct rng rng;
    uint8_t seed[32];
    struct sign_secret sign;
    struct sign_public sign_public;
    struct signature signature; // by sign_parts over `message`
    struct signature bare;      // by libsodium over `message`
    uint8_t message[MESSAGE_BYTES];
    struct dh_secret dh;
    struct dh_public dh_public;
    uint8_t key[64];
    uint8_t kib[KIB];
    uint8_t payload[SPHINX_PAYLOAD_BYTES];
    uint8_t lioness_key[192];
    uint8_t sealed[KIB + AEAD_TAG_BYTES];
    uint8_t out[64];
    EVP_MD *md;
    EVP_MD_CTX *digest;
    EVP_MAC *mac;
    EVP_MAC_CTX *mac_context;
    EVP_KDF *kdf;
    EVP_KDF_CTX *kdf_context;
};

#define SIGN_DOMAIN "sotto bench"

static void run_sign_key(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        sign_key_new(&c->sign, &c->sign_public, &c->rng);
}

static void run_sodium_sign_key(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    uint8_t public[32], secret[64];
    for (uint64_t i = 0; i < count; i++)
        crypto_sign_seed_keypair(public, secret, c->seed);
}

static void run_sign(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    struct span part = SPAN_OF(c->message);
    struct signature signature;
    for (uint64_t i = 0; i < count; i++)
        sign_parts(&signature, &c->sign, SIGN_DOMAIN, &part, 1);
}

static void run_sodium_sign(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    struct signature signature;
    for (uint64_t i = 0; i < count; i++)
        crypto_sign_detached(signature.bytes, NULL, c->message, sizeof c->message, c->sign.bytes);
}

static void prepare_signatures(struct crypto *c) {
    struct span part = SPAN_OF(c->message);
    sign_key_from_seed(&c->sign, &c->sign_public, c->seed);
    sign_parts(&c->signature, &c->sign, SIGN_DOMAIN, &part, 1);
    crypto_sign_detached(c->bare.bytes, NULL, c->message, sizeof c->message, c->sign.bytes);
}

static void run_verify(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    prepare_signatures(c);
    struct span part = SPAN_OF(c->message);
    for (uint64_t i = 0; i < count; i++)
        ASSERT(verify_parts(&c->signature, &c->sign_public, SIGN_DOMAIN, &part, 1) == OK);
}

static void run_sodium_verify(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    prepare_signatures(c);
    for (uint64_t i = 0; i < count; i++)
        ASSERT(crypto_sign_verify_detached(c->bare.bytes, c->message, sizeof c->message, c->sign_public.bytes) == 0);
}

static void run_dh_key(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    struct dh_secret secret;
    struct dh_public public;
    for (uint64_t i = 0; i < count; i++)
        dh_key_new(&secret, &public, &c->rng);
}

static void run_dh(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        ASSERT(dh_shared(c->out, &c->dh, &c->dh_public) == OK);
}

static void run_sodium_dh(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        ASSERT(crypto_scalarmult_curve25519(c->out, c->dh.bytes, c->dh_public.bytes) == 0);
}

static void run_sha256(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        sha256(c->out, SPAN_OF(c->kib));
}

static void run_openssl_sha256(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++) {
        EVP_DigestInit_ex2(c->digest, c->md, NULL);
        EVP_DigestUpdate(c->digest, c->kib, sizeof c->kib);
        EVP_DigestFinal_ex(c->digest, c->out, NULL);
    }
}

static void run_openssl_sha256_once(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        EVP_Digest(c->kib, sizeof c->kib, c->out, NULL, c->md, NULL);
}

static void run_hmac(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        hmac_sha256(c->out, span_of(c->key, 32), SPAN_OF(c->kib));
}

static void run_openssl_hmac(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    size_t n;
    for (uint64_t i = 0; i < count; i++) {
        EVP_MAC_init(c->mac_context, c->key, 32, NULL);
        EVP_MAC_update(c->mac_context, c->kib, sizeof c->kib);
        EVP_MAC_final(c->mac_context, c->out, &n, sizeof c->out);
    }
}

static void run_openssl_hmac_once(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    unsigned n;
    for (uint64_t i = 0; i < count; i++)
        HMAC(c->md, c->key, 32, c->kib, sizeof c->kib, c->out, &n);
}

// As Noise uses it: two keys out of a chaining key and a shared secret.
static void run_hkdf(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        hkdf_sha256(c->out, 64, span_of(c->key, 32), SPAN_OF(c->seed), (struct span){0});
}

static void run_openssl_hkdf(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, c->seed, sizeof c->seed),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, c->key, 32),
        OSSL_PARAM_construct_end(),
    };
    for (uint64_t i = 0; i < count; i++)
        EVP_KDF_derive(c->kdf_context, c->out, 64, parameters);
}

static void run_chacha20(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];
    for (uint64_t i = 0; i < count; i++)
        crypto_stream_chacha20_ietf_xor(c->payload, c->payload, sizeof c->payload, nonce, c->key);
}

static void run_blake2b(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        crypto_generichash_blake2b(c->out, 32, c->payload, sizeof c->payload, c->key, sizeof c->key);
}

// What LIONESS is made of.
static void run_two_of_each(void *ctx, uint64_t count) {
    run_chacha20(ctx, 2 * count);
    run_blake2b(ctx, 2 * count);
}

static void run_hash_bytes(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    struct hash hash;
    for (uint64_t i = 0; i < count; i++)
        hash_bytes(&hash, SIGN_DOMAIN, SPAN_OF(c->payload));
}

static void run_lioness(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        lioness_encrypt(c->payload, sizeof c->payload, c->lioness_key);
}

static void run_seal(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        aead_seal(c->sealed, c->key, c->seed, (struct span){0}, SPAN_OF(c->kib));
}

static void run_sodium_seal(void *ctx, uint64_t count) {
    struct crypto *c = ctx;
    for (uint64_t i = 0; i < count; i++)
        crypto_aead_chacha20poly1305_ietf_encrypt(c->sealed, NULL, c->kib, sizeof c->kib, NULL, 0, NULL, c->seed,
                                                  c->key);
}

static void crypto_prepare(struct crypto *c) {
    static const uint8_t seed[RNG_SEED_BYTES] = "crypto";
    rng_init(&c->rng, seed);
    rng_bytes(&c->rng, c->seed, sizeof c->seed);
    rng_bytes(&c->rng, c->message, sizeof c->message);
    rng_bytes(&c->rng, c->key, sizeof c->key);
    rng_bytes(&c->rng, c->kib, sizeof c->kib);
    rng_bytes(&c->rng, c->payload, sizeof c->payload);
    rng_bytes(&c->rng, c->lioness_key, sizeof c->lioness_key);
    dh_key_new(&c->dh, &c->dh_public, &c->rng);
    prepare_signatures(c);
    c->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    c->digest = EVP_MD_CTX_new();
    c->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    c->mac_context = EVP_MAC_CTX_new(c->mac);
    c->kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    c->kdf_context = EVP_KDF_CTX_new(c->kdf);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    ASSERT(EVP_MAC_CTX_set_params(c->mac_context, parameters) == 1);
    ASSERT(EVP_KDF_CTX_set_params(c->kdf_context, parameters) == 1);
}

// The same results by both ways, or the comparison is worth nothing.
static void crypto_check(struct crypto *c) {
    uint8_t ours[64];
    run_sha256(c, 1);
    memcpy(ours, c->out, 32);
    run_openssl_sha256(c, 1);
    ASSERT(memcmp(ours, c->out, 32) == 0);
    run_hmac(c, 1);
    memcpy(ours, c->out, 32);
    run_openssl_hmac(c, 1);
    ASSERT(memcmp(ours, c->out, 32) == 0);
    run_hkdf(c, 1);
    memcpy(ours, c->out, 64);
    run_openssl_hkdf(c, 1);
    ASSERT(memcmp(ours, c->out, 64) == 0);
}

static void crypto_release(struct crypto *c) {
    EVP_KDF_CTX_free(c->kdf_context);
    EVP_KDF_free(c->kdf);
    EVP_MAC_CTX_free(c->mac_context);
    EVP_MAC_free(c->mac);
    EVP_MD_CTX_free(c->digest);
    EVP_MD_free(c->md);
}

void bench_crypto(struct bench *bench) {
    struct crypto c;
    crypto_prepare(&c);
    crypto_check(&c);
    const struct subject signs[] = {
        {"libsodium Ed25519 key", run_sodium_sign_key, &c, 0, NULL, 0, 0},
        {"Ed25519 key", run_sign_key, &c, 22000, "libsodium Ed25519 key", 1, 0},
        {"libsodium Ed25519 sign", run_sodium_sign, &c, 0, NULL, 0, 0},
        {"Ed25519 sign", run_sign, &c, 0, "libsodium Ed25519 sign", 1, 0},
        {"libsodium Ed25519 verify", run_sodium_verify, &c, 0, NULL, 0, 0},
        {"Ed25519 verify", run_verify, &c, 0, "libsodium Ed25519 verify", 1, 0},
        {"libsodium X25519", run_sodium_dh, &c, 0, NULL, 0, 0},
        {"X25519", run_dh, &c, 110000, "libsodium X25519", 1, 0},
        {"X25519 key", run_dh_key, &c, 0, "libsodium X25519", 1, 0},
    };
    const struct subject hashes[] = {
        {"OpenSSL SHA-256, context reused", run_openssl_sha256, &c, 0, NULL, 0, 0},
        {"SHA-256 1 KB", run_sha256, &c, 730, "OpenSSL SHA-256, context reused", 1, 1.05},
        {"OpenSSL SHA-256, one call", run_openssl_sha256_once, &c, 0, "OpenSSL SHA-256, context reused", 1, 0},
        {"OpenSSL HMAC, context reused", run_openssl_hmac, &c, 0, NULL, 0, 0},
        {"HMAC 1 KB", run_hmac, &c, 1200, "OpenSSL HMAC, context reused", 1, 1.05},
        {"OpenSSL HMAC, one call", run_openssl_hmac_once, &c, 0, "OpenSSL HMAC, context reused", 1, 0},
        {"OpenSSL HKDF", run_openssl_hkdf, &c, 0, NULL, 0, 0},
        {"HKDF 64 bytes", run_hkdf, &c, 0, "OpenSSL HKDF", 1, 0},
        {"ChaCha20 2 KB", run_chacha20, &c, 0, NULL, 0, 0},
        {"BLAKE2b 2 KB", run_blake2b, &c, 0, NULL, 0, 0},
        {"BLAKE2b 2 KB with domain", run_hash_bytes, &c, 0, "BLAKE2b 2 KB", 1, 0},
        {"2 ChaCha20 and 2 BLAKE2b", run_two_of_each, &c, 0, NULL, 0, 0},
        {"LIONESS 2 KB", run_lioness, &c, 0, "2 ChaCha20 and 2 BLAKE2b", 1, 0},
        {"libsodium ChaCha20-Poly1305 1 KB", run_sodium_seal, &c, 0, NULL, 0, 0},
        {"ChaCha20-Poly1305 1 KB", run_seal, &c, 0, "libsodium ChaCha20-Poly1305 1 KB", 1, 0},
    };
    bench_subjects(bench, "crypto", signs, sizeof signs / sizeof signs[0]);
    bench_subjects(bench, "crypto", hashes, sizeof hashes / sizeof hashes[0]);
    crypto_release(&c);
}
