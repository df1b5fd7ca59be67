// The parts of a node's roles, and the ports through which they reach links and each other. Parts never know each
// other: what a relay delivers goes to the mailbox here, and what the mailbox answers goes back into the onion here.
#include <string.h>

#include "base/assert.h"
#include "node/node_internal.h"

#define DELAY_MS_MAX 10000
#define DELAYED_PACKETS_MAX 20000
#define PEEL_QUEUE_MAX 4096
#define SUBSCRIPTIONS_MAX 100000
#define PENDING_STORES_MAX 10000
#define RECEIPT_TIMEOUT_MS 3000 // three attempts: a slow sync must not make a replica look dead
#define REPAIR_INTERVAL_MS (5 * MINUTE_MS)
// Of an epoch: with three epochs kept at most 60 MB of disk; their batch takes 2 MiB while it is made, its openings 6
// MiB.
#define DELIVERIES_MAX 65536
#define POLL_INTERVAL_MS (60 * SECOND_MS)

// relay

static void relay_port_forward(void *ctx, struct step *step, const struct relay_id *next,
                               const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    send_packet_to_relay(ctx, step, next, packet, true);
}

// A reply for the client of this very node.
static void reply_to_self(struct node *node, struct step *step, const struct surb_id *surb,
                          const uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    uint8_t copy[SPHINX_PAYLOAD_BYTES];
    memcpy(copy, payload, sizeof(copy));
    client_reply(node->client, step, surb, copy);
    wipe(copy, sizeof(copy));
}

static void relay_port_to_client(void *ctx, struct step *step, const struct handle *handle, const struct surb_id *surb,
                                 const uint8_t payload[static SPHINX_PAYLOAD_BYTES]) {
    struct node *node = ctx;
    uint64_t id = LINK_SELF;
    bool known = handle_table_find(&node->links.handles, &id, handle);
    struct link *link = known ? link_table_find(&node->links, id) : NULL;
    if (link != NULL) {
        send_reply_cell(node, step, link, surb, payload);
    } else if (known && id == LINK_SELF && node->client != NULL) {
        reply_to_self(node, step, surb, payload);
    } else {
        metric_add(step->env->metrics, METRIC_UNKNOWN_HANDLE, 1);
    }
}

static void relay_port_deliver(void *ctx, struct step *step, struct span body) {
    struct node *node = ctx;
    mailbox_operation(node->mailbox, step, body);
}

// mailbox

static void mailbox_port_reply(void *ctx, struct step *step, const uint8_t surb[static SPHINX_SURB_BYTES],
                               struct span body) {
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct relay_id first_hop;
    if (sphinx_surb_use(packet, first_hop.bytes, surb, body) != OK) {
        metric_add(step->env->metrics, METRIC_UNKNOWN_RELAY, 1);
        return;
    }
    send_packet_to_relay(ctx, step, &first_hop, packet, false);
}

static void mailbox_port_to_replica(void *ctx, struct step *step, const struct relay_id *replica, struct span message) {
    send_message_to_relay(ctx, step, replica, message);
}

// Reachable: an open link, or none yet that failed: a link just lost or never made gets one dial to prove itself.
static bool mailbox_port_reachable(void *ctx, const struct relay_id *replica) {
    struct node *node = ctx;
    const struct peer *peer = peer_table_find(&node->peers, replica);
    return peer == NULL || peer->link != 0 || peer->failures == 0;
}

// client

static void client_port_send(void *ctx, struct step *step, const struct relay_id *entry,
                             const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    send_packet_to_relay(ctx, step, entry, packet, false);
}

static void register_at_self(struct node *node, const struct handle *handles, size_t count) {
    handle_table_replace(&node->links.handles, &node->self_handles, LINK_SELF, handles, count);
}

static void hold_self(struct node *node, bool wanted) {
    node->self_entry_untold = wanted;
    node->entry_untold = node->entry_untold || wanted;
    if (!wanted) {
        register_at_self(node, NULL, 0);
    }
}

static void client_port_hold(void *ctx, struct step *step, const struct relay_id *entry, bool wanted) {
    struct node *node = ctx;
    if (relay_id_equal(entry, &node->self)) {
        hold_self(node, wanted);
    } else if (wanted) {
        relays_hold(node, step, entry);
    } else {
        relays_let_go(node, step, entry);
    }
}

