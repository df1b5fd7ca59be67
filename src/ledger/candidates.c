// Blocks that have been proposed: held, checked, executed on trial; and our own, built.
//
//   held -> signatures of its unknown transactions (jobs) -> tried on the head's state -> valid, or not
//
// A trial leaves its writes behind: when the block is decided they are the new state.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/keys.h"
#include "ledger/ledger_internal.h"

struct candidate *candidate_find(const struct ledger *ledger, const struct block_id *id) {
    for (size_t i = 0; i < ledger->candidate_count; i++)
        if (block_id_equal(&ledger->candidates[i]->id, id))
            return ledger->candidates[i];
    return NULL;
}

static void candidate_free(struct candidate *candidate) {
    executed_free(&candidate->executed);
    overlay_free(candidate->overlay);
    block_free(&candidate->block);
    buf_free(&candidate->bytes);
    free(candidate);
}

// Takes the bytes over.
static struct candidate *candidate_take(struct ledger *ledger, struct buf *bytes, const struct block_id *id) {
    struct candidate *candidate = NEW(struct candidate);
    candidate->bytes = *bytes;
    candidate->id = *id;
    *bytes = (struct buf){0};
    struct block_id found;
    enum err err = block_decode(&candidate->block, buf_span(&candidate->bytes));
    if (err == OK)
        block_id_of(&found, &candidate->block.header);
    if (err != OK || !block_id_equal(&found, id)) {
        candidate_free(candidate);
        return NULL;
    }
    ledger->candidates[ledger->candidate_count++] = candidate;
    ledger->candidate_bytes += candidate->bytes.n;
    return candidate;
}

struct candidate *candidate_add(struct ledger *ledger, struct span bytes, const struct block_id *id) {
    struct candidate *held = candidate_find(ledger, id);
    struct buf copy = {0};
    if (held != NULL)
        return held;
    if (ledger->candidate_count == CANDIDATES_MAX || ledger->candidate_bytes + bytes.n > CANDIDATE_BYTES_MAX)
        return NULL;
    buf_append(&copy, bytes);
    return candidate_take(ledger, &copy, id);
}

// ---- in the store

static struct span candidate_key(uint8_t key[static 34], const struct block_id *id) {
    key[0] = KV_SPACE_LEDGER;
    key[1] = LEDGER_CANDIDATES;
    memcpy(key + 2, id->bytes, 32);
    return span_of(key, 34);
}

struct candidate *candidate_get(struct ledger *ledger, struct step *step, const struct block_id *id) {
    uint8_t key[34];
    struct buf bytes = {0};
    struct candidate *candidate = candidate_find(ledger, id);
    if (candidate != NULL || ledger->candidate_count == CANDIDATES_MAX ||
        step_get(step, candidate_key(key, id), &bytes) != OK)
        return candidate;
    candidate = candidate_take(ledger, &bytes, id);
    if (candidate != NULL) {
        candidate->is_kept = true;
        candidate->state = CANDIDATE_VERIFIED; // or it would not have been kept
    }
    return candidate;
}

// Others may be locked on it, and all validators may crash: it is on disk before anything that we say of it leaves.
static void candidate_keep(struct step *step, struct candidate *candidate) {
    uint8_t key[34];
    if (!candidate->is_kept)
        step_put(step, candidate_key(key, &candidate->id), buf_span(&candidate->bytes), KV_SYNCED);
    candidate->is_kept = true;
}

void candidates_drop(struct ledger *ledger, struct step *step) {
    size_t left = 0;
    ledger->candidate_bytes = 0;
    for (size_t i = 0; i < ledger->candidate_count; i++) {
        struct candidate *candidate = ledger->candidates[i];
        uint8_t key[34];
        if (candidate->block.header.height > ledger->chain.height) {
            ledger->candidates[left++] = candidate;
            ledger->candidate_bytes += candidate->bytes.n;
            continue;
        }
        if (candidate->is_kept)
            step_delete(step, candidate_key(key, &candidate->id), KV_LAZY);
        candidate_free(candidate);
    }
    ledger->candidate_count = left;
}

void candidates_free(struct ledger *ledger) {
    for (size_t i = 0; i < ledger->candidate_count; i++)
        candidate_free(ledger->candidates[i]);
    ledger->candidate_count = 0;
}

