// The runner against a scripted node, and a store and a log whose syncs the test holds back, lets through, or lets
// fail.
#define _GNU_SOURCE // uv.h
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#define _GNU_SOURCE // uv.h
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "host/runner.h"

// --- a store with a gate before its syncs ---

struct gated_kv {
    struct kv kv;
    uv_mutex_t mutex;
    uv_cond_t changed;
    unsigned allowed; // syncs that may still pass
    unsigned begun;
    unsigned syncs;
    enum err sync_err;
    enum err write_err;
    unsigned writes;
};

static enum err gated_get(struct kv *kv, struct span key, struct buf *value) {
    (void)kv;
    (void)key;
    (void)value;
    return ERR_NOT_FOUND;
}

static enum err gated_write(struct kv *kv, const struct kv_batch *batch) {
    struct gated_kv *gated = (struct gated_kv *)kv;
    gated->writes += (unsigned)kv_batch_count(batch);
    return gated->write_err;
}

static enum err gated_sync(struct kv *kv) {
    struct gated_kv *gated = (struct gated_kv *)kv;
    uv_mutex_lock(&gated->mutex);
    gated->begun++;
    uv_cond_broadcast(&gated->changed);
    while (gated->allowed == 0) {
        uv_cond_wait(&gated->changed, &gated->mutex);
    }
    gated->allowed--;
    gated->syncs++;
    uv_mutex_unlock(&gated->mutex);
    return gated->sync_err;
}

static const struct kv_ops gated_ops = {.get = gated_get, .write = gated_write, .sync = gated_sync};

static void allow_syncs(struct gated_kv *gated, unsigned count) {
    uv_mutex_lock(&gated->mutex);
    gated->allowed += count;
    uv_cond_broadcast(&gated->changed);
    uv_mutex_unlock(&gated->mutex);
}

static void wait_until_a_sync_has_begun(struct gated_kv *gated, unsigned number) {
    uv_mutex_lock(&gated->mutex);
    while (gated->begun < number) {
        uv_cond_wait(&gated->changed, &gated->mutex);
    }
    uv_mutex_unlock(&gated->mutex);
}

// --- a log that notes in which order it and the store are used ---

struct noted_log {
    struct log log;
    struct gated_kv *kv;
    uint64_t written;
    unsigned kv_writes; // when last written
    unsigned kv_syncs;  // when last synced
    uint64_t mark;      // last synced
    enum err write_err;
    enum err sync_err;
};

static enum err noted_write(struct log *log, const struct log_batch *batch) {
    struct noted_log *noted = (struct noted_log *)log;
    assert_false(log_batch_is_empty(batch));
    noted->written++;
    noted->kv_writes = noted->kv->writes;
    return noted->write_err;
}

static uint64_t noted_mark(struct log *log) {
    return ((struct noted_log *)log)->written;
}

static enum err noted_sync(struct log *log, uint64_t mark) {
    struct noted_log *noted = (struct noted_log *)log;
    noted->kv_syncs = noted->kv->syncs;
    noted->mark = mark;
    return noted->sync_err;
}

static const struct log_ops noted_ops = {.write = noted_write, .mark = noted_mark, .sync = noted_sync};

// --- a node that does what the request's number says ---

enum script {
    SAY = 100,         // answer, nothing written
    SAY_LAZY = 200,    // answer, written lazily
    SAY_SYNCED = 300,  // answer, written synced
    SAY_NOW = 400,     // answer at once though written synced
    READ_FAILED = 500, // the store's read fails
    TO_SELF = 600,     // written synced, then told itself, then answer
    JOB = 700,         // answer when the job is done
    TIMER = 800,       // answer when a timer has fired
    LOG_LAZY = 900,    // answer, appended to the log
    GIVE_UP = 1100,    // answer, written synced, and cannot go on
    LOG_SYNCED = 1000, // answer, written to the store lazily, appended to the log and synced
};

struct rig {
    uv_loop_t loop;
    struct gated_kv kv;
    struct noted_log log;
    char log_at_start[8];
    struct metrics *metrics;
    struct runner *runner;
    uint64_t answers[64];
    size_t answer_count;
    unsigned steps;
    uint64_t pending;
    uint64_t timer_at_ms;
    bool timer_early;
    unsigned disk_events;
    bool has_ended;
    enum err end_err;
    char end_why[512];
};

struct rig_job {
    struct job job;
    uint64_t id;
    unsigned ran;
};

