// The light client. The first byte modulo 3 chooses what the rest is:
//   0  a bundle from a relay
//   1  what a client kept of its trust
//   2  headers: each a byte that says which of four validators sign it, which they do here, and the header
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "ledger/bundle.h"

#define VALIDATORS 4
#define HEADERS_MAX 8

struct ledger {
    struct genesis genesis; // network of zeros
    struct validator_set validators;
    struct sign_secret secrets[VALIDATORS]; // in the order of the set
};

static void ledger_make(struct ledger *ledger) {
    struct sign_secret secrets[VALIDATORS];
    struct sign_public keys[VALIDATORS];
    memset(ledger, 0, sizeof *ledger);
    for (uint8_t i = 0; i < VALIDATORS; i++) {
        const uint8_t seed[32] = {i};
        sign_key_from_seed(&secrets[i], &keys[i], seed);
        const struct validator validator = {.key = keys[i], .power = 1};
        ASSERT(validator_set_change(&ledger->validators, &validator) == OK);
    }
    for (size_t i = 0; i < VALIDATORS; i++)
        ledger->secrets[validator_set_find(&ledger->validators, &keys[i])] = secrets[i];
    ledger->genesis.ledger.validator_count = VALIDATORS;
    for (size_t i = 0; i < VALIDATORS; i++)
        ledger->genesis.ledger.validators[i] =
            (struct genesis_validator){.key = ledger->validators.validators[i].key, .power = 1};
}

static void check_bundle(const struct ledger *ledger, struct light *light, struct span bytes) {
    struct ledger_bundle bundle;
    struct buf again = {0};
    (void)ledger;
    if (bundle_decode(&bundle, bytes) != OK)
        return;
    bundle_encode(&again, &bundle);
    ASSERT(span_equal(buf_span(&again), bytes));
    buf_free(&again);
    struct light before = *light;
    enum light_result result = light_update(light, &bundle.header, &bundle.certificate, &bundle.validators, UINT64_MAX);
    ASSERT(result == LIGHT_TAKEN || memcmp(&before, light, sizeof before) == 0);
    if (result != LIGHT_TAKEN)
        ASSERT(bundle_verify(&bundle, light) != OK); // the state of the genesis is not known
    light->header = bundle.header;                   // as if it were trusted: the proof is looked at
    block_id_of(&light->id, &bundle.header);
    (void)bundle_verify(&bundle, light);
}

static void check_restore(const struct ledger *ledger, struct light *light, struct span bytes) {
    uint8_t again[LIGHT_BYTES_MAX];
    (void)ledger;
    if (light_restore(light, bytes) == OK)
        ASSERT(span_equal(span_of(again, light_encode(again, light)), bytes));
}

// The votes of those whose bit is set.
static void certify(struct certificate *out, const struct ledger *ledger, const struct block_header *header,
                    uint8_t signers) {
    *out = (struct certificate){.type = VOTE_PRECOMMIT, .height = header->height};
    block_id_of(&out->value, header);
    for (uint16_t i = 0; i < VALIDATORS; i++) {
        if ((signers >> i & 1) == 0)
            continue;
        struct vote vote = {.type = VOTE_PRECOMMIT,
                            .height = header->height,
                            .value = out->value,
                            .validator = ledger->validators.validators[i].key};
        vote_sign(&vote, &ledger->genesis.network, &ledger->secrets[i]);
        out->votes[out->count++] = (struct certificate_vote){i, vote.signature};
    }
}

static void check_headers(const struct ledger *ledger, struct light *light, struct span bytes) {
    struct reader r = reader_of(bytes);
    for (size_t i = 0; i < HEADERS_MAX && r.n > 0; i++) {
        uint8_t signers = read_u8(&r);
        struct block_header header;
        block_header_read(&r, &header);
        if (!reader_ok(&r))
            return;
        header.network = ledger->genesis.network;
        validator_set_hash(&header.validators, &ledger->validators);
        struct certificate certificate;
        certify(&certificate, ledger, &header, signers);
        uint64_t height = light->header.height;
        enum light_result result = light_update(light, &header, &certificate, &ledger->validators, header.time_ms);
        ASSERT((result != LIGHT_TAKEN && result != LIGHT_FORK) || certificate.count >= 3);
        ASSERT(light->header.height == (result == LIGHT_TAKEN ? header.height : height));
        ASSERT(result != LIGHT_TAKEN || header.height > height);
        ASSERT(result != LIGHT_NETWORK && result != LIGHT_EXPIRED && result != LIGHT_AHEAD);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const checks[])(const struct ledger *ledger, struct light *light,
                                  struct span bytes) = {check_bundle, check_restore, check_headers};
    crypto_init();
    if (size == 0)
        return 0;
    struct ledger ledger;
    struct light light;
    ledger_make(&ledger);
    light_init(&light, &ledger.genesis);
    checks[data[0] % 3](&ledger, &light, span_of(data + 1, size - 1));
    return 0;
}
