// Directories and relays' onion keys, as codecs. docs/spec/directory.md is the specification. Who made a directory is
// not said by it: its hash is in the ledger's state (ledger/bundle.h).
//
//   directory   version 1 | network 32 | epoch 4 | issued_ms 8 | changed epoch 4 | stamp bits 1 | relay count 2
//               | relays, ids strictly increasing
//   relay       id 32 | placement 32 | host length 1 | host | port 2 | placed 1 | since epoch 4 | key count 1 | keys n
//   x 32
//               keys: of the directory's epoch and those after it, 0 to 3; a directory is not used longer
#ifndef SOTTO_WIRE_DIRECTORY_H
#define SOTTO_WIRE_DIRECTORY_H

#include "wire/genesis.h"

#define DIRECTORY_RELAYS_MAX 4096
#define DIRECTORY_VALID_EPOCHS 3 // a directory is usable in its own epoch and the two after it
#define ONION_KEYS_AHEAD 4       // this epoch and the next three

// A relay's onion keys of consecutive epochs. A key of 32 zero bytes is none.
struct onion_keys {
    uint32_t first_epoch;
    struct dh_public keys[ONION_KEYS_AHEAD];
};

#define ONION_KEYS_BYTES (4 + ONION_KEYS_AHEAD * 32)

// first epoch 4 | keys. Reading fails on a key that is none.
void onion_keys_write(struct writer *w, const struct onion_keys *onion);
void onion_keys_read(struct reader *r, struct onion_keys *onion);

struct directory_relay {
    struct relay_id id;
    struct placement_id placement;
    struct address address;
    struct onion_keys onion; // decoded: first_epoch is the directory's
    bool placed;             // takes part in placement: has not retired
    uint32_t since_epoch;    // first directory it is in
};

// A decoded directory. Relays are sorted by id. Immutable once made; shared by reference count, on one thread.
struct directory {
    struct network_id network;
    uint32_t epoch;
    uint64_t issued_ms;
    uint32_t changed_epoch; // last epoch whose placed relays differ from those of the one before
    uint8_t stamp_bits;
    size_t relay_count;
    struct directory_relay *relays;
    struct buf bytes; // as it came, served to anyone: its encoding, or the bundle around it
    unsigned references;
};

// Relays must be sorted. Of each relay's keys those go in that are of the directory's epoch or the two after it.
void directory_encode(struct buf *out, const struct directory *directory); // appends
// ERR_MALFORMED; ERR_NETWORK: another network's. The new directory has one reference, its bytes are these.
enum err directory_decode(struct directory **out, struct span bytes, const struct network_id *network);
struct directory *directory_ref(struct directory *directory);
void directory_unref(struct directory *directory); // NULL is fine

#endif
