// The users: they ask their clients, as a person or a program would, and tell the checker what they were answered.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/world.h"

#define LOOK_MS 100     // how often a user does something
#define LIST_MS 500     // how often one looks at the list of messages
#define ANSWER_MS 15000 // nobody waits longer for an answer
#define USERS_MAX 100
#define ACQUAINTANCES 8
#define FIRST_NUMBER '!' // a text begins with its number as a printable character
#define NUMBERS_MAX 90

enum wish { WISH_NONE, WISH_ID, WISH_STATUS, WISH_ADD, WISH_SEND, WISH_LIST, WISH_WATCH, WISH_REQUESTS, WISH_ACCEPT };

struct acquaintance {
    bool added;
    uint32_t next_number;
};

// One question at a time of each kind.
struct question {
    enum wish wish;
    uint64_t id;
    uint64_t asked_ms;
    uint32_t about;  // the other user
    uint32_t number; // of the text
};

#define QUESTIONS_MAX 8

struct user {
    struct machine *machine;
    uint32_t number; // among the users
    bool has_link;
    char link[LINK_TEXT_MAX + 1];
    bool ready; // as the client last said
    bool watching;
    struct acquaintance others[USERS_MAX];
    uint32_t to_send;
    uint64_t to_accept; // number of a request, 0: none
    uint32_t accept_as; // the user who made it
    uint64_t next_send_ms;
    uint64_t next_list_ms;
    uint64_t seen_cursor; // of the newest record listed
    uint64_t next_id;
    struct question questions[QUESTIONS_MAX];
};

static struct user *user_at(const struct world *world, uint32_t number) {
    return world->machines[world_first_user(world) + number]->user;
}

static uint32_t count_users(const struct world *world) {
    return world->config.users;
}

void users_add(struct world *world, struct machine *machine) {
    struct user *user = NEW(struct user);
    user->machine = machine;
    user->number = machine->index - world_first_user(world);
    ASSERT(user->number < USERS_MAX);
    machine->user = user;
}

void users_free(struct world *world) {
    for (size_t i = 0; i < world->machine_count; i++)
        free(world->machines[i]->user);
}

static void name_of(char name[static CONTACT_NAME_MAX + 1], uint32_t number) {
    name[0] = 'u';
    name[1] = (char)('0' + number / 10);
    name[2] = (char)('0' + number % 10);
    name[3] = '\0';
}

static uint32_t number_of(const char *name) {
    return (uint32_t)(name[1] - '0') * 10 + (uint32_t)(name[2] - '0');
}

// Those that a user writes to: in a large world not everybody.
static bool knows(const struct world *world, uint32_t a, uint32_t b) {
    uint32_t users = count_users(world);
    uint32_t apart = (a + users - b) % users;
    return apart != 0 && (apart <= ACQUAINTANCES / 2 || users - apart <= ACQUAINTANCES / 2);
}

// Whom a user adds by link, rather than wait to be written to.
static bool adds(const struct world *world, uint32_t a, uint32_t b) {
    return knows(world, a, b) && (!world->config.strangers || a < b);
}

// ---- asking ----

static struct question *find_question(struct user *user, enum wish wish) {
    for (size_t i = 0; i < QUESTIONS_MAX; i++) {
        if (user->questions[i].wish == wish)
            return &user->questions[i];
    }
    return NULL;
}

static void ask(struct world *world, struct user *user, enum wish wish, enum client_op op, uint32_t about,
                uint32_t number, struct span text) {
    if (find_question(user, wish) != NULL || !machine_runs(user->machine))
        return;
    struct question *question = find_question(user, WISH_NONE);
    if (question == NULL)
        return;
    *question = (struct question){wish, ++user->next_id, world->now_ms, about, number};
    struct node_request request = {.id = question->id, .op = NODE_CLIENT};
    request.client = (struct client_request){.id = question->id, .op = op, .text = text, .limit = LIST_MAX};
    if (wish == WISH_ADD || wish == WISH_SEND || wish == WISH_ACCEPT)
        name_of(request.client.name, about);
    if (wish == WISH_ADD)
        memcpy(request.client.link, user_at(world, about)->link, sizeof request.client.link);
    if (wish == WISH_ACCEPT)
        request.client.cursor = number;
    world_note(world, "asks", user->machine->index, op, number);
    struct event event = {.kind = EVENT_REQUEST, .request = {.request = &request}};
    machine_event(world, user->machine, &event);
}

static struct span no_text = {NULL, 0};

static void add_someone(struct world *world, struct user *user) {
    for (uint32_t i = 0; i < count_users(world); i++) {
        if (adds(world, user->number, i) && !user->others[i].added && user_at(world, i)->has_link) {
            ask(world, user, WISH_ADD, CLIENT_CONTACT_ADD, i, 0, no_text);
            return;
        }
    }
}

