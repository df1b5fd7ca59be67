// Nodes take the directories that the light client proves, from genesis on, over headers in between where they need
// them, and pass them on.
#include "rig.h"

#include "ledger/history.h"

#define HEIGHT_STEP_MS 1000

struct network {
    struct rig *rig;
    struct buf bundle;            // the last one made
    struct history history;       // of a ledger whose validators change
    struct buf directory, proof;  // of its state before TARGET
    struct hash root;             // of that
    const struct history *served; // by the seed, to light clients; NULL: nothing
    size_t stones;                // asked for
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
    history_free(&n->history);
    buf_free(&n->directory);
    buf_free(&n->proof);
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

static const char *waits_for_node(const struct rig *rig) {
    const char *waiting_for = NULL;
    return node_ready(rig->node, &rig->now, &waiting_for) || waiting_for == NULL ? "" : waiting_for;
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
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORIES_REFUSED), 2); // headers in between could prove the last one
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

static void a_directory_under_a_block_of_a_later_epoch_does_not_keep_the_next_one_out(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POA);
    uint64_t link = asked_link(rig);
    rig_live(rig, RIG_EPOCH_MS);
    give(rig, link, bundle_of(n, 1, 70, RIG_VALIDATORS, 3)); // the state has it still
    assert_int_equal(newest(rig), 0);
    assert_non_null(strstr(follow_refusal(rig->node->follow), "later epoch"));
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

// ---- headers in between

#define CHANGE 20 // the last height of the first validators
#define TARGET 30 // under whose header the directory stands
#define HEAD 40

// Of a state with directory(1), three relays.
static void make_state(struct network *n) {
    if (n->directory.n == 0) {
        rig_directory_body(n->rig, &n->directory, 1, 3);
        bundle_state(&n->root, &n->proof, 1, buf_span(&n->directory));
    }
}

// Validators that are replaced after CHANGE.
static void history_of_change(struct network *n, struct history *history, const struct committee *next) {
    make_state(n);
    history_begin(history, &n->rig->committee, CONSENSUS_POA, HEAD);
    history_extend(history, &n->rig->committee, next, CHANGE);
    history_extend(history, next, next, TARGET - 1);
    history_add(history, next, next, &n->root);
    history_extend(history, next, next, HEAD);
}

// The directory under the header of TARGET.
static struct span bundle_of_history(struct network *n, const struct history *history) {
    struct ledger_bundle *bundle = NEW(struct ledger_bundle);
    struct light_block *block = NEW(struct light_block);
    assert_int_equal(light_block_decode(block, buf_span(&history->at[TARGET].light)), OK);
    *bundle = (struct ledger_bundle){.epoch = 1,
                                     .directory = buf_span(&n->directory),
                                     .proof = buf_span(&n->proof),
                                     .header = block->header,
                                     .certificate = block->certificate,
                                     .validators = block->validators};
    buf_clear(&n->bundle);
    bundle_encode(&n->bundle, bundle);
    free(bundle);
    free(block);
    return buf_span(&n->bundle);
}

static void draw_next(struct network *n, struct committee *next, uint64_t seed) {
    struct rng rng = rng_of_seed(seed);
    committee_with(next, &n->rig->committee, 1, RIG_VALIDATORS - 1, &rng); // one of four stays
}

static void answer_light(struct network *n, uint64_t link, struct span body) {
    struct buf answer = {0};
    uint64_t height;
    assert_int_equal(get_height_decode(&height, body), OK);
    n->stones++;
    found_encode(&answer, height,
                 height <= n->served->height ? buf_span(&n->served->at[height].light) : (struct span){NULL, 0});
    rig_frame(n->rig, link, FRAME_URGENT, FRAME_LIGHT, buf_span(&answer));
    buf_free(&answer);
}

// What the seed has not answered yet.
static void answer_frames(struct network *n, uint64_t link) {
    struct rig_link *at = rig_link(n->rig, link);
    for (size_t i = 0; i < at->frame_count; i++) {
        if (at->frames[i].kind == FRAME_GET_LIGHT && at->open) {
            at->frames[i].kind = 0;
            answer_light(n, link, buf_span(&at->frames[i].body));
        }
    }
}

// The seed takes every link of the ledger and answers light clients for so long.
static void serve(struct network *n, uint64_t ms) {
    struct rig *rig = n->rig;
    for (uint64_t passed = 0; passed < ms; passed += 20) {
        rig_live(rig, 20);
        for (size_t i = 0; i < rig->dial_count; i++) {
            if (rig->dials[i].kind == LINK_LEDGER && !rig->dials[i].over) {
                assert_int_equal(rig->dials[i].show_certificate, (rig->config.roles & ROLE_RELAY) != 0);
                rig_ledger_hello(rig, rig_accept(rig, &rig->dials[i]), HEAD);
            }
        }
        for (size_t i = 0; i < rig->link_count && n->served != NULL; i++) {
            if (rig->links[i].kind == LINK_LEDGER && rig->links[i].open) {
                answer_frames(n, rig->links[i].id);
            }
        }
    }
}

