// The only place in the pure layers that talks to the operating system: one line, then the end.
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

noreturn void assert_failed(const char *file, int line, const char *function, const char *expression) {
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
    abort();
}
