// What the files of the client share: its objects in memory, and who does what with them.
//
//   account   keys from the seed            entries   the two relays we enter by     path     routes and SURBs
//   contacts  people                        outbox    what must reach them           loops    cover traffic
//   own       mailboxes of ours, policies   receive   fetch, subscribe, delete       inbox    what came in
#ifndef SOTTO_CLIENT_INTERNAL_H
#define SOTTO_CLIENT_INTERNAL_H

#include "base/heap.h"
#include "client/client.h"
#include "client/record.h"
#include "client/seal.h"
#include "client/table.h"

#define CONTACTS_MAX 1000      // a person's; each costs a mailbox of ours that is polled
#define OUTBOX_TEXTS_MAX 10000 // not yet acknowledged; beyond it sending is refused
#define OUTBOX_ACKS_MAX 10000  // acknowledgements have their own room; beyond it nothing more is taken in
#define ACKS_OUT_MAX 2   // acknowledgements on their way to one contact; what comes meanwhile goes together in the next
#define WINDOW 8         // sealed letters on their way to one contact: more would only arrive out of order
#define REQUESTS_MAX 200 // strangers' messages
#define REQUESTS_PER_KEY_MAX 10 // of one stranger; a sender keeps to it too
#define WATCHES_MAX 64          // streams of one user's own programs
#define PARKED_MAX 256          // requests that wait for the database
#define LATE_TEXTS_MAX 1024     // each keeps its item, and no longer than its exchanges last
#define EXCHANGES_MAX 16384     // a thousand mailboxes with subscriptions, fetches and deletes; a few MB at most
#define CLIENT_QUOTA 512        // items that a contact may have waiting for us
// Texts of one contact that wait for one before them. Senders keep their unacknowledged texts within this span, so that
// none of theirs is ever shown before its turn; more than the mailbox's quota would not fit there anyway.
#define HELD_MAX CLIENT_QUOTA
#define CURSORS_MAX 16   // replicas of one mailbox that we remember cursors of
#define DELETES_MAX 1024 // waiting in one mailbox; further items stay where they are until it drains
#define RETRY_FIRST_MS (2 * SECOND_MS)
#define RETRY_MAX_MS (5 * MINUTE_MS)
#define STAMP_WORK_MAX 24 // some seconds of one core; whoever asks for more is not obeyed
#define ENTRIES 2
#define ENTRIES_MAX 4 // with spares for when both are down
#define ENTRY_HANDLES 4
#define POLICY_FRESH_MS DAY_MS // then it is told to the replicas again, in case one has lost its disk
#define SWEEP_EVERY 8          // every so many polls all undeleted items are fetched, not only those past the cursor

enum exchange_kind {
    EXCHANGE_STORE,
    EXCHANGE_FETCH,
    EXCHANGE_SUBSCRIBE,
    EXCHANGE_DELETE,
    EXCHANGE_POLICY,
    EXCHANGE_LOOP
};

struct surb_slot {
    struct surb_slot *next; // in its bucket
    struct exchange *exchange;
    bool live; // unanswered
    size_t hop_count;
    struct relay_id hops[ROUTE_HOPS - 1]; // before our entry
    struct sphinx_surb_keys keys;
};

// An acknowledged text without receipts, which may still come. Shared by the exchanges that may bring them.
struct late_text {
    size_t exchanges;
    uint64_t cursor; // of its record
    uint64_t began_ms;
    struct mailbox_id mailbox;
    uint64_t expiry_ms;
    uint8_t item[ITEM_BYTES];
};

// One packet that went out, and the replies that may come back.
struct exchange {
    uint64_t number;
    enum exchange_kind kind;
    uint64_t target; // outbox number, or mailbox number
    struct relay_id entry;
    struct relay_id replica; // that executes
    size_t route_count;
    struct relay_id route[ROUTE_HOPS];
    uint64_t sent_ms;
    uint64_t expires_ms;
    bool overdue; // and the relays on its way suspected
    // STORE
    struct late_text *late; // NULL: nothing was acknowledged before its receipts
    // FETCH and SUBSCRIBE
    unsigned answers;
    unsigned answers_wanted; // known with the last reply; 0: not yet
    uint32_t waiting;
    bool more_refused; // we had no room for an item: do not step over it
    uint8_t got;       // bit i: SURB i has brought an item
    uint64_t cursors[OP_SURBS_MAX];
    // DELETE
    size_t item_count;
    struct item_hash items[DELETE_ITEMS_MAX];
    // all
    size_t surb_count;
    size_t surbs_left;
    struct surb_slot surbs[];
};

