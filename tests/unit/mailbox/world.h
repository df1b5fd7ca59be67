// A small world of mailbox stores wired port to port: messages, jobs and replies pass through queues, disks keep what
// was synced, clocks go as the test says.
#ifndef SOTTO_TESTS_MAILBOX_WORLD_H
#define SOTTO_TESTS_MAILBOX_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/kv_memory.h"
#include "mailbox/mailbox.h"
#include "no_randombytes.h"
#include "wire/replica.h"

#define WORLD_NODES_MAX 10
#define WORLD_EPOCH_MS 60000
#define WORLD_GENESIS_MS UINT64_C(1790000000000)
#define WORLD_LIFETIME_MS (7 * DAY_MS)

struct world_node {
    struct sign_secret secret;
    struct relay_id id;
    struct kv *kv;
    struct kv_snapshot *synced; // what a power loss leaves
    struct env env;
    struct mailbox *mailbox; // NULL: down
    bool cut;                // from all others
};

struct world_message {
    struct world_message *next;
    size_t from, to;
    struct buf bytes;
};

struct world_job {
    struct world_job *next;
    size_t node;
    struct job *job;
    struct kv_snapshot *snapshot;
};

struct world_reply {
    struct world_reply *next;
    uint32_t surb; // its number
    size_t node;
    uint8_t body[OP_BYTES_MAX];
    size_t n;
    struct reply reply; // points into body
};

struct world {
    struct genesis genesis;
    struct now now;
    size_t count;
    struct world_node nodes[WORLD_NODES_MAX];
    struct directory *current, *previous;
    struct world_message *messages;
    struct world_job *jobs;
    struct world_reply *replies;
    uint32_t next_surb;
    struct rng rng;
    uint64_t bytes_max;
    uint64_t mailbox_bytes_max;
    uint32_t deliveries_max;
    uint64_t messages_sent;
    unsigned loss_percent;
    bool shuffle; // messages and jobs in any order
};

// A mailbox and the key of its owner.
struct owner {
    struct sign_secret secret;
    struct mailbox_id id;
};

// ---- ports ----

struct world_port {
    struct world *world;
    size_t node;
};

static struct world_port world_ports[WORLD_NODES_MAX];

static inline size_t world_find(const struct world *w, const struct relay_id *id) {
    for (size_t i = 0; i < w->count; i++) {
        if (relay_id_equal(&w->nodes[i].id, id))
            return i;
    }
    return w->count;
}

static inline void world_on_reply(void *ctx, struct step *step, const uint8_t *surb, struct span body) {
    (void)step;
    const struct world_port *port = ctx;
    struct world_reply *reply = calloc(1, sizeof *reply);
    assert_non_null(reply);
    reply->surb = load_u32(surb + 100);
    reply->node = port->node;
    reply->n = body.n;
    memcpy(reply->body, body.p, body.n);
    assert_int_equal(reply_decode(&reply->reply, span_of(reply->body, reply->n)), OK);
    struct world_reply **last = &port->world->replies;
    while (*last != NULL)
        last = &(*last)->next;
    *last = reply;
}

static inline void world_to_replica(void *ctx, struct step *step, const struct relay_id *replica, struct span message) {
    (void)step;
    const struct world_port *port = ctx;
    struct world *w = port->world;
    size_t to = world_find(w, replica);
    assert_true(message.n <= 1024 * 1024);
    if (to == w->count)
        return;
    struct world_message *sent = calloc(1, sizeof *sent);
    assert_non_null(sent);
    sent->from = port->node;
    sent->to = to;
    buf_append(&sent->bytes, message);
    struct world_message **last = &w->messages;
    while (*last != NULL)
        last = &(*last)->next;
    *last = sent;
    w->messages_sent++;
}

static inline bool world_linked(const struct world *w, size_t a, size_t b) {
    return w->nodes[a].mailbox != NULL && w->nodes[b].mailbox != NULL && !w->nodes[a].cut && !w->nodes[b].cut;
}

static inline bool world_reachable(void *ctx, const struct relay_id *replica) {
    const struct world_port *port = ctx;
    size_t to = world_find(port->world, replica);
    return to < port->world->count && world_linked(port->world, port->node, to);
}

// ---- steps ----

struct world_step {
    struct kv_batch batch;
    struct job_list jobs;
    struct step step;
};

