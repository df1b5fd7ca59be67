// A relay's claims: the ports between claiming.h, the mailbox, and a ledger link of their own (claims_link.h).
#include "node/node_internal.h"

// ---- what the claims want of a ledger link

static bool port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    return ledger_line_dial(ctx, step, LINE_CLAIMS, id, address);
}

static void port_send(void *ctx, struct step *step, enum ledger_frame kind, struct span body) {
    ledger_line_send(ctx, step, LINE_CLAIMS, kind, body);
}

static void port_hang_up(void *ctx, struct step *step) {
    ledger_line_hang_up(ctx, step, LINE_CLAIMS);
}

static void port_record(void *ctx, struct step *step, uint32_t epoch, const struct delivery_record *record) {
    struct node *node = ctx;
    claiming_record(node->claiming, step, epoch, record);
}

// ---- what comes of it

static void on_up(struct node *node, struct step *step) {
    claims_link_up(node->claims_link, step);
}

static void on_down(struct node *node, struct step *step) {
    claims_link_down(node->claims_link, step);
}

static enum err on_frame(struct node *node, struct step *step, uint8_t kind, struct span body) {
    return claims_link_frame(node->claims_link, step, kind, body);
}

// ---- what the claiming wants

static bool port_idle(void *ctx) {
    struct node *node = ctx;
    return claims_link_idle(node->claims_link);
}

static void port_ask(void *ctx, struct step *step, uint32_t epoch) {
    struct node *node = ctx;
    claims_link_ask(node->claims_link, step, epoch);
}

static void port_submit(void *ctx, struct step *step, const struct tx *what) {
    struct node *node = ctx;
    claims_link_submit(node->claims_link, step, what);
}

// ---- life cycle

void claiming_role_new(struct node *node, uint32_t deliveries_max) {
    const struct genesis *genesis = &node->config.genesis;
    const struct claims_link_config link = {.genesis = genesis, .relay = &node->identity, .self = node->self};
    const struct claims_link_ports link_ports = {
        .ctx = node, .dial = port_dial, .send = port_send, .hang_up = port_hang_up, .record = port_record};
    const struct claiming_config claiming = {
        .genesis = genesis, .mailbox = node->mailbox, .deliveries_max = deliveries_max};
    const struct claiming_ports ports = {.ctx = node, .idle = port_idle, .ask = port_ask, .submit = port_submit};
    const struct ledger_line_part part = {.up = on_up, .down = on_down, .frame = on_frame};
    node->claims_link = claims_link_new(&link, &link_ports);
    ledger_line_new(node, LINE_CLAIMS, &part);
    node->claiming = claiming_new(&claiming, &ports);
}

void claiming_role_free(struct node *node) {
    claiming_free(node->claiming);
    claims_link_free(node->claims_link);
}

void claiming_role_tick(struct node *node, struct step *step) {
    claims_link_tick(node->claims_link, step);
    claiming_tick(node->claiming, step);
}

uint64_t claiming_role_next_ms(const struct node *node) {
    uint64_t link_ms = claims_link_next_ms(node->claims_link);
    uint64_t claiming_ms = claiming_next_ms(node->claiming);
    return link_ms < claiming_ms ? link_ms : claiming_ms;
}
