// Messages between replicas.
#include "base/assert.h"
#include "fuzz.h"
#include "wire/replica.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct replica_message message;
    if (replica_decode(&message, span_of(data, size)) != OK)
        return 0;
    struct buf again = {0};
    replica_encode(&again, &message);
    ASSERT(span_equal(buf_span(&again), span_of(data, size)));
    buf_free(&again);
    return 0;
}
