// See mempool.h.
#include "ledger/mempool.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/heap.h"
#include "base/map.h"
#include "crypto/hash.h"

struct entry {
    struct mempool_tx tx;
    struct sender *sender;
    struct entry *older, *newer; // by arrival, of all
    uint64_t arrival;
};

// A sender's, sorted by nonce.
struct sender {
    uint8_t key[32];
    uint64_t next_nonce;
    size_t count;
    size_t ready; // the first so many follow next_nonce without a gap
    struct entry *entries[MEMPOOL_PER_SENDER_MAX];
    struct sender *previous, *next;
};

struct mempool {
    struct mempool_limits limits;
    struct map by_id;
    struct map by_sender;
    struct entry *oldest, *newest;
    struct sender *first;
    size_t sender_count;
    size_t count;
    size_t ready;
    size_t bytes;
    uint64_t arrivals;
};

const char *mempool_verdict_text(enum mempool_verdict verdict) {
    static const char *const texts[] = {
        [MEMPOOL_TAKEN] = "taken",
        [MEMPOOL_KNOWN] = "this transaction is here already",
        [MEMPOOL_NONCE_USED] = "its nonce has been used: take the account's next one",
        [MEMPOOL_NONCE_FAR] = "its nonce is too far ahead: those before it are missing",
        [MEMPOOL_FEE_LOW] = "its fee is below the least that the network takes",
        [MEMPOOL_UNDERPRICED] = "another transaction with this nonce waits; to replace it, offer a fee 10 % higher",
        [MEMPOOL_SENDER_FULL] = "64 transactions of this account wait; no more fit",
        [MEMPOOL_UNPAYABLE] = "its sender cannot pay the fee",
        [MEMPOOL_FULL] = "too many transactions wait: offer a higher fee or try again later",
        [MEMPOOL_INVALID] =
            "it is against a rule that every transaction keeps: an amount, or a proof that cannot count",
    };
    return texts[verdict];
}

struct mempool *mempool_new(const struct mempool_limits *limits, struct rng *rng) {
    struct mempool *mempool = NEW(struct mempool);
    mempool->limits = *limits;
    map_init(&mempool->by_id, rng);
    map_init(&mempool->by_sender, rng);
    return mempool;
}

void mempool_free(struct mempool *mempool) {
    if (mempool == NULL)
        return;
    for (struct entry *entry = mempool->oldest, *newer; entry != NULL; entry = newer) {
        newer = entry->newer;
        free(entry);
    }
    for (struct sender *sender = mempool->first, *next; sender != NULL; sender = next) {
        next = sender->next;
        free(sender);
    }
    map_free(&mempool->by_id);
    map_free(&mempool->by_sender);
    free(mempool);
}

// ---- senders

struct account_id mempool_accused(const struct sign_public *key) {
    struct hash hash;
    struct account_id id;
    hash_bytes(&hash, "sotto mempool accused", SPAN_OF(key->bytes));
    memcpy(id.bytes, hash.bytes, sizeof id.bytes);
    return id;
}

static struct sender *sender_new(struct mempool *mempool, const uint8_t *key) {
    struct sender *sender = NEW(struct sender);
    memcpy(sender->key, key, sizeof(sender->key));
    sender->next = mempool->first;
    if (mempool->first != NULL)
        mempool->first->previous = sender;
    mempool->first = sender;
    mempool->sender_count++;
    map_add(&mempool->by_sender, sender->key, sender);
    return sender;
}

static void sender_free_if_empty(struct mempool *mempool, struct sender *sender) {
    if (sender->count > 0)
        return;
    *(sender->previous != NULL ? &sender->previous->next : &mempool->first) = sender->next;
    if (sender->next != NULL)
        sender->next->previous = sender->previous;
    mempool->sender_count--;
    map_remove(&mempool->by_sender, sender->key);
    free(sender);
}

static void count_ready(struct mempool *mempool, struct sender *sender) {
    mempool->ready -= sender->ready;
    sender->ready = 0;
    while (sender->ready < sender->count &&
           sender->entries[sender->ready]->tx.nonce == sender->next_nonce + sender->ready)
        sender->ready++;
    mempool->ready += sender->ready;
}

// Where a transaction of that nonce stands or would stand.
static size_t place_of(const struct sender *sender, uint64_t nonce) {
    size_t i = sender->count;
    while (i > 0 && sender->entries[i - 1]->tx.nonce >= nonce)
        i--;
    return i;
}

// ---- entries

static void entry_link(struct mempool *mempool, struct sender *sender, struct entry *entry) {
    size_t at = place_of(sender, entry->tx.nonce);
    memmove(sender->entries + at + 1, sender->entries + at, (sender->count - at) * sizeof(sender->entries[0]));
    sender->entries[at] = entry;
    sender->count++;
    entry->sender = sender;
    entry->arrival = mempool->arrivals++;
    entry->older = mempool->newest;
    *(mempool->newest != NULL ? &mempool->newest->newer : &mempool->oldest) = entry;
    mempool->newest = entry;
    mempool->count++;
    mempool->bytes += entry->tx.bytes.n;
    map_add(&mempool->by_id, entry->tx.id.bytes, entry);
    count_ready(mempool, sender);
}

