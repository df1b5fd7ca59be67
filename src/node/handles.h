// The return addresses that clients have registered: handle to link. Handles are chosen by clients, so their places in
// the table are hidden behind a keyed hash: nobody can make many of them fall on one spot.
#ifndef SOTTO_NODE_HANDLES_H
#define SOTTO_NODE_HANDLES_H

#include "wire/message.h"

struct handle_slot {
    struct handle handle;
    uint64_t link;
    bool taken;
};

// Open addressing, at most half full.
struct handle_table {
    uint8_t key[32]; // random; set before the first handle
    struct handle_slot *slots;
    size_t capacity; // a power of two, or 0
    size_t count;
};

// What one link has registered.
struct handle_set {
    size_t count;
    struct handle handles[HANDLES_PER_LINK_MAX];
};

// Replaces the handles of a link. A handle that another link holds is ignored (16 random bytes do not collide).
void handle_table_replace(struct handle_table *table, struct handle_set *set, uint64_t link,
                          const struct handle *handles, size_t count);
bool handle_table_find(const struct handle_table *table, uint64_t *link, const struct handle *handle);
void handle_table_free(struct handle_table *table);

#endif
