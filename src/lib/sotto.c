// libsotto: a user's node on a thread of its own, behind a handle (include/sotto/sotto.h).
//
//   caller's thread: request -> queue -> wake the loop ... wait for the answer
//   loop thread:     runner <- requests; answers -> the waiting caller; stream items -> the queue of events
#define _GNU_SOURCE
#include "sotto/sotto.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/assert.h"
#include "host/config.h"
#include "host/key_file.h"
#include "host/runner.h"
#include "host/system.h"
#include "store/store.h"

#define EVENTS_MAX 10000
#define WHY_MAX 1024
#define WATCH_ID 1

// A caller that waits. On its stack; linked while the loop may see it.
struct call {
    struct node_request request;
    struct client_answer answer;
    struct node_status status;
    bool done;
    struct call *next;
};

struct queued_event {
    struct sotto_event event;
    struct queued_event *next;
};

struct sotto {
    struct host_config config;
    struct env env;
    struct kv *kv;
    struct node *node;
    struct runner *runner;
    uv_loop_t loop;
    uv_async_t wake;
    pthread_t thread;
    int event_fd;

    pthread_mutex_t lock; // for all below
    pthread_cond_t answered;
    struct call *fresh;   // to be given to the runner
    struct call *waiting; // given to it
    uint64_t next_id;
    bool stopping;
    bool ended;
    char why[WHY_MAX];
    struct queued_event *first_event;
    struct queued_event *last_event;
    size_t event_count;
    bool lost;
};

static const struct {
    enum err err;
    int error;
} error_map[] = {
    {OK, SOTTO_OK},
    {ERR_NOT_FOUND, SOTTO_E_NOT_FOUND},
    {ERR_EXISTS, SOTTO_E_EXISTS},
    {ERR_LOCKED, SOTTO_E_LOCKED},
    {ERR_FULL, SOTTO_E_FULL},
    {ERR_UNAVAILABLE, SOTTO_E_UNAVAILABLE},
    {ERR_NETWORK, SOTTO_E_NETWORK},
    {ERR_AUTH, SOTTO_E_PASSPHRASE},
    {ERR_IO, SOTTO_E_IO},
    {ERR_CORRUPT, SOTTO_E_IO},
};

static int error_of(enum err err) {
    for (size_t i = 0; i < sizeof(error_map) / sizeof(error_map[0]); i++) {
        if (error_map[i].err == err) {
            return error_map[i].error;
        }
    }
    return SOTTO_E_INVALID;
}

const char *sotto_error_text(int error) {
    static const char *const texts[] = {"success",
                                        "an argument is not as it should be",
                                        "not found",
                                        "exists already",
                                        "the passphrase does not open the account",
                                        "another process has the account open",
                                        "a bound is reached",
                                        "not available now",
                                        "a link of another network",
                                        "the system refused"};
    return error > 0 || -error >= (int)(sizeof(texts) / sizeof(texts[0])) ? "unknown error" : texts[-error];
}

const char *sotto_version(void) {
    return SOTTO_VERSION;
}

// --- events ---

static void message_out(struct sotto_message *out, const struct message_record *record) {
    *out = (struct sotto_message){.cursor = record->cursor,
                                  .incoming = record->incoming,
                                  .wall_ms = record->wall_ms,
                                  .text = mem_text(buf_span(&record->text)),
                                  .text_size = record->text.n};
    static const enum sotto_state states[] = {[MESSAGE_QUEUED] = SOTTO_QUEUED,
                                              [MESSAGE_STORED] = SOTTO_STORED,
                                              [MESSAGE_ACKNOWLEDGED] = SOTTO_ACKNOWLEDGED,
                                              [MESSAGE_EXPIRED] = SOTTO_EXPIRED,
                                              [MESSAGE_RECEIVED] = SOTTO_RECEIVED,
                                              [MESSAGE_FAILED] = SOTTO_FAILED};
    out->state = states[record->state];
    memcpy(out->id, record->id.bytes, sizeof(out->id));
    snprintf(out->contact, sizeof(out->contact), "%s", record->contact);
}

void sotto_message_clear(struct sotto_message *message) {
    if (message != NULL) {
        free(message->text);
        message->text = NULL;
        message->text_size = 0;
    }
}

