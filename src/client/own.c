// Mailboxes of our own: one for requests, one for each contact. Their keys, the policies by which replicas let contacts
// write, and the deletion of what has been taken in.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"

#define DRAWS_MAX 64 // of ids, until no entry is a replica
#define RETIRED_KEPT_MS (7 * DAY_MS)

// Who held a mailbox before the placement changed has handed it over within two epochs; until then we look there, too.
static void visit_former(struct client *client, struct own_mailbox *own) {
    const struct directory *now = client->current, *before = client->previous;
    if (before == NULL || now->epoch >= now->changed_epoch + 2)
        return;
    struct placement old;
    placement_of(&old, before, &own->id, client->config.genesis->replicas);
    for (size_t i = 0; i < old.count; i++) {
        const struct relay_id *id = &before->relays[old.relays[i]].id;
        bool known = false;
        for (size_t j = 0; j < own->replica_count && j < client->config.genesis->replicas; j++)
            known = known || relay_id_equal(&own->replicas[j], id);
        if (!known && directory_find(now, id) != NULL)
            receive_visit(own, id);
    }
}

void own_place(struct client *client, struct own_mailbox *own) {
    if (own->placed_epoch == client->current->epoch)
        return;
    struct policy_slot old[PLACEMENT_RANKS];
    size_t old_count = own->replica_count, k;
    memcpy(old, own->policies, sizeof(old));
    own->placed_epoch = client->current->epoch;
    own->replica_count = path_replicas(client, own->replicas, &k, &own->id);
    for (size_t i = 0; i < own->replica_count; i++) {
        own->policies[i] = (struct policy_slot){.relay = own->replicas[i]};
        for (size_t j = 0; j < old_count; j++)
            if (relay_id_equal(&old[j].relay, &own->replicas[i]))
                own->policies[i] = old[j];
    }
    visit_former(client, own);
}

static size_t replicas_proper(const struct client *client, const struct own_mailbox *own) {
    size_t k = client->config.genesis->replicas;
    return own->replica_count < k ? own->replica_count : k;
}

struct own_mailbox *own_take(struct client *client, const struct mailbox_state *state) {
    struct own_mailbox *own = NEW(struct own_mailbox);
    own->state = *state;
    own->wake_ms = TIME_NEVER;
    own->loaded = true;
    mailbox_keys(own, client->config.identity_seed);
    table_add(&client->mailboxes, &own->state.number);
    return own;
}

void own_free(struct own_mailbox *own) {
    wipe(&own->secret, sizeof(own->secret));
    wipe(&own->token, sizeof(own->token));
    if (own->deletes != NULL)
        wipe(own->deletes, own->delete_capacity * sizeof(*own->deletes));
    free(own->deletes);
    free(own);
}

// Whether one of our two entries would hold this mailbox, and so could see who owns it.
static bool entry_holds(struct client *client, const struct mailbox_id *id) {
    struct relay_id replicas[PLACEMENT_RANKS];
    size_t k;
    path_replicas(client, replicas, &k, id);
    for (size_t i = 0; i < k; i++)
        if (entry_is_wanted(client, &replicas[i]))
            return true;
    return false;
}

struct own_mailbox *own_new(struct client *client, struct step *step, uint64_t contact) {
    struct own_mailbox *own = NEW(struct own_mailbox);
    own->wake_ms = TIME_NEVER;
    own->state.contact = contact;
    own->state.created_ms = step->now.wall_ms;
    own->state.number = client_number(client, step);
    // The one for requests is in our link and needs no policy; the entries were drawn after it.
    own->state.ready = contact == 0;
    bool held = contact != 0;
    for (unsigned draws = 0; held && draws < DRAWS_MAX; draws++) {
        rng_bytes(&step->env->rng, own->state.nonce, sizeof(own->state.nonce));
        mailbox_keys(own, client->config.identity_seed);
        held = entry_holds(client, &own->id);
    }
    if (held) {
        metric_add(step->env->metrics, METRIC_CLIENT_RELAXED, 1);
        log_note(&step->env->log, LOG_WARN, "client", "network too small: an entry holds one of our mailboxes");
    }
    mailbox_keys(own, client->config.identity_seed);
    receive_new(step, own);
    table_add(&client->mailboxes, &own->state.number);
    store_mailbox(step, &own->state);
    return own;
}

