// Secrets in files: written whole and privately or not at all, read only when nobody else can.
#include "folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/keys.h"
#include "host/key_file.h"

static const uint8_t seed[KEY_SEED_BYTES] = {0xde, 0xad, 1, 2, 3};

struct place {
    char *folder;
    char *path;
    struct buf why;
};

static int setup(void **state) {
    crypto_init();
    struct place *place = calloc(1, sizeof *place);
    place->folder = folder_make();
    place->path = folder_file(place->folder, "secret");
    *state = place;
    return 0;
}

static int teardown(void **state) {
    struct place *place = *state;
    buf_free(&place->why);
    free(place->path);
    folder_remove(place->folder);
    free(place);
    return 0;
}

static unsigned mode_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 07777;
}

static bool says(struct place *place, const char *part) {
    buf_append(&place->why, SPAN_LITERAL("\0"));
    bool found = strstr((const char *)place->why.p, part) != NULL;
    buf_clear(&place->why);
    return found;
}

static void replace(const char *path, struct span bytes) {
    struct buf why = {0};
    assert_int_equal(file_write(path, bytes, 0600, true, &why), OK);
}

static size_t files_in(const char *folder) {
    char command[600];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *pipe = popen(command, "r");
    size_t count = 0;
    assert_int_equal(fscanf(pipe, "%zu", &count), 1);
    pclose(pipe);
    return count;
}

// ---- key files ----

static void a_key_comes_back_and_is_private(void **state) {
    struct place *place = *state;
    umask(0);
    assert_int_equal(key_file_write(place->path, seed, &place->why), OK);
    umask(022);
    assert_int_equal(mode_of(place->path), 0600);
    assert_int_equal(files_in(place->folder), 1);
    uint8_t back[KEY_SEED_BYTES];
    assert_int_equal(key_file_read(back, place->path, &place->why), OK);
    assert_memory_equal(back, seed, sizeof seed);
}

static void a_key_is_never_overwritten(void **state) {
    struct place *place = *state;
    uint8_t other[KEY_SEED_BYTES] = {9};
    uint8_t back[KEY_SEED_BYTES];
    assert_int_equal(key_file_write(place->path, seed, &place->why), OK);
    assert_int_equal(key_file_write(place->path, other, &place->why), ERR_EXISTS);
    assert_true(says(place, "File exists"));
    assert_int_equal(key_file_read(back, place->path, &place->why), OK);
    assert_memory_equal(back, seed, sizeof seed);
    assert_int_equal(files_in(place->folder), 1);
}

static void a_key_that_others_may_read_is_not_used(void **state) {
    struct place *place = *state;
    uint8_t back[KEY_SEED_BYTES] = {0};
    assert_int_equal(key_file_write(place->path, seed, &place->why), OK);
    for (unsigned bit = 1; bit <= 040; bit <<= 1) {
        assert_int_equal(chmod(place->path, 0600 | bit), 0);
        assert_int_equal(key_file_read(back, place->path, &place->why), ERR_REFUSED);
        assert_true(says(place, "chmod 600"));
    }
    assert_int_equal(back[0], 0);
}

static void what_is_no_key_is_refused(void **state) {
    struct place *place = *state;
    const struct span wrong[] = {
        SPAN_LITERAL(""),
        SPAN_LITERAL("\n"),
        SPAN_LITERAL("abcd\n"),
        SPAN_LITERAL("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"),    // 63
        SPAN_LITERAL("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"),    // 65
        SPAN_LITERAL("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\n"), // two line ends
        SPAN_LITERAL("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg\n"),
        SPAN_LITERAL(" 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"),
        SPAN_LITERAL("0123456789abcdef\0 123456789abcdef0123456789abcdef0123456789abcdef"),
    };
    uint8_t back[KEY_SEED_BYTES];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        replace(place->path, wrong[i]);
        assert_int_equal(key_file_read(back, place->path, &place->why), ERR_MALFORMED);
        assert_true(says(place, "64 hexadecimal digits"));
    }
    replace(place->path, SPAN_LITERAL("0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"));
    assert_int_equal(key_file_read(back, place->path, &place->why), OK); // upper case, no line end
    assert_int_equal(back[4], 0x89);
}

static void a_missing_file_is_said(void **state) {
    struct place *place = *state;
    uint8_t back[KEY_SEED_BYTES];
    struct buf text = {0};
    assert_int_equal(key_file_read(back, place->path, &place->why), ERR_NOT_FOUND);
    assert_true(says(place, place->path));
    assert_int_equal(file_read(&text, place->path, 10, &place->why), ERR_NOT_FOUND);
    assert_int_equal(account_file_read(back, place->path, SPAN_LITERAL("x"), &place->why), ERR_NOT_FOUND);
    assert_int_equal(file_read(&text, place->folder, 10, &place->why), ERR_IO); // a folder
    buf_free(&text);
}

