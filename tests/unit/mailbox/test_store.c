// Storing: checks, replication, receipts.
#include "world.h"

static void a_store_is_on_three_replicas_and_answered_with_receipts_that_hold(void **state) {
    (void)state;
    struct world *w = world_new(7, 1);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    const struct reply *reply = world_store(w, world_rank(w, &bob, 0), &bob, &item);
    assert_non_null(reply);
    assert_int_equal(reply->status, OP_OK);
    assert_int_equal(reply->set.count, 3);
    assert_true(world_receipts(w, reply, &bob, &item) >= 2);
    for (size_t rank = 0; rank < 3; rank++)
        assert_true(world_holds(w, world_rank(w, &bob, rank), &bob, &item));
    assert_false(world_holds(w, world_rank(w, &bob, 3), &bob, &item));
    world_free(w);
}

static void any_replica_up_to_the_last_rank_executes_a_store(void **state) {
    (void)state;
    struct world *w = world_new(7, 2);
    for (size_t rank = 0; rank < PLACEMENT_RANKS; rank++) {
        struct owner bob;
        struct item item;
        owner_new(&bob, w);
        item_new(&item, w, &bob, HOUR_MS);
        const struct reply *reply = world_store(w, world_rank(w, &bob, rank), &bob, &item);
        assert_true(world_receipts(w, reply, &bob, &item) >= 2);
    }
    world_free(w);
}

static void a_relay_that_is_no_replica_says_so(void **state) {
    (void)state;
    struct world *w = world_new(7, 3);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    const struct reply *reply = world_store(w, world_outsider(w, &bob), &bob, &item);
    assert_int_equal(reply->status, OP_NOT_REPLICA);
    world_free(w);
}

static void a_second_store_of_the_same_item_is_answered_alike_and_kept_once(void **state) {
    (void)state;
    struct world *w = world_new(7, 4);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    size_t node = world_rank(w, &bob, 1);
    world_store(w, node, &bob, &item);
    uint64_t sent = w->messages_sent;
    assert_true(world_receipts(w, world_store(w, node, &bob, &item), &bob, &item) >= 2);
    assert_int_equal(w->messages_sent, sent); // from the receipts that are kept
    assert_true(world_receipts(w, world_store(w, world_rank(w, &bob, 0), &bob, &item), &bob, &item) >= 2);
    assert_int_equal(world_metric(w, node, METRIC_MAILBOX_MESSAGES), 1);
    world_free(w);
}

static void a_stand_in_takes_the_place_of_a_replica_that_is_away(void **state) {
    (void)state;
    struct world *w = world_new(7, 5);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    world_kill(w, world_rank(w, &bob, 1));
    const struct reply *reply = world_store(w, world_rank(w, &bob, 0), &bob, &item);
    assert_true(world_receipts(w, reply, &bob, &item) >= 2);
    assert_true(world_holds(w, world_rank(w, &bob, 3), &bob, &item));
    world_free(w);
}

static void replicas_that_are_silent_are_replaced_by_stand_ins(void **state) {
    (void)state;
    struct world *w = world_new(7, 6);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    uint32_t surb = world_store_begin(w, world_rank(w, &bob, 0), &bob, &item, NULL, w->current->epoch);
    while (w->messages != NULL) { // all that was sent is lost
        struct world_message *next = w->messages->next;
        buf_free(&w->messages->bytes);
        free(w->messages);
        w->messages = next;
    }
    world_settle(w);
    assert_null(world_reply(w, surb));
    world_pass(w, 1001);
    const struct reply *reply = world_reply(w, surb);
    assert_non_null(reply);
    assert_true(world_receipts(w, reply, &bob, &item) >= 2);
    assert_true(world_holds(w, world_rank(w, &bob, 3), &bob, &item));
    assert_true(world_holds(w, world_rank(w, &bob, 4), &bob, &item));
    world_free(w);
}

