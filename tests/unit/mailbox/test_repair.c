// Repair: returning replicas, stand-ins, tombstones, lost disks, new memberships.
#include "mailbox/repair.h"

#include "crypto/vectors.h"
#include "world.h"

static void put(struct world *w, const struct owner *bob, struct item *item) {
    item_new(item, w, bob, DAY_MS);
    size_t rank = 0;
    while (w->nodes[world_rank(w, bob, rank)].mailbox == NULL)
        rank++;
    const struct reply *reply = world_store(w, world_rank(w, bob, rank), bob, item);
    assert_non_null(reply);
    assert_int_equal(reply->status, OP_OK);
}

static void a_replica_that_returns_gets_what_it_missed(void **state) {
    (void)state;
    struct world *w = world_new(7, 1);
    struct owner bob;
    struct item items[2];
    owner_new(&bob, w);
    put(w, &bob, &items[0]);
    size_t away = world_rank(w, &bob, 1);
    world_kill(w, away);
    put(w, &bob, &items[1]);
    world_start(w, away);
    world_pass(w, 3000);
    assert_true(world_holds(w, away, &bob, &items[0]));
    assert_true(world_holds(w, away, &bob, &items[1]));
    world_free(w);
}

static void a_stand_in_hands_its_items_back_and_forgets_them(void **state) {
    (void)state;
    struct world *w = world_new(7, 2);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    size_t away = world_rank(w, &bob, 1);
    size_t stand_in = world_rank(w, &bob, 3);
    world_kill(w, away);
    put(w, &bob, &item);
    assert_true(world_holds(w, stand_in, &bob, &item)); // it serves meanwhile
    world_pass(w, 10000);
    assert_true(world_holds(w, stand_in, &bob, &item));
    world_start(w, away);
    world_pass(w, 3000);
    assert_true(world_holds(w, away, &bob, &item));
    assert_false(world_holds(w, stand_in, &bob, &item));
    assert_int_equal(world_metric(w, stand_in, METRIC_MAILBOX_HANDED_OVER), 1);
    assert_int_equal(world_metric(w, stand_in, METRIC_MAILBOX_ENTRIES), 0);
    world_free(w);
}

static void a_stand_in_forgets_nothing_that_was_not_acknowledged(void **state) {
    (void)state;
    struct world *w = world_new(7, 3);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    size_t away = world_rank(w, &bob, 0);
    size_t stand_in = world_rank(w, &bob, 3);
    world_kill(w, away);
    put(w, &bob, &item);
    world_start(w, away);
    w->loss_percent = 100;
    world_pass(w, 20000);
    assert_true(world_holds(w, stand_in, &bob, &item));
    w->loss_percent = 0;
    world_pass(w, 60000);
    assert_false(world_holds(w, stand_in, &bob, &item));
    assert_true(world_holds(w, away, &bob, &item));
    world_free(w);
}

static void a_tombstone_beats_a_replica_that_still_has_the_item(void **state) {
    (void)state;
    struct world *w = world_new(7, 4);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item);
    size_t away = world_rank(w, &bob, 2);
    world_kill(w, away);
    world_delete(w, world_rank(w, &bob, 0), &bob, &item, 1);
    world_start(w, away);
    world_pass(w, 3000);
    for (size_t rank = 0; rank < PLACEMENT_RANKS; rank++)
        assert_false(world_holds(w, world_rank(w, &bob, rank), &bob, &item));
    world_pass(w, 120000);
    for (size_t rank = 0; rank < PLACEMENT_RANKS; rank++)
        assert_false(world_holds(w, world_rank(w, &bob, rank), &bob, &item));
    assert_int_equal(world_metric(w, away, METRIC_MAILBOX_MESSAGES), 0);
    world_free(w);
}

