// Relays that move between two directories. Who has moved signs a record (directory/addresses.h) and tells the relays
// and seeds it has links to; they pass on what is new to them. The rest ask, for all records at once: no question says
// whom it is about.
//
//   moved: signed, on disk -> told on every link and on each that opens -> taken: dialled there, passed on
//   asked: when a directory was taken, and again while dials fail; by users now and then, so that nobody sees when a
//          dial of theirs has failed; records are held in memory only
#include <stdlib.h>

#include "base/assert.h"
#include "node/node_internal.h"

#define OWN_LOOK_MS (5 * SECOND_MS)
#define ASK_MS_MIN 1000
#define ASK_MS_MAX (10 * SECOND_MS)
#define ASK_MEAN_MS MINUTE_MS // of a user
#define ASKS_EAGER 3          // of a user without a link, at once; then it waits as always
#define NO_LINK_MS 500
// Messages a second that a link may bring unasked, or questions of a client.
#define TOLD_PER_S 16
#define ASKED_PER_S 1

// Key of this relay's last record, so that the next one is later.
static const uint8_t own_key[] = {KV_SPACE_NODE, 2};

const struct address *addressing_of(const struct node *node, const struct relay_id *relay) {
    const struct address_record *record = addresses_find(node->addressing.records, relay);
    return record != NULL ? &record->address : NULL;
}

static bool asks_at_random(const struct node *node) {
    return !node_serves(node);
}

// ---- telling ----

// Those who pass it on: a user is not told, it asks.
static bool passes_on(const struct node *node, const struct link *link) {
    return link->hello_received && link->has_key &&
           (relays_is_listed(node, &link->key) || relays_is_seed(node, &link->key));
}

static void send_records(struct node *node, struct step *step, struct link *link, const struct address_record *records,
                         size_t count) {
    struct buf message = {0};
    addresses_message_encode(&message, records, count);
    send_message(node, step, link, buf_span(&message));
    buf_free(&message);
}

// Tells everybody but the one who has told us.
static void pass_on(struct node *node, struct step *step, uint64_t from, const struct address_record *records,
                    size_t count) {
    struct link *link = node_serves(node) ? link_table_after(&node->links, LINK_SELF) : NULL;
    while (link != NULL) {
        uint64_t id = link->id;
        if (id != from && passes_on(node, link)) {
            send_records(node, step, link, records, count);
        }
        link = link_table_after(&node->links, id);
    }
}

void addressing_link_up(struct node *node, struct step *step, struct link *link) {
    const struct address_record *own =
        node->relay != NULL ? addresses_find(node->addressing.records, &node->self) : NULL;
    if (own != NULL && passes_on(node, link)) {
        send_records(node, step, link, own, 1);
    }
}

// ---- taking ----

static void note_count(struct node *node, struct step *step) {
    size_t count;
    addresses_all(node->addressing.records, &count);
    metric_set(step->env->metrics, METRIC_ADDRESSES, (int64_t)count);
}

static void taken(struct node *node, struct step *step, const struct address_record *record) {
    metric_add(step->env->metrics, METRIC_ADDRESSES_TAKEN, 1);
    node->addressing.asks = 0;
    if (node->relay != NULL && relay_id_equal(&record->id, &node->self)) { // signed before its store was lost
        node->addressing.own = *record;
        node->addressing.own_look_ms = step->now.mono_ms;
    } else {
        log_relay(&step->env->log, LOG_INFO, "address", "a relay has moved", record->id.bytes, NULL);
        relays_moved(node, step, &record->id);
    }
}

// Keeps what is new and moves it to the front; returns how many. Whoever passes on a record that its relay has not
// signed is not listened to further.
static size_t take_all(struct node *node, struct step *step, struct address_record *records, size_t count) {
    const struct directory *directory = follow_newest(node->follow);
    size_t kept = 0;
    for (size_t i = 0; directory != NULL && i < count; i++) {
        enum err err = addresses_take(node->addressing.records, directory, &records[i], step->now.wall_ms);
        if (err == OK) {
            taken(node, step, &records[i]);
            records[kept++] = records[i];
        } else if (err != ERR_EXISTS) {
            metric_add(step->env->metrics, METRIC_ADDRESSES_REFUSED, 1);
        }
        if (err == ERR_AUTH) {
            break;
        }
    }
    note_count(node, step);
    return kept;
}

