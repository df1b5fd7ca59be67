// Offering entries to the relays that should have them, slice by slice, and taking what others offer.
//
//   this relay          the other
//   OFFER       ->                      looks each up
//               <-      ANSWER          have, want or refuse
//   ITEM, OWNED ->                      verifies and stores
//               <-      DONE            when it is durable
//
// Only what was acknowledged is ever forgotten here: data moves before it is forgotten.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "mailbox/repair.h"

// Entries sent to one relay and not yet acknowledged: enough to keep a disk that syncs in a few milliseconds busy.
#define WINDOW 16
// Without any progress a slice is given up, and tried anew with the next round.
#define STALLED_MS (10 * SECOND_MS)

struct transfer_peer {
    struct relay_id id;
    bool answered;
    size_t offered_count;
    uint8_t offered[OFFER_ENTRIES_MAX]; // entries, by their position in the offer
    bool wanted[OFFER_ENTRIES_MAX];     // by entry: to be sent
    bool sent[OFFER_ENTRIES_MAX];       // by entry: not yet acknowledged
    size_t next;                        // entries before it are not wanted any more
    unsigned outstanding;
};

struct handover {
    uint64_t number; // ties its jobs to it
    enum scan_purpose purpose;
    struct relay_id peer;                     // SYNC
    struct scan_job *slice;                   // whose entries are being transferred; NULL: the next is being looked for
    uint64_t serial;                          // of the transfer, in all its messages
    uint64_t deadline_ms;                     // mono
    uint32_t acknowledged[OFFER_ENTRIES_MAX]; // bit per peer
    size_t peer_count;
    struct transfer_peer peers[TRANSFER_PEERS_MAX];
};

// ---- ids of messages: a bit that tells them from those of operations | transfer | entry ----

#define TRANSFER_BIT (UINT64_C(1) << 63)

bool transfer_owns(uint64_t id) {
    return (id & TRANSFER_BIT) != 0;
}

static uint64_t id_of(const struct handover *handover, size_t entry) {
    return TRANSFER_BIT | handover->serial << 8 | entry;
}

static struct handover *find_transfer(const struct mailbox *mailbox, uint64_t id) {
    for (size_t i = 0; i < HANDOVERS_MAX; i++) {
        struct handover *handover = mailbox->repair->handovers[i];
        if (handover != NULL && handover->slice != NULL && id_of(handover, 0) == (id & ~UINT64_C(0xff)))
            return handover;
    }
    return NULL;
}

static struct transfer_peer *find_peer(struct handover *handover, const struct relay_id *id) {
    for (size_t i = 0; i < handover->peer_count; i++) {
        if (relay_id_equal(&handover->peers[i].id, id))
            return &handover->peers[i];
    }
    return NULL;
}

// ---- life of a handover ----

void handover_free(struct handover *handover) {
    if (handover == NULL)
        return;
    if (handover->slice != NULL)
        handover->slice->base.job.free(&handover->slice->base.job);
    free(handover);
}

static void end(struct mailbox *mailbox, struct handover *handover) {
    for (size_t i = 0; i < HANDOVERS_MAX; i++) {
        if (mailbox->repair->handovers[i] == handover)
            mailbox->repair->handovers[i] = NULL;
    }
    handover_free(handover);
}

static struct handover **free_slot(struct repair *repair) {
    for (size_t i = 0; i < HANDOVERS_MAX; i++) {
        if (repair->handovers[i] == NULL)
            return &repair->handovers[i];
    }
    return NULL;
}

static bool is_under_way(const struct repair *repair, enum scan_purpose purpose, const struct relay_id *peer) {
    for (size_t i = 0; i < HANDOVERS_MAX; i++) {
        const struct handover *handover = repair->handovers[i];
        if (handover != NULL && handover->purpose == purpose && (peer == NULL || relay_id_equal(&handover->peer, peer)))
            return true;
    }
    return false;
}

static struct handover *begin(struct mailbox *mailbox, enum scan_purpose purpose) {
    struct handover **slot = free_slot(mailbox->repair);
    ASSERT(slot != NULL);
    struct handover *handover = *slot = NEW(struct handover);
    handover->number = ++mailbox->repair->next_serial;
    handover->purpose = purpose;
    return handover;
}

