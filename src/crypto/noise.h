// The Noise protocol framework (revision 34), 25519_ChaChaPoly_SHA256: the patterns Sotto uses (X, and with sessions
// Xpsk1 and KKpsk2) and those that test vectors exercise. Pure: ephemeral keys come from the caller's generator.
#ifndef SOTTO_CRYPTO_NOISE_H
#define SOTTO_CRYPTO_NOISE_H

#include "crypto/keys.h"

#define NOISE_X_OVERHEAD_BYTES 96 // e 32, sealed s 32 + 16, payload tag 16

// One-way X: out has plain.n + 96 bytes. `prologue` is bound, not sent. ERR_AUTH: the recipient's key is a bad point.
enum err noise_x_seal(uint8_t *out, const struct dh_secret *sender, const struct dh_public *recipient,
                      struct span prologue, struct span plain, struct rng *rng);
// ERR_AUTH: not for this key, another prologue, or changed. On success `sender` is authenticated (source property 1:
// a holder of the recipient's secret could forge it) and `out` has sealed.n - 96 bytes.
enum err noise_x_open(uint8_t *out, struct dh_public *sender, const struct dh_secret *recipient, struct span prologue,
                      struct span sealed);

// ---- handshakes of any pattern ----

enum noise_pattern { NOISE_N, NOISE_X, NOISE_NK, NOISE_KK, NOISE_XX, NOISE_IK, NOISE_IX, NOISE_PATTERNS };

#define NOISE_PSKS_MAX 4              // psk0 to psk3
#define NOISE_MESSAGE_BYTES_MAX 65535 // section 3 of the specification

// What a party brings. Pointers are needed only during noise_start; NULL where the pattern has no use for the key.
struct noise_config {
    enum noise_pattern pattern;
    uint8_t psk_places; // bit n set: the modifier psk<n>
    bool initiator;
    struct span prologue;
    const struct dh_secret *own;       // s
    const struct dh_public *peer;      // rs, where it is known beforehand
    const struct dh_secret *ephemeral; // e: fresh from the caller's generator, used for this handshake only
    const uint8_t (*psks)[32];         // one for each place, in order
};

// One direction of transport, or the key of a handshake. Secret.
struct noise_cipher {
    uint8_t key[32];
    uint64_t nonce;
    bool keyed;
};

// Secret. Wipe it when done.
struct noise_handshake {
    enum noise_pattern pattern;
    uint8_t psk_places;
    bool initiator;
    bool failed;     // a message was refused: nothing more can be done with it
    uint8_t message; // the next one
    uint8_t psks_used;
    uint8_t psks[NOISE_PSKS_MAX][32];
    struct dh_secret s, e;
    struct dh_public s_public, e_public, rs, re;
    uint8_t chaining_key[32];
    uint8_t hash[32]; // at the end: the channel binding, equal on both sides
    struct noise_cipher cipher;
};

void noise_start(struct noise_handshake *handshake, const struct noise_config *config);
bool noise_done(const struct noise_handshake *handshake); // every message written and read
// How many bytes the next message is longer than its payload.
size_t noise_overhead(const struct noise_handshake *handshake);
// Whether the next message is ours to write.
bool noise_writes_next(const struct noise_handshake *handshake);
// out has payload.n + noise_overhead bytes, at most NOISE_MESSAGE_BYTES_MAX. ERR_AUTH: a key of the peer is bad.
enum err noise_write(uint8_t *out, struct noise_handshake *handshake, struct span payload);
// out has message.n - noise_overhead bytes. ERR_AUTH: not what the peer should have sent; the handshake has failed.
enum err noise_read(uint8_t *out, struct noise_handshake *handshake, struct span message);
// Transport keys of a finished handshake; one-way patterns use only the initiator's.
void noise_split(struct noise_cipher *send, struct noise_cipher *receive, const struct noise_handshake *handshake);

// Transport messages; sealed is plain.n + 16 bytes. The nonce counts up by itself.
void noise_seal(uint8_t *out, struct noise_cipher *cipher, struct span ad, struct span plain);
// ERR_AUTH leaves the nonce as it was.
enum err noise_open(uint8_t *out, struct noise_cipher *cipher, struct span ad, struct span sealed);

#endif
