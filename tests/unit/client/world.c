// The world of the client's tests.
#include "client/world.h"

#include "base/assert.h"
#include "base/cursor.h"
#include "client/link.h"
#include "crypto/hash.h"

// ---- the network

size_t relay_index(const struct world *world, const uint8_t id[static 32]) {
    for (size_t i = 0; i < world->relay_count; i++)
        if (memcmp(world->relays[i].id.bytes, id, 32) == 0)
            return i;
    return SIZE_MAX;
}

static void event_push(struct world *world, struct event *event, uint64_t delay_ms) {
    heap_push(&world->events, world->now.mono_ms + delay_ms, event);
}

static void packet_to(struct world *world, size_t relay, const uint8_t packet[static SPHINX_PACKET_BYTES],
                      uint64_t delay_ms, const struct way *way) {
    unsigned copies = 1;
    if (world->loss_per_mille > 0 && rng_below(&world->rng, 1000) < world->loss_per_mille)
        copies = 0;
    if (world->twice_per_mille > 0 && rng_below(&world->rng, 1000) < world->twice_per_mille)
        copies = 2;
    for (unsigned i = 0; i < copies; i++) {
        struct event *event = NEW(struct event);
        event->type = AT_RELAY;
        event->who = relay;
        event->way = *way;
        memcpy(event->packet, packet, SPHINX_PACKET_BYTES);
        event_push(world, event,
                   delay_ms + world->hop_ms + (world->jitter_ms > 0 ? rng_below(&world->rng, world->jitter_ms) : 0));
    }
}

static void trace_add(struct world *world, size_t relay, bool out) {
    if (world->trace_count < LOG_MAX)
        world->traces[world->trace_count++] = (struct trace){world->now.mono_ms, relay, out};
}

// ---- users

struct step *user_begin(struct user *user, struct user_step *us) {
    memset(us, 0, sizeof(*us));
    us->step = (struct step){.env = &user->env, .now = user->world->now, .batch = &us->batch, .jobs = &us->jobs};
    return &us->step;
}

void user_crash(struct user *user) {
    for (size_t i = 0; i < user->world->relay_count; i++)
        user->linked[i] = user->held[i] = false;
    user->world->lives[user->index]++;
    user->crashed = true;
}

static bool user_dying(const struct user *user) {
    return user->crash_at != 0 && user->steps + 1 == user->crash_at;
}

void user_end(struct user *user, struct user_step *us) {
    bool dying = user_dying(user);
    user->steps++;
    if (kv_batch_count(&us->batch) > 0 && !(dying && user->crash_before))
        assert_int_equal(kv_write(user->kv, &us->batch), OK);
    kv_batch_free(&us->batch);
    for (size_t i = 0; i < us->jobs.count; i++) {
        if (dying) {
            us->jobs.jobs[i]->free(us->jobs.jobs[i]);
            continue;
        }
        struct event *event = NEW(struct event);
        event->type = AT_JOB;
        event->who = user->index;
        event->life = user->world->lives[user->index];
        event->job = us->jobs.jobs[i];
        struct kv_snapshot *snapshot = event->job->wants_snapshot ? kv_snapshot(user->kv) : NULL;
        event->job->run(event->job, snapshot);
        if (snapshot != NULL)
            kv_snapshot_release(snapshot);
        event_push(user->world, event, 1);
    }
    us->jobs.count = 0;
    job_list_free(&us->jobs);
    if (dying)
        user_crash(user);
}

static void port_send(void *ctx, struct step *step, const struct relay_id *entry,
                      const uint8_t packet[static SPHINX_PACKET_BYTES]) {
    struct user *user = ctx;
    (void)step;
    size_t relay = relay_index(user->world, entry->bytes);
    assert_true(relay < user->world->relay_count && user->linked[relay]);
    if (user_dying(user))
        return;
    user->world->user_packets++;
    trace_add(user->world, relay, true);
    struct way way = {.user = user->index, .exec = SIZE_MAX};
    packet_to(user->world, relay, packet, 0, &way);
}

void link_event(struct user *user, size_t relay, bool up, uint64_t delay_ms) {
    struct event *event = NEW(struct event);
    event->type = AT_LINK;
    event->who = user->index;
    event->life = user->world->lives[user->index];
    event->relay = relay;
    event->up = up;
    event_push(user->world, event, delay_ms);
}

static void port_hold(void *ctx, struct step *step, const struct relay_id *entry, bool wanted) {
    struct user *user = ctx;
    (void)step;
    size_t relay = relay_index(user->world, entry->bytes);
    assert_true(relay < user->world->relay_count);
    if (user_dying(user))
        return;
    user->held[relay] = wanted;
    if (wanted && !user->offline && !user->world->relays[relay].down)
        link_event(user, relay, true, 1);
    if (!wanted)
        user->linked[relay] = false;
}

static void port_handles(void *ctx, struct step *step, const struct relay_id *entry, const struct handle *handles,
                         size_t count) {
    struct user *user = ctx;
    (void)step;
    size_t relay = relay_index(user->world, entry->bytes);
    assert_true(relay < user->world->relay_count && count <= 64);
    memcpy(user->handles[relay], handles, count * sizeof(*handles));
    user->handle_count[relay] = count;
}

