// Cells and the cutting of messages into them. Every byte that a link carries passes here first, so the rules are few
// and exact: a cell that breaks one closes the link.
#include "wire/cell.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"

#define REPLY_BYTES (SPHINX_SURB_ID_BYTES + SPHINX_PAYLOAD_BYTES)
// A link that has carried a directory does not keep a megabyte for the pings that follow.
#define KEPT_BYTES_MAX (16 * 1024)

_Static_assert(CELL_BYTES == 2424, "docs/spec/cells.md");
_Static_assert(REPLY_BYTES <= CELL_BODY_BYTES, "a reply fits a cell");

// Whether a cell may say this. A part that another follows is full, so that no peer can spread a message over more
// cells than it takes.
static bool head_fits(unsigned kind, unsigned flags, size_t length) {
    switch (kind) {
    case CELL_DUMMY:
        return flags == 0 && length == 0;
    case CELL_PACKET:
        return flags == 0 && length == SPHINX_PACKET_BYTES;
    case CELL_REPLY:
        return flags == 0 && length == REPLY_BYTES;
    case CELL_PART:
        if ((flags & ~(unsigned)(CELL_FLAG_FIRST | CELL_FLAG_LAST)) != 0)
            return false;
        return (flags & CELL_FLAG_LAST) != 0 ? length > 0 && length <= CELL_BODY_BYTES : length == CELL_BODY_BYTES;
    default:
        return false;
    }
}

enum err cell_decode(struct cell *out, const uint8_t bytes[static CELL_BYTES]) {
    struct reader r = reader_of(span_of(bytes, CELL_BYTES));
    uint8_t kind = read_u8(&r);
    uint8_t flags = read_u8(&r);
    uint16_t length = read_u16(&r);
    read_zeros(&r, 2);
    if (!head_fits(kind, flags, length))
        return ERR_MALFORMED;
    struct span body = read_span(&r, length);
    if (kind == CELL_PART)
        read_zeros(&r, r.n);
    if (!reader_ok(&r))
        return ERR_MALFORMED;
    *out = (struct cell){.kind = (enum cell_kind)kind, .flags = flags, .body = body};
    return OK;
}

static struct writer cell_begin(uint8_t *out, enum cell_kind kind, uint8_t flags, size_t length) {
    ASSERT(head_fits(kind, flags, length));
    struct writer w = writer_of(out, CELL_BYTES);
    write_u8(&w, (uint8_t)kind);
    write_u8(&w, flags);
    write_u16(&w, (uint16_t)length);
    write_zeros(&w, 2);
    return w;
}

static void cell_end(struct writer *w) {
    write_zeros(w, w->capacity - w->n);
}

void cell_encode(uint8_t out[static CELL_BYTES], enum cell_kind kind, uint8_t flags, struct span body) {
    struct writer w = cell_begin(out, kind, flags, body.n);
    write_bytes(&w, body.p, body.n);
    cell_end(&w);
}

void cell_encode_reply(uint8_t out[static CELL_BYTES], const struct surb_id *surb,
                       const uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    struct writer w = cell_begin(out, CELL_REPLY, 0, REPLY_BYTES);
    write_bytes(&w, surb->bytes, sizeof surb->bytes);
    write_bytes(&w, payload, SPHINX_PAYLOAD_BYTES);
    cell_end(&w);
}

static void assembler_reset(struct assembler *assembler) {
    if (assembler->message.capacity > KEPT_BYTES_MAX)
        buf_free(&assembler->message);
    else
        buf_clear(&assembler->message);
    assembler->under_way = false;
}

enum err assembler_take(struct assembler *assembler, bool *complete, const struct cell *part) {
    ASSERT(part->kind == CELL_PART);
    bool first = (part->flags & CELL_FLAG_FIRST) != 0;
    bool last = (part->flags & CELL_FLAG_LAST) != 0;
    if (first == assembler->under_way) {
        assembler_reset(assembler);
        return ERR_MALFORMED;
    }
    if (first)
        assembler_reset(assembler);
    if (part->body.n > assembler->bytes_max - assembler->message.n) {
        assembler_reset(assembler);
        return ERR_TOO_LONG;
    }
    buf_append(&assembler->message, part->body);
    assembler->under_way = !last;
    *complete = last;
    return OK;
}

void assembler_free(struct assembler *assembler) {
    buf_free(&assembler->message);
    assembler->under_way = false;
}

size_t message_cells(size_t n) {
    return (n + CELL_BODY_BYTES - 1) / CELL_BODY_BYTES;
}

void message_cell(uint8_t out[static CELL_BYTES], struct span message, size_t i) {
    size_t count = message_cells(message.n);
    ASSERT(i < count);
    size_t at = i * CELL_BODY_BYTES;
    size_t n = message.n - at < CELL_BODY_BYTES ? message.n - at : CELL_BODY_BYTES;
    unsigned flags = (i == 0 ? CELL_FLAG_FIRST : 0u) | (i + 1 == count ? CELL_FLAG_LAST : 0u);
    cell_encode(out, CELL_PART, (uint8_t)flags, span_of(message.p + at, n));
}
