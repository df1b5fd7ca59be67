// A relay claims what it delivered: the mailbox's proofs, a ledger that keeps one entry, and time.
#include "node/claiming.h"

#include "mailbox/world.h"

#define LEAVES 12
#define EPOCH 10 // of the deliveries

// A ledger in which one relay claims: what was submitted, and its entry for the epoch.
struct chain {
    struct world *world;
    size_t self;
    bool idle;
    bool loses; // what is submitted
    struct claiming *claiming;
    unsigned asked[EPOCH + 4];
    unsigned batches, openings;
    bool has;
    struct delivery_record record;
};

static bool chain_idle(void *ctx) {
    const struct chain *chain = ctx;
    return chain->idle;
}

static void chain_ask(void *ctx, struct step *step, uint32_t epoch) {
    (void)step;
    struct chain *chain = ctx;
    assert_true(epoch < EPOCH + 4);
    chain->asked[epoch]++;
}

// As a validator: the checks without state, all signatures, then the state's.
static void judge(const struct chain *chain, const struct tx *what, struct tx *out, uint8_t bytes[TX_BYTES_MAX]) {
    const struct world_node *node = &chain->world->nodes[chain->self];
    const struct tx_rules rules = {.network = chain->world->genesis.network, .fee_min = 10};
    struct tx tx = *what;
    tx.network = rules.network;
    memcpy(tx.sender.bytes, node->id.bytes, sizeof tx.sender.bytes);
    tx_sign(&tx, &node->secret);
    size_t n = tx_encode(bytes, &tx);
    assert_int_equal(tx_decode(out, span_of(bytes, n)), OK);
    assert_int_equal(tx_check(out, &rules), OK);
    assert_int_equal(tx_verify(out), OK);
}

static void open_leaf(struct chain *chain, const struct tx_opening *opening) {
    struct delivery_record *record = &chain->record;
    struct hash leaf;
    assert_int_equal(opening->epoch, EPOCH);
    assert_int_equal(opening->set.epoch, EPOCH);
    delivery_leaf_of(&leaf, opening->secret, &chain->world->nodes[chain->self].id);
    assert_memory_equal(leaf.bytes, opening->leaf.leaf.bytes, sizeof leaf.bytes);
    assert_int_equal(merkle_verify(&record->root, record->count, opening->index, &leaf, opening->leaf.path), OK);
    for (size_t i = 0; i < record->sample_count; i++) {
        if (record->sample[i] == opening->index)
            record->opened |= UINT64_C(1) << i;
    }
}

static void chain_submit(void *ctx, struct step *step, const struct tx *what) {
    (void)step;
    struct chain *chain = ctx;
    uint8_t bytes[TX_BYTES_MAX];
    struct tx tx;
    judge(chain, what, &tx, bytes);
    chain->batches += tx.kind == TX_DELIVERY_BATCH ? 1 : 0;
    chain->openings += tx.kind == TX_OPENING ? 1 : 0;
    if (chain->loses)
        return;
    if (tx.kind == TX_OPENING) {
        open_leaf(chain, &tx.opening);
        return;
    }
    assert_false(chain->has);
    assert_int_equal(tx.delivery_batch.epoch, EPOCH);
    chain->has = true;
    chain->record = (struct delivery_record){.root = tx.delivery_batch.root, .count = tx.delivery_batch.count};
}

// The block two heights above the batch.
static void draw(struct chain *chain, uint8_t count) {
    chain->record.sampled_height = 7;
    chain->record.sampled_ms = chain->world->now.wall_ms;
    chain->record.sample_count = count;
    for (uint8_t i = 0; i < count; i++)
        chain->record.sample[i] = (uint32_t)(LEAVES - 1 - i);
}

// ---- the relay ----

static void run_jobs(struct chain *chain, struct world_step *s) {
    for (size_t i = 0; i < s->jobs.count; i++) {
        struct job *job = s->jobs.jobs[i];
        struct kv_snapshot *snapshot = kv_snapshot(chain->world->nodes[chain->self].kv);
        struct world_step after;
        job->run(job, snapshot);
        kv_snapshot_release(snapshot);
        claiming_job_done(chain->claiming, world_begin(chain->world, &after, chain->self), job);
        world_end(chain->world, &after, chain->self);
    }
    s->jobs.count = 0;
}

