// See map.h.
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"

#define SLOTS_MIN 16

void map_init(struct map *map, struct rng *rng) {
    memset(map, 0, sizeof(*map));
    rng_bytes(rng, map->seeds, sizeof(map->seeds));
}

static uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t home_of(const struct map *map, const uint8_t *key) {
    uint64_t front = fold(load_u64(key) ^ map->seeds[0], load_u64(key + 8) ^ map->seeds[1]);
    uint64_t back = fold(load_u64(key + 16) ^ map->seeds[2], load_u64(key + 24) ^ map->seeds[3]);
    return (size_t)fold(front ^ map->seeds[3], back ^ map->seeds[0]) & (map->capacity - 1);
}

// Where the key stands, or the free slot where it would.
static size_t slot_of(const struct map *map, const uint8_t *key) {
    size_t i = home_of(map, key);
    while (map->slots[i].key != NULL && memcmp(map->slots[i].key, key, MAP_KEY_BYTES) != 0)
        i = (i + 1) & (map->capacity - 1);
    return i;
}

static void grow(struct map *map) {
    struct map bigger = *map;
    bigger.capacity = map->capacity == 0 ? SLOTS_MIN : 2 * map->capacity;
    bigger.slots = NEW_ARRAY(struct map_slot, bigger.capacity);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].key != NULL)
            bigger.slots[slot_of(&bigger, map->slots[i].key)] = map->slots[i];
    free(map->slots);
    *map = bigger;
}

void map_add(struct map *map, const uint8_t key[static MAP_KEY_BYTES], void *value) {
    if (2 * (map->count + 1) > map->capacity)
        grow(map);
    struct map_slot *slot = &map->slots[slot_of(map, key)];
    ASSERT(slot->key == NULL && value != NULL);
    *slot = (struct map_slot){key, value};
    map->count++;
}

void *map_find(const struct map *map, const uint8_t key[static MAP_KEY_BYTES]) {
    return map->count == 0 ? NULL : map->slots[slot_of(map, key)].value;
}

void *map_remove(struct map *map, const uint8_t key[static MAP_KEY_BYTES]) {
    void *value = map_find(map, key);
    if (value == NULL)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t gap = slot_of(map, key);
    // What stands behind and would be cut off from its home by the gap moves up.
    for (size_t i = (gap + 1) & mask; map->slots[i].key != NULL; i = (i + 1) & mask) {
        size_t home = home_of(map, map->slots[i].key);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        map->slots[gap] = map->slots[i];
        gap = i;
    }
    map->slots[gap] = (struct map_slot){NULL, NULL};
    map->count--;
    return value;
}

void map_free(struct map *map) {
    free(map->slots);
    map->slots = NULL;
    map->capacity = map->count = 0;
}
