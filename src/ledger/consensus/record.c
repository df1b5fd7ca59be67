// Inputs as records and back.
#include "ledger/consensus/record.h"

#include "base/assert.h"

// ---- encoding ----

static void put_u8(struct buf *out, uint8_t v) {
    buf_append(out, span_of(&v, 1));
}

static void put_u32(struct buf *out, uint32_t v) {
    store_u32(buf_extend(out, 4), v);
}

static void put_u64(struct buf *out, uint64_t v) {
    store_u64(buf_extend(out, 8), v);
}

static void put_value(struct buf *out, const struct block_id *value) {
    buf_append(out, SPAN_OF(value->bytes));
}

static void put_set(struct buf *out, const struct validator_set *set) {
    uint8_t bytes[VALIDATOR_SET_BYTES_MAX];
    buf_append(out, span_of(bytes, validator_set_encode(bytes, set)));
}

static void put_certificate(struct buf *out, const struct certificate *certificate) {
    uint8_t bytes[CERTIFICATE_BYTES_MAX];
    buf_append(out, span_of(bytes, certificate_encode(bytes, certificate)));
}

static void put_proposal(struct buf *out, const struct bft_input *input) {
    proposal_encode(buf_extend(out, PROPOSAL_BYTES), &input->proposal.proposal);
    if (input->proposal.prevotes != NULL)
        put_certificate(out, input->proposal.prevotes);
}

void bft_record_encode(struct buf *out, const struct bft_input *input) {
    put_u8(out, (uint8_t)input->kind);
    switch (input->kind) {
    case BFT_INPUT_START:
        put_u64(out, input->start.height);
        put_set(out, input->start.set);
        put_set(out, input->start.next_set);
        return;
    case BFT_INPUT_PROPOSAL:
        put_proposal(out, input);
        return;
    case BFT_INPUT_VOTE:
        vote_encode(buf_extend(out, VOTE_BYTES), &input->vote);
        return;
    case BFT_INPUT_CERTIFICATE:
        put_certificate(out, input->certificate);
        return;
    case BFT_INPUT_BLOCK_VALIDITY:
        put_value(out, &input->validity.value);
        put_u8(out, input->validity.ok ? 1 : 0);
        return;
    case BFT_INPUT_BUILT_VALUE:
        put_u64(out, input->built.height);
        put_u32(out, input->built.round);
        put_value(out, &input->built.value);
        return;
    case BFT_INPUT_TIMEOUT:
        put_u8(out, (uint8_t)input->timeout.kind);
        put_u64(out, input->timeout.height);
        put_u32(out, input->timeout.round);
        return;
    case BFT_INPUT_SYNCED_BLOCK:
    case BFT_INPUT_BLOCK_DUE:
    case BFT_INPUT_BEHIND:
        put_u64(out, input->height);
        return;
    }
    ASSERT(false);
}

// ---- decoding ----

static void get_value(struct reader *r, struct block_id *value) {
    read_bytes(r, value->bytes, sizeof value->bytes);
}

static void get_start(struct reader *r, struct bft_record *out) {
    out->input.start.height = read_u64(r);
    for (size_t i = 0; i < 2; i++)
        validator_set_read(r, &out->sets[i]);
    out->input.start.set = &out->sets[0];
    out->input.start.next_set = &out->sets[1];
}

static void get_certificate(struct reader *r, struct bft_record *out) {
    certificate_read(r, &out->certificate);
    out->input.certificate = &out->certificate;
}

static void get_proposal(struct reader *r, struct bft_record *out) {
    if (proposal_decode(&out->input.proposal.proposal, read_span(r, PROPOSAL_BYTES)) != OK) {
        reader_fail(r);
        return;
    }
    out->input.proposal.prevotes = NULL;
    if (out->input.proposal.proposal.valid_round == VALID_ROUND_NONE)
        return;
    certificate_read(r, &out->certificate);
    out->input.proposal.prevotes = &out->certificate;
}

static void get_vote(struct reader *r, struct vote *vote) {
    if (vote_decode(vote, read_span(r, VOTE_BYTES)) != OK)
        reader_fail(r);
}

static void get_built(struct reader *r, struct bft_input *input) {
    input->built.height = read_u64(r);
    input->built.round = read_u32(r);
    get_value(r, &input->built.value);
}

static void get_timeout(struct reader *r, struct bft_timer *timer) {
    uint8_t kind = read_u8(r);
    if (kind < BFT_TIMER_PROPOSE || kind > BFT_TIMER_PRECOMMIT) // repeating oneself changes no state
        reader_fail(r);
    timer->kind = (enum bft_timer_kind)kind;
    timer->height = read_u64(r);
    timer->round = read_u32(r);
}

static void get_body(struct reader *r, struct bft_record *out) {
    struct bft_input *input = &out->input;
    switch (input->kind) {
    case BFT_INPUT_START:
        get_start(r, out);
        return;
    case BFT_INPUT_PROPOSAL:
        get_proposal(r, out);
        return;
    case BFT_INPUT_VOTE:
        get_vote(r, &input->vote);
        return;
    case BFT_INPUT_CERTIFICATE:
        get_certificate(r, out);
        return;
    case BFT_INPUT_BLOCK_VALIDITY:
        get_value(r, &input->validity.value);
        input->validity.ok = read_bool(r);
        return;
    case BFT_INPUT_BUILT_VALUE:
        get_built(r, input);
        return;
    case BFT_INPUT_TIMEOUT:
        get_timeout(r, &input->timeout);
        return;
    case BFT_INPUT_SYNCED_BLOCK:
    case BFT_INPUT_BLOCK_DUE:
    case BFT_INPUT_BEHIND:
        input->height = read_u64(r);
        return;
    }
    ASSERT(false);
}

enum err bft_record_decode(struct bft_record *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    uint8_t kind = read_u8(&r);
    if (kind < BFT_INPUT_START || kind > BFT_INPUT_BEHIND)
        return ERR_MALFORMED;
    *out = (struct bft_record){.input.kind = (enum bft_input_kind)kind};
    get_body(&r, out);
    return reader_done(&r) ? OK : ERR_MALFORMED;
}
