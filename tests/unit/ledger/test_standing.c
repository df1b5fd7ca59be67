// A relay's standing: it registers itself, keeps its keys current, retires; beside others of its operator, and with
// validators that are silent, lie or go away.
#include "ledger/standing.h"

#include <stdio.h>

#include "base/kv_memory.h"
#include "ledger/mempool.h"
#include "wire/codec.h"

#define RELAYS_MAX 8
#define VALIDATORS 3
#define FEE 10
#define STAKE 1000
#define EPOCH_MS 60000

// One relay, and its link to the ledger.
struct relay {
    struct ground *ground;
    struct standing *standing;
    struct sign_secret secret;
    struct relay_id id;
    uint32_t first_epoch; // of its onion keys
    enum standing_listing listing;
    bool linked;
    bool dialling;
    size_t dialled[VALIDATORS];
    struct buf frames[4]; // sent, with their kinds
    size_t frame_count;
    // On the ledger:
    struct relay_standing at;
    size_t registrations, updates, retirements, paid;
};

// The ledger as relays see it: transactions wait until the next block.
struct ground {
    struct genesis genesis;
    struct env env;
    struct kv_batch batch;
    struct job_list jobs;
    struct step step;
    uint8_t operator_seed[32];
    struct account_standing operator;
    struct relay relays[RELAYS_MAX];
    size_t relay_count;
    struct buf pool[64];
    size_t pool_count;
    bool silent; // validators do not answer
    bool loses;  // what is submitted never gets into a block
    bool refuses;
    bool denies; // says of every relay that it is not registered
    size_t verdicts[MEMPOOL_INVALID + 1];
};

static struct ground *ground_new(uint64_t seed) {
    struct ground *g = NEW(struct ground);
    g->env.rng = rng_of_seed(seed);
    g->env.kv = kv_memory_new();
    g->env.metrics = metrics_new();
    g->step = (struct step){.env = &g->env, .batch = &g->batch, .jobs = &g->jobs};
    g->step.now = (struct now){.mono_ms = 1000, .wall_ms = 1790000000000};
    g->genesis = (struct genesis){.network = {{7}},
                                  .epoch_ms = EPOCH_MS,
                                  .ledger = {.fee_min = FEE, .relay_stake_min = STAKE, .validator_count = 1},
                                  .seed_count = VALIDATORS};
    for (size_t i = 0; i < VALIDATORS; i++) {
        g->genesis.seeds[i].id.bytes[0] = (uint8_t)(i + 1);
        g->genesis.seeds[i].address = (struct address){.host = "validator", .port = (uint16_t)(100 + i)};
    }
    rng_bytes(&g->env.rng, g->operator_seed, sizeof g->operator_seed);
    g->operator.balance = UINT64_C(1) << 40;
    return g;
}

static void ground_free(struct ground *g) {
    for (size_t i = 0; i < g->relay_count; i++) {
        standing_free(g->relays[i].standing);
        for (size_t k = 0; k < g->relays[i].frame_count; k++)
            buf_free(&g->relays[i].frames[k]);
    }
    for (size_t i = 0; i < g->pool_count; i++)
        buf_free(&g->pool[i]);
    kv_close(g->env.kv);
    metrics_free(g->env.metrics);
    kv_batch_free(&g->batch);
    job_list_free(&g->jobs);
    free(g);
}

// ---- ports

static bool port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    struct relay *relay = ctx;
    (void)step;
    assert_false(relay->linked || relay->dialling);
    assert_int_equal(address->port, 99 + id->bytes[0]);
    relay->dialling = true;
    relay->dialled[id->bytes[0] - 1]++;
    return true;
}

static void port_send(void *ctx, struct step *step, enum ledger_frame kind, struct span body) {
    struct relay *relay = ctx;
    (void)step;
    assert_true(relay->linked && relay->frame_count < 4);
    struct buf *frame = &relay->frames[relay->frame_count++];
    *frame = (struct buf){0};
    *buf_extend(frame, 1) = (uint8_t)kind;
    buf_append(frame, body);
}

static void port_hang_up(void *ctx, struct step *step) {
    struct relay *relay = ctx;
    (void)step;
    assert_true(relay->linked);
    relay->linked = false;
}

static void port_onion_keys(void *ctx, struct step *step, struct onion_keys *out) {
    const struct relay *relay = ctx;
    (void)step;
    *out = (struct onion_keys){.first_epoch = relay->first_epoch};
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        store_u32(out->keys[i].bytes, relay->first_epoch + (uint32_t)i);
}

