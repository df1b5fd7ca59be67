// Looking relays up, placement of mailboxes, and counting of receipts.
#include "directory/directory.h"

#include "directory/world.h"

static struct directory *directory_of(struct world *world, uint32_t epoch) {
    struct buf bytes = {0};
    struct directory *directory;
    world_directory(world, &bytes, epoch);
    assert_int_equal(directory_decode(&directory, buf_span(&bytes), &world->genesis.network), OK);
    buf_free(&bytes);
    return directory;
}

static struct mailbox_id mailbox_draw(struct world *world) {
    struct mailbox_id mailbox;
    rng_bytes(&world->env.rng, mailbox.bytes, sizeof mailbox.bytes);
    return mailbox;
}

static void every_relay_is_found_and_no_other(void **state) {
    (void)state;
    for (size_t count = 0; count < 20; count++) {
        struct world world;
        world_init(&world, count, count);
        struct directory *directory = directory_of(&world, 5);
        for (size_t i = 0; i < count; i++) {
            const struct directory_relay *relay = directory_find(directory, &world.relays[i].id);
            assert_non_null(relay);
            assert_true(relay_id_equal(&relay->id, &world.relays[i].id));
            struct relay_id other = world.relays[i].id;
            other.bytes[31] ^= 1;
            assert_null(directory_find(directory, &other));
        }
        assert_null(directory_find(directory, &(struct relay_id){{0}}));
        assert_null(directory_find(directory, &(struct relay_id){{0xff, 0xff}}));
        directory_unref(directory);
        world_free(&world);
    }
}

static void onion_keys_are_those_of_the_listed_epochs(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 1, 1);
    struct directory *directory = directory_of(&world, 5);
    const struct directory_relay *relay = &directory->relays[0];
    assert_null(directory_onion_key(relay, 0));
    assert_null(directory_onion_key(relay, 4));
    for (uint32_t epoch = 5; epoch < 8; epoch++)
        assert_memory_equal(directory_onion_key(relay, epoch)->bytes, world.relays[0].onion.bytes, 32);
    assert_null(directory_onion_key(relay, 8));
    assert_null(directory_onion_key(relay, UINT32_MAX));
    directory_unref(directory);
    world_free(&world);
}

static void a_placement_ranks_each_placed_relay_once(void **state) {
    (void)state;
    for (size_t count = 0; count < 12; count++) {
        struct world world;
        world_init(&world, count, count);
        struct directory *directory = directory_of(&world, 5);
        for (unsigned replicas = 1; replicas <= 3; replicas++) {
            struct mailbox_id mailbox = mailbox_draw(&world);
            struct placement placement;
            placement_of(&placement, directory, &mailbox, replicas);
            assert_int_equal(placement.count, count < replicas + 2 ? count : replicas + 2);
            for (size_t i = 0; i < placement.count; i++) {
                const struct relay_id *id = &directory->relays[placement.relays[i]].id;
                assert_int_equal(placement_rank(&placement, directory, id), i);
            }
            assert_int_equal(placement_rank(&placement, directory, &(struct relay_id){{0}}), -1);
        }
        directory_unref(directory);
        world_free(&world);
    }
}

// Without one of its relays the others keep their order: only what the lost relay held moves.
static void a_relay_that_leaves_moves_nothing_else(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 20, 7);
    struct directory *directory = directory_of(&world, 5);
    for (unsigned round = 0; round < 200; round++) {
        struct mailbox_id mailbox = mailbox_draw(&world);
        struct placement before;
        struct placement after;
        size_t leaving = (size_t)rng_below(&world.env.rng, 20);
        placement_of(&before, directory, &mailbox, 3);
        directory->relays[leaving].placed = false;
        placement_of(&after, directory, &mailbox, 3);
        directory->relays[leaving].placed = true;
        size_t j = 0;
        for (size_t i = 0; i < before.count; i++) {
            if (before.relays[i] != leaving)
                assert_int_equal(after.relays[j++], before.relays[i]);
        }
        assert_true(j >= before.count - 1);
        assert_int_equal(placement_rank(&after, directory, &directory->relays[leaving].id), -1);
    }
    directory_unref(directory);
    world_free(&world);
}

static void mailboxes_spread_evenly_over_the_relays(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 10, 8);
    struct directory *directory = directory_of(&world, 5);
    unsigned held[10] = {0};
    for (unsigned i = 0; i < 4000; i++) {
        struct mailbox_id mailbox = mailbox_draw(&world);
        struct placement placement;
        placement_of(&placement, directory, &mailbox, 3);
        for (size_t rank = 0; rank < 3; rank++)
            held[placement.relays[rank]]++;
    }
    for (size_t i = 0; i < 10; i++) // 1,200 expected, standard deviation 29
        assert_in_range(held[i], 1050, 1350);
    directory_unref(directory);
    world_free(&world);
}

// ---- receipts ----

struct store {
    struct world world;
    struct directory *directory;
    struct mailbox_id mailbox;
    uint8_t item[ITEM_BYTES];
    uint64_t expiry_ms;
    struct placement placement;
    struct reply reply;
};

static const struct relay *relay_at(const struct store *s, size_t rank) {
    const struct relay_id *id = &s->directory->relays[s->placement.relays[rank]].id;
    for (size_t i = 0; i < s->world.relay_count; i++) {
        if (relay_id_equal(&s->world.relays[i].id, id))
            return &s->world.relays[i];
    }
    fail();
    return NULL;
}

