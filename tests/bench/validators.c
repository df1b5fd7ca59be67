// Four validators as processes, RocksDB, logs synced: what they commit beside what the machine could verify, how soon a
// transfer is final, how fast a wiped one is back, what one occupies.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench.h"
#include "folder.h"
#include "loader.h"
#include "machine.h"
#include "place.h"
#include "testnet/network.h"

#define VALIDATORS 4
#define TRANSFERS_ALONE 100
#define PAUSE_MS 60 // between them, so that each meets an idle network
#define GROW_PER_S 500
#define GROW_MS 20000
#define BURSTS 7
#define BURST_MS 2000u
#define WARM_MS 500 // of a burst, not measured
#define BURST_PER_S_MAX 20000
#define VERIFY_NS (UINT64_C(300) * 1000000)
#define THREADS_MAX 64
#define IDLE_MS 1500 // before memory is read
#define WATCHES 10
#define QUICK_PART 5 // of everything, with --quick

struct results {
    struct series committed; // a second
    struct series ceilings;  // what verifying alone would allow, over what was committed
    struct series final_ms;
    struct series synced; // transfers a second
    struct series behind; // that the chain grew by a second, over it
    struct series memory_mb, loaded_mb;
};

struct town {
    struct testnet *net;
    char *place;
    char *dir;
    struct loader *loader;
    struct http_client *http;
    unsigned part; // of all counts and times
};

// ---- verification alone, on every processor ----

struct verifier {
    pthread_t thread;
    uint64_t count;
};

static void *verify(void *ctx) {
    struct verifier *verifier = ctx;
    static const uint8_t seed[32] = "a key";
    uint8_t message[124] = {0}; // of a transfer, as long as what is signed
    const struct span part = SPAN_OF(message);
    struct sign_secret secret;
    struct sign_public public;
    struct signature signature;
    sign_key_from_seed(&secret, &public, seed);
    sign_parts(&signature, &secret, "sotto bench", &part, 1);
    for (uint64_t began_ns = clock_wall_ns(); clock_wall_ns() - began_ns < VERIFY_NS; verifier->count++)
        ASSERT(verify_parts(&signature, &public, "sotto bench", &part, 1) == OK);
    return NULL;
}

static double verifications_per_s(void) {
    struct verifier verifiers[THREADS_MAX] = {{0}};
    struct machine machine;
    uint64_t count = 0;
    machine_read(&machine);
    unsigned threads = machine.processors < THREADS_MAX ? machine.processors : THREADS_MAX;
    uint64_t began_ns = clock_wall_ns();
    for (unsigned i = 0; i < threads; i++)
        ASSERT(pthread_create(&verifiers[i].thread, NULL, verify, &verifiers[i]) == 0);
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(verifiers[i].thread, NULL);
        count += verifiers[i].count;
    }
    return (double)count * 1e9 / (double)(clock_wall_ns() - began_ns);
}

// ---- the network ----

static bool told(struct buf *why) {
    fprintf(stderr, "sotto-bench: %.*s\n", (int)why->n, (const char *)why->p);
    buf_free(why);
    return false;
}

static bool town_up(struct town *town, const struct bench *bench) {
    struct buf why = {0};
    char *sottod;
    ASSERT(asprintf(&sottod, "%sd", bench->sotto) > 0);
    const struct up_options up = {.dir = town->dir,
                                  .validators = VALIDATORS,
                                  .relays = 2,
                                  .base_port = (uint16_t)(20000 + (unsigned)getpid() % 100 * 300 % 12000),
                                  .profile = PROFILE_FAST,
                                  .epoch_ms = 3600000,
                                  .timeout_ms = 30000,
                                  .generation = {.replicas = 2, .min_relays = 2, .block_ms = 2000},
                                  .sottod = sottod};
    bool fine = network_up(town->net, &up, &why) == OK || told(&why);
    free(sottod);
    if (fine)
        town->loader = loader_new(town->net);
    return town->loader != NULL;
}

