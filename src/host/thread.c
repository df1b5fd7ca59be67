// See thread.h.
#include "host/thread.h"

#include <signal.h>

#include "base/assert.h"

// The deepest user is a read of RocksDB or SQLite; they stay under 100 KiB.
#define STACK_BYTES (512 * 1024)

void thread_start(uv_thread_t *thread, uv_thread_cb run, void *arg) {
    // Signals are the loop thread's: a new thread inherits the mask.
    sigset_t all, before;
    sigfillset(&all);
    int status = pthread_sigmask(SIG_SETMASK, &all, &before);
    ASSERT(status == 0);
    uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = STACK_BYTES};
    status = uv_thread_create_ex(thread, &options, run, arg);
    ASSERT(status == 0);
    status = pthread_sigmask(SIG_SETMASK, &before, NULL);
    ASSERT(status == 0);
}
