// See commit.h.
#include "host/commit.h"

#include <stdlib.h>

#include "base/assert.h"
#include "host/thread.h"

struct commit {
    struct kv *kv;
    commit_done *done;
    void *ctx;
    uv_async_t wake; // thread to loop
    uv_thread_t thread;
    uv_mutex_t mutex; // over the rest
    uv_cond_t asked;
    uint64_t requested;
    uint64_t synced;
    uint64_t sync_us;
    enum err err;
    bool stopping;
    bool is_stopped; // loop thread
};

// Returns the number that the next sync will cover, 0 when the thread is to end.
static uint64_t wait_for_request(struct commit *commit) {
    uv_mutex_lock(&commit->mutex);
    while (commit->requested == commit->synced && !commit->stopping) {
        uv_cond_wait(&commit->asked, &commit->mutex);
    }
    uint64_t number = commit->requested == commit->synced ? 0 : commit->requested;
    uv_mutex_unlock(&commit->mutex);
    return number;
}

static bool report(struct commit *commit, uint64_t number, enum err err, uint64_t sync_us) {
    uv_mutex_lock(&commit->mutex);
    commit->sync_us = sync_us;
    if (err == OK) {
        commit->synced = number;
    } else {
        commit->err = err;
    }
    uv_mutex_unlock(&commit->mutex);
    uv_async_send(&commit->wake);
    return err == OK;
}

static void run(void *arg) {
    struct commit *commit = arg;
    uint64_t number = wait_for_request(commit);
    while (number != 0) {
        uint64_t began_ns = uv_hrtime();
        enum err err = kv_sync(commit->kv);
        if (!report(commit, number, err, (uv_hrtime() - began_ns) / 1000)) {
            return;
        }
        number = wait_for_request(commit);
    }
}

static void on_wake(uv_async_t *async) {
    struct commit *commit = async->data;
    if (commit->is_stopped) {
        return;
    }
    uv_mutex_lock(&commit->mutex);
    uint64_t number = commit->synced;
    enum err err = commit->err;
    uint64_t sync_us = commit->sync_us;
    uv_mutex_unlock(&commit->mutex);
    commit->done(commit->ctx, number, err, sync_us);
}

struct commit *commit_new(uv_loop_t *loop, struct kv *kv, commit_done *done, void *ctx) {
    struct commit *commit = NEW(struct commit);
    commit->kv = kv;
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
