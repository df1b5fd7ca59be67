// See http_guard.h.
#include "host/http_guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto/hash.h"
#include "host/key_file.h"

#define TOKEN_BYTES 32
#define TOKEN_TEXT_MAX 256

static void hash_token(struct hash *out, const char *text, size_t n) {
    hash_bytes(out, "sotto api token", span_of(text, n));
}

static enum err say(struct buf *why, enum err err, const char *path, const char *what) {
    buf_append(why, SPAN_LITERAL("the API's token "));
    buf_append(why, span_of_text(path));
    buf_append(why, span_of_text(what));
    return err;
}

static enum err make_token(const char *path, struct buf *why) {
    uint8_t token[TOKEN_BYTES];
    char text[2 * TOKEN_BYTES + 2];
    random_seed(token, sizeof(token));
    hex_encode(text, SPAN_OF(token));
    text[2 * TOKEN_BYTES] = '\n';
    enum err err = file_write(path, span_of(text, 2 * TOKEN_BYTES + 1), 0600, false, why);
    wipe(token, sizeof(token));
    wipe(text, sizeof(text));
    return err;
}

enum err http_guard_load(struct http_guard *guard, const char *path, struct buf *why) {
    struct stat status = {0}; // of a file that cannot be looked at, reading it will tell
    if (stat(path, &status) != 0 && errno == ENOENT) {
        enum err err = make_token(path, why);
        if (err != OK) {
            return err;
        }
    } else if ((status.st_mode & 077) != 0) {
        return say(why, ERR_REFUSED, path, " may be read by others; chmod 600 it");
    }
    struct buf text = {0};
    enum err err = file_read(&text, path, TOKEN_TEXT_MAX, why);
    if (err != OK) {
        return err;
    }
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r')) {
        text.n--;
    }
    if (text.n < 16) {
        err = say(why, ERR_MALFORMED, path, " is too short to be safe; remove the file and a new one is made");
    } else {
        hash_token(&guard->token, (const char *)text.p, text.n);
    }
    buf_wipe(&text);
    return err;
}

bool http_guard_token(const struct http_guard *guard, const char *authorization) {
    static const char scheme[] = "Bearer ";
    if (strncmp(authorization, scheme, sizeof(scheme) - 1) != 0) {
        return false;
    }
    const char *token = authorization + sizeof(scheme) - 1;
    struct hash hash;
    hash_token(&hash, token, strlen(token));
    return keys_equal(hash.bytes, guard->token.bytes);
}

bool http_guard_host(const struct http_guard *guard, const char *host) {
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char with_port[32];
        snprintf(with_port, sizeof(with_port), "%s:%u", names[i], (unsigned)guard->port);
        if (strcmp(host, with_port) == 0 || (guard->port == 80 && strcmp(host, names[i]) == 0)) {
            return true;
        }
    }
    return false;
}

bool http_guard_origin(const struct http_guard *guard, const char *origin) {
    static const char scheme[] = "http://";
    return origin[0] == '\0' ||
           (strncmp(origin, scheme, sizeof(scheme) - 1) == 0 && http_guard_host(guard, origin + sizeof(scheme) - 1));
}
