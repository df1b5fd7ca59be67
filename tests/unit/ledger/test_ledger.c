// Nodes with ledgers: they decide, agree, restart, catch up.
#include "ledger/ledger_internal.h"
#include "ledger/light.h"
#include "ledger/world.h"

static void four_validators_decide_blocks_and_agree(void **state) {
    (void)state;
    struct world *world = world_make(1, 4, 4);
    world_start(world);
    assert_true(run_until_height(world, 5, 30 * SECOND_MS));
    assert_chains_agree(world);
    world_free(world);
}

static void a_single_validator_decides_alone(void **state) {
    (void)state;
    struct world *world = world_make(2, 1, 1);
    world_start(world);
    assert_true(run_until_height(world, 3, 10 * SECOND_MS));
    world_free(world);
}

static void a_transfer_is_final_everywhere_within_moments(void **state) {
    (void)state;
    struct world *world = world_make(3, 4, 4);
    world_start(world);
    assert_true(run_until_height(world, 1, 30 * SECOND_MS));
    run_for(world, 500);
    struct tx_id id = submit_transfer(&world->machines[1], 0, 5);
    run_for(world, 20); // hops of 1 ms: no timeout is waited for
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(status_of(&world->machines[i], &id), TX_FINAL);
    world_free(world);
}

// 50 ms there and back, as between continents: gossip, proposal, prevotes, precommits are four hops of 25 ms.
static void at_50_ms_a_round_trip_a_transfer_is_final_within_200_ms(void **state) {
    (void)state;
    struct world *world = world_make(11, 4, 4);
    world->hop_ms = 25;
    world_start(world);
    assert_true(run_until_height(world, 1, 30 * SECOND_MS));
    for (uint64_t nonce = 0; nonce < 100; nonce++) {
        run_for(world, 500 + rng_below(&world->rng, 3000));
        struct tx_id id = submit_transfer(&world->machines[nonce % 4], nonce, 1);
        run_for(world, 200);
        assert_int_equal(status_of(&world->machines[nonce % 4], &id), TX_FINAL);
    }
    world_free(world);
}

static void an_idle_chain_makes_a_block_every_two_seconds(void **state) {
    (void)state;
    struct world *world = world_make(4, 4, 4);
    world_start(world);
    run_for(world, SECOND_MS);
    uint64_t before = height_of(&world->machines[0]);
    run_for(world, 20 * SECOND_MS);
    assert_in_range(height_of(&world->machines[0]) - before, 9, 11);
    world_free(world);
}

static void three_of_four_go_on_and_the_fourth_catches_up(void **state) {
    (void)state;
    struct world *world = world_make(5, 4, 4);
    world_start(world);
    run_for(world, SECOND_MS);
    machine_stop(&world->machines[3]);
    for (uint64_t nonce = 0; nonce < 20; nonce++) {
        submit_transfer(&world->machines[0], nonce, 1);
        run_for(world, 3 * SECOND_MS);
    }
    uint64_t height = height_of(&world->machines[0]);
    assert_true(height > 20);
    machine_start(&world->machines[3]);
    run_for(world, 5 * SECOND_MS);
    assert_true(height_of(&world->machines[3]) >= height);
    assert_chains_agree(world);
    world_free(world);
}

static void a_follower_follows(void **state) {
    (void)state;
    struct world *world = world_make(6, 4, 5);
    world_start(world);
    run_for(world, 10 * SECOND_MS);
    assert_int_equal(height_of(&world->machines[4]), height_of(&world->machines[0]));
    struct tx_id id = submit_transfer(&world->machines[4], 0, 5);
    run_for(world, 100);
    assert_int_equal(status_of(&world->machines[4], &id), TX_FINAL);
    world_free(world);
}

static void a_node_behind_all_that_others_have_kept_says_what_to_do(void **state) {
    (void)state;
    struct world *world = world_make(14, 4, 6);
    struct machine *late = &world->machines[4], *archive = &world->machines[5];
    for (size_t i = 0; i < 4; i++)
        world->machines[i].keep_blocks = 5;
    for (size_t i = 0; i < 6; i++)
        if (&world->machines[i] != late)
            machine_start(&world->machines[i]);
    run_for(world, 40 * SECOND_MS);
    world->cut[4][5] = world->cut[5][4] = true;
    machine_start(late);
    run_for(world, 20 * SECOND_MS);
    assert_int_equal(height_of(late), 0);
    assert_non_null(strstr(ledger_waits_for(late->ledger), "keep_blocks"));
    world->cut[4][5] = world->cut[5][4] = false;
    run_for(world, 10 * SECOND_MS);
    assert_null(ledger_waits_for(late->ledger));
    assert_true(height_of(late) >= 20);
    assert_int_equal(height_of(late), height_of(archive));
    world_free(world);
}

