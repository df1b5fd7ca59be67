// What the files of mailbox/ share. Nothing here is for other parts.
//
//   mailbox.c    life cycle, dispatch, deadlines          standing.c   directories, ranks, choosing replicas
//   items.c      every change of what is stored           quota.c      who may store how much
//   store.c      STORE and REPLICATE                      pending.c    operations that wait for other replicas
//   owner.c      the owner's requests, OWNED              fetch.c      reading items out
//   subscribe.c  pushes                                   expire.c     forgetting what has expired
//   repair.c     comparing with other homes               transfer.c   offering what others should hold
//   scan.c       walking over all entries            offer.c      answering what others offer
//   deliveries.c what proves to the ledger that items were delivered
#ifndef SOTTO_MAILBOX_MAILBOX_INTERNAL_H
#define SOTTO_MAILBOX_MAILBOX_INTERNAL_H

#include "base/heap.h"
#include "mailbox/mailbox.h"
#include "mailbox/records.h"

#define PART "mailbox"

// ---- jobs (mailbox.c dispatches their results) ----

enum mailbox_job_kind { MAILBOX_JOB_FETCH, MAILBOX_JOB_EXPIRE, MAILBOX_JOB_SCAN, MAILBOX_JOB_OFFER };

struct mailbox_job {
    struct job job;
    enum mailbox_job_kind kind;
};

// ---- standing.c: where this relay stands for a mailbox ----

// Placements looked up lately, by directory: a look-up hashes every relay.
struct placement_cache;

enum standing_in { STANDING_CURRENT, STANDING_PREVIOUS };

struct standing {
    const struct directory *directory; // borrowed; NULL: there is none
    struct placement placement;
    int rank; // this relay's, -1: it does not hold the mailbox
};

void standing_of(struct standing *out, struct mailbox *mailbox, enum standing_in which, const struct mailbox_id *id);
// The directory that a request or a set names; NULL when it is neither the current one nor the one before.
bool standing_for_epoch(struct standing *out, struct mailbox *mailbox, uint32_t epoch, const struct mailbox_id *id);
// Whether two placements name the same relays in the same order.
bool standing_same(const struct standing *a, const struct standing *b);
const struct relay_id *standing_relay(const struct standing *standing, size_t rank);
// A replica of the mailbox by the current directory or the one before.
bool standing_is_replica(struct mailbox *mailbox, const struct mailbox_id *id);
// This relay and the first reachable others by rank, k in all; `excluded` has a bit per rank. Fills ranks.
void standing_choose(struct replica_set *set, uint8_t ranks[static REPLICAS_MAX], const struct mailbox *mailbox,
                     const struct standing *standing, unsigned excluded);
// The ranks of a set another replica chose; false when no honest replica would have chosen it.
bool standing_set_ranks(uint8_t ranks[static REPLICAS_MAX], const struct mailbox *mailbox,
                        const struct standing *standing, const struct replica_set *set);
struct placement_cache *placement_cache_new(struct directory *directory); // takes a reference
void placement_cache_free(struct placement_cache *cache);                 // NULL is fine
struct directory *placement_cache_directory(const struct placement_cache *cache);
uint32_t mailbox_epoch(const struct mailbox *mailbox); // of the current directory, 0 without one
// The clock for lifetimes: the wall clock, held to what the newest directory vouches for, so that a jump of the clock
// neither forgets what is still wanted nor brings back what has expired.
uint64_t mailbox_wall_ms(const struct mailbox *mailbox, const struct step *step);

// ---- items.c: every change of what is stored ----

// Who brings something: its user, or another replica that has taken it already. Replicas that have not heard of each
// other's stores may each have taken a quota of their own: as many quotas as there are ranks are taken from them.
enum origin { ORIGIN_USER, ORIGIN_REPLICA };

struct incoming {
    struct mailbox_id mailbox;
    struct item_hash hash;
    uint64_t expiry_ms;
    struct token_hash token; // zeros: a stranger's
    uint64_t stamp;          // a stranger's
    const uint8_t *item;
};

// The entry under (mailbox, hash). ERR_NOT_FOUND. A policy's operation points into a buffer that the next call
// overwrites.
enum err entry_get(struct mailbox *mailbox, struct step *step, struct entry *out, const struct mailbox_id *id,
                   const struct item_hash *hash);
void state_get(struct mailbox *mailbox, struct step *step, struct mailbox_state *out, const struct mailbox_id *id);
bool state_exists(struct step *step, const struct mailbox_id *id);
// The body of an item; points into a buffer that the next call overwrites.
enum err body_get(struct mailbox *mailbox, struct step *step, struct body *out, const struct mailbox_id *id,
                  uint64_t arrival);