// ---- checking

static const char *against_header(const struct ledger *ledger, const struct step *step,
                                  const struct block_header *header, bool decided) {
    if (header->height != ledger->chain.height + 1)
        return "its height is not the next one";
    if (!block_id_equal(&header->parent, &ledger->chain.id))
        return "its parent is not the head";
    if (header->time_ms <= ledger->chain.header.time_ms)
        return "its time is not after its parent's";
    if (!decided && header->time_ms > step->now.wall_ms + CLOCK_AHEAD_MS)
        return "its time is more than 5 s ahead of this clock";
    if (validator_set_find(&ledger->set, &header->proposer) < 0)
        return "its proposer is no validator";
    return NULL;
}

enum err candidate_try(struct ledger *ledger, struct step *step, struct candidate *candidate, bool decided,
                       const char **why) {
    ASSERT(!apply_is_hidden(ledger, step));
    *why = against_header(ledger, step, &candidate->block.header, decided);
    if (*why != NULL)
        return ERR_INVALID;
    if (candidate->overlay != NULL)
        return OK;
    struct overlay *overlay = overlay_over_kv(step->env->kv);
    enum err err = execute_block(&candidate->executed, overlay, ledger->config.genesis, &candidate->block, why);
    if (err != OK)
        overlay_free(overlay);
    else
        candidate->overlay = overlay;
    return err;
}

static void tell_validity(struct ledger *ledger, struct step *step, struct candidate *candidate) {
    struct bft_input input = {.kind = BFT_INPUT_BLOCK_VALIDITY};
    input.validity.value = candidate->id;
    input.validity.ok = candidate->state == CANDIDATE_VALID;
    candidate->wanted = false;
    if (input.validity.ok)
        candidate_keep(step, candidate);
    driver_input(ledger, step, &input);
}

static void try_wanted(struct ledger *ledger, struct step *step, struct candidate *candidate) {
    const char *why = NULL;
    enum err err = candidate_try(ledger, step, candidate, candidate->decided, &why);
    if (err != OK && err != ERR_INVALID) {
        ledger_break(ledger, step, "the store is damaged: a block could not be executed");
        return;
    }
    candidate->state = err == OK ? CANDIDATE_VALID : CANDIDATE_INVALID;
    if (err != OK && candidate->decided) {
        ledger_break(ledger, step, "over two thirds decided a block that is wrong by this node's rules");
        return;
    }
    if (err != OK) {
        metric_add(step->env->metrics, METRIC_LEDGER_PROPOSALS_REFUSED, 1);
        log_reason(&step->env->log, LOG_WARN, "ledger", "a proposed block is not valid", why);
    }
    tell_validity(ledger, step, candidate);
}

// As far as it can be taken now.
static void advance(struct ledger *ledger, struct step *step, struct candidate *candidate) {
    if (candidate->state == CANDIDATE_HELD) {
        bool unknown = gossip_verify_block(ledger, step, candidate) > 0;
        candidate->state = unknown ? CANDIDATE_VERIFYING : CANDIDATE_VERIFIED;
    }
    bool next = candidate->block.header.height <= ledger->chain.height + 1;
    if (candidate->state == CANDIDATE_VERIFIED && next && !apply_is_hidden(ledger, step))
        try_wanted(ledger, step, candidate);
    else if (candidate->state == CANDIDATE_VALID || candidate->state == CANDIDATE_INVALID)
        tell_validity(ledger, step, candidate);
}

void candidate_want(struct ledger *ledger, struct step *step, const struct block_id *id, bool decided) {
    struct candidate *candidate = candidate_get(ledger, step, id);
    if (candidate == NULL)
        return; // it comes with a proposal, or by sync
    candidate->wanted = true;
    if (decided && !candidate->decided && candidate->state == CANDIDATE_INVALID)
        candidate->state = CANDIDATE_VERIFIED; // its time was too far ahead: that is no reason any more
    candidate->decided = candidate->decided || decided;
    advance(ledger, step, candidate);
}