// What the operator's guide offers where nobody has the whole chain any more.
static void a_follower_starts_with_a_copy_of_anothers_data(void **state) {
    (void)state;
    struct world *world = world_make(15, 4, 6);
    struct machine *source = &world->machines[4], *late = &world->machines[5];
    for (size_t i = 0; i < 4; i++)
        world->machines[i].keep_blocks = 5;
    for (size_t i = 0; i < 5; i++)
        machine_start(&world->machines[i]);
    run_for(world, 40 * SECOND_MS);
    machine_stop(source);
    disk_free(&late->disk);
    late->disk = source->disk;
    disk_init(&source->disk);
    machine_start(late);
    run_for(world, 10 * SECOND_MS);
    assert_null(ledger_waits_for(late->ledger));
    assert_int_equal(height_of(late), height_of(&world->machines[0]));
    world_free(world);
}

static void nodes_that_genesis_does_not_name_find_each_other(void **state) {
    (void)state;
    struct world *world = world_make(10, 1, 4);
    world->genesis.seed_count = 1; // the validator
    genesis_seal(&world->genesis);
    world_start(world);
    run_for(world, 5 * SECOND_MS);
    machine_stop(&world->machines[3]);
    machine_start(&world->machines[3]); // the others have met the validator meanwhile
    run_for(world, 5 * SECOND_MS);
    assert_true(world->machines[3].links[1] != 0 && world->machines[3].links[2] != 0);
    world_free(world);
}

static void all_may_die_at_once_and_go_on(void **state) {
    (void)state;
    struct world *world = world_make(7, 4, 4);
    world_start(world);
    uint64_t nonce = 0;
    for (size_t round = 0; round < 10; round++) {
        struct tx_id id = submit_transfer(&world->machines[round % 4], nonce++, 1);
        run_for(world, 5 + round * 3);
        for (size_t i = 0; i < 4; i++)
            machine_stop(&world->machines[i]);
        world_start(world);
        for (size_t i = 0; i < 4; i++) {
            assert_string_equal(world->machines[i].why, "");
            assert_true(world->machines[i].up);
        }
        run_for(world, 20 * SECOND_MS);
        if (status_of(&world->machines[0], &id) != TX_FINAL)
            nonce--; // it was only pending: a promise of nothing
    }
    assert_chains_agree(world);
    assert_true(height_of(&world->machines[0]) > 10);
    world_free(world);
}

// Sixty seconds on, one of four has lost its store and its log, and is back.
static struct machine *wipe_one(struct world *world) {
    world_start(world);
    run_for(world, 60 * SECOND_MS);
    struct machine *wiped = &world->machines[2];
    machine_wipe(wiped);
    said_free(&wiped->said); // what it says from here on
    machine_start(wiped);
    return wiped;
}

static void a_wiped_validator_fetches_the_chain_and_votes_from_a_later_height_on(void **state) {
    (void)state;
    struct world *world = world_make(8, 4, 4);
    struct machine *wiped = wipe_one(world);
    uint64_t before = height_of(&world->machines[0]);
    run_for(world, 100);
    assert_non_null(ledger_waits_for(wiped->ledger));
    run_for(world, 20 * SECOND_MS);
    assert_int_equal(height_of(wiped), height_of(&world->machines[0]));
    assert_chains_agree(world);
    assert_null(ledger_waits_for(wiped->ledger));
    const struct vote *first = (const void *)wiped->said.votes.p;
    assert_non_null(first);
    assert_true(first->height > before + 2);
    world_free(world);
}

static void a_silent_validator_is_silent_after_a_restart(void **state) {
    (void)state;
    struct world *world = world_make(12, 4, 4);
    struct machine *wiped = wipe_one(world);
    struct sign_slot slot = {0};
    for (size_t i = 0; i < 100 && slot.height == 0; i++) {
        run_for(world, 100);
        slot = signer_slot(wiped->ledger->signer);
    }
    assert_true(slot.height > 0);
    machine_stop(wiped);
    machine_start(wiped);
    assert_string_equal(wiped->why, "");
    assert_int_equal(signer_slot(wiped->ledger->signer).height, slot.height);
    assert_true(signer_is_silent(wiped->ledger->signer, slot.height - 1));
    run_for(world, 20 * SECOND_MS);
    assert_int_equal(((const struct vote *)(const void *)wiped->said.votes.p)->height, slot.height);
    world_free(world);
}

