// The genesis text. It is read strictly because its hash is the network's name: two texts that mean the same would be
// two networks that look like one. So there is exactly one text for a meaning, and the parser proves it by formatting
// what it read.
#include "wire/genesis.h"

#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "wire/directory.h"
#include "wire/op.h"

#define NUMBER_DIGITS_MAX 20

// The numbers of a genesis: type, field, least, greatest.
// epoch_ms: a second is what a simulated network needs at least, a day the longest that keys may live.
// genesis_ms: until the year 9999, so that sums of times never overflow.
#define GENESIS_NUMBERS(X)                                \
    X(uint64_t, genesis_ms, 0, UINT64_C(253402300799999)) \
    X(uint64_t, epoch_ms, SECOND_MS, DAY_MS)              \
    X(uint8_t, replicas, 2, REPLICAS_MAX)                 \
    X(uint8_t, quorum, 2, REPLICAS_MAX)                   \
    X(uint32_t, min_relays, 1, DIRECTORY_RELAYS_MAX)      \
    X(uint64_t, item_lifetime_ms, SECOND_MS, 14 * DAY_MS) \
    X(uint8_t, stamp_bits, 0, STAMP_BITS_MAX)             \
    X(uint32_t, tick_ms, 0, SECOND_MS)

// Those of its ledger, likewise.
// block_ms: an hour is the longest that anybody would wait for an empty block.
// samples: each is a transaction of up to 4 KiB that a relay sends in an epoch; 64 find one false leaf in ten with 999
// chances in 1000.
#define LEDGER_NUMBERS(X)                              \
    X(uint32_t, block_ms, 0, HOUR_MS)                  \
    X(uint64_t, fee_min, 0, GRAINS_MAX)                \
    X(uint64_t, relay_stake_min, 0, GRAINS_MAX)        \
    X(uint64_t, validator_stake_min, 1, GRAINS_MAX)    \
    X(uint64_t, unbonding_ms, SECOND_MS, 365 * DAY_MS) \
    X(uint8_t, slash_percent, 0, 100)                  \
    X(uint64_t, reward_pool, 0, GRAINS_MAX)            \
    X(uint64_t, reward_per_epoch, 0, GRAINS_MAX)       \
    X(uint8_t, samples, 1, 64)

static const char *const profile_texts[] = {[PROFILE_FAST] = "fast", [PROFILE_BALANCED] = "balanced"};

static const char *const consensus_texts[] = {[CONSENSUS_POA] = "poa", [CONSENSUS_POS] = "pos"};

// The index of a text among some, or -1.
static int index_of(const char *const *texts, size_t count, const char *text) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, texts[i]) == 0)
            return (int)i;
    }
    return -1;
}

const char *profile_text(enum profile profile) {
    return profile_texts[profile];
}

enum err profile_parse(enum profile *out, const char *text) {
    int i = index_of(profile_texts, sizeof profile_texts / sizeof *profile_texts, text);
    if (i < 0)
        return ERR_MALFORMED;
    *out = (enum profile)i;
    return OK;
}

const char *consensus_text(enum consensus consensus) {
    return consensus_texts[consensus];
}

enum err consensus_parse(enum consensus *out, const char *text) {
    int i = index_of(consensus_texts, sizeof consensus_texts / sizeof *consensus_texts, text);
    if (i < 0)
        return ERR_MALFORMED;
    *out = (enum consensus)i;
    return OK;
}

// Adds grains, and stays at UINT64_MAX once there are too many.
static void supply_add(uint64_t *supply, uint64_t grains) {
    *supply = *supply <= GRAINS_MAX && grains <= GRAINS_MAX - *supply ? *supply + grains : UINT64_MAX;
}

static uint64_t power_of(const struct ledger_genesis *ledger) {
    uint64_t power = 0;
    for (size_t i = 0; i < ledger->validator_count; i++)
        supply_add(&power, ledger->validators[i].power);
    return power;
}

uint64_t ledger_genesis_supply(const struct ledger_genesis *ledger) {
    uint64_t supply = ledger->consensus == CONSENSUS_POS ? power_of(ledger) : 0;
    supply_add(&supply, ledger->reward_pool);
    for (size_t i = 0; i < ledger->account_count; i++)
        supply_add(&supply, ledger->accounts[i].grains);
    return supply;
}

// ---- reading ----

// A cursor over lines; sticky like base/cursor.h, and stays at the line that failed.
struct lines {
    struct span rest;
    unsigned line; // last one read, 1-based
    bool failed;
};

