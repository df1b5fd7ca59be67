// Sphinx onion packets: made by a sender, peeled by each hop, answered through single-use reply blocks (SURBs).
// docs/spec/packet.md is the specification; Danezis and Goldberg 2009 the origin.
//
//   packet   version 1 | key epoch 1 | alpha 32 | beta 5 x 64 | gamma 16 | payload 2,048      = 2,418 bytes
//   slot     type 1 | flags 1 | delay_ms 4 | next_id 32 | next_gamma 16 | reserved 10          = 64 bytes
//   SURB     first hop 32 | header 370 | payload key seed 32                                    = 434 bytes
//
// All functions are pure and may run on any thread.
#ifndef SOTTO_CRYPTO_SPHINX_H
#define SOTTO_CRYPTO_SPHINX_H

#include "crypto/keys.h"

#define SPHINX_VERSION 1
#define SPHINX_HOPS_MAX 5
#define SPHINX_SLOT_BYTES 64
#define SPHINX_HEADER_BYTES 370
#define SPHINX_PAYLOAD_BYTES 2048
#define SPHINX_PACKET_BYTES 2418
#define SPHINX_TAG_BYTES 16    // zeros in front of every payload
#define SPHINX_BODY_BYTES 2030 // payload less tag and the length's two bytes
#define SPHINX_SURB_BYTES 434
#define SPHINX_SURB_ID_BYTES 16
#define SPHINX_REPLAY_TAG_BYTES 16

// What a hop does with what it peeled.
enum sphinx_slot_type {
    SPHINX_FORWARD = 1, // to the relay next_id after delay_ms
    SPHINX_DELIVER = 2, // this relay executes the payload
    SPHINX_CLIENT = 3,  // to a client on this relay: next_id is handle 16 | SURB id 16
};

struct sphinx_hop {
    uint8_t id[32];         // the relay's identity (Ed25519 public key)
    struct dh_public onion; // its onion key of the epoch
    uint8_t key_epoch;      // that epoch modulo 256
    uint32_t delay_ms;      // before it forwards (0 at the last hop)
};

// The last slot of a route.
struct sphinx_end {
    enum sphinx_slot_type type; // SPHINX_DELIVER or SPHINX_CLIENT
    uint8_t next_id[32];        // zeros for DELIVER
    uint64_t trace;             // goes into every slot of the route; 0 except in test networks
};

// Makes a forward packet to hops[0 .. count). 1 <= count <= 5; body.n <= SPHINX_BODY_BYTES.
// All hops must carry the same key_epoch. ERR_AUTH when a hop's onion key is a bad point.
enum err sphinx_make(uint8_t packet[static SPHINX_PACKET_BYTES], const struct sphinx_hop *hops, size_t count,
                     const struct sphinx_end *end, struct span body, struct rng *rng);

// What the maker of a SURB keeps to open its reply.
struct sphinx_surb_keys {
    uint8_t id[SPHINX_SURB_ID_BYTES];
    uint8_t count;                      // hops
    uint8_t seeds[SPHINX_HOPS_MAX][32]; // payload seeds of the hops, in route order
    uint8_t first[32];                  // the seed inside the SURB
};

// Makes a SURB whose reply travels hops[0 .. count), the last of which hands it to the client handle.
enum err sphinx_surb_make(uint8_t surb[static SPHINX_SURB_BYTES], struct sphinx_surb_keys *keys,
                          const struct sphinx_hop *hops, size_t count, const uint8_t handle[static 16],
                          struct rng *rng);
// Uses a SURB: the packet to hand to relay `first_hop`. body.n <= SPHINX_BODY_BYTES.
enum err sphinx_surb_use(uint8_t packet[static SPHINX_PACKET_BYTES], uint8_t first_hop[static 32],
                         const uint8_t surb[static SPHINX_SURB_BYTES], struct span body);
// Opens a reply in place (a payload of 2,048 bytes as a client link delivers it). `body` points into it.
// ERR_AUTH: not of this SURB, or changed on the way.
enum err sphinx_surb_open(uint8_t payload[static SPHINX_PAYLOAD_BYTES], struct span *body,
                          const struct sphinx_surb_keys *keys);

// The keys a relay may peel with: at most two epochs are acceptable at once.
struct sphinx_relay_key {
    uint32_t epoch;
    struct dh_secret secret;
    struct dh_public public;
};

struct sphinx_peeled {
    enum sphinx_slot_type type;
    uint32_t epoch; // of the key that fitted
    uint8_t replay_tag[SPHINX_REPLAY_TAG_BYTES];
    uint8_t next_id[32];
    uint32_t delay_ms;
    uint64_t trace;
    uint8_t packet[SPHINX_PACKET_BYTES]; // FORWARD: the packet for the next hop
                                         // DELIVER, CLIENT: only the last 2,048 bytes matter, the payload
};

// Peels one layer. Every failure is ERR_AUTH, without a reason and by the same path, and nothing is learned or kept:
// unknown version or epoch, bad point, wrong MAC, malformed slot, non-zero reserved bytes (unless allow_trace and only
// the trace field). The caller then tests and inserts the replay tag.
enum err sphinx_peel(struct sphinx_peeled *out, const struct sphinx_relay_key *keys, size_t key_count,
                     const uint8_t packet[static SPHINX_PACKET_BYTES], bool allow_trace);

// A delivered payload: checks the 16 zero bytes (constant time) and the length. ERR_AUTH otherwise.
// `body` points into the payload.
enum err sphinx_payload_open(struct span *body, const uint8_t payload[static SPHINX_PAYLOAD_BYTES]);

// LIONESS (Anderson and Biham 1996) with ChaCha20 and keyed BLAKE2b-256; n > 32; in place.
void lioness_encrypt(uint8_t *block, size_t n, const uint8_t key[static 192]);
void lioness_decrypt(uint8_t *block, size_t n, const uint8_t key[static 192]);

#endif
