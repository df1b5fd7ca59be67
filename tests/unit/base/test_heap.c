// The heap of deadlines: order, stability, bounds.
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/time.h"

enum { ITEMS = 3000 };

struct item {
    uint64_t at_ms;
    unsigned number;
};

static void items_come_in_order_of_time_and_equal_times_in_order_of_insertion(void **state) {
    (void)state;
    for (uint8_t seed = 0; seed < 10; seed++) {
        uint8_t bytes[RNG_SEED_BYTES] = {seed};
        struct rng rng;
        rng_init(&rng, bytes);
        static struct item items[ITEMS];
        struct heap heap = {0};
        for (unsigned i = 0; i < ITEMS; i++) {
            items[i] = (struct item){rng_below(&rng, 100), i};
            heap_push(&heap, items[i].at_ms, &items[i]);
        }
        struct item last = {0, 0};
        for (unsigned i = 0; i < ITEMS; i++) {
            assert_true(heap_next_ms(&heap) >= last.at_ms);
            struct item *item = heap_pop(&heap);
            assert_true(i == 0 || item->at_ms > last.at_ms ||
                        (item->at_ms == last.at_ms && item->number > last.number));
            last = *item;
        }
        assert_null(heap_pop(&heap));
        heap_free(&heap);
    }
}

// Against a plain array that is searched for the earliest.
static void pushes_and_pops_in_any_order_agree_with_a_search(void **state) {
    (void)state;
    static const uint8_t seed[RNG_SEED_BYTES] = {99};
    struct rng rng;
    rng_init(&rng, seed);
    static struct item model[ITEMS];
    static bool waiting[ITEMS];
    unsigned pushed = 0;
    struct heap heap = {0};
    for (int round = 0; round < 2 * ITEMS; round++) {
        if (pushed < ITEMS && rng_below(&rng, 3) > 0) {
            model[pushed] = (struct item){rng_below(&rng, 50), pushed};
            waiting[pushed] = true;
            heap_push(&heap, model[pushed].at_ms, &model[pushed]);
            pushed++;
            continue;
        }
        struct item *first = NULL;
        for (unsigned i = 0; i < pushed; i++) {
            if (waiting[i] && (first == NULL || model[i].at_ms < first->at_ms))
                first = &model[i];
        }
        assert_true(heap_next_ms(&heap) == (first != NULL ? first->at_ms : TIME_NEVER));
        uint64_t now_ms = rng_below(&rng, 60);
        bool due = first != NULL && first->at_ms <= now_ms;
        assert_ptr_equal(heap_pop_due(&heap, now_ms), due ? first : NULL);
        if (due)
            waiting[first->number] = false;
    }
    heap_free(&heap);
}

static void an_empty_heap_has_nothing_due(void **state) {
    (void)state;
    struct heap heap = {0};
    assert_true(heap_next_ms(&heap) == TIME_NEVER);
    assert_null(heap_pop_due(&heap, UINT64_MAX));
    heap_push(&heap, 5, &heap);
    assert_null(heap_pop_due(&heap, 4));
    assert_ptr_equal(heap_pop_due(&heap, 5), &heap);
    heap_free(&heap);
    heap_free(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_in_order_of_time_and_equal_times_in_order_of_insertion),
        cmocka_unit_test(pushes_and_pops_in_any_order_agree_with_a_search),
        cmocka_unit_test(an_empty_heap_has_nothing_due),
    };
    return cmocka_run_group_tests_name("base/heap", tests, NULL, NULL);
}
