// What only a mailbox's owner may ask: the checks that its requests share, DELETE and POLICY, and the same two as
// another replica passes them on, with the owner's signature as the evidence.
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "mailbox/mailbox_internal.h"

// ---- the checks ----

static bool time_fits(const struct step *step, const struct op *op) {
    uint64_t wall_ms = step->now.wall_ms;
    uint64_t off_ms = op->time_ms > wall_ms ? op->time_ms - wall_ms : wall_ms - op->time_ms;
    return off_ms <= CLOCK_SLACK_MS;
}

// A request is known by all that was signed. Remembered lazily: DELETE and POLICY change something, and what they write
// with it is synced, so their memory is as durable; after a power loss a FETCH or SUBSCRIBE might be executed again,
// whose answers go to reply blocks that were used, and that the first hop drops.
static void key_of_request(struct key *key, const struct op *op) {
    struct hash hash;
    hash_bytes(&hash, "sotto seen 1", op->signed_part);
    key_seen(key, op->time_ms, hash.bytes);
}

// Whoever wants a relay to keep something for a mailbox has done the work that a mailbox costs.
static bool stamp_is_missing(const struct mailbox *mailbox, const struct op *op) {
    return (op->kind == OP_DELETE || op->kind == OP_POLICY) &&
           !mailbox_stamp_fits(op->stamp, mailbox_stamp_bits(mailbox), &mailbox->config.genesis->network, &op->mailbox);
}

static enum op_status check(struct mailbox *mailbox, struct step *step, const struct op *op) {
    struct standing standing;
    if (!standing_for_epoch(&standing, mailbox, op->epoch, &op->mailbox))
        return OP_WRONG_EPOCH;
    // A relay that held the mailbox before a change of membership answers for it until it has handed everything over.
    if (!standing_is_replica(mailbox, &op->mailbox) && !state_exists(step, &op->mailbox))
        return OP_NOT_REPLICA;
    if (!time_fits(step, op))
        return OP_BAD_TIME;
    struct key seen;
    key_of_request(&seen, op);
    if (step_has(step, key_span(&seen)))
        return OP_SEEN;
    if (stamp_is_missing(mailbox, op))
        return OP_STAMP;
    if (op_verify(op, &mailbox->config.genesis->network, &mailbox->config.self) != OK)
        return OP_REFUSED;
    step_put(step, key_span(&seen), (struct span){NULL, 0}, KV_LAZY);
    return OP_OK;
}

// ---- DELETE and POLICY ----

static enum op_status apply(struct mailbox *mailbox, struct step *step, const struct op *op, const struct proof *proof,
                            enum origin origin) {
    return op->kind == OP_POLICY ? policy_put(mailbox, step, op, proof)
                                 : items_delete(mailbox, step, op, proof, origin);
}

static void ask(struct mailbox *mailbox, struct pending *pending, const struct relay_id *relay) {
    if (relay_id_equal(relay, &mailbox->config.self) || !mailbox->ports.reachable(mailbox->ports.ctx, relay))
        return;
    for (size_t i = 0; i < pending->asked_count; i++) {
        if (relay_id_equal(&pending->asked[i], relay))
            return;
    }
    pending->asked[pending->asked_count++] = *relay;
}

// Everyone who may hold the mailbox, stand-ins and the replicas before a change among them.
static void ask_all(struct mailbox *mailbox, struct pending *pending, const struct mailbox_id *id) {
    const enum standing_in all[] = {STANDING_CURRENT, STANDING_PREVIOUS};
    for (size_t i = 0; i < 2; i++) {
        struct standing standing;
        standing_of(&standing, mailbox, all[i], id);
        for (size_t rank = 0; rank < standing.placement.count; rank++)
            ask(mailbox, pending, standing_relay(&standing, rank));
    }
}

static void send_proof(struct mailbox *mailbox, struct step *step, const struct relay_id *to, uint64_t id,
                       const struct proof *proof) {
    mailbox_send(mailbox, step, to,
                 &(struct replica_message){
                     .kind = REPLICA_OWNED, .id = id, .replica = proof->replica, .operation = proof->operation});
}

void owner_send_entry(struct mailbox *mailbox, struct step *step, const struct relay_id *to, uint64_t id,
                      const struct mailbox_id *owner, const struct entry *entry) {
    struct proof proof;
    if (proof_get(mailbox, step, &proof, owner, entry) == OK)
        send_proof(mailbox, step, to, id, &proof);
}

static void answer(struct mailbox *mailbox, struct step *step, struct pending *pending) {
    struct reply reply = {.kind = pending->op, .status = OP_OK};
    mailbox_answer(mailbox, step, pending->surb, &reply);
    pending_free(mailbox, pending);
}

