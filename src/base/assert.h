// Asserts that stay on in production: a broken invariant stops the process before it can do harm.
#ifndef SOTTO_BASE_ASSERT_H
#define SOTTO_BASE_ASSERT_H

#include <stdnoreturn.h>

// Prints "file:line: function: assertion failed: expression" to standard error and aborts.
noreturn void assert_failed(const char *file, int line, const char *function, const char *expression);

#define ASSERT(expression) ((expression) ? (void)0 : assert_failed(__FILE__, __LINE__, __func__, #expression))

#endif
