// The simulated disk breaks as real ones do, and no worse: what was synced stays, of the rest a prefix.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "no_randombytes.h"
#include "sim/disk.h"

static void put(struct disk *disk, uint8_t key) {
    struct kv_batch batch = {0};
    kv_batch_put(&batch, SPAN_OF(((uint8_t[]){1, key})), SPAN_LITERAL("value"), KV_LAZY);
    disk_write(disk, &batch, &(struct log_batch){0});
    kv_batch_free(&batch);
}

static bool has(struct disk *disk, uint8_t key) {
    return kv_has(disk->kv, SPAN_OF(((uint8_t[]){1, key})));
}

static void seed(struct rng *rng, uint8_t with) {
    uint8_t bytes[RNG_SEED_BYTES] = {with};
    rng_init(rng, bytes);
}

static void writes_are_seen_at_once_and_survive_a_kill(void **state) {
    (void)state;
    struct disk disk;
    struct rng rng;
    seed(&rng, 1);
    disk_init(&disk);
    put(&disk, 1);
    assert_true(has(&disk, 1));
    disk_sync_begin(&disk);
    disk_killed(&disk, &rng);
    assert_false(disk_is_syncing(&disk));
    assert_true(has(&disk, 1));
    disk_free(&disk);
}

static void a_power_loss_takes_any_suffix_of_what_was_not_synced(void **state) {
    (void)state;
    bool kept_counts[6] = {false};
    for (uint8_t run = 0; run < 100; run++) {
        struct disk disk;
        struct rng rng;
        seed(&rng, run);
        disk_init(&disk);
        put(&disk, 0);
        disk_sync_begin(&disk);
        disk_sync_end(&disk);
        for (uint8_t key = 1; key <= 5; key++)
            put(&disk, key);
        size_t lost = disk_power_lost(&disk, &rng);
        assert_true(has(&disk, 0));
        for (uint8_t key = 1; key <= 5; key++)
            assert_true(has(&disk, key) == (key <= 5 - lost));
        kept_counts[5 - lost] = true;
        disk_free(&disk);
    }
    for (size_t i = 0; i < 6; i++)
        assert_true(kept_counts[i]);
}

static void a_sync_covers_what_was_written_before_it_began(void **state) {
    (void)state;
    bool later_lost = false;
    for (uint8_t run = 0; run < 20; run++) {
        struct disk disk;
        struct rng rng;
        seed(&rng, run);
        disk_init(&disk);
        put(&disk, 1);
        disk_sync_begin(&disk);
        put(&disk, 2);
        disk_sync_end(&disk);
        assert_int_equal(disk.synced, 1);
        disk_power_lost(&disk, &rng);
        assert_true(has(&disk, 1));
        later_lost = later_lost || !has(&disk, 2);
        disk_free(&disk);
    }
    assert_true(later_lost);
}

static void what_a_power_loss_left_is_durable(void **state) {
    (void)state;
    struct disk disk;
    struct rng rng;
    seed(&rng, 3);
    disk_init(&disk);
    for (uint8_t key = 1; key <= 5; key++)
        put(&disk, key);
    size_t kept = 5 - disk_power_lost(&disk, &rng);
    assert_int_equal(disk_power_lost(&disk, &rng), 0);
    for (uint8_t key = 1; key <= 5; key++)
        assert_true(has(&disk, key) == (key <= kept));
    put(&disk, 9);
    disk_sync_begin(&disk);
    disk_sync_end(&disk);
    disk_power_lost(&disk, &rng);
    assert_true(has(&disk, 9));
    disk_free(&disk);
}

static void a_replaced_disk_is_empty(void **state) {
    (void)state;
    struct disk disk;
    disk_init(&disk);
    put(&disk, 1);
    disk_sync_begin(&disk);
    disk_sync_end(&disk);
    disk_destroyed(&disk);
    assert_false(has(&disk, 1));
    disk_free(&disk);
}

// ---- the log ----

// Appends one byte many times over; `reset` first.
static void append(struct disk *disk, uint8_t byte, bool reset) {
    uint8_t bytes[8];
    memset(bytes, byte, sizeof bytes);
    struct log_batch log = {0};
    if (reset)
        log_batch_reset(&log, SPAN_OF(bytes));
    else
        log_batch_append(&log, SPAN_OF(bytes));
    disk_write(disk, &(struct kv_batch){0}, &log);
    log_batch_free(&log);
}

