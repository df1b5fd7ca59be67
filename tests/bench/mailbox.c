// A replica in this process: stores that another relay asks it for, as messages off a link, with their puts applied.
// Only the receipt's signature is taken away again for the row that is without.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/kv_memory.h"
#include "bench.h"
#include "mailbox/mailbox.h"
#include "place.h"
#include "wire/replica.h"

#define RELAYS 3 // this replica, the one that asks, and the third of the set
#define PER_SLICE 400
#define MAILBOX_ITEMS 10
#define MESSAGE_BYTES_MAX 2048
#define EPOCH_MS 60000

struct replica {
    struct rng rng;
    struct genesis genesis;
    struct directory *directory;
    struct sign_secret identity;
    struct relay_id relays[RELAYS];
    struct env env;
    struct now now;
    struct kv_batch batch;
    struct job_list jobs;
    struct mailbox *mailbox;
    uint64_t receipts;
    uint64_t next;
    struct mailbox_id last_mailbox;
    size_t sizes[PER_SLICE];
    uint8_t messages[PER_SLICE][MESSAGE_BYTES_MAX];
};

static void on_reply(void *ctx, struct step *step, const uint8_t surb[static SPHINX_SURB_BYTES], struct span body) {
    (void)ctx;
    (void)step;
    (void)surb;
    (void)body;
}

static void on_message(void *ctx, struct step *step, const struct relay_id *to, struct span bytes) {
    (void)step;
    (void)to;
    struct replica *replica = ctx;
    struct replica_message message;
    ASSERT(replica_decode(&message, bytes) == OK && message.kind == REPLICA_RECEIPT && message.status == OP_OK);
    replica->receipts++;
}

static bool on_reachable(void *ctx, const struct relay_id *relay) {
    (void)ctx;
    (void)relay;
    return true;
}

static struct step step_of(struct replica *replica) {
    return (struct step){.env = &replica->env, .now = replica->now, .batch = &replica->batch, .jobs = &replica->jobs};
}

static void apply(struct replica *replica) {
    if (kv_batch_count(&replica->batch) > 0)
        ASSERT(kv_write(replica->env.kv, &replica->batch) == OK);
    kv_batch_clear(&replica->batch);
    ASSERT(replica->jobs.count == 0);
}

static int compare_relays(const void *a, const void *b) {
    return memcmp(((const struct directory_relay *)a)->id.bytes, ((const struct directory_relay *)b)->id.bytes, 32);
}

static struct directory *make_directory(struct replica *replica) {
    struct directory *directory = NEW(struct directory);
    directory->network = replica->genesis.network;
    directory->epoch = directory->changed_epoch = 1;
    directory->references = 1;
    directory->relay_count = RELAYS;
    directory->relays = NEW_ARRAY(struct directory_relay, RELAYS);
    for (size_t i = 0; i < RELAYS; i++) {
        directory->relays[i].id = replica->relays[i];
        directory->relays[i].placed = true;
        rng_bytes(&replica->rng, directory->relays[i].placement.bytes, sizeof directory->relays[i].placement.bytes);
    }
    qsort(directory->relays, RELAYS, sizeof directory->relays[0], compare_relays);
    return directory;
}

static struct replica *replica_new(struct kv *kv) {
    struct replica *replica = NEW(struct replica);
    static const uint8_t seed[RNG_SEED_BYTES] = "mailbox";
    rng_init(&replica->rng, seed);
    rng_init(&replica->env.rng, seed);
    replica->env.kv = kv;
    replica->env.metrics = metrics_new();
    replica->env.log.level = LOG_ERROR + 1;
    replica->genesis = (struct genesis){
        .genesis_ms = 1000000, .epoch_ms = EPOCH_MS, .replicas = RELAYS, .quorum = 2, .item_lifetime_ms = 7 * DAY_MS};
    replica->now = (struct now){1000, replica->genesis.genesis_ms + EPOCH_MS / 2};
    struct sign_public public;
    sign_key_new(&replica->identity, &public, &replica->rng);
    memcpy(replica->relays[0].bytes, public.bytes, sizeof public.bytes);
    for (size_t i = 1; i < RELAYS; i++)
        rng_bytes(&replica->rng, replica->relays[i].bytes, sizeof replica->relays[i].bytes);
    replica->directory = make_directory(replica);
    const struct mailbox_config config = {.self = replica->relays[0],
                                          .identity = &replica->identity,
                                          .genesis = &replica->genesis,
                                          .bytes_max = UINT64_C(1) << 40,
                                          .stranger_quota = 64,
                                          .subscriptions_max = 1000,
                                          .pending_max = 1000,
                                          .receipt_timeout_ms = 3000,
                                          .repair_interval_ms = HOUR_MS,
                                          .deliveries_max = 65536};
    const struct mailbox_ports ports = {replica, on_reply, on_message, on_reachable};
    replica->mailbox = mailbox_new(&config, &ports);
    struct step step = step_of(replica);
    mailbox_start(replica->mailbox, &step);
    mailbox_set_directory(replica->mailbox, &step, replica->directory, NULL);
    mailbox_disk_space(replica->mailbox, &step, UINT64_C(1) << 40);
    apply(replica);
    ASSERT(mailbox_ready(replica->mailbox));
    return replica;
}