// Keeps a new item, durably; the entry must be absent. `state` is the mailbox's, and is stored.
void item_put(struct mailbox *mailbox, struct step *step, const struct incoming *in, struct mailbox_state *state);
// What proves a tombstone or a policy; points into a buffer that the next call, or the next entry_get, overwrites.
enum err proof_get(struct mailbox *mailbox, struct step *step, struct proof *out, const struct mailbox_id *id,
                   const struct entry *entry);
// Deletes the items of a deletion for good: their entries become tombstones, which share one proof. Held items are
// always deleted, for a tombstone takes less than an item; of those that are not held, some are left out with
// OP_RELAY_FULL or OP_MAILBOX_FULL when there is no space to remember their deletion.
enum op_status items_delete(struct mailbox *mailbox, struct step *step, const struct op *op, const struct proof *proof,
                            enum origin origin);
// Takes a policy unless a newer one is held. OP_REFUSED then.
enum op_status policy_put(struct mailbox *mailbox, struct step *step, const struct op *op, const struct proof *proof);
// Forgets an entry and all that belongs to it (expired, or handed over). Lazy.
void entry_forget(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id, const struct item_hash *hash,
                  const struct entry *entry);
// Marks a tombstone (repair.h).
void tombstone_put_mark(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                        const struct item_hash *hash, const struct entry *entry, uint64_t mark);
// What an item takes on disk: its keys, entry and index, the receipts of the others, and itself.
#define ITEM_SPACE_BYTES (ITEM_BYTES + 700)
void totals_load(struct mailbox *mailbox, struct step *step);
bool mailbox_has_space(const struct mailbox *mailbox);
void receipts_get(struct mailbox *mailbox, struct step *step, struct receipts_record *out, const struct mailbox_id *id,
                  const struct item_hash *hash);
void receipts_put(struct step *step, const struct receipts_record *record, const struct mailbox_id *id,
                  const struct item_hash *hash);
// The item hash under which a policy has its entry.
extern const struct item_hash policy_hash;

// ---- quota.c ----

bool token_hash_is_stranger(const struct token_hash *token);
// Whether a mailbox may take more of the disk.
bool quota_has_room(const struct mailbox *mailbox, const struct mailbox_state *state, uint64_t bytes,
                    enum origin origin);
// A new item that its sender stores, or that another replica brings.
enum op_status quota_check(const struct mailbox *mailbox, const struct mailbox_state *state,
                           const struct token_hash *token, enum origin origin);
void quota_take(struct mailbox_state *state, const struct token_hash *token);
void quota_give(struct mailbox_state *state, const struct token_hash *token);
void quota_set_policy(struct mailbox_state *state, const struct op *op);

// ---- pending.c: operations that wait for other replicas ----

enum pending_kind { PENDING_STORE, PENDING_OWNED };

struct pending {
    uint64_t id; // low 32 bits: slot
    enum pending_kind kind;
    enum op_kind op;
    bool answered;
    unsigned attempt;
    uint64_t deadline_ms; // mono
    struct pending *before, *after;
    struct mailbox_id mailbox;
    uint8_t surb[SPHINX_SURB_BYTES];
    // STORE
    bool deleted;   // the item was deleted already: receipts are signed, nothing is stored
    uint32_t epoch; // of the directory that set and ranks are of
    struct item_hash item;
    uint64_t expiry_ms;
    struct write_token token;
    uint64_t stamp;
    uint8_t body[ITEM_BYTES];
    struct replica_set set;
    uint8_t ranks[REPLICAS_MAX];
    unsigned excluded; // ranks not to choose again
    unsigned failed;   // members of the set that will not sign, by index
    unsigned taught;   // members that were sent the policy, by index
    size_t receipt_count;
    struct receipt receipts[REPLICAS_MAX];
    // OWNED
    size_t asked_count;
    struct relay_id asked[2 * PLACEMENT_RANKS];
    unsigned acknowledged; // by index in asked
};

struct pendings {
    struct pending **slots;
    size_t slot_count;
    uint32_t *free_slots;
    size_t free_count;
    uint32_t next_generation;
    size_t count;
    struct pending *first, *last; // by deadline: every attempt has the same length
};

// NULL when pending_max are waiting.
struct pending *pending_new(struct mailbox *mailbox, const struct step *step);
struct pending *pending_find(const struct mailbox *mailbox, uint64_t id);
void pending_renew(struct mailbox *mailbox, const struct step *step, struct pending *pending); // a new attempt
bool pending_may_renew(const struct pending *pending);
void pending_free(struct mailbox *mailbox, struct pending *pending);
struct pending *pending_due(const struct mailbox *mailbox, uint64_t mono_ms);
uint64_t pending_next_ms(const struct mailbox *mailbox);
void pendings_free(struct mailbox *mailbox);

