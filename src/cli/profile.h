// A user's folder, and the node that serves it: one that runs already, or one started for the length of a command.
#ifndef SOTTO_CLI_PROFILE_H
#define SOTTO_CLI_PROFILE_H

#include <limits.h>
#include <sys/types.h>

#include "testnet/control.h"

struct profile_options {
    const char *dir; // NULL: $SOTTO_DIR, else $XDG_DATA_HOME/sotto, else ~/.local/share/sotto
    const char *passphrase_file;
    const char *proxy; // socks5://... for the links of a node that this command starts
};

struct profile_session {
    char dir[PATH_MAX];
    char url[96];
    char token[PATH_MAX];
    struct http_client *http;
    pid_t node; // started by this command, 0: one ran already
};

#define PROFILE_OPTIONS(options)                                                                                      \
    {"dir", "DIR", "your folder (~/.local/share/sotto)", .text = &(options).dir},                                     \
        {"passphrase-file", "FILE", "where the passphrase is, e.g. /dev/fd/3", .text = &(options).passphrase_file}, { \
        "proxy", "URL", "socks5://[user:password@]host:port for links to the entry", .text = &(options).proxy         \
    }

// The folder to use. False, with a message, when there is none to be known.
bool profile_dir(char out[static PATH_MAX], const struct profile_options *options);
// A passphrase from the file, or asked for on the terminal (twice when it is new).
enum err profile_passphrase(struct buf *out, const struct profile_options *options, bool is_new, struct buf *why);
// Finds or starts the node. OK when its API answers; wait_ready: when it can send and receive.
enum err profile_open(struct profile_session *session, const struct profile_options *options, bool wait_ready,
                      struct buf *why);
// A genesis file: what it says, and its text, which is appended. ERR_MALFORMED with the place in `why`.
enum err profile_genesis(struct genesis *out, struct buf *text, const char *path, struct buf *why);
void profile_close(struct profile_session *session); // ends a node that profile_open started, cleanly
// A call of the node's API; a refusal is ERR_NOT_FOUND (404) or ERR_REFUSED with its reason in `why`. *json is the
// caller's.
enum err profile_call(struct profile_session *session, json_t **json, const char *method, const char *path,
                      const json_t *body, struct buf *why);

#endif
