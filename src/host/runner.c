// See runner.h.
#include "host/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "host/commit.h"
#include "host/key_file.h"
#include "host/system.h"
#include "host/workers.h"
#include "store/store.h"

#define DISK_INTERVAL_MS (5 * SECOND_MS)
#define STOP_PATIENCE_MS (10 * SECOND_MS)
// Beyond these nothing is read from links until half has gone: a link's worth of cells for each of some hundred links.
#define JOBS_MAX 2048
#define WAITING_MAX 8192

#define MESSAGE_BYTES_MAX 1600 // a path and three sentences

// The effects of a step that waits for a sync.
struct waiting {
    uint64_t commit; // leaves when this has been done
    struct effect *effects;
    size_t count;
    struct waiting *next;
};

// What the node has sent to itself.
struct to_self {
    struct buf bytes;
    struct to_self *next;
};

enum runner_state { RUNNER_READY, RUNNER_RUNNING, RUNNER_STOPPING, RUNNER_ENDED };

struct runner {
    struct runner_config config;
    uv_loop_t *loop;
    enum runner_state state;
    struct net *net;
    struct commit *commit;
    struct workers *workers;
    uv_timer_t timer;    // the node's
    uv_timer_t disk;     // looks at the free space
    uv_timer_t patience; // of a stop
    uv_check_t turn_begins;
    uv_prepare_t turn_ends;
    uint64_t turn_began_ns;
    uint64_t timer_at_ms; // TIME_NEVER: none
    uint64_t asked;       // the last commit requested
    uint64_t done;        // the last commit done
    struct waiting *waiting;
    struct waiting **waiting_last;
    size_t waiting_count;
    struct to_self *self;
    struct to_self **self_last;
    struct effects effects;
    bool is_stepping;
    bool has_stopped; // EFFECT_STOPPED has left
    char *stopped_why;
    uint8_t tag_key[32];
};

// --- the end ---

static void drop_waiting(struct runner *runner) {
    while (runner->waiting != NULL) {
        struct waiting *waiting = runner->waiting;
        runner->waiting = waiting->next;
        for (size_t i = 0; i < waiting->count; i++) {
            effect_release(&waiting->effects[i]);
        }
        free(waiting->effects);
        free(waiting);
    }
    runner->waiting_last = &runner->waiting;
    runner->waiting_count = 0;
    while (runner->self != NULL) {
        struct to_self *self = runner->self;
        runner->self = self->next;
        buf_free(&self->bytes);
        free(self);
    }
    runner->self_last = &runner->self;
}

static void end(struct runner *runner, enum err err, const char *why) {
    if (runner->state == RUNNER_ENDED) {
        return;
    }
    runner->state = RUNNER_ENDED;
    drop_waiting(runner);
    net_stop(runner->net);
    workers_stop(runner->workers);
    commit_stop(runner->commit);
    uv_handle_t *handles[] = {(uv_handle_t *)&runner->timer, (uv_handle_t *)&runner->disk,
                              (uv_handle_t *)&runner->patience, (uv_handle_t *)&runner->turn_begins,
                              (uv_handle_t *)&runner->turn_ends};
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        uv_close(handles[i], NULL);
    }
    runner->config.ended(runner->config.ctx, err, why);
}

static void fail(struct runner *runner, enum err err, const char *what, enum commit_part part) {
    static const char *const parts[] = {[COMMIT_STORE] = "store", [COMMIT_LOG] = "log"};
    const char *name = part == COMMIT_STORE ? runner->config.store_name : runner->config.wal_name;
    char why[MESSAGE_BYTES_MAX];
    const char *remedy = err == ERR_CORRUPT ? "restore the data folder from a backup or start with a new one"
                                            : "check the disk (space, permissions, the system's log) and start again";
    snprintf(why, sizeof(why), "%s the %s %s failed: %s; %s", what, parts[part], name, err_text(err), remedy);
    end(runner, err, why);
}

// --- effects ---

