// The relay's batches and openings, each at its time.
#include "node/claiming.h"

#include <stdlib.h>

#include "base/assert.h"

// Often enough to open the sample within the epoch that there is for it.
#define LOOKS_PER_EPOCH 60
// What a validator says is not proved: where nothing is left to do by its word, another is asked, after some time.
#define QUIET_LOOKS 10
#define LOOK_MS_MIN 200
// The epoch before, and the one before that.
#define EPOCHS_UNDER_WAY 2

struct under_way {
    uint32_t epoch;          // 0: none
    bool busy;               // a job is being done for it
    bool told;               // that the ledger has another batch
    uint64_t quiet_until_ms; // mono: nothing was left to do when it was last asked
};

struct claiming {
    struct claiming_config config;
    struct claiming_ports ports;
    uint64_t look_ms; // mono
    struct under_way epochs[EPOCHS_UNDER_WAY];
};

struct claiming *claiming_new(const struct claiming_config *config, const struct claiming_ports *ports) {
    ASSERT(config->deliveries_max >= 1 && config->deliveries_max <= MAILBOX_DELIVERIES_MAX);
    struct claiming *claiming = NEW(struct claiming);
    claiming->config = *config;
    claiming->ports = *ports;
    return claiming;
}

void claiming_free(struct claiming *claiming) {
    free(claiming);
}

// ---- the job: from the leaves to the transactions ----

struct claim_job {
    struct job job;
    uint32_t epoch;
    uint32_t deliveries_max;
    bool is_opening;
    struct delivery_record record; // of an opening
    bool differs;                  // the ledger has another batch than the leaves make
    size_t count;
    struct tx txs[SAMPLE_MAX];
    struct claims_paths paths[SAMPLE_MAX];
};

static void make_openings(struct claim_job *job, const struct kv_snapshot *snapshot, const struct claims *claims,
                          const struct hash *leaves) {
    uint32_t wanted[SAMPLE_MAX];
    size_t count = claims_unopened(wanted, &job->record);
    job->differs = !claims_match(claims, &job->record);
    for (size_t i = 0; i < count && !job->differs; i++) {
        struct delivery delivery;
        if (mailbox_delivery(&delivery, snapshot, job->epoch, &leaves[wanted[i]]) == OK) {
            claims_opening(&job->txs[job->count], &job->paths[job->count], claims, wanted[i], &delivery);
            job->count++;
        }
    }
}

static void claim_run(struct job *base, const struct kv_snapshot *snapshot) {
    struct claim_job *job = (struct claim_job *)base;
    struct hash *leaves;
    uint32_t count = mailbox_deliveries_leaves(&leaves, snapshot, job->epoch, job->deliveries_max);
    struct claims *claims = count > 0 ? claims_new(job->epoch, leaves, count) : NULL;
    if (claims == NULL) {
        job->differs = job->is_opening;
    } else if (job->is_opening) {
        make_openings(job, snapshot, claims, leaves);
    } else {
        claims_batch(&job->txs[job->count++], claims);
    }
    claims_free(claims);
    free(leaves);
}

static void claim_free(struct job *job) {
    free(job);
}

static void start(struct claiming *claiming, struct step *step, struct under_way *epoch,
                  const struct delivery_record *record) {
    struct claim_job *job = NEW(struct claim_job);
    job->job = (struct job){JOB_OWNER_NODE, true, claim_run, claim_free};
    job->epoch = epoch->epoch;
    job->deliveries_max = claiming->config.deliveries_max;
    job->is_opening = record != NULL;
    if (record != NULL) {
        job->record = *record;
    }
    epoch->busy = true;
    step_start(step, &job->job);
}

static struct under_way *find(struct claiming *claiming, uint32_t epoch) {
    struct under_way *found = &claiming->epochs[epoch % EPOCHS_UNDER_WAY];
    return epoch != 0 && found->epoch == epoch ? found : NULL;
}