static void too_few_replicas_are_said_after_the_timeout(void **state) {
    (void)state;
    struct world *w = world_new(7, 7);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    for (size_t rank = 1; rank < PLACEMENT_RANKS; rank++)
        world_kill(w, world_rank(w, &bob, rank));
    uint32_t surb = world_store_begin(w, world_rank(w, &bob, 0), &bob, &item, NULL, w->current->epoch);
    world_settle(w);
    assert_null(world_reply(w, surb));
    world_pass(w, 3000);
    assert_int_equal(world_status(w, surb), OP_NO_QUORUM);
    world_free(w);
}

static void a_replica_that_returns_before_the_timeout_makes_the_quorum(void **state) {
    (void)state;
    struct world *w = world_new(7, 8);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    for (size_t rank = 1; rank < PLACEMENT_RANKS; rank++)
        world_kill(w, world_rank(w, &bob, rank));
    uint32_t surb = world_store_begin(w, world_rank(w, &bob, 0), &bob, &item, NULL, w->current->epoch);
    world_settle(w);
    world_start(w, world_rank(w, &bob, 2));
    world_pass(w, 1500);
    const struct reply *reply = world_reply(w, surb);
    assert_non_null(reply);
    assert_int_equal(world_receipts(w, reply, &bob, &item), 2);
    world_free(w);
}

static void an_old_epoch_is_answered_with_the_current_one(void **state) {
    (void)state;
    struct world *w = world_new(7, 9);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    size_t node = world_rank(w, &bob, 0);
    uint32_t old = world_store_begin(w, node, &bob, &item, NULL, 8);
    uint32_t future = world_store_begin(w, node, &bob, &item, NULL, 11);
    assert_int_equal(world_status(w, old), OP_WRONG_EPOCH);
    assert_int_equal(world_reply(w, old)->epoch, 10);
    assert_int_equal(world_status(w, future), OP_WRONG_EPOCH);
    world_free(w);
}

static void the_epoch_before_is_as_good_while_the_replicas_are_the_same(void **state) {
    (void)state;
    struct world *w = world_new(7, 10);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    uint32_t surb = world_store_begin(w, world_rank(w, &bob, 0), &bob, &item, NULL, 9);
    world_settle(w);
    const struct reply *reply = world_reply(w, surb);
    assert_int_equal(reply->status, OP_OK);
    assert_int_equal(reply->set.epoch, 9); // the one that the sender can check
    assert_true(world_receipts(w, reply, &bob, &item) >= 2);
    world_free(w);
}

static void after_a_change_of_membership_stores_go_to_the_new_set_only(void **state) {
    (void)state;
    struct world *w = world_new(7, 11);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    bool placed[WORLD_NODES_MAX] = {true, true, true, true, true, true, true};
    placed[world_rank(w, &bob, 0)] = false;
    size_t node = world_rank(w, &bob, 1);
    world_next_epoch(w, true, placed);
    uint32_t old = world_store_begin(w, node, &bob, &item, NULL, 10);
    world_settle(w);
    assert_int_equal(world_status(w, old), OP_WRONG_EPOCH);
    assert_true(world_receipts(w, world_store(w, node, &bob, &item), &bob, &item) >= 2);
    world_free(w);
}

static void an_item_must_expire_within_the_longest_lifetime(void **state) {
    (void)state;
    struct world *w = world_new(7, 12);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    item_new(&item, w, &bob, 0);
    assert_int_equal(world_store(w, node, &bob, &item)->status, OP_EXPIRY);
    item_new(&item, w, &bob, WORLD_LIFETIME_MS + 10 * MINUTE_MS);
    assert_int_equal(world_store(w, node, &bob, &item)->status, OP_EXPIRY);
    item_new(&item, w, &bob, WORLD_LIFETIME_MS);
    assert_int_equal(world_store(w, node, &bob, &item)->status, OP_OK);
    world_free(w);
}

