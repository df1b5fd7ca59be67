// Objects in the order of their numbers.
#include "client/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

// Index of the first object with at least that number.
static size_t table_seek(const struct table *table, uint64_t number) {
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (*table->items[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void table_add(struct table *table, uint64_t *item) {
    ASSERT(table->count == 0 || *table->items[table->count - 1] < *item);
    if (table->count == table->capacity) {
        table->capacity = table->capacity > 0 ? table->capacity * 2 : 16;
        table->items = realloc(table->items, table->capacity * sizeof(*table->items));
        ASSERT(table->items != NULL);
    }
    table->items[table->count++] = item;
}

void *table_find(const struct table *table, uint64_t number) {
    size_t at = table_seek(table, number);
    return at < table->count && *table->items[at] == number ? table->items[at] : NULL;
}

void table_remove(struct table *table, uint64_t number) {
    size_t at = table_seek(table, number);
    ASSERT(at < table->count && *table->items[at] == number);
    table->count--;
    memmove(table->items + at, table->items + at + 1, (table->count - at) * sizeof(*table->items));
}

void table_free(struct table *table) {
    free(table->items);
    *table = (struct table){0};
}
