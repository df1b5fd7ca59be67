// What liars can do to a ledger: each attack is tried, and the node stays right and goes on. A stranger is a link held
// by the test; with the key of a validator whose machine does not run it is a validator that lies.
#include "ledger/ledger_internal.h"
#include "ledger/world.h"

static void say_status(struct stranger *stranger, uint64_t height) {
    struct peer_status status = {.height = height, .first_height = 1};
    uint8_t body[STATUS_BYTES];
    stranger_say(stranger, FRAME_STATUS, span_of(body, peer_status_encode(body, &status)));
}

static void say_found(struct stranger *stranger, uint8_t kind, uint64_t height, struct span found) {
    struct buf body = {0};
    found_encode(&body, height, found);
    stranger_say(stranger, kind, buf_span(&body));
    buf_free(&body);
}

static void append_pair(struct buf *out, struct span block, struct span certificate) {
    part_append(out, block);
    part_append(out, certificate);
}

// A block and its certificate, as a machine holds them.
static void append_pair_of(struct buf *out, struct machine *machine, uint64_t height) {
    struct ledger_request request = {.id = 4, .op = LEDGER_BLOCK, .by_height = true, .height = height};
    const struct ledger_answer *answer = ask(machine, &request);
    assert_int_equal(answer->err, OK);
    append_pair(out, buf_span(&answer->block), buf_span(&answer->certificate));
}

static struct world *world_of_three_and_a_liar(uint64_t seed) {
    struct world *world = world_make(seed, 4, 4);
    for (size_t i = 0; i < 3; i++)
        machine_start(&world->machines[i]);
    run_for(world, SECOND_MS);
    return world;
}

// ---- claims

static void claimed_heights_do_not_stop_validators(void **state) {
    (void)state;
    struct world *world = world_make(1, 4, 4);
    struct stranger *strangers[4];
    world_start(world);
    run_for(world, 3 * SECOND_MS);
    uint64_t before = height_of(&world->machines[0]);
    for (size_t i = 0; i < 4; i++)
        strangers[i] = stranger_join(&world->machines[i]);
    for (size_t second = 0; second < 20; second++) {
        for (size_t i = 0; i < 4; i++)
            say_status(strangers[i], second % 2 == 0 ? (uint64_t)1 << 63 : UINT64_MAX);
        run_for(world, SECOND_MS);
    }
    assert_true(height_of(&world->machines[0]) >= before + 9);
    assert_chains_agree(world);
    world_free(world);
}

static void the_claim_of_one_validator_does_not_stop_the_others(void **state) {
    (void)state;
    struct world *world = world_of_three_and_a_liar(2);
    uint64_t before = height_of(&world->machines[0]);
    for (size_t i = 0; i < 3; i++)
        stranger_prove(stranger_join(&world->machines[i]), &world->machines[3]);
    for (size_t second = 0; second < 30; second++) {
        for (size_t i = 0; i < 3; i++)
            say_status(&world->strangers[i], (uint64_t)1 << 63);
        run_for(world, SECOND_MS);
    }
    assert_true(height_of(&world->machines[0]) >= before + 7); // one turn in four is the liar's and passes by
    assert_false(world->machines[0].ledger->syncing);
    world_free(world);
}

// ---- what its signatures cost

// A round of the next height in which the liar proposes.
static uint32_t round_of(const struct machine *machine, const struct sign_public *liar) {
    const struct ledger *ledger = machine->ledger;
    size_t index = (size_t)validator_set_find(&ledger->set, liar);
    uint32_t round = 0;
    while (validators_proposer(&ledger->set, ledger->chain.height + 1, round) != index)
        round++;
    return round;
}

static void proposals_again_and_again_cost_their_sender_its_allowance(void **state) {
    (void)state;
    struct world *world = world_of_three_and_a_liar(22);
    struct machine *machine = &world->machines[0];
    struct stranger *liar = stranger_join(machine);
    struct proposal_message *message = NEW(struct proposal_message);
    struct sign_secret secret;
    struct proposal *proposal = &message->proposal;
    struct buf body = {0};
    stranger_prove(liar, &world->machines[3]);
    sign_key_from_seed(&secret, &proposal->proposer, world->machines[3].validator_seed);
    proposal->height = height_of(machine) + 1;
    proposal->round = round_of(machine, &proposal->proposer);
    proposal->valid_round = VALID_ROUND_NONE;
    proposal->value.bytes[0] = 9;
    proposal_sign(proposal, &world->genesis.network, &secret);
    proposal_message_encode(&body, message);
    int64_t before = metric_value(machine->env.metrics, METRIC_LEDGER_FRAMES_FOREIGN);
    for (size_t i = 0; i < 3000; i++)
        stranger_say(liar, FRAME_PROPOSAL, buf_span(&body));
    assert_true(metric_value(machine->env.metrics, METRIC_LEDGER_FRAMES_FOREIGN) >= before + 1000);
    assert_false(liar->closed);
    buf_free(&body);
    free(message);
    world_free(world);
}

// ---- whom to dial

