// The directory on its way between nodes: asking for it, taking it, announcing it, and on its signer's node making it.
#include <string.h>

#include "base/assert.h"
#include "node/node_internal.h"

#define DESCRIPTOR_RETRY_MS 500
#define DESCRIPTOR_RETRY_MS_MAX 30000
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

static void take(struct node *node, struct step *step, struct span bytes) {
    enum err err = follow_take(node->follow, step, bytes);
    if (err == OK) {
        taken(node, step);
    } else if (err != ERR_EXISTS && err != ERR_UNAVAILABLE) { // it may be taken when more is known
        refused(node, step);
    }
}

void following_judged(struct node *node, struct step *step, struct span bytes, bool proved) {
    if (proved) {
        take(node, step, bytes);
    } else {
        refused(node, step);
    }
}

// One that is not taken is of an epoch long past: the ledger catches up.
void following_issued(struct node *node, struct step *step, struct span bytes) {
    if (follow_take_own(node->follow, step, bytes) == OK) {
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

static void handle_get(struct node *node, struct step *step, struct link *link, struct span message) {
    uint32_t epoch;
    if (get_directory_decode(&epoch, message) != OK) {
        close_link(node, step, link, CLOSE_PROTOCOL);
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

static void handle_directory(struct node *node, struct step *step, struct link *link, struct span message) {
    uint32_t epoch;
    struct span directory;
    if (directory_message_decode(&epoch, &directory, message) != OK) {
        close_link(node, step, link, CLOSE_PROTOCOL);
    } else if (link->asks == 0) {
        metric_add(step->env->metrics, METRIC_MESSAGES_UNWANTED, 1);
    } else {
        link->asks--;
        node->announced_ask_ms = 0;
        if (directory.n > 0) {
            take(node, step, directory);
        }
    }
}

static void handle_descriptor(struct node *node, struct step *step, struct link *link, struct span message) {
    enum descriptor_refusal refusal = DESCRIPTOR_WRONG_ROLE;
    if (node->authority != NULL && link->has_key) {
        refusal = authority_take(node->authority, step, &link->key, (struct span){message.p + 1, message.n - 1});
    }
    uint8_t status[2];
    send_message(node, step, link, (struct span){status, descriptor_status_encode(status, refusal)});
}

// Only a seed is asked, and all but the signer's say so.
static void handle_descriptor_status(struct node *node, struct step *step, struct link *link, struct span message) {
    enum descriptor_refusal refusal;
    if (descriptor_status_decode(&refusal, message) != OK) {
        close_link(node, step, link, CLOSE_PROTOCOL);
    } else if (node->relay == NULL || !link->has_key || !relays_is_seed(node, &link->key)) {
        metric_add(step->env->metrics, METRIC_MESSAGES_UNWANTED, 1);
    } else if (refusal == DESCRIPTOR_TAKEN) {
        node->descriptor_taken = true;
    } else if (refusal != DESCRIPTOR_WRONG_ROLE) {
        log_reason(&step->env->log, LOG_WARN, "directory", "the directory's signer refused our descriptor",
                   descriptor_refusal_text(refusal));
    }
}

void following_message(struct node *node, struct step *step, struct link *link, struct span message) {
    ASSERT(message.n > 0);
    uint8_t kind = message.p[0];
    if (kind == MESSAGE_GET_DIRECTORY) {
        handle_get(node, step, link, message);
    } else if (kind == MESSAGE_DIRECTORY) {
        handle_directory(node, step, link, message);
    } else if (kind == MESSAGE_DESCRIPTOR) {
        handle_descriptor(node, step, link, message);
    } else {
        ASSERT(kind == MESSAGE_DESCRIPTOR_STATUS);
        handle_descriptor_status(node, step, link, message);
    }
}

// Sends this relay's descriptor to every seed it has a link to; asks for those links.
static void send_descriptor(struct node *node, struct step *step) {
    struct descriptor descriptor = {.id = node->self,
                                    .address = node->config.address,
                                    .published_ms = step->now.wall_ms,
                                    .retiring = node->config.retiring};
    relay_onion_keys(node->relay, step, &descriptor.onion);
    uint8_t message[1 + DESCRIPTOR_BYTES_MAX] = {MESSAGE_DESCRIPTOR};
    size_t n = 1 + descriptor_encode(message + 1, &descriptor, &node->config.genesis.network, &node->identity);
    for (size_t i = 0; i < node->config.genesis.seed_count; i++) {
        const struct relay_id *seed = &node->config.genesis.seeds[i].id;
        if (relay_id_equal(seed, &node->self)) {
            continue;
        }
        struct peer *peer = relays_want(node, step, seed);
        struct link *link = link_table_find(&node->links, peer->link);
        peer->keep = true;
        if (link != NULL) {
            send_message(node, step, link, (struct span){message, n});
        }
    }
    if (node->authority != NULL &&
        authority_take(node->authority, step, &node->self, (struct span){message + 1, n - 1}) == DESCRIPTOR_TAKEN) {
        node->descriptor_taken = true;
    }
    uint32_t doublings = node->descriptor_tries < 6 ? node->descriptor_tries : 6;
    uint64_t wait_ms = (uint64_t)DESCRIPTOR_RETRY_MS << doublings;
    node->descriptor_tries++;
    node->descriptor_retry_ms =
        step->now.mono_ms + (wait_ms < DESCRIPTOR_RETRY_MS_MAX ? wait_ms : DESCRIPTOR_RETRY_MS_MAX);
}

// In a network with a ledger a relay is known by its registration there.
static bool sends_descriptors(const struct node *node) {
    return node->relay != NULL && node->light == NULL;
}

void following_seed_up(struct node *node, struct step *step) {
    if (sends_descriptors(node) && !node->descriptor_taken) {
        node->descriptor_retry_ms = step->now.mono_ms;
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
        const struct relay_id *seed = &node->config.genesis.seeds[i].id;
        if (!relay_id_equal(seed, &node->self)) {
            relays_want(node, step, seed)->keep = true;
        }
    }
    return chosen;
}

// A relay hears from the seeds, which are validators, that there is a new directory.
static void keep_links_to_seeds(struct node *node, struct step *step) {
    for (size_t i = 0; i < node->config.genesis.seed_count; i++) {
        const struct relay_id *seed = &node->config.genesis.seeds[i].id;
        if (!relay_id_equal(seed, &node->self)) {
            relays_want(node, step, seed)->keep = true;
        }
    }
}

void following_start(struct node *node, struct step *step) {
    if (node->light != NULL) {
        light_role_start(node, step);
    }
    follow_load(node->follow, step);
    if (follow_newest(node->follow) != NULL) {
        relays_directory_changed(node, step);
    }
    if (node->authority != NULL) {
        authority_load(node->authority, step);
    }
    if (node_serves(node) && node->ledger == NULL && node->light != NULL) {
        keep_links_to_seeds(node, step);
    }
    node->descriptor_retry_ms = sends_descriptors(node) ? step->now.mono_ms : TIME_NEVER;
}

void following_tick(struct node *node, struct step *step) {
    if (node->authority != NULL) {
        struct buf issued = {0};
        if (authority_issue(node->authority, step, &issued)) {
            take(node, step, buf_span(&issued));
        }
        buf_free(&issued);
    }
    uint32_t epoch;
    if (node->authority == NULL && node->ledger == NULL && follow_wants(node->follow, step, &epoch)) {
        struct link *link = link_to_ask(node, step);
        if (link != NULL) {
            ask(node, step, link, epoch);
        }
    }
    if (sends_descriptors(node) && relay_keys_changed(node->relay)) {
        node->descriptor_taken = false;
        node->descriptor_tries = 0;
        node->descriptor_retry_ms = 0;
    }
    if (sends_descriptors(node) && !node->descriptor_taken && node->descriptor_retry_ms <= step->now.mono_ms) {
        send_descriptor(node, step);
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

uint64_t following_next_ms(const struct node *node, const struct now *now) {
    uint64_t next = node->authority != NULL ? authority_next_ms(node->authority, now)
                    : node->ledger != NULL  ? TIME_NEVER
                                            : follow_next_ms(node->follow);
    if (sends_descriptors(node) && !node->descriptor_taken && node->descriptor_retry_ms < next) {
        next = node->descriptor_retry_ms;
    }
    return next;
}
