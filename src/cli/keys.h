// Keys that commands name: in hexadecimal, or by the file that holds the secret.
#ifndef SOTTO_CLI_KEYS_H
#define SOTTO_CLI_KEYS_H

#include "base/bytes.h"
#include "crypto/keys.h"

// A public key of 64 hexadecimal digits, or that of a key file, or that of a node's folder (its identity.key).
enum err key_named(struct sign_public *out, const char *name, struct buf *why);
// The secret of a key file, or of a node's folder; the caller wipes it.
enum err key_secret(struct sign_secret *secret, struct sign_public *public, const char *path, struct buf *why);
// A command whose one argument is the key file to make; it prints the public key. In keys_commands.c.
int key_make(int argc, char **argv, const char *usage, const char *about);

#endif
