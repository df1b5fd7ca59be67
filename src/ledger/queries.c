// Questions about the ledger, and those who wait for a transaction or watch for what happens.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/ledger_internal.h"

#define FINAL_WAIT_MS_MAX (60 * SECOND_MS)

static void answer_error(struct ledger_answer *answer, enum err err, const char *reason) {
    answer->err = err;
    answer->reason = reason;
}

// ---- the chain

static const char *step_text(const struct ledger *ledger, const struct bft_view *view, bool validator) {
    static const char *const texts[] = {[BFT_STEP_PROPOSE] = "propose",
                                        [BFT_STEP_PREVOTE] = "prevote",
                                        [BFT_STEP_PRECOMMIT] = "precommit",
                                        [BFT_STEP_DECIDED] = "decided"};
    if (ledger->syncing)
        return "syncing";
    return validator ? texts[view->step] : "following";
}

static void ask_chain(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                      struct ledger_answer *answer) {
    struct bft_view view;
    struct ledger_chain_record *chain = &answer->chain;
    (void)step, (void)request;
    const struct genesis *genesis = ledger->config.genesis;
    bft_look(ledger->bft, &view);
    chain->network = genesis->network;
    chain->consensus = genesis->ledger.consensus;
    chain->fee_min = genesis->ledger.fee_min;
    chain->relay_stake_min = genesis->ledger.relay_stake_min;
    chain->validator_stake_min = genesis->ledger.validator_stake_min;
    chain->height = ledger->chain.height;
    chain->id = ledger->chain.id;
    chain->state_root = ledger->root;
    chain->time_ms = ledger->chain.header.time_ms;
    chain->epoch = ledger->chain.header.epoch;
    chain->consensus_height = view.height;
    chain->round = view.round;
    chain->validator = ledger->signer != NULL && validator_set_find(&ledger->set, signer_key(ledger->signer)) >= 0;
    chain->step = step_text(ledger, &view, chain->validator);
    chain->syncing = ledger->syncing;
    chain->peer_height = ledger->sync_target;
    chain->peers = (uint32_t)ledger->peer_count;
    chain->mempool_count = mempool_count(ledger->mempool);
    chain->mempool_bytes = mempool_bytes(ledger->mempool);
}

static void ask_block(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                      struct ledger_answer *answer) {
    struct block_header header;
    uint64_t height = request->height;
    enum err err = request->by_height ? OK : chain_height_of(step, &request->block, &height);
    (void)ledger;
    if (err == OK)
        err = chain_block(step, height, &answer->block);
    if (err == OK)
        err = chain_certificate(step, height, &answer->certificate);
    if (err == OK)
        err = block_header_decode(&header, span_of(answer->block.p, BLOCK_HEADER_BYTES));
    if (err == OK)
        block_id_of(&answer->block_id, &header);
    else
        answer_error(answer, ERR_NOT_FOUND, "this node has no such block: not decided yet, or pruned");
}

static void prove_tx(struct step *step, struct ledger_tx_record *tx) {
    struct buf bytes = {0};
    struct block block = {0};
    uint8_t result = 0;
    if (chain_block(step, tx->height, &bytes) == OK && block_decode(&block, buf_span(&bytes)) == OK &&
        tx->index < block.header.tx_count) {
        buf_append(&tx->bytes, block.txs[tx->index]);
        tx->tx_count = block.header.tx_count;
        tx->path_count = block_tx_prove(tx->path, &block, tx->index);
        block_free(&block);
    }
    if (chain_tx_result(step, tx->height, tx->index, &result) == OK)
        tx->outcome = (enum tx_outcome)result;
    buf_free(&bytes);
}

static void find_tx(struct ledger *ledger, struct step *step, const struct tx_id *id, struct ledger_tx_record *tx) {
    struct span bytes;
    tx->id = *id;
    tx->status = TX_UNKNOWN;
    if (chain_tx_place(step, id, &tx->height, &tx->index) == OK) {
        tx->status = TX_FINAL;
        prove_tx(step, tx);
    } else if (mempool_find(ledger->mempool, id, &bytes)) {
        tx->status = TX_PENDING;
        buf_append(&tx->bytes, bytes);
    }
}

