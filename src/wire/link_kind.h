// The kinds of link. The two ends agree on one in the TLS handshake (ALPN), before anything else is said.
#ifndef SOTTO_WIRE_LINK_KIND_H
#define SOTTO_WIRE_LINK_KIND_H

#include <stddef.h>

enum link_kind {
    LINK_CELLS,  // onion packets and what relays and clients say to each other: cells (wire/cell.h)
    LINK_LEDGER, // what validators and followers say to each other: frames (wire/frame.h)
};

#define LINK_KINDS 2
#define LINK_SEND_BYTES_MAX ((size_t)16 * 1024) // one send on a ledger link; on the other kind each is a cell

#endif
