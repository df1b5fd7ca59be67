// What a deterministic node is given besides events: randomness, reads of its store, a log, counters.
#ifndef SOTTO_BASE_ENV_H
#define SOTTO_BASE_ENV_H

#include "base/kv.h"
#include "base/logger.h"
#include "base/metric.h"
#include "base/rng.h"

struct env {
    struct rng rng;
    struct kv *kv; // read only: kv_get, kv_has
    struct log_sink log;
    struct metrics *metrics;
};

#endif
