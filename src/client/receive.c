// Getting items out of our mailboxes, in rounds, at one replica after the other; by two receivers, so that what one
// replica withholds, because it has died or for another reason, is pushed by another at once.
//
//   a round:  fetch -> caught up -> listen there for a minute -> the next round, at the next replica
//               '-- no answer in time: the next replica at once
//
// Listening is a subscription with a deadline: what comes is pushed as it comes, and an answer at the deadline tells
// that the replica is still there. A cursor is moved only over what has arrived; and every so many rounds, and after
// trouble, all undeleted items are fetched, so that nothing that was once stepped over stays behind.
//
// The first receiver leads: it catches up before the second begins, and it alone looks at those that may stand in.
#include <string.h>

#include "client/client_internal.h"

#define SLACK_MS (5 * SECOND_MS) // of an answer at the deadline: delays on the way
#define LISTEN_MIN_MS 100
#define LISTEN_EARLY_MS (5 * SECOND_MS)
#define STAND_IN_EVERY 3
// Longer than fetching what a mailbox can hold, or listening once. A replica that always has something more, or always
// pushes something, would else keep us from the others and from what they hold.
#define STAY_MS (2 * MINUTE_MS)
#define SECOND_AFTER_MS SECOND_MS // the lead, at most
// With more mailboxes than these, only those of conversations of the last day have two receivers: else a thousand would
// need more packets than an entry allows.
#define TWICE_MAILBOXES_MAX 256
#define TWICE_ACTIVE_MS DAY_MS
// When we come on line, the mailboxes of the latest conversations are read at once, the others within some seconds: a
// burst would tell the entry how many there are.
#define START_AT_ONCE 4
#define START_SPREAD_MS (8 * SECOND_MS)
#define START_POLICY_SPREAD_MS (30 * SECOND_MS)

static struct receiver *lead_of(struct own_mailbox *own) {
    return &own->receivers[0];
}

static bool is_lead(const struct own_mailbox *own, const struct receiver *receiver) {
    return receiver == &own->receivers[0];
}

static struct receiver *other_of(struct own_mailbox *own, const struct receiver *receiver) {
    return &own->receivers[is_lead(own, receiver) ? 1 : 0];
}

// The receiver that waits for this exchange; NULL: it has gone on.
static struct receiver *receiver_of(struct own_mailbox *own, const struct exchange *exchange) {
    for (size_t i = 0; i < RECEIVERS; i++)
        if (own->receivers[i].under_way == exchange->number)
            return &own->receivers[i];
    return NULL;
}

static uint64_t cursor_at(const struct own_mailbox *own, const struct relay_id *replica) {
    for (size_t i = 0; i < own->cursor_count; i++)
        if (relay_id_equal(&own->cursors[i].replica, replica))
            return own->cursors[i].cursor;
    return 0;
}

void receive_cursor_take(struct own_mailbox *own, const struct relay_id *replica, uint64_t cursor) {
    for (size_t i = 0; i < own->cursor_count; i++)
        if (relay_id_equal(&own->cursors[i].replica, replica)) {
            own->cursors[i].cursor = cursor;
            return;
        }
    if (own->cursor_count == CURSORS_MAX) {
        memmove(own->cursors, own->cursors + 1, (CURSORS_MAX - 1) * sizeof(own->cursors[0]));
        own->cursor_count--;
    }
    own->cursors[own->cursor_count++] = (struct cursor_slot){*replica, cursor};
}

static void cursor_advance(struct step *step, struct own_mailbox *own, const struct relay_id *replica,
                           uint64_t cursor) {
    uint64_t before = cursor_at(own, replica);
    if (cursor <= before)
        return;
    if (own->cursor_count == CURSORS_MAX && before == 0)
        forget_cursor(step, own->state.number, &own->cursors[0].replica);
    receive_cursor_take(own, replica, cursor);
    store_cursor(step, &(struct cursor_state){own->state.number, *replica, cursor});
}

