// The light client: 1,000 headers further from their bytes, by the last of them and one by one. Beside the latter the
// verification of as many signatures.
#include <stdlib.h>

#include "base/assert.h"
#include "bench.h"
#include "ledger/history.h"

#define HEADERS 1000
#define MEMBERS 4
#define LIGHT_ROUNDS_MAX 21 // a round takes a third of a second

static void take(struct light *light, const struct history *history, uint64_t height) {
    struct light_block *block = NEW(struct light_block);
    ASSERT(light_block_decode(block, buf_span(&history->at[height].light)) == OK);
    ASSERT(light_update(light, &block->header, &block->certificate, &block->validators, block->header.time_ms) ==
           LIGHT_TAKEN);
    free(block);
}

// Milliseconds from genesis to the last header, in steps of so many.
static double run_steps(const struct history *history, uint64_t step) {
    struct light *light = NEW(struct light);
    light_init(light, &history->genesis);
    uint64_t began_ns = clock_thread_ns();
    for (uint64_t height = step; height <= HEADERS; height += step)
        take(light, history, height);
    double ms = (double)(clock_thread_ns() - began_ns) / 1e6;
    ASSERT(light->header.height == HEADERS);
    free(light);
    return ms;
}

static double run_signatures(const struct committee *committee, struct rng *rng) {
    struct vote vote = {.type = VOTE_PRECOMMIT, .height = 1, .validator = committee->set.validators[0].key};
    rng_bytes(rng, vote.value.bytes, sizeof vote.value.bytes);
    vote_sign(&vote, &committee->network, &committee->secrets[0]);
    uint64_t began_ns = clock_thread_ns();
    for (size_t i = 0; i < (size_t)HEADERS * MEMBERS; i++)
        ASSERT(vote_verify(&vote, &committee->network) == OK);
    return (double)(clock_thread_ns() - began_ns) / 1e6;
}

void bench_light(struct bench *bench) {
    const struct row skip_row = {
        .group = "ledger", .name = "light client: 1,000 headers on by the last", .unit = UNIT_MS, .limit = 100};
    const struct row all_row = {.group = "ledger",
                                .name = "light client: 1,000 headers one by one",
                                .unit = UNIT_MS,
                                .baseline = "verifying their signatures"};
    struct series *skip = NEW(struct series), *all = NEW(struct series), *ratios = NEW(struct series);
    struct committee *committee = NEW(struct committee);
    struct history history;
    struct rng rng;
    const uint8_t seed[RNG_SEED_BYTES] = {7};
    rng_init(&rng, seed);
    committee_draw(committee, MEMBERS, 1, &rng);
    history_begin(&history, committee, CONSENSUS_POA, HEADERS);
    history_extend(&history, committee, committee, HEADERS);
    for (unsigned round = 0; round < bench->rounds && round < LIGHT_ROUNDS_MAX; round++) {
        double all_ms = run_steps(&history, 1);
        series_add(skip, run_steps(&history, HEADERS));
        series_add(all, all_ms);
        series_add(ratios, all_ms / run_signatures(committee, &rng));
    }
    bench_report(bench, &skip_row, skip, NULL);
    bench_report(bench, &all_row, all, ratios);
    history_free(&history);
    free(committee);
    free(ratios);
    free(all);
    free(skip);
}
