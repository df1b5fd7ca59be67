// The replay filter: which packets a relay has accepted under each of its keys. Only tags of authenticated packets
// enter; a full filter refuses everything new; the tags go with their key.
//
// A set of tags has levels, each an open-addressing table twice as large as the one before; a level is begun when the
// one before is three quarters full, so memory is touched as it fills and nothing is ever moved. The tables' memory
// is reserved at once.
//
// Tags are stored lazily in chunk records of up to 32: the last one is rewritten as it fills, so that a batch costs one
// or two puts.
//   key    KV_SPACE_RELAY 1 | 't' 1 | epoch 4 | chunk 4          value  count x tag 16
#ifndef SOTTO_RELAY_REPLAY_H
#define SOTTO_RELAY_REPLAY_H

#include "base/step.h"
#include "crypto/sphinx.h"

struct replay_set;

// NULL when the memory for so many tags is not to be had.
struct replay_set *replay_set_new(uint64_t tags_max);
// `key` scatters the tags over the tables of an empty set.
void replay_set_seed(struct replay_set *set, uint64_t key);
void replay_set_free(struct replay_set *set);
// OK: it was new and is in now. ERR_REPLAY: seen before. ERR_FULL: nothing more enters.
enum err replay_set_insert(struct replay_set *set, const uint8_t tag[static SPHINX_REPLAY_TAG_BYTES]);
void replay_set_clear(struct replay_set *set);
uint64_t replay_set_count(const struct replay_set *set);

struct replay_filter;

// Room for two keys' tags. NULL: no memory.
struct replay_filter *replay_new(uint64_t tags_max);
// Draws where tags fall in the tables; before anything is taken.
void replay_seed(struct replay_filter *filter, struct rng *rng);
void replay_free(struct replay_filter *filter);
// Starts taking tags of that epoch's key, if it does not yet. At most two epochs are open at once.
void replay_open(struct replay_filter *filter, uint32_t epoch);
bool replay_is_open(const struct replay_filter *filter, uint32_t epoch);
// The key is gone: forgets its tags; the records are deleted little by little by replay_clean.
void replay_close(struct replay_filter *filter, uint32_t epoch);
// The open epochs, in `epochs`.
size_t replay_epochs(const struct replay_filter *filter, uint32_t epochs[static 2]);
// As replay_set_insert; ERR_EPOCH when that epoch is not open.
enum err replay_take(struct replay_filter *filter, struct step *step, uint32_t epoch,
                     const uint8_t tag[static SPHINX_REPLAY_TAG_BYTES]);
// Stores what was taken since the last call: once a batch.
void replay_store(struct replay_filter *filter, struct step *step);
// Deletes some records of keys that are gone; true while there are more.
bool replay_clean(struct replay_filter *filter, struct step *step);
uint64_t replay_count(const struct replay_filter *filter);

// The start job: reads the stored tags of the epochs that are open; records of others are noted for replay_clean.
// It takes the sets with it: until replay_loaded the filter is not to be used.
struct job *replay_load_job(struct replay_filter *filter);
// True when `job` was this filter's start job; takes the sets back (not the job).
bool replay_loaded(struct replay_filter *filter, struct job *job);

#endif
