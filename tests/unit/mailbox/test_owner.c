// The owner's requests: who may ask, when, once; fetch, delete, policy; what expires.
#include "mailbox/records.h"
#include "world.h"

static void put(struct world *w, const struct owner *bob, struct item *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        item_new(&items[i], w, bob, HOUR_MS + i);
        const struct reply *reply = world_store(w, world_rank(w, bob, 0), bob, &items[i]);
        assert_int_equal(reply->status, OP_OK);
    }
}

static void a_fetch_brings_the_items_in_order_of_arrival_one_per_reply_block(void **state) {
    (void)state;
    struct world *w = world_new(7, 1);
    struct owner bob;
    struct item items[4];
    owner_new(&bob, w);
    put(w, &bob, items, 4);
    size_t node = world_rank(w, &bob, 1);
    uint32_t surb = world_fetch(w, node, &bob, 0, 3);
    uint64_t cursor = 0;
    for (uint32_t i = 0; i < 3; i++) {
        const struct reply *reply = world_reply(w, surb + i);
        assert_true(reply_is_item(reply, &items[i]));
        assert_int_equal(reply->waiting, 3 - i);
        assert_int_equal(reply->surbs_left, 2 - i);
        assert_int_equal(reply->expiry_ms, items[i].expiry_ms);
        assert_true(reply->cursor > cursor);
        cursor = reply->cursor;
    }
    surb = world_fetch(w, node, &bob, cursor, 4);
    assert_true(reply_is_item(world_reply(w, surb), &items[3]));
    assert_int_equal(world_reply(w, surb)->waiting, 0);
    assert_null(world_reply(w, surb + 1));
    cursor = world_reply(w, surb)->cursor;
    surb = world_fetch(w, node, &bob, cursor, 1);
    assert_int_equal(world_status(w, surb), OP_OK);
    assert_null(world_reply(w, surb)->item);
    assert_int_equal(world_reply(w, surb)->cursor, cursor);
    world_free(w);
}

static void a_foreign_key_is_refused(void **state) {
    (void)state;
    struct world *w = world_new(7, 2);
    struct owner bob;
    struct owner mallory;
    struct item item;
    owner_new(&bob, w);
    owner_new(&mallory, w);
    put(w, &bob, &item, 1);
    struct owner forged = {.secret = mallory.secret, .id = bob.id};
    size_t node = world_rank(w, &bob, 0);
    assert_int_equal(world_status(w, world_fetch(w, node, &forged, 0, 1)), OP_REFUSED);
    assert_int_equal(world_status(w, world_delete(w, node, &forged, &item, 1)), OP_REFUSED);
    struct write_token token = {{1}};
    assert_int_equal(world_status(w, world_policy(w, node, &forged, 1, &token, 1, 1)), OP_REFUSED);
    struct op op = {.kind = OP_SUBSCRIBE};
    assert_int_equal(world_status(w, world_request(w, node, &forged, &op, 1)), OP_REFUSED);
    assert_true(world_holds(w, node, &bob, &item));
    world_free(w);
}

static void a_stale_or_early_time_is_refused_with_the_clock(void **state) {
    (void)state;
    struct world *w = world_new(7, 3);
    struct owner bob;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    const int64_t offsets[] = {-301000, 301000, -299000, 299000};
    for (size_t i = 0; i < 4; i++) {
        struct op op = {.kind = OP_FETCH, .time_ms = (uint64_t)((int64_t)w->now.wall_ms + offsets[i])};
        uint32_t surb = world_request(w, node, &bob, &op, 1);
        world_settle(w);
        assert_int_equal(world_status(w, surb), i < 2 ? OP_BAD_TIME : OP_OK);
        assert_int_equal(world_reply(w, surb)->clock_ms, w->now.wall_ms);
    }
    world_free(w);
}

// Encodes a fetch for a replica without sending it.
static size_t fetch_bytes(struct world *w, uint8_t body[OP_BYTES_MAX], const struct owner *owner, size_t node,
                          uint8_t surb[SPHINX_SURB_BYTES]) {
    struct op op = {.kind = OP_FETCH,
                    .epoch = 10,
                    .mailbox = owner->id,
                    .time_ms = w->now.wall_ms,
                    .surb_count = 1,
                    .surbs = {surb}};
    return op_encode(body, &op, &w->genesis.network, &w->nodes[node].id, &owner->secret);
}

