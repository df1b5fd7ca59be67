// The tree against a naive model: the same contents give the same root, whatever happened before; proofs show what is
// and what is not, and nothing else.
#include "ledger/tree.h"

#include "base/kv_memory.h"
#include "crypto/hash.h"
#include "wire/codec.h"

#define KEYS 48

// Which of a fixed list of keys are there, and with what value.
struct model {
    struct hash keys[KEYS]; // distinct, increasing
    struct hash values[KEYS];
    bool is_there[KEYS];
};

static int compare_hashes(const void *a, const void *b) {
    return memcmp(((const struct hash *)a)->bytes, ((const struct hash *)b)->bytes, 32);
}

// Keys of few distinct bits, so that some part at the first bit and some at the last.
static void model_draw(struct model *model, struct rng *rng) {
    *model = (struct model){0};
    for (size_t i = 0; i < KEYS; i++) {
        if (i % 3 == 0)
            rng_bytes(rng, model->keys[i].bytes, 32);
        else
            model->keys[i].bytes[rng_below(rng, 32)] = (uint8_t)rng_below(rng, 256);
        model->keys[i].bytes[31] = (uint8_t)i;
    }
    qsort(model->keys, KEYS, sizeof(struct hash), compare_hashes);
}

static bool model_bit(const struct hash *key, size_t level) {
    return (key->bytes[level / 8] >> (7 - level % 8) & 1) != 0;
}

// The definition, read aloud: no leaf, one leaf, or two halves.
static void model_root(struct hash *out, const struct model *model, size_t from, size_t to, size_t level) {
    size_t leaves = 0, leaf = 0, middle = from;
    for (size_t i = from; i < to; i++) {
        if (model->is_there[i]) {
            leaves++;
            leaf = i;
        }
        if (!model_bit(&model->keys[i], level))
            middle = i + 1;
    }
    struct hash left, right;
    *out = (struct hash){{0}};
    if (leaves == 1) {
        const struct span parts[] = {SPAN_OF(model->keys[leaf].bytes), SPAN_OF(model->values[leaf].bytes)};
        hash_parts(out, "sotto tree leaf 1", parts, 2);
    } else if (leaves > 1) {
        model_root(&left, model, from, middle, level + 1);
        model_root(&right, model, middle, to, level + 1);
        const struct span parts[] = {SPAN_OF(left.bytes), SPAN_OF(right.bytes)};
        hash_parts(out, "sotto tree node 1", parts, 2);
    }
}

// Draws up to `most` updates of distinct keys, in any order, and notes them in the model.
static size_t draw_updates(struct tree_update *updates, size_t most, struct model *model, struct rng *rng) {
    size_t count = 0;
    bool taken[KEYS] = {false};
    for (size_t i = 0; i < most; i++) {
        size_t at = rng_below(rng, KEYS);
        if (taken[at])
            continue;
        taken[at] = true;
        struct tree_update *update = &updates[count++];
        *update = (struct tree_update){.key = model->keys[at], .is_delete = rng_below(rng, 5) < 2};
        rng_bytes(rng, update->value.bytes, 32);
        model->is_there[at] = !update->is_delete;
        model->values[at] = update->value;
    }
    return count;
}

static void apply(struct kv *kv, struct tree_update *updates, size_t count, struct hash *root,
                  struct kv_batch *inverse) {
    struct overlay *overlay = overlay_over_kv(kv);
    struct kv_batch batch = {0};
    tree_apply(root, overlay, updates, count);
    assert_int_equal(overlay_failed(overlay), OK);
    overlay_writes(overlay, &batch, KV_LAZY);
    if (inverse != NULL)
        overlay_inverse(overlay, inverse, KV_LAZY);
    if (kv_batch_count(&batch) > 0)
        assert_int_equal(kv_write(kv, &batch), OK);
    kv_batch_free(&batch);
    overlay_free(overlay);
}

static void root_of(struct hash *root, struct kv *kv) {
    struct overlay *overlay = overlay_over_kv(kv);
    tree_root(root, overlay);
    overlay_free(overlay);
}

static void dump(struct buf *out, struct kv *kv) {
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    struct kv_cursor *cursor = kv_scan(snapshot, (struct span){0});
    struct span key, value;
    for (; kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
        buf_append(out, key);
        buf_append(out, value);
    }
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
}

static void assert_same_store(struct kv *a, struct kv *b) {
    struct buf left = {0}, right = {0};
    dump(&left, a);
    dump(&right, b);
    assert_true(span_equal(buf_span(&left), buf_span(&right)));
    buf_free(&left);
    buf_free(&right);
}

