// Messages of a link (cut into CELL_PART cells). The first byte is the kind. Codecs of link management are here; the
// bodies of replica messages are in wire/replica.h, addresses in wire/address_record.h.
#ifndef SOTTO_WIRE_MESSAGE_H
#define SOTTO_WIRE_MESSAGE_H

#include "wire/ids.h"

enum message_kind {
    // Any link. Both sides say hello first; anything before it closes the link.
    MESSAGE_HELLO = 1,
    MESSAGE_PING = 2, // u64, echoed
    MESSAGE_PONG = 3,
    MESSAGE_GET_DIRECTORY = 4, // u32 epoch, 0: the newest
    MESSAGE_DIRECTORY = 5,     // u32 epoch asked for; then its bundle (ledger/bundle.h), or nothing: not held
    MESSAGE_GET_ADDRESSES = 6, // wire/address_record.h
    MESSAGE_ADDRESSES = 7,     // the answer; of relays and seeds unasked, too
    // A client to its entry.
    MESSAGE_HANDLES = 16, // u8 count (1..HANDLES_PER_LINK_MAX), handles: replaces those of this link
    // Replica to replica: wire/replica.h, kinds 64 to 95.
    MESSAGE_REPLICA_FIRST = 64,
    MESSAGE_REPLICA_LAST = 95,
};

#define HANDLES_PER_LINK_MAX 64
#define LINK_PROTOCOL_VERSION 1

struct hello {
    uint16_t version;
    struct network_id network;
    uint32_t epoch;   // of the newest directory the sender holds, 0: none
    uint64_t wall_ms; // the sender's clock
};

#define HELLO_BYTES (1 + 2 + 32 + 4 + 8)

size_t hello_encode(uint8_t out[static HELLO_BYTES], const struct hello *hello);
enum err hello_decode(struct hello *out, struct span message); // with its kind byte

#define HANDLES_BYTES_MAX (2 + HANDLES_PER_LINK_MAX * 16)

size_t handles_encode(uint8_t out[static HANDLES_BYTES_MAX], const struct handle *handles, size_t count);
enum err handles_decode(struct handle handles[static HANDLES_PER_LINK_MAX], size_t *count, struct span message);

size_t ping_encode(uint8_t out[static 9], enum message_kind kind, uint64_t token);
enum err ping_decode(uint64_t *token, struct span message); // PING and PONG
size_t get_directory_encode(uint8_t out[static 5], uint32_t epoch);
enum err get_directory_decode(uint32_t *epoch, struct span message);
void directory_message_encode(struct buf *out, uint32_t epoch, struct span directory);
enum err directory_message_decode(uint32_t *epoch, struct span *directory, struct span message);

#endif
