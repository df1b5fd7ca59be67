// SQLCipher beyond what every engine does: keys, secrecy of the files, their format.
#include "store/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifndef SQLITE_HAS_CODEC
#define SQLITE_HAS_CODEC 1
#endif
#include <dirent.h>
#include <sqlcipher/sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "store/store.h"

static const uint8_t right_key[32] = {0xab, 1, 2, 3};

static enum err try_open(struct kv **kv, const struct place *place, const uint8_t key[static 32]) {
    struct buf why = {0};
    enum err err = store_open_sqlcipher(kv, place->path, key, &why);
    assert_int_equal(err != OK, why.n > 0 && memmem(why.p, why.n, place->path, strlen(place->path)) != NULL);
    buf_free(&why);
    return err;
}

static void put(struct kv *kv, struct span key, struct span value) {
    struct kv_batch batch = {0};
    kv_batch_put(&batch, key, value, KV_SYNCED);
    assert_int_equal(kv_write(kv, &batch), OK);
    kv_batch_free(&batch);
}

static void another_key_is_refused_and_changes_nothing(void **state) {
    struct place *place = *state;
    struct kv *kv = NULL;
    assert_int_equal(try_open(&kv, place, right_key), OK);
    put(kv, SPAN_LITERAL("key"), SPAN_LITERAL("value"));
    kv_close(kv);
    uint8_t wrong_key[32];
    memcpy(wrong_key, right_key, 32);
    wrong_key[31] ^= 1;
    kv = NULL;
    assert_int_equal(try_open(&kv, place, wrong_key), ERR_AUTH);
    assert_null(kv);
    assert_int_equal(try_open(&kv, place, right_key), OK);
    assert_true(kv_has(kv, SPAN_LITERAL("key")));
    kv_close(kv);
}

static void a_file_of_something_else_is_refused(void **state) {
    struct place *place = *state;
    FILE *file = fopen(place->path, "wb");
    for (int i = 0; i < 1000; i++)
        fprintf(file, "a letter of %d words\n", i);
    fclose(file);
    struct kv *kv = NULL;
    assert_int_equal(try_open(&kv, place, right_key), ERR_AUTH);
}

// Calls `check` with the contents and the mode of each file in the folder.
static void each_file(const char *folder, void (*check)(struct span contents, mode_t mode)) {
    struct dirent **names = NULL;
    int n = scandir(folder, &names, NULL, alphasort), files = 0;
    for (int i = 0; i < n; i++) {
        char *path = folder_file(folder, names[i]->d_name);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        if (S_ISREG(status.st_mode)) {
            struct buf contents = {0};
            FILE *file = fopen(path, "rb");
            size_t size = (size_t)status.st_size;
            if (size > 0)
                assert_int_equal(fread(buf_extend(&contents, size), 1, size, file), size);
            fclose(file);
            check(buf_span(&contents), status.st_mode);
            buf_free(&contents);
            files++;
        }
        free(path);
        free(names[i]);
    }
    free(names);
    assert_true(files >= 2);
}

static const char secret[] = "meet me at the old bridge at nine";

static void assert_secret_and_private(struct span contents, mode_t mode) {
    assert_true(contents.n == 0 || memmem(contents.p, contents.n, secret, 8) == NULL);
    assert_true(contents.n == 0 || memmem(contents.p, contents.n, "SQLite format", 13) == NULL);
    assert_true(contents.n == 0 || memmem(contents.p, contents.n, right_key, 4) == NULL);
    assert_int_equal(mode & 0777, 0600);
}

static void the_files_tell_nothing_and_are_for_their_owner_only(void **state) {
    struct place *place = *state;
    struct kv *kv = NULL;
    assert_int_equal(try_open(&kv, place, right_key), OK);
    for (uint8_t i = 0; i < 200; i++)
        put(kv, span_of((uint8_t[]){'k', i}, 2), span_of_text(secret));
    each_file(place->folder, assert_secret_and_private);
    kv_close(kv);
    each_file(place->folder, assert_secret_and_private);
}

// Any SQLCipher of version 3, or of a later one that is asked for the format of version 3, reads the file.
static void the_format_is_sqlciphers_own_and_a_later_one_is_refused(void **state) {
    struct place *place = *state;
    struct kv *kv = NULL;
    assert_int_equal(try_open(&kv, place, right_key), OK);
    put(kv, SPAN_LITERAL("key"), SPAN_LITERAL("value"));
    kv_close(kv);

    char hex[65], statement[128];
    hex_encode(hex, SPAN_OF(right_key));
    snprintf(statement, sizeof statement, "PRAGMA key = \"x'%s'\"; PRAGMA cipher_compatibility = 3", hex);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_stmt *row = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT key, value FROM record", -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_memory_equal(sqlite3_column_blob(row, 0), "key", 3);
    assert_int_equal(sqlite3_column_bytes(row, 1), 8 + 5);
    assert_memory_equal((const char *)sqlite3_column_blob(row, 1) + 8, "value", 5);
    assert_int_equal(sqlite3_finalize(row), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(try_open(&kv, place, right_key), ERR_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_key_is_refused_and_changes_nothing, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_something_else_is_refused, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(the_files_tell_nothing_and_are_for_their_owner_only, place_set_up,
                                        place_tear_down),
        cmocka_unit_test_setup_teardown(the_format_is_sqlciphers_own_and_a_later_one_is_refused, place_set_up,
                                        place_tear_down),
    };
    return cmocka_run_group_tests_name("store/sqlcipher", tests, NULL, NULL);
}
