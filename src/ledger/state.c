// Entries as bytes, one reader and one writer a kind, and their way through the overlay.
#include "ledger/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/keys.h"
#include "ledger/tree.h"

#define ENTRY_KEY_BYTES_MAX (2 + STATE_KEY_BYTES_MAX)
#define RELAY_VALUE_BYTES_MAX (32 + 32 + ADDRESS_BYTES_MAX + 4 + ONION_KEYS_AHEAD * 32 + 8 + 3 * 4)
#define STAKER_BYTES (32 + 32 + 8)

_Static_assert(ENTRY_KEY_BYTES_MAX <= OVERLAY_KEY_BYTES_MAX, "an entry has a key in the store");
_Static_assert(DIRECTORY_RELAYS_MAX * 32 <= KV_VALUE_BYTES_MAX, "the list of relays is one value");
_Static_assert(BLOCK_TXS_MAX *BATCH_REF_BYTES <= KV_VALUE_BYTES_MAX, "so are the batches of a block");
_Static_assert(SAMPLE_MAX <= 64, "a bit each");

enum kind {
    KIND_ACCOUNT = 'a',
    KIND_SUPPLY = 'g',
    KIND_VALIDATORS = 'v',
    KIND_VALIDATORS_NEXT = 'w',
    KIND_VALIDATOR = 'k',
    KIND_VOTE = 'p',
    KIND_STAKERS = 's',
    KIND_QUEUE = 'q',
    KIND_UNBONDING = 'u',
    KIND_RELAYS = 'l',
    KIND_RELAY = 'r',
    KIND_EPOCH = 'e',
    KIND_DIRECTORY = 'd',
    KIND_DELIVERY = 'b',
    KIND_NOTE = 'n',
};

// ---- keys ----

static void key_make(struct state_key *out, enum kind kind, struct span a, struct span b) {
    struct writer w = writer_of(out->bytes, sizeof out->bytes);
    write_u8(&w, (uint8_t)kind);
    write_bytes(&w, a.p, a.n);
    write_bytes(&w, b.p, b.n);
    out->n = w.n;
}

static struct state_key key_alone(enum kind kind) {
    struct state_key key;
    key_make(&key, kind, (struct span){0}, (struct span){0});
    return key;
}

static struct state_key key_of_32(enum kind kind, const uint8_t id[static 32]) {
    struct state_key key;
    key_make(&key, kind, span_of(id, 32), (struct span){0});
    return key;
}

static struct state_key key_of_u64(enum kind kind, uint64_t number) {
    uint8_t bytes[8];
    struct state_key key;
    store_u64(bytes, number);
    key_make(&key, kind, SPAN_OF(bytes), (struct span){0});
    return key;
}

struct span state_key_span(const struct state_key *key) {
    return span_of(key->bytes, key->n);
}

void state_account_key(struct state_key *out, const struct account_id *account) {
    *out = key_of_32(KIND_ACCOUNT, account->bytes);
}

void state_relay_key(struct state_key *out, const struct relay_id *relay) {
    *out = key_of_32(KIND_RELAY, relay->bytes);
}

void state_directory_key(struct state_key *out, uint32_t epoch) {
    uint8_t bytes[4];
    store_u32(bytes, epoch);
    key_make(out, KIND_DIRECTORY, SPAN_OF(bytes), (struct span){0});
}

void state_delivery_key(struct state_key *out, uint32_t epoch, const struct relay_id *relay) {
    uint8_t bytes[4];
    store_u32(bytes, epoch);
    key_make(out, KIND_DELIVERY, SPAN_OF(bytes), SPAN_OF(relay->bytes));
}

static struct span entry_key(uint8_t out[static ENTRY_KEY_BYTES_MAX], const struct state_key *key) {
    struct writer w = writer_of(out, ENTRY_KEY_BYTES_MAX);
    write_u8(&w, KV_SPACE_LEDGER);
    write_u8(&w, LEDGER_STATE);
    write_bytes(&w, key->bytes, key->n);
    return writer_span(&w);
}