static void sync_now(struct disk *disk) {
    disk_sync_begin(disk);
    disk_sync_end(disk);
}

static void assert_log(struct disk *disk, const char *digits) {
    struct span log = buf_span(&disk->log);
    assert_int_equal(log.n, 8 * strlen(digits));
    for (size_t i = 0; i < log.n; i++)
        assert_int_equal(log.p[i], digits[i / 8] - '0');
}

static void what_no_sync_covered_is_not_in_the_log(void **state) {
    (void)state;
    struct disk disk;
    struct rng rng;
    seed(&rng, 1);
    disk_init(&disk);
    append(&disk, 1, false);
    sync_now(&disk);
    append(&disk, 2, false);
    disk_killed(&disk, &rng);
    assert_log(&disk, "1");
    append(&disk, 3, false);
    disk_power_lost(&disk, &rng);
    assert_log(&disk, "1");
    disk_free(&disk);
}

static void the_end_within_a_sync_tears_what_it_covers(void **state) {
    (void)state;
    bool kept[3] = {false}, torn[2] = {false}, rubbish[2] = {false};
    for (unsigned run = 0; run < 400; run++) {
        struct disk disk;
        struct rng rng;
        bool power = run % 2 == 0;
        seed(&rng, (uint8_t)(run / 2));
        disk_init(&disk);
        append(&disk, 1, false);
        sync_now(&disk);
        append(&disk, 2, false);
        append(&disk, 3, false);
        disk_sync_begin(&disk);
        append(&disk, 4, false);
        if (power)
            disk_power_lost(&disk, &rng);
        else
            disk_killed(&disk, &rng);
        struct span log = buf_span(&disk.log);
        size_t good = 0;
        while (good < log.n && good < 24 && log.p[good] == 1 + good / 8)
            good++;
        assert_true(good >= 8);
        kept[(good - 8) / 8] = true;
        torn[power] = torn[power] || (good % 8 != 0 && good == log.n);
        rubbish[power] = rubbish[power] || log.n > good;
        disk_free(&disk);
    }
    assert_true(kept[0] && kept[1] && kept[2] && torn[0] && torn[1] && rubbish[true] && !rubbish[false]);
}

static void a_reset_is_whole_or_not_at_all(void **state) {
    (void)state;
    unsigned before = 0, after = 0;
    for (uint8_t run = 0; run < 200; run++) {
        struct disk disk;
        struct rng rng;
        seed(&rng, run);
        disk_init(&disk);
        append(&disk, 1, false);
        sync_now(&disk);
        append(&disk, 2, true);
        disk_sync_begin(&disk);
        append(&disk, 3, true); // not covered
        if (run % 2 == 0)
            disk_power_lost(&disk, &rng);
        else
            disk_killed(&disk, &rng);
        struct span log = buf_span(&disk.log);
        assert_int_equal(log.n, 8);
        assert_in_range(log.p[0], 1, 2);
        *(log.p[0] == 1 ? &before : &after) += 1;
        disk_free(&disk);
    }
    assert_true(before > 0 && after > 0);
}

static void a_step_in_the_log_is_in_the_store(void **state) {
    (void)state;
    for (uint8_t run = 0; run < 200; run++) {
        struct disk disk;
        struct rng rng;
        seed(&rng, run);
        disk_init(&disk);
        append(&disk, 1, false);
        sync_now(&disk);
        put(&disk, 1);
        append(&disk, 2, run % 2 == 0);
        disk_sync_begin(&disk);
        if (run % 3 == 0)
            disk_killed(&disk, &rng);
        disk_power_lost(&disk, &rng);
        struct span log = buf_span(&disk.log);
        bool told = log.n > 0 && log.p[log.n == 8 ? 0 : 8] == 2;
        assert_true(has(&disk, 1) || !told);
        disk_free(&disk);
    }
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_are_seen_at_once_and_survive_a_kill),
        cmocka_unit_test(a_power_loss_takes_any_suffix_of_what_was_not_synced),
        cmocka_unit_test(a_sync_covers_what_was_written_before_it_began),
        cmocka_unit_test(what_a_power_loss_left_is_durable),
        cmocka_unit_test(a_replaced_disk_is_empty),
        cmocka_unit_test(what_no_sync_covered_is_not_in_the_log),
        cmocka_unit_test(the_end_within_a_sync_tears_what_it_covers),
        cmocka_unit_test(a_reset_is_whole_or_not_at_all),
        cmocka_unit_test(a_step_in_the_log_is_in_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