// Hears of so many from one that it has dialled.
static void hear_of(struct machine *machine, size_t count, uint8_t tag) {
    struct peer_address named[PEERS_MAX];
    struct buf body = {0};
    struct relay_id id = {{tag, 0xff}};
    memset(named, 0, sizeof(named));
    for (size_t i = 0; i < count; i++) {
        named[i].key[0] = tag;
        named[i].key[1] = (uint8_t)i;
        named[i].address = (struct address){.host = "far", .port = (uint16_t)(1 + i)};
    }
    peers_encode(&body, named, count);
    stranger_say(stranger_join_as(machine, &id, false), FRAME_PEERS, buf_span(&body));
    buf_free(&body);
    run_for(machine->world, SECOND_MS);
}

// Votes go over direct links only, and there may be a hundred validators.
static void a_validator_dials_all_that_it_hears_of_and_a_follower_some(void **state) {
    (void)state;
    struct world *world = world_make(23, 4, 5);
    struct machine *validator = &world->machines[0], *follower = &world->machines[4];
    machine_start(validator);
    machine_start(follower);
    for (uint8_t tag = 1; tag <= 2; tag++) {
        hear_of(validator, PEERS_MAX, tag);
        hear_of(follower, PEERS_MAX, tag);
    }
    assert_int_equal(validator->dials_in_vain, 2 * PEERS_MAX);
    assert_int_equal(follower->dials_in_vain, 16);
    world_free(world);
}

// ---- two links with one peer

struct pair {
    struct world *world;
    struct stranger *dialled, *inbound;
};

// A peer whose identity is lower or higher than the node's; its links come to stand in the order given, the second so
// much later.
static struct pair pair_make(bool peer_is_lower, bool dialled_first, uint64_t later_ms) {
    struct pair pair = {.world = world_make(20, 4, 4)};
    struct machine *machine = &pair.world->machines[0];
    struct relay_id id = machine->id;
    machine->id.bytes[0] = id.bytes[0] = 0x80; // not one that the genesis names
    id.bytes[0] = peer_is_lower ? 0x7f : 0x81;
    machine_start(machine);
    for (size_t i = 0; i < 2; i++) {
        bool dialled = (i == 0) == dialled_first;
        struct stranger *stranger = stranger_join_as(machine, &id, !dialled);
        *(dialled ? &pair.dialled : &pair.inbound) = stranger;
        say_status(stranger, 0);
        run_for(pair.world, i == 0 ? later_ms : 0);
    }
    return pair;
}

static void where_dials_have_crossed_the_lower_identitys_is_kept(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool peer_is_lower = (i & 1) != 0;
        struct pair pair = pair_make(peer_is_lower, (i & 2) != 0, 20);
        assert_int_equal(pair.dialled->closed, peer_is_lower);
        assert_int_equal(pair.inbound->closed, !peer_is_lower);
        world_free(pair.world);
    }
}

// The other end dials only when it has no link: it has lost the first.
static void of_links_made_at_different_times_the_newer_is_kept(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool dialled_first = (i & 2) != 0;
        struct pair pair = pair_make((i & 1) != 0, dialled_first, 11 * SECOND_MS);
        assert_int_equal(pair.dialled->closed, dialled_first);
        assert_int_equal(pair.inbound->closed, !dialled_first);
        world_free(pair.world);
    }
}

// A relay asks about itself by links of its own, also where it is a validator.
static void links_by_which_no_ledger_speaks_are_left_alone(void **state) {
    (void)state;
    struct world *world = world_make(21, 4, 4);
    struct machine *machine = &world->machines[0];
    struct relay_id id = {{1}};
    machine_start(machine);
    struct stranger *dialled = stranger_join_as(machine, &id, false);
    struct stranger *asks = stranger_join_as(machine, &id, true), *asks_too = stranger_join_as(machine, &id, true);
    say_status(dialled, 0);
    run_for(world, SECOND_MS);
    assert_false(dialled->closed || asks->closed || asks_too->closed);
    world_free(world);
}

// ---- ranges, to a follower that nobody else serves

struct siege {
    struct world *world;
    struct machine *follower;
    struct stranger *liar;
    uint64_t head;
};

static struct siege siege_begin(uint64_t seed) {
    struct siege siege = {.world = world_make(seed, 4, 5)};
    for (size_t i = 0; i < 4; i++)
        machine_start(&siege.world->machines[i]);
    run_for(siege.world, 20 * SECOND_MS);
    for (size_t i = 0; i < 4; i++)
        siege.world->cut[i][4] = siege.world->cut[4][i] = true;
    siege.follower = &siege.world->machines[4];
    machine_start(siege.follower);
    run_for(siege.world, SECOND_MS);
    siege.liar = stranger_join(siege.follower);
    siege.head = height_of(&siege.world->machines[0]);
    say_status(siege.liar, siege.head);
    assert_int_equal(siege.liar->frames[FRAME_GET_RANGE], 1);
    return siege;
}

