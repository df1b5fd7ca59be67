// Relays and what they are paid for: one rule a test, and each attack on the rewards that is meant to fail.
#include "crypto/merkle.h"
#include "ledger/rig.h"

#define LEAVES 40

static int rig_setup(void **state) {
    *state = rig_new(CONSENSUS_POA);
    return 0;
}

static int rig_teardown(void **state) {
    rig_free(*state);
    return 0;
}

// ---- relays ----

static void a_registration_locks_stake_and_funds_the_relay(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    const struct account_id account = rig_relay_account(0);
    struct tx tx = rig_register(rig, 4, 0, RIG_STAKE, 77, 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_int_equal(rig_balance(rig, &rig->accounts[4]), RIG_BALANCE - RIG_FEE - RIG_STAKE - 77);
    assert_int_equal(rig_balance(rig, &account), 77);
    assert_true(rig_relay_state(rig, &record, 0));
    assert_int_equal(record.stake, RIG_STAKE);
    assert_memory_equal(record.operator.bytes, rig->accounts[4].bytes, 32);
    tx = rig_register(rig, 5, 0, RIG_STAKE, 0, 1);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_EXISTS);
    tx = rig_register(rig, 5, 1, RIG_STAKE - 1, 0, 1);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_STAKE);
    tx = rig_register(rig, 5, 1, RIG_STAKE, 0, 3);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_KEYS);
    tx = rig_register(rig, 5, 1, RIG_BALANCE, 0, 1);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_FUNDS);
}

// Neither the registrant's nor the relay's keys decide where it stands: the same registration in another block draws
// another place.
static void a_placement_id_follows_from_the_block(void **state) {
    struct rig *rig = *state;
    struct relay_record here, there;
    struct rig *other = rig_new(CONSENSUS_POA);
    struct tx tx = rig_register(rig, 4, 0, RIG_STAKE, 0, 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    rig_queue(other, &tx);
    rig_block(other, 2);
    assert_true(rig_relay_state(rig, &here, 0) && rig_relay_state(other, &there, 0));
    assert_memory_not_equal(here.placement.bytes, there.placement.bytes, 32);
    rig_free(other);
}

static struct directory *directory_of(struct rig *rig, uint32_t epoch) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    struct directory *directory = NULL;
    struct hash kept, hash;
    struct span bytes;
    if (state_directory_bytes(overlay, &bytes, epoch)) {
        assert_int_equal(directory_decode(&directory, bytes, &rig->genesis.network), OK);
        assert_true(state_directory_hash(overlay, &kept, epoch));
        state_directory_hash_of(&hash, bytes);
        assert_memory_equal(kept.bytes, hash.bytes, 32);
    }
    overlay_free(overlay);
    return directory;
}

static void relays_that_come_long_after_genesis_begin_with_the_clocks_epoch(void **state) {
    struct rig *rig = *state;
    rig->time_ms += 4 * RIG_EPOCH_MS;
    for (unsigned relay = 0; relay < 3; relay++) {
        struct tx early = rig_register(rig, 4, relay, RIG_STAKE, 0, 3);
        assert_int_equal(rig_one(rig, &early), TX_FAILED_KEYS);
        struct tx tx = rig_register(rig, 4, relay, RIG_STAKE, 0, 5);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
    }
    rig_block(rig, 1);
    struct directory *directory = directory_of(rig, 5);
    assert_non_null(directory);
    assert_int_equal(directory->relay_count, 3);
    directory_unref(directory);
}

static bool is_listed(struct rig *rig, uint32_t epoch, unsigned relay) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    const struct relay_id id = rig_relay(relay);
    bool listed = state_is_listed(overlay, epoch, &id);
    overlay_free(overlay);
    return listed;
}

