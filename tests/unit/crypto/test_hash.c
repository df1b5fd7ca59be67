// Hashes and derivations: published vectors, and what the domain separation promises.
#include "crypto/hash.h"

#include "crypto/vectors.h"

static void hmac_sha256_agrees_with_wycheproof(void **state) {
    (void)state;
    json_t *json = vectors_load("wycheproof/hmac_sha256_test.json");
    size_t checked = 0, i, j;
    json_t *group, *test;
    json_array_foreach(json_object_get(json, "testGroups"), i, group) {
        size_t tag_n = (size_t)json_integer_value(json_object_get(group, "tagSize")) / 8;
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            struct buf key = json_hex(test, "key"), message = json_hex(test, "msg"), tag = json_hex(test, "tag");
            uint8_t made[32];
            hmac_sha256(made, buf_span(&key), buf_span(&message));
            assert_int_equal(memcmp(made, tag.p, tag_n) == 0, json_text_is(test, "result", "valid"));
            checked++;
            buf_free(&key);
            buf_free(&message);
            buf_free(&tag);
        }
    }
    assert_true(checked > 100);
    json_decref(json);
}

static void hkdf_sha256_agrees_with_wycheproof(void **state) {
    (void)state;
    json_t *json = vectors_load("wycheproof/hkdf_sha256_test.json");
    size_t checked = 0, i, j;
    json_t *group, *test;
    json_array_foreach(json_object_get(json, "testGroups"), i, group) {
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            size_t size = (size_t)json_integer_value(json_object_get(test, "size"));
            if (!json_text_is(test, "result", "valid"))
                continue; // only sizes beyond the limit, which are a bug of the caller's here
            struct buf ikm = json_hex(test, "ikm"), salt = json_hex(test, "salt"), info = json_hex(test, "info"),
                       okm = json_hex(test, "okm");
            uint8_t made[255 * 32];
            assert_true(size <= sizeof made);
            hkdf_sha256(made, size, buf_span(&salt), buf_span(&ikm), buf_span(&info));
            assert_memory_equal(made, okm.p, size);
            checked++;
            buf_free(&ikm);
            buf_free(&salt);
            buf_free(&info);
            buf_free(&okm);
        }
    }
    assert_true(checked > 50);
    json_decref(json);
}

static void sha256_agrees_with_fips_180(void **state) {
    (void)state;
    uint8_t expected[32], made[32];
    assert_int_equal(hex_decode(expected, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), OK);
    sha256(made, SPAN_LITERAL("abc"));
    assert_memory_equal(made, expected, 32);
    const struct span parts[] = {SPAN_LITERAL("a"), {0}, SPAN_LITERAL("bc")};
    sha256_parts(made, parts, 3);
    assert_memory_equal(made, expected, 32);
    assert_int_equal(hex_decode(expected, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), OK);
    sha256(made, (struct span){0});
    assert_memory_equal(made, expected, 32);
}

// Computed with Python's hashlib: blake2b(b"sotto test\0" + b"abc", digest_size=32).
static void hash_parts_is_blake2b_256_of_the_domain_with_its_zero_and_the_parts(void **state) {
    (void)state;
    uint8_t expected[32];
    assert_int_equal(hex_decode(expected, 32, "907e64f82fd33f2512d652392727d765ab37a76c6442d01615ad433df72d6ba5"), OK);
    struct hash made;
    hash_bytes(&made, "sotto test", SPAN_LITERAL("abc"));
    assert_memory_equal(made.bytes, expected, 32);
    const struct span parts[] = {SPAN_LITERAL("ab"), {0}, SPAN_LITERAL("c")};
    hash_parts(&made, "sotto test", parts, 3);
    assert_memory_equal(made.bytes, expected, 32);
}

// blake2b(b"sotto test\0" + b"abc", key=bytes(range(32)), digest_size=n).
static void hash_keyed_is_keyed_blake2b_of_the_length_asked_for(void **state) {
    (void)state;
    uint8_t key[32], expected[64], made[64];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    hash_keyed(made, 64, key, "sotto test", SPAN_LITERAL("abc"));
    assert_int_equal(hex_decode(expected, 64,
                                "27a7eb39e7ab745749f2e03950600449e97e1fbc06c9c9a4e8c9b902360cae99737e9ffafdbb63ca3107e8"
                                "ed715054297301dc00b70d56c6f7e56143f2a80393"),
                     OK);
    assert_memory_equal(made, expected, 64);
    hash_keyed(made, 16, key, "sotto test", SPAN_LITERAL("abc"));
    assert_int_equal(hex_decode(expected, 16, "06a3b26fbb46b2cbcd0c3d1b5dc62a56"), OK);
    assert_memory_equal(made, expected, 16);
}

static void another_domain_gives_another_hash(void **state) {
    (void)state;
    struct hash a, b;
    hash_bytes(&a, "sotto a", SPAN_LITERAL("bc"));
    hash_bytes(&b, "sotto ab", SPAN_LITERAL("c"));
    assert_memory_not_equal(a.bytes, b.bytes, 32);
}

static void leading_zeros_count_bits_from_the_first_byte(void **state) {
    (void)state;
    struct hash hash = {{0}};
    assert_int_equal(hash_leading_zeros(&hash), 256);
    hash.bytes[31] = 1;
    assert_int_equal(hash_leading_zeros(&hash), 255);
    hash.bytes[1] = 0x10;
    assert_int_equal(hash_leading_zeros(&hash), 11);
    hash.bytes[0] = 0x80;
    assert_int_equal(hash_leading_zeros(&hash), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_sha256_agrees_with_wycheproof),
        cmocka_unit_test(hkdf_sha256_agrees_with_wycheproof),
        cmocka_unit_test(sha256_agrees_with_fips_180),
        cmocka_unit_test(hash_parts_is_blake2b_256_of_the_domain_with_its_zero_and_the_parts),
        cmocka_unit_test(hash_keyed_is_keyed_blake2b_of_the_length_asked_for),
        cmocka_unit_test(another_domain_gives_another_hash),
        cmocka_unit_test(leading_zeros_count_bits_from_the_first_byte),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
