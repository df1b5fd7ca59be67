// Records of the log, and what recovery makes of every cut and every flipped bit.
#include "ledger/consensus/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "dies.h"
#include "log_rig.h"

#define RECORDS 6
#define SEEDS 200

// A log of a few records of drawn lengths; where each begins, and the end.
struct sample {
    struct buf log;
    size_t starts[RECORDS + 1];
    uint8_t bodies[RECORDS][64];
    size_t body_n[RECORDS];
};

static void make_sample(struct sample *sample, uint32_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {0};
    struct rng rng;
    store_u32(bytes, seed);
    rng_init(&rng, bytes);
    *sample = (struct sample){0};
    for (size_t i = 0; i < RECORDS; i++) {
        sample->starts[i] = sample->log.n;
        sample->body_n[i] = (size_t)rng_below(&rng, sizeof sample->bodies[i] + 1);
        rng_bytes(&rng, sample->bodies[i], sample->body_n[i]);
        if (rng_below(&rng, 4) == 0)
            memset(sample->bodies[i], 0, sample->body_n[i]); // zeros look like short lengths
        wal_encode(&sample->log, &(struct wal_record){.type = i % 2 == 0 ? WAL_INPUT : WAL_SIGNER,
                                                      .height = UINT64_MAX - i,
                                                      .body = {sample->bodies[i], sample->body_n[i]}});
    }
    sample->starts[RECORDS] = sample->log.n;
}

static void assert_records(const struct sample *sample, struct span log, size_t count) {
    struct wal_record record;
    for (size_t i = 0; i < count; i++) {
        assert_true(wal_next(&record, &log));
        assert_int_equal(record.type, i % 2 == 0 ? WAL_INPUT : WAL_SIGNER);
        assert_true(record.height == UINT64_MAX - i);
        assert_true(span_equal(record.body, span_of(sample->bodies[i], sample->body_n[i])));
    }
    assert_false(wal_next(&record, &log));
    assert_int_equal(log.n, 0);
}

static void a_record_has_the_bytes_of_the_specification(void **state) {
    (void)state;
    struct buf log = {0};
    wal_encode(&log, &(struct wal_record){.type = WAL_SIGNER, .height = 0x0102, .body = SPAN_LITERAL("ab")});
    static const uint8_t head[] = {0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 1, 2, 'a', 'b'};
    assert_int_equal(log.n, sizeof head + 4);
    assert_memory_equal(log.p, head, sizeof head);
    assert_int_equal(load_u32(log.p + sizeof head), 0x9b0b4352);
    buf_free(&log);
}

static void an_empty_log_is_sound(void **state) {
    (void)state;
    struct wal_recovery recovery;
    struct wal_record record;
    struct span rest = {0};
    assert_int_equal(wal_recover(&recovery, rest), OK);
    assert_int_equal(recovery.valid_bytes + recovery.torn_bytes + recovery.records, 0);
    assert_false(wal_next(&record, &rest));
}

static void what_was_appended_comes_back_in_order(void **state) {
    (void)state;
    struct log_rig rig = {0};
    struct sample sample;
    make_sample(&sample, 1);
    for (size_t i = 0; i < RECORDS; i++) {
        struct step step = log_rig_step(&rig);
        wal_append(&step, &(struct wal_record){.type = i % 2 == 0 ? WAL_INPUT : WAL_SIGNER,
                                               .height = UINT64_MAX - i,
                                               .body = {sample.bodies[i], sample.body_n[i]}});
        assert_false(log_rig_apply(&rig));
    }
    struct wal_recovery recovery;
    assert_int_equal(wal_recover(&recovery, buf_span(&rig.log)), OK);
    assert_int_equal(recovery.valid_bytes, rig.log.n);
    assert_int_equal(recovery.torn_bytes, 0);
    assert_int_equal(recovery.records, RECORDS);
    assert_records(&sample, buf_span(&rig.log), RECORDS);
    buf_free(&sample.log);
    log_rig_free(&rig);
}

static void the_longest_body_comes_back(void **state) {
    (void)state;
    struct buf body = {0}, log = {0};
    memset(buf_extend(&body, WAL_BODY_BYTES_MAX), 9, WAL_BODY_BYTES_MAX);
    wal_encode(&log, &(struct wal_record){.type = WAL_INPUT, .height = 1, .body = buf_span(&body)});
    struct wal_recovery recovery;
    assert_int_equal(wal_recover(&recovery, buf_span(&log)), OK);
    assert_int_equal(recovery.records, 1);
    buf_free(&body);
    buf_free(&log);
}

