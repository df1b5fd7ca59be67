// Ledger links from dial or accept to their end, and the frames that arrive.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "node/node_internal.h"

#define PING_BYTES 8

static struct ledger_link *find(const struct ledger_links *links, uint64_t id) {
    for (size_t i = 0; i < links->count; i++) {
        if (links->links[i]->peer.link == id) {
            return links->links[i];
        }
    }
    return NULL;
}

static struct ledger_link *add(struct ledger_links *links, uint64_t id) {
    ASSERT(id != LINK_SELF && find(links, id) == NULL);
    if (links->count == links->capacity) {
        size_t capacity = links->capacity == 0 ? 8 : links->capacity * 2;
        struct ledger_link **bigger = NEW_ARRAY(struct ledger_link *, capacity);
        for (size_t i = 0; i < links->count; i++) {
            bigger[i] = links->links[i];
        }
        free(links->links);
        links->links = bigger;
        links->capacity = capacity;
    }
    struct ledger_link *link = NEW(struct ledger_link);
    link->peer.link = id;
    links->links[links->count++] = link;
    return link;
}

static void take_out(struct ledger_links *links, struct ledger_link *link) {
    size_t i = 0;
    while (links->links[i] != link) {
        i++;
    }
    memmove(links->links + i, links->links + i + 1, (links->count - i - 1) * sizeof(*links->links));
    links->count--;
    ledger_queues_free(links, link);
    frame_reader_free(&link->in);
    free(link);
}

void ledger_links_free(struct ledger_links *links) {
    while (links->count > 0) {
        take_out(links, links->links[links->count - 1]);
    }
    free(links->links);
    *links = (struct ledger_links){0};
}

// ---- dials ----

void ledger_links_handle(struct node *node, const struct ledger_handlers *handlers) {
    ASSERT(node->ledger_links.count == 0 && handlers->frame != NULL);
    node->ledger_links.handlers = *handlers;
}

uint64_t ledger_dial(struct node *node, struct step *step, const struct address *address, const struct relay_id *key) {
    (void)step;
    struct ledger_links *links = &node->ledger_links;
    if (links->dial_count == LEDGER_DIALS_MAX || node->stopping) {
        return 0;
    }
    uint64_t dial = ++node->next_dial;
    links->dials[links->dial_count++] = dial;
    struct effect *effect = effects_add(node->effects, EFFECT_DIAL);
    effect->dial.dial = dial;
    effect->dial.kind = LINK_LEDGER;
    effect->dial.address = *address;
    memcpy(effect->dial.expected.bytes, key->bytes, sizeof(key->bytes));
    effect->dial.show_certificate = node_has_identity(node);
    return dial;
}

// The dial is over, one way or the other. False: not one of the ledger's.
static bool forget_dial(struct ledger_links *links, uint64_t dial) {
    for (size_t i = 0; i < links->dial_count; i++) {
        if (links->dials[i] == dial) {
            links->dials[i] = links->dials[--links->dial_count];
            return true;
        }
    }
    return false;
}

bool ledger_links_dial_failed(struct node *node, struct step *step, uint64_t dial) {
    struct ledger_links *links = &node->ledger_links;
    bool known = forget_dial(links, dial);
    if (known && !node->stopping) {
        links->handlers.dial_failed(links->handlers.ctx, step, dial);
    }
    return known;
}

// ---- the end of a link ----

static void remove_link(struct node *node, struct step *step, struct ledger_link *link) {
    metric_add(step->env->metrics, METRIC_LINKS_CLOSED, 1);
    if (link->peer.dial == 0) {
        link_table_address_gone(&node->links, link->address_tag);
    }
    take_out(&node->ledger_links, link);
}

static void say_closed(struct node *node, const struct ledger_link *link, enum close_reason reason) {
    struct effect *effect = effects_add(node->effects, EFFECT_CLOSE);
    effect->close.link = link->peer.link;
    effect->close.reason = reason;
}

// The link ends, and the ledger hears of it if it knew of it or had asked for it.
static void end_link(struct node *node, struct step *step, struct ledger_link *link) {
    const struct ledger_handlers *handlers = &node->ledger_links.handlers;
    struct ledger_peer peer = link->peer;
    bool greeted = link->greeted;
    remove_link(node, step, link);
    if (node->stopping) {
        return;
    }
    if (greeted) {
        handlers->closed(handlers->ctx, step, peer.link);
    } else if (peer.dial != 0) {
        handlers->dial_failed(handlers->ctx, step, peer.dial);
    }
}

static void cut(struct node *node, struct step *step, struct ledger_link *link, enum close_reason reason) {
    say_closed(node, link, reason);
    end_link(node, step, link);
}