static void a_tombstone_at_a_stand_in_reaches_the_homes_and_stays(void **state) {
    (void)state;
    struct world *w = world_new(7, 5);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item);
    size_t stand_in = world_rank(w, &bob, 4);
    for (size_t rank = 0; rank < 4; rank++)
        world_cut(w, world_rank(w, &bob, rank));
    assert_int_equal(world_status(w, world_delete(w, stand_in, &bob, &item, 1)), OP_OK);
    for (size_t rank = 0; rank < 4; rank++)
        world_heal(w, world_rank(w, &bob, rank));
    world_pass(w, 3000);
    for (size_t rank = 0; rank < 3; rank++)
        assert_false(world_holds(w, world_rank(w, &bob, rank), &bob, &item));
    world_pass(w, 60000);
    uint64_t sent = w->messages_sent;
    world_pass(w, 60000); // it is not offered again and again
    assert_true(w->messages_sent - sent < 200);
    const struct reply *reply = world_store(w, stand_in, &bob, &item); // a late copy
    assert_int_equal(reply->status, OP_OK);
    assert_int_equal(world_metric(w, stand_in, METRIC_MAILBOX_MESSAGES), 0);
    world_free(w);
}

static void a_lost_disk_is_filled_again(void **state) {
    (void)state;
    struct world *w = world_new(7, 6);
    struct owner bob;
    struct item items[3];
    struct write_token token = {{9}};
    owner_new(&bob, w);
    size_t broken = world_rank(w, &bob, 0);
    world_policy(w, broken, &bob, 1, &token, 1, 5);
    for (int i = 0; i < 3; i++)
        put(w, &bob, &items[i]);
    world_delete(w, broken, &bob, &items[2], 1);
    world_lose_disk(w, broken);
    world_start(w, broken);
    world_pass(w, 3000);
    assert_true(world_holds(w, broken, &bob, &items[0]));
    assert_true(world_holds(w, broken, &bob, &items[1]));
    assert_false(world_holds(w, broken, &bob, &items[2]));
    world_store(w, broken, &bob, &items[2]);
    assert_false(world_holds(w, broken, &bob, &items[2]));
    struct item more;
    item_new(&more, w, &bob, HOUR_MS);
    uint32_t surb = world_store_begin(w, broken, &bob, &more, &token, w->current->epoch); // the policy is back
    world_settle(w);
    assert_int_equal(world_status(w, surb), OP_OK);
    world_free(w);
}

static void many_items_cross_in_slices(void **state) {
    (void)state;
    struct world *w = world_new(3, 7);
    struct item item;
    size_t stored = 0;
    world_kill(w, 2);
    for (int i = 0; i < 100; i++) {
        struct owner bob;
        owner_new(&bob, w);
        for (int j = 0; j < 4; j++) {
            item_new(&item, w, &bob, DAY_MS);
            stored += world_store(w, 0, &bob, &item)->status == OP_OK ? 1 : 0;
        }
        world_clear_replies(w);
    }
    assert_int_equal(stored, 400);
    world_start(w, 2);
    world_pass(w, 5000);
    assert_int_equal(world_metric(w, 2, METRIC_MAILBOX_MESSAGES), 400);
    assert_int_equal(world_metric(w, 2, METRIC_MAILBOX_REPAIR_RECEIVED), 400);
    world_free(w);
}

static void homes_that_agree_say_little(void **state) {
    (void)state;
    struct world *w = world_new(7, 8);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item);
    world_pass(w, 10000);
    uint64_t sent = w->messages_sent;
    world_pass(w, 60000);
    assert_true(w->messages_sent > sent);
    assert_true(w->messages_sent - sent < 7 * 6 * 3); // roots
    for (size_t i = 0; i < w->count; i++)
        assert_int_equal(world_metric(w, i, METRIC_MAILBOX_REPAIR_DIFFERENT), 0);
    world_free(w);
}

