// The table of all configuration keys, and how a text becomes a value of each kind.
#define _GNU_SOURCE
#include "host/config_keys.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define AT(member) offsetof(struct settings, member)
#define LIMIT(member) offsetof(struct settings, host.node.limits.member)
#define NET(member) offsetof(struct settings, host.net_limits.member)

const struct config_key config_keys[] = {
    {"name", KEY_NAME, AT(host.name), 0, 0, "the node's name in its log"},
    {"roles", KEY_ROLES, AT(host.node.roles), 0, 0, "what this node does, separated by commas or as a list"},
    {"genesis", KEY_PATH, AT(genesis_path), 0, 0, "the network's genesis file"},
    {"data_dir", KEY_PATH, AT(host.data_dir), 0, 0, "where the node keeps what it must not lose"},
    {"identity", KEY_PATH, AT(identity_path), 0, 0, "key file of the node's identity (relay, bootstrap, validator)"},
    {"validator_key", KEY_PATH, AT(validator_path), 0, 0,
     "key file that signs blocks (validator); without it the node follows the chain and has no vote"},
    {"operator_key", KEY_PATH, AT(operator_path), 0, 0,
     "key file of the account that stakes for this relay (relay): with it the relay registers itself"},
    {"keep_blocks", KEY_NUMBER, AT(host.node.keep_blocks), 0, 1000000000, "blocks to hold (validator); 0: all"},
    {"checkpoint", KEY_CHECKPOINT, AT(host.node.checkpoint), 0, 0,
     "a block to trust, from somebody you trust (relay, bootstrap, user): instead of all older ones"},
    {"account", KEY_PATH, AT(account_path), 0, 0, "sealed account file (user)"},
    {"passphrase_file", KEY_PATH, AT(passphrase_path), 0, 0, "file or /dev/fd/N whose first line opens the account"},
    {"listen", KEY_ADDRESSES, AT(host.listen), 0, 0, "where links are accepted, up to 4"},
    {"advertise", KEY_ADDRESS, AT(host.node.address), 0, 0,
     "where others reach this relay; the first of listen if unset"},
    {"profile", KEY_PROFILE, AT(host.node.profile), 0, 0, "delays and cover traffic; genesis' if unset"},
    {"storage", KEY_STORAGE, AT(host.storage), 0, 0,
     "where state is kept; a user's in sqlcipher (its default) or memory"},
    {"storage_max", KEY_BYTES, AT(host.node.storage_bytes_max), 1 << 20, UINT64_C(1) << 50, "bytes of items to hold"},
    {"storage_per_mailbox", KEY_BYTES, AT(host.node.storage_bytes_per_mailbox), 64 << 10, UINT64_C(1) << 50,
     "bytes that one mailbox may take"},
    {"storage_free_min", KEY_BYTES, AT(host.node.storage_free_bytes_min), 0, UINT64_C(1) << 50,
     "below so much free disk no new items are taken"},
    {"packets_per_second", KEY_NUMBER, AT(host.node.packets_per_s), 1, 1000000,
     "of the relay; sizes the replay filter"},
    {"stranger_quota", KEY_NUMBER, AT(host.node.stranger_quota), 0, 65535, "items of strangers a mailbox may hold"},
    {"workers", KEY_NUMBER, AT(host.node.workers), 1, 64, "threads for cryptography and scans"},
    {"retiring", KEY_SWITCH, AT(host.node.retiring), 0, 0, "leave placement with the next directory"},
    {"limits.links", KEY_NUMBER, LIMIT(links_max), 1, 1000000, "links in all"},
    {"limits.client_links_per_address", KEY_NUMBER, LIMIT(client_links_per_address), 1, 1000000, "from one address"},
    {"limits.packets_per_s_per_link", KEY_NUMBER, LIMIT(packets_per_s_per_link), 1, 1000000, "of one client"},
    {"limits.packets_per_s_per_address", KEY_NUMBER, LIMIT(packets_per_s_per_address), 1, 1000000, "of one address"},
    {"limits.txs_per_s", KEY_NUMBER, LIMIT(txs_per_s), 1, 1000000, "transactions of one peer that is no validator"},
    {"limits.hello_timeout", KEY_DURATION, LIMIT(hello_timeout_ms), 100, 600000, "until a link must have said hello"},
    {"limits.idle_timeout", KEY_DURATION, LIMIT(idle_timeout_ms), 1000, 3600000, "silence after which a link is cut"},
    {"limits.link_queue", KEY_NUMBER, LIMIT(link_queue_cells), 450, 1000000, "cells that may wait on one link"},
    {"limits.handshakes", KEY_NUMBER, NET(handshakes_max), 1, 1000000, "TLS handshakes under way"},
    {"limits.handshakes_per_address", KEY_NUMBER, NET(handshakes_per_address), 1, 1000000, "of one address"},
    {"limits.links_per_address", KEY_NUMBER, NET(links_per_address), 1, 1000000, "TCP connections from one address"},
    {"limits.accepts_per_address_s", KEY_NUMBER, NET(accepts_per_address_s), 1, 1000000, "new connections a second"},
    {"limits.handshake_timeout", KEY_DURATION, NET(handshake_timeout_ms), 100, 600000, "for a TLS handshake"},
    {"limits.write_timeout", KEY_DURATION, NET(write_timeout_ms), 100, 600000, "for a peer that reads nothing"},
    {"limits.http_clients", KEY_NUMBER, AT(host.http_clients_max), 1, 100000, "connections to health and API"},
    {"limits.http_parked", KEY_NUMBER, AT(host.http_parked_max), 1, 1000, "unanswered API calls, of all together"},
    {"proxy", KEY_PROXY, AT(host.proxy), 0, 0, "SOCKS5 proxy for every link this node makes"},
    {"tls.certificate", KEY_PATH, AT(host.certificate_path), 0, 0, "certificate by a CA; self-signed if unset"},
    {"tls.ca", KEY_PATH, AT(host.ca_path), 0, 0, "CA that every certificate must chain to"},
    {"tls.keylog", KEY_PATH, AT(host.keylog_path), 0, 0,
     "TLS secrets in the NSS key log format; only in test networks"},
    {"health.listen", KEY_ADDRESS, AT(host.health), 0, 0, "/livez, /readyz, /health and /metrics"},
    {"api.listen", KEY_ADDRESS, AT(host.api), 0, 0, "the API; a loopback address"},
    {"api.token_file", KEY_PATH, AT(host.token_path), 0, 0, "bearer token; made in data_dir if unset"},
    {"log.level", KEY_LEVEL, AT(host.log_level), 0, 0, "least level that is logged"},
    {"log.file", KEY_PATH, AT(host.log_path), 0, 0, "standard error if unset; SIGHUP opens it anew"},
    {"core_dumps", KEY_SWITCH, AT(host.core_dumps), 0, 0, "allow them; they hold keys and texts"},
};

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

