// One validator's machine: it does what the core's outputs say, as the node's driver does, and may die before and after
// each write and each sync of its log.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "ledger/consensus/record.h"
#include "world.h"

// ---- blocks: kind 1 | height 8 | who disputes it 1 | ... ----

struct block_id block_make(struct world *world, uint64_t height, enum block_kind kind) {
    struct block_id id;
    rng_bytes(&world->rng, id.bytes, sizeof id.bytes);
    id.bytes[0] = (uint8_t)kind;
    store_u64(id.bytes + 1, height);
    return id;
}

static bool block_is_valid(const struct world *world, const struct machine *machine, const struct event *event) {
    const uint8_t *bytes = event->value.bytes;
    bool is_disputed = bytes[0] == BLOCK_DISPUTED && ((bytes[9] >> machine->index) & 1) == 1;
    return bytes[0] != BLOCK_INVALID && (!is_disputed || event->is_decided || world->healed);
}

static uint64_t block_height(const struct block_id *id) {
    return load_u64(id->bytes + 1);
}

bool machine_has_block(const struct machine *machine, const struct block_id *id) {
    for (size_t i = 0; i < machine->block_count; i++) {
        if (block_id_equal(&machine->blocks[i].id, id))
            return true;
    }
    return false;
}

static void keep_block(struct machine *machine, const struct block_id *id) {
    if (!machine_has_block(machine, id) && machine->block_count < BLOCKS_MAX)
        machine->blocks[machine->block_count++] = (struct block){.id = *id};
}

static void drop_blocks(struct machine *machine, bool (*stays)(const struct machine *, const struct block *)) {
    size_t kept = 0;
    for (size_t i = 0; i < machine->block_count; i++) {
        if (stays(machine, &machine->blocks[i]))
            machine->blocks[kept++] = machine->blocks[i];
    }
    machine->block_count = kept;
}

static bool is_durable(const struct machine *machine, const struct block *block) {
    (void)machine;
    return block->durable;
}

static bool is_undecided(const struct machine *machine, const struct block *block) {
    return block_height(&block->id) > machine->chain_height;
}

// ---- the log ----

static void record_free(struct record *record) {
    buf_free(&record->bytes);
}

static void log_cut(struct machine *machine, size_t count) {
    while (machine->record_count > count)
        record_free(&machine->records[--machine->record_count]);
    machine->synced_count = machine->synced_count < count ? machine->synced_count : count;
}

static struct record *log_append(struct machine *machine, enum record_kind kind) {
    if (machine->record_count == machine->record_capacity) {
        size_t capacity = 2 * machine->record_capacity + 64;
        struct record *records = NEW_ARRAY(struct record, capacity);
        if (machine->record_count > 0)
            memcpy(records, machine->records, machine->record_count * sizeof *records);
        free(machine->records);
        machine->records = records;
        machine->record_capacity = capacity;
    }
    struct record *record = &machine->records[machine->record_count++];
    *record = (struct record){.kind = kind};
    return record;
}

// Holds nothing but the signer's memory, durably, at once.
static void log_reset(struct machine *machine) {
    log_cut(machine, 0);
    log_append(machine, RECORD_SIGNED)->slot = machine->last_signed;
    machine->synced_count = machine->record_count;
}

static void log_sync(struct machine *machine) {
    machine->synced_count = machine->record_count;
    for (size_t i = 0; i < machine->block_count; i++)
        machine->blocks[i].durable = true;
}

// ---- dying ----

void machine_kill(struct world *world, struct machine *machine, bool power_loss, uint64_t down_ms) {
    say(world, machine->index, power_loss ? "power loss" : "killed", machine->record_count, machine->synced_count);
    if (power_loss) {
        // Any beginning of what was not synced may have got there; the record where it ends is torn and dropped.
        size_t unsynced = machine->record_count - machine->synced_count;
        log_cut(machine, machine->synced_count + (size_t)rng_below(&world->rng, unsynced + 1));
        drop_blocks(machine, is_durable);
    }
    bft_free(machine->core);
    witness_free(machine->witness);
    machine->core = NULL;
    machine->witness = NULL;
    machine->up = false;
    machine->life++;
    machine->deaths++;
    check_forget(world, machine);
    schedule(world, 1 + down_ms, &(struct event){.kind = EVENT_RESTART, .machine = machine->index});
}

