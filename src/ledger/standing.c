// See standing.h.
#include "ledger/standing.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/mempool.h"

#define ANSWER_TIMEOUT_MS 5000
#define POLL_MS 100
#define POLL_MS_MAX 2000
#define CONTEND_MS 40    // another relay was faster: the next try is within so long
#define PENDING_MS 10000 // a transaction that is in no block by then is given up
#define RETRY_MS 200     // after a failure, doubled with each
#define RETRY_MS_MAX 30000
#define WANTING_MS 10000 // the operator has something to do
#define TURNS_MAX 256    // questions on one link: then somebody else is asked

enum phase {
    PHASE_RESTS,   // no link; looks again at due_ms
    PHASE_DIALS,   // a link is being made
    PHASE_ASKED,   // until due_ms the answer must come
    PHASE_OFFERED, // likewise, what became of a transaction
    PHASE_WAITS,   // asks again at due_ms
};

struct standing {
    struct standing_config config;
    struct standing_ports ports;
    bool has_operator;
    struct sign_secret operator_key;
    struct account_id operator;
    enum phase phase;
    uint64_t due_ms;
    size_t seed;       // the next to be dialled
    unsigned failures; // in a row
    unsigned turns;    // questions on this link
    // The transaction under way: 0: none.
    enum tx_kind pending;
    uint64_t pending_nonce;
    uint64_t pending_until_ms;
    bool was_retired; // the last directory that listed it said so: it does not register again by itself
    const char *waits_for;
};

#define WAITS_VALIDATOR "a validator: none of the seeds answers on the ledger's links"
#define WAITS_BLOCK "its registration to be in a block"
#define WAITS_REFUSED "its registration: a validator refuses it; its log says why"

struct standing *standing_new(const struct standing_config *config, const struct standing_ports *ports) {
    struct standing *standing = NEW(struct standing);
    standing->config = *config;
    standing->ports = *ports;
    standing->due_ms = TIME_NEVER;
    standing->waits_for = WAITS_VALIDATOR;
    standing->has_operator = config->operator_seed != NULL;
    if (standing->has_operator) {
        struct sign_public public;
        sign_key_from_seed(&standing->operator_key, &public, config->operator_seed);
        memcpy(standing->operator.bytes, public.bytes, sizeof public.bytes);
    }
    standing->config.operator_seed = NULL;
    // All relays of an operator begin with the same validator, which keeps their nonces apart.
    standing->seed = standing->operator.bytes[0] % config->genesis->seed_count;
    return standing;
}

void standing_free(struct standing *standing) {
    if (standing == NULL)
        return;
    wipe(&standing->operator_key, sizeof standing->operator_key);
    free(standing);
}

static void go_on(struct standing *standing, struct step *step, enum phase phase, uint64_t after_ms) {
    standing->phase = phase;
    standing->due_ms = after_ms == TIME_NEVER ? TIME_NEVER : step->now.mono_ms + after_ms;
}

static uint64_t jittered(struct step *step, uint64_t ms) {
    return ms / 2 + rng_below(&step->env->rng, ms / 2 + 1);
}

static void rest(struct standing *standing, struct step *step, uint64_t after_ms) {
    if (standing->phase == PHASE_ASKED || standing->phase == PHASE_OFFERED || standing->phase == PHASE_WAITS)
        standing->ports.hang_up(standing->ports.ctx, step);
    go_on(standing, step, PHASE_RESTS, after_ms);
}

// The next one is asked, later and later.
static void failed(struct standing *standing, struct step *step) {
    unsigned doublings = standing->failures < 8 ? standing->failures : 8;
    uint64_t wait_ms = (uint64_t)RETRY_MS << doublings;
    standing->failures++;
    standing->seed = (standing->seed + 1) % standing->config.genesis->seed_count;
    metric_add(step->env->metrics, METRIC_STANDING_FAILURES, 1);
    rest(standing, step, jittered(step, wait_ms < RETRY_MS_MAX ? wait_ms : RETRY_MS_MAX));
}

