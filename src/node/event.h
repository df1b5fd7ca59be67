// Everything that can happen to a node. Spans are valid during the step only.
//
// Link 0 is the node itself: what it sends there comes back as EVENT_LINK_BYTES of link 0 once the effect has left, so
// that an answer to itself waits for the same sync as one to anybody else.
#ifndef SOTTO_NODE_EVENT_H
#define SOTTO_NODE_EVENT_H

#include "base/job.h"
#include "client/request.h"
#include "ledger/request.h"
#include "wire/close.h"
#include "wire/ids.h"
#include "wire/link_kind.h"

enum event_kind {
    EVENT_START,
    EVENT_STOP, // a clean stop: closes links, stores its mark; the host ends when the effects have left
    EVENT_LINK_OPEN,
    EVENT_LINK_BYTES,
    EVENT_LINK_DRAINED,
    EVENT_LINK_CLOSED,
    EVENT_DIAL_FAILED,
    EVENT_TIMER,
    EVENT_JOB_DONE,
    EVENT_DISK_SPACE,
    EVENT_REQUEST,
    EVENT_REQUEST_GONE,
};

#define LINK_SELF 0

// Questions about the node itself; the user role's are in client/request.h, the ledger's in ledger/request.h.
enum node_op {
    NODE_STATUS,
    NODE_RELAY, // what a relay is registered with
    NODE_CLIENT,
    NODE_LEDGER,
    NODE_WATCH, // a stream of all that the node's parts tell; answered only when it is refused
};

struct node_request {
    uint64_t id;
    enum node_op op;
    struct client_request client; // for NODE_CLIENT, and NODE_WATCH (CLIENT_WATCH); its id equals the above
    struct ledger_request ledger; // for NODE_LEDGER, and NODE_WATCH (LEDGER_WATCH); likewise
};

struct event {
    enum event_kind kind;
    union {
        struct {
            uint8_t boot_id[32]; // changes when the machine starts anew
            struct span log;     // all that the node's log holds, at most LOG_BYTES_MAX; its end may be torn
        } start;
        struct {
            uint64_t link; // numbered by the host, never used again
            uint64_t dial; // outbound: the number from the dial effect; inbound: 0
            enum link_kind kind;
            bool has_key; // the peer showed a certificate
            struct sign_public key;
            uint64_t address_tag; // inbound: a keyed hash of the peer's address, equal for equal addresses
        } link_open;
        struct {
            uint64_t link;
            struct span bytes;
        } link_bytes;
        struct {
            uint64_t link;
        } link_drained;
        struct {
            uint64_t link;
            enum close_reason reason;
        } link_closed;
        struct {
            uint64_t dial;
            enum close_reason reason;
        } dial_failed;
        struct {
            struct job *job; // the node takes it
        } job_done;
        struct {
            uint64_t free_bytes;
        } disk_space;
        struct {
            const struct node_request *request;
        } request;
        struct {
            uint64_t id;
        } request_gone;
    };
};

#endif