static void town_free(struct town *town) {
    struct buf why = {0};
    if (town->loader != NULL)
        loader_free(town->loader);
    network_down(town->net, &why);
    buf_free(&why);
    http_client_free(town->http);
    free(town->dir);
    place_remove(town->place);
    free(town->net);
}

// Pss of the largest validator.
static bool read_memory(struct town *town, struct series *series) {
    struct buf why = {0};
    json_t *status = NULL;
    size_t i;
    json_t *node;
    double largest = 0;
    network_sleep_ms(IDLE_MS);
    if (network_status(&status, town->net, &why) != OK)
        return told(&why);
    json_array_foreach(json_object_get(status, "nodes"), i, node) {
        double mb = machine_memory_mb(json_integer_value(json_object_get(node, "pid")));
        if (strcmp(json_string_value(json_object_get(node, "role")), "validator") == 0 && mb > largest)
            largest = mb;
    }
    json_decref(status);
    series_add(series, largest);
    return true;
}

// ---- what is measured ----

static bool measure_finality(struct town *town, struct series *series) {
    loader_sign(town->loader, TRANSFERS_ALONE / town->part);
    for (unsigned i = 0; i < TRANSFERS_ALONE / town->part; i++) {
        if (!loader_run(town->loader, PAUSE_MS, 1)) // none is due so soon
            return false;
        uint64_t began_ns = clock_wall_ns();
        loader_send_one(town->loader);
        if (!loader_settle(town->loader))
            return false;
        series_add(series, (double)(clock_wall_ns() - began_ns) / 1e6);
    }
    return true;
}

static bool order(struct town *town, const char *op, const char *node) {
    struct buf why = {0};
    json_t *answer = NULL;
    bool fine = control_order(&answer, town->net, op, node, &why) == OK || told(&why);
    json_decref(answer);
    return fine;
}

static bool has_ended(struct town *town, const char *name) {
    struct buf why = {0};
    json_t *answer = NULL, *node;
    size_t i;
    bool ended = false;
    if (control_order(&answer, town->net, "nodes", NULL, &why) != OK)
        return told(&why);
    json_array_foreach(json_object_get(answer, "nodes"), i, node) ended =
        ended || (strcmp(json_string_value(json_object_get(node, "name")), name) == 0 &&
                  strcmp(json_string_value(json_object_get(node, "state")), "ended") == 0);
    json_decref(answer);
    return ended;
}

static uint64_t height_of(struct town *town, const struct testnet_node *node) {
    struct buf why = {0};
    long status;
    json_t *answer = NULL;
    testnet_call(town->http, &status, &answer, town->net, node, "GET", "/v1/chain", NULL, &why);
    uint64_t height = (uint64_t)json_integer_value(json_object_get(answer, "height"));
    json_decref(answer);
    buf_free(&why);
    return height;
}

// Removes all that the last validator has, starts it, and waits until it is where the others were.
static bool measure_sync(struct town *town, struct results *results) {
    const char *name = "validator4";
    const struct testnet_node *node = testnet_find(town->net, name);
    char data[PATH_MAX];
    if (!order(town, "kill", name))
        return false;
    while (!has_ended(town, name))
        network_sleep_ms(5);
    testnet_path(data, town->net, node, "data");
    folder_remove(mem_text(span_of_text(data)));
    if (mkdir(data, 0700) != 0)
        return false;
    uint64_t target = loader_height(town->loader), began_ns = clock_wall_ns();
    if (!order(town, "start", name))
        return false;
    while (height_of(town, node) < target) {
        if (clock_wall_ns() - began_ns > UINT64_C(60) * 1000000000)
            return false;
        network_sleep_ms(5);
    }
    double seconds = (double)(clock_wall_ns() - began_ns) / 1e9;
    series_add(&results->synced, (double)loader_committed(town->loader) / seconds);
    series_add(&results->behind, GROW_PER_S * seconds / (double)loader_committed(town->loader));
    return true;
}

