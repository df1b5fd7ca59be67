// Every change of what is stored: items, tombstones, policies, and the counts of them. All else asks here, so that an
// entry, its body, its place in the expiry index and the totals always change together, in one batch.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "mailbox/mailbox_internal.h"

// What else takes space, roughly: keys, entry, index, and the receipts that stay with a tombstone; a proof's key; for a
// policy also the state of its mailbox with all tokens.
#define TOMBSTONE_SPACE_BYTES 620
#define PROOF_OVERHEAD_BYTES 80
#define POLICY_OVERHEAD_BYTES (260 + STATE_RECORD_BYTES_MAX)

_Static_assert(TOMBSTONE_SPACE_BYTES + PROOF_OVERHEAD_BYTES + 32 + OP_DELETE_BYTES_MAX + DELIVERY_RECORD_BYTES_MAX <
                   ITEM_SPACE_BYTES,
               "to delete a held item needs no space");

// A mutation check: the simulator must find the loss that comes from acknowledging an item before it is on disk.
#ifdef SOTTO_MUTATE_LAZY_ITEM
#define ITEM_DURABILITY KV_LAZY
#else
#define ITEM_DURABILITY KV_SYNCED
#endif

const struct item_hash policy_hash = {{0}};

// ---- reading ----

// Our own record does not parse: the store is damaged, and the host ends the process as for a failed read.
static enum err damaged(struct step *step) {
    step->env->kv->failed = ERR_CORRUPT;
    return ERR_CORRUPT;
}

enum err entry_get(struct mailbox *mailbox, struct step *step, struct entry *out, const struct mailbox_id *id,
                   const struct item_hash *hash) {
    struct key key;
    key_entry(&key, id, hash);
    enum err err = step_get(step, key_span(&key), &mailbox->entry_record);
    if (err != OK)
        return err;
    return mailbox_entry_decode(out, buf_span(&mailbox->entry_record)) == OK ? OK : damaged(step);
}

enum err body_get(struct mailbox *mailbox, struct step *step, struct body *out, const struct mailbox_id *id,
                  uint64_t arrival) {
    struct key key;
    key_body(&key, id, arrival);
    enum err err = step_get(step, key_span(&key), &mailbox->body_record);
    if (err != OK)
        return err;
    return body_decode(out, buf_span(&mailbox->body_record)) == OK ? OK : damaged(step);
}

static enum err proof_record_get(struct mailbox *mailbox, struct step *step, struct proof_record *out,
                                 const struct mailbox_id *id, const uint8_t tag[static PROOF_TAG_BYTES]) {
    struct key key;
    key_proof(&key, id, tag);
    enum err err = step_get(step, key_span(&key), &mailbox->proof_record);
    if (err != OK)
        return err;
    return proof_decode(out, buf_span(&mailbox->proof_record)) == OK ? OK : damaged(step);
}

enum err proof_get(struct mailbox *mailbox, struct step *step, struct proof *out, const struct mailbox_id *id,
                   const struct entry *entry) {
    ASSERT(entry->kind != ENTRY_ITEM);
    if (entry->kind == ENTRY_POLICY) {
        *out = entry->proof;
        return OK;
    }
    struct proof_record record;
    if (proof_record_get(mailbox, step, &record, id, entry->tag) != OK)
        return damaged(step); // every tombstone has one
    *out = record.proof;
    return OK;
}

bool state_exists(struct step *step, const struct mailbox_id *id) {
    struct key key;
    key_state(&key, id);
    return step_has(step, key_span(&key));
}

void state_get(struct mailbox *mailbox, struct step *step, struct mailbox_state *out, const struct mailbox_id *id) {
    struct key key;
    key_state(&key, id);
    if (step_get(step, key_span(&key), &mailbox->record) == OK &&
        (state_decode(out, buf_span(&mailbox->record)) == OK || damaged(step) == OK))
        return;
    // A new mailbox, or one that was empty and forgotten, or all that a lost disk left: its numbers begin above all
    // that were ever given out, for no mailbox gets a thousand items a millisecond.
    out->next_arrival = mailbox_wall_ms(mailbox, step) * 1024;
    out->policy_version = 0;
    out->bytes = 0;
    out->items = 0;
    out->strangers = 0;
    out->count = 0;
}

