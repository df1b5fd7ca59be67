// Routes out and back.
//
//   out    entry -> middle -> one of the mailbox's replicas, which executes the operation
//   back   A -> B -> entry -> us, by a handle; none of them is the executing replica, nor if possible another: one
//   relay
//          that dies should not take a replica and the ways from the others with it
//
// Networks too small for the rules relax them, with a count.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"

#define DELAY_MEAN_MS 50 // balanced
#define AVOID_MAX (PLACEMENT_RANKS + 4 + SUSPECTS_AVOIDED_MAX)

uint32_t path_epoch(const struct client *client, const struct step *step) {
    uint32_t first = client->current->epoch;
    uint32_t epoch = epoch_at(client->config.genesis, step->now.wall_ms);
    if (epoch < first)
        return first;
    return epoch < first + DIRECTORY_VALID_EPOCHS ? epoch : first + DIRECTORY_VALID_EPOCHS - 1;
}

bool path_open(const struct client *client) {
    return client->phase == CLIENT_RUNNING && client->current != NULL && entries_any_up(client);
}

size_t path_replicas(const struct client *client, struct relay_id out[static PLACEMENT_RANKS], size_t *k,
                     const struct mailbox_id *mailbox) {
    struct placement placement;
    unsigned replicas = client->config.genesis->replicas;
    placement_of(&placement, client->current, mailbox, replicas);
    for (size_t i = 0; i < placement.count; i++)
        out[i] = client->current->relays[placement.relays[i]].id;
    *k = placement.count < replicas ? placement.count : replicas;
    return placement.count;
}

struct avoid {
    size_t count;
    const struct relay_id *ids[AVOID_MAX];
};

static void avoid_add(struct avoid *avoid, const struct relay_id *id) {
    ASSERT(avoid->count < AVOID_MAX);
    avoid->ids[avoid->count++] = id;
}

static bool avoided(const struct avoid *avoid, const struct relay_id *id) {
    for (size_t i = 0; i < avoid->count; i++)
        if (relay_id_equal(avoid->ids[i], id))
            return true;
    return false;
}

// Uniformly among the relays that have a key of that epoch and are not to be avoided; NULL: there is none.
static const struct directory_relay *draw_from(const struct client *client, struct rng *rng, uint32_t epoch,
                                               const struct avoid *avoid) {
    const struct directory *directory = client->current;
    size_t eligible = 0;
    for (size_t i = 0; i < directory->relay_count; i++)
        eligible +=
            directory_onion_key(&directory->relays[i], epoch) != NULL && !avoided(avoid, &directory->relays[i].id);
    if (eligible == 0)
        return NULL;
    size_t chosen = (size_t)rng_below(rng, eligible);
    for (size_t i = 0;; i++) {
        ASSERT(i < directory->relay_count);
        bool is =
            directory_onion_key(&directory->relays[i], epoch) != NULL && !avoided(avoid, &directory->relays[i].id);
        if (is && chosen-- == 0)
            return &directory->relays[i];
    }
}

// The same, without those that may be dead as long as there are others.
static const struct directory_relay *draw(struct client *client, struct step *step, uint32_t epoch,
                                          const struct avoid *avoid) {
    struct avoid more = *avoid;
    more.count += suspects_avoided(client, step, more.ids + more.count, SUSPECTS_AVOIDED_MAX);
    const struct directory_relay *relay = draw_from(client, &step->env->rng, epoch, &more);
    return relay != NULL ? relay : draw_from(client, &step->env->rng, epoch, avoid);
}

static const struct directory_relay *usable(const struct client *client, const struct relay_id *id, uint32_t epoch) {
    const struct directory_relay *relay = directory_find(client->current, id);
    return relay != NULL && directory_onion_key(relay, epoch) != NULL ? relay : NULL;
}

static bool in_list(const struct relay_id *id, const struct relay_id *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (relay_id_equal(id, &list[i]))
            return true;
    return false;
}

// The first candidate that is not the entry; one that may be dead only if there is no other.
static const struct directory_relay *last_for(struct client *client, struct step *step, const struct path_aim *aim,
                                              const struct entry *entry, uint32_t epoch) {
    struct avoid dead = {0};
    dead.count = suspects_avoided(client, step, dead.ids, SUSPECTS_AVOIDED_MAX);
    const struct directory_relay *second = NULL;
    for (size_t i = 0; i < aim->candidate_count; i++) {
        const struct directory_relay *relay = usable(client, &aim->candidates[i], epoch);
        if (relay == NULL || relay_id_equal(&relay->id, &entry->state.relay))
            continue;
        if (!avoided(&dead, &relay->id))
            return relay;
        second = second == NULL ? relay : second;
    }
    return second;
}