static inline struct step *world_begin(struct world *w, struct world_step *s, size_t node) {
    memset(s, 0, sizeof *s);
    s->step = (struct step){.env = &w->nodes[node].env, .now = w->now, .batch = &s->batch, .jobs = &s->jobs};
    return &s->step;
}

static inline void world_end(struct world *w, struct world_step *s, size_t node) {
    struct world_node *n = &w->nodes[node];
    if (kv_batch_count(&s->batch) > 0)
        assert_int_equal(kv_write(n->kv, &s->batch), OK);
    if (s->batch.synced) {
        kv_snapshot_release(n->synced);
        n->synced = kv_snapshot(n->kv);
    }
    assert_int_equal(n->kv->failed, OK);
    for (size_t i = 0; i < s->jobs.count; i++) {
        struct world_job *job = calloc(1, sizeof *job);
        assert_non_null(job);
        job->node = node;
        job->job = s->jobs.jobs[i];
        job->snapshot = job->job->wants_snapshot ? kv_snapshot(n->kv) : NULL;
        struct world_job **last = &w->jobs;
        while (*last != NULL)
            last = &(*last)->next;
        *last = job;
    }
    s->jobs.count = 0;
    job_list_free(&s->jobs);
    kv_batch_free(&s->batch);
}

// ---- what happens next ----

static inline bool world_deliver(struct world *w) {
    size_t count = 0;
    for (struct world_message *m = w->messages; m != NULL; m = m->next)
        count++;
    if (count == 0)
        return false;
    struct world_message **at = &w->messages;
    for (size_t skip = w->shuffle ? rng_below(&w->rng, count) : 0; skip > 0; skip--)
        at = &(*at)->next;
    struct world_message *message = *at;
    *at = message->next;
    bool lost = w->loss_percent > 0 && rng_below(&w->rng, 100) < w->loss_percent;
    if (!lost && world_linked(w, message->from, message->to)) {
        struct world_step s;
        mailbox_replica_message(w->nodes[message->to].mailbox, world_begin(w, &s, message->to),
                                &w->nodes[message->from].id, buf_span(&message->bytes));
        world_end(w, &s, message->to);
    }
    buf_free(&message->bytes);
    free(message);
    return true;
}

static inline void world_job_drop(struct world_job *job) {
    kv_snapshot_release(job->snapshot);
    free(job);
}

static inline bool world_run_job(struct world *w) {
    size_t count = 0;
    for (struct world_job *j = w->jobs; j != NULL; j = j->next)
        count++;
    if (count == 0)
        return false;
    struct world_job **at = &w->jobs;
    for (size_t skip = w->shuffle ? rng_below(&w->rng, count) : 0; skip > 0; skip--)
        at = &(*at)->next;
    struct world_job *job = *at;
    *at = job->next;
    job->job->run(job->job, job->snapshot);
    struct world_step s;
    mailbox_job_done(w->nodes[job->node].mailbox, world_begin(w, &s, job->node), job->job);
    world_end(w, &s, job->node);
    world_job_drop(job);
    return true;
}

static inline void world_tick(struct world *w) {
    for (size_t i = 0; i < w->count; i++) {
        if (w->nodes[i].mailbox == NULL || mailbox_next_ms(w->nodes[i].mailbox) > w->now.mono_ms)
            continue;
        struct world_step s;
        mailbox_tick(w->nodes[i].mailbox, world_begin(w, &s, i));
        world_end(w, &s, i);
    }
}

// Until nothing is left to happen at this moment.
static inline void world_settle(struct world *w) {
    bool more = true;
    for (unsigned rounds = 0; more; rounds++) {
        assert_true(rounds < 1000000);
        more = world_deliver(w);
        more = world_run_job(w) || more;
        if (!more)
            world_tick(w);
        more = more || w->messages != NULL || w->jobs != NULL;
    }
}

static inline void world_set_directory(struct world *w, struct directory *current, struct directory *previous);
static inline struct directory *world_directory(const struct world *w, uint32_t epoch, uint32_t changed,
                                                const bool *placed);

static inline void world_clock(struct world *w, uint64_t ms) {
    w->now.mono_ms += ms;
    w->now.wall_ms += ms;
}