static void strangers_have_a_quota_of_their_own(void **state) {
    (void)state;
    struct world *w = world_new(7, 13);
    struct owner bob;
    struct item item;
    struct write_token token = {{7}};
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    assert_int_equal(world_status(w, world_policy(w, node, &bob, 1, &token, 1, 2)), OP_OK);
    for (int i = 0; i < 5; i++) {
        item_new(&item, w, &bob, HOUR_MS);
        assert_int_equal(world_store(w, node, &bob, &item)->status, i < 4 ? OP_OK : OP_MAILBOX_FULL);
    }
    for (int i = 0; i < 3; i++) {
        item_new(&item, w, &bob, HOUR_MS);
        uint32_t surb = world_store_begin(w, node, &bob, &item, &token, 10);
        world_settle(w);
        assert_int_equal(world_status(w, surb), i < 2 ? OP_OK : OP_MAILBOX_FULL);
    }
    world_free(w);
}

static void a_token_that_the_policy_does_not_list_is_refused(void **state) {
    (void)state;
    struct world *w = world_new(7, 14);
    struct owner bob;
    struct item item;
    struct write_token token = {{7}};
    struct write_token other = {{8}};
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    size_t node = world_rank(w, &bob, 0);
    uint32_t before = world_store_begin(w, node, &bob, &item, &token, 10); // no policy yet
    world_policy(w, node, &bob, 1, &token, 1, 2);
    uint32_t wrong = world_store_begin(w, node, &bob, &item, &other, 10);
    uint32_t right = world_store_begin(w, node, &bob, &item, &token, 10);
    world_settle(w);
    assert_int_equal(world_status(w, before), OP_REFUSED);
    assert_int_equal(world_status(w, wrong), OP_REFUSED);
    assert_int_equal(world_status(w, right), OP_OK);
    world_free(w);
}

static void a_deleted_item_frees_its_place_in_the_quota(void **state) {
    (void)state;
    struct world *w = world_new(7, 15);
    struct owner bob;
    struct item items[2];
    struct write_token token = {{7}};
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    world_policy(w, node, &bob, 1, &token, 1, 1);
    for (int i = 0; i < 2; i++)
        item_new(&items[i], w, &bob, HOUR_MS);
    uint32_t first = world_store_begin(w, node, &bob, &items[0], &token, 10);
    world_settle(w);
    uint32_t full = world_store_begin(w, node, &bob, &items[1], &token, 10);
    world_settle(w);
    world_delete(w, node, &bob, items, 1);
    uint32_t again = world_store_begin(w, node, &bob, &items[1], &token, 10);
    world_settle(w);
    assert_int_equal(world_status(w, first), OP_OK);
    assert_int_equal(world_status(w, full), OP_MAILBOX_FULL);
    assert_int_equal(world_status(w, again), OP_OK);
    world_free(w);
}

static void a_stranger_needs_a_stamp_where_the_directory_asks_for_one(void **state) {
    (void)state;
    struct world *w = world_new(7, 16);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    w->current->stamp_bits = 8;
    size_t node = world_rank(w, &bob, 0);
    uint64_t stamp = 0;
    while (stamp_fits(stamp, 8, &w->genesis.network, &bob.id, &item.hash))
        stamp++; // one that does not
    uint8_t surb[SPHINX_SURB_BYTES];
    for (int fits = 0; fits < 2; fits++) {
        while (fits == 1 && !stamp_fits(stamp, 8, &w->genesis.network, &bob.id, &item.hash))
            stamp++;
        uint32_t number = world_surb(w, surb);
        struct op op = {.kind = OP_STORE,
                        .epoch = 10,
                        .mailbox = bob.id,
                        .expiry_ms = item.expiry_ms,
                        .stamp = stamp,
                        .item = item.bytes,
                        .surb_count = 1,
                        .surbs = {surb}};
        uint8_t body[OP_BYTES_MAX];
        world_operation(w, node, span_of(body, op_encode(body, &op, &w->genesis.network, NULL, NULL)));
        world_settle(w);
        assert_int_equal(world_status(w, number), fits ? OP_OK : OP_STAMP);
        if (!fits)
            assert_int_equal(world_reply(w, number)->stamp_bits, 8);
    }
    world_free(w);
}

