// Messages between replicas: each comes back as it was, and only whole; the vectors of docs/spec/replication.md.
#include "wire/replica.h"

#include "crypto/vectors.h"
#include "wire/codec.h"

static bool takes_message(void *ctx, struct span bytes) {
    return replica_decode(ctx, bytes) == OK;
}

static void a_decoded_message_encodes_to_the_same_bytes_and_only_whole_ones_are_taken(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("replication.json");
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "messages"), i, one) {
        struct buf expected = json_hex(one, "message");
        struct buf made = {0};
        struct replica_message *message = NEW(struct replica_message);
        assert_int_equal(replica_decode(message, buf_span(&expected)), OK);
        replica_encode(&made, message);
        assert_true(span_equal(buf_span(&made), buf_span(&expected)));
        if (!json_text_is(one, "name", "owned")) // an operation has its own length
            takes_exactly(&(struct parser){takes_message, message}, buf_span(&expected));
        free(message);
        buf_free(&made);
        buf_free(&expected);
    }
    assert_int_equal(i, REPLICA_ANSWER - REPLICA_REPLICATE + 2); // every kind, receipts in two ways
    json_decref(file);
}

static void malformed_messages_are_refused(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("replication.json");
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "refused"), i, one) {
        struct replica_message message;
        struct buf bytes = json_hex(one, "message");
        if (replica_decode(&message, buf_span(&bytes)) != ERR_MALFORMED)
            fail_msg("taken: %s", json_text(one, "why"));
        buf_free(&bytes);
    }
    assert_true(i > 10);
    json_decref(file);
}

static uint64_t number_or(const json_t *object, const char *key, uint64_t otherwise) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : otherwise;
}

static void fields_are_where_the_specification_puts_them(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("replication.json");
    struct mailbox_id mailbox;
    struct item_hash hash;
    uint8_t item[ITEM_BYTES];
    json_hex_into(mailbox.bytes, 32, file, "mailbox");
    json_hex_into(hash.bytes, 32, file, "item_hash");
    json_hex_into(item, sizeof item, file, "item");
    uint64_t expiry_ms = number_or(file, "expiry_ms", 0);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "messages"), i, one) {
        struct buf bytes = json_hex(one, "message");
        struct replica_message m;
        assert_int_equal(replica_decode(&m, buf_span(&bytes)), OK);
        assert_true(m.id == number_or(one, "id", m.id));
        assert_int_equal(m.status, number_or(one, "status", 0));
        assert_int_equal(m.kind == REPLICA_REPLICATE || m.kind == REPLICA_RECEIPTS ? m.set.epoch : m.epoch,
                         number_or(one, "epoch", 0));
        if (m.item != NULL) {
            assert_memory_equal(m.item, item, sizeof item);
            assert_memory_equal(m.mailbox.bytes, mailbox.bytes, 32);
            assert_true(m.expiry_ms == expiry_ms);
        }
        if (m.kind == REPLICA_REPLICATE)
            assert_int_equal(m.stamp, number_or(one, "stamp", 0));
        if (m.kind == REPLICA_RECEIPTS)
            assert_memory_equal(m.hash.bytes, hash.bytes, 32);
        if (m.kind == REPLICA_RECEIPT && m.status == OP_OK)
            assert_int_equal(m.receipts[0].rank, 4);
        if (m.kind == REPLICA_OFFER || m.kind == REPLICA_ANSWER)
            assert_int_equal(m.count, number_or(one, "count", 0));
        if (m.kind == REPLICA_OFFER) {
            assert_memory_equal(m.entries[0].item.bytes, hash.bytes, 32);
            assert_true(m.entries[0].number == expiry_ms);
            assert_int_equal(m.entries[2].kind, ENTRY_POLICY);
        }
        buf_free(&bytes);
    }
    json_decref(file);
}

static void any_bytes_are_taken_or_refused_without_harm(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20 * SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        uint8_t bytes[2200];
        size_t n = (size_t)rng_below(&rng, sizeof bytes);
        rng_bytes(&rng, bytes, n);
        if (n > 0)
            bytes[0] = (uint8_t)(REPLICA_REPLICATE + rng_below(&rng, 12));
        struct replica_message message;
        struct buf again = {0};
        if (replica_decode(&message, span_of(bytes, n)) != OK)
            continue;
        replica_encode(&again, &message);
        assert_true(span_equal(buf_span(&again), span_of(bytes, n)));
        buf_free(&again);
    }
}

static int setup(void **state) {
    (void)state;
    forbid_randombytes();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decoded_message_encodes_to_the_same_bytes_and_only_whole_ones_are_taken),
        cmocka_unit_test(malformed_messages_are_refused),
        cmocka_unit_test(fields_are_where_the_specification_puts_them),
        cmocka_unit_test(any_bytes_are_taken_or_refused_without_harm),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
