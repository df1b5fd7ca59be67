// What is kept of who signed what, told, compared, and made evidence. Keys and values are those of the core's rig.
#include "ledger/consensus/witness.h"

#include "base/assert.h"
#include "ledger/bft_rig.h"

static struct witness *witness_of(size_t validators) {
    struct witness *witness = witness_new();
    struct validator_set set;
    set_of(&set, validators);
    witness_take(witness, &(struct bft_input){.kind = BFT_INPUT_START, .start = {BFT_HEIGHT, &set, &set}});
    return witness;
}

static void start(struct witness *witness, uint64_t height, size_t validators) {
    struct validator_set set;
    set_of(&set, validators);
    witness_take(witness, &(struct bft_input){.kind = BFT_INPUT_START, .start = {height, &set, &set}});
}

static void take(struct witness *witness, const struct vote *vote) {
    witness_take(witness, &(struct bft_input){.kind = BFT_INPUT_VOTE, .vote = *vote});
}

static void take_vote(struct witness *witness, size_t validator, enum vote_type type, struct block_id value) {
    struct vote vote = vote_of(validator, type, 0, value);
    take(witness, &vote);
}

static void take_proposal(struct witness *witness, const struct proposal *proposal) {
    witness_take(witness, &(struct bft_input){.kind = BFT_INPUT_PROPOSAL, .proposal = {*proposal, NULL}});
}

static bool tells(struct witness *witness, struct heard *heard) {
    return witness_tell(witness, heard, 1, UINT64_MAX);
}

static size_t evidence_count(const struct witness *witness) {
    struct evidence evidence;
    size_t cursor = 0, count = 0;
    while (witness_evidence(witness, &evidence, &cursor, UINT64_MAX))
        count++;
    return count;
}

// One tells, the other sends what contradicts it, the first takes that. The statements that were sent.
static size_t compare(struct witness *one, struct witness *other) {
    struct heard heard;
    struct statement statement;
    size_t sent = 0, walk = 0;
    while (witness_recall(one, &heard, &walk)) {
        size_t cursor = 0;
        while (witness_contradict(other, &statement, &cursor, &heard)) {
            sent++;
            if (witness_is_contradicted(one, &statement))
                witness_take_statement(one, &statement);
        }
    }
    return sent;
}

static void what_was_heard_is_told_once(void **state) {
    (void)state;
    struct witness *witness = witness_of(4);
    struct proposal proposal = proposal_of(0, value_of(7));
    struct heard heard;
    assert_false(tells(witness, &heard));
    take_proposal(witness, &proposal);
    take_vote(witness, 0, VOTE_PREVOTE, value_of(7));
    take_vote(witness, 2, VOTE_PREVOTE, no_value);
    take_vote(witness, 3, VOTE_PRECOMMIT, value_of(7));
    assert_true(tells(witness, &heard));
    assert_int_equal(heard.height, BFT_HEIGHT);
    assert_int_equal(heard.validators, 4);
    assert_true(heard.has_proposal && block_id_equal(&heard.proposed, &proposal.value));
    assert_int_equal(heard.valid_round, VALID_ROUND_NONE);
    assert_int_equal(heard.value_count, 2);
    assert_true(block_id_is_nil(&heard.values[0].value));
    assert_int_equal(heard.values[0].prevotes[0], 1 << 2);
    assert_int_equal(heard.values[0].precommits[0], 0);
    assert_int_equal(heard.values[1].prevotes[0], 1 << 0);
    assert_int_equal(heard.values[1].precommits[0], 1 << 3);
    assert_false(tells(witness, &heard));
    take_vote(witness, 2, VOTE_PREVOTE, no_value); // again
    assert_false(tells(witness, &heard));
    take_vote(witness, 1, VOTE_PREVOTE, no_value);
    assert_true(tells(witness, &heard));
    assert_int_equal(heard.values[0].prevotes[0], 1 << 1 | 1 << 2);
    witness_free(witness);
}

static void two_votes_that_two_have_heard_are_evidence_of_both(void **state) {
    (void)state;
    struct witness *one = witness_of(4), *other = witness_of(4);
    take_vote(one, 2, VOTE_PREVOTE, value_of(7));
    take_vote(other, 2, VOTE_PREVOTE, value_of(8));
    assert_int_equal(evidence_count(one) + evidence_count(other), 0);
    assert_int_equal(compare(one, other), 1);
    assert_int_equal(evidence_count(one), 1);
    assert_int_equal(evidence_count(other), 0);
    assert_int_equal(compare(other, one), 0); // it is on its way already
    struct evidence evidence;
    size_t cursor = 0;
    assert_true(witness_evidence(one, &evidence, &cursor, BFT_HEIGHT));
    assert_memory_equal(evidence_accused(&evidence)->bytes, key_of(2).bytes, 32);
    assert_int_equal(evidence.votes[0].value.bytes[0] + evidence.votes[1].value.bytes[0], 7 + 8);
    witness_free(one);
    witness_free(other);
}

