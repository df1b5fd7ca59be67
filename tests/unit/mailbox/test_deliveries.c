// What proves a delivery: a secret that opens the item, and another replica's receipt. Each way to feign one fails.
#include "mailbox/records.h"
#include "world.h"

// The leaves of an epoch at a node; at most as many as asked for.
static uint32_t leaves_of(struct hash **leaves, const struct world *w, size_t node, uint32_t epoch) {
    struct kv_snapshot *snapshot = kv_snapshot(w->nodes[node].kv);
    uint32_t count = mailbox_deliveries_leaves(leaves, snapshot, epoch, 1000);
    kv_snapshot_release(snapshot);
    return count;
}

static uint32_t count_of(const struct world *w, size_t node, uint32_t epoch) {
    struct hash *leaves;
    uint32_t count = leaves_of(&leaves, w, node, epoch);
    free(leaves);
    return count;
}

static bool is_proven(const struct world *w, size_t node, uint32_t epoch, const struct item *item) {
    struct delivery delivery;
    struct hash leaf;
    delivery_leaf_of(&leaf, item->secret, &w->nodes[node].id);
    struct kv_snapshot *snapshot = kv_snapshot(w->nodes[node].kv);
    enum err err = mailbox_delivery(&delivery, snapshot, epoch, &leaf);
    kv_snapshot_release(snapshot);
    if (err == ERR_NOT_FOUND)
        return false;
    assert_int_equal(err, OK);
    assert_memory_equal(delivery.secret, item->secret, sizeof delivery.secret);
    assert_int_equal(delivery.set.epoch, epoch);
    assert_false(relay_id_equal(&delivery.set.relays[delivery.signer], &w->nodes[node].id));
    assert_int_equal(receipt_verify_inner(&delivery.receipt, delivery.signer, &w->genesis.network, &delivery.set,
                                          item->bytes, &delivery.inner),
                     OK);
    return true;
}

// ---- a delivery as it should be ----

static void a_deletion_with_the_secret_proves_the_delivery_at_every_replica(void **state) {
    (void)state;
    struct world *w = world_new(7, 1);
    struct owner bob;
    struct item items[2];
    owner_new(&bob, w);
    for (size_t i = 0; i < 2; i++) {
        item_new(&items[i], w, &bob, HOUR_MS);
        world_store(w, world_rank(w, &bob, 0), &bob, &items[i]);
    }
    world_delete(w, world_rank(w, &bob, 1), &bob, items, 2);
    for (size_t rank = 0; rank < 3; rank++) {
        size_t node = world_rank(w, &bob, rank);
        struct hash *leaves;
        assert_int_equal(leaves_of(&leaves, w, node, 10), 2);
        assert_true(memcmp(leaves[0].bytes, leaves[1].bytes, 32) < 0);
        free(leaves);
        assert_true(is_proven(w, node, 10, &items[0]) && is_proven(w, node, 10, &items[1]));
        assert_int_equal(world_metric(w, node, METRIC_MAILBOX_PROVEN), 2);
        world_lose_power(w, node); // as durable as the tombstone
        world_start(w, node);
        assert_int_equal(count_of(w, node, 10), 2);
    }
    world_free(w);
}

static bool has_bytes(struct span in, const uint8_t bytes[static 32]) {
    for (size_t at = 0; at + 32 <= in.n; at++) {
        if (memcmp(in.p + at, bytes, 32) == 0)
            return true;
    }
    return false;
}

static void nothing_of_a_proof_names_mailbox_or_item(void **state) {
    (void)state;
    struct world *w = world_new(7, 2);
    struct owner bob;
    struct item item;
    struct key from;
    owner_new(&bob, w);
    item_new(&item, w, &bob, HOUR_MS);
    size_t node = world_rank(w, &bob, 0);
    world_store(w, node, &bob, &item);
    world_delete(w, node, &bob, &item, 1);
    struct kv_snapshot *snapshot = kv_snapshot(w->nodes[node].kv);
    key_table(&from, 'd');
    struct kv_cursor *cursor = kv_scan(snapshot, key_span(&from));
    struct span key;
    struct span value;
    size_t rows = 0;
    for (; kv_cursor_at(cursor, &key, &value) && key_in_table(key, 'd'); kv_cursor_next(cursor), rows++) {
        const struct span parts[] = {key, value};
        for (size_t i = 0; i < 2; i++) {
            assert_false(has_bytes(parts[i], bob.id.bytes));
            assert_false(has_bytes(parts[i], item.hash.bytes));
        }
    }
    assert_int_equal(rows, 2); // the epoch's and the leaf's
    kv_cursor_free(cursor);
    // What stays with the item no longer has the secret.
    struct buf record = {0};
    struct receipts_record receipts;
    key_receipts(&from, &bob.id, &item.hash);
    assert_int_equal(kv_snapshot_get(snapshot, key_span(&from), &record), OK);
    assert_int_equal(receipts_decode(&receipts, buf_span(&record)), OK);
    assert_false(receipts.has_secret);
    buf_free(&record);
    kv_snapshot_release(snapshot);
    world_free(w);
}

