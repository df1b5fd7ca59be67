// Links between machines, with what TLS over TCP promises: bytes arrive in order or the link breaks; either may take
// its time, and one end may hear of the end much later than the other, or never.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/world.h"
#include "wire/cell.h"

// Sends on their way in one direction beyond which the sender is not told that there is room.
#define FLOW_SENDS 64
#define BLOCKED_LOOK_MS 50
#define DIAL_TIMEOUT_MS 3000

struct sent {
    struct sent *next;
    uint64_t arrives_ms;
    struct buf bytes; // empty: the end of the stream
};

// One direction, from its side to the other.
struct flow {
    struct sent *first;
    struct sent *last;
    size_t count;
    uint64_t last_arrives_ms;
    uint64_t stalled_until_ms;
    bool pumping; // a look at the first is due
    bool end;     // no more is sent
};

enum side_state { OPENING, OPEN, SHUT };

struct side {
    uint32_t machine;
    uint32_t incarnation;
    uint64_t number;           // of the link at this machine
    enum side_state state;     // open: the node hears of it
    size_t taken;              // bytes since the node was last told of room
    uint32_t held;             // sends not yet on their way
    bool telling;              // it is about to be told
    struct frame_reader heard; // a validator's frames, for the checker
    struct flow flow;
};

struct sim_link {
    size_t index;
    enum link_kind kind;
    struct side sides[2]; // the first dialled
};

static struct machine *machine_at(struct world *world, const struct side *side) {
    return world->machines[side->machine];
}

static bool alive(struct world *world, const struct side *side) {
    if (side->machine == NOBODY)
        return false; // a visitor, who does not listen
    const struct machine *machine = machine_at(world, side);
    return machine_runs(machine) && machine->incarnation == side->incarnation;
}

static bool blocked(const struct world *world, uint32_t a, uint32_t b) {
    return world->partitioned && world->machines[a]->side != world->machines[b]->side;
}

// Fixed for each pair of machines, with a little noise.
static uint64_t latency_ms(struct world *world, uint32_t a, uint32_t b) {
    uint32_t low = a < b ? a : b;
    uint32_t high = a < b ? b : a;
    uint64_t ms = trace_mix(trace_mix(world->config.seed, low), high) % 25 + rng_below(&world->rng_net, 3);
    const struct machine *ends[] = {world->machines[a], world->machines[b]};
    for (size_t i = 0; i < 2; i++) {
        if (ends[i]->slow_until_ms > world->now_ms)
            ms += rng_below(&world->rng_net, ends[i]->slow_by_ms + 1);
    }
    return ms;
}

// The link that a machine's process knows by that number, and which of its sides. NULL: none of this process.
static struct sim_link *find(struct world *world, const struct machine *machine, uint64_t number, int *side) {
    if (number == LINK_SELF || number > machine->link_count)
        return NULL;
    struct sim_link *link = world->links[machine->links[number - 1]];
    *side = link->sides[0].machine == machine->index && link->sides[0].number == number ? 0 : 1;
    return link->sides[*side].incarnation == machine->incarnation ? link : NULL;
}

// ---- telling the nodes ----

static void link_closed_event(struct world *world, struct sim_event *event) {
    struct machine *machine = world->machines[event->machine];
    int s;
    struct sim_link *link = find(world, machine, event->a, &s);
    if (link == NULL || link->sides[s].state != OPEN)
        return;
    link->sides[s].state = SHUT;
    struct event closed = {.kind = EVENT_LINK_CLOSED,
                           .link_closed = {.link = event->a, .reason = (enum close_reason)event->b}};
    machine_event(world, machine, &closed);
}

static void tell_closed(struct world *world, struct side *side, enum close_reason reason, uint64_t in_ms) {
    if (side->state == SHUT || !alive(world, side))
        return;
    struct sim_event *event =
        world_for(world, world->now_ms + in_ms, "link closed", machine_at(world, side), link_closed_event);
    event->a = side->number;
    event->b = reason;
}

static void drained_event(struct world *world, struct sim_event *event) {
    struct machine *machine = world->machines[event->machine];
    int s;
    struct sim_link *link = find(world, machine, event->a, &s);
    if (link == NULL || link->sides[s].state != OPEN)
        return;
    struct side *side = &link->sides[s];
    side->telling = false;
    if (side->held > 0 || side->flow.count >= FLOW_SENDS)
        return; // told when they are on their way
    side->taken = 0;
    struct event drained = {.kind = EVENT_LINK_DRAINED, .link_drained = {.link = event->a}};
    machine_event(world, machine, &drained);
}

