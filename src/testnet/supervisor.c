// The supervisor: libuv processes, and a socket that takes one JSON object a line and answers with one.
//
//   {"op":"nodes"}                                   every node's process
//   {"op":"start"|"kill"|"restart"|"pause"|"resume"|"stop","node":NAME}
//   {"op":"reload"}                                  reads network.json again, starts what is new
//   {"op":"down"}                                    ends all nodes, then itself
#define _GNU_SOURCE
#include "testnet/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/assert.h"
#include "testnet/control.h"

// What a node gets to end by itself before it is killed.
#define STOP_MS 5000

struct child {
    uv_process_t process; // first member
    struct supervisor *supervisor;
    struct testnet_node *node;
    bool running;
    bool paused;
    bool ending;  // told to end, has not yet
    bool restart; // start again when it has ended
    int pid;
    int64_t exit_status;
    int term_signal;
    unsigned starts;
};

struct client {
    uv_pipe_t pipe; // first member
    struct supervisor *supervisor;
    struct buf line;
};

struct supervisor {
    uv_loop_t loop;
    uv_pipe_t listener;
    uv_signal_t signals[2];
    uv_timer_t kill_timer;
    struct testnet net;
    struct child *children[TESTNET_NODES_MAX];
    size_t child_count;
    const char *sottod;
    bool going_down;
    bool closed;
};

static struct child *find_child(struct supervisor *s, const char *name) {
    for (size_t i = 0; i < s->child_count; i++) {
        if (strcmp(s->children[i]->node->name, name) == 0) {
            return s->children[i];
        }
    }
    return NULL;
}

static bool any_running(const struct supervisor *s) {
    for (size_t i = 0; i < s->child_count; i++) {
        if (s->children[i]->running) {
            return true;
        }
    }
    return false;
}

static void close_everything(struct supervisor *s) {
    if (s->closed) {
        return;
    }
    s->closed = true;
    uv_close((uv_handle_t *)&s->listener, NULL);
    uv_close((uv_handle_t *)&s->signals[0], NULL);
    uv_close((uv_handle_t *)&s->signals[1], NULL);
    uv_close((uv_handle_t *)&s->kill_timer, NULL);
}

static const char *start_child(struct child *child);

static void on_child_closed(uv_handle_t *handle) {
    struct child *child = (struct child *)handle;
    child->running = false;
    child->paused = false;
    child->ending = false;
    if (child->restart && !child->supervisor->going_down) {
        child->restart = false;
        start_child(child);
    }
    if (child->supervisor->going_down && !any_running(child->supervisor)) {
        close_everything(child->supervisor);
    }
}

static void on_child_exit(uv_process_t *process, int64_t exit_status, int term_signal) {
    struct child *child = (struct child *)process;
    child->exit_status = exit_status;
    child->term_signal = term_signal;
    uv_close((uv_handle_t *)process, on_child_closed);
}

// NULL, or why it could not be started.
static const char *start_child(struct child *child) {
    struct supervisor *s = child->supervisor;
    char config[PATH_MAX];
    char log[PATH_MAX];
    testnet_path(config, &s->net, child->node, "config.yaml");
    testnet_path(log, &s->net, child->node, "log");
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return "its log cannot be opened";
    }
    char *arguments[] = {(char *)s->sottod, "--config", config, NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = fd}, {.flags = UV_INHERIT_FD, .data.fd = fd}};
    uv_process_options_t options = {
        .exit_cb = on_child_exit, .file = s->sottod, .args = arguments, .stdio_count = 3, .stdio = stdio};
    int result = uv_spawn(&s->loop, &child->process, &options);
    close(fd);
    if (result != 0) {
        uv_close((uv_handle_t *)&child->process, NULL);
        return uv_strerror(result);
    }
    child->running = true;
    child->pid = child->process.pid;
    child->starts++;
    return NULL;
}

static void adopt(struct supervisor *s, struct testnet_node *node) {
    struct child *child = NEW(struct child);
    child->supervisor = s;
    child->node = node;
    s->children[s->child_count++] = child;
    start_child(child);
}

static void signal_child(struct child *child, int signal) {
    if (child->running) {
        uv_process_kill(&child->process, signal);
    }
}

static void end_child(struct child *child) {
    child->restart = false;
    child->ending = child->running;
    if (child->paused) {
        signal_child(child, SIGCONT);
    }
    signal_child(child, SIGTERM);
}

static void on_kill_timer(uv_timer_t *timer) {
    struct supervisor *s = timer->data;
    for (size_t i = 0; i < s->child_count; i++) {
        signal_child(s->children[i], SIGKILL);
    }
}

