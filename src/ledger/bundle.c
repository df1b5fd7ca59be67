// Bundles as bytes, and what one proves.
#include "ledger/bundle.h"

#include "base/assert.h"
#include "base/kv.h"
#include "ledger/state.h"
#include "wire/cell.h"

#define BUNDLE_VERSION 1

_Static_assert(BUNDLE_BYTES_MAX + 16 <= MESSAGE_BYTES_MAX_RELAY, "the largest bundle is one message between relays");
_Static_assert(BUNDLE_BYTES_MAX <= KV_VALUE_BYTES_MAX, "and one stored value");

void bundle_encode(struct buf *out, const struct ledger_bundle *bundle) {
    ASSERT(bundle->directory.n <= BUNDLE_DIRECTORY_BYTES_MAX && bundle->proof.n <= TREE_PROOF_BYTES_MAX);
    size_t before = out->n;
    uint8_t *p = buf_extend(out, BUNDLE_BYTES_MAX);
    struct writer w = writer_of(p, BUNDLE_BYTES_MAX);
    write_u8(&w, BUNDLE_VERSION);
    write_u32(&w, bundle->epoch);
    write_u32(&w, (uint32_t)bundle->directory.n);
    write_bytes(&w, bundle->directory.p, bundle->directory.n);
    write_u16(&w, (uint16_t)bundle->proof.n);
    write_bytes(&w, bundle->proof.p, bundle->proof.n);
    block_header_write(&w, &bundle->header);
    certificate_write(&w, &bundle->certificate);
    validator_set_write(&w, &bundle->validators);
    out->n = before + w.n;
}

enum err bundle_decode(struct ledger_bundle *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct ledger_bundle bundle = {0};
    if (read_u8(&r) != BUNDLE_VERSION)
        return ERR_MALFORMED;
    bundle.epoch = read_u32(&r);
    size_t directory_n = read_u32(&r);
    if (directory_n > BUNDLE_DIRECTORY_BYTES_MAX)
        return ERR_MALFORMED;
    bundle.directory = read_span(&r, directory_n);
    size_t proof_n = read_u16(&r);
    if (proof_n > TREE_PROOF_BYTES_MAX)
        return ERR_MALFORMED;
    bundle.proof = read_span(&r, proof_n);
    block_header_read(&r, &bundle.header);
    certificate_read(&r, &bundle.certificate);
    validator_set_read(&r, &bundle.validators);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = bundle;
    return OK;
}

enum err bundle_verify(const struct ledger_bundle *bundle, const struct light *light) {
    struct state_key key;
    struct hash hash;
    state_directory_key(&key, bundle->epoch);
    state_directory_hash_of(&hash, bundle->directory);
    const struct span value = SPAN_OF(hash.bytes);
    return light_verify_state(light, span_of(key.bytes, key.n), &value, bundle->proof);
}