// Lets time pass in steps, with a directory for every epoch that begins.
static inline void world_pass(struct world *w, uint64_t ms) {
    uint64_t end = w->now.mono_ms + ms;
    while (w->now.mono_ms < end) {
        uint64_t next = end;
        for (size_t i = 0; i < w->count; i++) {
            uint64_t at = w->nodes[i].mailbox != NULL ? mailbox_next_ms(w->nodes[i].mailbox) : TIME_NEVER;
            next = at < next ? at : next;
        }
        world_clock(w, next > w->now.mono_ms ? next - w->now.mono_ms : 1);
        uint32_t epoch = epoch_at(&w->genesis, w->now.wall_ms);
        if (epoch > w->current->epoch) {
            bool placed[WORLD_NODES_MAX];
            for (size_t i = 0; i < w->count; i++)
                placed[i] = directory_find(w->current, &w->nodes[i].id)->placed;
            struct directory *old = directory_ref(w->current);
            world_set_directory(w, world_directory(w, epoch, old->changed_epoch, placed), old);
        }
        world_settle(w);
    }
}

// ---- life cycle ----

static inline void world_node_config(const struct world *w, size_t i, struct mailbox_config *config) {
    *config = (struct mailbox_config){.self = w->nodes[i].id,
                                      .identity = &w->nodes[i].secret,
                                      .genesis = &w->genesis,
                                      .bytes_max = w->bytes_max,
                                      .mailbox_bytes_max = w->mailbox_bytes_max,
                                      .free_bytes_min = 1000,
                                      .stranger_quota = 4,
                                      .subscriptions_max = 1000,
                                      .pending_max = 100,
                                      .receipt_timeout_ms = 3000,
                                      .repair_interval_ms = 30000,
                                      .deliveries_max = w->deliveries_max};
}

static inline void world_up(struct world *w, size_t i) {
    struct world_node *n = &w->nodes[i];
    struct mailbox_config config;
    world_node_config(w, i, &config);
    world_ports[i] = (struct world_port){w, i};
    const struct mailbox_ports ports = {&world_ports[i], world_on_reply, world_to_replica, world_reachable};
    n->mailbox = mailbox_new(&config, &ports);
    struct world_step s;
    mailbox_start(n->mailbox, world_begin(w, &s, i));
    mailbox_set_directory(n->mailbox, &s.step, w->current, w->previous);
    mailbox_disk_space(n->mailbox, &s.step, 1000000);
    world_end(w, &s, i);
}

static inline void world_tell(struct world *w, size_t i, bool up) {
    for (size_t j = 0; j < w->count; j++) {
        for (int side = 0; side < 2; side++) {
            size_t self = side == 0 ? i : j;
            size_t other = side == 0 ? j : i;
            if (i == j || w->nodes[self].mailbox == NULL)
                continue;
            if (up && !world_linked(w, i, j))
                continue;
            struct world_step s;
            struct step *step = world_begin(w, &s, self);
            if (up)
                mailbox_replica_up(w->nodes[self].mailbox, step, &w->nodes[other].id);
            else
                mailbox_replica_down(w->nodes[self].mailbox, step, &w->nodes[other].id);
            world_end(w, &s, self);
        }
    }
}

static inline void world_forget_jobs(struct world *w, size_t i) {
    for (struct world_job **at = &w->jobs; *at != NULL;) {
        struct world_job *job = *at;
        if (job->node != i) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->job->free(job->job);
        world_job_drop(job);
    }
}

// Kills a node; what it wrote stays.
static inline void world_kill(struct world *w, size_t i) {
    mailbox_free(w->nodes[i].mailbox);
    w->nodes[i].mailbox = NULL;
    world_forget_jobs(w, i);
    world_tell(w, i, false);
}

static inline void world_start(struct world *w, size_t i) {
    world_up(w, i);
    world_tell(w, i, true);
}

// All writes since the last synced one are gone.
static inline void world_lose_power(struct world *w, size_t i) {
    world_kill(w, i);
    struct kv *kv = kv_memory_from(w->nodes[i].synced);
    kv_close(w->nodes[i].kv);
    w->nodes[i].kv = w->nodes[i].env.kv = kv;
}