static struct scan_job *first_scan(struct mailbox *mailbox, struct step *step, const struct handover *handover) {
    struct scan_job *job = scan_new(handover->purpose, view_new(mailbox, step));
    job->handover = handover->number;
    return job;
}

static void begin_tidy(struct mailbox *mailbox, struct step *step) {
    struct scan_job *job = first_scan(mailbox, step, begin(mailbox, SCAN_TIDY));
    step_start(step, &job->base.job);
}

static void begin_sync(struct mailbox *mailbox, struct step *step, struct peer *peer) {
    struct handover *handover = begin(mailbox, SCAN_SYNC);
    handover->peer = peer->id;
    struct scan_job *job = first_scan(mailbox, step, handover);
    memcpy(job->buckets, peer->buckets, sizeof job->buckets);
    job->peer = 0;
    while (job->peer < job->view->directory.relay_count &&
           !relay_id_equal(&job->view->directory.relays[job->peer].id, &peer->id))
        job->peer++;
    memset(peer->buckets, 0, sizeof peer->buckets);
    peer->offer_due = false;
    step_start(step, &job->base.job);
}

void handover_begin_due(struct mailbox *mailbox, struct step *step) {
    struct repair *repair = mailbox->repair;
    if (mailbox->current == NULL)
        return;
    if (repair->tidy_due && free_slot(repair) != NULL && !is_under_way(repair, SCAN_TIDY, NULL)) {
        repair->tidy_due = false;
        if (mailbox->totals.entries > 0)
            begin_tidy(mailbox, step);
    }
    for (size_t i = 0; i < repair->peer_count && free_slot(repair) != NULL; i++) {
        struct peer *peer = &repair->peers[i];
        if (peer->offer_due && !is_under_way(repair, SCAN_SYNC, &peer->id))
            begin_sync(mailbox, step, peer);
    }
}

// ---- a slice is found: offering it ----

static void send_offer(struct mailbox *mailbox, struct step *step, const struct handover *handover,
                       const struct transfer_peer *peer) {
    struct replica_message message = {.kind = REPLICA_OFFER, .id = id_of(handover, 0), .count = peer->offered_count};
    for (size_t i = 0; i < peer->offered_count; i++)
        message.entries[i] = handover->slice->entries[peer->offered[i]].offer;
    mailbox_send(mailbox, step, &peer->id, &message);
}

static void offer_slice(struct mailbox *mailbox, struct step *step, struct handover *handover) {
    const struct scan_job *slice = handover->slice;
    handover->serial = ++mailbox->repair->next_serial;
    handover->deadline_ms = step->now.mono_ms + STALLED_MS;
    handover->peer_count = slice->target_count;
    memset(handover->acknowledged, 0, sizeof handover->acknowledged);
    for (size_t i = 0; i < slice->target_count; i++) {
        struct transfer_peer *peer = &handover->peers[i];
        *peer = (struct transfer_peer){.id = slice->view->directory.relays[slice->targets[i]].id};
        for (size_t entry = 0; entry < slice->entry_count; entry++) {
            if ((slice->entries[entry].targets >> i & 1) != 0)
                peer->offered[peer->offered_count++] = (uint8_t)entry;
        }
        if (peer->offered_count > 0)
            send_offer(mailbox, step, handover, peer);
        else
            peer->answered = true;
    }
}

static void next_slice(struct mailbox *mailbox, struct step *step, struct handover *handover) {
    struct scan_job *slice = handover->slice;
    handover->slice = NULL;
    handover->deadline_ms = TIME_NEVER;
    if (slice->finished)
        end(mailbox, handover);
    else
        step_start(step, scan_again(slice));
    slice->base.job.free(&slice->base.job);
    handover_begin_due(mailbox, step);
}

void handover_scanned(struct mailbox *mailbox, struct step *step, struct scan_job *job) {
    struct handover *handover = NULL;
    for (size_t i = 0; i < HANDOVERS_MAX; i++) {
        if (mailbox->repair->handovers[i] != NULL && mailbox->repair->handovers[i]->number == job->handover)
            handover = mailbox->repair->handovers[i];
    }
    ASSERT(handover != NULL && handover->slice == NULL);
    handover->slice = job;
    if (job->entry_count > 0)
        offer_slice(mailbox, step, handover);
    else
        next_slice(mailbox, step, handover);
}

// ---- answers: sending what is wanted ----