static void the_first_epoch_begins_behind_the_last_wanted_registration(void **state) {
    struct rig *rig = *state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig_epoch(rig), 0);
        assert_null(directory_of(rig, 1));
        struct tx tx = rig_register(rig, 4 + i, i, RIG_STAKE, 0, 1);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
    }
    assert_int_equal(rig_epoch(rig), 1);
    struct directory *directory = directory_of(rig, 1);
    assert_int_equal(directory->epoch, 1);
    assert_int_equal(directory->changed_epoch, 1);
    assert_int_equal(directory->issued_ms, rig->time_ms);
    assert_int_equal(directory->relay_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct relay_id id = rig_relay(i);
        assert_memory_equal(directory->relays[i].id.bytes, id.bytes, 32);
        assert_true(directory->relays[i].placed);
        assert_int_equal(directory->relays[i].since_epoch, 1);
    }
    directory_unref(directory);
}

static void an_epoch_ends_with_the_first_block_beyond_a_multiple_of_its_length(void **state) {
    struct rig *rig = *state;
    rig_relays(rig);
    rig_block(rig, RIG_EPOCH_MS - 1 - rig->time_ms);
    assert_int_equal(rig_epoch(rig), 1);
    rig_block(rig, 1);
    assert_int_equal(rig_epoch(rig), 2);
    rig_block(rig, 5 * RIG_EPOCH_MS); // after a halt: the number is the clock's
    assert_int_equal(rig_epoch(rig), 7);
    rig_block(rig, 1);
    assert_int_equal(rig_epoch(rig), 7);
}

static void the_time_of_the_next_end_is_known(void **state) {
    struct rig *rig = *state;
    struct overlay *overlay = overlay_over_kv(rig->kv);
    assert_true(execute_due_ms(overlay, &rig->genesis) == UINT64_MAX);
    overlay_free(overlay);
    rig_relays(rig);
    overlay = overlay_over_kv(rig->kv);
    assert_int_equal(execute_due_ms(overlay, &rig->genesis), RIG_EPOCH_MS);
    overlay_free(overlay);
}

static void a_relay_without_an_onion_key_for_the_epoch_is_not_in_its_directory(void **state) {
    struct rig *rig = *state;
    struct tx tx;
    rig_relays(rig); // keys for the epochs 1 to 4
    for (uint32_t epoch = 1; epoch < 4; epoch++)
        rig_end_epoch(rig);
    tx = rig_update(rig, 1, 4);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    rig_end_epoch(rig);
    struct directory *directory = directory_of(rig, 5);
    const struct relay_id id = rig_relay(1);
    assert_int_equal(directory->relay_count, 1);
    assert_memory_equal(directory->relays[0].id.bytes, id.bytes, 32);
    assert_int_equal(directory->changed_epoch, 5);
    directory_unref(directory);
    assert_null(directory_of(rig, 1)); // only the last are kept
    assert_true(is_listed(rig, 2, 0) && !is_listed(rig, 1, 0));
    directory = directory_of(rig, 4);
    assert_int_equal(directory->relay_count, 3);
    directory_unref(directory);
}

static void one_update_an_epoch_is_free_with_nothing_on_the_account(void **state) {
    struct rig *rig = *state;
    const struct account_id account = rig_relay_account(0);
    rig_relays(rig);
    assert_int_equal(rig_balance(rig, &account), 0);
    struct tx tx = rig_update(rig, 0, 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    tx = rig_update(rig, 0, 2);
    rig_refuses(rig, &tx, TX_REFUSED_FEE);
    rig_end_epoch(rig);
    tx = rig_update(rig, 0, 1); // keys of an earlier epoch are no worse, but never earlier than before
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    rig_end_epoch(rig);
    tx = rig_update(rig, 0, 7);
    rig_refuses(rig, &tx, TX_REFUSED_FAILS);
    tx = rig_update(rig, 0, 3);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    rig_end_epoch(rig);
    tx = rig_update(rig, 0, 2);
    rig_refuses(rig, &tx, TX_REFUSED_FAILS);
}

static void nobody_but_a_relay_has_anything_free(void **state) {
    struct rig *rig = *state;
    rig_relays(rig);
    struct tx tx = rig_tx(rig, TX_UPDATE_RELAY, &rig->accounts[0]);
    rig_onion(&tx.update_relay.address, &tx.update_relay.onion, 0, 1);
    tx.fee = 0;
    rig_refuses(rig, &tx, TX_REFUSED_FEE);
    tx.fee = RIG_FEE;
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_RELAY);
}

