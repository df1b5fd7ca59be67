// The others: who they are, where they stand, whom to dial; and what comes from them, by kind.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/ledger_internal.h"

// A status may be lost, or forgotten by whom it was not kept to for a while; where a head stands still there is no
// next.
#define STATUS_REPEAT_MS 10000
#define DIAL_RETRY_MS 500
#define DIAL_RETRY_MS_MAX 30000
#define DIALS_CROSS_MS 10000            // a handshake takes no longer
#define LINKS_WANTED 16                 // of a follower, beyond the seeds
#define ANSWERS_PER_S (4 * 1024 * 1024) // bytes that one peer may make us send
#define ANSWERS_BURST_MS 500            // two of the longest answers

bool allowance_take(struct allowance *allowance, uint64_t now_ms, uint64_t amount, uint64_t per_s, uint64_t burst) {
    uint64_t now_us = now_ms * 1000;
    uint64_t from_us = allowance->earned_us > now_us ? allowance->earned_us : now_us;
    uint64_t until_us = from_us + amount * 1000000 / per_s;
    if (until_us - now_us > burst * 1000000 / per_s)
        return false;
    allowance->earned_us = until_us;
    return true;
}

struct peer *peer_find(const struct ledger *ledger, uint64_t link) {
    for (size_t i = 0; i < ledger->peer_count; i++)
        if (ledger->peers[i]->link == link)
            return ledger->peers[i];
    return NULL;
}

void peer_send(struct ledger *ledger, struct step *step, const struct peer *peer, enum ledger_frame kind,
               struct span body) {
    ledger->ports.send(ledger->ports.ctx, step, peer->link, kind, body);
}

void peer_broke_a_rule(struct ledger *ledger, struct step *step, struct peer *peer, const char *rule) {
    metric_add(step->env->metrics, METRIC_LEDGER_PEERS_CLOSED, 1);
    log_reason(&step->env->log, LOG_WARN, "ledger", "a peer has broken a rule: its link is closed", rule);
    ledger->ports.close(ledger->ports.ctx, step, peer->link);
}

static struct known_peer *known_find(struct ledger *ledger, const struct relay_id *id) {
    for (size_t i = 0; i < ledger->known_count; i++)
        if (memcmp(ledger->known[i].id.bytes, id->bytes, 32) == 0)
            return &ledger->known[i];
    return NULL;
}

static bool is_linked_member(const struct ledger *ledger, const struct relay_id *id) {
    for (size_t i = 0; i < ledger->peer_count; i++) {
        const struct peer *peer = ledger->peers[i];
        if (peer->is_member && memcmp(peer->id.bytes, id->bytes, 32) == 0)
            return true;
    }
    return false;
}

// The entry of one that could not be reached, so that names nobody answers to do not fill the table; of a validator's
// table also that of one that has turned out to be none.
static struct known_peer *known_useless(struct ledger *ledger) {
    for (size_t i = 0; i < ledger->known_count; i++) {
        struct known_peer *known = &ledger->known[i];
        if (!known->is_seed && !known->linked && !known->dialling && known->failures > 0)
            return known;
    }
    for (size_t i = 0; ledger->signer != NULL && i < ledger->known_count; i++) {
        struct known_peer *known = &ledger->known[i];
        if (!known->is_seed && known->linked && !is_linked_member(ledger, &known->id))
            return known;
    }
    return NULL;
}

static void known_add(struct ledger *ledger, const struct relay_id *id, const struct address *address, bool is_seed) {
    if (memcmp(ledger->config.self.bytes, id->bytes, 32) == 0 || known_find(ledger, id) != NULL)
        return;
    bool full = ledger->known_count == PEERS_KNOWN_MAX;
    struct known_peer *known = full ? known_useless(ledger) : &ledger->known[ledger->known_count++];
    if (known != NULL)
        *known = (struct known_peer){.id = *id, .address = *address, .is_seed = is_seed};
}

// ---- where we stand

