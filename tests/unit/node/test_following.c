// The directory on its way: asking, taking, announcing, serving; epochs and clocks that jump.
#include "rig.h"

static struct rig *start(void **state, unsigned roles) {
    struct rig *rig = *state;
    rig_init(rig, roles);
    rig_start(rig);
    return rig;
}

static struct rig *start_listed(void **state, size_t count) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_RELAY);
    rig_start_listed(rig, count);
    return rig;
}

static uint32_t newest(const struct rig *rig) {
    const struct directory *directory = follow_newest(rig->node->follow);
    return directory == NULL ? 0 : directory->epoch;
}

static uint32_t in_force(const struct rig *rig) {
    return rig->node->directory == NULL ? 0 : rig->node->directory->epoch;
}

static uint64_t seed_link(const struct rig *rig) {
    return peer_table_find(&rig->node->peers, &rig->relays[0].id)->link;
}

static size_t questions(struct rig *rig) {
    size_t count = 0;
    for (size_t i = 0; i < rig->link_count; i++) {
        count += rig_message_count(rig, rig->links[i].id, MESSAGE_GET_DIRECTORY);
    }
    return count;
}

// Gives the directory of an epoch over the link to the seed, asked or not.
static void give(struct rig *rig, uint32_t epoch, size_t count) {
    struct buf directory = {0};
    rig_directory_with_self(rig, &directory, epoch, count);
    rig_give_directory(rig, seed_link(rig), buf_span(&directory));
    buf_free(&directory);
}

static void announced_and_given(struct rig *rig, uint32_t epoch, size_t count) {
    rig_hello(rig, seed_link(rig), epoch);
    give(rig, epoch, count);
}

// ---- asking and taking ----

static void a_node_without_a_directory_asks_until_it_gets_one(void **state) {
    struct rig *rig = start(state, ROLE_RELAY);
    rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 0);
    rig_run(rig, 5000);
    size_t asked = questions(rig);
    assert_true(asked >= 3 && asked <= 5); // four unanswered at most on one link, and one link only
    struct buf nothing = {0};
    directory_message_encode(&nothing, 0, (struct span){NULL, 0});
    for (int i = 0; i < 4; i++) {
        rig_send(rig, seed_link(rig), buf_span(&nothing));
    }
    buf_free(&nothing);
    rig_run(rig, 5000);
    assert_true(questions(rig) > asked);
    assert_int_equal(newest(rig), 0);
}

static void a_directory_that_nobody_asked_for_is_not_taken(void **state) {
    struct rig *rig = start_listed(state, 3);
    int64_t unwanted = rig_metric(rig, METRIC_MESSAGES_UNWANTED);
    struct buf directory = {0};
    rig_directory_with_self(rig, &directory, 1, 4);
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    rig_give_directory(rig, client, buf_span(&directory));
    rig_give_directory(rig, seed_link(rig), buf_span(&directory));
    buf_free(&directory);
    assert_int_equal(rig_metric(rig, METRIC_MESSAGES_UNWANTED) - unwanted, 2);
    assert_int_equal(rig->node->directory->relay_count, 4); // three and itself, as before
}

static void an_announcement_is_followed_once_however_many_make_it(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    uint64_t links[] = {rig_inbound_greeted(rig, &rig->relays[1].id, 1),
                        rig_inbound_greeted(rig, &rig->relays[2].id, 1), seed_link(rig)};
    rig->now.wall_ms += RIG_EPOCH_MS / 2 - 1000; // too early to ask by oneself
    size_t before = questions(rig);
    for (size_t i = 0; i < 3; i++) {
        rig_hello(rig, links[i], 2);
    }
    assert_int_equal(questions(rig) - before, 1);
}

static void strangers_announcements_lead_to_nothing(void **state) {
    struct rig *rig = start_listed(state, 3);
    size_t before = questions(rig);
    rig_hello(rig, rig_inbound(rig, NULL, 1), 1000);
    rig_hello(rig, rig_inbound(rig, &rig->relays[5].id, 1), 1000);
    assert_int_equal(questions(rig), before);
}

