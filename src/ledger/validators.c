// Validator sets: their encoding, changes of one, quorums, and whose turn it is to propose.
#include "ledger/validators.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"

// ---- encoding ----

static int key_compare(const struct sign_public *a, const struct sign_public *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

void validator_set_write(struct writer *w, const struct validator_set *set) {
    ASSERT(set->count >= 1 && set->count <= VALIDATORS_MAX);
    write_u16(w, (uint16_t)set->count);
    for (size_t i = 0; i < set->count; i++) {
        const struct validator *v = &set->validators[i];
        write_bytes(w, v->key.bytes, sizeof v->key.bytes);
        write_bytes(w, v->operator.bytes, sizeof v->operator.bytes);
        write_u64(w, v->power);
    }
}

static void read_validator(struct reader *r, struct validator *v) {
    read_bytes(r, v->key.bytes, sizeof v->key.bytes);
    read_bytes(r, v->operator.bytes, sizeof v->operator.bytes);
    v->power = read_u64(r);
}

void validator_set_read(struct reader *r, struct validator_set *set) {
    *set = (struct validator_set){.count = read_u16(r)};
    if (set->count < 1 || set->count > VALIDATORS_MAX) {
        reader_fail(r);
        set->count = 0;
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        struct validator *v = &set->validators[i];
        read_validator(r, v);
        if (v->power < 1 || v->power > VALIDATOR_POWER_MAX - set->total ||
            (i > 0 && key_compare(&set->validators[i - 1].key, &v->key) >= 0)) {
            reader_fail(r);
            return;
        }
        set->total += v->power;
    }
}

size_t validator_set_encode(uint8_t out[static VALIDATOR_SET_BYTES_MAX], const struct validator_set *set) {
    struct writer w = writer_of(out, VALIDATOR_SET_BYTES_MAX);
    validator_set_write(&w, set);
    return w.n;
}

enum err validator_set_decode(struct validator_set *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct validator_set set;
    validator_set_read(&r, &set);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = set;
    return OK;
}

void validator_set_hash(struct hash *out, const struct validator_set *set) {
    uint8_t bytes[VALIDATOR_SET_BYTES_MAX];
    size_t n = validator_set_encode(bytes, set);
    hash_bytes(out, "sotto validators 1", span_of(bytes, n));
}

// ---- members ----

// Where the key stands, or would.
static size_t place_of(const struct validator_set *set, const struct sign_public *key) {
    size_t low = 0;
    size_t high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key_compare(&set->validators[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stands_at(const struct validator_set *set, size_t at, const struct sign_public *key) {
    return at < set->count && key_compare(&set->validators[at].key, key) == 0;
}

int validator_set_find(const struct validator_set *set, const struct sign_public *key) {
    size_t at = place_of(set, key);
    return stands_at(set, at, key) ? (int)at : -1;
}

static void remove_at(struct validator_set *set, size_t at) {
    memmove(set->validators + at, set->validators + at + 1, (set->count - at - 1) * sizeof *set->validators);
    set->count--;
    memset(&set->validators[set->count], 0, sizeof *set->validators);
}

static void make_room_at(struct validator_set *set, size_t at) {
    memmove(set->validators + at + 1, set->validators + at, (set->count - at) * sizeof *set->validators);
    set->count++;
}

enum err validator_set_change(struct validator_set *set, const struct validator *validator) {
    size_t at = place_of(set, &validator->key);
    bool present = stands_at(set, at, &validator->key);
    uint64_t others = set->total - (present ? set->validators[at].power : 0);
    if (validator->power > VALIDATOR_POWER_MAX - others || others + validator->power == 0)
        return ERR_INVALID;
    if (!present && validator->power > 0 && set->count == VALIDATORS_MAX)
        return ERR_FULL;
    if (validator->power == 0) {
        if (present)
            remove_at(set, at);
    } else {
        if (!present)
            make_room_at(set, at);
        set->validators[at] = *validator;
    }
    set->total = others + validator->power;
    return OK;
}

void validator_set_of_genesis(struct validator_set *out, const struct ledger_genesis *genesis) {
    ASSERT(genesis->validator_count >= 1 && genesis->validator_count <= VALIDATORS_MAX);
    *out = (struct validator_set){0};
    for (size_t i = 0; i < genesis->validator_count; i++) {
        const struct genesis_validator *g = &genesis->validators[i];
        const struct validator v = {g->key, g->operator, g->power };
        ASSERT(validator_set_change(out, &v) == OK); // a genesis is bounded as sets are
    }
}

// ---- power ----

bool power_is_quorum(uint64_t power, uint64_t total) {
    ASSERT(power <= total && total <= VALIDATOR_POWER_MAX);
    return 3 * power > 2 * total;
}

bool power_is_skip(uint64_t power, uint64_t total) {
    ASSERT(power <= total && total <= VALIDATOR_POWER_MAX);
    return 3 * power > total;
}

// ---- proposers ----

__extension__ typedef unsigned __int128 uint128;

// Lays the powers side by side on a line as long as their total, and takes one point in each of its `count` equal
// parts, at an offset that moves from cycle to cycle by the golden ratio (which spreads evenly over any number of
// cycles).
size_t validators_proposer(const struct validator_set *set, uint64_t height, uint32_t round) {
    ASSERT(set->count > 0);
    uint64_t turn = height + round; // heights do not come near 2^64
    uint64_t part = turn % set->count;
    uint64_t cycle_fraction = turn / set->count * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t offset = (uint64_t)((uint128)cycle_fraction * set->total >> 64); // below total
    uint64_t point = (uint64_t)(((uint128)part * set->total + offset) / set->count);
    size_t i = 0;
    for (uint64_t end = set->validators[0].power; end <= point; end += set->validators[i].power) {
        i++;
        ASSERT(i < set->count);
    }
    return i;
}
