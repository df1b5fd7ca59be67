// One key at a time: what the manual says is allowed is what is taken, and nothing else.
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/config_keys.h"

static bool takes(const struct config_key *key, const char *value) {
    struct settings *settings = NEW(struct settings);
    struct buf allowed = {0};
    enum err err = config_key_set(settings, key, value, "/folder", &allowed);
    assert_int_equal(allowed.n > 0, err != OK);
    buf_free(&allowed);
    free(settings);
    return err == OK;
}

static void expect(const struct config_key *key, const char *value, bool taken) {
    if (takes(key, value) != taken) {
        fail_msg("%s: \"%s\" is %s", key->name, value, taken ? "refused" : "taken");
    }
}

static void allowed_text(const struct config_key *key, char out[static 256]) {
    struct buf allowed = {0};
    config_key_allowed(&allowed, key);
    snprintf(out, 256, "%.*s", (int)allowed.n, (const char *)allowed.p);
    buf_free(&allowed);
}

// "from 1 to 64 ms": the bounds as the text gives them.
static bool bounds_in(const char *text, unsigned long long *min, unsigned long long *max) {
    const char *from = strstr(text, "from ");
    return from != NULL && sscanf(from, "from %llu to %llu", min, max) == 2;
}

static void try_number(const struct config_key *key, unsigned long long number, const char *unit, bool taken) {
    char value[64];
    snprintf(value, sizeof value, "%llu%s", number, unit);
    expect(key, value, taken);
}

static void both_bounds_are_taken_and_nothing_beyond(void **state) {
    (void)state;
    size_t seen = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char text[256];
        unsigned long long min, max;
        allowed_text(key, text);
        bool numeric = key->kind == KEY_NUMBER || key->kind == KEY_DURATION || key->kind == KEY_BYTES;
        assert_int_equal(bounds_in(text, &min, &max), numeric);
        if (!numeric) {
            continue;
        }
        const char *unit = key->kind == KEY_DURATION ? "ms" : "";
        try_number(key, min, unit, true);
        try_number(key, max, unit, true);
        try_number(key, max + 1, unit, false);
        if (min > 0) {
            try_number(key, min - 1, unit, false);
        }
        expect(key, "", false);
        expect(key, "-1", false);
        expect(key, "7abc", false);
        expect(key, "18446744073709551617", false);
        seen++;
    }
    assert_true(seen > 15);
}

// Every word of "memory, rocksdb or sqlcipher" or "any of relay, bootstrap, user" is taken; other words are not.
static void every_choice_that_is_named_is_taken(void **state) {
    (void)state;
    size_t seen = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->kind != KEY_SWITCH && key->kind != KEY_ROLES && key->kind != KEY_STORAGE && key->kind != KEY_PROFILE &&
            key->kind != KEY_LEVEL) {
            continue;
        }
        char text[256];
        char *rest = text;
        allowed_text(key, text);
        for (char *word = strtok_r(text, ", ", &rest); word != NULL; word = strtok_r(NULL, ", ", &rest)) {
            bool filler = strcmp(word, "or") == 0 || strcmp(word, "any") == 0 || strcmp(word, "of") == 0;
            expect(key, word, !filler);
            seen += !filler;
        }
        expect(key, "other", false);
        expect(key, "", false);
        expect(key, "TRUE", false);
    }
    assert_true(seen >= 14);
}

// "a duration such as 500ms, 20s, 5m or 1h," and sizes: each form is one, where the bounds let it.
static void the_examples_of_units_are_understood(void **state) {
    (void)state;
    const struct config_key *idle = config_key_find("limits.idle_timeout");
    const struct config_key *hello = config_key_find("limits.hello_timeout");
    const struct config_key *storage = config_key_find("storage_max");
    assert_true(idle != NULL && hello != NULL && storage != NULL);
    expect(hello, "500ms", true);
    expect(idle, "20s", true);
    expect(idle, "5m", true);
    expect(idle, "1h", true);
    expect(idle, "1000", false);
    expect(idle, "1d", false);
    expect(idle, "1 h", false);
    expect(idle, "1H", false);
    expect(storage, "1048576", true);
    expect(storage, "256M", true);
    expect(storage, "10G", true);
    expect(storage, "1024K", true);
    expect(storage, "1T", true);
    expect(storage, "1P", false);
    expect(storage, "10g", false);
    expect(storage, "1024T", true);
    expect(storage, "1025T", false);
}

