// A relay under any packet, and a maker under any reply. The first byte chooses what the rest is:
//   even  a packet as it comes off a link
//   odd   the slots of a packet whose gamma is right: what stands behind the MAC, which no fuzzer would get past
#include <string.h>

#include "base/assert.h"
#include "crypto/sphinx_format.h"
#include "fuzz.h"

static void key_make(struct sphinx_relay_key *key) {
    static const uint8_t seed[32] = {1};
    key->epoch = 7;
    dh_key_from_seed(&key->secret, &key->public, seed);
}

// beta that opens to the given bytes, under an alpha that is any good point: the relay's own key.
static void packet_forge(uint8_t packet[static SPHINX_PACKET_BYTES], const struct sphinx_relay_key *key) {
    uint8_t shared[32], stream[STREAM_BYTES];
    struct sphinx_hop_keys keys;
    packet[AT_VERSION] = SPHINX_VERSION;
    packet[AT_EPOCH] = (uint8_t)key->epoch;
    memcpy(packet + AT_ALPHA, key->public.bytes, 32);
    ASSERT(dh_shared(shared, &key->secret, &key->public) == OK);
    sphinx_keys_derive(&keys, shared, packet + AT_ALPHA, &key->public);
    sphinx_header_stream(stream, keys.stream);
    for (size_t i = 0; i < BETA_BYTES; i++)
        packet[AT_BETA + i] ^= stream[i];
    sphinx_header_mac(packet + AT_GAMMA, keys.mac, packet);
}

static void peeled_check(const struct sphinx_peeled *peeled) {
    ASSERT(peeled->type == SPHINX_FORWARD || peeled->delay_ms == 0);
    ASSERT(peeled->type >= SPHINX_FORWARD && peeled->type <= SPHINX_CLIENT);
    ASSERT(peeled->epoch == 7);
    ASSERT(peeled->packet[AT_VERSION] == SPHINX_VERSION);
}

static void payload_check(const uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    struct span body;
    if (sphinx_payload_open(&body, payload) == OK) {
        ASSERT(body.p == payload + PAYLOAD_BODY);
        ASSERT(body.n <= SPHINX_BODY_BYTES);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    if (size == 0)
        return 0;
    struct sphinx_relay_key key;
    struct sphinx_peeled peeled;
    uint8_t packet[SPHINX_PACKET_BYTES] = {0};
    bool forged = data[0] & 1, allow_trace = data[0] & 2;
    size_t at = forged ? AT_BETA : 0;
    size_t n = size - 1 < sizeof packet - at ? size - 1 : sizeof packet - at;
    memcpy(packet + at, data + 1, n);
    key_make(&key);
    payload_check(packet + AT_PAYLOAD);
    if (forged)
        packet_forge(packet, &key);
    if (sphinx_peel(&peeled, &key, 1, packet, allow_trace) == OK) {
        peeled_check(&peeled);
        ASSERT(allow_trace || peeled.trace == 0);
        payload_check(peeled.packet + AT_PAYLOAD);
    }
    return 0;
}
