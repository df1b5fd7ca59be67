// See ledger.h: the ledger's life, and what each step ends with.
#include "ledger/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/consensus/record.h"
#include "ledger/ledger_internal.h"

struct ledger *ledger_new(const struct ledger_config *config, const struct ledger_ports *ports, struct rng *rng) {
    static const struct bft_params params = BFT_PARAMS_DEFAULT;
    struct ledger *ledger = NEW(struct ledger);
    const struct mempool_limits limits = {config->mempool_count_max, config->mempool_bytes_max,
                                          config->genesis->ledger.fee_min};
    ledger->config = *config;
    ledger->ports = *ports;
    ledger->rules = (struct tx_rules){config->genesis->network, config->genesis->ledger.fee_min};
    ledger->mempool = mempool_new(&limits, rng);
    map_init(&ledger->verifying_by_id, rng);
    if (config->validator_seed != NULL)
        ledger->signer = signer_new(config->validator_seed, &config->genesis->network);
    ledger->config.validator_seed = NULL;
    ledger->witness = witness_new();
    ledger->bft = bft_new(ledger->signer == NULL ? NULL : signer_key(ledger->signer), &params);
    for (size_t i = 0; i < BFT_TIMER_KINDS; i++)
        ledger->timers_ms[i] = TIME_NEVER;
    ledger->next_ms = TIME_NEVER;
    ledger->sync_look_ms = TIME_NEVER;
    return ledger;
}

void ledger_free(struct ledger *ledger) {
    if (ledger == NULL)
        return;
    candidates_free(ledger);
    for (size_t i = 0; i < ledger->peer_count; i++) {
        buf_free(&ledger->peers[i]->txs);
        free(ledger->peers[i]);
    }
    for (size_t i = 0; i < SYNC_ASKS_MAX; i++)
        buf_free(&ledger->asks[i].answer);
    gossip_free(ledger);
    buf_free(&ledger->kept);
    bft_outputs_free(&ledger->outputs);
    bft_free(ledger->bft);
    witness_free(ledger->witness);
    signer_free(ledger->signer);
    mempool_free(ledger->mempool);
    pages_free(ledger->pages);
    free(ledger);
}

// ---- starting

static enum err refuse(struct buf *why, enum err err, const char *text) {
    buf_append(why, span_of_text(text));
    return err;
}

// Of the core and of the witness beside it: what was in no log is nothing that either needs.
static enum err replay_input(struct ledger *ledger, struct span record) {
    struct bft_record *decoded = NEW(struct bft_record);
    struct bft_view view;
    enum err err = bft_replay(ledger->bft, record, &ledger->outputs);
    if (err == OK && bft_record_decode(decoded, record) == OK) {
        witness_take(ledger->witness, &decoded->input);
        bft_look(ledger->bft, &view);
        witness_enter(ledger->witness, view.round);
    }
    free(decoded);
    return err;
}

static enum err replay(struct ledger *ledger, struct step *step, struct span rest, struct buf *why) {
    struct wal_record record;
    while (wal_next(&record, &rest)) {
        enum err err = OK;
        if (record.type == WAL_SIGNER && ledger->signer != NULL)
            err = signer_recover(ledger->signer, &record);
        else if (record.type == WAL_INPUT)
            err = replay_input(ledger, record.body);
        if (err != OK)
            return refuse(why, ERR_CORRUPT, "the consensus log is damaged: a record makes no sense where it stands");
    }
    (void)step;
    return OK;
}

static enum err start_consensus(struct ledger *ledger, struct step *step, struct span log, struct buf *why) {
    struct wal_recovery recovery;
    struct bft_view view;
    if (wal_recover(&recovery, log) != OK)
        return refuse(why, ERR_CORRUPT,
                      "the consensus log is damaged before its end. Going on could mean signing twice: restore it, or "
                      "start this validator anew with a new key");
    wal_cut_torn_end(step, log, &recovery);
    ledger->log_bytes = recovery.valid_bytes;
    enum err err = replay(ledger, step, span_of(log.p, recovery.valid_bytes), why);
    if (err != OK)
        return err;
    if (ledger->signer != NULL && signer_start(ledger->signer, step, ledger->chain.height > 0) != OK)
        return refuse(why, ERR_INVALID,
                      "the log with what this key has signed is missing, though its chain has begun. Restore it, or "
                      "start this validator anew with a new key");
    bft_look(ledger->bft, &view);
    ledger->log_height = view.height;
    if (view.height > ledger->chain.height + 1)
        return refuse(why, ERR_CORRUPT, "the store is older than the consensus log: restore both from the same time");
    if (view.height == ledger->chain.height + 1)
        bft_resume(ledger->bft, step->now.mono_ms, &ledger->outputs);
    else
        driver_start_height(ledger, step);
    return OK;
}

