// Sets of tags, their records, and the job that reads them back.
#include "relay/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"

#define TAG_BYTES SPHINX_REPLAY_TAG_BYTES
#define FIRST_LEVEL_BITS 8 // 256 tags: one page
#define LEVELS_MAX 32
#define CHUNK_TAGS 32
#define OPEN_MAX 2
#define CLEAN_PER_CALL 64 // deletes in one step

// ---- a set ----

struct level {
    uint8_t (*slots)[TAG_BYTES]; // all zeros: empty
    unsigned bits;
    uint64_t count;
};

struct replay_set {
    uint8_t *memory;
    struct level levels[LEVELS_MAX];
    size_t level_count; // all there are
    size_t begun;       // those in use; the last one is being filled
    uint64_t key;
    uint64_t count;
    uint64_t tags_max;
};

static uint64_t level_tags_max(unsigned bits) {
    return (UINT64_C(3) << bits) / 4;
}

struct replay_set *replay_set_new(uint64_t tags_max) {
    struct replay_set *set = NEW(struct replay_set);
    uint64_t tags = 0;
    uint64_t slots = 0;
    while (tags < tags_max && set->level_count < LEVELS_MAX) {
        unsigned bits = FIRST_LEVEL_BITS + (unsigned)set->level_count;
        set->levels[set->level_count++].bits = bits;
        tags += level_tags_max(bits);
        slots += UINT64_C(1) << bits;
    }
    if (tags >= tags_max && slots <= SIZE_MAX / TAG_BYTES)
        set->memory = calloc((size_t)slots, TAG_BYTES); // zero pages, touched as the levels fill
    if (set->memory == NULL) {
        free(set);
        return NULL;
    }
    uint8_t *p = set->memory;
    for (size_t i = 0; i < set->level_count; i++) {
        set->levels[i].slots = (uint8_t(*)[TAG_BYTES])p;
        p += ((size_t)1 << set->levels[i].bits) * TAG_BYTES;
    }
    set->begun = set->level_count > 0 ? 1 : 0;
    set->tags_max = tags_max;
    return set;
}

void replay_set_seed(struct replay_set *set, uint64_t key) {
    ASSERT(set->count == 0);
    set->key = key;
}

void replay_set_free(struct replay_set *set) {
    if (set == NULL)
        return;
    free(set->memory);
    free(set);
}

uint64_t replay_set_count(const struct replay_set *set) {
    return set->count;
}

void replay_set_clear(struct replay_set *set) {
    for (size_t i = 0; i < set->begun; i++) {
        memset(set->levels[i].slots, 0, ((size_t)1 << set->levels[i].bits) * TAG_BYTES);
        set->levels[i].count = 0;
    }
    set->begun = set->level_count > 0 ? 1 : 0;
    set->count = 0;
}

// Multiply-shift under a random odd key: whoever makes packets can choose tags, but not where they fall.
static size_t slot_of(const struct replay_set *set, const uint8_t *tag, unsigned bits) {
    return (size_t)(((load_u64(tag) ^ load_u64(tag + 8)) * (set->key | 1)) >> (64 - bits));
}

static const uint8_t no_tag[TAG_BYTES];

// The slot that holds the tag, or the empty one where it would go.
static uint8_t *probe(const struct replay_set *set, const struct level *level, const uint8_t *tag) {
    size_t mask = ((size_t)1 << level->bits) - 1;
    size_t i = slot_of(set, tag, level->bits);
    while (memcmp(level->slots[i], no_tag, TAG_BYTES) != 0 && memcmp(level->slots[i], tag, TAG_BYTES) != 0)
        i = (i + 1) & mask;
    return level->slots[i];
}

enum err replay_set_insert(struct replay_set *set, const uint8_t tag[static TAG_BYTES]) {
    if (memcmp(tag, no_tag, TAG_BYTES) == 0) // chance 2^-128; it cannot be told from an empty slot
        return ERR_REPLAY;
    uint8_t *slot = NULL;
    for (size_t i = 0; i < set->begun; i++) {
        slot = probe(set, &set->levels[i], tag);
        if (memcmp(slot, tag, TAG_BYTES) == 0)
            return ERR_REPLAY;
    }
    if (set->count >= set->tags_max)
        return ERR_FULL;
    struct level *level = &set->levels[set->begun - 1];
    if (level->count >= level_tags_max(level->bits)) {
        ASSERT(set->begun < set->level_count); // the levels together hold tags_max
        level = &set->levels[set->begun++];
        slot = probe(set, level, tag);
    }
    memcpy(slot, tag, TAG_BYTES);
    level->count++;
    set->count++;
    return OK;
}

// ---- the filter ----

