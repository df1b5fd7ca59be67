// Holding the newest directories. Four slots, by epoch modulo 4, in memory and in the store: the next, the current and
// the two before it, which is as long as a directory is valid.
#include "directory/follow.h"

#include <stdlib.h>

#include "base/assert.h"

#define SLOTS 4
_Static_assert(SLOTS == DIRECTORY_VALID_EPOCHS + 1, "the valid ones and the next");

#define ASK_BASE_MS 100
#define ASK_CAP_MS 500 // without any directory a node is of no use: it asks often, for a while
#define ASKS_EAGER 20
#define ASK_CAP_LATER_MS (60 * SECOND_MS)

struct follow {
    const struct genesis *genesis;
    struct follow_verifier verifier;
    const char *refusal;  // of the last that was refused
    const char *obstacle; // what stands in the way of all that are offered; NULL: nothing
    struct directory *held[SLOTS];
    uint32_t wanted;    // epoch that is asked for, 0: none
    unsigned asks;      // for it, so far
    uint64_t ask_ms;    // next one, mono_ms
    uint32_t jittered;  // epoch for which jitter_ms was drawn
    uint64_t jitter_ms; // how long after the window's begin the first question for it is asked
    uint64_t next_ms;
};

struct follow *follow_new(const struct genesis *genesis, const struct follow_verifier *verifier) {
    struct follow *follow = NEW(struct follow);
    follow->genesis = genesis;
    follow->verifier = *verifier;
    return follow;
}

void follow_free(struct follow *follow) {
    if (follow == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        directory_unref(follow->held[i]);
    free(follow);
}

// ---- what is passed around ----

// A directory and the proof around it. The new directory keeps all of it, to be served.
static enum err decode(struct directory **out, const struct follow *follow, struct span proof) {
    struct span body;
    uint32_t epoch;
    enum err err = follow->verifier.open(proof, &epoch, &body);
    if (err == OK)
        err = directory_decode(out, body, &follow->genesis->network);
    if (err == OK && (*out)->epoch != epoch) {
        directory_unref(*out);
        err = ERR_MALFORMED;
    }
    if (err != OK)
        return err;
    buf_clear(&(*out)->bytes);
    buf_append(&(*out)->bytes, proof);
    return OK;
}

// ---- the store ----

struct slot_key {
    uint8_t bytes[3];
};

static struct slot_key slot_key(size_t slot) {
    return (struct slot_key){{KV_SPACE_DIRECTORY, 'd', (uint8_t)slot}};
}

void follow_load(struct follow *follow, struct step *step) {
    struct buf bytes = {0};
    for (size_t slot = 0; slot < SLOTS; slot++) {
        struct slot_key key = slot_key(slot);
        if (step_get(step, SPAN_OF(key.bytes), &bytes) != OK)
            continue;
        struct directory *directory;
        enum err err = decode(&directory, follow, buf_span(&bytes)); // it was verified when it was taken
        if (err != OK) {
            log_reason(&step->env->log, LOG_WARN, "directory", "a stored directory is not used", err_text(err));
            continue;
        }
        ASSERT(directory->epoch % SLOTS == slot && follow->held[slot] == NULL);
        follow->held[slot] = directory;
    }
    buf_free(&bytes);
}

static void drop(struct follow *follow, struct step *step, size_t slot) {
    struct slot_key key = slot_key(slot);
    step_delete(step, SPAN_OF(key.bytes), KV_LAZY);
    directory_unref(follow->held[slot]);
    follow->held[slot] = NULL;
}

// Keeps it, and nothing that its coming makes too old.
static void keep(struct follow *follow, struct step *step, struct directory *directory) {
    size_t slot = directory->epoch % SLOTS;
    for (size_t i = 0; i < SLOTS; i++) {
        if (follow->held[i] != NULL && (i == slot || follow->held[i]->epoch + SLOTS <= directory->epoch))
            drop(follow, step, i);
    }
    struct slot_key key = slot_key(slot);
    step_put(step, SPAN_OF(key.bytes), buf_span(&directory->bytes), KV_SYNCED);
    follow->held[slot] = directory;
}

// ---- looking ----

struct directory *follow_epoch(const struct follow *follow, uint32_t epoch) {
    struct directory *directory = follow->held[epoch % SLOTS];
    return directory != NULL && directory->epoch == epoch ? directory : NULL;
}

// The newest one of at most that epoch.
static struct directory *newest_until(const struct follow *follow, uint32_t epoch) {
    struct directory *newest = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        struct directory *directory = follow->held[i];
        if (directory != NULL && directory->epoch <= epoch && (newest == NULL || directory->epoch > newest->epoch))
            newest = directory;
    }
    return newest;
}

