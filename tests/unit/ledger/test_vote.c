// Votes, proposals, certificates, evidence: one encoding each, signed for one network, and what counts as enough.
#include "ledger/vote.h"

#include <stdio.h>

#include "ledger/committee.h"
#include "wire/codec.h"

static void value_draw(struct block_id *value, struct rng *rng) {
    rng_bytes(rng, value->bytes, sizeof value->bytes);
}

static struct vote vote_draw(const struct committee *committee, size_t signer, struct rng *rng) {
    struct vote vote = {.type = rng_below(rng, 2) == 0 ? VOTE_PREVOTE : VOTE_PRECOMMIT,
                        .height = rng_u64(rng),
                        .round = rng_u32(rng),
                        .validator = committee->set.validators[signer].key};
    if (rng_below(rng, 4) != 0)
        value_draw(&vote.value, rng);
    vote_sign(&vote, &committee->network, &committee->secrets[signer]);
    return vote;
}

static struct proposal proposal_draw(const struct committee *committee, size_t signer, struct rng *rng) {
    struct proposal proposal = {.height = rng_u64(rng),
                                .round = 1 + (uint32_t)rng_below(rng, UINT32_MAX),
                                .valid_round = VALID_ROUND_NONE,
                                .proposer = committee->set.validators[signer].key};
    if (rng_below(rng, 2) == 0)
        proposal.valid_round = (uint32_t)rng_below(rng, proposal.round);
    value_draw(&proposal.value, rng);
    proposal_sign(&proposal, &committee->network, &committee->secrets[signer]);
    return proposal;
}

static bool takes_vote(void *ctx, struct span bytes) {
    struct vote vote;
    return vote_decode(&vote, bytes) == OK && vote_verify(&vote, ctx) == OK;
}

static void a_vote_comes_back_and_any_flipped_bit_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    struct committee committee;
    committee_draw(&committee, 4, 1, &rng);
    const struct parser parser = {takes_vote, &committee.network};
    for (int i = 0; i < 20; i++) {
        struct vote vote = vote_draw(&committee, rng_below(&rng, 4), &rng);
        uint8_t bytes[VOTE_BYTES];
        vote_encode(bytes, &vote);
        takes_exactly(&parser, SPAN_OF(bytes));
        size_t bit = rng_below(&rng, 8 * VOTE_BYTES);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(parser_takes(&parser, SPAN_OF(bytes)));
    }
}

static bool takes_proposal(void *ctx, struct span bytes) {
    struct proposal proposal;
    return proposal_decode(&proposal, bytes) == OK && proposal_verify(&proposal, ctx) == OK;
}

static void a_proposal_comes_back_and_any_flipped_bit_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(2);
    struct committee committee;
    committee_draw(&committee, 4, 1, &rng);
    const struct parser parser = {takes_proposal, &committee.network};
    for (int i = 0; i < 20; i++) {
        struct proposal proposal = proposal_draw(&committee, rng_below(&rng, 4), &rng);
        uint8_t bytes[PROPOSAL_BYTES];
        proposal_encode(bytes, &proposal);
        takes_exactly(&parser, SPAN_OF(bytes));
        size_t bit = rng_below(&rng, 8 * PROPOSAL_BYTES);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(parser_takes(&parser, SPAN_OF(bytes)));
    }
}

static void a_proposal_of_nil_or_of_a_later_valid_round_is_malformed(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(3);
    struct committee committee;
    committee_draw(&committee, 1, 1, &rng);
    uint8_t bytes[PROPOSAL_BYTES];
    struct proposal out;
    struct proposal proposal = proposal_draw(&committee, 0, &rng);
    proposal.round = 5;
    proposal.valid_round = 5;
    proposal_encode(bytes, &proposal);
    assert_int_equal(proposal_decode(&out, SPAN_OF(bytes)), ERR_MALFORMED);
    proposal.valid_round = 4;
    proposal_encode(bytes, &proposal);
    assert_int_equal(proposal_decode(&out, SPAN_OF(bytes)), OK);
    proposal.value = (struct block_id){{0}};
    proposal_encode(bytes, &proposal);
    assert_int_equal(proposal_decode(&out, SPAN_OF(bytes)), ERR_MALFORMED);
}

static void a_certificate_needs_more_than_two_thirds_of_the_power(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(4);
    for (size_t count = 1; count <= 10; count++) {
        struct committee committee;
        committee_draw(&committee, count, 1, &rng);
        struct block_id value;
        value_draw(&value, &rng);
        for (size_t signers = 1; signers <= count; signers++) {
            struct certificate certificate;
            committee_certify(&certificate, &committee, VOTE_PRECOMMIT, 7, 2, &value, signers);
            enum err expected = signers * 3 > count * 2 ? OK : ERR_AUTH;
            assert_int_equal(certificate_verify(&certificate, &committee.set, &committee.network), expected);
        }
    }
}

