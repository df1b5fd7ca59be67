// See rig.h.
#include "rig.h"

#include <stdio.h>

#include "crypto/hash.h"

#define SEED_PORT 7070

static int order(const void *a, const void *b) {
    return relay_id_compare(&((const struct rig_relay *)a)->id, &((const struct rig_relay *)b)->id);
}

static void note_line(void *ctx, const struct log_line *line) {
    struct rig *rig = ctx;
    rig->lines[line->level]++;
    if (line->level >= LOG_WARN) {
        rig->last_warning = line->message;
    }
}

// How many of the rig's relays have a smaller identity.
static size_t relays_before(const struct rig *rig, const uint8_t seed[static 32]) {
    struct sign_secret secret;
    struct sign_public public;
    sign_key_from_seed(&secret, &public, seed);
    size_t count = 0;
    while (count < RIG_RELAYS && memcmp(rig->relays[count].id.bytes, public.bytes, 32) < 0) {
        count++;
    }
    return count;
}

// Four validators of equal power, whose keys the test has.
static void found_ledger(struct rig *rig) {
    uint8_t seed[RNG_SEED_BYTES] = {3};
    struct rng rng;
    rng_init(&rng, seed);
    committee_draw(&rig->committee, RIG_VALIDATORS, 1, &rng);
    rig->genesis->ledger = (struct ledger_genesis){.consensus = CONSENSUS_POA, .unbonding_ms = HOUR_MS};
    committee_found(&rig->genesis->ledger, &rig->committee);
}

// The first relay of the rig is the seed that genesis names; the node itself is none of the six.
void rig_init(struct rig *rig, unsigned roles) {
    *rig = (struct rig){.timer_ms = TIME_NEVER, .next_link = 0};
    uint8_t seed[RNG_SEED_BYTES] = {11};
    rng_init(&rig->env.rng, seed);
    rig->env.kv = kv_memory_new();
    rig->env.metrics = metrics_new();
    rig->env.log = (struct log_sink){.ctx = rig, .level = LOG_DEBUG, .write = note_line};
    rig->links = NEW_ARRAY(struct rig_link, RIG_LINKS_MAX);
    for (size_t i = 0; i < RIG_RELAYS; i++) {
        struct sign_public public;
        struct dh_secret secret;
        rng_bytes(&rig->env.rng, rig->relays[i].seed, 32);
        sign_key_from_seed(&rig->relays[i].secret, &public, rig->relays[i].seed);
        memcpy(rig->relays[i].id.bytes, public.bytes, 32);
        dh_key_new(&secret, &rig->relays[i].onion, &rig->env.rng);
    }
    qsort(rig->relays, RIG_RELAYS, sizeof rig->relays[0], order);
    node_config_defaults(&rig->config);
    struct node_config *config = &rig->config;
    config->roles = roles;
    config->packets_per_s = 100;
    config->address = (struct address){.host = "127.0.0.1", .port = 7999};
    config->profile = PROFILE_FAST;
    do {
        rng_bytes(&rig->env.rng, config->identity_seed, 32);
    } while (relays_before(rig, config->identity_seed) != RIG_BEFORE);
    rng_bytes(&rig->env.rng, config->account_seed, 32);
    rig->genesis = &config->genesis;
    *rig->genesis = (struct genesis){.name = "rig",
                                     .testnet = true,
                                     .genesis_ms = RIG_GENESIS_MS,
                                     .epoch_ms = RIG_EPOCH_MS,
                                     .replicas = 3,
                                     .quorum = 2,
                                     .min_relays = 2,
                                     .item_lifetime_ms = DAY_MS,
                                     .tick_ms = 10,
                                     .profile = PROFILE_FAST,
                                     .seed_count = 1};
    rig->genesis->seeds[0].id = rig->relays[0].id;
    rig->genesis->seeds[0].address = (struct address){.host = "seed.example", .port = SEED_PORT};
    found_ledger(rig);
    if (roles & ROLE_BOOTSTRAP) {
        struct sign_secret secret;
        struct sign_public public;
        sign_key_from_seed(&secret, &public, config->identity_seed);
        struct genesis_seed *self = &rig->genesis->seeds[rig->genesis->seed_count++];
        memcpy(self->id.bytes, public.bytes, 32);
        self->address = config->address;
    }
    genesis_seal(rig->genesis);
    rig->now = (struct now){.mono_ms = 1000000, .wall_ms = RIG_GENESIS_MS + RIG_EPOCH_MS / 2};
}

