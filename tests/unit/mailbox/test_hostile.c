// What a relay of the directory that means harm can say to another one.
#include "world.h"

// A message to one node as if another had sent it.
static void say(struct world *w, size_t from, size_t to, const struct replica_message *message) {
    struct buf bytes = {0};
    struct world_step s;
    replica_encode(&bytes, message);
    mailbox_replica_message(w->nodes[to].mailbox, world_begin(w, &s, to), &w->nodes[from].id, buf_span(&bytes));
    world_end(w, &s, to);
    buf_free(&bytes);
}

static void an_offer_of_a_policy_under_an_items_hash_ends_no_relay(void **state) {
    (void)state;
    struct world *w = world_new(7, 1);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, DAY_MS);
    size_t attacker = world_rank(w, &bob, 0), victim = world_rank(w, &bob, 1);
    assert_int_equal(world_store(w, attacker, &bob, &item)->status, OP_OK);
    struct replica_message *offer = NEW(struct replica_message);
    *offer = (struct replica_message){.kind = REPLICA_OFFER, .id = 7, .count = 1};
    for (uint8_t kind = ENTRY_ITEM; kind <= ENTRY_POLICY; kind++) {
        offer->entries[0] =
            (struct offer_entry){.kind = (enum entry_kind)kind, .mailbox = bob.id, .item = item.hash, .number = 0};
        say(w, attacker, victim, offer);
    }
    world_settle(w);
    assert_true(world_holds(w, victim, &bob, &item));
    free(offer);
    world_free(w);
}

static void receipts_sent_for_keeping_are_answered_only_if_a_sender_would_count_them(void **state) {
    (void)state;
    struct world *w = world_new(7, 2);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, DAY_MS);
    size_t victim = world_rank(w, &bob, 0), attacker = world_rank(w, &bob, 1);
    const struct reply *reply = world_store(w, victim, &bob, &item);
    assert_true(world_receipts(w, reply, &bob, &item) >= 2);
    struct replica_message *receipts = NEW(struct replica_message);
    *receipts = (struct replica_message){
        .kind = REPLICA_RECEIPTS, .mailbox = bob.id, .hash = item.hash, .set = reply->set, .receipt_count = 2};
    for (size_t i = 0; i < reply->receipt_count; i++) {
        const struct relay_id *signer = &reply->set.relays[reply->receipts[i].index];
        if (relay_id_equal(signer, &w->nodes[attacker].id)) // its own one, twice
            receipts->receipts[0] = receipts->receipts[1] = reply->receipts[i];
    }
    say(w, attacker, victim, receipts);
    world_settle(w);
    reply = world_store(w, victim, &bob, &item);
    assert_int_equal(reply->status, OP_OK);
    assert_true(world_receipts(w, reply, &bob, &item) >= 2);
    free(receipts);
    world_free(w);
}

// A request as its owner signs it for a replica.
static size_t signed_op(uint8_t body[OP_BYTES_MAX], struct world *w, size_t replica, const struct owner *owner,
                        struct op *op) {
    uint8_t surb[SPHINX_SURB_BYTES];
    world_surb(w, surb);
    op->epoch = w->current->epoch;
    op->mailbox = owner->id;
    op->surb_count = 1;
    op->surbs[0] = surb;
    return op_encode(body, op, &w->genesis.network, &w->nodes[replica].id, &owner->secret);
}

static void pass_on(struct world *w, size_t from, size_t to, const struct owner *owner, struct op *op) {
    uint8_t body[OP_BYTES_MAX];
    size_t n = signed_op(body, w, from, owner, op);
    struct replica_message *owned = NEW(struct replica_message);
    *owned =
        (struct replica_message){.kind = REPLICA_OWNED, .replica = w->nodes[from].id, .operation = span_of(body, n)};
    say(w, from, to, owned);
    world_settle(w);
    free(owned);
}