// Takes the event's text. With the lock held.
static void push_event(struct sotto *sotto, const struct sotto_event *event) {
    if (sotto->event_count == EVENTS_MAX) {
        sotto->lost = true;
        struct sotto_message message = event->message;
        sotto_message_clear(&message);
        return;
    }
    struct queued_event *queued = NEW(struct queued_event);
    queued->event = *event;
    if (sotto->last_event == NULL) {
        sotto->first_event = queued;
    } else {
        sotto->last_event->next = queued;
    }
    sotto->last_event = queued;
    sotto->event_count++;
    uint64_t one = 1;
    ssize_t written = write(sotto->event_fd, &one, sizeof(one));
    ASSERT(written == sizeof(one)); // the counter cannot overflow below EVENTS_MAX
}

static void on_stream(void *ctx, const struct stream_item *item) {
    struct sotto *sotto = ctx;
    bool is_message = item->kind == STREAM_MESSAGE;
    struct sotto_event event = {.kind = is_message ? SOTTO_EVENT_MESSAGE : SOTTO_EVENT_REQUEST};
    if (is_message) {
        message_out(&event.message, &item->message);
    } else {
        event.request_number = item->request.number;
        event.message.text = mem_text(buf_span(&item->request.text));
        event.message.text_size = item->request.text.n;
    }
    pthread_mutex_lock(&sotto->lock);
    push_event(sotto, &event);
    pthread_mutex_unlock(&sotto->lock);
}

// --- the loop's thread ---

static void on_answer(void *ctx, struct node_answer *answer) {
    struct sotto *sotto = ctx;
    pthread_mutex_lock(&sotto->lock);
    for (struct call **link = &sotto->waiting; *link != NULL; link = &(*link)->next) {
        struct call *call = *link;
        if (call->request.id == answer->id) {
            *link = call->next;
            call->status = answer->status;
            // What the answer holds moves to the caller; the runner frees an empty one.
            call->answer = answer->client;
            answer->client = (struct client_answer){0};
            call->done = true;
            break;
        }
    }
    pthread_cond_broadcast(&sotto->answered);
    pthread_mutex_unlock(&sotto->lock);
}

static void on_ended(void *ctx, enum err err, const char *why) {
    struct sotto *sotto = ctx;
    uv_close((uv_handle_t *)&sotto->wake, NULL);
    pthread_mutex_lock(&sotto->lock);
    sotto->ended = true;
    if (err != OK) {
        snprintf(sotto->why, sizeof(sotto->why), "%s", why);
        push_event(sotto, &(struct sotto_event){.kind = SOTTO_EVENT_ENDED});
    }
    pthread_cond_broadcast(&sotto->answered);
    pthread_mutex_unlock(&sotto->lock);
}

static void on_wake(uv_async_t *wake) {
    struct sotto *sotto = wake->data;
    pthread_mutex_lock(&sotto->lock);
    struct call *fresh = sotto->fresh;
    sotto->fresh = NULL;
    bool stopping = sotto->stopping;
    // Known as waiting before the runner sees them: an answer may come at once.
    for (struct call *call = fresh; call != NULL;) {
        struct call *next = call->next;
        call->next = sotto->waiting;
        sotto->waiting = call;
        pthread_mutex_unlock(&sotto->lock);
        runner_request(sotto->runner, &call->request);
        pthread_mutex_lock(&sotto->lock);
        call = next;
    }
    pthread_mutex_unlock(&sotto->lock);
    if (stopping) {
        runner_stop(sotto->runner);
    }
}

static void *run_loop(void *ctx) {
    struct sotto *sotto = ctx;
    runner_start(sotto->runner);
    struct node_request watch = {.id = WATCH_ID, .op = NODE_CLIENT, .client = {.id = WATCH_ID, .op = CLIENT_WATCH}};
    runner_request(sotto->runner, &watch);
    uv_run(&sotto->loop, UV_RUN_DEFAULT);
    return NULL;
}

// --- calls ---

static int finish_call(struct sotto *sotto, struct call *call) {
    pthread_mutex_lock(&sotto->lock);
    if (sotto->ended || sotto->stopping) {
        pthread_mutex_unlock(&sotto->lock);
        return SOTTO_E_UNAVAILABLE;
    }
    call->request.id = ++sotto->next_id;
    call->request.client.id = call->request.id;
    call->next = NULL;
    struct call **last = &sotto->fresh;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = call;
    uv_async_send(&sotto->wake);
    while (!call->done && !sotto->ended) {
        pthread_cond_wait(&sotto->answered, &sotto->lock);
    }
    bool done = call->done;
    for (struct call **link = &sotto->waiting; !done && *link != NULL; link = &(*link)->next) {
        if (*link == call) {
            *link = call->next;
            break;
        }
    }
    pthread_mutex_unlock(&sotto->lock);
    return done ? error_of(call->answer.err) : SOTTO_E_UNAVAILABLE;
}

