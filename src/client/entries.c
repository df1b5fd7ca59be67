// The entries: two relays drawn at random and kept, so that a client does not, sooner or later, enter by a bad one.
//
// One is replaced after 30 days, or once it has been out of reach for 24 h. While both are down or not in the
// directory, spares (up to two, kept as long) carry the traffic, and the first two take over again when they are back.
#include <string.h>

#include "client/client_internal.h"

#define ENTRY_KEPT_MS (30 * DAY_MS)
#define ENTRY_UNREACHABLE_MS DAY_MS
#define ENTRY_SPARE_MS MINUTE_MS // both down for so long: a spare is drawn
#define ENTRY_CHECK_MS MINUTE_MS
#define ENTRY_MARK_MS HOUR_MS // how often it is written down that an entry is reachable

static struct entry *entry_find(struct client *client, const struct relay_id *relay) {
    for (size_t i = 0; i < client->entry_count; i++)
        if (relay_id_equal(&client->entries[i].state.relay, relay))
            return &client->entries[i];
    return NULL;
}

// One that has left the network may keep its link to us, but nobody passes on what comes over it.
static bool is_listed(const struct client *client, const struct entry *entry) {
    return client->current == NULL || directory_find(client->current, &entry->state.relay) != NULL;
}

bool entries_any_up(const struct client *client) {
    for (size_t i = 0; i < client->entry_count; i++)
        if (client->entries[i].up && is_listed(client, &client->entries[i]))
            return true;
    return false;
}

// Up, or down for so short that it may be back at once.
static bool is_expected(const struct client *client, const struct step *step, const struct entry *entry) {
    return is_listed(client, entry) && (entry->up || step->now.mono_ms < entry->changed_ms + ENTRY_SPARE_MS);
}

// The first two are; spares only while nothing is expected of both of these.
static bool wanted_at(const struct client *client, const struct step *step, size_t i) {
    for (size_t j = 0; i >= ENTRIES && j < ENTRIES; j++)
        if (is_expected(client, step, &client->entries[j]))
            return false;
    return true;
}

bool entry_is_wanted(const struct client *client, const struct relay_id *relay) {
    for (size_t i = 0; i < client->entry_count && i < ENTRIES; i++)
        if (relay_id_equal(&client->entries[i].state.relay, relay))
            return true;
    return false;
}

// What was to go out over that link, and what was to come back.
static void entry_traffic_drop(struct client *client, const struct relay_id *relay) {
    exchanges_of_entry_free(client, relay);
    pace_drop(client, relay);
}

static void entry_let_go(struct client *client, struct step *step, struct entry *entry) {
    if (entry->held)
        client->ports.hold(client->ports.ctx, step, &entry->state.relay, false);
    if (entry->up)
        entry_traffic_drop(client, &entry->state.relay);
    entry->held = entry->up = false;
}

static void entry_remove(struct client *client, struct step *step, size_t i) {
    entry_let_go(client, step, &client->entries[i]);
    forget_entry(step, client->entries[i].state.slot);
    client->entry_count--;
    memmove(&client->entries[i], &client->entries[i + 1], (client->entry_count - i) * sizeof(client->entries[0]));
}

static uint8_t free_slot(const struct client *client) {
    for (uint8_t slot = 0;; slot++) {
        bool used = false;
        for (size_t i = 0; i < client->entry_count; i++)
            used = used || client->entries[i].state.slot == slot;
        if (!used)
            return slot;
    }
}

static bool is_replica(const struct relay_id *relay, const struct relay_id *replicas, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (relay_id_equal(relay, &replicas[i]))
            return true;
    return false;
}

// A relay that is no entry yet; preferably no replica of our mailbox for requests, whose id everybody may know.
static const struct directory_relay *draw(struct client *client, struct step *step, bool strict) {
    struct relay_id replicas[PLACEMENT_RANKS];
    size_t k;
    path_replicas(client, replicas, &k, &client->card.mailbox);
    const struct directory_relay *chosen = NULL;
    uint64_t seen = 0;
    for (size_t i = 0; i < client->current->relay_count; i++) {
        const struct directory_relay *relay = &client->current->relays[i];
        if (entry_find(client, &relay->id) != NULL || (strict && is_replica(&relay->id, replicas, k)))
            continue;
        if (rng_below(&step->env->rng, ++seen) == 0)
            chosen = relay;
    }
    return chosen;
}