static inline void world_lose_disk(struct world *w, size_t i) {
    world_kill(w, i);
    kv_close(w->nodes[i].kv);
    w->nodes[i].kv = w->nodes[i].env.kv = kv_memory_new();
    kv_snapshot_release(w->nodes[i].synced);
    w->nodes[i].synced = kv_snapshot(w->nodes[i].kv);
}

static inline void world_cut(struct world *w, size_t i) {
    world_tell(w, i, false);
    w->nodes[i].cut = true;
}

static inline void world_heal(struct world *w, size_t i) {
    w->nodes[i].cut = false;
    world_tell(w, i, true);
}

// placed: NULL for all.
static inline struct directory *world_directory(const struct world *w, uint32_t epoch, uint32_t changed,
                                                const bool *placed) {
    struct directory *d = NEW(struct directory);
    d->network = w->genesis.network;
    d->epoch = epoch;
    d->changed_epoch = changed;
    d->relay_count = w->count;
    d->relays = NEW_ARRAY(struct directory_relay, w->count);
    d->references = 1;
    for (size_t i = 0; i < w->count; i++) {
        d->relays[i].id = w->nodes[i].id;
        memset(d->relays[i].placement.bytes, (int)(17 * i + 3), 32);
        d->relays[i].placed = placed == NULL || placed[i];
    }
    return d;
}

// Takes both references.
static inline void world_set_directory(struct world *w, struct directory *current, struct directory *previous) {
    for (size_t i = 0; i < w->count; i++) {
        if (w->nodes[i].mailbox == NULL)
            continue;
        struct world_step s;
        mailbox_set_directory(w->nodes[i].mailbox, world_begin(w, &s, i), current, previous);
        world_end(w, &s, i);
    }
    directory_unref(w->current);
    directory_unref(w->previous);
    w->current = current;
    w->previous = previous;
}

// The next epoch begins, with these relays placed (NULL: all).
static inline void world_next_epoch(struct world *w, bool changed, const bool *placed) {
    uint32_t epoch = w->current->epoch + 1;
    uint64_t start = epoch_start_ms(&w->genesis, epoch);
    if (w->now.wall_ms < start)
        world_clock(w, start - w->now.wall_ms);
    struct directory *old = directory_ref(w->current);
    world_set_directory(w, world_directory(w, epoch, changed ? epoch : old->changed_epoch, placed), old);
}

static inline struct world *world_new(size_t count, uint64_t seed) {
    forbid_randombytes();
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    uint8_t bytes[32] = {0};
    store_u64(bytes, seed);
    rng_init(&w->rng, bytes);
    w->count = count;
    w->bytes_max = 100 * 1024 * 1024;
    w->mailbox_bytes_max = 10 * 1024 * 1024;
    w->deliveries_max = 100;
    w->genesis = (struct genesis){.genesis_ms = WORLD_GENESIS_MS,
                                  .epoch_ms = WORLD_EPOCH_MS,
                                  .replicas = 3,
                                  .quorum = 2,
                                  .item_lifetime_ms = WORLD_LIFETIME_MS};
    memset(w->genesis.network.bytes, 0x5a, 32);
    w->now = (struct now){1000, WORLD_GENESIS_MS + 9 * WORLD_EPOCH_MS + 1000};
    for (size_t i = 0; i < count; i++) {
        struct world_node *n = &w->nodes[i];
        struct sign_public public;
        sign_key_new(&n->secret, &public, &w->rng);
        memcpy(n->id.bytes, public.bytes, 32);
    }
    for (size_t i = 1; i < count; i++) { // sorted by id, as in a directory
        struct world_node n = w->nodes[i];
        size_t at = i;
        for (; at > 0 && relay_id_compare(&w->nodes[at - 1].id, &n.id) > 0; at--)
            w->nodes[at] = w->nodes[at - 1];
        w->nodes[at] = n;
    }
    w->current = world_directory(w, 10, 1, NULL);
    w->previous = world_directory(w, 9, 1, NULL);
    for (size_t i = 0; i < count; i++) {
        struct world_node *n = &w->nodes[i];
        n->kv = kv_memory_new();
        n->synced = kv_snapshot(n->kv);
        rng_bytes(&w->rng, bytes, sizeof bytes);
        rng_init(&n->env.rng, bytes);
        n->env.kv = n->kv;
        n->env.log.level = LOG_ERROR;
        n->env.metrics = metrics_new();
    }
    for (size_t i = 0; i < count; i++)
        world_up(w, i);
    for (size_t i = 0; i < count; i++)
        world_tell(w, i, true);
    world_settle(w);
    return w;
}

