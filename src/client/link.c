// Contact links, and which texts are acceptable.
#include "client/link.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/hash.h"

#define LINK_SCHEME "sotto:"
#define LINK_VERSION 1
#define LINK_NETWORK_BYTES 8
#define LINK_CHECKSUM_BYTES 4
#define LINK_BODY_BYTES (1 + LINK_NETWORK_BYTES + 3 * 32)
#define LINK_BYTES (LINK_BODY_BYTES + LINK_CHECKSUM_BYTES)
#define LINK_DIGITS ((LINK_BYTES * 8 + 4) / 5)

_Static_assert(sizeof(LINK_SCHEME) - 1 + LINK_DIGITS <= LINK_TEXT_MAX, "a link fits its field");

static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

static void base32_encode(char *out, const uint8_t *bytes, size_t n) {
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < n; i++) {
        bits = (bits << 8) | bytes[i];
        for (held += 8; held >= 5; held -= 5)
            *out++ = base32_digits[(bits >> (held - 5)) & 31];
    }
    if (held > 0)
        *out++ = base32_digits[(bits << (5 - held)) & 31];
    *out = '\0';
}

static int base32_value(char c) {
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

// Exactly n bytes from a text of exactly as many digits as they take; spare bits must be zero.
static bool base32_decode(uint8_t *out, size_t n, const char *text) {
    uint32_t bits = 0;
    unsigned held = 0;
    size_t done = 0;
    for (; *text != '\0'; text++) {
        int value = base32_value(*text);
        if (value < 0 || done > n)
            return false;
        bits = (bits << 5) | (uint32_t)value;
        held += 5;
        if (held >= 8 && done < n) {
            held -= 8;
            out[done++] = (uint8_t)(bits >> held);
        }
    }
    return done == n && held < 5 && (bits & ((1u << held) - 1)) == 0;
}

static void checksum(uint8_t out[static LINK_CHECKSUM_BYTES], const uint8_t body[static LINK_BODY_BYTES]) {
    struct hash hash;
    hash_bytes(&hash, "sotto link 1", span_of(body, LINK_BODY_BYTES));
    memcpy(out, hash.bytes, LINK_CHECKSUM_BYTES);
}

void link_format(char out[static LINK_TEXT_MAX + 1], const struct card *card, const struct network_id *network) {
    uint8_t bytes[LINK_BYTES];
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_u8(&w, LINK_VERSION);
    write_bytes(&w, network->bytes, LINK_NETWORK_BYTES);
    write_bytes(&w, card->identity.bytes, 32);
    write_bytes(&w, card->dh.bytes, 32);
    write_bytes(&w, card->mailbox.bytes, 32);
    checksum(bytes + w.n, bytes);
    memset(out, 0, LINK_TEXT_MAX + 1);
    memcpy(out, LINK_SCHEME, sizeof(LINK_SCHEME) - 1);
    base32_encode(out + sizeof(LINK_SCHEME) - 1, bytes, sizeof(bytes));
}

enum err link_parse(struct card *out, const char **reason, const char *text, const struct network_id *network) {
    uint8_t bytes[LINK_BYTES], sum[LINK_CHECKSUM_BYTES];
    *reason = "not a Sotto link: it starts with \"sotto:\"";
    if (strncmp(text, LINK_SCHEME, sizeof(LINK_SCHEME) - 1) != 0)
        return ERR_MALFORMED;
    *reason = "damaged link: something is missing or mistyped";
    if (!base32_decode(bytes, sizeof(bytes), text + sizeof(LINK_SCHEME) - 1))
        return ERR_MALFORMED;
    checksum(sum, bytes);
    if (memcmp(sum, bytes + LINK_BODY_BYTES, sizeof(sum)) != 0)
        return ERR_MALFORMED;
    *reason = "a link of a version that this program does not know";
    if (bytes[0] != LINK_VERSION)
        return ERR_UNSUPPORTED;
    *reason = "a link of another network";
    if (memcmp(bytes + 1, network->bytes, LINK_NETWORK_BYTES) != 0)
        return ERR_NETWORK;
    *reason = NULL;
    const uint8_t *keys = bytes + 1 + LINK_NETWORK_BYTES;
    memcpy(out->identity.bytes, keys, 32);
    memcpy(out->dh.bytes, keys + 32, 32);
    memcpy(out->mailbox.bytes, keys + 64, 32);
    return OK;
}

// Length of the well-formed sequence at p, 0 if there is none (RFC 3629, section 4).
static size_t utf8_sequence(const uint8_t *p, size_t n) {
    if (p[0] < 0x80)
        return p[0] != 0 ? 1 : 0;
    size_t length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || length > n)
        return 0;
    uint8_t low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool text_valid(struct span text) {
    for (size_t i = 0; i < text.n;) {
        size_t length = utf8_sequence(text.p + i, text.n - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

bool name_valid(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > CONTACT_NAME_MAX || !text_valid(span_of(name, n)))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)name[i] < 0x20 || name[i] == 0x7F)
            return false;
    return true;
}
