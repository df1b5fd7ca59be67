// A disk that forgets.
#include "sim/disk.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/kv_memory.h"

void disk_init(struct disk *disk) {
    *disk = (struct disk){.kv = kv_memory_new()};
}

static void drop_tail(struct disk *disk, size_t count) {
    ASSERT(count <= disk->tail_count);
    for (size_t i = 0; i < count; i++)
        kv_batch_free(&disk->tail[i]);
    for (size_t i = count; i < disk->tail_count; i++)
        disk->tail[i - count] = disk->tail[i];
    disk->tail_count -= count;
}

void disk_free(struct disk *disk) {
    drop_tail(disk, disk->tail_count);
    free(disk->tail);
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

void disk_write(struct disk *disk, const struct kv_batch *batch) {
    if (disk->tail_count == disk->tail_capacity) {
        size_t capacity = disk->tail_capacity > 0 ? 2 * disk->tail_capacity : 16;
        struct kv_batch *tail = realloc(disk->tail, capacity * sizeof *tail);
        ASSERT(tail != NULL);
        disk->tail = tail;
        disk->tail_capacity = capacity;
    }
    copy_batch(&disk->tail[disk->tail_count++], batch);
    enum err err = kv_write(disk->kv, batch);
    ASSERT(err == OK);
    disk->written++;
}

bool disk_is_syncing(const struct disk *disk) {
    return disk->syncing != NULL;
}

void disk_sync_begin(struct disk *disk) {
    ASSERT(disk->syncing == NULL);
    disk->syncing = kv_snapshot(disk->kv);
    disk->sync_target = disk->written;
}

void disk_sync_end(struct disk *disk) {
    ASSERT(disk->syncing != NULL);
    kv_snapshot_release(disk->durable);
    disk->durable = disk->syncing;
    disk->syncing = NULL;
    drop_tail(disk, (size_t)(disk->sync_target - disk->synced));
    disk->synced = disk->sync_target;
}

void disk_killed(struct disk *disk) {
    kv_snapshot_release(disk->syncing);
    disk->syncing = NULL;
}

size_t disk_power_lost(struct disk *disk, struct rng *rng) {
    disk_killed(disk);
    size_t kept = (size_t)rng_below(rng, disk->tail_count + 1);
    size_t lost = disk->tail_count - kept;
    kv_close(disk->kv);
    disk->kv = disk->durable == NULL ? kv_memory_new() : kv_memory_from(disk->durable);
    for (size_t i = 0; i < kept; i++) {
        enum err err = kv_write(disk->kv, &disk->tail[i]);
        ASSERT(err == OK);
    }
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
