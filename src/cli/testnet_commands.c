// sotto testnet: local networks of real processes.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "testnet/network.h"
#include "testnet/supervisor.h"

#define DEFAULT_DIR "./sotto-testnet"
#define LOG_CHUNK 65536
#define BLOCK_TIME_MS_MAX 3600000 // as genesis bounds it

// Options that every command has.
static const char *dir_option;
static bool json_option;

#define DIR_OPTION \
    { "dir", "DIR", "the network's folder (" DEFAULT_DIR ")", .text = &dir_option }
#define JSON_OPTION \
    { "json", NULL, "for scripts", .flag = &json_option }
#define NO_MORE \
    { .name = NULL }

static void print_ready(void *ctx, const struct testnet_node *node, uint64_t after_ms) {
    (void)ctx;
    if (json_option) {
        return;
    }
    printf("  %s%-12s%s ready", output_bold(), node->name, output_plain());
    if (node->link_port != 0) {
        printf("  links 127.0.0.1:%u", node->link_port);
    } else {
        printf("  %-21s", "");
    }
    printf("  api http://127.0.0.1:%u  %s%llu ms%s\n", node->api_port, output_dim(), (unsigned long long)after_ms,
           output_plain());
    fflush(stdout);
}

static int load(struct testnet *net, struct buf *why) {
    enum err err = testnet_load(net, dir_option == NULL ? DEFAULT_DIR : dir_option, why);
    return err == OK ? 0 : output_error(why);
}

static int parse_up(struct up_options *up, const char *profile, const char *storage) {
    if (profile != NULL && profile_parse(&up->profile, profile) != OK) {
        fprintf(stderr, "sotto: --profile %s: fast or balanced is wanted\n", profile);
        return STATUS_USAGE;
    }
    if (storage != NULL && strcmp(storage, "memory") != 0 && strcmp(storage, "rocksdb") != 0) {
        fprintf(stderr, "sotto: --storage %s: memory or rocksdb is wanted\n", storage);
        return STATUS_USAGE;
    }
    up->memory = storage != NULL && strcmp(storage, "memory") == 0;
    return 0;
}

// A number with ms or s behind it.
static bool parse_block_time(uint32_t *out_ms, const char *text) {
    char *unit;
    unsigned long long number = strtoull(text, &unit, 10);
    unsigned long long factor = strcmp(unit, "s") == 0 ? 1000 : 1;
    if (text[0] < '0' || text[0] > '9' || (factor == 1 && strcmp(unit, "ms") != 0) ||
        number > BLOCK_TIME_MS_MAX / factor) {
        return false;
    }
    *out_ms = (uint32_t)(number * factor);
    return true;
}

static int parse_ledger(struct testnet_generation *generation, const char *consensus, const char *block_time) {
    if (consensus_parse(&generation->consensus, consensus) != OK) {
        fprintf(stderr, "sotto: --consensus %s: poa or pos is wanted\n", consensus);
        return STATUS_USAGE;
    }
    if (!parse_block_time(&generation->block_ms, block_time)) {
        fprintf(stderr, "sotto: --block-time %s: a time such as 2s or 500ms is wanted, an hour at most\n", block_time);
        return STATUS_USAGE;
    }
    return 0;
}

static void print_starting(void *ctx, const struct testnet *net, bool made) {
    (void)ctx;
    if (!json_option) {
        printf("starting %s%zu validators, %zu relays and %zu users in %s\n", made ? "" : "again ",
               testnet_count(net, TESTNET_VALIDATOR), testnet_count(net, TESTNET_RELAY),
               testnet_count(net, TESTNET_USER), net->dir);
        fflush(stdout);
    }
}

