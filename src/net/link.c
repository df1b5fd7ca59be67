// A link's life on its socket: bytes from the socket through TLS to the node, cells from the node through TLS to the
// socket. What a turn of the loop encrypts is written once, when the turn ends.
#include "net/link.h"

#include <stdlib.h>

#include "base/assert.h"

// A buffer that an idle link may keep.
#define IDLE_BUFFER_BYTES (8 * 1024)

static struct metrics *metrics_of(const struct link *link) {
    return link->net->metrics;
}

// --- life ---

static size_t free_slot(struct net *net) {
    size_t slot = net->slot_hint;
    while (slot < net->slot_count && net->slots[slot] != NULL) {
        slot++;
    }
    net->slot_hint = slot;
    if (slot == net->slot_count && slot < NET_LINKS_MAX) {
        size_t count = slot == 0 ? 64 : 2 * slot;
        struct link **slots = NEW_ARRAY(struct link *, count);
        for (size_t i = 0; i < slot; i++) {
            slots[i] = net->slots[i];
        }
        free(net->slots);
        net->slots = slots;
        net->slot_count = count;
    }
    return slot;
}

struct link *link_new(struct net *net, enum link_state state) {
    size_t slot = free_slot(net);
    if (slot == NET_LINKS_MAX) {
        return NULL;
    }
    struct link *link = NEW(struct link);
    link->net = net;
    link->state = state;
    link->holds = 1;
    link->id = ++net->next_serial * NET_LINKS_MAX + slot;
    link->began_ns = uv_hrtime();
    link->deadline_ms = TIME_NEVER;
    int status = uv_tcp_init(net->loop, &link->tcp);
    ASSERT(status == 0);
    net->slots[slot] = link;
    net->slot_hint = slot + 1;
    net->links++;
    net->alive++;
    link_watch(link, net->limits.handshake_timeout_ms);
    return link;
}

void link_hold(struct link *link) {
    link->holds++;
}

void link_release(struct link *link) {
    ASSERT(link->holds > 0);
    if (--link->holds > 0) {
        return;
    }
    ASSERT(link->state == LINK_ENDED);
    SSL_free(link->ssl);
    buf_free(&link->wire.out);
    buf_free(&link->flight);
    dial_free(link);
    struct net *net = link->net;
    free(link);
    if (--net->alive == 0) {
        net_last_link_freed(net);
    }
}

static void on_closed(uv_handle_t *handle) {
    link_release((struct link *)handle);
}

static void leave_table(struct link *link) {
    struct net *net = link->net;
    size_t slot = link->id % NET_LINKS_MAX;
    ASSERT(net->slots[slot] == link);
    net->slots[slot] = NULL;
    if (slot < net->slot_hint) {
        net->slot_hint = slot;
    }
    net->links--;
    if (link->in_handshake) {
        gate_handshake_over(&net->gate, link->address_tag);
    }
    if (link->in_gate) {
        gate_leave(&net->gate, link->address_tag);
    }
}

static const enum metric closed_metrics[] = {
    [CLOSE_PEER] = METRIC_CLOSED_PEER,         [CLOSE_IO] = METRIC_CLOSED_IO,
    [CLOSE_TLS] = METRIC_CLOSED_TLS,           [CLOSE_TIMEOUT] = METRIC_CLOSED_TIMEOUT,
    [CLOSE_PROTOCOL] = METRIC_CLOSED_PROTOCOL, [CLOSE_FLOOD] = METRIC_CLOSED_FLOOD,
    [CLOSE_NETWORK] = METRIC_CLOSED_NETWORK,   [CLOSE_UNWANTED] = METRIC_CLOSED_UNWANTED,
    [CLOSE_STOPPING] = METRIC_CLOSED_STOPPING,
};

static enum metric handshake_metric(enum close_reason reason) {
    if (reason == CLOSE_TIMEOUT) {
        return METRIC_HANDSHAKE_FAILED_TIMEOUT;
    }
    return reason == CLOSE_TLS ? METRIC_HANDSHAKE_FAILED_TLS : METRIC_HANDSHAKE_FAILED_IO;
}

static void count_end(const struct link *link, enum link_state was, enum close_reason reason) {
    if (was == LINK_OPEN) {
        metric_add(metrics_of(link), closed_metrics[reason], 1);
    } else if (was != LINK_CLOSING && was != LINK_ACCEPTED) {
        metric_add(metrics_of(link), handshake_metric(reason), 1);
    }
}