static size_t replicas_proper(const struct client *client, const struct own_mailbox *own) {
    size_t k = client->config.genesis->replicas;
    return own->replica_count < k ? own->replica_count : k;
}

// Candidates in turn: the replicas, and those that may stand in once all have been tried; last, where the other
// receiver is.
static size_t candidates(const struct client *client, struct own_mailbox *own, const struct receiver *receiver,
                         struct relay_id out[static PLACEMENT_RANKS]) {
    const struct relay_id *taken = &other_of(own, receiver)->replica;
    size_t k = replicas_proper(client, own);
    size_t n = receiver->attempts < k ? k : own->replica_count, count = 0;
    bool last = false;
    for (size_t i = 0; i < n; i++) {
        const struct relay_id *replica = &own->replicas[(i + receiver->turn) % n];
        if (relay_id_equal(replica, taken))
            last = true;
        else
            out[count++] = *replica;
    }
    if (last)
        out[count++] = *taken;
    return count;
}

struct way {
    struct relay_id order[PLACEMENT_RANKS];
    struct path_aim aim;
    struct path_plan plan;
};

// A way to the replica that is next, or to a certain one.
static bool way_find(struct client *client, struct step *step, struct own_mailbox *own, const struct receiver *receiver,
                     struct way *out, const struct relay_id *only) {
    out->aim = (struct path_aim){out->order, 1, own->replicas, replicas_proper(client, own)};
    if (only != NULL)
        out->order[0] = *only;
    else
        out->aim.candidate_count = candidates(client, own, receiver, out->order);
    return path_plan(client, step, &out->plan, &out->aim);
}

static struct op op_begin(const struct client *client, const struct step *step, const struct own_mailbox *own,
                          enum op_kind kind, uint64_t cursor) {
    return (struct op){.kind = kind, .mailbox = own->id, .time_ms = clock_request_ms(client, step), .cursor = cursor};
}

// False: there is no way there now.
static bool fetch(struct client *client, struct step *step, struct own_mailbox *own, struct receiver *receiver,
                  const struct way *way, uint64_t cursor) {
    struct op op = op_begin(client, step, own, OP_FETCH, cursor);
    struct exchange *exchange =
        path_send(client, step, &way->plan, EXCHANGE_FETCH, own->state.number, &op, &own->secret, MINUTE_MS);
    if (exchange == NULL)
        return false;
    exchange->cursors[0] = exchange->cursors[1] = cursor; // where it is, and began
    receiver->under_way = exchange->number;
    receiver->replica = way->plan.last->id;
    return true;
}

// ---- visits: a look at a relay that is no replica proper

void receive_visit(struct own_mailbox *own, const struct relay_id *relay) {
    for (size_t i = 0; i < own->visit_count; i++)
        if (relay_id_equal(&own->visits[i], relay))
            return;
    if (own->visit_count < VISITS_MAX)
        own->visits[own->visit_count++] = *relay;
}

static void visit_over(struct own_mailbox *own) {
    own->visit_count--;
    memmove(own->visits, own->visits + 1, own->visit_count * sizeof(own->visits[0]));
}

// Those that may stand in hold what came while a replica was away: one of them every so many rounds, all after trouble.
static void visit_stand_ins(const struct client *client, struct own_mailbox *own) {
    const struct receiver *lead = lead_of(own);
    bool trouble = lead->attempts > 0;
    if (!trouble && lead->rounds % STAND_IN_EVERY != 0)
        return;
    for (size_t rank = replicas_proper(client, own); rank < own->replica_count; rank++)
        if (trouble || (lead->rounds / STAND_IN_EVERY + rank) % 2 == 0)
            receive_visit(own, &own->replicas[rank]);
}

static bool visit(struct client *client, struct step *step, struct own_mailbox *own) {
    struct receiver *lead = lead_of(own);
    struct way way;
    lead->phase = RECEIVE_VISITING;
    lead->leave_ms = step->now.mono_ms + STAY_MS;
    lead->due_ms = step->now.mono_ms + client_retry_ms(0);
    return way_find(client, step, own, lead, &way, &own->visits[0]) && fetch(client, step, own, lead, &way, 0);
}

