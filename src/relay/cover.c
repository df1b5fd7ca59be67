// Loops: made, recognised, missed.
//   body   0 1 | id 16      (no mailbox operation begins with 0)
#include "relay/cover.h"

#include <string.h>

#include "base/assert.h"

#define LOOP_BODY_BYTES (1 + COVER_ID_BYTES)

void cover_init(struct cover *cover, bool enabled) {
    *cover = (struct cover){.next_ms = enabled ? 0 : TIME_NEVER};
}

static void schedule(struct cover *cover, struct step *step) {
    cover->next_ms = step->now.mono_ms + rng_exponential_ms(&step->env->rng, COVER_MEAN_MS);
}

void cover_start(struct cover *cover, struct step *step) {
    if (cover->next_ms != TIME_NEVER)
        schedule(cover, step);
}

static void outcome(struct cover *cover, struct step *step, bool lost) {
    if (cover->outcome_count == COVER_WINDOW)
        cover->lost_count -= cover->lost[cover->outcome_next] ? 1 : 0;
    else
        cover->outcome_count++;
    cover->lost[cover->outcome_next] = lost;
    cover->outcome_next = (cover->outcome_next + 1) % COVER_WINDOW;
    cover->lost_count += lost ? 1 : 0;
    metric_add(step->env->metrics, lost ? METRIC_RELAY_LOOPS_LOST : METRIC_RELAY_LOOPS_RETURNED, 1);
    metric_set(step->env->metrics, METRIC_RELAY_LOOP_ALARM, cover->lost_count > COVER_LOST_ALARM ? 1 : 0);
}

static void forget(struct cover *cover, size_t i) {
    ASSERT(i < cover->under_way_count);
    memmove(&cover->under_way[i], &cover->under_way[i + 1],
            (cover->under_way_count - i - 1) * sizeof cover->under_way[0]);
    cover->under_way_count--;
}

static void count_lost(struct cover *cover, struct step *step) {
    while (cover->under_way_count > 0 && (cover->under_way_count == COVER_UNDER_WAY_MAX ||
                                          step->now.mono_ms - cover->under_way[0].sent_ms >= COVER_LOST_MS)) {
        forget(cover, 0);
        outcome(cover, step, true);
    }
}

// A random relay that is neither of `others` and has a key of that epoch; NULL: none.
static const struct directory_relay *draw(struct step *step, const struct directory *directory, uint32_t epoch,
                                          const struct relay_id *others[static 2]) {
    size_t start = (size_t)rng_below(&step->env->rng, directory->relay_count);
    for (size_t i = 0; i < directory->relay_count; i++) {
        const struct directory_relay *relay = &directory->relays[(start + i) % directory->relay_count];
        if (directory_onion_key(relay, epoch) != NULL && !relay_id_equal(&relay->id, others[0]) &&
            !relay_id_equal(&relay->id, others[1]))
            return relay;
    }
    return NULL;
}

static void fill_hop(struct sphinx_hop *hop, struct step *step, const struct directory_relay *relay, uint32_t epoch) {
    memcpy(hop->id, relay->id.bytes, sizeof hop->id);
    hop->onion = *directory_onion_key(relay, epoch);
    hop->key_epoch = (uint8_t)(epoch % 256);
    hop->delay_ms = (uint32_t)rng_exponential_ms(&step->env->rng, COVER_HOP_DELAY_MEAN_MS);
}

// Self is in the directory (else the others would not send it anything), and two others to go through.
static bool draw_route(struct sphinx_hop hops[static 3], struct step *step, const struct directory *directory,
                       const struct relay_id *self, const struct sphinx_relay_key *own) {
    if (directory_find(directory, self) == NULL)
        return false;
    const struct directory_relay *first = draw(step, directory, own->epoch, (const struct relay_id *[]){self, self});
    if (first == NULL)
        return false;
    const struct directory_relay *second =
        draw(step, directory, own->epoch, (const struct relay_id *[]){self, &first->id});
    if (second == NULL)
        return false;
    fill_hop(&hops[0], step, first, own->epoch);
    fill_hop(&hops[1], step, second, own->epoch);
    hops[2] = (struct sphinx_hop){.onion = own->public, .key_epoch = (uint8_t)(own->epoch % 256)};
    memcpy(hops[2].id, self->bytes, sizeof hops[2].id);
    return true;
}

bool cover_make(struct cover *cover, struct step *step, const struct directory *directory, const struct relay_id *self,
                const struct sphinx_relay_key *own, struct relay_id *first,
                uint8_t packet[static SPHINX_PACKET_BYTES]) {
    count_lost(cover, step);
    if (step->now.mono_ms < cover->next_ms)
        return false;
    schedule(cover, step);
    struct sphinx_hop hops[3];
    if (directory == NULL || own == NULL || !draw_route(hops, step, directory, self, own))
        return false;
    struct cover_loop *loop = &cover->under_way[cover->under_way_count];
    rng_bytes(&step->env->rng, loop->id, sizeof loop->id);
    loop->sent_ms = step->now.mono_ms;
    uint8_t body[LOOP_BODY_BYTES] = {0};
    memcpy(body + 1, loop->id, sizeof loop->id);
    struct sphinx_end end = {.type = SPHINX_DELIVER};
    if (sphinx_make(packet, hops, 3, &end, SPAN_OF(body), &step->env->rng) != OK)
        return false; // a relay announced a bad point
    cover->under_way_count++;
    memcpy(first->bytes, hops[0].id, sizeof first->bytes);
    metric_add(step->env->metrics, METRIC_RELAY_LOOPS_SENT, 1);
    return true;
}

bool cover_returned(struct cover *cover, struct step *step, struct span body) {
    if (body.n != LOOP_BODY_BYTES || body.p[0] != 0)
        return false;
    for (size_t i = 0; i < cover->under_way_count; i++) {
        if (memcmp(cover->under_way[i].id, body.p + 1, COVER_ID_BYTES) != 0)
            continue;
        forget(cover, i);
        outcome(cover, step, false);
        return true;
    }
    return false;
}

uint64_t cover_next_ms(const struct cover *cover) {
    if (cover->under_way_count == 0)
        return cover->next_ms;
    uint64_t lost_ms = cover->under_way[0].sent_ms + COVER_LOST_MS;
    return lost_ms < cover->next_ms ? lost_ms : cover->next_ms;
}
