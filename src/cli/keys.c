// Keys by name.
#define _GNU_SOURCE
#include "cli/keys.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "host/key_file.h"

enum err key_secret(struct sign_secret *secret, struct sign_public *public, const char *path, struct buf *why) {
    uint8_t seed[KEY_SEED_BYTES];
    char inner[PATH_MAX];
    struct stat about;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
        snprintf(inner, sizeof(inner), "%.*s/identity.key", PATH_MAX - 16, path);
        path = inner;
    }
    enum err err = key_file_read(seed, path, why);
    if (err == OK) {
        sign_key_from_seed(secret, public, seed);
    }
    wipe(seed, sizeof(seed));
    return err;
}

enum err key_named(struct sign_public *out, const char *name, struct buf *why) {
    struct sign_secret secret;
    if (hex_decode(out->bytes, sizeof(out->bytes), name) == OK) {
        return OK;
    }
    enum err err = key_secret(&secret, out, name, why);
    wipe(&secret, sizeof(secret));
    return err;
}
