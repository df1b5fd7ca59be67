// Puts that are on disk: one by one, and with a commit thread as the host has it, where one sync serves every put
// before it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/rng.h"
#include "bench.h"
#include "place.h"

#define ONE_BY_ONE 20    // of a slice
#define COMMITTED 4000   // of a slice
#define OUTSTANDING 1024 // puts not yet on disk, at most

struct durable {
    struct kv *kv;
    struct kv_batch batch;
    uint8_t record[RECORD_BYTES];
    int file;
    uint64_t next;
    // commit thread
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t written;
    uint64_t synced;
    bool is_stopping;
};

static void put(struct durable *d) {
    uint8_t key[RECORD_KEY_BYTES];
    record_key(key, d->next++, 0);
    kv_batch_put(&d->batch, SPAN_OF(key), SPAN_OF(d->record), KV_SYNCED);
    ASSERT(kv_write(d->kv, &d->batch) == OK);
    kv_batch_clear(&d->batch);
}

// Nanoseconds of wall time for each.
static double run_file(struct durable *d) {
    uint64_t began_ns = clock_wall_ns();
    for (size_t i = 0; i < ONE_BY_ONE; i++) {
        ASSERT(write(d->file, d->record, sizeof d->record) == (ssize_t)sizeof d->record);
        ASSERT(fdatasync(d->file) == 0);
    }
    return (double)(clock_wall_ns() - began_ns) / ONE_BY_ONE;
}

static double run_synced(struct durable *d) {
    uint64_t began_ns = clock_wall_ns();
    for (size_t i = 0; i < ONE_BY_ONE; i++) {
        put(d);
        ASSERT(kv_sync(d->kv) == OK);
    }
    return (double)(clock_wall_ns() - began_ns) / ONE_BY_ONE;
}

static void *commit(void *arg) {
    struct durable *d = arg;
    pthread_mutex_lock(&d->mutex);
    for (;;) {
        while (d->synced == d->written && !d->is_stopping)
            pthread_cond_wait(&d->changed, &d->mutex);
        if (d->synced == d->written)
            break;
        uint64_t covers = d->written;
        pthread_mutex_unlock(&d->mutex);
        ASSERT(kv_sync(d->kv) == OK);
        pthread_mutex_lock(&d->mutex);
        d->synced = covers;
        pthread_cond_broadcast(&d->changed);
    }
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

static void wait_until_outstanding(struct durable *d, uint64_t at_most) {
    while (d->written - d->synced > at_most)
        pthread_cond_wait(&d->changed, &d->mutex);
}

static double run_committed(struct durable *d) {
    pthread_t thread;
    d->written = d->synced = 0;
    d->is_stopping = false;
    ASSERT(pthread_create(&thread, NULL, commit, d) == 0);
    uint64_t began_ns = clock_wall_ns();
    for (size_t i = 0; i < COMMITTED; i++) {
        put(d);
        pthread_mutex_lock(&d->mutex);
        d->written++;
        pthread_cond_broadcast(&d->changed);
        wait_until_outstanding(d, OUTSTANDING);
        pthread_mutex_unlock(&d->mutex);
    }
    pthread_mutex_lock(&d->mutex);
    wait_until_outstanding(d, 0);
    d->is_stopping = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->mutex);
    double each_ns = (double)(clock_wall_ns() - began_ns) / COMMITTED;
    pthread_join(thread, NULL);
    return each_ns;
}

static void report(struct bench *bench, const struct series *file, const struct series *synced,
                   const struct series *committed) {
    const struct row file_row = {.group = "durable", .name = "write(2), fdatasync", .unit = UNIT_NS};
    const struct row synced_row = {.group = "durable",
                                   .name = "RocksDB: synced put, one by one",
                                   .unit = UNIT_NS,
                                   .baseline = "write(2), fdatasync"};
    const struct row committed_row = {.group = "durable",
                                      .name = "RocksDB: synced puts, commit thread",
                                      .unit = UNIT_PER_S,
                                      .baseline = "synced put, one by one"};
    struct series ratios, rates = {0};
    bench_report(bench, &file_row, file, NULL);
    series_ratio(&ratios, synced, file, 1);
    bench_report(bench, &synced_row, synced, &ratios);
    series_ratio(&ratios, committed, synced, 1);
    for (size_t i = 0; i < committed->count; i++)
        series_add(&rates, 1e9 / committed->values[i]);
    bench_report(bench, &committed_row, &rates, &ratios);
}

void bench_durable(struct bench *bench) {
    char *place = place_new(bench);
    char *path = place_file(place, "records");
    struct durable d = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    d.kv = place_open_rocksdb(place);
    d.file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ASSERT(d.file >= 0);
    struct rng rng;
    static const uint8_t seed[RNG_SEED_BYTES] = "durable";
    rng_init(&rng, seed);
    rng_bytes(&rng, d.record, sizeof d.record);
    struct series file = {0}, synced = {0}, committed = {0};
    for (unsigned round = 0; round < bench->rounds; round++) {
        series_add(&file, run_file(&d));
        series_add(&synced, run_synced(&d));
        series_add(&committed, run_committed(&d));
    }
    report(bench, &file, &synced, &committed);
    kv_close(d.kv);
    kv_batch_free(&d.batch);
    close(d.file);
    free(path);
    place_remove(place);
}
