// Records by the place of their page, in a list from the one read last to the one read longest ago.
#include "ledger/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "ledger/keys.h"

#define KEY_HEAD 2                              // of a page's key in the store, before depth and path
#define MAP_BYTES (4 * sizeof(struct map_slot)) // for each, when the map has just grown

struct held {
    uint8_t place[MAP_KEY_BYTES]; // depth, path, zeros
    struct held *newer, *older;
    struct buf record;
};

struct pages {
    struct kv *kv;
    size_t bytes_max;
    size_t bytes;
    struct map by_place;
    struct held *newest, *oldest;
};

struct pages *pages_new(struct kv *kv, size_t bytes_max, struct rng *rng) {
    struct pages *pages = NEW(struct pages);
    pages->kv = kv;
    pages->bytes_max = bytes_max;
    map_init(&pages->by_place, rng);
    return pages;
}

// False: not a page's key, or that of a page so deep that there is none of it.
static bool place_of(uint8_t place[static MAP_KEY_BYTES], struct span key) {
    if (key.n <= KEY_HEAD || key.n > KEY_HEAD + MAP_KEY_BYTES || key.p[0] != KV_SPACE_LEDGER || key.p[1] != LEDGER_TREE)
        return false;
    memset(place, 0, MAP_KEY_BYTES);
    memcpy(place, key.p + KEY_HEAD, key.n - KEY_HEAD);
    return true;
}

static size_t cost_of(const struct held *held) {
    return sizeof *held + held->record.capacity + MAP_BYTES;
}

// ---- the list

static void list_add(struct pages *pages, struct held *held) {
    held->newer = NULL;
    held->older = pages->newest;
    *(pages->newest != NULL ? &pages->newest->newer : &pages->oldest) = held;
    pages->newest = held;
}

static void list_remove(struct pages *pages, struct held *held) {
    *(held->newer != NULL ? &held->newer->older : &pages->newest) = held->older;
    *(held->older != NULL ? &held->older->newer : &pages->oldest) = held->newer;
}

static void drop(struct pages *pages, struct held *held) {
    list_remove(pages, held);
    map_remove(&pages->by_place, held->place);
    pages->bytes -= cost_of(held);
    buf_free(&held->record);
    free(held);
}

static void set_record(struct pages *pages, struct held *held, struct span record) {
    pages->bytes -= cost_of(held);
    buf_clear(&held->record);
    buf_append(&held->record, record);
    pages->bytes += cost_of(held);
    while (pages->bytes > pages->bytes_max)
        drop(pages, pages->oldest);
}

static void hold(struct pages *pages, const uint8_t place[static MAP_KEY_BYTES], struct span record) {
    struct held *held = NEW(struct held);
    memcpy(held->place, place, sizeof held->place);
    map_add(&pages->by_place, held->place, held);
    list_add(pages, held);
    pages->bytes += cost_of(held);
    set_record(pages, held, record);
}

// ---- use

void pages_clear(struct pages *pages) {
    while (pages->oldest != NULL)
        drop(pages, pages->oldest);
    map_free(&pages->by_place);
}

void pages_free(struct pages *pages) {
    if (pages != NULL)
        pages_clear(pages);
    free(pages);
}

enum err pages_get(struct pages *pages, struct span key, struct buf *value) {
    uint8_t place[MAP_KEY_BYTES];
    bool is_page = place_of(place, key);
    struct held *held = is_page ? map_find(&pages->by_place, place) : NULL;
    if (held == NULL) {
        enum err err = kv_get(pages->kv, key, value);
        if (is_page && err == OK)
            hold(pages, place, buf_span(value));
        return err;
    }
    list_remove(pages, held);
    list_add(pages, held);
    buf_clear(value);
    buf_append(value, buf_span(&held->record));
    return OK;
}

// A page that is not held is read when it is wanted.
static void follow(struct pages *pages, const struct kv_write *write) {
    uint8_t place[MAP_KEY_BYTES];
    struct held *held = place_of(place, write->key) ? map_find(&pages->by_place, place) : NULL;
    if (held != NULL && write->is_delete)
        drop(pages, held);
    else if (held != NULL)
        set_record(pages, held, write->value);
}

void pages_follow(struct pages *pages, const struct kv_batch *batch) {
    for (size_t i = 0; i < kv_batch_count(batch); i++) {
        struct kv_write write = kv_batch_at(batch, i);
        follow(pages, &write);
    }
}

size_t pages_bytes(const struct pages *pages) {
    return pages->bytes;
}
