// What a relay claims is what the ledger takes: batches and openings made here are executed, and their signatures hold.
#include "ledger/claims.h"

#include <stdlib.h>

#include "ledger/rig.h"

struct shown {
    struct hash *leaves;
    struct delivery *deliveries; // by leaf
    uint32_t count;
};

struct made {
    struct hash leaf;
    struct delivery delivery;
};

static int by_leaf(const void *a, const void *b) {
    return memcmp(((const struct made *)a)->leaf.bytes, ((const struct made *)b)->leaf.bytes, 32);
}

// So many deliveries of relay `self` in an epoch, whose receipts `signer` signed (NULL: nobody).
static void deliver(struct shown *out, const struct relay_id *self, const struct relay_id *other,
                    const struct sign_secret *signer, const struct network_id *network, uint32_t epoch,
                    uint32_t count) {
    struct made *made = NEW_ARRAY(struct made, count);
    for (uint32_t i = 0; i < count; i++) {
        struct delivery *delivery = &made[i].delivery;
        store_u32(delivery->secret, i + 1);
        delivery->set = (struct replica_set){epoch, 2, {*self, *other}};
        delivery->signer = 1;
        delivery_leaf_of(&made[i].leaf, delivery->secret, self);
        if (signer == NULL)
            continue;
        uint8_t commitment[ITEM_COMMITMENT_BYTES];
        const struct mailbox_id mailbox = {{7}};
        const struct item_hash item = {{(uint8_t)i}};
        struct receipt receipt = {.index = 1, .rank = 2};
        commitment_of(commitment, delivery->secret);
        receipt_sign(&receipt, signer, network, &delivery->set, commitment, &mailbox, &item, 99);
        receipt_inner_of(&delivery->inner, 2, &mailbox, &item, 99);
        delivery->receipt = receipt.signature;
    }
    qsort(made, count, sizeof made[0], by_leaf);
    *out = (struct shown){NEW_ARRAY(struct hash, count), NEW_ARRAY(struct delivery, count), count};
    for (uint32_t i = 0; i < count; i++) {
        out->leaves[i] = made[i].leaf;
        out->deliveries[i] = made[i].delivery;
    }
    free(made);
}

static void shown_free(struct shown *shown) {
    free(shown->leaves);
    free(shown->deliveries);
}

static struct delivery_record record_of(struct rig *rig, unsigned relay, uint32_t epoch) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    const struct relay_id id = rig_relay(relay);
    struct delivery_record record;
    state_delivery(overlay, &record, epoch, &id);
    overlay_free(overlay);
    return record;
}

static enum tx_outcome submit(struct rig *rig, unsigned relay, const struct tx *what) {
    struct tx tx = *what;
    const struct tx head = rig_of_relay(rig, what->kind, relay);
    tx.network = head.network;
    tx.sender = head.sender;
    tx.nonce = head.nonce;
    return rig_one(rig, &tx);
}

// Relay 0 claims `count` deliveries of epoch 1.
static void claim_and_prove(uint32_t count) {
    struct rig *rig = rig_new(CONSENSUS_POA);
    const struct relay_id self = rig_relay(0), other = rig_relay(1);
    struct shown shown;
    struct tx tx;
    uint32_t unopened[SAMPLE_MAX];
    rig_relays(rig);
    rig_end_epoch(rig);
    deliver(&shown, &self, &other, NULL, NULL, 1, count);
    struct claims *claims = claims_new(1, shown.leaves, count);
    claims_batch(&tx, claims);
    assert_int_equal(submit(rig, 0, &tx), TX_DONE);
    struct delivery_record record = record_of(rig, 0, 1);
    assert_true(claims_match(claims, &record));
    assert_int_equal(claims_unopened(unopened, &record), 0);
    rig_block(rig, 1);
    rig_block(rig, 1);
    record = record_of(rig, 0, 1);
    size_t left = claims_unopened(unopened, &record);
    assert_true(left >= 1 && left == record.sample_count);
    for (size_t i = 0; i < left; i++) {
        struct claims_paths paths;
        claims_opening(&tx, &paths, claims, unopened[i], &shown.deliveries[unopened[i]]);
        assert_int_equal(submit(rig, 0, &tx), TX_DONE);
        uint32_t still[SAMPLE_MAX];
        record = record_of(rig, 0, 1);
        assert_int_equal(claims_unopened(still, &record), left - i - 1);
    }
    assert_true(delivery_is_open(&record));
    claims_free(claims);
    shown_free(&shown);
    rig_free(rig);
}