static void an_owners_request_of_a_far_future_is_not_kept(void **state) {
    (void)state;
    struct world *w = world_new(7, 3);
    struct owner mallory;
    owner_new(&mallory, w);
    size_t attacker = world_rank(w, &mallory, 0), victim = world_rank(w, &mallory, 1);
    const uint64_t times[] = {w->now.wall_ms + 365 * DAY_MS, UINT64_MAX / 2, UINT64_MAX - DAY_MS, UINT64_MAX};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct op deletion = {.kind = OP_DELETE, .time_ms = times[i], .count = 1};
        memset(deletion.deletes[0].item.bytes, (int)i + 1, 32);
        pass_on(w, attacker, victim, &mallory, &deletion);
        struct op policy = {.kind = OP_POLICY, .time_ms = times[i], .version = i + 1};
        pass_on(w, attacker, victim, &mallory, &policy);
    }
    assert_int_equal(world_metric(w, victim, METRIC_MAILBOX_ENTRIES), 0);
    struct op sane = {.kind = OP_DELETE, .time_ms = w->now.wall_ms + HOUR_MS, .count = 1}; // a clock that is wrong
    memset(sane.deletes[0].item.bytes, 9, 32);
    pass_on(w, attacker, victim, &mallory, &sane);
    assert_int_equal(world_metric(w, victim, METRIC_MAILBOX_ENTRIES), 1);
    world_free(w);
}

static void a_policy_that_has_expired_does_not_come_back(void **state) {
    (void)state;
    struct world *w = world_new(7, 4);
    struct owner bob;
    owner_new(&bob, w);
    size_t attacker = world_rank(w, &bob, 0), victim = world_rank(w, &bob, 1);
    struct op policy = {.kind = OP_POLICY, .time_ms = w->now.wall_ms - 181 * DAY_MS, .version = 1};
    pass_on(w, attacker, victim, &bob, &policy);
    assert_int_equal(world_metric(w, victim, METRIC_MAILBOX_ENTRIES), 0);
    world_free(w);
}

// Everything that was sent to a node and is still on its way.
static void lose_messages_to(struct world *w, size_t node) {
    for (struct world_message **at = &w->messages; *at != NULL;) {
        struct world_message *message = *at;
        if (message->to != node) {
            at = &message->next;
            continue;
        }
        *at = message->next;
        buf_free(&message->bytes);
        free(message);
    }
}

static size_t records(const struct world *w, size_t node, char table) {
    const uint8_t prefix[] = {KV_SPACE_MAILBOX, (uint8_t)table};
    struct kv_snapshot *snapshot = kv_snapshot(w->nodes[node].kv);
    struct kv_cursor *cursor = kv_scan(snapshot, SPAN_OF(prefix));
    struct span key, value;
    size_t count = 0;
    for (; kv_cursor_at(cursor, &key, &value) && memcmp(key.p, prefix, 2) == 0; kv_cursor_next(cursor))
        count++;
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
    return count;
}

static void an_item_that_expires_while_a_replica_is_silent_leaves_no_receipts_behind(void **state) {
    (void)state;
    struct world *w = world_new(7, 5);
    struct owner bob;
    owner_new(&bob, w);
    size_t executing = world_rank(w, &bob, 0);
    for (int i = 0; i < 30; i++) { // some of them are forgotten before the silent one is given up
        struct item item;
        item_new(&item, w, &bob, 300);
        world_store_begin(w, executing, &bob, &item, NULL, w->current->epoch);
        lose_messages_to(w, world_rank(w, &bob, 2));
        world_settle(w);
        world_pass(w, 1100);
    }
    world_pass(w, 20000);
    assert_int_equal(world_metric(w, executing, METRIC_MAILBOX_ENTRIES), 0);
    assert_int_equal(records(w, executing, 'r'), 0);
    world_free(w);
}

// ---- filling a relay ----

// All relays anew, with so much space for each mailbox.
static void give_each_mailbox(struct world *w, uint64_t bytes) {
    w->mailbox_bytes_max = bytes;
    for (size_t i = 0; i < w->count; i++)
        world_kill(w, i);
    for (size_t i = 0; i < w->count; i++)
        world_start(w, i);
    world_settle(w);
}

static int64_t bytes_of(const struct world *w, size_t node) {
    return world_metric(w, node, METRIC_MAILBOX_BYTES);
}

static enum op_status delete_unknown(struct world *w, size_t node, const struct owner *owner, uint32_t number) {
    struct op op = {.kind = OP_DELETE, .count = DELETE_ITEMS_MAX};
    for (size_t i = 0; i < op.count; i++) {
        store_u32(op.deletes[i].item.bytes, number);
        op.deletes[i].item.bytes[31] = (uint8_t)(i + 1);
    }
    uint32_t surb = world_request(w, node, owner, &op, 1);
    world_settle(w);
    return world_status(w, surb);
}

