// The overlay: own writes before what lies below, changes in the order of the first touch, a failure that stays.
#include "ledger/overlay.h"

#include "base/cursor.h"
#include "base/kv_memory.h"
#include "wire/codec.h"

static void put(struct kv *kv, const char *key, const char *value) {
    struct kv_batch batch = {0};
    kv_batch_put(&batch, span_of_text(key), span_of_text(value), KV_LAZY);
    assert_int_equal(kv_write(kv, &batch), OK);
    kv_batch_free(&batch);
}

static void assert_value(struct overlay *overlay, const char *key, const char *value) {
    struct span got;
    assert_true(overlay_get(overlay, span_of_text(key), &got));
    assert_true(span_equal(got, span_of_text(value)));
}

static void own_writes_come_before_what_lies_below(void **state) {
    (void)state;
    struct kv *kv = kv_memory_new();
    struct span got;
    put(kv, "a", "below");
    put(kv, "b", "below");
    struct overlay *overlay = overlay_over_kv(kv);
    assert_value(overlay, "a", "below");
    overlay_put(overlay, SPAN_LITERAL("a"), SPAN_LITERAL("own"));
    overlay_delete(overlay, SPAN_LITERAL("b"));
    assert_value(overlay, "a", "own");
    assert_false(overlay_get(overlay, SPAN_LITERAL("b"), &got));
    assert_false(overlay_get(overlay, SPAN_LITERAL("c"), &got));
    struct overlay *above = overlay_over(overlay);
    assert_value(above, "a", "own");
    assert_false(overlay_get(above, SPAN_LITERAL("b"), &got));
    overlay_free(above);
    overlay_free(overlay);
    kv_close(kv);
}

static void only_what_changed_is_written_in_the_order_of_the_first_touch(void **state) {
    (void)state;
    struct kv *kv = kv_memory_new();
    struct kv_batch writes = {0}, inverse = {0};
    put(kv, "a", "1");
    put(kv, "b", "1");
    struct overlay *overlay = overlay_over_kv(kv);
    overlay_put(overlay, SPAN_LITERAL("z"), SPAN_LITERAL("2"));
    overlay_delete(overlay, SPAN_LITERAL("b"));
    overlay_put(overlay, SPAN_LITERAL("a"), SPAN_LITERAL("2"));
    overlay_put(overlay, SPAN_LITERAL("a"), SPAN_LITERAL("1")); // as it was
    overlay_put(overlay, SPAN_LITERAL("n"), SPAN_LITERAL("3"));
    overlay_delete(overlay, SPAN_LITERAL("n")); // as it was
    overlay_writes(overlay, &writes, KV_SYNCED);
    overlay_inverse(overlay, &inverse, KV_LAZY);
    assert_int_equal(kv_batch_count(&writes), 2);
    assert_true(writes.synced && !inverse.synced);
    assert_true(span_equal(kv_batch_at(&writes, 0).key, SPAN_LITERAL("z")));
    assert_true(kv_batch_at(&writes, 1).is_delete);
    assert_true(kv_batch_at(&inverse, 0).is_delete);
    assert_true(span_equal(kv_batch_at(&inverse, 1).value, SPAN_LITERAL("1")));
    kv_batch_free(&writes);
    kv_batch_free(&inverse);
    overlay_free(overlay);
    kv_close(kv);
}

static void many_records_are_all_found_again(void **state) {
    (void)state;
    struct kv *kv = kv_memory_new();
    struct overlay *overlay = overlay_over_kv(kv);
    enum { KEYS = 5000 };
    uint8_t key[4];
    struct span got;
    for (uint32_t i = 0; i < KEYS; i++) {
        store_u32(key, i);
        overlay_put(overlay, SPAN_OF(key), SPAN_OF(key));
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        store_u32(key, i);
        assert_true(overlay_get(overlay, SPAN_OF(key), &got) && span_equal(got, SPAN_OF(key)));
    }
    assert_int_equal(overlay_touched(overlay), KEYS);
    overlay_free(overlay);
    kv_close(kv);
}

static enum err failing_get(struct kv *kv, struct span key, struct buf *value) {
    (void)kv;
    (void)value;
    return key.p[0] == 'x' ? ERR_IO : ERR_NOT_FOUND;
}

static void a_failed_read_stays_known_through_all_layers(void **state) {
    (void)state;
    static const struct kv_ops ops = {.get = failing_get};
    struct kv kv = {.ops = &ops};
    struct span got;
    struct overlay *below = overlay_over_kv(&kv), *overlay = overlay_over(below);
    assert_false(overlay_get(overlay, SPAN_LITERAL("a"), &got));
    assert_int_equal(overlay_failed(overlay), OK);
    assert_false(overlay_get(overlay, SPAN_LITERAL("x"), &got));
    overlay_fail(overlay, ERR_CORRUPT);
    assert_int_equal(overlay_failed(overlay), ERR_IO);
    assert_int_equal(overlay_failed(below), ERR_IO);
    overlay_free(overlay);
    overlay_free(below);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_writes_come_before_what_lies_below),
        cmocka_unit_test(only_what_changed_is_written_in_the_order_of_the_first_touch),
        cmocka_unit_test(many_records_are_all_found_again),
        cmocka_unit_test(a_failed_read_stays_known_through_all_layers),
    };
    return cmocka_run_group_tests(tests, codec_setup, NULL);
}