static void encode_too_much(void) {
    static const uint8_t body[WAL_BODY_BYTES_MAX + 1];
    struct buf log = {0};
    wal_encode(&log, &(struct wal_record){.type = WAL_INPUT, .height = 1, .body = SPAN_OF(body)});
}

static void a_longer_body_is_our_bug(void **state) {
    (void)state;
    assert_true(dies(encode_too_much));
}

static void cut_anywhere_the_whole_records_stay(void **state) {
    (void)state;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        struct sample sample;
        make_sample(&sample, seed);
        size_t whole = 0;
        for (size_t n = 0; n <= sample.log.n; n++) {
            whole += whole < RECORDS && sample.starts[whole + 1] == n;
            struct wal_recovery recovery;
            assert_int_equal(wal_recover(&recovery, span_of(sample.log.p, n)), OK);
            assert_int_equal(recovery.records, whole);
            assert_int_equal(recovery.valid_bytes, sample.starts[whole]);
            assert_int_equal(recovery.torn_bytes, n - sample.starts[whole]);
            assert_records(&sample, span_of(sample.log.p, recovery.valid_bytes), whole);
        }
        buf_free(&sample.log);
    }
}

static void a_flipped_bit_is_refused_with_its_place_or_ends_the_log(void **state) {
    (void)state;
    for (uint32_t seed = 0; seed < SEEDS / 10; seed++) {
        struct sample sample;
        make_sample(&sample, seed);
        size_t hit = 0;
        for (size_t bit = 0; bit < 8 * sample.log.n; bit++) {
            hit += bit / 8 == sample.starts[hit + 1];
            sample.log.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
            struct wal_recovery recovery;
            enum err err = wal_recover(&recovery, buf_span(&sample.log));
            assert_int_equal(err, hit == RECORDS - 1 ? OK : ERR_CORRUPT);
            assert_int_equal(recovery.valid_bytes, sample.starts[hit]);
            assert_int_equal(recovery.torn_bytes, sample.starts[hit + 1] - sample.starts[hit]);
            sample.log.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        buf_free(&sample.log);
    }
}

static void rubbish_behind_the_end_is_dropped(void **state) {
    (void)state;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        struct sample sample;
        make_sample(&sample, seed);
        uint8_t bytes[RNG_SEED_BYTES] = {7};
        struct rng rng;
        store_u32(bytes, seed);
        rng_init(&rng, bytes);
        size_t n = 1 + (size_t)rng_below(&rng, 4096);
        uint8_t *p = buf_extend(&sample.log, n);
        memset(p, 0, n);
        if (seed % 2 == 0)
            rng_bytes(&rng, p, n);
        struct wal_recovery recovery;
        assert_int_equal(wal_recover(&recovery, buf_span(&sample.log)), OK);
        assert_int_equal(recovery.valid_bytes, sample.starts[RECORDS]);
        assert_int_equal(recovery.torn_bytes, n);
        buf_free(&sample.log);
    }
}

static void a_torn_end_is_cut_before_anything_is_appended(void **state) {
    (void)state;
    struct sample sample;
    make_sample(&sample, 3);
    struct log_rig rig = {0};
    buf_append(&rig.log, span_of(sample.log.p, sample.starts[4] + 5));
    struct wal_recovery recovery;
    assert_int_equal(wal_recover(&recovery, buf_span(&rig.log)), OK);
    struct step step = log_rig_step(&rig);
    wal_cut_torn_end(&step, buf_span(&rig.log), &recovery);
    wal_append(&step, &(struct wal_record){.type = WAL_INPUT, .height = 1});
    assert_true(log_rig_apply(&rig));
    assert_int_equal(wal_recover(&recovery, buf_span(&rig.log)), OK);
    assert_int_equal(recovery.records, 5);
    assert_int_equal(recovery.torn_bytes, 0);
    wal_cut_torn_end(&step, buf_span(&rig.log), &recovery);
    assert_true(log_batch_is_empty(&rig.batch)); // nothing is written where nothing is torn
    buf_free(&sample.log);
    log_rig_free(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_the_bytes_of_the_specification),
        cmocka_unit_test(an_empty_log_is_sound),
        cmocka_unit_test(what_was_appended_comes_back_in_order),
        cmocka_unit_test(the_longest_body_comes_back),
        cmocka_unit_test(a_longer_body_is_our_bug),
        cmocka_unit_test(cut_anywhere_the_whole_records_stay),
        cmocka_unit_test(a_flipped_bit_is_refused_with_its_place_or_ends_the_log),
        cmocka_unit_test(rubbish_behind_the_end_is_dropped),
        cmocka_unit_test(a_torn_end_is_cut_before_anything_is_appended),
    };
    return cmocka_run_group_tests_name("ledger/wal", tests, NULL, NULL);
}
