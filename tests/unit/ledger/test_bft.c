// The rules of consensus, one by one: lines of algorithm 1 of arXiv 1807.04938, and what was added to it.
#include "ledger/bft_rig.h"
#include "no_randombytes.h"

// ---- proposing: lines 11 to 21 ----

static void a_proposer_builds_when_a_block_is_due(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    assert_int_equal(output_count(rig, BFT_OUTPUT_BUILD_VALUE), 0);
    assert_null(timer_of(rig, BFT_TIMER_PROPOSE));
    give_due(rig);
    assert_int_equal(output_count(rig, BFT_OUTPUT_BUILD_VALUE), 1);
    assert_int_equal(timer_of(rig, BFT_TIMER_PROPOSE)->timer.at_ms, rig->now_ms + 1000);
    give_due(rig);
    assert_int_equal(rig->outputs.count, 0);
    rig_free(rig);
}

static void a_proposers_block_and_prevote_leave_in_one_step_after_the_log(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    give_due(rig);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BUILT_VALUE, .built = {BFT_HEIGHT, 0, value_of(7)}});
    assert_int_equal(output_count(rig, BFT_OUTPUT_BROADCAST_PROPOSAL), 1);
    assert_true(voted(rig, VOTE_PREVOTE, 0, value_of(7)));
    bool synced = false;
    for (size_t i = 0; i < rig->outputs.count; i++) {
        enum bft_output_kind kind = rig->outputs.items[i].kind;
        synced = kind == BFT_OUTPUT_LOG_SYNC || (synced && kind != BFT_OUTPUT_LOG);
        if (kind == BFT_OUTPUT_BROADCAST_PROPOSAL || kind == BFT_OUTPUT_BROADCAST_VOTE)
            assert_true(synced); // nothing was logged since
    }
    rig_free(rig);
}

static void a_block_built_too_late_is_left_alone(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    give_due(rig);
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BUILT_VALUE, .built = {BFT_HEIGHT, 0, value_of(7)}});
    assert_int_equal(rig->outputs.count, 0);
    rig_free(rig);
}

static void round_0_waits_for_a_reason_for_a_block(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    assert_int_equal(rig->outputs.count, 0);
    give_due(rig);
    assert_non_null(timer_of(rig, BFT_TIMER_PROPOSE));
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    assert_true(voted(rig, VOTE_PREVOTE, 0, no_value));
    rig_free(rig);
}

static void votes_of_over_a_third_are_a_reason_for_a_block(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    give_vote(rig, 2, VOTE_PREVOTE, 0, no_value);
    assert_false(look(rig).due);
    give_vote(rig, 3, VOTE_PREVOTE, 0, no_value);
    assert_true(look(rig).due);
    assert_int_equal(output_count(rig, BFT_OUTPUT_BUILD_VALUE), 1);
    rig_free(rig);
}

static void a_proposer_proposes_its_valid_value_again_with_its_prevotes(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_valid_proposal(rig, 0, value_of(7));
    give_votes(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    assert_int_equal(look(rig).valid_round, 0);
    give_votes(rig, 2, VOTE_PRECOMMIT, 0, no_value);
    give_timeout(rig, BFT_TIMER_PRECOMMIT, 0);
    const struct bft_output *output = output_of(rig, BFT_OUTPUT_BROADCAST_PROPOSAL);
    assert_non_null(output);
    assert_int_equal(output->proposal.proposal.round, 1);
    assert_int_equal(output->proposal.proposal.valid_round, 0);
    assert_memory_equal(output->proposal.proposal.value.bytes, value_of(7).bytes, 32);
    assert_int_equal(output->proposal.prevotes->count, 3);
    assert_int_equal(output->proposal.prevotes->type, VOTE_PREVOTE);
    assert_true(voted(rig, VOTE_PREVOTE, 1, value_of(7)));
    rig_free(rig);
}

// ---- prevotes: lines 22 and 28 ----

static void a_valid_fresh_proposal_gets_a_prevote(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_proposal(rig, 0, value_of(7));
    assert_int_equal(output_count(rig, BFT_OUTPUT_VALIDATE), 1);
    assert_int_equal(output_count(rig, BFT_OUTPUT_BROADCAST_VOTE), 0);
    give_validity(rig, value_of(7), true);
    assert_true(voted(rig, VOTE_PREVOTE, 0, value_of(7)));
    rig_free(rig);
}

static void an_invalid_proposal_gets_a_prevote_for_nil(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_proposal(rig, 0, value_of(7));
    give_validity(rig, value_of(7), false);
    assert_true(voted(rig, VOTE_PREVOTE, 0, no_value));
    rig_free(rig);
}

static void only_the_proposer_proposes(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    struct proposal proposal = proposal_of(0, value_of(7));
    proposal.proposer = key_of(2);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_PROPOSAL, .proposal = {proposal, NULL}});
    proposal.proposer = key_of(9);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_PROPOSAL, .proposal = {proposal, NULL}});
    assert_int_equal(rig->outputs.count, 0);
    rig_free(rig);
}

