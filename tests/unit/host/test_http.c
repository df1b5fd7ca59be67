// The HTTP server over loopback sockets, with the real api/ behind it and a node that the test plays.
#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "host/http.h"
#include "host/key_file.h"

#define ASKED_MAX 64

struct rig {
    uv_loop_t loop;
    struct metrics *metrics;
    struct api *api;
    struct http *http;
    struct http_config config;
    char *folder;
    char *token_path;
    char token[65];
    struct node_request asked[ASKED_MAX];
    size_t asked_count;
    uint64_t gone[ASKED_MAX];
    size_t gone_count;
    bool answers_at_once;
    char text[32768]; // what a client has read
    size_t text_n;
};

static void answer(struct rig *rig, uint64_t id) {
    struct node_answer node_answer = {.id = id, .op = NODE_STATUS, .status = {.ready = true}};
    node_answer.client.id = id;
    http_take_answer(rig->http, &node_answer);
}

static void on_ask(void *ctx, const struct node_request *request) {
    struct rig *rig = ctx;
    assert_true(rig->asked_count < ASKED_MAX);
    rig->asked[rig->asked_count++] = *request;
    if (rig->answers_at_once) {
        answer(rig, request->id);
    }
}

static void on_gone(void *ctx, uint64_t id) {
    struct rig *rig = ctx;
    rig->gone[rig->gone_count++] = id;
}

static uint16_t free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static int make_rig(void **state) {
    static const uint8_t seed[RNG_SEED_BYTES] = {7};
    struct rig *rig = NEW(struct rig);
    struct rng rng;
    rng_init(&rng, seed);
    uv_loop_init(&rig->loop);
    rig->metrics = metrics_new();
    struct api_config api = {.metrics = rig->metrics, .version = "1.2.3", .roles = "user", .user = true};
    rig->api = api_new(&api, &rng);
    rig->folder = folder_make();
    rig->token_path = folder_file(rig->folder, "api.token");
    rig->config = (struct http_config){.health = {.host = "127.0.0.1", .port = free_port()},
                                       .api = {.host = "127.0.0.1", .port = free_port()},
                                       .token_path = rig->token_path,
                                       .clients_max = 8,
                                       .parked_max = 2,
                                       .metrics = rig->metrics,
                                       .answers = rig->api,
                                       .ctx = rig,
                                       .ask = on_ask,
                                       .gone = on_gone};
    *state = rig;
    return 0;
}

static void open_http(struct rig *rig) {
    struct buf why = {0};
    enum err err = http_new(&rig->http, &rig->loop, &rig->config, &why);
    if (err != OK) {
        fail_msg("%.*s", (int)why.n, (const char *)why.p);
    }
    struct buf token = {0};
    assert_int_equal(file_read(&token, rig->token_path, 100, &why), OK);
    memcpy(rig->token, token.p, 64);
    buf_free(&token);
    buf_free(&why);
}

static int begin(void **state) {
    make_rig(state);
    open_http(*state);
    return 0;
}

static int finish(void **state) {
    struct rig *rig = *state;
    http_stop(rig->http);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    http_free(rig->http);
    api_free(rig->api);
    metrics_free(rig->metrics);
    free(rig->token_path);
    folder_remove(rig->folder);
    int open = uv_loop_close(&rig->loop);
    free(rig);
    return open;
}

// --- a client ---

static int dial(const struct address *to) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(to->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void say(int fd, const char *text) {
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void turn(struct rig *rig, int turns) {
    for (int i = 0; i < turns; i++) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
    }
}

// Turns the loop until what has come contains `text` (NULL: never). False: the connection is closed.
static bool hear_or_end(struct rig *rig, int fd, const char *text) {
    uint64_t end_ns = uv_hrtime() + UINT64_C(20000000000);
    rig->text_n = 0;
    for (;;) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
        ssize_t n = read(fd, rig->text + rig->text_n, sizeof(rig->text) - 1 - rig->text_n);
        if (n > 0) {
            rig->text_n += (size_t)n;
        }
        rig->text[rig->text_n] = '\0';
        if (text != NULL && memmem(rig->text, rig->text_n, text, strlen(text)) != NULL) {
            return true;
        }
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            return false;
        }
        if (uv_hrtime() > end_ns) {
            fail_msg("nothing with \"%s\" came: %s", text == NULL ? "(end)" : text, rig->text);
        }
    }
}