// The value behind "key " on the next line; empty once anything has failed.
static struct span value_of(struct lines *t, const char *key) {
    if (t->failed)
        return (struct span){0};
    t->line++;
    const uint8_t *end = t->rest.n > 0 ? memchr(t->rest.p, '\n', t->rest.n) : NULL;
    size_t key_bytes = strlen(key);
    size_t n = end != NULL ? (size_t)(end - t->rest.p) : 0;
    if (n < key_bytes + 2 || memcmp(t->rest.p, key, key_bytes) != 0 || t->rest.p[key_bytes] != ' ') {
        t->failed = true;
        return (struct span){0};
    }
    struct span value = {t->rest.p + key_bytes + 1, n - key_bytes - 1};
    t->rest = (struct span){end + 1, t->rest.n - n - 1};
    return value;
}

static void expect(struct lines *t, const char *key, const char *text) {
    if (!span_equal(value_of(t, key), span_of_text(text)))
        t->failed = true;
}

// Whether the next line is of this key.
static bool next_is(const struct lines *t, const char *key) {
    size_t n = strlen(key);
    return !t->failed && t->rest.n > n && memcmp(t->rest.p, key, n) == 0 && t->rest.p[n] == ' ';
}

static uint64_t decimal(struct lines *t, struct span digits, uint64_t min, uint64_t max) {
    uint64_t n = 0;
    for (size_t i = 0; i < digits.n; i++) {
        uint8_t digit = (uint8_t)(digits.p[i] - '0');
        if (digit > 9 || n > (UINT64_MAX - digit) / 10) {
            t->failed = true;
            return 0;
        }
        n = n * 10 + digit;
    }
    if (digits.n == 0 || n < min || n > max)
        t->failed = true;
    return t->failed ? 0 : n;
}

static uint64_t number(struct lines *t, const char *key, uint64_t min, uint64_t max) {
    return decimal(t, value_of(t, key), min, max);
}

// A value of at most n - 1 bytes as a C string; "" once anything has failed.
static void text(struct lines *t, const char *key, char *out, size_t n) {
    struct span value = value_of(t, key);
    if (value.n >= n || (value.n > 0 && memchr(value.p, 0, value.n) != NULL)) {
        t->failed = true;
        value = (struct span){0};
    }
    if (value.n > 0)
        memcpy(out, value.p, value.n);
    out[value.n] = '\0';
}

static void name(struct lines *t, struct genesis *genesis) {
    text(t, "name", genesis->name, sizeof genesis->name);
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (strspn(genesis->name, allowed) != strlen(genesis->name))
        t->failed = true;
}

static bool boolean(struct lines *t, const char *key) {
    struct span value = value_of(t, key);
    bool yes = span_equal(value, SPAN_LITERAL("true"));
    if (!yes && !span_equal(value, SPAN_LITERAL("false")))
        t->failed = true;
    return yes;
}

static void profile(struct lines *t, struct genesis *genesis) {
    char value[16];
    text(t, "profile", value, sizeof value);
    if (profile_parse(&genesis->profile, value) != OK)
        t->failed = true;
}

// Takes 64 digits from the front of a value.
static void take_key(struct lines *t, struct span *value, uint8_t out[static 32]) {
    char digits[65] = {0};
    if (value->n < 64) {
        t->failed = true;
        return;
    }
    memcpy(digits, value->p, 64);
    if (hex_decode(out, 32, digits) != OK)
        t->failed = true;
    *value = (struct span){value->p + 64, value->n - 64};
}

static void take_space(struct lines *t, struct span *value) {
    if (value->n == 0 || value->p[0] != ' ') {
        t->failed = true;
        return;
    }
    *value = (struct span){value->p + 1, value->n - 1};
}

static void seed(struct lines *t, struct genesis_seed *out) {
    struct span value = value_of(t, "seed");
    char address[ADDRESS_TEXT_MAX] = {0};
    take_key(t, &value, out->id.bytes);
    take_space(t, &value);
    if (t->failed || value.n >= sizeof address || memchr(value.p, 0, value.n) != NULL) {
        t->failed = true;
        return;
    }
    memcpy(address, value.p, value.n);
    if (address_parse(&out->address, address) != OK)
        t->failed = true;
}

// One more line than a list may have.
static void overlong(struct lines *t) {
    t->line++;
    t->failed = true;
}