void peers_tell_status(struct ledger *ledger, struct step *step, const struct peer *only) {
    struct peer_status status = {ledger->chain.height, ledger->chain.id, ledger->chain.first};
    uint8_t body[STATUS_BYTES];
    peer_status_encode(body, &status);
    for (size_t i = 0; i < ledger->peer_count; i++)
        if (only == NULL || ledger->peers[i] == only)
            peer_send(ledger, step, ledger->peers[i], FRAME_STATUS, SPAN_OF(body));
}

static bool same_peer(const struct peer *a, const struct peer *b) {
    return a != b && a->has_id && b->has_id && memcmp(a->id.bytes, b->id.bytes, 32) == 0;
}

// Of two links with one peer. When both ends have dialled at about the same time, the lower identity's dial is kept:
// both come to the same. Otherwise the newer is: the other end has lost the older, or it would not have dialled.
static bool is_better(const struct ledger *ledger, const struct peer *a, const struct peer *b) {
    uint64_t apart_ms = a->up_ms > b->up_ms ? a->up_ms - b->up_ms : b->up_ms - a->up_ms;
    if (a->inbound == b->inbound || apart_ms > DIALS_CROSS_MS)
        return a->link > b->link;
    bool own_is_kept = memcmp(ledger->config.self.bytes, a->id.bytes, 32) < 0;
    return a->inbound != own_is_kept;
}

bool peer_has_better_link(const struct ledger *ledger, const struct peer *peer) {
    bool has = false;
    for (size_t i = 0; i < ledger->peer_count; i++) {
        const struct peer *other = ledger->peers[i];
        has = has || (other->is_member && same_peer(other, peer) && is_better(ledger, other, peer));
    }
    return has;
}

void peers_broadcast(struct ledger *ledger, struct step *step, enum ledger_frame kind, struct span body) {
    for (size_t i = 0; i < ledger->peer_count; i++)
        if (ledger->peers[i]->is_member && !peer_has_better_link(ledger, ledger->peers[i]))
            peer_send(ledger, step, ledger->peers[i], kind, body);
}

static void tell_membership(struct ledger *ledger, struct step *step, const struct peer *peer) {
    struct member member = {.key = *signer_key(ledger->signer)};
    uint8_t body[MEMBER_BYTES];
    const struct span parts[] = {SPAN_OF(ledger->config.genesis->network.bytes), SPAN_OF(ledger->config.self.bytes),
                                 SPAN_OF(peer->id.bytes)};
    signer_sign_other(ledger->signer, &member.signature, MEMBER_DOMAIN, parts, 3);
    member_encode(body, &member);
    peer_send(ledger, step, peer, FRAME_MEMBER, SPAN_OF(body));
}

// Where others may dial this node.
static void tell_address(struct ledger *ledger, struct step *step, const struct peer *peer) {
    struct peer_address self = {.address = ledger->config.address};
    struct buf body = {0};
    if (self.address.port == 0)
        return;
    memcpy(self.key, ledger->config.self.bytes, 32);
    peers_encode(&body, &self, 1);
    peer_send(ledger, step, peer, FRAME_PEERS, buf_span(&body));
    buf_free(&body);
}

// ---- coming and going

static void mark_linked(struct ledger *ledger, const struct peer *peer) {
    struct known_peer *known = peer->has_id ? known_find(ledger, &peer->id) : NULL;
    if (known == NULL)
        return;
    known->dialling = false;
    known->linked = true;
    known->failures = 0;
}

static void dial_later(struct ledger *ledger, struct step *step, struct known_peer *known) {
    unsigned doublings = known->failures < 6 ? known->failures : 6;
    uint64_t wait_ms = (uint64_t)DIAL_RETRY_MS << doublings;
    wait_ms = wait_ms < DIAL_RETRY_MS_MAX ? wait_ms : DIAL_RETRY_MS_MAX;
    known->dialling = false;
    known->retry_ms = step->now.mono_ms + wait_ms / 2 + rng_below(&step->env->rng, wait_ms / 2 + 1);
    if (known->retry_ms < ledger->next_ms)
        ledger->next_ms = known->retry_ms;
}

