// A machine's disk: a store and a log in memory that remember what is durable. Writes to the store are visible at once;
// a sync makes durable what was written before it began; a power loss keeps any prefix of what was not yet durable.
//
// The log is as in store/log_file.c: what is appended gets there in a sync, after the store's part of it. A process
// that dies within that leaves a part, a power loss also with rubbish behind it; a reset takes place or does not.
#ifndef SOTTO_SIM_DISK_H
#define SOTTO_SIM_DISK_H

#include "base/kv.h"
#include "base/log.h"
#include "base/rng.h"

// What one step wrote; either may be empty.
struct disk_entry {
    struct kv_batch batch;
    struct log_batch log;
};

struct disk {
    struct kv *kv;
    struct kv_snapshot *durable; // NULL: nothing is
    struct buf log;              // durable
    struct disk_entry *tail;     // written since
    size_t tail_count;
    size_t tail_capacity;
    uint64_t written; // entries ever written
    uint64_t synced;  // of them durable
    // The sync under way: takes effect when it ends.
    struct kv_snapshot *syncing;
    uint64_t sync_target;
};

void disk_init(struct disk *disk);
void disk_free(struct disk *disk);
void disk_write(struct disk *disk, const struct kv_batch *batch, const struct log_batch *log);
bool disk_is_syncing(const struct disk *disk);
void disk_sync_begin(struct disk *disk);
void disk_sync_end(struct disk *disk);
// The process was killed: a sync under way comes to nothing, or to a part. What the store was given stays.
void disk_killed(struct disk *disk, struct rng *rng);
// Returns how many entries were lost.
size_t disk_power_lost(struct disk *disk, struct rng *rng);
// The disk is replaced by an empty one.
void disk_destroyed(struct disk *disk);

#endif
