// What came in: opened, checked, brought into order, committed; then acknowledged and deleted at the replicas.
//
//   item -> seen before? -> open -> who? -> acknowledgement: the outbox settles
//                                        -> contact's text: in order -> message record -> acknowledgement queued
//                                        -> stranger's text: a request, within limits
//
// All of it is one atomic batch: the deletion leaves only when the message is on disk.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"
#include "client/link.h"

#define SEEN_ITEM_MS DAY_MS          // past an item's expiry: no replica serves it any more
#define SEEN_MESSAGE_MS (7 * DAY_MS) // past its item's expiry
#define EXPIRY_SLACK_MS DAY_MS       // of clocks, over the longest lifetime

// ---- texts of contacts

static void deliver(struct client *client, struct step *step, struct contact *contact, const struct message_id *id,
                    uint64_t sequence, struct span text) {
    struct message_record record = {.id = *id,
                                    .cursor = ++client->account.next_cursor,
                                    .incoming = true,
                                    .state = MESSAGE_RECEIVED,
                                    .sequence = sequence,
                                    .wall_ms = step->now.wall_ms,
                                    .mono_ms = step->now.mono_ms,
                                    .stored_ms = -1,
                                    .acknowledged_ms = -1};
    memcpy(record.contact, contact->state.name, sizeof(record.contact));
    buf_append(&record.text, text);
    store_account(step, &client->account);
    store_message(step, &record);
    store_lookup(step, true, id, &(struct lookup_state){.cursor = record.cursor});
    metric_add(step->env->metrics, METRIC_CLIENT_RECEIVED, 1);
    client_note_message(client, step, &record);
    buf_wipe(&record.text);
}

static void held_deliver_first(struct client *client, struct step *step, struct contact *contact) {
    struct held_state state;
    struct buf value = {0};
    uint64_t sequence = contact->held[0].sequence;
    if (find_held(step, contact->state.number, sequence, &state, &value) == OK)
        deliver(client, step, contact, &state.id, sequence, state.text);
    buf_wipe(&value);
    forget_held(step, contact->state.number, sequence);
    contact->held_count--;
    memmove(contact->held, contact->held + 1, contact->held_count * sizeof(contact->held[0]));
    if (contact->state.next_in <= sequence)
        contact->state.next_in = sequence + 1;
}

// Those that need not wait any longer: below the floor, or next in line.
static void held_release(struct client *client, struct step *step, struct contact *contact) {
    while (contact->held_count > 0) {
        uint64_t sequence = contact->held[0].sequence;
        bool expired = contact->held[0].expiry_ms <= step->now.wall_ms;
        bool due = sequence < contact->state.floor_in || sequence <= contact->state.next_in;
        if (!due && !expired && contact->held_count <= HELD_MAX)
            break;
        held_deliver_first(client, step, contact);
    }
    if (contact->state.next_in < contact->state.floor_in)
        contact->state.next_in = contact->state.floor_in;
}

static void held_schedule(struct client *client, struct step *step, struct contact *contact) {
    if (contact->held_count > 0)
        client_wake(client, &contact->wake_ms, client_mono_of(step, contact->held[0].expiry_ms), WAKE_CONTACT,
                    contact->state.number);
}

// What was sent before a held message has expired: the gap will never be filled.
void inbox_held_due(struct client *client, struct step *step, struct contact *contact) {
    held_release(client, step, contact);
    store_contact(step, &contact->state);
    held_schedule(client, step, contact);
}

static void hold(struct client *client, struct step *step, struct contact *contact, const struct held_state *state) {
    size_t at = contact->held_count;
    while (at > 0 && contact->held[at - 1].sequence > state->sequence)
        at--;
    if (at > 0 && contact->held[at - 1].sequence == state->sequence)
        return; // two texts with one number: the sender's fault, and the first stands
    memmove(contact->held + at + 1, contact->held + at, (contact->held_count - at) * sizeof(contact->held[0]));
    contact->held[at] = (struct held){state->sequence, state->expiry_ms};
    contact->held_count++;
    store_held(step, state);
    held_release(client, step, contact);
    held_schedule(client, step, contact);
}

