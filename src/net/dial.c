// The way of a dial to the point where TLS begins: resolve, connect (each address in turn), and the proxy if there is
// one.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "net/link.h"

static void connect_next(struct link *link);

static bool by_proxy(const struct net *net) {
    return net->proxy.address.port != 0;
}

// --- the connection stands ---

static void begin_tls(struct link *link) {
    struct dialing *dialing = link->dialing;
    link->wire.expected = &dialing->expected;
    link_handshake(link, tls_dial(link->net->tls, &link->wire, dialing->kind, dialing->show_certificate));
}

// Without credentials of the operator's: a name for each peer, which tells the proxy nothing but that it is another.
static void begin_proxy(struct link *link) {
    const struct net_proxy *proxy = &link->net->proxy;
    struct dialing *dialing = link->dialing;
    link->state = LINK_PROXY;
    if (proxy->user[0] != '\0') {
        socks_begin(&dialing->socks, &link->wire.out, &dialing->target, proxy->user, proxy->password);
    } else {
        uint8_t tag[8];
        char user[2 * sizeof(tag) + 1];
        hash_keyed(tag, sizeof(tag), link->net->tag_key, "sotto proxy user", SPAN_OF(dialing->expected.bytes));
        hex_encode(user, SPAN_OF(tag));
        socks_begin(&dialing->socks, &link->wire.out, &dialing->target, user, "sotto");
    }
    link_mark_dirty(link);
}

void dial_proxy_bytes(struct link *link) {
    switch (socks_take(&link->dialing->socks, &link->wire.out, &link->wire.in)) {
    case SOCKS_DONE:
        begin_tls(link);
        break;
    case SOCKS_FAILED:
        link_end(link, CLOSE_IO);
        break;
    case SOCKS_METHOD:
    case SOCKS_AUTH:
    case SOCKS_CONNECT:
        link_mark_dirty(link);
        break;
    }
}

// --- connecting ---

static void on_attempt_closed(uv_handle_t *handle) {
    struct link *link = (struct link *)handle;
    if (link->state == LINK_ENDED) {
        link_release(link);
        return;
    }
    int status = uv_tcp_init(link->net->loop, &link->tcp);
    ASSERT(status == 0);
    connect_next(link);
}

static void on_connected(uv_connect_t *request, int status) {
    struct link *link = request->data;
    if (link->state == LINK_ENDED || status == UV_ECANCELED) {
        return;
    }
    if (status != 0) {
        if (link->dialing->next == NULL) {
            link_end(link, CLOSE_IO);
        } else {
            uv_close((uv_handle_t *)&link->tcp, on_attempt_closed);
        }
        return;
    }
    uv_tcp_nodelay(&link->tcp, 1);
    if (by_proxy(link->net)) {
        begin_proxy(link);
    } else {
        begin_tls(link);
    }
    link_read(link);
}

static void connect_to(struct link *link, const struct sockaddr *to) {
    link->state = LINK_CONNECTING;
    link->dialing->connect.data = link;
    if (uv_tcp_connect(&link->dialing->connect, &link->tcp, to, on_connected) != 0) {
        link_break(link, CLOSE_IO);
    }
}

static void connect_next(struct link *link) {
    struct addrinfo *found = link->dialing->next;
    link->dialing->next = found->ai_next;
    connect_to(link, found->ai_addr);
}

// --- resolving ---

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct link *link = request->data;
    if (link->state == LINK_ENDED) {
        uv_freeaddrinfo(found);
    } else if (status != 0 || found == NULL) {
        link_end(link, CLOSE_IO);
    } else {
        link->dialing->found = found;
        link->dialing->next = found;
        connect_next(link);
    }
    link_release(link);
}

static void resolve(struct link *link, const struct address *address) {
    char port[6];
    snprintf(port, sizeof(port), "%u", (unsigned)address->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    uv_getaddrinfo_t *request = &link->dialing->resolve;
    request->data = link;
    if (uv_getaddrinfo(link->net->loop, request, on_resolved, address->host, port, &hints) != 0) {
        link_break(link, CLOSE_IO);
    } else {
        link_hold(link);
    }
}

void dial_begin(struct link *link) {
    const struct address *address = by_proxy(link->net) ? &link->net->proxy.address : &link->dialing->target;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    if (uv_ip4_addr(address->host, address->port, &ip4) == 0) {
        connect_to(link, (const struct sockaddr *)&ip4);
    } else if (uv_ip6_addr(address->host, address->port, &ip6) == 0) {
        connect_to(link, (const struct sockaddr *)&ip6);
    } else {
        resolve(link, address);
    }
}

void dial_free(struct link *link) {
    if (link->dialing != NULL) {
        uv_freeaddrinfo(link->dialing->found);
        free(link->dialing);
        link->dialing = NULL;
    }
}
