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
//   consensus poa                 from here to the last account: the ledger
//   block_ms 2000                 longest time between blocks; 0: no empty ones
//   fee_min 1000
//   relay_stake_min 1000000
//   validator_stake_min 1000000   pos
//   unbonding_ms 1814400000
//   slash_percent 5               pos: of the stake of a validator that signed two things
//   reward_pool 0                 grains from which deliveries are paid
//   reward_per_epoch 0            so many at most
//   samples 8                     leaves of a delivery batch that are to be opened
//   validator <64 hex> <64 hex> <power>   consensus key, operator; repeated, 1 to 100, keys increasing
//   account <64 hex> <grains>     repeated, 0 to 64, keys increasing
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
#define GENESIS_BYTES_MAX (32 * 1024) // the largest genesis has 100 validators and 64 accounts in 22 KiB
#define GENESIS_NAME_MAX 32
#define GENESIS_VALIDATORS_MAX 100
#define GENESIS_ACCOUNTS_MAX 64

// All the grains there may be, and all the power of a set of validators: stake is power, three times it is a u64, and
// sums of two amounts never overflow.
#define GRAINS_MAX ((UINT64_C(1) << 60) - 1)

enum profile { PROFILE_FAST, PROFILE_BALANCED };

// Who the validators are: a list that they themselves vote on, or those with the largest stake.
enum consensus { CONSENSUS_POA, CONSENSUS_POS };

struct genesis_seed {
    struct relay_id id;
    struct address address;
};

struct genesis_validator {
    struct sign_public key; // signs votes and proposals
    struct account_id operator;
    uint64_t power; // with CONSENSUS_POS: grains staked
};

struct genesis_account {
    struct account_id id;
    uint64_t grains;
};

// What the ledger begins with. All grains there are: of the accounts, of the reward pool, and those that validators
// have staked; GRAINS_MAX at most.
struct ledger_genesis {
    enum consensus consensus;
    uint32_t block_ms;
    uint64_t fee_min;
    uint64_t relay_stake_min;
    uint64_t validator_stake_min;
    uint64_t unbonding_ms;
    uint8_t slash_percent;
    uint64_t reward_pool;
    uint64_t reward_per_epoch;
    uint8_t samples;
    size_t validator_count;                                      // at least 1
    struct genesis_validator validators[GENESIS_VALIDATORS_MAX]; // sorted by key
    size_t account_count;
    struct genesis_account accounts[GENESIS_ACCOUNTS_MAX]; // sorted by id
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
    struct ledger_genesis ledger;
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
const char *consensus_text(enum consensus consensus);
enum err consensus_parse(enum consensus *out, const char *text);
// All grains of the ledger. UINT64_MAX when they are too many for one: no genesis that was parsed has so many.
uint64_t ledger_genesis_supply(const struct ledger_genesis *ledger);

// Epoch numbers start with 1 at genesis_ms; before it the epoch is 0.
uint32_t epoch_at(const struct genesis *genesis, uint64_t wall_ms);
uint64_t epoch_start_ms(const struct genesis *genesis, uint32_t epoch); // of epoch 0: 0

#endif