void ledger_link_close(struct node *node, struct step *step, uint64_t id, enum close_reason reason) {
    struct ledger_link *link = find(&node->ledger_links, id);
    if (link != NULL) {
        say_closed(node, link, reason);
        remove_link(node, step, link);
    }
}

bool ledger_links_closed(struct node *node, struct step *step, uint64_t id) {
    struct ledger_link *link = find(&node->ledger_links, id);
    if (link != NULL) {
        end_link(node, step, link);
    }
    return link != NULL;
}

void ledger_links_stop(struct node *node) {
    struct ledger_links *links = &node->ledger_links;
    while (links->count > 0) {
        say_closed(node, links->links[0], CLOSE_STOPPING);
        take_out(links, links->links[0]);
    }
}

// ---- the beginning of a link ----

static size_t count_strangers(const struct ledger_links *links) {
    size_t count = 0;
    for (size_t i = 0; i < links->count; i++) {
        count += !links->links[i]->trusted;
    }
    return count;
}

// Whether one more may stay; an inbound one is counted with its address already.
static bool admitted(struct node *node, const struct ledger_link *link) {
    const struct node_limits *limits = &node->config.limits;
    bool unwanted = link->peer.dial == 0 && node->ledger_links.handlers.dials_only;
    if (node->stopping || node->ledger_links.handlers.frame == NULL || unwanted ||
        (link->peer.has_key && relay_id_equal(&link->peer.key, &node->self))) {
        return false;
    }
    return link->trusted ||
           (count_strangers(&node->ledger_links) <= LEDGER_STRANGERS_MAX &&
            node->links.count + node->ledger_links.count <= limits->links_max &&
            link_table_address(&node->links, link->address_tag, false)->links <= limits->client_links_per_address);
}

static void say_hello(struct node *node, struct step *step, struct ledger_link *link) {
    const struct ledger_handlers *handlers = &node->ledger_links.handlers;
    struct ledger_hello hello = {.version = LEDGER_LINK_VERSION,
                                 .network = node->config.genesis.network,
                                 .role = handlers->role,
                                 .height = handlers->height(handlers->ctx)};
    uint8_t bytes[LEDGER_HELLO_BYTES];
    ledger_send_own(node, step, link, FRAME_HELLO, (struct span){bytes, ledger_hello_encode(bytes, &hello)});
}

void ledger_links_open(struct node *node, struct step *step, const struct event *event) {
    struct ledger_link *link = add(&node->ledger_links, event->link_open.link);
    link->peer.dial = event->link_open.dial;
    link->peer.has_key = event->link_open.has_key;
    memcpy(link->peer.key.bytes, event->link_open.key.bytes, sizeof(link->peer.key.bytes));
    link->address_tag = event->link_open.address_tag;
    link->opened_ms = step->now.mono_ms;
    link->heard_ms = step->now.mono_ms;
    link->in.bytes_max = LEDGER_HELLO_BYTES;
    link->trusted = link->peer.dial != 0;
    if (link->peer.dial == 0) {
        link_table_address(&node->links, link->address_tag, true)->links++;
    } else {
        forget_dial(&node->ledger_links, link->peer.dial);
    }
    if (!admitted(node, link)) {
        metric_add(step->env->metrics, METRIC_LINKS_REFUSED, 1);
        cut(node, step, link, CLOSE_FLOOD);
        return;
    }
    say_hello(node, step, link);
}

// Where its frames are too long for a stranger, one that is under way ends the link.
void ledger_link_trust(struct node *node, uint64_t id, bool trusted) {
    struct ledger_links *links = &node->ledger_links;
    struct ledger_link *link = find(links, id);
    if (link == NULL || link->peer.dial != 0 || link->trusted == trusted) {
        return; // who was dialled is trusted for that
    }
    for (size_t lane = 0; lane < FRAME_LANES; lane++) {
        size_t bytes = link->out[lane].bytes;
        links->queued_bytes_strangers += trusted ? -bytes : bytes;
    }
    link->trusted = trusted;
    link->in.bytes_max = trusted ? FRAME_BODY_BYTES_MAX : LEDGER_STRANGER_BODY_BYTES_MAX;
}

// ---- frames in ----

static void take_hello(struct node *node, struct step *step, struct ledger_link *link, struct span body) {
    const struct ledger_handlers *handlers = &node->ledger_links.handlers;
    struct ledger_hello hello;
    if (link->greeted || ledger_hello_decode(&hello, body) != OK) {
        cut(node, step, link, CLOSE_PROTOCOL);
    } else if (hello.version != LEDGER_LINK_VERSION ||
               memcmp(hello.network.bytes, node->config.genesis.network.bytes, sizeof(hello.network.bytes)) != 0) {
        cut(node, step, link, CLOSE_NETWORK);
    } else {
        link->greeted = true;
        link->in.bytes_max = link->trusted ? FRAME_BODY_BYTES_MAX : LEDGER_STRANGER_BODY_BYTES_MAX;
        link->peer.role = hello.role;
        link->peer.height = hello.height;
        struct ledger_peer peer = link->peer; // the handler may close the link
        handlers->opened(handlers->ctx, step, &peer);
    }
}

