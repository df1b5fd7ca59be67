// Dials through a SOCKS5 proxy: a small one on the same loop, which takes any user and any name.
#include "ends.h"

#include <arpa/inet.h>
#include <unistd.h>

static const uint8_t seed_a[32] = {0xa1};
static const uint8_t seed_b[32] = {0xb2};

#define TUNNELS_MAX 4

struct proxy;

struct tunnel {
    uv_tcp_t client;
    uv_tcp_t target;
    uv_connect_t connect;
    struct proxy *proxy;
    unsigned stage; // greeting, credentials, request, open
    char user[NET_CREDENTIAL_MAX + 1];
    uint8_t bytes[65536];
    bool target_open;
};

struct proxy {
    uv_tcp_t listener;
    struct address address;
    uint16_t target_port;
    uint8_t refusal; // reply code, 0: none
    char asked_host[256];
    uint16_t asked_port;
    struct tunnel tunnels[TUNNELS_MAX];
    size_t tunnel_count;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)suggested;
    struct tunnel *tunnel = handle->data;
    *buffer = uv_buf_init((char *)tunnel->bytes, sizeof(tunnel->bytes));
}

static void close_tunnel(struct tunnel *tunnel) {
    uv_handle_t *handles[] = {(uv_handle_t *)&tunnel->client, (uv_handle_t *)&tunnel->target};
    for (size_t i = 0; i < 2; i++) {
        if (handles[i]->data != NULL && !uv_is_closing(handles[i])) {
            uv_close(handles[i], NULL);
        }
    }
}

static void send_on(uv_tcp_t *to, const void *bytes, size_t n) {
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)n);
    assert_int_equal(uv_try_write((uv_stream_t *)to, &buffer, 1), n);
}

static void on_target_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
    struct tunnel *tunnel = stream->data;
    if (n < 0) {
        close_tunnel(tunnel);
    } else if (n > 0) {
        send_on(&tunnel->client, buffer->base, (size_t)n);
    }
}

static void on_target_connected(uv_connect_t *request, int status) {
    struct tunnel *tunnel = request->data;
    assert_int_equal(status, 0);
    tunnel->target_open = true;
    static const uint8_t reply[] = {5, 0, 0, 1, 127, 0, 0, 1, 0, 9};
    send_on(&tunnel->client, reply, sizeof(reply));
    uv_read_start((uv_stream_t *)&tunnel->target, on_alloc, on_target_read);
}

static void take_request(struct tunnel *tunnel, const uint8_t *bytes) {
    struct proxy *proxy = tunnel->proxy;
    const uint8_t connect_to_name[] = {5, 1, 0, 3};
    assert_memory_equal(bytes, connect_to_name, 4);
    size_t n = bytes[4];
    memcpy(proxy->asked_host, bytes + 5, n);
    proxy->asked_port = (uint16_t)(bytes[5 + n] << 8 | bytes[6 + n]);
    if (proxy->refusal != 0) {
        const uint8_t reply[] = {5, proxy->refusal, 0, 1, 0, 0, 0, 0, 0, 0};
        send_on(&tunnel->client, reply, sizeof(reply));
        return;
    }
    struct sockaddr_in target;
    uv_ip4_addr("127.0.0.1", proxy->target_port, &target);
    uv_tcp_init(&ends_loop, &tunnel->target);
    tunnel->target.data = tunnel;
    tunnel->connect.data = tunnel;
    uv_tcp_connect(&tunnel->connect, &tunnel->target, (struct sockaddr *)&target, on_target_connected);
}

static void on_client_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
    struct tunnel *tunnel = stream->data;
    const uint8_t *bytes = (const uint8_t *)buffer->base;
    if (n <= 0) {
        close_tunnel(tunnel);
        return;
    }
    switch (tunnel->stage) {
    case 0:
        tunnel->stage++;
        send_on(&tunnel->client, "\x05\x02", 2);
        break;
    case 1:
        tunnel->stage++;
        memcpy(tunnel->user, bytes + 2, bytes[1]);
        send_on(&tunnel->client, "\x01\x00", 2);
        break;
    case 2:
        tunnel->stage++;
        take_request(tunnel, bytes);
        break;
    default:
        assert_true(tunnel->target_open);
        send_on(&tunnel->target, bytes, (size_t)n);
        break;
    }
}

