// node_step: one event in, its effects out. Read the table of handlers first.
#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "node/node_internal.h"

#define HOUSEKEEPING_MS 500
#define LINKS_PER_RELAY_MAX 4

// Key of the mark that tells a clean stop from a machine that went down: boot id 32 | running 1.
static const uint8_t mark_key[] = {KV_SPACE_NODE, 1};

static bool is_seed(const struct node_config *config) {
    struct sign_secret secret;
    struct sign_public self;
    bool found = false;
    sign_key_from_seed(&secret, &self, config->identity_seed);
    wipe(&secret, sizeof(secret));
    for (size_t i = 0; i < config->genesis.seed_count; i++) {
        found = found || memcmp(config->genesis.seeds[i].id.bytes, self.bytes, sizeof(self.bytes)) == 0;
    }
    return found;
}

static enum err check_config(const struct node_config *config, struct buf *why) {
    const char *wrong = NULL;
    if ((config->roles & ~(unsigned)(ROLE_RELAY | ROLE_BOOTSTRAP | ROLE_USER | ROLE_VALIDATOR)) != 0 ||
        config->roles == 0) {
        wrong = "roles: none, or an unknown one";
    } else if (config->genesis.seed_count == 0) {
        wrong = "genesis: names no seed";
    } else if (config->genesis.ledger.validator_count == 0) {
        wrong = "genesis: names no validator";
    } else if ((config->roles & ROLE_RELAY) && (config->packets_per_s == 0 || config->workers == 0)) {
        wrong = "packets_per_s and workers must be at least 1";
    } else if ((config->roles & ROLE_RELAY) && config->address.port == 0) {
        wrong = "a relay needs an address at which others reach it";
    } else if ((config->roles & ROLE_BOOTSTRAP) && !is_seed(config)) {
        wrong = "identity: a bootstrap node must be one of genesis' seeds, or newcomers will not find it";
    }
    if (wrong != NULL && why != NULL) {
        buf_append(why, span_of_text(wrong));
    }
    return wrong == NULL ? OK : ERR_INVALID;
}

enum err node_new(struct node **out, const struct node_config *config, struct env *env, struct buf *why) {
    enum err err = check_config(config, why);
    if (err != OK) {
        return err;
    }
    struct node *node = NEW(struct node);
    node->config = *config;
    node->env = env;
    if (node_has_identity(node)) {
        struct sign_public public;
        sign_key_from_seed(&node->identity, &public, config->identity_seed);
        memcpy(node->self.bytes, public.bytes, sizeof(node->self.bytes));
    }
    struct follow_verifier verifier;
    light_role_new(node, &verifier);
    node->follow = follow_new(&node->config.genesis, &verifier);
    node->addressing = (struct addressing){.records = addresses_new(&node->config.genesis), .own_look_ms = TIME_NEVER};
    node->redial_ms = TIME_NEVER;
    node->housekeeping_ms = TIME_NEVER;
    node->tick_ms = TIME_NEVER;
    node->timer_ms = TIME_NEVER;
    err = roles_new(node, why);
    if (err != OK) {
        node_free(node);
        return err;
    }
    *out = node;
    return OK;
}

void node_free(struct node *node) {
    if (node == NULL) {
        return;
    }
    roles_free(node);
    ledger_links_free(&node->ledger_links);
    link_table_free(&node->links);
    wipe(&node->self_handles, sizeof(node->self_handles));
    peer_table_free(&node->peers);
    directory_unref(node->directory);
    directory_unref(node->previous);
    follow_free(node->follow);
    addresses_free(node->addressing.records);
    light_role_free(node);
    wipe(&node->identity, sizeof(node->identity));
    wipe(&node->config, sizeof(node->config));
    free(node);
}

void node_identity(const struct node *node, struct relay_id *out) {
    *out = node->self;
}

static void write_mark(struct node *node, struct step *step, bool running) {
    uint8_t mark[33];
    memcpy(mark, node->boot_id, 32);
    mark[32] = running;
    step_put(step, SPAN_OF(mark_key), SPAN_OF(mark), KV_SYNCED);
}

