// Storing an item: the replica that a sender addressed executes the store, the others of the set keep it too, and each
// signs a receipt. The sender is answered with the first q of them.
//
//   STORE -> checks -> put -> REPLICATE to the rest of the set ... RECEIPT ... answer -> RECEIPTS to the set
//
// An item that was deleted is not stored again; its store is answered with receipts all the same, because the sender,
// who has missed the first answer, would go on for ever.
#include <string.h>

#include "base/assert.h"
#include "mailbox/repair.h"

enum taken { TAKEN_NEW, TAKEN_HELD, TAKEN_DELETED };

// The checks of a store, cheap ones first, and the put. Quotas and stamp ask nothing of an item that is already here.
static enum op_status take(struct mailbox *mailbox, struct step *step, enum taken *taken, const struct incoming *in,
                           const struct directory *directory) {
    const struct genesis *genesis = mailbox->config.genesis;
    uint64_t wall_ms = mailbox_wall_ms(mailbox, step);
    if (in->expiry_ms <= wall_ms || in->expiry_ms > wall_ms + genesis->item_lifetime_ms + CLOCK_SLACK_MS)
        return OP_EXPIRY;
    struct entry entry;
    if (entry_get(mailbox, step, &entry, &in->mailbox, &in->hash) == OK) {
        *taken = entry.kind == ENTRY_ITEM ? TAKEN_HELD : TAKEN_DELETED;
        return OP_OK;
    }
    if (!mailbox_has_space(mailbox))
        return OP_RELAY_FULL;
    if (token_hash_is_stranger(&in->token) &&
        !stamp_fits(in->stamp, directory->stamp_bits, &genesis->network, &in->mailbox, &in->hash))
        return OP_STAMP;
    struct mailbox_state state;
    state_get(mailbox, step, &state, &in->mailbox);
    enum op_status status = quota_check(mailbox, &state, &in->token, ORIGIN_USER);
    if (status != OP_OK)
        return status;
    item_put(mailbox, step, in, &state);
    *taken = TAKEN_NEW;
    return OP_OK;
}

static void count_result(struct step *step, enum op_status status, enum taken taken) {
    static const enum metric by_status[] = {
        [OP_WRONG_EPOCH] = METRIC_MAILBOX_STORE_EPOCH, [OP_NOT_REPLICA] = METRIC_MAILBOX_STORE_NOT_REPLICA,
        [OP_REFUSED] = METRIC_MAILBOX_STORE_REFUSED,   [OP_STAMP] = METRIC_MAILBOX_STORE_STAMP,
        [OP_MAILBOX_FULL] = METRIC_MAILBOX_STORE_FULL, [OP_RELAY_FULL] = METRIC_MAILBOX_STORE_RELAY_FULL,
        [OP_EXPIRY] = METRIC_MAILBOX_STORE_EXPIRY,     [OP_NO_QUORUM] = METRIC_MAILBOX_STORE_NO_QUORUM,
        [OP_LIMIT] = METRIC_MAILBOX_STORE_LIMIT,
    };
    static const enum metric by_taken[] = {[TAKEN_NEW] = METRIC_MAILBOX_STORED,
                                           [TAKEN_HELD] = METRIC_MAILBOX_STORE_HELD,
                                           [TAKEN_DELETED] = METRIC_MAILBOX_STORE_DELETED};
    metric_add(step->env->metrics, status == OP_OK ? by_taken[taken] : by_status[status], 1);
}

static void incoming_of(struct incoming *in, const struct mailbox *mailbox, const struct mailbox_id *id,
                        uint64_t expiry_ms, const struct write_token *token, uint64_t stamp, const uint8_t *item) {
    *in = (struct incoming){.mailbox = *id, .expiry_ms = expiry_ms, .item = item};
    if (token_is_stranger(token))
        in->stamp = stamp;
    else
        token_hash_of(&in->token, token);
    item_hash_of(&in->hash, &mailbox->config.genesis->network, id, expiry_ms, item);
}

// ---- the executing replica ----

static void answer(struct mailbox *mailbox, struct step *step, struct pending *pending, enum op_status status) {
    struct reply reply = {.kind = OP_STORE, .status = status, .set = pending->set};
    reply.receipt_count = pending->receipt_count;
    memcpy(reply.receipts, pending->receipts, sizeof reply.receipts);
    pending->answered = true;
    mailbox_answer(mailbox, step, pending->surb, &reply);
}

