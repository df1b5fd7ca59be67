// The directory's signer: who gets in, when a directory is issued, what it says, what a restart keeps.
#include "directory/authority.h"

#include "directory/world.h"

#define RELAYS 6

struct fixture {
    struct world world;
    struct authority *authority;
    struct buf issued;
    struct directory *directory; // the last one issued
    bool retiring[RELAYS];
};

static int set_up(void **state) {
    struct fixture *f = NEW(struct fixture);
    world_init(&f->world, RELAYS, 1);
    world_at(&f->world, 10, 1000);
    f->authority = authority_new(&f->world.genesis, &f->world.authority_key);
    authority_load(f->authority, &f->world.step);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    authority_free(f->authority);
    directory_unref(f->directory);
    world_free(&f->world);
    buf_free(&f->issued);
    free(f);
    return 0;
}

static void restart(struct fixture *f) {
    authority_free(f->authority);
    f->authority = authority_new(&f->world.genesis, &f->world.authority_key);
    authority_load(f->authority, &f->world.step);
}

static uint32_t epoch_now(const struct fixture *f) {
    return epoch_at(&f->world.genesis, f->world.step.now.wall_ms);
}

static struct descriptor descriptor_of(const struct fixture *f, size_t i) {
    struct descriptor d = {
        .id = f->world.relays[i].id,
        .address = {.host = "127.0.0.1", .port = (uint16_t)(7070 + i)},
        .published_ms = f->world.step.now.wall_ms,
        .retiring = f->retiring[i],
        .onion.first_epoch = epoch_now(f),
    };
    for (size_t j = 0; j < ONION_KEYS_AHEAD; j++)
        d.onion.keys[j] = f->world.relays[i].onion;
    return d;
}

static enum descriptor_refusal hand_in(struct fixture *f, size_t i, struct descriptor *d) {
    uint8_t bytes[DESCRIPTOR_BYTES_MAX];
    size_t n = descriptor_encode(bytes, d, &f->world.genesis.network, &f->world.relays[i].secret);
    enum descriptor_refusal refusal =
        authority_take(f->authority, &f->world.step, &f->world.relays[i].id, span_of(bytes, n));
    world_commit(&f->world);
    return refusal;
}

static enum descriptor_refusal publish(struct fixture *f, size_t i) {
    struct descriptor d = descriptor_of(f, i);
    return hand_in(f, i, &d);
}

static void publish_all(struct fixture *f, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(publish(f, i), DESCRIPTOR_TAKEN);
}

// The epoch of the directory that is issued now, 0: none is.
static uint32_t issue(struct fixture *f) {
    if (!authority_issue(f->authority, &f->world.step, &f->issued)) {
        assert_int_equal(kv_batch_count(&f->world.batch), 0);
        return 0;
    }
    assert_true(f->world.batch.synced);
    world_commit(&f->world);
    directory_unref(f->directory);
    assert_int_equal(directory_decode(&f->directory, buf_span(&f->issued), &f->world.genesis), OK);
    return f->directory->epoch;
}

static const struct directory_relay *listed(const struct fixture *f, size_t i) {
    return directory_find(f->directory, &f->world.relays[i].id);
}

static void the_first_directory_waits_for_min_relays_and_is_for_the_current_epoch(void **state) {
    struct fixture *f = *state;
    assert_int_equal(issue(f), 0);
    publish_all(f, 2);
    assert_int_equal(issue(f), 0);
    publish_all(f, 3);
    assert_int_equal(issue(f), 10);
    assert_int_equal(f->directory->relay_count, 3);
    assert_int_equal(f->directory->changed_epoch, 10);
    assert_int_equal(f->directory->issued_ms, f->world.step.now.wall_ms);
    assert_int_equal(issue(f), 0);
}

static void each_next_one_is_issued_a_sixth_before_its_epoch(void **state) {
    struct fixture *f = *state;
    publish_all(f, RELAYS);
    assert_int_equal(issue(f), 10);
    for (uint32_t epoch = 10; epoch < 14; epoch++) {
        world_at(&f->world, epoch, EPOCH_MS / 2);
        publish_all(f, RELAYS);
        world_at(&f->world, epoch, EPOCH_MS - EPOCH_MS / 6 - 1);
        assert_int_equal(issue(f), 0);
        assert_int_equal(authority_next_ms(f->authority, &f->world.step.now), f->world.step.now.mono_ms + 1);
        world_at(&f->world, epoch, EPOCH_MS - EPOCH_MS / 6);
        assert_int_equal(issue(f), epoch + 1);
        assert_int_equal(issue(f), 0);
        assert_int_equal(f->directory->changed_epoch, 10);
        assert_int_equal(f->directory->relay_count, RELAYS);
    }
}

