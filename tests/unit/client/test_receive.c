// Fetching and listening: nothing stays behind, whatever replicas, links and epochs do.
#include <stdio.h>

#include "client/link.h"
#include "client/world.h"

struct scene {
    struct world *world;
    struct user *alice, *bob;
};

static void friends_make(struct scene *scene, uint64_t seed) {
    scene->world = world_make(seed, 10, 2);
    scene->alice = &scene->world->users[0];
    scene->bob = &scene->world->users[1];
    world_start(scene->world);
    befriend(scene->alice, "bob", scene->bob, "alice");
    run_for(scene->world, SECOND_MS);
}

static size_t texts_shown(const struct user *user) {
    const struct message_record *in[1] = {NULL};
    return received(user, in, 1);
}

static void a_client_is_ready_when_it_has_read_its_mailboxes(void **state) {
    (void)state;
    struct world *world = world_make(1, 10, 1);
    struct user *alice = &world->users[0];
    alice->offline = true;
    world_start(world);
    assert_false(client_ready(alice->client));
    struct client_request status = {.op = CLIENT_STATUS};
    const struct client_answer *answer = ask(alice, &status);
    assert_false(answer->ready);
    assert_non_null(strstr(answer->reason, "entry"));
    alice->offline = false;
    for (size_t i = 0; i < world->relay_count; i++)
        if (alice->held[i])
            link_event(alice, i, true, 0);
    run_for(world, SECOND_MS);
    assert_true(client_ready(alice->client));
    assert_true(ask(alice, &status)->ready);
    world_free(world);
}

static void a_ready_client_that_adds_a_contact_stays_ready(void **state) {
    (void)state;
    struct world *world = world_make(24, 10, 2);
    world_start(world);
    run_for(world, SECOND_MS);
    assert_true(client_ready(world->users[0].client));
    add_contact(&world->users[0], "bob", &world->users[1]);
    assert_true(client_ready(world->users[0].client));
    world_free(world);
}

static void what_arrives_while_listening_is_shown_at_once(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 2);
    for (size_t i = 0; i < 20; i++) {
        send_ok(scene.alice, "bob", "x");
        run_for(scene.world, 20 * SECOND_MS); // over several rounds
        assert_int_equal(texts_shown(scene.bob), i + 2);
    }
    world_free(scene.world);
}

static void more_items_than_reply_blocks_all_arrive(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 3);
    user_crash(scene.bob);
    for (size_t i = 0; i < 30; i++)
        send_ok(scene.alice, "bob", "x");
    run_for(scene.world, MINUTE_MS);
    user_start(scene.bob);
    run_for(scene.world, 10 * SECOND_MS);
    assert_int_equal(texts_shown(scene.bob), 31);
    world_free(scene.world);
}

static void a_replica_that_forgets_its_subscriptions_delays_a_message_by_a_round_at_most(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 4);
    for (size_t i = 0; i < scene.world->relay_count; i++)
        for (size_t s = 0; s < scene.world->relays[i].sub_count; s++)
            scene.world->relays[i].subs[s].count = 0; // restarted
    send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 70 * SECOND_MS);
    assert_int_equal(texts_shown(scene.bob), 2);
    world_free(scene.world);
}

// The replica at which a mailbox was listened at first.
static size_t listened_at(struct world *world, const struct mailbox_id *mailbox) {
    for (;;) {
        for (size_t i = 0; i < world->relay_count; i++)
            for (size_t s = 0; s < world->relays[i].sub_count; s++)
                if (mailbox_id_equal(&world->relays[i].subs[s].mailbox, mailbox) && world->relays[i].subs[s].count > 0)
                    return i;
        run_for(world, 1);
    }
}

static bool says_nothing(struct world *world, size_t relay, const struct op *op) {
    (void)world;
    (void)relay;
    (void)op;
    return true;
}

