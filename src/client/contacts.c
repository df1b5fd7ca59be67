// Contacts: who they are, where they read, which mailbox of ours they write to.
#include <stdlib.h>
#include <string.h>

#include "client/client_internal.h"
#include "client/link.h"

struct contact *contact_by_name(const struct client *client, const char *name) {
    for (size_t i = 0; i < client->contacts.count; i++) {
        struct contact *contact = (struct contact *)client->contacts.items[i];
        if (strcmp(contact->state.name, name) == 0)
            return contact;
    }
    return NULL;
}

struct contact *contact_by_dh(const struct client *client, const struct dh_public *dh) {
    for (size_t i = 0; i < client->contacts.count; i++) {
        struct contact *contact = (struct contact *)client->contacts.items[i];
        if (memcmp(contact->state.card.dh.bytes, dh->bytes, 32) == 0)
            return contact;
    }
    return NULL;
}

struct contact *contact_take(struct client *client, const struct contact_state *state) {
    struct contact *contact = NEW(struct contact);
    contact->state = *state;
    contact->wake_ms = TIME_NEVER;
    if (client->account.last_stream < state->stream_out) // begun before streams were counted
        client->account.last_stream = state->stream_out;
    table_add(&client->contacts, &contact->state.number);
    return contact;
}

void contact_mailbox_ensure(struct client *client, struct step *step, struct contact *contact) {
    if (contact->state.mailbox != 0 || client->current == NULL || client->entry_count == 0)
        return;
    struct own_mailbox *own = own_new(client, step, contact->state.number);
    contact->state.mailbox = own->state.number;
    store_contact(step, &contact->state);
}

static enum err contact_allowed(const struct client *client, const char **reason, const char *name,
                                const struct card *card) {
    *reason = "a name has 1 to 64 bytes of UTF-8 without control characters";
    if (!name_valid(name))
        return ERR_INVALID;
    *reason = "this is your own link";
    if (memcmp(card->dh.bytes, client->card.dh.bytes, 32) == 0)
        return ERR_INVALID;
    *reason = "a contact of that name exists";
    if (contact_by_name(client, name) != NULL)
        return ERR_EXISTS;
    *reason = "that person is a contact already";
    if (contact_by_dh(client, &card->dh) != NULL)
        return ERR_EXISTS;
    *reason = "too many contacts (at most 1,000)";
    if (client->contacts.count >= CONTACTS_MAX)
        return ERR_FULL;
    *reason = NULL;
    return OK;
}

static bool request_before(const struct request_state *a, const struct request_state *b) {
    return a->stream != b->stream ? a->stream < b->stream : a->sequence < b->sequence;
}

// What that person wrote first of what is left; NULL: nothing is.
static struct request_entry *request_first_of(const struct client *client, const struct dh_public *dh) {
    struct request_entry *first = NULL;
    for (size_t i = 0; i < client->requests.count; i++) {
        struct request_entry *request = (struct request_entry *)client->requests.items[i];
        bool theirs = memcmp(request->state.card.dh.bytes, dh->bytes, 32) == 0;
        if (theirs && (first == NULL || request_before(&request->state, &first->state)))
            first = request;
    }
    return first;
}

// That person's messages so far were requests: they become messages of the contact, in the order of their sequence, as
// what would wait for earlier ones may have waited here for longer than these live.
static void requests_take_in(struct client *client, struct step *step, struct contact *contact) {
    struct request_entry *request;
    while ((request = request_first_of(client, &contact->state.card.dh)) != NULL) {
        inbox_request_accepted(client, step, contact, &request->state);
        request_drop(client, step, request);
    }
}

enum err contact_add(struct client *client, struct step *step, struct contact **out, const char **reason,
                     const char *name, const struct card *card) {
    enum err err = contact_allowed(client, reason, name, card);
    if (err != OK)
        return err;
    struct contact_state state = {.card = *card, .next_out = 1};
    memcpy(state.name, name, strlen(name));
    state.number = client_number(client, step);
    state.active_ms = step->now.wall_ms;
    state.stream_out = client_stream(client, step);
    struct contact *contact = contact_take(client, &state);
    store_contact(step, &contact->state);
    contact_mailbox_ensure(client, step, contact);
    requests_take_in(client, step, contact);
    *out = contact;
    return OK;
}

void contact_remove(struct client *client, struct step *step, struct contact *contact) {
    outbox_drop_contact(client, step, contact);
    for (size_t i = 0; i < contact->held_count; i++)
        forget_held(step, contact->state.number, contact->held[i].sequence);
    forget_contact(step, contact->state.number);
    table_remove(&client->contacts, contact->state.number);
    struct own_mailbox *own = table_find(&client->mailboxes, contact->state.mailbox);
    if (own != NULL)
        own_retire(client, step, own);
    wipe(contact, sizeof(*contact));
    free(contact);
}

void contact_learn(struct client *client, struct step *step, struct contact *contact, const struct mailbox_id *mailbox,
                   const struct write_token *token, uint64_t version) {
    struct contact_state *state = &contact->state;
    if (token_is_stranger(token) || (state->established && version <= state->peer_version))
        return;
    state->established = true;
    state->peer_mailbox = *mailbox;
    state->peer_token = *token;
    state->peer_version = version;
    store_contact(step, state);
    outbox_moved(client, step, contact);
}

void contact_record_fill(struct contact_record *out, const struct client *client, const struct contact *contact) {
    memset(out, 0, sizeof(*out));
    memcpy(out->name, contact->state.name, sizeof(out->name));
    link_format(out->link, &contact->state.card, &client->config.genesis->network);
    out->blocked = contact->state.blocked;
    out->established = contact->state.established;
    out->outbox = contact->texts;
}
