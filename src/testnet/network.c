// Local networks: up, down, status, one more node.
#define _GNU_SOURCE
#include "testnet/network.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/key_file.h"
#include "testnet/chain.h"
#include "testnet/supervisor.h"

#define POLL_MS 10
#define DOWN_TIMEOUT_MS 10000
#define LOG_TAIL_BYTES 2048

uint64_t network_mono_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

void network_sleep_ms(uint32_t ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

// Whether a loopback port can be listened on.
static int port_error(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int result =
        fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

static enum err check_ports(const struct testnet_node *node, struct buf *why) {
    const uint16_t ports[] = {node->link_port, node->health_port, node->api_port};
    for (size_t i = 0; i < 3; i++) {
        int result = ports[i] == 0 ? 0 : port_error(ports[i]);
        if (result != 0) {
            return testnet_fail(why, ERR_EXISTS,
                                "%s: port %u: %s; `ss -ltnp 'sport = :%u'` shows who has it; or choose another "
                                "--base-port",
                                node->name, ports[i], strerror(result), ports[i]);
        }
    }
    return OK;
}

// The last line of a node's log, for the error that ends a start.
static void last_log_line(char *out, size_t out_n, const char *path) {
    out[0] = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    char tail[LOG_TAIL_BYTES + 1];
    if (fseek(file, -LOG_TAIL_BYTES, SEEK_END) != 0) {
        rewind(file);
    }
    size_t n = fread(tail, 1, LOG_TAIL_BYTES, file);
    fclose(file);
    while (n > 0 && tail[n - 1] == '\n') {
        n--;
    }
    tail[n] = 0;
    const char *line = strrchr(tail, '\n');
    snprintf(out, out_n, "%s", line == NULL ? tail : line + 1);
}

static enum err ended_early(const struct testnet *net, const struct testnet_node *node, const json_t *process,
                            struct buf *why) {
    char log[PATH_MAX];
    char line[LOG_TAIL_BYTES + 1];
    testnet_path(log, net, node, "log");
    last_log_line(line, sizeof(line), log);
    int signal = (int)json_integer_value(json_object_get(process, "signal"));
    int status = (int)json_integer_value(json_object_get(process, "exit"));
    return testnet_fail(why, ERR_IO, "%s ended with %s %d before it was ready: %s\nits log: %s", node->name,
                        signal != 0 ? "signal" : "status", signal != 0 ? signal : status, line, log);
}

static const json_t *process_of(const json_t *processes, const char *name) {
    size_t i;
    json_t *process;
    json_array_foreach(json_object_get(processes, "nodes"), i, process) {
        if (strcmp(json_string_value(json_object_get(process, "name")), name) == 0) {
            return process;
        }
    }
    return NULL;
}

static bool is_ended(const json_t *process) {
    return process != NULL && strcmp(json_string_value(json_object_get(process, "state")), "ended") == 0;
}

// Asks one node's /readyz. ERR_UNAVAILABLE: it does not answer yet.
static enum err ask_ready(struct http_client *http, const struct testnet_node *node, bool *ready, char *waiting_for,
                          size_t waiting_n) {
    char url[64];
    long status = 0;
    json_t *json = NULL;
    struct buf why = {0};
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/readyz", node->health_port);
    enum err err = http_call(http, &status, &json, "GET", url, NULL, NULL, &why);
    *ready = err == OK && status == 200;
    const char *text = json_string_value(json_object_get(json, "waiting_for"));
    snprintf(waiting_for, waiting_n, "%s", err != OK ? "its health port to answer" : text == NULL ? "?" : text);
    json_decref(json);
    buf_free(&why);
    return err;
}

static enum err wait_ready(struct http_client *http, const struct testnet *net, const struct testnet_node *node,
                           uint64_t deadline_ms, struct buf *why) {
    for (;;) {
        char waiting_for[128];
        bool ready;
        ask_ready(http, node, &ready, waiting_for, sizeof(waiting_for));
        if (ready) {
            return OK;
        }
        json_t *processes;
        enum err err = control_order(&processes, net, "nodes", NULL, why);
        if (err != OK) {
            return err;
        }
        const json_t *process = process_of(processes, node->name);
        if (is_ended(process)) {
            err = ended_early(net, node, process, why);
        } else if (network_mono_ms() >= deadline_ms) {
            char log[PATH_MAX];
            testnet_path(log, net, node, "log");
            err = testnet_fail(why, ERR_TIMEOUT, "%s did not get ready in time: it waits for %s\nits log: %s",
                               node->name, waiting_for, log);
        }
        json_decref(processes);
        if (err != OK) {
            return err;
        }
        network_sleep_ms(POLL_MS);
    }
}

enum err network_wait_ready(const struct testnet *net, const struct testnet_node *node, uint32_t timeout_ms,
                            struct buf *why) {
    struct http_client *http = http_client_new();
    enum err err = wait_ready(http, net, node, network_mono_ms() + timeout_ms, why);
    http_client_free(http);
    return err;
}

static enum err get_link(char *out, size_t out_n, struct http_client *http, const struct testnet *net,
                         const struct testnet_node *user, struct buf *why) {
    long status;
    json_t *json;
    enum err err = testnet_call(http, &status, &json, net, user, "GET", "/v1/id", NULL, why);
    if (err == OK && status != 200) {
        err = testnet_fail(why, ERR_REFUSED, "%s: %s", user->name, http_reason(json));
    }
    if (err == OK) {
        snprintf(out, out_n, "%s", json_string_value(json_object_get(json, "link")));
    }
    json_decref(json);
    return err;
}

static enum err introduce(struct http_client *http, const struct testnet *net, const struct testnet_node *to,
                          const struct testnet_node *whom, const char *link, struct buf *why) {
    long status;
    json_t *answer;
    json_t *body = json_pack("{ss ss}", "name", whom->name, "link", link);
    enum err err = testnet_call(http, &status, &answer, net, to, "POST", "/v1/contacts", body, why);
    if (err == OK && status != 204 && status != 409) { // 409: known from an earlier start
        err = testnet_fail(why, ERR_REFUSED, "%s cannot add %s: %s", to->name, whom->name, http_reason(answer));
    }
    json_decref(answer);
    json_decref(body);
    return err;
}

// Every user gets `whom` as a contact, and the other way round.
static enum err introduce_to_all(struct http_client *http, const struct testnet *net, const struct testnet_node *whom,
                                 size_t first, size_t end, struct buf *why) {
    char link[512];
    char other_link[512];
    enum err err = get_link(link, sizeof(link), http, net, whom, why);
    for (size_t i = first; err == OK && i < end; i++) {
        const struct testnet_node *other = &net->nodes[i];
        if (other->role != TESTNET_USER || other == whom) {
            continue;
        }
        err = get_link(other_link, sizeof(other_link), http, net, other, why);
        if (err == OK) {
            err = introduce(http, net, other, whom, link, why);
        }
        if (err == OK) {
            err = introduce(http, net, whom, other, other_link, why);
        }
    }
    return err;
}

static enum err wait_all(struct testnet *net, const struct up_options *options, struct buf *why) {
    struct http_client *http = http_client_new();
    uint64_t start_ms = network_mono_ms();
    enum err err = OK;
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        err = wait_ready(http, net, &net->nodes[i], start_ms + options->timeout_ms, why);
        if (err == OK && options->ready != NULL) {
            options->ready(options->ctx, &net->nodes[i], network_mono_ms() - start_ms);
        }
    }
    if (err == OK) {
        err = chain_wait_shared(http, net, start_ms + options->timeout_ms, why);
    }
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        if (net->nodes[i].role == TESTNET_USER) {
            err = introduce_to_all(http, net, &net->nodes[i], 0, i, why);
        }
    }
    http_client_free(http);
    return err;
}

