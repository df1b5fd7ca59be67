// The signer never signs two things for one slot, whatever is asked of it and whenever it ends.
#include "ledger/consensus/signer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "log_rig.h"
#include "no_randombytes.h"

static const uint8_t seed[32] = {5};
static const uint8_t other_seed[32] = {6};
static const struct network_id network = {{9}};

// A validator's process: the log under it survives, the signer does not.
struct process {
    struct log_rig rig;
    struct signer *signer;
};

static enum err recover_all(struct process *process) {
    struct wal_recovery recovery;
    struct span log = buf_span(&process->rig.log);
    assert_int_equal(wal_recover(&recovery, log), OK);
    struct step step = log_rig_step(&process->rig);
    wal_cut_torn_end(&step, log, &recovery);
    struct span rest = span_of(log.p, recovery.valid_bytes);
    struct wal_record record;
    enum err err = OK;
    while (err == OK && wal_next(&record, &rest)) {
        if (record.type == WAL_SIGNER)
            err = signer_recover(process->signer, &record);
    }
    log_rig_apply(&process->rig);
    return err;
}

static enum err start_blank(struct process *process, const uint8_t with[static 32], bool chain_begun) {
    signer_free(process->signer);
    process->signer = signer_new(with, &network);
    enum err err = recover_all(process);
    if (err != OK)
        return err;
    struct step step = log_rig_step(&process->rig);
    err = signer_start(process->signer, &step, chain_begun);
    log_rig_apply(&process->rig);
    return err;
}

static void admit(struct process *process, uint64_t from_height) {
    struct step step = log_rig_step(&process->rig);
    signer_admit(process->signer, &step, from_height);
    log_rig_apply(&process->rig);
}

static enum err start(struct process *process, const uint8_t with[static 32], bool chain_begun) {
    enum err err = start_blank(process, with, chain_begun);
    if (err == OK && signer_is_blank(process->signer))
        admit(process, 1);
    return err;
}

static void free_process(struct process *process) {
    signer_free(process->signer);
    log_rig_free(&process->rig);
}

static enum err sign(struct process *process, struct signature *out, struct sign_slot slot, const char *message) {
    struct step step = log_rig_step(&process->rig);
    enum err err = signer_sign(process->signer, &step, out, &slot, span_of_text(message));
    log_rig_apply(&process->rig);
    return err;
}

#define SLOT(height_, round_, step_) ((struct sign_slot){.height = height_, .round = round_, .step = step_})

static void a_signature_is_that_of_the_domain_network_and_message(void **state) {
    (void)state;
    struct process process = {0};
    assert_int_equal(start(&process, seed, false), OK);
    static const struct {
        enum sign_step step;
        const char *domain;
    } cases[] = {{SIGN_PROPOSAL, "sotto proposal 1"}, {SIGN_PREVOTE, "sotto vote 1"}, {SIGN_PRECOMMIT, "sotto vote 1"}};
    for (size_t i = 0; i < 3; i++) {
        struct signature signature;
        assert_int_equal(sign(&process, &signature, SLOT(1, 0, cases[i].step), "message"), OK);
        const struct span parts[] = {SPAN_OF(network.bytes), SPAN_LITERAL("message")};
        assert_int_equal(verify_parts(&signature, signer_key(process.signer), cases[i].domain, parts, 2), OK);
    }
    free_process(&process);
}

static void slots_rise_and_nothing_else_is_signed(void **state) {
    (void)state;
    struct process process = {0};
    struct signature signature;
    assert_int_equal(start(&process, seed, false), OK);
    static const struct sign_slot rising[] = {
        SLOT(1, 0, SIGN_PROPOSAL), SLOT(1, 0, SIGN_PREVOTE),   SLOT(1, 0, SIGN_PRECOMMIT), SLOT(1, 1, SIGN_PREVOTE),
        SLOT(1, 7, SIGN_PROPOSAL), SLOT(2, 0, SIGN_PRECOMMIT), SLOT(900, 0, SIGN_PREVOTE)};
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++) {
        assert_int_equal(sign(&process, &signature, rising[i], "first"), OK);
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(sign(&process, &signature, rising[k], "first"), ERR_REFUSED);
            assert_int_equal(sign(&process, &signature, rising[k], "second"), ERR_REFUSED);
        }
        assert_int_equal(signer_slot(process.signer).height, rising[i].height);
    }
    free_process(&process);
}