// The same; NULL: until the connection is closed.
static void hear(struct rig *rig, int fd, const char *text) {
    if (!hear_or_end(rig, fd, text) && text != NULL) {
        fail_msg("closed without \"%s\": %s", text, rig->text);
    }
}

static void ask_health(struct rig *rig, int fd, const char *path, const char *expected) {
    char request[256];
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    say(fd, request);
    hear(rig, fd, expected);
}

// The rest of an answer of which the head has come. libwebsockets 4.3 closes the connection of one who asks again
// before.
static void hear_rest(struct rig *rig, int fd) {
    const char *body = strstr(rig->text, "\r\n\r\n") + 4;
    size_t whole_n = (size_t)(body - rig->text) + strtoul(strstr(rig->text, "content-length: ") + 16, NULL, 10);
    assert_true(whole_n < sizeof(rig->text));
    while (rig->text_n < whole_n) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
        ssize_t n = read(fd, rig->text + rig->text_n, whole_n - rig->text_n);
        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        rig->text_n += n > 0 ? (size_t)n : 0;
    }
}

// A request to the API with the right Host and token.
static void say_api(struct rig *rig, int fd, const char *line, const char *more, const char *body) {
    char request[2048];
    snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer %s\r\n%s\r\n%s",
             line, (unsigned)rig->config.api.port, rig->token, more, body);
    say(fd, request);
}

static int64_t count(struct rig *rig, enum metric metric) {
    return metric_value(rig->metrics, metric);
}

// --- tests ---

static void health_is_answered_without_a_token_and_the_connection_stays(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.health);
    ask_health(rig, fd, "/livez", "ok\n");
    assert_non_null(strstr(rig->text, "HTTP/1.1 200"));
    assert_non_null(strstr(rig->text, "content-length: 3"));
    ask_health(rig, fd, "/metrics", "sotto_build_info");
    assert_non_null(strstr(rig->text, "text/plain; version=0.0.4"));
    hear_rest(rig, fd);
    ask_health(rig, fd, "/nothing", "404");
    close(fd);
}

static void a_head_has_no_body(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.health);
    say(fd, "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(rig, fd, "\r\n\r\n");
    ask_health(rig, fd, "/livez", "ok\n"); // nothing stands between the two answers
    assert_int_equal(memcmp(rig->text, "HTTP/1.1 200", 12), 0);
    close(fd);
}

static void a_question_waits_for_the_node(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.health);
    say(fd, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    while (rig->asked_count == 0) {
        turn(rig, 1);
    }
    assert_int_equal(rig->asked[0].op, NODE_STATUS);
    turn(rig, 10);
    char byte;
    assert_int_equal(read(fd, &byte, 1), -1);
    answer(rig, rig->asked[0].id);
    hear(rig, fd, "HTTP/1.1 200");
    close(fd);
    turn(rig, 20);
    assert_int_equal(rig->gone_count, 0);
}

static void the_node_may_answer_before_the_question_returns(void **state) {
    struct rig *rig = *state;
    rig->answers_at_once = true;
    int fd = dial(&rig->config.health);
    ask_health(rig, fd, "/readyz", "HTTP/1.1 200");
    close(fd);
}

static void a_client_that_leaves_frees_its_question(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.health);
    say(fd, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    while (rig->asked_count == 0) {
        turn(rig, 1);
    }
    close(fd);
    while (rig->gone_count == 0) {
        turn(rig, 1);
    }
    assert_int_equal(rig->gone[0], rig->asked[0].id);
    answer(rig, rig->asked[0].id); // too late: nobody is there
}

