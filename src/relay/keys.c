// The key record: one value with all keys, so that it is read by a single get and replaced as a whole.
//   count 1 | count x (epoch 4 | used 1 | secret 32 | public 32)
#include "relay/keys.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"

#define KEY_RECORD_BYTES (4 + 1 + 32 + 32)
#define RECORD_BYTES_MAX (1 + RELAY_KEYS_MAX * KEY_RECORD_BYTES)

static const uint8_t record_key[] = {KV_SPACE_RELAY, 'k'};

static uint64_t accepted_from_ms(const struct genesis *genesis, uint32_t epoch) {
    return epoch_start_ms(genesis, epoch) - genesis->epoch_ms / 6;
}

static uint64_t accepted_until_ms(const struct genesis *genesis, uint32_t epoch) {
    return epoch_start_ms(genesis, epoch) + genesis->epoch_ms + genesis->epoch_ms / 6;
}

static uint64_t marked_from_ms(const struct genesis *genesis, uint32_t epoch) {
    return epoch_start_ms(genesis, epoch) - genesis->epoch_ms / 4;
}

void relay_keys_init(struct relay_keys *keys, const struct genesis *genesis) {
    *keys = (struct relay_keys){.genesis = genesis};
}

void relay_keys_wipe(struct relay_keys *keys) {
    wipe(keys, sizeof *keys);
}

static void store(const struct relay_keys *keys, struct step *step) {
    uint8_t record[RECORD_BYTES_MAX];
    struct writer w = writer_of(record, sizeof record);
    write_u8(&w, (uint8_t)keys->count);
    for (size_t i = 0; i < keys->count; i++) {
        const struct relay_key *key = &keys->keys[i];
        write_u32(&w, key->key.epoch);
        write_u8(&w, key->used ? 1 : 0);
        write_bytes(&w, key->key.secret.bytes, 32);
        write_bytes(&w, key->key.public.bytes, 32);
    }
    step_put(step, SPAN_OF(record_key), writer_span(&w), KV_SYNCED);
    wipe(record, sizeof record);
}

static enum err parse(struct relay_keys *keys, struct span record) {
    struct reader r = reader_of(record);
    size_t count = read_u8(&r);
    if (count > RELAY_KEYS_MAX)
        return ERR_CORRUPT;
    for (size_t i = 0; i < count; i++) {
        struct relay_key *key = &keys->keys[i];
        key->key.epoch = read_u32(&r);
        key->used = read_bool(&r);
        read_bytes(&r, key->key.secret.bytes, 32);
        read_bytes(&r, key->key.public.bytes, 32);
        if (i > 0 && key->key.epoch <= keys->keys[i - 1].key.epoch)
            reader_fail(&r);
    }
    if (!reader_done(&r))
        return ERR_CORRUPT;
    keys->count = count;
    return OK;
}

static void destroy_at(struct relay_keys *keys, size_t i) {
    ASSERT(i < keys->count);
    memmove(&keys->keys[i], &keys->keys[i + 1], (keys->count - i - 1) * sizeof keys->keys[0]);
    keys->count--;
    wipe(&keys->keys[keys->count], sizeof keys->keys[0]);
}

// What was in use by its mark or by the clock.
static bool destroy_used(struct relay_keys *keys, uint64_t wall_ms) {
    bool destroyed = false;
    for (size_t i = keys->count; i > 0; i--) {
        const struct relay_key *key = &keys->keys[i - 1];
        if (!key->used && wall_ms < accepted_from_ms(keys->genesis, key->key.epoch))
            continue;
        if (key->key.epoch >= keys->floor)
            keys->floor = key->key.epoch + 1;
        destroy_at(keys, i - 1);
        destroyed = true;
    }
    return destroyed;
}

void relay_keys_load(struct relay_keys *keys, struct step *step, bool unclean) {
    struct buf record = {0};
    if (step_get(step, SPAN_OF(record_key), &record) == OK && parse(keys, buf_span(&record)) != OK) {
        log_note(&step->env->log, LOG_ERROR, "relay", "the stored onion keys are damaged; new ones are made");
        wipe(keys->keys, sizeof keys->keys);
        keys->count = 0;
    }
    buf_wipe(&record);
    keys->changed = true;
    if (unclean && destroy_used(keys, step->now.wall_ms)) {
        log_note(&step->env->log, LOG_WARN, "relay", "unclean restart: the onion keys in use are destroyed");
        store(keys, step);
    }
    relay_keys_rotate(keys, step);
}

// Where a key of that epoch stands, or would.
static size_t position(const struct relay_keys *keys, uint32_t epoch) {
    size_t i = 0;
    while (i < keys->count && keys->keys[i].key.epoch < epoch)
        i++;
    return i;
}

const struct sphinx_relay_key *relay_keys_find(const struct relay_keys *keys, uint32_t epoch) {
    size_t i = position(keys, epoch);
    return i < keys->count && keys->keys[i].key.epoch == epoch ? &keys->keys[i].key : NULL;
}

static void make(struct relay_keys *keys, struct step *step, uint32_t epoch) {
    if (keys->count == RELAY_KEYS_MAX) // only after jumps of the clock: the farthest is needed last
        destroy_at(keys, keys->count - 1);
    size_t i = position(keys, epoch);
    memmove(&keys->keys[i + 1], &keys->keys[i], (keys->count - i) * sizeof keys->keys[0]);
    keys->keys[i] = (struct relay_key){.key.epoch = epoch};
    dh_key_new(&keys->keys[i].key.secret, &keys->keys[i].key.public, &step->env->rng);
    keys->count++;
}