// As world_end, but its jobs are the claiming's.
static void end_step(struct chain *chain, struct world_step *s) {
    struct job_list jobs = s->jobs;
    s->jobs = (struct job_list){0};
    world_end(chain->world, s, chain->self);
    s->jobs = jobs;
    run_jobs(chain, s);
    job_list_free(&s->jobs);
}

static void answer(struct chain *chain, uint32_t epoch) {
    struct world_step s;
    const struct delivery_record *record = epoch == EPOCH && chain->has ? &chain->record : NULL;
    claiming_record(chain->claiming, world_begin(chain->world, &s, chain->self), epoch, record);
    end_step(chain, &s);
}

static unsigned asked(const struct chain *chain) {
    unsigned count = 0;
    for (size_t i = 0; i < EPOCH + 4; i++)
        count += chain->asked[i];
    return count;
}

// One look, and the answers to what it asks.
static void look(struct chain *chain) {
    struct world_step s;
    world_clock(chain->world, WORLD_EPOCH_MS / 60);
    memset(chain->asked, 0, sizeof chain->asked);
    assert_true(claiming_next_ms(chain->claiming) <= chain->world->now.mono_ms);
    claiming_tick(chain->claiming, world_begin(chain->world, &s, chain->self));
    world_end(chain->world, &s, chain->self);
    for (uint32_t epoch = 0; epoch < EPOCH + 4; epoch++) {
        if (chain->asked[epoch] > 0)
            answer(chain, epoch);
    }
}

static void start_claiming(struct chain *chain) {
    const struct claiming_config config = {
        .genesis = &chain->world->genesis, .mailbox = chain->world->nodes[chain->self].mailbox, .deliveries_max = 100};
    const struct claiming_ports ports = {chain, chain_idle, chain_ask, chain_submit};
    claiming_free(chain->claiming);
    chain->claiming = claiming_new(&config, &ports);
}

static void acknowledge(struct chain *chain, const struct owner *bob) {
    struct item item;
    item_new(&item, chain->world, bob, HOUR_MS);
    world_store(chain->world, chain->self, bob, &item);
    world_delete(chain->world, chain->self, bob, &item, 1);
}

// So many deliveries in epoch EPOCH, which is over.
static void chain_new(struct chain *chain, struct owner *bob, size_t leaves) {
    *chain = (struct chain){.world = world_new(7, 1), .idle = true};
    owner_new(bob, chain->world);
    chain->self = world_rank(chain->world, bob, 0);
    start_claiming(chain);
    for (size_t i = 0; i < leaves; i++)
        acknowledge(chain, bob);
    world_next_epoch(chain->world, false, NULL);
}

static void chain_free(struct chain *chain) {
    claiming_free(chain->claiming);
    world_free(chain->world);
}

static void pass_to(struct chain *chain, uint32_t epoch, uint64_t into_ms) {
    world_clock(chain->world, epoch_start_ms(&chain->world->genesis, epoch) + into_ms - chain->world->now.wall_ms);
}

// ---- the tests ----

static void a_batch_is_submitted_in_the_second_half_of_the_next_epoch(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    look(&chain);
    assert_int_equal(chain.asked[EPOCH], 0);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    look(&chain);
    assert_true(chain.has);
    assert_int_equal(chain.record.count, LEAVES);
    assert_int_equal(chain.batches, 1);
    look(&chain);
    look(&chain);
    assert_int_equal(chain.batches, 1);
    chain_free(&chain);
}

static void what_the_sample_names_is_opened(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    look(&chain);
    look(&chain);
    assert_int_equal(chain.openings, 0);
    draw(&chain, 5);
    look(&chain);
    assert_int_equal(chain.openings, 5);
    assert_true(delivery_is_open(&chain.record));
    look(&chain);
    look(&chain);
    assert_int_equal(chain.openings, 5);
    assert_int_equal(chain.asked[EPOCH], 0); // nothing is left to do
    chain_free(&chain);
}

static void the_sample_may_be_opened_an_epoch_later(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    look(&chain);
    draw(&chain, LEAVES);
    pass_to(&chain, EPOCH + 2, 10);
    look(&chain);
    assert_true(delivery_is_open(&chain.record));
    pass_to(&chain, EPOCH + 3, 10);
    look(&chain);
    assert_int_equal(chain.asked[EPOCH], 0);
    chain_free(&chain);
}

