// Who signs one thing for some and another for others is found out, loses its power and, with stake, a part of it; the
// others go on, and nobody else is ever accused.
#include "ledger/ledger_internal.h"
#include "ledger/trial.h"

#define LIAR 3

// ---- what a liar does: its ledger is honest, its frames are not

static void liars_key(const struct world *world, struct sign_secret *secret, struct sign_public *key) {
    sign_key_from_seed(secret, key, world->machines[LIAR].validator_seed);
}

static void sign_another_vote(struct world *world, struct buf *body) {
    struct sign_secret secret;
    struct vote vote;
    assert_int_equal(vote_decode(&vote, buf_span(body)), OK);
    liars_key(world, &secret, &vote.validator);
    memset(vote.value.bytes, block_id_is_nil(&vote.value) ? 7 : 0, sizeof vote.value.bytes);
    vote_sign(&vote, &world->genesis.network, &secret);
    vote_encode(body->p, &vote);
}

// It neither compares nor passes on what it hears: its honest part would accuse itself.
static bool is_kept(size_t from, size_t to, uint8_t kind) {
    bool compares = kind == FRAME_HEARD || kind == FRAME_STATEMENT;
    return ((from == LIAR || to == LIAR) && compares) || (from == LIAR && kind == FRAME_TXS);
}

static bool keeps_its_own(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    (void)world, (void)body;
    return !is_kept(from, to, kind);
}

static bool is_vote(const struct buf *body, uint8_t kind, enum vote_type type) {
    return kind == FRAME_VOTE && body->p[0] == (uint8_t)type;
}

// Machine 0 hears something else than 1 and 2.
static bool prevotes_differently(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    if (from == LIAR && to == 0 && is_vote(body, kind, VOTE_PREVOTE))
        sign_another_vote(world, body);
    return !is_kept(from, to, kind);
}

static bool precommits_differently(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    if (from == LIAR && to == 0 && is_vote(body, kind, VOTE_PRECOMMIT))
        sign_another_vote(world, body);
    return !is_kept(from, to, kind);
}

// Two blocks that are both right: the second is a little later.
static bool proposes_differently(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    struct proposal_message *message = NEW(struct proposal_message);
    struct sign_secret secret;
    struct block_header header;
    struct buf block = {0};
    if (from == LIAR && to == 0 && kind == FRAME_PROPOSAL) {
        assert_int_equal(proposal_message_decode(message, buf_span(body)), OK);
        buf_append(&block, message->block);
        assert_int_equal(block_header_decode(&header, span_of(block.p, BLOCK_HEADER_BYTES)), OK);
        header.time_ms++;
        block_header_encode(block.p, &header);
        block_id_of(&message->proposal.value, &header);
        message->block = buf_span(&block);
        liars_key(world, &secret, &message->proposal.proposer);
        proposal_sign(&message->proposal, &world->genesis.network, &secret);
        buf_clear(body);
        proposal_message_encode(body, message);
    }
    buf_free(&block);
    free(message);
    return !is_kept(from, to, kind);
}

// ---- what must come of it

static bool validates_at(struct machine *machine, uint64_t height, const struct sign_public *key) {
    struct ledger_request request = {.id = 4, .op = LEDGER_BLOCK, .by_height = true, .height = height};
    const struct ledger_answer *answer = ask(machine, &request);
    struct block_header header;
    struct validator_set *set = NEW(struct validator_set);
    struct kv_batch nothing = {0};
    struct step step = {.env = &machine->env, .batch = &nothing};
    assert_int_equal(answer->err, OK);
    assert_int_equal(block_header_decode(&header, span_of(answer->block.p, BLOCK_HEADER_BYTES)), OK);
    assert_int_equal(chain_set(&step, &header.validators, set), OK);
    bool found = validator_set_find(set, key) >= 0;
    free(set);
    return found;
}

