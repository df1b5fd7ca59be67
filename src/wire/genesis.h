// Genesis: what makes a network this network. A strict text, one `key value` a line, whose hash is the network id.
//
//   sotto-genesis 1
//   name demo
//   testnet true
//   genesis_ms 1790000000000      start of epoch 1 (wall clock)
//   epoch_ms 60000
//   replicas 3                    k
//   quorum 2                      q
//   min_relays 7                  the first directory waits for so many
//   item_lifetime_ms 604800000
//   stamp_bits 0
//   tick_ms 10                    replication leaves in ticks of this length; 0: at once
//   profile balanced
//   authority <64 hex>            key that signs directories
//   seed <64 hex> <host>:<port>   repeated, 1 to 16; where newcomers ask
//
// Keys stand in this order, each once (seed repeated), one space behind the key, every line ends with a newline,
// numbers are decimal without leading zeros, hex is lower case. Anything else is ERR_MALFORMED. Bounds: GENESIS_NUMBERS
// in genesis.c.
#ifndef SOTTO_WIRE_GENESIS_H
#define SOTTO_WIRE_GENESIS_H

#include "wire/address.h"
#include "wire/ids.h"

#define GENESIS_SEEDS_MAX 16
#define GENESIS_BYTES_MAX 8192
#define GENESIS_NAME_MAX 32

enum profile { PROFILE_FAST, PROFILE_BALANCED };

struct genesis_seed {
    struct relay_id id;
    struct address address;
};

struct genesis {
    char name[GENESIS_NAME_MAX + 1];
    bool testnet;
    uint64_t genesis_ms;
    uint64_t epoch_ms;
    uint8_t replicas;
    uint8_t quorum;
    uint32_t min_relays;
    uint64_t item_lifetime_ms;
    uint8_t stamp_bits;
    uint32_t tick_ms;
    enum profile profile;
    struct sign_public authority;
    size_t seed_count;
    struct genesis_seed seeds[GENESIS_SEEDS_MAX];
    struct network_id network; // hash of the text
};

// `line` tells where a malformed text went wrong (1-based), may be NULL.
enum err genesis_parse(struct genesis *out, struct span text, unsigned *line);
// Appends the canonical text, the only one that genesis_parse takes. Ignores network.
void genesis_format(struct buf *out, const struct genesis *genesis);
// Sets network to the hash of the canonical text: for whoever makes a genesis instead of reading it.
void genesis_seal(struct genesis *genesis);
const char *profile_text(enum profile profile);
enum err profile_parse(enum profile *out, const char *text);

// Epoch numbers start with 1 at genesis_ms; before it the epoch is 0.
uint32_t epoch_at(const struct genesis *genesis, uint64_t wall_ms);
uint64_t epoch_start_ms(const struct genesis *genesis, uint32_t epoch); // of epoch 0: 0

#endif
