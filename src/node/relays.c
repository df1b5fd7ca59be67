// Links to relays: whom to dial, when to try again, and who is told when they come and go.
//
//   wanted -> dial -> open -> hello: the relay's link -> lost: dialled again, at once if it had lasted, else later
//
// Of two relays the one with the smaller identity dials; the other dials only when it has something to send and no link
// yet. When both have, the newest link is used (an older one may be half dead), and the one with the smaller identity
// ends the older.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "node/node_internal.h"

// Up to so many relays keep a link to every other; in larger networks links are made as packets need them.
#define FULL_MESH_RELAYS_MAX 64
#define REDIAL_MS_MIN 100
#define REDIAL_MS_MAX 10000
// A link that ends sooner counts as a failed dial, so that two nodes which cannot get along do not spin.
#define LASTING_MS 5000
// What is still on its way over an older link may arrive.
#define RETIRE_MS 2000
// Replication: besides what there is to send, each tick each peer gets a dummy cell with probability 1 / DUMMY_ODDS.
#define DUMMY_ODDS 8

static const struct address *address_of(const struct node *node, const struct relay_id *relay) {
    const struct directory *directories[] = {follow_newest(node->follow), node->directory, node->previous};
    for (size_t i = 0; i < 3; i++) {
        const struct directory_relay *listed = directories[i] == NULL ? NULL : directory_find(directories[i], relay);
        if (listed != NULL) {
            return &listed->address;
        }
    }
    for (size_t i = 0; i < node->config.genesis.seed_count; i++) {
        if (relay_id_equal(&node->config.genesis.seeds[i].id, relay)) {
            return &node->config.genesis.seeds[i].address;
        }
    }
    return NULL;
}

bool relays_is_listed(const struct node *node, const struct relay_id *relay) {
    const struct directory *directories[] = {node->directory, node->previous, follow_newest(node->follow)};
    for (size_t i = 0; i < 3; i++) {
        if (directories[i] != NULL && directory_find(directories[i], relay) != NULL) {
            return true;
        }
    }
    return false;
}

bool relays_is_trusted(const struct node *node, const struct link *link) {
    return link->dial != 0 || (link->has_key && relays_is_listed(node, &link->key));
}

bool relays_is_seed(const struct node *node, const struct relay_id *relay) {
    for (size_t i = 0; i < node->config.genesis.seed_count; i++) {
        if (relay_id_equal(&node->config.genesis.seeds[i].id, relay)) {
            return true;
        }
    }
    return false;
}

bool relays_seeds_refuse(const struct node *node) {
    for (size_t i = 0; i < node->config.genesis.seed_count; i++) {
        const struct peer *peer = peer_table_find(&node->peers, &node->config.genesis.seeds[i].id);
        if (peer != NULL && peer->tls_failed) {
            return true;
        }
    }
    return false;
}

// A user's node and nothing else: it keeps no link that it does not need.
static bool is_client_only(const struct node *node) {
    return !node_serves(node);
}

// ---- dialling ----

static uint64_t dial_due_ms(const struct peer *peer) {
    bool wants = peer->keep || peer->entry || peer->wanted;
    return wants && peer->link == 0 && peer->dial == 0 ? peer->not_before_ms : TIME_NEVER;
}

static void dial(struct node *node, struct step *step, struct peer *peer) {
    const struct address *moved = addressing_of(node, &peer->id);
    const struct address *address = moved != NULL && !peer->as_listed ? moved : address_of(node, &peer->id);
    if (address == NULL) { // no longer known to anybody
        outgoing_queue_free(&peer->waiting);
        peer->wanted = false;
        peer->not_before_ms = step->now.mono_ms + REDIAL_MS_MAX;
        return;
    }
    peer->dial = ++node->next_dial;
    struct effect *effect = effects_add(node->effects, EFFECT_DIAL);
    effect->dial.dial = peer->dial;
    effect->dial.address = *address;
    memcpy(effect->dial.expected.bytes, peer->id.bytes, sizeof(peer->id.bytes));
    effect->dial.show_certificate = node_has_identity(node);
}

// Dials now if that is due, else when it will be.
static void dial_when_due(struct node *node, struct step *step, struct peer *peer) {
    if (!node->stopping && dial_due_ms(peer) <= step->now.mono_ms) {
        dial(node, step, peer);
    }
    uint64_t due_ms = dial_due_ms(peer);
    node->redial_ms = due_ms < node->redial_ms ? due_ms : node->redial_ms;
}