static void job_run(struct job *job, const struct kv_snapshot *snapshot) {
    assert_null(snapshot);
    ((struct rig_job *)job)->ran++;
}

static void job_free(struct job *job) {
    free(job);
}

static void say(struct effects *effects, uint64_t id, bool immediate) {
    struct effect *effect = effects_add(effects, EFFECT_ANSWER);
    effect->immediate = immediate;
    effect->answer = NEW(struct node_answer);
    effect->answer->id = id;
}

static void put(struct effects *effects, enum kv_durability durability) {
    kv_batch_put(&effects->batch, SPAN_LITERAL("k"), SPAN_LITERAL("v"), durability);
}

static void on_request(struct rig *rig, uint64_t id, struct now now, struct effects *effects) {
    switch (id / 100 * 100) {
    case SAY:
        say(effects, id, false);
        break;
    case SAY_LAZY:
        put(effects, KV_LAZY);
        say(effects, id, false);
        break;
    case SAY_SYNCED:
        put(effects, KV_SYNCED);
        say(effects, id, false);
        break;
    case SAY_NOW:
        put(effects, KV_SYNCED);
        say(effects, id, true);
        break;
    case READ_FAILED:
        rig->kv.kv.failed = ERR_CORRUPT;
        say(effects, id, true);
        break;
    case TO_SELF: {
        put(effects, KV_SYNCED);
        struct effect *effect = effects_add(effects, EFFECT_SEND);
        effect->send.link = LINK_SELF;
        buf_append(&effect->send.bytes, span_of(&id, sizeof(id)));
        break;
    }
    case JOB: {
        struct rig_job *job = NEW(struct rig_job);
        *job = (struct rig_job){.job = {.run = job_run, .free = job_free}, .id = id};
        if (effects->jobs.jobs == NULL) {
            effects->jobs.jobs = NEW_ARRAY(struct job *, 1);
        }
        effects->jobs.jobs[0] = &job->job;
        effects->jobs.count = effects->jobs.capacity = 1;
        break;
    }
    case LOG_LAZY:
        log_batch_append(&effects->log, SPAN_LITERAL("record"));
        say(effects, id, false);
        break;
    case LOG_SYNCED:
        put(effects, KV_LAZY);
        log_batch_append(&effects->log, SPAN_LITERAL("record"));
        log_batch_sync(&effects->log);
        say(effects, id, false);
        break;
    case GIVE_UP: {
        put(effects, KV_SYNCED);
        say(effects, id, false);
        struct effect *effect = effects_add(effects, EFFECT_STOPPED);
        effect->immediate = true;
        effect->stopped_why = mem_text(SPAN_LITERAL("the log is damaged at byte 7"));
        break;
    }
    case TIMER:
        rig->pending = id;
        rig->timer_at_ms = now.mono_ms + 7;
        effects_add(effects, EFFECT_TIMER)->timer.at_ms = rig->timer_at_ms;
        break;
    }
}

static void scripted_step(void *node, const struct event *event, struct now now, struct effects *effects) {
    struct rig *rig = node;
    rig->steps++;
    assert_int_equal(effects->count, 0);
    assert_int_equal(effects->jobs.count, 0);
    switch (event->kind) {
    case EVENT_REQUEST:
        on_request(rig, event->request.request->id, now, effects);
        break;
    case EVENT_LINK_BYTES: {
        uint64_t id;
        assert_int_equal(event->link_bytes.link, LINK_SELF);
        assert_int_equal(event->link_bytes.bytes.n, sizeof(id));
        memcpy(&id, event->link_bytes.bytes.p, sizeof(id));
        say(effects, id, false);
        break;
    }
    case EVENT_JOB_DONE: {
        struct rig_job *job = (struct rig_job *)event->job_done.job;
        assert_int_equal(job->ran, 1);
        say(effects, job->id, false);
        free(job);
        break;
    }
    case EVENT_TIMER:
        rig->timer_early = now.mono_ms < rig->timer_at_ms;
        say(effects, rig->pending, false);
        break;
    case EVENT_STOP:
        put(effects, KV_SYNCED);
        effects_add(effects, EFFECT_STOPPED);
        break;
    case EVENT_DISK_SPACE:
        assert_true(event->disk_space.free_bytes > 0);
        rig->disk_events++;
        break;
    case EVENT_START:
        assert_true(event->start.log.n < sizeof(rig->log_at_start));
        memcpy(rig->log_at_start, event->start.log.p, event->start.log.n);
        break;
    case EVENT_LINK_OPEN:
    case EVENT_LINK_DRAINED:
    case EVENT_LINK_CLOSED:
    case EVENT_DIAL_FAILED:
    case EVENT_REQUEST_GONE:
        break;
    }
}

