// A persistent AVL tree. A node that is referenced once, by its one parent, is changed in place; a node that a snapshot
// can reach as well is copied first, together with the path that leads to it, so that the snapshot keeps the old one:
//
//      store ──> R'─────┐             after a snapshot and one write below L:
//               /       │             R' and L' are new, X and S are shared (2 references each),
//              L'       ├──> S        R and L belong to the snapshot alone.
//             /  \      │
//          new    X <── L <── R <── snapshot
//
// Only reference counts are shared between threads. A count of one seen by the loop thread means that nobody else can
// reach the node: only a holder of a reference can make another. Balance comes from heights, not from random or hashed
// priorities: keys contain bytes that peers choose, and no choice of them makes a deep tree.
#include "base/kv_memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

// An AVL tree of height 64 has more nodes (over 10^13) than fit into memory.
#define HEIGHT_MAX 64

// A record, immutable once made: key, then value.
struct entry {
    atomic_uint references;
    uint32_t value_bytes;
    uint16_t key_bytes;
    uint8_t bytes[];
};

struct node {
    atomic_uint references;
    uint32_t height; // a leaf has 1
    struct node *left;
    struct node *right;
    struct entry *entry;
};

struct memory {
    struct kv kv;
    struct node *root;
};

struct memory_snapshot {
    struct kv_snapshot snapshot;
    struct node *root;
};

// In-order position: the nodes still to visit, nearest last; each stands for itself and its right subtree.
struct memory_cursor {
    struct kv_cursor cursor;
    size_t depth;
    const struct node *path[HEIGHT_MAX];
};

static struct span entry_key(const struct entry *entry) {
    return (struct span){entry->bytes, entry->key_bytes};
}

static struct span entry_value(const struct entry *entry) {
    return (struct span){entry->bytes + entry->key_bytes, entry->value_bytes};
}

static struct entry *entry_new(struct span key, struct span value) {
    struct entry *entry = mem_new(1, sizeof *entry + key.n + value.n);
    atomic_init(&entry->references, 1);
    entry->key_bytes = (uint16_t)key.n;
    entry->value_bytes = (uint32_t)value.n;
    memcpy(entry->bytes, key.p, key.n);
    if (value.n > 0)
        memcpy(entry->bytes + key.n, value.p, value.n);
    return entry;
}

static void retain(atomic_uint *references) {
    atomic_fetch_add_explicit(references, 1, memory_order_relaxed);
}