// Of a link that has gone from the list. There may be another: both ends may have dialled. What was on its way by the
// one that has gone is said again by that.
static void mark_gone(struct ledger *ledger, struct step *step, const struct peer *peer) {
    struct known_peer *known = peer->has_id ? known_find(ledger, &peer->id) : NULL;
    struct peer *other = NULL;
    for (size_t i = 0; i < ledger->peer_count; i++)
        other = same_peer(ledger->peers[i], peer) ? ledger->peers[i] : other;
    if (other != NULL && other->is_member) {
        gossip_greet(ledger, step, other);
        driver_greet(ledger, step, other);
    }
    if (known == NULL || other != NULL)
        return;
    known->linked = false;
    dial_later(ledger, step, known);
}

// Strangers, whom anybody can be any number of, leave room for validators: the longest here goes for the newest.
static void make_room_for_members(struct ledger *ledger, struct step *step) {
    size_t strangers = 0, oldest = 0;
    for (size_t i = 0; i < ledger->peer_count; i++) {
        const struct peer *peer = ledger->peers[i];
        if (!peer->inbound || peer->is_member)
            continue;
        if (strangers++ == 0 || peer->link < ledger->peers[oldest]->link)
            oldest = i;
    }
    if (strangers < STRANGERS_LINKED_MAX)
        return;
    ledger->ports.close(ledger->ports.ctx, step, ledger->peers[oldest]->link);
}

void ledger_peer_up(struct ledger *ledger, struct step *step, uint64_t link, const struct relay_id *id, bool inbound) {
    if (inbound)
        make_room_for_members(ledger, step);
    if (ledger->peer_count == PEERS_LINKED_MAX) {
        ledger->ports.close(ledger->ports.ctx, step, link);
        return;
    }
    struct peer *peer = NEW(struct peer);
    *peer = (struct peer){.link = link, .up_ms = step->now.mono_ms, .inbound = inbound, .has_id = id != NULL};
    if (id != NULL)
        peer->id = *id;
    ledger->peers[ledger->peer_count++] = peer;
    mark_linked(ledger, peer);
    metric_set(step->env->metrics, METRIC_LEDGER_PEERS, (int64_t)ledger->peer_count);
    peers_tell_status(ledger, step, peer);
    if (ledger->signer != NULL)
        tell_membership(ledger, step, peer);
    tell_address(ledger, step, peer);
    if (!inbound) {
        peer->asked_peers = true;
        peer_send(ledger, step, peer, FRAME_GET_PEERS, (struct span){NULL, 0});
    }
}

void ledger_peer_down(struct ledger *ledger, struct step *step, uint64_t link) {
    for (size_t i = 0; i < ledger->peer_count; i++) {
        struct peer *peer = ledger->peers[i];
        if (peer->link != link)
            continue;
        sync_peer_gone(ledger, step, link);
        ledger->peers[i] = ledger->peers[--ledger->peer_count];
        mark_gone(ledger, step, peer);
        buf_free(&peer->txs);
        free(peer);
        metric_set(step->env->metrics, METRIC_LEDGER_PEERS, (int64_t)ledger->peer_count);
        return;
    }
}

void ledger_dial_failed(struct ledger *ledger, struct step *step, const struct relay_id *id) {
    struct known_peer *known = known_find(ledger, id);
    if (known == NULL)
        return;
    dial_later(ledger, step, known);
    known->failures++;
}

// ---- dialling: all seeds, and of the others some, or all

void peers_begin(struct ledger *ledger) {
    const struct genesis *genesis = ledger->config.genesis;
    for (size_t i = 0; i < genesis->seed_count; i++)
        known_add(ledger, &genesis->seeds[i].id, &genesis->seeds[i].address, true);
}

static size_t count_others(const struct ledger *ledger) {
    size_t others = 0;
    for (size_t i = 0; i < ledger->known_count; i++)
        others += !ledger->known[i].is_seed && (ledger->known[i].linked || ledger->known[i].dialling);
    return others;
}

// Votes are not passed on, so a validator dials all that it hears of: there may be more validators than seeds.
static bool wants_links(const struct ledger *ledger, size_t others) {
    return ledger->signer != NULL || others < LINKS_WANTED;
}