static void seeds(struct lines *t, struct genesis *genesis) {
    do {
        if (genesis->seed_count == GENESIS_SEEDS_MAX) {
            overlong(t);
            return;
        }
        seed(t, &genesis->seeds[genesis->seed_count++]);
    } while (!t->failed && t->rest.n > 0);
}

static void validator(struct lines *t, struct genesis_validator *out) {
    struct span value = value_of(t, "validator");
    take_key(t, &value, out->key.bytes);
    take_space(t, &value);
    take_key(t, &value, out->operator.bytes);
    take_space(t, &value);
    out->power = decimal(t, value, 1, GRAINS_MAX);
}

// Stake is an operator's and stands for one key. Votes count by power, so that authorities may share an operator.
static bool is_staked_twice(const struct ledger_genesis *ledger, const struct genesis_validator *last) {
    for (const struct genesis_validator *v = ledger->validators; v < last; v++) {
        if (ledger->consensus == CONSENSUS_POS && memcmp(v->operator.bytes, last->operator.bytes, 32) == 0)
            return true;
    }
    return false;
}

static void validators(struct lines *t, struct ledger_genesis *ledger) {
    do {
        if (ledger->validator_count == GENESIS_VALIDATORS_MAX) {
            overlong(t);
            return;
        }
        struct genesis_validator *v = &ledger->validators[ledger->validator_count];
        validator(t, v);
        if (ledger->validator_count > 0 && memcmp(v[-1].key.bytes, v->key.bytes, sizeof v->key.bytes) >= 0)
            t->failed = true;
        if (is_staked_twice(ledger, v))
            t->failed = true;
        ledger->validator_count++;
        if (power_of(ledger) > GRAINS_MAX)
            t->failed = true;
    } while (next_is(t, "validator"));
}

static void account(struct lines *t, struct genesis_account *out) {
    struct span value = value_of(t, "account");
    take_key(t, &value, out->id.bytes);
    take_space(t, &value);
    out->grains = decimal(t, value, 1, GRAINS_MAX);
}

static void accounts(struct lines *t, struct ledger_genesis *ledger) {
    while (next_is(t, "account")) {
        if (ledger->account_count == GENESIS_ACCOUNTS_MAX) {
            overlong(t);
            return;
        }
        struct genesis_account *a = &ledger->accounts[ledger->account_count];
        account(t, a);
        if (ledger->account_count > 0 && memcmp(a[-1].id.bytes, a->id.bytes, sizeof a->id.bytes) >= 0)
            t->failed = true;
        ledger->account_count++;
        if (ledger_genesis_supply(ledger) > GRAINS_MAX)
            t->failed = true;
    }
}

static void consensus(struct lines *t, struct ledger_genesis *ledger) {
    char value[8];
    text(t, "consensus", value, sizeof value);
    if (consensus_parse(&ledger->consensus, value) != OK)
        t->failed = true;
}

static void ledger_lines(struct lines *t, struct ledger_genesis *ledger) {
    consensus(t, ledger);
#define READ_NUMBER(type, field, min, max) ledger->field = (type)number(t, #field, min, max);
    LEDGER_NUMBERS(READ_NUMBER)
#undef READ_NUMBER
    validators(t, ledger);
    accounts(t, ledger);
}

static void read_all(struct lines *t, struct genesis *genesis) {
    expect(t, "sotto-genesis", "1");
    name(t, genesis);
    genesis->testnet = boolean(t, "testnet");
#define READ_NUMBER(type, field, min, max) genesis->field = (type)number(t, #field, min, max);
    GENESIS_NUMBERS(READ_NUMBER)
#undef READ_NUMBER
    profile(t, genesis);
    ledger_lines(t, &genesis->ledger);
    seeds(t, genesis);
}

// The line of the first byte in which two texts differ.
static unsigned first_difference(struct span a, struct span b) {
    unsigned line = 1;
    for (size_t i = 0; i < a.n && i < b.n && a.p[i] == b.p[i]; i++)
        line += a.p[i] == '\n';
    return line;
}

static void network_of(struct network_id *out, struct span text_bytes) {
    struct hash hash;
    hash_bytes(&hash, "sotto genesis 1", text_bytes);
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
}

