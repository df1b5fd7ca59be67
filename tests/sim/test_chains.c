// The checker of chains proves itself: for each rule, what a validator says or has in its store when the rule is
// broken.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/kv_memory.h"
#include "ledger/keys.h"
#include "ledger/message.h"
#include "no_randombytes.h"
#include "sim/world.h"

#define RUN_MS 6000

// A world that has decided some blocks, and a checker that has seen nothing of it.
struct rig {
    struct world *world;
    struct checker checker;
    struct chains *chains;
    struct frame_reader reader;
    struct sign_public keys[2];
};

static void rig_make(struct rig *rig) {
    struct sim_config config;
    sim_config_quiet(&config, 5);
    config.validators = 4;
    config.users = 2;
    *rig = (struct rig){.world = world_new(&config)};
    world_run_until(rig->world, RUN_MS);
    assert_null(rig->world->checker.failure.what);
    rig->chains = chains_new(&rig->world->genesis, &rig->checker);
    for (uint32_t i = 0; i < 2; i++) {
        memset(rig->keys[i].bytes, (int)i + 1, sizeof rig->keys[i].bytes);
        chains_key(rig->chains, i, &rig->keys[i]);
    }
}

static void rig_free(struct rig *rig) {
    chains_free(rig->chains);
    frame_reader_free(&rig->reader);
    world_free(rig->world);
}

static struct kv *store_of(const struct rig *rig, uint32_t machine) {
    return rig->world->machines[machine]->disk.kv;
}

static void assert_found(const struct rig *rig, const char *what) {
    assert_non_null(rig->checker.failure.what);
    assert_string_equal(rig->checker.failure.what, what);
}

static void say(struct rig *rig, uint32_t machine, uint8_t kind, struct span body) {
    struct buf bytes = {0};
    frame_part_encode(&bytes, FRAME_URGENT, kind, body, 0);
    chains_heard(rig->chains, machine, &rig->reader, buf_span(&bytes), store_of(rig, machine), 1);
    buf_free(&bytes);
}

static void vote(struct rig *rig, uint32_t machine, uint32_t round, uint8_t value) {
    struct vote vote = {.type = VOTE_PREVOTE, .height = 7, .round = round, .validator = rig->keys[machine]};
    uint8_t body[VOTE_BYTES];
    vote.value.bytes[0] = value;
    vote_encode(body, &vote);
    say(rig, machine, FRAME_VOTE, SPAN_OF(body));
}

static void propose(struct rig *rig, uint8_t value, uint32_t valid_round) {
    struct proposal proposal = {.height = 7, .round = 2, .valid_round = valid_round, .proposer = rig->keys[0]};
    uint8_t body[PROPOSAL_BYTES];
    proposal.value.bytes[0] = value;
    proposal_encode(body, &proposal);
    say(rig, 0, FRAME_PROPOSAL, SPAN_OF(body));
}

static void tell_height(struct rig *rig, uint32_t machine, uint64_t height) {
    struct peer_status status = {.height = height, .first_height = 1};
    uint8_t body[STATUS_BYTES];
    peer_status_encode(body, &status);
    say(rig, machine, FRAME_STATUS, SPAN_OF(body));
}

static void write_now(struct kv *kv, struct kv_batch *batch) {
    assert_int_equal(kv_write(kv, batch), OK);
    kv_batch_free(batch);
}

static void change(struct kv *kv, struct span key, struct span value) {
    struct kv_batch batch = {0};
    kv_batch_put(&batch, key, value, KV_LAZY);
    write_now(kv, &batch);
}

static void forget(const struct rig *rig, uint32_t machine, enum ledger_space space, uint64_t height) {
    uint8_t key[10] = {KV_SPACE_LEDGER, (uint8_t)space};
    struct kv_batch batch = {0};
    store_u64(key + 2, height);
    kv_batch_delete(&batch, SPAN_OF(key), KV_LAZY);
    write_now(store_of(rig, machine), &batch);
}

static void chains_that_agree_are_right(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig);
    for (uint32_t i = 0; i < 4; i++)
        chains_end(rig.chains, i, store_of(&rig, i), 1);
    assert_null(rig.checker.failure.what);
    assert_true(chains_told_height(rig.chains, 0) > 3);
    rig_free(&rig);
}

static void the_same_vote_again_is_right_and_another_for_its_slot_is_found(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig);
    vote(&rig, 0, 0, 1);
    vote(&rig, 1, 0, 2);
    vote(&rig, 0, 1, 2);
    vote(&rig, 0, 0, 1);
    assert_null(rig.checker.failure.what);
    chains_disk_lost(rig.chains, 0); // is no excuse
    assert_false(chains_remembers(rig.chains, 0));
    vote(&rig, 0, 0, 2);
    assert_found(&rig, "a validator said two things for one slot");
    rig_free(&rig);
}

