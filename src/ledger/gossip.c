// Transactions on their way: in from peers and users, verified in jobs, into the mempool, and on to the validators.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/ledger_internal.h"

#define MEMBER_TXS_PER_S 100000 // a validator's word: it has verified them itself
#define TX_BURST_S 2

// ---- into the mempool

// `state` is as this step makes it.
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
        return mempool_add(ledger->mempool, &entry, 0);
    }
    state_account(state, &account, &tx->sender);
    entry.free_of_fee = execute_is_free(state, tx);
    if (!entry.free_of_fee && account.balance < tx->fee)
        return MEMPOOL_UNPAYABLE; // else who has nothing could offer most, and drive out all others
    return mempool_add(ledger->mempool, &entry, account.nonce);
}

// To everybody who may propose, but the one it came from.
static void forward(struct ledger *ledger, struct step *step, struct span bytes, uint64_t from) {
    for (size_t i = 0; i < ledger->peer_count; i++) {
        struct peer *peer = ledger->peers[i];
        if (!peer->is_member || peer->link == from || peer_has_newer_link(ledger, peer))
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
    *err = tx_decode(&tx, bytes);
    if (*err == OK && is_fee_low(ledger, &tx))
        return MEMPOOL_FEE_LOW;
    if (*err == OK)
        *err = tx_check(&tx, &ledger->rules);
    if (*err == OK)
        *err = tx_verify(&tx);
    if (*err != OK)
        return MEMPOOL_FULL;
    struct overlay *state = overlay_over_step(step);
    tx_id_of(id, bytes);
    enum mempool_verdict verdict = pool(ledger, step, state, &tx, id, bytes);
    overlay_free(state);
    if (verdict == MEMPOOL_TAKEN)
        forward(ledger, step, bytes, 0);
    return verdict;
}

// ---- jobs

static struct verification *verification_of(struct ledger *ledger, const struct job *job) {
    for (size_t i = 0; i < VERIFY_JOBS_MAX; i++)
        if (ledger->verifications[i].job == job)
            return &ledger->verifications[i];
    return NULL;
}

static void start(struct ledger *ledger, struct step *step, struct verify_job *verify, const struct block_id *block) {
    struct verification *slot = verification_of(ledger, NULL);
    ASSERT(slot != NULL);
    *slot = (struct verification){.job = &verify->job, .is_of_block = block != NULL};
    if (block != NULL)
        slot->block = *block;
    else
        ledger->gossip_jobs++;
    step_start(step, &verify->job);
}

// Notes that it is being verified.
static void verifying_begin(struct ledger *ledger, const struct tx_id *id) {
    struct verifying *verifying = NEW(struct verifying);
    *verifying = (struct verifying){.id = *id, .after = ledger->verifying};
    if (ledger->verifying != NULL)
        ledger->verifying->before = verifying;
    ledger->verifying = verifying;
    map_add(&ledger->verifying_by_id, verifying->id.bytes, verifying);
}

static void verifying_end(struct ledger *ledger, struct verifying *verifying) {
    map_remove(&ledger->verifying_by_id, verifying->id.bytes);
    if (verifying->before != NULL)
        verifying->before->after = verifying->after;
    else
        ledger->verifying = verifying->after;
    if (verifying->after != NULL)
        verifying->after->before = verifying->before;
    free(verifying);
}

void gossip_free(struct ledger *ledger) {
    while (ledger->verifying != NULL)
        verifying_end(ledger, ledger->verifying);
    map_free(&ledger->verifying_by_id);
    buf_free(&ledger->verify_queue);
}

// Gives back the room of what is in jobs, when that is most of it.
static void queue_shrink(struct ledger *ledger) {
    if (ledger->verify_queued == 0) {
        buf_free(&ledger->verify_queue);
        ledger->verify_taken = 0;
    } else if (ledger->verify_taken > ledger->verify_queue.n / 2) {
        ledger->verify_queue.n -= ledger->verify_taken;
        memmove(ledger->verify_queue.p, ledger->verify_queue.p + ledger->verify_taken, ledger->verify_queue.n);
        ledger->verify_taken = 0;
    }
}

static void verify_queued(struct ledger *ledger, struct step *step) {
    if (ledger->verify_queued == 0)
        return;
    struct span queue = buf_span(&ledger->verify_queue);
    struct reader r = reader_of(span_of(queue.p + ledger->verify_taken, queue.n - ledger->verify_taken));
    while (r.n > 0 && ledger->gossip_jobs < VERIFY_GOSSIP_JOBS_MAX && verification_of(ledger, NULL) != NULL) {
        struct verify_job *verify = verify_job_new(&ledger->rules);
        while (r.n > 0 && verify->count < VERIFY_BATCH_MAX) {
            uint64_t link = read_u64(&r);
            verify_job_add(verify, part_read(&r, TX_BYTES_MAX), link);
            ledger->verify_queued--;
        }
        start(ledger, step, verify, NULL);
    }
    ledger->verify_taken = queue.n - r.n;
    queue_shrink(ledger);
}

static void taken_from_peers(struct ledger *ledger, struct step *step, const struct verify_job *verify) {
    struct overlay *state = overlay_over_step(step);
    for (size_t i = 0; i < verify->count; i++) {
        struct span bytes = verify_job_tx(verify, i);
        struct tx tx;
        struct tx_id id;
        tx_id_of(&id, bytes);
        verifying_end(ledger, map_find(&ledger->verifying_by_id, id.bytes));
        bool right = verify_job_valid(verify, i) && tx_decode(&tx, bytes) == OK;
        if (right && pool(ledger, step, state, &tx, &id, bytes) == MEMPOOL_TAKEN)
            forward(ledger, step, bytes, verify->tags[i]);
        else
            metric_add(step->env->metrics, METRIC_LEDGER_TXS_REFUSED, 1);
    }
    overlay_free(state);
}

static bool all_valid(const struct verify_job *verify) {
    for (size_t i = 0; i < verify->count; i++)
        if (!verify_job_valid(verify, i))
            return false;
    return true;
}

void ledger_job_done(struct ledger *ledger, struct step *step, struct job *job) {
    struct verification *slot = verification_of(ledger, job);
    ASSERT(slot != NULL && verify_job_is(job));
    struct verify_job *verify = (struct verify_job *)job;
    struct verification done = *slot;
    *slot = (struct verification){.job = NULL};
    if (done.is_of_block) {
        candidate_verified(ledger, step, &done.block, all_valid(verify));
    } else {
        ledger->gossip_jobs--;
        taken_from_peers(ledger, step, verify);
        verify_queued(ledger, step);
    }
    job->free(job);
    ledger_run(ledger, step);
}

bool gossip_may_verify(const struct ledger *ledger, const struct candidate *candidate) {
    size_t jobs = (candidate->block.header.tx_count + VERIFY_BATCH_MAX - 1) / VERIFY_BATCH_MAX;
    size_t free = 0;
    for (size_t i = 0; i < VERIFY_JOBS_MAX; i++)
        free += ledger->verifications[i].job == NULL;
    return free >= jobs + VERIFY_GOSSIP_JOBS_MAX - ledger->gossip_jobs;
}

size_t gossip_verify_block(struct ledger *ledger, struct step *step, struct candidate *candidate) {
    struct verify_job *verify = NULL;
    size_t unknown = 0;
    for (uint32_t i = 0; i < candidate->block.header.tx_count; i++) {
        struct tx_id id;
        tx_id_of(&id, candidate->block.txs[i]);
        if (mempool_has(ledger->mempool, &id))
            continue;
        unknown++;
        if (verify == NULL)
            verify = verify_job_new(&ledger->rules);
        verify_job_add(verify, candidate->block.txs[i], i);
        if (verify->count < VERIFY_BATCH_MAX)
            continue;
        candidate->jobs++;
        start(ledger, step, verify, &candidate->id);
        verify = NULL;
    }
    if (verify != NULL) {
        candidate->jobs++;
        start(ledger, step, verify, &candidate->id);
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
        if (mempool_has(ledger->mempool, &id) || map_find(&ledger->verifying_by_id, id.bytes) != NULL)
            continue;
        if (ledger->verify_queued >= VERIFY_QUEUE_MAX || !may_send(ledger, step, peer)) {
            metric_add(step->env->metrics, METRIC_LEDGER_TXS_REFUSED, 1);
            continue;
        }
        store_u64(buf_extend(&ledger->verify_queue, 8), peer->link);
        part_append(&ledger->verify_queue, bytes);
        ledger->verify_queued++;
        verifying_begin(ledger, &id);
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
