// A relay's registration on the ledger: the ports between standing.h and its ledger link.
#include "node/node_internal.h"

static bool port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    return ledger_line_dial(ctx, step, LINE_STANDING, id, address);
}

static void port_send(void *ctx, struct step *step, enum ledger_frame kind, struct span body) {
    ledger_line_send(ctx, step, LINE_STANDING, kind, body);
}

static void port_hang_up(void *ctx, struct step *step) {
    ledger_line_hang_up(ctx, step, LINE_STANDING);
}

static void port_onion_keys(void *ctx, struct step *step, struct onion_keys *out) {
    struct node *node = ctx;
    relay_onion_keys(node->relay, step, out);
}

// Verified by the light client. One that has been out of force for an epoch says nothing about now.
static enum standing_listing port_listing(void *ctx, struct step *step) {
    struct node *node = ctx;
    const struct directory *directory = node->directory;
    if (directory == NULL || directory->epoch + 1 < epoch_at(&node->config.genesis, step->now.wall_ms)) {
        return STANDING_UNLISTED;
    }
    const struct directory_relay *self = directory_find(directory, &node->self);
    return self == NULL ? STANDING_UNLISTED : self->placed ? STANDING_LISTED : STANDING_RETIRED;
}

static void on_up(struct node *node, struct step *step) {
    standing_up(node->standing, step);
}

static void on_down(struct node *node, struct step *step) {
    standing_down(node->standing, step);
}

static enum err on_frame(struct node *node, struct step *step, uint8_t kind, struct span body) {
    return standing_frame(node->standing, step, kind, body);
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
    const struct standing_ports ports = {.ctx = node,
                                         .dial = port_dial,
                                         .send = port_send,
                                         .hang_up = port_hang_up,
                                         .onion_keys = port_onion_keys,
                                         .listing = port_listing};
    const struct ledger_line_part part = {.up = on_up, .down = on_down, .frame = on_frame};
    node->standing = standing_new(&standing, &ports);
    ledger_line_new(node, LINE_STANDING, &part);
}

void standing_role_tick(struct node *node, struct step *step) {
    if (relay_keys_changed(node->relay)) {
        struct onion_keys keys;
        relay_onion_keys(node->relay, step, &keys); // marks them as seen
        standing_keys_changed(node->standing, step);
    }
    standing_tick(node->standing, step);
}