// ---- counts ----

static void state_put(struct step *step, const struct mailbox_state *state, const struct mailbox_id *id) {
    struct key key;
    key_state(&key, id);
    uint8_t record[STATE_RECORD_BYTES_MAX];
    size_t n = state_encode(record, state);
    step_put(step, key_span(&key), span_of(record, n), KV_LAZY);
}

// A mailbox without entries leaves nothing behind.
static void state_put_or_drop(struct step *step, const struct mailbox_state *state, const struct mailbox_id *id) {
    struct key key;
    key_state(&key, id);
    if (state->bytes == 0)
        step_delete(step, key_span(&key), KV_LAZY);
    else
        state_put(step, state, id);
}

static void show_totals(struct mailbox *mailbox, struct step *step) {
    metric_set(step->env->metrics, METRIC_MAILBOX_MESSAGES, (int64_t)mailbox->totals.items);
    metric_set(step->env->metrics, METRIC_MAILBOX_ENTRIES, (int64_t)mailbox->totals.entries);
    metric_set(step->env->metrics, METRIC_MAILBOX_BYTES, (int64_t)mailbox->totals.bytes);
}

// `state` is the mailbox's; its caller stores it.
static void count(struct mailbox *mailbox, struct step *step, struct mailbox_state *state, int items, int entries,
                  int64_t bytes) {
    struct totals *totals = &mailbox->totals;
    state->bytes += (uint64_t)bytes;
    totals->items += (uint64_t)(int64_t)items;
    totals->entries += (uint64_t)(int64_t)entries;
    totals->bytes += (uint64_t)bytes;
    uint8_t record[TOTALS_RECORD_BYTES];
    totals_encode(record, totals);
    struct key key;
    key_totals(&key);
    step_put(step, key_span(&key), SPAN_OF(record), KV_LAZY);
    show_totals(mailbox, step);
}

void totals_load(struct mailbox *mailbox, struct step *step) {
    struct key key;
    key_totals(&key);
    if (step_get(step, key_span(&key), &mailbox->record) == OK &&
        totals_decode(&mailbox->totals, buf_span(&mailbox->record)) != OK)
        damaged(step);
    show_totals(mailbox, step);
}

bool mailbox_has_space(const struct mailbox *mailbox) {
    return !mailbox->disk_low && mailbox->totals.bytes + ITEM_SPACE_BYTES <= mailbox->config.bytes_max;
}

static int64_t entry_bytes(const struct entry *entry) {
    switch (entry->kind) {
    case ENTRY_ITEM:
        return ITEM_SPACE_BYTES;
    case ENTRY_TOMBSTONE:
        return TOMBSTONE_SPACE_BYTES;
    case ENTRY_POLICY:
        break;
    }
    return (int64_t)entry->proof.operation.n + POLICY_OVERHEAD_BYTES;
}

static int64_t proof_bytes(const struct proof *proof) {
    return (int64_t)(proof->operation.n + sizeof proof->replica + PROOF_OVERHEAD_BYTES);
}

// ---- writing ----

static void entry_put(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                      const struct item_hash *hash, const struct entry *entry, enum kv_durability durability) {
    struct key key;
    key_entry(&key, id, hash);
    mailbox_entry_encode(&mailbox->record, entry);
    step_put(step, key_span(&key), buf_span(&mailbox->record), durability);
}

static void expiry_put(struct step *step, const struct mailbox_id *id, const struct item_hash *hash,
                       uint64_t expiry_ms) {
    struct key key;
    key_expiry(&key, expiry_ms, id, hash);
    step_put(step, key_span(&key), (struct span){NULL, 0}, KV_LAZY);
}

static void expiry_delete(struct step *step, const struct mailbox_id *id, const struct item_hash *hash,
                          uint64_t expiry_ms) {
    struct key key;
    key_expiry(&key, expiry_ms, id, hash);
    step_delete(step, key_span(&key), KV_LAZY);
}

