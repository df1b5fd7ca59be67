// The payload cipher alone.
#include "crypto/sphinx.h"

#include "crypto/vectors.h"

static void block_fill(uint8_t *block, size_t n) {
    for (size_t j = 0; j < n; j++)
        block[j] = (uint8_t)(7 * j + n); // the rule of the published vectors
}

static void key_fill(uint8_t key[static 192]) {
    for (size_t i = 0; i < 192; i++)
        key[i] = (uint8_t)i;
}

static void lioness_agrees_with_published_vectors(void **state) {
    (void)state;
    json_t *json = vectors_load("onion/lioness_chacha20_blake2b.json");
    uint8_t key[192];
    key_fill(key);
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(json, "vectors"), i, vector) {
        size_t n = (size_t)json_integer_value(json_object_get(vector, "len"));
        uint8_t block[8192], plain[8192], digest[32], expected[32];
        assert_true(n <= sizeof block);
        block_fill(block, n);
        block_fill(plain, n);
        lioness_encrypt(block, n, key);
        json_hex_into(expected, sizeof expected, vector, "ciphertext_blake2b256");
        crypto_generichash_blake2b(digest, sizeof digest, block, n, NULL, 0);
        assert_memory_equal(digest, expected, sizeof expected);
        lioness_decrypt(block, n, key);
        assert_memory_equal(block, plain, n);
    }
    assert_true(i >= 7);
    json_decref(json);
}

static void the_smallest_block_has_one_byte_beyond_the_left_half(void **state) {
    (void)state;
    uint8_t key[192], block[33], plain[33];
    key_fill(key);
    block_fill(block, sizeof block);
    block_fill(plain, sizeof plain);
    lioness_decrypt(block, sizeof block, key);
    assert_memory_not_equal(block, plain, sizeof plain);
    lioness_encrypt(block, sizeof block, key);
    assert_memory_equal(block, plain, sizeof plain);
}

static void every_bit_of_the_key_matters(void **state) {
    (void)state;
    uint8_t key[192], first[64], other[64];
    key_fill(key);
    block_fill(first, sizeof first);
    lioness_encrypt(first, sizeof first, key);
    for (size_t bit = 0; bit < 8 * sizeof key; bit++) {
        key[bit / 8] ^= (uint8_t)(1 << bit % 8);
        block_fill(other, sizeof other);
        lioness_encrypt(other, sizeof other, key);
        assert_memory_not_equal(first, other, sizeof first);
        key[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lioness_agrees_with_published_vectors),
        cmocka_unit_test(the_smallest_block_has_one_byte_beyond_the_left_half),
        cmocka_unit_test(every_bit_of_the_key_matters),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