// Locked on value 7 in round 0, now in `round`.
static struct rig *rig_locked(uint32_t round) {
    struct rig *rig = rig_new(3);
    give_valid_proposal(rig, 0, value_of(7));
    give_votes(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    assert_true(voted(rig, VOTE_PRECOMMIT, 0, value_of(7)));
    assert_int_equal(look(rig).locked_round, 0);
    for (uint32_t r = 0; r < round; r++) {
        give_votes(rig, 2, VOTE_PRECOMMIT, r, no_value);
        give_timeout(rig, BFT_TIMER_PRECOMMIT, r);
    }
    assert_int_equal(look(rig).round, round);
    return rig;
}

static void a_locked_validator_prevotes_no_other_fresh_value(void **state) {
    (void)state;
    struct rig *rig = rig_locked(1);
    give_valid_proposal(rig, 1, value_of(8));
    assert_true(voted(rig, VOTE_PREVOTE, 1, no_value));
    rig_free(rig);
}

static void a_locked_validator_prevotes_its_value_proposed_afresh(void **state) {
    (void)state;
    struct rig *rig = rig_locked(1);
    give_proposal(rig, 1, value_of(7));
    assert_true(voted(rig, VOTE_PREVOTE, 1, value_of(7))); // known to be valid: not asked again
    rig_free(rig);
}

static void prevotes_of_the_locks_round_or_later_open_the_lock(void **state) {
    (void)state;
    struct rig *rig = rig_locked(2);
    give_proposal_again(rig, 2, 1, value_of(8));
    give_validity(rig, value_of(8), true);
    assert_true(voted(rig, VOTE_PREVOTE, 2, value_of(8)));
    rig_free(rig);
}

static void prevotes_of_an_earlier_round_do_not_open_the_lock(void **state) {
    (void)state;
    struct rig *rig = rig_new(3);
    give_votes(rig, 2, VOTE_PREVOTE, 2, value_of(7)); // skips
    give_valid_proposal(rig, 2, value_of(7));
    assert_int_equal(look(rig).locked_round, 2);
    give_votes(rig, 2, VOTE_PREVOTE, 4, no_value);
    assert_int_equal(look(rig).round, 4);
    give_proposal_again(rig, 4, 1, value_of(8));
    give_validity(rig, value_of(8), true);
    assert_true(voted(rig, VOTE_PREVOTE, 4, no_value));
    rig_free(rig);
}

static void a_proposal_again_without_its_prevotes_is_dropped(void **state) {
    (void)state;
    struct rig *rig = rig_locked(2);
    struct certificate prevotes = certificate_of(VOTE_PREVOTE, 1, value_of(8), 2); // no quorum
    struct bft_input input = {.kind = BFT_INPUT_PROPOSAL, .proposal = {proposal_of(2, value_of(8)), &prevotes}};
    input.proposal.proposal.valid_round = 1;
    rig_give(rig, &input);
    assert_int_equal(rig->outputs.count, 0);
    input.proposal.prevotes = NULL;
    rig_give(rig, &input);
    prevotes = certificate_of(VOTE_PREVOTE, 0, value_of(8), 3); // of another round
    input.proposal.prevotes = &prevotes;
    rig_give(rig, &input);
    prevotes = certificate_of(VOTE_PREVOTE, 1, value_of(9), 3); // of another value
    rig_give(rig, &input);
    prevotes = certificate_of(VOTE_PRECOMMIT, 1, value_of(8), 3); // of another type
    rig_give(rig, &input);
    assert_int_equal(rig->outputs.count, 0);
    rig_free(rig);
}

// ---- quorums of prevotes: lines 34, 36 and 44 ----

static void a_quorum_of_any_prevotes_starts_the_timer_once(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_due(rig);
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    give_vote(rig, 3, VOTE_PREVOTE, 0, value_of(7));
    give_vote(rig, 0, VOTE_PREVOTE, 0, value_of(8));
    assert_null(timer_of(rig, BFT_TIMER_PREVOTE)); // has not prevoted itself
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    assert_int_equal(timer_of(rig, BFT_TIMER_PREVOTE)->timer.at_ms, rig->now_ms + 500);
    give_timeout(rig, BFT_TIMER_PREVOTE, 0);
    assert_true(voted(rig, VOTE_PRECOMMIT, 0, no_value));
    assert_null(timer_of(rig, BFT_TIMER_PREVOTE));
    rig_free(rig);
}

static void a_quorum_of_prevotes_locks_and_precommits(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_valid_proposal(rig, 0, value_of(7));
    give_vote(rig, 0, VOTE_PREVOTE, 0, value_of(7));
    assert_int_equal(look(rig).step, BFT_STEP_PREVOTE);
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    assert_true(voted(rig, VOTE_PRECOMMIT, 0, value_of(7)));
    struct bft_view view = look(rig);
    assert_int_equal(view.locked_round, 0);
    assert_int_equal(view.valid_round, 0);
    assert_memory_equal(view.locked_value.bytes, value_of(7).bytes, 32);
    assert_memory_equal(view.valid_value.bytes, value_of(7).bytes, 32);
    rig_free(rig);
}

static void a_quorum_of_prevotes_after_the_precommit_makes_the_value_valid_only(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_due(rig);
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    give_vote(rig, 0, VOTE_PREVOTE, 0, value_of(7));
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    give_timeout(rig, BFT_TIMER_PREVOTE, 0);
    give_vote(rig, 3, VOTE_PREVOTE, 0, value_of(7));
    assert_int_equal(look(rig).valid_round, BFT_ROUND_NONE); // not without the proposal
    give_valid_proposal(rig, 0, value_of(7));
    assert_int_equal(look(rig).valid_round, 0);
    assert_int_equal(look(rig).locked_round, BFT_ROUND_NONE);
    assert_int_equal(output_count(rig, BFT_OUTPUT_BROADCAST_VOTE), 0);
    rig_free(rig);
}

static void a_quorum_of_prevotes_for_nil_precommits_nil(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_due(rig);
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    give_votes(rig, 2, VOTE_PREVOTE, 0, no_value);
    assert_true(voted(rig, VOTE_PRECOMMIT, 0, no_value));
    assert_int_equal(look(rig).locked_round, BFT_ROUND_NONE);
    rig_free(rig);
}

// ---- quorums of precommits: lines 47 and 49 ----

static void a_quorum_of_any_precommits_starts_the_timer_once(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote(rig, 0, VOTE_PRECOMMIT, 0, no_value);
    give_vote(rig, 2, VOTE_PRECOMMIT, 0, value_of(7));
    assert_null(timer_of(rig, BFT_TIMER_PRECOMMIT));
    give_vote(rig, 3, VOTE_PRECOMMIT, 0, no_value);
    assert_non_null(timer_of(rig, BFT_TIMER_PRECOMMIT));
    give_proposal(rig, 0, value_of(7));
    assert_null(timer_of(rig, BFT_TIMER_PRECOMMIT));
    rig_free(rig);
}

static void a_quorum_of_precommits_decides(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_valid_proposal(rig, 0, value_of(7));
    give_votes(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    give_votes(rig, 2, VOTE_PRECOMMIT, 0, value_of(7));
    const struct certificate *decision = output_of(rig, BFT_OUTPUT_DECIDE)->decision;
    assert_int_equal(decision->type, VOTE_PRECOMMIT);
    assert_int_equal(decision->height, BFT_HEIGHT);
    assert_int_equal(decision->round, 0);
    assert_int_equal(decision->count, 3);
    assert_memory_equal(decision->value.bytes, value_of(7).bytes, 32);
    assert_int_equal(look(rig).step, BFT_STEP_DECIDED);
    give_timeout(rig, BFT_TIMER_PRECOMMIT, 0);
    assert_int_equal(rig->outputs.count, 0);
    rig_free(rig);
}

static void precommits_of_a_past_round_decide(void **state) {
    (void)state;
    struct rig *rig = rig_locked(2);
    give_vote(rig, 2, VOTE_PRECOMMIT, 0, value_of(7));
    assert_null(output_of(rig, BFT_OUTPUT_DECIDE));
    rig_free(rig);
    rig = rig_new(3);
    give_valid_proposal(rig, 0, value_of(7));
    give_votes(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    give_vote(rig, 0, VOTE_PRECOMMIT, 0, value_of(7));
    give_votes(rig, 2, VOTE_PREVOTE, 5, no_value); // skips
    assert_int_equal(look(rig).round, 5);
    give_vote(rig, 2, VOTE_PRECOMMIT, 0, value_of(7));
    assert_int_equal(output_of(rig, BFT_OUTPUT_DECIDE)->decision->round, 0);
    rig_free(rig);
}

static void a_decision_without_a_proposal_asks_for_the_block(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_votes(rig, 3, VOTE_PRECOMMIT, 0, value_of(7));
    assert_true(output_of(rig, BFT_OUTPUT_VALIDATE)->validate.decided);
    give_validity(rig, value_of(7), true);
    assert_non_null(output_of(rig, BFT_OUTPUT_DECIDE));
    rig_free(rig);
}

static void a_certificate_decides_once_its_block_is_there(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    struct certificate certificate = certificate_of(VOTE_PRECOMMIT, 3, value_of(7), 2);
    struct bft_input input = {.kind = BFT_INPUT_CERTIFICATE, .certificate = &certificate};
    rig_give(rig, &input);
    assert_int_equal(rig->outputs.count, 0); // no quorum
    certificate = certificate_of(VOTE_PRECOMMIT, 3, value_of(7), 3);
    certificate.votes[2].validator = 1; // one counted twice
    rig_give(rig, &input);
    assert_int_equal(rig->outputs.count, 0);
    certificate = certificate_of(VOTE_PRECOMMIT, 3, value_of(7), 3);
    rig_give(rig, &input);
    assert_true(output_of(rig, BFT_OUTPUT_VALIDATE)->validate.decided);
    give_validity(rig, value_of(7), true);
    assert_memory_equal(output_of(rig, BFT_OUTPUT_DECIDE)->decision, &certificate, sizeof certificate);
    rig_free(rig);
}

// ---- rounds: lines 55, 57, 61 and 65 ----

static void over_a_third_in_a_higher_round_are_followed(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote(rig, 0, VOTE_PREVOTE, 3, no_value);
    assert_int_equal(look(rig).round, 0);
    give_vote(rig, 2, VOTE_PREVOTE, 6, no_value);
    assert_int_equal(look(rig).round, 3); // both have reached it
    assert_non_null(timer_of(rig, BFT_TIMER_PROPOSE));
    give_vote(rig, 3, VOTE_PRECOMMIT, 1000000, no_value); // beyond what is kept
    assert_int_equal(look(rig).round, 6);
    rig_free(rig);
}

static void who_has_left_the_round_is_not_waited_for(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_due(rig);
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    give_vote(rig, 0, VOTE_PREVOTE, 0, value_of(7));
    give_vote(rig, 2, VOTE_PREVOTE, 1, no_value);
    assert_non_null(timer_of(rig, BFT_TIMER_PREVOTE));
    give_timeout(rig, BFT_TIMER_PREVOTE, 0);
    give_vote(rig, 0, VOTE_PRECOMMIT, 0, no_value);
    assert_non_null(timer_of(rig, BFT_TIMER_PRECOMMIT));
    rig_free(rig);
}

static void timeouts_vote_nil_and_go_to_the_next_round(void **state) {
    (void)state;
    struct rig *rig = rig_new(2);
    give_due(rig);
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    assert_true(voted(rig, VOTE_PREVOTE, 0, no_value));
    give_timeout(rig, BFT_TIMER_PREVOTE, 0);
    assert_true(voted(rig, VOTE_PRECOMMIT, 0, no_value));
    give_timeout(rig, BFT_TIMER_PRECOMMIT, 0);
    assert_int_equal(look(rig).round, 1);
    assert_int_equal(look(rig).step, BFT_STEP_PROPOSE);
    rig_free(rig);
}

static void timeouts_of_the_past_do_nothing(void **state) {
    (void)state;
    struct rig *rig = rig_locked(1);
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    give_timeout(rig, BFT_TIMER_PREVOTE, 0);
    give_timeout(rig, BFT_TIMER_PRECOMMIT, 0);
    give_timeout(rig, BFT_TIMER_PREVOTE, 1); // not there yet
    assert_int_equal(rig->outputs.count, 0);
    rig_free(rig);
}

static void timeouts_grow_with_the_round(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_votes(rig, 2, VOTE_PREVOTE, 6, no_value);
    assert_int_equal(timer_of(rig, BFT_TIMER_PROPOSE)->timer.at_ms, rig->now_ms + 1000 + 6 * 500);
    give_votes(rig, 3, VOTE_PRECOMMIT, 6, no_value);
    assert_int_equal(timer_of(rig, BFT_TIMER_PRECOMMIT)->timer.at_ms, rig->now_ms + 500 + 6 * 250);
    rig_free(rig);
}

// ---- who counts, and how often ----

static void a_repeated_vote_and_a_strangers_change_nothing(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_valid_proposal(rig, 0, value_of(7));
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    for (int i = 0; i < 3; i++) {
        give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(7));
        assert_int_equal(rig->outputs.count, 0);
        give_vote(rig, 9, VOTE_PREVOTE, 0, value_of(7));
        assert_int_equal(rig->outputs.count, 0);
    }
    rig_free(rig);
}

static void two_votes_for_one_slot_are_evidence_once(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(8));
    const struct bft_output *output = output_of(rig, BFT_OUTPUT_EVIDENCE);
    assert_non_null(output);
    assert_int_equal(output->evidence.kind, EVIDENCE_VOTES);
    assert_memory_equal(evidence_accused(&output->evidence)->bytes, key_of(2).bytes, 32);
    give_vote(rig, 2, VOTE_PREVOTE, 0, value_of(9));
    assert_int_equal(rig->outputs.count, 0);
    assert_int_equal(look(rig).votes, 1);
    rig_free(rig);
}

static void a_vote_against_ones_part_in_a_certificate_is_evidence(void **state) {
    (void)state;
    struct rig *rig = rig_new(3);
    give_vote(rig, 2, VOTE_PRECOMMIT, 0, no_value);
    struct certificate certificate = certificate_of(VOTE_PRECOMMIT, 0, value_of(7), 3);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_CERTIFICATE, .certificate = &certificate});
    const struct bft_output *output = output_of(rig, BFT_OUTPUT_EVIDENCE);
    assert_non_null(output);
    assert_memory_equal(evidence_accused(&output->evidence)->bytes, key_of(2).bytes, 32);
    rig_free(rig);
}

