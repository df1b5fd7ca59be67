// Frames to a running ledger: a validator of four, linked to a stranger and to the three others, whose keys are the
// fuzzer's. The input is a list of frames: link 1 | kind 1 | body length 2 | body. Kinds from 128 on are what a
// validator that lies can make, with its signature:
//
//   128 vote       type 1 | height ahead 1 | round 1 | value 1 (0: nil, 1: of the last block made, else made up)
//   129 proposal   height ahead 1 | round 1 | valid round 1 (255: none) | header height ahead 1 | time 2 | what follows
//                  the header
//   130 time       ms 2
//   131 restart
//   132 statement  as 128, in its own frame
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/kv_memory.h"
#include "fuzz.h"
#include "ledger/ledger_internal.h"

#define VALIDATORS 4
#define STEPS_MAX 100 // of one input: each may sign and verify

struct bed {
    struct genesis genesis;
    struct kv *kv;
    struct env env;
    struct rng rng;
    struct now now;
    struct ledger *ledger;
    struct buf log;
    struct sign_secret secrets[VALIDATORS];
    struct sign_public keys[VALIDATORS];
    struct block_id last; // of the block that was proposed last
    size_t steps;
};

struct bed_step {
    struct kv_batch batch;
    struct log_batch log;
    struct job_list jobs;
    struct step step;
};

static struct step *begin(struct bed *bed, struct bed_step *bs) {
    memset(bs, 0, sizeof(*bs));
    bs->step = (struct step){&bed->env, bed->now, &bs->batch, &bs->log, &bs->jobs};
    return &bs->step;
}

static void end(struct bed *bed, struct bed_step *bs) {
    if (kv_batch_count(&bs->batch) > 0)
        ASSERT(kv_write(bed->kv, &bs->batch) == OK);
    if (bs->log.reset)
        buf_clear(&bed->log);
    buf_append(&bed->log, buf_span(&bs->log.bytes));
    struct job_list jobs = bs->jobs;
    kv_batch_free(&bs->batch);
    log_batch_free(&bs->log);
    for (size_t i = 0; i < jobs.count; i++) {
        struct bed_step after;
        struct step *step = begin(bed, &after);
        jobs.jobs[i]->run(jobs.jobs[i], NULL);
        ledger_job_done(bed->ledger, step, jobs.jobs[i]);
        end(bed, &after);
    }
    jobs.count = 0;
    job_list_free(&jobs);
}

// ---- ports

static void port_send(void *ctx, struct step *step, uint64_t peer, enum ledger_frame kind, struct span body) {
    (void)ctx, (void)step, (void)peer, (void)kind;
    ASSERT(body.n <= 2 * ANSWER_BYTES_MAX);
}

static void port_close(void *ctx, struct step *step, uint64_t peer) {
    struct bed *bed = ctx;
    ledger_peer_down(bed->ledger, step, peer);
}

static void port_trust(void *ctx, uint64_t peer, bool trusted) {
    (void)ctx, (void)peer, (void)trusted;
}

static void port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    struct bed *bed = ctx;
    (void)address;
    ledger_dial_failed(bed->ledger, step, id);
}

static void port_note(void *ctx, struct step *step, uint64_t watch, const struct ledger_note *note) {
    (void)ctx, (void)step, (void)watch, (void)note;
}

static void port_answer(void *ctx, struct step *step, struct ledger_answer *answer) {
    (void)ctx, (void)step, (void)answer;
}

static void port_directory(void *ctx, struct step *step, uint32_t epoch, struct span bundle) {
    (void)ctx, (void)step, (void)epoch, (void)bundle;
}

static void write_no_log(void *ctx, const struct log_line *line) {
    (void)ctx, (void)line;
}

// ---- the bed

static struct relay_id identity_of(size_t link) {
    struct relay_id id = {{0}};
    id.bytes[0] = (uint8_t)(1 + link);
    return id;
}

static void link_up(struct bed *bed, size_t link) {
    struct relay_id id = identity_of(link), self = identity_of(VALIDATORS);
    struct bed_step bs;
    struct step *step = begin(bed, &bs);
    ledger_peer_up(bed->ledger, step, link, &id, true);
    if (link > 0) {
        const struct span parts[] = {SPAN_OF(bed->genesis.network.bytes), SPAN_OF(id.bytes), SPAN_OF(self.bytes)};
        struct member member = {.key = bed->keys[link]};
        uint8_t body[MEMBER_BYTES];
        sign_parts(&member.signature, &bed->secrets[link], MEMBER_DOMAIN, parts, 3);
        ledger_frame(bed->ledger, step, link, FRAME_MEMBER, span_of(body, member_encode(body, &member)));
    }
    end(bed, &bs);
}