void item_put(struct mailbox *mailbox, struct step *step, const struct incoming *in, struct mailbox_state *state) {
    uint64_t arrival = state->next_arrival++;
    struct key key;
    key_body(&key, &in->mailbox, arrival);
    uint8_t record[BODY_RECORD_BYTES];
    body_encode(record, &(struct body){in->expiry_ms, in->hash, in->item});
    // The one synced put: the batch is atomic, so what is put lazily beside it is as durable.
    step_put(step, key_span(&key), SPAN_OF(record), ITEM_DURABILITY);
    struct entry entry = {.kind = ENTRY_ITEM,
                          .expiry_ms = in->expiry_ms,
                          .number = arrival,
                          .stored_ms = mailbox_wall_ms(mailbox, step),
                          .token = in->token,
                          .stamp = in->stamp};
    entry_put(mailbox, step, &in->mailbox, &in->hash, &entry, KV_LAZY);
    expiry_put(step, &in->mailbox, &in->hash, in->expiry_ms);
    quota_take(state, &in->token);
    state->items++;
    count(mailbox, step, state, 1, 1, entry_bytes(&entry));
    state_put(step, state, &in->mailbox);
    struct found found = {.arrival = arrival, .expiry_ms = in->expiry_ms, .hash = in->hash};
    memcpy(found.item, in->item, ITEM_BYTES);
    subscribe_stored(mailbox, step, &in->mailbox, &found);
}

// Takes an item's body and its place in the quotas away; entry and state are the caller's.
static void item_remove(struct step *step, const struct mailbox_id *id, const struct entry *entry,
                        struct mailbox_state *state) {
    struct key key;
    key_body(&key, id, entry->number);
    step_delete(step, key_span(&key), KV_LAZY);
    quota_give(state, &entry->token);
    state->items -= state->items > 0 ? 1 : 0;
}

// Whether the owner showed the secret that opens the item's commitment.
static bool secret_opens(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                         const struct delete_entry *what, const struct entry *entry) {
    struct body body;
    uint8_t commitment[ITEM_COMMITMENT_BYTES];
    commitment_of(commitment, what->secret);
    return body_get(mailbox, step, &body, id, entry->number) == OK &&
           memcmp(commitment, body.item, ITEM_COMMITMENT_BYTES) == 0;
}

// No item can outlive its deletion by more: it was accepted before it was deleted. The slack is for clocks.
static uint64_t unknown_item_expiry_ms(const struct mailbox *mailbox, uint64_t deleted_ms) {
    return deleted_ms + mailbox->config.genesis->item_lifetime_ms + HOUR_MS;
}

// ---- proofs: one for all tombstones of a request ----

static void proof_tag(uint8_t tag[static PROOF_TAG_BYTES], const struct proof *proof) {
    const struct span parts[] = {SPAN_OF(proof->replica.bytes), proof->operation};
    struct hash hash;
    hash_parts(&hash, "sotto proof 1", parts, 2);
    memcpy(tag, hash.bytes, PROOF_TAG_BYTES);
}

static void proof_put(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                      const uint8_t tag[static PROOF_TAG_BYTES], const struct proof_record *record) {
    struct key key;
    key_proof(&key, id, tag);
    proof_encode(&mailbox->record, record);
    step_put(step, key_span(&key), buf_span(&mailbox->record), KV_LAZY);
}

static void proof_take(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                       const uint8_t tag[static PROOF_TAG_BYTES], const struct proof *proof, unsigned uses,
                       struct mailbox_state *state) {
    struct proof_record record;
    if (proof_record_get(mailbox, step, &record, id, tag) != OK) {
        record = (struct proof_record){.proof = *proof};
        count(mailbox, step, state, 0, 0, proof_bytes(proof));
    }
    ASSERT(record.uses + uses <= DELETE_ITEMS_MAX); // an item has one tombstone at most
    record.uses = (uint8_t)(record.uses + uses);
    proof_put(mailbox, step, id, tag, &record);
}

static void proof_give(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                       const uint8_t tag[static PROOF_TAG_BYTES], struct mailbox_state *state) {
    struct proof_record record;
    if (proof_record_get(mailbox, step, &record, id, tag) != OK) {
        damaged(step);
        return;
    }
    if (--record.uses > 0) {
        proof_put(mailbox, step, id, tag, &record);
        return;
    }
    struct key key;
    key_proof(&key, id, tag);
    step_delete(step, key_span(&key), KV_LAZY);
    count(mailbox, step, state, 0, 0, -proof_bytes(&record.proof));
}

