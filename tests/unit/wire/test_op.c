// Mailbox operations, replies, receipts, stamps.
#include "wire/op.h"

#include <stdio.h>

#include "wire/codec.h"

struct owner {
    struct sign_secret secret;
    struct sign_public public;
    struct network_id network;
    struct relay_id replica;
    uint8_t item[ITEM_BYTES];
    uint8_t surbs[OP_SURBS_MAX][SPHINX_SURB_BYTES];
};

static void owner_draw(struct owner *owner, struct rng *rng) {
    sign_key_new(&owner->secret, &owner->public, rng);
    rng_bytes(rng, owner->network.bytes, sizeof owner->network.bytes);
    rng_bytes(rng, owner->replica.bytes, sizeof owner->replica.bytes);
    rng_bytes(rng, owner->item, sizeof owner->item);
    rng_bytes(rng, owner->surbs, sizeof owner->surbs);
}

static struct op op_draw(const struct owner *owner, struct rng *rng, enum op_kind kind) {
    struct op op = {.kind = kind, .epoch = rng_u32(rng), .surb_count = 1};
    memcpy(op.mailbox.bytes, owner->public.bytes, sizeof op.mailbox.bytes);
    for (size_t i = 0; i < OP_SURBS_MAX; i++)
        op.surbs[i] = owner->surbs[i];
    op.time_ms = rng_u64(rng);
    op.stamp = rng_u64(rng);
    if (kind == OP_STORE) {
        op.expiry_ms = rng_u64(rng);
        op.item = owner->item;
        rng_bytes(rng, op.token.bytes, sizeof op.token.bytes);
    } else if (kind == OP_FETCH || kind == OP_SUBSCRIBE) {
        op.cursor = rng_u64(rng);
        op.surb_count = 1 + (size_t)rng_below(rng, OP_SURBS_MAX);
        op.wait_ms = kind == OP_SUBSCRIBE ? (uint32_t)rng_below(rng, WAIT_MS_MAX + 1) : 0;
    } else if (kind == OP_DELETE) {
        op.count = 1 + (size_t)rng_below(rng, DELETE_ITEMS_MAX);
        rng_bytes(rng, op.deletes, op.count * sizeof *op.deletes);
    } else {
        op.version = rng_u64(rng);
        op.count = (size_t)rng_below(rng, POLICY_TOKENS_MAX + 1);
        rng_bytes(rng, op.policy, op.count * sizeof *op.policy);
    }
    return op;
}

static void ops_equal(const struct op *a, const struct op *b) {
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->epoch, b->epoch);
    assert_true(mailbox_id_equal(&a->mailbox, &b->mailbox));
    if (a->kind == OP_STORE) {
        assert_int_equal(a->expiry_ms, b->expiry_ms);
        assert_memory_equal(a->token.bytes, b->token.bytes, 32);
        assert_memory_equal(a->item, b->item, ITEM_BYTES);
    } else {
        assert_int_equal(a->time_ms, b->time_ms);
    }
    if (a->kind != OP_FETCH && a->kind != OP_SUBSCRIBE)
        assert_int_equal(a->stamp, b->stamp);
    assert_int_equal(a->cursor, b->cursor);
    assert_int_equal(a->wait_ms, b->wait_ms);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->deletes, b->deletes, sizeof a->deletes);
    for (size_t i = 0; a->kind == OP_POLICY && i < a->count; i++) {
        assert_memory_equal(a->policy[i].token.bytes, b->policy[i].token.bytes, 16);
        assert_int_equal(a->policy[i].quota, b->policy[i].quota);
    }
    assert_int_equal(a->surb_count, b->surb_count);
    for (size_t i = 0; i < a->surb_count; i++)
        assert_memory_equal(a->surbs[i], b->surbs[i], SPHINX_SURB_BYTES);
}

static void every_operation_comes_back_as_it_was(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct owner owner;
        owner_draw(&owner, &rng);
        struct op op = op_draw(&owner, &rng, (enum op_kind)(1 + seed % 5));
        uint8_t bytes[OP_BYTES_MAX];
        struct op back;
        size_t n = op_encode(bytes, &op, &owner.network, &owner.replica, &owner.secret);
        assert_int_equal(op_decode(&back, span_of(bytes, n)), OK);
        ops_equal(&op, &back);
        if (op.kind != OP_STORE)
            assert_int_equal(op_verify(&back, &owner.network, &owner.replica), OK);
    }
}

