// Bytes: a view that owns nothing (span) and a buffer that owns what it holds (buf).
#ifndef SOTTO_BASE_BYTES_H
#define SOTTO_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// A view of bytes owned by somebody else. Passed by value. `p` may be NULL only if `n` is 0.
struct span {
    const uint8_t *p;
    size_t n;
};

// A span over a fixed-size array or a string literal (without its final zero).
#define SPAN_OF(array) ((struct span){(array), sizeof(array)})
#define SPAN_LITERAL(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})

struct span span_of(const void *p, size_t n);
struct span span_of_text(const char *text);
bool span_equal(struct span a, struct span b);  // not constant time: never for secrets
int span_compare(struct span a, struct span b); // lexicographic, as unsigned bytes; a prefix sorts first

// A growing buffer. Zero-initialised is empty and valid. Memory exhaustion asserts (the process cannot go on);
// whoever appends a peer's bytes bounds them first.
struct buf {
    uint8_t *p;
    size_t n;
    size_t capacity;
};

void buf_append(struct buf *buf, struct span bytes);
uint8_t *buf_extend(struct buf *buf, size_t n); // n more bytes, uninitialised; returns where they start
void buf_clear(struct buf *buf);                // keeps the memory
void buf_free(struct buf *buf);                 // zero-initialised again; safe on an empty buf
// As buf_free, the bytes overwritten first. Growing moves the bytes and leaves a copy behind: whoever holds secrets
// extends the empty buffer once, to its final size.
void buf_wipe(struct buf *buf);
struct span buf_span(const struct buf *buf);

// Allocation that never fails: aborts with a message when memory is exhausted. Zeroed.
void *mem_new(size_t count, size_t size);
void *mem_copy(struct span bytes); // a copy of at least one byte's allocation; freed with free()
char *mem_text(struct span bytes); // a copy with a final zero

#define NEW(type) ((type *)mem_new(1, sizeof(type)))
#define NEW_ARRAY(type, count) ((type *)mem_new((count), sizeof(type)))

// Lower-case hexadecimal. `out` has 2n + 1 bytes.
void hex_encode(char *out, struct span bytes);
// Reads exactly n bytes of hexadecimal (either case) from a text of exactly 2n digits. ERR_MALFORMED otherwise.
enum err hex_decode(uint8_t *out, size_t n, const char *text);

#endif
