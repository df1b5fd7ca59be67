// What must reach somebody: texts until they are acknowledged, acknowledgements until they are stored.
//
//   WAITING --(window, reply mailbox known to its replicas)--> SEALED --(q receipts)--> STORED --(ack)--> gone
//      |                                                         ^--(another mailbox)---'  |
//      '------------------------------ expiry: shown as expired ---------------------------'
//
// The bytes of an item are final once sealed: every retry sends the same, on a new route, to the next replica; unless
// the recipient has named another mailbox meanwhile, or our clock was so far ahead that no replica takes the item.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"
#include "client/link.h"

// So long may the acknowledgement of what a former mailbox has stored still be under way.
#define FORMER_MS MINUTE_MS

// ---- the lists

// In order, into those not yet stored.
static void pending_link(struct outbox_entry *entry) {
    struct contact *contact = entry->contact;
    struct outbox_entry *before = entry->previous;
    while (before != NULL && before->state.phase == OUTBOX_STORED)
        before = before->previous;
    struct outbox_entry **place = before != NULL ? &before->pending_next : &contact->pending_first;
    entry->pending_previous = before;
    entry->pending_next = *place;
    *(*place != NULL ? &(*place)->pending_previous : &contact->pending_last) = entry;
    *place = entry;
}

static void entry_link(struct client *client, struct outbox_entry *entry) {
    struct contact *contact = entry->contact;
    entry->previous = contact->last;
    *(contact->last != NULL ? &contact->last->next : &contact->first) = entry;
    contact->last = entry;
    if (entry->state.phase != OUTBOX_STORED)
        pending_link(entry);
    bool text = entry->state.kind == LETTER_TEXT;
    contact->sealed += entry->state.phase == OUTBOX_SEALED;
    contact->acks_out += !text && entry->state.phase == OUTBOX_SEALED;
    contact->texts += text;
    contact->texts_out += text && entry->state.phase != OUTBOX_WAITING;
    *(text ? &client->texts : &client->acks) += 1;
    table_add(&client->outbox, &entry->state.number);
}

static void pending_unlink(struct outbox_entry *entry) {
    struct contact *contact = entry->contact;
    struct outbox_entry *next = entry->pending_next, *previous = entry->pending_previous;
    *(previous != NULL ? &previous->pending_next : &contact->pending_first) = next;
    *(next != NULL ? &next->pending_previous : &contact->pending_last) = previous;
    entry->pending_next = entry->pending_previous = NULL;
}

static void phase_set(struct outbox_entry *entry, enum outbox_phase phase) {
    struct contact *contact = entry->contact;
    ASSERT(phase > entry->state.phase);
    contact->sealed -= entry->state.phase == OUTBOX_SEALED;
    contact->sealed += phase == OUTBOX_SEALED;
    contact->acks_out += phase == OUTBOX_SEALED && entry->state.kind == LETTER_ACK;
    if (entry->state.kind == LETTER_TEXT && entry->state.phase == OUTBOX_WAITING)
        contact->texts_out++;
    if (contact->gathering == entry)
        contact->gathering = NULL;
    if (phase == OUTBOX_STORED)
        pending_unlink(entry);
    entry->state.phase = phase;
}

void outbox_entry_free(struct outbox_entry *entry) {
    wipe(&entry->state, sizeof(entry->state));
    free(entry);
}

static void entry_remove(struct client *client, struct step *step, struct outbox_entry *entry) {
    struct contact *contact = entry->contact;
    bool text = entry->state.kind == LETTER_TEXT;
    if (contact->gathering == entry)
        contact->gathering = NULL;
    if (entry->state.phase != OUTBOX_STORED)
        pending_unlink(entry);
    *(entry->previous != NULL ? &entry->previous->next : &contact->first) = entry->next;
    *(entry->next != NULL ? &entry->next->previous : &contact->last) = entry->previous;
    contact->sealed -= entry->state.phase == OUTBOX_SEALED;
    contact->acks_out -= !text && entry->state.phase == OUTBOX_SEALED;
    contact->texts -= text;
    contact->texts_out -= text && entry->state.phase != OUTBOX_WAITING;
    *(text ? &client->texts : &client->acks) -= 1;
    table_remove(&client->outbox, entry->state.number);
    forget_outbox(step, entry->state.number);
    outbox_entry_free(entry);
    metric_set(step->env->metrics, METRIC_CLIENT_OUTBOX, (int64_t)client->outbox.count);
}

