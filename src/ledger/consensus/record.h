// Inputs of the consensus core as records of its log: every input that changed its state, in the order taken.
//
//   kind 1 | body
//   1 start      height 8 | set length 4 | set | set of the next height
//   2 proposal   proposal | prevotes if it has a valid round (as on links, without a block)
//   3 vote       vote
//   4 certificate
//   5 validity   value 32 | ok 1
//   6 built      height 8 | round 4 | value 32
//   7 timeout    kind 1 | height 8 | round 4
//   8 synced     height 8
//   9 due        height 8
//   10 behind    height 8
#ifndef SOTTO_LEDGER_CONSENSUS_RECORD_H
#define SOTTO_LEDGER_CONSENSUS_RECORD_H

#include "ledger/consensus/bft.h"

// Appends the record of an input to `out`.
void bft_record_encode(struct buf *out, const struct bft_input *input);

// An input with room for what it points to. Large: on the heap.
struct bft_record {
    struct bft_input input; // `from` is 0
    struct validator_set sets[2];
    struct certificate certificate;
};

// ERR_MALFORMED. The input points into the record, which must stay where it is.
enum err bft_record_decode(struct bft_record *out, struct span bytes);

#endif
