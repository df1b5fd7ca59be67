// Ed25519 (RFC 8032) over bare bytes, without a domain. Internal to crypto/: everybody else signs through sign_parts,
// so that no signature made for one purpose means something for another. Published vectors are checked through it.
#ifndef SOTTO_CRYPTO_SIGN_RAW_H
#define SOTTO_CRYPTO_SIGN_RAW_H

#include "crypto/keys.h"

void sign_raw(struct signature *out, const struct sign_secret *secret, struct span message);
enum err verify_raw(const struct signature *signature, const struct sign_public *public, struct span message);

#endif