struct peer *relays_want(struct node *node, struct step *step, const struct relay_id *relay) {
    ASSERT(!relay_id_equal(relay, &node->self));
    struct peer *peer = peer_table_find(&node->peers, relay);
    if (peer == NULL) {
        if (address_of(node, relay) == NULL) {
            return NULL;
        }
        peer = peer_table_add(&node->peers, relay);
    }
    if (peer->link == 0) {
        peer->wanted = true;
        dial_when_due(node, step, peer);
    }
    return peer;
}

static uint64_t backoff_ms(struct step *step, uint32_t failures) {
    uint64_t ms = REDIAL_MS_MIN;
    for (uint32_t i = 1; i < failures && ms < REDIAL_MS_MAX; i++) {
        ms *= 2;
    }
    ms = ms < REDIAL_MS_MAX ? ms : REDIAL_MS_MAX;
    return ms / 2 + rng_below(&step->env->rng, ms / 2 + 1); // so that a crowd does not come back at once
}

// ---- who is told ----

static void tell_up(struct node *node, struct step *step, struct peer *peer) {
    if (node->mailbox != NULL && peer->mailbox_told != TOLD_UP && relays_is_listed(node, &peer->id)) {
        peer->mailbox_told = TOLD_UP;
        mailbox_replica_up(node->mailbox, step, &peer->id);
    }
}

static void tell_down(struct node *node, struct step *step, struct peer *peer) {
    if (node->mailbox != NULL && peer->mailbox_told != TOLD_DOWN && relays_is_listed(node, &peer->id)) {
        peer->mailbox_told = TOLD_DOWN;
        mailbox_replica_down(node->mailbox, step, &peer->id);
    }
}

static void use_link(struct node *node, struct peer *peer, struct link *link) {
    peer->link = link->id;
    peer->wanted = false;
    peer->entry_untold = peer->entry; // each link gets handles of its own
    node->entry_untold = node->entry_untold || peer->entry;
}

void relays_tell_client(struct node *node, struct step *step) {
    while (node->entry_untold) {
        node->entry_untold = false;
        if (node->self_entry_untold) {
            node->self_entry_untold = false;
            client_link_up(node->client, step, &node->self);
        }
        for (size_t i = 0; i < node->peers.count; i++) {
            struct peer *peer = node->peers.peers[i];
            if (peer->entry_untold && peer->link != 0) {
                struct relay_id id = peer->id;
                peer->entry_untold = false;
                client_link_up(node->client, step, &id);
            }
        }
    }
}

// ---- links that come ----

void relays_opened(struct node *node, struct step *step, struct link *link) {
    struct peer *peer = peer_table_find(&node->peers, &link->key);
    if (peer == NULL && relays_is_listed(node, &link->key)) {
        peer = peer_table_add(&node->peers, &link->key);
    }
    if (peer == NULL) {
        if (link->dial != 0) {
            close_link(node, step, link, CLOSE_UNWANTED);
        }
        return; // inbound: a newcomer that wants the directory or registers
    }
    peer->tls_failed = false;
    if (link->dial != 0 && peer->dial == link->dial) {
        peer->dial = 0;
    }
    if (is_client_only(node) && !peer->entry && !peer->keep && !peer->wanted) {
        close_link(node, step, link, CLOSE_UNWANTED);
        return;
    }
    struct link *older = link_table_find(&node->links, peer->link);
    if (older != NULL && relay_id_compare(&node->self, &peer->id) < 0) {
        older->retire_ms = step->now.mono_ms + RETIRE_MS;
    }
    use_link(node, peer, link);
    send_queue(node, step, peer->link, &peer->waiting);
    tell_up(node, step, peer);
    addressing_link_up(node, step, link);
}

// ---- links and dials that end ----

// What waited for a relay that cannot be reached is lost as the network may lose it.
static void attempt_failed(struct node *node, struct step *step, struct peer *peer) {
    if (peer->link != 0) {
        return; // there is one from the other side
    }
    peer->failures++;
    peer->as_listed = !peer->as_listed; // the address that last worked stays the first to be tried
    peer->not_before_ms = step->now.mono_ms + backoff_ms(step, peer->failures);
    addressing_dial_failed(node, step);
    // A replica that is thought to be unreachable must be found again when it is back.
    peer->wanted = node->relay != NULL && relays_is_listed(node, &peer->id);
    outgoing_queue_free(&peer->waiting);
    tell_down(node, step, peer);
    dial_when_due(node, step, peer);
}

