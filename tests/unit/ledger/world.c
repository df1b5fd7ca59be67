// The world of the ledger's tests.
#include "ledger/world.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/ledger_internal.h"

struct event {
    size_t to;
    uint64_t life;
    struct job *job; // done; else a frame, a link that came or went, or a sync that ends
    uint64_t link;
    bool opens, closes, syncs;
    size_t from;
    uint8_t kind;
    struct buf body;
};

static void event_free(struct event *event) {
    if (event->job != NULL)
        event->job->free(event->job);
    buf_free(&event->body);
    free(event);
}

static void event_push(struct world *world, struct event *event, uint64_t delay_ms) {
    event->life = world->machines[event->to].life;
    heap_push(&world->events, world->now.mono_ms + delay_ms, event);
}

// ---- one step of a node

struct machine_step {
    struct kv_batch batch;
    struct log_batch log;
    struct job_list jobs;
    struct step step;
};

static struct step *step_begin(struct machine *machine, struct machine_step *ms) {
    memset(ms, 0, sizeof(*ms));
    ms->step = (struct step){&machine->env, machine->world->now, &ms->batch, &ms->log, &ms->jobs};
    ms->step.now.wall_ms = (uint64_t)((int64_t)ms->step.now.wall_ms + machine->skew_ms);
    return &ms->step;
}

// What of a step has been written when its process dies: nothing, the store's part, or all.
enum death { DEATH_BEFORE, DEATH_BETWEEN, DEATH_AFTER, DEATH_NOT };

static bool step_writes(const struct machine_step *ms) {
    return kv_batch_count(&ms->batch) > 0 || !log_batch_is_empty(&ms->log);
}

static enum death draw_death(struct machine *machine, const struct machine_step *ms, bool may_die) {
    struct world *world = machine->world;
    bool dies = may_die && step_writes(ms) && world->faults.crash_permille > 0 &&
                rng_below(&world->rng, 1000) < world->faults.crash_permille;
    return dies ? (enum death)rng_below(&world->rng, DEATH_NOT) : DEATH_NOT;
}

static bool draw_percent(struct world *world, unsigned percent) {
    return percent > 0 && rng_below(&world->rng, 100) < percent;
}

static uint64_t draw_up_to(struct world *world, uint64_t max) {
    return max > 0 ? rng_below(&world->rng, max + 1) : 0;
}

// Whoever lies is not held to its word.
static void assert_is_no_contradiction(struct machine *machine, const struct event *event) {
    struct vote vote;
    struct proposal proposal;
    struct span body = buf_span(&event->body);
    bool honest = true;
    if (machine->world->lies != NULL)
        return;
    if (event->kind == FRAME_VOTE && vote_decode(&vote, body) == OK)
        honest = said_vote(&machine->said, &vote);
    else if (event->kind == FRAME_PROPOSAL && proposal_decode(&proposal, span_of(body.p, PROPOSAL_BYTES)) == OK)
        honest = said_proposal(&machine->said, &proposal);
    if (!honest)
        fail_msg("node %zu has signed two messages for one slot", machine->index);
}

// Later frames of a link do not overtake.
static void frame_leaves(struct machine *machine, struct event *event) {
    struct world *world = machine->world;
    uint64_t at_ms = world->now.mono_ms + world->hop_ms + draw_up_to(world, world->faults.delay_ms_max);
    assert_is_no_contradiction(machine, event);
    uint64_t *last_ms = &machine->arrival_ms[event->to];
    *last_ms = at_ms > *last_ms ? at_ms : *last_ms;
    if (draw_percent(world, world->faults.twice_percent)) {
        struct event *twin = mem_copy(span_of(event, sizeof(*event)));
        twin->body = (struct buf){0};
        buf_append(&twin->body, buf_span(&event->body));
        event_push(world, twin, *last_ms - world->now.mono_ms);
    }
    event_push(world, event, *last_ms - world->now.mono_ms);
}