enum err genesis_parse(struct genesis *out, struct span text_bytes, unsigned *line) {
    struct lines t = {.rest = text_bytes, .failed = text_bytes.n > GENESIS_BYTES_MAX};
    struct genesis genesis = {0};
    read_all(&t, &genesis);
    if (!t.failed && genesis.quorum > genesis.replicas) {
        t.failed = true;
        t.line = 7; // quorum
    }
    if (!t.failed) {
        struct buf canonical = {0};
        genesis_format(&canonical, &genesis);
        t.failed = !span_equal(buf_span(&canonical), text_bytes);
        if (t.failed)
            t.line = first_difference(buf_span(&canonical), text_bytes);
        buf_free(&canonical);
    }
    if (t.failed) {
        if (line != NULL)
            *line = t.line;
        return ERR_MALFORMED;
    }
    network_of(&genesis.network, text_bytes);
    *out = genesis;
    return OK;
}

// ---- writing ----

static void put_line(struct buf *out, const char *key, const char *value) {
    buf_append(out, span_of_text(key));
    buf_append(out, SPAN_LITERAL(" "));
    buf_append(out, span_of_text(value));
    buf_append(out, SPAN_LITERAL("\n"));
}

// Writes digits and a final zero; returns where they start.
static const char *digits_of(char out[static NUMBER_DIGITS_MAX + 1], uint64_t value) {
    size_t at = NUMBER_DIGITS_MAX;
    out[at] = '\0';
    do {
        out[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return out + at;
}

static void put_number(struct buf *out, const char *key, uint64_t value) {
    char digits[NUMBER_DIGITS_MAX + 1];
    put_line(out, key, digits_of(digits, value));
}

// key, one or two 32-byte values in hex, number
static void put_keys_and_number(struct buf *out, const char *key, const uint8_t *first, const uint8_t *second,
                                uint64_t number_value) {
    char value[64 + 1 + 64 + 1 + NUMBER_DIGITS_MAX + 1];
    char digits[NUMBER_DIGITS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < (second != NULL ? 2 : 1); i++, n += 65) {
        hex_encode(value + n, span_of(i == 0 ? first : second, 32));
        value[n + 64] = ' ';
    }
    const char *text_of_number = digits_of(digits, number_value);
    memcpy(value + n, text_of_number, strlen(text_of_number) + 1);
    put_line(out, key, value);
}

static void put_ledger(struct buf *out, const struct ledger_genesis *ledger) {
    put_line(out, "consensus", consensus_text(ledger->consensus));
#define PUT_NUMBER(type, field, min, max) put_number(out, #field, ledger->field);
    LEDGER_NUMBERS(PUT_NUMBER)
#undef PUT_NUMBER
    for (size_t i = 0; i < ledger->validator_count; i++) {
        const struct genesis_validator *v = &ledger->validators[i];
        put_keys_and_number(out, "validator", v->key.bytes, v->operator.bytes, v->power);
    }
    for (size_t i = 0; i < ledger->account_count; i++)
        put_keys_and_number(out, "account", ledger->accounts[i].id.bytes, NULL, ledger->accounts[i].grains);
}

static void put_seed(struct buf *out, const struct genesis_seed *seed_line) {
    char value[64 + 1 + ADDRESS_TEXT_MAX];
    hex_encode(value, SPAN_OF(seed_line->id.bytes));
    value[64] = ' ';
    address_format(value + 65, &seed_line->address);
    put_line(out, "seed", value);
}

void genesis_format(struct buf *out, const struct genesis *genesis) {
    put_line(out, "sotto-genesis", "1");
    put_line(out, "name", genesis->name);
    put_line(out, "testnet", genesis->testnet ? "true" : "false");
#define PUT_NUMBER(type, field, min, max) put_number(out, #field, genesis->field);
    GENESIS_NUMBERS(PUT_NUMBER)
#undef PUT_NUMBER
    put_line(out, "profile", profile_text(genesis->profile));
    put_ledger(out, &genesis->ledger);
    for (size_t i = 0; i < genesis->seed_count; i++)
        put_seed(out, &genesis->seeds[i]);
}

void genesis_seal(struct genesis *genesis) {
    struct buf canonical = {0};
    genesis_format(&canonical, genesis);
    network_of(&genesis->network, buf_span(&canonical));
    buf_free(&canonical);
}

// ---- epochs ----

uint32_t epoch_at(const struct genesis *genesis, uint64_t wall_ms) {
    if (wall_ms < genesis->genesis_ms)
        return 0;
    uint64_t epoch = (wall_ms - genesis->genesis_ms) / genesis->epoch_ms + 1;
    return epoch < UINT32_MAX ? (uint32_t)epoch : UINT32_MAX;
}

uint64_t epoch_start_ms(const struct genesis *genesis, uint32_t epoch) {
    return epoch == 0 ? 0 : genesis->genesis_ms + (uint64_t)(epoch - 1) * genesis->epoch_ms;
}
