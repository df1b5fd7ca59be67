// Comparing identifiers, and the hash by which a policy names a write token.
#include "wire/ids.h"

#include <string.h>

#include "crypto/hash.h"

bool relay_id_equal(const struct relay_id *a, const struct relay_id *b) {
    return relay_id_compare(a, b) == 0;
}

int relay_id_compare(const struct relay_id *a, const struct relay_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool mailbox_id_equal(const struct mailbox_id *a, const struct mailbox_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void token_hash_of(struct token_hash *out, const struct write_token *token) {
    struct hash hash;
    hash_bytes(&hash, "sotto write token 1", SPAN_OF(token->bytes));
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
}

bool token_is_stranger(const struct write_token *token) {
    uint8_t any = 0;
    for (size_t i = 0; i < sizeof token->bytes; i++)
        any |= token->bytes[i];
    return any == 0;
}
