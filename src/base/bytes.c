// Views, growing buffers, allocation that never fails, hexadecimal.
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

// Small enough for a buffer that holds one key, large enough that a packet grows it only a few times.
#define BUF_CAPACITY_MIN 64

struct span span_of(const void *p, size_t n) {
    ASSERT(p != NULL || n == 0);
    return (struct span){p, n};
}

struct span span_of_text(const char *text) {
    return (struct span){(const uint8_t *)text, strlen(text)};
}

bool span_equal(struct span a, struct span b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int span_compare(struct span a, struct span b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a.n > b.n) - (a.n < b.n);
}

void buf_append(struct buf *buf, struct span bytes) {
    if (bytes.n == 0)
        return;
    // A view into the buffer itself would dangle when it grows.
    ASSERT(buf->p == NULL || bytes.p + bytes.n <= buf->p || bytes.p >= buf->p + buf->capacity);
    memcpy(buf_extend(buf, bytes.n), bytes.p, bytes.n);
}

uint8_t *buf_extend(struct buf *buf, size_t n) {
    ASSERT(n <= SIZE_MAX / 4 && buf->n <= SIZE_MAX / 4);
    size_t needed = buf->n + n;
    if (needed > buf->capacity || buf->p == NULL) {
        size_t capacity = buf->capacity + buf->capacity / 2;
        if (capacity < needed)
            capacity = needed;
        if (capacity < BUF_CAPACITY_MIN)
            capacity = BUF_CAPACITY_MIN;
        uint8_t *p = realloc(buf->p, capacity);
        ASSERT(p != NULL);
        buf->p = p;
        buf->capacity = capacity;
    }
    uint8_t *start = buf->p + buf->n;
    buf->n = needed;
    return start;
}

void buf_clear(struct buf *buf) {
    buf->n = 0;
}

void buf_free(struct buf *buf) {
    free(buf->p);
    *buf = (struct buf){0};
}

void buf_wipe(struct buf *buf) {
    // Through a volatile pointer, or the compiler drops writes to memory that is about to be freed.
    volatile uint8_t *p = buf->p;
    for (size_t i = 0; i < buf->capacity; i++)
        p[i] = 0;
    buf_free(buf);
}

struct span buf_span(const struct buf *buf) {
    return (struct span){buf->p, buf->n};
}

void *mem_new(size_t count, size_t size) {
    void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    ASSERT(p != NULL);
    return p;
}

void *mem_copy(struct span bytes) {
    void *p = mem_new(1, bytes.n);
    if (bytes.n > 0)
        memcpy(p, bytes.p, bytes.n);
    return p;
}

char *mem_text(struct span bytes) {
    char *text = mem_new(1, bytes.n + 1);
    if (bytes.n > 0)
        memcpy(text, bytes.p, bytes.n);
    return text;
}

void hex_encode(char *out, struct span bytes) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.n; i++) {
        out[2 * i] = digits[bytes.p[i] >> 4];
        out[2 * i + 1] = digits[bytes.p[i] & 15];
    }
    out[2 * bytes.n] = '\0';
}

// -1 for anything but a digit.
static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err hex_decode(uint8_t *out, size_t n, const char *text) {
    if (strlen(text) != 2 * n)
        return ERR_MALFORMED;
    for (size_t i = 0; i < 2 * n; i++) {
        if (hex_digit(text[i]) < 0)
            return ERR_MALFORMED;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
    return OK;
}
