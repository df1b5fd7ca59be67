// See net.h. The table of links, listeners, the end of a turn, deadlines.
#include "net/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "net/link.h"

void net_limits_defaults(struct net_limits *limits) {
    *limits = (struct net_limits){
        .links_max = 8192,
        .handshakes_max = 512,
        .handshakes_per_address = 16,
        .links_per_address = 64,
        .accepts_per_address_s = 20,
        .handshake_timeout_ms = 10 * SECOND_MS,
        .write_timeout_ms = 20 * SECOND_MS,
    };
}

static struct link *find(const struct net *net, uint64_t id) {
    size_t slot = id % NET_LINKS_MAX;
    struct link *link = slot < net->slot_count ? net->slots[slot] : NULL;
    return link != NULL && link->id == id ? link : NULL;
}

// --- the end of a turn, and deadlines ---

static void on_again(uv_idle_t *idle) {
    (void)idle;
}

// Just before the loop waits: writes what this turn has encrypted. Events that this causes may make links dirty again;
// those are for the next turn, so that one busy link cannot keep the others waiting.
static void on_flush(uv_prepare_t *prepare) {
    struct net *net = prepare->data;
    struct link *link = net->dirty;
    net->dirty = NULL;
    while (link != NULL) {
        struct link *next = link->dirty_next;
        link->is_dirty = false;
        if (link->is_broken) {
            link_end(link, link->broken_reason);
        } else {
            link_flush(link);
        }
        link_release(link);
        link = next;
    }
    if (net->dirty != NULL) {
        uv_idle_start(&net->again, on_again);
    } else {
        uv_idle_stop(&net->again);
    }
}

static void on_watch(uv_timer_t *timer) {
    struct net *net = timer->data;
    uint64_t now_ms = uv_now(net->loop);
    net->is_watching = false; // link_watch sets it
    for (size_t i = 0; i < net->slot_count; i++) {
        struct link *link = net->slots[i];
        if (link == NULL || link->deadline_ms == TIME_NEVER) {
            continue;
        }
        link_stalled(link);
        if (link->deadline_ms <= now_ms) {
            link_end(link, CLOSE_TIMEOUT);
        } else {
            net->is_watching = true;
        }
    }
    if (!net->is_watching) {
        uv_timer_stop(timer);
    }
}

void net_watch(struct net *net) {
    if (!net->is_watching) {
        net->is_watching = true;
        uv_timer_start(&net->watch, on_watch, WATCH_INTERVAL_MS, WATCH_INTERVAL_MS);
    }
}

// --- inbound ---

// An IPv4 address (mapped ones too), or the first half of an IPv6 address: what one customer of a provider has.
static uint64_t address_tag(const struct net *net, const struct sockaddr_storage *peer) {
    const uint8_t *bytes = (const uint8_t *)&((const struct sockaddr_in *)peer)->sin_addr;
    size_t n = 4;
    if (peer->ss_family == AF_INET6) {
        const struct in6_addr *ip6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(ip6);
        bytes = ip6->s6_addr + (mapped ? 12 : 0);
        n = mapped ? 4 : 8;
    }
    uint8_t digest[8];
    hash_keyed(digest, sizeof(digest), net->tag_key, "sotto address tag", span_of(bytes, n));
    uint64_t tag;
    memcpy(&tag, digest, sizeof(tag));
    return tag;
}

static enum gate_verdict pass_gate(struct net *net, struct link *link) {
    struct sockaddr_storage peer = {0};
    int n = sizeof(peer);
    if (uv_tcp_getpeername(&link->tcp, (struct sockaddr *)&peer, &n) != 0) {
        return GATE_LINKS;
    }
    link->address_tag = address_tag(net, &peer);
    enum gate_verdict verdict = gate_enter(&net->gate, &net->limits, link->address_tag, uv_now(net->loop));
    link->in_gate = link->in_handshake = verdict == GATE_PASS;
    return verdict;
}

