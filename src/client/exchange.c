// Exchanges: what went out, and the reply blocks through which its answers may come back.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"

// After so long without an answer the ways there and back are suspected.
#define EXCHANGE_OVERDUE_MS RETRY_FIRST_MS

static struct surb_slot **bucket_of(struct client *client, const uint8_t id[static SPHINX_SURB_ID_BYTES]) {
    return &client->buckets[load_u16(id) % SURB_BUCKETS]; // ids are our own random draws
}

static struct surb_slot *surb_find(struct client *client, const struct surb_id *id) {
    for (struct surb_slot *slot = *bucket_of(client, id->bytes); slot != NULL; slot = slot->next)
        if (memcmp(slot->keys.id, id->bytes, SPHINX_SURB_ID_BYTES) == 0)
            return slot;
    return NULL;
}

static void surb_insert(struct client *client, struct surb_slot *slot) {
    struct surb_slot **bucket = bucket_of(client, slot->keys.id);
    slot->next = *bucket;
    slot->live = true;
    *bucket = slot;
}

static void surb_remove(struct client *client, struct surb_slot *slot) {
    struct surb_slot **at = bucket_of(client, slot->keys.id);
    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    slot->live = false;
    slot->exchange->surbs_left--;
    wipe(&slot->keys, sizeof(slot->keys));
}

struct exchange *exchange_new(struct client *client, enum exchange_kind kind, size_t surbs) {
    struct exchange *exchange = mem_new(1, sizeof(*exchange) + surbs * sizeof(struct surb_slot));
    exchange->number = ++client->next_exchange;
    exchange->kind = kind;
    exchange->surb_count = exchange->surbs_left = surbs;
    for (size_t i = 0; i < surbs; i++)
        exchange->surbs[i].exchange = exchange;
    return exchange;
}

// Looked at when its answer is overdue, and when it ends.
static void exchange_wake(struct client *client, const struct exchange *exchange) {
    uint64_t wake_ms = TIME_NEVER, overdue_ms = exchange->sent_ms + EXCHANGE_OVERDUE_MS;
    bool early = !exchange->overdue && exchange->kind != EXCHANGE_SUBSCRIBE && overdue_ms < exchange->expires_ms;
    client_wake(client, &wake_ms, early ? overdue_ms : exchange->expires_ms, WAKE_EXCHANGE, exchange->number);
}

void exchange_begin(struct client *client, struct step *step, struct exchange *exchange, uint32_t epoch,
                    uint64_t lifetime_ms) {
    for (size_t i = 0; i < exchange->surb_count; i++)
        surb_insert(client, &exchange->surbs[i]);
    table_add(&client->exchanges, &exchange->number);
    const struct genesis *genesis = client->config.genesis;
    uint64_t dead_ms = epoch_start_ms(genesis, epoch + 1) + genesis->epoch_ms / 6;
    uint64_t left_ms = dead_ms > step->now.wall_ms ? dead_ms - step->now.wall_ms : 0;
    exchange->sent_ms = step->now.mono_ms;
    exchange->expires_ms = step->now.mono_ms + (left_ms < lifetime_ms ? left_ms : lifetime_ms);
    exchange_wake(client, exchange);
}

void exchange_free(struct client *client, struct exchange *exchange) {
    for (size_t i = 0; i < exchange->surb_count; i++)
        if (exchange->surbs[i].live)
            surb_remove(client, &exchange->surbs[i]);
    outbox_late_release(client, exchange);
    table_remove(&client->exchanges, exchange->number);
    free(exchange);
}

// Nothing has come back in time: any relay on the way there or back may be the reason, but our entry, whose link is up.
void exchange_failed(struct client *client, struct step *step, const struct exchange *exchange) {
    for (size_t i = 0; i < exchange->route_count; i++)
        if (!relay_id_equal(&exchange->route[i], &exchange->entry))
            suspect_struck(client, step, &exchange->route[i]);
    for (size_t i = 0; exchange->surb_count > 0 && i < exchange->surbs[0].hop_count; i++)
        suspect_struck(client, step, &exchange->surbs[0].hops[i]);
}

static void exchange_succeeded(struct client *client, const struct exchange *exchange, const struct surb_slot *slot) {
    for (size_t i = 0; i < exchange->route_count; i++)
        suspect_cleared(client, &exchange->route[i]);
    for (size_t i = 0; i < slot->hop_count; i++)
        suspect_cleared(client, &slot->hops[i]);
}

