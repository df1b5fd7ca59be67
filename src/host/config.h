// The operator's configuration: a YAML file, then SOTTO_... variables, then --set key=value; each overrides the one
// before.
//
// One table holds every key with its kind, range, default and help; the file, the environment, --set and the manual are
// all read from it. An unknown key or a bad value names the place, the key and what is allowed.
#ifndef SOTTO_HOST_CONFIG_H
#define SOTTO_HOST_CONFIG_H

#include "host/host.h"

// Reads a file (NULL: none), then `environment` (as environ; NULL: none), then `sets` ("key=value", `set_count` of
// them), and loads the files that the values name (genesis, keys, account). Relative paths are relative to the
// configuration file's folder. On failure `why` says where, which key, and what is allowed; host_config_wipe is for the
// caller in either case.
enum err config_load(struct host_config *out, const char *path, char *const *environment, const char *const *sets,
                     size_t set_count, struct buf *why);

// Reads a file's keys alone, without the environment and without opening what the values name: for a program that only
// wants to know where a node's API is.
enum err config_peek(struct host_config *out, const char *path, struct buf *why);

// The same of a text that is no file.
enum err config_parse(struct host_config *out, struct span text, struct buf *why);

// A user's database: its name in data_dir, and its key, which follows from the account's seed.
#define CONFIG_USER_DATABASE "user.db"
void config_store_key(uint8_t key[static 32], const uint8_t account_seed[static 32]);

// The manual: every key with kind, default and help.
void config_describe(struct buf *out);

#endif
