// A user's folder, and the node that serves it.
#define _GNU_SOURCE
#include "cli/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cli/commands.h"
#include "crypto/keys.h"
#include "host/config.h"
#include "host/key_file.h"
#include "testnet/network.h"

#define START_TIMEOUT_MS 30000
#define READY_TIMEOUT_MS 60000
#define PASSPHRASE_MAX 1024

bool profile_dir(char out[static PATH_MAX], const struct profile_options *options) {
    const char *variable = getenv("SOTTO_DIR");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int n = options->dir != NULL                   ? snprintf(out, PATH_MAX, "%s", options->dir)
            : variable != NULL && variable[0] != 0 ? snprintf(out, PATH_MAX, "%s", variable)
            : data != NULL && data[0] == '/'       ? snprintf(out, PATH_MAX, "%s/sotto", data)
            : home != NULL && home[0] == '/'       ? snprintf(out, PATH_MAX, "%s/.local/share/sotto", home)
                                                   : 0;
    if (n <= 0 || n > PATH_MAX - 64) {
        fprintf(stderr, "sotto: no folder is known; give one with --dir\n");
        return false;
    }
    return true;
}

static enum err ask(struct buf *out, const char *prompt, struct buf *why) {
    FILE *terminal = fopen("/dev/tty", "r+e");
    if (terminal == NULL) {
        return testnet_fail(why, ERR_UNAVAILABLE, "no terminal to ask for the passphrase; give --passphrase-file");
    }
    struct termios before, silent;
    bool silenced = tcgetattr(fileno(terminal), &before) == 0;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    silenced = silenced && tcsetattr(fileno(terminal), TCSAFLUSH, &silent) == 0;
    fprintf(terminal, "%s: ", prompt);
    fflush(terminal);
    char line[PASSPHRASE_MAX];
    bool got = fgets(line, sizeof(line), terminal) != NULL;
    if (silenced) {
        tcsetattr(fileno(terminal), TCSAFLUSH, &before);
    }
    fprintf(terminal, "\n");
    fclose(terminal);
    buf_append(out, span_of(line, got ? strcspn(line, "\n") : 0));
    wipe(line, sizeof(line));
    return out->n > 0 ? OK : testnet_fail(why, ERR_INVALID, "the passphrase is empty");
}

enum err profile_passphrase(struct buf *out, const struct profile_options *options, bool is_new, struct buf *why) {
    if (options->passphrase_file != NULL) {
        return passphrase_read(out, options->passphrase_file, why);
    }
    enum err err = ask(out, is_new ? "New passphrase" : "Passphrase", why);
    if (err == OK && is_new) {
        struct buf again = {0};
        err = ask(&again, "Once more", why);
        if (err == OK && !span_equal(buf_span(out), buf_span(&again))) {
            err = testnet_fail(why, ERR_INVALID, "the two passphrases differ");
        }
        buf_wipe(&again);
    }
    return err;
}

// The passphrase goes to the node through a pipe, never through its arguments or a file.
static int passphrase_pipe(const struct buf *passphrase) {
    int ends[2];
    if (pipe(ends) != 0) {
        return -1;
    }
    ssize_t n = write(ends[1], passphrase->p, passphrase->n);
    close(ends[1]);
    if (n != (ssize_t)passphrase->n) {
        close(ends[0]);
        return -1;
    }
    return ends[0];
}

static void run_node(const char *config, const char *log, const char *proxy, int passphrase) {
    char passphrase_set[64];
    char proxy_set[512];
    snprintf(passphrase_set, sizeof(passphrase_set), "passphrase_file=/dev/fd/%d", passphrase);
    snprintf(proxy_set, sizeof(proxy_set), "proxy=%s", proxy == NULL ? "" : proxy);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
    execl(sottod_path(), sottod_path(), "--config", config, "--set", passphrase_set, proxy == NULL ? NULL : "--set",
          proxy_set, NULL);
    fprintf(stderr, "cannot run %s: %s\n", sottod_path(), strerror(errno));
    _exit(127);
}

static enum err start_node(struct profile_session *session, const struct profile_options *options, const char *config,
                           struct buf *why) {
    struct buf passphrase = {0};
    enum err err = profile_passphrase(&passphrase, options, false, why);
    if (err != OK) {
        return err;
    }
    char log[PATH_MAX];
    snprintf(log, sizeof(log), "%.*s/log", PATH_MAX - 16, session->dir);
    int fd = passphrase_pipe(&passphrase);
    buf_wipe(&passphrase);
    if (fd < 0) {
        return testnet_fail(why, ERR_IO, "cannot make a pipe: %s", strerror(errno));
    }
    session->node = fork();
    if (session->node == 0) {
        run_node(config, log, options->proxy, fd);
    }
    close(fd);
    return session->node > 0 ? OK : testnet_fail(why, ERR_IO, "cannot start a node: %s", strerror(errno));
}

