// What execution asks of a block and its transactions, and who validates: one rule a test.
#include "ledger/rig.h"

static int rig_setup_poa(void **state) {
    *state = rig_new(CONSENSUS_POA);
    return 0;
}

static int rig_setup_pos(void **state) {
    *state = rig_new(CONSENSUS_POS);
    return 0;
}

static int rig_teardown(void **state) {
    rig_free(*state);
    return 0;
}

// ---- transfers, nonces, fees ----

static void a_transfer_moves_grains_and_its_fee_goes_to_the_pool(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_transfer(rig, 0, 1, 500);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_int_equal(rig_balance(rig, &rig->accounts[0]), RIG_BALANCE - 500 - RIG_FEE);
    assert_int_equal(rig_balance(rig, &rig->accounts[1]), RIG_BALANCE + 500);
    assert_int_equal(rig_supply(rig).pool, RIG_POOL + RIG_FEE);
}

static void a_transfer_to_oneself_costs_the_fee_alone(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_transfer(rig, 0, 0, 500);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_int_equal(rig_balance(rig, &rig->accounts[0]), RIG_BALANCE - RIG_FEE);
}

static void a_transfer_beyond_the_balance_fails_and_pays_its_fee(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_transfer(rig, 0, 1, RIG_BALANCE - RIG_FEE + 1);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_FUNDS);
    assert_int_equal(rig_balance(rig, &rig->accounts[0]), RIG_BALANCE - RIG_FEE);
    assert_int_equal(rig_balance(rig, &rig->accounts[1]), RIG_BALANCE);
    assert_int_equal(rig_account_state(rig, &rig->accounts[0]).nonce, 1);
    tx = rig_transfer(rig, 0, 1, RIG_BALANCE - 2 * RIG_FEE);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_int_equal(rig_balance(rig, &rig->accounts[0]), 0);
}

static void a_nonce_is_taken_once_and_only_the_next_one(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_transfer(rig, 0, 1, 5), ahead = tx;
    ahead.nonce++;
    rig_refuses(rig, &ahead, TX_REFUSED_NONCE);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    rig_refuses(rig, &tx, TX_REFUSED_NONCE);
    assert_int_equal(rig_one(rig, &ahead), TX_DONE);
}

static void who_cannot_pay_the_fee_has_no_place_in_a_block(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_transfer(rig, 0, 1, 1);
    const struct account_id poor = rig_account(77);
    tx.sender = poor;
    rig_refuses(rig, &tx, TX_REFUSED_FEE);
}

static void a_transaction_of_another_network_or_below_the_least_fee_makes_a_block_invalid(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_transfer(rig, 0, 1, 1), cheap = tx;
    tx.network.bytes[0] ^= 1;
    rig_queue(rig, &tx);
    assert_int_equal(rig_try_block(rig, 1), ERR_INVALID);
    cheap.fee = RIG_FEE - 1;
    rig_queue(rig, &cheap);
    assert_int_equal(rig_try_block(rig, 1), ERR_INVALID);
}

static void a_block_whose_header_does_not_fit_the_state_is_invalid(void **state) {
    struct rig *rig = *state;
    struct block_header right, header;
    rig_header(rig, &right, 1);
    uint8_t *const fields[] = {header.network.bytes, header.state_root.bytes, header.validators.bytes,
                               header.next_validators.bytes, (uint8_t *)&header.epoch};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        header = right;
        *fields[i] ^= 1;
        assert_int_equal(rig_execute(rig, &header, NULL), ERR_INVALID);
        assert_non_null(rig->why);
    }
    header = right;
    assert_int_equal(rig_execute(rig, &header, NULL), OK);
}

static void a_block_without_transactions_leaves_the_state_as_it_is(void **state) {
    struct rig *rig = *state;
    struct hash before = rig->root;
    rig_block(rig, 1);
    assert_memory_equal(before.bytes, rig->root.bytes, 32);
}