// ---- deleting ----

// A deletion under way.
struct deletion {
    const struct op *op;
    const struct proof *proof;
    enum origin origin;
    uint8_t tag[PROOF_TAG_BYTES];
    unsigned tombstones; // made by it
    struct mailbox_state state;
};

static bool has_room_for_tombstone(const struct mailbox *mailbox, const struct deletion *deletion) {
    int64_t bytes = TOMBSTONE_SPACE_BYTES + proof_bytes(deletion->proof); // which is counted last
    return quota_has_room(mailbox, &deletion->state, (uint64_t)bytes, deletion->origin);
}

static void tombstone_put(struct mailbox *mailbox, struct step *step, struct deletion *deletion,
                          const struct item_hash *hash, const struct entry *tombstone, const struct entry *old) {
    const struct mailbox_id *id = &deletion->op->mailbox;
    int64_t old_bytes = old != NULL ? entry_bytes(old) : 0;
// A mutation check: the simulator must find the deleted item that comes back without its tombstone.
#ifdef SOTTO_MUTATE_NO_TOMBSTONE
    (void)tombstone;
    struct key key;
    key_entry(&key, id, hash);
    step_delete(step, key_span(&key), KV_SYNCED);
    count(mailbox, step, &deletion->state, old != NULL ? -1 : 0, old != NULL ? -1 : 0, -old_bytes);
#else
    entry_put(mailbox, step, id, hash, tombstone, KV_SYNCED);
    count(mailbox, step, &deletion->state, old != NULL ? -1 : 0, old != NULL ? 0 : 1,
          entry_bytes(tombstone) - old_bytes);
    deletion->tombstones++;
#endif
}

static enum op_status delete_one(struct mailbox *mailbox, struct step *step, struct deletion *deletion,
                                 const struct delete_entry *what) {
    const struct op *op = deletion->op;
    struct entry old;
    if (memcmp(what->item.bytes, policy_hash.bytes, sizeof policy_hash.bytes) == 0)
        return OP_OK; // the policy's place: no item has this hash
    bool known = entry_get(mailbox, step, &old, &op->mailbox, &what->item) == OK;
    if (known && old.kind != ENTRY_ITEM)
        return OP_OK;
    struct entry tombstone = {.kind = ENTRY_TOMBSTONE};
    memcpy(tombstone.tag, deletion->tag, sizeof tombstone.tag);
    tombstone.expiry_ms = known ? old.expiry_ms : unknown_item_expiry_ms(mailbox, op->time_ms);
    if (!known && tombstone.expiry_ms <= mailbox_wall_ms(mailbox, step))
        return OP_OK; // no item of that time can come any more
    if (!known && !mailbox_has_space(mailbox))
        return OP_RELAY_FULL;
    if (!known && !has_room_for_tombstone(mailbox, deletion))
        return OP_MAILBOX_FULL;
    if (known) {
        if (secret_opens(mailbox, step, &op->mailbox, what, &old))
            delivery_secret(mailbox, step, &op->mailbox, &old, what);
        item_remove(step, &op->mailbox, &old, &deletion->state);
    } else {
        expiry_put(step, &op->mailbox, &what->item, tombstone.expiry_ms);
    }
    tombstone_put(mailbox, step, deletion, &what->item, &tombstone, known ? &old : NULL);
    metric_add(step->env->metrics, METRIC_MAILBOX_DELETED, known ? 1 : 0);
    return OP_OK;
}

enum op_status items_delete(struct mailbox *mailbox, struct step *step, const struct op *op, const struct proof *proof,
                            enum origin origin) {
    struct deletion deletion = {.op = op, .proof = proof, .origin = origin};
    proof_tag(deletion.tag, proof);
    state_get(mailbox, step, &deletion.state, &op->mailbox);
    enum op_status status = OP_OK;
    for (size_t i = 0; i < op->count; i++) {
        enum op_status one = delete_one(mailbox, step, &deletion, &op->deletes[i]);
        status = one != OP_OK ? one : status;
    }
    if (deletion.tombstones > 0)
        proof_take(mailbox, step, &op->mailbox, deletion.tag, proof, deletion.tombstones, &deletion.state);
    state_put_or_drop(step, &deletion.state, &op->mailbox);
    return status;
}