static void two_proposals_of_one_round_are_evidence(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_proposal(rig, 0, value_of(7));
    give_proposal(rig, 0, value_of(7));
    assert_int_equal(rig->outputs.count, 0);
    give_proposal(rig, 0, value_of(8));
    const struct bft_output *output = output_of(rig, BFT_OUTPUT_EVIDENCE);
    assert_non_null(output);
    assert_int_equal(output->evidence.kind, EVIDENCE_PROPOSALS);
    rig_free(rig);
}

static void a_liar_cannot_fill_the_memory(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    for (uint32_t round = 0; round < 3000; round++) {
        give_vote(rig, 2, VOTE_PREVOTE, round, value_of((uint8_t)round));
        give_vote(rig, 2, VOTE_PRECOMMIT, round, value_of((uint8_t)round));
    }
    assert_in_range(look(rig).votes, 1, 32);
    struct vote vote = vote_of(2, VOTE_PREVOTE, 0, no_value);
    vote.height = BFT_HEIGHT + 1;
    for (uint32_t round = 0; round < 100; round++) {
        vote.round = round;
        rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_VOTE, .vote = vote});
    }
    assert_in_range(look(rig).set_aside, 1, 6);
    rig_free(rig);
}

static void a_follower_decides_and_signs_nothing(void **state) {
    (void)state;
    struct rig *rig = rig_new(9); // a key that is not in the set
    give_valid_proposal(rig, 0, value_of(7));
    assert_int_equal(output_count(rig, BFT_OUTPUT_SIGN_VOTE), 0);
    give_votes(rig, 3, VOTE_PREVOTE, 0, value_of(7));
    give_votes(rig, 3, VOTE_PRECOMMIT, 0, value_of(7));
    assert_int_equal(output_count(rig, BFT_OUTPUT_SIGN_VOTE), 0);
    assert_non_null(output_of(rig, BFT_OUTPUT_DECIDE));
    rig_free(rig);
}

