// A world for tests of the client: users with real clients and memory stores, relays that peel real packets, replicas
// that decode real operations and answer through real reply blocks. Virtual time; everything follows from one seed.
#ifndef TEST_CLIENT_WORLD_H
#define TEST_CLIENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/kv_memory.h"
#include "client/client.h"
#include "client/seal.h"

#define RELAYS_MAX 16
#define USERS_MAX 4
#define ITEMS_MAX 2048
#define SUBS_MAX 256
#define POLICIES_MAX 256
#define KEY_EPOCHS 8
#define LOG_MAX 4096

struct world;

// Where a packet has been.
struct way {
    size_t user; // who sent it, SIZE_MAX: it is a reply
    size_t exec; // who answers, SIZE_MAX: it is a request
    size_t count;
    size_t hops[SPHINX_HOPS_MAX];
};

struct fake_item {
    struct mailbox_id mailbox;
    uint64_t expiry_ms;
    struct token_hash token;
    struct item_hash hash;
    uint8_t bytes[ITEM_BYTES];
    bool deleted;
    uint8_t secret[DELIVERY_SECRET_BYTES];
    uint64_t arrival[RELAYS_MAX]; // 0: not there
};

struct fake_deposit {
    uint64_t wait; // number of its SUBSCRIBE
    uint8_t surb[SPHINX_SURB_BYTES];
};

struct fake_subscription {
    struct mailbox_id mailbox;
    uint64_t cursor;
    uint64_t answered; // the last wait that got a push
    size_t count;
    struct fake_deposit deposits[64]; // used from the front
};

struct fake_policy {
    struct mailbox_id mailbox;
    uint64_t version;
    size_t count;
    struct policy_entry entries[POLICY_TOKENS_MAX];
};

struct fake_relay {
    struct sign_secret identity;
    struct relay_id id;
    struct sphinx_relay_key keys[KEY_EPOCHS]; // of epochs 1, 2, ...
    bool down;
    bool gone; // in no directory from the next epoch on; it may still be up
    int64_t clock_offset_ms;
    uint64_t arrivals;
    size_t sub_count;
    struct fake_subscription subs[SUBS_MAX];
    size_t policy_count;
    struct fake_policy policies[POLICIES_MAX];
    enum op_status store_answer; // what a STORE gets instead of being executed
    // Answers by itself what it likes to; false: it is executed as usual. NULL: an honest relay.
    bool (*lies)(struct world *world, size_t relay, const struct op *op);
    size_t ops[6]; // executed, by kind
};

struct user {
    struct world *world;
    size_t index;
    struct client *client;
    struct client_config config;
    struct env env;
    struct kv *kv;
    bool linked[RELAYS_MAX];
    struct handle handles[RELAYS_MAX][64];
    size_t handle_count[RELAYS_MAX];
    bool held[RELAYS_MAX];
    bool offline; // links it asks for are not made
    uint64_t steps;
    uint64_t crash_at; // step whose effects are lost
    bool crash_before; // and whose writes are, too
    bool crashed;
    uint32_t wanted_directory;
    // what came out
    size_t answer_count;
    struct client_answer answers[64];
    size_t note_count;
    struct message_record notes[LOG_MAX];
    size_t request_count;
    struct request_record requests[LOG_MAX];
    uint64_t next_request;
};

enum event_type { AT_RELAY, AT_USER, AT_JOB, AT_LINK, AT_WAIT_END };

struct event {
    enum event_type type;
    size_t who;
    uint64_t life; // of the user: a restart makes older events void
    struct surb_id surb;
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct way way;
    struct job *job;
    bool up;
    size_t relay;
    struct mailbox_id mailbox; // of a wait that ends
    uint64_t wait;
};

// What an observer of a user's links sees.
struct trace {
    uint64_t at_ms;
    size_t relay;
    bool out;
};