// What stands beside the entries: KV_SPACE_LEDGER | letter | epoch 4.
static struct span beside_key(uint8_t out[static 6], enum ledger_space letter, uint32_t epoch) {
    out[0] = KV_SPACE_LEDGER;
    out[1] = (uint8_t)letter;
    store_u32(out + 2, epoch);
    return span_of(out, 6);
}

static bool entry_get(struct overlay *overlay, const struct state_key *key, struct span *value) {
    uint8_t bytes[ENTRY_KEY_BYTES_MAX];
    *value = (struct span){0};
    return overlay_get(overlay, entry_key(bytes, key), value);
}

static void entry_put(struct overlay *overlay, const struct state_key *key, struct span value) {
    uint8_t bytes[ENTRY_KEY_BYTES_MAX];
    overlay_put(overlay, entry_key(bytes, key), value);
}

static void entry_delete(struct overlay *overlay, const struct state_key *key) {
    uint8_t bytes[ENTRY_KEY_BYTES_MAX];
    overlay_delete(overlay, entry_key(bytes, key));
}

// Opens an entry for reading; entry_close then says whether it was all there.
static bool entry_open(struct overlay *overlay, const struct state_key *key, struct reader *r) {
    struct span value;
    bool is_there = entry_get(overlay, key, &value);
    *r = reader_of(value);
    return is_there;
}

static void entry_close(struct overlay *overlay, const struct reader *r) {
    if (!reader_done(r))
        overlay_fail(overlay, ERR_CORRUPT);
}

// ---- accounts and the supply ----

static void account_read(struct reader *r, struct account *account) {
    account->nonce = read_u64(r);
    account->balance = read_u64(r);
    if (account->balance > GRAINS_MAX)
        reader_fail(r);
}

enum err state_account_decode(struct account *out, struct span value) {
    struct reader r = reader_of(value);
    struct account account;
    account_read(&r, &account);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = account;
    return OK;
}

