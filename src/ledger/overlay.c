// A hash table over an array of records in the order of their first touch. The hash is BLAKE2b because the keys are
// chosen by strangers: a cheaper one would let them make every look-up a walk.
#include "ledger/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/hash.h"

struct record {
    uint64_t hash;
    struct span key; // behind this, and so is `before`
    struct span before;
    bool was_there;
    bool is_there;
    bool is_written; // `after` counts; until then the record is as it was
    struct buf after;
};

struct overlay {
    enum err (*get)(void *below, struct span key, struct buf *value);
    void *below;
    enum err failed;
    struct record **records;
    struct record *last; // touched: what is read is often written next
    struct buf found;    // below
    size_t count;
    size_t capacity;
    uint32_t *slots; // number of the record plus one; at most half of them in use
    size_t slot_count;
};

#define SLOTS_FIRST 64

static enum err get_from_step(void *below, struct span key, struct buf *value) {
    return step_get(below, key, value);
}

static enum err get_from_kv(void *below, struct span key, struct buf *value) {
    return kv_get(below, key, value);
}

static enum err get_from_pages(void *below, struct span key, struct buf *value) {
    return pages_get(below, key, value);
}

static enum err get_from_overlay(void *below, struct span key, struct buf *value) {
    struct span found;
    if (!overlay_get(below, key, &found))
        return overlay_failed(below) != OK ? overlay_failed(below) : ERR_NOT_FOUND;
    buf_append(value, found);
    return OK;
}

static struct overlay *overlay_new(enum err (*get)(void *, struct span, struct buf *), void *below) {
    struct overlay *overlay = NEW(struct overlay);
    overlay->get = get;
    overlay->below = below;
    overlay->slot_count = SLOTS_FIRST;
    overlay->slots = NEW_ARRAY(uint32_t, overlay->slot_count);
    return overlay;
}

struct overlay *overlay_over_step(struct step *step) {
    return overlay_new(get_from_step, step);
}

struct overlay *overlay_over_kv(struct kv *kv) {
    return overlay_new(get_from_kv, kv);
}

struct overlay *overlay_over_pages(struct pages *pages) {
    return overlay_new(get_from_pages, pages);
}

struct overlay *overlay_over(struct overlay *below) {
    return overlay_new(get_from_overlay, below);
}

void overlay_free(struct overlay *overlay) {
    if (overlay == NULL)
        return;
    for (size_t i = 0; i < overlay->count; i++) {
        buf_free(&overlay->records[i]->after);
        free(overlay->records[i]);
    }
    buf_free(&overlay->found);
    free(overlay->records);
    free(overlay->slots);
    free(overlay);
}

void overlay_fail(struct overlay *overlay, enum err err) {
    if (overlay->failed == OK)
        overlay->failed = err;
}

enum err overlay_failed(const struct overlay *overlay) {
    return overlay->failed;
}

static uint64_t key_hash(struct span key) {
    struct hash hash;
    hash_bytes(&hash, "sotto overlay", key);
    return load_u64(hash.bytes);
}

// Where the key's number is, or the free slot where it would be.
static uint32_t *slot_of(const struct overlay *overlay, uint64_t hash, struct span key) {
    size_t at = (size_t)hash & (overlay->slot_count - 1);
    while (overlay->slots[at] != 0) {
        const struct record *record = overlay->records[overlay->slots[at] - 1];
        if (record->hash == hash && span_equal(record->key, key))
            break;
        at = (at + 1) & (overlay->slot_count - 1);
    }
    return &overlay->slots[at];
}

static void grow(struct overlay *overlay) {
    if (overlay->count == overlay->capacity) {
        overlay->capacity = overlay->capacity > 0 ? 2 * overlay->capacity : SLOTS_FIRST / 2;
        overlay->records = realloc(overlay->records, overlay->capacity * sizeof(struct record *));
        ASSERT(overlay->records != NULL);
    }
    if (2 * (overlay->count + 1) <= overlay->slot_count)
        return;
    overlay->slot_count *= 2;
    free(overlay->slots);
    overlay->slots = NEW_ARRAY(uint32_t, overlay->slot_count);
    for (size_t i = 0; i < overlay->count; i++)
        *slot_of(overlay, overlay->records[i]->hash, overlay->records[i]->key) = (uint32_t)i + 1;
}

