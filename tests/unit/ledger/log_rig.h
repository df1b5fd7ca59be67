// A step with a log under it that loses what was not synced.
#ifndef SOTTO_TESTS_LEDGER_LOG_RIG_H
#define SOTTO_TESTS_LEDGER_LOG_RIG_H

#include "base/step.h"

struct log_rig {
    struct log_batch batch;
    struct buf log;
    size_t durable; // bytes of it
};

static inline struct step log_rig_step(struct log_rig *rig) {
    return (struct step){.log = &rig->batch};
}

// The step is over: its bytes are in the log, and durable if it asked for that. Returns whether it did.
static inline bool log_rig_apply(struct log_rig *rig) {
    bool synced = rig->batch.synced;
    if (rig->batch.reset)
        buf_clear(&rig->log);
    buf_append(&rig->log, buf_span(&rig->batch.bytes));
    rig->durable = synced ? rig->log.n : rig->durable;
    log_batch_clear(&rig->batch);
    return synced;
}

static inline void log_rig_free(struct log_rig *rig) {
    log_batch_free(&rig->batch);
    buf_free(&rig->log);
}

#endif
