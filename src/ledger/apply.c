// A decided block becomes the head: block, certificate and the state that it makes are one batch, so that no crash can
// come between them. What is said of it leaves when that batch is on disk.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/bundle.h"
#include "ledger/keys.h"
#include "ledger/ledger_internal.h"

// ---- the directory of an epoch, as clients get it: with the next header, which has the state's root

static struct span bundle_key(uint8_t key[static 6], uint32_t epoch) {
    key[0] = KV_SPACE_LEDGER;
    key[1] = LEDGER_BUNDLES;
    store_u32(key + 2, epoch);
    return span_of(key, 6);
}

// `header` is of the block after the one that began the epoch; the store still shows the state that its root is of.
static void bundle_make(struct ledger *ledger, struct step *step, const struct block_header *header,
                        const struct certificate *certificate) {
    struct overlay *overlay = overlay_over_kv(step->env->kv);
    struct epoch_record epoch = {0};
    struct span directory;
    state_epoch(overlay, &epoch);
    bool begun = epoch.epoch > 0 && epoch.begin_ms == ledger->chain.header.time_ms;
    if (begun && state_directory_bytes(overlay, &directory, epoch.epoch)) {
        struct ledger_bundle *bundle = NEW(struct ledger_bundle);
        struct buf bytes = {0}, proof = {0};
        struct state_key key;
        struct hash hash;
        uint8_t stored[6];
        state_directory_key(&key, epoch.epoch);
        tree_key(&hash, state_key_span(&key));
        tree_prove(&proof, overlay, &hash);
        bundle->directory = directory;
        bundle->proof = buf_span(&proof);
        bundle->header = *header;
        bundle->certificate = *certificate;
        bundle->validators = ledger->set;
        bundle->epoch = epoch.epoch;
        bundle_encode(&bytes, bundle);
        step_put(step, bundle_key(stored, epoch.epoch), buf_span(&bytes), KV_SYNCED);
        if (epoch.epoch > DIRECTORIES_KEPT)
            step_delete(step, bundle_key(stored, epoch.epoch - DIRECTORIES_KEPT), KV_LAZY);
        ledger->ports.directory(ledger->ports.ctx, step, epoch.epoch, buf_span(&bytes));
        buf_free(&proof);
        buf_free(&bytes);
        free(bundle);
    }
    overlay_free(overlay);
}

// ---- the head

// The node may call the ledger more than once in a step: so it is the store that says when the step is over.
bool apply_is_hidden(struct ledger *ledger, struct step *step) {
    if (ledger->applied && chain_shown_height(step->env->kv) == ledger->chain.height) {
        struct overlay *overlay = overlay_over_kv(step->env->kv);
        struct supply supply;
        ledger->applied = !state_supply(overlay, &supply); // genesis itself may not be there yet
        overlay_free(overlay);
    }
    return ledger->applied;
}

static void tx_of_chain(struct chain_tx *out, const struct candidate *candidate, uint32_t index) {
    struct tx tx;
    enum err err = tx_decode(&tx, candidate->block.txs[index]);
    ASSERT(err == OK); // it was executed
    out->id = block_tx_id(&candidate->block, index);
    out->result = (uint8_t)candidate->executed.outcomes[index];
    out->account_count = 0;
    if (tx.kind != TX_EVIDENCE)
        out->accounts[out->account_count++] = tx.sender;
    struct account_id other = tx.sender;
    if (tx.kind == TX_TRANSFER)
        other = tx.transfer.to;
    else if (tx.kind == TX_REGISTER_RELAY)
        memcpy(other.bytes, tx.register_relay.relay.bytes, 32);
    if (memcmp(other.bytes, tx.sender.bytes, 32) != 0)
        out->accounts[out->account_count++] = other;
}

static void settle_tx(struct ledger *ledger, const struct candidate *candidate, const struct tx *tx) {
    struct account account;
    if (tx->kind == TX_EVIDENCE) { // what else accuses the same key is of no use any more
        const struct account_id accused = mempool_accused(evidence_accused(&tx->evidence));
        mempool_settle(ledger->mempool, &accused, 1);
        return;
    }
    state_account(candidate->overlay, &account, &tx->sender);
    mempool_settle(ledger->mempool, &tx->sender, account.nonce);
}

static void settle(struct ledger *ledger, const struct candidate *candidate) {
    for (uint32_t i = 0; i < candidate->block.header.tx_count; i++) {
        struct tx tx;
        enum err err = tx_decode(&tx, candidate->block.txs[i]);
        ASSERT(err == OK);
        settle_tx(ledger, candidate, &tx);
    }
}

static void note_tx(struct ledger *ledger, struct step *step, struct ledger_note *note, struct span bytes,
                    const struct chain_tx *chain_tx) {
    struct tx tx;
    enum err err = tx_decode(&tx, bytes);
    ASSERT(err == OK);
    note->kind = LEDGER_NOTE_TX;
    note->tx = chain_tx->id;
    note->outcome = (enum tx_outcome)chain_tx->result;
    note->tx_kind = tx.kind;
    note->sender = tx.sender;
    queries_note(ledger, step, note);
    queries_final(ledger, step, &chain_tx->id);
    if (tx.kind != TX_DELIVERY_BATCH || note->outcome != TX_DONE)
        return;
    note->kind = LEDGER_NOTE_BATCH;
    note->batch_epoch = tx.delivery_batch.epoch;
    note->batch_count = tx.delivery_batch.count;
    queries_note(ledger, step, note);
}

