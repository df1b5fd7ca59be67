// A replica's promise: what it has confirmed as deleted, or what has expired by its own clock, it hands out no more.
// One that does is broken or lying, and a metric says so. The last confirmations are remembered, in memory.
#include <string.h>

#include "client/client_internal.h"

void promise_deleted(struct client *client, const struct exchange *exchange, const struct reply *reply) {
    for (size_t i = 0; i < exchange->item_count; i++) {
        struct promise *promise = &client->promises[client->promise_count++ % PROMISES_REMEMBERED];
        *promise = (struct promise){exchange->items[i], exchange->replica, reply->clock_ms};
    }
}

// By the replica's clock only: a reply made before the deletion may arrive after its confirmation.
static bool was_deleted(const struct client *client, const struct relay_id *replica, const struct item_hash *item,
                        uint64_t clock_ms) {
    for (size_t i = 0; i < client->promise_count && i < PROMISES_REMEMBERED; i++) {
        const struct promise *promise = &client->promises[i];
        if (memcmp(promise->item.bytes, item->bytes, sizeof(item->bytes)) == 0 &&
            relay_id_equal(&promise->replica, replica) && clock_ms > promise->clock_ms)
            return true;
    }
    return false;
}

void promise_check(struct client *client, struct step *step, const struct own_mailbox *own,
                   const struct exchange *exchange, const struct reply *reply) {
    struct item_hash item;
    item_hash_of(&item, &client->config.genesis->network, &own->id, reply->expiry_ms, reply->item);
    if (reply->clock_ms < reply->expiry_ms && !was_deleted(client, &exchange->replica, &item, reply->clock_ms))
        return;
    metric_add(step->env->metrics, METRIC_CLIENT_BROKEN_PROMISES, 1);
    log_relay(&step->env->log, LOG_WARN, "client", "a replica handed out what was deleted or expired there",
              exchange->replica.bytes, NULL);
}