static void start(struct bed *bed) {
    const struct ledger_config config = {.genesis = &bed->genesis,
                                         .validator_seed = (const uint8_t[32]){1},
                                         .self = identity_of(VALIDATORS),
                                         .mempool_count_max = 100,
                                         .mempool_bytes_max = 100000,
                                         .txs_per_s_per_peer = 100};
    const struct ledger_ports ports = {bed,       port_send, port_close,  port_trust,
                                       port_dial, port_note, port_answer, port_directory};
    struct bed_step bs;
    struct buf why = {0}, log = {0};
    buf_append(&log, buf_span(&bed->log));
    bed->ledger = ledger_new(&config, &ports, &bed->rng);
    struct step *step = begin(bed, &bs);
    ASSERT(ledger_start(bed->ledger, step, buf_span(&log), &why) == OK);
    end(bed, &bs);
    buf_free(&why);
    buf_free(&log);
    for (size_t link = 0; link < VALIDATORS; link++)
        link_up(bed, link);
}

static int by_key(const void *a, const void *b) {
    return memcmp(a, b, 32);
}

static void genesis_fill(struct bed *bed) {
    struct genesis *genesis = &bed->genesis;
    struct ledger_genesis *ledger = &genesis->ledger;
    *genesis = (struct genesis){.name = "fuzz", .testnet = true, .genesis_ms = 1000000, .epoch_ms = 60000};
    genesis->replicas = 3;
    genesis->quorum = 2;
    genesis->min_relays = 3;
    genesis->item_lifetime_ms = DAY_MS;
    ledger->block_ms = 2000;
    ledger->fee_min = 10;
    ledger->relay_stake_min = 1000;
    ledger->unbonding_ms = DAY_MS;
    ledger->samples = 4;
    ledger->account_count = 1;
    ledger->accounts[0].grains = GRAINS_PER_SOT;
    ledger->validator_count = VALIDATORS;
    for (size_t i = 0; i < VALIDATORS; i++) {
        const uint8_t seed[32] = {(uint8_t)(1 + i)};
        sign_key_from_seed(&bed->secrets[i], &bed->keys[i], seed);
        ledger->validators[i].key = bed->keys[i];
        memcpy(ledger->validators[i].operator.bytes, bed->keys[i].bytes, 32);
        ledger->validators[i].power = 1;
    }
    qsort(ledger->validators, VALIDATORS, sizeof(ledger->validators[0]), by_key);
    genesis_seal(genesis);
}

static void pass(struct bed *bed, uint64_t ms) {
    struct bed_step bs;
    bed->now.mono_ms += ms;
    bed->now.wall_ms += ms;
    for (size_t i = 0; i < 8 && ledger_next_ms(bed->ledger) <= bed->now.mono_ms; i++) {
        struct step *step = begin(bed, &bs);
        ledger_tick(bed->ledger, step);
        end(bed, &bs);
    }
}

static void say(struct bed *bed, uint64_t link, uint8_t kind, struct span body) {
    struct bed_step bs;
    struct step *step = begin(bed, &bs);
    ledger_frame(bed->ledger, step, link, kind, body);
    end(bed, &bs);
}

// ---- what a lying validator makes

static void vote_make(struct bed *bed, uint64_t link, struct reader *r, struct vote *out) {
    struct vote vote = {.type = read_u8(r) % 2 == 0 ? VOTE_PREVOTE : VOTE_PRECOMMIT};
    vote.height = ledger_height(bed->ledger) + read_u8(r) % 4;
    vote.round = read_u8(r);
    uint8_t value = read_u8(r);
    if (value == 1)
        vote.value = bed->last;
    else
        vote.value.bytes[0] = value;
    vote.validator = bed->keys[link];
    vote_sign(&vote, &bed->genesis.network, &bed->secrets[link]);
    *out = vote;
}

static void say_vote(struct bed *bed, uint64_t link, struct reader *r) {
    struct vote vote;
    uint8_t body[VOTE_BYTES];
    vote_make(bed, link, r, &vote);
    vote_encode(body, &vote);
    say(bed, link, FRAME_VOTE, SPAN_OF(body));
}

