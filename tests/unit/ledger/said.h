// What a validator has said, remembered by nobody but the test: an honest one never signs two things for one slot,
// whatever happened to its process and its disk in between.
#ifndef TEST_LEDGER_SAID_H
#define TEST_LEDGER_SAID_H

#include "ledger/vote.h"

struct said {
    struct buf votes;     // struct vote, each once
    struct buf proposals; // struct proposal
};

// False: it contradicts what was said before.
bool said_vote(struct said *said, const struct vote *vote);
bool said_proposal(struct said *said, const struct proposal *proposal);
void said_free(struct said *said);

#endif
