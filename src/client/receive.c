// Getting items out of our mailboxes, in rounds, at one replica after the other.
//
//   a round:  fetch -> caught up -> listen there for a minute -> the next round, at the next replica
//               '-- no answer in time: the next replica at once
//
// Listening is a subscription with a deadline: what comes is pushed as it comes, and an answer at the deadline tells
// that the replica is still there. A cursor is moved only over what has arrived; and every so many rounds, and after
// trouble, all undeleted items are fetched, so that nothing that was once stepped over stays behind.
#include <string.h>

#include "client/client_internal.h"

#define SLACK_MS (5 * SECOND_MS) // of an answer at the deadline: delays on the way
#define LISTEN_MIN_MS 100
#define LISTEN_EARLY_MS (5 * SECOND_MS)
#define STAND_IN_EVERY 3
// Longer than fetching what a mailbox can hold, or listening once. A replica that always has something more, or always
// pushes something, would else keep us from the others and from what they hold.
#define STAY_MS (2 * MINUTE_MS)

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

void receive_restart(struct client *client, struct step *step, struct own_mailbox *own) {
    own->phase = RECEIVE_IDLE;
    own->under_way = 0;
    own->attempts = own->rounds = 0;
    own->began_ms = step->now.mono_ms;
    own->due_ms = step->now.mono_ms;
    client_wake(client, &own->wake_ms, own->due_ms, WAKE_MAILBOX, own->state.number);
}

static size_t replicas_proper(const struct client *client, const struct own_mailbox *own) {
    size_t k = client->config.genesis->replicas;
    return own->replica_count < k ? own->replica_count : k;
}

// Candidates in turn: the replicas, and those that may stand in once all have been tried.
static size_t candidates(const struct client *client, const struct own_mailbox *own,
                         struct relay_id out[static PLACEMENT_RANKS]) {
    size_t k = replicas_proper(client, own);
    size_t n = own->attempts < k ? k : own->replica_count;
    for (size_t i = 0; i < n; i++)
        out[i] = own->replicas[(i + own->turn) % n];
    return n;
}

static bool plan(struct client *client, struct step *step, const struct own_mailbox *own, struct path_plan *out,
                 const struct relay_id *only) {
    struct relay_id order[PLACEMENT_RANKS];
    struct path_aim aim = {order, 1, own->replicas, replicas_proper(client, own)};
    if (only != NULL)
        order[0] = *only;
    else
        aim.candidate_count = candidates(client, own, order);
    return path_plan(client, step, out, &aim);
}

static struct op op_begin(const struct client *client, const struct step *step, const struct own_mailbox *own,
                          enum op_kind kind, uint64_t cursor) {
    return (struct op){.kind = kind, .mailbox = own->id, .time_ms = clock_request_ms(client, step), .cursor = cursor};
}

// False: there is no way there now.
static bool fetch(struct client *client, struct step *step, struct own_mailbox *own, const struct path_plan *way,
                  uint64_t cursor) {
    struct op op = op_begin(client, step, own, OP_FETCH, cursor);
    struct exchange *exchange =
        path_send(client, step, way, EXCHANGE_FETCH, own->state.number, &op, &own->secret, MINUTE_MS);
    if (exchange == NULL)
        return false;
    exchange->cursors[0] = exchange->cursors[1] = cursor; // where it is, and began
    own->under_way = exchange->number;
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
    bool trouble = own->attempts > 0;
    if (!trouble && own->rounds % STAND_IN_EVERY != 0)
        return;
    for (size_t rank = replicas_proper(client, own); rank < own->replica_count; rank++)
        if (trouble || (own->rounds / STAND_IN_EVERY + rank) % 2 == 0)
            receive_visit(own, &own->replicas[rank]);
}

static bool visit(struct client *client, struct step *step, struct own_mailbox *own) {
    struct path_plan way;
    own->phase = RECEIVE_VISITING;
    own->leave_ms = step->now.mono_ms + STAY_MS;
    own->due_ms = step->now.mono_ms + client_retry_ms(0);
    return plan(client, step, own, &way, &own->visits[0]) && fetch(client, step, own, &way, 0);
}

// ---- rounds