// Each replica of the set keeps the receipts of the others (with them a delivery is proved later).
static void finish(struct mailbox *mailbox, struct step *step, struct pending *pending) {
    delivery_receipts(mailbox, step, &pending->mailbox, &pending->item, &pending->set, pending->receipts,
                      pending->receipt_count);
    struct replica_message message = {.kind = REPLICA_RECEIPTS,
                                      .mailbox = pending->mailbox,
                                      .hash = pending->item,
                                      .set = pending->set,
                                      .receipt_count = pending->receipt_count};
    memcpy(message.receipts, pending->receipts, sizeof message.receipts);
    for (size_t i = 0; i < pending->receipt_count; i++) {
        const struct relay_id *relay = &pending->set.relays[pending->receipts[i].index];
        if (!relay_id_equal(relay, &mailbox->config.self))
            mailbox_send(mailbox, step, relay, &message);
    }
    pending_free(mailbox, pending);
}

static void sign(const struct mailbox *mailbox, struct receipt *out, const struct replica_set *set, size_t index,
                 uint8_t rank, const struct incoming *in) {
    *out = (struct receipt){.index = (uint8_t)index, .rank = rank};
    receipt_sign(out, mailbox->config.identity, &mailbox->config.genesis->network, set, in->item, &in->mailbox,
                 &in->hash, in->expiry_ms);
}

static size_t index_in(const struct replica_set *set, const struct relay_id *relay) {
    size_t i = 0;
    while (i < set->count && !relay_id_equal(&set->relays[i], relay))
        i++;
    return i;
}

static void send_replicate(struct mailbox *mailbox, struct step *step, const struct pending *pending,
                           const struct relay_id *to) {
    // A replica that has not heard of the deletion must not keep the item: the tombstone goes ahead.
    struct entry entry;
    if (pending->deleted && entry_get(mailbox, step, &entry, &pending->mailbox, &pending->item) == OK &&
        entry.kind == ENTRY_TOMBSTONE)
        owner_send_entry(mailbox, step, to, 0, &pending->mailbox, &entry);
    mailbox_send(mailbox, step, to,
                 &(struct replica_message){.kind = REPLICA_REPLICATE,
                                           .id = pending->id,
                                           .set = pending->set,
                                           .mailbox = pending->mailbox,
                                           .expiry_ms = pending->expiry_ms,
                                           .token = pending->token,
                                           .stamp = pending->stamp,
                                           .item = pending->body});
}

// Chooses a set, signs for this replica, asks the others. A set of fewer than q waits for the next attempt: links may
// come back.
static void attempt(struct mailbox *mailbox, struct step *step, struct pending *pending) {
    struct standing standing;
    if (!standing_for_epoch(&standing, mailbox, pending->epoch, &pending->mailbox))
        standing_of(&standing, mailbox, STANDING_CURRENT, &pending->mailbox);
    pending->receipt_count = 0;
    pending->failed = pending->taught = 0;
    pending->set.count = 0;
    if (standing.rank < 0)
        return;
    uint8_t quorum = mailbox->config.genesis->quorum;
    standing_choose(&pending->set, pending->ranks, mailbox, &standing, pending->excluded);
    if (pending->set.count < quorum) {
        pending->excluded = 0; // better one that was slow than none
        standing_choose(&pending->set, pending->ranks, mailbox, &standing, 0);
    }
    size_t own = index_in(&pending->set, &mailbox->config.self);
    const struct incoming in = {
        .mailbox = pending->mailbox, .hash = pending->item, .expiry_ms = pending->expiry_ms, .item = pending->body};
    sign(mailbox, &pending->receipts[pending->receipt_count++], &pending->set, own, pending->ranks[own], &in);
    if (pending->set.count < quorum)
        return;
    for (size_t i = 0; i < pending->set.count; i++) {
        if (i != own)
            send_replicate(mailbox, step, pending, &pending->set.relays[i]);
    }
}

static void give_up(struct mailbox *mailbox, struct step *step, struct pending *pending) {
    count_result(step, OP_NO_QUORUM, TAKEN_NEW);
    answer(mailbox, step, pending, OP_NO_QUORUM);
    pending_free(mailbox, pending);
}

static void try_again(struct mailbox *mailbox, struct step *step, struct pending *pending) {
    if (!pending_may_renew(pending)) {
        give_up(mailbox, step, pending);
        return;
    }
    pending_renew(mailbox, step, pending);
    attempt(mailbox, step, pending);
}

void store_timeout(struct mailbox *mailbox, struct step *step, struct pending *pending) {
    unsigned answered = pending->failed;
    for (size_t i = 0; i < pending->receipt_count; i++)
        answered |= 1U << pending->receipts[i].index;
    for (size_t i = 0; i < pending->set.count; i++) {
        if ((answered >> i & 1) != 0)
            continue;
        pending->excluded |= 1U << pending->ranks[i];
        repair_nudge(mailbox, step, &pending->set.relays[i]);
    }
    if (pending->answered) {
        finish(mailbox, step, pending);
        return;
    }
    try_again(mailbox, step, pending);
}

