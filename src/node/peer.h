// The relays a node keeps or makes links to.
#ifndef SOTTO_NODE_PEER_H
#define SOTTO_NODE_PEER_H

#include "node/link.h"
#include "wire/genesis.h"

// What a part was last told about a relay.
enum told { TOLD_NOTHING, TOLD_UP, TOLD_DOWN };

struct peer {
    struct relay_id id;
    uint64_t link;          // open and greeted, used for sending; 0: none
    uint64_t dial;          // under way; 0: none
    uint32_t failures;      // attempts in a row that did not give a link that lasted
    uint64_t not_before_ms; // mono_ms before which it is not dialled again
    bool keep;              // dialled again whenever it is lost
    bool entry;             // held for the client
    bool wanted;            // something is to be sent, or it is to be found out whether it is back
    bool tls_failed;        // the last attempt: a certificate or a CA does not fit
    bool as_listed;         // where it says it has moved to it was not: next it is dialled where the directory has it
    bool entry_untold;      // the client has yet to hear that the link is up
    enum told mailbox_told;
    struct outgoing_queue waiting; // cells and messages until the link is up
    struct outgoing_queue ticked;  // replication that leaves with the next tick
};

// Sorted by identity.
struct peer_table {
    struct peer **peers;
    size_t count;
    size_t capacity;
};

struct peer *peer_table_find(const struct peer_table *table, const struct relay_id *id); // NULL: none
struct peer *peer_table_add(struct peer_table *table, const struct relay_id *id);        // must not be there
void peer_table_remove(struct peer_table *table, struct peer *peer);                     // frees it
void peer_table_free(struct peer_table *table);

#endif