// The others are there again, and the follower is where they are.
static void siege_end(struct siege *siege) {
    for (size_t i = 0; i < 4; i++)
        siege->world->cut[i][4] = siege->world->cut[4][i] = false;
    assert_true(run_until_height(siege->world, siege->head + 3, 30 * SECOND_MS));
    assert_null(ledger_broken(siege->follower->ledger));
    assert_chains_agree(siege->world);
    world_free(siege->world);
}

static void an_empty_range_costs_its_sender_its_claim(void **state) {
    (void)state;
    struct siege siege = siege_begin(3);
    say_found(siege.liar, FRAME_RANGE, 1, (struct span){NULL, 0});
    run_for(siege.world, SECOND_MS);
    assert_int_equal(siege.liar->frames[FRAME_GET_RANGE], 1);
    assert_false(siege.follower->ledger->syncing);
    siege_end(&siege);
}

static void a_range_of_another_network_closes_the_link(void **state) {
    (void)state;
    struct world *other = world_make(99, 4, 4);
    struct buf pairs = {0};
    world_start(other);
    assert_true(run_until_height(other, 1, 30 * SECOND_MS));
    append_pair_of(&pairs, &other->machines[0], 1);
    struct siege siege = siege_begin(4);
    say_found(siege.liar, FRAME_RANGE, 1, buf_span(&pairs));
    assert_true(siege.liar->closed);
    assert_int_equal(height_of(siege.follower), 0);
    buf_free(&pairs);
    world_free(other);
    siege_end(&siege);
}

static void a_certificate_of_another_height_closes_the_link(void **state) {
    (void)state;
    struct siege siege = siege_begin(5);
    struct buf pairs = {0};
    append_pair_of(&pairs, &siege.world->machines[0], 2);
    say_found(siege.liar, FRAME_RANGE, 1, buf_span(&pairs));
    assert_true(siege.liar->closed);
    assert_int_equal(height_of(siege.follower), 0);
    buf_free(&pairs);
    siege_end(&siege);
}

static void a_block_with_other_transactions_closes_the_link(void **state) {
    (void)state;
    struct siege siege = siege_begin(6);
    struct machine *honest = &siege.world->machines[0];
    struct ledger_request request = {.id = 4, .op = LEDGER_BLOCK, .by_height = true, .height = 1};
    const struct ledger_answer *answer = ask(honest, &request);
    struct buf block = {0}, pairs = {0};
    const uint8_t junk[] = {0, 0, 0, 4, 1, 2, 3, 4};
    buf_append(&block, buf_span(&answer->block));
    buf_append(&block, SPAN_OF(junk));
    append_pair(&pairs, buf_span(&block), buf_span(&answer->certificate));
    say_found(siege.liar, FRAME_RANGE, 1, buf_span(&pairs));
    assert_true(siege.liar->closed);
    assert_int_equal(height_of(siege.follower), 0);
    buf_free(&block);
    buf_free(&pairs);
    siege_end(&siege);
}

static void partial_answers_without_end_are_progress_all_the_same(void **state) {
    (void)state;
    struct siege siege = siege_begin(7);
    for (uint64_t height = 1; height <= siege.head; height++) {
        struct buf pairs = {0};
        append_pair_of(&pairs, &siege.world->machines[0], height);
        say_found(siege.liar, FRAME_RANGE, height, buf_span(&pairs));
        run_for(siege.world, 1);
        assert_int_equal(height_of(siege.follower), height);
        buf_free(&pairs);
    }
    siege_end(&siege);
}

static void a_block_that_nobody_asked_for_is_not_looked_at(void **state) {
    (void)state;
    struct siege siege = siege_begin(8);
    struct buf pair = {0};
    append_pair_of(&pair, &siege.world->machines[0], 1);
    say_found(siege.liar, FRAME_BLOCK, 1, buf_span(&pair));
    assert_int_equal(height_of(siege.follower), 0);
    assert_false(siege.liar->closed);
    buf_free(&pair);
    siege_end(&siege);
}

static void many_silent_liars_delay_a_follower_little(void **state) {
    (void)state;
    struct siege siege = siege_begin(9);
    for (size_t i = 0; i < 40; i++)
        stranger_join(siege.follower);
    for (size_t second = 0; second < 20; second++) {
        for (size_t i = 0; i < siege.world->stranger_count; i++)
            say_status(&siege.world->strangers[i], siege.head);
        run_for(siege.world, SECOND_MS);
    }
    siege_end(&siege);
}

// ---- floods

static void questions_without_end_are_answered_within_an_allowance(void **state) {
    (void)state;
    struct world *world = world_make(10, 4, 4);
    uint8_t body[GET_SPAN_BYTES], height[GET_HEIGHT_BYTES];
    world_start(world);
    run_for(world, 20 * SECOND_MS);
    struct stranger *stranger = stranger_join(&world->machines[0]);
    get_span_encode(body, 1, RANGE_COUNT_MAX);
    get_height_encode(height, 1);
    for (size_t i = 0; i < 5000; i++) {
        stranger_say(stranger, FRAME_GET_RANGE, SPAN_OF(body));
        stranger_say(stranger, FRAME_GET_HEADERS, SPAN_OF(body));
        stranger_say(stranger, FRAME_GET_BLOCK, SPAN_OF(height));
        stranger_say(stranger, FRAME_GET_LIGHT, SPAN_OF(height));
        stranger_say(stranger, FRAME_GET_PEERS, (struct span){NULL, 0});
    }
    assert_in_range(stranger->bytes, 1, 4 * 1024 * 1024);
    assert_false(stranger->closed);
    world_free(world);
}

