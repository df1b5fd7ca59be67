// Hosts and ports. A host from a peer is checked to its last character: it is dialled, logged and shown.
#include "wire/address.h"

#include <string.h>

#include "base/assert.h"

#define LABEL_BYTES_MAX 63
#define IPV6_GROUPS 8
#define PORT_DIGITS_MAX 5
#define IPV6_TEXT_MAX 45

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(uint8_t c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Cuts off what stands before the first `separator` (or all). False when nothing is left to cut.
static bool next_piece(struct span *rest, char separator, struct span *piece, bool *ended) {
    if (*ended)
        return false;
    const uint8_t *at = rest->n > 0 ? memchr(rest->p, separator, rest->n) : NULL;
    size_t n = at != NULL ? (size_t)(at - rest->p) : rest->n;
    *piece = (struct span){rest->p, n};
    *ended = at == NULL;
    if (at != NULL)
        *rest = (struct span){at + 1, rest->n - n - 1};
    return true;
}

// A decimal number of at most `digits_max` digits without leading zeros; -1 otherwise.
static int32_t number_of(struct span text, size_t digits_max) {
    if (text.n < 1 || text.n > digits_max || (text.n > 1 && text.p[0] == '0'))
        return -1;
    int32_t value = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (!is_digit(text.p[i]))
            return -1;
        value = value * 10 + (text.p[i] - '0');
    }
    return value;
}

static bool ipv4_valid(struct span host) {
    size_t count = 0;
    bool ended = false;
    struct span piece;
    while (next_piece(&host, '.', &piece, &ended)) {
        int32_t value = number_of(piece, 3);
        if (value < 0 || value > 255)
            return false;
        count++;
    }
    return count == 4;
}

static bool ipv6_group_valid(struct span group) {
    if (group.n < 1 || group.n > 4)
        return false;
    for (size_t i = 0; i < group.n; i++) {
        if (!is_hex(group.p[i]))
            return false;
    }
    return true;
}

// How many 16-bit groups a run of them makes, -1 for anything else. Only the last one may be an IPv4 address (two
// groups).
static int ipv6_groups(struct span text, bool may_end_in_ipv4) {
    int count = 0;
    bool ended = text.n == 0;
    struct span group;
    while (next_piece(&text, ':', &group, &ended)) {
        bool is_ipv4 = may_end_in_ipv4 && ended && ipv4_valid(group);
        if (!is_ipv4 && !ipv6_group_valid(group))
            return -1;
        count += is_ipv4 ? 2 : 1;
    }
    return count;
}

// RFC 4291, 2.2: eight groups, or fewer around one "::".
static bool ipv6_valid(struct span host) {
    if (host.n > IPV6_TEXT_MAX)
        return false;
    size_t gap = 0;
    while (gap + 1 < host.n && (host.p[gap] != ':' || host.p[gap + 1] != ':'))
        gap++;
    if (gap + 1 >= host.n)
        return ipv6_groups(host, true) == IPV6_GROUPS;
    int before = ipv6_groups((struct span){host.p, gap}, false);
    int after = ipv6_groups((struct span){host.p + gap + 2, host.n - gap - 2}, true);
    return before >= 0 && after >= 0 && before + after < IPV6_GROUPS;
}

static bool label_valid(struct span label) {
    if (label.n < 1 || label.n > LABEL_BYTES_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++) {
        uint8_t c = label.p[i];
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}

static bool name_valid(struct span host) {
    bool ended = false;
    struct span rest = host;
    struct span label = {0};
    while (next_piece(&rest, '.', &label, &ended)) {
        if (!label_valid(label))
            return false;
    }
    for (size_t i = 0; i < label.n; i++) {
        if (!is_digit(label.p[i]))
            return true;
    }
    return ipv4_valid(host); // the last label is a number
}

bool host_valid(struct span host) {
    if (host.n < 1 || host.n > HOST_BYTES_MAX)
        return false;
    return memchr(host.p, ':', host.n) != NULL ? ipv6_valid(host) : name_valid(host);
}

static void address_set(struct address *out, struct span host, uint16_t port) {
    ASSERT(host.n <= HOST_BYTES_MAX);
    *out = (struct address){.port = port};
    memcpy(out->host, host.p, host.n);
}

enum err address_parse(struct address *out, const char *text) {
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        return ERR_MALFORMED;
    int32_t port = number_of(span_of_text(colon + 1), PORT_DIGITS_MAX);
    struct span host = span_of(text, (size_t)(colon - text));
    bool bracketed = host.p[0] == '[';
    if (bracketed) {
        if (host.n < 3 || host.p[host.n - 1] != ']')
            return ERR_MALFORMED;
        host = (struct span){host.p + 1, host.n - 2};
    }
    bool is_ipv6 = memchr(host.p, ':', host.n) != NULL;
    if (port < 1 || port > UINT16_MAX || bracketed != is_ipv6 || !host_valid(host))
        return ERR_MALFORMED;
    address_set(out, host, (uint16_t)port);
    return OK;
}

void address_format(char out[static ADDRESS_TEXT_MAX], const struct address *address) {
    size_t host_bytes = strlen(address->host);
    bool is_ipv6 = strchr(address->host, ':') != NULL;
    struct writer w = writer_of(out, ADDRESS_TEXT_MAX);
    if (is_ipv6)
        write_u8(&w, '[');
    write_bytes(&w, address->host, host_bytes);
    if (is_ipv6)
        write_u8(&w, ']');
    write_u8(&w, ':');
    uint16_t divisor = 10000;
    while (divisor > 1 && address->port < divisor)
        divisor /= 10;
    for (; divisor > 0; divisor /= 10)
        write_u8(&w, (uint8_t)('0' + address->port / divisor % 10));
    write_u8(&w, 0);
}

bool address_equal(const struct address *a, const struct address *b) {
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

void address_write(struct writer *w, const struct address *address) {
    struct span host = span_of_text(address->host);
    ASSERT(host_valid(host) && address->port > 0);
    write_u8(w, (uint8_t)host.n);
    write_bytes(w, host.p, host.n);
    write_u16(w, address->port);
}

void address_read(struct reader *r, struct address *address) {
    struct span host = read_span(r, read_u8(r));
    uint16_t port = read_u16(r);
    if (!reader_ok(r) || port == 0 || !host_valid(host)) {
        reader_fail(r);
        return;
    }
    address_set(address, host, port);
}