const struct config_key *config_key_find(const char *name) {
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].name, name) == 0) {
            return &config_keys[i];
        }
    }
    return NULL;
}

void config_key_allowed(struct buf *out, const struct config_key *key) {
    static const char *const texts[] = {
        [KEY_NAME] = "a word of 1 to 32 letters, digits, '-' or '_'",
        [KEY_PATH] = "a path",
        [KEY_NUMBER] = "a number",
        [KEY_DURATION] = "a duration such as 500ms, 20s, 5m or 1h,",
        [KEY_BYTES] = "a size such as 1048576, 256M or 10G,",
        [KEY_SWITCH] = "true or false",
        [KEY_ADDRESS] = "host:port, [IPv6]:port",
        [KEY_ADDRESSES] = "up to 4 of host:port",
        [KEY_ROLES] = "any of relay, bootstrap, validator, user",
        [KEY_STORAGE] = "memory, rocksdb or sqlcipher",
        [KEY_PROFILE] = "fast or balanced",
        [KEY_PROXY] = "socks5://[user:password@]host:port",
        [KEY_LEVEL] = "debug, info, warn or error",
        [KEY_CHECKPOINT] = "height:id, as `sotto chain checkpoint` prints it",
    };
    char range[96] = "";
    if (key->max > 0) {
        snprintf(range, sizeof(range), " from %" PRIu64 " to %" PRIu64 "%s", key->min, key->max,
                 key->kind == KEY_DURATION ? " ms"
                 : key->kind == KEY_BYTES  ? " bytes"
                                           : "");
    }
    buf_append(out, span_of_text(texts[key->kind]));
    buf_append(out, span_of_text(range));
}

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
static const struct unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};
static const struct unit size_units[] = {
    {"", 1},  {"K", UINT64_C(1) << 10}, {"M", UINT64_C(1) << 20}, {"G", UINT64_C(1) << 30}, {"T", UINT64_C(1) << 40},
    {NULL, 0}};