// Retiring itself costs the fee, from the relay's account.
static void a_retired_relay_leaves_when_its_deliveries_are_settled_and_its_stake_unbonds(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    const struct account_id account = rig_relay_account(1);
    rig_relays(rig);
    struct tx tx = rig_tx(rig, TX_TRANSFER, &rig->accounts[0]);
    tx.transfer.to = account;
    tx.transfer.amount = 2 * RIG_FEE;
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    tx = rig_of_relay(rig, TX_RETIRE_RELAY, 1);
    tx.fee = RIG_FEE;
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    tx = rig_of_relay(rig, TX_RETIRE_RELAY, 1);
    tx.fee = RIG_FEE;
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_RETIRED);
    uint64_t before = rig_balance(rig, &rig->accounts[5]);
    rig_end_epoch(rig);
    struct directory *directory = directory_of(rig, 2);
    assert_int_equal(directory->relay_count, 3);
    assert_false(directory->relays[1].placed);
    assert_int_equal(directory->changed_epoch, 2);
    directory_unref(directory);
    rig_end_epoch(rig);
    assert_true(rig_relay_state(rig, &record, 1));
    rig_end_epoch(rig);
    assert_int_equal(rig_event(rig, LEDGER_RELAY_GONE)->amount, RIG_STAKE);
    assert_false(rig_relay_state(rig, &record, 1));
    assert_int_equal(rig_balance(rig, &rig->accounts[5]), before);
    rig_block(rig, RIG_UNBONDING_MS);
    assert_int_equal(rig_balance(rig, &rig->accounts[5]), before + RIG_STAKE);
}

