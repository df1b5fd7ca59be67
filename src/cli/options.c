// Options and commands, told by tables.
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(FILE *out, const struct option *options, const char *usage, const char *about) {
    fprintf(out, "usage: %s\n\n%s\n", usage, about);
    if (options->name != NULL) {
        fprintf(out, "\noptions:\n");
    }
    for (; options->name != NULL; options++) {
        char head[64];
        snprintf(head, sizeof(head), "--%s%s%s", options->name, options->value == NULL ? "" : " ",
                 options->value == NULL ? "" : options->value);
        fprintf(out, "  %-24s %s\n", head, options->help);
    }
}

static bool take_number(const struct option *option, const char *value) {
    char *end;
    unsigned long long number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != 0 || number < option->min || number > option->max) {
        fprintf(stderr, "sotto: --%s %s: a number from %llu to %llu is wanted\n", option->name, value,
                (unsigned long long)option->min, (unsigned long long)option->max);
        return false;
    }
    *option->number = number;
    return true;
}

// Takes one option; *used is how many arguments it was.
static bool take_option(const struct option *options, char **argument, int left, int *used) {
    const char *name = *argument + 2;
    size_t n = strcspn(name, "=");
    for (; options->name != NULL; options++) {
        if (strlen(options->name) == n && memcmp(options->name, name, n) == 0) {
            break;
        }
    }
    if (options->name == NULL) {
        fprintf(stderr, "sotto: there is no option --%.*s here; --help lists them\n", (int)n, name);
        return false;
    }
    const char *value = name[n] == '=' ? name + n + 1 : NULL;
    *used = 1;
    if (options->value == NULL) {
        if (value != NULL) {
            fprintf(stderr, "sotto: --%s takes no value\n", options->name);
            return false;
        }
        *options->flag = true;
        return true;
    }
    if (value == NULL && left < 2) {
        fprintf(stderr, "sotto: --%s wants a value: %s\n", options->name, options->value);
        return false;
    }
    if (value == NULL) {
        value = argument[1];
        *used = 2;
    }
    if (options->number != NULL) {
        return take_number(options, value);
    }
    *options->text = value;
    return true;
}

int options_parse(int argc, char **argv, const struct option *options, const char *usage, const char *about) {
    int kept = 1;
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(stdout, options, usage, about);
            exit(0);
        }
        if (strcmp(argv[i], "--") == 0) {
            for (i++; i < argc; i++) {
                argv[kept++] = argv[i];
            }
            break;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            argv[kept++] = argv[i++];
            continue;
        }
        int used;
        if (!take_option(options, argv + i, argc - i, &used)) {
            return -1;
        }
        i += used;
    }
    return kept - 1;
}

static void list_commands(FILE *out, const struct command *commands, const char *program, const char *about) {
    fprintf(out, "usage: %s COMMAND ...\n\n%s\n\ncommands:\n", program, about);
    for (; commands->name != NULL; commands++) {
        char head[64];
        if (commands->summary == NULL) {
            continue; // not for people
        }
        snprintf(head, sizeof(head), "%s %s", commands->name, commands->arguments);
        fprintf(out, "  %-38s %s\n", head, commands->summary);
    }
    fprintf(out, "\n`%s COMMAND --help` tells more.\n", program);
}

int command_dispatch(int argc, char **argv, const struct command *commands, const char *program, const char *about) {
    if (argc < 2) {
        list_commands(stderr, commands, program, about);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        list_commands(stdout, commands, program, about);
        return 0;
    }
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (strcmp(command->name, argv[1]) == 0) {
            return command->run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "sotto: there is no command \"%s\"; `%s --help` lists them\n", argv[1], program);
    return STATUS_USAGE;
}
