// Subscriptions: pushes, refills, long waits, bounds.
#include "world.h"

static uint32_t subscribe(struct world *w, size_t node, const struct owner *bob, uint64_t cursor, uint32_t wait_ms,
                          size_t surbs) {
    struct op op = {.kind = OP_SUBSCRIBE, .cursor = cursor, .wait_ms = wait_ms};
    uint32_t surb = world_request(w, node, bob, &op, surbs);
    world_settle(w);
    return surb;
}

static void put(struct world *w, const struct owner *bob, struct item *item) {
    item_new(item, w, bob, HOUR_MS);
    assert_int_equal(world_store(w, world_rank(w, bob, 0), bob, item)->status, OP_OK);
}

static void an_item_is_pushed_to_the_one_who_waits_for_it(void **state) {
    (void)state;
    struct world *w = world_new(7, 1);
    struct owner bob;
    struct item items[3];
    owner_new(&bob, w);
    uint32_t surb = subscribe(w, world_rank(w, &bob, 1), &bob, 0, 0, 2); // at a replica that does not execute the store
    assert_null(world_reply(w, surb));
    for (int i = 0; i < 3; i++)
        put(w, &bob, &items[i]);
    assert_true(reply_is_item(world_reply(w, surb), &items[0]));
    assert_int_equal(world_reply(w, surb)->surbs_left, 1);
    assert_true(reply_is_item(world_reply(w, surb + 1), &items[1]));
    assert_int_equal(world_reply(w, surb + 1)->surbs_left, 0);
    world_free(w);
}

static void what_is_there_already_is_pushed_at_once_and_the_last_tells_how_much_waits(void **state) {
    (void)state;
    struct world *w = world_new(7, 2);
    struct owner bob;
    struct item items[4];
    owner_new(&bob, w);
    for (int i = 0; i < 4; i++)
        put(w, &bob, &items[i]);
    size_t node = world_rank(w, &bob, 0);
    uint32_t surb = subscribe(w, node, &bob, 0, 0, 2);
    assert_true(reply_is_item(world_reply(w, surb), &items[0]));
    assert_true(reply_is_item(world_reply(w, surb + 1), &items[1]));
    assert_int_equal(world_reply(w, surb + 1)->waiting, 2);
    assert_int_equal(world_reply(w, surb + 1)->surbs_left, 0);
    uint32_t refill = subscribe(w, node, &bob, world_reply(w, surb + 1)->cursor, 0, 3);
    assert_true(reply_is_item(world_reply(w, refill), &items[2]));
    assert_true(reply_is_item(world_reply(w, refill + 1), &items[3]));
    assert_null(world_reply(w, refill + 2));
    world_free(w);
}

static void a_refill_does_not_bring_again_what_is_on_its_way(void **state) {
    (void)state;
    struct world *w = world_new(7, 3);
    struct owner bob;
    struct item items[2];
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    uint32_t surb = subscribe(w, node, &bob, 0, 0, 4);
    put(w, &bob, &items[0]);
    uint32_t refill = subscribe(w, node, &bob, 0, 0, 2); // the client has not seen the push yet
    put(w, &bob, &items[1]);
    assert_true(reply_is_item(world_reply(w, surb), &items[0]));
    assert_true(reply_is_item(world_reply(w, refill), &items[1]));
    assert_null(world_reply(w, surb + 1));
    assert_null(world_reply(w, refill + 1));
    world_clock(w, 10000);
    uint32_t later = subscribe(w, node, &bob, 0, 0, 1); // by now it would have: the pushes were lost
    assert_true(reply_is_item(world_reply(w, later), &items[0]));
    assert_true(reply_is_item(world_reply(w, refill + 1), &items[1]));
    world_free(w);
}