static enum err make_plan(struct testnet *net, const struct up_options *options, struct buf *why) {
    if (mkdir(options->dir, 0700) != 0 && errno != EEXIST) {
        return testnet_fail(why, ERR_IO, "cannot make %s: %s", options->dir, strerror(errno));
    }
    *net = (struct testnet){.base_port = options->base_port,
                            .profile = options->profile,
                            .memory = options->memory,
                            .epoch_ms = options->epoch_ms};
    if (realpath(options->dir, net->dir) == NULL || strlen(net->dir) > PATH_MAX - 128) {
        return testnet_fail(why, ERR_IO, "cannot use %s: %s", options->dir, strerror(errno));
    }
    // In this order they are started.
    const struct {
        enum testnet_role role;
        unsigned count;
    } wanted[] = {{TESTNET_VALIDATOR, options->validators},
                  {TESTNET_BOOTSTRAP, options->bootstraps},
                  {TESTNET_RELAY, options->relays},
                  {TESTNET_USER, options->users}};
    if (options->validators + options->bootstraps > GENESIS_SEEDS_MAX) {
        return testnet_fail(why, ERR_INVALID, "validators and bootstrap nodes are seeds, of which there are at most %d",
                            GENESIS_SEEDS_MAX);
    }
    bool fits = true;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        for (unsigned k = 0; k < wanted[i].count; k++) {
            fits = fits && testnet_add(net, wanted[i].role) != NULL;
        }
    }
    return fits ? OK : testnet_fail(why, ERR_INVALID, "so many nodes do not fit above port %u", options->base_port);
}

// A folder that has a network is started again as it was; else it is made.
static enum err plan_or_load(struct testnet *net, const struct up_options *options, bool *made, struct buf *why) {
    struct buf ignored = {0};
    enum err err = testnet_load(net, options->dir, &ignored);
    buf_free(&ignored);
    *made = err == ERR_NOT_FOUND;
    if (err == OK && control_running(net)) {
        return testnet_fail(why, ERR_EXISTS, "the network in %s is running already; `sotto testnet down` ends it",
                            net->dir);
    }
    if (err == ERR_CORRUPT) {
        return testnet_load(net, options->dir, why);
    }
    return err == OK ? OK : make_plan(net, options, why);
}

