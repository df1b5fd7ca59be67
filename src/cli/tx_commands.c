// sotto tx: transactions of the ledger.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/ledger_print.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/tx_sending.h"

#define NO_MORE \
    { .name = NULL }

static enum err make_transfer(struct tx *tx, const char *to, const char *amount, struct buf *why) {
    struct sign_public key;
    enum err err = key_named(&key, to, why);
    tx->kind = TX_TRANSFER;
    memcpy(tx->transfer.to.bytes, key.bytes, sizeof(key.bytes));
    return err == OK ? sending_amount(&tx->transfer.amount, amount, why) : err;
}

static int transfer_main(int argc, char **argv) {
    struct sending_options sending_options = {.nonce = NONCE_NEXT};
    const struct option options[] = {SENDING_OPTIONS(sending_options), NO_MORE};
    if (options_parse(
            argc, argv, options, "sotto tx send --key FILE [options] TO AMOUNT",
            "Moves grains from one account to another. TO is the account's key, or its key file. One SOT\n"
            "is 1,000,000 grains; an amount has its unit.\n\n"
            "  sotto tx send --key me.key 5f0c...9a 1.5SOT          # waits here: a promise of nothing\n"
            "  sotto tx send --key me.key --wait 5f0c...9a 200grains  # returns when a block has it\n"
            "  sotto tx send --key me.key --nonce 7 --fee 0.01SOT 5f0c...9a 1SOT  # replaces the waiting one") != 2) {
        fprintf(stderr, "sotto: to whom, and an amount such as 1.5SOT, are wanted\n");
        return STATUS_USAGE;
    }
    struct sending sending;
    struct buf why = {0};
    enum err err = sending_begin(&sending, &sending_options, &why);
    if (err == OK) {
        err = make_transfer(&sending.tx, argv[1], argv[2], &why);
    }
    return sending_finish(&sending, err, &why);
}

static int show_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    const struct option options[] = {LEDGER_OPTIONS(ledger), NO_MORE};
    char path[128];
    if (options_parse(argc, argv, options, "sotto tx show [options] ID",
                      "A transaction: where it stands, what it says, what became of it, and the proof that its block\n"
                      "has it. A pending one may still be replaced or dropped; a final one is for good.\n\n"
                      "  sotto tx show 0c4e...77") != 1) {
        fprintf(stderr, "sotto: a transaction's id is wanted\n");
        return STATUS_USAGE;
    }
    snprintf(path, sizeof(path), "/v1/txs/%.100s", argv[1]);
    return ledger_show(&ledger, path, ledger_print_fields);
}

static const struct command commands[] = {
    {"send", "TO AMOUNT", "moves grains to an account", transfer_main},
    {"show", "ID", "where a transaction stands", show_main},
    {NULL, NULL, NULL, NULL},
};

int tx_main(int argc, char **argv) {
    return command_dispatch(argc, argv, commands, "sotto tx", "Transactions of the ledger.");
}