static int name_call(struct sotto *sotto, enum client_op op, const char *name, const char *link, uint64_t number) {
    struct call call = {.request = {.op = NODE_CLIENT, .client = {.op = op, .cursor = number}}};
    struct client_request *request = &call.request.client;
    size_t name_n = name == NULL ? 0 : strlen(name);
    size_t link_n = link == NULL ? 0 : strlen(link);
    if (name_n > CONTACT_NAME_MAX || (name != NULL && name_n == 0) || link_n > LINK_TEXT_MAX) {
        return SOTTO_E_INVALID;
    }
    memcpy(request->name, name == NULL ? "" : name, name_n + 1);
    memcpy(request->link, link == NULL ? "" : link, link_n + 1);
    int error = finish_call(sotto, &call);
    client_answer_clear(&call.answer);
    return error;
}

int sotto_contact_add(struct sotto *sotto, const char *name, const char *link) {
    return name == NULL || link == NULL ? SOTTO_E_INVALID : name_call(sotto, CLIENT_CONTACT_ADD, name, link, 0);
}

int sotto_contact_remove(struct sotto *sotto, const char *name) {
    return name == NULL ? SOTTO_E_INVALID : name_call(sotto, CLIENT_CONTACT_REMOVE, name, NULL, 0);
}

int sotto_contact_block(struct sotto *sotto, const char *name) {
    return name == NULL ? SOTTO_E_INVALID : name_call(sotto, CLIENT_CONTACT_BLOCK, name, NULL, 0);
}

int sotto_request_accept(struct sotto *sotto, uint64_t number, const char *name) {
    return name == NULL ? SOTTO_E_INVALID : name_call(sotto, CLIENT_REQUEST_ACCEPT, name, NULL, number);
}

int sotto_request_refuse(struct sotto *sotto, uint64_t number) {
    return name_call(sotto, CLIENT_REQUEST_REFUSE, NULL, NULL, number);
}

int sotto_link(struct sotto *sotto, char link[SOTTO_LINK_MAX + 1]) {
    struct call call = {.request = {.op = NODE_CLIENT, .client = {.op = CLIENT_ID}}};
    int error = finish_call(sotto, &call);
    if (error == SOTTO_OK) {
        memcpy(link, call.answer.link, sizeof(call.answer.link));
    }
    client_answer_clear(&call.answer);
    return error;
}

int sotto_ready(struct sotto *sotto) {
    struct call call = {.request = {.op = NODE_STATUS}};
    int error = finish_call(sotto, &call);
    return error == SOTTO_OK ? call.status.ready : error;
}

int sotto_send(struct sotto *sotto, const char *name, const char *text, size_t text_size,
               uint8_t id[SOTTO_MESSAGE_ID_SIZE]) {
    struct call call = {.request = {.op = NODE_CLIENT, .client = {.op = CLIENT_SEND}}};
    size_t n = name == NULL ? 0 : strlen(name);
    if (n == 0 || n > CONTACT_NAME_MAX || text == NULL || text_size == 0 || text_size > TEXT_BYTES_MAX) {
        return SOTTO_E_INVALID;
    }
    memcpy(call.request.client.name, name, n + 1);
    call.request.client.text = span_of(text, text_size);
    int error = finish_call(sotto, &call);
    if (error == SOTTO_OK && call.answer.message_count == 1) {
        memcpy(id, call.answer.messages[0].id.bytes, SOTTO_MESSAGE_ID_SIZE);
    }
    client_answer_clear(&call.answer);
    return error;
}

int sotto_message(struct sotto *sotto, const uint8_t id[SOTTO_MESSAGE_ID_SIZE], struct sotto_message *out) {
    struct call call = {.request = {.op = NODE_CLIENT, .client = {.op = CLIENT_MESSAGE}}};
    memcpy(call.request.client.message.bytes, id, SOTTO_MESSAGE_ID_SIZE);
    int error = finish_call(sotto, &call);
    if (error == SOTTO_OK && call.answer.message_count == 1) {
        message_out(out, &call.answer.messages[0]);
    } else if (error == SOTTO_OK) {
        error = SOTTO_E_NOT_FOUND;
    }
    client_answer_clear(&call.answer);
    return error;
}