// Another greeted link to the same relay, if there is one: the newest.
static struct link *other_link(struct node *node, const struct link *gone) {
    for (size_t i = node->links.count; i-- > 0;) {
        struct link *link = node->links.links[i];
        if (link != gone && link->hello_received && link->has_key && relay_id_equal(&link->key, &gone->key)) {
            return link;
        }
    }
    return NULL;
}

static void link_lost(struct node *node, struct step *step, struct peer *peer, bool lasted) {
    peer->link = 0;
    peer->failures = lasted ? 0 : peer->failures + 1;
    // After a link that had lasted at once: most often the other side starts anew.
    peer->not_before_ms = step->now.mono_ms + (lasted ? 0 : backoff_ms(step, peer->failures));
    outgoing_queue_free(&peer->ticked);
    if (peer->entry && !peer->entry_untold) {
        client_link_down(node->client, step, &peer->id);
    }
    peer->entry_untold = false;
    tell_down(node, step, peer);
    dial_when_due(node, step, peer);
}

void relays_closed(struct node *node, struct step *step, const struct link *link, enum close_reason reason) {
    struct peer *peer = link->has_key ? peer_table_find(&node->peers, &link->key) : NULL;
    if (peer == NULL) {
        return;
    }
    if (link->dial != 0 && peer->dial == link->dial) { // it never said hello
        peer->dial = 0;
        peer->tls_failed = reason == CLOSE_TLS;
        attempt_failed(node, step, peer);
    } else if (peer->link == link->id) {
        struct link *other = other_link(node, link);
        if (other != NULL) {
            other->retire_ms = TIME_NEVER;
            use_link(node, peer, other);
        } else {
            link_lost(node, step, peer, step->now.mono_ms - link->opened_ms >= LASTING_MS);
        }
    }
}

void relays_dial_failed(struct node *node, struct step *step, uint64_t dial_number, enum close_reason reason) {
    for (size_t i = 0; i < node->peers.count; i++) {
        struct peer *peer = node->peers.peers[i];
        if (peer->dial == dial_number) {
            peer->dial = 0;
            peer->tls_failed = reason == CLOSE_TLS;
            attempt_failed(node, step, peer);
            return;
        }
    }
}

// ---- holding for the client ----

void relays_hold(struct node *node, struct step *step, const struct relay_id *entry) {
    struct peer *peer = relays_want(node, step, entry);
    if (peer == NULL) {
        return;
    }
    peer->entry = true;
    // Told later in this step: the client is in the middle of something.
    peer->entry_untold = peer->link != 0;
    node->entry_untold = node->entry_untold || peer->entry_untold;
}

void relays_let_go(struct node *node, struct step *step, const struct relay_id *entry) {
    struct peer *peer = peer_table_find(&node->peers, entry);
    if (peer == NULL) {
        return;
    }
    peer->entry = peer->entry_untold = peer->wanted = false;
    struct link *link = link_table_find(&node->links, peer->link);
    if (link != NULL && is_client_only(node) && !peer->keep) {
        close_link(node, step, link, CLOSE_UNWANTED);
    }
}

// ---- a relay elsewhere ----

void relays_moved(struct node *node, struct step *step, const struct relay_id *relay) {
    struct peer *peer = peer_table_find(&node->peers, relay);
    if (peer == NULL) {
        return;
    }
    peer->as_listed = false;
    if (peer->link == 0) {
        peer->not_before_ms = step->now.mono_ms;
        dial_when_due(node, step, peer);
    }
}

void relays_asked(struct node *node, struct step *step, struct link *link) {
    struct peer *peer = peer_table_find(&node->peers, &link->key);
    if (is_client_only(node) && node->directory != NULL && link->asks == 0 && peer != NULL && !peer->entry) {
        peer->keep = false;
        close_link(node, step, link, CLOSE_UNWANTED);
    }
}

// ---- a new directory ----

