// Everything a node can do to the world. A step returns its writes to the store as one atomic batch, its writes to the
// log, and a list of effects.
//
// The host applies the writes at once, those to the store first; the effects leave, in order, when the synced writes of
// this and all earlier steps are on disk. Effects marked `immediate` do not wait. The host takes over the jobs and what
// the effects own (setting the counts to 0), then calls effects_clear.
#ifndef SOTTO_NODE_EFFECT_H
#define SOTTO_NODE_EFFECT_H

#include "base/step.h"
#include "ledger/light.h"
#include "node/event.h"
#include "wire/genesis.h"
#include "wire/link_kind.h"

// Cells a node may have sent on a link since its last EVENT_LINK_DRAINED (or link_open); it keeps the rest in its own
// bounded queue. 39 KB: enough to fill a link between two turns of the loop, little enough to hold for every link.
#define LINK_WINDOW_CELLS 16
// The same for a ledger link, in bytes, which go out in sends of at most LINK_SEND_BYTES_MAX.
#define LINK_WINDOW_BYTES ((size_t)64 * 1024)

enum effect_kind {
    EFFECT_DIAL,
    EFFECT_SEND,  // one cell, which is one TLS record; on a ledger link any bytes
    EFFECT_CLOSE, // after what was sent before has left; no event of this link follows
    EFFECT_TIMER, // the node has one timer: this replaces it; never waits for a sync
    EFFECT_ANSWER,
    EFFECT_STREAM,
    EFFECT_STOPPED, // nothing more will come: the answer to EVENT_STOP, or the node cannot go on
};

struct node_status {
    bool ready;
    const char *waiting_for;  // text when not ready
    uint32_t epoch;           // by the clock
    uint32_t directory_epoch; // of the directory in force, 0: none
    uint32_t relays;          // in it
    uint32_t relay_links;
    uint32_t client_links;
    struct checkpoint checkpoint; // the block that the newest directory held stands under; height 0: none
};

struct node_relay {
    struct relay_id id;
    struct address address;
    struct onion_keys onion;
};

struct node_answer {
    uint64_t id;
    enum node_op op;
    enum err err;       // of NODE_RELAY and NODE_WATCH; the parts' answers have their own
    const char *reason; // text for a person when err is set; static
    struct node_status status;
    struct node_relay relay;
    struct client_answer client; // for NODE_CLIENT
    struct ledger_answer ledger; // for NODE_LEDGER
};

// What was asked for could not be done: the error, and its text (err_text if the part gave none). OK: it could.
enum err node_answer_error(const struct node_answer *answer, const char **reason);

// One event of a watch.
enum stream_kind { STREAM_MESSAGE, STREAM_REQUEST, STREAM_LEDGER };

struct stream_item {
    uint64_t id; // the request that opened the stream
    enum stream_kind kind;
    struct message_record message;
    struct request_record request;
    struct ledger_note note;
};

struct effect {
    enum effect_kind kind;
    bool immediate;
    union {
        struct {
            uint64_t dial; // numbered by the node, never used again
            enum link_kind kind;
            struct address address;
            struct sign_public expected;
            bool show_certificate; // relays do, clients do not
        } dial;
        struct {
            uint64_t link;
            struct buf bytes; // owned by the effect
        } send;
        struct {
            uint64_t link;
            enum close_reason reason;
        } close;
        struct {
            uint64_t at_ms; // mono_ms; TIME_NEVER: none
        } timer;
        struct node_answer *answer; // owned; node_answer_free
        struct stream_item *stream; // owned; stream_item_free
        char *stopped_why;          // owned; NULL after EVENT_STOP; else what is wrong and what to do, for the operator
    };
};

void node_answer_free(struct node_answer *answer);
void stream_item_free(struct stream_item *item);

struct effects {
    struct kv_batch batch;
    struct log_batch log; // empty in nodes that have no log
    struct job_list jobs; // start when the batch is applied; not held back by a sync
    struct effect *list;
    size_t count;
    size_t capacity;
};

// Appends one effect, zeroed but for its kind; the pointer holds until the next append.
struct effect *effects_add(struct effects *effects, enum effect_kind kind);
void effects_clear(struct effects *effects); // frees what the effects still own; keeps the memory
void effect_release(struct effect *effect);  // frees what one effect owns
void effects_free(struct effects *effects);

#endif
