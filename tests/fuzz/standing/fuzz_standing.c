// What a validator says of a relay's standing, as bytes.
#include "base/assert.h"
#include "fuzz.h"
#include "ledger/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct relay_standing standing;
    uint8_t again[RELAY_STANDING_BYTES_MAX];
    if (relay_standing_decode(&standing, span_of(data, size)) != OK)
        return 0;
    ASSERT(size <= sizeof again && relay_standing_encode(again, &standing) == size);
    ASSERT(span_equal(span_of(data, size), span_of(again, size)));
    return 0;
}
