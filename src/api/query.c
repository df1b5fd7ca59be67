// Numbers and texts that stand in paths and queries.
#include <string.h>

#include "api/api_internal.h"

bool number_of(uint64_t *out, const char *text, size_t n) {
    uint64_t value = 0;
    if (n == 0 || n > 18) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = value;
    return true;
}

bool query_text(struct span *out, struct span query, const char *name) {
    const char *p = (const char *)query.p;
    const char *end = p + query.n;
    size_t name_n = strlen(name);
    while (p < end) {
        const char *next = memchr(p, '&', (size_t)(end - p));
        next = next == NULL ? end : next;
        if ((size_t)(next - p) > name_n && memcmp(p, name, name_n) == 0 && p[name_n] == '=') {
            *out = span_of(p + name_n + 1, (size_t)(next - p) - name_n - 1);
            return true;
        }
        p = next < end ? next + 1 : end;
    }
    return false;
}

bool query_number(uint64_t *out, struct span query, const char *name) {
    struct span text;
    return !query_text(&text, query, name) || number_of(out, (const char *)text.p, text.n);
}
