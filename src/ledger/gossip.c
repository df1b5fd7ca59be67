// Transactions on their way: in from peers and users, verified in jobs, into the mempool, and on to the validators.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/ledger_internal.h"

#define MEMBER_TXS_PER_S 100000 // a validator's word: it has verified them itself
#define TX_BURST_S 2

// ---- into the mempool

// The state as this step makes it. What is read of it is kept until a block changes it: who sends one transaction often
// sends more.
static struct overlay *state_begin(struct ledger *ledger, struct step *step) {
    if (apply_is_hidden(ledger, step))
        return overlay_over_step(step);
    if (ledger->seen == NULL)
        ledger->seen = overlay_over_kv(step->env->kv);
    return ledger->seen;
}

static void forget_seen(struct ledger *ledger) {
    overlay_free(ledger->seen);
    ledger->seen = NULL;
}

static void state_end(struct ledger *ledger, struct overlay *state) {
    if (state != ledger->seen)
        overlay_free(state);
    else if (overlay_touched(state) > SEEN_MAX)
        forget_seen(ledger);
}

static enum mempool_verdict pool(struct ledger *ledger, struct step *step, struct overlay *state, const struct tx *tx,
                                 const struct tx_id *id, struct span bytes) {
    struct mempool_tx entry = {
        .id = *id, .sender = tx->sender, .nonce = tx->nonce, .fee = tx->fee, .bytes = bytes, .free_of_fee = true};
    struct account account = {0};
    uint64_t height;
    uint32_t index;
    if (tx->kind == TX_EVIDENCE) {
        // Against keys of nobody anybody can make evidence without end; it would never be sent away.
        if (chain_tx_place(step, id, &height, &index) == OK ||
            !execute_accuses(state, &tx->evidence, ledger->chain.height + 1))
            return MEMPOOL_NONCE_USED;
        entry.sender = mempool_accused(evidence_accused(&tx->evidence));
        return mempool_add(ledger->mempool, &entry, 0);
    }
    state_account(state, &account, &tx->sender);
    entry.free_of_fee = execute_is_free(state, tx);
    if (!entry.free_of_fee && account.balance < tx->fee)
        return MEMPOOL_UNPAYABLE; // else who has nothing could offer most, and drive out all others
    return mempool_add(ledger->mempool, &entry, account.nonce);
}

// `from`: of what peers brought; NULL: our own user did.
static bool has_brought(const struct verifying *from, uint64_t link) {
    for (size_t i = 0; from != NULL && i < from->from_count; i++)
        if (from->from[i] == link)
            return true;
    return false;
}

// To everybody who may propose, but those it came from.
static void forward(struct ledger *ledger, struct step *step, struct span bytes, const struct verifying *from) {
    for (size_t i = 0; i < ledger->peer_count; i++) {
        struct peer *peer = ledger->peers[i];
        if (!peer->is_member || has_brought(from, peer->link) || peer_has_better_link(ledger, peer))
            continue;
        if (peer->txs.n + 4 + bytes.n > TXS_BYTES_MAX) {
            peer_send(ledger, step, peer, FRAME_TXS, buf_span(&peer->txs));
            buf_clear(&peer->txs);
        }
        part_append(&peer->txs, bytes);
    }
}

void gossip_flush(struct ledger *ledger, struct step *step) {
    for (size_t i = 0; i < ledger->peer_count; i++) {
        struct peer *peer = ledger->peers[i];
        if (peer->txs.n == 0)
            continue;
        peer_send(ledger, step, peer, FRAME_TXS, buf_span(&peer->txs));
        buf_free(&peer->txs);
    }
}

void gossip_greet(struct ledger *ledger, struct step *step, struct peer *peer) {
    struct mempool_walk walk = {NULL};
    struct mempool_tx tx;
    (void)step;
    while (peer->is_member && mempool_walk_next(ledger->mempool, &walk, &tx) &&
           peer->txs.n + 4 + tx.bytes.n <= TXS_BYTES_MAX)
        part_append(&peer->txs, tx.bytes);
}