static void send_something(struct world *world, struct user *user) {
    uint32_t to = user->number;
    while (!knows(world, user->number, to))
        to = (uint32_t)rng_below(&world->rng_users, count_users(world));
    struct acquaintance *other = &user->others[to];
    user->next_send_ms =
        world->now_ms + rng_below(&world->rng_users, 2 * world->config.chaos_ms / world->config.messages + 1);
    if (!other->added || other->next_number == NUMBERS_MAX)
        return;
    uint32_t number = other->next_number++;
    uint8_t text[TEXT_BYTES_MAX];
    size_t drawn = 1 + (size_t)rng_below(&world->rng_users, TEXT_BYTES_MAX);
    memset(text, 'x', sizeof text);
    text[0] = (uint8_t)(FIRST_NUMBER + number);
    user->to_send--;
    check_sending(&world->checker, user->machine->index, user_at(world, to)->machine->index, number, world->now_ms,
                  world->config.lifetime_ms);
    ask(world, user, WISH_SEND, CLIENT_SEND, to, number,
        span_of(text, world->config.text_bytes > 0 ? world->config.text_bytes : drawn));
}

// ---- what is answered ----

static void learn_outgoing(struct world *world, struct check_message *message, const struct message_record *record) {
    uint32_t signers[3] = {0};
    size_t count = record->replica_count < 3 ? record->replica_count : 3;
    for (size_t i = 0; i < count; i++)
        signers[i] = world_machine_of(world, &record->replicas[i]);
    message->accepted = true;
    message->id = record->id;
    check_state(&world->checker, message, record->state, signers, count, world->now_ms);
}

static void learn_record(struct world *world, struct user *user, const struct message_record *record) {
    uint32_t self = user->machine->index;
    if (record->text.n == 0 || record->contact[0] != 'u') {
        world_fail(world, "a record without text or contact", self, record->cursor, record->text.n);
        return;
    }
    uint32_t other = user_at(world, number_of(record->contact))->machine->index;
    uint32_t number = (uint32_t)record->text.p[0] - FIRST_NUMBER;
    if (record->incoming) {
        if (record->cursor > user->seen_cursor)
            check_shown(&world->checker, self, other, number, world->now_ms);
        return;
    }
    struct check_message *message = check_find(&world->checker, self, other, number);
    if (message == NULL)
        world_fail(world, "an outgoing record that nobody asked for", self, other, number);
    else
        learn_outgoing(world, message, record);
}

static void learn_list(struct world *world, struct user *user, const struct client_answer *answer) {
    uint64_t newest = user->seen_cursor;
    for (size_t i = 0; i < answer->message_count; i++) {
        const struct message_record *record = &answer->messages[i];
        learn_record(world, user, record);
        newest = record->cursor > newest ? record->cursor : newest;
    }
    user->seen_cursor = newest;
}

static void learn_sent(struct world *world, struct user *user, const struct question *question,
                       const struct client_answer *answer) {
    uint32_t to = user_at(world, question->about)->machine->index;
    struct check_message *message = check_find(&world->checker, user->machine->index, to, question->number);
    ASSERT(message != NULL);
    if (answer->err != OK)
        message->refused = true;
    else if (answer->message_count == 1)
        learn_outgoing(world, message, &answer->messages[0]);
    else
        world_fail(world, "a send answered without a record", user->machine->index, answer->message_count, 0);
}

// Everybody is welcome.
static void learn_requests(struct world *world, struct user *user, const struct client_answer *answer) {
    for (size_t i = 0; i < answer->request_count; i++) {
        for (uint32_t k = 0; k < count_users(world); k++) {
            if (user_at(world, k)->has_link && strcmp(user_at(world, k)->link, answer->requests[i].link) == 0) {
                user->to_accept = answer->requests[i].number;
                user->accept_as = k;
            }
        }
    }
}

void user_answer(struct world *world, struct machine *machine, const struct node_answer *answer) {
    struct user *user = machine->user;
    struct question question = {0};
    for (size_t i = 0; i < QUESTIONS_MAX; i++) {
        if (user->questions[i].wish != WISH_NONE && user->questions[i].id == answer->id) {
            question = user->questions[i];
            user->questions[i].wish = WISH_NONE;
        }
    }
    const struct client_answer *client = &answer->client;
    world_note(world, "is answered", machine->index, (uint64_t)question.wish, (uint64_t)-client->err);
    switch (question.wish) {
    case WISH_ID:
        user->has_link = client->err == OK;
        memcpy(user->link, client->link, sizeof user->link);
        break;
    case WISH_STATUS:
        user->ready = client->err == OK && client->ready;
        break;
    case WISH_ADD:
        user->others[question.about].added = client->err == OK || client->err == ERR_EXISTS;
        break;
    case WISH_SEND:
        learn_sent(world, user, &question, client);
        break;
    case WISH_LIST:
        learn_list(world, user, client);
        break;
    case WISH_REQUESTS:
        learn_requests(world, user, client);
        break;
    case WISH_ACCEPT:
        user->others[question.about].added = client->err == OK || client->err == ERR_EXISTS;
        break;
    case WISH_WATCH:
    case WISH_NONE:
        break;
    }
}

