// Onion packets and reply blocks on their way: what arrives is what was sent, whatever the length of the route.
#include "crypto/sphinx.h"

#include "crypto/route.h"
#include "crypto/vectors.h"

static void a_packet_reaches_its_last_hop_over_routes_of_every_length(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 1);
    for (size_t count = 1; count <= SPHINX_HOPS_MAX; count++) {
        uint8_t packet[SPHINX_PACKET_BYTES];
        struct sphinx_peeled peeled;
        route_make(packet, &route, count, SPAN_LITERAL("a text"));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(sphinx_peel(&peeled, &route.keys[i], 1, packet, false), OK);
            assert_int_equal(peeled.epoch, route.keys[i].epoch);
            assert_int_equal(peeled.type, i + 1 < count ? SPHINX_FORWARD : SPHINX_DELIVER);
            assert_int_equal(peeled.delay_ms, i + 1 < count ? route.hops[i].delay_ms : 0);
            if (i + 1 < count)
                assert_memory_equal(peeled.next_id, route.hops[i + 1].id, 32);
            memcpy(packet, peeled.packet, sizeof packet);
        }
        struct span body;
        assert_int_equal(sphinx_payload_open(&body, packet + SPHINX_HEADER_BYTES), OK);
        assert_true(span_equal(body, SPAN_LITERAL("a text")));
    }
}

static void a_body_of_every_extreme_length_arrives_whole(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 2);
    uint8_t bytes[SPHINX_BODY_BYTES];
    rng_bytes(&route.rng, bytes, sizeof bytes);
    const size_t lengths[] = {0, 1, 16, SPHINX_BODY_BYTES - 1, SPHINX_BODY_BYTES};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t packet[SPHINX_PACKET_BYTES];
        struct span body;
        route_make(packet, &route, 3, span_of(bytes, lengths[i]));
        route_walk(packet, &route, 3);
        assert_int_equal(sphinx_payload_open(&body, packet + SPHINX_HEADER_BYTES), OK);
        assert_true(span_equal(body, span_of(bytes, lengths[i])));
    }
}

static void a_reply_comes_back_through_its_block(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 3);
    for (size_t count = 1; count <= SPHINX_HOPS_MAX; count++) {
        uint8_t surb[SPHINX_SURB_BYTES], packet[SPHINX_PACKET_BYTES], first_hop[32], handle[16];
        struct sphinx_surb_keys keys;
        rng_bytes(&route.rng, handle, sizeof handle);
        assert_int_equal(sphinx_surb_make(surb, &keys, route.hops, count, handle, &route.rng), OK);
        assert_int_equal(sphinx_surb_use(packet, first_hop, surb, SPAN_LITERAL("an answer")), OK);
        assert_memory_equal(first_hop, route.hops[0].id, 32);
        struct sphinx_peeled last = route_walk(packet, &route, count);
        assert_int_equal(last.type, SPHINX_CLIENT);
        assert_memory_equal(last.next_id, handle, 16);
        assert_memory_equal(last.next_id + 16, keys.id, 16);
        struct span body;
        assert_int_equal(sphinx_surb_open(packet + SPHINX_HEADER_BYTES, &body, &keys), OK);
        assert_true(span_equal(body, SPAN_LITERAL("an answer")));
    }
}

static void the_last_hop_of_a_reply_cannot_read_it(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 4);
    uint8_t surb[SPHINX_SURB_BYTES], packet[SPHINX_PACKET_BYTES], first_hop[32];
    const uint8_t handle[16] = {1};
    struct sphinx_surb_keys keys;
    struct span body;
    assert_int_equal(sphinx_surb_make(surb, &keys, route.hops, 3, handle, &route.rng), OK);
    assert_int_equal(sphinx_surb_use(packet, first_hop, surb, SPAN_LITERAL("an answer")), OK);
    route_walk(packet, &route, 3);
    assert_int_equal(sphinx_payload_open(&body, packet + SPHINX_HEADER_BYTES), ERR_AUTH);
}

