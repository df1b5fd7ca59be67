// See http.h. The server's life, the requests' way to api/ and back, deadlines. What libwebsockets calls is in
// http_callback.c.
#include "host/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/http_client.h"
#include "host/system.h"

#define WATCH_INTERVAL_MS 500
#define OTHER_FDS 16 // listeners, libwebsockets' own pipe, and some room

// --- clients ---

static void patience(struct http_client *client, uint32_t ms) {
    uint32_t most = client->http->config.patience_ms != 0 ? client->http->config.patience_ms : HTTP_PATIENCE_MS;
    client->deadline_ms = uv_now(client->http->loop) + (ms != 0 ? ms : most);
}

struct http_client *http_client_new(const struct door *door, struct lws *wsi) {
    struct http *http = door->http;
    struct http_client *client = NEW(struct http_client);
    client->http = http;
    client->door = door;
    client->wsi = wsi;
    client->deadline_ms = TIME_NEVER;
    client->frames_last = &client->frames;
    client->next = http->clients;
    http->clients = client;
    http->client_count++;
    return client;
}

struct frame *http_client_pop(struct http_client *client) {
    struct frame *frame = client->frames;
    if (frame != NULL) {
        client->frames = frame->next;
        client->frames_bytes -= frame->bytes.n;
        if (client->frames == NULL) {
            client->frames_last = &client->frames;
        }
    }
    return frame;
}

static void set_state(struct http_client *client, enum client_state state) {
    if (client->state == CLIENT_PARKED) {
        client->http->parked_count--;
    }
    if (state == CLIENT_PARKED) {
        client->http->parked_count++;
    }
    client->state = state;
    patience(client, 0);
    if (state == CLIENT_IDLE || state == CLIENT_WATCHING) {
        client->deadline_ms = TIME_NEVER; // libwebsockets' own
    }
}

void http_client_leave(struct http_client *client) {
    struct http *http = client->http;
    bool asked = client->state == CLIENT_PARKED || client->state == CLIENT_WATCHING;
    set_state(client, CLIENT_IDLE);
    if (asked) {
        api_gone(http->config.answers, client->id);
        http->config.gone(http->config.ctx, client->id);
    }
}

void http_client_free(struct http_client *client) {
    struct http *http = client->http;
    http_client_leave(client);
    struct http_client **link = &http->clients;
    while (*link != client) {
        link = &(*link)->next;
    }
    *link = client->next;
    http->client_count--;
    for (struct frame *frame; (frame = http_client_pop(client)) != NULL;) {
        buf_free(&frame->bytes);
        free(frame);
    }
    buf_wipe(&client->body);
    http_answer_clear(&client->answer);
    free(client);
}

static struct http_client *find(struct http *http, uint64_t id) {
    struct http_client *client = http->clients;
    while (client != NULL && client->id != id) {
        client = client->next;
    }
    return client;
}

static void send_answer(struct http_client *client) {
    if (client->state == CLIENT_PARKED) {
        lws_rx_flow_control(client->wsi, 1);
    }
    set_state(client, CLIENT_ANSWERING);
    client->sent = 0;
    client->headers_sent = false;
    lws_callback_on_writable(client->wsi);
}

void http_client_expect_body(struct http_client *client) {
    lws_set_timeout(client->wsi, NO_PENDING_TIMEOUT, 0);
    set_state(client, CLIENT_BODY);
}

void http_client_refuse(struct http_client *client, unsigned status, const char *reason) {
    http_refuse(&client->answer, client->id, status, reason);
    send_answer(client);
}

// --- to api/ and the node, and back ---

static enum api_verdict ask_api(struct http_client *client, struct api_ask *ask, bool stream) {
    struct http *http = client->http;
    struct process_reading process;
    struct http_request request = {
        .id = client->id,
        .door = client->door->kind,
        .method = client->method,
        .stream = stream,
        .path = span_of_text(client->path),
        .query = span_of_text(client->query),
        .accept = span_of_text(client->accept),
        .content_type = span_of_text(client->content_type),
        .body = buf_span(&client->body),
    };
    if (client->door->kind == HTTP_HEALTH && strcmp(client->path, "/metrics") == 0) {
        system_process(&process);
        process.start_wall_ms = http->config.start_wall_ms;
        request.process = &process;
    }
    *ask = (struct api_ask){0};
    enum api_verdict verdict = api_request(http->config.answers, &client->answer, ask, &request, system_now());
    buf_wipe(&client->body);
    return verdict;
}

static void park(struct http_client *client, const struct api_ask *ask) {
    struct http *http = client->http;
    set_state(client, CLIENT_PARKED);
    patience(client, ask->wait_ms);
    lws_rx_flow_control(client->wsi, 0); // libwebsockets would look again and again at what it does not read now
    http->config.ask(http->config.ctx, &ask->request);
}

