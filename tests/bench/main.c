// sotto-bench [GROUP...] [--json] [--quick] [--dir DIR] [--sotto PROGRAM]: the figures of docs/BENCHMARKS.md.
// Exit status 0 whatever they are.
// status 0 whatever they are.
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "crypto/keys.h"

#define ROUNDS 101
#define ROUNDS_QUICK 7

static const struct group {
    const char *name;
    void (*run)(struct bench *bench);
    const char *about;
} groups[] = {
    {"crypto", bench_crypto, "keys, signatures, hashes, ciphers"},
    {"packet", bench_packet, "onion packets and reply blocks"},
    {"store", bench_store, "the engines: put, get, retrieve, delete"},
    {"durable", bench_durable, "puts that are on disk"},
    {"mailbox", bench_mailbox, "replica stores in this process"},
    {"relay", bench_relay, "one relay process on real links: packets, durable items"},
    {"network", bench_network, "a local network: time to ready, latency, memory"},
    {"ledger", bench_ledger, "execution of blocks, the state's tree, four validators as processes"},
};

#define GROUP_COUNT (sizeof groups / sizeof groups[0])

static void usage(FILE *out) {
    fputs("usage: sotto-bench [GROUP...] [--json] [--quick] [--dir DIR] [--sotto PROGRAM]\n\ngroups:\n", out);
    for (size_t i = 0; i < GROUP_COUNT; i++)
        fprintf(out, "  %-10s %s\n", groups[i].name, groups[i].about);
}

static const struct group *find_group(const char *name) {
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    }
    usage(stderr);
    exit(2);
}

static const char *value_of(char **arguments, int *i) {
    if (arguments[*i + 1] == NULL) {
        usage(stderr);
        exit(2);
    }
    return arguments[++*i];
}

// build/release/sotto for build/release/tests/bench/sotto-bench.
static const char *default_sotto(void) {
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    for (int up = 0; up < 3 && n > 0; up++) {
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        n = slash != NULL ? slash - path : 0;
    }
    snprintf(path + n, sizeof path - (size_t)n, "/sotto");
    return path;
}

int main(int argc, char **argv) {
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL)
        return 1;
    bench->rounds = ROUNDS;
    bench->dir = ".";
    bench->sotto = default_sotto();
    const struct group *wanted[GROUP_COUNT];
    size_t wanted_count = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            bench->json = true;
        } else if (strcmp(argv[i], "--quick") == 0) {
            bench->rounds = ROUNDS_QUICK;
        } else if (strcmp(argv[i], "--dir") == 0) {
            bench->dir = value_of(argv, &i);
        } else if (strcmp(argv[i], "--sotto") == 0) {
            bench->sotto = value_of(argv, &i);
        } else {
            const struct group *group = find_group(argv[i]);
            if (wanted_count < GROUP_COUNT)
                wanted[wanted_count++] = group;
        }
    }
    crypto_init();
    if (!bench->json)
        bench_print_head(bench);
    if (wanted_count == 0) {
        for (; wanted_count < GROUP_COUNT; wanted_count++)
            wanted[wanted_count] = &groups[wanted_count];
    }
    for (size_t i = 0; i < wanted_count; i++) {
        bench->watched = 0;
        bench->others_busy = 0;
        wanted[i]->run(bench);
    }
    if (bench->json)
        bench_print_json(bench);
    free(bench);
    return 0;
}