static void a_certificate_of_other_votes_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(5);
    struct committee committee;
    committee_draw(&committee, 4, 1, &rng);
    struct block_id value;
    value_draw(&value, &rng);
    struct certificate good;
    committee_certify(&good, &committee, VOTE_PRECOMMIT, 7, 2, &value, 4);
    assert_int_equal(certificate_verify(&good, &committee.set, &committee.network), OK);
    struct certificate bad = good;
    bad.height++;
    assert_int_equal(certificate_verify(&bad, &committee.set, &committee.network), ERR_AUTH);
    bad = good;
    bad.round++;
    assert_int_equal(certificate_verify(&bad, &committee.set, &committee.network), ERR_AUTH);
    bad = good;
    bad.type = VOTE_PREVOTE;
    assert_int_equal(certificate_verify(&bad, &committee.set, &committee.network), ERR_AUTH);
    bad = good;
    bad.value.bytes[31] ^= 1;
    assert_int_equal(certificate_verify(&bad, &committee.set, &committee.network), ERR_AUTH);
    struct network_id other = committee.network;
    other.bytes[0] ^= 1;
    assert_int_equal(certificate_verify(&good, &committee.set, &other), ERR_AUTH);
}

static void a_signer_counts_once_and_only_if_it_is_in_the_set(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(6);
    struct committee committee;
    committee_draw(&committee, 4, 1, &rng);
    struct block_id value;
    value_draw(&value, &rng);
    struct certificate certificate;
    uint8_t bytes[CERTIFICATE_BYTES_MAX];
    committee_certify(&certificate, &committee, VOTE_PRECOMMIT, 7, 2, &value, 4);
    certificate.votes[1] = certificate.votes[0];
    size_t n = certificate_encode(bytes, &certificate);
    struct certificate out;
    assert_int_equal(certificate_decode(&out, span_of(bytes, n)), ERR_MALFORMED);
    assert_int_equal(certificate_verify(&certificate, &committee.set, &committee.network), ERR_AUTH);
    committee_certify(&certificate, &committee, VOTE_PRECOMMIT, 7, 2, &value, 4);
    uint64_t power = 0;
    assert_int_equal(certificate_power(&power, &certificate, &committee.set), OK);
    assert_int_equal(power, 4);
    certificate.votes[3].validator = 4;
    assert_int_equal(certificate_power(&power, &certificate, &committee.set), ERR_AUTH);
    assert_int_equal(certificate_verify(&certificate, &committee.set, &committee.network), ERR_AUTH);
}

static bool takes_certificate(void *ctx, struct span bytes) {
    struct certificate certificate;
    (void)ctx;
    return certificate_decode(&certificate, bytes) == OK;
}

static void certificates_come_back_as_they_were(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(7);
    struct committee committee;
    committee_draw(&committee, 9, 5, &rng);
    struct block_id value;
    value_draw(&value, &rng);
    for (size_t signers = 1; signers <= 9; signers++) {
        struct certificate certificate;
        struct certificate back;
        uint8_t bytes[CERTIFICATE_BYTES_MAX];
        uint8_t again[CERTIFICATE_BYTES_MAX];
        committee_certify(&certificate, &committee, VOTE_PREVOTE, rng_u64(&rng), rng_u32(&rng), &value, signers);
        size_t n = certificate_encode(bytes, &certificate);
        takes_exactly(&(struct parser){takes_certificate, NULL}, span_of(bytes, n));
        assert_int_equal(certificate_decode(&back, span_of(bytes, n)), OK);
        assert_int_equal(certificate_encode(again, &back), n);
        assert_memory_equal(again, bytes, n);
    }
}

