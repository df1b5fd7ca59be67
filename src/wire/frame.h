// Frames: what crosses a ledger link. A frame has a kind and a body; a long one is cut into parts, and a link has two
// lanes, so that a vote waits behind one part of a block that is being fetched and not behind the block. The parts of a
// frame follow each other in their lane.
//
//   part   length of the bytes 4 | flags and kind 1 | bytes
//          flags: 0x80 more parts of the frame follow, 0x40 bulk lane; kind: the low six bits
//
// Kinds below FRAME_KIND_LEDGER belong to the link itself; the others are the ledger's (ledger/message.h).
#ifndef SOTTO_WIRE_FRAME_H
#define SOTTO_WIRE_FRAME_H

#include "base/cursor.h"
#include "wire/ids.h"

#define FRAME_HEAD_BYTES 5
#define FRAME_PART_BYTES ((size_t)16 * 1024 - FRAME_HEAD_BYTES) // of the body, at most: with its head a single send
#define FRAME_BODY_BYTES_MAX ((size_t)(1024 + 64) * 1024)       // a block with a proposal and a certificate fits
#define FRAME_KIND_MAX 63

enum frame_kind {
    FRAME_HELLO = 1, // first, both ways
    FRAME_PING = 2,  // token 8, echoed
    FRAME_PONG = 3,
    FRAME_KIND_LEDGER = 16, // the first of the ledger's
};

enum frame_lane {
    FRAME_URGENT, // consensus, and the link's own
    FRAME_BULK,   // sync, transactions: leaves when nothing urgent waits
};

#define FRAME_LANES 2

// Appends the part of a frame that begins at `sent` bytes of its body. Returns how many bytes of the body it has; the
// frame is complete when they reach the end (an empty body is one part).
size_t frame_part_encode(struct buf *out, enum frame_lane lane, uint8_t kind, struct span body, size_t sent);

// A frame of which not all parts have come.
struct frame_partial {
    bool under_way;
    uint8_t kind;
    struct buf body;
};

// Puts frames together from the bytes of a link, however these are cut. Zero-initialised but for bytes_max. Holds no
// more memory than bytes that came: at most two bodies.
struct frame_reader {
    size_t bytes_max; // of a body; may be raised at any time
    uint8_t head[FRAME_HEAD_BYTES];
    size_t head_n;
    size_t part_left; // bytes of the part under way that are still to come
    bool in_part;
    bool last;            // the part under way ends its frame
    enum frame_lane lane; // of the part under way
    struct frame_partial lanes[FRAME_LANES];
};

struct frame {
    uint8_t kind;
    struct buf body; // owned by whoever took the frame
};

// Takes bytes off `bytes` until a frame is whole (*complete) or none are left. ERR_MALFORMED: an empty part before the
// last, a part longer than FRAME_PART_BYTES, parts of two frames mixed in one lane. ERR_TOO_LONG: a body over
// bytes_max, noticed before its bytes are kept. After an error the reader is of no use.
enum err frame_take(struct frame_reader *reader, struct frame *out, bool *complete, struct span *bytes);
void frame_reader_free(struct frame_reader *reader);

#define LEDGER_LINK_VERSION 1

// What the sender is, by its own account; who may do what is proved elsewhere.
enum ledger_role { LEDGER_VALIDATOR = 1, LEDGER_FOLLOWER = 2, LEDGER_LIGHT = 3 };

struct ledger_hello {
    uint16_t version;
    struct network_id network;
    enum ledger_role role;
    uint64_t height; // of the last block it holds: a hint, no promise
};

#define LEDGER_HELLO_BYTES (2 + 32 + 1 + 8)

size_t ledger_hello_encode(uint8_t out[static LEDGER_HELLO_BYTES], const struct ledger_hello *hello);
enum err ledger_hello_decode(struct ledger_hello *out, struct span body); // ERR_MALFORMED

#endif
