// Each attack on the packet format that is known from the literature or from other networks, and the answer to it.
// docs/spec/packet.md, "Attacks and answers". Replay filters, loops and delays are tested with the relay.
#include <openssl/bn.h>

#include "crypto/route.h"
#include "crypto/sphinx_format.h"

#define BIT(bit) ((uint8_t)(1 << (bit) % 8))

// Refused, and nothing given away: the output is as it was.
static void assert_refused(const struct sphinx_relay_key *keys, size_t key_count,
                           const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    struct sphinx_peeled peeled, untouched;
    memset(&peeled, 0xaa, sizeof peeled);
    memset(&untouched, 0xaa, sizeof untouched);
    assert_int_equal(sphinx_peel(&peeled, keys, key_count, packet, false), ERR_AUTH);
    assert_memory_equal(&peeled, &untouched, sizeof peeled);
}

static size_t ones(const uint8_t *p, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint8_t byte = p[i]; byte != 0; byte &= (uint8_t)(byte - 1))
            count++;
    }
    return count;
}

// Half of the bits are ones, within 8 standard deviations (sqrt(bits) / 2 each): chance fails once in 10^15.
static void assert_looks_random(size_t one_bits, size_t bits) {
    size_t off = one_bits > bits / 2 ? one_bits - bits / 2 : bits / 2 - one_bits;
    if (off * off > 16 * bits)
        fail_msg("%zu ones in %zu bits", one_bits, bits);
}

// ---- the header ----

static void the_last_hop_cannot_tell_the_length_of_the_route(void **state) {
    (void)state;
    enum { PACKETS = 64 };
    struct route route;
    route_init(&route, 1);
    for (size_t count = 1; count <= SPHINX_HOPS_MAX; count++) {
        size_t one_bits[SPHINX_HOPS_MAX] = {0};
        for (int i = 0; i < PACKETS; i++) {
            uint8_t packet[SPHINX_PACKET_BYTES];
            route_make(packet, &route, count, SPAN_LITERAL("x"));
            struct sphinx_peeled last = route_walk(packet, &route, count);
            for (size_t slot = 0; slot < SPHINX_HOPS_MAX; slot++)
                one_bits[slot] += ones(last.packet + AT_BETA + slot * SPHINX_SLOT_BYTES, SPHINX_SLOT_BYTES);
        }
        for (size_t slot = 0; slot < SPHINX_HOPS_MAX; slot++)
            assert_looks_random(one_bits[slot], (size_t)PACKETS * SPHINX_SLOT_BYTES * 8);
    }
}

static void every_flipped_header_bit_is_refused_alike(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 2);
    struct sphinx_relay_key keys[2] = {route.keys[0], route.keys[0]};
    keys[1].epoch ^= 1; // a flip of the epoch's lowest bit leads to an epoch that is accepted too
    uint8_t packet[SPHINX_PACKET_BYTES];
    route_make(packet, &route, 3, SPAN_LITERAL("x"));
    for (size_t bit = 0; bit < 8 * SPHINX_HEADER_BYTES; bit++) {
        packet[bit / 8] ^= BIT(bit);
        assert_refused(keys, 2, packet);
        packet[bit / 8] ^= BIT(bit);
    }
    struct sphinx_peeled peeled;
    assert_int_equal(sphinx_peel(&peeled, keys, 2, packet, false), OK);
}

static void another_version_or_epoch_is_refused(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 3);
    uint8_t packet[SPHINX_PACKET_BYTES];
    route_make(packet, &route, 3, SPAN_LITERAL("x"));
    for (size_t at = AT_VERSION; at <= AT_EPOCH; at++) {
        uint8_t right = packet[at];
        for (unsigned value = 0; value < 256; value++) {
            packet[at] = (uint8_t)value;
            if (value != right)
                assert_refused(route.keys, 1, packet);
        }
        packet[at] = right;
    }
}

static void a_packet_for_another_relay_is_refused(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 4);
    uint8_t packet[SPHINX_PACKET_BYTES];
    route_make(packet, &route, 3, SPAN_LITERAL("x"));
    assert_refused(&route.keys[1], 1, packet);
    // the right secret under another public key: the keys of the hop are bound to it
    struct sphinx_relay_key mixed = route.keys[0];
    mixed.public = route.keys[1].public;
    assert_refused(&mixed, 1, packet);
}

