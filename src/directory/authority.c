// The authority. Its durable state: a record a relay (directory/registration.h), and the last epoch it issued for, so
// that it never signs two directories for one epoch and knows when membership changed.
#include "directory/authority.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "directory/registration.h"

#define RETRY_MS 250 // waiting for relays

// A record whose relay has been away for so long may be given to another relay: nothing of it is left on any disk.
#define FORGET_MS (30 * DAY_MS)

struct authority {
    const struct genesis *genesis;
    struct sign_secret key;
    struct registry registry;
    uint32_t issued_epoch;  // 0: none yet
    uint32_t changed_epoch; // as in the last directory
    uint32_t late_epoch;    // epoch that has begun without a directory
    uint64_t late_since_ms; // mono_ms, since when that is known
};

static const uint8_t state_key[] = {KV_SPACE_DIRECTORY, 'a'};

struct authority *authority_new(const struct genesis *genesis, const struct sign_secret *key) {
    struct authority *authority = NEW(struct authority);
    authority->genesis = genesis;
    authority->key = *key;
    registry_init(&authority->registry);
    return authority;
}

void authority_free(struct authority *authority) {
    if (authority == NULL)
        return;
    registry_free(&authority->registry);
    wipe(&authority->key, sizeof authority->key);
    free(authority);
}

// ---- durable state ----

static void state_store(const struct authority *authority, struct step *step) {
    uint8_t bytes[10];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u32(&w, authority->issued_epoch);
    write_u32(&w, authority->changed_epoch);
    write_u16(&w, authority->registry.slots_used);
    step_put(step, SPAN_OF(state_key), writer_span(&w), KV_SYNCED);
}

// A relay is not absent because the authority was: whoever was placed gets two epochs to be heard of again.
static void absence_resume(const struct authority *authority, struct registration *relay, const struct now *now) {
    uint64_t grace = 2 * authority->genesis->epoch_ms;
    uint64_t away = now->wall_ms > relay->heard_wall_ms ? now->wall_ms - relay->heard_wall_ms : 0;
    uint64_t left = away < AUTHORITY_ABSENCE_MS ? AUTHORITY_ABSENCE_MS - away : 0;
    relay->absent_at_ms = now->mono_ms + (left > grace ? left : grace);
    if (!relay->placed && relay->since_epoch > 0 && left == 0)
        relay->absent_at_ms = now->mono_ms; // it was absent before
}

void authority_load(struct authority *authority, struct step *step) {
    struct buf state = {0};
    if (step_get(step, SPAN_OF(state_key), &state) == OK) {
        struct reader r = reader_of(buf_span(&state));
        authority->issued_epoch = read_u32(&r);
        authority->changed_epoch = read_u32(&r);
        uint16_t slots_used = read_u16(&r);
        ASSERT(reader_done(&r));
        registry_load(&authority->registry, step, slots_used);
    }
    buf_free(&state);
    for (size_t i = 0; i < authority->registry.count; i++)
        absence_resume(authority, authority->registry.by_id[i], &step->now);
}

// ---- taking descriptors ----

// A point that no packet can be made for would only be found out by senders. The scalar does not matter.
static bool keys_usable(const struct onion_keys *onion) {
    static const struct dh_secret any = {{1}};
    uint8_t shared[32];
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++) {
        if (dh_shared(shared, &any, &onion->keys[i]) != OK)
            return false;
    }
    return true;
}

static bool times_fit(const struct authority *authority, const struct descriptor *d, uint64_t wall_ms) {
    uint64_t off = d->published_ms > wall_ms ? d->published_ms - wall_ms : wall_ms - d->published_ms;
    uint64_t epoch = epoch_at(authority->genesis, wall_ms);
    uint64_t first = d->onion.first_epoch;
    return off <= AUTHORITY_CLOCK_TOLERANCE_MS && first <= epoch + 1 && first + 1 >= epoch;
}

