// When to repair, and comparing with the other homes of the mailboxes held here.
//
//   lower id            higher id
//   ROOT        ->                      equal: done
//               <-      DIGESTS         of every bucket
//   DIFFER      ->                      the buckets that differ; both begin to offer what they have in them
#include "mailbox/repair.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"

// Events come in flocks (links of a relay that returns, a new membership): repair waits for the last of them.
#define SOON_MS SECOND_MS
// A census that is younger serves for a comparison: however often others ask, it is taken no more often.
#define FRESH_MS (5 * SECOND_MS)
#define AWAY_CHECK_MS (31 * SECOND_MS)

struct repair *repair_new(void) {
    struct repair *repair = NEW(struct repair);
    repair->at_ms = repair->away_ms = TIME_NEVER;
    return repair;
}

static void peer_free(struct peer *peer) {
    free(peer->digests);
    free(peer->theirs);
    *peer = (struct peer){0};
}

void repair_free(struct repair *repair) {
    for (size_t i = 0; i < repair->peer_count; i++)
        peer_free(&repair->peers[i]);
    for (size_t i = 0; i < HANDOVERS_MAX; i++)
        handover_free(repair->handovers[i]);
    free(repair->peers);
    free(repair);
}

struct peer *repair_peer(struct repair *repair, const struct relay_id *id) {
    size_t low = 0;
    size_t high = repair->peer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = relay_id_compare(&repair->peers[middle].id, id);
        if (order == 0)
            return &repair->peers[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void due_at(struct repair *repair, uint64_t mono_ms) {
    repair->at_ms = mono_ms < repair->at_ms ? mono_ms : repair->at_ms;
}

static bool is_reachable(const struct mailbox *mailbox, const struct peer *peer) {
    return mailbox->ports.reachable(mailbox->ports.ctx, &peer->id);
}

// ---- events ----

// The peers of a directory, with what is known of those that were there before.
static void replace_peers(struct mailbox *mailbox, struct step *step, const struct directory *directory) {
    struct repair *repair = mailbox->repair;
    struct peer *peers = NEW_ARRAY(struct peer, directory->relay_count);
    size_t count = 0;
    for (size_t i = 0; i < directory->relay_count; i++) {
        const struct relay_id *id = &directory->relays[i].id;
        if (relay_id_equal(id, &mailbox->config.self))
            continue;
        struct peer *old = repair_peer(repair, id);
        struct peer *peer = &peers[count++];
        peer->id = *id;
        if (old != NULL) {
            *peer = *old;
            old->digests = old->theirs = NULL;
        } else {
            peer->down_since_ms = is_reachable(mailbox, peer) ? TIME_NEVER : step->now.mono_ms;
        }
    }
    for (size_t i = 0; i < repair->peer_count; i++)
        peer_free(&repair->peers[i]);
    free(repair->peers);
    repair->peers = peers;
    repair->peer_count = count;
}

void repair_directory(struct mailbox *mailbox, struct step *step, const struct directory *old) {
    struct repair *repair = mailbox->repair;
    const struct directory *directory = placement_cache_directory(mailbox->current);
    replace_peers(mailbox, step, directory);
    if (old != NULL && old->changed_epoch == directory->changed_epoch) {
        // Two epochs after a change the relays that held mailboxes before it may forget them.
        if (directory->epoch >= directory->changed_epoch + 2 && old->epoch < directory->changed_epoch + 2) {
            repair->tidy_due = true;
            due_at(repair, step->now.mono_ms + SOON_MS);
        }
        return;
    }
    for (size_t i = 0; i < repair->peer_count; i++)
        repair->peers[i].sync_due = true;
    repair->tidy_due = true;
    repair->census_ms = 0;
    repair->away_ms = step->now.mono_ms + AWAY_CHECK_MS;
    due_at(repair, step->now.mono_ms + SOON_MS + rng_below(&step->env->rng, SOON_MS));
    if (repair->round_ms == 0)
        repair->round_ms = step->now.mono_ms + mailbox->config.repair_interval_ms;
}

// One of two homes begins, so that they do not compare twice.
static bool begins(const struct mailbox *mailbox, const struct peer *peer) {
    return relay_id_compare(&mailbox->config.self, &peer->id) < 0;
}

void repair_up(struct mailbox *mailbox, struct step *step, const struct relay_id *id) {
    struct peer *peer = repair_peer(mailbox->repair, id);
    if (peer == NULL)
        return;
    peer->down_since_ms = TIME_NEVER;
    peer->sync_due = peer->sync_due || begins(mailbox, peer);
    mailbox->repair->tidy_due = true;
    due_at(mailbox->repair, step->now.mono_ms + SOON_MS);
}

void repair_down(struct mailbox *mailbox, struct step *step, const struct relay_id *id) {
    struct peer *peer = repair_peer(mailbox->repair, id);
    if (peer == NULL || peer->down_since_ms != TIME_NEVER)
        return;
    peer->down_since_ms = step->now.mono_ms;
    mailbox->repair->away_ms = step->now.mono_ms + AWAY_CHECK_MS;
}

void repair_nudge(struct mailbox *mailbox, struct step *step, const struct relay_id *id) {
    struct peer *peer = repair_peer(mailbox->repair, id);
    if (peer == NULL)
        return;
    peer->sync_due = true;
    due_at(mailbox->repair, step->now.mono_ms + SOON_MS);
}

// ---- comparing ----

static const struct digests nothing_shared;

static const struct digests *own_digests(const struct peer *peer) {
    return peer->digests != NULL ? peer->digests : &nothing_shared;
}

void digests_root(uint8_t root[static REPAIR_DIGEST_BYTES], const struct digests *digests) {
    struct hash hash;
    hash_bytes(&hash, "sotto repair root 2", span_of(digests, sizeof *digests));
    memcpy(root, hash.bytes, REPAIR_DIGEST_BYTES);
}

static void send_root(struct mailbox *mailbox, struct step *step, const struct peer *peer) {
    uint8_t root[REPAIR_DIGEST_BYTES];
    digests_root(root, own_digests(peer));
    mailbox_send(
        mailbox, step, &peer->id,
        &(struct replica_message){.kind = REPLICA_ROOT, .epoch = mailbox->repair->membership, .digests = root});
}

static void compare_root(struct mailbox *mailbox, struct step *step, struct peer *peer) {
    uint8_t root[REPAIR_DIGEST_BYTES];
    digests_root(root, own_digests(peer));
    peer->has_root = false;
    if (memcmp(root, peer->root, sizeof root) == 0)
        return;
    mailbox_send(mailbox, step, &peer->id,
                 &(struct replica_message){.kind = REPLICA_DIGESTS,
                                           .epoch = mailbox->repair->membership,
                                           .digests = &own_digests(peer)->buckets[0][0]});
}

static void compare_digests(struct mailbox *mailbox, struct step *step, struct peer *peer) {
    uint8_t buckets[REPAIR_BUCKETS / 8] = {0};
    unsigned different = 0;
    for (unsigned i = 0; i < REPAIR_BUCKETS; i++) {
        if (memcmp(own_digests(peer)->buckets[i], peer->theirs->buckets[i], REPAIR_DIGEST_BYTES) == 0)
            continue;
        buckets[i / 8] |= (uint8_t)(0x80 >> i % 8);
        different++;
    }
    free(peer->theirs);
    peer->theirs = NULL;
    if (different == 0)
        return;
    metric_add(step->env->metrics, METRIC_MAILBOX_REPAIR_DIFFERENT, different);
    mailbox_send(
        mailbox, step, &peer->id,
        &(struct replica_message){.kind = REPLICA_DIFFER, .epoch = mailbox->repair->membership, .buckets = buckets});
    for (size_t i = 0; i < sizeof buckets; i++)
        peer->buckets[i] |= buckets[i];
    peer->offer_due = true;
}

static void go_on(struct mailbox *mailbox, struct step *step) {
    struct repair *repair = mailbox->repair;
    for (size_t i = 0; i < repair->peer_count; i++) {
        struct peer *peer = &repair->peers[i];
        if (peer->sync_due && is_reachable(mailbox, peer)) {
            peer->sync_due = false;
            send_root(mailbox, step, peer);
        }
        if (peer->has_root)
            compare_root(mailbox, step, peer);
        if (peer->theirs != NULL)
            compare_digests(mailbox, step, peer);
    }
    handover_begin_due(mailbox, step);
}

// ---- census ----

static void census_taken(struct mailbox *mailbox, struct step *step) {
    struct repair *repair = mailbox->repair;
    repair->membership = placement_cache_directory(mailbox->current)->changed_epoch;
    repair->census_ms = step->now.mono_ms;
    metric_add(step->env->metrics, METRIC_MAILBOX_REPAIR_ROUNDS, 1);
    go_on(mailbox, step);
}

static void forget_digests(struct repair *repair) {
    for (size_t i = 0; i < repair->peer_count; i++) {
        free(repair->peers[i].digests);
        repair->peers[i].digests = NULL;
    }
}

static void take_census(struct mailbox *mailbox, struct step *step) {
    struct repair *repair = mailbox->repair;
    if (repair->census_running || mailbox->current == NULL)
        return;
    if (mailbox->totals.entries == 0) {
        forget_digests(repair);
        metric_set(step->env->metrics, METRIC_MAILBOX_OLDEST, 0);
        census_taken(mailbox, step);
        return;
    }
    repair->census_running = true;
    step_start(step, &scan_new(SCAN_CENSUS, view_new(mailbox, step))->base.job);
}

// Compares at once when the last census will do, else after the next.
static void compare_soon(struct mailbox *mailbox, struct step *step) {
    const struct repair *repair = mailbox->repair;
    if (repair->census_ms != 0 && step->now.mono_ms - repair->census_ms < FRESH_MS)
        go_on(mailbox, step);
    else
        take_census(mailbox, step);
}

static void show_oldest(struct mailbox *mailbox, struct step *step, uint64_t oldest_ms) {
    uint64_t wall_ms = mailbox_wall_ms(mailbox, step);
    uint64_t age_ms = oldest_ms < wall_ms ? wall_ms - oldest_ms : 0;
    metric_set(step->env->metrics, METRIC_MAILBOX_OLDEST, (int64_t)(age_ms / SECOND_MS));
}

static void census_done(struct mailbox *mailbox, struct step *step, struct scan_job *job) {
    struct repair *repair = mailbox->repair;
    repair->census_running = false;
    const struct directory *directory = placement_cache_directory(mailbox->current);
    if (directory == NULL)
        return;
    if (directory->changed_epoch != job->view->directory.changed_epoch) { // of another membership
        take_census(mailbox, step);
        return;
    }
    forget_digests(repair);
    for (size_t i = 0; i < job->view->directory.relay_count; i++) {
        struct peer *peer = repair_peer(repair, &job->view->directory.relays[i].id);
        if (peer == NULL)
            continue;
        peer->digests = job->digests[i];
        job->digests[i] = NULL;
    }
    show_oldest(mailbox, step, job->oldest_ms);
    census_taken(mailbox, step);
}

void repair_scan_done(struct mailbox *mailbox, struct step *step, struct mailbox_job *base) {
    struct scan_job *job = (struct scan_job *)base;
    if (job->purpose != SCAN_CENSUS) {
        handover_scanned(mailbox, step, job);
        return;
    }
    if (job->finished)
        census_done(mailbox, step, job);
    else
        step_start(step, scan_again(job));
    job->base.job.free(&job->base.job);
}

// ---- messages ----

// A peer to compare with, if its digests are of the same membership. Otherwise one of us has yet to hear of the change,
// and then begins itself.
static struct peer *comparable(struct mailbox *mailbox, const struct relay_id *from,
                               const struct replica_message *message) {
    const struct directory *directory = placement_cache_directory(mailbox->current);
    struct peer *peer = repair_peer(mailbox->repair, from);
    return directory != NULL && directory->changed_epoch == message->epoch ? peer : NULL;
}

void repair_root(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                 const struct replica_message *message) {
    struct peer *peer = comparable(mailbox, from, message);
    if (peer == NULL)
        return;
    memcpy(peer->root, message->digests, sizeof peer->root);
    peer->has_root = true;
    compare_soon(mailbox, step);
}

void repair_digests(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                    const struct replica_message *message) {
    struct peer *peer = comparable(mailbox, from, message);
    if (peer == NULL)
        return;
    if (peer->theirs == NULL)
        peer->theirs = NEW(struct digests);
    memcpy(peer->theirs, message->digests, sizeof *peer->theirs);
    compare_soon(mailbox, step);
}

void repair_differ(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                   const struct replica_message *message) {
    struct peer *peer = comparable(mailbox, from, message);
    if (peer == NULL)
        return;
    for (size_t i = 0; i < sizeof peer->buckets; i++)
        peer->buckets[i] |= message->buckets[i];
    peer->offer_due = true;
    handover_begin_due(mailbox, step);
}

// ---- time ----

static void begin_round(struct mailbox *mailbox, struct step *step) {
    struct repair *repair = mailbox->repair;
    uint64_t interval_ms = mailbox->config.repair_interval_ms;
    // Spread, so that relays that were started together do not repair together for ever.
    repair->round_ms =
        step->now.mono_ms + interval_ms - interval_ms / 8 + rng_below(&step->env->rng, interval_ms / 4 + 1);
    repair->tidy_due = true;
    for (size_t i = 0; i < repair->peer_count; i++)
        repair->peers[i].sync_due = repair->peers[i].sync_due || begins(mailbox, &repair->peers[i]);
}

void repair_tick(struct mailbox *mailbox, struct step *step) {
    struct repair *repair = mailbox->repair;
    handover_tick(mailbox, step);
    if (mailbox->current == NULL || repair_next_ms(mailbox) > step->now.mono_ms)
        return;
    if (repair->round_ms <= step->now.mono_ms)
        begin_round(mailbox, step);
    if (repair->away_ms <= step->now.mono_ms) {
        repair->away_ms = TIME_NEVER;
        repair->tidy_due = true;
    }
    repair->at_ms = TIME_NEVER;
    take_census(mailbox, step);
}

uint64_t repair_next_ms(const struct mailbox *mailbox) {
    const struct repair *repair = mailbox->repair;
    uint64_t next_ms = handover_next_ms(mailbox);
    if (mailbox->current == NULL)
        return next_ms;
    next_ms = repair->at_ms < next_ms ? repair->at_ms : next_ms;
    next_ms = repair->round_ms < next_ms ? repair->round_ms : next_ms;
    return repair->away_ms < next_ms ? repair->away_ms : next_ms;
}
