// Walking over all entries in slices, on a worker: what two homes share (census), what is in the buckets that differ
// (sync), what should be elsewhere (tidy).
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "mailbox/repair.h"

// Entries looked at in one job: a few milliseconds, so that peeling does not wait long for a worker.
#define SCAN_SLICE 4096

// ---- the membership as a job sees it ----

// A relay that has been away for less is expected back.
#define AWAY_MS (30 * SECOND_MS)

struct view *view_new(const struct mailbox *mailbox, const struct step *step) {
    const struct directory *directory = placement_cache_directory(mailbox->current);
    if (directory == NULL)
        return NULL;
    struct view *view = NEW(struct view);
    size_t count = directory->relay_count;
    view->directory.relay_count = count;
    view->directory.changed_epoch = directory->changed_epoch;
    view->directory.relays = mem_copy(span_of(directory->relays, count * sizeof directory->relays[0]));
    view->reachable = NEW_ARRAY(bool, count);
    view->away = NEW_ARRAY(bool, count);
    view->self = mailbox->config.self;
    view->self_index = count;
    view->replicas = mailbox->config.genesis->replicas;
    view->quorum = mailbox->config.genesis->quorum;
    view->settled = directory->epoch >= directory->changed_epoch + 2;
    for (size_t i = 0; i < count; i++) {
        const struct relay_id *id = &directory->relays[i].id;
        if (relay_id_equal(id, &view->self)) {
            view->self_index = i;
            view->reachable[i] = true;
            continue;
        }
        const struct peer *peer = repair_peer(mailbox->repair, id);
        view->reachable[i] = mailbox->ports.reachable(mailbox->ports.ctx, id);
        view->away[i] = !view->reachable[i] && peer != NULL && peer->down_since_ms != TIME_NEVER &&
                        step->now.mono_ms - peer->down_since_ms >= AWAY_MS;
    }
    return view;
}

uint64_t tombstone_mark(const struct directory *directory) {
    return (uint64_t)directory->changed_epoch + 1;
}

void view_free(struct view *view) {
    if (view == NULL)
        return;
    free(view->directory.relays);
    free(view->reachable);
    free(view->away);
    free(view);
}

// Where a mailbox belongs.
struct homes {
    struct mailbox_id mailbox;
    bool known;
    struct placement placement;
    size_t count; // of homes: the first ranks
    int self;     // this relay's rank, -1: none
};

static void find_homes(struct homes *homes, const struct view *view, const struct mailbox_id *id) {
    if (homes->known && mailbox_id_equal(&homes->mailbox, id))
        return;
    homes->known = true;
    homes->mailbox = *id;
    placement_of(&homes->placement, &view->directory, id, view->replicas);
    homes->count = homes->placement.count < view->replicas ? homes->placement.count : view->replicas;
    homes->self = -1;
    for (size_t rank = 0; rank < homes->placement.count; rank++) {
        if (homes->placement.relays[rank] == view->self_index)
            homes->self = (int)rank;
    }
}

static bool is_home(const struct homes *homes) {
    return homes->self >= 0 && (size_t)homes->self < homes->count;
}

// ---- census ----

unsigned bucket_of_mailbox(const struct mailbox_id *id) {
    return load_u16(id->bytes) >> 7;
}

_Static_assert(REPAIR_BUCKETS == 1 << (16 - 7), "a bucket is 9 bits");

_Static_assert(REPAIR_DIGEST_BYTES == sizeof(struct hash), "a digest is a whole hash");

// Expiries are not in it: replicas that learn of a deletion without the item remember it for longer.
void digest_add(uint8_t digest[static REPAIR_DIGEST_BYTES], const struct offer_entry *offer) {
    uint8_t tail[9];
    tail[0] = (uint8_t)offer->kind;
    store_u64(tail + 1, offer->kind == ENTRY_POLICY ? offer->number : 0);
    const struct span parts[] = {span_of(digest, REPAIR_DIGEST_BYTES), SPAN_OF(offer->mailbox.bytes),
                                 SPAN_OF(offer->item.bytes), SPAN_OF(tail)};
    struct hash hash;
    hash_parts(&hash, "sotto repair 2", parts, 4);
    memcpy(digest, hash.bytes, REPAIR_DIGEST_BYTES);
}