static void a_proposer_is_told_what_a_block_may_hold(void **state) {
    struct rig *rig = *state;
    struct tx txs[4] = {rig_transfer(rig, 0, 1, 5), rig_transfer(rig, 0, 1, 6), rig_transfer(rig, 1, 2, 7),
                        rig_transfer(rig, 0, 1, 2 * RIG_BALANCE)};
    bool taken[4];
    txs[3].nonce = 1; // fails, but pays
    for (size_t i = 0; i < 4; i++)
        rig_queue(rig, &txs[i]);
    struct block_header header;
    rig_header(rig, &header, 1);
    struct overlay *overlay = overlay_over_kv(rig->kv);
    assert_int_equal(execute_filter(taken, overlay, &rig->genesis, &header, rig->txs, 4), 3);
    overlay_free(overlay);
    assert_true(taken[0] && !taken[1] && taken[2] && taken[3]);
    rig->txs[1] = rig->txs[2];
    rig->txs[2] = rig->txs[3];
    rig->tx_count = 3;
    rig_block(rig, 1);
    assert_int_equal(rig->outcomes[2], TX_FAILED_FUNDS);
}

static void an_account_is_proven_to_whoever_knows_the_root(void **state) {
    struct rig *rig = *state;
    struct state_key key;
    struct hash key_hash, value_hash;
    uint8_t value[16] = {0};
    struct buf proof = {0};
    store_u64(value + 8, RIG_BALANCE);
    state_account_key(&key, &rig->accounts[3]);
    tree_key(&key_hash, state_key_span(&key));
    tree_value(&value_hash, SPAN_OF(value));
    struct overlay *overlay = overlay_over_kv(rig->kv);
    tree_prove(&proof, overlay, &key_hash);
    overlay_free(overlay);
    assert_int_equal(tree_verify(&rig->root, &key_hash, &value_hash, buf_span(&proof)), OK);
    assert_int_equal(tree_verify(&rig->root, &key_hash, NULL, buf_span(&proof)), ERR_AUTH);
    buf_free(&proof);
}

// ---- authorities ----

static void a_change_of_the_set_needs_over_two_thirds_and_holds_from_the_height_after_next(void **state) {
    struct rig *rig = *state;
    uint64_t next, after;
    for (unsigned voter = 0; voter < 3; voter++) {
        rig_power(rig, 9, &next, &after);
        assert_true(next == 0 && after == 0);
        struct tx tx = rig_vote(rig, voter, 9, 700, 100);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
    }
    rig_power(rig, 9, &next, &after); // of the heights h+1 and h+2, h being the block of the third vote
    assert_true(next == 0 && after == 700);
    rig_block(rig, 1);
    rig_power(rig, 9, &next, &after);
    assert_true(next == 700 && after == 700);
}

static void votes_that_differ_or_have_expired_do_not_add_up(void **state) {
    struct rig *rig = *state;
    uint64_t next, after;
    struct tx tx = rig_vote(rig, 0, 9, 700, rig->height + 2);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    tx = rig_vote(rig, 1, 9, 701, rig->height + 2);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    tx = rig_vote(rig, 2, 9, 700, 2);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_EXPIRED);
    tx = rig_vote(rig, 3, 9, 700, 100);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    for (unsigned voter = 0; voter < 3; voter++) {
        tx = rig_vote(rig, voter, 9, 700, 200 + voter % 2);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
    }
    rig_power(rig, 9, &next, &after);
    assert_int_equal(after, 0);
}

static void an_operator_has_one_vote_and_a_stranger_none(void **state) {
    struct rig *rig = *state;
    uint64_t next, after;
    for (unsigned i = 0; i < 3; i++) {
        struct tx tx = rig_vote(rig, 0, 9, 700, 100);
        assert_int_equal(rig_one(rig, &tx), TX_DONE);
    }
    struct tx tx = rig_vote(rig, 7, 9, 700, 100);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_VALIDATOR);
    rig_power(rig, 9, &next, &after);
    assert_int_equal(after, 0);
}

