// The table of all configuration keys.
#ifndef SOTTO_HOST_CONFIG_KEYS_H
#define SOTTO_HOST_CONFIG_KEYS_H

#include "host/host.h"

// What the keys set: the host's configuration, and the files that are loaded into it afterwards.
struct settings {
    struct host_config host;
    char genesis_path[HOST_PATH_MAX];
    char identity_path[HOST_PATH_MAX];
    char validator_path[HOST_PATH_MAX];
    char operator_path[HOST_PATH_MAX];
    char account_path[HOST_PATH_MAX];
    char passphrase_path[HOST_PATH_MAX];
    bool profile_set;
    bool storage_set;
};

enum key_kind {
    KEY_NAME,      // a short word
    KEY_PATH,      // relative to the file's folder
    KEY_NUMBER,    // uint32_t
    KEY_DURATION,  // uint32_t milliseconds: 500ms, 20s, 5m, 1h
    KEY_BYTES,     // uint64_t bytes: 1048576, 256M, 10G
    KEY_SWITCH,    // bool: true or false
    KEY_ADDRESS,   // struct address: host:port
    KEY_ADDRESSES, // the listen addresses
    KEY_ROLES,
    KEY_STORAGE,
    KEY_PROFILE,
    KEY_PROXY, // socks5://[user:password@]host:port; never shown: it may hold a password
    KEY_LEVEL,
    KEY_CHECKPOINT, // struct checkpoint: height:id
};

struct config_key {
    const char *name; // dotted
    enum key_kind kind;
    size_t offset; // into struct settings
    uint64_t min;  // numbers, durations (ms) and bytes
    uint64_t max;
    const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

const struct config_key *config_key_find(const char *name); // NULL: no such key
// Sets one value. ERR_INVALID with what is allowed in `allowed` (text). `folder` is for relative paths.
enum err config_key_set(struct settings *settings, const struct config_key *key, const char *value, const char *folder,
                        struct buf *allowed);
// The value a key has in `settings`, as text; empty where it has none.
void config_key_value(struct buf *out, const struct config_key *key, const struct settings *settings);
// What a key takes, as text.
void config_key_allowed(struct buf *out, const struct config_key *key);

#endif
