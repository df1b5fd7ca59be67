// A packet's way through a relay: verdicts, delays, bounds, cover loops.
#include "relay/rig.h"

static void a_packet_for_another_relay_is_passed_on_peeled(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_forward(&rig, packet, 1, 0, &rig.others[1]);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.forwarded, 1);
    assert_true(relay_id_equal(&rig.forwarded_to[0], &rig.others[1]));
    assert_memory_not_equal(rig.packets[0], packet, SPHINX_PACKET_BYTES);
    struct sphinx_relay_key next = rig.other_keys[0];
    struct sphinx_peeled peeled;
    next.epoch = 1;
    assert_int_equal(sphinx_peel(&peeled, &next, 1, rig.packets[0], false), OK);
    assert_int_equal(peeled.type, SPHINX_DELIVER);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_FORWARDED), 1);
    rig_free(&rig);
}

static void an_operation_reaches_the_mailbox(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 1);
    assert_true(span_equal(span_of(rig.body, rig.body_n), SPAN_LITERAL("for the mailbox")));
    rig_free(&rig);
}

static void a_reply_reaches_the_clients_handle(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    struct sphinx_hop hop = rig_own_hop(&rig, 1, 0);
    uint8_t surb[SPHINX_SURB_BYTES], packet[SPHINX_PACKET_BYTES], first[32];
    struct sphinx_surb_keys keys;
    const uint8_t handle[16] = {9, 8, 7};
    assert_int_equal(sphinx_surb_make(surb, &keys, &hop, 1, handle, &rig.env.rng), OK);
    assert_int_equal(sphinx_surb_use(packet, first, surb, SPAN_LITERAL("answer")), OK);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.to_client, 1);
    assert_memory_equal(rig.handle.bytes, handle, 16);
    assert_memory_equal(rig.surb.bytes, keys.id, 16);
    rig_free(&rig);
}

static void a_used_reply_block_is_refused(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    struct sphinx_hop hop = rig_own_hop(&rig, 1, 0);
    uint8_t surb[SPHINX_SURB_BYTES], packet[SPHINX_PACKET_BYTES], first[32];
    struct sphinx_surb_keys keys;
    const uint8_t handle[16] = {9, 8, 7};
    assert_int_equal(sphinx_surb_make(surb, &keys, &hop, 1, handle, &rig.env.rng), OK);
    assert_int_equal(sphinx_surb_use(packet, first, surb, SPAN_LITERAL("answer")), OK);
    rig_arrive(&rig, packet);
    assert_int_equal(sphinx_surb_use(packet, first, surb, SPAN_LITERAL("another answer")), OK);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.to_client, 1);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_REPLAYS), 1);
    rig_free(&rig);
}

static void a_changed_payload_never_reaches_the_mailbox(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    packet[SPHINX_PACKET_BYTES - 1000] ^= 4;
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 0);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_PAYLOAD), 1);
    rig_free(&rig);
}

static void every_changed_header_is_one_and_the_same_drop(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_forward(&rig, packet, 1, 0, &rig.others[0]);
    int64_t drops = 0;
    for (size_t at = 0; at < SPHINX_HEADER_BYTES; at += 7) {
        packet[at] ^= 0x80; // version, epoch, alpha (with its bit 255), beta, gamma
        rig_arrive(&rig, packet);
        rig_run_jobs(&rig);
        packet[at] ^= 0x80;
        assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_UNREADABLE), ++drops);
    }
    assert_int_equal(rig.forwarded, 0);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_REPLAY_TAGS), 0);
    rig_free(&rig);
}

static void a_packet_waits_for_its_delay(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_forward(&rig, packet, 1, 200, &rig.others[0]);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    rig_wait(&rig, 199);
    assert_int_equal(rig.forwarded, 0);
    rig_wait(&rig, 1);
    assert_int_equal(rig.forwarded, 1);
    assert_true(histogram_max_us(metric_histogram(rig.env.metrics, METRIC_RELAY_FORWARD_DELAY)) == 200000);
    rig_free(&rig);
}