static int up_main(int argc, char **argv) {
    uint64_t validators = 4, bootstraps = 0, relays = 7, users = 3, base_port = 7070, epoch_s = 60, timeout_s = 30,
             replicas = 3;
    const char *profile = NULL, *storage = NULL, *set = NULL, *consensus = "poa", *block_time = "2s";
    bool low_limits = false, keylog = false;
    const struct option options[] = {
        {"validators", "N", "of the ledger (4)", .number = &validators, .min = 1, .max = TESTNET_VALIDATORS_MAX},
        {"bootstraps", "N", "more seeds, which only give newcomers the directory (0)", .number = &bootstraps, .min = 0,
         .max = TESTNET_VALIDATORS_MAX - 1},
        {"relays", "N", "relays (7)", .number = &relays, .min = 2, .max = 300},
        {"users", "N", "users (3)", .number = &users, .min = 0, .max = 100},
        DIR_OPTION,
        {"base-port", "PORT", "the first port (7070)", .number = &base_port, .min = 1024, .max = 65000},
        {"profile", "NAME", "fast or balanced (balanced)", .text = &profile},
        {"storage", "NAME", "memory or rocksdb (rocksdb)", .text = &storage},
        {"epoch", "SECONDS", "length of an epoch (60)", .number = &epoch_s, .min = 6, .max = 86400},
        {"consensus", "NAME", "who the validators are: a list that they vote on (poa), or by their stake (pos) (poa)",
         .text = &consensus},
        {"block-time", "TIME", "longest between two blocks, as 2s or 500ms; 0s: no empty blocks (2s)",
         .text = &block_time},
        {"replicas", "N", "of a mailbox: 2 or 3 (3)", .number = &replicas, .min = 2, .max = 3},
        {"timeout", "SECONDS", "to get ready (30)", .number = &timeout_s, .min = 1, .max = 600},
        {"low-limits", NULL, "keep the limits of a real node, though all share one address", .flag = &low_limits},
        {"keylog", NULL, "write TLS secrets (NSS key log format) beside each log, to look into the links",
         .flag = &keylog},
        {"set", "LINE", "one more line for every node's configuration", .text = &set},
        JSON_OPTION,
        NO_MORE};
    int left =
        options_parse(argc, argv, options, "sotto testnet up [options]",
                      "Starts a network of local processes and returns when every node is ready. A network that\n"
                      "exists in the folder is started again as it was.");
    struct up_options up = {.dir = dir_option == NULL ? DEFAULT_DIR : dir_option,
                            .profile = PROFILE_BALANCED,
                            .starting = print_starting,
                            .ready = print_ready,
                            .sottod = sottod_path()};
    if (left != 0 || parse_up(&up, profile, storage) != 0 || parse_ledger(&up.generation, consensus, block_time) != 0) {
        return STATUS_USAGE;
    }
    up.validators = (unsigned)validators;
    up.bootstraps = (unsigned)bootstraps;
    up.relays = (unsigned)relays;
    up.users = (unsigned)users;
    up.base_port = (uint16_t)base_port;
    up.epoch_ms = epoch_s * 1000;
    up.timeout_ms = (uint32_t)timeout_s * 1000;
    up.generation.replicas = (uint8_t)replicas;
    up.generation.min_relays = (uint32_t)relays;
    up.generation.limits_low = low_limits;
    up.generation.keylog = keylog;
    up.generation.set = set;
    struct testnet *net = NEW(struct testnet);
    struct buf why = {0};
    uint64_t start_ms = network_mono_ms();
    if (network_up(net, &up, &why) != OK) {
        return output_error(&why);
    }
    uint64_t ready_ms = network_mono_ms() - start_ms;
    if (json_option) {
        json_t *json = json_pack("{ss sI sI}", "dir", net->dir, "nodes", (json_int_t)net->node_count, "ready_ms",
                                 (json_int_t)ready_ms);
        output_json(json);
        json_decref(json);
    } else {
        printf("%sready%s: %zu nodes in %llu ms\n", output_green(), output_plain(), net->node_count,
               (unsigned long long)ready_ms);
    }
    free(net);
    return 0;
}

static int down_main(int argc, char **argv) {
    const struct option options[] = {DIR_OPTION, NO_MORE};
    if (options_parse(argc, argv, options, "sotto testnet down [options]", "Ends all nodes; their files stay.") != 0) {
        return STATUS_USAGE;
    }
    struct testnet *net = NEW(struct testnet);
    struct buf why = {0};
    int status = load(net, &why);
    if (status == 0 && network_down(net, &why) != OK) {
        status = output_error(&why);
    }
    free(net);
    return status;
}

static const char *text_of(const json_t *json, const char *member) {
    const char *text = json_string_value(json_object_get(json, member));
    return text == NULL ? "" : text;
}

// Height, round and peers; of who is no validator, nothing.
static void print_consensus(const json_t *node) {
    static const struct {
        const char *member;
        int width;
    } columns[] = {{"height", 8}, {"round", 6}, {"peers", 5}};
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        const json_t *value = json_object_get(node, columns[i].member);
        if (value == NULL) {
            printf("%s%-*s", i == 0 ? "" : " ", columns[i].width, "-");
        } else {
            printf("%s%-*lld", i == 0 ? "" : " ", columns[i].width, (long long)json_integer_value(value));
        }
    }
}

