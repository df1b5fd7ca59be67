// What every engine behind struct kv does, checked against a model: the same tests for memory, RocksDB and SQLCipher.
#include "store/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/kv_memory.h"
#include "base/rng.h"
#include "store/store.h"

// An engine, and where the running test keeps its store.
struct engine {
    enum err (*open)(struct kv **kv, const char *path, struct buf *why);
    struct place place;
};

static enum err open_memory(struct kv **kv, const char *path, struct buf *why) {
    (void)path;
    (void)why;
    *kv = kv_memory_new();
    return OK;
}

static enum err open_rocksdb(struct kv **kv, const char *path, struct buf *why) {
    // The smallest buffers, so that a test reaches data files and compaction.
    static const struct store_options options = {.cache_bytes = 64 * 1024, .write_buffer_bytes = 64 * 1024};
    return store_open_rocksdb(kv, path, &options, why);
}

static enum err open_sqlcipher(struct kv **kv, const char *path, struct buf *why) {
    static const uint8_t key[32] = {1, 2, 3};
    return store_open_sqlcipher(kv, path, key, why);
}

static struct engine memory = {.open = open_memory}, rocksdb = {.open = open_rocksdb},
                     sqlcipher = {.open = open_sqlcipher};

static int set_up(void **state) {
    place_make(&((struct engine *)*state)->place);
    return 0;
}

static int tear_down(void **state) {
    place_remove(&((struct engine *)*state)->place);
    return 0;
}

static struct kv *open_store(const struct engine *engine) {
    struct kv *kv = NULL;
    struct buf why = {0};
    enum err err = engine->open(&kv, engine->place.path, &why);
    if (err != OK)
        print_error("%s: %.*s\n", err_text(err), (int)why.n, (const char *)why.p);
    buf_free(&why);
    assert_int_equal(err, OK);
    return kv;
}

// The model: for each of the keys, which version of its value is there (0: none).

enum { KEYS = 150, KEY_BYTES = 40 };

struct key {
    uint8_t bytes[KEY_BYTES];
    size_t n;
};

struct model {
    struct key keys[KEYS]; // sorted
    uint32_t versions[KEYS];
};

static struct rng rng_of(uint32_t a, uint32_t b) {
    uint8_t seed[RNG_SEED_BYTES] = {0};
    store_u32(seed, a);
    store_u32(seed + 4, b);
    struct rng rng;
    rng_init(&rng, seed);
    return rng;
}

static struct span key_of(const struct key *key) {
    return (struct span){key->bytes, key->n};
}

static int order_of_keys(const void *a, const void *b) {
    return span_compare(key_of(a), key_of(b));
}

