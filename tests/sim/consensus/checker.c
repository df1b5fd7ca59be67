// What must always hold, whatever goes wrong:
//
//   1  no two correct machines decide differently
//   2  a decision comes with the votes of over two thirds of its height's power, all really signed
//   3  no correct machine says two things for one slot, across its deaths
//   4  a lock only rises; a precommit for a value follows a quorum of prevotes for it
//   6  the log gives back the state
//   7  heights have no gaps
//   10 two votes for one slot that one machine takes are evidence, and so are two that correct machines hold together
//      when things heal; an honest validator is never accused
//   11 after healing all decide again, within some rounds (run.c)
//   12 what is kept is bounded
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "world.h"

#define ROUNDS_BEHIND 8 // of the core's window of rounds
#define ROUNDS_AHEAD 7
#define ROUNDS_KEPT 16
#define AHEAD_MAX 7
#define REPLAY_EVERY 64 // steps

struct said {
    size_t machine;
    size_t validator;
    uint32_t type; // of a vote; 0: a proposal
    uint32_t round;
    uint32_t valid_round;
    struct block_id value;
    bool released;
};

struct said_list {
    struct said *items;
    size_t count;
    size_t capacity;
};

// What one machine has been given, locked on, and found.
struct watch {
    struct said_list given; // votes of this height that it must have taken
    bool must_accuse[MACHINES_MAX];
    bool accused[MACHINES_MAX];
    uint64_t height;
    int64_t locked_round;      // in this life
    uint64_t precommit_height; // of the last precommit for a value that left
    int64_t precommit_round;
};

struct checker {
    struct said_list said[HEIGHTS_MAX];
    bool decided[HEIGHTS_MAX];
    struct block_id decisions[HEIGHTS_MAX];
    struct watch watches[MACHINES_MAX];
    bool accused[HEIGHTS_MAX][MACHINES_MAX];       // by a correct machine, at any time
    bool must_be_found[HEIGHTS_MAX][MACHINES_MAX]; // correct machines together held two messages for one slot
};

struct checker *checker_new(void) {
    struct checker *checker = NEW(struct checker);
    for (size_t i = 0; i < MACHINES_MAX; i++)
        checker->watches[i].locked_round = -1;
    return checker;
}

void checker_free(struct checker *checker) {
    for (size_t i = 0; i < HEIGHTS_MAX; i++)
        free(checker->said[i].items);
    for (size_t i = 0; i < MACHINES_MAX; i++)
        free(checker->watches[i].given.items);
    free(checker);
}

void violated(struct world *world, size_t machine, uint64_t height, const char *what) {
    if (world->failure != NULL)
        return;
    world->failure = what;
    world->failed_machine = machine;
    world->failed_height = height;
    say(world, machine, what, height, 0);
}

// ---- lists ----

static void append(struct said_list *list, const struct said *said) {
    if (list->count == list->capacity) {
        list->capacity = 2 * list->capacity + 32;
        struct said *items = NEW_ARRAY(struct said, list->capacity);
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        free(list->items);
        list->items = items;
    }
    list->items[list->count++] = *said;
}

static struct said said_of_vote(size_t machine, const struct vote *vote) {
    return (struct said){.machine = machine,
                         .validator = vote->validator.bytes[0] - 1U,
                         .type = (uint32_t)vote->type,
                         .round = vote->round,
                         .value = vote->value};
}

static struct said said_of_proposal(size_t machine, const struct proposal *proposal) {
    return (struct said){.machine = machine,
                         .validator = proposal->proposer.bytes[0] - 1U,
                         .round = proposal->round,
                         .valid_round = proposal->valid_round,
                         .value = proposal->value};
}

static bool same_slot(const struct said *a, const struct said *b) {
    return a->validator == b->validator && a->type == b->type && a->round == b->round;
}

static bool same_content(const struct said *a, const struct said *b) {
    return a->valid_round == b->valid_round && block_id_equal(&a->value, &b->value);
}

static struct said_list *list_at(const struct world *world, uint64_t height) {
    return height < HEIGHTS_MAX ? &world->checker->said[height] : NULL;
}

void check_signed(struct world *world, const struct machine *machine, const struct vote *vote) {
    struct said_list *list = list_at(world, vote->height);
    struct said said = said_of_vote(machine->index, vote);
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        struct said *other = &list->items[i];
        if (other->machine == said.machine && same_slot(other, &said) && same_content(other, &said))
            return;
    }
    said.released = !machine->is_correct;
    append(list, &said);
}

struct block_id some_value(struct world *world, uint64_t height) {
    const struct said_list *list = list_at(world, height);
    if (list == NULL || list->count == 0)
        return (struct block_id){0};
    return list->items[rng_below(&world->rng, list->count)].value;
}

