// A local network of four validators, seven relays and three users: how fast it is ready, how long messages take, what
// it occupies. Everything through the program `sotto`, as a person would do it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench.h"
#include "machine.h"
#include "place.h"

#define NETWORKS 5
#define SENDS 40 // in each
#define SENDS_QUICK 10
#define IDLE_MS 1000 // before memory is read
#define PAUSE_MS 30  // between messages, so that each meets an idle network
#define ARGUMENTS_MAX 18
#define USERS 3
#define WATCHES 10 // of what else runs, before each network

enum stage { STORED, DELIVERED, ACKNOWLEDGED, STAGES };

static const char *const stage_keys[STAGES] = {"stored_ms", "delivered_ms", "acknowledged_ms"};

struct results {
    struct series ready_ms;
    struct series percentiles[STAGES][3]; // 50, 95, 99 of each network
    struct series relay_mb;               // of the largest relay
    struct series user_mb;
};

static const double percents[3] = {50, 95, 99};

static void sleep_ms(unsigned ms) {
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

// ---- the program ----

static pid_t start(const char *program, const char *const *arguments, int *output) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid_t process = fork();
    if (process == 0) {
        dup2(ends[1], STDOUT_FILENO);
        const char *all[ARGUMENTS_MAX] = {program};
        for (size_t i = 0; arguments[i] != NULL && i + 2 < ARGUMENTS_MAX; i++)
            all[i + 1] = arguments[i];
        execv(program, (char *const *)all);
        _exit(127);
    }
    close(ends[1]);
    *output = ends[0];
    return process;
}

// `sotto testnet ... --dir DIR`; *json is what it printed (NULL: nothing or no JSON). False when it failed.
static bool testnet(const struct bench *bench, const char *dir, json_t **json, const char *const *arguments) {
    const char *all[ARGUMENTS_MAX] = {"testnet", arguments[0], "--dir", dir};
    for (size_t i = 1; arguments[i] != NULL; i++) {
        ASSERT(i + 4 < ARGUMENTS_MAX);
        all[i + 3] = arguments[i];
    }
    int output;
    pid_t process = start(bench->sotto, all, &output);
    if (process < 0)
        return false;
    json_t *printed = json_loadfd(output, JSON_DISABLE_EOF_CHECK, NULL);
    close(output);
    int status;
    waitpid(process, &status, 0);
    if (json != NULL)
        *json = printed;
    else
        json_decref(printed);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// ---- one network ----

static bool bring_up(const struct bench *bench, const char *dir, struct results *results) {
    char port[8];
    snprintf(port, sizeof port, "%u", 20000 + (unsigned)getpid() % 400 * 100);
    json_t *json = NULL;
    bool fine = testnet(bench, dir, &json,
                        (const char *const[]){"up", "--validators", "4", "--relays", "7", "--users", "3", "--profile",
                                              "fast", "--base-port", port, "--json", NULL});
    fine = fine && json != NULL;
    if (fine)
        series_add(&results->ready_ms, json_number_value(json_object_get(json, "ready_ms")));
    json_decref(json);
    return fine;
}

static bool read_memory(const struct bench *bench, const char *dir, struct results *results) {
    json_t *json = NULL;
    if (!testnet(bench, dir, &json, (const char *const[]){"status", "--json", NULL}) || json == NULL)
        return false;
    double relay_mb = 0, user_mb = 0;
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(json, "nodes"), i, node) {
        const char *role = json_string_value(json_object_get(node, "role"));
        double mb = machine_memory_mb(json_integer_value(json_object_get(node, "pid")));
        if (role != NULL && strcmp(role, "relay") == 0 && mb > relay_mb)
            relay_mb = mb;
        if (role != NULL && strcmp(role, "user") == 0 && mb > user_mb)
            user_mb = mb;
    }
    json_decref(json);
    series_add(&results->relay_mb, relay_mb);
    series_add(&results->user_mb, user_mb);
    return relay_mb > 0 && user_mb > 0;
}