static inline void world_clear_replies(struct world *w) {
    while (w->replies != NULL) {
        struct world_reply *next = w->replies->next;
        free(w->replies);
        w->replies = next;
    }
}

static inline void world_free(struct world *w) {
    for (size_t i = 0; i < w->count; i++) {
        world_forget_jobs(w, i);
        mailbox_free(w->nodes[i].mailbox);
        kv_snapshot_release(w->nodes[i].synced);
        kv_close(w->nodes[i].kv);
        metrics_free(w->nodes[i].env.metrics);
    }
    while (w->messages != NULL) {
        struct world_message *next = w->messages->next;
        buf_free(&w->messages->bytes);
        free(w->messages);
        w->messages = next;
    }
    world_clear_replies(w);
    directory_unref(w->current);
    directory_unref(w->previous);
    free(w);
}

// ---- users ----

static inline void owner_new(struct owner *owner, struct world *w) {
    struct sign_public public;
    sign_key_new(&owner->secret, &public, &w->rng);
    memcpy(owner->id.bytes, public.bytes, 32);
}

// The node at a rank of a mailbox by the current directory.
static inline size_t world_rank(const struct world *w, const struct owner *owner, size_t rank) {
    struct placement placement;
    placement_of(&placement, w->current, &owner->id, w->genesis.replicas);
    assert_true(rank < placement.count);
    return world_find(w, &w->current->relays[placement.relays[rank]].id);
}

// A node that is not among a mailbox's replicas.
static inline size_t world_outsider(const struct world *w, const struct owner *owner) {
    struct placement placement;
    placement_of(&placement, w->current, &owner->id, w->genesis.replicas);
    for (size_t i = 0; i < w->count; i++) {
        if (placement_rank(&placement, w->current, &w->nodes[i].id) < 0)
            return i;
    }
    fail();
    return 0;
}

static inline uint32_t world_surb(struct world *w, uint8_t surb[SPHINX_SURB_BYTES]) {
    memset(surb, 0, SPHINX_SURB_BYTES);
    surb[33] = (uint8_t)w->current->epoch;
    store_u32(surb + 100, ++w->next_surb);
    return w->next_surb;
}

struct item {
    uint8_t bytes[ITEM_BYTES];
    uint8_t secret[DELIVERY_SECRET_BYTES];
    uint64_t expiry_ms;
    struct item_hash hash;
};

static inline void item_new(struct item *item, struct world *w, const struct owner *owner, uint64_t lifetime_ms) {
    rng_bytes(&w->rng, item->secret, sizeof item->secret);
    rng_bytes(&w->rng, item->bytes, sizeof item->bytes);
    commitment_of(item->bytes, item->secret);
    item->expiry_ms = w->now.wall_ms + lifetime_ms;
    item_hash_of(&item->hash, &w->genesis.network, &owner->id, item->expiry_ms, item->bytes);
}

static inline void world_operation(struct world *w, size_t node, struct span body) {
    if (w->nodes[node].mailbox == NULL)
        return;
    struct world_step s;
    mailbox_operation(w->nodes[node].mailbox, world_begin(w, &s, node), body);
    world_end(w, &s, node);
}

// Sends a store; its answer comes under the number returned.
static inline uint32_t world_store_begin(struct world *w, size_t node, const struct owner *owner,
                                         const struct item *item, const struct write_token *token, uint32_t epoch) {
    uint8_t surb[SPHINX_SURB_BYTES];
    uint32_t number = world_surb(w, surb);
    struct op op = {.kind = OP_STORE,
                    .epoch = epoch,
                    .mailbox = owner->id,
                    .expiry_ms = item->expiry_ms,
                    .item = item->bytes,
                    .surb_count = 1,
                    .surbs = {surb}};
    if (token != NULL)
        op.token = *token;
    uint8_t body[OP_BYTES_MAX];
    size_t n = op_encode(body, &op, &w->genesis.network, NULL, NULL);
    world_operation(w, node, span_of(body, n));
    return number;
}

