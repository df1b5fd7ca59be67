// The append-only log of a node, as protocol code sees it, at byte level: what a step asks of it, and what an engine
// does. What the bytes mean is their writer's affair (ledger/consensus/wal.h). A node has at most one; nodes without a
// role that needs it have none. The text log is base/logger.h.
//
// Engines: store/log_file.c; sim/ has one with faults.
#ifndef SOTTO_BASE_LOG_H
#define SOTTO_BASE_LOG_H

#include "base/bytes.h"

// The longest log. Its bytes are in memory once, at the start. A height of a hundred validators writes 30 KB a round;
// rounds get longer, and after some weeks without a decision it is better to stop than to fill the disk.
#define LOG_BYTES_MAX ((size_t)64 * 1024 * 1024)

// What one step does to the log. Copies what it is given. Zero-initialised it does nothing.
struct log_batch {
    struct buf bytes; // appended; after a reset all that the log then holds
    bool reset;
    bool synced; // what has been appended so far, in this and earlier steps, is to be durable before effects leave
};

void log_batch_append(struct log_batch *batch, struct span bytes);
void log_batch_sync(struct log_batch *batch);
// The log holds these bytes and nothing else; what the step appended before is forgotten. Atomic: after a crash the log
// holds either what it held before the step or these bytes. Always synced.
void log_batch_reset(struct log_batch *batch, struct span bytes);
bool log_batch_is_empty(const struct log_batch *batch);
void log_batch_clear(struct log_batch *batch); // empty again, memory kept
void log_batch_free(struct log_batch *batch);

struct log;

// What an engine provides. Errors end the process: ERR_FULL (the disk, or LOG_BYTES_MAX), ERR_IO.
//
// A process that ends, killed or by a power loss, leaves all that was synced. Of what a sync under way covers there may
// be any part, whose end may be torn; of what was written after the sync's mark there is nothing. So, where the store
// is synced between mark and sync, a step of which the log has a byte is whole in the store.
struct log_ops {
    enum err (*write)(struct log *log, const struct log_batch *batch); // loop thread
    uint64_t (*mark)(struct log *log);                                 // any thread
    enum err (*sync)(struct log *log, uint64_t mark);                  // one thread, while another writes
    void (*close)(struct log *log);
};

// An open log; engines embed it as their first member.
struct log {
    const struct log_ops *ops;
};

enum err log_write(struct log *log, const struct log_batch *batch);
// Names all that has been written so far. Marks rise.
uint64_t log_mark(struct log *log);
// Makes durable what was written before the mark was taken, and nothing later.
enum err log_sync(struct log *log, uint64_t mark);
void log_close(struct log *log);

#endif