static void on_connection(uv_stream_t *server, int status) {
    static const enum metric refused[] = {[GATE_LINKS] = METRIC_REFUSED_LINKS,
                                          [GATE_HANDSHAKES] = METRIC_REFUSED_HANDSHAKES,
                                          [GATE_RATE] = METRIC_REFUSED_RATE};
    struct net *net = ((struct listener *)server)->net;
    struct link *link = status == 0 ? link_new(net, LINK_ACCEPTED) : NULL;
    if (link == NULL) {
        metric_add(net->metrics, METRIC_REFUSED_LINKS, 1);
        return;
    }
    if (uv_accept(server, (uv_stream_t *)&link->tcp) != 0) {
        link_end(link, CLOSE_IO);
        return;
    }
    enum gate_verdict verdict = pass_gate(net, link);
    if (verdict != GATE_PASS) {
        metric_add(net->metrics, refused[verdict], 1);
        link_end(link, CLOSE_FLOOD);
        return;
    }
    uv_tcp_nodelay(&link->tcp, 1);
    link_handshake(link, tls_accept(net->tls, &link->wire));
    link_read(link);
}

// --- listening ---

static enum err cannot_listen(const struct address *address, int status, struct buf *why) {
    char where[HOST_BYTES_MAX + 10];
    char text[256];
    address_format(where, address);
    int n = snprintf(text, sizeof(text), "cannot listen on %s: %s%s", where, uv_strerror(status),
                     status == UV_EADDRINUSE ? " (another program has this port)" : "");
    buf_append(why, span_of(text, (size_t)n));
    return status == UV_EADDRINUSE ? ERR_EXISTS : ERR_IO;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct net *net = handle->data;
    net->handles--;
}

static void on_listener_closed(uv_handle_t *handle) {
    struct listener *listener = (struct listener *)handle;
    listener->net->handles--;
    free(listener);
}

static int bind_listener(struct listener *listener, uint16_t *port, const struct address *address) {
    uv_getaddrinfo_t found;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    char service[6];
    snprintf(service, sizeof(service), "%u", (unsigned)address->port);
    int status = uv_getaddrinfo(listener->net->loop, &found, NULL, address->host, service, &hints);
    if (status != 0) {
        return status;
    }
    status = uv_tcp_bind(&listener->tcp, found.addrinfo->ai_addr, 0);
    uv_freeaddrinfo(found.addrinfo);
    if (status == 0) {
        status = uv_listen((uv_stream_t *)&listener->tcp, SOMAXCONN, on_connection);
    }
    struct sockaddr_storage bound;
    int n = sizeof(bound);
    if (status == 0) {
        status = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&bound, &n);
    }
    if (status == 0) {
        // The port stands at the same place for both families.
        *port = ntohs(((const struct sockaddr_in *)&bound)->sin_port);
    }
    return status;
}

enum err net_listen(struct net *net, uint16_t *port, const struct address *address, struct buf *why) {
    ASSERT(tls_can_listen(net->tls) && net->listener_count < NET_LISTENERS_MAX && !net->is_stopping);
    struct listener *listener = NEW(struct listener);
    listener->net = net;
    int status = uv_tcp_init(net->loop, &listener->tcp);
    ASSERT(status == 0);
    net->handles++;
    uint16_t taken = 0;
    status = bind_listener(listener, &taken, address);
    if (status != 0) {
        uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
        return cannot_listen(address, status, why);
    }
    net->listeners[net->listener_count++] = listener;
    if (port != NULL) {
        *port = taken;
    }
    return OK;
}

// --- life ---