// Sealed for a mailbox other than the one that the contact has named last.
static bool is_misdirected(const struct outbox_entry *entry) {
    const struct contact_state *contact = &entry->contact->state;
    return entry->state.phase != OUTBOX_WAITING && contact->established &&
           !mailbox_id_equal(&entry->state.mailbox, &contact->peer_mailbox);
}

static void entry_schedule(struct client *client, struct step *step, struct outbox_entry *entry) {
    uint64_t at_ms = client_mono_of(step, entry->state.expiry_ms);
    // What is due already waits for a link, not for time.
    bool again = entry->state.phase == OUTBOX_SEALED ? !entry->stamping : is_misdirected(entry);
    bool later = again && entry->next_ms > step->now.mono_ms;
    if (later && entry->next_ms < at_ms)
        at_ms = entry->next_ms;
    client_wake(client, &entry->wake_ms, at_ms, WAKE_OUTBOX, entry->state.number);
}

static struct outbox_entry *entry_new(struct client *client, struct step *step, struct contact *contact,
                                      const struct outbox_state *state) {
    struct outbox_entry *entry = NEW(struct outbox_entry);
    entry->state = *state;
    entry->contact = contact;
    entry->wake_ms = entry->began_ms = TIME_NEVER;
    if (state->phase == OUTBOX_STORED)
        entry->next_ms = step->now.mono_ms + FORMER_MS;
    entry_link(client, entry);
    entry_schedule(client, step, entry);
    metric_set(step->env->metrics, METRIC_CLIENT_OUTBOX, (int64_t)client->outbox.count);
    return entry;
}

void outbox_take(struct client *client, struct step *step, const struct outbox_state *state) {
    struct contact *contact = table_find(&client->contacts, state->contact);
    if (contact != NULL)
        entry_new(client, step, contact, state);
}

// ---- the record that the user sees

// `cursor` 0: an acknowledgement, which has none.
static void record_change(struct client *client, struct step *step, uint64_t cursor,
                          const struct message_record *change, enum reason reason) {
    struct message_record record;
    if (cursor == 0 || find_message(step, cursor, &record) != OK)
        return;
    record.reason = reason_text(reason);
    if (change != NULL) {
        record.state = change->state;
        if (change->stored_ms >= 0)
            record.stored_ms = change->stored_ms;
        if (change->acknowledged_ms >= 0)
            record.acknowledged_ms = change->acknowledged_ms;
        if (change->route_count > 0) {
            record.route_count = change->route_count;
            record.replica_count = change->replica_count;
            memcpy(record.route, change->route, sizeof(record.route));
            memcpy(record.replicas, change->replicas, sizeof(record.replicas));
        }
    }
    store_message(step, &record);
    client_note_message(client, step, &record);
    buf_wipe(&record.text);
}

static void reason_set(struct client *client, struct step *step, struct outbox_entry *entry, enum reason reason) {
    if (entry->reason == reason)
        return;
    entry->reason = reason;
    record_change(client, step, entry->state.cursor, NULL, reason);
}

static void state_set(struct client *client, struct step *step, struct outbox_entry *entry, enum message_state state,
                      enum reason reason) {
    struct message_record change = {.state = state, .stored_ms = -1, .acknowledged_ms = -1};
    if (state == MESSAGE_ACKNOWLEDGED && entry->began_ms != TIME_NEVER)
        change.acknowledged_ms = (int64_t)(step->now.mono_ms - entry->began_ms);
    if (state == MESSAGE_ACKNOWLEDGED && entry->state.phase == OUTBOX_SEALED) {
        change.route_count = entry->route_count;
        memcpy(change.route, entry->route, sizeof(change.route));
    }
    record_change(client, step, entry->state.cursor, &change, reason);
}

// ---- sealing