static void port_want_directory(void *ctx, struct step *step, uint32_t epoch) {
    (void)step;
    ((struct user *)ctx)->wanted_directory = epoch;
}

static void port_answer(void *ctx, struct step *step, struct client_answer *answer) {
    struct user *user = ctx;
    (void)step;
    if (user_dying(user)) {
        client_answer_clear(answer);
        return;
    }
    assert_true(user->answer_count < 64);
    user->answers[user->answer_count++] = *answer;
    memset(answer, 0, sizeof(*answer));
}

static void port_notify(void *ctx, struct step *step, uint64_t watch, const struct message_record *message,
                        const struct request_record *request) {
    struct user *user = ctx;
    (void)step;
    (void)watch;
    if (user_dying(user))
        return;
    if (message != NULL && user->note_count < LOG_MAX) {
        struct message_record *copy = &user->notes[user->note_count++];
        *copy = *message;
        copy->text = (struct buf){0};
        buf_append(&copy->text, buf_span(&message->text));
    }
    if (request != NULL && user->request_count < LOG_MAX) {
        struct request_record *copy = &user->requests[user->request_count++];
        *copy = *request;
        copy->text = (struct buf){0};
        buf_append(&copy->text, buf_span(&request->text));
    }
}

static void user_watch(struct user *user);

void user_start(struct user *user) {
    struct client_ports ports = {user,        port_send,  port_hold, port_handles, port_want_directory,
                                 port_answer, port_notify};
    client_free(user->client);
    user->crashed = false;
    user->client = client_new(&user->config, &ports);
    struct user_step us;
    client_start(user->client, user_begin(user, &us));
    user_end(user, &us);
    if (user->crashed)
        return;
    client_set_directory(user->client, user_begin(user, &us), user->world->directory, user->world->previous);
    user_end(user, &us);
    user_watch(user);
}

void user_request(struct user *user, struct client_request *request) {
    struct user_step us;
    if (user->crashed)
        return;
    request->id = ++user->next_request;
    client_request(user->client, user_begin(user, &us), request);
    user_end(user, &us);
}

static void user_watch(struct user *user) {
    struct client_request request = {.op = CLIENT_WATCH};
    user_request(user, &request);
}

void answers_clear(struct user *user) {
    for (size_t i = 0; i < user->answer_count; i++)
        client_answer_clear(&user->answers[i]);
    user->answer_count = 0;
}

// ---- replicas

static void reply_send_later(struct world *world, size_t exec, const uint8_t surb[static SPHINX_SURB_BYTES],
                             const struct reply *reply, uint64_t delay_ms) {
    uint8_t body[OP_BYTES_MAX], packet[SPHINX_PACKET_BYTES], first[32];
    size_t n = reply_encode(body, reply);
    assert_int_equal(sphinx_surb_use(packet, first, surb, span_of(body, n)), OK);
    size_t relay = relay_index(world, first);
    assert_true(relay < world->relay_count);
    struct way way = {.user = SIZE_MAX, .exec = exec};
    packet_to(world, relay, packet, delay_ms, &way);
}

void reply_send(struct world *world, size_t exec, const uint8_t surb[static SPHINX_SURB_BYTES],
                const struct reply *reply) {
    reply_send_later(world, exec, surb, reply, 0);
}

static struct reply reply_for(struct world *world, size_t relay, const struct op *op, enum op_status status) {
    struct reply reply = {.kind = op->kind, .status = status, .epoch = world->directory->epoch};
    reply.clock_ms = world->now.wall_ms + (uint64_t)world->relays[relay].clock_offset_ms;
    return reply;
}

static size_t waiting_at(const struct world *world, size_t relay, const struct mailbox_id *mailbox, uint64_t cursor,
                         const struct fake_item **first) {
    size_t count = 0;
    *first = NULL;
    for (size_t i = 0; i < world->item_count; i++) {
        const struct fake_item *item = &world->items[i];
        if (item->deleted || !mailbox_id_equal(&item->mailbox, mailbox) || item->arrival[relay] <= cursor ||
            item->expiry_ms <= world->now.wall_ms)
            continue;
        count++;
        if (*first == NULL || item->arrival[relay] < (*first)->arrival[relay])
            *first = item;
    }
    return count;
}

static void deposit_use(struct world *world, size_t relay, struct fake_subscription *sub, const struct reply *reply) {
    reply_send(world, relay, sub->deposits[0].surb, reply);
    sub->count--;
    memmove(sub->deposits, sub->deposits + 1, sub->count * sizeof(sub->deposits[0]));
}

