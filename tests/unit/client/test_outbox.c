// What goes out: until receipts hold, until the recipient acknowledges, or until it expires and is shown so.
#include <stdio.h>

#include "client/world.h"

#define HELD_TEST_TEXTS 600 // more than are held for one that is missing

struct scene {
    struct world *world;
    struct user *alice, *bob;
};

static void scene_make(struct scene *scene, uint64_t seed) {
    scene->world = world_make(seed, 10, 2);
    scene->alice = &scene->world->users[0];
    scene->bob = &scene->world->users[1];
    world_start(scene->world);
}

static void friends_make(struct scene *scene, uint64_t seed) {
    scene_make(scene, seed);
    befriend(scene->alice, "bob", scene->bob, "alice");
    run_for(scene->world, MINUTE_MS);
}

static void answer_stores_with(struct world *world, enum op_status status) {
    for (size_t i = 0; i < world->relay_count; i++)
        world->relays[i].store_answer = status;
}

static void without_receipts_the_same_item_goes_again_after_2_s_doubling(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 1);
    answer_stores_with(scene.world, OP_NO_QUORUM);
    size_t first = scene.world->stores;
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 30 * SECOND_MS + 500);
    assert_int_equal(scene.world->stores - first, 5); // at 0, 2, 6, 14, 30 s
    uint64_t wait_ms = 2000;
    for (size_t i = first + 1; i < scene.world->stores; i++) {
        assert_memory_equal(&scene.world->store_hashes[i], &scene.world->store_hashes[first], 32);
        assert_int_equal(scene.world->store_at_ms[i] - scene.world->store_at_ms[i - 1], wait_ms);
        wait_ms *= 2;
    }
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_QUEUED);
    assert_non_null(strstr(record->reason, "too few"));
    answer_stores_with(scene.world, OP_OK);
    run_for(scene.world, MINUTE_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
    assert_null(message_of(scene.alice, &id)->reason);
    world_free(scene.world);
}

// What a text that no replica takes keeps waiting, and what it does not.
static void texts_that_overtake_a_stuck_one_are_shown_after_it_and_are_bounded(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 21);
    answer_stores_with(scene.world, OP_NO_QUORUM);
    send_ok(scene.alice, "bob", "0");
    run_for(scene.world, 20 * MINUTE_MS); // its next attempt is minutes away
    answer_stores_with(scene.world, OP_OK);
    for (int i = 1; i <= HELD_TEST_TEXTS; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%d", i);
        send_ok(scene.alice, "bob", text);
        run_for(scene.world, 100);
    }
    const struct message_record *in[HELD_TEST_TEXTS + 2];
    assert_int_equal(received(scene.bob, in, HELD_TEST_TEXTS + 2), 1); // that by which they met
    run_for(scene.world, 10 * MINUTE_MS);
    assert_int_equal(received(scene.bob, in, HELD_TEST_TEXTS + 2), HELD_TEST_TEXTS + 2);
    for (int i = 0; i <= HELD_TEST_TEXTS; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%d", i);
        assert_true(text_is(&in[i + 1]->text, text));
    }
    world_free(scene.world);
}

static void attempts_are_never_more_than_5_min_apart(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 2);
    answer_stores_with(scene.world, OP_RELAY_FULL);
    send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 30 * MINUTE_MS);
    size_t last = scene.world->stores - 1;
    assert_int_equal(scene.world->store_at_ms[last] - scene.world->store_at_ms[last - 1], 5 * MINUTE_MS);
    world_free(scene.world);
}

static void each_attempt_is_executed_by_another_replica(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 3);
    answer_stores_with(scene.world, OP_NO_QUORUM);
    size_t first = scene.world->stores;
    send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 10 * SECOND_MS);
    assert_int_equal(scene.world->stores - first, 3);
    assert_int_not_equal(scene.world->store_exec[first], scene.world->store_exec[first + 1]);
    assert_int_not_equal(scene.world->store_exec[first + 1], scene.world->store_exec[first + 2]);
    assert_int_not_equal(scene.world->store_exec[first], scene.world->store_exec[first + 2]);
    world_free(scene.world);
}

