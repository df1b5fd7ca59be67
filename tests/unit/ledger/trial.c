// See trial.h.
#include "ledger/trial.h"

#include "ledger/ledger_internal.h"

uint64_t draw(struct trial *trial, uint64_t bound) {
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
                              .sync_ms_max = draw(trial, 2) * draw(trial, 100),
                              .crash_permille = (unsigned)(draw(trial, 2) * draw(trial, 30)),
                              .power_percent = (unsigned)(draw(trial, 2) * draw(trial, 101))};
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

static uint64_t highest(const struct world *world) {
    uint64_t most = 0;
    for (size_t i = 0; i < world->count; i++)
        if (world->machines[i].up && height_of(&world->machines[i]) > most)
            most = height_of(&world->machines[i]);
    return most;
}

// One that has lost its memory, or that has come too late to the beginning of the network, is silent for a while, and
// so one of those that may fail. Before the second block it could not tell that the network has begun.
static bool may_wipe(const struct trial *trial) {
    const struct machine *wiped = trial->wiped;
    bool all_vote = true;
    for (size_t i = 0; i < VALIDATORS; i++)
        all_vote = all_vote && trial->world->machines[i].said.votes.n > 0;
    if (wiped == NULL || !all_vote)
        return all_vote && highest(trial->world) >= 2;
    struct sign_slot slot = {0};
    if (wiped->up)
        slot = signer_slot(wiped->ledger->signer);
    return slot.step != SIGN_NOTHING && slot.height > trial->wiped_height + 1;
}

static void wipe_some(struct trial *trial) {
    if (!trial->wipes || draw(trial, 3) == 0 || !may_wipe(trial)) {
        machine_wipe(&trial->world->machines[trial->world->count - 1]); // a follower
        return;
    }
    trial->wiped_height = highest(trial->world);
    trial->wiped = &trial->world->machines[draw(trial, VALIDATORS)];
    machine_wipe(trial->wiped);
}

// One is wrong at a time: when over a third are, blocks wait until the clocks of the rest have come so far, as they
// must.
static void jump_clock(struct trial *trial) {
    for (size_t i = 0; i < trial->world->count; i++)
        trial->world->machines[i].skew_ms = 0;
    struct machine *machine = &trial->world->machines[draw(trial, trial->world->count)];
    int64_t most_ms = trial->powers_vary    ? CLOCK_AHEAD_MS / 2
                      : draw(trial, 4) == 0 ? 3600 * (int64_t)SECOND_MS
                                            : 8 * (int64_t)SECOND_MS;
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

static void black_out(struct trial *trial) {
    for (size_t i = 0; i < trial->world->count; i++)
        machine_lose_power(&trial->world->machines[i]);
}

static void draw_event(struct trial *trial) {
    struct machine *machine = &trial->world->machines[draw(trial, trial->world->count)];
    switch (draw(trial, 15)) {
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
        wipe_some(trial);
        break;
    case 8:
        jump_clock(trial);
        break;
    case 9:
        machine_lose_power(machine);
        break;
    case 10:
        black_out(trial);
        break;
    default:
        restart_some(trial, false);
    }
}

// ---- transactions

// Of the operator; also ones that are too early, already there, or not payable.
void draw_transfer(struct trial *trial) {
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
void note_finals(struct trial *trial) {
    struct machine *machine = &trial->world->machines[draw(trial, trial->world->count)];
    if (!machine->up || !machine_is_durable(machine))
        return; // its answers would not have left yet
    for (size_t i = 0; i < trial->pending_count && trial->final_count < FINALS_MAX;) {
        if (status_of(machine, &trial->pending[i]) != TX_FINAL) {
            i++;
            continue;
        }
        trial->finals[trial->final_count++] = trial->pending[i];
        trial->pending[i] = trial->pending[--trial->pending_count];
    }
}

// ---- what holds

void assert_bounded(const struct world *world) {
    for (size_t i = 0; i < world->count; i++) {
        const struct machine *machine = &world->machines[i];
        if (!machine->up)
            continue;
        assert_null(ledger_broken(machine->ledger));
        assert_true(machine->ledger->candidate_count <= CANDIDATES_MAX);
        assert_true(machine->ledger->candidate_bytes <= CANDIDATE_BYTES_MAX);
        assert_true(machine->ledger->verify_queued <= VERIFY_QUEUE_MAX);
        assert_true(machine->ledger->wait_count <= WAITS_MAX);
        assert_true(machine->ledger->peer_count <= world->count * 2 + world->stranger_count);
        assert_true(machine->disk.log.n < 8 * 1024 * 1024);
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
    struct overlay *overlay = overlay_over_kv(machine->disk.kv);
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

static void print_standing(const struct machine *machine) {
    const struct ledger *ledger = machine->ledger;
    struct bft_view view;
    bft_look(ledger->bft, &view);
    print_message("node %zu: head %llu, round %u step %d locked %u valid %u behind %d due %d syncing %d peers %zu, "
                  "votes %d silent %d%s%s\n",
                  machine->index, (unsigned long long)ledger->chain.height, view.round, (int)view.step,
                  view.locked_round, view.valid_round, view.behind, view.due, ledger->syncing, ledger->peer_count,
                  validates(machine, machine),
                  ledger->signer != NULL && signer_is_silent(ledger->signer, ledger->chain.height + 1),
                  ledger->broken != NULL ? ", broken: " : "", ledger->broken != NULL ? ledger->broken : "");
}

void assert_healed(struct trial *trial) {
    struct world *world = trial->world;
    heal(trial);
    bool again = run_until_height(world, highest(world) + 3, HEALING_MS);
    for (size_t i = 0; !again && i < world->count; i++)
        print_standing(&world->machines[i]);
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

void trial_begin(struct trial *trial, struct world *world, uint64_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {1};
    *trial = (struct trial){.seed = seed, .world = world};
    store_u64(bytes + 8, seed);
    rng_init(&trial->rng, bytes);
    world_start(world);
}

void trial_end(struct trial *trial) {
    world_free(trial->world);
}

void trial_run(struct trial *trial) {
    draw_faults(trial);
    for (size_t i = 0; i < FAULTY_STEPS; i++) {
        draw_event(trial);
        draw_transfer(trial);
        if (trial->act != NULL)
            trial->act(trial);
        run_for(trial->world, 1 + draw(trial, 1000));
        note_finals(trial);
        assert_bounded(trial->world);
    }
}

void each_seed(void (*run)(uint64_t seed), uint64_t count) {
    uint64_t first = number_of("LEDGER_SEED", 1);
    count = number_of("LEDGER_SEEDS", count);
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (getenv("LEDGER_SEED") != NULL)
            print_message("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
}