static void set_flag(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

static void what_comes_while_a_question_waits_does_not_keep_the_loop_turning(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.health);
    say(fd, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    while (rig->asked_count == 0) {
        turn(rig, 1);
    }
    say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    bool over = false;
    uv_timer_t timer = {.data = &over};
    uv_timer_init(&rig->loop, &timer);
    uv_timer_start(&timer, set_flag, 100, 0);
    unsigned turns = 0;
    while (!over) {
        uv_run(&rig->loop, UV_RUN_ONCE);
        turns++;
    }
    assert_true(turns < 50);
    answer(rig, rig->asked[0].id);
    if (!hear_or_end(rig, fd, "HTTP/1.1 200")) {
        // libwebsockets 4.3 closes the connection of one who asks again before the answer.
        assert_int_equal(rig->text_n, 0);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    turn(rig, 2);
    close(fd);
}

static void a_node_that_does_not_answer_is_waited_for_so_long(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.health);
    ask_health(rig, fd, "/readyz", "HTTP/1.1 504");
    assert_int_equal(rig->gone_count, 1);
    assert_int_equal(rig->gone[0], rig->asked[0].id);
    close(fd);
}

static void only_so_many_questions_wait(void **state) {
    struct rig *rig = *state;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(&rig->config.health);
        say(fds[i], "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
        turn(rig, 20);
    }
    hear(rig, fds[2], "HTTP/1.1 503");
    assert_int_equal(rig->asked_count, 2);
    assert_int_equal(count(rig, METRIC_HTTP_REFUSED_LIMIT), 1);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

static void the_api_wants_its_token(void **state) {
    struct rig *rig = *state;
    char request[256];
    static const char *const bad[] = {"", "Authorization: Bearer 0000\r\n", "Authorization: Basic dTpw\r\n",
                                      "Authorization: Bearer \r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = dial(&rig->config.api);
        snprintf(request, sizeof(request), "GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n",
                 (unsigned)rig->config.api.port, bad[i]);
        say(fd, request);
        hear(rig, fd, "}");
        assert_non_null(strstr(rig->text, "HTTP/1.1 401"));
        close(fd);
    }
    assert_int_equal(rig->asked_count, 0);
    assert_int_equal(count(rig, METRIC_HTTP_REFUSED_TOKEN), 4);
}

static void foreign_names_and_origins_are_refused(void **state) {
    struct rig *rig = *state;
    char request[512];
    char own[64];
    snprintf(own, sizeof(own), "localhost:%u", (unsigned)rig->config.api.port);
    const struct {
        const char *host;
        const char *origin;
        bool good;
    } cases[] = {{own, "", true},
                 {"evil.example", "", false},
                 {"localhost", "", false},
                 {own, "Origin: http://evil.example\r\n", false},
                 {own, "Origin: null\r\n", false}};
    rig->answers_at_once = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = dial(&rig->config.api);
        snprintf(request, sizeof(request), "GET /v1/status HTTP/1.1\r\nHost: %s\r\n%sAuthorization: Bearer %s\r\n\r\n",
                 cases[i].host, cases[i].origin, rig->token);
        say(fd, request);
        hear(rig, fd, cases[i].good ? "HTTP/1.1 200" : "HTTP/1.1 403");
        close(fd);
    }
    assert_int_equal(count(rig, METRIC_HTTP_REFUSED_ORIGIN), 4);
}

static void a_body_comes_whole_in_pieces(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.api);
    const char *body = "{\"to\":\"bob\",\"text\":\"hi\"}";
    char length[128];
    snprintf(length, sizeof(length), "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    say_api(rig, fd, "POST /v1/messages", length, "");
    turn(rig, 10);
    for (const char *at = body; *at != '\0'; at++) {
        assert_int_equal(write(fd, at, 1), 1);
        turn(rig, 2);
    }
    while (rig->asked_count == 0) {
        turn(rig, 1);
    }
    assert_int_equal(rig->asked[0].client.op, CLIENT_SEND);
    assert_string_equal(rig->asked[0].client.name, "bob");
    close(fd);
}

static void a_path_is_decoded_and_a_query_handed_on(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.api);
    say_api(rig, fd, "DELETE /v1/contacts/bob%20b", "", "");
    while (rig->asked_count == 0) {
        turn(rig, 1);
    }
    assert_int_equal(rig->asked[0].client.op, CLIENT_CONTACT_REMOVE);
    assert_string_equal(rig->asked[0].client.name, "bob b");
    answer(rig, rig->asked[0].id);
    hear(rig, fd, "HTTP/1.1 204");
    say_api(rig, fd, "GET /v1/messages?after=17&limit=5", "", "");
    while (rig->asked_count == 1) {
        turn(rig, 1);
    }
    assert_int_equal(rig->asked[1].client.cursor, 17);
    assert_int_equal(rig->asked[1].client.limit, 5);
    close(fd);
}

static void a_query_too_long_is_refused_and_not_ignored(void **state) {
    struct rig *rig = *state;
    char line[1200] = "GET /v1/messages?after=";
    memset(line + strlen(line), '1', 1024);
    int fd = dial(&rig->config.api);
    say_api(rig, fd, line, "", "");
    hear(rig, fd, "HTTP/1.1 414");
    assert_int_equal(rig->asked_count, 0);
    close(fd);
}

