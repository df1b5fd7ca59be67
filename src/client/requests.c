// What the user asks, and the answers.
#include <stdlib.h>
#include <string.h>

#include "client/client_internal.h"
#include "client/link.h"

void answer_error(struct client *client, struct step *step, uint64_t id, enum err err, const char *reason) {
    struct client_answer answer = {.id = id, .err = err, .reason = reason != NULL ? reason : err_text(err)};
    client->ports.answer(client->ports.ctx, step, &answer);
}

static void answer_ok(struct client *client, struct step *step, uint64_t id) {
    struct client_answer answer = {.id = id};
    client->ports.answer(client->ports.ctx, step, &answer);
}

void client_answer_clear(struct client_answer *answer) {
    for (size_t i = 0; i < answer->message_count; i++)
        buf_wipe(&answer->messages[i].text);
    for (size_t i = 0; i < answer->request_count; i++)
        buf_wipe(&answer->requests[i].text);
    free(answer->contacts);
    free(answer->messages);
    free(answer->requests);
    buf_wipe(&answer->bytes);
    memset(answer, 0, sizeof(*answer));
}

const char *client_why_not_ready(const struct client *client) {
    if (client->phase == CLIENT_BROKEN)
        return client->broken_text;
    if (client->phase != CLIENT_RUNNING)
        return "the database is being read";
    if (client->current == NULL)
        return "no directory of the relays yet";
    if (!entries_any_up(client))
        return "no link to an entry relay yet";
    for (size_t i = 0; i < client->mailboxes.count; i++) {
        const struct own_mailbox *own = (const struct own_mailbox *)client->mailboxes.items[i];
        if (!own->answered && !own->state.retired)
            return "a mailbox has not been read yet";
    }
    return NULL;
}

static void handle_status(struct client *client, struct step *step, const struct client_request *request) {
    struct client_answer answer = {.id = request->id, .reason = client_why_not_ready(client)};
    answer.ready = answer.reason == NULL;
    client->ports.answer(client->ports.ctx, step, &answer);
}

static void handle_id(struct client *client, struct step *step, const struct client_request *request) {
    struct client_answer answer = {.id = request->id};
    link_format(answer.link, &client->card, &client->config.genesis->network);
    client->ports.answer(client->ports.ctx, step, &answer);
}

static void handle_contacts(struct client *client, struct step *step, const struct client_request *request) {
    struct client_answer answer = {.id = request->id, .contact_count = client->contacts.count};
    answer.contacts = NEW_ARRAY(struct contact_record, client->contacts.count + 1);
    for (size_t i = 0; i < client->contacts.count; i++)
        contact_record_fill(&answer.contacts[i], client, (const struct contact *)client->contacts.items[i]);
    client->ports.answer(client->ports.ctx, step, &answer);
}

static void answer_contact(struct client *client, struct step *step, uint64_t id, const struct contact *contact) {
    struct client_answer answer = {.id = id, .contact_count = 1, .contacts = NEW(struct contact_record)};
    contact_record_fill(answer.contacts, client, contact);
    client->ports.answer(client->ports.ctx, step, &answer);
}

static void add_and_answer(struct client *client, struct step *step, const struct client_request *request,
                           const struct card *card) {
    struct contact *contact;
    const char *reason;
    enum err err = contact_add(client, step, &contact, &reason, request->name, card);
    if (err != OK) {
        answer_error(client, step, request->id, err, reason);
        return;
    }
    answer_contact(client, step, request->id, contact);
    client_pump(client, step);
}

static void handle_contact_add(struct client *client, struct step *step, const struct client_request *request) {
    struct card card;
    const char *reason;
    enum err err = link_parse(&card, &reason, request->link, &client->config.genesis->network);
    if (err != OK)
        answer_error(client, step, request->id, err, reason);
    else
        add_and_answer(client, step, request, &card);
}

// The contact that a request names; NULL after an answer that there is none.
static struct contact *named(struct client *client, struct step *step, const struct client_request *request) {
    struct contact *contact = contact_by_name(client, request->name);
    if (contact == NULL)
        answer_error(client, step, request->id, ERR_NOT_FOUND, "no contact of that name");
    return contact;
}

static void handle_contact_remove(struct client *client, struct step *step, const struct client_request *request) {
    struct contact *contact = named(client, step, request);
    if (contact == NULL)
        return;
    contact_remove(client, step, contact);
    answer_ok(client, step, request->id);
}

static void handle_contact_block(struct client *client, struct step *step, const struct client_request *request) {
    struct contact *contact = named(client, step, request);
    if (contact == NULL)
        return;
    contact->state.blocked = true;
    store_contact(step, &contact->state);
    answer_contact(client, step, request->id, contact);
}

static void answer_message(struct client *client, struct step *step, uint64_t id, struct message_record *record) {
    struct client_answer answer = {.id = id, .message_count = 1, .messages = NEW(struct message_record)};
    *answer.messages = *record; // with its text
    client->ports.answer(client->ports.ctx, step, &answer);
}

static void handle_send(struct client *client, struct step *step, const struct client_request *request) {
    struct message_record record;
    const char *reason;
    struct contact *contact = named(client, step, request);
    if (contact == NULL)
        return;
    enum err err = outbox_text(client, step, &record, &reason, contact, request->text);
    if (err != OK)
        answer_error(client, step, request->id, err, reason);
    else
        answer_message(client, step, request->id, &record);
}

static void handle_message(struct client *client, struct step *step, const struct client_request *request) {
    struct lookup_state lookup;
    struct message_record record;
    enum err err = find_lookup(step, false, &request->message, &lookup);
    if (err == ERR_NOT_FOUND)
        err = find_lookup(step, true, &request->message, &lookup);
    if (err == OK)
        err = find_message(step, lookup.cursor, &record);
    if (err != OK)
        answer_error(client, step, request->id, err, err == ERR_NOT_FOUND ? "no message of that id" : NULL);
    else
        answer_message(client, step, request->id, &record);
}

