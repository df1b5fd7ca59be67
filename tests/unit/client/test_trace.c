// What an observer of a user's links sees must not depend on what is said.
#include "client/world.h"

// One conversation; the traces of both users' links are returned.
static struct world *conversation(enum profile profile, size_t text_bytes) {
    char text[TEXT_BYTES_MAX + 1] = {0};
    memset(text, 'x', text_bytes);
    struct world *world = world_make(42, 10, 2);
    world->genesis.profile = profile;
    for (size_t i = 0; i < 2; i++)
        world->users[i].config.profile = profile;
    world_start(world);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    befriend(alice, "bob", bob, "alice");
    for (size_t i = 0; i < 5; i++) {
        send_ok(alice, "bob", text);
        send_ok(bob, "alice", text);
        run_for(world, SECOND_MS);
    }
    run_for(world, 5 * MINUTE_MS);
    const struct message_record *in[1];
    assert_int_equal(received(bob, in, 1), 6);
    return world;
}

static void assert_same_traces(enum profile profile) {
    struct world *one = conversation(profile, 1), *longest = conversation(profile, TEXT_BYTES_MAX);
    assert_true(one->trace_count > 100);
    assert_int_equal(one->trace_count, longest->trace_count);
    for (size_t i = 0; i < one->trace_count; i++) {
        assert_int_equal(one->traces[i].at_ms, longest->traces[i].at_ms);
        assert_int_equal(one->traces[i].relay, longest->traces[i].relay);
        assert_int_equal(one->traces[i].out, longest->traces[i].out);
    }
    world_free(one);
    world_free(longest);
}

static void texts_of_1_byte_and_of_the_longest_give_the_same_packets_at_the_same_times(void **state) {
    (void)state;
    assert_same_traces(PROFILE_FAST);
}

static void so_they_do_with_delays_and_loops(void **state) {
    (void)state;
    assert_same_traces(PROFILE_BALANCED);
}

static void loops_leave_every_10_s_on_average_in_the_balanced_profile_only(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world *world = world_make(43, 10, 1);
        world->users[0].config.profile = i == 0 ? PROFILE_FAST : PROFILE_BALANCED;
        world_start(world);
        run_for(world, 20 * MINUTE_MS);
        int64_t loops = metric_value(world->users[0].env.metrics, METRIC_CLIENT_LOOPS);
        if (i == 0)
            assert_int_equal(loops, 0);
        else
            assert_in_range(loops, 80, 160);
        assert_int_equal(metric_value(world->users[0].env.metrics, METRIC_CLIENT_LOOPS_LOST), 0);
        world_free(world);
    }
}

static void lost_loops_raise_an_alarm(void **state) {
    (void)state;
    struct world *world = world_make(44, 10, 1);
    struct user *alice = &world->users[0];
    alice->config.profile = PROFILE_BALANCED;
    world_start(world);
    run_for(world, 20 * MINUTE_MS);
    assert_int_equal(metric_value(alice->env.metrics, METRIC_CLIENT_LOOP_ALARM), 0);
    world->loss_per_mille = 300;
    run_for(world, 20 * MINUTE_MS);
    assert_int_equal(metric_value(alice->env.metrics, METRIC_CLIENT_LOOP_ALARM), 1);
    world->loss_per_mille = 0;
    run_for(world, 20 * MINUTE_MS);
    assert_int_equal(metric_value(alice->env.metrics, METRIC_CLIENT_LOOP_ALARM), 0);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_1_byte_and_of_the_longest_give_the_same_packets_at_the_same_times),
        cmocka_unit_test(so_they_do_with_delays_and_loops),
        cmocka_unit_test(loops_leave_every_10_s_on_average_in_the_balanced_profile_only),
        cmocka_unit_test(lost_loops_raise_an_alarm),
    };
    return cmocka_run_group_tests_name("client_trace", tests, NULL, NULL);
}