static void a_replayed_request_is_refused_even_after_a_restart(void **state) {
    (void)state;
    struct world *w = world_new(7, 4);
    struct owner bob;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    uint8_t body[OP_BYTES_MAX];
    uint8_t surb[SPHINX_SURB_BYTES];
    uint32_t number = world_surb(w, surb);
    size_t n = fetch_bytes(w, body, &bob, node, surb);
    world_operation(w, node, span_of(body, n));
    world_settle(w);
    assert_int_equal(world_status(w, number), OP_OK);
    for (int restart = 0; restart < 2; restart++) {
        world_clear_replies(w);
        world_operation(w, node, span_of(body, n));
        world_settle(w);
        assert_int_equal(world_status(w, number), OP_SEEN);
        world_kill(w, node);
        world_start(w, node);
    }
    world_free(w);
}

static void a_deletion_is_remembered_as_executed_through_a_power_loss(void **state) {
    (void)state;
    struct world *w = world_new(7, 5);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item, 1);
    size_t node = world_rank(w, &bob, 0);
    uint8_t body[OP_BYTES_MAX];
    uint8_t surb[SPHINX_SURB_BYTES];
    uint32_t number = world_surb(w, surb);
    struct op op = {.kind = OP_DELETE,
                    .epoch = 10,
                    .mailbox = bob.id,
                    .time_ms = w->now.wall_ms,
                    .count = 1,
                    .deletes = {{.item = item.hash}},
                    .surb_count = 1,
                    .surbs = {surb}};
    size_t n = op_encode(body, &op, &w->genesis.network, &w->nodes[node].id, &bob.secret);
    world_operation(w, node, span_of(body, n));
    world_lose_power(w, node);
    world_start(w, node);
    world_settle(w);
    world_clear_replies(w);
    world_operation(w, node, span_of(body, n));
    assert_int_equal(world_status(w, number), OP_SEEN);
    assert_false(world_holds(w, node, &bob, &item));
    world_free(w);
}

static void a_signature_holds_for_one_operation_one_mailbox_one_replica(void **state) {
    (void)state;
    struct world *w = world_new(7, 6);
    struct owner bob;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    uint8_t body[OP_BYTES_MAX];
    uint8_t surb[SPHINX_SURB_BYTES];
    uint32_t number = world_surb(w, surb);
    size_t n = fetch_bytes(w, body, &bob, node, surb);
    world_operation(w, world_rank(w, &bob, 1), span_of(body, n)); // another replica
    assert_int_equal(world_status(w, number), OP_REFUSED);
    const size_t places[] = {37 + 7, 37 + 8 + 7, 37 + 8 + 8 + 1 + 200, n - 1}; // time, cursor, SURB, signature
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint8_t changed[OP_BYTES_MAX];
        memcpy(changed, body, n);
        changed[places[i]] ^= 1;
        world_clear_replies(w);
        world_operation(w, node, span_of(changed, n));
        assert_int_equal(world_status(w, number), OP_REFUSED);
    }
    world_free(w);
}

static void an_outsider_says_it_is_no_replica(void **state) {
    (void)state;
    struct world *w = world_new(7, 7);
    struct owner bob;
    owner_new(&bob, w);
    assert_int_equal(world_status(w, world_fetch(w, world_outsider(w, &bob), &bob, 0, 1)), OP_NOT_REPLICA);
    struct op op = {.kind = OP_FETCH, .epoch = 8};
    assert_int_equal(world_status(w, world_request(w, world_rank(w, &bob, 0), &bob, &op, 1)), OP_WRONG_EPOCH);
    world_free(w);
}