static void strangers_leave_room_for_validators(void **state) {
    (void)state;
    struct world *world = world_make(11, 4, 4);
    world_start(world);
    run_for(world, SECOND_MS);
    machine_stop(&world->machines[3]);
    for (size_t i = 0; i < STRANGERS_MAX; i++)
        stranger_join(&world->machines[0]);
    assert_in_range(world->machines[0].ledger->peer_count, 100, STRANGERS_LINKED_MAX + 3);
    machine_start(&world->machines[3]);
    run_for(world, 20 * SECOND_MS);
    assert_int_not_equal(world->machines[0].links[3], 0);
    world_free(world);
}

static void membership_is_proved_once(void **state) {
    (void)state;
    struct world *world = world_of_three_and_a_liar(12);
    struct stranger *liar = stranger_join(&world->machines[0]);
    stranger_prove(liar, &world->machines[3]);
    assert_false(liar->closed);
    stranger_prove(liar, &world->machines[3]);
    assert_true(liar->closed);
    world_free(world);
}

static void a_validator_that_was_voted_out_is_a_stranger_again(void **state) {
    (void)state;
    struct world *world = world_of_three_and_a_liar(12);
    struct stranger *liar = stranger_join(&world->machines[0]);
    struct sign_secret secret;
    stranger_prove(liar, &world->machines[3]);
    assert_true(liar->trusted);
    for (size_t i = 0; i < 3; i++) {
        struct tx tx = {.kind = TX_VALIDATOR_VOTE};
        struct tx_id id;
        sign_key_from_seed(&secret, &tx.validator_vote.key, world->machines[3].validator_seed);
        tx.validator_vote.expiry_height = 1000;
        tx.sender = world->machines[i].operator_id;
        assert_int_equal(submit(&world->machines[0], &tx, &world->machines[i].operator, & id), MEMPOOL_TAKEN);
    }
    run_for(world, 20 * SECOND_MS);
    assert_int_equal(world->machines[0].ledger->set.count, 3);
    assert_false(liar->trusted);
    world_free(world);
}

static void another_machine_with_the_own_key_is_no_other_validator(void **state) {
    (void)state;
    struct world *world = world_make(22, 4, 4);
    struct machine *at = &world->machines[0];
    machine_start(at);
    for (size_t i = 0; i < 4; i++) {
        struct stranger *stranger = stranger_join(at);
        stranger_prove(stranger, &world->machines[i]); // the first with the key that the node has
        say_status(stranger, 5);
        assert_false(stranger->closed);
    }
    run_for(world, SECOND_MS);
    assert_true(at->ledger->syncing);
    world_free(world);
}

static void a_proof_for_another_link_is_refused(void **state) {
    (void)state;
    struct world *world = world_of_three_and_a_liar(13);
    struct stranger *liar = stranger_join(&world->machines[0]), *other = stranger_join(&world->machines[0]);
    other->id = liar->id; // what it proves is of the other link
    stranger_prove(other, &world->machines[3]);
    assert_true(other->closed);
    assert_false(liar->closed);
    world_free(world);
}

// ---- a validator that lies

static void key_of(const struct machine *machine, struct sign_secret *secret, struct sign_public *key) {
    sign_key_from_seed(secret, key, machine->validator_seed);
}

// The next round from `round` on in which that machine is the proposer.
static uint32_t turn_of(const struct machine *at, const struct machine *proposer, uint64_t height, uint32_t round) {
    struct sign_secret secret;
    struct sign_public key;
    key_of(proposer, &secret, &key);
    const struct validator_set *set = &at->ledger->set;
    assert_true(validator_set_find(set, &key) >= 0);
    while (memcmp(set->validators[validators_proposer(set, height, round)].key.bytes, key.bytes, 32) != 0)
        round++;
    return round;
}

// A block on top of a machine's head that holds these transactions.
static void block_after_head(struct buf *out, struct machine *at, const struct machine *proposer, uint64_t height,
                             uint64_t later_ms, const struct span *txs, uint32_t count) {
    struct ledger *ledger = at->ledger;
    struct overlay *overlay = overlay_over_kv(at->disk.kv);
    struct sign_secret secret;
    struct block_header header = {.height = height, .parent = ledger->chain.id};
    header.time_ms = ledger->chain.header.time_ms + 1 + later_ms;
    key_of(proposer, &secret, &header.proposer);
    execute_fill_header(&header, overlay, &at->world->genesis);
    overlay_free(overlay);
    block_encode(out, &header, txs, count);
}

struct lie {
    uint64_t height;
    uint32_t round;
    struct buf block;
    struct certificate *prevotes; // NULL: a fresh proposal
};