static void own_forget(struct client *client, struct step *step, struct own_mailbox *own) {
    forget_mailbox(step, own->state.number);
    table_remove(&client->mailboxes, own->state.number);
    own_free(own);
}

void own_retire(struct client *client, struct step *step, struct own_mailbox *own) {
    for (size_t i = 0; i < own->delete_count; i++)
        forget_delete(step, own->state.number, &own->deletes[i].item);
    for (size_t i = 0; i < own->cursor_count; i++)
        forget_cursor(step, own->state.number, &own->cursors[i].replica);
    own->delete_count = own->cursor_count = 0;
    own->state.retired = true;
    own->tell_ms = 0;
    own->state.created_ms = step->now.wall_ms;
    own->state.contact = 0;
    for (size_t i = 0; i < own->replica_count; i++)
        own->policies[i] = (struct policy_slot){.relay = own->replicas[i]};
    store_mailbox(step, &own->state);
    own_pump(client, step, own);
}

// ---- stamp

// Policies and deletions carry the mailbox's stamp, found once for good.
static bool stamp_ready(struct client *client, struct step *step, struct own_mailbox *own) {
    unsigned bits = client->current->stamp_bits;
    if (mailbox_stamp_fits(own->state.stamp, bits, &client->config.genesis->network, &own->id))
        return true;
    if (own->stamping)
        return false;
    own->stamping = true;
    if (bits <= STAMP_WORK_MAX)
        job_mailbox_stamp_start(client, step, own, bits);
    else
        log_number(&step->env->log, LOG_ERROR, "client", "the network asks for more work than a mailbox can be worth",
                   "stamp_bits", bits);
    return false;
}

void own_stamped(struct client *client, struct step *step, uint64_t number, uint64_t stamp) {
    struct own_mailbox *own = table_find(&client->mailboxes, number);
    if (own == NULL)
        return;
    own->stamping = false;
    own->state.stamp = stamp;
    store_mailbox(step, &own->state);
    own->delete_ms = 0;
    for (size_t i = 0; i < own->replica_count; i++)
        own->policies[i].next_ms = 0;
    own_pump(client, step, own);
}

// ---- policy

static void policy_send(struct client *client, struct step *step, struct own_mailbox *own, struct policy_slot *slot) {
    struct path_aim aim = {&slot->relay, 1, own->replicas, replicas_proper(client, own)};
    struct path_plan plan;
    slot->next_ms = step->now.mono_ms + client_retry_ms(slot->attempts);
    if (!stamp_ready(client, step, own) || !path_plan(client, step, &plan, &aim))
        return;
    struct op op = {.kind = OP_POLICY, .mailbox = own->id, .time_ms = clock_request_ms(client, step)};
    op.stamp = own->state.stamp;
    op.version = own->state.retired ? 2 : 1; // each mailbox is new; a time would tell replicas which belong together
    if (!own->state.retired) {
        op.count = 1;
        token_hash_of(&op.policy[0].token, &own->token);
        op.policy[0].quota = CLIENT_QUOTA;
    }
    if (path_send(client, step, &plan, EXCHANGE_POLICY, own->state.number, &op, &own->secret, MINUTE_MS) != NULL)
        slot->attempts++;
}

static bool policy_fresh(const struct policy_slot *slot, const struct step *step) {
    return slot->confirmed_ms > 0 && step->now.wall_ms < slot->confirmed_ms + POLICY_FRESH_MS;
}

