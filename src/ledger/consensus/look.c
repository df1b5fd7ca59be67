// The state of a core as others may see it.
#include "crypto/hash.h"
#include "ledger/consensus/bft_internal.h"
#include "ledger/consensus/record.h"

static size_t count_votes(const struct bft *core) {
    size_t count = 0;
    for (size_t i = 0; i < ROUNDS_KEPT; i++)
        count += core->rounds[i].prevotes.count + core->rounds[i].precommits.count;
    return count;
}

static size_t count_set_aside(const struct bft *core) {
    size_t count = 0;
    for (size_t i = 0; i < VALIDATORS_MAX; i++) {
        if (core->ahead[i] != NULL)
            count += core->ahead[i]->vote_count + (core->ahead[i]->has_proposal ? 1 : 0);
    }
    return count;
}

void bft_look(const struct bft *core, struct bft_view *out) {
    *out = (struct bft_view){.height = core->height,
                             .round = core->round,
                             .step = core->step,
                             .locked_round = core->locked_round,
                             .locked_value = core->locked_value,
                             .valid_round = core->valid_round,
                             .valid_value = core->valid_value,
                             .behind = core->behind,
                             .due = core->due,
                             .votes = count_votes(core),
                             .set_aside = count_set_aside(core)};
}

// ---- digest ----

static void put(struct buf *out, uint64_t v) {
    store_u64(buf_extend(out, 8), v);
}

static void put_value(struct buf *out, const struct block_id *value) {
    buf_append(out, SPAN_OF(value->bytes));
}

static void put_certificate(struct buf *out, const struct certificate *certificate) {
    put(out, certificate != NULL);
    if (certificate != NULL)
        bft_record_encode(out, &(struct bft_input){.kind = BFT_INPUT_CERTIFICATE, .certificate = certificate});
}

static void put_proposal(struct buf *out, const struct proposal *proposal, const struct certificate *prevotes) {
    proposal_encode(buf_extend(out, PROPOSAL_BYTES), proposal);
    put_certificate(out, prevotes);
}

static void put_table(struct buf *out, const struct bft *core, const struct vote_table *table) {
    put(out, table->count);
    put(out, table->power);
    put(out, table->has_quorum);
    for (size_t i = 0; table->slots != NULL && i < core->set.count; i++) {
        const struct vote_slot *slot = &table->slots[i];
        put(out, slot->present);
        put_value(out, &slot->value);
        buf_append(out, SPAN_OF(slot->signature.bytes));
    }
}

static void put_round(struct buf *out, const struct bft *core, const struct round *round) {
    put(out, round->in_use);
    put(out, round->number);
    put(out, round->has_proposal);
    put_proposal(out, &round->proposal, round->prevotes_of_valid_round);
    put(out, round->verdict);
    put_table(out, core, &round->prevotes);
    put_table(out, core, &round->precommits);
    put(out, round->quorum_seen);
    put(out, round->prevote_timer);
    put(out, round->precommit_timer);
}

static void put_own(struct buf *out, const struct own_vote *own) {
    put(out, own->wanted);
    put(out, own->is_signed);
    put(out, own->vote.round);
    put_value(out, &own->vote.value);
    buf_append(out, SPAN_OF(own->vote.signature.bytes));
}

static void put_standing(struct buf *out, const struct bft *core) {
    for (size_t i = 0; i < core->set.count; i++) {
        put(out, core->heard[i]);
        put(out, core->highest_round[i]);
        put(out, core->accused[i]);
    }
    put(out, core->heard_power);
    put(out, core->ahead_power);
    put(out, core->valid_value_count);
    for (size_t i = 0; i < VALID_VALUES_MAX; i++)
        put_value(out, &core->valid_values[i]);
}

static void put_head(struct buf *out, const struct bft *core) {
    put(out, core->height);
    bft_record_encode(
        out, &(struct bft_input){.kind = BFT_INPUT_START, .start = {core->height, &core->set, &core->next_set}});
    put(out, core->round);
    put(out, core->step);
    put(out, core->locked_round);
    put_value(out, &core->locked_value);
    put(out, core->valid_round);
    put_value(out, &core->valid_value);
    put_certificate(out, core->valid_prevotes);
    put(out, core->due);
    put(out, core->behind);
    put(out, core->decision.verdict);
    put_certificate(out, core->decision.certificate);
}

void bft_digest(const struct bft *core, struct hash *out) {
    struct buf state = {0};
    if (core->height > 0)
        put_head(&state, core);
    put_standing(&state, core);
    for (size_t i = 0; i < ROUNDS_KEPT; i++)
        put_round(&state, core, &core->rounds[i]);
    put_own(&state, &core->own_prevote);
    put_own(&state, &core->own_precommit);
    put(&state, core->own_proposal.wanted);
    put(&state, core->own_proposal.is_signed);
    put_proposal(&state, &core->own_proposal.proposal, core->own_proposal.prevotes);
    hash_bytes(out, "sotto consensus state 1", buf_span(&state));
    buf_free(&state);
}