static void before_the_first_epoch_a_relay_leaves_at_once(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    struct tx tx = rig_register(rig, 4, 0, RIG_STAKE, RIG_FEE, 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    tx = rig_of_relay(rig, TX_RETIRE_RELAY, 0);
    tx.fee = RIG_FEE;
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_false(rig_relay_state(rig, &record, 0));
}

// ---- deliveries ----

// What a relay delivered in an epoch: leaves in order, and the secret of each.
struct batch {
    unsigned relay;
    uint32_t epoch;
    uint32_t count;
    struct hash leaves[LEAVES];
    uint8_t secrets[LEAVES][DELIVERY_SECRET_BYTES];
    struct hash paths[3][MERKLE_PATH_MAX];
};

struct leaf {
    struct hash leaf;
    uint8_t secret[DELIVERY_SECRET_BYTES];
};

static int compare_leaves(const void *a, const void *b) {
    return memcmp(((const struct leaf *)a)->leaf.bytes, ((const struct leaf *)b)->leaf.bytes, 32);
}

static void batch_make(struct batch *batch, unsigned relay, uint32_t epoch, uint32_t count) {
    struct leaf leaves[LEAVES] = {0};
    const struct relay_id id = rig_relay(relay);
    *batch = (struct batch){.relay = relay, .epoch = epoch, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        store_u32(leaves[i].secret, i + 1);
        delivery_leaf_of(&leaves[i].leaf, leaves[i].secret, &id);
    }
    qsort(leaves, count, sizeof leaves[0], compare_leaves);
    for (uint32_t i = 0; i < count; i++) {
        batch->leaves[i] = leaves[i].leaf;
        memcpy(batch->secrets[i], leaves[i].secret, DELIVERY_SECRET_BYTES);
    }
}

static struct tx batch_tx(struct rig *rig, const struct batch *batch) {
    struct tx tx = rig_of_relay(rig, TX_DELIVERY_BATCH, batch->relay);
    tx.delivery_batch.epoch = batch->epoch;
    tx.delivery_batch.count = batch->count;
    merkle_root(&tx.delivery_batch.root, batch->leaves, batch->count);
    return tx;
}

static struct tx_leaf leaf_of(struct batch *batch, size_t path, uint32_t index) {
    size_t count = merkle_prove(batch->paths[path], batch->leaves, batch->count, index);
    return (struct tx_leaf){batch->leaves[index], {batch->paths[path], count}};
}

// The opening of a leaf with the receipt of relay `signer`.
static struct tx opening_tx(struct rig *rig, struct batch *batch, uint32_t index, unsigned signer) {
    struct tx tx = rig_of_relay(rig, TX_OPENING, batch->relay);
    struct tx_opening *body = &tx.opening;
    body->epoch = batch->epoch;
    body->index = index;
    body->leaf = leaf_of(batch, 0, index);
    body->has_before = index > 0;
    body->has_after = index + 1 < batch->count;
    if (body->has_before)
        body->before = leaf_of(batch, 1, index - 1);
    if (body->has_after)
        body->after = leaf_of(batch, 2, index + 1);
    memcpy(body->secret, batch->secrets[index], sizeof body->secret);
    body->set = (struct replica_set){batch->epoch, 2, {rig_relay(batch->relay), rig_relay(signer)}};
    body->signer = 1;
    return tx;
}

static struct delivery_record delivery_of(struct rig *rig, const struct batch *batch) {
    struct overlay *overlay = overlay_over_kv(rig->kv);
    const struct relay_id id = rig_relay(batch->relay);
    struct delivery_record record;
    state_delivery(overlay, &record, batch->epoch, &id);
    overlay_free(overlay);
    return record;
}

// Blocks enough for a relay to open what it has to.
static void idle(struct rig *rig) {
    for (unsigned i = 0; i < 4; i++)
        rig_block(rig, 1);
}

// The batch is in, and its sample is drawn.
static struct delivery_record submit(struct rig *rig, const struct batch *batch) {
    struct tx tx = batch_tx(rig, batch);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    rig_block(rig, 1);
    assert_int_equal(delivery_of(rig, batch).sample_count, 0);
    rig_block(rig, 1);
    return delivery_of(rig, batch);
}

static void open_all(struct rig *rig, struct batch *batch, const struct delivery_record *record) {
    for (size_t i = 0; i < record->sample_count; i++) {
        struct tx tx = opening_tx(rig, batch, record->sample[i], (batch->relay + 1) % 3);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
    }
}

// Relay 0 has delivered in epoch 1, and it is epoch 2.
static void deliver(struct rig *rig, struct batch *batch, uint32_t count) {
    rig_relays(rig);
    rig_end_epoch(rig);
    batch_make(batch, 0, 1, count);
}

static uint64_t relay_balance(struct rig *rig, unsigned relay) {
    const struct account_id account = rig_relay_account(relay);
    return rig_balance(rig, &account);
}

static void proven_deliveries_are_paid_when_their_window_is_over(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record record = submit(rig, &batch);
    assert_true(record.sample_count >= 1 && record.sample_count <= 4);
    open_all(rig, &batch, &record);
    rig_end_epoch(rig);
    assert_int_equal(relay_balance(rig, 0), 0);
    rig_end_epoch(rig);
    assert_int_equal(relay_balance(rig, 0), 600); // of 900: twice its third of all stake
    assert_int_equal(rig_event(rig, LEDGER_RELAY_PAID)->amount, 600);
}

static void relays_share_the_reward_by_their_leaves(void **state) {
    struct rig *rig = *state;
    struct batch batches[2];
    deliver(rig, &batches[0], 30);
    batch_make(&batches[1], 1, 1, 15);
    for (size_t i = 0; i < 2; i++) {
        struct delivery_record record = submit(rig, &batches[i]);
        open_all(rig, &batches[i], &record);
    }
    rig_end_epoch(rig);
    rig_end_epoch(rig);
    assert_int_equal(relay_balance(rig, 0), 600);
    assert_int_equal(relay_balance(rig, 1), 300);
}

static void what_is_not_opened_in_time_costs_the_stake(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record delivery = submit(rig, &batch);
    for (size_t i = 1; i < delivery.sample_count; i++) { // all but one
        struct tx tx = opening_tx(rig, &batch, delivery.sample[i], 1);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
    }
    idle(rig);
    uint64_t pool = rig_supply(rig).pool;
    rig_end_epoch(rig);
    assert_true(rig_relay_state(rig, &record, 0));
    rig_end_epoch(rig);
    assert_false(rig_relay_state(rig, &record, 0));
    assert_int_equal(rig_event(rig, LEDGER_RELAY_SLASHED)->amount, RIG_STAKE);
    assert_int_equal(rig_supply(rig).pool, pool + RIG_STAKE);
    assert_int_equal(relay_balance(rig, 0), 0);
}

static void a_window_that_a_halt_cut_short_costs_nothing_and_pays_nothing(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct tx tx = batch_tx(rig, &batch);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    rig_block(rig, 1);
    rig_block(rig, 2 * RIG_EPOCH_MS - rig->time_ms % RIG_EPOCH_MS - 2); // the sample's, shortly before a multiple
    rig_block(rig, 3);
    assert_int_equal(rig_epoch(rig), 4);
    assert_true(rig_relay_state(rig, &record, 0));
    assert_int_equal(relay_balance(rig, 0), 0);
}

static void a_ledger_that_stood_still_costs_nobody_the_stake(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    submit(rig, &batch);
    rig_block(rig, 3 * RIG_EPOCH_MS); // its window is over, and there was no block in it
    assert_int_equal(delivery_of(rig, &batch).count, 0);
    assert_true(rig_relay_state(rig, &record, 0));
    assert_int_equal(relay_balance(rig, 0), 0);
}

static void old_directories_go_even_if_epochs_were_passed_over(void **state) {
    struct rig *rig = *state;
    rig_relays(rig);
    rig_end_epoch(rig);
    rig_end_epoch(rig);
    assert_true(is_listed(rig, 1, 0) && is_listed(rig, 3, 0));
    rig_block(rig, 3 * RIG_EPOCH_MS);
    uint32_t now = rig_epoch(rig);
    assert_int_equal(now, 6);
    for (uint32_t epoch = 1; epoch < now; epoch++)
        assert_int_equal(is_listed(rig, epoch, 0), epoch == 3);
}

static void a_batch_is_of_the_epoch_before_and_of_a_relay_that_was_listed(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        if (epoch == 1)
            continue;
        batch.epoch = epoch;
        struct tx tx = batch_tx(rig, &batch);
        rig_refuses(rig, &tx, TX_REFUSED_FEE); // not even free
    }
    struct tx tx = rig_register(rig, 7, 3, RIG_STAKE, 0, 2);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    batch_make(&batch, 3, 1, LEAVES);
    tx = batch_tx(rig, &batch);
    rig_refuses(rig, &tx, TX_REFUSED_FAILS);
}