static void two_proposals_that_differ_in_their_valid_round_alone_are_found(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig);
    propose(&rig, 1, 0);
    propose(&rig, 1, 0);
    assert_null(rig.checker.failure.what);
    propose(&rig, 1, 1);
    assert_found(&rig, "a validator said two things for one slot");
    rig_free(&rig);
}

static void a_height_told_of_without_its_block_is_found(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig);
    forget(&rig, 1, LEDGER_BLOCKS, 3);
    tell_height(&rig, 1, 2);
    assert_null(rig.checker.failure.what);
    tell_height(&rig, 1, 3);
    assert_found(&rig, "a block is missing");
    rig_free(&rig);
}

static void a_block_without_its_signatures_is_found(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig);
    forget(&rig, 1, LEDGER_CERTIFICATES, 2);
    chains_end(rig.chains, 0, store_of(&rig, 0), 1);
    assert_null(rig.checker.failure.what);
    tell_height(&rig, 1, 2);
    assert_found(&rig, "a block stands that two thirds did not sign");
    rig_free(&rig);
}

static void a_block_that_is_gone_after_a_restart_is_found(void **state) {
    (void)state;
    struct rig rig;
    struct kv *empty = kv_memory_new();
    rig_make(&rig);
    tell_height(&rig, 1, 2);
    chains_started(rig.chains, 0, empty, 1); // told nothing
    assert_null(rig.checker.failure.what);
    chains_started(rig.chains, 1, empty, 1);
    assert_found(&rig, "a block that others were told of was lost");
    kv_close(empty);
    rig_free(&rig);
}

static void copy_entry(struct kv *kv, enum ledger_space space, uint64_t from, uint64_t to) {
    uint8_t key[10] = {KV_SPACE_LEDGER, (uint8_t)space};
    struct buf value = {0};
    store_u64(key + 2, from);
    assert_int_equal(kv_get(kv, SPAN_OF(key), &value), OK);
    store_u64(key + 2, to);
    change(kv, SPAN_OF(key), buf_span(&value));
    buf_free(&value);
}

static void two_blocks_at_one_height_are_found(void **state) {
    (void)state;
    struct rig rig;
    rig_make(&rig);
    copy_entry(store_of(&rig, 1), LEDGER_HEADERS, 2, 3);
    copy_entry(store_of(&rig, 1), LEDGER_BLOCKS, 2, 3);
    tell_height(&rig, 0, 3);
    assert_null(rig.checker.failure.what);
    tell_height(&rig, 1, 3);
    assert_found(&rig, "two validators decided differently");
    rig_free(&rig);
}

// The store's last step again.
static void look_at_head(struct rig *rig, uint32_t machine) {
    struct kv *kv = store_of(rig, machine);
    uint8_t key[] = {KV_SPACE_LEDGER, LEDGER_HEAD};
    struct buf head = {0};
    assert_int_equal(kv_get(kv, SPAN_OF(key), &head), OK);
    uint64_t height = load_u64(head.p);
    store_u64(head.p, height - 1);
    change(kv, SPAN_OF(key), buf_span(&head));
    chains_started(rig->chains, machine, kv, 1);
    store_u64(head.p, height);
    change(kv, SPAN_OF(key), buf_span(&head));
    chains_stepped(rig->chains, machine, kv, 1);
    buf_free(&head);
}

static void grains_out_of_nothing_are_found(void **state) {
    (void)state;
    struct rig rig;
    uint8_t key[35] = {KV_SPACE_LEDGER, LEDGER_STATE, 'a', 99}; // of an account
    uint8_t account[16] = {0};
    rig_make(&rig);
    look_at_head(&rig, 0);
    assert_null(rig.checker.failure.what);
    rig_free(&rig);
    rig_make(&rig);
    account[15] = 1;
    change(store_of(&rig, 0), SPAN_OF(key), SPAN_OF(account));
    look_at_head(&rig, 0);
    assert_found(&rig, "grains came or went");
    rig_free(&rig);
}

static void a_height_that_was_left_out_is_found(void **state) {
    (void)state;
    struct rig rig;
    struct kv *empty = kv_memory_new();
    rig_make(&rig);
    chains_started(rig.chains, 0, empty, 1);
    chains_stepped(rig.chains, 0, store_of(&rig, 0), 1);
    assert_found(&rig, "a height was left out");
    kv_close(empty);
    rig_free(&rig);
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_that_agree_are_right),
        cmocka_unit_test(the_same_vote_again_is_right_and_another_for_its_slot_is_found),
        cmocka_unit_test(two_proposals_that_differ_in_their_valid_round_alone_are_found),
        cmocka_unit_test(a_height_told_of_without_its_block_is_found),
        cmocka_unit_test(a_block_without_its_signatures_is_found),
        cmocka_unit_test(a_block_that_is_gone_after_a_restart_is_found),
        cmocka_unit_test(two_blocks_at_one_height_are_found),
        cmocka_unit_test(grains_out_of_nothing_are_found),
        cmocka_unit_test(a_height_that_was_left_out_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