static void a_full_relay_refuses_stores_and_still_deletes(void **state) {
    (void)state;
    struct world *w = world_new(7, 17);
    struct owner bob;
    struct item items[2];
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    for (int i = 0; i < 2; i++)
        item_new(&items[i], w, &bob, HOUR_MS);
    world_store(w, node, &bob, &items[0]);
    struct world_step s;
    mailbox_disk_space(w->nodes[node].mailbox, world_begin(w, &s, node), 999);
    world_end(w, &s, node);
    assert_int_equal(world_store(w, node, &bob, &items[1])->status, OP_RELAY_FULL);
    assert_int_equal(world_status(w, world_delete(w, node, &bob, items, 1)), OP_OK);
    mailbox_disk_space(w->nodes[node].mailbox, world_begin(w, &s, node), 1000);
    world_end(w, &s, node);
    assert_int_equal(world_store(w, node, &bob, &items[1])->status, OP_OK);
    world_free(w);
}

static void the_configured_space_is_a_limit(void **state) {
    (void)state;
    struct world *w = world_new(3, 18);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    world_kill(w, node);
    w->bytes_max = 5000;
    world_start(w, node);
    for (int i = 0; i < 3; i++) {
        item_new(&item, w, &bob, HOUR_MS);
        assert_int_equal(world_store(w, node, &bob, &item)->status, i < 2 ? OP_OK : OP_RELAY_FULL);
    }
    world_free(w);
}

static void a_store_of_a_deleted_item_is_acknowledged_and_not_kept(void **state) {
    (void)state;
    struct world *w = world_new(7, 19);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    world_store(w, world_rank(w, &bob, 0), &bob, &item);
    world_delete(w, world_rank(w, &bob, 0), &bob, &item, 1);
    for (size_t rank = 0; rank < PLACEMENT_RANKS; rank++) {
        const struct reply *reply = world_store(w, world_rank(w, &bob, rank), &bob, &item);
        assert_true(world_receipts(w, reply, &bob, &item) >= 2);
    }
    for (size_t rank = 0; rank < PLACEMENT_RANKS; rank++)
        assert_false(world_holds(w, world_rank(w, &bob, rank), &bob, &item));
    world_free(w);
}

static void what_was_acknowledged_survives_a_power_loss_of_every_replica(void **state) {
    (void)state;
    struct world *w = world_new(7, 20);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    world_store(w, world_rank(w, &bob, 0), &bob, &item);
    for (size_t i = 0; i < w->count; i++)
        world_lose_power(w, i);
    for (size_t i = 0; i < w->count; i++)
        world_start(w, i);
    for (size_t rank = 0; rank < 3; rank++)
        assert_true(world_holds(w, world_rank(w, &bob, rank), &bob, &item));
    assert_int_equal(world_metric(w, world_rank(w, &bob, 0), METRIC_MAILBOX_MESSAGES), 1);
    world_free(w);
}

