// Following the directory: what is taken, what is refused and why, what survives a restart, when a node asks.
#include "directory/follow.h"

#include "directory/world.h"

struct fixture {
    struct world world;
    struct follow *follow;
    struct buf bytes;       // the last proof offered
    unsigned verifications; // asked for
};

// ---- proofs: a byte that says what the verifier answers, the epoch, the directory ----

#define PROOF_HEAD 5

static enum err open_proof(struct span proof, uint32_t *epoch, struct span *directory) {
    if (proof.n < PROOF_HEAD)
        return ERR_MALFORMED;
    *epoch = load_u32(proof.p + 1);
    *directory = (struct span){proof.p + PROOF_HEAD, proof.n - PROOF_HEAD};
    return OK;
}

static enum err verify(void *ctx, struct step *step, struct span proof, const char **why) {
    struct fixture *f = ctx;
    (void)step;
    f->verifications++;
    *why = proof.p[0] == 'n' ? "a checkpoint that is missing" : "a forgery";
    return proof.p[0] == 'y' ? OK : proof.p[0] == 'n' ? ERR_REFUSED : ERR_AUTH;
}

static void load(struct fixture *f) {
    const struct follow_verifier verifier = {f, open_proof, verify};
    f->follow = follow_new(&f->world.genesis, &verifier);
    follow_load(f->follow, &f->world.step);
}