static void make_node(struct rig *rig) {
    struct buf why = {0};
    assert_int_equal(node_new(&rig->node, &rig->config, &rig->env, &why), OK);
    struct event start = {.kind = EVENT_START};
    memset(start.start.boot_id, 7, sizeof start.start.boot_id);
    rig_event(rig, &start);
}

void rig_start(struct rig *rig) {
    genesis_seal(rig->genesis);
    rig->committee.network = rig->genesis->network;
    make_node(rig);
}

void rig_restart(struct rig *rig, bool clean) {
    if (clean) {
        rig_event(rig, &(struct event){.kind = EVENT_STOP});
        assert_true(rig->stopped);
    }
    node_free(rig->node);
    for (size_t i = 0; i < rig->link_count; i++) {
        rig->links[i].open = false;
    }
    for (size_t i = 0; i < rig->dial_count; i++) {
        rig->dials[i].over = true;
    }
    rig->timer_ms = TIME_NEVER;
    rig->stopped = false;
    make_node(rig);
}

void rig_free(struct rig *rig) {
    node_free(rig->node);
    for (size_t i = 0; i < rig->link_count; i++) {
        for (size_t k = 0; k < rig->links[i].message_count; k++) {
            buf_free(&rig->links[i].messages[k]);
        }
        assembler_free(&rig->links[i].in);
        for (size_t k = 0; k < rig->links[i].frame_count; k++) {
            buf_free(&rig->links[i].frames[k].body);
        }
        frame_reader_free(&rig->links[i].reader);
    }
    for (size_t i = 0; i < rig->answer_count; i++) {
        node_answer_free(rig->answers[i]);
    }
    free(rig->links);
    effects_free(&rig->effects);
    kv_close(rig->env.kv);
    metrics_free(rig->env.metrics);
}

int64_t rig_metric(const struct rig *rig, enum metric metric) {
    return metric_value(rig->env.metrics, metric);
}

uint32_t rig_epoch(const struct rig *rig) {
    return epoch_at(rig->genesis, rig->now.wall_ms);
}

// ---- effects ----

struct rig_link *rig_link(struct rig *rig, uint64_t id) {
    for (size_t i = 0; i < rig->link_count; i++) {
        if (rig->links[i].id == id) {
            return &rig->links[i];
        }
    }
    fail_msg("no such link");
    return NULL;
}

static void take_cell(struct rig_link *link, const struct effect *effect) {
    struct cell cell;
    assert_int_equal(effect->send.bytes.n, CELL_BYTES);
    assert_int_equal(cell_decode(&cell, effect->send.bytes.p), OK);
    assert_true(link->open);
    link->cells[cell.kind]++;
    link->immediate += effect->immediate;
    link->since_drain++;
    assert_true(link->since_drain <= LINK_WINDOW_CELLS);
    bool complete = false;
    if (cell.kind == CELL_PART) {
        link->in.bytes_max = MESSAGE_BYTES_MAX_RELAY;
        assert_int_equal(assembler_take(&link->in, &complete, &cell), OK);
    }
    if (complete && link->message_count < RIG_MESSAGES_MAX) {
        buf_append(&link->messages[link->message_count++], buf_span(&link->in.message));
    }
}

static void take_part(struct rig_link *link, const struct effect *effect) {
    struct span bytes = buf_span(&effect->send.bytes);
    assert_in_range(bytes.n, 1, LINK_SEND_BYTES_MAX);
    link->immediate += effect->immediate;
    link->since_drain++;
    link->bytes_since_drain += bytes.n;
    assert_true(link->open && link->bytes_since_drain <= LINK_WINDOW_BYTES);
    struct frame frame;
    bool complete = false;
    assert_int_equal(frame_take(&link->reader, &frame, &complete, &bytes), OK);
    assert_int_equal(bytes.n, 0);
    if (complete && link->frame_count < RIG_MESSAGES_MAX) {
        link->frames[link->frame_count++] = frame;
    } else if (complete) {
        buf_free(&frame.body);
    }
}