static bool entry_add(struct client *client, struct step *step) {
    const struct directory_relay *relay = draw(client, step, true);
    if (relay == NULL) {
        relay = draw(client, step, false);
        if (relay == NULL)
            return false;
        metric_add(step->env->metrics, METRIC_CLIENT_RELAXED, 1);
    }
    struct entry *entry = &client->entries[client->entry_count];
    *entry = (struct entry){.changed_ms = step->now.mono_ms};
    entry->state.slot = free_slot(client);
    entry->state.relay = relay->id;
    entry->state.drawn_ms = entry->state.reached_ms = step->now.wall_ms;
    client->entry_count++;
    store_entry(step, &entry->state);
    return true;
}

static void remove_old(struct client *client, struct step *step) {
    for (size_t i = client->entry_count; i-- > 0;) {
        struct entry *entry = &client->entries[i];
        bool old = step->now.wall_ms >= entry->state.drawn_ms + ENTRY_KEPT_MS;
        bool lost = !entry->up && step->now.wall_ms >= entry->state.reached_ms + ENTRY_UNREACHABLE_MS;
        if (old || lost) {
            log_relay(&step->env->log, LOG_INFO, "client", "entry replaced", entry->state.relay.bytes,
                      old ? "kept for 30 days" : "out of reach for 24 h");
            // The new one is drawn while the old is still there: not the same again.
            if (client->entry_count < ENTRIES_MAX)
                entry_add(client, step);
            entry_remove(client, step, i);
        }
    }
}

// Whether a spare is due: no entry is up, and none has gone down so recently that it may be back at once.
static bool spare_due(const struct client *client, const struct step *step) {
    bool any_listed = false;
    for (size_t i = 0; i < client->entry_count; i++) {
        const struct entry *entry = &client->entries[i];
        any_listed = any_listed || is_listed(client, entry);
        if (is_expected(client, step, entry))
            return false;
    }
    return client->entry_count < ENTRIES_MAX || !any_listed;
}

static void hold_wanted(struct client *client, struct step *step) {
    if (client->current == NULL)
        return; // the directory has grown too old: as they are, until there is a newer one
    for (size_t i = 0; i < client->entry_count; i++) {
        struct entry *entry = &client->entries[i];
        bool in_turn = wanted_at(client, step, i);
        bool wanted = in_turn && is_listed(client, entry);
        if (wanted && !entry->held) {
            entry->held = true;
            client->ports.hold(client->ports.ctx, step, &entry->state.relay, true);
        } else if (entry->held && (!in_turn || (!wanted && !entry->up))) {
            entry_let_go(client, step, entry);
        }
    }
}

void entries_loaded(struct client *client, const struct step *step) {
    for (size_t i = 0; i < client->entry_count; i++)
        client->entries[i].changed_ms = step->now.mono_ms;
}

void entries_refresh(struct client *client, struct step *step) {
    if (client->phase != CLIENT_RUNNING || client->current == NULL)
        return;
    for (size_t i = 0; i < client->entry_count; i++) {
        struct entry *entry = &client->entries[i];
        if (entry->up && step->now.wall_ms >= entry->state.reached_ms + ENTRY_MARK_MS) {
            entry->state.reached_ms = step->now.wall_ms;
            store_entry(step, &entry->state);
        }
    }
    remove_old(client, step);
    while (client->entry_count < ENTRIES && entry_add(client, step))
        ;
    if (spare_due(client, step)) {
        // Every one we had has left the network: the last spare makes room.
        if (client->entry_count == ENTRIES_MAX)
            entry_remove(client, step, ENTRIES_MAX - 1);
        entry_add(client, step);
    }
    hold_wanted(client, step);
    client_wake(client, &client->entries_wake_ms, step->now.mono_ms + ENTRY_CHECK_MS, WAKE_ENTRIES, 0);
}

void entries_link_up(struct client *client, struct step *step, const struct relay_id *relay) {
    struct entry *entry = entry_find(client, relay);
    if (entry == NULL || !entry->held)
        return;
    entry->up = true;
    entry->changed_ms = step->now.mono_ms;
    entry->state.reached_ms = step->now.wall_ms;
    store_entry(step, &entry->state);
    // Fresh for every connection, so that two connections cannot be tied together by them.
    for (size_t i = 0; i < ENTRY_HANDLES; i++)
        rng_bytes(&step->env->rng, entry->handles[i].bytes, sizeof(entry->handles[i].bytes));
    client->ports.handles(client->ports.ctx, step, relay, entry->handles, ENTRY_HANDLES);
    hold_wanted(client, step);
}

void entries_link_down(struct client *client, struct step *step, const struct relay_id *relay) {
    struct entry *entry = entry_find(client, relay);
    if (entry == NULL || !entry->up)
        return;
    entry->up = false;
    entry->changed_ms = step->now.mono_ms;
    entry->state.reached_ms = step->now.wall_ms;
    store_entry(step, &entry->state);
    entry_traffic_drop(client, relay);
    hold_wanted(client, step);
}
