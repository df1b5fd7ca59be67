// Codecs of the client's durable records.
#include "client/record.h"

#include <string.h>

#include "base/assert.h"

static const struct {
    enum reason reason;
    const char *text;
} reasons[] = {
#define REASON_ROW(name, value, text) {name, text},
    REASON_LIST(REASON_ROW)
#undef REASON_ROW
};

#define REASON_COUNT (sizeof(reasons) / sizeof(reasons[0]))

const char *reason_text(enum reason reason) {
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (reasons[i].reason == reason)
            return reasons[i].text;
    return NULL;
}

static enum reason reason_of(const char *text) {
    for (size_t i = 1; i < REASON_COUNT; i++)
        if (text != NULL && strcmp(reasons[i].text, text) == 0)
            return reasons[i].reason;
    ASSERT(text == NULL);
    return REASON_NONE;
}

// Version 2 has the last stream.
#define ACCOUNT_VERSION 2

static struct reader versioned(struct span value) {
    struct reader r = reader_of(value);
    if (read_u8(&r) != RECORD_VERSION)
        reader_fail(&r);
    return r;
}

static enum err finished(const struct reader *r) {
    return reader_done(r) ? OK : ERR_CORRUPT;
}

static void write_bool(struct writer *w, bool v) {
    write_u8(w, v ? 1 : 0);
}

static void write_name(struct writer *w, const char *name) {
    size_t n = strlen(name);
    ASSERT(n <= CONTACT_NAME_MAX);
    write_u8(w, (uint8_t)n);
    write_bytes(w, name, n);
}

static void read_name(struct reader *r, char name[static CONTACT_NAME_MAX + 1]) {
    size_t n = read_u8(r);
    if (n > CONTACT_NAME_MAX)
        reader_fail(r);
    memset(name, 0, CONTACT_NAME_MAX + 1);
    struct span bytes = read_span(r, n);
    if (bytes.n > 0 && bytes.n <= CONTACT_NAME_MAX)
        memcpy(name, bytes.p, bytes.n);
}

static void write_text(struct writer *w, struct span text) {
    ASSERT(text.n <= TEXT_BYTES_MAX);
    write_u16(w, (uint16_t)text.n);
    write_bytes(w, text.p, text.n);
}

static struct span read_text(struct reader *r) {
    size_t n = read_u16(r);
    if (n > TEXT_BYTES_MAX)
        reader_fail(r);
    return read_span(r, n);
}

void card_encode(struct writer *w, const struct card *card) {
    write_bytes(w, card->identity.bytes, 32);
    write_bytes(w, card->dh.bytes, 32);
    write_bytes(w, card->mailbox.bytes, 32);
}

static void card_read(struct reader *r, struct card *card) {
    read_bytes(r, card->identity.bytes, 32);
    read_bytes(r, card->dh.bytes, 32);
    read_bytes(r, card->mailbox.bytes, 32);
}

void account_encode(struct writer *w, const struct account_state *state) {
    write_u8(w, ACCOUNT_VERSION);
    write_bytes(w, state->network.bytes, 32);
    write_bytes(w, state->identity.bytes, 32);
    write_u64(w, state->next_number);
    write_u64(w, state->next_cursor);
    write_bool(w, state->restored);
    write_u64(w, state->last_stream);
}

enum err account_decode(struct account_state *out, struct span value) {
    struct reader r = reader_of(value);
    uint8_t version = read_u8(&r);
    if (version < RECORD_VERSION || version > ACCOUNT_VERSION)
        reader_fail(&r);
    read_bytes(&r, out->network.bytes, 32);
    read_bytes(&r, out->identity.bytes, 32);
    out->next_number = read_u64(&r);
    out->next_cursor = read_u64(&r);
    out->restored = read_bool(&r);
    out->last_stream = version == ACCOUNT_VERSION ? read_u64(&r) : 0;
    return finished(&r);
}

void contact_encode(struct writer *w, const struct contact_state *state) {
    write_u8(w, RECORD_VERSION);
    write_u64(w, state->number);
    write_name(w, state->name);
    card_encode(w, &state->card);
    write_bool(w, state->blocked);
    write_bool(w, state->established);
    write_bytes(w, state->peer_mailbox.bytes, 32);
    write_bytes(w, state->peer_token.bytes, 32);
    write_u64(w, state->peer_version);
    write_u64(w, state->mailbox);
    write_u64(w, state->stream_out);
    write_u64(w, state->next_out);
    write_u64(w, state->stream_in);
    write_u64(w, state->next_in);
    write_u64(w, state->floor_in);
    write_u64(w, state->active_ms);
}

