// What leaves on links: cells and messages, within the host's window and the bound of each queue.
#include <stdlib.h>

#include "base/assert.h"
#include "node/node_internal.h"

static size_t link_waiting(const struct link *link) {
    return link->cells.cells + link->messages.cells;
}

static void emit(struct node *node, struct link *link, struct buf bytes, bool immediate) {
    ASSERT(bytes.n == CELL_BYTES);
    struct effect *effect = effects_add(node->effects, EFFECT_SEND);
    effect->immediate = immediate;
    effect->send.link = link->id;
    effect->send.bytes = bytes;
    link->window_used++;
}

static void emit_next_cell(struct node *node, struct link *link) {
    struct outgoing *item = outgoing_pop(&link->cells, 1);
    emit(node, link, item->bytes, item->immediate);
    free(item);
}

static void emit_next_part(struct node *node, struct link *link) {
    struct outgoing *item = link->messages.first;
    struct buf bytes = {0};
    message_cell(buf_extend(&bytes, CELL_BYTES), buf_span(&item->bytes), item->cells_sent);
    emit(node, link, bytes, item->immediate);
    item->cells_sent++;
    link->messages.cells--;
    if (item->cells_sent == message_cells(item->bytes.n)) {
        outgoing_pop(&link->messages, 0);
        buf_free(&item->bytes);
        free(item);
    }
}

// Sends what waits, as far as the window allows; packets and parts of messages take turns.
static void pump(struct node *node, struct link *link) {
    while (link->window_used < LINK_WINDOW_CELLS && link_waiting(link) > 0) {
        bool part = link->messages.cells > 0 && (link->message_turn || link->cells.cells == 0);
        link->message_turn = !part;
        if (part) {
            emit_next_part(node, link);
        } else {
            emit_next_cell(node, link);
        }
    }
}

void sending_drained(struct node *node, struct step *step, struct link *link) {
    (void)step;
    link->window_used = 0;
    pump(node, link);
}

// A full queue: the packet is lost as the network may lose it; a client that does not read is cut.
static void overflow(struct node *node, struct step *step, struct link *link) {
    metric_add(step->env->metrics, METRIC_LINK_QUEUE_FULL, 1);
    if (!relays_is_trusted(node, link)) {
        close_link(node, step, link, CLOSE_FLOOD);
    }
}

static void enqueue(struct node *node, struct step *step, struct link *link, struct outgoing_queue *queue,
                    struct outgoing *item, size_t cells) {
    if (link_waiting(link) + cells > node->config.limits.link_queue_cells) {
        buf_free(&item->bytes);
        free(item);
        overflow(node, step, link);
        return;
    }
    outgoing_push(queue, item, cells);
    pump(node, link);
}

static void enqueue_message(struct node *node, struct step *step, struct link *link, struct span message,
                            bool immediate) {
    struct outgoing *item = NEW(struct outgoing);
    buf_append(&item->bytes, message);
    item->is_message = true;
    item->immediate = immediate;
    enqueue(node, step, link, &link->messages, item, message_cells(message.n));
}

void send_message(struct node *node, struct step *step, struct link *link, struct span message) {
    enqueue_message(node, step, link, message, false);
}

static void send_encoded(struct node *node, struct step *step, struct link *link, struct buf cell, bool immediate) {
    struct outgoing *item = NEW(struct outgoing);
    item->bytes = cell;
    item->immediate = immediate;
    enqueue(node, step, link, &link->cells, item, 1);
}

void send_cell(struct node *node, struct step *step, struct link *link, enum cell_kind kind, struct span body,
               bool immediate) {
    struct buf cell = {0};
    cell_encode(buf_extend(&cell, CELL_BYTES), kind, 0, body);
    send_encoded(node, step, link, cell, immediate);
}

void send_reply_cell(struct node *node, struct step *step, struct link *link, const struct surb_id *surb,
                     const uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    struct buf cell = {0};
    cell_encode_reply(buf_extend(&cell, CELL_BYTES), surb, payload);
    send_encoded(node, step, link, cell, true);
}

