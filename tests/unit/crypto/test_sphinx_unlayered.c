// Built without the payload layer: the comparison that the tests of unlinkability rest on must notice.
#include "crypto/route.h"

static void without_the_payload_layer_a_packet_is_recognised_after_a_hop(void **state) {
    (void)state;
    struct route route;
    route_init(&route, 1);
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct sphinx_peeled peeled;
    route_make(packet, &route, 3, SPAN_LITERAL("the same text at every hop"));
    assert_int_equal(sphinx_peel(&peeled, route.keys, 1, packet, false), OK);
    assert_true(shares_8_bytes(packet + 2, peeled.packet + 2, SPHINX_PACKET_BYTES - 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_payload_layer_a_packet_is_recognised_after_a_hop),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