static void client_port_handles(void *ctx, struct step *step, const struct relay_id *entry,
                                const struct handle *handles, size_t count) {
    struct node *node = ctx;
    struct peer *peer = peer_table_find(&node->peers, entry);
    struct link *link = peer == NULL ? NULL : link_table_find(&node->links, peer->link);
    if (relay_id_equal(entry, &node->self)) {
        register_at_self(node, handles, count);
    } else if (link != NULL) {
        uint8_t message[HANDLES_BYTES_MAX];
        send_message(node, step, link, (struct span){message, handles_encode(message, handles, count)});
    }
}

static void client_port_want_directory(void *ctx, struct step *step, uint32_t epoch) {
    following_want(ctx, step, epoch);
}

static void client_port_answer(void *ctx, struct step *step, struct client_answer *answer) {
    struct node *node = ctx;
    (void)step;
    struct node_answer *out = NEW(struct node_answer);
    out->id = answer->id;
    out->op = NODE_CLIENT;
    out->client = *answer;
    *answer = (struct client_answer){0};
    effects_add(node->effects, EFFECT_ANSWER)->answer = out;
}

static void client_port_notify(void *ctx, struct step *step, uint64_t watch, const struct message_record *message,
                               const struct request_record *request) {
    struct node *node = ctx;
    (void)step;
    struct stream_item *item = NEW(struct stream_item);
    item->id = watch;
    item->kind = message != NULL ? STREAM_MESSAGE : STREAM_REQUEST;
    if (message != NULL) {
        item->message = *message;
        item->message.text = (struct buf){0};
        buf_append(&item->message.text, buf_span(&message->text));
    } else {
        item->request = *request;
        item->request.text = (struct buf){0};
        buf_append(&item->request.text, buf_span(&request->text));
    }
    effects_add(node->effects, EFFECT_STREAM)->stream = item;
}

// life cycle

static enum err new_relay(struct node *node, struct buf *why) {
    const struct node_config *config = &node->config;
    struct relay_config relay = {.self = node->self,
                                 .genesis = &config->genesis,
                                 .packets_per_s = config->packets_per_s,
                                 .delay_ms_max = DELAY_MS_MAX,
                                 .delayed_packets_max = DELAYED_PACKETS_MAX,
                                 .peel_queue_max = PEEL_QUEUE_MAX,
                                 .jobs_max = config->workers};
    struct relay_ports relay_ports = {
        .ctx = node, .forward = relay_port_forward, .to_client = relay_port_to_client, .deliver = relay_port_deliver};
    struct mailbox_config mailbox = {.self = node->self,
                                     .identity = &node->identity,
                                     .genesis = &config->genesis,
                                     .bytes_max = config->storage_bytes_max,
                                     .mailbox_bytes_max = config->storage_bytes_per_mailbox,
                                     .free_bytes_min = config->storage_free_bytes_min,
                                     .stranger_quota = config->stranger_quota,
                                     .subscriptions_max = SUBSCRIPTIONS_MAX,
                                     .pending_max = PENDING_STORES_MAX,
                                     .receipt_timeout_ms = RECEIPT_TIMEOUT_MS,
                                     .repair_interval_ms = REPAIR_INTERVAL_MS,
                                     .deliveries_max = DELIVERIES_MAX};
    struct mailbox_ports mailbox_ports = {.ctx = node,
                                          .reply = mailbox_port_reply,
                                          .to_replica = mailbox_port_to_replica,
                                          .reachable = mailbox_port_reachable};
    enum err err = relay_new(&node->relay, &relay, &relay_ports);
    if (err != OK) {
        if (why != NULL) {
            buf_append(why, SPAN_LITERAL("the replay filter for packets_per_s over one epoch does not fit into memory; "
                                         "lower packets_per_s"));
        }
        return err;
    }
    node->mailbox = mailbox_new(&mailbox, &mailbox_ports);
    return OK;
}