enum err net_new(struct net **ret, struct uv_loop_s *loop, const struct net_config *config,
                 const struct net_events *events, struct buf *why) {
    ASSERT(config->metrics != NULL && config->tag_key != NULL);
    struct net *net = NEW(struct net);
    enum err err = tls_new(&net->tls, config, why);
    if (err != OK) {
        free(net);
        return err;
    }
    net->loop = loop;
    net->limits = config->limits;
    net->proxy = config->proxy;
    memcpy(net->tag_key, config->tag_key, sizeof(net->tag_key));
    net->metrics = config->metrics;
    net->events = *events;
    uv_prepare_init(loop, &net->flush);
    uv_idle_init(loop, &net->again);
    uv_timer_init(loop, &net->watch);
    net->flush.data = net->again.data = net->watch.data = net;
    net->handles = 3;
    uv_prepare_start(&net->flush, on_flush);
    uv_unref((uv_handle_t *)&net->flush);
    *ret = net;
    return OK;
}

void net_dial(struct net *net, uint64_t dial, enum link_kind kind, const struct address *address,
              const struct sign_public *expected, bool show_certificate) {
    ASSERT(dial != 0);
    struct link *link = net->is_stopping ? NULL : link_new(net, LINK_RESOLVING);
    ASSERT(link != NULL || net->is_stopping); // a node has few dials under way
    if (link != NULL) {
        link->dial = dial;
        link->dialing = NEW(struct dialing);
        link->dialing->kind = kind;
        link->dialing->target = *address;
        link->dialing->expected = *expected;
        link->dialing->show_certificate = show_certificate;
        dial_begin(link);
    }
}

void net_send(struct net *net, uint64_t id, struct span bytes) {
    struct link *link = find(net, id);
    if (link == NULL || link->state != LINK_OPEN || link->is_broken) {
        return;
    }
    if (tls_write(link->ssl, bytes) != TLS_OK) {
        link_break(link, CLOSE_TLS);
    } else if (link->wire.out.n > LINK_OUT_BYTES_MAX) {
        link_break(link, CLOSE_FLOOD);
    } else {
        link->has_sent = true;
        link_mark_dirty(link);
    }
}

void net_close(struct net *net, uint64_t id, enum close_reason reason) {
    struct link *link = find(net, id);
    if (link != NULL && link->state == LINK_OPEN) {
        link_close(link, reason);
    }
}

void net_pause(struct net *net, bool paused) {
    if (net->is_paused == paused) {
        return;
    }
    net->is_paused = paused;
    for (size_t i = 0; i < net->slot_count; i++) {
        struct link *link = net->slots[i];
        if (link == NULL || link->state != LINK_OPEN) {
            continue;
        }
        if (paused) {
            uv_read_stop((uv_stream_t *)&link->tcp);
        } else if (!link->has_eof) {
            link_read(link);
        }
    }
}

size_t net_links(const struct net *net) {
    return net->links;
}

void net_last_link_freed(struct net *net) {
    if (!net->is_stopping || net->is_closed) {
        return;
    }
    net->is_closed = true;
    uv_close((uv_handle_t *)&net->flush, on_handle_closed);
    uv_close((uv_handle_t *)&net->again, on_handle_closed);
    uv_close((uv_handle_t *)&net->watch, on_handle_closed);
}

void net_stop(struct net *net) {
    if (net->is_stopping) {
        return;
    }
    net->is_stopping = true;
    for (size_t i = 0; i < net->listener_count; i++) {
        uv_close((uv_handle_t *)&net->listeners[i]->tcp, on_listener_closed);
    }
    for (size_t i = 0; i < net->slot_count; i++) {
        struct link *link = net->slots[i];
        if (link != NULL && link->state == LINK_OPEN) {
            link_close(link, CLOSE_STOPPING);
        } else if (link != NULL && link->state != LINK_CLOSING) {
            link_end(link, CLOSE_STOPPING);
        }
    }
    if (net->alive == 0) {
        net_last_link_freed(net);
    }
}

void net_free(struct net *net) {
    if (net == NULL) {
        return;
    }
    ASSERT(net->alive == 0 && net->handles == 0);
    tls_free(net->tls);
    wipe(net->tag_key, sizeof(net->tag_key));
    wipe(&net->proxy, sizeof(net->proxy));
    free(net->slots);
    free(net);
}