void user_stream(struct world *world, struct machine *machine, const struct stream_item *item) {
    bool is_message = item->kind == STREAM_MESSAGE;
    world_note(world, "is told", machine->index, is_message ? item->message.cursor : 0,
               is_message ? (uint64_t)item->message.state : 0);
    if (is_message && item->message.state == MESSAGE_STORED)
        faults_stored(world);
}

// ---- life ----

static void give_up_waiting(const struct world *world, struct user *user) {
    for (size_t i = 0; i < QUESTIONS_MAX; i++) {
        struct question *question = &user->questions[i];
        if (question->wish != WISH_NONE && question->asked_ms + ANSWER_MS < world->now_ms)
            question->wish = WISH_NONE;
    }
}

// What a relay confirmed as deleted, or knows to be expired, it hands out no more. The client judges by that relay's
// clock, which must not have jumped.
static void check_promises(struct world *world, const struct user *user) {
    if (world->config.faults.clock_ms == 0)
        check_bound(&world->checker, "what was deleted or expired was handed out again", user->machine->index,
                    (uint64_t)metric_value(user->machine->env.metrics, METRIC_CLIENT_BROKEN_PROMISES), 0,
                    world->now_ms);
}

static void live(struct world *world, struct user *user) {
    give_up_waiting(world, user);
    check_promises(world, user);
    if (!user->watching) {
        user->watching = true;
        ask(world, user, WISH_WATCH, CLIENT_WATCH, 0, 0, no_text);
        struct question *watch = find_question(user, WISH_WATCH);
        if (watch != NULL)
            watch->wish = WISH_NONE; // its answers are streamed
    }
    if (!user->has_link)
        ask(world, user, WISH_ID, CLIENT_ID, 0, 0, no_text);
    if (!user->ready)
        ask(world, user, WISH_STATUS, CLIENT_STATUS, 0, 0, no_text);
    add_someone(world, user);
    if (user->to_send > 0 && user->next_send_ms <= world->now_ms && find_question(user, WISH_SEND) == NULL &&
        find_question(user, WISH_NONE) != NULL)
        send_something(world, user);
    if (user->next_list_ms <= world->now_ms) {
        user->next_list_ms = world->now_ms + LIST_MS;
        ask(world, user, WISH_LIST, CLIENT_MESSAGES, 0, 0, no_text);
        if (world->config.strangers)
            ask(world, user, WISH_REQUESTS, CLIENT_REQUESTS, 0, 0, no_text);
    }
    if (user->to_accept > 0) {
        ask(world, user, WISH_ACCEPT, CLIENT_REQUEST_ACCEPT, user->accept_as, (uint32_t)user->to_accept, no_text);
        user->to_accept = 0;
    }
}

static void look(struct world *world, struct sim_event *event) {
    struct machine *machine = world->machines[event->machine];
    world_for(world, world->now_ms + LOOK_MS, NULL, machine, look);
    live(world, machine->user);
}

void user_started(struct world *world, struct machine *machine) {
    world_for(world, world->now_ms + 1, NULL, machine, look);
}

void user_ended(struct machine *machine) {
    memset(machine->user->questions, 0, sizeof machine->user->questions);
    machine->user->watching = false;
    machine->user->ready = false;
}

void users_send(struct world *world) {
    for (uint32_t i = 0; i < count_users(world); i++) {
        struct user *user = user_at(world, i);
        user->to_send = world->config.messages;
        user->next_send_ms =
            world->now_ms + rng_below(&world->rng_users, world->config.chaos_ms / world->config.messages + 1);
    }
}

bool users_ready(const struct world *world) {
    for (uint32_t i = 0; i < count_users(world); i++) {
        const struct user *user = user_at(world, i);
        bool ready = user->ready;
        for (uint32_t k = 0; k < count_users(world); k++)
            ready = ready && (!adds(world, i, k) || user->others[k].added);
        if (!ready)
            return false;
    }
    return true;
}

bool users_done(const struct world *world) {
    for (uint32_t i = 0; i < count_users(world); i++) {
        if (user_at(world, i)->to_send > 0)
            return false;
    }
    return true;
}