// An entry whose link is up, drawn among those that are no replica of the mailbox, or if there is none (`strict`
// false) among all.
static struct entry *entry_for(struct client *client, struct step *step, const struct path_aim *aim, uint32_t epoch,
                               bool strict) {
    struct entry *chosen = NULL;
    uint64_t seen = 0;
    for (size_t i = 0; i < client->entry_count; i++) {
        struct entry *entry = &client->entries[i];
        if (!entry->up || usable(client, &entry->state.relay, epoch) == NULL)
            continue;
        if (strict && in_list(&entry->state.relay, aim->replicas, aim->replica_count))
            continue;
        if (last_for(client, step, aim, entry, epoch) != NULL && rng_below(&step->env->rng, ++seen) == 0)
            chosen = entry;
    }
    return chosen;
}

bool path_plan(struct client *client, struct step *step, struct path_plan *plan, const struct path_aim *aim) {
    if (!path_open(client))
        return false;
    bool relaxed = false;
    plan->aim = aim;
    plan->epoch = path_epoch(client, step);
    plan->entry = entry_for(client, step, aim, plan->epoch, true);
    if (plan->entry == NULL) {
        relaxed = true;
        plan->entry = entry_for(client, step, aim, plan->epoch, false);
        if (plan->entry == NULL)
            return false;
    }
    plan->last = last_for(client, step, aim, plan->entry, plan->epoch);
    struct avoid avoid = {0};
    avoid_add(&avoid, &plan->entry->state.relay);
    avoid_add(&avoid, &plan->last->id);
    for (size_t i = 0; i < aim->replica_count; i++)
        avoid_add(&avoid, &aim->replicas[i]);
    plan->middle = draw(client, step, plan->epoch, &avoid);
    if (plan->middle == NULL) {
        relaxed = true;
        avoid.count = 2;
        plan->middle = draw(client, step, plan->epoch, &avoid);
    }
    if (relaxed)
        metric_add(step->env->metrics, METRIC_CLIENT_RELAXED, 1);
    return true;
}

static void hop_fill(struct client *client, struct step *step, struct sphinx_hop *hop,
                     const struct directory_relay *relay, uint32_t epoch, bool forwards) {
    memset(hop, 0, sizeof(*hop));
    memcpy(hop->id, relay->id.bytes, 32);
    hop->onion = *directory_onion_key(relay, epoch);
    hop->key_epoch = (uint8_t)epoch;
    if (forwards && client->config.profile == PROFILE_BALANCED)
        hop->delay_ms = (uint32_t)rng_exponential_ms(&step->env->rng, DELAY_MEAN_MS);
}

// Beside the replicas, as long as there are others.
static const struct directory_relay *draw_beside(struct client *client, struct step *step, const struct path_plan *plan,
                                                 const struct avoid *avoid) {
    struct avoid more = *avoid;
    for (size_t i = 0; i < plan->aim->replica_count; i++)
        avoid_add(&more, &plan->aim->replicas[i]);
    const struct directory_relay *relay = draw(client, step, plan->epoch, &more);
    return relay != NULL ? relay : draw(client, step, plan->epoch, avoid);
}

static bool surb_make(struct client *client, struct step *step, const struct path_plan *plan,
                      uint8_t surb[static SPHINX_SURB_BYTES], struct surb_slot *slot) {
    struct sphinx_hop hops[ROUTE_HOPS];
    const struct directory_relay *entry = directory_find(client->current, &plan->entry->state.relay);
    struct avoid avoid = {0};
    avoid_add(&avoid, &plan->last->id);
    avoid_add(&avoid, &entry->id);
    size_t count = 0;
    for (size_t i = 0; i < ROUTE_HOPS - 1; i++) {
        const struct directory_relay *relay = draw_beside(client, step, plan, &avoid);
        if (relay == NULL) {
            metric_add(step->env->metrics, METRIC_CLIENT_RELAXED, 1);
            break;
        }
        avoid_add(&avoid, &relay->id);
        slot->hops[slot->hop_count++] = relay->id;
        hop_fill(client, step, &hops[count++], relay, plan->epoch, true);
    }
    hop_fill(client, step, &hops[count++], entry, plan->epoch, false);
    const struct handle *handle = &plan->entry->handles[rng_below(&step->env->rng, ENTRY_HANDLES)];
    return sphinx_surb_make(surb, &slot->keys, hops, count, handle->bytes, &step->env->rng) == OK;
}