static void take_census(struct scan_job *job, const struct homes *homes, const struct entry *entry,
                        const struct offer_entry *offer) {
    if (entry->kind == ENTRY_ITEM && entry->stored_ms < job->oldest_ms)
        job->oldest_ms = entry->stored_ms;
    if (!is_home(homes))
        return;
    for (size_t rank = 0; rank < homes->count; rank++) {
        size_t relay = homes->placement.relays[rank];
        if (relay == job->view->self_index)
            continue;
        if (job->digests[relay] == NULL)
            job->digests[relay] = NEW(struct digests);
        digest_add(job->digests[relay]->buckets[bucket_of_mailbox(&offer->mailbox)], offer);
    }
}

// ---- what to offer to whom ----

// The bit of a relay among the slice's targets; 0 when there is no room for another.
static uint32_t target_bit(struct scan_job *job, size_t relay) {
    size_t i = 0;
    while (i < job->target_count && job->targets[i] != relay)
        i++;
    if (i == TRANSFER_PEERS_MAX)
        return 0;
    if (i == job->target_count)
        job->targets[job->target_count++] = relay;
    return UINT32_C(1) << i;
}

// The reachable relays among ranks [from, to), but this one; at most `most` of them. False: no room for another target.
static bool offer_to(struct scan_job *job, uint32_t *targets, const struct homes *homes, size_t from, size_t to,
                     size_t most) {
    for (size_t rank = from; rank < to && most > 0; rank++) {
        size_t relay = homes->placement.relays[rank];
        if (relay == job->view->self_index || !job->view->reachable[relay])
            continue;
        uint32_t bit = target_bit(job, relay);
        if (bit == 0)
            return false;
        *targets |= bit;
        most--;
    }
    return true;
}

// How many acknowledgements settle a guest; 0: it stays.
static uint8_t guest_need(const struct view *view, const struct homes *homes, const struct offer_entry *offer) {
    size_t all = homes->count;
    if (homes->self >= 0) // a stand-in keeps policies: it may have to stand in again
        return offer->kind == ENTRY_POLICY ? 0 : (uint8_t)all;
    if (!view->settled)
        return 0;
    return (uint8_t)(view->quorum < all ? view->quorum : all);
}

// Homes that stay away, if it is on this relay, the first home here, to see that stand-ins have their entries.
static size_t homes_to_replace(const struct view *view, const struct homes *homes) {
    size_t away = 0;
    for (size_t rank = 0; rank < homes->count; rank++) {
        size_t relay = homes->placement.relays[rank];
        if ((int)rank < homes->self && view->reachable[relay])
            return 0;
        away += view->away[relay] ? 1 : 0;
    }
    return away;
}

// False: this entry must begin another slice.
static bool select_tidy(struct scan_job *job, const struct homes *homes, const struct entry *entry,
                        struct scanned *out) {
    const struct view *view = job->view;
    if (is_home(homes))
        return offer_to(job, &out->targets, homes, homes->count, homes->placement.count, homes_to_replace(view, homes));
    out->stays = entry->kind == ENTRY_TOMBSTONE && homes->self >= 0;
    if (out->stays && entry->number == tombstone_mark(&view->directory))
        return true; // all homes of this membership have it
    out->need = guest_need(view, homes, &out->offer);
    return offer_to(job, &out->targets, homes, 0, homes->count, homes->count);
}

static bool in_buckets(const uint8_t *buckets, unsigned bucket) {
    return (buckets[bucket / 8] >> (7 - bucket % 8) & 1) != 0;
}

static bool select_sync(struct scan_job *job, const struct homes *homes, struct scanned *out) {
    bool shared = false;
    for (size_t rank = 0; rank < homes->count; rank++)
        shared = shared || homes->placement.relays[rank] == job->peer;
    if (shared && is_home(homes) && job->view->reachable[job->peer])
        out->targets = target_bit(job, job->peer);
    return true;
}

// ---- the walk ----

