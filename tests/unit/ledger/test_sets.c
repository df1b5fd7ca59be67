// Worlds in which the set of validators changes while anything fails (trial.h).
#include "directory/directory.h"
#include "ledger/ledger_internal.h"
#include "ledger/trial.h"

#define SPARES 3 // with a key, not in genesis

static void key_of(const struct machine *machine, struct sign_secret *secret, struct sign_public *key) {
    sign_key_from_seed(secret, key, machine->validator_seed);
}

// Validators, spares, and a follower that has no key.
static struct world *world_with_spares(enum consensus consensus, uint64_t seed) {
    struct world *world = world_make_of(consensus, seed, VALIDATORS, VALIDATORS + SPARES + 1);
    struct ledger_genesis *genesis = &world->genesis.ledger;
    for (size_t i = VALIDATORS; i < VALIDATORS + SPARES; i++) {
        struct genesis_account *account = &genesis->accounts[genesis->account_count++];
        struct sign_secret secret;
        struct sign_public key;
        world->machines[i].is_validator = true;
        key_of(&world->machines[i], &secret, &key);
        memcpy(account->id.bytes, key.bytes, 32); // who is voted in operates with its own key
        account->grains = GRAINS_PER_SOT;
    }
    genesis_seal(&world->genesis);
    return world;
}

// It votes, or would at the next height: whoever is made a validator before counts among those that fail.
static bool is_awake(const struct machine *machine) {
    return machine->said.votes.n > 0 || (machine->up && machine_is_durable(machine) &&
                                         !signer_is_silent(machine->ledger->signer, height_of(machine) + 1));
}

static bool all_are_awake(const struct machine *at) {
    bool all = true;
    for (size_t i = 0; i < at->world->count; i++)
        all = all && (!validates(at, &at->world->machines[i]) || is_awake(&at->world->machines[i]));
    return all;
}

// ---- what holds

static void header_at(struct machine *machine, struct block_header *header, uint64_t height) {
    struct ledger_request request = {.id = 4, .op = LEDGER_BLOCK, .by_height = true, .height = height};
    const struct ledger_answer *answer = ask(machine, &request);
    assert_int_equal(answer->err, OK);
    assert_int_equal(block_header_decode(header, span_of(answer->block.p, BLOCK_HEADER_BYTES)), OK);
}

// A block changes the set of the height two above it, which the header between announces. Returns how many did.
static size_t assert_sets_are_announced(const struct trial *trial) {
    struct machine *machine = &trial->world->machines[0];
    struct block_header before, header;
    size_t changes = 0;
    uint64_t head = height_of(machine);
    header_at(machine, &before, 1);
    for (uint64_t height = 2; height <= head; height++, before = header) {
        header_at(machine, &header, height);
        assert_memory_equal(header.validators.bytes, before.next_validators.bytes, 32);
        bool changed = memcmp(header.next_validators.bytes, header.validators.bytes, 32) != 0;
        assert_true(!changed || before.tx_count > 0 || trial->world->genesis.ledger.consensus == CONSENSUS_POS);
        changes += changed;
    }
    return changes;
}

static void assert_who_validates_votes(const struct trial *trial) {
    struct world *world = trial->world;
    run_for(world, 20 * SECOND_MS);
    for (size_t i = 0; i < VALIDATORS + SPARES; i++) {
        struct sign_slot slot = signer_slot(world->machines[i].ledger->signer);
        if (validates(&world->machines[0], &world->machines[i]))
            assert_true(slot.step != SIGN_NOTHING && slot.height + 1 >= height_of(&world->machines[0]));
    }
}

// ---- votes

static void vote_of(struct machine *at, const struct machine *voter, struct tx *tx) {
    struct sign_secret secret = voter->operator;
    struct sign_public key;
    struct tx_id id;
    tx->sender = voter->operator_id;
    if (voter->index >= VALIDATORS) {
        key_of(voter, &secret, &key);
        memcpy(tx->sender.bytes, key.bytes, 32);
    }
    tx->nonce = nonce_of(at, &tx->sender);
    submit(at, tx, &secret, &id);
}

