// What a user types: id, contacts, send, inbox, requests, watch, backup, restore, account.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "client/backup.h"
#include "host/config.h"
#include "host/key_file.h"
#include "store/store.h"
#include "testnet/network.h"

#define WATCH_MS 200
#define BACKUP_BYTES_MAX (64 * 1024 * 1024)
#define API_PORT_DEFAULT 7990

static struct profile_options profile;
static bool json_option;

#define JSON_OPTION \
    { "json", NULL, "for scripts", .flag = &json_option }
#define NO_MORE \
    { .name = NULL }

// Opens the profile, makes one call, prints what came with `print` (or as JSON), closes.
static int one_call(bool ready, const char *method, const char *path, json_t *body, void (*print)(const json_t *json)) {
    struct profile_session session;
    struct buf why = {0};
    json_t *json = NULL;
    enum err err = profile_open(&session, &profile, ready, &why);
    if (err == OK) {
        err = profile_call(&session, &json, method, path, body, &why);
    }
    if (err == OK && json != NULL && json_option) {
        output_json(json);
    } else if (err == OK && print != NULL) {
        print(json);
    }
    json_decref(json);
    json_decref(body);
    profile_close(&session);
    return err == OK ? 0 : output_error(&why);
}

static void print_link(const json_t *json) {
    puts(json_text(json, "link"));
}

int id_main(int argc, char **argv) {
    const struct option options[] = {PROFILE_OPTIONS(profile), JSON_OPTION, NO_MORE};
    if (options_parse(argc, argv, options, "sotto id [options]", "Your link: give it to those who may write to you.") !=
        0) {
        return STATUS_USAGE;
    }
    return one_call(false, "GET", "/v1/id", NULL, print_link);
}

static void print_contacts(const json_t *json) {
    size_t i;
    json_t *contact;
    json_array_foreach(json_object_get(json, "contacts"), i, contact) {
        printf("%-20s %s%s\n", json_text(contact, "name"), json_text(contact, "link"),
               json_is_true(json_object_get(contact, "blocked")) ? "  (blocked)" : "");
    }
}

// A name as part of a path: everything but letters and digits in hexadecimal.
static void append_name(char *path, size_t path_n, const char *name, const char *tail) {
    size_t n = strlen(path);
    for (; *name != 0 && n + 4 < path_n; name++) {
        bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9');
        n += (size_t)snprintf(path + n, path_n - n, plain ? "%c" : "%%%02X", (unsigned char)*name);
    }
    snprintf(path + n, path_n - n, "%s", tail);
}

int contacts_main(int argc, char **argv) {
    const struct option options[] = {PROFILE_OPTIONS(profile), JSON_OPTION, NO_MORE};
    int left = options_parse(argc, argv, options, "sotto contacts [options] [add NAME LINK | remove NAME | block NAME]",
                             "Lists, adds, removes or blocks contacts.");
    char path[512] = "/v1/contacts/";
    if (left == 0) {
        return one_call(false, "GET", "/v1/contacts", NULL, print_contacts);
    }
    if (left == 3 && strcmp(argv[1], "add") == 0) {
        return one_call(false, "POST", "/v1/contacts", json_pack("{ss ss}", "name", argv[2], "link", argv[3]), NULL);
    }
    if (left == 2 && strcmp(argv[1], "remove") == 0) {
        append_name(path, sizeof(path), argv[2], "");
        return one_call(false, "DELETE", path, NULL, NULL);
    }
    if (left == 2 && strcmp(argv[1], "block") == 0) {
        append_name(path, sizeof(path), argv[2], "/block");
        return one_call(false, "POST", path, NULL, NULL);
    }
    fprintf(stderr, "sotto: add NAME LINK, remove NAME or block NAME is wanted\n");
    return STATUS_USAGE;
}

// Waits until a message has reached a state. ERR_TIMEOUT otherwise; *message is replaced by the newest record.
static enum err wait_for_state(struct profile_session *session, json_t **message, bool acknowledged,
                               uint64_t timeout_ms, struct buf *why) {
    uint64_t deadline_ms = network_mono_ms() + timeout_ms;
    char path[80];
    snprintf(path, sizeof(path), "/v1/messages/%s", json_text(*message, "id"));
    for (;;) {
        const char *state = json_text(*message, "state");
        if (strcmp(state, "acknowledged") == 0 || (!acknowledged && strcmp(state, "stored") == 0)) {
            return OK;
        }
        if (strcmp(state, "failed") == 0 || strcmp(state, "expired") == 0) {
            return testnet_fail(why, ERR_REFUSED, "%s: %s", state, json_text(*message, "reason"));
        }
        if (network_mono_ms() > deadline_ms) {
            return testnet_fail(why, ERR_TIMEOUT,
                                "it is in your outbox (%s) and will be sent when a node of yours runs again", state);
        }
        network_sleep_ms(20);
        json_t *json = NULL;
        enum err err = profile_call(session, &json, "GET", path, NULL, why);
        if (err != OK) {
            return err;
        }
        json_decref(*message);
        *message = json;
    }
}