static void nobody_begins_a_network_before_a_quorum_says_that_it_has_not_begun(void **state) {
    (void)state;
    struct world *world = world_make(13, 4, 4);
    machine_start(&world->machines[0]);
    machine_start(&world->machines[1]);
    run_for(world, 20 * SECOND_MS);
    assert_int_equal(world->machines[0].said.votes.n, 0);
    assert_non_null(ledger_waits_for(world->machines[0].ledger));
    machine_start(&world->machines[2]);
    run_for(world, 40 * SECOND_MS);
    assert_true(height_of(&world->machines[0]) >= 3);
    assert_null(ledger_waits_for(world->machines[0].ledger));
    world_free(world);
}

static void what_a_killed_process_left_is_durable_before_it_is_spoken_of(void **state) {
    (void)state;
    struct world *world = world_make(14, 1, 2);
    struct machine *follower = &world->machines[1];
    world_start(world);
    run_for(world, 3 * SECOND_MS);
    struct tx_id id = submit_transfer(&world->machines[0], 0, 1);
    follower->disk_hangs = true;
    run_for(world, SECOND_MS);
    for (size_t run = 0; run < 2; run++) {
        assert_int_equal(status_of(follower, &id), TX_FINAL);
        assert_false(machine_is_durable(follower));
        machine_stop(follower);
        machine_start(follower);
    }
    world_free(world);
}

static void a_validator_without_its_log_does_not_start(void **state) {
    (void)state;
    struct world *world = world_make(9, 4, 4);
    world_start(world);
    run_for(world, 10 * SECOND_MS);
    machine_stop(&world->machines[0]);
    buf_clear(&world->machines[0].disk.log);
    machine_start(&world->machines[0]);
    assert_false(world->machines[0].up);
    assert_non_null(strstr(world->machines[0].why, "what this key has signed is missing"));
    world_free(world);
}

// What a network of one says to a transfer with that fee, of the operator or of somebody who has nothing.
static enum mempool_verdict verdict_on(uint64_t fee, bool penniless, enum err *err) {
    struct world *world = world_make(11, 1, 1);
    struct tx tx = {.network = world->genesis.network, .kind = TX_TRANSFER, .fee = fee};
    struct sign_secret nobody;
    struct sign_public nobody_public;
    uint8_t bytes[TX_BYTES_MAX];
    world_start(world);
    run_for(world, 100);
    sign_key_new(&nobody, &nobody_public, &world->rng);
    tx.sender = world->genesis.ledger.accounts[0].id;
    if (penniless)
        memcpy(tx.sender.bytes, nobody_public.bytes, sizeof tx.sender.bytes);
    tx.transfer.to.bytes[0] = 7;
    tx.transfer.amount = 1;
    tx_sign(&tx, penniless ? &nobody : &world->operator);
    struct ledger_request request = {.id = 2, .op = LEDGER_SUBMIT, .tx = span_of(bytes, tx_encode(bytes, &tx))};
    const struct ledger_answer *answer = ask(&world->machines[0], &request);
    enum mempool_verdict verdict = answer->verdict;
    *err = answer->err;
    world_free(world);
    return verdict;
}

static void a_fee_below_the_least_is_refused_for_that(void **state) {
    (void)state;
    enum err err;
    assert_int_equal(verdict_on(0, false, &err), MEMPOOL_FEE_LOW);
    assert_int_equal(err, ERR_REFUSED);
    assert_int_equal(verdict_on(10, false, &err), MEMPOOL_TAKEN);
    assert_int_equal(err, OK);
}

static void who_cannot_pay_the_fee_takes_nobody_s_place(void **state) {
    (void)state;
    enum err err;
    assert_int_equal(verdict_on(1000000, true, &err), MEMPOOL_UNPAYABLE);
    assert_int_equal(err, ERR_REFUSED);
}

static struct tx transfer_of(const struct world *world, uint64_t fee, uint64_t amount) {
    struct tx tx = {.network = world->genesis.network, .kind = TX_TRANSFER, .fee = fee, .transfer.amount = amount};
    tx.sender = world->genesis.ledger.accounts[0].id;
    tx_sign(&tx, &world->operator);
    return tx;
}