// Digits (no leading zero: some would read 010 as eight), then one of the units; nothing else ("7abc" is no number).
static bool parse_number(uint64_t *out, const char *text, const struct unit *units, uint64_t min, uint64_t max) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || (digits > 1 && text[0] == '0')) {
        return false;
    }
    uint64_t value = strtoull(text, NULL, 10);
    for (; units->suffix != NULL; units++) {
        if (strcmp(text + digits, units->suffix) == 0) {
            if (value > max / units->factor || value * units->factor < min) {
                return false;
            }
            *out = value * units->factor;
            return true;
        }
    }
    return false;
}

static bool set_u32(uint32_t *field, const struct config_key *key, const char *text, const struct unit *units) {
    uint64_t value;
    bool good = parse_number(&value, text, units, key->min, key->max) && value <= UINT32_MAX;
    *field = good ? (uint32_t)value : *field;
    return good;
}

static bool set_name(char *field, const char *text) {
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    if (n == 0 || n > HOST_NAME_BYTES_MAX || text[n] != 0) {
        return false;
    }
    memcpy(field, text, n + 1);
    return true;
}

static bool set_path(char *field, const char *text, const char *folder) {
    bool absolute = text[0] == '/' || folder[0] == 0;
    int n =
        absolute ? snprintf(field, HOST_PATH_MAX, "%s", text) : snprintf(field, HOST_PATH_MAX, "%s/%s", folder, text);
    return text[0] != 0 && n > 0 && n < HOST_PATH_MAX;
}

// Calls `take` for each item of a comma-separated text.
static bool each_item(const char *text, void *ctx, bool (*take)(void *ctx, const char *item)) {
    char item[256];
    for (;;) {
        text += strspn(text, " ");
        size_t n = strcspn(text, ",");
        size_t end = n;
        while (end > 0 && text[end - 1] == ' ') {
            end--;
        }
        if (end == 0 || end >= sizeof(item)) {
            return false;
        }
        memcpy(item, text, end);
        item[end] = 0;
        if (!take(ctx, item)) {
            return false;
        }
        if (text[n] == 0) {
            return true;
        }
        text += n + 1;
    }
}

static bool take_role(void *ctx, const char *item) {
    static const struct {
        const char *name;
        enum role role;
    } names[] = {
        {"relay", ROLE_RELAY}, {"bootstrap", ROLE_BOOTSTRAP}, {"user", ROLE_USER}, {"validator", ROLE_VALIDATOR}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(item, names[i].name) == 0) {
            *(unsigned *)ctx |= names[i].role;
            return true;
        }
    }
    return false;
}

static bool take_listen(void *ctx, const char *item) {
    struct host_config *host = ctx;
    return host->listen_count < HOST_LISTEN_MAX && address_parse(&host->listen[host->listen_count++], item) == OK;
}

static bool set_proxy(struct net_proxy *proxy, const char *text) {
    static const char scheme[] = "socks5://";
    if (strncmp(text, scheme, strlen(scheme)) != 0) {
        return false;
    }
    *proxy = (struct net_proxy){0};
    text += strlen(scheme);
    const char *at = strrchr(text, '@');
    if (at != NULL) {
        const char *colon = memchr(text, ':', (size_t)(at - text));
        if (colon == NULL || colon - text > NET_CREDENTIAL_MAX || at - colon - 1 > NET_CREDENTIAL_MAX) {
            return false;
        }
        memcpy(proxy->user, text, (size_t)(colon - text));
        memcpy(proxy->password, colon + 1, (size_t)(at - colon - 1));
        text = at + 1;
    }
    return address_parse(&proxy->address, text) == OK;
}

static bool set_checkpoint(struct checkpoint *field, const char *text) {
    struct checkpoint checkpoint;
    char height[20];
    size_t n = strcspn(text, ":");
    if (text[n] != ':' || n >= sizeof(height)) {
        return false;
    }
    memcpy(height, text, n);
    height[n] = 0;
    bool good = parse_number(&checkpoint.height, height, no_units, 1, UINT64_MAX) &&
                hex_decode(checkpoint.id.bytes, sizeof(checkpoint.id.bytes), text + n + 1) == OK;
    *field = good ? checkpoint : *field;
    return good;
}

