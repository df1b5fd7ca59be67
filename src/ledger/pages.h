// Pages of the state's tree, held in memory as the store has them: every change of the state goes through the upper
// ones, and a lower one costs more to read than to hash.
//
//   trial of a block ──reads──> pages ──those not held──> store        block becomes the head: its writes go to both
//
// Who reads through them sees the store as it is once the writes followed last are in it. So nothing is read between
// pages_follow and the end of its step.
#ifndef SOTTO_LEDGER_PAGES_H
#define SOTTO_LEDGER_PAGES_H

#include "base/kv.h"
#include "base/rng.h"

#define PAGES_BYTES_MAX ((size_t)16 * 1024 * 1024) // all of a tree of 100,000 entries; what was read longest ago goes

struct pages;

// Empty. Holds up to `bytes_max`, what holding costs included. The store outlives it; rng: only drawn from here.
struct pages *pages_new(struct kv *kv, size_t bytes_max, struct rng *rng);
void pages_free(struct pages *pages); // NULL is fine
// As kv_get, for any key.
enum err pages_get(struct pages *pages, struct span key, struct buf *value);
// The batch is being written to the store.
void pages_follow(struct pages *pages, const struct kv_batch *batch);
void pages_clear(struct pages *pages); // after an error, when it is not known what the store has
size_t pages_bytes(const struct pages *pages);

#endif