static enum standing_listing port_listing(void *ctx, struct step *step) {
    const struct relay *relay = ctx;
    (void)step;
    return relay->listing;
}

static void start(struct relay *relay, bool has_operator, bool retiring) {
    struct ground *g = relay->ground;
    const struct standing_config config = {.genesis = &g->genesis,
                                           .relay = &relay->secret,
                                           .self = relay->id,
                                           .operator_seed = has_operator ? g->operator_seed : NULL,
                                           .address = {.host = "relay", .port = 7070},
                                           .retiring = retiring};
    const struct standing_ports ports = {.ctx = relay,
                                         .dial = port_dial,
                                         .send = port_send,
                                         .hang_up = port_hang_up,
                                         .onion_keys = port_onion_keys,
                                         .listing = port_listing};
    standing_free(relay->standing);
    relay->linked = relay->dialling = false;
    relay->standing = standing_new(&config, &ports);
    standing_start(relay->standing, &g->step);
}

static struct relay *add(struct ground *g, bool has_operator) {
    struct relay *relay = &g->relays[g->relay_count++];
    struct sign_public public;
    relay->ground = g;
    relay->first_epoch = 5;
    sign_key_new(&relay->secret, &public, &g->env.rng);
    memcpy(relay->id.bytes, public.bytes, sizeof relay->id.bytes);
    start(relay, has_operator, false);
    return relay;
}

// ---- validators

static struct relay *relay_of(struct ground *g, const uint8_t id[static 32]) {
    for (size_t i = 0; i < g->relay_count; i++)
        if (memcmp(g->relays[i].id.bytes, id, 32) == 0)
            return &g->relays[i];
    return NULL;
}

static struct account_standing *account_of(struct ground *g, const struct tx *tx) {
    struct relay *relay = relay_of(g, tx->sender.bytes);
    return relay != NULL ? &relay->at.relay : &g->operator;
}

static enum mempool_verdict submit(struct ground *g, struct span bytes) {
    struct tx tx;
    const struct tx_rules rules = {g->genesis.network, FEE};
    assert_int_equal(tx_decode(&tx, bytes), OK);
    assert_int_equal(tx_check(&tx, &rules), OK);
    assert_int_equal(tx_verify(&tx), OK);
    struct account_standing *account = account_of(g, &tx);
    if (tx.nonce < account->nonce)
        return MEMPOOL_NONCE_USED;
    if (tx.nonce < account->next_nonce)
        return MEMPOOL_UNDERPRICED;
    assert_int_equal(tx.nonce, account->next_nonce);
    assert_true(g->pool_count < 64);
    account->next_nonce++;
    g->pool[g->pool_count] = (struct buf){0};
    buf_append(&g->pool[g->pool_count++], bytes);
    return MEMPOOL_TAKEN;
}

static void execute(struct ground *g, const struct tx *tx) {
    struct account_standing *account = account_of(g, tx);
    account->nonce++;
    account->balance -= tx->fee;
    if (tx->kind == TX_REGISTER_RELAY) {
        struct relay *relay = relay_of(g, tx->register_relay.relay.bytes);
        relay->registrations++;
        account->balance -= tx->register_relay.stake + tx->register_relay.deposit;
        relay->at.relay.balance += tx->register_relay.deposit;
        relay->at.registered = relay->at.free_update = true;
        relay->at.address = tx->register_relay.address;
        relay->at.onion = tx->register_relay.onion;
        return;
    }
    struct relay *relay = relay_of(g, tx->sender.bytes);
    relay->paid += tx->fee > 0;
    if (tx->kind == TX_UPDATE_RELAY) {
        relay->updates++;
        relay->at.address = tx->update_relay.address;
        relay->at.onion = tx->update_relay.onion;
        relay->at.free_update = relay->at.free_update && tx->fee > 0;
    } else {
        assert_int_equal(tx->kind, TX_RETIRE_RELAY);
        relay->retirements++;
        relay->at.retired = true;
    }
}

static void block(struct ground *g) {
    for (size_t i = 0; i < g->pool_count; i++) {
        struct tx tx;
        assert_int_equal(tx_decode(&tx, buf_span(&g->pool[i])), OK);
        if (g->loses)
            account_of(g, &tx)->next_nonce = account_of(g, &tx)->nonce;
        else
            execute(g, &tx);
        buf_free(&g->pool[i]);
    }
    g->pool_count = 0;
}

