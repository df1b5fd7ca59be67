// The ledger's records as JSON: amounts with their units, keys and hashes in hexadecimal, transactions by their kind.
#include <string.h>

#include "api/api_internal.h"
#include "base/assert.h"
#include "ledger/amount.h"
#include "ledger/block.h"

#define HEX_OF(value) format_hex((value).bytes, sizeof((value).bytes))

json_t *format_amount(uint64_t grains) {
    char text[AMOUNT_TEXT_MAX];
    amount_format(text, grains);
    return json_pack("{so ss}", "grains", format_number(grains), "text", text);
}

static json_t *address_text(const struct address *address) {
    char text[ADDRESS_TEXT_MAX];
    address_format(text, address);
    return json_string(text);
}

static json_t *onion_keys(const struct onion_keys *onion) {
    json_t *array = json_array();
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++) {
        json_array_append_new(array, HEX_OF(onion->keys[i]));
    }
    return array;
}

json_t *format_node_relay(const struct node_relay *relay) {
    return json_pack("{so so sI so}", "id", HEX_OF(relay->id), "address", address_text(&relay->address), "first_epoch",
                     (json_int_t)relay->onion.first_epoch, "onion_keys", onion_keys(&relay->onion));
}

// ---- the chain

json_t *format_consensus(const struct ledger_chain_record *chain) {
    return json_pack("{so sI ss sb sb so sI}", "height", format_number(chain->consensus_height), "round",
                     (json_int_t)chain->round, "step", chain->step, "validator", chain->validator, "syncing",
                     chain->syncing, "peer_height", format_number(chain->peer_height), "peers",
                     (json_int_t)chain->peers);
}

json_t *format_chain(const struct ledger_chain_record *chain) {
    return json_pack("{so ss so so so so so so sI so s{sI sI}}", "network", HEX_OF(chain->network), "consensus_kind",
                     consensus_text(chain->consensus), "fee_min", format_amount(chain->fee_min), "relay_stake_min",
                     format_amount(chain->relay_stake_min), "validator_stake_min",
                     format_amount(chain->validator_stake_min), "height", format_number(chain->height), "id",
                     HEX_OF(chain->id), "state_root", HEX_OF(chain->state_root), "epoch", (json_int_t)chain->epoch,
                     "time_ms", format_number(chain->time_ms), "mempool", "count", (json_int_t)chain->mempool_count,
                     "bytes", (json_int_t)chain->mempool_bytes);
}

json_t *format_validators(const struct validator_set *set) {
    json_t *array = json_array();
    for (size_t i = 0; i < set->count; i++) {
        const struct validator *validator = &set->validators[i];
        json_array_append_new(array, json_pack("{so so so}", "key", HEX_OF(validator->key), "operator",
                                               HEX_OF(validator->operator), "power", format_number(validator->power)));
    }
    return json_pack("{so so}", "power", format_number(set->total), "validators", array);
}

// ---- transactions

static json_t *format_register(const struct tx_register_relay *body) {
    return json_pack("{so so sI so so so}", "relay", HEX_OF(body->relay), "address", address_text(&body->address),
                     "first_epoch", (json_int_t)body->onion.first_epoch, "onion_keys", onion_keys(&body->onion),
                     "stake", format_amount(body->stake), "deposit", format_amount(body->deposit));
}

static json_t *format_opening(const struct tx_opening *body) {
    return json_pack("{sI sI so so so}", "epoch", (json_int_t)body->epoch, "index", (json_int_t)body->index, "leaf",
                     HEX_OF(body->leaf.leaf), "secret", format_hex(body->secret, sizeof(body->secret)), "receipt_of",
                     HEX_OF(body->set.relays[body->signer]));
}

static json_t *format_evidence(const struct evidence *body) {
    return json_pack("{ss so so}", "of", body->kind == EVIDENCE_VOTES ? "votes" : "proposals", "accused",
                     HEX_OF(*evidence_accused(body)), "height", format_number(evidence_height(body)));
}

