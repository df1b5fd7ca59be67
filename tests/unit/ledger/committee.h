// A set of validators whose secrets the test holds.
#ifndef SOTTO_TESTS_LEDGER_COMMITTEE_H
#define SOTTO_TESTS_LEDGER_COMMITTEE_H

#include "base/assert.h"
#include "base/rng.h"
#include "ledger/vote.h"

struct committee {
    struct network_id network;
    struct validator_set set;
    struct sign_secret secrets[VALIDATORS_MAX]; // in the order of the set
};

// `count` validators with powers of 1 to `power_max`.
static inline void committee_draw(struct committee *committee, size_t count, uint64_t power_max, struct rng *rng) {
    struct sign_secret drawn[VALIDATORS_MAX];
    struct sign_public keys[VALIDATORS_MAX];
    *committee = (struct committee){0};
    rng_bytes(rng, committee->network.bytes, sizeof committee->network.bytes);
    for (size_t i = 0; i < count; i++) {
        sign_key_new(&drawn[i], &keys[i], rng);
        struct validator v = {.key = keys[i], .power = 1 + rng_below(rng, power_max)};
        rng_bytes(rng, v.operator.bytes, sizeof v.operator.bytes);
        ASSERT(validator_set_change(&committee->set, &v) == OK);
    }
    for (size_t i = 0; i < count; i++)
        committee->secrets[validator_set_find(&committee->set, &keys[i])] = drawn[i];
}

// Makes them the validators that a genesis begins with.
static inline void committee_found(struct ledger_genesis *ledger, const struct committee *committee) {
    ledger->validator_count = committee->set.count;
    for (size_t i = 0; i < committee->set.count; i++) {
        const struct validator *v = &committee->set.validators[i];
        ledger->validators[i] = (struct genesis_validator){v->key, v->operator, v->power };
    }
}

// A committee that keeps the first `shared` of another's and has `fresh` new ones.
static inline void committee_with(struct committee *out, const struct committee *other, size_t shared, size_t fresh,
                                  struct rng *rng) {
    struct sign_secret secrets[VALIDATORS_MAX];
    struct sign_public keys[VALIDATORS_MAX];
    size_t count = 0;
    *out = (struct committee){.network = other->network};
    for (; count < shared; count++) {
        secrets[count] = other->secrets[count];
        keys[count] = other->set.validators[count].key;
    }
    for (; count < shared + fresh; count++)
        sign_key_new(&secrets[count], &keys[count], rng);
    for (size_t i = 0; i < count; i++) {
        const struct validator v = {.key = keys[i], .power = 1};
        ASSERT(validator_set_change(&out->set, &v) == OK);
    }
    for (size_t i = 0; i < count; i++)
        out->secrets[validator_set_find(&out->set, &keys[i])] = secrets[i];
}

// The votes of the first `signers` validators.
static inline void committee_certify(struct certificate *out, const struct committee *committee, enum vote_type type,
                                     uint64_t height, uint32_t round, const struct block_id *value, size_t signers) {
    *out = (struct certificate){.type = type, .height = height, .round = round, .value = *value, .count = signers};
    for (size_t i = 0; i < signers; i++) {
        struct vote vote = {.type = type,
                            .height = height,
                            .round = round,
                            .value = *value,
                            .validator = committee->set.validators[i].key};
        vote_sign(&vote, &committee->network, &committee->secrets[i]);
        out->votes[i] = (struct certificate_vote){(uint16_t)i, vote.signature};
    }
}

#endif
