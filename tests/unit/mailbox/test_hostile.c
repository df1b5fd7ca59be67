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

static size_t receipts_records(const struct world *w, size_t node) {
    static const uint8_t prefix[] = {KV_SPACE_MAILBOX, 'r'};
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
    assert_int_equal(receipts_records(w, executing), 0);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_of_a_policy_under_an_items_hash_ends_no_relay),
        cmocka_unit_test(receipts_sent_for_keeping_are_answered_only_if_a_sender_would_count_them),
        cmocka_unit_test(an_owners_request_of_a_far_future_is_not_kept),
        cmocka_unit_test(a_policy_that_has_expired_does_not_come_back),
        cmocka_unit_test(an_item_that_expires_while_a_replica_is_silent_leaves_no_receipts_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