static void one_slot_gets_one_signature(void **state) {
    (void)state;
    struct process process = {0};
    struct signature first, again;
    assert_int_equal(start(&process, seed, false), OK);
    assert_int_equal(sign(&process, &first, SLOT(4, 2, SIGN_PREVOTE), "value"), OK);
    size_t logged = process.rig.log.n;
    assert_int_equal(sign(&process, &again, SLOT(4, 2, SIGN_PREVOTE), "value"), OK);
    assert_memory_equal(&first, &again, sizeof first);
    assert_int_equal(process.rig.log.n, logged); // it is in the log already
    assert_int_equal(sign(&process, &again, SLOT(4, 2, SIGN_PREVOTE), "other"), ERR_REFUSED);
    assert_int_equal(sign(&process, &again, SLOT(4, 2, SIGN_PREVOTE), "valu"), ERR_REFUSED);
    free_process(&process);
}

static void a_signature_is_durable_with_its_step(void **state) {
    (void)state;
    struct process process = {0};
    struct signature signature;
    assert_int_equal(start(&process, seed, false), OK);
    assert_int_equal(process.rig.durable, process.rig.log.n);
    assert_int_equal(sign(&process, &signature, SLOT(1, 0, SIGN_PREVOTE), "value"), OK);
    assert_int_equal(process.rig.durable, process.rig.log.n);
    free_process(&process);
}

static void a_restarted_signer_remembers(void **state) {
    (void)state;
    struct process process = {0};
    struct signature first, again;
    assert_int_equal(start(&process, seed, false), OK);
    assert_int_equal(sign(&process, &first, SLOT(4, 2, SIGN_PREVOTE), "value"), OK);
    assert_int_equal(start(&process, seed, true), OK);
    assert_int_equal(sign(&process, &again, SLOT(4, 2, SIGN_PREVOTE), "other"), ERR_REFUSED);
    assert_int_equal(sign(&process, &again, SLOT(4, 2, SIGN_PROPOSAL), "value"), ERR_REFUSED);
    assert_int_equal(sign(&process, &again, SLOT(4, 2, SIGN_PREVOTE), "value"), OK);
    assert_memory_equal(&first, &again, sizeof first);
    free_process(&process);
}

static void a_reset_log_keeps_the_memory_and_nothing_else(void **state) {
    (void)state;
    struct process process = {0};
    struct signature signature;
    assert_int_equal(start(&process, seed, false), OK);
    assert_int_equal(sign(&process, &signature, SLOT(4, 2, SIGN_PREVOTE), "value"), OK);
    struct step step = log_rig_step(&process.rig);
    for (int i = 0; i < 5; i++)
        wal_append(&step, &(struct wal_record){.type = WAL_INPUT, .height = 4, .body = SPAN_LITERAL("input")});
    log_rig_apply(&process.rig);
    signer_reset_log(process.signer, &step);
    assert_true(log_rig_apply(&process.rig));
    struct wal_recovery recovery;
    assert_int_equal(wal_recover(&recovery, buf_span(&process.rig.log)), OK);
    assert_int_equal(recovery.records, 1);
    assert_int_equal(start(&process, seed, true), OK);
    assert_int_equal(sign(&process, &signature, SLOT(4, 2, SIGN_PREVOTE), "other"), ERR_REFUSED);
    signer_reset_log(NULL, &step);
    log_rig_apply(&process.rig);
    assert_int_equal(process.rig.log.n, 0);
    free_process(&process);
}

