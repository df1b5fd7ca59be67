// What validators sign: votes and proposals; and what is made of it: certificates and evidence.
// docs/spec/ledger.md, "Votes", is the specification.
//
//   vote         type 1 | height 8 | round 4 | value 32 | validator 32 | signature 64
//   proposal     height 8 | round 4 | valid round 4 | value 32 | proposer 32 | signature 64
//   certificate  type 1 | height 8 | round 4 | value 32 | count 2 | count x (validator index 2 | signature 64)
//                indices strictly increasing
//   evidence     kind 1 (1 votes, 2 proposals) | first | second, first < second
//
// A signature covers a domain, the network, and all that stands before it.
#ifndef SOTTO_LEDGER_VOTE_H
#define SOTTO_LEDGER_VOTE_H

#include "base/cursor.h"
#include "ledger/ids.h"
#include "ledger/validators.h"

enum vote_type { VOTE_PREVOTE = 1, VOTE_PRECOMMIT = 2 };

struct vote {
    enum vote_type type;
    uint64_t height;
    uint32_t round;
    struct block_id value; // zeros: nil
    struct sign_public validator;
    struct signature signature; // domain "sotto vote 1"
};

#define VOTE_SIGNED_BYTES (1 + 8 + 4 + 32 + 32) // the part of the encoding that is signed
#define VOTE_BYTES (VOTE_SIGNED_BYTES + 64)

bool block_id_equal(const struct block_id *a, const struct block_id *b);
bool block_id_is_nil(const struct block_id *id);

void vote_encode(uint8_t out[static VOTE_BYTES], const struct vote *vote);
enum err vote_decode(struct vote *out, struct span bytes); // ERR_MALFORMED
// Fills the signature. The secret key must be that of vote->validator.
void vote_sign(struct vote *vote, const struct network_id *network, const struct sign_secret *validator);
enum err vote_verify(const struct vote *vote, const struct network_id *network); // ERR_AUTH

#define VALID_ROUND_NONE UINT32_MAX

struct proposal {
    uint64_t height;
    uint32_t round;
    uint32_t valid_round;  // below `round`, or VALID_ROUND_NONE
    struct block_id value; // not nil
    struct sign_public proposer;
    struct signature signature; // domain "sotto proposal 1"
};

#define PROPOSAL_SIGNED_BYTES (8 + 4 + 4 + 32 + 32)
#define PROPOSAL_BYTES (PROPOSAL_SIGNED_BYTES + 64)

void proposal_encode(uint8_t out[static PROPOSAL_BYTES], const struct proposal *proposal);
enum err proposal_decode(struct proposal *out, struct span bytes); // ERR_MALFORMED
void proposal_sign(struct proposal *proposal, const struct network_id *network, const struct sign_secret *proposer);
enum err proposal_verify(const struct proposal *proposal, const struct network_id *network); // ERR_AUTH

struct certificate_vote {
    uint16_t validator; // index into the set of the certificate's height
    struct signature signature;
};

// Votes of one type, height and round for one value (not nil).
struct certificate {
    enum vote_type type;
    uint64_t height;
    uint32_t round;
    struct block_id value;
    size_t count;
    struct certificate_vote votes[VALIDATORS_MAX];
};

#define CERTIFICATE_HEAD_BYTES (1 + 8 + 4 + 32 + 2)
#define CERTIFICATE_BYTES_MAX (CERTIFICATE_HEAD_BYTES + VALIDATORS_MAX * (2 + 64))

void certificate_write(struct writer *w, const struct certificate *certificate);
void certificate_read(struct reader *r, struct certificate *certificate); // fails the reader unless canonical
size_t certificate_encode(uint8_t out[static CERTIFICATE_BYTES_MAX], const struct certificate *certificate);
enum err certificate_decode(struct certificate *out, struct span bytes); // ERR_MALFORMED
// The vote of its i-th signer, whose index is in the set.
struct vote certificate_vote_of(const struct certificate *certificate, size_t i, const struct validator_set *set);
// The power of those whose votes it holds. ERR_AUTH: an index is not in the set, or they do not increase. Looks at no
// signature.
enum err certificate_power(uint64_t *power, const struct certificate *certificate, const struct validator_set *set);
// ERR_AUTH unless over two thirds of the set's power signed, and every signature is right: each is verified by itself.
enum err certificate_verify(const struct certificate *certificate, const struct validator_set *set,
                            const struct network_id *network);

// A proposal as it crosses a link: proposal | prevote certificate if it has a valid round | block.
struct proposal_message {
    struct proposal proposal;
    struct certificate prevotes; // when valid_round is set: of its height, valid round and value
    struct span block;           // not read; points into the input
};

void proposal_message_encode(struct buf *out, const struct proposal_message *message);
enum err proposal_message_decode(struct proposal_message *out, struct span bytes); // ERR_MALFORMED

// Two messages that one validator signed for one slot, of which an honest one signs at most one.
enum evidence_kind { EVIDENCE_VOTES = 1, EVIDENCE_PROPOSALS = 2 };

struct evidence {
    enum evidence_kind kind;
    union {
        struct vote votes[2];
        struct proposal proposals[2];
    };
};

#define EVIDENCE_BYTES_MAX (1 + 2 * PROPOSAL_BYTES)
_Static_assert(VOTE_BYTES <= PROPOSAL_BYTES, "EVIDENCE_BYTES_MAX holds votes, too");

// Of two conflicting votes or proposals, in either order. ERR_INVALID: they are of different slots, or the same.
enum err evidence_of_votes(struct evidence *out, const struct vote *a, const struct vote *b);
enum err evidence_of_proposals(struct evidence *out, const struct proposal *a, const struct proposal *b);
size_t evidence_encode(uint8_t out[static EVIDENCE_BYTES_MAX], const struct evidence *evidence);
// ERR_MALFORMED: also when the two do not conflict or stand in the wrong order.
enum err evidence_decode(struct evidence *out, struct span bytes);
// ERR_AUTH unless both signatures are right. That the accused was a validator at that height is for the caller.
enum err evidence_verify(const struct evidence *evidence, const struct network_id *network);
const struct sign_public *evidence_accused(const struct evidence *evidence);
uint64_t evidence_height(const struct evidence *evidence);

#endif
