// See message.h.
#include "ledger/message.h"

#include <string.h>

#include "base/assert.h"

size_t peer_status_encode(uint8_t out[static STATUS_BYTES], const struct peer_status *status) {
    struct writer w = writer_of(out, STATUS_BYTES);
    write_u64(&w, status->height);
    write_bytes(&w, status->head.bytes, 32);
    write_u64(&w, status->first_height);
    return w.n;
}

enum err peer_status_decode(struct peer_status *out, struct span body) {
    struct reader r = reader_of(body);
    struct peer_status status = {.height = read_u64(&r)};
    read_bytes(&r, status.head.bytes, 32);
    status.first_height = read_u64(&r);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = status;
    return OK;
}

size_t get_height_encode(uint8_t out[static GET_HEIGHT_BYTES], uint64_t height) {
    store_u64(out, height);
    return GET_HEIGHT_BYTES;
}

enum err get_height_decode(uint64_t *height, struct span body) {
    struct reader r = reader_of(body);
    uint64_t value = read_u64(&r);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *height = value;
    return OK;
}

size_t get_span_encode(uint8_t out[static GET_SPAN_BYTES], uint64_t from, uint16_t count) {
    store_u64(out, from);
    store_u16(out + 8, count);
    return GET_SPAN_BYTES;
}

enum err get_span_decode(uint64_t *from, uint16_t *count, struct span body, uint16_t count_max) {
    struct reader r = reader_of(body);
    uint64_t first = read_u64(&r);
    uint16_t wanted = read_u16(&r);
    if (!reader_done(&r) || wanted == 0 || wanted > count_max || first > UINT64_MAX - wanted)
        return ERR_MALFORMED;
    *from = first;
    *count = wanted;
    return OK;
}

void found_encode(struct buf *out, uint64_t height, struct span found) {
    store_u64(buf_extend(out, 8), height);
    buf_append(out, found);
}

enum err found_decode(uint64_t *height, struct span *found, struct span body) {
    struct reader r = reader_of(body);
    uint64_t value = read_u64(&r);
    if (!reader_ok(&r))
        return ERR_MALFORMED;
    *height = value;
    *found = read_rest(&r);
    return OK;
}

void part_append(struct buf *out, struct span part) {
    ASSERT(part.n > 0 && part.n <= UINT32_MAX);
    store_u32(buf_extend(out, 4), (uint32_t)part.n);
    buf_append(out, part);
}

struct span part_read(struct reader *r, size_t bytes_max) {
    size_t n = read_u32(r);
    if (n == 0 || n > bytes_max)
        reader_fail(r);
    return read_span(r, n);
}

enum err light_block_decode(struct light_block *out, struct span found) {
    struct reader r = reader_of(found);
    struct span header = part_read(&r, BLOCK_HEADER_BYTES);
    struct span certificate = part_read(&r, CERTIFICATE_BYTES_MAX);
    struct span validators = part_read(&r, VALIDATOR_SET_BYTES_MAX);
    part_read(&r, VALIDATOR_SET_BYTES_MAX);
    bool good = reader_done(&r) && block_header_decode(&out->header, header) == OK &&
                certificate_decode(&out->certificate, certificate) == OK &&
                validator_set_decode(&out->validators, validators) == OK;
    return good ? OK : ERR_MALFORMED;
}

void peers_encode(struct buf *out, const struct peer_address *peers, size_t count) {
    ASSERT(count <= PEERS_MAX);
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[32 + ADDRESS_BYTES_MAX];
        struct writer w = writer_of(bytes, sizeof(bytes));
        write_bytes(&w, peers[i].key, 32);
        address_write(&w, &peers[i].address);
        buf_append(out, writer_span(&w));
    }
}

enum err peers_decode(struct peer_address out[static PEERS_MAX], size_t *count, struct span body) {
    struct reader r = reader_of(body);
    size_t n = 0;
    while (reader_ok(&r) && r.n > 0 && n < PEERS_MAX) {
        read_bytes(&r, out[n].key, 32);
        address_read(&r, &out[n].address);
        n++;
    }
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *count = n;
    return OK;
}

size_t get_standing_encode(uint8_t out[static GET_STANDING_BYTES], const struct relay_id *relay,
                           const struct account_id *operator) {
    static const struct account_id nobody;
    memcpy(out, relay->bytes, 32);
    memcpy(out + 32, operator== NULL ? nobody.bytes : operator->bytes, 32);
    return GET_STANDING_BYTES;
}

enum err get_standing_decode(struct relay_id *relay, struct account_id *operator, struct span body) {
    if (body.n != GET_STANDING_BYTES)
        return ERR_MALFORMED;
    memcpy(relay->bytes, body.p, 32);
    memcpy(operator->bytes, body.p + 32, 32);
    return OK;
}

#define STANDING_REGISTERED 1
#define STANDING_RETIRED 2
#define STANDING_FREE_UPDATE 4

static void account_standing_write(struct writer *w, const struct account_standing *account) {
    write_u64(w, account->nonce);
    write_u64(w, account->next_nonce);
    write_u64(w, account->balance);
}