static void on_answer(void *ctx, struct node_answer *answer) {
    struct rig *rig = ctx;
    rig->answers[rig->answer_count++] = answer->id;
}

static void on_stream(void *ctx, const struct stream_item *item) {
    (void)ctx;
    (void)item;
}

static void on_ended(void *ctx, enum err err, const char *why) {
    struct rig *rig = ctx;
    rig->has_ended = true;
    rig->end_err = err;
    if (why != NULL) {
        strncat(rig->end_why, why, sizeof(rig->end_why) - 1);
    }
}

static int begin(void **state) {
    struct rig *rig = NEW(struct rig);
    uv_loop_init(&rig->loop);
    uv_mutex_init(&rig->kv.mutex);
    uv_cond_init(&rig->kv.changed);
    rig->kv.kv.ops = &gated_ops;
    rig->log = (struct noted_log){.log = {.ops = &noted_ops}, .kv = &rig->kv};
    rig->metrics = metrics_new();
    struct runner_config config = {.node = rig,
                                   .step = scripted_step,
                                   .kv = &rig->kv.kv,
                                   .store_name = "/the/store",
                                   .wal = &rig->log.log,
                                   .wal_name = "/the/log",
                                   .wal_bytes = SPAN_LITERAL("found"),
                                   .data_dir = "/",
                                   .workers = 2,
                                   .metrics = rig->metrics,
                                   .ctx = rig,
                                   .answer = on_answer,
                                   .stream = on_stream,
                                   .ended = on_ended};
    net_limits_defaults(&config.net.limits);
    struct buf why = {0};
    assert_int_equal(runner_new(&rig->runner, &rig->loop, &config, &why), OK);
    runner_start(rig->runner);
    *state = rig;
    return 0;
}

static int finish(void **state) {
    struct rig *rig = *state;
    allow_syncs(&rig->kv, 1000);
    runner_stop(rig->runner);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_true(rig->has_ended);
    runner_free(rig->runner);
    metrics_free(rig->metrics);
    uv_mutex_destroy(&rig->kv.mutex);
    uv_cond_destroy(&rig->kv.changed);
    int open = uv_loop_close(&rig->loop);
    free(rig);
    return open;
}

static void ask(struct rig *rig, uint64_t id) {
    struct node_request request = {.id = id};
    runner_request(rig->runner, &request);
}

static void run_until_answers(struct rig *rig, size_t count) {
    while (rig->answer_count < count) {
        uv_run(&rig->loop, UV_RUN_ONCE);
    }
    assert_int_equal(rig->answer_count, count);
}

static void turn(struct rig *rig) {
    for (int i = 0; i < 5; i++) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
    }
}

// --- tests ---

static void without_writes_an_answer_leaves_at_once(void **state) {
    struct rig *rig = *state;
    ask(rig, SAY);
    assert_int_equal(rig->answer_count, 1);
    ask(rig, SAY_LAZY);
    assert_int_equal(rig->answer_count, 2);
    assert_int_equal(rig->kv.writes, 1);
    assert_int_equal(rig->kv.begun, 0);
}

static void an_answer_waits_for_its_synced_write(void **state) {
    struct rig *rig = *state;
    ask(rig, SAY_SYNCED);
    wait_until_a_sync_has_begun(&rig->kv, 1);
    turn(rig);
    assert_int_equal(rig->kv.writes, 1); // visible to the next step already
    assert_int_equal(rig->answer_count, 0);
    allow_syncs(&rig->kv, 1);
    run_until_answers(rig, 1);
}

static void what_comes_later_does_not_overtake(void **state) {
    struct rig *rig = *state;
    ask(rig, SAY_SYNCED + 1);
    ask(rig, SAY + 2);
    ask(rig, SAY_LAZY + 3);
    ask(rig, SAY_SYNCED + 4);
    ask(rig, SAY + 5);
    turn(rig);
    assert_int_equal(rig->answer_count, 0);
    allow_syncs(&rig->kv, 2);
    run_until_answers(rig, 5);
    const uint64_t order[] = {SAY_SYNCED + 1, SAY + 2, SAY_LAZY + 3, SAY_SYNCED + 4, SAY + 5};
    assert_memory_equal(rig->answers, order, sizeof(order));
}