static void a_relay_has_one_batch_an_epoch(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct tx tx = batch_tx(rig, &batch);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    batch_make(&batch, 0, 1, LEAVES / 2);
    tx = batch_tx(rig, &batch);
    rig_refuses(rig, &tx, TX_REFUSED_FEE);
}

static void a_leaf_is_opened_once_and_only_if_it_was_drawn(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record record = submit(rig, &batch);
    struct tx tx = opening_tx(rig, &batch, record.sample[0], 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    tx = opening_tx(rig, &batch, record.sample[0], 1);
    rig_refuses(rig, &tx, TX_REFUSED_FEE);
    uint32_t other = 0;
    for (size_t i = 0; i < record.sample_count; i++) {
        if (record.sample[i] == other) {
            other++;
            i = (size_t)-1;
        }
    }
    tx = opening_tx(rig, &batch, other, 1);
    rig_refuses(rig, &tx, TX_REFUSED_FEE);
}

// Makes the relay able to pay, so that what fails can be seen failing.
static enum tx_outcome paid(struct rig *rig, struct tx tx) {
    struct tx gift = rig_tx(rig, TX_TRANSFER, &rig->accounts[0]);
    gift.transfer.to = tx.sender;
    gift.transfer.amount = RIG_FEE;
    assert_int_equal(rig_one(rig, &gift), TX_DONE);
    tx.fee = RIG_FEE;
    return rig_one(rig, &tx);
}

static void a_second_batch_fails_even_if_it_pays(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record record = submit(rig, &batch);
    batch_make(&batch, 0, 1, LEAVES / 2);
    assert_int_equal(paid(rig, batch_tx(rig, &batch)), TX_FAILED_EXISTS);
    struct delivery_record after = delivery_of(rig, &batch);
    assert_memory_equal(after.root.bytes, record.root.bytes, sizeof record.root.bytes);
}

static void a_relay_that_has_retired_has_no_later_deliveries(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    rig_relays(rig);
    assert_int_equal(paid(rig, rig_of_relay(rig, TX_RETIRE_RELAY, 0)), TX_DONE);
    rig_end_epoch(rig);
    rig_end_epoch(rig);
    batch_make(&batch, 0, 2, LEAVES);
    assert_int_equal(paid(rig, batch_tx(rig, &batch)), TX_FAILED_RETIRED);
}

// A relay that registers again begins with nothing owed to it.
static void what_a_slashed_relay_claimed_besides_goes_with_it(void **state) {
    struct rig *rig = *state;
    struct batch first, second;
    deliver(rig, &first, LEAVES);
    submit(rig, &first);
    idle(rig);
    rig_end_epoch(rig);
    batch_make(&second, 0, 2, LEAVES);
    assert_int_equal(submit(rig, &second).count, LEAVES);
    rig_end_epoch(rig);
    assert_non_null(rig_event(rig, LEDGER_RELAY_SLASHED));
    assert_int_equal(delivery_of(rig, &second).count, 0);
}

// Its batch was taken with it, so the block that would have drawn that one's sample draws nothing.
static void a_relay_that_comes_back_is_sampled_for_its_new_batch_alone(void **state) {
    struct rig *rig = *state;
    struct batch first, second;
    deliver(rig, &first, LEAVES);
    struct delivery_record record = submit(rig, &first);
    rig_end_epoch(rig);
    batch_make(&second, 0, 2, LEAVES);
    struct tx tx = batch_tx(rig, &second);
    rig_queue(rig, &tx);
    tx = opening_tx(rig, &first, record.sample[0], 1);
    tx.opening.secret[5] ^= 1;
    rig_queue(rig, &tx);
    tx = rig_register(rig, 7, 0, RIG_STAKE, 0, 3);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_non_null(rig_event(rig, LEDGER_RELAY_SLASHED));
    record = submit(rig, &second);
    assert_in_range(record.sample_count, 1, 4);
}

static void assert_slashed_now(struct rig *rig, uint64_t pool) {
    struct relay_record record;
    assert_int_equal(rig_event(rig, LEDGER_RELAY_SLASHED)->amount, RIG_STAKE);
    assert_false(rig_relay_state(rig, &record, 0));
    assert_int_equal(rig_supply(rig).pool, pool + RIG_STAKE);
    rig_end_epoch(rig);
    rig_end_epoch(rig);
    assert_int_equal(relay_balance(rig, 0), 0);
}

static void a_leaf_of_another_relay_slashes_when_it_is_opened(void **state) {
    struct rig *rig = *state;
    struct batch others;
    deliver(rig, &others, LEAVES);
    batch_make(&others, 1, 1, LEAVES);
    others.relay = 0; // relay 0 claims the leaves of relay 1
    struct delivery_record record = submit(rig, &others);
    uint64_t pool = rig_supply(rig).pool;
    struct tx tx = opening_tx(rig, &others, record.sample[0], 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE); // for nothing: it has nothing to pay with
    assert_slashed_now(rig, pool);
}

static void a_leaf_without_its_secret_slashes_when_it_is_opened(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record record = submit(rig, &batch);
    uint64_t pool = rig_supply(rig).pool;
    struct tx tx = opening_tx(rig, &batch, record.sample[0], 1);
    tx.opening.secret[5] ^= 1;
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_slashed_now(rig, pool);
}

// Anybody can sign an opening in its own name; the batch of another is not touched by it.
static void nobody_opens_another_relays_leaves(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record delivery = submit(rig, &batch);
    struct tx tx = opening_tx(rig, &batch, delivery.sample[0], 1);
    tx.sender = rig->accounts[0];
    tx.nonce = rig_account_state(rig, &rig->accounts[0]).nonce;
    tx.opening.secret[5] ^= 1;
    tx.opening.set.relays[0] = (struct relay_id){{0}};
    memcpy(tx.opening.set.relays[0].bytes, tx.sender.bytes, 32);
    tx.fee = RIG_FEE;
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_EPOCH);
    assert_true(rig_relay_state(rig, &record, 0));
}