static bool measure_burst(struct town *town, struct results *results) {
    double verifications = verifications_per_s();
    uint32_t ms = BURST_MS / (town->part > 1 ? 2 : 1);
    loader_sign(town->loader, (ms + WARM_MS) * BURST_PER_S_MAX / 1000);
    if (!loader_run(town->loader, WARM_MS, 0))
        return false;
    uint64_t began_ns = clock_wall_ns(), before = loader_committed(town->loader);
    if (!loader_run(town->loader, ms, 0))
        return false;
    double committed = (double)(loader_committed(town->loader) - before) * 1e9 / (double)(clock_wall_ns() - began_ns);
    loader_drop_unsent(town->loader);
    if (committed <= 0 || !loader_settle(town->loader))
        return false;
    series_add(&results->committed, committed);
    series_add(&results->ceilings, verifications / VALIDATORS / committed);
    return true;
}

static bool grow(struct town *town) {
    loader_sign(town->loader, GROW_PER_S * GROW_MS / 1000 / town->part);
    return loader_run(town->loader, GROW_MS / town->part, GROW_PER_S) && loader_settle(town->loader);
}

// What did not come about; NULL: all is measured.
static const char *measure(struct bench *bench, struct town *town, struct results *results) {
    if (!read_memory(town, &results->memory_mb))
        return "the network's status cannot be read";
    if (!measure_finality(town, &results->final_ms))
        return "a single transfer did not become final";
    if (!grow(town))
        return "the chain did not grow as asked";
    if (!measure_sync(town, results))
        return "the wiped validator did not come back within a minute";
    if (!read_memory(town, &results->loaded_mb))
        return "the network's status cannot be read after the sync";
    for (unsigned i = 0; i < BURSTS / town->part + 1; i++) {
        bench_watch(bench);
        if (!measure_burst(town, results))
            return "a burst of transfers was not committed";
    }
    return NULL;
}

// ---- rows ----

static void add_percentile(struct series *out, const struct series *times, double percent) {
    out->count = 0;
    series_add(out, series_percentile(times, percent));
}

static void report(struct bench *bench, const struct results *results, const char *failed) {
    struct series *p50 = NEW(struct series), *p99 = NEW(struct series);
    if (failed == NULL) {
        add_percentile(p50, &results->final_ms, 50);
        add_percentile(p99, &results->final_ms, 99);
    }
    const struct {
        struct row row;
        const struct series *series, *ratios;
    } rows[] = {
        {{.name = "4 validators: transfers committed",
          .unit = UNIT_PER_S,
          .baseline = "of it: 4 verify, nothing else",
          .ratio_limit = 2.5},
         &results->committed,
         &results->ceilings},
        {{.name = "one transfer final, idle network, P50", .unit = UNIT_MS, .limit = 12}, p50, NULL},
        {{.name = "one transfer final, idle network, P99", .unit = UNIT_MS, .limit = 50}, p99, NULL},
        {{.name = "wiped validator: transfers fetched",
          .unit = UNIT_PER_S,
          .baseline = "of it: the chain's growth",
          .ratio_limit = 0.1},
         &results->synced,
         &results->behind},
        {{.name = "memory (Pss) of a validator, new", .unit = UNIT_MB, .limit = 40}, &results->memory_mb, NULL},
        {{.name = "the same, of 10,000 transfers", .unit = UNIT_MB, .limit = 40}, &results->loaded_mb, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct row row = rows[i].row;
        row.group = "ledger";
        row.waits = true;
        if (failed != NULL)
            bench_skip(bench, &row, failed);
        else
            bench_report(bench, &row, rows[i].series, rows[i].ratios);
    }
    free(p50);
    free(p99);
}

void bench_validators(struct bench *bench) {
    struct results *results = NEW(struct results);
    struct town town = {.net = NEW(struct testnet), .place = place_new(bench), .http = http_client_new()};
    town.dir = place_file(town.place, "net");
    town.part = bench->rounds < BURSTS * 2 ? QUICK_PART : 1;
    for (unsigned i = 0; i < WATCHES; i++)
        bench_watch(bench);
    const char *failed = town_up(&town, bench) ? measure(bench, &town, results) : "the network does not start";
    town_free(&town);
    report(bench, results, failed);
    free(results);
}
