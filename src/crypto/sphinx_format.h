// Internal to crypto/: where things lie in a packet, and what a hop derives from the secret it shares with the maker.
// docs/spec/packet.md, "Layout" and "Keys of a hop".
#ifndef SOTTO_CRYPTO_SPHINX_FORMAT_H
#define SOTTO_CRYPTO_SPHINX_FORMAT_H

#include "crypto/sphinx.h"

// Packet.
#define AT_VERSION 0
#define AT_EPOCH 1
#define AT_ALPHA 2
#define AT_BETA 34
#define AT_GAMMA 354
#define AT_PAYLOAD SPHINX_HEADER_BYTES

#define BETA_BYTES (SPHINX_HOPS_MAX * SPHINX_SLOT_BYTES)
#define GAMMA_BYTES 16
#define STREAM_BYTES (BETA_BYTES + SPHINX_SLOT_BYTES) // beta and the slot that a hop shifts in

// Slot.
#define SLOT_TYPE 0
#define SLOT_FLAGS 1
#define SLOT_DELAY 2
#define SLOT_NEXT_ID 6
#define SLOT_NEXT_GAMMA 38
#define SLOT_RESERVED 54
#define SLOT_TRACE 56 // the last 8 of the reserved bytes

// Payload.
#define PAYLOAD_LENGTH SPHINX_TAG_BYTES
#define PAYLOAD_BODY (SPHINX_TAG_BYTES + 2)

// SURB.
#define SURB_FIRST_HOP 0
#define SURB_HEADER 32
#define SURB_SEED (SURB_HEADER + SPHINX_HEADER_BYTES)

_Static_assert(AT_BETA == AT_ALPHA + 32, "alpha");
_Static_assert(AT_GAMMA == AT_BETA + BETA_BYTES, "beta");
_Static_assert(AT_PAYLOAD == AT_GAMMA + GAMMA_BYTES, "gamma");
_Static_assert(SPHINX_PACKET_BYTES == AT_PAYLOAD + SPHINX_PAYLOAD_BYTES, "packet");
_Static_assert(SLOT_RESERVED == SLOT_NEXT_GAMMA + GAMMA_BYTES && SLOT_NEXT_GAMMA == SLOT_NEXT_ID + 32, "slot");
_Static_assert(SPHINX_SLOT_BYTES == SLOT_TRACE + 8, "slot");
_Static_assert(SPHINX_PAYLOAD_BYTES == PAYLOAD_BODY + SPHINX_BODY_BYTES, "payload");
_Static_assert(SPHINX_SURB_BYTES == SURB_SEED + 32, "surb");

// Secret. Two calls of the PRF give 64 bytes each, cut in halves.
struct sphinx_hop_keys {
    uint8_t mac[32];
    uint8_t stream[32];
    uint8_t payload[32]; // the seed of the LIONESS key
    uint8_t blind[32];
    uint8_t replay_tag[SPHINX_REPLAY_TAG_BYTES];
};

void sphinx_keys_derive(struct sphinx_hop_keys *out, const uint8_t shared[static 32], const uint8_t alpha[static 32],
                        const struct dh_public *onion);

// X25519 of a scalar, in place; ERR_AUTH: a bad point. Blinds are applied one after another like this: the product of
// clamped scalars modulo the order of the group is not clamped and would give another result.
enum err sphinx_point_times(uint8_t point[static 32], const uint8_t scalar[static 32]);

// gamma: over all of the header before it.
void sphinx_header_mac(uint8_t gamma[static GAMMA_BYTES], const uint8_t key[static 32],
                       const uint8_t header[static SPHINX_HEADER_BYTES]);
void sphinx_header_stream(uint8_t out[static STREAM_BYTES], const uint8_t key[static 32]);

void sphinx_payload_encrypt(uint8_t payload[static SPHINX_PAYLOAD_BYTES], const uint8_t seed[static 32]);
void sphinx_payload_decrypt(uint8_t payload[static SPHINX_PAYLOAD_BYTES], const uint8_t seed[static 32]);

// All the randomness of a header. Drawn whole whatever the length of the route.
struct sphinx_header_random {
    uint8_t ephemeral[32];                                      // the X25519 scalar behind the first alpha
    uint8_t end_gamma[GAMMA_BYTES];                             // next_gamma of the last slot
    uint8_t padding[(SPHINX_HOPS_MAX - 1) * SPHINX_SLOT_BYTES]; // unused slots, from the first
};

// The header for hops[0 .. count) and the payload seed of each hop. ERR_AUTH: a hop's onion key is a bad point.
enum err sphinx_header_make(uint8_t header[static SPHINX_HEADER_BYTES], uint8_t seeds[static SPHINX_HOPS_MAX][32],
                            const struct sphinx_hop *hops, size_t count, const struct sphinx_end *end,
                            const struct sphinx_header_random *random);

// A reply block out of given randomness: what sphinx_surb_make does after drawing.
struct sphinx_surb_random {
    struct sphinx_header_random header;
    uint8_t id[SPHINX_SURB_ID_BYTES];
    uint8_t seed[32];
};

enum err sphinx_surb_make_with(uint8_t surb[static SPHINX_SURB_BYTES], struct sphinx_surb_keys *keys,
                               const struct sphinx_hop *hops, size_t count, const uint8_t handle[static 16],
                               const struct sphinx_surb_random *random);
enum err sphinx_make_with(uint8_t packet[static SPHINX_PACKET_BYTES], const struct sphinx_hop *hops, size_t count,
                          const struct sphinx_end *end, struct span body, const struct sphinx_header_random *random);

_Static_assert(sizeof(struct sphinx_header_random) == 32 + 16 + 256, "drawn as one piece: no padding");
_Static_assert(sizeof(struct sphinx_surb_random) == 32 + 16 + 256 + 16 + 32, "drawn as one piece: no padding");

#endif
