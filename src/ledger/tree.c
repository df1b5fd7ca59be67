// Pages of the tree: read, changed, hashed, written.
//
//                    root slot
//                        |
//              page of depth 0: 16 slots, one a nibble        a page is there only for two leaves or more;
//              /       |         \                            with one left it collapses into the slot above
//           leaf    page of 1    (empty)
#include "ledger/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/hash.h"
#include "ledger/keys.h"

#define PAGE_SLOTS 16
#define PAGE_LEVELS 4
#define PAGE_DEPTH_MAX (TREE_DEPTH_MAX / PAGE_LEVELS)
#define PAGE_QUARTERS 4
#define QUARTER_SLOTS (PAGE_SLOTS / PAGE_QUARTERS)
#define PAGE_BYTES_MAX (4 + PAGE_SLOTS * 64 + PAGE_QUARTERS * 32)
#define PAGE_KEY_BYTES_MAX (3 + 32)

_Static_assert(PAGE_KEY_BYTES_MAX <= OVERLAY_KEY_BYTES_MAX, "a page has a key");

// How the way to a key ends in a proof.
enum proof_end { PROOF_EMPTY = 0, PROOF_OWN = 1, PROOF_OTHER = 2 };

enum slot_kind { SLOT_EMPTY = 0, SLOT_LEAF = 1, SLOT_PAGE = 2 };

struct slot {
    enum slot_kind kind;
    struct hash key;  // of a leaf
    struct hash hash; // of a leaf's value, or of the page
};

// The hash of a quarter is kept, so that a change makes anew six hashes of a page and not fifteen.
struct page {
    unsigned used;  // a bit a slot that is not empty
    unsigned stale; // a bit a quarter whose hash is not known
    struct slot slots[PAGE_SLOTS];
    struct hash quarters[PAGE_QUARTERS];
};

void tree_key(struct hash *out, struct span key) {
    hash_bytes(out, "sotto key 1", key);
}

void tree_value(struct hash *out, struct span value) {
    hash_bytes(out, "sotto value 1", value);
}

static void leaf_hash(struct hash *out, const struct hash *key, const struct hash *value) {
    const struct span parts[] = {SPAN_OF(key->bytes), SPAN_OF(value->bytes)};
    hash_parts(out, "sotto tree leaf 1", parts, 2);
}

static void node_hash(struct hash *out, const struct hash *left, const struct hash *right) {
    const struct span parts[] = {SPAN_OF(left->bytes), SPAN_OF(right->bytes)};
    hash_parts(out, "sotto tree node 1", parts, 2);
}

static size_t nibble_at(const struct hash *key, size_t depth) {
    uint8_t byte = key->bytes[depth / 2];
    return depth % 2 == 0 ? byte >> 4 : byte & 15;
}

static bool bit_at(const struct hash *key, size_t level) {
    return (key->bytes[level / 8] >> (7 - level % 8) & 1) != 0;
}