static void dial(struct standing *standing, struct step *step) {
    const struct genesis *genesis = standing->config.genesis;
    for (size_t tries = 0; tries < genesis->seed_count; tries++) {
        const struct genesis_seed *seed = &genesis->seeds[(standing->seed + tries) % genesis->seed_count];
        if (relay_id_equal(&seed->id, &standing->config.self))
            continue;
        standing->seed = (standing->seed + tries) % genesis->seed_count;
        go_on(standing, step, PHASE_DIALS, TIME_NEVER);
        if (!standing->ports.dial(standing->ports.ctx, step, &seed->id, &seed->address))
            failed(standing, step);
        return;
    }
    failed(standing, step); // no seed but this node
}

static void ask(struct standing *standing, struct step *step) {
    uint8_t body[GET_STANDING_BYTES];
    const struct account_id *operator= standing->has_operator ? &standing->operator: NULL;
    if (++standing->turns > TURNS_MAX) {
        failed(standing, step);
        return;
    }
    get_standing_encode(body, &standing->config.self, operator);
    go_on(standing, step, PHASE_ASKED, ANSWER_TIMEOUT_MS);
    standing->ports.send(standing->ports.ctx, step, FRAME_GET_STANDING, SPAN_OF(body));
}

void standing_start(struct standing *standing, struct step *step) {
    go_on(standing, step, PHASE_RESTS, 0);
}

void standing_up(struct standing *standing, struct step *step) {
    ASSERT(standing->phase == PHASE_DIALS);
    standing->turns = 0;
    ask(standing, step);
}

void standing_down(struct standing *standing, struct step *step) {
    ASSERT(standing->phase != PHASE_RESTS);
    standing->phase = PHASE_DIALS; // there is nothing to hang up
    failed(standing, step);
}

void standing_keys_changed(struct standing *standing, struct step *step) {
    uint64_t epoch_ms = standing->config.genesis->epoch_ms;
    if (standing->phase != PHASE_RESTS || standing->waits_for != NULL)
        return; // it is about to look
    // Not all relays at once, and after the block that begins the epoch: in the one before, the free update is used up.
    uint64_t after_ms = epoch_ms / 20 + rng_below(&step->env->rng, epoch_ms / 10 + 1);
    if (step->now.mono_ms + after_ms < standing->due_ms)
        standing->due_ms = step->now.mono_ms + after_ms;
}

// ---- what to do

static bool same_keys(const struct onion_keys *a, const struct onion_keys *b) {
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        if (memcmp(a->keys[i].bytes, b->keys[i].bytes, sizeof a->keys[i].bytes) != 0)
            return false;
    return a->first_epoch == b->first_epoch;
}

// The keys of the record are never replaced by earlier ones.
static bool is_current(const struct standing *standing, const struct relay_standing *at, const struct onion_keys *own) {
    bool keys = same_keys(&at->onion, own) || own->first_epoch < at->onion.first_epoch;
    return keys && address_equal(&at->address, &standing->config.address);
}

static void offer(struct standing *standing, struct step *step, struct tx *tx, const struct sign_secret *sender) {
    uint8_t bytes[TX_BYTES_MAX];
    tx->network = standing->config.genesis->network;
    if (tx->kind == TX_REGISTER_RELAY)
        tx_cosign(tx, standing->config.relay);
    tx_sign(tx, sender);
    standing->pending = tx->kind;
    standing->pending_nonce = tx->nonce;
    standing->pending_until_ms = step->now.mono_ms + PENDING_MS;
    go_on(standing, step, PHASE_OFFERED, ANSWER_TIMEOUT_MS);
    metric_add(step->env->metrics, METRIC_STANDING_TXS, 1);
    standing->ports.send(standing->ports.ctx, step, FRAME_SUBMIT, span_of(bytes, tx_encode(bytes, tx)));
}

static void want(struct standing *standing, struct step *step, const char *what) {
    standing->waits_for = what;
    standing->failures = 0;
    rest(standing, step, jittered(step, WANTING_MS));
}

