// Ways through the network: entries that stay, nobody on a way who should not be, dead relays avoided.
#include "client/world.h"

static void assert_routes_hold(const struct world *world) {
    assert_true(world->requests > 20 && world->replies > 20);
    assert_int_equal(world->request_faults, 0);
    assert_int_equal(world->reply_faults, 0);
}

static void neither_entry_nor_middle_holds_the_mailbox_and_no_reply_passes_who_executed(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *world = world_make(seed, 16, 2);
        struct user *alice = &world->users[0], *bob = &world->users[1];
        world_start(world);
        befriend(alice, "bob", bob, "alice");
        for (unsigned i = 0; i < 5; i++) {
            send_ok(alice, "bob", "x");
            send_ok(bob, "alice", "x");
            run_for(world, MINUTE_MS);
        }
        // A peer's mailbox may lie at both of our entries: then, and only then, it cannot be helped.
        if (metric_value(alice->env.metrics, METRIC_CLIENT_RELAXED) == 0 &&
            metric_value(bob->env.metrics, METRIC_CLIENT_RELAXED) == 0)
            assert_routes_hold(world);
        world_free(world);
    }
}

static void a_network_too_small_for_the_rules_works_and_is_counted(void **state) {
    (void)state;
    for (size_t relays = 3; relays <= 5; relays++) {
        struct world *world = world_make(20 + relays, relays, 2);
        struct user *alice = &world->users[0], *bob = &world->users[1];
        world_start(world);
        befriend(alice, "bob", bob, "alice");
        struct message_id id = send_ok(alice, "bob", "x");
        run_for(world, 10 * SECOND_MS);
        assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
        assert_true(metric_value(alice->env.metrics, METRIC_CLIENT_RELAXED) > 0);
        world_free(world);
    }
}

static size_t held_entries(const struct user *user, size_t out[static RELAYS_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < user->world->relay_count; i++)
        if (user->held[i])
            out[count++] = i;
    return count;
}

static void a_client_keeps_two_entries_over_restarts(void **state) {
    (void)state;
    struct world *world = world_make(30, 16, 1);
    struct user *alice = &world->users[0];
    size_t before[RELAYS_MAX], after[RELAYS_MAX];
    world_start(world);
    assert_int_equal(held_entries(alice, before), 2);
    for (unsigned i = 0; i < 5; i++) {
        user_crash(alice);
        user_start(alice);
        run_for(world, SECOND_MS);
        assert_int_equal(held_entries(alice, after), 2);
        assert_memory_equal(after, before, 2 * sizeof(before[0]));
    }
    world_free(world);
}

static void an_entry_is_replaced_after_24_h_out_of_reach_and_not_before(void **state) {
    (void)state;
    struct world *world = world_make(31, 16, 1);
    struct user *alice = &world->users[0];
    size_t before[RELAYS_MAX], after[RELAYS_MAX];
    world_start(world);
    held_entries(alice, before);
    world->relays[before[0]].down = true;
    link_event(alice, before[0], false, 0);
    run_for(world, SECOND_MS);
    stand_still(world, 23 * HOUR_MS);
    run_for(world, 2 * MINUTE_MS);
    assert_int_equal(held_entries(alice, after), 2);
    assert_true(alice->held[before[0]] && alice->held[before[1]]);
    stand_still(world, 2 * HOUR_MS);
    run_for(world, 2 * MINUTE_MS);
    assert_int_equal(held_entries(alice, after), 2);
    assert_false(alice->held[before[0]]);
    assert_true(alice->held[before[1]]);
    world_free(world);
}

static void entries_are_replaced_after_30_days(void **state) {
    (void)state;
    struct world *world = world_make(32, 16, 1);
    struct user *alice = &world->users[0];
    size_t before[RELAYS_MAX];
    alice->config.poll_interval_ms = MINUTE_MS;
    world_start(world);
    held_entries(alice, before);
    user_crash(alice); // nobody is there for a month
    stand_still(world, 31 * DAY_MS);
    user_start(alice);
    run_for(world, SECOND_MS);
    assert_false(alice->held[before[0]] && alice->held[before[1]]);
    world_free(world);
}