// A stranger's message after the replica has ended in one way or another; how long until it is shown.
static uint64_t shown_after_ms(uint64_t seed, bool dead, uint64_t run_ms, size_t relays) {
    struct world *world = world_make(seed, relays, 1);
    struct user *bob = &world->users[0];
    struct stranger eve;
    user_start(bob);
    stranger_make(&eve, world);
    run_for(world, run_ms);
    struct card card = card_of_user(bob);
    struct fake_relay *relay = &world->relays[listened_at(world, &card.mailbox)];
    relay->down = dead;
    relay->lies = says_nothing;
    relay->sub_count = 0;
    uint64_t began_ms = world->now.mono_ms;
    stranger_send(&eve, bob, &card.mailbox, 1, 1, "x");
    while (bob->request_count == 0 && world->now.mono_ms < began_ms + 5 * MINUTE_MS)
        run_for(world, 100);
    uint64_t after_ms = world->now.mono_ms - began_ms;
    world_free(world);
    return after_ms;
}

static void shown_within_seconds(uint64_t first_seed, bool dead) {
    for (uint64_t seed = first_seed; seed < first_seed + 20; seed++) {
        uint64_t later_ms = 3 * MINUTE_MS + seed % 60 * SECOND_MS;
        assert_true(shown_after_ms(seed, dead, 0, 16) <= 4 * SECOND_MS); // while it starts
        assert_true(shown_after_ms(seed, dead, later_ms, 16) <= SECOND_MS);
        assert_true(shown_after_ms(seed, dead, later_ms, 6) <= SECOND_MS);
    }
}

static void what_arrives_when_the_replica_listened_at_falls_silent_is_shown_within_seconds(void **state) {
    (void)state;
    shown_within_seconds(100, false);
}

// It was a hop of other ways, too.
static void what_arrives_when_the_replica_listened_at_dies_is_shown_within_seconds(void **state) {
    (void)state;
    shown_within_seconds(200, true);
}

static void add_strangers(struct world *world, struct user *user, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct stranger stranger;
        struct client_request add = {.op = CLIENT_CONTACT_ADD};
        stranger_make(&stranger, world);
        snprintf(add.name, sizeof(add.name), "stranger %zu", i);
        link_format(add.link, &stranger.card, &world->genesis.network);
        assert_int_equal(ask(user, &add)->err, OK);
        run_for(world, SECOND_MS);
    }
}

static size_t executed(const struct world *world, enum op_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < world->relay_count; i++)
        count += world->relays[i].ops[kind];
    return count;
}

static void one_who_comes_on_line_reads_the_latest_conversations_first_and_the_others_within_seconds(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 15);
    add_strangers(scene.world, scene.bob, 40);
    send_ok(scene.alice, "bob", "the latest");
    run_for(scene.world, MINUTE_MS);
    user_crash(scene.bob);
    send_ok(scene.alice, "bob", "meanwhile");
    run_for(scene.world, SECOND_MS);
    size_t fetches = executed(scene.world, OP_FETCH), policies = executed(scene.world, OP_POLICY);
    user_start(scene.bob);
    run_for(scene.world, 100);
    assert_int_equal(texts_shown(scene.bob), 3);
    assert_in_range(executed(scene.world, OP_FETCH) - fetches, 4, 8);
    assert_in_range(executed(scene.world, OP_POLICY) - policies, 0, 8);
    assert_false(client_ready(scene.bob->client));
    run_for(scene.world, 10 * SECOND_MS);
    assert_true(client_ready(scene.bob->client));
    run_for(scene.world, 30 * SECOND_MS);
    assert_true(executed(scene.world, OP_POLICY) - policies >= 41 * 3); // in case a replica has lost them
    world_free(scene.world);
}

