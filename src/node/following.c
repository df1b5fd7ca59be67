// The directory on its way between nodes: asking for it, taking it, announcing it, serving it.
#include <string.h>

#include "base/assert.h"
#include "node/node_internal.h"

// Newcomers that may send us a directory while we hold none.
#define ASKED_STRANGERS_MAX 4
// Several relays announce the same directory at once; one of them is asked.
#define ANNOUNCED_ASK_MS 1000
#define ASKS_MAX 4 // unanswered, on one link
#define REFUSAL_SILENT_MS MINUTE_MS

// Whoever may send us a directory may send a megabyte, so not everybody is asked: relays, and a few strangers when
// there is nothing to know a relay by.
static bool may_ask(const struct node *node, const struct link *link) {
    if (!link->hello_received || link->asks >= ASKS_MAX) {
        return false;
    }
    if (relays_is_trusted(node, link)) {
        return true;
    }
    size_t strangers = 0;
    for (size_t i = 0; i < node->links.count; i++) {
        const struct link *other = node->links.links[i];
        strangers += other != link && other->asks > 0 && !relays_is_trusted(node, other);
    }
    return link->has_key && follow_newest(node->follow) == NULL && strangers < ASKED_STRANGERS_MAX;
}

static void ask(struct node *node, struct step *step, struct link *link, uint32_t epoch) {
    uint8_t message[5];
    link->asks++;
    send_message(node, step, link, (struct span){message, get_directory_encode(message, epoch)});
}

// Tells those who hold an older one that there is a newer. Clients know by the clock when to ask, and are told only
// when they hold none.
static void announce(struct node *node, struct step *step, uint32_t epoch) {
    struct link *link = link_table_after(&node->links, LINK_SELF);
    while (link != NULL) {
        uint64_t id = link->id;
        if (link->hello_received && link->peer_epoch < epoch && (link->has_key || link->peer_epoch == 0)) {
            send_hello(node, step, link, false);
        }
        link = link_table_after(&node->links, id);
    }
}

// Counted; said once a minute, for whoever sends one may send many.
static void refused(struct node *node, struct step *step) {
    metric_add(step->env->metrics, METRIC_DIRECTORIES_REFUSED, 1);
    if (step->now.mono_ms < node->refusal_silent_ms) {
        return;
    }
    node->refusal_silent_ms = step->now.mono_ms + REFUSAL_SILENT_MS;
    log_reason(&step->env->log, LOG_WARN, "directory", "directory refused", follow_refusal(node->follow));
}

static void taken(struct node *node, struct step *step) {
    metric_add(step->env->metrics, METRIC_DIRECTORIES_TAKEN, 1);
    node->next_epoch_ms = 0; // look again at which one is in force
    relays_directory_changed(node, step);
    if (node_serves(node)) {
        announce(node, step, follow_newest(node->follow)->epoch);
    }
}

static void take(struct node *node, struct step *step, struct span bundle) {
    enum err err = follow_take(node->follow, step, bundle);
    if (err == OK) {
        taken(node, step);
    } else if (err != ERR_EXISTS && err != ERR_UNAVAILABLE) { // it may be taken when more is known
        refused(node, step);
    }
}

void following_judged(struct node *node, struct step *step, struct span bundle, bool proved) {
    if (proved) {
        take(node, step, bundle);
    } else {
        refused(node, step);
    }
}

// One that is not taken is of an epoch long past: the ledger catches up.
void following_issued(struct node *node, struct step *step, struct span bundle) {
    if (follow_take_own(node->follow, step, bundle) == OK) {
        taken(node, step);
    }
}

static bool asked_lately(const struct node *node, const struct step *step) {
    return node->announced_ask_ms != 0 && step->now.mono_ms - node->announced_ask_ms < ANNOUNCED_ASK_MS;
}

void following_hello(struct node *node, struct step *step, struct link *link, uint32_t epoch) {
    link->peer_epoch = epoch;
    struct directory *newest = follow_newest(node->follow);
    bool newer = epoch > (newest == NULL ? 0 : newest->epoch);
    if (newer && (node_serves(node) || newest == NULL) && !asked_lately(node, step) && may_ask(node, link)) {
        node->announced_ask_ms = step->now.mono_ms;
        ask(node, step, link, 0);
    }
}

