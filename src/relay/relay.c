// The way of a packet through the relay. Everything here runs on the loop thread but the peeling itself.
#include "relay/relay.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "relay/cover.h"
#include "relay/keys.h"
#include "relay/mix.h"
#include "relay/peel.h"
#include "relay/replay.h"

// How often records of keys that are gone are deleted, some at a time, while there are any.
#define CLEAN_INTERVAL_MS 50
// The keys follow the wall clock, which may jump: it is looked at this often even when no packet comes.
#define KEYS_LOOK_MS 1000

struct relay {
    struct relay_config config;
    struct relay_ports ports;
    struct relay_keys keys;
    struct replay_filter *filter;
    struct peel_queue queue;
    uint32_t jobs;    // peel jobs under way
    uint32_t peeling; // packets in them
    struct mix mix;
    struct cover cover;
    struct directory *directory;
    struct directory *previous; // packets made under it are still on their way
    bool ready;
    bool cleaning;         // records of keys that are gone wait for deletion
    uint64_t clean_ms;     // mono
    uint64_t keys_next_ms; // mono time of the next change of keys
};

// Tags of one key: what arrives in an epoch and its two overlaps of a sixth.
static uint64_t tags_max(const struct relay_config *config) {
    uint64_t epoch_ms = config->genesis->epoch_ms;
    uint64_t seconds = epoch_ms / 1000 + epoch_ms / 3000 + 1;
    return seconds > UINT64_MAX / config->packets_per_s ? UINT64_MAX : seconds * config->packets_per_s;
}

enum err relay_new(struct relay **out, const struct relay_config *config, const struct relay_ports *ports) {
    ASSERT(config->jobs_max > 0 && config->packets_per_s > 0);
    struct relay *relay = NEW(struct relay);
    relay->filter = replay_new(tags_max(config));
    if (relay->filter == NULL) {
        free(relay);
        return ERR_NO_MEMORY;
    }
    relay->config = *config;
    relay->ports = *ports;
    relay_keys_init(&relay->keys, config->genesis);
    relay->queue.count_max = config->peel_queue_max;
    relay->mix.count_max = config->delayed_packets_max;
    relay->mix.delay_ms_max = config->delay_ms_max;
    cover_init(&relay->cover, config->genesis->profile == PROFILE_BALANCED);
    relay->keys_next_ms = TIME_NEVER;
    *out = relay;
    return OK;
}

void relay_free(struct relay *relay) {
    if (relay == NULL)
        return;
    relay_keys_wipe(&relay->keys);
    replay_free(relay->filter);
    peel_queue_free(&relay->queue);
    mix_free(&relay->mix);
    directory_unref(relay->directory);
    directory_unref(relay->previous);
    free(relay);
}

static void count(struct step *step, enum metric metric) {
    metric_add(step->env->metrics, metric, 1);
}

// ---- keys and their sets of tags ----

// Every key in use has a set of tags open, and no other.
static void match_filter(struct relay *relay) {
    uint32_t open[RELAY_KEYS_USED_MAX];
    size_t open_count = replay_epochs(relay->filter, open);
    for (size_t i = 0; i < open_count; i++) {
        if (!relay_keys_used(&relay->keys, open[i]))
            replay_close(relay->filter, open[i]);
    }
    for (size_t i = 0; i < relay->keys.count; i++) {
        if (relay->keys.keys[i].used)
            replay_open(relay->filter, relay->keys.keys[i].key.epoch);
    }
    relay->cleaning = true;
}

static void rotate(struct relay *relay, struct step *step) {
    if (relay_keys_rotate(&relay->keys, step) && relay->ready)
        match_filter(relay);
    uint64_t left_ms = relay->keys.next_wall_ms - step->now.wall_ms;
    relay->keys_next_ms = step->now.mono_ms + (left_ms < KEYS_LOOK_MS ? left_ms : KEYS_LOOK_MS);
}

void relay_start(struct relay *relay, struct step *step, bool unclean_restart) {
    ASSERT(!relay->ready);
    replay_seed(relay->filter, &step->env->rng);
    relay_keys_load(&relay->keys, step, unclean_restart);
    match_filter(relay);
    step_start(step, replay_load_job(relay->filter));
    cover_start(&relay->cover, step);
    rotate(relay, step);
}

bool relay_ready(const struct relay *relay) {
    return relay->ready;
}

void relay_onion_keys(struct relay *relay, struct step *step, struct onion_keys *out) {
    rotate(relay, step);
    relay_keys_announce(&relay->keys, out, step->now.wall_ms);
}

