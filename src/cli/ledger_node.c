// From a node's configuration to its API.
#define _GNU_SOURCE
#include "cli/ledger_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "host/config.h"

enum err ledger_node_open_dir(struct profile_session *session, const char *dir, struct buf *why) {
    char config[PATH_MAX];
    char address[ADDRESS_TEXT_MAX];
    snprintf(config, sizeof(config), "%.*s/config.yaml", PATH_MAX - 16, dir);
    if (access(config, R_OK) != 0) {
        return testnet_fail(why, ERR_NOT_FOUND, "%s is no node's folder: it has no config.yaml; --dir names another",
                            dir);
    }
    struct host_config *host = NEW(struct host_config);
    enum err err = config_peek(host, config, why);
    address_format(address, &host->api);
    bool has_token = host->token_path[0] != 0;
    snprintf(session->url, sizeof(session->url), "http://%s", address);
    snprintf(session->token, sizeof(session->token), "%s%s", has_token ? host->token_path : host->data_dir,
             has_token ? "" : "/api.token");
    if (err == OK && host->api.port == 0) {
        err = testnet_fail(why, ERR_INVALID, "%s: the node has no API; set api.listen", config);
    }
    free(host);
    session->http = http_client_new();
    return err;
}

enum err ledger_node_open(struct profile_session *session, const struct ledger_options *options, struct buf *why) {
    struct profile_options profile = {.dir = options->dir};
    *session = (struct profile_session){0};
    if (options->url == NULL) {
        return profile_dir(session->dir, &profile) ? ledger_node_open_dir(session, session->dir, why)
                                                   : testnet_fail(why, ERR_INVALID, "no folder");
    }
    if (options->token_file == NULL || strlen(options->url) >= sizeof(session->url)) {
        return testnet_fail(why, ERR_INVALID, "--api http://HOST:PORT and --token-file FILE are wanted together");
    }
    size_t n = strlen(options->url);
    n -= n > 0 && options->url[n - 1] == '/' ? 1 : 0;
    snprintf(session->url, sizeof(session->url), "%.*s", (int)n, options->url);
    snprintf(session->token, sizeof(session->token), "%s", options->token_file);
    session->http = http_client_new();
    return OK;
}

int ledger_show(const struct ledger_options *options, const char *path, void (*print)(const json_t *json)) {
    struct profile_session session;
    struct buf why = {0};
    json_t *json = NULL;
    enum err err = ledger_node_open(&session, options, &why);
    if (err == OK) {
        err = profile_call(&session, &json, "GET", path, NULL, &why);
    }
    if (err == OK && options->json) {
        output_json(json);
    } else if (err == OK) {
        print(json);
    }
    json_decref(json);
    profile_close(&session);
    return err == OK ? 0 : output_error(&why);
}
