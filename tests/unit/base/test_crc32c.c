// CRC-32C against the examples of RFC 3720, appendix B.4.
#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_examples_of_rfc_3720_come_out(void **state) {
    (void)state;
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c(SPAN_OF(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(SPAN_OF(bytes)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(SPAN_OF(bytes)), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = 31 - i;
    assert_int_equal(crc32c(SPAN_OF(bytes)), 0x113fdb5c);
}

static void the_check_value_of_the_polynomial_comes_out(void **state) {
    (void)state;
    assert_int_equal(crc32c(SPAN_LITERAL("123456789")), 0xe3069283);
    assert_int_equal(crc32c((struct span){0}), 0);
}

static void every_flipped_bit_is_seen(void **state) {
    (void)state;
    uint8_t bytes[64];
    memset(bytes, 0x5a, sizeof bytes);
    uint32_t whole = crc32c(SPAN_OF(bytes));
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(crc32c(SPAN_OF(bytes)), whole);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_3720_come_out),
        cmocka_unit_test(the_check_value_of_the_polynomial_comes_out),
        cmocka_unit_test(every_flipped_bit_is_seen),
    };
    return cmocka_run_group_tests_name("base/crc32c", tests, NULL, NULL);
}