// The text to send: as given, or for "-" what standard input holds, which no list of processes shows. NULL: no text.
static json_t *body_of(const char *name, const char *argument, struct buf *why) {
    struct buf text = {0};
    enum err err = OK;
    if (strcmp(argument, "-") == 0) {
        err = file_read(&text, "/dev/stdin", TEXT_BYTES_MAX + 1, why);
        text.n -= text.n > 0 && text.p[text.n - 1] == '\n' ? 1 : 0;
    } else {
        buf_append(&text, span_of_text(argument));
    }
    json_t *body = NULL;
    if (err == OK) {
        body = json_pack("{ss ss#}", "to", name, "text", text.n > 0 ? (const char *)text.p : "", (int)text.n);
        if (body == NULL) {
            testnet_fail(why, ERR_INVALID, "the text is not UTF-8");
        }
    }
    buf_wipe(&text);
    return body;
}

int send_main(int argc, char **argv) {
    bool wait = false;
    uint64_t timeout_s = 60;
    const struct option options[] = {
        PROFILE_OPTIONS(profile),
        {"wait", NULL, "until the recipient has acknowledged it, not only until it is stored", .flag = &wait},
        {"timeout", "SECONDS", "to wait (60)", .number = &timeout_s, .min = 1, .max = 86400},
        JSON_OPTION,
        NO_MORE};
    if (options_parse(argc, argv, options, "sotto send [options] NAME TEXT",
                      "Sends a text of up to 1,024 bytes to a contact; \"-\" reads it from standard input.") != 2) {
        fprintf(stderr, "sotto: a contact and a text are wanted\n");
        return STATUS_USAGE;
    }
    struct profile_session session;
    struct buf why = {0};
    json_t *message = NULL;
    json_t *body = body_of(argv[1], argv[2], &why);
    enum err err = body == NULL ? ERR_INVALID : profile_open(&session, &profile, false, &why);
    if (err == OK) {
        err = profile_call(&session, &message, "POST", "/v1/messages", body, &why);
    }
    if (err == OK) {
        err = wait_for_state(&session, &message, wait, timeout_s * 1000, &why);
    }
    if (message != NULL && json_option) {
        output_json(message);
    } else if (err == OK) {
        puts(json_text(message, "state"));
    }
    json_decref(message);
    if (body != NULL) {
        profile_close(&session);
    }
    json_decref(body);
    return err == OK ? 0 : output_error(&why);
}

static void print_message(const json_t *message) {
    bool incoming = json_is_true(json_object_get(message, "incoming"));
    printf("%s%s ", output_bold(), incoming ? "<" : ">");
    output_text(json_text(message, "contact"));
    printf("%s  ", output_plain());
    output_text(json_text(message, "text"));
    if (!incoming) {
        printf("  %s(%s)%s", output_dim(), json_text(message, "state"), output_plain());
    }
    putchar('\n');
}

// Prints what is newer than *after and moves it on.
static enum err print_newer(struct profile_session *session, long long *after, struct buf *why) {
    char path[80];
    json_t *json = NULL;
    snprintf(path, sizeof(path), "/v1/messages?after=%lld", *after);
    enum err err = profile_call(session, &json, "GET", path, NULL, why);
    size_t i;
    json_t *message;
    json_array_foreach(json_object_get(json, "messages"), i, message) {
        *after = (long long)json_integer_value(json_object_get(message, "cursor"));
        if (json_option) {
            output_json(message);
        } else {
            print_message(message);
        }
    }
    fflush(stdout);
    json_decref(json);
    return err;
}

int inbox_main(int argc, char **argv) {
    uint64_t after = 0;
    const struct option options[] = {
        PROFILE_OPTIONS(profile),
        {"after", "CURSOR", "only what came after it (0)", .number = &after, .min = 0, .max = UINT64_MAX / 16},
        JSON_OPTION,
        NO_MORE};
    if (options_parse(argc, argv, options, "sotto inbox [options]", "Messages of all conversations, oldest first.") !=
        0) {
        return STATUS_USAGE;
    }
    struct profile_session session;
    struct buf why = {0};
    long long cursor = (long long)after;
    long long before = -1;
    enum err err = profile_open(&session, &profile, true, &why);
    while (err == OK && before != cursor) { // as many as one answer holds, until there are no more
        before = cursor;
        err = print_newer(&session, &cursor, &why);
    }
    profile_close(&session);
    return err == OK ? 0 : output_error(&why);
}

