// Batches of writes, and the dispatch of every operation to the engine.
#include "base/kv.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

// Up to here walking the writes is cheaper than an index.
#define WALK_MAX 8

// A write's key stands at `at` in the batch's bytes, its value right after it.
struct kv_batch_entry {
    size_t at;
    uint32_t key_bytes;
    uint32_t value_bytes;
    bool is_delete;
};

static void add(struct kv_batch *batch, struct kv_batch_entry entry, struct span key, struct span value) {
    ASSERT(key.n > 0 && key.n <= KV_KEY_BYTES_MAX);
    ASSERT(value.n <= KV_VALUE_BYTES_MAX);
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity > 0 ? 2 * batch->capacity : 8;
        struct kv_batch_entry *entries = realloc(batch->entries, capacity * sizeof *entries);
        ASSERT(entries != NULL);
        batch->entries = entries;
        batch->capacity = capacity;
    }
    entry.at = batch->bytes.n;
    entry.key_bytes = (uint32_t)key.n;
    entry.value_bytes = (uint32_t)value.n;
    buf_append(&batch->bytes, key);
    buf_append(&batch->bytes, value);
    batch->entries[batch->count++] = entry;
}

void kv_batch_put(struct kv_batch *batch, struct span key, struct span value, enum kv_durability durability) {
    add(batch, (struct kv_batch_entry){.is_delete = false}, key, value);
    batch->synced = batch->synced || durability == KV_SYNCED;
}

void kv_batch_delete(struct kv_batch *batch, struct span key, enum kv_durability durability) {
    add(batch, (struct kv_batch_entry){.is_delete = true}, key, (struct span){NULL, 0});
    batch->synced = batch->synced || durability == KV_SYNCED;
}

size_t kv_batch_count(const struct kv_batch *batch) {
    return batch->count;
}

struct kv_write kv_batch_at(const struct kv_batch *batch, size_t i) {
    ASSERT(i < batch->count);
    const struct kv_batch_entry *entry = &batch->entries[i];
    const uint8_t *p = batch->bytes.p + entry->at;
    return (struct kv_write){
        .key = {p, entry->key_bytes},
        .value = {p + entry->key_bytes, entry->value_bytes},
        .is_delete = entry->is_delete,
    };
}

// FNV-1a: spreads, no more. Batches are short-lived and bounded, so crafted collisions gain nobody anything.
static size_t key_hash(struct span key) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ key.p[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 32);
}

// The slot of a key: where its last write is noted, or the empty one where it would be.
static uint32_t *index_slot(const struct kv_batch *batch, struct span key) {
    size_t at = key_hash(key) & (batch->index_size - 1);
    while (batch->index[at] != 0 && !span_equal(kv_batch_at(batch, batch->index[at] - 1).key, key))
        at = (at + 1) & (batch->index_size - 1);
    return &batch->index[at];
}

// Brings the index up to date; at most half of its slots are in use.
static void index_writes(struct kv_batch *batch) {
    if (2 * batch->count > batch->index_size) {
        size_t size = batch->index_size > 0 ? batch->index_size : 32;
        while (size < 4 * batch->count)
            size *= 2;
        free(batch->index);
        batch->index = NEW_ARRAY(uint32_t, size);
        batch->index_size = size;
        batch->indexed = 0;
    }
    for (; batch->indexed < batch->count; batch->indexed++)
        *index_slot(batch, kv_batch_at(batch, batch->indexed).key) = (uint32_t)batch->indexed + 1;
}

bool kv_batch_find(struct kv_batch *batch, struct span key, struct kv_write *write) {
    size_t found = 0; // its number plus one
    if (batch->count > WALK_MAX) {
        index_writes(batch);
        found = *index_slot(batch, key);
    } else {
        found = batch->count;
        while (found > 0 && !span_equal(kv_batch_at(batch, found - 1).key, key))
            found--;
    }
    if (found > 0)
        *write = kv_batch_at(batch, found - 1);
    return found > 0;
}

void kv_batch_clear(struct kv_batch *batch) {
    buf_clear(&batch->bytes);
    if (batch->indexed > 0)
        memset(batch->index, 0, batch->index_size * sizeof *batch->index);
    batch->indexed = 0;
    batch->count = 0;
    batch->synced = false;
}

void kv_batch_free(struct kv_batch *batch) {
    buf_free(&batch->bytes);
    free(batch->entries);
    free(batch->index);
    *batch = (struct kv_batch){0};
}

enum err kv_get(struct kv *kv, struct span key, struct buf *value) {
    ASSERT(key.n > 0 && key.n <= KV_KEY_BYTES_MAX);
    buf_clear(value);
    enum err err = kv->ops->get(kv, key, value);
    ASSERT(err == OK || value->n == 0);
    if (err != OK && err != ERR_NOT_FOUND && kv->failed == OK)
        kv->failed = err;
    return err;
}

bool kv_has(struct kv *kv, struct span key) {
    struct buf value = {0};
    enum err err = kv_get(kv, key, &value);
    buf_free(&value);
    return err == OK;
}

enum err kv_write(struct kv *kv, const struct kv_batch *batch) {
    if (batch->count == 0)
        return OK;
    return kv->ops->write(kv, batch);
}

enum err kv_sync(struct kv *kv) {
    return kv->ops->sync(kv);
}

struct kv_snapshot *kv_snapshot(struct kv *kv) {
    return kv->ops->snapshot(kv);
}

void kv_snapshot_release(struct kv_snapshot *snapshot) {
    if (snapshot != NULL)
        snapshot->ops->snapshot_release(snapshot);
}

enum err kv_snapshot_get(const struct kv_snapshot *snapshot, struct span key, struct buf *value) {
    ASSERT(key.n > 0 && key.n <= KV_KEY_BYTES_MAX);
    buf_clear(value);
    return snapshot->ops->snapshot_get(snapshot, key, value);
}

struct kv_cursor *kv_scan(const struct kv_snapshot *snapshot, struct span from) {
    return snapshot->ops->cursor(snapshot, from);
}

bool kv_cursor_at(struct kv_cursor *cursor, struct span *key, struct span *value) {
    return cursor->ops->cursor_at(cursor, key, value);
}

void kv_cursor_next(struct kv_cursor *cursor) {
    cursor->ops->cursor_next(cursor);
}

void kv_cursor_free(struct kv_cursor *cursor) {
    if (cursor != NULL)
        cursor->ops->cursor_free(cursor);
}

void kv_close(struct kv *kv) {
    if (kv != NULL)
        kv->ops->close(kv);
}