static void take_send(struct rig *rig, const struct effect *effect, struct buf *self) {
    if (effect->send.link == LINK_SELF) {
        rig->self_sends++;
        buf_append(self, buf_span(&effect->send.bytes));
        return;
    }
    struct rig_link *link = rig_link(rig, effect->send.link);
    if (link->kind == LINK_LEDGER) {
        take_part(link, effect);
    } else {
        take_cell(link, effect);
    }
}

static void take_effect(struct rig *rig, struct effect *effect, struct buf *self) {
    switch (effect->kind) {
    case EFFECT_DIAL:
        assert_true(rig->dial_count < RIG_LINKS_MAX);
        rig->dials[rig->dial_count] = (struct rig_dial){.dial = effect->dial.dial,
                                                        .kind = effect->dial.kind,
                                                        .address = effect->dial.address,
                                                        .show_certificate = effect->dial.show_certificate,
                                                        .at_ms = rig->now.mono_ms};
        memcpy(rig->dials[rig->dial_count++].expected.bytes, effect->dial.expected.bytes, 32);
        break;
    case EFFECT_SEND:
        take_send(rig, effect, self);
        break;
    case EFFECT_CLOSE: {
        struct rig_link *link = rig_link(rig, effect->close.link);
        assert_true(link->open);
        link->open = false;
        link->closed_by_node = true;
        link->reason = effect->close.reason;
        break;
    }
    case EFFECT_TIMER:
        rig->timer_ms = effect->timer.at_ms;
        break;
    case EFFECT_ANSWER:
        assert_true(rig->answer_count < 16);
        rig->answers[rig->answer_count++] = effect->answer;
        effect->answer = NULL;
        break;
    case EFFECT_STREAM:
        break;
    case EFFECT_STOPPED:
        rig->stopped = true;
        if (effect->stopped_why != NULL) {
            strncat(rig->stopped_why, effect->stopped_why, sizeof(rig->stopped_why) - 1);
        }
        break;
    }
}

// Everything that tells one run from another goes into the transcript.
static void note_effects(struct rig *rig, const struct effects *effects) {
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->list[i];
        uint8_t head[] = {(uint8_t)effect->kind, effect->immediate, (uint8_t)effect->send.link};
        struct span bytes = {head, 2};
        if (effect->kind == EFFECT_SEND) {
            bytes = buf_span(&effect->send.bytes);
        }
        struct span parts[] = {SPAN_OF(rig->transcript), SPAN_OF(head), bytes};
        struct hash hash;
        hash_parts(&hash, "test transcript", parts, effect->kind == EFFECT_SEND ? 3 : 2);
        memcpy(rig->transcript, hash.bytes, sizeof rig->transcript);
    }
}

static void run_jobs(struct rig *rig, struct job_list *jobs) {
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = jobs->jobs[i];
        struct kv_snapshot *snapshot = job->wants_snapshot ? kv_snapshot(rig->env.kv) : NULL;
        job->run(job, snapshot);
        if (snapshot != NULL) {
            kv_snapshot_release(snapshot);
        }
        rig_event(rig, &(struct event){.kind = EVENT_JOB_DONE, .job_done = {job}});
    }
    job_list_free(&(struct job_list){.jobs = jobs->jobs});
}

void rig_take(struct rig *rig, struct effects *effects) {
    struct buf self = {0};
    if (kv_batch_count(&effects->batch) > 0) {
        assert_int_equal(kv_write(rig->env.kv, &effects->batch), OK);
    }
    assert_true(log_batch_is_empty(&effects->log)); // no role of these tests has a log
    note_effects(rig, effects);
    struct job_list jobs = effects->jobs;
    effects->jobs = (struct job_list){0};
    for (size_t i = 0; i < effects->count; i++) {
        take_effect(rig, &effects->list[i], &self);
    }
    effects_clear(effects);
    for (size_t at = 0; at < self.n; at += CELL_BYTES) {
        rig_event(rig, &(struct event){.kind = EVENT_LINK_BYTES,
                                       .link_bytes = {LINK_SELF, span_of(self.p + at, CELL_BYTES)}});
    }
    buf_free(&self);
    run_jobs(rig, &jobs);
    for (size_t i = 0; !rig->no_drain && i < rig->link_count; i++) {
        if (rig->links[i].since_drain > 0 && rig->links[i].open) {
            rig_drained(rig, rig->links[i].id);
        }
    }
}

