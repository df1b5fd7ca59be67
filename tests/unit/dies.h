// For tests of asserts: runs a function in a child process and tells whether that ends before it returns: by
// abort(), or where a sanitizer is first to see the mistake, by its exit status.
#ifndef SOTTO_TESTS_DIES_H
#define SOTTO_TESTS_DIES_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool dies(void (*function)(void)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr); // the message of the assert is expected
        function();
        _exit(0);
    }
    int status = 0;
    bool ended = child > 0 && waitpid(child, &status, 0) == child;
    return ended && (WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT : WEXITSTATUS(status) != 0);
}

#endif
