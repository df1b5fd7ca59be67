// Relays that move between two directories: what one that has moved says, what others do with it, and who asks whom.
#include "rig.h"

#include "wire/address_record.h"

#define LAST (RIG_RELAYS - 1) // this node dials it
#define MOVED_PORT 9005

static struct rig *start_listed(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig_start_listed(rig, RIG_RELAYS);
    return rig;
}

// It was listed with port 7999.
static struct rig *start_moved(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig->config.address.port = MOVED_PORT;
    rig_start_listed(rig, RIG_RELAYS);
    return rig;
}

// Its seed is not in the directory, which serves for hours.
static struct rig *start_user(void **state) {
    struct rig *rig = *state;
    struct buf directory = {0};
    rig_init(rig, ROLE_USER);
    rig->genesis->seeds[0].id = rig->relays[LAST].id;
    rig->genesis->epoch_ms = HOUR_MS;
    rig_start(rig);
    uint64_t seed = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[LAST].id), 1);
    rig_directory(rig, &directory, 1, RIG_RELAYS - 1);
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    assert_false(rig_link(rig, seed)->open);
    return rig;
}

static struct peer *peer(struct rig *rig, size_t relay) {
    return peer_table_find(&rig->node->peers, &rig->relays[relay].id);
}

static struct address_record record_of(struct rig *rig, size_t relay, uint16_t port) {
    struct address_record record = {
        .id = rig->relays[relay].id, .signed_ms = rig->now.wall_ms, .address = {.host = "127.0.0.1", .port = port}};
    address_record_sign(&record, &rig->genesis->network, &rig->relays[relay].secret);
    return record;
}

static void tell_record(struct rig *rig, uint64_t link, const struct address_record *record) {
    struct buf message = {0};
    addresses_message_encode(&message, record, 1);
    rig_send(rig, link, buf_span(&message));
    buf_free(&message);
}

static void tell(struct rig *rig, uint64_t link, size_t relay, uint16_t port) {
    struct address_record record = record_of(rig, relay, port);
    tell_record(rig, link, &record);
}

static void ask(struct rig *rig, uint64_t link) {
    uint8_t message[1];
    rig_send(rig, link, span_of(message, get_addresses_encode(message)));
}

// How many records the newest message with records has, and the first of them. 0: none came.
static size_t told(struct rig *rig, uint64_t link, struct address_record *first) {
    const struct buf *message = rig_message(rig, link, MESSAGE_ADDRESSES);
    struct address_record *records;
    size_t count;
    if (message == NULL) {
        return 0;
    }
    assert_int_equal(addresses_message_decode(&records, &count, buf_span(message)), OK);
    if (count > 0) {
        *first = records[0];
        assert_int_equal(address_record_verify(first, &rig->genesis->network), OK);
    }
    free(records);
    return count;
}

static void refuse_all_dials(struct rig *rig) {
    for (size_t i = 0; i < RIG_RELAYS; i++) {
        struct rig_dial *dial = rig_dial(rig, &rig->relays[i].id);
        if (dial != NULL) {
            rig_refuse(rig, dial);
        }
    }
}

// ---- a relay that has moved ----

static void a_relay_that_has_moved_tells_every_relay(void **state) {
    struct rig *rig = start_moved(state);
    struct address_record record;
    assert_int_equal(told(rig, peer(rig, 0)->link, &record), 1);
    assert_true(relay_id_equal(&record.id, &rig->node->self));
    assert_int_equal(record.address.port, MOVED_PORT);
    uint64_t dialled = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[LAST].id), 1);
    uint64_t inbound = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    assert_int_equal(told(rig, dialled, &record), 1);
    assert_int_equal(told(rig, inbound, &record), 1);
    assert_int_equal(record.address.port, MOVED_PORT);
}

static void a_relay_that_is_where_the_directory_has_it_says_nothing(void **state) {
    struct rig *rig = start_listed(state);
    rig_live(rig, 10000);
    assert_int_equal(rig_message_count(rig, peer(rig, 0)->link, MESSAGE_ADDRESSES), 0);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES), 0);
}

static void clients_are_not_told_but_get_an_answer(void **state) {
    struct rig *rig = start_moved(state);
    struct address_record record;
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    assert_int_equal(told(rig, client, &record), 0);
    ask(rig, client);
    assert_int_equal(told(rig, client, &record), 1);
    assert_int_equal(record.address.port, MOVED_PORT);
}

