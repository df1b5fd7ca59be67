// The files of a local network.
#define _GNU_SOURCE
#include "testnet/generate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "host/key_file.h"
#include "testnet/keys.h"

static uint64_t wall_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void line(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct buf *out, const char *format, ...) {
    char text[PATH_MAX + 128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buf_append(out, span_of_text(text));
    buf_append(out, SPAN_LITERAL("\n"));
}

static enum err make_folder(const char *path, struct buf *why) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return testnet_fail(why, ERR_IO, "cannot make %s: %s", path, strerror(errno));
    }
    return OK;
}

enum err testnet_make_key(const struct testnet *net, const struct testnet_node *node, const char *file,
                          struct sign_public *public, struct buf *why) {
    char path[PATH_MAX];
    uint8_t seed[KEY_SEED_BYTES];
    struct sign_secret secret;
    testnet_path(path, net, node, file);
    random_seed(seed, sizeof(seed));
    sign_key_from_seed(&secret, public, seed);
    enum err err = key_file_write(path, seed, why);
    wipe(seed, sizeof(seed));
    wipe(&secret, sizeof(secret));
    return err;
}

// An account whose passphrase is 32 random bytes in a file beside it: a service's, so stretching it would buy nothing.
static enum err make_account(const struct testnet *net, const struct testnet_node *node, struct buf *why) {
    char path[PATH_MAX];
    uint8_t seed[KEY_SEED_BYTES];
    uint8_t words[16];
    char passphrase[2 * sizeof(words) + 1];
    random_seed(seed, sizeof(seed));
    random_seed(words, sizeof(words));
    hex_encode(passphrase, SPAN_OF(words));
    testnet_path(path, net, node, "passphrase");
    enum err err = file_write(path, span_of_text(passphrase), 0600, false, why);
    if (err == OK) {
        testnet_path(path, net, node, "account.sotto");
        err = account_file_write(path, seed, span_of_text(passphrase), ACCOUNT_RANDOM_PASSPHRASE, why);
    }
    wipe(seed, sizeof(seed));
    wipe(passphrase, sizeof(passphrase));
    return err;
}

// All nodes share one address, so that limits per address are those of the whole network.
static void raised_limits(struct buf *out) {
    line(out, "limits:");
    line(out, "  client_links_per_address: 10000");
    line(out, "  packets_per_s_per_link: 100000");
    line(out, "  packets_per_s_per_address: 1000000");
    line(out, "  handshakes: 4096");
    line(out, "  handshakes_per_address: 4096");
    line(out, "  links_per_address: 10000");
    line(out, "  accepts_per_address_s: 10000");
    line(out, "  txs_per_s: 100000");
    line(out, "  http_parked: 1000");
}

static void write_config(struct buf *out, const struct testnet *net, const struct testnet_node *node,
                         const struct testnet_generation *how) {
    line(out, "name: %s", node->name);
    line(out, "roles: [%s]", testnet_role_text(node->role));
    line(out, "genesis: ../genesis.sotto");
    line(out, "data_dir: data");
    if (node->role == TESTNET_USER) {
        line(out, "account: account.sotto");
        line(out, "passphrase_file: passphrase");
        line(out, "storage: %s", net->memory ? "memory" : "sqlcipher");
    } else {
        line(out, "identity: identity.key");
        line(out, "listen: [127.0.0.1:%u]", node->link_port);
        line(out, "storage: %s", net->memory ? "memory" : "rocksdb");
        line(out, "storage_free_min: 16M");
        line(out, "storage_per_mailbox: 1G");
    }
    if (node->role == TESTNET_VALIDATOR) {
        line(out, "validator_key: validator.key");
    } else if (node->role == TESTNET_RELAY) {
        line(out, "operator_key: ../operator.key"); // one account stakes for all relays
    }
    line(out, "health:");
    line(out, "  listen: 127.0.0.1:%u", node->health_port);
    line(out, "api:");
    line(out, "  listen: 127.0.0.1:%u", node->api_port);
    line(out, "  token_file: api.token");
    if (how->keylog) {
        line(out, "tls:");
        line(out, "  keylog: keylog");
    }
    if (!how->limits_low) {
        raised_limits(out);
    }
    if (how->set != NULL) {
        line(out, "%s", how->set);
    }
}

