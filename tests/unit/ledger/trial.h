// Worlds of ledgers by seed: faults for a while, then none. Whatever happened, all hold one chain without gaps, nothing
// that was final is lost, nothing is done twice, no grain comes or goes, no validator contradicts itself, and all
// decide again soon.
//
// LEDGER_SEEDS (how many) and LEDGER_SEED (the first; 1) choose the worlds.
#ifndef TEST_LEDGER_TRIAL_H
#define TEST_LEDGER_TRIAL_H

#include "ledger/world.h"

#define FAULTY_STEPS 40 // of at most a second and a half each
#define HEALING_MS (180 * SECOND_MS)
#define FINALS_MAX 1024
#define VALIDATORS 4

struct trial {
    struct world *world;
    struct rng rng;
    uint64_t seed;
    void (*act)(struct trial *trial); // what else is done between faults; NULL: nothing
    bool powers_vary;                 // one may have over a third: no clock is wrong by more than blocks may be
    bool wipes;                       // validators, too, one at a time
    struct machine *wiped;            // the last one; NULL: none
    uint64_t wiped_height;            // the highest decided by then
    size_t final_count;
    struct tx_id finals[FINALS_MAX]; // that some node has called final
    size_t pending_count;
    struct tx_id pending[FINALS_MAX];
};

uint64_t draw(struct trial *trial, uint64_t bound);
void trial_begin(struct trial *trial, struct world *world, uint64_t seed); // takes the world
void trial_end(struct trial *trial);
void trial_run(struct trial *trial); // faults and transfers
void draw_transfer(struct trial *trial);
void note_finals(struct trial *trial); // what a node calls final stays so: it is asked for again at the end
void assert_bounded(const struct world *world);
void assert_healed(struct trial *trial);                    // ends what goes wrong, and looks at everything
void each_seed(void (*run)(uint64_t seed), uint64_t count); // `count` of them unless LEDGER_SEEDS says how many

#endif