static void a_record_is_later_than_that_of_before_a_restart(void **state) {
    struct rig *rig = start_moved(state);
    struct address_record first;
    struct address_record second;
    assert_int_equal(told(rig, peer(rig, 0)->link, &first), 1);
    rig->now.wall_ms -= 20000; // the clock was wrong
    rig->config.address.port++;
    rig_restart(rig, false);
    uint64_t link = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
    assert_int_equal(told(rig, link, &second), 1);
    assert_int_equal(second.address.port, MOVED_PORT + 1);
    assert_true(second.signed_ms >= first.signed_ms + ADDRESS_INTERVAL_MS);
}

static void a_restart_without_a_move_needs_no_other_record(void **state) {
    struct rig *rig = start_moved(state);
    struct address_record first;
    struct address_record again;
    assert_int_equal(told(rig, peer(rig, 0)->link, &first), 1);
    rig_run(rig, 1000);
    rig_restart(rig, false);
    uint64_t link = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
    assert_int_equal(told(rig, link, &again), 1);
    assert_int_equal(again.signed_ms, first.signed_ms);
}

static void a_clock_set_back_far_keeps_a_relay_from_signing(void **state) {
    struct rig *rig = start_moved(state);
    struct address_record record;
    rig_live(rig, 1000);
    rig->now.wall_ms -= 2 * MINUTE_MS;
    rig->config.address.port++;
    rig_restart(rig, false);
    uint64_t link = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
    rig_live(rig, 5000);
    assert_true(told(rig, link, &record) == 0 || record.address.port == MOVED_PORT);
    assert_non_null(rig->last_warning);
}

// Its store was lost, and with it the time of its last record.
static void a_relay_hears_from_others_what_it_has_said_before(void **state) {
    struct rig *rig = start_listed(state);
    struct address_record before = {
        .id = rig->node->self, .signed_ms = rig->now.wall_ms, .address = {.host = "127.0.0.1", .port = MOVED_PORT}};
    struct address_record record;
    address_record_sign(&before, &rig->genesis->network, &rig->node->identity);
    uint64_t seed = peer(rig, 0)->link;
    tell_record(rig, seed, &before);
    rig_live(rig, 1000);
    assert_int_equal(told(rig, seed, &record), 1);
    assert_int_equal(record.address.port, 7999);
    assert_true(record.signed_ms >= before.signed_ms + ADDRESS_INTERVAL_MS);
}

// ---- others ----

static void a_relay_that_has_moved_is_dialled_there_at_once(void **state) {
    struct rig *rig = start_listed(state);
    for (int i = 0; i < 5; i++) { // long enough for waits of seconds
        rig_refuse(rig, rig_dial(rig, &rig->relays[LAST].id));
        rig_live(rig, 11000);
    }
    rig_refuse(rig, rig_dial(rig, &rig->relays[LAST].id));
    assert_null(rig_dial(rig, &rig->relays[LAST].id));
    tell(rig, peer(rig, 0)->link, LAST, MOVED_PORT);
    struct rig_dial *dial = rig_dial(rig, &rig->relays[LAST].id);
    assert_non_null(dial);
    assert_int_equal(dial->address.port, MOVED_PORT);
    assert_true(relay_id_equal(&dial->expected, &rig->relays[LAST].id)); // nobody else may answer there
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES), 1);
}

static void a_record_that_leads_nowhere_leaves_the_relay_where_it_is_listed(void **state) {
    struct rig *rig = start_listed(state);
    rig_refuse(rig, rig_dial(rig, &rig->relays[LAST].id));
    tell(rig, peer(rig, 0)->link, LAST, MOVED_PORT);
    rig_refuse(rig, rig_dial(rig, &rig->relays[LAST].id)); // somebody else's host
    rig_live(rig, 11000);
    struct rig_dial *dial = rig_dial(rig, &rig->relays[LAST].id);
    assert_int_equal(dial->address.port, 8000 + LAST);
    uint64_t link = rig_accept_greeted(rig, dial, 1);
    rig_live(rig, 6000);
    rig_lost(rig, link); // where it answered is tried first from then on
    assert_int_equal(rig_dial(rig, &rig->relays[LAST].id)->address.port, 8000 + LAST);
}

static void both_addresses_are_tried_in_turn(void **state) {
    struct rig *rig = start_listed(state);
    tell(rig, peer(rig, 0)->link, LAST, MOVED_PORT);
    rig_refuse(rig, rig_dial(rig, &rig->relays[LAST].id)); // under way when the record came
    size_t moved = 0;
    size_t listed = 0;
    for (int i = 0; i < 10; i++) {
        rig_live(rig, 11000);
        struct rig_dial *dial = rig_dial(rig, &rig->relays[LAST].id);
        moved += dial->address.port == MOVED_PORT;
        listed += dial->address.port == 8000 + LAST;
        rig_refuse(rig, dial);
    }
    assert_int_equal(moved, 5);
    assert_int_equal(listed, 5);
}

