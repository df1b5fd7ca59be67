// What leaves on ledger links: frames, cut into parts as they go, urgent ones first, within the host's window.
#include <stdlib.h>

#include "base/assert.h"
#include "node/node_internal.h"

#define PART_BYTES_MAX (FRAME_HEAD_BYTES + FRAME_PART_BYTES)

_Static_assert(PART_BYTES_MAX <= LINK_SEND_BYTES_MAX, "a part is one send");

struct outgoing_frame {
    struct outgoing_frame *next;
    uint8_t kind;
    bool immediate;
    struct buf body;
    size_t sent; // bytes of it
};

static void count_queued(struct ledger_links *links, const struct ledger_link *link, size_t more, size_t less) {
    links->queued_bytes += more - less;
    if (!link->trusted) {
        links->queued_bytes_strangers += more - less;
    }
}

static void push(struct ledger_links *links, struct ledger_link *link, enum frame_lane lane,
                 struct outgoing_frame *frame) {
    struct frame_queue *queue = &link->out[lane];
    if (queue->last == NULL) {
        queue->first = frame;
    } else {
        queue->last->next = frame;
    }
    queue->last = frame;
    queue->count++;
    queue->bytes += frame->body.n;
    count_queued(links, link, frame->body.n, 0);
}

static void pop(struct frame_queue *queue) {
    struct outgoing_frame *frame = queue->first;
    queue->first = frame->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    queue->count--;
    buf_free(&frame->body);
    free(frame);
}

void ledger_queues_free(struct ledger_links *links, struct ledger_link *link) {
    for (size_t lane = 0; lane < FRAME_LANES; lane++) {
        struct frame_queue *queue = &link->out[lane];
        count_queued(links, link, 0, queue->bytes);
        queue->bytes = 0;
        while (queue->first != NULL) {
            pop(queue);
        }
    }
}

static void send_next_part(struct node *node, struct ledger_link *link, enum frame_lane lane) {
    struct frame_queue *queue = &link->out[lane];
    struct outgoing_frame *frame = queue->first;
    struct effect *effect = effects_add(node->effects, EFFECT_SEND);
    effect->immediate = frame->immediate;
    effect->send.link = link->peer.link;
    size_t n = frame_part_encode(&effect->send.bytes, lane, frame->kind, buf_span(&frame->body), frame->sent);
    link->window_used += effect->send.bytes.n;
    frame->sent += n;
    queue->bytes -= n;
    count_queued(&node->ledger_links, link, 0, n);
    if (frame->sent == frame->body.n) {
        pop(queue);
    }
}

void ledger_pump(struct node *node, struct ledger_link *link) {
    while (link->window_used + PART_BYTES_MAX <= LINK_WINDOW_BYTES) {
        if (link->out[FRAME_URGENT].first != NULL) {
            send_next_part(node, link, FRAME_URGENT);
        } else if (link->out[FRAME_BULK].first != NULL) {
            send_next_part(node, link, FRAME_BULK);
        } else {
            return;
        }
    }
}

static void enqueue(struct node *node, struct ledger_link *link, uint8_t kind, struct span body, enum frame_lane lane,
                    bool immediate) {
    struct outgoing_frame *frame = NEW(struct outgoing_frame);
    frame->kind = kind;
    frame->immediate = immediate;
    buf_append(&frame->body, body);
    push(&node->ledger_links, link, lane, frame);
    ledger_pump(node, link);
}

// The first hello does not wait for a sync: it is the first that leaves, and says nothing that could be lost.
void ledger_send_own(struct node *node, struct step *step, struct ledger_link *link, enum frame_kind kind,
                     struct span body) {
    if (link->out[FRAME_URGENT].count < LEDGER_QUEUE_FRAMES_MAX) {
        enqueue(node, link, (uint8_t)kind, body, FRAME_URGENT, kind == FRAME_HELLO);
    } else {
        metric_add(step->env->metrics, METRIC_LINK_QUEUE_FULL, 1);
    }
}

static bool has_room(const struct ledger_links *links, const struct ledger_link *link, enum frame_lane lane, size_t n) {
    const struct frame_queue *queue = &link->out[lane];
    size_t bytes_max = link->trusted ? LEDGER_QUEUE_BYTES_MAX : LEDGER_QUEUE_BYTES_MAX_STRANGER;
    return queue->count < LEDGER_QUEUE_FRAMES_MAX && queue->bytes + n <= bytes_max &&
           links->queued_bytes + n <= LEDGER_QUEUES_BYTES_MAX &&
           (link->trusted || links->queued_bytes_strangers + n <= LEDGER_QUEUES_BYTES_MAX / 4);
}

static struct ledger_link *greeted_link(const struct node *node, uint64_t id) {
    for (size_t i = 0; i < node->ledger_links.count; i++) {
        struct ledger_link *link = node->ledger_links.links[i];
        if (link->peer.link == id) {
            return link->greeted ? link : NULL;
        }
    }
    return NULL;
}

bool ledger_link_send(struct node *node, struct step *step, uint64_t id, uint8_t kind, struct span body,
                      enum frame_lane lane) {
    ASSERT(kind >= FRAME_KIND_LEDGER && kind <= FRAME_KIND_MAX && body.n <= FRAME_BODY_BYTES_MAX);
    struct ledger_link *link = greeted_link(node, id);
    if (link == NULL) {
        return false;
    }
    if (!has_room(&node->ledger_links, link, lane, body.n)) {
        metric_add(step->env->metrics, METRIC_LINK_QUEUE_FULL, 1);
        return false;
    }
    enqueue(node, link, kind, body, lane, false);
    return true;
}
