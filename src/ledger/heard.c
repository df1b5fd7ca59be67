// See heard.h.
#include "ledger/heard.h"

#include <string.h>

#include "base/assert.h"

static size_t bits_bytes(size_t validators) {
    return (validators + 7) / 8;
}

bool heard_bit(const uint8_t bits[static HEARD_BITS_MAX], size_t validator) {
    return (bits[validator / 8] >> (validator % 8) & 1) == 1;
}

void heard_set_bit(uint8_t bits[static HEARD_BITS_MAX], size_t validator) {
    bits[validator / 8] |= (uint8_t)(1 << (validator % 8));
}

// ---- heard

size_t heard_encode(uint8_t out[static HEARD_BYTES_MAX], const struct heard *heard) {
    struct writer w = writer_of(out, HEARD_BYTES_MAX);
    ASSERT(heard->validators >= 1 && heard->validators <= VALIDATORS_MAX && heard->value_count <= HEARD_VALUES_MAX);
    write_u64(&w, heard->height);
    write_u32(&w, heard->round);
    write_u8(&w, (uint8_t)heard->validators);
    write_u8(&w, heard->has_proposal ? 1 : 0);
    if (heard->has_proposal) {
        write_u32(&w, heard->valid_round);
        write_bytes(&w, heard->proposed.bytes, sizeof heard->proposed.bytes);
    }
    write_u8(&w, (uint8_t)heard->value_count);
    for (size_t i = 0; i < heard->value_count; i++) {
        write_bytes(&w, heard->values[i].value.bytes, sizeof heard->values[i].value.bytes);
        write_bytes(&w, heard->values[i].prevotes, bits_bytes(heard->validators));
        write_bytes(&w, heard->values[i].precommits, bits_bytes(heard->validators));
    }
    return w.n;
}

static void read_proposed(struct reader *r, struct heard *heard) {
    heard->has_proposal = read_bool(r);
    if (!heard->has_proposal)
        return;
    heard->valid_round = read_u32(r);
    read_bytes(r, heard->proposed.bytes, sizeof heard->proposed.bytes);
    if (block_id_is_nil(&heard->proposed) ||
        (heard->valid_round != VALID_ROUND_NONE && heard->valid_round >= heard->round))
        reader_fail(r);
}

// Adds the bits to those of the values before. False: one of them is there already, or is of no validator.
static bool gather(uint8_t all[static HEARD_BITS_MAX], const uint8_t bits[static HEARD_BITS_MAX], size_t validators) {
    bool right = true;
    for (size_t i = 0; i < HEARD_BITS_MAX; i++) {
        right = right && (all[i] & bits[i]) == 0;
        all[i] |= bits[i];
    }
    for (size_t i = validators; i < 8 * bits_bytes(validators); i++)
        right = right && !heard_bit(bits, i);
    return right;
}

static bool is_voted_for(const struct heard_value *value) {
    static const uint8_t none[HEARD_BITS_MAX];
    return memcmp(value->prevotes, none, sizeof none) != 0 || memcmp(value->precommits, none, sizeof none) != 0;
}

static void read_values(struct reader *r, struct heard *heard) {
    uint8_t prevotes[HEARD_BITS_MAX] = {0}, precommits[HEARD_BITS_MAX] = {0};
    for (size_t i = 0; i < heard->value_count; i++) {
        struct heard_value *value = &heard->values[i];
        read_bytes(r, value->value.bytes, sizeof value->value.bytes);
        read_bytes(r, value->prevotes, bits_bytes(heard->validators));
        read_bytes(r, value->precommits, bits_bytes(heard->validators));
        if ((i > 0 && memcmp(value[-1].value.bytes, value->value.bytes, sizeof value->value.bytes) >= 0) ||
            !is_voted_for(value) || !gather(prevotes, value->prevotes, heard->validators) ||
            !gather(precommits, value->precommits, heard->validators))
            reader_fail(r);
    }
}

enum err heard_decode(struct heard *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct heard heard = {.height = read_u64(&r), .round = read_u32(&r)};
    heard.validators = read_u8(&r);
    if (heard.validators < 1 || heard.validators > VALIDATORS_MAX)
        return ERR_MALFORMED;
    read_proposed(&r, &heard);
    heard.value_count = read_u8(&r);
    if (heard.value_count > HEARD_VALUES_MAX || (heard.value_count == 0 && !heard.has_proposal))
        return ERR_MALFORMED;
    read_values(&r, &heard);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = heard;
    return OK;
}

// ---- statements

size_t statement_encode(uint8_t out[static STATEMENT_BYTES_MAX], const struct statement *statement) {
    out[0] = (uint8_t)statement->kind;
    if (statement->kind == EVIDENCE_VOTES) {
        vote_encode(out + 1, &statement->vote);
        return 1 + VOTE_BYTES;
    }
    proposal_encode(out + 1, &statement->proposal);
    return 1 + PROPOSAL_BYTES;
}

enum err statement_decode(struct statement *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    uint8_t kind = read_u8(&r);
    struct statement statement = {.kind = (enum evidence_kind)kind};
    enum err err = ERR_MALFORMED;
    if (kind == EVIDENCE_VOTES)
        err = vote_decode(&statement.vote, read_rest(&r));
    else if (kind == EVIDENCE_PROPOSALS)
        err = proposal_decode(&statement.proposal, read_rest(&r));
    if (err == OK)
        *out = statement;
    return err;
}

enum err statement_verify(const struct statement *statement, const struct network_id *network) {
    return statement->kind == EVIDENCE_VOTES ? vote_verify(&statement->vote, network)
                                             : proposal_verify(&statement->proposal, network);
}