// False: the slice is full before this entry.
static bool visit(struct scan_job *job, struct homes *homes, const struct offer_entry *offer,
                  const struct entry *entry) {
    find_homes(homes, job->view, &offer->mailbox);
    if (job->purpose == SCAN_CENSUS) {
        take_census(job, homes, entry, offer);
        return true;
    }
    if (job->entry_count == OFFER_ENTRIES_MAX)
        return false;
    struct scanned scanned = {.offer = *offer};
    if (!(job->purpose == SCAN_SYNC ? select_sync(job, homes, &scanned) : select_tidy(job, homes, entry, &scanned)))
        return false;
    if (scanned.targets != 0)
        job->entries[job->entry_count++] = scanned;
    return true;
}

// The first key of a bucket.
static void key_of_bucket(struct key *key, unsigned bucket) {
    struct mailbox_id id = {{0}};
    struct item_hash hash = {{0}};
    store_u16(id.bytes, (uint16_t)(bucket << 7));
    key_entry(key, &id, &hash);
}

// For a sync: the first of the buckets asked for, from this mailbox's on. False: there is none.
static bool next_bucket(struct key *key, const struct scan_job *job, const struct mailbox_id *id) {
    for (unsigned bucket = bucket_of_mailbox(id); bucket < REPAIR_BUCKETS; bucket++) {
        if (!in_buckets(job->buckets, bucket))
            continue;
        key_of_bucket(key, bucket);
        return true;
    }
    return false;
}

static void stop_at(struct scan_job *job, const struct mailbox_id *id, const struct item_hash *hash) {
    key_entry(&job->from, id, hash);
    job->finished = false;
}

// Looks at entries from job->from on. False: there was a gap to leap over, job->from is behind it.
static bool walk(struct scan_job *job, const struct kv_snapshot *snapshot, struct homes *homes, size_t *looked) {
    struct kv_cursor *cursor = kv_scan(snapshot, key_span(&job->from));
    struct span key;
    struct span value;
    bool whole = true;
    job->finished = true;
    for (; kv_cursor_at(cursor, &key, &value) && key_in_table(key, 'e'); kv_cursor_next(cursor)) {
        struct offer_entry offer;
        struct entry entry;
        if (!key_entry_read(&offer.mailbox, &offer.item, key) || mailbox_entry_decode(&entry, value) != OK)
            continue; // the step that reads it finds the damage
        if (job->purpose == SCAN_SYNC && !in_buckets(job->buckets, bucket_of_mailbox(&offer.mailbox))) {
            whole = !next_bucket(&job->from, job, &offer.mailbox);
            break;
        }
        offer.kind = entry.kind;
        offer.number = entry_offer_number(&entry);
        if (*looked == SCAN_SLICE || !visit(job, homes, &offer, &entry)) {
            stop_at(job, &offer.mailbox, &offer.item);
            break;
        }
        (*looked)++;
    }
    kv_cursor_free(cursor);
    return whole;
}

static void scan_run(struct job *base, const struct kv_snapshot *snapshot) {
    struct scan_job *job = (struct scan_job *)base;
    struct homes homes = {0};
    size_t looked = 0;
    if (job->purpose == SCAN_SYNC && job->peer >= job->view->directory.relay_count) {
        job->finished = true;
        return;
    }
    while (!walk(job, snapshot, &homes, &looked))
        continue;
}

static void scan_free(struct job *base) {
    struct scan_job *job = (struct scan_job *)base;
    if (job->digests != NULL) {
        for (size_t i = 0; i < job->view->directory.relay_count; i++)
            free(job->digests[i]);
    }
    free(job->digests);
    view_free(job->view);
    free(job);
}

struct scan_job *scan_new(enum scan_purpose purpose, struct view *view) {
    struct scan_job *job = NEW(struct scan_job);
    job->base.kind = MAILBOX_JOB_SCAN;
    job->base.job = (struct job){JOB_OWNER_MAILBOX, true, scan_run, scan_free};
    job->purpose = purpose;
    job->view = view;
    job->oldest_ms = UINT64_MAX;
    key_table(&job->from, 'e');
    if (purpose == SCAN_CENSUS)
        job->digests = NEW_ARRAY(struct digests *, view->directory.relay_count);
    return job;
}

struct job *scan_again(struct scan_job *job) {
    struct scan_job *next = NEW(struct scan_job);
    *next = *job;
    next->entry_count = 0;
    next->target_count = 0;
    job->view = NULL;
    job->digests = NULL;
    return &next->base.job;
}