// Most operators stand by it: to add, to remove, to give another power.
static void draw_votes(struct trial *trial) {
    struct world *world = trial->world;
    struct machine *at = &world->machines[draw(trial, world->count)];
    const struct machine *about = &world->machines[draw(trial, VALIDATORS + SPARES)];
    struct sign_secret secret;
    struct tx tx = {.kind = TX_VALIDATOR_VOTE};
    tx.validator_vote.power = draw(trial, 4);
    if (!at->up || draw(trial, 2) == 0 || !is_awake(about) || !all_are_awake(at))
        return;
    key_of(about, &secret, &tx.validator_vote.key);
    tx.validator_vote.expiry_height = height_of(at) + 20;
    for (size_t i = 0; i < VALIDATORS + SPARES; i++)
        if (validates(at, &world->machines[i]) && draw(trial, 8) > 0)
            vote_of(at, &world->machines[i], &tx);
}

static size_t changes;

static void votes_change_the_set(uint64_t seed) {
    struct trial *trial = NEW(struct trial);
    trial_begin(trial, world_with_spares(CONSENSUS_POA, seed), seed);
    trial->act = draw_votes;
    trial->powers_vary = true;
    trial_run(trial);
    assert_healed(trial);
    assert_who_validates_votes(trial);
    changes += assert_sets_are_announced(trial);
    trial_end(trial);
    free(trial);
}

static void while_votes_change_the_set_one_chain_stands_and_goes_on(void **state) {
    (void)state;
    changes = 0;
    each_seed(votes_change_the_set, 40);
    assert_true(changes > 0);
}

// ---- stake

#define EPOCH_MS 5000
#define UNBONDING_MS (15 * SECOND_MS)
#define RELAY_STAKE 1000

// Of machine `spare`, so that there are epochs.
static void register_relay(struct trial *trial, const struct machine *spare) {
    struct world *world = trial->world;
    struct sign_secret secret;
    struct sign_public key;
    struct tx tx = {.network = world->genesis.network, .kind = TX_REGISTER_RELAY, .sender = spare->operator_id};
    struct tx_id id;
    sign_key_new(&secret, &key, &trial->rng);
    memcpy(tx.register_relay.relay.bytes, key.bytes, 32);
    tx.register_relay.address = world->addresses[spare->index];
    tx.register_relay.stake = RELAY_STAKE;
    tx.register_relay.onion.first_epoch = epoch_at(&world->genesis, world->now.wall_ms);
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        rng_bytes(&trial->rng, tx.register_relay.onion.keys[i].bytes, 32);
    tx.fee = FEE;
    tx_cosign(&tx, &secret);
    assert_int_equal(submit(&world->machines[0], &tx, &spare->operator, & id), MEMPOOL_TAKEN);
}

static uint64_t stake_of(const struct machine *at, const struct machine *machine) {
    struct overlay *overlay = overlay_over_kv(at->disk.kv);
    struct stakers stakers;
    uint64_t stake = 0;
    state_stakers(overlay, &stakers);
    for (size_t i = 0; i < stakers.count; i++)
        if (memcmp(stakers.stakers[i].operator.bytes, machine->operator_id.bytes, 32) == 0)
            stake = stakers.stakers[i].stake;
    overlay_free(overlay);
    return stake;
}

static void stake(struct trial *trial, struct machine *at, const struct machine *machine) {
    struct sign_secret secret;
    struct tx tx = {.network = at->world->genesis.network, .kind = TX_STAKE, .sender = machine->operator_id};
    struct tx_id id;
    key_of(machine, &secret, &tx.stake.key);
    tx.stake.amount = 1000 + draw(trial, 20000);
    tx.nonce = nonce_of(at, &tx.sender);
    tx_prove_key(&tx, &secret);
    submit(at, &tx, &machine->operator, & id);
}

// All of it or a part, at times more than may be.
static void unstake(struct trial *trial, struct machine *at, const struct machine *machine) {
    uint64_t held = stake_of(at, machine);
    struct tx tx = {.kind = TX_UNSTAKE, .sender = machine->operator_id};
    struct tx_id id;
    tx.unstake.amount = draw(trial, 2) == 0 ? held : 1 + draw(trial, held + 100);
    tx.nonce = nonce_of(at, &tx.sender);
    if (held > 0)
        submit(at, &tx, &machine->operator, & id);
}

