// The text by which one person gives themselves to another: "sotto:" and base32 (RFC 4648, lower case, no padding) of
//
//   version 1 | first 8 bytes of the network id | identity 32 | X25519 key 32 | request mailbox 32 | checksum 4
//
// The checksum is the start of H("sotto link 1", all before it): it finds slips of the pen, not forgeries.
#ifndef SOTTO_CLIENT_LINK_H
#define SOTTO_CLIENT_LINK_H

#include "client/store.h"

void link_format(char out[static LINK_TEXT_MAX + 1], const struct card *card, const struct network_id *network);
// ERR_MALFORMED, ERR_UNSUPPORTED (a newer version) or ERR_NETWORK, with a text for a person in `reason`.
enum err link_parse(struct card *out, const char **reason, const char *text, const struct network_id *network);

// Well-formed UTF-8 (RFC 3629) without U+0000.
bool text_valid(struct span text);
// A name: valid text of 1 to CONTACT_NAME_MAX bytes without control characters.
bool name_valid(const char *name);

#endif