static void what_is_new_is_passed_on_once(void **state) {
    struct rig *rig = start_listed(state);
    struct address_record record;
    uint64_t seed = peer(rig, 0)->link;
    uint64_t one = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    uint64_t two = rig_inbound_greeted(rig, &rig->relays[2].id, 1);
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    tell(rig, one, LAST, MOVED_PORT);
    tell(rig, two, LAST, MOVED_PORT);
    tell(rig, seed, LAST, MOVED_PORT);
    assert_int_equal(rig_message_count(rig, one, MESSAGE_ADDRESSES), 0);
    assert_int_equal(rig_message_count(rig, two, MESSAGE_ADDRESSES), 1);
    assert_int_equal(rig_message_count(rig, seed, MESSAGE_ADDRESSES), 1);
    assert_int_equal(rig_message_count(rig, client, MESSAGE_ADDRESSES), 0);
    assert_int_equal(told(rig, two, &record), 1);
    assert_true(relay_id_equal(&record.id, &rig->relays[LAST].id));
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES_TAKEN), 1);
}

static void a_forged_record_changes_nothing(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t seed = peer(rig, 0)->link;
    uint64_t one = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    rig_refuse(rig, rig_dial(rig, &rig->relays[LAST].id));
    struct address_record record = record_of(rig, 1, MOVED_PORT);
    record.id = rig->relays[LAST].id;
    tell_record(rig, one, &record);
    rig_live(rig, 1000);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES_REFUSED), 1);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES), 0);
    assert_int_equal(rig_message_count(rig, seed, MESSAGE_ADDRESSES), 0);
    assert_int_equal(rig_dial(rig, &rig->relays[LAST].id)->address.port, 8000 + LAST);
}

static void a_relay_that_is_not_listed_is_not_told_of(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig_start_listed(rig, 3);
    tell(rig, peer(rig, 0)->link, LAST, MOVED_PORT);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES_REFUSED), 1);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES), 0);
}

static void a_client_cannot_say_where_a_relay_is(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    tell(rig, client, LAST, MOVED_PORT);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES), 0);
    assert_int_equal(rig_metric(rig, METRIC_MESSAGES_UNWANTED), 1);
}

static void a_relay_that_tells_too_much_is_not_listened_to(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t one = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    struct address_record record = record_of(rig, 1, MOVED_PORT);
    record.id = rig->relays[LAST].id;
    for (int i = 0; i < 1000; i++) {
        record.signed_ms++;
        tell_record(rig, one, &record);
    }
    assert_true(rig_metric(rig, METRIC_ADDRESSES_REFUSED) <= 33); // signatures looked at
    assert_true(rig_metric(rig, METRIC_MESSAGES_UNWANTED) >= 967);
}

static void nonsense_ends_the_link(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t one = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    uint64_t two = rig_inbound_greeted(rig, &rig->relays[2].id, 1);
    rig_send(rig, one, SPAN_LITERAL("\7\0"));
    rig_send(rig, two, SPAN_LITERAL("\6of which relay?"));
    assert_false(rig_link(rig, one)->open);
    assert_false(rig_link(rig, two)->open);
}

// ---- asking ----

static void relays_are_answered_always_and_clients_now_and_then(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t one = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    for (int i = 0; i < 10; i++) {
        ask(rig, one);
        ask(rig, client);
    }
    assert_int_equal(rig_message_count(rig, one, MESSAGE_ADDRESSES), 10);
    assert_int_equal(rig_message_count(rig, client, MESSAGE_ADDRESSES), 2);
}

static void a_question_comes_with_every_directory_and_says_nothing(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t seed = peer(rig, 0)->link;
    assert_int_equal(rig_message_count(rig, seed, MESSAGE_GET_ADDRESSES), 1);
    assert_int_equal(rig_message(rig, seed, MESSAGE_GET_ADDRESSES)->n, 1);
    struct buf none = {0};
    addresses_message_encode(&none, NULL, 0);
    rig_send(rig, seed, buf_span(&none));
    buf_free(&none);
    rig_live(rig, 5000);
    assert_int_equal(rig_message_count(rig, seed, MESSAGE_GET_ADDRESSES), 1);
    struct buf directory = {0};
    rig->now.wall_ms += RIG_EPOCH_MS;
    rig_directory_with_self(rig, &directory, 2, RIG_RELAYS);
    rig_hello(rig, seed, 2);
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    rig_live(rig, 1);
    assert_int_equal(rig_message_count(rig, seed, MESSAGE_GET_ADDRESSES), 2);
}