static void the_user_is_told_why_a_message_does_not_go_out(void **state) {
    (void)state;
    static const struct {
        enum op_status status;
        const char *words;
    } cases[] = {{OP_MAILBOX_FULL, "mailbox is full"},
                 {OP_RELAY_FULL, "no space"},
                 {OP_REFUSED, "refuses"},
                 {OP_NO_QUORUM, "too few"},
                 {OP_EXPIRY, "clock"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene scene;
        friends_make(&scene, 10 + i);
        answer_stores_with(scene.world, cases[i].status);
        struct message_id id = send_ok(scene.alice, "bob", "x");
        run_for(scene.world, SECOND_MS);
        const struct message_record *record = message_of(scene.alice, &id);
        assert_int_equal(record->state, MESSAGE_QUEUED);
        assert_non_null(strstr(record->reason, cases[i].words));
        answer_stores_with(scene.world, OP_OK);
        run_for(scene.world, 10 * SECOND_MS);
        assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
        world_free(scene.world);
    }
}

static void a_message_that_was_never_stored_expires_and_is_shown_so(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 4);
    answer_stores_with(scene.world, OP_RELAY_FULL);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    stand_still(scene.world, 8 * DAY_MS);
    run_for(scene.world, MINUTE_MS);
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_EXPIRED);
    assert_non_null(strstr(record->reason, "before the network had stored it"));
    const struct message_record *last = &scene.alice->notes[scene.alice->note_count - 1];
    assert_int_equal(last->state, MESSAGE_EXPIRED);
    world_free(scene.world);
}

static void a_message_that_nobody_acknowledges_expires_and_is_shown_so(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 5);
    user_crash(scene.bob);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_STORED);
    stand_still(scene.world, 8 * DAY_MS);
    run_for(scene.world, MINUTE_MS);
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_EXPIRED);
    assert_non_null(strstr(record->reason, "acknowledged"));
    world_free(scene.world);
}

static void after_an_expired_message_the_later_ones_still_get_through(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 6);
    answer_stores_with(scene.world, OP_RELAY_FULL);
    send_ok(scene.alice, "bob", "lost");
    stand_still(scene.world, 8 * DAY_MS);
    run_for(scene.world, MINUTE_MS);
    answer_stores_with(scene.world, OP_OK);
    struct message_id id = send_ok(scene.alice, "bob", "found");
    run_for(scene.world, 6 * MINUTE_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
    const struct message_record *in[4];
    assert_int_equal(received(scene.bob, in, 4), 2);
    assert_true(text_is(&in[1]->text, "found"));
    world_free(scene.world);
}

static void forged_receipts_do_not_count(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 7);
    for (size_t i = 0; i < scene.world->relay_count; i++)
        scene.world->relays[i].identity.bytes[0] ^= 1; // signs with another key than its own
    user_crash(scene.bob);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 500);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_QUEUED);
    assert_true(metric_value(scene.alice->env.metrics, METRIC_CLIENT_RECEIPTS_BAD) > 0);
    world_free(scene.world);
}

static void one_receipt_is_not_enough(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 8);
    scene.world->genesis.replicas = 1; // the replicas choose sets of one
    user_crash(scene.bob);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 500);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_QUEUED);
    world_free(scene.world);
}

static void the_record_tells_the_route_the_replicas_and_the_times(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 9);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->route_count, 3);
    assert_int_equal(record->replica_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(relay_index(scene.world, record->route[i].bytes),
                         scene.world->last_store.count > i ? relay_index(scene.world, record->route[i].bytes)
                                                           : SIZE_MAX);
    assert_true(record->stored_ms > 0 && record->stored_ms < 100);
    assert_true(record->acknowledged_ms > record->stored_ms && record->acknowledged_ms < 200);
    world_free(scene.world);
}

