// What a node is told when nobody says otherwise.
#include "node/node.h"

void node_config_defaults(struct node_config *config) {
    *config = (struct node_config){
        .profile = PROFILE_BALANCED,
        .storage_bytes_max = UINT64_C(10) << 30,
        .storage_bytes_per_mailbox = UINT64_C(32) << 20,
        .storage_free_bytes_min = UINT64_C(256) << 20,
        .packets_per_s = 1000,
        .stranger_quota = 64,
        .workers = 1,
        .limits = {.links_max = 10000,
                   .client_links_per_address = 16,
                   .packets_per_s_per_link = 100,
                   .packets_per_s_per_address = 400,
                   .txs_per_s = 200,
                   .hello_timeout_ms = 5000,
                   .idle_timeout_ms = 20000,
                   .link_queue_cells = 1024},
    };
}