static void fetch_next(struct client *client, struct step *step, struct own_mailbox *own) {
    struct path_plan way;
    for (; own->visit_count > 0; visit_over(own))
        if (visit(client, step, own))
            return;
    own->phase = RECEIVE_FETCHING;
    own->leave_ms = step->now.mono_ms + STAY_MS;
    own->due_ms = step->now.mono_ms + client_retry_ms(own->attempts);
    if (!plan(client, step, own, &way, NULL))
        return;
    bool all = own->attempts > 0 || own->rounds % SWEEP_EVERY == 1;
    fetch(client, step, own, &way, all ? 0 : cursor_at(own, &way.last->id));
}

static void round_begin(struct client *client, struct step *step, struct own_mailbox *own) {
    visit_stand_ins(client, own);
    own->rounds++;
    fetch_next(client, step, own);
}

// The rest of what a replica has.
static void fetch_on(struct client *client, struct step *step, struct own_mailbox *own, const struct relay_id *replica,
                     uint64_t cursor) {
    struct path_plan way;
    own->due_ms = step->now.mono_ms + client_retry_ms(0);
    if (plan(client, step, own, &way, replica))
        fetch(client, step, own, &way, cursor);
}

// Until a minute (or the poll interval) has passed, but no longer than the keys of the reply blocks live, and then not
// all clients at once. In the first minute on line the rounds are short: replicas may still push through reply blocks
// of our connection before, which lead nowhere.
static uint64_t listen_ms(const struct client *client, struct step *step, const struct own_mailbox *own,
                          uint32_t epoch) {
    const struct genesis *genesis = client->config.genesis;
    uint64_t end_ms = epoch_start_ms(genesis, epoch + 1) + rng_below(&step->env->rng, genesis->epoch_ms / 12 + 1);
    uint64_t left_ms = end_ms > step->now.wall_ms ? end_ms - step->now.wall_ms : 0;
    uint64_t wait_ms = client->config.poll_interval_ms < WAIT_MS_MAX ? client->config.poll_interval_ms : WAIT_MS_MAX;
    if (step->now.mono_ms < own->began_ms + WAIT_MS_MAX && wait_ms > LISTEN_EARLY_MS)
        wait_ms = LISTEN_EARLY_MS;
    wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
    return wait_ms > LISTEN_MIN_MS ? wait_ms : LISTEN_MIN_MS;
}

static void listen(struct client *client, struct step *step, struct own_mailbox *own, const struct relay_id *replica) {
    struct path_plan way;
    uint64_t cursor = cursor_at(own, replica);
    if (own->phase == RECEIVE_LISTENING && own->listen_cursor > cursor)
        cursor = own->listen_cursor;
    own->phase = RECEIVE_LISTENING;
    own->heard = false;
    own->due_ms = step->now.mono_ms + client_retry_ms(0);
    if (!plan(client, step, own, &way, replica))
        return;
    struct op op = op_begin(client, step, own, OP_SUBSCRIBE, cursor);
    op.wait_ms = (uint32_t)listen_ms(client, step, own, way.epoch);
    struct exchange *exchange = path_send(client, step, &way, EXCHANGE_SUBSCRIBE, own->state.number, &op, &own->secret,
                                          op.wait_ms + 2 * SLACK_MS);
    if (exchange == NULL)
        return;
    own->under_way = exchange->number;
    own->listen_cursor = cursor;
    own->listen_end_ms = step->now.mono_ms + op.wait_ms;
    own->due_ms = own->listen_end_ms + SLACK_MS;
}

static void next_replica(struct own_mailbox *own, bool failed) {
    own->under_way = 0;
    own->turn++;
    own->attempts = failed ? own->attempts + 1 : 0;
}

void receive_pump(struct client *client, struct step *step, struct own_mailbox *own) {
    if (step->now.mono_ms < own->due_ms)
        return;
    const struct exchange *exchange = table_find(&client->exchanges, own->under_way);
    switch (own->phase) {
    case RECEIVE_IDLE:
        round_begin(client, step, own);
        return;
    case RECEIVE_VISITING:
        visit_over(own);
        fetch_next(client, step, own);
        return;
    case RECEIVE_FETCHING:
        next_replica(own, true);
        round_begin(client, step, own);
        return;
    case RECEIVE_LISTENING:
        if (!own->heard && exchange != NULL)
            exchange_failed(client, step, exchange); // a fetch without an answer is noticed by itself
        next_replica(own, !own->heard);
        round_begin(client, step, own);
        return;
    }
}

