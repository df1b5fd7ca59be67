// What a step sees and leaves behind: its own writes, its jobs; batches; log lines.
#include "base/step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/kv_memory.h"
#include "dies.h"

struct fixture {
    struct env env;
    struct kv_batch batch;
    struct log_batch log;
    struct job_list jobs;
    struct step step;
};

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.env.kv = kv_memory_new()};
    fixture.step =
        (struct step){.env = &fixture.env, .batch = &fixture.batch, .log = &fixture.log, .jobs = &fixture.jobs};
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    kv_close(fixture->env.kv);
    kv_batch_free(&fixture->batch);
    log_batch_free(&fixture->log);
    job_list_free(&fixture->jobs);
    return 0;
}

static void a_batch_holds_its_writes_in_order(void **state) {
    struct kv_batch *batch = &((struct fixture *)*state)->batch;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(kv_batch_count(batch), 0);
        assert_false(batch->synced);
        for (uint8_t i = 0; i < 100; i++) {
            uint8_t bytes[100];
            memset(bytes, i, sizeof bytes);
            struct span key = {bytes, 1 + (size_t)i % 3};
            if (i % 4 == 3)
                kv_batch_delete(batch, key, i == 99 ? KV_SYNCED : KV_LAZY);
            else
                kv_batch_put(batch, key, (struct span){bytes, i}, KV_LAZY);
            assert_int_equal(batch->synced, i == 99);
        }
        for (uint8_t i = 0; i < 100; i++) {
            struct kv_write write = kv_batch_at(batch, i);
            assert_int_equal(write.is_delete, i % 4 == 3);
            assert_int_equal(write.key.n, 1 + i % 3);
            assert_int_equal(write.key.p[0], i);
            assert_int_equal(write.value.n, i % 4 == 3 ? 0 : i);
        }
        kv_batch_clear(batch);
    }
}

static void put_an_empty_key(void) {
    struct kv_batch batch = {0};
    kv_batch_put(&batch, (struct span){0}, SPAN_LITERAL("value"), KV_LAZY);
}

static void put_too_long_a_key(void) {
    struct kv_batch batch = {0};
    static const uint8_t key[KV_KEY_BYTES_MAX + 1];
    kv_batch_put(&batch, SPAN_OF(key), SPAN_LITERAL("value"), KV_LAZY);
}

static void keys_beyond_the_bounds_are_our_bug(void **state) {
    (void)state;
    assert_true(dies(put_an_empty_key));
    assert_true(dies(put_too_long_a_key));
}

static void a_step_reads_its_own_writes_before_the_store(void **state) {
    struct fixture *fixture = *state;
    struct step *step = &fixture->step;
    struct buf value = {0};
    step_put(step, SPAN_LITERAL("old"), SPAN_LITERAL("1"), KV_SYNCED);
    step_put(step, SPAN_LITERAL("gone"), SPAN_LITERAL("1"), KV_LAZY);
    assert_int_equal(kv_write(fixture->env.kv, &fixture->batch), OK);
    kv_batch_clear(&fixture->batch);

    assert_int_equal(step_get(step, SPAN_LITERAL("old"), &value), OK);
    assert_true(span_equal(buf_span(&value), SPAN_LITERAL("1")));
    step_put(step, SPAN_LITERAL("old"), SPAN_LITERAL("2"), KV_LAZY);
    step_put(step, SPAN_LITERAL("old"), SPAN_LITERAL("33"), KV_LAZY);
    step_delete(step, SPAN_LITERAL("gone"), KV_LAZY);
    assert_int_equal(step_get(step, SPAN_LITERAL("old"), &value), OK);
    assert_true(span_equal(buf_span(&value), SPAN_LITERAL("33")));
    assert_int_equal(step_get(step, SPAN_LITERAL("gone"), &value), ERR_NOT_FOUND);
    assert_int_equal(value.n, 0);
    assert_false(step_has(step, SPAN_LITERAL("gone")));
    assert_true(step_has(step, SPAN_LITERAL("old")));
    assert_false(step_has(step, SPAN_LITERAL("never")));
    step_put(step, SPAN_LITERAL("gone"), SPAN_LITERAL(""), KV_LAZY);
    assert_true(step_has(step, SPAN_LITERAL("gone")));
    assert_true(kv_has(fixture->env.kv, SPAN_LITERAL("gone")));
    assert_false(fixture->batch.synced);
    buf_free(&value);
}

static enum err failing_get(struct kv *kv, struct span key, struct buf *value) {
    (void)kv;
    (void)key;
    (void)value;
    return ERR_CORRUPT;
}

static void a_step_with_thousands_of_writes_reads_the_last_of_each_key(void **state) {
    struct fixture *fixture = *state;
    struct buf value = {0};
    for (unsigned round = 0; round < 2; round++) { // the second after kv_batch_clear
        for (unsigned i = 0; i < 3000; i++) {
            uint8_t key[2] = {(uint8_t)(i % 1000 >> 8), (uint8_t)(i % 1000)};
            uint8_t written[2] = {(uint8_t)(i / 1000), (uint8_t)round};
            enum err expected = i < 1000 ? ERR_NOT_FOUND : i % 1000 % 7 == 0 && i / 1000 == 2 ? ERR_NOT_FOUND : OK;
            assert_int_equal(step_get(&fixture->step, SPAN_OF(key), &value), expected);
            if (expected == OK)
                assert_int_equal(value.p[0], i / 1000 - 1);
            if (i % 1000 % 7 == 0 && i / 1000 == 1)
                step_delete(&fixture->step, SPAN_OF(key), KV_LAZY);
            else
                step_put(&fixture->step, SPAN_OF(key), SPAN_OF(written), KV_LAZY);
        }
        for (unsigned i = 0; i < 1000; i++) {
            uint8_t key[2] = {(uint8_t)(i >> 8), (uint8_t)i};
            assert_int_equal(step_get(&fixture->step, SPAN_OF(key), &value), OK);
            assert_int_equal(value.p[0], 2);
            assert_int_equal(value.p[1], round);
        }
        kv_batch_clear(&fixture->batch);
    }
    buf_free(&value);
}