// All is right with it but the fee. A peer's is dropped for that as for any other flaw; our own user is told.
static bool is_fee_low(const struct ledger *ledger, const struct tx *tx) {
    struct tx_rules free_of_charge = ledger->rules;
    free_of_charge.fee_min = 0;
    return tx_check(tx, &ledger->rules) == ERR_INVALID && tx_check(tx, &free_of_charge) == OK;
}

enum mempool_verdict gossip_take(struct ledger *ledger, struct step *step, struct span bytes, struct tx_id *id,
                                 enum err *err) {
    struct tx tx;
    tx_id_of(id, bytes);
    *err = tx_decode(&tx, bytes);
    if (*err == OK && is_fee_low(ledger, &tx))
        return MEMPOOL_FEE_LOW;
    if (*err == OK)
        *err = tx_check(&tx, &ledger->rules);
    if (*err == ERR_INVALID) {
        *err = OK;
        return MEMPOOL_INVALID;
    }
    if (*err == OK)
        *err = tx_verify(&tx);
    if (*err != OK)
        return MEMPOOL_FULL;
    struct overlay *state = state_begin(ledger, step);
    enum mempool_verdict verdict = pool(ledger, step, state, &tx, id, bytes);
    state_end(ledger, state);
    if (verdict == MEMPOOL_TAKEN)
        forward(ledger, step, bytes, NULL);
    return verdict;
}

// ---- jobs

static struct verification *verification_of(struct ledger *ledger, const struct job *job) {
    for (size_t i = 0; i < VERIFY_JOBS_MAX; i++)
        if (ledger->verifications[i].job == job)
            return &ledger->verifications[i];
    return NULL;
}

static struct verification *start(struct ledger *ledger, struct step *step, struct verify_job *verify,
                                  const struct candidate *candidate) {
    struct verification *slot = verification_of(ledger, NULL);
    ASSERT(slot != NULL);
    *slot = (struct verification){.job = &verify->job, .is_gossip = candidate == NULL};
    if (candidate != NULL)
        slot->candidate = candidate->number;
    else
        ledger->gossip_jobs++;
    step_start(step, &verify->job);
    return slot;
}

static struct verifying *verifying_find(const struct ledger *ledger, const struct tx_id *id) {
    return map_find(&ledger->verifying_by_id, id->bytes);
}

static struct verifying *verifying_begin(struct ledger *ledger, const struct tx_id *id, struct span bytes) {
    struct verifying *verifying = mem_new(1, sizeof *verifying + bytes.n);
    uint8_t *copy = (uint8_t *)(verifying + 1);
    memcpy(copy, bytes.p, bytes.n);
    *verifying = (struct verifying){.id = *id, .before = ledger->verifying_newest, .bytes = {copy, bytes.n}};
    *(ledger->verifying_newest != NULL ? &ledger->verifying_newest->after : &ledger->verifying) = verifying;
    ledger->verifying_newest = verifying;
    if (ledger->verifying_next == NULL)
        ledger->verifying_next = verifying;
    ledger->verify_queued++;
    map_add(&ledger->verifying_by_id, verifying->id.bytes, verifying);
    return verifying;
}

static void verifying_from(struct verifying *verifying, uint64_t link) {
    if (verifying->from_count < VERIFYING_FROM_MAX)
        verifying->from[verifying->from_count++] = link;
}

// What stands before it in the list is in jobs.
static void find_next(struct ledger *ledger) {
    while (ledger->verifying_next != NULL && ledger->verifying_next->job != NULL)
        ledger->verifying_next = ledger->verifying_next->after;
}

static void verifying_end(struct ledger *ledger, struct verifying *verifying) {
    map_remove(&ledger->verifying_by_id, verifying->id.bytes);
    ledger->verify_queued -= verifying->job == NULL;
    if (ledger->verifying_next == verifying)
        ledger->verifying_next = verifying->after;
    *(verifying->before != NULL ? &verifying->before->after : &ledger->verifying) = verifying->after;
    *(verifying->after != NULL ? &verifying->after->before : &ledger->verifying_newest) = verifying->before;
    free(verifying);
    find_next(ledger);
}