static void replica_free(struct replica *replica) {
    mailbox_free(replica->mailbox);
    directory_unref(replica->directory);
    kv_batch_free(&replica->batch);
    job_list_free(&replica->jobs);
    kv_close(replica->env.kv);
    metrics_free(replica->env.metrics);
    free(replica);
}

// The messages of the next slice: ten strangers' items a mailbox.
static void make_messages(struct replica *replica) {
    uint8_t item[ITEM_BYTES];
    struct buf bytes = {0};
    for (size_t i = 0; i < PER_SLICE; i++) {
        if (replica->next++ % MAILBOX_ITEMS == 0)
            rng_bytes(&replica->rng, replica->last_mailbox.bytes, sizeof replica->last_mailbox.bytes);
        rng_bytes(&replica->rng, item, sizeof item);
        struct replica_message message = {.kind = REPLICA_REPLICATE,
                                          .id = replica->next,
                                          .set = {.epoch = 1, .count = RELAYS},
                                          .mailbox = replica->last_mailbox,
                                          .expiry_ms = replica->now.wall_ms + DAY_MS,
                                          .item = item};
        memcpy(message.set.relays, replica->relays, sizeof replica->relays);
        replica_encode(&bytes, &message);
        ASSERT(bytes.n <= MESSAGE_BYTES_MAX);
        replica->sizes[i] = bytes.n;
        memcpy(replica->messages[i], bytes.p, bytes.n);
    }
    buf_free(&bytes);
}

// Nanoseconds for each store.
static double run_stores(struct replica *replica) {
    make_messages(replica);
    uint64_t before = replica->receipts;
    uint64_t began_ns = clock_thread_ns();
    for (size_t i = 0; i < PER_SLICE; i++) {
        struct step step = step_of(replica);
        mailbox_replica_message(replica->mailbox, &step, &replica->relays[1],
                                span_of(replica->messages[i], replica->sizes[i]));
        apply(replica);
    }
    double each_ns = (double)(clock_thread_ns() - began_ns) / PER_SLICE;
    ASSERT(replica->receipts == before + PER_SLICE);
    return each_ns;
}

static double run_signatures(const struct replica *replica) {
    struct replica_set set = {.epoch = 1, .count = RELAYS};
    memcpy(set.relays, replica->relays, sizeof replica->relays);
    struct receipt receipt = {0};
    static const struct item_hash hash;
    uint64_t began_ns = clock_thread_ns();
    for (size_t i = 0; i < PER_SLICE; i++)
        receipt_sign(&receipt, &replica->identity, &replica->genesis.network, &set, replica->messages[0],
                     &replica->last_mailbox, &hash, i);
    return (double)(clock_thread_ns() - began_ns) / PER_SLICE;
}

struct results {
    struct series rates;  // a second
    struct series bare;   // the same without the time of a receipt's signature
    struct series ratios; // a store over a signature
};

static void results_add(struct results *results, double store_ns, double sign_ns) {
    series_add(&results->rates, 1e9 / store_ns);
    series_add(&results->bare, 1e9 / (store_ns - sign_ns));
    series_add(&results->ratios, store_ns / sign_ns);
}

static void report(struct bench *bench, const struct results *results, const char *name, const char *bare_name) {
    const struct row row = {.group = "mailbox", .name = name, .unit = UNIT_PER_S, .baseline = "signing its receipt"};
    const struct row bare_row = {.group = "mailbox", .name = bare_name, .unit = UNIT_PER_S, .limit = 20000};
    bench_report(bench, &row, &results->rates, &results->ratios);
    bench_report(bench, &bare_row, &results->bare, NULL);
}

void bench_mailbox(struct bench *bench) {
    char *place = place_new(bench);
    struct replica *memory = replica_new(kv_memory_new());
    struct replica *rocksdb = replica_new(place_open_rocksdb(place));
    struct results *results = NEW_ARRAY(struct results, 2);
    struct series signatures = {0};
    for (unsigned round = 0; round < bench->rounds; round++) {
        double memory_ns = run_stores(memory);
        double sign_ns = run_signatures(memory);
        series_add(&signatures, sign_ns);
        results_add(&results[0], memory_ns, sign_ns);
        results_add(&results[1], run_stores(rocksdb), sign_ns);
    }
    const struct row row = {.group = "mailbox", .name = "a receipt's signature", .unit = UNIT_NS};
    bench_report(bench, &row, &signatures, NULL);
    report(bench, &results[0], "memory: replica stores", "memory: replica stores, unsigned");
    report(bench, &results[1], "RocksDB: replica stores", "RocksDB: replica stores, unsigned");
    free(results);
    replica_free(memory);
    replica_free(rocksdb);
    place_remove(place);
}
