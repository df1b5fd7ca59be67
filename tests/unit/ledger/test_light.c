// The light client: what it takes, and what it refuses and why.
#include "ledger/light.h"

#include "base/time.h"
#include "ledger/headers.h"

static const struct block_id nobody;

struct rig {
    struct committee committee;
    struct genesis genesis;
    struct light light;
};

static void rig_make(struct rig *rig, size_t validators, enum consensus consensus, uint64_t seed) {
    struct rng rng = rng_of_seed(seed);
    committee_draw(&rig->committee, validators, 1, &rng);
    rig->genesis = genesis_of(&rig->committee, consensus);
    light_init(&rig->light, &rig->genesis);
}

static struct certified rig_header(const struct rig *rig, uint64_t height, const struct block_id *parent) {
    return certified_of(&rig->committee, &rig->committee, height, parent);
}

static void headers_are_followed_one_by_one_from_genesis(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig, 4, CONSENSUS_POA, 1);
    struct block_id parent = nobody;
    for (uint64_t height = 1; height <= 20; height++) {
        struct certified c = rig_header(&rig, height, &parent);
        assert_int_equal(light_take(&rig.light, &c), LIGHT_TAKEN);
        assert_int_equal(light_take(&rig.light, &c), LIGHT_KNOWN);
        assert_int_equal(rig.light.header.height, height);
        parent = c.id;
    }
}

static void headers_are_skipped_while_the_validators_stay(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig, 4, CONSENSUS_POA, 2);
    struct certified far = rig_header(&rig, 1000000, &nobody);
    assert_int_equal(light_take(&rig.light, &far), LIGHT_TAKEN);
    struct certified before = rig_header(&rig, 999999, &nobody);
    assert_int_equal(light_take(&rig.light, &before), LIGHT_OLDER);
}

static void a_header_needs_over_two_thirds_of_its_validators(void **state) {
    (void)state;
    for (size_t count = 1; count <= 9; count++) {
        struct rig rig;
        rig_make(&rig, count, CONSENSUS_POA, count);
        for (size_t signers = 1; signers <= count; signers++) {
            for (uint64_t height = 1; height <= 2; height++) {
                struct light light = rig.light;
                struct certified c = header_of(&rig.committee, &rig.committee, height, &nobody);
                certify(&c, &rig.committee, signers);
                assert_int_equal(light_take(&light, &c), 3 * signers > 2 * count ? LIGHT_TAKEN : LIGHT_INVALID);
            }
        }
    }
}

static void a_skip_needs_over_a_third_of_the_trusted_validators(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1003);
    for (size_t shared = 0; shared <= 6; shared++) {
        struct rig rig;
        struct committee later;
        rig_make(&rig, 6, CONSENSUS_POA, 3);
        committee_with(&later, &rig.committee, shared, 7 - shared, &rng);
        struct certified c = certified_of(&later, &later, 100, &nobody);
        assert_int_equal(light_take(&rig.light, &c),
                         shared > 2 ? LIGHT_TAKEN : LIGHT_BETWEEN); // 2 of 6: a third exactly
    }
}

static void a_header_between_makes_the_skip_possible(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1004);
    struct rig rig;
    struct committee middle;
    struct committee last;
    rig_make(&rig, 4, CONSENSUS_POA, 4);
    committee_with(&middle, &rig.committee, 3, 2, &rng);
    committee_with(&last, &middle, 0, 5, &rng);
    struct certified m = certified_of(&middle, &last, 10, &nobody);
    struct certified l = certified_of(&last, &last, 11, &m.id);
    assert_int_equal(light_take(&rig.light, &l), LIGHT_BETWEEN);
    assert_int_equal(light_take(&rig.light, &m), LIGHT_TAKEN);
    assert_int_equal(light_take(&rig.light, &l), LIGHT_TAKEN); // announced by the one before, though all are new
}

static void the_next_header_has_the_validators_that_were_announced(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1005);
    struct rig rig;
    struct committee other;
    rig_make(&rig, 4, CONSENSUS_POA, 5);
    committee_with(&other, &rig.committee, 3, 1, &rng);
    struct certified c = certified_of(&other, &other, 1, &nobody);
    assert_int_equal(light_take(&rig.light, &c), LIGHT_INVALID); // enough for a skip, but this is none
}