static bool answers(struct profile_session *session, bool *ready) {
    json_t *json = NULL;
    struct buf why = {0};
    bool good = profile_call(session, &json, "GET", "/v1/status", NULL, &why) == OK;
    *ready = json_is_true(json_object_get(json, "ready"));
    json_decref(json);
    buf_free(&why);
    return good;
}

static enum err wait_for(struct profile_session *session, bool wait_ready, struct buf *why) {
    uint64_t deadline_ms = network_mono_ms() + (wait_ready ? READY_TIMEOUT_MS : START_TIMEOUT_MS);
    bool ready = false;
    bool told = false;
    while (!answers(session, &ready) || (wait_ready && !ready)) {
        int status;
        if (session->node > 0 && waitpid(session->node, &status, WNOHANG) == session->node) {
            session->node = 0;
            return testnet_fail(why, ERR_IO, "the node ended; its last words are in %s/log", session->dir);
        }
        if (network_mono_ms() > deadline_ms) {
            return testnet_fail(why, ERR_TIMEOUT, "no way into the network yet; see %s/log", session->dir);
        }
        if (!told && network_mono_ms() + START_TIMEOUT_MS > deadline_ms + 1000 && isatty(STDERR_FILENO)) {
            fprintf(stderr, "connecting ...\n");
            told = true;
        }
        network_sleep_ms(20);
    }
    return OK;
}

enum err profile_open(struct profile_session *session, const struct profile_options *options, bool wait_ready,
                      struct buf *why) {
    *session = (struct profile_session){0};
    char config[PATH_MAX];
    if (!profile_dir(session->dir, options)) {
        return testnet_fail(why, ERR_INVALID, "no folder");
    }
    snprintf(config, sizeof(config), "%.*s/config.yaml", PATH_MAX - 16, session->dir);
    if (access(config, R_OK) != 0) {
        return testnet_fail(why, ERR_NOT_FOUND, "there is no account in %s; `sotto account create` makes one",
                            session->dir);
    }
    struct host_config *host = NEW(struct host_config);
    enum err err = config_peek(host, config, why);
    snprintf(session->url, sizeof(session->url), "http://127.0.0.1:%u", host->api.port);
    snprintf(session->token, sizeof(session->token), "%s", host->token_path);
    if (err == OK && (host->api.port == 0 || host->token_path[0] == 0)) {
        err = testnet_fail(why, ERR_INVALID, "%s: api.listen and api.token_file are missing", config);
    }
    free(host);
    if (err != OK) {
        return err;
    }
    session->http = http_client_new();
    bool ready;
    if (!answers(session, &ready)) {
        err = start_node(session, options, config, why);
    }
    return err == OK ? wait_for(session, wait_ready, why) : err;
}

void profile_close(struct profile_session *session) {
    http_client_free(session->http);
    if (session->node > 0) {
        int status;
        kill(session->node, SIGTERM);
        waitpid(session->node, &status, 0);
    }
    *session = (struct profile_session){0};
}

enum err profile_genesis(struct genesis *out, struct buf *text, const char *path, struct buf *why) {
    unsigned line = 0;
    enum err err = file_read(text, path, GENESIS_BYTES_MAX, why);
    if (err == OK && genesis_parse(out, buf_span(text), &line) != OK) {
        err = testnet_fail(why, ERR_MALFORMED, "%s:%u: not as a genesis file should be", path, line);
    }
    return err;
}

enum err profile_call(struct profile_session *session, json_t **json, const char *method, const char *path,
                      const json_t *body, struct buf *why) {
    char url[1024];
    long status = 0;
    snprintf(url, sizeof(url), "%s%s", session->url, path);
    enum err err = http_call(session->http, &status, json, method, url, session->token, body, why);
    if (err == OK && status >= 400) {
        err = testnet_fail(why, status == 404 ? ERR_NOT_FOUND : ERR_REFUSED, "%s",
                           http_reason(*json)[0] == 0 ? "refused" : http_reason(*json));
        json_decref(*json);
        *json = NULL;
    }
    return err;
}