static void two_proposals_that_two_have_heard_are_evidence(void **state) {
    (void)state;
    struct witness *one = witness_of(4), *other = witness_of(4);
    struct proposal proposal = proposal_of(1, value_of(7));
    take_proposal(one, &proposal);
    proposal.valid_round = 0; // the same value, as if it had been valid before
    take_proposal(other, &proposal);
    assert_int_equal(compare(one, other), 1);
    assert_int_equal(evidence_count(one), 1);
    witness_free(one);
    witness_free(other);
}

static void a_certificate_speaks_for_those_who_signed_it(void **state) {
    (void)state;
    struct witness *witness = witness_of(4);
    struct heard heard;
    struct certificate certificate = certificate_of(VOTE_PRECOMMIT, 0, value_of(7), 3);
    take_vote(witness, 2, VOTE_PRECOMMIT, no_value);
    assert_true(tells(witness, &heard));
    witness_take(witness, &(struct bft_input){.kind = BFT_INPUT_CERTIFICATE, .certificate = &certificate});
    assert_int_equal(evidence_count(witness), 1);
    assert_false(tells(witness, &heard)); // no news: everybody gets it
    size_t cursor = 0;
    assert_true(witness_recall(witness, &heard, &cursor));
    assert_int_equal(heard.value_count, 2);
    witness_free(witness);
}

static void prevotes_of_a_proposal_that_comes_again_are_compared(void **state) {
    (void)state;
    struct witness *witness = witness_of(4);
    struct certificate prevotes = certificate_of(VOTE_PREVOTE, 0, value_of(7), 3);
    struct proposal proposal = proposal_of(1, value_of(7));
    proposal.valid_round = 0;
    take_vote(witness, 1, VOTE_PREVOTE, value_of(9));
    witness_take(witness, &(struct bft_input){.kind = BFT_INPUT_PROPOSAL, .proposal = {proposal, &prevotes}});
    assert_int_equal(evidence_count(witness), 1);
    witness_free(witness);
}

static void heights_are_kept_for_those_who_decide_later(void **state) {
    (void)state;
    struct witness *one = witness_of(4), *other = witness_of(4);
    struct vote vote = vote_of(2, VOTE_PREVOTE, 0, value_of(7));
    struct heard heard;
    take(one, &vote);
    vote.height = BFT_HEIGHT + 1; // before that height begins
    take(one, &vote);
    for (uint64_t height = BFT_HEIGHT + 1; height <= BFT_HEIGHT + 6; height++)
        start(one, height, 4);
    vote.value = value_of(8);
    take(other, &vote);
    vote.height = BFT_HEIGHT;
    take(other, &vote);
    assert_int_equal(compare(other, one), 2);
    assert_int_equal(evidence_count(other), 2);
    assert_true(witness_tell(one, &heard, BFT_HEIGHT + 1, BFT_HEIGHT + 1));
    assert_false(witness_tell(one, &heard, BFT_HEIGHT + 1, BFT_HEIGHT + 1));
    start(one, BFT_HEIGHT + 7, 4);
    assert_int_equal(compare(other, one), 1); // the first is gone
    assert_false(tells(one, &heard));
    start(one, BFT_HEIGHT + 100, 4);
    assert_int_equal(compare(other, one), 0);
    assert_int_equal(evidence_count(one), 0);
    witness_free(one);
    witness_free(other);
}

static void evidence_of_a_height_waits_for_it(void **state) {
    (void)state;
    struct witness *witness = witness_of(4);
    struct evidence evidence;
    size_t cursor = 0;
    struct vote vote = vote_of(2, VOTE_PREVOTE, 0, value_of(7));
    vote.height = BFT_HEIGHT + 1;
    take(witness, &vote);
    vote.value = value_of(8);
    take(witness, &vote);
    assert_int_equal(witness_evidence_count(witness), 1);
    assert_false(witness_evidence(witness, &evidence, &cursor, BFT_HEIGHT));
    cursor = 0;
    assert_true(witness_evidence(witness, &evidence, &cursor, BFT_HEIGHT + 1));
    witness_free(witness);
}

static void strangers_and_those_without_a_turn_are_not_kept(void **state) {
    (void)state;
    struct witness *witness = witness_of(4);
    struct proposal proposal = proposal_of(0, value_of(7));
    struct heard heard;
    take_vote(witness, 9, VOTE_PREVOTE, value_of(7));
    proposal.proposer = key_of(1);
    take_proposal(witness, &proposal);
    assert_false(tells(witness, &heard));
    witness_free(witness);
}

