// The authenticated tree over the state: a binary Merkle tree by the bits of a key's hash, the first bit at the top.
// A subtree without leaves hashes to zeros, one with a single leaf is that leaf, so that the root depends on the
// contents alone and a path is as long as the keys' common prefixes: about log2 of their number.
//
//   leaf = H("sotto tree leaf 1", key hash, value hash)     node = H("sotto tree node 1", left, right)
//
// In the store four levels are one page: 16 slots, each empty, a leaf or the hash of the page below.
//
//   record   KV_SPACE_LEDGER | 't' | depth 1 | the first `depth` nibbles, padded with zero bits
//            kinds 4 (two bits a slot, the first slot in the lowest) | payloads: leaf 64, page 32
//            | hashes 32 of those quarters of the slots that are more than a leaf
//   root     KV_SPACE_LEDGER | 'T': kind 1 | payload; absent when the tree is empty
//
//   proof    siblings 2 | end 1 (0 empty, 1 the key's leaf, 2 another leaf: key hash 32 | value hash 32)
//            | sibling hashes from the root down, 32 each
#ifndef SOTTO_LEDGER_TREE_H
#define SOTTO_LEDGER_TREE_H

#include "crypto/keys.h"
#include "ledger/overlay.h"

#define TREE_DEPTH_MAX 256 // bits of a key hash
#define TREE_PROOF_BYTES_MAX (2 + 1 + 64 + TREE_DEPTH_MAX * 32)

struct tree_update {
    struct hash key;   // H("sotto key 1", key): tree_key
    struct hash value; // H("sotto value 1", value): tree_value
    bool is_delete;
};

void tree_key(struct hash *out, struct span key);
void tree_value(struct hash *out, struct span value);

// The root of the tree as the overlay sees it; zeros when it is empty.
void tree_root(struct hash *root, struct overlay *overlay);
// Applies the updates, of distinct keys, and sorts them. Every page on the way is hashed once. Deleting what is not
// there changes nothing. Damage shows in overlay_failed.
void tree_apply(struct hash *root, struct overlay *overlay, struct tree_update *updates, size_t count);
// Appends the proof of the key's value, or of its absence.
void tree_prove(struct buf *proof, struct overlay *overlay, const struct hash *key);
// `value` NULL: the key is absent. ERR_MALFORMED; ERR_AUTH: the proof shows something else. Needs nothing but its
// arguments.
enum err tree_verify(const struct hash *root, const struct hash *key, const struct hash *value, struct span proof);

#endif
