// Internal to crypto/: what crypto_init prepares for hash.c.
#ifndef SOTTO_CRYPTO_HASH_INIT_H
#define SOTTO_CRYPTO_HASH_INIT_H

void hash_init(void); // fetches SHA-256 from OpenSSL, once a process; any thread

#endif
