// What all of the ledger's codecs promise: bytes with a flipped bit are refused, or mean something else that is written
// as exactly those bytes. So no two encodings mean the same.
#include "ledger/block.h"
#include "ledger/bundle.h"
#include "ledger/draw.h"
#include "ledger/headers.h"
#include "ledger/heard.h"

// Decodes, and appends what was decoded encoded again. False: refused.
typedef bool (*again_fn)(struct buf *again, struct span bytes);

static bool tx_again(struct buf *again, struct span bytes) {
    struct tx tx;
    if (tx_decode(&tx, bytes) != OK)
        return false;
    uint8_t encoded[TX_BYTES_MAX];
    buf_append(again, span_of(encoded, tx_encode(encoded, &tx)));
    return true;
}

static bool vote_again(struct buf *again, struct span bytes) {
    struct vote vote;
    if (vote_decode(&vote, bytes) != OK)
        return false;
    vote_encode(buf_extend(again, VOTE_BYTES), &vote);
    return true;
}

static bool proposal_again(struct buf *again, struct span bytes) {
    struct proposal_message message;
    if (proposal_message_decode(&message, bytes) != OK)
        return false;
    proposal_message_encode(again, &message);
    return true;
}

static bool certificate_again(struct buf *again, struct span bytes) {
    struct certificate certificate;
    if (certificate_decode(&certificate, bytes) != OK)
        return false;
    uint8_t encoded[CERTIFICATE_BYTES_MAX];
    buf_append(again, span_of(encoded, certificate_encode(encoded, &certificate)));
    return true;
}

static bool set_again(struct buf *again, struct span bytes) {
    struct validator_set set;
    if (validator_set_decode(&set, bytes) != OK)
        return false;
    uint8_t encoded[VALIDATOR_SET_BYTES_MAX];
    buf_append(again, span_of(encoded, validator_set_encode(encoded, &set)));
    return true;
}

static bool header_again(struct buf *again, struct span bytes) {
    struct block_header header;
    if (block_header_decode(&header, bytes) != OK)
        return false;
    block_header_encode(buf_extend(again, BLOCK_HEADER_BYTES), &header);
    return true;
}

static bool block_again(struct buf *again, struct span bytes) {
    struct block block;
    if (block_decode(&block, bytes) != OK)
        return false;
    block_encode(again, &block.header, block.txs, block.header.tx_count);
    block_free(&block);
    return true;
}

static bool bundle_again(struct buf *again, struct span bytes) {
    struct ledger_bundle bundle;
    if (bundle_decode(&bundle, bytes) != OK)
        return false;
    bundle_encode(again, &bundle);
    return true;
}

static bool heard_again(struct buf *again, struct span bytes) {
    struct heard heard;
    if (heard_decode(&heard, bytes) != OK)
        return false;
    uint8_t encoded[HEARD_BYTES_MAX];
    buf_append(again, span_of(encoded, heard_encode(encoded, &heard)));
    return true;
}

static bool statement_again(struct buf *again, struct span bytes) {
    struct statement statement;
    if (statement_decode(&statement, bytes) != OK)
        return false;
    uint8_t encoded[STATEMENT_BYTES_MAX];
    buf_append(again, span_of(encoded, statement_encode(encoded, &statement)));
    return true;
}

// Flips one bit, a byte, or cuts the end, many times.
static void codec_holds(struct span good, again_fn again_of, struct rng *rng) {
    struct buf bytes = {0};
    struct buf again = {0};
    assert_true(again_of(&again, good));
    assert_true(span_equal(buf_span(&again), good));
    for (int i = 0; i < 400; i++) {
        buf_clear(&bytes);
        buf_clear(&again);
        buf_append(&bytes, good);
        size_t at = rng_below(rng, bytes.n);
        bytes.p[at] ^= (uint8_t)(rng_below(rng, 4) == 0 ? 1 + rng_below(rng, 255) : UINT64_C(1) << rng_below(rng, 8));
        if (rng_below(rng, 8) == 0)
            bytes.n = at + 1;
        if (again_of(&again, buf_span(&bytes)) && !span_equal(buf_span(&again), buf_span(&bytes)))
            fail_msg("byte %zu of %zu changed: read, and written otherwise", at, bytes.n);
    }
    buf_free(&bytes);
    buf_free(&again);
}

static void transactions_have_one_encoding(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    for (int round = 0; round < 3; round++) {
        for (int kind = TX_TRANSFER; kind <= TX_EVIDENCE; kind++) {
            struct drawn drawn;
            uint8_t bytes[TX_BYTES_MAX];
            tx_draw(&drawn, (enum tx_kind)kind, &rng);
            codec_holds(span_of(bytes, tx_encode(bytes, &drawn.tx)), tx_again, &rng);
        }
    }
}

