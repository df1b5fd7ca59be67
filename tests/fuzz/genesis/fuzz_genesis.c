// A genesis text (the first byte even) and an address as a person types it (odd).
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "wire/genesis.h"

static void check_genesis(struct span text) {
    struct genesis genesis;
    unsigned line = 0;
    if (genesis_parse(&genesis, text, &line) != OK) {
        ASSERT(line > 0 || text.n > GENESIS_BYTES_MAX);
        return;
    }
    struct buf again = {0};
    genesis_format(&again, &genesis);
    ASSERT(span_equal(text, buf_span(&again)));
    buf_free(&again);
    for (uint32_t epoch = 1; epoch < 4; epoch++)
        ASSERT(epoch_at(&genesis, epoch_start_ms(&genesis, epoch)) == epoch);
}

static void check_address(struct span bytes) {
    char *text = mem_text(bytes);
    struct address address;
    char again[ADDRESS_TEXT_MAX];
    if (address_parse(&address, text) == OK) {
        address_format(again, &address);
        ASSERT(strcmp(text, again) == 0);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    if (size == 0)
        return 0;
    if ((data[0] & 1) == 0)
        check_genesis(span_of(data + 1, size - 1));
    else
        check_address(span_of(data + 1, size - 1));
    return 0;
}
