// Published test vectors: JSON files under SOTTO_VECTORS. Tests skip themselves where the folder is absent.
#ifndef SOTTO_TESTS_CRYPTO_VECTORS_H
#define SOTTO_TESTS_CRYPTO_VECTORS_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "no_randombytes.h"

static inline json_t *json_read(const char *path) {
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (!json)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return json;
}

// The path of a published file. Skips the test where it is absent.
static inline void vectors_path(char *path, size_t n, const char *name) {
    const char *folder = getenv("SOTTO_VECTORS");
    snprintf(path, n, "%s/%s", folder ? folder : "", name);
    FILE *file = folder ? fopen(path, "rb") : NULL;
    if (file) {
        fclose(file);
    } else {
        print_message("skipped: %s is not there\n", name);
        skip();
    }
}

// Never NULL: a missing file skips the test, an unreadable one fails it. The caller releases it.
static inline json_t *vectors_load(const char *name) {
    char path[4096];
    vectors_path(path, sizeof path, name);
    return json_read(path);
}

// A file of docs/spec/vectors, which is always there.
static inline json_t *spec_vectors_load(const char *name) {
    char path[4096];
    const char *folder = getenv("SOTTO_SPEC_VECTORS");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "docs/spec/vectors", name);
    return json_read(path);
}

static inline const char *json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static inline bool json_text_is(const json_t *object, const char *key, const char *value) {
    return strcmp(json_text(object, key), value) == 0;
}

// The bytes that hexadecimal text stands for; freed by the caller. An absent key gives no bytes.
static inline struct buf json_hex(const json_t *object, const char *key) {
    const char *text = json_text(object, key);
    struct buf out = {0};
    size_t n = strlen(text) / 2;
    uint8_t *p = buf_extend(&out, n + 1); // never without memory, so that .p can be passed on
    out.n = n;
    assert_int_equal(hex_decode(p, n, text), OK);
    return out;
}

// Hexadecimal of exactly n bytes.
static inline void json_hex_into(void *out, size_t n, const json_t *object, const char *key) {
    const char *text = json_text(object, key);
    if (strlen(text) != 2 * n)
        fail_msg("%s: %zu hexadecimal digits wanted, %zu there", key, 2 * n, strlen(text));
    assert_int_equal(hex_decode(out, n, text), OK);
}

static inline int vectors_setup(void **state) {
    (void)state;
    forbid_randombytes();
    return 0;
}

#endif