static void propose(struct stranger *stranger, const struct machine *as, const struct lie *lie) {
    struct proposal_message *message = NEW(struct proposal_message);
    struct block_header header;
    struct sign_secret secret;
    struct buf body = {0};
    message->proposal = (struct proposal){.height = lie->height, .round = lie->round, .valid_round = VALID_ROUND_NONE};
    assert_int_equal(block_header_decode(&header, span_of(lie->block.p, BLOCK_HEADER_BYTES)), OK);
    block_id_of(&message->proposal.value, &header);
    if (lie->prevotes != NULL) {
        message->proposal.valid_round = lie->prevotes->round;
        lie->prevotes->value = message->proposal.value;
        message->prevotes = *lie->prevotes;
    }
    key_of(as, &secret, &message->proposal.proposer);
    proposal_sign(&message->proposal, &as->world->genesis.network, &secret);
    message->block = buf_span(&lie->block);
    proposal_message_encode(&body, message);
    stranger_say(stranger, FRAME_PROPOSAL, buf_span(&body));
    buf_free(&body);
    free(message);
}

// For a block in the height and round of that proposal.
static void vote_for(struct stranger *stranger, const struct machine *as, enum vote_type type, const struct lie *in,
                     const struct block_id *value) {
    struct vote vote = {.type = type, .height = in->height, .round = in->round, .value = *value};
    struct sign_secret secret;
    uint8_t body[VOTE_BYTES];
    key_of(as, &secret, &vote.validator);
    vote_sign(&vote, &as->world->genesis.network, &secret);
    vote_encode(body, &vote);
    stranger_say(stranger, FRAME_VOTE, SPAN_OF(body));
}

// For nil.
static void vote(struct stranger *stranger, const struct machine *as, enum vote_type type, uint64_t height,
                 uint32_t round) {
    const struct lie in = {.height = height, .round = round};
    const struct block_id nil = {{0}};
    vote_for(stranger, as, type, &in, &nil);
}

static void forged_prevotes_of_the_next_height_close_the_link(void **state) {
    (void)state;
    struct world *world = world_of_three_and_a_liar(14);
    struct machine *at = &world->machines[0], *liar = &world->machines[3];
    struct stranger *stranger = stranger_join(at);
    stranger_prove(stranger, liar);
    uint64_t height = height_of(at) + 2;
    struct certificate *forged = NEW(struct certificate);
    *forged = (struct certificate){.type = VOTE_PREVOTE, .height = height, .count = 3};
    for (uint16_t i = 0; i < 3; i++)
        forged->votes[i].validator = i;
    struct lie lie = {.height = height, .round = turn_of(at, liar, height, 1), .prevotes = forged};
    block_after_head(&lie.block, at, liar, height, 0, NULL, 0);
    propose(stranger, liar, &lie);
    assert_true(stranger->closed);
    buf_free(&lie.block);
    free(forged);
    world_free(world);
}

static void blocks_of_other_heights_are_not_held(void **state) {
    (void)state;
    struct world *world = world_of_three_and_a_liar(15);
    struct machine *liar = &world->machines[3];
    for (size_t i = 0; i < 3; i++)
        stranger_prove(stranger_join(&world->machines[i]), liar);
    uint64_t before = height_of(&world->machines[0]);
    for (size_t n = 0; n < 40; n++) {
        for (size_t i = 0; i < 3; i++) {
            struct machine *at = &world->machines[i];
            uint64_t height = height_of(at) + 1;
            struct lie lie = {.height = height, .round = turn_of(at, liar, height, (uint32_t)(20 * n))}; // no evidence
            block_after_head(&lie.block, at, liar, height + 1 + n, n, NULL, 0);
            propose(&world->strangers[i], liar, &lie);
            assert_true(at->ledger->candidate_count <= 8);
            buf_free(&lie.block);
        }
        run_for(world, SECOND_MS);
    }
    assert_true(height_of(&world->machines[0]) >= before + 10);
    assert_chains_agree(world);
    world_free(world);
}

static void one_proposer_cannot_fill_the_room_for_blocks(void **state) {
    (void)state;
    struct world *world = world_of_three_and_a_liar(16);
    struct machine *liar = &world->machines[3];
    for (size_t i = 0; i < 3; i++)
        stranger_prove(stranger_join(&world->machines[i]), liar);
    uint64_t before = height_of(&world->machines[0]);
    for (size_t n = 0; n < 60; n++) {
        for (size_t i = 0; i < 3; i++) {
            struct machine *at = &world->machines[i];
            for (uint64_t ahead = 1; ahead <= 2; ahead++) {
                uint64_t height = height_of(at) + ahead;
                struct lie lie = {.height = height, .round = (uint32_t)(20 * n)};
                for (uint64_t turn = 0; turn < 4; turn++, lie.round++) { // one block a turn: no evidence
                    lie.round = turn_of(at, liar, height, lie.round);
                    block_after_head(&lie.block, at, liar, height, turn, NULL, 0);
                    propose(&world->strangers[i], liar, &lie);
                    buf_clear(&lie.block);
                }
                buf_free(&lie.block);
            }
        }
        run_for(world, SECOND_MS);
    }
    assert_true(height_of(&world->machines[0]) >= before + 15);
    assert_chains_agree(world);
    world_free(world);
}