// A little below the longest lifetime that relays accept, so that a clock slightly ahead does no harm.
static uint64_t expiry_from(const struct client *client, const struct step *step) {
    uint64_t lifetime_ms = client->config.genesis->item_lifetime_ms;
    uint64_t slack_ms = lifetime_ms / 10 < 5 * MINUTE_MS ? lifetime_ms / 10 : 5 * MINUTE_MS;
    uint64_t expiry_ms = step->now.wall_ms + lifetime_ms - slack_ms;
    return expiry_ms - expiry_ms % SECOND_MS; // no finer than needed: replicas see it
}

// No replica takes what is to live for so long: our clock was ahead when this was written.
static bool outlives(const struct client *client, const struct step *step, const struct outbox_entry *entry) {
    return entry->state.expiry_ms > step->now.wall_ms + client->config.genesis->item_lifetime_ms;
}

// The lowest of our sequences to this contact that is not settled.
static uint64_t floor_of(const struct contact *contact) {
    for (const struct outbox_entry *entry = contact->first; entry != NULL; entry = entry->next)
        if (entry->state.kind == LETTER_TEXT)
            return entry->state.sequence;
    return contact->state.next_out;
}

static bool seal_allowed(struct client *client, struct step *step, struct outbox_entry *entry) {
    struct contact *contact = entry->contact;
    struct own_mailbox *own = table_find(&client->mailboxes, contact->state.mailbox);
    if (own == NULL || !own->state.ready)
        return false;
    if (entry->state.kind == LETTER_ACK)
        return contact->acks_out < ACKS_OUT_MAX;
    if (!contact->state.established && contact->texts_out >= REQUESTS_PER_KEY_MAX) {
        reason_set(client, step, entry, REASON_UNACCEPTED);
        return false;
    }
    // What overtakes a text that is stuck must be held there, and no more than that is.
    if (entry->state.sequence - floor_of(contact) >= HELD_MAX)
        return false;
    return contact->sealed - contact->acks_out < WINDOW;
}

// When the last of the texts before this one that are not settled will have expired.
static uint64_t gap_expiry_of(const struct outbox_entry *entry) {
    uint64_t expiry_ms = 0;
    for (const struct outbox_entry *before = entry->previous; before != NULL; before = before->previous)
        if (before->state.kind == LETTER_TEXT && before->state.expiry_ms > expiry_ms)
            expiry_ms = before->state.expiry_ms;
    return expiry_ms;
}

static void letter_fill(struct client *client, struct step *step, struct letter *letter,
                        const struct outbox_entry *entry, const struct own_mailbox *own) {
    const struct contact_state *contact = &entry->contact->state;
    *letter = (struct letter){.kind = entry->state.kind,
                              .id = entry->state.id,
                              .card = client->card,
                              .reply_mailbox = own->id,
                              .reply_token = own->token,
                              .reply_version = own->state.created_ms};
    rng_bytes(&step->env->rng, letter->secret, sizeof(letter->secret));
    if (letter->kind == LETTER_TEXT) {
        letter->stream = contact->stream_out;
        letter->sequence = entry->state.sequence;
        letter->floor = floor_of(entry->contact);
        letter->gap_expiry_ms = gap_expiry_of(entry);
    }
}

static void destination_set(struct outbox_state *state, const struct contact_state *contact) {
    state->mailbox = contact->established ? contact->peer_mailbox : contact->card.mailbox;
    memset(&state->token, 0, sizeof(state->token));
    if (contact->established)
        state->token = contact->peer_token;
}