struct open_epoch {
    uint32_t epoch; // 0: closed
    struct replay_set *set;
    uint32_t chunk;      // the one being filled
    uint32_t tail_count; // tags in it
    bool dirty;          // taken since the last store
    uint8_t tail[CHUNK_TAGS * TAG_BYTES];
};

// Records [from, until) of an epoch whose key is gone.
struct leftover {
    uint32_t epoch;
    uint32_t from;
    uint32_t until;
};

struct leftovers {
    struct leftover *list;
    size_t count;
    size_t capacity;
};

struct replay_filter {
    struct open_epoch epochs[OPEN_MAX];
    struct leftovers leftovers;
    bool loading; // the sets are with the start job
};

static void leftovers_add(struct leftovers *leftovers, struct leftover leftover) {
    if (leftovers->count == leftovers->capacity) {
        size_t capacity = leftovers->capacity > 0 ? 2 * leftovers->capacity : 4;
        struct leftover *list = realloc(leftovers->list, capacity * sizeof *list);
        ASSERT(list != NULL);
        leftovers->list = list;
        leftovers->capacity = capacity;
    }
    leftovers->list[leftovers->count++] = leftover;
}

struct replay_filter *replay_new(uint64_t tags_max) {
    struct replay_filter *filter = NEW(struct replay_filter);
    for (size_t i = 0; i < OPEN_MAX; i++) {
        filter->epochs[i].set = replay_set_new(tags_max);
        if (filter->epochs[i].set == NULL) {
            replay_free(filter);
            return NULL;
        }
    }
    return filter;
}

void replay_seed(struct replay_filter *filter, struct rng *rng) {
    ASSERT(!filter->loading);
    for (size_t i = 0; i < OPEN_MAX; i++)
        replay_set_seed(filter->epochs[i].set, rng_u64(rng));
}

void replay_free(struct replay_filter *filter) {
    if (filter == NULL)
        return;
    for (size_t i = 0; i < OPEN_MAX; i++)
        replay_set_free(filter->epochs[i].set);
    free(filter->leftovers.list);
    free(filter);
}

static struct open_epoch *find_open(struct replay_filter *filter, uint32_t epoch) {
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (filter->epochs[i].epoch == epoch)
            return &filter->epochs[i];
    }
    return NULL;
}

bool replay_is_open(const struct replay_filter *filter, uint32_t epoch) {
    return epoch != 0 && find_open((struct replay_filter *)filter, epoch) != NULL;
}

size_t replay_epochs(const struct replay_filter *filter, uint32_t epochs[static OPEN_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (filter->epochs[i].epoch != 0)
            epochs[count++] = filter->epochs[i].epoch;
    }
    return count;
}

void replay_open(struct replay_filter *filter, uint32_t epoch) {
    ASSERT(epoch != 0 && !filter->loading);
    if (find_open(filter, epoch) != NULL)
        return;
    struct open_epoch *open = find_open(filter, 0);
    ASSERT(open != NULL);
    open->epoch = epoch;
    // A clock that went back may open an epoch whose old records still wait for deletion: number on behind them.
    for (size_t i = 0; i < filter->leftovers.count; i++) {
        const struct leftover *leftover = &filter->leftovers.list[i];
        if (leftover->epoch == epoch && leftover->until > open->chunk)
            open->chunk = leftover->until;
    }
}

static void reset(struct open_epoch *open) {
    struct replay_set *set = open->set;
    wipe(open, sizeof *open);
    open->set = set;
}

void replay_close(struct replay_filter *filter, uint32_t epoch) {
    ASSERT(epoch != 0 && !filter->loading);
    struct open_epoch *open = find_open(filter, epoch);
    if (open == NULL)
        return;
    uint32_t until = open->chunk + (open->tail_count > 0 ? 1 : 0);
    if (until > 0)
        leftovers_add(&filter->leftovers, (struct leftover){epoch, 0, until});
    replay_set_clear(open->set);
    reset(open);
}

#define CHUNK_KEY_BYTES 10

static void chunk_key(uint8_t key[static CHUNK_KEY_BYTES], uint32_t epoch, uint32_t chunk) {
    key[0] = KV_SPACE_RELAY;
    key[1] = 't';
    store_u32(key + 2, epoch);
    store_u32(key + 6, chunk);
}

static void store_tail(struct open_epoch *open, struct step *step) {
    uint8_t key[CHUNK_KEY_BYTES];
    chunk_key(key, open->epoch, open->chunk);
    step_put(step, SPAN_OF(key), span_of(open->tail, open->tail_count * TAG_BYTES), KV_LAZY);
    open->dirty = false;
    if (open->tail_count == CHUNK_TAGS) {
        open->chunk++;
        open->tail_count = 0;
    }
}