// Distinct keys of few byte values, so that many are prefixes of others.
static void model_init(struct model *model, struct rng *rng) {
    static const uint8_t letters[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    memset(model, 0, sizeof *model);
    for (size_t i = 0; i < KEYS;) {
        struct key *key = &model->keys[i];
        key->n = 1 + (size_t)rng_below(rng, rng_below(rng, 2) == 0 ? 4 : KEY_BYTES);
        for (size_t j = 0; j < key->n; j++)
            key->bytes[j] = letters[rng_below(rng, sizeof letters)];
        bool is_new = true;
        for (size_t j = 0; j < i; j++)
            is_new = is_new && !span_equal(key_of(&model->keys[j]), key_of(key));
        i += is_new;
    }
    qsort(model->keys, KEYS, sizeof model->keys[0], order_of_keys);
}

// The value of a version of a key: its number, then 0 to 3,000 bytes, rarely 40,000; some versions are empty.
static void value_of(struct buf *value, uint32_t key, uint32_t version) {
    struct rng rng = rng_of(key, version);
    buf_clear(value);
    if (rng_below(&rng, 20) == 0)
        return;
    size_t n = 4 + (size_t)rng_below(&rng, rng_below(&rng, 50) == 0 ? 40000 : 3000);
    rng_bytes(&rng, buf_extend(value, n), n);
    store_u32(value->p, version);
}

static void assert_is_version(struct span got, uint32_t key, uint32_t version) {
    struct buf expected = {0};
    value_of(&expected, key, version);
    assert_true(span_equal(got, buf_span(&expected)));
    buf_free(&expected);
}

static void assert_gets(struct kv *kv, const struct model *model, uint32_t key) {
    struct buf value = {0};
    enum err err = kv_get(kv, key_of(&model->keys[key]), &value);
    assert_int_equal(err, model->versions[key] != 0 ? OK : ERR_NOT_FOUND);
    assert_int_equal(kv_has(kv, key_of(&model->keys[key])), err == OK);
    if (err == OK)
        assert_is_version(buf_span(&value), key, model->versions[key]);
    buf_free(&value);
}

// The scan from this key on yields what the model holds, in its order.
static void assert_scans(const struct kv_snapshot *snapshot, const struct model *model, uint32_t from) {
    struct span key, value;
    struct kv_cursor *cursor = kv_scan(snapshot, from > 0 ? key_of(&model->keys[from]) : (struct span){0});
    for (uint32_t i = from; i < KEYS; i++) {
        if (model->versions[i] == 0)
            continue;
        assert_true(kv_cursor_at(cursor, &key, &value));
        assert_true(span_equal(key, key_of(&model->keys[i])));
        assert_is_version(value, i, model->versions[i]);
        kv_cursor_next(cursor);
    }
    assert_false(kv_cursor_at(cursor, &key, &value));
    kv_cursor_next(cursor);
    assert_false(kv_cursor_at(cursor, &key, &value));
    kv_cursor_free(cursor);
}

static void assert_holds(struct kv *kv, const struct model *model) {
    for (uint32_t i = 0; i < KEYS; i++)
        assert_gets(kv, model, i);
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    assert_scans(snapshot, model, 0);
    kv_snapshot_release(snapshot);
}

// One batch of up to 20 writes, to the store and to the model.
static void write_some(struct kv *kv, struct model *model, struct rng *rng) {
    struct kv_batch batch = {0};
    struct buf value = {0};
    for (uint64_t left = 1 + rng_below(rng, 20); left > 0; left--) {
        uint32_t key = (uint32_t)rng_below(rng, KEYS);
        enum kv_durability durability = rng_below(rng, 2) == 0 ? KV_LAZY : KV_SYNCED;
        if (rng_below(rng, 3) == 0) {
            kv_batch_delete(&batch, key_of(&model->keys[key]), durability);
            model->versions[key] = 0;
        } else {
            model->versions[key] = 1 + (uint32_t)rng_below(rng, UINT32_MAX);
            value_of(&value, key, model->versions[key]);
            kv_batch_put(&batch, key_of(&model->keys[key]), buf_span(&value), durability);
        }
    }
    assert_int_equal(kv_write(kv, &batch), OK);
    buf_free(&value);
    kv_batch_free(&batch);
}

enum { SNAPSHOTS = 3 };

struct taken {
    struct kv_snapshot *snapshot;
    struct model model;
};

// Releases what is in the slot or takes a new one; checks before it releases.
static void turn_snapshot(struct taken *slot, struct kv *kv, const struct model *model, struct rng *rng) {
    if (slot->snapshot == NULL) {
        slot->snapshot = kv_snapshot(kv);
        slot->model = *model;
        return;
    }
    assert_scans(slot->snapshot, &slot->model, (uint32_t)rng_below(rng, KEYS));
    uint32_t key = (uint32_t)rng_below(rng, KEYS);
    struct buf value = {0};
    enum err err = kv_snapshot_get(slot->snapshot, key_of(&slot->model.keys[key]), &value);
    assert_int_equal(err, slot->model.versions[key] != 0 ? OK : ERR_NOT_FOUND);
    if (err == OK)
        assert_is_version(buf_span(&value), key, slot->model.versions[key]);
    buf_free(&value);
    kv_snapshot_release(slot->snapshot);
    slot->snapshot = NULL;
}

static void random_operations_agree_with_the_model(void **state) {
    struct engine *engine = *state;
    for (uint32_t seed = 0; seed < 4; seed++) {
        static struct model model;
        static struct taken taken[SNAPSHOTS];
        struct rng rng = rng_of(seed, UINT32_MAX);
        tear_down(state);
        set_up(state);
        model_init(&model, &rng);
        struct kv *kv = open_store(engine);
        for (int round = 0; round < 120; round++) {
            write_some(kv, &model, &rng);
            assert_gets(kv, &model, (uint32_t)rng_below(&rng, KEYS));
            if (rng_below(&rng, 3) == 0)
                turn_snapshot(&taken[rng_below(&rng, SNAPSHOTS)], kv, &model, &rng);
            if (rng_below(&rng, 10) == 0)
                assert_int_equal(kv_sync(kv), OK);
        }
        for (int i = 0; i < SNAPSHOTS; i++) {
            if (taken[i].snapshot != NULL)
                turn_snapshot(&taken[i], kv, &model, &rng);
        }
        assert_holds(kv, &model);
        assert_int_equal(kv->failed, OK);
        kv_close(kv);
    }
}

static void what_was_written_is_there_after_reopening(void **state) {
    struct engine *engine = *state;
    static struct model model;
    struct rng rng = rng_of(77, 0);
    model_init(&model, &rng);
    for (int round = 0; round < 8; round++) {
        struct kv *kv = open_store(engine);
        assert_holds(kv, &model);
        for (uint64_t left = rng_below(&rng, 30); left > 0; left--)
            write_some(kv, &model, &rng);
        if (round % 2 == 0)
            assert_int_equal(kv_sync(kv), OK);
        kv_close(kv);
    }
}

static void keys_and_values_at_their_bounds_are_kept(void **state) {
    struct engine *engine = *state;
    static uint8_t key[KV_KEY_BYTES_MAX], value[KV_VALUE_BYTES_MAX];
    struct rng rng = rng_of(5, 5);
    memset(key, 0xff, sizeof key);
    rng_bytes(&rng, value, sizeof value);
    struct kv *kv = open_store(engine);
    struct kv_batch batch = {0};
    kv_batch_put(&batch, SPAN_OF(key), SPAN_OF(value), KV_SYNCED);
    kv_batch_put(&batch, (struct span){key, 255}, (struct span){0}, KV_SYNCED);
    kv_batch_put(&batch, SPAN_LITERAL("\0"), (struct span){value, 1}, KV_SYNCED);
    assert_int_equal(kv_write(kv, &batch), OK);
    kv_batch_free(&batch);
    struct buf got = {0};
    assert_int_equal(kv_get(kv, SPAN_OF(key), &got), OK);
    assert_true(span_equal(buf_span(&got), SPAN_OF(value)));
    assert_int_equal(kv_get(kv, (struct span){key, 255}, &got), OK);
    assert_int_equal(got.n, 0);
    assert_int_equal(kv_get(kv, (struct span){key, 254}, &got), ERR_NOT_FOUND);
    assert_int_equal(kv_get(kv, SPAN_LITERAL("\0"), &got), OK);
    assert_int_equal(got.n, 1);
    buf_free(&got);

    struct kv_snapshot *snapshot = kv_snapshot(kv);
    struct kv_cursor *cursor = kv_scan(snapshot, (struct span){key, 255});
    struct span at, data;
    assert_true(kv_cursor_at(cursor, &at, &data));
    assert_int_equal(at.n, 255);
    assert_int_equal(data.n, 0);
    kv_cursor_next(cursor);
    assert_true(kv_cursor_at(cursor, &at, &data));
    assert_true(span_equal(data, SPAN_OF(value)));
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
    kv_close(kv);
}

static void the_last_write_of_a_batch_to_a_key_counts(void **state) {
    struct engine *engine = *state;
    struct kv *kv = open_store(engine);
    struct kv_batch batch = {0};
    assert_int_equal(kv_write(kv, &batch), OK);
    kv_batch_put(&batch, SPAN_LITERAL("a"), SPAN_LITERAL("1"), KV_LAZY);
    kv_batch_put(&batch, SPAN_LITERAL("a"), SPAN_LITERAL("2"), KV_LAZY);
    kv_batch_put(&batch, SPAN_LITERAL("b"), SPAN_LITERAL("1"), KV_LAZY);
    kv_batch_delete(&batch, SPAN_LITERAL("b"), KV_LAZY);
    kv_batch_delete(&batch, SPAN_LITERAL("c"), KV_LAZY);
    kv_batch_put(&batch, SPAN_LITERAL("c"), SPAN_LITERAL("3"), KV_LAZY);
    assert_int_equal(kv_write(kv, &batch), OK);
    kv_batch_free(&batch);
    struct buf got = {0};
    assert_int_equal(kv_get(kv, SPAN_LITERAL("a"), &got), OK);
    assert_true(span_equal(buf_span(&got), SPAN_LITERAL("2")));
    assert_int_equal(kv_get(kv, SPAN_LITERAL("b"), &got), ERR_NOT_FOUND);
    assert_int_equal(got.n, 0);
    assert_true(kv_has(kv, SPAN_LITERAL("c")));
    buf_free(&got);
    kv_close(kv);
}

struct checker {
    struct kv_snapshot *snapshot;
    const struct model *model;
    bool *failed;
};

// A job: reads the whole snapshot twice. cmocka's asserts belong to the main thread, so it only counts.
static void *check_snapshot(void *argument) {
    struct checker *checker = argument;
    struct buf expected = {0};
    for (int round = 0; round < 2; round++) {
        uint32_t next = 0;
        struct span key, value;
        struct kv_cursor *cursor = kv_scan(checker->snapshot, (struct span){0});
        for (; kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor), next++) {
            while (next < KEYS && checker->model->versions[next] == 0)
                next++;
            if (next == KEYS)
                break;
            value_of(&expected, next, checker->model->versions[next]);
            if (!span_equal(key, key_of(&checker->model->keys[next])) || !span_equal(value, buf_span(&expected)))
                *checker->failed = true;
        }
        while (next < KEYS && checker->model->versions[next] == 0)
            next++;
        if (next != KEYS)
            *checker->failed = true;
        kv_cursor_free(cursor);
    }
    buf_free(&expected);
    return NULL;
}