// For the mailbox that the contact has named last.
static bool item_make(struct client *client, struct step *step, struct outbox_entry *entry) {
    struct own_mailbox *own = table_find(&client->mailboxes, entry->contact->state.mailbox);
    struct letter letter;
    struct message_record record = {0};
    uint8_t item[ITEM_BYTES];
    if (outlives(client, step, entry))
        entry->state.expiry_ms = expiry_from(client, step);
    entry->state.stamped = false;
    letter_fill(client, step, &letter, entry, own);
    if (letter.kind == LETTER_ACK)
        letter.text = span_of(entry->state.acks, entry->state.ack_count * sizeof(entry->state.acks[0]));
    else if (find_message(step, entry->state.cursor, &record) == OK)
        letter.text = buf_span(&record.text);
    destination_set(&entry->state, &entry->contact->state);
    struct item_place place = {&client->config.genesis->network, &entry->state.mailbox, entry->state.expiry_ms};
    enum err err =
        seal_item(item, &letter, &client->proof, &client->dh, &entry->contact->state.card.dh, &place, &step->env->rng);
    if (err == OK)
        store_item(step, entry->state.number, item);
    buf_wipe(&record.text);
    wipe(&letter, sizeof(letter));
    return err == OK;
}

static bool entry_seal(struct client *client, struct step *step, struct outbox_entry *entry) {
    if (!item_make(client, step, entry))
        return false;
    phase_set(entry, OUTBOX_SEALED);
    entry->next_ms = step->now.mono_ms;
    entry->turn = (unsigned)rng_below(&step->env->rng, client->config.genesis->replicas);
    store_outbox(step, &entry->state);
    return true;
}

// Twice on its way under one message id, at worst; it is shown once.
static bool entry_seal_anew(struct client *client, struct step *step, struct outbox_entry *entry) {
    const struct own_mailbox *own = table_find(&client->mailboxes, entry->contact->state.mailbox);
    if (own == NULL || !own->state.ready || !item_make(client, step, entry))
        return false;
    entry->attempts = 0;
    return true;
}

// Stored, but where the contact reads no more, or had no room for a stranger, or refused it: what comes later would
// wait for it there.
static void entry_reopen(struct client *client, struct step *step, struct outbox_entry *entry) {
    entry->next_ms = step->now.mono_ms + client_retry_ms(0);
    if (!entry_seal_anew(client, step, entry))
        return;
    entry->next_ms = step->now.mono_ms;
    entry->state.phase = OUTBOX_SEALED;
    entry->contact->sealed++;
    pending_link(entry);
    store_outbox(step, &entry->state);
}

void outbox_moved(struct client *client, struct step *step, struct contact *contact) {
    for (struct outbox_entry *entry = contact->first; entry != NULL; entry = entry->next) {
        if (is_misdirected(entry) && entry->state.phase == OUTBOX_STORED) {
            entry->next_ms = step->now.mono_ms + FORMER_MS;
            entry_schedule(client, step, entry);
        } else if (is_misdirected(entry) && entry->attempts > 1) {
            entry->next_ms = step->now.mono_ms;
        }
    }
    outbox_pump(client, step, contact);
}

// ---- sending

static bool stamp_ready(struct client *client, struct step *step, struct outbox_entry *entry,
                        const uint8_t item[static ITEM_BYTES]) {
    if (!token_is_stranger(&entry->state.token))
        return true;
    unsigned bits = client->current->stamp_bits;
    if (bits < entry->state.stamp_bits)
        bits = entry->state.stamp_bits;
    if (bits == 0 || (entry->state.stamped && entry->state.stamp_bits >= bits))
        return true;
    if (bits > STAMP_WORK_MAX) {
        reason_set(client, step, entry, REASON_STAMP);
        entry->next_ms = step->now.mono_ms + RETRY_MAX_MS;
        return false;
    }
    entry->stamping = true;
    job_stamp_start(client, step, entry, item, bits);
    return false;
}

void outbox_stamped(struct client *client, struct step *step, uint64_t number, unsigned bits, uint64_t stamp) {
    struct outbox_entry *entry = table_find(&client->outbox, number);
    if (entry == NULL || entry->state.phase != OUTBOX_SEALED || !entry->stamping)
        return;
    entry->stamping = false;
    entry->state.stamped = true;
    entry->state.stamp_bits = (uint8_t)bits;
    entry->state.stamp = stamp;
    entry->next_ms = step->now.mono_ms;
    store_outbox(step, &entry->state);
    outbox_pump(client, step, entry->contact);
}

