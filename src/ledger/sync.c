// Catching up: ranges of blocks with their certificates, from several peers at once; and serving others who do.
//
// What a peer claims to have is a hint, no more: a block counts only with a certificate of over two thirds of the
// validators of its height. Whoever sends anything else, or claims what it does not give, is not asked again.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/ledger_internal.h"

#define RANGE_COUNT 128
#define ASK_TIMEOUT_MS 5000
#define PRUNED_PATIENCE_MS 10000
// The others decide a height a little before or after us: being behind by one is no reason to fetch it yet.
#define PATIENCE_MS 300

// Another machine with this node's key is no other validator.
static bool has_own_key(const struct ledger *ledger, const struct peer *peer) {
    return ledger->signer != NULL &&
           memcmp(signer_key(ledger->signer)->bytes, peer->member.bytes, sizeof peer->member.bytes) == 0;
}

void sync_claims(const struct ledger *ledger, struct claim claims[static VALIDATORS_MAX]) {
    memset(claims, 0, VALIDATORS_MAX * sizeof(claims[0]));
    for (size_t i = 0; i < ledger->peer_count; i++) {
        const struct peer *peer = ledger->peers[i];
        int validator = peer->is_member && peer->has_status ? validator_set_find(&ledger->set, &peer->member) : -1;
        if (validator < 0 || has_own_key(ledger, peer))
            continue;
        claims[validator].made = true;
        if (peer->status.height > claims[validator].height)
            claims[validator].height = peer->status.height;
    }
}

bool sync_vouched_height(const struct ledger *ledger, uint64_t more_power, uint64_t *height) {
    struct claim claims[VALIDATORS_MAX];
    bool found = false;
    *height = 0;
    sync_claims(ledger, claims);
    for (size_t i = 0; i < ledger->set.count; i++) {
        uint64_t power = more_power;
        for (size_t k = 0; k < ledger->set.count; k++)
            power += claims[k].made && claims[k].height >= claims[i].height ? ledger->set.validators[k].power : 0;
        if (!claims[i].made || !power_is_skip(power, ledger->set.total))
            continue;
        found = true;
        *height = claims[i].height > *height ? claims[i].height : *height;
    }
    return found;
}

// Anybody can claim anything: when enough validators can be asked, theirs counts alone, and what over a third of the
// power has voted on: of those who were there one may be left who can give it.
static uint64_t claimed_height(const struct ledger *ledger) {
    uint64_t height = 0;
    if (sync_vouched_height(ledger, 0, &height))
        return height > ledger->sync_voted ? height : ledger->sync_voted;
    for (size_t i = 0; i < ledger->peer_count; i++)
        if (ledger->peers[i]->has_status && ledger->peers[i]->status.height > height)
            height = ledger->peers[i]->status.height;
    return height;
}

static bool votes_here(const struct ledger *ledger) {
    return ledger->signer != NULL && validator_set_find(&ledger->set, signer_key(ledger->signer)) >= 0;
}

static void syncing_set(struct ledger *ledger, struct step *step, bool syncing) {
    if (ledger->syncing == syncing)
        return;
    ledger->syncing = syncing;
    ledger->sync_next = ledger->chain.height + 1;
    metric_set(step->env->metrics, METRIC_LEDGER_SYNCING, syncing);
    for (size_t i = 0; i < SYNC_ASKS_MAX; i++) {
        buf_free(&ledger->asks[i].answer);
        ledger->asks[i] = (struct sync_ask){0};
    }
    ledger->sync_look_ms = TIME_NEVER;
}

void sync_look(struct ledger *ledger, struct step *step) {
    uint64_t claimed = claimed_height(ledger);
    uint64_t ahead = claimed > ledger->chain.height ? claimed - ledger->chain.height : 0;
    ledger->sync_target = claimed;
    if (ahead == 0)
        ledger->sync_look_ms = TIME_NEVER;
    else if (ahead > 1 || !votes_here(ledger))
        syncing_set(ledger, step, true);
    else if (!ledger->syncing && ledger->sync_look_ms == TIME_NEVER)
        ledger->sync_look_ms = step->now.mono_ms + PATIENCE_MS;
}

// ---- what is certified

struct certified {
    struct span block;
    struct certificate certificate;
};

static enum err certified_read(struct certified *out, struct reader *r) {
    out->block = part_read(r, BLOCK_BYTES_MAX);
    struct span certificate = part_read(r, CERTIFICATE_BYTES_MAX);
    return reader_ok(r) ? certificate_decode(&out->certificate, certificate) : ERR_MALFORMED;
}