static void threads_read_a_snapshot_while_the_store_is_written(void **state) {
    struct engine *engine = *state;
    static struct model model, then;
    struct rng rng = rng_of(3, 3);
    model_init(&model, &rng);
    struct kv *kv = open_store(engine);
    for (int i = 0; i < 20; i++)
        write_some(kv, &model, &rng);
    for (int round = 0; round < 5; round++) {
        bool failed[2] = {false, false};
        pthread_t threads[2];
        struct checker checkers[2];
        then = model;
        struct kv_snapshot *snapshot = kv_snapshot(kv);
        for (int i = 0; i < 2; i++) {
            checkers[i] = (struct checker){snapshot, &then, &failed[i]};
            assert_int_equal(pthread_create(&threads[i], NULL, check_snapshot, &checkers[i]), 0);
        }
        for (int i = 0; i < 10; i++)
            write_some(kv, &model, &rng);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        kv_snapshot_release(snapshot);
        assert_false(failed[0] || failed[1]);
    }
    assert_holds(kv, &model);
    kv_close(kv);
}

static void assert_refused(const struct engine *engine, const char *path, enum err expected) {
    struct kv *kv = NULL;
    struct buf why = {0};
    assert_int_equal(engine->open(&kv, path, &why), expected);
    assert_null(kv);
    assert_non_null(memmem(why.p, why.n, path, strlen(path)));
    buf_free(&why);
}