static void an_opening_shows_both_neighbours_in_their_places(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record record = submit(rig, &batch);
    uint32_t index = record.sample[0];
    struct tx tx = opening_tx(rig, &batch, index, 1);
    assert_true(tx.opening.has_after);
    tx.opening.has_after = false;
    assert_int_equal(paid(rig, tx), TX_FAILED_PROOF);
    tx = opening_tx(rig, &batch, index, 1);
    if (tx.opening.has_before)
        tx.opening.before = leaf_of(&batch, 1, (index + 7) % LEAVES);
    else
        tx.opening.after = leaf_of(&batch, 2, index + 7);
    assert_int_equal(paid(rig, tx), TX_FAILED_PROOF);
}

static void a_receipt_is_of_that_epoch_and_of_a_listed_relay(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record record = submit(rig, &batch);
    struct tx tx = opening_tx(rig, &batch, record.sample[0], 1);
    tx.opening.set.epoch = 2;
    assert_int_equal(paid(rig, tx), TX_FAILED_RECEIPT);
    tx = opening_tx(rig, &batch, record.sample[0], 9); // nobody's key
    assert_int_equal(paid(rig, tx), TX_FAILED_RECEIPT);
    tx = opening_tx(rig, &batch, record.sample[0], 1);
    tx.opening.signer = 0; // its own receipt: refused without looking at the state
    rig_queue(rig, &tx);
    assert_int_equal(rig_try_block(rig, 1), ERR_INVALID);
}

