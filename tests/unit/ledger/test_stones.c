// Stepping stones: how a light client comes to a height whose signers it does not know, through peers that lie, are
// silent, slow or gone.
#include "ledger/stones.h"

#include "base/kv_memory.h"
#include "ledger/history.h"

#define SEEDS_OF_NETWORK 4
#define HISTORY_MAX 6000

// What a peer does instead of answering.
enum lie {
    HONEST,
    NOT_HELD,
    SILENT,
    REFUSES, // the link
    HANGS_UP,
    OTHER_HEIGHT, // an honest block of another one
    OTHER_NETWORK,
    OWN_SET,   // a committee that nobody has chosen, which signs well
    OWN_BLOCK, // of the right validators, signed by too few
    GARBAGE,
    TOO_MUCH, // a byte behind it
    UNASKED,  // a second answer
    PRUNED,   // says that it holds nothing old, and so it is
    LIES
};

struct walk {
    struct history history;
    struct committee strangers; // who sign lies
    struct env env;
    struct kv_batch batch;
    struct job_list jobs;
    struct step step;
    struct stones *stones;
    struct light from;
    enum lie lies[SEEDS_OF_NETWORK];
    bool mixed; // peers lie as they like, but the last
    struct rng liar;
    size_t peer; // dialled, or linked
    bool dialled, linked;
    size_t dials[SEEDS_OF_NETWORK];
    uint64_t asked; // 0: nothing
    size_t asks;
    size_t bytes;
    uint64_t round_trip_ms;
    uint64_t lowest; // that peers hold
    bool ended;
    enum stones_end end;
};

// ---- ports

static bool port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    struct walk *walk = ctx;
    (void)step;
    assert_false(walk->dialled || walk->linked);
    assert_int_equal(address->port, 99 + id->bytes[0]);
    walk->peer = id->bytes[0] - 1U;
    walk->dialled = true;
    walk->dials[walk->peer]++;
    return true;
}

static void port_send(void *ctx, struct step *step, enum ledger_frame kind, struct span body) {
    struct walk *walk = ctx;
    (void)step;
    assert_true(walk->linked);
    assert_int_equal(kind, FRAME_GET_LIGHT);
    assert_int_equal(walk->asked, 0);
    assert_int_equal(get_height_decode(&walk->asked, body), OK);
    assert_int_not_equal(walk->asked, 0);
    walk->asks++;
}

static void port_hang_up(void *ctx, struct step *step) {
    struct walk *walk = ctx;
    (void)step;
    assert_true(walk->linked || walk->dialled);
    walk->linked = walk->dialled = false;
    walk->asked = 0;
}

static void port_ended(void *ctx, struct step *step, enum stones_end end) {
    struct walk *walk = ctx;
    (void)step;
    assert_false(walk->linked || walk->dialled || walk->ended);
    walk->ended = true;
    walk->end = end;
}

// ---- life cycle

// A history still to be filled; the light client is at its genesis.
static struct walk *walk_new(uint64_t seed, const struct committee *first, enum consensus consensus) {
    struct walk *walk = NEW(struct walk);
    const struct stones_ports ports = {walk, port_dial, port_send, port_hang_up, port_ended};
    walk->env.rng = rng_of_seed(seed);
    walk->liar = rng_of_seed(seed + 1);
    walk->env.metrics = metrics_new();
    walk->step = (struct step){.env = &walk->env, .batch = &walk->batch, .jobs = &walk->jobs};
    walk->step.now.mono_ms = 1000;
    walk->round_trip_ms = 20;
    walk->lowest = 1;
    history_begin(&walk->history, first, consensus, HISTORY_MAX);
    walk->history.genesis.seed_count = SEEDS_OF_NETWORK;
    for (size_t i = 0; i < SEEDS_OF_NETWORK; i++) {
        walk->history.genesis.seeds[i].id.bytes[0] = (uint8_t)(i + 1);
        walk->history.genesis.seeds[i].address = (struct address){.host = "validator", .port = (uint16_t)(100 + i)};
    }
    committee_draw(&walk->strangers, 4, 1, &walk->liar);
    walk->strangers.network = first->network;
    light_init(&walk->from, &walk->history.genesis);
    walk->stones = stones_new(&(struct stones_config){.genesis = &walk->history.genesis}, &ports);
    return walk;
}

