// Directories of a network of zeros.
#include "base/assert.h"
#include "fuzz.h"
#include "wire/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct network_id network;
    struct span bytes = span_of(data, size);
    struct directory *directory;
    struct buf again = {0};
    if (directory_decode(&directory, bytes, &network) != OK)
        return 0;
    for (size_t i = 1; i < directory->relay_count; i++)
        ASSERT(relay_id_compare(&directory->relays[i - 1].id, &directory->relays[i].id) < 0);
    ASSERT(span_equal(bytes, buf_span(&directory->bytes)));
    directory_encode(&again, directory);
    ASSERT(span_equal(bytes, buf_span(&again)));
    buf_free(&again);
    directory_unref(directory);
    return 0;
}