static void a_relay_that_joins_later_gets_in_with_the_next_one(void **state) {
    struct fixture *f = *state;
    publish_all(f, 4);
    assert_int_equal(issue(f), 10);
    assert_int_equal(publish(f, 5), DESCRIPTOR_TAKEN);
    assert_int_equal(issue(f), 0);
    world_at(&f->world, 10, EPOCH_MS - 5000);
    assert_int_equal(issue(f), 11);
    assert_int_equal(f->directory->relay_count, 5);
    assert_int_equal(f->directory->changed_epoch, 11);
    assert_int_equal(listed(f, 5)->since_epoch, 11);
    assert_int_equal(listed(f, 0)->since_epoch, 10);
    assert_true(listed(f, 5)->placed);
}

static void a_retiring_relay_leaves_placement_but_still_forwards(void **state) {
    struct fixture *f = *state;
    publish_all(f, 4);
    assert_int_equal(issue(f), 10);
    f->retiring[2] = true;
    world_at(&f->world, 10, EPOCH_MS - 9000);
    publish_all(f, 4);
    assert_int_equal(issue(f), 11);
    assert_false(listed(f, 2)->placed);
    assert_non_null(directory_onion_key(listed(f, 2), 11));
    assert_int_equal(f->directory->changed_epoch, 11);
    f->retiring[2] = false; // it may change its mind
    world_at(&f->world, 11, EPOCH_MS - 9000);
    publish_all(f, 4);
    assert_int_equal(issue(f), 12);
    assert_true(listed(f, 2)->placed);
    assert_int_equal(f->directory->changed_epoch, 12);
}

// Runs whole epochs with all relays but the last publishing.
static void run_without_last(struct fixture *f, uint32_t from, uint32_t to) {
    for (uint32_t epoch = from; epoch < to; epoch++) {
        world_at(&f->world, epoch, 1000);
        publish_all(f, RELAYS - 1);
        world_at(&f->world, epoch, EPOCH_MS - 9000);
        assert_int_equal(issue(f), epoch + 1);
    }
}

static void a_short_outage_costs_the_onion_keys_but_not_the_place(void **state) {
    struct fixture *f = *state;
    publish_all(f, RELAYS);
    assert_int_equal(issue(f), 10);
    struct placement_id placement = listed(f, RELAYS - 1)->placement;
    run_without_last(f, 10, 13); // its keys of epoch 13 are the last
    assert_non_null(directory_onion_key(listed(f, RELAYS - 1), 13));
    assert_null(directory_onion_key(listed(f, RELAYS - 1), 14));
    run_without_last(f, 13, 40);
    assert_true(listed(f, RELAYS - 1)->placed);
    assert_null(directory_onion_key(listed(f, RELAYS - 1), 40));
    assert_int_equal(f->directory->changed_epoch, 10);
    world_at(&f->world, 40, 1000);
    publish_all(f, RELAYS);
    world_at(&f->world, 40, EPOCH_MS - 9000);
    assert_int_equal(issue(f), 41);
    assert_non_null(directory_onion_key(listed(f, RELAYS - 1), 41));
    assert_int_equal(f->directory->changed_epoch, 10);
    assert_memory_equal(&placement, &listed(f, RELAYS - 1)->placement, sizeof placement);
}

