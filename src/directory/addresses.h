// Where relays say they are now, between two directories (docs/spec/directory.md): the newest record of each relay that
// the directory lists. It overrides the address to dial and nothing else; the key that must answer there stays.
#ifndef SOTTO_DIRECTORY_ADDRESSES_H
#define SOTTO_DIRECTORY_ADDRESSES_H

#include "directory/directory.h"
#include "wire/address_record.h"

// A record counts as later than another of the same relay if it was signed so much later: no relay can make the network
// pass on more than one in that time.
#define ADDRESS_INTERVAL_MS MINUTE_MS
// So far ahead of a reader's clock a record may have been signed.
#define ADDRESS_AHEAD_MS (5 * MINUTE_MS)

struct addresses;

struct addresses *addresses_new(const struct genesis *genesis); // which outlives it
void addresses_free(struct addresses *addresses);

// Forgets what a new directory has ended, and relays that it does not list.
void addresses_directory_changed(struct addresses *addresses, const struct directory *directory);
// A record from anybody. OK: it is the relay's newest and is kept. What costs least is checked first.
//   ERR_NOT_FOUND  the directory does not list the relay
//   ERR_EXISTS     one as late is held already
//   ERR_EXPIRED    the directory has ended it
//   ERR_TIME       signed too far ahead of the clock
//   ERR_AUTH       not signed by the relay for this network: whoever passes it on has not looked
enum err addresses_take(struct addresses *addresses, const struct directory *directory,
                        const struct address_record *record, uint64_t wall_ms);
const struct address_record *addresses_find(const struct addresses *addresses, const struct relay_id *id); // or NULL
// All of them, sorted by id; valid until the next change.
const struct address_record *addresses_all(const struct addresses *addresses, size_t *count);

// A relay about itself. Whether what others go by (the record held, else the directory) is not where it is, or would
// not be with the next directory.
bool addresses_own_due(const struct addresses *addresses, const struct directory *directory,
                       const struct relay_id *self, const struct address *own, uint64_t wall_ms);
// When to sign one after that of `last_ms` (0: none). False: not now, the clock is far behind the last one or the
// directory.
bool addresses_own_time(const struct addresses *addresses, const struct directory *directory, uint64_t *signed_ms,
                        uint64_t last_ms, uint64_t wall_ms);

#endif