static void account_standing_read(struct reader *r, struct account_standing *account) {
    account->nonce = read_u64(r);
    account->next_nonce = read_u64(r);
    account->balance = read_u64(r);
}

size_t relay_standing_encode(uint8_t out[static RELAY_STANDING_BYTES_MAX], const struct relay_standing *standing) {
    struct writer w = writer_of(out, RELAY_STANDING_BYTES_MAX);
    account_standing_write(&w, &standing->operator);
    account_standing_write(&w, &standing->relay);
    write_u8(&w,
             (uint8_t)((standing->registered ? STANDING_REGISTERED : 0) | (standing->retired ? STANDING_RETIRED : 0) |
                       (standing->free_update ? STANDING_FREE_UPDATE : 0)));
    if (standing->registered) {
        address_write(&w, &standing->address);
        onion_keys_write(&w, &standing->onion);
    }
    return w.n;
}

enum err relay_standing_decode(struct relay_standing *out, struct span body) {
    struct reader r = reader_of(body);
    struct relay_standing standing = {0};
    account_standing_read(&r, &standing.operator);
    account_standing_read(&r, &standing.relay);
    uint8_t bits = read_u8(&r);
    standing.registered = (bits & STANDING_REGISTERED) != 0;
    standing.retired = (bits & STANDING_RETIRED) != 0;
    standing.free_update = (bits & STANDING_FREE_UPDATE) != 0;
    if (bits > (STANDING_REGISTERED | STANDING_RETIRED | STANDING_FREE_UPDATE))
        reader_fail(&r);
    if (standing.registered) {
        address_read(&r, &standing.address);
        onion_keys_read(&r, &standing.onion);
    }
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = standing;
    return OK;
}

size_t get_delivery_encode(uint8_t out[static GET_DELIVERY_BYTES], const struct relay_id *relay, uint32_t epoch) {
    struct writer w = writer_of(out, GET_DELIVERY_BYTES);
    write_bytes(&w, relay->bytes, 32);
    write_u32(&w, epoch);
    return w.n;
}

enum err get_delivery_decode(struct relay_id *relay, uint32_t *epoch, struct span body) {
    if (body.n != GET_DELIVERY_BYTES)
        return ERR_MALFORMED;
    memcpy(relay->bytes, body.p, 32);
    *epoch = load_u32(body.p + 32);
    return OK;
}

size_t relay_delivery_encode(uint8_t out[static RELAY_DELIVERY_BYTES_MAX], const struct relay_delivery *delivery) {
    uint8_t entry[DELIVERY_VALUE_BYTES_MAX];
    struct writer w = writer_of(out, RELAY_DELIVERY_BYTES_MAX);
    write_u32(&w, delivery->epoch);
    write_u64(&w, delivery->nonce);
    write_u64(&w, delivery->next_nonce);
    write_u8(&w, delivery->has);
    if (delivery->has)
        write_bytes(&w, entry, state_delivery_encode(entry, &delivery->record));
    return w.n;
}

enum err relay_delivery_decode(struct relay_delivery *out, struct span body) {
    struct reader r = reader_of(body);
    struct relay_delivery delivery = {.epoch = read_u32(&r), .nonce = read_u64(&r), .next_nonce = read_u64(&r)};
    delivery.has = read_bool(&r);
    if (!reader_ok(&r) || (delivery.has ? state_delivery_decode(&delivery.record, read_rest(&r)) != OK : r.n > 0))
        return ERR_MALFORMED;
    *out = delivery;
    return OK;
}

size_t submitted_encode(uint8_t out[static SUBMITTED_BYTES], const struct tx_id *id, uint8_t verdict) {
    struct writer w = writer_of(out, SUBMITTED_BYTES);
    write_bytes(&w, id->bytes, 32);
    write_u8(&w, verdict);
    return w.n;
}

enum err submitted_decode(struct tx_id *id, uint8_t *verdict, struct span body) {
    struct reader r = reader_of(body);
    struct tx_id read;
    read_bytes(&r, read.bytes, 32);
    uint8_t byte = read_u8(&r);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *id = read;
    *verdict = byte;
    return OK;
}

size_t member_encode(uint8_t out[static MEMBER_BYTES], const struct member *member) {
    struct writer w = writer_of(out, MEMBER_BYTES);
    write_bytes(&w, member->key.bytes, 32);
    write_bytes(&w, member->signature.bytes, 64);
    return w.n;
}

enum err member_decode(struct member *out, struct span body) {
    struct reader r = reader_of(body);
    struct member member;
    read_bytes(&r, member.key.bytes, 32);
    read_bytes(&r, member.signature.bytes, 64);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = member;
    return OK;
}

enum err member_verify(const struct member *member, const struct network_id *network, const struct relay_id *from,
                       const struct relay_id *to) {
    const struct span parts[] = {SPAN_OF(network->bytes), SPAN_OF(from->bytes), SPAN_OF(to->bytes)};
    return verify_parts(&member->signature, &member->key, MEMBER_DOMAIN, parts, 3);
}