static void walk_free(struct walk *walk) {
    stones_free(walk->stones);
    history_free(&walk->history);
    metrics_free(walk->env.metrics);
    kv_batch_free(&walk->batch);
    job_list_free(&walk->jobs);
    free(walk);
}

static void all_do(struct walk *walk, enum lie lie) {
    for (size_t i = 0; i < SEEDS_OF_NETWORK; i++)
        walk->lies[i] = lie;
}

// ---- peers

static enum lie lie_of(struct walk *walk) {
    bool honest = !walk->mixed || walk->peer == SEEDS_OF_NETWORK - 1 || rng_below(&walk->liar, 3) > 0;
    return honest ? walk->lies[walk->peer] : (enum lie)rng_below(&walk->liar, LIES);
}

static void lost(struct walk *walk) {
    walk->linked = walk->dialled = false;
    walk->asked = 0;
    stones_down(walk->stones, &walk->step);
}

// The node closes a link that breaks a rule.
static void say(struct walk *walk, enum ledger_frame kind, struct span body) {
    walk->bytes += body.n;
    if (stones_frame(walk->stones, &walk->step, (uint8_t)kind, body) != OK)
        lost(walk);
}

// What a liar makes up for a height: a header of its own, signed by those that it names, or by one of the right ones.
static void make_up(struct walk *walk, struct buf *out, uint64_t height, enum lie lie) {
    struct certified *c = NEW(struct certified);
    struct light_block *honest = NEW(struct light_block);
    assert_int_equal(light_block_decode(honest, buf_span(&walk->history.at[height].light)), OK);
    struct committee *committee = NEW(struct committee);
    *committee = walk->strangers;
    if (lie == OTHER_NETWORK)
        committee->network.bytes[0] ^= 1;
    *c = header_of(committee, committee, height, &honest->header.parent);
    certify(c, committee, committee->set.count);
    if (lie == OWN_BLOCK) {
        c->header = honest->header;
        c->header.state_root.bytes[0] ^= 1;
        c->validators = honest->validators;
        block_id_of(&c->id, &c->header);
        c->certificate = honest->certificate;
        c->certificate.value = c->id;
    }
    light_parts(out, c, &committee->set);
    free(committee);
    free(honest);
    free(c);
}

static void answer(struct walk *walk) {
    uint64_t height = walk->asked;
    enum lie lie = lie_of(walk);
    struct buf found = {0}, body = {0};
    bool held = height >= walk->lowest && height <= walk->history.height;
    if (lie == SILENT)
        return; // until it is given up
    walk->asked = 0;
    if (held && (lie == OTHER_NETWORK || lie == OWN_SET || lie == OWN_BLOCK))
        make_up(walk, &found, height, lie);
    else if (held && lie != NOT_HELD && (lie != PRUNED || height == walk->history.height))
        buf_append(&found, buf_span(&walk->history.at[lie == OTHER_HEIGHT ? (height + 1) / 2 : height].light));
    if (lie == GARBAGE)
        found.p[rng_below(&walk->liar, found.n)] ^= 1;
    if (lie == TOO_MUCH)
        *buf_extend(&found, 1) = 0;
    found_encode(&body, height, buf_span(&found));
    if (lie == HANGS_UP)
        lost(walk);
    else
        say(walk, FRAME_LIGHT, buf_span(&body));
    if (lie == UNASKED && walk->linked && walk->asked == 0)
        say(walk, FRAME_LIGHT, buf_span(&body));
    buf_free(&found);
    buf_free(&body);
}

static void opened(struct walk *walk) {
    struct peer_status status = {.height = walk->history.height, .first_height = walk->lowest};
    uint8_t body[STATUS_BYTES];
    if (walk->lies[walk->peer] == REFUSES) {
        lost(walk);
        return;
    }
    if (walk->lies[walk->peer] == PRUNED)
        status.first_height = walk->history.height;
    walk->dialled = false;
    walk->linked = true;
    stones_up(walk->stones, &walk->step);
    if (walk->linked)
        say(walk, FRAME_STATUS, span_of(body, peer_status_encode(body, &status)));
}

