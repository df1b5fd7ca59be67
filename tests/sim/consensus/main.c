// consensus-sim: worlds of consensus cores, one a seed, until all are done or one fails.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/keys.h"
#include "world.h"

static const char usage[] = "usage: consensus-sim [--seeds N] [--from S] [--expect-failure] [--verbose]\n"
                            "\n"
                            "Runs N worlds (100), one for each seed from S (1) on. The same seed gives the same run.\n"
                            "\n"
                            "  --expect-failure   succeeds at the first failure, fails if there is none\n"
                            "  --verbose          prints what happens\n";

struct options {
    uint64_t seeds;
    uint64_t from;
    bool expect_failure;
    bool verbose;
};

static bool parse(struct options *options, int argc, char **argv) {
    *options = (struct options){.seeds = 100, .from = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--expect-failure") == 0)
            options->expect_failure = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            options->verbose = true;
        else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            options->seeds = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc)
            options->from = strtoull(argv[++i], NULL, 10);
        else
            return false;
    }
    return options->seeds > 0;
}

// False: the seed failed.
static bool run_seed(const struct options *options, uint64_t seed) {
    struct sim_config config;
    struct sim_result result;
    sim_config_draw(&config, seed);
    config.verbose = options->verbose;
    sim_run(&result, &config);
    if (result.failure != NULL) {
        printf("seed %" PRIu64 " FAILED: machine %zu at height %" PRIu64 ", %" PRIu64 " ms: %s\n", seed, result.machine,
               result.height, result.at_ms, result.failure);
        printf("replay: consensus-sim --seeds 1 --from %" PRIu64 " --verbose\n", seed);
        return false;
    }
    printf("seed %-6" PRIu64 " ok  heights %3" PRIu64 "  deaths %3" PRIu32 "  accused %3" PRIu32 "  steps %6" PRIu64
           "  %6" PRIu64 " ms\n",
           seed, result.heights, result.deaths, result.accused, result.steps, result.at_ms);
    return true;
}

int main(int argc, char **argv) {
    struct options options;
    if (!parse(&options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    crypto_init();
    for (uint64_t i = 0; i < options.seeds; i++) {
        if (!run_seed(&options, options.from + i))
            return options.expect_failure ? 0 : 1;
    }
    printf("%" PRIu64 " seeds, no failure\n", options.seeds);
    return options.expect_failure ? 1 : 0;
}