static int set_up(void **state) {
    struct fixture *f = NEW(struct fixture);
    world_init(&f->world, 4, 1);
    world_at(&f->world, 10, 1000);
    load(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    follow_free(f->follow);
    world_free(&f->world);
    buf_free(&f->bytes);
    free(f);
    return 0;
}

// Makes f->bytes: `world` has a directory of `epoch`, in a proof that names an epoch, too.
static void prove(struct fixture *f, struct world *world, char answer, uint32_t named_epoch, uint32_t epoch) {
    struct buf directory = {0};
    world_directory(world, &directory, epoch);
    buf_clear(&f->bytes);
    *buf_extend(&f->bytes, 1) = (uint8_t)answer;
    store_u32(buf_extend(&f->bytes, 4), named_epoch);
    buf_append(&f->bytes, buf_span(&directory));
    buf_free(&directory);
}

static enum err offer(struct fixture *f, char answer, uint32_t named_epoch, uint32_t epoch) {
    prove(f, &f->world, answer, named_epoch, epoch);
    enum err err = follow_take(f->follow, &f->world.step, buf_span(&f->bytes));
    world_commit(&f->world);
    return err;
}

static enum err take(struct fixture *f, uint32_t epoch) {
    return offer(f, 'y', epoch, epoch);
}

static enum err take_own(struct fixture *f, uint32_t epoch) {
    prove(f, &f->world, 'x', epoch, epoch);
    enum err err = follow_take_own(f->follow, &f->world.step, buf_span(&f->bytes));
    world_commit(&f->world);
    return err;
}

static void restart(struct fixture *f) {
    follow_free(f->follow);
    load(f);
}

static uint32_t current(const struct fixture *f) {
    struct directory *directory = follow_current(f->follow, f->world.step.now.wall_ms);
    return directory == NULL ? 0 : directory->epoch;
}

static bool holds(const struct fixture *f, uint32_t epoch) {
    struct directory *directory = follow_epoch(f->follow, epoch);
    assert_true(directory == NULL || directory->epoch == epoch);
    return directory != NULL;
}

static void a_directory_is_in_force_in_its_epoch_and_two_more(void **state) {
    struct fixture *f = *state;
    assert_int_equal(current(f), 0);
    assert_string_equal(follow_why_none(f->follow, f->world.step.now.wall_ms),
                        "a first directory: none of this network has been received yet");
    assert_int_equal(take(f, 10), OK);
    for (uint32_t epoch = 10; epoch < 13; epoch++) {
        world_at(&f->world, epoch, EPOCH_MS - 1);
        assert_int_equal(current(f), 10);
        assert_null(follow_why_none(f->follow, f->world.step.now.wall_ms));
    }
    world_at(&f->world, 13, 0);
    assert_int_equal(current(f), 0);
    assert_non_null(strstr(follow_why_none(f->follow, f->world.step.now.wall_ms), "expired"));
    world_at(&f->world, 9, 0); // not before it begins, either
    assert_int_equal(current(f), 0);
}

static void the_next_one_is_held_until_its_epoch_begins(void **state) {
    struct fixture *f = *state;
    assert_int_equal(take(f, 10), OK);
    assert_int_equal(take(f, 11), OK);
    assert_int_equal(current(f), 10);
    assert_int_equal(follow_newest(f->follow)->epoch, 11);
    world_at(&f->world, 11, 0);
    assert_int_equal(current(f), 11);
}

static void a_newcomer_that_got_the_next_one_first_still_takes_the_current_one(void **state) {
    struct fixture *f = *state;
    assert_int_equal(take(f, 11), OK);
    assert_int_equal(current(f), 0);
    assert_non_null(follow_why_none(f->follow, f->world.step.now.wall_ms));
    assert_int_equal(take(f, 10), OK);
    assert_int_equal(current(f), 10);
}

static void older_future_and_repeated_ones_are_refused_with_the_reason(void **state) {
    struct fixture *f = *state;
    assert_int_equal(take(f, 7), ERR_EXPIRED);
    assert_int_equal(take(f, 12), ERR_EPOCH);
    assert_int_equal(take(f, UINT32_MAX), ERR_EPOCH);
    assert_int_equal(take(f, 8), OK); // valid until the end of epoch 10
    assert_int_equal(take(f, 9), OK);
    assert_int_equal(take(f, 8), ERR_EXISTS);
    assert_int_equal(take(f, 10), OK);
    assert_int_equal(follow_take(f->follow, &f->world.step, buf_span(&f->bytes)), ERR_EXISTS);
    assert_int_equal(take(f, 10), ERR_EXISTS); // another of the same epoch
    restart(f);
    assert_int_equal(take(f, 9), ERR_EXISTS);
    world_at(&f->world, 11, 0);
    assert_int_equal(take(f, 11), OK);
    world_at(&f->world, 12, 0);
    assert_int_equal(take(f, 12), OK);
    world_at(&f->world, 13, 0);
    assert_int_equal(take(f, 13), OK);
    assert_int_equal(take(f, 9), ERR_EXPIRED);
}

static void an_older_valid_one_does_not_replace_the_one_in_force(void **state) {
    struct fixture *f = *state;
    assert_int_equal(take(f, 10), OK);
    assert_int_equal(take(f, 9), ERR_EXPIRED);
    restart(f);
    assert_int_equal(take(f, 9), ERR_EXPIRED);
    assert_int_equal(current(f), 10);
}

static void others_directories_are_refused(void **state) {
    struct fixture *f = *state;
    struct world other;
    world_init(&other, 4, 2);
    other.genesis.name[0] = 'T';
    genesis_seal(&other.genesis);
    prove(f, &other, 'y', 10, 10);
    assert_int_equal(follow_take(f->follow, &f->world.step, buf_span(&f->bytes)), ERR_NETWORK);
    assert_int_equal(offer(f, 'x', 10, 10), ERR_AUTH);
    assert_int_equal(follow_take(f->follow, &f->world.step, SPAN_LITERAL("no directory")), ERR_MALFORMED);
    assert_int_equal(follow_take(f->follow, &f->world.step, (struct span){0}), ERR_MALFORMED);
    assert_int_equal(current(f), 0);
    assert_int_equal(kv_batch_count(&f->world.batch), 0);
    world_free(&other);
}

static void a_refusal_is_told_in_words(void **state) {
    struct fixture *f = *state;
    assert_int_equal(take(f, 10), OK);
    assert_int_equal(take(f, 9), ERR_EXPIRED);
    assert_non_null(strstr(follow_refusal(f->follow), "old directory"));
    assert_int_equal(take(f, 12), ERR_EPOCH);
    assert_non_null(strstr(follow_refusal(f->follow), "future"));
    assert_int_equal(follow_take(f->follow, &f->world.step, SPAN_LITERAL("x")), ERR_MALFORMED);
    assert_non_null(strstr(follow_refusal(f->follow), "malformed"));
}

static void what_is_held_survives_a_restart_and_no_more_than_four_are(void **state) {
    struct fixture *f = *state;
    for (uint32_t epoch = 10; epoch < 30; epoch++) {
        world_at(&f->world, epoch, EPOCH_MS - 5000);
        if (epoch == 10)
            assert_int_equal(take(f, epoch), OK);
        assert_int_equal(take(f, epoch + 1), OK);
        assert_true(f->world.batch.count == 0);
        restart(f);
        assert_int_equal(current(f), epoch);
        for (uint32_t e = 10; e < 33; e++)
            assert_int_equal(holds(f, e), e <= epoch + 1 && e + 3 > epoch);
    }
}

static void a_gap_in_the_epochs_leaves_nothing_stale(void **state) {
    struct fixture *f = *state;
    assert_int_equal(take(f, 10), OK);
    assert_int_equal(take(f, 11), OK);
    world_at(&f->world, 20, 0);
    assert_int_equal(current(f), 0);
    assert_int_equal(take(f, 20), OK);
    assert_false(holds(f, 10));
    assert_false(holds(f, 11));
    restart(f);
    assert_true(holds(f, 20));
    assert_false(holds(f, 10));
    assert_false(holds(f, 11));
}

static void what_another_network_left_in_the_store_is_not_used(void **state) {
    struct fixture *f = *state;
    assert_int_equal(take(f, 10), OK);
    f->world.genesis.name[0] = 'T';
    genesis_seal(&f->world.genesis);
    restart(f);
    assert_int_equal(current(f), 0);
    assert_int_equal(take(f, 10), OK);
    assert_int_equal(current(f), 10);
}

static void a_clock_set_back_does_not_lock_the_node_out(void **state) {
    struct fixture *f = *state;
    world_at(&f->world, 500, 0);
    assert_int_equal(take(f, 500), OK);
    world_at(&f->world, 10, 0);
    assert_int_equal(current(f), 0);
    assert_non_null(strstr(follow_why_none(f->follow, f->world.step.now.wall_ms), "clock"));
    assert_int_equal(take(f, 10), OK);
    assert_int_equal(current(f), 10);
    world_at(&f->world, 11, 0);
    assert_int_equal(take(f, 11), OK);
    restart(f);
    assert_int_equal(current(f), 11);
}

static void before_genesis_only_the_first_directory_is_taken(void **state) {
    struct fixture *f = *state;
    f->world.step.now.wall_ms = GENESIS_MS - 1;
    assert_int_equal(take(f, 2), ERR_EPOCH);
    assert_int_equal(take(f, 1), OK);
    assert_int_equal(current(f), 0);
    assert_non_null(strstr(follow_why_none(f->follow, f->world.step.now.wall_ms), "not begun"));
    f->world.step.now.wall_ms = GENESIS_MS;
    assert_int_equal(current(f), 1);
}

static void in_a_network_of_long_epochs_a_directory_ages_by_the_clock(void **state) {
    struct fixture *f = *state;
    f->world.genesis.epoch_ms = 10 * HOUR_MS;
    world_at(&f->world, 10, 0);
    assert_int_equal(take(f, 10), OK);
    const struct directory *held = follow_newest(f->follow);
    uint64_t expiry_ms = held->issued_ms + DIRECTORY_MAX_AGE_MS;
    assert_true(follow_expiry_ms(f->follow, held) == expiry_ms);
    assert_non_null(follow_current(f->follow, expiry_ms - 1));
    assert_null(follow_current(f->follow, expiry_ms));
    assert_true(follow_take(f->follow, &f->world.step, buf_span(&f->bytes)) == ERR_EXISTS);
}

static void what_is_proved_is_taken_as_it_came_and_not_verified_again(void **state) {
    struct fixture *f = *state;
    assert_int_equal(offer(f, 'x', 10, 10), ERR_AUTH);
    assert_string_equal(follow_refusal(f->follow), "a forgery");
    assert_int_equal(current(f), 0);
    assert_int_equal(offer(f, 'y', 9, 10), ERR_MALFORMED); // the proof is of another epoch
    assert_int_equal(take(f, 10), OK);
    assert_true(span_equal(buf_span(&f->bytes), buf_span(&follow_newest(f->follow)->bytes)));
    assert_int_equal(current(f), 10);
    restart(f);
    assert_int_equal(current(f), 10);
    assert_int_equal(f->verifications, 2);
    assert_int_equal(take(f, 9), ERR_EXPIRED); // refused before anything is verified
    assert_int_equal(take(f, 12), ERR_EPOCH);
    assert_int_equal(f->verifications, 2);
}

static void the_own_ledgers_directory_needs_no_proof(void **state) {
    struct fixture *f = *state;
    assert_int_equal(take_own(f, 10), OK);
    assert_int_equal(take_own(f, 9), ERR_EXPIRED);
    assert_int_equal(f->verifications, 0);
}

static void what_keeps_all_directories_out_is_what_the_node_waits_for(void **state) {
    struct fixture *f = *state;
    assert_int_equal(offer(f, 'x', 10, 10), ERR_AUTH);
    assert_non_null(strstr(follow_why_none(f->follow, f->world.step.now.wall_ms), "a first directory"));
    assert_int_equal(offer(f, 'n', 10, 10), ERR_REFUSED);
    assert_string_equal(follow_why_none(f->follow, f->world.step.now.wall_ms), "a checkpoint that is missing");
    assert_int_equal(take(f, 10), OK);
    world_at(&f->world, 20, 0);
    assert_non_null(strstr(follow_why_none(f->follow, f->world.step.now.wall_ms), "expired"));
}

// ---- asking ----

// Lets time pass until the node asks or `until` comes; follows next_ms. Returns whether it asked.
static bool passes_until_asked(struct fixture *f, uint64_t until_mono_ms, uint32_t *asked) {
    for (unsigned turns = 0; turns < 100000; turns++) {
        if (follow_wants(f->follow, &f->world.step, asked))
            return true;
        uint64_t next_ms = follow_next_ms(f->follow);
        assert_true(next_ms > f->world.step.now.mono_ms);
        if (next_ms >= until_mono_ms)
            return false;
        f->world.step.now.wall_ms += next_ms - f->world.step.now.mono_ms;
        f->world.step.now.mono_ms = next_ms;
    }
    fail_msg("the node does not come to rest");
    return false;
}

static void without_any_a_node_asks_at_once_then_with_backoff(void **state) {
    struct fixture *f = *state;
    uint32_t asked = 99;
    uint64_t start_ms = f->world.step.now.mono_ms;
    unsigned asks = 0;
    while (passes_until_asked(f, start_ms + 50 * SECOND_MS, &asked)) {
        assert_int_equal(asked, 0);
        asks++;
        if (asks == 1)
            assert_int_equal(f->world.step.now.mono_ms, start_ms);
    }
    assert_in_range(asks, 50, 300);
}

static void with_the_next_one_only_the_current_one_is_asked_for(void **state) {
    struct fixture *f = *state;
    uint32_t asked = 0;
    assert_int_equal(take(f, 11), OK);
    assert_true(passes_until_asked(f, TIME_NEVER, &asked));
    assert_int_equal(asked, 10);
}

static void with_an_older_valid_one_the_current_one_is_asked_for(void **state) {
    struct fixture *f = *state;
    uint32_t asked = 0;
    assert_int_equal(take(f, 9), OK);
    assert_true(passes_until_asked(f, TIME_NEVER, &asked));
    assert_int_equal(asked, 10);
}

static void with_an_expired_one_the_newest_there_is_is_asked_for(void **state) {
    struct fixture *f = *state;
    uint32_t asked = 99;
    assert_int_equal(take(f, 10), OK);
    world_at(&f->world, 20, 0);
    assert_true(passes_until_asked(f, TIME_NEVER, &asked));
    assert_int_equal(asked, 0);
}

static void the_next_one_is_asked_for_when_its_epoch_has_begun_and_not_in_step(void **state) {
    struct fixture *f = *state;
    uint64_t first_ms[20];
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t asked = 0;
        world_at(&f->world, 10 + i, EPOCH_MS / 2);
        if (!holds(f, 10 + i))
            assert_int_equal(take(f, 10 + i), OK);
        assert_true(passes_until_asked(f, TIME_NEVER, &asked));
        assert_int_equal(asked, 11 + i);
        uint64_t after_ms = f->world.step.now.wall_ms - epoch_start_ms(&f->world.genesis, 11 + i);
        assert_in_range(after_ms, 0, EPOCH_MS / 12);
        first_ms[i] = after_ms;
        assert_int_equal(take(f, 11 + i), OK);
        // and then nothing is asked for until the next epoch
        assert_false(passes_until_asked(f, f->world.step.now.mono_ms + EPOCH_MS / 2, &asked));
    }
    unsigned different = 0;
    for (size_t i = 1; i < 20; i++)
        different += first_ms[i] != first_ms[0];
    assert_true(different > 10);
}

