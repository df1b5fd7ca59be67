// Nobody who sees all frames of a network, even without TLS, can tell by their bytes which cell out of a relay is
// which cell into it. Built a second time without the payload layer (NO_PAYLOAD_LAYER), this must find links.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "no_randombytes.h"
#include "sim/sim.h"

static struct linked look(enum profile profile) {
    struct sim_config config;
    struct sim_result result;
    sim_config_quiet(&config, 3);
    config.profile = profile;
    config.relays = 5;
    config.users = 2;
    config.messages = 2;
    config.chaos_ms = 5000;
    config.record = true;
    sim_run(&result, &config);
    assert_null(result.failure.what);
    assert_int_equal(result.shown, 4);
    assert_true(result.linked.cells_in > 100 && result.linked.cells_out > 100);
    return result.linked;
}

static void all_frames_have_the_size_of_a_cell(void **state) {
    (void)state;
    assert_int_equal(look(PROFILE_FAST).wrong_sizes, 0);
}

static void a_cell_into_a_relay_and_a_cell_out_of_it_have_nothing_in_common(void **state) {
    (void)state;
    struct linked fast = look(PROFILE_FAST);
    struct linked balanced = look(PROFILE_BALANCED);
#ifdef NO_PAYLOAD_LAYER
    assert_true(fast.common_runs > 0 && balanced.common_runs > 0);
#else
    assert_int_equal(fast.common_runs, 0);
    assert_int_equal(balanced.common_runs, 0);
#endif
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_frames_have_the_size_of_a_cell),
        cmocka_unit_test(a_cell_into_a_relay_and_a_cell_out_of_it_have_nothing_in_common),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