static void operations_have_the_sizes_of_the_specification(void **state) {
    (void)state;
    static const struct {
        enum op_kind kind;
        size_t count;
        size_t surbs;
        size_t bytes;
    } sizes[] = {
        {OP_STORE, 0, 1, 2023}, {OP_FETCH, 0, 1, 552},   {OP_FETCH, 0, 4, 1854}, {OP_SUBSCRIBE, 0, 4, 1858},
        {OP_DELETE, 1, 1, 617}, {OP_DELETE, 8, 1, 1065}, {OP_POLICY, 0, 1, 561}, {OP_POLICY, 64, 1, 1713},
    };
    struct rng rng = rng_of_seed(5);
    struct owner owner;
    owner_draw(&owner, &rng);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct op op = op_draw(&owner, &rng, sizes[i].kind);
        uint8_t bytes[OP_BYTES_MAX];
        op.count = sizes[i].count;
        op.surb_count = sizes[i].surbs;
        assert_int_equal(op_encode(bytes, &op, &owner.network, &owner.replica, &owner.secret), sizes[i].bytes);
    }
}

static bool takes_op(void *ctx, struct span bytes) {
    return op_decode(ctx, bytes) == OK;
}

static void only_a_whole_operation_is_taken(void **state) {
    (void)state;
    for (unsigned kind = OP_STORE; kind <= OP_POLICY; kind++) {
        struct rng rng = rng_of_seed(kind);
        struct owner owner;
        owner_draw(&owner, &rng);
        struct op op = op_draw(&owner, &rng, (enum op_kind)kind);
        uint8_t bytes[OP_BYTES_MAX];
        size_t n = op_encode(bytes, &op, &owner.network, &owner.replica, &owner.secret);
        takes_exactly(&(struct parser){takes_op, &op}, span_of(bytes, n));
    }
}

static void unknown_operations_and_counts_out_of_bounds_are_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(6);
    struct owner owner;
    owner_draw(&owner, &rng);
    uint8_t bytes[8192];
    struct op back;
    struct op op = op_draw(&owner, &rng, OP_FETCH);
    op.surb_count = 4;
    size_t n = op_encode(bytes, &op, &owner.network, &owner.replica, &owner.secret);
    for (unsigned kind = 0; kind < 256; kind++) {
        bytes[0] = (uint8_t)kind;
        assert_int_equal(op_decode(&back, span_of(bytes, n)), kind == OP_FETCH ? OK : ERR_MALFORMED);
    }
    // Whole operations whose counts alone are wrong: head 37, then as the specification lays them out.
    memset(bytes, 0, sizeof bytes);
    for (unsigned count = 0; count < 16; count++) {
        bytes[0] = OP_FETCH;
        bytes[37 + 16] = (uint8_t)count;
        enum err expected = count >= 1 && count <= 4 ? OK : ERR_MALFORMED;
        assert_int_equal(op_decode(&back, span_of(bytes, 37 + 16 + 1 + count * 434 + 64)), expected);
    }
    memset(bytes, 0, sizeof bytes);
    for (unsigned count = 0; count < 64; count++) {
        bytes[0] = OP_DELETE;
        bytes[53] = (uint8_t)count;
        bytes[54 + count * 64] = 1;
        enum err expected = count >= 1 && count <= 8 ? OK : ERR_MALFORMED;
        assert_int_equal(op_decode(&back, span_of(bytes, 54 + count * 64 + 1 + 434 + 64)), expected);
        bytes[54 + count * 64] = 0;
    }
    memset(bytes, 0, sizeof bytes);
    for (unsigned count = 0; count < 256; count++) {
        bytes[0] = OP_POLICY;
        bytes[61] = (uint8_t)count;
        bytes[62 + count * 18] = 1;
        assert_int_equal(op_decode(&back, span_of(bytes, 62 + count * 18 + 1 + 434 + 64)),
                         count <= 64 ? OK : ERR_MALFORMED);
        bytes[62 + count * 18] = 2; // a deletion and a policy bring one SURB, no more
        assert_int_equal(op_decode(&back, span_of(bytes, 62 + count * 18 + 1 + 2 * 434 + 64)), ERR_MALFORMED);
        bytes[62 + count * 18] = 0;
    }
}