static bool forward_make(struct client *client, struct step *step, const struct path_plan *plan,
                         uint8_t packet[static SPHINX_PACKET_BYTES], struct exchange *exchange, struct span body) {
    struct sphinx_hop hops[ROUTE_HOPS];
    const struct directory_relay *entry = directory_find(client->current, &plan->entry->state.relay);
    const struct directory_relay *route[ROUTE_HOPS] = {entry, plan->middle, plan->last};
    for (size_t i = 0; i < ROUTE_HOPS; i++) {
        if (route[i] == NULL)
            continue;
        exchange->route[exchange->route_count] = route[i]->id;
        hop_fill(client, step, &hops[exchange->route_count++], route[i], plan->epoch, i + 1 < ROUTE_HOPS);
    }
    struct sphinx_end end = {.type = SPHINX_DELIVER};
    return sphinx_make(packet, hops, exchange->route_count, &end, body, &step->env->rng) == OK;
}

static size_t surbs_of(enum exchange_kind kind) {
    switch (kind) {
    case EXCHANGE_FETCH:
    case EXCHANGE_SUBSCRIBE:
        return OP_SURBS_MAX;
    case EXCHANGE_STORE:
    case EXCHANGE_DELETE:
    case EXCHANGE_POLICY:
    case EXCHANGE_LOOP:
        break;
    }
    return 1;
}

struct exchange *path_send(struct client *client, struct step *step, const struct path_plan *plan,
                           enum exchange_kind kind, uint64_t target, struct op *op, const struct sign_secret *owner,
                           uint64_t lifetime_ms) {
    if (client->exchanges.count >= EXCHANGES_MAX || !pace_has_room(client))
        return NULL;
    uint8_t surbs[OP_SURBS_MAX][SPHINX_SURB_BYTES], body[OP_BYTES_MAX], packet[SPHINX_PACKET_BYTES];
    struct exchange *exchange = exchange_new(client, kind, surbs_of(kind));
    exchange->target = target;
    exchange->entry = plan->entry->state.relay;
    exchange->replica = plan->last->id;
    bool made = true;
    for (size_t i = 0; made && i < exchange->surb_count; i++) {
        made = surb_make(client, step, plan, surbs[i], &exchange->surbs[i]);
        op->surbs[i] = surbs[i];
    }
    if (made) {
        op->surb_count = exchange->surb_count;
        op->epoch = client->current->epoch;
        size_t n = op_encode(body, op, &client->config.genesis->network, &plan->last->id, owner);
        made = forward_make(client, step, plan, packet, exchange, span_of(body, n));
    }
    if (!made) {
        free(exchange);
        return NULL;
    }
    exchange_begin(client, step, exchange, plan->epoch, lifetime_ms);
    pace_send(client, step, &exchange->entry, packet);
    return exchange;
}

// A packet to ourselves that looks like a request and its reply: entry, three others, entry.
void path_loop(struct client *client, struct step *step, uint64_t lifetime_ms) {
    uint32_t epoch = path_epoch(client, step);
    struct entry *entry = NULL;
    uint64_t seen = 0;
    for (size_t i = 0; i < client->entry_count; i++)
        if (client->entries[i].up && usable(client, &client->entries[i].state.relay, epoch) != NULL &&
            rng_below(&step->env->rng, ++seen) == 0)
            entry = &client->entries[i];
    if (entry == NULL || client->exchanges.count >= EXCHANGES_MAX || !pace_has_room(client))
        return;
    const struct directory_relay *own = directory_find(client->current, &entry->state.relay);
    struct sphinx_hop hops[SPHINX_HOPS_MAX];
    struct avoid avoid = {0};
    avoid_add(&avoid, &own->id);
    size_t count = 0;
    hop_fill(client, step, &hops[count++], own, epoch, true);
    while (count < SPHINX_HOPS_MAX - 1) {
        const struct directory_relay *relay = draw(client, step, epoch, &avoid);
        if (relay == NULL)
            break;
        avoid_add(&avoid, &relay->id);
        hop_fill(client, step, &hops[count++], relay, epoch, true);
    }
    hop_fill(client, step, &hops[count++], own, epoch, false);
    struct exchange *exchange = exchange_new(client, EXCHANGE_LOOP, 1);
    exchange->entry = own->id;
    for (size_t i = 1; i + 1 < count && i <= ROUTE_HOPS; i++)
        memcpy(exchange->route[exchange->route_count++].bytes, hops[i].id, 32);
    // Its own reply block, used at once: what comes back looks to the entry like any reply.
    uint8_t surb[SPHINX_SURB_BYTES], packet[SPHINX_PACKET_BYTES], first[32];
    if (sphinx_surb_make(surb, &exchange->surbs[0].keys, hops, count, entry->handles[0].bytes, &step->env->rng) != OK ||
        sphinx_surb_use(packet, first, surb, (struct span){0}) != OK) {
        free(exchange);
        return;
    }
    exchange_begin(client, step, exchange, epoch, lifetime_ms);
    metric_add(step->env->metrics, METRIC_CLIENT_LOOPS, 1);
    pace_send(client, step, &exchange->entry, packet);
}
