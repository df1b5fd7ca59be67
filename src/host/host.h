// A node on a real machine: what the operator sets, and the functions that run it.
//
//   config file, environment, --set  ->  struct host_config  ->  host_run: store, node, net, http, until a signal
#ifndef SOTTO_HOST_HOST_H
#define SOTTO_HOST_HOST_H

#include "net/net.h"
#include "node/node.h"

#define HOST_PATH_MAX 1024
#define HOST_LISTEN_MAX 4
#define HOST_NAME_BYTES_MAX 32

enum storage { STORAGE_MEMORY, STORAGE_ROCKSDB, STORAGE_SQLCIPHER };

// Everything the daemon can be told. Texts are empty and ports 0 where nothing is set.
struct host_config {
    struct node_config node;
    char name[HOST_NAME_BYTES_MAX + 1]; // `service` of the log lines
    char data_dir[HOST_PATH_MAX];
    enum storage storage;  // a user node: memory or sqlcipher; the others: memory or rocksdb
    uint8_t store_key[32]; // of the SQLCipher database

    size_t listen_count; // links; a user node has none
    struct address listen[HOST_LISTEN_MAX];
    struct net_limits net_limits;
    struct net_proxy proxy;               // for every dial; port 0: none
    char certificate_path[HOST_PATH_MAX]; // PEM chain for the node's identity key, signed by the CA; empty: self-signed
    char ca_path[HOST_PATH_MAX];          // PEM; set: every certificate must chain to it
    char keylog_path[HOST_PATH_MAX];      // TLS secrets for tests; refused unless genesis says testnet

    struct address health;          // health and metrics; port 0: none
    struct address api;             // loopback only; port 0: none
    char token_path[HOST_PATH_MAX]; // the API's bearer token; made (0600) when absent; empty: <data_dir>/api.token
    uint32_t http_clients_max;      // connections to both doors
    uint32_t http_parked_max;       // requests waiting for the node

    bool core_dumps; // allowed, for finding a bug: they hold keys and texts

    enum log_level log_level;
    char log_path[HOST_PATH_MAX]; // empty: standard error
};

// Sensible values for everything that has one.
void host_config_defaults(struct host_config *config);
void host_config_wipe(struct host_config *config); // the secrets in it

// Runs the node until SIGTERM or SIGINT; SIGHUP opens the log file anew, if there is one. Returns the process's exit
// status: 0 after a clean stop, 1 with a message on standard error (what, where, what to do) when it could not start or
// had to end.
int host_run(const struct host_config *config);

#endif