// ---- receipts from outside ----

// An item that came to a replica without receipts, and what a set of it would be.
struct scene {
    struct world *w;
    struct owner bob;
    struct item item;
    size_t self, other;
    struct replica_set set; // self, other
};

static void send_message(struct scene *s, const struct replica_message *message) {
    struct buf bytes = {0};
    struct world_step step;
    replica_encode(&bytes, message);
    mailbox_replica_message(s->w->nodes[s->self].mailbox, world_begin(s->w, &step, s->self), &s->w->nodes[s->other].id,
                            buf_span(&bytes));
    world_end(s->w, &step, s->self);
    buf_free(&bytes);
    world_settle(s->w);
}

static void scene_new(struct scene *s, uint64_t seed) {
    s->w = world_new(7, seed);
    owner_new(&s->bob, s->w);
    item_new(&s->item, s->w, &s->bob, HOUR_MS);
    s->self = world_rank(s->w, &s->bob, 0);
    s->other = world_rank(s->w, &s->bob, 1);
    s->set =
        (struct replica_set){.epoch = 10, .count = 2, .relays = {s->w->nodes[s->self].id, s->w->nodes[s->other].id}};
    send_message(s, &(struct replica_message){.kind = REPLICA_ITEM,
                                              .id = 1,
                                              .mailbox = s->bob.id,
                                              .expiry_ms = s->item.expiry_ms,
                                              .item = s->item.bytes});
}

// A receipt of `signer` for the item, but over this commitment.
static struct receipt receipt_of(const struct scene *s, size_t signer, uint8_t index, const uint8_t *commitment) {
    struct receipt receipt = {.index = index, .rank = 1};
    receipt_sign(&receipt, &s->w->nodes[signer].secret, &s->w->genesis.network, &s->set, commitment, &s->bob.id,
                 &s->item.hash, s->item.expiry_ms);
    return receipt;
}

static void send_receipt(struct scene *s, struct receipt receipt) {
    send_message(s, &(struct replica_message){.kind = REPLICA_RECEIPTS,
                                              .mailbox = s->bob.id,
                                              .hash = s->item.hash,
                                              .set = s->set,
                                              .receipt_count = 1,
                                              .receipts = {receipt}});
}

static void acknowledge(struct scene *s) {
    world_delete(s->w, s->self, &s->bob, &s->item, 1);
}

static uint32_t count_all(const struct scene *s) {
    uint32_t count = 0;
    for (uint32_t epoch = 0; epoch < 30; epoch++)
        count += count_of(s->w, s->self, epoch);
    assert_int_equal(count, world_metric(s->w, s->self, METRIC_MAILBOX_PROVEN));
    return count;
}

static void another_replicas_receipt_proves_a_delivery(void **state) {
    (void)state;
    struct scene s;
    scene_new(&s, 3);
    send_receipt(&s, receipt_of(&s, s.other, 1, s.item.bytes));
    assert_int_equal(count_all(&s), 0); // not before it is acknowledged
    acknowledge(&s);
    assert_true(is_proven(s.w, s.self, 10, &s.item));
    assert_int_equal(count_all(&s), 1);
    world_free(s.w);
}

static void a_recipient_may_be_faster_than_the_receipts(void **state) {
    (void)state;
    struct scene s;
    scene_new(&s, 4);
    acknowledge(&s);
    assert_int_equal(count_all(&s), 0);
    struct receipt receipt = receipt_of(&s, s.other, 1, s.item.bytes);
    receipt.signature.bytes[0] ^= 1;
    send_receipt(&s, receipt);
    assert_int_equal(count_all(&s), 0);
    send_receipt(&s, receipt_of(&s, s.other, 1, s.item.bytes));
    assert_true(is_proven(s.w, s.self, 10, &s.item));
    world_free(s.w);
}

static void an_own_receipt_is_none_of_anothers(void **state) {
    (void)state;
    struct scene s;
    scene_new(&s, 5);
    send_receipt(&s, receipt_of(&s, s.self, 0, s.item.bytes));
    acknowledge(&s);
    send_receipt(&s, receipt_of(&s, s.self, 1, s.item.bytes)); // under the other's name
    s.set.relays[1] = s.set.relays[0];
    send_receipt(&s, receipt_of(&s, s.self, 1, s.item.bytes)); // as a second one in the set
    assert_int_equal(count_all(&s), 0);
    world_free(s.w);
}

