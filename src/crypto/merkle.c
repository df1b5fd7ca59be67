// RFC 9162's trees with BLAKE2b. The root is computed with one pending subtree for each bit of the number of leaves
// read so far, so that a long list needs no memory beside itself.
#include "crypto/merkle.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"

_Static_assert(sizeof(struct hash) == 32 && _Alignof(struct hash) == 1, "hashes on a wire are read where they stand");

void merkle_path_write(struct writer *w, struct merkle_path path) {
    ASSERT(path.count <= MERKLE_PATH_MAX);
    write_u8(w, (uint8_t)path.count);
    for (size_t i = 0; i < path.count; i++)
        write_bytes(w, path.hashes[i].bytes, sizeof path.hashes[i].bytes);
}

struct merkle_path merkle_path_read(struct reader *r) {
    size_t count = read_u8(r);
    if (count > MERKLE_PATH_MAX)
        reader_fail(r);
    struct span bytes = read_span(r, count * sizeof(struct hash));
    return (struct merkle_path){(const struct hash *)bytes.p, bytes.n / sizeof(struct hash)};
}

static void leaf_of(struct hash *out, const struct hash *item) {
    hash_bytes(out, "sotto leaf 1", SPAN_OF(item->bytes));
}

static void node_of(struct hash *out, const struct hash *left, const struct hash *right) {
    const struct span parts[] = {SPAN_OF(left->bytes), SPAN_OF(right->bytes)};
    hash_parts(out, "sotto node 1", parts, 2);
}

void merkle_root(struct hash *root, const struct hash *items, uint32_t n) {
    struct hash pending[MERKLE_PATH_MAX + 1]; // roots of complete subtrees, the largest first
    size_t height = 0;
    for (uint32_t i = 0; i < n; i++) {
        leaf_of(&pending[height++], &items[i]);
        for (uint32_t done = i; done & 1; done >>= 1, height--) // each odd level completes a subtree of twice the size
            node_of(&pending[height - 2], &pending[height - 2], &pending[height - 1]);
    }
    for (; height > 1; height--)
        node_of(&pending[height - 2], &pending[height - 2], &pending[height - 1]);
    *root = height == 1 ? pending[0] : (struct hash){{0}};
}

// The largest power of two below n.
static uint32_t split_of(uint32_t n) {
    ASSERT(n > 1);
    uint32_t split = 1;
    while (split < n - split)
        split *= 2;
    return split;
}

size_t merkle_prove(struct hash path[static MERKLE_PATH_MAX], const struct hash *items, uint32_t n, uint32_t index) {
    ASSERT(index < n);
    struct hash downwards[MERKLE_PATH_MAX];
    size_t count = 0;
    while (n > 1) {
        uint32_t split = split_of(n);
        bool left = index < split;
        ASSERT(count < MERKLE_PATH_MAX);
        merkle_root(&downwards[count++], left ? items + split : items, left ? n - split : split);
        items += left ? 0 : split;
        index -= left ? 0 : split;
        n = left ? split : n - split;
    }
    for (size_t i = 0; i < count; i++)
        path[i] = downwards[count - 1 - i];
    return count;
}

// ---- a whole tree ----

// Level 0 has the leaves' hashes. Of an odd level the last node has no sibling and goes up as it is, which gives the
// RFC's shape: the largest power of two below n is always on the left.
struct merkle_tree {
    size_t height; // levels
    uint32_t counts[MERKLE_PATH_MAX + 1];
    struct hash *levels[MERKLE_PATH_MAX + 1];
};

static void make_level(struct merkle_tree *tree, uint32_t below) {
    uint32_t count = below / 2 + below % 2;
    struct hash *level = NEW_ARRAY(struct hash, count);
    const struct hash *children = tree->levels[tree->height - 1];
    for (uint32_t i = 0; i < below / 2; i++)
        node_of(&level[i], &children[2 * i], &children[2 * i + 1]);
    if (below % 2 != 0)
        level[count - 1] = children[below - 1];
    tree->counts[tree->height] = count;
    tree->levels[tree->height++] = level;
}

struct merkle_tree *merkle_tree_new(const struct hash *items, uint32_t n) {
    ASSERT(n >= 1);
    struct merkle_tree *tree = NEW(struct merkle_tree);
    tree->levels[0] = NEW_ARRAY(struct hash, n);
    for (uint32_t i = 0; i < n; i++)
        leaf_of(&tree->levels[0][i], &items[i]);
    tree->counts[0] = n;
    tree->height = 1;
    while (tree->counts[tree->height - 1] > 1)
        make_level(tree, tree->counts[tree->height - 1]);
    return tree;
}

void merkle_tree_free(struct merkle_tree *tree) {
    if (tree == NULL)
        return;
    for (size_t level = 0; level < tree->height; level++)
        free(tree->levels[level]);
    free(tree);
}

void merkle_tree_root(struct hash *root, const struct merkle_tree *tree) {
    *root = tree->levels[tree->height - 1][0];
}

size_t merkle_tree_prove(struct hash path[static MERKLE_PATH_MAX], const struct merkle_tree *tree, uint32_t index) {
    ASSERT(index < tree->counts[0]);
    size_t count = 0;
    for (size_t level = 0; level + 1 < tree->height; level++, index /= 2) {
        uint32_t sibling = index ^ 1;
        if (sibling < tree->counts[level])
            path[count++] = tree->levels[level][sibling];
    }
    return count;
}

enum err merkle_verify(const struct hash *root, uint32_t n, uint32_t index, const struct hash *item,
                       struct merkle_path path) {
    if (index >= n)
        return ERR_AUTH;
    struct hash r;
    leaf_of(&r, item);
    uint32_t fn = index;
    uint32_t sn = n - 1;
    for (size_t i = 0; i < path.count; i++) {
        if (sn == 0)
            return ERR_AUTH; // longer than the way up
        if ((fn & 1) == 0 && fn != sn) {
            node_of(&r, &r, &path.hashes[i]);
        } else {
            node_of(&r, &path.hashes[i], &r);
            for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
                sn >>= 1; // levels at which the last node has no sibling
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(r.bytes, root->bytes, sizeof r.bytes) == 0 ? OK : ERR_AUTH;
}