static void what_validators_sign_has_one_encoding(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(2);
    for (size_t count = 1; count <= 13; count += 4) {
        struct committee committee;
        struct proposal_message message = {.proposal = {.height = 9, .round = 4, .valid_round = 1},
                                           .block = SPAN_LITERAL("block")};
        struct vote vote = {.type = VOTE_PREVOTE, .height = rng_u64(&rng), .round = rng_u32(&rng)};
        uint8_t bytes[CERTIFICATE_BYTES_MAX + VALIDATOR_SET_BYTES_MAX];
        struct buf encoded = {0};
        committee_draw(&committee, count, 1000, &rng);
        vote.validator = message.proposal.proposer = committee.set.validators[0].key;
        rng_bytes(&rng, message.proposal.value.bytes, sizeof message.proposal.value.bytes);
        vote_encode(bytes, &vote);
        codec_holds(span_of(bytes, VOTE_BYTES), vote_again, &rng);
        committee_certify(&message.prevotes, &committee, VOTE_PREVOTE, 9, 1, &message.proposal.value, count);
        codec_holds(span_of(bytes, certificate_encode(bytes, &message.prevotes)), certificate_again, &rng);
        codec_holds(span_of(bytes, validator_set_encode(bytes, &committee.set)), set_again, &rng);
        proposal_message_encode(&encoded, &message);
        codec_holds(buf_span(&encoded), proposal_again, &rng);
        buf_free(&encoded);
    }
}

// Who voted for what, drawn: each validator for one value at most.
static void heard_draw(struct heard *heard, size_t validators, struct rng *rng) {
    *heard = (struct heard){.height = rng_u64(rng), .round = 1 + rng_u32(rng) / 2, .validators = validators};
    heard->has_proposal = true;
    heard->proposed.bytes[0] = 1;
    heard->valid_round = rng_below(rng, 2) == 0 ? VALID_ROUND_NONE : heard->round - 1;
    heard->value_count = 1 + (size_t)rng_below(rng, validators < HEARD_VALUES_MAX ? validators : HEARD_VALUES_MAX);
    for (size_t i = 0; i < heard->value_count; i++) {
        heard->values[i].value.bytes[0] = (uint8_t)i; // nil is the first
        heard_set_bit(heard->values[i].prevotes, i);
    }
    for (size_t i = 0; i < validators; i++)
        heard_set_bit(heard->values[rng_below(rng, heard->value_count)].precommits, i);
}

static void what_was_heard_has_one_encoding(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(5);
    for (size_t validators = 1; validators <= VALIDATORS_MAX; validators += 9) {
        struct heard heard;
        struct statement statement = {.kind = EVIDENCE_PROPOSALS};
        uint8_t bytes[HEARD_BYTES_MAX];
        heard_draw(&heard, validators, &rng);
        codec_holds(span_of(bytes, heard_encode(bytes, &heard)), heard_again, &rng);
        statement.proposal = (struct proposal){.height = 9, .round = heard.round, .valid_round = heard.valid_round};
        statement.proposal.value = heard.proposed;
        codec_holds(span_of(bytes, statement_encode(bytes, &statement)), statement_again, &rng);
        statement = (struct statement){.kind = EVIDENCE_VOTES, .vote = {.type = VOTE_PREVOTE, .height = 9}};
        codec_holds(span_of(bytes, statement_encode(bytes, &statement)), statement_again, &rng);
    }
}

static void blocks_and_headers_have_one_encoding(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(3);
    static const struct block_id nobody;
    struct committee committee;
    struct drawn drawn;
    uint8_t tx[TX_BYTES_MAX];
    uint8_t header[BLOCK_HEADER_BYTES];
    committee_draw(&committee, 4, 1, &rng);
    tx_draw(&drawn, TX_TRANSFER, &rng);
    const struct span txs[] = {span_of(tx, tx_encode(tx, &drawn.tx)), SPAN_LITERAL("not looked into")};
    for (uint32_t count = 0; count <= 2; count++) {
        struct certified c = header_of(&committee, &committee, 1 + count, &nobody);
        struct buf encoded = {0};
        block_encode(&encoded, &c.header, txs, count);
        codec_holds(buf_span(&encoded), block_again, &rng);
        block_header_encode(header, &c.header);
        codec_holds(SPAN_OF(header), header_again, &rng);
        buf_free(&encoded);
    }
}

static void bundles_have_one_encoding(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(4);
    static const struct block_id nobody;
    struct committee committee;
    struct buf encoded = {0};
    committee_draw(&committee, 4, 1, &rng);
    const struct certified c = certified_of(&committee, &committee, 5, &nobody);
    const struct ledger_bundle bundle = {.epoch = 3,
                                         .directory = SPAN_LITERAL("directory"),
                                         .proof = SPAN_LITERAL("proof"),
                                         .header = c.header,
                                         .certificate = c.certificate,
                                         .validators = c.validators};
    bundle_encode(&encoded, &bundle);
    codec_holds(buf_span(&encoded), bundle_again, &rng);
    buf_free(&encoded);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_have_one_encoding),  cmocka_unit_test(what_validators_sign_has_one_encoding),
        cmocka_unit_test(what_was_heard_has_one_encoding), cmocka_unit_test(blocks_and_headers_have_one_encoding),
        cmocka_unit_test(bundles_have_one_encoding),
    };
    return cmocka_run_group_tests_name("ledger codecs", tests, codec_setup, NULL);
}