// The repeat stands beside its twin, and whoever opens one of the two shows it.
static void a_repeated_leaf_slashes_when_it_is_opened(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    struct batch batch;
    deliver(rig, &batch, 2);
    batch.leaves[1] = batch.leaves[0];
    memcpy(batch.secrets[1], batch.secrets[0], DELIVERY_SECRET_BYTES);
    struct delivery_record delivery = submit(rig, &batch);
    struct tx tx = opening_tx(rig, &batch, delivery.sample[0], 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_int_equal(rig_event(rig, LEDGER_RELAY_SLASHED)->amount, RIG_STAKE);
    assert_false(rig_relay_state(rig, &record, 0));
    rig_end_epoch(rig);
    rig_end_epoch(rig);
    assert_int_equal(relay_balance(rig, 0), 0);
}

// Both halves are in order and the same: no opening alone shows it, two do.
static void a_repeat_far_from_its_twin_slashes_with_the_opening_that_shows_it(void **state) {
    struct rig *rig = *state;
    struct relay_record record;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    for (size_t i = 0; i < LEAVES / 2; i++) {
        batch.leaves[LEAVES / 2 + i] = batch.leaves[i];
        memcpy(batch.secrets[LEAVES / 2 + i], batch.secrets[i], DELIVERY_SECRET_BYTES);
    }
    struct delivery_record delivery = submit(rig, &batch);
    uint64_t pool = rig_supply(rig).pool;
    size_t opened = 0;
    while (opened < delivery.sample_count && rig_event(rig, LEDGER_RELAY_SLASHED) == NULL) {
        struct tx tx = opening_tx(rig, &batch, delivery.sample[opened++], 1);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
    }
    assert_true(opened > 1); // the first was in order
    assert_false(rig_relay_state(rig, &record, 0));
    assert_slashed_now(rig, pool);
}

// All leaves of a batch that is in order fit, whatever the order in which they are opened.
static void an_honest_batch_is_opened_in_any_order(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, 3); // neighbours are samples themselves
    struct delivery_record delivery = submit(rig, &batch);
    for (size_t i = delivery.sample_count; i-- > 0;) {
        struct tx tx = opening_tx(rig, &batch, delivery.sample[i], 1);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
        assert_null(rig_event(rig, LEDGER_RELAY_SLASHED));
    }
    delivery = delivery_of(rig, &batch);
    assert_true(delivery_is_open(&delivery));
    for (size_t i = 0; i < delivery.sample_count; i++)
        assert_memory_equal(delivery.leaf[i].bytes, batch.leaves[delivery.sample[i]].bytes, 32);
}

