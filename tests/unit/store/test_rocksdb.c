// RocksDB beyond what every engine does: syncs on a commit thread, failing reads, a store that lost its head.
#include "store/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "store/store.h"

static struct kv *open_store(const struct place *place) {
    struct kv *kv = NULL;
    struct buf why = {0};
    assert_int_equal(store_open_rocksdb(&kv, place->path, NULL, &why), OK);
    return kv;
}

static enum err put(struct kv *kv, uint32_t number) {
    uint8_t key[4], value[1000];
    store_u32(key, number);
    memset(value, (int)number, sizeof value);
    struct kv_batch batch = {0};
    kv_batch_put(&batch, SPAN_OF(key), SPAN_OF(value), KV_SYNCED);
    enum err err = kv_write(kv, &batch);
    kv_batch_free(&batch);
    return err;
}

struct commit_thread {
    struct kv *kv;
    atomic_bool stop;
    enum err err;
};

static void *sync_until_stopped(void *argument) {
    struct commit_thread *thread = argument;
    while (!atomic_load(&thread->stop) && thread->err == OK)
        thread->err = kv_sync(thread->kv);
    return NULL;
}

static void a_commit_thread_syncs_while_the_loop_thread_writes(void **state) {
    struct commit_thread thread = {.kv = open_store(*state), .err = OK};
    pthread_t id;
    assert_int_equal(pthread_create(&id, NULL, sync_until_stopped, &thread), 0);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(put(thread.kv, i), OK);
    atomic_store(&thread.stop, true);
    assert_int_equal(pthread_join(id, NULL), 0);
    assert_int_equal(thread.err, OK);
    kv_close(thread.kv);
}

// Opening moves what the log holds into a data file, which is then spoiled under the open store.
static struct kv *open_with_spoiled_data(const struct place *place) {
    struct kv *kv = open_store(place);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(put(kv, i), OK);
    kv_close(kv);
    kv = open_store(place);
    char *command = NULL; // the first half of every data file: the records
    assert_true(asprintf(&command,
                         "for f in %s/*.sst; do dd if=/dev/zero of=$f bs=1024 count=50 conv=notrunc status=none; done",
                         place->path) > 0);
    assert_int_equal(system(command), 0);
    free(command);
    return kv;
}

static void a_failed_read_is_told_and_ends_all_writing(void **state) {
    struct kv *kv = open_with_spoiled_data(*state);
    uint8_t key[4] = {0, 0, 0, 9};
    struct buf value = {0};
    assert_int_equal(kv_get(kv, SPAN_OF(key), &value), ERR_CORRUPT);
    assert_int_equal(value.n, 0);
    assert_int_equal(kv->failed, ERR_CORRUPT);
    assert_int_equal(put(kv, 1000), ERR_CORRUPT);
    assert_int_equal(kv_sync(kv), ERR_CORRUPT);
    buf_free(&value);
    kv_close(kv);
}

static void a_scan_that_fails_ends_and_so_does_all_writing(void **state) {
    struct kv *kv = open_with_spoiled_data(*state);
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    struct kv_cursor *cursor = kv_scan(snapshot, (struct span){0});
    struct span key, value;
    while (kv_cursor_at(cursor, &key, &value))
        kv_cursor_next(cursor);
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
    assert_int_equal(kv_sync(kv), ERR_CORRUPT);
    assert_int_equal(put(kv, 1000), ERR_CORRUPT);
    kv_close(kv);
}

static void a_store_without_its_head_is_refused_and_left_alone(void **state) {
    struct place *place = *state;
    for (int i = 0; i < 2; i++) { // the second time there is a data file
        struct kv *kv = open_store(place);
        assert_int_equal(put(kv, 7), OK);
        kv_close(kv);
    }
    char *current = folder_file(place->path, "CURRENT"), *aside = folder_file(place->path, "aside");
    assert_int_equal(rename(current, aside), 0);
    struct kv *kv = NULL;
    struct buf why = {0};
    assert_int_equal(store_open_rocksdb(&kv, place->path, NULL, &why), ERR_CORRUPT);
    assert_non_null(memmem(why.p, why.n, "CURRENT", 7));
    buf_free(&why);
    assert_int_equal(rename(aside, current), 0);
    free(current);
    free(aside);
    kv = open_store(place);
    assert_true(kv_has(kv, SPAN_LITERAL("\0\0\0\7")));
    kv_close(kv);
}

static void the_free_space_of_a_disk_is_known(void **state) {
    struct place *place = *state;
    uint64_t free_bytes = 0;
    assert_int_equal(store_free_bytes(&free_bytes, place->folder), OK);
    assert_true(free_bytes > 0);
    free_bytes = 5;
    assert_int_equal(store_free_bytes(&free_bytes, place->path), ERR_IO);
    assert_int_equal(free_bytes, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_commit_thread_syncs_while_the_loop_thread_writes, place_set_up,
                                        place_tear_down),
        cmocka_unit_test_setup_teardown(a_failed_read_is_told_and_ends_all_writing, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(a_scan_that_fails_ends_and_so_does_all_writing, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(a_store_without_its_head_is_refused_and_left_alone, place_set_up,
                                        place_tear_down),
        cmocka_unit_test_setup_teardown(the_free_space_of_a_disk_is_known, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests_name("store/rocksdb", tests, NULL, NULL);
}