// The height of the first block with evidence; 0: none. Fails when any accuses another than the liar.
static uint64_t height_of_evidence(struct machine *machine, const struct sign_public *liar) {
    uint64_t found = 0;
    for (uint64_t height = 1; height <= height_of(machine); height++) {
        struct ledger_request request = {.id = 4, .op = LEDGER_BLOCK, .by_height = true, .height = height};
        struct block block;
        assert_int_equal(block_decode(&block, buf_span(&ask(machine, &request)->block)), OK);
        for (uint32_t i = 0; i < block.header.tx_count; i++) {
            struct tx tx;
            assert_int_equal(tx_decode(&tx, block.txs[i]), OK);
            if (tx.kind != TX_EVIDENCE)
                continue;
            assert_memory_equal(evidence_accused(&tx.evidence)->bytes, liar->bytes, 32);
            found = found == 0 ? height : found;
        }
        block_free(&block);
    }
    return found;
}

// All have one chain with the evidence in it; two heights later the liar has no power, and the others go on.
static void assert_found_out(struct world *world) {
    struct sign_secret secret;
    struct sign_public liar;
    liars_key(world, &secret, &liar);
    uint64_t height = height_of_evidence(&world->machines[0], &liar);
    assert_int_not_equal(height, 0);
    assert_true(run_until_height(world, height + 5, 60 * SECOND_MS));
    assert_chains_agree(world);
    for (size_t i = 0; i < world->count; i++) {
        struct machine *machine = &world->machines[i];
        assert_true(validates_at(machine, height + 1, &liar));
        assert_false(validates_at(machine, height + 2, &liar));
        assert_int_equal(machine->ledger->set.count, 3);
        assert_null(ledger_broken(machine->ledger));
    }
}

typedef bool lying(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body);

static void lie_for(struct world *world, lying *lies, uint64_t ms) {
    world->lies = lies;
    run_for(world, ms);
}

static struct world *world_with_liar(enum consensus consensus, uint64_t seed, lying *lies) {
    struct world *world = world_make_of(consensus, seed, 4, 5);
    world_start(world);
    lie_for(world, lies, 20 * SECOND_MS);
    return world;
}

static void who_prevotes_differently_for_some_loses_its_power(void **state) {
    (void)state;
    struct world *world = world_with_liar(CONSENSUS_POA, 1, prevotes_differently);
    assert_found_out(world);
    world_free(world);
}

static void who_precommits_differently_for_some_loses_its_power(void **state) {
    (void)state;
    struct world *world = world_with_liar(CONSENSUS_POA, 2, precommits_differently);
    assert_found_out(world);
    world_free(world);
}

static void who_proposes_differently_to_some_loses_its_power(void **state) {
    (void)state;
    struct world *world = world_with_liar(CONSENSUS_POA, 3, proposes_differently);
    assert_found_out(world);
    world_free(world);
}

static void the_stake_of_who_is_found_out_is_slashed(void **state) {
    (void)state;
    struct world *world = world_with_liar(CONSENSUS_POS, 4, precommits_differently);
    assert_found_out(world);
    for (size_t i = 0; i < world->count; i++) {
        struct overlay *overlay = overlay_over_kv(world->machines[i].env.kv);
        struct stakers stakers;
        struct supply supply;
        state_stakers(overlay, &stakers);
        assert_true(state_supply(overlay, &supply));
        assert_int_equal(stakers.count, 3);
        assert_int_equal(supply.pool, world->genesis.ledger.reward_pool + 500); // 5 % of 10000
        assert_int_equal(supply.total, ledger_genesis_supply(&world->genesis.ledger));
        overlay_free(overlay);
    }
    world_free(world);
}

// ---- while anything fails

static struct {
    uint64_t told_otherwise;           // bits of machines
    bool prevotes, precommits, blocks; // of which they hear something else
} lie;

static bool lies_to_some(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    size_t as = lie.told_otherwise >> to & 1 ? 0 : 1;
    bool leaves = !is_kept(from, to, kind);
    if (lie.prevotes)
        prevotes_differently(world, from, as, kind, body);
    if (lie.precommits)
        precommits_differently(world, from, as, kind, body);
    if (lie.blocks)
        proposes_differently(world, from, as, kind, body);
    return leaves;
}

