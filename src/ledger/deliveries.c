// What relays are paid for: items delivered. docs/spec/state.md, "Deliveries".
//
//   epoch e      the relay gathers leaves: one an item whose recipient acknowledged it, receipts of epoch e
//   epoch e+1    its batch: root and count of the strictly increasing leaves
//                two blocks above the batch draws the sample
//   until the end of e+2    every sampled leaf is opened: secret, neighbours, another relay's receipt;
//                           an opening that shows a false or repeated leaf costs the stake at once
//   last block of e+2       e is settled: what was not opened costs the stake, the others share the epoch's reward
//
// A leaf cannot be paid twice: it is of one relay, by its hash; of one epoch, by its receipt; once in a batch, by the
// strict order; and a relay has one batch an epoch.
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "ledger/execution.h"

// ---- batches ----

static void note_batch(struct execution *x, uint32_t epoch, const struct relay_id *relay) {
    uint8_t ref[BATCH_REF_BYTES];
    store_u32(ref, epoch);
    memcpy(ref + 4, relay->bytes, sizeof relay->bytes);
    buf_append(&x->batches, SPAN_OF(ref));
}

enum tx_outcome batch_execute(struct execution *x, const struct tx *tx) {
    const struct relay_id relay = relay_of_account(&tx->sender);
    const struct tx_delivery_batch *batch = &tx->delivery_batch;
    struct relay_record record;
    struct delivery_record delivery;
    if (!state_relay(x->overlay, &record, &relay))
        return TX_FAILED_RELAY;
    if (batch->epoch == 0 || batch->epoch >= x->epoch.epoch || x->epoch.epoch - batch->epoch != 1)
        return TX_FAILED_EPOCH;
    if (record.retired_epoch < batch->epoch)
        return TX_FAILED_RETIRED;
    if (!state_is_listed(x->overlay, batch->epoch, &relay))
        return TX_FAILED_LISTED;
    if (state_delivery(x->overlay, &delivery, batch->epoch, &relay))
        return TX_FAILED_EXISTS;
    delivery = (struct delivery_record){.root = batch->root, .count = batch->count};
    state_set_delivery(x->overlay, batch->epoch, &relay, &delivery);
    note_batch(x, batch->epoch, &relay);
    return TX_DONE;
}

// ---- samples ----

static bool is_sampled(const struct delivery_record *delivery, uint32_t index) {
    for (size_t i = 0; i < delivery->sample_count; i++) {
        if (delivery->sample[i] == index)
            return true;
    }
    return false;
}

// Draw i is H("sotto sample 1", block id, epoch, relay, i) modulo the count; an index drawn again adds nothing.
static void draw(const struct execution *x, struct delivery_record *delivery, uint32_t epoch,
                 const struct relay_id *relay) {
    for (uint8_t i = 0; i < x->genesis->ledger.samples; i++) {
        uint8_t epoch_bytes[4];
        struct hash hash;
        store_u32(epoch_bytes, epoch);
        const struct span parts[] = {SPAN_OF(x->id.bytes), SPAN_OF(epoch_bytes), SPAN_OF(relay->bytes), {&i, 1}};
        hash_parts(&hash, "sotto sample 1", parts, 4);
        uint32_t index = (uint32_t)(load_u64(hash.bytes) % delivery->count);
        if (!is_sampled(delivery, index))
            delivery->sample[delivery->sample_count++] = index;
    }
    delivery->sampled_height = x->header->height;
    delivery->sampled_ms = x->header->time_ms;
}

void samples_draw(struct execution *x) {
    struct span noted;
    if (!execute_is_sample_due(x->overlay, x->header->height) ||
        !state_noted(x->overlay, &noted, x->header->height - SAMPLE_DELAY))
        return;
    for (struct reader r = reader_of(noted); r.n >= BATCH_REF_BYTES;) {
        struct relay_id relay;
        struct delivery_record delivery;
        uint32_t epoch = read_u32(&r);
        read_bytes(&r, relay.bytes, sizeof relay.bytes);
        if (!state_delivery(x->overlay, &delivery, epoch, &relay))
            continue; // the relay was slashed meanwhile
        draw(x, &delivery, epoch, &relay);
        state_set_delivery(x->overlay, epoch, &relay, &delivery);
    }
    state_note(x->overlay, x->header->height - SAMPLE_DELAY, (struct span){0});
}

// ---- what goes with its relay ----

// The refs without those of the relay. Returns whether there were any.
static bool refs_without(struct buf *out, struct span refs, const struct relay_id *relay) {
    for (size_t at = 0; at + BATCH_REF_BYTES <= refs.n; at += BATCH_REF_BYTES) {
        if (memcmp(refs.p + at + 4, relay->bytes, sizeof relay->bytes) != 0)
            buf_append(out, span_of(refs.p + at, BATCH_REF_BYTES));
    }
    return out->n < refs.n;
}

