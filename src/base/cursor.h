// Reading and writing of wire formats through sticky-error cursors: parse straight through, check once at the end.
// All integers on Sotto's wire are big-endian.
#ifndef SOTTO_BASE_CURSOR_H
#define SOTTO_BASE_CURSOR_H

#include "base/bytes.h"

struct reader {
    const uint8_t *p;
    size_t n;    // bytes left
    bool failed; // sticky; after a failure every read returns zeros
};

struct reader reader_of(struct span bytes);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
void read_bytes(struct reader *r, void *out, size_t n); // out is zeroed on failure
struct span read_span(struct reader *r, size_t n);      // a view into the input; empty on failure
struct span read_rest(struct reader *r);
void read_zeros(struct reader *r, size_t n); // fails unless the next n bytes are zero
bool read_bool(struct reader *r);            // one byte, 0 or 1; anything else fails
void reader_fail(struct reader *r);          // a semantic check failed
bool reader_ok(const struct reader *r);      // no read has failed
bool reader_done(const struct reader *r);    // no read has failed and nothing is left

// Writes into a fixed array; an overflow is a bug of ours and asserts.
struct writer {
    uint8_t *p;
    size_t n;        // bytes written
    size_t capacity; // bytes there are
};

struct writer writer_of(void *p, size_t capacity);
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);
void write_bytes(struct writer *w, const void *p, size_t n);
void write_zeros(struct writer *w, size_t n);
struct span writer_span(const struct writer *w);

// Plain big-endian access to memory that is known to be large enough.
uint16_t load_u16(const uint8_t *p);
uint32_t load_u32(const uint8_t *p);
uint64_t load_u64(const uint8_t *p);
void store_u16(uint8_t *p, uint16_t v);
void store_u32(uint8_t *p, uint32_t v);
void store_u64(uint8_t *p, uint64_t v);

#endif
