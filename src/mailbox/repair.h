// Repair: bringing what is stored to where it belongs. Internal to mailbox/.
//
//   The homes of a mailbox are the first k relays by rank; a relay that holds entries of a mailbox without being one of
//   its homes (a stand-in, or a replica from before a change of membership) has guests.
//
//   sync   two homes compare digests of what they share, and offer each other what is in the buckets that differ
//   tidy   guests are offered to their homes, and forgotten when these have them; where a home stays away, the first
//   home
//          that is here offers its entries to the stand-ins
//
// Both walk over the entries in slices: a scan job finds up to OFFER_ENTRIES_MAX entries with the relays to offer them
// to, a transfer offers them, sends what is wanted, and waits until it is durable over there; then comes the next
// slice.
#ifndef SOTTO_MAILBOX_REPAIR_H
#define SOTTO_MAILBOX_REPAIR_H

#include "mailbox/mailbox_internal.h"

// ---- scan.c: walking over all entries ----

#define TRANSFER_PEERS_MAX 16 // other relays that one slice of a tidy deals with

// The membership as a job sees it: a copy of its own.
struct view {
    struct directory directory; // only the relays count
    bool *reachable;            // by index
    bool *away;                 // unreachable for so long that a stand-in is due
    struct relay_id self;
    size_t self_index;
    unsigned replicas;
    unsigned quorum;
    bool settled; // two epochs have passed since the last change: what is no longer placed here may be forgotten
};

struct view *view_new(const struct mailbox *mailbox, const struct step *step); // NULL: no directory
void view_free(struct view *view);
// What a stand-in's tombstone carries as its number when all homes of a membership have acknowledged it. A stand-in
// never forgets one early: it takes stores, and must know what was deleted.
uint64_t tombstone_mark(const struct directory *directory);

struct digests {
    uint8_t buckets[REPAIR_BUCKETS][REPAIR_DIGEST_BYTES];
};

unsigned bucket_of_mailbox(const struct mailbox_id *id);
// Takes an entry into the digest of its bucket, zeros at first. Entries come in the order of their keys: what is
// chained so collides only where the hash does, whoever chose the entries.
void digest_add(uint8_t digest[static REPAIR_DIGEST_BYTES], const struct offer_entry *offer);
void digests_root(uint8_t root[static REPAIR_DIGEST_BYTES], const struct digests *digests);

struct scanned {
    struct offer_entry offer;
    uint32_t targets; // bit per relay in scan_job.targets
    uint8_t need;     // acknowledgements by which it is settled; 0: never
    bool stays;       // when settled: a stand-in's tombstone is marked, all else is forgotten
};

enum scan_purpose { SCAN_CENSUS, SCAN_SYNC, SCAN_TIDY };

struct scan_job {
    struct mailbox_job base;
    enum scan_purpose purpose;
    uint64_t handover; // whose it is; 0: the census'
    struct view *view;
    struct key from; // then: where the next slice begins
    bool finished;
    // CENSUS
    struct digests **digests; // by index of the relay; NULL: nothing shared
    uint64_t oldest_ms;       // when the oldest item was stored, UINT64_MAX: none
    // SYNC
    size_t peer; // index of the relay, relay_count: no longer listed
    uint8_t buckets[REPAIR_BUCKETS / 8];
    // SYNC, TIDY
    struct scanned entries[OFFER_ENTRIES_MAX];
    size_t entry_count;
    size_t targets[TRANSFER_PEERS_MAX]; // indices of relays
    size_t target_count;
};

struct scan_job *scan_new(enum scan_purpose purpose, struct view *view); // takes the view
struct job *scan_again(struct scan_job *job);                            // the next slice: a new job, the view moves on

// ---- repair.c: peers, when to repair, comparing ----

struct peer {
    struct relay_id id;
    uint64_t down_since_ms;  // mono; TIME_NEVER: reachable
    bool sync_due;           // our root goes to it after the next census
    struct digests *digests; // of what is shared, by the last census; NULL: nothing
    bool has_root;           // its root came and waits for a census
    uint8_t root[REPAIR_DIGEST_BYTES];
    struct digests *theirs; // so do its digests
    bool offer_due;         // what is in these buckets
    uint8_t buckets[REPAIR_BUCKETS / 8];
};

#define HANDOVERS_MAX 8

struct repair {
    struct peer *peers; // sorted by id: the current directory's relays but this one
    size_t peer_count;
    uint32_t membership; // changed_epoch that the digests are of
    uint64_t at_ms;      // mono: something is due
    uint64_t round_ms;   // mono: everything is
    uint64_t away_ms;    // mono: a relay has been away for long
    bool census_running;
    bool census_again;
    uint64_t census_ms; // mono: when the last one ended; 0: never
    bool tidy_due;
    uint64_t next_serial;
    struct handover *handovers[HANDOVERS_MAX];
};

struct repair *repair_new(void);
void repair_free(struct repair *repair);
struct peer *repair_peer(struct repair *repair, const struct relay_id *id); // NULL: not listed
// There is another current directory; `old` may be NULL.
void repair_directory(struct mailbox *mailbox, struct step *step, const struct directory *old);
void repair_up(struct mailbox *mailbox, struct step *step, const struct relay_id *id);
void repair_down(struct mailbox *mailbox, struct step *step, const struct relay_id *id);
// A relay may lack something that it should have.
void repair_nudge(struct mailbox *mailbox, struct step *step, const struct relay_id *id);
void repair_root(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                 const struct replica_message *message);
void repair_digests(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                    const struct replica_message *message);
void repair_differ(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                   const struct replica_message *message);
void repair_scan_done(struct mailbox *mailbox, struct step *step, struct mailbox_job *job);
void repair_tick(struct mailbox *mailbox, struct step *step);
uint64_t repair_next_ms(const struct mailbox *mailbox);

// ---- transfer.c: offering ----

// Begins handovers for what is due as long as there is room.
void handover_begin_due(struct mailbox *mailbox, struct step *step);
void handover_scanned(struct mailbox *mailbox, struct step *step, struct scan_job *job);
void handover_tick(struct mailbox *mailbox, struct step *step);
uint64_t handover_next_ms(const struct mailbox *mailbox);
void handover_free(struct handover *handover); // NULL is fine
void transfer_item(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                   const struct replica_message *message);
void transfer_answer(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                     const struct replica_message *message);
void transfer_done(struct mailbox *mailbox, struct step *step, const struct relay_id *from, uint64_t id,
                   enum op_status status);
bool transfer_owns(uint64_t id); // DONE with such an id is a transfer's

// ---- offer.c: answering what others offer ----

struct offers;

struct offers *offers_new(void);
void offers_free(struct offers *offers);
void offer_take(struct mailbox *mailbox, struct step *step, const struct relay_id *from,
                const struct replica_message *message);
void offer_done(struct mailbox *mailbox, struct step *step, struct mailbox_job *job);

#endif