static void stream_begin(struct client *client, struct step *step, struct contact *contact, uint64_t stream,
                         uint64_t floor) {
    while (contact->held_count > 0)
        held_deliver_first(client, step, contact);
    contact->state.stream_in = stream;
    contact->state.next_in = contact->state.floor_in = floor;
}

struct text_in {
    struct message_id id;
    uint64_t stream, sequence, floor;
    uint64_t expiry_ms;     // of its item
    uint64_t gap_expiry_ms; // of what may be missing before it
    struct span text;
};

// In order per sender. A message below the sender's floor was given up there and is not shown; one that we stopped
// waiting for comes late rather than never.
static void text_in_order(struct client *client, struct step *step, struct contact *contact, const struct text_in *in) {
    struct contact_state *state = &contact->state;
    if (in->stream > state->stream_in)
        stream_begin(client, step, contact, in->stream, in->floor);
    if (in->stream < state->stream_in) {
        metric_add(step->env->metrics, METRIC_CLIENT_LATE, 1);
        deliver(client, step, contact, &in->id, in->sequence, in->text);
        return;
    }
    if (in->floor > state->floor_in) {
        state->floor_in = in->floor;
        held_release(client, step, contact);
    }
    if (in->sequence < state->floor_in) {
        metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_SETTLED, 1);
    } else if (in->sequence < state->next_in) {
        metric_add(step->env->metrics, METRIC_CLIENT_LATE, 1);
        deliver(client, step, contact, &in->id, in->sequence, in->text);
    } else if (in->sequence == state->next_in) {
        deliver(client, step, contact, &in->id, in->sequence, in->text);
        state->next_in++;
        held_release(client, step, contact);
    } else {
        uint64_t wait_ms = in->gap_expiry_ms < in->expiry_ms ? in->gap_expiry_ms : in->expiry_ms;
        struct held_state held = {state->number, in->sequence, wait_ms, in->id, in->text};
        hold(client, step, contact, &held);
    }
}

static void text_take(struct client *client, struct step *step, struct contact *contact, const struct text_in *in) {
    if (seen_message(step, contact->state.number, &in->id)) {
        metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_DUPLICATE, 1);
    } else {
        store_seen_message(step, contact->state.number, &in->id, in->expiry_ms + SEEN_MESSAGE_MS);
        text_in_order(client, step, contact, in);
        contact->state.active_ms = step->now.wall_ms;
        store_contact(step, &contact->state);
    }
    outbox_ack(client, step, contact, &in->id);
}

static void ack_take(struct client *client, struct step *step, struct contact *contact, struct span ids) {
    for (size_t i = 0; i + 16 <= ids.n; i += 16) {
        struct message_id id;
        memcpy(id.bytes, ids.p + i, 16);
        outbox_acknowledged(client, step, contact, &id);
    }
}

// ---- strangers

void request_record_fill(struct request_record *out, const struct client *client, const struct request_state *state) {
    memset(out, 0, sizeof(*out));
    out->number = state->number;
    out->wall_ms = state->wall_ms;
    link_format(out->link, &state->card, &client->config.genesis->network);
    buf_append(&out->text, state->text);
}

void request_drop(struct client *client, struct step *step, struct request_entry *request) {
    forget_request(step, request->state.number);
    table_remove(&client->requests, request->state.number);
    free((void *)(uintptr_t)request->state.text.p);
    free(request);
}

static bool request_fits(const struct client *client, const struct letter *letter) {
    size_t same = 0;
    for (size_t i = 0; i < client->requests.count; i++) {
        const struct request_entry *request = (const struct request_entry *)client->requests.items[i];
        if (memcmp(request->state.id.bytes, letter->id.bytes, 16) == 0)
            return false; // once is enough
        same += memcmp(request->state.card.dh.bytes, letter->card.dh.bytes, 32) == 0;
    }
    return same < REQUESTS_PER_KEY_MAX && client->requests.count < REQUESTS_MAX;
}