void link_end(struct link *link, enum close_reason reason) {
    if (link->state == LINK_ENDED) {
        return;
    }
    enum link_state was = link->state;
    struct net *net = link->net;
    if (reason == CLOSE_TLS && link->wire.out.n > 0 && !link->is_writing) {
        // The alert that tells the other side why; it may get lost.
        uv_buf_t alert = uv_buf_init((char *)link->wire.out.p, (unsigned)link->wire.out.n);
        (void)uv_try_write((uv_stream_t *)&link->tcp, &alert, 1);
    }
    leave_table(link);
    link->state = LINK_ENDED;
    link->deadline_ms = TIME_NEVER;
    if (!uv_is_closing((uv_handle_t *)&link->tcp)) {
        uv_close((uv_handle_t *)&link->tcp, on_closed);
    }
    if (was == LINK_RESOLVING && link->dialing != NULL) {
        (void)uv_cancel((uv_req_t *)&link->dialing->resolve);
    }
    count_end(link, was, reason);
    if (net->is_stopping || was == LINK_CLOSING) {
        return;
    }
    if (was == LINK_OPEN) {
        net->events.closed(net->events.ctx, link->id, reason);
    } else if (link->dial != 0) {
        net->events.dial_failed(net->events.ctx, link->dial, reason);
    }
}

void link_break(struct link *link, enum close_reason reason) {
    if (!link->is_broken) {
        link->is_broken = true;
        link->broken_reason = reason;
        link_mark_dirty(link);
    }
}

void link_close(struct link *link, enum close_reason reason) {
    ASSERT(link->state == LINK_OPEN);
    metric_add(metrics_of(link), closed_metrics[reason], 1);
    link->state = LINK_CLOSING;
    tls_goodbye(link->ssl);
    link_watch(link, LINK_LINGER_MS);
    link_mark_dirty(link);
    if (link->net->is_paused) {
        link_read(link); // to see the other side's end
    }
}

void link_watch(struct link *link, uint64_t timeout_ms) {
    link->deadline_ms = uv_now(link->net->loop) + timeout_ms;
    net_watch(link->net);
}

// --- out ---

void link_mark_dirty(struct link *link) {
    if (link->is_dirty || link->state == LINK_ENDED) {
        return;
    }
    link->is_dirty = true;
    link_hold(link);
    link->dirty_next = link->net->dirty;
    link->net->dirty = link;
}

static void on_shut(uv_shutdown_t *request, int status) {
    struct link *link = request->data;
    if (status != 0 || link->has_eof) {
        link_end(link, CLOSE_PEER);
    }
}

// Everything has been handed to the kernel.
static void all_written(struct link *link) {
    struct net *net = link->net;
    if (link->state == LINK_CLOSING && !link->is_shut) {
        link->is_shut = true;
        link->shutdown.data = link;
        if (uv_shutdown(&link->shutdown, (uv_stream_t *)&link->tcp, on_shut) != 0) {
            link_end(link, CLOSE_IO);
        }
        return;
    }
    if (link->state == LINK_OPEN) {
        link->deadline_ms = TIME_NEVER;
        if (link->has_sent) {
            link->has_sent = false;
            net->events.drained(net->events.ctx, link->id);
        }
    }
}

static void on_written(uv_write_t *request, int status) {
    struct link *link = request->data;
    link->is_writing = false;
    buf_free(&link->flight);
    if (link->state == LINK_ENDED) {
        return;
    }
    if (status != 0) {
        link_end(link, CLOSE_IO);
    } else {
        link_flush(link);
    }
}

static void write_rest(struct link *link, size_t done) {
    link->flight = link->wire.out;
    link->wire.out = (struct buf){0};
    link->is_writing = true;
    link->write.data = link;
    link->flight_left = link->flight.n - done;
    uv_buf_t bytes = uv_buf_init((char *)link->flight.p + done, (unsigned)link->flight_left);
    if (uv_write(&link->write, (uv_stream_t *)&link->tcp, &bytes, 1, on_written) != 0) {
        link->is_writing = false;
        link_end(link, CLOSE_IO);
    } else if (link->state == LINK_OPEN) {
        link_watch(link, link->net->limits.write_timeout_ms);
    }
}

void link_flush(struct link *link) {
    if (link->state == LINK_ENDED || link->is_writing) {
        return;
    }
    struct buf *out = &link->wire.out;
    if (out->n > 0) {
        uv_buf_t bytes = uv_buf_init((char *)out->p, (unsigned)out->n);
        int written = uv_try_write((uv_stream_t *)&link->tcp, &bytes, 1);
        if (written < 0 && written != UV_EAGAIN) {
            link_end(link, CLOSE_IO);
            return;
        }
        size_t done = written > 0 ? (size_t)written : 0;
        metric_add(metrics_of(link), METRIC_NETWORK_TRANSMIT, out->n);
        if (done < out->n) {
            write_rest(link, done);
            return;
        }
        if (out->capacity > IDLE_BUFFER_BYTES) {
            buf_free(out);
        } else {
            buf_clear(out);
        }
    }
    all_written(link);
}

