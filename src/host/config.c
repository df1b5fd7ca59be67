// Reading the configuration: YAML events into dotted keys, the environment, --set, then the files that values name.
#define _GNU_SOURCE
#include "host/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "host/config_keys.h"
#include "host/key_file.h"

#define CONFIG_BYTES_MAX (64 * 1024)
#define KEY_NAME_MAX 128
#define VALUE_MAX 2048
#define LINKS_BEYOND_CLIENTS 2048

static enum err explain(struct buf *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum err explain(struct buf *why, const char *format, ...) {
    char text[HOST_PATH_MAX + 512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buf_clear(why);
    buf_append(why, span_of_text(text));
    return ERR_INVALID;
}

static enum err set_key(struct settings *settings, const char *name, const char *value, const char *folder,
                        const char *where, struct buf *why) {
    const struct config_key *key = config_key_find(name);
    if (key == NULL) {
        return explain(why, "%s: there is no key \"%s\"; `sottod --help` lists all keys", where, name);
    }
    struct buf allowed = {0};
    enum err err = config_key_set(settings, key, value, folder, &allowed);
    if (err != OK) {
        bool secret = key->kind == KEY_PROXY;
        explain(why, "%s: %s: %s%s%s will not do; allowed: %.*s", where, name, secret ? "" : "\"",
                secret ? "what stands there" : value, secret ? "" : "\"", (int)allowed.n, (const char *)allowed.p);
    }
    buf_free(&allowed);
    return err;
}

// The YAML reader: a mapping of scalars, lists of scalars, or one level of mappings of those.
struct yaml_reader {
    struct settings *settings;
    const char *path;
    const char *folder;
    struct buf *why;
    unsigned documents;
    unsigned depth; // mappings entered
    char section[KEY_NAME_MAX];
    char key[KEY_NAME_MAX];
    bool key_set;
    bool in_list;
    char list[VALUE_MAX];
    char seen[128][KEY_NAME_MAX];
    size_t seen_count;
};

static enum err yaml_wrong(const struct yaml_reader *r, const yaml_mark_t *mark, const char *text) {
    return explain(r->why, "%s:%zu: %s", r->path, mark->line + 1, text);
}

static enum err yaml_assign(struct yaml_reader *r, const yaml_mark_t *mark, const char *value) {
    char where[HOST_PATH_MAX + 32];
    char name[2 * KEY_NAME_MAX + 2];
    snprintf(where, sizeof(where), "%s:%zu", r->path, mark->line + 1);
    snprintf(name, sizeof(name), "%s%s%s", r->section, r->section[0] == 0 ? "" : ".", r->key);
    for (size_t i = 0; i < r->seen_count; i++) {
        if (strcmp(r->seen[i], name) == 0) {
            return explain(r->why, "%s: %s stands twice", where, name);
        }
    }
    if (r->seen_count < sizeof(r->seen) / sizeof(r->seen[0])) {
        snprintf(r->seen[r->seen_count++], KEY_NAME_MAX, "%.*s", KEY_NAME_MAX - 1, name);
    }
    r->key_set = false;
    return set_key(r->settings, name, value, r->folder, where, r->why);
}

static enum err yaml_scalar(struct yaml_reader *r, const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    if (r->depth == 0 || strlen(text) != event->data.scalar.length) {
        return yaml_wrong(r, &event->start_mark, "a mapping of keys to values is wanted");
    }
    if (r->in_list) {
        size_t n = strlen(r->list);
        if (n + strlen(text) + 2 > sizeof(r->list)) {
            return yaml_wrong(r, &event->start_mark, "the list is too long");
        }
        snprintf(r->list + n, sizeof(r->list) - n, "%s%s", n == 0 ? "" : ",", text);
        return OK;
    }
    if (r->key_set) {
        return yaml_assign(r, &event->start_mark, text);
    }
    if (strlen(text) >= sizeof(r->key)) {
        return yaml_wrong(r, &event->start_mark, "no key is so long");
    }
    snprintf(r->key, sizeof(r->key), "%s", text);
    r->key_set = true;
    return OK;
}

static enum err yaml_mapping_start(struct yaml_reader *r, const yaml_event_t *event) {
    if (r->in_list || r->depth == 2 || (r->depth == 1 && !r->key_set)) {
        return yaml_wrong(r, &event->start_mark, "no mapping belongs here");
    }
    if (r->depth == 1) {
        snprintf(r->section, sizeof(r->section), "%s", r->key);
        r->key_set = false;
    }
    r->depth++;
    return OK;
}

static enum err yaml_event(struct yaml_reader *r, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return yaml_scalar(r, event);
    case YAML_MAPPING_START_EVENT:
        return yaml_mapping_start(r, event);
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        r->section[0] = 0;
        return OK;
    case YAML_SEQUENCE_START_EVENT:
        if (!r->key_set || r->in_list) {
            return yaml_wrong(r, &event->start_mark, "no list belongs here");
        }
        r->in_list = true;
        r->list[0] = 0;
        return OK;
    case YAML_SEQUENCE_END_EVENT:
        r->in_list = false;
        return yaml_assign(r, &event->start_mark, r->list);
    case YAML_ALIAS_EVENT:
        return yaml_wrong(r, &event->start_mark, "aliases are not supported");
    case YAML_DOCUMENT_START_EVENT:
        return r->documents++ == 0 ? OK : yaml_wrong(r, &event->start_mark, "one document is all");
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return OK;
    }
    return OK;
}

static enum err read_yaml(struct settings *settings, const char *path, const char *folder, struct span text,
                          struct buf *why) {
    struct yaml_reader *r = NEW(struct yaml_reader);
    *r = (struct yaml_reader){.settings = settings, .path = path, .folder = folder, .why = why};
    yaml_parser_t parser;
    int started = yaml_parser_initialize(&parser);
    ASSERT(started == 1);
    yaml_parser_set_input_string(&parser, text.p, text.n);
    enum err err = OK;
    for (bool end = false; err == OK && !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            err = explain(why, "%s:%zu: not YAML: %s", path, parser.problem_mark.line + 1,
                          parser.problem == NULL ? "unreadable" : parser.problem);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        err = yaml_event(r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    free(r);
    return err;
}

static enum err read_file(struct settings *settings, const char *path, struct buf *why) {
    char folder[HOST_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    if (n >= sizeof(folder)) {
        return explain(why, "%s: the path is too long", path);
    }
    memcpy(folder, path, n);
    folder[n] = 0;
    if (n == 0 && slash != NULL) {
        snprintf(folder, sizeof(folder), "/");
    }
    struct buf text = {0};
    enum err err = file_read(&text, path, CONFIG_BYTES_MAX, why);
    if (err == OK) {
        err = read_yaml(settings, path, folder, buf_span(&text), why);
    }
    buf_free(&text);
    return err;
}

// SOTTO_LIMITS_LINKS names limits.links: letters in upper case, dots as underscores.
static void variable_name(char out[static KEY_NAME_MAX], const char *key) {
    int n = snprintf(out, KEY_NAME_MAX, "SOTTO_%s", key);
    for (int i = 6; i < n; i++) {
        out[i] = out[i] == '.' ? '_' : (char)(out[i] >= 'a' && out[i] <= 'z' ? out[i] - 32 : out[i]);
    }
}

static enum err read_environment(struct settings *settings, char *const *environment, struct buf *why) {
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        if (strncmp(*environment, "SOTTO_", 6) != 0 || equals == NULL || strncmp(*environment, "SOTTO_DIR=", 10) == 0) {
            continue; // SOTTO_DIR is read by `sotto`, which starts nodes
        }
        char where[KEY_NAME_MAX + 16];
        snprintf(where, sizeof(where), "environment %.*s", (int)(equals - *environment), *environment);
        const struct config_key *key = NULL;
        for (size_t i = 0; i < config_key_count && key == NULL; i++) {
            char name[KEY_NAME_MAX];
            variable_name(name, config_keys[i].name);
            size_t n = strlen(name);
            key = n == (size_t)(equals - *environment) && memcmp(name, *environment, n) == 0 ? &config_keys[i] : NULL;
        }
        if (key == NULL) {
            return explain(why, "%s: no such key; `sottod --help` lists all keys", where);
        }
        enum err err = set_key(settings, key->name, equals + 1, "", where, why);
        if (err != OK) {
            return err;
        }
    }
    return OK;
}

static enum err read_sets(struct settings *settings, const char *const *sets, size_t count, struct buf *why) {
    for (size_t i = 0; i < count; i++) {
        char name[KEY_NAME_MAX];
        const char *equals = strchr(sets[i], '=');
        if (equals == NULL || (size_t)(equals - sets[i]) >= sizeof(name)) {
            return explain(why, "--set %s: key=value is wanted", sets[i]);
        }
        memcpy(name, sets[i], (size_t)(equals - sets[i]));
        name[equals - sets[i]] = 0;
        enum err err = set_key(settings, name, equals + 1, "", "--set", why);
        if (err != OK) {
            return err;
        }
    }
    return OK;
}

static enum err load_genesis(struct settings *settings, struct buf *why) {
    if (settings->genesis_path[0] == 0) {
        return explain(why, "genesis: the path of the network's genesis file is missing");
    }
    struct buf text = {0};
    unsigned line = 0;
    enum err err = file_read(&text, settings->genesis_path, GENESIS_BYTES_MAX, why);
    if (err == OK && genesis_parse(&settings->host.node.genesis, buf_span(&text), &line) != OK) {
        err = explain(why, "%s:%u: not as a genesis file should be", settings->genesis_path, line);
    }
    buf_free(&text);
    if (err == OK && !settings->profile_set) {
        settings->host.node.profile = settings->host.node.genesis.profile;
    }
    return err;
}

void config_store_key(uint8_t key[static 32], const uint8_t account_seed[static 32]) {
    hash_keyed(key, 32, account_seed, "sotto database key 1", (struct span){NULL, 0});
}

static enum err load_account(struct settings *settings, struct buf *why) {
    struct host_config *host = &settings->host;
    if (settings->account_path[0] == 0 || settings->passphrase_path[0] == 0) {
        return explain(why, "account and passphrase_file are missing: a user needs both");
    }
    struct buf passphrase = {0};
    enum err err = passphrase_read(&passphrase, settings->passphrase_path, why);
    if (err == OK) {
        err = account_file_read(host->node.account_seed, settings->account_path, buf_span(&passphrase), why);
    }
    buf_wipe(&passphrase);
    config_store_key(host->store_key, host->node.account_seed);
    return err;
}

static enum err load_key(uint8_t seed[static KEY_SEED_BYTES], const char *name, const char *path, struct buf *why) {
    if (path[0] == 0) {
        return explain(why, "%s: the path of a key file is missing; `sotto keys` makes one", name);
    }
    return key_file_read(seed, path, why);
}

static enum err load_files(struct settings *settings, struct buf *why) {
    struct node_config *node = &settings->host.node;
    enum err err = load_genesis(settings, why);
    if (err == OK && (node->roles & (ROLE_RELAY | ROLE_BOOTSTRAP | ROLE_VALIDATOR))) {
        err = load_key(node->identity_seed, "identity", settings->identity_path, why);
    }
    node->has_validator_key = (node->roles & ROLE_VALIDATOR) && settings->validator_path[0] != 0;
    if (err == OK && node->has_validator_key) {
        err = load_key(node->validator_seed, "validator_key", settings->validator_path, why);
    }
    node->has_operator_key = (node->roles & ROLE_RELAY) && settings->operator_path[0] != 0;
    if (err == OK && node->has_operator_key) {
        err = load_key(node->operator_seed, "operator_key", settings->operator_path, why);
    }
    if (err == OK && (node->roles & ROLE_USER)) {
        err = load_account(settings, why);
    }
    return err;
}

// A user's messages are stored encrypted or not at all; what relays store is encrypted by others.
static enum err check_storage(struct settings *settings, struct buf *why) {
    struct host_config *host = &settings->host;
    bool user = (host->node.roles & ROLE_USER) != 0;
    if (user && !settings->storage_set) {
        host->storage = STORAGE_SQLCIPHER;
    }
    if (host->storage == (user ? STORAGE_ROCKSDB : STORAGE_SQLCIPHER)) {
        return explain(why, "storage: %s",
                       user ? "a user's state is kept in sqlcipher or memory" : "sqlcipher is for users; use rocksdb");
    }
    if (host->storage != STORAGE_MEMORY && host->data_dir[0] == 0) {
        return explain(why, "data_dir: missing; storage other than memory needs a folder");
    }
    if (host->api.port != 0 && host->data_dir[0] == 0 && host->token_path[0] == 0) {
        return explain(why, "api.token_file: missing; without data_dir the token needs a place of its own");
    }
    return OK;
}

static bool is_wildcard(const struct address *address) {
    return strcmp(address->host, "0.0.0.0") == 0 || strcmp(address->host, "::") == 0;
}

static enum err check_addresses(struct host_config *host, struct buf *why) {
    bool serves = (host->node.roles & (ROLE_RELAY | ROLE_BOOTSTRAP | ROLE_VALIDATOR)) != 0;
    if (serves && host->listen_count == 0) {
        return explain(why, "listen: missing; a relay, bootstrap or validator node accepts links somewhere");
    }
    if (!serves && host->listen_count > 0) {
        return explain(why, "listen: a user's node accepts no links");
    }
    if (serves && host->node.address.port == 0) {
        host->node.address = host->listen[0];
    }
    if ((host->node.roles & ROLE_RELAY) && is_wildcard(&host->node.address)) {
        return explain(why, "advertise: missing; nobody can reach this relay at %s", host->node.address.host);
    }
    return OK;
}

// What no single key can tell.
static enum err check_together(struct settings *settings, struct buf *why) {
    struct host_config *host = &settings->host;
    if (host->node.roles == 0) {
        return explain(why, "roles: missing; allowed: any of relay, bootstrap, validator, user");
    }
    enum err err = check_storage(settings, why);
    if (err == OK) {
        err = check_addresses(host, why);
    }
    if (err == OK && host->node.checkpoint.height > 0 && (host->node.roles & ROLE_VALIDATOR)) {
        err = explain(why, "checkpoint: not of a validator, which verifies every block since genesis");
    }
    if (err == OK && host->keylog_path[0] != 0 && !host->node.genesis.testnet) {
        err = explain(why, "tls.keylog: only where genesis says testnet");
    }
    // The node keeps clients to its limit; the rest is for relays, and for links that are being made.
    host->net_limits.links_max = host->node.limits.links_max + LINKS_BEYOND_CLIENTS;
    return err;
}

void host_config_defaults(struct host_config *config) {
    *config = (struct host_config){.name = "sotto",
                                   .storage = STORAGE_ROCKSDB,
                                   .http_clients_max = 256,
                                   .http_parked_max = 16,
                                   .log_level = LOG_INFO};
    node_config_defaults(&config->node);
    net_limits_defaults(&config->net_limits);
}

void host_config_wipe(struct host_config *config) {
    wipe(config, sizeof(*config));
}

enum err config_load(struct host_config *out, const char *path, char *const *environment, const char *const *sets,
                     size_t set_count, struct buf *why) {
    struct settings *settings = NEW(struct settings);
    host_config_defaults(&settings->host);
    enum err err = path == NULL ? OK : read_file(settings, path, why);
    if (err == OK && environment != NULL) {
        err = read_environment(settings, environment, why);
    }
    if (err == OK) {
        err = read_sets(settings, sets, set_count, why);
    }
    if (err == OK) {
        err = load_files(settings, why);
    }
    if (err == OK) {
        err = check_together(settings, why);
    }
    *out = settings->host;
    host_config_wipe(&settings->host);
    free(settings);
    return err;
}

enum err config_peek(struct host_config *out, const char *path, struct buf *why) {
    struct settings *settings = NEW(struct settings);
    host_config_defaults(&settings->host);
    enum err err = read_file(settings, path, why);
    *out = settings->host;
    host_config_wipe(&settings->host);
    free(settings);
    return err;
}

enum err config_parse(struct host_config *out, struct span text, struct buf *why) {
    struct settings *settings = NEW(struct settings);
    host_config_defaults(&settings->host);
    enum err err = read_yaml(settings, "configuration", "", text, why);
    *out = settings->host;
    host_config_wipe(&settings->host);
    free(settings);
    return err;
}

void config_describe(struct buf *out) {
    struct settings *defaults = NEW(struct settings);
    host_config_defaults(&defaults->host);
    for (size_t i = 0; i < config_key_count; i++) {
        char line[256];
        struct buf value = {0};
        config_key_value(&value, &config_keys[i], defaults);
        snprintf(line, sizeof(line), "  %-34s %s\n  %-34s   ", config_keys[i].name, config_keys[i].help, "");
        buf_append(out, span_of_text(line));
        config_key_allowed(out, &config_keys[i]);
        snprintf(line, sizeof(line), "%s%.*s", value.n == 0 ? "" : "; default ", (int)value.n,
                 value.n == 0 ? "" : (const char *)value.p);
        buf_append(out, span_of_text(line));
        buf_append(out, SPAN_LITERAL("\n"));
        buf_free(&value);
    }
    free(defaults);
}