static void a_reply_opens_with_the_keys_of_its_own_block_only(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 5);
    uint8_t surb[SPHINX_SURB_BYTES], packet[SPHINX_PACKET_BYTES], first_hop[32];
    const uint8_t handle[16] = {1};
    struct sphinx_surb_keys keys, others;
    struct span body;
    assert_int_equal(sphinx_surb_make(surb, &others, route.hops, 3, handle, &route.rng), OK);
    assert_int_equal(sphinx_surb_make(surb, &keys, route.hops, 3, handle, &route.rng), OK);
    assert_int_equal(sphinx_surb_use(packet, first_hop, surb, SPAN_LITERAL("an answer")), OK);
    route_walk(packet, &route, 3);
    assert_int_equal(sphinx_surb_open(packet + SPHINX_HEADER_BYTES, &body, &others), ERR_AUTH);
}

static void a_reply_block_of_another_version_is_refused_by_its_user(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 6);
    uint8_t surb[SPHINX_SURB_BYTES], packet[SPHINX_PACKET_BYTES], first_hop[32];
    const uint8_t handle[16] = {1};
    struct sphinx_surb_keys keys;
    assert_int_equal(sphinx_surb_make(surb, &keys, route.hops, 3, handle, &route.rng), OK);
    surb[32]++;
    assert_int_equal(sphinx_surb_use(packet, first_hop, surb, SPAN_LITERAL("x")), ERR_MALFORMED);
}

static void the_trace_reaches_every_hop_that_allows_it_and_is_refused_elsewhere(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 7);
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct sphinx_peeled peeled;
    route.end.trace = UINT64_C(0x0102030405060708);
    route_make(packet, &route, 3, SPAN_LITERAL("traced"));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sphinx_peel(&peeled, &route.keys[i], 1, packet, false), ERR_AUTH);
        assert_int_equal(sphinx_peel(&peeled, &route.keys[i], 1, packet, true), OK);
        assert_true(peeled.trace == route.end.trace);
        memcpy(packet, peeled.packet, sizeof packet);
    }
}

static void the_key_of_the_epoch_that_the_packet_names_is_used(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 8);
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct sphinx_peeled peeled;
    route_make(packet, &route, 1, SPAN_LITERAL("x"));
    struct sphinx_relay_key keys[2] = {route.keys[1], route.keys[0]};
    keys[0].epoch++;
    assert_int_equal(sphinx_peel(&peeled, keys, 2, packet, false), OK);
    assert_int_equal(peeled.epoch, route.keys[0].epoch);
    assert_int_equal(sphinx_peel(&peeled, keys, 1, packet, false), ERR_AUTH);
    assert_int_equal(sphinx_peel(&peeled, keys, 0, packet, false), ERR_AUTH);
}

static void a_route_through_a_bad_onion_key_is_refused_by_its_maker(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 9);
    uint8_t packet[SPHINX_PACKET_BYTES] = {0}, untouched[SPHINX_PACKET_BYTES] = {0};
    memset(route.hops[2].onion.bytes, 0, 32);
    assert_int_equal(sphinx_make(packet, route.hops, 3, &route.end, SPAN_LITERAL("x"), &route.rng), ERR_AUTH);
    assert_memory_equal(packet, untouched, sizeof packet);
    memset(route.hops[2].onion.bytes, 0xff, 32);
    assert_int_equal(sphinx_make(packet, route.hops, 3, &route.end, SPAN_LITERAL("x"), &route.rng), ERR_AUTH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_reaches_its_last_hop_over_routes_of_every_length),
        cmocka_unit_test(a_body_of_every_extreme_length_arrives_whole),
        cmocka_unit_test(a_reply_comes_back_through_its_block),
        cmocka_unit_test(the_last_hop_of_a_reply_cannot_read_it),
        cmocka_unit_test(a_reply_opens_with_the_keys_of_its_own_block_only),
        cmocka_unit_test(a_reply_block_of_another_version_is_refused_by_its_user),
        cmocka_unit_test(the_trace_reaches_every_hop_that_allows_it_and_is_refused_elsewhere),
        cmocka_unit_test(the_key_of_the_epoch_that_the_packet_names_is_used),
        cmocka_unit_test(a_route_through_a_bad_onion_key_is_refused_by_its_maker),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
