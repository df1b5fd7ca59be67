// What comes in: order, duplicates, strangers, the blocked, the broken.
#include "client/world.h"

#include "client/client_internal.h"
#include "client/link.h"

struct scene {
    struct world *world;
    struct user *bob;
    struct card bob_card;
    struct stranger eve;
};

static void scene_make(struct scene *scene, uint64_t seed) {
    scene->world = world_make(seed, 10, 1);
    scene->bob = &scene->world->users[0];
    world_start(scene->world);
    scene->bob_card = card_of_user(scene->bob);
    stranger_make(&scene->eve, scene->world);
}

static struct message_id eve_says(struct scene *scene, uint64_t sequence, uint64_t floor, const char *text) {
    struct message_id id = stranger_send(&scene->eve, scene->bob, &scene->bob_card.mailbox, sequence, floor, text);
    run_for(scene->world, SECOND_MS);
    return id;
}

static void make_eve_a_contact(struct scene *scene) {
    struct client_request add = {.op = CLIENT_CONTACT_ADD, .name = "eve"};
    link_format(add.link, &scene->eve.card, &scene->world->genesis.network);
    assert_int_equal(ask(scene->bob, &add)->err, OK);
    run_for(scene->world, SECOND_MS);
}

static void assert_received(struct scene *scene, const char *expected) {
    const struct message_record *in[64];
    size_t count = received(scene->bob, in, 64);
    assert_int_equal(count, strlen(expected));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(in[i]->text.p[0], expected[i]);
}

static void messages_of_a_contact_are_shown_in_the_order_of_their_sequence(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 1);
    make_eve_a_contact(&scene);
    eve_says(&scene, 3, 1, "c");
    assert_received(&scene, "");
    eve_says(&scene, 1, 1, "a");
    assert_received(&scene, "a");
    eve_says(&scene, 2, 1, "b");
    assert_received(&scene, "abc");
    world_free(scene.world);
}

static void a_message_does_not_wait_for_those_below_the_senders_floor(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 2);
    make_eve_a_contact(&scene);
    eve_says(&scene, 1, 1, "a");
    eve_says(&scene, 5, 1, "e"); // 2 to 4 are missing
    assert_received(&scene, "a");
    eve_says(&scene, 6, 5, "f"); // and are given up
    assert_received(&scene, "aef");
    eve_says(&scene, 3, 1, "c"); // given up means: not shown any more
    assert_received(&scene, "aef");
    world_free(scene.world);
}

static void a_held_message_is_shown_when_the_gap_before_it_has_expired(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 3);
    make_eve_a_contact(&scene);
    eve_says(&scene, 1, 1, "a");
    eve_says(&scene, 3, 1, "c");
    stand_still(scene.world, 23 * HOUR_MS);
    run_for(scene.world, MINUTE_MS);
    assert_received(&scene, "a");
    stand_still(scene.world, HOUR_MS);
    run_for(scene.world, MINUTE_MS);
    assert_received(&scene, "ac");
    world_free(scene.world);
}

static void nothing_waits_for_what_the_sender_says_has_expired(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 21);
    make_eve_a_contact(&scene);
    eve_says(&scene, 1, 1, "a");
    scene.eve.gap_expiry_ms = scene.world->now.wall_ms + 10 * MINUTE_MS;
    eve_says(&scene, 3, 1, "c");
    run_for(scene.world, 9 * MINUTE_MS);
    assert_received(&scene, "a");
    run_for(scene.world, 2 * MINUTE_MS);
    assert_received(&scene, "ac");
    world_free(scene.world);
}

static void what_comes_after_a_wrong_clock_ended_the_wait_for_it_is_late_and_not_lost(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 23);
    make_eve_a_contact(&scene);
    eve_says(&scene, 1, 1, "a");
    eve_says(&scene, 3, 1, "c");
    scene.eve.lifetime_ms = 6 * DAY_MS; // what comes next does not expire by that clock, nor by ours
    scene.world->now.wall_ms += 2 * DAY_MS;
    eve_says(&scene, 4, 1, "d");
    scene.world->now.wall_ms -= 2 * DAY_MS;
    scene.eve.lifetime_ms = 0;
    eve_says(&scene, 2, 1, "b");
    assert_received(&scene, "acdb");
    world_free(scene.world);
}

