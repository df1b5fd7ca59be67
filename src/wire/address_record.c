// Address records as bytes, one by one and by the message.
#include "wire/address_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "wire/cell.h"
#include "wire/directory.h"
#include "wire/message.h"

#define FORMAT_VERSION 1
#define RECORD_DOMAIN "sotto address 1"
#define HEAD_BYTES (1 + 2) // kind, count
#define RECORD_BYTES_MIN (1 + 32 + 8 + 1 + 1 + 2 + 64)

_Static_assert(HEAD_BYTES + DIRECTORY_RELAYS_MAX * ADDRESS_RECORD_BYTES_MAX <= MESSAGE_BYTES_MAX_RELAY,
               "a record of every relay is one message");

static void write_signed_part(struct writer *w, const struct address_record *record) {
    write_u8(w, FORMAT_VERSION);
    write_bytes(w, record->id.bytes, sizeof record->id.bytes);
    write_u64(w, record->signed_ms);
    address_write(w, &record->address);
}

void address_record_sign(struct address_record *record, const struct network_id *network,
                         const struct sign_secret *relay) {
    uint8_t bytes[ADDRESS_RECORD_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_signed_part(&w, record);
    const struct span parts[] = {SPAN_OF(network->bytes), writer_span(&w)};
    sign_parts(&record->signature, relay, RECORD_DOMAIN, parts, 2);
}

enum err address_record_verify(const struct address_record *record, const struct network_id *network) {
    uint8_t bytes[ADDRESS_RECORD_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct sign_public relay;
    memcpy(relay.bytes, record->id.bytes, sizeof relay.bytes);
    write_signed_part(&w, record);
    const struct span parts[] = {SPAN_OF(network->bytes), writer_span(&w)};
    return verify_parts(&record->signature, &relay, RECORD_DOMAIN, parts, 2);
}

void address_record_write(struct writer *w, const struct address_record *record) {
    write_signed_part(w, record);
    write_bytes(w, record->signature.bytes, sizeof record->signature.bytes);
}

void address_record_read(struct reader *r, struct address_record *record) {
    *record = (struct address_record){0};
    if (read_u8(r) != FORMAT_VERSION)
        reader_fail(r);
    read_bytes(r, record->id.bytes, sizeof record->id.bytes);
    record->signed_ms = read_u64(r);
    address_read(r, &record->address);
    read_bytes(r, record->signature.bytes, sizeof record->signature.bytes);
}

void addresses_message_encode(struct buf *out, const struct address_record *records, size_t count) {
    ASSERT(count <= DIRECTORY_RELAYS_MAX);
    size_t before = out->n, capacity = HEAD_BYTES + count * ADDRESS_RECORD_BYTES_MAX;
    struct writer w = writer_of(buf_extend(out, capacity), capacity);
    write_u8(&w, MESSAGE_ADDRESSES);
    write_u16(&w, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        ASSERT(i == 0 || relay_id_compare(&records[i - 1].id, &records[i].id) < 0);
        address_record_write(&w, &records[i]);
    }
    out->n = before + w.n;
}

static void read_records(struct reader *r, struct address_record *records, size_t count) {
    for (size_t i = 0; reader_ok(r) && i < count; i++) {
        address_record_read(r, &records[i]);
        if (i > 0 && relay_id_compare(&records[i - 1].id, &records[i].id) >= 0)
            reader_fail(r);
    }
}

enum err addresses_message_decode(struct address_record **records, size_t *count, struct span message) {
    struct reader r = reader_of(message);
    uint8_t kind = read_u8(&r);
    size_t n = read_u16(&r);
    // No more memory than what is there could be worth.
    if (kind != MESSAGE_ADDRESSES || n > DIRECTORY_RELAYS_MAX || r.n < n * RECORD_BYTES_MIN)
        return ERR_MALFORMED;
    struct address_record *read = NEW_ARRAY(struct address_record, n);
    read_records(&r, read, n);
    if (!reader_done(&r)) {
        free(read);
        return ERR_MALFORMED;
    }
    *records = read;
    *count = n;
    return OK;
}

size_t get_addresses_encode(uint8_t out[static 1]) {
    out[0] = MESSAGE_GET_ADDRESSES;
    return 1;
}

enum err get_addresses_decode(struct span message) {
    return message.n == 1 && message.p[0] == MESSAGE_GET_ADDRESSES ? OK : ERR_MALFORMED;
}
