// The operator's configuration as a whole: the file, the environment, --set, the files that values name, and what is
// said when something is wrong.
#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "crypto/keys.h"
#include "host/config.h"
#include "host/config_keys.h"
#include "host/key_file.h"

static const char relay_text[] = "name: r1\nroles: [relay]\ngenesis: genesis.sotto\nidentity: identity.key\n"
                                 "data_dir: data\nlisten: [\"127.0.0.1:7070\"]\n";
static const char user_text[] = "roles: user\ngenesis: genesis.sotto\naccount: account.sotto\n"
                                "passphrase_file: passphrase\ndata_dir: data\n";

struct place {
    char *folder;
    struct host_config *config;
    struct buf why;
};

static void write_text(const struct place *place, const char *name, const char *text, unsigned mode) {
    char *path = folder_file(place->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

static void write_genesis(const struct place *place, bool testnet) {
    struct genesis genesis = {.name = "test",
                              .testnet = testnet,
                              .genesis_ms = 1790000000000,
                              .epoch_ms = testnet ? 60000 : 3600000,
                              .replicas = 3,
                              .quorum = 2,
                              .min_relays = 3,
                              .item_lifetime_ms = 7 * DAY_MS,
                              .tick_ms = 10,
                              .profile = PROFILE_BALANCED,
                              .ledger = {.validator_stake_min = 1,
                                         .unbonding_ms = DAY_MS,
                                         .samples = 1,
                                         .validator_count = 1,
                                         .validators = {{.key = {{1}}, .power = 1}}},
                              .seed_count = 1,
                              .seeds = {{.address = {.host = "127.0.0.1", .port = 7070}}}};
    uint8_t seed[32] = {2};
    struct sign_secret secret;
    struct sign_public public;
    sign_key_from_seed(&secret, &public, seed);
    memcpy(genesis.seeds[0].id.bytes, public.bytes, 32);
    struct buf text = {0};
    genesis_format(&text, &genesis);
    buf_append(&text, SPAN_LITERAL("\0"));
    write_text(place, "genesis.sotto", (const char *)text.p, 0644);
    buf_free(&text);
}

static int setup(void **state) {
    crypto_init();
    struct place *place = calloc(1, sizeof *place);
    place->folder = folder_make();
    place->config = calloc(1, sizeof *place->config);
    *state = place;
    write_genesis(place, true);
    struct buf why = {0};
    uint8_t seed[KEY_SEED_BYTES] = {2};
    char *identity = folder_file(place->folder, "identity.key");
    char *account = folder_file(place->folder, "account.sotto");
    assert_int_equal(key_file_write(identity, seed, &why), OK);
    seed[0] = 3;
    assert_int_equal(account_file_write(account, seed, SPAN_LITERAL("swordfish"), ACCOUNT_RANDOM_PASSPHRASE, &why), OK);
    free(identity);
    free(account);
    write_text(place, "passphrase", "swordfish\nsecond line\n", 0600);
    return 0;
}

static int teardown(void **state) {
    struct place *place = *state;
    buf_free(&place->why);
    folder_remove(place->folder);
    free(place->config);
    free(place);
    return 0;
}

static enum err load(struct place *place, const char *text, char *const *environment, const char *const *sets,
                     size_t set_count) {
    write_text(place, "sotto.yaml", text, 0644);
    char *path = folder_file(place->folder, "sotto.yaml");
    buf_clear(&place->why);
    enum err err = config_load(place->config, path, environment, sets, set_count, &place->why);
    free(path);
    return err;
}

static void loaded(struct place *place, const char *text) {
    if (load(place, text, NULL, NULL, 0) != OK) {
        fail_msg("refused: %.*s", (int)place->why.n, (const char *)place->why.p);
    }
}

static void explained(struct place *place, const char *part) {
    buf_append(&place->why, SPAN_LITERAL("\0"));
    if (strstr((const char *)place->why.p, part) == NULL) {
        fail_msg("\"%s\" is not in: %s", part, (const char *)place->why.p);
    }
}

static void refused(struct place *place, const char *text, const char *part) {
    if (load(place, text, NULL, NULL, 0) == OK) {
        fail_msg("taken: %s", text);
    }
    explained(place, part);
}

// A relay's configuration with a few lines more.
static const char *relay_with(const char *lines) {
    static char text[4096];
    snprintf(text, sizeof text, "%s%s", relay_text, lines);
    return text;
}

// ---- what is taken ----

static void a_relay_s_file_is_read(void **state) {
    struct place *place = *state;
    loaded(place, relay_with("limits:\n  links: 77\n  idle_timeout: 30s\nstorage_max: 2G\nlog: {level: debug}\n"));
    const struct host_config *config = place->config;
    assert_string_equal(config->name, "r1");
    assert_int_equal(config->node.roles, ROLE_RELAY);
    assert_int_equal(config->storage, STORAGE_ROCKSDB);
    assert_int_equal(config->listen_count, 1);
    assert_int_equal(config->listen[0].port, 7070);
    assert_true(address_equal(&config->node.address, &config->listen[0]));
    assert_int_equal(config->node.limits.links_max, 77);
    assert_true(config->net_limits.links_max > 77);
    assert_int_equal(config->node.limits.idle_timeout_ms, 30000);
    assert_int_equal(config->node.storage_bytes_max, UINT64_C(2) << 30);
    assert_int_equal(config->log_level, LOG_DEBUG);
    assert_int_equal(config->node.identity_seed[0], 2);
    assert_int_equal(config->node.profile, PROFILE_BALANCED); // genesis'
    assert_string_equal(config->node.genesis.name, "test");
}

static void paths_are_relative_to_the_file_s_folder(void **state) {
    struct place *place = *state;
    loaded(place, relay_text);
    char *data = folder_file(place->folder, "data");
    assert_string_equal(place->config->data_dir, data);
    free(data);
    loaded(place, relay_with("log:\n  file: /var/log/sotto\n"));
    assert_string_equal(place->config->log_path, "/var/log/sotto");
}

static void a_user_s_state_is_encrypted_unless_it_is_not_kept(void **state) {
    struct place *place = *state;
    char text[1024];
    loaded(place, user_text);
    assert_int_equal(place->config->storage, STORAGE_SQLCIPHER);
    assert_int_equal(place->config->node.account_seed[0], 3);
    uint8_t key[32];
    config_store_key(key, place->config->node.account_seed);
    assert_memory_equal(place->config->store_key, key, sizeof key);
    snprintf(text, sizeof text, "%sstorage: memory\n", user_text);
    loaded(place, text);
    snprintf(text, sizeof text, "%sstorage: rocksdb\n", user_text);
    refused(place, text, "sqlcipher or memory");
    refused(place, relay_with("storage: sqlcipher\n"), "for users");
}

static void a_list_and_a_text_with_commas_say_the_same(void **state) {
    struct place *place = *state;
    const char *const forms[] = {"roles: [relay, bootstrap]", "roles: relay,bootstrap", "roles: \"relay , bootstrap\"",
                                 "roles:\n  - relay\n  - bootstrap"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "%s\ngenesis: genesis.sotto\nidentity: identity.key\nstorage: memory\nlisten: 127.0.0.1:1\n",
                 forms[i]);
        loaded(place, text);
        assert_int_equal(place->config->node.roles, ROLE_RELAY | ROLE_BOOTSTRAP);
    }
}

static void a_dotted_key_is_one_in_a_section(void **state) {
    struct place *place = *state;
    loaded(place, relay_with("limits.links: 5\n"));
    assert_int_equal(place->config->node.limits.links_max, 5);
}

// ---- precedence ----

static void the_environment_overrides_the_file_and_set_overrides_both(void **state) {
    struct place *place = *state;
    const char *text = relay_with("limits:\n  links: 1\n  handshakes: 1\n  link_queue: 500\n");
    char *environment[] = {"PATH=/bin", "SOTTO_LIMITS_HANDSHAKES=2", "SOTTO_LIMITS_LINK_QUEUE=600", NULL};
    const char *sets[] = {"limits.link_queue=700", "log.level=warn", "log.level=error"};
    assert_int_equal(load(place, text, environment, sets, 3), OK);
    assert_int_equal(place->config->node.limits.links_max, 1);
    assert_int_equal(place->config->net_limits.handshakes_max, 2);
    assert_int_equal(place->config->node.limits.link_queue_cells, 700);
    assert_int_equal(place->config->log_level, LOG_ERROR); // the last of two
}

static void every_key_has_a_variable(void **state) {
    struct place *place = *state;
    for (size_t i = 0; i < config_key_count; i++) {
        char variable[256];
        int n = snprintf(variable, sizeof variable, "SOTTO_%s=\x01", config_keys[i].name);
        for (int k = 6; k < n; k++) {
            variable[k] = variable[k] == '.'                         ? '_'
                          : variable[k] >= 'a' && variable[k] <= 'z' ? (char)(variable[k] - 32)
                                                                     : variable[k];
        }
        char *environment[] = {variable, NULL};
        // The value is wrong for all but paths; what is said names the key.
        enum err err = load(place, relay_text, environment, NULL, 0);
        if (config_keys[i].kind != KEY_PATH) {
            assert_int_equal(err, ERR_INVALID);
            explained(place, config_keys[i].name);
            assert_non_null(strstr((const char *)place->why.p, "environment SOTTO_"));
        }
    }
}

static void the_folder_of_the_other_program_is_no_key(void **state) {
    struct place *place = *state;
    char *environment[] = {"SOTTO_DIR=/home/me/.sotto", NULL};
    assert_int_equal(load(place, relay_text, environment, NULL, 0), OK);
}

static void a_node_can_be_told_everything_without_a_file(void **state) {
    struct place *place = *state;
    char genesis[512];
    char identity[512];
    snprintf(genesis, sizeof genesis, "SOTTO_GENESIS=%s/genesis.sotto", place->folder);
    snprintf(identity, sizeof identity, "identity=%s/identity.key", place->folder);
    char *environment[] = {genesis, "SOTTO_ROLES=relay", "SOTTO_STORAGE=memory", NULL};
    const char *sets[] = {identity, "listen=[::1]:9000,127.0.0.1:9000"};
    assert_int_equal(config_load(place->config, NULL, environment, sets, 2, &place->why), OK);
    assert_int_equal(place->config->listen_count, 2);
    assert_string_equal(place->config->listen[0].host, "::1");
}

// ---- what is refused, and how that is said ----

static void an_unknown_key_is_named_with_its_line(void **state) {
    struct place *place = *state;
    refused(place, relay_with("limits:\n  linkz: 5\n"), "sotto.yaml:8: there is no key \"limits.linkz\"");
    refused(place, "nme: r1\n", "sotto.yaml:1: there is no key \"nme\"");
    char *environment[] = {"SOTTO_LIMITZ=1", NULL};
    assert_int_equal(load(place, relay_text, environment, NULL, 0), ERR_INVALID);
    explained(place, "environment SOTTO_LIMITZ");
    const char *set = "linkz=1";
    assert_int_equal(load(place, relay_text, NULL, &set, 1), ERR_INVALID);
    explained(place, "--set: there is no key \"linkz\"");
}

static void a_key_that_stands_twice_is_refused(void **state) {
    struct place *place = *state;
    refused(place, relay_with("workers: 1\nworkers: 2\n"), "workers stands twice");
    refused(place, relay_with("limits:\n  links: 1\nlimits:\n  links: 2\n"),
            "sotto.yaml:10: limits.links stands twice");
    refused(place, relay_with("limits.links: 1\nlimits:\n  links: 2\n"), "limits.links stands twice");
}

static void a_bad_value_is_named_with_what_is_allowed(void **state) {
    struct place *place = *state;
    refused(place, relay_with("workers: 7abc\n"),
            "sotto.yaml:7: workers: \"7abc\" will not do; allowed: a number from 1");
    refused(place, relay_with("workers: -1\n"), "allowed: a number");
    refused(place, relay_with("workers: 0\n"), "allowed: a number from 1 to 64");
    refused(place, relay_with("workers: 65\n"), "allowed: a number from 1 to 64");
    refused(place, relay_with("workers: 1.5\n"), "allowed: a number");
    refused(place, relay_with("workers: 0x10\n"), "allowed: a number");
    refused(place, relay_with("workers: 010\n"), "allowed: a number");
    refused(place, relay_with("workers: \" 1\"\n"), "allowed: a number");
    refused(place, relay_with("workers: 99999999999999999999999999\n"), "allowed: a number");
    refused(place, relay_with("workers:\n"), "allowed: a number");
    refused(place, relay_with("limits: {idle_timeout: 20}\n"), "allowed: a duration such as 500ms");
    refused(place, relay_with("limits: {idle_timeout: 20 s}\n"), "allowed: a duration");
    refused(place, relay_with("limits: {idle_timeout: 100h}\n"), "from 1000 to 3600000 ms");
    refused(place, relay_with("storage_max: 10Q\n"), "allowed: a size");
    refused(place, relay_with("storage_max: 10\n"), "from 1048576");
    refused(place, relay_with("storage_max: 99999999T\n"), "allowed: a size");
    refused(place, relay_with("retiring: yes\n"), "true or false");
    refused(place, relay_with("profile: slow\n"), "fast or balanced");
    refused(place, relay_with("log: {level: loud}\n"), "debug, info, warn or error");
    refused(place, relay_with("storage: leveldb\n"), "memory, rocksdb or sqlcipher");
    refused(place, relay_with("advertise: nowhere\n"), "host:port");
    refused(place, relay_with("advertise: host:99999\n"), "host:port");
    refused(place, relay_with("log: {file: \"\"}\n"), "a path");
    refused(place, "name: two words\n", "a word of 1 to 32");
    refused(place, "roles: [relay, king]\n", "any of relay, bootstrap, validator, user");
    refused(place, "roles: []\n", "any of relay, bootstrap, validator, user");
    refused(place, relay_with("checkpoint: 12\n"), "height:id");
    refused(place, "listen: [\"a:1\",\"b:1\",\"c:1\",\"d:1\",\"e:1\"]\n", "up to 4");
}

static void a_proxy_s_password_is_not_repeated(void **state) {
    struct place *place = *state;
    refused(place, relay_with("proxy: socks4://me:hunter2@host:1\n"), "allowed: socks5://");
    assert_null(strstr((const char *)place->why.p, "hunter2"));
    loaded(place, relay_with("proxy: socks5://me:hunter2@proxy.example:1080\n"));
    assert_string_equal(place->config->proxy.user, "me");
    assert_string_equal(place->config->proxy.password, "hunter2");
    assert_int_equal(place->config->proxy.address.port, 1080);
}

static void what_is_no_mapping_of_keys_is_refused_with_its_line(void **state) {
    struct place *place = *state;
    refused(place, "just a text\n", "sotto.yaml:1: a mapping");
    refused(place, "- a\n- b\n", "sotto.yaml:1: no list");
    refused(place, "limits:\n  links:\n    deep: 1\n", "sotto.yaml:3: no mapping");
    refused(place, "roles: [[relay]]\n", "no list");
    refused(place, "roles: [{a: b}]\n", "no mapping");
    refused(place, "name: &a r1\nroles: *a\n", "aliases");
    refused(place, "name: r1\n---\nname: r2\n", "sotto.yaml:2: one document");
    refused(place, "name: [unclosed\n", "not YAML");
    refused(place, "name: \"a\\0b\"\n", "sotto.yaml:1");
    refused(place, "? [a]\n: b\n", "no list");
}

static void what_does_not_fit_together_is_refused(void **state) {
    struct place *place = *state;
    refused(place, "genesis: genesis.sotto\n", "roles: missing");
    refused(place, "roles: relay\n", "genesis: the path");
    refused(place, "roles: relay\ngenesis: genesis.sotto\n", "identity: the path");
    refused(place, "roles: bootstrap\ngenesis: genesis.sotto\n", "identity: the path");
    refused(place, "roles: user\ngenesis: genesis.sotto\n", "account and passphrase_file");
    refused(place, "roles: relay\ngenesis: genesis.sotto\nidentity: identity.key\nlisten: 127.0.0.1:1\n", "data_dir");
    refused(place, "roles: relay\ngenesis: genesis.sotto\nidentity: identity.key\nstorage: memory\n",
            "listen: missing");
    refused(place,
            "roles: relay\ngenesis: genesis.sotto\nidentity: identity.key\nstorage: memory\nlisten: 127.0.0.1:1\n"
            "api:\n  listen: 127.0.0.1:2\n",
            "api.token_file: missing");
    char text[1024];
    snprintf(text, sizeof text, "%slisten: 127.0.0.1:1\n", user_text);
    refused(place, text, "a user's node accepts no links");
}

static void nobody_is_told_to_come_to_a_wildcard(void **state) {
    struct place *place = *state;
    const char *anywhere = "roles: relay\ngenesis: genesis.sotto\nidentity: identity.key\nstorage: memory\n"
                           "listen: [\"0.0.0.0:7070\", \"[::]:7070\"]\n";
    char text[1024];
    refused(place, anywhere, "advertise: missing");
    snprintf(text, sizeof text, "%sadvertise: relay.example:7070\n", anywhere);
    loaded(place, text);
    assert_string_equal(place->config->node.address.host, "relay.example");
}

static void tls_secrets_are_written_only_in_test_networks(void **state) {
    struct place *place = *state;
    loaded(place, relay_with("tls:\n  keylog: keys.log\n"));
    write_genesis(place, false);
    refused(place, relay_with("tls:\n  keylog: keys.log\n"), "tls.keylog: only where genesis says testnet");
    loaded(place, relay_text);
}

// ---- the files that values name ----

static void missing_and_wrong_files_are_named(void **state) {
    struct place *place = *state;
    refused(place, "genesis: nothing.sotto\n", "nothing.sotto: No such file");
    write_text(place, "genesis.sotto", "sotto-genesis 1\nname test\nno such line\n", 0644);
    refused(place, relay_text, "genesis.sotto:3: not as a genesis file should be");
    write_genesis(place, true);
    write_text(place, "identity.key", "not a key\n", 0600);
    refused(place, relay_text, "identity.key: a key file holds 64 hexadecimal digits");
    char *missing = folder_file(place->folder, "missing.yaml");
    buf_clear(&place->why);
    assert_int_not_equal(config_load(place->config, missing, NULL, NULL, 0, &place->why), OK);
    explained(place, "missing.yaml: No such file");
    free(missing);
}

static void a_key_that_others_may_read_is_refused(void **state) {
    struct place *place = *state;
    char *path = folder_file(place->folder, "identity.key");
    const unsigned modes[] = {0644, 0640, 0604, 0660, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        refused(place, relay_text, "others may read this key; chmod 600");
    }
    assert_int_equal(chmod(path, 0400), 0);
    loaded(place, relay_text);
    free(path);
}

static void a_wrong_passphrase_is_said(void **state) {
    struct place *place = *state;
    write_text(place, "passphrase", "sword fish\n", 0600);
    refused(place, user_text, "account.sotto: the passphrase is wrong");
    write_text(place, "passphrase", "\n", 0600);
    refused(place, user_text, "passphrase: the passphrase is empty");
    write_text(place, "passphrase", "swordfish\r\n", 0600);
    loaded(place, user_text);
}

static void a_configuration_that_is_too_long_is_refused(void **state) {
    struct place *place = *state;
    char *text = calloc(1, 100000);
    memset(text, '#', 99999);
    refused(place, text, "too long");
    free(text);
}

// ---- looking only, and the manual ----

static void a_look_at_a_file_opens_nothing_else(void **state) {
    struct place *place = *state;
    write_text(place, "sotto.yaml", "roles: user\ngenesis: gone\naccount: gone\napi: {listen: \"127.0.0.1:99\"}\n",
               0644);
    char *path = folder_file(place->folder, "sotto.yaml");
    assert_int_equal(config_peek(place->config, path, &place->why), OK);
    assert_int_equal(place->config->api.port, 99);
    free(path);
    struct span text = SPAN_LITERAL("roles: user\nworkers: none\n");
    assert_int_equal(config_parse(place->config, text, &place->why), ERR_INVALID);
    explained(place, "configuration:2: workers");
}

static void the_manual_lists_every_key(void **state) {
    (void)state;
    struct buf manual = {0};
    config_describe(&manual);
    buf_append(&manual, SPAN_LITERAL("\0"));
    const char *text = (const char *)manual.p;
    for (size_t i = 0; i < config_key_count; i++) {
        char head[128];
        snprintf(head, sizeof head, "  %-34s %s\n", config_keys[i].name, config_keys[i].help);
        const char *at = strstr(text, head);
        assert_non_null(at);
        struct buf allowed = {0};
        config_key_allowed(&allowed, &config_keys[i]);
        const char *line = strchr(at, '\n') + 1;
        line += strspn(line, " ");
        assert_memory_equal(line, allowed.p, allowed.n);
        buf_free(&allowed);
    }
    assert_non_null(strstr(text, "default 10G"));
    buf_free(&manual);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_relay_s_file_is_read),
        CASE(paths_are_relative_to_the_file_s_folder),
        CASE(a_user_s_state_is_encrypted_unless_it_is_not_kept),
        CASE(a_list_and_a_text_with_commas_say_the_same),
        CASE(a_dotted_key_is_one_in_a_section),
        CASE(the_environment_overrides_the_file_and_set_overrides_both),
        CASE(every_key_has_a_variable),
        CASE(the_folder_of_the_other_program_is_no_key),
        CASE(a_node_can_be_told_everything_without_a_file),
        CASE(an_unknown_key_is_named_with_its_line),
        CASE(a_key_that_stands_twice_is_refused),
        CASE(a_bad_value_is_named_with_what_is_allowed),
        CASE(a_proxy_s_password_is_not_repeated),
        CASE(what_is_no_mapping_of_keys_is_refused_with_its_line),
        CASE(what_does_not_fit_together_is_refused),
        CASE(nobody_is_told_to_come_to_a_wildcard),
        CASE(tls_secrets_are_written_only_in_test_networks),
        CASE(missing_and_wrong_files_are_named),
        CASE(a_key_that_others_may_read_is_refused),
        CASE(a_wrong_passphrase_is_said),
        CASE(a_configuration_that_is_too_long_is_refused),
        CASE(a_look_at_a_file_opens_nothing_else),
        CASE(the_manual_lists_every_key),
    };
    return cmocka_run_group_tests_name("host config", tests, NULL, NULL);
}