static void tell_drained(struct world *world, struct side *side) {
    if (side->telling || side->taken == 0 || side->held > 0 || side->flow.count >= FLOW_SENDS || side->state != OPEN ||
        !alive(world, side))
        return;
    side->telling = true;
    world_for(world, world->now_ms + rng_below(&world->rng_net, 2), "drained", machine_at(world, side), drained_event)
        ->a = side->number;
}

// ---- bytes on their way ----

static void sent_free(struct sent *sent) {
    buf_free(&sent->bytes);
    free(sent);
}

static struct sent *flow_pop(struct flow *flow) {
    struct sent *sent = flow->first;
    flow->first = sent->next;
    if (flow->first == NULL)
        flow->last = NULL;
    flow->count--;
    return sent;
}

static void flow_clear(struct flow *flow) {
    while (flow->first != NULL)
        sent_free(flow_pop(flow));
}

// Some hosts read a cell in two pieces.
static void deliver(struct world *world, struct machine *machine, uint64_t number, struct span bytes) {
    uint32_t incarnation = machine->incarnation;
    size_t cut = rng_below(&world->rng_net, 16) == 0 ? (size_t)rng_below(&world->rng_net, bytes.n) : 0;
    const struct span pieces[] = {span_of(bytes.p, cut), span_of(bytes.p + cut, bytes.n - cut)};
    for (size_t i = 0; i < 2; i++) {
        int s = 0;
        struct sim_link *link = find(world, machine, number, &s);
        bool open = number == LINK_SELF || (link != NULL && link->sides[s].state == OPEN);
        if (pieces[i].n == 0 || machine->incarnation != incarnation || !open)
            continue;
        struct event event = {.kind = EVENT_LINK_BYTES, .link_bytes = {.link = number, .bytes = pieces[i]}};
        machine_event(world, machine, &event);
    }
}

static void pump_event(struct world *world, struct sim_event *event);

static void pump_at(struct world *world, size_t index, int s, uint64_t at_ms) {
    struct flow *flow = &world->links[index]->sides[s].flow;
    if (flow->pumping)
        return;
    flow->pumping = true;
    struct sim_event *event = world_at(world, at_ms > world->now_ms ? at_ms : world->now_ms, "pump", pump_event);
    event->a = index;
    event->b = (uint64_t)s;
}

// When what was sent first may arrive: not while its way is blocked or its receiver stands still.
static uint64_t arrival_ms(struct world *world, const struct sim_link *link, int s) {
    const struct flow *flow = &link->sides[s].flow;
    const struct side *to = &link->sides[1 - s];
    uint64_t at_ms = flow->first->arrives_ms;
    if (flow->stalled_until_ms > at_ms)
        at_ms = flow->stalled_until_ms;
    if (alive(world, to) && machine_at(world, to)->paused_until_ms > at_ms)
        at_ms = machine_at(world, to)->paused_until_ms;
    if (at_ms <= world->now_ms && blocked(world, link->sides[0].machine, link->sides[1].machine))
        at_ms = world->now_ms + BLOCKED_LOOK_MS;
    return at_ms;
}

static void arrive(struct world *world, struct sim_link *link, int s, struct sent *sent) {
    struct side *to = &link->sides[1 - s];
    if (to->state != OPEN || !alive(world, to))
        return;
    if (sent->bytes.n > 0)
        deliver(world, machine_at(world, to), to->number, buf_span(&sent->bytes));
    else
        tell_closed(world, to, CLOSE_PEER, 0);
}

static void pump_event(struct world *world, struct sim_event *event) {
    struct sim_link *link = world->links[event->a];
    int s = (int)event->b;
    struct side *from = &link->sides[s];
    from->flow.pumping = false;
    if (from->flow.first == NULL)
        return;
    uint64_t at_ms = arrival_ms(world, link, s);
    if (at_ms <= world->now_ms) {
        struct sent *sent = flow_pop(&from->flow);
        arrive(world, link, s, sent);
        sent_free(sent);
        tell_drained(world, from);
    }
    if (from->flow.first != NULL && !from->flow.pumping)
        pump_at(world, (size_t)event->a, s, arrival_ms(world, link, s));
}

