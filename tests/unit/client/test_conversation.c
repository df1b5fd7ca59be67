// Two people and a network between them: from a link to acknowledged messages.
#include "client/world.h"

static void a_message_by_link_arrives_as_a_request_and_is_acknowledged_once_accepted(void **state) {
    (void)state;
    struct world *world = world_make(1, 10, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    assert_true(client_ready(alice->client));
    assert_int_equal(add_contact(alice, "bob", bob)->err, OK);
    struct message_id id = send_ok(alice, "bob", "hello");
    run_for(world, SECOND_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_STORED);
    assert_int_equal(bob->request_count, 1);
    assert_true(text_is(&bob->requests[0].text, "hello"));
    assert_string_equal(bob->requests[0].link, link_of(alice));

    struct client_request accept = {.op = CLIENT_REQUEST_ACCEPT, .cursor = bob->requests[0].number, .name = "alice"};
    assert_int_equal(ask(bob, &accept)->err, OK);
    run_for(world, SECOND_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
    const struct message_record *in[1] = {NULL};
    assert_int_equal(received(bob, in, 1), 1);
    assert_true(text_is(&in[0]->text, "hello"));
    assert_string_equal(in[0]->contact, "alice");
    assert_memory_equal(in[0]->id.bytes, id.bytes, 16);
    world_free(world);
}

static void an_answer_goes_to_the_mailbox_that_the_first_message_named(void **state) {
    (void)state;
    struct world *world = world_make(2, 10, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    struct message_id id = send_ok(bob, "alice", "and to you");
    run_for(world, SECOND_MS);
    assert_int_equal(state_of(bob, &id), MESSAGE_ACKNOWLEDGED);
    const struct message_record *in[1] = {NULL};
    assert_int_equal(received(alice, in, 1), 1);
    assert_true(text_is(&in[0]->text, "and to you"));
    // All items but the very first carry a token.
    size_t strangers = 0;
    struct write_token zero = {{0}};
    struct token_hash none;
    token_hash_of(&none, &zero);
    for (size_t i = 0; i < world->item_count; i++)
        strangers += memcmp(&world->items[i].token, &none, sizeof(none)) == 0;
    assert_int_equal(strangers, 1);
    world_free(world);
}

static void many_messages_arrive_in_order_and_once(void **state) {
    (void)state;
    struct world *world = world_make(3, 10, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    world->jitter_ms = 200;
    for (unsigned i = 0; i < 40; i++) {
        char text[16] = {(char)('a' + i / 10), (char)('0' + i % 10)};
        send_ok(alice, "bob", text);
    }
    run_for(world, 2 * MINUTE_MS);
    const struct message_record *in[64];
    assert_int_equal(received(bob, in, 64), 41);
    for (unsigned i = 0; i < 40; i++) {
        char text[16] = {(char)('a' + i / 10), (char)('0' + i % 10)};
        assert_true(text_is(&in[i + 1]->text, text));
    }
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_by_link_arrives_as_a_request_and_is_acknowledged_once_accepted),
        cmocka_unit_test(an_answer_goes_to_the_mailbox_that_the_first_message_named),
        cmocka_unit_test(many_messages_arrive_in_order_and_once),
    };
    return cmocka_run_group_tests_name("client_conversation", tests, NULL, NULL);
}