static void packets_leave_in_the_order_of_their_delays(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    const uint32_t delays_ms[] = {300, 100, 200};
    uint8_t packet[SPHINX_PACKET_BYTES];
    for (size_t i = 0; i < 3; i++) {
        rig_make_forward(&rig, packet, 1, delays_ms[i], &rig.others[i]);
        rig_arrive(&rig, packet);
        rig_run_jobs(&rig);
    }
    rig_wait(&rig, 300);
    assert_int_equal(rig.forwarded, 3);
    const size_t order[] = {1, 2, 0};
    for (size_t i = 0; i < 3; i++)
        assert_true(relay_id_equal(&rig.forwarded_to[i], &rig.others[order[i]]));
    rig_free(&rig);
}

static void a_delay_beyond_the_cap_is_the_cap(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_forward(&rig, packet, 1, UINT32_MAX, &rig.others[0]);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    rig_wait(&rig, rig.config.delay_ms_max - 1);
    assert_int_equal(rig.forwarded, 0);
    rig_wait(&rig, 1);
    assert_int_equal(rig.forwarded, 1);
    rig_free(&rig);
}

static void more_delayed_packets_than_there_is_room_for_are_dropped(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    for (int i = 0; i < 7; i++) {
        rig_make_forward(&rig, packet, 1, 500, &rig.others[0]);
        rig_arrive(&rig, packet);
        rig_run_jobs(&rig);
    }
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_DELAY_FULL), 3);
    rig_wait(&rig, 500);
    assert_int_equal(rig.forwarded, 4);
    rig_free(&rig);
}

static void a_packet_to_a_relay_that_no_directory_lists_is_dropped(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct relay_id nobody = {{0xee}};
    rig_make_forward(&rig, packet, 1, 0, &nobody);
    rig_arrive(&rig, packet);
    rig_make_forward(&rig, packet, 1, 0, &rig.config.self); // in a circle
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.forwarded, 0);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_UNKNOWN_NEXT), 2);
    rig_free(&rig);
}

static void packets_beyond_the_queue_are_dropped_and_an_idle_relay_peels_at_once(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    rig_arrive(&rig, packet);
    assert_int_equal(rig.pending_count, 1);
    for (int i = 0; i < 31; i++)
        rig_arrive(&rig, packet);
    assert_int_equal(rig.pending_count, 1); // the rest waits for a batch
    rig_arrive(&rig, packet);
    assert_int_equal(rig.pending_count, 2); // as many as there are workers
    for (int i = 0; i < 100; i++)
        rig_arrive(&rig, packet);
    assert_int_equal(rig.pending_count, 2);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_QUEUE_FULL), 100 - 64);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_QUEUE), 1 + 32 + 64);
    rig_run_jobs(&rig);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_QUEUE), 0);
    rig_free(&rig);
}

static void packets_are_refused_until_the_tags_are_read(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    struct relay_ports ports = {&rig, rig_forward, rig_to_client, rig_deliver};
    assert_int_equal(relay_new(&rig.relay, &rig.config, &ports), OK);
    struct step step = rig_step(&rig);
    relay_start(rig.relay, &step, false);
    rig_apply(&rig);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 0);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_NOT_READY), 1);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 1);
    rig_free(&rig);
}

static void a_packet_whose_key_went_while_it_was_peeled_is_dropped(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    rig_arrive(&rig, packet);
    rig.now.wall_ms += 2 * RIG_EPOCH_MS;
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 0);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_LATE), 1);
    rig_free(&rig);
}

static void jobs_that_never_come_back_leave_nothing_behind(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    for (int i = 0; i < 40; i++)
        rig_arrive(&rig, packet);
    rig_free(&rig); // the leak checker looks
}

// Walks a loop that the relay sent around its two other hops and back.
static bool bring_home(struct rig *rig, size_t i) {
    uint8_t packet[SPHINX_PACKET_BYTES];
    memcpy(packet, rig->packets[i], sizeof packet);
    struct relay_id at = rig->forwarded_to[i];
    for (int hop = 0; hop < 2; hop++) {
        size_t k = 0;
        while (!relay_id_equal(&rig->others[k], &at))
            k++;
        struct sphinx_relay_key key = rig->other_keys[k];
        struct sphinx_peeled peeled;
        key.epoch = epoch_at(&rig->genesis, rig->now.wall_ms);
        if (sphinx_peel(&peeled, &key, 1, packet, false) != OK)
            return false;
        assert_int_equal(peeled.type, SPHINX_FORWARD);
        memcpy(at.bytes, peeled.next_id, 32);
        memcpy(packet, peeled.packet, sizeof packet);
    }
    assert_true(relay_id_equal(&at, &rig->config.self));
    rig_arrive(rig, packet);
    rig_run_jobs(rig);
    return true;
}

