// The heap: entries[i] is due no later than entries[2i + 1] and entries[2i + 2].
#include "base/heap.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/time.h"

static bool before(const struct heap_entry *a, const struct heap_entry *b) {
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->sequence < b->sequence;
}

static void sift_up(struct heap *heap, size_t i) {
    struct heap_entry entry = heap->entries[i];
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!before(&entry, &heap->entries[parent]))
            break;
        heap->entries[i] = heap->entries[parent];
        i = parent;
    }
    heap->entries[i] = entry;
}

static void sift_down(struct heap *heap, size_t i) {
    struct heap_entry entry = heap->entries[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!before(&heap->entries[child], &entry))
            break;
        heap->entries[i] = heap->entries[child];
        i = child;
    }
    heap->entries[i] = entry;
}

void heap_push(struct heap *heap, uint64_t at_ms, void *item) {
    ASSERT(item != NULL);
    if (heap->count == heap->capacity) {
        size_t capacity = heap->capacity > 0 ? 2 * heap->capacity : 16;
        struct heap_entry *entries = realloc(heap->entries, capacity * sizeof *entries);
        ASSERT(entries != NULL);
        heap->entries = entries;
        heap->capacity = capacity;
    }
    heap->entries[heap->count] = (struct heap_entry){at_ms, heap->next_sequence++, item};
    sift_up(heap, heap->count++);
}

uint64_t heap_next_ms(const struct heap *heap) {
    return heap->count > 0 ? heap->entries[0].at_ms : TIME_NEVER;
}

void *heap_pop_due(struct heap *heap, uint64_t now_ms) {
    if (heap->count == 0 || heap->entries[0].at_ms > now_ms)
        return NULL;
    return heap_pop(heap);
}

void *heap_pop(struct heap *heap) {
    if (heap->count == 0)
        return NULL;
    void *item = heap->entries[0].item;
    heap->entries[0] = heap->entries[--heap->count];
    if (heap->count > 0)
        sift_down(heap, 0);
    return item;
}

void heap_free(struct heap *heap) {
    free(heap->entries);
    *heap = (struct heap){0};
}