static void an_unanswered_question_is_asked_again(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t seed = peer(rig, 0)->link;
    rig_live(rig, 60000);
    size_t asked = rig_message_count(rig, seed, MESSAGE_GET_ADDRESSES);
    assert_in_range(asked, 4, 20);
}

static void an_answer_is_taken_and_a_dial_failure_leads_to_another_question(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t seed = peer(rig, 0)->link;
    struct buf none = {0};
    addresses_message_encode(&none, NULL, 0);
    rig_send(rig, seed, buf_span(&none));
    rig_live(rig, 5000);
    refuse_all_dials(rig);
    rig_live(rig, 2000);
    assert_in_range(rig_message_count(rig, seed, MESSAGE_GET_ADDRESSES), 2, 4);
    tell(rig, seed, LAST, MOVED_PORT);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES), 1);
    buf_free(&none);
}

static void failing_dials_do_not_make_a_node_ask_without_end(void **state) {
    struct rig *rig = start_listed(state);
    uint64_t seed = peer(rig, 0)->link;
    struct buf none = {0};
    addresses_message_encode(&none, NULL, 0);
    for (int i = 0; i < 600; i++) {
        rig_live(rig, 100);
        refuse_all_dials(rig);
        rig_send(rig, seed, buf_span(&none));
    }
    assert_in_range(rig_message_count(rig, seed, MESSAGE_GET_ADDRESSES), 4, 20);
    buf_free(&none);
}

// ---- users ----

static struct rig_dial *dial_of_entry(struct rig *rig, size_t *relay) {
    for (size_t i = 0; i < RIG_RELAYS; i++) {
        if (peer(rig, i) != NULL && peer(rig, i)->entry && rig_dial(rig, &rig->relays[i].id) != NULL) {
            *relay = i;
            return rig_dial(rig, &rig->relays[i].id);
        }
    }
    fail_msg("no entry is dialled");
    return NULL;
}

static void a_user_finds_an_entry_that_has_moved_through_the_other(void **state) {
    struct rig *rig = start_user(state);
    size_t up;
    size_t away;
    uint64_t link = rig_accept_greeted(rig, dial_of_entry(rig, &up), 1);
    rig_live(rig, 1000);
    assert_int_equal(rig_message_count(rig, link, MESSAGE_GET_ADDRESSES), 1);
    assert_int_equal(rig_message(rig, link, MESSAGE_GET_ADDRESSES)->n, 1);
    struct rig_dial *dial = dial_of_entry(rig, &away);
    tell(rig, link, away, MOVED_PORT);
    rig_refuse(rig, dial); // under way when the record came
    rig_live(rig, 11000);
    rig_refuse(rig, rig_dial(rig, &rig->relays[away].id));
    rig_live(rig, 11000);
    assert_int_equal(rig_dial(rig, &rig->relays[away].id)->address.port, MOVED_PORT);
    assert_true(rig_link(rig, link)->open);
}

// What it holds could be a mark that another relay has put there.
static void a_user_says_nothing_of_what_it_has_been_told(void **state) {
    struct rig *rig = start_user(state);
    struct address_record record;
    size_t up;
    uint64_t link = rig_accept_greeted(rig, dial_of_entry(rig, &up), 1);
    tell(rig, link, up, MOVED_PORT);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES), 1);
    ask(rig, link);
    assert_int_equal(told(rig, link, &record), 0);
}

// Else the entry that is asked could tell which other one is away.
static void a_user_asks_no_sooner_because_a_dial_has_failed(void **state) {
    struct rig *rig = start_user(state);
    size_t up;
    uint64_t link = rig_accept_greeted(rig, dial_of_entry(rig, &up), 1);
    rig_live(rig, 1000);
    uint64_t due_ms = rig->node->addressing.ask_ms;
    assert_true(due_ms > rig->now.mono_ms + 5000);
    for (int i = 0; i < 5; i++) {
        refuse_all_dials(rig);
        rig_live(rig, 500);
    }
    assert_int_equal(rig->node->addressing.ask_ms, due_ms);
    assert_int_equal(rig_message_count(rig, link, MESSAGE_GET_ADDRESSES), 1);
    assert_int_equal(rig_dials_to(rig, &rig->relays[LAST].id), 1); // the seed, before there was a directory
}