static void push_all(struct world *world, size_t relay) {
    struct fake_relay *fake = &world->relays[relay];
    for (size_t i = 0; i < fake->sub_count; i++) {
        struct fake_subscription *sub = &fake->subs[i];
        const struct fake_item *item;
        for (size_t n; sub->count > 0 && (n = waiting_at(world, relay, &sub->mailbox, sub->cursor, &item)) > 0;) {
            struct op op = {.kind = OP_SUBSCRIBE};
            struct reply reply = reply_for(world, relay, &op, OP_OK);
            reply.cursor = sub->cursor = item->arrival[relay];
            reply.expiry_ms = item->expiry_ms;
            reply.waiting = (uint32_t)(n - 1);
            reply.surbs_left = (uint8_t)(sub->count - 1);
            reply.item = item->bytes;
            sub->answered = sub->deposits[0].wait;
            deposit_use(world, relay, sub, &reply);
        }
    }
}

static struct fake_subscription *subscription_at(struct fake_relay *fake, const struct mailbox_id *mailbox) {
    for (size_t i = 0; i < fake->sub_count; i++)
        if (mailbox_id_equal(&fake->subs[i].mailbox, mailbox))
            return &fake->subs[i];
    assert_true(fake->sub_count < SUBS_MAX);
    struct fake_subscription *sub = &fake->subs[fake->sub_count++];
    sub->mailbox = *mailbox;
    return sub;
}

// A long wait ends: with an answer if it has had none, and with what is left of its reply blocks.
static void wait_end(struct world *world, size_t relay, const struct mailbox_id *mailbox, uint64_t wait) {
    struct fake_subscription *sub = subscription_at(&world->relays[relay], mailbox);
    struct op op = {.kind = OP_SUBSCRIBE};
    struct reply reply = reply_for(world, relay, &op, OP_OK);
    reply.cursor = sub->cursor;
    for (size_t i = 0; i < sub->count;) {
        if (sub->deposits[i].wait != wait) {
            i++;
            continue;
        }
        if (sub->answered < wait) {
            sub->answered = wait;
            if (!world->relays[relay].down)
                reply_send(world, relay, sub->deposits[i].surb, &reply);
        }
        sub->count--;
        memmove(sub->deposits + i, sub->deposits + i + 1, (sub->count - i) * sizeof(sub->deposits[0]));
    }
}

static const struct fake_policy *policy_at(const struct fake_relay *relay, const struct mailbox_id *mailbox) {
    for (size_t i = 0; i < relay->policy_count; i++)
        if (mailbox_id_equal(&relay->policies[i].mailbox, mailbox))
            return &relay->policies[i];
    return NULL;
}

static enum op_status store_check(const struct world *world, size_t relay, const struct op *op,
                                  const struct item_hash *hash, uint8_t *bits) {
    const struct fake_relay *fake = &world->relays[relay];
    if (fake->store_answer != OP_OK)
        return fake->store_answer;
    if (op->expiry_ms <= world->now.wall_ms || op->expiry_ms > world->now.wall_ms + world->genesis.item_lifetime_ms)
        return OP_EXPIRY;
    if (token_is_stranger(&op->token)) {
        *bits = world->directory->stamp_bits;
        return stamp_fits(op->stamp, *bits, &world->genesis.network, &op->mailbox, hash) ? OP_OK : OP_STAMP;
    }
    struct token_hash token;
    token_hash_of(&token, &op->token);
    const struct fake_policy *policy = policy_at(fake, &op->mailbox);
    for (size_t i = 0; policy != NULL && i < policy->count; i++)
        if (memcmp(&policy->entries[i].token, &token, sizeof(token)) == 0)
            return OP_OK;
    return OP_REFUSED;
}

static void op_store(struct world *world, size_t relay, const struct op *op) {
    struct reply reply = reply_for(world, relay, op, OP_OK);
    struct item_hash hash;
    item_hash_of(&hash, &world->genesis.network, &op->mailbox, op->expiry_ms, op->item);
    reply.status = store_check(world, relay, op, &hash, &reply.stamp_bits);
    if (reply.status != OP_OK) {
        reply_send(world, relay, op->surbs[0], &reply);
        return;
    }
    struct fake_item *item = NULL;
    for (size_t i = 0; i < world->item_count; i++)
        if (memcmp(&world->items[i].hash, &hash, sizeof(hash)) == 0)
            item = &world->items[i];
    if (item == NULL) {
        assert_true(world->item_count < ITEMS_MAX);
        item = &world->items[world->item_count++];
        *item = (struct fake_item){.mailbox = op->mailbox, .expiry_ms = op->expiry_ms, .hash = hash};
        token_hash_of(&item->token, &op->token);
        memcpy(item->bytes, op->item, ITEM_BYTES);
    }
    struct placement placement;
    placement_of(&placement, world->directory, &op->mailbox, world->genesis.replicas);
    reply.set.epoch = world->directory->epoch;
    for (size_t rank = 0; rank < placement.count && reply.set.count < world->genesis.replicas; rank++) {
        size_t at = relay_index(world, world->directory->relays[placement.relays[rank]].id.bytes);
        if (world->relays[at].down)
            continue;
        if (item->arrival[at] == 0)
            item->arrival[at] = ++world->relays[at].arrivals;
        reply.set.relays[reply.set.count++] = world->relays[at].id;
    }
    for (size_t i = 0; i < reply.set.count; i++) {
        struct receipt *receipt = &reply.receipts[reply.receipt_count++];
        receipt->index = (uint8_t)i;
        receipt->rank = (uint8_t)placement_rank(&placement, world->directory, &reply.set.relays[i]);
        receipt_sign(receipt, &world->relays[relay_index(world, reply.set.relays[i].bytes)].identity,
                     &world->genesis.network, &reply.set, op->item, &op->mailbox, &hash, op->expiry_ms);
    }
    reply_send_later(world, relay, op->surbs[0], &reply, world->receipts_ms);
    for (size_t i = 0; i < world->relay_count; i++)
        if (!world->relays[i].down)
            push_all(world, i);
}

