// What peers may do to a node over links, and what ends them: hello, silence, floods, malformed cells, limits, handles,
// windows and queues.
#include "rig.h"

#define STRANGERS_ADDRESS 77

static struct rig *start(void **state, unsigned roles) {
    rig_init(*state, roles);
    return *state;
}

static struct rig *start_relay(void **state) {
    struct rig *rig = start(state, ROLE_RELAY);
    rig_start(rig);
    return rig;
}

static struct rig *start_listed(void **state, size_t count) {
    struct rig *rig = start(state, ROLE_RELAY);
    rig_start_listed(rig, count);
    return rig;
}

static void expect_closed(struct rig *rig, uint64_t link, enum close_reason reason) {
    assert_true(rig_link(rig, link)->closed_by_node);
    assert_int_equal(rig_link(rig, link)->reason, reason);
}

// ---- hello ----

static void a_node_says_hello_at_once_and_waits_for_nothing(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound(rig, NULL, 1);
    struct hello hello;
    assert_non_null(rig_message(rig, link, MESSAGE_HELLO));
    assert_int_equal(hello_decode(&hello, buf_span(rig_message(rig, link, MESSAGE_HELLO))), OK);
    assert_memory_equal(&hello.network, &rig->genesis->network, sizeof hello.network);
    assert_int_equal(hello.wall_ms, rig->now.wall_ms);
    assert_int_equal(rig_link(rig, link)->immediate, 1);
}

static void a_user_does_not_tell_its_clock(void **state) {
    struct rig *rig = start(state, ROLE_USER);
    rig_start(rig);
    uint64_t link = rig_accept(rig, rig_dial(rig, &rig->relays[0].id));
    struct hello hello;
    assert_int_equal(hello_decode(&hello, buf_span(rig_message(rig, link, MESSAGE_HELLO))), OK);
    assert_int_equal(hello.wall_ms, 0);
    assert_false(rig->dials[0].show_certificate);
}

static void another_network_is_closed(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound(rig, NULL, 1);
    struct hello hello = {.version = LINK_PROTOCOL_VERSION, .network = {{1}}};
    uint8_t bytes[HELLO_BYTES];
    rig_send(rig, link, span_of(bytes, hello_encode(bytes, &hello)));
    expect_closed(rig, link, CLOSE_NETWORK);
}

static void another_version_is_closed(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound(rig, NULL, 1);
    struct hello hello = {.version = LINK_PROTOCOL_VERSION + 1, .network = rig->genesis->network};
    uint8_t bytes[HELLO_BYTES];
    rig_send(rig, link, span_of(bytes, hello_encode(bytes, &hello)));
    expect_closed(rig, link, CLOSE_NETWORK);
}

static void a_dialled_relay_of_another_network_is_said_to_the_operator(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_accept(rig, rig_dial(rig, &rig->relays[0].id));
    struct hello hello = {.version = LINK_PROTOCOL_VERSION, .network = {{1}}};
    uint8_t bytes[HELLO_BYTES];
    rig_send(rig, link, span_of(bytes, hello_encode(bytes, &hello)));
    expect_closed(rig, link, CLOSE_NETWORK);
    assert_string_equal(rig->last_warning, "a relay is of another network or version");
}

static void anything_before_hello_closes(void **state) {
    struct rig *rig = start_relay(state);
    uint8_t ping[9];
    uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    uint64_t one = rig_inbound(rig, NULL, 1);
    rig_send(rig, one, span_of(ping, ping_encode(ping, MESSAGE_PING, 1)));
    expect_closed(rig, one, CLOSE_PROTOCOL);
    uint64_t two = rig_inbound(rig, NULL, 1);
    rig_cell(rig, two, CELL_PACKET, SPAN_OF(packet));
    expect_closed(rig, two, CLOSE_PROTOCOL);
    uint64_t three = rig_inbound(rig, NULL, 1);
    rig_cell(rig, three, CELL_DUMMY, (struct span){NULL, 0});
    expect_closed(rig, three, CLOSE_PROTOCOL);
}

static void a_peer_that_never_says_hello_is_cut_in_time(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound(rig, NULL, 1);
    rig_run(rig, rig->config.limits.hello_timeout_ms - 100);
    assert_true(rig_link(rig, link)->open);
    rig_run(rig, 1100);
    expect_closed(rig, link, CLOSE_TIMEOUT);
}