// In order, as far as what they wait for is durable.
static void frames_leave(struct machine *machine) {
    size_t left = 0;
    while (left < machine->outbox_count && machine->outbox[left].needs <= machine->disk.synced)
        frame_leaves(machine, machine->outbox[left++].event);
    machine->outbox_count -= left;
    memmove(machine->outbox, machine->outbox + left, machine->outbox_count * sizeof(machine->outbox[0]));
}

static void frames_are_lost(struct machine *machine) {
    for (size_t i = 0; i < machine->outbox_count; i++)
        event_free(machine->outbox[i].event);
    machine->outbox_count = machine->outbox_new = 0;
}

static void jobs_run(struct machine *machine, struct machine_step *ms) {
    struct world *world = machine->world;
    for (size_t i = 0; i < ms->jobs.count; i++) {
        struct event *event = NEW(struct event);
        event->to = machine->index;
        event->job = ms->jobs.jobs[i];
        event->job->run(event->job, NULL);
        event_push(world, event, world->job_ms + draw_up_to(world, world->faults.job_ms_max));
    }
    ms->jobs.count = 0;
}

// ---- the disk

static void sync_if_needed(struct machine *machine) {
    struct world *world = machine->world;
    if (disk_is_syncing(&machine->disk) || machine_is_durable(machine))
        return;
    disk_sync_begin(&machine->disk);
    if (machine->disk_hangs)
        return;
    if (world->faults.sync_ms_max == 0) {
        disk_sync_end(&machine->disk);
        return;
    }
    struct event *event = NEW(struct event);
    *event = (struct event){.to = machine->index, .syncs = true};
    event_push(world, event, draw_up_to(world, world->faults.sync_ms_max));
}

static void sync_ends(struct machine *machine) {
    disk_sync_end(&machine->disk);
    frames_leave(machine);
    sync_if_needed(machine);
    frames_leave(machine);
}

bool machine_is_durable(const struct machine *machine) {
    return machine->needs <= machine->disk.synced;
}

// As the host does it: the store first.
static void step_write(struct machine *machine, const struct machine_step *ms, enum death death) {
    if (!step_writes(ms) || death == DEATH_BEFORE)
        return;
    disk_write(&machine->disk, &ms->batch, death == DEATH_BETWEEN ? &(struct log_batch){0} : &ms->log);
    if (ms->batch.synced || ms->log.synced)
        machine->needs = machine->disk.written;
}

static void step_end_or_die(struct machine *machine, struct machine_step *ms, bool may_die) {
    enum death death = draw_death(machine, ms, may_die);
    machine->dying = death != DEATH_NOT;
    step_write(machine, ms, death);
    for (; machine->outbox_new > 0; machine->outbox_new--)
        machine->outbox[machine->outbox_count - machine->outbox_new].needs = machine->needs;
    if (!machine->dying) {
        jobs_run(machine, ms);
        sync_if_needed(machine);
        frames_leave(machine);
    }
    for (size_t i = 0; i < ms->jobs.count; i++)
        ms->jobs.jobs[i]->free(ms->jobs.jobs[i]);
    ms->jobs.count = 0;
    kv_batch_free(&ms->batch);
    log_batch_free(&ms->log);
    job_list_free(&ms->jobs);
}

static void step_end(struct machine *machine, struct machine_step *ms) {
    step_end_or_die(machine, ms, false);
}

// ---- ports

static size_t end_of(const struct machine *machine, uint64_t link) {
    for (size_t i = 0; i < machine->world->count; i++)
        if (machine->links[i] == link)
            return i;
    return SIZE_MAX;
}

static struct stranger *stranger_of(const struct machine *machine, uint64_t link) {
    struct world *world = machine->world;
    for (size_t i = 0; i < world->stranger_count; i++)
        if (world->strangers[i].at == machine && world->strangers[i].link == link)
            return &world->strangers[i];
    return NULL;
}

static void stranger_hear(struct stranger *stranger, uint8_t kind, struct span body) {
    stranger->frames[kind]++;
    stranger->bytes += body.n;
    buf_clear(&stranger->last[kind]);
    buf_append(&stranger->last[kind], body);
}