void send_hello(struct node *node, struct step *step, struct link *link, bool first) {
    struct directory *newest = follow_newest(node->follow);
    struct hello hello = {.version = LINK_PROTOCOL_VERSION,
                          .network = node->config.genesis.network,
                          .epoch = newest == NULL ? 0 : newest->epoch,
                          .wall_ms = node_serves(node) ? step->now.wall_ms : 0}; // a user's clock would tell it again
    uint8_t bytes[HELLO_BYTES];
    enqueue_message(node, step, link, (struct span){bytes, hello_encode(bytes, &hello)}, first);
}

// Keeps a cell or message for a link that is being made. Bounded like a link's own queue.
static void keep_waiting(struct node *node, struct step *step, struct outgoing_queue *queue, struct span bytes,
                         size_t cells, bool is_message, bool immediate) {
    if (queue->cells + cells > node->config.limits.link_queue_cells) {
        metric_add(step->env->metrics, METRIC_LINK_QUEUE_FULL, 1);
        return;
    }
    struct outgoing *item = NEW(struct outgoing);
    buf_append(&item->bytes, bytes);
    item->is_message = is_message;
    item->immediate = immediate;
    outgoing_push(queue, item, cells);
}

static void send_to_self(struct node *node, const uint8_t cell[static CELL_BYTES], bool immediate) {
    struct effect *effect = effects_add(node->effects, EFFECT_SEND);
    effect->immediate = immediate;
    effect->send.link = LINK_SELF;
    buf_append(&effect->send.bytes, (struct span){cell, CELL_BYTES});
}

void send_packet_to_relay(struct node *node, struct step *step, const struct relay_id *relay,
                          const uint8_t packet[static SPHINX_PACKET_BYTES], bool immediate) {
    uint8_t cell[CELL_BYTES];
    cell_encode(cell, CELL_PACKET, 0, (struct span){packet, SPHINX_PACKET_BYTES});
    if (relay_id_equal(relay, &node->self)) {
        send_to_self(node, cell, immediate);
        return;
    }
    struct peer *peer = relays_want(node, step, relay);
    if (peer == NULL) {
        metric_add(step->env->metrics, METRIC_UNKNOWN_RELAY, 1);
        return;
    }
    struct link *link = link_table_find(&node->links, peer->link);
    if (link != NULL) {
        send_cell(node, step, link, CELL_PACKET, (struct span){packet, SPHINX_PACKET_BYTES}, immediate);
    } else {
        keep_waiting(node, step, &peer->waiting, (struct span){cell, CELL_BYTES}, 1, false, immediate);
    }
}

void send_message_to_relay(struct node *node, struct step *step, const struct relay_id *relay, struct span message) {
    ASSERT(!relay_id_equal(relay, &node->self));
    struct peer *peer = relays_want(node, step, relay);
    if (peer == NULL) {
        metric_add(step->env->metrics, METRIC_UNKNOWN_RELAY, 1);
        return;
    }
    struct link *link = link_table_find(&node->links, peer->link);
    if (link != NULL && node->tick_ms == TIME_NEVER) {
        send_message(node, step, link, message);
    } else {
        struct outgoing_queue *queue = link != NULL ? &peer->ticked : &peer->waiting;
        keep_waiting(node, step, queue, message, message_cells(message.n), true, false);
    }
}

void send_queue(struct node *node, struct step *step, uint64_t link_id, struct outgoing_queue *queue) {
    while (queue->first != NULL) {
        struct outgoing *item = queue->first;
        size_t cells = item->is_message ? message_cells(item->bytes.n) : 1;
        outgoing_pop(queue, cells);
        struct link *link = link_table_find(&node->links, link_id);
        if (link == NULL) {
            buf_free(&item->bytes);
            free(item);
        } else {
            enqueue(node, step, link, item->is_message ? &link->messages : &link->cells, item, cells);
        }
    }
}

void close_link(struct node *node, struct step *step, struct link *link, enum close_reason reason) {
    struct effect *effect = effects_add(node->effects, EFFECT_CLOSE);
    effect->close.link = link->id;
    effect->close.reason = reason;
    link_ended(node, step, link, reason);
}
