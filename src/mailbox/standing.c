// Where this relay stands for a mailbox: directories, ranks, the choice of replicas, and the clock for lifetimes.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "mailbox/mailbox_internal.h"

// Slots of looked-up placements: 704 KiB a directory. A mailbox in use is looked up with every store, which takes a
// hash of every relay: 0.2 ms of the loop among 1,000.
#define PLACEMENT_SLOTS 8192

struct placement_slot {
    bool used;
    struct mailbox_id mailbox;
    struct placement placement;
};

struct placement_cache {
    struct directory *directory;
    struct placement_slot slots[PLACEMENT_SLOTS];
};

struct placement_cache *placement_cache_new(struct directory *directory) {
    struct placement_cache *cache = NEW(struct placement_cache);
    cache->directory = directory_ref(directory);
    return cache;
}

void placement_cache_free(struct placement_cache *cache) {
    if (cache == NULL)
        return;
    directory_unref(cache->directory);
    free(cache);
}

struct directory *placement_cache_directory(const struct placement_cache *cache) {
    return cache != NULL ? cache->directory : NULL;
}

static const struct placement *lookup(struct placement_cache *cache, const struct mailbox_id *id, unsigned replicas) {
    // Whoever makes mailboxes share a slot only makes his own look-ups slower.
    struct placement_slot *slot = &cache->slots[load_u16(id->bytes) % PLACEMENT_SLOTS];
    if (!slot->used || !mailbox_id_equal(&slot->mailbox, id)) {
        placement_of(&slot->placement, cache->directory, id, replicas);
        slot->mailbox = *id;
        slot->used = true;
    }
    return &slot->placement;
}

void standing_of(struct standing *out, struct mailbox *mailbox, enum standing_in which, const struct mailbox_id *id) {
    struct placement_cache *cache = which == STANDING_CURRENT ? mailbox->current : mailbox->previous;
    *out = (struct standing){.rank = -1};
    if (cache == NULL)
        return;
    out->directory = cache->directory;
    out->placement = *lookup(cache, id, mailbox->config.genesis->replicas);
    out->rank = placement_rank(&out->placement, out->directory, &mailbox->config.self);
}

bool standing_for_epoch(struct standing *out, struct mailbox *mailbox, uint32_t epoch, const struct mailbox_id *id) {
    const enum standing_in all[] = {STANDING_CURRENT, STANDING_PREVIOUS};
    for (size_t i = 0; i < sizeof all / sizeof all[0] && mailbox->current != NULL; i++) {
        struct placement_cache *cache = all[i] == STANDING_CURRENT ? mailbox->current : mailbox->previous;
        if (cache == NULL || cache->directory->epoch != epoch)
            continue;
        standing_of(out, mailbox, all[i], id);
        return true;
    }
    return false;
}

bool standing_same(const struct standing *a, const struct standing *b) {
    if (a->directory == NULL || b->directory == NULL || a->placement.count != b->placement.count)
        return false;
    for (size_t rank = 0; rank < a->placement.count; rank++) {
        if (!relay_id_equal(standing_relay(a, rank), standing_relay(b, rank)))
            return false;
    }
    return true;
}

const struct relay_id *standing_relay(const struct standing *standing, size_t rank) {
    ASSERT(rank < standing->placement.count);
    return &standing->directory->relays[standing->placement.relays[rank]].id;
}

bool standing_is_replica(struct mailbox *mailbox, const struct mailbox_id *id) {
    struct standing standing;
    standing_of(&standing, mailbox, STANDING_CURRENT, id);
    if (standing.rank >= 0)
        return true;
    standing_of(&standing, mailbox, STANDING_PREVIOUS, id);
    return standing.rank >= 0;
}

void standing_choose(struct replica_set *set, uint8_t ranks[static REPLICAS_MAX], const struct mailbox *mailbox,
                     const struct standing *standing, unsigned excluded) {
    ASSERT(standing->rank >= 0);
    *set = (struct replica_set){.epoch = standing->directory->epoch};
    unsigned others = mailbox->config.genesis->replicas - 1U;
    for (size_t rank = 0; rank < standing->placement.count; rank++) {
        const struct relay_id *relay = standing_relay(standing, rank);
        bool is_self = (int)rank == standing->rank;
        if (!is_self &&
            (others == 0 || (excluded >> rank & 1) != 0 || !mailbox->ports.reachable(mailbox->ports.ctx, relay)))
            continue;
        others -= is_self ? 0 : 1;
        ranks[set->count] = (uint8_t)rank;
        set->relays[set->count++] = *relay;
    }
}

bool standing_set_ranks(uint8_t ranks[static REPLICAS_MAX], const struct mailbox *mailbox,
                        const struct standing *standing, const struct replica_set *set) {
    if (set->count > mailbox->config.genesis->replicas)
        return false;
    unsigned seen = 0;
    for (size_t i = 0; i < set->count; i++) {
        int rank = placement_rank(&standing->placement, standing->directory, &set->relays[i]);
        if (rank < 0 || (seen >> rank & 1) != 0)
            return false;
        seen |= 1U << rank;
        ranks[i] = (uint8_t)rank;
    }
    return true;
}

uint32_t mailbox_epoch(const struct mailbox *mailbox) {
    return mailbox->current != NULL ? mailbox->current->directory->epoch : 0;
}

uint64_t mailbox_wall_ms(const struct mailbox *mailbox, const struct step *step) {
    uint64_t wall = step->now.wall_ms;
    if (mailbox->newest_epoch == 0)
        return wall;
    const struct genesis *genesis = mailbox->config.genesis;
    // A directory is issued for its epoch, at most 1/6 epoch ahead, and in force for three.
    uint64_t earliest = epoch_start_ms(genesis, mailbox->newest_epoch) - genesis->epoch_ms / 6;
    uint64_t latest = epoch_start_ms(genesis, mailbox->newest_epoch + 3);
    return wall < earliest ? earliest : wall > latest ? latest : wall;
}
