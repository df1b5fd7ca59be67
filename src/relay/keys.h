// A relay's onion keys: one an epoch, made ahead, announced only once they are stored, destroyed when their time is
// over.
//
//         1/4       1/6                                         1/6
//   ------|---------|---------[ epoch e ........................]---------|------
//         marked    accepted                                              destroyed
//
// A key is marked (durably) ahead of its first use. Marked keys have a set of replay tags; a key whose tags may be
// missing (after an unclean restart) or have no room (after the clock jumped) is destroyed, whatever the clock says.
#ifndef SOTTO_RELAY_KEYS_H
#define SOTTO_RELAY_KEYS_H

#include "base/step.h"
#include "crypto/sphinx.h"
#include "wire/directory.h"

// The epoch before, this one and those announced; after the clock jumped back, also those that were made before.
#define RELAY_KEYS_MAX 16
#define RELAY_KEYS_ACCEPTED_MAX 2
#define RELAY_KEYS_USED_MAX 2 // the windows between mark and end of at most two epochs overlap

struct relay_key {
    struct sphinx_relay_key key;
    bool used; // marked: packets may have been accepted with it
};

struct relay_keys {
    const struct genesis *genesis;
    struct relay_key keys[RELAY_KEYS_MAX]; // by rising epoch
    size_t count;
    uint32_t floor; // epochs before it get no key: theirs was destroyed while in use
    bool changed;   // since the last announcement
    uint64_t checked_wall_ms;
    uint64_t next_wall_ms; // when the next window opens or closes
};

void relay_keys_init(struct relay_keys *keys, const struct genesis *genesis);
void relay_keys_wipe(struct relay_keys *keys);
// Takes up what the store holds. `unclean`: keys that were in use are destroyed.
void relay_keys_load(struct relay_keys *keys, struct step *step, bool unclean);
// Brings the keys up to the clock: destroys, makes, marks. Cheap when nothing is due. True if anything changed.
bool relay_keys_rotate(struct relay_keys *keys, struct step *step);
// This epoch's and the next three, as of the last rotation; announcing them clears `changed`.
void relay_keys_window(const struct relay_keys *keys, struct onion_keys *out, uint64_t wall_ms);
void relay_keys_announce(struct relay_keys *keys, struct onion_keys *out, uint64_t wall_ms);
// The keys that fit packets now; the caller wipes them.
size_t relay_keys_accepted(const struct relay_keys *keys, struct sphinx_relay_key out[static RELAY_KEYS_ACCEPTED_MAX],
                           uint64_t wall_ms);
bool relay_keys_accepts(const struct relay_keys *keys, uint32_t epoch, uint64_t wall_ms);
bool relay_keys_used(const struct relay_keys *keys, uint32_t epoch);
// NULL when there is none.
const struct sphinx_relay_key *relay_keys_find(const struct relay_keys *keys, uint32_t epoch);

#endif
