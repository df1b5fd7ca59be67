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

// RFC 9110, section 15; RFC 6585; RFC 4918.
static const char *title_of(unsigned status) {
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Internal Server Error";
}

static void append_member(struct buf *out, const char *member, const char *value) {
    ASSERT(strpbrk(value, "\"\\\n\r\t") == NULL);
    buf_append(out, SPAN_LITERAL(",\""));
    buf_append(out, span_of_text(member));
    buf_append(out, SPAN_LITERAL("\":\""));
    buf_append(out, span_of_text(value));
    buf_append(out, SPAN_LITERAL("\""));
}

void http_refuse_with(struct http_answer *answer, uint64_t id, unsigned status, const char *reason, const char *member,
                      const char *value) {
    http_answer_clear(answer);
    answer->id = id;
    answer->status = status;
    answer->content_type = "application/problem+json";
    buf_append(&answer->body, SPAN_LITERAL("{\"status\":"));
    append_number(&answer->body, status);
    append_member(&answer->body, "title", title_of(status));
    append_member(&answer->body, "detail", reason);
    if (member != NULL) {
        append_member(&answer->body, member, value);
    }
    buf_append(&answer->body, SPAN_LITERAL("}\n"));
}

void http_refuse(struct http_answer *answer, uint64_t id, unsigned status, const char *reason) {
    http_refuse_with(answer, id, status, reason, NULL, NULL);
}