// As many as a block can hold, of one sender: signatures are all that is looked at before the nonces.
static void append_full_block(struct buf *out, struct machine *at, const struct machine *as, uint64_t later_ms) {
    struct world *world = at->world;
    struct span *txs = NEW_ARRAY(struct span, BLOCK_TXS_MAX);
    uint8_t *bytes = NEW_ARRAY(uint8_t, (size_t)BLOCK_TXS_MAX * 256);
    for (uint64_t i = 0; i < BLOCK_TXS_MAX; i++) {
        struct tx tx = {.network = world->genesis.network, .kind = TX_TRANSFER, .nonce = later_ms * 10000 + i};
        tx.fee = 10;
        tx.sender = world->genesis.ledger.accounts[0].id;
        tx.transfer.amount = 1;
        tx_sign(&tx, &world->operator);
        txs[i] = span_of(bytes + i * 256, tx_encode(bytes + i * 256, &tx));
    }
    block_after_head(out, at, as, height_of(at) + 1, later_ms, txs, BLOCK_TXS_MAX);
    free(bytes);
    free(txs);
}

static size_t jobs_under_way(const struct ledger *ledger) {
    size_t under_way = 0;
    for (size_t i = 0; i < VERIFY_JOBS_MAX; i++)
        under_way += ledger->verifications[i].job != NULL;
    return under_way;
}

static void two_full_blocks_of_unknown_transactions_wait_for_each_other(void **state) {
    (void)state;
    struct world *world = world_make(17, 4, 4);
    struct machine *at = &world->machines[0];
    machine_start(at);
    struct stranger *strangers[4] = {NULL};
    for (size_t i = 1; i < 4; i++) {
        strangers[i] = stranger_join(at);
        stranger_prove(strangers[i], &world->machines[i]);
    }
    world->job_ms = 100 * SECOND_MS; // none comes back
    uint64_t height = 1;
    uint32_t round = turn_of(at, &world->machines[3], height, 0);
    for (size_t n = 0; n < 2; n++, round = turn_of(at, &world->machines[3], height, round + 1)) {
        for (size_t i = 1; i < 4; i++)
            vote(strangers[i], &world->machines[i], VOTE_PREVOTE, height, round);
        run_for(world, 10);
        struct lie lie = {.height = height, .round = round};
        append_full_block(&lie.block, at, &world->machines[3], n + 1);
        propose(strangers[3], &world->machines[3], &lie);
        buf_free(&lie.block);
        assert_false(strangers[3]->closed);
    }
    assert_int_equal(jobs_under_way(at->ledger), BLOCK_TXS_MAX / VERIFY_BATCH_MAX);
    assert_int_equal(at->ledger->candidate_count, 2);
    run_for(world, 201 * SECOND_MS);
    assert_true(ledger_next_ms(at->ledger) > world->now.mono_ms);
    world_free(world);
}

static void a_node_that_others_have_left_behind_waits_without_spinning(void **state) {
    (void)state;
    struct world *world = world_make(18, 4, 4);
    struct machine *at = &world->machines[0];
    machine_start(at);
    for (size_t i = 1; i < 4; i++) {
        struct stranger *stranger = stranger_join(at);
        stranger_prove(stranger, &world->machines[i]);
        vote(stranger, &world->machines[i], VOTE_PREVOTE, 9, 0);
    }
    struct bft_view view;
    bft_look(at->ledger->bft, &view);
    assert_true(view.behind);
    run_for(world, 60 * SECOND_MS);
    assert_true(ledger_next_ms(at->ledger) > world->now.mono_ms);
    world_free(world);
}

// The look at whether one height ahead is worth a fetch is for who does not fetch yet: else it would be due for ever.
static void who_fetches_does_not_wait_to_fetch(void **state) {
    (void)state;
    struct world *world = world_make(20, 4, 4);
    struct machine *at = &world->machines[0];
    machine_start(at);
    struct stranger *stranger = stranger_join(at);
    say_status(stranger, 5);
    assert_true(at->ledger->syncing);
    say_status(stranger, 1);
    assert_true(at->ledger->syncing);
    assert_true(at->ledger->sync_look_ms == TIME_NEVER);
    run_for(world, 10 * SECOND_MS);
    world_free(world);
}

// ---- the log

static void a_log_that_begins_anew_while_catching_up_can_be_read_again(void **state) {
    (void)state;
    struct world *world = world_make(19, 4, 4);
    world_start(world);
    run_for(world, SECOND_MS);
    struct machine *late = &world->machines[3];
    machine_stop(late);
    run_for(world, 60 * SECOND_MS);
    machine_start(late);
    late->ledger->log_bytes = (size_t)64 * 1024 * 1024;
    run_for(world, SECOND_MS);
    assert_in_range(late->ledger->log_bytes, 1, 1024 * 1024);
    machine_stop(late);
    machine_start(late);
    assert_string_equal(late->why, "");
    run_for(world, 10 * SECOND_MS);
    assert_chains_agree(world);
    world_free(world);
}

