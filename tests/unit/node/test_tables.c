// The tables a node keeps: links, addresses, handles, peers, queues, buckets.
#include <stdlib.h>

#include "rig.h"

// ---- buckets ----

static void a_new_bucket_holds_a_burst_of_twice_the_rate(void **state) {
    (void)state;
    struct bucket bucket = {0};
    for (int i = 0; i < 20; i++) {
        assert_true(bucket_take(&bucket, 0, 10));
    }
    assert_false(bucket_take(&bucket, 0, 10));
}

static void a_bucket_fills_at_its_rate_and_never_over_its_size(void **state) {
    (void)state;
    struct bucket bucket = {0};
    while (bucket_take(&bucket, 500, 10)) {
    }
    assert_false(bucket_take(&bucket, 599, 10));
    assert_true(bucket_take(&bucket, 600, 10));
    assert_false(bucket_take(&bucket, 600, 10));
    int taken = 0;
    while (bucket_take(&bucket, 1000000, 10)) {
        taken++;
    }
    assert_int_equal(taken, 20);
}

static void a_bucket_counts_fractions_of_a_token(void **state) {
    (void)state;
    struct bucket bucket = {0};
    while (bucket_take(&bucket, 0, 3)) {
    }
    int taken = 0;
    for (uint64_t ms = 1; ms <= 10000; ms++) {
        taken += bucket_take(&bucket, ms, 3);
    }
    assert_int_equal(taken, 30);
}

// ---- links ----

static void links_are_found_by_number_and_walked_in_order(void **state) {
    (void)state;
    struct link_table table = {0};
    uint64_t numbers[] = {5, 1, 9, 3, UINT64_MAX};
    for (size_t i = 0; i < 5; i++) {
        link_table_add(&table, numbers[i]);
    }
    uint64_t walked[5];
    size_t count = 0;
    for (struct link *link = link_table_after(&table, 0); link != NULL; link = link_table_after(&table, link->id)) {
        walked[count++] = link->id;
    }
    uint64_t sorted[] = {1, 3, 5, 9, UINT64_MAX};
    assert_int_equal(count, 5);
    assert_memory_equal(walked, sorted, sizeof sorted);
    link_table_remove(&table, link_table_find(&table, 5));
    assert_null(link_table_find(&table, 5));
    assert_int_equal(link_table_after(&table, 3)->id, 9);
    assert_null(link_table_after(&table, UINT64_MAX));
    link_table_free(&table);
}

static void an_address_is_forgotten_with_its_last_link(void **state) {
    (void)state;
    struct link_table table = {0};
    assert_null(link_table_address(&table, 7, false));
    link_table_address(&table, 7, true)->links++;
    link_table_address(&table, 7, true)->links++;
    link_table_address(&table, 3, true)->links++;
    assert_int_equal(table.address_count, 2);
    link_table_address_gone(&table, 7);
    assert_int_equal(link_table_address(&table, 7, false)->links, 1);
    link_table_address_gone(&table, 7);
    assert_null(link_table_address(&table, 7, false));
    assert_int_equal(link_table_address(&table, 3, false)->links, 1);
    link_table_free(&table);
}

// ---- handles ----

static struct handle handle_of(uint32_t number) {
    struct handle handle = {0};
    memcpy(handle.bytes, &number, sizeof number);
    return handle;
}

static void a_handle_leads_to_the_link_that_registered_it(void **state) {
    (void)state;
    struct handle_table table = {.key = {1}};
    struct handle_set one = {0};
    struct handle_set two = {0};
    struct handle handles[] = {handle_of(1), handle_of(2), handle_of(3)};
    uint64_t link = 0;
    assert_false(handle_table_find(&table, &link, &handles[0]));
    handle_table_replace(&table, &one, 10, handles, 2);
    handle_table_replace(&table, &two, 20, handles + 2, 1);
    assert_true(handle_table_find(&table, &link, &handles[1]));
    assert_int_equal(link, 10);
    assert_true(handle_table_find(&table, &link, &handles[2]));
    assert_int_equal(link, 20);
    handle_table_free(&table);
}

static void nobody_takes_over_the_handle_of_another(void **state) {
    (void)state;
    struct handle_table table = {.key = {1}};
    struct handle_set honest = {0};
    struct handle_set thief = {0};
    struct handle handles[] = {handle_of(1), handle_of(2)};
    uint64_t link = 0;
    handle_table_replace(&table, &honest, 10, handles, 1);
    handle_table_replace(&table, &thief, 66, handles, 2);
    assert_int_equal(thief.count, 1);
    assert_true(handle_table_find(&table, &link, &handles[0]));
    assert_int_equal(link, 10);
    handle_table_replace(&table, &thief, 66, NULL, 0);
    assert_true(handle_table_find(&table, &link, &handles[0]));
    assert_false(handle_table_find(&table, &link, &handles[1]));
    handle_table_free(&table);
}