// A place where the machine may die. True: it did.
static bool dies_here(struct world *world, struct machine *machine) {
    world->points++;
    bool is_planned = world->points == world->config.crash_at_point;
    bool is_drawn = !world->healed && rng_below(&world->rng, 10000) < world->config.crash_per_10000;
    if (is_planned || is_drawn)
        machine_kill(world, machine, percent(world, 70), rng_below(&world->rng, 500));
    return is_planned || is_drawn;
}

// ---- the signer ----

static int slot_compare(const struct signed_slot *a, const struct signed_slot *b) {
    if (a->height != b->height)
        return a->height < b->height ? -1 : 1;
    if (a->round != b->round)
        return a->round < b->round ? -1 : 1;
    return a->step < b->step ? -1 : a->step > b->step ? 1 : 0;
}

static bool signer_allows(struct machine *machine, const struct signed_slot *slot) {
    int order = slot_compare(slot, &machine->last_signed);
    return order > 0 || (order == 0 && block_id_equal(&slot->value, &machine->last_signed.value));
}

struct signature signature_of(const struct vote *vote) {
    struct signature signature = {{0}};
    memcpy(signature.bytes, vote->value.bytes, 32);
    store_u64(signature.bytes + 32, vote->height);
    store_u32(signature.bytes + 40, vote->round);
    signature.bytes[44] = (uint8_t)vote->type;
    signature.bytes[45] = vote->validator.bytes[0];
    return signature;
}

// ---- outputs ----

static void hold(struct machine *machine, struct message *message) {
    if (machine->held_count == machine->held_capacity) {
        size_t capacity = 2 * machine->held_capacity + 16;
        struct message **held = NEW_ARRAY(struct message *, capacity);
        if (machine->held_count > 0)
            memcpy(held, machine->held, machine->held_count * sizeof(struct message *));
        free(machine->held);
        machine->held = held;
        machine->held_capacity = capacity;
    }
    machine->held[machine->held_count++] = message;
}

static void drop_held(struct machine *machine) {
    for (size_t i = 0; i < machine->held_count; i++)
        message_free(machine->held[i]);
    machine->held_count = 0;
}

static uint64_t local_ms(const struct world *world, const struct machine *machine) {
    return 1000000 + world->now_ms * machine->clock_permille / 1000;
}

static void follow_round(struct machine *machine) {
    struct bft_view view;
    bft_look(machine->core, &view);
    witness_enter(machine->witness, view.round);
}

static void give_own(struct world *world, struct machine *machine, const struct bft_input *input) {
    witness_take(machine->witness, input);
    bft_step(machine->core, input, local_ms(world, machine), &machine->outputs);
    follow_round(machine);
}

static void give(struct world *world, struct machine *machine, const struct bft_input *input) {
    if (input->kind == BFT_INPUT_VOTE)
        check_given(world, machine, &input->vote);
    give_own(world, machine, input);
}

// True: died.
static bool sign(struct world *world, struct machine *machine, const struct signed_slot *slot,
                 const struct bft_input *input) {
    if (!signer_allows(machine, slot))
        return false;
    machine->last_signed = *slot;
    log_append(machine, RECORD_SIGNED)->slot = *slot;
    if (dies_here(world, machine))
        return true;
    give_own(world, machine, input);
    return false;
}

static bool sign_vote(struct world *world, struct machine *machine, const struct vote *vote) {
    struct bft_input input = {.kind = BFT_INPUT_VOTE, .from = machine->index, .vote = *vote};
    struct signed_slot slot = {vote->height, vote->round, vote->type == VOTE_PREVOTE ? 2 : 3, vote->value};
    input.vote.signature = signature_of(vote);
    if (signer_allows(machine, &slot))
        check_signed(world, machine, &input.vote);
    return sign(world, machine, &slot, &input);
}

static bool sign_proposal(struct world *world, struct machine *machine, const struct bft_output *output) {
    const struct proposal *proposal = &output->proposal.proposal;
    struct bft_input input = {.kind = BFT_INPUT_PROPOSAL, .proposal = {*proposal, output->proposal.prevotes}};
    struct signed_slot slot = {proposal->height, proposal->round, 1, proposal->value};
    return sign(world, machine, &slot, &input);
}