// ---- rounds

static void fetch_first(struct client *client, struct step *step, struct own_mailbox *own, struct receiver *receiver) {
    struct way way;
    receiver->phase = RECEIVE_FETCHING;
    receiver->leave_ms = step->now.mono_ms + STAY_MS;
    receiver->due_ms = step->now.mono_ms + client_retry_ms(receiver->attempts);
    if (!way_find(client, step, own, receiver, &way, NULL))
        return;
    bool sweep = is_lead(own, receiver) && receiver->rounds % SWEEP_EVERY == 1;
    bool all = receiver->attempts > 0 || sweep;
    fetch(client, step, own, receiver, &way, all ? 0 : cursor_at(own, &way.plan.last->id));
}

static void visit_or_fetch(struct client *client, struct step *step, struct own_mailbox *own) {
    for (; own->visit_count > 0; visit_over(own))
        if (visit(client, step, own))
            return;
    fetch_first(client, step, own, lead_of(own));
}

static bool is_read_twice(const struct client *client, const struct step *step, const struct own_mailbox *own) {
    const struct contact *contact = table_find(&client->contacts, own->state.contact);
    return client->mailboxes.count <= TWICE_MAILBOXES_MAX ||
           (contact != NULL && step->now.wall_ms < contact->state.active_ms + TWICE_ACTIVE_MS);
}

static void round_begin(struct client *client, struct step *step, struct own_mailbox *own, struct receiver *receiver) {
    if (is_lead(own, receiver)) {
        visit_stand_ins(client, own);
        receiver->rounds++;
        visit_or_fetch(client, step, own);
        return;
    }
    if (!is_read_twice(client, step, own)) {
        receiver->phase = RECEIVE_IDLE;
        receiver->due_ms = step->now.mono_ms + MINUTE_MS;
        return;
    }
    receiver->rounds++;
    fetch_first(client, step, own, receiver);
}

// The rest of what a replica has.
static void fetch_on(struct client *client, struct step *step, struct own_mailbox *own, struct receiver *receiver,
                     const struct relay_id *replica, uint64_t cursor) {
    struct way way;
    receiver->due_ms = step->now.mono_ms + client_retry_ms(0);
    if (way_find(client, step, own, receiver, &way, replica))
        fetch(client, step, own, receiver, &way, cursor);
}

// A minute (or the poll interval). In the first minute on line the lead's rounds are short: replicas may still push
// through reply blocks of our connection before, which lead nowhere. The second begins with half of it, so that one of
// the two moves on every half a minute.
static uint64_t wait_ms_of(const struct client *client, const struct step *step, const struct own_mailbox *own,
                           const struct receiver *receiver) {
    uint64_t wait_ms = client->config.poll_interval_ms < WAIT_MS_MAX ? client->config.poll_interval_ms : WAIT_MS_MAX;
    if (!is_lead(own, receiver))
        return receiver->rounds == 1 ? wait_ms / 2 : wait_ms;
    bool early = step->now.mono_ms < own->began_ms + WAIT_MS_MAX;
    return early && wait_ms > LISTEN_EARLY_MS ? LISTEN_EARLY_MS : wait_ms;
}

// No longer than the keys of the reply blocks live, and then not all clients at once.
static uint64_t listen_ms(const struct client *client, struct step *step, const struct own_mailbox *own,
                          const struct receiver *receiver, uint32_t epoch) {
    const struct genesis *genesis = client->config.genesis;
    uint64_t end_ms = epoch_start_ms(genesis, epoch + 1) + rng_below(&step->env->rng, genesis->epoch_ms / 12 + 1);
    uint64_t left_ms = end_ms > step->now.wall_ms ? end_ms - step->now.wall_ms : 0;
    uint64_t wait_ms = wait_ms_of(client, step, own, receiver);
    wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
    return wait_ms > LISTEN_MIN_MS ? wait_ms : LISTEN_MIN_MS;
}

