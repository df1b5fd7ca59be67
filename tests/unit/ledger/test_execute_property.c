// Random blocks over seeds. After every one: no grain has come or gone, a second node that reads through other layers
// has come to the same writes, and the inverse takes the store back to what it was, byte for byte.
#include "folder.h"

#include "crypto/merkle.h"
#include "ledger/rig.h"
#include "store/store.h"

#define ROUNDS 60   // seeds
#define BLOCKS 60   // of a seed
#define TXS_MOST 12 // of a block
#define RELAYS 6    // ids that transactions name
#define KEYS 8      // consensus keys that they name

static int compare_hashes(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct hash));
}

static void draw_account(struct account_id *id, struct rng *rng) {
    *id = rng_below(rng, 4) == 0 ? rig_relay_account((unsigned)rng_below(rng, RELAYS))
                                 : rig_account((unsigned)rng_below(rng, RIG_ACCOUNTS + 2));
}

// Mostly small, sometimes all or far too much.
static uint64_t draw_amount(struct rng *rng) {
    static const uint64_t bounds[] = {3, 2 * RIG_STAKE, RIG_BALANCE, 3 * (uint64_t)RIG_BALANCE, GRAINS_MAX};
    return 1 + rng_below(rng, bounds[rng_below(rng, 5)]);
}

static void draw_relay_body(struct tx *tx, struct rig *rig, struct rng *rng) {
    uint32_t first_epoch = epoch_at(&rig->genesis, rig->time_ms) + (uint32_t)rng_below(rng, 3);
    first_epoch -= first_epoch > 0 ? 1 : 0;
    unsigned relay = (unsigned)rng_below(rng, RELAYS);
    if (tx->kind == TX_REGISTER_RELAY) {
        tx->register_relay.relay = rig_relay(relay);
        tx->register_relay.stake = RIG_STAKE + rng_below(rng, RIG_STAKE);
        tx->register_relay.deposit = rng_below(rng, 200);
        rig_onion(&tx->register_relay.address, &tx->register_relay.onion, relay, first_epoch);
    } else {
        rig_onion(&tx->update_relay.address, &tx->update_relay.onion, relay, first_epoch);
    }
}

#define LEAVES_MOST 4

// The leaves of a relay's batch of an epoch, a function of the two: one, some in order, or some of which the first
// comes again at the end, which only two openings show. Returns their number.
static uint32_t leaves_of(struct hash leaves[static LEAVES_MOST], const struct relay_id *id, uint32_t epoch) {
    uint32_t count = 1 + (id->bytes[7] + epoch) % LEAVES_MOST;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t secret[DELIVERY_SECRET_BYTES] = {(uint8_t)i};
        delivery_leaf_of(&leaves[i], secret, id);
    }
    qsort(leaves, count, sizeof leaves[0], compare_hashes);
    if (count > 2 && epoch % 2 == 0)
        leaves[count - 1] = leaves[0];
    return count;
}

static void fill_secret(struct tx_opening *opening, const struct relay_id *id) {
    for (uint8_t i = 0; i < LEAVES_MOST; i++) {
        struct hash leaf;
        uint8_t secret[DELIVERY_SECRET_BYTES] = {i};
        delivery_leaf_of(&leaf, secret, id);
        if (compare_hashes(&leaf, &opening->leaf.leaf) == 0)
            memcpy(opening->secret, secret, sizeof secret);
    }
}

static struct tx_leaf leaf_at(struct hash path[static MERKLE_PATH_MAX], const struct hash *leaves, uint32_t count,
                              uint32_t index) {
    return (struct tx_leaf){leaves[index], {path, merkle_prove(path, leaves, count, index)}};
}

// A batch, honest or with a repeat, or an opening of one of its leaves, some without the secret, with the receipt of
// another relay, listed or not. The opening is queued at once: its paths are in `paths`.
static struct tx draw_delivery(struct rig *rig, struct rng *rng, enum tx_kind kind,
                               struct hash paths[3][MERKLE_PATH_MAX]) {
    unsigned relay = (unsigned)rng_below(rng, RELAYS);
    const struct relay_id id = rig_relay(relay);
    struct tx tx = rig_of_relay(rig, kind, relay);
    struct hash leaves[LEAVES_MOST];
    uint32_t now = rig_epoch(rig);
    uint32_t epoch = now - 1 - (kind == TX_OPENING && now > 2 ? (uint32_t)rng_below(rng, 2) : 0);
    uint32_t count = leaves_of(leaves, &id, epoch);
    if (kind == TX_DELIVERY_BATCH) {
        tx.delivery_batch = (struct tx_delivery_batch){.epoch = epoch, .count = count};
        merkle_root(&tx.delivery_batch.root, leaves, count);
        return tx;
    }
    struct tx_opening *opening = &tx.opening;
    opening->epoch = epoch;
    opening->index = (uint32_t)rng_below(rng, count);
    opening->leaf = leaf_at(paths[0], leaves, count, opening->index);
    opening->has_before = opening->index > 0;
    opening->has_after = opening->index + 1 < count;
    if (opening->has_before)
        opening->before = leaf_at(paths[1], leaves, count, opening->index - 1);
    if (opening->has_after)
        opening->after = leaf_at(paths[2], leaves, count, opening->index + 1);
    if (rng_below(rng, 20) > 0)
        fill_secret(opening, &id);
    opening->set = (struct replica_set){epoch, 2, {id, rig_relay((relay + 1) % RELAYS)}};
    opening->signer = 1;
    return tx;
}