static void an_owner_who_starts_anew_is_pushed_to_where_it_is_now(void **state) {
    (void)state;
    struct world *w = world_new(7, 11);
    struct owner bob;
    struct item items[3];
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    uint32_t before = subscribe(w, node, &bob, 0, 60000, 4); // and then bob's program is killed
    uint32_t now = subscribe(w, node, &bob, 0, 60000, 3);
    for (int i = 0; i < 3; i++) {
        put(w, &bob, &items[i]);
        assert_true(reply_is_item(world_reply(w, now + (uint32_t)i), &items[i]));
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_null(world_reply(w, before + i));
    world_free(w);
}

static void a_long_wait_ends_with_an_item_or_empty_at_its_deadline(void **state) {
    (void)state;
    struct world *w = world_new(7, 4);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    uint32_t empty = subscribe(w, node, &bob, 0, 5000, 2);
    world_pass(w, 4999);
    assert_null(world_reply(w, empty));
    world_pass(w, 1);
    assert_int_equal(world_status(w, empty), OP_OK);
    assert_null(world_reply(w, empty)->item);
    assert_null(world_reply(w, empty + 1));
    uint32_t filled = subscribe(w, node, &bob, 0, 5000, 2);
    world_pass(w, 1000);
    put(w, &bob, &item);
    assert_true(reply_is_item(world_reply(w, filled), &item));
    world_pass(w, 5000);
    assert_null(world_reply(w, filled + 1)); // it went with its wait
    put(w, &bob, &item);
    assert_null(world_reply(w, filled + 1));
    world_free(w);
}

static void reply_blocks_die_with_the_keys_of_their_epoch(void **state) {
    (void)state;
    struct world *w = world_new(7, 5);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    uint32_t surb = subscribe(w, node, &bob, 0, 0, 2);
    world_pass(w, 59000 + 9000); // the epoch's end and less than a sixth of the next
    put(w, &bob, &item);
    assert_true(reply_is_item(world_reply(w, surb), &item));
    world_pass(w, 2000);
    put(w, &bob, &item);
    assert_null(world_reply(w, surb + 1));
    world_pass(w, 6000);
    assert_int_equal(world_metric(w, node, METRIC_MAILBOX_DEPOSITS), 0);
    world_free(w);
}

static void a_mailbox_holds_sixty_four_reply_blocks(void **state) {
    (void)state;
    struct world *w = world_new(7, 6);
    struct owner bob;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    for (uint32_t i = 0; i < 17; i++) {
        uint32_t surb = subscribe(w, node, &bob, i, 0, 4);
        if (i < 16)
            assert_null(world_reply(w, surb));
        else
            assert_int_equal(world_status(w, surb), OP_LIMIT);
    }
    assert_int_equal(world_metric(w, node, METRIC_MAILBOX_DEPOSITS), 64);
    world_free(w);
}

static void a_relay_holds_as_many_reply_blocks_as_it_is_told(void **state) {
    (void)state;
    struct world *w = world_new(3, 7);
    size_t limited = 0;
    for (uint32_t i = 0; i < 300; i++) {
        struct owner bob;
        owner_new(&bob, w);
        const struct reply *reply = world_reply(w, subscribe(w, 0, &bob, 0, 0, 4));
        assert_true(reply == NULL || reply->status == OP_LIMIT);
        limited += reply != NULL ? 1 : 0;
    }
    assert_int_equal(limited, 50);
    assert_int_equal(world_metric(w, 0, METRIC_MAILBOX_DEPOSITS), 1000);
    world_free(w);
}

static void a_deleted_item_is_not_pushed(void **state) {
    (void)state;
    struct world *w = world_new(7, 8);
    struct owner bob;
    struct item items[2];
    owner_new(&bob, w);
    for (int i = 0; i < 2; i++)
        put(w, &bob, &items[i]);
    size_t node = world_rank(w, &bob, 0);
    world_delete(w, world_rank(w, &bob, 1), &bob, items, 1);
    uint32_t surb = subscribe(w, node, &bob, 0, 0, 4);
    assert_true(reply_is_item(world_reply(w, surb), &items[1]));
    assert_null(world_reply(w, surb + 1));
    world_free(w);
}

static void items_that_come_during_a_scan_are_pushed_once_and_in_order(void **state) {
    (void)state;
    struct world *w = world_new(7, 9);
    struct owner bob;
    struct item items[6];
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    for (int i = 0; i < 3; i++)
        put(w, &bob, &items[i]);
    struct op op = {.kind = OP_SUBSCRIBE};
    world_request(w, node, &bob, &op, 4); // its job waits
    struct op refill = {.kind = OP_SUBSCRIBE};
    uint32_t surb = world_request(w, node, &bob, &refill, 4);
    for (int i = 3; i < 6; i++) {
        item_new(&items[i], w, &bob, HOUR_MS);
        world_store_begin(w, node, &bob, &items[i], NULL, 10);
        if (i == 3)
            world_run_job(w);
    }
    world_settle(w);
    for (uint32_t i = 0; i < 4; i++)
        assert_true(reply_is_item(world_reply(w, surb + i), &items[i]));
    size_t pushed = 0;
    for (const struct world_reply *reply = w->replies; reply != NULL; reply = reply->next)
        pushed += reply->reply.kind == OP_SUBSCRIBE && reply->reply.item != NULL ? 1 : 0;
    assert_int_equal(pushed, 4); // a stranger's quota
    world_free(w);
}

static void a_cursor_set_back_during_a_scan_skips_nothing(void **state) {
    (void)state;
    struct world *w = world_new(7, 10);
    struct owner bob;
    struct item items[4];
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    for (int i = 0; i < 4; i++)
        put(w, &bob, &items[i]);
    uint32_t surb = world_fetch(w, node, &bob, 0, 2);
    struct op op = {.kind = OP_SUBSCRIBE, .cursor = world_reply(w, surb + 1)->cursor};
    world_clock(w, 20000);
    world_request(w, node, &bob, &op, 1);
    struct op back = {.kind = OP_SUBSCRIBE};
    surb = world_request(w, node, &bob, &back, 4);
    world_settle(w);
    for (uint32_t i = 0; i < 4; i++)
        assert_true(reply_is_item(world_reply(w, surb + i), &items[i]));
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_is_pushed_to_the_one_who_waits_for_it),
        cmocka_unit_test(what_is_there_already_is_pushed_at_once_and_the_last_tells_how_much_waits),
        cmocka_unit_test(a_refill_does_not_bring_again_what_is_on_its_way),
        cmocka_unit_test(an_owner_who_starts_anew_is_pushed_to_where_it_is_now),
        cmocka_unit_test(a_long_wait_ends_with_an_item_or_empty_at_its_deadline),
        cmocka_unit_test(reply_blocks_die_with_the_keys_of_their_epoch),
        cmocka_unit_test(a_mailbox_holds_sixty_four_reply_blocks),
        cmocka_unit_test(a_relay_holds_as_many_reply_blocks_as_it_is_told),
        cmocka_unit_test(a_deleted_item_is_not_pushed),
        cmocka_unit_test(items_that_come_during_a_scan_are_pushed_once_and_in_order),
        cmocka_unit_test(a_cursor_set_back_during_a_scan_skips_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