static void ask_tx(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                   struct ledger_answer *answer) {
    find_tx(ledger, step, &request->tx_id, &answer->tx);
    if (answer->tx.status == TX_UNKNOWN)
        answer_error(answer, ERR_NOT_FOUND, "no such transaction waits here or is in a block");
}

// ---- submitting

static bool wait_add(struct ledger *ledger, const struct step *step, const struct ledger_request *request,
                     const struct tx_id *id) {
    if (ledger->wait_count == WAITS_MAX)
        return false;
    uint64_t limit_ms = step->now.mono_ms + FINAL_WAIT_MS_MAX;
    uint64_t deadline_ms = request->deadline_ms < limit_ms ? request->deadline_ms : limit_ms;
    ledger->waits[ledger->wait_count++] = (struct wait){request->id, *id, deadline_ms};
    return true;
}

// True: the answer comes later.
static bool ask_submit(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                       struct ledger_answer *answer) {
    struct tx_id id = {{0}};
    enum err err;
    answer->verdict = gossip_take(ledger, step, request->tx, &id, &err);
    if (err != OK) {
        answer_error(answer, err,
                     err == ERR_AUTH      ? "a signature is wrong"
                     : err == ERR_NETWORK ? "it is for another network"
                                          : "these bytes are no transaction");
        return false;
    }
    find_tx(ledger, step, &id, &answer->tx);
    bool waits = answer->verdict == MEMPOOL_TAKEN || answer->verdict == MEMPOOL_KNOWN;
    if (!waits && answer->tx.status == TX_UNKNOWN)
        answer_error(answer, ERR_REFUSED, mempool_verdict_text(answer->verdict));
    if (!request->wait_final || answer->tx.status != TX_PENDING)
        return false;
    if (wait_add(ledger, step, request, &id))
        return true;
    answer->reason = "it is taken; too many wait here for theirs to be told of the end: ask for it by its id";
    return false;
}

static void wait_answer(struct ledger *ledger, struct step *step, size_t i) {
    struct wait wait = ledger->waits[i];
    struct ledger_answer answer = {.id = wait.request, .op = LEDGER_SUBMIT};
    ledger->waits[i] = ledger->waits[--ledger->wait_count];
    find_tx(ledger, step, &wait.tx, &answer.tx);
    ledger->ports.answer(ledger->ports.ctx, step, &answer);
    ledger_answer_clear(&answer);
}

void queries_final(struct ledger *ledger, struct step *step, const struct tx_id *id) {
    for (size_t i = ledger->wait_count; i-- > 0;)
        if (memcmp(ledger->waits[i].tx.bytes, id->bytes, 32) == 0)
            wait_answer(ledger, step, i);
}

void queries_tick(struct ledger *ledger, struct step *step) {
    for (size_t i = ledger->wait_count; i-- > 0;)
        if (step->now.mono_ms >= ledger->waits[i].deadline_ms)
            wait_answer(ledger, step, i);
}

uint64_t queries_next_ms(const struct ledger *ledger) {
    uint64_t next_ms = TIME_NEVER;
    for (size_t i = 0; i < ledger->wait_count; i++)
        if (ledger->waits[i].deadline_ms < next_ms)
            next_ms = ledger->waits[i].deadline_ms;
    return next_ms;
}

// ---- the state

static void ask_account(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                        struct ledger_answer *answer) {
    struct overlay *overlay = overlay_over_step(step);
    struct account_id id;
    memcpy(id.bytes, request->key, 32);
    answer->account.exists = state_account(overlay, &answer->account.account, &id);
    answer->account.next_nonce = mempool_next_nonce(ledger->mempool, &id, answer->account.account.nonce);
    overlay_free(overlay);
}

static uint32_t limit_of(const struct ledger_request *request) {
    return request->limit == 0 || request->limit > LEDGER_LIST_MAX ? LEDGER_LIST_MAX : request->limit;
}

// Newest first; the cursor is the number below which the next page begins, 0: the newest.
static void ask_txs(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                    struct ledger_answer *answer) {
    struct account_id account;
    memcpy(account.bytes, request->key, 32);
    uint64_t number = chain_tx_count(step, &account);
    if (request->cursor > 0 && request->cursor < number)
        number = request->cursor;
    uint32_t limit = limit_of(request);
    answer->txs = NEW_ARRAY(struct ledger_tx_record, limit);
    while (number > 0 && answer->tx_count < limit) {
        struct tx_id id;
        if (chain_tx_of(step, &account, --number, &id) == OK)
            find_tx(ledger, step, &id, &answer->txs[answer->tx_count++]);
    }
    answer->more = number > 0;
    answer->cursor = number;
}