static void a_day_of_absence_costs_the_place_until_it_returns(void **state) {
    struct fixture *f = *state;
    publish_all(f, RELAYS);
    assert_int_equal(issue(f), 10);
    struct placement_id placement = listed(f, RELAYS - 1)->placement;
    uint32_t day = 10 + 24 * 60;
    run_without_last(f, 10, day - 1);
    assert_true(listed(f, RELAYS - 1)->placed);
    run_without_last(f, day - 1, day + 2);
    assert_null(listed(f, RELAYS - 1));
    assert_in_range(f->directory->changed_epoch, day, day + 2);
    restart(f); // it stays absent
    run_without_last(f, day + 2, day + 5);
    assert_null(listed(f, RELAYS - 1));
    world_at(&f->world, day + 5, 1000);
    publish_all(f, RELAYS);
    world_at(&f->world, day + 5, EPOCH_MS - 9000);
    assert_int_equal(issue(f), day + 6);
    assert_true(listed(f, RELAYS - 1)->placed);
    assert_memory_equal(&placement, &listed(f, RELAYS - 1)->placement, sizeof placement);
    assert_int_equal(listed(f, RELAYS - 1)->since_epoch, 10);
}

static void nobody_is_absent_because_the_authority_was(void **state) {
    struct fixture *f = *state;
    publish_all(f, RELAYS);
    assert_int_equal(issue(f), 10);
    world_at(&f->world, 10 + 3 * 24 * 60, 1000); // three days later
    restart(f);
    publish_all(f, 3);
    assert_int_equal(issue(f), 10 + 3 * 24 * 60);
    assert_int_equal(f->directory->relay_count, RELAYS);
    assert_int_equal(f->directory->changed_epoch, 10);
}

static void a_restart_keeps_relays_placements_and_the_last_epoch(void **state) {
    struct fixture *f = *state;
    publish_all(f, 4);
    assert_int_equal(issue(f), 10);
    struct placement_id placements[4];
    for (size_t i = 0; i < 4; i++)
        placements[i] = listed(f, i)->placement;
    restart(f);
    assert_int_equal(issue(f), 0); // never two for one epoch
    world_at(&f->world, 10, EPOCH_MS - 9000);
    restart(f);
    assert_int_equal(issue(f), 11);
    restart(f);
    assert_int_equal(issue(f), 0);
    assert_int_equal(f->directory->relay_count, 4);
    assert_int_equal(f->directory->changed_epoch, 10);
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(&placements[i], &listed(f, i)->placement, sizeof placements[i]);
        assert_int_equal(listed(f, i)->since_epoch, 10);
        assert_int_equal(listed(f, i)->address.port, 7070 + i);
    }
}

static void placement_ids_are_drawn_by_the_authority_and_differ(void **state) {
    struct fixture *f = *state;
    publish_all(f, RELAYS);
    assert_int_equal(issue(f), 10);
    for (size_t i = 0; i < RELAYS; i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&listed(f, i)->placement, &listed(f, j)->placement, 32);
        assert_memory_not_equal(&listed(f, i)->placement, &listed(f, i)->id, 32);
    }
}

static void late_it_waits_a_little_for_relays_to_be_heard_of_again(void **state) {
    struct fixture *f = *state;
    publish_all(f, RELAYS);
    assert_int_equal(issue(f), 10);
    world_at(&f->world, 30, 1000);
    restart(f);
    assert_int_equal(issue(f), 0); // nobody has keys for epoch 30
    publish_all(f, 2);
    assert_int_equal(issue(f), 0);
    world_at(&f->world, 30, 1000 + EPOCH_MS / 6 - 1);
    assert_int_equal(issue(f), 0);
    world_at(&f->world, 30, 1000 + EPOCH_MS / 6);
    assert_int_equal(issue(f), 30);
    assert_int_equal(f->directory->relay_count, RELAYS);
    assert_non_null(directory_onion_key(listed(f, 1), 30));
    assert_null(directory_onion_key(listed(f, 2), 30));
}

static void a_descriptor_counts_only_from_its_own_relay(void **state) {
    struct fixture *f = *state;
    struct descriptor d = descriptor_of(f, 0);
    uint8_t bytes[DESCRIPTOR_BYTES_MAX];
    const struct network_id *network = &f->world.genesis.network;
    size_t n = descriptor_encode(bytes, &d, network, &f->world.relays[0].secret);
    struct step *step = &f->world.step;
    assert_int_equal(authority_take(f->authority, step, &f->world.relays[1].id, span_of(bytes, n)),
                     DESCRIPTOR_BAD_SIGNATURE);
    bytes[n - 1] ^= 1;
    assert_int_equal(authority_take(f->authority, step, &f->world.relays[0].id, span_of(bytes, n)),
                     DESCRIPTOR_BAD_SIGNATURE);
    assert_int_equal(authority_take(f->authority, step, &f->world.relays[0].id, span_of(bytes, n - 1)),
                     DESCRIPTOR_MALFORMED);
    n = descriptor_encode(bytes, &d, network, &f->world.relays[1].secret); // signed by another
    assert_int_equal(authority_take(f->authority, step, &f->world.relays[0].id, span_of(bytes, n)),
                     DESCRIPTOR_BAD_SIGNATURE);
    assert_int_equal(kv_batch_count(&f->world.batch), 0);
}

