// Votes, proposals, certificates and evidence as bytes, signed and verified. Signatures are verified one by one by
// libsodium's rule, which all validators share: a batch equation accepts other signatures than a single check does.
#include "ledger/vote.h"

#include <string.h>

#include "base/assert.h"

#define VOTE_DOMAIN "sotto vote 1"
#define PROPOSAL_DOMAIN "sotto proposal 1"

bool block_id_equal(const struct block_id *a, const struct block_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool block_id_is_nil(const struct block_id *id) {
    static const struct block_id nil;
    return block_id_equal(id, &nil);
}

static bool key_equal(const struct sign_public *a, const struct sign_public *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void read_vote_type(struct reader *r, enum vote_type *type) {
    uint8_t byte = read_u8(r);
    if (byte != VOTE_PREVOTE && byte != VOTE_PRECOMMIT)
        reader_fail(r);
    *type = (enum vote_type)byte;
}

// ---- votes ----

static void write_vote_signed(struct writer *w, const struct vote *vote) {
    write_u8(w, (uint8_t)vote->type);
    write_u64(w, vote->height);
    write_u32(w, vote->round);
    write_bytes(w, vote->value.bytes, sizeof vote->value.bytes);
    write_bytes(w, vote->validator.bytes, sizeof vote->validator.bytes);
}

static void write_vote(struct writer *w, const struct vote *vote) {
    write_vote_signed(w, vote);
    write_bytes(w, vote->signature.bytes, sizeof vote->signature.bytes);
}

static void read_vote(struct reader *r, struct vote *vote) {
    read_vote_type(r, &vote->type);
    vote->height = read_u64(r);
    vote->round = read_u32(r);
    read_bytes(r, vote->value.bytes, sizeof vote->value.bytes);
    read_bytes(r, vote->validator.bytes, sizeof vote->validator.bytes);
    read_bytes(r, vote->signature.bytes, sizeof vote->signature.bytes);
}

void vote_encode(uint8_t out[static VOTE_BYTES], const struct vote *vote) {
    struct writer w = writer_of(out, VOTE_BYTES);
    write_vote(&w, vote);
    ASSERT(w.n == VOTE_BYTES);
}

enum err vote_decode(struct vote *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct vote vote;
    read_vote(&r, &vote);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = vote;
    return OK;
}

void vote_sign(struct vote *vote, const struct network_id *network, const struct sign_secret *validator) {
    uint8_t bytes[VOTE_SIGNED_BYTES];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_vote_signed(&w, vote);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(bytes)};
    sign_parts(&vote->signature, validator, VOTE_DOMAIN, parts, 2);
}

enum err vote_verify(const struct vote *vote, const struct network_id *network) {
    uint8_t bytes[VOTE_SIGNED_BYTES];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_vote_signed(&w, vote);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(bytes)};
    return verify_parts(&vote->signature, &vote->validator, VOTE_DOMAIN, parts, 2);
}

// ---- proposals ----

static void write_proposal_signed(struct writer *w, const struct proposal *proposal) {
    write_u64(w, proposal->height);
    write_u32(w, proposal->round);
    write_u32(w, proposal->valid_round);
    write_bytes(w, proposal->value.bytes, sizeof proposal->value.bytes);
    write_bytes(w, proposal->proposer.bytes, sizeof proposal->proposer.bytes);
}

static void write_proposal(struct writer *w, const struct proposal *proposal) {
    write_proposal_signed(w, proposal);
    write_bytes(w, proposal->signature.bytes, sizeof proposal->signature.bytes);
}

static void read_proposal(struct reader *r, struct proposal *proposal) {
    proposal->height = read_u64(r);
    proposal->round = read_u32(r);
    proposal->valid_round = read_u32(r);
    read_bytes(r, proposal->value.bytes, sizeof proposal->value.bytes);
    read_bytes(r, proposal->proposer.bytes, sizeof proposal->proposer.bytes);
    read_bytes(r, proposal->signature.bytes, sizeof proposal->signature.bytes);
    if (block_id_is_nil(&proposal->value) ||
        (proposal->valid_round != VALID_ROUND_NONE && proposal->valid_round >= proposal->round))
        reader_fail(r);
}

void proposal_encode(uint8_t out[static PROPOSAL_BYTES], const struct proposal *proposal) {
    struct writer w = writer_of(out, PROPOSAL_BYTES);
    write_proposal(&w, proposal);
    ASSERT(w.n == PROPOSAL_BYTES);
}

enum err proposal_decode(struct proposal *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct proposal proposal;
    read_proposal(&r, &proposal);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = proposal;
    return OK;
}

