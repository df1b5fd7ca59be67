// Looking relays up, and rendezvous placement: every relay has a score for a mailbox, the best ones hold it. Nobody can
// move a relay towards a mailbox, because the ledger draws the placement id, and a relay that leaves moves only the
// mailboxes that it held.
#include "directory/directory.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"

uint64_t directory_look_ms(const struct now *now, uint64_t wall_ms) {
    uint64_t wait = wall_ms > now->wall_ms ? wall_ms - now->wall_ms : 0;
    uint64_t next_minute = (now->mono_ms / MINUTE_MS + 1) * MINUTE_MS;
    return wait < next_minute - now->mono_ms ? now->mono_ms + wait : next_minute;
}

const struct directory_relay *directory_find(const struct directory *directory, const struct relay_id *id) {
    size_t low = 0;
    size_t high = directory->relay_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = relay_id_compare(&directory->relays[middle].id, id);
        if (order == 0)
            return &directory->relays[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct dh_public *directory_onion_key(const struct directory_relay *relay, uint32_t epoch) {
    static const struct dh_public none = {{0}};
    const struct onion_keys *onion = &relay->onion;
    if (epoch < onion->first_epoch || epoch - onion->first_epoch >= ONION_KEYS_AHEAD)
        return NULL;
    const struct dh_public *key = &onion->keys[epoch - onion->first_epoch];
    return memcmp(key->bytes, none.bytes, sizeof none.bytes) != 0 ? key : NULL;
}

// One relay on its way into the ranking.
struct candidate {
    struct hash score;
    size_t relay;
};

// Higher scores rank first; for equal ones (which do not happen by chance) the lower id, which is the lower index.
static bool ranks_before(const struct candidate *a, const struct candidate *b) {
    int order = memcmp(a->score.bytes, b->score.bytes, sizeof a->score.bytes);
    return order > 0 || (order == 0 && a->relay < b->relay);
}

// Keeps the best `ranks` of what it is given, in order.
static void rank_insert(struct candidate *best, size_t *count, size_t ranks, const struct candidate *candidate) {
    if (*count == ranks && !ranks_before(candidate, &best[ranks - 1]))
        return;
    size_t at = *count < ranks ? (*count)++ : ranks - 1;
    for (; at > 0 && ranks_before(candidate, &best[at - 1]); at--)
        best[at] = best[at - 1];
    best[at] = *candidate;
}

void placement_of(struct placement *out, const struct directory *directory, const struct mailbox_id *mailbox,
                  unsigned replicas) {
    ASSERT(replicas >= 1 && replicas <= REPLICAS_MAX);
    size_t ranks = replicas + 2;
    struct candidate best[PLACEMENT_RANKS];
    size_t count = 0;
    for (size_t i = 0; i < directory->relay_count; i++) {
        const struct directory_relay *relay = &directory->relays[i];
        if (!relay->placed)
            continue;
        const struct span parts[] = {SPAN_OF(relay->placement.bytes), SPAN_OF(mailbox->bytes)};
        struct candidate candidate = {.relay = i};
        hash_parts(&candidate.score, "sotto placement 1", parts, 2);
        rank_insert(best, &count, ranks, &candidate);
    }
    *out = (struct placement){.count = count};
    for (size_t i = 0; i < count; i++)
        out->relays[i] = best[i].relay;
}

int placement_rank(const struct placement *placement, const struct directory *directory, const struct relay_id *relay) {
    for (size_t rank = 0; rank < placement->count; rank++) {
        if (relay_id_equal(&directory->relays[placement->relays[rank]].id, relay))
            return (int)rank;
    }
    return -1;
}

// The ranks of a set's relays. False when no honest replica would have chosen it.
static bool set_ranks(int ranks[static REPLICAS_MAX], const struct replica_set *set, const struct directory *directory,
                      const struct genesis *genesis, const struct mailbox_id *mailbox) {
    if (set->epoch != directory->epoch || set->count < 1 || set->count > genesis->replicas)
        return false;
    struct placement placement;
    placement_of(&placement, directory, mailbox, genesis->replicas);
    for (size_t i = 0; i < set->count; i++) {
        ranks[i] = placement_rank(&placement, directory, &set->relays[i]);
        if (ranks[i] < 0)
            return false;
        for (size_t j = 0; j < i; j++) {
            if (ranks[j] == ranks[i])
                return false;
        }
    }
    return true;
}

unsigned receipts_valid(const struct reply *reply, const struct directory *directory, const struct genesis *genesis,
                        const struct mailbox_id *mailbox, const uint8_t item[static ITEM_BYTES], uint64_t expiry_ms) {
    int ranks[REPLICAS_MAX];
    if (reply->kind != OP_STORE || reply->status != OP_OK)
        return 0;
    if (!set_ranks(ranks, &reply->set, directory, genesis, mailbox))
        return 0;
    struct item_hash hash;
    item_hash_of(&hash, &genesis->network, mailbox, expiry_ms, item);
    bool counted[REPLICAS_MAX] = {false};
    unsigned valid = 0;
    for (size_t i = 0; i < reply->receipt_count; i++) {
        const struct receipt *receipt = &reply->receipts[i];
        if (receipt->index >= reply->set.count || counted[receipt->index] || receipt->rank != ranks[receipt->index])
            continue;
        if (receipt_verify(receipt, &genesis->network, &reply->set, item, mailbox, &hash, expiry_ms) != OK)
            continue;
        counted[receipt->index] = true;
        valid++;
    }
    return valid;
}
