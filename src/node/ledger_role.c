// The ledger as a role of the node: its ports to links, to answers and streams, and to who follows directories.
#include <string.h>

#include "base/assert.h"
#include "node/node_internal.h"

#define MEMPOOL_COUNT_MAX 20000
#define MEMPOOL_BYTES_MAX ((size_t)32 * 1024 * 1024)

// ---- what the ledger wants of its links

static void port_send(void *ctx, struct step *step, uint64_t peer, enum ledger_frame kind, struct span body) {
    bool bulk = kind == FRAME_BLOCK || kind == FRAME_RANGE || kind == FRAME_HEADERS || kind == FRAME_TXS ||
                kind == FRAME_HEARD || kind == FRAME_STATEMENT;
    ledger_link_send(ctx, step, peer, (uint8_t)kind, body, bulk ? FRAME_BULK : FRAME_URGENT);
}

static void port_close(void *ctx, struct step *step, uint64_t peer) {
    struct node *node = ctx;
    ledger_link_close(node, step, peer, CLOSE_PROTOCOL);
    ledger_peer_down(node->ledger, step, peer); // no handler is called for it any more
}

static void port_trust(void *ctx, uint64_t peer, bool trusted) {
    ledger_link_trust(ctx, peer, trusted);
}

static void port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    struct node *node = ctx;
    struct ledger_dials *dials = &node->ledger_dials;
    uint64_t dial = dials->count < LEDGER_DIALS_MAX ? ledger_dial(node, step, address, id) : 0;
    if (dial == 0) {
        ledger_dial_failed(node->ledger, step, id);
        return;
    }
    dials->dials[dials->count].dial = dial;
    dials->dials[dials->count++].id = *id;
}

static void dial_over(struct node *node, uint64_t dial, struct relay_id *id) {
    struct ledger_dials *dials = &node->ledger_dials;
    for (size_t i = 0; i < dials->count; i++) {
        if (dials->dials[i].dial == dial) {
            *id = dials->dials[i].id;
            dials->dials[i] = dials->dials[--dials->count];
            return;
        }
    }
    ASSERT(false); // it was ours
}

// ---- what comes of links

static void on_opened(void *ctx, struct step *step, const struct ledger_peer *peer) {
    struct node *node = ctx;
    struct relay_id id;
    if (ledger_lines_opened(node, step, peer)) {
        return;
    }
    if (peer->dial != 0) {
        dial_over(node, peer->dial, &id);
    }
    ledger_peer_up(node->ledger, step, peer->link, peer->has_key ? &peer->key : NULL, peer->dial == 0);
}

static void on_frame(void *ctx, struct step *step, uint64_t link, uint8_t kind, struct span body) {
    struct node *node = ctx;
    if (!ledger_lines_frame(node, step, link, kind, body)) {
        ledger_frame(node->ledger, step, link, kind, body);
    }
}

static void on_closed(void *ctx, struct step *step, uint64_t link) {
    struct node *node = ctx;
    if (!ledger_lines_closed(node, step, link)) {
        ledger_peer_down(node->ledger, step, link);
    }
}

static void on_dial_failed(void *ctx, struct step *step, uint64_t dial) {
    struct node *node = ctx;
    struct relay_id id;
    if (ledger_lines_dial_failed(node, step, dial)) {
        return;
    }
    dial_over(node, dial, &id);
    ledger_dial_failed(node->ledger, step, &id);
}

static uint64_t own_height(void *ctx) {
    struct node *node = ctx;
    return ledger_height(node->ledger);
}

// ---- what users and followers of directories get

static void port_note(void *ctx, struct step *step, uint64_t watch, const struct ledger_note *note) {
    struct node *node = ctx;
    (void)step;
    struct stream_item *item = NEW(struct stream_item);
    item->id = watch;
    item->kind = STREAM_LEDGER;
    item->note = *note;
    effects_add(node->effects, EFFECT_STREAM)->stream = item;
}

static void port_answer(void *ctx, struct step *step, struct ledger_answer *answer) {
    struct node *node = ctx;
    (void)step;
    struct node_answer *out = NEW(struct node_answer);
    out->id = answer->id;
    out->op = NODE_LEDGER;
    out->ledger = *answer;
    *answer = (struct ledger_answer){0};
    effects_add(node->effects, EFFECT_ANSWER)->answer = out;
}

static void port_directory(void *ctx, struct step *step, uint32_t epoch, struct span bundle) {
    (void)epoch;
    following_issued(ctx, step, bundle);
}

// ---- life cycle

void ledger_role_new(struct node *node) {
    const struct node_config *config = &node->config;
    struct ledger_config ledger = {.genesis = &config->genesis,
                                   .validator_seed = config->has_validator_key ? config->validator_seed : NULL,
                                   .self = node->self,
                                   .address = config->address,
                                   .keep_blocks = config->keep_blocks,
                                   .mempool_count_max = MEMPOOL_COUNT_MAX,
                                   .mempool_bytes_max = MEMPOOL_BYTES_MAX,
                                   .txs_per_s_per_peer = config->limits.txs_per_s};
    const struct ledger_ports ports = {.ctx = node,
                                       .send = port_send,
                                       .close = port_close,
                                       .trust = port_trust,
                                       .dial = port_dial,
                                       .note = port_note,
                                       .answer = port_answer,
                                       .directory = port_directory};
    const struct ledger_handlers handlers = {.ctx = node,
                                             .opened = on_opened,
                                             .frame = on_frame,
                                             .closed = on_closed,
                                             .dial_failed = on_dial_failed,
                                             .height = own_height,
                                             .role = config->has_validator_key ? LEDGER_VALIDATOR : LEDGER_FOLLOWER};
    node->ledger = ledger_new(&ledger, &ports, &node->env->rng);
    ledger_links_handle(node, &handlers);
}

void ledger_role_start(struct node *node, struct step *step, struct span log) {
    struct buf why = {0};
    if (ledger_start(node->ledger, step, log, &why) != OK) {
        buf_append(&why, span_of("", 1));
        node_give_up(node, (const char *)why.p);
    }
    buf_free(&why);
}