// `bytes` empty: the end.
static void put_on_way(struct world *world, struct sim_link *link, int s, struct span bytes) {
    struct side *from = &link->sides[s];
    struct flow *flow = &from->flow;
    if (flow->end)
        return;
    struct sent *sent = NEW(struct sent);
    buf_append(&sent->bytes, bytes);
    sent->arrives_ms = world->now_ms + latency_ms(world, link->sides[0].machine, link->sides[1].machine);
    if (sent->arrives_ms < flow->last_arrives_ms)
        sent->arrives_ms = flow->last_arrives_ms;
    flow->last_arrives_ms = sent->arrives_ms;
    if (flow->last != NULL)
        flow->last->next = sent;
    else
        flow->first = sent;
    flow->last = sent;
    flow->count++;
    pump_at(world, link->index, s, sent->arrives_ms);
}

// ---- what a node sends ----

struct self_cell {
    struct job job; // the queue frees it as it frees a job
    struct buf bytes;
};

static void self_cell_free(struct job *job) {
    struct self_cell *cell = (struct self_cell *)job;
    buf_free(&cell->bytes);
    free(cell);
}

static void self_event(struct world *world, struct sim_event *event) {
    struct self_cell *cell = (struct self_cell *)event->job;
    deliver(world, world->machines[event->machine], LINK_SELF, buf_span(&cell->bytes));
}

static void send_to_self(struct world *world, struct machine *machine, struct span bytes) {
    struct self_cell *cell = NEW(struct self_cell);
    cell->job.free = self_cell_free;
    buf_append(&cell->bytes, bytes);
    world_for(world, world->now_ms, "to itself", machine, self_event)->job = &cell->job;
}

void network_taken(struct world *world, struct machine *from, uint64_t number, size_t n) {
    static const size_t windows[LINK_KINDS] = {
        [LINK_CELLS] = LINK_WINDOW_CELLS * CELL_BYTES, [LINK_LEDGER] = LINK_WINDOW_BYTES};
    int s;
    struct sim_link *link = find(world, from, number, &s);
    if (link == NULL || link->sides[s].state != OPEN)
        return;
    link->sides[s].held++;
    link->sides[s].taken += n;
    check_bound(&world->checker, "bytes sent on a link beyond its window", from->index, link->sides[s].taken,
                windows[link->kind], world->now_ms);
}

static bool strikes(struct world *world, uint32_t per_million) {
    return world->chaos && per_million > 0 && rng_below(&world->rng_faults, 1000000) < per_million;
}

// What a malicious relay may do to packets that others make.
static void send_tampered(struct world *world, struct sim_link *link, int s, struct span bytes) {
    const struct sim_faults *faults = &world->config.faults;
    bool packet = link->kind == LINK_CELLS && bytes.p[0] == CELL_PACKET;
    if (packet && strikes(world, faults->dropped)) {
        world_note(world, "packet dropped", link->sides[s].machine, 0, 0);
        return;
    }
    struct buf copy = {0};
    buf_append(&copy, bytes);
    if (packet && strikes(world, faults->corrupted)) {
        copy.p[CELL_HEADER_BYTES + rng_below(&world->rng_faults, CELL_BODY_BYTES)] ^=
            (uint8_t)(1 + rng_below(&world->rng_faults, 255));
        world_note(world, "packet corrupted", link->sides[s].machine, 0, 0);
    }
    put_on_way(world, link, s, buf_span(&copy));
    if (packet && strikes(world, faults->duplicated)) {
        world_note(world, "packet duplicated", link->sides[s].machine, 0, 0);
        put_on_way(world, link, s, buf_span(&copy));
    }
    buf_free(&copy);
}

// A packet of long ago comes again. The one kept is the last that was drawn; it goes to where it went before.
struct replay_event {
    struct job job;
    size_t link;
    int side;
    struct buf bytes;
};

static void replay_free_event(struct job *job) {
    struct replay_event *replay = (struct replay_event *)job;
    buf_free(&replay->bytes);
    free(replay);
}

static void replay_event(struct world *world, struct sim_event *event) {
    struct replay_event *replay = (struct replay_event *)event->job;
    const struct sim_link *link = world->links[replay->link];
    if (link->sides[0].state != OPEN || link->sides[1].state != OPEN)
        return;
    put_on_way(world, world->links[replay->link], replay->side, buf_span(&replay->bytes));
}

