// Worlds of ledgers by seed, whatever fails (trial.h); liars; and a set that changes.
#include "ledger/ledger_internal.h"
#include "ledger/trial.h"

static void anything_fails(uint64_t seed) {
    struct trial *trial = NEW(struct trial);
    trial_begin(trial, world_make(seed, VALIDATORS, VALIDATORS + 1), seed);
    trial_run(trial);
    assert_healed(trial);
    trial_end(trial);
    free(trial);
}

static void whatever_fails_one_chain_stands_and_goes_on(void **state) {
    (void)state;
    each_seed(anything_fails, 100);
}

static void validators_are_wiped(uint64_t seed) {
    struct trial *trial = NEW(struct trial);
    trial_begin(trial, world_make(seed, VALIDATORS, VALIDATORS + 1), seed);
    trial->wipes = true;
    trial_run(trial);
    assert_healed(trial);
    trial_end(trial);
    free(trial);
}

static void a_wiped_validator_comes_back_and_contradicts_nothing(void **state) {
    (void)state;
    each_seed(validators_are_wiped, 100);
}

// ---- a validator that lies, in worlds where nothing else fails

static bool sends_garbage(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    (void)to, (void)kind;
    if (from == 3 && body->n > 0 && rng_below(&world->rng, 4) == 0)
        body->p[rng_below(&world->rng, body->n)] ^= (uint8_t)(1 + rng_below(&world->rng, 255));
    return true;
}

static bool withholds_blocks(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    (void)world, (void)to, (void)body;
    return from != 3 || (kind != FRAME_PROPOSAL && kind != FRAME_BLOCK && kind != FRAME_RANGE);
}

static bool claims_heights(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    (void)to;
    if (from == 3 && kind == FRAME_STATUS)
        store_u64(body->p, rng_below(&world->rng, 2) == 0 ? (uint64_t)1 << 63 : rng_below(&world->rng, 50));
    return true;
}

static void three_honest_go_on(bool (*lies)(struct world *, size_t, size_t, uint8_t, struct buf *), uint64_t seed) {
    struct trial *trial = NEW(struct trial);
    trial_begin(trial, world_make(seed, VALIDATORS, VALIDATORS + 1), seed);
    trial->world->lies = lies;
    run_for(trial->world, SECOND_MS);
    uint64_t before = height_of(&trial->world->machines[0]);
    for (size_t i = 0; i < 60; i++) {
        draw_transfer(trial);
        run_for(trial->world, SECOND_MS);
        note_finals(trial);
        assert_bounded(trial->world);
    }
    assert_true(height_of(&trial->world->machines[0]) >= before + 15);
    assert_healed(trial);
    trial_end(trial);
    free(trial);
}

static void garbage_stops_nobody(void **state) {
    (void)state;
    three_honest_go_on(sends_garbage, 1001);
}

static void withheld_blocks_stop_nobody(void **state) {
    (void)state;
    three_honest_go_on(withholds_blocks, 1002);
}

static void false_heights_stop_nobody(void **state) {
    (void)state;
    three_honest_go_on(claims_heights, 1003);
}

// ---- the set changes

static void all_vote(struct world *world, size_t about, uint64_t power) {
    struct sign_secret secret;
    struct tx tx = {.kind = TX_VALIDATOR_VOTE};
    sign_key_from_seed(&secret, &tx.validator_vote.key, world->machines[about].validator_seed);
    tx.validator_vote.power = power;
    tx.validator_vote.expiry_height = height_of(&world->machines[0]) + 100;
    for (size_t i = 0; i < 4; i++) {
        struct machine *machine = &world->machines[i];
        struct tx_id id;
        if (!validates(&world->machines[0], machine) || i == about)
            continue;
        tx.sender = machine->operator_id;
        tx.nonce = nonce_of(&world->machines[0], &tx.sender);
        assert_int_equal(submit(&world->machines[0], &tx, &machine->operator, & id), MEMPOOL_TAKEN);
    }
}

static void votes_add_a_validator_and_remove_another(void **state) {
    (void)state;
    struct world *world = world_make(1005, 4, 5);
    world->machines[4].is_validator = true;
    world_start(world);
    run_for(world, 3 * SECOND_MS);
    all_vote(world, 1, 0);
    run_for(world, 10 * SECOND_MS);
    assert_false(validates(&world->machines[0], &world->machines[1]));
    all_vote(world, 4, 1);
    run_for(world, 10 * SECOND_MS);
    assert_true(validates(&world->machines[0], &world->machines[4]));
    for (size_t i = 0; i < world->machines[0].ledger->peer_count; i++) {
        const struct peer *peer = world->machines[0].ledger->peers[i];
        bool left = memcmp(peer->id.bytes, world->machines[1].id.bytes, 32) == 0;
        assert_int_equal(peer->is_member, !left);
    }
    machine_stop(&world->machines[1]); // four are left, of whom three are enough
    machine_stop(&world->machines[2]);
    uint64_t before = height_of(&world->machines[0]);
    run_for(world, 20 * SECOND_MS);
    assert_true(height_of(&world->machines[0]) >= before + 4);
    assert_chains_agree(world);
    world_free(world);
}

int main(int argc, char **argv) {
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_fails_one_chain_stands_and_goes_on),
        cmocka_unit_test(a_wiped_validator_comes_back_and_contradicts_nothing),
        cmocka_unit_test(garbage_stops_nobody),
        cmocka_unit_test(withheld_blocks_stop_nobody),
        cmocka_unit_test(false_heights_stop_nobody),
        cmocka_unit_test(votes_add_a_validator_and_remove_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
