// See commit.h.
#include "host/commit.h"

#include <stdlib.h>

#include "base/assert.h"
#include "host/thread.h"

struct commit {
    struct kv *kv;
    struct log *log;
    commit_done *done;
    void *ctx;
    uv_async_t wake; // thread to loop
    uv_thread_t thread;
    uv_mutex_t mutex; // over the rest
    uv_cond_t asked;
    uint64_t requested;
    struct commit_state state;
    bool stopping;
    bool is_stopped; // loop thread
};

// Returns the number that the next sync will cover, 0 when the thread is to end.
static uint64_t wait_for_request(struct commit *commit) {
    uv_mutex_lock(&commit->mutex);
    while (commit->requested == commit->state.number && !commit->stopping) {
        uv_cond_wait(&commit->asked, &commit->mutex);
    }
    uint64_t number = commit->requested == commit->state.number ? 0 : commit->requested;
    uv_mutex_unlock(&commit->mutex);
    return number;
}

// A reset of the log that is written after the mark waits for the next sync, as its step's writes to the store do.
static void sync_all(struct commit *commit, uint64_t number, struct commit_state *state) {
    uint64_t began_ns = uv_hrtime();
    uint64_t mark = commit->log != NULL ? log_mark(commit->log) : 0;
    state->failed = COMMIT_STORE;
    state->err = kv_sync(commit->kv);
    if (state->err == OK && commit->log != NULL) {
        state->failed = COMMIT_LOG;
        state->err = log_sync(commit->log, mark);
    }
    state->number = state->err == OK ? number : state->number;
    state->sync_us = (uv_hrtime() - began_ns) / 1000;
}

static void report(struct commit *commit, const struct commit_state *state) {
    uv_mutex_lock(&commit->mutex);
    commit->state = *state;
    uv_mutex_unlock(&commit->mutex);
    uv_async_send(&commit->wake);
}

static void run(void *arg) {
    struct commit *commit = arg;
    struct commit_state state = {0};
    uint64_t number = wait_for_request(commit);
    while (number != 0) {
        sync_all(commit, number, &state);
        report(commit, &state);
        number = state.err == OK ? wait_for_request(commit) : 0;
    }
}

static void on_wake(uv_async_t *async) {
    struct commit *commit = async->data;
    if (commit->is_stopped) {
        return;
    }
    uv_mutex_lock(&commit->mutex);
    struct commit_state state = commit->state;
    uv_mutex_unlock(&commit->mutex);
    commit->done(commit->ctx, &state);
}

struct commit *commit_new(uv_loop_t *loop, struct kv *kv, struct log *log, commit_done *done, void *ctx) {
    struct commit *commit = NEW(struct commit);
    commit->kv = kv;
    commit->log = log;
    commit->done = done;
    commit->ctx = ctx;
    commit->wake.data = commit;
    int status = uv_mutex_init(&commit->mutex);
    ASSERT(status == 0);
    status = uv_cond_init(&commit->asked);
    ASSERT(status == 0);
    status = uv_async_init(loop, &commit->wake, on_wake);
    ASSERT(status == 0);
    thread_start(&commit->thread, run, commit);
    return commit;
}

void commit_request(struct commit *commit, uint64_t number) {
    uv_mutex_lock(&commit->mutex);
    ASSERT(number > commit->requested);
    commit->requested = number;
    uv_cond_signal(&commit->asked);
    uv_mutex_unlock(&commit->mutex);
}

void commit_stop(struct commit *commit) {
    uv_mutex_lock(&commit->mutex);
    commit->stopping = true;
    uv_cond_signal(&commit->asked);
    uv_mutex_unlock(&commit->mutex);
    uv_thread_join(&commit->thread);
    commit->is_stopped = true;
    uv_close((uv_handle_t *)&commit->wake, NULL);
}

void commit_free(struct commit *commit) {
    if (commit != NULL) {
        ASSERT(commit->is_stopped);
        uv_cond_destroy(&commit->asked);
        uv_mutex_destroy(&commit->mutex);
        free(commit);
    }
}