static void texts_have_1_to_1024_bytes_of_utf8(void **state) {
    (void)state;
    struct scene scene;
    char text[TEXT_BYTES_MAX + 2] = {0};
    friends_make(&scene, 20);
    memset(text, 'x', TEXT_BYTES_MAX);
    assert_int_equal(send_text(scene.alice, "bob", text)->err, OK);
    text[TEXT_BYTES_MAX] = 'x';
    const struct client_answer *answer = send_text(scene.alice, "bob", text);
    assert_int_equal(answer->err, ERR_TOO_LONG);
    assert_non_null(strstr(answer->reason, "1,024"));
    assert_int_equal(send_text(scene.alice, "bob", "")->err, ERR_INVALID);
    assert_int_equal(send_text(scene.alice, "bob", "\xff")->err, ERR_INVALID);
    assert_int_equal(send_text(scene.alice, "nobody", "x")->err, ERR_NOT_FOUND);
    world_free(scene.world);
}

static void a_message_to_a_blocked_contact_is_refused(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 21);
    assert_int_equal(ask_named(scene.alice, CLIENT_CONTACT_BLOCK, "bob")->err, OK);
    assert_int_equal(send_text(scene.alice, "bob", "x")->err, ERR_REFUSED);
    world_free(scene.world);
}

static void a_message_answered_is_durable(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 22);
    scene.alice->offline = true;
    struct message_id id = send_ok(scene.alice, "bob", "x");
    user_crash(scene.alice);
    scene.alice->offline = false;
    user_start(scene.alice);
    run_for(scene.world, 10 * SECOND_MS);
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_ACKNOWLEDGED);
    world_free(scene.world);
}

static void what_is_sealed_is_sent_again_byte_by_byte_after_a_restart(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 23);
    answer_stores_with(scene.world, OP_NO_QUORUM);
    size_t first = scene.world->stores;
    send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    user_crash(scene.alice);
    user_start(scene.alice);
    run_for(scene.world, 10 * SECOND_MS);
    assert_true(scene.world->stores > first + 1);
    for (size_t i = first + 1; i < scene.world->stores; i++)
        assert_memory_equal(&scene.world->store_hashes[i], &scene.world->store_hashes[first], 32);
    world_free(scene.world);
}

static void to_somebody_who_has_not_accepted_10_messages_go_and_the_others_wait(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 24);
    assert_int_equal(add_contact(scene.alice, "bob", scene.bob)->err, OK);
    struct message_id ids[12];
    for (size_t i = 0; i < 12; i++)
        ids[i] = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 20 * SECOND_MS);
    assert_int_equal(scene.bob->request_count, 10);
    assert_int_equal(state_of(scene.alice, &ids[9]), MESSAGE_STORED);
    const struct message_record *waiting = message_of(scene.alice, &ids[10]);
    assert_int_equal(waiting->state, MESSAGE_QUEUED);
    assert_non_null(strstr(waiting->reason, "accepts"));
    struct client_request accept = {
        .op = CLIENT_REQUEST_ACCEPT, .cursor = scene.bob->requests[3].number, .name = "alice"};
    assert_int_equal(ask(scene.bob, &accept)->err, OK);
    run_for(scene.world, 10 * SECOND_MS);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(state_of(scene.alice, &ids[i]), MESSAGE_ACKNOWLEDGED);
    const struct message_record *in[1];
    assert_int_equal(received(scene.bob, in, 1), 12);
    world_free(scene.world);
}

static void a_strangers_stamp_is_found_and_accepted(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 25);
    scene.world->directory->stamp_bits = 8;
    assert_int_equal(add_contact(scene.alice, "bob", scene.bob)->err, OK);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_STORED);
    assert_int_equal(scene.bob->request_count, 1);
    world_free(scene.world);
}

static void mailboxes_get_their_stamps_and_items_are_deleted_with_them(void **state) {
    (void)state;
    struct scene scene;
    scene_make(&scene, 28);
    scene.world->directory->stamp_bits = 8;
    befriend(scene.alice, "bob", scene.bob, "alice");
    run_for(scene.world, SECOND_MS);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 10 * SECOND_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
    for (size_t i = 0; i < scene.world->item_count; i++)
        assert_true(scene.world->items[i].deleted);
    world_free(scene.world);
}