static bool send_one(const struct bench *bench, const char *dir, unsigned number, struct series *times) {
    char from[16], to[16];
    snprintf(from, sizeof from, "user%u", 1 + number % USERS);
    snprintf(to, sizeof to, "user%u", 1 + (number + 1) % USERS);
    json_t *json = NULL;
    bool fine = testnet(bench, dir, &json,
                        (const char *const[]){"send", "--from", from, "--to", to, "--json",
                                              "a line of text as people write it", NULL}) &&
                json != NULL;
    for (enum stage stage = STORED; fine && stage < STAGES; stage++)
        series_add(&times[stage], json_number_value(json_object_get(json, stage_keys[stage])));
    json_decref(json);
    return fine;
}

static bool send_many(const struct bench *bench, const char *dir, struct results *results, unsigned count) {
    struct series *times = NEW_ARRAY(struct series, STAGES);
    bool fine = send_one(bench, dir, 0, times); // makes links and paths
    for (size_t i = 0; i < STAGES; i++)
        times[i].count = 0;
    for (unsigned i = 0; fine && i < count; i++) {
        sleep_ms(PAUSE_MS);
        fine = send_one(bench, dir, i, times);
    }
    for (size_t i = 0; fine && i < STAGES; i++) {
        for (size_t k = 0; k < 3; k++)
            series_add(&results->percentiles[i][k], series_percentile(&times[i], percents[k]));
    }
    free(times);
    return fine;
}

static bool run_network(const struct bench *bench, struct results *results, unsigned sends) {
    char *place = place_new(bench);
    char *dir = place_file(place, "net");
    bool fine = bring_up(bench, dir, results) && send_many(bench, dir, results, sends);
    if (fine) {
        sleep_ms(IDLE_MS);
        fine = read_memory(bench, dir, results);
    }
    testnet(bench, dir, NULL, (const char *const[]){"down", NULL});
    free(dir);
    place_remove(place);
    return fine;
}

// ---- rows ----

static void report(struct bench *bench, const struct results *results, const char *failed) {
    const struct {
        const char *name;
        enum unit unit;
        double limit;
        const struct series *series;
    } rows[] = {
        {"4 validators, 7 relays and 3 users ready", UNIT_MS, 3000, &results->ready_ms},
        {"three hops to q receipts, P50", UNIT_MS, 8, &results->percentiles[STORED][0]},
        {"three hops to q receipts, P95", UNIT_MS, 25, &results->percentiles[STORED][1]},
        {"three hops to q receipts, P99", UNIT_MS, 2000, &results->percentiles[STORED][2]},
        {"send to delivery, P50", UNIT_MS, 0, &results->percentiles[DELIVERED][0]},
        {"send to delivery, P95", UNIT_MS, 1000, &results->percentiles[DELIVERED][1]},
        {"send to acknowledgement, P50", UNIT_MS, 0, &results->percentiles[ACKNOWLEDGED][0]},
        {"send to acknowledgement, P95", UNIT_MS, 1000, &results->percentiles[ACKNOWLEDGED][1]},
        {"memory (Pss) of the largest relay", UNIT_MB, 20, &results->relay_mb},
        {"memory (Pss) of the largest user", UNIT_MB, 10, &results->user_mb},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row row = {
            .group = "network", .name = rows[i].name, .unit = rows[i].unit, .limit = rows[i].limit, .waits = true};
        if (failed != NULL)
            bench_skip(bench, &row, failed);
        else
            bench_report(bench, &row, rows[i].series, NULL);
    }
}

void bench_network(struct bench *bench) {
    unsigned networks = bench->rounds < NETWORKS * 2 ? 1 : NETWORKS;
    unsigned sends = networks == 1 ? SENDS_QUICK : SENDS;
    struct results *results = NEW(struct results);
    bool fine = true;
    for (unsigned i = 0; fine && i < networks; i++) {
        for (unsigned k = 0; k < WATCHES; k++)
            bench_watch(bench);
        fine = run_network(bench, results, sends);
    }
    report(bench, results, fine ? NULL : "the network does not run");
    free(results);
}
