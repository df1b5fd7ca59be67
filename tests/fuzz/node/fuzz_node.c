// A relay between a stranger, a client and a relay of its directory, all of which may send anything at any time. The
// input is a script: one byte says who does what, the next how much.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/kv_memory.h"
#include "directory/directory.h"
#include "fuzz.h"
#include "ledger/bundles.h"
#include "node/node.h"
#include "wire/cell.h"
#include "wire/message.h"

#define LINKS 3 // a stranger that never greets, a client, a relay
#define RELAY_LINK 3

struct host {
    struct env env;
    struct node *node;
    struct now now;
    struct genesis genesis;
    struct committee committee; // one validator
    struct effects effects;
    size_t sent[LINKS + 8];
    uint64_t dial; // the last one for a link of cells
    uint64_t next_link;
    uint64_t links[LINKS]; // 0: closed
};

static void step(struct host *host, const struct event *event);

static void back_to_self(struct host *host, struct buf *cells) {
    for (size_t at = 0; at < cells->n; at += CELL_BYTES) {
        step(host, &(struct event){.kind = EVENT_LINK_BYTES, .link_bytes = {0, span_of(cells->p + at, CELL_BYTES)}});
    }
    buf_free(cells);
}

static void closed(struct host *host, uint64_t link) {
    for (size_t i = 0; i < LINKS; i++)
        host->links[i] = host->links[i] == link ? 0 : host->links[i];
}

static void step(struct host *host, const struct event *event) {
    struct buf self = {0};
    node_step(host->node, event, host->now, &host->effects);
    if (kv_batch_count(&host->effects.batch) > 0)
        ASSERT(kv_write(host->env.kv, &host->effects.batch) == OK);
    struct job_list jobs = host->effects.jobs;
    host->effects.jobs = (struct job_list){0};
    ASSERT(host->effects.count < 4096);
    for (size_t i = 0; i < host->effects.count; i++) {
        const struct effect *effect = &host->effects.list[i];
        if (effect->kind == EFFECT_SEND && effect->send.link == LINK_SELF)
            buf_append(&self, buf_span(&effect->send.bytes));
        else if (effect->kind == EFFECT_CLOSE)
            closed(host, effect->close.link);
        else if (effect->kind == EFFECT_DIAL && effect->dial.kind == LINK_CELLS)
            host->dial = effect->dial.dial;
        else if (effect->kind == EFFECT_TIMER)
            ASSERT(effect->timer.at_ms > host->now.mono_ms);
    }
    effects_clear(&host->effects);
    back_to_self(host, &self);
    for (size_t i = 0; i < jobs.count; i++) {
        struct kv_snapshot *snapshot = jobs.jobs[i]->wants_snapshot ? kv_snapshot(host->env.kv) : NULL;
        jobs.jobs[i]->run(jobs.jobs[i], snapshot);
        kv_snapshot_release(snapshot);
        step(host, &(struct event){.kind = EVENT_JOB_DONE, .job_done = {jobs.jobs[i]}});
    }
    free(jobs.jobs);
}

static void send_bytes(struct host *host, size_t who, struct span bytes) {
    if (host->links[who] != 0)
        step(host, &(struct event){.kind = EVENT_LINK_BYTES, .link_bytes = {host->links[who], bytes}});
    if (host->links[who] != 0)
        step(host, &(struct event){.kind = EVENT_LINK_DRAINED, .link_drained = {host->links[who]}});
}

static void send_message(struct host *host, size_t who, struct span message) {
    for (size_t i = 0; i < message_cells(message.n); i++) {
        uint8_t cell[CELL_BYTES];
        message_cell(cell, message, i);
        send_bytes(host, who, SPAN_OF(cell));
    }
}

static void greet(struct host *host, size_t who, uint32_t epoch) {
    uint8_t bytes[HELLO_BYTES];
    struct hello hello = {.version = LINK_PROTOCOL_VERSION, .network = host->genesis.network, .epoch = epoch};
    send_message(host, who, span_of(bytes, hello_encode(bytes, &hello)));
}

static void open_link(struct host *host, size_t who, uint64_t dial, const struct relay_id *key) {
    struct event event = {.kind = EVENT_LINK_OPEN, .link_open = {.link = ++host->next_link, .dial = dial}};
    host->links[who] = host->next_link;
    event.link_open.has_key = key != NULL;
    event.link_open.address_tag = who;
    if (key != NULL)
        memcpy(event.link_open.key.bytes, key->bytes, 32);
    step(host, &event);
}