static void immediate_effects_leave_before_the_sync(void **state) {
    struct rig *rig = *state;
    ask(rig, SAY_SYNCED);
    ask(rig, SAY_NOW);
    assert_int_equal(rig->answer_count, 1);
    assert_int_equal(rig->answers[0], SAY_NOW);
}

static void one_sync_serves_all_steps_that_wait(void **state) {
    struct rig *rig = *state;
    ask(rig, SAY_SYNCED);
    wait_until_a_sync_has_begun(&rig->kv, 1); // this one does not cover what follows
    for (uint64_t i = 1; i <= 20; i++) {
        ask(rig, SAY_SYNCED + i);
    }
    allow_syncs(&rig->kv, 1);
    run_until_answers(rig, 1);
    wait_until_a_sync_has_begun(&rig->kv, 2);
    turn(rig);
    assert_int_equal(rig->answer_count, 1);
    allow_syncs(&rig->kv, 1);
    run_until_answers(rig, 21);
    assert_int_equal(rig->kv.syncs, 2);
    assert_int_equal(histogram_count(metric_histogram(rig->metrics, METRIC_STORAGE_SYNC)), 2);
}

static void a_failed_sync_ends_it_and_nothing_that_waited_leaves(void **state) {
    struct rig *rig = *state;
    rig->kv.sync_err = ERR_IO;
    ask(rig, SAY_SYNCED);
    ask(rig, SAY);
    allow_syncs(&rig->kv, 1);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_true(rig->has_ended);
    assert_int_equal(rig->end_err, ERR_IO);
    assert_int_equal(rig->answer_count, 0);
    assert_non_null(strstr(rig->end_why, "syncing the store /the/store failed"));
    assert_non_null(strstr(rig->end_why, "check the disk"));
    unsigned steps = rig->steps;
    ask(rig, SAY); // ignored
    assert_int_equal(rig->steps, steps);
}

static void a_failed_write_ends_it_before_anything_leaves(void **state) {
    struct rig *rig = *state;
    rig->kv.write_err = ERR_IO;
    ask(rig, SAY_NOW);
    assert_true(rig->has_ended);
    assert_int_equal(rig->answer_count, 0);
    assert_non_null(strstr(rig->end_why, "writing to the store /the/store failed"));
}

static void a_failed_read_ends_it_before_anything_leaves(void **state) {
    struct rig *rig = *state;
    ask(rig, READ_FAILED);
    assert_true(rig->has_ended);
    assert_int_equal(rig->end_err, ERR_CORRUPT);
    assert_int_equal(rig->answer_count, 0);
    assert_non_null(strstr(rig->end_why, "backup"));
}

static void the_node_starts_with_what_its_log_holds(void **state) {
    struct rig *rig = *state;
    assert_string_equal(rig->log_at_start, "found");
}

static void an_answer_waits_for_its_synced_log_and_the_store_comes_first(void **state) {
    struct rig *rig = *state;
    ask(rig, LOG_LAZY);
    assert_int_equal(rig->answer_count, 1);
    ask(rig, LOG_SYNCED);
    assert_int_equal(rig->log.kv_writes, 1);
    wait_until_a_sync_has_begun(&rig->kv, 1);
    ask(rig, LOG_SYNCED); // after the mark of the sync under way
    turn(rig);
    assert_int_equal(rig->answer_count, 1);
    allow_syncs(&rig->kv, 1);
    run_until_answers(rig, 2);
    wait_until_a_sync_has_begun(&rig->kv, 2);
    assert_int_equal(rig->log.kv_syncs, 1);
    assert_int_equal(rig->log.mark, 2);
    allow_syncs(&rig->kv, 1);
    run_until_answers(rig, 3);
    assert_int_equal(rig->log.mark, 3);
}

static void a_failed_write_to_the_log_ends_it_before_anything_leaves(void **state) {
    struct rig *rig = *state;
    rig->log.write_err = ERR_FULL;
    ask(rig, LOG_LAZY);
    assert_true(rig->has_ended);
    assert_int_equal(rig->end_err, ERR_FULL);
    assert_int_equal(rig->answer_count, 0);
    assert_non_null(strstr(rig->end_why, "writing to the log /the/log failed: full; check the disk"));
}

static void a_failed_sync_of_the_log_ends_it_and_nothing_that_waited_leaves(void **state) {
    struct rig *rig = *state;
    rig->log.sync_err = ERR_IO;
    ask(rig, LOG_SYNCED);
    allow_syncs(&rig->kv, 1);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_true(rig->has_ended);
    assert_int_equal(rig->answer_count, 0);
    assert_non_null(strstr(rig->end_why, "syncing the log /the/log failed"));
}