static void a_key_without_its_memory_does_not_start_in_a_chain_that_has_begun(void **state) {
    (void)state;
    struct process process = {0};
    assert_int_equal(start(&process, seed, true), ERR_REFUSED);
    assert_int_equal(process.rig.log.n, 0);
    assert_int_equal(start(&process, seed, false), OK);
    assert_int_equal(start(&process, seed, true), OK); // that it had begun to sign nothing is a memory, too
    assert_int_equal(start(&process, other_seed, true), ERR_REFUSED);
    free_process(&process);
}

static void a_blank_key_signs_nothing_until_it_is_admitted(void **state) {
    (void)state;
    struct process process = {0};
    struct signature signature;
    for (size_t run = 0; run < 2; run++) { // and it is blank again after a restart
        assert_int_equal(start_blank(&process, seed, run > 0), OK);
        assert_true(signer_is_blank(process.signer) && signer_is_silent(process.signer, UINT64_MAX));
        assert_int_equal(sign(&process, &signature, SLOT(1, 0, SIGN_PREVOTE), "vote"), ERR_REFUSED);
    }
    admit(&process, 1);
    assert_false(signer_is_silent(process.signer, 1));
    assert_int_equal(sign(&process, &signature, SLOT(1, 0, SIGN_PREVOTE), "vote"), OK);
    free_process(&process);
}

static void what_a_key_was_admitted_from_is_remembered(void **state) {
    (void)state;
    struct process process = {0};
    struct signature signature;
    assert_int_equal(start_blank(&process, seed, false), OK);
    admit(&process, 9);
    for (size_t run = 0; run < 3; run++) {
        assert_true(signer_is_silent(process.signer, 8) && !signer_is_silent(process.signer, 9));
        assert_int_equal(sign(&process, &signature, SLOT(8, 7, SIGN_PRECOMMIT), "vote"), ERR_REFUSED);
        if (run == 1) {
            struct step step = log_rig_step(&process.rig);
            signer_reset_log(process.signer, &step);
            log_rig_apply(&process.rig);
        }
        assert_int_equal(start_blank(&process, seed, true), OK);
        assert_false(signer_is_blank(process.signer));
    }
    assert_int_equal(sign(&process, &signature, SLOT(9, 0, SIGN_PROPOSAL), "proposal"), OK);
    free_process(&process);
}

static void each_key_remembers_its_own(void **state) {
    (void)state;
    struct process process = {0};
    struct signature signature;
    assert_int_equal(start(&process, seed, false), OK);
    assert_int_equal(sign(&process, &signature, SLOT(9, 0, SIGN_PREVOTE), "value"), OK);
    assert_int_equal(start(&process, other_seed, false), OK);
    assert_int_equal(sign(&process, &signature, SLOT(1, 0, SIGN_PREVOTE), "value"), OK);
    assert_int_equal(start(&process, seed, true), OK);
    assert_int_equal(signer_slot(process.signer).height, 9);
    free_process(&process);
}

static void damaged_memories_are_refused(void **state) {
    (void)state;
    struct process process = {0};
    struct signature signature;
    assert_int_equal(start(&process, seed, false), OK);
    assert_int_equal(sign(&process, &signature, SLOT(4, 2, SIGN_PREVOTE), "value"), OK);
    struct span rest = buf_span(&process.rig.log);
    struct wal_record first, second;
    assert_true(wal_next(&first, &rest) && wal_next(&second, &rest));
    struct signer *signer = signer_new(seed, &network);
    uint8_t body[256];
    memcpy(body, second.body.p, second.body.n);
    for (size_t i = 32; i < second.body.n; i++) { // the record's key first: that of another is passed over
        body[i] ^= 1;
        struct wal_record record = {.type = WAL_SIGNER, .height = 4, .body = span_of(body, second.body.n)};
        // The slot is not signed by itself, but by the message that a driver makes of it.
        if (i >= 37)
            assert_int_equal(signer_recover(signer, &record), ERR_CORRUPT);
        body[i] ^= 1;
    }
    for (size_t n = 0; n < 32 + 4 + 1 + 64; n++) {
        struct wal_record record = {.type = WAL_SIGNER, .height = 4, .body = span_of(body, n)};
        assert_int_equal(signer_recover(signer, &record), ERR_CORRUPT);
    }
    assert_int_equal(signer_recover(signer, &second), OK);
    assert_int_equal(signer_recover(signer, &second), ERR_CORRUPT);
    assert_int_equal(signer_recover(signer, &first), ERR_CORRUPT);
    signer_free(signer);
    free_process(&process);
}