static void port_send(void *ctx, struct step *step, uint64_t link, enum ledger_frame kind, struct span body) {
    struct machine *machine = ctx;
    struct world *world = machine->world;
    size_t to = end_of(machine, link);
    struct stranger *stranger = stranger_of(machine, link);
    (void)step;
    if (stranger != NULL && !stranger->closed)
        stranger_hear(stranger, (uint8_t)kind, body);
    // What proves membership is the first on a link, whose queue is empty: it is not lost.
    bool lost = kind != FRAME_MEMBER && (world->cut[machine->index][to == SIZE_MAX ? 0 : to] ||
                                         draw_percent(world, world->faults.loss_percent));
    if (to == SIZE_MAX || lost)
        return;
    assert_true(machine->outbox_count < OUTBOX_MAX);
    struct event *event = NEW(struct event);
    *event = (struct event){.to = to, .from = machine->index, .link = link, .kind = (uint8_t)kind};
    buf_append(&event->body, body);
    if (world->lies != NULL && !world->lies(world, machine->index, to, event->kind, &event->body)) {
        buf_free(&event->body);
        free(event);
        return;
    }
    machine->outbox[machine->outbox_count++].event = event;
    machine->outbox_new++;
}

// The other end hears of it.
static void link_end(struct world *world, size_t a, size_t b) {
    struct event *event = NEW(struct event);
    *event = (struct event){.to = b, .link = world->machines[a].links[b], .closes = true};
    world->machines[a].links[b] = world->machines[b].links[a] = 0;
    event_push(world, event, 0);
}

// As the node does it: the peer is gone when this returns.
static void port_close(void *ctx, struct step *step, uint64_t link) {
    struct machine *machine = ctx;
    size_t other = end_of(machine, link);
    struct stranger *stranger = stranger_of(machine, link);
    if (other != SIZE_MAX)
        link_end(machine->world, machine->index, other);
    if (stranger != NULL)
        stranger->closed = true;
    ledger_peer_down(machine->ledger, step, link);
}

static void port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    struct machine *machine = ctx;
    struct world *world = machine->world;
    (void)step, (void)address;
    for (size_t i = 0; i < world->count; i++) {
        struct machine *other = &world->machines[i];
        if (memcmp(other->id.bytes, id->bytes, 32) != 0)
            continue;
        struct event *event = NEW(struct event);
        *event = (struct event){.to = machine->index, .from = i, .opens = true};
        event_push(world, event, world->hop_ms);
        return;
    }
    machine->dials_in_vain++;
}

static void port_trust(void *ctx, uint64_t link, bool trusted) {
    struct machine *machine = ctx;
    struct world *world = machine->world;
    for (size_t i = 0; i < world->stranger_count; i++)
        if (world->strangers[i].link == link)
            world->strangers[i].trusted = trusted;
}

static void port_note(void *ctx, struct step *step, uint64_t watch, const struct ledger_note *note) {
    struct machine *machine = ctx;
    (void)step, (void)watch;
    if (machine->note_count < NOTES_MAX)
        machine->notes[machine->note_count++] = *note;
}

static void port_answer(void *ctx, struct step *step, struct ledger_answer *answer) {
    struct machine *machine = ctx;
    (void)step;
    ledger_answer_clear(&machine->last_answer);
    machine->last_answer = *answer;
    memset(answer, 0, sizeof(*answer));
    machine->answer_count++;
}

static void port_directory(void *ctx, struct step *step, uint32_t epoch, struct span bundle) {
    struct machine *machine = ctx;
    (void)step, (void)epoch;
    buf_clear(&machine->bundle);
    buf_append(&machine->bundle, bundle);
    machine->bundles++;
}

// ---- nodes

