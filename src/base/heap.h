// A binary heap of deadlines: the pending delays of a part, ordered by time and, for equal times, by insertion,
// so that two runs with one seed take the same order.
#ifndef SOTTO_BASE_HEAP_H
#define SOTTO_BASE_HEAP_H

#include "base/bytes.h"

struct heap_entry {
    uint64_t at_ms;
    uint64_t sequence;
    void *item;
};

// Zero-initialised is empty and valid.
struct heap {
    struct heap_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t next_sequence;
};

void heap_push(struct heap *heap, uint64_t at_ms, void *item);
uint64_t heap_next_ms(const struct heap *heap);         // TIME_NEVER when empty
void *heap_pop_due(struct heap *heap, uint64_t now_ms); // NULL when nothing is due
void *heap_pop(struct heap *heap);                      // NULL when empty
void heap_free(struct heap *heap);                      // not the items

#endif