static void op_fetch(struct world *world, size_t relay, const struct op *op) {
    uint64_t cursor = op->cursor;
    for (size_t i = 0; i < op->surb_count; i++) {
        const struct fake_item *item;
        size_t n = waiting_at(world, relay, &op->mailbox, cursor, &item);
        struct reply reply = reply_for(world, relay, op, OP_OK);
        if (item != NULL)
            cursor = item->arrival[relay];
        reply.cursor = cursor;
        reply.waiting = (uint32_t)(n > 0 ? n - 1 : 0);
        reply.surbs_left = (uint8_t)(op->surb_count - 1 - i);
        reply.item = item != NULL ? item->bytes : NULL;
        reply.expiry_ms = item != NULL ? item->expiry_ms : 0;
        reply_send(world, relay, op->surbs[i], &reply);
        if (n <= 1)
            break;
    }
}

static void op_subscribe(struct world *world, size_t relay, const struct op *op) {
    struct fake_subscription *sub = subscription_at(&world->relays[relay], &op->mailbox);
    if (sub->count + op->surb_count > 64) {
        struct reply reply = reply_for(world, relay, op, OP_LIMIT);
        reply_send(world, relay, op->surbs[0], &reply);
        return;
    }
    sub->cursor = op->cursor;
    world->waits++;
    // The newest request's first.
    memmove(sub->deposits + op->surb_count, sub->deposits, sub->count * sizeof(sub->deposits[0]));
    for (size_t i = 0; i < op->surb_count; i++) {
        struct fake_deposit *deposit = &sub->deposits[i];
        deposit->wait = world->waits;
        memcpy(deposit->surb, op->surbs[i], SPHINX_SURB_BYTES);
    }
    sub->count += op->surb_count;
    if (op->wait_ms > 0) {
        struct event *event = NEW(struct event);
        event->type = AT_WAIT_END;
        event->who = relay;
        event->mailbox = op->mailbox;
        event->wait = world->waits;
        event_push(world, event, op->wait_ms);
    }
    push_all(world, relay);
}

// Answers a request that lacks its mailbox's stamp.
static bool stamp_is_missing(struct world *world, size_t relay, const struct op *op) {
    struct reply reply = reply_for(world, relay, op, OP_STAMP);
    reply.stamp_bits = world->directory->stamp_bits;
    if (mailbox_stamp_fits(op->stamp, reply.stamp_bits, &world->genesis.network, &op->mailbox))
        return false;
    reply_send(world, relay, op->surbs[0], &reply);
    return true;
}

static void op_delete(struct world *world, size_t relay, const struct op *op) {
    if (stamp_is_missing(world, relay, op))
        return;
    for (size_t i = 0; i < op->count; i++)
        for (size_t j = 0; j < world->item_count; j++)
            if (memcmp(&world->items[j].hash, &op->deletes[i].item, 32) == 0) {
                world->items[j].deleted = true;
                memcpy(world->items[j].secret, op->deletes[i].secret, DELIVERY_SECRET_BYTES);
            }
    struct reply reply = reply_for(world, relay, op, OP_OK);
    reply_send(world, relay, op->surbs[0], &reply);
}

static void op_policy(struct world *world, size_t relay, const struct op *op) {
    struct fake_relay *fake = &world->relays[relay];
    if (stamp_is_missing(world, relay, op))
        return;
    struct fake_policy *policy = (struct fake_policy *)(uintptr_t)policy_at(fake, &op->mailbox);
    if (policy == NULL) {
        assert_true(fake->policy_count < POLICIES_MAX);
        policy = &fake->policies[fake->policy_count++];
    }
    if (op->version >= policy->version) {
        *policy = (struct fake_policy){.mailbox = op->mailbox, .version = op->version, .count = op->count};
        memcpy(policy->entries, op->policy, op->count * sizeof(op->policy[0]));
    }
    struct reply reply = reply_for(world, relay, op, op->version < policy->version ? OP_REFUSED : OP_OK);
    reply_send(world, relay, op->surbs[0], &reply);
}

static bool way_repeats(const struct way *way) {
    for (size_t i = 0; i < way->count; i++)
        for (size_t j = 0; j < i; j++)
            if (way->hops[i] == way->hops[j])
                return true;
    return false;
}

