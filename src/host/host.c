// One node on this machine, from its configuration to its end: store, node, runner, links, HTTP, signals.
#include "host/host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "api/api.h"
#include "base/kv_memory.h"
#include "host/config.h"
#include "host/http.h"
#include "host/key_file.h"
#include "host/log_json.h"
#include "host/runner.h"
#include "host/system.h"
#include "store/store.h"

#define ROLES_TEXT_MAX 48

struct host {
    const struct host_config *config;
    uv_loop_t loop;
    uv_signal_t signals[3];
    size_t signal_count;
    unsigned signals_seen;
    struct env env;
    struct log_json *log;
    struct kv *kv;
    struct log *wal;      // of a validator
    struct buf wal_bytes; // until the node has had them
    struct node *node;
    struct api *api;
    struct http *http;
    struct runner *runner;
    char store_path[HOST_PATH_MAX + 16];
    char wal_path[HOST_PATH_MAX + 16];
    char token_path[HOST_PATH_MAX + 16];
    char roles[ROLES_TEXT_MAX];
    bool failed;
};

static void complain(struct host *host, struct span why) {
    host->failed = true;
    fprintf(stderr, "sottod: %.*s\n", (int)why.n, (const char *)why.p);
    char reason[1024];
    snprintf(reason, sizeof(reason), "%.*s", (int)why.n, (const char *)why.p);
    if (host->log != NULL) {
        log_reason(&host->env.log, LOG_ERROR, "host", "cannot go on", reason);
    }
}

// --- between the node and HTTP ---

static void on_answer(void *ctx, struct node_answer *answer) {
    struct host *host = ctx;
    if (host->http != NULL) {
        http_take_answer(host->http, answer);
    }
}

static void on_stream(void *ctx, const struct stream_item *item) {
    struct host *host = ctx;
    if (host->http != NULL) {
        http_take_item(host->http, item);
    }
}

static void on_ask(void *ctx, const struct node_request *request) {
    runner_request(((struct host *)ctx)->runner, request);
}

static void on_gone(void *ctx, uint64_t id) {
    runner_request_gone(((struct host *)ctx)->runner, id);
}

static void on_ended(void *ctx, enum err err, const char *why) {
    struct host *host = ctx;
    if (err != OK) {
        complain(host, span_of_text(why));
    }
    if (host->http != NULL) {
        http_stop(host->http);
    }
    for (size_t i = 0; i < host->signal_count; i++) {
        uv_close((uv_handle_t *)&host->signals[i], NULL);
    }
}

// The first signal asks the node to stop; the second ends the process at once.
static void on_signal(uv_signal_t *handle, int number) {
    struct host *host = handle->data;
    if (host->signals_seen++ > 0) {
        _Exit(128 + number);
    }
    log_note(&host->env.log, LOG_INFO, "host", "stopping");
    runner_stop(host->runner);
}

static void on_hangup(uv_signal_t *handle, int number) {
    struct host *host = handle->data;
    (void)number;
    if (log_json_reopen(host->log) == OK) {
        log_note(&host->env.log, LOG_INFO, "host", "log file opened anew");
    } else {
        log_reason(&host->env.log, LOG_WARN, "host", "cannot open the log file anew", strerror(errno));
    }
}

// --- parts, in the order in which they are made ---

static enum err open_store(struct host *host, struct buf *why) {
    const struct host_config *config = host->config;
    enum err err = config->data_dir[0] == 0 ? OK : system_make_folder(config->data_dir, why);
    if (err != OK) {
        return err;
    }
    switch (config->storage) {
    case STORAGE_MEMORY:
        snprintf(host->store_path, sizeof(host->store_path), "memory");
        host->kv = kv_memory_new();
        return OK;
    case STORAGE_ROCKSDB:
        snprintf(host->store_path, sizeof(host->store_path), "%s/rocksdb", config->data_dir);
        return store_open_rocksdb(&host->kv, host->store_path, &(struct store_options){0}, why);
    case STORAGE_SQLCIPHER:
        snprintf(host->store_path, sizeof(host->store_path), "%s/" CONFIG_USER_DATABASE, config->data_dir);
        return store_open_sqlcipher(&host->kv, host->store_path, config->store_key, why);
    }
    return ERR_INVALID;
}