// Replicas in turn: those proper first, then, every so many attempts, those that may stand in.
static size_t replicas_in_turn(const struct client *client, const struct outbox_entry *entry,
                               struct relay_id order[static PLACEMENT_RANKS],
                               struct relay_id proper[static PLACEMENT_RANKS], size_t *k) {
    size_t all = path_replicas(client, proper, k, &entry->state.mailbox);
    size_t n = entry->attempts % (PLACEMENT_RANKS + 1) < *k ? *k : all;
    for (size_t i = 0; i < n; i++)
        order[i] = proper[(i + entry->turn + entry->attempts) % n];
    return n;
}

static void entry_send(struct client *client, struct step *step, struct outbox_entry *entry) {
    uint8_t item[ITEM_BYTES];
    struct relay_id order[PLACEMENT_RANKS], proper[PLACEMENT_RANKS];
    struct path_plan plan;
    struct path_aim aim = {.candidates = order, .replicas = proper};
    bool anew = (entry->attempts > 0 && is_misdirected(entry)) || outlives(client, step, entry);
    if (anew && entry_seal_anew(client, step, entry))
        store_outbox(step, &entry->state);
    if (find_item(step, entry->state.number, item) != OK) {
        client_break(client, step, ERR_CORRUPT, "the database is damaged: an outgoing message is missing");
        return;
    }
    if (!stamp_ready(client, step, entry, item))
        return;
    aim.candidate_count = replicas_in_turn(client, entry, order, proper, &aim.replica_count);
    entry->next_ms = step->now.mono_ms + client_retry_ms(entry->attempts);
    if (!path_plan(client, step, &plan, &aim)) {
        reason_set(client, step, entry, REASON_NO_ROUTE);
        return;
    }
    struct op op = {.kind = OP_STORE,
                    .mailbox = entry->state.mailbox,
                    .expiry_ms = entry->state.expiry_ms,
                    .token = entry->state.token,
                    .stamp = entry->state.stamp,
                    .item = item};
    // An answer that comes after the next attempt still counts.
    uint64_t lifetime_ms = 2 * RETRY_MAX_MS;
    const struct exchange *exchange =
        path_send(client, step, &plan, EXCHANGE_STORE, entry->state.number, &op, NULL, lifetime_ms);
    if (exchange == NULL)
        return;
    entry->route_count = exchange->route_count;
    memcpy(entry->route, exchange->route, sizeof(entry->route));
    if (entry->attempts > 0)
        metric_add(step->env->metrics, METRIC_CLIENT_RETRIES, 1);
    entry->attempts++;
}

static void entry_expire(struct client *client, struct step *step, struct outbox_entry *entry) {
    metric_add(step->env->metrics, METRIC_CLIENT_EXPIRED, 1);
    bool stored = entry->state.phase == OUTBOX_STORED;
    enum reason why = stored                               ? REASON_UNACKNOWLEDGED
                      : entry->reason == REASON_UNACCEPTED ? REASON_UNACCEPTED
                                                           : REASON_UNSENT;
    state_set(client, step, entry, MESSAGE_EXPIRED, why);
    entry_remove(client, step, entry);
}

void outbox_due(struct client *client, struct step *step, struct outbox_entry *entry) {
    struct contact *contact = entry->contact;
    bool former = entry->state.phase == OUTBOX_STORED && is_misdirected(entry);
    if (entry->state.expiry_ms <= step->now.wall_ms) {
        entry_expire(client, step, entry);
    } else {
        if (former && step->now.mono_ms >= entry->next_ms)
            entry_reopen(client, step, entry);
        entry_schedule(client, step, entry); // its clock may have been set back
    }
    outbox_pump(client, step, contact);
}

void outbox_pump(struct client *client, struct step *step, struct contact *contact) {
    bool open = path_open(client);
    bool may_seal[] = {[LETTER_TEXT] = open, [LETTER_ACK] = open};
    for (struct outbox_entry *entry = contact->pending_first, *next; entry != NULL; entry = next) {
        next = entry->pending_next;
        bool *may = &may_seal[entry->state.kind];
        if (entry->state.phase == OUTBOX_WAITING && *may)
            *may = seal_allowed(client, step, entry) && entry_seal(client, step, entry);
        if (open && entry->state.phase == OUTBOX_SEALED && !entry->stamping && step->now.mono_ms >= entry->next_ms)
            entry_send(client, step, entry);
        if (open)
            entry_schedule(client, step, entry);
        if (!may_seal[LETTER_TEXT] && !may_seal[LETTER_ACK] && entry->state.phase == OUTBOX_WAITING)
            break;
    }
}