static void a_set_without_the_relay_proves_nothing(void **state) {
    (void)state;
    struct scene s;
    scene_new(&s, 6);
    s.set.relays[0] = s.w->nodes[world_rank(s.w, &s.bob, 2)].id;
    send_receipt(&s, receipt_of(&s, s.other, 1, s.item.bytes));
    acknowledge(&s);
    assert_int_equal(count_all(&s), 0);
    world_free(s.w);
}

static void a_set_that_names_a_relay_twice_proves_nothing(void **state) {
    (void)state;
    struct scene s;
    scene_new(&s, 17);
    s.set.relays[2] = s.set.relays[1];
    s.set.count = 3;
    send_receipt(&s, receipt_of(&s, s.other, 1, s.item.bytes));
    acknowledge(&s);
    assert_int_equal(count_all(&s), 0);
    world_free(s.w);
}

static void a_receipt_of_another_epoch_proves_nothing_in_this_one(void **state) {
    (void)state;
    struct scene s;
    scene_new(&s, 7);
    acknowledge(&s);
    s.set.epoch = 8; // settled soon: its batch is made
    send_receipt(&s, receipt_of(&s, s.other, 1, s.item.bytes));
    s.set.epoch = 11; // to come
    send_receipt(&s, receipt_of(&s, s.other, 1, s.item.bytes));
    struct receipt moved = receipt_of(&s, s.other, 1, s.item.bytes);
    s.set.epoch = 10; // signed for another
    send_receipt(&s, moved);
    assert_int_equal(count_all(&s), 0);
    world_free(s.w);
}

static void a_receipt_of_a_relay_that_is_not_listed_proves_nothing(void **state) {
    (void)state;
    struct scene s;
    struct owner stranger;
    scene_new(&s, 8);
    owner_new(&stranger, s.w);
    memcpy(s.set.relays[1].bytes, stranger.id.bytes, 32);
    s.set.relays[2] = s.w->nodes[s.other].id;
    s.set.count = 3;
    struct receipt receipt = {.index = 1, .rank = 1};
    receipt_sign(&receipt, &stranger.secret, &s.w->genesis.network, &s.set, s.item.bytes, &s.bob.id, &s.item.hash,
                 s.item.expiry_ms);
    send_receipt(&s, receipt);
    acknowledge(&s);
    assert_int_equal(count_all(&s), 0);
    world_free(s.w);
}

static void the_secret_of_another_item_proves_nothing(void **state) {
    (void)state;
    struct scene s;
    struct item other;
    scene_new(&s, 9);
    item_new(&other, s.w, &s.bob, HOUR_MS);
    send_receipt(&s, receipt_of(&s, s.other, 1, other.bytes)); // the other's commitment, this item
    memcpy(s.item.secret, other.secret, sizeof s.item.secret);
    acknowledge(&s);
    assert_int_equal(count_all(&s), 0);
    world_free(s.w);
}

static void a_receipt_for_another_item_proves_nothing(void **state) {
    (void)state;
    struct scene s;
    struct item other;
    scene_new(&s, 10);
    item_new(&other, s.w, &s.bob, HOUR_MS);
    send_receipt(&s, receipt_of(&s, s.other, 1, other.bytes));
    acknowledge(&s);
    assert_int_equal(count_all(&s), 0);
    world_free(s.w);
}

static void a_second_receipt_does_not_prove_it_again(void **state) {
    (void)state;
    struct scene s;
    scene_new(&s, 11);
    send_receipt(&s, receipt_of(&s, s.other, 1, s.item.bytes));
    acknowledge(&s);
    world_next_epoch(s.w, false, NULL);
    s.set.epoch = 11;
    send_receipt(&s, receipt_of(&s, s.other, 1, s.item.bytes));
    assert_int_equal(count_all(&s), 1);
    world_free(s.w);
}

// ---- an epoch's leaves ----

static void store_and_acknowledge(struct world *w, const struct owner *bob, const struct item *item) {
    world_store(w, world_rank(w, bob, 0), bob, item);
    world_delete(w, world_rank(w, bob, 0), bob, item, 1);
}

static void two_items_with_one_secret_count_once(void **state) {
    (void)state;
    struct world *w = world_new(7, 12);
    struct owner bob;
    struct item items[2];
    owner_new(&bob, w);
    for (size_t i = 0; i < 2; i++) {
        item_new(&items[i], w, &bob, HOUR_MS);
        memcpy(items[i].secret, items[0].secret, sizeof items[i].secret);
        commitment_of(items[i].bytes, items[i].secret);
        item_hash_of(&items[i].hash, &w->genesis.network, &bob.id, items[i].expiry_ms, items[i].bytes);
        store_and_acknowledge(w, &bob, &items[i]);
    }
    assert_int_equal(count_of(w, world_rank(w, &bob, 0), 10), 1);
    assert_int_equal(world_metric(w, world_rank(w, &bob, 0), METRIC_MAILBOX_PROVEN), 1);
    world_free(w);
}