static void a_home_that_stays_away_is_replaced_by_a_stand_in(void **state) {
    (void)state;
    struct world *w = world_new(7, 9);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item);
    size_t away = world_rank(w, &bob, 1);
    size_t stand_in = world_rank(w, &bob, 3);
    world_kill(w, away);
    world_pass(w, 20000);
    assert_false(world_holds(w, stand_in, &bob, &item)); // it might be back soon
    world_pass(w, 20000);
    assert_true(world_holds(w, stand_in, &bob, &item));
    world_free(w);
}

static void after_a_change_of_membership_data_moves_before_it_is_forgotten(void **state) {
    (void)state;
    struct world *w = world_new(10, 10);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item);
    size_t old[3];
    bool placed[WORLD_NODES_MAX];
    for (size_t i = 0; i < w->count; i++)
        placed[i] = true;
    for (size_t rank = 0; rank < 3; rank++) {
        old[rank] = world_rank(w, &bob, rank);
        placed[old[rank]] = false;
    }
    world_next_epoch(w, true, placed);
    for (size_t i = 0; i < 3; i++) // before anything has moved
        assert_true(world_holds(w, old[i], &bob, &item));
    world_pass(w, 5000);
    for (size_t rank = 0; rank < 3; rank++)
        assert_true(world_holds(w, world_rank(w, &bob, rank), &bob, &item));
    world_pass(w, WORLD_EPOCH_MS); // one epoch later the old ones answer still
    for (size_t i = 0; i < 3; i++)
        assert_true(world_holds(w, old[i], &bob, &item));
    world_pass(w, WORLD_EPOCH_MS + 10000);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(world_metric(w, old[i], METRIC_MAILBOX_MESSAGES), 0);
    for (size_t rank = 0; rank < 3; rank++)
        assert_true(world_holds(w, world_rank(w, &bob, rank), &bob, &item));
    world_free(w);
}

static void old_replicas_keep_what_the_new_ones_do_not_take(void **state) {
    (void)state;
    struct world *w = world_new(10, 11);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item);
    size_t old = world_rank(w, &bob, 0);
    bool placed[WORLD_NODES_MAX];
    for (size_t i = 0; i < w->count; i++)
        placed[i] = true;
    for (size_t rank = 0; rank < 3; rank++)
        placed[world_rank(w, &bob, rank)] = false;
    world_next_epoch(w, true, placed);
    world_kill(w, world_rank(w, &bob, 1));
    world_kill(w, world_rank(w, &bob, 2)); // one home is left: no quorum
    world_pass(w, 4 * WORLD_EPOCH_MS);
    assert_int_equal(world_metric(w, old, METRIC_MAILBOX_MESSAGES), 1);
    world_start(w, world_rank(w, &bob, 1));
    world_pass(w, 10000);
    assert_int_equal(world_metric(w, old, METRIC_MAILBOX_MESSAGES), 0);
    assert_true(world_holds(w, world_rank(w, &bob, 1), &bob, &item));
    world_free(w);
}

static void an_item_offered_by_a_relay_is_checked_like_any_other(void **state) {
    (void)state;
    struct world *w = world_new(7, 12);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, WORLD_LIFETIME_MS + 2 * HOUR_MS);
    size_t to = world_rank(w, &bob, 0);
    const struct {
        size_t to;
        uint64_t expiry_ms;
        enum op_status status;
    } cases[] = {
        {to, w->now.wall_ms + WORLD_LIFETIME_MS + 2 * HOUR_MS, OP_EXPIRY},
        {to, w->now.wall_ms, OP_EXPIRY},
        {world_outsider(w, &bob), w->now.wall_ms + HOUR_MS, OP_NOT_REPLICA},
        {to, w->now.wall_ms + HOUR_MS, OP_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf bytes = {0};
        replica_encode(
            &bytes,
            &(struct replica_message){
                .kind = REPLICA_ITEM, .id = i, .mailbox = bob.id, .expiry_ms = cases[i].expiry_ms, .item = item.bytes});
        struct world_step s;
        mailbox_replica_message(w->nodes[cases[i].to].mailbox, world_begin(w, &s, cases[i].to), &w->nodes[to == 1].id,
                                buf_span(&bytes));
        world_end(w, &s, cases[i].to);
        buf_free(&bytes);
        struct replica_message answer;
        assert_non_null(w->messages);
        assert_int_equal(replica_decode(&answer, buf_span(&w->messages->bytes)), OK);
        assert_int_equal(answer.kind, REPLICA_DONE);
        assert_int_equal(answer.status, cases[i].status);
        world_settle(w);
    }
    world_free(w);
}