void tombstone_put_mark(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                        const struct item_hash *hash, const struct entry *entry, uint64_t mark) {
    ASSERT(entry->kind == ENTRY_TOMBSTONE);
    struct entry marked = *entry;
    marked.number = mark;
    entry_put(mailbox, step, id, hash, &marked, KV_LAZY);
}

// A policy that its owner does not sign anew is forgotten after this time: mailboxes are thrown away silently.
#define POLICY_LIFETIME_MS (180 * DAY_MS)
// Signed anew, the same one lives on; written again only when that adds so much.
#define POLICY_RENEW_MS (30 * DAY_MS)

enum op_status policy_put(struct mailbox *mailbox, struct step *step, const struct op *op, const struct proof *proof) {
    struct mailbox_state state;
    // Another replica may pass on one that was forgotten here, and with it an older one that it had replaced.
    if (op->time_ms + POLICY_LIFETIME_MS <= mailbox_wall_ms(mailbox, step))
        return OP_EXPIRY;
    state_get(mailbox, step, &state, &op->mailbox);
    bool again = op->version != 0 && op->version == state.policy_version;
    if (op->version <= state.policy_version && !again)
        return OP_REFUSED;
    struct entry old;
    bool known = entry_get(mailbox, step, &old, &op->mailbox, &policy_hash) == OK;
    if (again && known && op->time_ms + POLICY_LIFETIME_MS < old.expiry_ms + POLICY_RENEW_MS)
        return OP_OK;
    int64_t old_bytes = known ? entry_bytes(&old) : 0;
    if (!known && !mailbox_has_space(mailbox))
        return OP_RELAY_FULL;
    if (known)
        expiry_delete(step, &op->mailbox, &policy_hash, old.expiry_ms);
    struct entry entry = {
        .kind = ENTRY_POLICY, .expiry_ms = op->time_ms + POLICY_LIFETIME_MS, .number = op->version, .proof = *proof};
    entry_put(mailbox, step, &op->mailbox, &policy_hash, &entry, KV_SYNCED);
    expiry_put(step, &op->mailbox, &policy_hash, entry.expiry_ms);
    quota_set_policy(&state, op);
    count(mailbox, step, &state, 0, known ? 0 : 1, entry_bytes(&entry) - old_bytes);
    state_put(step, &state, &op->mailbox);
    return OP_OK;
}

void entry_forget(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id, const struct item_hash *hash,
                  const struct entry *entry) {
    struct key key;
    key_entry(&key, id, hash);
    step_delete(step, key_span(&key), KV_LAZY);
    key_receipts(&key, id, hash);
    step_delete(step, key_span(&key), KV_LAZY);
    expiry_delete(step, id, hash, entry->expiry_ms);
    struct mailbox_state state;
    state_get(mailbox, step, &state, id);
    if (entry->kind == ENTRY_ITEM)
        item_remove(step, id, entry, &state);
    if (entry->kind == ENTRY_POLICY)
        quota_set_policy(&state, &(struct op){.kind = OP_POLICY});
    if (entry->kind == ENTRY_TOMBSTONE)
        proof_give(mailbox, step, id, entry->tag, &state);
    count(mailbox, step, &state, entry->kind == ENTRY_ITEM ? -1 : 0, -1, -entry_bytes(entry));
    state_put_or_drop(step, &state, id);
}

// ---- receipts ----

void receipts_get(struct mailbox *mailbox, struct step *step, struct receipts_record *out, const struct mailbox_id *id,
                  const struct item_hash *hash) {
    struct key key;
    key_receipts(&key, id, hash);
    *out = (struct receipts_record){0};
    if (step_get(step, key_span(&key), &mailbox->record) == OK &&
        receipts_decode(out, buf_span(&mailbox->record)) != OK)
        damaged(step);
}

void receipts_put(struct step *step, const struct receipts_record *record, const struct mailbox_id *id,
                  const struct item_hash *hash) {
    struct key key;
    key_receipts(&key, id, hash);
    uint8_t bytes[RECEIPTS_RECORD_BYTES_MAX];
    size_t n = receipts_encode(bytes, record);
    step_put(step, key_span(&key), span_of(bytes, n), KV_LAZY);
}
