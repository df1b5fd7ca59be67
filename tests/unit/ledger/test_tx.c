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

// The drawn transaction of a kind, with one thing changed.
static enum err check_with(enum tx_kind kind, void (*change)(struct tx *tx)) {
    struct rng rng = rng_of_seed(3);
    struct drawn drawn;
    tx_draw(&drawn, kind, &rng);
    change(&drawn.tx);
    return tx_check(&drawn.tx, &drawn.rules);
}

static void no_amount(struct tx *tx) {
    tx->transfer.amount = 0;
}

static void every_grain(struct tx *tx) {
    tx->transfer.amount = GRAINS_MAX;
}

static void more_than_there_are(struct tx *tx) {
    tx->transfer.amount = GRAINS_MAX + 1;
}

static void no_fee(struct tx *tx) {
    tx->fee = 0;
}

static void a_low_fee(struct tx *tx) {
    tx->fee = 9;
}

static void the_least_fee(struct tx *tx) {
    tx->fee = 10;
}

static void a_fee_of_more_than_there_is(struct tx *tx) {
    tx->fee = GRAINS_MAX + 1;
}

static void a_fee(struct tx *tx) {
    tx->fee = 100;
}

static void a_nonce(struct tx *tx) {
    tx->nonce = 1;
}

static void a_sender(struct tx *tx) {
    tx->sender.bytes[31] = 1;
}

static void a_signature(struct tx *tx) {
    tx->signature.bytes[0] = 1;
}

static void another_network(struct tx *tx) {
    tx->network.bytes[7] ^= 1;
}

static void stake_and_deposit_of_more_than_there_is(struct tx *tx) {
    tx->register_relay.stake = GRAINS_MAX;
    tx->register_relay.deposit = 1;
}

static void too_much_power(struct tx *tx) {
    tx->validator_vote.power = VALIDATOR_POWER_MAX + 1;
}

static void its_own_receipt(struct tx *tx) {
    tx->opening.signer = 0;
}

static void a_set_without_the_sender(struct tx *tx) {
    tx->opening.set.relays[0].bytes[0] ^= 1;
}

static void the_other_twice(struct tx *tx) {
    tx->opening.set.relays[2] = tx->opening.set.relays[1];
    tx->opening.set.count = 3;
}

static void what_no_state_can_make_right_is_refused(void **state) {
    (void)state;
    static const struct {
        enum tx_kind kind;
        void (*change)(struct tx *tx);
        enum err expected;
    } cases[] = {
        {TX_TRANSFER, no_amount, ERR_INVALID},
        {TX_TRANSFER, every_grain, OK},
        {TX_TRANSFER, more_than_there_are, ERR_INVALID},
        {TX_TRANSFER, no_fee, ERR_INVALID},
        {TX_TRANSFER, a_low_fee, ERR_INVALID},
        {TX_TRANSFER, the_least_fee, OK},
        {TX_TRANSFER, a_fee_of_more_than_there_is, ERR_INVALID},
        {TX_TRANSFER, another_network, ERR_NETWORK},
        {TX_REGISTER_RELAY, stake_and_deposit_of_more_than_there_is, ERR_INVALID},
        {TX_REGISTER_RELAY, no_fee, ERR_INVALID},
        {TX_UPDATE_RELAY, no_fee, OK},
        {TX_UPDATE_RELAY, a_low_fee, ERR_INVALID},
        {TX_RETIRE_RELAY, no_fee, ERR_INVALID},
        {TX_VALIDATOR_VOTE, too_much_power, ERR_INVALID},
        {TX_DELIVERY_BATCH, no_fee, OK},
        {TX_OPENING, no_fee, OK},
        {TX_OPENING, its_own_receipt, ERR_INVALID},
        {TX_OPENING, a_set_without_the_sender, ERR_INVALID},
        {TX_OPENING, the_other_twice, ERR_INVALID},
        {TX_EVIDENCE, no_fee, OK},
        {TX_EVIDENCE, a_fee, ERR_INVALID},
        {TX_EVIDENCE, a_nonce, ERR_INVALID},
        {TX_EVIDENCE, a_sender, ERR_INVALID},
        {TX_EVIDENCE, a_signature, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (check_with(cases[i].kind, cases[i].change) != cases[i].expected)
            fail_msg("case %zu, %s", i, tx_kind_text(cases[i].kind));
    }
}

static void a_registration_needs_the_relay_for_this_sender_and_nonce(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(4);
    struct drawn drawn;
    tx_draw(&drawn, TX_REGISTER_RELAY, &rng);
    drawn.tx.nonce++;
    tx_sign(&drawn.tx, &drawn.sender);
    assert_int_equal(tx_verify(&drawn.tx), ERR_AUTH);
    tx_cosign(&drawn.tx, &drawn.sender); // the sender is not the relay
    tx_sign(&drawn.tx, &drawn.sender);
    assert_int_equal(tx_verify(&drawn.tx), ERR_AUTH);
    tx_cosign(&drawn.tx, &drawn.other);
    tx_sign(&drawn.tx, &drawn.sender);
    assert_int_equal(tx_verify(&drawn.tx), OK);
}

// Nobody stakes for another's consensus key, nor with a proof that was made for another account.
static void a_stake_needs_the_consensus_key_for_this_sender(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(6);
    struct drawn drawn, other;
    tx_draw(&drawn, TX_STAKE, &rng);
    tx_draw(&other, TX_STAKE, &rng);
    struct tx stolen = other.tx;
    stolen.network = drawn.tx.network;
    stolen.stake = drawn.tx.stake; // key and proof as they were seen in a block
    tx_sign(&stolen, &other.sender);
    assert_int_equal(tx_verify(&stolen), ERR_AUTH);
    tx_prove_key(&stolen, &other.sender); // not the key's
    tx_sign(&stolen, &other.sender);
    assert_int_equal(tx_verify(&stolen), ERR_AUTH);
    drawn.tx.nonce++; // more of it later, by the same proof
    drawn.tx.stake.amount = 7;
    tx_sign(&drawn.tx, &drawn.sender);
    assert_int_equal(tx_verify(&drawn.tx), OK);
    drawn.tx.network.bytes[3] ^= 1;
    tx_sign(&drawn.tx, &drawn.sender);
    assert_int_equal(tx_verify(&drawn.tx), ERR_AUTH);
}

static void an_opening_needs_the_receipt_of_the_relay_it_names(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(5);
    struct drawn drawn;
    tx_draw(&drawn, TX_OPENING, &rng);
    drawn.tx.opening.secret[0] ^= 1;
    tx_sign(&drawn.tx, &drawn.sender);
    assert_int_equal(tx_verify(&drawn.tx), ERR_AUTH);
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
        cmocka_unit_test(what_no_state_can_make_right_is_refused),
        cmocka_unit_test(a_registration_needs_the_relay_for_this_sender_and_nonce),
        cmocka_unit_test(a_stake_needs_the_consensus_key_for_this_sender),
        cmocka_unit_test(an_opening_needs_the_receipt_of_the_relay_it_names),
        cmocka_unit_test(a_block_comes_back_with_its_transactions_and_no_others),
    };
    return cmocka_run_group_tests_name("tx", tests, codec_setup, NULL);
}
