// Runs of 8 bytes: those of the cells in are sorted, those of the cells out are looked up.
#include "sim/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "wire/cell.h"

#define RUN_BYTES 8
#define PACKET_CLEAR_BYTES 2 // version and epoch

void record_frame(struct record *record, uint32_t from, uint32_t to, struct span bytes) {
    if (!record->on)
        return;
    if (record->count == record->capacity) {
        size_t capacity = record->capacity > 0 ? 2 * record->capacity : 256;
        struct recorded *frames = realloc(record->frames, capacity * sizeof *frames);
        ASSERT(frames != NULL);
        record->frames = frames;
        record->capacity = capacity;
    }
    struct recorded *frame = &record->frames[record->count++];
    *frame = (struct recorded){.from = from, .to = to};
    buf_append(&frame->bytes, bytes);
}

void record_free(struct record *record) {
    for (size_t i = 0; i < record->count; i++)
        buf_free(&record->frames[i].bytes);
    free(record->frames);
    *record = (struct record){0};
}

// The bytes of a cell that must not be seen again: a packet without version and epoch, a reply, a message part.
static struct span hidden_part(const struct recorded *frame) {
    struct cell cell;
    if (frame->bytes.n != CELL_BYTES || cell_decode(&cell, frame->bytes.p) != OK || cell.kind == CELL_DUMMY)
        return (struct span){NULL, 0};
    size_t skip = cell.kind == CELL_PACKET ? PACKET_CLEAR_BYTES : 0;
    return span_of(cell.body.p + skip, cell.body.n - skip);
}

struct run {
    uint8_t bytes[RUN_BYTES];
    bool part; // of a message
};

static int compare_runs(const void *a, const void *b) {
    return memcmp(((const struct run *)a)->bytes, ((const struct run *)b)->bytes, RUN_BYTES);
}

static size_t count_runs(const struct record *record, uint32_t to) {
    size_t runs = 0;
    for (size_t i = 0; i < record->count; i++) {
        struct span part = hidden_part(&record->frames[i]);
        if (record->frames[i].to == to && part.n >= RUN_BYTES)
            runs += part.n - RUN_BYTES + 1;
    }
    return runs;
}

static bool is_part(const struct recorded *frame) {
    return frame->bytes.p[0] == CELL_PART;
}

static struct run *collect_runs(const struct record *record, uint32_t to, size_t count) {
    struct run *runs = NEW_ARRAY(struct run, count + 1);
    size_t n = 0;
    for (size_t i = 0; i < record->count; i++) {
        const struct recorded *frame = &record->frames[i];
        struct span part = hidden_part(frame);
        for (size_t at = 0; frame->to == to && at + RUN_BYTES <= part.n; at++) {
            memcpy(runs[n].bytes, part.p + at, RUN_BYTES);
            runs[n++].part = is_part(frame);
        }
    }
    ASSERT(n == count);
    qsort(runs, n, sizeof *runs, compare_runs); // equal runs only differ in where they are from
    return runs;
}

// Whether the run stands in a cell that came in; `part`: it went out in a message, so it may have come in one.
static bool came_in(const struct run *runs, size_t count, const uint8_t *bytes, bool part) {
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(runs[middle].bytes, bytes, RUN_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && memcmp(runs[low].bytes, bytes, RUN_BYTES) == 0; low++) {
        if (!part || !runs[low].part)
            return true;
    }
    return false;
}

void record_link(const struct record *record, uint32_t machine, struct linked *out) {
    *out = (struct linked){0};
    size_t count = count_runs(record, machine);
    struct run *runs = collect_runs(record, machine, count);
    for (size_t i = 0; i < record->count; i++) {
        const struct recorded *frame = &record->frames[i];
        out->wrong_sizes += frame->bytes.n != CELL_BYTES ? 1 : 0;
        out->cells_in += frame->to == machine ? 1 : 0;
        if (frame->from != machine)
            continue;
        out->cells_out++;
        struct span part = hidden_part(frame);
        for (size_t at = 0; at + RUN_BYTES <= part.n; at++)
            out->common_runs += came_in(runs, count, part.p + at, is_part(frame)) ? 1 : 0;
    }
    free(runs);
}
