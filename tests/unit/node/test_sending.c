// What leaves a node: the window of a link, its queue, what waits for a sync and what does not, replication's ticks,
// what a node sends to itself, what its roles answer.
#include "rig.h"

static struct rig *start_listed(void **state, size_t count) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig_start_listed(rig, count);
    return rig;
}

static struct step step_of(struct rig *rig) {
    rig->node->effects = &rig->effects;
    return (struct step){.env = &rig->env, .now = rig->now, .batch = &rig->effects.batch, .jobs = &rig->effects.jobs};
}

static void done(struct rig *rig) {
    struct effects kept = rig->effects;
    rig->effects = (struct effects){0};
    rig_take(rig, &kept);
    effects_free(&kept);
}

static void send_cells(struct rig *rig, uint64_t link, size_t count) {
    static const uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    struct step step = step_of(rig);
    for (size_t i = 0; i < count; i++) {
        struct link *to = link_table_find(&rig->node->links, link);
        if (to != NULL) {
            send_cell(rig->node, &step, to, CELL_PACKET, SPAN_OF(packet), true);
        }
    }
    done(rig);
}

static void send_message_of(struct rig *rig, uint64_t link, size_t n) {
    uint8_t *message = mem_new(n, 1);
    message[0] = MESSAGE_REPLICA_FIRST;
    struct step step = step_of(rig);
    send_message(rig->node, &step, link_table_find(&rig->node->links, link), span_of(message, n));
    done(rig);
    free(message);
}

// ---- windows and queues ----

static void no_more_leaves_than_the_window_until_it_is_drained(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig->no_drain = true;
    rig_drained(rig, link);
    send_cells(rig, link, 40);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET], 16);
    rig_drained(rig, link);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET], 32);
    rig_drained(rig, link);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET], 40);
    send_cells(rig, link, 9);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET], 48); // eight were free
}

static void packets_and_long_messages_take_turns(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig->no_drain = true;
    rig_drained(rig, link);
    size_t parts = rig_link(rig, link)->cells[CELL_PART];
    send_cells(rig, link, LINK_WINDOW_CELLS);
    send_message_of(rig, link, 100 * CELL_BODY_BYTES);
    send_cells(rig, link, 100);
    size_t packets = rig_link(rig, link)->cells[CELL_PACKET];
    rig_drained(rig, link);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET] - packets, LINK_WINDOW_CELLS / 2);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PART] - parts, LINK_WINDOW_CELLS / 2);
}

static void parts_of_a_message_do_not_overtake_each_other(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig->no_drain = true;
    rig_drained(rig, link);
    send_message_of(rig, link, 40 * CELL_BODY_BYTES);
    send_message_of(rig, link, 10);
    rig_drained(rig, link);
    rig_drained(rig, link);
    struct rig_link *at = rig_link(rig, link); // the rig's own assembler refuses any other order
    assert_int_equal(at->messages[at->message_count - 2].n, 40 * CELL_BODY_BYTES);
    assert_int_equal(at->messages[at->message_count - 1].n, 10);
}

static void a_relays_full_queue_drops_and_counts(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig->config.limits.link_queue_cells = 50;
    rig_start_listed(rig, 3);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig->no_drain = true;
    rig_drained(rig, link);
    send_cells(rig, link, 100);
    assert_int_equal(rig_metric(rig, METRIC_LINK_QUEUE_FULL), 100 - 16 - 50);
    assert_true(rig_link(rig, link)->open);
    for (int i = 0; i < 5; i++) {
        rig_drained(rig, link);
    }
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET], 66);
}

static void a_client_that_does_not_read_is_cut(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig->config.limits.link_queue_cells = 50;
    rig_start_listed(rig, 3);
    uint64_t plain = rig_inbound_greeted(rig, NULL, 1);
    uint64_t certified = rig_inbound_greeted(rig, &rig->relays[5].id, 2);
    rig->no_drain = true;
    send_cells(rig, plain, 100);
    send_cells(rig, certified, 100);
    assert_int_equal(rig_link(rig, plain)->reason, CLOSE_FLOOD);
    assert_int_equal(rig_link(rig, certified)->reason, CLOSE_FLOOD);
    assert_false(rig_link(rig, plain)->open || rig_link(rig, certified)->open);
}

static void what_waited_for_a_link_is_dropped_with_it(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig->no_drain = true;
    send_cells(rig, link, 100);
    rig_lost(rig, link);
    uint64_t again = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig->no_drain = false;
    rig_drained(rig, again);
    assert_int_equal(rig_link(rig, again)->cells[CELL_PACKET], 0);
}

// ---- what waits for a sync ----

