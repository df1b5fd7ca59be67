// Hosts and ports, from text and from the wire.
#include "wire/address.h"

#include "wire/codec.h"

static const char *const good_hosts[] = {
    "127.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "localhost",
    "relay-1",
    "relay_1.example.org",
    "a",
    "1a",
    "xn--bcher-kva.ch",
    "10.0.0.x",
    "::",
    "::1",
    "1::",
    "fe80::1",
    "2001:db8::8:800:200c:417a",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "::ffff:192.0.2.1",
    "1:2:3:4:5:6:1.2.3.4",
    "ABCD::EF01",
    "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd.onion",
    "012345678901234567890123456789012345678901234567890123456789abc",
};

static const char *const bad_hosts[] = {
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "-a",
    "a-",
    "a b",
    "a\n",
    "a/b",
    "a@b",
    "[::1]",
    "\xc3\xa9",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "01.2.3.4",
    "1.2.3.4.",
    "a.1",
    "12",
    "1.2.3.1000",
    ":",
    ":::",
    "1:",
    ":1",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "0123456789012345678901234567890123456789012345678901234567890abc",
};

static void hosts_are_names_or_literals_and_nothing_else(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good_hosts / sizeof *good_hosts; i++) {
        if (!host_valid(span_of_text(good_hosts[i])))
            fail_msg("refused: %s", good_hosts[i]);
    }
    for (size_t i = 0; i < sizeof bad_hosts / sizeof *bad_hosts; i++) {
        if (host_valid(span_of_text(bad_hosts[i])))
            fail_msg("taken: %s", bad_hosts[i]);
    }
    assert_false(host_valid(span_of("a\0b", 3)));
}

static void addresses_come_back_from_text_as_they_were(void **state) {
    (void)state;
    const uint16_t ports[] = {1, 9, 10, 80, 443, 1000, 7070, 9999, 10000, 65535};
    for (size_t i = 0; i < sizeof good_hosts / sizeof *good_hosts; i++) {
        for (size_t j = 0; j < sizeof ports / sizeof *ports; j++) {
            struct address address = {.port = ports[j]};
            struct address back;
            char text[ADDRESS_TEXT_MAX];
            memcpy(address.host, good_hosts[i], strlen(good_hosts[i]));
            address_format(text, &address);
            assert_int_equal(address_parse(&back, text), OK);
            assert_true(address_equal(&address, &back));
        }
    }
    struct address address;
    char text[ADDRESS_TEXT_MAX];
    assert_int_equal(address_parse(&address, "[::1]:7070"), OK);
    assert_string_equal(address.host, "::1");
    assert_int_equal(address.port, 7070);
    address_format(text, &address);
    assert_string_equal(text, "[::1]:7070");
}

static void texts_that_are_no_address_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",        ":",     ":80",     "a",        "a:",    "a:0",         "a:65536", "a:080",
        "a:+1",    "a: 1",  "a:1 ",    "a:123456", "[a]:1", "[1.2.3.4]:1", "::1:80",  "[::1:80",
        "::1]:80", "[]:80", "[::1]80", "[::1]",    "a:b:1", "a b:1",       "a:1x",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address address;
        if (address_parse(&address, texts[i]) != ERR_MALFORMED)
            fail_msg("taken: %s", texts[i]);
    }
}

static bool takes_address(void *ctx, struct span bytes) {
    struct reader r = reader_of(bytes);
    address_read(&r, ctx);
    return reader_done(&r);
}

static void addresses_come_back_from_the_wire_as_they_were(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good_hosts / sizeof *good_hosts; i++) {
        struct address address = {.port = (uint16_t)(i + 1)};
        struct address back;
        uint8_t bytes[ADDRESS_BYTES_MAX];
        memcpy(address.host, good_hosts[i], strlen(good_hosts[i]));
        struct writer w = writer_of(bytes, sizeof bytes);
        address_write(&w, &address);
        takes_exactly(&(struct parser){takes_address, &back}, writer_span(&w));
        assert_true(takes_address(&back, writer_span(&w)));
        assert_true(address_equal(&address, &back));
        memset(bytes + w.n - 2, 0, 2); // port 0
        assert_false(takes_address(&back, writer_span(&w)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_names_or_literals_and_nothing_else),
        cmocka_unit_test(addresses_come_back_from_text_as_they_were),
        cmocka_unit_test(texts_that_are_no_address_are_refused),
        cmocka_unit_test(addresses_come_back_from_the_wire_as_they_were),
    };
    return cmocka_run_group_tests_name("addresses", tests, codec_setup, NULL);
}
