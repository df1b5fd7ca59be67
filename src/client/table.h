// Objects in the order of their numbers. Each object's first member is its number; numbers only grow, so adding is at
// the end and finding is a binary search.
#ifndef SOTTO_CLIENT_TABLE_H
#define SOTTO_CLIENT_TABLE_H

#include <stddef.h>
#include <stdint.h>

// Zero-initialised is empty and valid. Owns the array, not the objects.
struct table {
    uint64_t **items;
    size_t count;
    size_t capacity;
};

void table_add(struct table *table, uint64_t *item); // its number is greater than all before
void *table_find(const struct table *table, uint64_t number);
void table_remove(struct table *table, uint64_t number); // it must be there
void table_free(struct table *table);

#endif
