// Certificates of a network's own authority: what is in them, what they are good for, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/ca.h"
#include "net/certificate.h"

#define WALL_MS UINT64_C(1790000000000)

static const uint8_t ca_seed[32] = {1};
static const uint8_t other_seed[32] = {2};
static const uint8_t node_seed[32] = {3};

static int setup(void **state) {
    (void)state;
    crypto_init();
    return 0;
}

static X509 *parse(const struct buf *pem) {
    BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_null(PEM_read_bio_X509(bio, NULL, NULL, NULL)); // one, and nothing behind it
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

static struct sign_public public_of(const uint8_t seed[static 32]) {
    struct sign_secret secret;
    struct sign_public public;
    sign_key_from_seed(&secret, &public, seed);
    return public;
}

static void make_ca(struct buf *pem) {
    assert_int_equal(ca_certificate(pem, ca_seed, "Test network", WALL_MS), OK);
}

static void make_node(struct buf *pem, uint64_t serial) {
    struct buf ca = {0};
    struct sign_public node = public_of(node_seed);
    make_ca(&ca);
    assert_int_equal(ca_sign_node(pem, ca_seed, buf_span(&ca), &node, serial, WALL_MS), OK);
    buf_free(&ca);
}

// Whether the chain holds at that time for that use; X509_V_OK or the reason.
static int verify(const struct buf *ca_pem, const struct buf *node_pem, uint64_t wall_ms, int purpose) {
    X509 *ca = parse(ca_pem);
    X509 *node = parse(node_pem);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, ca), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, node, NULL), 1);
    X509_STORE_CTX_set_time(context, 0, (time_t)(wall_ms / 1000));
    X509_STORE_CTX_set_purpose(context, purpose);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
    int result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(ca);
    X509_free(node);
    return result;
}

