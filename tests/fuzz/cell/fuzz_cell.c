// A link's cells one after another. Each is made of its head from the input, a length of bytes from the input (u16) and
// a byte that fills the rest, so that a fuzzer need not write two kilobytes to get past a head.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "fuzz.h"
#include "wire/cell.h"

static void next_cell(uint8_t bytes[static CELL_BYTES], struct reader *r) {
    read_bytes(r, bytes, CELL_HEADER_BYTES);
    size_t n = read_u16(r) % (CELL_BODY_BYTES + 1);
    memset(bytes + CELL_HEADER_BYTES, read_u8(r), CELL_BODY_BYTES);
    struct span given = read_span(r, n < r->n ? n : r->n);
    if (given.n > 0)
        memcpy(bytes + CELL_HEADER_BYTES, given.p, given.n);
}

// What decodes encodes to the same cell, but for the filling that nobody looks at.
static void check_again(const struct cell *cell, const uint8_t bytes[static CELL_BYTES]) {
    uint8_t again[CELL_BYTES];
    cell_encode(again, cell->kind, cell->flags, cell->body);
    size_t n = cell->kind == CELL_PART ? CELL_BYTES : CELL_HEADER_BYTES + cell->body.n;
    ASSERT(memcmp(again, bytes, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(span_of(data, size));
    struct assembler assembler = {.bytes_max = MESSAGE_BYTES_MAX_CLIENT};
    while (reader_ok(&r) && r.n > 0) {
        uint8_t bytes[CELL_BYTES];
        struct cell cell;
        bool complete = false;
        next_cell(bytes, &r);
        if (cell_decode(&cell, bytes) != OK)
            continue;
        check_again(&cell, bytes);
        if (cell.kind != CELL_PART)
            continue;
        enum err err = assembler_take(&assembler, &complete, &cell);
        ASSERT(err == OK || err == ERR_MALFORMED || err == ERR_TOO_LONG);
        ASSERT(assembler.message.n <= MESSAGE_BYTES_MAX_CLIENT);
        ASSERT(err != OK || complete == !assembler.under_way);
    }
    assembler_free(&assembler);
    return 0;
}
