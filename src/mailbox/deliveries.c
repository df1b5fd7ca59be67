// What proves to the ledger that items were delivered. docs/spec/state.md, "Deliveries".
//
//   the secret of an item (its recipient's deletion) + another replica's receipt for it -> a leaf and its proof,
//   in the batch of the tombstone -> closed when the batch of the epoch is made -> forgotten when it is settled
//
// They are kept by epoch and sorted by leaf, a hash: neither order nor time of their coming is kept, and what proves a
// delivery (secret, commitment, a receipt whose inner hash hides mailbox and item) links it to nothing. The secret
// stays with the item's own records only while receipts that prove its delivery have not come.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "mailbox/mailbox_internal.h"

// An epoch is settled by the ledger with the last block of the second one after it.
#define SETTLED_AFTER 3

uint32_t deliveries_settled_epoch(const struct mailbox *mailbox) {
    uint32_t epoch = mailbox_epoch(mailbox);
    return epoch > SETTLED_AFTER ? epoch - SETTLED_AFTER : 0;
}

// ---- an epoch as a whole ----

static void epoch_get(struct mailbox *mailbox, struct step *step, struct delivery_epoch *out, uint32_t epoch) {
    struct key key;
    key_delivery_epoch(&key, epoch);
    *out = (struct delivery_epoch){0};
    if (step_get(step, key_span(&key), &mailbox->record) == OK &&
        delivery_epoch_decode(out, buf_span(&mailbox->record)) != OK)
        step->env->kv->failed = ERR_CORRUPT;
}

static void epoch_put(struct step *step, uint32_t number, const struct delivery_epoch *epoch,
                      enum kv_durability durability) {
    struct key key;
    key_delivery_epoch(&key, number);
    uint8_t record[DELIVERY_EPOCH_RECORD_BYTES];
    delivery_epoch_encode(record, epoch);
    step_put(step, key_span(&key), SPAN_OF(record), durability);
}

// ---- proving ----

// The directory of an epoch whose batch is still to come: those of the current epoch and the one before are at hand.
static const struct directory *directory_of(const struct mailbox *mailbox, uint32_t epoch) {
    const struct directory *current = placement_cache_directory(mailbox->current);
    const struct directory *previous = placement_cache_directory(mailbox->previous);
    if (current != NULL && current->epoch == epoch)
        return current;
    return previous != NULL && previous->epoch == epoch ? previous : NULL;
}

// Takes a receipt as the ledger will: of another relay of that epoch's directory, for a set with this relay in it.
static bool receipt_proves(struct delivery *out, const struct mailbox *mailbox, const struct directory *directory,
                           const struct mailbox_id *id, const struct item_hash *hash, uint64_t expiry_ms,
                           const struct receipt *receipt) {
    if (receipt->index >= out->set.count)
        return false;
    const struct relay_id *signer = &out->set.relays[receipt->index];
    if (relay_id_equal(signer, &mailbox->config.self) || directory_find(directory, signer) == NULL)
        return false;
    uint8_t commitment[ITEM_COMMITMENT_BYTES];
    commitment_of(commitment, out->secret);
    if (receipt_verify(receipt, &mailbox->config.genesis->network, &out->set, commitment, id, hash, expiry_ms) != OK)
        return false;
    receipt_inner_of(&out->inner, receipt->rank, id, hash, expiry_ms);
    out->signer = receipt->index;
    out->receipt = receipt->signature;
    return true;
}

static size_t times_in(const struct replica_set *set, const struct relay_id *relay) {
    size_t times = 0;
    for (size_t i = 0; i < set->count; i++)
        times += relay_id_equal(&set->relays[i], relay) ? 1 : 0;
    return times;
}

// The ledger takes no opening whose set names a relay twice.
static bool set_holds(const struct replica_set *set, const struct relay_id *self) {
    for (size_t i = 0; i < set->count; i++) {
        if (times_in(set, &set->relays[i]) != 1)
            return false;
    }
    return times_in(set, self) == 1;
}

static bool prove(struct delivery *out, const struct mailbox *mailbox, const struct mailbox_id *id,
                  const struct item_hash *hash, uint64_t expiry_ms, const struct receipts_record *record) {
    const struct directory *directory = directory_of(mailbox, record->set.epoch);
    if (directory == NULL || !set_holds(&record->set, &mailbox->config.self))
        return false;
    memcpy(out->secret, record->secret, sizeof out->secret);
    out->set = record->set;
    for (size_t i = 0; i < record->receipt_count; i++) {
        if (receipt_proves(out, mailbox, directory, id, hash, expiry_ms, &record->receipts[i]))
            return true;
    }
    return false;
}