// The ledger's directory of the node and another relay, as the answer to the node's question.
static void make_directory(struct host *host, struct buf *out, const struct relay_id *other) {
    struct directory_relay relays[2] = {{.id = *other}, {.placed = true}};
    node_identity(host->node, &relays[1].id);
    for (size_t i = 0; i < 2; i++) {
        relays[i].placed = true;
        relays[i].since_epoch = 1;
        relays[i].address = (struct address){.host = "127.0.0.1", .port = 1};
        relays[i].onion.first_epoch = 1;
        memset(relays[i].onion.keys, 9, sizeof(relays[i].onion.keys));
    }
    if (relay_id_compare(&relays[0].id, &relays[1].id) > 0) {
        struct directory_relay first = relays[1];
        relays[1] = relays[0];
        relays[0] = first;
    }
    struct directory directory = {.network = host->genesis.network,
                                  .epoch = 1,
                                  .issued_ms = host->now.wall_ms,
                                  .changed_epoch = 1,
                                  .relay_count = 2,
                                  .relays = relays};
    struct buf body = {0}, bundle = {0};
    directory_encode(&body, &directory);
    const struct bundle_plan plan = {
        .epoch = 1, .directory = buf_span(&body), .height = 9, .time_ms = host->now.wall_ms, .signers = 1};
    bundle_make(&bundle, &host->committee, &plan);
    directory_message_encode(out, 0, buf_span(&bundle));
    buf_free(&body);
    buf_free(&bundle);
}

// The node starts, dials its seed, and takes the directory from it.
static void begin(struct host *host) {
    static const uint8_t seed[RNG_SEED_BYTES] = {1};
    struct node_config config;
    struct sign_secret secret;
    struct sign_public public;
    struct rng rng;
    struct relay_id other;
    struct buf directory = {0};
    *host = (struct host){.now = {1000000, 1790000030000}};
    rng_init(&host->env.rng, seed);
    rng_init(&rng, seed);
    committee_draw(&host->committee, 1, 1, &rng);
    host->env.kv = kv_memory_new();
    host->env.metrics = metrics_new();
    host->env.log.level = LOG_ERROR + 1;
    node_config_defaults(&config);
    config.roles = ROLE_RELAY;
    config.packets_per_s = 1;
    config.address = (struct address){.host = "127.0.0.1", .port = 2};
    memset(config.identity_seed, 3, 32);
    config.genesis = (struct genesis){.name = "fuzz",
                                      .testnet = true,
                                      .genesis_ms = 1790000000000,
                                      .epoch_ms = 60000,
                                      .replicas = 2,
                                      .quorum = 1,
                                      .min_relays = 1,
                                      .item_lifetime_ms = DAY_MS,
                                      .profile = PROFILE_FAST,
                                      .seed_count = 1};
    committee_found(&config.genesis.ledger, &host->committee);
    sign_key_from_seed(&secret, &public, seed);
    memcpy(other.bytes, public.bytes, 32);
    config.genesis.seeds[0].id = other;
    config.genesis.seeds[0].address = (struct address){.host = "127.0.0.1", .port = 1};
    genesis_seal(&config.genesis);
    host->genesis = config.genesis;
    host->committee.network = config.genesis.network;
    ASSERT(node_new(&host->node, &config, &host->env, NULL) == OK);
    step(host, &(struct event){.kind = EVENT_START});
    open_link(host, 2, host->dial, &other);
    greet(host, 2, 1);
    make_directory(host, &directory, &other);
    send_message(host, 2, buf_span(&directory));
    buf_free(&directory);
    ASSERT(metric_value(host->env.metrics, METRIC_DIRECTORY_EPOCH) == 1);
    open_link(host, 0, 0, NULL);
    open_link(host, 1, 0, NULL);
    greet(host, 1, 0);
}

static void end(struct host *host) {
    step(host, &(struct event){.kind = EVENT_STOP});
    node_free(host->node);
    effects_free(&host->effects);
    kv_close(host->env.kv);
    metrics_free(host->env.metrics);
}

static struct span take(const uint8_t **data, size_t *size) {
    size_t n = *size > 0 ? **data : 0;
    *data += *size > 0;
    *size -= *size > 0;
    n = n < *size ? n : *size;
    struct span out = span_of(*data, n);
    *data += n;
    *size -= n;
    return out;
}

static void act(struct host *host, uint8_t op, struct span bytes) {
    uint8_t cell[CELL_BYTES] = {0};
    size_t who = op % LINKS;
    switch (op / LINKS % 6) {
    case 0: // a whole message
        send_message(host, who, bytes);
        break;
    case 1: // anything
        send_bytes(host, who, bytes);
        break;
    case 2: // a cell with this beginning
        memcpy(cell, bytes.p, bytes.n);
        send_bytes(host, who, SPAN_OF(cell));
        break;
    case 3: // an onion packet
        cell[0] = CELL_PACKET;
        store_u16(cell + 2, SPHINX_PACKET_BYTES);
        memcpy(cell + CELL_HEADER_BYTES, bytes.p, bytes.n);
        send_bytes(host, who, SPAN_OF(cell));
        break;
    case 4: // time
        host->now.mono_ms += bytes.n * 37;
        host->now.wall_ms += bytes.n * (op & 0x80 ? 1000 : 37);
        step(host, &(struct event){.kind = EVENT_TIMER});
        break;
    default: // a new link in the place of the old
        if (host->links[who] != 0)
            step(host, &(struct event){.kind = EVENT_LINK_CLOSED, .link_closed = {host->links[who], CLOSE_PEER}});
        open_link(host, who, 0, NULL);
        greet(host, who, bytes.n > 0 ? bytes.p[0] : 0);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    struct host host;
    begin(&host);
    for (size_t steps = 0; size > 0 && steps < 64; steps++) {
        uint8_t op = *data++;
        size--;
        act(&host, op, take(&data, &size));
    }
    end(&host);
    return 0;
}
