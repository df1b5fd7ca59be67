// One node under test, and a host for it that keeps everything in memory: time, links, timers, jobs, the store. Tests
// send it events as peers would cause them, and look at what it does.
#ifndef SOTTO_TESTS_NODE_RIG_H
#define SOTTO_TESTS_NODE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/kv_memory.h"
#include "ledger/bundles.h"
#include "no_randombytes.h"
#include "node/node_internal.h"

#define RIG_EPOCH_MS 60000
#define RIG_GENESIS_MS UINT64_C(1790000000000)
#define RIG_VALIDATORS 4
#define RIG_RELAYS 6
#define RIG_BEFORE 3 // of these have a smaller identity than the node
#define RIG_LINKS_MAX 2048
#define RIG_MESSAGES_MAX 64

// A key pair that stands for another node. Sorted by identity, so that relays[0] has the smallest.
struct rig_relay {
    struct relay_id id;
    uint8_t seed[32];
    struct sign_secret secret;
    struct dh_public onion;
};

// What the node has done to one link.
struct rig_link {
    uint64_t id;
    enum link_kind kind;
    bool open;
    bool closed_by_node;
    enum close_reason reason;
    size_t cells[4];    // by kind
    size_t since_drain; // cells since the last drain, to hold the node to its window
    size_t immediate;   // cells that did not wait
    struct assembler in;
    size_t message_count;
    struct buf messages[RIG_MESSAGES_MAX]; // whole ones
    // Of a ledger link:
    size_t bytes_since_drain;
    struct frame_reader reader;
    size_t frame_count;
    struct frame frames[RIG_MESSAGES_MAX]; // whole ones
};

struct rig_dial {
    uint64_t dial;
    enum link_kind kind;
    struct relay_id expected;
    struct address address;
    bool show_certificate;
    uint64_t at_ms;
    bool over;
};

struct rig {
    struct node_config config;
    struct genesis *genesis;    // config.genesis
    struct committee committee; // makes directories
    uint64_t height;            // of the last one
    struct rig_relay relays[RIG_RELAYS];
    struct env env;
    struct node *node;
    struct now now;
    struct effects effects;
    uint64_t timer_ms;
    size_t timers; // events of the timer so far
    bool no_drain; // the kernel takes nothing
    uint64_t next_link;
    size_t link_count;
    struct rig_link *links;
    size_t dial_count;
    struct rig_dial dials[RIG_LINKS_MAX];
    size_t answer_count;
    struct node_answer *answers[16];
    size_t self_sends;
    bool stopped;
    char stopped_why[64]; // empty: by EVENT_STOP
    size_t lines[LOG_LEVELS];
    const char *last_warning;
    uint8_t transcript[32]; // hash over all effects
};

void rig_init(struct rig *rig, unsigned roles); // node not yet made: change the configuration before rig_start
void rig_start(struct rig *rig);
void rig_restart(struct rig *rig, bool clean); // same store, new node; `clean`: after an EVENT_STOP
void rig_free(struct rig *rig);

void rig_event(struct rig *rig, const struct event *event);
void rig_take(struct rig *rig, struct effects *effects); // does what a step asks for
void rig_run(struct rig *rig, uint64_t ms);              // time goes on, timers fire
void rig_live(struct rig *rig, uint64_t ms);             // ... while the peers of all links stay alive
int64_t rig_metric(const struct rig *rig, enum metric metric);

// Links. `key` NULL: shows no certificate.
struct rig_link *rig_link(struct rig *rig, uint64_t id);
uint64_t rig_inbound(struct rig *rig, const struct relay_id *key, uint64_t address_tag);
uint64_t rig_inbound_ledger(struct rig *rig, const struct relay_id *key, uint64_t address_tag);
uint64_t rig_inbound_greeted(struct rig *rig, const struct relay_id *key, uint64_t address_tag);
void rig_lost(struct rig *rig, uint64_t link);
void rig_drained(struct rig *rig, uint64_t link);
void rig_bytes(struct rig *rig, uint64_t link, struct span bytes);
void rig_send(struct rig *rig, uint64_t link, struct span message); // cut into cells
void rig_cell(struct rig *rig, uint64_t link, enum cell_kind kind, struct span body);
void rig_hello(struct rig *rig, uint64_t link, uint32_t epoch);
void rig_frame(struct rig *rig, uint64_t link, enum frame_lane lane, uint8_t kind, struct span body); // in its parts
void rig_ledger_hello(struct rig *rig, uint64_t link, uint64_t height);
// How many whole frames of that kind the node has sent on the link.
size_t rig_frame_count(struct rig *rig, uint64_t link, uint8_t kind);
// The newest message of that kind which the node has sent on the link; NULL: none.
const struct buf *rig_message(struct rig *rig, uint64_t link, uint8_t kind);
size_t rig_message_count(struct rig *rig, uint64_t link, uint8_t kind);

// Dials for links that carry cells. The one under way to a relay, NULL: none.
struct rig_dial *rig_dial(struct rig *rig, const struct relay_id *relay);
size_t rig_dials_to(const struct rig *rig, const struct relay_id *relay);
size_t rig_dials(const struct rig *rig); // to anybody
struct rig_dial *rig_ledger_dial(struct rig *rig, const struct relay_id *relay);
uint64_t rig_accept(struct rig *rig, struct rig_dial *dial); // the link is open
uint64_t rig_accept_greeted(struct rig *rig, struct rig_dial *dial, uint32_t epoch);
void rig_refuse(struct rig *rig, struct rig_dial *dial);

// A directory with the first `count` relays of the rig, without its proof; the caller frees `out`.
void rig_directory_body(struct rig *rig, struct buf *out, uint32_t epoch, size_t count);
// ... in a bundle: each is of a later block than those before.
void rig_directory(struct rig *rig, struct buf *out, uint32_t epoch, size_t count);
// ... and with this node itself in it.
void rig_directory_with_self(struct rig *rig, struct buf *out, uint32_t epoch, size_t count);
// Puts a directory into the node as an asked relay would: over a dialled link to the seed.
void rig_give_directory(struct rig *rig, uint64_t link, struct span directory);
uint32_t rig_epoch(const struct rig *rig);

// A relay that has a directory of epoch 1 with the first `count` relays and itself, over a link to the seed.
void rig_start_listed(struct rig *rig, size_t count);

// One rig a test: `state` is one to be initialised, and is freed afterwards.
static inline int rig_case_setup(void **state) {
    *state = NEW(struct rig);
    return 0;
}

static inline int rig_case_teardown(void **state) {
    rig_free(*state);
    free(*state);
    return 0;
}

#define RIG_CASE(name) cmocka_unit_test_setup_teardown(name, rig_case_setup, rig_case_teardown)

static inline int rig_setup(void **state) {
    (void)state;
    forbid_randombytes();
    return 0;
}

#endif