static void print_status(const json_t *status) {
    size_t i;
    json_t *node;
    printf("%-12s %-10s %-8s %6s  %-5s %-6s %-8s %-6s %-5s %s\n", "NODE", "ROLE", "STATE", "EPOCH", "LINKS", "CLIENT",
           "HEIGHT", "ROUND", "PEERS", "API");
    json_array_foreach(json_object_get(status, "nodes"), i, node) {
        bool ready = strcmp(text_of(node, "state"), "ready") == 0;
        printf("%-12s %-10s %s%-8s%s %6lld  %-5lld %-6lld ", text_of(node, "name"), text_of(node, "role"),
               ready ? output_green() : output_red(), text_of(node, "state"), output_plain(),
               (long long)json_integer_value(json_object_get(node, "directory_epoch")),
               (long long)json_integer_value(json_object_get(node, "relay_links")),
               (long long)json_integer_value(json_object_get(node, "client_links")));
        print_consensus(node);
        printf(" %s", text_of(node, "api"));
        if (text_of(node, "waiting_for")[0] != 0) {
            printf("  waits for %s", text_of(node, "waiting_for"));
        }
        putchar('\n');
    }
}

static int show_status(int argc, char **argv, const char *usage, const char *about, bool verdict) {
    const struct option options[] = {DIR_OPTION, JSON_OPTION, NO_MORE};
    if (options_parse(argc, argv, options, usage, about) != 0) {
        return STATUS_USAGE;
    }
    struct testnet *net = NEW(struct testnet);
    struct buf why = {0};
    json_t *json = NULL;
    int status = load(net, &why);
    if (status == 0 && network_status(&json, net, &why) != OK) {
        status = output_error(&why);
    }
    if (status == 0 && json_option) {
        output_json(json);
    } else if (status == 0) {
        print_status(json);
    }
    if (status == 0 && verdict && !json_is_true(json_object_get(json, "ready"))) {
        status = 1;
    }
    json_decref(json);
    free(net);
    return status;
}

static int status_main(int argc, char **argv) {
    return show_status(argc, argv, "sotto testnet status [options]", "Every node, its state, its addresses.", false);
}

static int health_main(int argc, char **argv) {
    return show_status(argc, argv, "sotto testnet health [options]", "As status; exits 0 only when all are ready.",
                       true);
}

static int testnet_send_main(int argc, char **argv) {
    const char *from = "user1", *to = "user2";
    uint64_t timeout_s = 30;
    const struct option options[] = {
        {"from", "USER", "the sender (user1)", .text = &from},
        {"to", "USER", "the recipient (user2)", .text = &to},
        {"timeout", "SECONDS", "to be acknowledged (30)", .number = &timeout_s, .min = 1, .max = 86400},
        DIR_OPTION,
        JSON_OPTION,
        NO_MORE};
    if (options_parse(argc, argv, options, "sotto testnet send [options] TEXT",
                      "Sends a message and follows it; exits 0 only when it is acknowledged. counted: a replica has\n"
                      "counted one more delivery that it can prove to the ledger, this one if nothing else is sent.") !=
        1) {
        fprintf(stderr, "sotto: one text is wanted\n");
        return STATUS_USAGE;
    }
    struct testnet *net = NEW(struct testnet);
    struct buf why = {0};
    json_t *json = NULL;
    int status = load(net, &why);
    const struct send_options send = {
        .from = from, .to = to, .text = argv[1], .timeout_ms = (uint32_t)timeout_s * 1000};
    if (status == 0 && network_send(&json, net, &send, &why) != OK) {
        status = output_error(&why);
    }
    if (json != NULL && json_option) {
        output_json(json);
    } else if (json != NULL) {
        static const char *const reached[] = {"stored", "delivered", "acknowledged", "counted"};
        printf("%s:", text_of(json, "state"));
        for (size_t i = 0; i < sizeof(reached) / sizeof(reached[0]); i++) {
            char member[32];
            snprintf(member, sizeof(member), "%s_ms", reached[i]);
            printf("%s %s", i == 0 ? "" : ",", reached[i]);
            output_ms(json, member);
        }
        putchar('\n');
    }
    json_decref(json);
    free(net);
    return status;
}

static int copy_log(const char *path, bool follow) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        perror(path);
        return 1;
    }
    for (;;) {
        char chunk[LOG_CHUNK];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n > 0 && write(STDOUT_FILENO, chunk, (size_t)n) == n) {
            continue;
        }
        if (n != 0 || !follow) {
            break;
        }
        network_sleep_ms(200);
    }
    close(fd);
    return 0;
}

static int logs_main(int argc, char **argv) {
    bool follow = false;
    const struct option options[] = {
        DIR_OPTION, {"follow", NULL, "stay and show what comes", .flag = &follow}, NO_MORE};
    if (options_parse(argc, argv, options, "sotto testnet logs [options] NODE", "A node's log.") != 1) {
        fprintf(stderr, "sotto: the name of one node is wanted\n");
        return STATUS_USAGE;
    }
    struct testnet *net = NEW(struct testnet);
    struct buf why = {0};
    int status = load(net, &why);
    struct testnet_node *node = status == 0 ? testnet_find(net, argv[1]) : NULL;
    if (status == 0 && node == NULL) {
        testnet_fail(&why, ERR_NOT_FOUND, "there is no node %s", argv[1]);
        status = output_error(&why);
    } else if (status == 0) {
        char path[PATH_MAX];
        testnet_path(path, net, node, "log");
        status = copy_log(path, follow);
    }
    free(net);
    return status;
}

