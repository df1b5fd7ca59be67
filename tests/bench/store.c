// The engines: mailboxes of 10, 100 and 1,000 messages are filled, read one by one, retrieved whole, emptied, among
// mailboxes that stay. Each put and each delete is a batch of its own, as it is when a step handles one message; where
// a step handles more (what one read of a link brings), they share one.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/kv_memory.h"
#include "base/rng.h"
#include "bench.h"
#include "place.h"

#define PER_SLICE 1000 // messages, whatever the size of a mailbox
#define SIZES 3
#define STAYING 2000 // mailboxes
#define STAYING_SIZE 10
#define STEP_MESSAGES 16

static const uint64_t sizes[SIZES] = {10, 100, 1000};

enum operation { PUT, GET, RETRIEVE, DELETE, PUT_TOGETHER, OPERATIONS };

struct engine {
    const char *name;
    struct kv *kv;
    struct kv_batch batch;
    struct buf value;
    uint8_t record[RECORD_BYTES];
    uint64_t next_mailbox; // no slice meets the keys of another
    struct series series[SIZES][OPERATIONS];
    struct series write[SIZES]; // the baseline: write(2) of a record
};

static void write_batch(struct engine *engine) {
    ASSERT(kv_write(engine->kv, &engine->batch) == OK);
    kv_batch_clear(&engine->batch);
}

static void batch_put(struct engine *engine, uint64_t mailbox, uint64_t arrival) {
    uint8_t key[RECORD_KEY_BYTES];
    record_key(key, mailbox, arrival);
    kv_batch_put(&engine->batch, SPAN_OF(key), SPAN_OF(engine->record), KV_SYNCED);
}

static void put(struct engine *engine, uint64_t mailbox, uint64_t arrival) {
    batch_put(engine, mailbox, arrival);
    write_batch(engine);
}

static void get(struct engine *engine, uint64_t mailbox, uint64_t arrival) {
    uint8_t key[RECORD_KEY_BYTES];
    record_key(key, mailbox, arrival);
    ASSERT(kv_get(engine->kv, SPAN_OF(key), &engine->value) == OK && engine->value.n == RECORD_BYTES);
}

static void delete (struct engine *engine, uint64_t mailbox, uint64_t arrival) {
    uint8_t key[RECORD_KEY_BYTES];
    record_key(key, mailbox, arrival);
    kv_batch_delete(&engine->batch, SPAN_OF(key), KV_SYNCED);
    write_batch(engine);
}

// As a fetch job does it: a snapshot, a scan, copies.
static void retrieve(struct engine *engine, uint64_t mailbox, uint64_t count) {
    uint8_t from[RECORD_KEY_BYTES];
    record_key(from, mailbox, 0);
    struct kv_snapshot *snapshot = kv_snapshot(engine->kv);
    struct kv_cursor *cursor = kv_scan(snapshot, SPAN_OF(from));
    buf_clear(&engine->value);
    struct span key, value;
    uint64_t found = 0;
    while (kv_cursor_at(cursor, &key, &value) && memcmp(key.p, from, 33) == 0) {
        buf_append(&engine->value, value);
        found++;
        kv_cursor_next(cursor);
    }
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
    ASSERT(found == count);
}

// One operation on each message (or, to retrieve, on each mailbox) of a slice.
static void run_operation(struct engine *engine, enum operation operation, uint64_t size) {
    for (uint64_t i = 0; i < PER_SLICE; i++) {
        uint64_t mailbox = engine->next_mailbox + i / size, arrival = i % size;
        switch (operation) {
        case PUT:
            put(engine, mailbox, arrival);
            break;
        case GET:
            get(engine, mailbox, arrival);
            break;
        case RETRIEVE:
            if (arrival == 0)
                retrieve(engine, mailbox, size);
            break;
        case DELETE:
            delete (engine, mailbox, arrival);
            break;
        case PUT_TOGETHER:
            batch_put(engine, mailbox, arrival);
            if (i % STEP_MESSAGES == STEP_MESSAGES - 1 || i == PER_SLICE - 1)
                write_batch(engine);
            break;
        case OPERATIONS:
            break;
        }
    }
}

static void write_records(const struct engine *engine, int file) {
    for (uint64_t i = 0; i < PER_SLICE; i++)
        ASSERT(write(file, engine->record, RECORD_BYTES) == RECORD_BYTES);
}

static void run_size(struct engine *engine, size_t index, int file) {
    uint64_t size = sizes[index];
    ASSERT(ftruncate(file, 0) == 0);
    uint64_t began_ns = clock_thread_ns();
    write_records(engine, file);
    series_add(&engine->write[index], (double)(clock_thread_ns() - began_ns) / PER_SLICE);
    for (enum operation operation = PUT; operation < OPERATIONS; operation++) {
        began_ns = clock_thread_ns();
        run_operation(engine, operation, size);
        double done = operation == RETRIEVE ? (double)(PER_SLICE / size) : PER_SLICE;
        series_add(&engine->series[index][operation], (double)(clock_thread_ns() - began_ns) / done);
    }
    run_operation(engine, DELETE, size);
    engine->next_mailbox += PER_SLICE / size;
}

static const char *const operation_names[OPERATIONS] = {"put", "get", "retrieve", "delete", "put, 16 a step"};

static double limit_of(enum operation operation, uint64_t size) {
    if (operation == PUT || operation == PUT_TOGETHER)
        return 2800;
    return operation == RETRIEVE && size == 100 ? 270000 : 0;
}