// ---- store.c ----

void store_execute(struct mailbox *mailbox, struct step *step, const struct op *op);
void store_replicate(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                     const struct replica_message *message);
void store_receipt(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                   const struct replica_message *message);
void store_receipts(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                    const struct replica_message *message);
void store_timeout(struct mailbox *mailbox, struct step *step, struct pending *pending);

// ---- owner.c ----

void owner_execute(struct mailbox *mailbox, struct step *step, const struct op *op);
void owner_owned(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                 const struct replica_message *message);
void owner_done(struct mailbox *mailbox, struct step *step, const struct relay_id *from, uint64_t id);
void owner_timeout(struct mailbox *mailbox, struct step *step, struct pending *pending);
// Sends the operation that proves a tombstone or policy to a replica. id: comes back in DONE; 0: nobody waits for it.
void owner_send_entry(struct mailbox *mailbox, struct step *step, const struct relay_id *to, uint64_t id,
                      const struct mailbox_id *owner, const struct entry *entry);

// ---- fetch.c ----

void fetch_execute(struct mailbox *mailbox, struct step *step, const struct op *op);
// Reads on for a subscription; the result goes to subscribe_found. False when too many jobs are under way.
bool fetch_for_subscription(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id, uint64_t cursor);
void fetch_done(struct mailbox *mailbox, struct step *step, struct mailbox_job *job);

struct found {
    uint64_t arrival;
    uint64_t expiry_ms;
    struct item_hash hash;
    uint8_t item[ITEM_BYTES];
};

// ---- subscribe.c ----

struct subscriptions;

struct subscriptions *subscriptions_new(void);
void subscriptions_free(struct subscriptions *subscriptions);
void subscribe_execute(struct mailbox *mailbox, struct step *step, const struct op *op);
// An item has just been kept.
void subscribe_stored(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                      const struct found *item);
// What a scan from the subscription's cursor found: `count` items still held, `waiting` behind them, all looked at up
// to `end`.
void subscribe_found(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id, const struct found *items,
                     size_t count, uint32_t waiting, uint64_t end);
void subscribe_tick(struct mailbox *mailbox, struct step *step);
uint64_t subscribe_next_ms(const struct mailbox *mailbox);

// ---- expire.c ----

void expire_tick(struct mailbox *mailbox, struct step *step);
void expire_done(struct mailbox *mailbox, struct step *step, struct mailbox_job *job);

// ---- deliveries.c: what proves to the ledger that items were delivered ----

// The recipient of a held item has shown the secret that opens its commitment.
void delivery_secret(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id, const struct entry *item,
                     const struct delete_entry *what);
// The receipts of a set, to be kept beside the item or its tombstone, with which a delivery is proved.
void delivery_receipts(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                       const struct item_hash *hash, const struct replica_set *set, const struct receipt *receipts,
                       size_t count);
// The last epoch whose deliveries the ledger has settled by now, so that they are wanted no more; 0: none.
uint32_t deliveries_settled_epoch(const struct mailbox *mailbox);

// ---- mailbox.c ----

struct repair; // repair.h
struct offers; // repair.h

struct mailbox {
    struct mailbox_config config;
    struct mailbox_ports ports;
    struct placement_cache *current;  // NULL: no directory
    struct placement_cache *previous; // NULL: none
    uint32_t newest_epoch;            // of any directory seen
    struct totals totals;
    bool disk_low;
    bool ready;
    struct pendings pendings;
    struct subscriptions *subscriptions;
    struct repair *repair;
    struct offers *offers;
    unsigned fetches; // jobs under way
    bool expiring;    // a job is under way
    uint64_t expire_at_ms;
    struct buf entry_record; // what entry_get, body_get, proof_get read last
    struct buf body_record;
    struct buf proof_record;
    struct buf record; // for writing and other reads
    struct buf message;
};

// How far a client's clock may be off.
#define CLOCK_SLACK_MS (5 * MINUTE_MS)

void mailbox_answer(struct mailbox *mailbox, struct step *step, const uint8_t surb[static SPHINX_SURB_BYTES],
                    struct reply *reply);
void mailbox_answer_status(struct mailbox *mailbox, struct step *step, const struct op *op, enum op_status status);
void mailbox_send(struct mailbox *mailbox, struct step *step, const struct relay_id *to,
                  const struct replica_message *message);
void mailbox_dropped(struct step *step, enum metric reason);
uint8_t mailbox_stamp_bits(const struct mailbox *mailbox); // that strangers' items and mailboxes need

#endif