static void held_messages_survive_a_restart(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 4);
    make_eve_a_contact(&scene);
    eve_says(&scene, 2, 1, "b");
    user_crash(scene.bob);
    user_start(scene.bob);
    run_for(scene.world, SECOND_MS);
    eve_says(&scene, 1, 1, "a");
    run_for(scene.world, 10 * SECOND_MS);
    assert_received(&scene, "ab");
    world_free(scene.world);
}

static void no_more_than_a_bounded_number_of_messages_waits_for_a_gap(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 5);
    make_eve_a_contact(&scene);
    for (uint64_t sequence = 2; sequence <= 2 + HELD_MAX; sequence++)
        eve_says(&scene, sequence, 1, "x");
    const struct message_record *in[1];
    assert_int_equal(received(scene.bob, in, 1), HELD_MAX + 1);
    eve_says(&scene, 1, 1, "late"); // not lost, though out of order
    assert_int_equal(received(scene.bob, in, 1), HELD_MAX + 2);
    world_free(scene.world);
}

static void a_new_stream_starts_its_sequences_anew(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 6);
    make_eve_a_contact(&scene);
    eve_says(&scene, 7, 7, "g");
    scene.eve.stream++;
    eve_says(&scene, 1, 1, "a");
    assert_received(&scene, "ga");
    world_free(scene.world);
}

static uint64_t stream_to_eve(const struct scene *scene) {
    return contact_by_name(scene->bob->client, "eve")->state.stream_out;
}

// What is sent in a lesser stream than the one before is shown as it comes, in no order.
static void one_who_is_added_again_gets_a_greater_stream_though_the_clock_went_back(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 8);
    make_eve_a_contact(&scene);
    uint64_t before = stream_to_eve(&scene);
    assert_int_equal(ask_named(scene.bob, CLIENT_CONTACT_REMOVE, "eve")->err, OK);
    run_for(scene.world, SECOND_MS);
    user_crash(scene.bob);
    scene.world->now.wall_ms -= HOUR_MS;
    user_start(scene.bob);
    run_for(scene.world, SECOND_MS);
    make_eve_a_contact(&scene);
    assert_true(stream_to_eve(&scene) > before);
    world_free(scene.world);
}

static void a_message_id_is_shown_once_whatever_item_it_comes_in(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 7);
    make_eve_a_contact(&scene);
    struct rng before = scene.world->rng;
    eve_says(&scene, 1, 1, "a");
    uint64_t acks = scene.world->stores;
    scene.world->rng = before; // the same id, sealed anew at another time
    eve_says(&scene, 2, 1, "a");
    assert_received(&scene, "a");
    // Acknowledged again: the sender would not have sent it again had it known.
    assert_true(scene.world->stores > acks);
    world_free(scene.world);
}

static void an_item_seen_before_is_deleted_again_and_not_shown_again(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 8);
    make_eve_a_contact(&scene);
    eve_says(&scene, 1, 1, "a");
    run_for(scene.world, SECOND_MS);
    assert_int_equal(items_left(scene.world, &scene.bob_card.mailbox), 0);
    scene.world->items[0].deleted = false; // a replica that has missed the deletion
    user_crash(scene.bob);
    user_start(scene.bob);
    run_for(scene.world, 10 * SECOND_MS);
    assert_received(&scene, "a");
    assert_int_equal(items_left(scene.world, &scene.bob_card.mailbox), 0);
    world_free(scene.world);
}

static void items_are_deleted_with_the_secret_that_opens_their_commitment(void **state) {
    (void)state;
    struct scene scene;
    uint8_t commitment[ITEM_COMMITMENT_BYTES];
    scene_make(&scene, 9);
    make_eve_a_contact(&scene);
    eve_says(&scene, 1, 1, "a");
    assert_true(scene.world->items[0].deleted);
    commitment_of(commitment, scene.world->items[0].secret);
    assert_memory_equal(commitment, scene.world->items[0].bytes, sizeof(commitment));
    world_free(scene.world);
}

static void an_item_that_cannot_be_opened_is_counted_and_deleted(void **state) {
    (void)state;
    struct scene scene;
    uint8_t noise[ITEM_BYTES];
    scene_make(&scene, 10);
    rng_bytes(&scene.world->rng, noise, sizeof(noise));
    item_inject(scene.world, &scene.bob_card.mailbox, scene.world->now.wall_ms + HOUR_MS, noise);
    run_for(scene.world, SECOND_MS);
    assert_int_equal(metric_value(scene.bob->env.metrics, METRIC_CLIENT_DROPPED_UNDECRYPTABLE), 1);
    assert_int_equal(items_left(scene.world, &scene.bob_card.mailbox), 0);
    world_free(scene.world);
}

