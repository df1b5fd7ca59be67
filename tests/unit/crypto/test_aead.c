// Authenticated encryption and keys out of passphrases.
#include "crypto/aead.h"

#include "crypto/vectors.h"

typedef void seal_function(uint8_t *out, const uint8_t *key, const uint8_t *nonce, struct span ad, struct span plain);
typedef enum err open_function(uint8_t *out, const uint8_t *key, const uint8_t *nonce, struct span ad,
                               struct span sealed);

static bool all_zero(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

static void case_check(const json_t *test, seal_function *seal, open_function *open) {
    struct buf key = json_hex(test, "key"), nonce = json_hex(test, "iv"), ad = json_hex(test, "aad");
    struct buf plain = json_hex(test, "msg"), sealed = json_hex(test, "ct"), tag = json_hex(test, "tag");
    buf_append(&sealed, buf_span(&tag));
    uint8_t out[4096];
    assert_true(sealed.n <= sizeof out);
    if (json_text_is(test, "result", "valid")) {
        seal(out, key.p, nonce.p, buf_span(&ad), buf_span(&plain));
        assert_memory_equal(out, sealed.p, sealed.n);
        assert_int_equal(open(out, key.p, nonce.p, buf_span(&ad), buf_span(&sealed)), OK);
        assert_true(span_equal(span_of(out, plain.n), buf_span(&plain)));
    } else {
        memset(out, 0xaa, sizeof out);
        assert_int_equal(open(out, key.p, nonce.p, buf_span(&ad), buf_span(&sealed)), ERR_AUTH);
        assert_true(all_zero(out, plain.n));
    }
    struct buf *all[] = {&key, &nonce, &ad, &plain, &sealed, &tag};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        buf_free(all[i]);
}

static void file_check(const char *name, size_t nonce_n, seal_function *seal, open_function *open) {
    json_t *json = vectors_load(name);
    size_t checked = 0, i, j;
    json_t *group, *test;
    json_array_foreach(json_object_get(json, "testGroups"), i, group) {
        if ((size_t)json_integer_value(json_object_get(group, "ivSize")) != 8 * nonce_n)
            continue; // the size of the nonce is fixed by the type here
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            case_check(test, seal, open);
            checked++;
        }
    }
    assert_true(checked > 250);
    json_decref(json);
}

static void chacha20_poly1305_agrees_with_wycheproof(void **state) {
    (void)state;
    file_check("wycheproof/chacha20_poly1305_test.json", 12, aead_seal, aead_open);
}

static void xchacha20_poly1305_agrees_with_wycheproof(void **state) {
    (void)state;
    file_check("wycheproof/xchacha20_poly1305_test.json", 24, xaead_seal, xaead_open);
}

static void what_is_shorter_than_a_tag_is_refused(void **state) {
    (void)state;
    const uint8_t key[32] = {1}, nonce[24] = {2}, bytes[AEAD_TAG_BYTES] = {3};
    uint8_t out[1];
    for (size_t n = 0; n <= AEAD_TAG_BYTES; n++) {
        assert_int_equal(aead_open(out, key, nonce, (struct span){0}, span_of(bytes, n)), ERR_AUTH);
        assert_int_equal(xaead_open(out, key, nonce, (struct span){0}, span_of(bytes, n)), ERR_AUTH);
    }
}

static void sealing_and_opening_work_in_place(void **state) {
    (void)state;
    const uint8_t key[32] = {1}, nonce[24] = {2};
    uint8_t bytes[5 + AEAD_TAG_BYTES] = "hello";
    aead_seal(bytes, key, nonce, SPAN_LITERAL("ad"), span_of(bytes, 5));
    assert_int_equal(aead_open(bytes, key, nonce, SPAN_LITERAL("ad"), SPAN_OF(bytes)), OK);
    xaead_seal(bytes, key, nonce, SPAN_LITERAL("ad"), span_of(bytes, 5));
    assert_int_equal(xaead_open(bytes, key, nonce, SPAN_LITERAL("ad"), SPAN_OF(bytes)), OK);
    assert_memory_equal(bytes, "hello", 5);
}

static void a_passphrase_key_depends_on_all_that_goes_in(void **state) {
    (void)state;
    const uint8_t salt[16] = {1}, other_salt[16] = {2};
    uint8_t key[32], other[32];
    assert_int_equal(passphrase_key(key, SPAN_LITERAL("secret"), salt, 2, 64), OK);
    assert_int_equal(passphrase_key(other, SPAN_LITERAL("secret"), salt, 2, 64), OK);
    assert_memory_equal(key, other, 32);
    assert_int_equal(passphrase_key(other, SPAN_LITERAL("secreT"), salt, 2, 64), OK);
    assert_memory_not_equal(key, other, 32);
    assert_int_equal(passphrase_key(other, SPAN_LITERAL("secret"), other_salt, 2, 64), OK);
    assert_memory_not_equal(key, other, 32);
    assert_int_equal(passphrase_key(other, SPAN_LITERAL("secret"), salt, 3, 64), OK);
    assert_memory_not_equal(key, other, 32);
    assert_int_equal(passphrase_key(other, SPAN_LITERAL("secret"), salt, 2, 65), OK);
    assert_memory_not_equal(key, other, 32);
}

static void costs_below_the_least_are_refused(void **state) {
    (void)state;
    const uint8_t salt[16] = {1};
    uint8_t key[32];
    assert_int_equal(passphrase_key(key, SPAN_LITERAL("secret"), salt, 0, 64), ERR_INVALID);
    assert_int_equal(passphrase_key(key, SPAN_LITERAL("secret"), salt, 1, 7), ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chacha20_poly1305_agrees_with_wycheproof),
        cmocka_unit_test(xchacha20_poly1305_agrees_with_wycheproof),
        cmocka_unit_test(what_is_shorter_than_a_tag_is_refused),
        cmocka_unit_test(sealing_and_opening_work_in_place),
        cmocka_unit_test(a_passphrase_key_depends_on_all_that_goes_in),
        cmocka_unit_test(costs_below_the_least_are_refused),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