void machine_start(struct machine *machine) {
    struct world *world = machine->world;
    struct ledger_config config = {.genesis = &world->genesis,
                                   .validator_seed = machine->is_validator ? machine->validator_seed : NULL,
                                   .self = machine->id,
                                   .address = world->addresses[machine->index],
                                   .keep_blocks = machine->keep_blocks,
                                   .mempool_count_max = 10000,
                                   .mempool_bytes_max = 16 << 20,
                                   .txs_per_s_per_peer = 100};
    const struct ledger_ports ports = {machine,   port_send, port_close,  port_trust,
                                       port_dial, port_note, port_answer, port_directory};
    struct machine_step ms;
    struct buf why = {0}, log = {0};
    machine->ledger = ledger_new(&config, &ports, &world->rng);
    machine->up = true;
    machine->env.kv = machine->disk.kv;
    machine->needs = machine->disk.synced; // what was written before is not waited for
    buf_append(&log, buf_span(&machine->disk.log));
    struct step *step = step_begin(machine, &ms);
    enum err err = ledger_start(machine->ledger, step, buf_span(&log), &why);
    step_end(machine, &ms);
    memset(machine->why, 0, sizeof(machine->why));
    if (why.n > 0)
        memcpy(machine->why, why.p, why.n < sizeof(machine->why) ? why.n : sizeof(machine->why) - 1);
    if (err != OK)
        machine_stop(machine);
    buf_free(&why);
    buf_free(&log);
}

static void process_ends(struct machine *machine) {
    struct world *world = machine->world;
    for (size_t i = 0; i < world->count; i++)
        if (machine->links[i] != 0)
            link_end(world, machine->index, i);
    for (size_t i = 0; i < world->stranger_count; i++)
        world->strangers[i].closed = world->strangers[i].closed || world->strangers[i].at == machine;
    frames_are_lost(machine);
    machine->life++;
    machine->up = false;
    ledger_free(machine->ledger);
    machine->ledger = NULL;
}

void machine_stop(struct machine *machine) {
    process_ends(machine);
    disk_killed(&machine->disk, &machine->world->rng);
}

void machine_lose_power(struct machine *machine) {
    if (machine->up)
        process_ends(machine);
    disk_power_lost(&machine->disk, &machine->world->rng);
}

void machine_wipe(struct machine *machine) {
    if (machine->up)
        process_ends(machine);
    disk_destroyed(&machine->disk);
}

static void machine_dies(struct machine *machine) {
    if (draw_percent(machine->world, machine->world->faults.power_percent))
        machine_lose_power(machine);
    else
        machine_stop(machine);
}

static void address_of(struct address *out, size_t i) {
    char text[32];
    snprintf(text, sizeof(text), "127.0.0.1:%zu", 7000 + i);
    assert_int_equal(address_parse(out, text), OK);
}

static int by_key(const void *a, const void *b) {
    return memcmp(a, b, 32);
}

static void genesis_fill(struct world *world, enum consensus consensus, size_t validators) {
    struct genesis *genesis = &world->genesis;
    struct ledger_genesis *ledger = &genesis->ledger;
    struct sign_public operator;
    *genesis = (struct genesis){.name = "test", .testnet = true, .genesis_ms = 1000000, .epoch_ms = 60000};
    genesis->replicas = 3;
    genesis->quorum = 2;
    genesis->min_relays = 3;
    genesis->item_lifetime_ms = DAY_MS;
    sign_key_new(&world->operator, & operator, & world->rng);
    ledger->consensus = consensus;
    ledger->validator_stake_min = 1000;
    ledger->slash_percent = 5;
    ledger->block_ms = 2000;
    ledger->fee_min = FEE;
    ledger->relay_stake_min = 1000;
    ledger->unbonding_ms = DAY_MS;
    ledger->reward_pool = 1000000;
    ledger->reward_per_epoch = 1000;
    ledger->samples = 4;

    ledger->validator_count = validators;
    ledger->account_count = 1;
    memcpy(ledger->accounts[0].id.bytes, operator.bytes, 32);
    ledger->accounts[0].grains = 1000 * GRAINS_PER_SOT;
    genesis->seed_count = world->count;
    for (size_t i = 0; i < world->count; i++) {
        struct machine *machine = &world->machines[i];
        struct sign_secret secret;
        struct sign_public account;
        sign_key_new(&machine->operator, & account, &world->rng);
        memcpy(machine->operator_id.bytes, account.bytes, 32);
        ledger->accounts[ledger->account_count].id = machine->operator_id;
        ledger->accounts[ledger->account_count++].grains = GRAINS_PER_SOT;
        rng_bytes(&world->rng, machine->validator_seed, 32);
        rng_bytes(&world->rng, machine->id.bytes, 32);
        genesis->seeds[i].id = machine->id;
        address_of(&world->addresses[i], i);
        genesis->seeds[i].address = world->addresses[i];
        machine->is_validator = i < validators;
        if (!machine->is_validator)
            continue;
        sign_key_from_seed(&secret, &ledger->validators[i].key, machine->validator_seed);
        ledger->validators[i].operator= machine->operator_id;
        ledger->validators[i].power = consensus == CONSENSUS_POS ? GENESIS_STAKE : 1;
    }
    qsort(ledger->validators, validators, sizeof(ledger->validators[0]), by_key);
    genesis_seal(genesis);
}