struct directory *follow_newest(const struct follow *follow) {
    return newest_until(follow, UINT32_MAX);
}

uint64_t follow_expiry_ms(const struct follow *follow, const struct directory *directory) {
    uint64_t epoch_ms = follow->genesis->epoch_ms;
    uint64_t age_max_ms = 2 * epoch_ms > DIRECTORY_MAX_AGE_MS ? 2 * epoch_ms : DIRECTORY_MAX_AGE_MS;
    uint64_t by_epoch_ms = epoch_start_ms(follow->genesis, directory->epoch) + DIRECTORY_VALID_EPOCHS * epoch_ms;
    bool ages_first = directory->issued_ms < by_epoch_ms && by_epoch_ms - directory->issued_ms > age_max_ms;
    return ages_first ? directory->issued_ms + age_max_ms : by_epoch_ms;
}

static bool valid_at(const struct follow *follow, const struct directory *directory, uint64_t wall_ms) {
    return directory->epoch <= epoch_at(follow->genesis, wall_ms) && wall_ms < follow_expiry_ms(follow, directory);
}

struct directory *follow_current(const struct follow *follow, uint64_t wall_ms) {
    struct directory *newest = newest_until(follow, epoch_at(follow->genesis, wall_ms));
    return newest != NULL && valid_at(follow, newest, wall_ms) ? newest : NULL;
}

const char *follow_why_none(const struct follow *follow, uint64_t wall_ms) {
    uint32_t epoch = epoch_at(follow->genesis, wall_ms);
    const struct directory *newest = follow_newest(follow);
    if (follow_current(follow, wall_ms) != NULL)
        return NULL;
    if (epoch == 0)
        return "the network to begin: by this machine's clock it has not begun yet";
    if (follow->obstacle != NULL)
        return follow->obstacle;
    if (newest == NULL || newest->epoch == epoch + 1)
        return "a first directory: none of this network has been received yet";
    if (newest->epoch > epoch)
        return "a directory in force: the one held is from the future, this machine's clock is slow";
    return "a newer directory: the last one has expired; those who make it are down, or this machine's clock is fast";
}

// ---- taking ----

static const char *refusal_text(enum err err) {
    static const struct {
        enum err err;
        const char *text;
    } texts[] = {
        {ERR_EXISTS, "a directory of that epoch is held already"},
        {ERR_EXPIRED, "an old directory: a newer one is in force, or it is no longer valid"},
        {ERR_EPOCH, "a directory from the future: this machine's clock is slow, or its maker's fast"},
        {ERR_NETWORK, "the directory of another network"},
        {ERR_AUTH, "a directory that this network has not made"},
        {ERR_MALFORMED, "a malformed directory"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].err == err)
            return texts[i].text;
    }
    return err_text(err);
}

static enum err check_epoch(const struct follow *follow, const struct directory *directory, uint64_t wall_ms) {
    uint32_t epoch = directory->epoch, now_epoch = epoch_at(follow->genesis, wall_ms);
    if (epoch > now_epoch && epoch - now_epoch > 1)
        return ERR_EPOCH;
    if (follow_epoch(follow, epoch) != NULL)
        return ERR_EXISTS;
    const struct directory *newest = newest_until(follow, now_epoch);
    if (newest != NULL && newest->epoch > epoch)
        return ERR_EXPIRED;
    return epoch <= now_epoch && !valid_at(follow, directory, wall_ms) ? ERR_EXPIRED : OK;
}

const char *follow_refusal(const struct follow *follow) {
    return follow->refusal;
}

// What costs least is checked first: epochs before proofs.
static enum err check(struct follow *follow, struct step *step, const struct directory *directory, bool own) {
    enum err err = check_epoch(follow, directory, step->now.wall_ms);
    follow->refusal = err == OK ? NULL : refusal_text(err);
    if (err != OK || own)
        return err;
    err = follow->verifier.verify(follow->verifier.ctx, step, buf_span(&directory->bytes), &follow->refusal);
    // An offer that does not fit may be a lie; this one says that none can fit.
    if (err == OK || err == ERR_REFUSED)
        follow->obstacle = err == OK ? NULL : follow->refusal;
    return err;
}

