// Whom a node dials, when it tries again, which links it keeps, and which it lets go.
#include "rig.h"

static struct rig *start(void **state, unsigned roles) {
    struct rig *rig = *state;
    rig_init(rig, roles);
    rig_start(rig);
    return rig;
}

static struct rig *start_listed(void **state, size_t count) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig_start_listed(rig, count);
    return rig;
}

static struct peer *peer(struct rig *rig, size_t relay) {
    return peer_table_find(&rig->node->peers, &rig->relays[relay].id);
}

static struct span packet_span(void) {
    static const uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    return SPAN_OF(packet);
}

// Makes the node want to send a packet to a relay, as its relay part would.
static void send_packet(struct rig *rig, size_t relay) {
    struct step step = {.env = &rig->env, .now = rig->now, .batch = &rig->effects.batch, .jobs = &rig->effects.jobs};
    rig->node->effects = &rig->effects;
    send_packet_to_relay(rig->node, &step, &rig->relays[relay].id, packet_span().p, true);
    struct effects kept = rig->effects;
    rig->effects = (struct effects){0};
    rig_take(rig, &kept);
    effects_free(&kept);
}

// ---- the first links ----

static void a_relay_and_a_user_begin_at_a_seed(void **state) {
    struct rig *rig = start(state, ROLE_RELAY);
    struct rig_dial *dial = rig_dial(rig, &rig->relays[0].id);
    assert_non_null(dial);
    assert_true(dial->show_certificate);
    assert_string_equal(dial->address.host, "seed.example");
    assert_int_equal(rig_dials(rig), 1);
}

static void a_seed_begins_at_another(void **state) {
    struct rig *rig = start(state, ROLE_BOOTSTRAP);
    assert_true(rig_dial(rig, &rig->relays[0].id)->show_certificate);
    assert_int_equal(rig_dials(rig), 1);
}

static void a_seed_that_is_away_is_dialled_again_and_again_but_not_at_once(void **state) {
    struct rig *rig = start(state, ROLE_USER);
    size_t failures = 0;
    uint64_t last_ms = rig->now.mono_ms;
    for (int i = 0; i < 600; i++) {
        struct rig_dial *dial = rig_dial(rig, &rig->relays[0].id);
        if (dial != NULL) {
            assert_true(failures == 0 || dial->at_ms - last_ms >= 50);
            last_ms = rig->now.mono_ms;
            rig_refuse(rig, dial);
            failures++;
        }
        rig_run(rig, 100);
    }
    assert_true(failures > 8);  // a minute at 10 s at most each
    assert_true(failures < 24); // and with doubling waits
    assert_int_equal(rig_metric(rig, METRIC_DIALS_FAILED), failures);
    rig_run(rig, 11000);
    assert_non_null(rig_dial(rig, &rig->relays[0].id));
}

static void a_relay_that_never_greets_counts_as_unreachable(void **state) {
    struct rig *rig = start(state, ROLE_RELAY);
    rig_accept(rig, rig_dial(rig, &rig->relays[0].id));
    rig_run(rig, rig->config.limits.hello_timeout_ms + 1000);
    assert_int_equal(peer(rig, 0)->failures, 1);
    assert_true(rig_dials_to(rig, &rig->relays[0].id) >= 2);
}

// ---- the mesh ----

static void the_smaller_identity_dials(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    for (size_t i = 1; i < RIG_RELAYS; i++) {
        assert_int_equal(rig_dials_to(rig, &rig->relays[i].id), i < RIG_BEFORE ? 0 : 1);
    }
}

static void a_lost_link_that_had_lasted_is_dialled_at_once(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    size_t last = RIG_RELAYS - 1;
    uint64_t link = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[last].id), 1);
    rig_run(rig, 6000);
    uint64_t lost_ms = rig->now.mono_ms;
    rig_lost(rig, link);
    struct rig_dial *dial = rig_dial(rig, &rig->relays[last].id);
    assert_non_null(dial);
    assert_int_equal(dial->at_ms, lost_ms);
}