void claiming_job_done(struct claiming *claiming, struct step *step, struct job *base) {
    struct claim_job *job = (struct claim_job *)base;
    struct under_way *epoch = find(claiming, job->epoch);
    if (epoch != NULL) {
        epoch->busy = false;
        for (size_t i = 0; i < job->count; i++) {
            claiming->ports.submit(claiming->ports.ctx, step, &job->txs[i]);
        }
    }
    if (epoch != NULL && job->differs && !epoch->told) {
        epoch->told = true;
        log_number(&step->env->log, LOG_ERROR, "claiming",
                   "the deliveries kept are not those that were claimed: they cannot be proven", "epoch",
                   (int64_t)job->epoch);
    }
    base->free(base);
}

// ---- what is due ----

static uint32_t epoch_now(const struct claiming *claiming, const struct step *step) {
    return epoch_at(claiming->config.genesis, step->now.wall_ms);
}

// The later a batch, the more of the epoch's items have been read; in the middle there is still time enough for a
// block.
static bool batch_is_due(const struct claiming *claiming, const struct step *step, uint32_t now) {
    const struct genesis *genesis = claiming->config.genesis;
    return step->now.wall_ms >= epoch_start_ms(genesis, now) + genesis->epoch_ms / 2;
}

static uint64_t look_interval_ms(const struct claiming *claiming) {
    uint64_t interval_ms = claiming->config.genesis->epoch_ms / LOOKS_PER_EPOCH;
    return interval_ms > LOOK_MS_MIN ? interval_ms : LOOK_MS_MIN;
}

static void look_at(struct claiming *claiming, struct step *step, uint32_t epoch) {
    struct under_way *slot = &claiming->epochs[epoch % EPOCHS_UNDER_WAY];
    if (slot->epoch != epoch) {
        *slot = (struct under_way){.epoch = epoch};
    }
    if (!slot->busy && step->now.mono_ms >= slot->quiet_until_ms) {
        claiming->ports.ask(claiming->ports.ctx, step, epoch);
    }
}

void claiming_tick(struct claiming *claiming, struct step *step) {
    if (step->now.mono_ms < claiming->look_ms) {
        return;
    }
    claiming->look_ms = step->now.mono_ms + look_interval_ms(claiming);
    uint32_t now = epoch_now(claiming, step);
    if (!claiming->ports.idle(claiming->ports.ctx)) {
        return;
    }
    if (now > 2) {
        look_at(claiming, step, now - 2);
    }
    if (now > 1 && batch_is_due(claiming, step, now)) {
        look_at(claiming, step, now - 1);
    }
}

uint64_t claiming_next_ms(const struct claiming *claiming) {
    return claiming->look_ms;
}

static void rest(const struct claiming *claiming, const struct step *step, struct under_way *epoch) {
    epoch->quiet_until_ms = step->now.mono_ms + QUIET_LOOKS * look_interval_ms(claiming);
}

// The ledger has no batch of the epoch.
static void claim(struct claiming *claiming, struct step *step, struct under_way *epoch) {
    bool in_time = epoch_now(claiming, step) == epoch->epoch + 1;
    if (in_time && mailbox_deliveries_close(claiming->config.mailbox, step, epoch->epoch) > 0) {
        start(claiming, step, epoch, NULL);
    } else {
        rest(claiming, step, epoch);
    }
}

void claiming_record(struct claiming *claiming, struct step *step, uint32_t number,
                     const struct delivery_record *record) {
    struct under_way *epoch = find(claiming, number);
    if (epoch == NULL || epoch->busy || !claiming->ports.idle(claiming->ports.ctx)) {
        return;
    }
    if (record == NULL) {
        claim(claiming, step, epoch);
    } else if (delivery_is_open(record)) {
        rest(claiming, step, epoch);
    } else if (record->sample_count > 0) {
        start(claiming, step, epoch, record);
    }
}