void gossip_free(struct ledger *ledger) {
    while (ledger->verifying != NULL)
        verifying_end(ledger, ledger->verifying);
    map_free(&ledger->verifying_by_id);
    forget_seen(ledger);
}

// One that is verified with a block waits until that height is decided: then it is settled, or its turn.
static bool is_due(const struct ledger *ledger, const struct verifying *verifying) {
    return verifying->job == NULL && verifying->height <= ledger->chain.height;
}

static struct verifying *next_due(const struct ledger *ledger, struct verifying *verifying) {
    while (verifying != NULL && !is_due(ledger, verifying))
        verifying = verifying->after;
    return verifying;
}

// Fills a job from the list, beginning with one that is due. Where the next one begins; NULL: nothing is left.
static struct verifying *start_gossip(struct ledger *ledger, struct step *step, struct verifying *verifying) {
    struct verify_job *verify = verify_job_new(&ledger->rules);
    struct verification *slot = start(ledger, step, verify, NULL);
    for (; verifying != NULL && verify->count < VERIFY_BATCH_MAX; verifying = next_due(ledger, verifying)) {
        verify_job_add(verify, &verifying->id, verifying->bytes);
        verifying->job = slot;
        ledger->verify_queued--;
    }
    return verifying;
}

static void verify_queued(struct ledger *ledger, struct step *step) {
    struct verifying *verifying = next_due(ledger, ledger->verifying_next);
    while (verifying != NULL && ledger->gossip_jobs < VERIFY_GOSSIP_JOBS_MAX && verification_of(ledger, NULL) != NULL)
        verifying = start_gossip(ledger, step, verifying);
    find_next(ledger);
}

static void taken_from_peers(struct ledger *ledger, struct step *step, const struct verify_job *verify) {
    struct overlay *state = state_begin(ledger, step);
    for (size_t i = 0; i < verify->count; i++) {
        struct verifying *verifying = verifying_find(ledger, &verify->ids[i]);
        struct tx tx;
        bool right = verify_job_valid(verify, i) && tx_decode(&tx, verifying->bytes) == OK;
        if (right && pool(ledger, step, state, &tx, &verifying->id, verifying->bytes) == MEMPOOL_TAKEN)
            forward(ledger, step, verifying->bytes, verifying);
        else
            metric_add(step->env->metrics, METRIC_LEDGER_TXS_REFUSED, 1);
        verifying_end(ledger, verifying);
    }
    state_end(ledger, state);
}

static bool has_tx(const struct block *block, const struct tx_id *id) {
    for (uint32_t i = 0; i < block->header.tx_count; i++)
        if (memcmp(block->ids[i].bytes, id->bytes, sizeof id->bytes) == 0)
            return true;
    return false;
}

static void tell_candidate(struct ledger *ledger, struct step *step, struct candidate *candidate,
                           const struct verify_job *verify) {
    bool right = true;
    for (size_t i = 0; i < verify->count; i++)
        right = right && (verify_job_valid(verify, i) || !has_tx(&candidate->block, &verify->ids[i]));
    candidate_verified(ledger, step, candidate, right);
}

void ledger_job_done(struct ledger *ledger, struct step *step, struct job *job) {
    struct verification *slot = verification_of(ledger, job);
    ASSERT(slot != NULL && verify_job_is(job));
    struct verify_job *verify = (struct verify_job *)job;
    struct verification done = *slot;
    *slot = (struct verification){.job = NULL};
    if (done.is_gossip) {
        ledger->gossip_jobs--;
        taken_from_peers(ledger, step, verify);
    }
    struct candidate *candidate = candidate_numbered(ledger, done.candidate);
    if (candidate != NULL)
        tell_candidate(ledger, step, candidate, verify);
    verify_queued(ledger, step);
    job->free(job);
    ledger_run(ledger, step);
}

void gossip_settle(struct ledger *ledger, struct step *step, const struct block *block) {
    forget_seen(ledger);
    for (uint32_t i = 0; i < block->header.tx_count && ledger->verify_queued > 0; i++) {
        const struct tx_id id = block_tx_id(block, i);
        struct verifying *verifying = verifying_find(ledger, &id);
        if (verifying != NULL && verifying->job == NULL)
            verifying_end(ledger, verifying);
    }
    verify_queued(ledger, step);
}

