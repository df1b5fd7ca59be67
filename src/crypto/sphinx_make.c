// Making packets and reply blocks. docs/spec/packet.md, "Making a header".
#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/sphinx_format.h"

// What the maker knows of one hop.
struct made_hop {
    struct sphinx_hop_keys keys;
    uint8_t alpha[32];
    uint8_t stream[STREAM_BYTES];
};

static void xor_into(uint8_t *out, const uint8_t *with, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] ^= with[i];
}

// The secret shared with hop i: its onion key times the ephemeral scalar, times the blinds of the hops before it.
static enum err shared_secret(uint8_t shared[static 32], const struct made_hop *made, size_t i,
                              const struct dh_public *onion, const uint8_t ephemeral[static 32]) {
    memcpy(shared, onion->bytes, 32);
    enum err err = sphinx_point_times(shared, ephemeral);
    for (size_t j = 0; err == OK && j < i; j++)
        err = sphinx_point_times(shared, made[j].keys.blind);
    return err;
}

static enum err hops_derive(struct made_hop *made, const struct sphinx_hop *hops, size_t count,
                            const uint8_t ephemeral[static 32]) {
    uint8_t alpha[32];
    crypto_scalarmult_curve25519_base(alpha, ephemeral);
    uint8_t shared[32];
    enum err err = OK;
    for (size_t i = 0; err == OK && i < count; i++) {
        memcpy(made[i].alpha, alpha, sizeof alpha);
        err = shared_secret(shared, made, i, &hops[i].onion, ephemeral);
        if (err == OK) {
            sphinx_keys_derive(&made[i].keys, shared, alpha, &hops[i].onion);
            sphinx_header_stream(made[i].stream, made[i].keys.stream);
            err = sphinx_point_times(alpha, made[i].keys.blind);
        }
    }
    wipe(shared, sizeof shared);
    return err;
}

static void slot_write(uint8_t slot[static SPHINX_SLOT_BYTES], enum sphinx_slot_type type, uint32_t delay_ms,
                       const uint8_t next_id[static 32], const uint8_t next_gamma[static GAMMA_BYTES], uint64_t trace) {
    memset(slot, 0, SPHINX_SLOT_BYTES);
    slot[SLOT_TYPE] = (uint8_t)type;
    store_u32(slot + SLOT_DELAY, delay_ms);
    memcpy(slot + SLOT_NEXT_ID, next_id, 32);
    memcpy(slot + SLOT_NEXT_GAMMA, next_gamma, GAMMA_BYTES);
    store_u64(slot + SLOT_TRACE, trace);
}

// What the hops before the last will have shifted into the end of its beta.
static void filler_write(uint8_t *filler, const struct made_hop *made, size_t count) {
    for (size_t i = 0; i + 1 < count; i++) {
        size_t n = (i + 1) * SPHINX_SLOT_BYTES;
        memset(filler + n - SPHINX_SLOT_BYTES, 0, SPHINX_SLOT_BYTES);
        xor_into(filler, made[i].stream + STREAM_BYTES - n, n);
    }
}

static void beta_of_last(uint8_t beta[static BETA_BYTES], const struct made_hop *made, size_t count,
                         const struct sphinx_end *end, const struct sphinx_header_random *random) {
    size_t filler_n = (count - 1) * SPHINX_SLOT_BYTES;
    size_t own_n = BETA_BYTES - filler_n;
    slot_write(beta, end->type, 0, end->next_id, random->end_gamma, end->trace);
    memcpy(beta + SPHINX_SLOT_BYTES, random->padding, own_n - SPHINX_SLOT_BYTES);
    xor_into(beta, made[count - 1].stream, own_n);
    filler_write(beta + own_n, made, count);
}

// Wraps beta, which is hop i + 1's, for hop i.
static void beta_wrap(uint8_t beta[static BETA_BYTES], const uint8_t slot[static SPHINX_SLOT_BYTES],
                      const struct made_hop *hop) {
    memmove(beta + SPHINX_SLOT_BYTES, beta, BETA_BYTES - SPHINX_SLOT_BYTES);
    memcpy(beta, slot, SPHINX_SLOT_BYTES);
    xor_into(beta, hop->stream, BETA_BYTES);
}

// From the last hop to the first, each gamma going into the slot of the hop before.
static void header_wrap(uint8_t header[static SPHINX_HEADER_BYTES], const struct made_hop *made,
                        const struct sphinx_hop *hops, size_t count, const struct sphinx_end *end,
                        const struct sphinx_header_random *random) {
    header[AT_VERSION] = SPHINX_VERSION;
    header[AT_EPOCH] = hops[0].key_epoch;
    beta_of_last(header + AT_BETA, made, count, end, random);
    for (size_t i = count; i-- > 0;) {
        if (i + 1 < count) {
            uint8_t slot[SPHINX_SLOT_BYTES];
            slot_write(slot, SPHINX_FORWARD, hops[i].delay_ms, hops[i + 1].id, header + AT_GAMMA, end->trace);
            beta_wrap(header + AT_BETA, slot, &made[i]);
        }
        memcpy(header + AT_ALPHA, made[i].alpha, 32);
        sphinx_header_mac(header + AT_GAMMA, made[i].keys.mac, header);
    }
}