static void a_relay_that_the_directory_does_not_list_is_not_heard(void **state) {
    (void)state;
    struct world *w = world_new(3, 13);
    struct relay_id stranger = {{1}};
    struct buf bytes = {0};
    replica_encode(&bytes, &(struct replica_message){.kind = REPLICA_DONE, .id = 1});
    struct world_step s;
    mailbox_replica_message(w->nodes[0].mailbox, world_begin(w, &s, 0), &stranger, buf_span(&bytes));
    world_end(w, &s, 0);
    buf_free(&bytes);
    assert_int_equal(world_metric(w, 0, METRIC_MAILBOX_DROPPED_UNLISTED), 1);
    world_free(w);
}

static void a_restart_in_the_middle_of_a_repair_loses_nothing(void **state) {
    (void)state;
    for (uint64_t steps = 0; steps < 60; steps += 3) {
        struct world *w = world_new(7, 14);
        struct owner bob;
        struct item items[4];
        owner_new(&bob, w);
        size_t away = world_rank(w, &bob, 1);
        size_t stand_in = world_rank(w, &bob, 3);
        world_kill(w, away);
        for (int i = 0; i < 4; i++)
            put(w, &bob, &items[i]);
        world_start(w, away);
        world_clock(w, 1500);
        world_tick(w);
        for (uint64_t i = 0; i < steps; i++) {
            if (!world_deliver(w))
                world_run_job(w);
        }
        world_lose_power(w, steps % 2 == 0 ? away : stand_in);
        world_start(w, steps % 2 == 0 ? away : stand_in);
        world_pass(w, 70000);
        for (int i = 0; i < 4; i++) {
            for (size_t rank = 0; rank < 3; rank++)
                assert_true(world_holds(w, world_rank(w, &bob, rank), &bob, &items[i]));
            assert_false(world_holds(w, stand_in, &bob, &items[i]));
        }
        world_free(w);
    }
}

static void digests_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("replication.json");
    struct digests digests;
    memset(&digests, 0, sizeof digests);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "entries"), i, one) {
        struct offer_entry entry = {.kind = (enum entry_kind)json_integer_value(json_object_get(one, "kind")),
                                    .number = (uint64_t)json_integer_value(json_object_get(one, "number"))};
        json_hex_into(entry.mailbox.bytes, 32, one, "mailbox");
        json_hex_into(entry.item.bytes, 32, one, "item");
        uint8_t expected[REPAIR_DIGEST_BYTES];
        uint8_t made[REPAIR_DIGEST_BYTES] = {0};
        json_hex_into(expected, sizeof expected, one, "digest");
        digest_add(made, &entry);
        assert_memory_equal(made, expected, sizeof made);
        unsigned bucket = bucket_of_mailbox(&entry.mailbox);
        assert_int_equal(bucket, json_integer_value(json_object_get(one, "bucket")));
        digest_add(digests.buckets[bucket], &entry);
    }
    uint8_t expected[REPAIR_DIGEST_BYTES];
    uint8_t root[REPAIR_DIGEST_BYTES];
    json_hex_into(expected, sizeof expected, file, "root");
    digests_root(root, &digests);
    assert_memory_equal(root, expected, sizeof root);
    json_decref(file);
}

#define DIGEST_BITS (8 * REPAIR_DIGEST_BYTES)