static void the_root_is_that_of_the_contents_after_every_batch(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct model model;
        struct tree_update updates[KEYS];
        struct kv *kv = kv_memory_new();
        struct hash root, wanted, stored;
        model_draw(&model, &rng);
        for (unsigned batch = 0; batch < 12; batch++) {
            size_t count = draw_updates(updates, rng_below(&rng, KEYS), &model, &rng);
            apply(kv, updates, count, &root, NULL);
            model_root(&wanted, &model, 0, KEYS, 0);
            root_of(&stored, kv);
            assert_memory_equal(root.bytes, wanted.bytes, 32);
            assert_memory_equal(stored.bytes, wanted.bytes, 32);
        }
        kv_close(kv);
    }
}

// What one store got in many batches, another gets in one: not only the roots are the same.
static void the_store_depends_on_the_contents_alone(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct model model;
        struct tree_update updates[KEYS];
        struct kv *one = kv_memory_new(), *other = kv_memory_new();
        struct hash root;
        model_draw(&model, &rng);
        for (unsigned batch = 0; batch < 8; batch++)
            apply(one, updates, draw_updates(updates, 20, &model, &rng), &root, NULL);
        size_t count = 0;
        for (size_t i = KEYS; i-- > 0;) {
            if (model.is_there[i])
                updates[count++] = (struct tree_update){model.keys[i], model.values[i], false};
        }
        apply(other, updates, count, &root, NULL);
        assert_same_store(one, other);
        for (size_t i = 0; i < count; i++)
            updates[i].is_delete = true;
        apply(one, updates, count, &root, NULL);
        struct kv *empty = kv_memory_new();
        assert_same_store(one, empty);
        kv_close(empty);
        kv_close(one);
        kv_close(other);
    }
}

static void the_inverse_restores_every_page(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct model model;
        struct tree_update updates[KEYS];
        struct kv *kv = kv_memory_new(), *before = kv_memory_new();
        struct kv_batch inverse = {0};
        struct hash root;
        model_draw(&model, &rng);
        size_t count = draw_updates(updates, KEYS, &model, &rng);
        apply(kv, updates, count, &root, NULL);
        apply(before, updates, count, &root, NULL);
        apply(kv, updates, draw_updates(updates, KEYS, &model, &rng), &root, &inverse);
        if (kv_batch_count(&inverse) > 0)
            assert_int_equal(kv_write(kv, &inverse), OK);
        assert_same_store(kv, before);
        kv_batch_free(&inverse);
        kv_close(kv);
        kv_close(before);
    }
}

// ---- pages in memory

// What is read through the pages is what the store has.
static void assert_pages_follow(struct pages *pages, struct kv *kv) {
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    struct kv_cursor *cursor = kv_scan(snapshot, (struct span){0});
    struct buf got = {0};
    struct span key, value;
    for (; kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
        assert_int_equal(pages_get(pages, key, &got), OK);
        assert_true(span_equal(buf_span(&got), value));
    }
    buf_free(&got);
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
}

static void write_followed(struct pages *pages, struct kv *kv, const struct kv_batch *batch) {
    pages_follow(pages, batch);
    if (kv_batch_count(batch) > 0)
        assert_int_equal(kv_write(kv, batch), OK);
}

// Reads through the pages. What is not kept was a trial; what is taken back was kept.
static void apply_through(struct pages *pages, struct kv *kv, struct tree_update *updates, size_t count,
                          struct hash *root, bool is_kept, bool is_taken_back) {
    struct overlay *overlay = overlay_over_pages(pages);
    struct kv_batch batch = {0}, inverse = {0};
    tree_apply(root, overlay, updates, count);
    assert_int_equal(overlay_failed(overlay), OK);
    overlay_writes(overlay, &batch, KV_LAZY);
    overlay_inverse(overlay, &inverse, KV_LAZY);
    if (is_kept)
        write_followed(pages, kv, &batch);
    if (is_kept && is_taken_back)
        write_followed(pages, kv, &inverse);
    kv_batch_free(&batch);
    kv_batch_free(&inverse);
    overlay_free(overlay);
}

static void pages_in_memory_change_nothing(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct model model, tried;
        struct tree_update updates[KEYS];
        struct kv *plain = kv_memory_new(), *held = kv_memory_new();
        size_t bytes_max = seed % 2 == 0 ? PAGES_BYTES_MAX : (size_t)rng_below(&rng, 20000); // from nothing to some
        struct pages *pages = pages_new(held, bytes_max, &rng);
        struct hash root, wanted;
        model_draw(&model, &rng);
        for (unsigned round = 0; round < 30; round++) {
            tried = model;
            size_t count = draw_updates(updates, rng_below(&rng, KEYS), &tried, &rng);
            bool is_kept = rng_below(&rng, 4) != 0, is_taken_back = rng_below(&rng, 4) == 0;
            apply_through(pages, held, updates, count, &root, is_kept, is_taken_back);
            model_root(&wanted, &tried, 0, KEYS, 0);
            assert_memory_equal(root.bytes, wanted.bytes, 32);
            if (is_kept && !is_taken_back) {
                apply(plain, updates, count, &root, NULL);
                assert_memory_equal(root.bytes, wanted.bytes, 32);
                model = tried;
            }
            assert_same_store(held, plain);
            assert_pages_follow(pages, held);
            assert_true(pages_bytes(pages) <= bytes_max);
            if (rng_below(&rng, 10) == 0)
                pages_clear(pages);
        }
        pages_free(pages);
        kv_close(held);
        kv_close(plain);
    }
}