// One that has a chance: some of a relay's own go without a fee.
static struct tx draw_tx(struct rig *rig, struct rng *rng, struct hash paths[3][MERKLE_PATH_MAX]) {
    enum tx_kind kind = (enum tx_kind)(TX_TRANSFER + rng_below(rng, TX_EVIDENCE));
    struct account_id sender;
    draw_account(&sender, rng);
    struct tx tx = rig_tx(rig, kind, &sender);
    switch (kind) {
    case TX_TRANSFER:
        draw_account(&tx.transfer.to, rng);
        tx.transfer.amount = draw_amount(rng);
        break;
    case TX_STAKE:
        tx.stake.key = rig_key((unsigned)rng_below(rng, KEYS));
        tx.stake.amount = draw_amount(rng);
        break;
    case TX_UNSTAKE:
        tx.unstake.amount = draw_amount(rng);
        break;
    case TX_REGISTER_RELAY:
    case TX_UPDATE_RELAY:
        draw_relay_body(&tx, rig, rng);
        break;
    case TX_RETIRE_RELAY:
        break;
    case TX_VALIDATOR_VOTE:
        tx.validator_vote = (struct tx_validator_vote){rig_key((unsigned)rng_below(rng, KEYS)), rng_below(rng, 2) * 50,
                                                       rig->height + 10 - rig->height % 10};
        break;
    case TX_DELIVERY_BATCH:
    case TX_OPENING:
        return draw_delivery(rig, rng, kind, paths);
    case TX_EVIDENCE:
        return rig_evidence(rig, (unsigned)rng_below(rng, KEYS), 1 + rng_below(rng, rig->height + 1));
    }
    if (rng_below(rng, 2) == 0 && kind == TX_UPDATE_RELAY)
        tx.fee = 0;
    return tx;
}

// Candidates, of which the filter leaves those that a block may hold.
static void draw_block(struct rig *rig, const struct block_header *header, struct rng *rng) {
    bool taken[TXS_MOST];
    size_t kept = 0;
    for (size_t count = rng_below(rng, TXS_MOST); count > 0; count--) {
        struct hash paths[3][MERKLE_PATH_MAX];
        struct tx tx = draw_tx(rig, rng, paths);
        rig_queue(rig, &tx);
    }
    struct overlay *overlay = overlay_over_kv(rig->kv);
    execute_filter(taken, overlay, &rig->genesis, header, rig->txs, rig->tx_count);
    overlay_free(overlay);
    for (size_t i = 0; i < rig->tx_count; i++) {
        if (taken[i])
            rig->txs[kept++] = rig->txs[i];
    }
    rig->tx_count = kept;
}

static void dump(struct buf *out, struct kv *kv) {
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    struct kv_cursor *cursor = kv_scan(snapshot, (struct span){0});
    struct span key, value;
    for (; kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
        uint8_t lengths[8];
        store_u32(lengths, (uint32_t)key.n);
        store_u32(lengths + 4, (uint32_t)value.n);
        buf_append(out, SPAN_OF(lengths));
        buf_append(out, key);
        buf_append(out, value);
    }
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
}

static void assert_same_store(struct kv *a, struct kv *b) {
    struct buf left = {0}, right = {0};
    dump(&left, a);
    dump(&right, b);
    assert_true(span_equal(buf_span(&left), buf_span(&right)));
    buf_free(&left);
    buf_free(&right);
}

static struct kv *copy_of(struct kv *kv) {
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    struct kv *copy = kv_memory_from(snapshot);
    kv_snapshot_release(snapshot);
    return copy;
}

// Another node: through a step whose batch is not empty, and an overlay over an overlay that has read much already.
static void execute_elsewhere(struct kv *kv, const struct rig *rig, struct span bytes, struct hash *root) {
    struct block block;
    struct executed executed;
    struct env env = {.kv = kv};
    struct kv_batch batch = {0}, unrelated = {0};
    struct step step = {.env = &env, .batch = &unrelated};
    const struct account_id account = rig_account(1);
    struct account read_before;
    kv_batch_put(&unrelated, SPAN_LITERAL("elsewhere"), SPAN_LITERAL("something"), KV_LAZY);
    struct overlay *below = overlay_over_step(&step);
    state_account(below, &read_before, &account);
    struct overlay *overlay = overlay_over(below);
    assert_int_equal(block_decode(&block, bytes), OK);
    assert_int_equal(execute_block(&executed, overlay, &rig->genesis, &block, NULL), OK);
    *root = executed.state_root;
    overlay_writes(overlay, &batch, KV_LAZY);
    rig_apply(kv, &batch);
    executed_free(&executed);
    block_free(&block);
    overlay_free(overlay);
    overlay_free(below);
    kv_batch_free(&batch);
    kv_batch_free(&unrelated);
}