// Anybody's answer, and what relays and seeds tell unasked, so much of it.
static bool may_tell(struct step *step, struct link *link, bool trusted) {
    return trusted && (link->addresses_due || bucket_take(&link->addresses, step->now.mono_ms, TOLD_PER_S));
}

static void handle_addresses(struct node *node, struct step *step, struct link *link, struct span message) {
    struct address_record *records;
    size_t count;
    uint64_t id = link->id;
    if (!may_tell(step, link, relays_is_trusted(node, link))) {
        metric_add(step->env->metrics, METRIC_MESSAGES_UNWANTED, 1);
        return;
    }
    if (addresses_message_decode(&records, &count, message) != OK) {
        close_link(node, step, link, CLOSE_PROTOCOL);
        return;
    }
    bool answer = link->addresses_due;
    if (answer) {
        link->addresses_due = node->addressing.failing = false;
        node->addressing.wanted = asks_at_random(node);
    }
    size_t kept = take_all(node, step, records, count);
    if (kept > 0) {
        pass_on(node, step, id, records, kept);
    }
    free(records);
    link = link_table_find(&node->links, id);
    if (answer && link != NULL) {
        relays_asked(node, step, link);
    }
}

// ---- asking and being asked ----

// Like a directory: who is no relay gets one answer at a time, and not many; a user shows nobody what it was told.
static void handle_get(struct node *node, struct step *step, struct link *link, struct span message) {
    if (get_addresses_decode(message) != OK) {
        close_link(node, step, link, CLOSE_PROTOCOL);
        return;
    }
    if (!node_serves(node)) {
        metric_add(step->env->metrics, METRIC_MESSAGES_UNWANTED, 1);
        return;
    }
    if (!relays_is_trusted(node, link) &&
        (link->messages.cells > 0 || !bucket_take(&link->addresses, step->now.mono_ms, ASKED_PER_S))) {
        metric_add(step->env->metrics, METRIC_PACKETS_LIMITED, 1);
        return;
    }
    size_t count;
    const struct address_record *records = addresses_all(node->addressing.records, &count);
    send_records(node, step, link, records, count);
}

void addressing_message(struct node *node, struct step *step, struct link *link, struct span message) {
    ASSERT(message.n > 0);
    if (message.p[0] == MESSAGE_GET_ADDRESSES) {
        handle_get(node, step, link, message);
    } else {
        ASSERT(message.p[0] == MESSAGE_ADDRESSES);
        handle_addresses(node, step, link, message);
    }
}

void addressing_directory_changed(struct node *node, struct step *step) {
    struct addressing *addressing = &node->addressing;
    const struct directory *directory = follow_newest(node->follow);
    addresses_directory_changed(addressing->records, directory);
    if (addressing->own.signed_ms > 0) { // of before a restart; it may count no more
        addresses_take(addressing->records, directory, &addressing->own, step->now.wall_ms);
    }
    note_count(node, step);
    addressing->wanted = true;
    addressing->asks = 0;
    addressing->ask_ms = step->now.mono_ms;
    if (node->relay != NULL) {
        addressing->own_look_ms = step->now.mono_ms;
    }
}

// Any relay we have a link to, drawn at random.
static struct link *link_to_ask(struct node *node, struct step *step) {
    struct link *chosen = NULL;
    size_t candidates = 0;
    for (size_t i = 0; i < node->links.count; i++) {
        struct link *link = node->links.links[i];
        if (link->hello_received && link->has_key && relays_is_trusted(node, link) &&
            rng_below(&step->env->rng, ++candidates) == 0) {
            chosen = link;
        }
    }
    return chosen;
}

void addressing_dial_failed(struct node *node, struct step *step) {
    struct addressing *addressing = &node->addressing;
    uint64_t now_ms = step->now.mono_ms;
    if (follow_newest(node->follow) == NULL || addressing->failing) {
        return;
    }
    if (asks_at_random(node)) {
        addressing->failing = link_to_ask(node, step) == NULL;
        bool eager = addressing->failing && addressing->asks < ASKS_EAGER;
        addressing->ask_ms = eager ? now_ms : addressing->ask_ms;
        return;
    }
    if (now_ms >= addressing->ask_ms + ASK_MS_MAX) {
        addressing->asks = 0; // it was quiet for a while
    }
    addressing->wanted = addressing->failing = true;
}