static void a_certificate_of_something_else_is_refused(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig, 4, CONSENSUS_POA, 6);
    const struct certified good = rig_header(&rig, 5, &nobody);
    for (int what = 0; what < 8; what++) {
        struct certified bad = good;
        if (what == 0) { // another height
            committee_certify(&bad.certificate, &rig.committee, VOTE_PRECOMMIT, 6, 0, &bad.id, 4);
        } else if (what == 1) { // prevotes
            committee_certify(&bad.certificate, &rig.committee, VOTE_PREVOTE, 5, 0, &bad.id, 4);
        } else if (what == 2) { // the round is not the one that was signed
            bad.certificate.round = 1;
        } else if (what == 3) { // another block
            bad.header.state_root.bytes[0] ^= 1;
        } else if (what == 4) { // another network's signatures
            struct committee elsewhere = rig.committee;
            elsewhere.network.bytes[0] ^= 1;
            committee_certify(&bad.certificate, &elsewhere, VOTE_PRECOMMIT, 5, 0, &bad.id, 4);
        } else if (what == 5) { // a signer twice
            bad.certificate.votes[1] = bad.certificate.votes[0];
        } else if (what == 6) { // a signer who is not there
            bad.certificate.votes[3].validator = 4;
        } else { // one signature of four is wrong
            bad.certificate.votes[2].signature.bytes[40] ^= 1;
        }
        struct light before = rig.light;
        assert_int_equal(light_take(&rig.light, &bad), LIGHT_INVALID);
        assert_memory_equal(&before, &rig.light, sizeof before);
    }
    assert_int_equal(light_take(&rig.light, &good), LIGHT_TAKEN);
}

static void a_forged_set_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1007);
    struct rig rig;
    struct committee forged;
    rig_make(&rig, 4, CONSENSUS_POA, 7);
    committee_with(&forged, &rig.committee, 0, 4, &rng);
    struct certified c = header_of(&rig.committee, &rig.committee, 1, &nobody);
    certify(&c, &forged, 4); // signatures of others
    assert_int_equal(light_take(&rig.light, &c), LIGHT_INVALID);
    c.validators = forged.set; // and their set, which is not the header's
    assert_int_equal(light_take(&rig.light, &c), LIGHT_INVALID);
    c = rig_header(&rig, 1, &nobody);
    c.validators.validators[0].power = 100; // its validators with other powers
    c.validators.total += 99;
    assert_int_equal(light_take(&rig.light, &c), LIGHT_INVALID);
}

static void another_network_is_named(void **state) {
    (void)state;
    struct rig rig;
    struct rig other;
    rig_make(&rig, 4, CONSENSUS_POA, 8);
    rig_make(&other, 4, CONSENSUS_POA, 9);
    struct certified c = rig_header(&other, 1, &nobody);
    assert_int_equal(light_take(&rig.light, &c), LIGHT_NETWORK);
}

static void contradicting_headers_are_a_fork(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig, 4, CONSENSUS_POA, 10);
    struct certified first = rig_header(&rig, 5, &nobody);
    assert_int_equal(light_take(&rig.light, &first), LIGHT_TAKEN);
    struct certified second = header_of(&rig.committee, &rig.committee, 5, &nobody);
    second.header.state_root.bytes[0] = 1;
    certify(&second, &rig.committee, 3);
    assert_int_equal(light_take(&rig.light, &second), LIGHT_FORK);
    certify(&second, &rig.committee, 2);
    assert_int_equal(light_take(&rig.light, &second), LIGHT_INVALID); // too few to prove anything
    struct certified orphan = rig_header(&rig, 6, &second.id);
    assert_int_equal(light_take(&rig.light, &orphan), LIGHT_FORK);
    struct certified earlier = header_of(&rig.committee, &rig.committee, 9, &nobody);
    earlier.header.time_ms = first.header.time_ms;
    certify(&earlier, &rig.committee, 4);
    assert_int_equal(light_update(&rig.light, &earlier.header, &earlier.certificate, &earlier.validators,
                                  earlier.header.time_ms + 9000),
                     LIGHT_FORK);
    assert_true(block_id_equal(&rig.light.id, &first.id));
}