static void log_nowhere(void *ctx, const struct log_line *line) {
    (void)ctx;
    if (getenv("WORLD_LOG") != NULL)
        print_message("%s: %s\n", line->message, line->reason == NULL ? "" : line->reason);
}

struct world *world_make(uint64_t seed, size_t validators, size_t nodes) {
    return world_make_of(CONSENSUS_POA, seed, validators, nodes);
}

struct world *world_make_of(enum consensus consensus, uint64_t seed, size_t validators, size_t nodes) {
    struct world *world = NEW(struct world);
    uint8_t bytes[RNG_SEED_BYTES] = {0};
    store_u64(bytes, seed);
    crypto_init();
    rng_init(&world->rng, bytes);
    world->count = nodes;
    world->hop_ms = 1;
    world->next_link = 1;
    world->now = (struct now){1000, 1000000};
    genesis_fill(world, consensus, validators);
    for (size_t i = 0; i < nodes; i++) {
        struct machine *machine = &world->machines[i];
        machine->world = world;
        machine->index = i;
        disk_init(&machine->disk);
        rng_bytes(&world->rng, bytes, sizeof(bytes));
        rng_init(&machine->env.rng, bytes);
        machine->env.kv = machine->disk.kv;
        machine->env.metrics = metrics_new();
        machine->env.log = (struct log_sink){.level = LOG_INFO, .write = log_nowhere};
    }
    return world;
}

void world_start(struct world *world) {
    for (size_t i = 0; i < world->count; i++)
        machine_start(&world->machines[i]);
}

void world_free(struct world *world) {
    struct event *event;
    for (size_t i = 0; i < world->count; i++) {
        struct machine *machine = &world->machines[i];
        if (machine->up)
            machine_stop(machine);
        disk_free(&machine->disk);
        metrics_free(machine->env.metrics);
        ledger_answer_clear(&machine->last_answer);
        buf_free(&machine->bundle);
        said_free(&machine->said);
    }
    while ((event = heap_pop(&world->events)) != NULL)
        event_free(event);
    heap_free(&world->events);
    for (size_t i = 0; i < world->stranger_count; i++)
        for (size_t kind = 0; kind < 256; kind++)
            buf_free(&world->strangers[i].last[kind]);
    free(world);
}

// ---- what happens

static void link_open(struct world *world, struct machine *from, struct machine *to) {
    struct machine_step ms;
    if (!to->up || from->links[to->index] != 0) {
        struct step *step = step_begin(from, &ms);
        ledger_dial_failed(from->ledger, step, &to->id);
        step_end(from, &ms);
        return;
    }
    uint64_t link = world->next_link++;
    from->links[to->index] = to->links[from->index] = link;
    struct step *step = step_begin(from, &ms);
    ledger_peer_up(from->ledger, step, link, &to->id, false);
    step_end(from, &ms);
    step = step_begin(to, &ms);
    ledger_peer_up(to->ledger, step, link, &from->id, true);
    step_end(to, &ms);
}

