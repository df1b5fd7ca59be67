// The SOCKS5 client against the bytes of RFC 1928 and RFC 1929.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/bytes.h"
#include "net/socks.h"

struct talk {
    struct socks socks;
    struct buf out;
};

static void begin(struct talk *talk, const char *host) {
    *talk = (struct talk){0};
    struct address target = {.port = 443};
    strcpy(target.host, host);
    socks_begin(&talk->socks, &talk->out, &target, "user", "pw");
}

static enum socks_state hear(struct talk *talk, const char *bytes, size_t n) {
    struct span in = span_of(bytes, n);
    buf_clear(&talk->out);
    enum socks_state state = socks_take(&talk->socks, &talk->out, &in);
    assert_int_equal(in.n, 0);
    return state;
}

#define HEAR(talk, literal) hear(talk, literal, sizeof(literal) - 1)
#define ASSERT_SAYS(talk, literal)                                        \
    do {                                                                  \
        assert_int_equal((talk)->out.n, sizeof(literal) - 1);             \
        assert_memory_equal((talk)->out.p, literal, sizeof(literal) - 1); \
    } while (0)

static void a_name_is_left_to_the_proxy_to_resolve(void **state) {
    (void)state;
    struct talk talk;
    begin(&talk, "relay.example");
    ASSERT_SAYS(&talk, "\x05\x02\x00\x02");
    assert_int_equal(HEAR(&talk, "\x05\x00"), SOCKS_CONNECT);
    ASSERT_SAYS(&talk, "\x05\x01\x00\x03\x0drelay.example\x01\xbb");
    assert_int_equal(HEAR(&talk, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"), SOCKS_DONE);
    buf_free(&talk.out);
}

static void a_proxy_that_asks_gets_user_and_password(void **state) {
    (void)state;
    struct talk talk;
    begin(&talk, "10.0.0.1");
    assert_int_equal(HEAR(&talk, "\x05\x02"), SOCKS_AUTH);
    ASSERT_SAYS(&talk, "\x01\x04user\x02pw");
    assert_int_equal(HEAR(&talk, "\x01\x00"), SOCKS_CONNECT);
    ASSERT_SAYS(&talk, "\x05\x01\x00\x01\x0a\x00\x00\x01\x01\xbb");
    buf_free(&talk.out);
}

static void an_ipv6_target_goes_as_sixteen_bytes(void **state) {
    (void)state;
    struct talk talk;
    begin(&talk, "2001:db8::1");
    assert_int_equal(HEAR(&talk, "\x05\x00"), SOCKS_CONNECT);
    ASSERT_SAYS(&talk, "\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\xbb");
    buf_free(&talk.out);
}

static void replies_may_come_byte_by_byte_and_what_follows_is_the_targets(void **state) {
    (void)state;
    struct talk talk;
    begin(&talk, "relay.example");
    const char script[] = "\x05\x00\x05\x00\x00\x03\x03"
                          "abc\x00\x50TLS";
    struct span rest = span_of(script, sizeof(script) - 1);
    enum socks_state at = SOCKS_METHOD;
    while (at != SOCKS_DONE) {
        assert_true(rest.n > 3);
        struct span one = span_of(rest.p, 1);
        at = socks_take(&talk.socks, &talk.out, &one);
        assert_int_equal(one.n, 0);
        rest = span_of(rest.p + 1, rest.n - 1);
    }
    assert_true(span_equal(rest, SPAN_LITERAL("TLS")));

    buf_free(&talk.out);
    begin(&talk, "relay.example");
    struct span all = span_of(script, sizeof(script) - 1);
    assert_int_equal(socks_take(&talk.socks, &talk.out, &all), SOCKS_DONE);
    assert_true(span_equal(all, SPAN_LITERAL("TLS")));
    buf_free(&talk.out);
}

static void refusals_and_nonsense_end_it(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"\x05\xff", 2},                                          // no method suits
        {"\x04\x00", 2},                                          // SOCKS4
        {"HT", 2},                                                // an HTTP server
        {"\x05\x02\x01\x01", 4},                                  // wrong password
        {"\x05\x02\x05\x00", 4},                                  // authentication in another version
        {"\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", 12}, // connection refused
        {"\x05\x00\x05\x00\x00\x09\x00", 7},                      // an address of no kind
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct talk talk;
        begin(&talk, "relay.example");
        struct span in = span_of(bad[i].bytes, bad[i].n);
        assert_int_equal(socks_take(&talk.socks, &talk.out, &in), SOCKS_FAILED);
        buf_free(&talk.out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_left_to_the_proxy_to_resolve),
        cmocka_unit_test(a_proxy_that_asks_gets_user_and_password),
        cmocka_unit_test(an_ipv6_target_goes_as_sixteen_bytes),
        cmocka_unit_test(replies_may_come_byte_by_byte_and_what_follows_is_the_targets),
        cmocka_unit_test(refusals_and_nonsense_end_it),
    };
    return cmocka_run_group_tests_name("net_socks", tests, NULL, NULL);
}
