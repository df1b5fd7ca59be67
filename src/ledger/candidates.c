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

static struct candidate *candidate_find(const struct ledger *ledger, const struct block_id *id) {
    for (size_t i = 0; i < ledger->candidate_count; i++)
        if (block_id_equal(&ledger->candidates[i]->id, id))
            return ledger->candidates[i];
    return NULL;
}

struct candidate *candidate_numbered(const struct ledger *ledger, uint64_t number) {
    for (size_t i = 0; i < ledger->candidate_count; i++)
        if (ledger->candidates[i]->number == number)
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

static void candidate_forget(struct ledger *ledger, size_t i) {
    struct candidate *candidate = ledger->candidates[i];
    ledger->candidate_count--;
    ledger->candidate_bytes -= candidate->bytes.n;
    memmove(ledger->candidates + i, ledger->candidates + i + 1,
            (ledger->candidate_count - i) * sizeof(ledger->candidates[0]));
    candidate_free(candidate);
}

// ---- room

static size_t count_held_of(const struct ledger *ledger, const struct sign_public *proposer) {
    size_t count = 0;
    for (size_t i = 0; i < ledger->candidate_count; i++) {
        const struct candidate *candidate = ledger->candidates[i];
        count += !candidate->is_kept && !candidate->wanted &&
                 memcmp(candidate->proposer.bytes, proposer->bytes, sizeof(proposer->bytes)) == 0;
    }
    return count;
}

// How easily it can be done without, 0: not at all. What is in the store can be had again; of the others whoever sends
// the most loses first, so that no proposer can take the place of the rest.
static size_t dispensable(const struct ledger *ledger, const struct candidate *candidate) {
    if (candidate->wanted)
        return 0;
    if (candidate->state == CANDIDATE_INVALID)
        return SIZE_MAX;
    return candidate->is_kept ? 3 : 2 * count_held_of(ledger, &candidate->proposer);
}

static bool is_full(const struct ledger *ledger, size_t more) {
    return ledger->candidate_count == CANDIDATES_MAX || ledger->candidate_bytes + more > CANDIDATE_BYTES_MAX;
}

static bool make_room(struct ledger *ledger, size_t bytes) {
    while (is_full(ledger, bytes)) {
        size_t best = 0, most = 0;
        for (size_t i = 0; i < ledger->candidate_count; i++) {
            size_t rank = dispensable(ledger, ledger->candidates[i]);
            if (rank > most) {
                best = i;
                most = rank;
            }
        }
        if (most == 0)
            return false;
        candidate_forget(ledger, best);
    }
    return true;
}

// ---- what consensus asked for before it was here

static void miss(struct ledger *ledger, const struct block_id *id, bool decided) {
    ledger->missing[ledger->missing_count++ % MISSING_MAX] = (struct missing_block){*id, decided};
}

static void answer_missing(struct ledger *ledger, struct candidate *candidate) {
    for (size_t i = 0; i < ledger->missing_count && i < MISSING_MAX; i++) {
        if (!block_id_equal(&ledger->missing[i].id, &candidate->id))
            continue;
        candidate->wanted = true;
        candidate->decided = candidate->decided || ledger->missing[i].decided;
    }
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
    candidate->number = ++ledger->candidates_taken;
    ledger->candidates[ledger->candidate_count++] = candidate;
    ledger->candidate_bytes += candidate->bytes.n;
    answer_missing(ledger, candidate);
    return candidate;
}

struct candidate *candidate_add(struct ledger *ledger, struct span bytes, const struct block_id *id,
                                const struct sign_public *proposer) {
    struct candidate *held = candidate_find(ledger, id);
    struct buf copy = {0};
    if (held != NULL)
        return held;
    if (!make_room(ledger, bytes.n))
        return NULL;
    buf_append(&copy, bytes);
    held = candidate_take(ledger, &copy, id);
    if (held != NULL)
        held->proposer = *proposer;
    return held;
}

// ---- in the store

static struct span candidate_key(uint8_t key[static 34], const struct block_id *id) {
    key[0] = KV_SPACE_LEDGER;
    key[1] = LEDGER_CANDIDATES;
    memcpy(key + 2, id->bytes, 32);
    return span_of(key, 34);
}

// The ids of all that are kept: a process that comes after a crash knows by it what to delete.
static struct span kept_key(uint8_t key[static 34]) {
    static const struct block_id none;
    candidate_key(key, &none);
    return span_of(key, 2);
}

struct candidate *candidate_get(struct ledger *ledger, struct step *step, const struct block_id *id) {
    uint8_t key[34];
    struct buf bytes = {0};
    struct candidate *candidate = candidate_find(ledger, id);
    if (candidate != NULL || step_get(step, candidate_key(key, id), &bytes) != OK)
        return candidate;
    if (!make_room(ledger, bytes.n)) {
        buf_free(&bytes);
        return NULL;
    }
    candidate = candidate_take(ledger, &bytes, id);
    if (candidate != NULL) {
        candidate->is_kept = true;
        candidate->state = CANDIDATE_VERIFIED; // or it would not have been kept
    }
    return candidate;
}

// Others may be locked on it, and all validators may crash: it is on disk before anything that we say of it leaves.
static void candidate_keep(struct ledger *ledger, struct step *step, struct candidate *candidate) {
    uint8_t key[34];
    if (candidate->is_kept)
        return;
    candidate->is_kept = true;
    step_put(step, candidate_key(key, &candidate->id), buf_span(&candidate->bytes), KV_SYNCED);
    buf_append(&ledger->kept, SPAN_OF(candidate->id.bytes));
    step_put(step, kept_key(key), buf_span(&ledger->kept), KV_SYNCED);
}

enum err candidates_load(struct ledger *ledger, struct step *step) {
    uint8_t key[34];
    enum err err = step_get(step, kept_key(key), &ledger->kept);
    if (err == ERR_NOT_FOUND)
        return OK;
    return err == OK && ledger->kept.n % sizeof(struct block_id) != 0 ? ERR_CORRUPT : err;
}

// All that are kept are of the height that was decided: blocks are judged at no other.
static void forget_kept(struct ledger *ledger, struct step *step) {
    uint8_t key[34];
    struct block_id id;
    for (size_t i = 0; i < ledger->kept.n; i += sizeof(id)) {
        memcpy(id.bytes, ledger->kept.p + i, sizeof(id));
        step_delete(step, candidate_key(key, &id), KV_LAZY);
    }
    if (ledger->kept.n > 0)
        step_delete(step, kept_key(key), KV_LAZY);
    buf_clear(&ledger->kept);
}

void candidates_drop(struct ledger *ledger, struct step *step) {
    for (size_t i = ledger->candidate_count; i-- > 0;)
        if (ledger->candidates[i]->block.header.height <= ledger->chain.height)
            candidate_forget(ledger, i);
    ledger->missing_count = 0;
    forget_kept(ledger, step);
}

void candidates_free(struct ledger *ledger) {
    while (ledger->candidate_count > 0)
        candidate_forget(ledger, ledger->candidate_count - 1);
}

// ---- checking

static bool is_early(const struct step *step, const struct block_header *header) {
    return header->time_ms > step->now.wall_ms && header->time_ms - step->now.wall_ms > CLOCK_AHEAD_MS;
}

static const char *against_header(const struct ledger *ledger, const struct step *step,
                                  const struct block_header *header, bool decided) {
    if (header->height != ledger->chain.height + 1)
        return "its height is not the next one";
    if (!block_id_equal(&header->parent, &ledger->chain.id))
        return "its parent is not the head";
    if (header->time_ms <= ledger->chain.header.time_ms)
        return "its time is not after its parent's";
    if (!decided && is_early(step, header))
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
    struct overlay *overlay = overlay_over_pages(ledger->pages);
    enum err err = execute_block(&candidate->executed, overlay, ledger->config.genesis, &candidate->block, why);
    if (err != OK)
        overlay_free(overlay);
    else
        candidate->overlay = overlay;
    if (err != OK && err != ERR_INVALID)
        pages_clear(ledger->pages);
    return err;
}

static void tell_validity(struct ledger *ledger, struct step *step, struct candidate *candidate) {
    struct bft_input input = {.kind = BFT_INPUT_BLOCK_VALIDITY};
    input.validity.value = candidate->id;
    input.validity.ok = candidate->state == CANDIDATE_VALID;
    candidate->wanted = false;
    if (input.validity.ok)
        candidate_keep(ledger, step, candidate);
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
    candidate->was_early = err != OK && is_early(step, &candidate->block.header);
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
    if (candidate->state == CANDIDATE_HELD && gossip_may_verify(ledger, candidate)) {
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
    if (candidate == NULL) {
        miss(ledger, id, decided); // it comes with a proposal, or by sync
        return;
    }
    candidate->wanted = true;
    if (candidate->state == CANDIDATE_INVALID && candidate->was_early)
        candidate->state = CANDIDATE_VERIFIED; // by now, or now that it is decided, that may be no reason any more
    candidate->decided = candidate->decided || decided;
    advance(ledger, step, candidate);
}

void candidate_verified(struct ledger *ledger, struct step *step, struct candidate *candidate, bool all_right) {
    if (candidate->state != CANDIDATE_VERIFYING)
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
    if (ledger->build_height != ledger->chain.height + 1 || !make_room(ledger, BLOCK_BYTES_MAX))
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
    candidate_keep(ledger, step, candidate);
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
