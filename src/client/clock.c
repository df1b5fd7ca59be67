// The relays' clocks. A request of an owner is signed with a time; where the relays say that it was bad, their offset
// is applied to the times of requests, and to nothing else.
#include <string.h>

#include "client/client_internal.h"

static struct clock_offset *offset_of(struct client *client, const struct relay_id *relay) {
    for (size_t i = 0; i < client->offset_count; i++)
        if (relay_id_equal(&client->offsets[i].relay, relay))
            return &client->offsets[i];
    return NULL;
}

void clock_heard(struct client *client, const struct step *step, const struct relay_id *relay,
                 const struct reply *reply) {
    struct clock_offset *slot = offset_of(client, relay);
    if (slot == NULL && reply->status != OP_BAD_TIME)
        return;
    if (slot == NULL && client->offset_count < CLOCK_OFFSETS)
        slot = &client->offsets[client->offset_count++];
    if (slot == NULL) {
        memmove(client->offsets, client->offsets + 1, (CLOCK_OFFSETS - 1) * sizeof(client->offsets[0]));
        slot = &client->offsets[CLOCK_OFFSETS - 1];
    }
    slot->relay = *relay;
    slot->offset_ms = (int64_t)(reply->clock_ms - step->now.wall_ms);
}

// The median of what two relays (or three) say; one alone is not believed. Of two, the one nearer to our own clock.
static int64_t offset_median(const struct client *client) {
    const struct clock_offset *o = client->offsets;
    if (client->offset_count < 2)
        return 0;
    int64_t a = o[0].offset_ms, b = o[1].offset_ms;
    int64_t low = a < b ? a : b, high = a < b ? b : a;
    int64_t third = client->offset_count > 2 ? o[2].offset_ms : 0;
    return third < low ? low : third > high ? high : third;
}

// No finer than needed: by its milliseconds a replica would know the owner of one mailbox again in the next.
#define REQUEST_GRAIN_MS (10 * SECOND_MS)

uint64_t clock_request_ms(const struct client *client, const struct step *step) {
    uint64_t at_ms = step->now.wall_ms + (uint64_t)offset_median(client);
    return at_ms - at_ms % REQUEST_GRAIN_MS;
}