static void answer(struct ground *g, struct relay *relay, struct span frame) {
    struct span body = {frame.p + 1, frame.n - 1};
    uint8_t out[RELAY_STANDING_BYTES_MAX];
    if (frame.p[0] == FRAME_GET_STANDING) {
        struct relay_id id;
        struct account_id operator;
        assert_int_equal(get_standing_decode(&id, &operator, body), OK);
        relay->at.operator= g->operator;
        struct relay_standing said = relay->at;
        said.registered = said.registered && !g->denies;
        said.retired = said.retired && said.registered;
        size_t n = relay_standing_encode(out, &said);
        assert_int_equal(standing_frame(relay->standing, &g->step, FRAME_STANDING, span_of(out, n)), OK);
    } else {
        struct tx_id id;
        assert_int_equal(frame.p[0], FRAME_SUBMIT);
        tx_id_of(&id, body);
        enum mempool_verdict verdict = g->refuses ? MEMPOOL_INVALID : submit(g, body);
        g->verdicts[verdict]++;
        size_t n = submitted_encode(out, &id, (uint8_t)verdict);
        assert_int_equal(standing_frame(relay->standing, &g->step, FRAME_SUBMITTED, span_of(out, n)), OK);
    }
}

// What relays have sent arrives, one frame each.
static void deliver(struct ground *g) {
    for (size_t i = 0; i < g->relay_count; i++) {
        struct relay *relay = &g->relays[i];
        if (relay->dialling) {
            relay->dialling = false;
            relay->linked = true;
            standing_up(relay->standing, &g->step);
        } else if (relay->frame_count > 0) {
            struct buf frame = relay->frames[0];
            memmove(relay->frames, relay->frames + 1, --relay->frame_count * sizeof frame);
            if (!g->silent && relay->linked)
                answer(g, relay, buf_span(&frame));
            buf_free(&frame);
        }
    }
}

static void run(struct ground *g, uint64_t ms) {
    uint64_t until_ms = g->step.now.mono_ms + ms;
    for (; g->step.now.mono_ms < until_ms; g->step.now.mono_ms++, g->step.now.wall_ms++) {
        for (size_t i = 0; i < g->relay_count; i++)
            standing_tick(g->relays[i].standing, &g->step);
        deliver(g);
        if (g->step.now.mono_ms % 200 == 0)
            block(g);
    }
}

static void epoch_begins(struct ground *g) {
    for (size_t i = 0; i < g->relay_count; i++) {
        struct relay *relay = &g->relays[i];
        relay->first_epoch++;
        relay->at.free_update = relay->at.registered;
        relay->listing = !relay->at.registered ? STANDING_UNLISTED
                         : relay->at.retired   ? STANDING_RETIRED
                                               : STANDING_LISTED;
        standing_keys_changed(relay->standing, &g->step);
    }
}

// ---- tests

static void all_relays_of_an_operator_register_at_once_and_each_once(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct ground *g = ground_new(seed);
        for (size_t i = 0; i < RELAYS_MAX; i++)
            add(g, true);
        run(g, 3000);
        for (size_t i = 0; i < RELAYS_MAX; i++) {
            assert_int_equal(g->relays[i].registrations, 1);
            assert_null(standing_waits_for(g->relays[i].standing));
            assert_false(g->relays[i].linked); // validators are not kept busy
        }
        assert_true(g->verdicts[MEMPOOL_UNDERPRICED] + g->verdicts[MEMPOOL_NONCE_USED] > 0);
        assert_true(g->operator.balance ==(UINT64_C(1) << 40) -
                    RELAYS_MAX * (STAKE + FEE + STANDING_DEPOSIT_FEES * FEE));
        ground_free(g);
    }
}

static void keys_are_updated_once_an_epoch_for_nothing(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    run(g, 3000);
    for (size_t epoch = 0; epoch < 10; epoch++) {
        epoch_begins(g);
        run(g, EPOCH_MS);
        assert_int_equal(relay->at.onion.first_epoch, relay->first_epoch);
    }
    assert_int_equal(relay->updates, 10);
    assert_int_equal(relay->paid, 0);
    assert_int_equal(relay->registrations, 1);
    ground_free(g);
}

