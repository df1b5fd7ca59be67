// What a relay accepts once it never accepts again: the attacks of replay, and the filter's own limits.
#include "relay/replay.h"

#include "relay/rig.h"

static void a_packet_seen_before_is_refused(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    for (int i = 0; i < 3; i++) {
        rig_arrive(&rig, packet);
        rig_run_jobs(&rig);
    }
    assert_int_equal(rig.delivered, 1);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_REPLAYS), 2);
    rig_free(&rig);
}

static void a_known_header_with_another_payload_is_refused(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_forward(&rig, packet, 1, 0, &rig.others[0]);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    packet[SPHINX_PACKET_BYTES - 1] ^= 1;
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.forwarded, 1);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_REPLAYS), 1);
    rig_free(&rig);
}

static void a_header_that_fails_its_mac_leaves_no_tag(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    packet[100] ^= 1; // beta: alpha, and so the tag, stay the same
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_UNREADABLE), 1);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_REPLAY_TAGS), 0);
    packet[100] ^= 1;
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 1);
    rig_free(&rig);
}

static void of_copies_peeled_at_the_same_time_exactly_one_is_accepted(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.config.jobs_max = 4;
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 1);
    for (int i = 0; i < 100; i++) // one alone, then full batches
        rig_arrive(&rig, packet);
    assert_true(rig.pending_count > 1);
    while (rig.pending_count > 0)
        rig_run_job(&rig, rig.pending_count - 1); // the last started comes back first
    assert_int_equal(rig.delivered, 1);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_REPLAYS) + rig_metric(&rig, METRIC_RELAY_DROPPED_QUEUE_FULL), 99);
    rig_free(&rig);
}

static void a_packet_seen_before_a_restart_is_refused_after_it(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    static uint8_t packets[70][SPHINX_PACKET_BYTES]; // more than two chunk records
    for (size_t i = 0; i < 70; i++) {
        rig_make_deliver(&rig, packets[i], 1);
        rig_arrive(&rig, packets[i]);
        rig_run_jobs(&rig);
    }
    assert_int_equal(rig.delivered, 70);
    for (int restart = 1; restart <= 2; restart++) {
        rig_stop(&rig);
        rig_start(&rig, false);
        for (size_t i = 0; i < 70; i++) {
            rig_arrive(&rig, packets[i]);
            rig_run_jobs(&rig);
        }
        assert_int_equal(rig.delivered, 70);
        assert_int_equal(rig_metric(&rig, METRIC_RELAY_REPLAYS), 70 * restart);
    }
    rig_free(&rig);
}

static void a_packet_seen_in_one_epoch_is_refused_in_the_overlap_with_the_next(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t this_epochs[SPHINX_PACKET_BYTES], next_epochs[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, this_epochs, 1);
    rig_make_deliver(&rig, next_epochs, 2);
    rig_wait(&rig, RIG_EPOCH_MS / 2 - 1000); // both keys are accepted now
    rig_arrive(&rig, this_epochs);
    rig_arrive(&rig, next_epochs);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 2);
    rig_wait(&rig, 2000); // the next epoch has begun
    rig_arrive(&rig, this_epochs);
    rig_arrive(&rig, next_epochs);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 2);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_REPLAYS), 2);
    rig_free(&rig);
}

static void a_clock_that_goes_back_and_forth_opens_no_hole(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    rig_wait(&rig, RIG_EPOCH_MS);
    rig_publish(&rig);
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_make_deliver(&rig, packet, 2);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 1);
    const int64_t jumps[] = {-RIG_EPOCH_MS,    RIG_EPOCH_MS,      -4 * RIG_EPOCH_MS,
                             4 * RIG_EPOCH_MS, -2 * RIG_EPOCH_MS, 2 * RIG_EPOCH_MS};
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        rig.now.wall_ms = (uint64_t)((int64_t)rig.now.wall_ms + jumps[i]);
        if (i == 3) { // restarted while the clock was wrong
            rig_stop(&rig);
            rig_start(&rig, false);
        }
        rig_wait(&rig, 50);
        rig_arrive(&rig, packet);
        rig_run_jobs(&rig);
        assert_int_equal(rig.delivered, 1);
    }
    rig_free(&rig);
}

static void a_full_filter_refuses_everything_new_and_counts_it(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.config.packets_per_s = 1; // 17 tags a key
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    for (int i = 0; i < 30; i++) {
        rig_make_deliver(&rig, packet, 1);
        rig_arrive(&rig, packet);
        rig_run_jobs(&rig);
    }
    assert_int_equal(rig.delivered, 17);
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_FILTER_FULL), 13);
    rig_arrive(&rig, packet);
    rig_run_jobs(&rig);
    assert_int_equal(rig.delivered, 17);
    rig_free(&rig);
}