static bool parse_added(enum testnet_role *out, const char *text) {
    static const enum testnet_role roles[] = {TESTNET_VALIDATOR, TESTNET_RELAY, TESTNET_USER};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(text, testnet_role_text(roles[i])) == 0) {
            *out = roles[i];
            return true;
        }
    }
    return false;
}

static int add_main(int argc, char **argv) {
    uint64_t timeout_s = 180;
    const char *set = NULL;
    const struct option options[] = {DIR_OPTION,
                                     {"timeout", "SECONDS", "to get ready (180: a relay waits for the next epoch)",
                                      .number = &timeout_s, .min = 1, .max = 86400},
                                     {"set", "LINE", "one more line for its configuration", .text = &set},
                                     NO_MORE};
    int left =
        options_parse(argc, argv, options, "sotto testnet add [options] validator|relay|user",
                      "One more node. A relay serves from the next epoch on; a validator follows the chain and\n"
                      "takes part when the others have voted for its key (validator.key in its folder), or with pos\n"
                      "when somebody has staked for it.");
    enum testnet_role role;
    if (left != 1 || !parse_added(&role, argv[1])) {
        fprintf(stderr, "sotto: validator, relay or user is wanted\n");
        return STATUS_USAGE;
    }
    struct testnet *net = NEW(struct testnet);
    struct testnet_node *node = NULL;
    struct buf why = {0};
    int status = load(net, &why);
    if (status == 0 && network_add(net, role, set, (uint32_t)timeout_s * 1000, &node, &why) != OK) {
        status = output_error(&why);
    }
    if (status == 0) {
        printf("%s ready\n", node->name);
    }
    free(net);
    return status;
}

// kill, restart, pause, resume, stop, start: one order to the supervisor.
static int order_main(int argc, char **argv) {
    bool wait = false;
    const struct option options[] = {
        DIR_OPTION, {"wait", NULL, "until it is ready (start, restart, resume)", .flag = &wait}, NO_MORE};
    char usage[64];
    snprintf(usage, sizeof(usage), "sotto testnet %s [options] NODE", argv[0]);
    if (options_parse(argc, argv, options, usage, "Does that to a node's process.") != 1) {
        fprintf(stderr, "sotto: the name of one node is wanted\n");
        return STATUS_USAGE;
    }
    struct testnet *net = NEW(struct testnet);
    struct buf why = {0};
    json_t *answer = NULL;
    int status = load(net, &why);
    if (status == 0 && control_order(&answer, net, argv[0], argv[1], &why) != OK) {
        status = output_error(&why);
    }
    json_decref(answer);
    struct testnet_node *node = status == 0 ? testnet_find(net, argv[1]) : NULL;
    if (status == 0 && wait && network_wait_ready(net, node, 60000, &why) != OK) {
        status = output_error(&why);
    }
    free(net);
    return status;
}

static int supervise_main(int argc, char **argv) {
    const struct option options[] = {DIR_OPTION, NO_MORE};
    if (options_parse(argc, argv, options, "sotto testnet supervise [options]",
                      "Runs a network's supervisor in the foreground.") != 0) {
        return STATUS_USAGE;
    }
    return supervisor_run(dir_option == NULL ? DEFAULT_DIR : dir_option, sottod_path(), -1);
}

static const struct command commands[] = {
    {"up", "", "start a network; returns when it is ready", up_main},
    {"down", "", "end it", down_main},
    {"status", "", "every node and its state", status_main},
    {"health", "", "exit 0 when all are ready", health_main},
    {"send", "TEXT", "a message between two users, followed", testnet_send_main},
    {"logs", "NODE", "a node's log", logs_main},
    {"add", "validator|relay|user", "one more node", add_main},
    {"kill", "NODE", "kill -9", order_main},
    {"stop", "NODE", "end it cleanly", order_main},
    {"start", "NODE", "start it again", order_main},
    {"restart", "NODE", "stop and start", order_main},
    {"pause", "NODE", "stop it without ending it (SIGSTOP)", order_main},
    {"resume", "NODE", "after pause", order_main},
    {"supervise", "", "the supervisor, in the foreground", supervise_main},
    {NULL, NULL, NULL, NULL},
};

int testnet_main(int argc, char **argv) {
    return command_dispatch(argc, argv, commands, "sotto testnet", "Networks of real processes on this machine.");
}