static void a_second_opener_is_told_that_the_store_is_locked(void **state) {
    struct engine *engine = *state;
    struct kv *kv = open_store(engine);
    assert_refused(engine, engine->place.path, ERR_LOCKED);
    kv_close(kv);
    kv_close(open_store(engine));
}

static void a_folder_that_is_not_there_is_an_error_with_its_path(void **state) {
    struct engine *engine = *state;
    char *path = folder_file(engine->place.folder, "not-there/store");
    assert_refused(engine, path, ERR_IO);
    free(path);
}

// Processes that are killed. They are this program again, started anew: a forked copy of a process that has used
// RocksDB lacks its threads. They report on standard output.

// Writes records 1, 2, 3, ... and a marker with the last number, syncs after every 16th, reports each after its write.
static void write_until_killed(struct kv *kv) {
    for (uint32_t number = 1;; number++) {
        uint8_t key[4], value[500] = {0};
        struct kv_batch batch = {0};
        store_u32(key, number);
        store_u32(value, number);
        kv_batch_put(&batch, SPAN_OF(key), SPAN_OF(value), KV_SYNCED);
        kv_batch_put(&batch, SPAN_LITERAL("last"), SPAN_OF(key), KV_LAZY);
        if (kv_write(kv, &batch) != OK || (number % 16 == 0 && kv_sync(kv) != OK))
            return;
        kv_batch_free(&batch);
        if (write(STDOUT_FILENO, key, sizeof key) != (ssize_t)sizeof key)
            return;
    }
}

