// Sending no faster than an entry allows: a client that floods is cut off. Packets beyond the pace wait in order.
#include <stdlib.h>
#include <string.h>

#include "client/client_internal.h"

#define PACKETS_PER_S 80   // below the 100 that relays allow one link by default
#define BURST_MS SECOND_MS // what may go out at once, in time

struct paced_packet {
    struct relay_id entry;
    bool dropped; // its link is gone
    uint8_t bytes[SPHINX_PACKET_BYTES];
};

bool pace_has_room(const struct client *client) {
    return client->pace.count < PACED_MAX;
}

// Takes credit for one packet; in microseconds, so that paces over 1,000 a second hold.
static bool credit_take(struct client *client, const struct step *step) {
    struct pace *pace = &client->pace;
    uint32_t per_s = client->config.packets_per_s > 0 ? client->config.packets_per_s : PACKETS_PER_S;
    uint64_t now_us = step->now.mono_ms * 1000;
    uint64_t floor_us = now_us > BURST_MS * 1000 ? now_us - BURST_MS * 1000 : 0;
    uint64_t used_us = pace->used_us > floor_us ? pace->used_us : floor_us;
    if (used_us > now_us)
        return false;
    pace->used_us = used_us + 1000000 / per_s;
    return true;
}

static void send_now(struct client *client, struct step *step, const struct relay_id *entry,
                     const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    metric_add(step->env->metrics, METRIC_CLIENT_PACKETS, 1);
    client->ports.send(client->ports.ctx, step, entry, packet);
}

static void schedule(struct client *client) {
    if (client->pace.count > 0)
        client_wake(client, &client->pace.wake_ms, client->pace.used_us / 1000 + 1, WAKE_PACE, 0);
}

void pace_send(struct client *client, struct step *step, const struct relay_id *entry,
               const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    struct pace *pace = &client->pace;
    if (pace->count == 0 && credit_take(client, step)) {
        send_now(client, step, entry, packet);
        return;
    }
    if (pace->packets == NULL)
        pace->packets = NEW_ARRAY(struct paced_packet, PACED_MAX);
    struct paced_packet *waiting = &pace->packets[(pace->first + pace->count++) % PACED_MAX];
    waiting->entry = *entry;
    waiting->dropped = false;
    memcpy(waiting->bytes, packet, SPHINX_PACKET_BYTES);
    schedule(client);
}

void pace_due(struct client *client, struct step *step) {
    struct pace *pace = &client->pace;
    while (pace->count > 0) {
        const struct paced_packet *waiting = &pace->packets[pace->first];
        if (!waiting->dropped && !credit_take(client, step))
            break;
        pace->first = (pace->first + 1) % PACED_MAX;
        pace->count--;
        if (!waiting->dropped)
            send_now(client, step, &waiting->entry, waiting->bytes);
    }
    schedule(client);
}

void pace_drop(struct client *client, const struct relay_id *entry) {
    struct pace *pace = &client->pace;
    for (size_t i = 0; i < pace->count; i++) {
        struct paced_packet *waiting = &pace->packets[(pace->first + i) % PACED_MAX];
        waiting->dropped = waiting->dropped || relay_id_equal(&waiting->entry, entry);
    }
}

void pace_free(struct client *client) {
    free(client->pace.packets);
    client->pace = (struct pace){0};
}
