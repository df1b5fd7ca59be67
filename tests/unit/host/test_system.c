// What a process leaves on the machine for others to see.
#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "host/system.h"
#include "store/store.h"

static unsigned seen, open_to_others;

static int look_at(const char *path, const struct stat *status, int type, struct FTW *ftw) {
    (void)type;
    seen++;
    if (ftw->level > 0 && (status->st_mode & 077) != 0) {
        print_message("%s: %o\n", path, (unsigned)status->st_mode & 0777);
        open_to_others++;
    }
    return 0;
}

// Also in a folder that was there before and that anybody may look into.
static void nobody_else_can_read_what_a_relay_stores(void **state) {
    (void)state;
    char *folder = folder_make();
    char *path = folder_file(folder, "rocksdb");
    struct kv *kv = NULL;
    struct buf why = {0};
    assert_int_equal(chmod(folder, 0755), 0);
    umask(022);
    system_private_files();
    assert_int_equal(store_open_rocksdb(&kv, path, NULL, &why), OK);
    kv_close(kv);
    nftw(folder, look_at, 8, FTW_PHYS);
    assert_true(seen > 3);
    assert_int_equal(open_to_others, 0);
    buf_free(&why);
    free(path);
    folder_remove(folder);
}

static void a_process_takes_all_the_files_that_the_system_allows(void **state) {
    (void)state;
    struct rlimit before, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = before.rlim_max / 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(system_raise_file_limit(), before.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void links_leave_the_store_its_files(void **state) {
    (void)state;
    const uint64_t limits[] = {64, 256, 1024, 4096, 20000, 1048576, UINT64_MAX};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        uint32_t links = system_links_within(limits[i], 256);
        assert_true(links > 0);
        assert_true(limits[i] - links >= (limits[i] > 2560 ? 1280 : limits[i] / 2));
    }
}

static void a_process_with_keys_leaves_no_core_dump(void **state) {
    (void)state;
    struct rlimit core;
    system_no_dumps();
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    assert_int_equal(core.rlim_cur, 0);
    struct process_reading reading;
    system_process(&reading); // which a process may still read of itself
    assert_true(reading.resident_bytes > 0 && reading.open_fds > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_takes_all_the_files_that_the_system_allows),
        cmocka_unit_test(links_leave_the_store_its_files),
        cmocka_unit_test(nobody_else_can_read_what_a_relay_stores),
        cmocka_unit_test(a_process_with_keys_leaves_no_core_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