static void random_packets_are_refused(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 5);
    for (int i = 0; i < 300; i++) {
        uint8_t packet[SPHINX_PACKET_BYTES];
        rng_bytes(&route.rng, packet, sizeof packet);
        packet[AT_VERSION] = SPHINX_VERSION;
        packet[AT_EPOCH] = (uint8_t)route.keys[0].epoch;
        packet[AT_ALPHA + 31] &= 0x7f;
        assert_refused(route.keys, 1, packet);
    }
}

// ---- alpha ----

// A one-hop packet for relay 0 over any alpha, with the gamma that a hop which did not look at alpha would accept.
static void forge(uint8_t packet[static SPHINX_PACKET_BYTES], const struct route *route, const uint8_t alpha[32]) {
    uint8_t shared[32];
    struct sphinx_hop_keys keys;
    uint8_t stream[STREAM_BYTES];
    if (crypto_scalarmult_curve25519(shared, route->keys[0].secret.bytes, alpha) != 0)
        memset(shared, 0, sizeof shared);
    sphinx_keys_derive(&keys, shared, alpha, &route->keys[0].public);
    sphinx_header_stream(stream, keys.stream);
    memset(packet, 0, SPHINX_PACKET_BYTES);
    packet[AT_VERSION] = SPHINX_VERSION;
    packet[AT_EPOCH] = (uint8_t)route->keys[0].epoch;
    memcpy(packet + AT_ALPHA, alpha, 32);
    memcpy(packet + AT_BETA, stream, BETA_BYTES);
    packet[AT_BETA + SLOT_TYPE] ^= SPHINX_DELIVER;
    sphinx_header_mac(packet + AT_GAMMA, keys.mac, packet);
}

static void forged_packets_are_right_but_for_alpha(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 6);
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct sphinx_peeled peeled;
    forge(packet, &route, route.keys[1].public.bytes);
    assert_int_equal(sphinx_peel(&peeled, route.keys, 1, packet, false), OK);
}

static void alpha_with_bit_255_set_is_refused(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 7);
    uint8_t packet[SPHINX_PACKET_BYTES], alpha[32], same[32], other[32];
    memcpy(alpha, route.keys[1].public.bytes, 32);
    assert_int_equal(crypto_scalarmult_curve25519(same, route.keys[0].secret.bytes, alpha), 0);
    alpha[31] |= 0x80; // the same secret: X25519 ignores the bit
    assert_int_equal(crypto_scalarmult_curve25519(other, route.keys[0].secret.bytes, alpha), 0);
    assert_memory_equal(same, other, 32);
    forge(packet, &route, alpha);
    assert_refused(route.keys, 1, packet);
    route_make(packet, &route, 3, SPAN_LITERAL("x"));
    packet[AT_ALPHA + 31] |= 0x80;
    assert_refused(route.keys, 1, packet);
}

static void a_non_canonical_alpha_is_refused(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 8);
    uint8_t packet[SPHINX_PACKET_BYTES], alpha[32];
    memset(alpha, 0xff, sizeof alpha);
    alpha[31] = 0x7f;
    for (unsigned low = 0xed; low <= 0xff; low++) { // p .. 2^255 - 1
        alpha[0] = (uint8_t)low;
        forge(packet, &route, alpha);
        assert_refused(route.keys, 1, packet);
    }
}

static void an_alpha_of_low_order_is_refused(void **state) {
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct route route;
    route_init(&route, 9);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        uint8_t packet[SPHINX_PACKET_BYTES], alpha[32];
        assert_int_equal(hex_decode(alpha, sizeof alpha, points[i]), OK);
        forge(packet, &route, alpha);
        assert_refused(route.keys, 1, packet);
    }
}