enum err network_up(struct testnet *net, const struct up_options *options, struct buf *why) {
    bool made;
    enum err err = plan_or_load(net, options, &made, why);
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        err = check_ports(&net->nodes[i], why);
    }
    if (err == OK && made) {
        err = testnet_generate(net, &options->generation, why);
    }
    if (err == OK && made) {
        err = testnet_save(net, why);
    }
    if (err != OK) {
        return err;
    }
    if (options->starting != NULL) {
        options->starting(options->ctx, net, made);
    }
    err = supervisor_start(net, options->sottod, why);
    if (err != OK) {
        return err;
    }
    err = wait_all(net, options, why);
    if (err != OK) {
        struct buf ignored = {0};
        network_down(net, &ignored);
        buf_free(&ignored);
    }
    return err;
}

enum err network_down(const struct testnet *net, struct buf *why) {
    json_t *answer;
    enum err err = control_order(&answer, net, "down", NULL, why);
    json_decref(answer);
    uint64_t deadline_ms = network_mono_ms() + DOWN_TIMEOUT_MS;
    while (err == OK && control_running(net)) {
        if (network_mono_ms() > deadline_ms) {
            return testnet_fail(why, ERR_TIMEOUT, "the supervisor of %s does not end; its log: %s/supervisor.log",
                                net->dir, net->dir);
        }
        network_sleep_ms(POLL_MS);
    }
    return err;
}

enum err network_add(struct testnet *net, enum testnet_role role, const char *set, uint32_t timeout_ms,
                     struct testnet_node **added, struct buf *why) {
    const struct testnet_generation how = {.set = set};
    struct testnet_node *node = testnet_add(net, role);
    if (node == NULL) {
        return testnet_fail(why, ERR_FULL, "there are no more ports for one more node");
    }
    enum err err = check_ports(node, why);
    if (err == OK) {
        err = testnet_generate_node(net, node, &how, why);
    }
    if (err == OK) {
        err = testnet_save(net, why);
    }
    json_t *answer = NULL;
    if (err == OK) {
        err = control_order(&answer, net, "reload", NULL, why);
    }
    json_decref(answer);
    if (err == OK) {
        err = network_wait_ready(net, node, timeout_ms, why);
    }
    if (err == OK && role == TESTNET_USER) {
        struct http_client *http = http_client_new();
        err = introduce_to_all(http, net, node, 0, net->node_count, why);
        http_client_free(http);
    }
    *added = node;
    return err;
}

static json_t *url_of(uint16_t port) {
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    return json_string(url);
}

static json_t *describe_node(struct http_client *http, const struct testnet *net, const struct testnet_node *node,
                             const json_t *process, bool *ready) {
    const char *state = json_string_value(json_object_get(process, "state"));
    bool running = state != NULL && strcmp(state, "running") == 0;
    json_t *json =
        json_pack("{ss ss so so sO*}", "name", node->name, "role", testnet_role_text(node->role), "health",
                  url_of(node->health_port), "api", url_of(node->api_port), "pid", json_object_get(process, "pid"));
    if (node->link_port != 0) {
        char address[32];
        snprintf(address, sizeof(address), "127.0.0.1:%u", node->link_port);
        json_object_set_new(json, "link", json_string(address));
    }
    long status;
    json_t *answer = NULL;
    struct buf why = {0};
    if (running && testnet_call(http, &status, &answer, net, node, "GET", "/v1/status", NULL, &why) == OK &&
        status == 200) {
        *ready = json_is_true(json_object_get(answer, "ready"));
        state = *ready ? "ready" : "waiting";
        json_object_update_missing(json, answer);
    }
    if (running && node->role == TESTNET_VALIDATOR) {
        chain_describe(json, http, net, node);
    }
    json_object_set_new(json, "state", json_string(state == NULL ? "unknown" : state));
    json_decref(answer);
    buf_free(&why);
    return json;
}

enum err network_status(json_t **out, const struct testnet *net, struct buf *why) {
    json_t *processes;
    enum err err = control_order(&processes, net, "nodes", NULL, why);
    if (err != OK) {
        return err;
    }
    struct http_client *http = http_client_new();
    json_t *nodes = json_array();
    bool all_ready = true;
    for (size_t i = 0; i < net->node_count; i++) {
        bool ready = false;
        const struct testnet_node *node = &net->nodes[i];
        json_array_append_new(nodes, describe_node(http, net, node, process_of(processes, node->name), &ready));
        all_ready = all_ready && ready;
    }
    *out = json_pack("{sb ss ss so}", "ready", all_ready, "dir", net->dir, "profile", profile_text(net->profile),
                     "nodes", nodes);
    http_client_free(http);
    json_decref(processes);
    return OK;
}