static void stranger_take(struct client *client, struct step *step, const struct letter *letter, uint64_t expiry_ms) {
    if (letter->kind != LETTER_TEXT || !request_fits(client, letter)) {
        metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_STRANGER, 1);
        return;
    }
    struct request_entry *request = NEW(struct request_entry);
    request->state = (struct request_state){.number = client_number(client, step),
                                            .card = letter->card,
                                            .reply_mailbox = letter->reply_mailbox,
                                            .reply_token = letter->reply_token,
                                            .reply_version = letter->reply_version,
                                            .id = letter->id,
                                            .stream = letter->stream,
                                            .sequence = letter->sequence,
                                            .floor = letter->floor,
                                            .wall_ms = step->now.wall_ms,
                                            .expiry_ms = expiry_ms,
                                            .gap_expiry_ms = letter->gap_expiry_ms,
                                            .text = letter->text};
    request->state.text.p = mem_copy(letter->text);
    table_add(&client->requests, &request->state.number);
    store_request(step, &request->state);
    metric_add(step->env->metrics, METRIC_CLIENT_REQUESTS, 1);
    struct request_record record;
    request_record_fill(&record, client, &request->state);
    client_note_request(client, step, &record);
    buf_wipe(&record.text);
}

void inbox_request_accepted(struct client *client, struct step *step, struct contact *contact,
                            const struct request_state *request) {
    struct text_in in = {request->id,        request->stream,        request->sequence, request->floor,
                         request->expiry_ms, request->gap_expiry_ms, request->text};
    contact_learn(client, step, contact, &request->reply_mailbox, &request->reply_token, request->reply_version);
    text_take(client, step, contact, &in);
}

// ---- items

// The mailbox says who may write there: anybody into that for requests, one contact into each of the others.
static void letter_take(struct client *client, struct step *step, struct own_mailbox *own, const struct letter *letter,
                        uint64_t expiry_ms) {
    struct contact *contact = contact_by_dh(client, &letter->card.dh);
    if (own->state.contact != 0 && (contact == NULL || contact->state.number != own->state.contact)) {
        metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_FOREIGN, 1);
        return;
    }
    if (contact == NULL) {
        stranger_take(client, step, letter, expiry_ms);
        return;
    }
    if (contact->state.blocked) {
        metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_BLOCKED, 1);
        return;
    }
    contact_learn(client, step, contact, &letter->reply_mailbox, &letter->reply_token, letter->reply_version);
    if (letter->kind == LETTER_ACK) {
        ack_take(client, step, contact, letter->text);
        return;
    }
    struct text_in in = {letter->id, letter->stream,        letter->sequence, letter->floor,
                         expiry_ms,  letter->gap_expiry_ms, letter->text};
    text_take(client, step, contact, &in);
}

bool inbox_item(struct client *client, struct step *step, struct own_mailbox *own, uint64_t expiry_ms,
                const uint8_t item[static ITEM_BYTES]) {
    struct delete_state gone = {.mailbox = own->state.number, .expiry_ms = expiry_ms};
    struct item_place place = {&client->config.genesis->network, &own->id, expiry_ms};
    uint8_t plain[LETTER_BYTES];
    struct letter letter = {0};
    item_hash_of(&gone.item, place.network, place.mailbox, expiry_ms, item);
    if (expiry_ms <= step->now.wall_ms) {
        metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_EXPIRED, 1);
        return true;
    }
    // A replica's invention: nobody stores anything for so long. Nothing is written down for it, as it would stay.
    if (expiry_ms - step->now.wall_ms > client->config.genesis->item_lifetime_ms + EXPIRY_SLACK_MS) {
        metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_UNDECRYPTABLE, 1);
        return true;
    }
    bool opened = seal_open(&letter, plain, item, &client->dh, &place) == OK;
    if (opened)
        memcpy(gone.secret, letter.secret, sizeof(gone.secret));
    bool room = outbox_has_room_for_ack(client) && own_delete(step, own, &gone);
    if (room && seen_item(step, &gone.item)) {
        metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_DUPLICATE, 1);
    } else if (room) {
        store_seen_item(step, &gone.item, expiry_ms + SEEN_ITEM_MS);
        if (opened)
            letter_take(client, step, own, &letter, expiry_ms);
        else
            metric_add(step->env->metrics, METRIC_CLIENT_DROPPED_UNDECRYPTABLE, 1);
    }
    wipe(plain, sizeof(plain));
    wipe(&gone, sizeof(gone));
    return room;
}
