// Opening of the durable engines behind struct kv (base/kv.h) and struct log (base/log.h); the memory engine is
// base/kv_memory.h. And the free space of the disk they stand on.
//
// All open functions: on success *kv is the open store, closed with kv_close after all its snapshots are released.
// On failure *kv is unchanged and `why` ends with a sentence for the person who started the program: what failed,
// where, and what to do about it. ERR_LOCKED: another process (or this one) has the store open. ERR_CORRUPT: its files
// are damaged. ERR_IO: anything else the system refused.
#ifndef SOTTO_STORE_STORE_H
#define SOTTO_STORE_STORE_H

#include "base/kv.h"
#include "base/log.h"

// Zero fields take the defaults, which suit a relay whose process stays below 20 MB while idle.
struct store_options {
    uint64_t cache_bytes;        // blocks of data files kept in memory, their indexes included; default 4 MiB
    uint64_t write_buffer_bytes; // newest records before they go to a data file, up to twice; default 8 MiB
    uint32_t open_files;         // data files kept open; default 256
};

// RocksDB in the folder `path`, made (mode 0700) if it is not there; its parent must exist. Writes survive a killed
// process at once and a power loss after kv_sync, which a commit thread may call while the loop thread writes. A read
// that fails, on any thread, fails every later write and sync. Point-in-time recovery: after a power loss the store
// holds all that was synced and a prefix of what was written since.
enum err store_open_rocksdb(struct kv **kv, const char *path, const struct store_options *options, struct buf *why);

// An encrypted SQLite database in the file `path`, made (mode 0600) if it is not there; `path`-wal, `path`-shm and
// `path`-lock stand beside it. Every write is durable when kv_write returns. ERR_AUTH: the key does not open it;
// ERR_UNSUPPORTED: it was made by a later version of the program.
enum err store_open_sqlcipher(struct kv **kv, const char *path, const uint8_t key[static 32], struct buf *why);

// The log in the file `path` (with a folder), made (mode 0600) if it is not there; its folder must exist and is locked
// while the log is open. `bytes` (freed by the caller) gets all that the file holds, durable from here on; a file that
// was just made holds nothing. `path`.new stands beside it while it is replaced; one that was left over is removed: it
// was never the log. ERR_CORRUPT: longer than any log is.
enum err store_open_log(struct log **log, struct buf *bytes, const char *path, struct buf *why);

// The bytes an unprivileged process may still write to the disk that holds `path`.
enum err store_free_bytes(uint64_t *free_bytes, const char *path);

#endif