static void a_node_with_nothing_asks_few_strangers(void **state) {
    struct rig *rig = start(state, ROLE_RELAY);
    for (uint64_t i = 0; i < 15; i++) {
        struct relay_id id = {{(uint8_t)(i + 1)}};
        rig_hello(rig, rig_inbound(rig, &id, 100 + i), 9);
        rig_run(rig, 1100); // less than what a silent link lives, in all
    }
    size_t trusted_with_a_megabyte = 0;
    for (size_t i = 0; i < rig->link_count; i++) {
        trusted_with_a_megabyte += rig_message_count(rig, rig->links[i].id, MESSAGE_GET_DIRECTORY) > 0;
    }
    assert_true(trusted_with_a_megabyte >= 1 && trusted_with_a_megabyte <= 4);
}

static void a_new_directory_is_announced_to_relays_and_to_who_has_none(void **state) {
    struct rig *rig = start_listed(state, RIG_RELAYS);
    uint64_t relay = rig_inbound(rig, &rig->relays[1].id, 1);
    uint64_t empty = rig_inbound(rig, NULL, 2);
    uint64_t client = rig_inbound(rig, NULL, 3);
    rig_hello(rig, relay, 1);
    rig_hello(rig, empty, 0);
    rig_hello(rig, client, 1);
    rig->now.wall_ms += RIG_EPOCH_MS;
    announced_and_given(rig, 2, RIG_RELAYS);
    assert_int_equal(newest(rig), 2);
    assert_int_equal(rig_message_count(rig, relay, MESSAGE_HELLO), 2);
    assert_int_equal(rig_message_count(rig, empty, MESSAGE_HELLO), 2);
    assert_int_equal(rig_message_count(rig, client, MESSAGE_HELLO), 1); // it asks by the clock
    struct hello hello;
    assert_int_equal(hello_decode(&hello, buf_span(rig_message(rig, relay, MESSAGE_HELLO))), OK);
    assert_int_equal(hello.epoch, 2);
}

// What a newcomer gets from the node when it asks for the newest directory.
static struct span served(struct rig *rig, uint64_t link) {
    uint8_t question[5];
    uint32_t epoch;
    struct span bundle;
    rig_send(rig, link, span_of(question, get_directory_encode(question, 0)));
    const struct buf *answer = rig_message(rig, link, MESSAGE_DIRECTORY);
    assert_non_null(answer);
    assert_int_equal(directory_message_decode(&epoch, &bundle, buf_span(answer)), OK);
    return bundle;
}

static void a_seed_follows_the_directory_and_gives_it_to_newcomers(void **state) {
    struct rig *rig = start(state, ROLE_BOOTSTRAP);
    const char *waiting_for;
    assert_false(node_ready(rig->node, &rig->now, &waiting_for));
    assert_non_null(strstr(waiting_for, "a first directory"));
    uint64_t newcomer = rig_inbound_greeted(rig, NULL, 1);
    rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
    give(rig, 1, 3);
    assert_int_equal(in_force(rig), 1);
    assert_true(node_ready(rig->node, &rig->now, &waiting_for));
    assert_int_equal(rig_message_count(rig, newcomer, MESSAGE_HELLO), 2); // told that there is one
    assert_true(span_equal(served(rig, newcomer), buf_span(&rig->node->directory->bytes)));
    rig->now.wall_ms += RIG_EPOCH_MS;
    announced_and_given(rig, 2, 4);
    assert_int_equal(in_force(rig), 2);
    rig_restart(rig, true);
    assert_int_equal(in_force(rig), 2);
    newcomer = rig_inbound_greeted(rig, NULL, 1);
    assert_true(span_equal(served(rig, newcomer), buf_span(&rig->node->directory->bytes)));
}

// Its bytes could be a mark: of one directory there are many proofs.
static void a_user_does_not_show_the_directory_it_holds(void **state) {
    struct rig *rig = start(state, ROLE_USER);
    struct buf directory = {0};
    uint8_t question[5];
    uint64_t seed = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
    rig_directory(rig, &directory, 1, RIG_RELAYS);
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    assert_int_equal(newest(rig), 1);
    struct rig_dial *dial = &rig->dials[rig->dial_count - 1]; // an entry
    assert_false(dial->over);
    uint64_t entry = rig_accept_greeted(rig, dial, 1);
    rig_send(rig, entry, span_of(question, get_directory_encode(question, 0)));
    assert_int_equal(rig_message_count(rig, entry, MESSAGE_DIRECTORY), 0);
}