static void an_item_that_only_a_stand_in_holds_is_found(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 5);
    user_crash(scene.bob);
    send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    // The replicas proper were away when it came, and have not got it back yet.
    struct fake_item *item = &scene.world->items[scene.world->item_count - 1];
    struct placement placement;
    placement_of(&placement, scene.world->directory, &item->mailbox, 3);
    for (size_t rank = 0; rank < placement.count; rank++) {
        size_t at = relay_index(scene.world, scene.world->directory->relays[placement.relays[rank]].id.bytes);
        item->arrival[at] = rank < 3 ? 0 : ++scene.world->relays[at].arrivals;
    }
    user_start(scene.bob);
    run_for(scene.world, 7 * MINUTE_MS);
    assert_int_equal(texts_shown(scene.bob), 2);
    world_free(scene.world);
}

static void an_item_that_one_replica_alone_holds_is_found_within_a_few_rounds(void **state) {
    (void)state;
    for (size_t keeper = 0; keeper < 3; keeper++) {
        struct scene scene;
        friends_make(&scene, 6);
        user_crash(scene.bob);
        send_ok(scene.alice, "bob", "x");
        run_for(scene.world, SECOND_MS);
        struct fake_item *item = &scene.world->items[scene.world->item_count - 1];
        struct placement placement;
        placement_of(&placement, scene.world->directory, &item->mailbox, 3);
        for (size_t rank = 0; rank < 3; rank++)
            if (rank != keeper)
                item->arrival[relay_index(scene.world,
                                          scene.world->directory->relays[placement.relays[rank]].id.bytes)] = 0;
        user_start(scene.bob);
        run_for(scene.world, 4 * MINUTE_MS);
        assert_int_equal(texts_shown(scene.bob), 2);
        world_free(scene.world);
    }
}

static void an_old_arrival_number_hides_nothing_for_long(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 7);
    for (size_t i = 0; i < 10; i++) {
        send_ok(scene.alice, "bob", "x");
        run_for(scene.world, MINUTE_MS);
    }
    // All disks are lost; the new ones count from 1 again, below every cursor.
    for (size_t i = 0; i < scene.world->relay_count; i++) {
        scene.world->relays[i].arrivals = 0;
        for (size_t s = 0; s < scene.world->relays[i].sub_count; s++)
            scene.world->relays[i].subs[s].count = 0;
    }
    send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 10 * MINUTE_MS);
    assert_int_equal(texts_shown(scene.bob), 12);
    world_free(scene.world);
}

static void epochs_pass_and_messages_flow_on(void **state) {
    (void)state;
    struct scene scene;
    scene.world = world_make(8, 10, 2);
    scene.alice = &scene.world->users[0];
    scene.bob = &scene.world->users[1];
    scene.world->genesis.epoch_ms = HOUR_MS;
    scene.world->genesis.genesis_ms = scene.world->now.wall_ms - 10 * MINUTE_MS;
    world_start(scene.world);
    befriend(scene.alice, "bob", scene.bob, "alice");
    run_for(scene.world, 20 * MINUTE_MS);
    for (size_t epoch = 1; epoch < 6; epoch++) {
        run_for(scene.world, 30 * MINUTE_MS);
        send_ok(scene.alice, "bob", "x");
        run_for(scene.world, 5 * SECOND_MS);
        assert_int_equal(texts_shown(scene.bob), 2 * epoch);
        run_for(scene.world, 30 * MINUTE_MS - 5 * SECOND_MS);
        world_next_epoch(scene.world);
        send_ok(scene.alice, "bob", "x");
        run_for(scene.world, 5 * SECOND_MS);
        assert_int_equal(texts_shown(scene.bob), 2 * epoch + 1);
    }
    world_free(scene.world);
}

static void a_client_whose_directory_is_old_asks_for_the_new_one_and_goes_on(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 9);
    world_epoch(scene.world, 3);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    assert_int_equal(scene.alice->wanted_directory, 3);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_QUEUED);
    world_tell_epoch(scene.world);
    run_for(scene.world, 10 * SECOND_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
    world_free(scene.world);
}

static void the_times_of_requests_follow_the_median_of_two_relays_clocks(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 10);
    for (size_t i = 0; i < scene.world->relay_count; i++)
        scene.world->relays[i].clock_offset_ms = 7 * (int64_t)MINUTE_MS; // or ours is slow
    run_for(scene.world, 3 * MINUTE_MS);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 2 * MINUTE_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
    assert_int_equal(items_left(scene.world, &scene.world->items[scene.world->item_count - 1].mailbox), 0);
    world_free(scene.world);
}

