// A relay's batch and its openings, out of its leaves.
#include "ledger/claims.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct claims {
    uint32_t epoch;
    uint32_t count;
    const struct hash *leaves;
    struct merkle_tree *tree;
};

struct claims *claims_new(uint32_t epoch, const struct hash *leaves, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) // a relay whose leaves do not increase loses its stake
        ASSERT(memcmp(leaves[i - 1].bytes, leaves[i].bytes, sizeof leaves[i].bytes) < 0);
    struct claims *claims = NEW(struct claims);
    *claims = (struct claims){epoch, count, leaves, merkle_tree_new(leaves, count)};
    return claims;
}

void claims_free(struct claims *claims) {
    if (claims == NULL)
        return;
    merkle_tree_free(claims->tree);
    free(claims);
}

void claims_batch(struct tx *out, const struct claims *claims) {
    *out = (struct tx){.kind = TX_DELIVERY_BATCH};
    out->delivery_batch.epoch = claims->epoch;
    out->delivery_batch.count = claims->count;
    merkle_tree_root(&out->delivery_batch.root, claims->tree);
}

static struct tx_leaf leaf_at(struct hash path[static MERKLE_PATH_MAX], const struct claims *claims, uint32_t index) {
    return (struct tx_leaf){claims->leaves[index], {path, merkle_tree_prove(path, claims->tree, index)}};
}

void claims_opening(struct tx *out, struct claims_paths *paths, const struct claims *claims, uint32_t index,
                    const struct delivery *delivery) {
    ASSERT(index < claims->count);
    *out = (struct tx){.kind = TX_OPENING};
    struct tx_opening *body = &out->opening;
    body->epoch = claims->epoch;
    body->index = index;
    body->leaf = leaf_at(paths->leaf, claims, index);
    body->has_before = index > 0;
    body->has_after = index + 1 < claims->count;
    if (body->has_before)
        body->before = leaf_at(paths->before, claims, index - 1);
    if (body->has_after)
        body->after = leaf_at(paths->after, claims, index + 1);
    memcpy(body->secret, delivery->secret, sizeof body->secret);
    body->set = delivery->set;
    body->inner = delivery->inner;
    body->signer = delivery->signer;
    body->receipt = delivery->receipt;
}

bool claims_match(const struct claims *claims, const struct delivery_record *record) {
    struct hash root;
    merkle_tree_root(&root, claims->tree);
    return record->count == claims->count && memcmp(root.bytes, record->root.bytes, sizeof root.bytes) == 0;
}

size_t claims_unopened(uint32_t out[static SAMPLE_MAX], const struct delivery_record *record) {
    size_t count = 0;
    for (size_t i = 0; i < record->sample_count; i++) {
        if ((record->opened >> i & 1) == 0 && record->sample[i] < record->count)
            out[count++] = record->sample[i];
    }
    return count;
}