static enum err write_node(const struct testnet *net, const struct testnet_node *node,
                           const struct testnet_generation *how, struct buf *why) {
    char path[PATH_MAX];
    testnet_path(path, net, node, "data");
    enum err err = make_folder(path, why);
    if (err == OK) {
        struct buf text = {0};
        write_config(&text, net, node, how);
        testnet_path(path, net, node, "config.yaml");
        err = file_write(path, buf_span(&text), 0644, true, why);
        buf_free(&text);
    }
    return err;
}

static enum err make_secrets(const struct testnet *net, const struct testnet_node *node, struct buf *why) {
    struct sign_public public;
    if (node->role == TESTNET_USER) {
        return make_account(net, node, why);
    }
    enum err err = testnet_make_key(net, node, "identity.key", &public, why);
    if (err == OK && node->role == TESTNET_VALIDATOR) {
        err = testnet_make_key(net, node, "validator.key", &public, why);
    }
    return err;
}

enum err testnet_generate_node(const struct testnet *net, const struct testnet_node *node,
                               const struct testnet_generation *how, struct buf *why) {
    char path[PATH_MAX];
    testnet_path(path, net, node, "");
    enum err err = make_folder(path, why);
    if (err == OK) {
        err = make_secrets(net, node, why);
    }
    return err == OK ? write_node(net, node, how, why) : err;
}

static bool is_seed(const struct testnet_node *node) {
    return node->role == TESTNET_VALIDATOR || node->role == TESTNET_BOOTSTRAP;
}

// Makes a node's identity and lists it where newcomers ask.
static enum err add_seed(struct genesis *genesis, const struct testnet *net, const struct testnet_node *node,
                         struct buf *why) {
    struct sign_public identity;
    struct genesis_seed *seed = &genesis->seeds[genesis->seed_count];
    enum err err = testnet_make_key(net, node, "identity.key", &identity, why);
    if (err == OK) {
        memcpy(seed->id.bytes, identity.bytes, sizeof(identity.bytes));
        snprintf(seed->address.host, sizeof(seed->address.host), "127.0.0.1");
        seed->address.port = node->link_port;
        genesis->seed_count++;
    }
    return err;
}

static enum err add_seeds(struct genesis *genesis, const struct testnet *net, struct buf *why) {
    enum err err = OK;
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        if (is_seed(&net->nodes[i])) {
            err = add_seed(genesis, net, &net->nodes[i], why);
        }
    }
    return err;
}

static enum err make_genesis(const struct testnet *net, const struct testnet_generation *how, struct buf *why) {
    struct genesis *genesis = NEW(struct genesis);
    *genesis = (struct genesis){.name = "local",
                                .testnet = true,
                                .genesis_ms = wall_ms(),
                                .epoch_ms = net->epoch_ms,
                                .replicas = how->replicas,
                                .quorum = 2,
                                .min_relays = how->min_relays,
                                .item_lifetime_ms = UINT64_C(7) * 24 * 3600 * 1000,
                                .tick_ms = net->profile == PROFILE_FAST ? 0 : 10,
                                .profile = net->profile};
    enum err err = add_seeds(genesis, net, why);
    if (err == OK) {
        err = testnet_make_ledger(&genesis->ledger, net, how, why);
    }
    if (err == OK) {
        struct buf text = {0};
        char path[PATH_MAX];
        genesis_format(&text, genesis);
        testnet_path(path, net, NULL, "genesis.sotto");
        err = file_write(path, buf_span(&text), 0644, false, why);
        buf_free(&text);
    }
    free(genesis);
    return err;
}

enum err testnet_generate(const struct testnet *net, const struct testnet_generation *how, struct buf *why) {
    char path[PATH_MAX];
    enum err err = OK;
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        testnet_path(path, net, &net->nodes[i], "");
        err = make_folder(path, why);
    }
    if (err == OK) {
        err = make_genesis(net, how, why); // with the keys of those who are in it
    }
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        const struct testnet_node *node = &net->nodes[i];
        err = is_seed(node) ? write_node(net, node, how, why) : testnet_generate_node(net, node, how, why);
    }
    return err;
}