// What a transaction of this kind says; NULL: nothing beside its kind.
static json_t *format_body(const struct tx *tx) {
    switch (tx->kind) {
    case TX_TRANSFER:
        return json_pack("{so so}", "to", HEX_OF(tx->transfer.to), "amount", format_amount(tx->transfer.amount));
    case TX_STAKE:
        return json_pack("{so so}", "key", HEX_OF(tx->stake.key), "amount", format_amount(tx->stake.amount));
    case TX_UNSTAKE:
        return json_pack("{so}", "amount", format_amount(tx->unstake.amount));
    case TX_REGISTER_RELAY:
        return format_register(&tx->register_relay);
    case TX_UPDATE_RELAY:
        return json_pack("{so sI so}", "address", address_text(&tx->update_relay.address), "first_epoch",
                         (json_int_t)tx->update_relay.onion.first_epoch, "onion_keys",
                         onion_keys(&tx->update_relay.onion));
    case TX_RETIRE_RELAY:
        return NULL;
    case TX_VALIDATOR_VOTE:
        return json_pack("{so so so}", "key", HEX_OF(tx->validator_vote.key), "power",
                         format_number(tx->validator_vote.power), "expiry_height",
                         format_number(tx->validator_vote.expiry_height));
    case TX_DELIVERY_BATCH:
        return json_pack("{sI so sI}", "epoch", (json_int_t)tx->delivery_batch.epoch, "root",
                         HEX_OF(tx->delivery_batch.root), "count", (json_int_t)tx->delivery_batch.count);
    case TX_OPENING:
        return format_opening(&tx->opening);
    case TX_EVIDENCE:
        return format_evidence(&tx->evidence);
    }
    return NULL;
}

// Adds what the bytes say; of a pruned block there are none.
static void add_content(json_t *object, struct span bytes) {
    struct tx tx;
    if (tx_decode(&tx, bytes) != OK) {
        return;
    }
    json_object_set_new(object, "kind", json_string(tx_kind_text(tx.kind)));
    json_object_set_new(object, "sender", HEX_OF(tx.sender));
    json_object_set_new(object, "nonce", format_number(tx.nonce));
    json_object_set_new(object, "fee", format_amount(tx.fee));
    json_object_set_new(object, "bytes", format_hex(bytes.p, bytes.n));
    json_t *body = format_body(&tx);
    if (body != NULL) {
        json_object_set_new(object, tx_kind_text(tx.kind), body);
    }
}

static json_t *format_outcome(enum tx_outcome outcome) {
    return json_pack("{sb ss}", "done", outcome == TX_DONE, "text", tx_outcome_text(outcome));
}

static json_t *format_proof(const struct ledger_tx_record *record) {
    json_t *path = json_array();
    for (size_t i = 0; i < record->path_count; i++) {
        json_array_append_new(path, HEX_OF(record->path[i]));
    }
    return json_pack("{sI sI so}", "tx_count", (json_int_t)record->tx_count, "index", (json_int_t)record->index, "path",
                     path);
}

json_t *format_tx(const struct ledger_tx_record *record) {
    json_t *object =
        json_pack("{so ss}", "id", HEX_OF(record->id), "status", record->status == TX_FINAL ? "final" : "pending");
    if (record->status == TX_FINAL) {
        json_object_set_new(object, "height", format_number(record->height));
        json_object_set_new(object, "outcome", format_outcome(record->outcome));
    }
    if (record->tx_count > 0) {
        json_object_set_new(object, "proof", format_proof(record));
    }
    add_content(object, buf_span(&record->bytes));
    return object;
}

// ---- blocks

static json_t *format_certificate(struct span bytes) {
    struct certificate certificate;
    enum err err = certificate_decode(&certificate, bytes);
    ASSERT(err == OK); // the node has verified it
    json_t *signatures = json_array();
    for (size_t i = 0; i < certificate.count; i++) {
        const struct certificate_vote *vote = &certificate.votes[i];
        json_array_append_new(signatures, json_pack("{sI so}", "validator", (json_int_t)vote->validator, "signature",
                                                    HEX_OF(vote->signature)));
    }
    return json_pack("{sI so}", "round", (json_int_t)certificate.round, "signatures", signatures);
}

static json_t *format_header(const struct block_header *header) {
    return json_pack("{so so so so so sI so so sI so}", "height", format_number(header->height), "time_ms",
                     format_number(header->time_ms), "parent", HEX_OF(header->parent), "state_root",
                     HEX_OF(header->state_root), "tx_root", HEX_OF(header->tx_root), "tx_count",
                     (json_int_t)header->tx_count, "validators_hash", HEX_OF(header->validators),
                     "next_validators_hash", HEX_OF(header->next_validators), "epoch", (json_int_t)header->epoch,
                     "proposer", HEX_OF(header->proposer));
}

static json_t *tx_ids(const struct block *block) {
    json_t *array = json_array();
    for (uint32_t i = 0; i < block->header.tx_count; i++) {
        const struct tx_id id = block_tx_id(block, i);
        json_array_append_new(array, HEX_OF(id));
    }
    return array;
}

static json_t *tx_contents(const struct block *block) {
    json_t *array = json_array();
    for (uint32_t i = 0; i < block->header.tx_count; i++) {
        const struct tx_id id = block_tx_id(block, i);
        json_t *object = json_pack("{so}", "id", HEX_OF(id));
        add_content(object, block->txs[i]);
        json_array_append_new(array, object);
    }
    return array;
}