static void print_requests(const json_t *json) {
    size_t i;
    json_t *request;
    json_array_foreach(json_object_get(json, "requests"), i, request) {
        printf("%lld  %s\n    ", (long long)json_integer_value(json_object_get(request, "number")),
               json_text(request, "link"));
        output_text(json_text(request, "text"));
        putchar('\n');
    }
}

int requests_main(int argc, char **argv) {
    const struct option options[] = {PROFILE_OPTIONS(profile), JSON_OPTION, NO_MORE};
    int left = options_parse(argc, argv, options, "sotto requests [options] [accept NUMBER NAME | refuse NUMBER]",
                             "First messages of those you do not know.");
    char path[256] = "/v1/requests/";
    if (left == 0) {
        return one_call(true, "GET", "/v1/requests", NULL, print_requests);
    }
    if (left == 3 && strcmp(argv[1], "accept") == 0) {
        append_name(path, sizeof(path), argv[2], "/accept");
        return one_call(false, "POST", path, json_pack("{ss}", "name", argv[3]), NULL);
    }
    if (left == 2 && strcmp(argv[1], "refuse") == 0) {
        append_name(path, sizeof(path), argv[2], "");
        return one_call(false, "DELETE", path, NULL, NULL);
    }
    fprintf(stderr, "sotto: accept NUMBER NAME or refuse NUMBER is wanted\n");
    return STATUS_USAGE;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

int watch_main(int argc, char **argv) {
    uint64_t after = 0;
    const struct option options[] = {
        PROFILE_OPTIONS(profile),
        {"after", "CURSOR", "begin behind it (0)", .number = &after, .min = 0, .max = UINT64_MAX / 16},
        JSON_OPTION,
        NO_MORE};
    if (options_parse(argc, argv, options, "sotto watch [options]",
                      "Prints messages as they come, until it is interrupted.") != 0) {
        return STATUS_USAGE;
    }
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    struct profile_session session;
    struct buf why = {0};
    enum err err = profile_open(&session, &profile, true, &why);
    long long cursor = (long long)after;
    while (err == OK && !interrupted) {
        err = print_newer(&session, &cursor, &why);
        network_sleep_ms(WATCH_MS);
    }
    profile_close(&session);
    return err == OK || interrupted ? 0 : output_error(&why);
}

int backup_main(int argc, char **argv) {
    const struct option options[] = {PROFILE_OPTIONS(profile), NO_MORE};
    if (options_parse(argc, argv, options, "sotto backup [options] FILE",
                      "Writes the account and its contacts to FILE, sealed with your passphrase.") != 1) {
        fprintf(stderr, "sotto: one file is wanted\n");
        return STATUS_USAGE;
    }
    struct profile_session session = {0};
    struct buf why = {0};
    struct buf passphrase = {0};
    struct buf bytes = {0};
    json_t *json = NULL;
    enum err err = profile_passphrase(&passphrase, &profile, false, &why);
    if (err == OK) {
        err = profile_open(&session, &profile, false, &why);
    }
    if (err == OK) {
        json_t *body = json_pack("{ss#}", "passphrase", (const char *)passphrase.p, (int)passphrase.n);
        err = profile_call(&session, &json, "POST", "/v1/backup", body, &why);
        json_decref(body);
    }
    if (err == OK) {
        const char *hex = json_text(json, "backup");
        size_t n = strlen(hex) / 2;
        err = hex_decode(buf_extend(&bytes, n), n, hex);
    }
    if (err == OK) {
        err = file_write(argv[1], buf_span(&bytes), 0600, false, &why);
    }
    buf_wipe(&passphrase);
    buf_free(&bytes);
    json_decref(json);
    profile_close(&session);
    return err == OK ? 0 : output_error(&why);
}

static enum err write_profile(const char *dir, const char *genesis, const uint8_t seed[static 32],
                              struct span passphrase, uint64_t port, struct buf *why) {
    char path[PATH_MAX + 32];
    char config[1024];
    struct buf text = {0};
    struct genesis parsed;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return testnet_fail(why, ERR_IO, "cannot make %s: %s", dir, strerror(errno));
    }
    enum err err = profile_genesis(&parsed, &text, genesis, why);
    snprintf(path, sizeof(path), "%s/account.sotto", dir);
    if (err == OK) {
        err = account_file_write(path, seed, passphrase, ACCOUNT_HUMAN_PASSPHRASE, why);
    }
    snprintf(path, sizeof(path), "%s/genesis.sotto", dir);
    if (err == OK) {
        err = file_write(path, buf_span(&text), 0644, true, why);
    }
    snprintf(config, sizeof(config),
             "name: me\nroles: [user]\ngenesis: genesis.sotto\ndata_dir: data\naccount: account.sotto\n"
             "storage: sqlcipher\napi:\n  listen: 127.0.0.1:%llu\n  token_file: api.token\n",
             (unsigned long long)port);
    snprintf(path, sizeof(path), "%s/config.yaml", dir);
    if (err == OK) {
        err = file_write(path, span_of_text(config), 0644, true, why);
    }
    buf_free(&text);
    return err;
}