// 1 / u modulo p: the point plus (0, 0), which is of order two.
static void point_plus_order_two(uint8_t out[static 32], const uint8_t u[static 32]) {
    BN_CTX *context = BN_CTX_new();
    BIGNUM *n = BN_lebin2bn(u, 32, NULL), *p = NULL;
    assert_true(BN_hex2bn(&p, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed") > 0);
    assert_non_null(BN_mod_inverse(n, n, p, context));
    assert_int_equal(BN_bn2lebinpad(n, out, 32), 32);
    BN_free(n);
    BN_free(p);
    BN_CTX_free(context);
}

static void alpha_plus_a_point_of_low_order_gives_other_keys(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 10);
    uint8_t packet[SPHINX_PACKET_BYTES], same[32], other[32];
    route_make(packet, &route, 3, SPAN_LITERAL("x"));
    assert_int_equal(crypto_scalarmult_curve25519(same, route.keys[0].secret.bytes, packet + AT_ALPHA), 0);
    struct dh_public alpha;
    memcpy(alpha.bytes, packet + AT_ALPHA, 32);
    point_plus_order_two(packet + AT_ALPHA, alpha.bytes);
    assert_memory_not_equal(alpha.bytes, packet + AT_ALPHA, 32);
    assert_int_equal(crypto_scalarmult_curve25519(other, route.keys[0].secret.bytes, packet + AT_ALPHA), 0);
    assert_memory_equal(same, other, 32);
    assert_refused(route.keys, 1, packet);
    // not even with a gamma by the key of the original packet
    struct sphinx_hop_keys keys;
    sphinx_keys_derive(&keys, same, alpha.bytes, &route.keys[0].public);
    sphinx_header_mac(packet + AT_GAMMA, keys.mac, packet);
    assert_refused(route.keys, 1, packet);
}

// ---- the slot ----

// What a maker who writes a stray bit into its own slot gets: the type's other values that exist, and the fields that
// are free, pass; nothing else.
static bool stray_bit_may_pass(size_t bit, bool allow_trace) {
    size_t at = bit / 8;
    if (at >= SLOT_NEXT_GAMMA && at < SLOT_RESERVED)
        return true; // ignored at the last hop
    if (at >= SLOT_TRACE)
        return allow_trace;
    return bit == 0; // deliver 2 becomes client 3
}

static void a_slot_with_a_stray_bit_is_refused(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 11);
    for (size_t bit = 0; bit < 8 * SPHINX_SLOT_BYTES; bit++) {
        uint8_t packet[SPHINX_PACKET_BYTES], shared[32];
        struct dh_public alpha;
        struct sphinx_hop_keys keys;
        struct sphinx_peeled peeled;
        route_make(packet, &route, 1, SPAN_LITERAL("x"));
        memcpy(alpha.bytes, packet + AT_ALPHA, 32);
        assert_int_equal(dh_shared(shared, &route.keys[0].secret, &alpha), OK);
        sphinx_keys_derive(&keys, shared, alpha.bytes, &route.keys[0].public);
        packet[AT_BETA + bit / 8] ^= BIT(bit); // beta is a stream cipher's
        sphinx_header_mac(packet + AT_GAMMA, keys.mac, packet);
        for (int allow_trace = 0; allow_trace < 2; allow_trace++) {
            enum err expected = stray_bit_may_pass(bit, allow_trace) ? OK : ERR_AUTH;
            assert_int_equal(sphinx_peel(&peeled, route.keys, 1, packet, allow_trace), expected);
        }
    }
}

// ---- the payload ----

static void a_flipped_payload_bit_leaves_noise_in_both_halves(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 12);
    uint8_t seed[32], whole[SPHINX_PAYLOAD_BYTES], opened[SPHINX_PAYLOAD_BYTES], flipped[SPHINX_PAYLOAD_BYTES];
    rng_bytes(&route.rng, seed, sizeof seed);
    rng_bytes(&route.rng, whole, sizeof whole);
    memcpy(opened, whole, sizeof opened);
    sphinx_payload_decrypt(opened, seed);
    for (size_t bit = 0; bit < 8 * sizeof whole; bit++) {
        memcpy(flipped, whole, sizeof flipped);
        flipped[bit / 8] ^= BIT(bit);
        sphinx_payload_decrypt(flipped, seed);
        for (size_t i = 0; i < sizeof flipped; i++)
            flipped[i] ^= opened[i];
        assert_looks_random(ones(flipped, 32), 8 * 32);
        assert_looks_random(ones(flipped + 32, sizeof flipped - 32), 8 * (sizeof flipped - 32));
    }
}

static void a_flipped_payload_bit_is_refused_silently(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 13);
    uint8_t mailbox[32];
    rng_bytes(&route.rng, mailbox, sizeof mailbox);
    for (size_t bit = 0; bit < 8 * SPHINX_PAYLOAD_BYTES; bit += 101) {
        uint8_t packet[SPHINX_PACKET_BYTES];
        route_make(packet, &route, 3, SPAN_OF(mailbox));
        packet[AT_PAYLOAD + bit / 8] ^= BIT(bit);
        route_walk(packet, &route, 3); // the hops see nothing of it: there is no MAC on the payload
        struct span body;
        assert_int_equal(sphinx_payload_open(&body, packet + AT_PAYLOAD), ERR_AUTH);
        for (size_t i = AT_PAYLOAD; i + 8 <= sizeof packet; i++) // and the mailbox is not learned
            assert_memory_not_equal(packet + i, mailbox, 8);
    }
}

