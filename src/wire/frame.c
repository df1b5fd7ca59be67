// Frames and their parts; the hello of a ledger link.
#include "wire/frame.h"

#include "base/assert.h"

#define FLAG_MORE 0x80
#define FLAG_BULK 0x40
#define KIND_MASK 0x3f

_Static_assert(KIND_MASK == FRAME_KIND_MAX, "kinds fit beside the flags");

size_t frame_part_encode(struct buf *out, enum frame_lane lane, uint8_t kind, struct span body, size_t sent) {
    ASSERT(kind <= FRAME_KIND_MAX && body.n <= FRAME_BODY_BYTES_MAX && sent <= body.n);
    size_t left = body.n - sent;
    size_t n = left < FRAME_PART_BYTES ? left : FRAME_PART_BYTES;
    uint8_t flags = (uint8_t)((n < left ? FLAG_MORE : 0) | (lane == FRAME_BULK ? FLAG_BULK : 0));
    struct writer w = writer_of(buf_extend(out, FRAME_HEAD_BYTES), FRAME_HEAD_BYTES);
    write_u32(&w, (uint32_t)n);
    write_u8(&w, (uint8_t)(flags | kind));
    if (n > 0)
        buf_append(out, span_of(body.p + sent, n));
    return n;
}

// ---- reading ----

static struct span take(struct span *bytes, size_t n_max) {
    size_t n = bytes->n < n_max ? bytes->n : n_max;
    struct span taken = span_of(bytes->p, n);
    if (n > 0)
        *bytes = span_of(bytes->p + n, bytes->n - n);
    return taken;
}

static enum err begin_part(struct frame_reader *reader) {
    struct reader r = reader_of(SPAN_OF(reader->head));
    uint32_t n = read_u32(&r);
    uint8_t flags = read_u8(&r);
    uint8_t kind = flags & KIND_MASK;
    enum frame_lane lane = flags & FLAG_BULK ? FRAME_BULK : FRAME_URGENT;
    struct frame_partial *partial = &reader->lanes[lane];
    bool last = (flags & FLAG_MORE) == 0;
    if (n > FRAME_PART_BYTES || (n == 0 && !last) || (partial->under_way && partial->kind != kind))
        return ERR_MALFORMED;
    if (partial->body.n + n > reader->bytes_max)
        return ERR_TOO_LONG;
    partial->under_way = true;
    partial->kind = kind;
    reader->lane = lane;
    reader->last = last;
    reader->part_left = n;
    reader->in_part = true;
    reader->head_n = 0;
    return OK;
}

static void hand_over(struct frame_partial *partial, struct frame *out) {
    *out = (struct frame){.kind = partial->kind, .body = partial->body};
    *partial = (struct frame_partial){0};
}

enum err frame_take(struct frame_reader *reader, struct frame *out, bool *complete, struct span *bytes) {
    *complete = false;
    while (bytes->n > 0) {
        if (!reader->in_part) {
            struct span head = take(bytes, FRAME_HEAD_BYTES - reader->head_n);
            for (size_t i = 0; i < head.n; i++)
                reader->head[reader->head_n++] = head.p[i];
            if (reader->head_n < FRAME_HEAD_BYTES)
                return OK;
            enum err err = begin_part(reader);
            if (err != OK)
                return err;
        }
        struct frame_partial *partial = &reader->lanes[reader->lane];
        struct span body = take(bytes, reader->part_left);
        buf_append(&partial->body, body);
        reader->part_left -= body.n;
        reader->in_part = reader->part_left > 0;
        if (!reader->in_part && reader->last) {
            hand_over(partial, out);
            *complete = true;
            return OK;
        }
    }
    return OK;
}

void frame_reader_free(struct frame_reader *reader) {
    for (size_t i = 0; i < FRAME_LANES; i++)
        buf_free(&reader->lanes[i].body);
    *reader = (struct frame_reader){0};
}

// ---- hello ----

size_t ledger_hello_encode(uint8_t out[static LEDGER_HELLO_BYTES], const struct ledger_hello *hello) {
    struct writer w = writer_of(out, LEDGER_HELLO_BYTES);
    write_u16(&w, hello->version);
    write_bytes(&w, hello->network.bytes, sizeof hello->network.bytes);
    write_u8(&w, (uint8_t)hello->role);
    write_u64(&w, hello->height);
    return w.n;
}

enum err ledger_hello_decode(struct ledger_hello *out, struct span body) {
    struct ledger_hello hello;
    struct reader r = reader_of(body);
    hello.version = read_u16(&r);
    read_bytes(&r, hello.network.bytes, sizeof hello.network.bytes);
    uint8_t role = read_u8(&r);
    hello.height = read_u64(&r);
    if (!reader_done(&r) || role < LEDGER_VALIDATOR || role > LEDGER_LIGHT)
        return ERR_MALFORMED;
    hello.role = (enum ledger_role)role;
    *out = hello;
    return OK;
}
