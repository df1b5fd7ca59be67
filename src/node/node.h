// A node: any set of roles behind one function. Deterministic: the same configuration, seed, store and events give the
// same effects, in host/ on a real machine and in sim/ in a simulated world.
#ifndef SOTTO_NODE_NODE_H
#define SOTTO_NODE_NODE_H

#include "node/effect.h"

enum role { ROLE_RELAY = 1, ROLE_BOOTSTRAP = 2, ROLE_USER = 4, ROLE_VALIDATOR = 8 }; // bits

struct node_limits {
    uint32_t links_max;                // in all
    uint32_t client_links_per_address; // from one address tag
    uint32_t packets_per_s_per_link;   // of a client; a burst of twice that
    uint32_t packets_per_s_per_address;
    uint32_t hello_timeout_ms; // from link_open to a valid hello
    uint32_t idle_timeout_ms;  // silence after which a link is pinged, then cut
    uint32_t txs_per_s;        // that a peer which is no validator may send to the ledger; a burst of twice that
    uint32_t link_queue_cells; // waiting to be sent on a link; beyond it packets are dropped, a client cut
};

struct node_config {
    unsigned roles; // bits of enum role
    struct genesis genesis;
    uint8_t identity_seed[32];    // the node's identity (relay, bootstrap, validator)
    uint8_t account_seed[32];     // user
    bool has_validator_key;       // validator: else it follows the chain without a vote
    uint8_t validator_seed[32];   // the consensus key
    bool has_operator_key;        // relay: it registers itself on the ledger; else its operator does
    uint8_t operator_seed[32];    // of the operator's account
    uint32_t keep_blocks;         // validator: older ones are pruned; 0: none
    struct checkpoint checkpoint; // no validator: trusted instead of what is older
    struct address address;       // where others reach this node
    enum profile profile;
    uint64_t storage_bytes_max;
    uint64_t storage_bytes_per_mailbox;
    uint64_t storage_free_bytes_min;
    uint32_t packets_per_s; // of the whole relay: sizes the replay filter
    uint32_t stranger_quota;
    bool retiring;    // relay: asks to leave placement with the next directory
    uint32_t workers; // how many jobs the host runs at once
    struct node_limits limits;
};

// Sensible values for everything but keys, genesis, address and roles.
void node_config_defaults(struct node_config *config);

struct node;

// `env` outlives the node. ERR_INVALID or ERR_NO_MEMORY with a reason for the operator in `why` (may be NULL).
enum err node_new(struct node **node, const struct node_config *config, struct env *env, struct buf *why);
void node_free(struct node *node);

// Handles one event. `effects` is empty on entry. Loop thread only.
void node_step(struct node *node, const struct event *event, struct now now, struct effects *effects);

// This node's own identity, as others see it; a user's node shows none: zeros.
void node_identity(const struct node *node, struct relay_id *out);

#endif
