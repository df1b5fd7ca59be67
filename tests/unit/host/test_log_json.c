// Log lines as JSON.
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static size_t lines_of(const char *path) {
    size_t lines = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    for (int c; (c = fgetc(file)) != EOF;) {
        lines += c == '\n';
    }
    fclose(file);
    return lines;
}

static void a_log_that_was_renamed_goes_on_in_a_new_file(void **state) {
    (void)state;
    char folder[] = "/tmp/sotto_log_XXXXXX";
    char path[64], old[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(old, sizeof(old), "%s/log.1", folder);
    struct log_json *log = NULL;
    struct metrics *metrics = metrics_new();
    struct buf why = {0};
    assert_int_equal(log_json_open(&log, path, "relay1", metrics, &why), OK);
    struct log_sink sink = log_json_sink(log, LOG_INFO);
    log_note(&sink, LOG_INFO, "host", "one");
    assert_int_equal(rename(path, old), 0);
    log_note(&sink, LOG_INFO, "host", "two");
    assert_int_equal(log_json_reopen(log), OK);
    log_note(&sink, LOG_INFO, "host", "three");
    assert_int_equal(lines_of(old), 2);
    assert_int_equal(lines_of(path), 1);
    remove(path);
    remove(old);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(log_json_reopen(log), ERR_IO); // what is open stays so
    log_note(&sink, LOG_INFO, "host", "four");
    log_json_close(log);
    metrics_free(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_severity_body_service_and_attributes),
        cmocka_unit_test(a_text_with_quotes_and_line_ends_stays_one_line),
        cmocka_unit_test(a_log_that_was_renamed_goes_on_in_a_new_file),
    };
    return cmocka_run_group_tests_name("host_log_json", tests, NULL, NULL);
}