static void one_relays_wrong_clock_changes_nothing(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 11);
    scene.world->relays[0].clock_offset_ms = 3 * (int64_t)HOUR_MS;
    for (size_t i = 0; i < 5; i++) {
        struct message_id id = send_ok(scene.alice, "bob", "x");
        run_for(scene.world, 2 * MINUTE_MS);
        assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
    }
    world_free(scene.world);
}

static void an_idle_client_sends_a_few_packets_a_minute_only(void **state) {
    (void)state;
    struct world *world = world_make(12, 10, 1);
    world_start(world);
    size_t before = world->user_packets;
    run_for(world, HOUR_MS / 2);
    assert_in_range(world->user_packets - before, 60, 180);
    world_free(world);
}

static void garbage_replies_are_counted_and_change_nothing(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 13);
    uint8_t payload[SPHINX_PAYLOAD_BYTES];
    struct surb_id surb;
    for (size_t i = 0; i < 100; i++) {
        struct user_step us;
        rng_bytes(&scene.world->rng, payload, sizeof(payload));
        rng_bytes(&scene.world->rng, surb.bytes, sizeof(surb.bytes));
        client_reply(scene.alice->client, user_begin(scene.alice, &us), &surb, payload);
        user_end(scene.alice, &us);
    }
    assert_int_equal(metric_value(scene.alice->env.metrics, METRIC_CLIENT_REPLY_UNKNOWN), 100);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
    world_free(scene.world);
}

static void a_flood_of_sending_stays_below_the_pace_that_entries_allow(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 14);
    run_for(scene.world, MINUTE_MS);
    size_t before = scene.world->user_packets;
    for (size_t i = 0; i < 200; i++)
        send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 2 * SECOND_MS);
    assert_true(scene.world->user_packets - before < 2 * 4 * 80 + 2 * 80);
    run_for(scene.world, 2 * MINUTE_MS);
    assert_int_equal(texts_shown(scene.bob), 201);
    world_free(scene.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_ready_when_it_has_read_its_mailboxes),
        cmocka_unit_test(a_ready_client_that_adds_a_contact_stays_ready),
        cmocka_unit_test(what_arrives_while_listening_is_shown_at_once),
        cmocka_unit_test(more_items_than_reply_blocks_all_arrive),
        cmocka_unit_test(a_replica_that_forgets_its_subscriptions_delays_a_message_by_a_round_at_most),
        cmocka_unit_test(what_arrives_when_the_replica_listened_at_falls_silent_is_shown_within_seconds),
        cmocka_unit_test(what_arrives_when_the_replica_listened_at_dies_is_shown_within_seconds),
        cmocka_unit_test(one_who_comes_on_line_reads_the_latest_conversations_first_and_the_others_within_seconds),
        cmocka_unit_test(an_item_that_only_a_stand_in_holds_is_found),
        cmocka_unit_test(an_item_that_one_replica_alone_holds_is_found_within_a_few_rounds),
        cmocka_unit_test(an_old_arrival_number_hides_nothing_for_long),
        cmocka_unit_test(epochs_pass_and_messages_flow_on),
        cmocka_unit_test(a_client_whose_directory_is_old_asks_for_the_new_one_and_goes_on),
        cmocka_unit_test(the_times_of_requests_follow_the_median_of_two_relays_clocks),
        cmocka_unit_test(one_relays_wrong_clock_changes_nothing),
        cmocka_unit_test(an_idle_client_sends_a_few_packets_a_minute_only),
        cmocka_unit_test(garbage_replies_are_counted_and_change_nothing),
        cmocka_unit_test(a_flood_of_sending_stays_below_the_pace_that_entries_allow),
    };
    return cmocka_run_group_tests_name("client_receive", tests, NULL, NULL);
}