// The verdict on what a peer submits, which is told of the transaction that it was.
static uint8_t verdict_of(struct stranger *stranger, const struct tx *tx) {
    uint8_t bytes[TX_BYTES_MAX], verdict;
    size_t n = tx_encode(bytes, tx), answers = stranger->frames[FRAME_SUBMITTED];
    struct tx_id id, told;
    tx_id_of(&id, span_of(bytes, n));
    stranger_say(stranger, FRAME_SUBMIT, span_of(bytes, n));
    assert_int_equal(stranger->frames[FRAME_SUBMITTED], answers + 1);
    assert_int_equal(submitted_decode(&told, &verdict, buf_span(&stranger->last[FRAME_SUBMITTED])), OK);
    assert_memory_equal(told.bytes, id.bytes, sizeof id.bytes);
    return verdict;
}

static void a_peer_hears_why_what_it_submits_is_refused(void **state) {
    (void)state;
    struct world *world = world_make(12, 4, 4);
    world_start(world);
    struct stranger *stranger = stranger_join(&world->machines[0]);
    const struct tx good = transfer_of(world, 10, 5), again = transfer_of(world, 10, 6);
    const struct tx nothing = transfer_of(world, 10, 0), cheap = transfer_of(world, 1, 5);
    assert_int_equal(verdict_of(stranger, &nothing), MEMPOOL_INVALID);
    assert_int_equal(verdict_of(stranger, &cheap), MEMPOOL_FEE_LOW);
    assert_int_equal(verdict_of(stranger, &good), MEMPOOL_TAKEN);
    assert_int_equal(verdict_of(stranger, &good), MEMPOOL_KNOWN);
    assert_int_equal(verdict_of(stranger, &again), MEMPOOL_UNDERPRICED);
    for (size_t i = 0; i < 1000; i++) { // questions beyond its rate are not answered
        uint8_t bytes[TX_BYTES_MAX];
        stranger_say(stranger, FRAME_SUBMIT, span_of(bytes, tx_encode(bytes, &nothing)));
    }
    assert_in_range(stranger->frames[FRAME_SUBMITTED], 6, 500);
    assert_false(stranger->closed);
    world_free(world);
}

// What is taken is not called refused because its end cannot be told.
static void one_too_many_who_waits_is_answered_at_once(void **state) {
    (void)state;
    struct world *world = world_make(13, 4, 4);
    struct machine *alone = &world->machines[0]; // nothing gets final
    uint8_t bytes[TX_BYTES_MAX];
    machine_start(alone);
    run_for(world, 100);
    const struct tx tx = transfer_of(world, 10, 5);
    struct ledger_request request = {.op = LEDGER_SUBMIT, .wait_final = true, .deadline_ms = UINT64_MAX};
    request.tx = span_of(bytes, tx_encode(bytes, &tx));
    size_t answers = alone->answer_count;
    for (request.id = 1; request.id <= WAITS_MAX; request.id++)
        ask(alone, &request);
    assert_int_equal(alone->answer_count, answers);
    const struct ledger_answer *answer = ask(alone, &request);
    assert_int_equal(alone->answer_count, answers + 1);
    assert_int_equal(answer->id, request.id);
    assert_int_equal(answer->err, OK);
    assert_int_equal(answer->tx.status, TX_PENDING);
    assert_non_null(answer->reason);
    world_free(world);
}

// What it was last sent: a height, and what was found there.
static struct span found_in(const struct stranger *stranger, uint8_t kind) {
    uint64_t height;
    struct span found;
    assert_int_equal(found_decode(&height, &found, buf_span(&stranger->last[kind])), OK);
    return found;
}

static struct span ask_height(struct stranger *stranger, uint64_t height) {
    uint8_t body[GET_HEIGHT_BYTES];
    stranger_say(stranger, FRAME_GET_LIGHT, span_of(body, get_height_encode(body, height)));
    return found_in(stranger, FRAME_LIGHT);
}

// How many headers with their certificates come, each from its height.
static size_t ask_headers(struct stranger *stranger, uint64_t from, uint16_t count) {
    uint8_t body[GET_SPAN_BYTES];
    size_t found = 0;
    stranger_say(stranger, FRAME_GET_HEADERS, span_of(body, get_span_encode(body, from, count)));
    struct reader r = reader_of(found_in(stranger, FRAME_HEADERS));
    for (; r.n > 0; found++) {
        struct block_header header;
        struct certificate certificate;
        assert_int_equal(block_header_decode(&header, part_read(&r, BLOCK_HEADER_BYTES)), OK);
        assert_int_equal(certificate_decode(&certificate, part_read(&r, CERTIFICATE_BYTES_MAX)), OK);
        assert_true(header.height == from + found && certificate.height == header.height);
    }
    assert_true(reader_done(&r));
    return found;
}