static void what_is_claimed_can_be_proven(void **state) {
    (void)state;
    const uint32_t counts[] = {1, 2, 3, 40, 255, 256, 257, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        claim_and_prove(counts[i]);
}

static void another_batch_is_not_taken_for_the_own_one(void **state) {
    (void)state;
    const struct relay_id self = rig_relay(0), other = rig_relay(1);
    struct shown shown;
    struct tx tx;
    deliver(&shown, &self, &other, NULL, NULL, 1, 10);
    struct claims *claims = claims_new(1, shown.leaves, 10), *fewer = claims_new(1, shown.leaves, 9);
    claims_batch(&tx, claims);
    const struct delivery_record record = {.root = tx.delivery_batch.root, .count = 10};
    assert_true(claims_match(claims, &record));
    assert_false(claims_match(fewer, &record));
    claims_free(claims);
    claims_free(fewer);
    shown_free(&shown);
}

// ---- signed, as validators see them ----

struct signed_claim {
    struct network_id network;
    struct sign_secret self, other;
    struct relay_id self_id, other_id;
    struct shown shown;
    struct claims *claims;
    struct tx tx; // the opening of leaf 3 of 8
    struct claims_paths paths;
};

static void relay_new(struct sign_secret *secret, struct relay_id *id, struct rng *rng) {
    struct sign_public public;
    sign_key_new(secret, &public, rng);
    memcpy(id->bytes, public.bytes, sizeof id->bytes);
}

static void signed_claim_new(struct signed_claim *c) {
    struct rng rng = rng_of_seed(5);
    *c = (struct signed_claim){.network = {{9}}};
    relay_new(&c->self, &c->self_id, &rng);
    relay_new(&c->other, &c->other_id, &rng);
    deliver(&c->shown, &c->self_id, &c->other_id, &c->other, &c->network, 4, 8);
    c->claims = claims_new(4, c->shown.leaves, 8);
    claims_opening(&c->tx, &c->paths, c->claims, 3, &c->shown.deliveries[3]);
    c->tx.network = c->network;
    memcpy(c->tx.sender.bytes, c->self_id.bytes, sizeof c->tx.sender.bytes);
}

static void signed_claim_free(struct signed_claim *c) {
    claims_free(c->claims);
    shown_free(&c->shown);
}

// What a validator says before it looks at the state: check, then signatures.
static enum err judge(struct signed_claim *c) {
    const struct tx_rules rules = {.network = c->network, .fee_min = 10};
    uint8_t bytes[TX_BYTES_MAX];
    struct tx tx;
    tx_sign(&c->tx, &c->self);
    size_t n = tx_encode(bytes, &c->tx);
    assert_int_equal(tx_decode(&tx, span_of(bytes, n)), OK);
    enum err err = tx_check(&tx, &rules);
    return err == OK ? tx_verify(&tx) : err;
}

static void a_free_opening_with_anothers_receipt_holds(void **state) {
    (void)state;
    struct signed_claim c;
    signed_claim_new(&c);
    assert_int_equal(judge(&c), OK);
    signed_claim_free(&c);
}

static void an_own_receipt_does_not_pass_for_anothers(void **state) {
    (void)state;
    struct signed_claim c;
    signed_claim_new(&c);
    struct tx_opening *body = &c.tx.opening;
    struct receipt own = {.index = 0, .rank = 2};
    uint8_t commitment[ITEM_COMMITMENT_BYTES];
    const struct mailbox_id mailbox = {{7}};
    const struct item_hash item = {{1}};
    commitment_of(commitment, body->secret);
    receipt_sign(&own, &c.self, &c.network, &body->set, commitment, &mailbox, &item, 99);
    receipt_inner_of(&body->inner, 2, &mailbox, &item, 99);
    body->receipt = own.signature;
    body->signer = 0;
    assert_int_equal(judge(&c), ERR_INVALID);
    body->signer = 1;
    assert_int_equal(judge(&c), ERR_AUTH);
    signed_claim_free(&c);
}

static void a_receipt_for_a_set_without_the_relay_does_not_pass(void **state) {
    (void)state;
    struct signed_claim c;
    signed_claim_new(&c);
    c.tx.opening.set.relays[0].bytes[0] ^= 1;
    assert_int_equal(judge(&c), ERR_INVALID);
    signed_claim_free(&c);
}

static void a_receipt_of_another_epoch_does_not_pass(void **state) {
    (void)state;
    struct signed_claim c;
    signed_claim_new(&c);
    c.tx.opening.set.epoch = 5; // what its signature covers
    assert_int_equal(judge(&c), ERR_AUTH);
    signed_claim_free(&c);
}

static void the_secret_of_another_item_does_not_pass(void **state) {
    (void)state;
    struct signed_claim c;
    signed_claim_new(&c);
    memcpy(c.tx.opening.secret, c.shown.deliveries[4].secret, DELIVERY_SECRET_BYTES);
    assert_int_equal(judge(&c), ERR_AUTH); // the receipt is for this item's commitment
    signed_claim_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_claimed_can_be_proven),
        cmocka_unit_test(another_batch_is_not_taken_for_the_own_one),
        cmocka_unit_test(a_free_opening_with_anothers_receipt_holds),
        cmocka_unit_test(an_own_receipt_does_not_pass_for_anothers),
        cmocka_unit_test(a_receipt_for_a_set_without_the_relay_does_not_pass),
        cmocka_unit_test(a_receipt_of_another_epoch_does_not_pass),
        cmocka_unit_test(the_secret_of_another_item_does_not_pass),
    };
    return cmocka_run_group_tests(tests, codec_setup, NULL);
}
