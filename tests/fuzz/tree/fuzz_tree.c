// Proofs from the tree: byte 0 chooses the key (12 of 16 are there), byte 1 what is claimed of it (0 absent, 1 its
// value, 2 another value), the rest is the proof. Nothing false may be proven.
#include "base/assert.h"
#include "base/kv_memory.h"
#include "fuzz.h"
#include "ledger/tree.h"

#define KEYS 16
#define PRESENT 12

static void key_of(struct hash *key, uint8_t i) {
    tree_key(key, span_of(&i, 1));
}

static void value_of(struct hash *value, uint8_t i) {
    tree_value(value, span_of(&i, 1));
}

static void root_of(struct hash *root) {
    struct kv *kv = kv_memory_new();
    struct overlay *overlay = overlay_over_kv(kv);
    struct tree_update updates[PRESENT];
    for (uint8_t i = 0; i < PRESENT; i++) {
        updates[i].is_delete = false;
        key_of(&updates[i].key, i);
        value_of(&updates[i].value, i);
    }
    tree_apply(root, overlay, updates, PRESENT);
    overlay_free(overlay);
    kv_close(kv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    if (size < 2)
        return 0;
    uint8_t i = data[0] % KEYS, claim = data[1] % 3;
    struct hash root, key, value;
    root_of(&root);
    key_of(&key, i);
    value_of(&value, claim == 1 ? i : (uint8_t)(i + 1));
    enum err err = tree_verify(&root, &key, claim == 0 ? NULL : &value, span_of(data + 2, size - 2));
    ASSERT(err != OK || (i < PRESENT ? claim == 1 : claim == 0));
    return 0;
}