static void ask_validators(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                           struct ledger_answer *answer) {
    (void)step, (void)request;
    answer->validators = ledger->set;
}

static bool fill_relay(struct step *step, struct overlay *overlay, struct ledger_relay_record *out,
                       const struct relay_id *id) {
    struct epoch_record epoch = {0};
    struct account_id account;
    memcpy(out->id, id->bytes, 32);
    memcpy(account.bytes, id->bytes, 32);
    if (!state_relay(overlay, &out->relay, id))
        return false;
    state_account(overlay, &out->account, &account);
    state_epoch(overlay, &epoch);
    chain_earned(step, id, &out->deliveries, &out->rewards);
    for (uint32_t back = 1; back <= 2 && epoch.epoch > back && !out->has_batch; back++) {
        out->batch_epoch = epoch.epoch - back;
        out->has_batch = state_delivery(overlay, &out->batch, out->batch_epoch, id);
    }
    return true;
}

// A relay asks what it has claimed (claims_link.h).
enum err serve_delivery(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    uint8_t answer[RELAY_DELIVERY_BYTES_MAX];
    struct relay_delivery delivery = {0};
    struct account account;
    struct account_id id;
    struct relay_id relay;
    if (get_delivery_decode(&relay, &delivery.epoch, body) != OK)
        return ERR_MALFORMED;
    if (!peer_may_ask(peer, step))
        return OK;
    struct overlay *overlay = overlay_over_step(step);
    memcpy(id.bytes, relay.bytes, sizeof id.bytes);
    state_account(overlay, &account, &id);
    delivery.nonce = account.nonce;
    delivery.next_nonce = mempool_next_nonce(ledger->mempool, &id, account.nonce);
    delivery.has = state_delivery(overlay, &delivery.record, delivery.epoch, &relay);
    overlay_free(overlay);
    size_t n = relay_delivery_encode(answer, &delivery);
    peer_has_had(peer, step, n);
    peer_send(ledger, step, peer, FRAME_DELIVERY, span_of(answer, n));
    return OK;
}

static void ask_relays(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                       struct ledger_answer *answer) {
    struct overlay *overlay = overlay_over_step(step);
    size_t count;
    struct relay_id *ids = state_relays(overlay, &count);
    uint32_t limit = limit_of(request);
    size_t i = request->cursor < count ? (size_t)request->cursor : count;
    (void)ledger;
    answer->relays = NEW_ARRAY(struct ledger_relay_record, limit);
    for (; i < count && answer->relay_count < limit; i++)
        answer->relay_count += fill_relay(step, overlay, &answer->relays[answer->relay_count], &ids[i]);
    answer->more = i < count;
    answer->cursor = i;
    free(ids);
    overlay_free(overlay);
}

static void ask_relay(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                      struct ledger_answer *answer) {
    struct overlay *overlay = overlay_over_step(step);
    struct relay_id id;
    (void)ledger;
    memcpy(id.bytes, request->key, 32);
    answer->relays = NEW(struct ledger_relay_record);
    answer->relay_count = fill_relay(step, overlay, answer->relays, &id);
    if (answer->relay_count == 0)
        answer_error(answer, ERR_NOT_FOUND, "no relay of this key is registered");
    overlay_free(overlay);
}

static void ask_mempool(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                        struct ledger_answer *answer) {
    uint32_t limit = limit_of(request);
    struct mempool_walk walk = {NULL};
    struct mempool_tx tx;
    answer->txs = NEW_ARRAY(struct ledger_tx_record, limit);
    ask_chain(ledger, step, request, answer);
    while (answer->tx_count < limit && mempool_walk_next(ledger->mempool, &walk, &tx)) {
        struct ledger_tx_record *record = &answer->txs[answer->tx_count++];
        record->status = TX_PENDING;
        record->id = tx.id;
        buf_append(&record->bytes, tx.bytes);
    }
    answer->more = mempool_count(ledger->mempool) > answer->tx_count;
}