enum err sphinx_header_make(uint8_t header[static SPHINX_HEADER_BYTES], uint8_t seeds[static SPHINX_HOPS_MAX][32],
                            const struct sphinx_hop *hops, size_t count, const struct sphinx_end *end,
                            const struct sphinx_header_random *random) {
    ASSERT(count >= 1 && count <= SPHINX_HOPS_MAX);
    ASSERT(end->type == SPHINX_DELIVER || end->type == SPHINX_CLIENT);
    for (size_t i = 1; i < count; i++)
        ASSERT(hops[i].key_epoch == hops[0].key_epoch);
    struct made_hop made[SPHINX_HOPS_MAX];
    enum err err = hops_derive(made, hops, count, random->ephemeral);
    if (err == OK) {
        header_wrap(header, made, hops, count, end, random);
        for (size_t i = 0; i < count; i++)
            memcpy(seeds[i], made[i].keys.payload, 32);
    }
    wipe(made, sizeof made);
    return err;
}

static void payload_write(uint8_t payload[static SPHINX_PAYLOAD_BYTES], struct span body) {
    ASSERT(body.n <= SPHINX_BODY_BYTES);
    memset(payload, 0, SPHINX_PAYLOAD_BYTES);
    store_u16(payload + PAYLOAD_LENGTH, (uint16_t)body.n);
    if (body.n > 0)
        memcpy(payload + PAYLOAD_BODY, body.p, body.n);
}

enum err sphinx_make_with(uint8_t packet[static SPHINX_PACKET_BYTES], const struct sphinx_hop *hops, size_t count,
                          const struct sphinx_end *end, struct span body, const struct sphinx_header_random *random) {
    uint8_t seeds[SPHINX_HOPS_MAX][32];
    enum err err = sphinx_header_make(packet, seeds, hops, count, end, random);
    if (err == OK) {
        payload_write(packet + AT_PAYLOAD, body);
        for (size_t i = count; i-- > 0;)
            sphinx_payload_encrypt(packet + AT_PAYLOAD, seeds[i]);
    }
    wipe(seeds, sizeof seeds);
    return err;
}

enum err sphinx_make(uint8_t packet[static SPHINX_PACKET_BYTES], const struct sphinx_hop *hops, size_t count,
                     const struct sphinx_end *end, struct span body, struct rng *rng) {
    struct sphinx_header_random random;
    rng_bytes(rng, &random, sizeof random);
    enum err err = sphinx_make_with(packet, hops, count, end, body, &random);
    wipe(&random, sizeof random);
    return err;
}

enum err sphinx_surb_make_with(uint8_t surb[static SPHINX_SURB_BYTES], struct sphinx_surb_keys *keys,
                               const struct sphinx_hop *hops, size_t count, const uint8_t handle[static 16],
                               const struct sphinx_surb_random *random) {
    struct sphinx_end end = {.type = SPHINX_CLIENT};
    memcpy(end.next_id, handle, 16);
    memcpy(end.next_id + 16, random->id, SPHINX_SURB_ID_BYTES);
    struct sphinx_surb_keys made = {.count = (uint8_t)count};
    enum err err = sphinx_header_make(surb + SURB_HEADER, made.seeds, hops, count, &end, &random->header);
    if (err == OK) {
        memcpy(surb + SURB_FIRST_HOP, hops[0].id, 32);
        memcpy(surb + SURB_SEED, random->seed, sizeof random->seed);
        memcpy(made.id, random->id, sizeof made.id);
        memcpy(made.first, random->seed, sizeof made.first);
        *keys = made;
    }
    wipe(&made, sizeof made);
    return err;
}

enum err sphinx_surb_make(uint8_t surb[static SPHINX_SURB_BYTES], struct sphinx_surb_keys *keys,
                          const struct sphinx_hop *hops, size_t count, const uint8_t handle[static 16],
                          struct rng *rng) {
    struct sphinx_surb_random random;
    rng_bytes(rng, &random, sizeof random);
    enum err err = sphinx_surb_make_with(surb, keys, hops, count, handle, &random);
    wipe(&random, sizeof random);
    return err;
}

enum err sphinx_surb_use(uint8_t packet[static SPHINX_PACKET_BYTES], uint8_t first_hop[static 32],
                         const uint8_t surb[static SPHINX_SURB_BYTES], struct span body) {
    if (surb[SURB_HEADER + AT_VERSION] != SPHINX_VERSION)
        return ERR_MALFORMED;
    memcpy(first_hop, surb + SURB_FIRST_HOP, 32);
    memcpy(packet, surb + SURB_HEADER, SPHINX_HEADER_BYTES);
    payload_write(packet + AT_PAYLOAD, body);
    sphinx_payload_encrypt(packet + AT_PAYLOAD, surb + SURB_SEED);
    return OK;
}

enum err sphinx_surb_open(uint8_t payload[static SPHINX_PAYLOAD_BYTES], struct span *body,
                          const struct sphinx_surb_keys *keys) {
    ASSERT(keys->count >= 1 && keys->count <= SPHINX_HOPS_MAX);
    for (size_t i = keys->count; i-- > 0;)
        sphinx_payload_encrypt(payload, keys->seeds[i]);
    sphinx_payload_decrypt(payload, keys->first);
    return sphinx_payload_open(body, payload);
}