static struct record *record_new(uint64_t hash, struct span key, struct span before) {
    struct record *record = mem_new(1, sizeof *record + key.n + before.n);
    uint8_t *bytes = (uint8_t *)(record + 1);
    memcpy(bytes, key.p, key.n);
    if (before.n > 0)
        memcpy(bytes + key.n, before.p, before.n);
    record->hash = hash;
    record->key = span_of(bytes, key.n);
    record->before = span_of(bytes + key.n, before.n);
    return record;
}

static struct record *record_read(struct overlay *overlay, uint64_t hash, struct span key) {
    buf_clear(&overlay->found);
    enum err err = overlay->get(overlay->below, key, &overlay->found);
    if (err != OK && err != ERR_NOT_FOUND)
        overlay_fail(overlay, err);
    struct record *record = record_new(hash, key, buf_span(&overlay->found));
    record->was_there = record->is_there = err == OK;
    return record;
}

// The record of a key, read from below when it is touched for the first time.
static struct record *touch(struct overlay *overlay, struct span key) {
    ASSERT(key.n > 0 && key.n <= OVERLAY_KEY_BYTES_MAX);
    if (overlay->last != NULL && span_equal(overlay->last->key, key))
        return overlay->last;
    uint64_t hash = key_hash(key);
    uint32_t *slot = slot_of(overlay, hash, key);
    if (*slot == 0) {
        grow(overlay);
        overlay->records[overlay->count] = record_read(overlay, hash, key);
        slot = slot_of(overlay, hash, key);
        *slot = (uint32_t)++overlay->count;
    }
    overlay->last = overlay->records[*slot - 1];
    return overlay->last;
}

static struct span record_value(const struct record *record) {
    return record->is_written ? buf_span(&record->after) : record->before;
}

bool overlay_get(struct overlay *overlay, struct span key, struct span *value) {
    const struct record *record = touch(overlay, key);
    if (record->is_there)
        *value = record_value(record);
    return record->is_there;
}

void overlay_put(struct overlay *overlay, struct span key, struct span value) {
    struct record *record = touch(overlay, key);
    buf_clear(&record->after);
    buf_append(&record->after, value);
    record->is_written = record->is_there = true;
}

void overlay_delete(struct overlay *overlay, struct span key) {
    struct record *record = touch(overlay, key);
    buf_clear(&record->after);
    record->is_written = true;
    record->is_there = false;
}

size_t overlay_touched(const struct overlay *overlay) {
    return overlay->count;
}

bool overlay_change(const struct overlay *overlay, size_t i, struct overlay_change *change) {
    ASSERT(i < overlay->count);
    const struct record *record = overlay->records[i];
    struct span after = record_value(record);
    bool is_same = record->was_there == record->is_there && (!record->is_there || span_equal(record->before, after));
    if (!is_same)
        *change = (struct overlay_change){record->key, record->was_there, record->before, record->is_there, after};
    return !is_same;
}

static void add_write(struct kv_batch *batch, struct span key, bool is_there, struct span value,
                      enum kv_durability durability) {
    if (is_there)
        kv_batch_put(batch, key, value, durability);
    else
        kv_batch_delete(batch, key, durability);
}

void overlay_writes(const struct overlay *overlay, struct kv_batch *batch, enum kv_durability durability) {
    struct overlay_change change;
    for (size_t i = 0; i < overlay->count; i++) {
        if (overlay_change(overlay, i, &change))
            add_write(batch, change.key, change.is_there, change.after, durability);
    }
}

void overlay_inverse(const struct overlay *overlay, struct kv_batch *batch, enum kv_durability durability) {
    struct overlay_change change;
    for (size_t i = 0; i < overlay->count; i++) {
        if (overlay_change(overlay, i, &change))
            add_write(batch, change.key, change.was_there, change.before, durability);
    }
}