int sotto_messages(struct sotto *sotto, uint64_t after, struct sotto_message *out, size_t *count) {
    struct call call = {.request = {.op = NODE_CLIENT, .client = {.op = CLIENT_MESSAGES, .cursor = after}}};
    call.request.client.limit = *count < LIST_MAX ? (uint32_t)*count : LIST_MAX;
    int error = *count == 0 ? SOTTO_E_INVALID : finish_call(sotto, &call);
    if (error == SOTTO_OK) {
        *count = call.answer.message_count;
        for (size_t i = 0; i < *count; i++) {
            message_out(&out[i], &call.answer.messages[i]);
        }
    }
    client_answer_clear(&call.answer);
    return error;
}

int sotto_fd(struct sotto *sotto) {
    return sotto->event_fd;
}

static struct sotto_event *pop_event(struct sotto *sotto) {
    struct sotto_event *event = NULL;
    pthread_mutex_lock(&sotto->lock);
    struct queued_event *queued = sotto->first_event;
    if (queued != NULL) {
        event = NEW(struct sotto_event);
        *event = queued->event;
        sotto->first_event = queued->next;
        if (sotto->first_event == NULL) {
            sotto->last_event = NULL;
        }
        sotto->event_count--;
        uint64_t one;
        ssize_t n = read(sotto->event_fd, &one, sizeof(one)); // a semaphore: one event fewer
        ASSERT(n == sizeof(one));
        free(queued);
    } else if (sotto->lost) {
        sotto->lost = false;
        event = NEW(struct sotto_event);
        event->kind = SOTTO_EVENT_LOST;
    }
    pthread_mutex_unlock(&sotto->lock);
    return event;
}

struct sotto_event *sotto_next(struct sotto *sotto, int timeout_ms) {
    struct sotto_event *event = pop_event(sotto);
    if (event == NULL && timeout_ms != 0) {
        struct pollfd ready = {.fd = sotto->event_fd, .events = POLLIN};
        if (poll(&ready, 1, timeout_ms) > 0) {
            event = pop_event(sotto);
        }
    }
    return event;
}

void sotto_event_free(struct sotto_event *event) {
    if (event != NULL) {
        sotto_message_clear(&event->message);
        free(event);
    }
}

void sotto_why(struct sotto *sotto, char *why, size_t why_size) {
    pthread_mutex_lock(&sotto->lock);
    snprintf(why, why_size, "%s", sotto->why);
    pthread_mutex_unlock(&sotto->lock);
}

// --- life ---

static enum err load_account(struct sotto *sotto, const struct sotto_options *options, struct buf *why) {
    char path[HOST_PATH_MAX];
    char set[64];
    char proxy[512];
    const char *sets[2] = {set, proxy};
    int ends[2];
    if ((size_t)snprintf(path, sizeof(path), "%s/config.yaml", options->dir) >= sizeof(path) || pipe(ends) != 0) {
        buf_append(why, SPAN_LITERAL("the path is too long, or there are no more descriptors"));
        return ERR_INVALID;
    }
    // The passphrase goes the way it goes for the daemon: as the first line of a descriptor.
    ssize_t n = write(ends[1], options->passphrase, strlen(options->passphrase));
    close(ends[1]);
    snprintf(set, sizeof(set), "passphrase_file=/dev/fd/%d", ends[0]);
    snprintf(proxy, sizeof(proxy), "proxy=%s", options->proxy == NULL ? "" : options->proxy);
    enum err err = n < 0 ? ERR_IO : config_load(&sotto->config, path, NULL, sets, options->proxy == NULL ? 1 : 2, why);
    close(ends[0]);
    if (err == OK && (sotto->config.node.roles != ROLE_USER || sotto->config.storage != STORAGE_SQLCIPHER)) {
        buf_append(why, SPAN_LITERAL("the folder is not a user's: roles must be user, storage sqlcipher"));
        err = ERR_INVALID;
    }
    return err;
}

static enum err open_store(struct sotto *sotto, struct buf *why) {
    char path[HOST_PATH_MAX + sizeof(CONFIG_USER_DATABASE) + 1];
    snprintf(path, sizeof(path), "%s/" CONFIG_USER_DATABASE, sotto->config.data_dir);
    enum err err = system_make_folder(sotto->config.data_dir, why);
    return err == OK ? store_open_sqlcipher(&sotto->kv, path, sotto->config.store_key, why) : err;
}

static void step_node(void *node, const struct event *event, struct now now, struct effects *effects) {
    node_step(node, event, now, effects);
}

static void no_log(void *ctx, const struct log_line *line) {
    (void)ctx;
    (void)line;
}

