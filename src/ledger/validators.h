// A set of validators: who votes on blocks, with what power. Immutable for a height; docs/spec/ledger.md, "Validators".
//
//   set    count 2 | count x (consensus key 32 | operator account 32 | power 8), keys strictly increasing
#ifndef SOTTO_LEDGER_VALIDATORS_H
#define SOTTO_LEDGER_VALIDATORS_H

#include "base/cursor.h"
#include "wire/genesis.h"

#define VALIDATORS_MAX GENESIS_VALIDATORS_MAX
#define VALIDATOR_POWER_MAX GRAINS_MAX // of a whole set

struct validator {
    struct sign_public key;     // signs votes and proposals
    struct account_id operator; // votes on changes of the set, gets rewards and loses stake
    uint64_t power;             // at least 1
};

// Sorted by key. Also bounded on the wire: 1 to VALIDATORS_MAX validators, total <= VALIDATOR_POWER_MAX.
struct validator_set {
    size_t count;
    uint64_t total; // of all power
    struct validator validators[VALIDATORS_MAX];
};

#define VALIDATOR_BYTES (32 + 32 + 8)
#define VALIDATOR_SET_BYTES_MAX (2 + VALIDATORS_MAX * VALIDATOR_BYTES)

void validator_set_write(struct writer *w, const struct validator_set *set);
void validator_set_read(struct reader *r, struct validator_set *set); // fails the reader unless canonical
size_t validator_set_encode(uint8_t out[static VALIDATOR_SET_BYTES_MAX], const struct validator_set *set);
enum err validator_set_decode(struct validator_set *out, struct span bytes); // ERR_MALFORMED
void validator_set_hash(struct hash *out, const struct validator_set *set);  // H("sotto validators 1", encoding)

// The set that a network's ledger begins with. The genesis has validators.
void validator_set_of_genesis(struct validator_set *out, const struct ledger_genesis *genesis);

// The index of a key in the set, or -1.
int validator_set_find(const struct validator_set *set, const struct sign_public *key);
// Adds the validator, replaces the one of the same key, or removes it (power 0). ERR_FULL: VALIDATORS_MAX others;
// ERR_INVALID: too much power altogether, or the last one would go. The set is then as before.
enum err validator_set_change(struct validator_set *set, const struct validator *validator);

// More than two thirds, or more than one third, of a total of at most VALIDATOR_POWER_MAX.
bool power_is_quorum(uint64_t power, uint64_t total);
bool power_is_skip(uint64_t power, uint64_t total);

// Who proposes at a height and round: a function of these alone, by systematic sampling. In each cycle of `count` turns
// (a turn is height + round) everybody gets as many turns as its share of the power, rounded down or up, and in the
// long run exactly its share; with equal powers that is round robin. Returns an index.
size_t validators_proposer(const struct validator_set *set, uint64_t height, uint32_t round);

#endif
