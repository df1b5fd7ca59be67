// Which address records count, for how long, and when a relay signs one.
#include "directory/addresses.h"

#include "directory/world.h"

#define RELAYS 4

struct fixture {
    struct world world;
    struct directory *directory;
    struct addresses *addresses;
};

static void in_epoch(struct fixture *f, uint32_t epoch) {
    struct buf bytes = {0};
    directory_unref(f->directory);
    world_at(&f->world, epoch, EPOCH_MS / 2);
    world_directory(&f->world, &bytes, epoch);
    assert_int_equal(directory_decode(&f->directory, buf_span(&bytes), &f->world.genesis.network), OK);
    buf_free(&bytes);
    addresses_directory_changed(f->addresses, f->directory);
}

static int setup(void **state) {
    struct fixture *f = NEW(struct fixture);
    world_init(&f->world, RELAYS, 1);
    f->addresses = addresses_new(&f->world.genesis);
    in_epoch(f, 5);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    addresses_free(f->addresses);
    directory_unref(f->directory);
    world_free(&f->world);
    free(f);
    return 0;
}

static uint64_t now(const struct fixture *f) {
    return f->world.step.now.wall_ms;
}

static struct address port(uint16_t port) {
    return (struct address){.host = "moved.example", .port = port};
}

static struct address_record record_of(const struct fixture *f, size_t relay, uint16_t to, uint64_t signed_ms) {
    struct address_record record = {.id = f->world.relays[relay].id, .signed_ms = signed_ms, .address = port(to)};
    address_record_sign(&record, &f->world.genesis.network, &f->world.relays[relay].secret);
    return record;
}

static enum err take(struct fixture *f, const struct address_record *record) {
    return addresses_take(f->addresses, f->directory, record, now(f));
}

static enum err give(struct fixture *f, size_t relay, uint16_t to, uint64_t signed_ms) {
    struct address_record record = record_of(f, relay, to, signed_ms);
    return take(f, &record);
}

// 0: none.
static uint16_t held(const struct fixture *f, size_t relay) {
    const struct address_record *record = addresses_find(f->addresses, &f->world.relays[relay].id);
    return record == NULL ? 0 : record->address.port;
}

static void the_newest_record_of_each_relay_is_held(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < RELAYS; i++) {
        assert_int_equal(give(f, i, (uint16_t)(100 + i), now(f)), OK);
        assert_int_equal(give(f, i, (uint16_t)(200 + i), now(f) + ADDRESS_INTERVAL_MS), OK);
        assert_int_equal(held(f, i), 200 + i);
    }
    size_t count;
    const struct address_record *all = addresses_all(f->addresses, &count);
    assert_int_equal(count, RELAYS);
    for (size_t i = 1; i < count; i++)
        assert_true(relay_id_compare(&all[i - 1].id, &all[i].id) < 0);
}

static void an_older_record_does_not_come_back(void **state) {
    struct fixture *f = *state;
    struct address_record first = record_of(f, 0, 100, now(f));
    assert_int_equal(take(f, &first), OK);
    assert_int_equal(give(f, 0, 200, now(f) + ADDRESS_INTERVAL_MS), OK);
    assert_int_equal(take(f, &first), ERR_EXISTS);
    assert_int_equal(held(f, 0), 200);
}

static void a_relay_cannot_make_others_pass_on_more_than_one_a_minute(void **state) {
    struct fixture *f = *state;
    size_t taken = 0;
    for (uint64_t ms = 0; ms < 10 * MINUTE_MS; ms += 100)
        taken += give(f, 0, 100, now(f) + ms) == OK; // as far ahead of the clock as is taken, too
    assert_int_equal(taken, 1 + ADDRESS_AHEAD_MS / ADDRESS_INTERVAL_MS);
}

static void a_record_from_a_far_future_is_refused(void **state) {
    struct fixture *f = *state;
    assert_int_equal(give(f, 0, 100, now(f) + ADDRESS_AHEAD_MS + 1), ERR_TIME);
    assert_int_equal(give(f, 0, 100, UINT64_MAX), ERR_TIME);
    assert_int_equal(held(f, 0), 0);
    assert_int_equal(give(f, 0, 100, now(f) + ADDRESS_AHEAD_MS), OK);
}

static void a_forged_record_is_refused(void **state) {
    struct fixture *f = *state;
    struct address_record record = record_of(f, 0, 100, now(f));
    record.id = f->world.relays[1].id;
    assert_int_equal(take(f, &record), ERR_AUTH);
    record = record_of(f, 0, 100, now(f));
    record.address.port++;
    assert_int_equal(take(f, &record), ERR_AUTH);
    address_record_sign(&record, &(struct network_id){{1}}, &f->world.relays[0].secret);
    assert_int_equal(take(f, &record), ERR_AUTH);
    assert_int_equal(held(f, 0) + held(f, 1), 0);
}