static bool is_answered(const struct walk *walk) {
    return walk->asked != 0 && (walk->mixed || walk->lies[walk->peer] != SILENT);
}

// Until the walk ends, by its own clock.
static void go(struct walk *walk) {
    walk->step.now.wall_ms = GENESIS_MS + walk->history.height * STEP_MS;
    while (!walk->ended) {
        uint64_t asks = walk->asks;
        if (walk->dialled || is_answered(walk)) {
            walk->step.now.mono_ms += walk->round_trip_ms;
            if (walk->dialled)
                opened(walk);
            else
                answer(walk);
        }
        bool silent = walk->asked != 0 && walk->asks == asks;
        uint64_t next_ms = stones_next_ms(walk->stones);
        if (!walk->ended && !walk->dialled && (walk->asked == 0 || silent)) {
            assert_int_not_equal(next_ms, TIME_NEVER);
            walk->step.now.mono_ms = next_ms > walk->step.now.mono_ms ? next_ms : walk->step.now.mono_ms;
            stones_tick(walk->stones, &walk->step);
        }
    }
    assert_false(stones_is_walking(walk->stones));
    assert_int_equal(stones_next_ms(walk->stones), TIME_NEVER);
}

static enum stones_end walk_to(struct walk *walk, uint64_t height) {
    walk->ended = false;
    stones_walk(walk->stones, &walk->step, &walk->from, height);
    go(walk);
    return walk->end;
}

static uint64_t trusted_height(const struct walk *walk) {
    return stones_trusted(walk->stones)->header.height;
}

// Nothing but the history is ever trusted.
static void assert_trusts_history(const struct walk *walk) {
    const struct light *light = stones_trusted(walk->stones);
    assert_true(block_id_equal(&light->id, &walk->history.at[light->header.height].id));
}

// Four validators, all of whom are replaced at the end of each `every` heights.
static struct walk *walk_of_changes(uint64_t seed, uint64_t heights, uint64_t every) {
    struct rng rng = rng_of_seed(seed);
    struct committee now, next;
    committee_draw(&now, 4, 1, &rng);
    struct walk *walk = walk_new(seed, &now, CONSENSUS_POA);
    while (walk->history.height < heights) {
        committee_with(&next, &now, 0, 4, &rng);
        history_extend(&walk->history, &now, &next, walk->history.height + every);
        now = next;
    }
    return walk;
}

// ---- answers

static bool decodes(void *ctx, struct span found) {
    return light_block_decode(ctx, found) == OK;
}

static void an_answer_is_read_whole_or_not_at_all(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(14, 3, 2);
    struct light_block *block = NEW(struct light_block);
    takes_exactly(&(struct parser){decodes, block}, buf_span(&walk->history.at[2].light));
    assert_memory_equal(&block->header, &walk->history.at[2].header, sizeof block->header);
    free(block);
    walk_free(walk);
}

// ---- honest peers

static void a_change_of_all_validators_is_found_by_halving(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(1, 2048, 1024);
    assert_int_equal(walk_to(walk, 2048), STONES_REACHED);
    assert_int_equal(trusted_height(walk), 2048);
    assert_trusts_history(walk);
    assert_in_range(walk->asks, 2, 22); // the target, and one for each bit of the way
    assert_in_range(walk->bytes, 1, 22 * 2048);
    walk_free(walk);
}

static void what_can_be_judged_at_once_takes_one_question(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(2, 512, 512);
    assert_int_equal(walk_to(walk, 500), STONES_REACHED);
    assert_int_equal(walk->asks, 1);
    walk_free(walk);
}

static void validators_that_change_with_every_block_are_followed_one_by_one(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(3, 300, 1);
    assert_int_equal(walk_to(walk, 300), STONES_REACHED);
    assert_int_equal(walk->asks, 300); // each header once: what was fetched on the way down is not fetched again
    assert_trusts_history(walk);
    walk_free(walk);
}

