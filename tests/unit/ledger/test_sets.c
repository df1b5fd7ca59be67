// Worlds in which the set of validators changes while anything fails (trial.h).
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
    for (size_t i = 0; i < VALIDATORS + SPARES; i++)
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
    print_message("%zu changes\n", changes);
    assert_true(changes > 0);
}

int main(int argc, char **argv) {
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_votes_change_the_set_one_chain_stands_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
