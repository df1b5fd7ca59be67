// Trust moves from header to header. What costs nothing is checked before signatures are, so that a peer cannot make a
// client verify a hundred signatures for a header that would be refused anyway.
#include "ledger/light.h"

#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "ledger/tree.h"

const char *light_result_text(enum light_result result) {
    static const char *const texts[] = {
#define LIGHT_TEXT(name, text) [name] = (text),
        LIGHT_LIST(LIGHT_TEXT)
#undef LIGHT_TEXT
    };
    return texts[result];
}

static bool hash_equal(const struct hash *a, const struct hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool is_hash_of(const struct hash *hash, const struct validator_set *validators) {
    struct hash actual;
    validator_set_hash(&actual, validators);
    return hash_equal(hash, &actual);
}

static void trust(struct light *light, const struct block_header *header, const struct validator_set *validators) {
    light->header = *header;
    light->validators = *validators;
    block_id_of(&light->id, header);
}

void light_init(struct light *light, const struct genesis *genesis) {
    *light = (struct light){
        .network = genesis->network,
        .trust_ms = genesis->ledger.consensus == CONSENSUS_POS ? genesis->ledger.unbonding_ms : UINT64_MAX,
        .header = {.network = genesis->network, .time_ms = genesis->genesis_ms},
    };
    validator_set_of_genesis(&light->validators, &genesis->ledger);
    validator_set_hash(&light->header.validators, &light->validators);
    light->header.next_validators = light->header.validators;
}

// A header that is trusted for other reasons than a certificate.
static enum err adopt(struct light *light, const struct block_header *header, const struct validator_set *validators) {
    if (memcmp(header->network.bytes, light->network.bytes, sizeof light->network.bytes) != 0)
        return ERR_NETWORK;
    if (!is_hash_of(&header->validators, validators))
        return ERR_AUTH;
    trust(light, header, validators);
    return OK;
}

enum err light_checkpoint(struct light *light, const struct block_id *id, const struct block_header *header,
                          const struct validator_set *validators) {
    struct block_id actual;
    block_id_of(&actual, header);
    return block_id_equal(&actual, id) ? adopt(light, header, validators) : ERR_AUTH;
}

size_t light_encode(uint8_t out[static LIGHT_BYTES_MAX], const struct light *light) {
    ASSERT(light->header.height > 0);
    block_header_encode(out, &light->header);
    return BLOCK_HEADER_BYTES + validator_set_encode(out + BLOCK_HEADER_BYTES, &light->validators);
}

enum err light_restore(struct light *light, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct block_header header;
    struct validator_set validators;
    block_header_read(&r, &header);
    validator_set_read(&r, &validators);
    return reader_done(&r) ? adopt(light, &header, &validators) : ERR_MALFORMED;
}

// ---- updates ----

static bool is_next(const struct light *light, const struct block_header *header) {
    return header->height == light->header.height + 1;
}

static bool expired(const struct light *light, uint64_t wall_ms) {
    return wall_ms > light->header.time_ms && wall_ms - light->header.time_ms > light->trust_ms;
}

static bool certificate_names(const struct certificate *certificate, const struct block_header *header,
                              const struct block_id *id) {
    return certificate->type == VOTE_PRECOMMIT && certificate->height == header->height &&
           block_id_equal(&certificate->value, id);
}

// The power in the trusted set of those who signed, each found by its key.
static uint64_t trusted_power(const struct light *light, const struct certificate *certificate,
                              const struct validator_set *validators) {
    uint64_t power = 0;
    for (size_t i = 0; i < certificate->count; i++) {
        const struct sign_public *key = &validators->validators[certificate->votes[i].validator].key;
        int at = validator_set_find(&light->validators, key);
        power += at >= 0 ? light->validators.validators[at].power : 0;
    }
    return power;
}

// Whether the trusted header vouches for the validators of this one: it announced them, or, further on, enough of its
// own signed with them.
static bool vouched_for(const struct light *light, const struct block_header *header,
                        const struct certificate *certificate, const struct validator_set *validators) {
    if (is_next(light, header))
        return hash_equal(&header->validators, &light->header.next_validators);
    return power_is_skip(trusted_power(light, certificate, validators), light->validators.total);
}

// A later block has a later time, and the next one names the trusted one as its parent. Genesis is no block: validators
// that are up before its time decide blocks before it.
static bool continues(const struct light *light, const struct block_header *header) {
    return (light->header.height == 0 || header->time_ms > light->header.time_ms) &&
           (!is_next(light, header) || block_id_equal(&header->parent, &light->id));
}

// What can be said of a header without any signature.
static enum light_result look(const struct light *light, const struct block_header *header, uint64_t wall_ms) {
    if (memcmp(header->network.bytes, light->network.bytes, sizeof light->network.bytes) != 0)
        return LIGHT_NETWORK;
    if (header->height < light->header.height)
        return LIGHT_OLDER;
    if (expired(light, wall_ms))
        return LIGHT_EXPIRED;
    return header->time_ms > wall_ms && header->time_ms - wall_ms > LIGHT_AHEAD_MS ? LIGHT_AHEAD : LIGHT_TAKEN;
}

enum light_result light_update(struct light *light, const struct block_header *header,
                               const struct certificate *certificate, const struct validator_set *validators,
                               uint64_t wall_ms) {
    enum light_result result = look(light, header, wall_ms);
    if (result != LIGHT_TAKEN)
        return result;
    struct block_id id;
    block_id_of(&id, header);
    if (block_id_equal(&id, &light->id))
        return LIGHT_KNOWN;
    uint64_t power = 0;
    if (!certificate_names(certificate, header, &id) || !is_hash_of(&header->validators, validators) ||
        certificate_power(&power, certificate, validators) != OK || !power_is_quorum(power, validators->total))
        return LIGHT_INVALID;
    bool same_height = header->height == light->header.height;
    if (!same_height && !vouched_for(light, header, certificate, validators))
        return is_next(light, header) ? LIGHT_INVALID : LIGHT_BETWEEN;
    if (same_height && !hash_equal(&header->validators, &light->header.validators))
        return LIGHT_INVALID;
    if (certificate_verify(certificate, validators, &light->network) != OK)
        return LIGHT_INVALID;
    if (same_height || !continues(light, header))
        return LIGHT_FORK;
    trust(light, header, validators);
    return LIGHT_TAKEN;
}

// ---- proofs ----

enum err light_verify_tx(const struct light *light, const struct tx_id *id, uint32_t index, struct merkle_path path) {
    struct hash item;
    memcpy(item.bytes, id->bytes, sizeof item.bytes);
    return merkle_verify(&light->header.tx_root, light->header.tx_count, index, &item, path);
}

enum err light_verify_state(const struct light *light, struct span key, const struct span *value, struct span proof) {
    struct hash key_hash;
    struct hash value_hash;
    tree_key(&key_hash, key);
    if (value != NULL)
        tree_value(&value_hash, *value);
    return tree_verify(&light->header.state_root, &key_hash, value != NULL ? &value_hash : NULL, proof);
}
