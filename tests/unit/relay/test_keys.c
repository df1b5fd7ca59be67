// The life of onion keys: announced ahead, accepted around their epoch, destroyed after it or when tags may be missing.
#include "relay/rig.h"

static void four_epochs_of_keys_are_announced(void **state) {
    (void)state;
    struct rig rig;
    struct onion_keys keys;
    rig_init(&rig);
    rig_start(&rig, false);
    rig_announce(&rig, &keys);
    assert_int_equal(keys.first_epoch, 1);
    for (int i = 0; i < ONION_KEYS_AHEAD; i++) {
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(keys.keys[i].bytes, keys.keys[k].bytes, 32);
    }
    rig_free(&rig);
}

static void announced_keys_are_stored_synced_and_survive_a_restart(void **state) {
    (void)state;
    struct rig rig;
    struct onion_keys before, after;
    rig_init(&rig);
    struct relay_ports ports = {&rig, rig_forward, rig_to_client, rig_deliver};
    assert_int_equal(relay_new(&rig.relay, &rig.config, &ports), OK);
    struct step step = rig_step(&rig);
    relay_start(rig.relay, &step, false);
    assert_true(rig.batch.synced);
    relay_onion_keys(rig.relay, &step, &before);
    rig_apply(&rig);
    rig_stop(&rig);
    rig_start(&rig, false);
    rig_announce(&rig, &after);
    assert_memory_equal(&before, &after, sizeof before);
    rig_free(&rig);
}

static void a_new_epochs_keys_are_to_be_announced(void **state) {
    (void)state;
    struct rig rig;
    struct onion_keys before, after;
    rig_init(&rig);
    rig_start(&rig, false);
    rig_announce(&rig, &before);
    assert_false(relay_keys_changed(rig.relay));
    rig_wait(&rig, RIG_EPOCH_MS);
    assert_true(relay_keys_changed(rig.relay));
    rig_announce(&rig, &after);
    assert_false(relay_keys_changed(rig.relay));
    assert_int_equal(after.first_epoch, 2);
    assert_memory_equal(before.keys[1].bytes, after.keys[0].bytes, 32);
    assert_memory_equal(before.keys[3].bytes, after.keys[2].bytes, 32);
    rig_free(&rig);
}

// Whether a packet for that epoch's key gets through now.
static bool accepted(struct rig *rig, const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    size_t delivered = rig->delivered;
    rig_arrive(rig, packet);
    rig_run_jobs(rig);
    return rig->delivered > delivered;
}

static void a_key_is_accepted_from_a_sixth_before_to_a_sixth_after_its_epoch(void **state) {
    (void)state;
    struct rig rig;
    uint8_t packets[4][SPHINX_PACKET_BYTES];
    rig_init(&rig);
    rig_start(&rig, false);
    for (int i = 0; i < 4; i++)
        rig_make_deliver(&rig, packets[i], 2);
    const uint64_t start_ms = RIG_GENESIS_MS + RIG_EPOCH_MS, sixth_ms = RIG_EPOCH_MS / 6;
    rig_wait(&rig, start_ms - sixth_ms - 1 - rig.now.wall_ms);
    assert_false(accepted(&rig, packets[0]));
    rig_wait(&rig, 1);
    assert_true(accepted(&rig, packets[1]));
    rig_wait(&rig, start_ms + RIG_EPOCH_MS + sixth_ms - 1 - rig.now.wall_ms);
    assert_true(accepted(&rig, packets[2]));
    rig_wait(&rig, 1);
    assert_false(accepted(&rig, packets[3]));
    assert_int_equal(rig_metric(&rig, METRIC_RELAY_DROPPED_UNREADABLE), 2);
    rig_free(&rig);
}

static bool store_holds(struct rig *rig, const uint8_t *bytes, size_t n) {
    struct kv_snapshot *snapshot = kv_snapshot(rig->env.kv);
    const uint8_t from[] = {0};
    struct kv_cursor *cursor = kv_scan(snapshot, SPAN_OF(from));
    struct span key, value;
    bool found = false;
    for (; kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
        for (size_t i = 0; i + n <= value.n; i++)
            found = found || memcmp(value.p + i, bytes, n) == 0;
    }
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
    return found;
}

