// The client's life: events in, dispatched to its parts; deadlines.
#include "client/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"

#define WAKES_PER_TICK 1024

struct wake {
    uint64_t at_ms;
    enum wake_kind kind;
    uint64_t number;
};

void client_wake(struct client *client, uint64_t *wake_ms, uint64_t at_ms, enum wake_kind kind, uint64_t number) {
    if (at_ms >= *wake_ms)
        return;
    *wake_ms = at_ms;
    struct wake *wake = NEW(struct wake);
    *wake = (struct wake){at_ms, kind, number};
    heap_push(&client->wakes, at_ms, wake);
}

uint64_t client_number(struct client *client, struct step *step) {
    client->account.next_number++;
    store_account(step, &client->account);
    return client->account.next_number;
}

uint64_t client_stream(struct client *client, struct step *step) {
    uint64_t next = client->account.last_stream + 1;
    client->account.last_stream = step->now.wall_ms > next ? step->now.wall_ms : next;
    store_account(step, &client->account);
    return client->account.last_stream;
}

uint64_t client_retry_ms(unsigned attempts) {
    uint64_t delay_ms = RETRY_FIRST_MS << (attempts < 16 ? attempts : 16);
    return delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS;
}

uint64_t client_mono_of(const struct step *step, uint64_t wall_ms) {
    uint64_t left_ms = wall_ms > step->now.wall_ms ? wall_ms - step->now.wall_ms : 0;
    return step->now.mono_ms + (left_ms < HOUR_MS ? left_ms : HOUR_MS);
}

void client_break(struct client *client, struct step *step, enum err err, const char *text) {
    client->phase = CLIENT_BROKEN;
    client->broken = err;
    client->broken_text = text;
    log_reason(&step->env->log, LOG_ERROR, "client", "the client cannot work", text);
}

void client_note_message(struct client *client, struct step *step, const struct message_record *record) {
    for (size_t i = 0; i < client->watch_count; i++)
        client->ports.notify(client->ports.ctx, step, client->watches[i], record, NULL);
}

void client_note_request(struct client *client, struct step *step, const struct request_record *record) {
    for (size_t i = 0; i < client->watch_count; i++)
        client->ports.notify(client->ports.ctx, step, client->watches[i], NULL, record);
}

struct client *client_new(const struct client_config *config, const struct client_ports *ports) {
    struct client *client = NEW(struct client);
    client->config = *config;
    client->ports = *ports;
    client->entries_wake_ms = client->purge_wake_ms = client->loops.wake_ms = client->pace.wake_ms = TIME_NEVER;
    account_keys(client);
    return client;
}

void client_free(struct client *client) {
    if (client == NULL)
        return;
    while (client->exchanges.count > 0)
        exchange_free(client, (struct exchange *)client->exchanges.items[client->exchanges.count - 1]);
    for (size_t i = 0; i < client->outbox.count; i++)
        outbox_entry_free((struct outbox_entry *)client->outbox.items[i]);
    for (size_t i = 0; i < client->contacts.count; i++)
        free(client->contacts.items[i]);
    for (size_t i = 0; i < client->mailboxes.count; i++)
        own_free((struct own_mailbox *)client->mailboxes.items[i]);
    for (size_t i = 0; i < client->requests.count; i++) {
        struct request_entry *request = (struct request_entry *)client->requests.items[i];
        free((void *)(uintptr_t)request->state.text.p);
        free(request);
    }
    for (size_t i = 0; i < client->parked_count; i++)
        parked_free(client->parked[i]);
    for (void *wake; (wake = heap_pop(&client->wakes)) != NULL;)
        free(wake);
    heap_free(&client->wakes);
    pace_free(client);
    table_free(&client->exchanges);
    table_free(&client->outbox);
    table_free(&client->contacts);
    table_free(&client->mailboxes);
    table_free(&client->requests);
    directory_unref(client->current);
    directory_unref(client->previous);
    wipe(client, sizeof(*client));
    free(client);
}

void client_start(struct client *client, struct step *step) {
    ASSERT(client->phase == CLIENT_NEW);
    client->phase = CLIENT_LOADING;
    job_load_start(step);
}

void client_loaded(struct client *client, struct step *step) {
    if (client->phase == CLIENT_RUNNING) {
        entries_loaded(client, step);
        entries_refresh(client, step);
        loops_due(client, step);
        client_wake(client, &client->purge_wake_ms, step->now.mono_ms + MINUTE_MS, WAKE_PURGE, 0);
    }
    requests_unpark(client, step);
    client_pump(client, step);
}

bool client_ready(const struct client *client) {
    return client_why_not_ready(client) == NULL;
}

