// Bodies of the frames of ledger links. The first byte chooses the codec; what decodes encodes to the same bytes.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "ledger/heard.h"
#include "ledger/message.h"

static void must_be(struct span body, const uint8_t *again, size_t n) {
    ASSERT(span_equal(span_of(again, n), body));
}

static void status(struct span body) {
    struct peer_status in;
    uint8_t again[STATUS_BYTES];
    if (peer_status_decode(&in, body) == OK)
        must_be(body, again, peer_status_encode(again, &in));
}

static void get_height(struct span body) {
    uint64_t height;
    uint8_t again[GET_HEIGHT_BYTES];
    if (get_height_decode(&height, body) == OK)
        must_be(body, again, get_height_encode(again, height));
}

static void get_span(struct span body) {
    uint64_t from;
    uint16_t count;
    uint8_t again[GET_SPAN_BYTES];
    if (get_span_decode(&from, &count, body, RANGE_COUNT_MAX) != OK)
        return;
    ASSERT(count >= 1 && count <= RANGE_COUNT_MAX && from + count > from);
    must_be(body, again, get_span_encode(again, from, count));
}

static void found(struct span body) {
    uint64_t height;
    struct span inner;
    struct buf again = {0}, parts = {0};
    if (found_decode(&height, &inner, body) != OK)
        return;
    found_encode(&again, height, inner);
    must_be(body, again.p, again.n);
    struct reader r = reader_of(inner);
    while (reader_ok(&r) && r.n > 0) {
        struct span part = part_read(&r, BLOCK_BYTES_MAX);
        if (reader_ok(&r))
            part_append(&parts, part);
    }
    if (reader_done(&r))
        must_be(inner, parts.p, parts.n);
    buf_free(&again);
    buf_free(&parts);
}

static void peers(struct span body) {
    struct peer_address in[PEERS_MAX];
    size_t count;
    struct buf again = {0};
    if (peers_decode(in, &count, body) != OK)
        return;
    ASSERT(count <= PEERS_MAX);
    peers_encode(&again, in, count);
    must_be(body, again.p, again.n);
    buf_free(&again);
}

static void member(struct span body) {
    struct member in;
    uint8_t again[MEMBER_BYTES];
    if (member_decode(&in, body) == OK)
        must_be(body, again, member_encode(again, &in));
}

static void submitted(struct span body) {
    struct tx_id id;
    uint8_t verdict;
    uint8_t again[SUBMITTED_BYTES];
    if (submitted_decode(&id, &verdict, body) == OK)
        must_be(body, again, submitted_encode(again, &id, verdict));
}

static void heard(struct span body) {
    struct heard in;
    uint8_t again[HEARD_BYTES_MAX];
    if (heard_decode(&in, body) == OK)
        must_be(body, again, heard_encode(again, &in));
}

static void statement(struct span body) {
    struct statement in;
    uint8_t again[STATEMENT_BYTES_MAX];
    if (statement_decode(&in, body) == OK)
        must_be(body, again, statement_encode(again, &in));
}

// The validators of the next height are passed over.
static void light(struct span body) {
    struct light_block *in = malloc(sizeof *in);
    uint8_t part[VALIDATOR_SET_BYTES_MAX > CERTIFICATE_BYTES_MAX ? VALIDATOR_SET_BYTES_MAX : CERTIFICATE_BYTES_MAX];
    struct buf again = {0};
    ASSERT(in != NULL);
    if (light_block_decode(in, body) == OK) {
        block_header_encode(part, &in->header);
        part_append(&again, span_of(part, BLOCK_HEADER_BYTES));
        part_append(&again, span_of(part, certificate_encode(part, &in->certificate)));
        part_append(&again, span_of(part, validator_set_encode(part, &in->validators)));
        ASSERT(again.n < body.n);
        must_be(span_of(body.p, again.n), again.p, again.n);
    }
    buf_free(&again);
    free(in);
}

static void get_standing(struct span body) {
    struct relay_id relay;
    struct account_id operator;
    uint8_t again[GET_STANDING_BYTES];
    if (get_standing_decode(&relay, &operator, body) == OK)
        must_be(body, again, get_standing_encode(again, &relay, &operator));
}

static void get_delivery(struct span body) {
    struct relay_id relay;
    uint32_t epoch;
    uint8_t again[GET_DELIVERY_BYTES];
    if (get_delivery_decode(&relay, &epoch, body) == OK)
        must_be(body, again, get_delivery_encode(again, &relay, epoch));
}

static void delivery(struct span body) {
    struct relay_delivery in;
    uint8_t again[RELAY_DELIVERY_BYTES_MAX];
    if (relay_delivery_decode(&in, body) == OK)
        must_be(body, again, relay_delivery_encode(again, &in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const codecs[])(struct span body) = {status,       get_height,   get_span, found,     peers,
                                                       member,       submitted,    heard,    statement, light,
                                                       get_standing, get_delivery, delivery};
    if (size > 0)
        codecs[data[0] % (sizeof(codecs) / sizeof(codecs[0]))](span_of(data + 1, size - 1));
    return 0;
}