static void a_failed_read_is_remembered(void **state) {
    struct step *step = &((struct fixture *)*state)->step;
    static const struct kv_ops ops = {.get = failing_get};
    struct kv failing = {.ops = &ops};
    struct env env = {.kv = &failing};
    step->env = &env;
    assert_false(step_has(step, SPAN_LITERAL("key")));
    assert_int_equal(failing.failed, ERR_CORRUPT);
}

static void a_step_appends_to_the_log_and_a_reset_forgets_what_it_appended(void **state) {
    struct fixture *fixture = *state;
    struct log_batch *log = &fixture->log;
    assert_true(log_batch_is_empty(log));
    step_log_append(&fixture->step, SPAN_LITERAL("one"));
    step_log_append(&fixture->step, SPAN_LITERAL("two"));
    assert_false(log->synced || log->reset);
    assert_true(span_equal(buf_span(&log->bytes), SPAN_LITERAL("onetwo")));
    step_log_reset(&fixture->step, SPAN_LITERAL("three"));
    step_log_append(&fixture->step, SPAN_LITERAL("four"));
    assert_true(log->synced && log->reset);
    assert_true(span_equal(buf_span(&log->bytes), SPAN_LITERAL("threefour")));
    log_batch_clear(log);
    assert_true(log_batch_is_empty(log));
    step_log_sync(&fixture->step);
    assert_true(log->synced && !log_batch_is_empty(log));
}

static int jobs_freed;

static void free_job(struct job *job) {
    (void)job;
    jobs_freed++;
}

static void jobs_that_nobody_took_are_freed(void **state) {
    struct fixture *fixture = *state;
    static struct job jobs[20];
    jobs_freed = 0;
    for (int i = 0; i < 20; i++) {
        jobs[i].free = free_job;
        step_start(&fixture->step, &jobs[i]);
    }
    assert_int_equal(fixture->jobs.count, 20);
    for (size_t i = 0; i < 5; i++) {
        assert_ptr_equal(fixture->jobs.jobs[i], &jobs[i]);
        fixture->jobs.jobs[i] = NULL;
    }
    job_list_free(&fixture->jobs);
    assert_int_equal(jobs_freed, 15);
}

static void keep_line(void *ctx, const struct log_line *line) {
    *(struct log_line *)ctx = *line;
}

static void log_lines_carry_what_they_were_given(void **state) {
    (void)state;
    struct log_line line = {0};
    struct log_sink sink = {.ctx = &line, .level = LOG_INFO, .write = keep_line};
    static const uint8_t relay[32] = {1};
    log_note(&sink, LOG_DEBUG, "relay", "below the level");
    assert_null(line.message);
    log_relay(&sink, LOG_WARN, "relay", "link closed", relay, "timeout");
    assert_int_equal(line.level, LOG_WARN);
    assert_string_equal(line.message, "link closed");
    assert_ptr_equal(line.relay, relay);
    assert_string_equal(line.reason, "timeout");
    log_number(&sink, LOG_ERROR, "mailbox", "items", "count", -5);
    assert_true(line.has_number && line.number == -5 && line.relay == NULL && line.reason == NULL);
    log_reason(&sink, LOG_INFO, "node", "stopped", "signal");
    assert_string_equal(line.reason, "signal");
    log_note(&(struct log_sink){0}, LOG_ERROR, "node", "nobody listens");
}

static void log_levels_have_names(void **state) {
    (void)state;
    for (unsigned i = 0; i < LOG_LEVELS; i++) {
        enum log_level level = LOG_DEBUG;
        assert_int_equal(log_level_parse(&level, log_level_text((enum log_level)i)), OK);
        assert_int_equal(level, i);
    }
    enum log_level level = LOG_WARN;
    assert_int_equal(log_level_parse(&level, "warning"), ERR_INVALID);
    assert_int_equal(log_level_parse(&level, ""), ERR_INVALID);
    assert_int_equal(level, LOG_WARN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_holds_its_writes_in_order, set_up, tear_down),
        cmocka_unit_test(keys_beyond_the_bounds_are_our_bug),
        cmocka_unit_test_setup_teardown(a_step_reads_its_own_writes_before_the_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_step_with_thousands_of_writes_reads_the_last_of_each_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_step_appends_to_the_log_and_a_reset_forgets_what_it_appended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_failed_read_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jobs_that_nobody_took_are_freed, set_up, tear_down),
        cmocka_unit_test(log_lines_carry_what_they_were_given),
        cmocka_unit_test(log_levels_have_names),
    };
    return cmocka_run_group_tests_name("base/step", tests, NULL, NULL);
}
