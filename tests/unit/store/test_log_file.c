// The log in a file: what it holds after every way in which a process can end.
#include "place.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "store/store.h"

static struct log *open_log(const struct place *place, struct buf *bytes) {
    struct log *log = NULL;
    struct buf why = {0};
    assert_int_equal(store_open_log(&log, bytes, place->path, &why), OK);
    assert_int_equal(why.n, 0);
    return log;
}

static void assert_holds(const struct place *place, const char *text) {
    struct buf bytes = {0};
    log_close(open_log(place, &bytes));
    assert_true(span_equal(buf_span(&bytes), span_of_text(text)));
    buf_free(&bytes);
}

static struct log *open_empty(const struct place *place) {
    struct buf bytes = {0};
    struct log *log = open_log(place, &bytes);
    assert_int_equal(bytes.n, 0);
    buf_free(&bytes);
    return log;
}

static enum err append(struct log *log, const char *text) {
    struct log_batch batch = {0};
    log_batch_append(&batch, span_of_text(text));
    enum err err = log_write(log, &batch);
    log_batch_free(&batch);
    return err;
}

static enum err reset(struct log *log, const char *text) {
    struct log_batch batch = {0};
    log_batch_append(&batch, SPAN_LITERAL("forgotten"));
    log_batch_reset(&batch, span_of_text(text));
    enum err err = log_write(log, &batch);
    log_batch_free(&batch);
    return err;
}

static void write_file(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
}

