// The account: every key of it follows from one seed, by keyed hashes with a domain each.
#include <string.h>

#include "client/client_internal.h"
#include "crypto/hash.h"

static void derive(uint8_t out[static 32], const uint8_t seed[static 32], const char *domain, struct span nonce) {
    hash_keyed(out, 32, seed, domain, nonce);
}

// The mailbox for requests has the nonce of zeros, so that it follows from the seed alone, as a link needs it.
void mailbox_keys(struct own_mailbox *own, const uint8_t seed[static 32]) {
    uint8_t derived[32];
    struct sign_public public;
    struct span nonce = SPAN_OF(own->state.nonce);
    derive(derived, seed, "sotto account mailbox 1", nonce);
    sign_key_from_seed(&own->secret, &public, derived);
    memcpy(own->id.bytes, public.bytes, sizeof(own->id.bytes));
    derive(own->token.bytes, seed, "sotto account token 1", nonce);
    wipe(derived, sizeof(derived));
}

void account_keys(struct client *client) {
    const uint8_t *seed = client->config.identity_seed;
    uint8_t derived[32];
    struct own_mailbox requests = {0};
    derive(derived, seed, "sotto account identity 1", (struct span){0});
    sign_key_from_seed(&client->identity, &client->card.identity, derived);
    derive(derived, seed, "sotto account static 1", (struct span){0});
    dh_key_from_seed(&client->dh, &client->card.dh, derived);
    mailbox_keys(&requests, seed);
    client->card.mailbox = requests.id;
    card_sign(&client->proof, &client->card, &client->config.genesis->network, &client->identity);
    wipe(derived, sizeof(derived));
    wipe(&requests, sizeof(requests));
}

// ---- from the database into memory

static bool account_fits(struct client *client, struct step *step) {
    const struct account_state *account = &client->account;
    if (memcmp(account->network.bytes, client->config.genesis->network.bytes, 32) != 0) {
        client_break(client, step, ERR_NETWORK, "this database belongs to another network");
        return false;
    }
    if (memcmp(account->identity.bytes, client->card.identity.bytes, 32) != 0) {
        client_break(client, step, ERR_AUTH, "this database belongs to another identity");
        return false;
    }
    return true;
}

static void account_begin(struct client *client, struct step *step) {
    client->account =
        (struct account_state){.network = client->config.genesis->network, .identity = client->card.identity};
    own_new(client, step, 0);
}

// After a restore our counts may be behind what contacts have seen: every conversation starts a new stream. Nor is it
// certain that our mailboxes still stand: nothing names them before their replicas have confirmed it.
static void account_renew(struct client *client, struct step *step) {
    for (size_t i = 0; i < client->contacts.count; i++) {
        struct contact *contact = (struct contact *)client->contacts.items[i];
        contact->state.stream_out = client_stream(client, step);
        contact->state.next_out = 1;
        store_contact(step, &contact->state);
    }
    for (size_t i = 0; i < client->mailboxes.count; i++) {
        struct own_mailbox *own = (struct own_mailbox *)client->mailboxes.items[i];
        own->state.ready = own->state.contact == 0;
        store_mailbox(step, &own->state);
    }
    client->account.restored = false;
    store_account(step, &client->account);
}

static void take_held(struct client *client, struct step *step, const struct held_state *state) {
    struct contact *contact = table_find(&client->contacts, state->contact);
    if (contact == NULL || contact->held_count >= HELD_MAX)
        return;
    contact->held[contact->held_count++] = (struct held){state->sequence, state->expiry_ms};
    client_wake(client, &contact->wake_ms, client_mono_of(step, state->expiry_ms), WAKE_CONTACT, state->contact);
}

static void take_request(struct client *client, struct request_state *state) {
    struct request_entry *request = NEW(struct request_entry);
    request->state = *state;
    state->text = (struct span){0}; // moved
    table_add(&client->requests, &request->state.number);
}

static void take_entries(struct client *client, const struct loaded *loaded) {
    for (size_t i = 0; i < loaded->entry_count && i < ENTRIES_MAX; i++)
        client->entries[client->entry_count++] = (struct entry){.state = loaded->entries[i]};
}

void account_load(struct client *client, struct step *step, struct loaded *loaded) {
    client->phase = CLIENT_RUNNING;
    if (!loaded->has_account) {
        account_begin(client, step);
        return;
    }
    client->account = loaded->account;
    if (!account_fits(client, step))
        return;
    for (size_t i = 0; i < loaded->contact_count; i++)
        contact_take(client, &loaded->contacts[i]);
    for (size_t i = 0; i < loaded->mailbox_count; i++)
        own_take(client, &loaded->mailboxes[i]);
    for (size_t i = 0; i < loaded->cursor_count; i++) {
        struct own_mailbox *own = table_find(&client->mailboxes, loaded->cursors[i].mailbox);
        if (own != NULL)
            receive_cursor_take(own, &loaded->cursors[i].replica, loaded->cursors[i].cursor);
    }
    for (size_t i = 0; i < loaded->delete_count; i++) {
        struct own_mailbox *own = table_find(&client->mailboxes, loaded->deletes[i].mailbox);
        if (own != NULL)
            own_delete_take(own, &loaded->deletes[i]);
    }
    for (size_t i = 0; i < loaded->held_count; i++)
        take_held(client, step, &loaded->held[i]);
    for (size_t i = 0; i < loaded->request_count; i++)
        take_request(client, &loaded->requests[i]);
    for (size_t i = 0; i < loaded->outbox_count; i++)
        outbox_take(client, step, &loaded->outbox[i]);
    take_entries(client, loaded);
    if (client->account.restored)
        account_renew(client, step);
}
