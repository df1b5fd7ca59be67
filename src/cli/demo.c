// sotto demo: a network on this machine, one private message through it, and what each party could see.
#define _GNU_SOURCE
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "testnet/network.h"

#define PORT_TRIES 10
#define PORT_STEP 400
#define VIEW_MS 1000
#define TEXT_DEFAULT "Hello. Nobody on the way knows that this went from user1 to user2."

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static const char *text_at(const json_t *array, size_t i) {
    const char *text = json_string_value(json_array_get(array, i));
    return text == NULL ? "?" : text;
}

static long long ms_of(const json_t *json, const char *member) {
    return (long long)json_integer_value(json_object_get(json, member));
}

static void show_time(const json_t *sent, const char *reached, const char *how) {
    char member[32];
    snprintf(member, sizeof(member), "%s_ms", reached);
    printf("  %-12s  ", reached);
    output_ms(sent, member);
    printf("   %s%s%s\n", output_dim(), how, output_plain());
}

static void show_way(const json_t *sent) {
    const json_t *hops = json_object_get(sent, "hops");
    const json_t *replicas = json_object_get(sent, "replicas");
    printf("\n  %suser1%s -> %s (entry) -> %s (middle) -> %s (replica) ", output_bold(), output_plain(),
           text_at(hops, 0), text_at(hops, 1), text_at(hops, 2));
    printf("=> mailbox on");
    for (size_t i = 0; i < json_array_size(replicas); i++) {
        printf("%s %s", i == 0 ? "" : ",", text_at(replicas, i));
    }
    printf(" -> %suser2%s\n\n", output_bold(), output_plain());
    char receipts[64];
    snprintf(receipts, sizeof(receipts), "%zu signed receipts verified by the sender", json_array_size(replicas));
    show_time(sent, "stored", json_array_size(replicas) > 0 ? receipts : "its receipts are still on their way");
    show_time(sent, "delivered", "opened and committed by the recipient");
    show_time(sent, "acknowledged", "the answer came back over another onion path");
    putchar('\n');
    printf("  %s saw user1's address, and a packet for %s.\n", text_at(hops, 0), text_at(hops, 1));
    printf("  %s saw a packet from %s for %s.\n", text_at(hops, 1), text_at(hops, 0), text_at(hops, 2));
    printf("  %s saw a mailbox id and 1,504 sealed bytes; neither user.\n\n", text_at(hops, 2));
}

// Redraws until it is interrupted: the way of the message, and every node.
static void live_view(struct testnet *net, const json_t *sent) {
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    struct buf why = {0};
    while (!interrupted) {
        json_t *status = NULL;
        if (network_status(&status, net, &why) != OK) {
            break;
        }
        printf("\033[2J\033[HSotto, a local network in %s   %s(Ctrl-C ends it)%s\n", net->dir, output_dim(),
               output_plain());
        show_way(sent);
        size_t i;
        json_t *node;
        json_array_foreach(json_object_get(status, "nodes"), i, node) {
            const char *state = json_string_value(json_object_get(node, "state"));
            printf("  %-12s %s%-8s%s epoch %lld  ", json_string_value(json_object_get(node, "name")),
                   strcmp(state, "ready") == 0 ? output_green() : output_red(), state, output_plain(),
                   ms_of(node, "directory_epoch"));
            if (json_object_get(node, "height") != NULL) {
                printf("height %-22lld", ms_of(node, "height"));
            } else {
                printf("links: relays %2lld, clients %2lld ", ms_of(node, "relay_links"), ms_of(node, "client_links"));
            }
            printf("  %s\n", json_string_value(json_object_get(node, "api")));
        }
        printf("\nTry: sotto testnet send --dir %s --from user2 --to user3 \"hello\"\n", net->dir);
        fflush(stdout);
        json_decref(status);
        for (int waited = 0; waited < VIEW_MS && !interrupted; waited += 100) {
            network_sleep_ms(100);
        }
    }
    buf_free(&why);
}

static void print_ready(void *ctx, const struct testnet_node *node, uint64_t after_ms) {
    (void)ctx;
    printf("  %-12s ready after %llu ms\n", node->name, (unsigned long long)after_ms);
    fflush(stdout);
}

// The first block of ports that is free: a demo should not ask.
static enum err up_somewhere(struct testnet *net, struct up_options *up, struct buf *why) {
    enum err err = ERR_EXISTS;
    for (unsigned i = 0; i < PORT_TRIES && err == ERR_EXISTS; i++) {
        up->base_port = (uint16_t)(7070 + i * PORT_STEP);
        err = network_up(net, up, why);
    }
    return err;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void remove_folder(const char *dir) {
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int run_demo(struct testnet *net, struct up_options *up, const char *text, bool stay) {
    struct buf why = {0};
    printf("%s1.%s A network of 4 validators, 7 relays and 3 users, as processes of this machine:\n", output_bold(),
           output_plain());
    if (up_somewhere(net, up, &why) != OK) {
        return output_error(&why);
    }
    printf("%s2.%s user1 sends user2: \"", output_bold(), output_plain());
    output_text(text);
    printf("\"\n");
    fflush(stdout);
    json_t *sent = NULL;
    const struct send_options send = {.from = "user1", .to = "user2", .text = text, .timeout_ms = 30000};
    int status = network_send(&sent, net, &send, &why) == OK ? 0 : output_error(&why);
    if (status == 0) {
        show_way(sent);
    }
    if (status == 0 && stay) {
        live_view(net, sent);
    }
    json_decref(sent);
    printf("%s3.%s Ending the network.\n", output_bold(), output_plain());
    if (network_down(net, &why) != OK) {
        status = output_error(&why);
    }
    return status;
}

int demo_main(int argc, char **argv) {
    bool once = false;
    const char *text = TEXT_DEFAULT;
    const struct option options[] = {
        {"once", NULL, "end after the message instead of showing a live view", .flag = &once},
        {"text", "TEXT", "what to send", .text = &text},
        {.name = NULL}};
    if (options_parse(argc, argv, options, "sotto demo [options]",
                      "Starts a network, sends a private message through it and shows its way.") != 0) {
        return STATUS_USAGE;
    }
    char dir[] = "/tmp/sotto-demo-XXXXXX";
    if (mkdtemp(dir) == NULL) {
        perror("sotto: cannot make a folder in /tmp");
        return 1;
    }
    struct up_options up = {.dir = dir,
                            .validators = 4,
                            .relays = 7,
                            .users = 3,
                            .profile = PROFILE_BALANCED,
                            .epoch_ms = 60000,
                            .timeout_ms = 30000,
                            .generation = {.replicas = 3, .min_relays = 7, .block_ms = 2000},
                            .sottod = sottod_path(),
                            .ready = print_ready};
    struct testnet *net = NEW(struct testnet);
    int status = run_demo(net, &up, text, !once && isatty(STDOUT_FILENO));
    if (status == 0) {
        remove_folder(dir);
    } else {
        fprintf(stderr, "sotto: what the nodes wrote is in %s\n", dir);
    }
    free(net);
    return status;
}