static void hold_until_killed(struct kv *kv) {
    (void)kv;
    const uint8_t number[4] = {0, 0, 0, 1};
    if (write(STDOUT_FILENO, number, sizeof number) == (ssize_t)sizeof number)
        pause();
}

static int child_main(const char *engine, const char *action, const char *path) {
    struct kv *kv = NULL;
    struct buf why = {0};
    if ((strcmp(engine, "rocksdb") == 0 ? open_rocksdb : open_sqlcipher)(&kv, path, &why) != OK)
        return 1;
    (strcmp(action, "write") == 0 ? write_until_killed : hold_until_killed)(kv);
    return 1;
}

static pid_t start_child(const struct engine *engine, const char *action, int *reports) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "child", engine == &rocksdb ? "rocksdb" : "sqlcipher", action, engine->place.path,
              NULL);
        _exit(1);
    }
    close(ends[1]);
    *reports = ends[0];
    return child;
}

static void kill_child(pid_t child) {
    int status = 0;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

// Kills the child after `kill_after` reports; the last number that it reported.
static uint32_t last_report(int reports, pid_t child, uint32_t kill_after) {
    uint8_t number[4];
    uint32_t last = 0;
    while (read(reports, number, sizeof number) == (ssize_t)sizeof number) {
        last = load_u32(number);
        if (last == kill_after)
            kill_child(child);
    }
    close(reports);
    assert_true(last >= kill_after);
    return last;
}

// All of 1 to `last`, and the marker and the records agree: no batch is there in part.
static void assert_whole_batches(struct kv *kv, uint32_t last) {
    struct buf value = {0};
    assert_int_equal(kv_get(kv, SPAN_LITERAL("last"), &value), OK);
    assert_int_equal(value.n, 4);
    uint32_t marker = load_u32(value.p);
    assert_in_range(marker, last, last + 1); // one more may have been written and not reported
    for (uint32_t number = 1; number <= marker + 1; number++) {
        uint8_t key[4];
        store_u32(key, number);
        assert_int_equal(kv_get(kv, SPAN_OF(key), &value), number <= marker ? OK : ERR_NOT_FOUND);
        assert_true(number > marker || (value.n == 500 && load_u32(value.p) == number));
    }
    buf_free(&value);
}

static void a_killed_process_loses_nothing_that_it_wrote(void **state) {
    struct engine *engine = *state;
    struct rng rng = rng_of(11, 11);
    for (int round = 0; round < 3; round++) {
        tear_down(state);
        set_up(state);
        int reports;
        pid_t child = start_child(engine, "write", &reports);
        uint32_t last = last_report(reports, child, 1 + (uint32_t)rng_below(&rng, 500));
        struct kv *kv = open_store(engine);
        assert_whole_batches(kv, last);
        kv_close(kv);
    }
}

static void a_store_is_locked_while_its_process_lives_and_free_when_it_is_killed(void **state) {
    struct engine *engine = *state;
    uint8_t number[4];
    int reports;
    pid_t child = start_child(engine, "hold", &reports);
    assert_int_equal(read(reports, number, sizeof number), sizeof number);
    assert_refused(engine, engine->place.path, ERR_LOCKED);
    kill_child(child);
    close(reports);
    kv_close(open_store(engine));
}

// A limit on the size of files stands in for a full disk.
static void a_write_that_the_disk_refuses_is_an_error_and_earlier_ones_are_kept(void **state) {
    struct engine *engine = *state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct kv *kv = open_store(engine);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){50000, limit.rlim_max}), 0);
    uint8_t key[4], value[500] = {7};
    uint32_t written = 0;
    enum err err = OK;
    while (err == OK && written < 10000) {
        struct kv_batch batch = {0};
        store_u32(key, written);
        kv_batch_put(&batch, SPAN_OF(key), SPAN_OF(value), KV_SYNCED);
        err = kv_write(kv, &batch);
        written += err == OK;
        kv_batch_free(&batch);
    }
    kv_close(kv);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(err, ERR_IO);
    kv = open_store(engine);
    for (uint32_t i = 0; i < written; i++) {
        store_u32(key, i);
        assert_true(kv_has(kv, SPAN_OF(key)));
    }
    kv_close(kv);
}