static void an_operator_votes_with_the_power_of_all_its_validators(void **state) {
    struct rig *rig = *state;
    struct overlay *overlay = overlay_over_kv(rig->kv);
    struct kv_batch batch = {0};
    struct validator_set set;
    uint64_t next, after;
    const struct sign_public key = rig_key(1);
    assert_true(state_validators(overlay, &set));
    set.validators[validator_set_find(&set, &key)].operator= rig->accounts[0]; // who has that of key 0, too
    state_set_validators(overlay, &set);
    state_set_validators_next(overlay, &set);
    state_commit(&rig->root, overlay);
    overlay_writes(overlay, &batch, KV_LAZY);
    rig_apply(rig->kv, &batch);
    kv_batch_free(&batch);
    overlay_free(overlay);
    struct tx tx = rig_vote(rig, 0, 9, 700, 100);
    assert_int_equal(rig_one(rig, &tx), TX_DONE); // half of the power
    tx = rig_vote(rig, 1, 9, 700, 100);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_VALIDATOR);
    tx = rig_vote(rig, 2, 9, 700, 100);
    assert_int_equal(rig_one(rig, &tx), TX_DONE); // three quarters
    rig_power(rig, 9, &next, &after);
    assert_int_equal(after, 700);
}

static void one_change_passes_a_block_and_the_other_vote_may_come_again(void **state) {
    struct rig *rig = *state;
    uint64_t next, after;
    for (unsigned voter = 0; voter < 3; voter++) {
        struct tx tx = rig_vote(rig, voter, 9, 700, 100);
        rig_queue(rig, &tx);
    }
    for (unsigned voter = 1; voter < 4; voter++) {
        struct tx tx = rig_vote(rig, voter, 8, 5, 100);
        rig_queue(rig, &tx);
    }
    rig_block(rig, 1);
    assert_int_equal(rig->outcomes[2], TX_DONE);
    assert_int_equal(rig->outcomes[4], TX_DONE);
    assert_int_equal(rig->outcomes[5], TX_FAILED_CHANGED);
    struct tx tx = rig_vote(rig, 3, 8, 5, 100);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    rig_power(rig, 8, &next, &after);
    assert_int_equal(after, 5);
}

static void the_last_validator_cannot_be_voted_out(void **state) {
    struct rig *rig = *state;
    uint64_t next, after;
    for (unsigned gone = 0; gone < 4; gone++) {
        for (unsigned voter = gone; voter < 4; voter++) {
            struct tx tx = rig_vote(rig, voter, gone, 0, 1000);
            rig_queue(rig, &tx);
        }
        rig_block(rig, 1);
        rig_block(rig, 1);
    }
    rig_power(rig, 3, &next, &after);
    assert_int_equal(after, RIG_STAKE);
}

static void evidence_takes_the_power_at_the_height_after_next_and_once(void **state) {
    struct rig *rig = *state;
    uint64_t next, after;
    rig_block(rig, 1);
    struct tx tx = rig_evidence(rig, 2, 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_non_null(rig_event(rig, LEDGER_VALIDATOR_SLASHED));
    rig_power(rig, 2, &next, &after);
    assert_true(next == RIG_STAKE && after == 0);
    rig_refuses(rig, &tx, TX_REFUSED_EVIDENCE);
    tx = rig_evidence(rig, 2, 2);
    rig_refuses(rig, &tx, TX_REFUSED_EVIDENCE);
}

static void a_slashed_key_never_comes_back(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_evidence(rig, 2, 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    tx = rig_vote(rig, 0, 2, 10, 100);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_KEY);
}

static void evidence_counts_only_against_a_validator_of_that_height(void **state) {
    struct rig *rig = *state;
    for (unsigned voter = 0; voter < 3; voter++) {
        struct tx tx = rig_vote(rig, voter, 9, 700, 100);
        rig_queue(rig, &tx);
    }
    rig_block(rig, 1); // height 1: key 9 votes from height 3 on
    rig_block(rig, 1);
    rig_block(rig, 1);
    struct tx tx = rig_evidence(rig, 9, 2);
    rig_refuses(rig, &tx, TX_REFUSED_EVIDENCE);
    tx = rig_evidence(rig, 77, 2); // nobody's key
    rig_refuses(rig, &tx, TX_REFUSED_EVIDENCE);
    tx = rig_evidence(rig, 9, 5); // a height to come
    rig_refuses(rig, &tx, TX_REFUSED_EVIDENCE);
    tx = rig_evidence(rig, 9, 3);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
}

static void evidence_against_a_validator_that_left_still_counts(void **state) {
    struct rig *rig = *state;
    for (unsigned voter = 0; voter < 3; voter++) {
        struct tx tx = rig_vote(rig, voter, 3, 0, 100);
        rig_queue(rig, &tx);
    }
    rig_block(rig, 1); // height 1: key 3 votes until height 2
    for (unsigned i = 0; i < 4; i++)
        rig_block(rig, 1);
    struct tx tx = rig_evidence(rig, 3, 3);
    rig_refuses(rig, &tx, TX_REFUSED_EVIDENCE);
    tx = rig_evidence(rig, 3, 2);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
}

static void stake_means_nothing_where_authorities_vote(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_tx(rig, TX_STAKE, &rig->accounts[5]);
    tx.stake = (struct tx_stake){.key = rig_key(50), .amount = RIG_STAKE};
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_CONSENSUS);
    tx = rig_tx(rig, TX_UNSTAKE, &rig->accounts[0]);
    tx.unstake.amount = 1;
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_CONSENSUS);
}