static void a_forged_directory_is_refused_and_said(void **state) {
    struct rig *rig = start_listed(state, 3);
    struct buf directory = {0};
    rig->now.wall_ms += RIG_EPOCH_MS;
    rig_directory_with_self(rig, &directory, 2, 3);
    directory.p[directory.n - 1] ^= 1;
    rig_hello(rig, seed_link(rig), 2);
    rig_give_directory(rig, seed_link(rig), buf_span(&directory));
    buf_free(&directory);
    assert_int_equal(newest(rig), 1);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORIES_REFUSED), 1);
    assert_string_equal(rig->last_warning, "directory refused");
}

static void directories_that_are_refused_again_and_again_are_counted_and_said_once_a_minute(void **state) {
    struct rig *rig = start_listed(state, 3);
    struct buf directory = {0};
    rig->now.wall_ms += RIG_EPOCH_MS;
    rig_directory_with_self(rig, &directory, 2, 3);
    directory.p[directory.n - 1] ^= 1;
    size_t before = rig->lines[LOG_WARN];
    for (int i = 0; i < 5; i++) {
        rig_run(rig, 2000);
        rig_hello(rig, seed_link(rig), 2);
        rig_give_directory(rig, seed_link(rig), buf_span(&directory));
    }
    buf_free(&directory);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORIES_REFUSED), 5);
    assert_int_equal(rig->lines[LOG_WARN], before + 1);
}

static void a_relay_whose_certificate_is_refused_says_so(void **state) {
    struct rig *rig = start(state, ROLE_RELAY);
    const char *waiting_for;
    assert_false(node_ready(rig->node, &rig->now, &waiting_for));
    assert_null(strstr(waiting_for, "certificate"));
    struct rig_dial *dial = rig_dial(rig, &rig->relays[0].id);
    dial->over = true;
    rig_event(rig, &(struct event){.kind = EVENT_DIAL_FAILED, .dial_failed = {dial->dial, CLOSE_TLS}});
    assert_false(node_ready(rig->node, &rig->now, &waiting_for));
    assert_non_null(strstr(waiting_for, "certificate"));
    rig_run(rig, 2000);
    uint64_t link = rig_accept(rig, rig_dial(rig, &rig->relays[0].id)); // our side is content, the seed is not
    rig_event(rig, &(struct event){.kind = EVENT_LINK_CLOSED, .link_closed = {link, CLOSE_TLS}});
    assert_false(node_ready(rig->node, &rig->now, &waiting_for));
    assert_non_null(strstr(waiting_for, "certificate"));
    rig_run(rig, 4000);
    rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 0);
    assert_false(node_ready(rig->node, &rig->now, &waiting_for));
    assert_null(strstr(waiting_for, "certificate"));
}

// ---- epochs and clocks ----

static void the_directory_changes_with_the_epoch_and_not_before(void **state) {
    struct rig *rig = start_listed(state, 3);
    rig_live(rig, RIG_EPOCH_MS / 2 - 5000);
    assert_int_equal(rig_epoch(rig), 1);
    announced_and_given(rig, 2, 4);
    assert_int_equal(newest(rig), 2);
    assert_int_equal(in_force(rig), 1);
    rig_run(rig, 5000);
    assert_int_equal(in_force(rig), 2);
    assert_int_equal(rig->node->previous->epoch, 1);
}

static void a_directory_serves_three_epochs_and_no_longer(void **state) {
    struct rig *rig = start_listed(state, 3);
    rig_run(rig, 2 * RIG_EPOCH_MS);
    assert_int_equal(in_force(rig), 1);
    const char *waiting_for;
    rig_run(rig, RIG_EPOCH_MS);
    assert_int_equal(in_force(rig), 0);
    assert_false(node_ready(rig->node, &rig->now, &waiting_for));
    assert_non_null(waiting_for);
}

static void a_clock_that_jumps_is_noticed_within_a_second(void **state) {
    struct rig *rig = start_listed(state, 3);
    rig->now.wall_ms += 10 * RIG_EPOCH_MS;
    rig_run(rig, 1000);
    assert_int_equal(in_force(rig), 0);
    rig->now.wall_ms -= 10 * RIG_EPOCH_MS;
    rig_run(rig, 1000);
    assert_int_equal(in_force(rig), 1);
    rig->now.wall_ms = RIG_GENESIS_MS - 5000; // before the network began
    rig_run(rig, 1000);
    assert_int_equal(in_force(rig), 0);
    rig_run(rig, 4000 + RIG_EPOCH_MS / 2);
    assert_int_equal(in_force(rig), 1);
}