static void deletions_of_unknown_items_cannot_fill_a_relay(void **state) {
    (void)state;
    struct world *w = world_new(7, 6);
    struct owner mallory;
    owner_new(&mallory, w);
    give_each_mailbox(w, 64 * 1024);
    size_t victim = world_rank(w, &mallory, 0);
    uint32_t taken = 0;
    while (taken < 1000 && delete_unknown(w, victim, &mallory, taken) == OP_OK)
        taken++;
    assert_true(taken >= 8 && taken < 20);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(delete_unknown(w, victim, &mallory, 1000 + i), OP_MAILBOX_FULL);
    assert_true(bytes_of(w, victim) <= 64 * 1024);
    for (size_t i = 0; i < w->count; i++)
        assert_true(bytes_of(w, i) <= PLACEMENT_RANKS * 64 * 1024);
    world_free(w);
}

static void a_deletion_of_eight_items_is_kept_once_and_forgotten_with_the_last(void **state) {
    (void)state;
    struct world *w = world_new(7, 7);
    struct owner bob;
    struct item items[DELETE_ITEMS_MAX];
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    for (size_t i = 0; i < DELETE_ITEMS_MAX; i++)
        item_new(&items[i], w, &bob, (i + 1) * MINUTE_MS);
    for (size_t i = 0; i < 4; i++) // the quota of strangers
        assert_int_equal(world_store(w, node, &bob, &items[i])->status, OP_OK);
    assert_int_equal(world_status(w, world_delete(w, node, &bob, items, DELETE_ITEMS_MAX)), OP_OK);
    for (size_t rank = 0; rank < 3; rank++)
        assert_int_equal(records(w, world_rank(w, &bob, rank), 'p'), 1);
    world_pass(w, 3 * MINUTE_MS + 30000);
    assert_int_equal(records(w, node, 'p'), 1);
    world_pass(w, MINUTE_MS);
    assert_int_equal(records(w, node, 'p'), 1); // of those that were not held
    world_clock(w, WORLD_LIFETIME_MS + 2 * HOUR_MS);
    world_next_epoch(w, false, NULL);
    world_pass(w, 5 * MINUTE_MS);
    for (size_t i = 0; i < w->count; i++) {
        assert_int_equal(records(w, i, 'p'), 0);
        assert_int_equal(records(w, i, 'm'), 0);
        assert_int_equal(bytes_of(w, i), 0);
    }
    world_free(w);
}

static void an_owner_without_a_stamp_makes_no_relay_keep_anything(void **state) {
    (void)state;
    struct world *w = world_new(7, 8);
    struct owner mallory;
    owner_new(&mallory, w);
    w->current->stamp_bits = 8;
    size_t attacker = world_rank(w, &mallory, 0), victim = world_rank(w, &mallory, 1);
    uint64_t stamp = 0, none = 0;
    while (!mailbox_stamp_fits(stamp, 8, &w->genesis.network, &mallory.id))
        stamp++;
    while (mailbox_stamp_fits(none, 8, &w->genesis.network, &mallory.id))
        none++;
    for (int kind = 0; kind < 2; kind++) {
        struct op op = {.kind = kind == 0 ? OP_DELETE : OP_POLICY, .stamp = none, .version = 1, .count = 1};
        op.deletes[0].item.bytes[0] = 1;
        uint32_t surb = world_request(w, victim, &mallory, &op, 1);
        world_settle(w);
        assert_int_equal(world_status(w, surb), OP_STAMP);
        assert_int_equal(world_reply(w, surb)->stamp_bits, 8);
        pass_on(w, attacker, victim, &mallory, &op);
        for (size_t i = 0; i < w->count; i++)
            assert_int_equal(bytes_of(w, i), 0);
        op.stamp = stamp;
        surb = world_request(w, victim, &mallory, &op, 1);
        world_settle(w);
        assert_int_equal(world_status(w, surb), OP_OK);
        assert_int_equal(world_metric(w, attacker, METRIC_MAILBOX_ENTRIES), 1); // passed on with its stamp
        w->current->stamp_bits = 0;
        world_clock(w, WORLD_LIFETIME_MS + 2 * HOUR_MS);
        world_next_epoch(w, false, NULL);
        world_pass(w, MINUTE_MS);
        w->current->stamp_bits = 8;
        if (kind == 0)
            assert_int_equal(bytes_of(w, victim), 0);
    }
    world_free(w);
}