static void light_clients_are_served_what_they_judge_by(void **state) {
    (void)state;
    struct world *world = world_make(90, 4, 4);
    struct light_block *block = NEW(struct light_block);
    struct light *light = NEW(struct light);
    world_start(world);
    assert_true(run_until_height(world, 10, MINUTE_MS));
    struct stranger *stranger = stranger_join(&world->machines[1]);
    light_init(light, &world->genesis);
    for (uint64_t height = 1; height <= 10; height += 3) {
        assert_int_equal(light_block_decode(block, ask_height(stranger, height)), OK);
        assert_int_equal(
            light_update(light, &block->header, &block->certificate, &block->validators, world->now.wall_ms),
            LIGHT_TAKEN);
        assert_int_equal(light->header.height, height);
    }
    assert_int_equal(ask_height(stranger, 1000000).n, 0);
    assert_int_equal(ask_headers(stranger, 4, 5), 5);
    assert_int_equal(ask_headers(stranger, 1000000, 5), 0);
    free(light);
    free(block);
    world_free(world);
}

static void pruned_blocks_are_served_to_nobody(void **state) {
    (void)state;
    struct world *world = world_make(91, 4, 4);
    world_start(world);
    world->machines[1].ledger->chain.keep_blocks = 4;
    assert_true(run_until_height(world, 10, MINUTE_MS));
    struct stranger *stranger = stranger_join(&world->machines[1]);
    uint64_t head = height_of(&world->machines[1]);
    assert_int_equal(ask_height(stranger, head - 4).n, 0);
    assert_true(ask_height(stranger, head - 3).n > 0);
    assert_int_equal(ask_headers(stranger, head - 4, 5), 0);
    assert_int_equal(ask_headers(stranger, head - 3, 5), 4);
    world_free(world);
}

// ---- a relay asks what it has claimed

struct claimant {
    struct sign_secret secret;
    struct relay_id id;
};

static void claimant_register(struct world *world, struct claimant *relay, uint64_t nonce) {
    struct sign_public public;
    struct tx_id id;
    struct tx tx = {.network = world->genesis.network, .kind = TX_REGISTER_RELAY, .nonce = nonce};
    struct tx_register_relay *body = &tx.register_relay;
    sign_key_new(&relay->secret, &public, &world->rng);
    memcpy(relay->id.bytes, public.bytes, sizeof public.bytes);
    tx.sender = world->genesis.ledger.accounts[0].id;
    body->relay = relay->id;
    body->address = (struct address){"relay.example", 7070};
    body->onion.first_epoch = 1;
    memset(body->onion.keys, 7, sizeof body->onion.keys);
    body->stake = world->genesis.ledger.relay_stake_min;
    body->deposit = 1000;
    tx_cosign(&tx, &relay->secret);
    assert_int_equal(submit(&world->machines[0], &tx, &world->operator, & id), MEMPOOL_TAKEN);
}

static enum mempool_verdict claim(struct world *world, const struct claimant *relay, uint32_t epoch, uint32_t count) {
    struct tx tx = {.kind = TX_DELIVERY_BATCH, .delivery_batch = {.epoch = epoch, .root = {{3}}, .count = count}};
    struct tx_id id;
    memcpy(tx.sender.bytes, relay->id.bytes, sizeof relay->id.bytes);
    return submit(&world->machines[0], &tx, &relay->secret, &id);
}

static struct relay_delivery delivery_told(struct stranger *asker, const struct claimant *relay, uint32_t epoch) {
    uint8_t body[GET_DELIVERY_BYTES];
    struct relay_delivery told;
    size_t answers = asker->frames[FRAME_DELIVERY];
    get_delivery_encode(body, &relay->id, epoch);
    stranger_say(asker, FRAME_GET_DELIVERY, SPAN_OF(body));
    assert_int_equal(asker->frames[FRAME_DELIVERY], answers + 1);
    assert_int_equal(relay_delivery_decode(&told, buf_span(&asker->last[FRAME_DELIVERY])), OK);
    assert_int_equal(told.epoch, epoch);
    return told;
}