static size_t ledger_links(const struct rig *rig) {
    size_t open = 0;
    for (size_t i = 0; i < rig->link_count; i++) {
        open += rig->links[i].kind == LINK_LEDGER && rig->links[i].open;
    }
    return open;
}

static void a_node_that_missed_a_change_of_validators_fetches_the_headers_between(void **state, unsigned roles) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, roles, CONSENSUS_POA);
    struct committee next;
    draw_next(n, &next, 5);
    history_of_change(n, &n->history, &next);
    n->served = &n->history;
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of_history(n, &n->history));
    assert_int_equal(newest(rig), 0);
    assert_non_null(strstr(waits_for_node(rig), roles == ROLE_USER ? "headers" : ""));
    serve(n, 2000);
    assert_int_equal(newest(rig), 1);
    assert_in_range(n->stones, 2, 6);
    assert_in_range(rig_metric(rig, METRIC_STONES_TAKEN), 2, n->stones);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORIES_REFUSED), 0);
    assert_true(block_id_equal(&rig->node->light->id, &n->history.at[TARGET].id));
    struct node_status status;
    node_status_of(rig->node, &rig->now, &status);
    assert_int_equal(status.checkpoint.height, TARGET);
    assert_true(block_id_equal(&status.checkpoint.id, &n->history.at[TARGET].id));
    rig_restart(rig, false);
    assert_true(block_id_equal(&rig->node->light->id, &n->history.at[TARGET].id));
    assert_int_equal(newest(rig), 1);
}

static void a_relay_that_missed_a_change_of_validators_fetches_the_headers_between(void **state) {
    a_node_that_missed_a_change_of_validators_fetches_the_headers_between(state, ROLE_RELAY);
}

static void a_user_does_so_without_showing_a_certificate_and_leaves_at_once(void **state) {
    a_node_that_missed_a_change_of_validators_fetches_the_headers_between(state, ROLE_USER);
    assert_int_equal(ledger_links(network_of(state)->rig), 0);
}

static void a_forged_directory_among_unknown_validators_is_given_up_and_the_next_one_taken(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POA);
    struct history forged;
    struct committee next, strangers;
    draw_next(n, &next, 5);
    draw_next(n, &strangers, 6);
    history_of_change(n, &n->history, &next);
    history_of_change(n, &forged, &strangers);
    n->served = &n->history; // the seed is honest: it has another block of that height
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of_history(n, &forged));
    serve(n, 2000);
    assert_int_equal(newest(rig), 0);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORIES_REFUSED), 1);
    assert_int_equal(rig->node->light->header.height, 0); // nothing that the liar led to is kept
    rig_give_directory(rig, link, bundle_of_history(n, &n->history));
    serve(n, 2000);
    assert_int_equal(newest(rig), 1);
    history_free(&forged);
}

static void without_headers_the_node_waits_and_says_why(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POA);
    struct history empty = {0};
    struct committee next;
    draw_next(n, &next, 5);
    history_of_change(n, &n->history, &next);
    n->served = &empty;
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of_history(n, &n->history));
    serve(n, 5000);
    assert_int_equal(newest(rig), 0);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORIES_REFUSED), 1); // until it is asked again
    assert_non_null(strstr(follow_refusal(rig->node->follow), "headers in between"));
    n->served = &n->history;
    rig_give_directory(rig, link, bundle_of_history(n, &n->history));
    serve(n, 2000);
    assert_int_equal(newest(rig), 1);
}

static void a_directory_that_can_be_judged_is_taken_while_headers_are_fetched(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POA);
    struct committee strangers;
    struct history forged;
    draw_next(n, &strangers, 6);
    history_of_change(n, &forged, &strangers);
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of_history(n, &forged));
    assert_true(stones_is_walking(rig->node->stones));
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 1);
    assert_false(stones_is_walking(rig->node->stones));
    serve(n, 100); // a link that was being made is closed again
    assert_int_equal(ledger_links(rig), 0);
    history_free(&forged);
}

// Two blocks of one height, both signed by validators that the node trusts.
static uint64_t show_a_fork(void **state, struct history *other) {
    struct network *n = network_of(state);
    struct rig *rig = n->rig;
    struct committee next;
    draw_next(n, &next, 5);
    history_of_change(n, &n->history, &next);
    history_begin(other, &n->rig->committee, CONSENSUS_POA, HEAD);
    history_extend(other, &n->rig->committee, &next, CHANGE);
    history_extend(other, &next, &next, HEAD);
    n->served = other;
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of_history(n, &n->history));
    serve(n, 2000);
    return link;
}

