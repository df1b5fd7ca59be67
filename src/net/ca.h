// A certificate authority for networks that want one: its own certificate, and those it gives to nodes.
#ifndef SOTTO_NET_CA_H
#define SOTTO_NET_CA_H

#include "crypto/keys.h"

// The CA's certificate in PEM: valid for ten years from `wall_ms`, `name` (1 to 64 bytes of printable ASCII) its
// subject.
enum err ca_certificate(struct buf *pem, const uint8_t ca_seed[static 32], const char *name, uint64_t wall_ms);
// A node's certificate in PEM, signed by the CA: for TLS as server and client, its key the node's identity, valid for a
// year from an hour before `wall_ms`. `serial` is random. ERR_MALFORMED: `ca_pem` is no certificate; ERR_AUTH: it is
// another key's.
enum err ca_sign_node(struct buf *pem, const uint8_t ca_seed[static 32], struct span ca_pem,
                      const struct sign_public *node, uint64_t serial, uint64_t wall_ms);

#endif