void proposal_sign(struct proposal *proposal, const struct network_id *network, const struct sign_secret *proposer) {
    uint8_t bytes[PROPOSAL_SIGNED_BYTES];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_proposal_signed(&w, proposal);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(bytes)};
    sign_parts(&proposal->signature, proposer, PROPOSAL_DOMAIN, parts, 2);
}

enum err proposal_verify(const struct proposal *proposal, const struct network_id *network) {
    uint8_t bytes[PROPOSAL_SIGNED_BYTES];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_proposal_signed(&w, proposal);
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(bytes)};
    return verify_parts(&proposal->signature, &proposal->proposer, PROPOSAL_DOMAIN, parts, 2);
}

// ---- certificates ----

void certificate_write(struct writer *w, const struct certificate *certificate) {
    ASSERT(certificate->count <= VALIDATORS_MAX);
    write_u8(w, (uint8_t)certificate->type);
    write_u64(w, certificate->height);
    write_u32(w, certificate->round);
    write_bytes(w, certificate->value.bytes, sizeof certificate->value.bytes);
    write_u16(w, (uint16_t)certificate->count);
    for (size_t i = 0; i < certificate->count; i++) {
        write_u16(w, certificate->votes[i].validator);
        write_bytes(w, certificate->votes[i].signature.bytes, sizeof certificate->votes[i].signature.bytes);
    }
}

void certificate_read(struct reader *r, struct certificate *certificate) {
    *certificate = (struct certificate){0};
    read_vote_type(r, &certificate->type);
    certificate->height = read_u64(r);
    certificate->round = read_u32(r);
    read_bytes(r, certificate->value.bytes, sizeof certificate->value.bytes);
    size_t count = read_u16(r);
    if (block_id_is_nil(&certificate->value) || count < 1 || count > VALIDATORS_MAX) {
        reader_fail(r);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct certificate_vote *vote = &certificate->votes[i];
        vote->validator = read_u16(r);
        read_bytes(r, vote->signature.bytes, sizeof vote->signature.bytes);
        if (vote->validator >= VALIDATORS_MAX || (i > 0 && vote[-1].validator >= vote->validator))
            reader_fail(r);
    }
    certificate->count = count;
}

size_t certificate_encode(uint8_t out[static CERTIFICATE_BYTES_MAX], const struct certificate *certificate) {
    struct writer w = writer_of(out, CERTIFICATE_BYTES_MAX);
    certificate_write(&w, certificate);
    return w.n;
}

enum err certificate_decode(struct certificate *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct certificate certificate;
    certificate_read(&r, &certificate);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = certificate;
    return OK;
}

struct vote certificate_vote_of(const struct certificate *certificate, size_t i, const struct validator_set *set) {
    ASSERT(i < certificate->count && certificate->votes[i].validator < set->count);
    return (struct vote){.type = certificate->type,
                         .height = certificate->height,
                         .round = certificate->round,
                         .value = certificate->value,
                         .validator = set->validators[certificate->votes[i].validator].key,
                         .signature = certificate->votes[i].signature};
}

enum err certificate_power(uint64_t *power, const struct certificate *certificate, const struct validator_set *set) {
    uint64_t sum = 0;
    for (size_t i = 0; i < certificate->count; i++) {
        const struct certificate_vote *vote = &certificate->votes[i];
        if (vote->validator >= set->count || (i > 0 && vote[-1].validator >= vote->validator))
            return ERR_AUTH;
        sum += set->validators[vote->validator].power;
    }
    *power = sum;
    return OK;
}

enum err certificate_verify(const struct certificate *certificate, const struct validator_set *set,
                            const struct network_id *network) {
    uint64_t power = 0;
    if (certificate_power(&power, certificate, set) != OK || !power_is_quorum(power, set->total))
        return ERR_AUTH; // before any signature is looked at
    for (size_t i = 0; i < certificate->count; i++) {
        const struct vote vote = certificate_vote_of(certificate, i, set);
        if (vote_verify(&vote, network) != OK)
            return ERR_AUTH;
    }
    return OK;
}

// ---- proposals on a link ----