static enum err certified_verify(const struct ledger *ledger, const struct certified *certified, uint64_t height,
                                 const struct validator_set *set) {
    struct block_header header;
    struct block_id id;
    const struct certificate *certificate = &certified->certificate;
    if (certified->block.n < BLOCK_HEADER_BYTES ||
        block_header_decode(&header, span_of(certified->block.p, BLOCK_HEADER_BYTES)) != OK)
        return ERR_MALFORMED;
    block_id_of(&id, &header);
    bool fits = header.height == height && certificate->height == height && certificate->type == VOTE_PRECOMMIT &&
                block_id_equal(&certificate->value, &id);
    return fits ? certificate_verify(certificate, set, &ledger->config.genesis->network) : ERR_AUTH;
}

// The next block, verified. Its transactions' signatures are trusted under the certificate; what they do is executed.
static enum err apply_certified(struct ledger *ledger, struct step *step, const struct certified *certified) {
    static const struct sign_public nobody;
    const char *why = NULL;
    if (ledger->candidate_count == CANDIDATES_MAX || ledger->candidate_bytes > CANDIDATE_BYTES_MAX - BLOCK_BYTES_MAX)
        candidates_free(ledger); // proposals are of no use to who is behind
    struct candidate *candidate = candidate_add(ledger, certified->block, &certified->certificate.value, &nobody);
    if (candidate == NULL)
        return ERR_MALFORMED;
    enum err err = candidate_try(ledger, step, candidate, true, &why);
    if (err != OK) {
        log_reason(&step->env->log, LOG_ERROR, "ledger", "a certified block is not valid here", why);
        ledger_break(ledger, step,
                     err == ERR_INVALID ? "over two thirds decided a block that is wrong by this node's rules"
                                        : "the store is damaged: a block could not be executed");
        return OK;
    }
    struct bft_input input = {.kind = BFT_INPUT_CERTIFICATE, .certificate = &certified->certificate};
    witness_take(ledger->witness, &input);
    input = (struct bft_input){.kind = BFT_INPUT_SYNCED_BLOCK, .height = ledger->chain.height + 1};
    candidate->state = CANDIDATE_VALID;
    driver_input(ledger, step, &input);
    apply_block(ledger, step, candidate, &certified->certificate);
    return OK;
}

// A certificate for another block at a height that is decided here: over a third of the power has lied. One for the
// same block may have votes of who told this node something else.
static enum err look_for_fork(struct ledger *ledger, struct step *step, const struct certified *certified,
                              uint64_t height) {
    struct block_header ours;
    struct block_id id;
    struct validator_set *set = NEW(struct validator_set);
    enum err err = chain_header(step, height, &ours);
    if (err == OK)
        err = chain_set(step, &ours.validators, set);
    if (err == OK)
        block_id_of(&id, &ours);
    bool can_tell = err == OK && !block_id_equal(&id, &certified->certificate.value);
    if (can_tell)
        err = certified_verify(ledger, certified, height, set);
    if (can_tell && err == OK)
        ledger_break(ledger, step,
                     "a fork: two blocks of one height are both certified. Over a third of the "
                     "validators' power is lying; find out who before going on");
    if (err == OK && !can_tell)
        err = evidence_look(ledger, &certified->certificate, set);
    free(set);
    return err == ERR_AUTH || can_tell ? err : OK;
}

// ---- asking

static bool has_ask(const struct ledger *ledger, uint64_t link) {
    for (size_t i = 0; i < SYNC_ASKS_MAX; i++)
        if (ledger->asks[i].count > 0 && ledger->asks[i].peer == link && !ledger->asks[i].has_answer)
            return true;
    return false;
}

// Who was dialled is nobody that came to be asked; who has failed less often goes first. So many liars delay little.
static unsigned distrust(const struct peer *peer) {
    return 2 * peer->sync_failures + (peer->inbound && !peer->is_member ? 1 : 0);
}

// One of those who claim to have it.
static struct peer *peer_for(struct ledger *ledger, struct step *step, uint64_t height) {
    size_t first = ledger->peer_count == 0 ? 0 : (size_t)rng_below(&step->env->rng, ledger->peer_count);
    struct peer *best = NULL;
    for (size_t i = 0; i < ledger->peer_count; i++) {
        struct peer *peer = ledger->peers[(first + i) % ledger->peer_count];
        if (peer->has_status && peer->status.height >= height && peer->status.first_height <= height &&
            !has_ask(ledger, peer->link) && (best == NULL || distrust(peer) < distrust(best)))
            best = peer;
    }
    return best;
}

