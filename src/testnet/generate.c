// The files of a local network.
#define _GNU_SOURCE
#include "testnet/generate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "host/key_file.h"

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

static enum err make_key(const struct testnet *net, const struct testnet_node *node, const char *file,
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
    line(out, "  http_parked: 1000");
}

static void write_config(struct buf *out, const struct testnet *net, const struct testnet_node *node,
                         const struct testnet_generation *how) {
    line(out, "name: %s", node->name);
    line(out, "roles: [%s]", node->role == TESTNET_AUTHORITY ? "bootstrap" : testnet_role_text(node->role));
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
    if (node->role == TESTNET_AUTHORITY) {
        line(out, "authority_key: authority.key");
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

enum err testnet_generate_node(const struct testnet *net, const struct testnet_node *node,
                               const struct testnet_generation *how, struct buf *why) {
    char path[PATH_MAX];
    struct sign_public public;
    testnet_path(path, net, node, "data");
    enum err err = make_folder(path, why);
    if (err == OK) {
        err = node->role == TESTNET_USER    ? make_account(net, node, why)
              : node->role == TESTNET_RELAY ? make_key(net, node, "identity.key", &public, why)
                                            : OK; // the authority's are in genesis already
    }
    if (err == OK) {
        struct buf text = {0};
        write_config(&text, net, node, how);
        testnet_path(path, net, node, "config.yaml");
        err = file_write(path, buf_span(&text), 0644, true, why);
        buf_free(&text);
    }
    return err;
}

static enum err make_genesis(const struct testnet *net, const struct testnet_generation *how, struct buf *why) {
    struct genesis genesis = {.name = "local",
                              .testnet = true,
                              .genesis_ms = wall_ms(),
                              .epoch_ms = net->epoch_ms,
                              .replicas = how->replicas,
                              .quorum = 2,
                              .min_relays = how->min_relays,
                              .item_lifetime_ms = UINT64_C(7) * 24 * 3600 * 1000,
                              .tick_ms = net->profile == PROFILE_FAST ? 0 : 10,
                              .profile = net->profile,
                              .seed_count = 1};
    const struct testnet_node *authority = &net->nodes[0];
    struct sign_public identity;
    enum err err = make_key(net, authority, "authority.key", &genesis.authority, why);
    if (err == OK) {
        err = make_key(net, authority, "identity.key", &identity, why);
    }
    if (err != OK) {
        return err;
    }
    memcpy(genesis.seeds[0].id.bytes, identity.bytes, sizeof(identity.bytes));
    snprintf(genesis.seeds[0].address.host, sizeof(genesis.seeds[0].address.host), "127.0.0.1");
    genesis.seeds[0].address.port = authority->link_port;
    struct buf text = {0};
    char path[PATH_MAX];
    genesis_format(&text, &genesis);
    testnet_path(path, net, NULL, "genesis.sotto");
    err = file_write(path, buf_span(&text), 0644, false, why);
    buf_free(&text);
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
        err = make_genesis(net, how, why);
    }
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        err = testnet_generate_node(net, &net->nodes[i], how, why);
    }
    return err;
}