static void take_ping(struct node *node, struct step *step, struct ledger_link *link, const struct frame *frame) {
    if (frame->body.n != PING_BYTES) {
        cut(node, step, link, CLOSE_PROTOCOL);
    } else if (frame->kind == FRAME_PING) {
        ledger_send_own(node, step, link, FRAME_PONG, buf_span(&frame->body));
    }
}

// A stranger's frames are counted as a client's cells are, one for each part. What is beyond the rate is dropped; who
// goes on nevertheless is cut. False: dropped, and maybe cut.
static bool within_limits(struct node *node, struct step *step, struct ledger_link *link, const struct frame *frame) {
    const struct node_limits *limits = &node->config.limits;
    uint64_t now_ms = step->now.mono_ms;
    struct address_entry *address = link->trusted ? NULL : link_table_address(&node->links, link->address_tag, false);
    bool within = true;
    for (size_t left = frame->body.n + 1; left > 0 && address != NULL;) {
        if (!bucket_take(&link->taken, now_ms, limits->packets_per_s_per_link)) {
            within = false;
            if (!bucket_take(&link->excess, now_ms, limits->packets_per_s_per_link)) {
                cut(node, step, link, CLOSE_FLOOD);
                return false;
            }
        }
        within = bucket_take(&address->packets, now_ms, limits->packets_per_s_per_address) && within;
        left -= left < FRAME_PART_BYTES ? left : FRAME_PART_BYTES;
    }
    return within;
}

static void take_frame(struct node *node, struct step *step, struct ledger_link *link, const struct frame *frame) {
    const struct ledger_handlers *handlers = &node->ledger_links.handlers;
    if (!link->greeted && frame->kind != FRAME_HELLO) {
        cut(node, step, link, CLOSE_PROTOCOL);
        return;
    }
    uint64_t id = link->peer.link;
    if (!within_limits(node, step, link, frame)) {
        metric_add(step->env->metrics, METRIC_PACKETS_LIMITED, 1);
    } else if (frame->kind == FRAME_HELLO) {
        take_hello(node, step, link, buf_span(&frame->body));
    } else if (frame->kind == FRAME_PING || frame->kind == FRAME_PONG) {
        take_ping(node, step, link, frame);
    } else if (frame->kind >= FRAME_KIND_LEDGER) {
        handlers->frame(handlers->ctx, step, id, frame->kind, buf_span(&frame->body));
    } else {
        cut(node, step, link, CLOSE_PROTOCOL);
    }
}

bool ledger_links_bytes(struct node *node, struct step *step, uint64_t id, struct span bytes) {
    struct ledger_link *link = find(&node->ledger_links, id);
    if (link == NULL) {
        return false;
    }
    link->heard_ms = step->now.mono_ms;
    link->ping_sent = false;
    while (link != NULL && bytes.n > 0) {
        struct frame frame;
        bool complete = false;
        if (frame_take(&link->in, &frame, &complete, &bytes) != OK) {
            cut(node, step, link, CLOSE_PROTOCOL);
            return true;
        }
        if (complete) {
            take_frame(node, step, link, &frame);
            buf_free(&frame.body);
            link = find(&node->ledger_links, id);
        }
    }
    return true;
}

bool ledger_links_drained(struct node *node, uint64_t id) {
    struct ledger_link *link = find(&node->ledger_links, id);
    if (link != NULL) {
        link->window_used = 0;
        ledger_pump(node, link);
    }
    return link != NULL;
}

// ---- silence ----

static void look_at(struct node *node, struct step *step, struct ledger_link *link) {
    static const uint8_t token[PING_BYTES];
    const struct node_limits *limits = &node->config.limits;
    uint64_t now_ms = step->now.mono_ms;
    uint64_t silent_ms = now_ms - link->heard_ms;
    if ((!link->greeted && now_ms - link->opened_ms > limits->hello_timeout_ms) ||
        silent_ms > limits->idle_timeout_ms) {
        cut(node, step, link, CLOSE_TIMEOUT);
    } else if (silent_ms > limits->idle_timeout_ms / 2 && link->greeted && !link->ping_sent) {
        link->ping_sent = true;
        ledger_send_own(node, step, link, FRAME_PING, SPAN_OF(token));
    }
}

// Looking may end this link, and through a handler any other: then the next look sees what is passed over here.
void ledger_links_look(struct node *node, struct step *step) {
    for (size_t i = node->ledger_links.count; i-- > 0;) {
        if (i < node->ledger_links.count) {
            look_at(node, step, node->ledger_links.links[i]);
        }
    }
}