static void bodies_too_long_or_of_unknown_length_are_refused(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.api);
    say_api(rig, fd, "POST /v1/messages", "Content-Length: 65537\r\n", "");
    hear(rig, fd, "HTTP/1.1 413");
    close(fd);
    fd = dial(&rig->config.api);
    say_api(rig, fd, "POST /v1/messages", "Transfer-Encoding: chunked\r\n", "");
    hear(rig, fd, "HTTP/1.1 411");
    close(fd);
    fd = dial(&rig->config.api);
    say_api(rig, fd, "POST /v1/messages", "Content-Length: -5\r\n", "");
    hear(rig, fd, NULL);
    close(fd);
    assert_int_equal(rig->asked_count, 0);
}

static void a_body_that_never_comes_is_waited_for_so_long(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.api);
    say_api(rig, fd, "POST /v1/messages", "Content-Length: 10\r\n", "{");
    hear(rig, fd, NULL);
    assert_int_equal(count(rig, METRIC_HTTP_CUT), 1);
    close(fd);
}

static void more_connections_than_allowed_are_closed_at_once(void **state) {
    struct rig *rig = *state;
    int fds[12];
    for (size_t i = 0; i < 12; i++) {
        fds[i] = dial(&rig->config.health);
        turn(rig, 5);
    }
    hear(rig, fds[11], NULL);
    assert_true(count(rig, METRIC_HTTP_REFUSED_LIMIT) >= 4);
    for (size_t i = 0; i < 12; i++) {
        close(fds[i]);
    }
    turn(rig, 50);
    int fd = dial(&rig->config.health);
    ask_health(rig, fd, "/livez", "ok\n");
    close(fd);
}

static void garbage_changes_nothing(void **state) {
    struct rig *rig = *state;
    static const char *const garbage[] = {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                          "GET\r\n\r\n", "\n\n\n\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"};
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int fd = dial(&rig->config.health);
        say(fd, garbage[i]);
        turn(rig, 20);
        close(fd);
    }
    turn(rig, 50);
    int fd = dial(&rig->config.health);
    ask_health(rig, fd, "/livez", "ok\n");
    close(fd);
    assert_int_equal(rig->asked_count, 0);
}

// --- streams ---