static void listen(struct client *client, struct step *step, struct own_mailbox *own, struct receiver *receiver,
                   const struct relay_id *replica) {
    struct way way;
    uint64_t cursor = cursor_at(own, replica);
    if (receiver->phase == RECEIVE_LISTENING && receiver->listen_cursor > cursor)
        cursor = receiver->listen_cursor;
    receiver->phase = RECEIVE_LISTENING;
    receiver->heard = false;
    receiver->due_ms = step->now.mono_ms + client_retry_ms(0);
    if (!way_find(client, step, own, receiver, &way, replica))
        return;
    struct op op = op_begin(client, step, own, OP_SUBSCRIBE, cursor);
    op.wait_ms = (uint32_t)listen_ms(client, step, own, receiver, way.plan.epoch);
    struct exchange *exchange = path_send(client, step, &way.plan, EXCHANGE_SUBSCRIBE, own->state.number, &op,
                                          &own->secret, op.wait_ms + 2 * SLACK_MS);
    if (exchange == NULL)
        return;
    receiver->under_way = exchange->number;
    receiver->listen_cursor = cursor;
    receiver->listen_end_ms = step->now.mono_ms + op.wait_ms;
    receiver->due_ms = receiver->listen_end_ms + SLACK_MS;
}

// The lead has caught up, or its replica does not answer: time for the second.
static void second_begin(struct step *step, struct own_mailbox *own) {
    struct receiver *second = &own->receivers[1];
    uint64_t due_ms = step->now.mono_ms + 1 + rng_below(&step->env->rng, SECOND_AFTER_MS);
    if (second->rounds == 0 && second->phase == RECEIVE_IDLE && due_ms < second->due_ms)
        second->due_ms = due_ms;
}

static void next_replica(struct step *step, struct own_mailbox *own, struct receiver *receiver, bool failed) {
    receiver->under_way = 0;
    receiver->turn++;
    receiver->attempts = failed ? receiver->attempts + 1 : 0;
    if (is_lead(own, receiver))
        second_begin(step, own);
}

static void receiver_pump(struct client *client, struct step *step, struct own_mailbox *own,
                          struct receiver *receiver) {
    const struct exchange *exchange = table_find(&client->exchanges, receiver->under_way);
    switch (receiver->phase) {
    case RECEIVE_IDLE:
        break;
    case RECEIVE_VISITING:
        visit_over(own);
        visit_or_fetch(client, step, own);
        return;
    case RECEIVE_FETCHING:
        next_replica(step, own, receiver, true);
        break;
    case RECEIVE_LISTENING:
        if (!receiver->heard && exchange != NULL)
            exchange_failed(client, step, exchange); // a fetch without an answer is noticed by itself
        next_replica(step, own, receiver, !receiver->heard);
        break;
    }
    round_begin(client, step, own, receiver);
}

void receive_pump(struct client *client, struct step *step, struct own_mailbox *own) {
    for (size_t i = 0; i < RECEIVERS; i++)
        if (step->now.mono_ms >= own->receivers[i].due_ms)
            receiver_pump(client, step, own, &own->receivers[i]);
}

uint64_t receive_next_ms(const struct own_mailbox *own) {
    uint64_t next_ms = TIME_NEVER;
    for (size_t i = 0; i < RECEIVERS; i++)
        next_ms = own->receivers[i].due_ms < next_ms ? own->receivers[i].due_ms : next_ms;
    return next_ms;
}

// ---- coming on line

static void receiver_begin(struct client *client, struct own_mailbox *own, struct receiver *receiver, uint64_t at_ms) {
    *receiver = (struct receiver){.phase = RECEIVE_IDLE, .turn = receiver->turn, .due_ms = at_ms};
    client_wake(client, &own->wake_ms, at_ms, WAKE_MAILBOX, own->state.number);
}

static void begin_at(struct client *client, struct own_mailbox *own, uint64_t at_ms) {
    own->answered = false;
    own->began_ms = at_ms;
    receiver_begin(client, own, &own->receivers[0], at_ms);
    receiver_begin(client, own, &own->receivers[1], at_ms + STAY_MS);
    own->receivers[1].turn = own->receivers[0].turn + 1;
}