static void a_validator_alone_decides_by_itself(void **state) {
    (void)state;
    struct rig *rig = rig_new_unstarted(0, 1);
    rig_start_height(rig, BFT_HEIGHT);
    give_due(rig);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BUILT_VALUE, .built = {BFT_HEIGHT, 0, value_of(7)}});
    assert_non_null(output_of(rig, BFT_OUTPUT_DECIDE));
    rig_free(rig);
}

static void what_the_signer_refuses_is_not_said(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    rig->signer_refuses = true;
    give_valid_proposal(rig, 0, value_of(7));
    give_votes(rig, 3, VOTE_PREVOTE, 0, value_of(7));
    assert_int_equal(output_count(rig, BFT_OUTPUT_BROADCAST_VOTE), 0);
    give_votes(rig, 3, VOTE_PRECOMMIT, 0, value_of(7));
    assert_non_null(output_of(rig, BFT_OUTPUT_DECIDE));
    rig_free(rig);
}

// ---- heights ----

static void the_lock_ends_with_its_height(void **state) {
    (void)state;
    struct rig *rig = rig_locked(1);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_SYNCED_BLOCK, .height = BFT_HEIGHT});
    assert_int_equal(look(rig).step, BFT_STEP_DECIDED);
    rig_start_height(rig, BFT_HEIGHT + 1);
    struct bft_view view = look(rig);
    assert_int_equal(view.locked_round, BFT_ROUND_NONE);
    assert_int_equal(view.valid_round, BFT_ROUND_NONE);
    assert_int_equal(view.round, 0);
    assert_int_equal(view.votes, 0);
    rig_free(rig);
}

