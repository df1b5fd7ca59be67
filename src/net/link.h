// One link and the table of them: shared by the files of net/, not for others.
//
//   dial:     RESOLVING -> CONNECTING -> (PROXY) -> HANDSHAKE -> OPEN -> (CLOSING) -> ENDED
//   inbound:  ACCEPTED ---------------------------> HANDSHAKE -> OPEN -> (CLOSING) -> ENDED
#ifndef SOTTO_NET_LINK_H
#define SOTTO_NET_LINK_H

#include <uv.h>

#include "base/time.h"
#include "net/gate.h"
#include "net/net.h"
#include "net/socks.h"
#include "net/tls.h"

#define NET_LISTENERS_MAX 8
#define NET_BUFFER_BYTES (64 * 1024)    // one read of a socket; shared by all links
#define LINK_OUT_BYTES_MAX (256 * 1024) // six windows; only a peer that makes TLS itself talk gets beyond a window
#define LINK_LINGER_MS 1000
#define WATCH_INTERVAL_MS 200

enum link_state {
    LINK_ACCEPTED,
    LINK_RESOLVING,
    LINK_CONNECTING,
    LINK_PROXY,
    LINK_HANDSHAKE,
    LINK_OPEN,
    LINK_CLOSING,
    LINK_ENDED
};

// What only a dial needs, until the link is open.
struct dialing {
    enum link_kind kind;
    struct address target;
    struct sign_public expected;
    bool show_certificate;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct addrinfo *found; // from the resolver
    struct addrinfo *next;  // the address to try next
    struct socks socks;
};

struct link {
    uv_tcp_t tcp;
    struct net *net;
    uint64_t id;
    uint64_t dial;        // 0: inbound
    uint64_t address_tag; // inbound
    enum link_state state;
    unsigned holds;    // freed when nothing refers to it: the socket, a resolver's request, the list of dirty links
    bool in_gate;      // inbound: counts there as a link
    bool in_handshake; // and as a handshake
    bool is_broken;    // ends at the end of this turn
    bool is_dirty;     // has bytes to write at the end of this turn
    bool is_writing;   // `flight` is with libuv
    bool has_sent;     // cells since the last drained event
    bool has_eof;      // the peer has closed its side
    bool is_shut;      // we have closed ours
    enum close_reason broken_reason;
    SSL *ssl;
    struct tls_wire wire;
    struct buf flight;
    size_t flight_left; // when last looked at
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct link *dirty_next;
    uint64_t deadline_ms; // TIME_NEVER: none
    uint64_t began_ns;
    struct dialing *dialing;
};

struct listener {
    uv_tcp_t tcp;
    struct net *net;
};

struct net {
    uv_loop_t *loop;
    struct net_limits limits;
    struct net_proxy proxy;
    uint8_t tag_key[32];
    struct metrics *metrics;
    struct net_events events;
    struct tls *tls;
    struct gate gate;
    struct link **slots; // id % NET_LINKS_MAX
    size_t slot_count;
    size_t slot_hint; // no free slot below it
    uint64_t next_serial;
    size_t links; // not ended
    size_t alive; // not freed
    struct link *dirty;
    struct listener *listeners[NET_LISTENERS_MAX];
    size_t listener_count;
    size_t handles; // listeners and the three below, not yet closed
    uv_prepare_t flush;
    uv_idle_t again; // keeps the loop turning while dirty links wait
    uv_timer_t watch;
    bool is_watching;
    bool is_paused;
    bool is_stopping;
    bool is_closed;
    uint8_t input[NET_BUFFER_BYTES];
    uint8_t plain[NET_BUFFER_BYTES];
};

// A new link with its socket initialised and a number of its own. NULL when the table is full.
struct link *link_new(struct net *net, enum link_state state);
void link_hold(struct link *link);
void link_release(struct link *link);
void link_handshake(struct link *link, SSL *ssl); // the connection stands: begin TLS
void link_read(struct link *link);                // start reading
void link_mark_dirty(struct link *link);
void link_break(struct link *link, enum close_reason reason); // ends it at the end of this turn; never calls an event
void link_end(struct link *link, enum close_reason reason);   // calls the event; only from the loop
void link_close(struct link *link, enum close_reason reason); // OPEN: says goodbye, then ends without an event
void link_flush(struct link *link);                           // only from the loop
void link_watch(struct link *link, uint64_t timeout_ms);      // the deadline from now
void link_stalled(struct link *link);                         // looks whether what is being written moves

void net_watch(struct net *net); // looks at deadlines until there are none
void net_last_link_freed(struct net *net);

void dial_begin(struct link *link);
void dial_proxy_bytes(struct link *link); // takes link->wire.in
void dial_free(struct link *link);

#endif