static bool set_choice(int *out, const char *text, const char *const *choices) {
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static const char *const storage_texts[] = {
    [STORAGE_MEMORY] = "memory", [STORAGE_ROCKSDB] = "rocksdb", [STORAGE_SQLCIPHER] = "sqlcipher", NULL};

static bool set_storage(enum storage *field, const char *text) {
    int choice = 0;
    bool good = set_choice(&choice, text, storage_texts);
    *field = good ? (enum storage)choice : *field;
    return good;
}

static bool set_switch(bool *field, const char *text) {
    *field = strcmp(text, "true") == 0;
    return *field || strcmp(text, "false") == 0;
}

static void append_format(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append_format(struct buf *out, const char *format, ...) {
    char text[HOST_PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buf_append(out, span_of_text(text));
}

// The largest unit that divides the value.
static void append_number(struct buf *out, uint64_t value, const struct unit *units) {
    const struct unit *best = units;
    for (const struct unit *unit = units; unit->suffix != NULL; unit++) {
        best = value > 0 && value % unit->factor == 0 ? unit : best;
    }
    append_format(out, "%" PRIu64 "%s", value / best->factor, best->suffix);
}

void config_key_value(struct buf *out, const struct config_key *key, const struct settings *settings) {
    const void *field = (const uint8_t *)settings + key->offset;
    switch (key->kind) {
    case KEY_NAME:
    case KEY_PATH:
        append_format(out, "%s", (const char *)field);
        return;
    case KEY_NUMBER:
        append_number(out, *(const uint32_t *)field, no_units);
        return;
    case KEY_DURATION:
        append_number(out, *(const uint32_t *)field, time_units);
        return;
    case KEY_BYTES:
        append_number(out, *(const uint64_t *)field, size_units);
        return;
    case KEY_SWITCH:
        append_format(out, "%s", *(const bool *)field ? "true" : "false");
        return;
    case KEY_STORAGE:
        append_format(out, "%s", storage_texts[*(const enum storage *)field]);
        return;
    case KEY_LEVEL:
        append_format(out, "%s", log_level_text(*(const enum log_level *)field));
        return;
    case KEY_ADDRESS:
    case KEY_ADDRESSES:
    case KEY_ROLES:
    case KEY_PROFILE:
    case KEY_PROXY:
    case KEY_CHECKPOINT:
        return; // none have a default
    }
    ASSERT(false);
}

static bool set_value(struct settings *settings, const struct config_key *key, const char *value, const char *folder) {
    void *field = (uint8_t *)settings + key->offset;
    switch (key->kind) {
    case KEY_NAME:
        return set_name(field, value);
    case KEY_PATH:
        return set_path(field, value, folder);
    case KEY_NUMBER:
        return set_u32(field, key, value, no_units);
    case KEY_DURATION:
        return set_u32(field, key, value, time_units);
    case KEY_BYTES:
        return parse_number(field, value, size_units, key->min, key->max);
    case KEY_SWITCH:
        return set_switch(field, value);
    case KEY_ADDRESS:
        return address_parse(field, value) == OK;
    case KEY_ADDRESSES:
        settings->host.listen_count = 0;
        return each_item(value, &settings->host, take_listen);
    case KEY_ROLES:
        settings->host.node.roles = 0;
        return each_item(value, field, take_role);
    case KEY_STORAGE:
        settings->storage_set = true;
        return set_storage(field, value);
    case KEY_PROFILE:
        settings->profile_set = true;
        return profile_parse(field, value) == OK;
    case KEY_PROXY:
        return set_proxy(field, value);
    case KEY_LEVEL:
        return log_level_parse(field, value) == OK;
    case KEY_CHECKPOINT:
        return set_checkpoint(field, value);
    }
    ASSERT(false);
}

enum err config_key_set(struct settings *settings, const struct config_key *key, const char *value, const char *folder,
                        struct buf *allowed) {
    if (set_value(settings, key, value, folder)) {
        return OK;
    }
    config_key_allowed(allowed, key);
    return ERR_INVALID;
}