// ---- what comes back

static enum reason reason_of_status(enum op_status status) {
    switch (status) {
    case OP_MAILBOX_FULL:
        return REASON_MAILBOX_FULL;
    case OP_RELAY_FULL:
        return REASON_RELAY_FULL;
    case OP_REFUSED:
        return REASON_REFUSED;
    case OP_NO_QUORUM:
        return REASON_NO_QUORUM;
    case OP_EXPIRY:
    case OP_BAD_TIME:
        return REASON_CLOCK;
    case OP_OK:
    case OP_WRONG_EPOCH:
    case OP_NOT_REPLICA:
    case OP_SEEN:
    case OP_STAMP:
    case OP_LIMIT:
        break;
    }
    return REASON_NO_RECEIPT;
}

// What receipts that hold tell about a message that was begun at that time.
static struct message_record stored_change(struct step *step, enum message_state state, uint64_t began_ms,
                                           const struct exchange *exchange, const struct reply *reply) {
    struct message_record change = {.state = state, .stored_ms = -1, .acknowledged_ms = -1};
    if (began_ms != TIME_NEVER) {
        change.stored_ms = (int64_t)(step->now.mono_ms - began_ms);
        metric_record_us(step->env->metrics, METRIC_CLIENT_STORED_SECONDS, (uint64_t)change.stored_ms * 1000);
    }
    change.route_count = exchange->route_count;
    memcpy(change.route, exchange->route, sizeof(change.route));
    change.replica_count = reply->receipt_count;
    for (size_t i = 0; i < reply->receipt_count; i++)
        change.replicas[i] = reply->set.relays[reply->receipts[i].index];
    metric_add(step->env->metrics, METRIC_CLIENT_STORED, 1);
    return change;
}

static void entry_stored(struct client *client, struct step *step, struct outbox_entry *entry,
                         const struct exchange *exchange, const struct reply *reply) {
    struct message_record change = stored_change(step, MESSAGE_STORED, entry->began_ms, exchange, reply);
    if (entry->state.kind == LETTER_ACK) {
        entry_remove(client, step, entry);
        return;
    }
    entry->reason = REASON_NONE;
    entry->next_ms = step->now.mono_ms + FORMER_MS;
    phase_set(entry, OUTBOX_STORED);
    store_outbox(step, &entry->state);
    record_change(client, step, entry->state.cursor, &change, REASON_NONE);
    entry_schedule(client, step, entry);
}

// The directory that the receipts' ranks are from.
static const struct directory *directory_of(const struct client *client, uint32_t epoch) {
    if (client->previous != NULL && client->previous->epoch == epoch)
        return client->previous;
    return client->current;
}

static bool receipts_hold(const struct client *client, const struct mailbox_id *mailbox, uint64_t expiry_ms,
                          const uint8_t item[static ITEM_BYTES], const struct reply *reply) {
    const struct genesis *genesis = client->config.genesis;
    const struct directory *directory = directory_of(client, reply->set.epoch);
    return receipts_valid(reply, directory, genesis, mailbox, item, expiry_ms) >= genesis->quorum;
}

static bool entry_receipts_hold(const struct client *client, struct step *step, const struct outbox_entry *entry,
                                const struct reply *reply) {
    uint8_t item[ITEM_BYTES];
    return find_item(step, entry->state.number, item) == OK &&
           receipts_hold(client, &entry->state.mailbox, entry->state.expiry_ms, item, reply);
}