// With no link left there are the seeds.
static void dial_a_seed(struct node *node, struct step *step) {
    size_t i = (size_t)rng_below(&step->env->rng, node->config.genesis.seed_count);
    const struct relay_id *seed = &node->config.genesis.seeds[i].id;
    if (!relay_id_equal(seed, &node->self)) {
        relays_want(node, step, seed);
    }
}

// Until the next question.
static uint64_t wait_ms(struct node *node, struct step *step) {
    if (asks_at_random(node)) {
        node->addressing.asks = node->addressing.failing ? node->addressing.asks + 1 : 0;
        return rng_exponential_ms(&step->env->rng, ASK_MEAN_MS);
    }
    uint64_t ms = (uint64_t)ASK_MS_MIN << (node->addressing.asks < 8 ? node->addressing.asks : 8);
    ms = ms < ASK_MS_MAX ? ms : ASK_MS_MAX;
    node->addressing.asks++;
    return ms / 2 + rng_below(&step->env->rng, ms / 2 + 1);
}

static void ask(struct node *node, struct step *step) {
    struct addressing *addressing = &node->addressing;
    struct link *link = link_to_ask(node, step);
    if (link == NULL) {
        addressing->ask_ms = step->now.mono_ms + NO_LINK_MS;
        if (addressing->failing) {
            dial_a_seed(node, step);
        }
        return;
    }
    addressing->ask_ms = step->now.mono_ms + wait_ms(node, step);
    link->addresses_due = true;
    uint8_t message[1];
    send_message(node, step, link, (struct span){message, get_addresses_encode(message)});
}

// ---- this relay itself ----

static void store_own(struct node *node, struct step *step) {
    uint8_t bytes[ADDRESS_RECORD_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    address_record_write(&w, &node->addressing.own);
    step_put(step, SPAN_OF(own_key), writer_span(&w), KV_SYNCED); // before anybody hears of it
}

static void sign_own(struct node *node, struct step *step, uint64_t signed_ms) {
    struct address_record *own = &node->addressing.own;
    *own = (struct address_record){.id = node->self, .signed_ms = signed_ms, .address = node->config.address};
    address_record_sign(own, &node->config.genesis.network, &node->identity);
    store_own(node, step);
    enum err err = addresses_take(node->addressing.records, follow_newest(node->follow), own, step->now.wall_ms);
    ASSERT(err == OK);
    note_count(node, step);
    log_note(&step->env->log, LOG_INFO, "address", "the directory does not have this relay's address: signed a record");
    pass_on(node, step, LINK_SELF, own, 1);
}

static void look_at_own(struct node *node, struct step *step) {
    struct addressing *addressing = &node->addressing;
    const struct directory *directory = follow_newest(node->follow);
    addressing->own_look_ms = step->now.mono_ms + OWN_LOOK_MS;
    if (directory == NULL ||
        !addresses_own_due(addressing->records, directory, &node->self, &node->config.address, step->now.wall_ms)) {
        return;
    }
    uint64_t signed_ms;
    bool can =
        addresses_own_time(addressing->records, directory, &signed_ms, addressing->own.signed_ms, step->now.wall_ms);
    if (can) {
        sign_own(node, step, signed_ms);
    } else if (!addressing->own_late) {
        log_note(&step->env->log, LOG_WARN, "address",
                 "cannot say that this relay has moved: its clock is behind its last word on where it is");
    }
    addressing->own_late = !can;
}

void addressing_start(struct node *node, struct step *step) {
    struct buf bytes = {0};
    struct address_record own;
    if (node->relay != NULL && step_get(step, SPAN_OF(own_key), &bytes) == OK) {
        struct reader r = reader_of(buf_span(&bytes));
        address_record_read(&r, &own);
        if (reader_done(&r) && relay_id_equal(&own.id, &node->self)) { // the node may have a new identity
            node->addressing.own = own;
        }
    }
    buf_free(&bytes);
}

void addressing_tick(struct node *node, struct step *step) {
    if (node->addressing.own_look_ms <= step->now.mono_ms) {
        look_at_own(node, step);
    }
    if (node->addressing.wanted && node->addressing.ask_ms <= step->now.mono_ms) {
        ask(node, step);
    }
}

uint64_t addressing_next_ms(const struct node *node) {
    uint64_t ask_ms = node->addressing.wanted ? node->addressing.ask_ms : TIME_NEVER;
    return ask_ms < node->addressing.own_look_ms ? ask_ms : node->addressing.own_look_ms;
}
