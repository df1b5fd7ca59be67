// The ledger of a local network, as its validators tell of it.
#ifndef SOTTO_TESTNET_CHAIN_H
#define SOTTO_TESTNET_CHAIN_H

#include "testnet/control.h"

// Waits until the validators have links and stand at one height. ERR_TIMEOUT names one that does not.
enum err chain_wait_shared(struct http_client *http, const struct testnet *net, uint64_t deadline_ms, struct buf *why);
// Adds height (final), round and step (of the height being decided) and peers of a validator; nothing if it does not
// answer.
void chain_describe(json_t *out, struct http_client *http, const struct testnet *net, const struct testnet_node *node);

#endif
