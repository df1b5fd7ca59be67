// Links on the wire: TCP connections on a libuv loop, each wrapped in TLS 1.3, and the dials that make them.
//
//   listener or dial -> (proxy) -> TLS handshake -> open -> bytes in, cells out -> closed
//
// The rules of a link (docs/spec): TLS 1.3 only, X25519, Ed25519 certificates, no tickets, no early data, and as ALPN
// the kind of the link: "sotto/1" for cells, "sotto-ledger/1" for the ledger. Possession of the certificate's key is
// proved by TLS; whether that key may stay is the node's decision. A dial names the key it expects and fails on any
// other. With a CA every certificate must also chain to it.
//
// All functions belong to the loop thread. None of them calls an event: events come from the loop only.
#ifndef SOTTO_NET_NET_H
#define SOTTO_NET_NET_H

#include "base/logger.h"
#include "base/metric.h"
#include "crypto/keys.h"
#include "wire/address.h"
#include "wire/close.h"
#include "wire/link_kind.h"

#define NET_ALPN "sotto/1"
#define NET_ALPN_LEDGER "sotto-ledger/1"
#define NET_CREDENTIAL_MAX 255 // RFC 1929
#define NET_LINKS_MAX (1u << 20)

// Refusals happen before any cryptography. An address is an IPv4 address or an IPv6 /64.
struct net_limits {
    uint32_t links_max;              // open or opening, in and out
    uint32_t handshakes_max;         // inbound handshakes under way, in all
    uint32_t handshakes_per_address; // inbound handshakes under way
    uint32_t links_per_address;      // inbound, open or opening
    uint32_t accepts_per_address_s;  // new connections a second; a burst of twice that
    uint32_t handshake_timeout_ms;   // from accept, or from the dial, to the open link
    uint32_t write_timeout_ms;       // a peer that takes nothing for so long, while something waits, is cut
};

void net_limits_defaults(struct net_limits *limits);

// A SOCKS5 proxy (RFC 1928, 1929) which also resolves names. Without credentials every peer gets a user name of its
// own, so that Tor gives each its own circuit; proxies that know no users ignore it.
struct net_proxy {
    struct address address; // port 0: none
    char user[NET_CREDENTIAL_MAX + 1];
    char password[NET_CREDENTIAL_MAX + 1];
};

struct net_config {
    struct net_limits limits;
    struct net_proxy proxy;
    const uint8_t *identity_seed; // 32 bytes of the Ed25519 key; NULL: shows no certificate and cannot listen
    const char *certificate_path; // PEM, leaf first, for the identity's key; NULL: self-signed
    const char *ca_path;          // PEM; NULL: none
    bool ledger;                  // inbound ledger links, too, are taken
    const char *keylog_path;      // NULL: none. The caller makes sure that this is a test network.
    const uint8_t *tag_key;       // 32 random bytes, new for each process: for address tags and proxy user names
    struct metrics *metrics;
};

// What happens on links, in order for each link. Handlers may call every function below but net_free.
struct net_events {
    void *ctx;
    // `dial` is 0 for inbound links; `key` is NULL when the peer showed no certificate.
    void (*open)(void *ctx, uint64_t link, uint64_t dial, enum link_kind kind, const struct sign_public *key,
                 uint64_t address_tag);
    void (*bytes)(void *ctx, uint64_t link, struct span bytes);
    void (*drained)(void *ctx, uint64_t link); // all that was sent has been handed to the kernel
    void (*closed)(void *ctx, uint64_t link, enum close_reason reason);
    void (*dial_failed)(void *ctx, uint64_t dial, enum close_reason reason);
};

struct net;
struct uv_loop_s;

// ERR_IO, ERR_MALFORMED or ERR_INVALID with a text for the operator in `why` when a file cannot be used.
enum err net_new(struct net **net, struct uv_loop_s *loop, const struct net_config *config,
                 const struct net_events *events, struct buf *why);
// Port 0 takes a free one; `port` (may be NULL) is the one taken. ERR_IO, ERR_EXISTS (in use) with a text in `why`.
enum err net_listen(struct net *net, uint16_t *port, const struct address *address, struct buf *why);
// Ends in an open event with this number, or in dial_failed.
void net_dial(struct net *net, uint64_t dial, enum link_kind kind, const struct address *address,
              const struct sign_public *expected, bool show_certificate);
// At most LINK_SEND_BYTES_MAX; up to 4 KiB, as a cell is, make one TLS record. Leaves with whatever else this turn of
// the loop sends. Unknown links are ignored: they have closed.
void net_send(struct net *net, uint64_t link, struct span bytes);
// After what was sent before has left. No event of this link follows. `reason` is for the counters.
void net_close(struct net *net, uint64_t link, enum close_reason reason);
// While paused no link is read: the peers' TCP windows fill. For a host that has more work queued than it should.
void net_pause(struct net *net, bool paused);
// Links open or opening.
size_t net_links(const struct net *net);
// Stops listening and dialing, lets what is being sent leave within a second, closes every link without events. The
// loop must run until it has nothing left to do; then net_free.
void net_stop(struct net *net);
void net_free(struct net *net);

#endif
