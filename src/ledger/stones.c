// See stones.h. What peers have sent and is not proved yet lies on a stack, the target at its bottom, each one about
// half as far from what is trusted as the one below: so it is no deeper than a height has bits.
#include "ledger/stones.h"

#include <stdlib.h>

#include "base/assert.h"

#define ANSWER_TIMEOUT_MS 5000
#define PAUSE_MS 10        // between questions: 100 of the largest answers a second are half of what a validator allows
#define NEXT_MS 200        // until the next seed is tried
#define NEXT_ROUND_MS 2000 // ... when all have been tried once
#define ROUNDS_MAX 2       // through the seeds without getting any further
#define STACK_MAX (64 + 2) // bits of a height, the target, and the lowest that a peer still holds

enum phase {
    PHASE_IDLE,
    PHASE_WAITS,  // dials at due_ms
    PHASE_DIALS,  // a link is being made
    PHASE_ASKED,  // until due_ms the answer must come
    PHASE_PAUSES, // asks again at due_ms
};

struct stones {
    struct stones_config config;
    struct stones_ports ports;
    enum phase phase;
    uint64_t due_ms;
    // The walk.
    bool begun; // ever
    struct light trusted;
    uint64_t target;
    struct checkpoint checkpoint; // height 0: the target is proved by headers
    struct light_block *stack[STACK_MAX];
    size_t depth;
    size_t asks;
    size_t failures; // since a header was trusted
    uint64_t until_ms;
    // The peer.
    size_t seed;     // the one at hand
    uint64_t lowest; // height that it serves, as it says
    uint64_t asked;  // height
};

struct stones *stones_new(const struct stones_config *config, const struct stones_ports *ports) {
    struct stones *stones = NEW(struct stones);
    stones->config = *config;
    stones->ports = *ports;
    stones->due_ms = TIME_NEVER;
    return stones;
}

static void cut_stack(struct stones *stones, size_t depth) {
    while (stones->depth > depth)
        free(stones->stack[--stones->depth]);
}

void stones_free(struct stones *stones) {
    if (stones == NULL)
        return;
    cut_stack(stones, 0);
    free(stones);
}

bool stones_is_walking(const struct stones *stones) {
    return stones->phase != PHASE_IDLE;
}

const struct light *stones_trusted(const struct stones *stones) {
    return stones->begun ? &stones->trusted : NULL;
}

static void go_on(struct stones *stones, struct step *step, enum phase phase, uint64_t after_ms) {
    stones->phase = phase;
    stones->due_ms = after_ms == TIME_NEVER ? TIME_NEVER : step->now.mono_ms + after_ms;
}

// ---- the ends of links and walks

void stones_stop(struct stones *stones, struct step *step) {
    bool has_link = stones->phase != PHASE_IDLE && stones->phase != PHASE_WAITS;
    go_on(stones, step, PHASE_IDLE, TIME_NEVER);
    cut_stack(stones, 0);
    if (has_link)
        stones->ports.hang_up(stones->ports.ctx, step);
}

static void end(struct stones *stones, struct step *step, enum stones_end how) {
    stones_stop(stones, step);
    stones->ports.ended(stones->ports.ctx, step, how); // may begin the next walk
}

// The next seed is tried, unless all have been often enough.
static void peer_failed(struct stones *stones, struct step *step) {
    size_t seeds = stones->config.genesis->seed_count;
    uint64_t wait_ms = stones->failures < seeds ? NEXT_MS : NEXT_ROUND_MS;
    metric_add(step->env->metrics, METRIC_STONES_FAILURES, 1);
    stones_stop(stones, step);
    stones->seed = (stones->seed + 1) % seeds;
    if (++stones->failures >= ROUNDS_MAX * seeds || step->now.mono_ms >= stones->until_ms)
        end(stones, step, STONES_GAVE_UP);
    else
        go_on(stones, step, PHASE_WAITS, wait_ms / 2 + rng_below(&step->env->rng, wait_ms / 2 + 1));
}

// ---- beginning

static void begin(struct stones *stones, struct step *step, uint64_t target, const struct checkpoint *checkpoint) {
    ASSERT(stones->phase == PHASE_IDLE && stones->depth == 0);
    stones->begun = true;
    stones->target = target;
    stones->checkpoint = *checkpoint;
    stones->asks = 0;
    stones->failures = 0;
    stones->until_ms = step->now.mono_ms + STONES_WALK_MS_MAX;
    stones->seed = (size_t)rng_below(&step->env->rng, stones->config.genesis->seed_count); // all share the work
    go_on(stones, step, PHASE_WAITS, 0);
}

void stones_walk(struct stones *stones, struct step *step, const struct light *from, uint64_t height) {
    static const struct checkpoint none;
    ASSERT(height > from->header.height);
    uint64_t trusted = stones->trusted.header.height;
    if (!stones->begun || trusted < from->header.height || trusted >= height)
        stones->trusted = *from;
    begin(stones, step, height, &none);
}

void stones_fetch(struct stones *stones, struct step *step, const struct light *from,
                  const struct checkpoint *checkpoint) {
    ASSERT(checkpoint->height > 0);
    stones->trusted = *from;
    begin(stones, step, checkpoint->height, checkpoint);
}

static void dial(struct stones *stones, struct step *step) {
    const struct genesis_seed *seed = &stones->config.genesis->seeds[stones->seed];
    bool is_self = relay_id_equal(&seed->id, &stones->config.self);
    if (!is_self && stones->ports.dial(stones->ports.ctx, step, &seed->id, &seed->address))
        go_on(stones, step, PHASE_DIALS, TIME_NEVER);
    else
        peer_failed(stones, step);
}