// A directory is hundreds of times the size of the question. Who is no relay gets one at a time, and not many.
static bool may_have_directory(struct node *node, struct step *step, struct link *link) {
    return relays_is_trusted(node, link) ||
           (link->messages.cells == 0 && bucket_take(&link->directories, step->now.mono_ms, 1));
}

void following_asked(struct node *node, struct step *step, struct link *link, struct span message) {
    uint32_t epoch;
    if (get_directory_decode(&epoch, message) != OK) {
        close_link(node, step, link, CLOSE_PROTOCOL);
        return;
    }
    if (!node_serves(node)) { // of one directory there are many proofs: whose we hold would tell us again
        metric_add(step->env->metrics, METRIC_MESSAGES_UNWANTED, 1);
        return;
    }
    struct directory *directory = epoch == 0 ? follow_newest(node->follow) : follow_epoch(node->follow, epoch);
    if (directory != NULL && !may_have_directory(node, step, link)) {
        metric_add(step->env->metrics, METRIC_PACKETS_LIMITED, 1);
        return;
    }
    struct buf answer = {0};
    directory_message_encode(&answer, epoch, directory == NULL ? (struct span){NULL, 0} : buf_span(&directory->bytes));
    if (directory != NULL && link->peer_epoch < directory->epoch) {
        link->peer_epoch = directory->epoch;
    }
    send_message(node, step, link, buf_span(&answer));
    buf_free(&answer);
}

void following_answered(struct node *node, struct step *step, struct link *link, struct span message) {
    uint32_t epoch;
    struct span bundle;
    if (directory_message_decode(&epoch, &bundle, message) != OK) {
        close_link(node, step, link, CLOSE_PROTOCOL);
    } else if (link->asks == 0) {
        metric_add(step->env->metrics, METRIC_MESSAGES_UNWANTED, 1);
    } else {
        link->asks--;
        node->announced_ask_ms = 0;
        if (bundle.n > 0) {
            take(node, step, bundle);
        }
    }
}

static void keep_link_to_seed(struct node *node, struct step *step, const struct relay_id *seed) {
    if (!relay_id_equal(seed, &node->self)) {
        relays_want(node, step, seed)->keep = true;
    }
}

// A link to ask on: any of a relay, drawn at random so that relays share the work; else a seed is dialled. A node that
// gets nothing from those it has links to turns to the seeds, too.
static struct link *link_to_ask(struct node *node, struct step *step) {
    size_t candidates = 0;
    struct link *chosen = NULL;
    for (size_t i = 0; i < node->links.count; i++) {
        struct link *link = node->links.links[i];
        if (may_ask(node, link) && rng_below(&step->env->rng, ++candidates) == 0) {
            chosen = link;
        }
    }
    if (chosen == NULL || (node->directory == NULL && rng_below(&step->env->rng, 4) == 0)) {
        size_t i = (size_t)rng_below(&step->env->rng, node->config.genesis.seed_count);
        keep_link_to_seed(node, step, &node->config.genesis.seeds[i].id);
    }
    return chosen;
}

void following_start(struct node *node, struct step *step) {
    light_role_start(node, step);
    follow_load(node->follow, step);
    if (follow_newest(node->follow) != NULL) {
        relays_directory_changed(node, step);
    }
    bool hears_of_new_ones = node_serves(node) && node->ledger == NULL; // from the validators among the seeds
    for (size_t i = 0; hears_of_new_ones && i < node->config.genesis.seed_count; i++) {
        keep_link_to_seed(node, step, &node->config.genesis.seeds[i].id);
    }
}

void following_tick(struct node *node, struct step *step) {
    uint32_t epoch;
    if (node->ledger == NULL && follow_wants(node->follow, step, &epoch)) {
        struct link *link = link_to_ask(node, step);
        if (link != NULL) {
            ask(node, step, link, epoch);
        }
    }
}

void following_want(struct node *node, struct step *step, uint32_t epoch) {
    struct directory *newest = follow_newest(node->follow);
    if ((newest != NULL && newest->epoch >= epoch) || asked_lately(node, step) ||
        epoch > epoch_at(&node->config.genesis, step->now.wall_ms) + 1) {
        return; // whoever names it may be lying
    }
    struct link *link = link_to_ask(node, step);
    if (link != NULL) {
        node->announced_ask_ms = step->now.mono_ms;
        ask(node, step, link, 0);
    }
}

uint64_t following_next_ms(const struct node *node) {
    return node->ledger != NULL ? TIME_NEVER : follow_next_ms(node->follow);
}