static void a_relay_that_closes_every_link_is_not_dialled_in_a_circle(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    size_t last = RIG_RELAYS - 1;
    for (int i = 0; i < 600; i++) {
        struct rig_dial *dial = rig_dial(rig, &rig->relays[last].id);
        if (dial != NULL) {
            rig_lost(rig, rig_accept_greeted(rig, dial, 1));
        }
        rig_run(rig, 100);
    }
    assert_true(rig_dials_to(rig, &rig->relays[last].id) < 24);
}

static void a_relay_that_failed_once_is_dialled_when_there_is_something_to_send(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    assert_int_equal(rig_dials_to(rig, &rig->relays[1].id), 0); // it would dial us
    send_packet(rig, 1);
    rig_refuse(rig, rig_dial(rig, &rig->relays[1].id));
    send_packet(rig, 1);
    rig_run(rig, 11000);
    struct rig_dial *dial = rig_dial(rig, &rig->relays[1].id);
    assert_non_null(dial);
    uint64_t link = rig_accept_greeted(rig, dial, 1);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET], 1); // the one that waited; the first is lost
}

static void an_unreachable_replica_is_found_again_without_traffic(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    send_packet(rig, 1);
    for (int i = 0; i < 5; i++) {
        rig_refuse(rig, rig_dial(rig, &rig->relays[1].id));
        rig_run(rig, 11000);
    }
    assert_non_null(rig_dial(rig, &rig->relays[1].id));
}

static void packets_that_wait_for_a_link_are_bounded(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig->config.limits.link_queue_cells = 20;
    rig_start_listed(rig, RIG_RELAYS);
    for (int i = 0; i < 30; i++) {
        send_packet(rig, 1);
    }
    assert_int_equal(rig_metric(rig, METRIC_LINK_QUEUE_FULL), 10);
    uint64_t link = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[1].id), 1);
    assert_int_equal(rig_link(rig, link)->cells[CELL_PACKET], 20);
}

static void packets_to_nobody_are_counted(void **state) {
    struct rig *rig = start_listed(state, 3);
    send_packet(rig, 5);
    assert_int_equal(rig_metric(rig, METRIC_UNKNOWN_RELAY), 1);
    assert_null(peer(rig, 5));
}

static void a_node_knows_the_network_when_it_starts_anew(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    size_t dials = rig_dials(rig);
    rig_restart(rig, true);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORY_EPOCH), 1);
    for (size_t i = RIG_BEFORE; i < RIG_RELAYS; i++) {
        assert_non_null(rig_dial(rig, &rig->relays[i].id));
    }
    assert_true(rig_dials(rig) >= dials + RIG_RELAYS - RIG_BEFORE);
}

// ---- two links between the same relays ----

static void the_newest_of_two_links_is_used(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    uint64_t one = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    uint64_t two = rig_inbound_greeted(rig, &rig->relays[1].id, 1);
    send_packet(rig, 1);
    assert_int_equal(rig_link(rig, one)->cells[CELL_PACKET], 0);
    assert_int_equal(rig_link(rig, two)->cells[CELL_PACKET], 1);
    rig_run(rig, 5000);
    assert_true(rig_link(rig, one)->open); // the other side has the smaller identity and ends it
}

static void the_smaller_identity_ends_the_older_of_two_links(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    size_t last = RIG_RELAYS - 1;
    uint64_t dialled = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[last].id), 1);
    uint64_t inbound = rig_inbound_greeted(rig, &rig->relays[last].id, 1);
    rig_run(rig, 5000);
    assert_false(rig_link(rig, dialled)->open);
    assert_int_equal(rig_link(rig, dialled)->reason, CLOSE_UNWANTED);
    assert_true(rig_link(rig, inbound)->open);
    assert_int_equal(peer(rig, last)->link, inbound);
}

static void when_the_newer_link_is_lost_the_older_serves_again(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    size_t last = RIG_RELAYS - 1;
    uint64_t dialled = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[last].id), 1);
    uint64_t inbound = rig_inbound_greeted(rig, &rig->relays[last].id, 1);
    rig_lost(rig, inbound);
    assert_int_equal(peer(rig, last)->link, dialled);
    rig_run(rig, 5000);
    assert_true(rig_link(rig, dialled)->open);
}

// ---- coming and going of relays ----