static void repeat_status(struct ledger *ledger, struct step *step) {
    if (step->now.mono_ms < ledger->status_ms)
        return;
    ledger->status_ms = step->now.mono_ms + STATUS_REPEAT_MS;
    peers_tell_status(ledger, step, NULL);
}

void peers_tick(struct ledger *ledger, struct step *step) {
    repeat_status(ledger, step);
    size_t others = count_others(ledger);
    for (size_t i = 0; i < ledger->known_count; i++) {
        struct known_peer *known = &ledger->known[i];
        if (known->linked || known->dialling || step->now.mono_ms < known->retry_ms)
            continue;
        if (!known->is_seed && !wants_links(ledger, others++))
            continue;
        known->dialling = true;
        ledger->ports.dial(ledger->ports.ctx, step, &known->id, &known->address);
    }
}

uint64_t peers_next_ms(const struct ledger *ledger) {
    uint64_t next_ms = ledger->status_ms;
    bool more = wants_links(ledger, count_others(ledger));
    for (size_t i = 0; i < ledger->known_count; i++) {
        const struct known_peer *known = &ledger->known[i];
        bool wanted = known->is_seed || more;
        if (wanted && !known->linked && !known->dialling && known->retry_ms < next_ms)
            next_ms = known->retry_ms;
    }
    return next_ms;
}

// ---- frames: who stands where, who may be dialled

// Both ends may have dialled: one link is enough. Only those count by which the peer's ledger has spoken: a relay asks
// about itself by links of its own. Where one end has dialled twice it has lost the first, which ends by its silence.
static void keep_one_link(struct ledger *ledger, struct step *step, const struct peer *peer) {
    for (size_t i = 0; i < ledger->peer_count; i++) {
        const struct peer *other = ledger->peers[i];
        if (!other->has_status || other->inbound == peer->inbound || !same_peer(other, peer))
            continue;
        ledger->ports.close(ledger->ports.ctx, step, is_better(ledger, other, peer) ? peer->link : other->link);
        return;
    }
}

static enum err on_status(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    bool is_first = !peer->has_status;
    if (peer_status_decode(&peer->status, body) != OK)
        return ERR_MALFORMED;
    peer->has_status = true;
    sync_status(ledger, step, peer);
    if (is_first)
        keep_one_link(ledger, step, peer);
    return OK;
}

static void follow_set(struct ledger *ledger, struct step *step, struct peer *peer) {
    bool was_member = peer->is_member;
    peer->is_member = peer->has_member && (validator_set_find(&ledger->set, &peer->member) >= 0 ||
                                           validator_set_find(&ledger->next_set, &peer->member) >= 0);
    if (was_member == peer->is_member)
        return;
    ledger->ports.trust(ledger->ports.ctx, peer->link, peer->is_member);
    if (was_member)
        return;
    gossip_greet(ledger, step, peer);
    driver_greet(ledger, step, peer);
    evidence_greet(ledger, step, peer);
}

void peers_follow_set(struct ledger *ledger, struct step *step) {
    for (size_t i = 0; i < ledger->peer_count; i++)
        follow_set(ledger, step, ledger->peers[i]);
}

static enum err on_member(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    struct member member;
    if (member_decode(&member, body) != OK || !peer->has_id || peer->has_member)
        return ERR_MALFORMED; // once a link
    if (member_verify(&member, &ledger->config.genesis->network, &peer->id, &ledger->config.self) != OK)
        return ERR_AUTH;
    peer->has_member = true;
    peer->member = member.key;
    follow_set(ledger, step, peer);
    sync_look(ledger, step); // its claim may count for more now
    return OK;
}