static enum err open_wal(struct host *host, struct buf *why) {
    const struct host_config *config = host->config;
    if ((config->node.roles & ROLE_VALIDATOR) == 0) {
        return OK;
    }
    if (config->storage == STORAGE_MEMORY) {
        buf_append(why,
                   SPAN_LITERAL("a validator must remember what it has signed: set a data_dir and storage: rocksdb"));
        return ERR_INVALID;
    }
    snprintf(host->wal_path, sizeof(host->wal_path), "%s/consensus.log", config->data_dir);
    return store_open_log(&host->wal, &host->wal_bytes, host->wal_path, why);
}

static void step_node(void *node, const struct event *event, struct now now, struct effects *effects) {
    node_step(node, event, now, effects);
}

static enum err make_node(struct host *host, struct buf *why) {
    uint8_t seed[RNG_SEED_BYTES];
    random_seed(seed, sizeof(seed));
    rng_init(&host->env.rng, seed);
    wipe(seed, sizeof(seed));
    host->env.kv = host->kv;
    return node_new(&host->node, &host->config->node, &host->env, why);
}

static const char *path_or_null(const char *path) {
    return path[0] == 0 ? NULL : path;
}

static enum err make_runner(struct host *host, struct buf *why) {
    const struct host_config *config = host->config;
    bool serves = (config->node.roles & (ROLE_RELAY | ROLE_BOOTSTRAP | ROLE_VALIDATOR)) != 0;
    struct runner_config runner = {.node = host->node,
                                   .step = step_node,
                                   .kv = host->kv,
                                   .store_name = host->store_path,
                                   .wal = host->wal,
                                   .wal_name = host->wal_path,
                                   .wal_bytes = buf_span(&host->wal_bytes),
                                   .data_dir = config->storage == STORAGE_MEMORY ? "" : config->data_dir,
                                   .workers = config->node.workers,
                                   .net = {.limits = config->net_limits,
                                           .proxy = config->proxy,
                                           .identity_seed = serves ? config->node.identity_seed : NULL,
                                           .certificate_path = path_or_null(config->certificate_path),
                                           .ca_path = path_or_null(config->ca_path),
                                           .ledger = (config->node.roles & ROLE_VALIDATOR) != 0,
                                           .keylog_path = path_or_null(config->keylog_path)},
                                   .metrics = host->env.metrics,
                                   .log = host->env.log,
                                   .ctx = host,
                                   .answer = on_answer,
                                   .stream = on_stream,
                                   .ended = on_ended};
    uint32_t links = system_links_within(system_raise_file_limit(), config->http_clients_max);
    if (serves && links < runner.net.limits.links_max) {
        log_number(&host->env.log, LOG_WARN, "host", "fewer links than configured: the limit of open files is low",
                   "links", links);
        runner.net.limits.links_max = links;
    }
    system_boot_id(runner.boot_id);
    return runner_new(&host->runner, &host->loop, &runner, why);
}

static enum err listen_for_links(struct host *host, struct buf *why) {
    enum err err = OK;
    for (size_t i = 0; err == OK && i < host->config->listen_count; i++) {
        err = net_listen(runner_net(host->runner), NULL, &host->config->listen[i], why);
    }
    return err;
}

