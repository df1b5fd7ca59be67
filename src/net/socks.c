// See socks.h.
#include "net/socks.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/assert.h"

enum { VERSION = 5, AUTH_VERSION = 1, METHOD_NONE = 0, METHOD_PASSWORD = 2, COMMAND_CONNECT = 1 };
enum { ADDRESS_IP4 = 1, ADDRESS_NAME = 3, ADDRESS_IP6 = 4 };

static void append_byte(struct buf *out, uint8_t byte) {
    buf_append(out, span_of(&byte, 1));
}

static void append_counted(struct buf *out, const char *text) {
    size_t n = strlen(text);
    ASSERT(n <= 255);
    append_byte(out, (uint8_t)n);
    buf_append(out, span_of(text, n));
}

void socks_begin(struct socks *socks, struct buf *out, const struct address *target, const char *user,
                 const char *password) {
    ASSERT(strlen(user) <= NET_CREDENTIAL_MAX && strlen(password) <= NET_CREDENTIAL_MAX);
    *socks = (struct socks){.state = SOCKS_METHOD, .target = *target};
    memcpy(socks->user, user, strlen(user));
    memcpy(socks->password, password, strlen(password));
    const uint8_t greeting[] = {VERSION, 2, METHOD_NONE, METHOD_PASSWORD};
    buf_append(out, SPAN_OF(greeting));
}

// How long the reply under way is, as far as its first bytes tell; 0: nonsense.
static size_t reply_length(const struct socks *socks) {
    if (socks->state != SOCKS_CONNECT) {
        return 2;
    }
    if (socks->reply_n < 5) {
        return 5;
    }
    switch (socks->reply[3]) {
    case ADDRESS_IP4:
        return 4 + 4 + 2;
    case ADDRESS_IP6:
        return 4 + 16 + 2;
    case ADDRESS_NAME:
        return 4 + 1 + (size_t)socks->reply[4] + 2;
    }
    return 0;
}

static enum socks_state say_connect(struct socks *socks, struct buf *out) {
    const uint8_t head[] = {VERSION, COMMAND_CONNECT, 0};
    uint8_t ip[16];
    buf_append(out, SPAN_OF(head));
    if (inet_pton(AF_INET, socks->target.host, ip) == 1) {
        append_byte(out, ADDRESS_IP4);
        buf_append(out, span_of(ip, 4));
    } else if (inet_pton(AF_INET6, socks->target.host, ip) == 1) {
        append_byte(out, ADDRESS_IP6);
        buf_append(out, span_of(ip, 16));
    } else {
        append_byte(out, ADDRESS_NAME);
        append_counted(out, socks->target.host);
    }
    append_byte(out, (uint8_t)(socks->target.port >> 8));
    append_byte(out, (uint8_t)socks->target.port);
    return SOCKS_CONNECT;
}

static enum socks_state say_credentials(const struct socks *socks, struct buf *out) {
    append_byte(out, AUTH_VERSION);
    append_counted(out, socks->user);
    append_counted(out, socks->password);
    return SOCKS_AUTH;
}

static enum socks_state answer_reply(struct socks *socks, struct buf *out) {
    const uint8_t *reply = socks->reply;
    switch (socks->state) {
    case SOCKS_METHOD:
        if (reply[0] == VERSION && reply[1] == METHOD_NONE) {
            return say_connect(socks, out);
        }
        return reply[0] == VERSION && reply[1] == METHOD_PASSWORD ? say_credentials(socks, out) : SOCKS_FAILED;
    case SOCKS_AUTH:
        return reply[0] == AUTH_VERSION && reply[1] == 0 ? say_connect(socks, out) : SOCKS_FAILED;
    case SOCKS_CONNECT:
        return reply[0] == VERSION && reply[1] == 0 ? SOCKS_DONE : SOCKS_FAILED;
    case SOCKS_DONE:
    case SOCKS_FAILED:
        break;
    }
    ASSERT(false);
    return SOCKS_FAILED;
}

enum socks_state socks_take(struct socks *socks, struct buf *out, struct span *in) {
    while (in->n > 0 && socks->state != SOCKS_DONE && socks->state != SOCKS_FAILED) {
        size_t missing = reply_length(socks) - socks->reply_n;
        size_t n = in->n < missing ? in->n : missing;
        ASSERT(socks->reply_n + n <= SOCKS_REPLY_MAX);
        memcpy(socks->reply + socks->reply_n, in->p, n);
        socks->reply_n += n;
        *in = span_of(in->p + n, in->n - n);
        size_t length = reply_length(socks);
        if (length == 0) {
            socks->state = SOCKS_FAILED;
        } else if (socks->reply_n == length) {
            socks->reply_n = 0;
            socks->state = answer_reply(socks, out);
        }
    }
    return socks->state;
}