static void report(struct bench *bench, const struct engine *engine) {
    static char names[2][SIZES][OPERATIONS][48];
    size_t which = strcmp(engine->name, "memory") == 0;
    for (size_t i = 0; i < SIZES; i++) {
        for (enum operation operation = PUT; operation < OPERATIONS; operation++) {
            char *name = names[which][i][operation];
            snprintf(name, sizeof names[0][0][0], "%s: %s, of %u", engine->name, operation_names[operation],
                     (unsigned)sizes[i]);
            struct row row = {.group = "store",
                              .name = name,
                              .unit = UNIT_NS,
                              .limit = limit_of(operation, sizes[i]),
                              .baseline = "write(2) of a record"};
            struct series ratios;
            series_ratio(&ratios, &engine->series[i][operation], &engine->write[i], 1);
            bench_report(bench, &row, &engine->series[i][operation], &ratios);
        }
    }
}

static void engine_free(struct engine *engine) {
    kv_close(engine->kv);
    kv_batch_free(&engine->batch);
    buf_free(&engine->value);
    free(engine);
}

// ---- many clients of one node ----

#define CLIENTS 64
#define CLIENT_THREADS 4
#define QUEUE_MAX 256

struct message {
    uint64_t client;
    uint64_t number;
};

// What the clients' threads hand to the node's one thread.
struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    pthread_cond_t emptied;
    struct message messages[QUEUE_MAX];
    size_t count;
};

struct client_thread {
    struct queue *queue;
    uint64_t first_client;
    uint64_t messages_each;
};

static void *send_messages(void *arg) {
    const struct client_thread *thread = arg;
    struct queue *queue = thread->queue;
    for (uint64_t number = 0; number < thread->messages_each; number++) {
        for (uint64_t i = 0; i < CLIENTS / CLIENT_THREADS; i++) {
            pthread_mutex_lock(&queue->mutex);
            while (queue->count == QUEUE_MAX)
                pthread_cond_wait(&queue->emptied, &queue->mutex);
            queue->messages[queue->count++] = (struct message){thread->first_client + i, number};
            pthread_cond_signal(&queue->filled);
            pthread_mutex_unlock(&queue->mutex);
        }
    }
    return NULL;
}

static size_t take_messages(struct queue *queue, struct message *messages) {
    pthread_mutex_lock(&queue->mutex);
    while (queue->count == 0)
        pthread_cond_wait(&queue->filled, &queue->mutex);
    size_t count = queue->count;
    memcpy(messages, queue->messages, count * sizeof messages[0]);
    queue->count = 0;
    pthread_cond_broadcast(&queue->emptied);
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

// CPU time of the node's thread for each message: taking it over and putting it, in a batch of its own.
static double run_clients(struct engine *engine, uint64_t messages_each) {
    struct queue queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, {{0}}, 0};
    pthread_t threads[CLIENT_THREADS];
    struct client_thread arguments[CLIENT_THREADS];
    for (size_t i = 0; i < CLIENT_THREADS; i++) {
        arguments[i] = (struct client_thread){&queue, i * (CLIENTS / CLIENT_THREADS), messages_each};
        ASSERT(pthread_create(&threads[i], NULL, send_messages, &arguments[i]) == 0);
    }
    uint64_t total = CLIENTS * messages_each;
    uint64_t began_ns = clock_thread_ns();
    for (uint64_t done = 0; done < total;) {
        struct message messages[QUEUE_MAX];
        size_t count = take_messages(&queue, messages);
        for (size_t i = 0; i < count; i++)
            put(engine, engine->next_mailbox + messages[i].client, messages[i].number);
        done += count;
    }
    double each_ns = (double)(clock_thread_ns() - began_ns) / (double)total;
    for (size_t i = 0; i < CLIENT_THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uint64_t i = 0; i < total; i++)
        delete (engine, engine->next_mailbox + i % CLIENTS, i / CLIENTS);
    engine->next_mailbox += CLIENTS;
    return each_ns;
}

static void measure_clients(struct bench *bench, struct engine *engine, const char *name) {
    struct series series = {0};
    for (unsigned round = 0; round < bench->rounds; round++)
        series_add(&series, run_clients(engine, PER_SLICE / CLIENTS));
    const struct row row = {.group = "store", .name = name, .unit = UNIT_NS, .limit = 3900};
    bench_report(bench, &row, &series, NULL);
}

static struct engine *engine_new(const char *name, struct kv *kv) {
    struct engine *engine = NEW(struct engine);
    engine->name = name;
    engine->kv = kv;
    struct rng rng;
    static const uint8_t seed[RNG_SEED_BYTES] = "store";
    rng_init(&rng, seed);
    rng_bytes(&rng, engine->record, sizeof engine->record);
    for (; engine->next_mailbox < STAYING; engine->next_mailbox++) {
        for (uint64_t i = 0; i < STAYING_SIZE; i++)
            put(engine, engine->next_mailbox, i);
    }
    return engine;
}

void bench_store(struct bench *bench) {
    char *place = place_new(bench);
    char *path = place_file(place, "records");
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ASSERT(file >= 0);
    struct engine *engines[2] = {engine_new("memory", kv_memory_new()),
                                 engine_new("RocksDB", place_open_rocksdb(place))};
    for (unsigned round = 0; round < bench->rounds; round++) {
        for (size_t i = 0; i < 2; i++) {
            for (size_t size = 0; size < SIZES; size++)
                run_size(engines[i], size, file);
        }
    }
    for (size_t i = 0; i < 2; i++)
        report(bench, engines[i]);
    measure_clients(bench, engines[0], "memory: concurrent store, 64 clients");
    measure_clients(bench, engines[1], "RocksDB: concurrent store, 64 clients");
    for (size_t i = 0; i < 2; i++)
        engine_free(engines[i]);
    close(file);
    free(path);
    place_remove(place);
}