static void a_network_without_directories_is_not_flooded(void **state) {
    struct fixture *f = *state;
    f->world.genesis.epoch_ms = HOUR_MS;
    world_at(&f->world, 10, 0);
    uint32_t asked;
    unsigned asks = 0;
    uint64_t until = f->world.step.now.mono_ms + 10 * HOUR_MS;
    while (passes_until_asked(f, until, &asked))
        asks++;
    assert_in_range(asks, 400, 2000); // about one a minute, and a few quick ones each epoch
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_directory_is_in_force_in_its_epoch_and_two_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_one_is_held_until_its_epoch_begins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_newcomer_that_got_the_next_one_first_still_takes_the_current_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(older_future_and_repeated_ones_are_refused_with_the_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_valid_one_does_not_replace_the_one_in_force, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_directories_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_is_told_in_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_held_survives_a_restart_and_no_more_than_four_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gap_in_the_epochs_leaves_nothing_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_another_network_left_in_the_store_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_set_back_does_not_lock_the_node_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(before_genesis_only_the_first_directory_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_any_a_node_asks_at_once_then_with_backoff, set_up, tear_down),
        cmocka_unit_test_setup_teardown(with_the_next_one_only_the_current_one_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(with_an_older_valid_one_the_current_one_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(with_an_expired_one_the_newest_there_is_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_one_is_asked_for_when_its_epoch_has_begun_and_not_in_step, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(in_a_network_of_long_epochs_a_directory_ages_by_the_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_proved_is_taken_as_it_came_and_not_verified_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_own_ledgers_directory_needs_no_proof, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_keeps_all_directories_out_is_what_the_node_waits_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_network_without_directories_is_not_flooded, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("directory/follow", tests, world_setup, NULL);
}
