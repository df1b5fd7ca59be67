// Where a node listens: a host and a port, as text and as bytes.
#ifndef SOTTO_WIRE_ADDRESS_H
#define SOTTO_WIRE_ADDRESS_H

#include "base/cursor.h"

#define HOST_BYTES_MAX 63 // an onion service's name has 62
#define ADDRESS_BYTES_MAX (1 + HOST_BYTES_MAX + 2)
#define ADDRESS_TEXT_MAX (HOST_BYTES_MAX + 10) // with brackets, colon, port and the final zero

struct address {
    char host[HOST_BYTES_MAX + 1]; // an IPv4 or bracketless IPv6 literal, or a DNS name
    uint16_t port;                 // not 0
};

// A literal or a DNS name (letters, digits, hyphen, underscore, in labels of 1 to 63). A name whose last label is a
// number is an IPv4 literal or nothing.
bool host_valid(struct span host);
// "host:port" or "[ipv6]:port". ERR_MALFORMED.
enum err address_parse(struct address *out, const char *text);
void address_format(char out[static ADDRESS_TEXT_MAX], const struct address *address);
bool address_equal(const struct address *a, const struct address *b);

// host length 1 | host | port 2
void address_write(struct writer *w, const struct address *address);
void address_read(struct reader *r, struct address *address); // fails the reader when it is no valid address

#endif