static void contacts_with_generous_quotas_cannot_fill_a_relay(void **state) {
    (void)state;
    struct world *w = world_new(7, 9);
    struct owner mallory;
    struct item item, first;
    owner_new(&mallory, w);
    give_each_mailbox(w, 64 * 1024);
    size_t victim = world_rank(w, &mallory, 0);
    const struct write_token tokens[] = {{{1}}, {{2}}};
    assert_int_equal(world_status(w, world_policy(w, victim, &mallory, 1, tokens, 2, UINT16_MAX)), OP_OK);
    size_t taken = 0;
    for (size_t i = 0; i < 60; i++) {
        item_new(&item, w, &mallory, HOUR_MS);
        uint32_t surb = world_store_begin(w, victim, &mallory, &item, &tokens[i % 2], w->current->epoch);
        world_settle(w);
        assert_int_equal(world_status(w, surb), i == taken ? world_status(w, surb) : OP_MAILBOX_FULL);
        first = i == 0 ? item : first;
        taken += world_status(w, surb) == OP_OK ? 1 : 0;
    }
    assert_true(taken >= 20 && taken < 35);
    assert_true(bytes_of(w, victim) <= 64 * 1024);
    assert_int_equal(world_status(w, world_delete(w, victim, &mallory, &first, 1)), OP_OK); // and makes room
    assert_false(world_holds(w, victim, &mallory, &first));
    world_free(w);
}

static enum op_status offer_item(struct world *w, size_t from, size_t to, const struct owner *owner,
                                 const struct item *item, const struct write_token *token, uint64_t stamp) {
    struct replica_message *message = NEW(struct replica_message);
    *message = (struct replica_message){.kind = REPLICA_ITEM,
                                        .id = 1,
                                        .mailbox = owner->id,
                                        .expiry_ms = item->expiry_ms,
                                        .stamp = stamp,
                                        .item = item->bytes};
    if (token != NULL)
        token_hash_of(&message->token_hash, token);
    say(w, from, to, message);
    assert_int_equal(replica_decode(message, buf_span(&w->messages->bytes)), OK);
    assert_int_equal(message->kind, REPLICA_DONE);
    enum op_status status = message->status;
    free(message);
    world_settle(w);
    return status;
}

static void a_replica_cannot_fill_another_with_items_that_nobody_stored(void **state) {
    (void)state;
    struct world *w = world_new(7, 10);
    struct owner bob;
    struct item item;
    const struct write_token token = {{1}};
    owner_new(&bob, w);
    give_each_mailbox(w, 64 * 1024);
    size_t attacker = world_rank(w, &bob, 0), victim = world_rank(w, &bob, 1);
    item_new(&item, w, &bob, HOUR_MS);
    assert_int_equal(offer_item(w, attacker, victim, &bob, &item, &token, 0), OP_REFUSED); // no policy
    w->current->stamp_bits = 8;
    uint64_t stamp = 0, none = 0;
    while (stamp_fits(none, 8, &w->genesis.network, &bob.id, &item.hash))
        none++;
    while (!stamp_fits(stamp, 8, &w->genesis.network, &bob.id, &item.hash))
        stamp++;
    assert_int_equal(offer_item(w, attacker, victim, &bob, &item, NULL, none), OP_STAMP);
    assert_int_equal(bytes_of(w, victim), 0);
    assert_int_equal(offer_item(w, attacker, victim, &bob, &item, NULL, stamp), OP_OK);
    w->current->stamp_bits = 0;
    size_t taken = 1;
    for (int i = 0; i < 40; i++, taken++) { // a quota of 4 at each rank
        item_new(&item, w, &bob, HOUR_MS);
        if (offer_item(w, attacker, victim, &bob, &item, NULL, 0) != OP_OK)
            break;
    }
    assert_int_equal(taken, 4 * PLACEMENT_RANKS);
    assert_int_equal(world_status(w, world_policy(w, victim, &bob, 1, &token, 1, 10)), OP_OK);
    enum op_status status = OP_OK;
    for (int i = 0; i < 300 && status == OP_OK; i++) {
        item_new(&item, w, &bob, HOUR_MS);
        status = offer_item(w, attacker, victim, &bob, &item, &token, 0);
    }
    assert_int_equal(status, OP_MAILBOX_FULL);
    assert_true(bytes_of(w, victim) <= PLACEMENT_RANKS * 64 * 1024);
    world_free(w);
}

