// See workers.h. One queue to the threads, one list of results back; the bound is the caller's (it stops reading from
// the network while the load is high).
#include "host/workers.h"

#include <stdlib.h>

#include "base/assert.h"
#include "host/thread.h"

#define WORKERS_MAX 64

struct task {
    struct job *job;
    struct kv_snapshot *snapshot;
    struct task *next;
};

struct task_queue {
    struct task *first;
    struct task **last;
};

struct workers {
    workers_done *done;
    void *ctx;
    size_t load; // loop thread
    bool is_stopped;
    uv_async_t wake;
    unsigned count;
    uv_thread_t threads[WORKERS_MAX];
    uv_mutex_t mutex; // over the rest
    uv_cond_t filled;
    struct task_queue waiting;
    struct task_queue finished;
    bool stopping;
};

static void queue_push(struct task_queue *queue, struct task *task) {
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
}

static struct task *queue_pop(struct task_queue *queue) {
    struct task *task = queue->first;
    if (task != NULL) {
        queue->first = task->next;
        if (queue->first == NULL) {
            queue->last = &queue->first;
        }
    }
    return task;
}

static void release_snapshot(struct task *task) {
    if (task->snapshot != NULL) {
        kv_snapshot_release(task->snapshot);
        task->snapshot = NULL;
    }
}

static void task_drop(struct task *task) {
    release_snapshot(task);
    task->job->free(task->job);
    free(task);
}

static struct task *wait_for_task(struct workers *workers) {
    uv_mutex_lock(&workers->mutex);
    while (workers->waiting.first == NULL && !workers->stopping) {
        uv_cond_wait(&workers->filled, &workers->mutex);
    }
    struct task *task = workers->stopping ? NULL : queue_pop(&workers->waiting);
    uv_mutex_unlock(&workers->mutex);
    return task;
}

static void hand_back(struct workers *workers, struct task *task) {
    uv_mutex_lock(&workers->mutex);
    bool first = workers->finished.first == NULL;
    queue_push(&workers->finished, task);
    uv_mutex_unlock(&workers->mutex);
    if (first) {
        uv_async_send(&workers->wake);
    }
}

static void run(void *arg) {
    struct workers *workers = arg;
    struct task *task;
    while ((task = wait_for_task(workers)) != NULL) {
        task->job->run(task->job, task->snapshot);
        release_snapshot(task);
        hand_back(workers, task);
    }
}

static void on_wake(uv_async_t *async) {
    struct workers *workers = async->data;
    uv_mutex_lock(&workers->mutex);
    struct task *task = workers->finished.first;
    workers->finished = (struct task_queue){.last = &workers->finished.first};
    uv_mutex_unlock(&workers->mutex);
    while (task != NULL) {
        struct task *next = task->next;
        if (workers->is_stopped) {
            task_drop(task);
        } else {
            struct job *job = task->job;
            free(task);
            workers->load--;
            workers->done(workers->ctx, job);
        }
        task = next;
    }
}

struct workers *workers_new(uv_loop_t *loop, unsigned count, workers_done *done, void *ctx) {
    ASSERT(count > 0 && count <= WORKERS_MAX);
    struct workers *workers = NEW(struct workers);
    workers->done = done;
    workers->ctx = ctx;
    workers->count = count;
    workers->wake.data = workers;
    workers->waiting.last = &workers->waiting.first;
    workers->finished.last = &workers->finished.first;
    int status = uv_mutex_init(&workers->mutex);
    ASSERT(status == 0);
    status = uv_cond_init(&workers->filled);
    ASSERT(status == 0);
    status = uv_async_init(loop, &workers->wake, on_wake);
    ASSERT(status == 0);
    for (unsigned i = 0; i < count; i++) {
        thread_start(&workers->threads[i], run, workers);
    }
    return workers;
}

void workers_submit(struct workers *workers, struct job *job, struct kv_snapshot *snapshot) {
    ASSERT(!workers->is_stopped);
    struct task *task = NEW(struct task);
    task->job = job;
    task->snapshot = snapshot;
    workers->load++;
    uv_mutex_lock(&workers->mutex);
    queue_push(&workers->waiting, task);
    uv_cond_signal(&workers->filled);
    uv_mutex_unlock(&workers->mutex);
}

size_t workers_load(const struct workers *workers) {
    return workers->load;
}

void workers_stop(struct workers *workers) {
    uv_mutex_lock(&workers->mutex);
    workers->stopping = true;
    uv_cond_broadcast(&workers->filled);
    uv_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++) {
        uv_thread_join(&workers->threads[i]);
    }
    workers->is_stopped = true;
    uv_close((uv_handle_t *)&workers->wake, NULL);
}

static void drop_all(struct task_queue *queue) {
    struct task *task;
    while ((task = queue_pop(queue)) != NULL) {
        task_drop(task);
    }
}

void workers_free(struct workers *workers) {
    if (workers == NULL) {
        return;
    }
    ASSERT(workers->is_stopped);
    drop_all(&workers->waiting);
    drop_all(&workers->finished);
    uv_cond_destroy(&workers->filled);
    uv_mutex_destroy(&workers->mutex);
    free(workers);
}