// The sender stays, even if nothing of it is left.
static void entry_remove(struct mempool *mempool, struct entry *entry) {
    struct sender *sender = entry->sender;
    size_t at = place_of(sender, entry->tx.nonce);
    ASSERT(sender->entries[at] == entry);
    sender->count--;
    memmove(sender->entries + at, sender->entries + at + 1, (sender->count - at) * sizeof(sender->entries[0]));
    *(entry->older != NULL ? &entry->older->newer : &mempool->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &mempool->newest) = entry->older;
    mempool->count--;
    mempool->bytes -= entry->tx.bytes.n;
    map_remove(&mempool->by_id, entry->tx.id.bytes);
    free(entry);
    count_ready(mempool, sender);
}

static struct entry *entry_new(const struct mempool_tx *tx) {
    struct entry *entry = mem_new(1, sizeof(*entry) + tx->bytes.n);
    entry->tx = *tx;
    uint8_t *bytes = (uint8_t *)(entry + 1);
    memcpy(bytes, tx->bytes.p, tx->bytes.n);
    entry->tx.bytes.p = bytes;
    return entry;
}

// ---- adding

// The last of the sender whose last one offers the least: taking it away leaves no gap. What is free is not sent away.
static struct entry *cheapest_last(const struct mempool *mempool) {
    struct entry *cheapest = NULL;
    for (const struct sender *sender = mempool->first; sender != NULL; sender = sender->next) {
        struct entry *last = sender->entries[sender->count - 1];
        if (!last->tx.free_of_fee && (cheapest == NULL || last->tx.fee < cheapest->tx.fee))
            cheapest = last;
    }
    return cheapest;
}

static bool is_full(const struct mempool *mempool, size_t more) {
    return mempool->count >= mempool->limits.count_max || mempool->bytes + more > mempool->limits.bytes_max;
}

static bool make_room(struct mempool *mempool, const struct mempool_tx *tx) {
    while (is_full(mempool, tx->bytes.n)) {
        struct entry *cheapest = cheapest_last(mempool);
        if (cheapest == NULL || (!tx->free_of_fee && cheapest->tx.fee >= tx->fee))
            return false;
        struct sender *sender = cheapest->sender;
        entry_remove(mempool, cheapest);
        sender_free_if_empty(mempool, sender);
    }
    return true;
}

// What speaks against it as far as its sender goes; `*replaced` is set to the one of the same nonce.
static enum mempool_verdict against_sender(const struct sender *sender, const struct mempool_tx *tx,
                                           struct entry **replaced) {
    size_t at = place_of(sender, tx->nonce);
    *replaced = at < sender->count && sender->entries[at]->tx.nonce == tx->nonce ? sender->entries[at] : NULL;
    if (*replaced != NULL) {
        uint64_t before = (*replaced)->tx.fee;
        if (tx->free_of_fee || tx->fee < before || tx->fee - before < before / 100 * MEMPOOL_RAISE_PERCENT + 1)
            return MEMPOOL_UNDERPRICED;
        return MEMPOOL_TAKEN;
    }
    if (tx->nonce - sender->next_nonce > sender->ready + MEMPOOL_GAP_MAX)
        return MEMPOOL_NONCE_FAR;
    return sender->count == MEMPOOL_PER_SENDER_MAX ? MEMPOOL_SENDER_FULL : MEMPOOL_TAKEN;
}

static enum mempool_verdict against(const struct mempool *mempool, const struct mempool_tx *tx, uint64_t next_nonce) {
    const struct sender none = {.next_nonce = next_nonce};
    const struct sender *sender = map_find(&mempool->by_sender, tx->sender.bytes);
    struct entry *replaced;
    if (tx->nonce < next_nonce)
        return MEMPOOL_NONCE_USED;
    if (!tx->free_of_fee && tx->fee < mempool->limits.fee_min)
        return MEMPOOL_FEE_LOW;
    return against_sender(sender == NULL ? &none : sender, tx, &replaced);
}

enum mempool_verdict mempool_add(struct mempool *mempool, const struct mempool_tx *tx, uint64_t next_nonce) {
    if (mempool_has(mempool, &tx->id))
        return MEMPOOL_KNOWN;
    mempool_settle(mempool, &tx->sender, next_nonce);
    enum mempool_verdict verdict = against(mempool, tx, next_nonce);
    if (verdict != MEMPOOL_TAKEN)
        return verdict;
    if (!make_room(mempool, tx))
        return MEMPOOL_FULL;
    struct sender *sender = map_find(&mempool->by_sender, tx->sender.bytes); // making room may have freed it
    if (sender == NULL) {
        sender = sender_new(mempool, tx->sender.bytes);
        sender->next_nonce = next_nonce;
    }
    size_t at = place_of(sender, tx->nonce);
    if (at < sender->count && sender->entries[at]->tx.nonce == tx->nonce)
        entry_remove(mempool, sender->entries[at]);
    entry_link(mempool, sender, entry_new(tx));
    return MEMPOOL_TAKEN;
}

