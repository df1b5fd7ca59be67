// See tls.h. One context for each direction; every connection has a BIO of ours that reads a span and appends to a
// buffer, so that encrypted bytes are copied once.
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/certificate.h"

struct tls {
    SSL_CTX *server; // NULL without an identity
    SSL_CTX *client;
    EVP_PKEY *key;
    X509 *certificate;
    STACK_OF(X509) * chain;
    BIO_METHOD *wire_method;
    bool has_ca;
    bool takes_ledger;
    int keylog; // -1: none
};

// --- the wire ---

static int wire_read(BIO *bio, char *out, size_t n, size_t *got) {
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->in.n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = n < wire->in.n ? n : wire->in.n;
    memcpy(out, wire->in.p, *got);
    wire->in = span_of(wire->in.p + *got, wire->in.n - *got);
    return 1;
}

static int wire_write(BIO *bio, const char *bytes, size_t n, size_t *written) {
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_append(&wire->out, span_of(bytes, n));
    *written = n;
    return 1;
}

static long wire_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire_method_new(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "link");
    ASSERT(method != NULL);
    bool set = BIO_meth_set_read_ex(method, wire_read) == 1 && BIO_meth_set_write_ex(method, wire_write) == 1 &&
               BIO_meth_set_ctrl(method, wire_control) == 1;
    ASSERT(set);
    return method;
}

// --- whom we accept ---

// Any well-formed Ed25519 certificate: TLS proves that the peer holds its key. Dials know which key it has to be. With
// a CA the chain must hold as well.
static int verify_peer(X509_STORE_CTX *store, void *arg) {
    const struct tls *tls = arg;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_wire *wire = SSL_get_app_data(ssl);
    struct sign_public key;
    if (!certificate_public(&key, X509_STORE_CTX_get0_cert(store)) ||
        (wire->expected != NULL && !keys_equal(key.bytes, wire->expected->bytes))) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    return tls->has_ca ? X509_verify_cert(store) == 1 : 1;
}

// The kinds of link as ALPN has them: each with its length. What is taken is a beginning of the list.
static const uint8_t alpn[] = "\x07" NET_ALPN "\x0e" NET_ALPN_LEDGER;

#define ALPN_CELLS_BYTES sizeof(NET_ALPN)
#define ALPN_ALL_BYTES (sizeof(alpn) - 1)

_Static_assert(sizeof(NET_ALPN) - 1 == 7 && sizeof(NET_ALPN_LEDGER) - 1 == 14, "the length bytes above");

static int choose_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_n, const uint8_t *in, unsigned in_n, void *arg) {
    (void)ssl;
    const struct tls *tls = arg;
    uint8_t *chosen;
    unsigned n = tls->takes_ledger ? ALPN_ALL_BYTES : ALPN_CELLS_BYTES;
    int result = SSL_select_next_proto(&chosen, out_n, alpn, n, in, in_n);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void write_keylog(const SSL *ssl, const char *line) {
    const struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    (void)dprintf(tls->keylog, "%s\n", line);
}

// --- contexts ---

static SSL_CTX *context_new(struct tls *tls, const SSL_METHOD *method) {
    SSL_CTX *context = SSL_CTX_new(method);
    ASSERT(context != NULL);
    bool set = SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
               SSL_CTX_set1_groups_list(context, "X25519") == 1 && SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1 &&
               SSL_CTX_set1_client_sigalgs_list(context, "ed25519") == 1 && SSL_CTX_set_num_tickets(context, 0) == 1 &&
               SSL_CTX_set_max_send_fragment(context, TLS_RECORD_BYTES_MAX) == 1;
    ASSERT(set);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_max_cert_list(context, 8 * 1024); // a self-signed one has 300 bytes, a chain of four under 4 KiB
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify_peer, tls);
    SSL_CTX_set_app_data(context, tls);
    if (tls->keylog >= 0) {
        SSL_CTX_set_keylog_callback(context, write_keylog);
    }
    return context;
}