static void start_timer(struct world *world, struct machine *machine, const struct bft_output *output) {
    uint64_t now_ms = local_ms(world, machine);
    uint64_t wait_ms = output->timer.at_ms > now_ms ? output->timer.at_ms - now_ms : 0;
    uint64_t *sequence = &machine->timer_sequences[output->timer.timer.kind];
    schedule(world, wait_ms * 1000 / machine->clock_permille + 1,
             &(struct event){.kind = EVENT_TIMER,
                             .machine = machine->index,
                             .life = machine->life,
                             .sequence = ++*sequence,
                             .timer = output->timer.timer});
}

static void ask_block(struct world *world, struct machine *machine, const struct block_id *id) {
    struct message *message = message_new(MESSAGE_ASK_BLOCK, machine->index);
    message->value = *id;
    send_to(world, message, other_machine(world, machine->index));
    message_free(message);
}

// A power loss may leave the record that the block is valid, and not the block: it is fetched.
static void decide_when_block_is_there(struct world *world, struct machine *machine,
                                       const struct certificate *certificate) {
    struct message *decision = message_new(MESSAGE_DECISION, machine->index);
    decision->certificate = mem_copy(span_of(certificate, sizeof *certificate));
    ask_block(world, machine, &certificate->value);
    schedule(
        world, 30,
        &(struct event){.kind = EVENT_DECIDE, .machine = machine->index, .life = machine->life, .message = decision});
}

// True: died.
static bool decide(struct world *world, struct machine *machine, const struct certificate *certificate) {
    if (!machine_has_block(machine, &certificate->value)) {
        decide_when_block_is_there(world, machine, certificate);
        return false;
    }
    check_decision(world, machine, certificate);
    if (world->failure != NULL || dies_here(world, machine))
        return true;
    if (certificate->height > machine->chain_height) {
        ASSERT(certificate->height < HEIGHTS_MAX);
        machine->chain[certificate->height] = mem_copy(span_of(certificate, sizeof *certificate));
        machine->chain_height = certificate->height;
        check_stored(world, machine, certificate);
        if (percent(world, world->config.silence_percent))
            silence(world, machine->index, 100 + rng_below(&world->rng, 2000));
        say(world, machine->index, "decided height, round", certificate->height, certificate->round);
    }
    if (dies_here(world, machine))
        return true;
    schedule(
        world, rng_below(&world->rng, 10),
        &(struct event){
            .kind = EVENT_START, .machine = machine->index, .life = machine->life, .height = certificate->height + 1});
    return false;
}

static void ask_decision(struct world *world, struct machine *machine) {
    struct message *message = message_new(MESSAGE_ASK_DECISION, machine->index);
    message->height = machine_height(machine);
    send_to(world, message, other_machine(world, machine->index));
    message_free(message);
}

static void send_decision(struct world *world, struct machine *machine, size_t to, uint64_t height) {
    if (height > machine->chain_height || machine->chain[height] == NULL)
        return;
    struct message *message = message_new(MESSAGE_DECISION, machine->index);
    message->certificate = mem_copy(span_of(machine->chain[height], sizeof *machine->chain[height]));
    message->has_block = true;
    send_to(world, message, to);
    message_free(message);
}

static void hold_proposal(struct machine *machine, const struct bft_output *output) {
    struct message *message = message_new(MESSAGE_PROPOSAL, machine->index);
    message->proposal = output->proposal.proposal;
    if (output->proposal.prevotes != NULL)
        message->certificate = mem_copy(span_of(output->proposal.prevotes, sizeof *output->proposal.prevotes));
    message->has_block = machine_has_block(machine, &message->proposal.value);
    hold(machine, message);
}

static void hold_vote(struct machine *machine, const struct vote *vote) {
    struct message *message = message_new(MESSAGE_VOTE, machine->index);
    message->vote = *vote;
    hold(machine, message);
}

