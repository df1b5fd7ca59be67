// Relay descriptors (signed by the relay) and directories (signed by the authority), as codecs.
// docs/spec/directory.md is the specification.
//
//   descriptor  version 1 | id 32 | host length 1 | host | port 2 | published_ms 8 | retiring 1 | first epoch 4
//               | onion keys 4 x 32 | signature 64
//
//   directory   version 1 | network 32 | epoch 4 | issued_ms 8 | changed epoch 4 | stamp bits 1 | relay count 2
//               | relays, ids strictly increasing | signature 64
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

// A relay about itself.
struct descriptor {
    struct relay_id id;
    struct address address;
    uint64_t published_ms;
    bool retiring; // leaves placement with the next directory
    struct onion_keys onion;
    struct signature signature; // over "sotto descriptor 1", network, all of the above
};

#define DESCRIPTOR_BYTES_MAX 512

enum descriptor_refusal {
    DESCRIPTOR_TAKEN = 0,
    DESCRIPTOR_MALFORMED,
    DESCRIPTOR_BAD_SIGNATURE, // or not from the relay that it describes
    DESCRIPTOR_BAD_TIME,      // the clocks differ too much, or an older descriptor than the one held
    DESCRIPTOR_FULL,
    DESCRIPTOR_WRONG_ROLE, // the node asked is no authority
};

const char *descriptor_refusal_text(enum descriptor_refusal refusal);

// Signs, and fills descriptor->signature. All keys must be there.
size_t descriptor_encode(uint8_t out[static DESCRIPTOR_BYTES_MAX], struct descriptor *descriptor,
                         const struct network_id *network, const struct sign_secret *relay);
// ERR_MALFORMED, or ERR_AUTH for a wrong signature (another network's, too).
enum err descriptor_decode(struct descriptor *out, struct span bytes, const struct network_id *network);

// The answer to a descriptor: MESSAGE_DESCRIPTOR_STATUS with its kind byte.
size_t descriptor_status_encode(uint8_t out[static 2], enum descriptor_refusal refusal);
enum err descriptor_status_decode(enum descriptor_refusal *refusal, struct span message);

struct directory_relay {
    struct relay_id id;
    struct placement_id placement;
    struct address address;
    struct onion_keys onion; // decoded: first_epoch is the directory's; a relay that was not heard of for some epochs,
                             // but not for long enough to lose its place, has none
    bool placed;             // takes part in placement (not retired, not absent for 24 h)
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
    struct buf bytes; // the signed encoding, served to anyone
    unsigned references;
};

// All before the signature: a directory of the ledger has none, its hash is in the state. Relays must be sorted. Of
// each relay's keys those go in that are of the directory's epoch or the two after it.
void directory_write_body(struct buf *out, const struct directory *directory); // appends
// ERR_MALFORMED; ERR_NETWORK: another network's. The new directory has one reference, its bytes are these.
enum err directory_read_body(struct directory **out, struct span bytes, const struct network_id *network);
// Encodes and signs. `directory->bytes` is filled.
void directory_sign(struct directory *directory, const struct sign_secret *authority);
// ERR_MALFORMED; ERR_NETWORK: another network's; ERR_AUTH: not signed by the genesis authority. The new directory has
// one reference.
enum err directory_decode(struct directory **out, struct span bytes, const struct genesis *genesis);
struct directory *directory_ref(struct directory *directory);
void directory_unref(struct directory *directory); // NULL is fine

#endif
