// See certificate.h.
#include "net/certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "base/assert.h"

#define CHAIN_MAX 4 // leaf and three above it

EVP_PKEY *certificate_key(const uint8_t seed[static 32]) {
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    ASSERT(key != NULL);
    return key;
}

X509 *certificate_self_signed(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    ASSERT(certificate != NULL);
    X509_NAME *name = X509_get_subject_name(certificate);
    bool made = X509_set_version(certificate, X509_VERSION_3) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
                ASN1_TIME_set_string(X509_getm_notBefore(certificate), "19700101000000Z") == 1 &&
                ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"sotto", -1, -1, 0) == 1 &&
                X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
                X509_sign(certificate, key, NULL) > 0;
    ASSERT(made);
    return certificate;
}

bool certificate_public(struct sign_public *out, const X509 *certificate) {
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    size_t n = sizeof(out->bytes);
    return key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 &&
           EVP_PKEY_get_raw_public_key(key, out->bytes, &n) == 1 && n == sizeof(out->bytes);
}

enum err certificate_load(X509 **leaf, STACK_OF(X509) * *chain, const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return ERR_IO;
    }
    X509 *first = PEM_read_X509(file, NULL, NULL, NULL);
    STACK_OF(X509) *rest = sk_X509_new_null();
    ASSERT(rest != NULL);
    while (first != NULL && sk_X509_num(rest) < CHAIN_MAX - 1) {
        X509 *next = PEM_read_X509(file, NULL, NULL, NULL);
        if (next == NULL) {
            break;
        }
        ASSERT(sk_X509_push(rest, next) > 0);
    }
    fclose(file);
    ERR_clear_error();
    if (first == NULL) {
        sk_X509_free(rest);
        return ERR_MALFORMED;
    }
    *leaf = first;
    *chain = rest;
    return OK;
}