// Two items may have the same secret, and so the same leaf, which counts once.
static bool keep(struct mailbox *mailbox, struct step *step, const struct delivery *delivery) {
    struct delivery_epoch epoch;
    struct hash leaf;
    struct key key;
    epoch_get(mailbox, step, &epoch, delivery->set.epoch);
    delivery_leaf_of(&leaf, delivery->secret, &mailbox->config.self);
    key_delivery(&key, delivery->set.epoch, &leaf);
    if (epoch.closed || epoch.count >= mailbox->config.deliveries_max || step_has(step, key_span(&key)))
        return false;
    uint8_t record[DELIVERY_RECORD_BYTES_MAX];
    size_t n = delivery_encode(record, delivery);
    step_put(step, key_span(&key), span_of(record, n), KV_LAZY); // as durable as the tombstone in the same batch
    epoch.count++;
    epoch_put(step, delivery->set.epoch, &epoch, KV_LAZY);
    return true;
}

// Once a delivery is kept, its secret is no longer needed beside the item: no later receipt may prove it again.
static void try_to_prove(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                         const struct item_hash *hash, uint64_t expiry_ms, struct receipts_record *record) {
    struct delivery delivery;
    if (!record->has_secret || !record->has_set || !prove(&delivery, mailbox, id, hash, expiry_ms, record) ||
        !keep(mailbox, step, &delivery))
        return;
    record->has_secret = false;
    memset(record->secret, 0, sizeof record->secret);
    metric_add(step->env->metrics, METRIC_MAILBOX_PROVEN, 1);
}

void delivery_secret(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id, const struct entry *item,
                     const struct delete_entry *what) {
    struct receipts_record record;
    receipts_get(mailbox, step, &record, id, &what->item);
    record.has_secret = true;
    memcpy(record.secret, what->secret, sizeof record.secret);
    try_to_prove(mailbox, step, id, &what->item, item->expiry_ms, &record);
    receipts_put(step, &record, id, &what->item);
}

void delivery_receipts(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                       const struct item_hash *hash, const struct replica_set *set, const struct receipt *receipts,
                       size_t count) {
    struct entry entry;
    struct receipts_record record;
    // Beside an entry only: nobody would ever forget them after one that has expired meanwhile.
    if (entry_get(mailbox, step, &entry, id, hash) != OK || entry.kind == ENTRY_POLICY)
        return;
    receipts_get(mailbox, step, &record, id, hash);
    record.has_set = true;
    record.set = *set;
    record.receipt_count = count;
    memcpy(record.receipts, receipts, count * sizeof record.receipts[0]);
    try_to_prove(mailbox, step, id, hash, entry.expiry_ms, &record); // the recipient may have been faster
    receipts_put(step, &record, id, hash);
}

// ---- for the ledger ----

uint32_t mailbox_deliveries_close(struct mailbox *mailbox, struct step *step, uint32_t epoch) {
    struct delivery_epoch record;
    epoch_get(mailbox, step, &record, epoch);
    if (!record.closed) {
        record.closed = true;
        epoch_put(step, epoch, &record, KV_SYNCED);
    }
    return record.count;
}

uint32_t mailbox_deliveries_leaves(struct hash **leaves, const struct kv_snapshot *snapshot, uint32_t epoch,
                                   uint32_t max) {
    ASSERT(max <= MAILBOX_DELIVERIES_MAX);
    struct key from;
    key_delivery(&from, epoch, &(struct hash){{0}});
    struct kv_cursor *cursor = kv_scan(snapshot, key_span(&from));
    struct span key;
    struct span value;
    uint32_t of_epoch;
    uint32_t count = 0;
    *leaves = NEW_ARRAY(struct hash, max);
    while (count < max && kv_cursor_at(cursor, &key, &value) && key_delivery_read(&of_epoch, &(*leaves)[count], key) &&
           of_epoch == epoch) {
        count++;
        kv_cursor_next(cursor);
    }
    kv_cursor_free(cursor);
    return count;
}

enum err mailbox_delivery(struct delivery *out, const struct kv_snapshot *snapshot, uint32_t epoch,
                          const struct hash *leaf) {
    struct key key;
    struct buf value = {0};
    key_delivery(&key, epoch, leaf);
    enum err err = kv_snapshot_get(snapshot, key_span(&key), &value);
    if (err == OK)
        err = delivery_decode(out, buf_span(&value));
    buf_free(&value);
    return err;
}