void rig_event(struct rig *rig, const struct event *event) {
    node_step(rig->node, event, rig->now, &rig->effects);
    rig_take(rig, &rig->effects);
}

void rig_run(struct rig *rig, uint64_t ms) {
    uint64_t end_ms = rig->now.mono_ms + ms;
    while (rig->timer_ms <= end_ms) {
        uint64_t step_ms = rig->timer_ms > rig->now.mono_ms ? rig->timer_ms - rig->now.mono_ms : 0;
        rig->now.mono_ms += step_ms;
        rig->now.wall_ms += step_ms;
        rig->timer_ms = TIME_NEVER;
        rig->timers++;
        rig_event(rig, &(struct event){.kind = EVENT_TIMER});
    }
    rig->now.wall_ms += end_ms - rig->now.mono_ms;
    rig->now.mono_ms = end_ms;
}

void rig_live(struct rig *rig, uint64_t ms) {
    uint8_t pong[9];
    ping_encode(pong, MESSAGE_PONG, 0);
    while (ms > 0) {
        uint64_t slice_ms = ms < 5000 ? ms : 5000;
        rig_run(rig, slice_ms);
        ms -= slice_ms;
        for (size_t i = 0; i < rig->link_count; i++) {
            if (rig->links[i].kind == LINK_LEDGER) {
                rig_frame(rig, rig->links[i].id, FRAME_URGENT, FRAME_PONG, span_of(pong, 8));
            } else {
                rig_send(rig, rig->links[i].id, SPAN_OF(pong));
            }
        }
    }
}

// ---- links ----

static uint64_t open_link(struct rig *rig, enum link_kind kind, uint64_t dial, const struct relay_id *key,
                          uint64_t tag) {
    assert_true(rig->link_count < RIG_LINKS_MAX);
    struct rig_link *link = &rig->links[rig->link_count++];
    *link = (struct rig_link){
        .id = ++rig->next_link, .kind = kind, .open = true, .reader = {.bytes_max = FRAME_BODY_BYTES_MAX}};
    uint64_t id = link->id;
    struct event event = {
        .kind = EVENT_LINK_OPEN,
        .link_open = {.link = id, .dial = dial, .kind = kind, .has_key = key != NULL, .address_tag = tag}};
    if (key != NULL) {
        memcpy(event.link_open.key.bytes, key->bytes, 32);
    }
    rig_event(rig, &event);
    return id;
}

uint64_t rig_inbound(struct rig *rig, const struct relay_id *key, uint64_t address_tag) {
    return open_link(rig, LINK_CELLS, 0, key, address_tag);
}

uint64_t rig_inbound_ledger(struct rig *rig, const struct relay_id *key, uint64_t address_tag) {
    return open_link(rig, LINK_LEDGER, 0, key, address_tag);
}

uint64_t rig_inbound_greeted(struct rig *rig, const struct relay_id *key, uint64_t address_tag) {
    uint64_t link = rig_inbound(rig, key, address_tag);
    rig_hello(rig, link, 0);
    return link;
}

void rig_lost(struct rig *rig, uint64_t link) {
    rig_link(rig, link)->open = false;
    rig_event(rig, &(struct event){.kind = EVENT_LINK_CLOSED, .link_closed = {link, CLOSE_PEER}});
}

void rig_drained(struct rig *rig, uint64_t link) {
    rig_link(rig, link)->since_drain = 0;
    rig_link(rig, link)->bytes_since_drain = 0;
    rig_event(rig, &(struct event){.kind = EVENT_LINK_DRAINED, .link_drained = {link}});
}

void rig_bytes(struct rig *rig, uint64_t link, struct span bytes) {
    if (rig_link(rig, link)->open) {
        rig_event(rig, &(struct event){.kind = EVENT_LINK_BYTES, .link_bytes = {link, bytes}});
    }
}

