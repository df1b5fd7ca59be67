// Printing for people and for scripts.
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int output_error(const struct buf *why) {
    fprintf(stderr, "sotto: %.*s\n", (int)why->n, (const char *)why->p);
    return 1;
}

const char *json_text(const json_t *json, const char *member) {
    const char *text = json_string_value(json_object_get(json, member));
    return text == NULL ? "" : text;
}

void output_json(const json_t *json) {
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
}

static const char *colour(const char *sequence) {
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool coloured = isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == 0) &&
                    (term == NULL || strcmp(term, "dumb") != 0);
    return coloured ? sequence : "";
}

const char *output_bold(void) {
    return colour("\033[1m");
}

const char *output_green(void) {
    return colour("\033[32m");
}

const char *output_red(void) {
    return colour("\033[31m");
}

const char *output_dim(void) {
    return colour("\033[2m");
}

const char *output_plain(void) {
    return colour("\033[0m");
}

// Bytes at p that a terminal would obey or a reader be deceived by: control characters (also those of two bytes, U+0080
// to U+009F) and what turns the direction of a line (U+202A to U+202E, U+2066 to U+2069). 0: none.
static size_t unprintable(const unsigned char *p) {
    if (p[0] < 32 || p[0] == 127) {
        return 1;
    }
    if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9F) {
        return 2;
    }
    bool embedding = p[0] == 0xE2 && p[1] == 0x80 && p[2] >= 0xAA && p[2] <= 0xAE;
    bool isolate = p[0] == 0xE2 && p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9;
    return embedding || isolate ? 3 : 0;
}

void output_text(const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    while (*p != 0) {
        size_t n = unprintable(p);
        for (size_t i = 0; i < n; i++) {
            printf("\\x%02x", p[i]);
        }
        if (n == 0) {
            putchar(*p);
        }
        p += n == 0 ? 1 : n;
    }
}

void output_ms(const json_t *object, const char *member) {
    const json_t *ms = json_object_get(object, member);
    if (json_is_integer(ms)) {
        printf("%5lld ms", (long long)json_integer_value(ms));
    } else {
        printf("%5s ms", "-");
    }
}

static bool is_amount(const json_t *value) {
    return json_object_size(value) == 2 && json_object_get(value, "grains") != NULL;
}

static void output_scalar(const json_t *value) {
    if (json_is_string(value)) {
        output_text(json_string_value(value));
    } else if (json_is_integer(value)) {
        printf("%lld", (long long)json_integer_value(value));
    } else if (is_amount(value)) {
        output_text(json_string_value(json_object_get(value, "text")));
    } else {
        fputs(json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-", stdout);
    }
}

static void output_list(const json_t *list, int indent) {
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) {
        if (json_is_object(one)) {
            output_fields(one, indent);
            continue;
        }
        printf("%*s", indent, "");
        output_scalar(one);
        putchar('\n');
    }
}

void output_fields(const json_t *object, int indent) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        bool is_inner = json_is_array(value) || (json_is_object(value) && !is_amount(value));
        printf("%*s%s%-*s%s", indent, "", output_dim(), is_inner ? 0 : 22 - indent, name, output_plain());
        if (!is_inner) {
            putchar(' ');
            output_scalar(value);
        }
        putchar('\n');
        if (json_is_array(value)) {
            output_list(value, indent + 2);
        } else if (is_inner) {
            output_fields(value, indent + 2);
        }
    }
}