static void a_deletion_is_done_at_every_replica_when_it_is_answered(void **state) {
    (void)state;
    struct world *w = world_new(7, 8);
    struct owner bob;
    struct item items[8];
    owner_new(&bob, w);
    put(w, &bob, items, 4);
    for (int i = 4; i < 8; i++)
        item_new(&items[i], w, &bob, HOUR_MS); // never stored
    assert_int_equal(world_status(w, world_delete(w, world_rank(w, &bob, 1), &bob, items, 8)), OP_OK);
    for (size_t rank = 0; rank < PLACEMENT_RANKS; rank++) {
        for (int i = 0; i < 4; i++)
            assert_false(world_holds(w, world_rank(w, &bob, rank), &bob, &items[i]));
    }
    for (int i = 0; i < 8; i++) // not even when they come late
        world_store(w, world_rank(w, &bob, 0), &bob, &items[i]);
    for (int i = 0; i < 8; i++)
        assert_false(world_holds(w, world_rank(w, &bob, 0), &bob, &items[i]));
    assert_int_equal(world_metric(w, world_rank(w, &bob, 0), METRIC_MAILBOX_MESSAGES), 0);
    world_free(w);
}

static void a_deletion_is_answered_although_a_replica_is_silent(void **state) {
    (void)state;
    struct world *w = world_new(7, 9);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item, 1);
    w->loss_percent = 100;
    uint32_t surb = world_delete(w, world_rank(w, &bob, 0), &bob, &item, 1);
    assert_null(world_reply(w, surb));
    world_pass(w, 1001);
    assert_int_equal(world_status(w, surb), OP_OK);
    world_free(w);
}

static void an_item_deleted_while_it_is_being_fetched_is_not_delivered(void **state) {
    (void)state;
    struct world *w = world_new(7, 10);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item, 1);
    size_t node = world_rank(w, &bob, 0);
    struct op op = {.kind = OP_FETCH};
    uint32_t fetch = world_request(w, node, &bob, &op, 1); // the job has its snapshot
    struct op delete = {.kind = OP_DELETE, .count = 1, .deletes = {{.item = item.hash}}};
    world_request(w, node, &bob, &delete, 1);
    world_settle(w);
    assert_int_equal(world_status(w, fetch), OP_OK);
    assert_null(world_reply(w, fetch)->item);
    world_free(w);
}

static void an_expired_item_is_not_delivered_before_it_is_swept_either(void **state) {
    (void)state;
    struct world *w = world_new(7, 11);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, 1000);
    size_t node = world_rank(w, &bob, 0);
    world_store(w, node, &bob, &item);
    assert_true(world_holds(w, node, &bob, &item));
    world_clock(w, 1000);
    assert_false(world_holds(w, node, &bob, &item));
    world_free(w);
}

static void what_has_expired_leaves_nothing_behind(void **state) {
    (void)state;
    struct world *w = world_new(7, 12);
    struct owner bob;
    struct item items[3];
    owner_new(&bob, w);
    for (int i = 0; i < 3; i++) {
        item_new(&items[i], w, &bob, 30000);
        world_store(w, world_rank(w, &bob, 0), &bob, &items[i]);
    }
    world_delete(w, world_rank(w, &bob, 0), &bob, items, 1);
    world_pass(w, 40000);
    for (size_t rank = 0; rank < 3; rank++) {
        size_t node = world_rank(w, &bob, rank);
        assert_int_equal(world_metric(w, node, METRIC_MAILBOX_EXPIRED), 2);
        assert_int_equal(world_metric(w, node, METRIC_MAILBOX_ENTRIES), 0);
        assert_int_equal(world_metric(w, node, METRIC_MAILBOX_BYTES), 0);
    }
    world_pass(w, 20 * MINUTE_MS); // the requests that were seen, too
    for (size_t rank = 0; rank < 3; rank++) {
        struct kv_snapshot *snapshot = kv_snapshot(w->nodes[world_rank(w, &bob, rank)].kv);
        const uint8_t first[] = {KV_SPACE_MAILBOX};
        struct kv_cursor *cursor = kv_scan(snapshot, SPAN_OF(first));
        struct span key;
        struct span value;
        size_t left = 0;
        for (; kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor))
            left++;
        assert_int_equal(left, 1); // the totals
        kv_cursor_free(cursor);
        kv_snapshot_release(snapshot);
    }
    world_free(w);
}