void rig_send(struct rig *rig, uint64_t link, struct span message) {
    for (size_t i = 0; i < message_cells(message.n); i++) {
        uint8_t cell[CELL_BYTES];
        message_cell(cell, message, i);
        rig_bytes(rig, link, SPAN_OF(cell));
    }
}

void rig_cell(struct rig *rig, uint64_t link, enum cell_kind kind, struct span body) {
    uint8_t cell[CELL_BYTES];
    cell_encode(cell, kind, 0, body);
    rig_bytes(rig, link, SPAN_OF(cell));
}

void rig_hello(struct rig *rig, uint64_t link, uint32_t epoch) {
    struct hello hello = {.version = LINK_PROTOCOL_VERSION, .network = rig->genesis->network, .epoch = epoch};
    uint8_t bytes[HELLO_BYTES];
    rig_send(rig, link, span_of(bytes, hello_encode(bytes, &hello)));
}

void rig_frame(struct rig *rig, uint64_t link, enum frame_lane lane, uint8_t kind, struct span body) {
    size_t sent = 0;
    do {
        struct buf part = {0};
        sent += frame_part_encode(&part, lane, kind, body, sent);
        rig_bytes(rig, link, buf_span(&part));
        buf_free(&part);
    } while (sent < body.n);
}

void rig_ledger_hello(struct rig *rig, uint64_t link, uint64_t height) {
    struct ledger_hello hello = {
        .version = LEDGER_LINK_VERSION, .network = rig->genesis->network, .role = LEDGER_VALIDATOR, .height = height};
    uint8_t bytes[LEDGER_HELLO_BYTES];
    rig_frame(rig, link, FRAME_URGENT, FRAME_HELLO, span_of(bytes, ledger_hello_encode(bytes, &hello)));
}

size_t rig_frame_count(struct rig *rig, uint64_t link, uint8_t kind) {
    struct rig_link *at = rig_link(rig, link);
    size_t count = 0;
    for (size_t i = 0; i < at->frame_count; i++) {
        count += at->frames[i].kind == kind;
    }
    return count;
}

const struct buf *rig_message(struct rig *rig, uint64_t link, uint8_t kind) {
    struct rig_link *at = rig_link(rig, link);
    for (size_t i = at->message_count; i-- > 0;) {
        if (at->messages[i].p[0] == kind) {
            return &at->messages[i];
        }
    }
    return NULL;
}

size_t rig_message_count(struct rig *rig, uint64_t link, uint8_t kind) {
    struct rig_link *at = rig_link(rig, link);
    size_t count = 0;
    for (size_t i = 0; i < at->message_count; i++) {
        count += at->messages[i].p[0] == kind;
    }
    return count;
}

// ---- dials ----

static struct rig_dial *dial_of_kind(struct rig *rig, enum link_kind kind, const struct relay_id *relay) {
    for (size_t i = 0; i < rig->dial_count; i++) {
        struct rig_dial *dial = &rig->dials[i];
        if (!dial->over && dial->kind == kind && relay_id_equal(&dial->expected, relay)) {
            return dial;
        }
    }
    return NULL;
}

struct rig_dial *rig_dial(struct rig *rig, const struct relay_id *relay) {
    return dial_of_kind(rig, LINK_CELLS, relay);
}

struct rig_dial *rig_ledger_dial(struct rig *rig, const struct relay_id *relay) {
    return dial_of_kind(rig, LINK_LEDGER, relay);
}

size_t rig_dials_to(const struct rig *rig, const struct relay_id *relay) {
    size_t count = 0;
    for (size_t i = 0; i < rig->dial_count; i++) {
        count += rig->dials[i].kind == LINK_CELLS && relay_id_equal(&rig->dials[i].expected, relay);
    }
    return count;
}

size_t rig_dials(const struct rig *rig) {
    size_t count = 0;
    for (size_t i = 0; i < rig->dial_count; i++) {
        count += rig->dials[i].kind == LINK_CELLS;
    }
    return count;
}

uint64_t rig_accept(struct rig *rig, struct rig_dial *dial) {
    assert_non_null(dial);
    dial->over = true;
    return open_link(rig, dial->kind, dial->dial, &dial->expected, 0);
}