// A refusal: some other replica will know better, so the first round through them goes without waiting.
static void receive_refused(struct client *client, struct step *step, struct own_mailbox *own) {
    metric_add(step->env->metrics, METRIC_CLIENT_OP_REFUSED, 1);
    own->due_ms = step->now.mono_ms;
    if (own->phase == RECEIVE_FETCHING || own->phase == RECEIVE_LISTENING) {
        own->phase = RECEIVE_IDLE;
        next_replica(own, true);
        if (own->attempts > own->replica_count)
            own->due_ms += client_retry_ms(own->attempts - (unsigned)own->replica_count - 1);
    }
    own_pump(client, step, own);
}

// All answers of a fetch are in: what lies up to `end` is known.
static void fetch_complete(struct client *client, struct step *step, struct own_mailbox *own,
                           const struct exchange *exchange, uint64_t end) {
    own->under_way = 0;
    if (exchange->more_refused) { // we have no room: later
        own->phase = RECEIVE_IDLE;
        own->due_ms = step->now.mono_ms + client_retry_ms(2);
        return;
    }
    cursor_advance(step, own, &exchange->replica, end);
    if (exchange->waiting > 0) {
        bool moves = end > exchange->cursors[1]; // one that has more but never gives it is lying
        if (moves && step->now.mono_ms < own->leave_ms)
            fetch_on(client, step, own, &exchange->replica, end);
        else
            receive_refused(client, step, own);
        return;
    }
    if (own->phase == RECEIVE_VISITING) {
        visit_over(own);
        fetch_next(client, step, own);
        return;
    }
    own->attempts = 0;
    own->answered = true;
    listen(client, step, own, &exchange->replica);
}

void receive_fetched(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply) {
    struct own_mailbox *own = table_find(&client->mailboxes, exchange->target);
    if (own == NULL || own->state.retired)
        return;
    bool current = own->under_way == exchange->number;
    if (reply->status != OP_OK) {
        if (current)
            receive_refused(client, step, own);
        return;
    }
    if (reply->item != NULL)
        promise_check(client, step, own, exchange, reply);
    if (reply->item != NULL && !inbox_item(client, step, own, reply->expiry_ms, reply->item))
        exchange->more_refused = true;
    exchange->answers++;
    if (reply->cursor > exchange->cursors[0])
        exchange->cursors[0] = reply->cursor;
    if (reply->item == NULL || reply->waiting == 0 || reply->surbs_left == 0) {
        exchange->answers_wanted = OP_SURBS_MAX - (reply->surbs_left < OP_SURBS_MAX ? reply->surbs_left : 0u);
        exchange->waiting = reply->waiting;
    }
    if (current && exchange->answers_wanted > 0 && exchange->answers >= exchange->answers_wanted)
        fetch_complete(client, step, own, exchange, exchange->cursors[0]);
    own_pump(client, step, own);
}

// The furthest point up to which every push of this subscription has arrived.
static uint64_t pushed_without_gap(const struct exchange *exchange) {
    uint64_t cursor = 0;
    for (size_t i = 0; i < exchange->surb_count && (exchange->got & (1u << i)) != 0; i++)
        cursor = exchange->cursors[i];
    return cursor;
}

void receive_pushed(struct client *client, struct step *step, struct exchange *exchange, const struct reply *reply,
                    size_t surb) {
    struct own_mailbox *own = table_find(&client->mailboxes, exchange->target);
    if (own == NULL || own->state.retired)
        return;
    bool current = own->under_way == exchange->number;
    if (reply->status != OP_OK) {
        if (current)
            receive_refused(client, step, own);
        return;
    }
    if (reply->item != NULL)
        promise_check(client, step, own, exchange, reply);
    if (reply->item != NULL && inbox_item(client, step, own, reply->expiry_ms, reply->item)) {
        exchange->got |= (uint8_t)(1u << surb);
        exchange->cursors[surb] = reply->cursor;
        cursor_advance(step, own, &exchange->replica, pushed_without_gap(exchange));
    }
    if (current) {
        own->heard = true;
        own->due_ms = own->listen_end_ms;
        if (reply->cursor > own->listen_cursor)
            own->listen_cursor = reply->cursor;
        if (reply->item == NULL) // its end
            own->due_ms = step->now.mono_ms;
        else if (step->now.mono_ms >= own->leave_ms)
            own->due_ms = step->now.mono_ms;
        else if (exchange->surbs_left <= OP_SURBS_MAX / 2)
            listen(client, step, own, &exchange->replica);
    }
    own_pump(client, step, own);
}