static void handle(struct world *world, struct event *event) {
    struct machine *machine = &world->machines[event->to];
    struct machine_step ms;
    if (!machine->up || event->life != machine->life) {
        event_free(event);
        return;
    }
    if (event->opens || event->syncs) {
        if (event->opens)
            link_open(world, machine, &world->machines[event->from]);
        else
            sync_ends(machine);
        event_free(event);
        return;
    }
    struct step *step = step_begin(machine, &ms);
    if (event->job != NULL)
        ledger_job_done(machine->ledger, step, event->job);
    else if (event->closes)
        ledger_peer_down(machine->ledger, step, event->link);
    else
        ledger_frame(machine->ledger, step, event->link, event->kind, buf_span(&event->body));
    event->job = NULL;
    step_end_or_die(machine, &ms, true);
    event_free(event);
    if (machine->dying)
        machine_dies(machine);
}

static uint64_t next_ms(const struct world *world) {
    uint64_t next = heap_next_ms(&world->events);
    for (size_t i = 0; i < world->count; i++)
        if (world->machines[i].up && ledger_next_ms(world->machines[i].ledger) < next)
            next = ledger_next_ms(world->machines[i].ledger);
    return next;
}

static void tick_due(struct world *world) {
    for (size_t i = 0; i < world->count; i++) {
        struct machine *machine = &world->machines[i];
        if (!machine->up || ledger_next_ms(machine->ledger) > world->now.mono_ms)
            continue;
        struct machine_step ms;
        struct step *step = step_begin(machine, &ms);
        ledger_tick(machine->ledger, step);
        step_end_or_die(machine, &ms, true);
        if (machine->dying)
            machine_dies(machine);
    }
}

static void run_to(struct world *world, uint64_t at_ms) {
    struct event *event;
    if (at_ms > world->now.mono_ms) {
        world->now.wall_ms += at_ms - world->now.mono_ms;
        world->now.mono_ms = at_ms;
    }
    while ((event = heap_pop_due(&world->events, world->now.mono_ms)) != NULL)
        handle(world, event);
    tick_due(world);
}

void run_for(struct world *world, uint64_t ms) {
    uint64_t end_ms = world->now.mono_ms + ms;
    while (next_ms(world) <= end_ms)
        run_to(world, next_ms(world));
    run_to(world, end_ms);
}

uint64_t height_of(const struct machine *machine) {
    struct ledger_request request = {.id = 1, .op = LEDGER_CHAIN};
    return ask((struct machine *)(uintptr_t)machine, &request)->chain.height;
}

bool run_until_height(struct world *world, uint64_t height, uint64_t ms) {
    uint64_t end_ms = world->now.mono_ms + ms;
    for (;;) {
        bool all = true;
        for (size_t i = 0; i < world->count; i++)
            all = all && (!world->machines[i].up || height_of(&world->machines[i]) >= height);
        if (all || world->now.mono_ms >= end_ms)
            return all;
        uint64_t next = next_ms(world);
        run_to(world, next < end_ms ? next : end_ms);
    }
}

const struct ledger_answer *ask(struct machine *machine, struct ledger_request *request) {
    struct machine_step ms;
    struct step *step = step_begin(machine, &ms);
    ledger_ask(machine->ledger, step, request);
    step_end(machine, &ms);
    return &machine->last_answer;
}

enum mempool_verdict submit(struct machine *machine, struct tx *tx, const struct sign_secret *sender,
                            struct tx_id *id) {
    uint8_t bytes[TX_BYTES_MAX];
    tx->network = machine->world->genesis.network;
    tx->fee = FEE;
    tx_sign(tx, sender);
    struct ledger_request request = {.id = 2, .op = LEDGER_SUBMIT, .tx = span_of(bytes, tx_encode(bytes, tx))};
    const struct ledger_answer *answer = ask(machine, &request);
    assert_true(answer->err == OK || answer->err == ERR_REFUSED);
    *id = answer->tx.id;
    return answer->verdict;
}