uint64_t rig_accept_greeted(struct rig *rig, struct rig_dial *dial, uint32_t epoch) {
    uint64_t link = rig_accept(rig, dial);
    rig_hello(rig, link, epoch);
    return link;
}

void rig_refuse(struct rig *rig, struct rig_dial *dial) {
    assert_non_null(dial);
    dial->over = true;
    rig_event(rig, &(struct event){.kind = EVENT_DIAL_FAILED, .dial_failed = {dial->dial, CLOSE_IO}});
}

// ---- directories ----

static int listed_order(const void *a, const void *b) {
    return relay_id_compare(&((const struct directory_relay *)a)->id, &((const struct directory_relay *)b)->id);
}

static void write_directory(struct rig *rig, struct buf *out, uint32_t epoch, struct directory_relay *relays,
                            size_t count) {
    qsort(relays, count, sizeof *relays, listed_order);
    struct directory directory = {.network = rig->genesis->network,
                                  .epoch = epoch,
                                  .issued_ms = rig->now.wall_ms,
                                  .changed_epoch = 1,
                                  .relay_count = count,
                                  .relays = relays};
    buf_clear(out);
    directory_encode(out, &directory);
}

// In the place of a directory the bundle that proves it.
static void prove_directory(struct rig *rig, struct buf *directory, uint32_t epoch) {
    struct buf bundle = {0};
    uint64_t height = rig->height += 10; // blocks lie between
    const struct bundle_plan plan = {.epoch = epoch,
                                     .directory = buf_span(directory),
                                     .height = height,
                                     .time_ms = RIG_GENESIS_MS + height,
                                     .signers = RIG_VALIDATORS};
    bundle_make(&bundle, &rig->committee, &plan);
    buf_free(directory);
    *directory = bundle;
}

static void list(struct directory_relay *out, const struct relay_id *id, const struct dh_public *onion, uint32_t epoch,
                 uint16_t port) {
    *out = (struct directory_relay){.id = *id, .placed = true, .since_epoch = 1};
    memcpy(out->placement.bytes, id->bytes, 32);
    out->address = (struct address){.host = "127.0.0.1", .port = port};
    out->onion.first_epoch = epoch;
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++) {
        out->onion.keys[i] = *onion;
    }
}

void rig_directory_body(struct rig *rig, struct buf *out, uint32_t epoch, size_t count) {
    struct directory_relay relays[RIG_RELAYS];
    for (size_t i = 0; i < count; i++) {
        list(&relays[i], &rig->relays[i].id, &rig->relays[i].onion, epoch, (uint16_t)(8000 + i));
    }
    write_directory(rig, out, epoch, relays, count);
}

void rig_directory(struct rig *rig, struct buf *out, uint32_t epoch, size_t count) {
    rig_directory_body(rig, out, epoch, count);
    prove_directory(rig, out, epoch);
}

void rig_directory_with_self(struct rig *rig, struct buf *out, uint32_t epoch, size_t count) {
    struct directory_relay relays[RIG_RELAYS + 1];
    struct relay_id self;
    node_identity(rig->node, &self);
    for (size_t i = 0; i < count; i++) {
        list(&relays[i], &rig->relays[i].id, &rig->relays[i].onion, epoch, (uint16_t)(8000 + i));
    }
    list(&relays[count], &self, &rig->relays[0].onion, epoch, 7999);
    write_directory(rig, out, epoch, relays, count + 1);
    prove_directory(rig, out, epoch);
}

void rig_give_directory(struct rig *rig, uint64_t link, struct span directory) {
    struct buf message = {0};
    directory_message_encode(&message, 0, directory);
    rig_send(rig, link, buf_span(&message));
    buf_free(&message);
}

void rig_start_listed(struct rig *rig, size_t count) {
    rig_start(rig);
    struct buf directory = {0};
    uint64_t seed = rig_accept_greeted(rig, rig_dial(rig, &rig->relays[0].id), 1);
    rig_directory_with_self(rig, &directory, 1, count);
    rig_give_directory(rig, seed, buf_span(&directory));
    buf_free(&directory);
    assert_int_equal(rig_metric(rig, METRIC_DIRECTORY_EPOCH), 1);
}