static void more_than_a_slice_of_expired_items_is_swept(void **state) {
    (void)state;
    struct world *w = world_new(3, 13);
    struct item item;
    for (int i = 0; i < 100; i++) {
        struct owner bob;
        owner_new(&bob, w);
        for (int j = 0; j < 3; j++) {
            item_new(&item, w, &bob, 10000);
            world_store(w, 0, &bob, &item);
        }
        world_clear_replies(w);
    }
    assert_int_equal(world_metric(w, 0, METRIC_MAILBOX_MESSAGES), 300);
    world_pass(w, 20000);
    assert_int_equal(world_metric(w, 0, METRIC_MAILBOX_MESSAGES), 0);
    world_free(w);
}

static void a_jump_of_the_clock_neither_forgets_nor_brings_back(void **state) {
    (void)state;
    struct world *w = world_new(7, 14);
    struct owner bob;
    struct item old;
    struct item item;
    owner_new(&bob, w);
    item_new(&old, w, &bob, 1000);
    item_new(&item, w, &bob, DAY_MS);
    size_t node = world_rank(w, &bob, 0);
    world_store(w, node, &bob, &old);
    world_store(w, node, &bob, &item);
    w->now.wall_ms += 3 * DAY_MS; // the directory's epoch does not follow
    w->now.mono_ms += 10000;
    world_settle(w);
    assert_int_equal(world_metric(w, node, METRIC_MAILBOX_MESSAGES), 1);
    w->now.wall_ms -= 3 * DAY_MS + HOUR_MS;
    assert_true(world_holds(w, node, &bob, &item));
    assert_false(world_holds(w, node, &bob, &old));
    world_free(w);
}

// What a node keeps beside an item or its tombstone.
static void receipts_of(struct receipts_record *out, const struct world *w, size_t node, const struct owner *bob,
                        const struct item *item) {
    struct key key;
    struct buf value = {0};
    key_receipts(&key, &bob->id, &item->hash);
    assert_int_equal(kv_get(w->nodes[node].kv, key_span(&key), &value), OK);
    assert_int_equal(receipts_decode(out, buf_span(&value)), OK);
    buf_free(&value);
}

static void receipts_stay_beside_a_tombstone(void **state) {
    (void)state;
    struct world *w = world_new(7, 20);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    put(w, &bob, &item, 1);
    world_delete(w, world_rank(w, &bob, 0), &bob, &item, 1);
    for (size_t rank = 0; rank < 3; rank++) {
        struct receipts_record record;
        receipts_of(&record, w, world_rank(w, &bob, rank), &bob, &item);
        assert_true(record.has_set);
        assert_int_equal(record.receipt_count, 3);
    }
    world_free(w);
}

static void an_older_policy_does_not_replace_a_newer_one(void **state) {
    (void)state;
    struct world *w = world_new(7, 15);
    struct owner bob;
    struct item item;
    struct write_token old = {{1}};
    struct write_token new = {{2}};
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    assert_int_equal(world_status(w, world_policy(w, world_rank(w, &bob, 0), &bob, 5, &new, 1, 9)), OP_OK);
    assert_int_equal(world_status(w, world_policy(w, world_rank(w, &bob, 1), &bob, 4, &old, 1, 9)), OP_REFUSED);
    for (size_t rank = 0; rank < 3; rank++) { // it is at all of them
        size_t node = world_rank(w, &bob, rank);
        uint32_t by_old = world_store_begin(w, node, &bob, &item, &old, 10);
        assert_int_equal(world_status(w, by_old), OP_REFUSED);
    }
    uint32_t by_new = world_store_begin(w, world_rank(w, &bob, 2), &bob, &item, &new, 10);
    world_settle(w);
    assert_int_equal(world_status(w, by_new), OP_OK);
    world_free(w);
}