static void draw_stakes(struct trial *trial) {
    struct world *world = trial->world;
    struct machine *at = &world->machines[draw(trial, world->count)];
    const struct machine *machine = &world->machines[draw(trial, VALIDATORS + SPARES)];
    if (!at->up || !is_awake(machine) || !all_are_awake(at))
        return;
    if (draw(trial, 2) == 0)
        stake(trial, at, machine);
    else
        unstake(trial, at, machine);
}

static void assert_set_is_by_stake(const struct machine *at) {
    size_t validators = 0;
    for (size_t i = 0; i < VALIDATORS + SPARES; i++) {
        struct sign_secret secret;
        struct sign_public key;
        key_of(&at->world->machines[i], &secret, &key);
        int validator = validator_set_find(&at->ledger->set, &key);
        uint64_t power = validator < 0 ? 0 : at->ledger->set.validators[validator].power;
        assert_int_equal(power, stake_of(at, &at->world->machines[i]));
        validators += validator >= 0;
    }
    assert_int_equal(at->ledger->set.count, validators);
}

// Nothing is unbonding any more: every operator has what it had, but for the fees.
static void assert_all_is_paid_out(const struct trial *trial) {
    struct machine *at = &trial->world->machines[0];
    for (size_t i = 0; i < VALIDATORS + SPARES; i++) {
        const struct machine *machine = &trial->world->machines[i];
        struct ledger_request request = {.id = 9, .op = LEDGER_ACCOUNT};
        memcpy(request.key, machine->operator_id.bytes, 32);
        const struct account account = ask(at, &request)->account.account;
        uint64_t staked = stake_of(at, machine);
        uint64_t had = GRAINS_PER_SOT + (i < VALIDATORS ? GENESIS_STAKE : -(uint64_t)RELAY_STAKE);
        assert_int_equal(account.balance + staked + FEE * account.nonce, had);
    }
}

static size_t unbonded;

static void count_unbonded(const struct machine *at) {
    struct overlay *overlay = overlay_over_kv(at->disk.kv);
    struct unbonding_queue queue;
    state_queue(overlay, &queue);
    assert_int_equal(queue.first, queue.end);
    unbonded += queue.end;
    overlay_free(overlay);
}

static struct world *world_by_stake(uint64_t seed) {
    struct world *world = world_with_spares(CONSENSUS_POS, seed);
    world->genesis.epoch_ms = EPOCH_MS;
    world->genesis.ledger.unbonding_ms = UNBONDING_MS;
    genesis_seal(&world->genesis);
    return world;
}

static void stake_makes_the_set(uint64_t seed) {
    struct trial *trial = NEW(struct trial);
    trial_begin(trial, world_by_stake(seed), seed);
    assert_true(run_until_height(trial->world, 1, 30 * SECOND_MS));
    for (size_t i = VALIDATORS; i < VALIDATORS + SPARES; i++)
        register_relay(trial, &trial->world->machines[i]);
    run_for(trial->world, 5 * SECOND_MS);
    assert_true(trial->world->machines[0].ledger->chain.header.epoch > 0);
    trial->act = draw_stakes;
    trial->powers_vary = true;
    trial_run(trial);
    assert_healed(trial);
    assert_who_validates_votes(trial);
    run_for(trial->world, UNBONDING_MS + 3 * EPOCH_MS);
    assert_set_is_by_stake(&trial->world->machines[0]);
    assert_all_is_paid_out(trial);
    count_unbonded(&trial->world->machines[0]);
    changes += assert_sets_are_announced(trial);
    trial_end(trial);
    free(trial);
}

static void at_the_ends_of_epochs_stake_makes_the_set_whatever_fails(void **state) {
    (void)state;
    changes = unbonded = 0;
    each_seed(stake_makes_the_set, 25);
    assert_true(changes > 0 && unbonded > 0);
}

// ---- evidence

// Somebody with the key of this machine tells one node two votes for one slot, and nobody else either.
#define LIAR 3

static bool is_slashed(const struct machine *at) {
    struct overlay *overlay = overlay_over_kv(at->disk.kv);
    struct validator_record record = {.slashed = false};
    struct sign_secret secret;
    struct sign_public key;
    key_of(&at->world->machines[LIAR], &secret, &key);
    state_validator(overlay, &record, &key);
    overlay_free(overlay);
    return record.slashed;
}

