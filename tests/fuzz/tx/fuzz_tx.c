// Transactions: what is read is written the same, and can be checked and verified whatever it says.
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "ledger/verify.h"

static void check_job(struct span bytes, const struct tx_rules *rules, bool valid) {
    struct verify_job *verify = verify_job_new(rules);
    const struct tx_id id = {{0}};
    verify_job_add(verify, &id, bytes);
    verify->job.run(&verify->job, NULL);
    ASSERT(verify_job_valid(verify, 0) == valid);
    verify->job.free(&verify->job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    struct tx tx;
    uint8_t again[TX_BYTES_MAX];
    if (tx_decode(&tx, span_of(data, size)) != OK)
        return 0;
    size_t n = tx_encode(again, &tx);
    ASSERT(span_equal(span_of(again, n), span_of(data, size)));
    ASSERT(tx_kind_text(tx.kind) != NULL);
    const struct tx_rules rules = {.network = tx.network, .fee_min = 10};
    const struct tx_rules elsewhere = {.network = {{1}}, .fee_min = 10};
    bool valid = tx_check(&tx, &rules) == OK && tx_verify(&tx) == OK;
    check_job(span_of(data, size), &rules, valid);
    if (memcmp(tx.network.bytes, elsewhere.network.bytes, sizeof tx.network.bytes) != 0)
        ASSERT(tx_check(&tx, &elsewhere) == ERR_NETWORK);
    return 0;
}