// The machine went down without a clean stop: what was written lazily may be missing.
static bool was_unclean(struct node *node, struct step *step) {
    struct buf mark = {0};
    bool unclean = step_get(step, SPAN_OF(mark_key), &mark) == OK && mark.n == 33 && mark.p[32] == 1 &&
                   memcmp(mark.p, node->boot_id, 32) != 0;
    buf_free(&mark);
    return unclean;
}

static void on_start(struct node *node, struct step *step, const struct event *event) {
    ASSERT(!node->started);
    node->started = true;
    memcpy(node->boot_id, event->start.boot_id, sizeof(node->boot_id));
    bool unclean = was_unclean(node, step);
    write_mark(node, step, true);
    rng_bytes(&step->env->rng, node->links.handles.key, sizeof(node->links.handles.key));
    node->housekeeping_ms = step->now.mono_ms + HOUSEKEEPING_MS;
    if (node->relay != NULL && node->config.genesis.tick_ms > 0 && node->config.genesis.profile != PROFILE_FAST) {
        node->tick_ms = step->now.mono_ms;
    }
    roles_start(node, step, unclean);
    addressing_start(node, step);
    following_start(node, step);
    if (node->ledger != NULL) {
        ledger_role_start(node, step, event->start.log); // what it decided last may fix a directory at once
    }
}

static void on_stop(struct node *node, struct step *step, const struct event *event) {
    (void)event;
    node->stopping = true;
    while (node->links.count > 0) {
        close_link(node, step, node->links.links[0], CLOSE_STOPPING);
    }
    ledger_links_stop(node);
    write_mark(node, step, false);
    effects_add(node->effects, EFFECT_STOPPED);
}

void node_give_up(struct node *node, const char *why) {
    if (node->stopping) {
        return;
    }
    node->stopping = true;
    struct effect *effect = effects_add(node->effects, EFFECT_STOPPED);
    effect->immediate = true;
    effect->stopped_why = mem_text(span_of_text(why));
}

// A relay that starts anew may leave dead links behind; more than a few are closed, the oldest first.
static void bound_links_of_relay(struct node *node, struct step *step, const struct link *newest) {
    struct link *oldest = NULL;
    size_t count = 0;
    for (size_t i = node->links.count; i-- > 0;) {
        struct link *link = node->links.links[i];
        if (link->has_key && relay_id_equal(&link->key, &newest->key)) {
            oldest = link;
            count++;
        }
    }
    if (count > LINKS_PER_RELAY_MAX) {
        close_link(node, step, oldest, CLOSE_UNWANTED);
    }
}

// Whether one more link may stay; an inbound one is counted with its address already. Clients cannot take the room of
// relays.
static bool admitted(struct node *node, const struct link *link) {
    if (node->stopping || (link->has_key && relay_id_equal(&link->key, &node->self))) {
        return false;
    }
    if (relays_is_trusted(node, link)) {
        return true;
    }
    return node->links.count + node->ledger_links.count <= node->config.limits.links_max &&
           link_table_address(&node->links, link->address_tag, false)->links <=
               node->config.limits.client_links_per_address;
}

static void on_link_open(struct node *node, struct step *step, const struct event *event) {
    if (event->link_open.kind == LINK_LEDGER) {
        ledger_links_open(node, step, event);
        return;
    }
    struct link *link = link_table_add(&node->links, event->link_open.link);
    link->dial = event->link_open.dial;
    link->has_key = event->link_open.has_key;
    memcpy(link->key.bytes, event->link_open.key.bytes, sizeof(link->key.bytes));
    link->address_tag = event->link_open.address_tag;
    link->opened_ms = step->now.mono_ms;
    link->heard_ms = step->now.mono_ms;
    link->assembler.bytes_max = MESSAGE_BYTES_MAX_CLIENT;
    if (link->dial == 0) {
        link_table_address(&node->links, link->address_tag, true)->links++;
    }
    if (!admitted(node, link)) {
        if (link->has_key && relay_id_equal(&link->key, &node->self)) {
            log_note(&step->env->log, LOG_ERROR, "node", "another node uses this node's identity key");
        }
        metric_add(step->env->metrics, METRIC_LINKS_REFUSED, 1);
        close_link(node, step, link, CLOSE_FLOOD);
        return;
    }
    send_hello(node, step, link, true);
    if (link->has_key && link->dial == 0 && relays_is_listed(node, &link->key)) {
        bound_links_of_relay(node, step, link);
    }
}