// Tells the other replicas, and the owner when all that can be reached have it on disk: so a client that asks one of
// them next finds the deletion done. Who cannot be reached learns it by repair.
static void spread(struct mailbox *mailbox, struct step *step, const struct op *op, const struct proof *proof) {
    struct pending unanswered = {0};
    struct pending *pending = pending_new(mailbox, step);
    if (pending == NULL) {
        mailbox_answer_status(mailbox, step, op, OP_OK);
        pending = &unanswered;
    }
    pending->kind = PENDING_OWNED;
    pending->op = op->kind;
    memcpy(pending->surb, op->surbs[0], sizeof pending->surb);
    ask_all(mailbox, pending, &op->mailbox);
    for (size_t i = 0; i < pending->asked_count; i++)
        send_proof(mailbox, step, &pending->asked[i], pending->id, proof);
    if (pending != &unanswered && pending->asked_count == 0)
        answer(mailbox, step, pending);
}

static void change(struct mailbox *mailbox, struct step *step, const struct op *op) {
    // The operation as it came: the signature follows what it covers.
    const struct proof proof = {.replica = mailbox->config.self,
                                .operation = span_of(op->signed_part.p, op->signed_part.n + sizeof op->signature)};
    enum op_status status = apply(mailbox, step, op, &proof, ORIGIN_USER);
    if (status == OP_OK)
        spread(mailbox, step, op, &proof);
    else
        mailbox_answer_status(mailbox, step, op, status);
}

void owner_execute(struct mailbox *mailbox, struct step *step, const struct op *op) {
    enum op_status status = check(mailbox, step, op);
    if (status != OP_OK) {
        metric_add(step->env->metrics, METRIC_MAILBOX_REQUESTS_REFUSED, 1);
        mailbox_answer_status(mailbox, step, op, status);
        return;
    }
    metric_add(step->env->metrics, METRIC_MAILBOX_REQUESTS, 1);
    switch (op->kind) {
    case OP_STORE:
        ASSERT(false);
        break;
    case OP_FETCH:
        fetch_execute(mailbox, step, op);
        break;
    case OP_SUBSCRIBE:
        subscribe_execute(mailbox, step, op);
        break;
    case OP_DELETE:
    case OP_POLICY:
        change(mailbox, step, op);
        break;
    }
}

void owner_done(struct mailbox *mailbox, struct step *step, const struct relay_id *from, uint64_t id) {
    struct pending *pending = pending_find(mailbox, id);
    if (pending == NULL || pending->kind != PENDING_OWNED)
        return; // late
    for (size_t i = 0; i < pending->asked_count; i++)
        pending->acknowledged |= relay_id_equal(&pending->asked[i], from) ? 1U << i : 0;
    if (pending->acknowledged == (1U << pending->asked_count) - 1)
        answer(mailbox, step, pending);
}

void owner_timeout(struct mailbox *mailbox, struct step *step, struct pending *pending) {
    answer(mailbox, step, pending); // durable here; repair tells the others
}

// ---- passed on by another replica ----

// Nothing that this operation could still change: spares a verification.
static bool applied_already(struct mailbox *mailbox, struct step *step, const struct op *op) {
    struct entry entry;
    if (op->kind == OP_POLICY)
        return entry_get(mailbox, step, &entry, &op->mailbox, &policy_hash) == OK && entry.number >= op->version;
    for (size_t i = 0; i < op->count; i++) {
        if (entry_get(mailbox, step, &entry, &op->mailbox, &op->deletes[i].item) != OK || entry.kind == ENTRY_ITEM)
            return false;
    }
    return true;
}

// Signed for a time that no replica can have taken it at, it would be kept for as long as its owner likes. How far
// replicas' clocks may be apart is not known here, so the bound is generous.
static bool is_of_future(const struct mailbox *mailbox, const struct step *step, const struct op *op) {
    uint64_t wall_ms = mailbox_wall_ms(mailbox, step);
    return op->time_ms > wall_ms && op->time_ms - wall_ms > mailbox->config.genesis->item_lifetime_ms;
}

static bool is_of_owner(const struct mailbox *mailbox, const struct op *op, const struct replica_message *message) {
    return (op->kind == OP_DELETE || op->kind == OP_POLICY) &&
           op_verify(op, &mailbox->config.genesis->network, &message->replica) == OK;
}

void owner_owned(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                 const struct replica_message *message) {
    struct op op;
    if (op_decode(&op, message->operation) != OK) {
        mailbox_dropped(step, METRIC_MAILBOX_DROPPED_MALFORMED);
        return;
    }
    enum op_status status = OP_OK;
    if (!standing_is_replica(mailbox, &op.mailbox) && !state_exists(step, &op.mailbox)) {
        status = OP_NOT_REPLICA;
    } else if (!applied_already(mailbox, step, &op)) {
        if (is_of_future(mailbox, step, &op) || stamp_is_missing(mailbox, &op) || !is_of_owner(mailbox, &op, message)) {
            mailbox_dropped(step, METRIC_MAILBOX_DROPPED_PROOF);
            return;
        }
        status = apply(mailbox, step, &op, &(struct proof){message->replica, message->operation}, ORIGIN_REPLICA);
    }
    mailbox_send(mailbox, step, from,
                 &(struct replica_message){.kind = REPLICA_DONE, .id = message->id, .status = status});
}