static void clocks_may_differ_by_five_minutes_and_no_more(void **state) {
    struct fixture *f = *state;
    f->world.genesis.epoch_ms = HOUR_MS;
    world_at(&f->world, 10, HOUR_MS / 2);
    const int64_t off_ms[] = {0, -300000, 300000, -300001, 300001};
    for (size_t i = 0; i < 5; i++) {
        struct descriptor d = descriptor_of(f, i);
        d.published_ms += (uint64_t)off_ms[i];
        assert_int_equal(hand_in(f, i, &d), i < 3 ? DESCRIPTOR_TAKEN : DESCRIPTOR_BAD_TIME);
    }
}

static void an_older_descriptor_never_replaces_a_newer_one(void **state) {
    struct fixture *f = *state;
    struct descriptor older = descriptor_of(f, 0);
    older.published_ms -= 10;
    older.address.port = 1;
    publish_all(f, 3);
    assert_int_equal(hand_in(f, 0, &older), DESCRIPTOR_BAD_TIME);
    assert_int_equal(publish(f, 0), DESCRIPTOR_TAKEN); // the same one again
    restart(f);
    assert_int_equal(hand_in(f, 0, &older), DESCRIPTOR_BAD_TIME);
    struct descriptor newer = descriptor_of(f, 0);
    newer.published_ms += 10;
    newer.address.port = 2;
    assert_int_equal(hand_in(f, 0, &newer), DESCRIPTOR_TAKEN);
    assert_int_equal(issue(f), 10);
    assert_int_equal(listed(f, 0)->address.port, 2);
}

static void keys_begin_with_this_epoch_or_a_neighbour_and_never_go_back(void **state) {
    struct fixture *f = *state;
    const uint32_t first[] = {8, 9, 10, 11, 12, 0};
    for (size_t i = 0; i < RELAYS; i++) {
        struct descriptor d = descriptor_of(f, i);
        d.onion.first_epoch = first[i];
        bool good = first[i] >= 9 && first[i] <= 11;
        assert_int_equal(hand_in(f, i, &d), good ? DESCRIPTOR_TAKEN : DESCRIPTOR_BAD_TIME);
    }
    struct descriptor d = descriptor_of(f, 3); // it had given 11
    d.published_ms++;
    assert_int_equal(hand_in(f, 3, &d), DESCRIPTOR_BAD_TIME);
}

static void a_relay_that_lost_its_keys_comes_back_with_the_next_epochs(void **state) {
    struct fixture *f = *state;
    publish_all(f, 4);
    assert_int_equal(issue(f), 10);
    struct descriptor d = descriptor_of(f, 0);
    d.published_ms++;
    d.onion.first_epoch = 11;
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        d.onion.keys[i] = f->world.relays[5].onion;
    assert_int_equal(hand_in(f, 0, &d), DESCRIPTOR_TAKEN);
    world_at(&f->world, 10, EPOCH_MS - 9000);
    assert_int_equal(issue(f), 11);
    assert_memory_equal(directory_onion_key(listed(f, 0), 11), &f->world.relays[5].onion, 32);
}

static void keys_that_no_packet_can_be_made_for_are_refused(void **state) {
    struct fixture *f = *state;
    struct descriptor d = descriptor_of(f, 0);
    d.onion.keys[3] = (struct dh_public){{1}}; // of low order
    assert_int_equal(hand_in(f, 0, &d), DESCRIPTOR_MALFORMED);
    memset(&d.onion.keys[3], 0xff, sizeof d.onion.keys[3]); // not canonical
    assert_int_equal(hand_in(f, 0, &d), DESCRIPTOR_MALFORMED);
}