static enum err take(struct follow *follow, struct step *step, struct span bytes, bool own) {
    struct directory *directory;
    enum err err = decode(&directory, follow, bytes);
    if (err != OK) {
        follow->refusal = refusal_text(err);
        return err;
    }
    err = check(follow, step, directory, own);
    if (err != OK) {
        directory_unref(directory);
        return err;
    }
    keep(follow, step, directory);
    follow->next_ms = step->now.mono_ms; // there may be another to ask for, or nothing for long
    return OK;
}

enum err follow_take_own(struct follow *follow, struct step *step, struct span bytes) {
    return take(follow, step, bytes, true);
}

enum err follow_take(struct follow *follow, struct step *step, struct span bytes) {
    for (size_t i = 0; i < SLOTS; i++) { // cheaper than its proof, and the most frequent case
        if (follow->held[i] != NULL && span_equal(buf_span(&follow->held[i]->bytes), bytes))
            return ERR_EXISTS;
    }
    return take(follow, step, bytes, false);
}

// ---- asking ----

// When an epoch's directory is first asked for, by the wall clock.
static uint64_t window_ms(struct follow *follow, struct step *step, uint32_t epoch) {
    uint64_t epoch_ms = follow->genesis->epoch_ms;
    if (follow->jittered != epoch) {
        follow->jittered = epoch;
        follow->jitter_ms = rng_below(&step->env->rng, epoch_ms / 18 + 1);
    }
    return epoch_start_ms(follow->genesis, epoch) + follow->jitter_ms;
}

// The epoch whose directory is missing, or 0 and the wall-clock time at which to look again.
static uint32_t missing(struct follow *follow, struct step *step, uint64_t *look_wall_ms) {
    uint64_t wall_ms = step->now.wall_ms;
    uint32_t epoch = epoch_at(follow->genesis, wall_ms);
    uint32_t next = epoch > 0 && follow_epoch(follow, epoch) == NULL ? epoch : epoch + 1;
    *look_wall_ms = window_ms(follow, step, next);
    if (next == epoch && follow_current(follow, wall_ms) == NULL)
        return epoch; // at once: there is nothing to go on with
    if (wall_ms < *look_wall_ms)
        return 0;
    *look_wall_ms = epoch_start_ms(follow->genesis, epoch + 1);
    return follow_epoch(follow, next) == NULL ? next : 0;
}

static uint64_t backoff_ms(const struct follow *follow, struct step *step, bool has_none) {
    uint64_t cap = follow->genesis->epoch_ms / 60;
    cap = cap < ASK_CAP_MS ? ASK_CAP_MS : cap > ASK_CAP_LATER_MS ? ASK_CAP_LATER_MS : cap;
    if (has_none && follow->asks <= ASKS_EAGER)
        cap = ASK_CAP_MS;
    uint64_t delay = (uint64_t)ASK_BASE_MS << (follow->asks < 16 ? follow->asks : 16);
    delay = delay < cap ? delay : cap;
    return delay / 2 + rng_below(&step->env->rng, delay / 2 + 1);
}

// Another epoch's turn: at once when there is nothing to go on with, else not in step with all the other nodes.
static void want(struct follow *follow, struct step *step, uint32_t epoch, bool has_none) {
    if (follow->wanted == epoch)
        return;
    uint64_t spread = has_none ? 0 : rng_below(&step->env->rng, follow->genesis->epoch_ms / 60 + 1);
    follow->wanted = epoch;
    follow->asks = 0;
    follow->ask_ms = step->now.mono_ms + spread;
}

bool follow_wants(struct follow *follow, struct step *step, uint32_t *epoch) {
    uint64_t mono_ms = step->now.mono_ms;
    uint64_t look_wall_ms = 0;
    uint32_t wanted = missing(follow, step, &look_wall_ms);
    bool has_none = follow_current(follow, step->now.wall_ms) == NULL;
    want(follow, step, wanted, has_none);
    if (wanted == 0) {
        follow->next_ms = directory_look_ms(&step->now, look_wall_ms);
        return false;
    }
    bool ask = mono_ms >= follow->ask_ms;
    if (ask) {
        follow->asks++;
        follow->ask_ms = mono_ms + backoff_ms(follow, step, has_none);
        // Whoever holds nothing of use takes what there is; whoever holds some does not want them sent again.
        const struct directory *newest = follow_newest(follow);
        *epoch = has_none && (newest == NULL || newest->epoch < wanted) ? 0 : wanted;
    }
    follow->next_ms = follow->ask_ms;
    return ask;
}

uint64_t follow_next_ms(const struct follow *follow) {
    return follow->next_ms;
}