static void entry_refused(struct client *client, struct step *step, struct outbox_entry *entry,
                          const struct reply *reply) {
    metric_add(step->env->metrics, METRIC_CLIENT_OP_REFUSED, 1);
    // One replica's word: more than the directory asks for is done, but not what would keep us from asking the others.
    bool more = reply->stamp_bits > entry->state.stamp_bits && reply->stamp_bits <= STAMP_WORK_MAX;
    if (reply->status == OP_STAMP && more) {
        entry->state.stamp_bits = reply->stamp_bits;
        entry->state.stamped = false;
        entry->next_ms = step->now.mono_ms;
        return;
    }
    reason_set(client, step, entry, reason_of_status(reply->status));
}

// ---- an acknowledgement that overtakes the receipts

void outbox_late_release(struct client *client, struct exchange *exchange) {
    struct late_text *late = exchange->late;
    exchange->late = NULL;
    if (late == NULL || --late->exchanges > 0)
        return;
    free(late);
    client->late_texts--;
}

static void late_share(struct late_text *late, struct exchange *exchange) {
    exchange->late = late;
    late->exchanges++;
}

// The entry goes; what its attempts under way need to judge receipts stays with them.
static void late_expect(struct client *client, struct step *step, const struct outbox_entry *entry) {
    uint8_t item[ITEM_BYTES];
    struct late_text *late = NULL;
    if (client->late_texts >= LATE_TEXTS_MAX || find_item(step, entry->state.number, item) != OK)
        return;
    for (size_t i = 0; i < client->exchanges.count; i++) {
        struct exchange *exchange = (struct exchange *)client->exchanges.items[i];
        if (exchange->kind != EXCHANGE_STORE || exchange->target != entry->state.number)
            continue;
        if (late == NULL) {
            late = NEW(struct late_text);
            *late = (struct late_text){.cursor = entry->state.cursor,
                                       .began_ms = entry->began_ms,
                                       .mailbox = entry->state.mailbox,
                                       .expiry_ms = entry->state.expiry_ms};
            memcpy(late->item, item, sizeof(late->item));
            client->late_texts++;
        }
        late_share(late, exchange);
    }
}

// Once is enough: the other attempts have nothing to add.
static void late_settle(struct client *client, const struct late_text *late) {
    for (size_t i = 0, left = late->exchanges; left > 0; i++) {
        struct exchange *exchange = (struct exchange *)client->exchanges.items[i];
        if (exchange->late == late) {
            outbox_late_release(client, exchange);
            left--;
        }
    }
}

static void late_reply(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply) {
    const struct late_text *late = exchange->late;
    if (reply->status != OP_OK) {
        metric_add(step->env->metrics, METRIC_CLIENT_OP_REFUSED, 1);
        return;
    }
    if (!receipts_hold(client, &late->mailbox, late->expiry_ms, late->item, reply)) {
        metric_add(step->env->metrics, METRIC_CLIENT_RECEIPTS_BAD, 1);
        return;
    }
    struct message_record change = stored_change(step, MESSAGE_ACKNOWLEDGED, late->began_ms, exchange, reply);
    record_change(client, step, late->cursor, &change, REASON_NONE);
    late_settle(client, late);
}

// ---- replies and acknowledgements

void outbox_reply(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply) {
    if (exchange->late != NULL) {
        late_reply(client, step, exchange, reply);
        return;
    }
    struct outbox_entry *entry = table_find(&client->outbox, exchange->target);
    if (entry == NULL || entry->state.phase != OUTBOX_SEALED)
        return;
    struct contact *contact = entry->contact;
    if (reply->status != OP_OK)
        entry_refused(client, step, entry, reply);
    else if (entry_receipts_hold(client, step, entry, reply))
        entry_stored(client, step, entry, exchange, reply);
    else
        metric_add(step->env->metrics, METRIC_CLIENT_RECEIPTS_BAD, 1);
    outbox_pump(client, step, contact);
}

