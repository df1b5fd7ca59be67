// sotto chain: what the ledger has decided, and what it is deciding.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/ledger_print.h"
#include "cli/options.h"
#include "cli/output.h"

#define NO_MORE \
    { .name = NULL }

static int head_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    bool consensus = false;
    const struct option options[] = {
        {"consensus", NULL, "what is being decided now, instead: height, round, step", .flag = &consensus},
        LEDGER_OPTIONS(ledger),
        NO_MORE};
    if (options_parse(argc, argv, options, "sotto chain head [options]",
                      "The network's rules, and the newest block, which is final.\n\n"
                      "  sotto chain head --dir sotto-testnet/validator1\n"
                      "  sotto chain head --json | jq .height") != 0) {
        return STATUS_USAGE;
    }
    return ledger_show(&ledger, consensus ? "/v1/consensus" : "/v1/chain", ledger_print_fields);
}

static int block_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    bool txs = false;
    const struct option options[] = {
        {"txs", NULL, "its transactions, in full", .flag = &txs}, LEDGER_OPTIONS(ledger), NO_MORE};
    char path[128];
    if (options_parse(argc, argv, options, "sotto chain block [options] BLOCK",
                      "A block, by height or id: its header, who signed for it, the ids of its transactions.\n\n"
                      "  sotto chain block 12\n"
                      "  sotto chain block --txs 12") != 1) {
        fprintf(stderr, "sotto: a height or a block's id is wanted\n");
        return STATUS_USAGE;
    }
    snprintf(path, sizeof(path), "/v1/blocks/%.100s%s", argv[1], txs ? "/txs" : "");
    return ledger_show(&ledger, path, ledger_print_fields);
}

static void print_checkpoint(const json_t *status) {
    const char *checkpoint = json_string_value(json_object_get(status, "checkpoint"));
    printf("%s\n", checkpoint != NULL ? checkpoint : "none: this node holds no directory yet");
}

static int checkpoint_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    const struct option options[] = {LEDGER_OPTIONS(ledger), NO_MORE};
    if (options_parse(
            argc, argv, options, "sotto chain checkpoint [options]",
            "A block that this node has verified, as height:id. Whoever trusts you can put it as\n"
            "`checkpoint:` into the configuration of a node that was away for too long. Relays and users have\n"
            "one as well: --dir may name the folder of any node with api.listen.\n\n"
            "  sotto chain checkpoint --dir relay7") != 0) {
        return STATUS_USAGE;
    }
    return ledger_show(&ledger, "/v1/status", print_checkpoint);
}

static int validators_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    const struct option options[] = {LEDGER_OPTIONS(ledger), NO_MORE};
    if (options_parse(argc, argv, options, "sotto chain validators [options]",
                      "Who votes on the next block, with what power. A block needs more than two thirds of it.") != 0) {
        return STATUS_USAGE;
    }
    return ledger_show(&ledger, "/v1/validators", ledger_print_validators);
}

static int mempool_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    const struct option options[] = {LEDGER_OPTIONS(ledger), NO_MORE};
    if (options_parse(argc, argv, options, "sotto chain mempool [options]",
                      "Transactions that wait for a block, in order of arrival, the first 200.") != 0) {
        return STATUS_USAGE;
    }
    return ledger_show(&ledger, "/v1/mempool", ledger_print_txs);
}

static const struct command commands[] = {
    {"head", "", "the newest block, and the network's rules", head_main},
    {"block", "HEIGHT|ID", "a block", block_main},
    {"checkpoint", "", "a block for a node that was away for too long", checkpoint_main},
    {"validators", "", "who votes on the next block", validators_main},
    {"mempool", "", "transactions that wait", mempool_main},
    {NULL, NULL, NULL, NULL},
};

int chain_main(int argc, char **argv) {
    return command_dispatch(argc, argv, commands, "sotto chain", "What the ledger has decided.");
}