static void write_roles(struct host *host) {
    static const struct {
        enum role role;
        const char *text;
    } names[] = {
        {ROLE_BOOTSTRAP, "bootstrap"}, {ROLE_RELAY, "relay"}, {ROLE_USER, "user"}, {ROLE_VALIDATOR, "validator"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (host->config->node.roles & names[i].role) {
            size_t n = strlen(host->roles);
            snprintf(host->roles + n, sizeof(host->roles) - n, "%s%s", n == 0 ? "" : ",", names[i].text);
        }
    }
}

static enum err make_http(struct host *host, struct buf *why) {
    const struct host_config *config = host->config;
    if (config->health.port == 0 && config->api.port == 0) {
        return OK;
    }
    write_roles(host);
    struct api_config api = {.metrics = host->env.metrics,
                             .version = SOTTO_VERSION,
                             .roles = host->roles,
                             .user = (config->node.roles & ROLE_USER) != 0,
                             .relay = (config->node.roles & ROLE_RELAY) != 0,
                             .ledger = (config->node.roles & ROLE_VALIDATOR) != 0};
    host->api = api_new(&api, &host->env.rng);
    snprintf(host->token_path, sizeof(host->token_path), "%s%s",
             config->token_path[0] == 0 ? config->data_dir : config->token_path,
             config->token_path[0] == 0 ? "/api.token" : "");
    struct http_config http = {.health = config->health,
                               .api = config->api,
                               .token_path = host->token_path,
                               .clients_max = config->http_clients_max,
                               .parked_max = config->http_parked_max,
                               .start_wall_ms = system_now().wall_ms,
                               .metrics = host->env.metrics,
                               .answers = host->api,
                               .ctx = host,
                               .ask = on_ask,
                               .gone = on_gone};
    return http_new(&host->http, &host->loop, &http, why);
}

static void catch_signal(struct host *host, int number, uv_signal_cb then) {
    uv_signal_t *handle = &host->signals[host->signal_count++];
    uv_signal_init(&host->loop, handle);
    handle->data = host;
    uv_signal_start(handle, then, number);
}

// Without a log file a hang-up ends the process: its terminal is gone.
static void catch_signals(struct host *host) {
    catch_signal(host, SIGTERM, on_signal);
    catch_signal(host, SIGINT, on_signal);
    if (host->config->log_path[0] != '\0') {
        catch_signal(host, SIGHUP, on_hangup);
    }
}

// With a store: makes the rest and runs until the node has stopped.
static enum err run(struct host *host, struct buf *why) {
    enum err err = make_node(host, why);
    if (err == OK) {
        err = make_runner(host, why);
    }
    if (err != OK) {
        return err;
    }
    catch_signals(host);
    err = listen_for_links(host, why);
    if (err == OK) {
        err = make_http(host, why);
    }
    if (err == OK) {
        log_note(&host->env.log, LOG_INFO, "host", "started");
        runner_start(host->runner);
        buf_free(&host->wal_bytes);
    } else {
        runner_abandon(host->runner);
    }
    uv_run(&host->loop, UV_RUN_DEFAULT);
    return err;
}

static void free_all(struct host *host) {
    http_free(host->http);
    api_free(host->api);
    if (host->runner != NULL) {
        runner_free(host->runner);
    }
    node_free(host->node);
    if (host->kv != NULL) {
        kv_close(host->kv);
    }
    if (host->wal != NULL) {
        log_close(host->wal);
    }
    buf_free(&host->wal_bytes);
    metrics_free(host->env.metrics);
    rng_wipe(&host->env.rng);
    if (host->log != NULL) {
        log_json_close(host->log);
    }
}

int host_run(const struct host_config *config) {
    struct host *host = NEW(struct host);
    struct buf why = {0};
    host->config = config;
    system_save_memory();
    system_private_files();
    if (!config->core_dumps) {
        system_no_dumps();
    }
    uv_loop_init(&host->loop);
    host->env.metrics = metrics_new();
    enum err err = log_json_open(&host->log, config->log_path, config->name, host->env.metrics, &why);
    if (err == OK) {
        host->env.log = log_json_sink(host->log, config->log_level);
        err = open_store(host, &why);
    }
    if (err == OK) {
        err = open_wal(host, &why);
    }
    if (err == OK) {
        err = run(host, &why);
    }
    if (err != OK) {
        complain(host, buf_span(&why));
        uv_run(&host->loop, UV_RUN_DEFAULT);
    }
    bool failed = host->failed;
    free_all(host);
    uv_loop_close(&host->loop);
    buf_free(&why);
    free(host);
    return failed ? 1 : 0;
}