static void only_forwarding_and_the_first_hello_leave_at_once(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    assert_int_equal(rig_link(rig, link)->immediate, 1);
    send_message_of(rig, link, 10);
    assert_int_equal(rig_link(rig, link)->immediate, 1);
    send_cells(rig, link, 3);
    assert_int_equal(rig_link(rig, link)->immediate, 4);
    rig->now.wall_ms += RIG_EPOCH_MS;
    struct buf directory = {0};
    uint64_t seed = peer_table_find(&rig->node->peers, &rig->relays[0].id)->link;
    rig_directory_with_self(rig, &directory, 2, 3);
    rig_hello(rig, seed, 2);
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    assert_int_equal(rig_message_count(rig, link, MESSAGE_HELLO), 2);
    assert_int_equal(rig_link(rig, link)->immediate, 4); // an announcement waits: it must not part a message
}

static void what_waited_for_a_sync_still_does_when_it_waited_for_room(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig->no_drain = true;
    rig_drained(rig, link);
    send_cells(rig, link, LINK_WINDOW_CELLS);
    size_t immediate = rig_link(rig, link)->immediate;
    static const uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    struct step step = step_of(rig);
    send_cell(rig->node, &step, link_table_find(&rig->node->links, link), CELL_PACKET, SPAN_OF(packet), false);
    done(rig);
    rig_drained(rig, link);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET], LINK_WINDOW_CELLS + 1);
    assert_int_equal(rig_link(rig, link)->immediate, immediate);
}

// ---- ticks ----

static struct rig *start_balanced(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig->genesis->profile = PROFILE_BALANCED;
    rig_start_listed(rig, 3);
    return rig;
}

static void replication_leaves_with_the_tick_and_so_do_dummies(void **state) {
    struct rig *rig = start_balanced(state);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig_run(rig, 15 - rig->now.mono_ms % 10); // five after a tick
    size_t parts = rig_link(rig, link)->cells[CELL_PART];
    uint8_t message[] = {MESSAGE_REPLICA_FIRST, 1};
    struct step step = step_of(rig);
    send_message_to_relay(rig->node, &step, &rig->relays[1].id, SPAN_OF(message));
    done(rig);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PART], parts);
    rig_run(rig, 4);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PART], parts);
    rig_run(rig, 1);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PART], parts + 1);
    size_t dummies = rig_link(rig, link)->cells[CELL_DUMMY];
    rig_run(rig, 16000);
    dummies = rig_link(rig, link)->cells[CELL_DUMMY] - dummies;
    assert_true(dummies > 130 && dummies < 270); // 1,600 ticks, one in eight: 200, five standard deviations
}

static void a_fast_network_has_no_ticks(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    uint8_t message[] = {MESSAGE_REPLICA_FIRST, 1};
    struct step step = step_of(rig);
    size_t parts = rig_link(rig, link)->cells[CELL_PART];
    send_message_to_relay(rig->node, &step, &rig->relays[1].id, SPAN_OF(message));
    done(rig);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PART], parts + 1);
    rig_run(rig, 5000);
    assert_int_equal(rig_link(rig, link)->cells[CELL_DUMMY], 0);
}

// ---- to itself, and to its own clients ----

static void what_a_node_sends_to_itself_comes_back_through_the_host(void **state) {
    struct rig *rig = start_listed(state, 3);
    static const uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    struct relay_id self;
    node_identity(rig->node, &self);
    int64_t received = rig_metric(rig, METRIC_RELAY_RECEIVED);
    struct step step = step_of(rig);
    send_packet_to_relay(rig->node, &step, &self, packet, false);
    assert_int_equal(rig_metric(rig, METRIC_RELAY_RECEIVED), received); // not within the step
    assert_false(rig->effects.list[0].immediate);                       // and not before its sync
    done(rig);
    assert_int_equal(rig->self_sends, 1);
    assert_int_equal(rig_metric(rig, METRIC_RELAY_RECEIVED), received + 1);
}

// A packet whose way ends at this relay: to one of its clients' handles.
static void make_reply(struct rig *rig, uint8_t packet[static SPHINX_PACKET_BYTES], const struct handle *handle) {
    struct onion_keys keys;
    struct step step = step_of(rig);
    relay_onion_keys(rig->node->relay, &step, &keys);
    done(rig);
    struct relay_id self;
    node_identity(rig->node, &self);
    struct sphinx_hop hop = {.onion = keys.keys[rig_epoch(rig) - keys.first_epoch],
                             .key_epoch = (uint8_t)rig_epoch(rig)};
    memcpy(hop.id, self.bytes, 32);
    struct sphinx_end end = {.type = SPHINX_CLIENT};
    memcpy(end.next_id, handle->bytes, sizeof handle->bytes);
    end.next_id[16] = 9; // the SURB's id
    assert_int_equal(sphinx_make(packet, &hop, 1, &end, SPAN_LITERAL("reply"), &rig->env.rng), OK);
}