void http_client_dispatch(struct http_client *client) {
    struct http *http = client->http;
    struct api_ask ask;
    metric_add(http->config.metrics, METRIC_HTTP_REQUESTS, 1);
    lws_set_timeout(client->wsi, NO_PENDING_TIMEOUT, 0);
    if (http->parked_count >= http->config.parked_max) {
        metric_add(http->config.metrics, METRIC_HTTP_REFUSED_LIMIT, 1);
        http_client_refuse(client, 503, "too many requests are waiting for the node");
        return;
    }
    switch (ask_api(client, &ask, false)) {
    case API_ANSWERED:
        send_answer(client);
        break;
    case API_ASKED:
        park(client, &ask);
        break;
    case API_STREAM:
        api_gone(http->config.answers, client->id);
        http_client_refuse(client, 426, "this is a stream: open it as a WebSocket");
        break;
    }
    api_forget(http->config.answers);
}

bool http_client_may_watch(struct http_client *client) {
    struct http *http = client->http;
    struct api_ask ask;
    metric_add(http->config.metrics, METRIC_HTTP_REQUESTS, 1);
    enum api_verdict verdict = ask_api(client, &ask, true);
    if (verdict != API_ANSWERED) {
        api_gone(http->config.answers, client->id);
    }
    if (verdict == API_ASKED) {
        http_refuse(&client->answer, client->id, 400, "this is no stream");
    }
    return verdict == API_STREAM;
}

