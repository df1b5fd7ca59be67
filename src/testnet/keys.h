// Keys of a local network: files in its folder.
#ifndef SOTTO_TESTNET_KEYS_H
#define SOTTO_TESTNET_KEYS_H

#include "testnet/generate.h"

// Makes a key file in a node's folder (NULL: in DIR itself). ERR_EXISTS: there is one.
enum err testnet_make_key(const struct testnet *net, const struct testnet_node *node, const char *file,
                          struct sign_public *public, struct buf *why);
// The validators of the plan and the accounts of a test network, with their key files.
enum err testnet_make_ledger(struct ledger_genesis *out, const struct testnet *net,
                             const struct testnet_generation *how, struct buf *why);

#endif