// The replicas proper are told; those that may stand in, once one of the former has twice not answered. Returns when to
// look again.
static uint64_t policy_pump(struct client *client, struct step *step, struct own_mailbox *own) {
    size_t k = replicas_proper(client, own);
    uint64_t next = TIME_NEVER;
    bool standing_in = false;
    if (own->state.ready && step->now.mono_ms < own->tell_ms)
        return own->tell_ms;
    for (size_t i = 0; i < own->replica_count; i++) {
        struct policy_slot *slot = &own->policies[i];
        if ((i >= k && !standing_in) || policy_fresh(slot, step))
            continue;
        standing_in = standing_in || slot->attempts >= 2;
        if (step->now.mono_ms >= slot->next_ms)
            policy_send(client, step, own, slot);
        next = slot->next_ms < next ? slot->next_ms : next;
    }
    return next;
}

// Its replicas hold a newer policy than we know of: after this database was backed up, the contact was removed, and the
// mailbox retired. It stays so; the contact will learn of another when we write. Replicas may lie: one that this run
// has made is not replaced, so that lies do not make mailboxes without end.
static void own_replace(struct client *client, struct step *step, struct own_mailbox *own) {
    struct contact *contact = table_find(&client->contacts, own->state.contact);
    uint64_t version = own->state.created_ms + 1;
    own_retire(client, step, own);
    if (contact == NULL)
        return;
    contact->state.mailbox = 0;
    contact_mailbox_ensure(client, step, contact);
    store_contact(step, &contact->state);
    struct own_mailbox *next = table_find(&client->mailboxes, contact->state.mailbox);
    if (next != NULL && next->state.created_ms < version) { // our clock was set back: it would not be learned
        next->state.created_ms = version;
        store_mailbox(step, &next->state);
    }
    client_pump(client, step);
}

void own_policy_reply(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply) {
    struct own_mailbox *own = table_find(&client->mailboxes, exchange->target);
    if (own == NULL)
        return;
    size_t confirmed = 0, refused = 0, quorum = client->config.genesis->quorum;
    for (size_t i = 0; i < own->replica_count; i++) {
        struct policy_slot *slot = &own->policies[i];
        bool answered = relay_id_equal(&slot->relay, &exchange->replica);
        if (answered)
            slot->refused = reply->status == OP_REFUSED;
        if (answered && reply->status == OP_OK) {
            slot->confirmed_ms = step->now.wall_ms;
            slot->attempts = 0;
        }
        confirmed += policy_fresh(slot, step);
        refused += slot->refused;
    }
    if (reply->status != OP_OK)
        metric_add(step->env->metrics, METRIC_CLIENT_OP_REFUSED, 1);
    if (refused >= quorum && own->loaded && !own->state.retired) {
        own_replace(client, step, own);
        return;
    }
    if (confirmed < quorum)
        return;
    if (own->state.retired) {
        own_forget(client, step, own);
        return;
    }
    if (!own->state.ready) {
        own->state.ready = true;
        store_mailbox(step, &own->state);
    }
    struct contact *contact = table_find(&client->contacts, own->state.contact);
    if (contact != NULL)
        outbox_pump(client, step, contact);
}

// ---- deletes

void own_delete_take(struct own_mailbox *own, const struct delete_state *state) {
    if (own->delete_count == own->delete_capacity) {
        own->delete_capacity = own->delete_capacity > 0 ? own->delete_capacity * 2 : 8;
        own->deletes = realloc(own->deletes, own->delete_capacity * sizeof(*own->deletes));
        ASSERT(own->deletes != NULL);
    }
    own->deletes[own->delete_count++] = *state;
}

bool own_delete(struct step *step, struct own_mailbox *own, const struct delete_state *state) {
    for (size_t i = 0; i < own->delete_count; i++)
        if (memcmp(own->deletes[i].item.bytes, state->item.bytes, 32) == 0)
            return true;
    if (own->delete_count >= DELETES_MAX)
        return false;
    own_delete_take(own, state);
    store_delete(step, state);
    return true;
}