// ---- accounts ----

static void an_account_opens_with_its_passphrase_only(void **state) {
    struct place *place = *state;
    uint8_t back[KEY_SEED_BYTES] = {0};
    const enum account_strength strengths[] = {ACCOUNT_RANDOM_PASSPHRASE, ACCOUNT_HUMAN_PASSPHRASE};
    for (size_t i = 0; i < 2; i++) {
        unlink(place->path);
        assert_int_equal(account_file_write(place->path, seed, SPAN_LITERAL("open"), strengths[i], &place->why), OK);
        assert_int_equal(mode_of(place->path), 0600);
        assert_int_equal(account_file_read(back, place->path, SPAN_LITERAL("opem"), &place->why), ERR_AUTH);
        assert_true(says(place, "the passphrase is wrong"));
        assert_int_equal(back[0], 0);
        assert_int_equal(account_file_read(back, place->path, SPAN_LITERAL("open"), &place->why), OK);
        assert_memory_equal(back, seed, sizeof seed);
        memset(back, 0, sizeof back);
    }
    assert_int_equal(
        account_file_write(place->path, seed, SPAN_LITERAL("open"), ACCOUNT_RANDOM_PASSPHRASE, &place->why),
        ERR_EXISTS);
}

static void two_accounts_of_one_seed_look_different(void **state) {
    struct place *place = *state;
    struct buf one = {0};
    struct buf two = {0};
    struct span word = SPAN_LITERAL("open");
    assert_int_equal(account_file_write(place->path, seed, word, ACCOUNT_RANDOM_PASSPHRASE, &place->why), OK);
    assert_int_equal(file_read(&one, place->path, 1000, &place->why), OK);
    unlink(place->path);
    assert_int_equal(account_file_write(place->path, seed, word, ACCOUNT_RANDOM_PASSPHRASE, &place->why), OK);
    assert_int_equal(file_read(&two, place->path, 1000, &place->why), OK);
    assert_int_equal(one.n, two.n);
    assert_memory_equal(one.p, two.p, 24);               // the head
    assert_memory_not_equal(one.p + 24, two.p + 24, 16); // salt
    assert_memory_not_equal(one.p + 40, two.p + 40, 24); // nonce
    assert_memory_not_equal(one.p + 64, two.p + 64, 48);
    buf_free(&one);
    buf_free(&two);
}

static void any_damage_to_an_account_is_noticed(void **state) {
    struct place *place = *state;
    struct buf bytes = {0};
    uint8_t back[KEY_SEED_BYTES] = {0};
    struct span word = SPAN_LITERAL("open");
    assert_int_equal(account_file_write(place->path, seed, word, ACCOUNT_RANDOM_PASSPHRASE, &place->why), OK);
    assert_int_equal(file_read(&bytes, place->path, 1000, &place->why), OK);
    for (size_t i = 0; i < bytes.n; i++) {
        bytes.p[i] ^= i >= 16 && i < 24 ? 2 : 0x40;
        replace(place->path, buf_span(&bytes));
        enum err err = account_file_read(back, place->path, word, &place->why);
        assert_true(err == ERR_AUTH || err == ERR_MALFORMED);
        bytes.p[i] ^= i >= 16 && i < 24 ? 2 : 0x40;
    }
    for (size_t n = 0; n < bytes.n; n += 7) {
        replace(place->path, span_of(bytes.p, n));
        assert_int_equal(account_file_read(back, place->path, word, &place->why), ERR_MALFORMED);
    }
    buf_append(&bytes, SPAN_LITERAL("more"));
    replace(place->path, buf_span(&bytes));
    assert_int_not_equal(account_file_read(back, place->path, word, &place->why), OK);
    assert_int_equal(back[0], 0);
    buf_free(&bytes);
}

static void an_account_file_cannot_ask_for_all_memory_or_time(void **state) {
    struct place *place = *state;
    struct buf bytes = {0};
    uint8_t back[KEY_SEED_BYTES];
    struct span word = SPAN_LITERAL("open");
    assert_int_equal(account_file_write(place->path, seed, word, ACCOUNT_RANDOM_PASSPHRASE, &place->why), OK);
    assert_int_equal(file_read(&bytes, place->path, 1000, &place->why), OK);
    for (size_t i = 16; i < 24; i += 4) { // passes, then memory
        uint8_t kept[4];
        memcpy(kept, bytes.p + i, 4);
        memset(bytes.p + i, 0xff, 4);
        replace(place->path, buf_span(&bytes));
        assert_int_equal(account_file_read(back, place->path, word, &place->why), ERR_MALFORMED);
        memset(bytes.p + i, 0, 4);
        replace(place->path, buf_span(&bytes));
        assert_int_equal(account_file_read(back, place->path, word, &place->why), ERR_MALFORMED);
        memcpy(bytes.p + i, kept, 4);
    }
    buf_free(&bytes);
}