static void strangers_get_into_requests_at_most_10_each(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 11);
    for (uint64_t i = 1; i <= 12; i++)
        eve_says(&scene, i, 1, "spam");
    assert_int_equal(scene.bob->request_count, 10);
    assert_int_equal(metric_value(scene.bob->env.metrics, METRIC_CLIENT_DROPPED_STRANGER), 2);
    // What does not fit is deleted all the same: it must not use up the quota of other strangers.
    assert_int_equal(items_left(scene.world, &scene.bob_card.mailbox), 0);
    world_free(scene.world);
}

static void strangers_get_into_requests_at_most_200_in_all(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 12);
    for (unsigned person = 0; person < 21; person++) {
        stranger_make(&scene.eve, scene.world);
        for (uint64_t i = 1; i <= 10; i++)
            eve_says(&scene, i, 1, "spam");
    }
    struct client_request list = {.op = CLIENT_REQUESTS};
    assert_int_equal(ask(scene.bob, &list)->request_count, 200);
    world_free(scene.world);
}

static void strangers_are_not_acknowledged_before_they_are_accepted(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 13);
    eve_says(&scene, 1, 1, "a");
    eve_says(&scene, 2, 1, "b");
    assert_int_equal(scene.world->stores, 0);
    struct client_request accept = {
        .op = CLIENT_REQUEST_ACCEPT, .cursor = scene.bob->requests[1].number, .name = "eve"};
    assert_int_equal(ask(scene.bob, &accept)->err, OK);
    run_for(scene.world, SECOND_MS);
    assert_true(scene.world->stores > 0);
    assert_received(&scene, "ab"); // all that person's requests
    struct client_request list = {.op = CLIENT_REQUESTS};
    assert_int_equal(ask(scene.bob, &list)->request_count, 0);
    world_free(scene.world);
}

static void requests_are_taken_in_by_their_sequence_however_late_they_are_accepted(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 22);
    scene.eve.gap_expiry_ms = scene.world->now.wall_ms + 10 * MINUTE_MS;
    eve_says(&scene, 3, 1, "c"); // overtakes what was sent before
    eve_says(&scene, 1, 1, "a");
    eve_says(&scene, 2, 1, "b");
    scene.eve.stream--;
    eve_says(&scene, 7, 7, "x"); // of a stream before that
    run_for(scene.world, 11 * MINUTE_MS);
    make_eve_a_contact(&scene);
    assert_received(&scene, "xabc");
    world_free(scene.world);
}

static void a_refused_request_goes_without_a_word(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 14);
    eve_says(&scene, 1, 1, "a");
    eve_says(&scene, 2, 1, "b");
    struct client_request refuse = {.op = CLIENT_REQUEST_REFUSE, .cursor = scene.bob->requests[0].number};
    assert_int_equal(ask(scene.bob, &refuse)->err, OK);
    struct client_request list = {.op = CLIENT_REQUESTS};
    assert_int_equal(ask(scene.bob, &list)->request_count, 0);
    run_for(scene.world, SECOND_MS);
    assert_int_equal(scene.world->stores, 0);
    assert_int_equal(ask(scene.bob, &refuse)->err, ERR_NOT_FOUND);
    world_free(scene.world);
}

static void requests_survive_a_restart(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 15);
    eve_says(&scene, 1, 1, "a");
    user_crash(scene.bob);
    user_start(scene.bob);
    run_for(scene.world, SECOND_MS);
    struct client_request list = {.op = CLIENT_REQUESTS};
    const struct client_answer *answer = ask(scene.bob, &list);
    assert_int_equal(answer->request_count, 1);
    assert_true(text_is(&answer->requests[0].text, "a"));
    world_free(scene.world);
}

static void a_blocked_contacts_messages_are_dropped_unseen(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 16);
    make_eve_a_contact(&scene);
    assert_int_equal(ask_named(scene.bob, CLIENT_CONTACT_BLOCK, "eve")->err, OK);
    eve_says(&scene, 1, 1, "a");
    assert_received(&scene, "");
    assert_int_equal(scene.bob->request_count, 0);
    assert_int_equal(scene.world->stores, 0); // no acknowledgement
    assert_int_equal(items_left(scene.world, &scene.bob_card.mailbox), 0);
    world_free(scene.world);
}

