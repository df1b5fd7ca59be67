// What validators sign and what is made of it. The first byte modulo 6 chooses what the rest is:
//   0  a vote   1  a proposal   2  a certificate   3  evidence   4  a set of validators   5  a proposal with its block
#include "base/assert.h"
#include "fuzz.h"
#include "ledger/vote.h"

static const struct network_id network;

static void check_vote(struct span bytes) {
    struct vote vote;
    uint8_t again[VOTE_BYTES];
    if (vote_decode(&vote, bytes) != OK)
        return;
    vote_encode(again, &vote);
    ASSERT(span_equal(SPAN_OF(again), bytes));
    (void)vote_verify(&vote, &network);
}

static void check_proposal(struct span bytes) {
    struct proposal proposal;
    uint8_t again[PROPOSAL_BYTES];
    if (proposal_decode(&proposal, bytes) != OK)
        return;
    proposal_encode(again, &proposal);
    ASSERT(span_equal(SPAN_OF(again), bytes));
    (void)proposal_verify(&proposal, &network);
}

// Of as many validators as a certificate can name, each with power 1.
static void set_make(struct validator_set *set) {
    *set = (struct validator_set){.count = VALIDATORS_MAX, .total = VALIDATORS_MAX};
    for (size_t i = 0; i < VALIDATORS_MAX; i++) {
        set->validators[i].power = 1;
        set->validators[i].key.bytes[31] = (uint8_t)i;
    }
}

static void check_certificate(struct span bytes) {
    struct certificate certificate;
    struct validator_set set;
    uint8_t again[CERTIFICATE_BYTES_MAX];
    uint64_t power = 0;
    if (certificate_decode(&certificate, bytes) != OK)
        return;
    ASSERT(span_equal(span_of(again, certificate_encode(again, &certificate)), bytes));
    set_make(&set);
    ASSERT(certificate_power(&power, &certificate, &set) == OK && power == certificate.count);
    ASSERT(certificate_verify(&certificate, &set, &network) == ERR_AUTH); // nobody holds those keys
}

static void check_evidence(struct span bytes) {
    struct evidence evidence;
    struct evidence turned;
    uint8_t again[EVIDENCE_BYTES_MAX];
    if (evidence_decode(&evidence, bytes) != OK)
        return;
    ASSERT(span_equal(span_of(again, evidence_encode(again, &evidence)), bytes));
    enum err err = evidence.kind == EVIDENCE_VOTES
                       ? evidence_of_votes(&turned, &evidence.votes[1], &evidence.votes[0])
                       : evidence_of_proposals(&turned, &evidence.proposals[1], &evidence.proposals[0]);
    ASSERT(err == OK && span_equal(span_of(again, evidence_encode(again, &turned)), bytes));
    (void)evidence_verify(&evidence, &network);
}

static void check_set(struct span bytes) {
    struct validator_set set;
    uint8_t again[VALIDATOR_SET_BYTES_MAX];
    if (validator_set_decode(&set, bytes) != OK)
        return;
    ASSERT(span_equal(span_of(again, validator_set_encode(again, &set)), bytes));
    for (size_t i = 0; i < set.count; i++)
        ASSERT(validator_set_find(&set, &set.validators[i].key) == (int)i);
    for (uint64_t height = 1; height < 20; height++)
        ASSERT(validators_proposer(&set, height << 40, (uint32_t)height) < set.count);
}

static void check_message(struct span bytes) {
    struct proposal_message message;
    struct buf again = {0};
    if (proposal_message_decode(&message, bytes) != OK)
        return;
    proposal_message_encode(&again, &message);
    ASSERT(span_equal(buf_span(&again), bytes));
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const checks[])(struct span bytes) = {check_vote,     check_proposal, check_certificate,
                                                        check_evidence, check_set,      check_message};
    crypto_init();
    if (size > 0)
        checks[data[0] % 6](span_of(data + 1, size - 1));
    return 0;
}
