// sotto: everything a person types.
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "crypto/keys.h"

static int version_main(int argc, char **argv) {
    (void)argc;
    (void)argv;
    puts("sotto " SOTTO_VERSION);
    return 0;
}

static const struct command commands[] = {
    {"demo", "[--once]", "a local network, a private message, its way", demo_main},
    {"testnet", "COMMAND", "local networks: up, down, status, send, kill, ...", testnet_main},
    {"account", "create|new|show|history", "an account of your own; accounts of the ledger", account_main},
    {"id", "", "your link, to give to others", id_main},
    {"contacts", "[add|remove|block]", "whom you know", contacts_main},
    {"send", "NAME TEXT", "a message to a contact", send_main},
    {"inbox", "", "the messages you have", inbox_main},
    {"requests", "[accept|refuse]", "first messages of strangers", requests_main},
    {"watch", "", "messages as they come", watch_main},
    {"backup", "FILE", "the account and its contacts, sealed", backup_main},
    {"restore", "BACKUP", "an account from a backup", restore_main},
    {"tx", "send|show", "transactions of the ledger", tx_main},
    {"chain", "head|block|validators|mempool", "what the ledger has decided", chain_main},
    {"validator", "list|vote|stake|unstake", "who decides, and how to take part", validator_main},
    {"relay", "list|show|register|retire", "relays on the ledger: stakes, deliveries, rewards", relay_main},
    {"keys", "node|ca|certify", "keys and certificates of nodes", keys_main},
    {"version", "", "the version", version_main},
    {NULL, NULL, NULL, NULL},
};

const char *sottod_path(void) {
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);
    path[n > 0 ? n : 0] = 0;
    char *slash = strrchr(path, '/');
    char *name = slash == NULL ? path : slash + 1;
    snprintf(name, sizeof(path) - (size_t)(name - path), "sottod");
    return path;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    crypto_init();
    return command_dispatch(argc, argv, commands, "sotto", "Private messages over onion-routed relays.");
}