static void a_delivered_payload_needs_its_zeros_and_a_length_that_fits(void **state) {
    (void)state;
    uint8_t payload[SPHINX_PAYLOAD_BYTES] = {0};
    struct span body;
    payload[16] = 2030 >> 8;
    payload[17] = 2030 & 0xff;
    assert_int_equal(sphinx_payload_open(&body, payload), OK);
    assert_int_equal(body.n, 2030);
    assert_true(body.p == payload + 18);
    payload[17]++;
    assert_int_equal(sphinx_payload_open(&body, payload), ERR_AUTH);
    payload[16] = payload[17] = 0xff;
    assert_int_equal(sphinx_payload_open(&body, payload), ERR_AUTH);
    payload[16] = payload[17] = 0;
    for (size_t bit = 0; bit < 8 * SPHINX_TAG_BYTES; bit++) {
        payload[bit / 8] ^= BIT(bit);
        assert_int_equal(sphinx_payload_open(&body, payload), ERR_AUTH);
        payload[bit / 8] ^= BIT(bit);
    }
}

// ---- replay ----

static void the_replay_tag_depends_on_the_header_alone(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 14);
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct sphinx_peeled first, again, next, other;
    route_make(packet, &route, 3, SPAN_LITERAL("x"));
    assert_int_equal(sphinx_peel(&first, route.keys, 1, packet, false), OK);
    rng_bytes(&route.rng, packet + AT_PAYLOAD, SPHINX_PAYLOAD_BYTES);
    assert_int_equal(sphinx_peel(&again, route.keys, 1, packet, false), OK);
    assert_memory_equal(first.replay_tag, again.replay_tag, sizeof first.replay_tag);
    assert_int_equal(sphinx_peel(&next, &route.keys[1], 1, first.packet, false), OK);
    assert_memory_not_equal(first.replay_tag, next.replay_tag, sizeof first.replay_tag);
    route_make(packet, &route, 3, SPAN_LITERAL("x"));
    assert_int_equal(sphinx_peel(&other, route.keys, 1, packet, false), OK);
    assert_memory_not_equal(first.replay_tag, other.replay_tag, sizeof first.replay_tag);
}

static void reply_make(uint8_t packet[static SPHINX_PACKET_BYTES], uint8_t surb[static SPHINX_SURB_BYTES],
                       struct route *route, size_t count) {
    struct sphinx_surb_keys keys;
    uint8_t first_hop[32], handle[16];
    rng_bytes(&route->rng, handle, sizeof handle);
    assert_int_equal(sphinx_surb_make(surb, &keys, route->hops, count, handle, &route->rng), OK);
    assert_int_equal(sphinx_surb_use(packet, first_hop, surb, SPAN_LITERAL("an answer")), OK);
}

static void two_uses_of_a_reply_block_have_one_replay_tag(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 15);
    uint8_t packet[SPHINX_PACKET_BYTES], surb[SPHINX_SURB_BYTES], first_hop[32];
    struct sphinx_peeled first, second;
    reply_make(packet, surb, &route, 3);
    assert_int_equal(sphinx_peel(&first, route.keys, 1, packet, false), OK);
    assert_int_equal(sphinx_surb_use(packet, first_hop, surb, SPAN_LITERAL("another answer")), OK);
    assert_int_equal(sphinx_peel(&second, route.keys, 1, packet, false), OK);
    assert_memory_equal(first.replay_tag, second.replay_tag, sizeof first.replay_tag);
}

// ---- recognising packets ----

static void no_8_bytes_of_a_packet_survive_a_hop(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 16);
    uint8_t packet[SPHINX_PACKET_BYTES], surb[SPHINX_SURB_BYTES];
    for (int reply = 0; reply < 2; reply++) {
        if (reply)
            reply_make(packet, surb, &route, 5);
        else
            route_make(packet, &route, 5, SPAN_LITERAL("the same text at every hop"));
        assert_true(shares_8_bytes(packet + AT_ALPHA, packet + AT_ALPHA, SPHINX_PACKET_BYTES - AT_ALPHA));
        for (size_t i = 0; i < 5; i++) {
            struct sphinx_peeled peeled;
            assert_int_equal(sphinx_peel(&peeled, &route.keys[i], 1, packet, false), OK);
            assert_memory_equal(packet, peeled.packet, AT_ALPHA);
            assert_false(shares_8_bytes(packet + AT_ALPHA, peeled.packet + AT_ALPHA, SPHINX_PACKET_BYTES - AT_ALPHA));
            memcpy(packet, peeled.packet, sizeof packet);
        }
    }
}

