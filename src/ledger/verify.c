// The job owns copies of the transactions, in one buffer, and leaves one bit for each.
#include "ledger/verify.h"

#include <stdlib.h>

#include "base/assert.h"

static bool tx_valid(struct span bytes, const struct tx_rules *rules) {
    struct tx tx;
    return tx_decode(&tx, bytes) == OK && tx_check(&tx, rules) == OK && tx_verify(&tx) == OK;
}

static void verify_run(struct job *job, const struct kv_snapshot *snapshot) {
    (void)snapshot;
    struct verify_job *verify = (struct verify_job *)job;
    for (size_t i = 0; i < verify->count; i++) {
        if (tx_valid(verify_job_tx(verify, i), &verify->rules))
            verify->valid |= UINT64_C(1) << i;
    }
}

static void verify_free(struct job *job) {
    struct verify_job *verify = (struct verify_job *)job;
    buf_free(&verify->bytes);
    free(verify);
}

struct verify_job *verify_job_new(const struct tx_rules *rules) {
    struct verify_job *verify = NEW(struct verify_job);
    verify->job = (struct job){JOB_OWNER_LEDGER, false, verify_run, verify_free};
    verify->rules = *rules;
    return verify;
}

void verify_job_add(struct verify_job *verify, const struct tx_id *id, struct span tx) {
    ASSERT(verify->count < VERIFY_BATCH_MAX && tx.n <= TX_BYTES_MAX);
    buf_append(&verify->bytes, tx);
    verify->ends[verify->count] = verify->bytes.n;
    verify->ids[verify->count++] = *id;
}

struct span verify_job_tx(const struct verify_job *verify, size_t i) {
    ASSERT(i < verify->count);
    size_t start = i > 0 ? verify->ends[i - 1] : 0;
    return span_of(verify->bytes.p + start, verify->ends[i] - start);
}

bool verify_job_valid(const struct verify_job *verify, size_t i) {
    ASSERT(i < verify->count);
    return (verify->valid >> i & 1) != 0;
}

bool verify_job_is(const struct job *job) {
    return job->run == verify_run;
}
