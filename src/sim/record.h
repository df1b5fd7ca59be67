// Recorded frames, as they are under TLS, and the check that nobody can link what goes into a relay with what comes
// out by its bytes.
#ifndef SOTTO_SIM_RECORD_H
#define SOTTO_SIM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct recorded {
    uint32_t from;
    uint32_t to;
    struct buf bytes;
};

struct record {
    bool on;
    struct recorded *frames;
    size_t count;
    size_t capacity;
};

void record_frame(struct record *record, uint32_t from, uint32_t to, struct span bytes);
void record_free(struct record *record);

struct linked {
    uint64_t cells_in;
    uint64_t cells_out;
    uint64_t wrong_sizes;
    uint64_t common_runs; // 8-byte runs that a cell into the machine and a cell out of it share
};

// All cells into a machine against all cells out of it. What is left out: the cell's own head, version and epoch of a
// packet, and pairs of message parts, which carry what is public (the directory) or for both ends (replication).
void record_link(const struct record *record, uint32_t machine, struct linked *out);

#endif