static void delete_remove(struct step *step, struct own_mailbox *own, size_t i) {
    forget_delete(step, own->state.number, &own->deletes[i].item);
    own->delete_count--;
    memmove(&own->deletes[i], &own->deletes[i + 1], (own->delete_count - i) * sizeof(own->deletes[0]));
}

static void delete_pump(struct client *client, struct step *step, struct own_mailbox *own) {
    // Expired items are gone by themselves.
    for (size_t i = own->delete_count; i-- > 0;)
        if (own->deletes[i].expiry_ms <= step->now.wall_ms)
            delete_remove(step, own, i);
    if (own->delete_count == 0 || step->now.mono_ms < own->delete_ms)
        return;
    struct relay_id order[PLACEMENT_RANKS];
    size_t k = replicas_proper(client, own);
    size_t n = own->delete_attempts < k ? k : own->replica_count;
    for (size_t i = 0; i < n; i++)
        order[i] = own->replicas[(i + own->receivers[0].turn + own->delete_attempts) % n];
    struct path_aim aim = {order, n, own->replicas, k};
    struct path_plan plan;
    own->delete_ms = step->now.mono_ms + client_retry_ms(own->delete_attempts);
    if (!stamp_ready(client, step, own) || !path_plan(client, step, &plan, &aim))
        return;
    struct op op = {.kind = OP_DELETE, .mailbox = own->id, .time_ms = clock_request_ms(client, step)};
    op.stamp = own->state.stamp;
    op.count = own->delete_count < DELETE_ITEMS_MAX ? own->delete_count : DELETE_ITEMS_MAX;
    for (size_t i = 0; i < op.count; i++) {
        op.deletes[i].item = own->deletes[i].item;
        memcpy(op.deletes[i].secret, own->deletes[i].secret, DELIVERY_SECRET_BYTES);
    }
    struct exchange *exchange =
        path_send(client, step, &plan, EXCHANGE_DELETE, own->state.number, &op, &own->secret, MINUTE_MS);
    if (exchange == NULL)
        return;
    own->delete_attempts++;
    exchange->item_count = op.count;
    for (size_t i = 0; i < op.count; i++)
        exchange->items[i] = op.deletes[i].item;
    wipe(&op, sizeof(op));
}

void own_delete_reply(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply) {
    struct own_mailbox *own = table_find(&client->mailboxes, exchange->target);
    if (own == NULL)
        return;
    if (reply->status != OP_OK) {
        metric_add(step->env->metrics, METRIC_CLIENT_OP_REFUSED, 1);
        return;
    }
    promise_deleted(client, exchange, reply);
    for (size_t i = 0; i < exchange->item_count; i++)
        for (size_t j = 0; j < own->delete_count; j++)
            if (memcmp(own->deletes[j].item.bytes, exchange->items[i].bytes, 32) == 0) {
                delete_remove(step, own, j);
                break;
            }
    own->delete_attempts = 0;
    own->delete_ms = 0;
    own_pump(client, step, own);
}

void own_pump(struct client *client, struct step *step, struct own_mailbox *own) {
    if (!path_open(client))
        return;
    if (own->state.retired && step->now.wall_ms >= own->state.created_ms + RETIRED_KEPT_MS) {
        own_forget(client, step, own);
        return;
    }
    own_place(client, own);
    uint64_t next = TIME_NEVER;
    if (own->state.contact != 0 || own->state.retired)
        next = policy_pump(client, step, own);
    if (!own->state.retired) {
        receive_pump(client, step, own);
        delete_pump(client, step, own);
        uint64_t receive_ms = receive_next_ms(own);
        next = receive_ms < next ? receive_ms : next;
        if (own->delete_count > 0 && own->delete_ms < next)
            next = own->delete_ms;
    }
    ASSERT(next > step->now.mono_ms);
    if (next != TIME_NEVER)
        client_wake(client, &own->wake_ms, next, WAKE_MAILBOX, own->state.number);
}
