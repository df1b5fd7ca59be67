// Looking things up in a directory, and which replicas hold a mailbox.
#ifndef SOTTO_DIRECTORY_DIRECTORY_H
#define SOTTO_DIRECTORY_DIRECTORY_H

#include "base/time.h"
#include "wire/directory.h"
#include "wire/op.h"

// The mono_ms at which to look whether a wall-clock time has come: then, or at the next full minute before, so that a
// jump of the wall clock is noticed. Does not move from one call to the next, so that timers need not be set anew.
uint64_t directory_look_ms(const struct now *now, uint64_t wall_ms);

// NULL when absent.
const struct directory_relay *directory_find(const struct directory *directory, const struct relay_id *id);
// Its onion key of an epoch, NULL if the directory does not list one: a relay that has been away for some epochs keeps
// its place among the replicas but cannot be a hop.
const struct dh_public *directory_onion_key(const struct directory_relay *relay, uint32_t epoch);

// Rendezvous placement: relays in falling order of score H("sotto placement 1", placement id, mailbox).
#define PLACEMENT_RANKS (REPLICAS_MAX + 2) // replicas are taken from the first k+2

struct placement {
    size_t count;                   // min(k + 2, placed relays)
    size_t relays[PLACEMENT_RANKS]; // indices into directory->relays, by rank
};

void placement_of(struct placement *out, const struct directory *directory, const struct mailbox_id *mailbox,
                  unsigned replicas);
// The rank of a relay for a mailbox: 0 .. k+1, or -1 when it is beyond.
int placement_rank(const struct placement *placement, const struct directory *directory, const struct relay_id *relay);

// A store is acknowledged when `quorum` receipts of distinct relays hold: signature, set, rank <= k + 1 by this
// directory. Counts those that do (0 when the set itself is wrong: a relay twice, over k of them, or beyond rank k +
// 1).
unsigned receipts_valid(const struct reply *reply, const struct directory *directory, const struct genesis *genesis,
                        const struct mailbox_id *mailbox, const uint8_t item[static ITEM_BYTES], uint64_t expiry_ms);

#endif