static void say_statement(struct bed *bed, uint64_t link, struct reader *r) {
    struct statement statement = {.kind = EVIDENCE_VOTES};
    uint8_t body[STATEMENT_BYTES_MAX];
    vote_make(bed, link, r, &statement.vote);
    say(bed, link, FRAME_STATEMENT, span_of(body, statement_encode(body, &statement)));
}

static void say_proposal(struct bed *bed, uint64_t link, struct reader *r) {
    struct proposal_message *message = NEW(struct proposal_message);
    struct proposal *proposal = &message->proposal;
    struct buf block = {0}, body = {0};
    proposal->height = ledger_height(bed->ledger) + read_u8(r) % 4;
    proposal->round = read_u8(r);
    uint8_t valid_round = read_u8(r);
    proposal->valid_round = valid_round < proposal->round ? valid_round : VALID_ROUND_NONE;
    struct block_header header = {.height = ledger_height(bed->ledger) + read_u8(r) % 4};
    struct overlay *overlay = overlay_over_kv(bed->kv);
    header.parent = bed->ledger->chain.id;
    header.time_ms = bed->now.wall_ms + read_u16(r);
    header.proposer = proposal->proposer = bed->keys[link];
    execute_fill_header(&header, overlay, &bed->genesis);
    overlay_free(overlay);
    block_encode(&block, &header, NULL, 0);
    buf_append(&block, read_rest(r));
    block_id_of(&bed->last, &header);
    proposal->value = bed->last;
    if (proposal->valid_round != VALID_ROUND_NONE) {
        message->prevotes = (struct certificate){.type = VOTE_PREVOTE, .height = proposal->height, .count = 3};
        message->prevotes.round = proposal->valid_round;
        message->prevotes.value = proposal->value;
        for (uint16_t i = 0; i < 3; i++)
            message->prevotes.votes[i].validator = i;
    }
    proposal_sign(proposal, &bed->genesis.network, &bed->secrets[link]);
    message->block = buf_span(&block);
    proposal_message_encode(&body, message);
    say(bed, link, FRAME_PROPOSAL, buf_span(&body));
    buf_free(&block);
    buf_free(&body);
    free(message);
}

static void act(struct bed *bed, uint8_t link, uint8_t kind, struct span body) {
    struct reader r = reader_of(body);
    link %= VALIDATORS;
    if (kind == 128 && body.n >= 4 && link > 0) {
        say_vote(bed, link, &r);
    } else if (kind == 129 && body.n >= 6 && link > 0) {
        say_proposal(bed, link, &r);
    } else if (kind == 130 && body.n >= 2) {
        pass(bed, read_u16(&r));
    } else if (kind == 131) {
        ledger_free(bed->ledger);
        start(bed);
    } else if (kind == 132 && body.n >= 4 && link > 0) {
        say_statement(bed, link, &r);
    } else if (kind < 128) {
        say(bed, link, kind, body);
    }
    if (peer_find(bed->ledger, link) == NULL)
        link_up(bed, link); // closed: it comes again
    pass(bed, 1);
    ASSERT(bed->ledger->candidate_count <= CANDIDATES_MAX && bed->ledger->known_count <= PEERS_KNOWN_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bed *bed = NEW(struct bed);
    const uint8_t seed[RNG_SEED_BYTES] = {0};
    struct reader r = reader_of(span_of(data, size));
    crypto_init();
    rng_init(&bed->rng, seed);
    rng_init(&bed->env.rng, seed);
    bed->kv = bed->env.kv = kv_memory_new();
    bed->env.metrics = metrics_new();
    bed->env.log = (struct log_sink){.level = LOG_ERROR, .write = write_no_log};
    bed->now = (struct now){1000, 1000000};
    genesis_fill(bed);
    start(bed);
    while (r.n >= 4 && bed->steps++ < STEPS_MAX) {
        uint8_t link = read_u8(&r), kind = read_u8(&r);
        size_t n = read_u16(&r);
        act(bed, link, kind, read_span(&r, n < r.n ? n : r.n));
    }
    ledger_free(bed->ledger);
    kv_close(bed->kv);
    metrics_free(bed->env.metrics);
    buf_free(&bed->log);
    free(bed);
    return 0;
}
