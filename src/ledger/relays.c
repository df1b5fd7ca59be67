// Relays on the ledger: an operator registers one and stakes for it; from then on the relay speaks for itself.
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "ledger/execution.h"

struct relay_id relay_of_account(const struct account_id *account) {
    struct relay_id relay;
    memcpy(relay.bytes, account->bytes, sizeof relay.bytes);
    return relay;
}

struct account_id account_of_relay(const struct relay_id *relay) {
    struct account_id account;
    memcpy(account.bytes, relay->bytes, sizeof account.bytes);
    return account;
}

// Keys begin with this epoch or a neighbour of it. Which it is the clock says: the ledger's may not have begun yet, and
// relays that come before it does make keys by the clock, too.
static bool keys_fit(const struct execution *x, const struct onion_keys *onion) {
    uint32_t by_clock = epoch_at(x->genesis, x->header->time_ms);
    uint32_t epoch = by_clock > x->epoch.epoch ? by_clock : x->epoch.epoch;
    return onion->first_epoch <= epoch + 1 && onion->first_epoch + 1 >= epoch;
}

// Drawn from this block's id, which nobody knew when the relay's key was made: who proposes the block could choose
// among blocks, nobody else among keys.
static void draw_placement(struct placement_id *out, const struct execution *x, const struct relay_id *relay) {
    struct hash hash;
    const struct span parts[] = {SPAN_OF(x->id.bytes), SPAN_OF(relay->bytes)};
    hash_parts(&hash, "sotto placement id 1", parts, 2);
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
}

enum tx_outcome register_execute(struct execution *x, const struct tx *tx) {
    const struct tx_register_relay *wanted = &tx->register_relay;
    struct relay_record record;
    if (state_relay(x->overlay, &record, &wanted->relay))
        return TX_FAILED_EXISTS;
    if (state_relay_count(x->overlay) >= DIRECTORY_RELAYS_MAX)
        return TX_FAILED_FULL;
    if (wanted->stake < x->genesis->ledger.relay_stake_min)
        return TX_FAILED_STAKE;
    if (!keys_fit(x, &wanted->onion))
        return TX_FAILED_KEYS;
    if (!account_debit(x, &tx->sender, wanted->stake + wanted->deposit)) // each at most GRAINS_MAX
        return TX_FAILED_FUNDS;
    record = (struct relay_record){
        .operator= tx->sender,
        .address = wanted->address,
        .onion = wanted->onion,
        .stake = wanted->stake,
        .retired_epoch = EPOCH_NONE,
        .free_epoch = EPOCH_NONE,
    };
    draw_placement(&record.placement, x, &wanted->relay);
    state_add_relay(x->overlay, &wanted->relay, &record);
    const struct account_id account = account_of_relay(&wanted->relay);
    account_credit(x, &account, wanted->deposit);
    return TX_DONE;
}

bool update_is_free(struct overlay *overlay, const struct account_id *sender, uint32_t epoch) {
    const struct relay_id relay = relay_of_account(sender);
    struct relay_record record;
    return state_relay(overlay, &record, &relay) && record.free_epoch != epoch;
}

enum tx_outcome update_execute(struct execution *x, const struct tx *tx) {
    const struct relay_id relay = relay_of_account(&tx->sender);
    const struct tx_update_relay *wanted = &tx->update_relay;
    struct relay_record record;
    if (!state_relay(x->overlay, &record, &relay))
        return TX_FAILED_RELAY;
    if (record.retired_epoch != EPOCH_NONE)
        return TX_FAILED_RETIRED;
    if (!keys_fit(x, &wanted->onion) || wanted->onion.first_epoch < record.onion.first_epoch)
        return TX_FAILED_KEYS;
    record.address = wanted->address;
    record.onion = wanted->onion;
    if (tx->fee < x->genesis->ledger.fee_min)
        record.free_epoch = x->epoch.epoch;
    state_set_relay(x->overlay, &relay, &record);
    return TX_DONE;
}

// Before the first epoch nothing is owed to anybody, and a relay that retires is gone at once.
enum tx_outcome retire_execute(struct execution *x, const struct tx *tx) {
    const struct relay_id relay = relay_of_account(&tx->sender);
    struct relay_record record;
    if (!state_relay(x->overlay, &record, &relay))
        return TX_FAILED_RELAY;
    if (record.retired_epoch != EPOCH_NONE)
        return TX_FAILED_RETIRED;
    record.retired_epoch = x->epoch.epoch;
    state_set_relay(x->overlay, &relay, &record);
    if (x->epoch.epoch == 0)
        relays_leave(x, 0);
    return TX_DONE;
}

void relay_slash(struct execution *x, const struct relay_id *id, uint32_t epoch) {
    struct relay_record record;
    if (!state_relay(x->overlay, &record, id))
        return;
    x->supply.pool += record.stake;
    execution_event(x, LEDGER_RELAY_SLASHED, id->bytes, epoch, record.stake);
    deliveries_drop(x, id);
    state_delete_relay(x->overlay, id);
}

void relays_leave(struct execution *x, uint32_t epoch) {
    size_t count;
    struct relay_id *relays = state_relays(x->overlay, &count);
    for (size_t i = 0; i < count; i++) {
        struct relay_record record;
        state_relay(x->overlay, &record, &relays[i]);
        if (record.retired_epoch > epoch) // EPOCH_NONE is beyond all
            continue;
        unbond(x, &record.operator, record.stake, NULL);
        execution_event(x, LEDGER_RELAY_GONE, relays[i].bytes, epoch, record.stake);
        deliveries_drop(x, &relays[i]);
        state_delete_relay(x->overlay, &relays[i]);
    }
    free(relays);
}