static void maybe_replay(struct world *world, struct sim_link *link, int s, struct span bytes) {
    if (link->kind != LINK_CELLS || bytes.p[0] != CELL_PACKET || !strikes(world, world->config.faults.replayed))
        return;
    struct replay_event *replay = NEW(struct replay_event);
    replay->job.free = replay_free_event;
    replay->link = link->index;
    replay->side = s;
    buf_append(&replay->bytes, bytes);
    world_at(world, world->now_ms + 1 + rng_below(&world->rng_faults, 2 * world->config.epoch_ms), "packet replayed",
             replay_event)
        ->job = &replay->job;
}

void network_send(struct world *world, struct machine *from, uint64_t number, struct span bytes) {
    if (number == LINK_SELF) {
        send_to_self(world, from, bytes);
        return;
    }
    int s;
    struct sim_link *link = find(world, from, number, &s);
    if (link == NULL)
        return;
    struct side *side = &link->sides[s];
    if (side->held > 0)
        side->held--;
    if (link->kind == LINK_CELLS ? bytes.n != CELL_BYTES : bytes.n > LINK_SEND_BYTES_MAX)
        world_fail(world, "a send of a size that its link does not have", from->index, bytes.n, number);
    if (side->flow.end)
        return;
    world->frames++;
    world->wire_hash = trace_mix(trace_mix(world->wire_hash, world->now_ms), link->index * 2 + (size_t)s);
    world->wire_hash = trace_mix(world->wire_hash, bytes.n);
    if (link->kind == LINK_CELLS)
        record_frame(&world->record, from->index, link->sides[1 - s].machine, bytes);
    else if (world_is_validator(from))
        chains_heard(world->chains, from->index, &side->heard, bytes, from->disk.kv, world->now_ms);
    if (alive(world, &link->sides[1 - s]) && link->sides[1 - s].state != SHUT) {
        send_tampered(world, link, s, bytes);
        maybe_replay(world, link, s, bytes);
    }
    tell_drained(world, side);
}

void network_shut(struct world *world, struct machine *from, uint64_t number) {
    int s;
    struct sim_link *link = find(world, from, number, &s);
    if (link != NULL)
        link->sides[s].state = SHUT;
}

void network_close(struct world *world, struct machine *from, uint64_t number, enum close_reason reason) {
    (void)reason;
    int s;
    struct sim_link *link = find(world, from, number, &s);
    if (link == NULL || link->sides[1 - s].machine == NOBODY || link->sides[s].flow.end)
        return;
    put_on_way(world, link, s, (struct span){NULL, 0});
    link->sides[s].flow.end = true;
    flow_clear(&link->sides[1 - s].flow);
}

// ---- links that begin and end ----

static struct sim_link *add_link(struct world *world, enum link_kind kind) {
    if (world->link_count == world->link_capacity) {
        size_t capacity = world->link_capacity > 0 ? 2 * world->link_capacity : 64;
        struct sim_link **links = realloc(world->links, capacity * sizeof *links);
        ASSERT(links != NULL);
        world->links = links;
        world->link_capacity = capacity;
    }
    struct sim_link *link = NEW(struct sim_link);
    link->index = world->link_count;
    link->kind = kind;
    world->links[world->link_count++] = link;
    return link;
}

// A dial under way: known to both ends once it has arrived.
struct dial {
    struct job job;
    uint64_t number; // of the dial
    enum link_kind kind;
    uint32_t to;
    bool show_certificate;
};

static void dial_free(struct job *job) {
    free(job);
}

static void dial_failed_event(struct world *world, struct sim_event *event) {
    struct event failed = {.kind = EVENT_DIAL_FAILED,
                           .dial_failed = {.dial = event->a, .reason = (enum close_reason)event->b}};
    machine_event(world, world->machines[event->machine], &failed);
}

static void fail_dial(struct world *world, struct machine *from, uint64_t number, enum close_reason reason,
                      uint64_t in_ms) {
    struct sim_event *event = world_for(world, world->now_ms + in_ms, "dial failed", from, dial_failed_event);
    event->a = number;
    event->b = reason;
}