// Entry, middle, replica; the first two hold nothing of that mailbox.
static void request_watch(struct world *world, const struct way *way, const struct placement *placement) {
    bool fault = way->count != 3 || way_repeats(way);
    for (size_t rank = 0; rank < world->genesis.replicas && rank < placement->count; rank++) {
        size_t at = relay_index(world, world->directory->relays[placement->relays[rank]].id.bytes);
        fault = fault || way->hops[0] == at || way->hops[1] == at;
    }
    world->requests++;
    world->request_faults += fault;
}

static void store_log(struct world *world, size_t relay, const struct op *op, const struct way *way) {
    world->last_store = *way;
    assert_true(world->stores < LOG_MAX);
    item_hash_of(&world->store_hashes[world->stores], &world->genesis.network, &op->mailbox, op->expiry_ms, op->item);
    world->store_at_ms[world->stores] = world->now.mono_ms;
    world->store_exec[world->stores++] = relay;
}

static void op_execute(struct world *world, size_t relay, struct span body, const struct way *way) {
    struct op op;
    assert_int_equal(op_decode(&op, body), OK);
    struct placement placement;
    placement_of(&placement, world->directory, &op.mailbox, world->genesis.replicas);
    request_watch(world, way, &placement);
    if (op.kind == OP_STORE)
        store_log(world, relay, &op, way);
    enum op_status status = OP_OK;
    uint64_t clock_ms = world->now.wall_ms + (uint64_t)world->relays[relay].clock_offset_ms;
    if (op.epoch != world->directory->epoch && op.epoch + 1 != world->directory->epoch)
        status = OP_WRONG_EPOCH;
    else if (placement_rank(&placement, world->directory, &world->relays[relay].id) < 0)
        status = OP_NOT_REPLICA;
    else if (op.kind != OP_STORE && op_verify(&op, &world->genesis.network, &world->relays[relay].id) != OK)
        status = OP_REFUSED;
    else if (op.kind != OP_STORE && (op.time_ms + 5 * MINUTE_MS < clock_ms || op.time_ms > clock_ms + 5 * MINUTE_MS))
        status = OP_BAD_TIME;
    if (status != OP_OK) {
        struct reply reply = reply_for(world, relay, &op, status);
        reply_send(world, relay, op.surbs[0], &reply);
        return;
    }
    if (world->relays[relay].lies != NULL && world->relays[relay].lies(world, relay, &op))
        return;
    world->relays[relay].ops[op.kind]++;
    switch (op.kind) {
    case OP_STORE:
        op_store(world, relay, &op);
        return;
    case OP_FETCH:
        op_fetch(world, relay, &op);
        return;
    case OP_SUBSCRIBE:
        op_subscribe(world, relay, &op);
        return;
    case OP_DELETE:
        op_delete(world, relay, &op);
        return;
    case OP_POLICY:
        op_policy(world, relay, &op);
        return;
    }
}

// ---- relays

static void to_user(struct world *world, size_t relay, const struct sphinx_peeled *peeled) {
    for (size_t u = 0; u < world->user_count; u++) {
        struct user *user = &world->users[u];
        for (size_t h = 0; user->linked[relay] && h < user->handle_count[relay]; h++)
            if (memcmp(user->handles[relay][h].bytes, peeled->next_id, 16) == 0) {
                struct event *event = NEW(struct event);
                event->type = AT_USER;
                event->who = u;
                event->life = world->lives[u];
                event->relay = relay;
                memcpy(event->surb.bytes, peeled->next_id + 16, 16);
                memcpy(event->packet, peeled->packet + SPHINX_PACKET_BYTES - SPHINX_PAYLOAD_BYTES,
                       SPHINX_PAYLOAD_BYTES);
                event_push(world, event, world->hop_ms);
                return;
            }
    }
}

// A, B, entry, none of which executed the request.
static void reply_watch(struct world *world, const struct way *way) {
    bool fault = way->count != 3 || way_repeats(way);
    for (size_t i = 0; i < way->count; i++)
        fault = fault || way->hops[i] == way->exec;
    world->replies++;
    world->reply_faults += fault;
}

static void at_relay(struct world *world, size_t relay, const uint8_t packet[static SPHINX_PACKET_BYTES],
                     const struct way *so_far) {
    struct sphinx_peeled peeled;
    struct span body;
    if (world->relays[relay].down)
        return;
    struct way way = *so_far;
    assert_true(way.count < SPHINX_HOPS_MAX);
    way.hops[way.count++] = relay;
    if (sphinx_peel(&peeled, world->relays[relay].keys, KEY_EPOCHS, packet, false) != OK)
        return;
    switch (peeled.type) {
    case SPHINX_FORWARD: {
        size_t next = relay_index(world, peeled.next_id);
        assert_true(next < world->relay_count);
        packet_to(world, next, peeled.packet, peeled.delay_ms, &way);
        return;
    }
    case SPHINX_DELIVER:
        assert_int_equal(sphinx_payload_open(&body, peeled.packet + SPHINX_PACKET_BYTES - SPHINX_PAYLOAD_BYTES), OK);
        op_execute(world, relay, body, &way);
        return;
    case SPHINX_CLIENT:
        if (way.exec != SIZE_MAX)
            reply_watch(world, &way);
        to_user(world, relay, &peeled);
        return;
    }
}