static void a_deletion_cannot_take_the_place_of_the_policy(void **state) {
    (void)state;
    struct world *w = world_new(7, 21);
    struct owner bob;
    struct item item;
    struct item none;
    struct write_token token = {{1}};
    memset(&none, 0, sizeof none);
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    size_t node = world_rank(w, &bob, 0);
    assert_int_equal(world_status(w, world_delete(w, node, &bob, &none, 1)), OP_OK);
    assert_int_equal(world_metric(w, node, METRIC_MAILBOX_ENTRIES), 0);
    assert_int_equal(world_status(w, world_policy(w, node, &bob, 1, &token, 1, 1)), OP_OK);
    assert_int_equal(world_status(w, world_delete(w, node, &bob, &none, 1)), OP_OK);
    uint32_t surb = world_store_begin(w, node, &bob, &item, &token, 10);
    world_settle(w);
    assert_int_equal(world_status(w, surb), OP_OK);
    world_free(w);
}

static void a_new_policy_keeps_count_of_what_is_waiting(void **state) {
    (void)state;
    struct world *w = world_new(7, 16);
    struct owner bob;
    struct item items[3];
    struct write_token tokens[2] = {{{1}}, {{2}}};
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    world_policy(w, node, &bob, 1, tokens, 2, 1);
    for (int i = 0; i < 3; i++)
        item_new(&items[i], w, &bob, HOUR_MS);
    uint32_t first = world_store_begin(w, node, &bob, &items[0], &tokens[0], 10);
    world_settle(w);
    world_policy(w, node, &bob, 2, &tokens[1], 1, 1);
    uint32_t unlisted = world_store_begin(w, node, &bob, &items[1], &tokens[0], 10);
    world_policy(w, node, &bob, 3, tokens, 2, 1);
    uint32_t full = world_store_begin(w, node, &bob, &items[1], &tokens[0], 10);
    uint32_t other = world_store_begin(w, node, &bob, &items[2], &tokens[1], 10);
    world_settle(w);
    assert_int_equal(world_status(w, first), OP_OK);
    assert_int_equal(world_status(w, unlisted), OP_REFUSED);
    assert_int_equal(world_status(w, full), OP_MAILBOX_FULL);
    assert_int_equal(world_status(w, other), OP_OK);
    world_free(w);
}

static void a_deletion_passed_on_without_its_owners_signature_is_dropped(void **state) {
    (void)state;
    struct world *w = world_new(7, 17);
    struct owner bob;
    struct owner mallory;
    struct item item;
    owner_new(&bob, w);
    owner_new(&mallory, w);
    put(w, &bob, &item, 1);
    size_t from = world_rank(w, &bob, 0);
    size_t to = world_rank(w, &bob, 1);
    uint8_t surb[SPHINX_SURB_BYTES];
    world_surb(w, surb);
    struct op op = {.kind = OP_DELETE,
                    .epoch = 10,
                    .mailbox = bob.id,
                    .time_ms = w->now.wall_ms,
                    .count = 1,
                    .deletes = {{.item = item.hash}},
                    .surb_count = 1,
                    .surbs = {surb}};
    uint8_t body[OP_BYTES_MAX];
    size_t n = op_encode(body, &op, &w->genesis.network, &w->nodes[from].id, &mallory.secret);
    struct buf bytes = {0};
    replica_encode(&bytes,
                   &(struct replica_message){
                       .kind = REPLICA_OWNED, .id = 1, .replica = w->nodes[from].id, .operation = span_of(body, n)});
    struct world_step s;
    mailbox_replica_message(w->nodes[to].mailbox, world_begin(w, &s, to), &w->nodes[from].id, buf_span(&bytes));
    world_end(w, &s, to);
    buf_free(&bytes);
    assert_int_equal(world_metric(w, to, METRIC_MAILBOX_DROPPED_PROOF), 1);
    assert_true(world_holds(w, to, &bob, &item));
    world_free(w);
}

static void arrival_numbers_never_come_twice(void **state) {
    (void)state;
    struct world *w = world_new(7, 18);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    uint64_t last = 0;
    for (int i = 0; i < 5; i++) {
        item_new(&item, w, &bob, 20000);
        world_store(w, node, &bob, &item);
        const struct reply *reply = world_reply(w, world_fetch(w, node, &bob, last, 1));
        assert_true(reply_is_item(reply, &item));
        assert_true(reply->cursor > last);
        last = reply->cursor;
        if (i % 2 == 0)
            world_delete(w, node, &bob, &item, 1);
        if (i == 3)
            world_lose_disk(w, node);
        if (i == 3)
            world_start(w, node);
        world_pass(w, 30000); // all forgotten
    }
    world_free(w);
}

