// See claims_link.h.
#include "ledger/claims_link.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define ASKED_MAX 2
#define LINGER_MS 5000 // an answer comes sooner, and so do the transactions that are made because of one

#define QUESTIONS_MAX 4 // on one link: then another validator is asked

enum phase { PHASE_RESTS, PHASE_DIALS, PHASE_UP };

struct claims_link {
    struct claims_link_config config;
    struct claims_link_ports ports;
    enum phase phase;
    uint64_t until_ms; // mono: without a sign of life by then the link is given up
    size_t seed;       // the next to be dialled
    size_t asked_count;
    uint32_t asked[ASKED_MAX]; // epochs; the first has been asked when the link is up
    size_t unanswered;         // transactions
    size_t questions;          // on this link
    uint64_t next_nonce;
};

struct claims_link *claims_link_new(const struct claims_link_config *config, const struct claims_link_ports *ports) {
    struct claims_link *link = NEW(struct claims_link);
    link->config = *config;
    link->ports = *ports;
    link->until_ms = TIME_NEVER;
    link->seed = config->self.bytes[0] % config->genesis->seed_count; // not all relays ask the same
    return link;
}

void claims_link_free(struct claims_link *link) {
    free(link);
}

bool claims_link_idle(const struct claims_link *link) {
    return link->unanswered == 0;
}

// What was asked or submitted is not waited for; whoever wants it comes again.
static void rest(struct claims_link *link) {
    link->phase = PHASE_RESTS;
    link->until_ms = TIME_NEVER;
    link->asked_count = 0;
    link->unanswered = 0;
    link->questions = 0;
}

static void hang_up(struct claims_link *link, struct step *step) {
    link->ports.hang_up(link->ports.ctx, step);
    rest(link);
}

static void dial(struct claims_link *link, struct step *step) {
    const struct genesis *genesis = link->config.genesis;
    for (size_t tries = 0; tries < genesis->seed_count; tries++) {
        const struct genesis_seed *seed = &genesis->seeds[link->seed];
        link->seed = (link->seed + 1) % genesis->seed_count;
        if (relay_id_equal(&seed->id, &link->config.self))
            continue;
        link->phase = PHASE_DIALS;
        if (!link->ports.dial(link->ports.ctx, step, &seed->id, &seed->address))
            rest(link);
        return;
    }
    rest(link); // no seed but this node
}

static void linger(struct claims_link *link, const struct step *step) {
    link->until_ms = step->now.mono_ms + LINGER_MS;
}

static void send_question(struct claims_link *link, struct step *step) {
    uint8_t body[GET_DELIVERY_BYTES];
    get_delivery_encode(body, &link->config.self, link->asked[0]);
    linger(link, step);
    link->questions++;
    link->ports.send(link->ports.ctx, step, FRAME_GET_DELIVERY, SPAN_OF(body));
}

void claims_link_ask(struct claims_link *link, struct step *step, uint32_t epoch) {
    for (size_t i = 0; i < link->asked_count; i++) {
        if (link->asked[i] == epoch)
            return;
    }
    if (link->asked_count == ASKED_MAX)
        return;
    if (link->questions >= QUESTIONS_MAX && link->asked_count == 0 && link->unanswered == 0)
        hang_up(link, step);
    link->asked[link->asked_count++] = epoch;
    if (link->phase == PHASE_RESTS)
        dial(link, step);
    else if (link->phase == PHASE_UP && link->asked_count == 1)
        send_question(link, step);
}

void claims_link_submit(struct claims_link *link, struct step *step, const struct tx *what) {
    uint8_t bytes[TX_BYTES_MAX];
    struct tx tx = *what;
    if (link->phase != PHASE_UP)
        return;
    tx.network = link->config.genesis->network;
    memcpy(tx.sender.bytes, link->config.self.bytes, sizeof tx.sender.bytes);
    tx.nonce = link->next_nonce++;
    tx_sign(&tx, link->config.relay);
    link->unanswered++;
    linger(link, step);
    link->ports.send(link->ports.ctx, step, FRAME_SUBMIT, span_of(bytes, tx_encode(bytes, &tx)));
}

void claims_link_up(struct claims_link *link, struct step *step) {
    ASSERT(link->phase == PHASE_DIALS && link->asked_count > 0);
    link->phase = PHASE_UP;
    send_question(link, step);
}

void claims_link_down(struct claims_link *link, struct step *step) {
    (void)step;
    ASSERT(link->phase != PHASE_RESTS);
    rest(link);
}

static enum err on_delivery(struct claims_link *link, struct step *step, struct span body) {
    struct relay_delivery delivery;
    if (relay_delivery_decode(&delivery, body) != OK)
        return ERR_MALFORMED;
    if (link->phase != PHASE_UP || link->asked_count == 0 || delivery.epoch != link->asked[0])
        return OK; // too late
    link->asked[0] = link->asked[1];
    if (--link->asked_count > 0)
        send_question(link, step);
    link->next_nonce = link->unanswered == 0 ? delivery.next_nonce : link->next_nonce;
    // While something of the relay's waits for a block, the entry may be about to change.
    if (delivery.nonce == delivery.next_nonce && link->unanswered == 0)
        link->ports.record(link->ports.ctx, step, delivery.epoch, delivery.has ? &delivery.record : NULL);
    return OK;
}

// Whatever became of it: what is missing in the state is submitted again.
static enum err on_submitted(struct claims_link *link, struct step *step, struct span body) {
    struct tx_id id;
    uint8_t verdict;
    if (submitted_decode(&id, &verdict, body) != OK)
        return ERR_MALFORMED;
    link->unanswered -= link->unanswered > 0 ? 1 : 0;
    linger(link, step);
    return OK;
}

enum err claims_link_frame(struct claims_link *link, struct step *step, uint8_t kind, struct span body) {
    if (link->phase != PHASE_UP)
        return OK;
    if (kind == FRAME_DELIVERY)
        return on_delivery(link, step, body);
    return kind == FRAME_SUBMITTED ? on_submitted(link, step, body) : OK;
}

void claims_link_tick(struct claims_link *link, struct step *step) {
    if (step->now.mono_ms >= link->until_ms)
        hang_up(link, step);
}

uint64_t claims_link_next_ms(const struct claims_link *link) {
    return link->until_ms;
}
