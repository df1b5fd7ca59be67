// Cells: the only thing that crosses a link which carries onion packets. All have one size, each travels in its own
// TLS record. A longer message is cut into parts; the parts of one message follow each other, packets may come between.
//
//   cell   kind 1 | flags 1 | length 2 | reserved 2 | body 2,418 (zero beyond length)         = 2,424 bytes
#ifndef SOTTO_WIRE_CELL_H
#define SOTTO_WIRE_CELL_H

#include "crypto/sphinx.h"
#include "wire/ids.h"

#define CELL_HEADER_BYTES 6
#define CELL_BODY_BYTES SPHINX_PACKET_BYTES
#define CELL_BYTES (CELL_HEADER_BYTES + CELL_BODY_BYTES)

enum cell_kind {
    CELL_DUMMY = 0,  // says nothing
    CELL_PACKET = 1, // an onion packet (length 2,418)
    CELL_REPLY = 2,  // to a client: SURB id 16 | payload 2,048 (length 2,064)
    CELL_PART = 3,   // part of a message; flag bits below
};

#define CELL_FLAG_FIRST 1
#define CELL_FLAG_LAST 2

#define MESSAGE_BYTES_MAX_RELAY (1024 * 1024) // a directory of 4,096 relays fits
#define MESSAGE_BYTES_MAX_CLIENT (8 * 1024)   // what a client may send: hello, handles, directory requests

struct cell {
    enum cell_kind kind;
    uint8_t flags;
    struct span body; // `length` bytes of the input
};

// ERR_MALFORMED: unknown kind, wrong length for the kind, flags where none belong, non-zero bytes beyond length
// (checked for CELL_PART; the rest is never looked at).
enum err cell_decode(struct cell *out, const uint8_t bytes[static CELL_BYTES]);
void cell_encode(uint8_t out[static CELL_BYTES], enum cell_kind kind, uint8_t flags, struct span body);
void cell_encode_reply(uint8_t out[static CELL_BYTES], const struct surb_id *surb,
                       const uint8_t payload[static SPHINX_PAYLOAD_BYTES]);

// Puts parts together again. One per link and direction.
struct assembler {
    struct buf message;
    size_t bytes_max;
    bool under_way;
};

// Takes a CELL_PART. *complete is set when assembler->message holds a whole message (valid until the next call).
// ERR_MALFORMED: first or last flags out of order. ERR_TOO_LONG: over bytes_max.
enum err assembler_take(struct assembler *assembler, bool *complete, const struct cell *part);
void assembler_free(struct assembler *assembler);
// How many cells a message of n bytes takes, and the i-th of them.
size_t message_cells(size_t n);
void message_cell(uint8_t out[static CELL_BYTES], struct span message, size_t i);

#endif