static void a_hello_drop_by_drop_does_not_extend_the_time(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound(rig, NULL, 1);
    for (int i = 0; i < 200 && rig_link(rig, link)->open; i++) {
        rig_bytes(rig, link, SPAN_LITERAL("\3"));
        rig_run(rig, 100);
    }
    expect_closed(rig, link, CLOSE_TIMEOUT);
}

// ---- cells and messages ----

static void cells_are_put_together_from_any_pieces(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound(rig, NULL, 1);
    struct hello hello = {.version = LINK_PROTOCOL_VERSION, .network = rig->genesis->network};
    uint8_t message[HELLO_BYTES];
    uint8_t ping[9];
    uint8_t cells[2 * CELL_BYTES];
    message_cell(cells, span_of(message, hello_encode(message, &hello)), 0);
    message_cell(cells + CELL_BYTES, span_of(ping, ping_encode(ping, MESSAGE_PING, 42)), 0);
    for (size_t at = 0; at < sizeof cells;) {
        size_t n = 1 + at % 97;
        n = n < sizeof cells - at ? n : sizeof cells - at;
        rig_bytes(rig, link, span_of(cells + at, n));
        at += n;
    }
    const struct buf *pong = rig_message(rig, link, MESSAGE_PONG);
    uint64_t token = 0;
    assert_non_null(pong);
    assert_int_equal(ping_decode(&token, buf_span(pong)), OK);
    assert_int_equal(token, 42);
}