static void a_relay_started_with_another_address_updates_it_even_when_that_is_not_free(void **state) {
    (void)state;
    for (size_t is_free = 0; is_free < 2; is_free++) {
        struct ground *g = ground_new(1);
        struct relay *relay = add(g, true);
        run(g, 3000);
        struct address own = relay->at.address;
        relay->at.address.port++; // what it was before the restart
        relay->at.free_update = is_free == 1;
        start(relay, true, false);
        run(g, 3000);
        assert_true(address_equal(&relay->at.address, &own));
        assert_int_equal(relay->updates, 1);
        assert_int_equal(relay->paid, is_free == 1 ? 0 : 1);
        ground_free(g);
    }
}

static void a_relay_without_its_operators_key_waits_and_says_what_to_do(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, false);
    run(g, 60000);
    assert_non_null(strstr(standing_waits_for(relay->standing), "sotto relay register"));
    assert_int_equal(relay->registrations, 0);
    assert_in_range(relay->dialled[0] + relay->dialled[1] + relay->dialled[2], 3, 20);
    relay->at.registered = true; // by its operator, from elsewhere
    relay->at.relay.balance = 1000;
    relay->at.address = (struct address){.host = "relay", .port = 7070};
    relay->at.onion.first_epoch = relay->first_epoch - 1;
    relay->at.free_update = true;
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        relay->at.onion.keys[i].bytes[0] = 1;
    run(g, 20000);
    assert_null(standing_waits_for(relay->standing));
    assert_int_equal(relay->updates, 1); // the relay speaks for itself
    ground_free(g);
}

static void a_relay_that_was_retired_from_elsewhere_does_not_register_again_by_itself(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    run(g, 3000);
    epoch_begins(g);
    run(g, EPOCH_MS);
    relay->at.retired = true; // by its key, on the command line
    for (size_t epoch = 0; epoch < 2; epoch++) {
        epoch_begins(g);
        run(g, EPOCH_MS);
    }
    relay->at.registered = relay->at.retired = false; // it has left
    for (size_t epoch = 0; epoch < 3; epoch++) {
        epoch_begins(g);
        run(g, EPOCH_MS);
    }
    assert_int_equal(relay->registrations, 1);
    assert_non_null(strstr(standing_waits_for(relay->standing), "sotto relay register"));
    relay->at.registered = true; // by hand
    run(g, 20000);
    assert_null(standing_waits_for(relay->standing));
    ground_free(g);
}

static void an_operator_without_grains_is_named(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    g->operator.balance = STAKE;
    struct relay *relay = add(g, true);
    run(g, 1000);
    assert_non_null(strstr(standing_waits_for(relay->standing), "grains"));
    g->operator.balance = 10 * STAKE;
    run(g, 15000);
    assert_int_equal(relay->registrations, 1);
    ground_free(g);
}

static void silent_validators_are_asked_in_turn_and_not_flooded(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    g->silent = true;
    run(g, 300000);
    size_t dials = 0;
    for (size_t i = 0; i < VALIDATORS; i++) {
        assert_true(relay->dialled[i] > 1);
        dials += relay->dialled[i];
    }
    assert_in_range(dials, 8, 40);
    assert_non_null(strstr(standing_waits_for(relay->standing), "validator"));
    g->silent = false;
    run(g, 60000);
    assert_int_equal(relay->registrations, 1);
    ground_free(g);
}

static void a_registration_that_is_lost_is_sent_again(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    g->loses = true;
    run(g, 5000);
    assert_int_equal(relay->registrations, 0);
    g->loses = false;
    run(g, 20000);
    assert_int_equal(relay->registrations, 1);
    ground_free(g);
}

static void assert_settles(struct ground *g, struct relay *relay, size_t registrations) {
    assert_int_equal(relay->registrations, registrations);
    g->denies = false;
    run(g, 60000);
    assert_null(standing_waits_for(relay->standing));
    assert_int_equal(relay->registrations, registrations);
}

// Each would cost the operator a fee.
static void a_relay_that_is_listed_is_not_talked_into_registering_again(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    run(g, 3000);
    epoch_begins(g);
    g->denies = true;
    run(g, 10 * EPOCH_MS);
    assert_settles(g, relay, 1);
    ground_free(g);
}

static void a_relay_that_is_not_listed_yet_pays_little_for_lies(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    g->denies = true;
    run(g, EPOCH_MS); // then the directory lists it
    assert_in_range(relay->registrations, 1, 12);
    assert_settles(g, relay, relay->registrations);
    ground_free(g);
}