struct outbox_entry {
    struct outbox_state state;
    struct contact *contact;
    struct outbox_entry *next, *previous;                 // all of the contact, in order
    struct outbox_entry *pending_next, *pending_previous; // those not yet stored
    uint64_t began_ms;                                    // mono of the user's request; TIME_NEVER: before a restart
    uint64_t next_ms;                                     // next attempt
    unsigned attempts;
    unsigned turn; // which replica executes next
    size_t route_count;
    struct relay_id route[ROUTE_HOPS]; // of the latest attempt
    bool stamping;                     // a job is looking for its stamp
    enum reason reason;
    uint64_t wake_ms;
};

struct held {
    uint64_t sequence;
    uint64_t expiry_ms; // of what it waits for
};

struct contact {
    struct contact_state state;
    struct outbox_entry *first, *last;
    struct outbox_entry *pending_first, *pending_last;
    struct outbox_entry *gathering; // an acknowledgement that is not sealed yet, NULL: none
    uint32_t sealed;                // entries in phase SEALED
    uint32_t acks_out;              // of these, acknowledgements
    uint32_t texts;                 // entries that are texts
    uint32_t texts_out;             // of these, sealed or stored
    size_t held_count;
    struct held held[HELD_MAX + 1]; // by sequence
    uint64_t wake_ms;
};

struct policy_slot {
    struct relay_id relay;
    uint64_t confirmed_ms; // wall; 0: not yet
    bool refused;          // it holds a newer one
    uint64_t next_ms;
    unsigned attempts;
};

struct cursor_slot {
    struct relay_id replica;
    uint64_t cursor;
};

enum receive_phase { RECEIVE_IDLE, RECEIVE_VISITING, RECEIVE_FETCHING, RECEIVE_LISTENING };

// One of the two places at which a mailbox is read at a time.
struct receiver {
    enum receive_phase phase;
    uint64_t due_ms;         // when the next thing is done, or what is under way is given up
    uint64_t under_way;      // exchange, 0: none
    struct relay_id replica; // at which it is, or was last
    unsigned turn;           // which replica is next
    unsigned rounds;         // begun
    unsigned attempts;       // failed ones running
    uint64_t leave_ms;       // mono: when the replica that we are at must let the next one have its turn
    uint64_t listen_cursor;  // furthest that has been pushed
    bool heard;              // the replica has answered
    uint64_t listen_end_ms;  // when it ends the subscription
};

#define RECEIVERS 2
#define VISITS_MAX (2 * PLACEMENT_RANKS) // those that may stand in, and those that held it before a change

struct own_mailbox {
    struct mailbox_state state;
    struct mailbox_id id;
    struct sign_secret secret;
    struct write_token token;
    bool loaded; // made by an earlier run
    // placement by the directory of that epoch
    uint32_t placed_epoch;
    size_t replica_count; // up to k + 2
    struct relay_id replicas[PLACEMENT_RANKS];
    struct policy_slot policies[PLACEMENT_RANKS]; // in the same order
    uint64_t tell_ms;                             // mono: until then replicas that know our policy are not told again
    // receiving
    struct receiver receivers[RECEIVERS]; // the first leads
    uint64_t began_ms;                    // when we last came on line
    bool answered;                        // since then
    size_t visit_count;
    struct relay_id visits[VISITS_MAX]; // to look at before the next round
    size_t cursor_count;
    struct cursor_slot cursors[CURSORS_MAX];
    bool stamping; // its stamp is being looked for
    // deleting
    struct delete_state *deletes;
    size_t delete_count;
    size_t delete_capacity;
    uint64_t delete_ms;
    unsigned delete_attempts;
    uint64_t wake_ms;
};

struct request_entry {
    struct request_state state; // owns its text
};

struct entry {
    struct entry_state state;
    bool held; // the node has been asked for a link
    bool up;
    uint64_t changed_ms; // mono: when it came up or went down
    struct handle handles[ENTRY_HANDLES];
};

struct clock_offset {
    struct relay_id relay;
    int64_t offset_ms;
};

#define CLOCK_OFFSETS 3

struct suspect {
    struct relay_id relay;
    unsigned strikes;
    uint64_t until_ms; // mono
};

#define SUSPECTS_MAX 64
#define SUSPECTS_AVOIDED_MAX 16

// Packets wait here when they would go out faster than an entry allows.
struct pace {
    uint64_t used_us; // up to when the packets sent so far account for the time
    size_t count;
    size_t first;
    struct paced_packet *packets; // a ring of PACED_MAX, made when first needed
    uint64_t wake_ms;
};

#define PACED_MAX 256 // two or three seconds' worth
#define LOOPS_REMEMBERED 50

