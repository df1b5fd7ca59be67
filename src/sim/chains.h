// What must hold of the chains of a world's validators, whatever happens to them. It is seen from outside, in what they
// say on ledger links and in what their stores show:
//
//   one chain   the same block at a height on all of them, each block of the one before; no height left out
//   decided     more than two thirds of the validators signed it, all of which belong to the set to the end
//   final       a block that a validator has told others of is in its store from then on, unless it lost its disk
//   one voice   no validator says two things for one slot, across its ends and the loss of its disk
//   state       after a height it is the same everywhere, and the next header's; no grain comes or goes
//   once        no transaction is in two blocks, no nonce of a sender is used twice
//
// That all decide again after healing is sim.c's to look at.
#ifndef SOTTO_SIM_CHAINS_H
#define SOTTO_SIM_CHAINS_H

#include "base/kv.h"
#include "sim/checker.h"
#include "wire/frame.h"
#include "wire/genesis.h"

struct chains;

// Of so many validators, which are the first machines. Failures go to `checker`, which outlives it.
struct chains *chains_new(const struct genesis *genesis, struct checker *checker);
void chains_free(struct chains *chains);
// Whose key signs for that machine.
void chains_key(struct chains *chains, uint32_t machine, const struct sign_public *key);
// A process begins with that store.
void chains_started(struct chains *chains, uint32_t machine, struct kv *kv, uint64_t now_ms);
// Its store after a step.
void chains_stepped(struct chains *chains, uint32_t machine, struct kv *kv, uint64_t now_ms);
// Bytes that it put on a ledger link; `reader` is the link's.
void chains_heard(struct chains *chains, uint32_t machine, struct frame_reader *reader, struct span bytes,
                  struct kv *kv, uint64_t now_ms);
void chains_disk_lost(struct chains *chains, uint32_t machine);
// Whether it has voted since it first started, or last lost its disk; until then it waits until it may.
bool chains_remembers(const struct chains *chains, uint32_t machine);
uint64_t chains_told_height(const struct chains *chains, uint32_t machine); // the highest others know it has
uint64_t chains_height(const struct chains *chains, uint32_t machine);      // in its store
uint64_t chains_highest(const struct chains *chains);
// All that their stores show now, which is durable: nothing happens to them any more.
void chains_end(struct chains *chains, uint32_t machine, struct kv *kv, uint64_t now_ms);

#endif
