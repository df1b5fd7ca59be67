// Bringing a local network up, taking it down, asking after it, and sending a message through it.
#ifndef SOTTO_TESTNET_NETWORK_H
#define SOTTO_TESTNET_NETWORK_H

#include "testnet/control.h"
#include "testnet/generate.h"

struct up_options {
    const char *dir;
    unsigned validators;
    unsigned bootstraps;
    unsigned relays;
    unsigned users;
    uint16_t base_port;
    enum profile profile;
    bool memory;
    uint64_t epoch_ms;
    uint32_t timeout_ms;
    struct testnet_generation generation;
    const char *sottod;
    // Called when it is known what will run; `made`: the folder had no network before (may be NULL).
    void (*starting)(void *ctx, const struct testnet *net, bool made);
    // Called as each node gets ready (may be NULL).
    void (*ready)(void *ctx, const struct testnet_node *node, uint64_t after_ms);
    void *ctx;
};

// Makes the network's files if the folder has none, checks that its ports are free, starts the supervisor, waits until
// every node is ready, and introduces all users to each other. On failure nothing is left running, and `why` names the
// node, the reason and its log.
enum err network_up(struct testnet *net, const struct up_options *options, struct buf *why);
// Ends all nodes and the supervisor; returns when they have ended.
enum err network_down(const struct testnet *net, struct buf *why);
// Waits until one node is ready (or has ended: ERR_IO with its last log line).
enum err network_wait_ready(const struct testnet *net, const struct testnet_node *node, uint32_t timeout_ms,
                            struct buf *why);
// One more validator, relay or user: its files, its process, ready. A relay is listed with the next epoch; `ready`
// waits for that. A validator follows the chain until the others vote for it.
enum err network_add(struct testnet *net, enum testnet_role role, const char *set, uint32_t timeout_ms,
                     struct testnet_node **added, struct buf *why);
// {"ready","nodes":[{name, role, state, pid, link, health, api, status...}]}; a validator has height, round, step and
// peers of its ledger, too.
enum err network_status(json_t **out, const struct testnet *net, struct buf *why);

// The name of the relay with that identity (64 hexadecimal digits), or the identity itself. Read from the key files.
void network_relay_name(char out[static TESTNET_NAME_MAX + 64], const struct testnet *net, const char *identity);

struct send_options {
    const char *from;
    const char *to;
    const char *text;
    uint32_t timeout_ms;
    // Called with the sender's record at each change of state (may be NULL).
    void (*progress)(void *ctx, const json_t *message);
    void *ctx;
};

// Sends a text between two users and follows it. *out: {"id","state","stored_ms","delivered_ms","acknowledged_ms",
// "counted_ms","hops","replicas"} (names of relays); times are null where they were not reached, or, of the receipts,
// have not come before the acknowledgement. counted_ms: the latest at which one of the replicas had counted one more
// delivery that it can prove to the ledger, seen in its metrics; this one if nothing else was sent. OK only when
// acknowledged; ERR_TIMEOUT with *out set otherwise.
enum err network_send(json_t **out, struct testnet *net, const struct send_options *options, struct buf *why);

// The monotonic clock that all processes of the machine share.
uint64_t network_mono_ms(void);
void network_sleep_ms(uint32_t ms);

#endif