// It still lies when all else has healed, if it was not found out before.
static void a_liar_while_anything_fails(uint64_t seed) {
    struct trial *trial = NEW(struct trial);
    trial_begin(trial, world_make(seed, VALIDATORS, VALIDATORS + 1), seed);
    run_for(trial->world, 5 * SECOND_MS); // who misses the beginning is silent, and the three others need each other
    uint64_t kinds = 1 + draw(trial, 7);
    lie.told_otherwise = 1 + draw(trial, 6); // one or two of the three others
    lie.prevotes = (kinds & 1) != 0;
    lie.precommits = (kinds & 2) != 0;
    lie.blocks = (kinds & 4) != 0;
    trial->world->lies = lies_to_some;
    trial_run(trial);
    lie_for(trial->world, keeps_its_own, SECOND_MS); // lies that wait for a disk have left
    assert_healed(trial);
    lie_for(trial->world, lies_to_some, 20 * SECOND_MS);
    assert_found_out(trial->world);
    trial_end(trial);
    free(trial);
}

static void a_liar_is_found_out_whatever_else_fails(void **state) {
    (void)state;
    each_seed(a_liar_while_anything_fails, 30);
}

// ---- who could not compare at once

static void cut_off(struct world *world, size_t machine, bool cut) {
    for (size_t i = 0; i < LIAR; i++)
        world->cut[machine][i] = world->cut[i][machine] = cut && i != machine;
}

static bool leaves_behind(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    bool helps = from == LIAR && to == 0 && (kind == FRAME_BLOCK || kind == FRAME_RANGE);
    return precommits_differently(world, from, to, kind, body) && !helps;
}

// Machine 0 hears the liar alone. The others decide with the liar, and go on for longer than anything is kept.
static void who_catches_up_compares_certificates_with_what_it_was_told(void **state) {
    (void)state;
    struct world *world = world_make(5, 4, 5);
    world_start(world);
    run_for(world, SECOND_MS);
    cut_off(world, 0, true);
    lie_for(world, leaves_behind, 40 * SECOND_MS);
    assert_true(height_of(&world->machines[1]) > height_of(&world->machines[0]) + WITNESS_HEIGHTS);
    world->lies = NULL;
    cut_off(world, 0, false);
    run_for(world, 20 * SECOND_MS);
    assert_found_out(world);
    world_free(world);
}

static bool nobody_compares(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    return prevotes_differently(world, from, to, kind, body) && kind != FRAME_HEARD && kind != FRAME_STATEMENT;
}

// All forget what they hold in memory; the log gives it back, and new links begin with what is kept.
static void what_was_heard_outlives_the_process(void **state) {
    (void)state;
    struct world *world = world_make(6, 4, 5);
    world_start(world);
    lie_for(world, nobody_compares, 6 * SECOND_MS);
    assert_int_equal(metric_value(world->machines[0].env.metrics, METRIC_LEDGER_EVIDENCE), 0);
    for (size_t i = 0; i < LIAR; i++)
        machine_stop(&world->machines[i]);
    world->lies = keeps_its_own;
    for (size_t i = 0; i < LIAR; i++)
        machine_start(&world->machines[i]);
    run_for(world, 20 * SECOND_MS);
    assert_found_out(world);
    world_free(world);
}

// ---- a validator that accuses

static struct world *world_of_three(uint64_t seed, struct stranger **liar) {
    struct world *world = world_make(seed, 4, 4);
    for (size_t i = 0; i < LIAR; i++)
        machine_start(&world->machines[i]);
    run_for(world, 5 * SECOND_MS);
    *liar = stranger_join(&world->machines[0]);
    stranger_prove(*liar, &world->machines[LIAR]);
    return world;
}

