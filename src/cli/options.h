// Options of a command: --name value, --name=value, flags, and what is left.
#ifndef SOTTO_CLI_OPTIONS_H
#define SOTTO_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option {
    const char *name;  // without dashes; NULL ends the table
    const char *value; // what the value is called in the help; NULL: a flag
    const char *help;
    const char **text; // one of these three is set
    bool *flag;
    uint64_t *number;
    uint64_t min;
    uint64_t max;
};

struct command {
    const char *name;
    const char *arguments; // as in the help
    const char *summary;
    int (*run)(int argc, char **argv); // argv[0] is the command's name
};

// Takes the options out of argv and leaves the other arguments in argv[1 ..); returns how many, or -1 after a message
// on standard error. --help prints `usage` with the options and ends the process with 0.
int options_parse(int argc, char **argv, const struct option *options, const char *usage, const char *about);

// Finds and runs a command of a table (ended by a NULL name). Unknown or missing: the list on standard error, status 2.
int command_dispatch(int argc, char **argv, const struct command *commands, const char *program, const char *about);

#define STATUS_USAGE 2

#endif