static void ask_peer(struct ledger *ledger, struct step *step, struct sync_ask *ask) {
    uint8_t body[GET_SPAN_BYTES];
    struct peer *peer = peer_for(ledger, step, ask->from);
    if (peer == NULL)
        return;
    ask->peer = peer->link;
    ask->deadline_ms = step->now.mono_ms + ASK_TIMEOUT_MS;
    get_span_encode(body, ask->from, ask->count);
    peer_send(ledger, step, peer, FRAME_GET_RANGE, SPAN_OF(body));
}

bool sync_is_pruned_away(const struct ledger *ledger) {
    bool any = false;
    for (size_t i = 0; i < ledger->peer_count; i++) {
        const struct peer *peer = ledger->peers[i];
        if (!peer->has_status || peer->status.height <= ledger->chain.height)
            continue;
        if (peer->status.first_height <= ledger->chain.height + 1)
            return false;
        any = true;
    }
    return any;
}

// Said once each time: who has the blocks may just not be linked yet.
static void look_for_pruned(struct ledger *ledger, struct step *step) {
    uint64_t now_ms = step->now.mono_ms;
    if (!ledger->syncing || !sync_is_pruned_away(ledger)) {
        ledger->pruned_since_ms = 0;
    } else if (ledger->pruned_since_ms == 0) {
        ledger->pruned_since_ms = now_ms;
    } else if (ledger->pruned_since_ms != TIME_NEVER && now_ms - ledger->pruned_since_ms >= PRUNED_PATIENCE_MS) {
        ledger->pruned_since_ms = TIME_NEVER;
        log_reason(&step->env->log, LOG_ERROR, "ledger", "the chain cannot be fetched", WAITS_PRUNED);
    }
}

static void ask_forget(struct sync_ask *ask) {
    buf_free(&ask->answer);
    *ask = (struct sync_ask){.from = ask->from, .count = ask->count};
}

// The peer has not kept what it claimed: its claim is forgotten until it makes another.
static void ask_failed(struct ledger *ledger, struct sync_ask *ask) {
    struct peer *peer = peer_find(ledger, ask->peer);
    if (peer != NULL) {
        peer->has_status = false;
        peer->sync_failures++;
    }
    ask_forget(ask);
}

void sync_peer_gone(struct ledger *ledger, struct step *step, uint64_t link) {
    (void)step;
    for (size_t i = 0; i < SYNC_ASKS_MAX; i++)
        if (ledger->asks[i].count > 0 && ledger->asks[i].peer == link && !ledger->asks[i].has_answer)
            ask_forget(&ledger->asks[i]);
}

static void ask_for_more(struct ledger *ledger, struct step *step) {
    for (size_t i = 0; i < SYNC_ASKS_MAX; i++) {
        struct sync_ask *ask = &ledger->asks[i];
        if (ask->count > 0 && ask->peer != 0 && !ask->has_answer && step->now.mono_ms >= ask->deadline_ms)
            ask_failed(ledger, ask);
        if (ask->count == 0 && ledger->sync_next <= ledger->sync_target) {
            uint64_t left = ledger->sync_target - ledger->sync_next + 1;
            ask->from = ledger->sync_next;
            ask->count = (uint16_t)(left < RANGE_COUNT ? left : RANGE_COUNT);
            ledger->sync_next += ask->count;
        }
        if (ask->count > 0 && ask->peer == 0)
            ask_peer(ledger, step, ask);
    }
}

// ---- taking

static struct sync_ask *ask_of_next(struct ledger *ledger) {
    uint64_t height = ledger->chain.height + 1;
    for (size_t i = 0; i < SYNC_ASKS_MAX; i++)
        if (ledger->asks[i].has_answer && ledger->asks[i].from == height)
            return &ledger->asks[i];
    return NULL;
}

// The block at the front of the range; a range that is used up is free, one that was cut short is asked on.
static void take_next(struct ledger *ledger, struct step *step, struct sync_ask *ask) {
    struct certified *certified = NEW(struct certified);
    struct reader r = reader_of(span_of(ask->answer.p + ask->used, ask->answer.n - ask->used));
    enum err err = certified_read(certified, &r);
    if (err == OK)
        err = certified_verify(ledger, certified, ask->from, &ledger->set);
    if (err == OK)
        err = apply_certified(ledger, step, certified);
    free(certified);
    if (err != OK) {
        struct peer *peer = peer_find(ledger, ask->peer);
        ask_forget(ask);
        if (peer != NULL)
            peer_broke_a_rule(ledger, step, peer, "a block without a right certificate");
        return;
    }
    ask->used = ask->answer.n - r.n;
    ask->from++;
    ask->count--;
    if (ask->count == 0 || ask->used == ask->answer.n)
        ask_forget(ask);
}

