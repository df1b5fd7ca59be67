// See handles.h.
#include "node/handles.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/hash.h"

#define SLOTS_MIN 64

static size_t home_of(const struct handle_table *table, const struct handle *handle) {
    uint8_t hash[8];
    hash_keyed(hash, sizeof(hash), table->key, "sotto handle table", SPAN_OF(handle->bytes));
    return (size_t)load_u64(hash) & (table->capacity - 1);
}

// Where the handle stands, or the free slot where it would.
static size_t slot_of(const struct handle_table *table, const struct handle *handle) {
    size_t i = home_of(table, handle);
    while (table->slots[i].taken && memcmp(table->slots[i].handle.bytes, handle->bytes, sizeof(handle->bytes)) != 0) {
        i = (i + 1) & (table->capacity - 1);
    }
    return i;
}

static void grow(struct handle_table *table) {
    struct handle_table bigger = *table;
    bigger.capacity = table->capacity == 0 ? SLOTS_MIN : 2 * table->capacity;
    bigger.slots = NEW_ARRAY(struct handle_slot, bigger.capacity);
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].taken) {
            bigger.slots[slot_of(&bigger, &table->slots[i].handle)] = table->slots[i];
        }
    }
    free(table->slots);
    *table = bigger;
}

static bool put(struct handle_table *table, const struct handle *handle, uint64_t link) {
    if (2 * (table->count + 1) > table->capacity) {
        grow(table);
    }
    struct handle_slot *slot = &table->slots[slot_of(table, handle)];
    if (slot->taken) {
        return false;
    }
    *slot = (struct handle_slot){.handle = *handle, .link = link, .taken = true};
    table->count++;
    return true;
}

// Frees a slot and moves up those behind it that the gap would cut off from their home.
static void take_out(struct handle_table *table, const struct handle *handle) {
    size_t mask = table->capacity - 1;
    size_t gap = slot_of(table, handle);
    ASSERT(table->slots[gap].taken);
    for (size_t i = (gap + 1) & mask; table->slots[i].taken; i = (i + 1) & mask) {
        size_t home = home_of(table, &table->slots[i].handle);
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            table->slots[gap] = table->slots[i];
            gap = i;
        }
    }
    table->slots[gap] = (struct handle_slot){0};
    table->count--;
}

void handle_table_replace(struct handle_table *table, struct handle_set *set, uint64_t link,
                          const struct handle *handles, size_t count) {
    ASSERT(count <= HANDLES_PER_LINK_MAX);
    for (size_t i = 0; i < set->count; i++) {
        take_out(table, &set->handles[i]);
    }
    set->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (put(table, &handles[i], link)) {
            set->handles[set->count++] = handles[i];
        }
    }
}

bool handle_table_find(const struct handle_table *table, uint64_t *link, const struct handle *handle) {
    if (table->capacity == 0) {
        return false;
    }
    const struct handle_slot *slot = &table->slots[slot_of(table, handle)];
    if (slot->taken) {
        *link = slot->link;
    }
    return slot->taken;
}

void handle_table_free(struct handle_table *table) {
    free(table->slots);
    wipe(table->key, sizeof(table->key));
    *table = (struct handle_table){0};
}
