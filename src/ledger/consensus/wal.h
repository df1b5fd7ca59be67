// The log of consensus: records in the node's append-only log (base/log.h), and what is left of them after a crash.
//
//   record    length of the body 4 | type 1 | height 8 | body | CRC-32C of all before it 4
//
// Recovery reads records from the beginning until one does not fit. What follows is the torn end of a power loss, and
// is dropped, if it holds no whole record; if it does, something that was once durable is damaged, and going on without
// it could mean signing twice: the node must not start. A damaged last record cannot be told from a torn one.
#ifndef SOTTO_LEDGER_CONSENSUS_WAL_H
#define SOTTO_LEDGER_CONSENSUS_WAL_H

#include "base/step.h"

#define WAL_HEAD_BYTES (4 + 1 + 8)
#define WAL_CRC_BYTES 4
// The longest input of the core is the beginning of a height: two validator sets of 7 KB.
#define WAL_BODY_BYTES_MAX ((size_t)32 * 1024)

enum wal_type {
    WAL_INPUT = 1,  // an input of the consensus core, as the core encodes it
    WAL_SIGNER = 2, // what has been signed (signer.h)
};

struct wal_record {
    enum wal_type type;
    uint64_t height;
    struct span body; // points into the log's bytes
};

// Appends the record's bytes. The body has at most WAL_BODY_BYTES_MAX.
void wal_encode(struct buf *out, const struct wal_record *record);
// Appends it to the node's log in this step, not synced.
void wal_append(struct step *step, const struct wal_record *record);

struct wal_recovery {
    size_t valid_bytes; // of whole records, from the beginning
    size_t torn_bytes;  // dropped behind them
    size_t records;
};

// OK; or ERR_CORRUPT: the record at `valid_bytes` is damaged and whole ones follow, the first after `torn_bytes`.
// Time: linear in the log's length, but for the torn end, of which every byte may cost one body.
enum err wal_recover(struct wal_recovery *out, struct span log);
// Takes the next record off recovered bytes (the first `valid_bytes`). False: there is none.
bool wal_next(struct wal_record *record, struct span *rest);
// Before anything else is appended: what comes behind a torn end would be lost with it.
void wal_cut_torn_end(struct step *step, struct span log, const struct wal_recovery *recovery);

#endif