// ---- the run of time

static void event_handle(struct world *world, struct event *event) {
    struct user_step us;
    bool of_user = event->type != AT_RELAY && event->type != AT_WAIT_END;
    struct user *user = of_user ? &world->users[event->who] : NULL;
    if (event->type == AT_WAIT_END) {
        wait_end(world, event->who, &event->mailbox, event->wait);
    } else if (event->type == AT_RELAY) {
        at_relay(world, event->who, event->packet, &event->way);
    } else if (event->life != world->lives[event->who] || user->crashed) {
        if (event->job != NULL)
            event->job->free(event->job);
    } else if (event->type == AT_JOB) {
        client_job_done(user->client, user_begin(user, &us), event->job);
        user_end(user, &us);
    } else if (event->type == AT_LINK) {
        struct relay_id id = world->relays[event->relay].id;
        user->linked[event->relay] = event->up && user->held[event->relay];
        struct step *step = user_begin(user, &us);
        if (user->linked[event->relay])
            client_link_up(user->client, step, &id);
        else
            client_link_down(user->client, step, &id);
        user_end(user, &us);
    } else if (user->linked[event->relay]) {
        trace_add(world, event->relay, false);
        client_reply(user->client, user_begin(user, &us), &event->surb, event->packet);
        user_end(user, &us);
    }
    free(event);
}

static uint64_t world_next_ms(const struct world *world) {
    uint64_t next = heap_next_ms(&world->events);
    for (size_t i = 0; i < world->user_count; i++) {
        uint64_t at = world->users[i].crashed ? TIME_NEVER : client_next_ms(world->users[i].client);
        next = at < next ? at : next;
    }
    return next;
}

static void world_tick(struct world *world, uint64_t until_ms) {
    uint64_t next = world_next_ms(world);
    if (next > until_ms)
        next = until_ms;
    if (next > world->now.mono_ms) {
        world->now.wall_ms += next - world->now.mono_ms;
        world->now.mono_ms = next;
    }
    for (struct event *event; (event = heap_pop_due(&world->events, world->now.mono_ms)) != NULL;)
        event_handle(world, event);
    for (size_t i = 0; i < world->user_count; i++) {
        struct user *user = &world->users[i];
        if (!user->crashed && client_next_ms(user->client) <= world->now.mono_ms) {
            struct user_step us;
            client_tick(user->client, user_begin(user, &us));
            user_end(user, &us);
        }
    }
}

void run_for(struct world *world, uint64_t ms) {
    uint64_t until = world->now.mono_ms + ms;
    while (world_next_ms(world) <= until)
        world_tick(world, until);
    world->now.wall_ms += until - world->now.mono_ms;
    world->now.mono_ms = until;
}

// ---- making and ending it

static struct directory *directory_make(const struct world *world, uint32_t epoch) {
    struct directory *directory = NEW(struct directory);
    directory->network = world->genesis.network;
    directory->epoch = epoch;
    directory->changed_epoch = 1;
    directory->references = 1;
    directory->relays = NEW_ARRAY(struct directory_relay, world->relay_count);
    for (size_t i = 0; i < world->relay_count; i++) {
        if (world->relays[i].gone)
            continue;
        struct directory_relay *relay = &directory->relays[directory->relay_count++];
        relay->id = world->relays[i].id;
        hash_bytes((struct hash *)&relay->placement, "test placement", SPAN_OF(relay->id.bytes));
        relay->placed = true;
        relay->onion.first_epoch = epoch;
        for (size_t k = 0; k < ONION_KEYS_AHEAD && epoch + k <= KEY_EPOCHS; k++)
            relay->onion.keys[k] = world->relays[i].keys[epoch + k - 1].public;
    }
    return directory;
}

// What a relay is born with: little, beside all that it holds later, so that many are sorted at no cost.
struct relay_keys {
    struct sign_secret identity;
    struct relay_id id;
    struct sphinx_relay_key keys[KEY_EPOCHS];
};

static int compare_relay_keys(const void *a, const void *b) {
    return memcmp(((const struct relay_keys *)a)->id.bytes, ((const struct relay_keys *)b)->id.bytes, 32);
}

static void relay_keys_make(struct relay_keys *relay, struct rng *rng) {
    struct sign_public public;
    sign_key_new(&relay->identity, &public, rng);
    memcpy(relay->id.bytes, public.bytes, 32);
    for (uint32_t k = 0; k < KEY_EPOCHS; k++) {
        relay->keys[k].epoch = k + 1;
        dh_key_new(&relay->keys[k].secret, &relay->keys[k].public, rng);
    }
}

static void relays_make(struct world *world, size_t count) {
    struct relay_keys made[RELAYS_MAX];
    for (size_t i = 0; i < count; i++)
        relay_keys_make(&made[i], &world->rng);
    qsort(made, count, sizeof(made[0]), compare_relay_keys);
    for (size_t i = 0; i < count; i++) {
        world->relays[i].identity = made[i].identity;
        world->relays[i].id = made[i].id;
        memcpy(world->relays[i].keys, made[i].keys, sizeof(made[i].keys));
    }
    world->relay_count = count;
}

