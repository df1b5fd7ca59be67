// The table of relays that a node keeps or makes links to.
#include "node/peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static size_t peer_index(const struct peer_table *table, const struct relay_id *id) {
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (relay_id_compare(&table->peers[middle]->id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct peer *peer_table_find(const struct peer_table *table, const struct relay_id *id) {
    size_t i = peer_index(table, id);
    return i < table->count && relay_id_equal(&table->peers[i]->id, id) ? table->peers[i] : NULL;
}

struct peer *peer_table_add(struct peer_table *table, const struct relay_id *id) {
    ASSERT(peer_table_find(table, id) == NULL);
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 8 : table->capacity * 2;
        struct peer **peers = NEW_ARRAY(struct peer *, table->capacity);
        if (table->count > 0) {
            memcpy(peers, table->peers, table->count * sizeof(*peers));
        }
        free(table->peers);
        table->peers = peers;
    }
    size_t i = peer_index(table, id);
    memmove(table->peers + i + 1, table->peers + i, (table->count - i) * sizeof(*table->peers));
    struct peer *peer = NEW(struct peer);
    peer->id = *id;
    table->peers[i] = peer;
    table->count++;
    return peer;
}

static void peer_free(struct peer *peer) {
    outgoing_queue_free(&peer->waiting);
    outgoing_queue_free(&peer->ticked);
    free(peer);
}

void peer_table_remove(struct peer_table *table, struct peer *peer) {
    size_t i = peer_index(table, &peer->id);
    ASSERT(i < table->count && table->peers[i] == peer);
    memmove(table->peers + i, table->peers + i + 1, (table->count - i - 1) * sizeof(*table->peers));
    table->count--;
    peer_free(peer);
}

void peer_table_free(struct peer_table *table) {
    for (size_t i = 0; i < table->count; i++) {
        peer_free(table->peers[i]);
    }
    free(table->peers);
    *table = (struct peer_table){0};
}
