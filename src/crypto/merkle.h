// Static Merkle trees over a list of 32-byte items, in the shape of RFC 9162, section 2.1: a tree of n > 1 leaves has
// the largest power of two below n on its left.
//
//   leaf = H("sotto leaf 1", item)      node = H("sotto node 1", left, right)      root of nothing = 32 zero bytes
#ifndef SOTTO_CRYPTO_MERKLE_H
#define SOTTO_CRYPTO_MERKLE_H

#include "base/cursor.h"
#include "crypto/keys.h"

#define MERKLE_PATH_MAX 32 // a tree has at most 2^32 - 1 items: their number is a u32 on every wire

// A proof of inclusion: the siblings on the way from the leaf to the root. A view.
struct merkle_path {
    const struct hash *hashes;
    size_t count;
};

// count 1 | count x 32
void merkle_path_write(struct writer *w, struct merkle_path path);
struct merkle_path merkle_path_read(struct reader *r); // points into the input; fails over MERKLE_PATH_MAX hashes

void merkle_root(struct hash *root, const struct hash *items, uint32_t n);
// Writes the path of item `index` < n into `path` and returns its length.
size_t merkle_prove(struct hash path[static MERKLE_PATH_MAX], const struct hash *items, uint32_t n, uint32_t index);
// A whole tree, for many paths out of one pass over the items: twice as many hashes as items.
struct merkle_tree;

struct merkle_tree *merkle_tree_new(const struct hash *items, uint32_t n); // n >= 1
void merkle_tree_free(struct merkle_tree *tree);                           // NULL is fine
void merkle_tree_root(struct hash *root, const struct merkle_tree *tree);
// As merkle_prove.
size_t merkle_tree_prove(struct hash path[static MERKLE_PATH_MAX], const struct merkle_tree *tree, uint32_t index);
// ERR_AUTH unless the path leads from the item at `index` in a tree of n items to the root (RFC 9162, 2.1.3.2).
enum err merkle_verify(const struct hash *root, uint32_t n, uint32_t index, const struct hash *item,
                       struct merkle_path path);

#endif