void receive_new(const struct step *step, struct own_mailbox *own) {
    own->began_ms = step->now.mono_ms;
    own->answered = own->state.contact != 0; // nothing waits in a new contact's, so a ready client stays ready
    own->receivers[1].due_ms = step->now.mono_ms + STAY_MS;
    own->receivers[1].turn = 1;
}

// Strangers may wait at the one for requests.
static uint64_t active_ms_of(const struct client *client, const struct own_mailbox *own) {
    const struct contact *contact = table_find(&client->contacts, own->state.contact);
    return contact != NULL ? contact->state.active_ms : own->state.retired ? 0 : UINT64_MAX;
}

// From when on a conversation is one of the latest.
static uint64_t latest_from_ms(const struct client *client) {
    uint64_t latest[START_AT_ONCE] = {0}; // the latest first
    for (size_t i = 0; i < client->mailboxes.count; i++) {
        uint64_t active_ms = active_ms_of(client, (const struct own_mailbox *)client->mailboxes.items[i]);
        size_t at = START_AT_ONCE;
        while (at > 0 && active_ms > latest[at - 1])
            at--;
        if (at == START_AT_ONCE)
            continue;
        memmove(latest + at + 1, latest + at, (START_AT_ONCE - 1 - at) * sizeof(latest[0]));
        latest[at] = active_ms;
    }
    return latest[START_AT_ONCE - 1];
}

void receive_start(struct client *client, struct step *step) {
    uint64_t latest_ms = latest_from_ms(client), now_ms = step->now.mono_ms;
    size_t at_once = 0;
    for (size_t i = 0; i < client->mailboxes.count; i++) {
        struct own_mailbox *own = (struct own_mailbox *)client->mailboxes.items[i];
        bool first = active_ms_of(client, own) >= latest_ms && at_once < START_AT_ONCE;
        at_once += first;
        begin_at(client, own, now_ms + (first ? 0 : 1 + rng_below(&step->env->rng, START_SPREAD_MS)));
        own->tell_ms = now_ms + 1 + rng_below(&step->env->rng, START_POLICY_SPREAD_MS);
    }
}

void receive_link_lost(struct client *client, struct step *step, struct own_mailbox *own) {
    for (size_t i = 0; i < RECEIVERS; i++) {
        struct receiver *receiver = &own->receivers[i];
        if (receiver->under_way == 0 || table_find(&client->exchanges, receiver->under_way) != NULL)
            continue;
        own->began_ms = step->now.mono_ms;
        receiver_begin(client, own, receiver, step->now.mono_ms);
    }
}

// ---- what comes back

// A refusal: some other replica will know better, so the first round through them goes without waiting.
static void receive_refused(struct client *client, struct step *step, struct own_mailbox *own,
                            struct receiver *receiver) {
    metric_add(step->env->metrics, METRIC_CLIENT_OP_REFUSED, 1);
    receiver->due_ms = step->now.mono_ms;
    if (receiver->phase == RECEIVE_FETCHING || receiver->phase == RECEIVE_LISTENING) {
        receiver->phase = RECEIVE_IDLE;
        next_replica(step, own, receiver, true);
        if (receiver->attempts > own->replica_count)
            receiver->due_ms += client_retry_ms(receiver->attempts - (unsigned)own->replica_count - 1);
    }
    own_pump(client, step, own);
}

