// Secrets in files: seeds of keys in hexadecimal, and a user's account sealed with a passphrase.
#ifndef SOTTO_HOST_KEY_FILE_H
#define SOTTO_HOST_KEY_FILE_H

#include "base/bytes.h"

#define KEY_SEED_BYTES 32

// Writes a new file of mode 0600, whole or not at all. ERR_EXISTS: there is one already (never overwritten).
enum err key_file_write(const char *path, const uint8_t seed[static KEY_SEED_BYTES], struct buf *why);
// ERR_NOT_FOUND, ERR_IO, ERR_MALFORMED; ERR_REFUSED: others may read it.
enum err key_file_read(uint8_t seed[static KEY_SEED_BYTES], const char *path, struct buf *why);

// An account: the seed under XChaCha20-Poly1305, its key from the passphrase by Argon2id.
// "sotto-account 1\n" | passes u32 | memory KiB u32 | salt 16 | nonce 24 | sealed seed 48.
enum account_strength {
    ACCOUNT_HUMAN_PASSPHRASE, // 64 MiB, 3 passes: makes guessing slow
    ACCOUNT_RANDOM_PASSPHRASE // at least 128 random bits: nothing to guess, so no stretching
};

enum err account_file_write(const char *path, const uint8_t seed[static KEY_SEED_BYTES], struct span passphrase,
                            enum account_strength strength, struct buf *why);
// ERR_AUTH: wrong passphrase or a damaged file.
enum err account_file_read(uint8_t seed[static KEY_SEED_BYTES], const char *path, struct span passphrase,
                           struct buf *why);

// Fresh randomness of the operating system.
void random_seed(uint8_t *out, size_t n);

// A whole file of at most `max` bytes.
enum err file_read(struct buf *out, const char *path, size_t max, struct buf *why);
// Replaces or makes a file: written beside it, synced, renamed, the folder synced. `mode` as for open.
enum err file_write(const char *path, struct span bytes, unsigned mode, bool replace, struct buf *why);
// The first line of a file (or of /dev/fd/N), without its line end: a passphrase for services.
enum err passphrase_read(struct buf *out, const char *path, struct buf *why);

#endif
