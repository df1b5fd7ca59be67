// Headers with the certificates of a committee, for whoever follows them.
#ifndef SOTTO_TESTS_LEDGER_HEADERS_H
#define SOTTO_TESTS_LEDGER_HEADERS_H

#include "ledger/committee.h"
#include "ledger/light.h"
#include "wire/codec.h"

#define GENESIS_MS UINT64_C(1790000000000)
#define STEP_MS 1000

struct certified {
    struct block_header header;
    struct block_id id;
    struct certificate certificate;
    struct validator_set validators;
};

static inline struct genesis genesis_of(const struct committee *committee, enum consensus consensus) {
    struct genesis genesis = {
        .genesis_ms = GENESIS_MS,
        .network = committee->network,
        .ledger = {.consensus = consensus, .unbonding_ms = 1000000},
    };
    committee_found(&genesis.ledger, committee);
    return genesis;
}

// The header of a height whose validators are the committee, and whose next ones are another's; not certified yet.
static inline struct certified header_of(const struct committee *committee, const struct committee *next,
                                         uint64_t height, const struct block_id *parent) {
    struct certified c = {.header = {.network = committee->network,
                                     .height = height,
                                     .time_ms = GENESIS_MS + height * STEP_MS,
                                     .parent = *parent,
                                     .proposer = committee->set.validators[0].key},
                          .validators = committee->set};
    validator_set_hash(&c.header.validators, &committee->set);
    validator_set_hash(&c.header.next_validators, &next->set);
    return c;
}

// By the first `signers` of the committee.
static inline void certify(struct certified *c, const struct committee *committee, size_t signers) {
    block_id_of(&c->id, &c->header);
    committee_certify(&c->certificate, committee, VOTE_PRECOMMIT, c->header.height, 0, &c->id, signers);
}

static inline struct certified certified_of(const struct committee *committee, const struct committee *next,
                                            uint64_t height, const struct block_id *parent) {
    struct certified c = header_of(committee, next, height, parent);
    certify(&c, committee, committee->set.count);
    return c;
}

// By a clock that shows the header's time.
static inline enum light_result light_take(struct light *light, const struct certified *c) {
    return light_update(light, &c->header, &c->certificate, &c->validators, c->header.time_ms);
}

#endif
