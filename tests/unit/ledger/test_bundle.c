// Bundles: a directory that a client can check with nothing but the genesis.
#include "ledger/bundle.h"

#include "base/kv_memory.h"
#include "ledger/headers.h"
#include "ledger/state.h"

#define ENTRIES 40
#define EPOCH 7

// A ledger of one committee whose state holds a directory, and the bundle of it.
struct served {
    struct committee committee;
    struct genesis genesis;
    struct light light;
    struct buf directory;
    struct buf proof;
    struct ledger_bundle bundle;
};

static struct hash random_hash(struct rng *rng) {
    struct hash hash;
    rng_bytes(rng, hash.bytes, sizeof hash.bytes);
    return hash;
}

// The tree of some entries, the directory's among them; its root, and the proof.
static void state_make(struct served *served, struct hash *root, struct rng *rng) {
    struct kv *kv = kv_memory_new();
    struct overlay *overlay = overlay_over_kv(kv);
    struct tree_update updates[ENTRIES];
    struct hash hash;
    struct state_key key;
    for (size_t i = 0; i < ENTRIES; i++)
        updates[i] = (struct tree_update){.key = random_hash(rng), .value = random_hash(rng)};
    state_directory_hash_of(&hash, buf_span(&served->directory));
    state_directory_key(&key, EPOCH);
    tree_key(&updates[0].key, span_of(key.bytes, key.n));
    tree_value(&updates[0].value, SPAN_OF(hash.bytes));
    hash = updates[0].key;
    tree_apply(root, overlay, updates, ENTRIES);
    tree_prove(&served->proof, overlay, &hash);
    assert_int_equal(overlay_failed(overlay), OK);
    overlay_free(overlay);
    kv_close(kv);
}

static void served_make(struct served *served, uint64_t seed) {
    static const struct block_id nobody;
    struct rng rng = rng_of_seed(seed);
    *served = (struct served){0};
    committee_draw(&served->committee, 4, 1, &rng);
    served->genesis = genesis_of(&served->committee, CONSENSUS_POA);
    light_init(&served->light, &served->genesis);
    size_t n = 1 + (size_t)rng_below(&rng, 3000);
    rng_bytes(&rng, buf_extend(&served->directory, n), n);
    struct certified c = header_of(&served->committee, &served->committee, 9, &nobody);
    state_make(served, &c.header.state_root, &rng);
    certify(&c, &served->committee, 3);
    served->bundle = (struct ledger_bundle){.epoch = EPOCH,
                                            .directory = buf_span(&served->directory),
                                            .proof = buf_span(&served->proof),
                                            .header = c.header,
                                            .certificate = c.certificate,
                                            .validators = c.validators};
}

static void served_free(struct served *served) {
    buf_free(&served->directory);
    buf_free(&served->proof);
}

static enum light_result follow(struct light *light, const struct ledger_bundle *bundle) {
    return light_update(light, &bundle->header, &bundle->certificate, &bundle->validators, bundle->header.time_ms);
}

static void a_directory_is_verified_from_the_genesis(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct served served;
        struct buf bytes = {0};
        struct ledger_bundle bundle;
        served_make(&served, seed);
        bundle_encode(&bytes, &served.bundle);
        assert_true(bytes.n <= BUNDLE_BYTES_MAX);
        assert_int_equal(bundle_decode(&bundle, buf_span(&bytes)), OK);
        assert_int_equal(bundle_verify(&bundle, &served.light), ERR_AUTH); // its header is not trusted yet
        assert_int_equal(follow(&served.light, &bundle), LIGHT_TAKEN);
        assert_int_equal(bundle_verify(&bundle, &served.light), OK);
        buf_free(&bytes);
        served_free(&served);
    }
}

static void another_directory_or_epoch_is_refused(void **state) {
    (void)state;
    struct served served;
    served_make(&served, 20);
    assert_int_equal(follow(&served.light, &served.bundle), LIGHT_TAKEN);
    served.bundle.epoch++;
    assert_int_equal(bundle_verify(&served.bundle, &served.light), ERR_AUTH);
    served.bundle.epoch--;
    served.directory.p[0] ^= 1;
    assert_int_equal(bundle_verify(&served.bundle, &served.light), ERR_AUTH);
    served.directory.p[0] ^= 1;
    served.bundle.proof.n--;
    assert_int_equal(bundle_verify(&served.bundle, &served.light), ERR_MALFORMED);
    served.bundle.proof.n++;
    assert_int_equal(bundle_verify(&served.bundle, &served.light), OK);
    served_free(&served);
}

static bool takes_bundle(void *ctx, struct span bytes) {
    struct ledger_bundle bundle;
    (void)ctx;
    return bundle_decode(&bundle, bytes) == OK;
}

static void only_a_whole_bundle_is_taken(void **state) {
    (void)state;
    struct served served;
    struct buf bytes = {0};
    served_make(&served, 21);
    bundle_encode(&bytes, &served.bundle);
    takes_exactly(&(struct parser){takes_bundle, NULL}, buf_span(&bytes));
    store_u32(bytes.p + 5, BUNDLE_DIRECTORY_BYTES_MAX + 1);
    assert_false(takes_bundle(NULL, buf_span(&bytes)));
    buf_free(&bytes);
    served_free(&served);
}

static void a_flipped_bit_makes_no_other_directory_valid(void **state) {
    (void)state;
    struct served served;
    struct buf bytes = {0};
    struct rng rng = rng_of_seed(22);
    served_make(&served, 22);
    bundle_encode(&bytes, &served.bundle);
    for (int i = 0; i < 300; i++) {
        size_t bit = rng_below(&rng, 8 * bytes.n);
        struct light light = served.light;
        struct ledger_bundle bundle;
        bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bundle_decode(&bundle, buf_span(&bytes)) == OK && follow(&light, &bundle) == LIGHT_TAKEN)
            assert_int_not_equal(bundle_verify(&bundle, &light), OK);
        bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    buf_free(&bytes);
    served_free(&served);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_is_verified_from_the_genesis),
        cmocka_unit_test(another_directory_or_epoch_is_refused),
        cmocka_unit_test(only_a_whole_bundle_is_taken),
        cmocka_unit_test(a_flipped_bit_makes_no_other_directory_valid),
    };
    return cmocka_run_group_tests_name("bundle", tests, codec_setup, NULL);
}