static size_t stored_chunks(struct rig *rig) {
    struct kv_snapshot *snapshot = kv_snapshot(rig->env.kv);
    const uint8_t from[] = {KV_SPACE_RELAY, 't'};
    struct kv_cursor *cursor = kv_scan(snapshot, SPAN_OF(from));
    struct span key, value;
    size_t count = 0;
    for (; kv_cursor_at(cursor, &key, &value) && key.p[0] == from[0] && key.p[1] == from[1]; kv_cursor_next(cursor))
        count++;
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
    return count;
}

static void tags_go_with_their_key_from_memory_and_store(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    for (int i = 0; i < 40; i++) {
        rig_make_deliver(&rig, packet, 1);
        rig_arrive(&rig, packet);
        rig_run_jobs(&rig);
    }
    assert_int_equal(stored_chunks(&rig), 2);
    rig_wait(&rig, RIG_EPOCH_MS);
    assert_int_equal(stored_chunks(&rig), 0);
    rig_free(&rig);
}

static void records_left_over_by_a_crash_are_deleted_at_the_next_start(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, false);
    uint8_t packet[SPHINX_PACKET_BYTES];
    for (int i = 0; i < 40; i++) {
        rig_make_deliver(&rig, packet, 1);
        rig_arrive(&rig, packet);
        rig_run_jobs(&rig);
    }
    rig_stop(&rig);
    rig.now.wall_ms += 5 * RIG_EPOCH_MS;
    rig_start(&rig, false);
    rig_wait(&rig, 100);
    assert_int_equal(stored_chunks(&rig), 0);
    rig_free(&rig);
}

static void a_set_holds_as_many_tags_as_it_promises_and_finds_them_all(void **state) {
    (void)state;
    struct replay_set *set = replay_set_new(20000);
    replay_set_seed(set, 12345);
    struct rng rng;
    uint8_t seed[RNG_SEED_BYTES] = {1};
    uint8_t tag[SPHINX_REPLAY_TAG_BYTES];
    rng_init(&rng, seed);
    for (int i = 0; i < 20000; i++) {
        rng_bytes(&rng, tag, sizeof tag);
        assert_int_equal(replay_set_insert(set, tag), OK);
    }
    rng_bytes(&rng, tag, sizeof tag);
    assert_int_equal(replay_set_insert(set, tag), ERR_FULL);
    rng_init(&rng, seed);
    for (int i = 0; i < 20000; i++) {
        rng_bytes(&rng, tag, sizeof tag);
        assert_int_equal(replay_set_insert(set, tag), ERR_REPLAY);
    }
    replay_set_clear(set);
    assert_int_equal(replay_set_insert(set, tag), OK);
    replay_set_free(set);
}

static void a_filter_that_memory_cannot_hold_is_refused_at_the_start(void **state) {
    (void)state;
    assert_null(replay_set_new(UINT64_C(1) << 60));
    struct rig rig;
    rig_init(&rig);
    rig.config.packets_per_s = UINT32_MAX;
    rig.genesis.epoch_ms = UINT64_C(1) << 40;
    struct relay *relay;
    struct relay_ports ports = {0};
    assert_int_equal(relay_new(&relay, &rig.config, &ports), ERR_NO_MEMORY);
    rig_free(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_seen_before_is_refused),
        cmocka_unit_test(a_known_header_with_another_payload_is_refused),
        cmocka_unit_test(a_header_that_fails_its_mac_leaves_no_tag),
        cmocka_unit_test(of_copies_peeled_at_the_same_time_exactly_one_is_accepted),
        cmocka_unit_test(a_packet_seen_before_a_restart_is_refused_after_it),
        cmocka_unit_test(a_packet_seen_in_one_epoch_is_refused_in_the_overlap_with_the_next),
        cmocka_unit_test(a_clock_that_goes_back_and_forth_opens_no_hole),
        cmocka_unit_test(a_full_filter_refuses_everything_new_and_counts_it),
        cmocka_unit_test(tags_go_with_their_key_from_memory_and_store),
        cmocka_unit_test(records_left_over_by_a_crash_are_deleted_at_the_next_start),
        cmocka_unit_test(a_set_holds_as_many_tags_as_it_promises_and_finds_them_all),
        cmocka_unit_test(a_filter_that_memory_cannot_hold_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
