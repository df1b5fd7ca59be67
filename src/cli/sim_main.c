// sotto-sim: runs simulated worlds, one a seed, until all are done or one fails.
#include <inttypes.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/keys.h"
#include "sim/sim.h"

#define WITHOUT_MAX 18

struct options {
    uint64_t seeds;
    uint64_t from;
    uint32_t validators; // 0: drawn
    uint32_t relays;     // 0: drawn
    uint32_t users;      // 0: drawn
    uint32_t messages;   // 0: drawn
    bool quiet_world;    // no faults
    const char *without[WITHOUT_MAX];
    size_t without_count;
    bool until_failure;
    bool verbose;
};

static const char usage[] =
    "usage: sotto-sim [--seeds N] [--from S] [--validators N] [--relays N] [--users N]\n"
    "                 [--messages N] [--quiet] [--without FAULT] [--expect-failure] [--verbose]\n"
    "\n"
    "Runs N simulated networks (100), one for each seed from S (1) on: validators with\n"
    "their ledger, relays, users, and whatever goes wrong. The same seed gives the same run.\n"
    "\n"
    "  --validators, --relays, --users, --messages   instead of what the seed draws\n"
    "  --quiet            nothing goes wrong\n"
    "  --without FAULT    leaves out one kind of fault; may be repeated: kill effect power blackout\n"
    "                     pause partition break stall slow clock full failing-write lost-disk\n"
    "                     join retire move intruder ambush tampering\n"
    "  --expect-failure   succeeds at the first failure, fails if there is none\n"
    "  --verbose          prints everything that happens\n";

static const char *forbidden_name(void) {
    return "forbidden";
}

static uint32_t forbidden_random(void) {
    fputs("sotto-sim: protocol code asked libsodium for randomness\n", stderr);
    abort();
}

static void forbidden_buf(void *const out, const size_t n) {
    (void)out;
    (void)n;
    (void)forbidden_random();
}

// A node draws randomness from its seeded generator only.
static void forbid_randombytes(void) {
    static struct randombytes_implementation forbidden = {
        .implementation_name = forbidden_name, .random = forbidden_random, .buf = forbidden_buf};
    crypto_init();
    randombytes_set_implementation(&forbidden);
}

static void print_entry(void *ctx, const struct trace_entry *entry) {
    FILE *out = ctx;
    fprintf(out, "%9" PRIu64 " ms  ", entry->at_ms);
    if (entry->machine == UINT32_MAX)
        fputs("     ", out);
    else
        fprintf(out, "m%-3" PRIu32 " ", entry->machine);
    fprintf(out, "%s %" PRIu64 " %" PRIu64 "\n", entry->what, entry->a, entry->b);
}

static bool parse_number(uint64_t *out, const char *text) {
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return false;
    *out = strtoull(text, &end, 10);
    return *end == '\0';
}

static bool parse_u32(uint32_t *out, const char *text, uint64_t max) {
    uint64_t number;
    if (!parse_number(&number, text) || number == 0 || number > max)
        return false;
    *out = (uint32_t)number;
    return true;
}

static bool parse_flag(struct options *options, const char *arg) {
    if (strcmp(arg, "--verbose") == 0)
        options->verbose = true;
    else if (strcmp(arg, "--quiet") == 0)
        options->quiet_world = true;
    else if (strcmp(arg, "--expect-failure") == 0)
        options->until_failure = true;
    else
        return false;
    return true;
}

static bool parse_value(struct options *options, const char *arg, const char *value) {
    if (strcmp(arg, "--seeds") == 0)
        return parse_number(&options->seeds, value) && options->seeds > 0;
    if (strcmp(arg, "--from") == 0)
        return parse_number(&options->from, value);
    if (strcmp(arg, "--validators") == 0)
        return parse_u32(&options->validators, value, GENESIS_SEEDS_MAX);
    if (strcmp(arg, "--relays") == 0)
        return parse_u32(&options->relays, value, 3000);
    if (strcmp(arg, "--users") == 0)
        return parse_u32(&options->users, value, 100) && options->users >= 2;
    if (strcmp(arg, "--messages") == 0)
        return parse_u32(&options->messages, value, 80);
    struct sim_config config;
    if (strcmp(arg, "--without") == 0 && options->without_count < WITHOUT_MAX && sim_without(&config, value)) {
        options->without[options->without_count++] = value;
        return true;
    }
    return false;
}

static bool parse_options(struct options *options, int argc, char **argv) {
    *options = (struct options){.seeds = 100, .from = 1};
    for (int i = 1; i < argc; i++) {
        if (parse_flag(options, argv[i]))
            continue;
        if (i + 1 == argc || !parse_value(options, argv[i], argv[i + 1]))
            return false;
        i++;
    }
    return true;
}

static void configure(struct sim_config *config, const struct options *options, uint64_t seed) {
    if (options->quiet_world)
        sim_config_quiet(config, seed);
    else
        sim_config_draw(config, seed);
    if (options->validators > 0)
        config->validators = options->validators;
    if (options->relays > 0)
        config->relays = options->relays;
    if (options->users > 0)
        config->users = options->users;
    if (options->messages > 0)
        config->messages = options->messages;
    for (size_t i = 0; i < options->without_count; i++)
        sim_without(config, options->without[i]);
    if (options->verbose)
        config->sink = (struct trace_sink){stdout, print_entry};
}

static void print_failure(const struct sim_result *result, const struct options *options, uint64_t seed) {
    printf("seed %" PRIu64 " FAILED: ", seed);
    print_entry(stdout, &(struct trace_entry){result->failure.at_ms, result->failure.what, result->failure.machine,
                                              result->failure.a, result->failure.b});
    printf("what happened last:\n");
    const struct trace_entry *entry;
    for (size_t i = 0; !options->verbose && (entry = trace_tail(&result->trace, i)) != NULL; i++)
        print_entry(stdout, entry);
    printf("replay: sotto-sim --seeds 1 --from %" PRIu64, seed);
    if (options->validators > 0)
        printf(" --validators %" PRIu32, options->validators);
    if (options->relays > 0)
        printf(" --relays %" PRIu32, options->relays);
    if (options->users > 0)
        printf(" --users %" PRIu32, options->users);
    if (options->messages > 0)
        printf(" --messages %" PRIu32, options->messages);
    for (size_t i = 0; i < options->without_count; i++)
        printf(" --without %s", options->without[i]);
    printf("%s --verbose\n", options->quiet_world ? " --quiet" : "");
}

// False when the seed failed.
static bool run_seed(const struct options *options, uint64_t seed) {
    struct sim_config config;
    struct sim_result result;
    configure(&config, options, seed);
    sim_run(&result, &config);
    if (result.failure.what != NULL) {
        print_failure(&result, options, seed);
        return false;
    }
    printf("seed %-6" PRIu64 " ok  %3" PRIu32 " sent %3" PRIu32 " shown %3" PRIu32 " expired %3" PRIu32
           " crashes %4" PRIu64 " blocks %7" PRIu64 " steps %7" PRIu64 " frames %4" PRIu64 " s  trace %016" PRIx64 "\n",
           seed, result.messages, result.shown, result.expired, result.crashes, result.heights, result.steps,
           result.frames, result.virtual_ms / 1000, result.trace_hash);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv) {
    struct options options;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse_options(&options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    forbid_randombytes();
    for (uint64_t i = 0; i < options.seeds; i++) {
        if (!run_seed(&options, options.from + i))
            return options.until_failure ? 0 : 1;
    }
    printf("%" PRIu64 " seeds, no failure\n", options.seeds);
    return options.until_failure ? 1 : 0;
}