struct loops {
    uint64_t next_ms;
    uint64_t lost_count; // of those remembered
    size_t count;
    size_t at;
    bool lost[LOOPS_REMEMBERED];
    uint64_t wake_ms;
};

#define PROMISES_REMEMBERED 64

// A deletion that a replica has confirmed.
struct promise {
    struct item_hash item;
    struct relay_id replica;
    uint64_t clock_ms; // the replica's
};

enum wake_kind {
    WAKE_MAILBOX,
    WAKE_OUTBOX,
    WAKE_CONTACT,
    WAKE_EXCHANGE,
    WAKE_ENTRIES,
    WAKE_PACE,
    WAKE_LOOP,
    WAKE_PURGE
};

enum client_phase { CLIENT_NEW, CLIENT_LOADING, CLIENT_RUNNING, CLIENT_BROKEN };

#define SURB_BUCKETS 4096

struct client {
    struct client_config config;
    struct client_ports ports;
    enum client_phase phase;
    enum err broken;
    const char *broken_text;
    // account
    struct sign_secret identity;
    struct dh_secret dh;
    struct card card;
    struct signature proof;
    struct account_state account;
    // the network
    struct directory *current;
    struct directory *previous;
    size_t entry_count;
    struct entry entries[ENTRIES_MAX];
    size_t offset_count;
    struct clock_offset offsets[CLOCK_OFFSETS];
    uint64_t entries_wake_ms;
    // objects
    struct table contacts, mailboxes, outbox, requests, exchanges;
    uint32_t texts, acks; // in the outbox
    uint64_t next_exchange;
    size_t late_texts;
    struct surb_slot *buckets[SURB_BUCKETS];
    struct loops loops;
    struct pace pace;
    uint64_t promise_count; // ever
    struct promise promises[PROMISES_REMEMBERED];
    size_t suspect_count;
    struct suspect suspects[SUSPECTS_MAX];
    struct heap wakes;
    uint64_t purge_wake_ms;
    size_t watch_count;
    uint64_t watches[WATCHES_MAX];
    size_t parked_count;
    struct client_request *parked[PARKED_MAX]; // copies, each owns its text
};

// ---- client.c
// Asks for a wake-up of an object; *wake_ms is the earliest one asked for (TIME_NEVER: none).
void client_wake(struct client *client, uint64_t *wake_ms, uint64_t at_ms, enum wake_kind kind, uint64_t number);
uint64_t client_number(struct client *client, struct step *step); // fresh, durable
// For a conversation that counts anew: above all before it, also of contacts that are gone, whatever the clock says.
uint64_t client_stream(struct client *client, struct step *step);
void client_loaded(struct client *client, struct step *step); // the database has been read
void client_break(struct client *client, struct step *step, enum err err, const char *text);
void client_pump(struct client *client, struct step *step); // everything that may be due now
uint64_t client_retry_ms(unsigned attempts);                // 2 s, doubling to 5 min
// When a wall time will come, by the monotonic clock; looked at again at least hourly, as the wall clock may jump.
uint64_t client_mono_of(const struct step *step, uint64_t wall_ms);
void client_note_message(struct client *client, struct step *step, const struct message_record *record);
void client_note_request(struct client *client, struct step *step, const struct request_record *record);

// ---- account.c
void account_keys(struct client *client);
void mailbox_keys(struct own_mailbox *own, const uint8_t seed[static 32]);
void account_load(struct client *client, struct step *step, struct loaded *loaded); // takes the texts of requests

// ---- entries.c
void entries_loaded(struct client *client, const struct step *step); // down since now
void entries_refresh(struct client *client, struct step *step);
void entries_link_up(struct client *client, struct step *step, const struct relay_id *relay);
void entries_link_down(struct client *client, struct step *step, const struct relay_id *relay);
bool entries_any_up(const struct client *client);
bool entry_is_wanted(const struct client *client, const struct relay_id *relay);

// ---- path.c
struct path_plan {
    struct entry *entry;
    const struct directory_relay *middle; // NULL: the network is too small
    const struct directory_relay *last;
    uint32_t epoch; // of the keys
    const struct path_aim *aim;
};

// Where a packet may go: candidates in order of preference, and the replicas that no other relay on the ways there and
// back should be.
struct path_aim {
    const struct relay_id *candidates;
    size_t candidate_count;
    const struct relay_id *replicas;
    size_t replica_count;
};