// Of more random vectors than they have bits some xor to zero: which, by elimination. A row is a vector, and behind it
// the set of those that were added up to it.
struct row {
    uint8_t digest[REPAIR_DIGEST_BYTES];
    uint8_t set[DIGEST_BITS / 8 + 1];
};

static void row_xor(struct row *row, const struct row *other) {
    for (size_t i = 0; i < sizeof row->digest; i++)
        row->digest[i] ^= other->digest[i];
    for (size_t i = 0; i < sizeof row->set; i++)
        row->set[i] ^= other->set[i];
}

static bool bit_of(const uint8_t *bytes, size_t i) {
    return (bytes[i / 8] >> i % 8 & 1) != 0;
}

static const struct row *eliminate(struct row *rows, size_t count) {
    size_t next = 0;
    for (size_t bit = 0; bit < DIGEST_BITS && next < count; bit++) {
        size_t pivot = next;
        while (pivot < count && !bit_of(rows[pivot].digest, bit))
            pivot++;
        if (pivot == count)
            continue;
        struct row swapped = rows[pivot];
        rows[pivot] = rows[next];
        rows[next] = swapped;
        for (size_t i = next + 1; i < count; i++) {
            if (bit_of(rows[i].digest, bit))
                row_xor(&rows[i], &rows[next]);
        }
        next++;
    }
    return &rows[count - 1];
}

static void items_chosen_to_cancel_each_other_out_do_not_hide_from_a_comparison(void **state) {
    (void)state;
    enum { COUNT = DIGEST_BITS + 1 };
    struct offer_entry entries[COUNT];
    struct row *rows = calloc(COUNT, sizeof *rows);
    assert_non_null(rows);
    for (size_t i = 0; i < COUNT; i++) {
        entries[i] = (struct offer_entry){.kind = ENTRY_ITEM};
        store_u64(entries[i].item.bytes, i); // sorted
        digest_add(rows[i].digest, &entries[i]);
        rows[i].set[i / 8] = (uint8_t)(1U << i % 8);
    }
    const struct row *chosen = eliminate(rows, COUNT);
    static const uint8_t zeros[REPAIR_DIGEST_BYTES];
    assert_memory_equal(chosen->digest, zeros, sizeof zeros); // what an exclusive or would make of them
    uint8_t digest[REPAIR_DIGEST_BYTES] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        if (bit_of(chosen->set, i))
            digest_add(digest, &entries[i]);
    }
    assert_memory_not_equal(digest, zeros, sizeof zeros);
    free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_specification),
        cmocka_unit_test(items_chosen_to_cancel_each_other_out_do_not_hide_from_a_comparison),
        cmocka_unit_test(a_replica_that_returns_gets_what_it_missed),
        cmocka_unit_test(a_stand_in_hands_its_items_back_and_forgets_them),
        cmocka_unit_test(a_stand_in_forgets_nothing_that_was_not_acknowledged),
        cmocka_unit_test(a_tombstone_beats_a_replica_that_still_has_the_item),
        cmocka_unit_test(a_tombstone_at_a_stand_in_reaches_the_homes_and_stays),
        cmocka_unit_test(a_lost_disk_is_filled_again),
        cmocka_unit_test(many_items_cross_in_slices),
        cmocka_unit_test(homes_that_agree_say_little),
        cmocka_unit_test(a_home_that_stays_away_is_replaced_by_a_stand_in),
        cmocka_unit_test(after_a_change_of_membership_data_moves_before_it_is_forgotten),
        cmocka_unit_test(old_replicas_keep_what_the_new_ones_do_not_take),
        cmocka_unit_test(an_item_offered_by_a_relay_is_checked_like_any_other),
        cmocka_unit_test(a_relay_that_the_directory_does_not_list_is_not_heard),
        cmocka_unit_test(a_restart_in_the_middle_of_a_repair_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