static void note_all(struct ledger *ledger, struct step *step, const struct candidate *candidate,
                     const struct chain_tx *txs) {
    const struct block_header *header = &candidate->block.header;
    struct ledger_note note = {.kind = LEDGER_NOTE_BLOCK,
                               .height = header->height,
                               .time_ms = header->time_ms,
                               .block = candidate->id,
                               .tx_count = header->tx_count};
    queries_note(ledger, step, &note);
    for (size_t i = 0; i < header->tx_count; i++)
        note_tx(ledger, step, &note, candidate->block.txs[i], &txs[i]);
    note.kind = LEDGER_NOTE_EVENT;
    for (size_t i = 0; i < candidate->executed.event_count; i++) {
        note.event = candidate->executed.events[i];
        queries_note(ledger, step, &note);
    }
}

// The store still shows the deliveries that this block has paid for.
static void note_earnings(struct step *step, const struct executed *executed) {
    struct overlay *overlay = overlay_over_kv(step->env->kv);
    for (size_t i = 0; i < executed->event_count; i++) {
        const struct ledger_event *event = &executed->events[i];
        struct delivery_record delivery;
        struct relay_id relay;
        memcpy(relay.bytes, event->id, 32);
        if (event->kind == LEDGER_RELAY_PAID && state_delivery(overlay, &delivery, event->epoch, &relay))
            chain_earn(step, &relay, delivery.count, event->amount);
    }
    overlay_free(overlay);
}

static void take_state(struct ledger *ledger, struct step *step, struct overlay *overlay) {
    state_validators(overlay, &ledger->set);
    state_validators_next(overlay, &ledger->next_set);
    ledger->due_ms = execute_due_ms(overlay, ledger->config.genesis);
    ledger->sample_due = execute_is_sample_due(overlay, ledger->chain.height + 1);
    chain_put_set(step, &ledger->next_set);
}

static void tell_metrics(const struct ledger *ledger, struct step *step, uint32_t txs) {
    struct metrics *metrics = step->env->metrics;
    metric_set(metrics, METRIC_LEDGER_HEIGHT, (int64_t)ledger->chain.height);
    metric_set(metrics, METRIC_LEDGER_VALIDATORS, (int64_t)ledger->set.count);
    metric_set(metrics, METRIC_LEDGER_MEMPOOL_TXS, (int64_t)mempool_count(ledger->mempool));
    metric_set(metrics, METRIC_LEDGER_MEMPOOL_BYTES, (int64_t)mempool_bytes(ledger->mempool));
    metric_add(metrics, METRIC_LEDGER_BLOCKS, 1);
    metric_add(metrics, METRIC_LEDGER_TXS, txs);
}

// A mutation check: worlds must find a state that has come without its block.
static void write_state(struct ledger *ledger, struct step *step, const struct overlay *overlay) {
#ifndef SOTTO_MUTATE_SPLIT_APPLY
    overlay_writes(overlay, step->batch, KV_SYNCED);
    pages_follow(ledger->pages, step->batch);
#else
    struct kv_batch batch = {0};
    overlay_writes(overlay, &batch, KV_SYNCED);
    pages_follow(ledger->pages, &batch);
    enum err err = kv_write(step->env->kv, &batch);
    ASSERT(err == OK);
    kv_batch_free(&batch);
#endif
}

void apply_block(struct ledger *ledger, struct step *step, struct candidate *candidate,
                 const struct certificate *certificate) {
    const struct block_header *header = &candidate->block.header;
    ASSERT(candidate->overlay != NULL && !apply_is_hidden(ledger, step) && header->height == ledger->chain.height + 1);
    bundle_make(ledger, step, header, certificate);
    note_earnings(step, &candidate->executed);
    struct chain_tx *txs = NEW_ARRAY(struct chain_tx, header->tx_count + 1);
    for (uint32_t i = 0; i < header->tx_count; i++)
        tx_of_chain(&txs[i], candidate, i);
    write_state(ledger, step, candidate->overlay);
    chain_append(&ledger->chain, step, header, buf_span(&candidate->bytes), certificate, txs);
    ledger->root = candidate->executed.state_root;
    ledger->applied = true;
    ledger->head_mono_ms = step->now.mono_ms;
    take_state(ledger, step, candidate->overlay);
    peers_follow_set(ledger, step);
    settle(ledger, candidate);
    gossip_settle(ledger, step, &candidate->block);
    tell_metrics(ledger, step, header->tx_count);
    note_all(ledger, step, candidate, txs);
    free(txs);
    candidates_drop(ledger, step);
    peers_tell_status(ledger, step, NULL);
    driver_start_height(ledger, step);
}

// ---- the beginning

static enum err write_genesis(struct ledger *ledger, struct step *step, struct overlay *overlay) {
    enum err err = execute_genesis(&ledger->root, overlay, ledger->config.genesis);
    if (err != OK)
        return err;
    overlay_writes(overlay, step->batch, KV_SYNCED);
    state_validators(overlay, &ledger->set);
    chain_put_set(step, &ledger->set);
    return OK;
}

enum err apply_load(struct ledger *ledger, struct step *step) {
    struct overlay *overlay = overlay_over_kv(step->env->kv);
    struct supply supply;
    enum err err = OK;
    bool begun = state_supply(overlay, &supply);
    if (!begun && overlay_failed(overlay) == OK)
        err = ledger->chain.height == 0 ? write_genesis(ledger, step, overlay) : ERR_CORRUPT;
    if (err == OK) {
        tree_root(&ledger->root, overlay);
        take_state(ledger, step, overlay);
        err = overlay_failed(overlay);
    }
    ledger->pages = pages_new(step->env->kv, PAGES_BYTES_MAX, &step->env->rng);
    ledger->applied = !begun; // a state that was just written shows in the next step
    overlay_free(overlay);
    return err;
}
