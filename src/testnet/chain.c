// What validators say of the chain.
#define _GNU_SOURCE
#include "testnet/chain.h"

#include "testnet/network.h"

#define POLL_MS 10

// NULL: it gave no answer.
static json_t *ask(struct http_client *http, const struct testnet *net, const struct testnet_node *node,
                   const char *path) {
    long status = 0;
    json_t *answer = NULL;
    struct buf why = {0};
    if (testnet_call(http, &status, &answer, net, node, "GET", path, NULL, &why) != OK || status != 200) {
        json_decref(answer);
        answer = NULL;
    }
    buf_free(&why);
    return answer;
}

// The height of one that has links to two thirds of the others (those that were added later have links to those of
// genesis alone); -1: it has not, or does not answer.
static json_int_t height_of(struct http_client *http, const struct testnet *net, const struct testnet_node *node) {
    json_t *chain = ask(http, net, node, "/v1/chain");
    json_t *consensus = ask(http, net, node, "/v1/consensus");
    json_int_t others = (json_int_t)testnet_count(net, TESTNET_VALIDATOR) - 1;
    bool linked = json_integer_value(json_object_get(consensus, "peers")) >= others * 2 / 3;
    json_int_t height = chain != NULL && linked ? json_integer_value(json_object_get(chain, "height")) : -1;
    json_decref(chain);
    json_decref(consensus);
    return height;
}

// Sets *last to who is furthest behind and *lowest to its height; the highest.
static json_int_t look(const struct testnet_node **last, json_int_t *lowest, struct http_client *http,
                       const struct testnet *net) {
    json_int_t highest = -1;
    *last = NULL;
    *lowest = -1;
    for (size_t i = 0; i < net->node_count; i++) {
        const struct testnet_node *node = &net->nodes[i];
        if (node->role != TESTNET_VALIDATOR) {
            continue;
        }
        json_int_t height = height_of(http, net, node);
        if (*last == NULL || height < *lowest) {
            *last = node;
            *lowest = height;
        }
        highest = height > highest ? height : highest;
    }
    return highest;
}

enum err chain_wait_shared(struct http_client *http, const struct testnet *net, uint64_t deadline_ms, struct buf *why) {
    const struct testnet_node *last;
    json_int_t lowest;
    json_int_t target = look(&last, &lowest, http, net); // the others go on meanwhile
    while (lowest < 0 || lowest < target) {
        if (network_mono_ms() >= deadline_ms) {
            return testnet_fail(why, ERR_TIMEOUT,
                                "%s has no links to the other validators, or does not reach height %lld", last->name,
                                (long long)target);
        }
        network_sleep_ms(POLL_MS);
        json_int_t highest = look(&last, &lowest, http, net);
        target = target < 0 ? highest : target;
    }
    return OK;
}

void chain_describe(json_t *out, struct http_client *http, const struct testnet *net, const struct testnet_node *node) {
    json_t *chain = ask(http, net, node, "/v1/chain");
    json_t *consensus = ask(http, net, node, "/v1/consensus");
    static const char *const members[] = {"round", "step", "peers", "validator"};
    if (chain != NULL && consensus != NULL) {
        json_object_set(out, "height", json_object_get(chain, "height"));
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
            json_object_set(out, members[i], json_object_get(consensus, members[i]));
        }
    }
    json_decref(chain);
    json_decref(consensus);
}