static void open_event(struct world *world, struct sim_event *event) {
    struct sim_link *link = world->links[event->a];
    int s = (int)(event->b & 1);
    struct side *side = &link->sides[s];
    struct machine *machine = world->machines[event->machine];
    bool dialled = s == 0;
    bool has_key = dialled || (event->b & 2) != 0;
    side->state = OPEN;
    struct event open = {.kind = EVENT_LINK_OPEN,
                         .link_open = {.link = side->number,
                                       .dial = dialled ? event->b >> 2 : 0,
                                       .kind = link->kind,
                                       .has_key = has_key,
                                       .address_tag = dialled ? 0 : trace_mix(77, link->sides[1 - s].machine)}};
    if (has_key)
        memcpy(open.link_open.key.bytes, world->machines[link->sides[1 - s].machine]->id.bytes,
               sizeof open.link_open.key.bytes);
    machine_event(world, machine, &open);
    if (link->sides[1 - s].machine == NOBODY)
        return;
    // The other end may have gone while this one was opening.
    if (!alive(world, &link->sides[1 - s]) || (link->sides[1 - s].flow.end && link->sides[1 - s].flow.first == NULL))
        tell_closed(world, side, CLOSE_IO, 1);
}

// The machine's own number for it, never used again.
static uint64_t number_link(struct machine *machine, size_t index) {
    if (machine->link_count == machine->link_capacity) {
        size_t capacity = machine->link_capacity > 0 ? 2 * machine->link_capacity : 32;
        size_t *links = realloc(machine->links, capacity * sizeof *links);
        ASSERT(links != NULL);
        machine->links = links;
        machine->link_capacity = capacity;
    }
    machine->links[machine->link_count++] = index;
    return machine->link_count;
}

static void begin_side(struct world *world, struct sim_link *link, int s, struct machine *machine, uint64_t dial,
                       bool show_certificate, uint64_t at_ms) {
    struct side *side = &link->sides[s];
    side->machine = machine->index;
    side->incarnation = machine->incarnation;
    side->number = number_link(machine, link->index);
    side->flow.stalled_until_ms = at_ms; // nothing arrives before both ends are open
    struct sim_event *event = world_for(world, at_ms, "link open", machine, open_event);
    event->a = link->index;
    event->b = (dial << 2) | (show_certificate ? 2 : 0) | (uint64_t)s;
}

static void dial_arrives(struct world *world, struct sim_event *event) {
    struct dial *dial = (struct dial *)event->job;
    struct machine *from = world->machines[event->machine];
    struct machine *to = world->machines[dial->to];
    if (blocked(world, from->index, to->index)) {
        fail_dial(world, from, dial->number, CLOSE_TIMEOUT, DIAL_TIMEOUT_MS);
        return;
    }
    uint64_t back_ms = latency_ms(world, from->index, to->index);
    if (!machine_runs(to)) {
        fail_dial(world, from, dial->number, CLOSE_IO, back_ms);
        return;
    }
    struct sim_link *link = add_link(world, dial->kind);
    begin_side(world, link, 0, from, dial->number, dial->show_certificate, world->now_ms + back_ms);
    begin_side(world, link, 1, to, 0, dial->show_certificate, world->now_ms + back_ms);
    // Bytes of either side must find the other open, which a machine that stands still is not yet.
    for (int s = 0; s < 2; s++) {
        uint64_t paused_ms = machine_at(world, &link->sides[1 - s])->paused_until_ms;
        if (paused_ms > link->sides[s].flow.stalled_until_ms)
            link->sides[s].flow.stalled_until_ms = paused_ms + 1;
        link->sides[s].flow.stalled_until_ms++;
    }
}

// Bytes that wait for their time, on no machine's link.
struct visit {
    struct job job;
    uint64_t number; // of the link
    struct buf bytes;
};

static void visit_free(struct job *job) {
    struct visit *visit = (struct visit *)job;
    buf_free(&visit->bytes);
    free(visit);
}

static void visit_event(struct world *world, struct sim_event *event) {
    struct visit *visit = (struct visit *)event->job;
    deliver(world, world->machines[event->machine], visit->number, buf_span(&visit->bytes));
}

void network_visit(struct world *world, struct machine *to, struct span bytes, uint64_t stays_ms) {
    struct sim_link *link = add_link(world, LINK_CELLS);
    link->sides[0].machine = NOBODY;
    begin_side(world, link, 1, to, 0, false, world->now_ms);
    struct visit *visit = NEW(struct visit);
    visit->job.free = visit_free;
    visit->number = link->sides[1].number;
    buf_append(&visit->bytes, bytes);
    world_for(world, world->now_ms + 1, "a stranger speaks", to, visit_event)->job = &visit->job;
    tell_closed(world, &link->sides[1], CLOSE_IO, stays_ms);
}

static uint32_t machine_of_address(const struct world *world, const struct address *address) {
    for (size_t i = 0; i < world->machine_count; i++) {
        const struct address *at = &world->machines[i]->config.address;
        if (strcmp(at->host, address->host) == 0 && at->port == address->port)
            return (uint32_t)i;
    }
    return NOBODY;
}

