// A relay's own word on where it is, between two directories: it overrides the address that the directory lists, and
// nothing else. docs/spec/directory.md is the specification.
//
//   record   version 1 | id 32 | signed_ms 8 | host length 1 | host | port 2 | signature 64
//
//   message  MESSAGE_GET_ADDRESSES   nothing: whoever is asked cannot tell for whose sake
//            MESSAGE_ADDRESSES       count 2 | records, ids strictly increasing
#ifndef SOTTO_WIRE_ADDRESS_RECORD_H
#define SOTTO_WIRE_ADDRESS_RECORD_H

#include "wire/address.h"
#include "wire/ids.h"

struct address_record {
    struct relay_id id;
    uint64_t signed_ms; // the relay's clock; of two records of a relay the later one counts
    struct address address;
    struct signature signature; // over "sotto address 1", network, all of the above
};

#define ADDRESS_RECORD_BYTES_MAX (1 + 32 + 8 + ADDRESS_BYTES_MAX + 64)

// Fills record->signature.
void address_record_sign(struct address_record *record, const struct network_id *network,
                         const struct sign_secret *relay);
// ERR_AUTH unless the relay that it names has signed it for this network.
enum err address_record_verify(const struct address_record *record, const struct network_id *network);
void address_record_write(struct writer *w, const struct address_record *record);
void address_record_read(struct reader *r, struct address_record *record); // fails the reader; verifies nothing

// With its kind byte. At most DIRECTORY_RELAYS_MAX records, sorted by id; all of them fit one message.
void addresses_message_encode(struct buf *out, const struct address_record *records, size_t count);
// ERR_MALFORMED. The caller frees *records; no signature is verified.
enum err addresses_message_decode(struct address_record **records, size_t *count, struct span message);
size_t get_addresses_encode(uint8_t out[static 1]);
enum err get_addresses_decode(struct span message);

#endif