// Validators that are up earlier have decided blocks by then.
static void a_block_before_the_time_of_genesis_is_no_fork(void **state) {
    (void)state;
    for (uint64_t height = 1; height <= 2; height++) {
        struct rig rig;
        rig_make(&rig, 4, CONSENSUS_POA, 11);
        struct certified early = header_of(&rig.committee, &rig.committee, height, &nobody);
        early.header.time_ms = GENESIS_MS - 10;
        certify(&early, &rig.committee, 4);
        assert_int_equal(light_take(&rig.light, &early), LIGHT_TAKEN);
    }
}

static void strangers_cannot_feign_a_fork(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(10017);
    struct rig rig;
    struct committee strangers;
    rig_make(&rig, 4, CONSENSUS_POA, 17);
    committee_with(&strangers, &rig.committee, 1, 9, &rng); // one of four, a quarter of what is trusted, is theirs
    struct certified trusted = rig_header(&rig, 5, &nobody);
    assert_int_equal(light_take(&rig.light, &trusted), LIGHT_TAKEN);
    struct certified same = certified_of(&strangers, &strangers, 5, &nobody);
    assert_int_equal(light_take(&rig.light, &same), LIGHT_INVALID);
    struct certified next = certified_of(&strangers, &strangers, 6, &nobody);
    assert_int_equal(light_take(&rig.light, &next), LIGHT_INVALID);
    struct certified later = header_of(&strangers, &strangers, 7, &nobody);
    later.header.time_ms = trusted.header.time_ms;
    certify(&later, &strangers, 10);
    assert_int_equal(light_take(&rig.light, &later), LIGHT_BETWEEN);
}

static void clocks_bound_what_is_taken(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig, 4, CONSENSUS_POS, 11);
    struct certified c = rig_header(&rig, 500, &nobody);
    uint64_t time = c.header.time_ms;
    const struct {
        uint64_t wall_ms;
        enum light_result expected;
    } cases[] = {
        {time - LIGHT_AHEAD_MS - 1, LIGHT_AHEAD}, {0, LIGHT_AHEAD},
        {GENESIS_MS + 1000001, LIGHT_EXPIRED},    {UINT64_MAX, LIGHT_EXPIRED},
        {time - LIGHT_AHEAD_MS, LIGHT_TAKEN},     {GENESIS_MS + 1000000, LIGHT_TAKEN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct light light = rig.light;
        assert_int_equal(light_update(&light, &c.header, &c.certificate, &c.validators, cases[i].wall_ms),
                         cases[i].expected);
    }
}

static void authorities_are_trusted_without_limit(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig, 4, CONSENSUS_POA, 12);
    struct certified c = rig_header(&rig, 500, &nobody);
    assert_int_equal(light_update(&rig.light, &c.header, &c.certificate, &c.validators, UINT64_MAX), LIGHT_TAKEN);
}

static void a_checkpoint_renews_expired_trust(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(10013);
    struct rig rig;
    struct committee later;
    rig_make(&rig, 4, CONSENSUS_POS, 13);
    committee_with(&later, &rig.committee, 0, 4, &rng);
    struct certified c = certified_of(&later, &later, 5000, &nobody);
    assert_int_equal(light_take(&rig.light, &c), LIGHT_EXPIRED);
    struct block_id other = c.id;
    other.bytes[0] ^= 1;
    assert_int_equal(light_checkpoint(&rig.light, &other, &c.header, &c.validators), ERR_AUTH);
    assert_int_equal(light_checkpoint(&rig.light, &c.id, &c.header, &rig.committee.set), ERR_AUTH);
    assert_int_equal(light_checkpoint(&rig.light, &c.id, &c.header, &c.validators), OK);
    struct certified next = certified_of(&later, &later, 5001, &c.id);
    assert_int_equal(light_take(&rig.light, &next), LIGHT_TAKEN);
}