void client_pump(struct client *client, struct step *step) {
    if (client->phase != CLIENT_RUNNING || client->current == NULL)
        return;
    for (size_t i = 0; i < client->contacts.count; i++)
        contact_mailbox_ensure(client, step, (struct contact *)client->contacts.items[i]);
    // Backwards: a retired mailbox may go while we look at it.
    for (size_t i = client->mailboxes.count; i-- > 0;)
        own_pump(client, step, (struct own_mailbox *)client->mailboxes.items[i]);
    for (size_t i = 0; i < client->contacts.count; i++)
        outbox_pump(client, step, (struct contact *)client->contacts.items[i]);
}

void client_set_directory(struct client *client, struct step *step, struct directory *current,
                          struct directory *previous) {
    struct directory *old_current = client->current, *old_previous = client->previous;
    client->current = current != NULL ? directory_ref(current) : NULL;
    client->previous = previous != NULL ? directory_ref(previous) : NULL;
    directory_unref(old_current);
    directory_unref(old_previous);
    entries_refresh(client, step);
    client_pump(client, step);
}

void client_link_up(struct client *client, struct step *step, const struct relay_id *entry) {
    bool first = !entries_any_up(client);
    entries_link_up(client, step, entry);
    if (first)
        receive_start(client, step);
    client_pump(client, step);
}

void client_link_down(struct client *client, struct step *step, const struct relay_id *entry) {
    entries_link_down(client, step, entry);
    // What was under way over that link is gone: begin anew where it mattered.
    for (size_t i = 0; i < client->mailboxes.count; i++)
        receive_link_lost(client, step, (struct own_mailbox *)client->mailboxes.items[i]);
    client_pump(client, step);
}

void client_reply(struct client *client, struct step *step, const struct surb_id *surb,
                  uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    if (client->phase == CLIENT_RUNNING && client->current != NULL)
        exchange_reply(client, step, surb, payload);
}

void client_request(struct client *client, struct step *step, const struct client_request *request) {
    requests_handle(client, step, request);
}

void client_request_gone(struct client *client, struct step *step, uint64_t id) {
    (void)step;
    requests_gone(client, id);
}

void client_job_done(struct client *client, struct step *step, struct job *job) {
    jobs_done(client, step, job);
}

static void wake_handle(struct client *client, struct step *step, const struct wake *wake) {
    switch (wake->kind) {
    case WAKE_MAILBOX: {
        struct own_mailbox *own = table_find(&client->mailboxes, wake->number);
        if (own != NULL && wake->at_ms == own->wake_ms) {
            own->wake_ms = TIME_NEVER;
            own_pump(client, step, own);
        }
        return;
    }
    case WAKE_OUTBOX: {
        struct outbox_entry *entry = table_find(&client->outbox, wake->number);
        if (entry != NULL && wake->at_ms == entry->wake_ms) {
            entry->wake_ms = TIME_NEVER;
            outbox_due(client, step, entry);
        }
        return;
    }
    case WAKE_CONTACT: {
        struct contact *contact = table_find(&client->contacts, wake->number);
        if (contact != NULL && wake->at_ms == contact->wake_ms) {
            contact->wake_ms = TIME_NEVER;
            inbox_held_due(client, step, contact);
        }
        return;
    }
    case WAKE_EXCHANGE: {
        struct exchange *exchange = table_find(&client->exchanges, wake->number);
        if (exchange != NULL)
            exchange_due(client, step, exchange);
        return;
    }
    case WAKE_ENTRIES:
        client->entries_wake_ms = TIME_NEVER;
        entries_refresh(client, step);
        client_pump(client, step);
        return;
    case WAKE_PACE:
        client->pace.wake_ms = TIME_NEVER;
        pace_due(client, step);
        return;
    case WAKE_LOOP:
        client->loops.wake_ms = TIME_NEVER;
        loops_due(client, step);
        return;
    case WAKE_PURGE:
        client->purge_wake_ms = TIME_NEVER;
        job_purge_start(step);
        return;
    }
}

void client_tick(struct client *client, struct step *step) {
    struct wake *wake;
    // Bounded, so that other events get their turn whatever is due.
    for (unsigned i = 0; i < WAKES_PER_TICK && client->phase == CLIENT_RUNNING; i++) {
        wake = heap_pop_due(&client->wakes, step->now.mono_ms);
        if (wake == NULL)
            return;
        wake_handle(client, step, wake);
        free(wake);
    }
}

uint64_t client_next_ms(const struct client *client) {
    return client->phase == CLIENT_RUNNING ? heap_next_ms(&client->wakes) : TIME_NEVER;
}