struct world {
    struct genesis genesis;
    struct rng rng;
    struct now now;
    size_t relay_count;
    struct fake_relay relays[RELAYS_MAX];
    struct directory *directory, *previous;
    size_t item_count;
    struct fake_item items[ITEMS_MAX];
    size_t user_count;
    struct user users[USERS_MAX];
    uint64_t lives[USERS_MAX];
    struct heap events;
    uint64_t waits;
    uint64_t hop_ms;
    uint64_t jitter_ms;      // added to each hop
    uint64_t receipts_ms;    // so much later are stores answered
    unsigned loss_per_mille; // of packets at each hop
    unsigned twice_per_mille;
    size_t trace_count;
    struct trace traces[LOG_MAX];
    size_t user_packets; // from users to entries
    // Ways that were watched, and those on which a rule of DESIGN.md section 3 was broken.
    size_t requests, request_faults;
    size_t replies, reply_faults;
    struct way last_store;
    size_t stores; // operations to store, as they arrived
    struct item_hash store_hashes[LOG_MAX];
    uint64_t store_at_ms[LOG_MAX];
    size_t store_exec[LOG_MAX];
};

struct user_step {
    struct kv_batch batch;
    struct job_list jobs;
    struct step step;
};

void reply_send(struct world *world, size_t relay, const uint8_t surb[static SPHINX_SURB_BYTES],
                const struct reply *reply);
void run_for(struct world *world, uint64_t ms);
// The whole world stands still for a while, and goes on late: for what only time does.
void stand_still(struct world *world, uint64_t ms);
struct world *world_make(uint64_t seed, size_t relays, size_t users);
void world_start(struct world *world);
void world_free(struct world *world);
void world_epoch(struct world *world, uint32_t epoch); // begins for the replicas
void world_tell_epoch(struct world *world);            // the users get its directory
void world_next_epoch(struct world *world);            // both, for the epoch that follows
void user_start(struct user *user);
// The process dies; user_start starts it anew.
void user_crash(struct user *user);
void user_request(struct user *user, struct client_request *request); // by a dead one: nothing
void answers_clear(struct user *user);
void notes_clear(struct user *user); // what came out until now counts no more
// The link of a user to a relay comes up or goes down.
void link_event(struct user *user, size_t relay, bool up, uint64_t delay_ms);
size_t relay_index(const struct world *world, const uint8_t id[static 32]);
const struct client_answer *ask(struct user *user, struct client_request *request);
const struct client_answer *ask_named(struct user *user, enum client_op op, const char *name);
const char *link_of(struct user *user);
const struct client_answer *add_contact(struct user *user, const char *name, struct user *other);
const struct client_answer *send_text(struct user *user, const char *name, const char *text);
struct message_id send_ok(struct user *user, const char *name, const char *text);
const struct message_record *message_of(struct user *user, const struct message_id *id);
enum message_state state_of(struct user *user, const struct message_id *id);
bool text_is(const struct buf *text, const char *expected);
// Messages that came in, in the order in which they were shown.
size_t received(const struct user *user, const struct message_record **out, size_t max);
// a and b become contacts of each other, by a request that b accepts.
void befriend(struct user *a, const char *b_name, struct user *b, const char *a_name);
struct step *user_begin(struct user *user, struct user_step *us);
void user_end(struct user *user, struct user_step *us);

// Somebody who has no client, but keys: an attacker, or a peer with odd habits.
struct stranger {
    struct world *world;
    struct sign_secret identity;
    struct dh_secret dh;
    struct card card;
    struct signature proof;
    struct mailbox_id reply_mailbox;
    struct write_token reply_token;
    uint64_t stream;
    uint64_t gap_expiry_ms; // 0: that of the item
    uint64_t lifetime_ms;   // of the items, 0: a day
};

void stranger_make(struct stranger *stranger, struct world *world);
// Lays an item into a mailbox at its replicas, past all checks.
void item_inject(struct world *world, const struct mailbox_id *mailbox, uint64_t expiry_ms,
                 const uint8_t item[static ITEM_BYTES]);
// A text from the stranger into a mailbox of that user. Returns its id.
struct message_id stranger_send(struct stranger *stranger, struct user *to, const struct mailbox_id *mailbox,
                                uint64_t sequence, uint64_t floor, const char *text);
struct card card_of_user(struct user *user);
size_t items_left(const struct world *world, const struct mailbox_id *mailbox); // not deleted

#endif