static void a_wait_of_over_a_minute_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(7);
    struct owner owner;
    owner_draw(&owner, &rng);
    struct op op = op_draw(&owner, &rng, OP_SUBSCRIBE);
    uint8_t bytes[OP_BYTES_MAX];
    op.wait_ms = WAIT_MS_MAX;
    size_t n = op_encode(bytes, &op, &owner.network, &owner.replica, &owner.secret);
    assert_int_equal(op_decode(&op, span_of(bytes, n)), OK);
    bytes[37 + 8 + 8 + 3]++;
    assert_int_equal(op_decode(&op, span_of(bytes, n)), ERR_MALFORMED);
}

static void a_request_is_valid_only_as_its_owner_signed_it(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(8);
    struct owner owner;
    owner_draw(&owner, &rng);
    for (unsigned kind = OP_FETCH; kind <= OP_POLICY; kind++) {
        struct op op = op_draw(&owner, &rng, (enum op_kind)kind);
        uint8_t bytes[OP_BYTES_MAX];
        struct op back;
        size_t n = op_encode(bytes, &op, &owner.network, &owner.replica, &owner.secret);
        for (size_t i = 0; i < n; i++) {
            uint8_t flip = (uint8_t)(1u << rng_below(&rng, 8));
            bytes[i] ^= flip;
            if (op_decode(&back, span_of(bytes, n)) == OK)
                assert_int_equal(op_verify(&back, &owner.network, &owner.replica), ERR_AUTH);
            bytes[i] ^= flip;
        }
        assert_int_equal(op_decode(&back, span_of(bytes, n)), OK);
        assert_int_equal(op_verify(&back, &owner.network, &owner.replica), OK);
        struct network_id other_network = owner.network;
        other_network.bytes[0] ^= 1;
        assert_int_equal(op_verify(&back, &other_network, &owner.replica), ERR_AUTH);
        struct relay_id other_replica = owner.replica;
        other_replica.bytes[31] ^= 1;
        assert_int_equal(op_verify(&back, &owner.network, &other_replica), ERR_AUTH);
    }
}

static struct reply reply_draw(struct rng *rng, const uint8_t *item) {
    struct reply reply = {
        .kind = (enum op_kind)(1 + rng_below(rng, 5)),
        .status = rng_below(rng, 2) == 0 ? OP_OK : (enum op_status)rng_below(rng, OP_LIMIT + 1),
        .epoch = rng_u32(rng),
        .clock_ms = rng_u64(rng),
    };
    if (reply.status == OP_STAMP)
        reply.stamp_bits = (uint8_t)rng_u64(rng);
    if (reply.status != OP_OK)
        return reply;
    if (reply.kind == OP_STORE) {
        reply.set.epoch = rng_u32(rng);
        reply.set.count = 1 + (size_t)rng_below(rng, REPLICAS_MAX);
        rng_bytes(rng, reply.set.relays, reply.set.count * sizeof *reply.set.relays);
        reply.receipt_count = (size_t)rng_below(rng, reply.set.count + 1);
        for (size_t i = 0; i < reply.receipt_count; i++) {
            reply.receipts[i].index = (uint8_t)rng_below(rng, reply.set.count);
            reply.receipts[i].rank = (uint8_t)rng_u64(rng);
            rng_bytes(rng, reply.receipts[i].signature.bytes, 64);
        }
    } else if (reply.kind == OP_FETCH || reply.kind == OP_SUBSCRIBE) {
        reply.cursor = rng_u64(rng);
        reply.expiry_ms = rng_u64(rng);
        reply.waiting = rng_u32(rng);
        reply.surbs_left = (uint8_t)rng_u64(rng);
        reply.item = rng_below(rng, 2) == 0 ? item : NULL;
    }
    return reply;
}

static bool takes_reply(void *ctx, struct span bytes) {
    return reply_decode(ctx, bytes) == OK;
}