static void a_removed_contacts_messages_are_shown_as_failed(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 26);
    answer_stores_with(scene.world, OP_RELAY_FULL);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    assert_int_equal(ask_named(scene.alice, CLIENT_CONTACT_REMOVE, "bob")->err, OK);
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_FAILED);
    assert_non_null(strstr(record->reason, "removed"));
    run_for(scene.world, MINUTE_MS);
    struct client_request list = {.op = CLIENT_CONTACTS};
    assert_int_equal(ask(scene.alice, &list)->contact_count, 0);
    world_free(scene.world);
}

static void a_removed_contact_can_no_longer_write(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 27);
    assert_int_equal(ask_named(scene.alice, CLIENT_CONTACT_REMOVE, "bob")->err, OK);
    run_for(scene.world, SECOND_MS);
    struct message_id id = send_ok(scene.bob, "alice", "are you there?");
    run_for(scene.world, SECOND_MS);
    const struct message_record *record = message_of(scene.bob, &id);
    assert_int_equal(record->state, MESSAGE_QUEUED);
    assert_non_null(strstr(record->reason, "refuses"));
    world_free(scene.world);
}

static void assert_shown_in_order(const struct user *user, size_t count) {
    const struct message_record *in[8];
    assert_int_equal(received(user, in, 8), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(in[i]->text.p[0], '1' + (int)i);
}

static void what_a_retired_mailbox_refuses_goes_to_the_next_one_in_order(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 33);
    assert_int_equal(ask_named(scene.alice, CLIENT_CONTACT_REMOVE, "bob")->err, OK);
    run_for(scene.world, SECOND_MS);
    struct message_id first = send_ok(scene.bob, "alice", "1"), second = send_ok(scene.bob, "alice", "2");
    run_for(scene.world, MINUTE_MS);
    assert_int_equal(state_of(scene.bob, &second), MESSAGE_QUEUED);
    assert_int_equal(add_contact(scene.alice, "bob", scene.bob)->err, OK);
    run_for(scene.world, SECOND_MS);
    send_ok(scene.alice, "bob", "here again");
    run_for(scene.world, 10 * SECOND_MS);
    struct message_id third = send_ok(scene.bob, "alice", "3");
    run_for(scene.world, 10 * SECOND_MS);
    assert_int_equal(state_of(scene.bob, &first), MESSAGE_ACKNOWLEDGED);
    assert_int_equal(state_of(scene.bob, &second), MESSAGE_ACKNOWLEDGED);
    assert_int_equal(state_of(scene.bob, &third), MESSAGE_ACKNOWLEDGED);
    assert_shown_in_order(scene.alice, 3);
    world_free(scene.world);
}

static void answer_request(struct user *user, enum client_op op, const char *name) {
    struct client_request request = {.op = op, .cursor = user->requests[user->request_count - 1].number};
    memcpy(request.name, name, strlen(name));
    assert_int_equal(ask(user, &request)->err, OK);
}

static void a_refused_request_comes_again_when_a_later_one_is_accepted(void **state) {
    (void)state;
    for (int restarts = 0; restarts < 2; restarts++) {
        struct scene scene;
        scene_make(&scene, 34);
        assert_int_equal(add_contact(scene.alice, "bob", scene.bob)->err, OK);
        struct message_id first = send_ok(scene.alice, "bob", "1");
        run_for(scene.world, SECOND_MS);
        answer_request(scene.bob, CLIENT_REQUEST_REFUSE, "");
        struct message_id second = send_ok(scene.alice, "bob", "2");
        run_for(scene.world, SECOND_MS);
        answer_request(scene.bob, CLIENT_REQUEST_ACCEPT, "alice");
        run_for(scene.world, 10 * SECOND_MS);
        assert_int_equal(state_of(scene.alice, &second), MESSAGE_ACKNOWLEDGED);
        assert_int_equal(state_of(scene.alice, &first), MESSAGE_STORED);
        if (restarts > 0) {
            user_crash(scene.alice);
            user_start(scene.alice);
        }
        struct message_id third = send_ok(scene.alice, "bob", "3");
        run_for(scene.world, 2 * MINUTE_MS);
        assert_int_equal(state_of(scene.alice, &first), MESSAGE_ACKNOWLEDGED);
        assert_int_equal(state_of(scene.alice, &third), MESSAGE_ACKNOWLEDGED);
        assert_shown_in_order(scene.bob, 3);
        world_free(scene.world);
    }
}