void relay_show_onion_keys(struct relay *relay, struct step *step, struct onion_keys *out) {
    rotate(relay, step);
    relay_keys_window(&relay->keys, out, step->now.wall_ms);
}

bool relay_keys_changed(const struct relay *relay) {
    return relay->keys.changed;
}

void relay_set_directory(struct relay *relay, struct step *step, struct directory *directory) {
    (void)step;
    if (directory == relay->directory)
        return;
    if (relay->directory != NULL && directory != NULL && directory->epoch == relay->directory->epoch) {
        directory_unref(relay->directory);
    } else {
        directory_unref(relay->previous);
        relay->previous = relay->directory;
    }
    relay->directory = directory == NULL ? NULL : directory_ref(directory);
}

// ---- a packet's way ----

static void show_queue(const struct relay *relay, struct step *step) {
    metric_set(step->env->metrics, METRIC_RELAY_QUEUE, (int64_t)relay->queue.count + relay->peeling);
}

// An idle relay peels at once; a busy one lets batches fill, as many at a time as there are workers.
static void start_peeling(struct relay *relay, struct step *step) {
    while (relay->jobs < relay->config.jobs_max && (relay->jobs == 0 || relay->queue.count >= PEEL_BATCH_MAX)) {
        struct peel_job *peel =
            peel_job_new(&relay->queue, &relay->keys, step->now.wall_ms, relay->config.genesis->testnet);
        if (peel == NULL)
            break;
        relay->jobs++;
        relay->peeling += (uint32_t)peel->count;
        step_start(step, &peel->job);
    }
    show_queue(relay, step);
}

void relay_packet(struct relay *relay, struct step *step, const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    count(step, METRIC_RELAY_RECEIVED);
    if (!relay->ready) {
        count(step, METRIC_RELAY_DROPPED_NOT_READY);
        return;
    }
    rotate(relay, step);
    if (peel_queue_add(&relay->queue, packet, step->now.mono_ms) != OK)
        count(step, METRIC_RELAY_DROPPED_QUEUE_FULL);
    start_peeling(relay, step);
}

static void pass_on(struct relay *relay, struct step *step, const struct onion_packet *packet) {
    count(step, METRIC_RELAY_FORWARDED);
    metric_record_us(step->env->metrics, METRIC_RELAY_FORWARD_DELAY, (step->now.mono_ms - packet->arrived_ms) * 1000);
    relay->ports.forward(relay->ports.ctx, step, &packet->to, packet->bytes);
}

static bool knows(const struct relay *relay, const struct relay_id *id) {
    return (relay->directory != NULL && directory_find(relay->directory, id) != NULL) ||
           (relay->previous != NULL && directory_find(relay->previous, id) != NULL);
}

// Takes the packet out of *slot when it is to wait.
static void forward(struct relay *relay, struct step *step, struct onion_packet **slot,
                    const struct sphinx_peeled *peeled) {
    struct onion_packet *packet = *slot;
    memcpy(packet->to.bytes, peeled->next_id, sizeof packet->to.bytes);
    if (relay_id_equal(&packet->to, &relay->config.self) || !knows(relay, &packet->to)) {
        count(step, METRIC_RELAY_DROPPED_UNKNOWN_NEXT);
        return;
    }
    memcpy(packet->bytes, peeled->packet, sizeof packet->bytes);
    if (peeled->delay_ms == 0)
        pass_on(relay, step, packet);
    else if (mix_hold(&relay->mix, packet, peeled->delay_ms, step->now.mono_ms) == OK)
        *slot = NULL;
    else
        count(step, METRIC_RELAY_DROPPED_DELAY_FULL);
}

static const uint8_t *payload_of(const struct sphinx_peeled *peeled) {
    return peeled->packet + SPHINX_PACKET_BYTES - SPHINX_PAYLOAD_BYTES;
}

static void deliver(struct relay *relay, struct step *step, const struct sphinx_peeled *peeled) {
    struct span body;
    if (sphinx_payload_open(&body, payload_of(peeled)) != OK) {
        count(step, METRIC_RELAY_DROPPED_PAYLOAD);
        return;
    }
    if (cover_returned(&relay->cover, step, body))
        return;
    count(step, METRIC_RELAY_DELIVERED);
    relay->ports.deliver(relay->ports.ctx, step, body);
}

