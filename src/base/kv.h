// The ordered key-value store that a node keeps its durable state in, as protocol code sees it.
//
// A step reads single keys (kv_get) and collects its writes in one batch, which the host applies atomically after
// the step and makes visible to the next. Scans happen only in jobs, over an immutable snapshot.
// Engines (memory, RocksDB, SQLCipher) live in store/ and implement struct kv_ops; sim/ has one with faults.
#ifndef SOTTO_BASE_KV_H
#define SOTTO_BASE_KV_H

#include "base/bytes.h"

// Bounds that every engine accepts.
#define KV_KEY_BYTES_MAX 256
#define KV_VALUE_BYTES_MAX (1024 * 1024)

struct kv_write {
    struct span key;
    struct span value;
    bool is_delete;
};

// An atomic batch of writes. Copies what it is given. Zero-initialised is empty and valid.
struct kv_batch {
    struct buf bytes; // keys and values, in order
    struct kv_batch_entry *entries;
    size_t count;
    size_t capacity;
    uint32_t *index;   // by hash of the key: number of its last write, plus one; made when a large batch is read
    size_t index_size; // slots, a power of two
    size_t indexed;    // writes that are in the index
    bool synced;       // at least one write must be durable before the step's effects leave
};

// `synced`: the effects of this step leave only when this write is on disk. Lazy writes survive a killed process,
// but a power loss drops any suffix of them.
enum kv_durability { KV_LAZY, KV_SYNCED };

// Keys have 1 to KV_KEY_BYTES_MAX bytes; writes to one key apply in order, the last one counts.
void kv_batch_put(struct kv_batch *batch, struct span key, struct span value, enum kv_durability durability);
void kv_batch_delete(struct kv_batch *batch, struct span key, enum kv_durability durability);
size_t kv_batch_count(const struct kv_batch *batch);
// The i-th write; the spans point into the batch and hold until it changes.
struct kv_write kv_batch_at(const struct kv_batch *batch, size_t i);
// The last write to `key`; false when there is none. O(1) however many writes there are.
bool kv_batch_find(struct kv_batch *batch, struct span key, struct kv_write *write);
void kv_batch_clear(struct kv_batch *batch); // empty again, memory kept
void kv_batch_free(struct kv_batch *batch);

struct kv;
struct kv_snapshot;
struct kv_cursor;

// What an engine provides. Errors: ERR_IO, ERR_CORRUPT (both end the process), ERR_NOT_FOUND from get.
// `value` comes empty and stays so unless the get succeeds. Batches are not empty. A cursor that cannot read ends.
struct kv_ops {
    enum err (*get)(struct kv *kv, struct span key, struct buf *value);
    enum err (*write)(struct kv *kv, const struct kv_batch *batch); // visible at once, durable after sync
    enum err (*sync)(struct kv *kv);                        // everything written before the call is durable; any thread
    struct kv_snapshot *(*snapshot)(struct kv *kv);         // loop thread
    void (*snapshot_release)(struct kv_snapshot *snapshot); // any thread
    enum err (*snapshot_get)(const struct kv_snapshot *snapshot, struct span key, struct buf *value);
    struct kv_cursor *(*cursor)(const struct kv_snapshot *snapshot, struct span from); // first key >= from
    bool (*cursor_at)(struct kv_cursor *cursor, struct span *key, struct span *value); // false: past the end
    void (*cursor_next)(struct kv_cursor *cursor);
    void (*cursor_free)(struct kv_cursor *cursor);
    void (*close)(struct kv *kv);
};

// An open store; engines embed it as their first member.
struct kv {
    const struct kv_ops *ops;
    enum err failed; // the first read that failed (not ERR_NOT_FOUND); the host looks after every step: nothing that
                     // was decided on such a read may leave
};

// An immutable view of the store; engines embed it as their first member. Jobs on any thread may read it.
struct kv_snapshot {
    const struct kv_ops *ops;
};

struct kv_cursor {
    const struct kv_ops *ops;
};

// Replaces the contents of `value`. ERR_NOT_FOUND leaves it empty.
enum err kv_get(struct kv *kv, struct span key, struct buf *value);
bool kv_has(struct kv *kv, struct span key); // false, and kv->failed set, when the read fails
enum err kv_write(struct kv *kv, const struct kv_batch *batch);
enum err kv_sync(struct kv *kv);
struct kv_snapshot *kv_snapshot(struct kv *kv);
void kv_snapshot_release(struct kv_snapshot *snapshot);
enum err kv_snapshot_get(const struct kv_snapshot *snapshot, struct span key, struct buf *value);
struct kv_cursor *kv_scan(const struct kv_snapshot *snapshot, struct span from);
bool kv_cursor_at(struct kv_cursor *cursor, struct span *key, struct span *value);
void kv_cursor_next(struct kv_cursor *cursor);
void kv_cursor_free(struct kv_cursor *cursor);
void kv_close(struct kv *kv);

// The first byte of every key says whose it is.
enum kv_space {
    KV_SPACE_NODE = 1,
    KV_SPACE_DIRECTORY = 2,
    KV_SPACE_RELAY = 3,
    KV_SPACE_MAILBOX = 4,
    KV_SPACE_CLIENT = 5,
    KV_SPACE_LEDGER = 6,
};

#endif