static struct user *user_make(struct world *world) {
    struct user *user = &world->users[world->user_count];
    uint8_t seed[32] = {0};
    user->world = world;
    user->index = world->user_count++;
    rng_bytes(&world->rng, seed, sizeof(seed));
    rng_init(&user->env.rng, seed);
    rng_bytes(&world->rng, seed, sizeof(seed));
    memcpy(user->config.identity_seed, seed, sizeof(seed));
    user->config.genesis = &world->genesis;
    user->config.profile = world->genesis.profile;
    user->config.poll_interval_ms = MINUTE_MS;
    user->kv = kv_memory_new();
    user->env.kv = user->kv;
    user->env.metrics = metrics_new();
    user->env.log.level = LOG_ERROR;
    user->crashed = true;
    return user;
}

static void log_nothing(void *ctx, const struct log_line *line) {
    (void)ctx;
    (void)line;
}

struct world *world_make(uint64_t seed, size_t relays, size_t users) {
    crypto_init();
    struct world *world = NEW(struct world);
    uint8_t bytes[32] = {0};
    store_u64(bytes, seed);
    rng_init(&world->rng, bytes);
    world->now = (struct now){1000, 1790000000000};
    world->genesis = (struct genesis){.name = "test",
                                      .testnet = true,
                                      .genesis_ms = world->now.wall_ms - 10 * MINUTE_MS,
                                      .epoch_ms = 100 * DAY_MS,
                                      .replicas = 3,
                                      .quorum = 2,
                                      .item_lifetime_ms = 7 * DAY_MS,
                                      .profile = PROFILE_FAST};
    rng_bytes(&world->rng, world->genesis.network.bytes, 32);
    world->hop_ms = 1;
    relays_make(world, relays);
    world->directory = directory_make(world, 1);
    for (size_t i = 0; i < users; i++)
        user_make(world)->env.log.write = log_nothing;
    return world;
}

void stand_still(struct world *world, uint64_t ms) {
    world->now.mono_ms += ms;
    world->now.wall_ms += ms;
}

void world_start(struct world *world) {
    for (size_t i = 0; i < world->user_count; i++)
        user_start(&world->users[i]);
    run_for(world, SECOND_MS);
}

void notes_clear(struct user *user) {
    for (size_t i = 0; i < user->note_count; i++)
        buf_free(&user->notes[i].text);
    user->note_count = 0;
}

void world_free(struct world *world) {
    for (size_t i = 0; i < world->user_count; i++) {
        struct user *user = &world->users[i];
        client_free(user->client);
        answers_clear(user);
        notes_clear(user);
        for (size_t n = 0; n < user->request_count; n++)
            buf_free(&user->requests[n].text);
        kv_close(user->kv);
        metrics_free(user->env.metrics);
    }
    for (struct event *event; (event = heap_pop(&world->events)) != NULL;) {
        if (event->job != NULL)
            event->job->free(event->job);
        free(event);
    }
    heap_free(&world->events);
    directory_unref(world->directory);
    directory_unref(world->previous);
    free(world);
}

void world_epoch(struct world *world, uint32_t epoch) {
    directory_unref(world->previous);
    world->previous = world->directory;
    world->directory = directory_make(world, epoch);
}

void world_tell_epoch(struct world *world) {
    for (size_t i = 0; i < world->user_count; i++) {
        struct user *user = &world->users[i];
        struct user_step us;
        if (user->crashed)
            continue;
        client_set_directory(user->client, user_begin(user, &us), world->directory, world->previous);
        user_end(user, &us);
    }
}

void world_next_epoch(struct world *world) {
    world_epoch(world, world->directory->epoch + 1);
    world_tell_epoch(world);
}

// ---- what users do

const struct client_answer *ask(struct user *user, struct client_request *request) {
    answers_clear(user);
    user_request(user, request);
    for (unsigned i = 0; user->answer_count == 0 && i < 10; i++)
        run_for(user->world, 1);
    assert_int_equal(user->answer_count, 1);
    assert_int_equal(user->answers[0].id, request->id);
    return &user->answers[0];
}

const struct client_answer *ask_named(struct user *user, enum client_op op, const char *name) {
    struct client_request request = {.op = op};
    memcpy(request.name, name, strlen(name));
    return ask(user, &request);
}

const char *link_of(struct user *user) {
    struct client_request request = {.op = CLIENT_ID};
    return ask(user, &request)->link;
}

const struct client_answer *add_contact(struct user *user, const char *name, struct user *other) {
    struct client_request request = {.op = CLIENT_CONTACT_ADD};
    memcpy(request.name, name, strlen(name));
    strcpy(request.link, link_of(other));
    return ask(user, &request);
}

const struct client_answer *send_text(struct user *user, const char *name, const char *text) {
    struct client_request request = {.op = CLIENT_SEND, .text = span_of_text(text)};
    memcpy(request.name, name, strlen(name));
    return ask(user, &request);
}

struct message_id send_ok(struct user *user, const char *name, const char *text) {
    const struct client_answer *answer = send_text(user, name, text);
    assert_int_equal(answer->err, OK);
    assert_int_equal(answer->message_count, 1);
    return answer->messages[0].id;
}

