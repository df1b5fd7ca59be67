// The process may end at any step, with its writes done or not: nothing is lost, nothing shown twice.
#include "client/world.h"

#define TEXTS 3

static void restart_if_crashed(struct user *user) {
    if (user->crashed) {
        user->crash_at = 0;
        user_start(user);
    }
}

// From here on nobody crashes any more; short rounds bring everything in.
static void heal(struct world *world) {
    for (size_t i = 0; i < world->user_count; i++) {
        world->users[i].crash_at = 0;
        restart_if_crashed(&world->users[i]);
    }
    run_for(world, 12 * SECOND_MS);
}

static struct world *quick_world(uint64_t seed) {
    struct world *world = world_make(seed, 10, 2);
    for (size_t i = 0; i < 2; i++)
        world->users[i].config.poll_interval_ms = 5 * SECOND_MS;
    world_start(world);
    return world;
}

// Texts both ways while one of the two crashes at one of its steps. Asking may itself be the step.
static void play(uint64_t seed, size_t who, uint64_t step, bool before) {
    struct world *world = quick_world(seed);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    befriend(alice, "bob", bob, "alice");
    run_for(world, SECOND_MS);
    struct message_id ids[TEXTS][2];
    bool answered[TEXTS][2] = {{false}};
    world->users[who].crash_at = world->users[who].steps + step;
    world->users[who].crash_before = before;
    for (size_t i = 0; i < TEXTS; i++) {
        for (size_t side = 0; side < 2; side++) {
            struct user *from = &world->users[side];
            char text[2] = {(char)('a' + i), 0};
            struct client_request request = {.op = CLIENT_SEND, .text = span_of_text(text)};
            strcpy(request.name, side == 0 ? "bob" : "alice");
            restart_if_crashed(from);
            answers_clear(from);
            user_request(from, &request);
            for (unsigned t = 0; t < 10 && from->answer_count == 0; t++)
                run_for(world, 1);
            answered[i][side] = from->answer_count == 1 && from->answers[0].err == OK;
            if (answered[i][side])
                ids[i][side] = from->answers[0].messages[0].id;
        }
        run_for(world, 20);
    }
    run_for(world, 3 * SECOND_MS);
    heal(world);
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < TEXTS; i++)
            if (answered[i][side])
                assert_int_equal(state_of(&world->users[side], &ids[i][side]), MESSAGE_ACKNOWLEDGED);
        // Listed from the database: once each, in order. (A note of it may have been lost in the crash.)
        struct user *to = &world->users[1 - side];
        struct client_request list = {.op = CLIENT_MESSAGES};
        const struct client_answer *answer = ask(to, &list);
        char last = 0;
        size_t shown = 0;
        for (size_t i = 0; i < answer->message_count; i++) {
            const struct message_record *record = &answer->messages[i];
            if (!record->incoming || record->text.n != 1)
                continue;
            assert_true((char)record->text.p[0] > last);
            last = (char)record->text.p[0];
            shown++;
        }
        size_t promised = 0;
        for (size_t i = 0; i < TEXTS; i++)
            promised += answered[i][side];
        assert_true(shown >= promised);
    }
    world_free(world);
}

static void a_crash_after_any_step_of_the_sender_loses_nothing(void **state) {
    (void)state;
    for (uint64_t step = 1; step <= 16; step++)
        play(100 + step % 3, 0, step, false);
}

static void a_crash_before_the_writes_of_any_step_of_the_sender_loses_nothing(void **state) {
    (void)state;
    for (uint64_t step = 1; step <= 16; step++)
        play(100 + step % 3, 0, step, true);
}

static void a_crash_after_any_step_of_the_recipient_loses_nothing(void **state) {
    (void)state;
    for (uint64_t step = 1; step <= 16; step++)
        play(200 + step % 3, 1, step, false);
}