static void a_relay_is_told_of_its_batch_from_its_wait_to_its_sample(void **state) {
    (void)state;
    struct world *world = world_make(16, 4, 4);
    struct claimant relays[3], nobody = {.id = {{9}}};
    world_start(world);
    for (uint64_t i = 0; i < 3; i++)
        claimant_register(world, &relays[i], i);
    run_for(world, 61 * SECOND_MS); // the second epoch
    struct stranger *asker = stranger_join(&world->machines[0]);
    struct relay_delivery told = delivery_told(asker, &relays[0], 1);
    assert_true(!told.has && told.nonce == 0 && told.next_nonce == 0);
    assert_int_equal(claim(world, &relays[0], 1, 50), MEMPOOL_TAKEN);
    told = delivery_told(asker, &relays[0], 1);
    assert_true(!told.has && told.nonce == 0 && told.next_nonce == 1); // it waits
    run_for(world, 10 * SECOND_MS);
    told = delivery_told(asker, &relays[0], 1);
    assert_true(told.has && told.nonce == 1 && told.next_nonce == 1);
    assert_int_equal(told.record.count, 50);
    assert_true(told.record.sampled_height > 0 && told.record.sample_count > 0 && told.record.opened == 0);
    assert_false(delivery_told(asker, &relays[1], 1).has || delivery_told(asker, &relays[0], 2).has ||
                 delivery_told(asker, &nobody, 1).has);
    world_free(world);
}

static void questions_about_deliveries_are_whole_and_within_an_allowance(void **state) {
    (void)state;
    struct world *world = world_make(17, 4, 4);
    uint8_t body[GET_DELIVERY_BYTES + 1] = {1};
    world_start(world);
    struct stranger *asker = stranger_join(&world->machines[0]);
    for (size_t i = 0; i < 20000; i++)
        stranger_say(asker, FRAME_GET_DELIVERY, span_of(body, GET_DELIVERY_BYTES));
    assert_in_range(asker->frames[FRAME_DELIVERY], 1, 19999); // what is beyond is not answered
    assert_false(asker->closed);
    for (size_t n = 0; n < 2; n++) {
        asker = stranger_join(&world->machines[0]);
        stranger_say(asker, FRAME_GET_DELIVERY, span_of(body, GET_DELIVERY_BYTES - 1 + 2 * n));
        assert_true(asker->closed);
    }
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_validators_decide_blocks_and_agree),
        cmocka_unit_test(a_single_validator_decides_alone),
        cmocka_unit_test(a_transfer_is_final_everywhere_within_moments),
        cmocka_unit_test(at_50_ms_a_round_trip_a_transfer_is_final_within_200_ms),
        cmocka_unit_test(an_idle_chain_makes_a_block_every_two_seconds),
        cmocka_unit_test(three_of_four_go_on_and_the_fourth_catches_up),
        cmocka_unit_test(a_follower_follows),
        cmocka_unit_test(a_node_behind_all_that_others_have_kept_says_what_to_do),
        cmocka_unit_test(a_follower_starts_with_a_copy_of_anothers_data),
        cmocka_unit_test(nodes_that_genesis_does_not_name_find_each_other),
        cmocka_unit_test(all_may_die_at_once_and_go_on),
        cmocka_unit_test(a_wiped_validator_fetches_the_chain_and_votes_from_a_later_height_on),
        cmocka_unit_test(a_silent_validator_is_silent_after_a_restart),
        cmocka_unit_test(nobody_begins_a_network_before_a_quorum_says_that_it_has_not_begun),
        cmocka_unit_test(what_a_killed_process_left_is_durable_before_it_is_spoken_of),
        cmocka_unit_test(a_validator_without_its_log_does_not_start),
        cmocka_unit_test(a_fee_below_the_least_is_refused_for_that),
        cmocka_unit_test(who_cannot_pay_the_fee_takes_nobody_s_place),
        cmocka_unit_test(a_peer_hears_why_what_it_submits_is_refused),
        cmocka_unit_test(one_too_many_who_waits_is_answered_at_once),
        cmocka_unit_test(light_clients_are_served_what_they_judge_by),
        cmocka_unit_test(pruned_blocks_are_served_to_nobody),
        cmocka_unit_test(a_relay_is_told_of_its_batch_from_its_wait_to_its_sample),
        cmocka_unit_test(questions_about_deliveries_are_whole_and_within_an_allowance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