static void sign(struct store *s, size_t receipt, size_t rank, uint8_t claimed_rank) {
    struct item_hash item;
    item_hash_of(&item, &s->world.genesis.network, &s->mailbox, s->expiry_ms, s->item);
    s->reply.receipts[receipt].rank = claimed_rank;
    receipt_sign(&s->reply.receipts[receipt], &relay_at(s, rank)->secret, &s->world.genesis.network, &s->reply.set,
                 s->item, &s->mailbox, &item, s->expiry_ms);
}

// A store on the relays of ranks 0, 2 and 4, with three good receipts.
static void store_init(struct store *s) {
    const uint8_t ranks[] = {0, 2, 4};
    *s = (struct store){.expiry_ms = 12345};
    world_init(&s->world, 9, 11);
    s->directory = directory_of(&s->world, 5);
    s->mailbox = mailbox_draw(&s->world);
    rng_bytes(&s->world.env.rng, s->item, sizeof s->item);
    placement_of(&s->placement, s->directory, &s->mailbox, 3);
    s->reply = (struct reply){.kind = OP_STORE, .set = {.epoch = 5, .count = 3}, .receipt_count = 3};
    for (size_t i = 0; i < 3; i++)
        s->reply.set.relays[i] = relay_at(s, ranks[i])->id;
    for (size_t i = 0; i < 3; i++) {
        s->reply.receipts[i].index = (uint8_t)i;
        sign(s, i, ranks[i], ranks[i]);
    }
}

static unsigned valid(const struct store *s) {
    return receipts_valid(&s->reply, s->directory, &s->world.genesis, &s->mailbox, s->item, s->expiry_ms);
}

static void store_free(struct store *s) {
    directory_unref(s->directory);
    world_free(&s->world);
}

static void good_receipts_count(void **state) {
    (void)state;
    struct store s;
    store_init(&s);
    assert_int_equal(valid(&s), 3);
    s.reply.receipt_count = 2;
    assert_int_equal(valid(&s), 2);
    s.reply.receipt_count = 0;
    assert_int_equal(valid(&s), 0);
    store_free(&s);
}

static void a_receipt_counts_once_and_only_for_its_own_rank(void **state) {
    (void)state;
    struct store s;
    store_init(&s);
    s.reply.receipts[1] = s.reply.receipts[0];
    assert_int_equal(valid(&s), 2);
    s.reply.receipts[2] = s.reply.receipts[0];
    assert_int_equal(valid(&s), 1);
    sign(&s, 0, 0, 1); // well signed, but it is not of rank 1
    s.reply.receipt_count = 1;
    assert_int_equal(valid(&s), 0);
    store_free(&s);
}

static void a_forged_receipt_does_not_count(void **state) {
    (void)state;
    struct store s;
    store_init(&s);
    s.reply.receipts[1].signature.bytes[3] ^= 1;
    assert_int_equal(valid(&s), 2);
    s.reply.receipts[2].index = 1; // another's name on it
    assert_int_equal(valid(&s), 1);
    store_free(&s);
    store_init(&s);
    s.item[ITEM_BYTES - 1] ^= 1; // a receipt of another item
    assert_int_equal(valid(&s), 0);
    store_free(&s);
}

static void a_set_that_no_honest_replica_chooses_counts_nothing(void **state) {
    (void)state;
    struct store s;
    store_init(&s);
    s.reply.set.relays[2] = s.reply.set.relays[0]; // a relay twice
    for (size_t i = 0; i < 3; i++)
        sign(&s, i, i == 1 ? 2 : 0, i == 1 ? 2 : 0);
    assert_int_equal(valid(&s), 0);
    store_free(&s);

    store_init(&s);
    for (size_t i = 0; i < s.directory->relay_count; i++) { // a relay beyond rank k + 1
        if (placement_rank(&s.placement, s.directory, &s.directory->relays[i].id) < 0)
            s.reply.set.relays[2] = s.directory->relays[i].id;
    }
    sign(&s, 0, 0, 0);
    sign(&s, 1, 2, 2);
    assert_int_equal(valid(&s), 0);
    store_free(&s);

    store_init(&s);
    s.world.genesis.replicas = 2; // more relays than there are replicas
    assert_int_equal(valid(&s), 0);
    store_free(&s);

    store_init(&s);
    s.reply.set.epoch = 6; // ranks of another directory
    for (size_t i = 0; i < 3; i++)
        sign(&s, i, 2 * i, (uint8_t)(2 * i));
    assert_int_equal(valid(&s), 0);
    store_free(&s);
}

static void a_refused_store_has_no_receipts(void **state) {
    (void)state;
    struct store s;
    store_init(&s);
    s.reply.status = OP_NO_QUORUM;
    assert_int_equal(valid(&s), 0);
    s.reply.status = OP_OK;
    s.reply.kind = OP_FETCH;
    assert_int_equal(valid(&s), 0);
    store_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_relay_is_found_and_no_other),
        cmocka_unit_test(onion_keys_are_those_of_the_listed_epochs),
        cmocka_unit_test(a_placement_ranks_each_placed_relay_once),
        cmocka_unit_test(a_relay_that_leaves_moves_nothing_else),
        cmocka_unit_test(mailboxes_spread_evenly_over_the_relays),
        cmocka_unit_test(good_receipts_count),
        cmocka_unit_test(a_receipt_counts_once_and_only_for_its_own_rank),
        cmocka_unit_test(a_forged_receipt_does_not_count),
        cmocka_unit_test(a_set_that_no_honest_replica_chooses_counts_nothing),
        cmocka_unit_test(a_refused_store_has_no_receipts),
    };
    return cmocka_run_group_tests_name("directory/placement", tests, world_setup, NULL);
}