// ---- by seed: any requests, crashes at any byte that was not synced ----

#define SEEDS 300
#define ACTIONS 60
#define HEIGHTS 4
#define ROUNDS 3

// What has left the validator for each slot: the number of the message, plus one.
struct released {
    uint8_t message[HEIGHTS][ROUNDS][SIGN_PRECOMMIT + 1];
};

static void sign_anything(struct process *process, struct released *released, struct rng *rng) {
    struct sign_slot slot = SLOT(rng_below(rng, HEIGHTS), (uint32_t)rng_below(rng, ROUNDS),
                                 (enum sign_step)(1 + rng_below(rng, SIGN_PRECOMMIT)));
    uint8_t number = (uint8_t)rng_below(rng, 3);
    const char text[] = {(char)('a' + number), '\0'};
    struct signature signature;
    if (sign(process, &signature, slot, text) != OK)
        return;
    uint8_t *before = &released->message[slot.height][slot.round][slot.step];
    assert_true(*before == 0 || *before == number + 1);
    assert_true(*before != 0 || process->rig.durable == process->rig.log.n);
    *before = number + 1;
}

static void crash(struct process *process, struct rng *rng) {
    struct log_rig *rig = &process->rig;
    rig->log.n = rig->durable + (size_t)rng_below(rng, rig->log.n - rig->durable + 1);
    assert_int_equal(start(process, seed, true), OK);
    rig->durable = rig->log.n;
}

static void log_input(struct process *process, struct rng *rng) {
    uint8_t body[40];
    rng_bytes(rng, body, sizeof body);
    struct step step = log_rig_step(&process->rig);
    wal_append(&step, &(struct wal_record){.type = WAL_INPUT, .height = 1, .body = SPAN_OF(body)});
    log_rig_apply(&process->rig);
}

static void no_slot_ever_gets_two_signatures(void **state) {
    (void)state;
    unsigned crashes = 0;
    for (uint32_t run = 0; run < SEEDS; run++) {
        uint8_t bytes[RNG_SEED_BYTES] = {0};
        struct rng rng;
        store_u32(bytes, run);
        rng_init(&rng, bytes);
        struct process process = {0};
        struct released released = {0};
        assert_int_equal(start(&process, seed, false), OK);
        for (unsigned i = 0; i < ACTIONS; i++) {
            uint64_t roll = rng_below(&rng, 10);
            if (roll < 5) {
                sign_anything(&process, &released, &rng);
            } else if (roll < 8) {
                log_input(&process, &rng);
            } else if (roll == 8) {
                struct step step = log_rig_step(&process.rig);
                signer_reset_log(process.signer, &step);
                log_rig_apply(&process.rig);
            } else {
                crash(&process, &rng);
                crashes++;
            }
        }
        free_process(&process);
    }
    assert_true(crashes > SEEDS);
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_that_of_the_domain_network_and_message),
        cmocka_unit_test(slots_rise_and_nothing_else_is_signed),
        cmocka_unit_test(one_slot_gets_one_signature),
        cmocka_unit_test(a_signature_is_durable_with_its_step),
        cmocka_unit_test(a_restarted_signer_remembers),
        cmocka_unit_test(a_reset_log_keeps_the_memory_and_nothing_else),
        cmocka_unit_test(a_key_without_its_memory_does_not_start_in_a_chain_that_has_begun),
        cmocka_unit_test(a_blank_key_signs_nothing_until_it_is_admitted),
        cmocka_unit_test(what_a_key_was_admitted_from_is_remembered),
        cmocka_unit_test(each_key_remembers_its_own),
        cmocka_unit_test(damaged_memories_are_refused),
        cmocka_unit_test(no_slot_ever_gets_two_signatures),
    };
    return cmocka_run_group_tests_name("ledger/signer", tests, NULL, NULL);
}