bool path_open(const struct client *client); // a directory and a link
// The plan refers to the aim.
bool path_plan(struct client *client, struct step *step, struct path_plan *plan, const struct path_aim *aim);
// Sends `op` (its SURBs are filled in here; the owner's are signed with `owner`) and remembers the exchange, until
// `lifetime_ms` have passed or the SURBs' keys are dead. NULL: it could not be made; nothing was sent.
struct exchange *path_send(struct client *client, struct step *step, const struct path_plan *plan,
                           enum exchange_kind kind, uint64_t target, struct op *op, const struct sign_secret *owner,
                           uint64_t lifetime_ms);
void path_loop(struct client *client, struct step *step, uint64_t lifetime_ms);
uint32_t path_epoch(const struct client *client, const struct step *step);
// Up to k + 2 replicas of a mailbox, by rank; *k is how many of them are the replicas proper.
size_t path_replicas(const struct client *client, struct relay_id out[static PLACEMENT_RANKS], size_t *k,
                     const struct mailbox_id *mailbox);

// ---- exchange.c
struct exchange *exchange_new(struct client *client, enum exchange_kind kind, size_t surbs);
// Ends after that time, or when the keys of `epoch` are dead.
void exchange_begin(struct client *client, struct step *step, struct exchange *exchange, uint32_t epoch,
                    uint64_t lifetime_ms);
void exchange_free(struct client *client, struct exchange *exchange);
void exchange_due(struct client *client, struct step *step, struct exchange *exchange);
void exchange_failed(struct client *client, struct step *step, const struct exchange *exchange);
void exchanges_of_entry_free(struct client *client, const struct relay_id *entry);
void exchange_reply(struct client *client, struct step *step, const struct surb_id *surb,
                    uint8_t payload[static SPHINX_PAYLOAD_BYTES]);

// ---- pace.c
bool pace_has_room(const struct client *client);
void pace_send(struct client *client, struct step *step, const struct relay_id *entry,
               const uint8_t packet[static SPHINX_PACKET_BYTES]);
void pace_due(struct client *client, struct step *step);
void pace_drop(struct client *client, const struct relay_id *entry);
void pace_free(struct client *client);

// ---- suspects.c
void suspect_struck(struct client *client, const struct step *step, const struct relay_id *relay);
void suspect_cleared(struct client *client, const struct relay_id *relay);
// Those to avoid now: at most `max`, and at most a quarter of the network.
size_t suspects_avoided(struct client *client, const struct step *step, const struct relay_id **out, size_t max);

// ---- clock.c
void clock_heard(struct client *client, const struct step *step, const struct relay_id *relay,
                 const struct reply *reply);
uint64_t clock_request_ms(const struct client *client, const struct step *step);

// ---- loops.c
void loops_due(struct client *client, struct step *step);
void loops_result(struct client *client, struct step *step, bool lost);

// ---- own.c: our mailboxes
struct own_mailbox *own_new(struct client *client, struct step *step, uint64_t contact);
struct own_mailbox *own_take(struct client *client, const struct mailbox_state *state); // from the database
void own_free(struct own_mailbox *own);
void own_retire(struct client *client, struct step *step, struct own_mailbox *own);
void own_pump(struct client *client, struct step *step, struct own_mailbox *own);
void own_policy_reply(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply);
void own_stamped(struct client *client, struct step *step, uint64_t number, uint64_t stamp);
void own_delete_reply(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply);
// Queues an item for deletion, durably. False: no room.
bool own_delete(struct step *step, struct own_mailbox *own, const struct delete_state *state);
void own_delete_take(struct own_mailbox *own, const struct delete_state *state); // from the database
void own_place(struct client *client, struct own_mailbox *own);

// ---- receive.c: fetching and subscribing
// We have come on line: all mailboxes are read, and their policies told, some at once, the others within seconds.
void receive_start(struct client *client, struct step *step);
void receive_new(const struct step *step, struct own_mailbox *own); // just made
void receive_link_lost(struct client *client, struct step *step, struct own_mailbox *own);
uint64_t receive_next_ms(const struct own_mailbox *own);
void receive_pump(struct client *client, struct step *step, struct own_mailbox *own);
void receive_fetched(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply);
void receive_pushed(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply,
                    size_t surb);
// Has a relay looked at that is no replica of the mailbox, but may hold something for it.
void receive_visit(struct own_mailbox *own, const struct relay_id *relay);
void receive_cursor_take(struct own_mailbox *own, const struct relay_id *replica, uint64_t cursor);

// ---- promise.c
void promise_deleted(struct client *client, const struct exchange *exchange, const struct reply *reply);
// An item of ours has come: whether its replica still may hand it out.
void promise_check(struct client *client, struct step *step, const struct own_mailbox *own,
                   const struct exchange *exchange, const struct reply *reply);

