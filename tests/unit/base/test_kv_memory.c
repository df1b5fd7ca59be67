// The memory engine beyond what every engine does (tests/unit/store/test_conformance.c): its snapshots under threads,
// stores made from snapshots, no leaks, no deep trees.
#include "base/kv_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/cursor.h"
#include "base/rng.h"

static void write_number(struct kv *kv, uint32_t key, uint32_t value, bool is_delete) {
    uint8_t key_bytes[4], value_bytes[4];
    store_u32(key_bytes, key);
    store_u32(value_bytes, value);
    struct kv_batch batch = {0};
    if (is_delete)
        kv_batch_delete(&batch, SPAN_OF(key_bytes), KV_LAZY);
    else
        kv_batch_put(&batch, SPAN_OF(key_bytes), SPAN_OF(value_bytes), KV_LAZY);
    assert_int_equal(kv_write(kv, &batch), OK);
    kv_batch_free(&batch);
}

// The number of records, every one of which must carry this value.
static size_t count_of_value(const struct kv_snapshot *snapshot, uint32_t value) {
    size_t count = 0;
    struct span key, got;
    struct kv_cursor *cursor = kv_scan(snapshot, (struct span){0});
    for (; kv_cursor_at(cursor, &key, &got); kv_cursor_next(cursor)) {
        if (got.n != 4 || load_u32(got.p) != value)
            return SIZE_MAX;
        count++;
    }
    kv_cursor_free(cursor);
    return count;
}

static void a_store_made_from_a_snapshot_lives_on_its_own(void **state) {
    (void)state;
    struct kv *first = kv_memory_new();
    for (uint32_t i = 0; i < 500; i++)
        write_number(first, i, 1, false);
    struct kv_snapshot *snapshot = kv_snapshot(first);
    struct kv *second = kv_memory_from(snapshot);
    for (uint32_t i = 0; i < 500; i++) {
        write_number(first, i, 2, false);
        write_number(second, i, 3, i % 2 == 0);
    }
    assert_int_equal(count_of_value(snapshot, 1), 500);
    kv_snapshot_release(snapshot);
    snapshot = kv_snapshot(first);
    kv_close(first);
    assert_int_equal(count_of_value(snapshot, 2), 500);
    kv_snapshot_release(snapshot);
    snapshot = kv_snapshot(second);
    assert_int_equal(count_of_value(snapshot, 3), 250);
    kv_snapshot_release(snapshot);
    kv_close(second);
}

// A cursor's path and the recursion of the engine are bounded by the height of the tree, which the engine asserts.
static void no_order_of_keys_makes_a_deep_tree(void **state) {
    (void)state;
    struct kv *kv = kv_memory_new();
    enum { KEYS = 100000 };
    for (uint32_t i = 0; i < KEYS; i++)
        write_number(kv, i, 1, false);
    for (uint32_t i = 1; i <= KEYS; i++) // descending keys
        write_number(kv, UINT32_MAX - i, 1, false);
    for (uint32_t i = 0; i < KEYS; i++)
        write_number(kv, i, 1, i % 16 != 0);
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    assert_int_equal(count_of_value(snapshot, 1), KEYS + KEYS / 16);
    kv_snapshot_release(snapshot);
    kv_close(kv);
}

enum { READERS = 3, ROUNDS = 400, RECORDS = 64 };

struct reader_thread {
    pthread_mutex_t *mutex;
    struct kv_snapshot **offered;
    uint32_t *offered_value;
    bool *stopped;
    size_t seen, wrong;
};

// Takes every snapshot it is offered, checks that all its records are of one round, and releases it.
static void *read_snapshots(void *argument) {
    struct reader_thread *thread = argument;
    for (bool stopped = false; !stopped;) {
        pthread_mutex_lock(thread->mutex);
        struct kv_snapshot *snapshot = *thread->offered;
        uint32_t value = *thread->offered_value;
        *thread->offered = NULL;
        stopped = *thread->stopped;
        pthread_mutex_unlock(thread->mutex);
        if (snapshot == NULL)
            continue;
        thread->seen++;
        thread->wrong += count_of_value(snapshot, value) != RECORDS;
        kv_snapshot_release(snapshot);
    }
    return NULL;
}

static void snapshots_are_read_and_released_on_threads_while_the_store_is_written(void **state) {
    (void)state;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct kv_snapshot *offered = NULL;
    uint32_t offered_value = 0;
    bool stopped = false;
    struct reader_thread threads[READERS];
    pthread_t ids[READERS];
    for (int i = 0; i < READERS; i++) {
        threads[i] = (struct reader_thread){&mutex, &offered, &offered_value, &stopped, 0, 0};
        assert_int_equal(pthread_create(&ids[i], NULL, read_snapshots, &threads[i]), 0);
    }
    struct kv *kv = kv_memory_new();
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        for (uint32_t i = 0; i < RECORDS; i++)
            write_number(kv, i * 7919, round, false);
        struct kv_snapshot *snapshot = kv_snapshot(kv);
        pthread_mutex_lock(&mutex);
        struct kv_snapshot *not_taken = offered;
        offered = snapshot;
        offered_value = round;
        stopped = round == ROUNDS;
        pthread_mutex_unlock(&mutex);
        kv_snapshot_release(not_taken);
    }
    size_t seen = 0;
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(ids[i], NULL), 0);
        assert_int_equal(threads[i].wrong, 0);
        seen += threads[i].seen;
    }
    assert_true(seen > 0);
    kv_snapshot_release(offered);
    kv_close(kv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_made_from_a_snapshot_lives_on_its_own),
        cmocka_unit_test(no_order_of_keys_makes_a_deep_tree),
        cmocka_unit_test(snapshots_are_read_and_released_on_threads_while_the_store_is_written),
    };
    return cmocka_run_group_tests_name("base/kv_memory", tests, NULL, NULL);
}
