// Contact links: what they carry, and how they fail.
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "client/link.h"

static const struct network_id network = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};

static struct card card_of(uint8_t fill) {
    struct card card;
    memset(card.identity.bytes, fill, 32);
    memset(card.dh.bytes, fill + 1, 32);
    memset(card.mailbox.bytes, fill + 2, 32);
    return card;
}

static enum err parse(struct card *out, const char *text) {
    const char *reason;
    enum err err = link_parse(out, &reason, text, &network);
    assert_true((err == OK) == (reason == NULL));
    return err;
}

static void a_link_gives_back_what_it_was_made_of(void **state) {
    (void)state;
    char text[LINK_TEXT_MAX + 1];
    for (uint8_t fill = 0; fill < 250; fill++) {
        struct card card = card_of(fill), out;
        link_format(text, &card, &network);
        assert_memory_equal(text, "sotto:", 6);
        assert_int_equal(parse(&out, text), OK);
        assert_memory_equal(&out, &card, sizeof(card));
    }
}

static void a_link_in_capitals_is_the_same_link(void **state) {
    (void)state;
    char text[LINK_TEXT_MAX + 1];
    struct card card = card_of(7), out;
    link_format(text, &card, &network);
    for (char *p = text + 6; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    assert_int_equal(parse(&out, text), OK);
    assert_memory_equal(&out, &card, sizeof(card));
}

static void a_link_of_another_network_is_refused_and_says_so(void **state) {
    (void)state;
    char text[LINK_TEXT_MAX + 1];
    struct network_id other = network;
    struct card card = card_of(7), out;
    const char *reason;
    other.bytes[7] ^= 1;
    link_format(text, &card, &other);
    assert_int_equal(link_parse(&out, &reason, text, &network), ERR_NETWORK);
    assert_string_equal(reason, "a link of another network");
}

static void every_mistyped_character_is_noticed(void **state) {
    (void)state;
    char text[LINK_TEXT_MAX + 1];
    struct card card = card_of(9), out;
    link_format(text, &card, &network);
    for (size_t i = 0; text[i] != '\0'; i++) {
        char right = text[i];
        text[i] = right == 'a' ? 'b' : 'a';
        assert_int_equal(parse(&out, text), ERR_MALFORMED);
        text[i] = '!';
        assert_int_equal(parse(&out, text), ERR_MALFORMED);
        text[i] = right;
    }
}

static void a_link_cut_short_or_with_more_behind_is_refused(void **state) {
    (void)state;
    char text[LINK_TEXT_MAX + 1];
    struct card card = card_of(9), out;
    link_format(text, &card, &network);
    size_t n = strlen(text);
    text[n] = 'a';
    text[n + 1] = '\0';
    assert_int_equal(parse(&out, text), ERR_MALFORMED);
    for (; n > 0; n--) {
        text[n - 1] = '\0';
        assert_int_equal(parse(&out, text), ERR_MALFORMED);
    }
}

static void text_must_be_well_formed_utf8(void **state) {
    (void)state;
    assert_true(text_valid(span_of_text("plain")));
    assert_true(text_valid(span_of_text("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80")));
    assert_true(text_valid((struct span){NULL, 0}));
    static const char *const wrong[] = {
        "\x80",     "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
        "\xe2\x82", "\xff"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(text_valid(span_of_text(wrong[i])));
    assert_false(text_valid(span_of("a\0b", 3)));
}

static void a_name_has_1_to_64_bytes_without_control_characters(void **state) {
    (void)state;
    char longest[CONTACT_NAME_MAX + 2] = {0};
    memset(longest, 'x', CONTACT_NAME_MAX);
    assert_true(name_valid(longest));
    longest[CONTACT_NAME_MAX] = 'x';
    assert_false(name_valid(longest));
    assert_true(name_valid("J\xc3\xbcrgen M."));
    assert_false(name_valid(""));
    assert_false(name_valid("a\nb"));
    assert_false(name_valid("a\x7f"));
    assert_false(name_valid("\xff"));
}

int main(void) {
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_gives_back_what_it_was_made_of),
        cmocka_unit_test(a_link_in_capitals_is_the_same_link),
        cmocka_unit_test(a_link_of_another_network_is_refused_and_says_so),
        cmocka_unit_test(every_mistyped_character_is_noticed),
        cmocka_unit_test(a_link_cut_short_or_with_more_behind_is_refused),
        cmocka_unit_test(text_must_be_well_formed_utf8),
        cmocka_unit_test(a_name_has_1_to_64_bytes_without_control_characters),
    };
    return cmocka_run_group_tests_name("client_link", tests, NULL, NULL);
}