// A sender's second try, after the answer to its first was lost: the receipts are still here.
static bool answer_from_record(struct mailbox *mailbox, struct step *step, const struct op *op,
                               const struct incoming *in, const struct standing *standing) {
    struct receipts_record record;
    receipts_get(mailbox, step, &record, &in->mailbox, &in->hash);
    if (!record.has_set || record.set.epoch != op->epoch)
        return false;
    struct reply reply = {.kind = OP_STORE, .status = OP_OK, .set = record.set, .receipt_count = record.receipt_count};
    memcpy(reply.receipts, record.receipts, sizeof reply.receipts);
    // Those that another replica sent for keeping have not been looked at yet: they must hold as the sender will see
    // it.
    if (receipts_valid(&reply, standing->directory, mailbox->config.genesis, &in->mailbox, in->item, in->expiry_ms) <
        mailbox->config.genesis->quorum)
        return false;
    mailbox_answer(mailbox, step, op->surbs[0], &reply);
    return true;
}

// The directory whose ranks count for this store: the one that the sender holds, as long as it names the same replicas.
// After a change, stores go to the new set.
static enum op_status choose_directory(struct standing *out, struct mailbox *mailbox, const struct op *op) {
    if (!standing_for_epoch(out, mailbox, op->epoch, &op->mailbox))
        return OP_WRONG_EPOCH;
    struct standing current;
    standing_of(&current, mailbox, STANDING_CURRENT, &op->mailbox);
    if (!standing_same(out, &current))
        return OP_WRONG_EPOCH;
    return out->rank < 0 ? OP_NOT_REPLICA : OP_OK;
}

static void begin(struct mailbox *mailbox, struct step *step, struct pending *pending, const struct op *op,
                  const struct incoming *in, bool deleted) {
    pending->kind = PENDING_STORE;
    pending->op = OP_STORE;
    pending->mailbox = op->mailbox;
    memcpy(pending->surb, op->surbs[0], sizeof pending->surb);
    pending->deleted = deleted;
    pending->epoch = op->epoch;
    pending->item = in->hash;
    pending->expiry_ms = in->expiry_ms;
    pending->token = op->token;
    pending->stamp = op->stamp;
    memcpy(pending->body, in->item, ITEM_BYTES);
    attempt(mailbox, step, pending);
}

void store_execute(struct mailbox *mailbox, struct step *step, const struct op *op) {
    struct standing standing;
    struct incoming in;
    enum taken taken = TAKEN_NEW;
    enum op_status status = choose_directory(&standing, mailbox, op);
    if (status == OP_OK && mailbox->pendings.count >= mailbox->config.pending_max)
        status = OP_LIMIT;
    if (status == OP_OK) {
        incoming_of(&in, mailbox, &op->mailbox, op->expiry_ms, &op->token, op->stamp, op->item);
        status = take(mailbox, step, &taken, &in, standing.directory);
    }
    count_result(step, status, taken);
    if (status != OP_OK) {
        mailbox_answer_status(mailbox, step, op, status);
        return;
    }
    if (taken != TAKEN_NEW && answer_from_record(mailbox, step, op, &in, &standing))
        return;
    begin(mailbox, step, pending_new(mailbox, step), op, &in, taken == TAKEN_DELETED);
}

// ---- the other replicas ----

static void send_receipt(struct mailbox *mailbox, struct step *step, const struct relay_id *to, uint64_t id,
                         enum op_status status, const struct receipt *receipt) {
    struct replica_message message = {
        .kind = REPLICA_RECEIPT, .id = id, .status = status, .epoch = mailbox_epoch(mailbox)};
    if (receipt != NULL)
        message.receipts[0] = *receipt;
    mailbox_send(mailbox, step, to, &message);
}

// Whether this set is one that an honest executing replica would choose, itself and this replica in it.
static bool set_holds(uint8_t ranks[static REPLICAS_MAX], const struct mailbox *mailbox,
                      const struct standing *standing, const struct replica_set *set, const struct relay_id *from) {
    return standing_set_ranks(ranks, mailbox, standing, set) && index_in(set, from) < set->count &&
           index_in(set, &mailbox->config.self) < set->count;
}

