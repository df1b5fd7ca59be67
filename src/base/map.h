// A hash map from 32-byte keys (ids, public keys) to pointers. Where a key stands follows from a secret seed, so that
// whoever chooses keys cannot make them collide; walking it is left out for that reason: nothing may depend on its
// order.
#ifndef SOTTO_BASE_MAP_H
#define SOTTO_BASE_MAP_H

#include "base/bytes.h"
#include "base/rng.h"

#define MAP_KEY_BYTES 32

struct map_slot {
    const uint8_t *key; // within the value or owned by whoever added it; NULL: free
    void *value;
};

// Made by map_init; owns neither keys nor values.
struct map {
    struct map_slot *slots;
    size_t capacity; // a power of two, at least twice the count
    size_t count;
    uint64_t seeds[4];
};

void map_init(struct map *map, struct rng *rng);
// The key must outlive its stay and not be there yet.
void map_add(struct map *map, const uint8_t key[static MAP_KEY_BYTES], void *value);
void *map_find(const struct map *map, const uint8_t key[static MAP_KEY_BYTES]); // NULL: not there
// Returns the value, NULL when the key was not there.
void *map_remove(struct map *map, const uint8_t key[static MAP_KEY_BYTES]);
void map_free(struct map *map);

#endif
