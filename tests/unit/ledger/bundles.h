// Directories as nodes pass them around: in bundles whose header a committee certifies.
#ifndef SOTTO_TESTS_LEDGER_BUNDLES_H
#define SOTTO_TESTS_LEDGER_BUNDLES_H

#include <stdlib.h>

#include "base/kv_memory.h"
#include "ledger/bundle.h"
#include "ledger/committee.h"
#include "ledger/state.h"

struct bundle_plan {
    uint32_t epoch;
    struct span directory;
    struct span held; // what the state has in its place; nothing: the directory itself
    uint64_t height;
    uint64_t time_ms; // of the header
    size_t signers;   // the first of the committee
};

// A state of nothing but a directory: its root, and the proof of that entry.
static inline void bundle_state(struct hash *root, struct buf *proof, uint32_t epoch, struct span directory) {
    struct kv *kv = kv_memory_new();
    struct overlay *overlay = overlay_over_kv(kv);
    struct tree_update update = {0};
    struct state_key key;
    struct hash hash;
    state_directory_hash_of(&hash, directory);
    state_directory_key(&key, epoch);
    tree_key(&update.key, state_key_span(&key));
    tree_value(&update.value, SPAN_OF(hash.bytes));
    tree_apply(root, overlay, &update, 1);
    tree_prove(proof, overlay, &update.key);
    overlay_free(overlay);
    kv_close(kv);
}

// Replaces what `out` holds.
static inline void bundle_make(struct buf *out, const struct committee *committee, const struct bundle_plan *plan) {
    struct ledger_bundle *bundle = NEW(struct ledger_bundle);
    struct buf proof = {0};
    struct block_id id;
    bundle->epoch = plan->epoch;
    bundle->directory = plan->directory;
    bundle->header = (struct block_header){.network = committee->network,
                                           .height = plan->height,
                                           .time_ms = plan->time_ms,
                                           .proposer = committee->set.validators[0].key};
    bundle_state(&bundle->header.state_root, &proof, plan->epoch, plan->held.n > 0 ? plan->held : plan->directory);
    bundle->proof = buf_span(&proof);
    bundle->validators = committee->set;
    validator_set_hash(&bundle->header.validators, &committee->set);
    bundle->header.next_validators = bundle->header.validators;
    block_id_of(&id, &bundle->header);
    committee_certify(&bundle->certificate, committee, VOTE_PRECOMMIT, plan->height, 0, &id, plan->signers);
    buf_clear(out);
    bundle_encode(out, bundle);
    buf_free(&proof);
    free(bundle);
}

#endif