// An empty database with the records of a backup.
static enum err write_database(const char *dir, const uint8_t seed[static 32], const struct kv_batch *records,
                               struct buf *why) {
    char path[PATH_MAX + 64];
    uint8_t key[32];
    struct kv *kv;
    snprintf(path, sizeof(path), "%s/data", dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return testnet_fail(why, ERR_IO, "cannot make %s: %s", path, strerror(errno));
    }
    snprintf(path, sizeof(path), "%s/data/" CONFIG_USER_DATABASE, dir);
    config_store_key(key, seed);
    enum err err = store_open_sqlcipher(&kv, path, key, why);
    wipe(key, sizeof(key));
    if (err != OK) {
        return err;
    }
    err = kv_write(kv, records);
    if (err == OK) {
        err = kv_sync(kv);
    }
    kv_close(kv);
    return err == OK ? OK : testnet_fail(why, err, "cannot write %s: %s", path, err_text(err));
}

static enum err restore_account(const char *dir, const char *file, const char *genesis, uint64_t port,
                                struct buf *why) {
    struct buf passphrase = {0};
    struct buf backup = {0};
    struct kv_batch records = {0};
    struct network_id network;
    uint8_t seed[KEY_SEED_BYTES];
    enum err err = profile_passphrase(&passphrase, &profile, false, why);
    if (err == OK) {
        err = file_read(&backup, file, BACKUP_BYTES_MAX, why);
    }
    if (err == OK) {
        err = client_restore(seed, &network, &records, buf_span(&backup), buf_span(&passphrase));
        if (err != OK) {
            testnet_fail(why, err, "%s: %s", file,
                         err == ERR_AUTH ? "the passphrase is wrong, or the backup is damaged" : "this is no backup");
        }
    }
    if (err == OK) {
        err = write_profile(dir, genesis, seed, buf_span(&passphrase), port, why);
    }
    if (err == OK) {
        err = write_database(dir, seed, &records, why);
    }
    wipe(seed, sizeof(seed));
    buf_wipe(&passphrase);
    buf_free(&backup);
    kv_batch_free(&records);
    return err;
}

int restore_main(int argc, char **argv) {
    const char *genesis = NULL;
    uint64_t port = API_PORT_DEFAULT;
    const struct option options[] = {
        PROFILE_OPTIONS(profile),
        {"genesis", "FILE", "the network's genesis file", .text = &genesis},
        {"api-port", "PORT", "loopback port of your node's API (7990)", .number = &port, .min = 1024, .max = 65535},
        NO_MORE};
    if (options_parse(argc, argv, options, "sotto restore --genesis FILE [options] BACKUP",
                      "Makes the account of a backup anew, in a folder that has none.") != 1 ||
        genesis == NULL) {
        fprintf(stderr, "sotto: --genesis FILE and one backup are wanted\n");
        return STATUS_USAGE;
    }
    char dir[PATH_MAX];
    struct buf why = {0};
    if (!profile_dir(dir, &profile)) {
        return 1;
    }
    return restore_account(dir, argv[1], genesis, port, &why) == OK ? 0 : output_error(&why);
}

int account_create_main(int argc, char **argv) {
    const char *genesis = NULL;
    uint64_t port = API_PORT_DEFAULT;
    const struct option options[] = {
        PROFILE_OPTIONS(profile),
        {"genesis", "FILE", "the network's genesis file", .text = &genesis},
        {"api-port", "PORT", "loopback port of your node's API (7990)", .number = &port, .min = 1024, .max = 65535},
        NO_MORE};
    int left = options_parse(argc, argv, options, "sotto account create [options]",
                             "Makes an account of your own, to talk to others with.");
    if (left != 0 || genesis == NULL) {
        fprintf(stderr, "sotto: `sotto account create --genesis FILE` is wanted\n");
        return STATUS_USAGE;
    }
    char dir[PATH_MAX];
    struct buf why = {0};
    struct buf passphrase = {0};
    uint8_t seed[KEY_SEED_BYTES];
    if (!profile_dir(dir, &profile)) {
        return 1;
    }
    enum err err = profile_passphrase(&passphrase, &profile, true, &why);
    random_seed(seed, sizeof(seed));
    if (err == OK) {
        err = write_profile(dir, genesis, seed, buf_span(&passphrase), port, &why);
    }
    wipe(seed, sizeof(seed));
    buf_wipe(&passphrase);
    if (err != OK) {
        return output_error(&why);
    }
    printf("%s\n", dir);
    return 0;
}
