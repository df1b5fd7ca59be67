// The trace.
#include "sim/trace.h"

// The finaliser of splitmix64 (Steele, Lea, Flood 2014) over hash and value: fast, and any difference spreads.
uint64_t trace_mix(uint64_t hash, uint64_t value) {
    uint64_t z = hash * UINT64_C(0x9e3779b97f4a7c15) + value + UINT64_C(0x632be59bd9b4e019);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void trace_note(struct trace *trace, uint64_t at_ms, const char *what, uint32_t machine, uint64_t a, uint64_t b) {
    struct trace_entry *entry = &trace->tail[trace->count++ % TRACE_TAIL];
    *entry = (struct trace_entry){at_ms, what, machine, a, b};
    uint64_t hash = trace_mix(trace->hash, at_ms);
    for (const char *c = what; *c != '\0'; c++)
        hash = trace_mix(hash, (uint8_t)*c);
    hash = trace_mix(hash, machine);
    trace->hash = trace_mix(trace_mix(hash, a), b);
    if (trace->sink.note != NULL)
        trace->sink.note(trace->sink.ctx, entry);
}

const struct trace_entry *trace_tail(const struct trace *trace, size_t i) {
    uint64_t kept = trace->count < TRACE_TAIL ? trace->count : TRACE_TAIL;
    return i < kept ? &trace->tail[(trace->count - kept + i) % TRACE_TAIL] : NULL;
}