uint64_t nonce_of(struct machine *machine, const struct account_id *account) {
    struct ledger_request request = {.id = 9, .op = LEDGER_ACCOUNT};
    memcpy(request.key, account->bytes, 32);
    return ask(machine, &request)->account.next_nonce;
}

struct tx_id submit_transfer(struct machine *machine, uint64_t nonce, uint64_t amount) {
    struct world *world = machine->world;
    struct tx tx = {.kind = TX_TRANSFER, .nonce = nonce};
    struct tx_id id;
    tx.sender = world->genesis.ledger.accounts[0].id;
    tx.transfer.to.bytes[0] = 7;
    tx.transfer.amount = amount;
    assert_int_equal(submit(machine, &tx, &world->operator, & id), MEMPOOL_TAKEN);
    return id;
}

enum tx_status status_of(struct machine *machine, const struct tx_id *id) {
    struct ledger_request request = {.id = 3, .op = LEDGER_TX, .tx_id = *id};
    return ask(machine, &request)->tx.status;
}

bool validates(const struct machine *at, const struct machine *machine) {
    struct sign_secret secret;
    struct sign_public key;
    sign_key_from_seed(&secret, &key, machine->validator_seed);
    return validator_set_find(&at->ledger->set, &key) >= 0;
}

// ---- strangers

struct stranger *stranger_join(struct machine *machine) {
    struct relay_id id;
    rng_bytes(&machine->world->rng, id.bytes, 32);
    return stranger_join_as(machine, &id, true);
}

struct stranger *stranger_join_as(struct machine *machine, const struct relay_id *id, bool inbound) {
    struct world *world = machine->world;
    struct machine_step ms;
    ASSERT(world->stranger_count < STRANGERS_MAX && machine->up);
    struct stranger *stranger = &world->strangers[world->stranger_count++];
    *stranger = (struct stranger){.at = machine, .link = world->next_link++, .id = *id};
    struct step *step = step_begin(machine, &ms);
    ledger_peer_up(machine->ledger, step, stranger->link, &stranger->id, inbound);
    step_end(machine, &ms);
    return stranger;
}

void stranger_say(struct stranger *stranger, uint8_t kind, struct span body) {
    struct machine *machine = stranger->at;
    struct machine_step ms;
    if (stranger->closed)
        return;
    struct step *step = step_begin(machine, &ms);
    ledger_frame(machine->ledger, step, stranger->link, kind, body);
    step_end(machine, &ms);
}

void stranger_prove(struct stranger *stranger, const struct machine *as) {
    const struct span parts[] = {SPAN_OF(as->world->genesis.network.bytes), SPAN_OF(stranger->id.bytes),
                                 SPAN_OF(stranger->at->id.bytes)};
    struct sign_secret secret;
    struct member member;
    uint8_t body[MEMBER_BYTES];
    sign_key_from_seed(&secret, &member.key, as->validator_seed);
    sign_parts(&member.signature, &secret, MEMBER_DOMAIN, parts, 3);
    stranger_say(stranger, FRAME_MEMBER, span_of(body, member_encode(body, &member)));
}

void assert_chains_agree(struct world *world) {
    for (size_t i = 0; i < world->count; i++) {
        struct machine *a = &world->machines[i], *b = &world->machines[(i + 1) % world->count];
        if (!a->up || !b->up)
            continue;
        uint64_t low = height_of(a) < height_of(b) ? height_of(a) : height_of(b);
        for (uint64_t height = 1; height <= low; height++) {
            struct ledger_request request = {.id = 4, .op = LEDGER_BLOCK, .by_height = true, .height = height};
            struct block_id id = ask(a, &request)->block_id;
            assert_memory_equal(ask(b, &request)->block_id.bytes, id.bytes, 32);
        }
    }
}