static void messages_of_the_next_height_wait_for_it(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    struct vote vote = vote_of(2, VOTE_PREVOTE, 0, value_of(7));
    struct proposal proposal = proposal_of(1, value_of(7)); // round 0's of the next height is validator 1
    vote.height = proposal.height = BFT_HEIGHT + 1;
    proposal.round = 0;
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_VOTE, .vote = vote});
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_VOTE, .vote = vote});
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_PROPOSAL, .proposal = {proposal, NULL}});
    assert_int_equal(rig->outputs.count, 0);
    assert_int_equal(look(rig).set_aside, 2);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_SYNCED_BLOCK, .height = BFT_HEIGHT});
    rig_start_height(rig, BFT_HEIGHT + 1);
    assert_int_equal(look(rig).set_aside, 0);
    assert_int_equal(look(rig).votes, 1);
    assert_int_equal(output_count(rig, BFT_OUTPUT_LOG), 3);
    assert_int_equal(output_count(rig, BFT_OUTPUT_VALIDATE), 1);
    rig_free(rig);
}

static void give_vote_at(struct rig *rig, size_t validator, uint64_t height) {
    struct vote vote = vote_of(validator, VOTE_PREVOTE, 0, no_value);
    vote.height = height;
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_VOTE, .from = 70 + validator, .vote = vote});
}

