// sotto keys: identities of nodes, and a CA for networks that want one.
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/options.h"
#include "cli/output.h"
#include "crypto/keys.h"
#include "host/key_file.h"
#include "net/ca.h"
#include "testnet/plan.h"

static int make_key(int argc, char **argv) {
    return key_make(argc, argv, "sotto keys node FILE",
                    "Makes a new secret key in FILE (mode 0600, never overwritten) and prints its public key.");
}

int key_make(int argc, char **argv, const char *usage, const char *about) {
    const struct option options[] = {{.name = NULL}};
    if (options_parse(argc, argv, options, usage, about) != 1) {
        fprintf(stderr, "sotto: one file is wanted\n");
        return STATUS_USAGE;
    }
    uint8_t seed[KEY_SEED_BYTES];
    struct sign_secret secret;
    struct sign_public public;
    struct buf why = {0};
    random_seed(seed, sizeof(seed));
    sign_key_from_seed(&secret, &public, seed);
    enum err err = key_file_write(argv[1], seed, &why);
    wipe(seed, sizeof(seed));
    wipe(&secret, sizeof(secret));
    if (err != OK) {
        return output_error(&why);
    }
    char hex[65];
    hex_encode(hex, SPAN_OF(public.bytes));
    puts(hex);
    return 0;
}

#define CA_PEM_MAX 16384

static uint64_t wall_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000;
}

static enum err make_ca(const char *dir, const char *name, struct buf *why) {
    char path[PATH_MAX];
    uint8_t seed[KEY_SEED_BYTES];
    struct buf pem = {0};
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return testnet_fail(why, ERR_IO, "cannot make %s: %s", dir, strerror(errno));
    }
    random_seed(seed, sizeof(seed));
    enum err err = ca_certificate(&pem, seed, name, wall_ms());
    if (err != OK) {
        testnet_fail(why, err, "--name %s: 1 to 64 printable characters are wanted", name);
    }
    snprintf(path, sizeof(path), "%.*s/ca.key", PATH_MAX - 16, dir);
    if (err == OK) {
        err = key_file_write(path, seed, why);
    }
    snprintf(path, sizeof(path), "%.*s/ca.pem", PATH_MAX - 16, dir);
    if (err == OK) {
        err = file_write(path, buf_span(&pem), 0644, false, why);
    }
    wipe(seed, sizeof(seed));
    buf_free(&pem);
    return err;
}

static int ca_main(int argc, char **argv) {
    const char *name = "Sotto network CA";
    const struct option options[] = {{"name", "TEXT", "its subject", .text = &name}, {.name = NULL}};
    if (options_parse(argc, argv, options, "sotto keys ca [options] DIR",
                      "Makes DIR/ca.key and DIR/ca.pem. Nodes given certificates by it (`sotto keys certify`) and\n"
                      "told tls.ca accept links from such nodes only, besides pinning keys.") != 1) {
        fprintf(stderr, "sotto: one folder is wanted\n");
        return STATUS_USAGE;
    }
    struct buf why = {0};
    return make_ca(argv[1], name, &why) == OK ? 0 : output_error(&why);
}

static enum err certify(const char *dir, const char *key, const char *out_path, struct buf *why) {
    char path[PATH_MAX];
    uint8_t ca_seed[KEY_SEED_BYTES];
    uint64_t serial;
    struct sign_public public;
    struct buf ca_pem = {0};
    struct buf pem = {0};
    snprintf(path, sizeof(path), "%.*s/ca.key", PATH_MAX - 16, dir);
    enum err err = key_file_read(ca_seed, path, why);
    snprintf(path, sizeof(path), "%.*s/ca.pem", PATH_MAX - 16, dir);
    if (err == OK) {
        err = file_read(&ca_pem, path, CA_PEM_MAX, why);
    }
    if (err == OK) {
        err = key_named(&public, key, why);
    }
    if (err == OK) {
        random_seed((uint8_t *)&serial, sizeof(serial));
        err = ca_sign_node(&pem, ca_seed, buf_span(&ca_pem), &public, serial, wall_ms());
        if (err != OK) {
            testnet_fail(why, err, "%s is not the certificate of %s/ca.key", path, dir);
        }
    }
    if (err == OK) {
        err = file_write(out_path, buf_span(&pem), 0644, true, why);
    }
    wipe(ca_seed, sizeof(ca_seed));
    buf_free(&ca_pem);
    buf_free(&pem);
    return err;
}

static int certify_main(int argc, char **argv) {
    const char *ca = NULL;
    const struct option options[] = {{"ca", "DIR", "the CA's folder", .text = &ca}, {.name = NULL}};
    if (options_parse(argc, argv, options, "sotto keys certify --ca DIR KEY CERTIFICATE",
                      "Writes a certificate by the CA for a node's identity, valid for a year. KEY is the identity's\n"
                      "public key, as `sotto keys node` printed it, or its key file.") != 2 ||
        ca == NULL) {
        fprintf(stderr, "sotto: --ca DIR, a key and the certificate to write are wanted\n");
        return STATUS_USAGE;
    }
    struct buf why = {0};
    return certify(ca, argv[1], argv[2], &why) == OK ? 0 : output_error(&why);
}

static const struct command commands[] = {
    {"node", "FILE", "the identity of a relay, validator or bootstrap node", make_key},
    {"ca", "DIR", "a certificate authority, for networks that want one", ca_main},
    {"certify", "KEY CERTIFICATE", "a node's certificate by the CA", certify_main},
    {NULL, NULL, NULL, NULL},
};

int keys_main(int argc, char **argv) {
    return command_dispatch(argc, argv, commands, "sotto keys", "Keys and certificates of nodes.");
}
