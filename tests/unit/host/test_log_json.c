// Log lines as JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "host/log_json.h"

static json_t *parse(const struct log_line *line) {
    struct buf out = {0};
    log_json_format(&out, line, "relay1", 1790000000007);
    assert_int_equal(out.p[out.n - 1], '\n');
    assert_null(memchr(out.p, '\n', out.n - 1));
    json_error_t error;
    json_t *root = json_loadb((const char *)out.p, out.n, 0, &error);
    assert_non_null(root);
    buf_free(&out);
    return root;
}

static const char *text_at(const json_t *root, const char *key) {
    return json_string_value(json_object_get(root, key));
}

static void a_line_has_time_severity_body_service_and_attributes(void **state) {
    (void)state;
    uint8_t relay[32];
    memset(relay, 0xab, sizeof(relay));
    struct log_line line = {.level = LOG_WARN,
                            .part = "relay",
                            .message = "packet dropped",
                            .reason = "late",
                            .relay = relay,
                            .has_number = true,
                            .number_name = "count",
                            .number = -3};
    json_t *root = parse(&line);
    assert_string_equal(text_at(root, "timestamp"), "2026-09-21T14:13:20.007Z");
    assert_string_equal(text_at(root, "severity"), "WARN");
    assert_string_equal(text_at(root, "body"), "packet dropped");
    assert_string_equal(text_at(root, "service"), "relay1");
    json_t *attributes = json_object_get(root, "attributes");
    assert_string_equal(text_at(attributes, "part"), "relay");
    assert_string_equal(text_at(attributes, "reason"), "late");
    assert_int_equal(strlen(text_at(attributes, "relay")), 64);
    assert_int_equal(json_integer_value(json_object_get(attributes, "count")), -3);
    json_decref(root);
}

static void a_text_with_quotes_and_line_ends_stays_one_line(void **state) {
    (void)state;
    struct log_line line = {.level = LOG_INFO, .part = "host", .message = "m", .reason = "a \"b\" \\ c\nd\te\x7f\x01"};
    json_t *root = parse(&line);
    assert_string_equal(text_at(json_object_get(root, "attributes"), "reason"), line.reason);
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_severity_body_service_and_attributes),
        cmocka_unit_test(a_text_with_quotes_and_line_ends_stays_one_line),
    };
    return cmocka_run_group_tests_name("host_log_json", tests, NULL, NULL);
}