// ---- a relay asks how it stands (standing.h)

static void account_stands(struct ledger *ledger, struct overlay *overlay, struct account_standing *out,
                           const struct account_id *id) {
    struct account account;
    state_account(overlay, &account, id);
    out->nonce = account.nonce;
    out->next_nonce = mempool_next_nonce(ledger->mempool, id, account.nonce);
    out->balance = account.balance;
}

enum err serve_standing(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    uint8_t answer[RELAY_STANDING_BYTES_MAX];
    struct relay_standing standing = {0};
    struct relay_record record;
    struct relay_id relay;
    struct account_id operator, account;
    if (get_standing_decode(&relay, &operator, body) != OK)
        return ERR_MALFORMED;
    if (!peer_may_ask(peer, step))
        return OK;
    peer_has_had(peer, step, sizeof answer);
    struct overlay *overlay = overlay_over_step(step);
    memcpy(account.bytes, relay.bytes, sizeof account.bytes);
    account_stands(ledger, overlay, &standing.operator, & operator);
    account_stands(ledger, overlay, &standing.relay, &account);
    const struct tx update = {.kind = TX_UPDATE_RELAY, .sender = account};
    standing.free_update = execute_is_free(overlay, &update);
    standing.registered = state_relay(overlay, &record, &relay);
    standing.retired = standing.registered && record.retired_epoch != EPOCH_NONE;
    standing.address = record.address;
    standing.onion = record.onion;
    overlay_free(overlay);
    peer_send(ledger, step, peer, FRAME_STANDING, span_of(answer, relay_standing_encode(answer, &standing)));
    return OK;
}

// ---- watching

static bool ask_watch(struct ledger *ledger, const struct ledger_request *request, struct ledger_answer *answer) {
    if (ledger->watch_count < WATCHES_MAX) {
        ledger->watches[ledger->watch_count++] = request->id;
        return true;
    }
    answer_error(answer, ERR_FULL, "64 programs watch this node's ledger; no more fit");
    return false;
}

void queries_note(struct ledger *ledger, struct step *step, const struct ledger_note *note) {
    for (size_t i = 0; i < ledger->watch_count; i++)
        ledger->ports.note(ledger->ports.ctx, step, ledger->watches[i], note);
}

void ledger_ask_gone(struct ledger *ledger, uint64_t request) {
    for (size_t i = ledger->watch_count; i-- > 0;)
        if (ledger->watches[i] == request)
            ledger->watches[i] = ledger->watches[--ledger->watch_count];
    for (size_t i = ledger->wait_count; i-- > 0;)
        if (ledger->waits[i].request == request)
            ledger->waits[i] = ledger->waits[--ledger->wait_count];
}

// ---- all of them

typedef void asker(struct ledger *ledger, struct step *step, const struct ledger_request *request,
                   struct ledger_answer *answer);

static asker *const askers[] = {
    [LEDGER_CHAIN] = ask_chain,     [LEDGER_BLOCK] = ask_block, [LEDGER_TX] = ask_tx,
    [LEDGER_ACCOUNT] = ask_account, [LEDGER_TXS] = ask_txs,     [LEDGER_VALIDATORS] = ask_validators,
    [LEDGER_RELAYS] = ask_relays,   [LEDGER_RELAY] = ask_relay, [LEDGER_MEMPOOL] = ask_mempool,
};

void ledger_ask(struct ledger *ledger, struct step *step, const struct ledger_request *request) {
    struct ledger_answer answer = {.id = request->id, .op = request->op};
    bool later = false;
    if (!ledger->started || ledger->broken != NULL)
        answer_error(&answer, ERR_UNAVAILABLE, ledger_waits_for(ledger));
    else if (request->op == LEDGER_SUBMIT)
        later = ask_submit(ledger, step, request, &answer);
    else if (request->op == LEDGER_WATCH)
        later = ask_watch(ledger, request, &answer);
    else
        askers[request->op](ledger, step, request, &answer);
    if (!later)
        ledger->ports.answer(ledger->ports.ctx, step, &answer);
    ledger_answer_clear(&answer);
    if (request->op == LEDGER_SUBMIT && ledger->started)
        ledger_run(ledger, step);
}
