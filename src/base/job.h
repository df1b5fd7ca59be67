// A job: a pure function of bytes it owns and, if it asks, of an immutable snapshot of the store. A step starts it,
// a worker runs it, and its result comes back as a later event, in any order, or never if the node ended.
#ifndef SOTTO_BASE_JOB_H
#define SOTTO_BASE_JOB_H

#include "base/kv.h"

// Which part of the node started the job and gets it back.
enum job_owner { JOB_OWNER_NODE, JOB_OWNER_RELAY, JOB_OWNER_MAILBOX, JOB_OWNER_CLIENT, JOB_OWNER_LEDGER };

// Parts embed this as the first member of their own job types.
struct job {
    enum job_owner owner;
    bool wants_snapshot; // taken when the step that started the job has been applied
    void (*run)(struct job *job, const struct kv_snapshot *snapshot); // on a worker; touches nothing else
    void (*free)(struct job *job);                                    // any thread; may be called before run
};

#endif
