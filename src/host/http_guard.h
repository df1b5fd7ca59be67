// Who may use the API: holders of the token, through a name of this machine's loopback, and no page of a foreign origin
// (DNS rebinding, cross-site requests).
#ifndef SOTTO_HOST_HTTP_GUARD_H
#define SOTTO_HOST_HTTP_GUARD_H

#include "crypto/keys.h"

struct http_guard {
    struct hash token; // of its text: compared in constant time
    uint16_t port;     // that clients must name
};

// Reads the token from a file that only its owner may read, or makes it (32 random bytes, hexadecimal, mode 0600).
// ERR_REFUSED: others may read it.
enum err http_guard_load(struct http_guard *guard, const char *path, struct buf *why);

// An Authorization header.
bool http_guard_token(const struct http_guard *guard, const char *authorization);
// A Host header: 127.0.0.1, localhost or [::1], with our port.
bool http_guard_host(const struct http_guard *guard, const char *host);
// An Origin header; empty: the request comes from no page.
bool http_guard_origin(const struct http_guard *guard, const char *origin);

#endif