static void on_client(uv_stream_t *listener, int status) {
    struct proxy *proxy = listener->data;
    assert_int_equal(status, 0);
    assert_true(proxy->tunnel_count < TUNNELS_MAX);
    struct tunnel *tunnel = &proxy->tunnels[proxy->tunnel_count++];
    tunnel->proxy = proxy;
    uv_tcp_init(&ends_loop, &tunnel->client);
    tunnel->client.data = tunnel;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&tunnel->client), 0);
    uv_read_start((uv_stream_t *)&tunnel->client, on_alloc, on_client_read);
}

struct rig {
    struct end relay;
    struct end client;
    struct proxy proxy;
};

static void begin_proxy(struct proxy *proxy) {
    struct sockaddr_in address;
    int n = sizeof(address);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&ends_loop, &proxy->listener);
    proxy->listener.data = proxy;
    assert_int_equal(uv_tcp_bind(&proxy->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&proxy->listener, 8, on_client), 0);
    uv_tcp_getsockname(&proxy->listener, (struct sockaddr *)&address, &n);
    strcpy(proxy->address.host, "localhost"); // the proxy's own name is resolved here
    proxy->address.port = ntohs(address.sin_port);
}

static int begin(void **state) {
    struct rig *rig = NEW(struct rig);
    assert_int_equal(uv_loop_init(&ends_loop), 0);
    begin_proxy(&rig->proxy);
    end_begin(&rig->relay, seed_a, true);
    rig->proxy.target_port = rig->relay.address.port;
    struct net_config config;
    end_config(&config, seed_b);
    config.proxy.address = rig->proxy.address;
    end_begin_with(&rig->client, &config, false);
    *state = rig;
    return 0;
}

static int finish(void **state) {
    struct rig *rig = *state;
    uv_close((uv_handle_t *)&rig->proxy.listener, NULL);
    for (size_t i = 0; i < rig->proxy.tunnel_count; i++) {
        close_tunnel(&rig->proxy.tunnels[i]);
    }
    int open = ends_finish((struct end *const[]){&rig->client, &rig->relay}, 2);
    free(rig);
    return open;
}

static const struct address far_away = {.host = "relay.far.away", .port = 4711};

static void a_link_goes_through_the_proxy_which_learns_the_name(void **state) {
    struct rig *rig = *state;
    net_dial(rig->client.net, 1, LINK_CELLS, &far_away, &rig->relay.key, false);
    RUN_UNTIL(rig->client.opened == 1 && rig->relay.opened == 1);
    assert_string_equal(rig->proxy.asked_host, "relay.far.away");
    assert_int_equal(rig->proxy.asked_port, 4711);
    rig->relay.echoes = true;
    uint8_t cell[CELL_BYTES];
    make_cell(cell, 5);
    net_send(rig->client.net, rig->client.link, SPAN_OF(cell));
    RUN_UNTIL(rig->client.got.n == CELL_BYTES);
    assert_memory_equal(rig->client.got.p, cell, CELL_BYTES);
}

static void every_peer_has_a_user_name_of_its_own(void **state) {
    struct rig *rig = *state;
    struct sign_public other = rig->relay.key;
    other.bytes[0] ^= 1;
    net_dial(rig->client.net, 1, LINK_CELLS, &far_away, &rig->relay.key, false);
    net_dial(rig->client.net, 2, LINK_CELLS, &far_away, &rig->relay.key, false);
    net_dial(rig->client.net, 3, LINK_CELLS, &far_away, &other, false);
    RUN_UNTIL(rig->client.opened == 2 && rig->client.failed == 1);
    const struct tunnel *tunnels = rig->proxy.tunnels;
    unsigned same = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(strlen(tunnels[i].user), 16);
        same += strcmp(tunnels[i].user, tunnels[(i + 1) % 3].user) == 0;
    }
    assert_int_equal(same, 1);
    assert_int_equal(rig->client.failed_reason, CLOSE_TLS); // the proxy cannot stand in for a relay
}

static void a_refusing_proxy_fails_the_dial(void **state) {
    struct rig *rig = *state;
    rig->proxy.refusal = 4;
    net_dial(rig->client.net, 1, LINK_CELLS, &far_away, &rig->relay.key, false);
    RUN_UNTIL(rig->client.failed == 1);
    assert_int_equal(rig->client.failed_reason, CLOSE_IO);
}

int main(void) {
#define PROXY_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        PROXY_TEST(a_link_goes_through_the_proxy_which_learns_the_name),
        PROXY_TEST(every_peer_has_a_user_name_of_its_own),
        PROXY_TEST(a_refusing_proxy_fails_the_dial),
    };
    return cmocka_run_group_tests_name("net_proxy_links", tests, NULL, NULL);
}
