// The plan of a local network, and its file.
#define _GNU_SOURCE
#include "testnet/plan.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "host/key_file.h"

// Links, health and API have a block of ports each; a larger network has larger blocks.
#define PORT_BLOCK 100
#define PLAN_BYTES_MAX (1024 * 1024)

enum err testnet_fail(struct buf *why, enum err err, const char *format, ...) {
    char text[2 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buf_clear(why);
    buf_append(why, span_of_text(text));
    return err;
}

const char *testnet_role_text(enum testnet_role role) {
    static const char *const texts[] = {[TESTNET_VALIDATOR] = "validator",
                                        [TESTNET_BOOTSTRAP] = "bootstrap",
                                        [TESTNET_RELAY] = "relay",
                                        [TESTNET_USER] = "user"};
    return texts[role];
}

size_t testnet_count(const struct testnet *net, enum testnet_role role) {
    size_t count = 0;
    for (size_t i = 0; i < net->node_count; i++) {
        count += net->nodes[i].role == role;
    }
    return count;
}

struct testnet_node *testnet_add(struct testnet *net, enum testnet_role role) {
    unsigned index = (unsigned)net->node_count;
    unsigned block = (index / PORT_BLOCK) * 3 * PORT_BLOCK + index % PORT_BLOCK;
    if (index == TESTNET_NODES_MAX || net->base_port + block + 2 * PORT_BLOCK > UINT16_MAX) {
        return NULL;
    }
    struct testnet_node *node = &net->nodes[net->node_count];
    *node = (struct testnet_node){.role = role};
    snprintf(node->name, sizeof(node->name), "%s%zu", testnet_role_text(role), testnet_count(net, role) + 1);
    node->link_port = role == TESTNET_USER ? 0 : (uint16_t)(net->base_port + block);
    node->health_port = (uint16_t)(net->base_port + block + PORT_BLOCK);
    node->api_port = (uint16_t)(net->base_port + block + 2 * PORT_BLOCK);
    net->node_count++;
    return node;
}

struct testnet_node *testnet_find(struct testnet *net, const char *name) {
    for (size_t i = 0; i < net->node_count; i++) {
        if (strcmp(net->nodes[i].name, name) == 0) {
            return &net->nodes[i];
        }
    }
    return NULL;
}

void testnet_path(char out[static PATH_MAX], const struct testnet *net, const struct testnet_node *node,
                  const char *file) {
    int n = node == NULL ? snprintf(out, PATH_MAX, "%s/%s", net->dir, file)
                         : snprintf(out, PATH_MAX, "%s/%s/%s", net->dir, node->name, file);
    ASSERT(n > 0 && n < PATH_MAX); // net->dir is bounded when it is set
}

enum err testnet_save(const struct testnet *net, struct buf *why) {
    json_t *nodes = json_array();
    for (size_t i = 0; i < net->node_count; i++) {
        const struct testnet_node *node = &net->nodes[i];
        json_array_append_new(nodes, json_pack("{ss si si si si}", "name", node->name, "role", (int)node->role, "link",
                                               node->link_port, "health", node->health_port, "api", node->api_port));
    }
    json_t *json = json_pack("{si ss sb sI so}", "base_port", net->base_port, "profile", profile_text(net->profile),
                             "memory", net->memory, "epoch_ms", (json_int_t)net->epoch_ms, "nodes", nodes);
    char *text = json_dumps(json, JSON_INDENT(2));
    ASSERT(text != NULL);
    json_decref(json);
    char path[PATH_MAX];
    testnet_path(path, net, NULL, "network.json");
    enum err err = file_write(path, span_of_text(text), 0644, true, why);
    free(text);
    return err;
}

static bool load_node(struct testnet *net, json_t *json) {
    const char *name;
    int role, link, health, api;
    if (net->node_count == TESTNET_NODES_MAX ||
        json_unpack(json, "{ss si si si si}", "name", &name, "role", &role, "link", &link, "health", &health, "api",
                    &api) != 0 ||
        strlen(name) > TESTNET_NAME_MAX || role < 0 || role > TESTNET_USER) {
        return false;
    }
    struct testnet_node *node = &net->nodes[net->node_count++];
    *node = (struct testnet_node){.role = (enum testnet_role)role,
                                  .link_port = (uint16_t)link,
                                  .health_port = (uint16_t)health,
                                  .api_port = (uint16_t)api};
    snprintf(node->name, sizeof(node->name), "%s", name);
    return true;
}

static bool load_plan(struct testnet *net, json_t *json) {
    int base_port;
    int memory;
    json_int_t epoch_ms;
    const char *profile;
    json_t *nodes;
    if (json_unpack(json, "{si ss sb sI so}", "base_port", &base_port, "profile", &profile, "memory", &memory,
                    "epoch_ms", &epoch_ms, "nodes", &nodes) != 0 ||
        profile_parse(&net->profile, profile) != OK) {
        return false;
    }
    net->base_port = (uint16_t)base_port;
    net->memory = memory != 0;
    net->epoch_ms = (uint64_t)epoch_ms;
    bool good = true;
    size_t i;
    json_t *node;
    json_array_foreach(nodes, i, node) {
        good = good && load_node(net, node);
    }
    return good;
}

enum err testnet_load(struct testnet *net, const char *dir, struct buf *why) {
    *net = (struct testnet){0};
    if (realpath(dir, net->dir) == NULL || strlen(net->dir) > PATH_MAX - 128) {
        return testnet_fail(why, ERR_NOT_FOUND, "there is no network in %s; `sotto testnet up` makes one", dir);
    }
    char path[PATH_MAX];
    testnet_path(path, net, NULL, "network.json");
    struct buf text = {0};
    enum err err = file_read(&text, path, PLAN_BYTES_MAX, why);
    if (err == ERR_NOT_FOUND) {
        testnet_fail(why, err, "there is no network in %s; `sotto testnet up` makes one", dir);
    }
    if (err == OK) {
        json_t *json = json_loadb((const char *)text.p, text.n, 0, NULL);
        if (json == NULL || !load_plan(net, json)) {
            err = testnet_fail(why, ERR_CORRUPT, "%s is damaged; remove the folder and start anew", path);
        }
        json_decref(json);
    }
    buf_free(&text);
    return err;
}
