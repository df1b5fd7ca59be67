// Worlds of ledgers by seed: faults for a while, then none. Whatever happened, all hold one chain without gaps, nothing
// that was final is lost, nothing is done twice, no grain comes or goes, and all decide again soon.
//
// LEDGER_SEEDS (how many; 100) and LEDGER_SEED (the first; 1) choose the worlds.
#include "ledger/ledger_internal.h"
#include "ledger/world.h"

#define FAULTY_STEPS 40 // of at most a second and a half each
#define HEALING_MS (180 * SECOND_MS)
#define FINALS_MAX 1024
#define VALIDATORS 4

struct trial {
    struct world *world;
    struct rng rng;
    uint64_t seed;
    size_t final_count;
    struct tx_id finals[FINALS_MAX]; // that some node has called final
    size_t pending_count;
    struct tx_id pending[FINALS_MAX];
};

static uint64_t draw(struct trial *trial, uint64_t bound) {
    return rng_below(&trial->rng, bound);
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

// ---- faults

static void draw_faults(struct trial *trial) {
    struct faults *faults = &trial->world->faults;
    *faults = (struct faults){.loss_percent = (unsigned)(draw(trial, 2) * draw(trial, 30)),
                              .twice_percent = (unsigned)(draw(trial, 2) * draw(trial, 20)),
                              .delay_ms_max = draw(trial, 2) * draw(trial, 300),
                              .job_ms_max = draw(trial, 2) * draw(trial, 2000),
                              .crash_permille = (unsigned)(draw(trial, 2) * draw(trial, 30))};
}

static void cut_one_way(struct trial *trial, bool cut) {
    size_t count = trial->world->count;
    trial->world->cut[draw(trial, count)][draw(trial, count)] = cut;
}

static void partition(struct trial *trial) {
    struct world *world = trial->world;
    uint64_t side = draw(trial, 1u << world->count);
    for (size_t i = 0; i < world->count; i++)
        for (size_t k = 0; k < world->count; k++)
            world->cut[i][k] = (side >> i & 1) != (side >> k & 1);
}

static void wipe_follower(struct trial *trial) {
    struct machine *follower = &trial->world->machines[VALIDATORS];
    if (follower->up)
        machine_stop(follower);
    kv_close(follower->kv);
    follower->env.kv = follower->kv = kv_memory_new();
    buf_clear(&follower->log);
}

// One is wrong at a time: when over a third are, blocks wait until the clocks of the rest have come so far, as they
// must.
static void jump_clock(struct trial *trial) {
    for (size_t i = 0; i < trial->world->count; i++)
        trial->world->machines[i].skew_ms = 0;
    struct machine *machine = &trial->world->machines[draw(trial, trial->world->count)];
    int64_t most_ms = draw(trial, 4) == 0 ? 3600 * (int64_t)SECOND_MS : 8 * (int64_t)SECOND_MS;
    machine->skew_ms = (int64_t)draw(trial, (uint64_t)most_ms * 2) - most_ms;
    if (machine->skew_ms < -(int64_t)trial->world->now.wall_ms / 2)
        machine->skew_ms = 0;
}

static void restart_some(struct trial *trial, bool all) {
    for (size_t i = 0; i < trial->world->count; i++) {
        struct machine *machine = &trial->world->machines[i];
        if (machine->up || (!all && draw(trial, 2) == 0))
            continue;
        machine_start(machine);
        assert_string_equal(machine->why, "");
    }
}

static void draw_event(struct trial *trial) {
    struct machine *machine = &trial->world->machines[draw(trial, trial->world->count)];
    switch (draw(trial, 12)) {
    case 0:
        draw_faults(trial);
        break;
    case 1:
    case 2:
        cut_one_way(trial, true);
        break;
    case 3:
        partition(trial);
        break;
    case 4:
    case 5:
        memset(trial->world->cut, 0, sizeof(trial->world->cut));
        break;
    case 6:
        if (machine->up)
            machine_stop(machine);
        break;
    case 7:
        wipe_follower(trial);
        break;
    case 8:
        jump_clock(trial);
        break;
    default:
        restart_some(trial, false);
    }
}

// ---- transactions

// Of the operator; also ones that are too early, already there, or not payable.
static void draw_transfer(struct trial *trial) {
    struct world *world = trial->world;
    struct machine *machine = &world->machines[draw(trial, world->count)];
    if (!machine->up || trial->pending_count == FINALS_MAX)
        return;
    struct ledger_request request = {.id = 9, .op = LEDGER_ACCOUNT};
    memcpy(request.key, world->genesis.ledger.accounts[0].id.bytes, 32);
    struct tx tx = {.kind = TX_TRANSFER, .sender = world->genesis.ledger.accounts[0].id};
    tx.nonce = ask(machine, &request)->account.next_nonce + draw(trial, 2) * draw(trial, 3);
    tx.transfer.to.bytes[0] = (uint8_t)draw(trial, 256);
    tx.transfer.to.bytes[31] = 1;
    tx.transfer.amount = 1 + draw(trial, 1000);
    struct tx_id id;
    if (submit(machine, &tx, &world->operator, & id) == MEMPOOL_TAKEN)
        trial->pending[trial->pending_count++] = id;
}

// What a node calls final stays so: it is asked for again at the end.
static void note_finals(struct trial *trial) {
    struct machine *machine = &trial->world->machines[draw(trial, trial->world->count)];
    for (size_t i = 0; machine->up && i < trial->pending_count && trial->final_count < FINALS_MAX;) {
        if (status_of(machine, &trial->pending[i]) != TX_FINAL) {
            i++;
            continue;
        }
        trial->finals[trial->final_count++] = trial->pending[i];
        trial->pending[i] = trial->pending[--trial->pending_count];
    }
}

// ---- what holds

static void assert_bounded(const struct world *world) {
    for (size_t i = 0; i < world->count; i++) {
        const struct machine *machine = &world->machines[i];
        if (!machine->up)
            continue;
        assert_null(ledger_broken(machine->ledger));
        assert_true(machine->ledger->candidate_count <= CANDIDATES_MAX);
        assert_true(machine->ledger->candidate_bytes <= CANDIDATE_BYTES_MAX);
        assert_true(machine->ledger->verify_queued <= VERIFY_QUEUE_MAX);
        assert_true(machine->ledger->wait_count <= WAITS_MAX);
        assert_true(machine->ledger->peer_count <= world->count * 2);
        assert_true(machine->log.n < 8 * 1024 * 1024);
    }
}

static void assert_txs_once(const struct block *block, uint64_t *next_nonce, const struct account_id *operator) {
    for (uint32_t i = 0; i < block->header.tx_count; i++) {
        struct tx tx;
        assert_int_equal(tx_decode(&tx, block->txs[i]), OK);
        if (memcmp(tx.sender.bytes, operator->bytes, 32) == 0)
            assert_int_equal(tx.nonce, (*next_nonce)++); // so that none is there twice
    }
}

static void assert_one_chain(const struct trial *trial) {
    struct world *world = trial->world;
    struct machine *machine = &world->machines[0];
    uint64_t nonce = 0;
    struct block_id parent = {{0}};
    for (uint64_t height = 1; height <= height_of(machine); height++) {
        struct ledger_request request = {.id = 4, .op = LEDGER_BLOCK, .by_height = true, .height = height};
        const struct ledger_answer *answer = ask(machine, &request);
        struct block block;
        assert_int_equal(answer->err, OK);
        assert_int_equal(block_decode(&block, buf_span(&answer->block)), OK);
        assert_int_equal(block.header.height, height);
        if (height > 1)
            assert_memory_equal(block.header.parent.bytes, parent.bytes, 32);
        parent = answer->block_id;
        assert_txs_once(&block, &nonce, &world->genesis.ledger.accounts[0].id);
        block_free(&block);
    }
}

static void assert_supply(const struct machine *machine) {
    struct overlay *overlay = overlay_over_kv(machine->kv);
    struct supply supply;
    assert_true(state_supply(overlay, &supply));
    assert_int_equal(supply.total, ledger_genesis_supply(&machine->world->genesis.ledger));
    overlay_free(overlay);
}

static void heal(struct trial *trial) {
    struct world *world = trial->world;
    world->faults = (struct faults){0};
    world->lies = NULL;
    memset(world->cut, 0, sizeof(world->cut));
    for (size_t i = 0; i < world->count; i++)
        world->machines[i].skew_ms = 0;
    restart_some(trial, true);
}

static uint64_t highest(const struct world *world) {
    uint64_t most = 0;
    for (size_t i = 0; i < world->count; i++)
        if (world->machines[i].up && height_of(&world->machines[i]) > most)
            most = height_of(&world->machines[i]);
    return most;
}

static void assert_healed(struct trial *trial) {
    struct world *world = trial->world;
    heal(trial);
    bool again = run_until_height(world, highest(world) + 3, HEALING_MS);
    for (size_t i = 0; !again && i < world->count; i++) {
        struct bft_view view;
        bft_look(world->machines[i].ledger->bft, &view);
        print_message("node %zu: head %llu, height %llu round %u step %d locked %u valid %u behind %d due %d syncing "
                      "%d peers %zu\n",
                      i, (unsigned long long)world->machines[i].ledger->chain.height, (unsigned long long)view.height,
                      view.round, (int)view.step, view.locked_round, view.valid_round, view.behind, view.due,
                      world->machines[i].ledger->syncing, world->machines[i].ledger->peer_count);
    }
    assert_true(again);
    run_for(world, 10);
    assert_bounded(world);
    assert_chains_agree(world);
    assert_one_chain(trial);
    for (size_t i = 0; i < world->count; i++) {
        assert_supply(&world->machines[i]);
        for (size_t k = 0; k < trial->final_count; k++)
            assert_int_equal(status_of(&world->machines[i], &trial->finals[k]), TX_FINAL);
    }
}

// ---- worlds

static void trial_begin(struct trial *trial, uint64_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {1};
    *trial = (struct trial){.seed = seed, .world = world_make(seed, VALIDATORS, VALIDATORS + 1)};
    store_u64(bytes + 8, seed);
    rng_init(&trial->rng, bytes);
    if (getenv("LEDGER_SEED") != NULL)
        print_message("seed %llu\n", (unsigned long long)seed);
    world_start(trial->world);
}

static void trial_run(struct trial *trial) {
    draw_faults(trial);
    for (size_t i = 0; i < FAULTY_STEPS; i++) {
        draw_event(trial);
        draw_transfer(trial);
        run_for(trial->world, 1 + draw(trial, 1000));
        note_finals(trial);
        assert_bounded(trial->world);
    }
}

static void each_seed(void (*prepare)(struct trial *trial), uint64_t share) {
    uint64_t first = number_of("LEDGER_SEED", 1), count = number_of("LEDGER_SEEDS", 100) / share;
    struct trial *trial = NEW(struct trial);
    for (uint64_t seed = first; seed < first + (count > 0 ? count : 1); seed++) {
        trial_begin(trial, seed);
        if (prepare != NULL)
            prepare(trial);
        trial_run(trial);
        assert_healed(trial);
        world_free(trial->world);
    }
    free(trial);
}

static void whatever_fails_one_chain_stands_and_goes_on(void **state) {
    (void)state;
    each_seed(NULL, 1);
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
    trial_begin(trial, seed);
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
    world_free(trial->world);
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

static bool validates(const struct machine *at, const struct machine *machine) {
    struct sign_secret secret;
    struct sign_public key;
    sign_key_from_seed(&secret, &key, machine->validator_seed);
    return validator_set_find(&at->ledger->set, &key) >= 0;
}

// ---- the set changes

static uint64_t nonce_of(struct machine *machine, const struct account_id *account) {
    struct ledger_request request = {.id = 9, .op = LEDGER_ACCOUNT};
    memcpy(request.key, account->bytes, 32);
    return ask(machine, &request)->account.next_nonce;
}

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
        cmocka_unit_test(garbage_stops_nobody),
        cmocka_unit_test(withheld_blocks_stop_nobody),
        cmocka_unit_test(false_heights_stop_nobody),
        cmocka_unit_test(votes_add_a_validator_and_remove_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