static int open_stream(struct rig *rig) {
    int fd = dial(&rig->config.api);
    say_api(rig, fd, "GET /v1/events",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n",
            "");
    hear(rig, fd, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // RFC 6455 §1.3
    assert_non_null(strstr(rig->text, "HTTP/1.1 101"));
    while (rig->asked_count == 0) {
        turn(rig, 1);
    }
    assert_int_equal(rig->asked[0].client.op, CLIENT_WATCH);
    return fd;
}

static void send_item(struct rig *rig, const char *text) {
    struct stream_item item = {.id = rig->asked[0].id, .kind = STREAM_MESSAGE};
    strcpy(item.message.contact, "bob");
    buf_append(&item.message.text, span_of_text(text));
    http_take_item(rig->http, &item);
    buf_free(&item.message.text);
}

static void a_stream_brings_what_happens(void **state) {
    struct rig *rig = *state;
    int fd = open_stream(rig);
    send_item(rig, "first");
    send_item(rig, "second");
    hear(rig, fd, "second");
    assert_non_null(memmem(rig->text, rig->text_n, "first", 5));
    assert_int_equal((uint8_t)rig->text[0], 0x81); // a whole text frame
    close(fd);
    while (rig->gone_count == 0) {
        turn(rig, 1);
    }
    assert_int_equal(rig->gone[0], rig->asked[0].id);
}

static void a_stream_needs_the_token_too(void **state) {
    struct rig *rig = *state;
    rig->token[0] = rig->token[0] == 'a' ? 'b' : 'a';
    int fd = dial(&rig->config.api);
    say_api(rig, fd, "GET /v1/events",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n",
            "");
    hear(rig, fd, " 401 Unauthorized");
    assert_int_equal(rig->asked_count, 0);
    close(fd);
}

static void a_stream_elsewhere_is_refused(void **state) {
    struct rig *rig = *state;
    int fd = dial(&rig->config.api);
    say_api(rig, fd, "GET /v1/status",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n",
            "");
    hear(rig, fd, " 400 Bad Request");
    assert_int_equal(rig->asked_count, 0);
    close(fd);
}

static void a_reader_too_slow_for_its_stream_is_cut(void **state) {
    struct rig *rig = *state;
    int fd = open_stream(rig);
    char text[TEXT_BYTES_MAX + 1];
    memset(text, 'x', TEXT_BYTES_MAX);
    text[TEXT_BYTES_MAX] = '\0';
    for (int i = 0; i < 100000 && rig->gone_count == 0; i++) {
        send_item(rig, text);
        if (i % 50 == 0) {
            turn(rig, 1);
        }
    }
    assert_int_equal(count(rig, METRIC_HTTP_CUT), 1);
    while (rig->gone_count == 0) {
        turn(rig, 1);
    }
    close(fd);
}

// --- opening ---

static void expect_refused(struct rig *rig, enum err expected, const char *text) {
    struct buf why = {0};
    assert_int_equal(http_new(&rig->http, &rig->loop, &rig->config, &why), expected);
    buf_append(&why, span_of("", 1));
    if (strstr((const char *)why.p, text) == NULL) {
        fail_msg("not in \"%s\": %s", (const char *)why.p, text);
    }
    buf_free(&why);
}

static void the_api_is_for_loopback_only(void **state) {
    struct rig *rig = *state;
    strcpy(rig->config.api.host, "0.0.0.0");
    expect_refused(rig, ERR_INVALID, "for this machine only");
}

static void a_busy_port_is_named(void **state) {
    struct rig *rig = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(rig->config.health.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    char expected[64];
    snprintf(expected, sizeof(expected), "127.0.0.1:%u: another program", (unsigned)rig->config.health.port);
    expect_refused(rig, ERR_EXISTS, expected);
    close(fd);
}

static void a_token_that_others_may_read_is_refused(void **state) {
    struct rig *rig = *state;
    int fd = open(rig->token_path, O_WRONLY | O_CREAT, 0600);
    say(fd, "0123456789abcdef0123456789abcdef\n");
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
    expect_refused(rig, ERR_REFUSED, "chmod 600");
}

static void a_new_token_is_private(void **state) {
    struct rig *rig = *state;
    struct stat status;
    assert_int_equal(stat(rig->token_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(strlen(rig->token), 64);
}

static int begin_impatient(void **state) {
    make_rig(state);
    struct rig *rig = *state;
    rig->config.patience_ms = 1;
    open_http(rig);
    return 0;
}

int main(void) {
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
#define OPENING_TEST(name) cmocka_unit_test_setup_teardown(name, make_rig, finish)
    const struct CMUnitTest tests[] = {
        HTTP_TEST(health_is_answered_without_a_token_and_the_connection_stays),
        HTTP_TEST(a_head_has_no_body),
        HTTP_TEST(a_question_waits_for_the_node),
        HTTP_TEST(the_node_may_answer_before_the_question_returns),
        HTTP_TEST(a_client_that_leaves_frees_its_question),
        HTTP_TEST(what_comes_while_a_question_waits_does_not_keep_the_loop_turning),
        cmocka_unit_test_setup_teardown(a_node_that_does_not_answer_is_waited_for_so_long, begin_impatient, finish),
        HTTP_TEST(only_so_many_questions_wait),
        HTTP_TEST(the_api_wants_its_token),
        HTTP_TEST(foreign_names_and_origins_are_refused),
        HTTP_TEST(a_body_comes_whole_in_pieces),
        HTTP_TEST(a_path_is_decoded_and_a_query_handed_on),
        HTTP_TEST(a_query_too_long_is_refused_and_not_ignored),
        HTTP_TEST(bodies_too_long_or_of_unknown_length_are_refused),
        cmocka_unit_test_setup_teardown(a_body_that_never_comes_is_waited_for_so_long, begin_impatient, finish),
        HTTP_TEST(more_connections_than_allowed_are_closed_at_once),
        HTTP_TEST(garbage_changes_nothing),
        HTTP_TEST(a_stream_brings_what_happens),
        HTTP_TEST(a_stream_needs_the_token_too),
        HTTP_TEST(a_stream_elsewhere_is_refused),
        HTTP_TEST(a_reader_too_slow_for_its_stream_is_cut),
        OPENING_TEST(the_api_is_for_loopback_only),
        OPENING_TEST(a_busy_port_is_named),
        OPENING_TEST(a_token_that_others_may_read_is_refused),
        HTTP_TEST(a_new_token_is_private),
    };
    return cmocka_run_group_tests_name("host_http", tests, NULL, NULL);
}
