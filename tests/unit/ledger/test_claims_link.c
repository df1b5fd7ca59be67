// A relay's claims on a ledger link: a scripted validator at the other end.
#include "ledger/claims_link.h"

#include "ledger/mempool.h"
#include "wire/codec.h"

#define SEEDS_OF_NETWORK 3

struct bed {
    struct genesis genesis;
    struct sign_secret secret;
    struct relay_id self;
    struct claims_link *link;
    struct env env;
    struct step step;
    // what it did
    unsigned dials, hang_ups;
    struct relay_id dialled;
    bool refuses_dials;
    unsigned questions, records;
    uint32_t asked;
    size_t tx_count;
    struct tx txs[8];
    uint32_t record_epoch;
    bool record_is_there;
};

static bool on_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    struct bed *bed = ctx;
    (void)step;
    (void)address;
    bed->dials++;
    bed->dialled = *id;
    return !bed->refuses_dials;
}

static void on_send(void *ctx, struct step *step, enum ledger_frame kind, struct span body) {
    struct bed *bed = ctx;
    struct relay_id relay;
    (void)step;
    if (kind == FRAME_GET_DELIVERY) {
        assert_int_equal(get_delivery_decode(&relay, &bed->asked, body), OK);
        assert_memory_equal(relay.bytes, bed->self.bytes, sizeof relay.bytes);
        bed->questions++;
        return;
    }
    assert_int_equal(kind, FRAME_SUBMIT);
    assert_true(bed->tx_count < 8);
    struct tx *tx = &bed->txs[bed->tx_count++];
    assert_int_equal(tx_decode(tx, body), OK);
    assert_int_equal(tx_verify(tx), OK);
    assert_memory_equal(tx->sender.bytes, bed->self.bytes, sizeof tx->sender.bytes);
    assert_int_equal(tx->fee, 0);
}

static void on_hang_up(void *ctx, struct step *step) {
    struct bed *bed = ctx;
    (void)step;
    bed->hang_ups++;
}

static void on_record(void *ctx, struct step *step, uint32_t epoch, const struct delivery_record *record) {
    struct bed *bed = ctx;
    (void)step;
    bed->records++;
    bed->record_epoch = epoch;
    bed->record_is_there = record != NULL;
}

static int bed_setup(void **state) {
    struct bed *bed = NEW(struct bed);
    struct rng rng = rng_of_seed(1);
    struct sign_public public;
    sign_key_new(&bed->secret, &public, &rng);
    memcpy(bed->self.bytes, public.bytes, sizeof public.bytes);
    bed->genesis.seed_count = SEEDS_OF_NETWORK;
    bed->genesis.seeds[0].id = (struct relay_id){{1}};
    bed->genesis.seeds[1].id = bed->self;
    bed->genesis.seeds[2].id = (struct relay_id){{2}};
    bed->step.env = &bed->env;
    bed->step.now.mono_ms = 1000;
    const struct claims_link_config config = {&bed->genesis, &bed->secret, bed->self};
    const struct claims_link_ports ports = {bed, on_dial, on_send, on_hang_up, on_record};
    bed->link = claims_link_new(&config, &ports);
    *state = bed;
    return 0;
}

static int bed_teardown(void **state) {
    struct bed *bed = *state;
    claims_link_free(bed->link);
    free(bed);
    return 0;
}

static void answer(struct bed *bed, uint32_t epoch, uint64_t nonce, uint64_t next_nonce, bool has) {
    uint8_t body[RELAY_DELIVERY_BYTES_MAX];
    const struct relay_delivery delivery = {
        .epoch = epoch, .nonce = nonce, .next_nonce = next_nonce, .has = has, .record = {.count = 5}};
    size_t n = relay_delivery_encode(body, &delivery);
    assert_int_equal(claims_link_frame(bed->link, &bed->step, FRAME_DELIVERY, span_of(body, n)), OK);
}

static void answer_submitted(struct bed *bed, uint8_t verdict) {
    uint8_t body[SUBMITTED_BYTES];
    submitted_encode(body, &(struct tx_id){{0}}, verdict);
    assert_int_equal(claims_link_frame(bed->link, &bed->step, FRAME_SUBMITTED, SPAN_OF(body)), OK);
}

static void ask_and_connect(struct bed *bed, uint32_t epoch) {
    claims_link_ask(bed->link, &bed->step, epoch);
    claims_link_up(bed->link, &bed->step);
}

static const struct tx a_batch = {.kind = TX_DELIVERY_BATCH, .delivery_batch = {.epoch = 4, .count = 1}};

static void a_question_goes_to_a_seed_and_its_answer_comes_back(void **state) {
    struct bed *bed = *state;
    ask_and_connect(bed, 4);
    assert_int_equal(bed->dials, 1);
    assert_int_equal(bed->asked, 4);
    answer(bed, 4, 7, 7, true);
    assert_int_equal(bed->records, 1);
    assert_int_equal(bed->record_epoch, 4);
    assert_true(bed->record_is_there);
    claims_link_ask(bed->link, &bed->step, 5);
    assert_int_equal(bed->dials, 1); // the link stands
    answer(bed, 5, 7, 7, false);
    assert_false(bed->record_is_there);
}

