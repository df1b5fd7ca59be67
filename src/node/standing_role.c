// A relay's registration on the ledger: the ports between standing.h and a ledger link, of which it has one at a time.
#include "node/node_internal.h"

static bool port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    struct node *node = ctx;
    node->standing_dial = ledger_dial(node, step, address, id);
    return node->standing_dial != 0;
}

static void port_send(void *ctx, struct step *step, enum ledger_frame kind, struct span body) {
    struct node *node = ctx;
    ledger_link_send(node, step, node->standing_link, (uint8_t)kind, body, FRAME_URGENT);
}

static void port_hang_up(void *ctx, struct step *step) {
    struct node *node = ctx;
    uint64_t link = node->standing_link;
    node->standing_link = 0;
    ledger_link_close(node, step, link, CLOSE_UNWANTED);
}

static void port_onion_keys(void *ctx, struct step *step, struct onion_keys *out) {
    struct node *node = ctx;
    relay_onion_keys(node->relay, step, out);
}

bool standing_role_opened(struct node *node, struct step *step, const struct ledger_peer *peer) {
    if (peer->dial == 0 || peer->dial != node->standing_dial) {
        return false;
    }
    node->standing_dial = 0;
    node->standing_link = peer->link;
    standing_up(node->standing, step);
    return true;
}

bool standing_role_frame(struct node *node, struct step *step, uint64_t link, uint8_t kind, struct span body) {
    if (link != node->standing_link) {
        return false;
    }
    if (standing_frame(node->standing, step, kind, body) != OK) {
        ledger_link_close(node, step, link, CLOSE_PROTOCOL);
        node->standing_link = 0;
        standing_down(node->standing, step);
    }
    return true;
}

bool standing_role_closed(struct node *node, struct step *step, uint64_t link) {
    if (link != node->standing_link) {
        return false;
    }
    node->standing_link = 0;
    standing_down(node->standing, step);
    return true;
}

bool standing_role_dial_failed(struct node *node, struct step *step, uint64_t dial) {
    if (dial != node->standing_dial) {
        return false;
    }
    node->standing_dial = 0;
    standing_down(node->standing, step);
    return true;
}

// ---- the ledger links of a node that has nothing else to do with the ledger

static void on_opened(void *ctx, struct step *step, const struct ledger_peer *peer) {
    if (!standing_role_opened(ctx, step, peer) && !claiming_role_opened(ctx, step, peer)) {
        ledger_link_close(ctx, step, peer->link, CLOSE_UNWANTED);
    }
}

static void on_frame(void *ctx, struct step *step, uint64_t link, uint8_t kind, struct span body) {
    if (!standing_role_frame(ctx, step, link, kind, body)) {
        claiming_role_frame(ctx, step, link, kind, body);
    }
}

static void on_closed(void *ctx, struct step *step, uint64_t link) {
    if (!standing_role_closed(ctx, step, link)) {
        claiming_role_closed(ctx, step, link);
    }
}

static void on_dial_failed(void *ctx, struct step *step, uint64_t dial) {
    if (!standing_role_dial_failed(ctx, step, dial)) {
        claiming_role_dial_failed(ctx, step, dial);
    }
}

static uint64_t no_height(void *ctx) {
    (void)ctx;
    return 0;
}

// ---- life cycle

void standing_role_new(struct node *node) {
    const struct node_config *config = &node->config;
    const struct standing_config standing = {.genesis = &config->genesis,
                                             .relay = &node->identity,
                                             .self = node->self,
                                             .operator_seed = config->has_operator_key ? config->operator_seed : NULL,
                                             .address = config->address,
                                             .retiring = config->retiring};
    const struct standing_ports ports = {
        .ctx = node, .dial = port_dial, .send = port_send, .hang_up = port_hang_up, .onion_keys = port_onion_keys};
    const struct ledger_handlers handlers = {.ctx = node,
                                             .opened = on_opened,
                                             .frame = on_frame,
                                             .closed = on_closed,
                                             .dial_failed = on_dial_failed,
                                             .height = no_height,
                                             .role = LEDGER_LIGHT};
    node->standing = standing_new(&standing, &ports);
    if (node->ledger == NULL) {
        ledger_links_handle(node, &handlers);
    }
}

void standing_role_tick(struct node *node, struct step *step) {
    if (relay_keys_changed(node->relay)) {
        struct onion_keys keys;
        relay_onion_keys(node->relay, step, &keys); // marks them as seen
        standing_keys_changed(node->standing, step);
    }
    standing_tick(node->standing, step);
}
