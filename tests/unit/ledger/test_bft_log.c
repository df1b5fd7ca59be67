// The log of consensus: every change of state is in it, and it gives the state back.
#include "ledger/bft_rig.h"
#include "wire/codec.h"

#include "crypto/hash.h"
#include "ledger/consensus/record.h"

static struct hash digest_of(const struct rig *rig) {
    struct hash digest;
    bft_digest(rig->core, &digest);
    return digest;
}

static void assert_replays(struct rig *rig) {
    struct hash before = digest_of(rig);
    rig_restart(rig, rig->record_count);
    struct hash after = digest_of(rig);
    assert_memory_equal(before.bytes, after.bytes, sizeof before.bytes);
}

// Anything at all, most of it about the first rounds.
static void give_anything(struct rig *rig, struct rng *rng) {
    bft_outputs_clear(&rig->outputs);
    uint32_t round = (uint32_t)(rng_below(rng, 20) == 0 ? rng_below(rng, 40) : look(rig).round + rng_below(rng, 2));
    struct block_id value = value_of((uint8_t)rng_below(rng, 3));
    struct bft_input input = {.kind = (enum bft_input_kind)(2 + rng_below(rng, 9))};
    struct certificate certificate =
        certificate_of(VOTE_PREVOTE, (uint32_t)rng_below(rng, round + 1), value, 1 + rng_below(rng, 4));
    switch (input.kind) {
    case BFT_INPUT_START:
        return;
    case BFT_INPUT_PROPOSAL:
        input.proposal.proposal = proposal_of(round, value_of((uint8_t)(1 + rng_below(rng, 2))));
        certificate.value = input.proposal.proposal.value;
        if (certificate.round < round) {
            input.proposal.proposal.valid_round = certificate.round;
            input.proposal.prevotes = &certificate;
        }
        break;
    case BFT_INPUT_VOTE:
        input.vote = vote_of(rng_below(rng, 5), rng_below(rng, 2) == 0 ? VOTE_PREVOTE : VOTE_PRECOMMIT, round, value);
        input.vote.height += rng_below(rng, 30) == 0 ? rng_below(rng, 3) : 0;
        break;
    case BFT_INPUT_CERTIFICATE:
        certificate.type = VOTE_PRECOMMIT;
        certificate.value = value_of(1);
        input.certificate = &certificate;
        if (rng_below(rng, 50) != 0)
            return;
        break;
    case BFT_INPUT_BLOCK_VALIDITY:
        input.validity.value = value;
        input.validity.ok = rng_below(rng, 4) != 0;
        break;
    case BFT_INPUT_BUILT_VALUE:
        input.built.height = BFT_HEIGHT;
        input.built.round = round;
        input.built.value = value_of(2);
        break;
    case BFT_INPUT_TIMEOUT:
        input.timeout =
            (struct bft_timer){(enum bft_timer_kind)(1 + rng_below(rng, BFT_TIMER_KINDS)), BFT_HEIGHT, round};
        break;
    case BFT_INPUT_SYNCED_BLOCK:
    case BFT_INPUT_BEHIND:
        if (rng_below(rng, 100) != 0)
            return;
        input.height = BFT_HEIGHT;
        break;
    case BFT_INPUT_BLOCK_DUE:
        input.height = BFT_HEIGHT;
        break;
    }
    rig->signer_refuses = rng_below(rng, 20) == 0;
    rig_give(rig, &input);
}

static void the_log_gives_the_state_back_at_any_time(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct rig *rig = rig_new(rng_below(&rng, 5));
        for (int i = 0; i < 100; i++)
            give_anything(rig, &rng);
        assert_replays(rig);
        for (int i = 0; i < 50; i++) // and life goes on
            give_anything(rig, &rng);
        assert_replays(rig);
        rig_free(rig);
    }
}

static void what_changes_the_state_is_logged_and_what_does_not_is_not(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct rig *rig = rig_new(1);
        struct hash before = digest_of(rig);
        for (int i = 0; i < 100; i++) {
            give_anything(rig, &rng);
            struct hash after = digest_of(rig);
            bool changed = memcmp(before.bytes, after.bytes, sizeof before.bytes) != 0;
            assert_true(changed == (output_count(rig, BFT_OUTPUT_LOG) > 0));
            before = after;
        }
        rig_free(rig);
    }
}

static void evidence_comes_out_of_the_log_again(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(8));
    rig_restart(rig, rig->record_count);
    assert_int_equal(rig->outputs.count, 1);
    assert_non_null(output_of(rig, BFT_OUTPUT_EVIDENCE));
    rig_free(rig);
}

static void records_of_another_place_are_refused(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_due(rig);
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    bft_free(rig->core);
    rig->core = bft_new(NULL, &BFT_PARAMS_DEFAULT);
    struct bft_outputs *outputs = &rig->outputs;
    assert_int_equal(bft_replay(rig->core, buf_span(&rig->records[1]), outputs), ERR_CORRUPT); // no height yet
    assert_int_equal(bft_replay(rig->core, buf_span(&rig->records[0]), outputs), OK);
    assert_int_equal(bft_replay(rig->core, buf_span(&rig->records[0]), outputs), ERR_CORRUPT); // started already
    assert_int_equal(bft_replay(rig->core, buf_span(&rig->records[2]), outputs), OK);
    assert_int_equal(bft_replay(rig->core, buf_span(&rig->records[2]), outputs), ERR_CORRUPT); // counted already
    assert_int_equal(bft_replay(rig->core, SPAN_LITERAL("garbage"), outputs), ERR_CORRUPT);
    rig_free(rig);
}

// ---- bft_resume ----

