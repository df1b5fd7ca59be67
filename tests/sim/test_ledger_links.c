// Ledger links in the simulated world: frames cross it whole and in order however links break, within the host's
// window.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "no_randombytes.h"
#include "node/node_internal.h"
#include "sim/world.h"

#define RUN_MS 20000
#define BLOCK 18
#define VOTE 49

// The ledger's part of one machine: the dialler sends blocks and votes with rising numbers, the other looks at them.
struct part {
    struct machine *machine;
    struct machine *peer; // to dial; NULL: listens
    uint64_t link;        // 0: none
    uint32_t numbers[2];  // sent or received last on this link, by lane
    size_t received;
    size_t received_bytes;
    size_t opened;
    size_t ended; // links and dials
};

static void dial(struct part *part, struct step *step) {
    ledger_dial(part->machine->node, step, &part->peer->config.address, &part->peer->id);
}

static void send_next(struct part *part, struct step *step, enum frame_lane lane) {
    size_t n = lane == FRAME_BULK ? 200000 : 141;
    uint8_t *body = mem_new(n, 1);
    store_u32(body, ++part->numbers[lane]);
    uint8_t kind = lane == FRAME_BULK ? BLOCK : VOTE;
    assert_true(ledger_link_send(part->machine->node, step, part->link, kind, span_of(body, n), lane));
    free(body);
}

static void on_opened(void *ctx, struct step *step, const struct ledger_peer *peer) {
    struct part *part = ctx;
    part->opened++;
    part->link = peer->link;
    part->numbers[0] = part->numbers[1] = 0;
    if (part->peer != NULL) {
        send_next(part, step, FRAME_BULK);
        send_next(part, step, FRAME_URGENT);
    } else {
        ledger_link_trust(part->machine->node, peer->link, true);
    }
}

// The listener answers each frame with a vote, upon which the dialler sends the next.
static void on_frame(void *ctx, struct step *step, uint64_t link, uint8_t kind, struct span body) {
    struct part *part = ctx;
    if (link != part->link)
        return; // of a link that a newer one has replaced
    part->received++;
    part->received_bytes += body.n;
    if (part->peer != NULL) {
        send_next(part, step, body.p[0] == BLOCK ? FRAME_BULK : FRAME_URGENT);
        return;
    }
    enum frame_lane lane = kind == BLOCK ? FRAME_BULK : FRAME_URGENT;
    assert_int_equal(load_u32(body.p), ++part->numbers[lane]);
    assert_true(ledger_link_send(part->machine->node, step, link, VOTE, span_of(&kind, 1), FRAME_URGENT));
}

static void on_closed(void *ctx, struct step *step, uint64_t link) {
    struct part *part = ctx;
    part->ended++;
    if (link == part->link)
        part->link = 0;
    if (part->peer != NULL)
        dial(part, step);
}

static void on_dial_failed(void *ctx, struct step *step, uint64_t number) {
    struct part *part = ctx;
    (void)number;
    part->ended++;
    dial(part, step);
}

static uint64_t no_height(void *ctx) {
    (void)ctx;
    return 0;
}

// A node that runs no ledger, so that its ledger links are the test's, which others dial like a validator.
static struct machine *add_end(struct world *world) {
    struct machine *machine = world_add_machine(world, ROLE_USER);
    machine->config.genesis = world->genesis;
    machine_start(world, machine);
    machine->config.roles = ROLE_VALIDATOR;
    return machine;
}

static void join(struct part *part) {
    ledger_links_handle(part->machine->node, &(struct ledger_handlers){.ctx = part,
                                                                       .opened = on_opened,
                                                                       .frame = on_frame,
                                                                       .closed = on_closed,
                                                                       .dial_failed = on_dial_failed,
                                                                       .height = no_height,
                                                                       .role = LEDGER_VALIDATOR});
}

// A dial from outside a step, as an effect of its own.
static void dial_first(struct world *world, struct part *part) {
    struct effects effects = {0};
    struct step step = {0};
    part->machine->node->effects = &effects;
    dial(part, &step);
    network_dial(world, part->machine, &effects.list[0]);
    effects_free(&effects);
    part->machine->node->effects = NULL;
}

static void run(uint64_t seed, const struct sim_faults *faults, struct part *from, struct part *to) {
    struct sim_config config;
    sim_config_quiet(&config, seed);
    config.relays = 3;
    config.users = 0;
    config.faults = *faults;
    struct world *world = world_new(&config);
    *to = (struct part){.machine = add_end(world)};
    *from = (struct part){.machine = add_end(world), .peer = to->machine};
    join(from);
    join(to);
    dial_first(world, from);
    faults_begin(world);
    world_run_until(world, RUN_MS);
    assert_null(world->checker.failure.what);
    world_free(world);
}

static void frames_cross_a_quiet_world(void **state) {
    (void)state;
    struct part from, to;
    run(1, &(struct sim_faults){0}, &from, &to);
    assert_int_equal(from.opened, 1);
    assert_int_equal(from.ended + to.ended, 0);
    assert_true(to.numbers[FRAME_BULK] > 10);
    assert_true(to.numbers[FRAME_URGENT] > to.numbers[FRAME_BULK]); // votes do not wait for whole blocks
    assert_true(to.received_bytes > 2000000);
}

static void frames_stay_whole_when_links_break_and_stall(void **state) {
    (void)state;
    size_t opened = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct part from, to;
        struct sim_faults faults = {
            .break_ms = 500, .stall_ms = 1000, .slow_ms = 3000, .partition_ms = 10000, .pause_ms = 5000};
        run(seed, &faults, &from, &to);
        assert_true(to.received > 0);
        opened += from.opened;
    }
    assert_true(opened > 40); // links did break
}

int main(void) {
    forbid_randombytes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_cross_a_quiet_world),
        cmocka_unit_test(frames_stay_whole_when_links_break_and_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
