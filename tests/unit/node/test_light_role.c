// Nodes take the directories that the light client proves, from genesis on, and pass them on.
#include "rig.h"

#define HEIGHT_STEP_MS 1000

struct network {
    struct rig *rig;
    struct buf bundle; // the last one made
};

static struct network *network_of(void **state) {
    return *state;
}

static int set_up(void **state) {
    struct network *n = NEW(struct network);
    n->rig = NEW(struct rig);
    *state = n;
    return 0;
}

static int tear_down(void **state) {
    struct network *n = network_of(state);
    rig_free(n->rig);
    free(n->rig);
    buf_free(&n->bundle);
    free(n);
    return 0;
}

static struct rig *start(void **state, unsigned roles, enum consensus consensus) {
    struct network *n = network_of(state);
    rig_init(n->rig, roles);
    n->rig->genesis->ledger.consensus = consensus;
    rig_start(n->rig);
    return n->rig;
}

// What a validator would pass on: directory(epoch) with three relays, under the header of a height that `signers` of
// the committee signed. `proved` is the directory that the state holds.
static struct span bundle_of(struct network *n, uint32_t epoch, uint64_t height, size_t signers, size_t proved_relays) {
    struct buf directory = {0}, proved = {0};
    rig_directory_body(n->rig, &directory, epoch, 3);
    rig_directory_body(n->rig, &proved, epoch, proved_relays);
    const struct bundle_plan plan = {.epoch = epoch,
                                     .directory = buf_span(&directory),
                                     .held = buf_span(&proved),
                                     .height = height,
                                     .time_ms = RIG_GENESIS_MS + height * HEIGHT_STEP_MS,
                                     .signers = signers};
    bundle_make(&n->bundle, &n->rig->committee, &plan);
    buf_free(&directory);
    buf_free(&proved);
    return buf_span(&n->bundle);
}

static uint32_t newest(const struct rig *rig) {
    const struct directory *directory = follow_newest(rig->node->follow);
    return directory == NULL ? 0 : directory->epoch;
}

// A link to the seed, on which the node has asked for a directory.
static uint64_t asked_link(struct rig *rig) {
    rig_run(rig, 2000);
    assert_non_null(rig_dial(rig, &rig->relays[0].id));
    return rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
}

static void give(struct rig *rig, uint64_t link, struct span bundle) {
    rig_run(rig, 3000); // it asks again
    rig_give_directory(rig, link, bundle);
}

static const char *waits_for(const struct rig *rig) {
    const char *why = follow_why_none(rig->node->follow, rig->now.wall_ms);
    return why == NULL ? "" : why;
}

static void a_proved_directory_is_taken_and_served_as_it_came(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_RELAY, CONSENSUS_POA);
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 1);
    uint8_t question[5];
    uint64_t other = rig_inbound_greeted(rig, &rig->relays[1].id, 5);
    rig_send(rig, other, span_of(question, get_directory_encode(question, 1)));
    const struct buf *answer = rig_message(rig, other, MESSAGE_DIRECTORY);
    struct span served;
    uint32_t epoch;
    assert_non_null(answer);
    assert_int_equal(directory_message_decode(&epoch, &served, buf_span(answer)), OK);
    assert_true(span_equal(served, buf_span(&n->bundle)));
}

static void a_users_node_proves_directories_too(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POS);
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of(n, 1, 9, 2, 3));
    assert_int_equal(newest(rig), 0);
    give(rig, link, bundle_of(n, 1, 9, 3, 3));
    assert_int_equal(newest(rig), 1);
}

static void a_forged_directory_is_refused(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_RELAY, CONSENSUS_POA);
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of(n, 1, 9, 2, 3));              // half of the validators
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 2)); // the state holds another directory
    struct committee own = rig->committee;
    uint8_t seed[RNG_SEED_BYTES] = {4};
    struct rng rng;
    rng_init(&rng, seed);
    committee_draw(&rig->committee, RIG_VALIDATORS, 1, &rng); // validators that nobody knows
    rig->committee.network = own.network;
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 0);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORIES_REFUSED), 3);
    rig->committee = own;
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 1);
}

static void another_networks_directory_is_refused_and_called_so(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_RELAY, CONSENSUS_POA);
    uint64_t link = asked_link(rig);
    rig->committee.network.bytes[0] ^= 1;
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 0);
    assert_non_null(strstr(follow_refusal(rig->node->follow), "another network"));
}

static void trust_goes_up_only_and_survives_a_restart(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_RELAY, CONSENSUS_POA);
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of(n, 1, 25, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 1);
    rig_restart(rig, false);
    assert_int_equal(newest(rig), 1);
    link = asked_link(rig);
    rig_live(rig, RIG_EPOCH_MS);
    give(rig, link, bundle_of(n, 2, 24, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 1);
    assert_non_null(strstr(follow_refusal(rig->node->follow), "newer block"));
    give(rig, link, bundle_of(n, 2, 61, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 2);
}

static void trust_that_is_too_old_asks_for_a_checkpoint_and_says_why(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_RELAY, CONSENSUS_POS);
    rig->now.wall_ms += 2 * HOUR_MS;
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of(n, rig_epoch(rig), 7200, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 0);
    assert_non_null(strstr(waits_for(rig), "checkpoint"));
}

static void authorities_are_trusted_without_limit(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_RELAY, CONSENSUS_POA);
    rig->now.wall_ms += 2 * HOUR_MS;
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of(n, rig_epoch(rig), 7200, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), rig_epoch(rig));
}

static void a_ledger_that_halts_leaves_the_last_directory_in_force_while_it_is_valid(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_RELAY, CONSENSUS_POA);
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 3));
    uint64_t end_ms = epoch_start_ms(rig->genesis, 4);
    rig_live(rig, end_ms - 1000 - rig->now.wall_ms);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORY_EPOCH), 1);
    rig_live(rig, 2000);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORY_EPOCH), 0);
    assert_non_null(strstr(waits_for(rig), "expired"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_proved_directory_is_taken_and_served_as_it_came),
        CASE(a_users_node_proves_directories_too),
        CASE(a_forged_directory_is_refused),
        CASE(another_networks_directory_is_refused_and_called_so),
        CASE(trust_goes_up_only_and_survives_a_restart),
        CASE(trust_that_is_too_old_asks_for_a_checkpoint_and_says_why),
        CASE(authorities_are_trusted_without_limit),
        CASE(a_ledger_that_halts_leaves_the_last_directory_in_force_while_it_is_valid),
    };
    return cmocka_run_group_tests_name("node/light_role", tests, rig_setup, NULL);
}
