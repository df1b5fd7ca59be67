// What validators tell each other of votes and proposals, so that who signs one thing for some and another for others
// is found out. docs/spec/ledger.md, "Who said what", is the specification.
//
//   heard      height 8 | round 4 | validators 1 | proposed 1 | if 1: valid round 4, value 32 |
//              count 1 | count x (value 32 | prevotes b | precommits b), b = (validators + 7) / 8
//              values strictly increasing; bit i % 8 of byte i / 8 is validator i of that height's set
//   statement  kind 1 (1 vote, 2 proposal) | vote or proposal
//
// HEARD carries no signatures: it makes others send theirs, and proves nothing.
#ifndef SOTTO_LEDGER_HEARD_H
#define SOTTO_LEDGER_HEARD_H

#include "ledger/vote.h"

// Honest validators vote for at most two values of a round that is led honestly. Of more than these the ones with least
// power are left out, so that a third that votes for anything cannot make the frame long.
#define HEARD_VALUES_MAX 16
#define HEARD_BITS_MAX ((VALIDATORS_MAX + 7) / 8)

struct heard_value {
    struct block_id value; // zeros: nil
    uint8_t prevotes[HEARD_BITS_MAX];
    uint8_t precommits[HEARD_BITS_MAX];
};

// Of one round. Not empty.
struct heard {
    uint64_t height;
    uint32_t round;
    size_t validators; // of the height's set
    bool has_proposal;
    uint32_t valid_round;     // of the proposal
    struct block_id proposed; // its value
    size_t value_count;
    struct heard_value values[HEARD_VALUES_MAX];
};

#define HEARD_HEAD_BYTES (8 + 4 + 1 + 1)
#define HEARD_BYTES_MAX (HEARD_HEAD_BYTES + 4 + 32 + 1 + HEARD_VALUES_MAX * (32 + 2 * HEARD_BITS_MAX))

bool heard_bit(const uint8_t bits[static HEARD_BITS_MAX], size_t validator);
void heard_set_bit(uint8_t bits[static HEARD_BITS_MAX], size_t validator);

size_t heard_encode(uint8_t out[static HEARD_BYTES_MAX], const struct heard *heard);
// ERR_MALFORMED: also when a validator votes twice, when nobody has voted for a value, or when there is nothing at all.
enum err heard_decode(struct heard *out, struct span bytes);

// A vote or a proposal that somebody signed.
struct statement {
    enum evidence_kind kind;
    union {
        struct vote vote;
        struct proposal proposal;
    };
};

#define STATEMENT_BYTES_MAX (1 + PROPOSAL_BYTES)

size_t statement_encode(uint8_t out[static STATEMENT_BYTES_MAX], const struct statement *statement);
enum err statement_decode(struct statement *out, struct span bytes);                            // ERR_MALFORMED
enum err statement_verify(const struct statement *statement, const struct network_id *network); // ERR_AUTH

#endif