static void a_text_of_a_clock_ahead_is_sealed_anew_and_holds_up_nothing(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 35);
    notes_clear(scene.bob); // of the greeting
    answer_stores_with(scene.world, OP_EXPIRY);
    scene.world->now.wall_ms += 30 * DAY_MS;
    struct message_id first = send_ok(scene.alice, "bob", "1");
    run_for(scene.world, SECOND_MS);
    scene.world->now.wall_ms -= 30 * DAY_MS;
    answer_stores_with(scene.world, OP_OK);
    struct message_id second = send_ok(scene.alice, "bob", "2");
    run_for(scene.world, 10 * SECOND_MS);
    assert_int_equal(state_of(scene.alice, &first), MESSAGE_ACKNOWLEDGED);
    assert_int_equal(state_of(scene.alice, &second), MESSAGE_ACKNOWLEDGED);
    assert_shown_in_order(scene.bob, 2);
    world_free(scene.world);
}

static void an_acknowledgement_may_come_before_the_receipts(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 28);
    for (size_t i = 0; i < scene.world->relay_count; i++)
        scene.world->relays[i].identity.bytes[0] ^= 1; // stored, but alice cannot know
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_ACKNOWLEDGED);
    world_free(scene.world);
}

static void receipts_that_come_after_the_acknowledgement_are_recorded(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 30);
    scene.world->receipts_ms = 5 * SECOND_MS;
    user_crash(scene.bob);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    size_t first = scene.alice->note_count;
    run_for(scene.world, 3 * SECOND_MS); // two attempts are under way
    user_start(scene.bob);
    run_for(scene.world, SECOND_MS);
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_ACKNOWLEDGED);
    assert_true(record->acknowledged_ms > 0 && record->stored_ms == -1);
    assert_int_equal(record->route_count, 3);
    assert_int_equal(record->replica_count, 0);
    run_for(scene.world, 10 * SECOND_MS);
    record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_ACKNOWLEDGED);
    assert_in_range(record->stored_ms, 5 * SECOND_MS, 6 * SECOND_MS);
    assert_int_equal(record->replica_count, 3);
    // Two events: the acknowledgement does not wait.
    assert_int_equal(scene.alice->note_count, first + 2);
    assert_int_equal(scene.alice->notes[first].stored_ms, -1);
    assert_int_equal(scene.alice->notes[first + 1].stored_ms, record->stored_ms);
    world_free(scene.world);
}

static void forged_receipts_after_the_acknowledgement_do_not_count(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 31);
    scene.world->receipts_ms = 500;
    for (size_t i = 0; i < scene.world->relay_count; i++)
        scene.world->relays[i].identity.bytes[0] ^= 1;
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 10 * SECOND_MS);
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_ACKNOWLEDGED);
    assert_int_equal(record->stored_ms, -1);
    assert_int_equal(record->replica_count, 0);
    assert_true(metric_value(scene.alice->env.metrics, METRIC_CLIENT_RECEIPTS_BAD) > 0);
    world_free(scene.world);
}

static void receipts_that_never_come_are_not_waited_for_longer_than_their_reply_blocks_live(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 32);
    scene.world->receipts_ms = 11 * MINUTE_MS;
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, 20 * MINUTE_MS);
    const struct message_record *record = message_of(scene.alice, &id);
    assert_int_equal(record->state, MESSAGE_ACKNOWLEDGED);
    assert_int_equal(record->stored_ms, -1);
    assert_true(metric_value(scene.alice->env.metrics, METRIC_CLIENT_REPLY_UNKNOWN) > 0);
    world_free(scene.world);
}