// ---- asking

// The target; then halfway to the lowest that could not be judged, or as near to that as the peer's memory reaches.
static uint64_t next_height(const struct stones *stones) {
    if (stones->depth == 0)
        return stones->target;
    uint64_t low = stones->trusted.header.height;
    uint64_t middle = low + (stones->stack[stones->depth - 1]->header.height - low) / 2;
    return middle > stones->lowest ? middle : stones->lowest;
}

static void ask(struct stones *stones, struct step *step) {
    uint8_t body[GET_HEIGHT_BYTES];
    stones->asked = next_height(stones);
    bool pruned = stones->depth > 0 && stones->asked >= stones->stack[stones->depth - 1]->header.height;
    if (pruned || stones->depth == STACK_MAX) {
        peer_failed(stones, step);
        return;
    }
    if (++stones->asks > STONES_MAX || step->now.mono_ms >= stones->until_ms) {
        end(stones, step, STONES_GAVE_UP);
        return;
    }
    get_height_encode(body, stones->asked);
    go_on(stones, step, PHASE_ASKED, ANSWER_TIMEOUT_MS);
    stones->ports.send(stones->ports.ctx, step, FRAME_GET_LIGHT, SPAN_OF(body));
}

void stones_up(struct stones *stones, struct step *step) {
    ASSERT(stones->phase == PHASE_DIALS);
    stones->lowest = 0;
    go_on(stones, step, PHASE_PAUSES, TIME_NEVER);
    ask(stones, step);
}

void stones_down(struct stones *stones, struct step *step) {
    ASSERT(stones->phase != PHASE_IDLE && stones->phase != PHASE_WAITS);
    stones->phase = PHASE_WAITS; // there is nothing to hang up
    peer_failed(stones, step);
}

// ---- answers

// The farthest that can be judged is trusted: what lies before it needs no signatures verified. LIGHT_BETWEEN: none
// can.
static enum light_result step_on(struct stones *stones, const struct step *step) {
    enum light_result result = LIGHT_BETWEEN;
    for (size_t i = 0; i < stones->depth && result == LIGHT_BETWEEN; i++) {
        const struct light_block *block = stones->stack[i];
        result =
            light_update(&stones->trusted, &block->header, &block->certificate, &block->validators, step->now.wall_ms);
        if (result == LIGHT_TAKEN)
            cut_stack(stones, i);
    }
    return result;
}

// As far as what is held leads; then what is between is asked for.
static void climb(struct stones *stones, struct step *step) {
    enum light_result result = LIGHT_TAKEN;
    while (stones->depth > 0 && result == LIGHT_TAKEN) {
        result = step_on(stones, step);
        if (result == LIGHT_TAKEN) {
            metric_add(step->env->metrics, METRIC_STONES_TAKEN, 1);
            stones->failures = 0;
        }
    }
    if (result == LIGHT_TAKEN)
        end(stones, step, STONES_REACHED);
    else if (result == LIGHT_BETWEEN)
        go_on(stones, step, PHASE_PAUSES, PAUSE_MS);
    else if (result == LIGHT_FORK)
        end(stones, step, STONES_FORK);
    else
        peer_failed(stones, step);
}

static void try_checkpoint(struct stones *stones, struct step *step, const struct light_block *block) {
    if (light_checkpoint(&stones->trusted, &stones->checkpoint.id, &block->header, &block->validators) == OK)
        end(stones, step, STONES_REACHED);
    else
        peer_failed(stones, step);
}

static enum err on_light(struct stones *stones, struct step *step, struct span body) {
    uint64_t height;
    struct span found;
    // Nothing comes unasked from an honest peer: a late answer would be on a link that is closed by then.
    if (found_decode(&height, &found, body) != OK || stones->phase != PHASE_ASKED || height != stones->asked)
        return ERR_MALFORMED;
    if (found.n == 0) { // not held
        peer_failed(stones, step);
        return OK;
    }
    struct light_block *block = NEW(struct light_block);
    if (light_block_decode(block, found) != OK || block->header.height != height) {
        free(block);
        return ERR_MALFORMED;
    }
    if (stones->checkpoint.height > 0) {
        try_checkpoint(stones, step, block);
        free(block);
        return OK;
    }
    stones->stack[stones->depth++] = block;
    climb(stones, step);
    return OK;
}

static enum err on_status(struct stones *stones, struct span body) {
    struct peer_status status;
    if (peer_status_decode(&status, body) != OK)
        return ERR_MALFORMED;
    stones->lowest = status.first_height;
    return OK;
}

enum err stones_frame(struct stones *stones, struct step *step, uint8_t kind, struct span body) {
    if (kind == FRAME_STATUS)
        return on_status(stones, body);
    return kind == FRAME_LIGHT ? on_light(stones, step, body) : OK;
}

void stones_tick(struct stones *stones, struct step *step) {
    if (step->now.mono_ms < stones->due_ms)
        return;
    switch (stones->phase) {
    case PHASE_WAITS:
        dial(stones, step);
        return;
    case PHASE_PAUSES:
        ask(stones, step);
        return;
    case PHASE_ASKED: // no answer
        peer_failed(stones, step);
        return;
    case PHASE_IDLE:
    case PHASE_DIALS:
        break;
    }
    ASSERT(false); // neither ends by the clock
}

uint64_t stones_next_ms(const struct stones *stones) {
    return stones->due_ms;
}