static bool restores(void *ctx, struct span bytes) {
    struct light light = *(struct light *)ctx;
    return light_restore(&light, bytes) == OK;
}

static void trust_is_kept_over_a_restart(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig, 4, CONSENSUS_POS, 14);
    struct light fresh = rig.light;
    struct certified c = rig_header(&rig, 7, &nobody);
    assert_int_equal(light_take(&rig.light, &c), LIGHT_TAKEN);
    uint8_t bytes[LIGHT_BYTES_MAX];
    size_t n = light_encode(bytes, &rig.light);
    takes_exactly(&(struct parser){restores, &fresh}, span_of(bytes, n));
    assert_int_equal(light_restore(&fresh, span_of(bytes, n)), OK);
    assert_memory_equal(&fresh, &rig.light, sizeof fresh);
    struct rig other;
    rig_make(&other, 4, CONSENSUS_POS, 15);
    assert_int_equal(light_restore(&other.light, span_of(bytes, n)), ERR_NETWORK);
    bytes[n - 1] ^= 2; // the last one's power
    assert_int_equal(light_restore(&fresh, span_of(bytes, n)), ERR_AUTH);
}

static void a_transaction_is_proved_under_the_trusted_header(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(10016);
    struct rig rig;
    struct hash items[9];
    rig_make(&rig, 4, CONSENSUS_POA, 16);
    rng_bytes(&rng, items, sizeof items);
    struct certified c = header_of(&rig.committee, &rig.committee, 3, &nobody);
    merkle_root(&c.header.tx_root, items, 9);
    c.header.tx_count = 9;
    certify(&c, &rig.committee, 4);
    assert_int_equal(light_take(&rig.light, &c), LIGHT_TAKEN);
    for (uint32_t i = 0; i < 9; i++) {
        struct hash hashes[MERKLE_PATH_MAX];
        struct merkle_path path = {hashes, merkle_prove(hashes, items, 9, i)};
        struct tx_id id;
        memcpy(id.bytes, items[i].bytes, sizeof id.bytes);
        assert_int_equal(light_verify_tx(&rig.light, &id, i, path), OK);
        assert_int_equal(light_verify_tx(&rig.light, &id, (i + 1) % 9, path), ERR_AUTH);
        id.bytes[0] ^= 1;
        assert_int_equal(light_verify_tx(&rig.light, &id, i, path), ERR_AUTH);
    }
}

static void every_result_has_a_text(void **state) {
    (void)state;
    for (int result = LIGHT_TAKEN; result <= LIGHT_FORK; result++)
        assert_true(strlen(light_result_text((enum light_result)result)) > 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_followed_one_by_one_from_genesis),
        cmocka_unit_test(headers_are_skipped_while_the_validators_stay),
        cmocka_unit_test(a_header_needs_over_two_thirds_of_its_validators),
        cmocka_unit_test(a_skip_needs_over_a_third_of_the_trusted_validators),
        cmocka_unit_test(a_header_between_makes_the_skip_possible),
        cmocka_unit_test(the_next_header_has_the_validators_that_were_announced),
        cmocka_unit_test(a_certificate_of_something_else_is_refused),
        cmocka_unit_test(a_forged_set_is_refused),
        cmocka_unit_test(another_network_is_named),
        cmocka_unit_test(contradicting_headers_are_a_fork),
        cmocka_unit_test(a_block_before_the_time_of_genesis_is_no_fork),
        cmocka_unit_test(strangers_cannot_feign_a_fork),
        cmocka_unit_test(clocks_bound_what_is_taken),
        cmocka_unit_test(authorities_are_trusted_without_limit),
        cmocka_unit_test(a_checkpoint_renews_expired_trust),
        cmocka_unit_test(trust_is_kept_over_a_restart),
        cmocka_unit_test(a_transaction_is_proved_under_the_trusted_header),
        cmocka_unit_test(every_result_has_a_text),
    };
    return cmocka_run_group_tests_name("light", tests, codec_setup, NULL);
}
