// Certificates made by a CA (RFC 5280, Ed25519 as in RFC 8410).
#include "net/ca.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "net/certificate.h"

#define DAY_S (24 * 3600)
#define CA_DAYS 3650
#define NODE_DAYS 365

static bool add_extension(X509 *certificate, X509 *issuer, int id, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool set_validity(X509 *certificate, uint64_t wall_ms, long before_s, long days) {
    time_t now = (time_t)(wall_ms / 1000);
    return X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -before_s, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), (int)days, 0, &now) != NULL;
}

static bool to_pem(struct buf *pem, X509 *certificate) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    bool written = bio != NULL && PEM_write_bio_X509(bio, certificate) == 1;
    long n = written ? BIO_get_mem_data(bio, &text) : 0;
    if (n > 0) {
        buf_append(pem, span_of(text, (size_t)n));
    }
    BIO_free(bio);
    return n > 0;
}

static bool set_name(X509_NAME *subject, const char *name) {
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0) == 1;
}

static bool name_valid(const char *name) {
    size_t n = strlen(name);
    bool printable = true;
    for (size_t i = 0; i < n; i++) {
        printable = printable && name[i] >= ' ' && name[i] <= '~';
    }
    return printable && n >= 1 && n <= 64;
}

enum err ca_certificate(struct buf *pem, const uint8_t ca_seed[static 32], const char *name, uint64_t wall_ms) {
    if (!name_valid(name)) {
        return ERR_INVALID;
    }
    EVP_PKEY *key = certificate_key(ca_seed);
    X509 *certificate = X509_new();
    ASSERT(certificate != NULL);
    bool made = X509_set_version(certificate, X509_VERSION_3) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
                set_validity(certificate, wall_ms, 3600, CA_DAYS) &&
                set_name(X509_get_subject_name(certificate), name) &&
                X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
                X509_set_pubkey(certificate, key) == 1 &&
                add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
                X509_sign(certificate, key, NULL) > 0 && to_pem(pem, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return made ? OK : ERR_INVALID;
}

static EVP_PKEY *public_key(const struct sign_public *public) {
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public->bytes, sizeof(public->bytes));
    ASSERT(key != NULL);
    return key;
}

static bool sign_node(struct buf *pem, X509 *ca, EVP_PKEY *ca_key, const struct sign_public *node, uint64_t serial,
                      uint64_t wall_ms) {
    X509 *certificate = X509_new();
    EVP_PKEY *key = public_key(node);
    char name[65];
    ASSERT(certificate != NULL);
    hex_encode(name, SPAN_OF(node->bytes));
    bool made =
        X509_set_version(certificate, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (serial >> 1) | 1) == 1 &&
        set_validity(certificate, wall_ms, 3600, NODE_DAYS) && set_name(X509_get_subject_name(certificate), name) &&
        X509_set_issuer_name(certificate, X509_get_subject_name(ca)) == 1 && X509_set_pubkey(certificate, key) == 1 &&
        add_extension(certificate, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(certificate, ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(certificate, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
        add_extension(certificate, ca, NID_authority_key_identifier, "keyid") &&
        X509_sign(certificate, ca_key, NULL) > 0 && to_pem(pem, certificate);
    EVP_PKEY_free(key);
    X509_free(certificate);
    return made;
}

enum err ca_sign_node(struct buf *pem, const uint8_t ca_seed[static 32], struct span ca_pem,
                      const struct sign_public *node, uint64_t serial, uint64_t wall_ms) {
    BIO *bio = BIO_new_mem_buf(ca_pem.p, (int)ca_pem.n);
    X509 *ca = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (ca == NULL) {
        ERR_clear_error();
        return ERR_MALFORMED;
    }
    EVP_PKEY *ca_key = certificate_key(ca_seed);
    enum err err = X509_check_private_key(ca, ca_key) != 1             ? ERR_AUTH
                   : sign_node(pem, ca, ca_key, node, serial, wall_ms) ? OK
                                                                       : ERR_INVALID;
    EVP_PKEY_free(ca_key);
    X509_free(ca);
    ERR_clear_error();
    return err;
}
