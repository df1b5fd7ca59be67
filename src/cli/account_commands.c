// sotto account: a person's account, and accounts of the ledger. An account of the ledger is a key, and nothing more:
// it is there as soon as somebody sends it something.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/ledger_print.h"
#include "cli/options.h"
#include "cli/output.h"

#define NO_MORE \
    { .name = NULL }

static int new_main(int argc, char **argv) {
    return key_make(argc, argv, "sotto account new FILE",
                    "Makes an account of the ledger: a secret key in FILE (mode 0600, never overwritten). Prints the\n"
                    "account, to which others can send grains at once.\n\n"
                    "  sotto account new me.key");
}

// Writes the path about a named account. The exit status of a failure, or 0.
static int path_of(char *path, size_t n, const char *name, const char *tail) {
    struct sign_public key;
    struct buf why = {0};
    char hex[65];
    if (key_named(&key, name, &why) != OK) {
        return output_error(&why);
    }
    hex_encode(hex, SPAN_OF(key.bytes));
    snprintf(path, n, "/v1/accounts/%s%s", hex, tail);
    return 0;
}

static int show_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    const struct option options[] = {LEDGER_OPTIONS(ledger), NO_MORE};
    char path[160];
    if (options_parse(argc, argv, options, "sotto account show [options] ACCOUNT",
                      "An account's balance, and the nonce of its next transaction. ACCOUNT is its key, its key file,\n"
                      "or the folder of a relay, whose own account pays for its transactions.\n\n"
                      "  sotto account show me.key\n"
                      "  sotto account show --json 5f0c...9a | jq .balance.grains") != 1) {
        fprintf(stderr, "sotto: an account is wanted: its key, or its key file\n");
        return STATUS_USAGE;
    }
    int status = path_of(path, sizeof(path), argv[1], "");
    return status != 0 ? status : ledger_show(&ledger, path, ledger_print_fields);
}

static int history_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    uint64_t limit = 50, cursor = 0;
    const struct option options[] = {
        {"limit", "N", "how many (50)", .number = &limit, .min = 1, .max = 200},
        {"cursor", "N", "go on from there, as the page before said", .number = &cursor, .min = 0, .max = INT64_MAX},
        LEDGER_OPTIONS(ledger),
        NO_MORE};
    char path[160], tail[64];
    if (options_parse(argc, argv, options, "sotto account history [options] ACCOUNT",
                      "What an account has sent and received, newest first: block, kind, amount, id.\n\n"
                      "  sotto account history me.key\n"
                      "  sotto account history --limit 5 5f0c...9a") != 1) {
        fprintf(stderr, "sotto: an account is wanted: its key, or its key file\n");
        return STATUS_USAGE;
    }
    snprintf(tail, sizeof(tail), "/txs?limit=%llu&cursor=%llu", (unsigned long long)limit, (unsigned long long)cursor);
    int status = path_of(path, sizeof(path), argv[1], tail);
    return status != 0 ? status : ledger_show(&ledger, path, ledger_print_txs);
}

static const struct command commands[] = {
    {"create", "--genesis FILE", "an account of your own, to talk to others with", account_create_main},
    {"new", "FILE", "an account of the ledger: a key file", new_main},
    {"show", "ACCOUNT", "its balance", show_main},
    {"history", "ACCOUNT", "what it has sent and received", history_main},
    {NULL, NULL, NULL, NULL},
};

int account_main(int argc, char **argv) {
    return command_dispatch(argc, argv, commands, "sotto account", "Accounts: yours, and those of the ledger.");
}
