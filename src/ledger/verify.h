// Checking transactions in batches, as jobs. A batch means several in one job: each signature is checked by itself, by
// libsodium's rule, because a batch equation accepts signatures that a single check refuses, and validators must agree.
#ifndef SOTTO_LEDGER_VERIFY_H
#define SOTTO_LEDGER_VERIFY_H

#include "base/job.h"
#include "ledger/ids.h"
#include "ledger/tx.h"

#define VERIFY_BATCH_MAX 64 // about 3 ms of work

struct verify_job {
    struct job job;
    struct tx_rules rules;
    size_t count;
    struct buf bytes;                   // of all transactions, one behind the other
    size_t ends[VERIFY_BATCH_MAX];      // of each in `bytes`
    struct tx_id ids[VERIFY_BATCH_MAX]; // as the caller gave them
    uint64_t valid; // when it has run: bit i says that transaction i is well-formed, within the rules and
                    // rightly signed
};

// An empty job, which does not want a snapshot. Freed by job.free, before or after it has run.
struct verify_job *verify_job_new(const struct tx_rules *rules);
// Copies one more transaction of at most TX_BYTES_MAX bytes. The job is not full (VERIFY_BATCH_MAX).
void verify_job_add(struct verify_job *verify, const struct tx_id *id, struct span tx);
struct span verify_job_tx(const struct verify_job *verify, size_t i);
bool verify_job_valid(const struct verify_job *verify, size_t i); // once it has run
bool verify_job_is(const struct job *job);

#endif