static void time_passes_without_a_storm_of_timers(void **state) {
    struct rig *rig = start_listed(state, 3);
    rig_run(rig, 1000);
    size_t before = rig->timers;
    rig_run(rig, 10000);
    assert_true(rig->timers - before < 400);
    rig->now.wall_ms -= 100 * RIG_EPOCH_MS; // far before the genesis
    before = rig->timers;
    rig_run(rig, 10000);
    assert_true(rig->timers - before < 400);
}

// ---- what is refused at the start ----

static void refused(struct rig *rig, const char *part) {
    struct node *node = NULL;
    struct buf why = {0};
    assert_int_equal(node_new(&node, &rig->config, &rig->env, &why), ERR_INVALID);
    buf_append(&why, SPAN_LITERAL("\0"));
    assert_non_null(strstr((const char *)why.p, part));
    buf_free(&why);
}

static void a_configuration_that_cannot_work_is_refused_with_a_reason(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_BOOTSTRAP | ROLE_RELAY);
    struct node_config good = rig->config;
    rig->config.roles = 0;
    refused(rig, "roles");
    rig->config = good;
    rig->config.roles |= 64;
    refused(rig, "roles");
    rig->config = good;
    rig->genesis->seed_count = 0;
    refused(rig, "seed");
    rig->config = good;
    rig->config.identity_seed[0] ^= 1;
    refused(rig, "seeds");
    rig->config = good;
    rig->config.roles = ROLE_RELAY;
    rig->config.address.port = 0;
    refused(rig, "address");
    rig->config = good;
    rig->config.packets_per_s = 0;
    refused(rig, "packets_per_s");
}

// ---- determinism ----

static void scripted_life(struct rig *rig, uint8_t transcript[static 32]) {
    rig_init(rig, ROLE_RELAY);
    rig->genesis->profile = PROFILE_BALANCED;
    rig_start_listed(rig, RIG_RELAYS);
    uint64_t client = rig_inbound_greeted(rig, NULL, 1);
    uint64_t relay = rig_inbound_greeted(rig, &rig->relays[1].id, 2);
    uint8_t packet[SPHINX_PACKET_BYTES] = {1};
    for (int i = 0; i < 50; i++) {
        rig_cell(rig, client, CELL_PACKET, SPAN_OF(packet));
        rig_cell(rig, relay, CELL_DUMMY, (struct span){NULL, 0});
        rig_run(rig, 200);
    }
    rig_lost(rig, relay);
    rig_run(rig, 5000);
    memcpy(transcript, rig->transcript, 32);
}

static void the_same_events_give_the_same_effects(void **state) {
    uint8_t one[32];
    uint8_t two[32];
    struct rig *again = NEW(struct rig);
    scripted_life(*state, one);
    scripted_life(again, two);
    rig_free(again);
    free(again);
    assert_memory_equal(one, two, sizeof one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_CASE(a_node_without_a_directory_asks_until_it_gets_one),
        RIG_CASE(a_directory_that_nobody_asked_for_is_not_taken),
        RIG_CASE(an_announcement_is_followed_once_however_many_make_it),
        RIG_CASE(strangers_announcements_lead_to_nothing),
        RIG_CASE(a_node_with_nothing_asks_few_strangers),
        RIG_CASE(a_new_directory_is_announced_to_relays_and_to_who_has_none),
        RIG_CASE(a_seed_follows_the_directory_and_gives_it_to_newcomers),
        RIG_CASE(a_user_does_not_show_the_directory_it_holds),
        RIG_CASE(a_forged_directory_is_refused_and_said),
        RIG_CASE(directories_that_are_refused_again_and_again_are_counted_and_said_once_a_minute),
        RIG_CASE(a_relay_whose_certificate_is_refused_says_so),
        RIG_CASE(the_directory_changes_with_the_epoch_and_not_before),
        RIG_CASE(a_directory_serves_three_epochs_and_no_longer),
        RIG_CASE(a_clock_that_jumps_is_noticed_within_a_second),
        RIG_CASE(time_passes_without_a_storm_of_timers),
        RIG_CASE(a_configuration_that_cannot_work_is_refused_with_a_reason),
        RIG_CASE(the_same_events_give_the_same_effects),
    };
    return cmocka_run_group_tests_name("node following", tests, rig_setup, NULL);
}