static void the_same_deliveries_are_not_paid_for_another_epoch(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    deliver(rig, &batch, LEAVES);
    struct delivery_record record = submit(rig, &batch);
    open_all(rig, &batch, &record);
    rig_end_epoch(rig);
    struct batch again = batch;
    again.epoch = 2; // the batch can be claimed, but its receipts are of epoch 1
    record = submit(rig, &again);
    struct tx tx = opening_tx(rig, &again, record.sample[0], 1);
    tx.opening.set.epoch = 1;
    assert_int_equal(paid(rig, tx), TX_FAILED_RECEIPT);
    idle(rig);
    rig_end_epoch(rig);
    assert_int_equal(relay_balance(rig, 0), 600);
    rig_end_epoch(rig);
    assert_non_null(rig_event(rig, LEDGER_RELAY_SLASHED));
    assert_int_equal(relay_balance(rig, 0), 600);
}

static void the_pool_pays_no_more_than_it_has(void **state) {
    struct rig *rig = *state;
    struct batch batch;
    rig->genesis.ledger.reward_per_epoch = GRAINS_MAX;
    deliver(rig, &batch, LEAVES);
    struct delivery_record record = submit(rig, &batch);
    open_all(rig, &batch, &record);
    rig_end_epoch(rig);
    uint64_t pool = rig_supply(rig).pool;
    rig_end_epoch(rig);
    assert_int_equal(relay_balance(rig, 0), 2 * pool / 3);
    assert_int_equal(rig_supply(rig).pool, pool - 2 * pool / 3);
}

#define RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG(a_registration_locks_stake_and_funds_the_relay),
        RIG(a_placement_id_follows_from_the_block),
        RIG(relays_that_come_long_after_genesis_begin_with_the_clocks_epoch),
        RIG(the_first_epoch_begins_behind_the_last_wanted_registration),
        RIG(an_epoch_ends_with_the_first_block_beyond_a_multiple_of_its_length),
        RIG(the_time_of_the_next_end_is_known),
        RIG(a_relay_without_an_onion_key_for_the_epoch_is_not_in_its_directory),
        RIG(one_update_an_epoch_is_free_with_nothing_on_the_account),
        RIG(nobody_but_a_relay_has_anything_free),
        RIG(a_retired_relay_leaves_when_its_deliveries_are_settled_and_its_stake_unbonds),
        RIG(before_the_first_epoch_a_relay_leaves_at_once),
        RIG(proven_deliveries_are_paid_when_their_window_is_over),
        RIG(relays_share_the_reward_by_their_leaves),
        RIG(what_is_not_opened_in_time_costs_the_stake),
        RIG(a_window_that_a_halt_cut_short_costs_nothing_and_pays_nothing),
        RIG(a_ledger_that_stood_still_costs_nobody_the_stake),
        RIG(old_directories_go_even_if_epochs_were_passed_over),
        RIG(a_batch_is_of_the_epoch_before_and_of_a_relay_that_was_listed),
        RIG(a_relay_has_one_batch_an_epoch),
        RIG(a_leaf_is_opened_once_and_only_if_it_was_drawn),
        RIG(a_second_batch_fails_even_if_it_pays),
        RIG(a_relay_that_has_retired_has_no_later_deliveries),
        RIG(what_a_slashed_relay_claimed_besides_goes_with_it),
        RIG(a_relay_that_comes_back_is_sampled_for_its_new_batch_alone),
        RIG(a_leaf_of_another_relay_slashes_when_it_is_opened),
        RIG(a_leaf_without_its_secret_slashes_when_it_is_opened),
        RIG(nobody_opens_another_relays_leaves),
        RIG(an_opening_shows_both_neighbours_in_their_places),
        RIG(a_receipt_is_of_that_epoch_and_of_a_listed_relay),
        RIG(a_repeated_leaf_slashes_when_it_is_opened),
        RIG(a_repeat_far_from_its_twin_slashes_with_the_opening_that_shows_it),
        RIG(an_honest_batch_is_opened_in_any_order),
        RIG(the_same_deliveries_are_not_paid_for_another_epoch),
        RIG(the_pool_pays_no_more_than_it_has),
    };
    return cmocka_run_group_tests(tests, codec_setup, NULL);
}