void link_ended(struct node *node, struct step *step, struct link *link, enum close_reason reason) {
    metric_add(step->env->metrics, METRIC_LINKS_CLOSED, 1);
    relays_closed(node, step, link, reason);
    if (link->dial == 0) {
        link_table_address_gone(&node->links, link->address_tag);
    }
    link_table_remove(&node->links, link);
}

static void on_link_bytes(struct node *node, struct step *step, const struct event *event) {
    if (event->link_bytes.link == LINK_SELF) {
        receive_self(node, step, event->link_bytes.bytes);
        return;
    }
    if (ledger_links_bytes(node, step, event->link_bytes.link, event->link_bytes.bytes)) {
        return;
    }
    struct link *link = link_table_find(&node->links, event->link_bytes.link);
    if (link != NULL) {
        receive_bytes(node, step, link, event->link_bytes.bytes);
    }
}

static void on_link_drained(struct node *node, struct step *step, const struct event *event) {
    struct link *link = link_table_find(&node->links, event->link_drained.link);
    if (!ledger_links_drained(node, event->link_drained.link) && link != NULL) {
        sending_drained(node, step, link);
    }
}

static void on_link_closed(struct node *node, struct step *step, const struct event *event) {
    struct link *link = link_table_find(&node->links, event->link_closed.link);
    if (!ledger_links_closed(node, step, event->link_closed.link) && link != NULL) {
        link_ended(node, step, link, event->link_closed.reason);
    }
}

static void on_dial_failed(struct node *node, struct step *step, const struct event *event) {
    metric_add(step->env->metrics, METRIC_DIALS_FAILED, 1);
    if (!ledger_links_dial_failed(node, step, event->dial_failed.dial)) {
        relays_dial_failed(node, step, event->dial_failed.dial, event->dial_failed.reason);
    }
}

static void on_timer(struct node *node, struct step *step, const struct event *event) {
    (void)step;
    (void)event;
    node->timer_ms = TIME_NEVER; // what is due is done after every event
}

static void on_job_done(struct node *node, struct step *step, const struct event *event) {
    struct job *job = event->job_done.job;
    if (node->stopping) {
        job->free(job); // the mark of a clean stop is written: nothing may be stored after it
    } else {
        roles_job_done(node, step, job);
    }
}

static void on_disk_space(struct node *node, struct step *step, const struct event *event) {
    if (node->mailbox != NULL && !node->stopping) {
        mailbox_disk_space(node->mailbox, step, event->disk_space.free_bytes);
    }
}

static void answer_status(struct node *node, struct step *step, uint64_t id) {
    struct node_answer *answer = NEW(struct node_answer);
    answer->id = id;
    answer->op = NODE_STATUS;
    node_status_of(node, &step->now, &answer->status);
    effects_add(node->effects, EFFECT_ANSWER)->answer = answer;
}

static void answer_relay(struct node *node, struct step *step, uint64_t id) {
    struct node_answer *answer = NEW(struct node_answer);
    answer->id = id;
    answer->op = NODE_RELAY;
    answer->relay.id = node->self;
    answer->relay.address = node->config.address;
    relay_show_onion_keys(node->relay, step, &answer->relay.onion);
    effects_add(node->effects, EFFECT_ANSWER)->answer = answer;
}