static void a_spare_serves_while_both_entries_are_down_and_goes_when_one_is_back(void **state) {
    (void)state;
    struct world *world = world_make(33, 16, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    size_t before[RELAYS_MAX], after[RELAYS_MAX];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    held_entries(alice, before);
    for (size_t i = 0; i < 2; i++) {
        world->relays[before[i]].down = true;
        for (size_t u = 0; u < 2; u++)
            if (world->users[u].linked[before[i]])
                link_event(&world->users[u], before[i], false, 0);
    }
    run_for(world, 3 * MINUTE_MS);
    assert_int_equal(held_entries(alice, after), 3);
    struct message_id id = send_ok(alice, "bob", "x");
    run_for(world, 3 * MINUTE_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
    world->relays[before[0]].down = false;
    link_event(alice, before[0], true, 0);
    run_for(world, SECOND_MS);
    assert_int_equal(held_entries(alice, after), 2);
    assert_memory_equal(after, before, 2 * sizeof(before[0]));
    world_free(world);
}

// Their links stay up, but nobody passes on what comes over them.
static void a_spare_serves_when_both_entries_have_left_the_network(void **state) {
    (void)state;
    struct world *world = world_make(33, 16, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    size_t entries[RELAYS_MAX];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    held_entries(alice, entries);
    for (size_t i = 0; i < 2; i++)
        world->relays[entries[i]].gone = true;
    world_next_epoch(world);
    run_for(world, MINUTE_MS);
    assert_true(client_ready(alice->client));
    struct message_id id = send_ok(alice, "bob", "x");
    run_for(world, 3 * MINUTE_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
    world_free(world);
}

static void handles_are_fresh_for_every_connection(void **state) {
    (void)state;
    struct world *world = world_make(34, 16, 1);
    struct user *alice = &world->users[0];
    size_t entries[RELAYS_MAX];
    world_start(world);
    held_entries(alice, entries);
    struct handle before = alice->handles[entries[0]][0];
    assert_true(alice->handle_count[entries[0]] >= 1);
    link_event(alice, entries[0], false, 0);
    link_event(alice, entries[0], true, 10);
    run_for(world, SECOND_MS);
    assert_memory_not_equal(&before, &alice->handles[entries[0]][0], sizeof(before));
    assert_true(client_ready(alice->client));
    world_free(world);
}

static void no_entry_holds_one_of_our_own_mailboxes(void **state) {
    (void)state;
    for (uint64_t seed = 40; seed < 50; seed++) {
        struct world *world = world_make(seed, 16, 2);
        struct user *alice = &world->users[0], *bob = &world->users[1];
        world_start(world);
        befriend(alice, "bob", bob, "alice");
        for (size_t r = 0; r < world->relay_count; r++)
            for (size_t p = 0; p < world->relays[r].policy_count; p++) {
                struct placement placement;
                placement_of(&placement, world->directory, &world->relays[r].policies[p].mailbox, 3);
                size_t holders_alice = 0, holders_bob = 0;
                for (size_t rank = 0; rank < 3; rank++) {
                    size_t at = relay_index(world, world->directory->relays[placement.relays[rank]].id.bytes);
                    holders_alice += alice->held[at];
                    holders_bob += bob->held[at];
                }
                assert_true(holders_alice == 0 || holders_bob == 0); // it is one's or the other's
            }
        world_free(world);
    }
}

static void a_dead_relay_is_soon_avoided(void **state) {
    (void)state;
    struct world *world = world_make(51, 12, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    for (size_t i = 0; i < world->relay_count; i++)
        if (!alice->held[i] && !bob->held[i]) {
            world->relays[i].down = true;
            break;
        }
    for (unsigned i = 0; i < 30; i++) {
        send_ok(alice, "bob", "x");
        run_for(world, 10 * SECOND_MS);
    }
    run_for(world, 5 * MINUTE_MS);
    const struct message_record *in[1];
    assert_int_equal(received(bob, in, 1), 31);
    int64_t retries = metric_value(alice->env.metrics, METRIC_CLIENT_RETRIES);
    assert_true(retries < 20); // without avoiding it about half of all ways would fail
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neither_entry_nor_middle_holds_the_mailbox_and_no_reply_passes_who_executed),
        cmocka_unit_test(a_network_too_small_for_the_rules_works_and_is_counted),
        cmocka_unit_test(a_client_keeps_two_entries_over_restarts),
        cmocka_unit_test(an_entry_is_replaced_after_24_h_out_of_reach_and_not_before),
        cmocka_unit_test(entries_are_replaced_after_30_days),
        cmocka_unit_test(a_spare_serves_while_both_entries_are_down_and_goes_when_one_is_back),
        cmocka_unit_test(a_spare_serves_when_both_entries_have_left_the_network),
        cmocka_unit_test(handles_are_fresh_for_every_connection),
        cmocka_unit_test(no_entry_holds_one_of_our_own_mailboxes),
        cmocka_unit_test(a_dead_relay_is_soon_avoided),
    };
    return cmocka_run_group_tests_name("client_routes", tests, NULL, NULL);
}
