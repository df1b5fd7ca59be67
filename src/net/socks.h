// A SOCKS5 client (RFC 1928, RFC 1929) without sockets: bytes from the proxy in, bytes to the proxy out. Names are
// handed to the proxy unresolved.
#ifndef SOTTO_NET_SOCKS_H
#define SOTTO_NET_SOCKS_H

#include "net/net.h"

// Longest thing a proxy says: the reply with a domain name of 255 bytes.
#define SOCKS_REPLY_MAX (4 + 1 + 255 + 2)

enum socks_state { SOCKS_METHOD, SOCKS_AUTH, SOCKS_CONNECT, SOCKS_DONE, SOCKS_FAILED };

struct socks {
    enum socks_state state;
    struct address target;
    char user[NET_CREDENTIAL_MAX + 1];
    char password[NET_CREDENTIAL_MAX + 1];
    uint8_t reply[SOCKS_REPLY_MAX];
    size_t reply_n;
};

// Appends the greeting to `out`. Both ways in are offered: no authentication, and user name with password.
void socks_begin(struct socks *socks, struct buf *out, const struct address *target, const char *user,
                 const char *password);
// Takes what it needs from the front of `in`; appends what is to be said next to `out`. SOCKS_DONE: the connection
// stands and what remains of `in` comes from the target. SOCKS_FAILED: refused or nonsense.
enum socks_state socks_take(struct socks *socks, struct buf *out, struct span *in);

#endif
