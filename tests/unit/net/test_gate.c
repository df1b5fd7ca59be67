// The gate before the handshake.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/time.h"
#include "net/gate.h"

static int make_gate(void **state) {
    *state = NEW(struct gate);
    return 0;
}

static int free_gate(void **state) {
    free(*state);
    return 0;
}

static struct net_limits limits_for_tests(void) {
    struct net_limits limits;
    net_limits_defaults(&limits);
    limits.links_max = 100;
    limits.handshakes_max = 50;
    limits.links_per_address = 10;
    limits.handshakes_per_address = 3;
    limits.accepts_per_address_s = 100;
    return limits;
}

static void an_address_has_so_many_handshakes_at_once(void **state) {
    struct gate *gate = *state;
    struct net_limits limits = limits_for_tests();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gate_enter(gate, &limits, 7, 1000), GATE_PASS);
    }
    assert_int_equal(gate_enter(gate, &limits, 7, 1000), GATE_HANDSHAKES);
    assert_int_equal(gate_enter(gate, &limits, 8, 1000), GATE_PASS);
    gate_handshake_over(gate, 7);
    assert_int_equal(gate_enter(gate, &limits, 7, 1000), GATE_PASS);
}

static void an_address_has_so_many_links(void **state) {
    struct gate *gate = *state;
    struct net_limits limits = limits_for_tests();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(gate_enter(gate, &limits, 7, 1000), GATE_PASS);
        gate_handshake_over(gate, 7);
    }
    assert_int_equal(gate_enter(gate, &limits, 7, 1000), GATE_LINKS);
    gate_leave(gate, 7);
    assert_int_equal(gate_enter(gate, &limits, 7, 1000), GATE_PASS);
}

static void all_addresses_together_have_so_many_handshakes(void **state) {
    struct gate *gate = *state;
    struct net_limits limits = limits_for_tests();
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(gate_enter(gate, &limits, i, 1000), GATE_PASS);
    }
    assert_int_equal(gate_enter(gate, &limits, 60, 1000), GATE_HANDSHAKES);
}

static void a_burst_is_two_seconds_worth_and_then_the_rate_holds(void **state) {
    struct gate *gate = *state;
    struct net_limits limits = limits_for_tests();
    unsigned passed = 0;
    for (int i = 0; i < 1000; i++) {
        if (gate_enter(gate, &limits, 7, 5000) == GATE_PASS) {
            passed++;
            gate_handshake_over(gate, 7);
            gate_leave(gate, 7);
        }
    }
    assert_int_equal(passed, 200);
    passed = 0;
    for (uint64_t ms = 5001; ms <= 15000; ms++) { // ten seconds at 100 a second
        if (gate_enter(gate, &limits, 7, ms) == GATE_PASS) {
            passed++;
            gate_handshake_over(gate, 7);
            gate_leave(gate, 7);
        }
    }
    assert_int_equal(passed, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_has_so_many_handshakes_at_once, make_gate, free_gate),
        cmocka_unit_test_setup_teardown(an_address_has_so_many_links, make_gate, free_gate),
        cmocka_unit_test_setup_teardown(all_addresses_together_have_so_many_handshakes, make_gate, free_gate),
        cmocka_unit_test_setup_teardown(a_burst_is_two_seconds_worth_and_then_the_rate_holds, make_gate, free_gate),
    };
    return cmocka_run_group_tests_name("net_gate", tests, NULL, NULL);
}