static void schedule_work(struct world *world, struct machine *machine, enum event_kind kind,
                          const struct bft_output *output) {
    struct event event = {.kind = kind, .machine = machine->index, .life = machine->life};
    if (kind == EVENT_VALIDATE) {
        event.value = output->validate.value;
        event.height = output->validate.height;
        event.is_decided = output->validate.decided;
    } else {
        event.height = output->build.height;
        event.round = output->build.round;
    }
    schedule(world, rng_below(&world->rng, 8), &event);
}

// True: died.
static bool log_input(struct world *world, struct machine *machine, struct span bytes) {
    if (dies_here(world, machine))
        return true;
    buf_append(&log_append(machine, RECORD_INPUT)->bytes, bytes);
    return dies_here(world, machine);
}

// True: died.
static bool do_output(struct world *world, struct machine *machine, const struct bft_output *output) {
    switch (output->kind) {
    case BFT_OUTPUT_LOG:
        return log_input(world, machine, output->log.record);
    case BFT_OUTPUT_LOG_SYNC:
        machine->sync_wanted = true;
        return false;
    case BFT_OUTPUT_SIGN_VOTE:
        return sign_vote(world, machine, &output->vote);
    case BFT_OUTPUT_SIGN_PROPOSAL:
        return sign_proposal(world, machine, output);
    case BFT_OUTPUT_BROADCAST_VOTE:
        hold_vote(machine, &output->vote);
        return false;
    case BFT_OUTPUT_BROADCAST_PROPOSAL:
        hold_proposal(machine, output);
        return false;
    case BFT_OUTPUT_SET_TIMER:
        start_timer(world, machine, output);
        return false;
    case BFT_OUTPUT_BUILD_VALUE:
        schedule_work(world, machine, EVENT_BUILT, output);
        return false;
    case BFT_OUTPUT_VALIDATE:
        schedule_work(world, machine, EVENT_VALIDATE, output);
        return false;
    case BFT_OUTPUT_DECIDE:
        return decide(world, machine, output->decision);
    case BFT_OUTPUT_EVIDENCE:
        check_evidence(world, machine, &output->evidence);
        return false;
    case BFT_OUTPUT_REQUEST_SYNC:
        ask_decision(world, machine);
        return false;
    case BFT_OUTPUT_SEND_DECISION:
        send_decision(world, machine, (size_t)output->send.to, output->send.height);
        return false;
    }
    ASSERT(false);
    return false;
}

// True: died.
static bool sync_if_wanted(struct world *world, struct machine *machine) {
    if (!machine->sync_wanted)
        return false;
    if (dies_here(world, machine))
        return true;
    log_sync(machine);
    return dies_here(world, machine);
}

static bool do_outputs(struct world *world, struct machine *machine) {
    for (size_t i = 0; i < machine->outputs.count; i++) {
        struct bft_output output = machine->outputs.items[i];
        if (do_output(world, machine, &output))
            return true;
    }
    return sync_if_wanted(world, machine);
}

static void release(struct world *world, struct machine *machine) {
    for (size_t i = 0; i < machine->held_count; i++) {
        check_sent(world, machine, machine->held[i]);
        send_to_all(world, machine->held[i]);
    }
}

// Does what the core has put out; own signatures go back in within the same step; one sync for all.
static void finish_step(struct world *world, struct machine *machine) {
    machine->sync_wanted = false;
    if (!do_outputs(world, machine) && world->failure == NULL) {
        release(world, machine);
        check_step(world, machine);
    }
    drop_held(machine);
    bft_outputs_clear(&machine->outputs);
}

static void step(struct world *world, struct machine *machine, const struct bft_input *input) {
    world->steps++;
    give(world, machine, input);
    finish_step(world, machine);
}

// ---- who said what ----

static void tell(struct world *world, struct machine *machine, uint64_t first, uint64_t last) {
    struct message *message = message_new(MESSAGE_HEARD, machine->index);
    message->heard = NEW(struct heard);
    while (witness_tell(machine->witness, message->heard, first, last))
        send_to_all(world, message);
    message_free(message);
}

void machine_recall(struct world *world, struct machine *machine) {
    struct message *message = message_new(MESSAGE_HEARD, machine->index);
    size_t cursor = 0;
    message->heard = NEW(struct heard);
    while (witness_recall(machine->witness, message->heard, &cursor))
        send_to_all(world, message);
    message_free(message);
}

