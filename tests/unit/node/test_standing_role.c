// A relay that registers itself: its one ledger link, beside the links that carry cells.
#include "rig.h"

#include "ledger/mempool.h"

static struct rig *start(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    struct ledger_genesis *ledger = &rig->genesis->ledger;
    ledger->fee_min = 10;
    ledger->relay_stake_min = 1000;
    rig->config.has_operator_key = true;
    memset(rig->config.operator_seed, 9, sizeof rig->config.operator_seed);
    rig_start(rig);
    return rig;
}

static uint64_t greeted(struct rig *rig) {
    rig_run(rig, 100);
    uint64_t link = rig_accept(rig, rig_ledger_dial(rig, &rig->relays[0].id));
    rig_ledger_hello(rig, link, 7);
    return link;
}

static void stand(struct rig *rig, uint64_t link, const struct relay_standing *standing) {
    uint8_t body[RELAY_STANDING_BYTES_MAX];
    rig_frame(rig, link, FRAME_URGENT, FRAME_STANDING, span_of(body, relay_standing_encode(body, standing)));
}

static void submitted(struct rig *rig, uint64_t link, enum mempool_verdict verdict) {
    uint8_t body[SUBMITTED_BYTES];
    const struct tx_id id = {{0}};
    submitted_encode(body, &id, (uint8_t)verdict);
    rig_frame(rig, link, FRAME_URGENT, FRAME_SUBMITTED, SPAN_OF(body));
}

static const char *waits_for(const struct rig *rig) {
    const char *waiting_for = NULL;
    return node_ready(rig->node, &rig->now, &waiting_for) || waiting_for == NULL ? "" : waiting_for;
}

static void a_relay_registers_over_a_link_of_the_ledger(void **state) {
    struct rig *rig = start(state);
    assert_non_null(strstr(waits_for(rig), "validator"));
    uint64_t link = greeted(rig);
    assert_int_equal(rig_frame_count(rig, link, FRAME_GET_STANDING), 1);
    struct relay_standing standing = {.operator= {.nonce = 3, .next_nonce = 4, .balance = 100000} };
    stand(rig, link, &standing);
    assert_int_equal(rig_frame_count(rig, link, FRAME_SUBMIT), 1);
    submitted(rig, link, MEMPOOL_TAKEN);
    assert_non_null(strstr(waits_for(rig), "block"));
    rig_run(rig, 1000);
    assert_int_equal(rig_frame_count(rig, link, FRAME_GET_STANDING), 2);
    standing.registered = true;
    standing.address = rig->config.address;
    struct step step = {.env = &rig->env, .now = rig->now, .batch = &rig->effects.batch};
    relay_show_onion_keys(rig->node->relay, &step, &standing.onion);
    stand(rig, link, &standing);
    assert_false(rig_link(rig, link)->open); // validators are not kept busy
    assert_null(strstr(waits_for(rig), "block"));
    assert_null(rig_ledger_dial(rig, &rig->relays[0].id));
}

static void a_validator_that_sends_nonsense_is_left_for_another_try(void **state) {
    struct rig *rig = start(state);
    uint64_t link = greeted(rig);
    rig_frame(rig, link, FRAME_URGENT, FRAME_STANDING, SPAN_LITERAL("nonsense"));
    assert_false(rig_link(rig, link)->open);
    rig_run(rig, 2000);
    assert_non_null(rig_ledger_dial(rig, &rig->relays[0].id));
}

static void lost_links_and_failed_dials_are_tried_again(void **state) {
    struct rig *rig = start(state);
    uint64_t link = greeted(rig);
    rig_lost(rig, link);
    rig_run(rig, 2000);
    assert_non_null(rig_ledger_dial(rig, &rig->relays[0].id));
    rig_refuse(rig, rig_ledger_dial(rig, &rig->relays[0].id));
    rig_run(rig, 2000);
    link = greeted(rig);
    assert_int_equal(rig_frame_count(rig, link, FRAME_GET_STANDING), 1);
}

static void nobody_gets_a_ledger_link_to_a_relay(void **state) {
    struct rig *rig = start(state);
    uint64_t link = rig_inbound_ledger(rig, NULL, 5);
    rig_ledger_hello(rig, link, 7);
    assert_false(rig_link(rig, link)->open);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_CASE(a_relay_registers_over_a_link_of_the_ledger),
        RIG_CASE(a_validator_that_sends_nonsense_is_left_for_another_try),
        RIG_CASE(lost_links_and_failed_dials_are_tried_again),
        RIG_CASE(nobody_gets_a_ledger_link_to_a_relay),
    };
    return cmocka_run_group_tests_name("node/standing_role", tests, rig_setup, NULL);
}