// ---- finding, listing

bool mempool_has(const struct mempool *mempool, const struct tx_id *id) {
    return map_find(&mempool->by_id, id->bytes) != NULL;
}

bool mempool_find(const struct mempool *mempool, const struct tx_id *id, struct span *bytes) {
    const struct entry *entry = map_find(&mempool->by_id, id->bytes);
    if (entry != NULL)
        *bytes = entry->tx.bytes;
    return entry != NULL;
}

bool mempool_walk_next(const struct mempool *mempool, struct mempool_walk *walk, struct mempool_tx *out) {
    const struct entry *entry = walk->at == NULL ? mempool->oldest : ((const struct entry *)walk->at)->newer;
    if (entry == NULL)
        return false;
    walk->at = entry;
    *out = entry->tx;
    return true;
}

size_t mempool_count(const struct mempool *mempool) {
    return mempool->count;
}

size_t mempool_bytes(const struct mempool *mempool) {
    return mempool->bytes;
}

size_t mempool_ready(const struct mempool *mempool) {
    return mempool->ready;
}

uint64_t mempool_next_nonce(const struct mempool *mempool, const struct account_id *account, uint64_t next_nonce) {
    const struct sender *sender = map_find(&mempool->by_sender, account->bytes);
    if (sender == NULL || sender->next_nonce + sender->ready < next_nonce)
        return next_nonce;
    return sender->next_nonce + sender->ready;
}

// ---- candidates: a heap of each sender's first, best fee first; equal fees by arrival

struct head {
    const struct sender *sender;
    size_t at;
};

static bool is_better(const struct head *a, const struct head *b) {
    const struct entry *x = a->sender->entries[a->at], *y = b->sender->entries[b->at];
    if (x->tx.free_of_fee != y->tx.free_of_fee)
        return x->tx.free_of_fee;
    return x->tx.fee != y->tx.fee ? x->tx.fee > y->tx.fee : x->arrival < y->arrival;
}

static void sift_down(struct head *heads, size_t count, size_t i) {
    struct head head = heads[i];
    for (size_t child = 2 * i + 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count && is_better(&heads[child + 1], &heads[child]))
            child++;
        if (!is_better(&heads[child], &head))
            break;
        heads[i] = heads[child];
        i = child;
    }
    heads[i] = head;
}

static size_t heads_of(const struct mempool *mempool, struct head *heads) {
    size_t count = 0;
    for (const struct sender *sender = mempool->first; sender != NULL; sender = sender->next)
        if (sender->ready > 0)
            heads[count++] = (struct head){sender, 0};
    for (size_t i = count / 2; i-- > 0;)
        sift_down(heads, count, i);
    return count;
}

size_t mempool_candidates(const struct mempool *mempool, struct span *out, size_t count_max, size_t bytes_max) {
    struct head *heads = NEW_ARRAY(struct head, mempool->sender_count + 1);
    size_t count = heads_of(mempool, heads);
    size_t taken = 0;
    while (count > 0 && taken < count_max) {
        struct head *best = &heads[0];
        struct span bytes = best->sender->entries[best->at]->tx.bytes;
        bool fits = bytes.n <= bytes_max;
        if (fits) {
            out[taken++] = bytes;
            bytes_max -= bytes.n;
        }
        if (!fits || ++best->at == best->sender->ready)
            *best = heads[--count]; // what follows one that does not fit cannot be executed without it
        sift_down(heads, count, 0);
    }
    free(heads);
    return taken;
}

// ---- going

void mempool_settle(struct mempool *mempool, const struct account_id *account, uint64_t next_nonce) {
    struct sender *sender = map_find(&mempool->by_sender, account->bytes);
    if (sender == NULL || sender->next_nonce >= next_nonce)
        return; // whoever asks may not have seen the last block yet
    sender->next_nonce = next_nonce;
    while (sender->count > 0 && sender->entries[0]->tx.nonce < next_nonce)
        entry_remove(mempool, sender->entries[0]);
    count_ready(mempool, sender);
    sender_free_if_empty(mempool, sender);
}

void mempool_remove(struct mempool *mempool, const struct tx_id *id) {
    struct entry *entry = map_find(&mempool->by_id, id->bytes);
    if (entry == NULL)
        return;
    struct sender *sender = entry->sender;
    entry_remove(mempool, entry);
    sender_free_if_empty(mempool, sender);
}