void outbox_acknowledged(struct client *client, struct step *step, struct contact *contact,
                         const struct message_id *id) {
    struct lookup_state lookup;
    if (find_lookup(step, false, id, &lookup) != OK)
        return;
    struct outbox_entry *entry = table_find(&client->outbox, lookup.outbox);
    if (entry == NULL || entry->contact != contact || entry->state.phase == OUTBOX_WAITING)
        return;
    if (entry->began_ms != TIME_NEVER)
        metric_record_us(step->env->metrics, METRIC_CLIENT_ACKNOWLEDGED_SECONDS,
                         (step->now.mono_ms - entry->began_ms) * 1000);
    metric_add(step->env->metrics, METRIC_CLIENT_ACKNOWLEDGED, 1);
    state_set(client, step, entry, MESSAGE_ACKNOWLEDGED, REASON_NONE);
    if (entry->state.phase == OUTBOX_SEALED)
        late_expect(client, step, entry);
    entry_remove(client, step, entry);
    outbox_pump(client, step, contact);
}

// ---- what goes in

enum err outbox_text(struct client *client, struct step *step, struct message_record *record, const char **reason,
                     struct contact *contact, struct span text) {
    *reason = "a message has 1 to 1,024 bytes (longer ones are not split yet)";
    if (text.n == 0 || text.n > TEXT_BYTES_MAX)
        return text.n == 0 ? ERR_INVALID : ERR_TOO_LONG;
    *reason = "a message is UTF-8 text";
    if (!text_valid(text))
        return ERR_INVALID;
    *reason = "this contact is blocked";
    if (contact->state.blocked)
        return ERR_REFUSED;
    *reason = "10,000 messages wait to be acknowledged; no more fit";
    if (client->texts >= OUTBOX_TEXTS_MAX)
        return ERR_FULL;
    *reason = NULL;
    struct outbox_state state = {.number = client_number(client, step),
                                 .contact = contact->state.number,
                                 .kind = LETTER_TEXT,
                                 .created_ms = step->now.wall_ms,
                                 .expiry_ms = expiry_from(client, step),
                                 .cursor = ++client->account.next_cursor,
                                 .sequence = contact->state.next_out++};
    rng_bytes(&step->env->rng, state.id.bytes, sizeof(state.id.bytes));
    struct outbox_entry *entry = entry_new(client, step, contact, &state);
    entry->began_ms = step->now.mono_ms;
    *record = (struct message_record){.id = state.id,
                                      .cursor = state.cursor,
                                      .state = MESSAGE_QUEUED,
                                      .sequence = state.sequence,
                                      .wall_ms = step->now.wall_ms,
                                      .mono_ms = step->now.mono_ms,
                                      .stored_ms = -1,
                                      .acknowledged_ms = -1};
    memcpy(record->contact, contact->state.name, sizeof(record->contact));
    buf_append(&record->text, text);
    contact->state.active_ms = step->now.wall_ms;
    store_account(step, &client->account);
    store_contact(step, &contact->state);
    store_outbox(step, &state);
    store_message(step, record);
    store_lookup(step, false, &state.id, &(struct lookup_state){state.cursor, state.number});
    metric_add(step->env->metrics, METRIC_CLIENT_QUEUED, 1);
    client_note_message(client, step, record);
    outbox_pump(client, step, contact);
    return OK;
}

bool outbox_has_room_for_ack(const struct client *client) {
    return client->acks < OUTBOX_ACKS_MAX;
}

void outbox_ack(struct client *client, struct step *step, struct contact *contact, const struct message_id *id) {
    // One letter acknowledges all that came in while it waited.
    struct outbox_entry *last = contact->gathering;
    if (last == NULL || last->state.ack_count == ACK_IDS_MAX) {
        struct outbox_state state = {.number = client_number(client, step),
                                     .contact = contact->state.number,
                                     .kind = LETTER_ACK,
                                     .created_ms = step->now.wall_ms,
                                     .expiry_ms = expiry_from(client, step)};
        rng_bytes(&step->env->rng, state.id.bytes, sizeof(state.id.bytes));
        last = contact->gathering = entry_new(client, step, contact, &state);
    }
    last->state.acks[last->state.ack_count++] = *id;
    store_outbox(step, &last->state);
    outbox_pump(client, step, contact);
}

void outbox_drop_contact(struct client *client, struct step *step, struct contact *contact) {
    while (contact->first != NULL) {
        state_set(client, step, contact->first, MESSAGE_FAILED, REASON_REMOVED);
        entry_remove(client, step, contact->first);
    }
}
