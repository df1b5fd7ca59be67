// Mailbox operations (the first byte even) and replies (odd).
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "wire/op.h"

static void check_op(struct span body) {
    static const struct network_id network = {{1}};
    static const struct relay_id replica = {{2}};
    static const uint8_t seed[32] = {3};
    struct op op;
    if (op_decode(&op, body) != OK)
        return;
    struct sign_secret owner;
    struct sign_public public;
    uint8_t again[OP_BYTES_MAX];
    sign_key_from_seed(&owner, &public, seed);
    ASSERT(op.surb_count >= 1 && op.surb_count <= OP_SURBS_MAX);
    size_t n = op_encode(again, &op, &network, &replica, &owner);
    ASSERT(n == body.n);
    // All but the signature, which is another's.
    ASSERT(memcmp(again, body.p, op.kind == OP_STORE ? n : op.signed_part.n) == 0);
    if (op.kind != OP_STORE)
        ASSERT(op_verify(&op, &network, &replica) != OK || memcmp(again, body.p, n) == 0);
}

static void check_reply(struct span body) {
    struct reply reply;
    uint8_t again[OP_BYTES_MAX];
    if (reply_decode(&reply, body) == OK)
        ASSERT(span_equal(body, span_of(again, reply_encode(again, &reply))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    if (size == 0)
        return 0;
    struct span body = span_of(data + 1, size - 1);
    if ((data[0] & 1) == 0)
        check_op(body);
    else
        check_reply(body);
    return 0;
}