static void a_list_with_a_handle_twice_counts_it_once(void **state) {
    (void)state;
    struct handle_table table = {.key = {1}};
    struct handle_set set = {0};
    struct handle handles[] = {handle_of(1), handle_of(1)};
    handle_table_replace(&table, &set, 10, handles, 2);
    assert_int_equal(set.count, 1);
    assert_int_equal(table.count, 1);
    handle_table_replace(&table, &set, 10, handles, 2);
    assert_int_equal(table.count, 1);
    handle_table_free(&table);
}

// Thousands of sets that come, change and go, against a plain array.
static void handles_survive_any_order_of_changes(void **state) {
    (void)state;
    enum { LINKS = 60, HANDLES = 400 };
    uint8_t seed[RNG_SEED_BYTES] = {3};
    struct rng rng;
    rng_init(&rng, seed);
    struct handle_table table = {.key = {9}};
    static struct handle_set sets[LINKS];
    memset(sets, 0, sizeof sets);
    uint64_t owner[HANDLES] = {0};
    for (int round = 0; round < 3000; round++) {
        uint64_t link = 1 + rng_below(&rng, LINKS);
        struct handle list[16];
        uint32_t numbers[16];
        size_t count = (size_t)rng_below(&rng, 17);
        for (uint32_t i = 0; i < HANDLES; i++) {
            owner[i] = owner[i] == link ? 0 : owner[i];
        }
        for (size_t i = 0; i < count; i++) {
            numbers[i] = (uint32_t)rng_below(&rng, HANDLES);
            list[i] = handle_of(numbers[i]);
            owner[numbers[i]] = owner[numbers[i]] == 0 ? link : owner[numbers[i]];
        }
        handle_table_replace(&table, &sets[link - 1], link, list, count);
        size_t owned = 0;
        for (uint32_t i = 0; i < HANDLES; i++) {
            struct handle handle = handle_of(i);
            uint64_t found = 0;
            owned += owner[i] != 0;
            assert_int_equal(handle_table_find(&table, &found, &handle), owner[i] != 0);
            assert_int_equal(found, owner[i]);
        }
        assert_int_equal(table.count, owned);
        assert_true(2 * table.count <= table.capacity);
    }
    handle_table_free(&table);
}

// ---- peers ----

static void peers_are_sorted_by_identity_and_stay_where_they_are(void **state) {
    (void)state;
    struct peer_table table = {0};
    struct relay_id ids[20] = {0};
    struct peer *peers[20];
    for (size_t i = 0; i < 20; i++) {
        ids[i].bytes[0] = (uint8_t)(i * 7 % 20);
        peers[i] = peer_table_add(&table, &ids[i]);
    }
    for (size_t i = 0; i < 20; i++) {
        assert_ptr_equal(peer_table_find(&table, &ids[i]), peers[i]);
        assert_int_equal(table.peers[i]->id.bytes[0], i);
    }
    peer_table_remove(&table, peers[4]);
    assert_null(peer_table_find(&table, &ids[4]));
    assert_ptr_equal(peer_table_find(&table, &ids[5]), peers[5]);
    peer_table_free(&table);
}

// ---- queues ----

static void a_queue_gives_back_in_order_and_counts_cells(void **state) {
    (void)state;
    struct outgoing_queue queue = {0};
    struct outgoing *items[3];
    for (size_t i = 0; i < 3; i++) {
        items[i] = NEW(struct outgoing);
        outgoing_push(&queue, items[i], i + 1);
    }
    assert_int_equal(queue.cells, 6);
    assert_ptr_equal(outgoing_pop(&queue, 1), items[0]);
    free(items[0]);
    assert_int_equal(queue.cells, 5);
    outgoing_queue_free(&queue);
    assert_null(queue.first);
    assert_null(queue.last);
    assert_int_equal(queue.cells, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_bucket_holds_a_burst_of_twice_the_rate),
        cmocka_unit_test(a_bucket_fills_at_its_rate_and_never_over_its_size),
        cmocka_unit_test(a_bucket_counts_fractions_of_a_token),
        cmocka_unit_test(links_are_found_by_number_and_walked_in_order),
        cmocka_unit_test(an_address_is_forgotten_with_its_last_link),
        cmocka_unit_test(a_handle_leads_to_the_link_that_registered_it),
        cmocka_unit_test(nobody_takes_over_the_handle_of_another),
        cmocka_unit_test(a_list_with_a_handle_twice_counts_it_once),
        cmocka_unit_test(handles_survive_any_order_of_changes),
        cmocka_unit_test(peers_are_sorted_by_identity_and_stay_where_they_are),
        cmocka_unit_test(a_queue_gives_back_in_order_and_counts_cells),
    };
    return cmocka_run_group_tests_name("node tables", tests, rig_setup, NULL);
}