static void offer_registration(struct standing *standing, struct step *step, const struct relay_standing *at,
                               const struct onion_keys *own) {
    const struct ledger_genesis *ledger = &standing->config.genesis->ledger;
    uint64_t deposit = STANDING_DEPOSIT_FEES * (ledger->fee_min > 0 ? ledger->fee_min : 1);
    if (standing->was_retired) {
        want(standing, step, "its registration: it has retired, and `sotto relay register` brings it back");
        return;
    }
    if (!standing->has_operator) {
        want(standing, step, "its registration by its operator: `sotto relay register`, or operator_key here");
        return;
    }
    if (at->operator.balance<ledger->relay_stake_min + deposit + ledger->fee_min) {
        want(standing, step, "grains on its operator's account, for the stake, the deposit and the fee");
        return;
    }
    struct tx tx = {.kind = TX_REGISTER_RELAY,
                    .sender = standing->operator,
                    .nonce = at->operator.next_nonce,
                    .fee = ledger->fee_min,
                    .register_relay = {.relay = standing->config.self,
                                       .address = standing->config.address,
                                       .onion = *own,
                                       .stake = ledger->relay_stake_min,
                                       .deposit = deposit}};
    offer(standing, step, &tx, &standing->operator_key);
}

// The relay speaks for itself; its account is its identity.
static void offer_own(struct standing *standing, struct step *step, const struct relay_standing *at,
                      const struct onion_keys *own, enum tx_kind kind) {
    bool is_free = kind == TX_UPDATE_RELAY && at->free_update;
    uint64_t fee = is_free ? 0 : standing->config.genesis->ledger.fee_min;
    if (at->relay.balance < fee) { // a new epoch brings a free one
        rest(standing, step, jittered(step, standing->config.genesis->epoch_ms / 2));
        return;
    }
    struct tx tx = {.kind = kind, .nonce = at->relay.next_nonce, .fee = fee};
    memcpy(tx.sender.bytes, standing->config.self.bytes, sizeof tx.sender.bytes);
    if (kind == TX_UPDATE_RELAY)
        tx.update_relay = (struct tx_update_relay){.address = standing->config.address, .onion = *own};
    offer(standing, step, &tx, standing->config.relay);
}

// Nothing to do: the next look is a precaution. It comes soon where no directory bears out what was said.
static void settled(struct standing *standing, struct step *step, enum standing_listing listing) {
    uint64_t epoch_ms = standing->config.genesis->epoch_ms;
    bool is_proved = listing != STANDING_UNLISTED || standing->config.retiring;
    standing->waits_for = NULL;
    standing->failures = 0;
    standing->seed = (standing->seed + 1) % standing->config.genesis->seed_count;
    rest(standing, step, is_proved ? epoch_ms / 2 + jittered(step, epoch_ms) : jittered(step, epoch_ms / 4));
}

// A registration is paid for and signed by the operator: so it wants more than one validator's word.
static void decide(struct standing *standing, struct step *step, const struct relay_standing *at, bool in_vain) {
    struct onion_keys own;
    enum standing_listing listing = standing->ports.listing(standing->ports.ctx, step);
    if (listing != STANDING_UNLISTED)
        standing->was_retired = listing == STANDING_RETIRED;
    standing->ports.onion_keys(standing->ports.ctx, step, &own);
    if (at->registered && at->retired)
        settled(standing, step, listing);
    else if (!at->registered && standing->config.retiring)
        settled(standing, step, listing);
    else if (!at->registered && (listing == STANDING_LISTED || in_vain))
        failed(standing, step); // slashed since, which the next directory will show, or a lie
    else if (!at->registered)
        offer_registration(standing, step, at, &own);
    else if (standing->config.retiring)
        offer_own(standing, step, at, &own, TX_RETIRE_RELAY);
    else if (!is_current(standing, at, &own))
        offer_own(standing, step, at, &own, TX_UPDATE_RELAY);
    else
        settled(standing, step, listing);
}

// ---- answers

