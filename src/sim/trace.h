// What happened in a world, in order: a running hash of everything, the last entries for a failure's report, and a
// sink that may print all of it.
#ifndef SOTTO_SIM_TRACE_H
#define SOTTO_SIM_TRACE_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_TAIL 64

struct trace_entry {
    uint64_t at_ms;
    const char *what; // static
    uint32_t machine;
    uint64_t a;
    uint64_t b;
};

struct trace_sink {
    void *ctx;
    void (*note)(void *ctx, const struct trace_entry *entry); // NULL: nobody looks
};

struct trace {
    uint64_t hash;
    uint64_t count;
    struct trace_entry tail[TRACE_TAIL]; // a ring
    struct trace_sink sink;
};

void trace_note(struct trace *trace, uint64_t at_ms, const char *what, uint32_t machine, uint64_t a, uint64_t b);
// The i-th of the last entries, oldest first; NULL past the end.
const struct trace_entry *trace_tail(const struct trace *trace, size_t i);
uint64_t trace_mix(uint64_t hash, uint64_t value);

#endif
