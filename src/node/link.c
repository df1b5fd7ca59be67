// Links and the tables over them. All tables are sorted arrays: the order of iteration is the order of numbers, never
// that of addresses, so that two runs with one seed do the same.
#include "node/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

bool bucket_take(struct bucket *bucket, uint64_t now_ms, uint32_t rate_per_s) {
    uint64_t full = (uint64_t)rate_per_s * 2000;
    uint64_t elapsed_ms = now_ms - bucket->filled_ms;
    bucket->filled_ms = now_ms;
    if (!bucket->begun || elapsed_ms >= 2000) {
        bucket->begun = true;
        bucket->milli_tokens = full;
    } else {
        bucket->milli_tokens += elapsed_ms * rate_per_s;
        bucket->milli_tokens = bucket->milli_tokens < full ? bucket->milli_tokens : full;
    }
    if (bucket->milli_tokens < 1000) {
        return false;
    }
    bucket->milli_tokens -= 1000;
    return true;
}

// Grows an array of `size`-byte elements so that one more fits.
static void *grown(void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) {
        return array;
    }
    size_t capacity_new = *capacity == 0 ? 8 : *capacity * 2;
    uint8_t *bigger = mem_new(capacity_new, size);
    if (count > 0) {
        memcpy(bigger, array, count * size);
    }
    free(array);
    *capacity = capacity_new;
    return bigger;
}

// Where `key` stands in a sorted array, or would stand: the number of elements that compare less.
static size_t lower_bound(const void *array, size_t count, size_t size, const void *key,
                          int (*compare)(const void *element, const void *key)) {
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare((const uint8_t *)array + middle * size, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int compare_u64(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b ? 1 : 0;
}

static int compare_link(const void *element, const void *key) {
    return compare_u64((*(struct link *const *)element)->id, *(const uint64_t *)key);
}

static int compare_address(const void *element, const void *key) {
    return compare_u64(((const struct address_entry *)element)->tag, *(const uint64_t *)key);
}

static size_t link_index(const struct link_table *table, uint64_t id) {
    return lower_bound(table->links, table->count, sizeof(*table->links), &id, compare_link);
}

struct link *link_table_add(struct link_table *table, uint64_t id) {
    table->links = grown(table->links, table->count, &table->capacity, sizeof(*table->links));
    size_t i = link_index(table, id);
    ASSERT(id != LINK_SELF && (i == table->count || table->links[i]->id != id));
    memmove(table->links + i + 1, table->links + i, (table->count - i) * sizeof(*table->links));
    struct link *link = NEW(struct link);
    link->id = id;
    link->retire_ms = TIME_NEVER;
    table->links[i] = link;
    table->count++;
    return link;
}

struct link *link_table_find(const struct link_table *table, uint64_t id) {
    size_t i = link_index(table, id);
    return i < table->count && table->links[i]->id == id ? table->links[i] : NULL;
}

struct link *link_table_after(const struct link_table *table, uint64_t id) {
    size_t i = id == UINT64_MAX ? table->count : link_index(table, id + 1);
    return i < table->count ? table->links[i] : NULL;
}

void link_table_remove(struct link_table *table, struct link *link) {
    size_t i = link_index(table, link->id);
    ASSERT(i < table->count && table->links[i] == link);
    memmove(table->links + i, table->links + i + 1, (table->count - i - 1) * sizeof(*table->links));
    table->count--;
    handle_table_replace(&table->handles, &link->handles, link->id, NULL, 0);
    assembler_free(&link->assembler);
    outgoing_queue_free(&link->cells);
    outgoing_queue_free(&link->messages);
    free(link);
}

void link_table_free(struct link_table *table) {
    while (table->count > 0) {
        link_table_remove(table, table->links[table->count - 1]);
    }
    free(table->links);
    handle_table_free(&table->handles);
    free(table->addresses);
    *table = (struct link_table){0};
}

static size_t address_index(const struct link_table *table, uint64_t tag) {
    return lower_bound(table->addresses, table->address_count, sizeof(*table->addresses), &tag, compare_address);
}

struct address_entry *link_table_address(struct link_table *table, uint64_t tag, bool create) {
    size_t i = address_index(table, tag);
    if (i < table->address_count && table->addresses[i].tag == tag) {
        return &table->addresses[i];
    }
    if (!create) {
        return NULL;
    }
    table->addresses =
        grown(table->addresses, table->address_count, &table->address_capacity, sizeof(*table->addresses));
    memmove(table->addresses + i + 1, table->addresses + i, (table->address_count - i) * sizeof(*table->addresses));
    table->addresses[i] = (struct address_entry){.tag = tag};
    table->address_count++;
    return &table->addresses[i];
}

void link_table_address_gone(struct link_table *table, uint64_t tag) {
    struct address_entry *entry = link_table_address(table, tag, false);
    ASSERT(entry != NULL && entry->links > 0);
    entry->links--;
    if (entry->links == 0) {
        size_t i = address_index(table, tag);
        memmove(table->addresses + i, table->addresses + i + 1,
                (table->address_count - i - 1) * sizeof(*table->addresses));
        table->address_count--;
    }
}

void outgoing_push(struct outgoing_queue *queue, struct outgoing *item, size_t cells) {
    item->next = NULL;
    if (queue->last == NULL) {
        queue->first = item;
    } else {
        queue->last->next = item;
    }
    queue->last = item;
    queue->cells += cells;
}

struct outgoing *outgoing_pop(struct outgoing_queue *queue, size_t cells) {
    struct outgoing *item = queue->first;
    ASSERT(item != NULL && queue->cells >= cells);
    queue->first = item->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    queue->cells -= cells;
    return item;
}

void outgoing_queue_free(struct outgoing_queue *queue) {
    while (queue->first != NULL) {
        struct outgoing *item = queue->first;
        queue->first = item->next;
        buf_free(&item->bytes);
        free(item);
    }
    *queue = (struct outgoing_queue){0};
}