static void new_client(struct node *node) {
    struct client_config client = {
        .genesis = &node->config.genesis, .profile = node->config.profile, .poll_interval_ms = POLL_INTERVAL_MS};
    // A little less than its entries let through: all nodes of a network keep the same limit.
    client.packets_per_s = node->config.limits.packets_per_s_per_link - node->config.limits.packets_per_s_per_link / 5;
    memcpy(client.identity_seed, node->config.account_seed, sizeof(client.identity_seed));
    struct client_ports ports = {.ctx = node,
                                 .send = client_port_send,
                                 .hold = client_port_hold,
                                 .handles = client_port_handles,
                                 .want_directory = client_port_want_directory,
                                 .answer = client_port_answer,
                                 .notify = client_port_notify};
    node->client = client_new(&client, &ports);
    wipe(&client, sizeof(client));
}

enum err roles_new(struct node *node, struct buf *why) {
    if (node->config.roles & ROLE_USER) {
        new_client(node);
    }
    if (node->config.roles & ROLE_VALIDATOR) {
        ledger_role_new(node);
    }
    enum err err = node->config.roles & ROLE_RELAY ? new_relay(node, why) : OK;
    if (err == OK && node->relay != NULL) {
        standing_role_new(node);
        claiming_role_new(node, DELIVERIES_MAX);
    }
    return err;
}

void roles_free(struct node *node) {
    relay_free(node->relay);
    mailbox_free(node->mailbox);
    client_free(node->client);
    ledger_free(node->ledger);
    standing_free(node->standing);
    claiming_role_free(node);
}

void roles_start(struct node *node, struct step *step, bool unclean_restart) {
    if (node->relay != NULL) {
        relay_start(node->relay, step, unclean_restart);
        mailbox_start(node->mailbox, step);
    }
    if (node->standing != NULL) {
        standing_start(node->standing, step);
    }
    if (node->client != NULL) {
        client_start(node->client, step);
    }
}

void roles_directory_changed(struct node *node, struct step *step) {
    if (node->relay != NULL) {
        relay_set_directory(node->relay, step, node->directory);
        mailbox_set_directory(node->mailbox, step, node->directory, node->previous);
    }
    if (node->client != NULL) {
        client_set_directory(node->client, step, node->directory, node->previous);
    }
}

void roles_tick(struct node *node, struct step *step) {
    uint64_t now_ms = step->now.mono_ms;
    if (node->relay != NULL && relay_next_ms(node->relay) <= now_ms) {
        relay_tick(node->relay, step);
    }
    if (node->mailbox != NULL && mailbox_next_ms(node->mailbox) <= now_ms) {
        mailbox_tick(node->mailbox, step);
    }
    if (node->client != NULL && client_next_ms(node->client) <= now_ms) {
        client_tick(node->client, step);
    }
    if (node->ledger != NULL && ledger_next_ms(node->ledger) <= now_ms) {
        ledger_tick(node->ledger, step);
    }
    if (node->standing != NULL) {
        standing_role_tick(node, step);
        claiming_role_tick(node, step);
    }
    light_role_tick(node, step);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t roles_next_ms(const struct node *node) {
    uint64_t next = TIME_NEVER;
    if (node->relay != NULL) {
        next = earlier(relay_next_ms(node->relay), mailbox_next_ms(node->mailbox));
    }
    if (node->client != NULL) {
        next = earlier(next, client_next_ms(node->client));
    }
    if (node->standing != NULL) {
        next = earlier(next, standing_next_ms(node->standing));
        next = earlier(next, claiming_role_next_ms(node));
    }
    next = earlier(next, light_role_next_ms(node));
    return node->ledger == NULL ? next : earlier(next, ledger_next_ms(node->ledger));
}

void roles_job_done(struct node *node, struct step *step, struct job *job) {
    switch (job->owner) {
    case JOB_OWNER_RELAY:
        relay_job_done(node->relay, step, job);
        return;
    case JOB_OWNER_MAILBOX:
        mailbox_job_done(node->mailbox, step, job);
        return;
    case JOB_OWNER_CLIENT:
        client_job_done(node->client, step, job);
        return;
    case JOB_OWNER_LEDGER:
        ledger_job_done(node->ledger, step, job);
        return;
    case JOB_OWNER_NODE:
        claiming_job_done(node->claiming, step, job); // the node itself starts no others
        return;
    }
}