static void go_down(struct supervisor *s) {
    if (s->going_down) {
        return;
    }
    s->going_down = true;
    for (size_t i = 0; i < s->child_count; i++) {
        end_child(s->children[i]);
    }
    uv_timer_start(&s->kill_timer, on_kill_timer, STOP_MS, 0);
    if (!any_running(s)) {
        close_everything(s);
    }
}

static json_t *describe(const struct child *child) {
    const char *state = !child->running ? "ended" : child->paused ? "paused" : "running";
    return json_pack("{ss ss si si si si}", "name", child->node->name, "state", state, "pid",
                     child->running ? child->pid : 0, "starts", (int)child->starts, "exit", (int)child->exit_status,
                     "signal", child->term_signal);
}

static json_t *refusal(const char *text) {
    return json_pack("{ss}", "error", text);
}

static json_t *list_nodes(struct supervisor *s) {
    json_t *array = json_array();
    for (size_t i = 0; i < s->child_count; i++) {
        json_array_append_new(array, describe(s->children[i]));
    }
    return json_pack("{so}", "nodes", array);
}

static json_t *reload(struct supervisor *s) {
    struct testnet *net = NEW(struct testnet);
    struct buf why = {0};
    enum err err = testnet_load(net, s->net.dir, &why);
    for (size_t i = s->net.node_count; err == OK && i < net->node_count; i++) {
        s->net.nodes[s->net.node_count++] = net->nodes[i];
        adopt(s, &s->net.nodes[i]);
    }
    buf_free(&why);
    free(net);
    return err == OK ? list_nodes(s) : refusal("network.json cannot be read again");
}

static json_t *do_start(struct child *child) {
    if (child->running && child->ending) {
        child->restart = true;
        return describe(child);
    }
    const char *wrong = child->running ? "it is running" : start_child(child);
    return wrong == NULL ? describe(child) : refusal(wrong);
}

static json_t *do_kill(struct child *child) {
    child->restart = false;
    child->ending = child->running;
    signal_child(child, SIGKILL);
    return describe(child);
}

static json_t *do_restart(struct child *child) {
    if (!child->running) {
        return do_start(child);
    }
    end_child(child);
    child->restart = true;
    return describe(child);
}

static json_t *do_pause(struct child *child) {
    signal_child(child, SIGSTOP);
    child->paused = child->running;
    return describe(child);
}

static json_t *do_resume(struct child *child) {
    signal_child(child, SIGCONT);
    child->paused = false;
    return describe(child);
}

static json_t *do_stop(struct child *child) {
    end_child(child);
    return describe(child);
}

static const struct {
    const char *name;
    json_t *(*run)(struct child *child);
} node_ops[] = {{"start", do_start}, {"kill", do_kill},     {"restart", do_restart},
                {"pause", do_pause}, {"resume", do_resume}, {"stop", do_stop}};

static json_t *obey(struct supervisor *s, const json_t *order) {
    const char *op = json_string_value(json_object_get(order, "op"));
    const char *name = json_string_value(json_object_get(order, "node"));
    if (op == NULL) {
        return refusal("op is missing");
    }
    if (strcmp(op, "nodes") == 0) {
        return list_nodes(s);
    }
    if (strcmp(op, "reload") == 0) {
        return reload(s);
    }
    if (strcmp(op, "down") == 0) {
        go_down(s);
        return json_object();
    }
    struct child *child = name == NULL ? NULL : find_child(s, name);
    for (size_t i = 0; i < sizeof(node_ops) / sizeof(node_ops[0]); i++) {
        if (strcmp(node_ops[i].name, op) == 0) {
            return child == NULL ? refusal("there is no node of that name") : node_ops[i].run(child);
        }
    }
    return refusal("no such op");
}

static void on_client_closed(uv_handle_t *handle) {
    struct client *client = (struct client *)handle;
    buf_free(&client->line);
    free(client);
}

struct answer_write {
    uv_write_t request; // first member
    char *text;
};

static void on_answered(uv_write_t *request, int status) {
    (void)status;
    struct answer_write *answer = (struct answer_write *)request;
    free(answer->text);
    free(answer);
}

