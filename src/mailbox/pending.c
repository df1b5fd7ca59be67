// Operations that wait for other replicas. Every attempt has the same length, so a list in order of beginning is a list
// in order of deadline.
#include <stdlib.h>

#include "base/assert.h"
#include "mailbox/mailbox_internal.h"

// Of config.receipt_timeout_ms: each attempt chooses again among the replicas that have not failed.
#define ATTEMPTS 3

static void unlink_pending(struct pendings *all, struct pending *pending) {
    *(pending->before != NULL ? &pending->before->after : &all->first) = pending->after;
    *(pending->after != NULL ? &pending->after->before : &all->last) = pending->before;
    pending->before = pending->after = NULL;
}

static void link_last(struct pendings *all, struct pending *pending) {
    pending->before = all->last;
    pending->after = NULL;
    *(all->last != NULL ? &all->last->after : &all->first) = pending;
    all->last = pending;
}

static void more_slots(struct pendings *all, size_t count_max) {
    size_t count = all->slot_count > 0 ? 2 * all->slot_count : 64;
    count = count < count_max ? count : count_max;
    struct pending **slots = NEW_ARRAY(struct pending *, count);
    uint32_t *free_slots = NEW_ARRAY(uint32_t, count);
    for (size_t i = 0; i < all->slot_count; i++)
        slots[i] = all->slots[i];
    ASSERT(all->free_count == 0);
    for (size_t i = count; i > all->slot_count; i--)
        free_slots[all->free_count++] = (uint32_t)(i - 1);
    free(all->slots);
    free(all->free_slots);
    all->slots = slots;
    all->free_slots = free_slots;
    all->slot_count = count;
}

static uint64_t attempt_ms(const struct mailbox *mailbox) {
    return mailbox->config.receipt_timeout_ms / ATTEMPTS;
}

// Ids with the highest bit set are of transfers.
static uint64_t new_id(struct pendings *all, uint32_t slot) {
    all->next_generation = (all->next_generation + 1) & 0x7fffffff;
    return (uint64_t)all->next_generation << 32 | slot;
}

struct pending *pending_new(struct mailbox *mailbox, const struct step *step) {
    struct pendings *all = &mailbox->pendings;
    if (all->count >= mailbox->config.pending_max)
        return NULL;
    if (all->free_count == 0)
        more_slots(all, mailbox->config.pending_max);
    uint32_t slot = all->free_slots[--all->free_count];
    struct pending *pending = NEW(struct pending);
    pending->id = new_id(all, slot);
    pending->deadline_ms = step->now.mono_ms + attempt_ms(mailbox);
    all->slots[slot] = pending;
    all->count++;
    link_last(all, pending);
    return pending;
}

struct pending *pending_find(const struct mailbox *mailbox, uint64_t id) {
    const struct pendings *all = &mailbox->pendings;
    uint32_t slot = (uint32_t)id;
    if (slot >= all->slot_count || all->slots[slot] == NULL || all->slots[slot]->id != id)
        return NULL;
    return all->slots[slot];
}

void pending_renew(struct mailbox *mailbox, const struct step *step, struct pending *pending) {
    pending->deadline_ms = step->now.mono_ms + attempt_ms(mailbox);
    pending->attempt++;
    pending->id = new_id(&mailbox->pendings, (uint32_t)pending->id); // answers to the last attempt are of another set
    unlink_pending(&mailbox->pendings, pending);
    link_last(&mailbox->pendings, pending);
}

bool pending_may_renew(const struct pending *pending) {
    return pending->attempt + 1 < ATTEMPTS;
}

void pending_free(struct mailbox *mailbox, struct pending *pending) {
    struct pendings *all = &mailbox->pendings;
    uint32_t slot = (uint32_t)pending->id;
    ASSERT(slot < all->slot_count && all->slots[slot] == pending);
    unlink_pending(all, pending);
    all->slots[slot] = NULL;
    all->free_slots[all->free_count++] = slot;
    all->count--;
    free(pending);
}

struct pending *pending_due(const struct mailbox *mailbox, uint64_t mono_ms) {
    struct pending *first = mailbox->pendings.first;
    return first != NULL && first->deadline_ms <= mono_ms ? first : NULL;
}

uint64_t pending_next_ms(const struct mailbox *mailbox) {
    return mailbox->pendings.first != NULL ? mailbox->pendings.first->deadline_ms : TIME_NEVER;
}

void pendings_free(struct mailbox *mailbox) {
    while (mailbox->pendings.first != NULL)
        pending_free(mailbox, mailbox->pendings.first);
    free(mailbox->pendings.slots);
    free(mailbox->pendings.free_slots);
}