// Makes room by forgetting the relay that has been away longest, if that is long enough.
static void forget_one(struct authority *authority, uint64_t wall_ms) {
    struct registration *oldest = NULL;
    for (size_t i = 0; i < authority->registry.count; i++) {
        struct registration *relay = authority->registry.by_id[i];
        if (!relay->placed && (oldest == NULL || relay->heard_wall_ms < oldest->heard_wall_ms))
            oldest = relay;
    }
    if (oldest != NULL && wall_ms > oldest->heard_wall_ms && wall_ms - oldest->heard_wall_ms > FORGET_MS)
        registry_remove(&authority->registry, oldest);
}

static struct registration *register_relay(struct authority *authority, struct step *step, const struct relay_id *id) {
    if (authority->registry.count == DIRECTORY_RELAYS_MAX)
        forget_one(authority, step->now.wall_ms);
    struct registration *relay = registry_add(&authority->registry, id);
    if (relay == NULL)
        return NULL;
    rng_bytes(&step->env->rng, relay->placement.bytes, sizeof relay->placement.bytes);
    state_store(authority, step);
    log_relay(&step->env->log, LOG_INFO, "directory", "a relay has registered", id->bytes, NULL);
    return relay;
}

static uint64_t absence_ms(const struct authority *authority) {
    uint64_t two_epochs = 2 * authority->genesis->epoch_ms;
    return two_epochs > AUTHORITY_ABSENCE_MS ? two_epochs : AUTHORITY_ABSENCE_MS;
}

enum descriptor_refusal authority_take(struct authority *authority, struct step *step, const struct relay_id *peer,
                                       struct span descriptor) {
    struct descriptor d;
    enum err err = descriptor_decode(&d, descriptor, &authority->genesis->network);
    if (err != OK)
        return err == ERR_AUTH ? DESCRIPTOR_BAD_SIGNATURE : DESCRIPTOR_MALFORMED;
    if (!relay_id_equal(&d.id, peer))
        return DESCRIPTOR_BAD_SIGNATURE;
    if (!times_fit(authority, &d, step->now.wall_ms))
        return DESCRIPTOR_BAD_TIME;
    struct registration *relay = registry_find(&authority->registry, &d.id);
    if (relay != NULL && d.published_ms == relay->published_ms)
        return DESCRIPTOR_TAKEN;
    if (relay != NULL && (d.published_ms < relay->published_ms || d.onion.first_epoch < relay->onion.first_epoch))
        return DESCRIPTOR_BAD_TIME;
    if (!keys_usable(&d.onion))
        return DESCRIPTOR_MALFORMED;
    if (relay == NULL)
        relay = register_relay(authority, step, &d.id);
    if (relay == NULL)
        return DESCRIPTOR_FULL;
    relay->address = d.address;
    relay->onion = d.onion;
    relay->published_ms = d.published_ms;
    relay->retiring = d.retiring;
    relay->heard_wall_ms = step->now.wall_ms;
    relay->absent_at_ms = step->now.mono_ms + absence_ms(authority);
    registration_store(relay, step);
    return DESCRIPTOR_TAKEN;
}

// ---- issuing ----

static bool is_placed(const struct registration *relay, uint64_t mono_ms) {
    return !relay->retiring && mono_ms < relay->absent_at_ms;
}

static bool has_key(const struct registration *relay, uint32_t epoch) {
    return epoch >= relay->onion.first_epoch && epoch - relay->onion.first_epoch < ONION_KEYS_AHEAD;
}

// Relays that can do everything in that epoch.
static uint32_t able_relays(const struct authority *authority, uint32_t epoch, uint64_t mono_ms) {
    uint32_t able = 0;
    for (size_t i = 0; i < authority->registry.count; i++) {
        const struct registration *relay = authority->registry.by_id[i];
        able += is_placed(relay, mono_ms) && has_key(relay, epoch);
    }
    return able;
}