static enum err start_node(struct sotto *sotto, struct buf *why) {
    uint8_t seed[RNG_SEED_BYTES];
    random_seed(seed, sizeof(seed));
    rng_init(&sotto->env.rng, seed);
    wipe(seed, sizeof(seed));
    sotto->env.kv = sotto->kv;
    sotto->env.metrics = metrics_new();
    sotto->env.log = (struct log_sink){.level = LOG_ERROR, .write = no_log};
    enum err err = node_new(&sotto->node, &sotto->config.node, &sotto->env, why);
    if (err != OK) {
        return err;
    }
    struct runner_config config = {.node = sotto->node,
                                   .step = step_node,
                                   .kv = sotto->kv,
                                   .store_name = sotto->config.data_dir,
                                   .data_dir = sotto->config.data_dir,
                                   .workers = 1,
                                   .net = {.limits = sotto->config.net_limits, .proxy = sotto->config.proxy},
                                   .metrics = sotto->env.metrics,
                                   .log = sotto->env.log,
                                   .ctx = sotto,
                                   .answer = on_answer,
                                   .stream = on_stream,
                                   .ended = on_ended};
    system_boot_id(config.boot_id);
    err = runner_new(&sotto->runner, &sotto->loop, &config, why);
    return err;
}

static void free_all(struct sotto *sotto) {
    struct sotto_event *event;
    while ((event = pop_event(sotto)) != NULL) {
        sotto_event_free(event);
    }
    node_free(sotto->node);
    metrics_free(sotto->env.metrics);
    if (sotto->kv != NULL) {
        kv_close(sotto->kv);
    }
    rng_wipe(&sotto->env.rng);
    host_config_wipe(&sotto->config);
    close(sotto->event_fd);
    pthread_cond_destroy(&sotto->answered);
    pthread_mutex_destroy(&sotto->lock);
    free(sotto);
}

static enum err start(struct sotto *sotto, const struct sotto_options *options, struct buf *why) {
    enum err err = load_account(sotto, options, why);
    if (err == OK) {
        err = open_store(sotto, why);
    }
    if (err != OK) {
        return err;
    }
    uv_loop_init(&sotto->loop);
    uv_async_init(&sotto->loop, &sotto->wake, on_wake);
    sotto->wake.data = sotto;
    err = start_node(sotto, why);
    if (err == OK && pthread_create(&sotto->thread, NULL, run_loop, sotto) != 0) {
        buf_append(why, SPAN_LITERAL("cannot start a thread"));
        runner_abandon(sotto->runner);
        uv_run(&sotto->loop, UV_RUN_DEFAULT);
        runner_free(sotto->runner);
        err = ERR_IO;
    } else if (err != OK) {
        uv_close((uv_handle_t *)&sotto->wake, NULL);
        uv_run(&sotto->loop, UV_RUN_DEFAULT);
    }
    if (err != OK) {
        uv_loop_close(&sotto->loop);
    }
    return err;
}

int sotto_open(struct sotto **out, const struct sotto_options *options, char *why, size_t why_size) {
    if (options == NULL || options->size != sizeof(*options) || options->dir == NULL || options->passphrase == NULL) {
        return SOTTO_E_INVALID;
    }
    crypto_init();
    struct sotto *sotto = NEW(struct sotto);
    struct buf text = {0};
    sotto->next_id = WATCH_ID;
    sotto->event_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE | EFD_NONBLOCK);
    pthread_mutex_init(&sotto->lock, NULL);
    pthread_cond_init(&sotto->answered, NULL);
    enum err err = sotto->event_fd < 0 ? ERR_IO : start(sotto, options, &text);
    if (why != NULL && why_size > 0) {
        snprintf(why, why_size, "%.*s", (int)text.n, text.n == 0 ? "" : (const char *)text.p);
    }
    buf_free(&text);
    if (err != OK) {
        free_all(sotto);
        return error_of(err);
    }
    *out = sotto;
    return SOTTO_OK;
}

void sotto_close(struct sotto *sotto) {
    if (sotto == NULL) {
        return;
    }
    pthread_mutex_lock(&sotto->lock);
    sotto->stopping = true;
    if (!sotto->ended) {
        uv_async_send(&sotto->wake);
    }
    pthread_mutex_unlock(&sotto->lock);
    pthread_join(sotto->thread, NULL);
    runner_free(sotto->runner);
    uv_loop_close(&sotto->loop);
    free_all(sotto);
}
