// Amounts as text: exact both ways, and nothing else is taken for one.
#include "ledger/amount.h"

#include "ledger/tx.h"
#include "wire/codec.h"

static void amounts_of_both_units_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t grains;
    } cases[] = {
        {"1SOT", 1000000},
        {"1 SOT", 1000000},
        {"1.5SOT", 1500000},
        {"0.000001 SOT", 1},
        {"0.0SOT", 0},
        {"007.250000SOT", 7250000},
        {"200grains", 200},
        {"1 grain", 1},
        {"0grains", 0},
        {"1152921504606846975grains", GRAINS_MAX},
        {"1152921504606.846975SOT", GRAINS_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t grains = 77;
        assert_int_equal(amount_parse(&grains, cases[i].text), OK);
        assert_int_equal(grains, cases[i].grains);
    }
}

static void what_is_no_amount_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",         " ",         "SOT",      "1",        "1.5",     "1.",          ".5SOT",        "1.SOT",
        "-1SOT",    "+1SOT",     "1e3SOT",   "1,5SOT",   "1  SOT",  " 1SOT",       "1SOT ",        "1sot",
        "1 SOTs",   "1.5grains", "1.0grain", "1Grains",  "0x10SOT", "1.2.3SOT",    "1.0000001SOT", "1\tSOT",
        "1 000SOT", "nanSOT",    "infSOT",   "1SOT2SOT", "1_0SOT",  "\xd9\xa1SOT",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t grains = 77;
        if (amount_parse(&grains, texts[i]) != ERR_MALFORMED)
            fail_msg("\"%s\" was not refused", texts[i]);
        assert_int_equal(grains, 77);
    }
}

static void more_than_all_there_is_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "1152921504606846976grains",
        "1152921504606.846976SOT",
        "1152921504607SOT",
        "1152921504606846975SOT",
        "18446744073709551616grains",
        "18446744073709.551616SOT",
        "18446744073710SOT",
        "99999999999999999999999999999999999999SOT",
        "0.99999999999999999999999999999SOT",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t grains = 77;
        assert_int_equal(amount_parse(&grains, texts[i]), ERR_TOO_LONG);
        assert_int_equal(grains, 77);
    }
}

static void amounts_are_written_shortly(void **state) {
    (void)state;
    static const struct {
        uint64_t grains;
        const char *text;
    } cases[] = {
        {0, "0 SOT"},
        {1, "1 grain"},
        {999, "999 grains"},
        {1000, "0.001 SOT"},
        {12500000, "12.5 SOT"},
        {1000001, "1.000001 SOT"},
        {100000000, "100 SOT"},
        {GRAINS_MAX, "1152921504606.846975 SOT"},
        {UINT64_MAX, "18446744073709.551615 SOT"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[AMOUNT_TEXT_MAX];
        amount_format(text, cases[i].grains);
        assert_string_equal(text, cases[i].text);
    }
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    for (int i = 0; i < 20000; i++) {
        char text[AMOUNT_TEXT_MAX];
        uint64_t again;
        uint64_t grains = rng_below(&rng, (UINT64_C(1) << rng_below(&rng, 61)));
        amount_format(text, grains);
        assert_int_equal(amount_parse(&again, text), OK);
        assert_int_equal(again, grains);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_of_both_units_are_read),    cmocka_unit_test(what_is_no_amount_is_refused),
        cmocka_unit_test(more_than_all_there_is_is_refused), cmocka_unit_test(amounts_are_written_shortly),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests_name("amount", tests, NULL, NULL);
}