enum err contact_decode(struct contact_state *out, struct span value) {
    struct reader r = versioned(value);
    out->number = read_u64(&r);
    read_name(&r, out->name);
    card_read(&r, &out->card);
    out->blocked = read_bool(&r);
    out->established = read_bool(&r);
    read_bytes(&r, out->peer_mailbox.bytes, 32);
    read_bytes(&r, out->peer_token.bytes, 32);
    out->peer_version = read_u64(&r);
    out->mailbox = read_u64(&r);
    out->stream_out = read_u64(&r);
    out->next_out = read_u64(&r);
    out->stream_in = read_u64(&r);
    out->next_in = read_u64(&r);
    out->floor_in = read_u64(&r);
    out->active_ms = read_u64(&r);
    return finished(&r);
}

void mailbox_encode(struct writer *w, const struct mailbox_state *state) {
    write_u8(w, RECORD_VERSION);
    write_u64(w, state->number);
    write_u64(w, state->contact);
    write_bytes(w, state->nonce, sizeof(state->nonce));
    write_u64(w, state->created_ms);
    write_bool(w, state->ready);
    write_bool(w, state->retired);
    write_u64(w, state->stamp);
}

enum err mailbox_decode(struct mailbox_state *out, struct span value) {
    struct reader r = versioned(value);
    out->number = read_u64(&r);
    out->contact = read_u64(&r);
    read_bytes(&r, out->nonce, sizeof(out->nonce));
    out->created_ms = read_u64(&r);
    out->ready = read_bool(&r);
    out->retired = read_bool(&r);
    out->stamp = read_u64(&r);
    return finished(&r);
}

void outbox_encode(struct writer *w, const struct outbox_state *state) {
    write_u8(w, RECORD_VERSION);
    write_u64(w, state->number);
    write_u64(w, state->contact);
    write_u8(w, (uint8_t)state->kind);
    write_u8(w, (uint8_t)state->phase);
    write_u64(w, state->created_ms);
    write_u64(w, state->expiry_ms);
    write_bytes(w, state->id.bytes, 16);
    write_u64(w, state->cursor);
    write_u64(w, state->sequence);
    write_bytes(w, state->mailbox.bytes, 32);
    write_bytes(w, state->token.bytes, 32);
    write_bool(w, state->stamped);
    write_u8(w, state->stamp_bits);
    write_u64(w, state->stamp);
    write_u8(w, (uint8_t)state->ack_count);
    for (size_t i = 0; i < state->ack_count; i++)
        write_bytes(w, state->acks[i].bytes, 16);
}

enum err outbox_decode(struct outbox_state *out, struct span value) {
    struct reader r = versioned(value);
    out->number = read_u64(&r);
    out->contact = read_u64(&r);
    uint8_t kind = read_u8(&r);
    uint8_t phase = read_u8(&r);
    out->created_ms = read_u64(&r);
    out->expiry_ms = read_u64(&r);
    read_bytes(&r, out->id.bytes, 16);
    out->cursor = read_u64(&r);
    out->sequence = read_u64(&r);
    read_bytes(&r, out->mailbox.bytes, 32);
    read_bytes(&r, out->token.bytes, 32);
    out->stamped = read_bool(&r);
    out->stamp_bits = read_u8(&r);
    out->stamp = read_u64(&r);
    out->ack_count = read_u8(&r);
    if ((kind != LETTER_TEXT && kind != LETTER_ACK) || phase > OUTBOX_STORED || out->ack_count > ACK_IDS_MAX)
        return ERR_CORRUPT;
    out->kind = (enum letter_kind)kind;
    out->phase = (enum outbox_phase)phase;
    for (size_t i = 0; i < out->ack_count; i++)
        read_bytes(&r, out->acks[i].bytes, 16);
    return finished(&r);
}

void message_encode(struct writer *w, const struct message_record *record) {
    ASSERT(record->route_count <= ROUTE_HOPS && record->replica_count <= REPLICAS_MAX);
    write_u8(w, RECORD_VERSION);
    write_bytes(w, record->id.bytes, 16);
    write_u64(w, record->cursor);
    write_name(w, record->contact);
    write_bool(w, record->incoming);
    write_u8(w, (uint8_t)record->state);
    write_u64(w, record->sequence);
    write_u64(w, record->wall_ms);
    write_u64(w, record->mono_ms);
    write_u64(w, (uint64_t)record->stored_ms);
    write_u64(w, (uint64_t)record->acknowledged_ms);
    write_u8(w, (uint8_t)record->route_count);
    for (size_t i = 0; i < record->route_count; i++)
        write_bytes(w, record->route[i].bytes, 32);
    write_u8(w, (uint8_t)record->replica_count);
    for (size_t i = 0; i < record->replica_count; i++)
        write_bytes(w, record->replicas[i].bytes, 32);
    write_u8(w, (uint8_t)reason_of(record->reason));
    write_text(w, buf_span(&record->text));
}

