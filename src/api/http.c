// The parts of the HTTP seam that both sides use.
#include "api/http.h"

#include <string.h>

#include "base/assert.h"

void http_answer_clear(struct http_answer *answer) {
    buf_free(&answer->body);
    *answer = (struct http_answer){0};
}

static void append_number(struct buf *out, unsigned number) {
    uint8_t digits[10];
    size_t n = 0;
    do {
        digits[sizeof(digits) - ++n] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buf_append(out, span_of(digits + sizeof(digits) - n, n));
}

void http_refuse(struct http_answer *answer, uint64_t id, unsigned status, const char *reason) {
    ASSERT(strpbrk(reason, "\"\\\n\r\t") == NULL);
    http_answer_clear(answer);
    answer->id = id;
    answer->status = status;
    answer->content_type = "application/json";
    buf_append(&answer->body, SPAN_LITERAL("{\"error\":{\"status\":"));
    append_number(&answer->body, status);
    buf_append(&answer->body, SPAN_LITERAL(",\"reason\":\""));
    buf_append(&answer->body, span_of_text(reason));
    buf_append(&answer->body, SPAN_LITERAL("\"}}\n"));
}
