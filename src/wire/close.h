// Why a link ended or did not come to be: for the node, the counters and the log. It crosses no wire.
#ifndef SOTTO_WIRE_CLOSE_H
#define SOTTO_WIRE_CLOSE_H

enum close_reason {
    CLOSE_PEER,     // the other side closed
    CLOSE_IO,       // the connection broke
    CLOSE_TLS,      // handshake failed or another key than expected
    CLOSE_TIMEOUT,  // silent or too slow
    CLOSE_PROTOCOL, // malformed, or out of order
    CLOSE_FLOOD,    // over a limit
    CLOSE_NETWORK,  // another network, or a version we do not speak
    CLOSE_UNWANTED, // a peer that may not stay, or is no longer needed
    CLOSE_STOPPING,
};

const char *close_reason_text(enum close_reason reason);

#endif
