// What a relay claims for the items it delivered in an epoch. docs/spec/state.md, "Deliveries".
//
//   sorted leaves -> claims_new: their tree -> claims_batch: root and count
//   sample drawn  -> claims_opening of each index: leaf, neighbours, paths, and the proof that the mailbox kept
//
// Pure, and made for a job: a tree of 65,536 leaves takes 4 MiB and a tenth of a second, an opening none of either.
#ifndef SOTTO_LEDGER_CLAIMS_H
#define SOTTO_LEDGER_CLAIMS_H

#include "ledger/state.h"
#include "ledger/tx.h"

struct claims;

// `leaves`: 1 or more, strictly increasing; they must outlive the claims.
struct claims *claims_new(uint32_t epoch, const struct hash *leaves, uint32_t count);
void claims_free(struct claims *claims); // NULL is fine

// The transactions have kind and body; whoever submits them adds the rest.
void claims_batch(struct tx *out, const struct claims *claims);

// Where the paths of an opening are, which it points to.
struct claims_paths {
    struct hash leaf[MERKLE_PATH_MAX];
    struct hash before[MERKLE_PATH_MAX];
    struct hash after[MERKLE_PATH_MAX];
};

void claims_opening(struct tx *out, struct claims_paths *paths, const struct claims *claims, uint32_t index,
                    const struct delivery *delivery);

// Whether this is the batch that the ledger has: from any other nothing can be opened.
bool claims_match(const struct claims *claims, const struct delivery_record *record);
// The sampled indices that are still to be opened; none before the sample is drawn. Returns how many.
size_t claims_unopened(uint32_t out[static SAMPLE_MAX], const struct delivery_record *record);

#endif