static void answer_line(struct client *client, const char *line) {
    json_t *order = json_loads(line, 0, NULL);
    json_t *json = order == NULL ? refusal("not JSON") : obey(client->supervisor, order);
    json_decref(order);
    struct answer_write *answer = NEW(struct answer_write);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    ASSERT(text != NULL && asprintf(&answer->text, "%s\n", text) > 0);
    free(text);
    uv_buf_t buf = uv_buf_init(answer->text, (unsigned)strlen(answer->text));
    uv_write(&answer->request, (uv_stream_t *)&client->pipe, &buf, 1, on_answered);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(mem_new(1, 4096), 4096);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    struct client *client = (struct client *)stream;
    if (n > 0) {
        buf_append(&client->line, span_of(buf->base, (size_t)n));
    }
    free(buf->base);
    if (n < 0 || client->line.n > CONTROL_LINE_MAX) {
        uv_close((uv_handle_t *)stream, on_client_closed);
        return;
    }
    uint8_t *end;
    while ((end = client->line.n == 0 ? NULL : memchr(client->line.p, '\n', client->line.n)) != NULL) {
        *end = 0;
        answer_line(client, (const char *)client->line.p);
        size_t used = (size_t)(end - client->line.p) + 1;
        memmove(client->line.p, client->line.p + used, client->line.n - used);
        client->line.n -= used;
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    struct supervisor *s = listener->data;
    if (status < 0) {
        return;
    }
    struct client *client = NEW(struct client);
    client->supervisor = s;
    uv_pipe_init(&s->loop, &client->pipe, 0);
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) != 0) {
        uv_close((uv_handle_t *)&client->pipe, on_client_closed);
        return;
    }
    uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read);
}

static void on_signal(uv_signal_t *signal, int number) {
    (void)number;
    go_down(signal->data);
}

static int listen_on(struct supervisor *s, const char *path) {
    unlink(path);
    uv_pipe_init(&s->loop, &s->listener, 0);
    s->listener.data = s;
    int result = uv_pipe_bind(&s->listener, path);
    return result != 0 ? result : uv_listen((uv_stream_t *)&s->listener, 16, on_connection);
}

static void close_clients(uv_handle_t *handle, void *ctx) {
    (void)ctx;
    if (handle->type == UV_NAMED_PIPE && !uv_is_closing(handle)) {
        uv_close(handle, on_client_closed);
    }
}

// SOTTO_... in the environment would override the configuration of every node alike.
static void forget_variables(void) {
    for (char **variable = environ; *variable != NULL;) {
        char name[256];
        size_t n = strcspn(*variable, "=");
        if (strncmp(*variable, "SOTTO_", 6) == 0 && n < sizeof(name)) {
            memcpy(name, *variable, n);
            name[n] = 0;
            unsetenv(name);
            variable = environ;
        } else {
            variable++;
        }
    }
}

int supervisor_run(const char *dir, const char *sottod, int ready_fd) {
    forget_variables();
    struct supervisor *s = NEW(struct supervisor);
    struct buf why = {0};
    s->sottod = sottod;
    if (testnet_load(&s->net, dir, &why) != OK) {
        fprintf(stderr, "sotto: %.*s\n", (int)why.n, (const char *)why.p);
        return 1;
    }
    char path[PATH_MAX];
    testnet_path(path, &s->net, NULL, CONTROL_SOCKET);
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->kill_timer);
    s->kill_timer.data = s;
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, numbers[i]);
    }
    int result = listen_on(s, path);
    if (result != 0) {
        fprintf(stderr, "sotto: cannot listen on %s: %s\n", path, uv_strerror(result));
        return 1;
    }
    for (size_t i = 0; i < s->net.node_count; i++) {
        adopt(s, &s->net.nodes[i]);
    }
    if (ready_fd >= 0) {
        ssize_t written = write(ready_fd, "r", 1);
        (void)written; // the starter has gone: nobody waits
        close(ready_fd);
    }
    while (!s->closed) {
        uv_run(&s->loop, UV_RUN_ONCE);
    }
    unlink(path);
    uv_walk(&s->loop, close_clients, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < s->child_count; i++) {
        free(s->children[i]);
    }
    uv_loop_close(&s->loop);
    free(s);
    return 0;
}

// In the child of supervisor_start: away from the terminal, output to the log.
static int run_detached(const struct testnet *net, const char *sottod, int ready_fd) {
    char log[PATH_MAX];
    testnet_path(log, net, NULL, "supervisor.log");
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    if (setsid() < 0 || fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0) {
        return 1;
    }
    close(fd);
    close(null);
    return supervisor_run(net->dir, sottod, ready_fd);
}

enum err supervisor_start(const struct testnet *net, const char *sottod, struct buf *why) {
    struct sockaddr_un limit;
    char path[PATH_MAX];
    testnet_path(path, net, NULL, CONTROL_SOCKET);
    if (strlen(path) >= sizeof(limit.sun_path)) {
        return testnet_fail(why, ERR_TOO_LONG, "%s is too long for a socket; choose a shorter --dir", path);
    }
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        return testnet_fail(why, ERR_IO, "cannot make a pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ready[0]);
        // Twice, so that the supervisor is nobody's child and leaves no zombie.
        pid_t second = fork();
        _exit(second != 0 ? second < 0 : run_detached(net, sottod, ready[1]));
    }
    close(ready[1]);
    int status = 1;
    char byte;
    bool listening = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    return listening ? OK
                     : testnet_fail(why, ERR_IO, "the supervisor did not start; its log: %s/supervisor.log", net->dir);
}
