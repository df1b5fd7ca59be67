// The end of an epoch: deliveries are settled, relays leave, the set of validators (pos) and the next directory are
// fixed. docs/spec/state.md, "Epochs".
#include <stdlib.h>

#include "crypto/hash.h"
#include "ledger/execution.h"

// Epochs are numbered by the clock, from genesis on: nodes know which one it is, and which onion keys are in use,
// without the chain. The first begins with the block after the min_relays-th registration; any other with the block
// after the first whose time is in it or beyond. A ledger that stood still passes over those in which it made no block.
static uint32_t next_epoch(const struct execution *x) {
    uint32_t by_clock = epoch_at(x->genesis, x->header->time_ms);
    if (x->epoch.epoch == 0 && state_relay_count(x->overlay) >= x->genesis->min_relays)
        return by_clock > 0 ? by_clock : 1;
    return x->epoch.epoch > 0 && by_clock > x->epoch.epoch ? by_clock : x->epoch.epoch;
}

// ---- the directory ----

static bool has_key_for(const struct onion_keys *onion, uint32_t epoch) {
    return onion->first_epoch <= epoch && epoch - onion->first_epoch < ONION_KEYS_AHEAD;
}

// The relays with an onion key for the epoch, as the directory lists them.
static void gather_relays(struct execution *x, struct directory *directory) {
    size_t count;
    struct relay_id *relays = state_relays(x->overlay, &count);
    directory->relays = NEW_ARRAY(struct directory_relay, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct relay_record record;
        state_relay(x->overlay, &record, &relays[i]);
        if (!has_key_for(&record.onion, directory->epoch))
            continue;
        if (record.since_epoch == 0) {
            record.since_epoch = directory->epoch;
            state_set_relay(x->overlay, &relays[i], &record);
        }
        directory->relays[directory->relay_count++] = (struct directory_relay){
            .id = relays[i],
            .placement = record.placement,
            .address = record.address,
            .onion = record.onion,
            .placed = record.retired_epoch == EPOCH_NONE,
            .since_epoch = record.since_epoch,
        };
    }
    free(relays);
}

// H("sotto placed 1", (id, placement) of each placed relay).
static void placed_hash(struct hash *out, const struct directory *directory) {
    struct buf bytes = {0};
    for (size_t i = 0; i < directory->relay_count; i++) {
        const struct directory_relay *relay = &directory->relays[i];
        if (!relay->placed)
            continue;
        buf_append(&bytes, SPAN_OF(relay->id.bytes));
        buf_append(&bytes, SPAN_OF(relay->placement.bytes));
    }
    hash_bytes(out, "sotto placed 1", buf_span(&bytes));
    buf_free(&bytes);
}

static void store_directory(struct execution *x, uint32_t previous, const struct directory *directory) {
    struct buf bytes = {0}, ids = {0};
    directory_encode(&bytes, directory);
    for (size_t i = 0; i < directory->relay_count; i++)
        buf_append(&ids, SPAN_OF(directory->relays[i].id.bytes));
    state_set_directory(x->overlay, previous, directory->epoch, buf_span(&bytes), buf_span(&ids));
    buf_free(&bytes);
    buf_free(&ids);
}

static void fix_directory(struct execution *x, uint32_t previous) {
    struct hash placed;
    struct directory directory = {
        .network = x->genesis->network,
        .epoch = x->epoch.epoch,
        .issued_ms = x->header->time_ms,
        .stamp_bits = x->genesis->stamp_bits,
    };
    gather_relays(x, &directory);
    placed_hash(&placed, &directory);
    if (!span_equal(SPAN_OF(placed.bytes), SPAN_OF(x->epoch.placed.bytes)))
        x->epoch.changed_epoch = x->epoch.epoch;
    x->epoch.placed = placed;
    directory.changed_epoch = x->epoch.changed_epoch;
    store_directory(x, previous, &directory);
    free(directory.relays);
}

// ---- the end ----

// Epoch e is settled with the last block of e + 2. What was passed over is settled with what came before it.
static void settle_ended(struct execution *x, uint32_t ending, uint32_t next) {
    uint32_t last = next - 3 < ending ? next - 3 : ending; // of later ones there are no batches
    if (next <= 3)
        return;
    for (uint32_t epoch = ending > 2 ? ending - 2 : 1; epoch <= last; epoch++) {
        deliveries_settle(x, epoch);
        relays_leave(x, epoch);
    }
}

void epoch_end_if_due(struct execution *x) {
    uint32_t ending = x->epoch.epoch;
    uint32_t next = next_epoch(x);
    if (next == ending)
        return;
    if (ending > 0)
        settle_ended(x, ending, next);
    if (x->genesis->ledger.consensus == CONSENSUS_POS && ending > 0)
        set_by_stake(x);
    x->epoch.epoch = next;
    x->epoch.begin_ms = x->header->time_ms;
    fix_directory(x, ending);
    state_set_epoch(x->overlay, &x->epoch);
    execution_event(x, LEDGER_EPOCH_BEGINS, NULL, x->epoch.epoch, 0);
}
