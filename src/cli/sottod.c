// sottod: a node.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "crypto/keys.h"
#include "host/config.h"

#define SETS_MAX 64

static void print_help(void) {
    struct buf keys = {0};
    config_describe(&keys);
    printf("usage: sottod [--config FILE] [--set KEY=VALUE]...\n\n"
           "Runs a Sotto node until SIGTERM or SIGINT. Keys of the YAML file, overridden by SOTTO_... in the\n"
           "environment (SOTTO_LOG_LEVEL for log.level), overridden by --set:\n\n%.*s",
           (int)keys.n, (const char *)keys.p);
    buf_free(&keys);
}

int main(int argc, char **argv) {
    const char *path = NULL;
    const char *sets[SETS_MAX];
    size_t set_count = 0;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("sottod " SOTTO_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--config") == 0 && more) {
            path = argv[++i];
        } else if (strcmp(argv[i], "--set") == 0 && more && set_count < SETS_MAX) {
            sets[set_count++] = argv[++i];
        } else {
            fprintf(stderr, "sottod: \"%s\" is not understood here; --help tells what is\n", argv[i]);
            return STATUS_USAGE;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    crypto_init();
    static struct host_config config;
    struct buf why = {0};
    int status = 1;
    if (config_load(&config, path, environ, sets, set_count, &why) == OK) {
        status = host_run(&config);
    } else {
        fprintf(stderr, "sottod: %.*s\n", (int)why.n, (const char *)why.p);
    }
    host_config_wipe(&config);
    buf_free(&why);
    return status;
}