static uint32_t close_epoch(struct world *w, size_t node, uint32_t epoch) {
    struct world_step s;
    uint32_t count = mailbox_deliveries_close(w->nodes[node].mailbox, world_begin(w, &s, node), epoch);
    world_end(w, &s, node);
    return count;
}

static void a_closed_epoch_takes_no_more(void **state) {
    (void)state;
    struct world *w = world_new(7, 13);
    struct owner bob;
    struct item items[2];
    owner_new(&bob, w);
    for (size_t i = 0; i < 2; i++)
        item_new(&items[i], w, &bob, HOUR_MS);
    size_t node = world_rank(w, &bob, 0);
    store_and_acknowledge(w, &bob, &items[0]);
    assert_int_equal(close_epoch(w, node, 10), 1);
    world_lose_power(w, node);
    world_start(w, node);
    store_and_acknowledge(w, &bob, &items[1]);
    assert_int_equal(count_of(w, node, 10), 1);
    assert_int_equal(close_epoch(w, node, 10), 1);
    assert_int_equal(close_epoch(w, node, 11), 0);
    world_free(w);
}

static void an_epoch_has_room_for_so_many(void **state) {
    (void)state;
    struct world *w = world_new(7, 14);
    struct owner bob;
    w->deliveries_max = 2;
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    world_kill(w, node);
    world_start(w, node);
    for (size_t i = 0; i < 3; i++) {
        struct item item;
        item_new(&item, w, &bob, HOUR_MS);
        store_and_acknowledge(w, &bob, &item);
    }
    assert_int_equal(count_of(w, node, 10), 2);
    assert_int_equal(count_of(w, world_rank(w, &bob, 1), 10), 3);
    world_free(w);
}

static void an_item_read_after_its_epochs_batch_proves_nothing(void **state) {
    (void)state;
    struct world *w = world_new(7, 15);
    struct owner bob;
    struct item items[2];
    owner_new(&bob, w);
    size_t node = world_rank(w, &bob, 0);
    for (size_t i = 0; i < 2; i++) {
        item_new(&items[i], w, &bob, HOUR_MS);
        world_store(w, node, &bob, &items[i]);
    }
    world_next_epoch(w, false, NULL);
    world_delete(w, node, &bob, &items[0], 1);
    assert_int_equal(count_of(w, node, 10), 1); // the batch is made in the epoch after
    world_next_epoch(w, false, NULL);
    world_delete(w, node, &bob, &items[1], 1);
    assert_int_equal(count_of(w, node, 10), 1);
    assert_int_equal(world_metric(w, node, METRIC_MAILBOX_PROVEN), 1);
    world_free(w);
}

static void settled_epochs_are_forgotten(void **state) {
    (void)state;
    struct world *w = world_new(7, 16);
    struct owner bob;
    struct item item;
    owner_new(&bob, w);
    item_new(&item, w, &bob, DAY_MS);
    size_t node = world_rank(w, &bob, 0);
    store_and_acknowledge(w, &bob, &item);
    close_epoch(w, node, 10);
    world_pass(w, epoch_start_ms(&w->genesis, 13) - w->now.wall_ms - 1);
    assert_int_equal(count_of(w, node, 10), 1); // the ledger may ask for it until the end of epoch 12
    world_pass(w, 20 * SECOND_MS);
    assert_int_equal(count_of(w, node, 10), 0);
    assert_int_equal(close_epoch(w, node, 10), 0);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deletion_with_the_secret_proves_the_delivery_at_every_replica),
        cmocka_unit_test(nothing_of_a_proof_names_mailbox_or_item),
        cmocka_unit_test(another_replicas_receipt_proves_a_delivery),
        cmocka_unit_test(a_recipient_may_be_faster_than_the_receipts),
        cmocka_unit_test(an_own_receipt_is_none_of_anothers),
        cmocka_unit_test(a_set_without_the_relay_proves_nothing),
        cmocka_unit_test(a_set_that_names_a_relay_twice_proves_nothing),
        cmocka_unit_test(a_receipt_of_another_epoch_proves_nothing_in_this_one),
        cmocka_unit_test(a_receipt_of_a_relay_that_is_not_listed_proves_nothing),
        cmocka_unit_test(the_secret_of_another_item_proves_nothing),
        cmocka_unit_test(a_receipt_for_another_item_proves_nothing),
        cmocka_unit_test(a_second_receipt_does_not_prove_it_again),
        cmocka_unit_test(two_items_with_one_secret_count_once),
        cmocka_unit_test(a_closed_epoch_takes_no_more),
        cmocka_unit_test(an_epoch_has_room_for_so_many),
        cmocka_unit_test(an_item_read_after_its_epochs_batch_proves_nothing),
        cmocka_unit_test(settled_epochs_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