static void say_why(struct buf *why, const char *what, const char *path, const char *reason) {
    char text[1400];
    int n = snprintf(text, sizeof(text), "%s %s: %s", what, path, reason);
    buf_append(why, span_of(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
}

static enum err load_certificate(struct tls *tls, const struct net_config *config, struct buf *why) {
    if (config->certificate_path == NULL) {
        tls->certificate = certificate_self_signed(tls->key);
        return OK;
    }
    enum err err = certificate_load(&tls->certificate, &tls->chain, config->certificate_path);
    if (err != OK) {
        const char *reason = err == ERR_IO ? strerror(errno) : "holds no PEM certificate";
        say_why(why, "the node's certificate", config->certificate_path, reason);
        return err;
    }
    if (X509_check_private_key(tls->certificate, tls->key) != 1) {
        say_why(why, "the node's certificate", config->certificate_path, "is for another key than the node's identity");
        return ERR_INVALID;
    }
    return OK;
}

static enum err load_ca(struct tls *tls, const struct net_config *config, struct buf *why) {
    if (config->ca_path == NULL) {
        return OK;
    }
    SSL_CTX *contexts[] = {tls->server, tls->client};
    for (size_t i = 0; i < 2; i++) {
        if (contexts[i] != NULL && SSL_CTX_load_verify_file(contexts[i], config->ca_path) != 1) {
            say_why(why, "the CA certificate", config->ca_path, "cannot be read as PEM");
            ERR_clear_error();
            return ERR_IO;
        }
    }
    tls->has_ca = true;
    return OK;
}

static enum err open_keylog(struct tls *tls, const struct net_config *config, struct buf *why) {
    if (config->keylog_path == NULL) {
        return OK;
    }
    tls->keylog = open(config->keylog_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (tls->keylog < 0) {
        say_why(why, "the TLS key log", config->keylog_path, strerror(errno));
        return ERR_IO;
    }
    return OK;
}

static void make_contexts(struct tls *tls) {
    tls->client = context_new(tls, TLS_client_method());
    if (tls->key == NULL) {
        return;
    }
    tls->server = context_new(tls, TLS_server_method());
    SSL_CTX_set_alpn_select_cb(tls->server, choose_alpn, tls);
    ASSERT(SSL_CTX_use_cert_and_key(tls->server, tls->certificate, tls->key, tls->chain, 1) == 1);
}

enum err tls_new(struct tls **ret, const struct net_config *config, struct buf *why) {
    struct tls *tls = NEW(struct tls);
    tls->keylog = -1;
    tls->takes_ledger = config->ledger;
    tls->wire_method = wire_method_new();
    enum err err = OK;
    if (config->identity_seed != NULL) {
        tls->key = certificate_key(config->identity_seed);
        err = load_certificate(tls, config, why);
    }
    if (err == OK) {
        err = open_keylog(tls, config, why);
    }
    if (err == OK) {
        make_contexts(tls);
        err = load_ca(tls, config, why);
    }
    if (err != OK) {
        tls_free(tls);
        return err;
    }
    *ret = tls;
    return OK;
}

void tls_free(struct tls *tls) {
    if (tls == NULL) {
        return;
    }
    SSL_CTX_free(tls->server);
    SSL_CTX_free(tls->client);
    X509_free(tls->certificate);
    sk_X509_pop_free(tls->chain, X509_free);
    EVP_PKEY_free(tls->key);
    BIO_meth_free(tls->wire_method);
    if (tls->keylog >= 0) {
        close(tls->keylog);
    }
    free(tls);
}

bool tls_can_listen(const struct tls *tls) {
    return tls->server != NULL;
}

// --- connections ---

static SSL *connection_new(struct tls *tls, SSL_CTX *context, struct tls_wire *wire) {
    SSL *ssl = SSL_new(context);
    BIO *bio = BIO_new(tls->wire_method);
    ASSERT(ssl != NULL && bio != NULL);
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio); // owns the bio now
    SSL_set_app_data(ssl, wire);
    return ssl;
}

SSL *tls_accept(struct tls *tls, struct tls_wire *wire) {
    ASSERT(tls->server != NULL && wire->expected == NULL);
    SSL *ssl = connection_new(tls, tls->server, wire);
    SSL_set_accept_state(ssl);
    return ssl;
}

SSL *tls_dial(struct tls *tls, struct tls_wire *wire, enum link_kind kind, bool show_certificate) {
    static const struct span offers[LINK_KINDS] = {
        [LINK_CELLS] = {alpn, ALPN_CELLS_BYTES},
        [LINK_LEDGER] = {alpn + ALPN_CELLS_BYTES, ALPN_ALL_BYTES - ALPN_CELLS_BYTES},
    };
    ASSERT(wire->expected != NULL);
    SSL *ssl = connection_new(tls, tls->client, wire);
    ASSERT(SSL_set_alpn_protos(ssl, offers[kind].p, (unsigned)offers[kind].n) == 0);
    if (show_certificate && tls->key != NULL) {
        ASSERT(SSL_use_cert_and_key(ssl, tls->certificate, tls->key, tls->chain, 1) == 1);
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

static enum tls_result result_of(SSL *ssl, int returned) {
    switch (SSL_get_error(ssl, returned)) {
    case SSL_ERROR_NONE:
        return TLS_OK;
    case SSL_ERROR_WANT_READ:
        return TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    }
    return TLS_BAD;
}

static struct span selected_alpn(const SSL *ssl) {
    const uint8_t *protocol;
    unsigned n;
    SSL_get0_alpn_selected(ssl, &protocol, &n);
    return span_of(protocol, n);
}

enum tls_result tls_handshake(SSL *ssl) {
    ERR_clear_error();
    enum tls_result result = result_of(ssl, SSL_do_handshake(ssl));
    if (result != TLS_OK) {
        return result;
    }
    // The server chose among what the client offered, so that one was chosen says that both speak it.
    return selected_alpn(ssl).n > 0 ? TLS_OK : TLS_BAD;
}

enum link_kind tls_kind(const SSL *ssl) {
    return span_equal(selected_alpn(ssl), SPAN_LITERAL(NET_ALPN_LEDGER)) ? LINK_LEDGER : LINK_CELLS;
}

enum tls_result tls_read(SSL *ssl, uint8_t *out, size_t n, size_t *got) {
    ERR_clear_error();
    *got = 0;
    return result_of(ssl, SSL_read_ex(ssl, out, n, got));
}

enum tls_result tls_write(SSL *ssl, struct span bytes) {
    ASSERT(bytes.n > 0 && bytes.n <= LINK_SEND_BYTES_MAX);
    ERR_clear_error();
    size_t written;
    return SSL_write_ex(ssl, bytes.p, bytes.n, &written) == 1 && written == bytes.n ? TLS_OK : TLS_BAD;
}

void tls_goodbye(SSL *ssl) {
    ERR_clear_error();
    if (SSL_is_init_finished(ssl)) {
        (void)SSL_shutdown(ssl);
    }
}

bool tls_peer_key(const SSL *ssl, struct sign_public *out) {
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    return certificate != NULL && certificate_public(out, certificate);
}