void store_replicate(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                     const struct replica_message *message) {
    struct standing standing;
    uint8_t ranks[REPLICAS_MAX];
    if (!standing_for_epoch(&standing, mailbox, message->set.epoch, &message->mailbox)) {
        send_receipt(mailbox, step, from, message->id, OP_WRONG_EPOCH, NULL);
        return;
    }
    if (!set_holds(ranks, mailbox, &standing, &message->set, from)) {
        send_receipt(mailbox, step, from, message->id, OP_NOT_REPLICA, NULL);
        return;
    }
    struct incoming in;
    enum taken taken = TAKEN_NEW;
    incoming_of(&in, mailbox, &message->mailbox, message->expiry_ms, &message->token, message->stamp, message->item);
    enum op_status status = take(mailbox, step, &taken, &in, standing.directory);
    count_result(step, status, taken);
    if (status != OP_OK) {
        send_receipt(mailbox, step, from, message->id, status, NULL);
        return;
    }
    struct entry entry;
    if (taken == TAKEN_DELETED && entry_get(mailbox, step, &entry, &in.mailbox, &in.hash) == OK)
        owner_send_entry(mailbox, step, from, 0, &in.mailbox,
                         &entry); // ahead of the receipt: it may not have heard yet
    size_t own = index_in(&message->set, &mailbox->config.self);
    struct receipt receipt;
    sign(mailbox, &receipt, &message->set, own, ranks[own], &in);
    send_receipt(mailbox, step, from, message->id, OP_OK, &receipt);
}

void store_receipts(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                    const struct replica_message *message) {
    // Looked at only when they are used: verifying them here would double the cost of a store.
    if (index_in(&message->set, &mailbox->config.self) < message->set.count &&
        index_in(&message->set, from) < message->set.count)
        delivery_receipts(mailbox, step, &message->mailbox, &message->hash, &message->set, message->receipts,
                          message->receipt_count);
}

// ---- back at the executing replica ----

// A contact's first item may reach a stand-in before the owner's policy has: it is shown the policy and asked again.
static bool teach_policy(struct mailbox *mailbox, struct step *step, struct pending *pending, size_t index) {
    struct entry policy;
    if ((pending->taught >> index & 1) != 0 || entry_get(mailbox, step, &policy, &pending->mailbox, &policy_hash) != OK)
        return false;
    pending->taught |= 1U << index;
    owner_send_entry(mailbox, step, &pending->set.relays[index], 0, &pending->mailbox, &policy);
    send_replicate(mailbox, step, pending, &pending->set.relays[index]);
    return true;
}

// The others are an epoch behind: the ranks of the directory before are as good while they are the same.
static bool step_back(struct mailbox *mailbox, const struct pending *pending, uint32_t their_epoch) {
    struct standing current;
    struct standing previous;
    standing_of(&current, mailbox, STANDING_CURRENT, &pending->mailbox);
    standing_of(&previous, mailbox, STANDING_PREVIOUS, &pending->mailbox);
    return pending->epoch != their_epoch && standing_same(&current, &previous) &&
           previous.directory->epoch == their_epoch;
}

static void refused(struct mailbox *mailbox, struct step *step, struct pending *pending, size_t index,
                    const struct replica_message *message) {
    if (message->status == OP_REFUSED && teach_policy(mailbox, step, pending, index))
        return;
    pending->failed |= 1U << index;
    if (message->status == OP_WRONG_EPOCH && step_back(mailbox, pending, message->epoch))
        pending->epoch = message->epoch;
    else
        pending->excluded |= 1U << pending->ranks[index];
    size_t left = 0;
    for (size_t i = 0; i < pending->set.count; i++)
        left += (pending->failed >> i & 1) == 0 ? 1 : 0;
    if (left < mailbox->config.genesis->quorum && !pending->answered)
        try_again(mailbox, step, pending);
}

void store_receipt(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                   const struct replica_message *message) {
    struct pending *pending = pending_find(mailbox, message->id);
    if (pending == NULL || pending->kind != PENDING_STORE)
        return; // late
    size_t index = index_in(&pending->set, from);
    if (index == pending->set.count || (pending->failed >> index & 1) != 0)
        return;
    if (message->status != OP_OK) {
        refused(mailbox, step, pending, index, message);
        return;
    }
    const struct receipt *receipt = &message->receipts[0];
    for (size_t i = 0; i < pending->receipt_count; i++) {
        if (pending->receipts[i].index == index)
            return;
    }
    if (receipt->index != index || receipt->rank != pending->ranks[index] ||
        receipt_verify(receipt, &mailbox->config.genesis->network, &pending->set, pending->body, &pending->mailbox,
                       &pending->item, pending->expiry_ms) != OK) {
        mailbox_dropped(step, METRIC_MAILBOX_DROPPED_RECEIPT);
        return;
    }
    pending->receipts[pending->receipt_count++] = *receipt;
    if (!pending->answered && pending->receipt_count >= mailbox->config.genesis->quorum)
        answer(mailbox, step, pending, OP_OK);
    if (pending->receipt_count == pending->set.count)
        finish(mailbox, step, pending);
}
