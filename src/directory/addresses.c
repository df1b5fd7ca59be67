// The newest address record of each relay, sorted by relay. There are as many as relays have moved of late: few.
#include "directory/addresses.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

// What a relay itself signs is less far ahead of its clock than readers take, whose clocks may be behind.
#define OWN_AHEAD_MS (2 * ADDRESS_INTERVAL_MS)
_Static_assert(OWN_AHEAD_MS < ADDRESS_AHEAD_MS, "clocks differ");

struct addresses {
    const struct genesis *genesis;
    struct address_record *records; // at most one of each relay in the directory
    size_t count;
    size_t capacity;
};

struct addresses *addresses_new(const struct genesis *genesis) {
    struct addresses *addresses = NEW(struct addresses);
    addresses->genesis = genesis;
    return addresses;
}

void addresses_free(struct addresses *addresses) {
    if (addresses == NULL)
        return;
    free(addresses->records);
    free(addresses);
}

// ---- looking ----

// Where the relay's record is, or would be.
static size_t index_of(const struct addresses *addresses, const struct relay_id *id) {
    size_t low = 0;
    size_t high = addresses->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (relay_id_compare(&addresses->records[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct address_record *addresses_find(const struct addresses *addresses, const struct relay_id *id) {
    size_t i = index_of(addresses, id);
    return i < addresses->count && relay_id_equal(&addresses->records[i].id, id) ? &addresses->records[i] : NULL;
}

const struct address_record *addresses_all(const struct addresses *addresses, size_t *count) {
    *count = addresses->count;
    return addresses->records;
}

// Whether a record still counts beside that directory: those of its epoch, of the one before it, and of later ones do.
static bool counts(const struct genesis *genesis, const struct directory *directory,
                   const struct address_record *record) {
    uint32_t epoch = epoch_at(genesis, record->signed_ms);
    return directory->epoch <= epoch || directory->epoch - epoch == 1;
}

// ---- taking ----

void addresses_directory_changed(struct addresses *addresses, const struct directory *directory) {
    size_t kept = 0;
    for (size_t i = 0; i < addresses->count; i++) {
        const struct address_record *record = &addresses->records[i];
        if (directory_find(directory, &record->id) != NULL && counts(addresses->genesis, directory, record))
            addresses->records[kept++] = *record;
    }
    addresses->count = kept;
}

static void reserve(struct addresses *addresses) {
    if (addresses->count < addresses->capacity)
        return;
    size_t capacity = addresses->capacity == 0 ? 8 : 2 * addresses->capacity;
    struct address_record *records = NEW_ARRAY(struct address_record, capacity);
    if (addresses->count > 0)
        memcpy(records, addresses->records, addresses->count * sizeof *records);
    free(addresses->records);
    addresses->records = records;
    addresses->capacity = capacity;
}

static void keep(struct addresses *addresses, const struct address_record *record) {
    size_t i = index_of(addresses, &record->id);
    if (i == addresses->count || !relay_id_equal(&addresses->records[i].id, &record->id)) {
        ASSERT(addresses->count < DIRECTORY_RELAYS_MAX);
        reserve(addresses);
        memmove(addresses->records + i + 1, addresses->records + i,
                (addresses->count - i) * sizeof *addresses->records);
        addresses->count++;
    }
    addresses->records[i] = *record;
}

enum err addresses_take(struct addresses *addresses, const struct directory *directory,
                        const struct address_record *record, uint64_t wall_ms) {
    const struct address_record *held = addresses_find(addresses, &record->id);
    if (held != NULL &&
        (record->signed_ms < held->signed_ms || record->signed_ms - held->signed_ms < ADDRESS_INTERVAL_MS))
        return ERR_EXISTS;
    if (directory_find(directory, &record->id) == NULL)
        return ERR_NOT_FOUND;
    if (!counts(addresses->genesis, directory, record))
        return ERR_EXPIRED;
    if (record->signed_ms > wall_ms && record->signed_ms - wall_ms > ADDRESS_AHEAD_MS)
        return ERR_TIME;
    enum err err = address_record_verify(record, &addresses->genesis->network);
    if (err == OK)
        keep(addresses, record);
    return err;
}

// ---- a relay about itself ----

bool addresses_own_due(const struct addresses *addresses, const struct directory *directory,
                       const struct relay_id *self, const struct address *own, uint64_t wall_ms) {
    const struct directory_relay *listed = directory_find(directory, self);
    const struct address_record *record = addresses_find(addresses, self);
    if (listed == NULL)
        return false;
    if (record == NULL || !address_equal(&record->address, own))
        return record != NULL || !address_equal(&listed->address, own);
    // The ledger does not know yet: the record is signed anew before the next directory ends it.
    uint32_t epoch = epoch_at(addresses->genesis, record->signed_ms);
    return !address_equal(&listed->address, own) && directory->epoch > epoch &&
           epoch_at(addresses->genesis, wall_ms) > epoch;
}

bool addresses_own_time(const struct addresses *addresses, const struct directory *directory, uint64_t *signed_ms,
                        uint64_t last_ms, uint64_t wall_ms) {
    if (last_ms > wall_ms && last_ms - wall_ms > OWN_AHEAD_MS - ADDRESS_INTERVAL_MS)
        return false;
    uint64_t earliest_ms = last_ms == 0 ? 0 : last_ms + ADDRESS_INTERVAL_MS;
    uint64_t ms = earliest_ms > wall_ms ? earliest_ms : wall_ms;
    if (!counts(addresses->genesis, directory, &(struct address_record){.signed_ms = ms}))
        return false;
    *signed_ms = ms;
    return true;
}
