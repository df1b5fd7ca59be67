// The checkers prove themselves: each lets a right history pass and objects to one that breaks its rule.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "sim/checker.h"

#define LIFETIME_MS (10 * MINUTE_MS)
#define END_MS (5 * MINUTE_MS)

static const uint32_t signers[] = {3, 4, 5};

static void begin(struct checker *checker) {
    checker_init(checker, 2);
}

static struct check_message *sent(struct checker *checker, uint32_t number, uint64_t at_ms) {
    struct check_message *message = check_sending(checker, 1, 2, number, at_ms, LIFETIME_MS);
    message->accepted = true;
    return message;
}

static void stored(struct checker *checker, uint32_t number, uint64_t at_ms) {
    check_state(checker, check_find(checker, 1, 2, number), MESSAGE_STORED, signers, 3, at_ms);
}

static void acknowledged(struct checker *checker, uint32_t number, uint64_t at_ms) {
    check_state(checker, check_find(checker, 1, 2, number), MESSAGE_ACKNOWLEDGED, signers, 3, at_ms);
}

static void passes(struct checker *checker) {
    check_end(checker, END_MS);
    assert_null(checker->failure.what);
    checker_free(checker);
}

static void fails(struct checker *checker, const char *what) {
    check_end(checker, END_MS);
    assert_non_null(checker->failure.what);
    assert_string_equal(checker->failure.what, what);
    checker_free(checker);
}

static void a_message_that_is_delivered_and_acknowledged_passes(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    assert_false(check_settled(&checker, 1500));
    stored(&checker, 0, 2000);
    check_shown(&checker, 2, 1, 0, 3000);
    acknowledged(&checker, 0, 4000);
    assert_true(check_settled(&checker, 1500));
    passes(&checker);
}

static void a_request_that_waits_for_its_answer_is_not_settled_for_a_while(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    check_sending(&checker, 1, 2, 0, 1000, END_MS);
    assert_false(check_settled(&checker, 1500));
    assert_true(check_settled(&checker, 17000));
    passes(&checker);
}

static void a_stored_message_that_nobody_saw_is_lost(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    stored(&checker, 0, 2000);
    fails(&checker, "a stored message was lost");
}

static void one_lost_disk_excuses_no_loss(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    stored(&checker, 0, 2000);
    check_disk_lost(&checker, 3, 3000);
    check_disk_lost(&checker, 9, 3000); // not a signer
    fails(&checker, "a stored message was lost");
}

static void a_quorum_of_lost_disks_excuses_a_loss(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    stored(&checker, 0, 2000);
    check_disk_lost(&checker, 3, 3000);
    check_disk_lost(&checker, 5, 4000);
    passes(&checker);
}

static void disks_lost_long_before_excuse_nothing(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    check_disk_lost(&checker, 3, 1000);
    check_disk_lost(&checker, 5, 1000);
    sent(&checker, 0, 100000);
    stored(&checker, 0, 110000);
    fails(&checker, "a stored message was lost");
}

static void a_message_that_stays_in_the_outbox_is_not_delivered(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    fails(&checker, "a message was neither delivered nor shown as expired");
}

static void a_message_that_expired_and_is_shown_as_such_passes(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    struct check_message *message = sent(&checker, 0, 1000);
    message->expires_ms = END_MS - 1000;
    check_state(&checker, message, MESSAGE_EXPIRED, NULL, 0, END_MS - 500);
    passes(&checker);
}

static void a_message_given_up_before_its_time_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    struct check_message *message = sent(&checker, 0, 1000);
    check_state(&checker, message, MESSAGE_EXPIRED, NULL, 0, 2000);
    fails(&checker, "a message was given up before its time");
}

static void a_refused_message_is_promised_nothing(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    struct check_message *message = check_sending(&checker, 1, 2, 0, 1000, LIFETIME_MS);
    message->refused = true;
    check_sending(&checker, 1, 2, 1, 1000, LIFETIME_MS); // never answered, never seen again
    passes(&checker);
}

static void a_message_refused_after_it_was_taken_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    check_state(&checker, sent(&checker, 0, 1000), MESSAGE_FAILED, NULL, 0, 2000);
    fails(&checker, "a message that was taken was refused later");
}