// Returns the number of its transactions.
static size_t one_block(struct rig *rig, struct rng *rng) {
    struct block_header header;
    struct buf bytes = {0};
    struct kv_batch inverse = {0};
    struct hash root, before = rig->root;
    struct kv *elsewhere = copy_of(rig->kv), *earlier = copy_of(rig->kv);
    rig_header(rig, &header, 1 + rng_below(rng, RIG_EPOCH_MS / 4));
    draw_block(rig, &header, rng);
    block_encode(&bytes, &header, rig->txs, (uint32_t)rig->tx_count);
    execute_elsewhere(elsewhere, rig, buf_span(&bytes), &root);
    size_t tx_count = rig->tx_count;
    enum err err = rig_execute(rig, &header, &inverse);
    if (err != OK)
        fail_msg("what the filter took was refused: %s", rig->why);
    assert_memory_equal(root.bytes, rig->root.bytes, 32);
    assert_same_store(rig->kv, elsewhere);
    assert_int_equal(rig_count_grains(rig), rig_supply(rig).total);
    rig_apply(elsewhere, &inverse);
    assert_same_store(elsewhere, earlier);
    struct overlay *overlay = overlay_over_kv(elsewhere);
    tree_root(&root, overlay);
    assert_memory_equal(root.bytes, before.bytes, 32);
    overlay_free(overlay);
    kv_close(elsewhere);
    kv_close(earlier);
    kv_batch_free(&inverse);
    buf_free(&bytes);
    return tx_count;
}

// What has happened over all seeds, so that a property is not held by nothing.
struct seen {
    unsigned outcomes[TX_REFUSED_EVIDENCE + 1];
    unsigned events[LEDGER_RELAY_GONE + 1];
    unsigned slashed_at_once; // by an opening, before the epoch's settlement
};

static void note(struct seen *seen, const struct rig *rig, size_t tx_count) {
    for (size_t i = 0; i < tx_count; i++)
        seen->outcomes[rig->outcomes[i]]++;
    for (size_t i = 0; i < rig->event_count; i++)
        seen->events[rig->events[i].kind]++;
    if (rig_event(rig, LEDGER_RELAY_SLASHED) != NULL && rig_event(rig, LEDGER_EPOCH_BEGINS) == NULL)
        seen->slashed_at_once++;
}

static void run(enum consensus consensus) {
    struct seen seen = {0};
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct rig *rig = rig_new(consensus);
        for (unsigned i = 0; i < BLOCKS; i++)
            note(&seen, rig, one_block(rig, &rng));
        assert_true(rig_epoch(rig) > 3);
        rig_free(rig);
    }
    assert_true(seen.outcomes[TX_DONE] > 1000);
    assert_true(seen.slashed_at_once > 0);
    for (size_t kind = 0; kind <= LEDGER_RELAY_GONE; kind++) {
        if (seen.events[kind] == 0)
            fail_msg("event %zu never happened", kind);
    }
}

// Blocks made by one node, executed by another that keeps its state on disk.
static void follow(struct rig *maker, struct rig *follower, struct rng *rng) {
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct block_header header;
        rig_header(maker, &header, 1 + rng_below(rng, RIG_EPOCH_MS / 4));
        draw_block(maker, &header, rng);
        memcpy(follower->txs, maker->txs, sizeof follower->txs);
        follower->tx_count = maker->tx_count;
        assert_int_equal(rig_execute(maker, &header, NULL), OK);
        assert_int_equal(rig_execute(follower, &header, NULL), OK);
        assert_memory_equal(maker->root.bytes, follower->root.bytes, 32);
    }
    assert_same_store(maker->kv, follower->kv);
}

static void a_node_on_another_engine_comes_to_the_same_state(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    char *folder = folder_make();
    char *path = folder_file(folder, "db");
    struct buf why = {0};
    struct kv *kv;
    assert_int_equal(store_open_rocksdb(&kv, path, &(struct store_options){0}, &why), OK);
    struct rig *maker = rig_new(CONSENSUS_POS), *follower = rig_on(kv, CONSENSUS_POS);
    follow(maker, follower, &rng);
    rig_free(maker);
    rig_free(follower);
    buf_free(&why);
    free(path);
    folder_remove(folder);
}

static void random_blocks_of_authorities_conserve_the_supply_and_can_be_taken_back(void **state) {
    (void)state;
    run(CONSENSUS_POA);
}

static void random_blocks_of_stakers_conserve_the_supply_and_can_be_taken_back(void **state) {
    (void)state;
    run(CONSENSUS_POS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_blocks_of_authorities_conserve_the_supply_and_can_be_taken_back),
        cmocka_unit_test(random_blocks_of_stakers_conserve_the_supply_and_can_be_taken_back),
        cmocka_unit_test(a_node_on_another_engine_comes_to_the_same_state),
    };
    return cmocka_run_group_tests(tests, codec_setup, NULL);
}