static void a_node_that_cannot_go_on_ends_with_its_reason_and_nothing_else(void **state) {
    struct rig *rig = *state;
    allow_syncs(&rig->kv, 1);
    ask(rig, GIVE_UP);
    assert_true(rig->has_ended);
    assert_int_equal(rig->end_err, ERR_REFUSED);
    assert_string_equal(rig->end_why, "the log is damaged at byte 7");
    assert_int_equal(rig->answer_count, 0);
}

static void what_a_node_tells_itself_waits_for_the_sync_too(void **state) {
    struct rig *rig = *state;
    ask(rig, TO_SELF);
    turn(rig);
    unsigned steps = rig->steps;
    assert_int_equal(rig->answer_count, 0);
    allow_syncs(&rig->kv, 1);
    run_until_answers(rig, 1);
    assert_int_equal(rig->steps, steps + 1);
    assert_int_equal(rig->answers[0], TO_SELF);
}

static void a_job_runs_once_and_comes_back(void **state) {
    struct rig *rig = *state;
    for (uint64_t i = 0; i < 50; i++) {
        ask(rig, JOB + i);
    }
    run_until_answers(rig, 50);
    uint64_t sum = 0;
    for (size_t i = 0; i < 50; i++) {
        sum += rig->answers[i] - JOB;
    }
    assert_int_equal(sum, 49 * 50 / 2);
}

static void a_timer_fires_and_never_early(void **state) {
    struct rig *rig = *state;
    ask(rig, TIMER);
    run_until_answers(rig, 1);
    assert_false(rig->timer_early);
}

static void free_space_is_told_at_the_start(void **state) {
    struct rig *rig = *state;
    turn(rig);
    assert_int_equal(rig->disk_events, 1);
    assert_true(metric_value(rig->metrics, METRIC_STORAGE_FREE) > 0);
}

static void a_stop_waits_for_what_is_on_its_way(void **state) {
    struct rig *rig = *state;
    ask(rig, SAY_SYNCED);
    runner_stop(rig->runner);
    turn(rig);
    assert_false(rig->has_ended);
    allow_syncs(&rig->kv, 2);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_true(rig->has_ended);
    assert_int_equal(rig->end_err, OK);
    assert_int_equal(rig->answer_count, 1);
}

static void jobs_at_the_end_are_dropped_not_lost(void **state) {
    struct rig *rig = *state;
    for (uint64_t i = 0; i < 50; i++) {
        ask(rig, JOB + i);
    }
    rig->kv.write_err = ERR_IO;
    ask(rig, SAY_LAZY);
    assert_true(rig->has_ended); // the sanitizers see to it that no job is left
}

int main(void) {
#define RUNNER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        RUNNER_TEST(without_writes_an_answer_leaves_at_once),
        RUNNER_TEST(an_answer_waits_for_its_synced_write),
        RUNNER_TEST(what_comes_later_does_not_overtake),
        RUNNER_TEST(immediate_effects_leave_before_the_sync),
        RUNNER_TEST(one_sync_serves_all_steps_that_wait),
        RUNNER_TEST(a_failed_sync_ends_it_and_nothing_that_waited_leaves),
        RUNNER_TEST(a_failed_write_ends_it_before_anything_leaves),
        RUNNER_TEST(a_failed_read_ends_it_before_anything_leaves),
        RUNNER_TEST(the_node_starts_with_what_its_log_holds),
        RUNNER_TEST(an_answer_waits_for_its_synced_log_and_the_store_comes_first),
        RUNNER_TEST(a_failed_write_to_the_log_ends_it_before_anything_leaves),
        RUNNER_TEST(a_failed_sync_of_the_log_ends_it_and_nothing_that_waited_leaves),
        RUNNER_TEST(a_node_that_cannot_go_on_ends_with_its_reason_and_nothing_else),
        RUNNER_TEST(what_a_node_tells_itself_waits_for_the_sync_too),
        RUNNER_TEST(a_job_runs_once_and_comes_back),
        RUNNER_TEST(a_timer_fires_and_never_early),
        RUNNER_TEST(free_space_is_told_at_the_start),
        RUNNER_TEST(a_stop_waits_for_what_is_on_its_way),
        RUNNER_TEST(jobs_at_the_end_are_dropped_not_lost),
    };
    return cmocka_run_group_tests_name("host_runner", tests, NULL, NULL);
}