static void forget_what_is_decided(struct ledger *ledger) {
    for (size_t i = 0; i < SYNC_ASKS_MAX; i++) {
        struct sync_ask *ask = &ledger->asks[i];
        if (ask->count > 0 && ask->from <= ledger->chain.height && ask->has_answer)
            ask_forget(ask); // consensus was faster
        while (ask->count > 0 && ask->peer == 0 && ask->from <= ledger->chain.height) {
            ask->from++;
            ask->count--;
        }
    }
    if (ledger->sync_next <= ledger->chain.height)
        ledger->sync_next = ledger->chain.height + 1;
}

void sync_tick(struct ledger *ledger, struct step *step) {
    if (!ledger->syncing && step->now.mono_ms >= ledger->sync_look_ms)
        syncing_set(ledger, step, true);
    look_for_pruned(ledger, step);
    if (!ledger->syncing || ledger->broken != NULL)
        return;
    forget_what_is_decided(ledger);
    struct sync_ask *ask = apply_is_hidden(ledger, step) ? NULL : ask_of_next(ledger);
    if (ask != NULL)
        take_next(ledger, step, ask);
    ledger->sync_target = claimed_height(ledger);
    if (ledger->chain.height >= ledger->sync_target)
        syncing_set(ledger, step, false);
    else
        ask_for_more(ledger, step);
}

bool sync_is_behind(const struct ledger *ledger) {
    uint64_t height;
    return ledger->syncing && sync_vouched_height(ledger, 0, &height) && height > ledger->chain.height;
}

uint64_t sync_next_ms(const struct ledger *ledger) {
    uint64_t next_ms = ledger->sync_look_ms;
    for (size_t i = 0; ledger->syncing && i < SYNC_ASKS_MAX; i++) {
        const struct sync_ask *ask = &ledger->asks[i];
        if (ask->count > 0 && ask->peer != 0 && !ask->has_answer && ask->deadline_ms < next_ms)
            next_ms = ask->deadline_ms;
    }
    return next_ms;
}

void sync_status(struct ledger *ledger, struct step *step, struct peer *peer) {
    uint8_t body[GET_HEIGHT_BYTES];
    bool other_head = peer->status.height == ledger->chain.height && ledger->chain.height > 0 &&
                      !block_id_equal(&peer->status.head, &ledger->chain.id);
    if (other_head && !peer->asked_block) {
        peer->asked_block = true;
        get_height_encode(body, peer->status.height);
        peer_send(ledger, step, peer, FRAME_GET_BLOCK, SPAN_OF(body));
    }
    sync_look(ledger, step);
}

void sync_wanted(struct ledger *ledger, struct step *step, uint64_t height) {
    if (height > ledger->sync_voted + 1)
        ledger->sync_voted = height - 1; // it is decided where they vote on the next
    if (claimed_height(ledger) > ledger->chain.height)
        syncing_set(ledger, step, true);
}

enum err sync_range(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    uint64_t from;
    struct span blocks;
    if (found_decode(&from, &blocks, body) != OK)
        return ERR_MALFORMED;
    for (size_t i = 0; i < SYNC_ASKS_MAX; i++) {
        struct sync_ask *ask = &ledger->asks[i];
        if (ask->count == 0 || ask->peer != peer->link || ask->from != from || ask->has_answer)
            continue;
        if (blocks.n == 0) {
            ask_failed(ledger, ask);
            return OK;
        }
        buf_append(&ask->answer, blocks);
        ask->has_answer = true;
        ask->used = 0;
        return OK;
    }
    (void)step; // nobody waits for it any more
    return OK;
}

enum err sync_block(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    uint64_t height;
    struct span found;
    if (found_decode(&height, &found, body) != OK)
        return ERR_MALFORMED;
    if (!peer->asked_block && !peer->is_member)
        return OK; // a certificate costs too much to be verified for anybody
    peer->asked_block = false;
    if (found.n == 0 || height > ledger->chain.height + 1 ||
        (height > ledger->chain.height && apply_is_hidden(ledger, step)))
        return OK;
    struct reader r = reader_of(found);
    struct certified *certified = NEW(struct certified);
    enum err err = certified_read(certified, &r);
    if (err == OK && !reader_done(&r))
        err = ERR_MALFORMED;
    if (err == OK && height <= ledger->chain.height)
        err = look_for_fork(ledger, step, certified, height);
    else if (err == OK)
        err = certified_verify(ledger, certified, height, &ledger->set);
    if (err == OK && height == ledger->chain.height + 1)
        err = apply_certified(ledger, step, certified);
    free(certified);
    return err;
}