void network_dial(struct world *world, struct machine *from, const struct effect *effect) {
    uint32_t to = machine_of_address(world, &effect->dial.address);
    if (to == NOBODY || (world->machines[to]->config.roles & (ROLE_RELAY | ROLE_VALIDATOR)) == 0) {
        fail_dial(world, from, effect->dial.dial, CLOSE_IO, 1);
        return;
    }
    uint64_t way_ms = latency_ms(world, from->index, to);
    bool spoken = effect->dial.kind == LINK_CELLS || (world->machines[to]->config.roles & ROLE_VALIDATOR) != 0;
    if (!spoken || memcmp(world->machines[to]->id.bytes, effect->dial.expected.bytes, 32) != 0) {
        fail_dial(world, from, effect->dial.dial, CLOSE_TLS, 2 * way_ms);
        return;
    }
    struct dial *dial = NEW(struct dial);
    dial->job.free = dial_free;
    dial->number = effect->dial.dial;
    dial->kind = effect->dial.kind;
    dial->to = to;
    dial->show_certificate = effect->dial.show_certificate;
    world_for(world, world->now_ms + way_ms, "dial", from, dial_arrives)->job = &dial->job;
}

static void break_link(struct world *world, struct sim_link *link, uint64_t tell_0_ms, uint64_t tell_1_ms) {
    const uint64_t tell_ms[] = {tell_0_ms, tell_1_ms};
    for (int s = 0; s < 2; s++) {
        flow_clear(&link->sides[s].flow);
        link->sides[s].flow.end = true;
        tell_closed(world, &link->sides[s], CLOSE_IO, tell_ms[s]);
    }
}

// Nobody says goodbye: the other end learns it when it tries, or much later.
static void side_powered_off(struct world *world, struct sim_link *link, int s) {
    flow_clear(&link->sides[1 - s].flow);
    link->sides[s].flow.end = true;
    tell_closed(world, &link->sides[1 - s], CLOSE_IO, 100 + rng_below(&world->rng_net, 20000));
}

// The kernel closes the socket; what was in it still arrives, or not.
static void side_killed(struct world *world, struct sim_link *link, int s) {
    flow_clear(&link->sides[1 - s].flow);
    if (rng_below(&world->rng_net, 2) == 0)
        flow_clear(&link->sides[s].flow);
    put_on_way(world, link, s, (struct span){NULL, 0});
    link->sides[s].flow.end = true;
}

void network_machine_down(struct world *world, struct machine *machine, bool power) {
    for (size_t i = 0; i < machine->link_count; i++) {
        struct sim_link *link = world->links[machine->links[i]];
        for (int s = 0; s < 2; s++) {
            struct side *side = &link->sides[s];
            if (side->machine != machine->index || side->incarnation + 1 != machine->incarnation || side->flow.end)
                continue;
            side->state = SHUT;
            if (link->sides[1 - s].machine == NOBODY)
                continue;
            if (power)
                side_powered_off(world, link, s);
            else
                side_killed(world, link, s);
        }
    }
}

// A link that is open at both ends, drawn at random; NULL: there is none.
static struct sim_link *draw_link(struct world *world) {
    size_t candidates = 0;
    struct sim_link *chosen = NULL;
    for (size_t i = 0; i < world->link_count; i++) {
        struct sim_link *link = world->links[i];
        if (link->sides[0].state == OPEN && link->sides[1].state == OPEN &&
            rng_below(&world->rng_faults, ++candidates) == 0)
            chosen = link;
    }
    return chosen;
}

void network_break_one(struct world *world) {
    struct sim_link *link = draw_link(world);
    if (link != NULL)
        break_link(world, link, rng_below(&world->rng_faults, 50), rng_below(&world->rng_faults, 3000));
}

void network_stall_one(struct world *world, uint64_t ms) {
    struct sim_link *link = draw_link(world);
    if (link != NULL)
        link->sides[rng_below(&world->rng_faults, 2)].flow.stalled_until_ms = world->now_ms + ms;
}

void network_free(struct world *world) {
    for (size_t i = 0; i < world->link_count; i++) {
        for (int s = 0; s < 2; s++) {
            flow_clear(&world->links[i]->sides[s].flow);
            frame_reader_free(&world->links[i]->sides[s].heard);
        }
        free(world->links[i]);
    }
    free(world->links);
}
