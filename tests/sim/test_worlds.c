// What holds for worlds as wholes: they replay, and what is written in them does not show in what they send.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "client/request.h"
#include "no_randombytes.h"
#include "sim/sim.h"

static void run(struct sim_result *result, const struct sim_config *config) {
    sim_run(result, config);
    if (result->failure.what != NULL)
        fail_msg("seed %llu: %s", (unsigned long long)config->seed, result->failure.what);
}

static void the_same_seed_gives_the_same_run(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct sim_config config;
        struct sim_result first, second;
        sim_config_draw(&config, seed);
        run(&first, &config);
        run(&second, &config);
        assert_true(first.trace_hash == second.trace_hash);
        assert_true(first.wire_hash == second.wire_hash);
        assert_true(first.steps == second.steps);
        assert_true(first.steps > 100);
    }
}

static void another_seed_gives_another_run(void **state) {
    (void)state;
    struct sim_config config;
    struct sim_result first, second;
    sim_config_quiet(&config, 1);
    run(&first, &config);
    sim_config_quiet(&config, 2);
    run(&second, &config);
    assert_true(first.trace_hash != second.trace_hash);
}

static void in_a_quiet_world_everything_arrives(void **state) {
    (void)state;
    const enum profile profiles[] = {PROFILE_FAST, PROFILE_BALANCED};
    for (size_t i = 0; i < 2; i++) {
        struct sim_config config;
        struct sim_result result;
        sim_config_quiet(&config, 7);
        config.profile = profiles[i];
        config.tick_ms = profiles[i] == PROFILE_BALANCED ? 10 : 0;
        run(&result, &config);
        assert_int_equal(result.messages, config.users * config.messages);
        assert_int_equal(result.shown, result.messages);
        assert_int_equal(result.expired, 0);
        assert_int_equal(result.crashes, 0);
    }
}

// No directory of the whole run lists where they are.
static void relays_that_move_in_the_middle_of_an_epoch_are_found(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sim_config config;
        struct sim_result result;
        sim_config_quiet(&config, seed);
        config.epoch_ms = HOUR_MS;
        config.faults.move_ms = 1500;
        run(&result, &config);
        assert_true(result.crashes >= 5);
        assert_int_equal(result.shown, config.users * config.messages);
    }
}

// (virtual time, link, size) of every frame is the same, whatever is said. All is over within one epoch: at its end
// relays claim their deliveries, and which of them the ledger wants to see is up to hashes of what was said.
static void the_length_of_a_text_does_not_show_in_what_is_sent(void **state) {
    (void)state;
    const enum profile profiles[] = {PROFILE_FAST, PROFILE_BALANCED};
    for (size_t i = 0; i < 2; i++) {
        struct sim_config config;
        struct sim_result shortest, longest;
        sim_config_quiet(&config, 11);
        config.profile = profiles[i];
        config.epoch_ms = 2 * MINUTE_MS;
        config.text_bytes = 1;
        run(&shortest, &config);
        config.text_bytes = TEXT_BYTES_MAX;
        run(&longest, &config);
        assert_int_equal(shortest.shown, config.users * config.messages);
        assert_true(shortest.frames > 0 && shortest.frames == longest.frames);
        assert_true(shortest.wire_hash == longest.wire_hash);
    }
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(another_seed_gives_another_run),
        cmocka_unit_test(in_a_quiet_world_everything_arrives),
        cmocka_unit_test(relays_that_move_in_the_middle_of_an_epoch_are_found),
        cmocka_unit_test(the_length_of_a_text_does_not_show_in_what_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