static void addresses_are_as_they_are_named(void **state) {
    (void)state;
    const char *const good[] = {"host:1", "relay.example:65535", "127.0.0.1:7070", "[::1]:7070", "[2001:db8::1]:1"};
    const char *const bad[] = {"",         "host",  "host:",   ":7070",   "host:0",     "host:65536",
                               "::1:7070", "[::1]", "host:7a", "ho st:1", "host:1,b:2", "http://host:1"};
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        for (size_t k = 0; key->kind == KEY_ADDRESS && k < sizeof bad / sizeof bad[0]; k++) {
            expect(key, bad[k], false);
        }
        for (size_t k = 0; (key->kind == KEY_ADDRESS || key->kind == KEY_ADDRESSES) && k < 5; k++) {
            expect(key, good[k], true);
        }
    }
    const struct config_key *listen = config_key_find("listen");
    expect(listen, "a:1,b:2,c:3,d:4", true);
    expect(listen, "a:1, b:2", true);
    expect(listen, "a:1,,b:2", false);
    expect(listen, "a:1,", false);
    expect(listen, "a:1,b:2,c:3,d:4,e:5", false);
}

static void a_checkpoint_is_a_height_and_a_blocks_id(void **state) {
    (void)state;
    const struct config_key *checkpoint = config_key_find("checkpoint");
    char value[128];
    snprintf(value, sizeof value, "48211:%064d", 7);
    expect(checkpoint, value, true);
    snprintf(value, sizeof value, "999999999999999999:%064d", 7);
    expect(checkpoint, value, true);
    const char *const heights[] = {"0", "", "-1", "1x", "01", "9999999999999999999999"};
    for (size_t i = 0; i < sizeof heights / sizeof *heights; i++) {
        snprintf(value, sizeof value, "%s:%064d", heights[i], 7);
        expect(checkpoint, value, false);
    }
    snprintf(value, sizeof value, "1:%063d", 7);
    expect(checkpoint, value, false);
    snprintf(value, sizeof value, "1:%065d", 7);
    expect(checkpoint, value, false);
    snprintf(value, sizeof value, "1:%063dg", 7);
    expect(checkpoint, value, false);
    expect(checkpoint, "48211", false);
    expect(checkpoint, "48211:", false);
}

static void proxies_are_as_they_are_named(void **state) {
    (void)state;
    const struct config_key *proxy = config_key_find("proxy");
    expect(proxy, "socks5://127.0.0.1:9050", true);
    expect(proxy, "socks5://user:password@host:1080", true);
    expect(proxy, "socks5://user:p@ss@host:1080", true); // the last @ ends the password
    expect(proxy, "socks5://[::1]:9050", true);
    expect(proxy, "socks5://user@host:1080", false);
    expect(proxy, "socks4://host:1080", false);
    expect(proxy, "host:1080", false);
    expect(proxy, "socks5://host", false);
    expect(proxy, "socks5://", false);
    char long_one[700];
    snprintf(long_one, sizeof long_one, "socks5://%0255d:%0255d@host:1", 1, 2);
    expect(proxy, long_one, true);
    snprintf(long_one, sizeof long_one, "socks5://%0256d:%0255d@host:1", 1, 2);
    expect(proxy, long_one, false);
    snprintf(long_one, sizeof long_one, "socks5://%0255d:%0256d@host:1", 1, 2);
    expect(proxy, long_one, false);
}

static void names_are_words(void **state) {
    (void)state;
    const struct config_key *name = config_key_find("name");
    expect(name, "relay-1_A", true);
    expect(name, "12345678901234567890123456789012", true);
    expect(name, "123456789012345678901234567890123", false);
    expect(name, "", false);
    expect(name, "two words", false);
    expect(name, "quote\"", false);
    expect(name, "new\nline", false);
}

static void a_path_that_is_too_long_is_refused(void **state) {
    (void)state;
    char path[2 * HOST_PATH_MAX];
    memset(path, 'a', sizeof path);
    path[HOST_PATH_MAX - 9] = 0; // with "/folder/" before it one byte too much
    expect(config_key_find("data_dir"), path + 0, true);
    path[HOST_PATH_MAX - 9] = 'a';
    path[HOST_PATH_MAX - 8] = 0;
    expect(config_key_find("data_dir"), path, false);
}

static void keys_have_names_of_their_own_and_help(void **state) {
    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        assert_ptr_equal(config_key_find(config_keys[i].name), &config_keys[i]);
        assert_true(strlen(config_keys[i].help) > 5);
        assert_true(strlen(config_keys[i].name) < 64);
        assert_null(strpbrk(config_keys[i].name, " =ABCDEFGHIJKLMNOPQRSTUVWXYZ-"));
    }
    assert_null(config_key_find(""));
    assert_null(config_key_find("limits"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_bounds_are_taken_and_nothing_beyond),
        cmocka_unit_test(every_choice_that_is_named_is_taken),
        cmocka_unit_test(the_examples_of_units_are_understood),
        cmocka_unit_test(addresses_are_as_they_are_named),
        cmocka_unit_test(proxies_are_as_they_are_named),
        cmocka_unit_test(a_checkpoint_is_a_height_and_a_blocks_id),
        cmocka_unit_test(names_are_words),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
        cmocka_unit_test(keys_have_names_of_their_own_and_help),
    };
    return cmocka_run_group_tests_name("host config keys", tests, NULL, NULL);
}