void proposal_message_encode(struct buf *out, const struct proposal_message *message) {
    uint8_t bytes[PROPOSAL_BYTES + CERTIFICATE_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_proposal(&w, &message->proposal);
    if (message->proposal.valid_round != VALID_ROUND_NONE)
        certificate_write(&w, &message->prevotes);
    buf_append(out, writer_span(&w));
    buf_append(out, message->block);
}

static bool prevotes_belong(const struct certificate *prevotes, const struct proposal *proposal) {
    return prevotes->type == VOTE_PREVOTE && prevotes->height == proposal->height &&
           prevotes->round == proposal->valid_round && block_id_equal(&prevotes->value, &proposal->value);
}

enum err proposal_message_decode(struct proposal_message *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct proposal_message message = {0};
    read_proposal(&r, &message.proposal);
    if (reader_ok(&r) && message.proposal.valid_round != VALID_ROUND_NONE) {
        certificate_read(&r, &message.prevotes);
        if (!prevotes_belong(&message.prevotes, &message.proposal))
            reader_fail(&r);
    }
    message.block = read_rest(&r);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = message;
    return OK;
}

// ---- evidence ----

static bool votes_share_slot(const struct vote *a, const struct vote *b) {
    return a->type == b->type && a->height == b->height && a->round == b->round &&
           key_equal(&a->validator, &b->validator);
}

static bool proposals_share_slot(const struct proposal *a, const struct proposal *b) {
    return a->height == b->height && a->round == b->round && key_equal(&a->proposer, &b->proposer);
}

// By what is signed: the slot is the same, so this is the value's order.
static int votes_compare(const struct vote *a, const struct vote *b) {
    return memcmp(a->value.bytes, b->value.bytes, sizeof a->value.bytes);
}

static int proposals_compare(const struct proposal *a, const struct proposal *b) {
    if (a->valid_round != b->valid_round)
        return a->valid_round < b->valid_round ? -1 : 1;
    return memcmp(a->value.bytes, b->value.bytes, sizeof a->value.bytes);
}

enum err evidence_of_votes(struct evidence *out, const struct vote *a, const struct vote *b) {
    int order = votes_compare(a, b);
    if (!votes_share_slot(a, b) || order == 0)
        return ERR_INVALID;
    *out = (struct evidence){.kind = EVIDENCE_VOTES, .votes = {order < 0 ? *a : *b, order < 0 ? *b : *a}};
    return OK;
}

enum err evidence_of_proposals(struct evidence *out, const struct proposal *a, const struct proposal *b) {
    int order = proposals_compare(a, b);
    if (!proposals_share_slot(a, b) || order == 0)
        return ERR_INVALID;
    *out = (struct evidence){.kind = EVIDENCE_PROPOSALS, .proposals = {order < 0 ? *a : *b, order < 0 ? *b : *a}};
    return OK;
}

size_t evidence_encode(uint8_t out[static EVIDENCE_BYTES_MAX], const struct evidence *evidence) {
    struct writer w = writer_of(out, EVIDENCE_BYTES_MAX);
    write_u8(&w, (uint8_t)evidence->kind);
    for (size_t i = 0; i < 2; i++) {
        if (evidence->kind == EVIDENCE_VOTES)
            write_vote(&w, &evidence->votes[i]);
        else
            write_proposal(&w, &evidence->proposals[i]);
    }
    return w.n;
}

static void read_evidence_votes(struct reader *r, struct evidence *evidence) {
    read_vote(r, &evidence->votes[0]);
    read_vote(r, &evidence->votes[1]);
    if (!votes_share_slot(&evidence->votes[0], &evidence->votes[1]) ||
        votes_compare(&evidence->votes[0], &evidence->votes[1]) >= 0)
        reader_fail(r);
}

static void read_evidence_proposals(struct reader *r, struct evidence *evidence) {
    read_proposal(r, &evidence->proposals[0]);
    read_proposal(r, &evidence->proposals[1]);
    if (!proposals_share_slot(&evidence->proposals[0], &evidence->proposals[1]) ||
        proposals_compare(&evidence->proposals[0], &evidence->proposals[1]) >= 0)
        reader_fail(r);
}

enum err evidence_decode(struct evidence *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct evidence evidence = {0};
    uint8_t kind = read_u8(&r);
    evidence.kind = (enum evidence_kind)kind;
    if (kind == EVIDENCE_VOTES)
        read_evidence_votes(&r, &evidence);
    else if (kind == EVIDENCE_PROPOSALS)
        read_evidence_proposals(&r, &evidence);
    else
        reader_fail(&r);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = evidence;
    return OK;
}

enum err evidence_verify(const struct evidence *evidence, const struct network_id *network) {
    for (size_t i = 0; i < 2; i++) {
        enum err err = evidence->kind == EVIDENCE_VOTES ? vote_verify(&evidence->votes[i], network)
                                                        : proposal_verify(&evidence->proposals[i], network);
        if (err != OK)
            return err;
    }
    return OK;
}

const struct sign_public *evidence_accused(const struct evidence *evidence) {
    return evidence->kind == EVIDENCE_VOTES ? &evidence->votes[0].validator : &evidence->proposals[0].proposer;
}

uint64_t evidence_height(const struct evidence *evidence) {
    return evidence->kind == EVIDENCE_VOTES ? evidence->votes[0].height : evidence->proposals[0].height;
}