void exchange_due(struct client *client, struct step *step, struct exchange *exchange) {
    bool answered = exchange->surbs_left < exchange->surb_count;
    bool ends = step->now.mono_ms >= exchange->expires_ms;
    // A subscription may well stay without an answer for a while.
    if (!answered && !exchange->overdue && exchange->kind != EXCHANGE_SUBSCRIBE)
        exchange_failed(client, step, exchange);
    exchange->overdue = true;
    if (ends && exchange->kind == EXCHANGE_LOOP)
        loops_result(client, step, true);
    if (ends)
        exchange_free(client, exchange);
    else
        exchange_wake(client, exchange);
}

void exchanges_of_entry_free(struct client *client, const struct relay_id *entry) {
    for (size_t i = client->exchanges.count; i-- > 0;) {
        struct exchange *exchange = (struct exchange *)client->exchanges.items[i];
        if (relay_id_equal(&exchange->entry, entry))
            exchange_free(client, exchange);
    }
}

// ---- replies

// What every kind of reply has in common: a clock to learn, a directory to ask for.
static void reply_status(struct client *client, struct step *step, const struct relay_id *relay,
                         const struct reply *reply) {
    clock_heard(client, step, relay, reply);
    if (reply->status == OP_WRONG_EPOCH && reply->epoch > client->current->epoch &&
        client->ports.want_directory != NULL)
        client->ports.want_directory(client->ports.ctx, step, reply->epoch);
}

static void reply_dispatch(struct client *client, struct step *step, struct exchange *exchange,
                           const struct reply *reply, size_t surb) {
    reply_status(client, step, &exchange->replica, reply);
    switch (exchange->kind) {
    case EXCHANGE_STORE:
        outbox_reply(client, step, exchange, reply);
        return;
    case EXCHANGE_FETCH:
        receive_fetched(client, step, exchange, reply);
        return;
    case EXCHANGE_SUBSCRIBE:
        receive_pushed(client, step, exchange, reply, surb);
        return;
    case EXCHANGE_DELETE:
        own_delete_reply(client, step, exchange, reply);
        return;
    case EXCHANGE_POLICY:
        own_policy_reply(client, step, exchange, reply);
        return;
    case EXCHANGE_LOOP:
        return;
    }
}

static enum op_kind op_of(enum exchange_kind kind) {
    static const enum op_kind ops[] = {[EXCHANGE_STORE] = OP_STORE,
                                       [EXCHANGE_FETCH] = OP_FETCH,
                                       [EXCHANGE_SUBSCRIBE] = OP_SUBSCRIBE,
                                       [EXCHANGE_DELETE] = OP_DELETE,
                                       [EXCHANGE_POLICY] = OP_POLICY};
    ASSERT(kind != EXCHANGE_LOOP);
    return ops[kind];
}

static bool reply_open(struct reply *reply, struct surb_slot *slot, uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    struct span body;
    return sphinx_surb_open(payload, &body, &slot->keys) == OK && reply_decode(reply, body) == OK &&
           reply->kind == op_of(slot->exchange->kind);
}

void exchange_reply(struct client *client, struct step *step, const struct surb_id *surb,
                    uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    struct surb_slot *slot = surb_find(client, surb);
    struct reply reply = {0};
    struct span body;
    if (slot == NULL) {
        metric_add(step->env->metrics, METRIC_CLIENT_REPLY_UNKNOWN, 1);
        return;
    }
    struct exchange *exchange = slot->exchange;
    bool loop = exchange->kind == EXCHANGE_LOOP;
    // A reply that does not open leaves the block in place: an entry could forge one to use it up.
    if (loop ? sphinx_surb_open(payload, &body, &slot->keys) != OK : !reply_open(&reply, slot, payload)) {
        metric_add(step->env->metrics, METRIC_CLIENT_REPLY_BAD, 1);
        return;
    }
    size_t index = (size_t)(slot - exchange->surbs);
    exchange_succeeded(client, exchange, slot);
    surb_remove(client, slot);
    if (loop)
        loops_result(client, step, false);
    else
        reply_dispatch(client, step, exchange, &reply, index);
    if (exchange->surbs_left == 0)
        exchange_free(client, exchange);
}
