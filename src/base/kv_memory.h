// The key-value engine that keeps everything in memory: the store of test networks, and what the simulator builds its
// breaking disks on.
//
// Snapshots cost a reference count, whatever the size, and any thread may read or release one while the loop thread
// goes on writing. An empty store is a few words. Sync does nothing: there is no disk to reach.
#ifndef SOTTO_BASE_KV_MEMORY_H
#define SOTTO_BASE_KV_MEMORY_H

#include "base/kv.h"

// An empty store. kv_close frees it; snapshots taken from it stay readable until they are released.
struct kv *kv_memory_new(void);

// A new store that begins with what a snapshot (of a memory store) holds, sharing it until either is written to: so a
// disk that lost power is its last synced snapshot plus a prefix of the batches written since.
struct kv *kv_memory_from(const struct kv_snapshot *snapshot);

#endif
