// TLS 1.3 as Sotto's links use it, on OpenSSL: contexts and certificates, and connections that read and write memory.
// The rules are in net.h.
#ifndef SOTTO_NET_TLS_H
#define SOTTO_NET_TLS_H

#include <openssl/ssl.h>

#include "net/net.h"

// The longest record. A cell has 2,424 bytes, so that it always makes one.
#define TLS_RECORD_BYTES_MAX 4096

// What one connection reads from and writes to. Stands still while the connection lives.
struct tls_wire {
    struct span in;                     // from the network; the reader moves it on
    struct buf out;                     // for the network
    const struct sign_public *expected; // dials
};

struct tls;

// ERR_IO, ERR_MALFORMED or ERR_INVALID with a text in `why`.
enum err tls_new(struct tls **tls, const struct net_config *config, struct buf *why);
void tls_free(struct tls *tls);
bool tls_can_listen(const struct tls *tls);

SSL *tls_accept(struct tls *tls, struct tls_wire *wire);
SSL *tls_dial(struct tls *tls, struct tls_wire *wire, enum link_kind kind, bool show_certificate);

enum tls_result { TLS_OK, TLS_MORE, TLS_CLOSED, TLS_BAD };

// TLS_OK: the handshake is complete and the other side speaks our protocol. TLS_MORE: needs bytes.
enum tls_result tls_handshake(SSL *ssl);
enum link_kind tls_kind(const SSL *ssl); // after the handshake
// Up to n bytes. TLS_CLOSED: the other side has said goodbye.
enum tls_result tls_read(SSL *ssl, uint8_t *out, size_t n, size_t *got);
enum tls_result tls_write(SSL *ssl, struct span bytes); // up to LINK_SEND_BYTES_MAX; never TLS_MORE
void tls_goodbye(SSL *ssl);                             // appends close_notify to what is written
// False: the peer showed no certificate.
bool tls_peer_key(const SSL *ssl, struct sign_public *out);

#endif
