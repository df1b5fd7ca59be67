// The relays that have registered with the authority: what is known of each, in memory sorted by id and in the store
// one record a relay. Private to the authority.
#ifndef SOTTO_DIRECTORY_REGISTRATION_H
#define SOTTO_DIRECTORY_REGISTRATION_H

#include "base/step.h"
#include "wire/directory.h"

struct registration {
    uint16_t slot; // of its record in the store
    struct relay_id id;
    struct placement_id placement;
    struct address address;
    struct onion_keys onion;
    uint64_t published_ms; // the descriptor's
    bool retiring;
    bool placed;          // in the last directory
    uint32_t since_epoch; // 0: in none yet
    uint64_t heard_wall_ms;
    uint64_t absent_at_ms; // mono_ms at which it leaves placement unless it is heard of before
};

struct registry {
    struct registration **by_id; // sorted; room for all
    size_t count;
    uint16_t slots_used; // slots below this have been written; those of no registration are free
    bool *slot_taken;
};

void registry_init(struct registry *registry);
void registry_free(struct registry *registry);
struct registration *registry_find(const struct registry *registry, const struct relay_id *id); // NULL: unknown
// Zeroed but for id and slot. NULL: full.
struct registration *registry_add(struct registry *registry, const struct relay_id *id);
void registry_remove(struct registry *registry, struct registration *registration); // frees it
// Writes the record. The caller sees to it that slots_used is stored too.
void registration_store(const struct registration *registration, struct step *step);
// Reads the records of the slots below `slots_used`. Damaged ones are logged and their slots reused.
void registry_load(struct registry *registry, struct step *step, uint16_t slots_used);

#endif