const struct message_record *message_of(struct user *user, const struct message_id *id) {
    struct client_request request = {.op = CLIENT_MESSAGE, .message = *id};
    const struct client_answer *answer = ask(user, &request);
    assert_int_equal(answer->err, OK);
    return &answer->messages[0];
}

enum message_state state_of(struct user *user, const struct message_id *id) {
    return message_of(user, id)->state;
}

bool text_is(const struct buf *text, const char *expected) {
    return span_equal(buf_span(text), span_of_text(expected));
}

size_t received(const struct user *user, const struct message_record **out, size_t max) {
    size_t count = 0;
    for (size_t i = 0; i < user->note_count; i++)
        if (user->notes[i].incoming) {
            if (count < max)
                out[count] = &user->notes[i];
            count++;
        }
    return count;
}

void befriend(struct user *a, const char *b_name, struct user *b, const char *a_name) {
    assert_int_equal(add_contact(a, b_name, b)->err, OK);
    send_ok(a, b_name, "hello");
    run_for(a->world, SECOND_MS);
    assert_int_equal(b->request_count, 1);
    struct client_request accept = {.op = CLIENT_REQUEST_ACCEPT, .cursor = b->requests[0].number};
    memcpy(accept.name, a_name, strlen(a_name));
    assert_int_equal(ask(b, &accept)->err, OK);
    run_for(a->world, SECOND_MS);
}

// ---- those without a client

void stranger_make(struct stranger *stranger, struct world *world) {
    memset(stranger, 0, sizeof(*stranger));
    stranger->world = world;
    sign_key_new(&stranger->identity, &stranger->card.identity, &world->rng);
    dh_key_new(&stranger->dh, &stranger->card.dh, &world->rng);
    rng_bytes(&world->rng, stranger->card.mailbox.bytes, 32);
    rng_bytes(&world->rng, stranger->reply_mailbox.bytes, 32);
    rng_bytes(&world->rng, stranger->reply_token.bytes, 32);
    card_sign(&stranger->proof, &stranger->card, &world->genesis.network, &stranger->identity);
    stranger->stream = world->now.wall_ms;
}

void item_inject(struct world *world, const struct mailbox_id *mailbox, uint64_t expiry_ms,
                 const uint8_t bytes[static ITEM_BYTES]) {
    assert_true(world->item_count < ITEMS_MAX);
    struct fake_item *item = &world->items[world->item_count++];
    *item = (struct fake_item){.mailbox = *mailbox, .expiry_ms = expiry_ms};
    memcpy(item->bytes, bytes, ITEM_BYTES);
    item_hash_of(&item->hash, &world->genesis.network, mailbox, expiry_ms, bytes);
    struct placement placement;
    placement_of(&placement, world->directory, mailbox, world->genesis.replicas);
    for (size_t rank = 0; rank < placement.count && rank < world->genesis.replicas; rank++) {
        size_t at = relay_index(world, world->directory->relays[placement.relays[rank]].id.bytes);
        if (world->relays[at].down)
            continue;
        item->arrival[at] = ++world->relays[at].arrivals;
        push_all(world, at);
    }
}

struct card card_of_user(struct user *user) {
    struct card card;
    const char *reason;
    assert_int_equal(link_parse(&card, &reason, link_of(user), &user->world->genesis.network), OK);
    return card;
}

struct message_id stranger_send(struct stranger *stranger, struct user *to, const struct mailbox_id *mailbox,
                                uint64_t sequence, uint64_t floor, const char *text) {
    struct world *world = stranger->world;
    struct card card = card_of_user(to);
    struct letter letter = {.kind = LETTER_TEXT,
                            .stream = stranger->stream,
                            .sequence = sequence,
                            .floor = floor,
                            .card = stranger->card,
                            .reply_mailbox = stranger->reply_mailbox,
                            .reply_token = stranger->reply_token,
                            .reply_version = 1,
                            .text = span_of_text(text)};
    rng_bytes(&world->rng, letter.id.bytes, 16);
    rng_bytes(&world->rng, letter.secret, 32);
    uint64_t expiry_ms = world->now.wall_ms + (stranger->lifetime_ms > 0 ? stranger->lifetime_ms : DAY_MS);
    letter.gap_expiry_ms = stranger->gap_expiry_ms > 0 ? stranger->gap_expiry_ms : expiry_ms;
    struct item_place place = {&world->genesis.network, mailbox, expiry_ms};
    uint8_t item[ITEM_BYTES];
    assert_int_equal(seal_item(item, &letter, &stranger->proof, &stranger->dh, &card.dh, &place, &world->rng), OK);
    item_inject(world, mailbox, expiry_ms, item);
    return letter.id;
}

size_t items_left(const struct world *world, const struct mailbox_id *mailbox) {
    size_t count = 0;
    for (size_t i = 0; i < world->item_count; i++)
        count += !world->items[i].deleted && mailbox_id_equal(&world->items[i].mailbox, mailbox);
    return count;
}