// ---- inbox.c
// Takes an item in. False: there is no room now, it must be fetched again later.
bool inbox_item(struct client *client, struct step *step, struct own_mailbox *own, uint64_t expiry_ms,
                const uint8_t item[static ITEM_BYTES]);
void inbox_held_due(struct client *client, struct step *step, struct contact *contact);
// A stranger's message becomes a contact's.
void inbox_request_accepted(struct client *client, struct step *step, struct contact *contact,
                            const struct request_state *request);
void request_record_fill(struct request_record *out, const struct client *client, const struct request_state *state);
void request_drop(struct client *client, struct step *step, struct request_entry *request);

// ---- contacts.c
struct contact *contact_by_name(const struct client *client, const char *name);
struct contact *contact_by_dh(const struct client *client, const struct dh_public *dh);
// ERR_EXISTS, ERR_FULL or ERR_INVALID with a reason. Also takes in that person's waiting requests.
enum err contact_add(struct client *client, struct step *step, struct contact **out, const char **reason,
                     const char *name, const struct card *card);
struct contact *contact_take(struct client *client, const struct contact_state *state); // from the database
void contact_remove(struct client *client, struct step *step, struct contact *contact);
void contact_learn(struct client *client, struct step *step, struct contact *contact, const struct mailbox_id *mailbox,
                   const struct write_token *token, uint64_t version);
void contact_mailbox_ensure(struct client *client, struct step *step, struct contact *contact);
void contact_record_fill(struct contact_record *out, const struct client *client, const struct contact *contact);

// ---- outbox.c
// A text to a contact: durable with this step. `record` is filled; it owns its text.
enum err outbox_text(struct client *client, struct step *step, struct message_record *record, const char **reason,
                     struct contact *contact, struct span text);
bool outbox_has_room_for_ack(const struct client *client);
void outbox_ack(struct client *client, struct step *step, struct contact *contact, const struct message_id *id);
void outbox_take(struct client *client, struct step *step, const struct outbox_state *state); // from the database
void outbox_pump(struct client *client, struct step *step, struct contact *contact);
void outbox_due(struct client *client, struct step *step, struct outbox_entry *entry);
void outbox_reply(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply);
void outbox_acknowledged(struct client *client, struct step *step, struct contact *contact,
                         const struct message_id *id);
// The contact has named a mailbox, the first or another: what went elsewhere and is not acknowledged will be sent
// there.
void outbox_moved(struct client *client, struct step *step, struct contact *contact);
void outbox_late_release(struct client *client, struct exchange *exchange); // it ends
void outbox_stamped(struct client *client, struct step *step, uint64_t number, unsigned bits, uint64_t stamp);
void outbox_drop_contact(struct client *client, struct step *step, struct contact *contact);
void outbox_entry_free(struct outbox_entry *entry);

// ---- requests.c: what the user asks
void requests_handle(struct client *client, struct step *step, const struct client_request *request);
void requests_park(struct client *client, struct step *step, const struct client_request *request);
void requests_unpark(struct client *client, struct step *step);
void requests_gone(struct client *client, uint64_t id);
void parked_free(struct client_request *request);
void answer_error(struct client *client, struct step *step, uint64_t id, enum err err, const char *reason);
const char *client_why_not_ready(const struct client *client); // NULL: ready

// ---- jobs.c: what runs beside the loop
enum client_job_kind {
    CLIENT_JOB_LOAD,
    CLIENT_JOB_LIST,
    CLIENT_JOB_STAMP,
    CLIENT_JOB_MAILBOX_STAMP,
    CLIENT_JOB_BACKUP,
    CLIENT_JOB_PURGE
};

struct client_job {
    struct job job; // first
    enum client_job_kind kind;
};

// A job of ours, zeroed beyond its head.
void *client_job_new(size_t size, enum client_job_kind kind, bool wants_snapshot,
                     void (*run)(struct job *, const struct kv_snapshot *), void (*free_job)(struct job *));
void job_load_start(struct step *step);
void job_list_start(struct step *step, uint64_t request, uint64_t cursor, uint32_t limit);
void job_stamp_start(struct client *client, struct step *step, const struct outbox_entry *entry,
                     const uint8_t item[static ITEM_BYTES], unsigned bits);
void job_mailbox_stamp_start(struct client *client, struct step *step, const struct own_mailbox *own, unsigned bits);
void job_purge_start(struct step *step);
void jobs_done(struct client *client, struct step *step, struct job *job);

// ---- backup.c
void backup_start(struct client *client, struct step *step, uint64_t request, struct span passphrase);
void backup_done(struct client *client, struct step *step, struct job *job);

#endif