static void a_fork_stops_the_light_client_and_is_reported(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POA);
    struct history other;
    uint64_t link = show_a_fork(state, &other);
    assert_int_equal(newest(rig), 0);
    assert_int_equal(rig_metric(rig, METRIC_LIGHT_FORKED), 1);
    assert_int_equal(rig->lines[LOG_ERROR], 1);
    assert_non_null(strstr(waits_for_node(rig), "two histories"));
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 3)); // would be taken otherwise
    assert_int_equal(newest(rig), 0);
    rig_restart(rig, false);
    assert_non_null(strstr(waits_for_node(rig), "two histories"));
    give(rig, asked_link(rig), bundle_of(n, 1, 9, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 0);
    history_free(&other);
}

static void a_checkpoint_ends_a_fork(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POA);
    struct history other;
    show_a_fork(state, &other);
    rig->config.checkpoint = (struct checkpoint){TARGET, n->history.at[TARGET].id};
    n->served = &n->history;
    rig_restart(rig, false);
    serve(n, 2000);
    assert_int_equal(rig_metric(rig, METRIC_LIGHT_FORKED), 0);
    give(rig, asked_link(rig), bundle_of_history(n, &n->history));
    assert_int_equal(newest(rig), 1);
    history_free(&other);
}

static void a_checkpoint_comes_before_everything_else(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POS);
    struct committee next;
    draw_next(n, &next, 5);
    history_of_change(n, &n->history, &next);
    rig->config.checkpoint = (struct checkpoint){TARGET - 5, n->history.at[TARGET - 5].id};
    rig_restart(rig, false);
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of(n, 1, 9, RIG_VALIDATORS, 3));
    assert_int_equal(newest(rig), 0);
    assert_non_null(strstr(waits_for_node(rig), "checkpoint"));
    n->served = &n->history;
    serve(n, 2000);
    assert_true(block_id_equal(&rig->node->light->id, &n->history.at[TARGET - 5].id));
    give(rig, link, bundle_of_history(n, &n->history));
    assert_int_equal(newest(rig), 1);
    size_t stones = n->stones;
    rig_restart(rig, false); // it is behind what is trusted now
    serve(n, 2000);
    assert_int_equal(n->stones, stones);
}

static void a_checkpoint_renews_trust_that_is_too_old(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POS);
    struct committee next;
    draw_next(n, &next, 5);
    history_of_change(n, &n->history, &next);
    n->served = &n->history;
    rig->genesis->ledger.unbonding_ms = 25000;
    rig->now.wall_ms = RIG_GENESIS_MS + HEAD * HEIGHT_STEP_MS;
    rig_restart(rig, false);
    uint64_t link = asked_link(rig);
    give(rig, link, bundle_of_history(n, &n->history));
    assert_non_null(strstr(waits_for_node(rig), "checkpoint"));
    rig->config.checkpoint = (struct checkpoint){TARGET, n->history.at[TARGET].id};
    rig_restart(rig, false);
    serve(n, 1000);
    give(rig, asked_link(rig), bundle_of_history(n, &n->history));
    assert_int_equal(newest(rig), 1);
}

static void a_checkpoint_that_nobody_serves_is_asked_for_again(void **state) {
    struct network *n = network_of(state);
    struct rig *rig = start(state, ROLE_USER, CONSENSUS_POA);
    struct committee next;
    draw_next(n, &next, 5);
    history_of_change(n, &n->history, &next);
    n->served = &n->history;
    rig->config.checkpoint = (struct checkpoint){TARGET, n->history.at[TARGET + 1].id};
    rig_restart(rig, false);
    serve(n, 10000);
    assert_int_equal(n->stones, 2);
    assert_int_equal(rig->lines[LOG_WARN], 1);
    serve(n, 40000);
    assert_int_equal(n->stones, 4);
    assert_int_equal(rig->node->light->header.height, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_proved_directory_is_taken_and_served_as_it_came),
        CASE(a_users_node_proves_directories_too),
        CASE(a_forged_directory_is_refused),
        CASE(another_networks_directory_is_refused_and_called_so),
        CASE(trust_goes_up_only_and_survives_a_restart),
        CASE(a_directory_under_a_block_of_a_later_epoch_does_not_keep_the_next_one_out),
        CASE(trust_that_is_too_old_asks_for_a_checkpoint_and_says_why),
        CASE(authorities_are_trusted_without_limit),
        CASE(a_ledger_that_halts_leaves_the_last_directory_in_force_while_it_is_valid),
        CASE(a_relay_that_missed_a_change_of_validators_fetches_the_headers_between),
        CASE(a_user_does_so_without_showing_a_certificate_and_leaves_at_once),
        CASE(a_forged_directory_among_unknown_validators_is_given_up_and_the_next_one_taken),
        CASE(without_headers_the_node_waits_and_says_why),
        CASE(a_directory_that_can_be_judged_is_taken_while_headers_are_fetched),
        CASE(a_fork_stops_the_light_client_and_is_reported),
        CASE(a_checkpoint_ends_a_fork),
        CASE(a_checkpoint_comes_before_everything_else),
        CASE(a_checkpoint_renews_trust_that_is_too_old),
        CASE(a_checkpoint_that_nobody_serves_is_asked_for_again),
    };
    return cmocka_run_group_tests_name("node/light_role", tests, rig_setup, NULL);
}