static uint32_t first_announced(const struct relay_keys *keys, uint64_t wall_ms) {
    uint32_t epoch = epoch_at(keys->genesis, wall_ms);
    if (epoch < 1)
        epoch = 1;
    return epoch > keys->floor ? epoch : keys->floor;
}

static bool destroy_expired(struct relay_keys *keys, uint64_t wall_ms) {
    bool destroyed = false;
    while (keys->count > 0 && wall_ms >= accepted_until_ms(keys->genesis, keys->keys[0].key.epoch)) {
        destroy_at(keys, 0);
        destroyed = true;
    }
    return destroyed;
}

static bool make_missing(struct relay_keys *keys, struct step *step) {
    bool made = false;
    uint32_t first = first_announced(keys, step->now.wall_ms);
    for (uint32_t epoch = first; epoch < first + ONION_KEYS_AHEAD; epoch++) {
        if (relay_keys_find(keys, epoch) == NULL) {
            make(keys, step, epoch);
            made = true;
        }
    }
    return made;
}

// The tags of only so many keys are kept. Beyond that (the clock went back) the key used longest ahead of its time
// goes.
static void limit_used(struct relay_keys *keys, uint64_t wall_ms) {
    size_t used = 0;
    for (size_t i = 0; i < keys->count; i++)
        used += keys->keys[i].used ? 1 : 0;
    for (size_t i = keys->count; i > 0 && used > RELAY_KEYS_USED_MAX; i--) {
        const struct relay_key *key = &keys->keys[i - 1];
        if (key->used && wall_ms < marked_from_ms(keys->genesis, key->key.epoch)) {
            destroy_at(keys, i - 1);
            used--;
        }
    }
    ASSERT(used <= RELAY_KEYS_USED_MAX);
}

static bool mark_used(struct relay_keys *keys, uint64_t wall_ms) {
    bool marked = false;
    for (size_t i = 0; i < keys->count; i++) {
        struct relay_key *key = &keys->keys[i];
        if (!key->used && wall_ms >= marked_from_ms(keys->genesis, key->key.epoch))
            key->used = marked = true;
    }
    if (marked)
        limit_used(keys, wall_ms);
    return marked;
}

static void soonest(uint64_t *next_ms, uint64_t at_ms, uint64_t now_ms) {
    if (at_ms > now_ms && at_ms < *next_ms)
        *next_ms = at_ms;
}

static uint64_t next_change_ms(const struct relay_keys *keys, uint64_t wall_ms) {
    uint64_t next = TIME_NEVER;
    for (size_t i = 0; i < keys->count; i++) {
        uint32_t epoch = keys->keys[i].key.epoch;
        soonest(&next, marked_from_ms(keys->genesis, epoch), wall_ms);
        soonest(&next, epoch_start_ms(keys->genesis, epoch), wall_ms);
        soonest(&next, accepted_until_ms(keys->genesis, epoch), wall_ms);
    }
    return next;
}

bool relay_keys_rotate(struct relay_keys *keys, struct step *step) {
    uint64_t wall_ms = step->now.wall_ms;
    if (keys->count > 0 && wall_ms >= keys->checked_wall_ms && wall_ms < keys->next_wall_ms)
        return false;
    bool destroyed = destroy_expired(keys, wall_ms);
    bool made = make_missing(keys, step);
    bool marked = mark_used(keys, wall_ms);
    made = make_missing(keys, step) || made;
    keys->changed = keys->changed || made;
    keys->checked_wall_ms = wall_ms;
    keys->next_wall_ms = next_change_ms(keys, wall_ms);
    if (!destroyed && !made && !marked)
        return false;
    store(keys, step);
    return true;
}

void relay_keys_window(const struct relay_keys *keys, struct onion_keys *out, uint64_t wall_ms) {
    out->first_epoch = first_announced(keys, wall_ms);
    for (uint32_t i = 0; i < ONION_KEYS_AHEAD; i++) {
        const struct sphinx_relay_key *key = relay_keys_find(keys, out->first_epoch + i);
        ASSERT(key != NULL);
        out->keys[i] = key->public;
    }
}

void relay_keys_announce(struct relay_keys *keys, struct onion_keys *out, uint64_t wall_ms) {
    relay_keys_window(keys, out, wall_ms);
    keys->changed = false;
}

bool relay_keys_used(const struct relay_keys *keys, uint32_t epoch) {
    size_t i = position(keys, epoch);
    return i < keys->count && keys->keys[i].key.epoch == epoch && keys->keys[i].used;
}

bool relay_keys_accepts(const struct relay_keys *keys, uint32_t epoch, uint64_t wall_ms) {
    return relay_keys_used(keys, epoch) && wall_ms >= accepted_from_ms(keys->genesis, epoch) &&
           wall_ms < accepted_until_ms(keys->genesis, epoch);
}

size_t relay_keys_accepted(const struct relay_keys *keys, struct sphinx_relay_key out[static RELAY_KEYS_ACCEPTED_MAX],
                           uint64_t wall_ms) {
    size_t count = 0;
    for (size_t i = 0; i < keys->count && count < RELAY_KEYS_ACCEPTED_MAX; i++) {
        if (relay_keys_accepts(keys, keys->keys[i].key.epoch, wall_ms))
            out[count++] = keys->keys[i].key;
    }
    return count;
}