bool state_account(struct overlay *overlay, struct account *out, const struct account_id *id) {
    struct state_key key = key_of_32(KIND_ACCOUNT, id->bytes);
    struct reader r;
    *out = (struct account){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    account_read(&r, out);
    entry_close(overlay, &r);
    return true;
}

void state_set_account(struct overlay *overlay, const struct account_id *id, const struct account *account) {
    ASSERT(account->balance <= GRAINS_MAX);
    struct state_key key = key_of_32(KIND_ACCOUNT, id->bytes);
    uint8_t bytes[16];
    store_u64(bytes, account->nonce);
    store_u64(bytes + 8, account->balance);
    entry_put(overlay, &key, SPAN_OF(bytes));
}

static void supply_read(struct reader *r, struct supply *supply) {
    supply->total = read_u64(r);
    supply->pool = read_u64(r);
    if (supply->total > GRAINS_MAX || supply->pool > supply->total)
        reader_fail(r);
}

bool state_supply(struct overlay *overlay, struct supply *out) {
    struct state_key key = key_alone(KIND_SUPPLY);
    struct reader r;
    *out = (struct supply){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    supply_read(&r, out);
    entry_close(overlay, &r);
    return true;
}

void state_set_supply(struct overlay *overlay, const struct supply *supply) {
    ASSERT(supply->total <= GRAINS_MAX && supply->pool <= supply->total);
    struct state_key key = key_alone(KIND_SUPPLY);
    uint8_t bytes[16];
    store_u64(bytes, supply->total);
    store_u64(bytes + 8, supply->pool);
    entry_put(overlay, &key, SPAN_OF(bytes));
}

// ---- validators ----

static bool set_get(struct overlay *overlay, struct validator_set *out, enum kind kind) {
    struct state_key key = key_alone(kind);
    struct reader r;
    *out = (struct validator_set){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    validator_set_read(&r, out);
    entry_close(overlay, &r);
    return true;
}

static void set_put(struct overlay *overlay, const struct validator_set *set, enum kind kind) {
    struct state_key key = key_alone(kind);
    uint8_t bytes[VALIDATOR_SET_BYTES_MAX];
    size_t n = validator_set_encode(bytes, set);
    entry_put(overlay, &key, span_of(bytes, n));
}

bool state_validators(struct overlay *overlay, struct validator_set *out) {
    return set_get(overlay, out, KIND_VALIDATORS);
}

bool state_validators_next(struct overlay *overlay, struct validator_set *out) {
    return set_get(overlay, out, KIND_VALIDATORS_NEXT);
}

void state_set_validators(struct overlay *overlay, const struct validator_set *set) {
    set_put(overlay, set, KIND_VALIDATORS);
}

void state_set_validators_next(struct overlay *overlay, const struct validator_set *set) {
    set_put(overlay, set, KIND_VALIDATORS_NEXT);
}

bool state_validator(struct overlay *overlay, struct validator_record *out, const struct sign_public *id) {
    struct state_key key = key_of_32(KIND_VALIDATOR, id->bytes);
    struct reader r;
    *out = (struct validator_record){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    read_bytes(&r, out->operator.bytes, sizeof out->operator.bytes);
    out->from_height = read_u64(&r);
    out->until_height = read_u64(&r);
    out->slashed = read_bool(&r);
    entry_close(overlay, &r);
    return true;
}

void state_set_validator(struct overlay *overlay, const struct sign_public *id, const struct validator_record *record) {
    struct state_key key = key_of_32(KIND_VALIDATOR, id->bytes);
    uint8_t bytes[32 + 8 + 8 + 1];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_bytes(&w, record->operator.bytes, sizeof record->operator.bytes);
    write_u64(&w, record->from_height);
    write_u64(&w, record->until_height);
    write_u8(&w, record->slashed);
    entry_put(overlay, &key, writer_span(&w));
}

bool state_vote(struct overlay *overlay, struct standing_vote *out, const struct account_id *operator) {
    struct state_key key = key_of_32(KIND_VOTE, operator->bytes);
    struct reader r;
    *out = (struct standing_vote){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    read_bytes(&r, out->key.bytes, sizeof out->key.bytes);
    out->power = read_u64(&r);
    out->expiry_height = read_u64(&r);
    entry_close(overlay, &r);
    return true;
}

void state_set_vote(struct overlay *overlay, const struct account_id *operator, const struct standing_vote * vote) {
    struct state_key key = key_of_32(KIND_VOTE, operator->bytes);
    uint8_t bytes[32 + 8 + 8];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_bytes(&w, vote->key.bytes, sizeof vote->key.bytes);
    write_u64(&w, vote->power);
    write_u64(&w, vote->expiry_height);
    entry_put(overlay, &key, writer_span(&w));
}

void state_delete_vote(struct overlay *overlay, const struct account_id *operator) {
    struct state_key key = key_of_32(KIND_VOTE, operator->bytes);
    entry_delete(overlay, &key);
}

// ---- stake ----

static void staker_read(struct reader *r, struct staker *staker) {
    read_bytes(r, staker->operator.bytes, sizeof staker->operator.bytes);
    read_bytes(r, staker->key.bytes, sizeof staker->key.bytes);
    staker->stake = read_u64(r);
}

static void stakers_read(struct reader *r, struct stakers *stakers) {
    size_t count = read_u16(r);
    if (count > STAKERS_MAX)
        reader_fail(r);
    for (stakers->count = 0; reader_ok(r) && stakers->count < count; stakers->count++)
        staker_read(r, &stakers->stakers[stakers->count]);
}

bool state_stakers(struct overlay *overlay, struct stakers *out) {
    struct state_key key = key_alone(KIND_STAKERS);
    struct reader r;
    out->count = 0;
    if (!entry_open(overlay, &key, &r))
        return false;
    stakers_read(&r, out);
    entry_close(overlay, &r);
    return true;
}

void state_set_stakers(struct overlay *overlay, const struct stakers *stakers) {
    ASSERT(stakers->count <= STAKERS_MAX);
    struct state_key key = key_alone(KIND_STAKERS);
    uint8_t bytes[2 + STAKERS_MAX * STAKER_BYTES];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u16(&w, (uint16_t)stakers->count);
    for (size_t i = 0; i < stakers->count; i++) {
        const struct staker *staker = &stakers->stakers[i];
        write_bytes(&w, staker->operator.bytes, sizeof staker->operator.bytes);
        write_bytes(&w, staker->key.bytes, sizeof staker->key.bytes);
        write_u64(&w, staker->stake);
    }
    entry_put(overlay, &key, writer_span(&w));
}

bool state_queue(struct overlay *overlay, struct unbonding_queue *out) {
    struct state_key key = key_alone(KIND_QUEUE);
    struct reader r;
    *out = (struct unbonding_queue){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    out->first = read_u64(&r);
    out->end = read_u64(&r);
    entry_close(overlay, &r);
    return true;
}

void state_set_queue(struct overlay *overlay, const struct unbonding_queue *queue) {
    ASSERT(queue->first <= queue->end);
    struct state_key key = key_alone(KIND_QUEUE);
    uint8_t bytes[16];
    store_u64(bytes, queue->first);
    store_u64(bytes + 8, queue->end);
    entry_put(overlay, &key, SPAN_OF(bytes));
}

static void unbonding_read(struct reader *r, struct unbonding *unbonding) {
    read_bytes(r, unbonding->account.bytes, sizeof unbonding->account.bytes);
    unbonding->amount = read_u64(r);
    unbonding->release_ms = read_u64(r);
    read_bytes(r, unbonding->key.bytes, sizeof unbonding->key.bytes);
}

bool state_unbonding(struct overlay *overlay, struct unbonding *out, uint64_t number) {
    struct state_key key = key_of_u64(KIND_UNBONDING, number);
    struct reader r;
    *out = (struct unbonding){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    unbonding_read(&r, out);
    entry_close(overlay, &r);
    return true;
}

void state_set_unbonding(struct overlay *overlay, uint64_t number, const struct unbonding *unbonding) {
    struct state_key key = key_of_u64(KIND_UNBONDING, number);
    uint8_t bytes[32 + 8 + 8 + 32];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_bytes(&w, unbonding->account.bytes, sizeof unbonding->account.bytes);
    write_u64(&w, unbonding->amount);
    write_u64(&w, unbonding->release_ms);
    write_bytes(&w, unbonding->key.bytes, sizeof unbonding->key.bytes);
    entry_put(overlay, &key, writer_span(&w));
}

void state_delete_unbonding(struct overlay *overlay, uint64_t number) {
    struct state_key key = key_of_u64(KIND_UNBONDING, number);
    entry_delete(overlay, &key);
}

// ---- relays ----

static void relay_read(struct reader *r, struct relay_record *relay) {
    read_bytes(r, relay->operator.bytes, sizeof relay->operator.bytes);
    read_bytes(r, relay->placement.bytes, sizeof relay->placement.bytes);
    address_read(r, &relay->address);
    relay->onion.first_epoch = read_u32(r);
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        read_bytes(r, relay->onion.keys[i].bytes, sizeof relay->onion.keys[i].bytes);
    relay->stake = read_u64(r);
    relay->since_epoch = read_u32(r);
    relay->retired_epoch = read_u32(r);
    relay->free_epoch = read_u32(r);
}

enum err state_relay_decode(struct relay_record *out, struct span value) {
    struct reader r = reader_of(value);
    struct relay_record relay = {0};
    relay_read(&r, &relay);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = relay;
    return OK;
}

bool state_relay(struct overlay *overlay, struct relay_record *out, const struct relay_id *id) {
    struct state_key key = key_of_32(KIND_RELAY, id->bytes);
    struct reader r;
    *out = (struct relay_record){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    relay_read(&r, out);
    entry_close(overlay, &r);
    return true;
}

void state_set_relay(struct overlay *overlay, const struct relay_id *id, const struct relay_record *relay) {
    struct state_key key = key_of_32(KIND_RELAY, id->bytes);
    uint8_t bytes[RELAY_VALUE_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_bytes(&w, relay->operator.bytes, sizeof relay->operator.bytes);
    write_bytes(&w, relay->placement.bytes, sizeof relay->placement.bytes);
    address_write(&w, &relay->address);
    write_u32(&w, relay->onion.first_epoch);
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        write_bytes(&w, relay->onion.keys[i].bytes, sizeof relay->onion.keys[i].bytes);
    write_u64(&w, relay->stake);
    write_u32(&w, relay->since_epoch);
    write_u32(&w, relay->retired_epoch);
    write_u32(&w, relay->free_epoch);
    entry_put(overlay, &key, writer_span(&w));
}

// Where the id stands in a strictly increasing list of ids, or would stand.
static bool ids_find(struct span ids, const struct relay_id *id, size_t *at) {
    size_t from = 0, to = ids.n / 32;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = memcmp(ids.p + 32 * middle, id->bytes, 32);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *at = from;
    return false;
}

static struct span relay_ids(struct overlay *overlay) {
    struct state_key key = key_alone(KIND_RELAYS);
    struct span ids;
    if (!entry_get(overlay, &key, &ids))
        return SPAN_LITERAL("");
    if (ids.n % 32 != 0)
        overlay_fail(overlay, ERR_CORRUPT);
    return ids;
}

size_t state_relay_count(struct overlay *overlay) {
    return relay_ids(overlay).n / 32;
}

struct relay_id *state_relays(struct overlay *overlay, size_t *count) {
    struct span ids = relay_ids(overlay);
    struct relay_id *relays = NEW_ARRAY(struct relay_id, ids.n / 32 + 1);
    *count = ids.n / 32;
    for (size_t i = 0; i < *count; i++)
        memcpy(relays[i].bytes, ids.p + 32 * i, 32);
    return relays;
}

// Writes the list with one id put in or taken out at its place; `skip` ids of the old list are left out there.
static void relay_ids_change(struct overlay *overlay, size_t at, struct span put, size_t skip) {
    struct state_key key = key_alone(KIND_RELAYS);
    struct span old = relay_ids(overlay);
    struct buf ids = {0};
    buf_append(&ids, span_of(old.p, 32 * at));
    buf_append(&ids, put);
    buf_append(&ids, span_of(old.p + 32 * (at + skip), old.n - 32 * (at + skip)));
    entry_put(overlay, &key, buf_span(&ids));
    buf_free(&ids);
}

void state_add_relay(struct overlay *overlay, const struct relay_id *id, const struct relay_record *record) {
    size_t at;
    ASSERT(state_relay_count(overlay) < DIRECTORY_RELAYS_MAX && !ids_find(relay_ids(overlay), id, &at));
    relay_ids_change(overlay, at, SPAN_OF(id->bytes), 0);
    state_set_relay(overlay, id, record);
}

void state_delete_relay(struct overlay *overlay, const struct relay_id *id) {
    struct state_key key = key_of_32(KIND_RELAY, id->bytes);
    size_t at;
    if (ids_find(relay_ids(overlay), id, &at))
        relay_ids_change(overlay, at, (struct span){0}, 1);
    entry_delete(overlay, &key);
}

// ---- epochs and directories ----

bool state_epoch(struct overlay *overlay, struct epoch_record *out) {
    struct state_key key = key_alone(KIND_EPOCH);
    struct reader r;
    *out = (struct epoch_record){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    out->epoch = read_u32(&r);
    out->begin_ms = read_u64(&r);
    out->changed_epoch = read_u32(&r);
    read_bytes(&r, out->placed.bytes, sizeof out->placed.bytes);
    entry_close(overlay, &r);
    return true;
}

void state_set_epoch(struct overlay *overlay, const struct epoch_record *record) {
    struct state_key key = key_alone(KIND_EPOCH);
    uint8_t bytes[4 + 8 + 4 + 32];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u32(&w, record->epoch);
    write_u64(&w, record->begin_ms);
    write_u32(&w, record->changed_epoch);
    write_bytes(&w, record->placed.bytes, sizeof record->placed.bytes);
    entry_put(overlay, &key, writer_span(&w));
}

void state_directory_hash_of(struct hash *out, struct span bytes) {
    hash_bytes(out, "sotto directory hash 1", bytes);
}

bool state_directory_hash(struct overlay *overlay, struct hash *out, uint32_t epoch) {
    struct state_key key;
    struct reader r;
    state_directory_key(&key, epoch);
    *out = (struct hash){{0}};
    if (!entry_open(overlay, &key, &r))
        return false;
    read_bytes(&r, out->bytes, sizeof out->bytes);
    entry_close(overlay, &r);
    return true;
}

bool state_directory_bytes(struct overlay *overlay, struct span *out, uint32_t epoch) {
    uint8_t key[6];
    return overlay_get(overlay, beside_key(key, LEDGER_DIRECTORIES, epoch), out);
}

bool state_is_listed(struct overlay *overlay, uint32_t epoch, const struct relay_id *relay) {
    uint8_t key[6];
    struct span ids;
    size_t at;
    return overlay_get(overlay, beside_key(key, LEDGER_LISTED, epoch), &ids) && ids_find(ids, relay, &at);
}

static void delete_directory(struct overlay *overlay, uint32_t epoch) {
    uint8_t key[6];
    struct state_key entry;
    state_directory_key(&entry, epoch);
    entry_delete(overlay, &entry);
    overlay_delete(overlay, beside_key(key, LEDGER_DIRECTORIES, epoch));
    overlay_delete(overlay, beside_key(key, LEDGER_LISTED, epoch));
}

void state_set_directory(struct overlay *overlay, uint32_t previous, uint32_t epoch, struct span bytes,
                         struct span relays) {
    ASSERT(previous < epoch);
    uint8_t key[6];
    struct state_key entry;
    struct hash hash;
    state_directory_hash_of(&hash, bytes);
    state_directory_key(&entry, epoch);
    entry_put(overlay, &entry, SPAN_OF(hash.bytes));
    overlay_put(overlay, beside_key(key, LEDGER_DIRECTORIES, epoch), bytes);
    overlay_put(overlay, beside_key(key, LEDGER_LISTED, epoch), relays);
    for (uint32_t back = 0; back < DIRECTORIES_KEPT && back < previous; back++) { // those that there may be
        if (epoch - (previous - back) >= DIRECTORIES_KEPT)
            delete_directory(overlay, previous - back);
    }
}

// ---- deliveries ----

// A bit for every sampled leaf.
static uint64_t delivery_all(const struct delivery_record *record) {
    return record->sample_count >= 64 ? UINT64_MAX : (UINT64_C(1) << record->sample_count) - 1;
}

static bool is_opened(const struct delivery_record *record, size_t place) {
    return (record->opened >> place & 1) != 0;
}

bool delivery_is_open(const struct delivery_record *record) {
    return record->sampled_height > 0 && record->opened == delivery_all(record);
}

static void delivery_read(struct reader *r, struct delivery_record *record) {
    read_bytes(r, record->root.bytes, sizeof record->root.bytes);
    record->count = read_u32(r);
    record->sampled_height = read_u64(r);
    record->sampled_ms = read_u64(r);
    record->opened = read_u64(r);
    record->sample_count = read_u8(r);
    if (record->sample_count > SAMPLE_MAX || (record->opened & ~delivery_all(record)) != 0)
        reader_fail(r);
    for (size_t i = 0; reader_ok(r) && i < record->sample_count; i++)
        record->sample[i] = read_u32(r);
    for (size_t i = 0; reader_ok(r) && i < record->sample_count; i++)
        if (is_opened(record, i))
            read_bytes(r, record->leaf[i].bytes, sizeof record->leaf[i].bytes);
}

enum err state_delivery_decode(struct delivery_record *out, struct span value) {
    struct reader r = reader_of(value);
    struct delivery_record record = {0};
    delivery_read(&r, &record);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = record;
    return OK;
}

bool state_delivery(struct overlay *overlay, struct delivery_record *out, uint32_t epoch,
                    const struct relay_id *relay) {
    struct state_key key;
    struct reader r;
    state_delivery_key(&key, epoch, relay);
    *out = (struct delivery_record){0};
    if (!entry_open(overlay, &key, &r))
        return false;
    delivery_read(&r, out);
    entry_close(overlay, &r);
    return true;
}

size_t state_delivery_encode(uint8_t out[static DELIVERY_VALUE_BYTES_MAX], const struct delivery_record *record) {
    struct writer w = writer_of(out, DELIVERY_VALUE_BYTES_MAX);
    write_bytes(&w, record->root.bytes, sizeof record->root.bytes);
    write_u32(&w, record->count);
    write_u64(&w, record->sampled_height);
    write_u64(&w, record->sampled_ms);
    write_u64(&w, record->opened);
    write_u8(&w, record->sample_count);
    for (size_t i = 0; i < record->sample_count; i++)
        write_u32(&w, record->sample[i]);
    for (size_t i = 0; i < record->sample_count; i++)
        if (is_opened(record, i))
            write_bytes(&w, record->leaf[i].bytes, sizeof record->leaf[i].bytes);
    return w.n;
}

void state_set_delivery(struct overlay *overlay, uint32_t epoch, const struct relay_id *relay,
                        const struct delivery_record *record) {
    struct state_key key;
    uint8_t bytes[DELIVERY_VALUE_BYTES_MAX];
    size_t n = state_delivery_encode(bytes, record);
    state_delivery_key(&key, epoch, relay);
    entry_put(overlay, &key, span_of(bytes, n));
}

void state_delete_delivery(struct overlay *overlay, uint32_t epoch, const struct relay_id *relay) {
    struct state_key key;
    state_delivery_key(&key, epoch, relay);
    entry_delete(overlay, &key);
}

bool state_noted(struct overlay *overlay, struct span *out, uint64_t height) {
    struct state_key key = key_of_u64(KIND_NOTE, height);
    bool is_there = entry_get(overlay, &key, out);
    if (out->n % BATCH_REF_BYTES != 0)
        overlay_fail(overlay, ERR_CORRUPT);
    return is_there;
}

void state_note(struct overlay *overlay, uint64_t height, struct span refs) {
    struct state_key key = key_of_u64(KIND_NOTE, height);
    if (refs.n > 0)
        entry_put(overlay, &key, refs);
    else
        entry_delete(overlay, &key);
}

// ---- what changed ----

static bool is_entry(struct span key) {
    return key.n > 2 && key.p[1] == LEDGER_STATE;
}

static uint64_t stakers_grains(struct reader *r) {
    struct stakers stakers;
    uint64_t sum = 0;
    stakers_read(r, &stakers);
    for (size_t i = 0; i < stakers.count; i++)
        sum += stakers.stakers[i].stake;
    return sum;
}

// The grains that an entry holds; of the supply, what it has in the pool less what there must be altogether. Sums are
// modulo 2^64, which differences of amounts below 2^60 survive.
static uint64_t entry_grains(struct span key, struct span value) {
    struct reader r = reader_of(value);
    struct account account;
    struct supply supply;
    struct unbonding unbonding;
    struct relay_record relay;
    switch (key.p[2]) {
    case KIND_ACCOUNT:
        account_read(&r, &account);
        return account.balance;
    case KIND_SUPPLY:
        supply_read(&r, &supply);
        return supply.pool - supply.total;
    case KIND_STAKERS:
        return stakers_grains(&r);
    case KIND_UNBONDING:
        unbonding_read(&r, &unbonding);
        return unbonding.amount;
    case KIND_RELAY:
        relay_read(&r, &relay);
        return relay.stake;
    default:
        return 0;
    }
}

bool state_is_conserved(const struct overlay *overlay) {
    uint64_t before = 0, after = 0;
    struct overlay_change change;
    for (size_t i = 0; i < overlay_touched(overlay); i++) {
        if (!overlay_change(overlay, i, &change) || !is_entry(change.key))
            continue;
        before += change.was_there ? entry_grains(change.key, change.before) : 0;
        after += change.is_there ? entry_grains(change.key, change.after) : 0;
    }
    return before == after;
}

void state_commit(struct hash *root, struct overlay *overlay) {
    size_t touched = overlay_touched(overlay), count = 0;
    struct tree_update *updates = NEW_ARRAY(struct tree_update, touched + 1);
    struct overlay_change change;
    for (size_t i = 0; i < touched; i++) {
        if (!overlay_change(overlay, i, &change) || !is_entry(change.key))
            continue;
        struct tree_update *update = &updates[count++];
        tree_key(&update->key, span_of(change.key.p + 2, change.key.n - 2));
        tree_value(&update->value, change.after);
        update->is_delete = !change.is_there;
    }
    tree_apply(root, overlay, updates, count);
    free(updates);
}
