// The SOCKS5 client under any proxy. The input's first byte says in how large pieces the rest arrives.
#include "base/assert.h"
#include "fuzz.h"
#include "net/socks.h"

// What a client says at most: greeting, credentials, one request.
#define SAYS_MAX (4 + 3 + 2 * NET_CREDENTIAL_MAX + 4 + 1 + HOST_BYTES_MAX + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct address target = {.host = "relay.example", .port = 443};
    struct socks socks;
    struct buf out = {0};
    if (size == 0) {
        return 0;
    }
    size_t piece = (size_t)data[0] + 1;
    struct span rest = span_of(data + 1, size - 1);
    socks_begin(&socks, &out, &target, "user", "password");
    enum socks_state state = SOCKS_METHOD;
    while (rest.n > 0 && state != SOCKS_DONE && state != SOCKS_FAILED) {
        size_t n = rest.n < piece ? rest.n : piece;
        struct span in = span_of(rest.p, n);
        state = socks_take(&socks, &out, &in);
        ASSERT(in.n == 0 || state == SOCKS_DONE || state == SOCKS_FAILED);
        rest = span_of(rest.p + (n - in.n), rest.n - (n - in.n));
    }
    ASSERT(out.n <= SAYS_MAX);
    buf_free(&out);
    return 0;
}
