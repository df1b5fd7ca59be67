// Secrets in files: written whole or not at all, readable by their owner only.
#define _GNU_SOURCE
#include "host/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/aead.h"

#define ACCOUNT_MAGIC "sotto-account 1\n"
#define ACCOUNT_MAGIC_BYTES 16
#define ACCOUNT_HEAD_BYTES (ACCOUNT_MAGIC_BYTES + 4 + 4 + 16)
#define ACCOUNT_BYTES (ACCOUNT_HEAD_BYTES + 24 + KEY_SEED_BYTES + AEAD_TAG_BYTES)
#define ACCOUNT_PASSES 3
#define ACCOUNT_MEMORY_KIB (64 * 1024)
// What a file may ask for before its tag could be checked.
#define ACCOUNT_PASSES_MAX 16
#define ACCOUNT_MEMORY_KIB_MAX (1024 * 1024)
#define PASSPHRASE_BYTES_MAX 1024

static enum err fail(struct buf *why, enum err err, const char *what, const char *path, const char *advice) {
    char text[PATH_MAX + 256];
    int n = snprintf(text, sizeof(text), "%s %s: %s", what, path, advice);
    buf_append(why, span_of(text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
    return err;
}

static enum err fail_errno(struct buf *why, const char *what, const char *path) {
    return fail(why,
                errno == ENOENT   ? ERR_NOT_FOUND
                : errno == EEXIST ? ERR_EXISTS
                                  : ERR_IO,
                what, path, strerror(errno));
}

void random_seed(uint8_t *out, size_t n) {
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);
        ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            out += got;
            n -= (size_t)got;
        }
    }
}

static enum err read_all(struct buf *out, int fd, size_t max, const char *path, struct buf *why) {
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_errno(why, "cannot read", path);
        }
        buf_append(out, span_of(chunk, (size_t)n));
        wipe(chunk, sizeof(chunk));
        if (out->n > max) {
            return fail(why, ERR_TOO_LONG, "cannot use", path, "the file is too long for what it should be");
        }
        if (n == 0) {
            return OK;
        }
    }
}

enum err file_read(struct buf *out, const char *path, size_t max, struct buf *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(why, "cannot open", path);
    }
    enum err err = read_all(out, fd, max, path, why);
    close(fd);
    return err;
}

static bool write_all(int fd, struct span bytes) {
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            bytes = (struct span){bytes.p + n, bytes.n - (size_t)n};
        }
    }
    return fsync(fd) == 0;
}

