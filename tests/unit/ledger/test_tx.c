// Transactions of every kind: one encoding, checked and signed.
#include "ledger/tx.h"

#include <stdio.h>

#include "ledger/block.h"
#include "ledger/draw.h"

static bool takes_tx(void *ctx, struct span bytes) {
    struct tx tx;
    return tx_decode(&tx, bytes) == OK && tx_check(&tx, ctx) == OK && tx_verify(&tx) == OK;
}

static void every_kind_comes_back_as_it_was(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct rng rng = rng_of_seed(seed);
        for (int kind = TX_TRANSFER; kind <= TX_EVIDENCE; kind++) {
            struct drawn drawn;
            uint8_t bytes[TX_BYTES_MAX];
            tx_draw(&drawn, (enum tx_kind)kind, &rng);
            size_t n = tx_encode(bytes, &drawn.tx);
            takes_exactly(&(struct parser){takes_tx, &drawn.rules}, span_of(bytes, n));
        }
    }
}

static void any_flipped_bit_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    for (int kind = TX_TRANSFER; kind <= TX_EVIDENCE; kind++) {
        struct drawn drawn;
        uint8_t bytes[TX_BYTES_MAX];
        tx_draw(&drawn, (enum tx_kind)kind, &rng);
        size_t n = tx_encode(bytes, &drawn.tx);
        for (size_t byte = 0; byte < n; byte++) {
            uint8_t flip = (uint8_t)(1u << rng_below(&rng, 8));
            bytes[byte] ^= flip;
            if (takes_tx(&drawn.rules, span_of(bytes, n)))
                fail_msg("%s: a bit of byte %zu was flipped", tx_kind_text(drawn.tx.kind), byte);
            bytes[byte] ^= flip;
        }
    }
}

static void a_block_comes_back_with_its_transactions_and_no_others(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(2);
    uint8_t bytes[10][TX_BYTES_MAX];
    struct span txs[10];
    for (int kind = TX_TRANSFER; kind <= TX_EVIDENCE; kind++) {
        struct drawn drawn;
        tx_draw(&drawn, (enum tx_kind)kind, &rng);
        txs[kind - 1] = span_of(bytes[kind - 1], tx_encode(bytes[kind - 1], &drawn.tx));
    }
    for (uint32_t count = 0; count <= 10; count++) {
        struct block_header header = {.height = 1 + rng_u32(&rng), .time_ms = rng_u64(&rng)};
        rng_bytes(&rng, header.parent.bytes, sizeof header.parent.bytes);
        struct buf encoded = {0};
        struct block block;
        block_encode(&encoded, &header, txs, count);
        assert_int_equal(block_decode(&block, buf_span(&encoded)), OK);
        assert_memory_equal(&block.header, &header, sizeof header);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(span_equal(block.txs[i], txs[i]));
            struct hash hashes[MERKLE_PATH_MAX];
            struct merkle_path path = {hashes, block_tx_prove(hashes, &block, i)};
            struct tx_id id;
            struct hash item;
            tx_id_of(&id, txs[i]);
            memcpy(item.bytes, id.bytes, sizeof item.bytes);
            assert_int_equal(merkle_verify(&header.tx_root, count, i, &item, path), OK);
        }
        block_free(&block);
        assert_int_equal(block_decode(&block, span_of(encoded.p, encoded.n - 1)), ERR_MALFORMED);
        if (count > 0) {
            encoded.p[encoded.n - 1] ^= 1;
            assert_int_equal(block_decode(&block, buf_span(&encoded)), ERR_INVALID);
        }
        buf_free(&encoded);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_was),
        cmocka_unit_test(any_flipped_bit_is_refused),
        cmocka_unit_test(a_block_comes_back_with_its_transactions_and_no_others),
    };
    return cmocka_run_group_tests_name("tx", tests, codec_setup, NULL);
}
