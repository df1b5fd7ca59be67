// Who signs one thing for some and another for others: what this node has heard is told to the other validators,
// whoever has it otherwise sends the signature that it holds, and two of one slot are evidence. Nothing here changes
// consensus.
//
//   a decides h + 1, or its timer fires:  HEARD(h)  --->  b compares with what it kept
//   a compares, verifies                            <---  STATEMENT: b's signature, where the two differ
//   evidence  --->  mempool, gossip, a block
#include "ledger/ledger_internal.h"

// Blocks every 10 ms are 100 of a peer; a comparison costs some microseconds.
#define HEARD_PER_S 400
#define HEARD_BURST 800
// Frames that one peer may make us send: a liar claims without end. The burst is one for each validator and slot.
#define STATEMENTS_PER_S 64
#define STATEMENTS_BURST 256

// ---- what is found

static bool has_power_to_lose(const struct ledger *ledger, struct step *step, const struct evidence *evidence) {
    struct overlay *overlay = overlay_over_kv(step->env->kv);
    bool accuses = execute_accuses(overlay, evidence, ledger->chain.height + 1);
    overlay_free(overlay);
    return accuses;
}

static void offer(struct ledger *ledger, struct step *step, const struct evidence *evidence) {
    struct tx tx = {.network = ledger->config.genesis->network, .kind = TX_EVIDENCE, .evidence = *evidence};
    uint8_t encoded[TX_BYTES_MAX];
    struct span bytes = span_of(encoded, tx_encode(encoded, &tx));
    struct tx_id id;
    enum err err;
    tx_id_of(&id, bytes);
    if (!mempool_has(ledger->mempool, &id) && has_power_to_lose(ledger, step, evidence))
        gossip_take(ledger, step, bytes, &id, &err);
}

// Offered with each height for as long as it is kept: it may have been found early, or lost with a mempool.
void evidence_tick(struct ledger *ledger, struct step *step) {
    uint64_t count = witness_evidence_count(ledger->witness);
    struct evidence evidence;
    size_t cursor = 0;
    if (count == ledger->evidence_count && ledger->chain.height == ledger->evidence_height)
        return;
    if (count > ledger->evidence_count) {
        metric_add(step->env->metrics, METRIC_LEDGER_EVIDENCE, count - ledger->evidence_count);
        log_note(&step->env->log, LOG_WARN, "ledger", "a validator has signed two messages for one slot");
    }
    ledger->evidence_count = count;
    ledger->evidence_height = ledger->chain.height;
    while (witness_evidence(ledger->witness, &evidence, &cursor, ledger->chain.height + 1))
        offer(ledger, step, &evidence);
}

// ---- telling

static void tell(struct ledger *ledger, struct step *step, uint64_t first, uint64_t last) {
    struct heard heard;
    uint8_t body[HEARD_BYTES_MAX];
    while (witness_tell(ledger->witness, &heard, first, last))
        peers_broadcast(ledger, step, FRAME_HEARD, span_of(body, heard_encode(body, &heard)));
}

void evidence_tell_height(struct ledger *ledger, struct step *step, uint64_t height) {
    tell(ledger, step, height, height);
}

void evidence_tell_all(struct ledger *ledger, struct step *step) {
    tell(ledger, step, 1, UINT64_MAX);
}

void evidence_greet(struct ledger *ledger, struct step *step, struct peer *peer) {
    struct heard heard;
    size_t cursor = 0;
    uint8_t body[HEARD_BYTES_MAX];
    while (witness_recall(ledger->witness, &heard, &cursor))
        peer_send(ledger, step, peer, FRAME_HEARD, span_of(body, heard_encode(body, &heard)));
}

// ---- what others tell

static bool may_be_told(struct peer *peer, const struct step *step) {
    return allowance_take(&peer->statements_allowed, step->now.mono_ms, 1, STATEMENTS_PER_S, STATEMENTS_BURST);
}

enum err evidence_heard(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    struct heard heard;
    struct statement statement;
    size_t cursor = 0;
    uint8_t bytes[STATEMENT_BYTES_MAX];
    if (heard_decode(&heard, body) != OK)
        return ERR_MALFORMED;
    if (!allowance_take(&peer->heard_allowed, step->now.mono_ms, 1, HEARD_PER_S, HEARD_BURST)) {
        metric_add(step->env->metrics, METRIC_LEDGER_FRAMES_FOREIGN, 1);
        return OK;
    }
    while (witness_contradict(ledger->witness, &statement, &cursor, &heard) && may_be_told(peer, step))
        peer_send(ledger, step, peer, FRAME_STATEMENT, span_of(bytes, statement_encode(bytes, &statement)));
    return OK;
}

// A signature is verified only if it would make evidence: so each validator costs one a height, and a wrong one the
// link.
static enum err look(struct ledger *ledger, const struct statement *statement) {
    if (!witness_is_contradicted(ledger->witness, statement))
        return OK;
    enum err err = statement_verify(statement, &ledger->config.genesis->network);
    if (err == OK)
        witness_take_statement(ledger->witness, statement);
    return err;
}

enum err evidence_statement(struct ledger *ledger, struct step *step, struct peer *peer, struct span body) {
    struct statement statement;
    (void)step, (void)peer;
    return statement_decode(&statement, body) == OK ? look(ledger, &statement) : ERR_MALFORMED;
}

enum err evidence_look(struct ledger *ledger, const struct certificate *certificate, const struct validator_set *set) {
    enum err err = OK;
    for (size_t i = 0; err == OK && i < certificate->count; i++) {
        if (certificate->votes[i].validator >= set->count)
            return ERR_AUTH;
        struct statement statement = {.kind = EVIDENCE_VOTES};
        statement.vote = certificate_vote_of(certificate, i, set);
        err = look(ledger, &statement);
    }
    return err;
}
