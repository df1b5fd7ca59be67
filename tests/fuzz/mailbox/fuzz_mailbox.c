// A mailbox store and whatever others send it: operations out of the onion, messages of two other replicas, time. The
// input is a row of records: what 1 (the rest of division by 4) | length 2 | bytes.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/kv_memory.h"
#include "fuzz.h"
#include "mailbox/mailbox.h"

#define RELAYS 3
#define RECORDS_MAX 64

struct store {
    struct genesis genesis;
    struct sign_secret secrets[RELAYS];
    struct directory *directory;
    struct relay_id self;
    struct env env;
    struct now now;
    struct kv_batch batch;
    struct job_list jobs;
    struct mailbox *mailbox;
};

static void on_reply(void *ctx, struct step *step, const uint8_t surb[static SPHINX_SURB_BYTES], struct span body) {
    (void)ctx;
    (void)step;
    (void)surb;
    struct reply reply;
    ASSERT(reply_decode(&reply, body) == OK);
}

static void on_message(void *ctx, struct step *step, const struct relay_id *to, struct span message) {
    (void)step;
    const struct store *store = ctx;
    ASSERT(!relay_id_equal(to, &store->self));
    ASSERT(message.n > 0 && message.n <= 64 * 1024);
}

static bool on_reachable(void *ctx, const struct relay_id *relay) {
    (void)ctx;
    (void)relay;
    return true;
}

static int by_id(const void *a, const void *b) {
    return memcmp(((const struct directory_relay *)a)->id.bytes, ((const struct directory_relay *)b)->id.bytes, 32);
}

static void make_directory(struct store *store) {
    struct directory *directory = store->directory = NEW(struct directory);
    directory->epoch = 10;
    directory->changed_epoch = 1;
    directory->references = 1;
    directory->relay_count = RELAYS;
    directory->relays = NEW_ARRAY(struct directory_relay, RELAYS);
    for (size_t i = 0; i < RELAYS; i++) {
        uint8_t seed[32];
        struct sign_public public;
        memset(seed, (int)i + 1, sizeof seed);
        sign_key_from_seed(&store->secrets[i], &public, seed);
        memcpy(directory->relays[i].id.bytes, public.bytes, sizeof public.bytes);
        memset(directory->relays[i].placement.bytes, (int)i + 1, 32);
        directory->relays[i].placed = true;
    }
    store->self = directory->relays[0].id;
    qsort(directory->relays, RELAYS, sizeof directory->relays[0], by_id);
}

static struct step step_of(struct store *store) {
    return (struct step){.env = &store->env, .now = store->now, .batch = &store->batch, .jobs = &store->jobs};
}

// Applies what a step wrote and runs the jobs it began, and those that these begin.
static void apply(struct store *store) {
    for (unsigned rounds = 0;; rounds++) {
        ASSERT(rounds < 1000);
        if (kv_batch_count(&store->batch) > 0)
            ASSERT(kv_write(store->env.kv, &store->batch) == OK);
        kv_batch_clear(&store->batch);
        ASSERT(store->env.kv->failed == OK);
        if (store->jobs.count == 0)
            return;
        struct job *job = store->jobs.jobs[--store->jobs.count];
        struct kv_snapshot *snapshot = kv_snapshot(store->env.kv);
        job->run(job, snapshot);
        kv_snapshot_release(snapshot);
        struct step step = step_of(store);
        mailbox_job_done(store->mailbox, &step, job);
    }
}

static struct store *store_new(void) {
    struct store *store = NEW(struct store);
    static const uint8_t seed[RNG_SEED_BYTES] = {1};
    crypto_init();
    rng_init(&store->env.rng, seed);
    store->env.kv = kv_memory_new();
    store->env.metrics = metrics_new();
    store->env.log.level = LOG_ERROR + 1;
    store->genesis =
        (struct genesis){.epoch_ms = 60000, .replicas = RELAYS, .quorum = 2, .item_lifetime_ms = 7 * DAY_MS};
    store->now = (struct now){1000, 9 * 60000 + 1000};
    make_directory(store);
    const struct mailbox_config config = {.self = store->self,
                                          .identity = &store->secrets[0],
                                          .genesis = &store->genesis,
                                          .bytes_max = 100000,
                                          .mailbox_bytes_max = 50000,
                                          .stranger_quota = 4,
                                          .subscriptions_max = 8,
                                          .pending_max = 8,
                                          .receipt_timeout_ms = 3000,
                                          .repair_interval_ms = 30000,
                                          .deliveries_max = 8};
    const struct mailbox_ports ports = {store, on_reply, on_message, on_reachable};
    store->mailbox = mailbox_new(&config, &ports);
    struct step step = step_of(store);
    mailbox_start(store->mailbox, &step);
    mailbox_set_directory(store->mailbox, &step, store->directory, NULL);
    apply(store);
    return store;
}

static void store_free(struct store *store) {
    mailbox_free(store->mailbox);
    directory_unref(store->directory);
    kv_batch_free(&store->batch);
    job_list_free(&store->jobs);
    kv_close(store->env.kv);
    metrics_free(store->env.metrics);
    free(store);
}

static void feed(struct store *store, uint8_t what, struct span bytes) {
    struct step step = step_of(store);
    const struct directory_relay *others[2];
    size_t count = 0;
    for (size_t i = 0; i < RELAYS; i++) {
        if (!relay_id_equal(&store->directory->relays[i].id, &store->self))
            others[count++] = &store->directory->relays[i];
    }
    if (what % 4 == 0) {
        mailbox_operation(store->mailbox, &step, bytes);
    } else if (what % 4 == 3) {
        store->now.mono_ms += SECOND_MS * bytes.n + 1;
        store->now.wall_ms += SECOND_MS * bytes.n + 1;
        step = step_of(store);
        mailbox_tick(store->mailbox, &step);
    } else {
        mailbox_replica_message(store->mailbox, &step, &others[what % 4 - 1]->id, bytes);
    }
    apply(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct store *store = store_new();
    struct reader r = reader_of(span_of(data, size));
    for (unsigned i = 0; i < RECORDS_MAX && r.n > 0; i++) {
        uint8_t what = read_u8(&r);
        size_t length = read_u16(&r);
        feed(store, what, read_span(&r, length < r.n ? length : r.n));
    }
    ASSERT(mailbox_next_ms(store->mailbox) != TIME_NEVER);
    store_free(store);
    return 0;
}