static enum err on_get_peers(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    struct peer_address out[PEERS_MAX];
    struct buf answer = {0};
    size_t count = 0;
    if (body.n != 0)
        return ERR_MALFORMED;
    if (!peer_may_ask(peer, step))
        return OK;
    // From anywhere on: who asks several nodes learns of more than fit one answer.
    size_t first = ledger->known_count == 0 ? 0 : (size_t)rng_below(&step->env->rng, ledger->known_count);
    for (size_t i = 0; i < ledger->known_count && count < PEERS_MAX; i++) {
        const struct known_peer *known = &ledger->known[(first + i) % ledger->known_count];
        if (known->linked) {
            memcpy(out[count].key, known->id.bytes, 32);
            out[count++].address = known->address;
        }
    }
    peers_encode(&answer, out, count);
    peer_has_had(peer, step, answer.n);
    peer_send(ledger, step, peer, FRAME_PEERS, buf_span(&answer));
    buf_free(&answer);
    return OK;
}

// Its own address, unasked, or those that it was asked for.
static enum err on_peers(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    struct peer_address in[PEERS_MAX];
    size_t count;
    (void)step;
    if (peers_decode(in, &count, body) != OK)
        return ERR_MALFORMED;
    bool about_itself = count == 1 && peer->has_id && memcmp(in[0].key, peer->id.bytes, 32) == 0;
    if (!about_itself && !peer->asked_peers)
        return ERR_INVALID;
    for (size_t i = 0; i < count; i++) {
        struct relay_id id;
        memcpy(id.bytes, in[i].key, 32);
        known_add(ledger, &id, &in[i].address, false);
    }
    peer->asked_peers = peer->asked_peers && about_itself;
    mark_linked(ledger, peer);
    return OK;
}

// Asked before the store is read: what an answer costs is known afterwards only, and may go beyond the allowance once.
bool peer_may_ask(const struct peer *peer, const struct step *step) {
    return peer->answers_allowed.earned_us <= (step->now.mono_ms + ANSWERS_BURST_MS) * 1000;
}

void peer_has_had(struct peer *peer, const struct step *step, size_t bytes) {
    uint64_t *earned_us = &peer->answers_allowed.earned_us;
    uint64_t now_us = step->now.mono_ms * 1000;
    *earned_us = (*earned_us > now_us ? *earned_us : now_us) + (bytes + 256) * SECOND_MS * 1000 / ANSWERS_PER_S;
}

typedef enum err frame_handler(struct ledger *ledger, struct step *step, struct peer *peer, struct span body);

// By kind; what is not here is of a protocol to come and is ignored.
static frame_handler *const handlers[256] = {
    [FRAME_STATUS] = on_status,
    [FRAME_GET_BLOCK] = serve_block,
    [FRAME_BLOCK] = sync_block,
    [FRAME_GET_RANGE] = serve_range,
    [FRAME_RANGE] = sync_range,
    [FRAME_GET_HEADERS] = serve_headers,
    [FRAME_GET_LIGHT] = serve_light,
    [FRAME_TXS] = gossip_txs,
    [FRAME_SUBMIT] = gossip_submit,
    [FRAME_GET_PEERS] = on_get_peers,
    [FRAME_PEERS] = on_peers,
    [FRAME_MEMBER] = on_member,
    [FRAME_PROPOSAL] = driver_proposal,
    [FRAME_VOTE] = driver_vote,
    [FRAME_HEARD] = evidence_heard,
    [FRAME_STATEMENT] = evidence_statement,
    [FRAME_GET_STANDING] = serve_standing,
    [FRAME_GET_DELIVERY] = serve_delivery,
};

void ledger_frame(struct ledger *ledger, struct step *step, uint64_t link, uint8_t kind, struct span body) {
    struct peer *peer = peer_find(ledger, link);
    if (peer == NULL || handlers[kind] == NULL || ledger->broken != NULL || !ledger->started)
        return;
    if (kind >= FRAME_MEMBERS_FIRST && !peer->is_member) {
        metric_add(step->env->metrics, METRIC_LEDGER_FRAMES_FOREIGN, 1);
        return;
    }
    enum err err = handlers[kind](ledger, step, peer, body);
    if (err == ERR_MALFORMED || err == ERR_AUTH || err == ERR_NETWORK)
        peer_broke_a_rule(ledger, step, peer, err_text(err));
    ledger_run(ledger, step);
}
