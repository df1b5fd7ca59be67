// Amounts as a person types them.
#include "base/assert.h"
#include "fuzz.h"
#include "ledger/amount.h"
#include "ledger/tx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf text = {0};
    uint64_t grains, again;
    char written[AMOUNT_TEXT_MAX];
    buf_append(&text, span_of(data, size));
    buf_append(&text, SPAN_LITERAL("\0"));
    if (amount_parse(&grains, (const char *)text.p) == OK) {
        ASSERT(grains <= GRAINS_MAX);
        amount_format(written, grains);
        ASSERT(amount_parse(&again, written) == OK && again == grains);
    }
    buf_free(&text);
    return 0;
}