void http_client_watch(struct http_client *client) {
    struct api_ask ask;
    if (ask_api(client, &ask, true) == API_STREAM) {
        set_state(client, CLIENT_WATCHING);
        client->http->config.ask(client->http->config.ctx, &ask.request);
    } else {
        lws_set_timeout(client->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
}

static void cut(struct http_client *client) {
    if (client->is_cut) {
        return;
    }
    client->is_cut = true;
    metric_add(client->http->config.metrics, METRIC_HTTP_CUT, 1);
    client->deadline_ms = TIME_NEVER;
    lws_set_timeout(client->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    lws_cancel_service(client->http->context); // so that it looks at its timeouts
}

// While a request is being answered nothing is read, so that a client that has gone is not seen otherwise.
static bool has_left(const struct http_client *client) {
    char byte;
    return recv(lws_get_socket_fd(client->wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void push_frame(struct http_client *client, struct buf bytes) {
    if (client->is_cut || client->frames_bytes + bytes.n > HTTP_FRAMES_BYTES_MAX) {
        buf_free(&bytes);
        cut(client);
        return;
    }
    struct frame *frame = NEW(struct frame);
    frame->bytes = bytes;
    client->frames_bytes += bytes.n;
    *client->frames_last = frame;
    client->frames_last = &frame->next;
    lws_callback_on_writable(client->wsi);
}

void http_take_answer(struct http *http, const struct node_answer *answer) {
    struct http_client *client = find(http, answer->id);
    const char *reason;
    if (client == NULL) {
        return;
    }
    if (client->state == CLIENT_PARKED) {
        api_answer(http->config.answers, &client->answer, answer);
        send_answer(client);
    } else if (client->state == CLIENT_WATCHING && node_answer_error(answer, &reason) != OK) {
        struct http_answer refusal = {0};
        api_answer(http->config.answers, &refusal, answer);
        push_frame(client, refusal.body);
        client->closes_after = true;
    }
}

void http_take_item(struct http *http, const struct stream_item *item) {
    struct http_client *client = find(http, item->id);
    struct buf frame = {0};
    if (client != NULL && client->state == CLIENT_WATCHING && api_stream(http->config.answers, &frame, item)) {
        push_frame(client, frame);
    } else {
        buf_free(&frame);
    }
}

static void give_up(struct http_client *client) {
    http_refuse(&client->answer, client->id, 504, "the node has not answered in time");
    api_gone(client->http->config.answers, client->id);
    client->http->config.gone(client->http->config.ctx, client->id);
    send_answer(client);
}

static void on_watch(uv_timer_t *timer) {
    struct http *http = timer->data;
    uint64_t now_ms = uv_now(http->loop);
    struct http_client *next;
    for (struct http_client *client = http->clients; client != NULL; client = next) {
        next = client->next;
        bool parked = client->state == CLIENT_PARKED;
        if (parked && has_left(client)) {
            http_client_leave(client);
            cut(client);
        } else if (client->deadline_ms > now_ms) {
            continue;
        } else if (parked) {
            give_up(client);
        } else {
            cut(client);
        }
    }
}

// --- life ---

static enum err say(struct buf *why, enum err err, const struct address *address, const char *what) {
    char where[HOST_BYTES_MAX + 10];
    address_format(where, address);
    buf_append(why, SPAN_LITERAL("cannot serve HTTP on "));
    buf_append(why, span_of_text(where));
    buf_append(why, SPAN_LITERAL(": "));
    buf_append(why, span_of_text(what));
    return err;
}

struct ip {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t n;
    bool is_loopback;
};

// "localhost" and literals.
static bool parse_ip(struct ip *out, const struct address *address) {
    const char *host = strcmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host;
    *out = (struct ip){0};
    if (uv_ip4_addr(host, address->port, &out->v4) == 0) {
        out->n = sizeof(out->v4);
        out->is_loopback = ntohl(out->v4.sin_addr.s_addr) >> 24 == 127;
        return true;
    }
    out->n = sizeof(out->v6);
    bool parsed = uv_ip6_addr(host, address->port, &out->v6) == 0;
    out->is_loopback = parsed && IN6_IS_ADDR_LOOPBACK(&out->v6.sin6_addr);
    return parsed;
}

// libwebsockets does not say why it cannot listen, so we try first.
static enum err try_to_bind(const struct ip *ip, const struct address *address, struct buf *why) {
    int fd = socket(ip->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 || bind(fd, &ip->any, ip->n) != 0 ||
        listen(fd, 1) != 0) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return error == EADDRINUSE ? say(why, ERR_EXISTS, address, "another program has this port")
                                   : say(why, ERR_IO, address, strerror(error));
    }
    close(fd);
    return OK;
}

static enum err open_door(struct http *http, enum http_door kind, const struct address *address, struct buf *why) {
    if (address->port == 0) {
        return OK;
    }
    struct ip ip;
    if (!parse_ip(&ip, address)) {
        return say(why, ERR_INVALID, address, "an address of this machine is wanted");
    }
    if (kind == HTTP_API && !ip.is_loopback) {
        return say(why, ERR_INVALID, address, "the API is for this machine only: 127.0.0.1 or ::1");
    }
    enum err err = try_to_bind(&ip, address, why);
    if (err != OK) {
        return err;
    }
    struct door *door = &http->doors[kind];
    *door = (struct door){.http = http, .kind = kind};
    struct lws_context_creation_info info = {
        .port = address->port,
        .iface = strcmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host,
        .protocols = http->protocols,
        .vhost_name = kind == HTTP_API ? "api" : "health",
        .user = door,
        .server_string = "sotto",
        .keepalive_timeout = 60,
        .timeout_secs = 10,
        .options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
    };
    door->vhost = lws_create_vhost(http->context, &info);
    return door->vhost == NULL ? say(why, ERR_IO, address, "libwebsockets cannot listen there") : OK;
}

static enum err make_context(struct http *http, struct buf *why) {
    void *loops[] = {http->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .foreign_loops = loops,
        .user = http,
        .gid = -1,
        .uid = -1,
        .fd_limit_per_thread = http->config.clients_max + OTHER_FDS,
        .max_http_header_pool = (unsigned short)(http->config.clients_max < 1000 ? http->config.clients_max : 1000),
        .max_http_header_data = 4096,
        .timeout_secs = 10,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME | LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN,
    };
    lws_set_log_level(0, NULL);
    http->context = lws_create_context(&info);
    if (http->context == NULL) {
        buf_append(why, SPAN_LITERAL("libwebsockets cannot use libuv: the package libwebsockets-evlib-uv is missing"));
        return ERR_UNSUPPORTED;
    }
    return OK;
}

enum err http_new(struct http **ret, uv_loop_t *loop, const struct http_config *config, struct buf *why) {
    struct http *http = NEW(struct http);
    http->config = *config;
    http->loop = loop;
    http->guard.port = config->api.port;
    http->protocols[0] = (struct lws_protocols){.name = "http", .callback = http_callback, .rx_buffer_size = 1024};
    uv_timer_init(loop, &http->watch);
    http->watch.data = http;
    uv_timer_start(&http->watch, on_watch, WATCH_INTERVAL_MS, WATCH_INTERVAL_MS);
    enum err err = config->api.port != 0 ? http_guard_load(&http->guard, config->token_path, why) : OK;
    if (err == OK) {
        err = make_context(http, why);
    }
    if (err == OK) {
        err = open_door(http, HTTP_HEALTH, &config->health, why);
    }
    if (err == OK) {
        err = open_door(http, HTTP_API, &config->api, why);
    }
    *ret = http;
    return err;
}

void http_stop(struct http *http) {
    if (http->is_stopping) {
        return;
    }
    http->is_stopping = true;
    uv_close((uv_handle_t *)&http->watch, NULL);
    if (http->context != NULL) {
        lws_context_destroy(http->context); // begins; http_free ends it
    }
}

void http_free(struct http *http) {
    if (http == NULL) {
        return;
    }
    ASSERT(http->is_stopping);
    if (http->context != NULL) {
        lws_context_destroy(http->context);
    }
    ASSERT(http->client_count == 0);
    wipe(&http->guard, sizeof(http->guard));
    free(http);
}
