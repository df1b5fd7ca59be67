// The sticky-error reader under any sequence of reads: the input is a script (one byte a read) over itself.
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "fuzz.h"

static void read_one(struct reader *r, uint8_t step) {
    uint8_t out[16];
    size_t n = step >> 4;
    switch (step & 7) {
    case 0:
        (void)read_u8(r);
        break;
    case 1:
        (void)read_u16(r);
        break;
    case 2:
        (void)read_u32(r);
        break;
    case 3:
        (void)read_u64(r);
        break;
    case 4:
        memset(out, 1, sizeof out);
        read_bytes(r, out, n);
        for (size_t i = 0; i < n && !reader_ok(r); i++)
            ASSERT(out[i] == 0);
        break;
    case 5:
        ASSERT(reader_ok(r) || read_span(r, n).n == 0);
        break;
    case 6:
        read_zeros(r, n);
        break;
    default:
        (void)read_bool(r);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(span_of(data, size));
    bool failed = false;
    for (size_t i = 0; i < size; i++) {
        size_t left = r.n;
        read_one(&r, data[i]);
        ASSERT(r.n <= left);
        ASSERT(!failed || !reader_ok(&r)); // an error stays
        failed = !reader_ok(&r);
    }
    ASSERT(!reader_done(&r) || read_rest(&r).n == 0);
    return 0;
}
