// The Noise protocol framework, revision 34: the handshake state of section 5.3 over tables of patterns (section 7).
#include "crypto/noise.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

enum token { END, E, S, EE, ES, SE, SS, PSK };

#define TOKENS_MAX 7 // "e, ee, se, s, es, psk" and END
#define MESSAGES_MAX 3

struct pattern {
    const char *name;
    bool initiator_known; // "-> s" before the first message
    bool responder_known; // "<- s" before the first message
    uint8_t messages;
    enum token tokens[MESSAGES_MAX][TOKENS_MAX]; // the initiator writes the first
};

static const struct pattern patterns[NOISE_PATTERNS] = {
    [NOISE_N] = {"N", false, true, 1, {{E, ES}}},
    [NOISE_X] = {"X", false, true, 1, {{E, ES, S, SS}}},
    [NOISE_NK] = {"NK", false, true, 2, {{E, ES}, {E, EE}}},
    [NOISE_KK] = {"KK", true, true, 2, {{E, ES, SS}, {E, EE, SE}}},
    [NOISE_XX] = {"XX", false, false, 3, {{E}, {E, EE, S, ES}, {S, SE}}},
    [NOISE_IK] = {"IK", false, true, 2, {{E, ES, S, SS}, {E, EE, SE}}},
    [NOISE_IX] = {"IX", false, false, 2, {{E, S}, {E, EE, SE, S, ES}}},
};

// ---- CipherState, section 5.1 ----

