// Answering what other relays offer. Whether a mailbox belongs here takes a hash of every relay, 30 ms for the
// mailboxes of one offer among 1,000 relays: jobs find it out, one at a time and a few mailboxes each, so that neither
// the loop nor the peeling of packets waits for a relay that offers and offers.
//
//   OFFER -> queue -> job: which mailboxes are held here -> ... -> ANSWER
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "mailbox/repair.h"

// Offers that wait: no relay has more under way than handovers, and some may come at once.
#define OFFERS_MAX 64
// Hashes of one job: 4 ms.
#define HASHES_PER_JOB 16384

struct offer {
    struct offer *next;
    struct relay_id from;
    uint64_t id;
    size_t count;
    size_t looked_up;
    bool held[OFFER_ENTRIES_MAX];
    struct offer_entry entries[OFFER_ENTRIES_MAX];
};

struct offers {
    struct offer *first, *last; // the first is being looked up
    size_t count;
};

struct offers *offers_new(void) {
    return NEW(struct offers);
}

static void drop_first(struct offers *offers) {
    struct offer *offer = offers->first;
    offers->first = offer->next;
    if (offers->first == NULL)
        offers->last = NULL;
    offers->count--;
    free(offer);
}

void offers_free(struct offers *offers) {
    while (offers->first != NULL)
        drop_first(offers);
    free(offers);
}

// ---- the job ----

struct offer_job {
    struct mailbox_job base;
    struct directory *directory; // never changes; its references are counted by the loop
    struct relay_id self;
    unsigned replicas;
    size_t count;
    struct mailbox_id mailboxes[OFFER_ENTRIES_MAX];
    bool held[OFFER_ENTRIES_MAX];
};

static void offer_run(struct job *base, const struct kv_snapshot *snapshot) {
    struct offer_job *job = (struct offer_job *)base;
    (void)snapshot;
    for (size_t i = 0; i < job->count; i++) {
        if (i > 0 && mailbox_id_equal(&job->mailboxes[i], &job->mailboxes[i - 1])) {
            job->held[i] = job->held[i - 1];
            continue;
        }
        struct placement placement;
        placement_of(&placement, job->directory, &job->mailboxes[i], job->replicas);
        job->held[i] = placement_rank(&placement, job->directory, &job->self) >= 0;
    }
}

static void offer_free(struct job *base) {
    struct offer_job *job = (struct offer_job *)base;
    directory_unref(job->directory);
    free(job);
}

static void look_up(struct mailbox *mailbox, struct step *step, const struct offer *offer) {
    struct directory *directory = placement_cache_directory(mailbox->current);
    struct offer_job *job = NEW(struct offer_job);
    job->base.kind = MAILBOX_JOB_OFFER;
    job->base.job = (struct job){JOB_OWNER_MAILBOX, false, offer_run, offer_free};
    job->directory = directory_ref(directory);
    job->self = mailbox->config.self;
    job->replicas = mailbox->config.genesis->replicas;
    size_t most = HASHES_PER_JOB / (directory->relay_count > 0 ? directory->relay_count : 1);
    size_t left = offer->count - offer->looked_up;
    job->count = left < most ? left : most > 0 ? most : 1;
    for (size_t i = 0; i < job->count; i++)
        job->mailboxes[i] = offer->entries[offer->looked_up + i].mailbox;
    step_start(step, &job->base.job);
}

// ---- answering ----

static enum offer_answer answer_one(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                                    const struct offer_entry *offer) {
    if (offer->kind != ENTRY_POLICY && offer->number <= mailbox_wall_ms(mailbox, step))
        return OFFER_REFUSE; // expired
    struct entry entry;
    if (entry_get(mailbox, step, &entry, &offer->mailbox, &offer->item) != OK)
        return mailbox_has_space(mailbox) ? OFFER_WANT : OFFER_REFUSE;
    if (offer->kind == ENTRY_POLICY && entry.number < offer->number)
        return OFFER_WANT;
    if (offer->kind == ENTRY_TOMBSTONE && entry.kind == ENTRY_ITEM)
        return OFFER_WANT;
    // The one who offers has yet to hear of the deletion, or of the newer policy. Kinds are its word: what is held may
    // be of another.
    if ((offer->kind == ENTRY_ITEM && entry.kind == ENTRY_TOMBSTONE) ||
        (offer->kind == ENTRY_POLICY && entry.kind == ENTRY_POLICY && entry.number > offer->number))
        owner_send_entry(mailbox, step, from, 0, &offer->mailbox, &entry);
    return OFFER_HAVE;
}

static void answer(struct mailbox *mailbox, struct step *step, const struct offer *offer) {
    struct replica_message message = {.kind = REPLICA_ANSWER, .id = offer->id, .count = offer->count};
    for (size_t i = 0; i < offer->count; i++)
        message.answers[i] =
            (uint8_t)(offer->held[i] ? answer_one(mailbox, step, &offer->from, &offer->entries[i]) : OFFER_REFUSE);
    mailbox_send(mailbox, step, &offer->from, &message);
}

// Each offer's next mailboxes, or the answer and then the next offer.
static void go_on(struct mailbox *mailbox, struct step *step) {
    struct offers *offers = mailbox->offers;
    while (offers->first != NULL && (offers->first->looked_up == offers->first->count || mailbox->current == NULL)) {
        answer(mailbox, step, offers->first);
        drop_first(offers);
    }
    if (offers->first != NULL)
        look_up(mailbox, step, offers->first);
}

void offer_done(struct mailbox *mailbox, struct step *step, struct mailbox_job *base) {
    const struct offer_job *job = (const struct offer_job *)base;
    struct offer *offer = mailbox->offers->first;
    ASSERT(offer != NULL && job->count <= offer->count - offer->looked_up);
    memcpy(&offer->held[offer->looked_up], job->held, job->count * sizeof job->held[0]);
    offer->looked_up += job->count;
    go_on(mailbox, step);
}

static size_t offers_of(const struct offers *offers, const struct relay_id *from) {
    size_t count = 0;
    for (const struct offer *offer = offers->first; offer != NULL; offer = offer->next)
        count += relay_id_equal(&offer->from, from) ? 1 : 0;
    return count;
}

void offer_take(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                const struct replica_message *message) {
    struct offers *offers = mailbox->offers;
    if (mailbox->current == NULL)
        return;
    if (offers->count == OFFERS_MAX || offers_of(offers, from) == HANDOVERS_MAX) {
        mailbox_dropped(step, METRIC_MAILBOX_DROPPED_LIMIT); // it will be offered again
        return;
    }
    struct offer *offer = NEW(struct offer);
    offer->from = *from;
    offer->id = message->id;
    offer->count = message->count;
    memcpy(offer->entries, message->entries, message->count * sizeof offer->entries[0]);
    *(offers->last != NULL ? &offers->last->next : &offers->first) = offer;
    offers->last = offer;
    if (++offers->count == 1)
        go_on(mailbox, step);
}