static bool sync_folder_of(const char *path) {
    char copy[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? 0 : (int)(slash - path);
    snprintf(copy, sizeof(copy), "%.*s/", n, path);
    int fd = open(slash == NULL ? "." : copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

enum err file_write(const char *path, struct span bytes, unsigned mode, bool replace, struct buf *why) {
    char temporary[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", path) >= sizeof(temporary)) {
        return fail(why, ERR_TOO_LONG, "cannot write", path, "the path is too long");
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        return fail_errno(why, "cannot write", temporary);
    }
    bool done = fchmod(fd, mode) == 0 && write_all(fd, bytes);
    close(fd);
    // link() refuses to replace where rename() would.
    done = done && (replace ? rename(temporary, path) == 0 : link(temporary, path) == 0) && sync_folder_of(path);
    enum err err = done ? OK : fail_errno(why, "cannot write", path);
    unlink(temporary);
    return err;
}

enum err key_file_write(const char *path, const uint8_t seed[static KEY_SEED_BYTES], struct buf *why) {
    char text[2 * KEY_SEED_BYTES + 2];
    hex_encode(text, (struct span){seed, KEY_SEED_BYTES});
    text[2 * KEY_SEED_BYTES] = '\n';
    enum err err = file_write(path, span_of(text, 2 * KEY_SEED_BYTES + 1), 0600, false, why);
    wipe(text, sizeof(text));
    return err;
}

enum err key_file_read(uint8_t seed[static KEY_SEED_BYTES], const char *path, struct buf *why) {
    struct stat info;
    if (stat(path, &info) != 0) {
        return fail_errno(why, "cannot open", path);
    }
    if ((info.st_mode & 077) != 0) {
        return fail(why, ERR_REFUSED, "will not use", path, "others may read this key; chmod 600 it");
    }
    struct buf text = {0};
    char digits[2 * KEY_SEED_BYTES + 2] = {0};
    enum err err = file_read(&text, path, 2 * KEY_SEED_BYTES + 1, why);
    if (err == OK) {
        for (size_t i = 0; i < text.n; i++) {
            digits[i] = (char)text.p[i];
        }
        if (text.n > 0 && digits[text.n - 1] == '\n') {
            digits[text.n - 1] = 0;
        }
        err = hex_decode(seed, KEY_SEED_BYTES, digits);
    }
    if (err == ERR_MALFORMED || err == ERR_TOO_LONG) {
        buf_clear(why);
        err = fail(why, ERR_MALFORMED, "cannot use", path, "a key file holds 64 hexadecimal digits");
    }
    wipe(digits, sizeof(digits));
    buf_wipe(&text);
    return err;
}

enum err account_file_write(const char *path, const uint8_t seed[static KEY_SEED_BYTES], struct span passphrase,
                            enum account_strength strength, struct buf *why) {
    uint32_t passes = strength == ACCOUNT_HUMAN_PASSPHRASE ? ACCOUNT_PASSES : 1;
    uint32_t memory_kib = strength == ACCOUNT_HUMAN_PASSPHRASE ? ACCOUNT_MEMORY_KIB : 8;
    uint8_t bytes[ACCOUNT_BYTES];
    uint8_t key[32];
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_bytes(&w, ACCOUNT_MAGIC, ACCOUNT_MAGIC_BYTES);
    write_u32(&w, passes);
    write_u32(&w, memory_kib);
    random_seed(bytes + w.n, 16 + 24);
    enum err err = passphrase_key(key, passphrase, bytes + w.n, passes, memory_kib);
    if (err == OK) {
        xaead_seal(bytes + ACCOUNT_HEAD_BYTES + 24, key, bytes + ACCOUNT_HEAD_BYTES,
                   (struct span){bytes, ACCOUNT_HEAD_BYTES}, (struct span){seed, KEY_SEED_BYTES});
        err = file_write(path, SPAN_OF(bytes), 0600, false, why);
    } else {
        fail(why, err, "cannot seal", path, "64 MiB of memory are wanted for the passphrase's key");
    }
    wipe(key, sizeof(key));
    return err;
}

enum err account_file_read(uint8_t seed[static KEY_SEED_BYTES], const char *path, struct span passphrase,
                           struct buf *why) {
    struct buf bytes = {0};
    uint8_t key[32];
    enum err err = file_read(&bytes, path, ACCOUNT_BYTES, why);
    if (err != OK) {
        buf_free(&bytes);
        return err;
    }
    struct reader r = reader_of(buf_span(&bytes));
    struct span magic = read_span(&r, ACCOUNT_MAGIC_BYTES);
    uint32_t passes = read_u32(&r);
    uint32_t memory_kib = read_u32(&r);
    if (!reader_ok(&r) || bytes.n != ACCOUNT_BYTES || memcmp(magic.p, ACCOUNT_MAGIC, ACCOUNT_MAGIC_BYTES) != 0 ||
        passes == 0 || passes > ACCOUNT_PASSES_MAX || memory_kib < 8 || memory_kib > ACCOUNT_MEMORY_KIB_MAX) {
        err = fail(why, ERR_MALFORMED, "cannot use", path, "this is no account file");
    } else if (passphrase_key(key, passphrase, r.p, passes, memory_kib) != OK) {
        err = fail(why, ERR_NO_MEMORY, "cannot open", path, "too little memory for the passphrase's key");
    } else if (xaead_open(seed, key, bytes.p + ACCOUNT_HEAD_BYTES, (struct span){bytes.p, ACCOUNT_HEAD_BYTES},
                          (struct span){bytes.p + ACCOUNT_HEAD_BYTES + 24, KEY_SEED_BYTES + AEAD_TAG_BYTES}) != OK) {
        err = fail(why, ERR_AUTH, "cannot open", path, "the passphrase is wrong, or the file is damaged");
    }
    wipe(key, sizeof(key));
    buf_free(&bytes);
    return err;
}

enum err passphrase_read(struct buf *out, const char *path, struct buf *why) {
    enum err err = file_read(out, path, PASSPHRASE_BYTES_MAX, why);
    if (err == OK) {
        uint8_t *end = out->n == 0 ? NULL : memchr(out->p, '\n', out->n);
        out->n = end == NULL ? out->n : (size_t)(end - out->p);
        out->n -= out->n > 0 && out->p[out->n - 1] == '\r' ? 1 : 0;
        if (out->n == 0) {
            err = fail(why, ERR_INVALID, "cannot use", path, "the passphrase is empty");
        }
    }
    return err;
}
