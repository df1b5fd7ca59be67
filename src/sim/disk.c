// A disk that forgets.
#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/kv_memory.h"

#define SECTOR_BYTES 512

void disk_init(struct disk *disk) {
    *disk = (struct disk){.kv = kv_memory_new()};
}

static void drop_tail(struct disk *disk, size_t count) {
    ASSERT(count <= disk->tail_count);
    for (size_t i = 0; i < count; i++) {
        kv_batch_free(&disk->tail[i].batch);
        log_batch_free(&disk->tail[i].log);
    }
    for (size_t i = count; i < disk->tail_count; i++)
        disk->tail[i - count] = disk->tail[i];
    disk->tail_count -= count;
}

void disk_free(struct disk *disk) {
    drop_tail(disk, disk->tail_count);
    free(disk->tail);
    buf_free(&disk->log);
    kv_snapshot_release(disk->syncing);
    kv_snapshot_release(disk->durable);
    kv_close(disk->kv);
    *disk = (struct disk){0};
}

static void copy_batch(struct kv_batch *to, const struct kv_batch *from) {
    *to = (struct kv_batch){0};
    for (size_t i = 0; i < kv_batch_count(from); i++) {
        struct kv_write write = kv_batch_at(from, i);
        if (write.is_delete)
            kv_batch_delete(to, write.key, KV_LAZY);
        else
            kv_batch_put(to, write.key, write.value, KV_LAZY);
    }
}

static void write_to_kv(struct disk *disk, const struct kv_batch *batch) {
    enum err err = kv_batch_count(batch) > 0 ? kv_write(disk->kv, batch) : OK;
    ASSERT(err == OK);
}

void disk_write(struct disk *disk, const struct kv_batch *batch, const struct log_batch *log) {
    if (disk->tail_count == disk->tail_capacity) {
        size_t capacity = disk->tail_capacity > 0 ? 2 * disk->tail_capacity : 16;
        struct disk_entry *tail = realloc(disk->tail, capacity * sizeof *tail);
        ASSERT(tail != NULL);
        disk->tail = tail;
        disk->tail_capacity = capacity;
    }
    struct disk_entry *entry = &disk->tail[disk->tail_count++];
    copy_batch(&entry->batch, batch);
    entry->log = (struct log_batch){.reset = log->reset};
    buf_append(&entry->log.bytes, buf_span(&log->bytes));
    write_to_kv(disk, batch);
    disk->written++;
}

// The log's part of one entry is durable.
static void keep_log(struct disk *disk, struct log_batch *log) {
    if (log->reset)
        buf_clear(&disk->log);
    buf_append(&disk->log, buf_span(&log->bytes));
    ASSERT(disk->log.n <= LOG_BYTES_MAX);
    log_batch_clear(log);
}

bool disk_is_syncing(const struct disk *disk) {
    return disk->syncing != NULL;
}

void disk_sync_begin(struct disk *disk) {
    ASSERT(disk->syncing == NULL);
    disk->syncing = kv_snapshot(disk->kv);
    disk->sync_target = disk->written;
}

static size_t entries_syncing(const struct disk *disk) {
    return disk->syncing != NULL ? (size_t)(disk->sync_target - disk->synced) : 0;
}

static void drop_sync(struct disk *disk) {
    kv_snapshot_release(disk->syncing);
    disk->syncing = NULL;
}

// The store's part of a sync is over.
static void keep_store(struct disk *disk) {
    size_t count = entries_syncing(disk);
    kv_snapshot_release(disk->durable);
    disk->durable = disk->syncing;
    disk->syncing = NULL;
    drop_tail(disk, count);
    disk->synced = disk->sync_target;
}

void disk_sync_end(struct disk *disk) {
    ASSERT(disk->syncing != NULL);
    for (size_t i = 0; i < entries_syncing(disk); i++)
        keep_log(disk, &disk->tail[i].log);
    keep_store(disk);
}

// Of a sync under way the store's part may be over. Returns how many entries are in it then.
static size_t store_synced(const struct disk *disk, struct rng *rng) {
    size_t count = entries_syncing(disk);
    return count > 0 && rng_below(rng, 2) == 0 ? count : 0;
}

// Part of a write reached the log: a prefix, after a power loss perhaps with sectors behind it that hold zeros or
// rubbish.
static void tear(struct disk *disk, struct span bytes, struct rng *rng, bool power) {
    buf_append(&disk->log, span_of(bytes.p, (size_t)rng_below(rng, bytes.n + 1)));
    uint64_t rubbish = power ? rng_below(rng, 3) : 0;
    if (rubbish == 0)
        return;
    size_t n = (size_t)rng_below(rng, SECTOR_BYTES);
    uint8_t *p = buf_extend(&disk->log, n);
    if (rubbish == 1)
        memset(p, 0, n);
    else
        rng_bytes(rng, p, n);
}

// The log's part of a sync of the first `count` entries broke off; the rest of the log's was in the process's memory.
static void break_off_log(struct disk *disk, size_t count, struct rng *rng, bool power) {
    struct buf bytes = {0};
    bool reset = false;
    for (size_t i = 0; i < disk->tail_count; i++) {
        struct log_batch *log = &disk->tail[i].log;
        if (i < count && log->reset)
            buf_clear(&bytes);
        reset = reset || (i < count && log->reset);
        if (i < count)
            buf_append(&bytes, buf_span(&log->bytes));
        log_batch_clear(log);
    }
    if (!reset && bytes.n > 0) {
        tear(disk, buf_span(&bytes), rng, power);
    } else if (reset && rng_below(rng, 2) == 0) {
        buf_clear(&disk->log);
        buf_append(&disk->log, buf_span(&bytes));
    }
    buf_free(&bytes);
}

void disk_killed(struct disk *disk, struct rng *rng) {
    size_t surely = store_synced(disk, rng);
    break_off_log(disk, surely, rng, false);
    if (surely > 0)
        keep_store(disk);
    else
        drop_sync(disk);
}

size_t disk_power_lost(struct disk *disk, struct rng *rng) {
    size_t surely = store_synced(disk, rng);
    drop_sync(disk);
    size_t kept = surely + (size_t)rng_below(rng, disk->tail_count - surely + 1);
    size_t lost = disk->tail_count - kept;
    break_off_log(disk, surely, rng, true);
    kv_close(disk->kv);
    disk->kv = disk->durable == NULL ? kv_memory_new() : kv_memory_from(disk->durable);
    for (size_t i = 0; i < kept; i++)
        write_to_kv(disk, &disk->tail[i].batch);
    // What is found after the restart is on the disk.
    kv_snapshot_release(disk->durable);
    disk->durable = kv_snapshot(disk->kv);
    drop_tail(disk, disk->tail_count);
    disk->written -= lost;
    disk->synced = disk->written;
    return lost;
}

void disk_destroyed(struct disk *disk) {
    disk_free(disk);
    disk_init(disk);
}
