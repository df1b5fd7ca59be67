// What a local network's ledger begins with: its validators, its accounts, and rules that show something within
// minutes. All keys are made here and lie in the network's folder.
#define _GNU_SOURCE
#include "testnet/keys.h"

#include <stdlib.h>
#include <string.h>

#define SOT UINT64_C(1000000) // grains

#define OPERATOR_GRAINS (1000000 * SOT)
#define FAUCET_GRAINS (1000000 * SOT)
#define VALIDATOR_GRAINS (1000 * SOT) // of its operator, for fees
#define STAKE_GRAINS (10000 * SOT)    // pos: a validator's
#define REWARD_POOL (1000000 * SOT)
#define REWARD_PER_EPOCH (100 * SOT)

static enum err add_account(struct ledger_genesis *ledger, struct account_id *id, const struct testnet *net,
                            const struct testnet_node *node, const char *file, uint64_t grains, struct buf *why) {
    struct sign_public key;
    enum err err = testnet_make_key(net, node, file, &key, why);
    if (err == OK) {
        memcpy(id->bytes, key.bytes, sizeof(id->bytes));
        ledger->accounts[ledger->account_count++] = (struct genesis_account){.id = *id, .grains = grains};
    }
    return err;
}

static enum err add_validator(struct ledger_genesis *ledger, const struct testnet *net, const struct testnet_node *node,
                              struct buf *why) {
    struct genesis_validator *validator = &ledger->validators[ledger->validator_count];
    validator->power = ledger->consensus == CONSENSUS_POS ? STAKE_GRAINS : 1;
    enum err err = testnet_make_key(net, node, "validator.key", &validator->key, why);
    if (err == OK) {
        err = add_account(ledger, &validator->operator, net, node, "operator.key", VALIDATOR_GRAINS, why);
    }
    ledger->validator_count += err == OK;
    return err;
}

static int compare_validators(const void *a, const void *b) {
    const struct genesis_validator *left = a, *right = b;
    return memcmp(left->key.bytes, right->key.bytes, sizeof(left->key.bytes));
}

static int compare_accounts(const void *a, const void *b) {
    const struct genesis_account *left = a, *right = b;
    return memcmp(left->id.bytes, right->id.bytes, sizeof(left->id.bytes));
}

enum err testnet_make_ledger(struct ledger_genesis *out, const struct testnet *net,
                             const struct testnet_generation *how, struct buf *why) {
    *out = (struct ledger_genesis){.consensus = how->consensus,
                                   .block_ms = how->block_ms,
                                   .fee_min = SOT / 1000,
                                   .relay_stake_min = 100 * SOT,
                                   .validator_stake_min = 1000 * SOT,
                                   // A network that was down over a weekend goes on without a checkpoint.
                                   .unbonding_ms = UINT64_C(7) * 24 * 3600 * 1000,
                                   .slash_percent = 5,
                                   .reward_pool = REWARD_POOL,
                                   .reward_per_epoch = REWARD_PER_EPOCH,
                                   .samples = 8};
    struct account_id id;
    enum err err = add_account(out, &id, net, NULL, "operator.key", OPERATOR_GRAINS, why);
    if (err == OK) {
        err = add_account(out, &id, net, NULL, "faucet.key", FAUCET_GRAINS, why);
    }
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        if (net->nodes[i].role == TESTNET_VALIDATOR) {
            err = add_validator(out, net, &net->nodes[i], why);
        }
    }
    qsort(out->validators, out->validator_count, sizeof(out->validators[0]), compare_validators);
    qsort(out->accounts, out->account_count, sizeof(out->accounts[0]), compare_accounts);
    return err;
}