static void a_node_s_certificate_chains_to_its_ca(void **state) {
    (void)state;
    struct buf ca = {0};
    struct buf node = {0};
    make_ca(&ca);
    make_node(&node, 7);
    assert_int_equal(verify(&ca, &node, WALL_MS, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(verify(&ca, &node, WALL_MS, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    assert_int_not_equal(verify(&ca, &node, WALL_MS, X509_PURPOSE_SMIME_SIGN), X509_V_OK);
    buf_free(&ca);
    buf_free(&node);
}

static void it_is_valid_from_an_hour_before_for_a_year(void **state) {
    (void)state;
    const uint64_t hour = 3600000;
    const uint64_t day = 24 * hour;
    struct buf ca = {0};
    struct buf node = {0};
    make_ca(&ca);
    make_node(&node, 7);
    assert_int_equal(verify(&ca, &node, WALL_MS - hour + 1000, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(verify(&ca, &node, WALL_MS - hour - 1000, X509_PURPOSE_SSL_SERVER), X509_V_ERR_CERT_NOT_YET_VALID);
    assert_int_equal(verify(&ca, &node, WALL_MS + 365 * day - 1000, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(verify(&ca, &node, WALL_MS + 365 * day + 1000, X509_PURPOSE_SSL_SERVER),
                     X509_V_ERR_CERT_HAS_EXPIRED);
    buf_free(&ca);
    buf_free(&node);
}

static void its_key_is_the_node_s_identity(void **state) {
    (void)state;
    struct buf node = {0};
    struct sign_public expected = public_of(node_seed);
    struct sign_public found;
    make_node(&node, 7);
    X509 *certificate = parse(&node);
    assert_true(certificate_public(&found, certificate));
    assert_memory_equal(found.bytes, expected.bytes, sizeof expected.bytes);
    EVP_PKEY *key = certificate_key(node_seed);
    assert_int_equal(X509_check_private_key(certificate, key), 1);
    EVP_PKEY_free(key);
    X509_free(certificate);
    buf_free(&node);
}

static void serial_numbers_are_positive_and_as_given(void **state) {
    (void)state;
    const uint64_t serials[] = {0, 1, 2, UINT64_MAX, UINT64_C(0x8000000000000000)};
    for (size_t i = 0; i < sizeof serials / sizeof serials[0]; i++) {
        struct buf node = {0};
        uint64_t serial;
        make_node(&node, serials[i]);
        X509 *certificate = parse(&node);
        assert_int_equal(ASN1_INTEGER_get_uint64(&serial, X509_get0_serialNumber(certificate)), 1);
        assert_true(serial > 0); // RFC 5280 4.1.2.2
        assert_true(serial <= INT64_MAX);
        X509_free(certificate);
        buf_free(&node);
    }
}

static void a_node_s_certificate_cannot_sign_others(void **state) {
    (void)state;
    struct buf node = {0};
    struct buf worse = {0};
    make_node(&node, 7);
    X509 *certificate = parse(&node);
    assert_int_equal(X509_check_ca(certificate), 0);
    X509_free(certificate);
    struct sign_public victim = public_of(other_seed);
    if (ca_sign_node(&worse, node_seed, buf_span(&node), &victim, 9, WALL_MS) == OK) {
        struct buf ca = {0};
        make_ca(&ca);
        assert_int_not_equal(verify(&ca, &worse, WALL_MS, X509_PURPOSE_SSL_SERVER), X509_V_OK);
        buf_free(&ca);
    }
    buf_free(&worse);
    buf_free(&node);
}

static void another_ca_s_certificate_does_not_count(void **state) {
    (void)state;
    struct buf other = {0};
    struct buf node = {0};
    make_node(&node, 7);
    assert_int_equal(ca_certificate(&other, other_seed, "Test network", WALL_MS), OK); // the same name
    assert_int_not_equal(verify(&other, &node, WALL_MS, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    buf_free(&other);
    buf_free(&node);
}

static void any_changed_byte_breaks_the_signature(void **state) {
    (void)state;
    struct buf ca = {0};
    struct buf node = {0};
    make_ca(&ca);
    make_node(&node, 7);
    X509 *certificate = parse(&node);
    uint8_t *der = NULL;
    int n = i2d_X509(certificate, &der);
    EVP_PKEY *key = certificate_key(ca_seed);
    assert_int_equal(X509_verify(certificate, key), 1);
    for (int i = 0; i < n; i++) {
        der[i] ^= 1;
        const uint8_t *at = der;
        X509 *changed = d2i_X509(NULL, &at, n);
        assert_true(changed == NULL || X509_verify(changed, key) != 1);
        X509_free(changed);
        der[i] ^= 1;
    }
    EVP_PKEY_free(key);
    OPENSSL_free(der);
    X509_free(certificate);
    buf_free(&ca);
    buf_free(&node);
}

static void what_is_no_certificate_or_another_key_s_is_refused(void **state) {
    (void)state;
    struct buf ca = {0};
    struct buf out = {0};
    struct sign_public node = public_of(node_seed);
    make_ca(&ca);
    assert_int_equal(ca_sign_node(&out, ca_seed, SPAN_LITERAL("no certificate"), &node, 1, WALL_MS), ERR_MALFORMED);
    assert_int_equal(ca_sign_node(&out, ca_seed, (struct span){NULL, 0}, &node, 1, WALL_MS), ERR_MALFORMED);
    assert_int_equal(ca_sign_node(&out, ca_seed, span_of(ca.p, ca.n / 2), &node, 1, WALL_MS), ERR_MALFORMED);
    assert_int_equal(ca_sign_node(&out, other_seed, buf_span(&ca), &node, 1, WALL_MS), ERR_AUTH);
    assert_int_equal(out.n, 0);
    buf_free(&ca);
}

static void a_ca_has_a_name_of_1_to_64_bytes(void **state) {
    (void)state;
    char name[66] = {0};
    struct buf out = {0};
    assert_int_equal(ca_certificate(&out, ca_seed, "", WALL_MS), ERR_INVALID);
    memset(name, 'a', 65);
    assert_int_equal(ca_certificate(&out, ca_seed, name, WALL_MS), ERR_INVALID);
    assert_int_equal(out.n, 0);
    name[64] = 0;
    assert_int_equal(ca_certificate(&out, ca_seed, name, WALL_MS), OK);
    buf_free(&out);
    assert_int_equal(ca_certificate(&out, ca_seed, "new\nline", WALL_MS), ERR_INVALID);
    assert_int_equal(ca_certificate(&out, ca_seed, "n\xc3\xb6n-ascii", WALL_MS), ERR_INVALID);
    buf_free(&out);
}

static void a_ca_s_certificate_is_its_own_issuer_and_may_sign_nodes_only(void **state) {
    (void)state;
    struct buf ca = {0};
    make_ca(&ca);
    X509 *certificate = parse(&ca);
    EVP_PKEY *key = certificate_key(ca_seed);
    assert_int_equal(X509_verify(certificate, key), 1);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)), 0);
    assert_int_equal(X509_check_ca(certificate), 1);
    assert_int_equal(X509_get_pathlen(certificate), 0);
    assert_int_equal(X509_get_key_usage(certificate), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    EVP_PKEY_free(key);
    X509_free(certificate);
    buf_free(&ca);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_s_certificate_chains_to_its_ca),
        cmocka_unit_test(it_is_valid_from_an_hour_before_for_a_year),
        cmocka_unit_test(its_key_is_the_node_s_identity),
        cmocka_unit_test(serial_numbers_are_positive_and_as_given),
        cmocka_unit_test(a_node_s_certificate_cannot_sign_others),
        cmocka_unit_test(another_ca_s_certificate_does_not_count),
        cmocka_unit_test(any_changed_byte_breaks_the_signature),
        cmocka_unit_test(what_is_no_certificate_or_another_key_s_is_refused),
        cmocka_unit_test(a_ca_has_a_name_of_1_to_64_bytes),
        cmocka_unit_test(a_ca_s_certificate_is_its_own_issuer_and_may_sign_nodes_only),
    };
    return cmocka_run_group_tests_name("net ca", tests, setup, NULL);
}
