// What a hop does with a packet: peel one layer, open what is delivered. Makers are in sphinx_make.c.
#include "crypto/sphinx.h"

#include <sodium.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/sphinx_format.h"

// The key whose epoch the packet names; NULL for another version or epoch. Both bytes are open to everybody on the
// way, so finding out early tells nobody anything.
static const struct sphinx_relay_key *key_for(const struct sphinx_relay_key *keys, size_t key_count,
                                              const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    if (packet[AT_VERSION] != SPHINX_VERSION)
        return NULL;
    for (size_t i = 0; i < key_count; i++) {
        if ((uint8_t)keys[i].epoch == packet[AT_EPOCH])
            return &keys[i];
    }
    return NULL;
}

// The keys of this hop, if alpha is a good point and gamma fits.
static bool header_opens(struct sphinx_hop_keys *hop, const struct sphinx_relay_key *key,
                         const uint8_t header[static SPHINX_HEADER_BYTES]) {
    struct dh_public alpha;
    memcpy(alpha.bytes, header + AT_ALPHA, sizeof alpha.bytes);
    uint8_t shared[32];
    bool ok = dh_shared(shared, &key->secret, &alpha) == OK;
    if (ok) {
        uint8_t gamma[GAMMA_BYTES];
        sphinx_keys_derive(hop, shared, alpha.bytes, &key->public);
        sphinx_header_mac(gamma, hop->mac, header);
        ok = sodium_memcmp(gamma, header + AT_GAMMA, sizeof gamma) == 0;
    }
    wipe(shared, sizeof shared);
    return ok;
}

// Every bit of a slot has one meaning and one place, so that a maker cannot mark packets for a hop it knows.
static bool slot_is_valid(const uint8_t slot[static SPHINX_SLOT_BYTES], bool allow_trace) {
    bool end = slot[SLOT_TYPE] == SPHINX_DELIVER || slot[SLOT_TYPE] == SPHINX_CLIENT;
    size_t reserved = allow_trace ? SLOT_TRACE - SLOT_RESERVED : SPHINX_SLOT_BYTES - SLOT_RESERVED;
    return (end || slot[SLOT_TYPE] == SPHINX_FORWARD) && slot[SLOT_FLAGS] == 0 &&
           sodium_is_zero(slot + SLOT_RESERVED, reserved) && (!end || sodium_is_zero(slot + SLOT_DELAY, 4)) &&
           (slot[SLOT_TYPE] != SPHINX_DELIVER || sodium_is_zero(slot + SLOT_NEXT_ID, 32));
}

static void slot_read(struct sphinx_peeled *out, const uint8_t slot[static SPHINX_SLOT_BYTES]) {
    out->type = (enum sphinx_slot_type)slot[SLOT_TYPE];
    out->delay_ms = load_u32(slot + SLOT_DELAY);
    memcpy(out->next_id, slot + SLOT_NEXT_ID, sizeof out->next_id);
    out->trace = load_u64(slot + SLOT_TRACE);
}

// beta decrypted: the hop's slot, then the next hop's beta.
static void beta_open(uint8_t opened[static STREAM_BYTES], const uint8_t beta[static BETA_BYTES],
                      const uint8_t key[static 32]) {
    sphinx_header_stream(opened, key);
    for (size_t i = 0; i < BETA_BYTES; i++)
        opened[i] ^= beta[i];
}

enum err sphinx_peel(struct sphinx_peeled *out, const struct sphinx_relay_key *keys, size_t key_count,
                     const uint8_t packet[static SPHINX_PACKET_BYTES], bool allow_trace) {
    const struct sphinx_relay_key *key = key_for(keys, key_count, packet);
    struct sphinx_hop_keys hop;
    uint8_t opened[STREAM_BYTES];
    uint8_t alpha[32];
    bool ok = key != NULL && header_opens(&hop, key, packet);
    if (ok) {
        beta_open(opened, packet + AT_BETA, hop.stream);
        memcpy(alpha, packet + AT_ALPHA, sizeof alpha);
        ok = slot_is_valid(opened, allow_trace) && sphinx_point_times(alpha, hop.blind) == OK;
    }
    if (ok) {
        // The same work for every type of slot: how long a packet takes does not tell where it ends.
        slot_read(out, opened);
        out->epoch = key->epoch;
        memcpy(out->replay_tag, hop.replay_tag, sizeof out->replay_tag);
        memcpy(out->packet, packet, AT_ALPHA);
        memcpy(out->packet + AT_ALPHA, alpha, sizeof alpha);
        memcpy(out->packet + AT_BETA, opened + SPHINX_SLOT_BYTES, BETA_BYTES);
        memcpy(out->packet + AT_GAMMA, opened + SLOT_NEXT_GAMMA, GAMMA_BYTES);
        memcpy(out->packet + AT_PAYLOAD, packet + AT_PAYLOAD, SPHINX_PAYLOAD_BYTES);
        sphinx_payload_decrypt(out->packet + AT_PAYLOAD, hop.payload);
    }
    wipe(&hop, sizeof hop);
    wipe(opened, sizeof opened);
    return ok ? OK : ERR_AUTH;
}

enum err sphinx_payload_open(struct span *body, const uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    size_t n = load_u16(payload + PAYLOAD_LENGTH);
    if (!sodium_is_zero(payload, SPHINX_TAG_BYTES) || n > SPHINX_BODY_BYTES)
        return ERR_AUTH;
    *body = span_of(payload + PAYLOAD_BODY, n);
    return OK;
}