static void who_is_two_heights_behind_asks_for_sync_and_signs_nothing(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote_at(rig, 2, BFT_HEIGHT + 5);
    assert_false(look(rig).behind);
    give_vote_at(rig, 3, BFT_HEIGHT + 2);
    assert_true(look(rig).behind);
    assert_int_equal(output_of(rig, BFT_OUTPUT_REQUEST_SYNC)->sync.height, BFT_HEIGHT + 2);
    give_due(rig);
    give_valid_proposal(rig, 0, value_of(7));
    give_timeout(rig, BFT_TIMER_PROPOSE, 0);
    assert_int_equal(rig->outputs.count, 0);
    rig_start_height(rig, BFT_HEIGHT + 1);
    assert_false(look(rig).behind);
    rig_free(rig);
}

static void a_lasting_lag_lasts_over_the_start_of_a_height(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote_at(rig, 2, BFT_HEIGHT + 5);
    give_vote_at(rig, 3, BFT_HEIGHT + 5);
    rig_start_height(rig, BFT_HEIGHT + 1);
    assert_true(look(rig).behind);
    assert_int_equal(output_of(rig, BFT_OUTPUT_REQUEST_SYNC)->sync.height, BFT_HEIGHT + 5);
    give_timeout(rig, BFT_TIMER_REBROADCAST, 0); // of the height before
    assert_int_equal(rig->outputs.count, 0);
    rig_free(rig);
}

