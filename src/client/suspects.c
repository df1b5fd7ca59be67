// Relays that may be dead. A packet that gets no answer in time throws suspicion on every relay of its way, one that
// does clears them; whoever was on two failed ways running is avoided for a while, as long as there are others, and
// then tried again.
// tried again.
//
// Never more than a quarter of the network: an entry that drops packets could otherwise herd us towards its friends.
#include <string.h>

#include "client/client_internal.h"

#define STRIKES 2
#define STRIKES_COUNTED 8
#define AVOIDED_MS (30 * SECOND_MS)

static struct suspect *suspect_find(struct client *client, const struct relay_id *relay) {
    for (size_t i = 0; i < client->suspect_count; i++)
        if (relay_id_equal(&client->suspects[i].relay, relay))
            return &client->suspects[i];
    return NULL;
}

static void suspect_remove(struct client *client, struct suspect *suspect) {
    *suspect = client->suspects[--client->suspect_count];
}

void suspect_cleared(struct client *client, const struct relay_id *relay) {
    struct suspect *suspect = suspect_find(client, relay);
    if (suspect != NULL)
        suspect_remove(client, suspect);
}

static struct suspect *suspect_new(struct client *client) {
    if (client->suspect_count < SUSPECTS_MAX)
        return &client->suspects[client->suspect_count++];
    struct suspect *oldest = &client->suspects[0];
    for (size_t i = 1; i < client->suspect_count; i++)
        if (client->suspects[i].until_ms < oldest->until_ms)
            oldest = &client->suspects[i];
    return oldest;
}

void suspect_struck(struct client *client, const struct step *step, const struct relay_id *relay) {
    struct suspect *suspect = suspect_find(client, relay);
    if (suspect == NULL) {
        suspect = suspect_new(client);
        *suspect = (struct suspect){.relay = *relay};
    }
    suspect->strikes += suspect->strikes < STRIKES_COUNTED;
    suspect->until_ms = step->now.mono_ms + AVOIDED_MS;
}

size_t suspects_avoided(struct client *client, const struct step *step, const struct relay_id **out, size_t max) {
    size_t count = 0, bound = client->current->relay_count / 4;
    for (size_t i = client->suspect_count; i-- > 0;)
        if (client->suspects[i].until_ms <= step->now.mono_ms)
            suspect_remove(client, &client->suspects[i]);
    if (bound > max)
        bound = max;
    // The worst first.
    for (unsigned strikes = STRIKES_COUNTED; strikes >= STRIKES; strikes--)
        for (size_t i = 0; i < client->suspect_count && count < bound; i++)
            if (client->suspects[i].strikes == strikes)
                out[count++] = &client->suspects[i].relay;
    return count;
}
