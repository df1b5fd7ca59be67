// Messages on their way, and what makes the way bad.
#include <stdlib.h>

#include "base/assert.h"
#include "world.h"

struct message *message_new(enum message_kind kind, size_t from) {
    struct message *message = NEW(struct message);
    message->kind = kind;
    message->from = from;
    return message;
}

struct message *message_copy(const struct message *message) {
    struct message *copy = mem_copy(span_of(message, sizeof *message));
    if (message->certificate != NULL)
        copy->certificate = mem_copy(span_of(message->certificate, sizeof *message->certificate));
    if (message->heard != NULL)
        copy->heard = mem_copy(span_of(message->heard, sizeof *message->heard));
    return copy;
}

void message_free(struct message *message) {
    if (message != NULL) {
        free(message->certificate);
        free(message->heard);
    }
    free(message);
}

size_t other_machine(struct world *world, size_t self) {
    size_t other = (size_t)rng_below(&world->rng, world->machine_count - 1);
    return other >= self ? other + 1 : other;
}

// Until things heal, messages of a partitioned round stay within their part; questions and answers are of no round.
static bool crosses(const struct world *world, const struct message *message, size_t to) {
    uint32_t round = message->kind == MESSAGE_VOTE       ? message->vote.round
                     : message->kind == MESSAGE_PROPOSAL ? message->proposal.round
                                                         : UINT32_MAX;
    if (world->healed || round >= world->config.partitioned_rounds)
        return true;
    uint32_t part = world->config.parts[round];
    return ((part >> message->from) & 1) == ((part >> to) & 1);
}

static uint64_t delay(struct world *world) {
    return 1 + rng_exponential_ms(&world->rng, world->healed ? 5 : world->config.delay_mean_ms);
}

static bool is_lost(struct world *world, const struct message *message, size_t to) {
    const struct sim_config *config = &world->config;
    uint32_t loss = config->loss_percent;
    if (message->kind == MESSAGE_VOTE && config->vote_loss_percent[message->vote.type - 1] > loss)
        loss = config->vote_loss_percent[message->vote.type - 1];
    return world->now_ms < world->blocked_until_ms[message->from][to] || percent(world, loss);
}

static void send_once(struct world *world, const struct message *message, size_t to) {
    if (!world->healed && is_lost(world, message, to))
        return;
    schedule(world, delay(world),
             &(struct event){.kind = EVENT_MESSAGE, .machine = to, .message = message_copy(message)});
}

void send_to(struct world *world, const struct message *message, size_t to) {
    if (to == message->from || !crosses(world, message, to))
        return;
    send_once(world, message, to);
    if (percent(world, world->config.repeat_percent))
        send_once(world, message, to);
}

void send_to_all(struct world *world, const struct message *message) {
    for (size_t to = 0; to < world->machine_count; to++)
        send_to(world, message, to);
}

// ---- faults ----

static void block(struct world *world, size_t from, size_t to, uint64_t ms) {
    world->blocked_until_ms[from][to] = world->now_ms + ms;
}

// Machines of one side do not hear the other, and perhaps are not heard.
static void partition(struct world *world, uint32_t side, bool both_ways, uint64_t ms) {
    for (size_t a = 0; a < world->machine_count; a++) {
        for (size_t b = 0; b < world->machine_count; b++) {
            if (((side >> a) & 1) == 1 && ((side >> b) & 1) == 0) {
                block(world, a, b, ms);
                if (both_ways)
                    block(world, b, a, ms);
            }
        }
    }
}

void silence(struct world *world, size_t machine, uint64_t ms) {
    partition(world, UINT32_C(1) << machine, false, ms);
}

static void isolate_proposer(struct world *world, uint64_t ms) {
    struct bft_view view;
    const struct machine *machine = &world->machines[rng_below(&world->rng, world->machine_count)];
    if (!machine->up || machine->core == NULL)
        return;
    bft_look(machine->core, &view);
    const struct validator_set *set = set_at(world, view.height);
    uint32_t ahead = (uint32_t)rng_below(&world->rng, 2);
    struct sign_public key = set->validators[validators_proposer(set, view.height, view.round + ahead)].key;
    for (size_t i = 0; i < world->machine_count; i++) {
        struct sign_public own = key_of(world->machines[i].validator);
        if (own.bytes[0] == key.bytes[0])
            partition(world, UINT32_C(1) << i, percent(world, 50), ms);
    }
}

static void kill_one(struct world *world) {
    struct machine *machine = &world->machines[rng_below(&world->rng, world->machine_count)];
    if (machine->up && machine->core != NULL)
        machine_kill(world, machine, percent(world, 50), rng_below(&world->rng, 2000));
}

void fault(struct world *world) {
    uint64_t ms = 50 + rng_exponential_ms(&world->rng, 400);
    switch (rng_below(&world->rng, 4)) {
    case 0:
        partition(world, (uint32_t)rng_u64(&world->rng), true, ms);
        break;
    case 1:
        partition(world, (uint32_t)rng_u64(&world->rng), false, ms);
        break;
    case 2:
        isolate_proposer(world, ms);
        break;
    default:
        kill_one(world);
        break;
    }
}