void link_stalled(struct link *link) {
    if (link->state == LINK_OPEN && link->is_writing) {
        size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&link->tcp);
        if (left < link->flight_left) {
            link->flight_left = left;
            link_watch(link, link->net->limits.write_timeout_ms);
        }
    }
}

// --- in ---

static void opened(struct link *link) {
    struct net *net = link->net;
    struct sign_public key;
    bool has_key = tls_peer_key(link->ssl, &key);
    ASSERT(link->dial == 0 || (has_key && keys_equal(key.bytes, link->dialing->expected.bytes)));
    link->state = LINK_OPEN;
    link->deadline_ms = TIME_NEVER;
    link->wire.expected = NULL;
    dial_free(link);
    if (link->in_handshake) {
        link->in_handshake = false;
        gate_handshake_over(&net->gate, link->address_tag);
    }
    metric_add(net->metrics, link->dial == 0 ? METRIC_OPENED_IN : METRIC_OPENED_OUT, 1);
    metric_record_us(net->metrics, METRIC_HANDSHAKE_DURATION, (uv_hrtime() - link->began_ns) / 1000);
    net->events.open(net->events.ctx, link->id, link->dial, tls_kind(link->ssl), has_key ? &key : NULL,
                     link->address_tag);
    if (net->is_paused && link->state == LINK_OPEN) {
        uv_read_stop((uv_stream_t *)&link->tcp);
    }
}

// Hands the node what the records held, many cells at a time.
static void take_records(struct link *link) {
    struct net *net = link->net;
    enum tls_result result = TLS_OK;
    while (link->state == LINK_OPEN && result == TLS_OK) {
        size_t n = 0;
        while (result == TLS_OK && n < sizeof(net->plain)) {
            size_t got;
            result = tls_read(link->ssl, net->plain + n, sizeof(net->plain) - n, &got);
            n += got;
        }
        if (n > 0) {
            net->events.bytes(net->events.ctx, link->id, span_of(net->plain, n));
        }
    }
    if (link->state == LINK_OPEN && result != TLS_MORE) {
        link_end(link, result == TLS_CLOSED ? CLOSE_PEER : CLOSE_TLS);
    }
}

static void take_tls(struct link *link) {
    if (link->state == LINK_HANDSHAKE) {
        enum tls_result result = tls_handshake(link->ssl);
        if (result == TLS_OK) {
            opened(link);
        } else if (result != TLS_MORE) {
            link_end(link, CLOSE_TLS);
            return;
        }
    }
    take_records(link);
    if (link->wire.out.n > LINK_OUT_BYTES_MAX) {
        link_end(link, CLOSE_FLOOD);
    } else if (link->wire.out.n > 0) {
        link_mark_dirty(link);
    }
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)suggested;
    struct net *net = ((struct link *)handle)->net;
    *buffer = uv_buf_init((char *)net->input, sizeof(net->input));
}

static void on_end_of_input(struct link *link, enum close_reason reason) {
    link->has_eof = true;
    uv_read_stop((uv_stream_t *)&link->tcp);
    if (link->state != LINK_CLOSING || link->is_shut) {
        link_end(link, reason);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
    struct link *link = (struct link *)stream;
    if (n < 0) {
        on_end_of_input(link, n == UV_EOF ? CLOSE_PEER : CLOSE_IO);
        return;
    }
    metric_add(metrics_of(link), METRIC_NETWORK_RECEIVE, (uint64_t)n);
    link->wire.in = span_of(buffer->base, (size_t)n);
    switch (link->state) {
    case LINK_PROXY:
        dial_proxy_bytes(link);
        break;
    case LINK_HANDSHAKE:
    case LINK_OPEN:
        take_tls(link);
        break;
    case LINK_ACCEPTED:
    case LINK_RESOLVING:
    case LINK_CONNECTING:
    case LINK_CLOSING:
    case LINK_ENDED:
        break;
    }
    link->wire.in = (struct span){0};
}

void link_read(struct link *link) {
    int status = uv_read_start((uv_stream_t *)&link->tcp, on_buffer, on_read);
    if (status != 0 && status != UV_EALREADY) {
        link_break(link, CLOSE_IO);
    }
}

void link_handshake(struct link *link, SSL *ssl) {
    ASSERT(link->ssl == NULL);
    link->ssl = ssl;
    link->state = LINK_HANDSHAKE;
    if (tls_handshake(ssl) != TLS_MORE) { // a dial speaks first; nothing has come yet
        link_break(link, CLOSE_TLS);
    }
    link_mark_dirty(link);
}