static inline const struct reply *world_reply(const struct world *w, uint32_t surb) {
    for (const struct world_reply *reply = w->replies; reply != NULL; reply = reply->next) {
        if (reply->surb == surb)
            return &reply->reply;
    }
    return NULL;
}

static inline enum op_status world_status(const struct world *w, uint32_t surb) {
    const struct reply *reply = world_reply(w, surb);
    assert_non_null(reply);
    return reply->status;
}

// A store by a stranger, until all is quiet.
static inline const struct reply *world_store(struct world *w, size_t node, const struct owner *owner,
                                              const struct item *item) {
    uint32_t surb = world_store_begin(w, node, owner, item, NULL, w->current->epoch);
    world_settle(w);
    return world_reply(w, surb);
}

static inline unsigned world_receipts(const struct world *w, const struct reply *reply, const struct owner *owner,
                                      const struct item *item) {
    const struct directory *d = reply->set.epoch == w->current->epoch ? w->current : w->previous;
    return receipts_valid(reply, d, &w->genesis, &owner->id, item->bytes, item->expiry_ms);
}

// Fills what owners' requests share, signs, sends. The first SURB's number is returned, the others follow it.
static inline uint32_t world_request(struct world *w, size_t node, const struct owner *owner, struct op *op,
                                     size_t surbs) {
    static uint8_t bytes[OP_SURBS_MAX][SPHINX_SURB_BYTES];
    uint32_t first = 0;
    for (size_t i = 0; i < surbs; i++) {
        uint32_t number = world_surb(w, bytes[i]);
        first = i == 0 ? number : first;
        op->surbs[i] = bytes[i];
    }
    op->surb_count = surbs;
    if (op->epoch == 0)
        op->epoch = w->current->epoch;
    op->mailbox = owner->id;
    if (op->time_ms == 0)
        op->time_ms = w->now.wall_ms;
    uint8_t body[OP_BYTES_MAX];
    size_t n = op_encode(body, op, &w->genesis.network, &w->nodes[node].id, &owner->secret);
    world_operation(w, node, span_of(body, n));
    return first;
}

static inline uint32_t world_fetch(struct world *w, size_t node, const struct owner *owner, uint64_t cursor,
                                   size_t surbs) {
    struct op op = {.kind = OP_FETCH, .cursor = cursor};
    uint32_t surb = world_request(w, node, owner, &op, surbs);
    world_settle(w);
    return surb;
}

static inline uint32_t world_delete(struct world *w, size_t node, const struct owner *owner, const struct item *items,
                                    size_t count) {
    struct op op = {.kind = OP_DELETE, .count = count};
    for (size_t i = 0; i < count; i++) {
        op.deletes[i].item = items[i].hash;
        memcpy(op.deletes[i].secret, items[i].secret, DELIVERY_SECRET_BYTES);
    }
    uint32_t surb = world_request(w, node, owner, &op, 1);
    world_settle(w);
    return surb;
}

static inline uint32_t world_policy(struct world *w, size_t node, const struct owner *owner, uint64_t version,
                                    const struct write_token *tokens, size_t count, uint16_t quota) {
    struct op op = {.kind = OP_POLICY, .version = version, .count = count};
    for (size_t i = 0; i < count; i++) {
        token_hash_of(&op.policy[i].token, &tokens[i]);
        op.policy[i].quota = quota;
    }
    uint32_t surb = world_request(w, node, owner, &op, 1);
    world_settle(w);
    return surb;
}

static inline bool reply_is_item(const struct reply *reply, const struct item *item) {
    return reply != NULL && reply->item != NULL && memcmp(reply->item, item->bytes, ITEM_BYTES) == 0;
}

// Whether a node delivers an item when its owner asks for all.
static inline bool world_holds(struct world *w, size_t node, const struct owner *owner, const struct item *item) {
    uint64_t cursor = 0;
    for (;;) {
        uint32_t surb = world_fetch(w, node, owner, cursor, 1);
        const struct reply *reply = world_reply(w, surb);
        if (reply == NULL || reply->status != OP_OK || reply->item == NULL)
            return false;
        if (reply_is_item(reply, item))
            return true;
        cursor = reply->cursor;
    }
}

static inline int64_t world_metric(const struct world *w, size_t node, enum metric metric) {
    return metric_value(w->nodes[node].env.metrics, metric);
}

#endif
