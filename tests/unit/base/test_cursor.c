// Cursors: round trips, sticky errors, bounds.
#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"
#include "dies.h"

static struct rng rng_of(uint8_t seed) {
    uint8_t bytes[RNG_SEED_BYTES] = {seed};
    struct rng rng;
    rng_init(&rng, bytes);
    return rng;
}

static void integers_are_big_endian(void **state) {
    (void)state;
    uint8_t out[15];
    struct writer w = writer_of(out, sizeof out);
    write_u8(&w, 0x01);
    write_u16(&w, 0x0203);
    write_u32(&w, 0x04050607);
    write_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    for (uint8_t i = 0; i < 15; i++)
        assert_int_equal(out[i], i + 1);
    struct reader r = reader_of(writer_span(&w));
    assert_int_equal(read_u8(&r), 0x01);
    assert_int_equal(read_u16(&r), 0x0203);
    assert_int_equal(read_u32(&r), 0x04050607);
    assert_true(read_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_true(reader_done(&r));
}

// Writes (if w) or reads and compares (if r) the fields that the seed chooses.
static void random_fields(uint8_t seed, struct writer *w, struct reader *r) {
    struct rng rng = rng_of(seed);
    for (uint64_t left = rng_below(&rng, 40); left > 0; left--) {
        uint64_t kind = rng_below(&rng, 7);
        uint64_t v = rng_u64(&rng);
        uint8_t bytes[32], got[32];
        rng_bytes(&rng, bytes, sizeof bytes);
        size_t n = (size_t)(v % 33);
        if (w != NULL) {
            switch (kind) {
            case 0:
                write_u8(w, (uint8_t)v);
                break;
            case 1:
                write_u16(w, (uint16_t)v);
                break;
            case 2:
                write_u32(w, (uint32_t)v);
                break;
            case 3:
                write_u64(w, v);
                break;
            case 4:
                write_bytes(w, bytes, n);
                break;
            case 5:
                write_zeros(w, n);
                break;
            default:
                write_u8(w, v & 1);
                break;
            }
            continue;
        }
        switch (kind) {
        case 0:
            assert_int_equal(read_u8(r), (uint8_t)v);
            break;
        case 1:
            assert_int_equal(read_u16(r), (uint16_t)v);
            break;
        case 2:
            assert_int_equal(read_u32(r), (uint32_t)v);
            break;
        case 3:
            assert_true(read_u64(r) == v);
            break;
        case 4:
            if (v & 64)
                read_bytes(r, got, n);
            else
                memcpy(got, read_span(r, n).p, n);
            assert_memory_equal(got, bytes, n);
            break;
        case 5:
            read_zeros(r, n);
            break;
        default:
            assert_int_equal(read_bool(r), v & 1);
            break;
        }
        assert_true(reader_ok(r));
    }
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < 256; seed++) {
        uint8_t out[40 * 32];
        struct writer w = writer_of(out, sizeof out);
        random_fields((uint8_t)seed, &w, NULL);
        struct reader r = reader_of(writer_span(&w));
        random_fields((uint8_t)seed, NULL, &r);
        assert_true(reader_done(&r));
    }
}

static void a_read_beyond_the_end_fails_for_good_and_yields_zeros(void **state) {
    (void)state;
    struct rng rng = rng_of(1);
    for (int round = 0; round < 2000; round++) {
        uint8_t input[24];
        memset(input, 0xff, sizeof input);
        size_t n = (size_t)rng_below(&rng, sizeof input + 1);
        struct reader r = reader_of((struct span){input, n});
        size_t taken = 0;
        bool failed = false;
        for (int i = 0; i < 8; i++) {
            const size_t sizes[] = {1, 2, 4, 8};
            uint64_t kind = rng_below(&rng, 4);
            uint64_t got = 0;
            switch (kind) {
            case 0:
                got = read_u8(&r);
                break;
            case 1:
                got = read_u16(&r);
                break;
            case 2:
                got = read_u32(&r);
                break;
            default:
                got = read_u64(&r);
                break;
            }
            failed = failed || sizes[kind] > n - taken;
            if (!failed)
                taken += sizes[kind];
            uint64_t ones = UINT64_MAX >> (64 - 8 * sizes[kind]);
            assert_true(got == (failed ? 0 : ones));
            assert_int_equal(reader_ok(&r), !failed);
        }
        assert_int_equal(reader_done(&r), !failed && taken == n);
    }
}

static void a_failed_reader_zeroes_what_it_was_to_fill(void **state) {
    (void)state;
    uint8_t out[4] = {9, 9, 9, 9};
    struct reader r = reader_of(SPAN_LITERAL("abc"));
    read_bytes(&r, out, 4);
    assert_memory_equal(out, "\0\0\0\0", 4);
    assert_false(reader_ok(&r));
    assert_int_equal(read_u8(&r), 0);
    assert_int_equal(read_rest(&r).n, 0);
    assert_false(reader_ok(&r));
    struct span none = read_span(&r, SIZE_MAX);
    assert_true(none.p == NULL && none.n == 0);
}

static void nothing_can_be_read_from_nothing(void **state) {
    (void)state;
    struct reader r = reader_of((struct span){NULL, 0});
    assert_int_equal(read_rest(&r).n, 0);
    read_bytes(&r, NULL, 0);
    read_zeros(&r, 0);
    assert_true(reader_done(&r));
    assert_false(read_bool(&r));
    assert_false(reader_ok(&r));
}

static void zeros_and_booleans_are_checked(void **state) {
    (void)state;
    struct reader r = reader_of(SPAN_LITERAL("\0\0\1"));
    read_zeros(&r, 3);
    assert_false(reader_ok(&r));
    for (unsigned v = 0; v < 256; v++) {
        uint8_t byte = (uint8_t)v;
        r = reader_of((struct span){&byte, 1});
        assert_int_equal(read_bool(&r), v == 1);
        assert_int_equal(reader_done(&r), v <= 1);
    }
}

static void a_reader_with_bytes_left_is_not_done(void **state) {
    (void)state;
    struct reader r = reader_of(SPAN_LITERAL("ab"));
    read_u8(&r);
    assert_true(reader_ok(&r));
    assert_false(reader_done(&r));
    assert_int_equal(read_rest(&r).n, 1);
    assert_true(reader_done(&r));
    reader_fail(&r);
    assert_false(reader_done(&r));
}

static void overflow_by_one(void) {
    uint8_t out[4];
    struct writer w = writer_of(out, sizeof out);
    write_u8(&w, 1);
    write_u32(&w, 2);
}

static void overflow_by_wrapping(void) {
    uint8_t out[4];
    struct writer w = writer_of(out, sizeof out);
    write_u8(&w, 1);
    write_zeros(&w, SIZE_MAX);
}

static void a_writer_that_overflows_is_our_bug(void **state) {
    (void)state;
    assert_true(dies(overflow_by_one));
    assert_true(dies(overflow_by_wrapping));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_read_beyond_the_end_fails_for_good_and_yields_zeros),
        cmocka_unit_test(a_failed_reader_zeroes_what_it_was_to_fill),
        cmocka_unit_test(nothing_can_be_read_from_nothing),
        cmocka_unit_test(zeros_and_booleans_are_checked),
        cmocka_unit_test(a_reader_with_bytes_left_is_not_done),
        cmocka_unit_test(a_writer_that_overflows_is_our_bug),
    };
    return cmocka_run_group_tests_name("base/cursor", tests, NULL, NULL);
}