// One of the files below `path`, chosen by the seed; NULL when there is none.
static char *any_file(const char *path, struct rng *rng) {
    struct stat status;
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
        return strdup(path);
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort);
    char *chosen = NULL;
    for (int tries = 0; tries < 100 && n > 0 && chosen == NULL; tries++) {
        char *file = folder_file(path, names[rng_below(rng, (uint64_t)n)]->d_name);
        if (stat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
            chosen = file;
        else
            free(file);
    }
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return chosen;
}

// Overwrites a few bytes somewhere, or cuts the file off.
static void damage(const char *path, struct rng *rng) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    uint64_t at = rng_below(rng, (uint64_t)status.st_size);
    if (rng_below(rng, 4) == 0) {
        assert_int_equal(truncate(path, (off_t)at), 0);
        return;
    }
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    uint8_t noise[64];
    rng_bytes(rng, noise, sizeof noise);
    fseek(file, (long)at, SEEK_SET);
    fwrite(noise, 1, 1 + (size_t)rng_below(rng, sizeof noise), file);
    fclose(file);
}

enum { VERSIONS = 3 };

static bool was_written(const struct model *model, struct span key, struct span value) {
    bool found = false;
    struct buf expected = {0};
    for (uint32_t i = 0; i < KEYS && !found; i++) {
        for (uint32_t version = 1; version <= VERSIONS && span_equal(key, key_of(&model->keys[i])); version++) {
            value_of(&expected, i, version);
            found = found || span_equal(value, buf_span(&expected));
        }
    }
    buf_free(&expected);
    return found;
}

// Whatever can still be read was written once, as some version of its key.
static void assert_reads_nothing_wrong(struct kv *kv, const struct model *model) {
    struct buf value = {0};
    for (uint32_t i = 0; i < KEYS; i++) {
        struct span key = key_of(&model->keys[i]);
        if (kv_get(kv, key, &value) == OK)
            assert_true(was_written(model, key, buf_span(&value)));
    }
    buf_free(&value);
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    struct kv_cursor *cursor = kv_scan(snapshot, (struct span){0});
    struct span key, got;
    for (; kv_cursor_at(cursor, &key, &got); kv_cursor_next(cursor))
        assert_true(was_written(model, key, got));
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
}