static void every_reply_comes_back_as_it_was_and_only_whole(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        uint8_t item[ITEM_BYTES];
        rng_bytes(&rng, item, sizeof item);
        struct reply reply = reply_draw(&rng, item);
        uint8_t bytes[OP_BYTES_MAX];
        uint8_t again[OP_BYTES_MAX];
        struct reply back;
        size_t n = reply_encode(bytes, &reply);
        assert_int_equal(reply_decode(&back, span_of(bytes, n)), OK);
        assert_int_equal(reply_encode(again, &back), n);
        assert_memory_equal(again, bytes, n);
        if (reply.item != NULL)
            assert_memory_equal(back.item, item, ITEM_BYTES);
        else
            assert_null(back.item);
        if (seed < 40)
            takes_exactly(&(struct parser){takes_reply, &back}, span_of(bytes, n));
    }
}

static void replies_with_impossible_values_are_refused(void **state) {
    (void)state;
    struct reply reply = {.kind = OP_STORE, .set = {.count = 2}, .receipt_count = 2};
    uint8_t bytes[OP_BYTES_MAX];
    reply.receipts[1].index = 1;
    size_t n = reply_encode(bytes, &reply);
    const size_t at_set_count = 14 + 4;
    const size_t at_receipt_count = at_set_count + 1 + 2 * 32;
    const size_t at_index = at_receipt_count + 1 + 66;
    assert_int_equal(reply_decode(&reply, span_of(bytes, n)), OK);
    bytes[at_index] = 2;
    assert_int_equal(reply_decode(&reply, span_of(bytes, n)), ERR_MALFORMED);
    bytes[at_index] = 1;
    bytes[1] = OP_LIMIT + 1;
    assert_int_equal(reply_decode(&reply, span_of(bytes, n)), ERR_MALFORMED);
    bytes[1] = OP_OK;
    memset(bytes + at_set_count, 0, sizeof bytes - at_set_count);
    for (unsigned count = 0; count < 20; count++) { // whole replies with so many relays and no receipt
        bytes[at_set_count] = (uint8_t)count;
        enum err expected = count >= 1 && count <= 3 ? OK : ERR_MALFORMED;
        assert_int_equal(reply_decode(&reply, span_of(bytes, at_set_count + 1 + count * 32 + 1)), expected);
    }
    for (unsigned count = 0; count < 20; count++) { // and with one relay and so many receipts
        bytes[at_set_count] = 1;
        bytes[at_set_count + 33] = (uint8_t)count;
        enum err expected = count <= 1 ? OK : ERR_MALFORMED;
        assert_int_equal(reply_decode(&reply, span_of(bytes, at_set_count + 34 + count * 66)), expected);
    }
}

struct signed_store {
    struct network_id network;
    struct mailbox_id mailbox;
    struct item_hash item;
    uint64_t expiry_ms;
    uint8_t commitment[ITEM_COMMITMENT_BYTES];
    struct replica_set set;
    struct receipt receipt;
};

static enum err verify_store(const struct signed_store *s) {
    return receipt_verify(&s->receipt, &s->network, &s->set, s->commitment, &s->mailbox, &s->item, s->expiry_ms);
}

static void a_receipt_covers_everything_about_the_store(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(9);
    struct signed_store s;
    memset(&s, 0, sizeof s);
    struct sign_secret secret;
    struct sign_public public;
    sign_key_new(&secret, &public, &rng);
    rng_bytes(&rng, s.network.bytes, sizeof s.network.bytes);
    rng_bytes(&rng, s.mailbox.bytes, sizeof s.mailbox.bytes);
    rng_bytes(&rng, s.item.bytes, sizeof s.item.bytes);
    rng_bytes(&rng, s.commitment, sizeof s.commitment);
    s.expiry_ms = 123456789;
    s.set.epoch = 7;
    s.set.count = 2;
    rng_bytes(&rng, s.set.relays, sizeof s.set.relays);
    memcpy(s.set.relays[1].bytes, public.bytes, 32);
    s.receipt = (struct receipt){.index = 1, .rank = 3};
    receipt_sign(&s.receipt, &secret, &s.network, &s.set, s.commitment, &s.mailbox, &s.item, s.expiry_ms);
    assert_int_equal(verify_store(&s), OK);

    struct signed_store other = s;
    uint8_t *const flipped[] = {
        &other.network.bytes[5], &other.mailbox.bytes[5],       &other.item.bytes[5],          &other.commitment[31],
        &other.receipt.rank,     &other.set.relays[0].bytes[3], &other.set.relays[1].bytes[3], &other.receipt.index,
    };
    for (size_t i = 0; i < sizeof flipped / sizeof *flipped; i++) {
        *flipped[i] ^= 1;
        assert_int_equal(verify_store(&other), ERR_AUTH);
        *flipped[i] ^= 1;
    }
    other.expiry_ms++;
    assert_int_equal(verify_store(&other), ERR_AUTH);
    other = s;
    other.set.epoch++;
    assert_int_equal(verify_store(&other), ERR_AUTH);
    other = s;
    other.set.count = 3;
    assert_int_equal(verify_store(&other), ERR_AUTH);
    other = s;
    other.receipt.index = 200;
    assert_int_equal(verify_store(&other), ERR_AUTH);
}