// The block with what was submitted is yet to come. False: its nonce is used up, by it or by another, or it is lost.
static bool is_pending(const struct standing *standing, struct step *step, const struct relay_standing *at) {
    bool by_operator = standing->pending == TX_REGISTER_RELAY;
    uint64_t nonce = by_operator ? at->operator.nonce : at->relay.nonce;
    bool done = by_operator && at->registered;
    return standing->pending != 0 && !done && nonce <= standing->pending_nonce &&
           step->now.mono_ms < standing->pending_until_ms;
}

static uint64_t poll_ms(const struct standing *standing) {
    uint64_t ms = (uint64_t)POLL_MS + POLL_MS / 4 * standing->turns;
    return ms < POLL_MS_MAX ? ms : POLL_MS_MAX;
}

static enum err on_standing(struct standing *standing, struct step *step, struct span body) {
    struct relay_standing at;
    if (relay_standing_decode(&at, body) != OK)
        return ERR_MALFORMED;
    if (standing->phase != PHASE_ASKED)
        return OK; // too late
    if (is_pending(standing, step, &at)) {
        go_on(standing, step, PHASE_WAITS, poll_ms(standing));
        return OK;
    }
    bool in_vain = standing->pending == TX_REGISTER_RELAY && standing->pending_nonce < at.operator.nonce;
    standing->pending = 0;
    if (at.registered)
        standing->waits_for = NULL;
    decide(standing, step, &at, in_vain);
    return OK;
}

// Tried again elsewhere, later and later: so a log line each time is no flood.
static void refused(struct standing *standing, struct step *step, enum tx_kind kind, uint8_t verdict) {
    bool is_known = verdict <= MEMPOOL_INVALID;
    log_reason(&step->env->log, LOG_WARN, "standing",
               kind == TX_REGISTER_RELAY ? "a validator refuses this relay's registration"
                                         : "a validator refuses this relay's transaction",
               is_known ? mempool_verdict_text((enum mempool_verdict)verdict) : "for a reason that is not known here");
    if (standing->waits_for != NULL)
        standing->waits_for = WAITS_REFUSED;
    failed(standing, step);
}

static enum err on_submitted(struct standing *standing, struct step *step, struct span body) {
    struct tx_id id;
    uint8_t verdict;
    if (submitted_decode(&id, &verdict, body) != OK)
        return ERR_MALFORMED;
    if (standing->phase != PHASE_OFFERED)
        return OK;
    if (standing->waits_for != NULL)
        standing->waits_for = WAITS_BLOCK;
    if (verdict == MEMPOOL_TAKEN || verdict == MEMPOOL_KNOWN) {
        go_on(standing, step, PHASE_WAITS, POLL_MS);
        return OK;
    }
    enum tx_kind kind = standing->pending;
    standing->pending = 0;
    if (verdict == MEMPOOL_NONCE_USED || verdict == MEMPOOL_UNDERPRICED || verdict == MEMPOOL_NONCE_FAR)
        go_on(standing, step, PHASE_WAITS, 1 + rng_below(&step->env->rng, CONTEND_MS)); // another took the nonce
    else
        refused(standing, step, kind, verdict);
    return OK;
}

enum err standing_frame(struct standing *standing, struct step *step, uint8_t kind, struct span body) {
    if (kind == FRAME_STANDING)
        return on_standing(standing, step, body);
    return kind == FRAME_SUBMITTED ? on_submitted(standing, step, body) : OK;
}

void standing_tick(struct standing *standing, struct step *step) {
    if (step->now.mono_ms < standing->due_ms)
        return;
    switch (standing->phase) {
    case PHASE_RESTS:
        dial(standing, step);
        return;
    case PHASE_WAITS:
        ask(standing, step);
        return;
    case PHASE_ASKED:
    case PHASE_OFFERED: // no answer
        failed(standing, step);
        return;
    case PHASE_DIALS:
        break;
    }
    ASSERT(false); // a dial ends by itself
}

uint64_t standing_next_ms(const struct standing *standing) {
    return standing->due_ms;
}

const char *standing_waits_for(const struct standing *standing) {
    return standing->waits_for;
}