static void to_client(struct relay *relay, struct step *step, const struct sphinx_peeled *peeled) {
    struct handle handle;
    struct surb_id surb;
    memcpy(handle.bytes, peeled->next_id, sizeof handle.bytes);
    memcpy(surb.bytes, peeled->next_id + sizeof handle.bytes, sizeof surb.bytes);
    count(step, METRIC_RELAY_TO_CLIENT);
    relay->ports.to_client(relay->ports.ctx, step, &handle, &surb, payload_of(peeled));
}

// The one place where it is decided that a packet is the first of its kind.
static bool is_new(struct relay *relay, struct step *step, const struct sphinx_peeled *peeled) {
    enum err err = replay_take(relay->filter, step, peeled->epoch, peeled->replay_tag);
    if (err == ERR_REPLAY)
        count(step, METRIC_RELAY_REPLAYS);
    else if (err == ERR_FULL)
        count(step, METRIC_RELAY_DROPPED_FILTER_FULL);
    else if (err != OK)
        count(step, METRIC_RELAY_DROPPED_LATE); // its key went while it was being peeled
    return err == OK;
}

static void judge(struct relay *relay, struct step *step, struct onion_packet **slot,
                  const struct sphinx_peeled *peeled) {
    if (!is_new(relay, step, peeled))
        return;
    switch (peeled->type) {
    case SPHINX_FORWARD:
        forward(relay, step, slot, peeled);
        break;
    case SPHINX_DELIVER:
        deliver(relay, step, peeled);
        break;
    case SPHINX_CLIENT:
        to_client(relay, step, peeled);
        break;
    }
}

static void peel_done(struct relay *relay, struct step *step, struct peel_job *peel) {
    ASSERT(relay->jobs > 0 && relay->peeling >= peel->count);
    relay->jobs--;
    relay->peeling -= (uint32_t)peel->count;
    rotate(relay, step);
    for (size_t i = 0; i < peel->count; i++) {
        if (peel->errs[i] != OK)
            count(step, METRIC_RELAY_DROPPED_UNREADABLE);
        else
            judge(relay, step, &peel->packets[i], &peel->peeled[i]);
    }
    replay_store(relay->filter, step);
    metric_set(step->env->metrics, METRIC_RELAY_REPLAY_TAGS, (int64_t)replay_count(relay->filter));
    start_peeling(relay, step);
}

static void load_done(struct relay *relay, struct step *step) {
    relay->ready = true;
    relay->clean_ms = step->now.mono_ms;
    match_filter(relay); // keys may have gone meanwhile
    log_number(&step->env->log, LOG_INFO, "relay", "ready", "replay tags", (int64_t)replay_count(relay->filter));
}

void relay_job_done(struct relay *relay, struct step *step, struct job *job) {
    ASSERT(job->owner == JOB_OWNER_RELAY);
    if (peel_job_is(job)) {
        peel_done(relay, step, (struct peel_job *)job);
    } else {
        bool loaded = replay_loaded(relay->filter, job);
        ASSERT(loaded);
        load_done(relay, step);
    }
    job->free(job);
}

// ---- time ----

static void send_loops(struct relay *relay, struct step *step) {
    if (!relay->ready)
        return;
    const struct genesis *genesis = relay->config.genesis;
    const struct sphinx_relay_key *own = relay_keys_find(&relay->keys, epoch_at(genesis, step->now.wall_ms));
    struct relay_id first;
    uint8_t packet[SPHINX_PACKET_BYTES];
    if (cover_make(&relay->cover, step, relay->directory, &relay->config.self, own, &first, packet))
        relay->ports.forward(relay->ports.ctx, step, &first, packet);
}

static void release_delayed(struct relay *relay, struct step *step) {
    struct onion_packet *packet = mix_due(&relay->mix, step->now.mono_ms);
    for (; packet != NULL; packet = mix_due(&relay->mix, step->now.mono_ms)) {
        pass_on(relay, step, packet);
        free(packet);
    }
}

void relay_tick(struct relay *relay, struct step *step) {
    rotate(relay, step);
    release_delayed(relay, step);
    send_loops(relay, step);
    if (relay->ready && relay->cleaning && step->now.mono_ms >= relay->clean_ms) {
        relay->cleaning = replay_clean(relay->filter, step);
        relay->clean_ms = step->now.mono_ms + CLEAN_INTERVAL_MS;
    }
}

static uint64_t sooner(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t relay_next_ms(const struct relay *relay) {
    uint64_t next = sooner(mix_next_ms(&relay->mix), relay->keys_next_ms);
    if (!relay->ready)
        return next;
    next = sooner(next, cover_next_ms(&relay->cover));
    return relay->cleaning ? sooner(next, relay->clean_ms) : next;
}