static void send_to_self(struct runner *runner, struct effect *effect) {
    struct to_self *self = NEW(struct to_self);
    self->bytes = effect->send.bytes;
    effect->send.bytes = (struct buf){0};
    *runner->self_last = self;
    runner->self_last = &self->next;
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct runner *runner, uint64_t at_ms) {
    runner->timer_at_ms = at_ms;
    if (at_ms == TIME_NEVER) {
        uv_timer_stop(&runner->timer);
        return;
    }
    uint64_t now_ms = uv_hrtime() / 1000000;
    uv_update_time(runner->loop);
    uv_timer_start(&runner->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void perform(struct runner *runner, struct effect *effect) {
    const struct runner_config *config = &runner->config;
    switch (effect->kind) {
    case EFFECT_DIAL:
        net_dial(runner->net, effect->dial.dial, effect->dial.kind, &effect->dial.address, &effect->dial.expected,
                 effect->dial.show_certificate);
        break;
    case EFFECT_SEND:
        if (effect->send.link == LINK_SELF) {
            send_to_self(runner, effect);
        } else {
            net_send(runner->net, effect->send.link, buf_span(&effect->send.bytes));
        }
        break;
    case EFFECT_CLOSE:
        net_close(runner->net, effect->close.link, effect->close.reason);
        break;
    case EFFECT_TIMER:
        set_timer(runner, effect->timer.at_ms);
        break;
    case EFFECT_ANSWER:
        config->answer(config->ctx, effect->answer);
        break;
    case EFFECT_STREAM:
        config->stream(config->ctx, effect->stream);
        break;
    case EFFECT_STOPPED:
        runner->has_stopped = true;
        runner->stopped_why = effect->stopped_why;
        effect->stopped_why = NULL;
        break;
    }
    effect_release(effect);
}

// Those that may not leave yet stay, in order, at the front of the list; returns how many.
static size_t perform_immediate(struct runner *runner, struct effects *effects, bool all) {
    size_t kept = 0;
    for (size_t i = 0; i < effects->count; i++) {
        struct effect *effect = &effects->list[i];
        if (all || effect->immediate || effect->kind == EFFECT_TIMER) {
            perform(runner, effect);
        } else {
            effects->list[kept++] = *effect;
        }
    }
    effects->count = 0;
    return kept;
}

static void keep_waiting(struct runner *runner, const struct effect *effects, size_t count) {
    struct waiting *waiting = NEW(struct waiting);
    waiting->commit = runner->asked;
    waiting->count = count;
    waiting->effects = NEW_ARRAY(struct effect, count);
    memcpy(waiting->effects, effects, count * sizeof(*effects));
    *runner->waiting_last = waiting;
    runner->waiting_last = &waiting->next;
    runner->waiting_count++;
}

static void start_jobs(struct runner *runner, struct job_list *jobs) {
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = jobs->jobs[i];
        workers_submit(runner->workers, job, job->wants_snapshot ? kv_snapshot(runner->config.kv) : NULL);
    }
    jobs->count = 0;
}

// False: a write failed, and with it the process.
static bool write_step(struct runner *runner, const struct effects *effects) {
    if (kv_batch_count(&effects->batch) > 0) {
        enum err err = kv_write(runner->config.kv, &effects->batch);
        if (err != OK) {
            fail(runner, err, "writing to", COMMIT_STORE);
            return false;
        }
    }
    if (!log_batch_is_empty(&effects->log)) {
        ASSERT(runner->config.wal != NULL);
        enum err err = log_write(runner->config.wal, &effects->log);
        if (err != OK) {
            fail(runner, err, "writing to", COMMIT_LOG);
            return false;
        }
    }
    return true;
}

static void apply(struct runner *runner, struct effects *effects) {
    if (runner->config.kv->failed != OK) {
        fail(runner, runner->config.kv->failed, "reading", COMMIT_STORE);
        return;
    }
    if (!write_step(runner, effects)) {
        return;
    }
    if (effects->batch.synced || effects->log.synced) {
        commit_request(runner->commit, ++runner->asked);
    }
    start_jobs(runner, &effects->jobs);
    size_t kept = perform_immediate(runner, effects, runner->asked == runner->done);
    if (kept > 0) {
        keep_waiting(runner, effects->list, kept);
    }
}

// --- steps ---

static void step(struct runner *runner, const struct event *event, struct now now) {
    runner->config.step(runner->config.node, event, now, &runner->effects);
    apply(runner, &runner->effects);
    effects_clear(&runner->effects);
}

// Whatever the last steps have sent to the node itself. Ends: an onion packet has at most five hops.
static void step_self(struct runner *runner, struct now now) {
    while (runner->self != NULL) {
        struct to_self *self = runner->self;
        runner->self = self->next;
        if (runner->self == NULL) {
            runner->self_last = &runner->self;
        }
        struct event event = {.kind = EVENT_LINK_BYTES,
                              .link_bytes = {.link = LINK_SELF, .bytes = buf_span(&self->bytes)}};
        step(runner, &event, now);
        buf_free(&self->bytes);
        free(self);
    }
}

static void after_steps(struct runner *runner, struct now now) {
    step_self(runner, now);
    runner->is_stepping = false;
    if (runner->state == RUNNER_ENDED) {
        return;
    }
    size_t load = workers_load(runner->workers);
    metric_set(runner->config.metrics, METRIC_JOBS_WAITING, (int64_t)load);
    metric_set(runner->config.metrics, METRIC_STEPS_WAITING, (int64_t)runner->waiting_count);
    if (load > JOBS_MAX || runner->waiting_count > WAITING_MAX) {
        net_pause(runner->net, true);
    } else if (load <= JOBS_MAX / 2 && runner->waiting_count <= WAITING_MAX / 2) {
        net_pause(runner->net, false);
    }
    if (runner->has_stopped) {
        end(runner, runner->stopped_why == NULL ? OK : ERR_REFUSED, runner->stopped_why);
    }
}

static void handle(struct runner *runner, const struct event *event) {
    if (runner->state == RUNNER_READY || runner->state == RUNNER_ENDED) {
        return;
    }
    ASSERT(!runner->is_stepping);
    runner->is_stepping = true;
    struct now now = system_now();
    step(runner, event, now);
    after_steps(runner, now);
}

// --- where events come from ---

static void on_timer(uv_timer_t *timer) {
    struct runner *runner = timer->data;
    uint64_t now_ms = uv_hrtime() / 1000000;
    if (runner->timer_at_ms > now_ms) { // the loop's clock is coarser than ours
        uv_timer_start(timer, on_timer, runner->timer_at_ms - now_ms, 0);
        return;
    }
    runner->timer_at_ms = TIME_NEVER;
    handle(runner, &(struct event){.kind = EVENT_TIMER});
}

static void on_disk(uv_timer_t *timer) {
    struct runner *runner = timer->data;
    uint64_t free_bytes;
    if (store_free_bytes(&free_bytes, runner->config.data_dir) == OK) {
        metric_set(runner->config.metrics, METRIC_STORAGE_FREE, (int64_t)free_bytes);
        handle(runner, &(struct event){.kind = EVENT_DISK_SPACE, .disk_space = {free_bytes}});
    }
}

static void on_job_done(void *ctx, struct job *job) {
    struct runner *runner = ctx;
    if (runner->state == RUNNER_ENDED) {
        job->free(job);
    } else {
        handle(runner, &(struct event){.kind = EVENT_JOB_DONE, .job_done = {job}});
    }
}

static void release(struct runner *runner) {
    while (runner->waiting != NULL && runner->waiting->commit <= runner->done) {
        struct waiting *waiting = runner->waiting;
        runner->waiting = waiting->next;
        if (runner->waiting == NULL) {
            runner->waiting_last = &runner->waiting;
        }
        runner->waiting_count--;
        for (size_t i = 0; i < waiting->count; i++) {
            perform(runner, &waiting->effects[i]);
        }
        free(waiting->effects);
        free(waiting);
    }
}

static void on_committed(void *ctx, const struct commit_state *state) {
    struct runner *runner = ctx;
    metric_record_us(runner->config.metrics, METRIC_STORAGE_SYNC, state->sync_us);
    runner->is_stepping = true;
    runner->done = state->number;
    release(runner);
    if (state->err != OK) {
        fail(runner, state->err, "syncing", state->failed);
    }
    after_steps(runner, system_now());
}

static void on_link_open(void *ctx, uint64_t link, uint64_t dial, enum link_kind kind, const struct sign_public *key,
                         uint64_t address_tag) {
    struct event event = {
        .kind = EVENT_LINK_OPEN,
        .link_open = {.link = link, .dial = dial, .kind = kind, .address_tag = address_tag, .has_key = key != NULL}};
    if (key != NULL) {
        event.link_open.key = *key;
    }
    handle(ctx, &event);
}

static void on_link_bytes(void *ctx, uint64_t link, struct span bytes) {
    handle(ctx, &(struct event){.kind = EVENT_LINK_BYTES, .link_bytes = {link, bytes}});
}

static void on_link_drained(void *ctx, uint64_t link) {
    handle(ctx, &(struct event){.kind = EVENT_LINK_DRAINED, .link_drained = {link}});
}

static void on_link_closed(void *ctx, uint64_t link, enum close_reason reason) {
    handle(ctx, &(struct event){.kind = EVENT_LINK_CLOSED, .link_closed = {link, reason}});
}

static void on_dial_failed(void *ctx, uint64_t dial, enum close_reason reason) {
    handle(ctx, &(struct event){.kind = EVENT_DIAL_FAILED, .dial_failed = {dial, reason}});
}

// --- how long one turn of the loop takes ---

static void on_turn_begins(uv_check_t *check) {
    struct runner *runner = check->data;
    runner->turn_began_ns = uv_hrtime();
}

static void on_turn_ends(uv_prepare_t *prepare) {
    struct runner *runner = prepare->data;
    if (runner->turn_began_ns != 0) {
        metric_record_us(runner->config.metrics, METRIC_LOOP_LAG, (uv_hrtime() - runner->turn_began_ns) / 1000);
    }
}

// --- life ---

static void init_handles(struct runner *runner) {
    uv_timer_init(runner->loop, &runner->timer);
    uv_timer_init(runner->loop, &runner->disk);
    uv_timer_init(runner->loop, &runner->patience);
    uv_check_init(runner->loop, &runner->turn_begins);
    runner->timer.data = runner->disk.data = runner->patience.data = runner->turn_begins.data = runner;
    uv_check_start(&runner->turn_begins, on_turn_begins);
}

static void on_unused_closed(uv_handle_t *handle) {
    free(handle->data);
}

enum err runner_new(struct runner **ret, uv_loop_t *loop, const struct runner_config *config, struct buf *why) {
    struct runner *runner = NEW(struct runner);
    runner->config = *config;
    runner->loop = loop;
    runner->timer_at_ms = TIME_NEVER;
    runner->waiting_last = &runner->waiting;
    runner->self_last = &runner->self;
    random_seed(runner->tag_key, sizeof(runner->tag_key));
    runner->config.net.tag_key = runner->tag_key;
    runner->config.net.metrics = config->metrics;
    struct net_events events = {.ctx = runner,
                                .open = on_link_open,
                                .bytes = on_link_bytes,
                                .drained = on_link_drained,
                                .closed = on_link_closed,
                                .dial_failed = on_dial_failed};
    // What is started first runs last: the turn ends when the links have been written.
    uv_prepare_init(loop, &runner->turn_ends);
    runner->turn_ends.data = runner;
    uv_prepare_start(&runner->turn_ends, on_turn_ends);
    enum err err = net_new(&runner->net, loop, &runner->config.net, &events, why);
    if (err != OK) {
        uv_close((uv_handle_t *)&runner->turn_ends, on_unused_closed);
        return err;
    }
    init_handles(runner);
    runner->commit = commit_new(loop, config->kv, config->wal, on_committed, runner);
    runner->workers = workers_new(loop, config->workers, on_job_done, runner);
    *ret = runner;
    return OK;
}

void runner_free(struct runner *runner) {
    if (runner == NULL) {
        return;
    }
    ASSERT(runner->state == RUNNER_ENDED);
    workers_free(runner->workers);
    commit_free(runner->commit);
    net_free(runner->net);
    effects_free(&runner->effects);
    free(runner->stopped_why);
    wipe(runner->tag_key, sizeof(runner->tag_key));
    free(runner);
}

struct net *runner_net(struct runner *runner) {
    return runner->net;
}

void runner_start(struct runner *runner) {
    ASSERT(runner->state == RUNNER_READY);
    runner->state = RUNNER_RUNNING;
    struct event event = {.kind = EVENT_START};
    memcpy(event.start.boot_id, runner->config.boot_id, sizeof(event.start.boot_id));
    event.start.log = runner->config.wal_bytes;
    handle(runner, &event);
    if (runner->state != RUNNER_ENDED && runner->config.data_dir[0] != '\0') {
        uv_timer_start(&runner->disk, on_disk, 0, DISK_INTERVAL_MS);
    }
}

void runner_request(struct runner *runner, const struct node_request *request) {
    handle(runner, &(struct event){.kind = EVENT_REQUEST, .request = {request}});
}

void runner_request_gone(struct runner *runner, uint64_t id) {
    handle(runner, &(struct event){.kind = EVENT_REQUEST_GONE, .request_gone = {id}});
}

static void on_patience_over(uv_timer_t *timer) {
    struct runner *runner = timer->data;
    log_note(&runner->config.log, LOG_WARN, "host", "the node did not stop in time; ending without it");
    end(runner, OK, NULL);
}

void runner_stop(struct runner *runner) {
    if (runner->state == RUNNER_RUNNING) {
        runner->state = RUNNER_STOPPING;
        uv_timer_start(&runner->patience, on_patience_over, STOP_PATIENCE_MS, 0);
        handle(runner, &(struct event){.kind = EVENT_STOP});
    }
}

void runner_abandon(struct runner *runner) {
    ASSERT(runner->state == RUNNER_READY);
    end(runner, OK, NULL);
}