// What machine 0 has told the liar of the height that is kept longest, all else claimed.
static void claim_otherwise(struct stranger *liar, uint64_t height) {
    struct heard claim = {.height = height, .validators = 4, .value_count = 1};
    uint8_t body[HEARD_BYTES_MAX];
    memset(claim.values[0].value.bytes, 9, 32);
    claim.values[0].prevotes[0] = claim.values[0].precommits[0] = 15;
    claim.has_proposal = true;
    claim.valid_round = VALID_ROUND_NONE;
    claim.proposed = claim.values[0].value;
    stranger_say(liar, FRAME_HEARD, span_of(body, heard_encode(body, &claim)));
}

static void claims_without_end_cost_their_sender_its_allowance(void **state) {
    (void)state;
    struct stranger *liar;
    struct world *world = world_of_three(7, &liar);
    uint64_t before = height_of(&world->machines[0]);
    for (size_t second = 0; second < 20; second++) {
        for (size_t i = 0; i < 1000; i++)
            claim_otherwise(liar, height_of(&world->machines[0]));
        run_for(world, SECOND_MS);
    }
    assert_in_range(liar->frames[FRAME_STATEMENT], 7, 256 + 20 * 64);
    assert_false(liar->closed);
    assert_true(height_of(&world->machines[0]) >= before + 5); // a turn in four is the liar's and passes by
    assert_int_equal(metric_value(world->machines[0].env.metrics, METRIC_LEDGER_EVIDENCE), 0);
    assert_int_equal(world->machines[0].ledger->set.count, 4);
    world_free(world);
}

static void say_statement(struct stranger *stranger, const struct statement *statement) {
    uint8_t body[STATEMENT_BYTES_MAX];
    stranger_say(stranger, FRAME_STATEMENT, span_of(body, statement_encode(body, statement)));
}

static void a_forged_statement_closes_the_link(void **state) {
    (void)state;
    struct stranger *liar;
    struct statement statement;
    struct world *world = world_of_three(8, &liar);
    uint64_t height = height_of(&world->machines[0]);
    claim_otherwise(liar, height); // to hear what it has
    assert_true(liar->frames[FRAME_STATEMENT] > 0);
    assert_int_equal(statement_decode(&statement, buf_span(&liar->last[FRAME_STATEMENT])), OK);
    say_statement(liar, &statement); // nothing new
    statement.vote.round = 5;
    say_statement(liar, &statement); // contradicts nothing: not looked at
    assert_false(liar->closed);
    statement.vote.round = 0;
    statement.vote.value.bytes[0] ^= 1;
    say_statement(liar, &statement);
    assert_true(liar->closed);
    run_for(world, SECOND_MS);
    assert_int_equal(metric_value(world->machines[0].env.metrics, METRIC_LEDGER_EVIDENCE), 0);
    world_free(world);
}

static void strangers_are_not_told_and_not_listened_to(void **state) {
    (void)state;
    struct world *world = world_make(9, 4, 4);
    world_start(world);
    struct stranger *stranger = stranger_join(&world->machines[0]);
    run_for(world, 5 * SECOND_MS);
    claim_otherwise(stranger, height_of(&world->machines[0]));
    assert_int_equal(stranger->frames[FRAME_HEARD] + stranger->frames[FRAME_STATEMENT], 0);
    world_free(world);
}

// ---- a validator that makes evidence against itself

static struct evidence against_liar(struct world *world, uint32_t round) {
    struct vote votes[2] = {{.type = VOTE_PREVOTE, .height = 1, .round = round}};
    struct sign_secret secret;
    struct evidence evidence;
    liars_key(world, &secret, &votes[0].validator);
    votes[1] = votes[0];
    votes[1].value.bytes[0] = 7;
    for (size_t i = 0; i < 2; i++)
        vote_sign(&votes[i], &world->genesis.network, &secret);
    assert_int_equal(evidence_of_votes(&evidence, &votes[0], &votes[1]), OK);
    return evidence;
}