static bool was_said(const struct said_list *list, const struct said *wanted, size_t own) {
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        const struct said *said = &list->items[i];
        if (same_slot(said, wanted) && same_content(said, wanted) && (said->released || said->machine == own))
            return true;
    }
    return false;
}

bool statement_is_genuine(const struct world *world, const struct statement *statement) {
    bool is_vote = statement->kind == EVIDENCE_VOTES;
    struct said said =
        is_vote ? said_of_vote(NOBODY, &statement->vote) : said_of_proposal(NOBODY, &statement->proposal);
    return was_said(list_at(world, is_vote ? statement->vote.height : statement->proposal.height), &said, NOBODY);
}

bool certificate_fill(const struct world *world, struct certificate *out, size_t own) {
    const struct validator_set *set = set_at(world, out->height);
    uint64_t power = 0;
    out->count = 0;
    for (size_t v = 0; v < set->count; v++) {
        struct vote vote = {.type = out->type,
                            .height = out->height,
                            .round = out->round,
                            .value = out->value,
                            .validator = set->validators[v].key};
        struct said wanted = said_of_vote(0, &vote);
        if (was_said(list_at(world, out->height), &wanted, own)) {
            out->votes[out->count++] = (struct certificate_vote){(uint16_t)v, signature_of(&vote)};
            power += set->validators[v].power;
        }
    }
    return power_is_quorum(power, set->total);
}

// ---- what is sent: 3 and 4 ----

static void check_slot(struct world *world, struct machine *machine, uint64_t height, const struct said *said) {
    struct said_list *list = list_at(world, height);
    ASSERT(list != NULL);
    for (size_t i = 0; i < list->count; i++) {
        struct said *other = &list->items[i];
        if (other->machine != machine->index || !same_slot(other, said))
            continue;
        if (same_content(other, said))
            other->released = true;
        else if (other->released)
            violated(world, machine->index, height, "said two things for one slot (3)");
    }
}

static void check_precommit(struct world *world, struct machine *machine, const struct vote *vote) {
    struct certificate prevotes = {
        .type = VOTE_PREVOTE, .height = vote->height, .round = vote->round, .value = vote->value};
    struct watch *watch = &world->checker->watches[machine->index];
    if (!certificate_fill(world, &prevotes, NOBODY))
        violated(world, machine->index, vote->height, "precommitted without a quorum of prevotes (4)");
    watch->precommit_height = vote->height;
    watch->precommit_round = vote->round;
}

void check_proposed(struct world *world, const struct machine *machine, const struct proposal *proposal) {
    struct said said = said_of_proposal(machine->index, proposal);
    said.released = !machine->is_correct;
    if (list_at(world, proposal->height) != NULL)
        append(list_at(world, proposal->height), &said);
}

void check_sent(struct world *world, struct machine *machine, const struct message *message) {
    if (message->kind == MESSAGE_PROPOSAL)
        check_proposed(world, machine, &message->proposal);
    if (!machine->is_correct)
        return;
    if (message->kind == MESSAGE_VOTE) {
        struct said said = said_of_vote(machine->index, &message->vote);
        check_slot(world, machine, message->vote.height, &said);
        if (message->vote.type == VOTE_PRECOMMIT && !block_id_is_nil(&message->vote.value))
            check_precommit(world, machine, &message->vote);
    } else if (message->kind == MESSAGE_PROPOSAL) {
        struct said said = said_of_proposal(machine->index, &message->proposal);
        check_slot(world, machine, message->proposal.height, &said);
    }
}

// ---- decisions: 1, 2 and 7 ----

bool certificate_is_genuine(const struct world *world, const struct machine *machine,
                            const struct certificate *certificate) {
    const struct validator_set *set = set_at(world, certificate->height);
    struct certificate signed_by = *certificate;
    if (!certificate_fill(world, &signed_by, machine->index))
        return false;
    uint64_t power = 0;
    size_t next = 0;
    for (size_t i = 0; i < certificate->count; i++) {
        const struct certificate_vote *vote = &certificate->votes[i];
        while (next < signed_by.count && signed_by.votes[next].validator < vote->validator)
            next++;
        if (next == signed_by.count || signed_by.votes[next].validator != vote->validator ||
            memcmp(vote->signature.bytes, signed_by.votes[next].signature.bytes, sizeof vote->signature.bytes) != 0)
            return false;
        power += set->validators[vote->validator].power;
        next++;
    }
    return certificate->type == VOTE_PRECOMMIT && power_is_quorum(power, set->total);
}