enum err ledger_start(struct ledger *ledger, struct step *step, struct span log, struct buf *why) {
    enum err err = chain_load(&ledger->chain, step, ledger->config.keep_blocks);
    if (err == OK)
        err = apply_load(ledger, step);
    if (err == OK)
        err = candidates_load(ledger, step);
    if (err != OK)
        return refuse(why, err, "the ledger's store is damaged: remove it, and the node fetches the chain again");
    ledger->head_mono_ms = step->now.mono_ms;
    ledger->started_wall_ms = step->now.wall_ms;
    err = start_consensus(ledger, step, log, why);
    if (err != OK)
        return err;
    ledger->started = true;
    peers_begin(ledger);
    ledger_tick(ledger, step);
    return OK;
}

// ---- each step's end

void ledger_break(struct ledger *ledger, struct step *step, const char *why) {
    if (ledger->broken != NULL)
        return;
    ledger->broken = why;
    log_reason(&step->env->log, LOG_ERROR, "ledger", "the ledger has stopped", why);
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static bool has_work(const struct ledger *ledger) {
    bool work = ledger->build_wanted;
    for (size_t i = 0; i < ledger->candidate_count; i++)
        work = work || (ledger->candidates[i]->wanted && ledger->candidates[i]->state == CANDIDATE_VERIFIED &&
                        ledger->candidates[i]->block.header.height <= ledger->chain.height + 1);
    return work;
}

// Until nothing is left to do in this step: what a trial or a decision leads to may lead to more.
void ledger_run(struct ledger *ledger, struct step *step) {
    while (ledger->broken == NULL) {
        driver_carry_out(ledger, step);
        sync_tick(ledger, step);
        evidence_tick(ledger, step);
        rejoin_tick(ledger, step);
        driver_tick(ledger, step);
        candidates_tick(ledger, step);
        if (ledger->outputs.count == 0)
            break;
    }
    gossip_flush(ledger, step);
    uint64_t next_ms = least(peers_next_ms(ledger), queries_next_ms(ledger));
    next_ms = least(next_ms, sync_next_ms(ledger));
    next_ms = least(next_ms, driver_next_ms(ledger, &step->now));
    // The state that this step has made shows in the next one, which may come at once.
    bool again = ledger->applied || has_work(ledger);
    ledger->next_ms = ledger->broken != NULL ? queries_next_ms(ledger) : again ? step->now.mono_ms : next_ms;
}

void ledger_tick(struct ledger *ledger, struct step *step) {
    if (!ledger->started)
        return;
    queries_tick(ledger, step); // who waits hears something, even of a ledger that has stopped
    if (ledger->broken == NULL)
        peers_tick(ledger, step);
    ledger_run(ledger, step);
}

uint64_t ledger_next_ms(const struct ledger *ledger) {
    return ledger->next_ms;
}

uint64_t ledger_height(const struct ledger *ledger) {
    return ledger->chain.height;
}

const char *ledger_waits_for(const struct ledger *ledger) {
    if (ledger->broken != NULL)
        return ledger->broken;
    if (ledger->syncing && sync_is_pruned_away(ledger))
        return WAITS_PRUNED;
    if (ledger->syncing)
        return "the chain is being fetched";
    if (rejoin_is_silent(ledger))
        return "a height at which this key cannot have voted before: it does not know what it has signed";
    return ledger->started ? NULL : "the ledger starts";
}

const char *ledger_broken(const struct ledger *ledger) {
    return ledger->broken;
}