// The ones in alpha (less its top byte, which is below 0x80), beta, gamma and payload, added to `one_bits`.
static void fields_count(size_t one_bits[static 4], const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    one_bits[0] += ones(packet + AT_ALPHA, 31);
    one_bits[1] += ones(packet + AT_BETA, BETA_BYTES);
    one_bits[2] += ones(packet + AT_GAMMA, GAMMA_BYTES);
    one_bits[3] += ones(packet + AT_PAYLOAD, SPHINX_PAYLOAD_BYTES);
}

static void a_reply_looks_like_a_forward_packet(void **state) {
    (void)state;
    enum { PACKETS = 64, HOPS = 3 };
    static const size_t field_bytes[4] = {31, BETA_BYTES, GAMMA_BYTES, SPHINX_PAYLOAD_BYTES};
    struct route route;
    route_init(&route, 17);
    for (int reply = 0; reply < 2; reply++) {
        size_t one_bits[HOPS][4] = {{0}};
        for (int i = 0; i < PACKETS; i++) {
            uint8_t packet[SPHINX_PACKET_BYTES], surb[SPHINX_SURB_BYTES];
            struct sphinx_peeled peeled;
            if (reply)
                reply_make(packet, surb, &route, HOPS);
            else
                route_make(packet, &route, HOPS, SPAN_LITERAL("a text"));
            for (size_t hop = 0; hop < HOPS; hop++) {
                assert_int_equal(packet[AT_VERSION], SPHINX_VERSION);
                assert_int_equal(packet[AT_EPOCH], route.hops[0].key_epoch);
                fields_count(one_bits[hop], packet);
                assert_int_equal(sphinx_peel(&peeled, &route.keys[hop], 1, packet, false), OK);
                assert_true(hop + 1 == HOPS || peeled.type == SPHINX_FORWARD);
                memcpy(packet, peeled.packet, sizeof packet);
            }
        }
        for (size_t hop = 0; hop < HOPS; hop++) {
            for (size_t field = 0; field < 4; field++)
                assert_looks_random(one_bits[hop][field], PACKETS * 8 * field_bytes[field]);
        }
    }
}

static void two_packets_with_one_text_share_nothing(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 18);
    uint8_t a[SPHINX_PACKET_BYTES], b[SPHINX_PACKET_BYTES];
    route_make(a, &route, 3, SPAN_LITERAL("a text"));
    route_make(b, &route, 3, SPAN_LITERAL("a text"));
    assert_false(shares_8_bytes(a + AT_ALPHA, b + AT_ALPHA, SPHINX_PACKET_BYTES - AT_ALPHA));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_hop_cannot_tell_the_length_of_the_route),
        cmocka_unit_test(every_flipped_header_bit_is_refused_alike),
        cmocka_unit_test(another_version_or_epoch_is_refused),
        cmocka_unit_test(a_packet_for_another_relay_is_refused),
        cmocka_unit_test(random_packets_are_refused),
        cmocka_unit_test(forged_packets_are_right_but_for_alpha),
        cmocka_unit_test(alpha_with_bit_255_set_is_refused),
        cmocka_unit_test(a_non_canonical_alpha_is_refused),
        cmocka_unit_test(an_alpha_of_low_order_is_refused),
        cmocka_unit_test(alpha_plus_a_point_of_low_order_gives_other_keys),
        cmocka_unit_test(a_slot_with_a_stray_bit_is_refused),
        cmocka_unit_test(a_flipped_payload_bit_leaves_noise_in_both_halves),
        cmocka_unit_test(a_flipped_payload_bit_is_refused_silently),
        cmocka_unit_test(a_delivered_payload_needs_its_zeros_and_a_length_that_fits),
        cmocka_unit_test(the_replay_tag_depends_on_the_header_alone),
        cmocka_unit_test(two_uses_of_a_reply_block_have_one_replay_tag),
        cmocka_unit_test(no_8_bytes_of_a_packet_survive_a_hop),
        cmocka_unit_test(a_reply_looks_like_a_forward_packet),
        cmocka_unit_test(two_packets_with_one_text_share_nothing),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
