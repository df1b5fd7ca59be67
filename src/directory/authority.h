// The directory's signer: collects descriptors, issues a signed directory each epoch. The ledger takes its place later;
// nothing else may depend on how a directory comes to be.
#ifndef SOTTO_DIRECTORY_AUTHORITY_H
#define SOTTO_DIRECTORY_AUTHORITY_H

#include "base/step.h"
#include "directory/directory.h"

// How far a relay's clock may be off the authority's.
#define AUTHORITY_CLOCK_TOLERANCE_MS (5 * MINUTE_MS)
// A relay unheard of for so long (and for at least two epochs) leaves placement.
#define AUTHORITY_ABSENCE_MS DAY_MS

struct authority;

struct authority *authority_new(const struct genesis *genesis, const struct sign_secret *key); // genesis outlives it
void authority_free(struct authority *authority);
void authority_load(struct authority *authority, struct step *step); // registered relays, at start
// A descriptor from the relay itself (`peer` is the link's key). A new relay draws its placement id here, durably.
// Taken: newer than the one held (the same one again is fine), its keys beginning with this epoch or a neighbour of it
// and never with an earlier one than before.
enum descriptor_refusal authority_take(struct authority *authority, struct step *step, const struct relay_id *peer,
                                       struct span descriptor);
// Issues when one is due: the first for the current epoch as soon as genesis' min_relays are registered, then each
// epoch's 1/6 epoch ahead of it. Returns true and fills `bytes` (also given to follow_take by the caller, which keeps
// it) when a new directory was made. In it are the placed relays, and others as long as they have onion keys. A relay
// is placed unless it retires or has not been heard of for 24 h.
bool authority_issue(struct authority *authority, struct step *step, struct buf *bytes);
uint64_t authority_next_ms(const struct authority *authority, const struct now *now); // mono_ms

#endif