static void a_text_shown_twice_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    check_shown(&checker, 2, 1, 0, 3000);
    check_shown(&checker, 2, 1, 0, 3500);
    fails(&checker, "a text was shown twice");
}

static void a_text_shown_after_a_later_one_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    sent(&checker, 1, 1100);
    check_shown(&checker, 2, 1, 1, 3000);
    check_shown(&checker, 2, 1, 0, 3500);
    fails(&checker, "a text was shown after a later one of its sender");
}

static void a_text_that_nobody_sent_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    check_shown(&checker, 1, 2, 0, 3000); // the other way round
    fails(&checker, "a text was shown that nobody sent");
}

static void an_expired_text_that_is_shown_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    check_shown(&checker, 2, 1, 0, 1000 + LIFETIME_MS + MINUTE_MS);
    fails(&checker, "an expired text was shown");
}

static void an_acknowledgement_without_a_text_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    stored(&checker, 0, 2000);
    acknowledged(&checker, 0, 4000);
    fails(&checker, "the sender saw an acknowledgement, the recipient no text");
}

static void a_text_that_is_never_acknowledged_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    stored(&checker, 0, 2000);
    check_shown(&checker, 2, 1, 0, 3000);
    fails(&checker, "a delivered message was never acknowledged");
}

static void too_few_receipts_are_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    check_state(&checker, sent(&checker, 0, 1000), MESSAGE_STORED, signers, 1, 2000);
    fails(&checker, "stored with fewer receipts than the quorum");
}

static void an_acknowledged_message_that_changes_again_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    sent(&checker, 0, 1000);
    stored(&checker, 0, 2000);
    check_shown(&checker, 2, 1, 0, 3000);
    acknowledged(&checker, 0, 4000);
    stored(&checker, 0, 5000);
    fails(&checker, "an acknowledged message went back to another state");
}

static void a_buffer_beyond_its_bound_is_found(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    check_bound(&checker, "a queue", 1, 10, 10, 1000);
    assert_null(checker.failure.what);
    check_bound(&checker, "a queue", 1, 11, 10, 1000);
    fails(&checker, "a queue");
}

static void the_first_failure_is_the_one_that_is_told(void **state) {
    (void)state;
    struct checker checker;
    begin(&checker);
    check_fail(&checker, 1, "first", 0, 0, 0);
    check_fail(&checker, 2, "second", 0, 0, 0);
    fails(&checker, "first");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_is_delivered_and_acknowledged_passes),
        cmocka_unit_test(a_request_that_waits_for_its_answer_is_not_settled_for_a_while),
        cmocka_unit_test(a_stored_message_that_nobody_saw_is_lost),
        cmocka_unit_test(one_lost_disk_excuses_no_loss),
        cmocka_unit_test(a_quorum_of_lost_disks_excuses_a_loss),
        cmocka_unit_test(disks_lost_long_before_excuse_nothing),
        cmocka_unit_test(a_message_that_stays_in_the_outbox_is_not_delivered),
        cmocka_unit_test(a_message_that_expired_and_is_shown_as_such_passes),
        cmocka_unit_test(a_message_given_up_before_its_time_is_found),
        cmocka_unit_test(a_refused_message_is_promised_nothing),
        cmocka_unit_test(a_message_refused_after_it_was_taken_is_found),
        cmocka_unit_test(a_text_shown_twice_is_found),
        cmocka_unit_test(a_text_shown_after_a_later_one_is_found),
        cmocka_unit_test(a_text_that_nobody_sent_is_found),
        cmocka_unit_test(an_expired_text_that_is_shown_is_found),
        cmocka_unit_test(an_acknowledgement_without_a_text_is_found),
        cmocka_unit_test(a_text_that_is_never_acknowledged_is_found),
        cmocka_unit_test(too_few_receipts_are_found),
        cmocka_unit_test(an_acknowledged_message_that_changes_again_is_found),
        cmocka_unit_test(a_buffer_beyond_its_bound_is_found),
        cmocka_unit_test(the_first_failure_is_the_one_that_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