static void a_user_asks_now_and_then(void **state) {
    struct rig *rig = start_user(state);
    size_t up;
    uint64_t link = rig_accept_greeted(rig, dial_of_entry(rig, &up), 1);
    rig_live(rig, 10 * MINUTE_MS);
    assert_in_range(rig_message_count(rig, link, MESSAGE_GET_ADDRESSES), 3, 30);
}

static void a_user_with_no_link_left_asks_a_seed_and_lets_it_go(void **state) {
    struct rig *rig = start_user(state);
    size_t entry = 0;
    dial_of_entry(rig, &entry);
    for (int i = 0; i < 20 && rig_dial(rig, &rig->relays[LAST].id) == NULL; i++) {
        refuse_all_dials(rig);
        rig_live(rig, 500);
    }
    uint64_t seed = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[LAST].id), 1);
    rig_live(rig, 1000);
    assert_int_equal(rig_message_count(rig, seed, MESSAGE_GET_ADDRESSES), 1);
    tell(rig, seed, entry, MOVED_PORT);
    assert_false(rig_link(rig, seed)->open);
    assert_int_equal(rig_metric(rig, METRIC_ADDRESSES), 1);
}

static void a_user_whose_entries_are_away_for_long_leaves_the_seeds_in_peace(void **state) {
    struct rig *rig = start_user(state);
    struct buf none = {0};
    addresses_message_encode(&none, NULL, 0);
    size_t before = rig_dials_to(rig, &rig->relays[LAST].id);
    for (uint64_t ms = 0; ms < 10 * MINUTE_MS; ms += 1000) {
        struct rig_dial *dial = rig_dial(rig, &rig->relays[LAST].id);
        uint64_t seed = dial != NULL ? rig_accept_greeted(rig, dial, 1) : 0;
        refuse_all_dials(rig);
        rig_live(rig, 1000);
        if (seed != 0 && rig_link(rig, seed)->open && rig_message_count(rig, seed, MESSAGE_GET_ADDRESSES) > 0) {
            rig_send(rig, seed, buf_span(&none));
        }
    }
    assert_in_range(rig_dials_to(rig, &rig->relays[LAST].id) - before, 4, 40);
    buf_free(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_CASE(a_relay_that_has_moved_tells_every_relay),
        RIG_CASE(a_relay_that_is_where_the_directory_has_it_says_nothing),
        RIG_CASE(clients_are_not_told_but_get_an_answer),
        RIG_CASE(a_record_is_later_than_that_of_before_a_restart),
        RIG_CASE(a_restart_without_a_move_needs_no_other_record),
        RIG_CASE(a_clock_set_back_far_keeps_a_relay_from_signing),
        RIG_CASE(a_relay_hears_from_others_what_it_has_said_before),
        RIG_CASE(a_relay_that_has_moved_is_dialled_there_at_once),
        RIG_CASE(a_record_that_leads_nowhere_leaves_the_relay_where_it_is_listed),
        RIG_CASE(both_addresses_are_tried_in_turn),
        RIG_CASE(what_is_new_is_passed_on_once),
        RIG_CASE(a_forged_record_changes_nothing),
        RIG_CASE(a_relay_that_is_not_listed_is_not_told_of),
        RIG_CASE(a_client_cannot_say_where_a_relay_is),
        RIG_CASE(a_relay_that_tells_too_much_is_not_listened_to),
        RIG_CASE(nonsense_ends_the_link),
        RIG_CASE(relays_are_answered_always_and_clients_now_and_then),
        RIG_CASE(a_question_comes_with_every_directory_and_says_nothing),
        RIG_CASE(an_unanswered_question_is_asked_again),
        RIG_CASE(an_answer_is_taken_and_a_dial_failure_leads_to_another_question),
        RIG_CASE(failing_dials_do_not_make_a_node_ask_without_end),
        RIG_CASE(a_user_finds_an_entry_that_has_moved_through_the_other),
        RIG_CASE(a_user_says_nothing_of_what_it_has_been_told),
        RIG_CASE(a_user_asks_no_sooner_because_a_dial_has_failed),
        RIG_CASE(a_user_asks_now_and_then),
        RIG_CASE(a_user_with_no_link_left_asks_a_seed_and_lets_it_go),
        RIG_CASE(a_user_whose_entries_are_away_for_long_leaves_the_seeds_in_peace),
    };
    return cmocka_run_group_tests_name("node/addressing", tests, rig_setup, NULL);
}
