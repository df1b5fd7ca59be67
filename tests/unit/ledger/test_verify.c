// Transactions checked several to a job: one verdict each, whatever stands beside it.
#include "ledger/verify.h"

#include "ledger/draw.h"

static void each_transaction_of_a_batch_has_its_own_verdict(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct drawn drawn;
        tx_draw(&drawn, TX_TRANSFER, &rng);
        struct verify_job *verify = verify_job_new(&drawn.rules);
        uint64_t expected = 0;
        for (size_t i = 0; i < VERIFY_BATCH_MAX; i++) {
            uint8_t bytes[TX_BYTES_MAX];
            drawn.tx.nonce = i;
            tx_sign(&drawn.tx, &drawn.sender);
            size_t n = tx_encode(bytes, &drawn.tx);
            bool good = rng_below(&rng, 3) != 0;
            if (!good)
                bytes[rng_below(&rng, n)] ^= (uint8_t)(1u << rng_below(&rng, 8));
            expected |= (uint64_t)good << i;
            const struct tx_id id = {{(uint8_t)i}};
            verify_job_add(verify, &id, span_of(bytes, n));
            assert_true(span_equal(verify_job_tx(verify, i), span_of(bytes, n)));
        }
        verify->job.run(&verify->job, NULL);
        assert_true(verify_job_is(&verify->job));
        assert_true(verify->valid == expected);
        for (size_t i = 0; i < VERIFY_BATCH_MAX; i++) {
            assert_int_equal(verify_job_valid(verify, i), expected >> i & 1);
            assert_int_equal(verify->ids[i].bytes[0], i);
        }
        verify->job.free(&verify->job);
    }
}

static void an_empty_batch_and_one_of_rubbish_are_run(void **state) {
    (void)state;
    const struct tx_rules rules = {0};
    struct verify_job *verify = verify_job_new(&rules);
    verify->job.run(&verify->job, NULL);
    const struct tx_id id = {{0}};
    verify_job_add(verify, &id, (struct span){0});
    verify_job_add(verify, &id, SPAN_LITERAL("rubbish"));
    verify->job.run(&verify->job, NULL);
    assert_true(verify->valid == 0);
    verify->job.free(&verify->job);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_transaction_of_a_batch_has_its_own_verdict),
        cmocka_unit_test(an_empty_batch_and_one_of_rubbish_are_run),
    };
    return cmocka_run_group_tests_name("verify", tests, codec_setup, NULL);
}