// For want of the part that would answer, or because the node is stopping.
static void refuse(struct node *node, const struct node_request *request, bool has_part, const char *without) {
    struct node_answer *answer = NEW(struct node_answer);
    const char *reason = has_part ? "this node is stopping" : without;
    answer->id = request->id;
    answer->op = request->op;
    answer->err = ERR_UNSUPPORTED;
    answer->reason = reason;
    answer->client = (struct client_answer){.id = request->id, .err = ERR_UNSUPPORTED, .reason = reason};
    answer->ledger.id = request->id;
    answer->ledger.err = ERR_UNSUPPORTED;
    answer->ledger.reason = reason;
    effects_add(node->effects, EFFECT_ANSWER)->answer = answer;
}

static void on_request(struct node *node, struct step *step, const struct event *event) {
    const struct node_request *request = event->request.request;
    switch (request->op) {
    case NODE_STATUS:
        answer_status(node, step, request->id);
        return;
    case NODE_RELAY:
        if (node->relay != NULL && !node->stopping) {
            answer_relay(node, step, request->id);
            return;
        }
        refuse(node, request, node->relay != NULL, "this node is no relay");
        return;
    case NODE_CLIENT:
        if (node->client != NULL && !node->stopping) {
            client_request(node->client, step, &request->client);
            return;
        }
        refuse(node, request, node->client != NULL, "this node has no user role");
        return;
    case NODE_WATCH:
        if ((node->client == NULL && node->ledger == NULL) || node->stopping) {
            refuse(node, request, node->stopping, "this node has nothing to tell");
            return;
        }
        if (node->client != NULL) {
            client_request(node->client, step, &request->client);
        }
        if (node->ledger != NULL) {
            ledger_ask(node->ledger, step, &request->ledger);
        }
        return;
    case NODE_LEDGER:
        if (node->ledger != NULL && !node->stopping) {
            ledger_ask(node->ledger, step, &request->ledger);
            return;
        }
        refuse(node, request, node->ledger != NULL, "this node has no ledger");
        return;
    }
}

static void on_request_gone(struct node *node, struct step *step, const struct event *event) {
    if (node->client != NULL && !node->stopping) {
        client_request_gone(node->client, step, event->request_gone.id);
    }
    if (node->ledger != NULL && !node->stopping) {
        ledger_ask_gone(node->ledger, event->request_gone.id);
    }
}

typedef void event_handler(struct node *node, struct step *step, const struct event *event);

static event_handler *const handlers[] = {
    [EVENT_START] = on_start,
    [EVENT_STOP] = on_stop,
    [EVENT_LINK_OPEN] = on_link_open,
    [EVENT_LINK_BYTES] = on_link_bytes,
    [EVENT_LINK_DRAINED] = on_link_drained,
    [EVENT_LINK_CLOSED] = on_link_closed,
    [EVENT_DIAL_FAILED] = on_dial_failed,
    [EVENT_TIMER] = on_timer,
    [EVENT_JOB_DONE] = on_job_done,
    [EVENT_DISK_SPACE] = on_disk_space,
    [EVENT_REQUEST] = on_request,
    [EVENT_REQUEST_GONE] = on_request_gone,
};

// No hello in time closes a link, silence is asked about, more silence closes; so does a newer link to the same relay.
static void look_at_link(struct node *node, struct step *step, struct link *link) {
    const struct node_limits *limits = &node->config.limits;
    uint64_t now_ms = step->now.mono_ms;
    uint64_t silent_ms = now_ms - link->heard_ms;
    if ((!link->hello_received && now_ms - link->opened_ms > limits->hello_timeout_ms) ||
        silent_ms > limits->idle_timeout_ms) {
        close_link(node, step, link, CLOSE_TIMEOUT);
    } else if (link->retire_ms <= now_ms) {
        close_link(node, step, link, CLOSE_UNWANTED);
    } else if (silent_ms > limits->idle_timeout_ms / 2 && !link->ping_sent && link->hello_received) {
        uint8_t ping[9];
        link->ping_sent = true;
        send_message(node, step, link, (struct span){ping, ping_encode(ping, MESSAGE_PING, 0)});
    }
}