static void a_set_that_no_honest_replica_would_choose_is_not_signed(void **state) {
    (void)state;
    struct world *w = world_new(7, 21);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    size_t from = world_rank(w, &bob, 0);
    size_t to = world_rank(w, &bob, 1);
    struct replica_message message = {
        .kind = REPLICA_REPLICATE, .id = 99, .mailbox = bob.id, .expiry_ms = item.expiry_ms, .item = item.bytes};
    const struct relay_id a = w->nodes[from].id;
    const struct relay_id b = w->nodes[to].id;
    const struct relay_id c = w->nodes[world_rank(w, &bob, 2)].id;
    const struct relay_id outsider = w->nodes[world_outsider(w, &bob)].id;
    const struct replica_set sets[] = {
        {10, 3, {a, b, outsider}}, // beyond the last rank
        {10, 3, {a, b, b}},        // one twice
        {10, 2, {a, c}},           // not the one asked
        {10, 2, {b, c}},           // not the one who asks
        {7, 2, {a, b}},            // a directory nobody holds
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct buf bytes = {0};
        message.set = sets[i];
        replica_encode(&bytes, &message);
        struct world_step s;
        mailbox_replica_message(w->nodes[to].mailbox, world_begin(w, &s, to), &a, buf_span(&bytes));
        world_end(w, &s, to);
        buf_free(&bytes);
        struct replica_message answer;
        assert_non_null(w->messages);
        assert_int_equal(replica_decode(&answer, buf_span(&w->messages->bytes)), OK);
        assert_int_equal(answer.kind, REPLICA_RECEIPT);
        assert_int_equal(answer.status, i == 4 ? OP_WRONG_EPOCH : OP_NOT_REPLICA);
        world_settle(w);
    }
    assert_false(world_holds(w, to, &bob, &item));
    world_free(w);
}

static void a_forged_receipt_does_not_count(void **state) {
    (void)state;
    struct world *w = world_new(7, 22);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    size_t node = world_rank(w, &bob, 0);
    uint32_t surb = world_store_begin(w, node, &bob, &item, NULL, 10);
    struct world_message *sent = w->messages;
    struct replica_message replicate;
    assert_int_equal(replica_decode(&replicate, buf_span(&sent->bytes)), OK);
    struct replica_message forged = {.kind = REPLICA_RECEIPT, .id = replicate.id, .epoch = 10};
    for (uint8_t index = 0; index < 3; index++) {
        if (relay_id_equal(&replicate.set.relays[index], &w->nodes[sent->to].id))
            forged.receipts[0].index = index;
    }
    forged.receipts[0].rank = 1;
    struct buf bytes = {0};
    replica_encode(&bytes, &forged);
    struct world_step s;
    mailbox_replica_message(w->nodes[node].mailbox, world_begin(w, &s, node), &w->nodes[sent->to].id, buf_span(&bytes));
    world_end(w, &s, node);
    buf_free(&bytes);
    assert_null(world_reply(w, surb));
    assert_int_equal(world_metric(w, node, METRIC_MAILBOX_DROPPED_RECEIPT), 1);
    world_free(w);
}

static void a_stand_in_that_has_not_seen_the_policy_is_shown_it(void **state) {
    (void)state;
    struct world *w = world_new(7, 23);
    struct owner bob;
    struct item item;
    struct write_token token = {{7}};
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    for (size_t rank = 3; rank < PLACEMENT_RANKS; rank++)
        world_kill(w, world_rank(w, &bob, rank));
    world_policy(w, world_rank(w, &bob, 0), &bob, 1, &token, 1, 2);
    for (size_t rank = 3; rank < PLACEMENT_RANKS; rank++)
        world_start(w, world_rank(w, &bob, rank));
    for (size_t rank = 1; rank < 3; rank++)
        world_kill(w, world_rank(w, &bob, rank));
    uint32_t surb = world_store_begin(w, world_rank(w, &bob, 0), &bob, &item, &token, 10);
    world_settle(w);
    assert_int_equal(world_status(w, surb), OP_OK);
    assert_true(world_receipts(w, world_reply(w, surb), &bob, &item) >= 2);
    world_free(w);
}

static void replicas_an_epoch_behind_sign_for_the_directory_before(void **state) {
    (void)state;
    struct world *w = world_new(7, 24);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    size_t node = world_rank(w, &bob, 0);
    struct directory *next = world_directory(w, 11, 1, NULL);
    struct world_step s;
    mailbox_set_directory(w->nodes[node].mailbox, world_begin(w, &s, node), next, w->current);
    world_end(w, &s, node);
    directory_unref(next);
    uint32_t surb = world_store_begin(w, node, &bob, &item, NULL, 11);
    world_settle(w);
    assert_int_equal(world_status(w, surb), OP_OK);
    assert_int_equal(world_reply(w, surb)->set.epoch, 10);
    world_free(w);
}