static void only_its_contact_may_write_into_a_contacts_mailbox(void **state) {
    (void)state;
    struct scene scene;
    struct stranger mallory;
    scene_make(&scene, 17);
    make_eve_a_contact(&scene);
    struct mailbox_id mailbox = {{0}};
    for (size_t i = 0; i < scene.world->relay_count; i++)
        if (scene.world->relays[i].policy_count > 0)
            mailbox = scene.world->relays[i].policies[0].mailbox;
    stranger_make(&mallory, scene.world);
    stranger_send(&mallory, scene.bob, &mailbox, 1, 1, "let me in");
    run_for(scene.world, SECOND_MS);
    assert_int_equal(scene.bob->request_count, 0);
    assert_received(&scene, "");
    assert_int_equal(metric_value(scene.bob->env.metrics, METRIC_CLIENT_DROPPED_FOREIGN), 1);
    assert_int_equal(items_left(scene.world, &mailbox), 0);
    world_free(scene.world);
}

static void an_expired_item_is_not_shown(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 18);
    make_eve_a_contact(&scene);
    scene.eve.lifetime_ms = 3; // it expires on its way through three hops
    eve_says(&scene, 1, 1, "old");
    assert_received(&scene, "");
    assert_in_range(metric_value(scene.bob->env.metrics, METRIC_CLIENT_DROPPED_EXPIRED), 1, 2);
    world_free(scene.world);
}

static void acknowledgements_are_not_acknowledged(void **state) {
    (void)state;
    struct world *world = world_make(19, 10, 2);
    world_start(world);
    befriend(&world->users[0], "bob", &world->users[1], "alice");
    run_for(world, MINUTE_MS);
    size_t before = world->stores;
    send_ok(&world->users[0], "bob", "one text");
    run_for(world, 2 * MINUTE_MS);
    assert_int_equal(world->stores - before, 2); // the text and its acknowledgement
    world_free(world);
}

static void several_messages_are_acknowledged_together(void **state) {
    (void)state;
    struct world *world = world_make(20, 10, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    run_for(world, MINUTE_MS);
    user_crash(bob);
    struct message_id ids[8];
    for (size_t i = 0; i < 8; i++)
        ids[i] = send_ok(alice, "bob", "text");
    run_for(world, 10 * SECOND_MS);
    size_t before = world->stores;
    user_start(bob);
    run_for(world, MINUTE_MS);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(state_of(alice, &ids[i]), MESSAGE_ACKNOWLEDGED);
    assert_true(world->stores - before < 8);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_a_contact_are_shown_in_the_order_of_their_sequence),
        cmocka_unit_test(a_message_does_not_wait_for_those_below_the_senders_floor),
        cmocka_unit_test(a_held_message_is_shown_when_the_gap_before_it_has_expired),
        cmocka_unit_test(nothing_waits_for_what_the_sender_says_has_expired),
        cmocka_unit_test(what_comes_after_a_wrong_clock_ended_the_wait_for_it_is_late_and_not_lost),
        cmocka_unit_test(held_messages_survive_a_restart),
        cmocka_unit_test(no_more_than_a_bounded_number_of_messages_waits_for_a_gap),
        cmocka_unit_test(a_new_stream_starts_its_sequences_anew),
        cmocka_unit_test(one_who_is_added_again_gets_a_greater_stream_though_the_clock_went_back),
        cmocka_unit_test(a_message_id_is_shown_once_whatever_item_it_comes_in),
        cmocka_unit_test(an_item_seen_before_is_deleted_again_and_not_shown_again),
        cmocka_unit_test(items_are_deleted_with_the_secret_that_opens_their_commitment),
        cmocka_unit_test(an_item_that_cannot_be_opened_is_counted_and_deleted),
        cmocka_unit_test(strangers_get_into_requests_at_most_10_each),
        cmocka_unit_test(strangers_get_into_requests_at_most_200_in_all),
        cmocka_unit_test(strangers_are_not_acknowledged_before_they_are_accepted),
        cmocka_unit_test(requests_are_taken_in_by_their_sequence_however_late_they_are_accepted),
        cmocka_unit_test(a_refused_request_goes_without_a_word),
        cmocka_unit_test(requests_survive_a_restart),
        cmocka_unit_test(a_blocked_contacts_messages_are_dropped_unseen),
        cmocka_unit_test(only_its_contact_may_write_into_a_contacts_mailbox),
        cmocka_unit_test(an_expired_item_is_not_shown),
        cmocka_unit_test(acknowledgements_are_not_acknowledged),
        cmocka_unit_test(several_messages_are_acknowledged_together),
    };
    return cmocka_run_group_tests_name("client_inbox", tests, NULL, NULL);
}