static void housekeeping(struct node *node, struct step *step) {
    uint64_t now_ms = step->now.mono_ms;
    struct link *link = link_table_after(&node->links, LINK_SELF);
    while (link != NULL) {
        uint64_t id = link->id;
        look_at_link(node, step, link);
        link = link_table_after(&node->links, id); // it and others may be gone
    }
    ledger_links_look(node, step);
    metric_set(step->env->metrics, METRIC_CONNECTIONS, (int64_t)(node->links.count + node->ledger_links.count));
    node->housekeeping_ms = now_ms + HOUSEKEEPING_MS;
}

// Gives the parts the directory in force, when the epoch or what is held has changed.
static void update_directory(struct node *node, struct step *step) {
    if (step->now.wall_ms < node->next_epoch_ms &&
        step->now.wall_ms + node->config.genesis.epoch_ms >= node->next_epoch_ms) {
        return;
    }
    uint32_t epoch = epoch_at(&node->config.genesis, step->now.wall_ms);
    node->next_epoch_ms = epoch_start_ms(&node->config.genesis, epoch + 1);
    struct directory *current = follow_current(node->follow, step->now.wall_ms);
    if (current != NULL && follow_expiry_ms(node->follow, current) < node->next_epoch_ms) {
        node->next_epoch_ms = follow_expiry_ms(node->follow, current);
    }
    struct directory *previous =
        current == NULL || current->epoch < 2 ? NULL : follow_epoch(node->follow, current->epoch - 1);
    if (current == node->directory && previous == node->previous) {
        return;
    }
    directory_unref(node->directory);
    directory_unref(node->previous);
    node->directory = current == NULL ? NULL : directory_ref(current);
    node->previous = previous == NULL ? NULL : directory_ref(previous);
    metric_set(step->env->metrics, METRIC_DIRECTORY_EPOCH, current == NULL ? 0 : (int64_t)current->epoch);
    metric_set(step->env->metrics, METRIC_DIRECTORY_RELAYS, current == NULL ? 0 : (int64_t)current->relay_count);
    roles_directory_changed(node, step);
}

static void do_what_is_due(struct node *node, struct step *step) {
    if (node->housekeeping_ms <= step->now.mono_ms) {
        housekeeping(node, step);
    }
    following_tick(node, step);
    update_directory(node, step);
    addressing_tick(node, step);
    relays_tick(node, step);
    relays_tell_client(node, step);
    roles_tick(node, step);
    relays_tell_client(node, step);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void set_timer(struct node *node, struct step *step) {
    uint64_t now_ms = step->now.mono_ms;
    uint64_t to_epoch_ms = node->next_epoch_ms > step->now.wall_ms ? node->next_epoch_ms - step->now.wall_ms : 0;
    uint64_t next = earlier(node->housekeeping_ms, now_ms + to_epoch_ms);
    next = earlier(next, following_next_ms(node));
    next = earlier(next, addressing_next_ms(node));
    next = earlier(next, relays_next_ms(node));
    next = earlier(next, roles_next_ms(node));
    if (next <= now_ms) {
        next = now_ms + 1; // at most one turn a millisecond
    }
    if (next != node->timer_ms) {
        node->timer_ms = next;
        struct effect *effect = effects_add(node->effects, EFFECT_TIMER);
        effect->immediate = true;
        effect->timer.at_ms = next;
    }
}

void node_step(struct node *node, const struct event *event, struct now now, struct effects *effects) {
    ASSERT(effects->count == 0 && effects->jobs.count == 0 && kv_batch_count(&effects->batch) == 0);
    ASSERT(log_batch_is_empty(&effects->log));
    ASSERT(node->started || event->kind == EVENT_START);
    struct step step = {
        .env = node->env, .now = now, .batch = &effects->batch, .log = &effects->log, .jobs = &effects->jobs};
    node->effects = effects;
    handlers[event->kind](node, &step, event);
    if (!node->stopping) {
        do_what_is_due(node, &step);
        set_timer(node, &step);
    }
    const char *waiting_for;
    metric_set(node->env->metrics, METRIC_READY, node_ready(node, &now, &waiting_for));
    node->effects = NULL;
}