static void who_is_behind_still_takes_a_decision(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote_at(rig, 2, BFT_HEIGHT + 2);
    give_vote_at(rig, 3, BFT_HEIGHT + 2);
    struct certificate certificate = certificate_of(VOTE_PRECOMMIT, 0, value_of(7), 3);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_CERTIFICATE, .certificate = &certificate});
    give_validity(rig, value_of(7), true);
    assert_non_null(output_of(rig, BFT_OUTPUT_DECIDE));
    assert_int_equal(output_count(rig, BFT_OUTPUT_SIGN_VOTE), 0);
    rig_free(rig);
}

static void a_missed_decision_is_asked_for(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote_at(rig, 2, BFT_HEIGHT + 1);
    give_vote_at(rig, 3, BFT_HEIGHT + 1);
    assert_null(output_of(rig, BFT_OUTPUT_REQUEST_SYNC));
    give_timeout(rig, BFT_TIMER_REBROADCAST, 0);
    assert_int_equal(output_of(rig, BFT_OUTPUT_REQUEST_SYNC)->sync.height, BFT_HEIGHT + 1);
    rig_free(rig);
}

static void who_stays_at_a_decided_height_is_sent_its_decision(void **state) {
    (void)state;
    struct rig *rig = rig_new(1);
    give_vote_at(rig, 2, BFT_HEIGHT - 1);
    assert_int_equal(rig->outputs.count, 0); // may be late only
    rig->now_ms += 1000;
    give_vote_at(rig, 2, BFT_HEIGHT - 1);
    const struct bft_output *output = output_of(rig, BFT_OUTPUT_SEND_DECISION);
    assert_non_null(output);
    assert_int_equal(output->send.to, 72);
    assert_int_equal(output->send.height, BFT_HEIGHT - 1);
    give_vote_at(rig, 2, BFT_HEIGHT - 1); // not for every message
    assert_int_equal(rig->outputs.count, 0);
    give_vote_at(rig, 9, BFT_HEIGHT - 1); // not for strangers
    assert_int_equal(rig->outputs.count, 0);
    rig_free(rig);
}

