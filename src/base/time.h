// Time as protocol code sees it: two readings taken once per event and handed down as a parameter.
#ifndef SOTTO_BASE_TIME_H
#define SOTTO_BASE_TIME_H

#include <stdint.h>

struct now {
    uint64_t mono_ms; // never goes back; for timers and durations
    uint64_t wall_ms; // since 1970-01-01 UTC; may jump; for lifetimes and signed times
};

#define TIME_NEVER UINT64_MAX
#define SECOND_MS UINT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

#endif