// ---- stake ----

static enum tx_outcome stake(struct rig *rig, unsigned account, unsigned key, uint64_t amount) {
    struct tx tx = rig_tx(rig, TX_STAKE, &rig->accounts[account]);
    tx.stake = (struct tx_stake){.key = rig_key(key), .amount = amount};
    return rig_one(rig, &tx);
}

static enum tx_outcome unstake(struct rig *rig, unsigned account, uint64_t amount) {
    struct tx tx = rig_tx(rig, TX_UNSTAKE, &rig->accounts[account]);
    tx.unstake.amount = amount;
    return rig_one(rig, &tx);
}

static void stake_changes_the_set_at_the_end_of_an_epoch(void **state) {
    struct rig *rig = *state;
    uint64_t next, after;
    rig_relays(rig);
    assert_int_equal(stake(rig, 7, 50, 3 * RIG_STAKE), TX_DONE);
    rig_power(rig, 50, &next, &after);
    assert_int_equal(after, 0);
    rig_end_epoch(rig);
    rig_power(rig, 50, &next, &after);
    assert_true(next == 0 && after == 3 * RIG_STAKE);
}

static void what_is_unstaked_returns_after_the_unbonding_time(void **state) {
    struct rig *rig = *state;
    uint64_t next, after;
    rig_relays(rig);
    uint64_t before = rig_balance(rig, &rig->accounts[0]);
    assert_int_equal(unstake(rig, 0, 1), TX_FAILED_STAKE); // less than the least would be left
    assert_int_equal(unstake(rig, 0, RIG_STAKE + 1), TX_FAILED_FUNDS);
    assert_int_equal(unstake(rig, 0, RIG_STAKE), TX_DONE);
    uint64_t release_ms = rig->time_ms + RIG_UNBONDING_MS;
    rig_power(rig, 0, &next, &after);
    assert_int_equal(after, RIG_STAKE);
    rig_end_epoch(rig);
    rig_power(rig, 0, &next, &after);
    assert_int_equal(after, 0);
    rig_block(rig, release_ms - 1 - rig->time_ms);
    assert_int_equal(rig_balance(rig, &rig->accounts[0]), before - 3 * RIG_FEE);
    rig_block(rig, 1);
    assert_int_equal(rig_balance(rig, &rig->accounts[0]), before - 3 * RIG_FEE + RIG_STAKE);
}

static void a_key_stands_for_one_stake_and_a_stake_for_one_key(void **state) {
    struct rig *rig = *state;
    assert_int_equal(stake(rig, 7, 50, RIG_STAKE - 1), TX_FAILED_STAKE);
    assert_int_equal(stake(rig, 7, 50, RIG_STAKE), TX_DONE);
    assert_int_equal(stake(rig, 7, 50, 1), TX_DONE);
    assert_int_equal(stake(rig, 7, 51, RIG_STAKE), TX_FAILED_KEY);
    assert_int_equal(stake(rig, 6, 50, RIG_STAKE), TX_FAILED_KEY);
    assert_int_equal(stake(rig, 6, 1, RIG_STAKE), TX_FAILED_KEY); // a validator's of genesis
}

