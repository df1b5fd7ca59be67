// Links over loopback: two nets on one loop, and strangers with plain sockets or TLS of their own.
#include "ends.h"
#include "folder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/certificate.h"
#include "net/socks.h"
#include "net/tls.h"

static const uint8_t seed_a[32] = {0xa1};
static const uint8_t seed_b[32] = {0xb2};

struct pair {
    struct end relay; // listens
    struct end peer;  // dials
};

static int begin_loop(void **state) {
    assert_int_equal(uv_loop_init(&ends_loop), 0);
    *state = NEW(struct pair);
    return 0;
}

static void begin_pair(struct pair *pair, const uint8_t *peer_seed) {
    end_begin(&pair->relay, seed_a, true);
    end_begin(&pair->peer, peer_seed, false);
}

static int end_loop(void **state) {
    struct pair *pair = *state;
    int open = ends_finish((struct end *const[]){&pair->relay, &pair->peer}, 2);
    free(pair);
    return open;
}

static void dial_relay(struct pair *pair, bool show) {
    net_dial(pair->peer.net, 5, LINK_CELLS, &pair->relay.address, &pair->relay.key, show);
}

static void open_pair(struct pair *pair, const uint8_t *peer_seed, bool show) {
    begin_pair(pair, peer_seed);
    dial_relay(pair, show);
    RUN_UNTIL(pair->relay.opened == 1 && pair->peer.opened == 1);
}

// The relay takes ledger links, too, if `ledger`.
static void begin_ledger_pair(struct pair *pair, bool ledger) {
    struct net_config config;
    end_config(&config, seed_a);
    config.ledger = ledger;
    end_begin_with(&pair->relay, &config, true);
    end_begin(&pair->peer, seed_b, false);
}

static void both_ends_learn_the_kind_of_the_link(void **state) {
    struct pair *pair = *state;
    begin_ledger_pair(pair, true);
    static const enum link_kind kinds[] = {LINK_LEDGER, LINK_CELLS};
    for (unsigned i = 0; i < 2; i++) {
        net_dial(pair->peer.net, 5, kinds[i], &pair->relay.address, &pair->relay.key, true);
        RUN_UNTIL(pair->relay.opened == i + 1 && pair->peer.opened == i + 1);
        assert_int_equal(pair->relay.kind, kinds[i]);
        assert_int_equal(pair->peer.kind, kinds[i]);
    }
}

static void who_has_no_ledger_takes_no_ledger_links(void **state) {
    struct pair *pair = *state;
    begin_ledger_pair(pair, false);
    net_dial(pair->peer.net, 5, LINK_LEDGER, &pair->relay.address, &pair->relay.key, true);
    RUN_UNTIL(pair->peer.failed == 1);
    assert_int_equal(pair->peer.failed_reason, CLOSE_TLS);
    assert_int_equal(pair->relay.opened, 0);
}

static void the_longest_sends_arrive_whole_and_in_order(void **state) {
    struct pair *pair = *state;
    begin_ledger_pair(pair, true);
    net_dial(pair->peer.net, 5, LINK_LEDGER, &pair->relay.address, &pair->relay.key, true);
    RUN_UNTIL(pair->relay.opened == 1 && pair->peer.opened == 1);
    uint8_t bytes[LINK_SEND_BYTES_MAX];
    for (uint8_t i = 0; i < 4; i++) { // a window
        memset(bytes, i, sizeof(bytes));
        net_send(pair->peer.net, pair->peer.link, SPAN_OF(bytes));
    }
    RUN_UNTIL(pair->relay.got.n == 4 * sizeof(bytes));
    for (size_t i = 0; i < pair->relay.got.n; i++) {
        assert_int_equal(pair->relay.got.p[i], i / sizeof(bytes));
    }
    RUN_UNTIL(pair->peer.drained == 1);
}

static void both_ends_learn_the_key_of_the_other(void **state) {
    struct pair *pair = *state;
    open_pair(pair, seed_b, true);
    assert_true(pair->relay.has_key && pair->peer.has_key);
    assert_memory_equal(pair->relay.peer.bytes, pair->peer.key.bytes, 32);
    assert_memory_equal(pair->peer.peer.bytes, pair->relay.key.bytes, 32);
    assert_int_equal(pair->peer.dial, 5);
    assert_int_equal(pair->relay.dial, 0);
    assert_int_not_equal(pair->relay.address_tag, 0);
    assert_int_equal(metric_value(pair->relay.metrics, METRIC_OPENED_IN), 1);
    assert_int_equal(metric_value(pair->peer.metrics, METRIC_OPENED_OUT), 1);
}

