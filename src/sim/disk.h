// A machine's disk: a store in memory that remembers what is durable. Batches are visible at once; a sync makes durable
// what was written before it began; a power loss keeps any prefix of what was not yet durable.
#ifndef SOTTO_SIM_DISK_H
#define SOTTO_SIM_DISK_H

#include "base/kv.h"
#include "base/rng.h"

struct disk {
    struct kv *kv;
    struct kv_snapshot *durable; // NULL: nothing is
    struct kv_batch *tail;       // batches written since
    size_t tail_count;
    size_t tail_capacity;
    uint64_t written; // batches ever written
    uint64_t synced;  // of them durable
    // The sync under way: takes effect when it ends.
    struct kv_snapshot *syncing;
    uint64_t sync_target;
};

void disk_init(struct disk *disk);
void disk_free(struct disk *disk);
void disk_write(struct disk *disk, const struct kv_batch *batch);
bool disk_is_syncing(const struct disk *disk);
void disk_sync_begin(struct disk *disk);
void disk_sync_end(struct disk *disk);
// The process was killed: a sync under way comes to nothing, what was written stays.
void disk_killed(struct disk *disk);
// Returns how many batches were lost.
size_t disk_power_lost(struct disk *disk, struct rng *rng);
// The disk is replaced by an empty one.
void disk_destroyed(struct disk *disk);

#endif