static void a_key_whose_time_is_over_is_gone_from_the_store(void **state) {
    (void)state;
    struct rig rig;
    struct onion_keys keys;
    rig_init(&rig);
    rig_start(&rig, false);
    rig_announce(&rig, &keys);
    assert_true(store_holds(&rig, keys.keys[0].bytes, 32));
    rig_wait(&rig, RIG_EPOCH_MS);
    assert_false(store_holds(&rig, keys.keys[0].bytes, 32));
    assert_true(store_holds(&rig, keys.keys[1].bytes, 32));
    rig_free(&rig);
}

static void an_unclean_restart_destroys_the_keys_in_use(void **state) {
    (void)state;
    struct rig rig;
    struct onion_keys before, after;
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_init(&rig);
    rig_start(&rig, false);
    rig_announce(&rig, &before);
    rig_make_deliver(&rig, packet, 1);
    rig_stop(&rig);
    rig_start(&rig, true);
    rig_announce(&rig, &after);
    assert_int_equal(after.first_epoch, 2);
    assert_memory_equal(before.keys[1].bytes, after.keys[0].bytes, 32);
    assert_false(store_holds(&rig, before.keys[0].bytes, 32));
    assert_false(accepted(&rig, packet));
    rig_free(&rig);
}

static void an_unclean_restart_destroys_used_keys_even_if_the_clock_went_back(void **state) {
    (void)state;
    struct rig rig;
    uint8_t packet[SPHINX_PACKET_BYTES];
    rig_init(&rig);
    rig_start(&rig, false);
    rig_wait(&rig, RIG_EPOCH_MS);
    rig_make_deliver(&rig, packet, 2);
    rig_stop(&rig);
    rig.now.wall_ms -= RIG_EPOCH_MS;
    rig_start(&rig, true);
    rig_wait(&rig, RIG_EPOCH_MS);
    assert_false(accepted(&rig, packet));
    rig_free(&rig);
}

static void damaged_key_records_are_replaced_by_new_keys(void **state) {
    (void)state;
    struct rig rig;
    struct onion_keys keys;
    rig_init(&rig);
    const uint8_t key[] = {KV_SPACE_RELAY, 'k'};
    kv_batch_put(&rig.batch, SPAN_OF(key), SPAN_LITERAL("\x05garbage"), KV_SYNCED);
    rig_apply(&rig);
    rig_start(&rig, false);
    rig_announce(&rig, &keys);
    assert_int_equal(keys.first_epoch, 1);
    rig_free(&rig);
}

static void before_the_first_epoch_the_first_epochs_keys_are_announced(void **state) {
    (void)state;
    struct rig rig;
    struct onion_keys keys;
    rig_init(&rig);
    rig.now.wall_ms = RIG_GENESIS_MS - 5 * RIG_EPOCH_MS;
    rig_start(&rig, false);
    rig_announce(&rig, &keys);
    assert_int_equal(keys.first_epoch, 1);
    rig_free(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_epochs_of_keys_are_announced),
        cmocka_unit_test(announced_keys_are_stored_synced_and_survive_a_restart),
        cmocka_unit_test(a_new_epochs_keys_are_to_be_announced),
        cmocka_unit_test(a_key_is_accepted_from_a_sixth_before_to_a_sixth_after_its_epoch),
        cmocka_unit_test(a_key_whose_time_is_over_is_gone_from_the_store),
        cmocka_unit_test(an_unclean_restart_destroys_the_keys_in_use),
        cmocka_unit_test(an_unclean_restart_destroys_used_keys_even_if_the_clock_went_back),
        cmocka_unit_test(damaged_key_records_are_replaced_by_new_keys),
        cmocka_unit_test(before_the_first_epoch_the_first_epochs_keys_are_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