static void a_proof_shows_what_is_there_and_what_is_not_and_no_more(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct model model;
        struct tree_update updates[KEYS];
        struct kv *kv = kv_memory_new();
        struct hash root;
        struct hash wrong = {{1}};
        model_draw(&model, &rng);
        apply(kv, updates, draw_updates(updates, rng_below(&rng, KEYS), &model, &rng), &root, NULL);
        struct overlay *overlay = overlay_over_kv(kv);
        for (size_t i = 0; i < KEYS; i++) {
            struct buf proof = {0};
            const struct hash *key = &model.keys[i], *value = &model.values[i];
            tree_prove(&proof, overlay, key);
            assert_true(proof.n <= TREE_PROOF_BYTES_MAX);
            struct span bytes = buf_span(&proof);
            bool is_there = model.is_there[i];
            assert_int_equal(tree_verify(&root, key, is_there ? value : NULL, bytes), OK);
            assert_int_equal(tree_verify(&root, key, is_there ? NULL : value, bytes), ERR_AUTH);
            assert_int_equal(tree_verify(&root, key, &wrong, bytes), ERR_AUTH);
            assert_int_equal(tree_verify(&wrong, key, is_there ? value : NULL, bytes), ERR_AUTH);
            buf_free(&proof);
        }
        overlay_free(overlay);
        kv_close(kv);
    }
}

struct claim {
    struct hash root, key, value;
};

static bool proves(void *ctx, struct span bytes) {
    const struct claim *claim = ctx;
    return tree_verify(&claim->root, &claim->key, &claim->value, bytes) == OK;
}

static void a_proof_with_any_byte_changed_cut_or_added_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    struct kv *kv = kv_memory_new();
    struct tree_update updates[20];
    struct claim claim;
    for (size_t i = 0; i < 20; i++) {
        updates[i].is_delete = false;
        rng_bytes(&rng, updates[i].key.bytes, 32);
        rng_bytes(&rng, updates[i].value.bytes, 32);
    }
    apply(kv, updates, 20, &claim.root, NULL);
    claim.key = updates[7].key;
    claim.value = updates[7].value;
    struct overlay *overlay = overlay_over_kv(kv);
    struct buf proof = {0};
    tree_prove(&proof, overlay, &claim.key);
    struct parser parser = {proves, &claim};
    takes_exactly(&parser, buf_span(&proof));
    for (size_t i = 0; i < proof.n; i++) {
        uint8_t flip = (uint8_t)(1u << rng_below(&rng, 8));
        proof.p[i] ^= flip;
        assert_false(parser_takes(&parser, buf_span(&proof)));
        proof.p[i] ^= flip;
    }
    buf_free(&proof);
    overlay_free(overlay);
    kv_close(kv);
}

static void a_damaged_page_is_found(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(2);
    struct kv *kv = kv_memory_new();
    struct tree_update updates[3] = {{.key = {{1}}}, {.key = {{2}}}, {.key = {{3}}}};
    struct hash root;
    apply(kv, updates, 2, &root, NULL);
    const uint8_t page[] = {KV_SPACE_LEDGER, 't', 0};
    struct buf value = {0};
    assert_int_equal(kv_get(kv, SPAN_OF(page), &value), OK);
    for (size_t n = 0; n < value.n; n += 1 + rng_below(&rng, 5)) {
        struct overlay *overlay = overlay_over_kv(kv);
        overlay_put(overlay, SPAN_OF(page), span_of(value.p, n));
        tree_apply(&root, overlay, &updates[2], 1);
        assert_int_equal(overlay_failed(overlay), ERR_CORRUPT);
        overlay_free(overlay);
    }
    buf_free(&value);
    kv_close(kv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_that_of_the_contents_after_every_batch),
        cmocka_unit_test(the_store_depends_on_the_contents_alone),
        cmocka_unit_test(the_inverse_restores_every_page),
        cmocka_unit_test(pages_in_memory_change_nothing),
        cmocka_unit_test(a_proof_shows_what_is_there_and_what_is_not_and_no_more),
        cmocka_unit_test(a_proof_with_any_byte_changed_cut_or_added_is_refused),
        cmocka_unit_test(a_damaged_page_is_found),
    };
    return cmocka_run_group_tests(tests, codec_setup, NULL);
}