// A store with every version of every key written, one version after the other.
static void fill(const struct engine *engine, const struct model *model) {
    struct kv *kv = open_store(engine);
    struct buf value = {0};
    for (uint32_t version = 1; version <= VERSIONS; version++) {
        struct kv_batch batch = {0};
        for (uint32_t i = 0; i < KEYS; i++) {
            value_of(&value, i, version);
            kv_batch_put(&batch, key_of(&model->keys[i]), buf_span(&value), KV_SYNCED);
        }
        assert_int_equal(kv_write(kv, &batch), OK);
        kv_batch_free(&batch);
    }
    buf_free(&value);
    assert_int_equal(kv_sync(kv), OK);
    kv_close(kv);
}

// True when the damage was noticed.
static bool opens_or_refuses(const struct engine *engine, const struct model *model) {
    struct buf why = {0};
    struct kv *kv = NULL;
    bool noticed = engine->open(&kv, engine->place.path, &why) != OK;
    assert_int_equal(noticed, why.n > 0);
    buf_free(&why);
    if (noticed)
        return true;
    assert_reads_nothing_wrong(kv, model);
    noticed = kv->failed != OK || kv_sync(kv) != OK;
    kv_close(kv);
    return noticed;
}

static void a_damaged_file_is_an_error_or_lost_data_and_never_wrong_data(void **state) {
    struct engine *engine = *state;
    static struct model model;
    int noticed = 0;
    for (uint32_t seed = 0; seed < 16; seed++) {
        struct rng rng = rng_of(seed, 12);
        tear_down(state);
        set_up(state);
        model_init(&model, &rng);
        fill(engine, &model);
        char *file = any_file(engine->place.path, &rng);
        assert_non_null(file);
        damage(file, &rng);
        free(file);
        noticed += opens_or_refuses(engine, &model);
    }
    assert_true(noticed > 0);
}

#define EVERY(engine, test) \
    { #engine ": " #test, test, set_up, tear_down, &(engine) }

#define TESTS_OF_EVERY_ENGINE(engine)                                                                               \
    EVERY(engine, random_operations_agree_with_the_model), EVERY(engine, keys_and_values_at_their_bounds_are_kept), \
        EVERY(engine, the_last_write_of_a_batch_to_a_key_counts),                                                   \
        EVERY(engine, threads_read_a_snapshot_while_the_store_is_written)

#define TESTS_OF_DURABLE_ENGINES(engine)                                                     \
    EVERY(engine, what_was_written_is_there_after_reopening),                                \
        EVERY(engine, a_second_opener_is_told_that_the_store_is_locked),                     \
        EVERY(engine, a_killed_process_loses_nothing_that_it_wrote),                         \
        EVERY(engine, a_store_is_locked_while_its_process_lives_and_free_when_it_is_killed), \
        EVERY(engine, a_write_that_the_disk_refuses_is_an_error_and_earlier_ones_are_kept),  \
        EVERY(engine, a_folder_that_is_not_there_is_an_error_with_its_path),                 \
        EVERY(engine, a_damaged_file_is_an_error_or_lost_data_and_never_wrong_data)

int main(int argc, char **argv) {
    if (argc == 4)
        return child_main(argv[1], argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        TESTS_OF_EVERY_ENGINE(memory),  TESTS_OF_EVERY_ENGINE(sqlcipher),  TESTS_OF_DURABLE_ENGINES(sqlcipher),
        TESTS_OF_EVERY_ENGINE(rocksdb), TESTS_OF_DURABLE_ENGINES(rocksdb),
    };
    return cmocka_run_group_tests_name("store/conformance", tests, NULL, NULL);
}
