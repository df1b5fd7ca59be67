// Ed25519 and X25519 by libsodium, with Sotto's rules on top: a domain in front of whatever is signed, and no
// X25519 public value accepted that is not the one canonical encoding of a point of large order.
#include "crypto/keys.h"

#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash_init.h"
#include "crypto/sign_raw.h"

// Every message signed on a node's common path (receipts, requests) fits; longer ones go to the heap.
#define SIGNED_STACK_BYTES 2048
#define SIGNED_PARTS_MAX 8

void crypto_init(void) {
    ASSERT(sodium_init() >= 0);
    hash_init();
}

void sign_key_from_seed(struct sign_secret *secret, struct sign_public *public, const uint8_t seed[static 32]) {
    crypto_sign_seed_keypair(public->bytes, secret->bytes, seed);
}

void sign_key_new(struct sign_secret *secret, struct sign_public *public, struct rng *rng) {
    uint8_t seed[32];
    rng_bytes(rng, seed, sizeof seed);
    sign_key_from_seed(secret, public, seed);
    wipe(seed, sizeof seed);
}

void sign_raw(struct signature *out, const struct sign_secret *secret, struct span message) {
    crypto_sign_detached(out->bytes, NULL, message.p, message.n, secret->bytes);
}

enum err verify_raw(const struct signature *signature, const struct sign_public *public, struct span message) {
    int bad = crypto_sign_verify_detached(signature->bytes, message.p, message.n, public->bytes);
    return bad ? ERR_AUTH : OK;
}

// What a signature covers, in one piece: on the stack if it fits.
struct signed_message {
    uint8_t small[SIGNED_STACK_BYTES];
    struct buf large;
    struct span bytes;
};

static void signed_message_make(struct signed_message *m, const char *domain, const struct span *parts, size_t count) {
    ASSERT(count <= SIGNED_PARTS_MAX);
    size_t domain_n = strlen(domain) + 1;
    size_t n = domain_n;
    for (size_t i = 0; i < count; i++)
        n += parts[i].n;
    m->large = (struct buf){0};
    uint8_t *p = n <= sizeof m->small ? m->small : buf_extend(&m->large, n);
    m->bytes = span_of(p, n);
    memcpy(p, domain, domain_n);
    p += domain_n;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n > 0)
            memcpy(p, parts[i].p, parts[i].n);
        p += parts[i].n;
    }
}

void sign_parts(struct signature *out, const struct sign_secret *secret, const char *domain, const struct span *parts,
                size_t count) {
    struct signed_message m;
    signed_message_make(&m, domain, parts, count);
    sign_raw(out, secret, m.bytes);
    buf_free(&m.large);
}

enum err verify_parts(const struct signature *signature, const struct sign_public *public, const char *domain,
                      const struct span *parts, size_t count) {
    struct signed_message m;
    signed_message_make(&m, domain, parts, count);
    enum err err = verify_raw(signature, public, m.bytes);
    buf_free(&m.large);
    return err;
}

void dh_key_from_seed(struct dh_secret *secret, struct dh_public *public, const uint8_t seed[static 32]) {
    memcpy(secret->bytes, seed, sizeof secret->bytes);
    crypto_scalarmult_curve25519_base(public->bytes, secret->bytes);
}

void dh_key_new(struct dh_secret *secret, struct dh_public *public, struct rng *rng) {
    uint8_t seed[32];
    rng_bytes(rng, seed, sizeof seed);
    dh_key_from_seed(secret, public, seed);
    wipe(seed, sizeof seed);
}

// Below p = 2^255 - 19, the top bit clear. Not constant time: the value is public.
static bool dh_public_is_canonical(const struct dh_public *public) {
    const uint8_t *u = public->bytes;
    if (u[31] != 0x7f)
        return u[31] < 0x7f;
    for (size_t i = 30; i > 0; i--) {
        if (u[i] != 0xff)
            return true;
    }
    return u[0] < 0xed;
}

enum err dh_shared(uint8_t shared[static 32], const struct dh_secret *secret, const struct dh_public *public) {
    // libsodium fails exactly on the points of low order (an all-zero result)
    if (dh_public_is_canonical(public) && crypto_scalarmult_curve25519(shared, secret->bytes, public->bytes) == 0)
        return OK;
    wipe(shared, 32);
    return ERR_AUTH;
}

bool keys_equal(const uint8_t a[static 32], const uint8_t b[static 32]) {
    return sodium_memcmp(a, b, 32) == 0;
}

void wipe(void *p, size_t n) {
    sodium_memzero(p, n);
}
