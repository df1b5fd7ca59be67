// Sending one message through a local network and following it until it is acknowledged.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "host/key_file.h"
#include "testnet/network.h"

#define FOLLOW_MS 2
#define FOLLOW_PAGE 200
// A replica counts a delivery when the recipient's deletion arrives, which leaves with the acknowledgement.
#define COUNT_PATIENCE_MS 500

struct follow_send {
    struct http_client *http;
    const struct testnet *net;
    const struct testnet_node *from;
    const struct testnet_node *to;
    char id[33];
    json_t *message;                   // the sender's record, as last seen
    json_int_t delivered_mono_ms;      // at the recipient, 0: not yet
    json_int_t cursor;                 // of the recipient's list
    json_int_t counted_mono_ms;        // at a replica, 0: not seen
    int64_t proven[TESTNET_NODES_MAX]; // deliveries that each relay had proven before; -1: not known
};

static enum err check_status(long status, long wanted, const struct testnet_node *node, const json_t *json,
                             struct buf *why) {
    return status == wanted ? OK : testnet_fail(why, ERR_REFUSED, "%s: %s", node->name, http_reason(json));
}

static enum err begin(struct follow_send *f, const char *text, struct buf *why) {
    long status;
    json_t *body = json_pack("{ss ss}", "to", f->to->name, "text", text);
    if (body == NULL) {
        return testnet_fail(why, ERR_INVALID, "the text is not UTF-8");
    }
    enum err err = testnet_call(f->http, &status, &f->message, f->net, f->from, "POST", "/v1/messages", body, why);
    json_decref(body);
    if (err == OK) {
        err = check_status(status, 202, f->from, f->message, why);
    }
    if (err == OK) {
        snprintf(f->id, sizeof(f->id), "%s", json_string_value(json_object_get(f->message, "id")));
    }
    return err;
}

static enum err look_at_sender(struct follow_send *f, struct buf *why) {
    char path[64];
    long status;
    json_t *json;
    snprintf(path, sizeof(path), "/v1/messages/%s", f->id);
    enum err err = testnet_call(f->http, &status, &json, f->net, f->from, "GET", path, NULL, why);
    if (err == OK) {
        err = check_status(status, 200, f->from, json, why);
    }
    if (err == OK) {
        json_decref(f->message);
        f->message = json;
    } else {
        json_decref(json);
    }
    return err;
}

// Finds the message among those that the recipient has committed.
static void look_at_recipient(struct follow_send *f) {
    char path[80];
    long status;
    json_t *json;
    struct buf why = {0};
    snprintf(path, sizeof(path), "/v1/messages?after=%lld&limit=%d", (long long)f->cursor, FOLLOW_PAGE);
    if (testnet_call(f->http, &status, &json, f->net, f->to, "GET", path, NULL, &why) == OK && status == 200) {
        size_t i;
        json_t *message;
        json_array_foreach(json_object_get(json, "messages"), i, message) {
            f->cursor = json_integer_value(json_object_get(message, "cursor"));
            if (json_is_true(json_object_get(message, "incoming")) &&
                strcmp(json_string_value(json_object_get(message, "id")), f->id) == 0) {
                f->delivered_mono_ms = json_integer_value(json_object_get(message, "mono_ms"));
            }
        }
    }
    json_decref(json);
    buf_free(&why);
}

static const char *state_of(const struct follow_send *f) {
    return json_string_value(json_object_get(f->message, "state"));
}

static bool is_settled(const char *state) {
    return strcmp(state, "acknowledged") == 0 || strcmp(state, "expired") == 0 || strcmp(state, "failed") == 0;
}

static enum err follow(struct follow_send *f, const struct send_options *options, uint64_t deadline_ms,
                       struct buf *why) {
    char last[32] = "";
    for (;;) {
        enum err err = look_at_sender(f, why);
        if (err != OK) {
            return err;
        }
        if (options->progress != NULL && strcmp(last, state_of(f)) != 0) {
            snprintf(last, sizeof(last), "%s", state_of(f));
            options->progress(options->ctx, f->message);
        }
        if (is_settled(state_of(f)) || network_mono_ms() >= deadline_ms) {
            return OK;
        }
        network_sleep_ms(FOLLOW_MS);
    }
}

void network_relay_name(char out[static TESTNET_NAME_MAX + 64], const struct testnet *net, const char *identity) {
    snprintf(out, TESTNET_NAME_MAX + 64, "%s", identity);
    for (size_t i = 0; i < net->node_count; i++) {
        char path[PATH_MAX];
        char hex[65];
        uint8_t seed[KEY_SEED_BYTES];
        struct sign_secret secret;
        struct sign_public public;
        struct buf why = {0};
        testnet_path(path, net, &net->nodes[i], "identity.key");
        if (net->nodes[i].role == TESTNET_RELAY && key_file_read(seed, path, &why) == OK) {
            sign_key_from_seed(&secret, &public, seed);
            hex_encode(hex, SPAN_OF(public.bytes));
            if (strcmp(hex, identity) == 0) {
                snprintf(out, TESTNET_NAME_MAX + 64, "%s", net->nodes[i].name);
            }
            wipe(&secret, sizeof(secret));
        }
        wipe(seed, sizeof(seed));
        buf_free(&why);
    }
}