// True when it was the last reference; whoever dropped one before is then done with the object.
static bool drop(atomic_uint *references) {
    return atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

static bool is_shared(atomic_uint *references) {
    return atomic_load_explicit(references, memory_order_acquire) > 1;
}

static void entry_release(struct entry *entry) {
    if (drop(&entry->references))
        free(entry);
}

static struct node *node_retain(struct node *node) {
    if (node != NULL)
        retain(&node->references);
    return node;
}

static void node_release(struct node *node) {
    if (node == NULL || !drop(&node->references))
        return;
    node_release(node->left);
    node_release(node->right);
    entry_release(node->entry);
    free(node);
}

// Takes over the references to the entry and the children.
static struct node *node_new(struct entry *entry, struct node *left, struct node *right, uint32_t height) {
    struct node *node = NEW(struct node);
    atomic_init(&node->references, 1);
    node->height = height;
    node->left = left;
    node->right = right;
    node->entry = entry;
    return node;
}

// Turns a reference into one to a node that may be changed in place.
static struct node *node_own(struct node *node) {
    if (!is_shared(&node->references))
        return node;
    retain(&node->entry->references);
    struct node *copy = node_new(node->entry, node_retain(node->left), node_retain(node->right), node->height);
    node_release(node);
    return copy;
}

static uint32_t height_of(const struct node *node) {
    return node != NULL ? node->height : 0;
}

static void update_height(struct node *node) {
    uint32_t left = height_of(node->left);
    uint32_t right = height_of(node->right);
    node->height = 1 + (left > right ? left : right);
    ASSERT(node->height <= HEIGHT_MAX);
}

// The right child takes the node's place. All nodes that change are owned.
static struct node *rotate_left(struct node *node) {
    struct node *top = node_own(node->right);
    node->right = top->left;
    update_height(node);
    top->left = node;
    update_height(top);
    return top;
}

static struct node *rotate_right(struct node *node) {
    struct node *top = node_own(node->left);
    node->left = top->right;
    update_height(node);
    top->right = node;
    update_height(top);
    return top;
}

// Restores the AVL balance of an owned node whose subtrees are balanced and differ by at most two in height.
static struct node *balance(struct node *node) {
    uint32_t left = height_of(node->left);
    uint32_t right = height_of(node->right);
    if (left > right + 1) {
        if (height_of(node->left->left) < height_of(node->left->right))
            node->left = rotate_left(node_own(node->left));
        return rotate_right(node);
    }
    if (right > left + 1) {
        if (height_of(node->right->right) < height_of(node->right->left))
            node->right = rotate_right(node_own(node->right));
        return rotate_left(node);
    }
    update_height(node);
    return node;
}

// The functions below take over the reference to the tree they are given and return one to the changed tree.

static struct node *insert(struct node *node, struct entry *entry) {
    if (node == NULL)
        return node_new(entry, NULL, NULL, 1);
    node = node_own(node);
    int order = span_compare(entry_key(entry), entry_key(node->entry));
    if (order == 0) {
        entry_release(node->entry);
        node->entry = entry;
        return node;
    }
    if (order < 0)
        node->left = insert(node->left, entry);
    else
        node->right = insert(node->right, entry);
    return balance(node);
}

// Takes the node away and puts `instead`, a child of it, in its place; the entry's reference is the caller's.
static struct node *unlink_node(struct node *node, struct node *instead) {
    node_retain(instead);
    retain(&node->entry->references);
    node_release(node);
    return instead;
}

// Hands out the entry of the leftmost node.
static struct node *remove_first(struct node *node, struct entry **first) {
    if (node->left == NULL) {
        *first = node->entry;
        return unlink_node(node, node->right);
    }
    node = node_own(node);
    node->left = remove_first(node->left, first);
    return balance(node);
}

// The key is in the tree.
static struct node *remove_key(struct node *node, struct span key) {
    ASSERT(node != NULL);
    int order = span_compare(key, entry_key(node->entry));
    if (order == 0 && (node->left == NULL || node->right == NULL)) {
        struct entry *entry = node->entry;
        node = unlink_node(node, node->left != NULL ? node->left : node->right);
        entry_release(entry);
        return node;
    }
    node = node_own(node);
    if (order == 0) {
        entry_release(node->entry);
        node->right = remove_first(node->right, &node->entry);
    } else if (order < 0) {
        node->left = remove_key(node->left, key);
    } else {
        node->right = remove_key(node->right, key);
    }
    return balance(node);
}

static const struct entry *find(const struct node *node, struct span key) {
    while (node != NULL) {
        int order = span_compare(key, entry_key(node->entry));
        if (order == 0)
            return node->entry;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

static enum err get_from(const struct node *root, struct span key, struct buf *value) {
    const struct entry *entry = find(root, key);
    if (entry == NULL)
        return ERR_NOT_FOUND;
    buf_append(value, entry_value(entry));
    return OK;
}

static struct memory *memory_of(struct kv *kv) {
    return (struct memory *)kv;
}

static enum err memory_get(struct kv *kv, struct span key, struct buf *value) {
    return get_from(memory_of(kv)->root, key, value);
}

static enum err memory_write(struct kv *kv, const struct kv_batch *batch) {
    struct memory *memory = memory_of(kv);
    for (size_t i = 0; i < kv_batch_count(batch); i++) {
        struct kv_write write = kv_batch_at(batch, i);
        if (!write.is_delete)
            memory->root = insert(memory->root, entry_new(write.key, write.value));
        else if (find(memory->root, write.key) != NULL)
            memory->root = remove_key(memory->root, write.key);
    }
    return OK;
}

static enum err memory_sync(struct kv *kv) {
    (void)kv;
    return OK;
}

static struct kv_snapshot *memory_snapshot(struct kv *kv) {
    struct memory_snapshot *snapshot = NEW(struct memory_snapshot);
    snapshot->snapshot.ops = kv->ops;
    snapshot->root = node_retain(memory_of(kv)->root);
    return &snapshot->snapshot;
}

static void memory_snapshot_release(struct kv_snapshot *snapshot) {
    struct memory_snapshot *own = (struct memory_snapshot *)snapshot;
    node_release(own->root);
    free(own);
}

static const struct node *snapshot_root(const struct kv_snapshot *snapshot) {
    return ((const struct memory_snapshot *)snapshot)->root;
}

static enum err memory_snapshot_get(const struct kv_snapshot *snapshot, struct span key, struct buf *value) {
    return get_from(snapshot_root(snapshot), key, value);
}

static void push(struct memory_cursor *cursor, const struct node *node) {
    ASSERT(cursor->depth < HEIGHT_MAX);
    cursor->path[cursor->depth++] = node;
}

static struct kv_cursor *memory_cursor(const struct kv_snapshot *snapshot, struct span from) {
    struct memory_cursor *cursor = NEW(struct memory_cursor);
    cursor->cursor.ops = snapshot->ops;
    const struct node *node = snapshot_root(snapshot);
    while (node != NULL) {
        bool is_before = span_compare(entry_key(node->entry), from) < 0;
        if (!is_before)
            push(cursor, node);
        node = is_before ? node->right : node->left;
    }
    return &cursor->cursor;
}

static bool memory_cursor_at(struct kv_cursor *cursor, struct span *key, struct span *value) {
    struct memory_cursor *own = (struct memory_cursor *)cursor;
    if (own->depth == 0)
        return false;
    const struct entry *entry = own->path[own->depth - 1]->entry;
    *key = entry_key(entry);
    *value = entry_value(entry);
    return true;
}

static void memory_cursor_next(struct kv_cursor *cursor) {
    struct memory_cursor *own = (struct memory_cursor *)cursor;
    if (own->depth == 0)
        return;
    const struct node *node = own->path[--own->depth]->right;
    for (; node != NULL; node = node->left)
        push(own, node);
}

static void memory_cursor_free(struct kv_cursor *cursor) {
    free(cursor);
}

static void memory_close(struct kv *kv) {
    node_release(memory_of(kv)->root);
    free(kv);
}

static const struct kv_ops memory_ops = {
    .get = memory_get,
    .write = memory_write,
    .sync = memory_sync,
    .snapshot = memory_snapshot,
    .snapshot_release = memory_snapshot_release,
    .snapshot_get = memory_snapshot_get,
    .cursor = memory_cursor,
    .cursor_at = memory_cursor_at,
    .cursor_next = memory_cursor_next,
    .cursor_free = memory_cursor_free,
    .close = memory_close,
};

static struct kv *memory_with(struct node *root) {
    struct memory *memory = NEW(struct memory);
    memory->kv.ops = &memory_ops;
    memory->root = root;
    return &memory->kv;
}

struct kv *kv_memory_new(void) {
    return memory_with(NULL);
}

struct kv *kv_memory_from(const struct kv_snapshot *snapshot) {
    ASSERT(snapshot->ops == &memory_ops);
    return memory_with(node_retain(((const struct memory_snapshot *)snapshot)->root));
}