// ---- serving

static bool append_certificate(struct step *step, struct buf *out, uint64_t height) {
    struct buf certificate = {0};
    bool held = chain_certificate(step, height, &certificate) == OK;
    if (held)
        part_append(out, buf_span(&certificate));
    buf_free(&certificate);
    return held;
}

// Appends block and certificate of a height. False: not held; what is appended then is of no use.
static bool append_block(struct step *step, struct buf *out, uint64_t height) {
    struct buf block = {0};
    bool held = chain_block(step, height, &block) == OK;
    if (held)
        part_append(out, buf_span(&block));
    buf_free(&block);
    return held && append_certificate(step, out, height);
}

static bool append_header(struct step *step, struct buf *out, uint64_t height) {
    struct block_header header;
    uint8_t bytes[BLOCK_HEADER_BYTES];
    if (chain_header(step, height, &header) != OK)
        return false;
    block_header_encode(bytes, &header);
    part_append(out, SPAN_OF(bytes));
    return append_certificate(step, out, height);
}

void sync_send_block(struct ledger *ledger, struct step *step, struct peer *peer, uint64_t height) {
    struct buf found = {0}, body = {0};
    if (!peer_may_ask(peer, step))
        return;
    if (!append_block(step, &found, height))
        buf_clear(&found);
    found_encode(&body, height, buf_span(&found));
    peer_has_had(peer, step, body.n);
    peer_send(ledger, step, peer, FRAME_BLOCK, buf_span(&body));
    buf_free(&found);
    buf_free(&body);
}

enum err serve_block(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    uint64_t height;
    if (get_height_decode(&height, body) != OK)
        return ERR_MALFORMED;
    sync_send_block(ledger, step, peer, height);
    return OK;
}

static enum err serve_span(struct ledger *ledger, struct step *step, struct peer *peer, struct span body,
                           bool header_only) {
    uint64_t from;
    uint16_t count;
    struct buf found = {0}, answer = {0};
    if (get_span_decode(&from, &count, body, header_only ? HEADERS_COUNT_MAX : RANGE_COUNT_MAX) != OK)
        return ERR_MALFORMED;
    if (!peer_may_ask(peer, step))
        return OK;
    for (uint64_t height = from; height < from + count; height++) {
        size_t before = found.n;
        bool held = header_only ? append_header(step, &found, height) : append_block(step, &found, height);
        if (!held || (before > 0 && found.n > ANSWER_BYTES_MAX)) {
            found.n = before; // the rest is asked for again
            break;
        }
    }
    found_encode(&answer, from, buf_span(&found));
    peer_has_had(peer, step, answer.n);
    peer_send(ledger, step, peer, header_only ? FRAME_HEADERS : FRAME_RANGE, buf_span(&answer));
    buf_free(&found);
    buf_free(&answer);
    return OK;
}

enum err serve_range(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    return serve_span(ledger, step, peer, body, false);
}

enum err serve_headers(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    return serve_span(ledger, step, peer, body, true);
}

static bool append_set(struct step *step, struct buf *out, const struct hash *hash) {
    struct validator_set *set = NEW(struct validator_set);
    uint8_t *bytes = NEW_ARRAY(uint8_t, VALIDATOR_SET_BYTES_MAX);
    bool held = chain_set(step, hash, set) == OK;
    if (held)
        part_append(out, span_of(bytes, validator_set_encode(bytes, set)));
    free(bytes);
    free(set);
    return held;
}

enum err serve_light(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    uint64_t height;
    struct buf found = {0}, answer = {0};
    struct block_header header;
    if (get_height_decode(&height, body) != OK)
        return ERR_MALFORMED;
    if (!peer_may_ask(peer, step))
        return OK;
    bool held = append_header(step, &found, height) && chain_header(step, height, &header) == OK &&
                append_set(step, &found, &header.validators) && append_set(step, &found, &header.next_validators);
    if (!held)
        buf_clear(&found);
    found_encode(&answer, height, buf_span(&found));
    peer_has_had(peer, step, answer.n);
    peer_send(ledger, step, peer, FRAME_LIGHT, buf_span(&answer));
    buf_free(&found);
    buf_free(&answer);
    return OK;
}