static void nonce_of(uint8_t nonce[static 12], const struct noise_cipher *cipher) {
    ASSERT(cipher->nonce != UINT64_MAX); // reserved by section 5.1; out of reach
    memset(nonce, 0, 4);
    for (size_t i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(cipher->nonce >> (8 * i)); // little-endian, unlike the rest of Sotto
}

void noise_seal(uint8_t *out, struct noise_cipher *cipher, struct span ad, struct span plain) {
    ASSERT(cipher->keyed);
    uint8_t nonce[12];
    nonce_of(nonce, cipher);
    aead_seal(out, cipher->key, nonce, ad, plain);
    cipher->nonce++;
}

enum err noise_open(uint8_t *out, struct noise_cipher *cipher, struct span ad, struct span sealed) {
    ASSERT(cipher->keyed);
    uint8_t nonce[12];
    nonce_of(nonce, cipher);
    enum err err = aead_open(out, cipher->key, nonce, ad, sealed);
    if (err == OK)
        cipher->nonce++;
    return err;
}

static void cipher_set_key(struct noise_cipher *cipher, const uint8_t key[static 32]) {
    memcpy(cipher->key, key, sizeof cipher->key);
    cipher->nonce = 0;
    cipher->keyed = true;
}

// ---- SymmetricState, section 5.2 ----

static void mix_hash(struct noise_handshake *h, struct span bytes) {
    const struct span parts[] = {SPAN_OF(h->hash), bytes};
    sha256_parts(h->hash, parts, 2);
}

static void mix_key(struct noise_handshake *h, struct span input) {
    uint8_t keys[64];
    hkdf_sha256(keys, sizeof keys, SPAN_OF(h->chaining_key), input, (struct span){0});
    memcpy(h->chaining_key, keys, 32);
    cipher_set_key(&h->cipher, keys + 32);
    wipe(keys, sizeof keys);
}

static void mix_key_and_hash(struct noise_handshake *h, struct span input) {
    uint8_t keys[96];
    hkdf_sha256(keys, sizeof keys, SPAN_OF(h->chaining_key), input, (struct span){0});
    memcpy(h->chaining_key, keys, 32);
    mix_hash(h, span_of(keys + 32, 32));
    cipher_set_key(&h->cipher, keys + 64);
    wipe(keys, sizeof keys);
}

static size_t sealed_extra(const struct noise_handshake *h) {
    return h->cipher.keyed ? AEAD_TAG_BYTES : 0;
}

// Returns how many bytes were written. `out` and `plain` do not overlap.
static size_t encrypt_and_hash(uint8_t *out, struct noise_handshake *h, struct span plain) {
    size_t n = plain.n + sealed_extra(h);
    if (h->cipher.keyed)
        noise_seal(out, &h->cipher, SPAN_OF(h->hash), plain);
    else if (plain.n > 0)
        memcpy(out, plain.p, plain.n);
    mix_hash(h, span_of(out, n));
    return n;
}

static enum err decrypt_and_hash(uint8_t *out, struct noise_handshake *h, struct span sealed) {
    enum err err = OK;
    if (h->cipher.keyed)
        err = noise_open(out, &h->cipher, SPAN_OF(h->hash), sealed);
    else if (sealed.n > 0)
        memcpy(out, sealed.p, sealed.n);
    mix_hash(h, sealed);
    return err;
}

// ---- HandshakeState, section 5.3 ----

// "Noise_XXpsk0+psk3_25519_ChaChaPoly_SHA256", section 8.
static size_t protocol_name(char name[static 64], const struct noise_handshake *h) {
    static const char suite[] = "_25519_ChaChaPoly_SHA256";
    size_t n = 0;
    const char *parts[] = {"Noise_", patterns[h->pattern].name};
    for (size_t i = 0; i < 2; i++) {
        memcpy(name + n, parts[i], strlen(parts[i]));
        n += strlen(parts[i]);
    }
    bool first = true;
    for (unsigned place = 0; place < NOISE_PSKS_MAX; place++) {
        if (!(h->psk_places >> place & 1))
            continue;
        if (!first)
            name[n++] = '+';
        memcpy(name + n, "psk", 3);
        name[n + 3] = (char)('0' + place);
        n += 4;
        first = false;
    }
    memcpy(name + n, suite, sizeof suite - 1);
    return n + sizeof suite - 1;
}

// h is the name, padded with zeros, or its hash if it is longer than 32 bytes.
static void hash_start(struct noise_handshake *h) {
    char name[64] = {0};
    size_t n = protocol_name(name, h);
    if (n <= sizeof h->hash)
        memcpy(h->hash, name, sizeof h->hash);
    else
        sha256(h->hash, span_of(name, n));
    memcpy(h->chaining_key, h->hash, sizeof h->chaining_key);
}

static void mix_known_keys(struct noise_handshake *h) {
    const struct pattern *pattern = &patterns[h->pattern];
    if (pattern->initiator_known)
        mix_hash(h, h->initiator ? SPAN_OF(h->s_public.bytes) : SPAN_OF(h->rs.bytes));
    if (pattern->responder_known)
        mix_hash(h, h->initiator ? SPAN_OF(h->rs.bytes) : SPAN_OF(h->s_public.bytes));
}

void noise_start(struct noise_handshake *handshake, const struct noise_config *config) {
    ASSERT(config->pattern < NOISE_PATTERNS);
    *handshake = (struct noise_handshake){
        .pattern = config->pattern, .psk_places = config->psk_places, .initiator = config->initiator};
    if (config->own)
        dh_key_from_seed(&handshake->s, &handshake->s_public, config->own->bytes);
    if (config->ephemeral)
        dh_key_from_seed(&handshake->e, &handshake->e_public, config->ephemeral->bytes);
    if (config->peer)
        handshake->rs = *config->peer;
    size_t psks = 0;
    for (unsigned place = 0; place < 8; place++)
        psks += config->psk_places >> place & 1;
    ASSERT(psks <= NOISE_PSKS_MAX);
    if (psks > 0)
        memcpy(handshake->psks, config->psks, psks * 32);
    hash_start(handshake);
    mix_hash(handshake, config->prologue);
    mix_known_keys(handshake);
}

bool noise_done(const struct noise_handshake *handshake) {
    return handshake->message == patterns[handshake->pattern].messages;
}

bool noise_writes_next(const struct noise_handshake *handshake) {
    return !noise_done(handshake) && (handshake->message % 2 == 0) == handshake->initiator;
}

// The tokens of the next message with the psk modifiers applied (section 9): psk0 opens the first message, psk<n>
// ends the n-th.
static void message_tokens(enum token out[static TOKENS_MAX], const struct noise_handshake *h) {
    const enum token *tokens = patterns[h->pattern].tokens[h->message];
    size_t n = 0;
    if (h->message == 0 && (h->psk_places & 1))
        out[n++] = PSK;
    for (; *tokens != END; tokens++)
        out[n++] = *tokens;
    if (h->psk_places >> (h->message + 1) & 1)
        out[n++] = PSK;
    ASSERT(n < TOKENS_MAX);
    out[n] = END;
}

size_t noise_overhead(const struct noise_handshake *handshake) {
    enum token tokens[TOKENS_MAX];
    message_tokens(tokens, handshake);
    bool keyed = handshake->cipher.keyed;
    size_t n = 0;
    for (const enum token *t = tokens; *t != END; t++) {
        if (*t == E || *t == S)
            n += 32;
        if (*t == S && keyed)
            n += AEAD_TAG_BYTES;
        keyed = keyed || (*t == E ? handshake->psk_places != 0 : *t != S);
    }
    return keyed ? n + AEAD_TAG_BYTES : n;
}

static enum err mix_dh(struct noise_handshake *h, const struct dh_secret *secret, const struct dh_public *public) {
    uint8_t shared[32];
    enum err err = dh_shared(shared, secret, public);
    if (err == OK)
        mix_key(h, SPAN_OF(shared));
    wipe(shared, sizeof shared);
    return err;
}

// What both sides do alike at a token: ee, es, se, ss, psk.
static enum err mix_token(struct noise_handshake *h, enum token token) {
    switch (token) {
    case EE:
        return mix_dh(h, &h->e, &h->re);
    case ES:
        return h->initiator ? mix_dh(h, &h->e, &h->rs) : mix_dh(h, &h->s, &h->re);
    case SE:
        return h->initiator ? mix_dh(h, &h->s, &h->re) : mix_dh(h, &h->e, &h->rs);
    case SS:
        return mix_dh(h, &h->s, &h->rs);
    case PSK:
        mix_key_and_hash(h, SPAN_OF(h->psks[h->psks_used]));
        h->psks_used++;
        return OK;
    case END:
    case E:
    case S:
        break;
    }
    ASSERT(false); // e and s have bytes of their own
    return ERR_INVALID;
}

// Both sides, once e is written or read; with a psk it also goes into the key (section 9.2).
static void mix_ephemeral(struct noise_handshake *h, const struct dh_public *e) {
    mix_hash(h, SPAN_OF(e->bytes));
    if (h->psk_places != 0)
        mix_key(h, SPAN_OF(e->bytes));
}

enum err noise_write(uint8_t *out, struct noise_handshake *handshake, struct span payload) {
    ASSERT(!handshake->failed && noise_writes_next(handshake));
    ASSERT(payload.n + noise_overhead(handshake) <= NOISE_MESSAGE_BYTES_MAX);
    enum token tokens[TOKENS_MAX];
    message_tokens(tokens, handshake);
    enum err err = OK;
    for (const enum token *t = tokens; err == OK && *t != END; t++) {
        if (*t == E) {
            memcpy(out, handshake->e_public.bytes, 32);
            out += 32;
            mix_ephemeral(handshake, &handshake->e_public);
        } else if (*t == S) {
            out += encrypt_and_hash(out, handshake, SPAN_OF(handshake->s_public.bytes));
        } else {
            err = mix_token(handshake, *t);
        }
    }
    if (err == OK)
        encrypt_and_hash(out, handshake, payload);
    handshake->message++;
    handshake->failed = err != OK;
    return err;
}

// Reads the peer's static key; advances `message`.
static enum err read_static(struct noise_handshake *h, struct span *message) {
    size_t n = 32 + sealed_extra(h);
    enum err err = decrypt_and_hash(h->rs.bytes, h, span_of(message->p, n));
    *message = span_of(message->p + n, message->n - n);
    return err;
}

static void read_ephemeral(struct noise_handshake *h, struct span *message) {
    memcpy(h->re.bytes, message->p, 32);
    *message = span_of(message->p + 32, message->n - 32);
    mix_ephemeral(h, &h->re);
}

enum err noise_read(uint8_t *out, struct noise_handshake *handshake, struct span message) {
    ASSERT(!handshake->failed && !noise_done(handshake) && !noise_writes_next(handshake));
    // with the whole overhead there, no read below goes past the end
    enum err err = message.n < noise_overhead(handshake) || message.n > NOISE_MESSAGE_BYTES_MAX ? ERR_AUTH : OK;
    enum token tokens[TOKENS_MAX];
    message_tokens(tokens, handshake);
    for (const enum token *t = tokens; err == OK && *t != END; t++) {
        if (*t == E)
            read_ephemeral(handshake, &message);
        else if (*t == S)
            err = read_static(handshake, &message);
        else
            err = mix_token(handshake, *t);
    }
    if (err == OK)
        err = decrypt_and_hash(out, handshake, message);
    handshake->message++;
    handshake->failed = err != OK;
    return err;
}

void noise_split(struct noise_cipher *send, struct noise_cipher *receive, const struct noise_handshake *handshake) {
    ASSERT(!handshake->failed && noise_done(handshake));
    uint8_t keys[64];
    hkdf_sha256(keys, sizeof keys, SPAN_OF(handshake->chaining_key), (struct span){0}, (struct span){0});
    cipher_set_key(handshake->initiator ? send : receive, keys);
    cipher_set_key(handshake->initiator ? receive : send, keys + 32);
    wipe(keys, sizeof keys);
}

// ---- one-way X ----

enum err noise_x_seal(uint8_t *out, const struct dh_secret *sender, const struct dh_public *recipient,
                      struct span prologue, struct span plain, struct rng *rng) {
    struct dh_secret ephemeral;
    rng_bytes(rng, ephemeral.bytes, sizeof ephemeral.bytes);
    const struct noise_config config = {.pattern = NOISE_X,
                                        .initiator = true,
                                        .prologue = prologue,
                                        .own = sender,
                                        .peer = recipient,
                                        .ephemeral = &ephemeral};
    struct noise_handshake handshake;
    noise_start(&handshake, &config);
    enum err err = noise_write(out, &handshake, plain);
    wipe(&handshake, sizeof handshake);
    wipe(&ephemeral, sizeof ephemeral);
    return err;
}

enum err noise_x_open(uint8_t *out, struct dh_public *sender, const struct dh_secret *recipient, struct span prologue,
                      struct span sealed) {
    const struct noise_config config = {.pattern = NOISE_X, .prologue = prologue, .own = recipient};
    struct noise_handshake handshake;
    noise_start(&handshake, &config);
    enum err err = noise_read(out, &handshake, sealed);
    if (err == OK)
        *sender = handshake.rs;
    wipe(&handshake, sizeof handshake);
    return err;
}