static void a_client_shows_no_certificate_and_has_no_key(void **state) {
    struct pair *pair = *state;
    open_pair(pair, NULL, false);
    assert_false(pair->relay.has_key);
    assert_true(pair->peer.has_key);
}

static void a_relay_that_is_asked_not_to_show_its_certificate_has_no_key(void **state) {
    struct pair *pair = *state;
    open_pair(pair, seed_b, false);
    assert_false(pair->relay.has_key);
}

static void another_key_than_the_expected_one_is_refused(void **state) {
    struct pair *pair = *state;
    begin_pair(pair, seed_b);
    struct sign_public wrong = pair->relay.key;
    wrong.bytes[31] ^= 1;
    net_dial(pair->peer.net, 9, LINK_CELLS, &pair->relay.address, &wrong, true);
    RUN_UNTIL(pair->peer.failed == 1);
    assert_int_equal(pair->peer.dial, 9);
    assert_int_equal(pair->peer.failed_reason, CLOSE_TLS);
    RUN_UNTIL(metric_value(pair->relay.metrics, METRIC_HANDSHAKE_FAILED_TLS) == 1);
    assert_int_equal(pair->relay.opened, 0);
}

static void cells_arrive_in_order_and_the_sender_hears_of_it(void **state) {
    struct pair *pair = *state;
    open_pair(pair, seed_b, true);
    uint8_t cell[CELL_BYTES];
    for (uint8_t i = 0; i < LINK_WINDOW_CELLS; i++) {
        make_cell(cell, i);
        net_send(pair->peer.net, pair->peer.link, SPAN_OF(cell));
    }
    RUN_UNTIL(pair->peer.drained == 1 && pair->relay.got.n == LINK_WINDOW_CELLS * CELL_BYTES);
    for (uint8_t i = 0; i < LINK_WINDOW_CELLS; i++) {
        make_cell(cell, i);
        assert_memory_equal(pair->relay.got.p + i * (size_t)CELL_BYTES, cell, CELL_BYTES);
    }
}

static void a_cell_is_one_record(void **state) {
    struct pair *pair = *state;
    open_pair(pair, seed_b, true);
    int64_t before = metric_value(pair->peer.metrics, METRIC_NETWORK_TRANSMIT);
    uint8_t cell[CELL_BYTES];
    make_cell(cell, 1);
    for (int i = 0; i < 3; i++) {
        net_send(pair->peer.net, pair->peer.link, SPAN_OF(cell));
    }
    RUN_UNTIL(pair->peer.drained == 1);
    // Record header 5, content type 1, tag 16.
    assert_int_equal(metric_value(pair->peer.metrics, METRIC_NETWORK_TRANSMIT) - before, 3 * (CELL_BYTES + 22));
}

static void many_cells_go_round_and_round(void **state) {
    struct pair *pair = *state;
    open_pair(pair, seed_b, true);
    pair->relay.echoes = true;
    uint8_t cell[CELL_BYTES];
    unsigned sent = 0;
    while (sent < 40 * LINK_WINDOW_CELLS) {
        for (unsigned i = 0; i < LINK_WINDOW_CELLS; i++) {
            make_cell(cell, (uint8_t)sent++);
            net_send(pair->peer.net, pair->peer.link, SPAN_OF(cell));
        }
        RUN_UNTIL(pair->peer.got.n == (size_t)sent * CELL_BYTES);
    }
    for (unsigned i = 0; i < sent; i++) {
        make_cell(cell, (uint8_t)i);
        assert_memory_equal(pair->peer.got.p + i * (size_t)CELL_BYTES, cell, CELL_BYTES);
    }
}

static void what_was_sent_before_a_close_still_arrives(void **state) {
    struct pair *pair = *state;
    open_pair(pair, seed_b, true);
    uint8_t cell[CELL_BYTES];
    make_cell(cell, 1);
    for (int i = 0; i < LINK_WINDOW_CELLS; i++) {
        net_send(pair->peer.net, pair->peer.link, SPAN_OF(cell));
    }
    net_close(pair->peer.net, pair->peer.link, CLOSE_UNWANTED);
    net_send(pair->peer.net, pair->peer.link, SPAN_OF(cell)); // ignored
    RUN_UNTIL(pair->relay.closed == 1);
    assert_int_equal(pair->relay.got.n, LINK_WINDOW_CELLS * CELL_BYTES);
    assert_int_equal(pair->relay.closed_reason, CLOSE_PEER);
    assert_int_equal(pair->peer.closed, 0);
    assert_int_equal(metric_value(pair->peer.metrics, METRIC_CLOSED_UNWANTED), 1);
    RUN_UNTIL(net_links(pair->peer.net) == 0);
}