static void a_relay_that_is_not_listed_has_no_record(void **state) {
    struct fixture *f = *state;
    assert_int_equal(give(f, 0, 100, now(f)), OK);
    f->world.relay_count--; // the last one leaves
    assert_int_equal(give(f, RELAYS - 1, 100, now(f)), OK);
    in_epoch(f, 6);
    f->world.relay_count++;
    assert_int_equal(held(f, 0), 100);
    assert_int_equal(held(f, RELAYS - 1), 0);
    assert_int_equal(give(f, RELAYS - 1, 200, now(f)), ERR_NOT_FOUND);
}

static void the_second_directory_after_a_record_ends_it(void **state) {
    struct fixture *f = *state;
    struct address_record record = record_of(f, 0, 100, now(f)); // in epoch 5
    assert_int_equal(take(f, &record), OK);
    in_epoch(f, 6); // the ledger may have been told too late for this one
    assert_int_equal(held(f, 0), 100);
    in_epoch(f, 7);
    assert_int_equal(held(f, 0), 0);
    assert_int_equal(take(f, &record), ERR_EXPIRED);
}

// The ledger stands still: nobody makes a newer directory.
static void a_record_counts_as_long_as_there_is_no_newer_directory(void **state) {
    struct fixture *f = *state;
    world_at(&f->world, 7, 0); // that of epoch 5 is in force
    assert_int_equal(give(f, 0, 100, now(f)), OK);
    assert_int_equal(held(f, 0), 100);
}

static bool own_due(const struct fixture *f, const struct address *own) {
    return addresses_own_due(f->addresses, f->directory, &f->world.relays[0].id, own, now(f));
}

static void a_relay_signs_when_others_would_look_for_it_elsewhere(void **state) {
    struct fixture *f = *state;
    struct address listed = directory_find(f->directory, &f->world.relays[0].id)->address;
    struct address moved = port(100);
    assert_false(own_due(f, &listed));
    assert_true(own_due(f, &moved));
    assert_int_equal(give(f, 0, 100, now(f)), OK);
    assert_false(own_due(f, &moved));
    assert_true(own_due(f, &listed)); // it is back where it was
}

static void a_relay_signs_anew_before_its_record_ends(void **state) {
    struct fixture *f = *state;
    struct address moved = port(100);
    assert_int_equal(give(f, 0, 100, now(f)), OK);
    in_epoch(f, 6);
    assert_true(own_due(f, &moved));
    assert_int_equal(give(f, 0, 100, now(f)), OK);
    assert_false(own_due(f, &moved));
    in_epoch(f, 7);
    assert_int_equal(held(f, 0), 100);
}

static void a_relay_that_is_not_listed_signs_nothing(void **state) {
    struct fixture *f = *state;
    struct relay_id stranger = {{1}};
    struct address moved = port(100);
    assert_false(addresses_own_due(f->addresses, f->directory, &stranger, &moved, now(f)));
}

static void a_relays_records_never_go_back_in_time(void **state) {
    struct fixture *f = *state;
    uint64_t last_ms = 0;
    uint64_t signed_ms = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        int64_t jump_ms = (int64_t)rng_below(&f->world.env.rng, 4 * MINUTE_MS) - (int64_t)(2 * MINUTE_MS);
        uint64_t wall_ms = now(f) + (uint64_t)jump_ms;
        if (!addresses_own_time(f->addresses, f->directory, &signed_ms, last_ms, wall_ms))
            continue;
        assert_true(last_ms == 0 || signed_ms >= last_ms + ADDRESS_INTERVAL_MS);
        assert_true(signed_ms <= wall_ms + ADDRESS_AHEAD_MS);
        last_ms = signed_ms;
    }
    assert_true(last_ms > now(f));
    assert_false(addresses_own_time(f->addresses, f->directory, &signed_ms, UINT64_MAX, now(f)));
}

static void nothing_is_signed_that_the_directory_has_ended_already(void **state) {
    struct fixture *f = *state;
    uint64_t signed_ms = 0;
    uint64_t past_ms = epoch_start_ms(&f->world.genesis, 3); // the clock was set back
    assert_false(addresses_own_time(f->addresses, f->directory, &signed_ms, 0, past_ms));
    assert_true(addresses_own_time(f->addresses, f->directory, &signed_ms, 0, past_ms + EPOCH_MS));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_newest_record_of_each_relay_is_held),
        CASE(an_older_record_does_not_come_back),
        CASE(a_relay_cannot_make_others_pass_on_more_than_one_a_minute),
        CASE(a_record_from_a_far_future_is_refused),
        CASE(a_forged_record_is_refused),
        CASE(a_relay_that_is_not_listed_has_no_record),
        CASE(the_second_directory_after_a_record_ends_it),
        CASE(a_record_counts_as_long_as_there_is_no_newer_directory),
        CASE(a_relay_signs_when_others_would_look_for_it_elsewhere),
        CASE(a_relay_signs_anew_before_its_record_ends),
        CASE(a_relay_that_is_not_listed_signs_nothing),
        CASE(a_relays_records_never_go_back_in_time),
        CASE(nothing_is_signed_that_the_directory_has_ended_already),
    };
    return cmocka_run_group_tests_name("directory/addresses", tests, world_setup, NULL);
}