static json_t *names_of(const struct testnet *net, const json_t *identities) {
    json_t *names = json_array();
    size_t i;
    json_t *identity;
    json_array_foreach((json_t *)identities, i, identity) {
        char name[TESTNET_NAME_MAX + 64];
        network_relay_name(name, net, json_string_value(identity));
        json_array_append_new(names, json_string(name));
    }
    return names;
}

// ---- what the replicas have counted ----

static int64_t proven_by(const struct follow_send *f, const struct testnet_node *node) {
    int64_t value = -1;
    struct buf why = {0};
    testnet_metric(f->http, &value, node, "mailbox_deliveries_proven_total", &why);
    buf_free(&why);
    return value;
}

static void note_counters(struct follow_send *f) {
    for (size_t i = 0; i < f->net->node_count; i++) {
        const struct testnet_node *node = &f->net->nodes[i];
        f->proven[i] = node->role == TESTNET_RELAY ? proven_by(f, node) : -1;
    }
}

static bool has_counted(const struct follow_send *f, const char *relay) {
    for (size_t i = 0; i < f->net->node_count; i++) {
        const struct testnet_node *node = &f->net->nodes[i];
        if (strcmp(node->name, relay) == 0) {
            return f->proven[i] >= 0 && proven_by(f, node) > f->proven[i];
        }
    }
    return false;
}

// No replica tells which items it has counted, for that would name them: what can be seen is that the counter of one
// that signed for this item has risen since before it was sent. Others' items raise it, too, so the time is this
// message's in a network without other traffic; and it is looked at from the acknowledgement on, not before.
static void look_at_replicas(struct follow_send *f) {
    json_t *relays = names_of(f->net, json_object_get(f->message, "replicas"));
    uint64_t deadline_ms = network_mono_ms() + COUNT_PATIENCE_MS;
    while (f->counted_mono_ms == 0 && json_array_size(relays) > 0 && network_mono_ms() < deadline_ms) {
        size_t i;
        json_t *relay;
        json_array_foreach(relays, i, relay) {
            if (f->counted_mono_ms == 0 && has_counted(f, json_string_value(relay))) {
                f->counted_mono_ms = (json_int_t)network_mono_ms();
            }
        }
        network_sleep_ms(FOLLOW_MS);
    }
    json_decref(relays);
}

// ---- what came of it ----

static json_t *since_begin(const struct follow_send *f, json_int_t mono_ms) {
    json_int_t began = json_integer_value(json_object_get(f->message, "mono_ms"));
    return mono_ms == 0 || began == 0 ? json_null() : json_integer(mono_ms - began);
}

static json_t *summary(const struct follow_send *f) {
    return json_pack("{ss sO sO? so sO? so so so}", "id", f->id, "state", json_object_get(f->message, "state"),
                     "stored_ms", json_object_get(f->message, "stored_ms"), "delivered_ms",
                     since_begin(f, f->delivered_mono_ms), "acknowledged_ms",
                     json_object_get(f->message, "acknowledged_ms"), "counted_ms", since_begin(f, f->counted_mono_ms),
                     "hops", names_of(f->net, json_object_get(f->message, "hops")), "replicas",
                     names_of(f->net, json_object_get(f->message, "replicas")));
}

enum err network_send(json_t **out, struct testnet *net, const struct send_options *options, struct buf *why) {
    *out = NULL;
    struct follow_send f = {.net = net, .from = testnet_find(net, options->from), .to = testnet_find(net, options->to)};
    const char *unknown = f.from == NULL ? options->from : f.to == NULL ? options->to : NULL;
    if (unknown != NULL || f.from->role != TESTNET_USER || f.to->role != TESTNET_USER) {
        return testnet_fail(why, ERR_NOT_FOUND, "%s is no user of this network",
                            unknown == NULL ? "one of them" : unknown);
    }
    f.http = http_client_new();
    uint64_t deadline_ms = network_mono_ms() + options->timeout_ms;
    note_counters(&f);
    enum err err = begin(&f, options->text, why);
    if (err == OK) {
        err = follow(&f, options, deadline_ms, why);
    }
    for (json_int_t before = -1; err == OK && f.delivered_mono_ms == 0 && before != f.cursor;) {
        before = f.cursor;
        look_at_recipient(&f);
    }
    // The receipts may come after the acknowledgement. Nothing waits for them, but what has come meanwhile is told.
    if (err == OK && json_is_null(json_object_get(f.message, "stored_ms"))) {
        err = look_at_sender(&f, why);
    }
    if (err == OK && strcmp(state_of(&f), "acknowledged") == 0) {
        look_at_replicas(&f);
    }
    if (err == OK) {
        *out = summary(&f);
        if (strcmp(state_of(&f), "acknowledged") != 0) {
            err = testnet_fail(why, ERR_TIMEOUT, "not acknowledged within %u ms; the state reached: %s",
                               options->timeout_ms, state_of(&f));
        }
    }
    json_decref(f.message);
    http_client_free(f.http);
    return err;
}