static void nobody_listening_fails_the_dial(void **state) {
    struct pair *pair = *state;
    begin_pair(pair, seed_b);
    struct address nowhere = {.host = "127.0.0.1", .port = 1};
    net_dial(pair->peer.net, 3, LINK_CELLS, &nowhere, &pair->relay.key, true);
    RUN_UNTIL(pair->peer.failed == 1);
    assert_int_equal(pair->peer.failed_reason, CLOSE_IO);
    struct address no_name = {.host = "no such name", .port = 1};
    net_dial(pair->peer.net, 4, LINK_CELLS, &no_name, &pair->relay.key, true);
    RUN_UNTIL(pair->peer.failed == 2);
    assert_int_equal(pair->peer.dial, 4);
}

static void a_name_is_resolved_and_every_address_tried(void **state) {
    struct pair *pair = *state;
    begin_pair(pair, seed_b);
    struct address by_name = {.host = "localhost", .port = pair->relay.address.port};
    net_dial(pair->peer.net, 3, LINK_CELLS, &by_name, &pair->relay.key, true);
    RUN_UNTIL(pair->peer.opened == 1);
}

static void while_paused_nothing_is_read(void **state) {
    struct pair *pair = *state;
    open_pair(pair, seed_b, true);
    net_pause(pair->relay.net, true);
    uint8_t cell[CELL_BYTES];
    make_cell(cell, 1);
    net_send(pair->peer.net, pair->peer.link, SPAN_OF(cell));
    RUN_UNTIL(pair->peer.drained == 1);
    for (int i = 0; i < 10; i++) {
        uv_run(&ends_loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(pair->relay.got.n, 0);
    net_pause(pair->relay.net, false);
    RUN_UNTIL(pair->relay.got.n == CELL_BYTES);
}

static void a_key_log_has_the_secrets_of_a_link(void **state) {
    struct pair *pair = *state;
    char *folder = folder_make();
    char *path = folder_file(folder, "keys");
    struct net_config config;
    end_config(&config, seed_a);
    config.keylog_path = path;
    end_begin_with(&pair->relay, &config, true);
    end_begin(&pair->peer, seed_b, false);
    dial_relay(pair, true);
    RUN_UNTIL(pair->relay.opened == 1 && pair->peer.opened == 1);
    char text[2048] = {0};
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(text, "CLIENT_TRAFFIC_SECRET_0 "));
    assert_non_null(strstr(text, "SERVER_TRAFFIC_SECRET_0 "));
    free(path);
    folder_remove(folder);
}

static void a_busy_port_is_named(void **state) {
    struct pair *pair = *state;
    begin_pair(pair, seed_b);
    struct buf why = {0};
    assert_int_equal(net_listen(pair->relay.net, NULL, &pair->relay.address, &why), ERR_EXISTS);
    buf_append(&why, span_of("", 1));
    assert_non_null(strstr((char *)why.p, "127.0.0.1:"));
    assert_non_null(strstr((char *)why.p, "address already in use"));
    buf_free(&why);
}

// --- limits ---

static void begin_limited(struct pair *pair, const struct net_limits *limits) {
    struct net_config config;
    end_config(&config, seed_a);
    config.limits = *limits;
    end_begin_with(&pair->relay, &config, true);
    end_begin(&pair->peer, seed_b, false);
}

static int stranger_connects(const struct end *to) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(to->address.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void a_silent_stranger_is_cut(void **state) {
    struct pair *pair = *state;
    struct net_limits limits;
    net_limits_defaults(&limits);
    limits.handshake_timeout_ms = 1;
    begin_limited(pair, &limits);
    int fd = stranger_connects(&pair->relay);
    RUN_UNTIL(metric_value(pair->relay.metrics, METRIC_HANDSHAKE_FAILED_TIMEOUT) == 1);
    char byte;
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
    assert_int_equal(pair->relay.opened, 0);
}

static void garbage_at_the_port_is_counted_and_honest_peers_are_served(void **state) {
    struct pair *pair = *state;
    begin_pair(pair, seed_b);
    static const char *const garbage[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                          "\x16\x03\x01\xff\xff\x01garbage garbage",
                                          "\x80\x80\x80\x80\x80\x80\x80\x80"};
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = stranger_connects(&pair->relay);
        assert_true(write(fds[i], garbage[i], strlen(garbage[i])) > 0);
    }
    RUN_UNTIL(metric_value(pair->relay.metrics, METRIC_HANDSHAKE_FAILED_TLS) == 3);
    dial_relay(pair, true);
    RUN_UNTIL(pair->relay.opened == 1 && pair->peer.opened == 1);
    for (size_t i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

static void a_flood_of_connections_stops_at_the_gate(void **state) {
    struct pair *pair = *state;
    struct net_limits limits;
    net_limits_defaults(&limits);
    limits.accepts_per_address_s = 1000;
    limits.handshakes_per_address = 5;
    begin_limited(pair, &limits);
    int fds[40];
    for (size_t i = 0; i < 40; i++) {
        fds[i] = stranger_connects(&pair->relay);
    }
    RUN_UNTIL(metric_value(pair->relay.metrics, METRIC_REFUSED_HANDSHAKES) == 35);
    assert_int_equal(net_links(pair->relay.net), 5);
    for (size_t i = 0; i < 40; i++) {
        close(fds[i]);
    }
    RUN_UNTIL(net_links(pair->relay.net) == 0);
    dial_relay(pair, true);
    RUN_UNTIL(pair->relay.opened == 1);
}

static void too_many_links_from_one_address_are_refused(void **state) {
    struct pair *pair = *state;
    struct net_limits limits;
    net_limits_defaults(&limits);
    limits.links_per_address = 2;
    begin_limited(pair, &limits);
    for (int i = 0; i < 3; i++) {
        dial_relay(pair, true);
    }
    RUN_UNTIL(pair->peer.failed == 1 && pair->relay.opened == 2);
    assert_int_equal(metric_value(pair->relay.metrics, METRIC_REFUSED_LINKS), 1);
}

static void a_peer_that_reads_nothing_is_cut(void **state) {
    struct pair *pair = *state;
    struct net_limits limits;
    net_limits_defaults(&limits);
    limits.write_timeout_ms = 300;
    begin_limited(pair, &limits);
    dial_relay(pair, true);
    RUN_UNTIL(pair->relay.opened == 1 && pair->peer.opened == 1);
    net_pause(pair->peer.net, true);
    uint8_t cell[CELL_BYTES];
    make_cell(cell, 1);
    unsigned drained = 0;
    size_t sent = 0;
    while (pair->relay.closed == 0) {
        for (int i = 0; i < LINK_WINDOW_CELLS; i++) {
            net_send(pair->relay.net, pair->relay.link, SPAN_OF(cell));
            sent += CELL_BYTES;
        }
        drained++;
        RUN_UNTIL(pair->relay.drained == drained || pair->relay.closed == 1);
    }
    assert_int_equal(pair->relay.closed_reason, CLOSE_TIMEOUT);
    assert_true(sent < 64 * 1024 * 1024); // the kernel's buffers and one window, not more
}

// --- strangers who speak TLS, on a thread of their own ---

struct stranger {
    const struct end *to;
    void (*prepare)(SSL_CTX *context);
    uv_thread_t thread;
    bool has_ticket; // the server gave means to resume
    uv_async_t done;
    bool is_done;
};

static void on_stranger_done(uv_async_t *async) {
    ((struct stranger *)async->data)->is_done = true;
    uv_close((uv_handle_t *)async, NULL);
}

static void stranger_runs(void *arg) {
    struct stranger *stranger = arg;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    stranger->prepare(context);
    int fd = stranger_connects(stranger->to);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1) {
        // The server's verdict on a client comes after the client's handshake.
        char byte;
        struct timeval wait = {.tv_usec = 300000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        (void)SSL_read(ssl, &byte, 1);
        stranger->has_ticket = SSL_SESSION_has_ticket(SSL_get_session(ssl)) == 1;
    }
    SSL_free(ssl);
    close(fd);
    SSL_CTX_free(context);
    uv_async_send(&stranger->done);
}

// True when it was given a ticket.
static bool send_stranger(struct pair *pair, void (*prepare)(SSL_CTX *)) {
    begin_pair(pair, NULL);
    struct stranger stranger = {.to = &pair->relay, .prepare = prepare};
    uv_async_init(&ends_loop, &stranger.done, on_stranger_done);
    stranger.done.data = &stranger;
    assert_int_equal(uv_thread_create(&stranger.thread, stranger_runs, &stranger), 0);
    RUN_UNTIL(stranger.is_done);
    uv_thread_join(&stranger.thread);
    uv_run(&ends_loop, UV_RUN_NOWAIT);
    return stranger.has_ticket;
}

static void offer(SSL_CTX *context, const char *alpn, int version) {
    uint8_t list[32];
    list[0] = (uint8_t)strlen(alpn);
    memcpy(list + 1, alpn, strlen(alpn));
    assert_int_equal(SSL_CTX_set_alpn_protos(context, list, (unsigned)strlen(alpn) + 1), 0);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
}

static void offer_all_that_is_asked(SSL_CTX *context) {
    offer(context, NET_ALPN, TLS1_3_VERSION);
}

static void offer_tls12(SSL_CTX *context) {
    offer(context, NET_ALPN, TLS1_2_VERSION);
}

static void offer_http(SSL_CTX *context) {
    offer(context, "http/1.1", TLS1_3_VERSION);
}

static void offer_no_protocol(SSL_CTX *context) {
    (void)context;
}

static void offer_p256(SSL_CTX *context) {
    offer(context, NET_ALPN, TLS1_3_VERSION);
    assert_int_equal(SSL_CTX_set1_groups_list(context, "P-256"), 1);
}

static void offer_rsa_certificate(SSL_CTX *context) {
    offer(context, NET_ALPN, TLS1_3_VERSION);
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *certificate = X509_new();
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    SSL_CTX_use_certificate(context, certificate);
    SSL_CTX_use_PrivateKey(context, key);
    SSL_CTX_set1_client_sigalgs_list(context, "rsa_pss_rsae_sha256");
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void a_stranger_with_the_right_offer_is_let_in_and_given_no_ticket(void **state) {
    struct pair *pair = *state;
    assert_false(send_stranger(pair, offer_all_that_is_asked));
    assert_int_equal(pair->relay.opened, 1);
    assert_false(pair->relay.has_key);
}

static void expect_refused(struct pair *pair, void (*prepare)(SSL_CTX *)) {
    send_stranger(pair, prepare);
    RUN_UNTIL(metric_value(pair->relay.metrics, METRIC_HANDSHAKE_FAILED_TLS) == 1);
    assert_int_equal(pair->relay.opened, 0);
}

static void tls_1_2_is_refused(void **state) {
    expect_refused(*state, offer_tls12);
}

static void another_protocol_is_refused(void **state) {
    expect_refused(*state, offer_http);
}

static void no_protocol_is_refused(void **state) {
    expect_refused(*state, offer_no_protocol);
}

static void another_group_is_refused(void **state) {
    expect_refused(*state, offer_p256);
}

// OpenSSL's client finds none of its signature algorithms in the request and goes on without a certificate.
static void an_rsa_certificate_gives_no_key(void **state) {
    struct pair *pair = *state;
    send_stranger(pair, offer_rsa_certificate);
    assert_false(pair->relay.has_key);
}

int main(void) {
#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, begin_loop, end_loop)
    const struct CMUnitTest tests[] = {
        LINK_TEST(both_ends_learn_the_key_of_the_other),
        LINK_TEST(both_ends_learn_the_kind_of_the_link),
        LINK_TEST(who_has_no_ledger_takes_no_ledger_links),
        LINK_TEST(the_longest_sends_arrive_whole_and_in_order),
        LINK_TEST(a_client_shows_no_certificate_and_has_no_key),
        LINK_TEST(a_relay_that_is_asked_not_to_show_its_certificate_has_no_key),
        LINK_TEST(another_key_than_the_expected_one_is_refused),
        LINK_TEST(cells_arrive_in_order_and_the_sender_hears_of_it),
        LINK_TEST(a_cell_is_one_record),
        LINK_TEST(many_cells_go_round_and_round),
        LINK_TEST(what_was_sent_before_a_close_still_arrives),
        LINK_TEST(nobody_listening_fails_the_dial),
        LINK_TEST(a_name_is_resolved_and_every_address_tried),
        LINK_TEST(while_paused_nothing_is_read),
        LINK_TEST(a_key_log_has_the_secrets_of_a_link),
        LINK_TEST(a_busy_port_is_named),
        LINK_TEST(a_silent_stranger_is_cut),
        LINK_TEST(garbage_at_the_port_is_counted_and_honest_peers_are_served),
        LINK_TEST(a_flood_of_connections_stops_at_the_gate),
        LINK_TEST(too_many_links_from_one_address_are_refused),
        LINK_TEST(a_peer_that_reads_nothing_is_cut),
        LINK_TEST(a_stranger_with_the_right_offer_is_let_in_and_given_no_ticket),
        LINK_TEST(tls_1_2_is_refused),
        LINK_TEST(another_protocol_is_refused),
        LINK_TEST(no_protocol_is_refused),
        LINK_TEST(another_group_is_refused),
        LINK_TEST(an_rsa_certificate_gives_no_key),
    };
    return cmocka_run_group_tests_name("net_links", tests, NULL, NULL);
}