static void a_slashed_relay_registers_when_no_directory_lists_it_any_more(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    run(g, 3000);
    epoch_begins(g);
    run(g, EPOCH_MS);
    relay->at.registered = false;
    run(g, EPOCH_MS / 2);
    assert_int_equal(relay->registrations, 1);
    epoch_begins(g);
    run(g, EPOCH_MS);
    assert_int_equal(relay->registrations, 2);
    ground_free(g);
}

static void a_refusal_is_told_and_the_others_are_asked(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    g->refuses = true;
    run(g, 5000);
    assert_non_null(strstr(standing_waits_for(relay->standing), "refuses"));
    assert_true(relay->dialled[0] > 0 && relay->dialled[1] > 0 && relay->dialled[2] > 0);
    assert_in_range(g->verdicts[MEMPOOL_INVALID], 3, 10);
    g->refuses = false;
    run(g, 60000);
    assert_int_equal(relay->registrations, 1);
    assert_null(standing_waits_for(relay->standing));
    ground_free(g);
}

static void a_lost_link_is_made_again(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    run(g, 20);
    for (size_t i = 0; i < 5; i++) {
        if (relay->linked || relay->dialling) {
            relay->linked = relay->dialling = false;
            standing_down(relay->standing, &g->step);
        }
        run(g, 7);
    }
    run(g, 60000);
    assert_int_equal(relay->registrations, 1);
    ground_free(g);
}

static void a_retiring_relay_retires_once(void **state) {
    (void)state;
    struct ground *g = ground_new(1);
    struct relay *relay = add(g, true);
    run(g, 3000);
    start(relay, true, true);
    run(g, 3000);
    assert_int_equal(relay->retirements, 1);
    for (size_t epoch = 0; epoch < 3; epoch++) {
        epoch_begins(g);
        run(g, EPOCH_MS);
    }
    relay->at = (struct relay_standing){.relay = relay->at.relay}; // it is gone
    run(g, 2 * EPOCH_MS);
    assert_int_equal(relay->retirements, 1);
    assert_int_equal(relay->registrations, 1);
    ground_free(g);
}

static void a_standing_is_read_as_it_was_written(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct relay_standing in = {.registered = rng_below(&rng, 2) == 1, .free_update = rng_below(&rng, 2) == 1};
        struct relay_standing out;
        uint8_t bytes[RELAY_STANDING_BYTES_MAX], again[RELAY_STANDING_BYTES_MAX];
        rng_bytes(&rng, (uint8_t *)&in.operator, sizeof in.operator);
        rng_bytes(&rng, (uint8_t *)&in.relay, sizeof in.relay);
        in.address = (struct address){.host = "a.example", .port = (uint16_t)(1 + rng_below(&rng, 60000))};
        rng_bytes(&rng, (uint8_t *)&in.onion, sizeof in.onion);
        size_t n = relay_standing_encode(bytes, &in);
        assert_int_equal(relay_standing_decode(&out, span_of(bytes, n)), OK);
        assert_int_equal(relay_standing_encode(again, &out), n);
        assert_memory_equal(bytes, again, n);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(relay_standing_decode(&out, span_of(bytes, cut)), ERR_MALFORMED);
        bytes[48] |= 8;
        assert_int_equal(relay_standing_decode(&out, span_of(bytes, n)), ERR_MALFORMED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_relays_of_an_operator_register_at_once_and_each_once),
        cmocka_unit_test(keys_are_updated_once_an_epoch_for_nothing),
        cmocka_unit_test(a_relay_started_with_another_address_updates_it_even_when_that_is_not_free),
        cmocka_unit_test(a_relay_without_its_operators_key_waits_and_says_what_to_do),
        cmocka_unit_test(a_relay_that_was_retired_from_elsewhere_does_not_register_again_by_itself),
        cmocka_unit_test(an_operator_without_grains_is_named),
        cmocka_unit_test(silent_validators_are_asked_in_turn_and_not_flooded),
        cmocka_unit_test(a_registration_that_is_lost_is_sent_again),
        cmocka_unit_test(a_relay_that_is_listed_is_not_talked_into_registering_again),
        cmocka_unit_test(a_relay_that_is_not_listed_yet_pays_little_for_lies),
        cmocka_unit_test(a_slashed_relay_registers_when_no_directory_lists_it_any_more),
        cmocka_unit_test(a_refusal_is_told_and_the_others_are_asked),
        cmocka_unit_test(a_lost_link_is_made_again),
        cmocka_unit_test(a_retiring_relay_retires_once),
        cmocka_unit_test(a_standing_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests_name("ledger/standing", tests, NULL, NULL);
}
