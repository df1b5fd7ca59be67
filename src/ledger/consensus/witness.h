// What this node knows to have been signed, and by whom, in the last heights; and who signed two things for one slot.
//
//   votes, proposals, certificates,  --->  witness  --->  HEARD: who was heard for what in a round, told to the others
//   all verified                             ^  |
//   what others have and this node has       |  +------>  statements that contradict what another has heard
//   not: statements, verified  --------------+  +------>  evidence
//
// The core finds two votes for one slot when both were sent to it. A validator that sends one to some and another to
// others is found by comparing: each tells what it heard, and who holds another signature of the same slot sends it.
//
// It stands beside the core: nothing of it is in the log or comes back into consensus. What the log gives back to the
// core can be given to it again.
#ifndef SOTTO_LEDGER_CONSENSUS_WITNESS_H
#define SOTTO_LEDGER_CONSENSUS_WITNESS_H

#include "ledger/consensus/bft.h"
#include "ledger/heard.h"

// The next height, the current one and six before: others decide a little earlier or later, or come back after a short
// while. Who comes back later gets certificates, which are compared as well.
#define WITNESS_HEIGHTS 8
// As many as the core keeps votes of. With 100 validators that who signs for all rounds there are can make it hold 28
// KB a round, so 4 MB altogether; when heights end in their first round it is a quarter of one.
#define WITNESS_ROUNDS 16
#define WITNESS_ROUNDS_BEHIND 8

struct witness;

struct witness *witness_new(void);
void witness_free(struct witness *witness);

// Takes what the core is given. START moves the heights; votes, proposals and certificates are kept, the first of each
// validator and slot, and what contradicts it makes evidence. All others are ignored.
void witness_take(struct witness *witness, const struct bft_input *input);
// The core has reached this round of the height that was started last.
void witness_enter(struct witness *witness, uint32_t round);

// The statement contradicts what is kept, and its signer is not accused yet: so it is worth being verified.
bool witness_is_contradicted(const struct witness *witness, const struct statement *statement);
void witness_take_statement(struct witness *witness, const struct statement *statement); // a verified one

// The next round of heights first to last of which something was heard since it was told last; it counts as told then.
// False: none. What certificates say is no news: everybody gets them.
bool witness_tell(struct witness *witness, struct heard *out, uint64_t first, uint64_t last);
// The rounds that are kept, one by one, for who has heard none. `cursor` begins at 0. False: no more.
bool witness_recall(const struct witness *witness, struct heard *out, size_t *cursor);
// What is kept of somebody of whom the other has heard something else, one by one; `cursor` begins at 0. False: no
// more.
bool witness_contradict(const struct witness *witness, struct statement *out, size_t *cursor,
                        const struct heard *heard);

// The evidence of heights up to `height` that is kept, one of each validator and height; `cursor` begins at 0.
bool witness_evidence(const struct witness *witness, struct evidence *out, size_t *cursor, uint64_t height);
// All that has ever been found.
uint64_t witness_evidence_count(const struct witness *witness);

#endif