void check_decision(struct world *world, struct machine *machine, const struct certificate *certificate) {
    uint64_t height = certificate->height;
    struct checker *checker = world->checker;
    if (!machine->is_correct)
        return;
    if (height != machine_height(machine) || height > machine->chain_height + 1)
        violated(world, machine->index, height, "decided a height out of turn (7)");
    if (!certificate_is_genuine(world, machine, certificate))
        violated(world, machine->index, height, "decided without the votes for it (2)");
    if (certificate->value.bytes[0] == BLOCK_INVALID)
        violated(world, machine->index, height, "decided a block that is invalid (2)");
    if (checker->decided[height] && !block_id_equal(&checker->decisions[height], &certificate->value))
        violated(world, machine->index, height, "decided differently (1)");
    checker->decided[height] = true;
    checker->decisions[height] = certificate->value;
}

void check_stored(struct world *world, struct machine *machine, const struct certificate *certificate) {
    struct said_list *list = list_at(world, certificate->height);
    for (size_t i = 0; i < list->count; i++) {
        struct said *said = &list->items[i];
        if (said->machine == machine->index && said->type == VOTE_PRECOMMIT && said->round == certificate->round &&
            block_id_equal(&said->value, &certificate->value))
            said->released = true;
    }
}

// ---- evidence: 10 ----

static struct watch *watch_of(struct world *world, const struct machine *machine) {
    return &world->checker->watches[machine->index];
}

void check_evidence(struct world *world, struct machine *machine, const struct evidence *evidence) {
    size_t accused = evidence_accused(evidence)->bytes[0] - 1U;
    for (size_t i = 0; i < world->machine_count; i++) {
        if (world->machines[i].validator == accused && world->machines[i].is_correct && machine->is_correct)
            violated(world, machine->index, evidence_height(evidence), "an honest validator was accused (10)");
    }
    watch_of(world, machine)->accused[accused] = true;
    if (machine->is_correct && evidence_height(evidence) < HEIGHTS_MAX)
        world->checker->accused[evidence_height(evidence)][accused] = true;
}

static void check_witness(struct world *world, struct machine *machine) {
    struct evidence evidence;
    size_t cursor = 0;
    if (witness_evidence_count(machine->witness) == machine->evidence_count)
        return;
    machine->evidence_count = witness_evidence_count(machine->witness);
    while (witness_evidence(machine->witness, &evidence, &cursor, UINT64_MAX))
        check_evidence(world, machine, &evidence);
}

// As if each had said so itself.
static void append_heard(struct world *world, struct said_list lists[static HEIGHTS_MAX], const struct heard *heard) {
    const struct validator_set *set = set_at(world, heard->height);
    for (size_t v = 0; v < heard->validators && heard->height < HEIGHTS_MAX; v++) {
        for (size_t i = 0; i < 2 * heard->value_count; i++) {
            const struct heard_value *value = &heard->values[i / 2];
            struct said said = {.validator = set->validators[v].key.bytes[0] - 1U,
                                .type = i % 2 == 0 ? VOTE_PREVOTE : VOTE_PRECOMMIT,
                                .round = heard->round,
                                .value = value->value};
            if (heard_bit(i % 2 == 0 ? value->prevotes : value->precommits, v))
                append(&lists[heard->height], &said);
        }
    }
    struct said proposed = {
        .validator = set->validators[validators_proposer(set, heard->height, heard->round)].key.bytes[0] - 1U,
        .round = heard->round,
        .valid_round = heard->valid_round,
        .value = heard->proposed};
    if (heard->has_proposal && heard->height < HEIGHTS_MAX)
        append(&lists[heard->height], &proposed);
}

static void note_contradictions(struct world *world, uint64_t height, const struct said_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (same_slot(&list->items[i], &list->items[k]) && !same_content(&list->items[i], &list->items[k]))
                world->checker->must_be_found[height][list->items[i].validator] = true;
        }
    }
}

void check_what_is_held(struct world *world) {
    struct said_list *lists = NEW_ARRAY(struct said_list, HEIGHTS_MAX);
    struct heard *heard = NEW(struct heard);
    for (size_t i = 0; i < world->machine_count; i++) {
        size_t cursor = 0;
        while (world->machines[i].is_correct && witness_recall(world->machines[i].witness, heard, &cursor))
            append_heard(world, lists, heard);
    }
    for (uint64_t height = 0; height < HEIGHTS_MAX; height++) {
        note_contradictions(world, height, &lists[height]);
        free(lists[height].items);
    }
    free(heard);
    free(lists);
}

bool check_is_found_out(const struct world *world) {
    for (uint64_t height = 0; height < HEIGHTS_MAX; height++) {
        for (size_t i = 0; i < MACHINES_MAX; i++) {
            if (world->checker->must_be_found[height][i] && !world->checker->accused[height][i])
                return false;
        }
    }
    return true;
}