static void a_clock_set_back_issues_nothing_twice(void **state) {
    struct fixture *f = *state;
    publish_all(f, 4);
    assert_int_equal(issue(f), 10);
    world_at(&f->world, 9, 1000);
    assert_int_equal(issue(f), 0);
    assert_true(authority_next_ms(f->authority, &f->world.step.now) > f->world.step.now.mono_ms);
    world_at(&f->world, 9, EPOCH_MS - 1);
    assert_int_equal(issue(f), 0);
}

static void before_genesis_the_first_directory_is_that_of_epoch_one(void **state) {
    struct fixture *f = *state;
    f->world.step.now.wall_ms = GENESIS_MS - EPOCH_MS / 6 - 1;
    for (size_t i = 0; i < 4; i++) {
        struct descriptor d = descriptor_of(f, i);
        d.onion.first_epoch = i % 2;
        assert_int_equal(hand_in(f, i, &d), DESCRIPTOR_TAKEN);
    }
    assert_int_equal(issue(f), 0);
    f->world.step.now.wall_ms++;
    assert_int_equal(issue(f), 1);
    assert_int_equal(issue(f), 0);
}

// ---- a full directory ----

static void hand_in_as(struct fixture *f, uint32_t number, enum descriptor_refusal expected) {
    uint8_t seed[32] = {0};
    struct sign_public public;
    store_u32(seed, number);
    struct relay *relay = &f->world.relays[0];
    sign_key_from_seed(&relay->secret, &public, seed);
    memcpy(relay->id.bytes, public.bytes, 32);
    struct descriptor d = descriptor_of(f, 0);
    assert_int_equal(hand_in(f, 0, &d), expected);
}

static void a_full_directory_refuses_until_a_relay_has_been_away_for_long(void **state) {
    struct fixture *f = *state;
    f->world.genesis.epoch_ms = DAY_MS;
    world_at(&f->world, 10, 1000);
    for (uint32_t i = 0; i < DIRECTORY_RELAYS_MAX; i++)
        hand_in_as(f, i, DESCRIPTOR_TAKEN);
    hand_in_as(f, DIRECTORY_RELAYS_MAX, DESCRIPTOR_FULL);
    assert_int_equal(issue(f), 10);
    assert_int_equal(f->directory->relay_count, DIRECTORY_RELAYS_MAX);
    restart(f);
    hand_in_as(f, DIRECTORY_RELAYS_MAX, DESCRIPTOR_FULL);
    for (uint32_t epoch = 10; epoch < 45; epoch++) { // half of them are heard of no more
        world_at(&f->world, epoch, DAY_MS - HOUR_MS);
        for (uint32_t i = 0; i < 20; i++)
            hand_in_as(f, i, DESCRIPTOR_TAKEN);
        assert_int_equal(issue(f), epoch + 1);
    }
    assert_int_equal(f->directory->relay_count, 20);
    hand_in_as(f, DIRECTORY_RELAYS_MAX, DESCRIPTOR_TAKEN);
    restart(f);
    world_at(&f->world, 45, DAY_MS - HOUR_MS);
    hand_in_as(f, DIRECTORY_RELAYS_MAX, DESCRIPTOR_TAKEN);
    assert_int_equal(issue(f), 46);
    assert_non_null(listed(f, 0)); // the one handed in last
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_directory_waits_for_min_relays_and_is_for_the_current_epoch, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(each_next_one_is_issued_a_sixth_before_its_epoch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_relay_that_joins_later_gets_in_with_the_next_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_retiring_relay_leaves_placement_but_still_forwards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_outage_costs_the_onion_keys_but_not_the_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_day_of_absence_costs_the_place_until_it_returns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_absent_because_the_authority_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restart_keeps_relays_placements_and_the_last_epoch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(placement_ids_are_drawn_by_the_authority_and_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(late_it_waits_a_little_for_relays_to_be_heard_of_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_descriptor_counts_only_from_its_own_relay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clocks_may_differ_by_five_minutes_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_descriptor_never_replaces_a_newer_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_begin_with_this_epoch_or_a_neighbour_and_never_go_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_relay_that_lost_its_keys_comes_back_with_the_next_epochs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_that_no_packet_can_be_made_for_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_set_back_issues_nothing_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(before_genesis_the_first_directory_is_that_of_epoch_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_directory_refuses_until_a_relay_has_been_away_for_long, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("directory/authority", tests, world_setup, NULL);
}