static void more_stores_than_may_wait_are_refused(void **state) {
    (void)state;
    struct world *w = world_new(7, 25);
    struct owner bob[40];
    struct item item;
    uint32_t surbs[160];
    size_t node = 0;
    size_t sent = 0;
    for (size_t i = 0; i < 40; i++)
        owner_new(&bob[i], w);
    w->nodes[node].cut = true; // no receipt will come
    for (size_t i = 0; i < 160; i++) {
        item_new(&item, w, &bob[i % 40], HOUR_MS);
        surbs[sent++] = world_store_begin(w, node, &bob[i % 40], &item, NULL, 10);
    }
    size_t limited = 0;
    size_t waiting = 0;
    for (size_t i = 0; i < sent; i++) {
        const struct reply *reply = world_reply(w, surbs[i]);
        limited += reply != NULL && reply->status == OP_LIMIT ? 1 : 0;
        waiting += reply == NULL ? 1 : 0;
    }
    assert_int_equal(waiting, 100);
    assert_true(limited > 0);
    world_free(w);
}

static void the_others_keep_the_receipts_of_each_other(void **state) {
    (void)state;
    struct world *w = world_new(7, 26);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    world_store(w, world_rank(w, &bob, 0), &bob, &item);
    uint64_t sent = w->messages_sent;
    const struct reply *reply = world_store(w, world_rank(w, &bob, 2), &bob, &item);
    assert_int_equal(world_receipts(w, reply, &bob, &item), 3);
    assert_int_equal(w->messages_sent, sent);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_is_on_three_replicas_and_answered_with_receipts_that_hold),
        cmocka_unit_test(any_replica_up_to_the_last_rank_executes_a_store),
        cmocka_unit_test(a_relay_that_is_no_replica_says_so),
        cmocka_unit_test(a_second_store_of_the_same_item_is_answered_alike_and_kept_once),
        cmocka_unit_test(a_stand_in_takes_the_place_of_a_replica_that_is_away),
        cmocka_unit_test(replicas_that_are_silent_are_replaced_by_stand_ins),
        cmocka_unit_test(too_few_replicas_are_said_after_the_timeout),
        cmocka_unit_test(a_replica_that_returns_before_the_timeout_makes_the_quorum),
        cmocka_unit_test(an_old_epoch_is_answered_with_the_current_one),
        cmocka_unit_test(the_epoch_before_is_as_good_while_the_replicas_are_the_same),
        cmocka_unit_test(after_a_change_of_membership_stores_go_to_the_new_set_only),
        cmocka_unit_test(an_item_must_expire_within_the_longest_lifetime),
        cmocka_unit_test(strangers_have_a_quota_of_their_own),
        cmocka_unit_test(a_token_that_the_policy_does_not_list_is_refused),
        cmocka_unit_test(a_deleted_item_frees_its_place_in_the_quota),
        cmocka_unit_test(a_stranger_needs_a_stamp_where_the_directory_asks_for_one),
        cmocka_unit_test(a_full_relay_refuses_stores_and_still_deletes),
        cmocka_unit_test(the_configured_space_is_a_limit),
        cmocka_unit_test(a_store_of_a_deleted_item_is_acknowledged_and_not_kept),
        cmocka_unit_test(what_was_acknowledged_survives_a_power_loss_of_every_replica),
        cmocka_unit_test(a_set_that_no_honest_replica_would_choose_is_not_signed),
        cmocka_unit_test(a_forged_receipt_does_not_count),
        cmocka_unit_test(a_stand_in_that_has_not_seen_the_policy_is_shown_it),
        cmocka_unit_test(replicas_an_epoch_behind_sign_for_the_directory_before),
        cmocka_unit_test(more_stores_than_may_wait_are_refused),
        cmocka_unit_test(the_others_keep_the_receipts_of_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