static void two_epochs_are_asked_one_after_the_other(void **state) {
    struct bed *bed = *state;
    claims_link_ask(bed->link, &bed->step, 4);
    claims_link_ask(bed->link, &bed->step, 5);
    claims_link_ask(bed->link, &bed->step, 4); // known
    claims_link_ask(bed->link, &bed->step, 6); // no room
    claims_link_up(bed->link, &bed->step);
    answer(bed, 5, 1, 1, true); // not asked yet
    assert_int_equal(bed->records, 0);
    answer(bed, 4, 1, 1, true);
    assert_int_equal(bed->asked, 5);
    answer(bed, 5, 1, 1, true);
    assert_int_equal(bed->records, 2);
    assert_int_equal(bed->questions, 2);
}

static void what_is_submitted_has_the_next_nonces_and_holds(void **state) {
    struct bed *bed = *state;
    ask_and_connect(bed, 4);
    answer(bed, 4, 7, 7, false);
    for (unsigned i = 0; i < 3; i++)
        claims_link_submit(bed->link, &bed->step, &a_batch);
    assert_int_equal(bed->tx_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(bed->txs[i].nonce, 7 + i);
        assert_false(claims_link_idle(bed->link));
        answer_submitted(bed, i == 0 ? MEMPOOL_TAKEN : MEMPOOL_NONCE_USED);
    }
    assert_true(claims_link_idle(bed->link));
}

static void an_entry_is_not_looked_at_while_something_waits_for_a_block(void **state) {
    struct bed *bed = *state;
    ask_and_connect(bed, 4);
    answer(bed, 4, 7, 8, false);
    assert_int_equal(bed->records, 0);
    claims_link_ask(bed->link, &bed->step, 4);
    answer(bed, 4, 8, 8, true);
    assert_int_equal(bed->records, 1);
}

static void without_a_link_nothing_is_kept_waiting(void **state) {
    struct bed *bed = *state;
    claims_link_submit(bed->link, &bed->step, &a_batch);
    assert_int_equal(bed->tx_count, 0);
    bed->refuses_dials = true;
    claims_link_ask(bed->link, &bed->step, 4);
    bed->refuses_dials = false;
    claims_link_ask(bed->link, &bed->step, 4); // comes again
    assert_int_equal(bed->dials, 2);
    claims_link_down(bed->link, &bed->step); // nobody there
    ask_and_connect(bed, 4);
    answer(bed, 4, 7, 7, false);
    claims_link_submit(bed->link, &bed->step, &a_batch);
    claims_link_down(bed->link, &bed->step);
    assert_true(claims_link_idle(bed->link));
    assert_true(claims_link_next_ms(bed->link) == TIME_NEVER);
}

static void a_silent_validator_is_left_for_another_and_never_oneself(void **state) {
    struct bed *bed = *state;
    struct relay_id before = {{0}};
    for (unsigned i = 0; i < 4; i++) {
        ask_and_connect(bed, 4);
        assert_false(relay_id_equal(&bed->dialled, &bed->self));
        assert_false(relay_id_equal(&bed->dialled, &before));
        before = bed->dialled;
        bed->step.now.mono_ms = claims_link_next_ms(bed->link);
        claims_link_tick(bed->link, &bed->step);
        assert_int_equal(bed->hang_ups, i + 1);
    }
}

static void no_validator_is_asked_for_ever(void **state) {
    struct bed *bed = *state;
    ask_and_connect(bed, 4);
    for (unsigned i = 0; i < 20; i++) {
        answer(bed, 4, 7, 7, true);
        unsigned dials = bed->dials;
        claims_link_ask(bed->link, &bed->step, 4);
        if (bed->dials > dials)
            claims_link_up(bed->link, &bed->step);
    }
    assert_int_equal(bed->questions, 21);
    assert_true(bed->dials >= 5 && bed->hang_ups == bed->dials - 1);
}

static void a_malformed_answer_is_refused(void **state) {
    struct bed *bed = *state;
    uint8_t body[RELAY_DELIVERY_BYTES_MAX];
    const struct relay_delivery delivery = {.epoch = 4, .has = true, .record = {.count = 5}};
    size_t n = relay_delivery_encode(body, &delivery);
    ask_and_connect(bed, 4);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(claims_link_frame(bed->link, &bed->step, FRAME_DELIVERY, span_of(body, i)), ERR_MALFORMED);
    body[20] = 2;
    assert_int_equal(claims_link_frame(bed->link, &bed->step, FRAME_DELIVERY, span_of(body, n)), ERR_MALFORMED);
    body[20] = 0; // none, and one behind it
    assert_int_equal(claims_link_frame(bed->link, &bed->step, FRAME_DELIVERY, span_of(body, n)), ERR_MALFORMED);
    assert_int_equal(bed->records, 0);
}

#define BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        BED(a_question_goes_to_a_seed_and_its_answer_comes_back),
        BED(two_epochs_are_asked_one_after_the_other),
        BED(what_is_submitted_has_the_next_nonces_and_holds),
        BED(an_entry_is_not_looked_at_while_something_waits_for_a_block),
        BED(without_a_link_nothing_is_kept_waiting),
        BED(a_silent_validator_is_left_for_another_and_never_oneself),
        BED(no_validator_is_asked_for_ever),
        BED(a_malformed_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, codec_setup, NULL);
}