static void on_heard(struct world *world, struct machine *machine, const struct message *message) {
    struct message *answer = message_new(MESSAGE_STATEMENT, machine->index);
    size_t cursor = 0;
    while (witness_contradict(machine->witness, &answer->statement, &cursor, message->heard))
        send_to(world, answer, message->from);
    message_free(answer);
}

static void on_statement(struct world *world, struct machine *machine, const struct message *message) {
    if (!witness_is_contradicted(machine->witness, &message->statement) ||
        !statement_is_genuine(world, &message->statement))
        return;
    witness_take_statement(machine->witness, &message->statement);
    check_step(world, machine);
}

// ---- starting ----

uint64_t machine_height(const struct machine *machine) {
    struct bft_view view;
    bft_look(machine->core, &view);
    return view.height;
}

static void start_height(struct world *world, struct machine *machine, uint64_t height) {
    drop_blocks(machine, is_undecided);
    log_reset(machine);
    check_forget(world, machine);
    schedule(world, rng_below(&world->rng, 120),
             &(struct event){.kind = EVENT_DUE, .machine = machine->index, .life = machine->life, .height = height});
    step(world, machine,
         &(struct bft_input){.kind = BFT_INPUT_START,
                             .start = {height, set_at(world, height), set_at(world, height + 1)}});
    if (machine->up)
        tell(world, machine, height - 2, height - 2);
}

// The signer's memory comes back with the log, or not at all.
static void recover_signer(struct machine *machine) {
    machine->last_signed = (struct signed_slot){0};
    for (size_t i = 0; i < machine->record_count; i++) {
        if (machine->records[i].kind == RECORD_SIGNED)
            machine->last_signed = machine->records[i].slot;
    }
}

static void replay(struct world *world, struct machine *machine) {
    struct bft_record *decoded = NEW(struct bft_record);
    for (size_t i = 0; i < machine->record_count; i++) {
        const struct record *record = &machine->records[i];
        if (record->kind != RECORD_INPUT)
            continue;
        if (bft_replay(machine->core, buf_span(&record->bytes), &machine->outputs) != OK ||
            bft_record_decode(decoded, buf_span(&record->bytes)) != OK)
            violated(world, machine->index, 0, "a record of the log was refused (6)");
        witness_take(machine->witness, &decoded->input);
        follow_round(machine);
    }
    free(decoded);
}

void machine_boot(struct world *world, struct machine *machine) {
    const struct bft_params params = {100, 50, 50, 25, 100};
    struct sign_public key = key_of(machine->validator);
    machine->up = true;
    machine->core = bft_new(&key, &params);
    machine->witness = witness_new();
    machine->evidence_count = 0;
    recover_signer(machine);
    replay(world, machine);
    struct bft_view view;
    bft_look(machine->core, &view);
    if (view.height <= machine->chain_height) { // died between the block and the end of its height, or is new
        bft_outputs_clear(&machine->outputs);
        start_height(world, machine, machine->chain_height + 1);
        return;
    }
    bft_resume(machine->core, local_ms(world, machine), &machine->outputs);
    schedule(
        world, rng_below(&world->rng, 120),
        &(struct event){.kind = EVENT_DUE, .machine = machine->index, .life = machine->life, .height = view.height});
    finish_step(world, machine);
}

void machine_free(struct machine *machine) {
    drop_held(machine);
    free(machine->held);
    bft_outputs_free(&machine->outputs);
    bft_free(machine->core);
    witness_free(machine->witness);
    log_cut(machine, 0);
    free(machine->records);
    for (size_t i = 0; i < HEIGHTS_MAX; i++)
        free(machine->chain[i]);
}

// ---- events ----

static void on_proposal(struct world *world, struct machine *machine, const struct message *message) {
    if (message->has_block)
        keep_block(machine, &message->proposal.value);
    step(world, machine,
         &(struct bft_input){
             .kind = BFT_INPUT_PROPOSAL, .from = message->from, .proposal = {message->proposal, message->certificate}});
}

static void on_decision(struct world *world, struct machine *machine, const struct message *message) {
    if (!certificate_is_genuine(world, machine, message->certificate))
        return;
    if (message->has_block && message->certificate->height > machine->chain_height)
        keep_block(machine, &message->certificate->value);
    step(
        world, machine,
        &(struct bft_input){.kind = BFT_INPUT_CERTIFICATE, .from = message->from, .certificate = message->certificate});
}

