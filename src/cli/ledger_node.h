// The ledger node that a command speaks to: one of this machine, by its folder, or any by its API's address and token.
#ifndef SOTTO_CLI_LEDGER_NODE_H
#define SOTTO_CLI_LEDGER_NODE_H

#include "cli/profile.h"

struct ledger_options {
    const char *dir; // as in struct profile_options
    const char *url; // set: instead of the folder
    const char *token_file;
    bool json;
};

#define LEDGER_OPTIONS(options)                                                                                     \
    {"dir", "DIR", "folder of a ledger node, with its config.yaml (~/.local/share/sotto)", .text = &(options).dir}, \
        {"api", "URL", "or where its API is, as http://127.0.0.1:7990,", .text = &(options).url},                   \
        {"token-file", "FILE", "... and the file with its token", .text = &(options).token_file}, {                 \
        "json", NULL, "for scripts", .flag = &(options).json                                                        \
    }

// Finds the node's API in options or configuration; starts nothing. profile_call and profile_close go on from there.
enum err ledger_node_open(struct profile_session *session, const struct ledger_options *options, struct buf *why);
// Another node's, by its folder.
enum err ledger_node_open_dir(struct profile_session *session, const char *dir, struct buf *why);

// Opens the node, makes one GET, prints what came (as JSON if asked to), closes. The exit status.
int ledger_show(const struct ledger_options *options, const char *path, void (*print)(const json_t *json));

#endif