static void thousands_of_changes_take_several_walks_and_nothing_is_fetched_twice(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(4);
    struct committee now, next;
    committee_draw(&now, 1, 1, &rng);
    struct walk *walk = walk_new(4, &now, CONSENSUS_POA);
    while (walk->history.height < STONES_MAX + 1000) {
        committee_with(&next, &now, 0, 1, &rng);
        history_add(&walk->history, &now, &next, NULL);
        now = next;
    }
    assert_int_equal(walk_to(walk, walk->history.height), STONES_GAVE_UP);
    assert_int_equal(walk->asks, STONES_MAX);
    assert_trusts_history(walk);
    assert_int_equal(walk_to(walk, walk->history.height), STONES_REACHED);
    assert_in_range(walk->asks, walk->history.height, walk->history.height + 20); // what lay above is asked for again
    walk_free(walk);
}

static void the_next_walk_begins_where_it_is_of_use(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(5, 400, 100);
    assert_int_equal(walk_to(walk, 350), STONES_REACHED);
    size_t asks = walk->asks;
    assert_int_equal(walk_to(walk, 390), STONES_REACHED); // on the way
    assert_int_equal(walk->asks, asks + 1);
    assert_int_equal(walk_to(walk, 220), STONES_REACHED); // what was trusted is beyond
    assert_int_equal(trusted_height(walk), 220);
    assert_trusts_history(walk);
    walk_free(walk);
}

static void validators_that_have_pruned_serve_whoever_they_still_can(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(13, 80, 40);
    walk->lowest = 37; // beyond halfway, and before the change
    assert_int_equal(walk_to(walk, 70), STONES_REACHED);
    assert_trusts_history(walk);
    walk->lowest = 41; // signers whom nobody knows
    assert_int_equal(walk_to(walk, 60), STONES_GAVE_UP);
    assert_int_equal(trusted_height(walk), 0);
    walk_free(walk);
}

static void a_validator_is_not_asked_faster_than_it_allows(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(6, 200, 1);
    uint64_t begin_ms = walk->step.now.mono_ms;
    walk->round_trip_ms = 0;
    assert_int_equal(walk_to(walk, 200), STONES_REACHED);
    assert_in_range(walk->step.now.mono_ms - begin_ms, 199 * 10, 199 * 10);
    walk_free(walk);
}

// ---- others

static void a_peer_that_is_of_no_use_is_left_for_the_next(void **state) {
    (void)state;
    for (enum lie lie = NOT_HELD; lie < LIES; lie++) {
        struct walk *walk = walk_of_changes(100 + lie, 64, 16);
        all_do(walk, lie);
        walk->lies[3] = HONEST;
        uint64_t begin_ms = walk->step.now.mono_ms;
        assert_int_equal(walk_to(walk, 64), STONES_REACHED);
        assert_trusts_history(walk);
        for (size_t i = 0; i < SEEDS_OF_NETWORK; i++)
            assert_true(walk->dials[i] <= 1);
        assert_in_range(walk->step.now.mono_ms - begin_ms, 0, 20 * SECOND_MS); // three silences of 5 s
        walk_free(walk);
    }
}

static void peers_that_are_all_of_no_use_are_given_up(void **state) {
    (void)state;
    for (enum lie lie = NOT_HELD; lie < LIES; lie++) {
        if (lie == UNASKED)
            continue; // the answers before are good
        struct walk *walk = walk_of_changes(200 + lie, 64, 16);
        all_do(walk, lie);
        uint64_t begin_ms = walk->step.now.mono_ms;
        assert_int_equal(walk_to(walk, 64), STONES_GAVE_UP);
        assert_int_equal(trusted_height(walk), 0);
        for (size_t i = 0; i < SEEDS_OF_NETWORK; i++)
            assert_int_equal(walk->dials[i], 2);
        assert_in_range(walk->step.now.mono_ms - begin_ms, 1000, 60 * SECOND_MS);
        assert_in_range(walk->asks, 0, 8 * 8); // a forged set looks as if headers were missing, down to the last
        walk_free(walk);
    }
}