bool gossip_may_verify(const struct ledger *ledger, const struct candidate *candidate) {
    size_t jobs = (candidate->block.header.tx_count + VERIFY_BATCH_MAX - 1) / VERIFY_BATCH_MAX;
    size_t free = 0;
    for (size_t i = 0; i < VERIFY_JOBS_MAX; i++)
        free += ledger->verifications[i].job == NULL;
    return free >= jobs + VERIFY_GOSSIP_JOBS_MAX - ledger->gossip_jobs;
}

// Whether the verdict on it comes with a job that is under way; the candidate then waits for that, too.
static bool comes_with_job(struct candidate *candidate, const struct verifying *verifying) {
    struct verification *job = verifying->job;
    if (job == NULL || (job->candidate != 0 && job->candidate != candidate->number))
        return false;
    candidate->jobs += job->candidate == 0;
    job->candidate = candidate->number;
    return true;
}

size_t gossip_verify_block(struct ledger *ledger, struct step *step, struct candidate *candidate) {
    struct verify_job *verify = NULL;
    size_t unknown = 0;
    for (uint32_t i = 0; i < candidate->block.header.tx_count; i++) {
        const struct tx_id id = block_tx_id(&candidate->block, i);
        struct verifying *verifying = verifying_find(ledger, &id);
        if (mempool_has(ledger->mempool, &id))
            continue;
        unknown++;
        if (verifying != NULL && comes_with_job(candidate, verifying))
            continue;
        if (verifying != NULL)
            verifying->height = candidate->block.header.height;
        if (verify == NULL)
            verify = verify_job_new(&ledger->rules);
        verify_job_add(verify, &id, candidate->block.txs[i]);
        if (verify->count < VERIFY_BATCH_MAX)
            continue;
        candidate->jobs++;
        start(ledger, step, verify, candidate);
        verify = NULL;
    }
    if (verify != NULL) {
        candidate->jobs++;
        start(ledger, step, verify, candidate);
    }
    return unknown;
}

// ---- frames

static bool may_send(const struct ledger *ledger, const struct step *step, struct peer *peer) {
    uint64_t per_s = peer->is_member ? MEMBER_TXS_PER_S : ledger->config.txs_per_s_per_peer;
    return allowance_take(&peer->txs_allowed, step->now.mono_ms, 1, per_s, per_s * TX_BURST_S);
}

enum err gossip_txs(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    struct reader r = reader_of(body);
    while (r.n > 0) {
        struct span bytes = part_read(&r, TX_BYTES_MAX);
        struct tx_id id;
        if (!reader_ok(&r))
            return ERR_MALFORMED;
        tx_id_of(&id, bytes);
        struct verifying *verifying = verifying_find(ledger, &id);
        if (verifying != NULL)
            verifying_from(verifying, peer->link);
        if (verifying != NULL || mempool_has(ledger->mempool, &id))
            continue;
        if (ledger->verify_queued >= VERIFY_QUEUE_MAX || !may_send(ledger, step, peer)) {
            metric_add(step->env->metrics, METRIC_LEDGER_TXS_REFUSED, 1);
            continue;
        }
        verifying_from(verifying_begin(ledger, &id, bytes), peer->link);
    }
    verify_queued(ledger, step);
    return OK;
}

enum err gossip_submit(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    uint8_t answer[SUBMITTED_BYTES];
    struct tx_id id;
    enum err err;
    if (!may_send(ledger, step, peer)) {
        metric_add(step->env->metrics, METRIC_LEDGER_TXS_REFUSED, 1);
        return OK;
    }
    enum mempool_verdict verdict = gossip_take(ledger, step, body, &id, &err);
    if (err != OK)
        return err;
    submitted_encode(answer, &id, (uint8_t)verdict);
    peer_send(ledger, step, peer, FRAME_SUBMITTED, SPAN_OF(answer));
    return OK;
}
