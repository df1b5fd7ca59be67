// Orders to the supervisor over its socket; HTTP to nodes by libcurl.
#define _GNU_SOURCE
#include "testnet/control.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/key_file.h"

#define ANSWER_BYTES_MAX (16 * 1024 * 1024)
#define CALL_TIMEOUT_MS 40000L // the host answers parked calls after 30 s at the latest

static int connect_to(const struct testnet *net) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[PATH_MAX];
    testnet_path(path, net, NULL, CONTROL_SOCKET);
    if (strlen(path) >= sizeof(address.sun_path)) {
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool control_running(const struct testnet *net) {
    int fd = connect_to(net);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static bool exchange(struct buf *answer, int fd, const char *order) {
    if (send(fd, order, strlen(order), MSG_NOSIGNAL) != (ssize_t)strlen(order)) {
        return false;
    }
    while (answer->n < CONTROL_LINE_MAX) {
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        buf_append(answer, span_of(chunk, n > 0 ? (size_t)n : 0));
        if (answer->n > 0 && answer->p[answer->n - 1] == '\n') {
            return true;
        }
    }
    return false;
}

enum err control_order(json_t **answer, const struct testnet *net, const char *op, const char *node, struct buf *why) {
    *answer = NULL;
    int fd = connect_to(net);
    if (fd < 0) {
        return testnet_fail(why, ERR_UNAVAILABLE, "the network in %s is not running; `sotto testnet up` starts one",
                            net->dir);
    }
    json_t *order = json_pack("{ss ss*}", "op", op, "node", node);
    char *text = json_dumps(order, JSON_COMPACT);
    char *line = NULL;
    ASSERT(text != NULL && asprintf(&line, "%s\n", text) > 0);
    struct buf bytes = {0};
    bool done = exchange(&bytes, fd, line);
    close(fd);
    free(line);
    free(text);
    json_decref(order);
    json_t *json = done ? json_loadb((const char *)bytes.p, bytes.n, 0, NULL) : NULL;
    buf_free(&bytes);
    if (json == NULL) {
        return testnet_fail(why, ERR_UNAVAILABLE, "the supervisor of %s did not answer", net->dir);
    }
    const char *error = json_string_value(json_object_get(json, "error"));
    if (error != NULL) {
        testnet_fail(why, ERR_REFUSED, "%s%s%s", node == NULL ? "" : node, node == NULL ? "" : ": ", error);
        json_decref(json);
        return ERR_REFUSED;
    }
    *answer = json;
    return OK;
}

struct http_client {
    CURL *curl;
};

struct http_client *http_client_new(void) {
    struct http_client *client = NEW(struct http_client);
    client->curl = curl_easy_init();
    ASSERT(client->curl != NULL);
    return client;
}

void http_client_free(struct http_client *client) {
    if (client != NULL) {
        curl_easy_cleanup(client->curl);
        free(client);
    }
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *ctx) {
    struct buf *out = ctx;
    if (out->n + size * count > ANSWER_BYTES_MAX) {
        return 0;
    }
    buf_append(out, span_of(bytes, size * count));
    return size * count;
}

static struct curl_slist *headers_for(const char *token_path, bool body) {
    struct curl_slist *headers = NULL;
    struct buf token = {0};
    struct buf why = {0};
    if (token_path != NULL && passphrase_read(&token, token_path, &why) == OK) {
        char header[256];
        snprintf(header, sizeof(header), "Authorization: Bearer %.*s", (int)token.n, (const char *)token.p);
        headers = curl_slist_append(headers, header);
        wipe(header, sizeof(header));
    }
    buf_wipe(&token);
    buf_free(&why);
    return body ? curl_slist_append(headers, "Content-Type: application/json") : headers;
}

static enum err fetch(struct buf *answer, struct http_client *client, long *status, const char *method, const char *url,
                      struct curl_slist *headers, const char *body, struct buf *why) {
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    return code == CURLE_OK
               ? OK
               : testnet_fail(why, ERR_UNAVAILABLE, "%s does not answer: %s", url, curl_easy_strerror(code));
}

enum err http_call(struct http_client *client, long *status, json_t **json, const char *method, const char *url,
                   const char *token_path, const json_t *body, struct buf *why) {
    struct buf answer = {0};
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    struct curl_slist *headers = headers_for(token_path, body != NULL);
    enum err err = fetch(&answer, client, status, method, url, headers, text, why);
    *json = err == OK && answer.n > 0 ? json_loadb((const char *)answer.p, answer.n, 0, NULL) : NULL;
    curl_slist_free_all(headers);
    free(text);
    buf_free(&answer);
    return err;
}

enum err testnet_metric(struct http_client *client, int64_t *value, const struct testnet_node *node, const char *name,
                        struct buf *why) {
    struct buf answer = {0};
    char url[64];
    char line[128];
    long status;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/metrics", node->health_port);
    snprintf(line, sizeof(line), "\nsotto_%s ", name);
    enum err err = fetch(&answer, client, &status, "GET", url, NULL, NULL, why);
    buf_append(&answer, span_of("", 1));
    const char *found = err == OK && status == 200 ? strstr((const char *)answer.p, line) : NULL;
    if (found != NULL) {
        *value = strtoll(found + strlen(line), NULL, 10);
    } else if (err == OK) {
        err = testnet_fail(why, ERR_NOT_FOUND, "%s has no metric %s", node->name, name);
    }
    buf_free(&answer);
    return err;
}

enum err testnet_call(struct http_client *client, long *status, json_t **json, const struct testnet *net,
                      const struct testnet_node *node, const char *method, const char *path, const json_t *body,
                      struct buf *why) {
    char url[1024];
    char token[PATH_MAX];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", node->api_port, path);
    testnet_path(token, net, node, "api.token");
    return http_call(client, status, json, method, url, token, body, why);
}

const char *http_reason(const json_t *json) {
    const char *reason = json_string_value(json_object_get(json, "detail"));
    return reason == NULL ? "" : reason;
}