static void a_crash_before_the_writes_of_any_step_of_the_recipient_loses_nothing(void **state) {
    (void)state;
    for (uint64_t step = 1; step <= 16; step++)
        play(200 + step % 3, 1, step, true);
}

// From the link on: the steps of first contact.
static void first_contact(size_t who, uint64_t step, bool before) {
    struct world *world = quick_world(300 + step % 3);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    char link[LINK_TEXT_MAX + 1];
    strcpy(link, link_of(bob));
    world->users[who].crash_at = world->users[who].steps + step;
    world->users[who].crash_before = before;
    struct client_request add = {.op = CLIENT_CONTACT_ADD, .name = "bob"};
    struct client_request send = {.op = CLIENT_SEND, .name = "bob", .text = SPAN_LITERAL("hi")};
    strcpy(add.link, link);
    user_request(alice, &add);
    restart_if_crashed(alice);
    run_for(world, 5);
    user_request(alice, &add); // a second time it exists, or the first was lost
    restart_if_crashed(alice);
    run_for(world, 5);
    user_request(alice, &send);
    restart_if_crashed(alice);
    run_for(world, 200);
    heal(world);
    struct client_request list = {.op = CLIENT_MESSAGES};
    const struct client_answer *answer = ask(alice, &list);
    bool taken = answer->message_count > 0;
    if (taken) {
        struct client_request requests = {.op = CLIENT_REQUESTS};
        answer = ask(bob, &requests);
        assert_int_equal(answer->request_count, 1);
        struct client_request accept = {
            .op = CLIENT_REQUEST_ACCEPT, .cursor = answer->requests[0].number, .name = "alice"};
        assert_int_equal(ask(bob, &accept)->err, OK);
        run_for(world, 12 * SECOND_MS);
        answer = ask(alice, &list);
        assert_int_equal(answer->messages[0].state, MESSAGE_ACKNOWLEDGED);
    }
    world_free(world);
}

static void a_crash_at_any_step_of_first_contact_loses_nothing(void **state) {
    (void)state;
    for (uint64_t step = 1; step <= 10; step++)
        for (size_t who = 0; who < 2; who++) {
            first_contact(who, step, false);
            first_contact(who, step, true);
        }
}

static void with_loss_duplication_and_reordering_everything_arrives_once_and_in_order(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct world *world = quick_world(400 + seed);
        struct user *alice = &world->users[0], *bob = &world->users[1];
        befriend(alice, "bob", bob, "alice");
        run_for(world, SECOND_MS);
        world->loss_per_mille = 50;
        world->twice_per_mille = 50;
        world->jitter_ms = 500;
        for (unsigned i = 0; i < 20; i++) {
            char text[2] = {(char)('a' + i), 0};
            send_ok(alice, "bob", text);
            run_for(world, 100);
        }
        run_for(world, 5 * MINUTE_MS);
        const struct message_record *in[64];
        assert_int_equal(received(bob, in, 64), 21);
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(in[i + 1]->text.p[0], 'a' + i);
        for (size_t i = 0; i < alice->note_count; i++)
            assert_int_not_equal(alice->notes[i].state, MESSAGE_EXPIRED);
        struct client_request list = {.op = CLIENT_CONTACTS};
        assert_int_equal(ask(alice, &list)->contacts[0].outbox, 0);
        world_free(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_after_any_step_of_the_sender_loses_nothing),
        cmocka_unit_test(a_crash_before_the_writes_of_any_step_of_the_sender_loses_nothing),
        cmocka_unit_test(a_crash_after_any_step_of_the_recipient_loses_nothing),
        cmocka_unit_test(a_crash_before_the_writes_of_any_step_of_the_recipient_loses_nothing),
        cmocka_unit_test(a_crash_at_any_step_of_first_contact_loses_nothing),
        cmocka_unit_test(with_loss_duplication_and_reordering_everything_arrives_once_and_in_order),
    };
    return cmocka_run_group_tests_name("client_crash", tests, NULL, NULL);
}
