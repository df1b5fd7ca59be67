// The links of the ledger: to validators, followers and light clients. They stand apart from the links that carry cells
// (link.h): frames instead of cells, a table of their own, no part in what relays and clients do.
//
//   bytes -> frame_reader -> HELLO, PING, PONG: here
//                         -> the others: the ledger's part, by its handlers
//   ledger_link_send -> queue of the lane -> parts, urgent ones first -> the host's window
//
// What frames mean is the ledger's. Everything is bounded: frames by who sends them, queues by bytes and frames, of a
// link and of all together, and the number of links that strangers made.
#ifndef SOTTO_NODE_LEDGER_LINKS_H
#define SOTTO_NODE_LEDGER_LINKS_H

#include "base/step.h"
#include "node/effect.h"
#include "node/link.h"
#include "wire/frame.h"

#define LEDGER_DIALS_MAX 64
// A link that others made and whose peer the ledger does not vouch for is a stranger's.
#define LEDGER_STRANGERS_MAX 512
// What a stranger may send at once: some transactions, questions. Two lanes of 512 links: 128 MiB.
#define LEDGER_STRANGER_BODY_BYTES_MAX ((size_t)128 * 1024)
// What waits on one lane of a link: some blocks. A stranger's: one answer, with its successor.
#define LEDGER_QUEUE_BYTES_MAX ((size_t)6 * 1024 * 1024)
#define LEDGER_QUEUE_BYTES_MAX_STRANGER ((size_t)2 * 1024 * 1024 + 256 * 1024)
#define LEDGER_QUEUE_FRAMES_MAX 4096
// What waits on all links. Of it strangers take at most a quarter, so that a crowd of them cannot stop consensus.
#define LEDGER_QUEUES_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct node;

// The other end, once it has said hello.
struct ledger_peer {
    uint64_t link;
    uint64_t dial; // the number of ours; 0: it dialled
    bool has_key;  // it showed a certificate: every link that we dialled
    struct relay_id key;
    enum ledger_role role; // as it says
    uint64_t height;       // as it says
};

// What the ledger's part is told. Handlers may send, close and dial.
struct ledger_handlers {
    void *ctx;
    void (*opened)(void *ctx, struct step *step, const struct ledger_peer *peer);
    void (*frame)(void *ctx, struct step *step, uint64_t link, uint8_t kind, struct span body);
    void (*closed)(void *ctx, struct step *step, uint64_t link); // of a link that had opened
    // Nothing has come of a dial: no connection, no hello in time, another network.
    void (*dial_failed)(void *ctx, struct step *step, uint64_t dial);
    uint64_t (*height)(void *ctx); // of the last block held, for the hello
    enum ledger_role role;         // for the hello
    bool dials_only;               // others' links are refused
};

// Frames that wait, in the order in which they leave.
struct outgoing_frame;

struct frame_queue {
    struct outgoing_frame *first;
    struct outgoing_frame *last;
    size_t count;
    size_t bytes; // of bodies, not yet sent
};

struct ledger_link {
    struct ledger_peer peer; // link, dial and key from the beginning, the rest by its hello
    uint64_t address_tag;
    uint64_t opened_ms;
    uint64_t heard_ms; // mono_ms of the last byte
    bool ping_sent;    // since then
    bool greeted;      // hello received
    bool trusted;      // dialled by us, or vouched for by the ledger
    struct frame_reader in;
    struct frame_queue out[FRAME_LANES];
    size_t window_used; // bytes sent since the last drain
    // Of a stranger:
    struct bucket taken;  // parts
    struct bucket excess; // beyond that, dropped
};

// In the order in which they opened.
struct ledger_links {
    struct ledger_handlers handlers; // `frame` is NULL in a node without the ledger: no links
    struct ledger_link **links;
    size_t count;
    size_t capacity;
    uint64_t dials[LEDGER_DIALS_MAX]; // under way
    size_t dial_count;
    size_t queued_bytes; // of all links
    size_t queued_bytes_strangers;
};

// ---- for the ledger's part ----

// Once, before the first link.
void ledger_links_handle(struct node *node, const struct ledger_handlers *handlers);
// Dials, showing our certificate if we have one. The number comes back in `opened` or in `dial_failed`. 0: too many are
// under way, or the node is stopping.
uint64_t ledger_dial(struct node *node, struct step *step, const struct address *address, const struct relay_id *key);
// Sends a frame of the ledger (kind FRAME_KIND_LEDGER to FRAME_KIND_MAX) when the step's synced writes are durable; the
// body is copied. False: dropped and counted, because the link is gone or its queue is full.
bool ledger_link_send(struct node *node, struct step *step, uint64_t link, uint8_t kind, struct span body,
                      enum frame_lane lane);
// The peer has proved who it is, and its frames may be as long as any and no rate holds it; or it is that no more. One
// that was dialled is trusted anyhow.
void ledger_link_trust(struct node *node, uint64_t link, bool trusted);
// No handler is called for it any more.
void ledger_link_close(struct node *node, struct step *step, uint64_t link, enum close_reason reason);

// ---- for node.c ----

void ledger_links_open(struct node *node, struct step *step, const struct event *event);
// False: not one of these links.
bool ledger_links_bytes(struct node *node, struct step *step, uint64_t link, struct span bytes);
bool ledger_links_drained(struct node *node, uint64_t link);
bool ledger_links_closed(struct node *node, struct step *step, uint64_t link);
bool ledger_links_dial_failed(struct node *node, struct step *step, uint64_t dial);
void ledger_links_look(struct node *node, struct step *step); // at silent links
void ledger_links_stop(struct node *node);                    // closes all, without a handler
void ledger_links_free(struct ledger_links *links);

// ---- ledger_sending.c, for ledger_links.c ----

// The link's own frames: they are small, and only their number is held to the queue's bounds.
void ledger_send_own(struct node *node, struct step *step, struct ledger_link *link, enum frame_kind kind,
                     struct span body);
// As far as the window allows.
void ledger_pump(struct node *node, struct ledger_link *link);
void ledger_queues_free(struct ledger_links *links, struct ledger_link *link);

#endif