static void a_key_that_has_validated_stays_its_operators(void **state) {
    struct rig *rig = *state;
    rig_relays(rig);
    assert_int_equal(unstake(rig, 0, RIG_STAKE), TX_DONE);
    rig_end_epoch(rig);
    assert_int_equal(stake(rig, 7, 0, RIG_STAKE), TX_FAILED_KEY);
    assert_int_equal(stake(rig, 0, 0, RIG_STAKE), TX_DONE);
}

static void equivocation_costs_stake_and_what_is_unbonding(void **state) {
    struct rig *rig = *state;
    uint64_t lost = 2 * RIG_STAKE * 5 / 100, pool = rig_supply(rig).pool;
    assert_int_equal(stake(rig, 0, 0, 3 * RIG_STAKE), TX_DONE);
    assert_int_equal(unstake(rig, 0, 2 * RIG_STAKE), TX_DONE);
    uint64_t before = rig_balance(rig, &rig->accounts[0]);
    struct tx tx = rig_evidence(rig, 0, 1);
    assert_int_equal(rig_one(rig, &tx), TX_DONE);
    assert_int_equal(rig_event(rig, LEDGER_VALIDATOR_SLASHED)->amount, lost);
    assert_int_equal(rig_supply(rig).pool, pool + 2 * RIG_FEE + lost);
    rig_block(rig, RIG_UNBONDING_MS);
    assert_int_equal(rig_balance(rig, &rig->accounts[0]), before + 4 * RIG_STAKE - 2 * lost);
    assert_int_equal(stake(rig, 0, 0, RIG_STAKE), TX_FAILED_KEY);
    assert_int_equal(stake(rig, 0, 60, RIG_STAKE), TX_DONE);
}

static void authorities_do_not_vote_where_stake_counts(void **state) {
    struct rig *rig = *state;
    struct tx tx = rig_vote(rig, 0, 9, 700, 100);
    assert_int_equal(rig_one(rig, &tx), TX_FAILED_CONSENSUS);
}

#define POA(test) cmocka_unit_test_setup_teardown(test, rig_setup_poa, rig_teardown)
#define POS(test) cmocka_unit_test_setup_teardown(test, rig_setup_pos, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        POA(a_transfer_moves_grains_and_its_fee_goes_to_the_pool),
        POA(a_transfer_to_oneself_costs_the_fee_alone),
        POA(a_transfer_beyond_the_balance_fails_and_pays_its_fee),
        POA(a_nonce_is_taken_once_and_only_the_next_one),
        POA(who_cannot_pay_the_fee_has_no_place_in_a_block),
        POA(a_transaction_of_another_network_or_below_the_least_fee_makes_a_block_invalid),
        POA(a_block_whose_header_does_not_fit_the_state_is_invalid),
        POA(a_block_without_transactions_leaves_the_state_as_it_is),
        POA(a_proposer_is_told_what_a_block_may_hold),
        POA(an_account_is_proven_to_whoever_knows_the_root),
        POA(a_change_of_the_set_needs_over_two_thirds_and_holds_from_the_height_after_next),
        POA(votes_that_differ_or_have_expired_do_not_add_up),
        POA(an_operator_has_one_vote_and_a_stranger_none),
        POA(an_operator_votes_with_the_power_of_all_its_validators),
        POA(one_change_passes_a_block_and_the_other_vote_may_come_again),
        POA(the_last_validator_cannot_be_voted_out),
        POA(evidence_takes_the_power_at_the_height_after_next_and_once),
        POA(a_slashed_key_never_comes_back),
        POA(evidence_counts_only_against_a_validator_of_that_height),
        POA(evidence_against_a_validator_that_left_still_counts),
        POA(stake_means_nothing_where_authorities_vote),
        POS(stake_changes_the_set_at_the_end_of_an_epoch),
        POS(what_is_unstaked_returns_after_the_unbonding_time),
        POS(a_key_stands_for_one_stake_and_a_stake_for_one_key),
        POS(a_key_that_has_validated_stays_its_operators),
        POS(equivocation_costs_stake_and_what_is_unbonding),
        POS(authorities_do_not_vote_where_stake_counts),
    };
    return cmocka_run_group_tests(tests, codec_setup, NULL);
}