// If it comes back, a batch in this one's place is drawn for by its own note alone, not twice.
static void forget_notes(struct execution *x, const struct relay_id *relay) {
    struct buf left = {0};
    struct span noted;
    for (uint64_t back = 1; back <= SAMPLE_DELAY && back <= x->header->height; back++) {
        uint64_t height = x->header->height - back;
        buf_clear(&left);
        if (state_noted(x->overlay, &noted, height) && refs_without(&left, noted, relay))
            state_note(x->overlay, height, buf_span(&left));
    }
    buf_clear(&left);
    refs_without(&left, buf_span(&x->batches), relay);
    buf_free(&x->batches);
    x->batches = left;
}

// Batches that may still be there are of this epoch's two predecessors.
void deliveries_drop(struct execution *x, const struct relay_id *relay) {
    for (uint32_t back = 1; back <= 2 && back < x->epoch.epoch; back++)
        state_delete_delivery(x->overlay, x->epoch.epoch - back, relay);
    forget_notes(x, relay);
}

// ---- openings ----

// The place of an index in the sample if it is still to be opened, or -1.
static int sample_place(const struct delivery_record *delivery, uint32_t index) {
    for (int i = 0; i < delivery->sample_count; i++) {
        if (delivery->sample[i] == index && (delivery->opened >> i & 1) == 0)
            return i;
    }
    return -1;
}

static bool leaf_is_there(const struct delivery_record *delivery, uint32_t index, const struct tx_leaf *leaf) {
    return merkle_verify(&delivery->root, delivery->count, index, &leaf->leaf, leaf->path) == OK;
}

static bool neighbours_are_there(const struct delivery_record *delivery, const struct tx_opening *opening) {
    if (opening->has_after != (opening->index + 1 < delivery->count)) // tx_decode sees to the one before
        return false;
    return (!opening->has_before || leaf_is_there(delivery, opening->index - 1, &opening->before)) &&
           (!opening->has_after || leaf_is_there(delivery, opening->index + 1, &opening->after));
}

static bool leaf_below(const struct hash *a, const struct hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) < 0;
}

static bool is_increasing(const struct tx_opening *opening) {
    return (!opening->has_before || leaf_below(&opening->before.leaf, &opening->leaf.leaf)) &&
           (!opening->has_after || leaf_below(&opening->leaf.leaf, &opening->after.leaf));
}

// In order with all leaves that were opened before, so that a repeat far from its twin shows, too. Where the index is
// the same, so is the leaf: both are under one root.
static bool fits_opened(const struct delivery_record *delivery, uint32_t index, const struct hash *leaf) {
    for (size_t i = 0; i < delivery->sample_count; i++) {
        if ((delivery->opened >> i & 1) == 0 || delivery->sample[i] == index)
            continue;
        bool is_before = delivery->sample[i] < index;
        if (!leaf_below(is_before ? &delivery->leaf[i] : leaf, is_before ? leaf : &delivery->leaf[i]))
            return false;
    }
    return true;
}

static bool all_fit_opened(const struct delivery_record *delivery, const struct tx_opening *opening) {
    return fits_opened(delivery, opening->index, &opening->leaf.leaf) &&
           (!opening->has_before || fits_opened(delivery, opening->index - 1, &opening->before.leaf)) &&
           (!opening->has_after || fits_opened(delivery, opening->index + 1, &opening->after.leaf));
}

static bool is_of_secret(const struct tx_opening *opening, const struct relay_id *relay) {
    struct hash leaf;
    delivery_leaf_of(&leaf, opening->secret, relay);
    return memcmp(leaf.bytes, opening->leaf.leaf.bytes, sizeof leaf.bytes) == 0;
}

// That the signer is another relay than the sender, the sender is in the set, and the signature is right, was checked
// without state (tx_check, tx_verify).
static bool receipt_counts(struct execution *x, const struct tx_opening *opening) {
    return opening->set.epoch == opening->epoch &&
           state_is_listed(x->overlay, opening->epoch, &opening->set.relays[opening->signer]);
}

