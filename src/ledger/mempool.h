// Transactions that wait for a block.
//
//   arrives -> known? fee? nonce against state -> the sender's queue, by nonce -> taken into a proposal: best fee
//   first, each sender in order -> a block settles the nonces of those who sent something in it; nobody else is looked
//   at
//
// A queue holds what may be executed now, and a few behind a gap: transactions of one sender arrive out of order.
#ifndef SOTTO_LEDGER_MEMPOOL_H
#define SOTTO_LEDGER_MEMPOOL_H

#include "base/rng.h"
#include "ledger/ids.h"

#define MEMPOOL_PER_SENDER_MAX 64 // waiting of one sender, gaps included
#define MEMPOOL_GAP_MAX 16        // nonces that a transaction may be ahead of what the sender has here
#define MEMPOOL_RAISE_PERCENT 10  // by which a replacement's fee must be higher

struct mempool_limits {
    size_t count_max;
    size_t bytes_max;
    uint64_t fee_min;
};

// As it stands in the mempool; the bytes are its own.
struct mempool_tx {
    struct tx_id id;
    struct account_id sender; // of evidence, which nobody sends: mempool_accused
    uint64_t nonce;
    uint64_t fee;
    bool free_of_fee; // one that the state grants; neither fee_min nor replacement apply
    struct span bytes;
};

// Evidence stands, with nonce 0, in the queue of whom it accuses, so that one waits: more would be of no use, and
// whoever signs without end could fill the mempool with what is not sent away. No account has this id.
struct account_id mempool_accused(const struct sign_public *key);

enum mempool_verdict {
    MEMPOOL_TAKEN,
    MEMPOOL_KNOWN,       // this very transaction is here
    MEMPOOL_NONCE_USED,  // a block has one of this nonce
    MEMPOOL_NONCE_FAR,   // too far ahead
    MEMPOOL_FEE_LOW,     // below the least fee
    MEMPOOL_UNDERPRICED, // another of this nonce is here, and this one's fee is not higher by 10 %
    MEMPOOL_SENDER_FULL,
    MEMPOOL_UNPAYABLE, // the sender has not even the fee; the ledger looks, not the mempool
    MEMPOOL_FULL,      // and its fee is not higher than the lowest here
    MEMPOOL_INVALID,   // against a rule that needs no state; again the ledger looks
};

const char *mempool_verdict_text(enum mempool_verdict verdict);

struct mempool;

struct mempool *mempool_new(const struct mempool_limits *limits, struct rng *rng); // rng: only drawn from here
void mempool_free(struct mempool *mempool);
// `next_nonce` is the sender's in the state. Copies the bytes.
enum mempool_verdict mempool_add(struct mempool *mempool, const struct mempool_tx *tx, uint64_t next_nonce);
bool mempool_has(const struct mempool *mempool, const struct tx_id *id);
// False: not here. The span holds until the mempool changes.
bool mempool_find(const struct mempool *mempool, const struct tx_id *id, struct span *bytes);
// Fills `out` with up to count_max transactions of together at most bytes_max, in an order in which they can be
// executed; returns how many. The spans hold until the mempool changes.
size_t mempool_candidates(const struct mempool *mempool, struct span *out, size_t count_max, size_t bytes_max);
// A block has raised the sender's next nonce: what it has used up goes.
void mempool_settle(struct mempool *mempool, const struct account_id *sender, uint64_t next_nonce);
void mempool_remove(struct mempool *mempool, const struct tx_id *id); // turned out never to apply
size_t mempool_count(const struct mempool *mempool);
size_t mempool_bytes(const struct mempool *mempool);
size_t mempool_ready(const struct mempool *mempool); // of them, those before any gap
// The highest nonce that the sender may use next if all that waits here is executed; `next_nonce` as above.
uint64_t mempool_next_nonce(const struct mempool *mempool, const struct account_id *sender, uint64_t next_nonce);
// The i-th in order of arrival, for gossip and listing; false: past the end. O(1) for rising i.
struct mempool_walk {
    const void *at;
};
bool mempool_walk_next(const struct mempool *mempool, struct mempool_walk *walk, struct mempool_tx *out);

#endif
