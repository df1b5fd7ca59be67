// What answers own.
#include "ledger/request.h"

#include <stdlib.h>

void ledger_answer_clear(struct ledger_answer *answer) {
    buf_free(&answer->block);
    buf_free(&answer->certificate);
    buf_free(&answer->tx.bytes);
    for (size_t i = 0; i < answer->tx_count; i++) {
        buf_free(&answer->txs[i].bytes);
    }
    free(answer->txs);
    free(answer->relays);
    *answer = (struct ledger_answer){0};
}