static void a_newcomers_link_is_taken_up_when_it_is_listed(void **state) {
    struct rig *rig = start_listed(state, 3);
    size_t last = RIG_RELAYS - 1;
    uint64_t link = rig_inbound_greeted(rig, &rig->relays[last].id, 5);
    assert_null(peer(rig, last));
    struct buf directory = {0};
    rig->now.wall_ms += RIG_EPOCH_MS;
    rig_directory_with_self(rig, &directory, 2, RIG_RELAYS);
    uint64_t seed = peer(rig, 0)->link;
    rig_hello(rig, seed, 2); // announces; is asked
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    assert_non_null(peer(rig, last));
    assert_int_equal(peer(rig, last)->link, link);
    assert_int_equal(rig_dials_to(rig, &rig->relays[last].id), 0);
}

static void relays_that_have_left_are_forgotten(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    size_t last = RIG_RELAYS - 1;
    uint64_t link = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[last].id), 1);
    for (uint32_t epoch = 2; epoch <= 4; epoch++) {
        struct buf directory = {0};
        rig_run(rig, 1000);
        rig->now.wall_ms += RIG_EPOCH_MS;
        for (size_t i = 0; i < RIG_RELAYS; i++) {
            if (rig_dial(rig, &rig->relays[i].id) != NULL) {
                rig_refuse(rig, rig_dial(rig, &rig->relays[i].id));
            }
        }
        rig_directory_with_self(rig, &directory, epoch, 3);
        uint64_t seed = peer(rig, 0)->link;
        rig_hello(rig, seed, epoch);
        rig_give_directory(rig, seed, buf_span(&directory));
        buf_free(&directory);
    }
    assert_null(peer(rig, last));
    assert_false(rig_link(rig, link)->open);
    assert_true(rig->node->peers.count <= 3);
}

// ---- users ----

static void a_user_lets_the_seed_go_when_it_has_a_directory(void **state) {
    struct rig *rig = start(state, ROLE_USER);
    struct buf directory = {0};
    uint64_t seed = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
    rig_directory(rig, &directory, 1, RIG_RELAYS);
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    const struct peer *entry = peer(rig, 0);
    assert_true((entry != NULL && entry->entry) || !rig_link(rig, seed)->open);
    size_t entries = 0;
    for (size_t i = 0; i < RIG_RELAYS; i++) {
        bool held = peer(rig, i) != NULL && peer(rig, i)->entry;
        entries += held;
        assert_true(held || rig_dial(rig, &rig->relays[i].id) == NULL);
    }
    assert_int_equal(entries, 2);
}

static void a_link_to_the_seed_that_comes_too_late_is_closed(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_USER);
    rig->genesis->seed_count = 2; // neither is in the directory
    for (size_t i = 0; i < 2; i++) {
        rig->genesis->seeds[i].id = rig->relays[4 + i].id;
        rig->genesis->seeds[i].address = (struct address){.host = "127.0.0.1", .port = (uint16_t)(1 + i)};
    }
    rig_start(rig);
    for (int i = 0; i < 400 && (rig_dial(rig, &rig->relays[4].id) == NULL || rig_dial(rig, &rig->relays[5].id) == NULL);
         i++) {
        rig_run(rig, 100);
    }
    struct rig_dial *late = rig_dial(rig, &rig->relays[4].id);
    uint64_t seed = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[5].id), 1);
    struct buf directory = {0};
    rig_run(rig, 2000); // it is asked
    rig_directory(rig, &directory, 1, 4);
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    assert_false(rig_link(rig, seed)->open);
    uint64_t link = rig_accept_greeted(rig, late, 1);
    assert_false(rig_link(rig, link)->open);
    assert_int_equal(rig_link(rig, link)->reason, CLOSE_UNWANTED);
}

