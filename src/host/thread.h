// Threads of a node: small stacks, no signals.
#ifndef SOTTO_HOST_THREAD_H
#define SOTTO_HOST_THREAD_H

#include <uv.h>

void thread_start(uv_thread_t *thread, uv_thread_cb run, void *arg);

#endif