static void a_malformed_cell_closes(void **state) {
    struct rig *rig = start_relay(state);
    uint8_t wrong[][4] = {{4, 0, 0, 0}, {0, 1, 0, 0}, {1, 0, 0, 1}, {3, 1, 0, 5}, {2, 0, 0, 0}, {3, 3, 0, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t link = rig_inbound_greeted(rig, NULL, i);
        uint8_t cell[CELL_BYTES] = {0};
        memcpy(cell, wrong[i], 4);
        rig_bytes(rig, link, SPAN_OF(cell));
        expect_closed(rig, link, CLOSE_PROTOCOL);
    }
}

static void malformed_and_unknown_messages_close(void **state) {
    struct rig *rig = start_relay(state);
    const struct span wrong[] = {
        SPAN_LITERAL("\x01short hello"),
        SPAN_LITERAL("\x02ping"),
        SPAN_LITERAL("\x04"),
        SPAN_LITERAL("\x05"),
        SPAN_LITERAL("\x10\x00"),
        SPAN_LITERAL("\x10\x02one handle only"),
        SPAN_LITERAL("\x19"),
        SPAN_LITERAL("\x00zero"),
        SPAN_LITERAL("\x06six"),
        SPAN_LITERAL("\x3fsixty-three"),
        SPAN_LITERAL("\x60ninety-six"),
        SPAN_LITERAL("\xff"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t link = rig_inbound_greeted(rig, NULL, i);
        rig_send(rig, link, wrong[i]);
        expect_closed(rig, link, CLOSE_PROTOCOL);
    }
}

static void a_stranger_may_not_send_long_messages(void **state) {
    struct rig *rig = start_listed(state, 3);
    static uint8_t message[MESSAGE_BYTES_MAX_CLIENT + 1] = {MESSAGE_DIRECTORY};
    uint64_t plain = rig_inbound_greeted(rig, NULL, 1);
    rig_send(rig, plain, SPAN_OF(message));
    expect_closed(rig, plain, CLOSE_PROTOCOL);
    uint64_t certified = rig_inbound_greeted(rig, &rig->relays[5].id, 2); // a key is not yet a place in the directory
    rig_send(rig, certified, SPAN_OF(message));
    expect_closed(rig, certified, CLOSE_PROTOCOL);
    uint64_t relay = rig_inbound_greeted(rig, &rig->relays[2].id, 3);
    rig_send(rig, relay, SPAN_OF(message));
    assert_true(rig_link(rig, relay)->open);
}

static void a_packet_to_one_who_is_no_relay_closes(void **state) {
    struct rig *rig = start(state, ROLE_BOOTSTRAP);
    rig_start(rig);
    uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    rig_cell(rig, link, CELL_PACKET, SPAN_OF(packet));
    expect_closed(rig, link, CLOSE_PROTOCOL);
}

static void a_reply_that_a_stranger_brings_closes(void **state) {
    struct rig *rig = start_relay(state);
    uint8_t cell[CELL_BYTES];
    struct surb_id surb = {{1}};
    uint8_t payload[SPHINX_PAYLOAD_BYTES] = {2};
    cell_encode_reply(cell, &surb, payload);
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    rig_bytes(rig, link, SPAN_OF(cell));
    expect_closed(rig, link, CLOSE_PROTOCOL);
}

static void third_parties_cannot_send_replica_messages(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint8_t message[] = {MESSAGE_REPLICA_FIRST, 1, 2, 3};
    uint64_t plain = rig_inbound_greeted(rig, NULL, 1);
    uint64_t unlisted = rig_inbound_greeted(rig, &rig->relays[4].id, 2);
    rig_send(rig, plain, SPAN_OF(message));
    rig_send(rig, unlisted, SPAN_OF(message));
    assert_int_equal(rig_metric(rig, METRIC_MESSAGES_UNWANTED), 2);
    uint64_t listed = rig_inbound_greeted(rig, &rig->relays[1].id, 3);
    rig_send(rig, listed, SPAN_OF(message));
    assert_int_equal(rig_metric(rig, METRIC_MESSAGES_UNWANTED), 2);
}

// ---- silence ----

static void a_silent_link_is_pinged_and_lives_when_it_answers(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    for (int i = 0; i < 5; i++) {
        rig_run(rig, rig->config.limits.idle_timeout_ms / 2 + 1000);
        assert_int_equal(rig_message_count(rig, link, MESSAGE_PING), i + 1);
        uint8_t pong[9];
        rig_send(rig, link, span_of(pong, ping_encode(pong, MESSAGE_PONG, 0)));
    }
    assert_true(rig_link(rig, link)->open);
}

static void a_silent_link_is_pinged_once_and_then_cut(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    rig_run(rig, rig->config.limits.idle_timeout_ms + 1000);
    assert_int_equal(rig_message_count(rig, link, MESSAGE_PING), 1);
    expect_closed(rig, link, CLOSE_TIMEOUT);
}

static void a_ping_tells_nothing_about_the_one_who_sends_it(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    rig_run(rig, rig->config.limits.idle_timeout_ms / 2 + 1000);
    uint64_t token = 1;
    assert_int_equal(ping_decode(&token, buf_span(rig_message(rig, link, MESSAGE_PING))), OK);
    assert_int_equal(token, 0);
}

// ---- floods and limits ----

static void packets_over_the_rate_are_dropped_and_then_cut(void **state) {
    struct rig *rig = start_relay(state);
    rig->config.limits.packets_per_s_per_link = 10;
    rig_restart(rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    int64_t before = rig_metric(rig, METRIC_RELAY_RECEIVED);
    for (int i = 0; i < 30; i++) {
        rig_cell(rig, link, CELL_PACKET, SPAN_OF(packet));
    }
    assert_int_equal(rig_metric(rig, METRIC_RELAY_RECEIVED) - before, 19); // a burst of 20, one was the hello
    assert_int_equal(rig_metric(rig, METRIC_PACKETS_LIMITED), 11);
    assert_true(rig_link(rig, link)->open);
    for (int i = 0; i < 30; i++) {
        rig_cell(rig, link, CELL_PACKET, SPAN_OF(packet));
    }
    expect_closed(rig, link, CLOSE_FLOOD);
}

static void a_flood_of_dummies_or_messages_is_cut_too(void **state) {
    struct rig *rig = start_relay(state);
    uint8_t ping[9];
    ping_encode(ping, MESSAGE_PING, 1);
    uint64_t dummies = rig_inbound_greeted(rig, NULL, 1);
    uint64_t messages = rig_inbound_greeted(rig, NULL, 2);
    for (int i = 0; i < 1000; i++) {
        rig_cell(rig, dummies, CELL_DUMMY, (struct span){NULL, 0});
        rig_send(rig, messages, SPAN_OF(ping));
    }
    expect_closed(rig, dummies, CLOSE_FLOOD);
    expect_closed(rig, messages, CLOSE_FLOOD);
}

static void clients_of_one_address_share_a_rate(void **state) {
    struct rig *rig = start(state, ROLE_RELAY);
    rig->config.limits.packets_per_s_per_link = 100;
    rig->config.limits.packets_per_s_per_address = 10;
    rig_start(rig);
    uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    uint64_t one = rig_inbound_greeted(rig, NULL, 1);
    uint64_t two = rig_inbound_greeted(rig, NULL, 1);
    uint64_t elsewhere = rig_inbound_greeted(rig, NULL, 2);
    for (int i = 0; i < 15; i++) {
        rig_cell(rig, one, CELL_PACKET, SPAN_OF(packet));
        rig_cell(rig, two, CELL_PACKET, SPAN_OF(packet));
        rig_cell(rig, elsewhere, CELL_PACKET, SPAN_OF(packet));
    }
    assert_int_equal(rig_metric(rig, METRIC_RELAY_RECEIVED), 20 + 15);
    assert_true(rig_link(rig, one)->open && rig_link(rig, two)->open); // nobody is cut for a neighbour's traffic
}

static void relays_of_the_directory_are_not_limited_as_clients_are(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    for (int i = 0; i < 1000; i++) {
        rig_cell(rig, link, CELL_PACKET, SPAN_OF(packet));
    }
    assert_int_equal(rig_metric(rig, METRIC_RELAY_RECEIVED), 1000);
    assert_int_equal(rig_metric(rig, METRIC_PACKETS_LIMITED), 0);
}

static void an_address_has_so_many_links_and_no_more(void **state) {
    struct rig *rig = start_relay(state);
    uint32_t max = rig->config.limits.client_links_per_address;
    uint64_t first = 0;
    for (uint32_t i = 0; i < max; i++) {
        uint64_t link = rig_inbound(rig, NULL, STRANGERS_ADDRESS);
        assert_true(rig_link(rig, link)->open);
        first = first == 0 ? link : first;
    }
    uint64_t over = rig_inbound(rig, NULL, STRANGERS_ADDRESS);
    expect_closed(rig, over, CLOSE_FLOOD);
    assert_null(rig_message(rig, over, MESSAGE_HELLO));
    assert_int_equal(rig_metric(rig, METRIC_LINKS_REFUSED), 1);
    assert_true(rig_link(rig, rig_inbound(rig, NULL, STRANGERS_ADDRESS + 1))->open);
    rig_lost(rig, first);
    assert_true(rig_link(rig, rig_inbound(rig, NULL, STRANGERS_ADDRESS))->open);
}

static void strangers_do_not_take_the_room_of_relays(void **state) {
    struct rig *rig = start_listed(state, 3);
    rig->config.limits.links_max = 8;
    rig_restart(rig, false);
    for (uint64_t i = 0; i < 20; i++) {
        rig_inbound(rig, NULL, 1000 + i);
    }
    assert_true(rig->node->links.count <= 8);
    assert_true(rig_link(rig, rig_inbound(rig, &rig->relays[1].id, 1))->open);
    assert_true(rig_link(rig, rig_accept(rig, rig_dial(rig, &rig->relays[0].id)))->open);
}

static void a_relay_has_a_few_links_at_most_and_the_newest_stay(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t links[6];
    for (size_t i = 0; i < 6; i++) {
        links[i] = rig_inbound_greeted(rig, &rig->relays[2].id, 1);
    }
    expect_closed(rig, links[0], CLOSE_UNWANTED);
    expect_closed(rig, links[1], CLOSE_UNWANTED);
    assert_true(rig_link(rig, links[5])->open);
}

static void a_second_node_with_our_key_is_refused_and_said(void **state) {
    struct rig *rig = start_relay(state);
    struct relay_id self;
    node_identity(rig->node, &self);
    uint64_t link = rig_inbound(rig, &self, 1);
    assert_false(rig_link(rig, link)->open);
    assert_string_equal(rig->last_warning, "another node uses this node's identity key");
}

// ---- directories served ----

static void anybody_gets_the_directory_but_not_without_end(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    uint8_t ask[5];
    get_directory_encode(ask, 0);
    for (int i = 0; i < 50; i++) {
        rig_send(rig, link, SPAN_OF(ask));
    }
    assert_int_equal(rig_message_count(rig, link, MESSAGE_DIRECTORY), 2);
    rig_run(rig, 1500);
    rig_send(rig, link, SPAN_OF(ask));
    assert_int_equal(rig_message_count(rig, link, MESSAGE_DIRECTORY), 3);
    uint32_t epoch;
    struct span directory;
    assert_int_equal(directory_message_decode(&epoch, &directory, buf_span(rig_message(rig, link, MESSAGE_DIRECTORY))),
                     OK);
    assert_true(directory.n > 0);
}

static void a_directory_that_is_not_held_is_answered_with_nothing(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    uint8_t ask[5];
    get_directory_encode(ask, 9);
    rig_send(rig, link, SPAN_OF(ask));
    uint32_t epoch;
    struct span directory;
    const struct buf *answer = rig_message(rig, link, MESSAGE_DIRECTORY);
    assert_non_null(answer);
    assert_int_equal(directory_message_decode(&epoch, &directory, buf_span(answer)), OK);
    assert_int_equal(epoch, 9);
    assert_int_equal(directory.n, 0);
}

// ---- handles ----

static void a_client_registers_handles_and_loses_them_with_the_link(void **state) {
    struct rig *rig = start_relay(state);
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    struct handle handles[3] = {{{1}}, {{2}}, {{3}}};
    uint8_t message[HANDLES_BYTES_MAX];
    uint64_t found = 0;
    rig_send(rig, link, span_of(message, handles_encode(message, handles, 3)));
    assert_int_equal(rig->node->links.handles.count, 3);
    assert_true(handle_table_find(&rig->node->links.handles, &found, &handles[1]));
    assert_int_equal(found, link);
    rig_send(rig, link, span_of(message, handles_encode(message, handles + 2, 1)));
    assert_int_equal(rig->node->links.handles.count, 1);
    rig_lost(rig, link);
    assert_int_equal(rig->node->links.handles.count, 0);
}

static void handles_that_nobody_needs_here_close(void **state) {
    struct rig *rig = start(state, ROLE_BOOTSTRAP);
    rig_start(rig);
    uint64_t link = rig_inbound_greeted(rig, NULL, 1);
    struct handle handle = {{1}};
    uint8_t message[HANDLES_BYTES_MAX];
    rig_send(rig, link, span_of(message, handles_encode(message, &handle, 1)));
    expect_closed(rig, link, CLOSE_PROTOCOL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_CASE(a_node_says_hello_at_once_and_waits_for_nothing),
        RIG_CASE(a_user_does_not_tell_its_clock),
        RIG_CASE(another_network_is_closed),
        RIG_CASE(another_version_is_closed),
        RIG_CASE(a_dialled_relay_of_another_network_is_said_to_the_operator),
        RIG_CASE(anything_before_hello_closes),
        RIG_CASE(a_peer_that_never_says_hello_is_cut_in_time),
        RIG_CASE(a_hello_drop_by_drop_does_not_extend_the_time),
        RIG_CASE(cells_are_put_together_from_any_pieces),
        RIG_CASE(a_malformed_cell_closes),
        RIG_CASE(malformed_and_unknown_messages_close),
        RIG_CASE(a_stranger_may_not_send_long_messages),
        RIG_CASE(a_packet_to_one_who_is_no_relay_closes),
        RIG_CASE(a_reply_that_a_stranger_brings_closes),
        RIG_CASE(third_parties_cannot_send_replica_messages),
        RIG_CASE(a_silent_link_is_pinged_and_lives_when_it_answers),
        RIG_CASE(a_silent_link_is_pinged_once_and_then_cut),
        RIG_CASE(a_ping_tells_nothing_about_the_one_who_sends_it),
        RIG_CASE(packets_over_the_rate_are_dropped_and_then_cut),
        RIG_CASE(a_flood_of_dummies_or_messages_is_cut_too),
        RIG_CASE(clients_of_one_address_share_a_rate),
        RIG_CASE(relays_of_the_directory_are_not_limited_as_clients_are),
        RIG_CASE(an_address_has_so_many_links_and_no_more),
        RIG_CASE(strangers_do_not_take_the_room_of_relays),
        RIG_CASE(a_relay_has_a_few_links_at_most_and_the_newest_stay),
        RIG_CASE(a_second_node_with_our_key_is_refused_and_said),
        RIG_CASE(anybody_gets_the_directory_but_not_without_end),
        RIG_CASE(a_directory_that_is_not_held_is_answered_with_nothing),
        RIG_CASE(a_client_registers_handles_and_loses_them_with_the_link),
        RIG_CASE(handles_that_nobody_needs_here_close),
    };
    return cmocka_run_group_tests_name("node links", tests, rig_setup, NULL);
}
