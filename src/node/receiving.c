// What arrives on links: bytes to cells, cells to packets and messages, each to the part that handles it.
//
//   bytes -> cell -> PACKET: limits -> relay part
//                 -> REPLY:  client part
//                 -> PART:   whole message -> by kind: this table
#include <string.h>

#include "base/assert.h"
#include "node/node_internal.h"

typedef void message_handler(struct node *node, struct step *step, struct link *link, struct span message);

static void protocol_error(struct node *node, struct step *step, struct link *link) {
    close_link(node, step, link, CLOSE_PROTOCOL);
}

static void handle_hello(struct node *node, struct step *step, struct link *link, struct span message) {
    struct hello hello;
    if (hello_decode(&hello, message) != OK) {
        protocol_error(node, step, link);
        return;
    }
    if (hello.version != LINK_PROTOCOL_VERSION ||
        memcmp(hello.network.bytes, node->config.genesis.network.bytes, sizeof(hello.network.bytes)) != 0) {
        if (relays_is_trusted(node, link)) {
            log_relay(&step->env->log, LOG_WARN, "node", "a relay is of another network or version", link->key.bytes,
                      NULL);
        }
        close_link(node, step, link, CLOSE_NETWORK);
        return;
    }
    bool first = !link->hello_received;
    uint64_t id = link->id;
    link->hello_received = true;
    if (first && link->has_key) {
        relays_opened(node, step, link);
    }
    link = link_table_find(&node->links, id);
    if (link != NULL) {
        following_hello(node, step, link, hello.epoch);
    }
}

static void handle_ping(struct node *node, struct step *step, struct link *link, struct span message) {
    uint64_t token;
    if (ping_decode(&token, message) != OK) {
        protocol_error(node, step, link);
        return;
    }
    if ((enum message_kind)message.p[0] == MESSAGE_PING) {
        uint8_t pong[9];
        send_message(node, step, link, (struct span){pong, ping_encode(pong, MESSAGE_PONG, token)});
    }
}

static void handle_handles(struct node *node, struct step *step, struct link *link, struct span message) {
    struct handle handles[HANDLES_PER_LINK_MAX];
    size_t count;
    if (node->relay == NULL || link->dial != 0 || handles_decode(handles, &count, message) != OK) {
        protocol_error(node, step, link);
        return;
    }
    handle_table_replace(&node->links.handles, &link->handles, link->id, handles, count);
}

static void handle_replica(struct node *node, struct step *step, struct link *link, struct span message) {
    if (node->mailbox == NULL || !link->has_key || !relays_is_listed(node, &link->key)) {
        metric_add(step->env->metrics, METRIC_MESSAGES_UNWANTED, 1);
        return;
    }
    struct relay_id from = link->key; // the link may end meanwhile
    mailbox_replica_message(node->mailbox, step, &from, message);
}

// Designated by the first byte of a message.
static message_handler *const handlers[] = {
    [MESSAGE_HELLO] = handle_hello,
    [MESSAGE_PING] = handle_ping,
    [MESSAGE_PONG] = handle_ping,
    [MESSAGE_GET_DIRECTORY] = following_asked,
    [MESSAGE_DIRECTORY] = following_answered,
    [MESSAGE_GET_ADDRESSES] = addressing_message,
    [MESSAGE_ADDRESSES] = addressing_message,
    [MESSAGE_HANDLES] = handle_handles,
};

static void handle_message(struct node *node, struct step *step, struct link *link, struct span message) {
    uint8_t kind = message.n > 0 ? message.p[0] : 0;
    if (!link->hello_received && kind != MESSAGE_HELLO) {
        protocol_error(node, step, link);
    } else if (kind >= MESSAGE_REPLICA_FIRST && kind <= MESSAGE_REPLICA_LAST) {
        handle_replica(node, step, link, message);
    } else if (kind < sizeof(handlers) / sizeof(handlers[0]) && handlers[kind] != NULL) {
        handlers[kind](node, step, link, message);
    } else {
        protocol_error(node, step, link);
    }
}

