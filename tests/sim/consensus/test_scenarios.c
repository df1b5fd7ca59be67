// Whole families of runs: a death at every write and sync of a log; Twins (Bano et al., arXiv 2004.10617), two machines
// with one key under every partition in two of the first rounds; and longer ones by seed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "no_randombytes.h"
#include "world.h"

#define FIRST_HEIGHT 4 // at which validator r proposes in round r

static void run(struct sim_result *result, const struct sim_config *config, const char *what, uint64_t number) {
    sim_run(result, config);
    if (result->failure != NULL)
        fail_msg("%s %llu, seed %llu: machine %zu at height %llu, %llu ms: %s", what, (unsigned long long)number,
                 (unsigned long long)config->seed, result->machine, (unsigned long long)result->height,
                 (unsigned long long)result->at_ms, result->failure);
}

static void the_same_seed_gives_the_same_run(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sim_config config;
        struct sim_result first, second;
        sim_config_draw(&config, seed);
        run(&first, &config, "run", 1);
        run(&second, &config, "run", 2);
        assert_true(first.steps == second.steps && first.points == second.points && first.at_ms == second.at_ms);
    }
}

static void a_machine_may_die_at_any_write_or_sync(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct sim_config config;
        struct sim_result result;
        sim_config_quiet(&config, seed);
        run(&result, &config, "without a death", 0);
        uint64_t points = result.points;
        assert_true(points > 100);
        for (config.crash_at_point = 1; config.crash_at_point <= points; config.crash_at_point++) {
            run(&result, &config, "death at", config.crash_at_point);
            assert_int_equal(result.deaths, 1);
        }
    }
}

// The twins are validator `twin`, so that it leads the first round, the second, a later one, or none of these. The one
// side of a partition always has machine 0: 16 partitions of five machines.
static void twins_split_nobody_and_are_found_out_whatever_the_partitions_of_two_rounds(void **state) {
    (void)state;
    struct sim_config config;
    struct sim_result result;
    for (uint32_t scenario = 0; scenario < 4 * 16 * 16; scenario++) {
        sim_config_quiet(&config, scenario);
        config.first_height = FIRST_HEIGHT;
        config.twin_of = scenario / 256;
        config.fault_ms = 1000; // time enough for these rounds
        config.partitioned_rounds = 2;
        config.parts[0] = scenario / 16 % 16 << 1;
        config.parts[1] = scenario % 16 << 1;
        run(&result, &config, "scenario", scenario);
        bool both_lead = config.twin_of == 0 && (config.parts[0] >> 4 & 1) == 1; // the first round, apart
        assert_true(!both_lead || result.accused > 0);
    }
}

static void draw_twins(struct sim_config *config, uint64_t seed) {
    sim_config_draw(config, seed);
    config->liar = NOBODY;
    config->spares = 0;
    config->change_heights[0] = 0;
    config->change_heights[1] = 0;
    for (size_t i = 0; i < MACHINES_MAX; i++)
        config->powers[i] = 1;
    config->twin_of = seed % config->validators;
    config->partitioned_rounds = 1 + (uint32_t)(seed / 7 % 6);
    for (uint32_t i = 0; i < config->partitioned_rounds; i++)
        config->parts[i] = (uint32_t)(seed * UINT64_C(0x9e3779b97f4a7c15) >> (5 * i)) & 0xff;
}

static void twins_split_nobody_in_longer_scenarios_with_faults(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct sim_config config;
        struct sim_result result;
        draw_twins(&config, seed);
        run(&result, &config, "sample", seed);
    }
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(a_machine_may_die_at_any_write_or_sync),
        cmocka_unit_test(twins_split_nobody_and_are_found_out_whatever_the_partitions_of_two_rounds),
        cmocka_unit_test(twins_split_nobody_in_longer_scenarios_with_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