enum err message_decode(struct message_record *out, struct span value) {
    struct reader r = versioned(value);
    struct message_record record = {0};
    read_bytes(&r, record.id.bytes, 16);
    record.cursor = read_u64(&r);
    read_name(&r, record.contact);
    record.incoming = read_bool(&r);
    uint8_t state = read_u8(&r);
    record.sequence = read_u64(&r);
    record.wall_ms = read_u64(&r);
    record.mono_ms = read_u64(&r);
    record.stored_ms = (int64_t)read_u64(&r);
    record.acknowledged_ms = (int64_t)read_u64(&r);
    record.route_count = read_u8(&r);
    if (record.route_count > ROUTE_HOPS)
        return ERR_CORRUPT;
    for (size_t i = 0; i < record.route_count; i++)
        read_bytes(&r, record.route[i].bytes, 32);
    record.replica_count = read_u8(&r);
    if (record.replica_count > REPLICAS_MAX)
        return ERR_CORRUPT;
    for (size_t i = 0; i < record.replica_count; i++)
        read_bytes(&r, record.replicas[i].bytes, 32);
    uint8_t reason = read_u8(&r);
    struct span text = read_text(&r);
    if (!reader_done(&r) || state > MESSAGE_FAILED || reason >= REASON_COUNT)
        return ERR_CORRUPT;
    record.state = (enum message_state)state;
    record.reason = reason_text((enum reason)reason);
    buf_append(&record.text, text);
    *out = record;
    return OK;
}

void held_encode(struct writer *w, const struct held_state *state) {
    write_u8(w, RECORD_VERSION);
    write_u64(w, state->contact);
    write_u64(w, state->sequence);
    write_u64(w, state->expiry_ms);
    write_bytes(w, state->id.bytes, 16);
    write_text(w, state->text);
}

enum err held_decode(struct held_state *out, struct span value) {
    struct reader r = versioned(value);
    out->contact = read_u64(&r);
    out->sequence = read_u64(&r);
    out->expiry_ms = read_u64(&r);
    read_bytes(&r, out->id.bytes, 16);
    out->text = read_text(&r);
    return finished(&r);
}

void request_encode(struct writer *w, const struct request_state *state) {
    write_u8(w, RECORD_VERSION);
    write_u64(w, state->number);
    card_encode(w, &state->card);
    write_bytes(w, state->reply_mailbox.bytes, 32);
    write_bytes(w, state->reply_token.bytes, 32);
    write_u64(w, state->reply_version);
    write_bytes(w, state->id.bytes, 16);
    write_u64(w, state->stream);
    write_u64(w, state->sequence);
    write_u64(w, state->floor);
    write_u64(w, state->wall_ms);
    write_u64(w, state->expiry_ms);
    write_u64(w, state->gap_expiry_ms);
    write_text(w, state->text);
}

enum err request_decode(struct request_state *out, struct span value) {
    struct reader r = versioned(value);
    out->number = read_u64(&r);
    card_read(&r, &out->card);
    read_bytes(&r, out->reply_mailbox.bytes, 32);
    read_bytes(&r, out->reply_token.bytes, 32);
    out->reply_version = read_u64(&r);
    read_bytes(&r, out->id.bytes, 16);
    out->stream = read_u64(&r);
    out->sequence = read_u64(&r);
    out->floor = read_u64(&r);
    out->wall_ms = read_u64(&r);
    out->expiry_ms = read_u64(&r);
    out->gap_expiry_ms = read_u64(&r);
    out->text = read_text(&r);
    return finished(&r);
}

void entry_encode(struct writer *w, const struct entry_state *state) {
    write_u8(w, RECORD_VERSION);
    write_u8(w, state->slot);
    write_bytes(w, state->relay.bytes, 32);
    write_u64(w, state->drawn_ms);
    write_u64(w, state->reached_ms);
}

enum err entry_decode(struct entry_state *out, struct span value) {
    struct reader r = versioned(value);
    out->slot = read_u8(&r);
    read_bytes(&r, out->relay.bytes, 32);
    out->drawn_ms = read_u64(&r);
    out->reached_ms = read_u64(&r);
    return finished(&r);
}

void delete_encode(struct writer *w, const struct delete_state *state) {
    write_u8(w, RECORD_VERSION);
    write_u64(w, state->mailbox);
    write_bytes(w, state->item.bytes, 32);
    write_bytes(w, state->secret, DELIVERY_SECRET_BYTES);
    write_u64(w, state->expiry_ms);
}

enum err delete_decode(struct delete_state *out, struct span value) {
    struct reader r = versioned(value);
    out->mailbox = read_u64(&r);
    read_bytes(&r, out->item.bytes, 32);
    read_bytes(&r, out->secret, DELIVERY_SECRET_BYTES);
    out->expiry_ms = read_u64(&r);
    return finished(&r);
}
