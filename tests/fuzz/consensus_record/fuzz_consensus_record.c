// Records of the consensus log: what decodes encodes to the same bytes, and no record that parses upsets a core.
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "ledger/consensus/record.h"

static void replay(struct span record) {
    struct bft_outputs outputs = {0};
    struct bft *core = bft_new(NULL, &BFT_PARAMS_DEFAULT);
    struct validator_set set = {.count = 1, .total = 1, .validators = {{.power = 1}}};
    bft_step(core, &(struct bft_input){.kind = BFT_INPUT_START, .start = {4, &set, &set}}, 0, &outputs);
    (void)bft_replay(core, record, &outputs);
    bft_resume(core, 0, &outputs);
    bft_outputs_free(&outputs);
    bft_free(core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bft_record *record = NEW(struct bft_record);
    if (bft_record_decode(record, span_of(data, size)) == OK) {
        struct buf again = {0};
        bft_record_encode(&again, &record->input);
        ASSERT(span_equal(buf_span(&again), span_of(data, size)));
        buf_free(&again);
        replay(span_of(data, size));
    }
    free(record);
    return 0;
}