static void a_reply_finds_the_client_by_its_handle(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    struct handle handle = {{5}};
    struct handle unknown = {{6}};
    uint8_t message[HANDLES_BYTES_MAX];
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_send(rig, client, span_of(message, handles_encode(message, &handle, 1)));
    make_reply(rig, packet, &handle);
    rig_cell(rig, peer_table_find(&rig->node->peers, &rig->relays[0].id)->link, CELL_PACKET, SPAN_OF(packet));
    assert_int_equal(rig_link(rig, client)->cells[CELL_REPLY], 1);
    make_reply(rig, packet, &unknown);
    rig_cell(rig, client, CELL_PACKET, SPAN_OF(packet));
    assert_int_equal(rig_metric(rig, METRIC_UNKNOWN_HANDLE), 1);
    rig_lost(rig, client);
    make_reply(rig, packet, &handle);
    rig_cell(rig, peer_table_find(&rig->node->peers, &rig->relays[0].id)->link, CELL_PACKET, SPAN_OF(packet));
    assert_int_equal(rig_metric(rig, METRIC_UNKNOWN_HANDLE), 2);
}

static void a_packet_is_forwarded_once(void **state) {
    struct rig *rig = start_listed(state, 3);
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    uint64_t next = rig_inbound_greeted(rig, &rig->relays[1].id, 2);
    struct onion_keys keys;
    struct step step = step_of(rig);
    relay_onion_keys(rig->node->relay, &step, &keys);
    done(rig);
    struct relay_id self;
    node_identity(rig->node, &self);
    struct sphinx_hop hops[2] = {{.onion = keys.keys[rig_epoch(rig) - keys.first_epoch]},
                                 {.onion = rig->relays[1].onion}};
    hops[0].key_epoch = hops[1].key_epoch = (uint8_t)rig_epoch(rig);
    memcpy(hops[0].id, self.bytes, 32);
    memcpy(hops[1].id, rig->relays[1].id.bytes, 32);
    struct sphinx_end end = {.type = SPHINX_DELIVER};
    uint8_t packet[SPHINX_PACKET_BYTES];
    assert_int_equal(sphinx_make(packet, hops, 2, &end, SPAN_LITERAL("body"), &rig->env.rng), OK);
    rig_cell(rig, client, CELL_PACKET, SPAN_OF(packet));
    assert_int_equal(rig_link(rig, next)->cells[CELL_PACKET], 1);
    rig_cell(rig, client, CELL_PACKET, SPAN_OF(packet));
    assert_int_equal(rig_link(rig, next)->cells[CELL_PACKET], 1);
    assert_int_equal(rig_metric(rig, METRIC_RELAY_REPLAYS), 1);
}

static void a_relay_may_be_its_own_users_entry(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY | ROLE_USER);
    rig_start_listed(rig, 1); // two relays in all: it is one of the two entries
    rig_run(rig, 1000);
    assert_true(rig->node->self_handles.count > 0);
    uint64_t link = LINK_SELF + 1;
    assert_true(handle_table_find(&rig->node->links.handles, &link, &rig->node->self_handles.handles[0]));
    assert_int_equal(link, LINK_SELF);
    int64_t unknown = rig_metric(rig, METRIC_UNKNOWN_HANDLE);
    uint8_t packet[SPHINX_PACKET_BYTES];
    make_reply(rig, packet, &rig->node->self_handles.handles[0]);
    rig_cell(rig, peer_table_find(&rig->node->peers, &rig->relays[0].id)->link, CELL_PACKET, SPAN_OF(packet));
    assert_int_equal(rig_metric(rig, METRIC_UNKNOWN_HANDLE), unknown);
    assert_int_equal(rig_metric(rig, METRIC_RELAY_TO_CLIENT), 1);
}

// ---- answers ----

static void ask(struct rig *rig, enum node_op op, enum client_op client_op) {
    struct node_request request = {.id = 5, .op = op, .client = {.id = 5, .op = client_op}};
    rig_event(rig, &(struct event){.kind = EVENT_REQUEST, .request = {&request}});
}

static void a_node_tells_its_status(void **state) {
    struct rig *rig = start_listed(state, 3);
    rig_inbound_greeted(rig, NULL, 1);
    rig_inbound_greeted(rig, &rig->relays[1].id, 2);
    ask(rig, NODE_STATUS, 0);
    assert_int_equal(rig->answer_count, 1);
    const struct node_status *status = &rig->answers[0]->status;
    assert_true(status->ready);
    assert_int_equal(status->epoch, 1);
    assert_int_equal(status->directory_epoch, 1);
    assert_int_equal(status->relays, 4);
    assert_int_equal(status->relay_links, 2);
    assert_int_equal(status->client_links, 1);
}