void candidate_verified(struct ledger *ledger, struct step *step, const struct block_id *id, bool all_right) {
    struct candidate *candidate = candidate_find(ledger, id);
    if (candidate == NULL || candidate->state != CANDIDATE_VERIFYING)
        return;
    ASSERT(candidate->jobs > 0);
    candidate->jobs--;
    if (!all_right)
        candidate->state = CANDIDATE_INVALID;
    else if (candidate->jobs == 0)
        candidate->state = CANDIDATE_VERIFIED;
    if (candidate->wanted)
        advance(ledger, step, candidate);
}

// ---- building

static void header_begin(const struct ledger *ledger, const struct step *step, struct block_header *header,
                         struct overlay *overlay) {
    const struct chain *chain = &ledger->chain;
    *header = (struct block_header){.height = chain->height + 1, .parent = chain->id};
    header->time_ms = step->now.wall_ms > chain->header.time_ms ? step->now.wall_ms : chain->header.time_ms + 1;
    header->proposer = *signer_key(ledger->signer);
    execute_fill_header(header, overlay, ledger->config.genesis);
}

// Those of the mempool that the block may hold, in order. The spans point into the mempool.
static uint32_t choose(struct ledger *ledger, struct step *step, const struct block_header *header, struct span *txs) {
    bool *taken = NEW_ARRAY(bool, BLOCK_TXS_MAX);
    size_t count = mempool_candidates(ledger->mempool, txs, BLOCK_TXS_MAX,
                                      BLOCK_BYTES_MAX - BLOCK_HEADER_BYTES - 4 * BLOCK_TXS_MAX);
    struct overlay *overlay = overlay_over_kv(step->env->kv);
    uint32_t left = 0;
    if (count > 0)
        execute_filter(taken, overlay, ledger->config.genesis, header, txs, count);
    overlay_free(overlay);
    struct tx_id *refused = NEW_ARRAY(struct tx_id, count + 1);
    size_t refused_count = 0;
    for (size_t i = 0; i < count; i++)
        if (taken[i])
            txs[left++] = txs[i];
        else
            tx_id_of(&refused[refused_count++], txs[i]);
    // What does not apply now may never: its sender can send it again. The chosen ones' spans stay where they are.
    for (size_t i = 0; i < refused_count; i++)
        mempool_remove(ledger->mempool, &refused[i]);
    free(refused);
    free(taken);
    return left;
}

static struct candidate *build(struct ledger *ledger, struct step *step) {
    struct overlay *overlay = overlay_over_kv(step->env->kv);
    struct span *txs = NEW_ARRAY(struct span, BLOCK_TXS_MAX);
    struct buf bytes = {0};
    struct block_header header;
    struct block_id id;
    header_begin(ledger, step, &header, overlay);
    uint32_t count = choose(ledger, step, &header, txs);
    block_encode(&bytes, &header, txs, count);
    block_id_of(&id, &header);
    struct candidate *candidate = candidate_find(ledger, &id);
    if (candidate == NULL)
        candidate = candidate_take(ledger, &bytes, &id);
    buf_free(&bytes);
    free(txs);
    overlay_free(overlay);
    return candidate;
}

static void build_wanted(struct ledger *ledger, struct step *step) {
    const char *why = NULL;
    ledger->build_wanted = false;
    if (ledger->candidate_count == CANDIDATES_MAX || ledger->build_height != ledger->chain.height + 1)
        return; // the round ends without a block of ours
    struct candidate *candidate = build(ledger, step);
    ASSERT(candidate != NULL);
    enum err err = candidate_try(ledger, step, candidate, false, &why);
    if (err != OK) {
        log_reason(&step->env->log, LOG_ERROR, "ledger", "a block of our own is not valid", why);
        candidate->state = CANDIDATE_INVALID;
        return;
    }
    candidate->state = CANDIDATE_VALID;
    candidate_keep(step, candidate);
    struct bft_input input = {.kind = BFT_INPUT_BUILT_VALUE};
    input.built.height = ledger->build_height;
    input.built.round = ledger->build_round;
    input.built.value = candidate->id;
    driver_input(ledger, step, &input);
}

void candidates_tick(struct ledger *ledger, struct step *step) {
    if (apply_is_hidden(ledger, step) || ledger->broken != NULL)
        return;
    if (ledger->build_wanted)
        build_wanted(ledger, step);
    for (size_t i = 0; i < ledger->candidate_count && ledger->broken == NULL; i++)
        if (ledger->candidates[i]->wanted)
            advance(ledger, step, ledger->candidates[i]);
}
