// The keys of an account against docs/spec/vectors/keys.json, which the specification's own script makes.
#include "../crypto/vectors.h"

#include "client/client_internal.h"
#include "client/link.h"

static void take_hex(uint8_t *out, size_t n, const json_t *json, const char *member) {
    assert_int_equal(hex_decode(out, n, json_text(json, member)), OK);
}

static void assert_hex(const uint8_t *bytes, size_t n, const json_t *json, const char *member) {
    char hex[65];
    hex_encode(hex, span_of(bytes, n));
    assert_string_equal(hex, json_text(json, member));
}

static void check_account(const json_t *json) {
    struct genesis genesis = {0};
    struct client_config config = {.genesis = &genesis};
    struct client *client = NEW(struct client);
    char link[LINK_TEXT_MAX + 1];
    take_hex(config.identity_seed, 32, json, "seed");
    take_hex(genesis.network.bytes, 32, json, "network");
    client->config = config;
    account_keys(client);
    assert_hex(client->card.identity.bytes, 32, json, "identity");
    assert_hex(client->card.dh.bytes, 32, json, "static");
    assert_hex(client->card.mailbox.bytes, 32, json, "request_mailbox");
    link_format(link, &client->card, &genesis.network);
    assert_string_equal(link, json_text(json, "link"));

    struct own_mailbox own = {0};
    take_hex(own.state.nonce, sizeof(own.state.nonce), json, "nonce");
    mailbox_keys(&own, config.identity_seed);
    assert_hex(own.id.bytes, 32, json, "mailbox");
    assert_hex(own.token.bytes, 32, json, "token");
    free(client);
}

static void an_accounts_keys_and_link_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *json = spec_vectors_load("keys.json");
    size_t i;
    json_t *account;
    assert_int_equal(json_array_size(json_object_get(json, "accounts")), 4);
    json_array_foreach(json_object_get(json, "accounts"), i, account) {
        check_account(account);
    }
    json_decref(json);
}

int main(void) {
    crypto_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_accounts_keys_and_link_are_those_of_the_specification)};
    return cmocka_run_group_tests_name("client keys", tests, NULL, NULL);
}