static void on_ask_block(struct world *world, struct machine *machine, const struct message *message) {
    bool has = machine_has_block(machine, &message->value);
    uint64_t height = block_height(&message->value);
    if (height <= machine->chain_height && machine->chain[height] != NULL)
        has = block_id_equal(&machine->chain[height]->value, &message->value);
    if (!has)
        return;
    struct message *answer = message_new(MESSAGE_BLOCK, machine->index);
    answer->value = message->value;
    send_to(world, answer, message->from);
    message_free(answer);
}

static void on_message(struct world *world, struct machine *machine, const struct message *message) {
    switch (message->kind) {
    case MESSAGE_PROPOSAL:
        on_proposal(world, machine, message);
        return;
    case MESSAGE_VOTE:
        step(world, machine, &(struct bft_input){.kind = BFT_INPUT_VOTE, .from = message->from, .vote = message->vote});
        return;
    case MESSAGE_ASK_DECISION:
        send_decision(world, machine, message->from, message->height);
        return;
    case MESSAGE_DECISION:
        on_decision(world, machine, message);
        return;
    case MESSAGE_ASK_BLOCK:
        on_ask_block(world, machine, message);
        return;
    case MESSAGE_BLOCK:
        if (block_height(&message->value) > machine->chain_height)
            keep_block(machine, &message->value);
        return;
    case MESSAGE_HEARD:
        on_heard(world, machine, message);
        return;
    case MESSAGE_STATEMENT:
        on_statement(world, machine, message);
        return;
    }
}

static void on_timer(struct world *world, struct machine *machine, const struct bft_timer *timer) {
    step(world, machine, &(struct bft_input){.kind = BFT_INPUT_TIMEOUT, .timeout = *timer});
    if (timer->kind == BFT_TIMER_REBROADCAST && machine->up)
        tell(world, machine, 1, UINT64_MAX);
}

// A block that is not there is asked for until its height is over.
static void on_validate(struct world *world, struct machine *machine, const struct event *event) {
    if (event->height != machine_height(machine))
        return;
    if (machine_has_block(machine, &event->value)) {
        step(world, machine,
             &(struct bft_input){.kind = BFT_INPUT_BLOCK_VALIDITY,
                                 .validity = {event->value, block_is_valid(world, machine, event)}});
        return;
    }
    ask_block(world, machine, &event->value);
    schedule(world, 30, event);
}

static void on_built(struct world *world, struct machine *machine, const struct event *event) {
    bool is_disputed = !world->healed && percent(world, world->config.disputed_percent);
    struct block_id id = block_make(world, event->height, is_disputed ? BLOCK_DISPUTED : BLOCK_VALID);
    keep_block(machine, &id);
    step(world, machine,
         &(struct bft_input){.kind = BFT_INPUT_BUILT_VALUE, .built = {event->height, event->round, id}});
}

void machine_event(struct world *world, struct machine *machine, const struct event *event) {
    if (event->kind == EVENT_RESTART) {
        if (!machine->up)
            machine_boot(world, machine);
        return;
    }
    if (!machine->up || (event->kind != EVENT_MESSAGE && event->life != machine->life))
        return;
    if (event->kind == EVENT_MESSAGE)
        on_message(world, machine, event->message);
    else if (event->kind == EVENT_TIMER && event->sequence == machine->timer_sequences[event->timer.kind])
        on_timer(world, machine, &event->timer);
    else if (event->kind == EVENT_START && event->height == machine_height(machine) + 1)
        start_height(world, machine, event->height);
    else if (event->kind == EVENT_DUE)
        step(world, machine, &(struct bft_input){.kind = BFT_INPUT_BLOCK_DUE, .height = event->height});
    else if (event->kind == EVENT_BUILT)
        on_built(world, machine, event);
    else if (event->kind == EVENT_VALIDATE)
        on_validate(world, machine, event);
    else if (event->kind == EVENT_DECIDE && event->message->certificate->height == machine_height(machine))
        (void)decide(world, machine, event->message->certificate);
}