static void nobody_but_the_recipient_can_acknowledge(void **state) {
    (void)state;
    struct scene scene;
    friends_make(&scene, 29);
    user_crash(scene.bob);
    struct message_id id = send_ok(scene.alice, "bob", "x");
    run_for(scene.world, SECOND_MS);
    struct stranger mallory;
    stranger_make(&mallory, scene.world);
    struct card card = card_of_user(scene.alice);
    struct letter ack = {.kind = LETTER_ACK, .card = mallory.card, .text = span_of(id.bytes, 16)};
    uint64_t expiry_ms = scene.world->now.wall_ms + HOUR_MS;
    struct item_place place = {&scene.world->genesis.network, &card.mailbox, expiry_ms};
    uint8_t item[ITEM_BYTES];
    assert_int_equal(seal_item(item, &ack, &mallory.proof, &mallory.dh, &card.dh, &place, &scene.world->rng), OK);
    item_inject(scene.world, &card.mailbox, expiry_ms, item);
    run_for(scene.world, SECOND_MS);
    assert_int_equal(state_of(scene.alice, &id), MESSAGE_STORED);
    world_free(scene.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_receipts_the_same_item_goes_again_after_2_s_doubling),
        cmocka_unit_test(texts_that_overtake_a_stuck_one_are_shown_after_it_and_are_bounded),
        cmocka_unit_test(attempts_are_never_more_than_5_min_apart),
        cmocka_unit_test(each_attempt_is_executed_by_another_replica),
        cmocka_unit_test(the_user_is_told_why_a_message_does_not_go_out),
        cmocka_unit_test(a_message_that_was_never_stored_expires_and_is_shown_so),
        cmocka_unit_test(a_message_that_nobody_acknowledges_expires_and_is_shown_so),
        cmocka_unit_test(after_an_expired_message_the_later_ones_still_get_through),
        cmocka_unit_test(forged_receipts_do_not_count),
        cmocka_unit_test(one_receipt_is_not_enough),
        cmocka_unit_test(the_record_tells_the_route_the_replicas_and_the_times),
        cmocka_unit_test(texts_have_1_to_1024_bytes_of_utf8),
        cmocka_unit_test(a_message_to_a_blocked_contact_is_refused),
        cmocka_unit_test(a_message_answered_is_durable),
        cmocka_unit_test(what_is_sealed_is_sent_again_byte_by_byte_after_a_restart),
        cmocka_unit_test(to_somebody_who_has_not_accepted_10_messages_go_and_the_others_wait),
        cmocka_unit_test(a_strangers_stamp_is_found_and_accepted),
        cmocka_unit_test(mailboxes_get_their_stamps_and_items_are_deleted_with_them),
        cmocka_unit_test(a_removed_contacts_messages_are_shown_as_failed),
        cmocka_unit_test(a_removed_contact_can_no_longer_write),
        cmocka_unit_test(what_a_retired_mailbox_refuses_goes_to_the_next_one_in_order),
        cmocka_unit_test(a_refused_request_comes_again_when_a_later_one_is_accepted),
        cmocka_unit_test(a_text_of_a_clock_ahead_is_sealed_anew_and_holds_up_nothing),
        cmocka_unit_test(an_acknowledgement_may_come_before_the_receipts),
        cmocka_unit_test(receipts_that_come_after_the_acknowledgement_are_recorded),
        cmocka_unit_test(forged_receipts_after_the_acknowledgement_do_not_count),
        cmocka_unit_test(receipts_that_never_come_are_not_waited_for_longer_than_their_reply_blocks_live),
        cmocka_unit_test(nobody_but_the_recipient_can_acknowledge),
    };
    return cmocka_run_group_tests_name("client_outbox", tests, NULL, NULL);
}