static enum mempool_verdict offer_against_liar(struct machine *machine, uint32_t round) {
    struct tx tx = {.network = machine->world->genesis.network, .kind = TX_EVIDENCE};
    uint8_t bytes[TX_BYTES_MAX];
    tx.evidence = against_liar(machine->world, round);
    struct ledger_request request = {.id = 2, .op = LEDGER_SUBMIT, .tx = span_of(bytes, tx_encode(bytes, &tx))};
    return ask(machine, &request)->verdict;
}

// It is free and not sent away for a fee: without end it would take the place of all that pays, and at a follower,
// which proposes nothing, it would stay for ever.
static void one_evidence_waits_against_each_and_goes_when_any_is_in_a_block(void **state) {
    (void)state;
    struct world *world = world_make(11, 4, 5);
    struct machine *machines[] = {&world->machines[0], &world->machines[4]};
    for (size_t i = 0; i < 2; i++)
        machine_start(machines[i]);
    run_for(world, SECOND_MS);
    for (uint32_t round = 0; round < 20; round++)
        for (uint32_t i = 0; i < 2; i++)
            assert_int_equal(offer_against_liar(machines[i], round + i),
                             round == 0 ? MEMPOOL_TAKEN : MEMPOOL_UNDERPRICED);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(mempool_count(machines[i]->ledger->mempool), 1);
    for (size_t i = 1; i < LIAR; i++)
        machine_start(&world->machines[i]);
    run_for(world, 20 * SECOND_MS);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(machines[i]->ledger->set.count, 3);
        assert_int_equal(mempool_count(machines[i]->ledger->mempool), 0);
    }
    world_free(world);
}

// ---- what it costs

static struct { size_t frames[256], bytes[256]; } sent;

static bool counts(struct world *world, size_t from, size_t to, uint8_t kind, struct buf *body) {
    (void)world, (void)from, (void)to;
    sent.frames[kind]++;
    sent.bytes[kind] += body->n;
    return true;
}

// Transfers one after the other, so that heights follow each other faster than anything is repeated.
static void each_height_is_told_to_each_once(void **state) {
    (void)state;
    struct world *world = world_make(10, 4, 4);
    world_start(world);
    run_for(world, 5 * SECOND_MS);
    uint64_t before = height_of(&world->machines[0]);
    memset(&sent, 0, sizeof sent);
    world->lies = counts;
    for (uint64_t nonce = 0; nonce < 200; nonce++) {
        submit_transfer(&world->machines[0], nonce, 1);
        run_for(world, 20);
    }
    uint64_t heights = height_of(&world->machines[0]) - before;
    assert_true(heights >= 200);
    print_message("%zu heights: votes %zu frames %zu bytes, heard %zu frames %zu bytes\n", (size_t)heights,
                  sent.frames[FRAME_VOTE], sent.bytes[FRAME_VOTE], sent.frames[FRAME_HEARD], sent.bytes[FRAME_HEARD]);
    assert_in_range(sent.frames[FRAME_HEARD], (heights - 1) * 12, (heights + 1) * 12);
    assert_int_equal(sent.frames[FRAME_STATEMENT], 0);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_prevotes_differently_for_some_loses_its_power),
        cmocka_unit_test(who_precommits_differently_for_some_loses_its_power),
        cmocka_unit_test(who_proposes_differently_to_some_loses_its_power),
        cmocka_unit_test(the_stake_of_who_is_found_out_is_slashed),
        cmocka_unit_test(a_liar_is_found_out_whatever_else_fails),
        cmocka_unit_test(who_catches_up_compares_certificates_with_what_it_was_told),
        cmocka_unit_test(what_was_heard_outlives_the_process),
        cmocka_unit_test(claims_without_end_cost_their_sender_its_allowance),
        cmocka_unit_test(a_forged_statement_closes_the_link),
        cmocka_unit_test(strangers_are_not_told_and_not_listened_to),
        cmocka_unit_test(one_evidence_waits_against_each_and_goes_when_any_is_in_a_block),
        cmocka_unit_test(each_height_is_told_to_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