// The cheap limits, before any cryptography. What is beyond them is dropped, or put up with where a link cannot do
// without it (a part of a message); who goes on nevertheless is cut. False: dropped, and maybe cut.
static bool within_limits(struct node *node, struct step *step, struct link *link, enum cell_kind kind) {
    const struct node_limits *limits = &node->config.limits;
    uint64_t now_ms = step->now.mono_ms;
    if (relays_is_trusted(node, link)) {
        return true; // relays limit what they forward
    }
    if (!bucket_take(&link->taken, now_ms, limits->packets_per_s_per_link)) {
        if (!bucket_take(&link->excess, now_ms, limits->packets_per_s_per_link)) {
            close_link(node, step, link, CLOSE_FLOOD);
            return false;
        }
        return kind == CELL_PART;
    }
    struct address_entry *address = link_table_address(&node->links, link->address_tag, false);
    ASSERT(address != NULL);
    return kind != CELL_PACKET || bucket_take(&address->packets, now_ms, limits->packets_per_s_per_address);
}

static void handle_packet(struct node *node, struct step *step, struct link *link, struct span packet) {
    if (node->relay == NULL) {
        protocol_error(node, step, link);
    } else {
        relay_packet(node->relay, step, packet.p);
    }
}

// A reply is taken only from a link that this client made to its entry.
static void handle_reply(struct node *node, struct step *step, struct link *link, struct span body) {
    if (node->client == NULL || link->dial == 0) {
        protocol_error(node, step, link);
        return;
    }
    struct surb_id surb;
    uint8_t payload[SPHINX_PAYLOAD_BYTES];
    memcpy(surb.bytes, body.p, sizeof(surb.bytes));
    memcpy(payload, body.p + sizeof(surb.bytes), sizeof(payload));
    client_reply(node->client, step, &surb, payload);
    wipe(payload, sizeof(payload));
}

static void handle_part(struct node *node, struct step *step, struct link *link, const struct cell *part) {
    bool complete = false;
    if (link->assembler.bytes_max < MESSAGE_BYTES_MAX_RELAY && (link->asks > 0 || relays_is_trusted(node, link))) {
        link->assembler.bytes_max = MESSAGE_BYTES_MAX_RELAY;
    }
    if (assembler_take(&link->assembler, &complete, part) != OK) {
        protocol_error(node, step, link);
    } else if (complete) {
        // Taken out of the link: the handler may close it.
        struct buf message = link->assembler.message;
        link->assembler.message = (struct buf){0};
        handle_message(node, step, link, buf_span(&message));
        buf_free(&message);
    }
}

static void handle_cell(struct node *node, struct step *step, struct link *link,
                        const uint8_t bytes[static CELL_BYTES]) {
    struct cell cell;
    if (cell_decode(&cell, bytes) != OK || (!link->hello_received && cell.kind != CELL_PART)) {
        protocol_error(node, step, link);
        return;
    }
    if (!within_limits(node, step, link, cell.kind)) {
        metric_add(step->env->metrics, METRIC_PACKETS_LIMITED, 1);
        return;
    }
    switch (cell.kind) {
    case CELL_DUMMY:
        break;
    case CELL_PACKET:
        handle_packet(node, step, link, cell.body);
        break;
    case CELL_REPLY:
        handle_reply(node, step, link, cell.body);
        break;
    case CELL_PART:
        handle_part(node, step, link, &cell);
        break;
    }
}

void receive_bytes(struct node *node, struct step *step, struct link *link, struct span bytes) {
    uint64_t id = link->id;
    link->heard_ms = step->now.mono_ms;
    link->ping_sent = false;
    while (bytes.n > 0) {
        size_t n = CELL_BYTES - link->cell_n;
        n = n < bytes.n ? n : bytes.n;
        memcpy(link->cell + link->cell_n, bytes.p, n);
        link->cell_n += n;
        bytes = (struct span){bytes.p + n, bytes.n - n};
        if (link->cell_n < CELL_BYTES) {
            return;
        }
        link->cell_n = 0;
        handle_cell(node, step, link, link->cell);
        link = link_table_find(&node->links, id);
        if (link == NULL) {
            return;
        }
    }
}

void receive_self(struct node *node, struct step *step, struct span bytes) {
    struct cell cell;
    ASSERT(bytes.n == CELL_BYTES && cell_decode(&cell, bytes.p) == OK && cell.kind == CELL_PACKET);
    if (node->relay != NULL) {
        relay_packet(node->relay, step, cell.body.p);
    }
}
