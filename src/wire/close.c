// The texts of why links end.
#include "wire/close.h"

#include <stddef.h>

#include "base/assert.h"

static const char *const texts[] = {
    [CLOSE_PEER] = "closed by the peer", [CLOSE_IO] = "connection broke",        [CLOSE_TLS] = "TLS handshake failed",
    [CLOSE_TIMEOUT] = "timed out",       [CLOSE_PROTOCOL] = "protocol violated", [CLOSE_FLOOD] = "over a limit",
    [CLOSE_NETWORK] = "another network", [CLOSE_UNWANTED] = "not wanted",        [CLOSE_STOPPING] = "stopping",
};

const char *close_reason_text(enum close_reason reason) {
    ASSERT((size_t)reason < sizeof texts / sizeof texts[0]);
    return texts[reason];
}