// Relays that nothing refers to any more are forgotten, and with them the links that were made to them.
static void forget_unlisted(struct node *node, struct step *step) {
    for (size_t i = node->peers.count; i-- > 0;) {
        struct peer *peer = node->peers.peers[i];
        if (peer->dial != 0 || peer->entry || relays_is_listed(node, &peer->id) || relays_is_seed(node, &peer->id)) {
            continue;
        }
        struct link *link = link_table_find(&node->links, peer->link);
        peer->link = 0;
        if (link != NULL && link->dial != 0) {
            close_link(node, step, link, CLOSE_UNWANTED);
        }
        peer_table_remove(&node->peers, peer);
    }
}

// A user who has a directory needs the seed no more: only the entries learn that they are there.
static void drop_all_but_entries(struct node *node, struct step *step) {
    for (size_t i = 0; i < node->peers.count; i++) {
        struct peer *peer = node->peers.peers[i];
        peer->keep = peer->wanted = false;
        struct link *link = link_table_find(&node->links, peer->link);
        if (!peer->entry && link != NULL) {
            close_link(node, step, link, CLOSE_UNWANTED);
        }
    }
}

// A link that a relay made before we knew it.
static struct link *greeted_link(struct node *node, const struct relay_id *relay) {
    for (size_t i = 0; i < node->links.count; i++) {
        struct link *link = node->links.links[i];
        if (link->hello_received && link->has_key && relay_id_equal(&link->key, relay)) {
            return link;
        }
    }
    return NULL;
}

static void listed(struct node *node, struct step *step, const struct relay_id *relay, bool mesh) {
    struct peer *peer = peer_table_find(&node->peers, relay);
    if (peer == NULL || peer->link == 0) {
        struct link *link = greeted_link(node, relay);
        if (link != NULL) {
            relays_opened(node, step, link);
        }
    } else {
        tell_up(node, step, peer);
    }
    if (mesh && relay_id_compare(&node->self, relay) < 0) {
        relays_want(node, step, relay)->keep = true;
    }
}

// Which links a node keeps: a relay to all others while there are few, and to the seeds always; a user to its entries.
void relays_directory_changed(struct node *node, struct step *step) {
    const struct directory *directory = follow_newest(node->follow);
    addressing_directory_changed(node, step);
    if (is_client_only(node)) {
        drop_all_but_entries(node, step);
    }
    if (node->relay != NULL) {
        for (size_t i = 0; i < node->peers.count; i++) {
            struct peer *peer = node->peers.peers[i];
            peer->keep = relays_is_seed(node, &peer->id);
        }
        bool mesh = directory->relay_count <= FULL_MESH_RELAYS_MAX;
        for (size_t i = 0; i < directory->relay_count; i++) {
            if (!relay_id_equal(&directory->relays[i].id, &node->self)) {
                listed(node, step, &directory->relays[i].id, mesh);
            }
        }
    }
    forget_unlisted(node, step);
}

// ---- time ----

static void send_dummies(struct node *node, struct step *step) {
    for (size_t i = 0; i < node->peers.count; i++) {
        struct link *link = link_table_find(&node->links, node->peers.peers[i]->link);
        if (link != NULL && relays_is_listed(node, &link->key) && rng_below(&step->env->rng, DUMMY_ODDS) == 0) {
            send_cell(node, step, link, CELL_DUMMY, (struct span){NULL, 0}, true);
        }
    }
}

static void replication_tick(struct node *node, struct step *step) {
    for (size_t i = 0; i < node->peers.count; i++) {
        struct peer *peer = node->peers.peers[i];
        if (peer->ticked.first != NULL) {
            send_queue(node, step, peer->link, &peer->ticked);
        }
    }
    send_dummies(node, step);
    uint64_t tick_ms = node->config.genesis.tick_ms;
    node->tick_ms = step->now.mono_ms - step->now.mono_ms % tick_ms + tick_ms;
}

void relays_tick(struct node *node, struct step *step) {
    if (node->tick_ms <= step->now.mono_ms) {
        replication_tick(node, step);
    }
    if (node->redial_ms <= step->now.mono_ms) {
        node->redial_ms = TIME_NEVER;
        for (size_t i = 0; i < node->peers.count; i++) {
            dial_when_due(node, step, node->peers.peers[i]);
        }
    }
}

uint64_t relays_next_ms(const struct node *node) {
    return node->tick_ms < node->redial_ms ? node->tick_ms : node->redial_ms;
}
