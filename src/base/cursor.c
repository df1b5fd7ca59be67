// Cursors over wire formats. The reader never looks beyond its end: a read that does not fit fails the cursor for
// good and yields zeros, so that a parser needs one check, at its end.
#include "base/cursor.h"

#include <string.h>

#include "base/assert.h"

struct reader reader_of(struct span bytes) {
    return (struct reader){.p = bytes.p, .n = bytes.n, .failed = false};
}

// The next n bytes, or NULL and a failed cursor. With n = 0 a NULL may also mean an empty input.
static const uint8_t *take(struct reader *r, size_t n) {
    if (r->failed || n > r->n) {
        reader_fail(r);
        return NULL;
    }
    const uint8_t *p = r->p;
    if (n > 0)
        r->p += n;
    r->n -= n;
    return p;
}

uint8_t read_u8(struct reader *r) {
    const uint8_t *p = take(r, 1);
    return p != NULL ? p[0] : 0;
}

uint16_t read_u16(struct reader *r) {
    const uint8_t *p = take(r, 2);
    return p != NULL ? load_u16(p) : 0;
}

uint32_t read_u32(struct reader *r) {
    const uint8_t *p = take(r, 4);
    return p != NULL ? load_u32(p) : 0;
}

uint64_t read_u64(struct reader *r) {
    const uint8_t *p = take(r, 8);
    return p != NULL ? load_u64(p) : 0;
}

void read_bytes(struct reader *r, void *out, size_t n) {
    const uint8_t *p = take(r, n);
    if (n == 0)
        return;
    if (p != NULL)
        memcpy(out, p, n);
    else
        memset(out, 0, n);
}

struct span read_span(struct reader *r, size_t n) {
    const uint8_t *p = take(r, n);
    return p != NULL ? (struct span){p, n} : (struct span){NULL, 0};
}

struct span read_rest(struct reader *r) {
    return read_span(r, r->n);
}

void read_zeros(struct reader *r, size_t n) {
    const uint8_t *p = take(r, n);
    uint8_t any = 0;
    for (size_t i = 0; p != NULL && i < n; i++)
        any |= p[i];
    if (any != 0)
        reader_fail(r);
}

bool read_bool(struct reader *r) {
    uint8_t v = read_u8(r);
    if (v > 1)
        reader_fail(r);
    return v == 1;
}

void reader_fail(struct reader *r) {
    r->failed = true;
    r->n = 0;
}

bool reader_ok(const struct reader *r) {
    return !r->failed;
}

bool reader_done(const struct reader *r) {
    return !r->failed && r->n == 0;
}

struct writer writer_of(void *p, size_t capacity) {
    return (struct writer){.p = p, .n = 0, .capacity = capacity};
}

// Where the next n bytes go.
static uint8_t *room(struct writer *w, size_t n) {
    ASSERT(w->n <= w->capacity && n <= w->capacity - w->n);
    uint8_t *p = w->p + w->n;
    w->n += n;
    return p;
}

void write_u8(struct writer *w, uint8_t v) {
    *room(w, 1) = v;
}

void write_u16(struct writer *w, uint16_t v) {
    store_u16(room(w, 2), v);
}

void write_u32(struct writer *w, uint32_t v) {
    store_u32(room(w, 4), v);
}

void write_u64(struct writer *w, uint64_t v) {
    store_u64(room(w, 8), v);
}

void write_bytes(struct writer *w, const void *p, size_t n) {
    if (n > 0)
        memcpy(room(w, n), p, n);
}

void write_zeros(struct writer *w, size_t n) {
    if (n > 0)
        memset(room(w, n), 0, n);
}

struct span writer_span(const struct writer *w) {
    return (struct span){w->p, w->n};
}

uint16_t load_u16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t load_u32(const uint8_t *p) {
    return (uint32_t)load_u16(p) << 16 | load_u16(p + 2);
}

uint64_t load_u64(const uint8_t *p) {
    return (uint64_t)load_u32(p) << 32 | load_u32(p + 4);
}

void store_u16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void store_u32(uint8_t *p, uint32_t v) {
    store_u16(p, (uint16_t)(v >> 16));
    store_u16(p + 2, (uint16_t)v);
}

void store_u64(uint8_t *p, uint64_t v) {
    store_u32(p, (uint32_t)(v >> 32));
    store_u32(p + 4, (uint32_t)v);
}
