// Views, buffers, hexadecimal, the texts of errors.
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dies.h"

static void spans_sort_as_unsigned_bytes_and_a_prefix_first(void **state) {
    (void)state;
    const struct span sorted[] = {
        SPAN_LITERAL(""),     SPAN_LITERAL("\0"),   SPAN_LITERAL("\0\0"), SPAN_LITERAL("a"),
        SPAN_LITERAL("a\0"),  SPAN_LITERAL("a\1"),  SPAN_LITERAL("ab"),   SPAN_LITERAL("b"),
        SPAN_LITERAL("\x7f"), SPAN_LITERAL("\x80"), SPAN_LITERAL("\xff"), SPAN_LITERAL("\xff\xff"),
    };
    const int n = sizeof sorted / sizeof sorted[0];
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            assert_int_equal(span_compare(sorted[i], sorted[j]), (i > j) - (i < j));
            assert_int_equal(span_equal(sorted[i], sorted[j]), i == j);
        }
    }
}

static void an_empty_span_may_be_null(void **state) {
    (void)state;
    struct span null = span_of(NULL, 0);
    assert_true(span_equal(null, SPAN_LITERAL("")));
    assert_int_equal(span_compare(null, SPAN_LITERAL("a")), -1);
    struct buf buf = {0};
    buf_append(&buf, null);
    assert_int_equal(buf.n, 0);
    buf_free(&buf);
}

static void a_buffer_holds_what_was_appended_in_order(void **state) {
    (void)state;
    static const uint8_t seed[32] = {1};
    struct rng rng;
    rng_init(&rng, seed);
    uint8_t expected[20000];
    rng_bytes(&rng, expected, sizeof expected);
    struct buf buf = {0};
    while (buf.n < sizeof expected) {
        size_t part = (size_t)rng_below(&rng, 300);
        if (part > sizeof expected - buf.n)
            part = sizeof expected - buf.n;
        buf_append(&buf, (struct span){expected + buf.n, part});
    }
    assert_memory_equal(buf.p, expected, sizeof expected);
    size_t capacity = buf.capacity;
    buf_clear(&buf);
    assert_int_equal(buf.n, 0);
    assert_int_equal(buf.capacity, capacity);
    memset(buf_extend(&buf, 3), 'x', 3);
    assert_true(span_equal(buf_span(&buf), SPAN_LITERAL("xxx")));
    buf_wipe(&buf);
    assert_null(buf.p);
    buf_free(&buf);
}

static void append_own_bytes(void) {
    struct buf buf = {0};
    buf_append(&buf, SPAN_LITERAL("bytes"));
    buf_append(&buf, buf_span(&buf));
}

static void a_buffer_does_not_append_itself(void **state) {
    (void)state;
    assert_true(dies(append_own_bytes));
}

static void copies_are_made_and_texts_end(void **state) {
    (void)state;
    char *text = mem_text(SPAN_LITERAL("four"));
    assert_string_equal(text, "four");
    uint8_t *copy = mem_copy(SPAN_LITERAL("four"));
    assert_memory_equal(copy, "four", 4);
    uint8_t *empty = mem_copy((struct span){0});
    assert_non_null(empty);
    free(text);
    free(copy);
    free(empty);
}

static void exhausted_memory(void) {
    mem_new(SIZE_MAX / 2, 16);
}

static void memory_that_is_not_there_ends_the_process(void **state) {
    (void)state;
    assert_true(dies(exhausted_memory));
}

static void hexadecimal_goes_both_ways(void **state) {
    (void)state;
    uint8_t all[256], back[256];
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    char text[513];
    hex_encode(text, SPAN_OF(all));
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text, "000102", 6);
    assert_memory_equal(text + 506, "fdfeff", 6);
    assert_int_equal(hex_decode(back, sizeof back, text), OK);
    assert_memory_equal(all, back, sizeof all);
    assert_int_equal(hex_decode(back, 2, "aBCd"), OK);
    assert_memory_equal(back, "\xab\xcd", 2);
}

static void hexadecimal_of_another_length_or_other_digits_is_refused(void **state) {
    (void)state;
    const char *bad[] = {"", "ab", "abc", "abcde", "abcdef", "abcg", " bcd", "0x12", "-1ff", "abc\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t out[2] = {7, 7};
        assert_int_equal(hex_decode(out, 2, bad[i]), ERR_MALFORMED);
        assert_memory_equal(out, "\7\7", 2);
    }
}

static void every_error_has_its_own_text(void **state) {
    (void)state;
#define TEXT(name, value, text) text,
    const char *texts[] = {ERR_LIST(TEXT)};
#undef TEXT
#define VALUE(name, value, text) name,
    const enum err errors[] = {ERR_LIST(VALUE)};
#undef VALUE
    const size_t n = sizeof texts / sizeof texts[0];
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(err_text(errors[i]), texts[i]);
        assert_true(errors[i] <= 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(texts[i], texts[j]);
    }
    assert_string_equal(err_text((enum err) - 9999), "unknown error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_sort_as_unsigned_bytes_and_a_prefix_first),
        cmocka_unit_test(an_empty_span_may_be_null),
        cmocka_unit_test(a_buffer_holds_what_was_appended_in_order),
        cmocka_unit_test(a_buffer_does_not_append_itself),
        cmocka_unit_test(copies_are_made_and_texts_end),
        cmocka_unit_test(memory_that_is_not_there_ends_the_process),
        cmocka_unit_test(hexadecimal_goes_both_ways),
        cmocka_unit_test(hexadecimal_of_another_length_or_other_digits_is_refused),
        cmocka_unit_test(every_error_has_its_own_text),
    };
    return cmocka_run_group_tests_name("base/bytes", tests, NULL, NULL);
}
