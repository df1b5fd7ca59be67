// A machine's disk: a store and a log in memory that remember what is durable. Writes to the store are visible at once;
// a sync makes durable what was written before it began; a power loss keeps any prefix of what was not yet durable, and
// of the log also parts of writes, with rubbish behind them.
//
// A reset of the log is as in store/log_file.c: it takes place during a sync, after the store's part of it, and until
// then it and what is appended after it are in the process's memory only.
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
// A process starts: what it finds in the log, durable from here on. Valid until the next call.
struct span disk_open_log(struct disk *disk);
// The process was killed: a sync under way comes to nothing, or has just replaced the log; what was written stays.
void disk_killed(struct disk *disk, struct rng *rng);
// Returns how many entries were lost.
size_t disk_power_lost(struct disk *disk, struct rng *rng);
// The disk is replaced by an empty one.
void disk_destroyed(struct disk *disk);

#endif