static void the_last_own_messages_are_repeated(void **state) {
    (void)state;
    struct rig *rig = rig_new(0);
    give_due(rig);
    rig_give(rig, &(struct bft_input){.kind = BFT_INPUT_BUILT_VALUE, .built = {BFT_HEIGHT, 0, value_of(7)}});
    give_votes(rig, 2, VOTE_PREVOTE, 0, value_of(7));
    give_timeout(rig, BFT_TIMER_REBROADCAST, 0);
    assert_non_null(output_of(rig, BFT_OUTPUT_BROADCAST_PROPOSAL));
    assert_true(voted(rig, VOTE_PREVOTE, 0, value_of(7)));
    assert_true(voted(rig, VOTE_PRECOMMIT, 0, value_of(7)));
    assert_int_equal(timer_of(rig, BFT_TIMER_REBROADCAST)->timer.at_ms, rig->now_ms + 1000);
    assert_int_equal(output_count(rig, BFT_OUTPUT_LOG), 0);
    rig_free(rig);
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proposer_builds_when_a_block_is_due),
        cmocka_unit_test(a_proposers_block_and_prevote_leave_in_one_step_after_the_log),
        cmocka_unit_test(a_block_built_too_late_is_left_alone),
        cmocka_unit_test(round_0_waits_for_a_reason_for_a_block),
        cmocka_unit_test(votes_of_over_a_third_are_a_reason_for_a_block),
        cmocka_unit_test(a_proposer_proposes_its_valid_value_again_with_its_prevotes),
        cmocka_unit_test(a_valid_fresh_proposal_gets_a_prevote),
        cmocka_unit_test(an_invalid_proposal_gets_a_prevote_for_nil),
        cmocka_unit_test(only_the_proposer_proposes),
        cmocka_unit_test(a_locked_validator_prevotes_no_other_fresh_value),
        cmocka_unit_test(a_locked_validator_prevotes_its_value_proposed_afresh),
        cmocka_unit_test(prevotes_of_the_locks_round_or_later_open_the_lock),
        cmocka_unit_test(prevotes_of_an_earlier_round_do_not_open_the_lock),
        cmocka_unit_test(a_proposal_again_without_its_prevotes_is_dropped),
        cmocka_unit_test(a_quorum_of_any_prevotes_starts_the_timer_once),
        cmocka_unit_test(a_quorum_of_prevotes_locks_and_precommits),
        cmocka_unit_test(a_quorum_of_prevotes_after_the_precommit_makes_the_value_valid_only),
        cmocka_unit_test(a_quorum_of_prevotes_for_nil_precommits_nil),
        cmocka_unit_test(a_quorum_of_any_precommits_starts_the_timer_once),
        cmocka_unit_test(a_quorum_of_precommits_decides),
        cmocka_unit_test(precommits_of_a_past_round_decide),
        cmocka_unit_test(a_decision_without_a_proposal_asks_for_the_block),
        cmocka_unit_test(a_certificate_decides_once_its_block_is_there),
        cmocka_unit_test(over_a_third_in_a_higher_round_are_followed),
        cmocka_unit_test(who_has_left_the_round_is_not_waited_for),
        cmocka_unit_test(timeouts_vote_nil_and_go_to_the_next_round),
        cmocka_unit_test(timeouts_of_the_past_do_nothing),
        cmocka_unit_test(timeouts_grow_with_the_round),
        cmocka_unit_test(a_repeated_vote_and_a_strangers_change_nothing),
        cmocka_unit_test(two_votes_for_one_slot_are_evidence_once),
        cmocka_unit_test(a_vote_against_ones_part_in_a_certificate_is_evidence),
        cmocka_unit_test(two_proposals_of_one_round_are_evidence),
        cmocka_unit_test(a_liar_cannot_fill_the_memory),
        cmocka_unit_test(a_follower_decides_and_signs_nothing),
        cmocka_unit_test(a_validator_alone_decides_by_itself),
        cmocka_unit_test(what_the_signer_refuses_is_not_said),
        cmocka_unit_test(the_lock_ends_with_its_height),
        cmocka_unit_test(messages_of_the_next_height_wait_for_it),
        cmocka_unit_test(who_is_two_heights_behind_asks_for_sync_and_signs_nothing),
        cmocka_unit_test(a_lasting_lag_lasts_over_the_start_of_a_height),
        cmocka_unit_test(who_is_behind_still_takes_a_decision),
        cmocka_unit_test(a_missed_decision_is_asked_for),
        cmocka_unit_test(who_stays_at_a_decided_height_is_sent_its_decision),
        cmocka_unit_test(the_last_own_messages_are_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