static void a_users_entry_is_dialled_again_when_lost(void **state) {
    struct rig *rig = start(state, ROLE_USER);
    struct buf directory = {0};
    uint64_t seed = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
    rig_directory(rig, &directory, 1, RIG_RELAYS);
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    size_t entry = 1;
    while (rig_dial(rig, &rig->relays[entry].id) == NULL) {
        entry++;
        assert_true(entry < RIG_RELAYS);
    }
    uint64_t link = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[entry].id), 1);
    assert_non_null(rig_message(rig, link, MESSAGE_HANDLES));
    rig_run(rig, 6000);
    rig_lost(rig, link);
    rig_refuse(rig, rig_dial(rig, &rig->relays[entry].id));
    rig_run(rig, 200);
    uint64_t again = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[entry].id), 1);
    const struct buf *handles = rig_message(rig, again, MESSAGE_HANDLES);
    assert_non_null(handles);
    assert_false(span_equal(buf_span(handles), buf_span(rig_message(rig, link, MESSAGE_HANDLES))));
}

static void a_user_comes_back_to_its_two_entries(void **state) {
    struct rig *rig = start(state, ROLE_USER);
    struct buf directory = {0};
    rig_directory(rig, &directory, 1, RIG_RELAYS);
    rig_give_directory(rig, rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1), buf_span(&directory));
    buf_free(&directory);
    bool entry[RIG_RELAYS] = {false};
    for (size_t i = 0; i < RIG_RELAYS; i++) {
        entry[i] = peer(rig, i) != NULL && peer(rig, i)->entry;
    }
    size_t before = rig_dials(rig);
    rig_restart(rig, false);
    rig_run(rig, 15000); // before the next directory is due, for which a seed would be asked
    assert_int_equal(rig_dials(rig) - before, 2);
    for (size_t i = 0; i < RIG_RELAYS; i++) {
        assert_int_equal(rig_dial(rig, &rig->relays[i].id) != NULL, entry[i]);
    }
    rig_run(rig, 100000); // neither is there: a spare is drawn
    assert_true(rig_dials(rig) - before > 2);
}

// ---- stopping ----

static void a_stopping_node_closes_everything_and_dials_nobody(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    size_t last = RIG_RELAYS - 1;
    uint64_t relay = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[last].id), 1);
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    rig_run(rig, 6000);
    size_t dials = rig_dials(rig);
    rig_event(rig, &(struct event){.kind = EVENT_STOP});
    assert_true(rig->stopped);
    assert_int_equal(rig_link(rig, relay)->reason, CLOSE_STOPPING);
    assert_int_equal(rig_link(rig, client)->reason, CLOSE_STOPPING);
    assert_int_equal(rig_dials(rig), dials);
    assert_false(rig_link(rig, rig_inbound(rig, NULL, 1))->open);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_CASE(a_relay_and_a_user_begin_at_a_seed),
        RIG_CASE(a_seed_begins_at_another),
        RIG_CASE(a_seed_that_is_away_is_dialled_again_and_again_but_not_at_once),
        RIG_CASE(a_relay_that_never_greets_counts_as_unreachable),
        RIG_CASE(the_smaller_identity_dials),
        RIG_CASE(a_lost_link_that_had_lasted_is_dialled_at_once),
        RIG_CASE(a_relay_that_closes_every_link_is_not_dialled_in_a_circle),
        RIG_CASE(a_relay_that_failed_once_is_dialled_when_there_is_something_to_send),
        RIG_CASE(an_unreachable_replica_is_found_again_without_traffic),
        RIG_CASE(packets_that_wait_for_a_link_are_bounded),
        RIG_CASE(packets_to_nobody_are_counted),
        RIG_CASE(a_node_knows_the_network_when_it_starts_anew),
        RIG_CASE(the_newest_of_two_links_is_used),
        RIG_CASE(the_smaller_identity_ends_the_older_of_two_links),
        RIG_CASE(when_the_newer_link_is_lost_the_older_serves_again),
        RIG_CASE(a_newcomers_link_is_taken_up_when_it_is_listed),
        RIG_CASE(relays_that_have_left_are_forgotten),
        RIG_CASE(a_user_lets_the_seed_go_when_it_has_a_directory),
        RIG_CASE(a_link_to_the_seed_that_comes_too_late_is_closed),
        RIG_CASE(a_users_entry_is_dialled_again_when_lost),
        RIG_CASE(a_user_comes_back_to_its_two_entries),
        RIG_CASE(a_stopping_node_closes_everything_and_dials_nobody),
    };
    return cmocka_run_group_tests_name("node dialling", tests, rig_setup, NULL);
}