static void a_proposal_carries_the_prevotes_of_its_valid_round(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(8);
    struct committee committee;
    committee_draw(&committee, 4, 1, &rng);
    struct proposal_message message = {
        .proposal = {.height = 7, .round = 3, .valid_round = 1, .proposer = committee.set.validators[0].key},
        .block = SPAN_LITERAL("block")};
    value_draw(&message.proposal.value, &rng);
    proposal_sign(&message.proposal, &committee.network, &committee.secrets[0]);
    committee_certify(&message.prevotes, &committee, VOTE_PREVOTE, 7, 1, &message.proposal.value, 3);
    struct buf bytes = {0};
    struct proposal_message back;
    proposal_message_encode(&bytes, &message);
    assert_int_equal(proposal_message_decode(&back, buf_span(&bytes)), OK);
    assert_true(span_equal(back.block, message.block));
    assert_int_equal(certificate_verify(&back.prevotes, &committee.set, &committee.network), OK);
    committee_certify(&message.prevotes, &committee, VOTE_PREVOTE, 7, 2, &message.proposal.value, 3);
    buf_clear(&bytes);
    proposal_message_encode(&bytes, &message);
    assert_int_equal(proposal_message_decode(&back, buf_span(&bytes)), ERR_MALFORMED);
    message.proposal.valid_round = VALID_ROUND_NONE;
    buf_clear(&bytes);
    proposal_message_encode(&bytes, &message);
    assert_int_equal(bytes.n, PROPOSAL_BYTES + message.block.n);
    assert_int_equal(proposal_message_decode(&back, buf_span(&bytes)), OK);
    buf_free(&bytes);
}

static void two_votes_for_one_slot_are_evidence_in_one_order(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(9);
    struct committee committee;
    committee_draw(&committee, 2, 1, &rng);
    struct vote a = vote_draw(&committee, 0, &rng);
    struct vote b = a;
    struct evidence evidence;
    struct evidence other;
    struct evidence back;
    assert_int_equal(evidence_of_votes(&evidence, &a, &b), ERR_INVALID);
    value_draw(&b.value, &rng);
    vote_sign(&b, &committee.network, &committee.secrets[0]);
    assert_int_equal(evidence_of_votes(&evidence, &a, &b), OK);
    assert_int_equal(evidence_of_votes(&other, &b, &a), OK);
    uint8_t bytes[EVIDENCE_BYTES_MAX];
    uint8_t again[EVIDENCE_BYTES_MAX];
    size_t n = evidence_encode(bytes, &evidence);
    assert_int_equal(evidence_encode(again, &other), n);
    assert_memory_equal(bytes, again, n);
    assert_int_equal(evidence_decode(&back, span_of(bytes, n)), OK);
    assert_int_equal(evidence_verify(&back, &committee.network), OK);
    assert_memory_equal(evidence_accused(&back)->bytes, a.validator.bytes, 32);
    assert_int_equal(evidence_height(&back), a.height);
    back.votes[1].signature.bytes[3] ^= 1;
    assert_int_equal(evidence_verify(&back, &committee.network), ERR_AUTH);
    memcpy(bytes + 1, again + 1 + VOTE_BYTES, VOTE_BYTES); // the second, twice
    assert_int_equal(evidence_decode(&back, span_of(bytes, n)), ERR_MALFORMED);
    b.round++;
    assert_int_equal(evidence_of_votes(&evidence, &a, &b), ERR_INVALID);
}

static void two_proposals_for_one_round_are_evidence(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(10);
    struct committee committee;
    committee_draw(&committee, 2, 1, &rng);
    struct proposal a = proposal_draw(&committee, 1, &rng);
    struct proposal b = a;
    struct evidence evidence;
    struct evidence back;
    assert_int_equal(evidence_of_proposals(&evidence, &a, &b), ERR_INVALID);
    value_draw(&b.value, &rng);
    proposal_sign(&b, &committee.network, &committee.secrets[1]);
    assert_int_equal(evidence_of_proposals(&evidence, &b, &a), OK);
    uint8_t bytes[EVIDENCE_BYTES_MAX];
    size_t n = evidence_encode(bytes, &evidence);
    assert_int_equal(evidence_decode(&back, span_of(bytes, n)), OK);
    assert_int_equal(evidence_verify(&back, &committee.network), OK);
    assert_memory_equal(evidence_accused(&back)->bytes, a.proposer.bytes, 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vote_comes_back_and_any_flipped_bit_is_refused),
        cmocka_unit_test(a_proposal_comes_back_and_any_flipped_bit_is_refused),
        cmocka_unit_test(a_proposal_of_nil_or_of_a_later_valid_round_is_malformed),
        cmocka_unit_test(a_certificate_needs_more_than_two_thirds_of_the_power),
        cmocka_unit_test(a_certificate_of_other_votes_is_refused),
        cmocka_unit_test(a_signer_counts_once_and_only_if_it_is_in_the_set),
        cmocka_unit_test(certificates_come_back_as_they_were),
        cmocka_unit_test(a_proposal_carries_the_prevotes_of_its_valid_round),
        cmocka_unit_test(two_votes_for_one_slot_are_evidence_in_one_order),
        cmocka_unit_test(two_proposals_for_one_round_are_evidence),
    };
    return cmocka_run_group_tests_name("vote", tests, codec_setup, NULL);
}