static void assert_file(const char *path, const char *text) {
    char bytes[256] = {0};
    int file = open(path, O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(read(file, bytes, sizeof bytes), (ssize_t)strlen(text));
    assert_string_equal(bytes, text);
    close(file);
}

static void what_was_appended_is_there_again(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    assert_int_equal(append(log, "one "), OK);
    assert_int_equal(append(log, "two "), OK);
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    log_close(log);
    assert_holds(place, "one two ");
}

static void nothing_gets_into_the_file_but_by_a_sync_that_covers_it(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    assert_int_equal(append(log, "one "), OK);
    uint64_t mark = log_mark(log);
    assert_int_equal(append(log, "two "), OK);
    assert_file(place->path, "");
    assert_int_equal(log_sync(log, mark), OK);
    assert_file(place->path, "one ");
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    assert_file(place->path, "one two ");
    assert_int_equal(append(log, "three"), OK);
    log_close(log);
    assert_holds(place, "one two ");
}

static void the_file_is_for_its_owner_only(void **state) {
    struct place *place = *state;
    log_close(open_empty(place));
    struct stat status;
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_reset_replaces_everything_with_its_sync(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    assert_int_equal(append(log, "old"), OK);
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    assert_int_equal(reset(log, "new "), OK);
    assert_int_equal(append(log, "after"), OK);
    assert_file(place->path, "old");
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    assert_file(place->path, "new after");
    assert_int_equal(append(log, "wards"), OK);
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    assert_file(place->path, "new afterwards");
    log_close(log);
    assert_holds(place, "new afterwards");
}

static void a_reset_after_the_mark_waits_for_the_next_sync(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    assert_int_equal(append(log, "0 "), OK);
    assert_int_equal(reset(log, "1 "), OK);
    assert_int_equal(append(log, "2 "), OK);
    uint64_t mark = log_mark(log);
    assert_int_equal(append(log, "3 "), OK);
    assert_int_equal(reset(log, "4 "), OK);
    assert_int_equal(append(log, "5 "), OK);
    assert_int_equal(log_sync(log, mark), OK);
    assert_file(place->path, "1 2 ");
    assert_int_equal(log_sync(log, mark), OK);
    assert_file(place->path, "1 2 ");
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    assert_file(place->path, "4 5 ");
    log_close(log);
}

static void of_two_resets_the_last_holds(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    assert_int_equal(reset(log, "first"), OK);
    assert_int_equal(append(log, "more"), OK);
    assert_int_equal(reset(log, "second"), OK);
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    log_close(log);
    assert_holds(place, "second");
}

static void a_reset_to_nothing_empties_the_log(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    assert_int_equal(append(log, "old"), OK);
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    assert_int_equal(reset(log, ""), OK);
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    log_close(log);
    assert_holds(place, "");
}

// What a crash leaves between the steps of a reset: a new file without content, half written, or whole but without
// the name.
static void before_the_rename_the_old_log_counts(void **state) {
    struct place *place = *state;
    char *path_new = folder_file(place->folder, "store.new");
    static const char *const left[] = {"", "ne", "new"};
    write_file(place->path, "old");
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        write_file(path_new, left[i]);
        assert_holds(place, "old");
        assert_int_equal(access(path_new, F_OK), -1);
    }
    free(path_new);
}

static void the_end_of_a_process_before_the_sync_loses_the_reset_whole(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    assert_int_equal(append(log, "old "), OK);
    assert_int_equal(append(log, "older"), OK);
    assert_int_equal(log_sync(log, log_mark(log)), OK);
    assert_int_equal(reset(log, "new"), OK);
    assert_int_equal(append(log, "newer"), OK);
    log_close(log);
    assert_holds(place, "old older");
}

static void a_torn_end_is_handed_over_as_it_is(void **state) {
    struct place *place = *state;
    write_file(place->path, "whole reco");
    assert_holds(place, "whole reco");
}

static void one_process_has_the_log(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    struct log *second = NULL;
    struct buf bytes = {0}, why = {0};
    assert_int_equal(store_open_log(&second, &bytes, place->path, &why), ERR_LOCKED);
    assert_null(second);
    assert_non_null(memmem(why.p, why.n, "stop the process", 16));
    buf_free(&why);
    log_close(log);
    log_close(open_empty(place));
}

static void what_cannot_be_a_log_is_refused_with_a_reason(void **state) {
    struct place *place = *state;
    struct log *log = NULL;
    struct buf bytes = {0}, why = {0};
    char *nowhere = folder_file(place->folder, "no/where");
    assert_int_equal(store_open_log(&log, &bytes, nowhere, &why), ERR_IO);
    free(nowhere);
    write_file(place->path, "");
    assert_int_equal(truncate(place->path, (off_t)LOG_BYTES_MAX + 1), 0);
    assert_int_equal(store_open_log(&log, &bytes, place->path, &why), ERR_CORRUPT);
    unlink(place->path);
    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_int_equal(store_open_log(&log, &bytes, place->path, &why), ERR_IO);
    assert_null(log);
    assert_int_equal(bytes.n, 0);
    assert_true(why.n > 0);
    buf_free(&why);
}

static void a_log_beyond_its_bound_is_full(void **state) {
    struct place *place = *state;
    struct log *log = open_empty(place);
    struct log_batch batch = {0};
    memset(buf_extend(&batch.bytes, LOG_BYTES_MAX / 2), 1, LOG_BYTES_MAX / 2);
    assert_int_equal(log_write(log, &batch), OK);
    assert_int_equal(log_write(log, &batch), OK);
    assert_int_equal(append(log, "x"), ERR_FULL);
    log_batch_free(&batch);
    log_close(log);
}

// A limit on the size of files stands for a disk that takes no more.
static void a_disk_that_takes_no_more_is_an_error_and_what_it_took_stays(void **state) {
    struct place *place = *state;
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct log *log = open_empty(place);
    assert_int_equal(append(log, "12345"), OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){8, before.rlim_max}), 0);
    assert_int_equal(append(log, "67890"), OK); // queued
    enum err appended = log_sync(log, log_mark(log));
    assert_int_equal(reset(log, "longer than eight"), OK);
    enum err replaced = log_sync(log, log_mark(log));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(appended, ERR_IO);
    assert_int_equal(replaced, ERR_IO);
    log_close(log);
    assert_holds(place, "12345678");
}

// ---- a process that is killed at any moment ----

#define KILLED_RUNS 20

// Appends numbers and resets to the last one now and then; tells what is synced through the pipe.
static void write_numbers(struct log *log, int told) {
    for (uint32_t number = 1;; number++) {
        uint8_t bytes[4];
        store_u32(bytes, number);
        struct log_batch batch = {0};
        if (number % 7 == 0)
            log_batch_reset(&batch, SPAN_OF(bytes));
        else
            log_batch_append(&batch, SPAN_OF(bytes));
        if (log_write(log, &batch) != OK || (number % 3 == 0 && log_sync(log, log_mark(log)) != OK))
            _exit(1);
        if (number % 3 == 0 && write(told, bytes, sizeof bytes) != sizeof bytes)
            _exit(1);
        log_batch_free(&batch);
    }
}