// False: there is no such entry any more.
static bool send_entry(struct mailbox *mailbox, struct step *step, const struct relay_id *to, uint64_t id,
                       const struct offer_entry *offer) {
    struct entry entry;
    if (entry_get(mailbox, step, &entry, &offer->mailbox, &offer->item) != OK)
        return false;
    metric_add(step->env->metrics, METRIC_MAILBOX_REPAIR_SENT, 1);
    if (entry.kind != ENTRY_ITEM) { // a tombstone by now, perhaps: as welcome
        owner_send_entry(mailbox, step, to, id, &offer->mailbox, &entry);
        return true;
    }
    struct body body;
    if (body_get(mailbox, step, &body, &offer->mailbox, entry.number) != OK)
        return false;
    mailbox_send(mailbox, step, to,
                 &(struct replica_message){.kind = REPLICA_ITEM,
                                           .id = id,
                                           .mailbox = offer->mailbox,
                                           .expiry_ms = entry.expiry_ms,
                                           .token_hash = entry.token,
                                           .stamp = entry.stamp,
                                           .item = body.item});
    return true;
}

static void send_wanted(struct mailbox *mailbox, struct step *step, struct handover *handover,
                        struct transfer_peer *peer) {
    for (; peer->next < handover->slice->entry_count && peer->outstanding < WINDOW; peer->next++) {
        size_t entry = peer->next;
        if (!peer->wanted[entry])
            continue;
        peer->wanted[entry] = false;
        if (!send_entry(mailbox, step, &peer->id, id_of(handover, entry), &handover->slice->entries[entry].offer))
            continue;
        peer->sent[entry] = true;
        peer->outstanding++;
    }
}

static bool is_through(const struct handover *handover) {
    for (size_t i = 0; i < handover->peer_count; i++) {
        const struct transfer_peer *peer = &handover->peers[i];
        if (!peer->answered || peer->outstanding > 0 ||
            (peer->offered_count > 0 && peer->next < handover->slice->entry_count))
            return false;
    }
    return true;
}