static void handle_messages(struct client *client, struct step *step, const struct client_request *request) {
    (void)client;
    job_list_start(step, request->id, request->cursor, request->limit);
}

static void handle_requests(struct client *client, struct step *step, const struct client_request *request) {
    struct client_answer answer = {.id = request->id, .request_count = client->requests.count};
    answer.requests = NEW_ARRAY(struct request_record, client->requests.count + 1);
    for (size_t i = 0; i < client->requests.count; i++)
        request_record_fill(&answer.requests[i], client,
                            &((const struct request_entry *)client->requests.items[i])->state);
    client->ports.answer(client->ports.ctx, step, &answer);
}

static const struct request_entry *numbered(struct client *client, struct step *step,
                                            const struct client_request *request) {
    const struct request_entry *entry = table_find(&client->requests, request->cursor);
    if (entry == NULL)
        answer_error(client, step, request->id, ERR_NOT_FOUND, "no request of that number");
    return entry;
}

static void handle_request_accept(struct client *client, struct step *step, const struct client_request *request) {
    const struct request_entry *entry = numbered(client, step, request);
    if (entry == NULL)
        return;
    struct card card = entry->state.card; // the entry goes with its acceptance
    add_and_answer(client, step, request, &card);
}

// All that this stranger has sent so far goes; they learn nothing of it.
static void handle_request_refuse(struct client *client, struct step *step, const struct client_request *request) {
    const struct request_entry *entry = numbered(client, step, request);
    if (entry == NULL)
        return;
    struct dh_public dh = entry->state.card.dh;
    for (size_t i = client->requests.count; i-- > 0;) {
        struct request_entry *other = (struct request_entry *)client->requests.items[i];
        if (memcmp(other->state.card.dh.bytes, dh.bytes, sizeof(dh.bytes)) == 0)
            request_drop(client, step, other);
    }
    answer_ok(client, step, request->id);
}

static void handle_watch(struct client *client, struct step *step, const struct client_request *request) {
    if (client->watch_count == WATCHES_MAX) {
        answer_error(client, step, request->id, ERR_FULL, "too many watches (at most 64)");
        return;
    }
    client->watches[client->watch_count++] = request->id;
}

static void handle_backup(struct client *client, struct step *step, const struct client_request *request) {
    if (request->text.n == 0)
        answer_error(client, step, request->id, ERR_INVALID, "a backup needs a passphrase");
    else
        backup_start(client, step, request->id, request->text);
}

typedef void handler(struct client *client, struct step *step, const struct client_request *request);

static handler *const handlers[] = {
    [CLIENT_STATUS] = handle_status,
    [CLIENT_ID] = handle_id,
    [CLIENT_CONTACTS] = handle_contacts,
    [CLIENT_CONTACT_ADD] = handle_contact_add,
    [CLIENT_CONTACT_REMOVE] = handle_contact_remove,
    [CLIENT_CONTACT_BLOCK] = handle_contact_block,
    [CLIENT_SEND] = handle_send,
    [CLIENT_MESSAGE] = handle_message,
    [CLIENT_MESSAGES] = handle_messages,
    [CLIENT_REQUESTS] = handle_requests,
    [CLIENT_REQUEST_ACCEPT] = handle_request_accept,
    [CLIENT_REQUEST_REFUSE] = handle_request_refuse,
    [CLIENT_WATCH] = handle_watch,
    [CLIENT_BACKUP] = handle_backup,
};

void requests_handle(struct client *client, struct step *step, const struct client_request *request) {
    if ((size_t)request->op >= sizeof(handlers) / sizeof(handlers[0])) {
        answer_error(client, step, request->id, ERR_UNSUPPORTED, NULL);
        return;
    }
    // Who one is and how one is are known before, and whatever else may be wrong.
    bool early = request->op == CLIENT_STATUS || request->op == CLIENT_ID;
    if (client->phase == CLIENT_BROKEN && !early)
        answer_error(client, step, request->id, client->broken, client->broken_text);
    else if (client->phase != CLIENT_RUNNING && !early)
        requests_park(client, step, request);
    else
        handlers[request->op](client, step, request);
}

// ---- those that came before the database was read

void requests_park(struct client *client, struct step *step, const struct client_request *request) {
    if (client->parked_count == PARKED_MAX) {
        answer_error(client, step, request->id, ERR_UNAVAILABLE, "the database is being read");
        return;
    }
    struct client_request *copy = NEW(struct client_request);
    *copy = *request;
    copy->text.p = mem_copy(request->text);
    client->parked[client->parked_count++] = copy;
}

void parked_free(struct client_request *request) {
    wipe((void *)(uintptr_t)request->text.p, request->text.n); // a passphrase, perhaps
    free((void *)(uintptr_t)request->text.p);
    free(request);
}

void requests_unpark(struct client *client, struct step *step) {
    size_t count = client->parked_count;
    client->parked_count = 0;
    for (size_t i = 0; i < count; i++) {
        requests_handle(client, step, client->parked[i]);
        parked_free(client->parked[i]);
    }
}

void requests_gone(struct client *client, uint64_t id) {
    for (size_t i = 0; i < client->watch_count; i++)
        if (client->watches[i] == id) {
            client->watches[i] = client->watches[--client->watch_count];
            return;
        }
    for (size_t i = 0; i < client->parked_count; i++)
        if (client->parked[i]->id == id) {
            parked_free(client->parked[i]);
            client->parked_count--;
            memmove(client->parked + i, client->parked + i + 1, (client->parked_count - i) * sizeof(client->parked[0]));
            return;
        }
}
