// A local network: its nodes, ports and folders, as planned by `up` and remembered in DIR/network.json.
#ifndef SOTTO_TESTNET_PLAN_H
#define SOTTO_TESTNET_PLAN_H

#include <limits.h>

#include "wire/genesis.h"

#define TESTNET_NODES_MAX 512
#define TESTNET_NAME_MAX 32

// Validators and bootstrap nodes are the seeds of genesis.
#define TESTNET_VALIDATORS_MAX GENESIS_SEEDS_MAX

// Their numbers stand in network.json.
enum testnet_role { TESTNET_VALIDATOR, TESTNET_BOOTSTRAP, TESTNET_RELAY, TESTNET_USER };

struct testnet_node {
    char name[TESTNET_NAME_MAX + 1]; // "relay3"; its folder in DIR has the same name
    enum testnet_role role;
    uint16_t link_port; // 0: a user accepts no links
    uint16_t health_port;
    uint16_t api_port;
};

struct testnet {
    char dir[PATH_MAX]; // absolute
    uint16_t base_port;
    enum profile profile;
    bool memory; // storage: memory, else on disk
    uint64_t epoch_ms;
    size_t node_count;
    struct testnet_node nodes[TESTNET_NODES_MAX];
};

const char *testnet_role_text(enum testnet_role role);
size_t testnet_count(const struct testnet *net, enum testnet_role role);
// Adds a node with the next free number of its role and the next free ports. NULL: there is no room for more.
struct testnet_node *testnet_add(struct testnet *net, enum testnet_role role);
struct testnet_node *testnet_find(struct testnet *net, const char *name); // NULL: none of that name
enum err testnet_save(const struct testnet *net, struct buf *why);
// ERR_NOT_FOUND: no network was made in that folder.
enum err testnet_load(struct testnet *net, const char *dir, struct buf *why);
// The path of a file in a node's folder (node NULL: in DIR itself).
void testnet_path(char out[static PATH_MAX], const struct testnet *net, const struct testnet_node *node,
                  const char *file);
// Sets `why` to a formatted text and returns `err`.
enum err testnet_fail(struct buf *why, enum err err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