static void malformed_operations_are_counted_drops(void **state) {
    (void)state;
    struct world *w = world_new(3, 19);
    uint8_t bytes[300];
    memset(bytes, 2, sizeof bytes);
    for (size_t n = 0; n < sizeof bytes; n++)
        world_operation(w, 0, span_of(bytes, n));
    assert_int_equal(world_metric(w, 0, METRIC_MAILBOX_DROPPED_MALFORMED), sizeof bytes);
    assert_null(w->replies);
    world_free(w);
}

// Much time passes, with no directory in between.
static void leap(struct world *w, uint64_t ms) {
    world_clock(w, ms);
    world_set_directory(w, world_directory(w, epoch_at(&w->genesis, w->now.wall_ms), 1, NULL), NULL);
    world_settle(w);
    world_pass(w, 20000);
}

static enum op_status store_with(struct world *w, size_t node, const struct owner *bob,
                                 const struct write_token *token) {
    struct item item;
    item_new(&item, w, bob, DAY_MS);
    uint32_t surb = world_store_begin(w, node, bob, &item, token, w->current->epoch);
    world_settle(w);
    return world_status(w, surb);
}

static void a_policy_lives_as_long_as_its_owner_signs_it_anew(void **state) {
    (void)state;
    struct world *w = world_new(7, 40);
    struct owner bob;
    const struct write_token token = {{1, 2, 3}};
    owner_new(&bob, w);
    size_t homes[3];
    for (size_t rank = 0; rank < 3; rank++)
        homes[rank] = world_rank(w, &bob, rank);
    for (unsigned month = 0; month < 8; month++) {
        for (size_t rank = 0; rank < 3; rank++)
            assert_int_equal(world_status(w, world_policy(w, homes[rank], &bob, 5, &token, 1, 10)), OP_OK);
        leap(w, 30 * DAY_MS);
        assert_int_equal(store_with(w, homes[0], &bob, &token), OP_OK);
    }
    leap(w, 181 * DAY_MS);
    assert_int_equal(store_with(w, homes[0], &bob, &token), OP_REFUSED);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fetch_brings_the_items_in_order_of_arrival_one_per_reply_block),
        cmocka_unit_test(a_foreign_key_is_refused),
        cmocka_unit_test(a_stale_or_early_time_is_refused_with_the_clock),
        cmocka_unit_test(a_replayed_request_is_refused_even_after_a_restart),
        cmocka_unit_test(a_deletion_is_remembered_as_executed_through_a_power_loss),
        cmocka_unit_test(a_signature_holds_for_one_operation_one_mailbox_one_replica),
        cmocka_unit_test(an_outsider_says_it_is_no_replica),
        cmocka_unit_test(a_deletion_is_done_at_every_replica_when_it_is_answered),
        cmocka_unit_test(a_deletion_is_answered_although_a_replica_is_silent),
        cmocka_unit_test(an_item_deleted_while_it_is_being_fetched_is_not_delivered),
        cmocka_unit_test(an_expired_item_is_not_delivered_before_it_is_swept_either),
        cmocka_unit_test(what_has_expired_leaves_nothing_behind),
        cmocka_unit_test(more_than_a_slice_of_expired_items_is_swept),
        cmocka_unit_test(a_jump_of_the_clock_neither_forgets_nor_brings_back),
        cmocka_unit_test(receipts_stay_beside_a_tombstone),
        cmocka_unit_test(an_older_policy_does_not_replace_a_newer_one),
        cmocka_unit_test(a_deletion_cannot_take_the_place_of_the_policy),
        cmocka_unit_test(a_new_policy_keeps_count_of_what_is_waiting),
        cmocka_unit_test(a_deletion_passed_on_without_its_owners_signature_is_dropped),
        cmocka_unit_test(arrival_numbers_never_come_twice),
        cmocka_unit_test(malformed_operations_are_counted_drops),
        cmocka_unit_test(a_policy_lives_as_long_as_its_owner_signs_it_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
