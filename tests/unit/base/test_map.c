// A map of 32-byte keys.
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cursor.h"

#define KEYS 2000
#define STEPS 20000

static void a_map_agrees_with_a_table_of_all_keys(void **state) {
    (void)state;
    for (uint8_t seed = 1; seed <= 3; seed++) {
        struct rng rng;
        struct map map;
        static uint8_t keys[KEYS][MAP_KEY_BYTES];
        bool there[KEYS] = {0};
        size_t count = 0;
        rng_init(&rng, (uint8_t[RNG_SEED_BYTES]){seed});
        map_init(&map, &rng);
        for (size_t i = 0; i < KEYS; i++) {
            memset(keys[i], 0, MAP_KEY_BYTES);
            store_u64(keys[i] + 8 * (i % 4), i + 1); // keys that differ little
        }
        for (size_t n = 0; n < STEPS; n++) {
            size_t i = (size_t)rng_below(&rng, KEYS);
            assert_ptr_equal(map_find(&map, keys[i]), there[i] ? keys[i] : NULL);
            if (there[i])
                assert_ptr_equal(map_remove(&map, keys[i]), keys[i]);
            else
                map_add(&map, keys[i], keys[i]);
            there[i] = !there[i];
            count = there[i] ? count + 1 : count - 1;
            assert_int_equal(map.count, count);
        }
        for (size_t i = 0; i < KEYS; i++)
            assert_ptr_equal(map_find(&map, keys[i]), there[i] ? keys[i] : NULL);
        map_free(&map);
    }
}

static void what_is_not_there_is_not_found_and_not_removed(void **state) {
    (void)state;
    struct rng rng;
    struct map map;
    uint8_t key[MAP_KEY_BYTES] = {1};
    rng_init(&rng, (uint8_t[RNG_SEED_BYTES]){9});
    map_init(&map, &rng);
    assert_null(map_find(&map, key));
    assert_null(map_remove(&map, key));
    map_free(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_agrees_with_a_table_of_all_keys),
        cmocka_unit_test(what_is_not_there_is_not_found_and_not_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
