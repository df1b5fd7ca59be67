// Replicas that lie to a client: none of them may keep it from what the others hold.
#include "base/cursor.h"
#include "client/world.h"

static struct reply reply_of(const struct world *world, const struct op *op, enum op_status status) {
    return (struct reply){
        .kind = op->kind, .status = status, .epoch = world->directory->epoch, .clock_ms = world->now.wall_ms};
}

// A replica of the mailbox that an item went to.
static size_t replica_of(const struct world *world, size_t item) {
    struct placement placement;
    placement_of(&placement, world->directory, &world->items[item].mailbox, world->genesis.replicas);
    return relay_index(world, world->directory->relays[placement.relays[0]].id.bytes);
}

static void junk(struct world *world, uint8_t item[static ITEM_BYTES]) {
    rng_bytes(&world->rng, item, ITEM_BYTES);
}

static size_t deletions(const struct world *world) {
    size_t count = 0;
    for (size_t i = 0; i < world->relay_count; i++)
        count += world->relays[i].ops[OP_DELETE];
    return count;
}

// Two friends, one of whose replicas begins to lie; each relay has been listened at when a message is sent.
static void a_message_arrives_beside(uint64_t seed, bool (*lie)(struct world *, size_t, const struct op *),
                                     uint64_t hop_ms) {
    struct world *world = world_make(seed, 12, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    size_t item = world->item_count;
    send_ok(alice, "bob", "before");
    run_for(world, SECOND_MS);
    size_t liar = replica_of(world, item);
    world->hop_ms = hop_ms;
    world->relays[liar].lies = lie;
    run_for(world, 4 * MINUTE_MS); // by now its turn has come
    const struct message_record *in[8] = {NULL};
    size_t had = received(bob, in, 8);
    send_ok(alice, "bob", "meanwhile");
    run_for(world, 6 * MINUTE_MS);
    assert_int_equal(received(bob, in, 8), had + 1);
    assert_true(text_is(&in[had]->text, "meanwhile"));
    world_free(world);
}

static bool always_more(struct world *world, size_t relay, const struct op *op) {
    struct reply reply = reply_of(world, op, OP_OK);
    if (op->kind != OP_FETCH)
        return op->kind == OP_SUBSCRIBE;
    reply.cursor = op->cursor;
    reply.waiting = 1;
    reply.surbs_left = OP_SURBS_MAX - 1;
    reply_send(world, relay, op->surbs[0], &reply);
    return true;
}

static void a_replica_that_always_has_more_but_never_gives_it_is_left(void **state) {
    (void)state;
    a_message_arrives_beside(1, always_more, 100);
}

// As before, but the cursor moves.
static bool always_further(struct world *world, size_t relay, const struct op *op) {
    struct reply reply = reply_of(world, op, OP_OK);
    if (op->kind != OP_FETCH)
        return op->kind == OP_SUBSCRIBE;
    reply.cursor = op->cursor + 1;
    reply.waiting = 1;
    reply.surbs_left = OP_SURBS_MAX - 1;
    reply_send(world, relay, op->surbs[0], &reply);
    return true;
}

static void a_replica_whose_end_is_never_reached_is_left(void **state) {
    (void)state;
    a_message_arrives_beside(2, always_further, 100);
}

static bool pushes_junk(struct world *world, size_t relay, const struct op *op) {
    struct reply reply = reply_of(world, op, OP_OK);
    uint8_t item[ITEM_BYTES];
    if (op->kind != OP_FETCH && op->kind != OP_SUBSCRIBE)
        return false;
    for (size_t i = 0; i < OP_SURBS_MAX && op->kind == OP_SUBSCRIBE; i++) {
        junk(world, item);
        reply.cursor = op->cursor + 1 + i;
        reply.expiry_ms = world->now.wall_ms + HOUR_MS;
        reply.surbs_left = (uint8_t)(OP_SURBS_MAX - 1 - i);
        reply.item = item;
        reply_send(world, relay, op->surbs[i], &reply);
    }
    if (op->kind == OP_FETCH) {
        reply.surbs_left = OP_SURBS_MAX - 1;
        reply_send(world, relay, op->surbs[0], &reply);
    }
    return true;
}

static void a_replica_that_pushes_junk_for_ever_is_left(void **state) {
    (void)state;
    a_message_arrives_beside(3, pushes_junk, 300);
}

static bool gives_eternal_junk(struct world *world, size_t relay, const struct op *op) {
    struct reply reply = reply_of(world, op, OP_OK);
    uint8_t item[ITEM_BYTES];
    if (op->kind != OP_FETCH)
        return false;
    junk(world, item);
    reply.cursor = op->cursor + 1;
    reply.expiry_ms = UINT64_MAX - rng_below(&world->rng, 2 * DAY_MS);
    reply.surbs_left = OP_SURBS_MAX - 1;
    reply.item = item;
    reply_send(world, relay, op->surbs[0], &reply);
    return true;
}

static void an_item_that_claims_to_live_for_ever_is_neither_remembered_nor_deleted(void **state) {
    (void)state;
    struct world *world = world_make(4, 12, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    run_for(world, 3 * MINUTE_MS);
    size_t before = deletions(world);
    for (size_t i = 0; i < world->relay_count; i++)
        world->relays[i].lies = gives_eternal_junk;
    run_for(world, 6 * MINUTE_MS);
    assert_int_equal(deletions(world), before);
    assert_true(metric_value(bob->env.metrics, METRIC_CLIENT_DROPPED_UNDECRYPTABLE) > 0);
    world_free(world);
}

static unsigned stamps_asked;

static bool asks_for_the_moon(struct world *world, size_t relay, const struct op *op) {
    struct reply reply = reply_of(world, op, OP_STAMP);
    if (op->kind != OP_STORE || stamps_asked >= 2)
        return false;
    stamps_asked++;
    reply.stamp_bits = 255;
    reply_send(world, relay, op->surbs[0], &reply);
    return true;
}

static void a_replica_that_asks_for_an_impossible_stamp_keeps_no_message_from_the_others(void **state) {
    (void)state;
    struct world *world = world_make(5, 12, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    stamps_asked = 0;
    for (size_t i = 0; i < world->relay_count; i++)
        world->relays[i].lies = asks_for_the_moon;
    add_contact(alice, "bob", bob);
    struct message_id id = send_ok(alice, "bob", "hello");
    run_for(world, MINUTE_MS);
    assert_int_equal(stamps_asked, 2);
    assert_int_equal(state_of(alice, &id), MESSAGE_STORED);
    world_free(world);
}

static uint64_t request_ms;
static bool request_times_are_round;

static bool looks_at_times(struct world *world, size_t relay, const struct op *op) {
    (void)world;
    (void)relay;
    if (op->kind == OP_STORE)
        return false;
    request_ms = op->time_ms;
    request_times_are_round = request_times_are_round && op->time_ms % (10 * SECOND_MS) == 0;
    return false;
}

static void the_time_of_a_request_does_not_tell_one_clock_from_another(void **state) {
    (void)state;
    struct world *world = world_make(6, 12, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    request_times_are_round = true;
    request_ms = 0;
    for (size_t i = 0; i < world->relay_count; i++)
        world->relays[i].lies = looks_at_times;
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    run_for(world, MINUTE_MS);
    assert_true(request_ms > 0);
    assert_true(request_times_are_round);
    world_free(world);
}

static uint64_t version_least, version_greatest;
static bool emptied;

static bool looks_at_policies(struct world *world, size_t relay, const struct op *op) {
    (void)world;
    (void)relay;
    if (op->kind != OP_POLICY)
        return false;
    version_least = op->version < version_least ? op->version : version_least;
    version_greatest = op->version > version_greatest ? op->version : version_greatest;
    emptied = emptied || op->count == 0;
    return false;
}

// Also one who was a contact for long.
static void who_is_removed_is_let_in_no_more_and_no_version_tells_a_time(void **state) {
    (void)state;
    struct world *world = world_make(7, 12, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world->genesis.epoch_ms = 2 * DAY_MS;
    version_least = UINT64_MAX;
    version_greatest = 0;
    emptied = false;
    for (size_t i = 0; i < world->relay_count; i++)
        world->relays[i].lies = looks_at_policies;
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    world->now.wall_ms += 8 * DAY_MS;
    for (unsigned epoch = 1; epoch < 5; epoch++)
        world_next_epoch(world);
    run_for(world, 10 * SECOND_MS);
    assert_false(emptied);
    ask_named(alice, CLIENT_CONTACT_REMOVE, "bob");
    run_for(world, 10 * SECOND_MS);
    assert_true(emptied);
    assert_int_equal(version_least, 1);
    assert_int_equal(version_greatest, 2);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_that_always_has_more_but_never_gives_it_is_left),
        cmocka_unit_test(a_replica_whose_end_is_never_reached_is_left),
        cmocka_unit_test(a_replica_that_pushes_junk_for_ever_is_left),
        cmocka_unit_test(an_item_that_claims_to_live_for_ever_is_neither_remembered_nor_deleted),
        cmocka_unit_test(a_replica_that_asks_for_an_impossible_stamp_keeps_no_message_from_the_others),
        cmocka_unit_test(the_time_of_a_request_does_not_tell_one_clock_from_another),
        cmocka_unit_test(who_is_removed_is_let_in_no_more_and_no_version_tells_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