enum tx_outcome opening_execute(struct execution *x, const struct tx *tx) {
    const struct relay_id relay = relay_of_account(&tx->sender);
    const struct tx_opening *opening = &tx->opening;
    struct delivery_record delivery;
    if (!state_delivery(x->overlay, &delivery, opening->epoch, &relay))
        return TX_FAILED_EPOCH;
    int place = sample_place(&delivery, opening->index);
    if (place < 0)
        return TX_FAILED_SAMPLE;
    if (!leaf_is_there(&delivery, opening->index, &opening->leaf) || !neighbours_are_there(&delivery, opening))
        return TX_FAILED_PROOF;
    // The relay's own root, under its own signature, proves it a liar: the leaves repeat or are none of its deliveries.
    if (!is_increasing(opening) || !all_fit_opened(&delivery, opening) || !is_of_secret(opening, &relay)) {
        relay_slash(x, &relay, opening->epoch);
        return TX_DONE;
    }
    if (!receipt_counts(x, opening))
        return TX_FAILED_RECEIPT;
    delivery.opened |= UINT64_C(1) << place;
    delivery.leaf[place] = opening->leaf.leaf;
    state_set_delivery(x->overlay, opening->epoch, &relay, &delivery);
    return TX_DONE;
}

bool delivery_is_free(struct overlay *overlay, const struct tx *tx, uint32_t epoch) {
    const struct relay_id relay = relay_of_account(&tx->sender);
    struct relay_record record;
    struct delivery_record delivery;
    if (!state_relay(overlay, &record, &relay))
        return false;
    if (tx->kind == TX_OPENING)
        return state_delivery(overlay, &delivery, tx->opening.epoch, &relay) &&
               sample_place(&delivery, tx->opening.index) >= 0;
    return tx->kind == TX_DELIVERY_BATCH && tx->delivery_batch.epoch + 1 == epoch &&
           !state_delivery(overlay, &delivery, tx->delivery_batch.epoch, &relay);
}

// ---- settlement ----

struct claim {
    struct relay_id relay;
    uint64_t stake;
    uint32_t count;
    bool is_proven;
    bool is_false;
};

struct claims {
    struct claim *claims;
    size_t count;
    uint64_t leaves; // of the proven ones
    uint64_t stake;  // of all relays
};

// Fewer are no fair chance to open a sample: the ledger stood still.
#define OPENING_BLOCKS_MIN 4

// A sample that was not opened counts against the relay if there was time enough, half an epoch, and blocks to open it
// in. A ledger that stood still may have left less than that; then nothing is lost and nothing paid.
static void judge(const struct execution *x, struct claim *claim, const struct delivery_record *delivery) {
    bool is_sampled = delivery->sampled_height > 0;
    claim->count = delivery->count;
    claim->is_proven = delivery_is_open(delivery);
    claim->is_false = is_sampled && !claim->is_proven &&
                      x->header->height - delivery->sampled_height > OPENING_BLOCKS_MIN &&
                      x->header->time_ms - delivery->sampled_ms >= x->genesis->epoch_ms / 2;
}

static void claims_gather(struct execution *x, struct claims *claims, uint32_t epoch) {
    size_t relay_count;
    struct relay_id *relays = state_relays(x->overlay, &relay_count);
    *claims = (struct claims){.claims = NEW_ARRAY(struct claim, relay_count + 1)};
    for (size_t i = 0; i < relay_count; i++) {
        struct claim *claim = &claims->claims[claims->count];
        struct relay_record record;
        struct delivery_record delivery;
        state_relay(x->overlay, &record, &relays[i]);
        claims->stake += record.stake;
        if (!state_delivery(x->overlay, &delivery, epoch, &relays[i]))
            continue;
        *claim = (struct claim){.relay = relays[i], .stake = record.stake};
        judge(x, claim, &delivery);
        claims->leaves += claim->is_proven ? claim->count : 0;
        claims->count++;
    }
    free(relays);
}

static void pay(struct execution *x, const struct claims *claims, const struct claim *claim, uint64_t budget,
                uint32_t epoch) {
    const struct account_id account = account_of_relay(&claim->relay);
    uint64_t reward = grains_share(budget, claim->count, claims->leaves);
    uint64_t cap = grains_share(budget, 2 * claim->stake, claims->stake);
    reward = reward < cap ? reward : cap;
    account_credit(x, &account, reward);
    x->supply.pool -= reward;
    execution_event(x, LEDGER_RELAY_PAID, claim->relay.bytes, epoch, reward);
}

// Shares are of the budget as it was before the first was paid, and of all stake before any was lost.
void deliveries_settle(struct execution *x, uint32_t epoch) {
    struct claims claims;
    uint64_t budget = x->supply.pool;
    if (budget > x->genesis->ledger.reward_per_epoch)
        budget = x->genesis->ledger.reward_per_epoch;
    claims_gather(x, &claims, epoch);
    for (size_t i = 0; i < claims.count; i++) {
        const struct claim *claim = &claims.claims[i];
        if (claim->is_proven && claims.stake > 0)
            pay(x, &claims, claim, budget, epoch);
        state_delete_delivery(x->overlay, epoch, &claim->relay);
        if (claim->is_false)
            relay_slash(x, &claim->relay, epoch);
    }
    free(claims.claims);
}
