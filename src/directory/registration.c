// Records of registered relays. Slots make them readable one key at a time, without a scan.
#include "directory/registration.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define RECORD_VERSION 1
#define RECORD_BYTES_MAX (1 + 32 + 32 + ADDRESS_BYTES_MAX + 4 + ONION_KEYS_AHEAD * 32 + 8 + 1 + 1 + 4 + 8)

struct record_key {
    uint8_t bytes[4];
};

static struct record_key record_key(uint16_t slot) {
    struct record_key key = {{KV_SPACE_DIRECTORY, 'r', 0, 0}};
    store_u16(key.bytes + 2, slot);
    return key;
}

void registry_init(struct registry *registry) {
    *registry = (struct registry){
        .by_id = NEW_ARRAY(struct registration *, DIRECTORY_RELAYS_MAX),
        .slot_taken = NEW_ARRAY(bool, DIRECTORY_RELAYS_MAX),
    };
}

void registry_free(struct registry *registry) {
    for (size_t i = 0; i < registry->count; i++)
        free(registry->by_id[i]);
    free(registry->by_id);
    free(registry->slot_taken);
    *registry = (struct registry){0};
}

// Where the relay stands, or would.
static size_t place_of(const struct registry *registry, const struct relay_id *id) {
    size_t low = 0;
    size_t high = registry->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (relay_id_compare(&registry->by_id[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct registration *registry_find(const struct registry *registry, const struct relay_id *id) {
    size_t at = place_of(registry, id);
    return at < registry->count && relay_id_equal(&registry->by_id[at]->id, id) ? registry->by_id[at] : NULL;
}

static void insert(struct registry *registry, struct registration *registration) {
    size_t at = place_of(registry, &registration->id);
    memmove(registry->by_id + at + 1, registry->by_id + at, (registry->count - at) * sizeof *registry->by_id);
    registry->by_id[at] = registration;
    registry->count++;
    registry->slot_taken[registration->slot] = true;
    if (registration->slot >= registry->slots_used)
        registry->slots_used = (uint16_t)(registration->slot + 1);
}

struct registration *registry_add(struct registry *registry, const struct relay_id *id) {
    ASSERT(registry_find(registry, id) == NULL);
    if (registry->count == DIRECTORY_RELAYS_MAX)
        return NULL;
    uint16_t slot = 0;
    while (registry->slot_taken[slot])
        slot++;
    struct registration *registration = NEW(struct registration);
    registration->id = *id;
    registration->slot = slot;
    insert(registry, registration);
    return registration;
}

void registry_remove(struct registry *registry, struct registration *registration) {
    size_t at = place_of(registry, &registration->id);
    ASSERT(at < registry->count && registry->by_id[at] == registration);
    memmove(registry->by_id + at, registry->by_id + at + 1, (registry->count - at - 1) * sizeof *registry->by_id);
    registry->count--;
    registry->slot_taken[registration->slot] = false;
    free(registration);
}

void registration_store(const struct registration *registration, struct step *step) {
    uint8_t record[RECORD_BYTES_MAX];
    struct writer w = writer_of(record, sizeof record);
    write_u8(&w, RECORD_VERSION);
    write_bytes(&w, registration->id.bytes, sizeof registration->id.bytes);
    write_bytes(&w, registration->placement.bytes, sizeof registration->placement.bytes);
    address_write(&w, &registration->address);
    write_u32(&w, registration->onion.first_epoch);
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        write_bytes(&w, registration->onion.keys[i].bytes, sizeof registration->onion.keys[i].bytes);
    write_u64(&w, registration->published_ms);
    write_u8(&w, registration->retiring);
    write_u8(&w, registration->placed);
    write_u32(&w, registration->since_epoch);
    write_u64(&w, registration->heard_wall_ms);
    struct record_key key = record_key(registration->slot);
    step_put(step, SPAN_OF(key.bytes), writer_span(&w), KV_SYNCED);
}

static bool record_decode(struct registration *out, struct span record) {
    struct reader r = reader_of(record);
    if (read_u8(&r) != RECORD_VERSION)
        return false;
    read_bytes(&r, out->id.bytes, sizeof out->id.bytes);
    read_bytes(&r, out->placement.bytes, sizeof out->placement.bytes);
    address_read(&r, &out->address);
    out->onion.first_epoch = read_u32(&r);
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        read_bytes(&r, out->onion.keys[i].bytes, sizeof out->onion.keys[i].bytes);
    out->published_ms = read_u64(&r);
    out->retiring = read_bool(&r);
    out->placed = read_bool(&r);
    out->since_epoch = read_u32(&r);
    out->heard_wall_ms = read_u64(&r);
    return reader_done(&r);
}

void registry_load(struct registry *registry, struct step *step, uint16_t slots_used) {
    ASSERT(slots_used <= DIRECTORY_RELAYS_MAX);
    struct buf record = {0};
    for (uint16_t slot = 0; slot < slots_used; slot++) {
        struct record_key key = record_key(slot);
        if (step_get(step, SPAN_OF(key.bytes), &record) != OK)
            continue;
        struct registration *registration = NEW(struct registration);
        registration->slot = slot;
        if (!record_decode(registration, buf_span(&record)) || registry_find(registry, &registration->id) != NULL) {
            log_number(&step->env->log, LOG_ERROR, "directory", "a relay's record is damaged", "slot", slot);
            free(registration);
            continue;
        }
        insert(registry, registration);
    }
    registry->slots_used = slots_used;
    buf_free(&record);
}