static unsigned count_bits(uint32_t bits) {
    unsigned count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

static void settle_one(struct mailbox *mailbox, struct step *step, const struct scan_job *slice,
                       const struct scanned *scanned) {
    struct entry entry;
    const struct offer_entry *offer = &scanned->offer;
    // What has changed since it was offered is dealt with in the next round.
    if (entry_get(mailbox, step, &entry, &offer->mailbox, &offer->item) != OK || entry.kind != offer->kind ||
        entry_offer_number(&entry) != offer->number)
        return;
    if (scanned->stays) {
        tombstone_put_mark(mailbox, step, &offer->mailbox, &offer->item, &entry,
                           tombstone_mark(&slice->view->directory));
        return;
    }
    entry_forget(mailbox, step, &offer->mailbox, &offer->item, &entry);
    metric_add(step->env->metrics, METRIC_MAILBOX_HANDED_OVER, entry.kind == ENTRY_ITEM ? 1 : 0);
}

static void settle(struct mailbox *mailbox, struct step *step, const struct handover *handover) {
    const struct scan_job *slice = handover->slice;
    const struct directory *directory = placement_cache_directory(mailbox->current);
    // The homes that have acknowledged are those of the membership that the slice is of.
    bool same = directory != NULL && directory->changed_epoch == slice->view->directory.changed_epoch;
    for (size_t i = 0; same && i < slice->entry_count; i++) {
        if (slice->entries[i].need > 0 && count_bits(handover->acknowledged[i]) >= slice->entries[i].need)
            settle_one(mailbox, step, slice, &slice->entries[i]);
    }
}

static void go_on(struct mailbox *mailbox, struct step *step, struct handover *handover) {
    handover->deadline_ms = step->now.mono_ms + STALLED_MS;
    if (!is_through(handover))
        return;
    settle(mailbox, step, handover);
    next_slice(mailbox, step, handover);
}

void transfer_answer(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                     const struct replica_message *message) {
    struct handover *handover = find_transfer(mailbox, message->id);
    struct transfer_peer *peer = handover != NULL ? find_peer(handover, from) : NULL;
    if (peer == NULL || peer->answered || message->count != peer->offered_count)
        return; // late
    peer->answered = true;
    size_t index = (size_t)(peer - handover->peers);
    for (size_t i = 0; i < message->count; i++) {
        uint8_t entry = peer->offered[i];
        if (message->answers[i] == OFFER_HAVE)
            handover->acknowledged[entry] |= UINT32_C(1) << index;
        peer->wanted[entry] = message->answers[i] == OFFER_WANT;
    }
    send_wanted(mailbox, step, handover, peer);
    go_on(mailbox, step, handover);
}

void transfer_done(struct mailbox *mailbox, struct step *step, const struct relay_id *from, uint64_t id,
                   enum op_status status) {
    struct handover *handover = find_transfer(mailbox, id);
    struct transfer_peer *peer = handover != NULL ? find_peer(handover, from) : NULL;
    size_t entry = id & 0xff;
    if (peer == NULL || entry >= handover->slice->entry_count || !peer->sent[entry])
        return; // late
    peer->sent[entry] = false;
    peer->outstanding--;
    if (status == OP_OK)
        handover->acknowledged[entry] |= UINT32_C(1) << (peer - handover->peers);
    send_wanted(mailbox, step, handover, peer);
    go_on(mailbox, step, handover);
}

// A relay that is gone ends the handover; one that is here and has not answered costs only the slice.
static void stalled(struct mailbox *mailbox, struct step *step, struct handover *handover) {
    settle(mailbox, step, handover);
    for (size_t i = 0; i < handover->peer_count; i++) {
        if (!mailbox->ports.reachable(mailbox->ports.ctx, &handover->peers[i].id))
            handover->slice->finished = true;
    }
    next_slice(mailbox, step, handover);
}

void handover_tick(struct mailbox *mailbox, struct step *step) {
    for (size_t i = 0; i < HANDOVERS_MAX; i++) {
        struct handover *handover = mailbox->repair->handovers[i];
        if (handover != NULL && handover->slice != NULL && handover->deadline_ms <= step->now.mono_ms)
            stalled(mailbox, step, handover);
    }
}

uint64_t handover_next_ms(const struct mailbox *mailbox) {
    uint64_t next_ms = TIME_NEVER;
    for (size_t i = 0; i < HANDOVERS_MAX; i++) {
        const struct handover *handover = mailbox->repair->handovers[i];
        if (handover != NULL && handover->slice != NULL && handover->deadline_ms < next_ms)
            next_ms = handover->deadline_ms;
    }
    return next_ms;
}

// ---- the other side: what is sent to this relay ----

static enum op_status keep(struct mailbox *mailbox, struct step *step, const struct incoming *in) {
    struct standing standing;
    standing_of(&standing, mailbox, STANDING_CURRENT, &in->mailbox);
    if (standing.rank < 0)
        return OP_NOT_REPLICA;
    uint64_t wall_ms = mailbox_wall_ms(mailbox, step);
    if (in->expiry_ms <= wall_ms || in->expiry_ms > wall_ms + mailbox->config.genesis->item_lifetime_ms + HOUR_MS)
        return OP_EXPIRY;
    struct entry entry;
    if (entry_get(mailbox, step, &entry, &in->mailbox, &in->hash) == OK)
        return OP_OK; // held, or deleted: a tombstone wins
    if (!mailbox_has_space(mailbox))
        return OP_RELAY_FULL;
    if (token_hash_is_stranger(&in->token) &&
        !stamp_fits(in->stamp, mailbox_stamp_bits(mailbox), &mailbox->config.genesis->network, &in->mailbox, &in->hash))
        return OP_STAMP;
    struct mailbox_state state;
    state_get(mailbox, step, &state, &in->mailbox);
    enum op_status status = quota_check(mailbox, &state, &in->token, ORIGIN_REPLICA);
    if (status != OP_OK)
        return status;
    item_put(mailbox, step, in, &state);
    metric_add(step->env->metrics, METRIC_MAILBOX_REPAIR_RECEIVED, 1);
    return OP_OK;
}

void transfer_item(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                   const struct replica_message *message) {
    struct incoming in = {.mailbox = message->mailbox,
                          .expiry_ms = message->expiry_ms,
                          .token = message->token_hash,
                          .stamp = message->stamp,
                          .item = message->item};
    item_hash_of(&in.hash, &mailbox->config.genesis->network, &in.mailbox, in.expiry_ms, in.item);
    enum op_status status = keep(mailbox, step, &in);
    mailbox_send(mailbox, step, from,
                 &(struct replica_message){.kind = REPLICA_DONE, .id = message->id, .status = status});
}
