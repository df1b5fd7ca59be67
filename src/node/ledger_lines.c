// Ledger links of parts that want one at a time, to a seed: a relay's registration, its claims, the light client.
// Beside the ledger's own links where a node has the ledger, else the only ones.
#include "node/node_internal.h"

bool ledger_line_dial(struct node *node, struct step *step, enum ledger_line_of of, const struct relay_id *id,
                      const struct address *address) {
    struct ledger_line *line = &node->lines[of];
    line->dial = ledger_dial(node, step, address, id);
    return line->dial != 0;
}

void ledger_line_send(struct node *node, struct step *step, enum ledger_line_of of, enum ledger_frame kind,
                      struct span body) {
    ledger_link_send(node, step, node->lines[of].link, (uint8_t)kind, body, FRAME_URGENT);
}

void ledger_line_hang_up(struct node *node, struct step *step, enum ledger_line_of of) {
    struct ledger_line *line = &node->lines[of];
    uint64_t link = line->link;
    line->dial = 0; // a link that comes of it is closed at once
    line->link = 0;
    ledger_link_close(node, step, link, CLOSE_UNWANTED);
}

// ---- what becomes of them

static struct ledger_line *line_of_dial(struct node *node, uint64_t dial) {
    for (size_t i = 0; i < LEDGER_LINES && dial != 0; i++) {
        if (node->lines[i].dial == dial) {
            return &node->lines[i];
        }
    }
    return NULL;
}

static struct ledger_line *line_of_link(struct node *node, uint64_t link) {
    for (size_t i = 0; i < LEDGER_LINES; i++) {
        if (node->lines[i].link == link) {
            return &node->lines[i];
        }
    }
    return NULL;
}

bool ledger_lines_opened(struct node *node, struct step *step, const struct ledger_peer *peer) {
    struct ledger_line *line = line_of_dial(node, peer->dial);
    if (line != NULL) {
        line->dial = 0;
        line->link = peer->link;
        line->part.up(node, step);
    }
    return line != NULL;
}

bool ledger_lines_frame(struct node *node, struct step *step, uint64_t link, uint8_t kind, struct span body) {
    struct ledger_line *line = line_of_link(node, link);
    if (line != NULL && line->part.frame(node, step, kind, body) != OK) {
        ledger_link_close(node, step, link, CLOSE_PROTOCOL);
        line->link = 0;
        line->part.down(node, step);
    }
    return line != NULL;
}

bool ledger_lines_closed(struct node *node, struct step *step, uint64_t link) {
    struct ledger_line *line = line_of_link(node, link);
    if (line != NULL) {
        line->link = 0;
        line->part.down(node, step);
    }
    return line != NULL;
}

bool ledger_lines_dial_failed(struct node *node, struct step *step, uint64_t dial) {
    struct ledger_line *line = line_of_dial(node, dial);
    if (line != NULL) {
        line->dial = 0;
        line->part.down(node, step);
    }
    return line != NULL;
}

// ---- the ledger links of a node that has no others

static void on_opened(void *ctx, struct step *step, const struct ledger_peer *peer) {
    if (!ledger_lines_opened(ctx, step, peer)) { // hung up before it was made
        ledger_link_close(ctx, step, peer->link, CLOSE_UNWANTED);
    }
}

static void on_frame(void *ctx, struct step *step, uint64_t link, uint8_t kind, struct span body) {
    ledger_lines_frame(ctx, step, link, kind, body);
}

static void on_closed(void *ctx, struct step *step, uint64_t link) {
    ledger_lines_closed(ctx, step, link);
}

static void on_dial_failed(void *ctx, struct step *step, uint64_t dial) {
    ledger_lines_dial_failed(ctx, step, dial);
}

static uint64_t no_height(void *ctx) {
    (void)ctx;
    return 0;
}

void ledger_line_new(struct node *node, enum ledger_line_of of, const struct ledger_line_part *part) {
    const struct ledger_handlers handlers = {.ctx = node,
                                             .opened = on_opened,
                                             .frame = on_frame,
                                             .closed = on_closed,
                                             .dial_failed = on_dial_failed,
                                             .height = no_height,
                                             .role = LEDGER_LIGHT,
                                             .dials_only = true};
    node->lines[of].part = *part;
    if (node->ledger == NULL) {
        ledger_links_handle(node, &handlers);
    }
}