static void of_a_transaction_that_many_bring_one_copy_is_verified(void **state) {
    (void)state;
    struct world *world = world_make(23, 1, 1);
    struct machine *at = &world->machines[0];
    world_start(world);
    run_for(world, 100);
    struct tx tx = {.network = world->genesis.network, .kind = TX_TRANSFER, .fee = 10, .transfer = {.amount = 1}};
    uint8_t bytes[TX_BYTES_MAX];
    struct buf body = {0};
    struct tx_id id;
    tx.sender = world->genesis.ledger.accounts[0].id;
    tx.transfer.to.bytes[0] = 7;
    tx_sign(&tx, &world->operator);
    struct span encoded = span_of(bytes, tx_encode(bytes, &tx));
    tx_id_of(&id, encoded);
    for (size_t i = 0; i < 2; i++)
        part_append(&body, encoded);
    world->job_ms = 50; // none comes back meanwhile
    for (size_t i = 0; i < 5; i++)
        stranger_say(stranger_join(at), FRAME_TXS, buf_span(&body));
    run_for(world, 20);
    assert_int_equal(at->ledger->gossip_jobs, 1);
    assert_int_equal(at->ledger->verify_queued, 0);
    run_for(world, 500);
    assert_int_equal(status_of(at, &id), TX_FINAL);
    assert_null(at->ledger->verifying);
    buf_free(&body);
    world_free(world);
}

// ---- transactions that a peer has brought and a block has, too

#define BROUGHT 640 // more than may be in jobs at once
#define IN_JOBS (VERIFY_GOSSIP_JOBS_MAX * VERIFY_BATCH_MAX)

_Static_assert(BROUGHT > IN_JOBS && (BROUGHT - IN_JOBS) % VERIFY_BATCH_MAX == 0, "some wait, in whole batches");

struct meeting {
    struct world *world;
    struct machine *at;
    struct stranger *strangers[4];
    uint32_t round;
    struct lie lie; // its block has what was brought
};

// One validator runs, jobs take 50 ms; one of its peers brings transfers, another proposes a block with all of them. Of
// transfer `spoilt` the signature is wrong.
static struct meeting meeting_begin(uint64_t seed, size_t spoilt) {
    struct meeting meeting = {.world = world_make(seed, 4, 4)};
    struct machine *at = meeting.at = &meeting.world->machines[0];
    machine_start(at);
    for (size_t i = 1; i < 4; i++) {
        meeting.strangers[i] = stranger_join(at);
        stranger_prove(meeting.strangers[i], &meeting.world->machines[i]);
    }
    meeting.world->job_ms = 50;
    meeting.lie = (struct lie){.height = 1, .round = turn_of(at, &meeting.world->machines[3], 1, 0)};
    for (size_t i = 1; i < 4; i++)
        vote(meeting.strangers[i], &meeting.world->machines[i], VOTE_PREVOTE, 1, meeting.lie.round);
    run_for(meeting.world, 10);
    static uint8_t bytes[BROUGHT][TX_BYTES_MAX];
    struct span txs[BROUGHT];
    struct buf body = {0};
    for (size_t i = 0; i < BROUGHT; i++) {
        struct tx tx = {.network = meeting.world->genesis.network, .kind = TX_TRANSFER, .nonce = i, .fee = 10};
        tx.sender = meeting.world->genesis.ledger.accounts[0].id;
        tx.transfer.amount = 1;
        tx_sign(&tx, &meeting.world->operator);
        tx.signature.bytes[0] ^= i == spoilt;
        txs[i] = span_of(bytes[i], tx_encode(bytes[i], &tx));
        part_append(&body, txs[i]);
    }
    stranger_say(meeting.strangers[1], FRAME_TXS, buf_span(&body));
    buf_free(&body);
    block_after_head(&meeting.lie.block, at, &meeting.world->machines[3], 1, 1, txs, BROUGHT);
    propose(meeting.strangers[3], &meeting.world->machines[3], &meeting.lie);
    return meeting;
}

static void meeting_end(struct meeting *meeting) {
    buf_free(&meeting->lie.block);
    world_free(meeting->world);
}

static void what_a_peer_has_brought_is_verified_once_for_a_block(void **state) {
    (void)state;
    struct meeting meeting = meeting_begin(24, SIZE_MAX);
    struct ledger *ledger = meeting.at->ledger;
    assert_int_equal(jobs_under_way(ledger), BROUGHT / VERIFY_BATCH_MAX);
    assert_int_equal(ledger->gossip_jobs, VERIFY_GOSSIP_JOBS_MAX);
    run_for(meeting.world, 60);
    assert_int_equal(ledger->candidate_count, 1);
    assert_int_equal(ledger->candidates[0]->state, CANDIDATE_VALID);
    assert_int_equal(jobs_under_way(ledger), 0);
    assert_int_equal(ledger->verify_queued, BROUGHT - IN_JOBS); // until the height is decided
    struct block_id id = ledger->candidates[0]->id;
    for (size_t i = 1; i < 4; i++) {
        vote_for(meeting.strangers[i], &meeting.world->machines[i], VOTE_PREVOTE, &meeting.lie, &id);
        vote_for(meeting.strangers[i], &meeting.world->machines[i], VOTE_PRECOMMIT, &meeting.lie, &id);
    }
    run_for(meeting.world, 10);
    assert_int_equal(height_of(meeting.at), 1);
    assert_null(ledger->verifying);
    assert_int_equal(ledger->verify_queued, 0);
    meeting_end(&meeting);
}