// All answers of a fetch are in: what lies up to `end` is known.
static void fetch_complete(struct client *client, struct step *step, struct own_mailbox *own, struct receiver *receiver,
                           const struct exchange *exchange, uint64_t end) {
    receiver->under_way = 0;
    if (exchange->more_refused) { // we have no room: later
        receiver->phase = RECEIVE_IDLE;
        receiver->due_ms = step->now.mono_ms + client_retry_ms(2);
        return;
    }
    cursor_advance(step, own, &exchange->replica, end);
    if (exchange->waiting > 0) {
        bool moves = end > exchange->cursors[1]; // one that has more but never gives it is lying
        if (moves && step->now.mono_ms < receiver->leave_ms)
            fetch_on(client, step, own, receiver, &exchange->replica, end);
        else
            receive_refused(client, step, own, receiver);
        return;
    }
    if (receiver->phase == RECEIVE_VISITING) {
        visit_over(own);
        visit_or_fetch(client, step, own);
        return;
    }
    receiver->attempts = 0;
    own->answered = true;
    listen(client, step, own, receiver, &exchange->replica);
    second_begin(step, own);
}

// The mailbox that the answer is of, and who waits for it there (NULL: nobody any more). NULL: the mailbox is gone, or
// the replica has refused, which has been seen to.
static struct own_mailbox *mailbox_answered(struct client *client, struct step *step, struct exchange *exchange,
                                            const struct reply *reply, struct receiver **receiver) {
    struct own_mailbox *own = table_find(&client->mailboxes, exchange->target);
    if (own == NULL || own->state.retired)
        return NULL;
    *receiver = receiver_of(own, exchange);
    if (reply->status != OP_OK) {
        if (*receiver != NULL)
            receive_refused(client, step, own, *receiver);
        return NULL;
    }
    if (reply->item != NULL)
        promise_check(client, step, own, exchange, reply);
    return own;
}

void receive_fetched(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply) {
    struct receiver *receiver = NULL;
    struct own_mailbox *own = mailbox_answered(client, step, exchange, reply, &receiver);
    if (own == NULL)
        return;
    if (reply->item != NULL && !inbox_item(client, step, own, reply->expiry_ms, reply->item))
        exchange->more_refused = true;
    exchange->answers++;
    if (reply->cursor > exchange->cursors[0])
        exchange->cursors[0] = reply->cursor;
    if (reply->item == NULL || reply->waiting == 0 || reply->surbs_left == 0) {
        exchange->answers_wanted = OP_SURBS_MAX - (reply->surbs_left < OP_SURBS_MAX ? reply->surbs_left : 0u);
        exchange->waiting = reply->waiting;
    }
    if (receiver != NULL && exchange->answers_wanted > 0 && exchange->answers >= exchange->answers_wanted)
        fetch_complete(client, step, own, receiver, exchange, exchange->cursors[0]);
    own_pump(client, step, own);
}

// The furthest point up to which every push of this subscription has arrived.
static uint64_t pushed_without_gap(const struct exchange *exchange) {
    uint64_t cursor = 0;
    for (size_t i = 0; i < exchange->surb_count && (exchange->got & (1u << i)) != 0; i++)
        cursor = exchange->cursors[i];
    return cursor;
}

static void listen_on(struct client *client, struct step *step, struct own_mailbox *own, struct receiver *receiver,
                      const struct exchange *exchange, const struct reply *reply) {
    receiver->heard = true;
    receiver->due_ms = receiver->listen_end_ms;
    if (reply->cursor > receiver->listen_cursor)
        receiver->listen_cursor = reply->cursor;
    bool ended = reply->item == NULL;
    if (ended || step->now.mono_ms >= receiver->leave_ms)
        receiver->due_ms = step->now.mono_ms;
    else if (exchange->surbs_left <= OP_SURBS_MAX / 2)
        listen(client, step, own, receiver, &exchange->replica);
}

void receive_pushed(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply,
                    size_t surb) {
    struct receiver *receiver = NULL;
    struct own_mailbox *own = mailbox_answered(client, step, exchange, reply, &receiver);
    if (own == NULL)
        return;
    if (reply->item != NULL && inbox_item(client, step, own, reply->expiry_ms, reply->item)) {
        exchange->got |= (uint8_t)(1u << surb);
        exchange->cursors[surb] = reply->cursor;
        cursor_advance(step, own, &exchange->replica, pushed_without_gap(exchange));
    }
    if (receiver != NULL)
        listen_on(client, step, own, receiver, exchange, reply);
    own_pump(client, step, own);
}