static void decode_own(struct block *block, const struct ledger_answer *answer) {
    enum err err = block_decode(block, buf_span(&answer->block));
    ASSERT(err == OK); // the node has executed it
}

json_t *format_block(const struct ledger_answer *answer) {
    struct block block;
    decode_own(&block, answer);
    json_t *object = format_header(&block.header);
    json_object_set_new(object, "id", HEX_OF(answer->block_id));
    json_object_set_new(object, "bytes", json_integer((json_int_t)answer->block.n));
    json_object_set_new(object, "certificate", format_certificate(buf_span(&answer->certificate)));
    json_object_set_new(object, "txs", tx_ids(&block));
    block_free(&block);
    return object;
}

json_t *format_block_txs(const struct ledger_answer *answer) {
    struct block block;
    decode_own(&block, answer);
    json_t *object = json_pack("{so so}", "height", format_number(block.header.height), "txs", tx_contents(&block));
    block_free(&block);
    return object;
}

// ---- relays

static json_t *format_batch(uint32_t epoch, const struct delivery_record *batch) {
    json_t *sample = json_array();
    json_int_t opened = 0;
    for (size_t i = 0; i < batch->sample_count; i++) {
        json_array_append_new(sample, json_integer((json_int_t)batch->sample[i]));
        opened += (json_int_t)(batch->opened >> i & 1);
    }
    return json_pack("{sI sI so so sI}", "epoch", (json_int_t)epoch, "count", (json_int_t)batch->count, "root",
                     HEX_OF(batch->root), "sample", sample, "opened", opened);
}

json_t *format_ledger_relay(const struct ledger_relay_record *record) {
    const struct relay_record *relay = &record->relay;
    json_t *object =
        json_pack("{so so so so so so sI so so}", "id", format_hex(record->id, sizeof(record->id)), "operator",
                  HEX_OF(relay->operator), "placement", HEX_OF(relay->placement), "address",
                  address_text(&relay->address), "stake", format_amount(relay->stake), "balance",
                  format_amount(record->account.balance), "since_epoch", (json_int_t)relay->since_epoch, "deliveries",
                  format_number(record->deliveries), "rewards", format_amount(record->rewards));
    if (relay->retired_epoch != EPOCH_NONE) {
        json_object_set_new(object, "retired_epoch", json_integer((json_int_t)relay->retired_epoch));
    }
    if (record->has_batch) {
        json_object_set_new(object, "batch", format_batch(record->batch_epoch, &record->batch));
    }
    return object;
}

// ---- what is told to those who watch

static json_t *format_event(const struct ledger_event *event) {
    json_t *id = format_hex(event->id, sizeof(event->id));
    json_int_t epoch = (json_int_t)event->epoch;
    switch (event->kind) {
    case LEDGER_SET_CHANGED:
        json_decref(id);
        return json_pack("{ss}", "type", "validators");
    case LEDGER_EPOCH_BEGINS:
        json_decref(id);
        return json_pack("{ss sI}", "type", "epoch", "epoch", epoch);
    case LEDGER_VALIDATOR_SLASHED:
        return json_pack("{ss so so}", "type", "slash", "validator", id, "amount", format_amount(event->amount));
    case LEDGER_RELAY_SLASHED:
        return json_pack("{ss so sI so}", "type", "slash", "relay", id, "epoch", epoch, "amount",
                         format_amount(event->amount));
    case LEDGER_RELAY_PAID:
        return json_pack("{ss so sI so}", "type", "reward", "relay", id, "epoch", epoch, "amount",
                         format_amount(event->amount));
    case LEDGER_RELAY_GONE:
        return json_pack("{ss so so}", "type", "retired", "relay", id, "amount", format_amount(event->amount));
    }
    json_decref(id);
    return json_object();
}

json_t *format_note(const struct ledger_note *note) {
    json_t *object = NULL;
    switch (note->kind) {
    case LEDGER_NOTE_BLOCK:
        object = json_pack("{ss so so sI}", "type", "block", "id", HEX_OF(note->block), "time_ms",
                           format_number(note->time_ms), "tx_count", (json_int_t)note->tx_count);
        break;
    case LEDGER_NOTE_TX:
        object =
            json_pack("{ss so ss so so}", "type", "tx", "id", HEX_OF(note->tx), "kind", tx_kind_text(note->tx_kind),
                      "sender", HEX_OF(note->sender), "outcome", format_outcome(note->outcome));
        break;
    case LEDGER_NOTE_BATCH:
        object = json_pack("{ss so sI sI}", "type", "batch", "relay", HEX_OF(note->sender), "epoch",
                           (json_int_t)note->batch_epoch, "count", (json_int_t)note->batch_count);
        break;
    case LEDGER_NOTE_EVENT:
        object = format_event(&note->event);
        break;
    }
    json_object_set_new(object, "height", format_number(note->height));
    return object;
}