static void a_strangers_item_is_repaired_with_its_stamp(void **state) {
    (void)state;
    struct world *w = world_new(7, 11);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    w->current->stamp_bits = 8;
    size_t node = world_rank(w, &bob, 0), lost = world_rank(w, &bob, 1);
    uint8_t body[OP_BYTES_MAX], surb[SPHINX_SURB_BYTES];
    uint32_t number = world_surb(w, surb);
    struct op op = {.kind = OP_STORE,
                    .epoch = w->current->epoch,
                    .mailbox = bob.id,
                    .expiry_ms = item.expiry_ms,
                    .item = item.bytes,
                    .surb_count = 1,
                    .surbs = {surb}};
    while (!stamp_fits(op.stamp, 8, &w->genesis.network, &bob.id, &item.hash))
        op.stamp++;
    world_operation(w, node, span_of(body, op_encode(body, &op, &w->genesis.network, NULL, NULL)));
    world_settle(w);
    assert_int_equal(world_status(w, number), OP_OK);
    world_lose_disk(w, lost);
    world_start(w, lost);
    world_clock(w, 2000);
    world_settle(w);
    world_clock(w, 5000);
    world_settle(w);
    assert_true(world_holds(w, lost, &bob, &item));
    world_free(w);
}

static void a_relay_that_offers_and_offers_costs_the_loop_nothing(void **state) {
    (void)state;
    struct world *w = world_new(7, 12);
    struct owner bob;
    owner_new(&bob, w);
    size_t attacker = world_rank(w, &bob, 0), victim = world_rank(w, &bob, 1);
    struct replica_message *offer = NEW(struct replica_message);
    *offer = (struct replica_message){.kind = REPLICA_OFFER, .count = OFFER_ENTRIES_MAX};
    for (size_t i = 0; i < OFFER_ENTRIES_MAX; i++) {
        offer->entries[i] = (struct offer_entry){.kind = ENTRY_ITEM, .number = w->now.wall_ms + HOUR_MS};
        rng_bytes(&w->rng, offer->entries[i].mailbox.bytes, 32);
    }
    offer->entries[5].mailbox = bob.id;
    for (offer->id = 1; offer->id <= 100; offer->id++)
        say(w, attacker, victim, offer);
    assert_null(w->messages); // nothing was looked up yet
    assert_int_equal(world_metric(w, victim, METRIC_MAILBOX_DROPPED_LIMIT), 100 - 8);
    size_t answered = 0;
    while (world_run_job(w)) {
        for (; w->messages != NULL; answered++) {
            assert_int_equal(replica_decode(offer, buf_span(&w->messages->bytes)), OK);
            assert_int_equal(offer->kind, REPLICA_ANSWER);
            assert_int_equal(offer->id, answered + 1);
            assert_int_equal(offer->count, OFFER_ENTRIES_MAX);
            assert_int_equal(offer->answers[5], OFFER_WANT);
            world_deliver(w);
        }
    }
    assert_int_equal(answered, 8);
    free(offer);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_of_a_policy_under_an_items_hash_ends_no_relay),
        cmocka_unit_test(receipts_sent_for_keeping_are_answered_only_if_a_sender_would_count_them),
        cmocka_unit_test(an_owners_request_of_a_far_future_is_not_kept),
        cmocka_unit_test(a_policy_that_has_expired_does_not_come_back),
        cmocka_unit_test(an_item_that_expires_while_a_replica_is_silent_leaves_no_receipts_behind),
        cmocka_unit_test(deletions_of_unknown_items_cannot_fill_a_relay),
        cmocka_unit_test(a_deletion_of_eight_items_is_kept_once_and_forgotten_with_the_last),
        cmocka_unit_test(an_owner_without_a_stamp_makes_no_relay_keep_anything),
        cmocka_unit_test(contacts_with_generous_quotas_cannot_fill_a_relay),
        cmocka_unit_test(a_replica_cannot_fill_another_with_items_that_nobody_stored),
        cmocka_unit_test(a_strangers_item_is_repaired_with_its_stamp),
        cmocka_unit_test(a_relay_that_offers_and_offers_costs_the_loop_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