static uint32_t last_told(int pipe_end, unsigned wait_for) {
    uint32_t last = 0;
    uint8_t bytes[4];
    while (wait_for-- > 0 && read(pipe_end, bytes, sizeof bytes) == sizeof bytes)
        last = load_u32(bytes);
    return last;
}

static void a_killed_process_loses_nothing_that_was_synced(void **state) {
    struct place *place = *state;
    for (unsigned run = 1; run <= KILLED_RUNS; run++) {
        int ends[2];
        unlink(place->path);
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            write_numbers(open_empty(place), ends[1]);
        close(ends[1]);
        uint32_t told = last_told(ends[0], run);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        uint32_t later = last_told(ends[0], UINT32_MAX);
        told = later > told ? later : told;
        close(ends[0]);
        struct buf bytes = {0};
        log_close(open_log(place, &bytes));
        assert_true(bytes.n >= 4 && bytes.n % 4 == 0);
        for (size_t i = 4; i < bytes.n; i += 4)
            assert_int_equal(load_u32(bytes.p + i), load_u32(bytes.p + i - 4) + 1);
        assert_true(load_u32(bytes.p + bytes.n - 4) >= told);
        assert_true(load_u32(bytes.p) == 1 || load_u32(bytes.p) % 7 == 0);
        buf_free(&bytes);
    }
}

// ---- a thread that syncs while another writes ----

struct race {
    struct log *log;
    atomic_bool over;
};

static void *sync_again_and_again(void *arg) {
    struct race *race = arg;
    bool ok = true;
    while (ok && !atomic_load(&race->over))
        ok = log_sync(race->log, log_mark(race->log)) == OK;
    return ok ? race : NULL;
}

static void syncs_and_writes_at_the_same_time_keep_the_order(void **state) {
    struct place *place = *state;
    struct race race = {.log = open_empty(place)};
    atomic_init(&race.over, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sync_again_and_again, &race), 0);
    uint32_t first = 1;
    for (uint32_t number = 1; number <= 3000; number++) {
        uint8_t bytes[4];
        store_u32(bytes, number);
        struct log_batch batch = {0};
        if (number % 50 == 0) {
            log_batch_reset(&batch, SPAN_OF(bytes));
            first = number;
        } else {
            log_batch_append(&batch, SPAN_OF(bytes));
        }
        assert_int_equal(log_write(race.log, &batch), OK);
        log_batch_free(&batch);
    }
    atomic_store(&race.over, true);
    void *result;
    pthread_join(thread, &result);
    assert_ptr_equal(result, &race);
    assert_int_equal(log_sync(race.log, log_mark(race.log)), OK);
    log_close(race.log);
    struct buf bytes = {0};
    log_close(open_log(place, &bytes));
    assert_int_equal(bytes.n, 4 * (3000 - first + 1));
    for (size_t i = 0; i < bytes.n; i += 4)
        assert_int_equal(load_u32(bytes.p + i), first + i / 4);
    buf_free(&bytes);
}

int main(void) {
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        LOG_TEST(what_was_appended_is_there_again),
        LOG_TEST(nothing_gets_into_the_file_but_by_a_sync_that_covers_it),
        LOG_TEST(the_file_is_for_its_owner_only),
        LOG_TEST(a_reset_replaces_everything_with_its_sync),
        LOG_TEST(a_reset_after_the_mark_waits_for_the_next_sync),
        LOG_TEST(of_two_resets_the_last_holds),
        LOG_TEST(a_reset_to_nothing_empties_the_log),
        LOG_TEST(before_the_rename_the_old_log_counts),
        LOG_TEST(the_end_of_a_process_before_the_sync_loses_the_reset_whole),
        LOG_TEST(a_torn_end_is_handed_over_as_it_is),
        LOG_TEST(one_process_has_the_log),
        LOG_TEST(what_cannot_be_a_log_is_refused_with_a_reason),
        LOG_TEST(a_log_beyond_its_bound_is_full),
        LOG_TEST(a_disk_that_takes_no_more_is_an_error_and_what_it_took_stays),
        LOG_TEST(a_killed_process_loses_nothing_that_was_synced),
        LOG_TEST(syncs_and_writes_at_the_same_time_keep_the_order),
    };
    return cmocka_run_group_tests_name("store/log_file", tests, NULL, NULL);
}