static void say_vote(struct trial *trial, struct stranger *stranger, const struct bft_view *view) {
    struct world *world = trial->world;
    struct vote vote = {.type = VOTE_PREVOTE, .height = view->height, .round = view->round};
    struct sign_secret secret;
    uint8_t body[VOTE_BYTES];
    key_of(&world->machines[LIAR], &secret, &vote.validator);
    rng_bytes(&trial->rng, vote.value.bytes, sizeof(vote.value.bytes));
    vote_sign(&vote, &world->genesis.network, &secret);
    vote_encode(body, &vote);
    stranger_say(stranger, FRAME_VOTE, SPAN_OF(body));
}

// Until it is found out: who has heard both may die before anybody else knows.
static void draw_lie(struct trial *trial) {
    struct machine *at = &trial->world->machines[draw(trial, LIAR)];
    struct bft_view view;
    if (!at->up || draw(trial, 3) > 0 || !all_are_awake(at) || is_slashed(at) ||
        trial->world->stranger_count == STRANGERS_MAX)
        return;
    struct stranger *stranger = stranger_join(at);
    stranger_prove(stranger, &trial->world->machines[LIAR]);
    bft_look(at->ledger->bft, &view);
    say_vote(trial, stranger, &view);
    say_vote(trial, stranger, &view);
}

// The height of the one block with evidence.
static uint64_t height_of_evidence(struct machine *machine) {
    uint64_t found = 0;
    for (uint64_t height = 1; height <= height_of(machine); height++) {
        struct ledger_request request = {.id = 4, .op = LEDGER_BLOCK, .by_height = true, .height = height};
        const struct ledger_answer *answer = ask(machine, &request);
        struct block block;
        assert_int_equal(block_decode(&block, buf_span(&answer->block)), OK);
        for (uint32_t i = 0; i < block.header.tx_count; i++) {
            struct tx tx;
            assert_int_equal(tx_decode(&tx, block.txs[i]), OK);
            assert_true(tx.kind != TX_EVIDENCE || found == 0);
            found = tx.kind == TX_EVIDENCE ? height : found;
        }
        block_free(&block);
    }
    assert_true(found > 0);
    return found;
}

static void assert_found_out(struct trial *trial) {
    struct world *world = trial->world;
    struct block_header one_above, two_above;
    uint64_t height = height_of_evidence(&world->machines[0]);
    header_at(&world->machines[0], &one_above, height + 1);
    header_at(&world->machines[0], &two_above, height + 2);
    assert_memory_not_equal(one_above.validators.bytes, two_above.validators.bytes, 32);
    for (size_t i = 0; i < world->count; i++) {
        assert_true(is_slashed(&world->machines[i]));
        assert_false(validates(&world->machines[i], &world->machines[LIAR]));
        assert_int_equal(world->machines[i].ledger->set.count, VALIDATORS - 1);
        assert_int_equal(stake_of(&world->machines[i], &world->machines[LIAR]), 0);
    }
}

static void one_node_hears_both(uint64_t seed) {
    struct trial *trial = NEW(struct trial);
    enum consensus consensus = seed % 2 == 0 ? CONSENSUS_POA : CONSENSUS_POS;
    trial_begin(trial, world_make_of(consensus, seed, VALIDATORS, VALIDATORS + 1), seed);
    trial->act = draw_lie;
    trial_run(trial);
    assert_healed(trial);
    for (size_t i = 0; i < 100 && !is_slashed(&trial->world->machines[0]); i++) {
        draw_lie(trial);
        run_for(trial->world, SECOND_MS);
    }
    assert_true(run_until_height(trial->world, height_of(&trial->world->machines[0]) + 3, 30 * SECOND_MS));
    assert_found_out(trial);
    trial_end(trial);
    free(trial);
}

static void two_votes_that_one_node_hears_cost_their_signer_its_power_whatever_fails(void **state) {
    (void)state;
    each_seed(one_node_hears_both, 50);
}

int main(int argc, char **argv) {
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_votes_change_the_set_one_chain_stands_and_goes_on),
        cmocka_unit_test(at_the_ends_of_epochs_stake_makes_the_set_whatever_fails),
        cmocka_unit_test(two_votes_that_one_node_hears_cost_their_signer_its_power_whatever_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