static void a_relay_has_no_messages_to_show(void **state) {
    struct rig *rig = start_listed(state, 3);
    ask(rig, NODE_CLIENT, CLIENT_MESSAGES);
    assert_int_equal(rig->answer_count, 1);
    assert_int_equal(rig->answers[0]->client.err, ERR_UNSUPPORTED);
    assert_int_equal(rig->answers[0]->id, 5);
}

static void a_node_without_the_part_that_is_asked_says_so(void **state) {
    static const struct {
        enum node_op op;
        const char *reason;
    } cases[] = {{NODE_LEDGER, "this node has no ledger"}, {NODE_WATCH, "this node has nothing to tell"}};
    struct rig *rig = start_listed(state, 3);
    for (size_t i = 0; i < 2; i++) {
        const char *reason;
        ask(rig, cases[i].op, CLIENT_WATCH);
        assert_int_equal(rig->answer_count, i + 1);
        assert_int_equal(rig->answers[i]->op, cases[i].op);
        assert_int_equal(node_answer_error(rig->answers[i], &reason), ERR_UNSUPPORTED);
        assert_string_equal(reason, cases[i].reason);
    }
}

static void a_relay_tells_what_it_is_registered_with(void **state) {
    struct rig *rig = start_listed(state, 3);
    struct onion_keys announced;
    bool changed = relay_keys_changed(rig->node->relay);
    ask(rig, NODE_RELAY, 0);
    const struct node_relay *relay = &rig->answers[0]->relay;
    assert_true(relay_id_equal(&relay->id, &rig->node->self));
    assert_true(address_equal(&relay->address, &rig->config.address));
    assert_int_equal(relay_keys_changed(rig->node->relay), changed); // asking announces nothing
    struct effects effects = {0};
    struct step step = {.now = rig->now, .env = &rig->env, .batch = &effects.batch, .jobs = &effects.jobs};
    relay_onion_keys(rig->node->relay, &step, &announced);
    assert_int_equal(relay->onion.first_epoch, announced.first_epoch);
    assert_memory_equal(relay->onion.keys, announced.keys, sizeof announced.keys);
    effects_free(&effects);
}

static void a_user_is_no_relay(void **state) {
    struct rig *rig = *state;
    const char *reason;
    rig_init(rig, ROLE_USER);
    rig_start(rig);
    ask(rig, NODE_RELAY, 0);
    assert_int_equal(node_answer_error(rig->answers[0], &reason), ERR_UNSUPPORTED);
    assert_string_equal(reason, "this node is no relay");
}

static void a_request_to_a_stopping_node_is_answered(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_USER);
    rig_start(rig);
    rig_event(rig, &(struct event){.kind = EVENT_STOP});
    ask(rig, NODE_CLIENT, CLIENT_ID);
    assert_int_equal(rig->answer_count, 1);
    assert_string_equal(rig->answers[0]->client.reason, "this node is stopping");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_CASE(no_more_leaves_than_the_window_until_it_is_drained),
        RIG_CASE(packets_and_long_messages_take_turns),
        RIG_CASE(parts_of_a_message_do_not_overtake_each_other),
        RIG_CASE(a_relays_full_queue_drops_and_counts),
        RIG_CASE(a_client_that_does_not_read_is_cut),
        RIG_CASE(what_waited_for_a_link_is_dropped_with_it),
        RIG_CASE(only_forwarding_and_the_first_hello_leave_at_once),
        RIG_CASE(what_waited_for_a_sync_still_does_when_it_waited_for_room),
        RIG_CASE(replication_leaves_with_the_tick_and_so_do_dummies),
        RIG_CASE(a_fast_network_has_no_ticks),
        RIG_CASE(what_a_node_sends_to_itself_comes_back_through_the_host),
        RIG_CASE(a_reply_finds_the_client_by_its_handle),
        RIG_CASE(a_packet_is_forwarded_once),
        RIG_CASE(a_relay_may_be_its_own_users_entry),
        RIG_CASE(a_node_tells_its_status),
        RIG_CASE(a_relay_has_no_messages_to_show),
        RIG_CASE(a_node_without_the_part_that_is_asked_says_so),
        RIG_CASE(a_relay_tells_what_it_is_registered_with),
        RIG_CASE(a_user_is_no_relay),
        RIG_CASE(a_request_to_a_stopping_node_is_answered),
    };
    return cmocka_run_group_tests_name("node sending", tests, rig_setup, NULL);
}