// ---- passphrases ----

static void a_passphrase_is_the_first_line(void **state) {
    struct place *place = *state;
    const struct {
        struct span file;
        struct span passphrase;
    } cases[] = {
        {SPAN_LITERAL("open sesame\n"), SPAN_LITERAL("open sesame")},
        {SPAN_LITERAL("open sesame"), SPAN_LITERAL("open sesame")},
        {SPAN_LITERAL("open sesame\r\n"), SPAN_LITERAL("open sesame")},
        {SPAN_LITERAL("one\ntwo\n"), SPAN_LITERAL("one")},
        {SPAN_LITERAL(" spaces \n"), SPAN_LITERAL(" spaces ")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        replace(place->path, cases[i].file);
        assert_int_equal(passphrase_read(&out, place->path, &place->why), OK);
        assert_true(span_equal(buf_span(&out), cases[i].passphrase));
        buf_wipe(&out);
    }
    struct buf out = {0};
    replace(place->path, SPAN_LITERAL("\n"));
    assert_int_equal(passphrase_read(&out, place->path, &place->why), ERR_INVALID);
    assert_true(says(place, "empty"));
    replace(place->path, SPAN_LITERAL(""));
    buf_wipe(&out);
    assert_int_equal(passphrase_read(&out, place->path, &place->why), ERR_INVALID);
    buf_wipe(&out);
}

static void a_passphrase_comes_through_a_pipe(void **state) {
    struct place *place = *state;
    int ends[2];
    char path[64];
    struct buf out = {0};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "through a pipe\n", 15), 15);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(passphrase_read(&out, path, &place->why), OK);
    assert_true(span_equal(buf_span(&out), SPAN_LITERAL("through a pipe")));
    buf_wipe(&out);
    close(ends[0]);
}

// ---- files ----

static void a_file_that_is_too_long_is_not_read(void **state) {
    struct place *place = *state;
    struct buf out = {0};
    replace(place->path, SPAN_LITERAL("12345678901"));
    assert_int_equal(file_read(&out, place->path, 10, &place->why), ERR_TOO_LONG);
    buf_clear(&out);
    assert_int_equal(file_read(&out, place->path, 11, &place->why), OK);
    assert_int_equal(out.n, 11);
    buf_clear(&out);
    assert_int_equal(file_read(&out, "/dev/zero", 100000, &place->why), ERR_TOO_LONG);
    buf_free(&out);
}

static void a_failed_write_leaves_what_was_there(void **state) {
    struct place *place = *state;
    struct buf out = {0};
    replace(place->path, SPAN_LITERAL("before"));
    char *nowhere = folder_file(place->folder, "no/such/folder");
    assert_int_equal(file_write(nowhere, SPAN_LITERAL("x"), 0600, true, &place->why), ERR_NOT_FOUND);
    free(nowhere);
    char *folder = folder_file(place->folder, "folder");
    assert_int_equal(mkdir(folder, 0700), 0);
    char *inside = folder_file(folder, "inside");
    replace(inside, SPAN_LITERAL("x"));
    assert_int_not_equal(file_write(folder, SPAN_LITERAL("x"), 0600, true, &place->why), OK); // onto a folder
    assert_int_equal(file_write(place->path, SPAN_LITERAL("after"), 0600, false, &place->why), ERR_EXISTS);
    assert_int_equal(file_read(&out, place->path, 100, &place->why), OK);
    assert_true(span_equal(buf_span(&out), SPAN_LITERAL("before")));
    assert_int_equal(files_in(place->folder), 2); // nothing half-written stays
    free(inside);
    free(folder);
    buf_free(&out);
}

static void random_seeds_differ(void **state) {
    (void)state;
    uint8_t one[64] = {0};
    uint8_t two[64] = {0};
    random_seed(one, sizeof one);
    random_seed(two, sizeof two);
    assert_memory_not_equal(one, two, sizeof one);
    assert_memory_not_equal(one, one + 32, 32);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_key_comes_back_and_is_private),
        CASE(a_key_is_never_overwritten),
        CASE(a_key_that_others_may_read_is_not_used),
        CASE(what_is_no_key_is_refused),
        CASE(a_missing_file_is_said),
        CASE(an_account_opens_with_its_passphrase_only),
        CASE(two_accounts_of_one_seed_look_different),
        CASE(any_damage_to_an_account_is_noticed),
        CASE(an_account_file_cannot_ask_for_all_memory_or_time),
        CASE(a_passphrase_is_the_first_line),
        CASE(a_passphrase_comes_through_a_pipe),
        CASE(a_file_that_is_too_long_is_not_read),
        CASE(a_failed_write_leaves_what_was_there),
        CASE(random_seeds_differ),
    };
    return cmocka_run_group_tests_name("host key file", tests, NULL, NULL);
}