static void what_was_lost_on_the_way_is_submitted_again(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    chain.loses = true;
    look(&chain);
    look(&chain);
    assert_int_equal(chain.batches, 2);
    chain.loses = false;
    look(&chain);
    draw(&chain, 3);
    chain.loses = true;
    look(&chain);
    chain.loses = false;
    look(&chain);
    assert_int_equal(chain.openings, 6);
    assert_true(delivery_is_open(&chain.record));
    chain_free(&chain);
}

static void nothing_is_asked_while_something_is_on_its_way(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    chain.idle = false;
    look(&chain);
    assert_int_equal(asked(&chain), 0);
    chain.idle = true;
    look(&chain);
    assert_int_equal(chain.batches, 1);
    chain_free(&chain);
}

static void a_restart_goes_on_where_it_was(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    look(&chain);
    world_lose_power(chain.world, chain.self);
    world_start(chain.world, chain.self);
    start_claiming(&chain);
    draw(&chain, 4);
    look(&chain);
    assert_int_equal(chain.batches, 1);
    assert_true(delivery_is_open(&chain.record));
    chain_free(&chain);
}

static void what_is_delivered_too_late_does_not_change_the_batch(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    struct item late;
    chain_new(&chain, &bob, LEAVES - 1);
    item_new(&late, chain.world, &bob, HOUR_MS);
    world_store_begin(chain.world, chain.self, &bob, &late, NULL, EPOCH); // with the directory of the epoch before
    world_settle(chain.world);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    look(&chain);
    world_delete(chain.world, chain.self, &bob, &late, 1);
    draw(&chain, 1);
    chain.record.sample[0] = 0;
    look(&chain);
    assert_int_equal(chain.record.count, LEAVES - 1);
    assert_true(delivery_is_open(&chain.record));
    chain_free(&chain);
}

static void a_validators_lie_does_not_keep_a_sample_closed(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    look(&chain);
    draw(&chain, 3);
    const struct delivery_record honest = chain.record;
    chain.record.opened = 7; // all of it, says one
    look(&chain);
    chain.record = honest;
    chain.record.sample[0] = LEAVES; // no leaf of the batch, says another
    world_clock(chain.world, WORLD_EPOCH_MS / 6);
    look(&chain);
    assert_int_equal(chain.openings, 2);
    chain.record = honest;
    look(&chain);
    assert_true(delivery_is_open(&chain.record));
    chain_free(&chain);
}

static void an_epoch_without_deliveries_is_not_claimed(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, 0);
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    look(&chain);
    assert_int_equal(chain.asked[EPOCH], 1);
    look(&chain);
    assert_int_equal(asked(&chain), 0);
    assert_int_equal(chain.batches, 0);
    chain_free(&chain);
}

static void a_batch_that_is_too_late_is_not_submitted(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    pass_to(&chain, EPOCH + 2, 10);
    look(&chain);
    assert_int_equal(chain.asked[EPOCH], 1);
    assert_int_equal(chain.batches, 0);
    chain_free(&chain);
}

static void from_another_batch_nothing_is_opened(void **state) {
    (void)state;
    struct chain chain;
    struct owner bob;
    chain_new(&chain, &bob, LEAVES);
    chain.world->nodes[chain.self].env.log.level = LOG_ERROR + 1;
    pass_to(&chain, EPOCH + 1, WORLD_EPOCH_MS / 2);
    look(&chain);
    chain.record.root.bytes[0] ^= 1;
    draw(&chain, 3);
    look(&chain);
    assert_int_equal(chain.openings, 0);
    chain.record.root.bytes[0] ^= 1; // the next validator tells the truth
    look(&chain);
    assert_int_equal(chain.openings, 3);
    chain_free(&chain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_submitted_in_the_second_half_of_the_next_epoch),
        cmocka_unit_test(what_the_sample_names_is_opened),
        cmocka_unit_test(the_sample_may_be_opened_an_epoch_later),
        cmocka_unit_test(what_was_lost_on_the_way_is_submitted_again),
        cmocka_unit_test(nothing_is_asked_while_something_is_on_its_way),
        cmocka_unit_test(a_restart_goes_on_where_it_was),
        cmocka_unit_test(what_is_delivered_too_late_does_not_change_the_batch),
        cmocka_unit_test(a_validators_lie_does_not_keep_a_sample_closed),
        cmocka_unit_test(an_epoch_without_deliveries_is_not_claimed),
        cmocka_unit_test(a_batch_that_is_too_late_is_not_submitted),
        cmocka_unit_test(from_another_batch_nothing_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