static void an_item_hash_covers_network_mailbox_expiry_and_every_byte(void **state) {
    (void)state;
    struct network_id network = {{1}};
    struct mailbox_id mailbox = {{2}};
    uint8_t item[ITEM_BYTES] = {3};
    struct item_hash hash;
    struct item_hash other;
    item_hash_of(&hash, &network, &mailbox, 4, item);
    item_hash_of(&other, &network, &mailbox, 5, item);
    assert_memory_not_equal(&hash, &other, sizeof hash);
    network.bytes[31] = 1;
    item_hash_of(&other, &network, &mailbox, 4, item);
    assert_memory_not_equal(&hash, &other, sizeof hash);
    network.bytes[31] = 0;
    mailbox.bytes[31] = 1;
    item_hash_of(&other, &network, &mailbox, 4, item);
    assert_memory_not_equal(&hash, &other, sizeof hash);
    mailbox.bytes[31] = 0;
    for (size_t i = 0; i < ITEM_BYTES; i++) {
        item[i] ^= 0x10;
        item_hash_of(&other, &network, &mailbox, 4, item);
        assert_memory_not_equal(&hash, &other, sizeof hash);
        item[i] ^= 0x10;
    }
    item_hash_of(&other, &network, &mailbox, 4, item);
    assert_memory_equal(&hash, &other, sizeof hash);
}

static void a_stamp_is_found_and_fits_only_its_item(void **state) {
    (void)state;
    const struct network_id network = {{1}};
    const struct mailbox_id mailbox = {{2}};
    struct item_hash item = {{3}};
    uint64_t stamp = 0;
    while (!stamp_fits(stamp, 8, &network, &mailbox, &item))
        stamp++;
    assert_true(stamp_fits(stamp, 0, &network, &mailbox, &item));
    unsigned others = 0;
    for (unsigned i = 1; i < 256; i++) {
        item.bytes[31] = (uint8_t)i;
        others += stamp_fits(stamp, 8, &network, &mailbox, &item);
    }
    assert_in_range(others, 0, 8); // one in 256 by chance
    assert_true(stamp_fits(0, 0, &network, &mailbox, &item));
}

static void a_token_of_zeros_is_a_strangers(void **state) {
    (void)state;
    struct write_token token = {{0}};
    struct token_hash a;
    struct token_hash b;
    assert_true(token_is_stranger(&token));
    token_hash_of(&a, &token);
    for (size_t i = 0; i < 32; i++) {
        token.bytes[i] = 1;
        assert_false(token_is_stranger(&token));
        token_hash_of(&b, &token);
        assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
        token.bytes[i] = 0;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_comes_back_as_it_was),
        cmocka_unit_test(operations_have_the_sizes_of_the_specification),
        cmocka_unit_test(only_a_whole_operation_is_taken),
        cmocka_unit_test(unknown_operations_and_counts_out_of_bounds_are_refused),
        cmocka_unit_test(a_wait_of_over_a_minute_is_refused),
        cmocka_unit_test(a_request_is_valid_only_as_its_owner_signed_it),
        cmocka_unit_test(every_reply_comes_back_as_it_was_and_only_whole),
        cmocka_unit_test(replies_with_impossible_values_are_refused),
        cmocka_unit_test(a_receipt_covers_everything_about_the_store),
        cmocka_unit_test(an_item_hash_covers_network_mailbox_expiry_and_every_byte),
        cmocka_unit_test(a_stamp_is_found_and_fits_only_its_item),
        cmocka_unit_test(a_token_of_zeros_is_a_strangers),
    };
    return cmocka_run_group_tests_name("operations", tests, codec_setup, NULL);
}
