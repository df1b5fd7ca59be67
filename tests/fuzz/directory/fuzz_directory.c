// Descriptors and directories. The first byte modulo 4 chooses what the rest is:
//   0  a descriptor        1  one without its signature, which is made here: what stands behind the signature check
//   2  a directory         3  one without its signature
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "wire/directory.h"

struct keys {
    struct genesis genesis; // network of zeros
    struct sign_secret secret;
    struct sign_public public;
};

static void keys_make(struct keys *keys) {
    static const uint8_t seed[32] = {1};
    *keys = (struct keys){0};
    sign_key_from_seed(&keys->secret, &keys->public, seed);
    keys->genesis.authority = keys->public;
}

// Appends the signature over the bytes themselves, behind a prefix.
static void append_signature(struct buf *bytes, const struct keys *keys, const char *domain, struct span prefix) {
    struct signature signature;
    const struct span parts[] = {prefix, buf_span(bytes)};
    sign_parts(&signature, &keys->secret, domain, parts, 2);
    buf_append(bytes, SPAN_OF(signature.bytes));
}

static void check_descriptor(struct span bytes, const struct keys *keys) {
    struct descriptor descriptor;
    uint8_t again[DESCRIPTOR_BYTES_MAX];
    if (descriptor_decode(&descriptor, bytes, &keys->genesis.network) != OK)
        return;
    size_t n = descriptor_encode(again, &descriptor, &keys->genesis.network, &keys->secret);
    ASSERT(n == bytes.n && memcmp(again, bytes.p, n - sizeof descriptor.signature.bytes) == 0);
}

// With the id of the key that signs, as a relay's own would be.
static void sign_descriptor(struct buf *bytes, const struct keys *keys) {
    if (bytes->n >= 33)
        memcpy(bytes->p + 1, keys->public.bytes, sizeof keys->public.bytes);
    append_signature(bytes, keys, "sotto descriptor 1", SPAN_OF(keys->genesis.network.bytes));
}

static void check_directory(struct span bytes, const struct keys *keys) {
    struct directory *directory;
    if (directory_decode(&directory, bytes, &keys->genesis) != OK)
        return;
    for (size_t i = 1; i < directory->relay_count; i++)
        ASSERT(relay_id_compare(&directory->relays[i - 1].id, &directory->relays[i].id) < 0);
    ASSERT(span_equal(bytes, buf_span(&directory->bytes)));
    directory_sign(directory, &keys->secret);
    ASSERT(span_equal(bytes, buf_span(&directory->bytes)));
    directory_unref(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    if (size == 0)
        return 0;
    struct keys keys;
    struct buf bytes = {0};
    keys_make(&keys);
    buf_append(&bytes, span_of(data + 1, size - 1));
    if (data[0] % 4 == 1)
        sign_descriptor(&bytes, &keys);
    if (data[0] % 4 == 3)
        append_signature(&bytes, &keys, "sotto directory 1", (struct span){0});
    if (data[0] % 4 < 2)
        check_descriptor(buf_span(&bytes), &keys);
    else
        check_directory(buf_span(&bytes), &keys);
    buf_free(&bytes);
    return 0;
}
