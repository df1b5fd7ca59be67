// Static Merkle trees: the shape of RFC 9162, and proofs that lead nowhere else.
#include "crypto/merkle.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "wire/codec.h"

#define ITEMS 70

static void items_draw(struct hash items[static ITEMS], struct rng *rng) {
    for (size_t i = 0; i < ITEMS; i++)
        rng_bytes(rng, items[i].bytes, sizeof items[i].bytes);
}

// RFC 9162, 2.1.1, as it is written there.
static void root_by_definition(struct hash *out, const struct hash *items, size_t n) {
    if (n == 1) {
        hash_bytes(out, "sotto leaf 1", SPAN_OF(items[0].bytes));
        return;
    }
    size_t k = 1;
    while (k * 2 < n)
        k *= 2;
    struct hash left;
    struct hash right;
    root_by_definition(&left, items, k);
    root_by_definition(&right, items + k, n - k);
    const struct span parts[] = {SPAN_OF(left.bytes), SPAN_OF(right.bytes)};
    hash_parts(out, "sotto node 1", parts, 2);
}

static void the_root_of_nothing_is_zero(void **state) {
    (void)state;
    static const struct hash zero;
    struct hash root;
    memset(root.bytes, 1, sizeof root.bytes);
    merkle_root(&root, NULL, 0);
    assert_memory_equal(root.bytes, zero.bytes, sizeof zero.bytes);
}

static void roots_have_the_shape_of_rfc_9162(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    struct hash items[ITEMS];
    items_draw(items, &rng);
    for (uint32_t n = 1; n <= ITEMS; n++) {
        struct hash expected;
        struct hash root;
        root_by_definition(&expected, items, n);
        merkle_root(&root, items, n);
        assert_memory_equal(root.bytes, expected.bytes, sizeof root.bytes);
    }
}

static void every_item_is_proved_at_its_place_only(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(2);
    struct hash items[ITEMS];
    items_draw(items, &rng);
    for (uint32_t n = 1; n <= ITEMS; n++) {
        struct hash root;
        merkle_root(&root, items, n);
        for (uint32_t i = 0; i < n; i++) {
            struct hash hashes[MERKLE_PATH_MAX];
            struct merkle_path path = {hashes, merkle_prove(hashes, items, n, i)};
            assert_int_equal(merkle_verify(&root, n, i, &items[i], path), OK);
            assert_int_equal(merkle_verify(&root, n, i, &items[(i + 1) % ITEMS], path), ERR_AUTH);
            assert_int_equal(merkle_verify(&root, n, n, &items[i], path), ERR_AUTH);
            if (n > 1)
                assert_int_equal(merkle_verify(&root, n, (i + 1) % n, &items[i], path), ERR_AUTH);
        }
    }
}

static void a_whole_tree_gives_the_same_root_and_paths(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(3);
    struct hash items[ITEMS];
    items_draw(items, &rng);
    for (uint32_t n = 1; n <= ITEMS; n++) {
        struct merkle_tree *tree = merkle_tree_new(items, n);
        struct hash expected, root;
        merkle_root(&expected, items, n);
        merkle_tree_root(&root, tree);
        assert_memory_equal(root.bytes, expected.bytes, sizeof root.bytes);
        for (uint32_t i = 0; i < n; i++) {
            struct hash wanted[MERKLE_PATH_MAX], path[MERKLE_PATH_MAX];
            size_t count = merkle_prove(wanted, items, n, i);
            assert_int_equal(merkle_tree_prove(path, tree, i), count);
            assert_memory_equal(path, wanted, count * sizeof path[0]);
        }
        merkle_tree_free(tree);
    }
}

static void a_path_that_is_changed_cut_or_longer_is_refused(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct hash items[ITEMS];
        items_draw(items, &rng);
        uint32_t n = 2 + (uint32_t)rng_below(&rng, ITEMS - 1);
        uint32_t index = (uint32_t)rng_below(&rng, n);
        struct hash root;
        struct hash hashes[MERKLE_PATH_MAX + 1] = {{{0}}};
        merkle_root(&root, items, n);
        size_t count = merkle_prove(hashes, items, n, index);
        assert_int_equal(merkle_verify(&root, n, index, &items[index], (struct merkle_path){hashes, count - 1}),
                         ERR_AUTH);
        assert_int_equal(merkle_verify(&root, n, index, &items[index], (struct merkle_path){hashes, count + 1}),
                         ERR_AUTH);
        hashes[rng_below(&rng, count)].bytes[rng_below(&rng, 32)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        assert_int_equal(merkle_verify(&root, n, index, &items[index], (struct merkle_path){hashes, count}), ERR_AUTH);
    }
}

static void a_path_is_read_where_it_stands(void **state) {
    (void)state;
    uint8_t bytes[1 + MERKLE_PATH_MAX * 32 + 33] = {2};
    for (size_t i = 1; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    struct reader r = reader_of(SPAN_OF(bytes));
    struct merkle_path path = merkle_path_read(&r);
    assert_true(reader_ok(&r));
    assert_int_equal(path.count, 2);
    assert_ptr_equal(path.hashes, bytes + 1);
    uint8_t again[65];
    struct writer w = writer_of(again, sizeof again);
    merkle_path_write(&w, path);
    assert_memory_equal(again, bytes, sizeof again);
    bytes[0] = MERKLE_PATH_MAX + 1;
    r = reader_of(SPAN_OF(bytes));
    assert_int_equal(merkle_path_read(&r).count, 0);
    assert_false(reader_ok(&r));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_of_nothing_is_zero),
        cmocka_unit_test(roots_have_the_shape_of_rfc_9162),
        cmocka_unit_test(every_item_is_proved_at_its_place_only),
        cmocka_unit_test(a_whole_tree_gives_the_same_root_and_paths),
        cmocka_unit_test(a_path_that_is_changed_cut_or_longer_is_refused),
        cmocka_unit_test(a_path_is_read_where_it_stands),
    };
    return cmocka_run_group_tests_name("merkle", tests, codec_setup, NULL);
}