enum err replay_take(struct replay_filter *filter, struct step *step, uint32_t epoch,
                     const uint8_t tag[static TAG_BYTES]) {
    ASSERT(epoch != 0 && !filter->loading);
    struct open_epoch *open = find_open(filter, epoch);
    if (open == NULL)
        return ERR_EPOCH;
    enum err err = replay_set_insert(open->set, tag);
    if (err != OK)
        return err;
    memcpy(open->tail + open->tail_count * TAG_BYTES, tag, TAG_BYTES);
    open->tail_count++;
    open->dirty = true;
    if (open->tail_count == CHUNK_TAGS)
        store_tail(open, step);
    return OK;
}

void replay_store(struct replay_filter *filter, struct step *step) {
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (filter->epochs[i].dirty)
            store_tail(&filter->epochs[i], step);
    }
}

bool replay_clean(struct replay_filter *filter, struct step *step) {
    struct leftovers *leftovers = &filter->leftovers;
    for (size_t n = 0; n < CLEAN_PER_CALL && leftovers->count > 0; n++) {
        struct leftover *last = &leftovers->list[leftovers->count - 1];
        uint8_t key[CHUNK_KEY_BYTES];
        chunk_key(key, last->epoch, last->from++);
        step_delete(step, SPAN_OF(key), KV_LAZY);
        if (last->from >= last->until)
            leftovers->count--;
    }
    return leftovers->count > 0;
}

uint64_t replay_count(const struct replay_filter *filter) {
    uint64_t count = 0;
    for (size_t i = 0; i < OPEN_MAX; i++)
        count += filter->epochs[i].set != NULL ? filter->epochs[i].set->count : 0;
    return count;
}

// ---- the start job ----

struct load_job {
    struct job job;
    struct open_epoch epochs[OPEN_MAX]; // their sets are the job's until it comes back
    struct leftovers leftovers;
};

// A set that is full stops taking: what is beyond it was never accepted under this configuration's size, and the filter
// then refuses new packets, which is the safe side.
static void load_chunk(struct open_epoch *open, uint32_t chunk, struct span tags) {
    for (size_t at = 0; at + TAG_BYTES <= tags.n; at += TAG_BYTES)
        (void)replay_set_insert(open->set, tags.p + at);
    if (chunk >= open->chunk)
        open->chunk = chunk + 1;
}

static void note_leftover(struct leftovers *leftovers, uint32_t epoch, uint32_t chunk) {
    struct leftover *last = leftovers->count > 0 ? &leftovers->list[leftovers->count - 1] : NULL;
    if (last != NULL && last->epoch == epoch)
        last->until = chunk + 1;
    else
        leftovers_add(leftovers, (struct leftover){epoch, chunk, chunk + 1});
}

static void load_record(struct load_job *load, struct span key, struct span value) {
    uint32_t epoch = load_u32(key.p + 2);
    uint32_t chunk = load_u32(key.p + 6);
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (load->epochs[i].epoch == epoch && epoch != 0) {
            load_chunk(&load->epochs[i], chunk, value);
            return;
        }
    }
    note_leftover(&load->leftovers, epoch, chunk);
}

static void load_run(struct job *job, const struct kv_snapshot *snapshot) {
    struct load_job *load = (struct load_job *)job;
    static const uint8_t prefix[] = {KV_SPACE_RELAY, 't'};
    struct kv_cursor *cursor = kv_scan(snapshot, SPAN_OF(prefix));
    struct span key;
    struct span value;
    while (kv_cursor_at(cursor, &key, &value) && key.n == CHUNK_KEY_BYTES && memcmp(key.p, prefix, 2) == 0) {
        load_record(load, key, value);
        kv_cursor_next(cursor);
    }
    kv_cursor_free(cursor);
}

static void load_free(struct job *job) {
    struct load_job *load = (struct load_job *)job;
    for (size_t i = 0; i < OPEN_MAX; i++)
        replay_set_free(load->epochs[i].set);
    free(load->leftovers.list);
    free(load);
}

struct job *replay_load_job(struct replay_filter *filter) {
    ASSERT(!filter->loading);
    struct load_job *load = NEW(struct load_job);
    load->job = (struct job){JOB_OWNER_RELAY, true, load_run, load_free};
    for (size_t i = 0; i < OPEN_MAX; i++) {
        load->epochs[i] = filter->epochs[i];
        filter->epochs[i].set = NULL;
    }
    filter->loading = true;
    return &load->job;
}

bool replay_loaded(struct replay_filter *filter, struct job *job) {
    if (job->run != load_run)
        return false;
    ASSERT(filter->loading && filter->leftovers.count == 0);
    struct load_job *load = (struct load_job *)job;
    for (size_t i = 0; i < OPEN_MAX; i++) {
        filter->epochs[i] = load->epochs[i];
        load->epochs[i].set = NULL;
    }
    free(filter->leftovers.list);
    filter->leftovers = load->leftovers;
    load->leftovers = (struct leftovers){0};
    filter->loading = false;
    return true;
}
