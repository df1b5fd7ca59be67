// One link: what has been received and not yet understood, what waits to be sent, and how much its peer may do.
#ifndef SOTTO_NODE_LINK_H
#define SOTTO_NODE_LINK_H

#include "base/time.h"
#include "node/event.h"
#include "node/handles.h"
#include "wire/cell.h"

// A token bucket; a full one holds twice the rate. Zeroed it is full.
struct bucket {
    bool begun;
    uint64_t milli_tokens;
    uint64_t filled_ms; // mono_ms
};

// False: empty.
bool bucket_take(struct bucket *bucket, uint64_t now_ms, uint32_t rate_per_s);

// What waits to be sent: whole cells, or a message that is cut as it goes.
struct outgoing {
    struct outgoing *next;
    struct buf bytes;
    size_t cells_sent; // of a message
    bool immediate;    // does not wait for a sync
    bool is_message;
};

struct outgoing_queue {
    struct outgoing *first;
    struct outgoing *last;
    size_t cells; // all that wait
};

struct link {
    uint64_t id;
    uint64_t dial; // 0: inbound
    bool has_key;
    struct relay_id key; // the peer's identity, if it showed one
    uint64_t address_tag;
    uint64_t opened_ms;
    uint64_t heard_ms; // mono_ms of the last byte
    bool ping_sent;    // since then
    bool hello_received;
    uint32_t peer_epoch; // newest directory the peer is known to hold
    unsigned asks;       // for directories, unanswered
    bool addresses_due;  // addresses asked for, unanswered
    uint64_t retire_ms;  // mono_ms at which it ends because there is a newer one to the same relay, or TIME_NEVER

    uint8_t cell[CELL_BYTES]; // a cell not yet whole
    size_t cell_n;
    struct assembler assembler;

    size_t window_used; // cells sent since the last drain
    bool message_turn;  // cells and message parts take turns
    struct outgoing_queue cells;
    struct outgoing_queue messages;

    // Of a peer that may not do what it likes.
    struct bucket taken;       // cells of any kind
    struct bucket excess;      // cells beyond that, dropped or put up with
    struct bucket directories; // served
    struct bucket addresses;   // served, or taken unasked
    struct handle_set handles; // a client's return addresses here
};

// Links by number, in the order in which they opened.
struct link_table {
    struct link **links;
    size_t count;
    size_t capacity;
    struct handle_table handles; // of all clients
    // Addresses with open inbound links, sorted.
    struct address_entry *addresses;
    size_t address_count;
    size_t address_capacity;
};

struct address_entry {
    uint64_t tag;
    uint32_t links;
    struct bucket packets;
};

struct link *link_table_add(struct link_table *table, uint64_t id);
struct link *link_table_find(const struct link_table *table, uint64_t id); // NULL: gone
// The first link with a greater number, NULL: none. For walks during which links may come and go.
struct link *link_table_after(const struct link_table *table, uint64_t id);
void link_table_remove(struct link_table *table, struct link *link); // frees it and its handles
void link_table_free(struct link_table *table);
// The entry of an inbound link's address, made if `create`; NULL if absent.
struct address_entry *link_table_address(struct link_table *table, uint64_t tag, bool create);
void link_table_address_gone(struct link_table *table, uint64_t tag); // one link fewer

void outgoing_push(struct outgoing_queue *queue, struct outgoing *item, size_t cells);
struct outgoing *outgoing_pop(struct outgoing_queue *queue, size_t cells);
void outgoing_queue_free(struct outgoing_queue *queue);

#endif
