// Links where a CA vouches for certificates.
#include "ends.h"

#include "folder.h"

#include <time.h>

#include "net/ca.h"

static const uint8_t seed_ca[32] = {0xca};
static const uint8_t seed_other_ca[32] = {0xcb};
static const uint8_t seed_a[32] = {0xa1};
static const uint8_t seed_b[32] = {0xb2};

struct rig {
    struct end relay;
    struct end peer;
    char *folder;
    char *ca_path;
    char *other_ca_path;
    char *paths[4];
    size_t path_count;
};

static void write_file(const char *path, struct span bytes) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
    fclose(file);
}

static uint64_t now_ms(void) {
    return (uint64_t)time(NULL) * 1000;
}

static char *make_ca(struct rig *rig, const uint8_t *seed, const char *name) {
    struct buf pem = {0};
    assert_int_equal(ca_certificate(&pem, seed, name, now_ms()), OK);
    char *path = folder_file(rig->folder, name);
    write_file(path, buf_span(&pem));
    buf_free(&pem);
    return path;
}

// A node's certificate from a CA; the rig frees the path.
static const char *make_node(struct rig *rig, const uint8_t *ca, const uint8_t *node_seed, uint64_t wall_ms) {
    struct buf ca_pem = {0};
    struct buf pem = {0};
    struct sign_secret secret;
    struct sign_public key;
    char name[] = "node-0.pem";
    sign_key_from_seed(&secret, &key, node_seed);
    assert_int_equal(ca_certificate(&ca_pem, ca, ca == seed_ca ? "ca" : "other", now_ms()), OK);
    assert_int_equal(ca_sign_node(&pem, ca, buf_span(&ca_pem), &key, 77, wall_ms), OK);
    name[5] = (char)('0' + rig->path_count);
    char *path = folder_file(rig->folder, name);
    write_file(path, buf_span(&pem));
    rig->paths[rig->path_count++] = path;
    buf_free(&ca_pem);
    buf_free(&pem);
    return path;
}

static int begin(void **state) {
    struct rig *rig = NEW(struct rig);
    assert_int_equal(uv_loop_init(&ends_loop), 0);
    rig->folder = folder_make();
    rig->ca_path = make_ca(rig, seed_ca, "ca");
    rig->other_ca_path = make_ca(rig, seed_other_ca, "other");
    *state = rig;
    return 0;
}

static int finish(void **state) {
    struct rig *rig = *state;
    int open = ends_finish((struct end *const[]){&rig->relay, &rig->peer}, 2);
    for (size_t i = 0; i < rig->path_count; i++) {
        free(rig->paths[i]);
    }
    free(rig->ca_path);
    free(rig->other_ca_path);
    folder_remove(rig->folder);
    free(rig);
    return open;
}

static void begin_end(struct end *end, const uint8_t *seed, const char *certificate, const char *ca, bool listens) {
    struct net_config config;
    end_config(&config, seed);
    config.certificate_path = certificate;
    config.ca_path = ca;
    end_begin_with(end, &config, listens);
}

static void begin_relay(struct rig *rig) {
    begin_end(&rig->relay, seed_a, make_node(rig, seed_ca, seed_a, now_ms()), rig->ca_path, true);
}

static void dial(struct rig *rig) {
    net_dial(rig->peer.net, 1, LINK_CELLS, &rig->relay.address, &rig->relay.key, true);
}

static void expect_refused(struct rig *rig) {
    dial(rig);
    RUN_UNTIL(metric_value(rig->relay.metrics, METRIC_HANDSHAKE_FAILED_TLS) == 1);
    assert_int_equal(rig->relay.opened, 0);
}

static void nodes_of_one_ca_open_a_link(void **state) {
    struct rig *rig = *state;
    begin_relay(rig);
    begin_end(&rig->peer, seed_b, make_node(rig, seed_ca, seed_b, now_ms()), rig->ca_path, false);
    dial(rig);
    RUN_UNTIL(rig->relay.opened == 1 && rig->peer.opened == 1);
    assert_memory_equal(rig->relay.peer.bytes, rig->peer.key.bytes, 32);
}

static void a_client_needs_no_certificate(void **state) {
    struct rig *rig = *state;
    begin_relay(rig);
    begin_end(&rig->peer, NULL, NULL, rig->ca_path, false);
    dial(rig);
    RUN_UNTIL(rig->relay.opened == 1 && rig->peer.opened == 1);
    assert_false(rig->relay.has_key);
}

static void a_self_signed_peer_is_refused(void **state) {
    struct rig *rig = *state;
    begin_relay(rig);
    begin_end(&rig->peer, seed_b, NULL, NULL, false);
    expect_refused(rig);
}

static void a_peer_of_another_ca_is_refused(void **state) {
    struct rig *rig = *state;
    begin_relay(rig);
    begin_end(&rig->peer, seed_b, make_node(rig, seed_other_ca, seed_b, now_ms()), NULL, false);
    expect_refused(rig);
}

static void a_server_of_another_ca_is_refused(void **state) {
    struct rig *rig = *state;
    begin_relay(rig);
    begin_end(&rig->peer, seed_b, NULL, rig->other_ca_path, false);
    expect_refused(rig);
    RUN_UNTIL(rig->peer.failed == 1);
    assert_int_equal(rig->peer.failed_reason, CLOSE_TLS);
}

static void an_expired_certificate_is_refused(void **state) {
    struct rig *rig = *state;
    begin_relay(rig);
    uint64_t two_years_ms = UINT64_C(2) * 365 * 24 * 3600 * 1000;
    begin_end(&rig->peer, seed_b, make_node(rig, seed_ca, seed_b, now_ms() - two_years_ms), NULL, false);
    expect_refused(rig);
}

static void expect_unusable(struct rig *rig, const char *certificate, const char *ca, enum err expected,
                            const char *text) {
    struct net_config config;
    struct net_events events = {0};
    struct buf why = {0};
    end_config(&config, seed_a);
    config.certificate_path = certificate;
    config.ca_path = ca;
    config.metrics = metrics_new();
    assert_int_equal(net_new(&rig->relay.net, &ends_loop, &config, &events, &why), expected);
    buf_append(&why, span_of("", 1));
    if (strstr((const char *)why.p, text) == NULL) {
        fail_msg("not in \"%s\": %s", (const char *)why.p, text);
    }
    metrics_free(config.metrics);
    buf_free(&why);
}

static void files_that_cannot_be_used_are_named(void **state) {
    struct rig *rig = *state;
    const char *others = make_node(rig, seed_ca, seed_b, now_ms());
    expect_unusable(rig, others, NULL, ERR_INVALID, "node-0.pem: is for another key than the node's identity");
    expect_unusable(rig, "/no/such/file", NULL, ERR_IO, "/no/such/file: No such file");
    expect_unusable(rig, "/dev/null", NULL, ERR_MALFORMED, "/dev/null: holds no PEM certificate");
    expect_unusable(rig, NULL, "/dev/null", ERR_IO, "/dev/null: cannot be read as PEM");
}

int main(void) {
#define CA_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        CA_TEST(nodes_of_one_ca_open_a_link),         CA_TEST(a_client_needs_no_certificate),
        CA_TEST(a_self_signed_peer_is_refused),       CA_TEST(a_peer_of_another_ca_is_refused),
        CA_TEST(a_server_of_another_ca_is_refused),   CA_TEST(an_expired_certificate_is_refused),
        CA_TEST(files_that_cannot_be_used_are_named),
    };
    return cmocka_run_group_tests_name("net_ca_links", tests, NULL, NULL);
}