static void what_liars_push_is_forgotten_with_them(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(7, 64, 16);
    all_do(walk, OWN_SET);
    walk->lies[2] = HONEST;
    assert_int_equal(walk_to(walk, 64), STONES_REACHED);
    assert_trusts_history(walk);
    walk_free(walk);
}

static void a_height_that_nobody_has_is_given_up_soon(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(8, 64, 16);
    assert_int_equal(walk_to(walk, UINT64_MAX), STONES_GAVE_UP);
    assert_int_equal(walk->asks, 2 * SEEDS_OF_NETWORK);
    walk_free(walk);
}

static void slow_peers_are_waited_for_within_ten_minutes(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(9, 300, 1);
    walk->round_trip_ms = 4500;
    uint64_t begin_ms = walk->step.now.mono_ms;
    assert_int_equal(walk_to(walk, 300), STONES_GAVE_UP);
    assert_in_range(walk->step.now.mono_ms - begin_ms, STONES_WALK_MS_MAX, STONES_WALK_MS_MAX + 10 * SECOND_MS);
    assert_trusts_history(walk);
    uint64_t got = trusted_height(walk);
    assert_in_range(got, 50, 299);
    assert_int_equal(walk_to(walk, 300), STONES_GAVE_UP);
    assert_true(trusted_height(walk) > got + 50); // it went on from there
    walk_free(walk);
}

static void a_walk_that_is_stopped_leaves_nothing_behind(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(10, 64, 16);
    stones_walk(walk->stones, &walk->step, &walk->from, 64);
    stones_stop(walk->stones, &walk->step); // before the dial
    stones_walk(walk->stones, &walk->step, &walk->from, 64);
    stones_tick(walk->stones, &walk->step);
    stones_stop(walk->stones, &walk->step); // while it is made
    stones_walk(walk->stones, &walk->step, &walk->from, 64);
    stones_tick(walk->stones, &walk->step);
    opened(walk);
    stones_stop(walk->stones, &walk->step); // asked
    assert_false(walk->ended || walk->linked || walk->dialled);
    assert_int_equal(walk_to(walk, 64), STONES_REACHED);
    walk_free(walk);
}

// ---- forks

static void a_second_history_by_trusted_validators_is_a_fork(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(11);
    struct committee first, second;
    committee_draw(&first, 4, 1, &rng);
    struct walk *walk = walk_new(11, &first, CONSENSUS_POA);
    struct walk *other = walk_new(12, &first, CONSENSUS_POA);
    committee_with(&second, &first, 0, 4, &rng);
    const struct hash root = {{9}};
    history_extend(&walk->history, &first, &second, 10);
    history_extend(&walk->history, &second, &second, 20);
    history_extend(&other->history, &first, &first, 9);
    history_add(&other->history, &first, &second, &root); // another block 10
    history_extend(&other->history, &second, &second, 20);
    assert_int_equal(walk_to(walk, 10), STONES_REACHED);
    struct history own = walk->history;
    walk->history = other->history; // what peers serve from now on
    assert_int_equal(walk_to(walk, 20), STONES_FORK);
    assert_int_equal(trusted_height(walk), 10);
    walk->history = own;
    assert_trusts_history(walk);
    walk_free(other);
    walk_free(walk);
}

// ---- checkpoints

static enum stones_end fetch(struct walk *walk, uint64_t height, const struct block_id *id) {
    const struct checkpoint checkpoint = {.height = height, .id = *id};
    walk->ended = false;
    stones_fetch(walk->stones, &walk->step, &walk->from, &checkpoint);
    go(walk);
    return walk->end;
}

static void a_checkpoint_is_trusted_whoever_serves_it(void **state) {
    (void)state;
    for (enum lie lie = HONEST; lie < LIES; lie++) {
        struct walk *walk = walk_of_changes(300 + lie, 64, 16);
        all_do(walk, lie);
        walk->lies[1] = HONEST;
        assert_int_equal(fetch(walk, 40, &walk->history.at[40].id), STONES_REACHED);
        assert_int_equal(trusted_height(walk), 40);
        assert_trusts_history(walk);
        assert_int_equal(walk_to(walk, 64), STONES_REACHED);
        walk_free(walk);
    }
}