static void loops_go_through_two_others_and_are_known_when_they_return(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.genesis.epoch_ms = HOUR_MS;
    rig.genesis.profile = PROFILE_BALANCED;
    rig_start(&rig, false);
    rig_wait(&rig, MINUTE_MS); // 30 are expected
    assert_in_range(rig.forwarded, 10, 60);
    for (size_t i = rig.forwarded - 2; i < rig.forwarded; i++)
        assert_true(bring_home(&rig, i));
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_LOOPS_RETURNED), 2);
    assert_int_equal(rig.delivered, 0);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_FORWARDED), 0); // not traffic of others
    rig_free(&rig);
}

static void lost_loops_raise_the_alarm_and_returning_ones_clear_it(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.genesis.epoch_ms = HOUR_MS;
    rig.genesis.profile = PROFILE_BALANCED;
    rig_start(&rig, false);
    size_t home = 0;
    while (rig.forwarded < 60) { // all come home
        rig_wait(&rig, 100);
        for (; home < rig.forwarded; home++)
            assert_true(bring_home(&rig, home));
    }
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_LOOP_ALARM), 0);
    while (rig_metric(&rig, METRIC_RELAY_LOOPS_LOST) < 10) // somebody drops them
        rig_wait(&rig, 100);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_LOOP_ALARM), 0);
    while (rig_metric(&rig, METRIC_RELAY_LOOPS_LOST) < 11)
        rig_wait(&rig, 100);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_LOOP_ALARM), 1);
    rig_wait(&rig, COVER_LOST_MS);
    home = rig.forwarded = 0;
    while (rig.forwarded < 60) {
        rig_wait(&rig, 100);
        for (; home < rig.forwarded; home++)
            assert_true(bring_home(&rig, home));
    }
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_LOOP_ALARM), 0);
    rig_free(&rig);
}

static void a_foreign_loop_is_an_operation_like_any_other(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    struct sphinx_hop hop = rig_own_hop(&rig, 1, 0);
    uint8_t packet[SPHINX_PACKET_BYTES];
    uint8_t body[1 + COVER_ID_BYTES] = {0};
    struct sphinx_end end = {.type = SPHINX_DELIVER};
    assert_int_equal(sphinx_make(packet, &hop, 1, &end, SPAN_OF(body), &rig.env.rng), OK);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 1);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_LOOPS_RETURNED), 0);
    rig_free(&rig);
}

static void without_the_balanced_profile_there_are_no_loops(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    rig_wait(&rig, MINUTE_MS);
    assert_int_equal(rig.forwarded, 0);
    rig_free(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_for_another_relay_is_passed_on_peeled),
        cmocka_unit_test(an_operation_reaches_the_mailbox),
        cmocka_unit_test(a_reply_reaches_the_clients_handle),
        cmocka_unit_test(a_used_reply_block_is_refused),
        cmocka_unit_test(a_changed_payload_never_reaches_the_mailbox),
        cmocka_unit_test(every_changed_header_is_one_and_the_same_drop),
        cmocka_unit_test(a_packet_waits_for_its_delay),
        cmocka_unit_test(packets_leave_in_the_order_of_their_delays),
        cmocka_unit_test(a_delay_beyond_the_cap_is_the_cap),
        cmocka_unit_test(more_delayed_packets_than_there_is_room_for_are_dropped),
        cmocka_unit_test(a_packet_to_a_relay_that_no_directory_lists_is_dropped),
        cmocka_unit_test(packets_beyond_the_queue_are_dropped_and_an_idle_relay_peels_at_once),
        cmocka_unit_test(packets_are_refused_until_the_tags_are_read),
        cmocka_unit_test(a_packet_whose_key_went_while_it_was_peeled_is_dropped),
        cmocka_unit_test(jobs_that_never_come_back_leave_nothing_behind),
        cmocka_unit_test(loops_go_through_two_others_and_are_known_when_they_return),
        cmocka_unit_test(lost_loops_raise_the_alarm_and_returning_ones_clear_it),
        cmocka_unit_test(a_foreign_loop_is_an_operation_like_any_other),
        cmocka_unit_test(without_the_balanced_profile_there_are_no_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