static void resume(struct rig *rig) {
    rig_restart(rig, rig->record_count);
    bft_resume(rig->core, rig->now_ms, &rig->outputs);
    rig_carry_out(rig);
}

static void own_messages_leave_again_after_a_sync(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    give_due(rig);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BUILT_VALUE, .built = {BFT_HEIGHT, 0, value_of(7)}});
    resume(rig);
    assert_int_equal(rig->outputs.items[0].kind, BFT_OUTPUT_LOG_SYNC);
    assert_non_null(output_of(rig, BFT_OUTPUT_BROADCAST_PROPOSAL));
    assert_true(voted(rig, VOTE_PREVOTE, 0, value_of(7)));
    assert_int_equal(output_count(rig, BFT_OUTPUT_SIGN_VOTE), 0);
    assert_int_equal(output_count(rig, BFT_OUTPUT_BUILD_VALUE), 0);
    rig_free(rig);
}

static void a_vote_that_was_not_signed_yet_is_signed(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    rig->signer_refuses = true;
    give_valid_proposal(rig, 0, value_of(7));
    rig->signer_refuses = false;
    resume(rig);
    assert_int_equal(output_count(rig, BFT_OUTPUT_SIGN_VOTE), 1);
    assert_true(voted(rig, VOTE_PREVOTE, 0, value_of(7)));
    assert_replays(rig);
    rig_free(rig);
}

static void questions_are_asked_again(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    give_due(rig);
    resume(rig);
    assert_non_null(output_of(rig, BFT_OUTPUT_BUILD_VALUE));
    assert_non_null(timer_of(rig, BFT_TIMER_PROPOSE));
    assert_non_null(timer_of(rig, BFT_TIMER_REBROADCAST));
    rig_free(rig);
    rig = rig_new(1);
    give_proposal(rig, 0, value_of(7));
    resume(rig);
    assert_false(output_of(rig, BFT_OUTPUT_VALIDATE)->validate.decided);
    give_validity(rig, value_of(7), true);
    give_votes(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    give_votes(rig, 1, VOTE_PRECOMMIT, 0, no_value);
    give_vote(rig, 2, VOTE_PRECOMMIT, 0, value_of(7));
    resume(rig);
    assert_non_null(timer_of(rig, BFT_TIMER_PRECOMMIT));
    assert_null(output_of(rig, BFT_OUTPUT_VALIDATE));
    rig_free(rig);
}

static void a_decision_is_handed_over_again(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    struct certificate certificate = certificate_of(VOTE_PRECOMMIT, 3, value_of(7), 3);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_CERTIFICATE, .certificate = &certificate});
    resume(rig);
    assert_true(output_of(rig, BFT_OUTPUT_VALIDATE)->validate.decided);
    give_validity(rig, value_of(7), true);
    resume(rig);
    assert_memory_equal(output_of(rig, BFT_OUTPUT_DECIDE)->decision, &certificate, sizeof certificate);
    rig_free(rig);
}

static void who_was_behind_is_still_behind(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BEHIND, .height = BFT_HEIGHT});
    resume(rig);
    assert_true(look(rig).behind);
    assert_int_equal(output_of(rig, BFT_OUTPUT_REQUEST_SYNC)->sync.height, BFT_HEIGHT + 2);
    give_timeout(rig, BFT_TIMER_REBROADCAST, 0);
    assert_non_null(output_of(rig, BFT_OUTPUT_REQUEST_SYNC)); // until it is heard
    rig_free(rig);
}

static void who_was_behind_still_asks_for_the_decided_block(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    struct certificate certificate = certificate_of(VOTE_PRECOMMIT, 3, value_of(7), 3);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BEHIND, .height = BFT_HEIGHT});
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_CERTIFICATE, .certificate = &certificate});
    resume(rig);
    assert_true(output_of(rig, BFT_OUTPUT_VALIDATE)->validate.decided);
    give_validity(rig, value_of(7), true);
    assert_non_null(output_of(rig, BFT_OUTPUT_DECIDE));
    rig_free(rig);
}

// ---- the records themselves ----

static bool takes_record(void *ctx, struct span bytes) {
    (void)ctx;
    struct bft_record *record = NEW(struct bft_record);
    struct buf again = {0};
    bool taken = bft_record_decode(record, bytes) == OK;
    if (taken) {
        bft_record_encode(&again, &record->input);
        assert_true(span_equal(buf_span(&again), bytes));
    }
    buf_free(&again);
    free(record);
    return taken;
}

static void a_record_has_one_encoding(void **state) {
    (void)state;
    const struct parser parser = {takes_record, NULL};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct rig *rig = rig_new(1);
        for (int i = 0; i < 200; i++)
            give_anything(rig, &rng);
        for (size_t i = 0; i < rig->record_count; i++)
            takes_exactly(&parser, buf_span(&rig->records[i]));
        rig_free(rig);
    }
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_gives_the_state_back_at_any_time),
        cmocka_unit_test(what_changes_the_state_is_logged_and_what_does_not_is_not),
        cmocka_unit_test(evidence_comes_out_of_the_log_again),
        cmocka_unit_test(records_of_another_place_are_refused),
        cmocka_unit_test(own_messages_leave_again_after_a_sync),
        cmocka_unit_test(a_vote_that_was_not_signed_yet_is_signed),
        cmocka_unit_test(questions_are_asked_again),
        cmocka_unit_test(a_decision_is_handed_over_again),
        cmocka_unit_test(who_was_behind_is_still_behind),
        cmocka_unit_test(who_was_behind_still_asks_for_the_decided_block),
        cmocka_unit_test(a_record_has_one_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
