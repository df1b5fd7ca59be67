// Printing for people and for scripts: data on standard output, words on standard error, colours on terminals only.
#ifndef SOTTO_CLI_OUTPUT_H
#define SOTTO_CLI_OUTPUT_H

#include <jansson.h>

#include "base/bytes.h"

// "sotto: <why>" on standard error; returns 1, for `return output_error(...)`.
int output_error(const struct buf *why);
void output_json(const json_t *json); // one line on standard output
// Escape sequences, or "" when standard output is no terminal or NO_COLOR is set.
const char *output_bold(void);
const char *output_green(void);
const char *output_red(void);
const char *output_dim(void);
const char *output_plain(void);
// A text member of an object, "" if it has none.
const char *json_text(const json_t *json, const char *member);
// Text of a peer with its control characters made visible.
void output_text(const char *text);
// All members of an object for people, a line each, those of inner ones further in.
void output_fields(const json_t *object, int indent);
// A time of an API object as "  123 ms", or "    - ms" where it is null: not reached, or not known.
void output_ms(const json_t *object, const char *member);

#endif