static void a_wrong_signature_that_a_peer_has_brought_makes_a_block_invalid(void **state) {
    (void)state;
    static const size_t places[] = {5, IN_JOBS + 5}; // in a job before the block came, or with it
    for (size_t i = 0; i < 2; i++) {
        struct meeting meeting = meeting_begin(25, places[i]);
        run_for(meeting.world, 60);
        assert_int_equal(meeting.at->ledger->candidate_count, 1);
        assert_int_equal(meeting.at->ledger->candidates[0]->state, CANDIDATE_INVALID);
        meeting_end(&meeting);
    }
}

static void what_a_block_was_to_settle_has_its_turn_when_another_is_decided(void **state) {
    (void)state;
    struct meeting meeting = meeting_begin(26, SIZE_MAX);
    struct ledger *ledger = meeting.at->ledger;
    run_for(meeting.world, 60);
    assert_int_equal(ledger->verify_queued, BROUGHT - IN_JOBS);
    struct lie other = {.height = 1, .round = turn_of(meeting.at, &meeting.world->machines[2], 1, meeting.lie.round)};
    struct block_header header;
    struct block_id id;
    block_after_head(&other.block, meeting.at, &meeting.world->machines[2], 1, 2, NULL, 0);
    assert_int_equal(block_header_decode(&header, span_of(other.block.p, BLOCK_HEADER_BYTES)), OK);
    block_id_of(&id, &header);
    propose(meeting.strangers[2], &meeting.world->machines[2], &other);
    for (size_t i = 1; i < 4; i++)
        vote_for(meeting.strangers[i], &meeting.world->machines[i], VOTE_PRECOMMIT, &other, &id);
    run_for(meeting.world, 10);
    assert_int_equal(height_of(meeting.at), 1);
    assert_int_equal(ledger->verify_queued, 0);
    assert_int_equal(jobs_under_way(ledger), (BROUGHT - IN_JOBS) / VERIFY_BATCH_MAX);
    buf_free(&other.block);
    meeting_end(&meeting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claimed_heights_do_not_stop_validators),
        cmocka_unit_test(the_claim_of_one_validator_does_not_stop_the_others),
        cmocka_unit_test(proposals_again_and_again_cost_their_sender_its_allowance),
        cmocka_unit_test(an_empty_range_costs_its_sender_its_claim),
        cmocka_unit_test(a_range_of_another_network_closes_the_link),
        cmocka_unit_test(a_certificate_of_another_height_closes_the_link),
        cmocka_unit_test(a_block_with_other_transactions_closes_the_link),
        cmocka_unit_test(partial_answers_without_end_are_progress_all_the_same),
        cmocka_unit_test(a_block_that_nobody_asked_for_is_not_looked_at),
        cmocka_unit_test(many_silent_liars_delay_a_follower_little),
        cmocka_unit_test(questions_without_end_are_answered_within_an_allowance),
        cmocka_unit_test(strangers_leave_room_for_validators),
        cmocka_unit_test(a_validator_dials_all_that_it_hears_of_and_a_follower_some),
        cmocka_unit_test(where_dials_have_crossed_the_lower_identitys_is_kept),
        cmocka_unit_test(of_links_made_at_different_times_the_newer_is_kept),
        cmocka_unit_test(links_by_which_no_ledger_speaks_are_left_alone),
        cmocka_unit_test(membership_is_proved_once),
        cmocka_unit_test(a_validator_that_was_voted_out_is_a_stranger_again),
        cmocka_unit_test(another_machine_with_the_own_key_is_no_other_validator),
        cmocka_unit_test(a_proof_for_another_link_is_refused),
        cmocka_unit_test(forged_prevotes_of_the_next_height_close_the_link),
        cmocka_unit_test(blocks_of_other_heights_are_not_held),
        cmocka_unit_test(one_proposer_cannot_fill_the_room_for_blocks),
        cmocka_unit_test(two_full_blocks_of_unknown_transactions_wait_for_each_other),
        cmocka_unit_test(of_a_transaction_that_many_bring_one_copy_is_verified),
        cmocka_unit_test(what_a_peer_has_brought_is_verified_once_for_a_block),
        cmocka_unit_test(a_wrong_signature_that_a_peer_has_brought_makes_a_block_invalid),
        cmocka_unit_test(what_a_block_was_to_settle_has_its_turn_when_another_is_decided),
        cmocka_unit_test(a_node_that_others_have_left_behind_waits_without_spinning),
        cmocka_unit_test(who_fetches_does_not_wait_to_fetch),
        cmocka_unit_test(a_log_that_begins_anew_while_catching_up_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