uint32_t check_count_accused(const struct world *world) {
    uint32_t count = 0;
    for (uint64_t height = 0; height < HEIGHTS_MAX; height++) {
        for (size_t i = 0; i < MACHINES_MAX; i++)
            count += world->checker->accused[height][i];
    }
    return count;
}

// The vote is one that the core must take now.
static bool must_be_taken(const struct world *world, const struct machine *machine, const struct vote *vote) {
    struct bft_view view;
    bft_look(machine->core, &view);
    return view.height == vote->height && view.step != BFT_STEP_DECIDED && !view.behind &&
           (int64_t)vote->round >= (int64_t)view.round - ROUNDS_BEHIND && vote->round <= view.round + ROUNDS_AHEAD &&
           validator_set_find(set_at(world, vote->height), &vote->validator) >= 0;
}

void check_given(struct world *world, struct machine *machine, const struct vote *vote) {
    struct watch *watch = watch_of(world, machine);
    if ((world->config.liar == NOBODY && world->config.twin_of == NOBODY) || !machine->is_correct ||
        !must_be_taken(world, machine, vote))
        return;
    struct said said = said_of_vote(0, vote);
    for (size_t i = 0; i < watch->given.count; i++) {
        const struct said *other = &watch->given.items[i];
        if (same_slot(other, &said) && same_content(other, &said))
            return;
        if (same_slot(other, &said))
            watch->must_accuse[said.validator] = true;
    }
    append(&watch->given, &said);
}

static void check_accusations(struct world *world, struct machine *machine) {
    struct watch *watch = watch_of(world, machine);
    for (size_t i = 0; i < MACHINES_MAX; i++) {
        if (watch->must_accuse[i] && !watch->accused[i])
            violated(world, machine->index, watch->height, "two votes for one slot made no evidence (10)");
    }
}

// ---- locks: 4; bounds: 12; the log: 6 ----

static int64_t round_or_none(uint32_t round) {
    return round == BFT_ROUND_NONE ? -1 : (int64_t)round;
}

static void check_lock(struct world *world, struct machine *machine, const struct bft_view *view) {
    struct watch *watch = watch_of(world, machine);
    int64_t locked = round_or_none(view->locked_round);
    if (view->height == watch->height && locked < watch->locked_round)
        violated(world, machine->index, view->height, "a lock fell (4)");
    if (view->height == watch->precommit_height && locked < watch->precommit_round)
        violated(world, machine->index, view->height, "a lock was forgotten (4)");
    watch->height = view->height;
    watch->locked_round = locked;
}

static void check_bounds(struct world *world, struct machine *machine, const struct bft_view *view) {
    size_t validators = set_at(world, view->height)->count;
    size_t next = set_at(world, view->height + 1)->count;
    if (view->votes > ROUNDS_KEPT * 2 * validators || view->set_aside > AHEAD_MAX * next)
        violated(world, machine->index, view->height, "too much is kept (12)");
}

void check_replay(struct world *world, struct machine *machine) {
    const struct bft_params params = {1, 1, 1, 1, 1};
    struct sign_public key = key_of(machine->validator);
    struct bft *core = bft_new(&key, &params);
    struct bft_outputs outputs = {0};
    struct hash before, after;
    for (size_t i = 0; i < machine->record_count; i++) {
        const struct record *record = &machine->records[i];
        if (record->kind == RECORD_INPUT && bft_replay(core, buf_span(&record->bytes), &outputs) != OK)
            violated(world, machine->index, 0, "a record of the log was refused (6)");
    }
    bft_digest(machine->core, &before);
    bft_digest(core, &after);
    if (memcmp(before.bytes, after.bytes, sizeof before.bytes) != 0)
        violated(world, machine->index, 0, "the log does not give back the state (6)");
    bft_outputs_free(&outputs);
    bft_free(core);
}

void check_step(struct world *world, struct machine *machine) {
    struct bft_view view;
    if (!machine->is_correct)
        return;
    bft_look(machine->core, &view);
    check_lock(world, machine, &view);
    check_bounds(world, machine, &view);
    check_witness(world, machine);
    check_accusations(world, machine);
    if (world->steps % REPLAY_EVERY == 0)
        check_replay(world, machine);
}

void check_forget(struct world *world, struct machine *machine) {
    struct watch *watch = watch_of(world, machine);
    watch->given.count = 0;
    memset(watch->must_accuse, 0, sizeof watch->must_accuse);
    memset(watch->accused, 0, sizeof watch->accused);
    watch->height = 0;
    watch->locked_round = -1;
}