// The epoch for which a directory is due by the clock, 0: none.
static uint32_t due_epoch(const struct authority *authority, uint64_t wall_ms) {
    uint32_t epoch = epoch_at(authority->genesis, wall_ms);
    if (epoch > 0 && authority->issued_epoch < epoch)
        return epoch;
    if (authority->issued_epoch < epoch + 1 && wall_ms >= directory_due_ms(authority->genesis, epoch + 1))
        return epoch + 1;
    return 0;
}

// Whether enough relays are there. The first directory waits for all of min_relays. One that is late (the authority was
// away) waits for them to be heard of again, but not for long.
static bool enough_relays(struct authority *authority, uint32_t epoch, const struct now *now) {
    uint32_t able = able_relays(authority, epoch, now->mono_ms);
    if (able >= authority->genesis->min_relays)
        return true;
    if (authority->issued_epoch == 0 || able == 0)
        return false;
    if (epoch > epoch_at(authority->genesis, now->wall_ms))
        return true;
    if (authority->late_epoch != epoch) {
        authority->late_epoch = epoch;
        authority->late_since_ms = now->mono_ms;
    }
    return now->mono_ms - authority->late_since_ms >= authority->genesis->epoch_ms / 6;
}

static void list_relay(struct directory_relay *out, const struct registration *relay) {
    *out = (struct directory_relay){
        .id = relay->id,
        .placement = relay->placement,
        .address = relay->address,
        .onion = relay->onion,
        .placed = relay->placed,
        .since_epoch = relay->since_epoch,
    };
}

// Fills the directory's relays and notes in the registrations what it says of them.
static void list_relays(struct authority *authority, struct step *step, struct directory *directory) {
    for (size_t i = 0; i < authority->registry.count; i++) {
        struct registration *relay = authority->registry.by_id[i];
        bool placed = is_placed(relay, step->now.mono_ms);
        bool listed = placed || has_key(relay, directory->epoch);
        bool newcomer = listed && relay->since_epoch == 0;
        if (placed != relay->placed) {
            log_relay(&step->env->log, LOG_INFO, "directory", placed ? "a relay is placed" : "a relay leaves placement",
                      relay->id.bytes, relay->retiring ? "it retires" : NULL);
            directory->changed_epoch = directory->epoch;
        }
        if (placed != relay->placed || newcomer) {
            relay->placed = placed;
            relay->since_epoch = newcomer ? directory->epoch : relay->since_epoch;
            registration_store(relay, step);
        }
        if (listed)
            list_relay(&directory->relays[directory->relay_count++], relay);
    }
}

bool authority_issue(struct authority *authority, struct step *step, struct buf *bytes) {
    uint32_t epoch = due_epoch(authority, step->now.wall_ms);
    if (epoch == 0 || !enough_relays(authority, epoch, &step->now))
        return false;
    struct directory directory = {
        .network = authority->genesis->network,
        .epoch = epoch,
        .issued_ms = step->now.wall_ms,
        .changed_epoch = authority->changed_epoch,
        .stamp_bits = authority->genesis->stamp_bits,
        .relays = NEW_ARRAY(struct directory_relay, authority->registry.count),
    };
    list_relays(authority, step, &directory);
    directory_sign(&directory, &authority->key);
    free(directory.relays);
    authority->issued_epoch = epoch;
    authority->changed_epoch = directory.changed_epoch;
    state_store(authority, step);
    log_number(&step->env->log, LOG_INFO, "directory", "a directory is issued", "epoch", epoch);
    buf_clear(bytes);
    buf_append(bytes, buf_span(&directory.bytes));
    buf_free(&directory.bytes);
    return true;
}

uint64_t authority_next_ms(const struct authority *authority, const struct now *now) {
    if (due_epoch(authority, now->wall_ms) > 0)
        return (now->mono_ms / RETRY_MS + 1) * RETRY_MS; // authority_issue has just found too few relays
    uint32_t epoch = epoch_at(authority->genesis, now->wall_ms);
    uint32_t next = authority->issued_epoch > epoch ? authority->issued_epoch + 1 : epoch + 1;
    return directory_look_ms(now, directory_due_ms(authority->genesis, next));
}