static bool hash_equal(const struct hash *a, const struct hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void slot_hash(struct hash *out, const struct slot *slot) {
    switch (slot->kind) {
    case SLOT_EMPTY:
        *out = (struct hash){{0}};
        return;
    case SLOT_LEAF:
        leaf_hash(out, &slot->key, &slot->hash);
        return;
    case SLOT_PAGE:
        *out = slot->hash;
        return;
    }
}

static unsigned mask_of(size_t first, size_t width) {
    return ((1u << width) - 1) << first;
}

// If the slots [first, first + width) amount to nothing or a single leaf, that; otherwise NULL.
static const struct slot *collapsed(const struct page *page, size_t first, size_t width) {
    static const struct slot empty = {.kind = SLOT_EMPTY};
    unsigned used = page->used & mask_of(first, width);
    if (used == 0)
        return &empty;
    if ((used & (used - 1)) != 0)
        return NULL;
    size_t i = first;
    while ((used >> i & 1) == 0)
        i++;
    return page->slots[i].kind == SLOT_LEAF ? &page->slots[i] : NULL;
}

// Recursion of four levels.
static void range_hash(struct hash *out, const struct page *page, size_t first, size_t width) {
    const struct slot *only = collapsed(page, first, width);
    if (only == NULL && width == 1)
        only = &page->slots[first];
    if (only != NULL) {
        slot_hash(out, only);
        return;
    }
    if (width == QUARTER_SLOTS && (page->stale >> first / QUARTER_SLOTS & 1) == 0) {
        *out = page->quarters[first / QUARTER_SLOTS];
        return;
    }
    struct hash left, right;
    range_hash(&left, page, first, width / 2);
    range_hash(&right, page, first + width / 2, width / 2);
    node_hash(out, &left, &right);
}

static bool is_kept(const struct page *page, size_t quarter) {
    return collapsed(page, quarter * QUARTER_SLOTS, QUARTER_SLOTS) == NULL;
}

static void refresh_quarters(struct page *page) {
    for (size_t i = 0; i < PAGE_QUARTERS; i++) {
        if ((page->stale >> i & 1) != 0 && is_kept(page, i))
            range_hash(&page->quarters[i], page, i * QUARTER_SLOTS, QUARTER_SLOTS);
    }
    page->stale = 0;
}

// ---- records ----

static struct span root_key(void) {
    static const uint8_t key[] = {KV_SPACE_LEDGER, LEDGER_ROOT};
    return SPAN_OF(key);
}

static struct span page_key(uint8_t out[static PAGE_KEY_BYTES_MAX], const struct hash *key, size_t depth) {
    ASSERT(depth < PAGE_DEPTH_MAX);
    struct writer w = writer_of(out, PAGE_KEY_BYTES_MAX);
    write_u8(&w, KV_SPACE_LEDGER);
    write_u8(&w, LEDGER_TREE);
    write_u8(&w, (uint8_t)depth);
    write_bytes(&w, key->bytes, depth / 2);
    if (depth % 2 != 0)
        write_u8(&w, key->bytes[depth / 2] & 0xf0);
    return writer_span(&w);
}

static void write_slot(struct writer *w, const struct slot *slot) {
    if (slot->kind == SLOT_LEAF)
        write_bytes(w, slot->key.bytes, sizeof slot->key.bytes);
    if (slot->kind != SLOT_EMPTY)
        write_bytes(w, slot->hash.bytes, sizeof slot->hash.bytes);
}

static void read_slot(struct reader *r, struct slot *slot, unsigned kind) {
    if (kind > SLOT_PAGE)
        reader_fail(r);
    slot->kind = reader_ok(r) ? (enum slot_kind)kind : SLOT_EMPTY;
    if (slot->kind == SLOT_LEAF)
        read_bytes(r, slot->key.bytes, sizeof slot->key.bytes);
    if (slot->kind != SLOT_EMPTY)
        read_bytes(r, slot->hash.bytes, sizeof slot->hash.bytes);
}

static void read_page(struct page *page, struct overlay *overlay, const struct hash *key, size_t depth) {
    uint8_t bytes[PAGE_KEY_BYTES_MAX];
    struct span value = {0};
    page->used = page->stale = 0;
    bool is_there = depth < PAGE_DEPTH_MAX && overlay_get(overlay, page_key(bytes, key, depth), &value);
    struct reader r = reader_of(value);
    uint32_t kinds = read_u32(&r);
    for (size_t i = 0; i < PAGE_SLOTS; i++) {
        read_slot(&r, &page->slots[i], kinds >> 2 * i & 3);
        page->used |= (page->slots[i].kind != SLOT_EMPTY ? 1u : 0) << i;
    }
    for (size_t i = 0; i < PAGE_QUARTERS; i++) {
        if (is_kept(page, i))
            read_bytes(&r, page->quarters[i].bytes, sizeof page->quarters[i].bytes);
    }
    if (!is_there || !reader_done(&r))
        overlay_fail(overlay, ERR_CORRUPT);
}

static void write_page(const struct page *page, struct overlay *overlay, const struct hash *key, size_t depth) {
    uint8_t key_bytes[PAGE_KEY_BYTES_MAX], bytes[PAGE_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    uint32_t kinds = 0;
    for (size_t i = 0; i < PAGE_SLOTS; i++)
        kinds |= (uint32_t)page->slots[i].kind << 2 * i;
    write_u32(&w, kinds);
    for (size_t i = 0; i < PAGE_SLOTS; i++)
        write_slot(&w, &page->slots[i]);
    for (size_t i = 0; i < PAGE_QUARTERS; i++) {
        if (is_kept(page, i))
            write_bytes(&w, page->quarters[i].bytes, sizeof page->quarters[i].bytes);
    }
    overlay_put(overlay, page_key(key_bytes, key, depth), writer_span(&w));
}

static void read_root(struct slot *root, struct overlay *overlay) {
    struct span value;
    *root = (struct slot){.kind = SLOT_EMPTY};
    if (!overlay_get(overlay, root_key(), &value))
        return;
    struct reader r = reader_of(value);
    read_slot(&r, root, read_u8(&r));
    if (!reader_done(&r) || root->kind == SLOT_EMPTY)
        overlay_fail(overlay, ERR_CORRUPT);
}

static void write_root(const struct slot *root, struct overlay *overlay) {
    uint8_t bytes[1 + 64];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u8(&w, (uint8_t)root->kind);
    write_slot(&w, root);
    if (root->kind == SLOT_EMPTY)
        overlay_delete(overlay, root_key());
    else
        overlay_put(overlay, root_key(), writer_span(&w));
}

void tree_root(struct hash *root, struct overlay *overlay) {
    struct slot slot;
    read_root(&slot, overlay);
    slot_hash(root, &slot);
}

// ---- updates ----

static int compare_updates(const void *a, const void *b) {
    return memcmp(((const struct tree_update *)a)->key.bytes, ((const struct tree_update *)b)->key.bytes, 32);
}

// What a page means to the slot above it.
static struct slot page_slot(struct page *page) {
    const struct slot *only = collapsed(page, 0, PAGE_SLOTS);
    if (only != NULL)
        return *only;
    struct slot slot = {.kind = SLOT_PAGE};
    refresh_quarters(page);
    range_hash(&slot.hash, page, 0, PAGE_SLOTS);
    return slot;
}

// The page below a slot: as stored, or as it becomes when the slot's leaf moves down.
static void open_page(struct page *page, struct overlay *overlay, const struct slot *slot, const struct hash *key,
                      size_t depth) {
    if (slot->kind == SLOT_PAGE) {
        read_page(page, overlay, key, depth);
        return;
    }
    page->used = 0;
    page->stale = (1u << PAGE_QUARTERS) - 1;
    for (size_t i = 0; i < PAGE_SLOTS; i++)
        page->slots[i].kind = SLOT_EMPTY;
    if (slot->kind == SLOT_LEAF) {
        size_t nibble = nibble_at(&slot->key, depth);
        page->slots[nibble] = *slot;
        page->used = 1u << nibble;
    }
}

static void update_slot(struct slot *slot, struct overlay *overlay, const struct tree_update *updates, size_t count,
                        size_t depth);

// Every nibble's updates to its slot.
static void update_page(struct page *page, struct overlay *overlay, const struct tree_update *updates, size_t count,
                        size_t depth) {
    while (count > 0) {
        size_t nibble = nibble_at(&updates[0].key, depth);
        size_t n = 1;
        while (n < count && nibble_at(&updates[n].key, depth) == nibble)
            n++;
        update_slot(&page->slots[nibble], overlay, updates, n, depth + 1);
        page->used &= ~(1u << nibble);
        page->used |= (page->slots[nibble].kind != SLOT_EMPTY ? 1u : 0) << nibble;
        page->stale |= 1u << nibble / QUARTER_SLOTS;
        updates += n;
        count -= n;
    }
}

// Updates whose keys share the first `depth` nibbles, to the slot that stands for this prefix. The depth of the
// recursion is bounded by the length of a key hash: distinct keys part before its end.
static void update_slot(struct slot *slot, struct overlay *overlay, const struct tree_update *updates, size_t count,
                        size_t depth) {
    bool is_own = slot->kind == SLOT_EMPTY || (slot->kind == SLOT_LEAF && hash_equal(&slot->key, &updates[0].key));
    if (count == 1 && is_own) {
        *slot = (struct slot){.kind = SLOT_EMPTY};
        if (!updates[0].is_delete)
            *slot = (struct slot){SLOT_LEAF, updates[0].key, updates[0].value};
        return;
    }
    if (depth >= PAGE_DEPTH_MAX) { // a slot of the last page holds a leaf, never a page
        overlay_fail(overlay, ERR_CORRUPT);
        return;
    }
    bool was_page = slot->kind == SLOT_PAGE;
    struct page page;
    uint8_t key[PAGE_KEY_BYTES_MAX];
    open_page(&page, overlay, slot, &updates[0].key, depth);
    update_page(&page, overlay, updates, count, depth);
    *slot = page_slot(&page);
    if (slot->kind == SLOT_PAGE)
        write_page(&page, overlay, &updates[0].key, depth);
    else if (was_page)
        overlay_delete(overlay, page_key(key, &updates[0].key, depth));
}

void tree_apply(struct hash *root, struct overlay *overlay, struct tree_update *updates, size_t count) {
    struct slot slot;
    read_root(&slot, overlay);
    if (count > 0) {
        qsort(updates, count, sizeof *updates, compare_updates);
        for (size_t i = 1; i < count; i++)
            ASSERT(compare_updates(&updates[i - 1], &updates[i]) < 0);
        update_slot(&slot, overlay, updates, count, 0);
        write_root(&slot, overlay);
    }
    slot_hash(root, &slot);
}

// ---- proofs ----

// Goes down in one page: appends the siblings, up to where the way ends (true) or the page below begins.
static bool descend_page(const struct page *page, const struct hash *key, size_t depth, struct buf *siblings,
                         struct slot *end) {
    size_t first = 0;
    for (size_t width = PAGE_SLOTS / 2; width >= 1; width /= 2) {
        bool is_right = (nibble_at(key, depth) & width) != 0;
        struct hash sibling;
        range_hash(&sibling, page, is_right ? first : first + width, width);
        buf_append(siblings, SPAN_OF(sibling.bytes));
        first += is_right ? width : 0;
        const struct slot *only = collapsed(page, first, width);
        if (only != NULL) {
            *end = *only;
            return true;
        }
    }
    *end = page->slots[first];
    return false;
}

void tree_prove(struct buf *proof, struct overlay *overlay, const struct hash *key) {
    struct buf siblings = {0};
    struct slot slot;
    read_root(&slot, overlay);
    bool is_end = slot.kind != SLOT_PAGE;
    for (size_t depth = 0; !is_end && overlay_failed(overlay) == OK; depth++) {
        struct page page;
        read_page(&page, overlay, key, depth);
        is_end = descend_page(&page, key, depth, &siblings, &slot);
    }
    uint8_t head[2 + 1 + 64];
    struct writer w = writer_of(head, sizeof head);
    bool is_own = slot.kind == SLOT_LEAF && hash_equal(&slot.key, key);
    write_u16(&w, (uint16_t)(siblings.n / 32));
    write_u8(&w, slot.kind == SLOT_EMPTY ? PROOF_EMPTY : is_own ? PROOF_OWN : PROOF_OTHER);
    if (!is_own)
        write_slot(&w, &slot);
    buf_append(proof, writer_span(&w));
    buf_append(proof, buf_span(&siblings));
    buf_free(&siblings);
}

struct proof {
    size_t count;
    enum proof_end end;
    struct hash other_key; // PROOF_OTHER
    struct hash other_value;
    struct span siblings;
};

static enum err proof_decode(struct proof *proof, struct span bytes) {
    struct reader r = reader_of(bytes);
    proof->count = read_u16(&r);
    uint8_t end = read_u8(&r);
    if (proof->count > TREE_DEPTH_MAX || end > PROOF_OTHER)
        return ERR_MALFORMED;
    proof->end = (enum proof_end)end;
    if (proof->end == PROOF_OTHER) {
        read_bytes(&r, proof->other_key.bytes, sizeof proof->other_key.bytes);
        read_bytes(&r, proof->other_value.bytes, sizeof proof->other_value.bytes);
    }
    proof->siblings = read_span(&r, proof->count * 32);
    return reader_done(&r) ? OK : ERR_MALFORMED;
}

// The hash where the way ends. ERR_AUTH when this end does not show what is claimed.
static enum err proof_end_hash(struct hash *out, const struct proof *proof, const struct hash *key,
                               const struct hash *value) {
    if ((value != NULL) != (proof->end == PROOF_OWN))
        return ERR_AUTH;
    switch (proof->end) {
    case PROOF_EMPTY:
        *out = (struct hash){{0}};
        return OK;
    case PROOF_OWN:
        leaf_hash(out, key, value);
        return OK;
    case PROOF_OTHER: // at the place where the key's leaf would be
        leaf_hash(out, &proof->other_key, &proof->other_value);
        return hash_equal(&proof->other_key, key) ? ERR_AUTH : OK;
    }
    return ERR_AUTH;
}

enum err tree_verify(const struct hash *root, const struct hash *key, const struct hash *value, struct span bytes) {
    struct proof proof;
    enum err err = proof_decode(&proof, bytes);
    if (err != OK)
        return err;
    struct hash hash;
    err = proof_end_hash(&hash, &proof, key, value);
    for (size_t level = proof.count; level-- > 0;) {
        struct hash sibling;
        memcpy(sibling.bytes, proof.siblings.p + 32 * level, sizeof sibling.bytes);
        if (bit_at(key, level))
            node_hash(&hash, &sibling, &hash);
        else
            node_hash(&hash, &hash, &sibling);
    }
    if (err != OK)
        return err;
    return hash_equal(&hash, root) ? OK : ERR_AUTH;
}
