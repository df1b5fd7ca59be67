// Values of state entries as a light client reads them under a proof. Byte 0 modulo 3 chooses the kind (account, relay,
// delivery), the rest is the value. What is taken goes into a state and comes out as the same bytes.
#include "base/assert.h"
#include "base/kv_memory.h"
#include "fuzz.h"
#include "ledger/keys.h"
#include "ledger/state.h"

static const struct relay_id relay = {{3}};
static const struct account_id account = {{4}};

// The bytes of an entry as they are stored.
static void check_stored(struct overlay *overlay, const struct state_key *key, struct span wanted) {
    struct buf stored_key = {0};
    struct span value;
    *buf_extend(&stored_key, 1) = KV_SPACE_LEDGER;
    *buf_extend(&stored_key, 1) = LEDGER_STATE;
    buf_append(&stored_key, state_key_span(key));
    ASSERT(overlay_get(overlay, buf_span(&stored_key), &value) && span_equal(value, wanted));
    buf_free(&stored_key);
}

static void check_account(struct overlay *overlay, struct span bytes) {
    struct account decoded;
    struct state_key key;
    if (state_account_decode(&decoded, bytes) != OK)
        return;
    state_set_account(overlay, &account, &decoded);
    state_account_key(&key, &account);
    check_stored(overlay, &key, bytes);
}

static void check_relay(struct overlay *overlay, struct span bytes) {
    struct relay_record decoded;
    struct state_key key;
    if (state_relay_decode(&decoded, bytes) != OK)
        return;
    state_set_relay(overlay, &relay, &decoded);
    state_relay_key(&key, &relay);
    check_stored(overlay, &key, bytes);
}

static void check_delivery(struct overlay *overlay, struct span bytes) {
    struct delivery_record decoded;
    struct state_key key;
    if (state_delivery_decode(&decoded, bytes) != OK)
        return;
    ASSERT(!delivery_is_open(&decoded) || decoded.sampled_height > 0);
    state_set_delivery(overlay, 7, &relay, &decoded);
    state_delivery_key(&key, 7, &relay);
    check_stored(overlay, &key, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    if (size == 0)
        return 0;
    struct kv *kv = kv_memory_new();
    struct overlay *overlay = overlay_over_kv(kv);
    const struct span bytes = span_of(data + 1, size - 1);
    if (data[0] % 3 == 0)
        check_account(overlay, bytes);
    else if (data[0] % 3 == 1)
        check_relay(overlay, bytes);
    else
        check_delivery(overlay, bytes);
    overlay_free(overlay);
    kv_close(kv);
    return 0;
}
