// Certificates: the self-signed one that a node makes of its identity, and the ones a CA has signed.
#ifndef SOTTO_NET_CERTIFICATE_H
#define SOTTO_NET_CERTIFICATE_H

#include <openssl/x509.h>

#include "crypto/keys.h"

EVP_PKEY *certificate_key(const uint8_t seed[static 32]);
// The same bytes for the same key: serial 1, valid from 1970 to 9999, no names that mean anything.
X509 *certificate_self_signed(EVP_PKEY *key);
// The Ed25519 key of a certificate. False when it is of another kind.
bool certificate_public(struct sign_public *out, const X509 *certificate);
// The first certificate of a PEM file, and the others in `chain` (to free). ERR_IO, ERR_MALFORMED.
enum err certificate_load(X509 **leaf, STACK_OF(X509) * *chain, const char *path);

#endif