static void rounds_are_kept_around_that_of_the_core(void **state) {
    (void)state;
    struct witness *witness = witness_of(4);
    struct heard heard;
    size_t told = 0, cursor = 0;
    for (uint32_t round = 0; round < 3000; round++) {
        struct vote vote = vote_of(2, VOTE_PREVOTE, round, value_of(7));
        take(witness, &vote);
    }
    while (tells(witness, &heard))
        told++;
    assert_int_equal(told, WITNESS_ROUNDS);
    witness_enter(witness, 100);
    assert_false(witness_recall(witness, &heard, &cursor));
    for (uint32_t round = 0; round < 3000; round++) {
        struct vote vote = vote_of(2, VOTE_PREVOTE, round, value_of(7));
        take(witness, &vote);
    }
    for (told = 0; tells(witness, &heard); told++)
        assert_in_range(heard.round, 100 - WITNESS_ROUNDS_BEHIND, 100 - WITNESS_ROUNDS_BEHIND + WITNESS_ROUNDS - 1);
    assert_int_equal(told, WITNESS_ROUNDS);
    witness_free(witness);
}

// A third of a hundred vote for anything, so that one among them is not noticed: it is, in some round.
static void many_values_hide_nobody_for_ever(void **state) {
    (void)state;
    struct witness *one = witness_of(100), *other = witness_of(100);
    for (uint32_t round = 0; round < WITNESS_ROUNDS; round++) {
        for (size_t v = 0; v < 100; v++) {
            struct vote vote = vote_of(v, VOTE_PREVOTE, round, v < 33 ? value_of((uint8_t)(100 + v)) : value_of(7));
            take(one, &vote);
            vote.value = v == 20 ? value_of(9) : vote.value;
            take(other, &vote);
        }
    }
    struct heard heard;
    size_t cursor = 0;
    while (witness_recall(one, &heard, &cursor)) {
        assert_int_equal(heard.value_count, HEARD_VALUES_MAX);
        assert_int_equal(heard.values[0].value.bytes[0], 7); // what most voted for is always told
    }
    compare(one, other);
    assert_int_equal(evidence_count(one), 1);
    witness_free(one);
    witness_free(other);
}

static void what_another_claims_makes_nobody_guilty(void **state) {
    (void)state;
    struct witness *witness = witness_of(4);
    struct heard claim = {.height = BFT_HEIGHT, .validators = 4, .value_count = 1};
    struct statement statement;
    size_t cursor = 0, sent = 0;
    for (size_t v = 0; v < 4; v++) {
        take_vote(witness, v, VOTE_PREVOTE, value_of(7));
        heard_set_bit(claim.values[0].prevotes, v);
        heard_set_bit(claim.values[0].precommits, v);
    }
    claim.values[0].value = value_of(8);
    while (witness_contradict(witness, &statement, &cursor, &claim)) {
        assert_false(witness_is_contradicted(witness, &statement));
        sent++;
    }
    assert_int_equal(sent, 4);
    assert_int_equal(evidence_count(witness), 0);
    claim.validators = 5; // of another set
    cursor = 0;
    assert_false(witness_contradict(witness, &statement, &cursor, &claim));
    witness_free(witness);
}

// For the figures in docs/spec/ledger.md.
static void a_round_of_a_hundred_is_told_in_109_bytes(void **state) {
    (void)state;
    for (size_t validators = 4; validators <= 100; validators += 96) {
        struct witness *witness = witness_of(validators);
        struct proposal proposal = {.height = BFT_HEIGHT, .valid_round = BFT_ROUND_NONE, .value = value_of(7)};
        struct validator_set set;
        struct heard heard;
        uint8_t bytes[HEARD_BYTES_MAX];
        set_of(&set, validators);
        proposal.proposer = set.validators[validators_proposer(&set, BFT_HEIGHT, 0)].key;
        take_proposal(witness, &proposal);
        for (size_t v = 0; v < validators; v++) {
            take_vote(witness, v, VOTE_PREVOTE, value_of(7));
            take_vote(witness, v, VOTE_PRECOMMIT, value_of(7));
        }
        assert_true(tells(witness, &heard));
        assert_int_equal(heard_encode(bytes, &heard), validators == 4 ? 85 : 109);
        witness_free(witness);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_heard_is_told_once),
        cmocka_unit_test(two_votes_that_two_have_heard_are_evidence_of_both),
        cmocka_unit_test(two_proposals_that_two_have_heard_are_evidence),
        cmocka_unit_test(a_certificate_speaks_for_those_who_signed_it),
        cmocka_unit_test(prevotes_of_a_proposal_that_comes_again_are_compared),
        cmocka_unit_test(heights_are_kept_for_those_who_decide_later),
        cmocka_unit_test(evidence_of_a_height_waits_for_it),
        cmocka_unit_test(strangers_and_those_without_a_turn_are_not_kept),
        cmocka_unit_test(rounds_are_kept_around_that_of_the_core),
        cmocka_unit_test(many_values_hide_nobody_for_ever),
        cmocka_unit_test(what_another_claims_makes_nobody_guilty),
        cmocka_unit_test(a_round_of_a_hundred_is_told_in_109_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
