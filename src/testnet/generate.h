// The files of a local network: genesis, keys, accounts and a configuration for each node.
#ifndef SOTTO_TESTNET_GENERATE_H
#define SOTTO_TESTNET_GENERATE_H

#include "testnet/plan.h"

struct testnet_generation {
    uint8_t replicas;
    uint32_t min_relays;
    enum consensus consensus;
    uint32_t block_ms;
    bool limits_low; // keep the limits that guard a real node (all nodes here share one address)
    bool keylog;     // write TLS secrets beside each log
    const char *set; // one more "key: value" line for every node, or NULL
};

// Makes DIR/genesis.sotto and the keys of its accounts (DIR/operator.key, which pays for the relays, DIR/faucet.key,
// and each validator's operator.key), then each node's folder. DIR itself must exist.
enum err testnet_generate(const struct testnet *net, const struct testnet_generation *how, struct buf *why);
// One more node's folder in a network whose genesis exists.
enum err testnet_generate_node(const struct testnet *net, const struct testnet_node *node,
                               const struct testnet_generation *how, struct buf *why);

#endif
