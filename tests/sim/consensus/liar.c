// A validator that knows everything and signs anything, to anybody.
#include <stdlib.h>

#include "world.h"

static bool any_view(struct world *world, struct bft_view *view) {
    const struct machine *machine = &world->machines[rng_below(&world->rng, world->machine_count)];
    if (!machine->is_correct || !machine->up)
        return false;
    bft_look(machine->core, view);
    return true;
}

static struct block_id any_value(struct world *world, uint64_t height) {
    switch (rng_below(&world->rng, 4)) {
    case 0:
        return (struct block_id){0};
    case 1:
        return block_make(world, height, (enum block_kind)rng_below(&world->rng, 3));
    default:
        return some_value(world, height);
    }
}

// To those of the machines that the bits name.
static void send_to_some(struct world *world, const struct message *message, uint64_t machines) {
    for (size_t to = 0; to < world->machine_count; to++) {
        if (((machines >> to) & 1) == 1)
            send_to(world, message, to);
    }
}

static void vote(struct world *world, struct machine *liar, const struct vote *slot, uint64_t machines) {
    struct message *message = message_new(MESSAGE_VOTE, liar->index);
    message->vote = *slot;
    message->vote.value = any_value(world, slot->height);
    message->vote.signature = signature_of(&message->vote);
    check_signed(world, liar, &message->vote);
    send_to_some(world, message, machines);
    message_free(message);
}

static void vote_twice(struct world *world, struct machine *liar, uint64_t height, uint32_t round) {
    struct vote slot = {.type = percent(world, 50) ? VOTE_PREVOTE : VOTE_PRECOMMIT,
                        .height = height,
                        .round = round,
                        .validator = key_of(liar->validator)};
    uint64_t machines = rng_u64(&world->rng);
    vote(world, liar, &slot, machines);
    vote(world, liar, &slot, percent(world, 50) ? ~machines : rng_u64(&world->rng));
}

static bool has_turn(const struct world *world, const struct machine *liar, uint64_t height, uint32_t round) {
    const struct validator_set *set = set_at(world, height);
    struct sign_public key = key_of(liar->validator);
    return validator_set_find(set, &key) == (int)validators_proposer(set, height, round);
}

// With prevotes that were really cast, if there are any for the value it draws.
static void propose_again(struct world *world, struct message *message) {
    struct proposal *proposal = &message->proposal;
    if (proposal->round == 0)
        return;
    struct certificate prevotes = {.type = VOTE_PREVOTE,
                                   .height = proposal->height,
                                   .round = (uint32_t)rng_below(&world->rng, proposal->round),
                                   .value = some_value(world, proposal->height)};
    if (block_id_is_nil(&prevotes.value) || !certificate_fill(world, &prevotes, NOBODY))
        return;
    proposal->value = prevotes.value;
    proposal->valid_round = prevotes.round;
    message->certificate = mem_copy(span_of(&prevotes, sizeof prevotes));
}

static void propose(struct world *world, struct machine *liar, uint64_t height, uint32_t round, uint64_t machines) {
    struct message *message = message_new(MESSAGE_PROPOSAL, liar->index);
    message->proposal =
        (struct proposal){.height = height,
                          .round = round,
                          .valid_round = VALID_ROUND_NONE,
                          .value = block_make(world, height, (enum block_kind)rng_below(&world->rng, 3)),
                          .proposer = key_of(liar->validator)};
    if (percent(world, 50))
        propose_again(world, message);
    message->has_block = percent(world, 70); // withheld otherwise
    check_proposed(world, liar, &message->proposal);
    send_to_some(world, message, machines);
    message_free(message);
}

// What it has not heard, of everybody.
static void claim(struct world *world, struct machine *liar, uint64_t height, uint32_t round) {
    struct message *message = message_new(MESSAGE_HEARD, liar->index);
    message->heard = NEW(struct heard);
    *message->heard =
        (struct heard){.height = height, .round = round, .validators = set_at(world, height)->count, .value_count = 1};
    message->heard->values[0].value = any_value(world, height);
    message->heard->values[0].prevotes[0] = (uint8_t)rng_u64(&world->rng);
    message->heard->values[0].precommits[0] = (uint8_t)rng_u64(&world->rng);
    send_to_some(world, message, rng_u64(&world->rng));
    message_free(message);
}

// What anybody is to have signed, without its key.
static void forge(struct world *world, struct machine *liar, uint64_t height, uint32_t round) {
    struct message *message = message_new(MESSAGE_STATEMENT, liar->index);
    struct vote vote = {.type = percent(world, 50) ? VOTE_PREVOTE : VOTE_PRECOMMIT,
                        .height = height,
                        .round = round,
                        .value = any_value(world, height),
                        .validator = key_of(rng_below(&world->rng, world->machine_count))};
    vote.signature = signature_of(&vote);
    message->statement = (struct statement){.kind = EVIDENCE_VOTES, .vote = vote};
    send_to_some(world, message, rng_u64(&world->rng));
    message_free(message);
}

void lie(struct world *world, struct machine *liar) {
    struct bft_view view;
    if (!any_view(world, &view))
        return;
    uint32_t round = view.round + (uint32_t)rng_below(&world->rng, 3);
    round -= round > 0 ? (uint32_t)rng_below(&world->rng, 2) : 0;
    if (percent(world, 5))
        round = (uint32_t)rng_u64(&world->rng) - 1;
    uint64_t height = view.height + (percent(world, 10) ? rng_below(&world->rng, 12) : 0);
    vote_twice(world, liar, height, round);
    claim(world, liar, height, round);
    forge(world, liar, height, round);
    if (has_turn(world, liar, height, round)) {
        uint64_t machines = rng_u64(&world->rng);
        propose(world, liar, height, round, machines);
        propose(world, liar, height, round, ~machines);
    }
}

// Without the votes of others.
void lie_about_decision(struct world *world, struct machine *liar, const struct message *question) {
    struct message *message = message_new(MESSAGE_DECISION, liar->index);
    struct certificate *certificate = NEW(struct certificate);
    *certificate = (struct certificate){.type = VOTE_PRECOMMIT,
                                        .height = question->height,
                                        .value = block_make(world, question->height, BLOCK_VALID),
                                        .count = set_at(world, question->height)->count};
    for (size_t i = 0; i < certificate->count; i++)
        certificate->votes[i].validator = (uint16_t)i;
    message->certificate = certificate;
    message->has_block = true;
    send_to(world, message, question->from);
    message_free(message);
}