static void a_checkpoint_that_nobody_has_is_not_trusted(void **state) {
    (void)state;
    struct walk *walk = walk_of_changes(12, 64, 16);
    assert_int_equal(fetch(walk, 40, &walk->history.at[41].id), STONES_GAVE_UP);
    assert_int_equal(trusted_height(walk), 0);
    walk_free(walk);
}

// ---- any history

// A set changes now and then, by a member or by all; sometimes for many blocks in a row.
static struct walk *walk_at_random(uint64_t seed) {
    struct rng rng = rng_of_seed(seed);
    struct committee now, next;
    committee_draw(&now, 1 + (size_t)rng_below(&rng, 8), 1, &rng);
    struct walk *walk = walk_new(seed, &now, rng_below(&rng, 2) == 0 ? CONSENSUS_POA : CONSENSUS_POS);
    uint64_t heights = 1 + rng_below(&rng, 200), odds = 1 + rng_below(&rng, 40);
    while (walk->history.height < heights) {
        if (rng_below(&rng, 20) == 0)
            odds = 1 + rng_below(&rng, 40);
        bool changes = rng_below(&rng, odds) == 0;
        size_t stay = changes ? (size_t)rng_below(&rng, now.set.count + 1) : now.set.count;
        size_t fresh = changes ? (size_t)rng_below(&rng, 5) + (stay == 0) : 0;
        committee_with(&next, &now, stay, fresh, &rng);
        history_add(&walk->history, &now, &next, NULL);
        now = next;
    }
    return walk;
}

static void any_history_is_walked_through_any_lies(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct walk *walk = walk_at_random(1000 + seed);
        size_t walks = 0;
        walk->mixed = seed % 3 > 0;
        for (size_t i = 0; walk->mixed && i < SEEDS_OF_NETWORK - 1; i++)
            walk->lies[i] = seed % 3 == 1 ? HONEST : (enum lie)rng_below(&walk->liar, LIES);
        uint64_t target = 1 + rng_below(&walk->liar, walk->history.height);
        while (walk_to(walk, target) != STONES_REACHED) {
            assert_int_equal(walk->end, STONES_GAVE_UP);
            assert_trusts_history(walk);
            if (++walks == 20)
                fail_msg("seed %llu: not there after %zu walks", (unsigned long long)seed, walks);
        }
        assert_int_equal(trusted_height(walk), target);
        assert_trusts_history(walk);
        assert_true(walk->mixed || walk->asks <= target);
        walk_free(walk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_whole_or_not_at_all),
        cmocka_unit_test(a_change_of_all_validators_is_found_by_halving),
        cmocka_unit_test(what_can_be_judged_at_once_takes_one_question),
        cmocka_unit_test(validators_that_change_with_every_block_are_followed_one_by_one),
        cmocka_unit_test(thousands_of_changes_take_several_walks_and_nothing_is_fetched_twice),
        cmocka_unit_test(the_next_walk_begins_where_it_is_of_use),
        cmocka_unit_test(validators_that_have_pruned_serve_whoever_they_still_can),
        cmocka_unit_test(a_validator_is_not_asked_faster_than_it_allows),
        cmocka_unit_test(a_peer_that_is_of_no_use_is_left_for_the_next),
        cmocka_unit_test(peers_that_are_all_of_no_use_are_given_up),
        cmocka_unit_test(what_liars_push_is_forgotten_with_them),
        cmocka_unit_test(a_height_that_nobody_has_is_given_up_soon),
        cmocka_unit_test(slow_peers_are_waited_for_within_ten_minutes),
        cmocka_unit_test(a_walk_that_is_stopped_leaves_nothing_behind),
        cmocka_unit_test(a_second_history_by_trusted_validators_is_a_fork),
        cmocka_unit_test(a_checkpoint_is_trusted_whoever_serves_it),
        cmocka_unit_test(a_checkpoint_that_nobody_has_is_not_trusted),
        cmocka_unit_test(any_history_is_walked_through_any_lies),
    };
    return cmocka_run_group_tests_name("stones", tests, codec_setup, NULL);
}
