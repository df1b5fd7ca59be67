// Strangers at the doors of relays: random bytes, cells of any kind, messages with nothing in them that belongs there.
// They may cost a node a link, never more.
#include <string.h>

#include "sim/world.h"
#include "wire/cell.h"
#include "wire/message.h"

#define VISIT_MS_MAX 3000
#define CELLS_MAX 6

static void random_bytes(struct world *world, struct buf *out) {
    size_t n = 1 + (size_t)rng_below(&world->rng_faults, 2 * CELL_BYTES);
    rng_bytes(&world->rng_faults, buf_extend(out, n), n);
}

static void append_message(struct buf *out, struct span message) {
    for (size_t i = 0; i < message_cells(message.n); i++)
        message_cell(buf_extend(out, CELL_BYTES), message, i);
}

static void append_hello(struct world *world, struct buf *out) {
    uint8_t bytes[HELLO_BYTES];
    struct hello hello = {.version = LINK_PROTOCOL_VERSION,
                          .network = world->genesis.network,
                          .epoch = (uint32_t)rng_below(&world->rng_faults, 100),
                          .wall_ms = world_wall_ms(world)};
    append_message(out, span_of(bytes, hello_encode(bytes, &hello)));
}

static void append_nonsense(struct world *world, struct buf *out) {
    uint8_t message[600];
    size_t n = 1 + (size_t)rng_below(&world->rng_faults, sizeof message);
    rng_bytes(&world->rng_faults, message, n);
    message[0] = (uint8_t)rng_below(&world->rng_faults, MESSAGE_REPLICA_LAST + 8);
    append_message(out, span_of(message, n));
}

static void append_packet(struct world *world, struct buf *out) {
    uint8_t packet[SPHINX_PACKET_BYTES];
    rng_bytes(&world->rng_faults, packet, sizeof packet);
    packet[0] = SPHINX_VERSION;
    packet[1] = (uint8_t)epoch_at(&world->genesis, world_wall_ms(world));
    cell_encode(buf_extend(out, CELL_BYTES), CELL_PACKET, 0, SPAN_OF(packet));
}

// What a visitor says: anything, or as well-formed as it can be without a key.
static void make_visit(struct world *world, struct buf *out) {
    if (rng_below(&world->rng_faults, 4) == 0) {
        random_bytes(world, out);
        return;
    }
    append_hello(world, out);
    size_t cells = (size_t)rng_below(&world->rng_faults, CELLS_MAX);
    for (size_t i = 0; i < cells; i++) {
        if (rng_below(&world->rng_faults, 2) == 0)
            append_packet(world, out);
        else
            append_nonsense(world, out);
    }
    if (rng_below(&world->rng_faults, 3) == 0)
        random_bytes(world, out);
}

void intruder_visits(struct world *world, struct machine *machine) {
    struct buf bytes = {0};
    make_visit(world, &bytes);
    network_visit(world, machine, buf_span(&bytes), 1 + rng_below(&world->rng_faults, VISIT_MS_MAX));
    buf_free(&bytes);
}
