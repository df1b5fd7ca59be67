// The vectors of docs/spec/directory.md about placement and receipts.
#include "crypto/vectors.h"
#include "directory/directory.h"

struct fixture {
    json_t *file;
    struct genesis genesis;
    struct directory *directory;
};

static void load(struct fixture *f) {
    f->file = spec_vectors_load("directory.json");
    assert_int_equal(genesis_parse(&f->genesis, span_of_text(json_text(f->file, "genesis")), NULL), OK);
    struct buf bytes = json_hex(json_object_get(f->file, "directory"), "bytes");
    assert_int_equal(directory_decode(&f->directory, buf_span(&bytes), &f->genesis.network), OK);
    buf_free(&bytes);
}

static void drop(struct fixture *f) {
    directory_unref(f->directory);
    json_decref(f->file);
}

static void mailboxes_are_placed_as_specified(void **state) {
    (void)state;
    struct fixture f;
    load(&f);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(f.file, "placements"), i, one) {
        const json_t *ranks = json_object_get(one, "ranks");
        struct mailbox_id mailbox;
        struct placement placement;
        json_hex_into(mailbox.bytes, 32, one, "mailbox");
        placement_of(&placement, f.directory, &mailbox, f.genesis.replicas);
        assert_int_equal(placement.count, json_array_size(ranks));
        for (size_t rank = 0; rank < placement.count; rank++) {
            struct relay_id expected;
            assert_int_equal(hex_decode(expected.bytes, 32, json_string_value(json_array_get(ranks, rank))), OK);
            assert_int_equal(placement_rank(&placement, f.directory, &expected), rank);
        }
    }
    drop(&f);
}

static void receipts_of_ranked_relays_are_valid(void **state) {
    (void)state;
    struct fixture f;
    load(&f);
    const json_t *one = json_object_get(f.file, "receipts");
    struct mailbox_id mailbox;
    uint8_t item[ITEM_BYTES];
    struct reply reply;
    struct buf body = json_hex(one, "reply");
    uint64_t expiry_ms = (uint64_t)json_integer_value(json_object_get(one, "expiry_ms"));
    json_hex_into(mailbox.bytes, 32, one, "mailbox");
    json_hex_into(item, ITEM_BYTES, one, "item");
    assert_int_equal(reply_decode(&reply, buf_span(&body)), OK);
    assert_int_equal(receipts_valid(&reply, f.directory, &f.genesis, &mailbox, item, expiry_ms),
                     json_integer_value(json_object_get(one, "valid")));
    assert_int_equal(receipts_valid(&reply, f.directory, &f.genesis, &mailbox, item, expiry_ms + 1), 0);
    buf_free(&body);
    drop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailboxes_are_placed_as_specified),
        cmocka_unit_test(receipts_of_ranked_relays_are_valid),
    };
    return cmocka_run_group_tests_name("directory/spec_vectors", tests, vectors_setup, NULL);
}
